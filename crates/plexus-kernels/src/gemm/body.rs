//! The loop nest, written once for every instruction set.

// Loops over registers are written with indices: their bounds are constants, so they unroll, and the letters match the
// formulas.
#![allow(clippy::needless_range_loop)]

use super::pack::{Chunk, pack_chunk};
use super::{Block, KC, LeftOperand, RightOperand, block_len};
use crate::buffer::TileMut;
use crate::isa::{Isa, Simd, Vectorized};
use crate::map::{self, Function};
use crate::threads::Pool;

/// The most elements that a register tile may have on any instruction set (12 x 32).
const TILE: usize = 12 * 32;

/// The next piece of a packed operand is asked for ahead where the operand is larger than this: then it comes from memory,
/// and the processor does not see the jump to the next panel coming. (In the third-level cache it costs more than it
/// brings: 12 % at 8 x 1024 x 1024 with AVX2.) And only where so many tiles share the asking.
const AHEAD_BYTES: usize = 16 << 20;
const AHEAD_TILES: usize = 4;

/// Heights of the register tile that have a body of their own; a kernel uses those up to its `mr`. A batch of two must
/// not pay for six.
const HEIGHTS: [usize; 9] = [1, 2, 3, 4, 5, 6, 8, 10, 12];

/// The height of the tiles that compute `m` rows fastest: 8 rows are 4 + 4 and not 6 + 6, 32 are eight times 4.
///
/// Rows beyond the last cost as much as others. Eight sums in flight hide the latency of a multiply-add (two start in
/// each of four cycles); below the full height about one in twenty is lost to loads.
pub(super) fn height(m: usize, mr: usize, vectors: usize) -> usize {
    let cost = |height: usize| {
        let sums = height * vectors;
        let rows = m.div_ceil(height) * height;
        rows * sums.max(8) * if height < mr { 21 } else { 20 } * 1000 / sums
    };
    HEIGHTS.into_iter().filter(|&height| height <= mr).min_by_key(|&height| cost(height)).unwrap_or(1)
}

