//! What every layer kind can do, and what it is given to do it with.
//!
//! One rule for gradients, everywhere: gradients of weights are *added* to what is there, gradients of inputs
//! *overwrite*. A layer that can do the other may be told to: [`Backward::accumulate`] for the weights,
//! [`GradInput::accumulate`] for an input that several layers read.

use crate::init::Init;
use crate::prepared::Prepared;
use crate::scratch::Scratch;
use crate::shape::Shape;
use crate::view::{DType, Quant, View, ViewMut};
use crate::window::Slide;
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::map::Function;

/// Why a layer refuses its input; the network check adds where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct ParamSpec {
    /// The last part of its name, e.g. `weight`.
    pub role: &'static str,
    /// Row-major.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
    /// Whether a gradient changes it; running statistics and the like are kept apart.
    pub trainable: bool,
    /// The type of its numbers in files. In memory all are floats; where this is a type of whole numbers, so are they, inside its range.
    pub dtype: DType,
}

impl ParamSpec {
    /// A tensor that gradients change.
    pub fn new(role: &'static str, shape: impl Into<Vec<usize>>, init: Init) -> Self {
        ParamSpec { role, shape: shape.into(), init, trainable: true, dtype: DType::F32 }
    }

    /// A tensor of whole numbers, zeros at first.
    pub fn integers(role: &'static str, shape: impl Into<Vec<usize>>, dtype: DType) -> Self {
        ParamSpec { dtype, ..ParamSpec::new(role, shape, Init::Zeros) }
    }

    /// A tensor that they do not: constants, running statistics.
    pub fn constant(role: &'static str, shape: impl Into<Vec<usize>>, init: Init) -> Self {
        ParamSpec { trainable: false, ..ParamSpec::new(role, shape, init) }
    }

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
#[non_exhaustive]
pub struct Cost {
    /// Multiply-adds of products with weights; `flops = 2 · macs`.
    pub macs: u64,
    /// Connections as LeCun et al. 1998 count them: what enters each output of a layer with weights, and one more for a
    /// bias. Mostly multiply-adds and biases added, but a trainable pooling counts each number of its windows.
    pub connections: u64,
}

impl Cost {
    /// A cost of multiply-adds and of biases added to them.
    pub fn with_additions(macs: u64, additions: u64) -> Self {
        Cost { macs, connections: macs.saturating_add(additions) }
    }
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

/// How the numbers of maps `[channels, height, width]` lie in memory. Shapes of other numbers of axes have one order only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Row-major: all of one channel, then all of the next. So it is outside of plans.
    ChannelsFirst,
    /// All channels of one pixel, then those of the next.
    ChannelsLast,
}

/// Which layout of maps a layer wants for its inputs, and gives its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maps {
    /// Channels first.
    First,
    /// Channels last.
    Last,
    /// Any, the same for all inputs; the output has it too.
    Any,
}

/// Along what a layer has a scale and a shift of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// The same for all numbers of a sample.
    All,
    /// One for each index of this axis of the shape.
    Axis(usize),
}

/// What a layer does that only scales and shifts: `output = input · scale + shift`.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// One for each index of an axis, or one for all.
    pub scale: Vec<f64>,
    /// As many.
    pub shift: Vec<f64>,
    /// How far a mean that is taken off is from zero, in spreads: the largest.
    pub distance: f64,
}

impl Affine {
    /// Appends another, of as many scales or of one.
    pub(crate) fn then(&mut self, next: &Affine) {
        let one = next.scale.len() == 1;
        for (at, (scale, shift)) in self.scale.iter_mut().zip(&mut self.shift).enumerate() {
            let from = if one { 0 } else { at };
            *shift = *shift * next.scale[from] + next.shift[from];
            *scale *= next.scale[from];
        }
        self.distance += next.distance;
    }
}

