//! Sums of columns and of everything, scaling, adding, and the search for numbers that are not finite.
//!
//! ```text
//! add_column_sums:     sums[j] += Σ_i matrix[i, j]
//! sum_f64:             Σ_i values[i]
//! sum_of_squares_f64:  Σ_i values[i]²
//! scale_in_place:      values[i] = factor · values[i]
//! add_assign:          into[i] += from[i]
//! multiply:            output[i] = a[i] · b[i]
//! multiply_assign:     into[i] = into[i] · by[i]
//! repeat:              output[i, j] = row[j]
//! ```
//!
//! # Shapes
//! Row-major, any alignment; zero elements have sum zero. Slices do not overlap.
//!
//! # Numerics
//! The order of additions depends on the sizes alone: results are the same bits for any number of threads. Sums over
//! everything accumulate in 64 bits and are, as scaling, adding and multiplying, the same bits on every instruction
//! set. Column sums accumulate in 32 bits, pairwise above 64 rows, which keeps the error below
//! `(20 + log2(rows)) · 2^-24 · Σ|x|`. NaN and infinities propagate.

pub(crate) mod columns;
pub mod reference;

use crate::Context;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces::{self, Rows};
use std::sync::atomic::{AtomicBool, Ordering};

/// Adds the sum of every column: `sums[j] += Σ_i matrix[i, j]`.
///
/// # Shapes
/// - `matrix`: `[rows, cols]`
/// - `sums`: `[cols]`
///
/// # Panics
/// Where the lengths disagree.
///
/// # Examples
/// ```
/// let mut sums = [10.0, 20.0];
/// let context = plexus_kernels::Context::single();
/// plexus_kernels::reduce::add_column_sums(2, 2, &[1.0, 2.0, 3.0, 4.0], &mut sums, &context);
/// assert_eq!(sums, [14.0, 26.0]);
/// ```
pub fn add_column_sums(rows: usize, cols: usize, matrix: &[f32], sums: &mut [f32], context: &Context) {
    assert_eq!(matrix.len(), rows * cols, "the matrix has rows · cols elements");
    columns::add(context.isa(), (rows, cols), &Plain { matrix, cols }, [sums], context.pool());
}

/// The elements of a matrix.
struct Plain<'a> {
    matrix: &'a [f32],
    cols: usize,
}

impl columns::Terms<1> for Plain<'_> {
    #[inline(always)]
    fn at<S: Simd>(&self, s: S, row: usize, col: usize, lanes: usize) -> [S::F; 1] {
        [columns::load(s, self.matrix, row * self.cols + col, lanes)]
    }
}

/// The sum of all values, accumulated in 64 bits.
pub fn sum_f64(values: &[f32], context: &Context) -> f64 {
    pieces::reduce(context.pool(), 1, values, |_, values| context.isa().run(Sum::<false>(values)), |a, b| a + b)
}

/// Writes a row again and again: `output[i, j] = row[j]`.
///
/// # Panics
/// Where the row is empty and the output is not, or the output is not a number of whole rows.
pub fn repeat(row: &[f32], output: &mut [f32], context: &Context) {
    if output.is_empty() {
        return;
    }
    assert!(!row.is_empty() && output.len().is_multiple_of(row.len()), "the output is whole rows");
    pieces::for_each(context.pool(), row.len(), Rows(output, row.len()), |_, Rows(output, _)| {
        output.chunks_exact_mut(row.len()).for_each(|to| to.copy_from_slice(row));
    });
}

/// Sets every value.
pub fn fill(values: &mut [f32], value: f32, context: &Context) {
    pieces::for_each(context.pool(), 1, values, |_, values| values.fill(value));
}

/// The sum of the squares of all values, accumulated in 64 bits.
pub fn sum_of_squares_f64(values: &[f32], context: &Context) -> f64 {
    pieces::reduce(context.pool(), 1, values, |_, values| context.isa().run(Sum::<true>(values)), |a, b| a + b)
}

struct Sum<'a, const SQUARED: bool>(&'a [f32]);

impl<const SQUARED: bool> Vectorized for Sum<'_, SQUARED> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
        // Plain code: the verbs have no 64-bit lanes. Sixteen sums keep the adders of every instruction set busy.
        let mut sums = [0.0f64; 16];
        let mut groups = self.0.chunks_exact(16);
        for group in groups.by_ref() {
            for (sum, &x) in sums.iter_mut().zip(group) {
                let x = f64::from(x);
                *sum += if SQUARED { x * x } else { x };
            }
        }
        for (sum, &x) in sums.iter_mut().zip(groups.remainder()) {
            let x = f64::from(x);
            *sum += if SQUARED { x * x } else { x };
        }
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                sums[i] += sums[i + half];
            }
        }
        sums[0]
    }
}

