//! Products with a matrix most of which is zero: only what is not is stored and multiplied.
//!
//! ```text
//! output[b, o]      = bias[o] + Σ_n weight[n] · input[b, columns[n]]            n over the non-zeros of row o
//! grad_weight[n]   += Σ_b grad_output[b, o(n)] · input[b, columns[n]]
//! grad_input[b, i]  = Σ_n grad_output[b, o(n)] · weight[n]                      n with columns[n] = i
//! ```
//!
//! The non-zeros of row 0 stand first, then those of row 1, and so on; `o(n)` is the row of one. (Compressed sparse rows, with the
//! lengths of rows in place of where they start.)
//!
//! # Shapes
//! Matrices are row-major, any alignment; slices do not overlap:
//! - `input`, `grad_input`: `[batch, cols]`
//! - `output`, `grad_output`: `[batch, rows]`
//! - `weight`, `grad_weight`, `columns`: `[non-zeros]`
//! - `lengths`: `[rows]`
//!
//! Lengths and columns are whole numbers in f32, which holds those up to 2^24 exactly. Whatever they are, nothing outside of the
//! slices is read: a column is taken for the nearest that there is, rows end where the non-zeros do, and non-zeros behind the
//! last row have no effect. Sizes of zero do nothing; a row without non-zeros is its bias.
//!
//! # Numerics
//! A row is summed in f32 in eight chains (its non-zeros in turn), which are added in pairs, then the bias. Gradients of weights
//! are summed in the order of the batch and then added to what is there; those of inputs in the order of the non-zeros. These
//! are plain loops, the same bits on every instruction set and any number of threads; outputs and gradients of inputs do not
//! depend on the batch. With `K` non-zeros in a row the error is at most `(K/8 + 5) · 2⁻²⁴ · Σ |input||weight|`.

pub mod reference;

use crate::buffer::{Buffer, MatrixMut, for_each_tile};
use crate::map::pieces::{self, Rows};
use crate::threads::Pool;
use std::ops::Range;

/// Multiply-adds below which one thread does all, and of one task.
const TASK: usize = 1 << 16;

/// Chains of a sum.
const CHAINS: usize = 8;

/// Where the non-zeros of a matrix are.
#[derive(Clone, Copy, Debug)]
pub struct Structure<'a> {
    /// Columns of the matrix.
    pub cols: usize,
    /// How many non-zeros each row has.
    pub lengths: &'a [f32],
    /// The column of each non-zero.
    pub columns: &'a [f32],
}

/// Where rows start; grows to the largest call and is then reused.
#[derive(Clone, Debug, Default)]
pub struct Scratch(Buffer<usize>);

impl Structure<'_> {
    /// Rows of the matrix.
    pub fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// Writes where each row starts, and behind them where the last one ends.
    fn starts<'s>(&self, scratch: &'s mut Scratch) -> &'s [usize] {
        scratch.0.grow(self.rows() + 1);
        let starts = &mut scratch.0[..=self.rows()];
        starts[0] = 0;
        for (row, length) in self.lengths.iter().enumerate() {
            starts[row + 1] = starts[row].saturating_add(place(*length)).min(self.columns.len());
        }
        starts
    }

    fn check(&self, batch: usize, input: usize, output: usize, weight: usize) {
        assert_eq!(Some(input), batch.checked_mul(self.cols), "batch · cols");
        assert_eq!(Some(output), batch.checked_mul(self.rows()), "batch · rows");
        assert_eq!(weight, self.columns.len(), "a column for each weight");
        assert!(self.cols > 0 || weight == 0, "weights have columns");
    }
}

/// A whole number held as f32; what is none is zero, or very large.
#[inline(always)]
fn place(number: f32) -> usize {
    // Negative ones become zero.
    number as u32 as usize
}

/// The arguments of [`sparse`].
#[derive(Debug)]
pub struct Sparse<'a> {
    /// Where the non-zeros are.
    pub structure: Structure<'a>,
    /// Number of samples.
    pub batch: usize,
    /// `[batch, cols]`
    pub input: &'a [f32],
    /// `[non-zeros]`
    pub weight: &'a [f32],
    /// `[rows]`
    pub bias: Option<&'a [f32]>,
    /// `[batch, rows]`, overwritten.
    pub output: &'a mut [f32],
}

