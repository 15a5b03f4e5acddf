//! Runs plans: forward for prediction, forward and backward for training.

use crate::check::{CheckedBatch, CheckedNetwork};
use crate::layer::{Backward, Forward, Pass, RandomKey};
use crate::params::Params;
use crate::plan::{Plan, Stage, Workspace, stages};
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::gemm::Scratch;
use plexus_kernels::map::{self, Function, Saved};
use plexus_kernels::threads::flush_denormals;
use std::sync::Arc;

impl Plan {
    /// Computes the output of a batch, `[rows, output shape]`.
    ///
    /// Nothing is allocated once the workspace has seen a batch of this size.
    pub fn run<'w>(&self, batch: CheckedBatch<'_>, workspace: &'w mut Workspace) -> &'w [f32] {
        flush_denormals(|| self.run_stages(batch, workspace))
    }

    fn run_stages<'w>(&self, batch: CheckedBatch<'_>, workspace: &'w mut Workspace) -> &'w [f32] {
        let rows = batch.rows();
        let Workspace { buffers, scratch } = workspace;
        // Outputs alternate between the two buffers; `current` is the one written last.
        let mut current = 0;
        for (index, stage) in self.stages.iter().enumerate() {
            let (first, second) = buffers.split_at_mut(1);
            let (from, to) = if current == 0 { (&first[0], &mut second[0]) } else { (&second[0], &mut first[0]) };
            let len = rows * len(&self.network, stage.output);
            to.grow(len);
            let layer = &self.network.network().layers[stage.layer].layer;
            let input_shape = self.network.input_shape(stage.layer);
            let input = match index {
                0 => batch.values(),
                _ => &from[..rows * len_before(&self.network, stage.layer)],
            };
            layer.forward(Forward {
                batch: rows,
                input_shape,
                input,
                output: &mut to[..len],
                weights: &self.params.weights[self.params.layout().weights_of(stage.layer)],
                pass: Pass::Inference { state: &self.params.state[self.params.layout().state_of(stage.layer)] },
                packed: self.packed[index].as_ref(),
                function: stage.function,
                scratch,
                context: &self.context,
            });
            current = 1 - current;
        }
        let len = rows * self.network.output_len();
        if self.stages.is_empty() {
            buffers[current].grow(len);
            buffers[current][..len].copy_from_slice(batch.values());
        }
        &buffers[current][..len]
    }
}

/// Elements of one sample at the output of layer `index`.
fn len(network: &CheckedNetwork, index: usize) -> usize {
    network.output_shape(index).len().expect("the network was checked")
}

/// Elements of one sample at the input of layer `index`.
fn len_before(network: &CheckedNetwork, index: usize) -> usize {
    network.input_shape(index).len().expect("the network was checked")
}

/// A network in training: the activations of one batch and the way back through them.
#[derive(Debug)]
pub struct Training {
    network: Arc<CheckedNetwork>,
    stages: Vec<Stage>,
    /// The first stage with something to learn; gradients stop there.
    first_trainable: usize,
    outputs: Vec<Buffer>,
    saved: Vec<Buffer>,
    /// The gradient with respect to the output of a stage, and with respect to its input.
    grads: [Buffer; 2],
    scratch: Scratch,
    context: Context,
    rows: usize,
}

impl Training {
    /// Plans a network for training. Sums, weights and gradients are f32 whatever the precision of the context.
    pub fn new(network: Arc<CheckedNetwork>, context: Context) -> Self {
        let stages = stages(&network, true);
        let trains = |stage: &Stage| !network.layout().weights_of(stage.layer).is_empty();
        Training {
            first_trainable: stages.iter().position(trains).unwrap_or(stages.len()),
            outputs: vec![Buffer::default(); stages.len()],
            saved: vec![Buffer::default(); stages.len()],
            grads: Default::default(),
            scratch: Scratch::default(),
            rows: 0,
            network,
            stages,
            context,
        }
    }

    /// Computes the output of a batch and keeps what backward needs; running statistics in `params` are updated.
    pub fn forward(&mut self, params: &mut Params, batch: CheckedBatch<'_>, random: RandomKey) -> &[f32] {
        let rows = batch.rows();
        self.rows = rows;
        let layout = params.layout().clone();
        for (index, stage) in self.stages.iter().enumerate() {
            let layer = &self.network.network().layers[stage.layer].layer;
            let input_shape = self.network.input_shape(stage.layer);
            let output_len = rows * len(&self.network, stage.output);
            let saved_len = layer.saved_len(input_shape, rows);
            self.saved[index].grow(saved_len);
            let (before, after) = self.outputs.split_at_mut(index);
            after[0].grow(output_len);
            let input = match before.last() {
                None => batch.values(),
                Some(before) => &before[..rows * len_before(&self.network, stage.layer)],
            };
            layer.forward(Forward {
                batch: rows,
                input_shape,
                input,
                output: &mut after[0][..output_len],
                weights: &params.weights[layout.weights_of(stage.layer)],
                pass: Pass::Training {
                    state: &mut params.state[layout.state_of(stage.layer)],
                    saved: &mut self.saved[index][..saved_len],
                    random: RandomKey { layer: stage.layer as u64, ..random },
                },
                packed: None,
                function: stage.function,
                scratch: &mut self.scratch,
                context: &self.context,
            });
        }
        let output_len = rows * self.network.output_len();
        self.grads[0].grow(output_len);
        if self.outputs.is_empty() {
            // A network of no stages hands its input through; the buffer of the gradient serves as its output.
            self.grads[1].grow(output_len);
            self.grads[1][..output_len].copy_from_slice(batch.values());
        }
        self.output_and_grad().0
    }

