//! The gradient of the weight with pixels in the lanes, for few filters and few channels.
//!
//! The gradient of the output is copied into vectors of pixels of one filter, the padded input into one plane for each
//! channel. Every lane sums its own pixels; the lanes are added together at the end of the call.

#![allow(clippy::needless_range_loop)]

use super::Geometry;
use crate::isa::{Simd, Vectorized};
use std::ops::Range;

/// The most lanes of any instruction set.
pub(super) const LANES: usize = 16;

/// Elements of a filter's row that are computed together.
const TAPS: usize = 5;

/// What [`TAPS`] elements read of a row, with one vector and with two.
const WINDOW: usize = LANES + TAPS;
const WINDOW_OF_TWO: usize = 2 * LANES + TAPS;

/// Elements of a row of a plane.
fn pitch(geometry: &Geometry, cols: usize) -> usize {
    (cols.next_multiple_of(2 * LANES) + geometry.kernel[1] + TAPS).next_multiple_of(LANES)
}

/// Filters with room for whole groups of at most three.
fn filters(geometry: &Geometry) -> usize {
    geometry.filters.next_multiple_of(6)
}

/// Numbers of the copies of one sample: of the gradient, and of the input.
fn copies(geometry: &Geometry) -> [usize; 2] {
    let [rows, cols] = geometry.output().expect("checked at the entry");
    let grads = rows * cols.next_multiple_of(LANES) * filters(geometry);
    // Behind the last row there is room for a window that begins inside it; what is beyond the row is not used.
    let planes = (rows + geometry.kernel[0] - 1) * geometry.channels * pitch(geometry, cols);
    [grads, planes + WINDOW_OF_TWO]
}

/// Numbers that a task needs to work in.
pub(super) fn halo_len(geometry: &Geometry) -> usize {
    copies(geometry).into_iter().sum()
}

/// Vectors of sums: `[filter rows · columns · channels + 1][filters]`, the last row being that of the bias.
pub(super) fn sums(geometry: &Geometry) -> usize {
    (geometry.depth() + 1) * filters(geometry)
}

/// Where the sum for element `k` of filter `f` is.
pub(super) fn place(geometry: &Geometry, k: usize, f: usize) -> usize {
    k * filters(geometry) + f
}

/// Some samples' part of the gradient.
pub(super) struct PixelsPart<'a, 'b> {
    pub geometry: &'a Geometry,
    /// Of the batch.
    pub input: &'a [f32],
    pub grad_output: &'a [f32],
    pub samples: Range<usize>,
    /// [`sums`] vectors of as many numbers as there are lanes, overwritten.
    pub sums: &'b mut [f32],
    pub halo: &'b mut [f32],
}

/// Computes a part, `FG` filters at once: 2 or 3.
pub(super) struct Correlate<'a, 'b, const FG: usize> {
    pub part: PixelsPart<'a, 'b>,
}

