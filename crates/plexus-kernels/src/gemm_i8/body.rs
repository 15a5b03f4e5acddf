//! The loop nest around the register tiles, written once for every way to multiply and both widths of sums.

use super::products::{Aligned, TILE};
use crate::isa::SimdInt;

/// The running sums of a rectangle: rows of `nr` sums for one panel after the other.
///
/// 1024 rows of 16 sums are 64 KiB of a 512 KiB second-level cache.
pub(crate) const HELD: usize = 1024;

/// As many are on the stack of a small rectangle.
pub(crate) const HELD_SMALL: usize = 32;

/// The width of a running sum.
pub(crate) trait Accumulator: Copy {
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
pub(crate) trait Product<S: SimdInt> {
    /// How many products a stretch takes: weights cut into bytes take two.
    const PLANES: usize = 1;
    /// Makes quads `from..to` of a panel ready.
    fn prepare(&mut self, s: S, panel: usize, plane: usize, quads: (usize, usize));
    /// The sums of `R` rows from `row` on, with what was made ready last.
    fn rows<const R: usize>(&self, s: S, row: usize, quads: (usize, usize), sums: &mut [i32; TILE]);
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
#[inline(always)]
pub(crate) fn sums<S, P, A, F, const MR: usize, const NR: usize>(
    s: S,
    cut: Cut,
    held: &mut [[A; NR]],
    product: &mut P,
    finish: &mut F,
) where
    S: SimdInt,
    P: Product<S>,
    A: Accumulator,
    F: Finish<A, NR>,
{
    let Cut { rows, panels, quads, block, group } = cut;
    // Rows in register tiles of about one height: eight rows are four and four, not six and two.
    let step = rows.div_ceil(rows.div_ceil(MR).max(1)).max(1);
    let tile = &mut Aligned([0i32; TILE]).0;
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
                        // Fewer rows have bodies of their own: a batch of two must not pay for six.
                        match height {
                            1 => product.rows::<1>(s, row, stretch, tile),
                            2 if MR >= 2 => product.rows::<2>(s, row, stretch, tile),
                            3 if MR >= 3 => product.rows::<3>(s, row, stretch, tile),
                            4 if MR >= 4 => product.rows::<4>(s, row, stretch, tile),
                            5 if MR >= 5 => product.rows::<5>(s, row, stretch, tile),
                            6 if MR >= 6 => product.rows::<6>(s, row, stretch, tile),
                            7 if MR >= 7 => product.rows::<7>(s, row, stretch, tile),
                            _ => product.rows::<MR>(s, row, stretch, tile),
                        }
                        let sums = &tile.as_chunks::<NR>().0[..height];
                        for (held, sums) in held[row..row + height].iter_mut().zip(sums) {
                            for j in 0..NR {
                                held[j] = held[j].plus(sums[j], plane);
                            }
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
