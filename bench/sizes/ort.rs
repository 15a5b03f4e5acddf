use ort::session::Session;
use ort::value::Tensor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let library = std::env::var("ORT_DYLIB_PATH")?;
    let environment = ort::init_from(library)?.build()?;
    let mut session = Session::builder(&environment)?.commit_from_file("model.onnx")?;
    let row: Vec<f32> = (0..784).map(|at| (at % 7) as f32 / 7.0).collect();
    let answers = session.run(ort::inputs![Tensor::from_array(([1usize, 784], row))?])?;
    let (_, answers) = answers[0].try_extract_tensor::<f32>()?;
    println!("{answers:?}");
    Ok(())
}
