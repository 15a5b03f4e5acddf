//! For tests: runs layers by themselves, and checks their gradients.
//!
//! A check takes what it runs as an [`Engine`], so that `tests/faults.rs` can show that it refuses a wrong one.

use crate::check::{CheckedBatch, CheckedNetwork};
use crate::layer::RandomKey;
use crate::layers::Layer;
use crate::network::Network;
use crate::params::Params;
use crate::plan::{Plan, Workspace};
use crate::shape::Shape;
use crate::train_plan::{TrainOptions, TrainPlan};
use plexus_kernels::Context;
use std::sync::Arc;

/// The random numbers of every check.
pub const KEY: RandomKey = RandomKey { seed: 5, step: 2, layer: 0 };

/// What runs the networks of a check.
pub trait Engine {
    /// The outputs of a prediction, one behind the other.
    fn predict(&self, network: &Arc<CheckedNetwork>, params: &Params, batch: CheckedBatch<'_>) -> Vec<f32>;

    /// Runs forward once in training mode, with the random numbers of [`KEY`], and `grad_output` back `times` times.
    /// The first time writes `grad_weights`, whatever it held; the others add to it. Returns the outputs and the gradients
    /// of the inputs; of several, one behind the other, as in `grad_output`.
    fn train(
        &self,
        network: &Arc<CheckedNetwork>,
        params: &mut Params,
        batch: CheckedBatch<'_>,
        grad_output: &[f32],
        grad_weights: &mut [f32],
        times: usize,
    ) -> (Vec<f32>, Vec<f32>);
}

/// This crate: [`Plan`] and [`TrainPlan`].
#[derive(Clone, Copy, Debug)]
pub struct Library;

impl Engine for Library {
    fn predict(&self, network: &Arc<CheckedNetwork>, params: &Params, batch: CheckedBatch<'_>) -> Vec<f32> {
        let plan = Plan::new(network.clone(), params, Context::single());
        let mut workspace = Workspace::default();
        plan.run(batch, &mut workspace);
        (0..network.outputs().len()).flat_map(|index| plan.output(&workspace, index)).copied().collect()
    }

    fn train(
        &self,
        network: &Arc<CheckedNetwork>,
        params: &mut Params,
        batch: CheckedBatch<'_>,
        grad_output: &[f32],
        grad_weights: &mut [f32],
        times: usize,
    ) -> (Vec<f32>, Vec<f32>) {
        let options = TrainOptions { input_gradients: true };
        let mut training = TrainPlan::with(network.clone(), options, Context::single());
        training.forward(params, batch, KEY);
        let outputs = 0..network.outputs().len();
        let output = outputs.clone().flat_map(|index| training.output(index)).copied().collect();
        let mut grad_input = Vec::new();
        for time in 0..times {
            if time > 0 {
                // The way back may use up what forward kept.
                training.forward(&mut params.clone(), batch, KEY);
            }
            let mut rest = grad_output;
            for index in outputs.clone() {
                let to = training.output_and_grad(index).1;
                let (own, behind) = rest.split_at(to.len());
                to.copy_from_slice(own);
                rest = behind;
            }
            training.backward(params, batch, KEY, grad_weights, time > 0);
            grad_input.clear();
            for index in 0..network.network().inputs.len() {
                let zeros = vec![0.0; batch.input(index).len()];
                grad_input.extend_from_slice(training.input_grad(index).unwrap_or(&zeros));
            }
        }
        (output, grad_input)
    }
}

/// What one forward and backward pass of one layer gives.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerRun {
    /// `[batch, output shape]`
    pub output: Vec<f32>,
    /// `[batch, input shape]`
    pub grad_input: Vec<f32>,
    /// The trainable tensors, one after the other.
    pub grad_weights: Vec<f32>,
    /// Running statistics and constants, as forward left them.
    pub state: Vec<f32>,
}

/// Runs one layer forward and backward in training mode, with the given trainable numbers.
pub fn run_layer(
    layer: &Layer,
    input: &Shape,
    batch: usize,
    values: &[f32],
    weights: &[f32],
    grad_output: &[f32],
) -> LayerRun {
    Runner::new(layer, input, weights, &[]).run(batch, values, grad_output, 1)
}