/// How the trainable numbers lie of a layer whose outputs are sums of products with them: the weight
/// `[outputs, inputs, taps]`, and a bias behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Products {
    /// Outputs, or filters.
    pub outputs: usize,
    /// Inputs, or channels, that each output sees.
    pub inputs: usize,
    /// Weights for each input and output.
    pub taps: usize,
    /// Equal parts of inputs and outputs that see each other only.
    pub groups: usize,
    /// Whether there is a bias.
    pub bias: bool,
    /// The axis of the input shape that is the inputs, where what is added to an input adds the same to every output that
    /// sees it; not so at the border of a padded map.
    pub input_axis: Option<usize>,
    /// The axis of the output shape that is the outputs.
    pub output_axis: usize,
}

/// What a forward pass keeps for the way back besides inputs and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Of its numbers.
    pub dtype: DType,
    /// Numbers for each row of the batch.
    pub per_row: usize,
    /// Numbers for the batch as a whole. One of the two is zero.
    pub fixed: usize,
}

impl Saved {
    /// Nothing.
    pub const NOTHING: Saved = Saved { dtype: DType::F32, per_row: 0, fixed: 0 };

    /// So many `f32` for each row.
    pub fn per_row(len: usize) -> Saved {
        Saved { per_row: len, ..Saved::NOTHING }
    }

    /// So many `f32` for the batch.
    pub fn fixed(len: usize) -> Saved {
        Saved { fixed: len, ..Saved::NOTHING }
    }

    /// Bytes for a batch.
    pub fn bytes(&self, rows: usize) -> usize {
        (self.per_row * rows + self.fixed) * self.dtype.size()
    }
}

/// What a backward pass reads of its forward pass; the rest need not live so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    /// The inputs.
    pub inputs: bool,
    /// The output.
    pub output: bool,
}

/// In which of its two lives a layer runs.
pub enum Pass<'a> {
    /// Statistics are those of the batch, dropout drops, and what backward needs is saved.
    Training {
        /// Running statistics, to be updated.
        state: &'a mut [f32],
        /// What backward will need besides inputs and output; see [`LayerKind::saved`].
        saved: ViewMut<'a>,
        /// For dropout.
        random: RandomKey,
        /// Statistics are the running ones, which stay as they are.
        settled: bool,
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
    pub rows: usize,
    /// `[rows, input shape]` each.
    pub inputs: &'a [View<'a>],
    /// `[rows, output shape]`, overwritten.
    pub output: ViewMut<'a>,
    /// The trainable tensors of this layer, one after the other, in the order of [`LayerKind::params`]; empty where the
    /// layer was prepared.
    pub weights: &'a [f32],
    /// Training or inference.
    pub pass: Pass<'a>,
    /// What [`LayerKind::prepare`] made of the weights.
    pub prepared: Option<&'a Prepared>,
    /// Applied to the output by layers that can ([`LayerKind::fuses_function`]); otherwise identity.
    pub function: Function,
    /// Whether 2 x 2 maxima are taken after the function, by layers that can ([`LayerKind::fuses_pooling`]); the output is
    /// then that of the pooling, and in training its positions are saved.
    pub pooling: bool,
    /// Memory for kernels.
    pub scratch: &'a mut Scratch,
    /// Instruction set, threads and precision.
    pub context: &'a Context,
}

impl<'a> Forward<'a> {
    /// The numbers of the first input.
    pub fn input(&self) -> &'a [f32] {
        self.inputs[0].f32()
    }

    /// The shape of the first input.
    pub fn input_shape(&self) -> &'a Shape {
        self.inputs[0].shape
    }

    /// The same for one more call, without a fused function: the output stays with the caller.
    pub fn again(&mut self) -> Forward<'_> {
        Forward {
            rows: self.rows,
            inputs: self.inputs,
            output: self.output.again(),
            weights: self.weights,
            pass: match &mut self.pass {
                Pass::Training { state, saved, random, settled } => {
                    Pass::Training { state, saved: saved.again(), random: *random, settled: *settled }
                }
                Pass::Inference { state } => Pass::Inference { state },
            },
            prepared: self.prepared,
            function: Function::Identity,
            pooling: false,
            scratch: self.scratch,
            context: self.context,
        }
    }
}

