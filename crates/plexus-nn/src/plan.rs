//! A network with its numbers, ready to predict.

use crate::check::{CheckedBatch, CheckedNetwork, ValueId};
use crate::execute::{Executor, Frame, Numbers, Observer};
use crate::fold::{self, Fold, Scales};
use crate::layer::{Affine, Prepare};
use crate::params::{LayerParams, ParamLayout, Params};
use crate::prepared::{Prepared, Weights};
use crate::program::{Home, Program, Purpose};
use crate::scratch::Scratch;
use crate::view::View;
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::threads::flush_denormals;
use std::borrow::Cow;
use std::sync::Arc;

/// A network with its numbers, ready to predict. It can be shared between threads; each brings its [`Workspace`].
#[derive(Debug)]
pub struct Plan {
    network: Arc<CheckedNetwork>,
    /// With what is folded now.
    purpose: Purpose,
    /// Whether anything is folded.
    fold: bool,
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
        (self.plain(index), Cow::Borrowed(state))
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
#[non_exhaustive]
pub struct PlanOptions {
    /// Values to be kept until the end of a run, for [`Plan::value`]. No number of any output changes by it, unless layers
    /// are folded: a value that is kept is not folded away.
    pub keep: Vec<ValueId>,
    /// Runs every layer by itself, so that an observer sees every value; nothing is folded then. Otherwise no number of
    /// any output changes by it.
    pub one_by_one: bool,
    /// Folds layers that only scale and shift in a prediction (batch_norm, standardize) into the weights of the linear or
    /// conv2d layer beside them, where nobody else reads or keeps the value between. That is less work, and changes the
    /// last bits of the outputs.
    ///
    /// Folded weights are computed in f64 and rounded once. The plan still gives the numbers back as they were given; that
    /// takes two bits for each folded weight, a sixteenth of its memory. Not folded are: weights of which one would become
    /// infinite, NaN, subnormal, or zero without having been zero; layers in front of a padded convolution; layers in
    /// front whose means are more than 4 spreads from zero, for that would lose digits; and any layer in front where the
    /// context [rounds weights](Context::with_weights).
    pub fold: bool,
}

impl PlanOptions {
    /// The same with these values [kept](PlanOptions::keep).
    #[must_use]
    pub fn with_keep(self, keep: impl IntoIterator<Item = ValueId>) -> Self {
        PlanOptions { keep: keep.into_iter().collect(), ..self }
    }

    /// The same with this [`one_by_one`](PlanOptions::one_by_one).
    #[must_use]
    pub fn with_one_by_one(self, one_by_one: bool) -> Self {
        PlanOptions { one_by_one, ..self }
    }

    /// The same with this [`fold`](PlanOptions::fold).
    #[must_use]
    pub fn with_fold(self, fold: bool) -> Self {
        PlanOptions { fold, ..self }
    }
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
    /// the plan and of one layer, or less: a large linear layer is re-ordered where it is.
    ///
    /// `fill` is called once for each layer: with its index, the place of its trainable numbers
    /// ([`ParamLayout::weights_of`]), and the place of the others, both zeros. It goes by the order of the layers, but
    /// those that may be [folded](PlanOptions::fold) into others come first.
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
        let mut spare = plan.spare();
        for index in plan.find_folds() {
            plan.take(index, &mut spare, |weights, state| fill(index, weights, state))?;
        }
        plan.take_folds();
        Ok(plan)
    }

    /// A plan without its numbers.
    fn empty(network: Arc<CheckedNetwork>, options: PlanOptions, context: Context) -> Self {
        let PlanOptions { keep, one_by_one, fold } = options;
        let purpose = Purpose { keep, one_by_one, ..Purpose::default() };
        let program = Program::new(&network, &purpose);
        let weights = network.network().layers.iter().map(|_| Weights::Plain(Buffer::default())).collect();
        let (state, fold) = (Buffer::zeros(network.layout().state_len()), fold && !one_by_one);
        Plan { network, purpose, fold, program, weights, state, context }
    }

    /// Finds what may be folded. Returns all layers in the order in which their numbers have to come: a layer after those
    /// that are folded into it.
    fn find_folds(&mut self) -> Vec<usize> {
        let layers = 0..self.weights.len();
        if !self.fold {
            return layers.collect();
        }
        // Weights that are rounded with one scale should be of one size, as they are without the spreads of columns in them.
        let front = self.context.weights().is_none();
        self.purpose.folds = fold::find(&self.network, &self.purpose.keep, front);
        let targets = fold::targets(&self.network, &self.purpose.folds);
        let (first, then): (Vec<usize>, Vec<usize>) = layers.partition(|&index| targets[index].is_some());
        [first, then].concat()
    }

