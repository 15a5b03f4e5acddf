//! The case files of layers of whole numbers: every number must come out exactly.

use super::{Tally, folder, layer};
use plexus_nn::layers::{Dequantize, Quantize};
use plexus_nn::testing::Engine;
use plexus_nn::{CheckedNetwork, Input, NamedLayer, Network, Params, Quant, Shape};
use serde::Deserialize;
use std::sync::Arc;

/// The kinds that have such a file.
pub const KINDS: &[&str] = &[
    "quantize",
    "dequantize",
    "rescale",
    "integer_linear",
    "integer_conv2d",
    "integer_conv_transpose2d",
    "integer_max_pool2d",
    "integer_avg_pool2d",
    "integer_clamp",
    "integer_lookup",
    "integer_add",
    "integer_concat",
    "integer_softmax",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub case: Vec<Case>,
}

/// One layer, the numbers that enter, what they stand for, and the numbers that leave.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    pub layer: toml::Table,
    input_shape: Vec<usize>,
    batch: usize,
    /// None for floats.
    input_quant: Option<Quant>,
    inputs: Vec<f32>,
    #[serde(default)]
    more: Vec<More>,
    output_quant: Option<Quant>,
    output: Vec<f32>,
    #[serde(default)]
    params: Vec<Tensor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct More {
    shape: Vec<usize>,
    quant: Quant,
    inputs: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tensor {
    role: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// One case file by its kind.
pub fn file(kind: &str) -> File {
    let text = std::fs::read_to_string(folder().join(format!("{kind}.toml")));
    let text = text.unwrap_or_else(|error| panic!("{kind}: {error}"));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{kind}: {error}"))
}

/// Compares an engine with all cases of a file.
pub fn check(engine: &impl Engine, file: &File) -> Tally {
    let mut tally = Tally::default();
    file.case.iter().for_each(|case| run(engine, case, &mut tally));
    tally
}

/// The inputs of a case: shape, meaning, numbers.
fn inputs(case: &Case) -> Vec<(&[usize], Option<Quant>, &[f32])> {
    let first = (&case.input_shape[..], case.input_quant, &case.inputs[..]);
    let more = case.more.iter().map(|more| (&more.shape[..], Some(more.quant), &more.inputs[..]));
    std::iter::once(first).chain(more).collect()
}

/// What numbers stand for; floats for themselves.
fn values(quant: Option<Quant>, numbers: &[f32]) -> Vec<f32> {
    numbers.iter().map(|number| quant.map_or(*number, |quant| quant.value(*number as i32))).collect()
}

/// The layer, a quantize in front of it where whole numbers enter, a dequantize behind it where they leave.
fn network(case: &Case) -> Network {
    let named = |name: String, inputs: Vec<String>, layer| NamedLayer { name, inputs, layer };
    let (mut entries, mut layers, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (shape, quant, _)) in inputs(case).into_iter().enumerate() {
        let input = format!("input {index}");
        entries.push(Input { name: input.clone(), shape: Shape::new(shape.to_vec()) });
        reads.push(match quant {
            None => input,
            Some(quant) => {
                let name = format!("whole {index}");
                layers.push(named(name.clone(), vec![input], Quantize::new(quant).into()));
                name
            }
        });
    }
    layers.push(named("layer".to_string(), reads, layer(case.layer.clone())));
    if case.output_quant.is_some() {
        layers.push(named("floats".to_string(), Vec::new(), Dequantize::new().into()));
    }
    let mut network = Network::new(Shape::new(case.input_shape.clone()), layers);
    network.inputs = entries;
    network
}

/// The numbers of a case: as many tensors as the layer has, of the same shapes.
fn params(case: &Case, network: &CheckedNetwork) -> Params {
    let mut params = Params::zeros(network);
    assert_eq!(network.layout().entries().len(), case.params.len(), "{}: other tensors than the layer's", case.name);
    for tensor in &case.params {
        let name = format!("layer.{}", tensor.role);
        let entry = network.layout().entries().iter().find(|entry| entry.name == name);
        let entry = entry.unwrap_or_else(|| panic!("{}: the layer has no {name}", case.name));
        assert_eq!(entry.shape, tensor.shape, "{}: {name}", case.name);
        params.values_mut(entry).copy_from_slice(&tensor.values);
    }
    for index in 0..network.network().layers.len() {
        let (weights, state) = (network.layout().weights_of(index), network.layout().state_of(index));
        let checked = network.check_params(index, &params.weights[weights], &params.state[state]);
        checked.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    }
    params
}

fn run(engine: &impl Engine, case: &Case, tally: &mut Tally) {
    tally.cases += 1;
    let network = network(case).check().unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let leaving = network.quant(network.value("layer").expect("it has that name"));
    assert_eq!(leaving, case.output_quant, "{}: what the outputs stand for", case.name);
    let params = params(case, &network);
    let numbers: Vec<Vec<f32>> = inputs(case).into_iter().map(|(_, quant, numbers)| values(quant, numbers)).collect();
    let numbers: Vec<&[f32]> = numbers.iter().map(Vec::as_slice).collect();
    let network = Arc::new(network);
    let batch = network.batches(&numbers, case.batch).expect("the inputs fit");
    let output = engine.predict(&network, &params, batch);
    let want = values(case.output_quant, &case.output);
    assert_eq!(output.len(), want.len(), "{}: how many numbers leave", case.name);
    tally.values += want.len();
    for (index, (got, want)) in output.iter().zip(&want).enumerate() {
        if got.to_bits() != want.to_bits() {
            let number = |value: f32| case.output_quant.map_or(value, |quant| quant.number(value) as f32);
            let (got, want) = (number(*got), number(*want));
            tally.failures.push(format!("{}[{index}]: got {got}, expected {want}", case.name));
        }
    }
}