/// Where the derivative with respect to one input goes.
pub struct GradInput<'a> {
    /// As the input.
    pub values: &'a mut [f32],
    /// Whether it is added to what is there; true only for layers that [can](LayerKind::adds_to_grad_input).
    pub accumulate: bool,
}

/// Everything a backward pass sees.
pub struct Backward<'a, 'g> {
    /// Samples.
    pub rows: usize,
    /// What forward read; their numbers only where [`LayerKind::backward_reads`] says so.
    pub inputs: &'a [View<'a>],
    /// What forward wrote; its numbers only where [`LayerKind::backward_reads`] says so.
    pub output: View<'a>,
    /// Derivative of the loss with respect to the output.
    pub grad_output: &'a [f32],
    /// Derivatives with respect to the inputs; `None` where nobody needs one.
    pub grad_inputs: &'g mut [Option<GradInput<'a>>],
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
    pub saved: View<'a>,
    /// For dropout: the key that forward had.
    pub random: RandomKey,
    /// Whether forward took the running statistics.
    pub settled: bool,
    /// Memory for kernels.
    pub scratch: &'a mut Scratch,
    /// Instruction set, threads and precision.
    pub context: &'a Context,
}

impl<'a> Backward<'a, '_> {
    /// The numbers of the first input.
    pub fn input(&self) -> &'a [f32] {
        self.inputs[0].f32()
    }

    /// The shape of the first input.
    pub fn input_shape(&self) -> &'a Shape {
        self.inputs[0].shape
    }

    /// Where the derivative with respect to the first input goes, for layers that overwrite it.
    pub fn grad_input(&mut self) -> Option<&'a mut [f32]> {
        self.grad_inputs[0].take().map(|grad| grad.values)
    }
}

/// What enters a layer.
#[derive(Clone, Copy, Debug)]
pub struct Entering<'a> {
    /// The shapes.
    pub shapes: &'a [&'a Shape],
    /// What the numbers stand for; `None` for floats.
    pub quants: &'a [Option<Quant>],
}

/// What a layer sees of its weights when a model is opened.
pub struct Prepare<'a> {
    /// The shapes that enter.
    pub inputs: &'a [&'a Shape],
    /// What the numbers that enter stand for; `None` for floats.
    pub quants: &'a [Option<Quant>],
    /// The trainable tensors of this layer, one after the other.
    pub weights: &'a [f32],
    /// Takes the place of the layer's bias, whether it has one or not.
    pub bias: Option<&'a [f32]>,
    /// Instruction set, threads and precision.
    pub context: &'a Context,
}

/// One primitive operation of a trace.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
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
#[non_exhaustive]
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

/// What inputs are called in a trace.
fn input_names(count: usize) -> Vec<String> {
    let name = |index: usize| if count == 1 { "input".to_string() } else { format!("input {index}") };
    (0..count).map(name).collect()
}

/// The one shape of a layer that reads one input.
///
/// # Errors
/// [`Mismatch`] where there are several.
pub fn one<'a>(inputs: &[&'a Shape]) -> Result<&'a Shape, Mismatch> {
    match inputs {
        [input] => Ok(input),
        _ => Err(Mismatch::new(
            "the number of inputs",
            "one input",
            format!("{} inputs", inputs.len()),
            "Put an add or concat layer in front.",
        )),
    }
}

/// Refuses whole numbers: most layers compute with floats.
///
/// # Errors
/// [`Mismatch`] naming what came.
pub fn floats(inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
    match inputs.iter().flatten().next() {
        None => Ok(None),
        Some(quant) => {
            let help = "Put a dequantize layer in front, or take the integer form of the layer.";
            Err(Mismatch::new("the type of the input", "32-bit floats", quant.describe(), help))
        }
    }
}

/// The numbers of the only input, of whatever type, for layers that only rename axes.
///
/// # Errors
/// [`Mismatch`] where there are several.
pub fn any_numbers(inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
    match inputs {
        [quant] => Ok(*quant),
        _ => floats(inputs),
    }
}

