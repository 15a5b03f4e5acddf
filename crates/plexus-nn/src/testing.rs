//! For tests: runs layers by themselves, and checks their gradients. [`crate::gradcheck`] is what of it is for users.
//!
//! A check takes what it runs as an [`Engine`], so that `tests/faults.rs` can show that it refuses a wrong one.

use crate::check::{CheckedBatch, CheckedNetwork};
use crate::gradcheck::{GradcheckError, Report};
use crate::layer::RandomKey;
use crate::layers::Layer;
use crate::network::{Input, Network};
use crate::params::{ParamEntry, ParamLayout, Params};
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
        let options = TrainOptions::default().with_input_gradients(true);
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
        let params = Params::initialize(&network, 3);
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

    /// The gradients of all inputs, of the numbers of all of them.
    fn inputs<'a>(&self, rows: usize, grads: &'a [f32]) -> Vec<Numbers<'a>> {
        let inputs = self.network.network().inputs.iter().zip(self.cut(grads, rows));
        let numbers = |(input, values): (&Input, &'a [f32])| Numbers {
            name: format!("the input \"{}\"", input.name),
            shape: [&[rows], input.shape.axes()].concat(),
            values,
        };
        inputs.map(numbers).collect()
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

/// Checks that backward is the derivative of forward; see [`differences_of`].
///
/// # Panics
/// Where a derivative disagrees.
pub fn gradcheck(layer: &Layer, input: &Shape, batch: usize) {
    let network = Network::chain(input, [layer.clone()]);
    differences_of(&Library, network, batch).unwrap_or_else(|refusal| panic!("{layer:?}: {refusal}"));
}

/// Compares the gradients of all inputs and weights of a network with central differences of `Σ grad_output · output`.
///
/// Everything is f32: a derivative agrees when it is within 1 % of itself, besides a thousandth of the largest one of its
/// tensor and the rounding of the sums. Inputs keep away from zero, where functions such as relu have a corner.
///
/// # Errors
/// The first derivative that disagrees.
///
/// # Panics
/// Where the layers do not fit.
pub fn differences_of(engine: &impl Engine, network: Network, batch: usize) -> Result<Report, GradcheckError> {
    let mut runner = Runner::of(network);
    let network = runner.network.clone();
    let (values, grad_output) = runner.spread(batch);
    let run = runner.run_on(engine, batch, &values, &grad_output, 1);

    // The sum, and the sum of the magnitudes, whose rounding bounds the noise of a difference.
    let loss = |runner: &Runner, values: &[f32]| -> (f64, f64) {
        let output = runner.run_on(engine, batch, values, &grad_output, 0).output;
        let terms = output.iter().zip(&grad_output).map(|(y, g)| f64::from(*y) * f64::from(*g));
        terms.fold((0.0, 0.0), |(sum, magnitude), term| (sum + term, magnitude + term.abs()))
    };
    let step = 1.0 / 256.0;
    let mut report = Report { compared: 0, worst: 0.0 };
    let mut compare = |tensor: &Numbers<'_>, at: usize, plus: (f64, f64), minus: (f64, f64)| {
        let wide = 2.0 * f64::from(step);
        let (got, expected) = (f64::from(tensor.values[at]), (plus.0 - minus.0) / wide);
        let largest = f64::from(tensor.values.iter().fold(0.1f32, |largest, grad| largest.max(grad.abs())));
        let noise = f64::from(f32::EPSILON) * 8.0 * plus.1.max(minus.1) / wide;
        let share = (got - expected).abs() / (1e-2 * expected.abs() + 1e-3 * largest + noise);
        report.compared += 1;
        report.worst = report.worst.max(share);
        // Written so that a NaN disagrees.
        if share <= 1.0 {
            return Ok(());
        }
        Err(GradcheckError::Wrong { tensor: tensor.name.clone(), at: tensor.place(at), expected, got })
    };
    let mut first = 0;
    for tensor in runner.inputs(batch, &run.grad_input) {
        for at in 0..tensor.values.len() {
            let mut moved = values.clone();
            moved[first + at] = values[first + at] + step;
            let plus = loss(&runner, &moved);
            moved[first + at] = values[first + at] - step;
            compare(&tensor, at, plus, loss(&runner, &moved))?;
        }
        first += tensor.values.len();
    }
    for (entry, tensor) in trainable(network.layout(), &run.grad_weights) {
        for (at, index) in entry.range.clone().enumerate() {
            let weight = runner.params.weights[index];
            runner.params.weights[index] = weight + step;
            let plus = loss(&runner, &values);
            runner.params.weights[index] = weight - step;
            let minus = loss(&runner, &values);
            runner.params.weights[index] = weight;
            compare(&tensor, at, plus, minus)?;
        }
    }
    Ok(report)
}

