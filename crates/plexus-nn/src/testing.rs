//! For tests: runs one layer by itself, and checks its gradients against finite differences.

use crate::check::CheckedNetwork;
use crate::layer::RandomKey;
use crate::layers::Layer;
use crate::network::Network;
use crate::params::Params;
use crate::run::Training;
use crate::shape::Shape;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::threads::Pool;
use std::sync::Arc;

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

/// As [`run_layer`], with the backward pass done twice into the same gradients.
pub fn run_layer_twice(
    layer: &Layer,
    input: &Shape,
    batch: usize,
    values: &[f32],
    weights: &[f32],
    grad_output: &[f32],
) -> LayerRun {
    Runner::new(layer, input, weights, &[]).run(batch, values, grad_output, 2)
}

/// One layer as a network of its own.
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
        let network = Network::chain(input.clone(), [layer.clone()]).check().expect("the layer fits its input");
        let mut params = Params::initialise(&network, 3);
        if !weights.is_empty() {
            params.weights.copy_from_slice(weights);
        }
        if !state.is_empty() {
            params.state.copy_from_slice(state);
        }
        Runner { network: Arc::new(network), params }
    }

    /// Forward once, backward `times` times into the same gradients, in training mode.
    pub fn run(&self, batch: usize, values: &[f32], grad_output: &[f32], times: usize) -> LayerRun {
        let mut params = self.params.clone();
        let mut training = Training::new(self.network.clone(), Pool::single());
        // What is in the gradient before the first time must not matter.
        let mut grad_weights = Buffer::from_slice(&vec![f32::NAN; params.weights.len()]);
        let batch = self.network.batch(values, batch).expect("the input fits");
        let key = RandomKey { seed: 5, step: 2, layer: 0 };
        let output = training.forward(&mut params, batch, key).to_vec();
        let mut grad_input = Vec::new();
        for time in 0..times {
            training.output_and_grad().1.copy_from_slice(grad_output);
            grad_input = training.backward_to_input(&params, batch, key, &mut grad_weights, time > 0).to_vec();
        }
        LayerRun { output, grad_input, grad_weights: grad_weights.to_vec(), state: params.state.to_vec() }
    }
}

/// Checks that backward is the derivative of forward: `Σ grad_output · output` against central differences.
///
/// Everything is f32, so a derivative agrees when it is within 1 % of the largest one of its tensor. Inputs keep away
/// from zero, where functions such as relu have a corner.
///
/// # Panics
/// Where a derivative disagrees.
pub fn gradcheck(layer: &Layer, input: &Shape, batch: usize) {
    let mut runner = Runner::new(layer, input, &[], &[]);
    let len = batch * input.len().expect("a small shape");
    let values: Vec<f32> = (0..len).map(|i| spread(i, 0)).collect();
    let weights: Vec<f32> = (0..runner.params.weights.len()).map(|i| spread(i, 1)).collect();
    runner.params.weights.copy_from_slice(&weights);
    let outputs = batch * runner.network.output_len();
    let grad_output: Vec<f32> = (0..outputs).map(|i| spread(i, 2)).collect();
    let run = runner.run(batch, &values, &grad_output, 1);

    let loss = |runner: &Runner, values: &[f32]| -> f64 {
        let output = runner.run(batch, values, &grad_output, 0).output;
        output.iter().zip(&grad_output).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum()
    };
    let step = 1.0 / 256.0;
    let compare = |what: &str, at: usize, got: f32, plus: f64, minus: f64, largest: f32| {
        let want = (plus - minus) / (2.0 * f64::from(step));
        let bound = 1e-2 * f64::from(largest.max(0.1));
        assert!((f64::from(got) - want).abs() <= bound, "{layer:?} {what}[{at}]: {got}, differences give {want}");
    };
    let largest = |grads: &[f32]| grads.iter().fold(0.0f32, |a, g| a.max(g.abs()));
    for at in 0..len {
        let mut moved = values.clone();
        moved[at] += step;
        let plus = loss(&runner, &moved);
        moved[at] = values[at] - step;
        let minus = loss(&runner, &moved);
        compare("grad_input", at, run.grad_input[at], plus, minus, largest(&run.grad_input));
    }
    for (at, &weight) in weights.iter().enumerate() {
        runner.params.weights[at] = weight + step;
        let plus = loss(&runner, &values);
        runner.params.weights[at] = weight - step;
        let minus = loss(&runner, &values);
        runner.params.weights[at] = weight;
        compare("grad_weights", at, run.grad_weights[at], plus, minus, largest(&run.grad_weights));
    }
}

/// Numbers of magnitude 0.1 to 1.1 and either sign, without a pattern.
fn spread(index: usize, stream: usize) -> f32 {
    let hash = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17 + 9 * stream as u32);
    let magnitude = 0.1 + (hash % 1000) as f32 / 1000.0;
    if (hash >> 40).is_multiple_of(2) { magnitude } else { -magnitude }
}
