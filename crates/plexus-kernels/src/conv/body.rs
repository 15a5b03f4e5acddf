//! The loop nest with filters in the lanes, written once for every instruction set.

// Loops over registers are written with indices: their bounds are constants, so they unroll.
#![allow(clippy::needless_range_loop)]

use super::dense::Dense;
use super::depthwise::Depthwise;
use super::epilogue::{Finish, in_cache};
use super::pack::Form;
use super::pixels::run_pixels;
use super::source::{Source, source};
use super::{Band, Block};
use crate::gemm::KC;
use crate::isa::{Simd, Vectorized};
use std::ops::Range;

/// The most elements that a register tile may have on any instruction set (24 x 16 and 12 x 32).
pub(super) const TILE: usize = 384;

/// Memory for a register tile. It starts on a cache line: vectors that cross lines are stored at half the speed.
#[repr(C, align(64))]
pub(super) struct TileMemory(pub [f32; TILE]);

impl TileMemory {
    /// All zero.
    pub(super) const ZEROS: Self = TileMemory([0.0; TILE]);
}

/// Pixels of register tiles; a kernel uses those up to its own height.
const HEIGHTS: [usize; 9] = [1, 2, 4, 6, 8, 12, 16, 20, 24];

/// Pixels of the tiles that cover `pixels` with the fewest tiles of at most `most`, and these as small as they can be.
fn height(pixels: usize, most: usize, pooled: bool) -> usize {
    let tiles = pixels.div_ceil(most).max(1);
    let needed = pixels.div_ceil(tiles);
    let fits = |&height: &usize| height >= needed && height <= most && (!pooled || height % 4 == 0);
    HEIGHTS.into_iter().find(fits).unwrap_or(most)
}

/// Computes a band in tiles of at most `ONE` pixels by one vector (`N1` filters), or `TWO` pixels by two (`N2`), or, with few
/// filters, of `FG` filters at once.
pub(super) struct Convolve<
    'a,
    'b,
    const ONE: usize,
    const TWO: usize,
    const N1: usize,
    const N2: usize,
    const FG: usize,
> {
    pub band: Band<'a, 'b>,
}

impl<const ONE: usize, const TWO: usize, const N1: usize, const N2: usize, const FG: usize> Vectorized
    for Convolve<'_, '_, ONE, TWO, N1, N2, FG>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        const { assert!(N1 == S::LEN && N2 == 2 * S::LEN) };
        let band = &mut self.band;
        match band.block.layout.form {
            Form::Depthwise => s.run(Depthwise { band }),
            Form::Pixels => run_pixels::<S, FG>(s, band),
            Form::Filters => filters::<S, ONE, TWO, N1, N2>(s, band),
        }
        if !band.block.pooled {
            in_cache(S::ISA, band.block.function, band.output);
        }
    }
}

/// The band, panel by panel.
#[inline(always)]
fn filters<S: Simd, const ONE: usize, const TWO: usize, const N1: usize, const N2: usize>(
    s: S,
    band: &mut Band<'_, '_>,
) {
    let Band { block, sample, rows, output, positions, halo } = band;
    let block: &Block<'_> = block;
    let geometry = block.geometry;
    let full = block.full_rows(rows);
    let source = source(geometry, block.sample(*sample), &full, halo);
    let (groups, filters) = block.layout.groups(geometry);
    let (depth, width) = (geometry.depth(), block.layout.width);
    let unit = if block.pooled { 4 } else { 1 };
    let pixels = rows.len() * block.cols * unit;
    for group in 0..groups {
        let segments = Segments::new(block, source.pitch, group);
        for first in (0..filters).step_by(width) {
            let panel = group * filters.div_ceil(width) + first / width;
            let panel = &block.panels[panel * depth * width..][..depth * width];
            let filter = group * filters + first;
            let count = width.min(filters - first);
            let output = Output { values: output, positions: positions.as_deref_mut(), filter, count };
            let size = [full.len(), if block.pooled { 2 * block.cols } else { block.cols }];
            if width == N1 && Dense::fits(block, size, ONE) {
                Dense { block, source, panel, size, output }.run::<S, ONE, N1>(s);
                continue;
            }
            let strip = Strip { block, source, segments, panel, pixels };
            let one = count <= N1;
            let tall = height(pixels, if one { ONE } else { TWO }, block.pooled);
            match (width == N1, one) {
                (true, _) => strip.run::<S, 1, N1, ONE>(s, tall, output),
                (false, true) => strip.run::<S, 1, N2, ONE>(s, tall, output),
                (false, false) => strip.run::<S, 2, N2, TWO>(s, tall, output),
            }
        }
    }
}

/// The stretches of the input that one output sees: each is contiguous.
#[derive(Clone, Copy)]
struct Segments {
    /// Elements of one.
    len: usize,
    /// How many belong to one row of the filter.
    per_row: usize,
    /// Elements from one row of the filter to the next, and from one stretch of a row to the next.
    row_step: usize,
    step: usize,
    /// Where the first begins, beyond the place of the pixel.
    start: usize,
}

