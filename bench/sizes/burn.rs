use burn::nn::{Linear, LinearConfig, Relu};
use burn::prelude::*;
use burn::store::{ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};

#[derive(Module, Debug)]
struct Mlp {
    first: Linear,
    relu: Relu,
    second: Linear,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let mut model = Mlp {
        first: LinearConfig::new(784, 128).init(&device),
        relu: Relu::new(),
        second: LinearConfig::new(128, 10).init(&device),
    };
    let mut file = SafetensorsStore::from_file("model.safetensors")
        .with_from_adapter(PyTorchToBurnAdapter)
        .with_key_remapping(r"^layers\.0\.", "first.")
        .with_key_remapping(r"^layers\.2\.", "second.");
    model.load_from(&mut file)?;
    let row: Vec<f32> = (0..784).map(|at| (at % 7) as f32 / 7.0).collect();
    let row = Tensor::<2>::from_data(TensorData::new(row, [1, 784]), &device);
    let answers = model.second.forward(model.relu.forward(model.first.forward(row)));
    println!("{:?}", answers.into_data().to_vec::<f32>().map_err(|error| format!("{error:?}"))?);
    Ok(())
}
