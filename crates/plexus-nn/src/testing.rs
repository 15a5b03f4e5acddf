//! For tests: runs layers by themselves, and checks their gradients.
//!
//! A check takes what it runs as an [`Engine`], so that `tests/faults.rs` can show that it refuses a wrong one.

use crate::check::{CheckedBatch, CheckedNetwork};
use crate::layer::RandomKey;
use crate::layers::Layer;
use crate::network::Network;
use crate::params::Params;
use crate::plan::{Plan, Workspace};
use crate::run::Training;
use crate::shape::Shape;
use plexus_kernels::Context;
use std::sync::Arc;

/// The random numbers of every check.
pub const KEY: RandomKey = RandomKey { seed: 5, step: 2, layer: 0 };

/// What runs the networks of a check.
pub trait Engine {
    /// The output of a prediction.
    fn predict(&self, network: &Arc<CheckedNetwork>, params: &Params, batch: CheckedBatch<'_>) -> Vec<f32>;

    /// Runs forward once in training mode, with the random numbers of [`KEY`], and `grad_output` back `times` times.
    /// The first time writes `grad_weights`, whatever it held; the others add to it. Returns the output and the gradient
    /// of the input.
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

/// This crate: [`Plan`] and [`Training`].
#[derive(Clone, Copy, Debug)]
pub struct Library;

impl Engine for Library {
    fn predict(&self, network: &Arc<CheckedNetwork>, params: &Params, batch: CheckedBatch<'_>) -> Vec<f32> {
        let plan = Plan::new(network.clone(), params.clone(), Context::single());
        plan.run(batch, &mut Workspace::default()).to_vec()
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
        let mut training = Training::new(network.clone(), Context::single());
        let output = training.forward(params, batch, KEY).to_vec();
        let mut grad_input = Vec::new();
        for time in 0..times {
            training.output_and_grad().1.copy_from_slice(grad_output);
            grad_input = training.backward_to_input(params, batch, KEY, grad_weights, time > 0).to_vec();
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
        let network = Network::chain(input.clone(), layers.to_vec()).check().expect("the layers fit their input");
        let params = Params::initialise(&network, 3);
        Runner { network: Arc::new(network), params }
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
        let batch = self.network.batch(values, batch).expect("the input fits");
        let (output, grad_input) =
            engine.train(&self.network, &mut params, batch, grad_output, &mut grad_weights, times);
        LayerRun { output, grad_input, grad_weights, state: params.state.to_vec() }
    }

    /// Sets the weights and returns an input and a gradient of the output, all of them as [`spread`] says.
    fn spread(&mut self, batch: usize) -> (Vec<f32>, Vec<f32>) {
        self.params.weights.iter_mut().enumerate().for_each(|(at, weight)| *weight = spread(at, 1));
        let input_len = self.network.input().len().expect("a small shape");
        let numbers = |len: usize, stream| (0..batch * len).map(|at| spread(at, stream)).collect();
        (numbers(input_len, 0), numbers(self.network.output_len(), 2))
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
/// Everything is f32, so a derivative agrees when it is within 1 % of the largest one of its tensor. Inputs keep away
/// from zero, where functions such as relu have a corner.
///
/// # Errors
/// The first derivative that disagrees.
pub fn differences(engine: &impl Engine, layers: &[Layer], input: &Shape, batch: usize) -> Result<(), String> {
    let mut runner = Runner::chain(layers, input);
    let (values, grad_output) = runner.spread(batch);
    let run = runner.run_on(engine, batch, &values, &grad_output, 1);

    let loss = |runner: &Runner, values: &[f32]| -> f64 {
        let output = runner.run_on(engine, batch, values, &grad_output, 0).output;
        output.iter().zip(&grad_output).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum()
    };
    let step = 1.0 / 256.0;
    let compare = |what: &str, at: usize, grads: &[f32], plus: f64, minus: f64| {
        let (got, want) = (grads[at], (plus - minus) / (2.0 * f64::from(step)));
        let largest = grads.iter().fold(0.1f32, |largest, grad| largest.max(grad.abs()));
        // Written so that a NaN disagrees.
        if (f64::from(got) - want).abs() <= 1e-2 * f64::from(largest) {
            return Ok(());
        }
        Err(format!("{layers:?} {what}[{at}]: {got}, differences give {want}"))
    };
    for at in 0..values.len() {
        let mut moved = values.clone();
        moved[at] += step;
        let plus = loss(&runner, &moved);
        moved[at] = values[at] - step;
        compare("grad_input", at, &run.grad_input, plus, loss(&runner, &moved))?;
    }
    for at in 0..runner.params.weights.len() {
        let weight = runner.params.weights[at];
        runner.params.weights[at] = weight + step;
        let plus = loss(&runner, &values);
        runner.params.weights[at] = weight - step;
        let minus = loss(&runner, &values);
        runner.params.weights[at] = weight;
        compare("grad_weights", at, &run.grad_weights, plus, minus)?;
    }
    Ok(())
}

/// Checks that a second backward pass adds the same gradients of weights to those of the first, and overwrites the
/// gradient of the input.
///
/// # Errors
/// What is not so.
pub fn gradients_add_up(engine: &impl Engine, layers: &[Layer], input: &Shape, batch: usize) -> Result<(), String> {
    let mut runner = Runner::chain(layers, input);
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
