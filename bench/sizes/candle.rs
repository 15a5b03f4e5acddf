use candle_core::{DType, Device, Tensor};
use candle_nn::{Module, VarBuilder, linear};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::fs::read("model.safetensors")?;
    let weights = VarBuilder::from_buffered_safetensors(file, DType::F32, &Device::Cpu)?;
    let first = linear(784, 128, weights.pp("layers.0"))?;
    let second = linear(128, 10, weights.pp("layers.2"))?;
    let row: Vec<f32> = (0..784).map(|at| (at % 7) as f32 / 7.0).collect();
    let row = Tensor::from_vec(row, (1, 784), &Device::Cpu)?;
    let answers = second.forward(&first.forward(&row)?.relu()?)?;
    println!("{:?}", answers.squeeze(0)?.to_vec1::<f32>()?);
    Ok(())
}
