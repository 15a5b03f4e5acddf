//! Networks with skips, several inputs and outputs: against PyTorch (`testdata/graphs`), against finite differences, on any
//! number of threads, and looked at in every way.

use plexus_kernels::Context;
use plexus_kernels::isa::Isa;
use plexus_kernels::threads::Pool;
use plexus_nn::layer::RandomKey;
use plexus_nn::layers::Layer;
use plexus_nn::testing::{Library, Runner, differences_of, gradients_add_up_of};
use plexus_nn::{
    CheckedBatch, CheckedNetwork, Network, Params, Plan, PlanOptions, Shape, TrainOptions, TrainPlan, View, Workspace,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    rows: usize,
    network: Network,
    input: Vec<Input>,
    output: Vec<Output>,
    param: Vec<Param>,
    tolerance: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    values: Vec<f32>,
    grad: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    values: Vec<f64>,
    grad: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Param {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
    grad: Vec<f64>,
}

fn files() -> Vec<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/graphs");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("testdata/graphs").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}

fn close(place: &str, got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{place}");
    for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
        let difference = (f64::from(got) - want).abs();
        assert!(difference <= tolerance, "{place}[{index}]: got {got:e}, expected {want:e} within {tolerance:e}");
    }
}

/// Everything that one step of training gives.
#[derive(PartialEq)]
struct Step {
    outputs: Vec<Vec<f32>>,
    grad_weights: Vec<f32>,
    grad_inputs: Vec<Vec<f32>>,
}

/// Runs a step, with or without someone who looks at every value.
fn step(
    network: &Arc<CheckedNetwork>,
    params: &Params,
    batch: CheckedBatch<'_>,
    grads: &[Vec<f32>],
    (context, observed): (Context, bool),
) -> Step {
    let mut plan = TrainPlan::with(network.clone(), TrainOptions::default().with_input_gradients(true), context);
    let (mut params, key) = (params.clone(), RandomKey::default());
    let mut seen = 0;
    let mut observer = |_, view: View<'_>| seen += view.channels_first().len();
    if observed {
        plan.forward_observed(&mut params, batch, key, Some(&mut observer));
        assert!(seen > 0);
    } else {
        plan.forward(&mut params, batch, key);
    }
    let outputs = (0..grads.len()).map(|index| plan.output(index).to_vec()).collect();
    for (index, grad) in grads.iter().enumerate() {
        plan.output_and_grad(index).1.copy_from_slice(grad);
    }
    let mut grad_weights = vec![f32::NAN; params.weights.len()];
    plan.backward(&params, batch, key, &mut grad_weights, false);
    let inputs = 0..network.network().inputs.len();
    let grad_inputs = inputs.map(|index| plan.input_grad(index).expect("every input counts").to_vec()).collect();
    Step { outputs, grad_weights, grad_inputs }
}

/// The outputs of a prediction.
fn predicted(plan: &Plan, batch: CheckedBatch<'_>) -> Vec<Vec<f32>> {
    let mut workspace = Workspace::default();
    plan.run(batch, &mut workspace);
    (0..plan.network().outputs().len()).map(|index| plan.output(&workspace, index).to_vec()).collect()
}

#[test]
fn graphs_agree_with_pytorch() {
    let files = files();
    assert!(files.len() >= 6);
    for file in &files {
        let network = Arc::new(file.network.clone().check().unwrap_or_else(|error| panic!("{}: {error}", file.name)));
        let mut params = Params::zeros(&network);
        assert_eq!(network.layout().entries().len(), file.param.len(), "{}", file.name);
        for (entry, param) in network.layout().entries().iter().zip(&file.param) {
            assert_eq!((&entry.name, &entry.shape), (&param.name, &param.shape), "{}", file.name);
            assert!(params.set(&param.name, &param.values));
        }
        let inputs: Vec<&[f32]> = file.input.iter().map(|input| &input.values[..]).collect();
        let batch = network.batches(&inputs, file.rows).expect("the inputs fit");
        let place = |what: &str| format!("{} {what}", file.name);
        let grads: Vec<Vec<f32>> = file.output.iter().map(|output| output.grad.clone()).collect();
        let plan = Plan::new(network.clone(), &params, Context::single());
        let run = step(&network, &params, batch, &grads, (Context::single(), false));
        for outputs in [&predicted(&plan, batch), &run.outputs] {
            for (output, want) in outputs.iter().zip(&file.output) {
                close(&place("output"), output, &want.values, file.tolerance["output"]);
            }
        }
        for (grad, want) in run.grad_inputs.iter().zip(&file.input) {
            close(&place("grad_input"), grad, &want.grad, file.tolerance["grad_input"]);
        }
        for (entry, want) in network.layout().entries().iter().zip(&file.param) {
            let grad = &run.grad_weights[entry.range.clone()];
            close(&place(&want.name), grad, &want.grad, file.tolerance[&want.name]);
        }
    }
    println!("{}: {} graphs", Isa::selected().name(), files.len());
}

#[test]
fn gradients_of_graphs_are_the_derivatives_and_add_up() {
    for file in files() {
        let added = differences_of(&Library, file.network.clone(), file.rows)
            .and_then(|_| gradients_add_up_of(&Library, file.network.clone(), file.rows));
        added.unwrap_or_else(|error| panic!("{}: {error}", file.name));
    }
}

/// The same network with larger layers and inputs, so that there is work for several threads.
fn enlarged(mut network: Network) -> Network {
    for input in &mut network.inputs {
        let axes = input.shape.axes();
        let larger = axes.iter().enumerate().map(|(axis, size)| size * if axis > 0 { 4 } else { 24 });
        input.shape = Shape::new(larger.collect::<Vec<_>>());
    }
    for named in &mut network.layers {
        match &mut named.layer {
            Layer::Linear(linear) => linear.out_features *= 24,
            Layer::Conv2d(conv) => conv.out_channels *= 24,
            _ => {}
        }
    }
    network
}

