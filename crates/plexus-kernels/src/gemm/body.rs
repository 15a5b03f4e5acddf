//! The loop nest, written once for every instruction set.

// Loops over registers are written with indices: their bounds are constants, so they unroll, and the letters match the
// formulas.
#![allow(clippy::needless_range_loop)]

use super::pack::{Chunk, pack_chunk};
use super::{Block, KC, LeftOperand, RightOperand, block_len};
use crate::buffer::TileMut;
use crate::isa::{Isa, Simd, Vectorized};
use crate::map::function::{Formula, LeakyRelu, Relu};
use crate::map::{self, Function};

/// The most elements that a register tile may have on any instruction set (12 x 32).
const TILE: usize = 12 * 32;

/// Rows of a with at most so many elements (256 KiB) stay in the second-level cache.
const WHOLE_PANELS: usize = 1 << 16;

/// The next piece of a packed operand is asked for ahead where the operand is larger than this: it comes from the
/// third-level cache or from memory, and the processor, which sees one piece read again and again, does not see the next
/// one coming.
const AHEAD_BYTES: usize = 1 << 20;

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
        // A panel that is packed on the way, in the first-level cache; not touched where panels are packed already.
        let mut memory;
        let local: &mut [[f32; NR]] = match block.b {
            RightOperand::Panels(_) => &mut [],
            RightOperand::View(_) => {
                memory = [[0.0; NR]; KC];
                &mut memory
            }
        };
        // Rows that stay in the second-level cache read each panel from start to end. More rows pass by one piece of every
        // panel after another. The order of the sums of an element is the same.
        let groups = cols.div_ceil(NR).div_ceil(side_by_side);
        let turns = blocks * groups;
        let whole_panels = height == 1 || rows * block.k <= WHOLE_PANELS;
        let place = |turn: usize| match whole_panels {
            true => (turn % blocks, turn / blocks),
            false => (turn / groups, turn % groups),
        };
        let first_col = |turn: usize| place(turn).1 * side_by_side * NR;
        for turn in 0..turns {
            let (kb, first) = (place(turn).0, first_col(turn));
            let (start, end) = (kb * step, block.k.min((kb + 1) * step));
            let finish = Finish::new(block, kb > 0 || block.accumulate, kb + 1 == blocks);
            // The last group may have fewer panels: they go one by one.
            let count = if cols - first > (side_by_side - 1) * NR { side_by_side } else { 1 };
            for j in (first..cols.min(first + side_by_side * NR)).step_by(count * NR) {
                let panels = match block.b {
                    RightOperand::Panels(values) => {
                        let from =
                            |turn, count| (block.col + first_col(turn) + count) * block.k + place(turn).0 * step * NR;
                        let more = turn + 1 < turns && size_of_val(values) >= AHEAD_BYTES;
                        let next = if more { &values[from(turn + 1, 0)..] } else { &[] };
                        let values = values[from(turn, j - first)..].as_chunks::<NR>().0;
                        Panels { values, stride: block.k, len: end - start, next }
                    }
                    RightOperand::View(view) => {
                        let chunk = Chunk { row: start, rows: end - start, col: block.col + j, cols: NR.min(cols - j) };
                        pack_chunk(s, view, chunk, NR, local[..end - start].as_flattened_mut());
                        Panels { values: local, stride: 0, len: end - start, next: &[] }
                    }
                };
                let width = (count * NR).min(cols - j);
                let strip = Strip { block, panels, start, finish, col: j, width };
                // Of the last panel only the first vector may be in use.
                match (height, count, NV > 1 && width <= S::LEN) {
                    (1, 4, _) => strip.run::<S, 1, 4, NV>(s, tile),
                    (2, 2, _) => strip.run::<S, 2, 2, NV>(s, tile),
                    (1, _, false) => strip.run::<S, 1, 1, NV>(s, tile),
                    (2, _, false) => strip.run::<S, 2, 1, NV>(s, tile),
                    (3, _, false) => strip.run::<S, 3, 1, NV>(s, tile),
                    (4, _, false) => strip.run::<S, 4, 1, NV>(s, tile),
                    (5, _, false) if MR > 4 => strip.run::<S, 5, 1, NV>(s, tile),
                    (6, _, false) if MR > 5 => strip.run::<S, 6, 1, NV>(s, tile),
                    (8, _, false) if MR > 6 => strip.run::<S, 8, 1, NV>(s, tile),
                    (10, _, false) if MR > 8 => strip.run::<S, 10, 1, NV>(s, tile),
                    (12, _, false) if MR > 10 => strip.run::<S, 12, 1, NV>(s, tile),
                    (1, _, true) => strip.run::<S, 1, 1, 1>(s, tile),
                    (2, _, true) => strip.run::<S, 2, 1, 1>(s, tile),
                    (3, _, true) => strip.run::<S, 3, 1, 1>(s, tile),
                    (4, _, true) => strip.run::<S, 4, 1, 1>(s, tile),
                    (5, _, true) if MR > 4 => strip.run::<S, 5, 1, 1>(s, tile),
                    (6, _, true) if MR > 5 => strip.run::<S, 6, 1, 1>(s, tile),
                    (8, _, true) if MR > 6 => strip.run::<S, 8, 1, 1>(s, tile),
                    (10, _, true) if MR > 8 => strip.run::<S, 10, 1, 1>(s, tile),
                    (12, _, true) if MR > 10 => strip.run::<S, 12, 1, 1>(s, tile),
                    _ => unreachable!("`height` gives no other"),
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
    /// Begins with what will be read next; empty where it is not worth asking for.
    next: &'a [f32],
}

/// All rows of the rectangle by one piece of one panel, or of a few side by side.
struct Strip<'a, const NR: usize> {
    block: &'a Block<'a>,
    panels: Panels<'a, NR>,
    /// The first element of `k`.
    start: usize,
    finish: Finish<'a>,
    /// The first column in the rectangle, and the columns in use.
    col: usize,
    width: usize,
}

impl<const NR: usize> Strip<'_, NR> {
    /// Computes it in register tiles of `R` rows by `P` panels, of which `NV` vectors are in use.
    #[inline(always)]
    fn run<S: Simd, const R: usize, const P: usize, const NV: usize>(self, s: S, tile: &mut TileMut<'_>) {
        s.run(TilesOf::<R, P, NV, NR> { strip: self, tile });
    }
}