/// Computes the outputs.
///
/// # Panics
/// Where the lengths of the slices disagree.
///
/// # Examples
/// ```
/// use plexus_kernels::{sparse::{Sparse, Structure, sparse}, threads::Pool};
/// // The matrix [[0, 2, 0], [3, 0, 4]].
/// let structure = Structure { cols: 3, lengths: &[1.0, 2.0], columns: &[1.0, 0.0, 2.0] };
/// let (mut output, weight) = ([0.0; 2], [2.0, 3.0, 4.0]);
/// let call = Sparse { structure, batch: 1, input: &[1.0, 10.0, 100.0], weight: &weight, bias: None, output: &mut output };
/// sparse(call, &mut Default::default(), &Pool::single());
/// assert_eq!(output, [20.0, 403.0]);
/// ```
pub fn sparse(call: Sparse<'_>, scratch: &mut Scratch, pool: &Pool) {
    let Sparse { structure, batch, input, weight, bias, output } = call;
    structure.check(batch, input.len(), output.len(), weight.len());
    let (rows, cols) = (structure.rows(), structure.cols);
    assert!(bias.is_none_or(|bias| bias.len() == rows), "one bias for each row");
    if output.is_empty() {
        return;
    }
    let starts = structure.starts(scratch);
    let work = (weight.len() / rows + 1).saturating_mul(batch);
    let single = Pool::single();
    let pool = if work.saturating_mul(rows) < TASK { &single } else { pool };
    let matrix = MatrixMut { values: output, rows: batch, cols: rows, stride: rows };
    for_each_tile(matrix, (batch, (TASK / work).max(1)), pool, |_, first, mut tile| {
        for at in 0..tile.cols() {
            let row = first + at;
            let own = starts[row]..starts[row + 1];
            let bias = bias.map_or(0.0, |bias| bias[row]);
            for n in 0..batch {
                let input = &input[n * cols..][..cols];
                tile.row(n)[at] = dot(&weight[own.clone()], &structure.columns[own.clone()], input) + bias;
            }
        }
    });
}

/// The sum over the non-zeros of one row.
#[inline(always)]
fn dot(weight: &[f32], columns: &[f32], input: &[f32]) -> f32 {
    if weight.is_empty() {
        return 0.0;
    }
    let last = input.len() - 1;
    let product = |weight: &f32, column: &f32| weight * input[place(*column).min(last)];
    let mut sums = [0.0f32; CHAINS];
    let (weights, columns) = (weight.chunks_exact(CHAINS), columns.chunks_exact(CHAINS));
    let rest = weights.remainder().iter().zip(columns.remainder());
    for (weights, columns) in weights.zip(columns) {
        for (sum, (weight, column)) in sums.iter_mut().zip(weights.iter().zip(columns)) {
            *sum += product(weight, column);
        }
    }
    for (sum, (weight, column)) in sums.iter_mut().zip(rest) {
        *sum += product(weight, column);
    }
    for half in [4, 2, 1] {
        for at in 0..half {
            sums[at] += sums[at + half];
        }
    }
    sums[0]
}

/// The rows whose non-zeros are among `within`, each with the part of them that is.
fn rows_within(starts: &[usize], within: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
    let first = starts.partition_point(|start| *start <= within.start).saturating_sub(1);
    let rows = starts[first..].windows(2).enumerate().take_while({
        let end = within.end;
        move |(_, row)| row[0] < end
    });
    rows.map(move |(at, row)| (first + at, row[0].max(within.start)..row[1].min(within.end)))
}

/// Adds the gradient of the weight to what is there.
///
/// # Panics
/// As [`sparse`].
pub fn sparse_backward_weight(
    structure: Structure<'_>,
    batch: usize,
    input: &[f32],
    grad_output: &[f32],
    grad_weight: &mut [f32],
    scratch: &mut Scratch,
    pool: &Pool,
) {
    structure.check(batch, input.len(), grad_output.len(), grad_weight.len());
    if grad_weight.is_empty() || batch == 0 || structure.rows() == 0 {
        return;
    }
    let (rows, cols, columns) = (structure.rows(), structure.cols, structure.columns);
    let starts = structure.starts(scratch);
    pieces::for_each(pool, batch, grad_weight, |first, grad_weight| {
        for (row, own) in rows_within(starts, first..first + grad_weight.len()) {
            for (at, to) in own.clone().zip(&mut grad_weight[own.start - first..own.end - first]) {
                let column = place(columns[at]).min(cols - 1);
                let terms = (0..batch).map(|n| grad_output[n * rows + row] * input[n * cols + column]);
                *to += terms.fold(0.0, |sum, term| sum + term);
            }
        }
    });
}

/// Computes the gradient of the input.
///
/// # Panics
/// As [`sparse`].
pub fn sparse_backward_input(
    structure: Structure<'_>,
    batch: usize,
    grad_output: &[f32],
    weight: &[f32],
    grad_input: &mut [f32],
    scratch: &mut Scratch,
    pool: &Pool,
) {
    structure.check(batch, grad_input.len(), grad_output.len(), weight.len());
    if grad_input.is_empty() {
        return;
    }
    let (rows, cols, columns) = (structure.rows(), structure.cols, structure.columns);
    let starts = structure.starts(scratch);
    pieces::for_each(pool, weight.len().max(cols), Rows(grad_input, cols), |first, Rows(grad_input, _)| {
        for (at, grad_input) in grad_input.chunks_exact_mut(cols).enumerate() {
            grad_input.fill(0.0);
            let grads = &grad_output[(first + at) * rows..][..rows];
            for (grad, own) in grads.iter().zip(starts.windows(2)) {
                for n in own[0]..own[1] {
                    grad_input[place(columns[n]).min(cols - 1)] += grad * weight[n];
                }
            }
        }
    });
}

#[cfg(test)]
mod tests;
