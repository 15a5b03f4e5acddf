//! The loop nest with pixels in the lanes, for few filters and few channels.
//!
//! Each channel of the padded input is copied into two planes, of its even and of its odd columns. A vector of even
//! output columns, and one of odd ones, then read contiguous elements for every element of a filter, and the four numbers
//! of a 2 x 2 window are in the same lane of four vectors.

#![allow(clippy::needless_range_loop)]

use super::body::{TILE, TileMemory, keep};
use super::epilogue::{byte, cheap, in_cache, in_registers, largest, largest_and_position};
use super::pack::FEW;
use super::source::input_rows;
use super::{Band, Block, Geometry};
use crate::isa::{Simd, Vectorized};
use std::ops::Range;

/// The most lanes of any instruction set.
const LANES: usize = 16;

/// Filters whose results are turned into pixels together; the most that this form computes.
const TURNED: usize = 8;

/// Elements of a plane's row: whole vectors of pairs of columns, what a filter reaches beyond, and whole cache lines.
fn pitch(geometry: &Geometry, cols: usize) -> usize {
    (cols.div_ceil(2).next_multiple_of(LANES) + geometry.kernel[1] / 2 + 1).next_multiple_of(LANES)
}

/// Rows of the planes for `rows` rows of the output: an odd number of these is computed as the next even one.
fn plane_rows(geometry: &Geometry, rows: usize) -> usize {
    rows.next_multiple_of(2) + geometry.kernel[0] - 1
}

/// Numbers of the planes for `rows` rows of the (full) output.
pub(super) fn planes_len(geometry: &Geometry, rows: usize, cols: usize) -> usize {
    plane_rows(geometry, rows) * geometry.channels * 2 * pitch(geometry, cols)
}

/// Copies what `rows` of the (full) output see: `planes[row][channel][column % 2][column / 2]`, zero elsewhere.
struct Fill<'a, 'b> {
    geometry: &'a Geometry,
    input: &'a [f32],
    rows: &'b Range<usize>,
    pitch: usize,
    planes: &'b mut [f32],
}

impl Vectorized for Fill<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        fill(self);
    }
}

#[inline(always)]
fn fill(Fill { geometry, input, rows, pitch, planes }: Fill<'_, '_>) {
    let channels = geometry.channels;
    let [top, left, _, _] = geometry.padding;
    let first = input_rows(geometry, rows).start;
    for (at, planes) in planes.chunks_exact_mut(channels * 2 * pitch).enumerate() {
        planes.fill(0.0);
        let Some(row) = (first + at).checked_sub(top).filter(|&row| row < geometry.height) else { continue };
        let row = &input[row * geometry.width * channels..][..geometry.width * channels];
        for (c, planes) in planes.chunks_exact_mut(2 * pitch).enumerate() {
            let (even, odd) = planes.split_at_mut(pitch);
            if channels == 1 {
                split(row, left, even, odd);
            } else {
                for (x, pixel) in row.chunks_exact(channels).enumerate() {
                    let column = left + x;
                    let plane = if column % 2 == 0 { &mut *even } else { &mut *odd };
                    // Columns that no window reaches are left out.
                    if let Some(to) = plane.get_mut(column / 2) {
                        *to = pixel[c];
                    }
                }
            }
        }
    }
}

/// Pairs of columns that are taken apart together.
const PAIRS: usize = 8;

/// Takes a row apart into even and odd columns, the first being column `left`.
#[inline(always)]
fn split(mut row: &[f32], left: usize, even: &mut [f32], odd: &mut [f32]) {
    let mut at = left / 2;
    if !left.is_multiple_of(2)
        && let Some((first, rest)) = row.split_first()
    {
        odd[at] = *first;
        (row, at) = (rest, at + 1);
    }
    let (pairs, last) = row.as_chunks::<2>();
    let count = pairs.len().min(even.len().saturating_sub(at));
    let pairs = &pairs[..count];
    let (even, odd) = (&mut even[at..], &mut odd[at..]);
    if count >= PAIRS {
        // The last group may begin before the end of the one before it.
        for start in (0..count).step_by(PAIRS) {
            let start = start.min(count - PAIRS);
            let pairs: &[[f32; 2]; PAIRS] = pairs[start..].first_chunk().expect("a whole group is left");
            let mut apart = [[0.0; PAIRS]; 2];
            for i in 0..PAIRS {
                (apart[0][i], apart[1][i]) = (pairs[i][0], pairs[i][1]);
            }
            let room = "the planes have room for all pairs";
            *even[start..].first_chunk_mut().expect(room) = apart[0];
            *odd[start..].first_chunk_mut().expect(room) = apart[1];
        }
    } else {
        for (i, pair) in pairs.iter().enumerate() {
            (even[i], odd[i]) = (pair[0], pair[1]);
        }
    }
    if let [last] = last
        && let Some(to) = even.get_mut(count)
    {
        *to = *last;
    }
}

