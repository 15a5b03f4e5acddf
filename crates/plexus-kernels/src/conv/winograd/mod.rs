//! Convolution with fewer products, by the minimal filtering of Winograd and the points of Toom and Cook.
//!
//! ```text
//! V = Bᵀ d B        of each square of n x n inputs, n = m + r - 1, the squares m apart
//! U = G g Gᵀ        of each filter of r x r
//! M = Σ_c U · V     position by position: n² products of matrices, tiles by channels by filters
//! y = Aᵀ M A        m x m outputs
//! ```
//!
//! Direct convolution takes `r²` products for an output, this takes `(n / m)²`: 2.25 in place of 9 for F(4x4, 3x3). The sizes,
//! the rounding and the order are those of one formula for every batch and any number of threads.
//!
//! The points of F(4x4, 3x3) and F(2x2, 5x5) are 0, ±√2, ±1/√2 and infinity. With the usual ±1, ±2 in their place the
//! transforms have larger numbers, and the error of a layer is 1.7 times as large (`tests.rs` measures it).
//!
//! # Numerics
//! Transforms of inputs and sums are f32, in the order of `points.rs`; weights are transformed in f64 and rounded once. Sums
//! over channels are those of [`crate::gemm`]. An input that is infinite or NaN makes the whole tile NaN that sees it. The
//! bound is in `docs/numerics.md`.
//!
//! # Source
//! Winograd 1980; Lavin and Gray 2016 (CVPR), for convolutions.

// The indices of lanes are those of registers.
#![allow(clippy::needless_range_loop)]

mod points;
mod transform;

pub(super) use transform::{InputTiles, OutputTiles};

use super::epilogue::in_registers;
use super::scratch::Slots;
use super::{Geometry, Kernel};
use crate::buffer::{Buffer, MatrixMut, TileMut, for_each_tile, for_each_tile_of_two};
use crate::gemm::{self, Precision};
use crate::isa::{Isa, Simd, Vectorized};
use crate::map::{self, Function};
use crate::threads::Pool;

/// Which form: outputs of a tile by the size of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Winograd {
    /// F(2x2, 3x3)
    Two3,
    /// F(4x4, 3x3)
    Four3,
    /// F(2x2, 5x5)
    Two5,
}

/// The most positions of a tile.
pub(super) const POSITIONS: usize = 36;

/// Filters whose sums are kept at a time, in whole panels.
const GROUP: usize = 64;

/// Weights of at most so many numbers stay in the second-level cache, beside the tiles of one task.
const SMALL_WEIGHT: usize = 5 << 16;

/// Tiles that are multiplied at a time, where each task transforms its own, and where tasks share them.
const OWN_TILES: usize = 24;
const SHARED_TILES: usize = 48;

/// Numbers of the tiles that tasks share: 16 MiB.
const SHARED: usize = 1 << 22;

impl Winograd {
    /// The form that is the fastest for a geometry, from its sizes alone; `None` where direct convolution is, or where it was
    /// asked for.
    ///
    /// The crossing points were measured, see `docs/performance.md`.
    pub(super) fn of(geometry: &Geometry, precision: Precision) -> Option<Winograd> {
        let dense = geometry.stride == [1, 1] && geometry.dilation == [1, 1];
        let wide = geometry.group_channels() >= 32 && geometry.group_filters() >= 32;
        if precision == Precision::Highest || !dense || !wide {
            return None;
        }
        let [rows, cols] = geometry.output()?;
        let tiles = |side: usize| rows.div_ceil(side).saturating_mul(cols.div_ceil(side));
        match geometry.kernel {
            [3, 3] if tiles(4) >= 40 => Some(Winograd::Four3),
            [3, 3] if tiles(2) >= 24 => Some(Winograd::Two3),
            [5, 5] if tiles(2) >= 40 => Some(Winograd::Two5),
            _ => None,
        }
    }