/// Computes a rectangle in register tiles of at most `MR` rows by `NV` vectors, which are `NR` columns.
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
        let (rows, cols) = (tile.rows(), tile.cols());
        let step = block_len(block.k);
        let blocks = block.k.div_ceil(step).max(1);
        let height = block.height;
        // Few rows take several panels side by side: enough sums in flight to hide the latency of a multiply-add.
        let side_by_side = match (&block.b, height) {
            (RightOperand::Panels(_), 1) => 4,
            (RightOperand::Panels(_), 2) => 2,
            _ => 1,
        };
        // A panel that is packed on the way, in the first-level cache.
        let mut local = None;
        let mut sums = [0.0f32; TILE];
        // One row reads each panel from start to end, which the processor sees coming. More rows keep a piece of a panel
        // in the first-level cache while all of them pass by. The order of the sums of an element is the same.
        let groups = cols.div_ceil(NR).div_ceil(side_by_side);
        for turn in 0..blocks * groups {
            let (kb, group) = if height == 1 { (turn % blocks, turn / blocks) } else { (turn / groups, turn % groups) };
            let finish = Finish {
                add: kb > 0 || block.accumulate,
                last: kb + 1 == blocks,
                bias: block.bias,
                function: block.function,
            };
            let (start, end) = (kb * step, block.k.min((kb + 1) * step));
            let first = group * side_by_side * NR;
            // The last group may have fewer panels: they go one by one.
            let count = if cols - first > (side_by_side - 1) * NR { side_by_side } else { 1 };
            for j in (first..cols.min(first + side_by_side * NR)).step_by(count * NR) {
                let panels = match block.b {
                    RightOperand::Panels(values) => {
                        let from = (block.col + j) * block.k + start * NR;
                        let next = j + count * NR < cols && size_of_val(values) >= AHEAD_BYTES;
                        let ahead = if next { count * NR * block.k } else { 0 };
                        let values = values[from..].as_chunks::<NR>().0;
                        Panels { values, stride: block.k, len: end - start, ahead }
                    }
                    RightOperand::View(view) => {
                        let local = local.get_or_insert([[0.0f32; NR]; KC]);
                        let chunk = Chunk { row: start, rows: end - start, col: block.col + j, cols: NR.min(cols - j) };
                        pack_chunk(s, view, chunk, NR, local[..end - start].as_flattened_mut());
                        Panels { values: &local[..], stride: 0, len: end - start, ahead: 0 }
                    }
                };
                let width = (count * NR).min(cols - j);
                // Of the last panel only the first vector may be in use.
                let narrow = NV > 1 && width <= S::LEN;
                let tiles = rows.div_ceil(height);
                for i in (0..rows).step_by(height) {
                    // The rows of the result are far apart in memory: they are asked for while their sums are computed.
                    for r in 0..height.min(rows - i) {
                        s.prefetch(&tile.row(i + r)[j..], 0);
                    }
                    if panels.ahead > 0 && tiles >= AHEAD_TILES {
                        let share = panels.len.div_ceil(tiles);
                        for row in panels.values[..panels.len].iter().skip(i / height * share).take(share) {
                            s.prefetch(row, panels.ahead);
                        }
                    }
                    let a = block.left(i, height.min(rows - i), (start, end));
                    match (height, count, narrow) {
                        (1, 4, _) => a.tile::<S, 1, 4, NV, NR>(s, panels, &mut sums),
                        (2, 2, _) => a.tile::<S, 2, 2, NV, NR>(s, panels, &mut sums),
                        (1, _, false) => a.tile::<S, 1, 1, NV, NR>(s, panels, &mut sums),
                        (2, _, false) => a.tile::<S, 2, 1, NV, NR>(s, panels, &mut sums),
                        (3, _, false) => a.tile::<S, 3, 1, NV, NR>(s, panels, &mut sums),
                        (4, _, false) => a.tile::<S, 4, 1, NV, NR>(s, panels, &mut sums),
                        (5, _, false) if MR > 4 => a.tile::<S, 5, 1, NV, NR>(s, panels, &mut sums),
                        (6, _, false) if MR > 5 => a.tile::<S, 6, 1, NV, NR>(s, panels, &mut sums),
                        (8, _, false) if MR > 6 => a.tile::<S, 8, 1, NV, NR>(s, panels, &mut sums),
                        (10, _, false) if MR > 8 => a.tile::<S, 10, 1, NV, NR>(s, panels, &mut sums),
                        (12, _, false) if MR > 10 => a.tile::<S, 12, 1, NV, NR>(s, panels, &mut sums),
                        (1, _, true) => a.tile::<S, 1, 1, 1, NR>(s, panels, &mut sums),
                        (2, _, true) => a.tile::<S, 2, 1, 1, NR>(s, panels, &mut sums),
                        (3, _, true) => a.tile::<S, 3, 1, 1, NR>(s, panels, &mut sums),
                        (4, _, true) => a.tile::<S, 4, 1, 1, NR>(s, panels, &mut sums),
                        (5, _, true) if MR > 4 => a.tile::<S, 5, 1, 1, NR>(s, panels, &mut sums),
                        (6, _, true) if MR > 5 => a.tile::<S, 6, 1, 1, NR>(s, panels, &mut sums),
                        (8, _, true) if MR > 6 => a.tile::<S, 8, 1, 1, NR>(s, panels, &mut sums),
                        (10, _, true) if MR > 8 => a.tile::<S, 10, 1, 1, NR>(s, panels, &mut sums),
                        (12, _, true) if MR > 10 => a.tile::<S, 12, 1, 1, NR>(s, panels, &mut sums),
                        _ => unreachable!("`height` gives no other"),
                    }
                    let lanes = if narrow { S::LEN } else { count * NR };
                    for (r, sums) in sums.chunks_exact(lanes).take(height.min(rows - i)).enumerate() {
                        let to = &mut tile.row(i + r)[j..j + width];
                        finish.row(s, &sums[..width], to, block.col + j);
                    }
                }
            }
        }
        in_cache(S::ISA, block.function, tile);
    }
}