/// Multiplies every value: `values[i] = factor · values[i]`.
pub fn scale_in_place(values: &mut [f32], factor: f32, context: &Context) {
    pieces::for_each(context.pool(), 1, values, |_, values| context.isa().run(Scale(values, factor)));
}

struct Scale<'a>(&'a mut [f32], f32);

impl Vectorized for Scale<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for value in self.0 {
            *value *= self.1;
        }
    }
}

/// Adds element by element: `into[i] += from[i]`.
///
/// # Panics
/// Where the lengths differ.
pub fn add_assign(into: &mut [f32], from: &[f32], context: &Context) {
    assert_eq!(into.len(), from.len(), "one addend for each element");
    pieces::for_each(context.pool(), 1, (into, from), |_, (into, from)| context.isa().run(Add(into, from)));
}

struct Add<'a>(&'a mut [f32], &'a [f32]);

impl Vectorized for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (into, &from) in self.0.iter_mut().zip(self.1) {
            *into += from;
        }
    }
}

/// Multiplies element by element: `output[i] = a[i] · b[i]`.
///
/// # Panics
/// Where the lengths differ.
pub fn multiply(a: &[f32], b: &[f32], output: &mut [f32], context: &Context) {
    assert!(a.len() == output.len() && b.len() == output.len(), "two factors for each element");
    pieces::for_each(context.pool(), 1, (a, b, output), |_, (a, b, output)| context.isa().run(Multiply(a, b, output)));
}

struct Multiply<'a>(&'a [f32], &'a [f32], &'a mut [f32]);

impl Vectorized for Multiply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for ((&a, &b), output) in self.0.iter().zip(self.1).zip(self.2) {
            *output = a * b;
        }
    }
}

/// Multiplies element by element where the values are: `into[i] = into[i] · by[i]`.
///
/// # Panics
/// Where the lengths differ.
pub fn multiply_assign(into: &mut [f32], by: &[f32], context: &Context) {
    assert_eq!(into.len(), by.len(), "one factor for each element");
    pieces::for_each(context.pool(), 1, (into, by), |_, (into, by)| context.isa().run(MultiplyAssign(into, by)));
}

struct MultiplyAssign<'a>(&'a mut [f32], &'a [f32]);

impl Vectorized for MultiplyAssign<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (into, &by) in self.0.iter_mut().zip(self.1) {
            *into *= by;
        }
    }
}

/// Whether every value is a number: none is NaN or infinite.
///
/// Made to be called on all gradients of every step: it reads at the speed of the caches, and after a piece with something
/// else no other piece is looked at.
pub fn all_finite(values: &[f32], context: &Context) -> bool {
    let found = AtomicBool::new(false);
    let piece = |_, values: &[f32]| {
        if !found.load(Ordering::Relaxed) && !context.isa().run(AllFinite(values)) {
            found.store(true, Ordering::Relaxed);
        }
    };
    pieces::for_each(context.pool(), 1, values, piece);
    !found.into_inner()
}

/// The index of the first value that is NaN or infinite. Where there probably is none, [`all_finite`] is the question.
pub fn first_not_finite(values: &[f32], context: &Context) -> Option<usize> {
    pieces::reduce(
        context.pool(),
        1,
        values,
        |start, values| {
            let suspect = !context.isa().run(AllFinite(values));
            let found = if suspect { values.iter().position(|value| !value.is_finite()) } else { None };
            found.map(|at| start + at)
        },
        Option::or,
    )
}

struct AllFinite<'a>(&'a [f32]);

impl Vectorized for AllFinite<'_> {
    type Output = bool;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        let zero = s.splat(0.0);
        // Zero times a finite number is zero; otherwise NaN, which no addition removes. Eight sums hide the latency of the
        // multiply-add: one vector is loaded for each.
        let mut sums = [zero; 8];
        let mut groups = self.0.chunks_exact(8 * S::LEN);
        for group in groups.by_ref() {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = s.mul_add(s.load(&group[i * S::LEN..]), zero, *sum);
            }
        }
        let mut vectors = groups.remainder().chunks_exact(S::LEN);
        for vector in vectors.by_ref() {
            sums[0] = s.mul_add(s.load(vector), zero, sums[0]);
        }
        sums[1] = s.mul_add(s.load_part(vectors.remainder(), 0.0), zero, sums[1]);
        let sum = sums.into_iter().fold(zero, |all, sum| s.add(all, sum));
        s.sum(sum) == 0.0
    }
}

#[cfg(test)]
mod tests;
