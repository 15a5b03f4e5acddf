//! The gradient of the input: every output gives its share to the inputs that it saw.
//!
//! A register tile is some rows of the output, in one column, by the elements of one stretch of the input; the sums over the
//! filters are made in registers and then added to the rows of the input, which differ from one row of the tile to the
//! next. Strides and dilation only change where they are added, and padding is left out.

#![allow(clippy::needless_range_loop)]

use super::Geometry;
use super::body::{TILE, TileMemory, chain, keep};
use crate::gemm::KC;
use crate::isa::{Simd, Vectorized};
use std::ops::Range;

/// Rows of the output that have a tile of their own size.
const HEIGHTS: [usize; 9] = [1, 2, 3, 4, 5, 6, 8, 10, 12];

/// Rows of the tiles that cover `rows` with the fewest tiles of at most `most`, and these as small as they can be.
fn height(rows: usize, most: usize) -> usize {
    let needed = rows.div_ceil(rows.div_ceil(most).max(1));
    HEIGHTS.into_iter().find(|&height| height >= needed).unwrap_or(most).min(most)
}

/// The stretches of the input that belong to one row of a filter.
#[derive(Clone, Copy)]
pub(super) struct Stretches {
    /// Elements of one.
    len: usize,
    /// How many.
    count: usize,
    /// Elements from one to the next.
    step: usize,
}

impl Stretches {
    fn new(geometry: &Geometry) -> Self {
        let channels = geometry.group_channels();
        let dense = geometry.groups == 1 && geometry.dilation[1] == 1;
        let (len, count) = if dense { (geometry.kernel[1] * channels, 1) } else { (channels, geometry.kernel[1]) };
        Stretches { len, count, step: geometry.dilation[1] * geometry.channels }
    }

    /// Pieces of `wide` elements of one.
    fn pieces(&self, wide: usize) -> usize {
        self.len.div_ceil(wide)
    }
}

/// Whether every channel has one filter of its own: then lanes are channels, and the weight is `[taps][channels]`.
pub(super) fn is_depthwise(geometry: &Geometry) -> bool {
    geometry.groups > 1 && geometry.group_channels() == 1 && geometry.group_filters() == 1
}

/// Numbers of the weight as this kernel reads it, in pieces of `wide` elements.
pub(super) fn weight_len(geometry: &Geometry, wide: usize) -> usize {
    if is_depthwise(geometry) {
        return geometry.weight_len();
    }
    let stretches = Stretches::new(geometry);
    let [rows, _] = geometry.kernel;
    geometry.groups * rows * stretches.count * stretches.pieces(wide) * geometry.group_filters() * wide
}

/// Re-orders a weight to `[groups][filter rows][stretches][pieces][filters][wide]`, zero beyond the end of a stretch.
pub(super) fn pack(geometry: &Geometry, wide: usize, weight: &[f32], packed: &mut [f32]) {
    let [rows, cols] = geometry.kernel;
    let (channels, filters) = (geometry.group_channels(), geometry.group_filters());
    if is_depthwise(geometry) {
        for (f, taps) in weight.chunks_exact((rows * cols).max(1)).enumerate() {
            for (tap, &w) in taps.iter().enumerate() {
                packed[tap * geometry.filters + f] = w;
            }
        }
        return;
    }
    let stretches = Stretches::new(geometry);
    let pieces = stretches.pieces(wide);
    if !stretches.len.is_multiple_of(wide) {
        packed.fill(0.0);
    }
    let depth = channels * rows * cols;
    for (f, weight) in weight.chunks_exact(depth.max(1)).enumerate() {
        let (group, f) = (f / filters, f % filters);
        for i in 0..rows {
            for stretch in 0..stretches.count {
                let piece = ((group * rows + i) * stretches.count + stretch) * pieces;
                let (mut to, mut left) = ((piece * filters + f) * wide, wide);
                let elements = if stretches.count == 1 { 0..cols } else { stretch..stretch + 1 };
                for j in elements {
                    for &w in weight[i * cols + j..].iter().step_by(rows * cols) {
                        packed[to] = w;
                        (to, left) = (to + 1, left - 1);
                        if left == 0 {
                            // The next piece is behind those of the other filters.
                            (to, left) = (to + (filters - 1) * wide, wide);
                        }
                    }
                }
            }
        }
    }
}