/// Checks that a second backward pass adds the same gradients of weights to those of the first, and overwrites the
/// gradient of the input: bit for bit.
///
/// # Errors
/// The first number that is not so.
///
/// # Panics
/// Where the layers do not fit.
pub fn gradients_add_up_of(engine: &impl Engine, network: Network, batch: usize) -> Result<(), GradcheckError> {
    add_up_within(engine, network, batch, 0.0)
}

/// As [`gradients_add_up_of`], to within a share of the largest gradient of each tensor.
pub(crate) fn add_up_within(
    engine: &impl Engine,
    network: Network,
    batch: usize,
    tolerance: f32,
) -> Result<(), GradcheckError> {
    let mut runner = Runner::of(network);
    let (values, grad_output) = runner.spread(batch);
    let [once, twice] = [1, 2].map(|times| runner.run_on(engine, batch, &values, &grad_output, times));
    let differs = |(name, place): (&str, Vec<usize>), expected: f32, got: f32| {
        let (tensor, expected, got) = (name.to_string(), f64::from(expected), f64::from(got));
        GradcheckError::SecondPass { tensor, at: place, expected, got }
    };
    for (tensor, second) in runner.inputs(batch, &once.grad_input).iter().zip(runner.inputs(batch, &twice.grad_input)) {
        if let Some(at) = (0..tensor.values.len()).find(|&at| tensor.values[at] != second.values[at]) {
            return Err(differs((&tensor.name, tensor.place(at)), tensor.values[at], second.values[at]));
        }
    }
    for (entry, tensor) in trainable(runner.network.layout(), &once.grad_weights) {
        let second = &twice.grad_weights[entry.range.clone()];
        let largest = tensor.values.iter().fold(0.0f32, |largest, grad| largest.max(grad.abs()));
        for (at, (once, &got)) in tensor.values.iter().zip(second).enumerate() {
            let expected = 2.0 * once;
            // Written so that a NaN disagrees.
            if (got - expected).abs() <= tolerance * largest {
                continue;
            }
            return Err(differs((&tensor.name, tensor.place(at)), expected, got));
        }
    }
    Ok(())
}

/// As [`gradients_add_up_of`], for layers one behind the other.
///
/// # Errors
/// The first number that is not so.
pub fn gradients_add_up(
    engine: &impl Engine,
    layers: &[Layer],
    input: &Shape,
    batch: usize,
) -> Result<(), GradcheckError> {
    gradients_add_up_of(engine, Network::chain(input, layers.to_vec()), batch)
}

/// The numbers of one tensor, for messages.
struct Numbers<'a> {
    name: String,
    shape: Vec<usize>,
    values: &'a [f32],
}

impl Numbers<'_> {
    /// The index along each axis of a number.
    fn place(&self, mut at: usize) -> Vec<usize> {
        let mut place = vec![0; self.shape.len()];
        for (index, &size) in place.iter_mut().zip(&self.shape).rev() {
            (*index, at) = (at % size.max(1), at / size.max(1));
        }
        place
    }
}

/// The trainable tensors, each with its part of the gradients of all.
fn trainable<'a>(layout: &'a ParamLayout, grads: &'a [f32]) -> impl Iterator<Item = (&'a ParamEntry, Numbers<'a>)> {
    layout.entries().iter().filter(|entry| entry.trainable).map(|entry| {
        let values = &grads[entry.range.clone()];
        (entry, Numbers { name: entry.name.clone(), shape: entry.shape.clone(), values })
    })
}

/// Numbers of magnitude 0.1 to 1.1 and either sign, without a pattern.
fn spread(index: usize, stream: usize) -> f32 {
    let hash = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17 + 9 * stream as u32);
    let magnitude = 0.1 + (hash % 1000) as f32 / 1000.0;
    if (hash >> 40).is_multiple_of(2) { magnitude } else { -magnitude }
}