    /// Rows of outputs of a tile.
    pub(super) fn outputs(self) -> usize {
        match self {
            Winograd::Two3 | Winograd::Two5 => 2,
            Winograd::Four3 => 4,
        }
    }

    /// Rows of inputs of a tile.
    pub(super) fn inputs(self) -> usize {
        match self {
            Winograd::Two3 => 4,
            Winograd::Four3 | Winograd::Two5 => 6,
        }
    }

    fn positions(self) -> usize {
        self.inputs() * self.inputs()
    }

    /// Numbers of a transformed weight; see [`Winograd::pack`].
    pub(super) fn weight_len(self, geometry: &Geometry, kernel: &gemm::Kernel) -> usize {
        let panels = geometry.groups * geometry.group_filters().div_ceil(kernel.nr);
        [self.positions(), panels, geometry.group_channels(), kernel.nr].iter().fold(1, |len, &n| len.saturating_mul(n))
    }

    /// Transforms a weight: `[groups][filters by GROUP][positions][panels][channels][nr]`.
    ///
    /// `mirrored` gives the weight for the gradient of the input: `weight` is then that of the forward pass, whose channels
    /// are the filters here, turned by half a circle.
    pub(super) fn pack(
        self,
        geometry: &Geometry,
        kernel: &gemm::Kernel,
        weight: &[f32],
        mirrored: bool,
        (to, pool): (&mut [f32], &Pool),
    ) {
        let (channels, panels) = (geometry.group_channels(), geometry.group_filters().div_ceil(kernel.nr));
        let group = (GROUP / kernel.nr).max(1);
        let panel_len = channels * kernel.nr;
        let positions = self.positions();
        if to.is_empty() {
            return;
        }
        // A task is one set of panels: all of them but the last of a group are of one size, so each group goes by itself.
        for (number, to) in to.chunks_exact_mut(panels * positions * panel_len).enumerate() {
            let set_len = group * positions * panel_len;
            crate::map::pieces::for_each_of(pool, 1, crate::map::pieces::Rows(to, set_len), |set, to| {
                let count = to.0.len() / (positions * panel_len);
                let work = PackWeight {
                    form: self,
                    geometry,
                    weight,
                    mirrored,
                    nr: kernel.nr,
                    group: number,
                    first: set * group,
                    count,
                    to: to.0,
                };
                kernel.isa.run(work);
            });
        }
    }
}

/// Transforms some panels of filters.
struct PackWeight<'a> {
    form: Winograd,
    geometry: &'a Geometry,
    weight: &'a [f32],
    mirrored: bool,
    nr: usize,
    group: usize,
    /// Panels of the group.
    first: usize,
    count: usize,
    to: &'a mut [f32],
}

impl Vectorized for PackWeight<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let PackWeight { form, geometry, weight, mirrored, nr, group, first, count, to } = self;
        let (channels, filters) = (geometry.group_channels(), geometry.group_filters());
        let (side, taps) = (geometry.kernel[0], geometry.kernel[0] * geometry.kernel[0]);
        let panel_len = channels * nr;
        for panel in 0..count {
            for (at, first) in ((first + panel) * nr..(first + panel + 1) * nr).step_by(LANES).enumerate() {
                let lanes = filters.saturating_sub(first).min(LANES);
                for c in 0..channels {
                    let mut filter = [[0.0f64; LANES]; 25];
                    for lane in 0..lanes {
                        let (f, g) = (first + lane, group);
                        // `[filters, channels, taps]`, and in the mirror `[channels, filters, taps]`.
                        let start = match mirrored {
                            false => ((g * filters + f) * channels + c) * taps,
                            true => ((g * channels + c) * filters + f) * taps,
                        };
                        for (tap, &value) in weight[start..start + taps].iter().enumerate() {
                            filter[if mirrored { taps - 1 - tap } else { tap }][lane] = f64::from(value);
                        }
                    }
                    let mut positions = [[0.0f32; LANES]; POSITIONS];
                    points::weight(form, side, &filter, &mut positions);
                    for (position, values) in positions[..form.positions()].iter().enumerate() {
                        let at = (position * count + panel) * panel_len + c * nr + at * LANES;
                        to[at..at + LANES].copy_from_slice(values);
                    }
                }
            }
        }
    }
}

