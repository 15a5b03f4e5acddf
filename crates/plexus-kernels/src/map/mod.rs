//! One function applied to every element: the activation functions, and their derivatives.
//!
//! ```text
//! forward:   output[i] = f(input[i])
//! backward:  grad_input[i] = grad_output[i] · f'(input[i])
//! ```
//!
//! Every function is a row of [`FUNCTIONS`]: name, formula, tolerance. The definition is `reference.rs`; the vectorized
//! `exp`, `tanh`, `erf` and `log1p` beneath are in `math.rs`, with their bounds. To add a function: a variant of
//! [`Function`], a row, its two formulas in `function.rs` and in `reference.rs`.
//!
//! # Shapes
//! All slices of one call have one length; zero does nothing. Any alignment. Slices do not overlap; the `_in_place`
//! variants write over what they read.
//!
//! # Numerics
//! The value of an element does not depend on its position, on the length or on the number of threads; it may differ by
//! the stated tolerance between instruction sets. NaN gives NaN. Denormal operands and results count as zero, up to the
//! range that `reference.rs` and its tests state. Conventions are PyTorch's: `relu'(0) = 0`, `leaky_relu'(0) = slope`,
//! `elu'(0) = alpha`, and [`Function::HardSigmoid`] has derivative 0 at both corners.

pub(crate) mod function;
pub mod math;
pub(crate) mod pieces;
pub mod reference;

use crate::Context;
use crate::isa::{Isa, Simd, Vectorized};
use function::{Formula, with_formula};

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// `x`
    Identity,
    /// `max(0, x)`
    Relu,
    /// `x` where positive, else `slope · x`
    LeakyRelu {
        /// Slope of the negative side; PyTorch's default is 0.01.
        slope: f32,
    },
    /// `x` where positive, else `alpha · (e^x − 1)`
    Elu {
        /// Depth of the negative side; PyTorch's default is 1.
        alpha: f32,
    },
    /// `scale · elu(x)` with the two constants of the paper (Klambauer et al. 2017)
    Selu,
    /// `x · Φ(x)`, by the error function
    Gelu,
    /// `x · Φ(x)`, `Φ` approximated by a tanh
    GeluTanh,
    /// `x · sigmoid(x)`
    Silu,
    /// `1 / (1 + e^−x)`
    Sigmoid,
    /// `min(max(x + 3, 0), 6) / 6`
    HardSigmoid,
    /// hyperbolic tangent
    Tanh,
    /// `1.7159 · tanh(2x/3)`, the function of LeNet-5 (LeCun et al. 1998): 1 at 1, −1 at −1
    ScaledTanh,
    /// `ln(1 + e^x)`; `x` above 20
    Softplus,
    /// `x / (1 + |x|)`
    Softsign,
    /// `e^x`
    Exp,
}

/// A row of the table of functions.
#[derive(Clone, Copy, Debug)]
pub struct FunctionRow {
    /// The name in network files.
    pub name: &'static str,
    /// The formula, for people.
    pub formula: &'static str,
    /// The function, with its parameter at the default.
    pub default: Function,
    /// A result differs from the exact one by at most so many units in the last place …
    pub ulp: u32,
    /// … or by at most so much, whichever is more.
    pub absolute: f32,
}

/// Every function.
pub const FUNCTIONS: &[FunctionRow] = &[
    row("identity", "x", Function::Identity, 0, 0.0),
    row("relu", "max(0, x)", Function::Relu, 0, 0.0),
    row("leaky_relu", "x > 0 ? x : slope · x", Function::LeakyRelu { slope: 0.01 }, 1, 0.0),
    row("elu", "x > 0 ? x : alpha · (e^x − 1)", Function::Elu { alpha: 1.0 }, 4, 0.0),
    row("selu", "1.0507 · (x > 0 ? x : 1.6733 · (e^x − 1))", Function::Selu, 5, 0.0),
    row("gelu", "x · Φ(x) = x/2 · (1 + erf(x / √2))", Function::Gelu, 6, 8e-7),
    row("gelu_tanh", "x/2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))", Function::GeluTanh, 6, 8e-7),
    row("silu", "x / (1 + e^−x)", Function::Silu, 5, 1e-36),
    row("sigmoid", "1 / (1 + e^−x)", Function::Sigmoid, 4, 0.0),
    row("hard_sigmoid", "min(max(x + 3, 0), 6) / 6", Function::HardSigmoid, 1, 3e-8),
    row("tanh", "tanh(x)", Function::Tanh, 4, 0.0),
    row("scaled_tanh", "1.7159 · tanh(2x/3)", Function::ScaledTanh, 6, 0.0),
    row("softplus", "x > 20 ? x : ln(1 + e^x)", Function::Softplus, 4, 0.0),
    row("softsign", "x / (1 + |x|)", Function::Softsign, 2, 0.0),
    row("exp", "e^x", Function::Exp, 2, 0.0),
];