/// Some rows of the gradient of one input.
pub(super) struct InputBand<'a, 'b> {
    pub geometry: &'a Geometry,
    /// Of this sample.
    pub grad_output: &'a [f32],
    /// See [`pack`].
    pub weight: &'a [f32],
    pub rows: Range<usize>,
    /// These rows.
    pub grad_input: &'b mut [f32],
    pub accumulate: bool,
}

/// Computes a band in tiles of at most `MOST` rows by two vectors, which are `WIDE` elements.
pub(super) struct Spread<'a, 'b, const MOST: usize, const WIDE: usize> {
    pub band: InputBand<'a, 'b>,
}

impl<const MOST: usize, const WIDE: usize> Vectorized for Spread<'_, '_, MOST, WIDE> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        const { assert!(WIDE == 2 * S::LEN) };
        let band = &mut self.band;
        if !band.accumulate {
            band.grad_input.fill(0.0);
        }
        if is_depthwise(band.geometry) {
            s.run(Depthwise { band });
            return;
        }
        let [rows, _] = band.geometry.output().expect("checked at the entry");
        let tall = height(rows, MOST);
        match tall {
            1 => s.run(RowsOf::<1, WIDE> { band }),
            2 if MOST >= 2 => s.run(RowsOf::<2, WIDE> { band }),
            3 if MOST >= 3 => s.run(RowsOf::<3, WIDE> { band }),
            4 if MOST >= 4 => s.run(RowsOf::<4, WIDE> { band }),
            5 if MOST >= 5 => s.run(RowsOf::<5, WIDE> { band }),
            6 if MOST >= 6 => s.run(RowsOf::<6, WIDE> { band }),
            8 if MOST >= 8 => s.run(RowsOf::<8, WIDE> { band }),
            10 if MOST >= 10 => s.run(RowsOf::<10, WIDE> { band }),
            12 if MOST >= 12 => s.run(RowsOf::<12, WIDE> { band }),
            _ => unreachable!("`height` gives no other"),
        }
    }
}

/// The band in tiles of `R` rows.
struct RowsOf<'a, 'b, 'c, const R: usize, const WIDE: usize> {
    band: &'c mut InputBand<'a, 'b>,
}

