//! The loop nest, written once for every instruction set.

// Loops over registers are written with indices: their bounds are constants, so they unroll, and the letters match the
// formulas.
#![allow(clippy::needless_range_loop)]

use super::element::{Bf16, Element, Int4, Int8, Left};
use super::{Group, Job, LARGE, Values, WIDTH};
use crate::buffer::TileMut;
use crate::isa::{Widen, Widening};
use crate::map::{self, Function};

/// Rows of the batch that pass over one block of weights while it is in the first-level cache.
pub(super) const ROWS: usize = 8;

/// The largest magnitude of a row; NaN where it has one.
pub(super) fn largest(row: &[f32]) -> f32 {
    // As whole numbers: the bits of magnitudes are ordered, infinity above the numbers and NaN above infinity.
    let magnitude = |x: &f32| (x.to_bits() & 0x7FFF_FFFF).cast_signed();
    let (chunks, rest) = row.as_chunks::<8>();
    let mut lanes = [0i32; 8];
    for chunk in chunks {
        for i in 0..8 {
            lanes[i] = lanes[i].max(magnitude(&chunk[i]));
        }
    }
    let largest = lanes.into_iter().chain(rest.iter().map(magnitude)).fold(0, i32::max);
    f32::from_bits(largest.cast_unsigned())
}

/// The sum of each block of a row.
pub(super) fn block_sums(row: &[f32], block_len: usize, sums: &mut [f32]) {
    for (block, sum) in row.chunks(block_len).zip(sums) {
        let mut lanes = [0.0f32; 8];
        let (chunks, rest) = block.as_chunks::<8>();
        for chunk in chunks {
            for i in 0..8 {
                lanes[i] += chunk[i];
            }
        }
        for i in 0..rest.len() {
            lanes[i] += rest[i];
        }
        *sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
    }
}

/// Computes a rectangle of `c`.
pub(super) struct Stretch<'a, 'b> {
    pub job: &'a Job<'a>,
    /// Where the rectangle starts; multiples of [`ROWS`] and [`WIDTH`].
    pub row: usize,
    pub col: usize,
    pub tile: TileMut<'b>,
}

impl Widening for Stretch<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Widen>(mut self, s: S) {
        let Job { b, function, .. } = *self.job;
        match &b.values {
            Values::Bf16(values) => {
                s.run_widening(Panels::<Bf16> { stretch: &mut self, packed: bytemuck::cast_slice(values) });
            }
            Values::Int8(values) => {
                s.run_widening(Panels::<Int8> { stretch: &mut self, packed: bytemuck::cast_slice(values) });
            }
            Values::Int4(words) => {
                s.run_widening(Panels::<Int4> { stretch: &mut self, packed: bytemuck::cast_slice(words) });
            }
        }
        if function != Function::Identity {
            for row in 0..self.tile.rows() {
                map::apply(S::ISA, function, self.tile.row(row));
            }
        }
    }
}

/// The panels of a stretch, in one number format.
struct Panels<'a, 'b, 'c, E: Element> {
    stretch: &'c mut Stretch<'a, 'b>,
    packed: &'a [E::Row],
}

impl<E: Element> Widening for Panels<'_, '_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Widen>(self, s: S) {
        let Panels { stretch: Stretch { job, row, col, tile }, packed } = self;
        let (k, format) = (job.b.rows, job.b.format);
        let groups = format.groups(k);
        for j in (0..tile.cols()).step_by(WIDTH) {
            let (panel, width) = ((*col + j) / WIDTH, WIDTH.min(tile.cols() - j));
            let panel = Panel {
                weights: &packed[panel * k..(panel + 1) * k],
                scales: job.b.scales[panel * groups * WIDTH..][..groups * WIDTH].as_chunks::<WIDTH>().0,
                width,
                block_len: format.block_len(),
                one_group: format.group() == Some(Group::Row),
            };
            for i in (0..tile.rows()).step_by(ROWS) {
                let height = ROWS.min(tile.rows() - i);
                let mut totals = [[0.0f32; WIDTH]; ROWS];
                panel.rows::<S, E>(s, job, *row + i, &mut totals[..height]);
                for (r, total) in totals[..height].iter().enumerate() {
                    let to = &mut tile.row(i + r)[j..j + width];
                    match job.bias {
                        Some(bias) => {
                            let bias = &bias[*col + j..][..width];
                            for c in 0..width {
                                to[c] = total[c] + bias[c];
                            }
                        }
                        None => to.copy_from_slice(&total[..width]),
                    }
                }
            }
        }
    }
}