/// Panels side by side, `stride` rows from one to the next; `len` rows of each are read.
#[derive(Clone, Copy)]
struct Panels<'a, const NR: usize> {
    values: &'a [[f32; NR]],
    stride: usize,
    len: usize,
    /// Elements from what is read to what will be read next; zero where that is near.
    ahead: usize,
}

/// The rows of a that one register tile reads.
enum LeftTile<'a> {
    /// In place: `values` begins with the first row; the last row is repeated up to the height of the tile.
    Rows { values: &'a [f32], stride: usize, rows: usize, range: (usize, usize) },
    /// Packed.
    Panel(&'a [f32]),
}

impl Block<'_> {
    /// `rows` rows from row `i` of the rectangle on, for one block of `k`.
    #[inline(always)]
    fn left(&self, i: usize, rows: usize, range: (usize, usize)) -> LeftTile<'_> {
        match self.a {
            LeftOperand::Rows { values, stride } => {
                LeftTile::Rows { values: &values[(self.row + i) * stride..], stride, rows, range }
            }
            LeftOperand::Panels(values) => {
                let from = (self.row + i) * self.k + range.0 * self.height;
                LeftTile::Panel(&values[from..][..(range.1 - range.0) * self.height])
            }
        }
    }
}

impl LeftTile<'_> {
    /// Computes one register tile of `R` rows by `P` panels.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const P: usize, const NV: usize, const NR: usize>(
        self,
        s: S,
        b: Panels<'_, NR>,
        sums: &mut [f32; TILE],
    ) {
        match self {
            LeftTile::Panel(values) => product::<S, _, R, P, NV, NR>(s, values.as_chunks::<R>().0, b, sums),
            LeftTile::Rows { values, stride, rows, range: (start, end) } => {
                let mut in_place: [&[f32]; R] = [&[]; R];
                for (r, slot) in in_place.iter_mut().enumerate() {
                    let from = r.min(rows - 1) * stride;
                    *slot = &values[from + start..from + end];
                }
                product::<S, _, R, P, NV, NR>(s, InPlace(in_place), b, sums);
            }
        }
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

/// The register tile: `sums[r, c] = Σ_p a[r, p] · b[p, c]` for `P` panels of `NR` columns.
#[inline(always)]
fn product<S: Simd, A: Left<R>, const R: usize, const P: usize, const NV: usize, const NR: usize>(
    s: S,
    a: A,
    b: Panels<'_, NR>,
    sums: &mut [f32; TILE],
) {
    let mut total = [[[s.splat(0.0); NV]; P]; R];
    let k = b.len;
    let a = a.first(k);
    let mut panels: [&[[f32; NR]]; P] = [&b.values[..k]; P];
    for index in 1..P {
        panels[index] = &b.values[index * b.stride..][..k];
    }
    for p in 0..k {
        for index in 0..P {
            let row = &panels[index][p];
            let mut w = [s.splat(0.0); NV];
            for v in 0..NV {
                w[v] = s.load(&row[v * S::LEN..(v + 1) * S::LEN]);
            }
            for r in 0..R {
                let x = s.splat(a.at(p, r));
                for v in 0..NV {
                    total[r][index][v] = s.mul_add(x, w[v], total[r][index][v]);
                }
            }
        }
    }
    // Through memory and not straight to the result: an index that is not a constant would force the sums out of the
    // registers inside the loop above.
    for r in 0..R {
        for index in 0..P {
            for v in 0..NV {
                let at = ((r * P + index) * NV + v) * S::LEN;
                s.store(total[r][index][v], &mut sums[at..at + S::LEN]);
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