const fn row(name: &'static str, formula: &'static str, default: Function, ulp: u32, absolute: f32) -> FunctionRow {
    FunctionRow { name, formula, default, ulp, absolute }
}

impl Function {
    /// The row of the table; its `default` may have another parameter than `self`.
    pub fn row(self) -> &'static FunctionRow {
        FUNCTIONS
            .iter()
            .find(|row| std::mem::discriminant(&row.default) == std::mem::discriminant(&self))
            .expect("every function has a row, as a test asserts")
    }

    /// The name in network files.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The function of this name, with its parameter at the default.
    pub fn named(name: &str) -> Option<Function> {
        FUNCTIONS.iter().find(|row| row.name == name).map(|row| row.default)
    }

    /// Whether the derivative at `x` can be computed from `f(x)` alone, so that `x` need not be kept.
    pub fn derivative_from_output(self) -> bool {
        match self {
            Function::Identity
            | Function::Relu
            | Function::Selu
            | Function::Sigmoid
            | Function::HardSigmoid
            | Function::Tanh
            | Function::ScaledTanh
            | Function::Softplus
            | Function::Softsign
            | Function::Exp => true,
            Function::LeakyRelu { slope } => slope > 0.0,
            Function::Elu { alpha } => alpha > 0.0,
            Function::Gelu | Function::GeluTanh | Function::Silu => false,
        }
    }
}

/// What the forward pass kept for the derivative.
#[derive(Clone, Copy, Debug)]
pub enum Saved<'a> {
    /// The input of the function: right for every function.
    Input(&'a [f32]),
    /// The output of the function: right where [`Function::derivative_from_output`] says so.
    Output(&'a [f32]),
}

impl<'a> Saved<'a> {
    fn check(self, function: Function, len: usize) -> (bool, &'a [f32]) {
        let (from_output, values) = match self {
            Saved::Input(values) => (false, values),
            Saved::Output(values) => (true, values),
        };
        assert!(!from_output || function.derivative_from_output(), "{} needs its input", function.name());
        assert_eq!(values.len(), len, "one saved value for each gradient");
        (from_output, values)
    }
}

/// Applies a function: `output[i] = f(input[i])`.
///
/// # Panics
/// Where the lengths differ.
///
/// # Examples
/// ```
/// use plexus_kernels::map::{Function, forward};
/// let mut output = [0.0; 3];
/// forward(Function::Relu, &[-1.0, 0.0, 2.0], &mut output, &plexus_kernels::Context::single());
/// assert_eq!(output, [0.0, 0.0, 2.0]);
/// ```
pub fn forward(function: Function, input: &[f32], output: &mut [f32], context: &Context) {
    assert_eq!(input.len(), output.len(), "one output for each input");
    pieces::for_each(context.pool(), 1, (input, output), |_, (input, output)| {
        with_formula!(function, formula => context.isa().run(Forward { formula, input, output }));
    });
}

/// Applies a function where the values are: `values[i] = f(values[i])`.
pub fn forward_in_place(function: Function, values: &mut [f32], context: &Context) {
    pieces::for_each(context.pool(), 1, values, |_, values| {
        with_formula!(function, formula => context.isa().run(ForwardInPlace { formula, values }));
    });
}

/// Multiplies a gradient by the derivative: `grad_input[i] = grad_output[i] · f'(x[i])`.
///
/// # Panics
/// Where the lengths differ, or the output was saved and the function needs its input.
pub fn backward(function: Function, saved: Saved<'_>, grad_output: &[f32], grad_input: &mut [f32], context: &Context) {
    assert_eq!(grad_output.len(), grad_input.len(), "one gradient in for each gradient out");
    let (from_output, saved) = saved.check(function, grad_output.len());
    pieces::for_each(context.pool(), 1, (saved, grad_output, grad_input), |_, (saved, grad_output, grad_input)| {
        let saved = if from_output { Saved::Output(saved) } else { Saved::Input(saved) };
        apply_backward(context.isa(), function, saved, grad_output, grad_input);
    });
}

/// Multiplies a gradient by the derivative where it is: `grad[i] = grad[i] · f'(x[i])`.
///
/// # Panics
/// Where the lengths differ, or the output was saved and the function needs its input.
pub fn backward_in_place(function: Function, saved: Saved<'_>, grad: &mut [f32], context: &Context) {
    let (from_output, saved) = saved.check(function, grad.len());
    pieces::for_each(context.pool(), 1, (saved, grad), |_, (saved, grad)| {
        with_formula!(function, formula => match from_output {
            true => context.isa().run(BackwardInPlace::<_, true> { formula, saved, grad }),
            false => context.isa().run(BackwardInPlace::<_, false> { formula, saved, grad }),
        });
    });
}

/// As [`forward_in_place`], all of it on this thread: for the rows of a tile inside a task.
pub(crate) fn apply(isa: Isa, function: Function, values: &mut [f32]) {
    with_formula!(function, formula => isa.run(ForwardInPlace { formula, values }));
}

/// As [`backward`], all of it on this thread.
pub(crate) fn apply_backward(
    isa: Isa,
    function: Function,
    saved: Saved<'_>,
    grad_output: &[f32],
    grad_input: &mut [f32],
) {
    let (from_output, saved) = saved.check(function, grad_output.len());
    with_formula!(function, formula => match from_output {
        true => isa.run(Backward::<_, true> { formula, saved, grad_output, grad_input }),
        false => isa.run(Backward::<_, false> { formula, saved, grad_output, grad_input }),
    });
}

struct Forward<'a, F> {
    formula: F,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl<F: Formula> Vectorized for Forward<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Forward { formula, input, output } = self;
        let mut inputs = input.chunks_exact(S::LEN);
        let mut outputs = output.chunks_exact_mut(S::LEN);
        for (x, y) in inputs.by_ref().zip(outputs.by_ref()) {
            s.store(formula.apply(s, s.load(x)), y);
        }
        let (x, y) = (inputs.remainder(), outputs.into_remainder());
        if !x.is_empty() {
            s.store_part(formula.apply(s, s.load_part(x, 0.0)), y);
        }
    }
}