/// [`WIDTH`] columns of packed weights.
struct Panel<'a, T> {
    /// `[k]`
    weights: &'a [T],
    /// bfloat16, `[groups]`
    scales: &'a [[u16; WIDTH]],
    /// Columns that are asked for.
    width: usize,
    block_len: usize,
    /// Whether all of `k` shares a scale.
    one_group: bool,
}

impl<T> Panel<'_, T> {
    /// Adds the products of up to [`ROWS`] rows from `row` on to zeroed totals.
    #[inline(always)]
    fn rows<S: Widen, E: Element<Row = T>>(&self, s: S, job: &Job<'_>, row: usize, totals: &mut [[f32; WIDTH]]) {
        let height = totals.len();
        let scalable = |r: usize| !E::SCALED || job.largest[row + r] < LARGE;
        for (b, weights) in self.weights.chunks(self.block_len).enumerate() {
            let block = Block {
                weights,
                scales: if E::SCALED { &self.scales[if self.one_group { 0 } else { b }] } else { &[0; WIDTH] },
                width: self.width,
                index: b,
                start: b * self.block_len,
                end: job.b.rows.min((b + 1) * self.block_len),
            };
            let mut r = 0;
            while r < height {
                let mut together = 0;
                while together < 4 && r + together < height && scalable(r + together) {
                    together += 1;
                }
                let (row, totals) = (row + r, &mut totals[r..]);
                match together {
                    0 => block.large::<S, E>(s, job, row, &mut totals[0]),
                    1 => block.tile::<S, E, 1>(s, job, row, totals),
                    2 => block.tile::<S, E, 2>(s, job, row, totals),
                    3 => block.tile::<S, E, 3>(s, job, row, totals),
                    _ => block.tile::<S, E, 4>(s, job, row, totals),
                }
                r += together.max(1);
            }
        }
    }
}

/// A block of a panel: the elements of `k` from `start` to `end`.
struct Block<'a, T> {
    weights: &'a [T],
    scales: &'a [u16; WIDTH],
    width: usize,
    index: usize,
    start: usize,
    end: usize,
}

impl<T> Block<'_, T> {
    /// Adds the products of `R` rows to their totals.
    #[inline(always)]
    fn tile<S: Widen, E: Element<Row = T>, const R: usize>(
        &self,
        s: S,
        job: &Job<'_>,
        row: usize,
        totals: &mut [[f32; WIDTH]],
    ) {
        let mut left = Left { x: [&[]; R], sum: [0.0; R] };
        for r in 0..R {
            left.x[r] = job.block(row + r, self.start, self.end);
            left.sum[r] = job.sum(row + r, self.index);
        }
        // Eight sums in flight; sixteen where there are 32 registers.
        match (S::LEN, R) {
            (16, _) => self.columns::<S, E, R, 4>(s, &left, totals),
            (_, 1) if self.width > WIDTH / 2 => self.columns::<S, E, R, 8>(s, &left, totals),
            (_, 1 | 2) => self.columns::<S, E, R, 4>(s, &left, totals),
            _ => self.columns::<S, E, R, 2>(s, &left, totals),
        }
    }

    /// The columns that are asked for, `V` vectors at a time.
    #[inline(always)]
    fn columns<S: Widen, E: Element<Row = T>, const R: usize, const V: usize>(
        &self,
        s: S,
        left: &Left<'_, R>,
        totals: &mut [[f32; WIDTH]],
    ) {
        for first in (0..self.width).step_by(V * S::LEN) {
            let sums = E::sums::<S, R, V>(s, left, self.weights, first);
            for v in 0..V {
                let at = first + v * S::LEN;
                let scale = s.load_bf16(&self.scales[at..at + S::LEN]);
                for r in 0..R {
                    let total = &mut totals[r][at..at + S::LEN];
                    let sum = s.load(total);
                    s.store(if E::SCALED { s.mul_add(scale, sums[r][v], sum) } else { s.add(sum, sums[r][v]) }, total);
                }
            }
        }
    }

    /// Adds the products of a row with large elements, weight by weight, each with its scale.
    #[inline(always)]
    fn large<S: Widen, E: Element<Row = T>>(&self, s: S, job: &Job<'_>, row: usize, total: &mut [f32; WIDTH]) {
        let x = job.block(row, self.start, self.end);
        for at in (0..self.width).step_by(S::LEN) {
            let scale = s.load_bf16(&self.scales[at..at + S::LEN]);
            let mut sum = s.splat(0.0);
            for (x, weights) in x.iter().zip(self.weights) {
                sum = s.mul_add(s.splat(*x), s.mul(scale, E::multiples(s, weights, at)), sum);
            }
            let total = &mut total[at..at + S::LEN];
            s.store(s.add(s.load(total), sum), total);
        }
    }
}
