//! The row of the matrix unit (AMX-INT8): its own body, because its instruction multiplies whole tiles.

use super::body::Finish;
use super::pack::stride;
use super::tiles::Store;
use super::{Form, Kernel, Target, Task};
use crate::isa::amx::Amx;
use crate::isa::pairs::{COLS, ROWS, STEP, Strip};
use crate::isa::{Isa, Simd, Vectorized};

/// Two tiles of sixteen rows by two panels of sixteen columns, or up to sixteen rows by four panels: see `isa/amx.rs`.
///
/// A panel of sixteen columns is a row of tiles as the unit reads them. Not measured: written for machines that we do not
/// have, and tested in an emulator.
pub(super) const KERNEL: Kernel = Kernel {
    name: "gemm_i8i8i32_amx_32x16",
    isa: Isa::Amx,
    mr: ROWS,
    nr: 16,
    consistent: true,
    form: |_| Form::Bytes,
    block,
};

/// Steps of `k` whose weights stay in the first-level cache while all rows pass by: two panels of 16 KiB.
const STEPS: usize = 16;

/// The most rows of a rectangle; see `tile` in `mod.rs`.
const HELD: usize = 128;

fn block(task: &Task<'_>, target: Target<'_>) {
    let token = Amx::detect().expect("rows are run where their instruction set is available");
    token.run(Tiles { token, task, target });
}

/// Computes a rectangle, a few panels after the other.
struct Tiles<'a, 'b> {
    token: Amx,
    task: &'a Task<'a>,
    target: Target<'b>,
}

impl Vectorized for Tiles<'_, '_> {
    type Output = ();

    // The vector unit only requantizes, in plain loops.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Tiles { token, task, target } = self;
        let (rows, cols) = match &target {
            Target::I8(tile, _) => (tile.rows(), tile.cols()),
            Target::U8(tile, _) => (tile.rows(), tile.cols()),
            Target::Sums(tile) => (tile.rows(), tile.cols()),
        };
        assert!(rows <= HELD, "rectangles have at most {HELD} rows");
        let panels = cols.div_ceil(16);
        // Bytes of activations are one word a quad, and so are those of each column of weights.
        let x: &[u32] = bytemuck::cast_slice(task.words);
        let (x_stride, w_stride) = (stride(task.quads), 16 * task.quads);
        let x = &x[task.row * x_stride..];
        let w: &[u32] = &bytemuck::cast_slice(task.panels)[task.col * task.quads..];
        let (steps, tail) = (task.quads / STEP, task.quads % STEP);

        let mut unit = token.tiles(rows.min(ROWS));
        let group = unit.panels();
        let mut sums = [[0i32; COLS]; ROWS];
        let mut held = [[[0i32; 16]; HELD]; 4];
        let mut finish = Store { task, target };
        for first in (0..panels).step_by(group) {
            let count = group.min(panels - first);
            for held in &mut held[..count] {
                held[..rows].fill([0; 16]);
            }
            let mut product = |a: &[u32], (b, b_stride): (&[u32], usize), steps: usize| {
                for i in (0..rows).step_by(ROWS) {
                    let height = ROWS.min(rows - i);
                    let strip = Strip { a: &a[i * x_stride..], a_stride: x_stride, b, b_stride };
                    unit.set_rows(height);
                    unit.u8_by_i8(&[strip], count, steps, &mut sums);
                    for (panel, held) in held[..count].iter_mut().enumerate() {
                        for (held, sums) in held[i..i + height].iter_mut().zip(&sums) {
                            for j in 0..16 {
                                held[j] = held[j].wrapping_add(sums[panel * 16 + j]);
                            }
                        }
                    }
                }
            };
            let w = &w[first * w_stride..];
            for start in (0..steps).step_by(STEPS) {
                product(&x[start * STEP..], (&w[start * STEP * 16..], w_stride), STEPS.min(steps - start));
            }
            if tail > 0 {
                // Weights of zero beyond the last: what follows the last quad of a row of x, up to a whole step, is the
                // row's own padding and counts nothing.
                let mut padded = [0u32; 4 * STEP * 16];
                for (panel, padded) in padded.chunks_exact_mut(STEP * 16).take(count).enumerate() {
                    let from = &w[panel * w_stride + steps * STEP * 16..][..tail * 16];
                    padded[..from.len()].copy_from_slice(from);
                }
                product(&x[steps * STEP..], (&padded, STEP * 16), 1);
            }
            for (panel, held) in held[..count].iter().enumerate() {
                finish.panel(first + panel, &held[..rows]);
            }
        }
    }
}
