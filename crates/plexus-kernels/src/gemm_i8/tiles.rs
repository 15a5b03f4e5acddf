//! The body of every row: which products, and what happens to their sums.

use super::body::{self, Cut, Finish, HELD, HELD_SEVERAL, HELD_SMALL, Product};
use super::pack::stride;
use super::products::{self, TILE};
use super::{BLOCK_QUADS, Form, Target, Task};
use crate::buffer::{OnStack, TileMut, write};
use crate::isa::{Isa, SimdInt, VectorizedInt};
use crate::requantize::{self, Requantize, RowsOfSums, requantize_rows};

/// Rows that go by nibbles at most.
pub(crate) const FEW: usize = 4;

/// Rows that widen the weights in registers at most; more share weights that were widened into a buffer.
pub(crate) const SEVERAL: usize = 8;

/// Cache lines of one stretch of widened weights: see [`BLOCK_QUADS`].
pub(crate) const WIDENED: usize = 256;

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
        let (rows, cols) = match &target {
            Target::I8(tile, _) => (tile.rows(), tile.cols()),
            Target::U8(tile, _) => (tile.rows(), tile.cols()),
            Target::Sums(tile) => (tile.rows(), tile.cols()),
        };
        // Half as long where panels are twice as wide: the widened weights stay in the first-level cache.
        let block = BLOCK_QUADS / NB.div_ceil(64);
        let cut = Cut { rows, panels: cols.div_ceil(NR), quads: task.quads, block, group: task.group };
        let finish = Store { task, target };
        // Memory that is not needed is not touched, and not cleared.
        let (mut small, mut several, mut large, mut widened);
        let held: &mut [[i32; NR]] = if cut.held() <= HELD_SMALL {
            small = [[0; NR]; HELD_SMALL];
            &mut small
        } else if cut.held() <= HELD_SEVERAL {
            several = [[0; NR]; HELD_SEVERAL];
            &mut several
        } else {
            large = OnStack::<HELD>::ZEROS;
            large.values().as_chunks_mut().0
        };
        let panels = task.panels[task.col * 4 * task.quads..].as_chunks::<NB>().0;
        let x = task.x();
        // An instruction set has bodies for the forms that its kernel asks for, and no others.
        match task.form {
            Form::Pairs if S::ISA == Isa::Portable => {
                widened = OnStack::<WIDENED>::ZEROS;
                let product = WidenedPairs::<NV, NB> { x, panels, widened: widened.values().as_chunks_mut().0 };
                s.run_int(body::Sums::<_, _, _, MR, NR> { cut, held, product, finish });
            }
            Form::Crossed if !S::DOT4 && S::ISA != Isa::Portable && rows <= SEVERAL => {
                let product = StreamedCrossed::<NV, NB> { x, panels, panel: &[] };
                s.run_int(body::Sums::<_, _, _, SEVERAL, NR> { cut, held, product, finish });
            }
            Form::Crossed if !S::DOT4 && S::ISA != Isa::Portable => {
                widened = OnStack::<WIDENED>::ZEROS;
                let product = CrossedPairs::<NV, NB> { x, panels, widened: widened.values().as_chunks_mut().0 };
                s.run_int(body::Sums::<_, _, _, MR, NR> { cut, held, product, finish });
            }
            // Products of bytes read the weights where they lie: stretches are as long as the rows of x, eight bytes a
            // quad, stay in the first-level cache.
            Form::Nibbles if !S::DOT4 && S::ISA != Isa::Portable => {
                let product = NibbleProducts::<NV, NB> { x, panels, panel: &[] };
                let cut = Cut { block: 4096 / rows.max(1), ..cut };
                s.run_int(body::Sums::<_, _, _, FEW, NR> { cut, held, product, finish });
            }
            Form::Bytes if S::DOT4 => {
                let product = ByteProducts::<NV, NB> { x, panels, panel: &[] };
                let cut = Cut { block: 2 * BLOCK_QUADS, ..cut };
                s.run_int(body::Sums::<_, _, _, MR, NR> { cut, held, product, finish });
            }
            form => unreachable!("no kernel of {} asks for {form:?}", S::ISA.name()),
        }
    }
}

/// The rows of activations, as words.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    pub words: &'a [i32],
    pub place: Place<'a>,
    pub quads: usize,
    /// Words of one quad.
    pub per_quad: usize,
    /// The rectangle's first row.
    pub row: usize,
}

/// Where the words of a row lie.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Rows [`stride`] apart, the term of a row behind its words.
    Rows,
    /// Windows, which share words: where each row starts, and its term where there are terms.
    Windows { starts: &'a [usize], terms: &'a [i32] },
}