/// A few layers as a network of their own.
pub struct Runner {
    network: Arc<CheckedNetwork>,
    /// Its numbers.
    pub params: Params,
}

impl Runner {
    /// A layer with the given trainable and other numbers; an empty slice leaves the initial ones.
    ///
    /// # Panics
    /// Where the layer does not fit the input or the numbers do not fit the layer.
    pub fn new(layer: &Layer, input: &Shape, weights: &[f32], state: &[f32]) -> Self {
        let mut runner = Runner::chain(std::slice::from_ref(layer), input);
        if !weights.is_empty() {
            runner.params.weights.copy_from_slice(weights);
        }
        if !state.is_empty() {
            runner.params.state.copy_from_slice(state);
        }
        runner
    }

    /// Layers one behind the other, with their initial numbers.
    fn chain(layers: &[Layer], input: &Shape) -> Self {
        Runner::of(Network::chain(input.clone(), layers.to_vec()))
    }

    /// A network with its initial numbers.
    ///
    /// # Panics
    /// Where its layers do not fit.
    pub fn of(network: Network) -> Self {
        let network = network.check().unwrap_or_else(|error| panic!("{error}"));
        let params = Params::initialise(&network, 3);
        Runner { network: Arc::new(network), params }
    }

    /// The network.
    pub fn network(&self) -> &Arc<CheckedNetwork> {
        &self.network
    }

    /// Numbers of all inputs, one input behind the other, cut to slices.
    fn cut<'a>(&self, values: &'a [f32], rows: usize) -> Vec<&'a [f32]> {
        let mut rest = values;
        let inputs = self.network.values().take(self.network.network().inputs.len());
        inputs
            .map(|input| {
                let (own, behind) = rest.split_at(rows * self.network.len(input));
                rest = behind;
                own
            })
            .collect()
    }

    /// Forward once, backward `times` times into the same gradients, in training mode.
    pub fn run(&self, batch: usize, values: &[f32], grad_output: &[f32], times: usize) -> LayerRun {
        self.run_on(&Library, batch, values, grad_output, times)
    }

    fn run_on(
        &self,
        engine: &impl Engine,
        batch: usize,
        values: &[f32],
        grad_output: &[f32],
        times: usize,
    ) -> LayerRun {
        let mut params = self.params.clone();
        // What is in the gradient before the first time must not matter.
        let mut grad_weights = vec![f32::NAN; params.weights.len()];
        let inputs = self.cut(values, batch);
        let batch = self.network.batches(&inputs, batch).expect("the input fits");
        let (output, grad_input) =
            engine.train(&self.network, &mut params, batch, grad_output, &mut grad_weights, times);
        LayerRun { output, grad_input, grad_weights, state: params.state.to_vec() }
    }

    /// Sets the weights and returns an input and a gradient of the output, all of them as [`spread`] says.
    fn spread(&mut self, batch: usize) -> (Vec<f32>, Vec<f32>) {
        self.params.weights.iter_mut().enumerate().for_each(|(at, weight)| *weight = spread(at, 1));
        let inputs: usize = self.network.network().inputs.iter().filter_map(|input| input.shape.len()).sum();
        let outputs: usize = self.network.outputs().iter().map(|output| self.network.len(*output)).sum();
        let numbers = |len: usize, stream| (0..batch * len).map(|at| spread(at, stream)).collect();
        (numbers(inputs, 0), numbers(outputs, 2))
    }
}

/// Checks that backward is the derivative of forward; see [`differences`].
///
/// # Panics
/// Where a derivative disagrees.
pub fn gradcheck(layer: &Layer, input: &Shape, batch: usize) {
    differences(&Library, std::slice::from_ref(layer), input, batch).unwrap_or_else(|refusal| panic!("{refusal}"));
}

/// Compares the gradients of layers, one behind the other, with central differences of `Σ grad_output · output`.
///
/// Everything is f32: a derivative agrees when it is within 1 % of itself, besides a thousandth of the largest one of its
/// tensor and the rounding of the sums. Inputs keep away from zero, where functions such as relu have a corner.
///
/// # Errors
/// The first derivative that disagrees.
pub fn differences(engine: &impl Engine, layers: &[Layer], input: &Shape, batch: usize) -> Result<(), String> {
    differences_of(engine, Network::chain(input.clone(), layers.to_vec()), batch)
}