    /// The output of the last forward pass, and where the loss writes its derivative before [`Training::backward`].
    pub fn output_and_grad(&mut self) -> (&[f32], &mut [f32]) {
        let len = self.rows * self.network.output_len();
        let (grad, other) = self.grads.split_at_mut(1);
        let output = self.outputs.last().unwrap_or(&other[0]);
        (&output[..len], &mut grad[0][..len])
    }

    /// The name of the first layer whose output of the last forward pass holds a NaN or an infinity.
    pub fn first_not_finite(&self) -> Option<String> {
        let stages = self.stages.iter().zip(&self.outputs);
        stages
            .filter(|(stage, output)| {
                let values = &output[..self.rows * len(&self.network, stage.output)];
                values.iter().any(|value| !value.is_finite())
            })
            .map(|(stage, _)| {
                let named = &self.network.network().layers[stage.layer];
                format!("{} ({})", named.name, named.layer.kind())
            })
            .next()
    }

    /// Adds the derivatives of the loss with respect to the weights to `grad_weights`, or, without `accumulate`, writes
    /// them there.
    ///
    /// `batch` and `random` are those of the forward pass; the derivative with respect to the output is where
    /// [`Training::output_and_grad`] said.
    pub fn backward(
        &mut self,
        params: &Params,
        batch: CheckedBatch<'_>,
        random: RandomKey,
        grad_weights: &mut [f32],
        accumulate: bool,
    ) {
        self.backward_through(params, batch, random, (grad_weights, accumulate), false);
    }

    /// As [`Training::backward`], and returns the derivative with respect to the input of the network.
    pub fn backward_to_input(
        &mut self,
        params: &Params,
        batch: CheckedBatch<'_>,
        random: RandomKey,
        grad_weights: &mut [f32],
        accumulate: bool,
    ) -> &[f32] {
        let current = self.backward_through(params, batch, random, (grad_weights, accumulate), true);
        &self.grads[current][..batch.values().len()]
    }

    fn backward_through(
        &mut self,
        params: &Params,
        batch: CheckedBatch<'_>,
        random: RandomKey,
        (grad_weights, accumulate): (&mut [f32], bool),
        to_input: bool,
    ) -> usize {
        let (rows, layout) = (self.rows, params.layout());
        let stop = if to_input { 0 } else { self.first_trainable };
        let mut current = 0;
        for (index, stage) in self.stages.iter().enumerate().skip(stop).rev() {
            let layer = &self.network.network().layers[stage.layer].layer;
            let (first, second) = self.grads.split_at_mut(1);
            let (from, to) =
                if current == 0 { (&mut first[0], &mut second[0]) } else { (&mut second[0], &mut first[0]) };
            let output_len = rows * len(&self.network, stage.output);
            let input_len = rows * len_before(&self.network, stage.layer);
            let output = &self.outputs[index][..output_len];
            if stage.function != Function::Identity {
                map::backward_in_place(stage.function, Saved::Output(output), &mut from[..output_len], &self.context);
            }
            let needs_grad_input = index > stop || to_input;
            to.grow(input_len);
            let grad_weights = &mut grad_weights[layout.weights_of(stage.layer)];
            if !accumulate && !layer.overwrites_gradient() {
                grad_weights.fill(0.0);
            }
            layer.backward(Backward {
                batch: rows,
                input_shape: self.network.input_shape(stage.layer),
                input: match index {
                    0 => batch.values(),
                    _ => &self.outputs[index - 1][..input_len],
                },
                output,
                grad_output: &from[..output_len],
                grad_input: needs_grad_input.then_some(&mut to[..input_len]),
                weights: &params.weights[layout.weights_of(stage.layer)],
                grad_weights,
                accumulate: accumulate || !layer.overwrites_gradient(),
                state: &params.state[layout.state_of(stage.layer)],
                saved: &self.saved[index][..layer.saved_len(self.network.input_shape(stage.layer), rows)],
                random: RandomKey { layer: stage.layer as u64, ..random },
                scratch: &mut self.scratch,
                context: &self.context,
            });
            current = 1 - current;
        }
        current
    }
}