impl Segments {
    fn new(block: &Block<'_>, pitch: usize, group: usize) -> Self {
        let geometry = block.geometry;
        let channels = geometry.group_channels();
        let dense = geometry.groups == 1 && geometry.dilation[1] == 1;
        let (len, per_row) = if dense { (geometry.kernel[1] * channels, 1) } else { (channels, geometry.kernel[1]) };
        let (row_step, step) = (geometry.dilation[0] * pitch, geometry.dilation[1] * geometry.channels);
        Segments { len, per_row, row_step, step, start: group * channels }
    }

    #[inline(always)]
    fn offset(&self, number: usize) -> usize {
        match self.per_row {
            1 => self.start + number * self.row_step,
            per_row => self.start + number / per_row * self.row_step + number % per_row * self.step,
        }
    }
}

/// Where the numbers of one panel go.
pub(super) struct Output<'a> {
    /// The band, `[rows, columns, filters]`.
    pub values: &'a mut [f32],
    pub positions: Option<&'a mut [u8]>,
    /// The first filter, and how many.
    pub filter: usize,
    pub count: usize,
}

/// All pixels of the band by one panel.
#[derive(Clone, Copy)]
struct Strip<'a> {
    block: &'a Block<'a>,
    source: Source<'a>,
    segments: Segments,
    panel: &'a [f32],
    pixels: usize,
}

impl Strip<'_> {
    /// Computes it in tiles of `tall` pixels by `NV` vectors.
    #[inline(always)]
    fn run<S: Simd, const NV: usize, const NR: usize, const MOST: usize>(self, s: S, tall: usize, output: Output<'_>) {
        match tall {
            1 => s.run(TilesOf::<1, NV, NR> { strip: self, output }),
            2 if MOST >= 2 => s.run(TilesOf::<2, NV, NR> { strip: self, output }),
            4 if MOST >= 4 => s.run(TilesOf::<4, NV, NR> { strip: self, output }),
            6 if MOST >= 6 => s.run(TilesOf::<6, NV, NR> { strip: self, output }),
            8 if MOST >= 8 => s.run(TilesOf::<8, NV, NR> { strip: self, output }),
            12 if MOST >= 12 => s.run(TilesOf::<12, NV, NR> { strip: self, output }),
            16 if MOST >= 16 => s.run(TilesOf::<16, NV, NR> { strip: self, output }),
            20 if MOST >= 20 => s.run(TilesOf::<20, NV, NR> { strip: self, output }),
            24 if MOST >= 24 => s.run(TilesOf::<24, NV, NR> { strip: self, output }),
            _ => unreachable!("`height` gives no other"),
        }
    }

    /// Where pixel `pixel` of the band begins in the source; with pooling four pixels in a row are one window.
    #[inline(always)]
    fn place(&self, pixel: usize) -> usize {
        let geometry = self.block.geometry;
        let cols = self.block.cols;
        let (y, x) = match self.block.pooled {
            true => (pixel / 4 / cols * 2 + pixel % 4 / 2, pixel / 4 % cols * 2 + pixel % 2),
            false => (pixel / cols, pixel % cols),
        };
        y * geometry.stride[0] * self.source.pitch + x * geometry.stride[1] * geometry.channels
    }

    /// The places of `R` pixels in a row; the last of the band is repeated.
    #[inline(always)]
    fn places<const R: usize>(&self, first: usize) -> [usize; R] {
        let mut places = [0; R];
        if self.block.pooled && R >= 4 {
            let (down, across) = (self.place(2), self.place(1));
            for window in 0..R / 4 {
                let at = self.place((first + 4 * window).min(self.pixels - 4));
                for position in 0..4 {
                    places[4 * window + position] = at + position / 2 * down + position % 2 * across;
                }
            }
        } else {
            for r in 0..R {
                places[r] = self.place((first + r).min(self.pixels - 1));
            }
        }
        places
    }
}

/// The register tiles of a strip: `R` pixels by `NV` vectors, of panels of `NR` filters.
struct TilesOf<'a, 'b, const R: usize, const NV: usize, const NR: usize> {
    strip: Strip<'a>,
    output: Output<'b>,
}

impl<const R: usize, const NV: usize, const NR: usize> Vectorized for TilesOf<'_, '_, R, NV, NR> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let TilesOf { strip, mut output } = self;
        let mut memory = TileMemory::ZEROS;
        let memory = &mut memory.0;
        for first in (0..strip.pixels).step_by(R) {
            let places = strip.places::<R>(first);
            let sums = product::<S, R, NV, NR>(s, &strip, &places, memory);
            keep(s, &sums, memory);
            let pixels = R.min(strip.pixels - first);
            let first = if strip.block.pooled { first / 4 } else { first };
            s.run(Finish::<NV> { block: strip.block, sums: memory, output: &mut output, first, pixels });
        }
    }
}