impl<const R: usize, const WIDE: usize> Vectorized for RowsOf<'_, '_, '_, R, WIDE> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let band = self.band;
        let geometry = band.geometry;
        let [rows, cols] = geometry.output().expect("checked at the entry");
        let filters = geometry.group_filters();
        let stretches = Stretches::new(geometry);
        let pieces = stretches.pieces(WIDE);
        let reach = (geometry.kernel[0] - 1) * geometry.dilation[0];
        // Rows of the padded input.
        let inside = band.rows.start + geometry.padding[0]..band.rows.end + geometry.padding[0];
        let mut memory = TileMemory::ZEROS;
        let memory = &mut memory.0;
        for first in (0..rows).step_by(R) {
            let count = R.min(rows - first);
            let (top, bottom) = (first * geometry.stride[0], (first + count - 1) * geometry.stride[0] + reach);
            if top >= inside.end || bottom < inside.start {
                continue;
            }
            for group in 0..geometry.groups {
                for i in 0..geometry.kernel[0] {
                    for stretch in 0..stretches.count {
                        for piece in 0..pieces {
                            let number =
                                ((group * geometry.kernel[0] + i) * stretches.count + stretch) * pieces + piece;
                            let weight = &band.weight[number * filters * WIDE..][..filters * WIDE];
                            let weight = weight.as_chunks::<WIDE>().0;
                            let start = stretch * stretches.step + group * geometry.group_channels() + piece * WIDE;
                            let width = WIDE.min(stretches.len - piece * WIDE);
                            let row = top + i * geometry.dilation[0];
                            // Neighbors add to the same elements, and what was just written is slow to be read again: a
                            // column is followed by one whose filter sees nothing of it.
                            let apart = geometry.kernel[1].min(cols);
                            for x in (0..apart).flat_map(|residue| (residue..cols).step_by(apart)) {
                                let mut grads: [&[f32]; R] = [&[]; R];
                                for r in 0..R {
                                    // The last row is repeated up to the height of the tile.
                                    let pixel = (first + r.min(count - 1)) * cols + x;
                                    grads[r] =
                                        &band.grad_output[pixel * geometry.filters + group * filters..][..filters];
                                }
                                let at = x * geometry.stride[1] * geometry.channels + start;
                                let place = Place { inside: &inside, row, count, at, width };
                                // Blocks of filters, so that no chain is longer than elsewhere.
                                for start in (0..filters).step_by(KC) {
                                    let block = start..filters.min(start + KC);
                                    let mut rows: [&[f32]; R] = [&[]; R];
                                    for r in 0..R {
                                        rows[r] = &grads[r][block.clone()];
                                    }
                                    if width <= S::LEN {
                                        let sums = [[s.splat(0.0); 1]; R];
                                        keep(s, &chain::<S, R, 1, WIDE>(s, sums, rows, &weight[block]), memory);
                                        add::<S, 1>(s, band, &place, memory);
                                    } else {
                                        let sums = [[s.splat(0.0); 2]; R];
                                        keep(s, &chain::<S, R, 2, WIDE>(s, sums, rows, &weight[block]), memory);
                                        add::<S, 2>(s, band, &place, memory);
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Where a tile is added.
struct Place<'a> {
    /// Rows of the padded input that the band has.
    inside: &'a Range<usize>,
    /// The row of the padded input that the first row of the tile goes to, and how many rows.
    row: usize,
    count: usize,
    /// The first element in a row of the padded input, and how many.
    at: usize,
    width: usize,
}

/// Adds a tile of `NV` vectors to the rows of the band.
#[inline(always)]
fn add<S: Simd, const NV: usize>(s: S, band: &mut InputBand<'_, '_>, place: &Place<'_>, sums: &[f32; TILE]) {
    let geometry = band.geometry;
    let pitch = geometry.width * geometry.channels;
    let left = geometry.padding[1] * geometry.channels;
    let whole = place.at >= left && place.at - left + place.width <= pitch;
    for (r, sums) in sums.chunks_exact(NV * S::LEN).take(place.count).enumerate() {
        let row = place.row + r * geometry.stride[0];
        if !place.inside.contains(&row) {
            continue;
        }
        let row = &mut band.grad_input[(row - place.inside.start) * pitch..][..pitch];
        if !whole {
            add_part(&sums[..place.width], place.at, left, row);
            continue;
        }
        let to = &mut row[place.at - left..][..place.width];
        let (first, last) = to.split_at_mut((NV - 1) * S::LEN);
        if NV == 2 {
            s.store(s.add(s.load(first), s.load(sums)), first);
        }
        let sums = s.load(&sums[(NV - 1) * S::LEN..]);
        if last.len() == S::LEN {
            s.store(s.add(s.load(last), sums), last);
        } else {
            s.store_part(s.add(s.load_part(last, 0.0), sums), last);
        }
    }
}

/// Adds the numbers that lie inside a row; the first is `at` elements from the start of the padded row.
#[inline(never)]
fn add_part(values: &[f32], at: usize, left: usize, row: &mut [f32]) {
    let skipped = left.saturating_sub(at).min(values.len());
    let start = (at + skipped).saturating_sub(left).min(row.len());
    for (to, value) in row[start..].iter_mut().zip(&values[skipped..]) {
        *to += value;
    }
}

/// A band where every channel has one filter of its own.
struct Depthwise<'a, 'b, 'c> {
    band: &'c mut InputBand<'a, 'b>,
}

impl Vectorized for Depthwise<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let band = self.band;
        let geometry = band.geometry;
        let [rows, cols] = geometry.output().expect("checked at the entry");
        let channels = geometry.channels;
        let [top, left, _, _] = geometry.padding;
        for y in 0..rows {
            for i in 0..geometry.kernel[0] {
                let row = (y * geometry.stride[0] + i * geometry.dilation[0]).checked_sub(top);
                let Some(row) = row.filter(|row| band.rows.contains(row)) else { continue };
                for x in 0..cols {
                    for j in 0..geometry.kernel[1] {
                        let col = (x * geometry.stride[1] + j * geometry.dilation[1]).checked_sub(left);
                        let Some(col) = col.filter(|&col| col < geometry.width) else { continue };
                        let grad = &band.grad_output[(y * cols + x) * channels..][..channels];
                        let weight = &band.weight[(i * geometry.kernel[1] + j) * channels..][..channels];
                        let at = ((row - band.rows.start) * geometry.width + col) * channels;
                        let to = &mut band.grad_input[at..at + channels];
                        for c in (0..channels).step_by(S::LEN) {
                            let part = c..channels.min(c + S::LEN);
                            let (g, w) =
                                (s.load_part(&grad[part.clone()], 0.0), s.load_part(&weight[part.clone()], 0.0));
                            let to = &mut to[part];
                            s.store_part(s.mul_add(g, w, s.load_part(to, 0.0)), to);
                        }
                    }
                }
            }
        }
    }
}
