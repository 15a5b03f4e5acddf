//! The gradient of the weight, with filters or with pixels in the lanes.

#![allow(clippy::needless_range_loop)]

use super::Geometry;
use super::backward_input::is_depthwise;
use super::source::source;
use crate::gemm::KC;
use crate::isa::{Simd, Vectorized};
use std::ops::Range;

/// Elements of the input of a register tile that have a size of their own; the last is a row of LeNet-5's second filters.
const SIZES: [usize; 11] = [1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 30];

/// The size of the next tile where `left` elements are left.
fn size(left: usize, most: usize) -> usize {
    SIZES.into_iter().rev().find(|&size| size <= left && size <= most).unwrap_or(1)
}

/// Some samples' part of the gradient of one row of some filters.
pub(super) struct WeightPart<'a, 'b> {
    pub geometry: &'a Geometry,
    /// Of the batch.
    pub input: &'a [f32],
    pub grad_output: &'a [f32],
    pub samples: Range<usize>,
    /// The first channel that the filters see.
    pub channel: usize,
    /// The first filter, and how many.
    pub filter: usize,
    pub count: usize,
    /// The row of the filters.
    pub row: usize,
    /// Filters side by side in `sums`.
    pub width: usize,
    /// `[filter columns · channels + 1][width]`, overwritten; the last row is for the bias, and filled for row 0.
    pub sums: &'b mut [f32],
    /// Memory for a copy of the input.
    pub halo: &'b mut [f32],
}

/// Rows of the output whose products are summed in one chain: at most `KC` pixels, or one row.
pub(super) fn chain_rows(cols: usize) -> usize {
    (KC / cols.max(1)).max(1)
}

/// Computes a part in tiles of at most `ONE` elements by one vector (`N1` filters), or of `TWO` by two (`N2`).
pub(super) struct Correlate<'a, 'b, const ONE: usize, const TWO: usize, const N1: usize, const N2: usize> {
    pub part: WeightPart<'a, 'b>,
}

impl<const ONE: usize, const TWO: usize, const N1: usize, const N2: usize> Vectorized
    for Correlate<'_, '_, ONE, TWO, N1, N2>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        const { assert!(N1 == S::LEN && N2 == 2 * S::LEN) };
        let part = &mut self.part;
        let geometry = part.geometry;
        part.sums.fill(0.0);
        let [rows, cols] = geometry.output().expect("checked at the entry");
        let channels = geometry.group_channels();
        let dense = geometry.groups == 1 && geometry.dilation[1] == 1;
        let depthwise = is_depthwise(geometry);
        let (len, stretches) = if dense { (geometry.kernel[1] * channels, 1) } else { (channels, geometry.kernel[1]) };
        let (inputs, outputs) = (geometry.input_len(), geometry.output_len());
        for sample in part.samples.clone() {
            for first in (0..rows).step_by(chain_rows(cols)) {
                let band = first..rows.min(first + chain_rows(cols));
                let source = source(geometry, &part.input[sample * inputs..][..inputs], &band, part.halo);
                let grads = &part.grad_output[sample * outputs..][..outputs];
                let grads = &grads[band.start * cols * geometry.filters..band.end * cols * geometry.filters];
                let pixels = Pixels {
                    grads,
                    filters: geometry.filters,
                    filter: part.filter,
                    count: part.count,
                    input: source.values,
                    cols,
                    row_step: geometry.stride[0] * source.pitch,
                    col_step: geometry.stride[1] * geometry.channels,
                };
                let (width, sums) = (part.width, &mut *part.sums);
                let start = part.row * geometry.dilation[0] * source.pitch + part.channel;
                for stretch in 0..stretches {
                    let start = start + stretch * geometry.dilation[1] * geometry.channels;
                    if depthwise {
                        let sums = &mut sums[stretch * width..(stretch + 1) * width];
                        s.run(DepthwiseTile { pixels, at: start, sums });
                        continue;
                    }
                    let sums = &mut sums[stretch * len * width..(stretch + 1) * len * width];
                    let mut done = 0;
                    while done < len {
                        let one = width == N1;
                        let size = size(len - done, if one { ONE } else { TWO });
                        let sums = &mut sums[done * width..(done + size) * width];
                        let at = start + done;
                        match (one, part.count == width) {
                            (true, true) => run::<S, 1, N1, true, ONE>(s, pixels, at, size, sums),
                            (true, false) => run::<S, 1, N1, false, ONE>(s, pixels, at, size, sums),
                            (false, true) => run::<S, 2, N2, true, TWO>(s, pixels, at, size, sums),
                            (false, false) => run::<S, 2, N2, false, TWO>(s, pixels, at, size, sums),
                        }
                        done += size;
                    }
                }
                if part.row == 0 {
                    let from = sums.len() - width;
                    s.run(BiasTile { pixels, sums: &mut sums[from..] });
                }
            }
        }
    }
}

/// The pixels of some rows of the output of one sample, and the filters that are looked at.
#[derive(Clone, Copy)]
struct Pixels<'a> {
    /// `[rows, cols, filters]`
    grads: &'a [f32],
    filters: usize,
    filter: usize,
    count: usize,
    /// What these rows see.
    input: &'a [f32],
    cols: usize,
    /// Elements of the input from one row and column of the output to the next.
    row_step: usize,
    col_step: usize,
}