/// Computes a band, at most `FG` filters at once.
#[inline(always)]
pub(super) fn run_pixels<S: Simd, const FG: usize>(s: S, band: &mut Band<'_, '_>) {
    let filters = band.block.geometry.filters;
    let together = filters.div_ceil(filters.div_ceil(FG));
    match together {
        1 => s.run(Pixels::<1> { band }),
        2 if FG >= 2 => s.run(Pixels::<2> { band }),
        3 if FG >= 3 => s.run(Pixels::<3> { band }),
        4 if FG >= 4 => s.run(Pixels::<4> { band }),
        _ => s.run(Pixels::<FG> { band }),
    }
}

/// Computes a band, `FG` filters at once.
struct Pixels<'a, 'b, 'c, const FG: usize> {
    band: &'c mut Band<'a, 'b>,
}

/// The results of some filters for a vector of pairs of columns: rows 0 and 1, even and odd columns of each.
#[repr(C, align(64))]
struct Turned([[[f32; LANES]; FEW]; 4]);

impl<const FG: usize> Vectorized for Pixels<'_, '_, '_, FG> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Band { block, sample, rows, output, positions, halo } = self.band;
        let block: &Block<'_> = block;
        let geometry = block.geometry;
        let full = block.full_rows(rows);
        let cols = if block.pooled { 2 * block.cols } else { block.cols };
        let pitch = pitch(geometry, cols);
        let planes = &mut halo[..planes_len(geometry, full.len(), cols)];
        s.run(Fill { geometry, input: block.sample(*sample), rows: &full, pitch, planes: &mut *planes });
        let planes = &*planes;

        let mut bias = [-0.0; FEW];
        if let Some(values) = block.bias {
            bias[..values.len()].copy_from_slice(values);
        }
        let mut memory = TileMemory::ZEROS;
        let memory = &mut memory.0;
        let mut turned = Turned([[[0.0; LANES]; FEW]; 4]);
        for y in (0..full.len()).step_by(2) {
            for pair in (0..cols.div_ceil(2)).step_by(S::LEN) {
                for f in (0..geometry.filters).step_by(FG) {
                    let sums = product::<S, FG>(s, block, planes, pitch, Place { y, pair, f });
                    keep(s, &sums, memory);
                    let bias = &bias[f..geometry.filters.min(f + FG)];
                    let (sums, turned, positions) = (&mut *memory, &mut turned, positions.is_some());
                    s.run(Finish { block, sums, bias, positions, turned, f });
                }
                let (output, positions) = (&mut **output, positions.as_deref_mut());
                s.run(Target { block, y, pair, cols, rows: full.len(), turned: &turned, output, positions });
            }
        }
    }
}

/// Two rows of the output, a vector of pairs of columns, some filters.
#[derive(Clone, Copy)]
struct Place {
    y: usize,
    pair: usize,
    f: usize,
}

/// What a tap of a filter may read beyond the first pair: eight elements, for filters up to 15 columns wide.
const WINDOW: usize = LANES + 8;

/// The widest filter for this form.
pub(super) const WIDEST: usize = 15;

/// A row of both planes of one channel, from the first pair of the tile on.
#[derive(Clone, Copy)]
struct Columns<'a> {
    even: &'a [f32; WINDOW],
    odd: &'a [f32; WINDOW],
}

impl<'a> Columns<'a> {
    #[inline(always)]
    fn new(planes: &'a [f32], at: usize, pitch: usize) -> Self {
        let window = |at: usize| planes[at..].first_chunk().expect("the planes end with room for a window");
        Columns { even: window(at), odd: window(at + pitch) }
    }

