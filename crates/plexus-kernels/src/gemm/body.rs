//! The loop nest, written once for every instruction set.

// Loops over registers are written with indices: their bounds are constants, so they unroll, and the letters match the
// formulas.
#![allow(clippy::needless_range_loop)]

use super::{Block, LeftOperand, block_len};
use crate::buffer::TileMut;
use crate::isa::{Isa, Simd, Vectorized};
use crate::map::{self, Function};
use crate::threads::Pool;

/// The most elements that a register tile may have on any instruction set (12 x 32).
const TILE: usize = 12 * 32;

/// Computes a rectangle in register tiles of `MR` rows by `NV` vectors, which are `NR` columns.
pub(super) struct Tiles<'a, 'b, const MR: usize, const NV: usize, const NR: usize> {
    pub block: &'a Block<'a>,
    pub tile: TileMut<'b>,
}

impl<const MR: usize, const NV: usize, const NR: usize> Vectorized for Tiles<'_, '_, MR, NV, NR> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (block, tile) = (self.block, &mut self.tile);
        const { assert!(NR == NV * S::LEN) };
        let (k, nr) = (block.k, NR);
        let (rows, cols) = (tile.rows(), tile.cols());
        let (step, mut sums) = (block_len(k), [0.0f32; TILE]);
        let blocks = k.div_ceil(step).max(1);
        for kb in 0..blocks {
            let (start, end) = (kb * step, k.min((kb + 1) * step));
            let finish = Finish {
                add: kb > 0 || block.accumulate,
                last: kb + 1 == blocks,
                bias: block.bias,
                function: block.function,
            };
            // A panel of b stays in the first-level cache while all panels of a pass by.
            for j in (0..cols).step_by(nr) {
                let panel = block.b[(block.col + j) * k..][start * nr..end * nr].as_chunks::<NR>().0;
                let width = nr.min(cols - j);
                for i in (0..rows).step_by(MR) {
                    let height = MR.min(rows - i);
                    match block.a {
                        LeftOperand::Panels(a) => {
                            let a = &a[(block.row + i) * k..][start * MR..end * MR];
                            product::<S, _, MR, NV, NR>(s, a.as_chunks::<MR>().0, panel, &mut sums);
                        }
                        LeftOperand::Rows { values, stride } => {
                            let row = |r: usize| {
                                let from = (block.row + i + r.min(height - 1)) * stride;
                                &values[from + start..from + end]
                            };
                            // Fewer rows have bodies of their own: a batch of two must not pay for six.
                            match height {
                                1 => product::<S, _, 1, NV, NR>(s, InPlace::<1>::new(row), panel, &mut sums),
                                2 => product::<S, _, 2, NV, NR>(s, InPlace::<2>::new(row), panel, &mut sums),
                                3 => product::<S, _, 3, NV, NR>(s, InPlace::<3>::new(row), panel, &mut sums),
                                4 => product::<S, _, 4, NV, NR>(s, InPlace::<4>::new(row), panel, &mut sums),
                                _ => product::<S, _, MR, NV, NR>(s, InPlace::<MR>::new(row), panel, &mut sums),
                            }
                        }
                    }
                    for (r, sums) in sums.chunks_exact(nr).take(height).enumerate() {
                        let to = &mut tile.row(i + r)[j..j + width];
                        finish.row(s, &sums[..width], to, block.col + j);
                    }
                }
            }
        }
        in_cache(S::ISA, block.function, tile);
    }
}

/// `R` rows of a, as long as each other.
trait Left<const R: usize> {
    /// The first `k` elements of each row. With every length the same value, the loop below needs no checks.
    fn first(self, k: usize) -> Self;
    /// Element `p` of row `r`.
    fn at(&self, p: usize, r: usize) -> f32;
}

/// Rows that lie somewhere in memory, each without gaps.
struct InPlace<'a, const R: usize>([&'a [f32]; R]);

impl<'a, const R: usize> InPlace<'a, R> {
    #[inline(always)]
    fn new(row: impl Fn(usize) -> &'a [f32]) -> Self {
        let mut rows: [&[f32]; R] = [&[]; R];
        for (r, slot) in rows.iter_mut().enumerate() {
            *slot = row(r);
        }
        InPlace(rows)
    }
}

impl<const R: usize> Left<R> for InPlace<'_, R> {
    #[inline(always)]
    fn first(mut self, k: usize) -> Self {
        for row in &mut self.0 {
            *row = &row[..k];
        }
        self
    }
    #[inline(always)]
    fn at(&self, p: usize, r: usize) -> f32 {
        self.0[r][p]
    }
}

/// Rows packed side by side.
impl<const R: usize> Left<R> for &[[f32; R]] {
    #[inline(always)]
    fn first(self, k: usize) -> Self {
        &self[..k]
    }
    #[inline(always)]
    fn at(&self, p: usize, r: usize) -> f32 {
        self[p][r]
    }
}