impl<'a> Words<'a> {
    /// A stretch of `R` rows from `row` on, `W` words a quad.
    #[inline(always)]
    pub(crate) fn rows<const R: usize, const W: usize>(
        self,
        row: usize,
        (from, to): (usize, usize),
    ) -> [&'a [[i32; W]]; R] {
        let mut rows: [&[[i32; W]]; R] = [&[]; R];
        for (r, slot) in rows.iter_mut().enumerate() {
            let start = match self.place {
                Place::Rows => (self.row + row + r) * stride(self.quads * W),
                Place::Windows { starts, .. } => starts[self.row + row + r],
            };
            *slot = self.words[start + from * W..start + to * W].as_chunks::<W>().0;
        }
        rows
    }

    /// What is added to all sums of a row.
    #[inline(always)]
    pub(crate) fn term(self, row: usize) -> i32 {
        let len = self.quads * self.per_quad;
        match self.place {
            Place::Rows => self.words[(self.row + row) * stride(len) + len],
            Place::Windows { terms, .. } => terms.get(self.row + row).copied().unwrap_or(0),
        }
    }
}

/// 16-bit pairs, the weights widened into a buffer in the first-level cache once for all rows.
pub(crate) struct WidenedPairs<'a, 'b, const NV: usize, const NB: usize> {
    pub x: Words<'a>,
    pub panels: &'a [[i8; NB]],
    pub widened: &'b mut [[i16; NB]],
}

impl<const NV: usize, const NB: usize> Product for WidenedPairs<'_, '_, NV, NB> {
    #[inline(always)]
    fn prepare<S: SimdInt>(&mut self, s: S, panel: usize, _: usize, quads: (usize, usize)) {
        products::widen::<S, NV, NB>(s, &self.panels[panel * self.x.quads..], quads, self.widened);
    }
    #[inline(always)]
    fn rows<S: SimdInt, const R: usize>(&self, s: S, row: usize, quads: (usize, usize), sums: &mut [i32; TILE]) {
        let w = &self.widened[..quads.1 - quads.0];
        products::pairs::<S, _, R, NV>(s, self.x.rows::<R, 2>(row, quads), w, sums);
    }
}

/// 16-bit pairs crossed, the weights widened likewise.
struct CrossedPairs<'a, 'b, const NV: usize, const NB: usize> {
    x: Words<'a>,
    panels: &'a [[i8; NB]],
    widened: &'b mut [[i16; NB]],
}

impl<const NV: usize, const NB: usize> Product for CrossedPairs<'_, '_, NV, NB> {
    #[inline(always)]
    fn prepare<S: SimdInt>(&mut self, s: S, panel: usize, _: usize, quads: (usize, usize)) {
        products::widen::<S, NV, NB>(s, &self.panels[panel * self.x.quads..], quads, self.widened);
    }
    #[inline(always)]
    fn rows<S: SimdInt, const R: usize>(&self, s: S, row: usize, quads: (usize, usize), sums: &mut [i32; TILE]) {
        let w = &self.widened[..quads.1 - quads.0];
        products::crossed::<S, _, R, NV>(s, self.x.rows::<R, 2>(row, quads), w, sums);
    }
}

/// 16-bit pairs crossed, the weights widened in registers: for several rows.
struct StreamedCrossed<'a, const NV: usize, const NB: usize> {
    x: Words<'a>,
    panels: &'a [[i8; NB]],
    panel: &'a [[i8; NB]],
}

impl<const NV: usize, const NB: usize> Product for StreamedCrossed<'_, NV, NB> {
    #[inline(always)]
    fn prepare<S: SimdInt>(&mut self, _: S, panel: usize, _: usize, (from, _): (usize, usize)) {
        self.panel = &self.panels[panel * self.x.quads + from..];
    }
    #[inline(always)]
    fn rows<S: SimdInt, const R: usize>(&self, s: S, row: usize, quads: (usize, usize), sums: &mut [i32; TILE]) {
        let (now, next) = self.panel.split_at(quads.1 - quads.0);
        products::crossed_streamed::<S, R, NV, NB>(s, self.x.rows::<R, 2>(row, quads), now, next, sums);
    }
}

/// 16-bit pairs, the weights widened in registers: for few rows.
pub(crate) struct StreamedPairs<'a, const NV: usize, const NB: usize> {
    pub x: Words<'a>,
    pub panels: &'a [[i8; NB]],
    pub panel: &'a [[i8; NB]],
}