    /// Makes the program anew for what was folded, when all numbers are there.
    fn take_folds(&mut self) {
        if self.fold {
            self.program = Program::new(&self.network, &self.purpose);
        }
    }

    /// What is folded into a layer, in numbers; `None` where they forbid it.
    fn scales(&self, fold: &Fold) -> Option<Scales> {
        let Plan { network, weights, state, .. } = self;
        Scales::new(network, fold, |index| -> Affine {
            let Weights::Plain(weights) = &weights[index] else { unreachable!("such layers are not prepared") };
            network.network().layers[index].layer.affine(weights, &state[network.layout().state_of(index)])
        })
    }

    /// Room for the weights of any layer that copies them into the order of its kernel. One for all layers: memory that is
    /// asked for and given back between them would leave gaps that are not used again.
    fn spare(&self) -> Buffer {
        let layout = self.network.layout();
        let copied = (0..self.network.network().layers.len()).filter(|index| !self.prepares_in_place(*index));
        Buffer::zeros(copied.map(|index| layout.weights_of(index).len()).max().unwrap_or(0))
    }

    fn prepares_in_place(&self, index: usize) -> bool {
        let layer = &self.network.network().layers[index].layer;
        layer.prepares_in_place(&self.network.input_shapes(index), &self.context)
    }

