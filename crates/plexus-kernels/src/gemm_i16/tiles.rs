//! The body of every row: which products, and what happens to their sums.

use super::{PackedValues, Start, Target, Task};
use crate::buffer::{OnStack, write};
use crate::gemm_i8::body::{self, Accumulator, Cut, Finish, HELD, HELD_SEVERAL, HELD_SMALL, Product};
use crate::gemm_i8::products::{self, TILE};
use crate::gemm_i8::tiles::{FEW, StreamedPairs, Sums, WIDENED, WidenedPairs, Words, requantized};
use crate::isa::{SimdInt, VectorizedInt};
use crate::requantize::{RowsOfSums, requantize_rows_wide};
use std::marker::PhantomData;

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
        match self.task.weight.start {
            Start::I32(_) => s.run_int(Rectangle::<i32, MR, NV, NR, NB> { tiles: self, sums: PhantomData }),
            Start::I64(_) => s.run_int(Rectangle::<i64, MR, NV, NR, NB> { tiles: self, sums: PhantomData }),
        }
    }
}

/// A rectangle with sums of one width.
struct Rectangle<'a, 'b, A, const MR: usize, const NV: usize, const NR: usize, const NB: usize> {
    tiles: Tiles<'a, 'b, MR, NV, NR, NB>,
    sums: PhantomData<A>,
}

impl<'a, 'b, A, const MR: usize, const NV: usize, const NR: usize, const NB: usize> VectorizedInt
    for Rectangle<'a, 'b, A, MR, NV, NR, NB>
where
    A: Accumulator + Width,
    Store<'a, 'b>: Finish<A, NR>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: SimdInt>(self, s: S) {
        const { assert!(NR == NV * S::LEN && NB == 4 * NR && MR * NR <= TILE) };
        let Tiles { task, target } = self.tiles;
        let (rows, cols) = match &target {
            Target::I16(tile, ..) => (tile.rows(), tile.cols()),
            Target::I16FromWide(tile, ..) => (tile.rows(), tile.cols()),
            Target::Sums(tile, _) => (tile.rows(), tile.cols()),
            Target::WideSums(tile, _) => (tile.rows(), tile.cols()),
        };
        // Half as long where panels are twice as wide: the widened weights stay in the first-level cache.
        let block = EXACT_QUADS / NB.div_ceil(64);
        let cut = Cut { rows, panels: cols.div_ceil(NR), quads: task.quads, block, group: task.group };
        let finish = Store { task, target };
        // Memory that is not needed is not touched, and not cleared.
        let (mut small, mut several, mut large, mut widened);
        let held: &mut [[A; NR]] = if cut.held() <= HELD_SMALL {
            small = [[A::ZERO; NR]; HELD_SMALL];
            &mut small
        } else if cut.held() <= HELD_SEVERAL {
            several = [[A::ZERO; NR]; HELD_SEVERAL];
            &mut several
        } else {
            large = OnStack::<HELD>::ZEROS;
            large.values().as_chunks_mut().0
        };
        let x = task.x();
        let first = task.col * 4 * task.quads;
        match &task.weight.panels {
            PackedValues::I8(panels) if rows <= FEW => {
                let product = StreamedPairs::<NV, NB> { x, panels: panels[first..].as_chunks().0, panel: &[] };
                s.run_int(body::Sums::<A, _, _, FEW, NR> { cut, held, product, finish });
            }
            PackedValues::I8(panels) => {
                widened = OnStack::<WIDENED>::ZEROS;
                let (panels, widened) = (panels[first..].as_chunks().0, widened.values().as_chunks_mut().0);
                let product = WidenedPairs::<NV, NB> { x, panels, widened };
                s.run_int(body::Sums::<A, _, _, MR, NR> { cut, held, product, finish });
            }
            PackedValues::I16(panels) if A::WIDE => {
                widened = OnStack::<WIDENED>::ZEROS;
                let (panels, bytes) = (panels[first..].as_chunks().0, widened.values().as_chunks_mut().0);
                let cut = Cut { block: cut.block / 2, ..cut };
                let product = CutPairs::<NV, NB> { x, panels, bytes };
                s.run_int(body::Sums::<A, _, _, MR, NR> { cut, held, product, finish });
            }
            PackedValues::I16(panels) => {
                let product = PlainPairs::<NV, NB> { x, panels: panels[first..].as_chunks().0, panel: &[] };
                s.run_int(body::Sums::<A, _, _, MR, NR> { cut, held, product, finish });
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

impl<const NV: usize, const NB: usize> Product for PlainPairs<'_, NV, NB> {
    #[inline(always)]
    fn prepare<S: SimdInt>(&mut self, _: S, panel: usize, _: usize, (from, to): (usize, usize)) {
        let start = panel * self.x.quads;
        self.panel = &self.panels[start + from..start + to];
    }
    #[inline(always)]
    fn rows<S: SimdInt, const R: usize>(&self, s: S, row: usize, quads: (usize, usize), sums: &mut [i32; TILE]) {
        products::pairs::<S, _, R, NV>(s, self.x.rows::<R, 2>(row, quads), self.panel, sums);
    }
}

/// 16-bit weights cut into `256 · high + low`, one plane each: 252 products with a byte fit into 32 bits.
struct CutPairs<'a, 'b, const NV: usize, const NB: usize> {
    x: Words<'a>,
    panels: &'a [[i16; NB]],
    bytes: &'b mut [[i16; NB]],
}

impl<const NV: usize, const NB: usize> Product for CutPairs<'_, '_, NV, NB> {
    const PLANES: usize = 2;

    #[inline(always)]
    fn prepare<S: SimdInt>(&mut self, s: S, panel: usize, plane: usize, (from, to): (usize, usize)) {
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
    fn rows<S: SimdInt, const R: usize>(&self, s: S, row: usize, quads: (usize, usize), sums: &mut [i32; TILE]) {
        let w = &self.bytes[..quads.1 - quads.0];
        products::pairs::<S, _, R, NV>(s, self.x.rows::<R, 2>(row, quads), w, sums);
    }
}

/// Adds the biases, requantizes and stores.
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
                let from = WideSums { sums, start: biases[first + col..].first_chunk().expect("whole panels") };
                requantize_rows_wide::<i16, NR>(requantize, first + col, sums.len(), &from, |row, out| {
                    write(out, &mut tile.row(row)[col..col + width]);
                });
            }
            Target::WideSums(tile, biases) => {
                let from = WideSums { sums, start: biases[first + col..].first_chunk().expect("whole panels") };
                for row in 0..sums.len() {
                    let to = &mut tile.row(row)[col..];
                    let width = NR.min(to.len());
                    to[..width].copy_from_slice(&from.row(row)[..width]);
                }
            }
            Target::I16(..) | Target::Sums(..) => unreachable!("the entry compared the widths"),
        }
    }
}

/// The sums of one panel, and the biases.
struct WideSums<'a, const NR: usize> {
    sums: &'a [[i64; NR]],
    start: &'a [i64; NR],
}

impl<const NR: usize> RowsOfSums<i64, NR> for WideSums<'_, NR> {
    #[inline(always)]
    fn row(&self, row: usize) -> [i64; NR] {
        let mut sums = self.sums[row];
        for (sum, start) in sums.iter_mut().zip(self.start) {
            *sum = sum.wrapping_add(*start);
        }
        sums
    }
}
