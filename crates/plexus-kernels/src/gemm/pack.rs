//! Re-orders an operand into panels that a kernel reads from start to end.

use super::View;
use crate::buffer::{Buffer, MatrixMut, for_each_tile};
use crate::isa::{Isa, Simd, Vectorized};
use crate::threads::Pool;

/// Writes a `k` by `n` operand as panels of `width` columns: `panels[j / width][p][j % width] = b[p, j]`.
///
/// Columns beyond the last are zero. The left operand of a product is packed by the same function, transposed.
/// `panels` grows to `n.next_multiple_of(width) · k`.
pub(super) fn pack(isa: Isa, b: View<'_>, width: usize, panels: &mut Buffer, pool: &Pool) {
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
                isa.run(Transpose { values, col_stride: b.col_stride, cols, width, panel });
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
struct Transpose<'a> {
    values: &'a [f32],
    col_stride: usize,
    cols: usize,
    width: usize,
    panel: &'a mut [f32],
}

impl Vectorized for Transpose<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Transpose { values, col_stride, cols, width, panel } = self;
        let k = panel.len() / width;
        if cols < width {
            panel.fill(0.0);
        }
        for j0 in (0..cols).step_by(8) {
            let group = 8.min(cols - j0);
            let mut done = 0;
            if group == 8 {
                let column = |j: usize| values[(j0 + j) * col_stride..][..k].as_chunks::<8>().0;
                let c = [column(0), column(1), column(2), column(3), column(4), column(5), column(6), column(7)];
                for p in 0..k / 8 {
                    let square = [&c[0][p], &c[1][p], &c[2][p], &c[3][p], &c[4][p], &c[5][p], &c[6][p], &c[7][p]];
                    let rows = s.transpose_8x8(square);
                    for (row, to) in rows.iter().zip(panel[8 * p * width..].chunks_exact_mut(width)) {
                        to[j0..j0 + 8].copy_from_slice(row);
                    }
                }
                done = k / 8 * 8;
            }
            for p in done..k {
                for j in j0..j0 + group {
                    panel[p * width + j] = values[j * col_stride + p];
                }
            }
        }
    }
}