    /// Takes the numbers of a layer: `fill` writes them where there are zeros, the trainable ones and the others.
    fn take<E>(
        &mut self,
        index: usize,
        spare: &mut Buffer,
        fill: impl FnOnce(&mut [f32], &mut [f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (weights, state) = (self.network.layout().weights_of(index), self.network.layout().state_of(index));
        let in_place = self.prepares_in_place(index);
        let mut own = Buffer::zeros(if in_place { weights.len() } else { 0 });
        let weights = if in_place { &mut own[..] } else { &mut spare[..weights.len()] };
        weights.fill(0.0);
        fill(weights, &mut self.state[state])?;
        if self.set_folded(index, weights) {
            return Ok(());
        }
        // What was there goes first.
        self.weights[index] = Weights::Plain(Buffer::default());
        self.weights[index] = if in_place {
            let inputs = self.network.input_shapes(index);
            let quants = self.network.input_quants(index);
            let prepare =
                Prepare { inputs: &inputs, quants: &quants, weights: &[], bias: None, context: &self.context };
            let prepared = self.network.network().layers[index].layer.prepare_in_place(prepare, own);
            Weights::new(prepared, Buffer::default())
        } else {
            let prepared = self.prepared(index, weights, None);
            let needs_plain = prepared.as_ref().is_none_or(Prepared::needs_plain);
            Weights::new(prepared, if needs_plain { Buffer::from_slice(weights) } else { Buffer::default() })
        };
        Ok(())
    }

    /// The same with other layers folded into them, where there are such and their numbers allow it; `weights` are changed
    /// only then.
    fn set_folded(&mut self, index: usize, weights: &mut [f32]) -> bool {
        let Some(at) = self.fold_of(index) else { return false };
        let scales = self.scales(&self.purpose.folds[at]);
        let folded = scales.and_then(|scales| scales.fold(weights).map(|(bias, undo)| (scales, bias, undo)));
        let Some((scales, bias, undo)) = folded else {
            self.purpose.folds.remove(at);
            return false;
        };
        // What was there goes first.
        self.weights[index] = Weights::Plain(Buffer::default());
        let prepared = self.prepared(index, weights, Some(&bias)).expect("layers of products are prepared");
        self.weights[index] = match prepared.needs_plain() {
            false => Weights::Folded { prepared, undo },
            true => {
                let plain = Buffer::from_slice(&scales.unfold(weights.to_vec(), &undo));
                Weights::Prepared { prepared, plain }
            }
        };
        true
    }

    /// The place of what is folded into a layer.
    fn fold_of(&self, index: usize) -> Option<usize> {
        self.purpose.folds.iter().position(|fold| fold.layer == index)
    }

    /// The weights of one layer in the order of its kernel.
    fn prepared(&self, index: usize, weights: &[f32], bias: Option<&[f32]>) -> Option<Prepared> {
        let inputs = self.network.input_shapes(index);
        let quants = self.network.input_quants(index);
        let prepare = Prepare { inputs: &inputs, quants: &quants, weights, bias, context: &self.context };
        self.network.network().layers[index].layer.prepare(prepare)
    }

    fn set_all(&mut self, params: &Params) {
        self.state.copy_from_slice(&params.state);
        let layout = self.network.layout().clone();
        let mut spare = self.spare();
        for index in self.find_folds() {
            let copied: Result<(), std::convert::Infallible> = self.take(index, &mut spare, |weights, _| {
                weights.copy_from_slice(&params.weights[layout.weights_of(index)]);
                Ok(())
            });
            let Ok(()) = copied;
        }
        self.take_folds();
    }

    /// The trainable numbers of a layer, as [`Plan::params`] gives them.
    fn plain(&self, index: usize) -> Cow<'_, [f32]> {
        self.weights[index].plain(|weights, undo| {
            let scales = self.fold_of(index).and_then(|at| self.scales(&self.purpose.folds[at]));
            scales.expect("it was folded with them").unfold(weights, undo)
        })
    }

    /// The layer into whose weights layer `index` is [folded](PlanOptions::fold).
    pub fn folded_into(&self, index: usize) -> Option<usize> {
        self.purpose.folds.iter().find(|fold| fold.away().any(|away| away == index)).map(|fold| fold.layer)
    }

    /// Takes other numbers; everything else stays as it was planned.
    ///
    /// # Panics
    /// Where `params` belongs to another network.
    pub fn reload(&mut self, params: &Params) {
        assert_eq!(self.network.layout(), params.layout(), "the numbers belong to this network");
        self.set_all(params);
    }

    /// All numbers, bit for bit as they were given. Where the context [rounds weights](Context::with_weights), those of fully
    /// connected layers are what they were rounded to.
    pub fn params(&self) -> Params {
        let mut params = Params::zeros(&self.network);
        let layout = self.network.layout();
        for index in 0..self.weights.len() {
            params.weights[layout.weights_of(index)].copy_from_slice(&self.plain(index));
        }
        params.state.copy_from_slice(&self.state);
        params
    }

    /// The values of the tensor with this dotted name, as [`Plan::params`] gives them.
    pub fn tensor(&self, name: &str) -> Option<Vec<f32>> {
        let layout = self.network.layout();
        let (layer, entry) = layout.find(name)?;
        if !entry.trainable {
            return Some(self.state[entry.range.clone()].to_vec());
        }
        let start = layout.weights_of(layer).start;
        Some(self.plain(layer)[entry.range.start - start..entry.range.end - start].to_vec())
    }

    /// Bytes of the weights of a layer that a run reads.
    pub(crate) fn read_bytes(&self, index: usize) -> usize {
        match &self.weights[index] {
            Weights::Plain(weights) => size_of_val(&weights[..]),
            Weights::Prepared { prepared, .. } | Weights::Folded { prepared, .. } => prepared.bytes(),
        }
    }

    /// Bytes of memory that the numbers take.
    pub fn params_bytes(&self) -> usize {
        self.weights.iter().map(Weights::bytes).sum::<usize>() + size_of_val(&self.state[..])
    }

    /// The [bytes](Plan::params_bytes) that the numbers of a network will take, before they are there. Where layers are
    /// [folded](PlanOptions::fold), it is a sixteenth more, and a bias.
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
        let Plan { network, program, weights, state, context, .. } = self;
        let Workspace { arena, scratch, rows } = workspace;
        *rows = batch.rows();
        let mut executor = Executor { frame: Frame { network, program, batch, context }, arena, scratch };
        executor.grow();
        let layout: &ParamLayout = network.layout();
        let mut numbers = Numbers::Prediction { weights, layout, state };
        flush_denormals(|| executor.forward(&mut numbers, observer.into()));
        self.output(workspace, 0)
    }

    /// One of the outputs of the last run in a workspace, `[rows, output shape]`.
    pub fn output<'w>(&self, workspace: &'w Workspace, index: usize) -> &'w [f32] {
        let port = self.program.outputs[index];
        bytemuck::cast_slice(&workspace.arena[self.program.range(port.tensor, workspace.rows)])
    }

    /// A value that was [kept](PlanOptions::keep) in the last run; `None` for others, and for inputs, which the caller has.
    /// A value is not folded away while it is kept.
    pub fn value<'w>(&'w self, workspace: &'w Workspace, value: ValueId) -> Option<View<'w>> {
        let port = self.program.values[value.index()].filter(|_| self.program.keeps(value))?;
        if let Home::Input(_) = self.program.tensors[port.tensor].home {
            return None;
        }
        let bytes = &workspace.arena[self.program.range(port.tensor, workspace.rows)];
        Some(View::of_quant(self.network.shape(value), port.layout, self.network.quant(value), bytes))
    }
}
