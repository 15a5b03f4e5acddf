//! Distances to given points: the output layer of LeNet-5 (radial basis functions, RBF).
//!
//! ```text
//! output[b, o]     = −Σ_i (input[b, i] − center[o, i])²
//! grad_input[b, i] = Σ_o −2 · grad_output[b, o] · (input[b, i] − center[o, i])
//! ```
//!
//! Points are few, ten in LeNet-5, so these are plain loops, the same on every instruction set.
//!
//! # Shapes
//! Matrices are row-major, any alignment; slices do not overlap:
//! - `input`, `grad_input`: `[rows, features]`
//! - `center`: `[points, features]`
//! - `output`, `grad_output`: `[rows, points]`
//!
//! No rows and no points do nothing; no features give `−0`.
//!
//! # Numerics
//! Distances are summed in f64 in four chains (`i` modulo 4), which are then added, and rounded once. Gradients are f32, in
//! the order of `o`. A row has the same bits alone and in any batch, on any number of threads and any instruction set. NaN
//! and infinities go through.

pub mod reference;

use crate::map::pieces::{self, Rows};
use crate::threads::Pool;

/// The sizes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows of the input.
    pub rows: usize,
    /// Numbers of a row and of a point.
    pub features: usize,
    /// Points that distances are taken to.
    pub points: usize,
}

/// Computes the negated squared distances of each row to each point.
///
/// # Panics
/// Where the lengths disagree.
///
/// # Examples
/// ```
/// use plexus_kernels::rbf::{Size, forward};
/// let mut output = [0.0; 2];
/// let size = Size { rows: 1, features: 2, points: 2 };
/// forward(size, &[1.0, 2.0], &[1.0, 2.0, -2.0, 6.0], &mut output, &plexus_kernels::threads::Pool::single());
/// assert_eq!(output, [0.0, -25.0]);
/// ```
pub fn forward(size: Size, input: &[f32], center: &[f32], output: &mut [f32], pool: &Pool) {
    let Size { features, points, .. } = size;
    size.check(input.len(), center.len(), output.len());
    if output.is_empty() {
        return;
    }
    pieces::for_each(pool, points * features.max(1), Rows(output, points), |first, Rows(output, _)| {
        for (row, output) in output.chunks_exact_mut(points).enumerate() {
            let input = &input[(first + row) * features..][..features];
            for (point, output) in output.iter_mut().enumerate() {
                *output = -distance(input, &center[point * features..][..features]) as f32;
            }
        }
    });
}

/// `Σ_i (a[i] − b[i])²`
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |(a, b): (&f32, &f32)| {
        let difference = f64::from(*a) - f64::from(*b);
        difference * difference
    };
    let mut sums = [0.0f64; 4];
    let (whole_a, whole_b) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest = whole_a.remainder().iter().zip(whole_b.remainder());
    for (a, b) in whole_a.zip(whole_b) {
        for (sum, pair) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += square(pair);
        }
    }
    for (sum, pair) in sums.iter_mut().zip(rest) {
        *sum += square(pair);
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Computes the gradient of the input; the points are constants.
///
/// # Panics
/// Where the lengths disagree.
pub fn backward(size: Size, input: &[f32], center: &[f32], grad_output: &[f32], grad_input: &mut [f32], pool: &Pool) {
    let Size { features, points, .. } = size;
    size.check(input.len(), center.len(), grad_output.len());
    assert_eq!(grad_input.len(), input.len(), "a gradient for each number");
    if grad_input.is_empty() {
        return;
    }
    let operands = (Rows(input, features), Rows(grad_input, features));
    pieces::for_each(pool, points.max(1) * features, operands, |first, (Rows(input, _), Rows(grad_input, _))| {
        for (row, (input, grad_input)) in
            input.chunks_exact(features).zip(grad_input.chunks_exact_mut(features)).enumerate()
        {
            grad_input.fill(0.0);
            let grads = &grad_output[(first + row) * points..][..points];
            for (grad, center) in grads.iter().zip(center.chunks_exact(features)) {
                for ((sum, x), c) in grad_input.iter_mut().zip(input).zip(center) {
                    *sum += -2.0 * grad * (x - c);
                }
            }
        }
    });
}

impl Size {
    fn check(&self, input: usize, center: usize, output: usize) {
        let Size { rows, features, points } = *self;
        assert_eq!(Some(input), rows.checked_mul(features), "rows · features numbers");
        assert_eq!(Some(center), points.checked_mul(features), "points · features numbers of the points");
        assert_eq!(Some(output), rows.checked_mul(points), "rows · points distances");
    }
}

#[cfg(test)]
mod tests;
