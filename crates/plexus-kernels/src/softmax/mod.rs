//! Softmax and its logarithm along rows, and the cross-entropy of logits.
//!
//! ```text
//! softmax:              output[i, j] = e^(input[i, j] − max_i) / Σ_c e^(input[i, c] − max_i)
//! log_softmax:          output[i, j] = input[i, j] − max_i − ln Σ_c e^(input[i, c] − max_i)
//! softmax_backward:     grad_input[i, j] = output[i, j] · (grad_output[i, j] − Σ_c grad_output[i, c] · output[i, c])
//! log_softmax_backward: grad_input[i, j] = grad_output[i, j] − e^output[i, j] · Σ_c grad_output[i, c]
//! ```
//!
//! # Shapes
//! All matrices are `[rows, cols]`, row-major, any alignment, not overlapping. Zero rows or columns do nothing.
//!
//! # Numerics
//! Sums along a row accumulate in 32 bits over 512 elements and in 64 bits beyond, so long rows lose nothing. As in
//! PyTorch, a row with NaN or +∞, or with nothing but −∞, becomes NaN; −∞ beside other numbers has probability 0. A row
//! of one element has probability exactly 1. Results do not depend on the number of threads.

mod cross_entropy;
pub mod reference;

pub use cross_entropy::{CrossEntropy, CrossEntropySums, IGNORED, cross_entropy, target_weight};

use crate::Context;
use crate::isa::{Isa, Simd, Vectorized};
use crate::map::math;
use crate::map::pieces::{self, Rows};
use crate::threads::Pool;

/// Elements that are summed in 32 bits before they join a 64-bit sum.
const STRETCH: usize = 512;

/// Turns every row into probabilities.
///
/// # Panics
/// Where the lengths disagree.
///
/// # Examples
/// ```
/// let mut output = [0.0; 4];
/// let context = plexus_kernels::Context::single();
/// plexus_kernels::softmax::softmax(2, 2, &[5.0, 5.0, 0.0, f32::NEG_INFINITY], &mut output, &context);
/// assert_eq!(output, [0.5, 0.5, 1.0, 0.0]);
/// ```
pub fn softmax(rows: usize, cols: usize, input: &[f32], output: &mut [f32], context: &Context) {
    forward::<false>(context.isa(), (rows, cols), input, output, context.pool());
}

/// Turns every row into logarithms of probabilities.
///
/// # Panics
/// Where the lengths disagree.
pub fn log_softmax(rows: usize, cols: usize, input: &[f32], output: &mut [f32], context: &Context) {
    forward::<true>(context.isa(), (rows, cols), input, output, context.pool());
}

/// Turns the gradient of the probabilities into that of the input.
///
/// # Panics
/// Where the lengths disagree.
pub fn softmax_backward(
    (rows, cols): (usize, usize),
    output: &[f32],
    grad_output: &[f32],
    grad_input: &mut [f32],
    context: &Context,
) {
    backward::<false>(context.isa(), (rows, cols), output, grad_output, grad_input, context.pool());
}

/// Turns the gradient of the logarithms of probabilities into that of the input.
///
/// # Panics
/// Where the lengths disagree.
pub fn log_softmax_backward(
    (rows, cols): (usize, usize),
    output: &[f32],
    grad_output: &[f32],
    grad_input: &mut [f32],
    context: &Context,
) {
    backward::<true>(context.isa(), (rows, cols), output, grad_output, grad_input, context.pool());
}

fn forward<const LOG: bool>(isa: Isa, (rows, cols): (usize, usize), input: &[f32], output: &mut [f32], pool: &Pool) {
    assert_eq!(input.len(), rows * cols, "the input has rows · cols elements");
    assert_eq!(output.len(), rows * cols, "the output has rows · cols elements");
    if input.is_empty() {
        return;
    }
    pieces::for_each(pool, cols, (Rows(input, cols), Rows(output, cols)), |_, (input, output)| {
        isa.run(Forward::<LOG> { cols, input: input.0, output: output.0 });
    });
}

struct Forward<'a, const LOG: bool> {
    cols: usize,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl<const LOG: bool> Vectorized for Forward<'_, LOG> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (x, y) in self.input.chunks_exact(self.cols).zip(self.output.chunks_exact_mut(self.cols)) {
            let largest = max(s, x);
            if LOG {
                let log = sum_exp(s, x, largest).ln();
                shift(x, y, largest, log as f32);
            } else {
                let sum = exp_and_sum(s, x, largest, y);
                scale(y, (1.0 / sum) as f32);
            }
        }
    }
}

/// The largest number of a row; any number where there is NaN, which the sum of exponentials keeps.
#[inline(always)]
fn max<S: Simd>(s: S, row: &[f32]) -> f32 {
    let mut largest = s.splat(f32::NEG_INFINITY);
    let mut vectors = row.chunks_exact(S::LEN);
    for x in vectors.by_ref() {
        largest = s.max(s.load(x), largest);
    }
    largest = s.max(s.load_part(vectors.remainder(), f32::NEG_INFINITY), largest);
    s.max_lane(largest)
}

