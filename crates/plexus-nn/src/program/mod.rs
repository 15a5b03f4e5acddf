//! What is done, in which order, and where each number lives: the list of operations behind every plan.
//!
//! A program is made of a checked network in a few steps, each in its place here:
//!
//! 1. values that nobody needs are left out, and layers that change nothing, or are folded into others ([`forward`]);
//! 2. a function, or a pooling, is fused into the layer before it where that layer can and nobody else reads or watches
//!    the value between; both ways give the same bits;
//! 3. layers that want maps channels last get them so: where that changes, a [`Op::Reorder`] is put in between;
//! 4. for training, the way back ([`backward`]);
//! 5. every tensor gets a place in one arena, for as long as it is needed ([`place`]).

mod backward;
mod forward;
mod place;

use crate::check::{CheckedNetwork, ValueId};
use crate::fold::Fold;
use crate::layer::Layout;
use crate::shape::Shape;
use crate::view::DType;
use plexus_kernels::map::Function;
use std::ops::Range;

/// What a program is for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Purpose {
    /// Forward in training mode, and backward.
    pub training: bool,
    /// The derivatives with respect to the inputs are wanted.
    pub input_gradients: bool,
    /// Nothing is fused: every layer is run by itself.
    pub one_by_one: bool,
    /// In training: layers behave as in a prediction.
    pub settled: bool,
    /// Values that someone looks at: they are computed, and kept to the end.
    pub keep: Vec<ValueId>,
    /// What is folded into the weights of layers.
    pub folds: Vec<Fold>,
}

/// The number of a tensor in its program.
pub(crate) type TensorId = usize;

/// A tensor, read or written as a value or as the gradient of one: with its shape, in a layout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Port {
    pub tensor: TensorId,
    pub value: ValueId,
    pub layout: Layout,
}

/// Numbers that live in memory for some time.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub dtype: DType,
    /// Bytes for each row of the batch, or for the batch as a whole; one of them is zero.
    pub per_row: usize,
    pub fixed: usize,
    pub home: Home,
}

/// Where a tensor lives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Home {
    /// The caller brings it: input `index`.
    Input(usize),
    /// In the arena from this byte on: of one row, or of the part that does not grow with the batch.
    Arena(usize),
}

/// One operation.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A layer, and what is fused into it.
    Forward { layer: usize, reads: Vec<Port>, output: Port, saved: Option<TensorId>, function: Function, pooling: bool },
    /// The same numbers in another layout, or a copy.
    Reorder { from: Port, to: Port },
    /// The derivative of a fused function: `grad *= f'`, by the output of the function.
    Function { function: Function, output: Port, grad: Port },
    /// The way back through a fused pooling and the fused function before it.
    Unpool { function: Function, output: Port, positions: TensorId, grad_output: Port, grad: Port },
    /// The way back through a layer. A gradient of an input comes with whether it is added.
    Backward {
        layer: usize,
        reads: Vec<Port>,
        output: Port,
        saved: Option<TensorId>,
        grad_output: Port,
        grads: Vec<Option<(Port, bool)>>,
    },
    /// `to += from`
    Add { from: Port, to: Port },
}

/// Operations and the memory they run in.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Of values that have one, by value: where a reader finds it.
    pub values: Vec<Option<Port>>,
    pub tensors: Vec<Tensor>,
    /// Forward, then backward.
    pub ops: Vec<Op>,
    /// How many of them are forward.
    pub forward: usize,
    /// The values that come out, channels first.
    pub outputs: Vec<Port>,
    /// The values that someone looks at.
    pub kept: Vec<ValueId>,
    /// Where the loss writes its derivatives with respect to the outputs; training only.
    pub output_grads: Vec<Port>,
    /// The derivatives with respect to the inputs, where they were asked for and are not all zero.
    pub input_grads: Vec<Option<Port>>,
    /// Layers with weights to which no gradient comes: it is zero.
    pub idle: Vec<usize>,
    /// Bytes of the arena: for the batch, and for each row.
    pub fixed_bytes: usize,
    pub row_bytes: usize,
}

impl Program {
    /// Makes the program of a network.
    pub fn new(network: &CheckedNetwork, purpose: &Purpose) -> Program {
        let mut program = forward::program(network, purpose);
        if purpose.training {
            backward::append(network, purpose, &mut program);
        }
        place::place(network, purpose, &mut program);
        program
    }

    /// Bytes of the arena for a batch.
    pub fn bytes(&self, rows: usize) -> usize {
        self.fixed_bytes.saturating_add(self.row_bytes.saturating_mul(rows))
    }

    /// Where a tensor lies in the arena; nothing for an input.
    pub fn range(&self, tensor: TensorId, rows: usize) -> Range<usize> {
        let Tensor { per_row, fixed, home, .. } = self.tensors[tensor];
        match home {
            Home::Input(_) => 0..0,
            Home::Arena(at) if fixed > 0 => at..at + fixed,
            Home::Arena(at) => {
                let start = self.fixed_bytes + at * rows;
                start..start + per_row * rows
            }
        }
    }

    /// Whether a value can be read at the end.
    pub fn keeps(&self, value: ValueId) -> bool {
        self.kept.contains(&value)
    }

    fn add(&mut self, tensor: Tensor) -> TensorId {
        self.tensors.push(tensor);
        self.tensors.len() - 1
    }

    /// A new tensor for a value or its gradient. A value of whole numbers has no gradient.
    fn add_for(&mut self, network: &CheckedNetwork, value: ValueId, layout: Layout) -> Port {
        let dtype = network.quant(value).map_or(DType::F32, |quant| quant.dtype);
        let tensor = Tensor { dtype, per_row: network.len(value) * dtype.size(), fixed: 0, home: Home::Arena(0) };
        Port { tensor: self.add(tensor), value, layout }
    }
}

/// Which values come out, are looked at, or are read for such.
pub(crate) fn needed(network: &CheckedNetwork, keep: &[ValueId]) -> Vec<bool> {
    let mut needed = vec![false; network.values().count()];
    network.outputs().iter().chain(keep).for_each(|value| needed[value.index()] = true);
    for index in (0..network.network().layers.len()).rev() {
        if needed[network.value_of(index).index()] {
            network.reads(index).iter().for_each(|value| needed[value.index()] = true);
        }
    }
    needed
}

/// Whether the layout of a shape makes a difference: maps of several channels and pixels.
pub(crate) fn has_layouts(shape: &Shape) -> bool {
    matches!(shape.axes(), &[channels, height, width] if channels != 1 && height * width != 1)
}