/// Filters that are transformed side by side.
const LANES: usize = 8;

/// One convolution in this form; the fields are those of [`super::Conv`].
pub(super) struct Call<'a> {
    pub form: Winograd,
    pub kernel: &'static Kernel,
    pub geometry: &'a Geometry,
    pub batch: usize,
    pub input: &'a [f32],
    /// Of [`Winograd::pack`].
    pub weight: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub function: Function,
    pub pooled: bool,
    pub positions: Option<&'a mut [u8]>,
    pub output: &'a mut [f32],
    /// Adds to the output instead of overwriting it.
    pub accumulate: bool,
}

/// Where tiles lie in the outputs of a batch. Tiles are numbered row by row, sample by sample.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    /// Rows and columns of the outputs of a sample, after pooling, that a tile computes.
    pub unit: usize,
    /// Rows and columns of the outputs of a sample, after pooling.
    pub size: [usize; 2],
    /// Rows and columns of tiles of a sample.
    pub tiles: [usize; 2],
}

/// What is cut at the same places: some tiles, and the pixels that they compute.
#[derive(Clone, Copy)]
struct Grain {
    tiles: usize,
    pixels: usize,
}

impl Grid {
    fn new(form: Winograd, geometry: &Geometry, pooled: bool) -> Grid {
        let [rows, cols] = geometry.output().expect("checked at the entry");
        let (unit, size) = match pooled {
            true => (form.outputs() / 2, [rows / 2, cols / 2]),
            false => (form.outputs(), [rows, cols]),
        };
        Grid { unit, size, tiles: size.map(|size| size.div_ceil(unit)) }
    }

    fn row(&self) -> Grain {
        Grain { tiles: self.tiles[1], pixels: self.unit * self.size[1] }
    }

    fn sample(&self) -> Grain {
        Grain { tiles: self.tiles[0] * self.tiles[1], pixels: self.size[0] * self.size[1] }
    }

    /// The sample of a tile, and its row and column of tiles.
    pub fn place(&self, tile: usize) -> (usize, usize, usize) {
        let [rows, cols] = self.tiles;
        (tile / (rows * cols), tile / cols % rows, tile % cols)
    }

    /// The first pixel of the batch of a row of tiles, by its first tile.
    fn pixel(&self, tile: usize) -> usize {
        let (sample, y, _) = self.place(tile);
        (sample * self.size[0] + y * self.unit) * self.size[1]
    }
}

/// Memory of this form.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Tiles that all tasks read.
    shared: Buffer,
    /// Of each thread: tiles of its own, and sums.
    slots: Slots,
}

/// Numbers from one tile to the next. Rows of a power of two fall into the same few sets of the first-level cache.
fn tile_stride(channels: usize) -> usize {
    let lines = channels.next_multiple_of(16);
    if lines.is_multiple_of(256) { lines + 16 } else { lines }
}

