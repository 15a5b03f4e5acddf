//! What every layer kind can do, and what it is given to do it with.
//!
//! One rule for gradients, everywhere: gradients of weights are *added* to what is there, gradients of activations
//! *overwrite*. (Where nothing is there yet, a layer may be told to overwrite: [`Backward::accumulate`].)

use crate::init::Init;
use crate::shape::Shape;
use plexus_kernels::Context;
use plexus_kernels::gemm::{Packed, Scratch};
use plexus_kernels::map::Function;

/// Why a layer refuses its input; the network check adds where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What was compared, e.g. `in_features`.
    pub compared: String,
    /// What would fit.
    pub expected: String,
    /// What came.
    pub got: String,
    /// What to do.
    pub help: String,
}

impl Mismatch {
    /// A mismatch from its four parts.
    pub fn new(
        compared: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Mismatch { compared: compared.into(), expected: expected.into(), got: got.into(), help: help.into() }
    }
}

/// One tensor that a layer owns: its role, shape, first values, and whether training changes it by gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// The last part of its name, e.g. `weight`.
    pub role: &'static str,
    /// Row-major.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
    /// Whether a gradient changes it; running statistics and the like are kept apart.
    pub trainable: bool,
}

impl ParamSpec {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }
}

/// What one sample costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-adds of products with weights; `flops = 2 · macs`.
    pub macs: u64,
}

/// Where the random numbers of a training step come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RandomKey {
    /// The seed of the run.
    pub seed: u64,
    /// The number of the micro-batch since the start of the run.
    pub step: u64,
    /// The index of the layer.
    pub layer: u64,
}

/// In which of its two lives a layer runs.
pub enum Pass<'a> {
    /// Statistics are those of the batch, dropout drops, and what backward needs is saved.
    Training {
        /// Running statistics, to be updated.
        state: &'a mut [f32],
        /// What backward will need besides input and output; see [`LayerKind::saved_len`].
        saved: &'a mut [f32],
        /// For dropout.
        random: RandomKey,
    },
    /// Statistics are the running ones; nothing is changed.
    Inference {
        /// Running statistics.
        state: &'a [f32],
    },
}

/// Everything a forward pass sees.
pub struct Forward<'a> {
    /// Samples.
    pub batch: usize,
    /// Shape of one input sample.
    pub input_shape: &'a Shape,
    /// `[batch, input_shape]`
    pub input: &'a [f32],
    /// `[batch, output shape]`, overwritten.
    pub output: &'a mut [f32],
    /// The trainable tensors of this layer, one after the other, in the order of [`LayerKind::params`].
    pub weights: &'a [f32],
    /// Training or inference.
    pub pass: Pass<'a>,
    /// The weight in the order of a kernel, where the plan packed it.
    pub packed: Option<&'a Packed>,
    /// Applied to the output by layers that can ([`LayerKind::fuses_function`]); otherwise identity.
    pub function: Function,
    /// Memory for kernels.
    pub scratch: &'a mut Scratch,
    /// Instruction set, threads and precision for kernels.
    pub context: &'a Context,
}

impl Forward<'_> {
    /// The same for one more call, without a fused function: the output stays with the caller.
    pub fn again(&mut self) -> Forward<'_> {
        Forward {
            batch: self.batch,
            input_shape: self.input_shape,
            input: self.input,
            output: self.output,
            weights: self.weights,
            pass: match &mut self.pass {
                Pass::Training { state, saved, random } => Pass::Training { state, saved, random: *random },
                Pass::Inference { state } => Pass::Inference { state },
            },
            packed: self.packed,
            function: Function::Identity,
            scratch: self.scratch,
            context: self.context,
        }
    }
}

