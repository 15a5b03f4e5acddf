//! The loop nest, written once for every instruction set.

// Loops over registers are written with indices: their bounds are constants, so they unroll, and the letters match the
// formulas.
#![allow(clippy::needless_range_loop)]

use super::{Block, Parts};
use crate::buffer::TileMut;
use crate::isa::pairs::{COLS, PairDot, ROWS, STEP, Strip, Sums, widen};
use crate::isa::{Simd, Vectorized};
use crate::map::function::{Formula, LeakyRelu, Relu};
use crate::map::{self, Function};

/// What computes the sums of a register tile.
pub(super) trait Unit {
    /// The most rows of one product.
    const ROWS: usize;
    /// The most steps of a block of `k`.
    const STEPS: usize;
    /// How many panels of b one product of so many rows may have: two or four.
    fn panels(rows: usize) -> usize;
    /// `sums[i, j] = Σ a[i, p] · b[p, j]` over all strips, for `rows` rows and sixteen columns of each panel.
    ///
    /// Each strip begins with the first row and the first panel.
    fn product(&mut self, strips: &[Strip<'_>], size: Size, sums: &mut Sums<f32>);
}

/// The size of one product.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub rows: usize,
    pub panels: usize,
    /// Steps of sixteen words.
    pub steps: usize,
}

/// Computes a rectangle in register tiles.
pub(super) struct Tiles<'a, 'b, U> {
    pub unit: U,
    pub block: &'a Block<'a>,
    pub tile: TileMut<'b>,
}

impl<U: Unit> Vectorized for Tiles<'_, '_, U> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (block, tile) = (self.block, &mut self.tile);
        let (rows, cols) = (tile.rows(), tile.cols());
        let steps = block.words / STEP;
        let step = steps.div_ceil(steps.div_ceil(U::STEPS));
        let blocks = steps.div_ceil(step);
        let width = 16 * U::panels(rows.min(U::ROWS));
        let groups = cols.div_ceil(width);
        let mut sums: Sums<f32> = [[0.0; COLS]; ROWS];
        // Few rows read each panel from start to end, which the processor sees coming. More rows keep a piece of some
        // panels in the cache while all of them pass by. The order of the sums of an element is the same.
        for turn in 0..blocks * groups {
            let few = rows <= U::ROWS;
            let (kb, group) = if few { (turn % blocks, turn / blocks) } else { (turn / groups, turn % groups) };
            let finish = Finish {
                add: kb > 0 || block.accumulate,
                last: kb + 1 == blocks,
                bias: block.bias,
                function: block.function,
            };
            let (start, end) = (kb * step, steps.min((kb + 1) * step));
            let j = group * width;
            let width = width.min(cols - j);
            for i in (0..rows).step_by(U::ROWS) {
                let size = Size { rows: U::ROWS.min(rows - i), panels: width.div_ceil(16), steps: end - start };
                let strip = |a_part: usize, b_part: usize| {
                    let a = (block.row + i) * block.a.stride + a_part * block.words + start * STEP;
                    let b = (block.col + j) / 16 * block.b.stride + (b_part * block.words + start * STEP) * 16;
                    Strip {
                        a: &block.a.values[a..],
                        a_stride: block.a.stride,
                        b: &block.b.values[b..],
                        b_stride: block.b.stride,
                    }
                };
                // The small products first: their rounding errors are small too.
                let strips = match block.parts {
                    Parts::One => [strip(0, 0); 3],
                    Parts::Two => [strip(1, 0), strip(0, 1), strip(0, 0)],
                };
                let strips = &strips[..if block.parts == Parts::One { 1 } else { 3 }];
                self.unit.product(strips, size, &mut sums);
                if !is_finite(s, &sums, size.rows, width) {
                    repair(strips, size, width, &mut sums);
                }
                for r in 0..size.rows {
                    finish.row(s, &sums[r][..width], &mut tile.row(i + r)[j..j + width], block.col + j);
                }
            }
        }
        if !matches!(block.function, Function::Identity | Function::Relu | Function::LeakyRelu { .. }) {
            for row in 0..rows {
                map::apply(S::ISA, block.function, tile.row(row));
            }
        }
    }
}

/// Whether all of the first `width` sums of each row are numbers.
///
/// `0 · x` is 0 for those and NaN for the others, which then is the sum. Columns beyond the last are looked at as well.
#[inline(always)]
fn is_finite<S: Simd>(s: S, sums: &Sums<f32>, rows: usize, width: usize) -> bool {
    let mut check = s.splat(0.0);
    for row in &sums[..rows] {
        for at in (0..width).step_by(S::LEN) {
            check = s.mul_add(s.load(&row[at..]), s.splat(0.0), check);
        }
    }
    s.sum(check) == 0.0
}

