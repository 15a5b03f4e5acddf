//! The body of every row: which products, and what happens to their sums.

use super::{PackedValues, Start, Target, Task};
use crate::gemm_i8::BLOCK_QUADS;
use crate::gemm_i8::body::{self, Accumulator, Cut, Finish, HELD, HELD_SMALL, Product};
use crate::gemm_i8::products::{self, Aligned, TILE};
use crate::gemm_i8::tiles::{FEW, StreamedPairs, Sums, WidenedPairs, Words, requantized};
use crate::isa::{SimdInt, VectorizedInt};
use crate::requantize::requantize_rows_wide;

/// Quads in one stretch: the sum of 504 products of an i16 and an i8, or of half as many of an i16 and a byte 0..=255,
/// fits into 32 bits.
const EXACT_QUADS: usize = 126;

/// Computes a rectangle in register tiles of `MR` rows by `NV` vectors, which are `NR` columns; `NB` = 4 · `NR`.
pub(super) struct Tiles<'a, 'b, const MR: usize, const NV: usize, const NR: usize, const NB: usize> {
    pub task: &'a Task<'a>,
    pub target: Target<'b>,
}

impl<const MR: usize, const NV: usize, const NR: usize, const NB: usize> VectorizedInt
    for Tiles<'_, '_, MR, NV, NR, NB>
{
    type Output = ();

    #[inline(always)]
    fn run<S: SimdInt>(self, s: S) {
        const { assert!(NR == NV * S::LEN && NB == 4 * NR && MR * NR <= TILE) };
        let Tiles { task, target } = self;
        match task.weight.start {
            Start::I32(_) => rectangle::<S, i32, MR, NV, NR, NB>(s, task, target),
            Start::I64(_) => rectangle::<S, i64, MR, NV, NR, NB>(s, task, target),
        }
    }
}

/// Computes a rectangle with sums of one width.
#[inline(always)]
fn rectangle<S, A, const MR: usize, const NV: usize, const NR: usize, const NB: usize>(
    s: S,
    task: &Task<'_>,
    target: Target<'_>,
) where
    S: SimdInt,
    A: Accumulator + Width,
    for<'a, 'b> Store<'a, 'b>: Finish<A, NR>,
{
    let (rows, cols) = match &target {
        Target::I16(tile, ..) => (tile.rows(), tile.cols()),
        Target::I16FromWide(tile, ..) => (tile.rows(), tile.cols()),
        Target::Sums(tile, _) => (tile.rows(), tile.cols()),
        Target::WideSums(tile, _) => (tile.rows(), tile.cols()),
    };
    // Half as long where panels are twice as wide: the widened weights stay in the first-level cache.
    let block = EXACT_QUADS / NB.div_ceil(64);
    let cut = Cut { rows, panels: cols.div_ceil(NR), quads: task.quads, block, group: task.group };
    let mut finish = Store { task, target };
    // A large array is not touched, and not cleared, where the small one is enough.
    let (mut small, mut large);
    let held: &mut [[A; NR]] = if cut.held() <= HELD_SMALL {
        small = [[A::ZERO; NR]; HELD_SMALL];
        &mut small
    } else {
        large = [[A::ZERO; NR]; HELD];
        &mut large
    };
    let x = task.x();
    let first = task.col * 4 * task.quads;
    match &task.weight.panels {
        PackedValues::I8(panels) if rows <= FEW => {
            let mut product = StreamedPairs::<NV, NB> { x, panels: panels[first..].as_chunks().0, panel: &[] };
            body::sums::<S, _, A, _, FEW, NR>(s, cut, held, &mut product, &mut finish);
        }
        PackedValues::I8(panels) => {
            let widened = &mut Aligned([[0i16; NB]; BLOCK_QUADS]).0;
            let mut product = WidenedPairs::<NV, NB> { x, panels: panels[first..].as_chunks().0, widened };
            body::sums::<S, _, A, _, MR, NR>(s, cut, held, &mut product, &mut finish);
        }
        PackedValues::I16(panels) => {
            let panels = panels[first..].as_chunks().0;
            if A::WIDE {
                let (bytes, block) = (&mut Aligned([[0i16; NB]; BLOCK_QUADS / 2]).0, cut.block / 2);
                let mut product = CutPairs::<NV, NB> { x, panels, bytes };
                let cut = Cut { block, ..cut };
                body::sums::<S, _, A, _, MR, NR>(s, cut, held, &mut product, &mut finish);
            } else {
                let mut product = PlainPairs::<NV, NB> { x, panels, panel: &[] };
                body::sums::<S, _, A, _, MR, NR>(s, cut, held, &mut product, &mut finish);
            }
        }
    }
}

/// Whether sums are exact in 64 bits.
trait Width {
    const WIDE: bool;
}

impl Width for i32 {
    const WIDE: bool = false;
}

impl Width for i64 {
    const WIDE: bool = true;
}