/// Everything a backward pass sees.
pub struct Backward<'a> {
    /// Samples.
    pub batch: usize,
    /// Shape of one input sample.
    pub input_shape: &'a Shape,
    /// What forward read.
    pub input: &'a [f32],
    /// What forward wrote.
    pub output: &'a [f32],
    /// Derivative of the loss with respect to the output.
    pub grad_output: &'a [f32],
    /// Derivative with respect to the input, overwritten; `None` where nobody needs it.
    pub grad_input: Option<&'a mut [f32]>,
    /// The trainable tensors of this layer.
    pub weights: &'a [f32],
    /// Derivatives with respect to the trainable tensors; added to.
    pub grad_weights: &'a mut [f32],
    /// Whether there is something to add to. It is false only for a layer that [can
    /// overwrite](LayerKind::overwrites_gradient): the others get zeros to add to.
    pub accumulate: bool,
    /// Running statistics and constants.
    pub state: &'a [f32],
    /// What forward saved.
    pub saved: &'a [f32],
    /// For dropout: the key that forward had.
    pub random: RandomKey,
    /// Memory for kernels.
    pub scratch: &'a mut Scratch,
    /// Instruction set, threads and precision for kernels.
    pub context: &'a Context,
}

/// One primitive operation of a trace.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Primitive {
    /// What is done, e.g. `multiply`.
    pub operation: String,
    /// The arithmetic in words, e.g. `z[o] = sum over i of weight[o, i] * input[i]`.
    pub formula: String,
    /// What goes in: names, shapes, values.
    pub operands: Vec<Operand>,
    /// What comes out.
    pub result: Operand,
}

/// A named tensor in a trace.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Operand {
    /// Its name in the formula.
    pub name: String,
    /// Row-major.
    pub shape: Vec<usize>,
    /// All elements.
    pub values: Vec<f32>,
}

impl Operand {
    /// A named tensor from its parts.
    pub fn new(name: &str, shape: &[usize], values: &[f32]) -> Self {
        Operand { name: name.to_string(), shape: shape.to_vec(), values: values.to_vec() }
    }
}

/// One kind of layer: a description that can say what it does to a shape, and do it to numbers.
pub trait LayerKind {
    /// The name in text and files.
    const KIND: &'static str;

    /// The shape that leaves, for the shape that enters.
    ///
    /// # Errors
    /// [`Mismatch`] where the input does not fit the description.
    fn infer(&self, input: &Shape) -> Result<Shape, Mismatch>;

    /// The tensors the layer owns, for the shape that enters.
    fn params(&self, _input: &Shape) -> Vec<ParamSpec> {
        Vec::new()
    }

    /// What one sample costs.
    fn cost(&self, _input: &Shape, _output: &Shape) -> Cost {
        Cost::default()
    }

    /// How many numbers forward saves for backward besides input and output.
    fn saved_len(&self, _input: &Shape, _batch: usize) -> usize {
        0
    }

    /// Whether forward can apply a function to its output while it is in registers.
    fn fuses_function(&self) -> bool {
        false
    }

    /// Whether the numbers pass through unchanged, so that a plan leaves the layer out.
    fn is_identity(&self, _training: bool) -> bool {
        false
    }

    /// The function, for a layer that is nothing but a function of each element.
    fn function(&self) -> Option<Function> {
        None
    }

    /// Whether backward can write the gradient of the weights instead of adding it, where nothing is there yet.
    fn overwrites_gradient(&self) -> bool {
        false
    }

    /// The weight in the order of a kernel, for a layer that multiplies by one.
    fn pack(&self, _input: &Shape, _weights: &[f32], _context: &Context) -> Option<Packed> {
        None
    }

    /// Computes the output.
    fn forward(&self, cx: Forward<'_>);

    /// Computes the gradients.
    fn backward(&self, cx: Backward<'_>);

    /// Runs forward and returns the primitives it consists of, for a trace; the last result is the output.
    ///
    /// The default is one primitive named after the kind, or after its function.
    fn primitives(&self, mut cx: Forward<'_>) -> Vec<Primitive> {
        self.forward(cx.again());
        let Forward { input, input_shape, output, .. } = cx;
        let shape = self.infer(input_shape).map_or_else(|_| vec![output.len()], |shape| shape.axes().to_vec());
        let operation = self.function().map_or(Self::KIND, Function::name);
        vec![Primitive {
            operation: operation.to_string(),
            formula: format!("output = {operation}(input)"),
            operands: vec![Operand::new("input", input_shape.axes(), input)],
            result: Operand::new("output", &shape, output),
        }]
    }
}
