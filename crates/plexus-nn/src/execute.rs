//! The only loop over operations: prediction, training, traces and read-outs all run here.

use crate::check::{CheckedBatch, CheckedNetwork, ValueId};
use crate::layer::{Backward, Forward, GradInput, Layout, Pass, RandomKey};
use crate::layers::Layer;
use crate::params::{ParamLayout, Params};
use crate::prepared::Weights;
use crate::program::{Home, Op, Port, Program, TensorId};
use crate::scratch::Scratch;
use crate::view::{DType, View, ViewMut, transpose_views};
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::conv::{UnpoolTwo, unpool_two};
use plexus_kernels::map::{self, Function, Saved};
use plexus_kernels::reduce;
use std::ops::Range;

/// Looks at values while a network runs.
pub trait Observer {
    /// Called when a value is known. Of what is fused only the last value is known; a plan that keeps a value fuses
    /// nothing into it.
    fn after(&mut self, value: ValueId, numbers: View<'_>);
}

impl<F: FnMut(ValueId, View<'_>)> Observer for F {
    fn after(&mut self, value: ValueId, numbers: View<'_>) {
        self(value, numbers);
    }
}

/// Writes other values in the place of those that a network computes in training, and looks at their gradients.
pub trait Overwrite {
    /// Called when a value is known and nothing has read it yet. Values that only give another one other axes are not told.
    fn value(&mut self, value: ValueId, numbers: ViewMut<'_>);

    /// Called when the gradient of a value is known and nothing has read it yet: in the layout that the value was told in.
    fn gradient(&mut self, value: ValueId, grad: ViewMut<'_>);
}

/// Who is told of values.
pub(crate) enum Watch<'a> {
    Nobody,
    Observer(&'a mut dyn Observer),
    Overwrite(&'a mut dyn Overwrite),
}

impl<'a> From<Option<&'a mut dyn Observer>> for Watch<'a> {
    fn from(observer: Option<&'a mut dyn Observer>) -> Self {
        observer.map_or(Watch::Nobody, Watch::Observer)
    }
}

/// The numbers of a network, as a program reads them.
pub(crate) enum Numbers<'a> {
    /// Prepared; statistics are the running ones.
    Prediction { weights: &'a [Weights], layout: &'a ParamLayout, state: &'a [f32] },
    /// As they are, with the random numbers of the step.
    Training { params: &'a mut Params, random: RandomKey, settled: bool },
}

/// What operations run with, besides memory.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub network: &'a CheckedNetwork,
    pub program: &'a Program,
    pub batch: CheckedBatch<'a>,
    pub context: &'a Context,
}

/// Runs operations in their memory.
pub(crate) struct Executor<'a> {
    pub frame: Frame<'a>,
    pub arena: &'a mut Buffer<u8>,
    pub scratch: &'a mut Scratch,
}

/// Where the gradients of the weights go, and whether they are added.
pub(crate) struct GradWeights<'a> {
    pub values: &'a mut [f32],
    pub accumulate: bool,
}

/// The most tensors that an operation touches where its layer reads at most [`FEW_INPUTS`].
const FEW: usize = 16;
const FEW_INPUTS: usize = 5;
/// The same for any layer: inputs, their gradients, output, its gradient and what was saved.
const MANY: usize = 2 * crate::check::MAX_INPUTS + 4;

/// One tensor that an operation asks for.
#[derive(Clone)]
struct Wanted {
    range: Range<usize>,
    write: bool,
}

/// Pieces of the arena, in the order in which they were asked for.
struct Pieces<'a, const N: usize> {
    reads: [&'a [u8]; N],
    writes: [Option<&'a mut [u8]>; N],
}

/// Cuts the arena into the tensors of one operation. Those that are written overlap no other.
fn pieces<'a, const N: usize>(arena: &'a mut [u8], wanted: &[Wanted]) -> Pieces<'a, N> {
    let mut order: [u8; N] = [0; N];
    // By their places: insertion sort, for they are few.
    for (index, want) in wanted.iter().enumerate() {
        let mut at = index;
        while at > 0 && wanted[usize::from(order[at - 1])].range.start > want.range.start {
            order[at] = order[at - 1];
            at -= 1;
        }
        order[at] = index as u8;
    }
    let mut pieces = Pieces { reads: [&[]; N], writes: [const { None }; N] };
    let (mut rest, mut at) = (arena, 0);
    let mut before: (Range<usize>, &'a [u8]) = (0..0, &[]);
    for &index in &order[..wanted.len()] {
        let index = usize::from(index);
        let Wanted { range, write } = &wanted[index];
        if range.is_empty() {
            if *write {
                pieces.writes[index] = Some(&mut []);
            }
            continue;
        }
        if *range == before.0 && !write {
            // Read twice.
            pieces.reads[index] = before.1;
            continue;
        }
        assert!(range.start >= at, "what is written overlaps nothing");
        let (_, from) = std::mem::take(&mut rest).split_at_mut(range.start - at);
        let (piece, behind) = from.split_at_mut(range.len());
        (rest, at) = (behind, range.end);
        if *write {
            pieces.writes[index] = Some(piece);
        } else {
            let piece: &'a [u8] = piece;
            pieces.reads[index] = piece;
            before = (range.clone(), piece);
        }
    }
    pieces
}

impl<'a> Frame<'a> {
    fn want(&self, tensor: TensorId, write: bool) -> Wanted {
        Wanted { range: self.program.range(tensor, self.batch.rows()), write }
    }

