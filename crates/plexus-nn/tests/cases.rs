//! Every layer kind agrees with PyTorch: runs all cases of `testdata/layers`, on the selected instruction set.
//!
//! The format is written at the head of each file. A case in training mode goes through `Training`, one in inference
//! mode through `Plan`; where the mode makes no difference, a training case goes through `Plan` as well.

use plexus_kernels::buffer::Buffer;
use plexus_kernels::isa::Isa;
use plexus_kernels::map::Function;
use plexus_kernels::threads::Pool;
use plexus_nn::layer::RandomKey;
use plexus_nn::layers::{Activation, Dense, KINDS, Layer, LayerNorm, Linear, Normaliser};
use plexus_nn::{CheckedNetwork, Network, ParamEntry, Params, Plan, Shape, Training, Workspace};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    layer: toml::Table,
    input_shape: Vec<usize>,
    batch: usize,
    mode: String,
    inputs: Vec<f32>,
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
struct Tensor {
    role: String,
    shape: Vec<usize>,
    values: Vec<f32>,
    grad: Option<Vec<f64>>,
    after: Option<Vec<f64>>,
}

/// What was compared, and what did not agree.
#[derive(Default)]
struct Tally {
    cases: usize,
    values: usize,
    /// The largest share of a tolerance that a difference took, and where.
    worst: (f64, String),
    failures: Vec<String>,
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

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/layers")
}