/// 16-bit weights as they lie in their panels: sums modulo 2³².
struct PlainPairs<'a, const NV: usize, const NB: usize> {
    x: Words<'a>,
    panels: &'a [[i16; NB]],
    panel: &'a [[i16; NB]],
}

impl<S: SimdInt, const NV: usize, const NB: usize> Product<S> for PlainPairs<'_, NV, NB> {
    #[inline(always)]
    fn prepare(&mut self, _: S, panel: usize, _: usize, (from, to): (usize, usize)) {
        let start = panel * self.x.quads;
        self.panel = &self.panels[start + from..start + to];
    }
    #[inline(always)]
    fn rows<const R: usize>(&self, s: S, row: usize, quads: (usize, usize), sums: &mut [i32; TILE]) {
        products::pairs::<S, _, R, NV>(s, self.x.rows::<R, 2>(row, quads), self.panel, sums);
    }
}

/// 16-bit weights cut into `256 · high + low`, one plane each: 252 products with a byte fit into 32 bits.
struct CutPairs<'a, 'b, const NV: usize, const NB: usize> {
    x: Words<'a>,
    panels: &'a [[i16; NB]],
    bytes: &'b mut [[i16; NB]; BLOCK_QUADS / 2],
}

impl<S: SimdInt, const NV: usize, const NB: usize> Product<S> for CutPairs<'_, '_, NV, NB> {
    const PLANES: usize = 2;

    #[inline(always)]
    fn prepare(&mut self, s: S, panel: usize, plane: usize, (from, to): (usize, usize)) {
        let start = panel * self.x.quads;
        let panel = &self.panels[start + from..start + to];
        for (q, quad) in panel.iter().enumerate() {
            let to = &mut self.bytes[q];
            for at in (0..NB).step_by(2 * S::LEN) {
                let weights = s.load_i16(&quad[at..at + 2 * S::LEN]);
                let bytes = if plane == 0 { s.even_u8(weights) } else { s.odd_i8(weights) };
                s.store_i16(bytes, &mut to[at..at + 2 * S::LEN]);
            }
        }
    }
    #[inline(always)]
    fn rows<const R: usize>(&self, s: S, row: usize, quads: (usize, usize), sums: &mut [i32; TILE]) {
        let w = &self.bytes[..quads.1 - quads.0];
        products::pairs::<S, _, R, NV>(s, self.x.rows::<R, 2>(row, quads), w, sums);
    }
}

/// Adds the biases, requantises and stores.
struct Store<'a, 'b> {
    task: &'a Task<'a>,
    target: Target<'b>,
}

impl<const NR: usize> Finish<i32, NR> for Store<'_, '_> {
    #[inline(always)]
    fn panel(&mut self, panel: usize, sums: &[[i32; NR]]) {
        let (first, col) = (self.task.col, panel * NR);
        let start = |start: &[i32]| *start[first + col..].first_chunk().expect("start values fill whole panels");
        match &mut self.target {
            Target::I16(tile, requantize, biases) => {
                let from = Sums::<NR> { sums, start: &start(biases), x: self.task.x() };
                requantized(requantize, first, col, &from, tile);
            }
            Target::Sums(tile, biases) => {
                let from = Sums::<NR> { sums, start: &start(biases), x: self.task.x() };
                for row in 0..sums.len() {
                    let to = &mut tile.row(row)[col..];
                    let width = NR.min(to.len());
                    to[..width].copy_from_slice(&from.row(row)[..width]);
                }
            }
            Target::I16FromWide(..) | Target::WideSums(..) => unreachable!("the entry compared the widths"),
        }
    }
}

impl<const NR: usize> Finish<i64, NR> for Store<'_, '_> {
    #[inline(always)]
    fn panel(&mut self, panel: usize, sums: &[[i64; NR]]) {
        let (first, col) = (self.task.col, panel * NR);
        match &mut self.target {
            Target::I16FromWide(tile, requantize, biases) => {
                let width = NR.min(tile.cols() - col);
                let biases = &biases[first + col..][..NR];
                requantize_rows_wide::<i16, NR>(
                    requantize,
                    first + col,
                    sums.len(),
                    |row| finished(&sums[row], biases),
                    |row, out| tile.row(row)[col..col + width].copy_from_slice(&out[..width]),
                );
            }
            Target::WideSums(tile, biases) => {
                let biases = &biases[first + col..][..NR];
                for (row, sums) in sums.iter().enumerate() {
                    let to = &mut tile.row(row)[col..];
                    let width = NR.min(to.len());
                    to[..width].copy_from_slice(&finished(sums, biases)[..width]);
                }
            }
            Target::I16(..) | Target::Sums(..) => unreachable!("the entry compared the widths"),
        }
    }
}

/// Sums with their biases.
#[inline(always)]
fn finished<const NR: usize>(sums: &[i64; NR], biases: &[i64]) -> [i64; NR] {
    let mut sums = *sums;
    for (sum, &bias) in sums.iter_mut().zip(biases) {
        *sum = sum.wrapping_add(bias);
    }
    sums
}
