//! The case files of `testdata/layers`, and the check that compares an engine with them.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod integer;

use plexus_kernels::map::Function;
use plexus_nn::layers::{Dense, Layer, LayerNorm, Linear, Normalizer};
use plexus_nn::testing::Engine;
use plexus_nn::{CheckedNetwork, Input, Network, ParamEntry, Params, Shape};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
/// One layer, its input and what comes out.
pub struct Case {
    pub name: String,
    pub layer: toml::Table,
    input_shape: Vec<usize>,
    batch: usize,
    mode: String,
    inputs: Vec<f32>,
    /// Further inputs of a layer that reads several values.
    #[serde(default)]
    more: Vec<More>,
    grad_output: Option<Vec<f32>>,
    output: Vec<f64>,
    grad_input: Option<Vec<f64>>,
    tolerance: BTreeMap<String, f64>,
    #[serde(default)]
    params: Vec<Tensor>,
    #[serde(default)]
    state: Vec<Tensor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct More {
    shape: Vec<usize>,
    inputs: Vec<f32>,
    grad_input: Option<Vec<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tensor {
    role: String,
    shape: Vec<usize>,
    values: Vec<f32>,
    grad: Option<Vec<f64>>,
    after: Option<Vec<f64>>,
}

/// What was compared, and what did not agree.
#[derive(Default)]
pub struct Tally {
    pub cases: usize,
    pub values: usize,
    /// The largest share of a tolerance that a difference took, and where.
    pub worst: (f64, String),
    pub failures: Vec<String>,
}

impl Tally {
    fn compare(&mut self, place: &str, got: &[f32], want: &[f64], tolerance: f64) {
        if got.len() != want.len() {
            self.failures.push(format!("{place}: {} values, expected {}", got.len(), want.len()));
            return;
        }
        self.values += got.len();
        for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
            let got = f64::from(got);
            if want.is_nan() && got.is_nan() || want.is_infinite() && got == want {
                continue;
            }
            let share = (got - want).abs() / tolerance;
            // Written so that a NaN fails.
            if share <= 1.0 {
                if share > self.worst.0 {
                    self.worst = (share, format!("{place}[{index}]"));
                }
            } else {
                self.failures.push(format!("{place}[{index}]: got {got:e}, expected {want:e} within {tolerance:e}"));
            }
        }
    }
}

/// The folder of the case files.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/layers")
}

/// One case file by its name.
pub fn file(name: &str) -> File {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Compares an engine with all cases of a file.
pub fn check(engine: &impl Engine, file: &File) -> Tally {
    let mut tally = Tally::default();
    file.case.iter().for_each(|case| run(engine, case, &mut tally));
    tally
}

/// The network of a case.
pub fn network(case: &Case) -> Network {
    let mut network = Network::chain(Shape::new(case.input_shape.clone()), layers(case));
    for (index, more) in case.more.iter().enumerate() {
        let name = format!("input {}", index + 1);
        network.inputs.push(Input { name, shape: Shape::new(more.shape.clone()) });
    }
    if !case.more.is_empty() {
        network.layers[0].inputs = network.inputs.iter().map(|input| input.name.clone()).collect();
    }
    network
}

/// Whether a case has a way back, and is small enough to be compared with differences.
pub fn is_small(case: &Case) -> bool {
    case.grad_output.is_some() && case.batch > 0 && (1..=200).contains(&case.inputs.len())
}

fn run(engine: &impl Engine, case: &Case, tally: &mut Tally) {
    tally.cases += 1;
    let mode_matters = layers(case).iter().any(|layer| matches!(layer, Layer::BatchNorm(_) | Layer::Dropout(_)));
    let network = network(case);
    let network = network.check().unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let params = params(case, &network);
    let network = Arc::new(network);
    match case.mode.as_str() {
        "inference" => {
            assert!(case.grad_output.is_none(), "{}: inference has no way back", case.name);
            predict(engine, case, &network, &params, tally);
        }
        "training" => {
            train(engine, case, &network, params.clone(), tally);
            if !mode_matters {
                predict(engine, case, &network, &params, tally);
            }
        }
        other => panic!("{}: unknown mode {other}", case.name),
    }
}

/// The numbers of all inputs.
fn inputs(case: &Case) -> Vec<&[f32]> {
    std::iter::once(&case.inputs[..]).chain(case.more.iter().map(|more| &more.inputs[..])).collect()
}

/// Runs a case as a prediction.
fn predict(engine: &impl Engine, case: &Case, network: &Arc<CheckedNetwork>, params: &Params, tally: &mut Tally) {
    let inputs = inputs(case);
    let batch = network.batches(&inputs, case.batch).expect("the inputs fit");
    let output = engine.predict(network, params, batch);
    tally.compare(&format!("{} output (planned)", case.name), &output, &case.output, case.tolerance["output"]);
}

/// Runs a case as a step of training.
fn train(engine: &impl Engine, case: &Case, network: &Arc<CheckedNetwork>, mut params: Params, tally: &mut Tally) {
    let place = |what: &str| format!("{} {what}", case.name);
    let inputs = inputs(case);
    let batch = network.batches(&inputs, case.batch).expect("the inputs fit");
    let mut grad_weights = vec![f32::NAN; params.weights.len()];
    let (grad_output, times) = case.grad_output.as_ref().map_or((&[][..], 0), |grad| (&grad[..], 1));
    let (output, grad_input) = engine.train(network, &mut params, batch, grad_output, &mut grad_weights, times);
    tally.compare(&place("output"), &output, &case.output, case.tolerance["output"]);
    for tensor in &case.state {
        let got = params.values(entry(network, case, &tensor.role));
        match &tensor.after {
            Some(after) => tally.compare(&place(&tensor.role), got, after, case.tolerance[&tensor.role]),
            // Repeated for each step where the layer has more of them.
            None => {
                let mut parts = got.chunks(tensor.values.len().max(1));
                if !parts.all(|part| part == tensor.values) {
                    tally.failures.push(format!("{}: {} must not change", case.name, tensor.role));
                }
            }
        }
    }
    if times == 0 {
        return;
    }
    let mut want = case.grad_input.clone().expect("a case with grad_output has grad_input");
    for more in &case.more {
        want.extend(more.grad_input.as_ref().expect("a case with grad_output has grad_input"));
    }
    tally.compare(&place("grad_input"), &grad_input, &want, case.tolerance["grad_input"]);
    for tensor in &case.params {
        let got = &grad_weights[entry(network, case, &tensor.role).range.clone()];
        let want = tensor.grad.as_ref().expect("a case with grad_output has grads");
        tally.compare(&place(&tensor.role), got, want, case.tolerance[&tensor.role]);
    }
}

/// The tensor of a role; those of `dense` name the layer that they belong to.
fn entry<'a>(network: &'a CheckedNetwork, case: &Case, role: &str) -> &'a ParamEntry {
    let name = if role.starts_with("layers.") { role.to_string() } else { format!("layers.0.{role}") };
    let entry = network.layout().entries().iter().find(|entry| entry.name == name);
    entry.unwrap_or_else(|| panic!("{}: the layer has no {name}", case.name))
}

