//! Re-orders 16-bit weights into panels.

use crate::buffer::{Buffer, MatrixMut, for_each_tile};
use crate::threads::Pool;

/// Writes a row-major `[n, k]` weight as panels of `nr` columns, zero beyond the last column and the last of `k`:
///
/// ```text
/// panels[j / nr][p / 4][p % 2][j % nr][p % 4 / 2] = weight[j, p]
/// ```
///
/// Numbers 0 and 2 of each four are neighbors, then 1 and 3: the order in which bytes are widened.
pub(super) fn weights(weight: &[i16], (n, k): (usize, usize), nr: usize, pool: &Pool) -> Buffer<i16> {
    let (panels, len) = (n.div_ceil(nr), k.div_ceil(4) * 4 * nr);
    let mut packed = Buffer::<i16>::zeros(panels * len);
    let matrix = MatrixMut { values: &mut packed[..], rows: panels, cols: len, stride: len };
    for_each_tile(matrix, (1, len.max(1)), pool, |panel, _, mut tile| {
        let to = tile.row(0);
        for (j, row) in (panel * nr..n.min((panel + 1) * nr)).enumerate() {
            for (p, &w) in weight[row * k..(row + 1) * k].iter().enumerate() {
                to[(p / 4 * 4 + p % 2 * 2) * nr + 2 * j + p % 4 / 2] = w;
            }
        }
    });
    packed
}