    /// What even and odd columns of the output read for element `j` of a filter's row.
    #[inline(always)]
    fn load<S: Simd>(&self, s: S, j: usize) -> [S::F; 2] {
        let at = j / 2;
        match j % 2 {
            0 => [s.load(&self.even[at..at + S::LEN]), s.load(&self.odd[at..at + S::LEN])],
            _ => [s.load(&self.odd[at..at + S::LEN]), s.load(&self.even[at + 1..at + 1 + S::LEN])],
        }
    }
}

/// The sums of `FG` filters: rows 0 and 1, even and odd columns of each.
#[inline(always)]
fn product<S: Simd, const FG: usize>(
    s: S,
    block: &Block<'_>,
    planes: &[f32],
    pitch: usize,
    Place { y, pair, f }: Place,
) -> [[S::F; 4]; FG] {
    let geometry = block.geometry;
    let panel = block.panels.as_chunks::<FEW>().0;
    let [kernel_rows, kernel_cols] = geometry.kernel;
    let channels = geometry.channels;
    let row = channels * 2 * pitch;
    let mut sums = [[s.splat(0.0); 4]; FG];
    for i in 0..kernel_rows {
        let start = (y + i) * row + pair;
        let panel = &panel[i * kernel_cols * channels..(i + 1) * kernel_cols * channels];
        if channels == 1 {
            let upper = Columns::new(planes, start, pitch);
            let lower = Columns::new(planes, start + row, pitch);
            for (j, w) in panel.iter().enumerate() {
                let ([a, b], [c, d]) = (upper.load(s, j), lower.load(s, j));
                sums = tap::<S, FG>(s, sums, [a, b, c, d], w, f);
            }
        } else {
            for (j, panel) in panel.chunks_exact(channels).enumerate() {
                for (c, w) in panel.iter().enumerate() {
                    let upper = Columns::new(planes, start + c * 2 * pitch, pitch);
                    let lower = Columns::new(planes, start + row + c * 2 * pitch, pitch);
                    let ([a, b], [c, d]) = (upper.load(s, j), lower.load(s, j));
                    sums = tap::<S, FG>(s, sums, [a, b, c, d], w, f);
                }
            }
        }
    }
    sums
}

/// Adds the products of one element of the filters from `f` on.
#[inline(always)]
fn tap<S: Simd, const FG: usize>(
    s: S,
    mut sums: [[S::F; 4]; FG],
    x: [S::F; 4],
    w: &[f32; FEW],
    f: usize,
) -> [[S::F; 4]; FG] {
    let w: &[f32; FG] = w[f..].first_chunk().expect("a panel has room for every group");
    for g in 0..FG {
        let w = s.splat(w[g]);
        for p in 0..4 {
            sums[g][p] = s.mul_add(x[p], w, sums[g][p]);
        }
    }
    sums
}

/// What is done to the sums of some filters, the first being `f`: bias, function, pooling, and a place to be turned from.
struct Finish<'a, 'b> {
    block: &'a Block<'a>,
    sums: &'b mut [f32; TILE],
    /// One for each of these filters.
    bias: &'b [f32],
    positions: bool,
    turned: &'b mut Turned,
    f: usize,
}

impl Vectorized for Finish<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Finish { block, sums, bias, positions, turned, f } = self;
        let in_cache_first = block.pooled && !in_registers(block.function);
        if in_cache_first {
            for g in 0..bias.len() {
                let sums = &mut sums[4 * g * S::LEN..4 * (g + 1) * S::LEN];
                for p in 0..4 {
                    let sums = &mut sums[p * S::LEN..(p + 1) * S::LEN];
                    s.store(s.add(s.load(sums), s.splat(bias[g])), sums);
                }
            }
            in_cache(S::ISA, block.function, &mut sums[..4 * bias.len() * S::LEN]);
        }
        for g in 0..bias.len() {
            let sums = &sums[4 * g * S::LEN..4 * (g + 1) * S::LEN];
            let mut four = [s.splat(0.0); 4];
            for p in 0..4 {
                four[p] = s.load(&sums[p * S::LEN..(p + 1) * S::LEN]);
            }
            if !in_cache_first {
                for p in 0..4 {
                    four[p] = s.add(four[p], s.splat(bias[g]));
                }
                four = cheap(s, block.function, four);
            }
            if !block.pooled {
                for p in 0..4 {
                    s.store(four[p], &mut turned.0[p][f + g]);
                }
            } else if positions {
                let (largest, position) = largest_and_position(s, four);
                s.store(largest, &mut turned.0[0][f + g]);
                s.store(position, &mut turned.0[1][f + g]);
            } else {
                s.store(largest(s, four), &mut turned.0[0][f + g]);
            }
        }
    }
}

