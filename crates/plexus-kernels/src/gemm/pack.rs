//! Re-orders an operand into panels that a kernel reads from start to end.

use super::View;
use crate::buffer::{Buffer, MatrixMut, TileMut, for_each_tile};
use crate::isa::{Isa, Simd, Vectorized};
use crate::threads::Pool;

/// Writes a `k` by `n` operand as panels of `width` columns: `panels[j / width][p][j % width] = b[p, j]`.
///
/// Columns beyond the last are zero. The left operand of a product is packed by the same function, transposed.
/// `panels` grows to `n.next_multiple_of(width) · k`.
pub(super) fn pack(isa: Isa, b: View<'_>, width: usize, panels: &mut Buffer, pool: &Pool) {
    let (rows, cols) = (b.cols.div_ceil(width), b.rows * width);
    panels.grow(rows * cols);
    let matrix = MatrixMut { values: &mut panels[..rows * cols], rows, cols, stride: cols };
    for_each_tile(matrix, (rows.div_ceil(16).max(1), cols.max(1)), pool, |first, _, mut tile| {
        isa.run(Pack { b, width, first, tile: &mut tile });
    });
}

/// [`pack`] for an operand that lies transposed in `panels`, `[n, k]`: each panel takes the place of its own columns.
///
/// # Panics
/// Where `width` does not divide `n`, for then the panels take more room than the operand.
pub(super) fn pack_in_place(isa: Isa, (k, n): (usize, usize), width: usize, panels: &mut [f32], pool: &Pool) {
    assert!(n.is_multiple_of(width) && panels.len() == n * k, "whole panels");
    let matrix = MatrixMut { values: panels, rows: n / width, cols: width * k, stride: width * k };
    for_each_tile(matrix, ((n / width).div_ceil(16).max(1), (width * k).max(1)), pool, |_, _, mut tile| {
        let mut columns = Buffer::zeros(width * k);
        for panel in 0..tile.rows() {
            columns.copy_from_slice(tile.row(panel));
            let b = View::row_major(&columns, width, k).transposed();
            isa.run(PackOne { b, width, panel: tile.row(panel) });
        }
    });
}

/// Packs one panel.
struct PackOne<'a, 'b> {
    b: View<'a>,
    width: usize,
    panel: &'b mut [f32],
}

impl Vectorized for PackOne<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let chunk = Chunk { row: 0, rows: self.b.rows, col: 0, cols: self.width };
        pack_chunk(s, self.b, chunk, self.width, self.panel);
    }
}

/// Packs panels from the one numbered `first` on.
struct Pack<'a, 'b, 'c> {
    b: View<'a>,
    width: usize,
    first: usize,
    tile: &'c mut TileMut<'b>,
}

impl Vectorized for Pack<'_, '_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Pack { b, width, first, tile } = self;
        for i in 0..tile.rows() {
            let col = (first + i) * width;
            let chunk = Chunk { row: 0, rows: b.rows, col, cols: width.min(b.cols - col) };
            pack_chunk(s, b, chunk, width, tile.row(i));
        }
    }
}

/// A rectangle of an operand.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    pub row: usize,
    pub rows: usize,
    pub col: usize,
    pub cols: usize,
}

/// Writes one panel: `panel[p][j] = b[row + p, col + j]`, zero beyond the last column.
#[inline(always)]
pub(super) fn pack_chunk<S: Simd>(s: S, b: View<'_>, chunk: Chunk, width: usize, panel: &mut [f32]) {
    let Chunk { row, rows, col, cols } = chunk;
    if rows == 0 {
        return;
    }
    let values = &b.values[row * b.row_stride + col * b.col_stride..];
    if b.col_stride == 1 {
        match (width, cols == width) {
            (16, true) => copy_rows::<16>(values, b.row_stride, panel),
            (6, true) => copy_rows::<6>(values, b.row_stride, panel),
            (8, true) => copy_rows::<8>(values, b.row_stride, panel),
            (32, true) => copy_rows::<32>(values, b.row_stride, panel),
            (12, true) => copy_rows::<12>(values, b.row_stride, panel),
            _ => {
                for (p, to) in panel.chunks_exact_mut(width).enumerate() {
                    let row = &values[p * b.row_stride..];
                    to[..cols].copy_from_slice(&row[..cols]);
                    to[cols..].fill(0.0);
                }
            }
        }
    } else if b.row_stride == 1 {
        transpose(s, values, b.col_stride, (rows, cols), width, panel);
    } else {
        for (p, to) in panel.chunks_exact_mut(width).enumerate() {
            for (j, to) in to.iter_mut().enumerate() {
                *to = if j < cols { values[p * b.row_stride + j * b.col_stride] } else { 0.0 };
            }
        }
    }
}

/// Copies `WIDTH` neighbors of each row: a constant length compiles to a few vector moves.
#[inline(always)]
fn copy_rows<const WIDTH: usize>(values: &[f32], row_stride: usize, panel: &mut [f32]) {
    for (p, to) in panel.chunks_exact_mut(WIDTH).enumerate() {
        to.copy_from_slice(&values[p * row_stride..][..WIDTH]);
    }
}

/// Transposes columns that lie contiguously in memory, `col_stride` apart, eight elements of eight columns at a time.
#[inline(always)]
fn transpose<S: Simd>(
    s: S,
    values: &[f32],
    col_stride: usize,
    (rows, cols): (usize, usize),
    width: usize,
    panel: &mut [f32],
) {
    if cols < width {
        panel.fill(0.0);
    }
    // From the last group to the first, and rows in their order: a group of fewer than eight writes eight all the same,
    // and what follows puts right what it wrote too much.
    for j0 in (0..cols).step_by(8).rev() {
        let group = 8.min(cols - j0);
        let mut done = 0;
        if group == 8 || cols == width {
            let column = |j: usize| values[(j0 + j.min(group - 1)) * col_stride..][..rows].as_chunks::<8>().0;
            let c = [column(0), column(1), column(2), column(3), column(4), column(5), column(6), column(7)];
            // The last elements one by one: there is no room to write too much.
            let squares = if group == 8 { rows / 8 } else { (rows - 1) / 8 };
            for p in 0..squares {
                let square = [&c[0][p], &c[1][p], &c[2][p], &c[3][p], &c[4][p], &c[5][p], &c[6][p], &c[7][p]];
                for (i, row) in s.transpose_8x8(square).iter().enumerate() {
                    panel[(8 * p + i) * width + j0..][..8].copy_from_slice(row);
                }
            }
            done = squares * 8;
        }
        for p in done..rows {
            for j in j0..j0 + group {
                panel[p * width + j] = values[j * col_stride + p];
            }
        }
    }
}