/// Computes one convolution.
pub(super) fn run(call: Call<'_>, scratch: &mut Scratch, pool: &Pool) {
    let Call { form, kernel, geometry, batch, input, weight, bias, function, pooled, positions, output, accumulate } =
        call;
    let grid = Grid::new(form, geometry, pooled);
    let multiply = gemm::Kernel::for_isa(kernel.isa);
    let shared = weight.len() > SMALL_WEIGHT;
    let at_a_time = if shared { SHARED_TILES } else { OWN_TILES };
    let group = (GROUP / multiply.nr).max(1) * multiply.nr;
    let stride = tile_stride(geometry.channels);
    let positions_stride = |tiles: usize, width: usize| tiles * width + 16;
    let own = if shared { 0 } else { form.positions() * positions_stride(at_a_time, stride) };
    let sums = form.positions() * positions_stride(at_a_time, group);
    let Scratch { shared: tiles_of_all, slots } = scratch;
    let slots = slots.grow(pool.threads(), own + sums);

    // Tile rows of all samples follow each other where none is cut; otherwise whole samples do.
    let per_tile = form.positions() * stride;
    let whole = SHARED / per_tile >= grid.sample().tiles || !shared;
    let uniform = grid.size[0].is_multiple_of(grid.unit);
    let (outer, inner, grain) = match (uniform, whole && batch > 1) {
        (true, _) => (1, batch * grid.tiles[0], grid.row()),
        (false, true) => (1, batch, grid.sample()),
        (false, false) => (batch, grid.tiles[0], grid.row()),
    };
    let step = if shared { (SHARED / per_tile / grain.tiles).clamp(1, inner) } else { inner };
    let filters = geometry.filters;
    let block = Block { form, geometry, grid, multiply, weight, bias, function, pooled, accumulate, stride, group };
    let of_all = output.len() / filters / outer;
    let mut output = output;
    let mut positions = positions;
    for sample in 0..outer {
        for first in (0..inner).step_by(step) {
            let grains = step.min(inner - first);
            let tiles = sample * grid.sample().tiles + first * grain.tiles
                ..sample * grid.sample().tiles + (first + grains) * grain.tiles;
            let pixels = (grains * grain.pixels).min(of_all - first * grain.pixels);
            let (these, rest) = std::mem::take(&mut output).split_at_mut(pixels * filters);
            output = rest;
            let these_positions = positions.take().map(|all| {
                let (these, rest) = all.split_at_mut(pixels * filters);
                positions = Some(rest);
                these
            });
            let across = positions_stride(tiles.len(), stride);
            if shared {
                tiles_of_all.grow(form.positions() * across);
                let matrix = MatrixMut {
                    values: &mut tiles_of_all[..form.positions() * across],
                    rows: form.positions(),
                    cols: tiles.len() * stride,
                    stride: across,
                };
                let of_task = tiles.len().div_ceil(4 * pool.threads()).clamp(1, 64);
                for_each_tile(matrix, (form.positions(), of_task * stride), pool, |_, col, to| {
                    let first = tiles.start + col / stride;
                    let count = to.cols() / stride;
                    (kernel.input_tiles)(InputTiles { form, geometry, grid, input, first, count, stride, to });
                });
            }
            let sets = if shared { filters.div_ceil(group) } else { 1 };
            // About sixteen tasks, more than threads, of at least as many tiles as are multiplied at a time.
            let row_tasks = 16usize.div_ceil(sets).min(tiles.len().div_ceil(at_a_time)).max(1);
            let per_task = grains.div_ceil(row_tasks);
            let width = if shared { group.min(filters) } else { filters };
            let matrix = MatrixMut { values: these, rows: pixels, cols: filters, stride: filters };
            let matrix_of_positions =
                these_positions.map(|values| MatrixMut { values, rows: pixels, cols: filters, stride: filters });
            let shared_tiles = &tiles_of_all[..];
            let size = (per_task * grain.pixels, width);
            for_each_tile_of_two(matrix, matrix_of_positions, size, pool, |row, col, mut to, mut to_positions| {
                let first = tiles.start + row / grain.pixels * grain.tiles;
                let end = first + to.rows().div_ceil(grain.pixels) * grain.tiles;
                let mut slot = slots.take();
                let (own, sums) = slot.split_at_mut(own);
                for at in (first..end).step_by(at_a_time) {
                    let count = at_a_time.min(end - at);
                    let (values, from, across) = match shared {
                        true => (shared_tiles, at - tiles.start, across),
                        false => {
                            let across = positions_stride(at_a_time, stride);
                            let to = MatrixMut {
                                values: &mut *own,
                                rows: form.positions(),
                                cols: count * stride,
                                stride: across,
                            };
                            let to = to.whole();
                            (kernel.input_tiles)(InputTiles {
                                form,
                                geometry,
                                grid,
                                input,
                                first: at,
                                count,
                                stride,
                                to,
                            });
                            (&*own, 0, across)
                        }
                    };
                    let tiles = Tiles { values: &values[from * stride..], across, first: at, count };
                    let pixel = grid.pixel(first);
                    block.filters(
                        kernel,
                        &tiles,
                        sums,
                        Target { to: &mut to, positions: to_positions.as_mut(), pixel, col },
                    );
                }
                finish(kernel.isa, &block, &mut to);
            });
        }
    }
}

