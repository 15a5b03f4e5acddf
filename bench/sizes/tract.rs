use tract_onnx::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = tract_onnx::onnx().model_for_path("model.onnx")?.into_optimized()?.into_runnable()?;
    let row = tract_ndarray::Array2::from_shape_fn((1, 784), |(_, at)| (at % 7) as f32 / 7.0);
    let answers = model.run(tvec!(Tensor::from(row).into()))?;
    println!("{:?}", answers[0].to_plain_array_view::<f32>()?.iter().copied().collect::<Vec<f32>>());
    Ok(())
}