/// Bytes of the trainable tensors among some.
pub(crate) fn weights_bytes(params: &[ParamSpec]) -> usize {
    let bytes = params.iter().filter(|spec| spec.trainable).map(|spec| spec.len().saturating_mul(size_of::<f32>()));
    bytes.fold(0, usize::saturating_add)
}

/// One kind of layer: a description that can say what it does to shapes, and do it to numbers.
pub trait LayerKind {
    /// The name in text and files.
    fn kind(&self) -> &'static str;

    /// The shape that leaves, for the shapes that enter.
    ///
    /// # Errors
    /// [`Mismatch`] where the inputs do not fit the description.
    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch>;

    /// What the numbers that leave stand for, `None` for floats, for what those that enter do. Most kinds take floats and give them.
    ///
    /// # Errors
    /// [`Mismatch`] where the layer cannot read such numbers.
    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        floats(inputs)
    }

    /// Whether there is a way back through the layer.
    fn has_gradient(&self) -> bool {
        true
    }

    /// The tensors the layer owns, for the shapes that enter.
    fn params(&self, _inputs: &[&Shape]) -> Vec<ParamSpec> {
        Vec::new()
    }

    /// Whether numbers from outside can be those of [`LayerKind::params`], one after the other: the trainable ones, and the
    /// others. Most kinds take any.
    ///
    /// # Errors
    /// [`Mismatch`] naming the first number that cannot be.
    fn check_params(&self, _entering: Entering<'_>, _weights: &[f32], _state: &[f32]) -> Result<(), Mismatch> {
        Ok(())
    }

    /// What one sample costs.
    fn cost(&self, _inputs: &[&Shape], _output: &Shape) -> Cost {
        Cost::default()
    }

    /// How windows go along each axis behind the first: rows and columns of maps, steps of a sequence. `None` where an output
    /// may read other inputs than those of its window.
    fn slides(&self, _inputs: &[&Shape]) -> Option<Vec<Slide>> {
        None
    }

    /// How maps have to lie.
    fn maps(&self) -> Maps {
        Maps::First
    }

    /// What forward saves for backward besides inputs and output.
    fn saved(&self, _inputs: &[&Shape]) -> Saved {
        Saved::NOTHING
    }

    /// What backward reads of the forward pass.
    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: true }
    }

    /// Whether forward can apply a function to its output while it is in registers.
    fn fuses_function(&self) -> bool {
        false
    }

    /// Whether forward can take 2 x 2 maxima of its output while it is in registers.
    fn fuses_pooling(&self, _inputs: &[&Shape]) -> bool {
        false
    }

    /// Whether the layer takes 2 x 2 maxima of maps side by side and nothing else, so that [`LayerKind::fuses_pooling`]
    /// can stand for it.
    fn is_two_by_two_max(&self) -> bool {
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

    /// Along what a layer scales and shifts its input, where it does nothing else in a prediction.
    fn scales_along(&self, _inputs: &[&Shape]) -> Option<Along> {
        None
    }

    /// By how much it does, for a layer with [`LayerKind::scales_along`].
    fn affine(&self, _weights: &[f32], _state: &[f32]) -> Affine {
        unreachable!("{} does more than scale and shift", self.kind())
    }

    /// How the weights lie, for a layer whose outputs are sums of products with them, so that scales and shifts beside it
    /// can be folded into them.
    fn products(&self, _inputs: &[&Shape]) -> Option<Products> {
        None
    }

    /// Whether backward can write the gradient of the weights instead of adding it, where nothing is there yet.
    fn overwrites_gradient(&self) -> bool {
        false
    }

    /// Whether backward can add the gradient of an input to what is there.
    fn adds_to_grad_input(&self) -> bool {
        false
    }

    /// Re-orders the weights for a kernel, once, for predictions; `None` where the layer reads them as they are.
    fn prepare(&self, _cx: Prepare<'_>) -> Option<Prepared> {
        None
    }

    /// Whether [`LayerKind::prepare_in_place`] does that without a copy.
    fn prepares_in_place(&self, _inputs: &[&Shape], _context: &Context) -> bool {
        false
    }

    /// As [`LayerKind::prepare`] for numbers that nobody else needs, of a layer that [can](LayerKind::prepares_in_place) do it where
    /// they are. `cx.weights` is empty.
    fn prepare_in_place(&self, _cx: Prepare<'_>, _weights: Buffer) -> Option<Prepared> {
        None
    }

    /// Bytes that a plan for predictions keeps of the weights, known before there are any: what [`LayerKind::prepare`] will
    /// give, and the weights as they are where [they are needed too](Prepared::needs_plain).
    fn prepared_bytes(&self, inputs: &[&Shape], _context: &Context) -> usize {
        weights_bytes(&self.params(inputs))
    }

    /// Computes the output.
    fn forward(&self, cx: Forward<'_>);

    /// Computes the gradients.
    fn backward(&self, cx: Backward<'_, '_>);

    /// The steps of a prediction for a trace: what is done, and its formula in words with the names of inputs and tensors. Of two,
    /// the first is without the bias, which the second adds. The default is one step named after the kind.
    fn arithmetic(&self, inputs: &[&Shape]) -> Vec<(&'static str, String)> {
        let operation = self.function().map_or(self.kind(), Function::name);
        vec![(operation, format!("output = {operation}({})", input_names(inputs.len()).join(", ")))]
    }

    /// Runs forward and returns the primitives it consists of, for a trace: those of [`LayerKind::arithmetic`] with what goes in and
    /// comes out. The last result is the output. Maps are channels first here.
    fn primitives(&self, mut cx: Forward<'_>) -> Vec<Primitive> {
        let shapes: Vec<&Shape> = cx.inputs.iter().map(|input| input.shape).collect();
        let (specs, mut steps) = (self.params(&shapes), self.arithmetic(&shapes).into_iter());
        let state = match &cx.pass {
            Pass::Training { state, .. } => state.to_vec(),
            Pass::Inference { state } => state.to_vec(),
        };
        let tensors = |trainable: bool, mut values: &[f32]| {
            let specs = specs.iter().filter(|spec| spec.trainable == trainable);
            let cut =
                specs.map(|spec| Operand::new(spec.role, &spec.shape, values.split_off(..spec.len()).unwrap_or(&[])));
            cut.collect::<Vec<Operand>>()
        };
        let mut operands: Vec<Operand> = Vec::new();
        for (name, view) in input_names(cx.inputs.len()).iter().zip(cx.inputs) {
            operands.push(Operand::new(name, view.shape.axes(), &view.numbers()));
        }
        operands.extend(tensors(true, cx.weights));
        operands.extend(tensors(false, &state));
        let mut primitives = Vec::new();
        if steps.len() == 2
            && let Some(at) = operands.iter().position(|operand| operand.name == "bias")
            && let Some((operation, formula)) = steps.next()
        {
            let bias = operands.remove(at);
            let behind: usize = specs
                .iter()
                .filter(|spec| spec.trainable)
                .skip_while(|spec| spec.role != "bias")
                .map(ParamSpec::len)
                .sum();
            let mut without = cx.weights.to_vec();
            let start = without.len() - behind;
            without[start..][..bias.values.len()].fill(0.0);
            self.forward(Forward { weights: &without, ..cx.again() });
            let product = Operand::new("product", cx.output.shape.axes(), &cx.output.view().channels_first());
            primitives.push(Primitive { operation: operation.to_string(), formula, operands, result: product.clone() });
            operands = vec![product, bias];
        }
        self.forward(cx.again());
        let result = Operand::new("output", cx.output.shape.axes(), &cx.output.view().numbers());
        let (operation, formula) = steps.next().unwrap_or_default();
        primitives.push(Primitive { operation: operation.to_string(), formula, operands, result });
        primitives
    }
}
