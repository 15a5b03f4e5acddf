//! A network with its numbers, ready to predict.

use crate::check::{CheckedBatch, CheckedNetwork, ValueId};
use crate::execute::{Executor, Frame, Numbers, Observer};
use crate::layer::Prepare;
use crate::params::{LayerParams, ParamLayout, Params};
use crate::prepared::Weights;
use crate::program::{Home, Program, Purpose};
use crate::scratch::Scratch;
use crate::view::{DType, View};
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::threads::flush_denormals;
use std::borrow::Cow;
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

impl LayerParams for Plan {
    fn layout(&self) -> &Arc<ParamLayout> {
        self.network.layout()
    }

    fn layer(&self, index: usize) -> (Cow<'_, [f32]>, Cow<'_, [f32]>) {
        let state = &self.state[self.network.layout().state_of(index)];
        (self.weights[index].plain(), Cow::Borrowed(state))
    }
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
        let mut plan = Plan::empty(network, options, context);
        plan.set_all(params);
        plan
    }

    /// As [`Plan::new`], from numbers that come one layer at a time, as from a file: the memory that it takes is that of
    /// the plan and of the largest layer.
    ///
    /// `fill` is called once for each layer, in their order: with its index, the place of its trainable numbers
    /// ([`ParamLayout::weights_of`]), and the place of the others, both zeros.
    ///
    /// # Errors
    /// What `fill` says.
    pub fn from_layers<E>(
        network: Arc<CheckedNetwork>,
        options: PlanOptions,
        context: Context,
        mut fill: impl FnMut(usize, &mut [f32], &mut [f32]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut plan = Plan::empty(network, options, context);
        let layout = plan.network.layout().clone();
        let mut values = Buffer::default();
        for index in 0..plan.weights.len() {
            let len = layout.weights_of(index).len();
            if len > values.len() {
                // The old memory goes before the new one comes.
                drop(std::mem::take(&mut values));
                values = Buffer::zeros(len);
            }
            let weights = &mut values[..len];
            weights.fill(0.0);
            fill(index, weights, &mut plan.state[layout.state_of(index)])?;
            plan.set(index, weights);
        }
        Ok(plan)
    }

    /// A plan without its numbers.
    fn empty(network: Arc<CheckedNetwork>, options: PlanOptions, context: Context) -> Self {
        let PlanOptions { keep, one_by_one } = options;
        let purpose = Purpose { keep, one_by_one, ..Purpose::default() };
        let program = Program::new(&network, &purpose);
        let weights = network.network().layers.iter().map(|_| Weights::Plain(Buffer::default())).collect();
        Plan { state: Buffer::zeros(network.layout().state_len()), network, program, weights, context }
    }

    /// Prepares the weights of one layer.
    fn set(&mut self, index: usize, weights: &[f32]) {
        // What was there goes first.
        self.weights[index] = Weights::Plain(Buffer::default());
        let inputs = self.network.input_shapes(index);
        let prepare = Prepare { inputs: &inputs, weights, context: &self.context };
        let prepared = self.network.network().layers[index].layer.prepare(prepare);
        self.weights[index] = Weights::new(prepared, weights);
    }

    fn set_all(&mut self, params: &Params) {
        for index in 0..self.weights.len() {
            self.set(index, &params.weights[params.layout().weights_of(index)]);
        }
        self.state.copy_from_slice(&params.state);
    }

    /// Takes other numbers; everything else stays as it was planned.
    ///
    /// # Panics
    /// Where `params` belongs to another network.
    pub fn reload(&mut self, params: &Params) {
        assert_eq!(self.network.layout(), params.layout(), "the numbers belong to this network");
        self.set_all(params);
    }

    /// All numbers, bit for bit as they were given.
    pub fn params(&self) -> Params {
        let mut params = Params::zeros(&self.network);
        let layout = self.network.layout();
        for (index, weights) in self.weights.iter().enumerate() {
            params.weights[layout.weights_of(index)].copy_from_slice(&weights.plain());
        }
        params.state.copy_from_slice(&self.state);
        params
    }

    /// The values of the tensor with this dotted name, bit for bit as they were given.
    pub fn tensor(&self, name: &str) -> Option<Vec<f32>> {
        let layout = self.network.layout();
        let (layer, entry) = layout.find(name)?;
        if !entry.trainable {
            return Some(self.state[entry.range.clone()].to_vec());
        }
        let start = layout.weights_of(layer).start;
        Some(self.weights[layer].plain()[entry.range.start - start..entry.range.end - start].to_vec())
    }

    /// Bytes of memory that the numbers take.
    pub fn params_bytes(&self) -> usize {
        self.weights.iter().map(Weights::bytes).sum::<usize>() + size_of_val(&self.state[..])
    }

    /// The [bytes](Plan::params_bytes) that the numbers of a network will take, before they are there.
    pub fn params_bytes_for(network: &CheckedNetwork, context: &Context) -> usize {
        let layers = network.network().layers.iter().enumerate();
        let bytes = layers.map(|(index, named)| named.layer.prepared_bytes(&network.input_shapes(index), context));
        bytes.fold(network.layout().state_len().saturating_mul(size_of::<f32>()), usize::saturating_add)
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

    /// [`Plan::workspace_bytes`] of a network that is not planned yet.
    pub fn workspace_bytes_for(network: &CheckedNetwork, rows: usize) -> usize {
        Program::new(network, &Purpose::default()).bytes(rows)
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
