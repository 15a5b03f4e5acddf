//! A network in training: forward with everything that is needed for the way back, and back.

use crate::check::{CheckedBatch, CheckedNetwork};
use crate::execute::{Executor, Frame, GradWeights, Numbers, Observer, Overwrite, Watch};
use crate::layer::RandomKey;
use crate::params::Params;
use crate::program::{Port, Program, Purpose};
use crate::scratch::Scratch;
use crate::view::View;
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::threads::flush_denormals;
use std::sync::Arc;

/// How a plan for training is made.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TrainOptions {
    /// Also computes the derivatives with respect to the inputs.
    pub input_gradients: bool,
    /// Runs each layer by itself: all values are computed and told, none is fused into another.
    pub one_by_one: bool,
    /// Layers behave as in a prediction, with a way back: running statistics are used and stay as they are, and nothing is dropped.
    pub settled: bool,
}

impl TrainOptions {
    /// The same with this [`input_gradients`](TrainOptions::input_gradients).
    #[must_use]
    pub fn with_input_gradients(self, input_gradients: bool) -> Self {
        TrainOptions { input_gradients, ..self }
    }

    /// The same with this [`one_by_one`](TrainOptions::one_by_one).
    #[must_use]
    pub fn with_one_by_one(self, one_by_one: bool) -> Self {
        TrainOptions { one_by_one, ..self }
    }

    /// The same with this [`settled`](TrainOptions::settled).
    #[must_use]
    pub fn with_settled(self, settled: bool) -> Self {
        TrainOptions { settled, ..self }
    }
}

/// A plan for training and the memory it runs in.
#[derive(Debug)]
pub struct TrainPlan {
    network: Arc<CheckedNetwork>,
    program: Program,
    settled: bool,
    arena: Buffer<u8>,
    scratch: Scratch,
    context: Context,
    rows: usize,
}

impl TrainPlan {
    /// Plans a network for training.
    ///
    /// # Panics
    /// Where a layer has [no way back](CheckedNetwork::without_gradient).
    pub fn new(network: Arc<CheckedNetwork>, context: Context) -> Self {
        TrainPlan::with(network, TrainOptions::default(), context)
    }

    /// As [`TrainPlan::new`], in a chosen way.
    ///
    /// # Panics
    /// As [`TrainPlan::new`].
    pub fn with(network: Arc<CheckedNetwork>, options: TrainOptions, context: Context) -> Self {
        assert_eq!(network.without_gradient(), None, "a layer of the network has no way back");
        let TrainOptions { input_gradients, one_by_one, settled } = options;
        let purpose = Purpose { training: true, input_gradients, one_by_one, settled, ..Purpose::default() };
        let program = Program::new(&network, &purpose);
        let (arena, scratch) = (Buffer::default(), Scratch::default());
        TrainPlan { network, program, settled, arena, scratch, context, rows: 0 }
    }

    /// Bytes of memory for a batch, without the memory of kernels.
    pub fn bytes(&self, rows: usize) -> usize {
        self.program.bytes(rows)
    }

    /// Computes the outputs of a batch and keeps what backward needs; running statistics in `params` are updated. Returns
    /// the first output.
    pub fn forward(&mut self, params: &mut Params, batch: CheckedBatch<'_>, random: RandomKey) -> &[f32] {
        self.forward_observed(params, batch, random, None)
    }

    /// As [`TrainPlan::forward`], with someone who looks at each value when it is known.
    pub fn forward_observed(
        &mut self,
        params: &mut Params,
        batch: CheckedBatch<'_>,
        random: RandomKey,
        observer: Option<&mut dyn Observer>,
    ) -> &[f32] {
        self.run(params, batch, random, observer.into())
    }

    /// As [`TrainPlan::forward`], with someone who may write another value in the place of each that is computed: what comes after
    /// reads that one, on the way back too.
    pub fn forward_overwritten(
        &mut self,
        params: &mut Params,
        batch: CheckedBatch<'_>,
        random: RandomKey,
        overwrite: &mut dyn Overwrite,
    ) -> &[f32] {
        self.run(params, batch, random, Watch::Overwrite(overwrite))
    }