impl<const NV: usize, const NB: usize> Product for StreamedPairs<'_, NV, NB> {
    #[inline(always)]
    fn prepare<S: SimdInt>(&mut self, s: S, panel: usize, _: usize, (from, to): (usize, usize)) {
        let start = panel * self.x.quads;
        self.panel = &self.panels[start + from..start + to];
        // The stretch that comes next arrives while this one is multiplied.
        for quad in self.panels[start + to..].iter().take(to - from) {
            for line in quad.chunks_exact(64) {
                s.prefetch(line);
            }
        }
    }
    #[inline(always)]
    fn rows<S: SimdInt, const R: usize>(&self, s: S, row: usize, quads: (usize, usize), sums: &mut [i32; TILE]) {
        products::pairs::<S, _, R, NV>(s, self.x.rows::<R, 2>(row, quads), self.panel, sums);
    }
}

/// Halves of four bits.
struct NibbleProducts<'a, const NV: usize, const NB: usize> {
    x: Words<'a>,
    panels: &'a [[i8; NB]],
    panel: &'a [[i8; NB]],
}

impl<const NV: usize, const NB: usize> Product for NibbleProducts<'_, NV, NB> {
    #[inline(always)]
    fn prepare<S: SimdInt>(&mut self, _: S, panel: usize, _: usize, (from, to): (usize, usize)) {
        let start = panel * self.x.quads;
        self.panel = &self.panels[start + from..start + to];
    }
    #[inline(always)]
    fn rows<S: SimdInt, const R: usize>(&self, s: S, row: usize, quads: (usize, usize), sums: &mut [i32; TILE]) {
        products::nibbles::<S, R, NV, NB>(s, self.x.rows::<R, 2>(row, quads), self.panel, sums);
    }
}

/// Four bytes at once.
struct ByteProducts<'a, const NV: usize, const NB: usize> {
    x: Words<'a>,
    panels: &'a [[i8; NB]],
    panel: &'a [[i8; NB]],
}

impl<const NV: usize, const NB: usize> Product for ByteProducts<'_, NV, NB> {
    #[inline(always)]
    fn prepare<S: SimdInt>(&mut self, _: S, panel: usize, _: usize, (from, to): (usize, usize)) {
        let start = panel * self.x.quads;
        self.panel = &self.panels[start + from..start + to];
    }
    #[inline(always)]
    fn rows<S: SimdInt, const R: usize>(&self, s: S, row: usize, quads: (usize, usize), sums: &mut [i32; TILE]) {
        let x = self.x.rows::<R, 1>(row, quads).map(|row| row.as_flattened());
        products::bytes::<S, R, NV, NB>(s, x, self.panel, sums);
    }
}

/// Adds the start values, requantizes and stores.
pub(super) struct Store<'a, 'b> {
    pub task: &'a Task<'a>,
    pub target: Target<'b>,
}

impl<const NR: usize> Finish<i32, NR> for Store<'_, '_> {
    #[inline(always)]
    fn panel(&mut self, panel: usize, sums: &[[i32; NR]]) {
        let col = panel * NR;
        let from = Sums::<NR> {
            sums,
            start: self.task.start[self.task.col + col..].first_chunk().expect("start values fill whole panels"),
            x: self.task.x(),
        };
        match &mut self.target {
            Target::I8(tile, requantize) => requantized(requantize, self.task.col, col, &from, tile),
            Target::U8(tile, requantize) => requantized(requantize, self.task.col, col, &from, tile),
            Target::Sums(tile) => {
                for row in 0..sums.len() {
                    let to = &mut tile.row(row)[col..];
                    let width = NR.min(to.len());
                    to[..width].copy_from_slice(&from.row(row)[..width]);
                }
            }
        }
    }
}

/// The sums of one panel and what is still to be added.
pub(crate) struct Sums<'a, const NR: usize> {
    pub sums: &'a [[i32; NR]],
    pub start: &'a [i32; NR],
    /// Their last word is each row's term.
    pub x: Words<'a>,
}

impl<const NR: usize> RowsOfSums<i32, NR> for Sums<'_, NR> {
    #[inline(always)]
    fn row(&self, row: usize) -> [i32; NR] {
        let term = self.x.term(row);
        let mut sums = self.sums[row];
        for (sum, start) in sums.iter_mut().zip(self.start) {
            *sum = sum.wrapping_add(*start).wrapping_add(term);
        }
        sums
    }
}

/// Requantizes a panel into columns `col..` of a rectangle whose first column is `first`.
#[inline(always)]
pub(crate) fn requantized<O: requantize::Output, const NR: usize>(
    requantize: &Requantize,
    first: usize,
    col: usize,
    from: &Sums<'_, NR>,
    tile: &mut TileMut<'_, O>,
) {
    let width = NR.min(tile.cols() - col);
    requantize_rows::<O, NR>(requantize, first + col, from.sums.len(), from, |row, out| {
        write(out, &mut tile.row(row)[col..col + width])
    });
}