/// Computes a tile of `size` elements by `NV` vectors.
#[inline(always)]
fn run<S: Simd, const NV: usize, const NR: usize, const WHOLE: bool, const MOST: usize>(
    s: S,
    pixels: Pixels<'_>,
    at: usize,
    size: usize,
    sums: &mut [f32],
) {
    match size {
        1 => s.run(Tile::<1, NV, NR, WHOLE> { pixels, at, sums }),
        2 if MOST >= 2 => s.run(Tile::<2, NV, NR, WHOLE> { pixels, at, sums }),
        3 if MOST >= 3 => s.run(Tile::<3, NV, NR, WHOLE> { pixels, at, sums }),
        4 if MOST >= 4 => s.run(Tile::<4, NV, NR, WHOLE> { pixels, at, sums }),
        5 if MOST >= 5 => s.run(Tile::<5, NV, NR, WHOLE> { pixels, at, sums }),
        6 if MOST >= 6 => s.run(Tile::<6, NV, NR, WHOLE> { pixels, at, sums }),
        8 if MOST >= 8 => s.run(Tile::<8, NV, NR, WHOLE> { pixels, at, sums }),
        12 if MOST >= 12 => s.run(Tile::<12, NV, NR, WHOLE> { pixels, at, sums }),
        16 if MOST >= 16 => s.run(Tile::<16, NV, NR, WHOLE> { pixels, at, sums }),
        24 if MOST >= 24 => s.run(Tile::<24, NV, NR, WHOLE> { pixels, at, sums }),
        30 if MOST >= 30 => s.run(Tile::<30, NV, NR, WHOLE> { pixels, at, sums }),
        _ => unreachable!("`size` gives no other"),
    }
}

/// `M` elements of the input by `NV` vectors of filters: `sums[m][f] += Σ_pixels input[m] · grad[f]`.
struct Tile<'a, 'b, const M: usize, const NV: usize, const NR: usize, const WHOLE: bool> {
    pixels: Pixels<'a>,
    /// The first element, beyond the place of a pixel.
    at: usize,
    sums: &'b mut [f32],
}

impl<const M: usize, const NV: usize, const NR: usize, const WHOLE: bool> Vectorized
    for Tile<'_, '_, M, NV, NR, WHOLE>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Tile { pixels, at, sums } = self;
        const { assert!(NR == NV * S::LEN) };
        let mut tile = [[s.splat(0.0); NV]; M];
        let rows = pixels.grads.chunks_exact(pixels.cols * pixels.filters);
        for (y, grads) in rows.enumerate() {
            let row = &pixels.input[y * pixels.row_step + at..];
            for (x, grads) in grads.chunks_exact(pixels.filters).enumerate() {
                let grads = &grads[pixels.filter..pixels.filter + pixels.count];
                let mut g = [s.splat(0.0); NV];
                if WHOLE {
                    for v in 0..NV {
                        g[v] = s.load(&grads[v * S::LEN..]);
                    }
                } else {
                    for v in 0..NV {
                        let end = grads.len().min((v + 1) * S::LEN);
                        g[v] = s.load_part(&grads[end.min(v * S::LEN)..end], 0.0);
                    }
                }
                let elements: &[f32; M] = row[x * pixels.col_step..].first_chunk().expect("a stretch is inside");
                for m in 0..M {
                    let element = s.splat(elements[m]);
                    for v in 0..NV {
                        tile[m][v] = s.mul_add(element, g[v], tile[m][v]);
                    }
                }
            }
        }
        // An array of known size: this loop has to unroll, see `body::keep`.
        let sums: &mut [[f32; NR]; M] = sums.as_chunks_mut().0.first_chunk_mut().expect("one row for each element");
        for m in 0..M {
            for v in 0..NV {
                let to = &mut sums[m][v * S::LEN..(v + 1) * S::LEN];
                s.store(s.add(s.load(to), tile[m][v]), to);
            }
        }
    }
}

/// The sums of the gradients of some filters.
struct BiasTile<'a, 'b> {
    pixels: Pixels<'a>,
    sums: &'b mut [f32],
}

impl Vectorized for BiasTile<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let BiasTile { pixels, sums } = self;
        for f in (0..pixels.count).step_by(S::LEN) {
            let part = pixels.filter + f..pixels.filter + pixels.count.min(f + S::LEN);
            let mut sum = s.splat(0.0);
            for grads in pixels.grads.chunks_exact(pixels.filters) {
                sum = s.add(sum, s.load_part(&grads[part.clone()], 0.0));
            }
            let to = &mut sums[f..][..part.len()];
            s.store_part(s.add(s.load_part(to, 0.0), sum), to);
        }
    }
}

/// One element of the filters of all channels, where every channel has its own.
struct DepthwiseTile<'a, 'b> {
    pixels: Pixels<'a>,
    at: usize,
    sums: &'b mut [f32],
}

impl Vectorized for DepthwiseTile<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let DepthwiseTile { pixels, at, sums } = self;
        for c in (0..pixels.filters).step_by(S::LEN) {
            let part = c..pixels.filters.min(c + S::LEN);
            let mut sum = s.splat(0.0);
            for (y, grads) in pixels.grads.chunks_exact(pixels.cols * pixels.filters).enumerate() {
                for (x, grads) in grads.chunks_exact(pixels.filters).enumerate() {
                    let from = y * pixels.row_step + x * pixels.col_step + at + c;
                    let element = s.load_part(&pixels.input[from..from + part.len()], 0.0);
                    sum = s.mul_add(element, s.load_part(&grads[part.clone()], 0.0), sum);
                }
            }
            let to = &mut sums[part];
            s.store_part(s.add(s.load_part(to, 0.0), sum), to);
        }
    }
}