/// `to[j] = e^(row[j] − shift)`, and the sum of these.
#[inline(always)]
fn exp_and_sum<S: Simd>(s: S, row: &[f32], shift: f32, to: &mut [f32]) -> f64 {
    let shift = s.splat(shift);
    let mut total = 0.0;
    for (row, to) in row.chunks(STRETCH).zip(to.chunks_mut(STRETCH)) {
        let mut sum = s.splat(0.0);
        let (mut xs, mut ys) = (row.chunks_exact(S::LEN), to.chunks_exact_mut(S::LEN));
        for (x, y) in xs.by_ref().zip(ys.by_ref()) {
            let e = math::exp(s, s.sub(s.load(x), shift));
            sum = s.add(sum, e);
            s.store(e, y);
        }
        if !xs.remainder().is_empty() {
            let e = math::exp(s, s.sub(s.load_part(xs.remainder(), f32::NEG_INFINITY), shift));
            sum = s.add(sum, e);
            s.store_part(e, ys.into_remainder());
        }
        total += f64::from(s.sum(sum));
    }
    total
}

/// `Σ_j e^(row[j] − shift)`
#[inline(always)]
fn sum_exp<S: Simd>(s: S, row: &[f32], shift: f32) -> f64 {
    let shift = s.splat(shift);
    let mut total = 0.0;
    for row in row.chunks(STRETCH) {
        let mut sum = s.splat(0.0);
        let mut xs = row.chunks_exact(S::LEN);
        for x in xs.by_ref() {
            sum = s.add(sum, math::exp(s, s.sub(s.load(x), shift)));
        }
        if !xs.remainder().is_empty() {
            let x = s.load_part(xs.remainder(), f32::NEG_INFINITY);
            sum = s.add(sum, math::exp(s, s.sub(x, shift)));
        }
        total += f64::from(s.sum(sum));
    }
    total
}

/// `row[j] = factor · row[j]`
#[inline(always)]
fn scale(row: &mut [f32], factor: f32) {
    for value in row {
        *value *= factor;
    }
}

/// `y[j] = (x[j] − first) − second`, in this order, so that large logits do not swallow the second.
#[inline(always)]
fn shift(x: &[f32], y: &mut [f32], first: f32, second: f32) {
    for (x, y) in x.iter().zip(y) {
        *y = (x - first) - second;
    }
}

fn backward<const LOG: bool>(
    isa: Isa,
    (rows, cols): (usize, usize),
    output: &[f32],
    grad_output: &[f32],
    grad_input: &mut [f32],
    pool: &Pool,
) {
    assert_eq!(output.len(), rows * cols, "the output has rows · cols elements");
    assert_eq!(grad_output.len(), rows * cols, "the gradient of the output has rows · cols elements");
    assert_eq!(grad_input.len(), rows * cols, "the gradient of the input has rows · cols elements");
    if output.is_empty() {
        return;
    }
    let operands = (Rows(output, cols), Rows(grad_output, cols), Rows(grad_input, cols));
    pieces::for_each(pool, cols, operands, |_, (output, grad_output, grad_input)| {
        isa.run(Backward::<LOG> { cols, output: output.0, grad_output: grad_output.0, grad_input: grad_input.0 });
    });
}

struct Backward<'a, const LOG: bool> {
    cols: usize,
    output: &'a [f32],
    grad_output: &'a [f32],
    grad_input: &'a mut [f32],
}

impl<const LOG: bool> Vectorized for Backward<'_, LOG> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.output.chunks_exact(self.cols).zip(self.grad_output.chunks_exact(self.cols));
        for ((y, g), r) in rows.zip(self.grad_input.chunks_exact_mut(self.cols)) {
            let sum = s.splat(gradient_sum::<S, LOG>(s, y, g) as f32);
            let (mut ys, mut gs, mut rs) = (y.chunks_exact(S::LEN), g.chunks_exact(S::LEN), r.chunks_exact_mut(S::LEN));
            for ((y, g), r) in ys.by_ref().zip(gs.by_ref()).zip(rs.by_ref()) {
                s.store(gradient::<S, LOG>(s, s.load(y), s.load(g), sum), r);
            }
            let (y, g) = (s.load_part(ys.remainder(), 0.0), s.load_part(gs.remainder(), 0.0));
            s.store_part(gradient::<S, LOG>(s, y, g, sum), rs.into_remainder());
        }
    }
}

/// `Σ_c grad[c] · output[c]`, or `Σ_c grad[c]` for the logarithm.
#[inline(always)]
fn gradient_sum<S: Simd, const LOG: bool>(s: S, output: &[f32], grad: &[f32]) -> f64 {
    let mut total = 0.0;
    for (y, g) in output.chunks(STRETCH).zip(grad.chunks(STRETCH)) {
        let mut sum = s.splat(0.0);
        let (mut ys, mut gs) = (y.chunks_exact(S::LEN), g.chunks_exact(S::LEN));
        for (y, g) in ys.by_ref().zip(gs.by_ref()) {
            sum = if LOG { s.add(sum, s.load(g)) } else { s.mul_add(s.load(y), s.load(g), sum) };
        }
        let (y, g) = (s.load_part(ys.remainder(), 0.0), s.load_part(gs.remainder(), 0.0));
        sum = if LOG { s.add(sum, g) } else { s.mul_add(y, g, sum) };
        total += f64::from(s.sum(sum));
    }
    total
}

#[inline(always)]
fn gradient<S: Simd, const LOG: bool>(s: S, y: S::F, g: S::F, sum: S::F) -> S::F {
    if LOG { s.sub(g, s.mul(math::exp(s, y), sum)) } else { s.mul(y, s.sub(g, sum)) }
}

#[cfg(test)]
mod tests;