/// Applies a function that is not applied in registers.
fn finish(isa: Isa, block: &Block<'_>, to: &mut TileMut<'_>) {
    if !block.pooled && !in_registers(block.function) {
        for row in 0..to.rows() {
            map::apply(isa, block.function, to.row(row));
        }
    }
}

/// What tasks have in common.
struct Block<'a> {
    form: Winograd,
    geometry: &'a Geometry,
    grid: Grid,
    multiply: &'static gemm::Kernel,
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    function: Function,
    pooled: bool,
    accumulate: bool,
    stride: usize,
    group: usize,
}

/// Some transformed tiles: position `p` of the tile after `i` others begins at `p · across + i · stride`.
struct Tiles<'a> {
    values: &'a [f32],
    across: usize,
    /// The number of the first.
    first: usize,
    count: usize,
}

/// Where outputs go: a rectangle of pixels by filters that begins with pixel `pixel` and filter `col`.
struct Target<'a, 'b> {
    to: &'a mut TileMut<'b>,
    positions: Option<&'a mut TileMut<'b, u8>>,
    pixel: usize,
    col: usize,
}

impl Block<'_> {
    /// Multiplies tiles with all filters of a target, and transforms the sums.
    fn filters(&self, kernel: &Kernel, tiles: &Tiles<'_>, sums: &mut [f32], mut target: Target<'_, '_>) {
        let nr = self.multiply.nr;
        let (channels, filters) = (self.geometry.group_channels(), self.geometry.group_filters());
        let panels = filters.div_ceil(nr);
        let panel_len = channels * nr;
        let positions = self.form.positions();
        let end = target.col + target.to.cols();
        let mut filter = target.col;
        while filter < end {
            let (number, within) = (filter / filters, filter % filters);
            let count = self.group.min(filters - within % filters).min(end - filter);
            let panels_here = count.div_ceil(nr);
            // All panels of the set, whether they are wanted or not: it begins at a whole set.
            let set = (self.group / nr).min(panels - within / nr);
            let weight = &self.weight[(number * panels + within / nr) * positions * panel_len..];
            let width = panels_here * nr;
            let across = tiles.count * width + 16;
            for position in 0..positions {
                let a = &tiles.values[position * tiles.across + number * channels..];
                let panels = &weight[position * set * panel_len..][..panels_here * panel_len];
                let to = MatrixMut {
                    values: &mut sums[position * across..][..tiles.count * width],
                    rows: tiles.count,
                    cols: width,
                    stride: width,
                };
                gemm::multiply_panels(self.multiply, (a, self.stride), panels, channels, to.whole());
            }
            (kernel.output_tiles)(OutputTiles {
                form: self.form,
                grid: self.grid,
                first: tiles.first,
                count: tiles.count,
                sums,
                across,
                width,
                bias: self.bias.map(|bias| &bias[filter..filter + count]),
                function: self.function,
                pooled: self.pooled,
                accumulate: self.accumulate,
                to: target.to,
                positions: target.positions.as_deref_mut(),
                pixel: target.pixel,
                col: filter - target.col,
                filters: count,
            });
            filter += count;
        }
    }
}
