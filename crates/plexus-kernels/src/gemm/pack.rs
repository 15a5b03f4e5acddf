//! Re-orders an operand into panels that a kernel reads from start to end.

use super::View;
use crate::buffer::{Buffer, MatrixMut, for_each_tile};
use crate::threads::Pool;

/// Writes a `k` by `n` operand as panels of `width` columns: `panels[j / width][p][j % width] = b[p, j]`.
///
/// Columns beyond the last are zero. The left operand of a product is packed by the same function, transposed.
/// `panels` grows to `n.next_multiple_of(width) · k`.
pub(super) fn pack(b: View<'_>, width: usize, panels: &mut Buffer, pool: &Pool) {
    let (k, n) = (b.rows, b.cols);
    let count = n.div_ceil(width);
    let len = count * k * width;
    panels.grow(len);
    let matrix = MatrixMut { values: &mut panels[..len], rows: count, cols: k * width, stride: k * width };
    for_each_tile(matrix, (count.div_ceil(16).max(1), (k * width).max(1)), pool, |first, _, mut tile| {
        for i in 0..tile.rows() {
            let from = (first + i) * width;
            let cols = width.min(n - from);
            let panel = tile.row(i);
            let values = &b.values[(from * b.col_stride).min(b.values.len())..];
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
                transpose(values, b.col_stride, cols, width, panel);
            } else {
                for (p, to) in panel.chunks_exact_mut(width).enumerate() {
                    for (j, to) in to.iter_mut().enumerate() {
                        *to = if j < cols { values[p * b.row_stride + j * b.col_stride] } else { 0.0 };
                    }
                }
            }
        }
    });
}

/// Copies `WIDTH` neighbours of each row: a constant length compiles to a few vector moves.
fn copy_rows<const WIDTH: usize>(values: &[f32], row_stride: usize, panel: &mut [f32]) {
    for (p, to) in panel.chunks_exact_mut(WIDTH).enumerate() {
        to.copy_from_slice(&values[p * row_stride..][..WIDTH]);
    }
}

/// Transposes columns that lie contiguously in memory, `col_stride` apart, eight elements of eight columns at a time.
fn transpose(values: &[f32], col_stride: usize, cols: usize, width: usize, panel: &mut [f32]) {
    let k = panel.len() / width;
    if cols < width {
        panel.fill(0.0);
    }
    for j0 in (0..cols).step_by(8) {
        let group = 8.min(cols - j0);
        let mut p = 0;
        if group == 8 {
            let column = |j: usize| &values[(j0 + j) * col_stride..][..k];
            let columns = [column(0), column(1), column(2), column(3), column(4), column(5), column(6), column(7)];
            while p + 8 <= k {
                let mut square = [[0.0f32; 8]; 8];
                for (square, column) in square.iter_mut().zip(&columns) {
                    square.copy_from_slice(&column[p..p + 8]);
                }
                for q in 0..8 {
                    let to = &mut panel[(p + q) * width + j0..][..8];
                    for (to, column) in to.iter_mut().zip(&square) {
                        *to = column[q];
                    }
                }
                p += 8;
            }
        }
        for p in p..k {
            for j in j0..j0 + group {
                panel[p * width + j] = values[j * col_stride + p];
            }
        }
    }
}