    fn run(&mut self, params: &mut Params, batch: CheckedBatch<'_>, random: RandomKey, watch: Watch<'_>) -> &[f32] {
        self.rows = batch.rows();
        let settled = self.settled;
        let mut executor = self.executor(batch);
        executor.grow();
        let mut numbers = Numbers::Training { params, random, settled };
        flush_denormals(|| executor.forward(&mut numbers, watch));
        self.output(0)
    }

    fn executor<'a>(&'a mut self, batch: CheckedBatch<'a>) -> Executor<'a> {
        let TrainPlan { network, program, arena, scratch, context, .. } = self;
        let frame = Frame { network, program, batch, context };
        Executor { frame, arena, scratch }
    }

    /// One of the outputs of the last forward pass.
    pub fn output(&self, index: usize) -> &[f32] {
        bytemuck::cast_slice(&self.arena[self.program.range(self.program.outputs[index].tensor, self.rows)])
    }

    /// One of the outputs of the last forward pass, and where the loss writes its derivative before
    /// [`TrainPlan::backward`].
    pub fn output_and_grad(&mut self, index: usize) -> (&[f32], &mut [f32]) {
        let range = |port: Port| self.program.range(port.tensor, self.rows);
        let (output, grad) = (range(self.program.outputs[index]), range(self.program.output_grads[index]));
        let (before, after) = self.arena.split_at_mut(output.start.max(grad.start));
        let (output, grad) = match output.start < grad.start || output.is_empty() {
            true => (&before[output.clone()], &mut after[..grad.len()]),
            false => (&after[..output.len()], &mut before[grad.clone()]),
        };
        (bytemuck::cast_slice(output), bytemuck::cast_slice_mut(grad))
    }

    /// Adds the derivatives of the loss with respect to the weights to `grad_weights`, or, without `accumulate`, writes
    /// them there.
    ///
    /// `batch` and `random` are those of the forward pass; the derivatives with respect to the outputs are where
    /// [`TrainPlan::output_and_grad`] said.
    pub fn backward(
        &mut self,
        params: &Params,
        batch: CheckedBatch<'_>,
        random: RandomKey,
        grad_weights: &mut [f32],
        accumulate: bool,
    ) {
        self.run_back(params, (batch, random), GradWeights { values: grad_weights, accumulate }, None);
    }

    /// As [`TrainPlan::backward`], with someone who may change the gradient of each value.
    pub fn backward_overwritten(
        &mut self,
        params: &Params,
        (batch, random): (CheckedBatch<'_>, RandomKey),
        grad_weights: &mut [f32],
        accumulate: bool,
        overwrite: &mut dyn Overwrite,
    ) {
        self.run_back(params, (batch, random), GradWeights { values: grad_weights, accumulate }, Some(overwrite));
    }

    fn run_back(
        &mut self,
        params: &Params,
        (batch, random): (CheckedBatch<'_>, RandomKey),
        mut grad_weights: GradWeights<'_>,
        overwrite: Option<&mut dyn Overwrite>,
    ) {
        let settled = self.settled;
        let mut executor = self.executor(batch);
        flush_denormals(|| executor.backward(params, (random, settled), &mut grad_weights, overwrite));
    }

    /// The derivative with respect to an input, after [`TrainPlan::backward`] with
    /// [`TrainOptions::input_gradients`]; `None` where it is zero everywhere, because no output depends on the input.
    pub fn input_grad(&self, index: usize) -> Option<&[f32]> {
        let port = self.program.input_grads.get(index).copied().flatten()?;
        Some(bytemuck::cast_slice(&self.arena[self.program.range(port.tensor, self.rows)]))
    }

    /// The first layer whose output holds a NaN or an infinity, as `hidden (linear)`: runs forward once more to look.
    pub fn first_not_finite(&mut self, params: &Params, batch: CheckedBatch<'_>, random: RandomKey) -> Option<String> {
        let mut found = None;
        let mut observer = |value, view: View<'_>| {
            if found.is_none() && view.f32().iter().any(|number| !number.is_finite()) {
                found = Some(value);
            }
        };
        self.forward_observed(&mut params.clone(), batch, random, Some(&mut observer));
        let value = found?;
        Some(match self.network.layer_of(value) {
            Some(layer) => self.network.label(layer),
            None => format!("the input \"{}\"", self.network.name(value)),
        })
    }
}