/// An enlarged network of a file with numbers for everything.
struct Large {
    network: Arc<CheckedNetwork>,
    params: Params,
    inputs: Vec<Vec<f32>>,
    grads: Vec<Vec<f32>>,
}

const ROWS: usize = 61;

fn large(file: &File) -> Large {
    let network = Arc::new(enlarged(file.network.clone()).check().expect("the layers fit"));
    let params = Params::initialise(&network, 7);
    let numbers = |value, seed: usize| -> Vec<f32> {
        (0..ROWS * network.len(value)).map(|at| ((at * 37 + seed * 11) as f32 * 0.61).sin()).collect()
    };
    let inputs = network.values().take(network.network().inputs.len()).map(|value| numbers(value, 1)).collect();
    let grads = network.outputs().iter().map(|value| numbers(*value, 2)).collect();
    Large { network, params, inputs, grads }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for file in files() {
        let Large { network, params, inputs, grads } = large(&file);
        let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
        let batch = network.batches(&inputs, ROWS).expect("the inputs fit");
        let on = |threads: usize| {
            let context = Context::detect(Pool::new(threads));
            let plan = Plan::new(network.clone(), &params, context.clone());
            (step(&network, &params, batch, &grads, (context, false)), predicted(&plan, batch))
        };
        let one = on(1);
        assert!(on(2) == one && on(7) == one, "{}", file.name);
        assert!(one.0.outputs.iter().flatten().all(|value| value.is_finite()));
    }
}

#[test]
fn looking_at_values_changes_no_bit_of_an_output() {
    for file in files() {
        let Large { network, params, inputs, grads } = large(&file);
        let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
        let batch = network.batches(&inputs, ROWS).expect("the inputs fit");
        let plan = Plan::new(network.clone(), &params, Context::single());
        let outputs = predicted(&plan, batch);
        // Every value kept to the end.
        let options = PlanOptions::default().with_keep(network.values());
        let keeping = Plan::with(network.clone(), &params, options, Context::single());
        let mut workspace = Workspace::default();
        keeping.run(batch, &mut workspace);
        for (index, output) in outputs.iter().enumerate() {
            assert!(keeping.output(&workspace, index) == output, "{}", file.name);
        }
        // Every value seen when it is known.
        let options = PlanOptions::default().with_one_by_one(true);
        let one_by_one = Plan::with(network.clone(), &params, options, Context::single());
        let mut seen = BTreeMap::new();
        let mut observer = |value, view: View<'_>| {
            seen.insert(value, view.channels_first().into_owned());
        };
        let mut other = Workspace::default();
        one_by_one.run_observed(batch, &mut other, Some(&mut observer));
        for (index, output) in outputs.iter().enumerate() {
            assert!(one_by_one.output(&other, index) == output, "{}", file.name);
        }
        for (layer, named) in network.network().layers.iter().enumerate() {
            let value = network.value_of(layer);
            let kept = keeping.value(&workspace, value).expect("it was kept").channels_first().into_owned();
            if named.layer.is_identity(false) {
                continue;
            }
            assert!(seen[&value] == kept, "{} {}", file.name, named.name);
        }
        assert!(plan.value(&workspace, network.value_of(0)).is_none(), "nothing was kept in this plan");
        let plain = step(&network, &params, batch, &grads, (Context::single(), false));
        assert!(step(&network, &params, batch, &grads, (Context::single(), true)) == plain, "{}", file.name);
        assert!(plain.outputs == outputs, "{}: training and prediction", file.name);
    }
}

#[test]
fn a_plan_needs_no_more_memory_than_lives_at_one_time() {
    // A chain needs two buffers, whatever its length.
    let chain = |layers: usize| {
        let linear = || plexus_nn::layers::Linear::new(64).into();
        let network = Network::chain(Shape::new([64]), (0..layers).map(|_| linear())).check().expect("it fits");
        let params = Params::zeros(&network);
        Plan::new(Arc::new(network), &params, Context::single()).workspace_bytes(10)
    };
    assert_eq!(chain(2), 2 * 10 * 64 * 4);
    assert_eq!(chain(9), chain(2));
    // A skip holds one more.
    let mut network = Network::chain(Shape::new([64]), (0..9).map(|_| plexus_nn::layers::Linear::new(64).into()));
    let inputs = vec!["layers.0".to_string(), "layers.8".to_string()];
    let layer = plexus_nn::layers::Add::new().into();
    network.layers.push(plexus_nn::NamedLayer { name: "sum".to_string(), inputs, layer });
    let runner = Runner::of(network);
    let plan = Plan::new(runner.network().clone(), &runner.params, Context::single());
    assert_eq!(plan.workspace_bytes(10), 3 * 10 * 64 * 4);
}

#[test]
fn what_nobody_needs_is_not_computed_and_has_no_gradient() {
    let linear = |outputs| plexus_nn::layers::Linear::new(outputs).into();
    let mut network = Network::chain(Shape::new([3]), [linear(2), linear(4)]);
    network.outputs = vec!["layers.0".to_string()];
    let runner = Runner::of(network);
    let run = runner.run(2, &[1.0; 6], &[1.0; 4], 1);
    assert_eq!(run.output.len(), 4);
    assert!(run.grad_weights[..8].iter().all(|grad| *grad != 0.0));
    assert!(run.grad_weights[8..].iter().all(|grad| *grad == 0.0), "{:?}", run.grad_weights);
}
