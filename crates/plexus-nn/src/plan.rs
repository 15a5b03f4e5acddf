//! A network with its numbers, ready to predict.

use crate::check::{CheckedBatch, CheckedNetwork, ValueId};
use crate::execute::{Executor, Frame, Numbers, Observer};
use crate::layer::Prepare;
use crate::params::{ParamLayout, Params};
use crate::prepared::Weights;
use crate::program::{Home, Program, Purpose};
use crate::scratch::Scratch;
use crate::view::{DType, View};
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::threads::flush_denormals;
use std::sync::Arc;

/// A network with its numbers, ready to predict. It can be shared between threads; each brings its [`Workspace`].
#[derive(Debug)]
pub struct Plan {
    network: Arc<CheckedNetwork>,
    program: Program,
    /// Of each layer.
    weights: Vec<Weights>,
    state: Buffer,
    context: Context,
}

/// Memory that a plan runs in. It grows to the largest batch and is then reused: later calls allocate nothing.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    arena: Buffer<u8>,
    scratch: Scratch,
    rows: usize,
}

/// How a plan is made.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// Values to be kept until the end of a run, for [`Plan::value`]. No number of any output changes by it.
    pub keep: Vec<ValueId>,
    /// Runs every layer by itself, so that an observer sees every value. No number of any output changes by it.
    pub one_by_one: bool,
}

impl Plan {
    /// Plans a network for prediction: prepares its weights for the kernels of this machine.
    ///
    /// # Panics
    /// Where `params` belongs to another network.
    pub fn new(network: Arc<CheckedNetwork>, params: &Params, context: Context) -> Self {
        Plan::with(network, params, PlanOptions::default(), context)
    }

    /// As [`Plan::new`], in a chosen way.
    ///
    /// # Panics
    /// Where `params` belongs to another network.
    pub fn with(network: Arc<CheckedNetwork>, params: &Params, options: PlanOptions, context: Context) -> Self {
        assert_eq!(network.layout(), params.layout(), "the numbers belong to this network");
        let PlanOptions { keep, one_by_one } = options;
        let purpose = Purpose { keep, one_by_one, ..Purpose::default() };
        let program = Program::new(&network, &purpose);
        let weights = (0..network.network().layers.len()).map(|index| {
            let weights = &params.weights[network.layout().weights_of(index)];
            let inputs = network.input_shapes(index);
            let prepare = Prepare { inputs: &inputs, weights, context: &context };
            match network.network().layers[index].layer.prepare(prepare) {
                Some(prepared) => Weights::Prepared(prepared),
                None => Weights::Plain(Buffer::from_slice(weights)),
            }
        });
        let weights = weights.collect();
        Plan { state: params.state.clone(), network, program, weights, context }
    }

    /// The network.
    pub fn network(&self) -> &Arc<CheckedNetwork> {
        &self.network
    }

    /// What its kernels compute with.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Bytes of a workspace for a batch, without the memory of kernels.
    pub fn workspace_bytes(&self, rows: usize) -> usize {
        self.program.bytes(rows)
    }

    /// Computes the outputs of a batch and returns the first, `[rows, output shape]`.
    ///
    /// Nothing is allocated once the workspace has seen a batch of this size.
    pub fn run<'w>(&self, batch: CheckedBatch<'_>, workspace: &'w mut Workspace) -> &'w [f32] {
        self.run_observed(batch, workspace, None)
    }

    /// As [`Plan::run`], with someone who looks at each value when it is known.
    pub fn run_observed<'w>(
        &self,
        batch: CheckedBatch<'_>,
        workspace: &'w mut Workspace,
        observer: Option<&mut dyn Observer>,
    ) -> &'w [f32] {
        let Plan { network, program, weights, state, context } = self;
        let Workspace { arena, scratch, rows } = workspace;
        *rows = batch.rows();
        let mut executor = Executor { frame: Frame { network, program, batch, context }, arena, scratch };
        executor.grow();
        let layout: &ParamLayout = network.layout();
        let mut numbers = Numbers::Prediction { weights, layout, state };
        flush_denormals(|| executor.forward(&mut numbers, observer));
        self.output(workspace, 0)
    }

    /// One of the outputs of the last run in a workspace, `[rows, output shape]`.
    pub fn output<'w>(&self, workspace: &'w Workspace, index: usize) -> &'w [f32] {
        let port = self.program.outputs[index];
        bytemuck::cast_slice(&workspace.arena[self.program.range(port.tensor, workspace.rows)])
    }

    /// A value that was [kept](PlanOptions::keep) in the last run; `None` for others, and for inputs, which the caller has.
    pub fn value<'w>(&'w self, workspace: &'w Workspace, value: ValueId) -> Option<View<'w>> {
        let port = self.program.values[value.index()].filter(|_| self.program.keeps(value))?;
        if let Home::Input(_) = self.program.tensors[port.tensor].home {
            return None;
        }
        let bytes = &workspace.arena[self.program.range(port.tensor, workspace.rows)];
        Some(View::of_bytes(self.network.shape(value), port.layout, DType::F32, bytes))
    }
}
