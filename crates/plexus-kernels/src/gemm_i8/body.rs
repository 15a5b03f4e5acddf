//! The loop nest around the register tiles, written once for every way to multiply and both widths of sums.

use super::products::TILE;
use crate::buffer::OnStack;
use crate::isa::{SimdInt, VectorizedInt};
use bytemuck::Pod;

/// Cache lines of running sums that a rectangle holds at most, rows of `nr` sums for one panel after the other: 64 KiB of
/// a 512 KiB second-level cache.
pub(crate) const HELD: usize = 1024;

/// Rows of running sums that a small rectangle holds at most.
pub(crate) const HELD_SMALL: usize = 32;

/// Rows of a rectangle whose `k` is one group: see [`tile`](super::tile).
pub(crate) const HELD_SEVERAL: usize = 128;

/// The width of a running sum.
pub(crate) trait Accumulator: Pod {
    /// Zero.
    const ZERO: Self;
    /// Adds `sum · 256^plane`.
    fn plus(self, sum: i32, plane: usize) -> Self;
}

/// Modulo 2³².
impl Accumulator for i32 {
    const ZERO: i32 = 0;
    #[inline(always)]
    fn plus(self, sum: i32, plane: usize) -> i32 {
        self.wrapping_add(sum << (8 * plane))
    }
}

/// Exact; the blocks are short enough that a block's sum fits into 32 bits.
impl Accumulator for i64 {
    const ZERO: i64 = 0;
    #[inline(always)]
    fn plus(self, sum: i32, plane: usize) -> i64 {
        self.wrapping_add(i64::from(sum) << (8 * plane))
    }
}

/// One way to multiply rows of `x` with a stretch of a panel.
pub(crate) trait Product {
    /// How many products a stretch takes: weights cut into bytes take two.
    const PLANES: usize = 1;
    /// Makes quads `from..to` of a panel ready.
    fn prepare<S: SimdInt>(&mut self, s: S, panel: usize, plane: usize, quads: (usize, usize));
    /// The sums of `R` rows from `row` on, with what was made ready last.
    fn rows<S: SimdInt, const R: usize>(&self, s: S, row: usize, quads: (usize, usize), sums: &mut [i32; TILE]);
}

/// What happens to the finished sums of one panel.
pub(crate) trait Finish<A, const NR: usize> {
    /// `sums[row]` are those of the rectangle's row, for the columns of panel `panel` of the rectangle.
    fn panel(&mut self, panel: usize, sums: &[[A; NR]]);
}

/// The size of a rectangle and how `k` is cut.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    pub rows: usize,
    pub panels: usize,
    /// Quads of `k`.
    pub quads: usize,
    /// Quads of one stretch at most: what a register tile sums at once.
    pub block: usize,
    /// Quads that are finished for all panels before the next: the rows of `x` stay in the second-level cache.
    pub group: usize,
}

impl Cut {
    /// The rows of running sums that it needs.
    pub(crate) fn held(&self) -> usize {
        if self.group < self.quads { self.rows * self.panels } else { self.rows }
    }
}

/// Computes the sums of a rectangle and hands each panel's to `finish`.
pub(crate) struct Sums<'a, A, P, F, const MR: usize, const NR: usize> {
    pub cut: Cut,
    /// At least [`Cut::held`] rows.
    pub held: &'a mut [[A; NR]],
    pub product: P,
    pub finish: F,
}

impl<A, P, F, const MR: usize, const NR: usize> VectorizedInt for Sums<'_, A, P, F, MR, NR>
where
    A: Accumulator,
    P: Product,
    F: Finish<A, NR>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: SimdInt>(self, s: S) {
        let Sums { cut: Cut { rows, panels, quads, block, group }, held, mut product, mut finish } = self;
        // Rows in register tiles of about one height: eight rows are four and four, not six and two.
        let step = rows.div_ceil(rows.div_ceil(MR).max(1)).max(1);
        let mut tile = OnStack::<{ TILE * size_of::<i32>() / 64 }>::ZEROS;
        let tile: &mut [i32; TILE] = tile.values().try_into().expect("the lines have as many sums");
        let one_group = group >= quads;
        let mut start = 0;
        loop {
            let end = quads.min(start + group);
            for panel in 0..panels {
                let held = if one_group { &mut held[..rows] } else { &mut held[panel * rows..][..rows] };
                if start == 0 {
                    held.fill([A::ZERO; NR]);
                }
                // Stretches of about one length: none is left over short.
                let step_quads = (end - start).div_ceil((end - start).div_ceil(block).max(1)).max(1);
                let mut from = start;
                while from < end {
                    let stretch = (from, end.min(from + step_quads));
                    for plane in 0..P::PLANES {
                        product.prepare(s, panel, plane, stretch);
                        let mut row = 0;
                        while row < rows {
                            let height = step.min(rows - row);
                            let tile_of = Tile { product: &product, row, stretch, sums: tile };
                            // Fewer rows have bodies of their own: a batch of two must not pay for six.
                            match height {
                                1 => tile_of.run::<S, 1>(s),
                                2 if MR >= 2 => tile_of.run::<S, 2>(s),
                                3 if MR >= 3 => tile_of.run::<S, 3>(s),
                                4 if MR >= 4 => tile_of.run::<S, 4>(s),
                                5 if MR >= 5 => tile_of.run::<S, 5>(s),
                                6 if MR >= 6 => tile_of.run::<S, 6>(s),
                                7 if MR >= 7 => tile_of.run::<S, 7>(s),
                                _ => tile_of.run::<S, MR>(s),
                            }
                            // As one row: compilers make the best of that.
                            let held = held[row..row + height].as_flattened_mut();
                            for (held, &sum) in held.iter_mut().zip(&tile[..height * NR]) {
                                *held = held.plus(sum, plane);
                            }
                            row += height;
                        }
                    }
                    from = stretch.1;
                }
                if end == quads {
                    finish.panel(panel, held);
                }
            }
            start = end;
            if start == quads {
                break;
            }
        }
    }
}

/// The rows of one register tile and where their sums go.
struct Tile<'a, P> {
    product: &'a P,
    row: usize,
    stretch: (usize, usize),
    sums: &'a mut [i32; TILE],
}

impl<P: Product> Tile<'_, P> {
    /// Computes the sums of `R` rows.
    #[inline(always)]
    fn run<S: SimdInt, const R: usize>(self, s: S) {
        s.run_int(TileOf::<P, R>(self));
    }
}

/// A register tile of `R` rows.
struct TileOf<'a, P, const R: usize>(Tile<'a, P>);

impl<P: Product, const R: usize> VectorizedInt for TileOf<'_, P, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: SimdInt>(self, s: S) {
        let Tile { product, row, stretch, sums } = self.0;
        product.rows::<S, R>(s, row, stretch, sums);
    }
}
