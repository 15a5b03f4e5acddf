//! Operands as words of bfloat16 pairs, padded with zeros.

use super::{Parts, split};
use crate::buffer::{Buffer, MatrixMut, for_each_tile};
use crate::isa::pairs::STEP;
use crate::isa::{Isa, Simd, Vectorized};
use crate::threads::Pool;
use crate::view::View;

/// Elements of one step.
const ELEMENTS: usize = 2 * STEP;

/// The words of `k` elements: whole steps, at least one, so that there is something to multiply.
pub(super) fn words(k: usize) -> usize {
    k.div_ceil(ELEMENTS).max(1) * STEP
}

/// Words from one row of a to the next: one step more than needed, so that rows do not compete for the same places of
/// the cache where `k` is a power of two.
pub(super) fn row_stride(k: usize, parts: Parts) -> usize {
    parts.count() * words(k) + STEP
}

/// Words from one panel of b to the next.
pub(super) fn panel_stride(k: usize, parts: Parts) -> usize {
    parts.count() * words(k) * 16
}

/// Writes the left operand: each row as `[part][word]` and padding. `to` grows.
pub(super) fn rows(isa: Isa, a: View<'_>, parts: Parts, to: &mut Buffer<u32>, pool: &Pool) {
    let stride = row_stride(a.cols(), parts);
    let (tasks, len) = (a.rows().div_ceil(STEP), STEP * stride);
    to.grow(tasks * len);
    let matrix = MatrixMut { values: &mut to[..tasks * len], rows: tasks, cols: len, stride: len };
    for_each_tile(matrix, (1, len), pool, |task, _, mut tile| {
        isa.run(Rows { a, first: task * STEP, parts, to: tile.row(0) });
    });
}

/// Writes the right operand: each panel of sixteen columns as `[part][word][16]`. `to` grows.
pub(super) fn panels(isa: Isa, b: View<'_>, parts: Parts, to: &mut Buffer<u32>, pool: &Pool) {
    let (tasks, len) = (b.cols().div_ceil(16), panel_stride(b.rows(), parts));
    to.grow(tasks * len);
    let matrix = MatrixMut { values: &mut to[..tasks * len], rows: tasks, cols: len, stride: len };
    for_each_tile(matrix, (1, len), pool, |task, _, mut tile| {
        isa.run(Panel { b, first: task * 16, parts, to: tile.row(0) });
    });
}

/// A rectangle of a matrix, zero beyond its edges.
#[inline(always)]
fn gather<const R: usize, const C: usize>(view: View<'_>, row: usize, col: usize) -> [[f32; C]; R] {
    let (values, row_stride, col_stride) = view.parts();
    let (rows, cols) = (R.min(view.rows().saturating_sub(row)), C.min(view.cols().saturating_sub(col)));
    let mut block = [[0.0f32; C]; R];
    if rows == 0 || cols == 0 {
        return block;
    }
    if col_stride == 1 {
        for (r, to) in block.iter_mut().take(rows).enumerate() {
            let from = &values[(row + r) * row_stride + col..];
            if cols == C {
                to.copy_from_slice(&from[..C]);
            } else {
                to[..cols].copy_from_slice(&from[..cols]);
            }
        }
    } else {
        for c in 0..cols {
            let from = &values[row * row_stride + (col + c) * col_stride..];
            for r in 0..rows {
                block[r][c] = from[r * row_stride];
            }
        }
    }
    block
}

/// Sixteen rows of the left operand.
struct Rows<'a, 'b> {
    a: View<'a>,
    first: usize,
    parts: Parts,
    to: &'b mut [u32],
}

impl Vectorized for Rows<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Rows { a, first, parts, to } = self;
        let words = words(a.cols());
        let stride = row_stride(a.cols(), parts);
        for step in 0..words / STEP {
            let block = gather::<STEP, ELEMENTS>(a, first, step * ELEMENTS);
            for (r, row) in block.iter().enumerate() {
                let mut pieces = [[0u32; STEP]; 2];
                for (p, pair) in row.as_chunks::<2>().0.iter().enumerate() {
                    [pieces[0][p], pieces[1][p]] = split::words(pair[0], pair[1]);
                }
                for (part, piece) in pieces.iter().take(parts.count()).enumerate() {
                    to[r * stride + part * words + step * STEP..][..STEP].copy_from_slice(piece);
                }
            }
        }
    }
}

/// Sixteen columns of the right operand.
struct Panel<'a, 'b> {
    b: View<'a>,
    first: usize,
    parts: Parts,
    to: &'b mut [u32],
}

impl Vectorized for Panel<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Panel { b, first, parts, to } = self;
        let words = words(b.rows());
        for step in 0..words / STEP {
            let block = gather::<ELEMENTS, 16>(b, step * ELEMENTS, first);
            for p in 0..STEP {
                let mut pieces = [[0u32; 16]; 2];
                for c in 0..16 {
                    [pieces[0][c], pieces[1][c]] = split::words(block[2 * p][c], block[2 * p + 1][c]);
                }
                for (part, piece) in pieces.iter().take(parts.count()).enumerate() {
                    to[(part * words + step * STEP + p) * 16..][..16].copy_from_slice(piece);
                }
            }
        }
    }
}
