use plexus::{Context, Model, Workspace};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = Model::open("model.safetensors", Context::single())?;
    let row: Vec<f32> = (0..784).map(|at| (at % 7) as f32 / 7.0).collect();
    let mut workspace = Workspace::default();
    println!("{:?}", model.predict(&row, 1, &mut workspace)?);
    Ok(())
}