/// As [`differences`], for any network: the gradients of all its inputs and weights.
///
/// # Errors
/// The first derivative that disagrees.
pub fn differences_of(engine: &impl Engine, network: Network, batch: usize) -> Result<(), String> {
    let mut runner = Runner::of(network);
    let network = runner.network.clone();
    let layers = &network.network().layers;
    let (values, grad_output) = runner.spread(batch);
    let run = runner.run_on(engine, batch, &values, &grad_output, 1);

    // The sum, and the sum of the magnitudes, whose rounding bounds the noise of a difference.
    let loss = |runner: &Runner, values: &[f32]| -> (f64, f64) {
        let output = runner.run_on(engine, batch, values, &grad_output, 0).output;
        let terms = output.iter().zip(&grad_output).map(|(y, g)| f64::from(*y) * f64::from(*g));
        terms.fold((0.0, 0.0), |(sum, magnitude), term| (sum + term, magnitude + term.abs()))
    };
    let step = 1.0 / 256.0;
    let compare = |what: &str, at: usize, grads: &[f32], plus: (f64, f64), minus: (f64, f64)| {
        let wide = 2.0 * f64::from(step);
        let (got, want) = (f64::from(grads[at]), (plus.0 - minus.0) / wide);
        let largest = f64::from(grads.iter().fold(0.1f32, |largest, grad| largest.max(grad.abs())));
        let noise = f64::from(f32::EPSILON) * 8.0 * plus.1.max(minus.1) / wide;
        // Written so that a NaN disagrees.
        if (got - want).abs() <= 1e-2 * want.abs() + 1e-3 * largest + noise {
            return Ok(());
        }
        let layers: Vec<&Layer> = layers.iter().map(|named| &named.layer).collect();
        Err(format!("{layers:?} {what}[{at}]: {got}, differences give {want}"))
    };
    for at in 0..values.len() {
        let mut moved = values.clone();
        moved[at] += step;
        let plus = loss(&runner, &moved);
        moved[at] = values[at] - step;
        compare("grad_input", at, &run.grad_input, plus, loss(&runner, &moved))?;
    }
    let layout = network.layout().clone();
    for entry in layout.entries().iter().filter(|entry| entry.trainable) {
        for at in entry.range.clone() {
            let weight = runner.params.weights[at];
            runner.params.weights[at] = weight + step;
            let plus = loss(&runner, &values);
            runner.params.weights[at] = weight - step;
            let minus = loss(&runner, &values);
            runner.params.weights[at] = weight;
            let start = entry.range.start;
            compare(&entry.name, at - start, &run.grad_weights[entry.range.clone()], plus, minus)?;
        }
    }
    Ok(())
}

/// Checks that a second backward pass adds the same gradients of weights to those of the first, and overwrites the
/// gradient of the input.
///
/// # Errors
/// What is not so.
pub fn gradients_add_up(engine: &impl Engine, layers: &[Layer], input: &Shape, batch: usize) -> Result<(), String> {
    gradients_add_up_of(engine, Network::chain(input.clone(), layers.to_vec()), batch)
}

/// As [`gradients_add_up`], for any network.
///
/// # Errors
/// What is not so.
pub fn gradients_add_up_of(engine: &impl Engine, network: Network, batch: usize) -> Result<(), String> {
    let mut runner = Runner::of(network);
    let (values, grad_output) = runner.spread(batch);
    let [once, twice] = [1, 2].map(|times| runner.run_on(engine, batch, &values, &grad_output, times));
    if once.grad_input != twice.grad_input {
        return Err(format!("grad_input: {:?}, the second time {:?}", once.grad_input, twice.grad_input));
    }
    let doubled: Vec<f32> = once.grad_weights.iter().map(|grad| 2.0 * grad).collect();
    if doubled != twice.grad_weights {
        return Err(format!("grad_weights: {:?}, after the second time {:?}", once.grad_weights, twice.grad_weights));
    }
    Ok(())
}

/// Numbers of magnitude 0.1 to 1.1 and either sign, without a pattern.
fn spread(index: usize, stream: usize) -> f32 {
    let hash = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17 + 9 * stream as u32);
    let magnitude = 0.1 + (hash % 1000) as f32 / 1000.0;
    if (hash >> 40).is_multiple_of(2) { magnitude } else { -magnitude }
}