impl<const FG: usize> Vectorized for Correlate<'_, '_, FG> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let PixelsPart { geometry, input, grad_output, samples, sums, halo } = self.part;
        sums.fill(0.0);
        let [rows, cols] = geometry.output().expect("checked at the entry");
        let (inputs, outputs) = (geometry.input_len(), geometry.output_len());
        let [grads, planes] = copies(geometry);
        let (grads, rest) = halo.split_at_mut(grads);
        let (filters, pitch) = (filters(geometry), pitch(geometry, cols));
        let planes = &mut rest[..planes];
        for sample in samples {
            // To the end of the batch: what is read beyond a pixel is not used.
            let from = &grad_output[sample * outputs..];
            s.run(Gather { from, size: [rows, cols, geometry.filters], filters, grads });
            fill(geometry, &input[sample * inputs..][..inputs], pitch, planes);
            let maps = Maps { planes, grads, rows, vectors: cols.div_ceil(S::LEN), filters };
            for f in (0..geometry.filters).step_by(FG) {
                for i in 0..geometry.kernel[0] {
                    for c in 0..geometry.channels {
                        let mut j = 0;
                        while j < geometry.kernel[1] {
                            let taps = TAPS.min(geometry.kernel[1] - j);
                            let k = (i * geometry.kernel[1] + j) * geometry.channels + c;
                            let to = Target { first: k * filters + f, step: geometry.channels * filters };
                            let at = (i * geometry.channels + c) * pitch + j;
                            let maps = (maps, geometry.channels * pitch, at);
                            let sums = &mut *sums;
                            let two = maps.0.vectors.is_multiple_of(2);
                            match (taps, two) {
                                (1, _) => s.run(Tile::<FG, 1, 1, WINDOW> { maps, f, to, sums }),
                                (2, _) => s.run(Tile::<FG, 2, 1, WINDOW> { maps, f, to, sums }),
                                (3, false) => s.run(Tile::<FG, 3, 1, WINDOW> { maps, f, to, sums }),
                                (3, true) => s.run(Tile::<FG, 3, 2, WINDOW_OF_TWO> { maps, f, to, sums }),
                                (4, _) => s.run(Tile::<FG, 4, 1, WINDOW> { maps, f, to, sums }),
                                (_, false) => s.run(Tile::<FG, TAPS, 1, WINDOW> { maps, f, to, sums }),
                                (_, true) => s.run(Tile::<FG, TAPS, 2, WINDOW_OF_TWO> { maps, f, to, sums }),
                            }
                            j += taps;
                        }
                    }
                }
                let first = geometry.depth() * filters + f;
                s.run(Bias::<FG> { maps, f, sums: &mut sums[first * S::LEN..] });
            }
        }
    }
}

/// Copies an input: `planes[row][channel][column]`, zero outside of it.
fn fill(geometry: &Geometry, input: &[f32], pitch: usize, planes: &mut [f32]) {
    let channels = geometry.channels;
    let [top, left, _, _] = geometry.padding;
    let width = geometry.width.min(pitch.saturating_sub(left));
    for (at, planes) in planes.chunks_exact_mut(channels * pitch).enumerate() {
        let Some(row) = at.checked_sub(top).filter(|&row| row < geometry.height) else {
            planes.fill(0.0);
            continue;
        };
        let row = &input[row * geometry.width * channels..][..geometry.width * channels];
        for (c, plane) in planes.chunks_exact_mut(pitch).enumerate() {
            plane[..left].fill(0.0);
            plane[left + width..].fill(0.0);
            let plane = &mut plane[left..left + width];
            if channels == 1 {
                plane.copy_from_slice(&row[..width]);
            } else {
                for (to, pixel) in plane.iter_mut().zip(row.chunks_exact(channels)) {
                    *to = pixel[c];
                }
            }
        }
    }
}

/// Copies the gradient of an output: `grads[row][vector of columns][filter][lane]`, zero beyond the last column.
struct Gather<'a, 'b> {
    from: &'a [f32],
    /// Rows, columns, filters.
    size: [usize; 3],
    /// Filters with room for whole groups.
    filters: usize,
    grads: &'b mut [f32],
}

impl Vectorized for Gather<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Gather { from, size: [rows, cols, count], filters, grads } = self;
        let vectors = cols.div_ceil(S::LEN);
        for y in 0..rows {
            for vector in 0..vectors {
                let start = (y * vectors + vector) * filters * S::LEN;
                let grads = &mut grads[start..start + filters * S::LEN];
                for lane in (0..S::LEN).step_by(8) {
                    let x = vector * S::LEN + lane;
                    let here = cols.saturating_sub(x).min(8);
                    let pixel = (y * cols + x) * count;
                    if here > 0
                        && let Some(from) = from.get(pixel..pixel + 7 * count + 8)
                    {
                        let mut pixels = [&[0.0f32; 8]; 8];
                        for p in 0..8 {
                            pixels[p] = from[p * count..].first_chunk().expect("the length was just taken");
                        }
                        let mut turned = s.transpose_8x8(pixels);
                        for f in 0..8 {
                            if here < 8 {
                                for p in 0..8 {
                                    turned[f][p] = if p < here { turned[f][p] } else { 0.0 };
                                }
                            }
                            if f < count {
                                *grads[f * S::LEN + lane..].first_chunk_mut().expect("a vector is whole") = turned[f];
                            }
                        }
                    } else {
                        for f in 0..count {
                            for p in 0..8 {
                                let value = if p < here { from[pixel + p * count + f] } else { 0.0 };
                                grads[f * S::LEN + lane + p] = value;
                            }
                        }
                    }
                }
                for f in count..filters {
                    s.store(s.splat(0.0), &mut grads[f * S::LEN..(f + 1) * S::LEN]);
                }
            }
        }
    }
}