/// The register tiles of a strip.
struct TilesOf<'a, 'b, 'c, const R: usize, const P: usize, const NV: usize, const NR: usize> {
    strip: Strip<'a, NR>,
    tile: &'c mut TileMut<'b>,
}

impl<const R: usize, const P: usize, const NV: usize, const NR: usize> Vectorized
    for TilesOf<'_, '_, '_, R, P, NV, NR>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let TilesOf { strip: Strip { block, panels, start, finish, col, width }, tile } = self;
        let rows = tile.rows();
        // All tiles together ask for the next piece once, evenly over their time.
        let pace = (NR / rows.div_ceil(R)).max(1);
        for i in (0..rows).step_by(R) {
            let asked = i / R * pace * panels.len;
            let ahead = Ahead { values: if asked < NR * panels.len { panels.next } else { &[] }, asked, pace };
            let count = R.min(rows - i);
            // The rows of the result are far apart in memory: they are asked for while their sums are computed.
            for r in 0..count {
                s.prefetch(&tile.row(i + r)[col..], 0);
            }
            let sums = match block.a {
                LeftOperand::Rows { values, stride } => {
                    let mut in_place: [&[f32]; R] = [&[]; R];
                    for (r, slot) in in_place.iter_mut().enumerate() {
                        // The last row is repeated up to the height of the tile.
                        let from = (block.row + i + r.min(count - 1)) * stride + start;
                        *slot = &values[from..from + panels.len];
                    }
                    product::<S, _, R, P, NV, NR>(s, InPlace(in_place), panels, ahead)
                }
                LeftOperand::Panels(values) => {
                    let from = (block.row + i) * block.k + start * R;
                    product::<S, _, R, P, NV, NR>(s, values[from..].as_chunks::<R>().0, panels, ahead)
                }
            };
            finish.tile(s, sums, Place { tile, row: i, rows: count, col, width });
        }
    }
}

/// What a register tile asks for ahead: from element `asked` on, `pace` elements for each element of `k`.
#[derive(Clone, Copy)]
struct Ahead<'a> {
    values: &'a [f32],
    asked: usize,
    pace: usize,
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
    ahead: Ahead<'_>,
) -> [[[S::F; NV]; P]; R] {
    let a = a.first(b.len);
    let mut panels: [&[[f32; NR]]; P] = [&[]; P];
    for (index, slot) in panels.iter_mut().enumerate() {
        *slot = &b.values[index * b.stride..][..b.len];
    }
    match ahead.values.is_empty() {
        true => chains::<S, A, R, P, NV, NR, false>(s, a, panels, b.len, ahead),
        false => chains::<S, A, R, P, NV, NR, true>(s, a, panels, b.len, ahead),
    }
}

/// A chain of `k` multiply-adds for each element of the tile, with or without asking for what comes next.
#[inline(always)]
fn chains<S: Simd, A: Left<R>, const R: usize, const P: usize, const NV: usize, const NR: usize, const AHEAD: bool>(
    s: S,
    a: A,
    b: [&[[f32; NR]]; P],
    k: usize,
    ahead: Ahead<'_>,
) -> [[[S::F; NV]; P]; R] {
    let mut sums = [[[s.splat(0.0); NV]; P]; R];
    for p in 0..k {
        if AHEAD {
            s.prefetch(ahead.values, ahead.asked + p * ahead.pace);
        }
        for index in 0..P {
            let row = &b[index][p];
            let mut w = [s.splat(0.0); NV];
            for v in 0..NV {
                w[v] = s.load(&row[v * S::LEN..(v + 1) * S::LEN]);
            }
            for r in 0..R {
                let x = s.splat(a.at(p, r));
                for v in 0..NV {
                    sums[r][index][v] = s.mul_add(x, w[v], sums[r][index][v]);
                }
            }
        }
    }
    sums
}