/// Writes a register tile to memory, where it can be looked at pixel by pixel.
///
/// Indices of registers have to be constants: a loop that is not unrolled, because it does more than this, would keep the
/// sums in memory also inside the loop that makes them.
#[inline(always)]
pub(super) fn keep<S: Simd, const R: usize, const NV: usize>(s: S, sums: &[[S::F; NV]; R], memory: &mut [f32; TILE]) {
    for r in 0..R {
        for v in 0..NV {
            s.store(sums[r][v], &mut memory[(r * NV + v) * S::LEN..(r * NV + v + 1) * S::LEN]);
        }
    }
}

/// The sums of a register tile, in blocks of at most `KC` products.
#[inline(always)]
fn product<S: Simd, const R: usize, const NV: usize, const NR: usize>(
    s: S,
    strip: &Strip<'_>,
    places: &[usize; R],
    memory: &mut [f32; TILE],
) -> [[S::F; NV]; R] {
    let Strip { source, segments, .. } = *strip;
    let panel = strip.panel.as_chunks::<NR>().0;
    let depth = panel.len();
    let blocks = depth.div_ceil(KC).max(1);
    let step = depth.div_ceil(blocks);
    let (mut number, mut within, mut k) = (0, 0, 0);
    let mut sums = [[s.splat(0.0); NV]; R];
    for block in 0..blocks {
        let end = depth.min((block + 1) * step);
        sums = [[s.splat(0.0); NV]; R];
        while k < end {
            let len = (segments.len - within).min(end - k);
            let at = segments.offset(number) + within;
            let mut rows: [&[f32]; R] = [&[]; R];
            for r in 0..R {
                rows[r] = &source.values[places[r] + at..][..len];
            }
            sums = chain::<S, R, NV, NR>(s, sums, rows, &panel[k..k + len]);
            (k, within) = (k + len, within + len);
            if within == segments.len {
                (number, within) = (number + 1, 0);
            }
        }
        if block > 0 {
            for r in 0..R {
                for v in 0..NV {
                    let before = s.load(&memory[(r * NV + v) * S::LEN..(r * NV + v + 1) * S::LEN]);
                    sums[r][v] = s.add(before, sums[r][v]);
                }
            }
        }
        if block + 1 < blocks {
            keep(s, &sums, memory);
        }
    }
    sums
}

/// Adds the products of one stretch: `sums[r] += Σ_k rows[r][k] · panel[k]`, in order.
#[inline(always)]
pub(super) fn chain<S: Simd, const R: usize, const NV: usize, const NR: usize>(
    s: S,
    sums: [[S::F; NV]; R],
    rows: [&[f32]; R],
    panel: &[[f32; NR]],
) -> [[S::F; NV]; R] {
    // Elements taken together: the place of a pixel, which may have left the registers, is then read less often. More than
    // these, and the compiler would not unroll.
    match R * NV {
        0..=12 => chain_by::<S, R, NV, NR, 4>(s, sums, rows, panel),
        _ => chain_by::<S, R, NV, NR, 2>(s, sums, rows, panel),
    }
}

/// [`chain`], `U` elements at a time.
#[inline(always)]
fn chain_by<S: Simd, const R: usize, const NV: usize, const NR: usize, const U: usize>(
    s: S,
    mut sums: [[S::F; NV]; R],
    rows: [&[f32]; R],
    panel: &[[f32; NR]],
) -> [[S::F; NV]; R] {
    let (groups, rest) = panel.as_chunks::<U>();
    let mut grouped: [&[[f32; U]]; R] = [&[]; R];
    let mut rests: [&[f32]; R] = [&[]; R];
    for r in 0..R {
        let (group, left) = rows[r].as_chunks::<U>();
        (grouped[r], rests[r]) = (&group[..groups.len()], &left[..rest.len()]);
    }
    for p in 0..groups.len() {
        let mut w = [[s.splat(0.0); NV]; U];
        for u in 0..U {
            for v in 0..NV {
                w[u][v] = s.load(&groups[p][u][v * S::LEN..(v + 1) * S::LEN]);
            }
        }
        for r in 0..R {
            let elements = &grouped[r][p];
            for u in 0..U {
                let x = s.splat(elements[u]);
                for v in 0..NV {
                    sums[r][v] = s.mul_add(x, w[u][v], sums[r][v]);
                }
            }
        }
    }
    for p in 0..rest.len() {
        let mut w = [s.splat(0.0); NV];
        for v in 0..NV {
            w[v] = s.load(&rest[p][v * S::LEN..(v + 1) * S::LEN]);
        }
        for r in 0..R {
            let x = s.splat(rests[r][p]);
            for v in 0..NV {
                sums[r][v] = s.mul_add(x, w[v], sums[r][v]);
            }
        }
    }
    sums
}

impl Block<'_> {
    /// The rows of the full output that rows of the output come from.
    pub(super) fn full_rows(&self, rows: &Range<usize>) -> Range<usize> {
        if self.pooled { 2 * rows.start..2 * rows.end } else { rows.clone() }
    }

    /// The input of one sample.
    pub(super) fn sample(&self, sample: usize) -> &[f32] {
        let len = self.geometry.input_len();
        &self.input[sample * len..][..len]
    }
}