/// The numbers of a case: as many tensors as the layer has, of the same shapes.
fn params(case: &Case, network: &CheckedNetwork) -> Params {
    let mut params = Params::zeros(network);
    let given = case.params.len() + case.state.len();
    assert_eq!(network.layout().entries().len(), given, "{}: other tensors than the layer's", case.name);
    for tensor in case.params.iter().chain(&case.state) {
        let entry = entry(network, case, &tensor.role).clone();
        let values = params.values_mut(&entry);
        if case.layer["kind"].as_str() == Some("standardize") && values.len() > tensor.values.len() {
            // The constants of a sequence are those of its last axis; the layer has them for each element.
            let steps = values.chunks_exact_mut(tensor.values.len());
            assert!(steps.into_remainder().is_empty(), "{}: {}", case.name, tensor.role);
            values.chunks_exact_mut(tensor.values.len()).for_each(|step| step.copy_from_slice(&tensor.values));
            continue;
        }
        assert_eq!(entry.shape, tensor.shape, "{}: {}", case.name, tensor.role);
        values.copy_from_slice(&tensor.values);
    }
    params
}

fn layers(case: &Case) -> Vec<Layer> {
    let mut table = case.layer.clone();
    match table["kind"].as_str() {
        Some("dense") => dense(&table),
        Some("standardize") => {
            let mean = case.state.iter().find(|tensor| tensor.role == "mean").expect("a mean");
            table.insert("per_feature".to_string(), toml::Value::Boolean(mean.shape != [1]));
            vec![layer(table)]
        }
        _ => vec![layer(table)],
    }
}

pub fn layer(table: toml::Table) -> Layer {
    toml::Value::Table(table.clone()).try_into().unwrap_or_else(|error| panic!("{table}: {error}"))
}

/// The layers that a dense layer stands for. What [`Dense`] cannot say is checked as what it would become: another
/// normalizer than the two of TensorFlow, or no bias and no normalizer either.
fn dense(table: &toml::Table) -> Vec<Layer> {
    let out_features = table["out_features"].as_integer().expect("a number") as usize;
    let function = table.get("activation").and_then(toml::Value::as_str);
    let activation = function.map(|name| Function::named(name).expect("a known function"));
    let wanted = table.get("normalizer").map(|keys| layer(keys.as_table().expect("a table").clone()));
    let normalizer = match &wanted {
        None => None,
        Some(Layer::BatchNorm(_)) => Some(Normalizer::BatchNorm),
        Some(Layer::LayerNorm(LayerNorm { .. })) => Some(Normalizer::LayerNorm),
        Some(other) => panic!("{} is no normalizer", other.kind()),
    };
    let dense = Dense::new(out_features).with_activation(activation).with_normalizer(normalizer);
    let mut layers: Vec<Layer> = dense.layers().into_iter().map(|(_, layer)| layer).collect();
    let without_bias = table["bias"].as_bool() == Some(false);
    match wanted {
        Some(wanted) => layers[1] = wanted,
        None if without_bias => layers[0] = Linear::new(out_features).with_bias(false).into(),
        None => {}
    }
    let expected = 1 + usize::from(normalizer.is_some()) + usize::from(activation.is_some());
    assert_eq!(layers.len(), expected);
    layers
}