    /// What a port shows; `bytes` are those of the tensor, unless the caller of the program brings it.
    fn view<'v>(&self, port: Port, bytes: &'v [u8]) -> View<'v>
    where
        'a: 'v,
    {
        let (tensor, shape) = (&self.program.tensors[port.tensor], self.network.shape(port.value));
        match tensor.home {
            Home::Input(index) => View::of(shape, port.layout, self.batch.input(index)),
            Home::Arena(_) => View::of_quant(shape, port.layout, self.network.quant(port.value), bytes),
        }
    }

    fn view_mut<'v>(&self, port: Port, bytes: &'v mut [u8]) -> ViewMut<'v>
    where
        'a: 'v,
    {
        ViewMut::of_quant(self.network.shape(port.value), port.layout, self.network.quant(port.value), bytes)
    }

    fn layer(&self, index: usize) -> &'a Layer {
        &self.network.network().layers[index].layer
    }
}

impl Executor<'_> {
    /// Makes room for the batch. Numbers of an earlier, smaller batch may move.
    pub fn grow(&mut self) {
        self.arena.grow(self.frame.program.bytes(self.frame.batch.rows()));
    }

    /// Runs the way forward.
    pub fn forward(&mut self, numbers: &mut Numbers<'_>, mut watch: Watch<'_>) {
        let Frame { program, network, batch, .. } = self.frame;
        if let Watch::Observer(observer) = &mut watch {
            for (value, input) in network.values().zip(&network.network().inputs) {
                let view = View::of(&input.shape, Layout::ChannelsFirst, batch.input(value.index()));
                observer.after(value, view);
            }
        }
        for op in &program.ops[..program.forward] {
            match op {
                Op::Forward { reads, output, .. } => {
                    if reads.len() <= FEW_INPUTS {
                        self.layer_forward::<FEW>(op, numbers);
                    } else {
                        self.layer_forward::<MANY>(op, numbers);
                    }
                    match &mut watch {
                        Watch::Nobody => {}
                        Watch::Observer(observer) => observer.after(output.value, self.view(*output)),
                        Watch::Overwrite(overwrite) => overwrite.value(output.value, self.view_mut(*output)),
                    }
                }
                Op::Reorder { from, to } => self.reorder(*from, *to),
                _ => unreachable!("the way forward has no other operations"),
            }
        }
    }

    /// Runs the way back. The derivatives with respect to the outputs are in their places.
    pub fn backward(
        &mut self,
        params: &Params,
        (random, settled): (RandomKey, bool),
        grad_weights: &mut GradWeights<'_>,
        mut overwrite: Option<&mut dyn Overwrite>,
    ) {
        let program = self.frame.program;
        if !grad_weights.accumulate {
            for &layer in &program.idle {
                grad_weights.values[params.layout().weights_of(layer)].fill(0.0);
            }
        }
        for op in &program.ops[program.forward..] {
            if let (Some(overwrite), Op::Backward { output, grad_output, .. }) = (&mut overwrite, op) {
                overwrite.gradient(output.value, self.view_mut(*grad_output));
            }
            match op {
                Op::Backward { reads, .. } if reads.len() <= FEW_INPUTS => {
                    self.layer_backward::<FEW>(op, params, (random, settled), grad_weights);
                }
                Op::Backward { .. } => self.layer_backward::<MANY>(op, params, (random, settled), grad_weights),
                Op::Reorder { from, to } => self.reorder(*from, *to),
                Op::Function { function, output, grad } => {
                    let context = self.frame.context;
                    let (output, grad) = self.read_write(*output, *grad);
                    map::backward_in_place(*function, Saved::Output(output.f32()), grad.into_f32(), context);
                }
                Op::Add { from, to } => {
                    let context = self.frame.context;
                    let (from, to) = self.read_write(*from, *to);
                    reduce::add_assign(to.into_f32(), from.f32(), context);
                }
                Op::Unpool { .. } => self.unpool(op),
                Op::Forward { .. } => unreachable!("the way back has no such operation"),
            }
        }
    }

    /// What a port shows.
    pub fn view(&self, port: Port) -> View<'_> {
        let range = self.frame.program.range(port.tensor, self.frame.batch.rows());
        self.frame.view(port, &self.arena[range])
    }

    /// The same, to be written.
    fn view_mut(&mut self, port: Port) -> ViewMut<'_> {
        let range = self.frame.program.range(port.tensor, self.frame.batch.rows());
        self.frame.view_mut(port, &mut self.arena[range])
    }

    /// One tensor to be read and one to be written.
    fn read_write(&mut self, from: Port, to: Port) -> (View<'_>, ViewMut<'_>) {
        let frame = self.frame;
        let wanted = [frame.want(from.tensor, false), frame.want(to.tensor, true)];
        let Pieces { reads, writes: [_, Some(to_bytes)] } = pieces::<2>(self.arena, &wanted) else {
            unreachable!("the second is written")
        };
        (frame.view(from, reads[0]), frame.view_mut(to, to_bytes))
    }

    /// Puts the numbers of a tensor into the layout of another.
    fn reorder(&mut self, from: Port, to: Port) {
        let context = self.frame.context;
        let (from, to) = self.read_write(from, to);
        let size = match *from.shape.axes() {
            [channels, height, width] if from.layout != to.layout => match from.layout {
                Layout::ChannelsFirst => (channels, height * width),
                Layout::ChannelsLast => (height * width, channels),
            },
            _ => {
                to.into_bytes().copy_from_slice(from.bytes());
                return;
            }
        };
        transpose_views(from, size, to, context);
    }

    /// Spreads the gradient of pooled maps over the full ones, through the function before the pooling.
    fn unpool(&mut self, op: &Op) {
        let Op::Unpool { function, output, positions, grad_output, grad } = op else {
            unreachable!("called for a pooling")
        };
        let frame = self.frame;
        let wanted = [
            frame.want(output.tensor, false),
            frame.want(*positions, false),
            frame.want(grad_output.tensor, false),
            frame.want(grad.tensor, true),
        ];
        let Pieces { reads, writes: [_, _, _, Some(full)] } = pieces::<4>(self.arena, &wanted) else {
            unreachable!("the last is written")
        };
        let full = frame.view_mut(*grad, full);
        let &[channels, height, width] = full.shape.axes() else { unreachable!("a convolution makes maps") };
        let pooled = frame.view(*output, reads[0]);
        let call = UnpoolTwo {
            batch: frame.batch.rows(),
            channels,
            height,
            width,
            grad_pooled: frame.view(*grad_output, reads[2]).f32(),
            positions: reads[1],
            activation: (*function != Function::Identity).then_some((*function, pooled.f32())),
            grad_full: full.into_f32(),
        };
        unpool_two(call, frame.context);
    }

    fn layer_forward<const N: usize>(&mut self, op: &Op, numbers: &mut Numbers<'_>) {
        let Op::Forward { layer, reads, output, saved, function, pooling } = op else {
            unreachable!("called for a layer")
        };
        let (frame, count) = (self.frame, reads.len());
        let mut wanted = [const { Wanted { range: 0..0, write: false } }; N];
        for (want, read) in wanted.iter_mut().zip(reads) {
            *want = frame.want(read.tensor, false);
        }
        wanted[count] = frame.want(output.tensor, true);
        let mut last = count + 1;
        if let Some(saved) = saved {
            wanted[last] = frame.want(*saved, true);
            last += 1;
        }
        let Pieces { reads: pieces, mut writes } = pieces::<N>(self.arena, &wanted[..last]);
        let mut inputs = [View::of(frame.network.shape(output.value), Layout::ChannelsFirst, &[]); N];
        for ((input, read), bytes) in inputs.iter_mut().zip(reads).zip(pieces) {
            *input = frame.view(*read, bytes);
        }
        let output = frame.view_mut(*output, writes[count].take().expect("the output is written"));
        let (weights, prepared, pass): (&[f32], _, _) = match numbers {
            Numbers::Prediction { weights, layout, state } => {
                let state = &state[layout.state_of(*layer)];
                match &weights[*layer] {
                    Weights::Plain(weights) => (&weights[..], None, Pass::Inference { state }),
                    Weights::Prepared { prepared, .. } | Weights::Folded { prepared, .. } => {
                        (&[], Some(prepared), Pass::Inference { state })
                    }
                }
            }
            Numbers::Training { params, random, settled } => {
                let layout = params.layout().clone();
                let Params { weights, state, .. } = &mut **params;
                let saved = match saved {
                    Some(id) => {
                        let (bytes, dtype) = (writes[count + 1].take(), frame.program.tensors[*id].dtype);
                        let bytes = bytes.expect("what is saved is written");
                        ViewMut::of_bytes(output.shape, output.layout, dtype, bytes)
                    }
                    None => ViewMut::of(output.shape, output.layout, &mut []),
                };
                let random = RandomKey { layer: *layer as u64, ..*random };
                let (state, settled) = (&mut state[layout.state_of(*layer)], *settled);
                let pass = Pass::Training { state, saved, random, settled };
                (&weights[layout.weights_of(*layer)], None, pass)
            }
        };
        frame.layer(*layer).forward(Forward {
            rows: frame.batch.rows(),
            inputs: &inputs[..count],
            output,
            weights,
            pass,
            prepared,
            function: *function,
            pooling: *pooling,
            scratch: self.scratch,
            context: frame.context,
        });
    }

    fn layer_backward<const N: usize>(
        &mut self,
        op: &Op,
        params: &Params,
        (random, settled): (RandomKey, bool),
        grad_weights: &mut GradWeights<'_>,
    ) {
        let Op::Backward { layer, reads, output, saved, grad_output, grads } = op else {
            unreachable!("called for a layer")
        };
        let (frame, count) = (self.frame, reads.len());
        let (index, layer) = (*layer, frame.layer(*layer));
        let wants = layer.backward_reads();
        let nothing = || Wanted { range: 0..0, write: false };
        let mut wanted = [const { Wanted { range: 0..0, write: false } }; N];
        for (want, read) in wanted.iter_mut().zip(reads) {
            *want = if wants.inputs { frame.want(read.tensor, false) } else { nothing() };
        }
        let rest = &mut wanted[count..];
        rest[0] = if wants.output { frame.want(output.tensor, false) } else { nothing() };
        rest[1] = frame.want(grad_output.tensor, false);
        rest[2] = saved.map_or_else(nothing, |saved| frame.want(saved, false));
        for (want, grad) in rest[3..].iter_mut().zip(grads) {
            *want = grad.map_or_else(nothing, |(port, _)| frame.want(port.tensor, true));
        }
        let Pieces { reads: pieces, mut writes } = pieces::<N>(self.arena, &wanted[..2 * count + 3]);
        let mut inputs = [View::of(frame.network.shape(output.value), Layout::ChannelsFirst, &[]); N];
        for ((input, read), bytes) in inputs.iter_mut().zip(reads).zip(pieces) {
            *input = frame.view(*read, bytes);
        }
        let mut grad_inputs = [const { None }; N];
        for ((to, grad), bytes) in grad_inputs.iter_mut().zip(grads).zip(&mut writes[count + 3..]) {
            *to = grad.as_ref().zip(bytes.take()).map(|((port, accumulate), bytes)| {
                let values = frame.view_mut(*port, bytes).into_f32();
                GradInput { values, accumulate: *accumulate }
            });
        }
        let output = frame.view(*output, pieces[count]);
        let dtype = saved.map_or(DType::F32, |saved| frame.program.tensors[saved].dtype);
        let layout = params.layout();
        let own = &mut grad_weights.values[layout.weights_of(index)];
        let overwrites = layer.overwrites_gradient();
        if !grad_weights.accumulate && !overwrites {
            own.fill(0.0);
        }
        layer.backward(Backward {
            rows: frame.batch.rows(),
            inputs: &inputs[..count],
            output,
            grad_output: frame.view(*grad_output, pieces[count + 1]).f32(),
            grad_inputs: &mut grad_inputs[..count],
            weights: &params.weights[layout.weights_of(index)],
            grad_weights: own,
            accumulate: grad_weights.accumulate || !overwrites,
            state: &params.state[layout.state_of(index)],
            saved: View::of_bytes(output.shape, output.layout, dtype, pieces[count + 2]),
            random: RandomKey { layer: index as u64, ..random },
            settled,
            scratch: self.scratch,
            context: frame.context,
        });
    }
}