/// Where the sums of a register tile go: rows and columns of a rectangle, at most as many as the tile has.
struct Place<'a, 'b> {
    tile: &'a mut TileMut<'b>,
    row: usize,
    rows: usize,
    col: usize,
    width: usize,
}

/// What happens to the sums of one block of `k` on their way into the result.
#[derive(Clone, Copy)]
struct Finish<'a> {
    /// Whether the result has a part of the sum already.
    add: bool,
    /// From the first column of the rectangle on.
    bias: Option<&'a [f32]>,
    function: Function,
}

impl<'a> Finish<'a> {
    /// For all blocks but the last there is neither a bias nor a function.
    fn new(block: &Block<'a>, add: bool, last: bool) -> Self {
        match last {
            true => Finish { add, bias: block.bias.map(|bias| &bias[block.col..]), function: block.function },
            false => Finish { add, bias: None, function: Function::Identity },
        }
    }

    /// Writes a register tile.
    ///
    /// The indices of the sums are constants in every path: one that is not would force them out of the registers inside
    /// the loop that makes them.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const P: usize, const NV: usize>(
        &self,
        s: S,
        sums: [[[S::F; NV]; P]; R],
        to: Place<'_, '_>,
    ) {
        let lanes = P * NV * S::LEN;
        if to.width < lanes || !matches!(self.function, Function::Identity | Function::Relu) {
            let mut values = [0.0f32; TILE];
            for r in 0..R {
                for index in 0..P {
                    for v in 0..NV {
                        s.store(sums[r][index][v], &mut values[((r * P + index) * NV + v) * S::LEN..]);
                    }
                }
            }
            for r in 0..to.rows {
                let row = &mut to.tile.row(to.row + r)[to.col..][..to.width];
                self.row(s, &values[r * lanes..][..to.width], row, to.col);
            }
            return;
        }
        // Adding -0 changes no number.
        let mut bias = [[s.splat(-0.0); NV]; P];
        if let Some(values) = self.bias {
            let values = &values[to.col..][..lanes];
            for index in 0..P {
                for v in 0..NV {
                    bias[index][v] = s.load(&values[(index * NV + v) * S::LEN..]);
                }
            }
        }
        match (self.add, matches!(self.function, Function::Relu)) {
            (false, false) => write::<S, R, P, NV, false, false>(s, sums, bias, to),
            (false, true) => write::<S, R, P, NV, false, true>(s, sums, bias, to),
            (true, false) => write::<S, R, P, NV, true, false>(s, sums, bias, to),
            (true, true) => write::<S, R, P, NV, true, true>(s, sums, bias, to),
        }
    }

    /// Writes a stretch of one row from column `col` of the rectangle on.
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, sums: &[f32], to: &mut [f32], col: usize) {
        let bias = self.bias.map(|bias| &bias[col..col + to.len()]);
        let whole = to.len() / S::LEN * S::LEN;
        for at in (0..whole).step_by(S::LEN) {
            let mut y = s.load(&sums[at..]);
            if self.add {
                y = s.add(s.load(&to[at..]), y);
            }
            if let Some(bias) = bias {
                y = s.add(y, s.load(&bias[at..]));
            }
            s.store(in_registers(s, self.function, y), &mut to[at..]);
        }
        if whole < to.len() {
            let mut y = s.load_part(&sums[whole..], 0.0);
            if self.add {
                y = s.add(s.load_part(&to[whole..], 0.0), y);
            }
            if let Some(bias) = bias {
                y = s.add(y, s.load_part(&bias[whole..], 0.0));
            }
            s.store_part(in_registers(s, self.function, y), &mut to[whole..]);
        }
    }
}

/// Writes a register tile of full width: `c = f((c) + sum + bias)`.
#[inline(always)]
fn write<S: Simd, const R: usize, const P: usize, const NV: usize, const ADD: bool, const RELU: bool>(
    s: S,
    sums: [[[S::F; NV]; P]; R],
    bias: [[S::F; NV]; P],
    to: Place<'_, '_>,
) {
    for r in 0..R {
        if r < to.rows {
            let row = &mut to.tile.row(to.row + r)[to.col..][..P * NV * S::LEN];
            for index in 0..P {
                for v in 0..NV {
                    let c = &mut row[(index * NV + v) * S::LEN..];
                    let mut y = sums[r][index][v];
                    if ADD {
                        y = s.add(s.load(c), y);
                    }
                    y = s.add(y, bias[index][v]);
                    if RELU {
                        y = Relu.apply(s, y);
                    }
                    s.store(y, c);
                }
            }
        }
    }
}

/// The functions that cost a few instructions are applied before the sums are stored.
#[inline(always)]
fn in_registers<S: Simd>(s: S, function: Function, y: S::F) -> S::F {
    match function {
        Function::Relu => Relu.apply(s, y),
        Function::LeakyRelu { slope } => LeakyRelu { slope }.apply(s, y),
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
        map::apply(isa, function, tile.row(row));
    }
}