/// Where the results of two rows and a vector of pairs of columns go.
struct Target<'a, 'b> {
    block: &'a Block<'a>,
    y: usize,
    pair: usize,
    /// Columns of the full output, and rows of the band.
    cols: usize,
    rows: usize,
    turned: &'b Turned,
    output: &'b mut [f32],
    positions: Option<&'b mut [u8]>,
}

impl Vectorized for Target<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.block.pooled {
            true => self.pooled(s),
            false => self.full(s),
        }
    }
}

impl Target<'_, '_> {
    /// Writes pooled numbers and their positions.
    #[inline(always)]
    fn pooled<S: Simd>(self, s: S) {
        let (filters, cols) = (self.block.geometry.filters, self.block.cols);
        let row = self.y / 2 * cols * filters..(self.y / 2 + 1) * cols * filters;
        let output = &mut self.output[row.clone()];
        let mut positions = self.positions.map(|positions| &mut positions[row]);
        for lane in (0..S::LEN).step_by(8) {
            let first = self.pair + lane;
            let count = cols.saturating_sub(first).min(8);
            let pixels = turn(s, &self.turned.0[0], lane);
            for q in 0..8 {
                if q < count {
                    put(&mut output[(first + q) * filters..], &pixels[q], filters);
                }
            }
            if let Some(positions) = &mut positions {
                let pixels = turn(s, &self.turned.0[1], lane);
                for q in 0..8 {
                    if q < count {
                        put(&mut positions[(first + q) * filters..], &bytes(&pixels[q]), filters);
                    }
                }
            }
        }
    }

    /// Writes two rows of the output, or the last one.
    #[inline(always)]
    fn full<S: Simd>(self, s: S) {
        let filters = self.block.geometry.filters;
        for r in 0..2.min(self.rows - self.y) {
            let start = (self.y + r) * self.cols * filters;
            let output = &mut self.output[start..start + self.cols * filters];
            for lane in (0..S::LEN).step_by(8) {
                let first = 2 * (self.pair + lane);
                let even = turn(s, &self.turned.0[2 * r], lane);
                let odd = turn(s, &self.turned.0[2 * r + 1], lane);
                for q in 0..8 {
                    if first + 2 * q < self.cols {
                        put(&mut output[(first + 2 * q) * filters..], &even[q], filters);
                    }
                    if first + 2 * q + 1 < self.cols {
                        put(&mut output[(first + 2 * q + 1) * filters..], &odd[q], filters);
                    }
                }
            }
        }
    }
}

/// Eight pixels of all filters, from the results of each filter.
#[inline(always)]
fn turn<S: Simd>(s: S, results: &[[f32; LANES]; FEW], lane: usize) -> [[f32; TURNED]; 8] {
    let mut rows = [&[0.0; 8]; TURNED];
    for f in 0..TURNED {
        rows[f] = results[f][lane..].first_chunk().expect("a group of eight lanes");
    }
    s.transpose_8x8(rows)
}

/// Eight positions as bytes.
#[inline(always)]
fn bytes(numbers: &[f32; 8]) -> [u8; 8] {
    let mut bytes = [0; 8];
    for i in 0..8 {
        bytes[i] = byte(numbers[i]);
    }
    bytes
}

/// Writes the first `count` of eight numbers; more where there is room, which the next pixel writes over.
#[inline(always)]
fn put<T: Copy>(to: &mut [T], pixel: &[T; 8], count: usize) {
    match to.first_chunk_mut::<8>() {
        Some(to) => *to = *pixel,
        None => {
            let count = count.min(to.len());
            to[..count].copy_from_slice(&pixel[..count]);
        }
    }
}