/// The copies of one sample.
#[derive(Clone, Copy)]
struct Maps<'a> {
    planes: &'a [f32],
    grads: &'a [f32],
    rows: usize,
    vectors: usize,
    filters: usize,
}

/// The vectors of sums of a tile: the first, and from one element of a filter to the next.
#[derive(Clone, Copy)]
struct Target {
    first: usize,
    step: usize,
}

/// `FG` filters from `f` on by `T` elements of a row, `V` vectors of pixels at a time, which read `W` elements of a row.
struct Tile<'a, 'b, const FG: usize, const T: usize, const V: usize, const W: usize> {
    /// The copies, elements of the planes from one row to the next, and the first that is read.
    maps: (Maps<'a>, usize, usize),
    f: usize,
    to: Target,
    sums: &'b mut [f32],
}

impl<const FG: usize, const T: usize, const V: usize, const W: usize> Vectorized for Tile<'_, '_, FG, T, V, W> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Tile { maps: (maps, row_step, at), f, to, sums } = self;
        let mut tile = [[s.splat(0.0); T]; FG];
        let step = maps.filters * S::LEN;
        let mut grads = &maps.grads[f * S::LEN..];
        for y in 0..maps.rows {
            let mut row = &maps.planes[at + y * row_step..];
            for _ in 0..maps.vectors / V {
                let x: &[f32; W] = row.first_chunk().expect("planes have room for a window");
                for v in 0..V {
                    let here = &grads[..FG * S::LEN];
                    let mut g = [s.splat(0.0); FG];
                    for n in 0..FG {
                        g[n] = s.load(&here[n * S::LEN..(n + 1) * S::LEN]);
                    }
                    for t in 0..T {
                        let x = s.load(&x[v * S::LEN + t..v * S::LEN + t + S::LEN]);
                        for n in 0..FG {
                            tile[n][t] = s.mul_add(x, g[n], tile[n][t]);
                        }
                    }
                    grads = grads.get(step..).unwrap_or_default();
                }
                row = &row[V * S::LEN..];
            }
        }
        for n in 0..FG {
            for t in 0..T {
                let to = &mut sums[(to.first + t * to.step + n) * S::LEN..];
                s.store(s.add(s.load(to), tile[n][t]), to);
            }
        }
    }
}

/// The sums of the gradients of `FG` filters from `f` on.
struct Bias<'a, 'b, const FG: usize> {
    maps: Maps<'a>,
    f: usize,
    sums: &'b mut [f32],
}

impl<const FG: usize> Vectorized for Bias<'_, '_, FG> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Bias { maps, f, sums } = self;
        let mut totals = [s.splat(0.0); FG];
        for grads in maps.grads.chunks_exact(maps.filters * S::LEN).take(maps.rows * maps.vectors) {
            let grads = &grads[f * S::LEN..][..FG * S::LEN];
            for n in 0..FG {
                totals[n] = s.add(totals[n], s.load(&grads[n * S::LEN..(n + 1) * S::LEN]));
            }
        }
        for n in 0..FG {
            let to = &mut sums[n * S::LEN..];
            s.store(s.add(s.load(to), totals[n]), to);
        }
    }
}

/// Adds the lanes of each vector of sums: `totals[n] = Σ sums[n]`.
pub(super) struct AddLanes<'a> {
    pub sums: &'a mut [f32],
}

impl Vectorized for AddLanes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // The first lane of each vector is where the total stays.
        for sums in self.sums.chunks_exact_mut(S::LEN) {
            sums[0] = s.sum(s.load(sums));
        }
    }
}