#[test]
fn every_layer_kind_agrees_with_pytorch() {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder()).expect("testdata/layers").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let (mut cases, mut values, mut failures) = (0, 0, Vec::new());
    for path in paths {
        let name = path.file_name().expect("a file name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("the file reads");
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut tally = Tally::default();
        for case in &file.case {
            run(case, &mut tally);
        }
        let Tally { cases: file_cases, values: file_values, worst: (share, place), .. } = &tally;
        println!("{name}: {file_cases} cases, {file_values} values, worst {share:.3} of the tolerance at {place}");
        cases += file_cases;
        values += file_values;
        failures.extend(tally.failures.into_iter().map(|failure| format!("{name}: {failure}")));
    }
    println!("{}: {cases} cases, {values} values compared, {} differ", Isa::selected().name(), failures.len());
    assert!(failures.is_empty(), "{} values differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_layer_kind_has_a_case_file_of_its_own() {
    for kind in KINDS.iter().chain(&["dense"]) {
        let path = folder().join(format!("{kind}.toml"));
        let text = std::fs::read_to_string(&path);
        let text = text.unwrap_or_else(|error| panic!("{kind} has no case file {}: {error}", path.display()));
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(!file.case.is_empty(), "{kind} has no case");
        let kinds: BTreeSet<Option<&str>> = file.case.iter().map(|case| case.layer["kind"].as_str()).collect();
        assert_eq!(kinds, BTreeSet::from([Some(*kind)]));
    }
}

fn run(case: &Case, tally: &mut Tally) {
    tally.cases += 1;
    let layers = layers(case);
    let mode_matters = layers.iter().any(|layer| matches!(layer, Layer::BatchNorm(_) | Layer::Dropout(_)));
    let network = Network::chain(Shape::new(case.input_shape.clone()), layers);
    let network = network.check().unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let params = params(case, &network);
    let network = Arc::new(network);
    match case.mode.as_str() {
        "inference" => {
            assert!(case.grad_output.is_none(), "{}: inference has no way back", case.name);
            predict(case, &network, &params, tally);
        }
        "training" => {
            train(case, &network, params.clone(), tally);
            if !mode_matters {
                predict(case, &network, &params, tally);
            }
        }
        other => panic!("{}: unknown mode {other}", case.name),
    }
}

/// Runs a case as a prediction.
fn predict(case: &Case, network: &Arc<CheckedNetwork>, params: &Params, tally: &mut Tally) {
    let batch = network.batch(&case.inputs, case.batch).expect("the input fits");
    let plan = Plan::new(network.clone(), params.clone(), Pool::single());
    let mut workspace = Workspace::default();
    let output = plan.run(batch, &mut workspace);
    tally.compare(&format!("{} output (planned)", case.name), output, &case.output, case.tolerance["output"]);
}

fn train(case: &Case, network: &Arc<CheckedNetwork>, mut params: Params, tally: &mut Tally) {
    let place = |what: &str| format!("{} {what}", case.name);
    let batch = network.batch(&case.inputs, case.batch).expect("the input fits");
    let key = RandomKey { seed: 1, step: 0, layer: 0 };
    let mut training = Training::new(network.clone(), Pool::single());
    let output = training.forward(&mut params, batch, key);
    tally.compare(&place("output"), output, &case.output, case.tolerance["output"]);
    for tensor in &case.state {
        let got = params.values(entry(network, case, &tensor.role));
        match &tensor.after {
            Some(after) => tally.compare(&place(&tensor.role), got, after, case.tolerance[&tensor.role]),
            // Repeated for each step where the layer has more of them.
            None => {
                let mut parts = got.chunks(tensor.values.len().max(1));
                assert!(parts.all(|part| part == tensor.values), "{}: {} must not change", case.name, tensor.role);
            }
        }
    }
    let Some(grad_output) = &case.grad_output else { return };
    training.output_and_grad().1.copy_from_slice(grad_output);
    let mut grad_weights = Buffer::zeros(params.weights.len());
    let grad_input = training.backward_to_input(&params, batch, key, &mut grad_weights, true);
    let want = case.grad_input.as_ref().expect("a case with grad_output has grad_input");
    tally.compare(&place("grad_input"), grad_input, want, case.tolerance["grad_input"]);
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
        if case.layer["kind"].as_str() == Some("standardise") && values.len() > tensor.values.len() {
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
        Some("standardise") => {
            let mean = case.state.iter().find(|tensor| tensor.role == "mean").expect("a mean");
            table.insert("per_feature".to_string(), toml::Value::Boolean(mean.shape != [1]));
            vec![layer(table)]
        }
        _ => vec![layer(table)],
    }
}

fn layer(table: toml::Table) -> Layer {
    toml::Value::Table(table.clone()).try_into().unwrap_or_else(|error| panic!("{table}: {error}"))
}

/// The layers that a dense layer stands for. What [`Dense`] cannot say is checked as what it would become: another
/// normaliser than the two of TensorFlow, or no bias and no normaliser either.
fn dense(table: &toml::Table) -> Vec<Layer> {
    let out_features = table["out_features"].as_integer().expect("a number") as usize;
    let function = table.get("activation").and_then(toml::Value::as_str);
    let activation = function.map(|name| Function::named(name).expect("a known function"));
    let wanted = table.get("normalizer").map(|keys| layer(keys.as_table().expect("a table").clone()));
    let normaliser = match &wanted {
        None => None,
        Some(Layer::BatchNorm(_)) => Some(Normaliser::BatchNorm),
        Some(Layer::LayerNorm(LayerNorm { .. })) => Some(Normaliser::LayerNorm),
        Some(other) => panic!("{} is no normaliser", other.kind()),
    };
    let dense = Dense { activation, normaliser, ..Dense::new(out_features) };
    let mut layers: Vec<Layer> = dense.layers().into_iter().map(|(_, layer)| layer).collect();
    let without_bias = table["bias"].as_bool() == Some(false);
    match wanted {
        Some(wanted) => layers[1] = wanted,
        None if without_bias => layers[0] = Linear::new(out_features).without_bias().into(),
        None => {}
    }
    let expected = 1 + usize::from(normaliser.is_some()) + usize::from(activation.is_some());
    assert_eq!(layers.len(), expected);
    layers
}

#[test]
fn the_short_form_has_the_constants_of_the_cases() {
    let text = std::fs::read_to_string(folder().join("dense.toml")).expect("dense.toml");
    let file: File = toml::from_str(&text).expect("the file reads");
    let golden = file.case.iter().find(|case| case.name == "golden-s04").expect("golden-s04");
    let dense = Dense { normaliser: Some(Normaliser::BatchNorm), ..Dense::new(2) };
    let expanded: Vec<Layer> = dense.layers().into_iter().map(|(_, layer)| layer).collect();
    assert_eq!(expanded[1], layer(golden.layer["normalizer"].as_table().expect("a table").clone()));
    assert_eq!(expanded[2], Activation::new(Function::Relu).into());
    let norm = file.case.iter().find(|case| case.name == "layer-norm-relu").expect("layer-norm-relu");
    let dense = Dense { normaliser: Some(Normaliser::LayerNorm), ..Dense::new(7) };
    assert_eq!(dense.layers()[1].1, layer(norm.layer["normalizer"].as_table().expect("a table").clone()));
}