struct ForwardInPlace<'a, F> {
    formula: F,
    values: &'a mut [f32],
}

impl<F: Formula> Vectorized for ForwardInPlace<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let ForwardInPlace { formula, values } = self;
        let mut vectors = values.chunks_exact_mut(S::LEN);
        for v in vectors.by_ref() {
            s.store(formula.apply(s, s.load(v)), v);
        }
        let v = vectors.into_remainder();
        if !v.is_empty() {
            s.store_part(formula.apply(s, s.load_part(v, 0.0)), v);
        }
    }
}

struct Backward<'a, F, const FROM_OUTPUT: bool> {
    formula: F,
    saved: &'a [f32],
    grad_output: &'a [f32],
    grad_input: &'a mut [f32],
}

impl<F: Formula, const FROM_OUTPUT: bool> Vectorized for Backward<'_, F, FROM_OUTPUT> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Backward { formula, saved, grad_output, grad_input } = self;
        let mut saved = saved.chunks_exact(S::LEN);
        let mut grads = grad_output.chunks_exact(S::LEN);
        let mut results = grad_input.chunks_exact_mut(S::LEN);
        for ((x, g), r) in saved.by_ref().zip(grads.by_ref()).zip(results.by_ref()) {
            s.store(formula.backward::<S, FROM_OUTPUT>(s, s.load(x), s.load(g)), r);
        }
        let (x, g, r) = (saved.remainder(), grads.remainder(), results.into_remainder());
        if !x.is_empty() {
            s.store_part(formula.backward::<S, FROM_OUTPUT>(s, s.load_part(x, 0.0), s.load_part(g, 0.0)), r);
        }
    }
}

struct BackwardInPlace<'a, F, const FROM_OUTPUT: bool> {
    formula: F,
    saved: &'a [f32],
    grad: &'a mut [f32],
}

impl<F: Formula, const FROM_OUTPUT: bool> Vectorized for BackwardInPlace<'_, F, FROM_OUTPUT> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let BackwardInPlace { formula, saved, grad } = self;
        let mut saved = saved.chunks_exact(S::LEN);
        let mut grads = grad.chunks_exact_mut(S::LEN);
        for (x, g) in saved.by_ref().zip(grads.by_ref()) {
            s.store(formula.backward::<S, FROM_OUTPUT>(s, s.load(x), s.load(g)), g);
        }
        let (x, g) = (saved.remainder(), grads.into_remainder());
        if !x.is_empty() {
            s.store_part(formula.backward::<S, FROM_OUTPUT>(s, s.load_part(x, 0.0), s.load_part(g, 0.0)), g);
        }
    }
}

#[cfg(test)]
mod tests;