/// The register tile: `sums[r, c] = Σ_p a[r, p] · b[p, c]`.
#[inline(always)]
fn product<S: Simd, A: Left<R>, const R: usize, const NV: usize, const NR: usize>(
    s: S,
    a: A,
    b: &[[f32; NR]],
    sums: &mut [f32; TILE],
) {
    let mut total = [[s.splat(0.0); NV]; R];
    let a = a.first(b.len());
    // The plainest iterator: others were not always inlined here, which cost a factor of five.
    for (p, b) in b.iter().enumerate() {
        let mut w = [s.splat(0.0); NV];
        for v in 0..NV {
            w[v] = s.load(&b[v * S::LEN..(v + 1) * S::LEN]);
        }
        for r in 0..R {
            let x = s.splat(a.at(p, r));
            for v in 0..NV {
                total[r][v] = s.mul_add(x, w[v], total[r][v]);
            }
        }
    }
    // Through memory and not straight to the result: an index that is not a constant would force the sums out of the
    // registers inside the loop above.
    for r in 0..R {
        for v in 0..NV {
            s.store(total[r][v], &mut sums[(r * NV + v) * S::LEN..(r * NV + v + 1) * S::LEN]);
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
            let mut y = s.load(&sums[at..]);
            if self.add {
                y = s.add(s.load(&to[at..]), y);
            }
            if let Some(bias) = bias {
                y = s.add(y, s.load(&bias[at..]));
            }
            if self.last {
                y = in_registers(s, self.function, y);
            }
            s.store(y, &mut to[at..]);
        }
        if whole < to.len() {
            let mut y = s.load_part(&sums[whole..], 0.0);
            if self.add {
                y = s.add(s.load_part(&to[whole..], 0.0), y);
            }
            if let Some(bias) = bias {
                y = s.add(y, s.load_part(&bias[whole..], 0.0));
            }
            if self.last {
                y = in_registers(s, self.function, y);
            }
            s.store_part(y, &mut to[whole..]);
        }
    }
}

/// The functions that cost a few instructions are applied before the sums are stored.
#[inline(always)]
fn in_registers<S: Simd>(s: S, function: Function, y: S::F) -> S::F {
    match function {
        Function::Relu => Function::Relu.apply(s, y),
        Function::LeakyRelu { slope } => Function::LeakyRelu { slope }.apply(s, y),
        _ => y,
    }
}

/// The others are applied row by row while the rectangle is in the cache: an exponential in every kernel would make the
/// program several times larger and none of them faster.
fn in_cache(isa: Isa, function: Function, tile: &mut TileMut<'_>) {
    if matches!(function, Function::Identity | Function::Relu | Function::LeakyRelu { .. }) {
        return;
    }
    for row in 0..tile.rows() {
        map::forward_in_place_on(isa, function, tile.row(row), &Pool::single());
    }
}

/// Computes a stretch of a single row: the weights are read once, several panels side by side.
pub(super) struct Row<'a, 'b, const NV: usize, const NR: usize> {
    pub block: &'a Block<'a>,
    pub tile: TileMut<'b>,
}

/// Panels read side by side: enough sums in flight to hide the latency of a multiply-add.
const PANELS: usize = 4;

impl<const NV: usize, const NR: usize> Vectorized for Row<'_, '_, NV, NR> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (block, tile) = (self.block, &mut self.tile);
        const { assert!(NR == NV * S::LEN) };
        let (k, nr) = (block.k, NR);
        let cols = tile.cols();
        let (step, mut sums) = (block_len(k), [0.0f32; TILE]);
        let blocks = k.div_ceil(step).max(1);
        let LeftOperand::Rows { values: a, stride } = block.a else { panic!("the row body reads its row in place") };
        let a = &a[block.row * stride..][..k];
        for j in (0..cols).step_by(PANELS * nr) {
            let width = (PANELS * nr).min(cols - j);
            let panels = &block.b[(block.col + j) * k..];
            let to = &mut tile.row(0)[j..j + width];
            // Blocks of k inside, so that a panel is read from start to end; the order of sums is that of `Tiles`.
            for kb in 0..blocks {
                let (start, end) = (kb * step, k.min((kb + 1) * step));
                let a = &a[start..end];
                let panel = |index: usize| panels[index * nr * k..][start * nr..end * nr].as_chunks::<NR>().0;
                if width > (PANELS - 1) * nr {
                    let b = [panel(0), panel(1), panel(2), panel(3)];
                    rows_of_panels::<S, NV, NR>(s, a, b, &mut sums);
                } else {
                    for index in 0..width.div_ceil(nr) {
                        let mut one = [0.0f32; TILE];
                        product::<S, _, 1, NV, NR>(s, InPlace([a]), panel(index), &mut one);
                        sums[index * nr..(index + 1) * nr].copy_from_slice(&one[..nr]);
                    }
                }
                let finish = Finish {
                    add: kb > 0 || block.accumulate,
                    last: kb + 1 == blocks,
                    bias: block.bias,
                    function: block.function,
                };
                finish.row(s, &sums[..width], to, block.col + j);
            }
        }
        in_cache(S::ISA, block.function, tile);
    }
}

/// One row of a against four panels of b at once.
#[inline(always)]
fn rows_of_panels<S: Simd, const NV: usize, const NR: usize>(
    s: S,
    a: &[f32],
    b: [&[[f32; NR]]; PANELS],
    sums: &mut [f32; TILE],
) {
    let mut total = [[s.splat(0.0); NV]; PANELS];
    let k = a.len();
    let (b0, b1, b2, b3) = (&b[0][..k], &b[1][..k], &b[2][..k], &b[3][..k]);
    for p in 0..k {
        let x = s.splat(a[p]);
        for v in 0..NV {
            let (start, end) = (v * S::LEN, (v + 1) * S::LEN);
            total[0][v] = s.mul_add(x, s.load(&b0[p][start..end]), total[0][v]);
            total[1][v] = s.mul_add(x, s.load(&b1[p][start..end]), total[1][v]);
            total[2][v] = s.mul_add(x, s.load(&b2[p][start..end]), total[2][v]);
            total[3][v] = s.mul_add(x, s.load(&b3[p][start..end]), total[3][v]);
        }
    }
    for panel in 0..PANELS {
        for v in 0..NV {
            let at = panel * NR + v * S::LEN;
            s.store(total[panel][v], &mut sums[at..at + S::LEN]);
        }
    }
}