/// Computes the sums that are not finite again, in f32 from `high + low`.
///
/// Sixteen columns at a time, but only those that need it are replaced: a sum does not depend on its neighbors.
#[inline(never)]
fn repair(strips: &[Strip<'_>], size: Size, width: usize, sums: &mut Sums<f32>) {
    let high = strips[strips.len() - 1];
    let (a_low, b_low) = if strips.len() == 3 { (Some(strips[0].a), Some(strips[1].b)) } else { (None, None) };
    let sum = |high: u32, low: Option<u32>| {
        let (high, low) = (widen(high), widen(low.unwrap_or(0)));
        [high[0] + low[0], high[1] + low[1]]
    };
    for (r, row) in sums[..size.rows].iter_mut().enumerate() {
        for (panel, sums) in row[..width].chunks_mut(16).enumerate() {
            if sums.iter().all(|sum| sum.is_finite()) {
                continue;
            }
            let mut again = [0.0f32; 16];
            for p in 0..size.steps * STEP {
                let at = r * high.a_stride + p;
                let x = sum(high.a[at], a_low.map(|low| low[at]));
                let at = panel * high.b_stride + p * 16;
                for c in 0..16 {
                    let w = sum(high.b[at + c], b_low.map(|low| low[at + c]));
                    again[c] += x[0] * w[0];
                    again[c] += x[1] * w[1];
                }
            }
            for (sum, again) in sums.iter_mut().zip(again) {
                if !sum.is_finite() {
                    *sum = again;
                }
            }
        }
    }
}

/// What happens to the sums of one block of `k` on their way into the result.
struct Finish<'a> {
    add: bool,
    last: bool,
    bias: Option<&'a [f32]>,
    function: Function,
}

impl Finish<'_> {
    /// Writes a stretch of one row; `col` is its first column in the whole matrix.
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, sums: &[f32], to: &mut [f32], col: usize) {
        let bias = if self.last { self.bias.map(|bias| &bias[col..col + to.len()]) } else { None };
        let whole = to.len() / S::LEN * S::LEN;
        for at in (0..whole).step_by(S::LEN) {
            let start = self.add.then(|| s.load(&to[at..]));
            let y = self.apply(s, s.load(&sums[at..]), start, bias.map(|bias| s.load(&bias[at..])));
            s.store(y, &mut to[at..]);
        }
        if whole < to.len() {
            let start = self.add.then(|| s.load_part(&to[whole..], 0.0));
            let bias = bias.map(|bias| s.load_part(&bias[whole..], 0.0));
            let y = self.apply(s, s.load_part(&sums[whole..], 0.0), start, bias);
            s.store_part(y, &mut to[whole..]);
        }
    }

    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, mut y: S::F, start: Option<S::F>, bias: Option<S::F>) -> S::F {
        if let Some(start) = start {
            y = s.add(start, y);
        }
        if let Some(bias) = bias {
            y = s.add(y, bias);
        }
        match self.function {
            Function::Relu if self.last => Relu.apply(s, y),
            Function::LeakyRelu { slope } if self.last => LeakyRelu { slope }.apply(s, y),
            _ => y,
        }
    }
}

/// Sums in vector registers, of at most `MR` rows.
pub(super) struct InRegisters<D, const MR: usize>(pub D);

impl<D: PairDot, const MR: usize> Unit for InRegisters<D, MR> {
    const ROWS: usize = MR;
    const STEPS: usize = super::KC / (2 * STEP);

    #[inline(always)]
    fn panels(rows: usize) -> usize {
        // Few rows take more panels: enough sums in flight to hide the latency of a product.
        if rows <= 4 { 4 } else { 2 }
    }

    #[inline(always)]
    fn product(&mut self, strips: &[Strip<'_>], size: Size, sums: &mut Sums<f32>) {
        let mut panel = 0;
        while panel < size.panels {
            let left = size.panels - panel;
            let count = match (size.rows, left) {
                (1, 4..) => tile::<D, 1, 4>(self.0, strips, size, panel, sums),
                (2, 4..) => tile::<D, 2, 4>(self.0, strips, size, panel, sums),
                (3 | 4, 4..) => tile::<D, 4, 4>(self.0, strips, size, panel, sums),
                (1..=2, 2..) => tile::<D, 2, 2>(self.0, strips, size, panel, sums),
                (1..=4, 2..) => tile::<D, 4, 2>(self.0, strips, size, panel, sums),
                (_, 2..) if MR > 4 && size.rows <= 8 => tile::<D, 8, 2>(self.0, strips, size, panel, sums),
                (_, 2..) => tile::<D, MR, 2>(self.0, strips, size, panel, sums),
                (1..=4, _) => tile::<D, 4, 1>(self.0, strips, size, panel, sums),
                (_, _) => tile::<D, MR, 1>(self.0, strips, size, panel, sums),
            };
            panel += count;
        }
    }
}

/// One register tile of `R` rows, of which those beyond the last repeat it, by `NV` panels; returns `NV`.
#[inline(always)]
fn tile<D: PairDot, const R: usize, const NV: usize>(
    d: D,
    strips: &[Strip<'_>],
    size: Size,
    first: usize,
    sums: &mut Sums<f32>,
) -> usize {
    let words = size.steps * STEP;
    let mut total = [[d.zero(); NV]; R];
    for strip in strips {
        let mut a: [&[u32]; R] = [&[]; R];
        for r in 0..R {
            a[r] = &strip.a[r.min(size.rows - 1) * strip.a_stride..][..words];
        }
        let mut b: [&[[u32; 16]]; NV] = [&[]; NV];
        for v in 0..NV {
            b[v] = &strip.b[(first + v) * strip.b_stride..].as_chunks::<16>().0[..words];
        }
        for p in 0..words {
            let mut w = [d.load(&b[0][p]); NV];
            for v in 1..NV {
                w[v] = d.load(&b[v][p]);
            }
            for r in 0..R {
                let x = d.splat(a[r][p]);
                for v in 0..NV {
                    total[r][v] = d.dot(total[r][v], x, w[v]);
                }
            }
        }
    }
    for r in 0..R {
        for v in 0..NV {
            d.store(total[r][v], &mut sums[r][(first + v) * 16..(first + v + 1) * 16]);
        }
    }
    NV
}
