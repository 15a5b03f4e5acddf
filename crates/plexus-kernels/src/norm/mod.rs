//! Normalization: by the statistics of a row (layer norm), of a column (batch norm), or by given numbers.
//!
//! ```text
//! x̂[i, j]      = (input[i, j] − mean) · rstd,   rstd = 1 / √(variance + epsilon)
//! output[i, j] = x̂[i, j] · weight[j] + bias[j]
//! ```
//! where mean and variance are those of row `i` ([`layer_norm`]), of column `j` over the batch ([`batch_norm`]), or
//! running averages of the latter ([`batch_norm_inference`]). Variances are biased (divided by the count), in two passes.
//!
//! # Shapes
//! Matrices are `[rows, cols]`, row-major, any alignment, not overlapping; `weight` and `bias` are `[cols]` and may be
//! missing (1 and 0). Zero rows or columns do nothing, except that a batch norm of no rows has mean 0.
//!
//! # Numerics
//! Sums along a row accumulate in 64 bits from 512 elements on, sums along a column pairwise. NaN and infinities
//! propagate. A constant row or column becomes exactly `bias`. Gradients of `weight` and `bias` are added to what is
//! there; gradients of inputs overwrite. Results do not depend on the number of threads.

mod batch;
mod layer;
pub mod reference;

pub use batch::{
    BatchNorm, BatchNormBackward, BatchNormInference, RunningStatistics, batch_norm, batch_norm_backward,
    batch_norm_inference, reciprocal_std,
};
pub use layer::{LayerNorm, LayerNormBackward, layer_norm, layer_norm_backward};

use crate::Context;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces::{self, Rows};
use crate::reduce::columns;

/// The arguments of [`standardize`].
#[derive(Debug)]
pub struct Standardize<'a> {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// `[rows, cols]`
    pub input: &'a [f32],
    /// `[cols]`, or one number for all.
    pub mean: &'a [f32],
    /// `[cols]`, or one number for all: what is multiplied, so the reciprocal of a standard deviation.
    pub scale: &'a [f32],
    /// `[rows, cols]`, overwritten.
    pub output: &'a mut [f32],
}

/// Shifts and scales every column: `output[i, j] = (input[i, j] − mean[j]) · scale[j]`.
///
/// # Panics
/// Where the lengths disagree.
///
/// # Examples
/// ```
/// use plexus_kernels::norm::{Standardize, standardize};
/// let (input, mut output) = ([1.0, 10.0, 3.0, 30.0], [0.0; 4]);
/// let context = plexus_kernels::Context::single();
/// let (mean, scale) = (&[2.0, 20.0], &[0.5]);
/// standardize(Standardize { rows: 2, cols: 2, input: &input, mean, scale, output: &mut output }, &context);
/// assert_eq!(output, [-0.5, -5.0, 0.5, 5.0]);
/// ```
pub fn standardize(arguments: Standardize<'_>, context: &Context) {
    let Standardize { rows, cols, input, mean, scale, output } = arguments;
    assert_eq!(input.len(), rows * cols, "the input has rows · cols elements");
    assert_eq!(output.len(), rows * cols, "the output has rows · cols elements");
    assert!([1, cols].contains(&mean.len()), "one mean for each column, or one");
    assert!([1, cols].contains(&scale.len()), "one scale for each column, or one");
    if input.is_empty() {
        return;
    }
    pieces::for_each(context.pool(), cols, (Rows(input, cols), Rows(output, cols)), |_, (input, output)| {
        context.isa().run(Shift { cols, input: input.0, mean: Some(mean), scale, output: output.0 });
    });
}

/// The arguments of [`standardize_backward`].
#[derive(Debug)]
pub struct StandardizeBackward<'a> {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// `[cols]`, or one number for all.
    pub scale: &'a [f32],
    /// `[rows, cols]`
    pub grad_output: &'a [f32],
    /// `[rows, cols]`, overwritten.
    pub grad_input: &'a mut [f32],
}

/// The gradient of [`standardize`]: `grad_input[i, j] = grad_output[i, j] · scale[j]`.
///
/// # Panics
/// Where the lengths disagree.
pub fn standardize_backward(arguments: StandardizeBackward<'_>, context: &Context) {
    let StandardizeBackward { rows, cols, scale, grad_output, grad_input } = arguments;
    assert_eq!(grad_output.len(), rows * cols, "the gradient of the output has rows · cols elements");
    assert_eq!(grad_input.len(), rows * cols, "the gradient of the input has rows · cols elements");
    assert!([1, cols].contains(&scale.len()), "one scale for each column, or one");
    if grad_output.is_empty() {
        return;
    }
    pieces::for_each(context.pool(), cols, (Rows(grad_output, cols), Rows(grad_input, cols)), |_, (input, output)| {
        context.isa().run(Shift { cols, input: input.0, mean: None, scale, output: output.0 });
    });
}

/// `output = (input − mean) · scale` in rows of `cols`.
struct Shift<'a> {
    cols: usize,
    input: &'a [f32],
    mean: Option<&'a [f32]>,
    scale: &'a [f32],
    output: &'a mut [f32],
}

impl Vectorized for Shift<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Shift { cols, input, mean, scale, output } = self;
        for (input, output) in input.chunks_exact(cols).zip(output.chunks_exact_mut(cols)) {
            let (mut xs, mut ys) = (input.chunks_exact(S::LEN), output.chunks_exact_mut(S::LEN));
            let mut at = 0;
            for (x, y) in xs.by_ref().zip(ys.by_ref()) {
                let shifted = match mean {
                    Some(mean) => s.sub(s.load(x), one_or_all(s, mean, cols, at, S::LEN)),
                    None => s.load(x),
                };
                s.store(s.mul(shifted, one_or_all(s, scale, cols, at, S::LEN)), y);
                at += S::LEN;
            }
            let lanes = cols - at;
            if lanes > 0 {
                let x = s.load_part(xs.remainder(), 0.0);
                let shifted = match mean {
                    Some(mean) => s.sub(x, one_or_all(s, mean, cols, at, lanes)),
                    None => x,
                };
                s.store_part(s.mul(shifted, one_or_all(s, scale, cols, at, lanes)), ys.into_remainder());
            }
        }
    }
}

/// The numbers of columns from `at` on, or the one number there is.
#[inline(always)]
fn one_or_all<S: Simd>(s: S, values: &[f32], cols: usize, at: usize, lanes: usize) -> S::F {
    if values.len() == cols { columns::load(s, values, at, lanes) } else { s.splat(values[0]) }
}

#[cfg(test)]
mod tests;
