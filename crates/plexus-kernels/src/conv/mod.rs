//! Convolution of maps, with bias, activation and 2 x 2 max pooling, and its gradients.
//!
//! ```text
//! full[n, y, x, f]   = function( bias[f] + Σ_i Σ_j Σ_c input[n, y·s0 + i·d0 - top, x·s1 + j·d1 - left, first(f) + c]
//!                                                   · weight[f, c, i, j] )
//! output             = full, or the largest of each 2 x 2 window of it
//! ```
//!
//! `s` is the stride, `d` the dilation, `top` and `left` the padding; the input is zero outside of itself. With `g` groups
//! `c` runs over `channels / g`, and `first(f)` is the first channel of the group that `f` belongs to.
//!
//! # Shapes
//! Maps are channels-last and dense, weights as everyone writes them:
//! - `input`: `[batch, height, width, channels]`
//! - `weight`: `[filters, channels / groups, kernel height, kernel width]`
//! - `bias`: `[filters]`
//! - `output`: `[batch, out height, out width, filters]`, halved (rounded down) by pooling
//!
//! # Contract
//! - Buffers overlap nothing (the borrow checker holds it). The output is not read.
//! - A batch of zero, or no filters: nothing happens. No channels: `output = function(bias)`.
//! - Products with padding are computed: where a weight is infinite or NaN, outputs that see padding are NaN.
//! - Nothing is allocated once the [`Scratch`] has seen the largest call with this number of threads.
//!
//! # Numerics
//! With `K` products for each output, in the order `i`, `j`, `c` of the formula: sums are f32, in the fewest blocks of at
//! most [`KC`](crate::gemm::KC) products; within a block a chain of multiply-adds from zero, then the block is added to what
//! came before, then the bias. The order depends on the geometry alone: not on the threads, not on the batch, not on
//! pooling. Kernels whose row says `consistent` give the same bits as each other. The error is at most
//! `(KC + K/KC + 1) · 2⁻²⁴ · Σ |input||weight|` for each output; `tests.rs` holds every row to it.
//!
//! Pooling takes the first of equal numbers, and a NaN before every number (of several NaN the last), as PyTorch does.

mod backward;
mod backward_input;
mod backward_pixels;
mod backward_weight;
mod body;
mod dense;
mod depthwise;
mod epilogue;
mod geometry;
mod pack;
mod pixels;
pub mod reference;
mod scratch;
mod source;
mod table;
mod unpool;
mod winograd;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

pub use backward::{ConvBackwardInput, ConvBackwardWeight, conv_backward_input, conv_backward_weight};
pub use geometry::Geometry;
pub use pack::PackedWeight;
pub use scratch::Scratch;
pub use table::Table;
pub use unpool::{UnpoolTwo, unpool_two};

use crate::Context;
use crate::isa::Isa;
use crate::map::Function;
use crate::map::pieces::{self, Maybe, Rows};
use crate::threads::Pool;
use backward_input::InputBand;
use backward_pixels::PixelsPart;
use backward_weight::WeightPart;
use pack::{Form, Layout, PackedForm};
use std::ops::Range;
use winograd::{InputTiles, OutputTiles};

/// Below this many multiply-adds the calling thread does all of them: a few microseconds, no more than waking a thread
/// costs.
const PARALLEL_MACS: u64 = 1 << 18;

/// Multiply-adds of a task, where a sample has more or less: many times what taking a task costs.
const TASK_MACS: u64 = 1 << 18;

/// One row of the table of kernels.
pub struct Kernel {
    /// `conv_f32_<isa>_<pixels>x<filters>`
    pub name: &'static str,
    /// The instruction set it needs.
    pub isa: Isa,
    /// Whether it gives the same bits as every other consistent row.
    pub consistent: bool,
    /// Filters of one vector.
    lanes: usize,
    /// The most filters that are computed with pixels in the lanes.
    few: usize,
    /// Computes some rows of one sample.
    band: fn(Band<'_, '_>),
    /// Computes some rows of the gradient of one input.
    input: fn(InputBand<'_, '_>),
    /// Computes some samples' part of the gradient of one row of some filters, and, with pixels in the lanes, of all.
    weight: fn(WeightPart<'_, '_>),
    weight_of_pixels: fn(PixelsPart<'_, '_>),
    /// Transforms the tiles of Winograd's form, and their sums.
    input_tiles: fn(InputTiles<'_, '_>),
    output_tiles: fn(OutputTiles<'_, '_>),
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every kernel, the plainest first.
pub static KERNELS: &[Kernel] = &[
    portable::KERNEL,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    simd128::KERNEL,
    #[cfg(target_arch = "aarch64")]
    neon::KERNEL,
    #[cfg(target_arch = "x86_64")]
    avx2::KERNEL,
    #[cfg(target_arch = "x86_64")]
    avx512::KERNEL,
];

impl Kernel {
    /// The best kernel that runs while an instruction set is in use.
    pub fn for_isa(isa: Isa) -> &'static Kernel {
        KERNELS.iter().rfind(|kernel| isa.runs(kernel.isa)).expect("the portable row runs everywhere")
    }
}

/// The weight of a convolution.
#[derive(Clone, Copy, Debug)]
pub enum Weight<'a> {
    /// `[filters, channels / groups, kernel height, kernel width]`; each call packs it.
    Plain(&'a [f32]),
    /// Packed before.
    Packed(&'a PackedWeight),
}

/// What becomes of the map before it is written.
#[derive(Debug)]
pub enum Pooling<'a> {
    /// The largest of each 2 x 2 window with stride 2. An odd last row or column is left out.
    MaxTwo {
        /// Where in its window each output was: 0 to 3, row-major. `[batch, out height / 2, out width / 2, filters]`
        positions: Option<&'a mut [u8]>,
    },
}

/// One convolution: see the module documentation for the formula and the shapes.
#[derive(Debug)]
pub struct Conv<'a> {
    /// The sizes.
    pub geometry: Geometry,
    /// Number of samples.
    pub batch: usize,
    /// `[batch, height, width, channels]`
    pub input: &'a [f32],
    /// `[filters, channels / groups, kernel height, kernel width]`
    pub weight: Weight<'a>,
    /// `[filters]`
    pub bias: Option<&'a [f32]>,
    /// Applied to the finished sums.
    pub function: Function,
    /// Applied after the function.
    pub pooling: Option<Pooling<'a>>,
    /// `[batch, out height, out width, filters]`, overwritten.
    pub output: &'a mut [f32],
}

/// What a kernel needs to compute any rows of any sample.
struct Block<'a> {
    geometry: &'a Geometry,
    input: &'a [f32],
    layout: Layout,
    panels: &'a [f32],
    bias: Option<&'a [f32]>,
    function: Function,
    pooled: bool,
    /// Columns of the output, after pooling.
    cols: usize,
}

/// Some rows of the output of one sample.
struct Band<'a, 'b> {
    block: &'a Block<'a>,
    sample: usize,
    rows: Range<usize>,
    /// These rows.
    output: &'b mut [f32],
    positions: Option<&'b mut [u8]>,
    /// Memory for a copy of the input, see [`Block::halo_len`].
    halo: &'b mut [f32],
}

impl Block<'_> {
    /// Numbers of the copy that `rows` rows of the output need.
    fn halo_len(&self, rows: usize) -> usize {
        let (rows, cols) = if self.pooled { (2 * rows, 2 * self.cols) } else { (rows, self.cols) };
        match self.layout.form {
            Form::Pixels => pixels::planes_len(self.geometry, rows, cols),
            _ => source::halo_len(self.geometry, rows),
        }
    }
}

/// Computes one convolution with the best kernel, or with the one that the weight was packed for.
///
/// # Panics
/// Where the geometry has no output, or the sizes of the buffers do not fit it.
///
/// # Examples
/// ```
/// use plexus_kernels::conv::{Conv, Geometry, Scratch, Weight, conv};
/// use plexus_kernels::{Context, map::Function};
/// let mut output = [0.0; 2];
/// let call = Conv {
///     geometry: Geometry::plain([1, 1, 3], 1, [1, 2]),
///     batch: 1,
///     input: &[1.0, 2.0, 3.0],
///     weight: Weight::Plain(&[10.0, 1.0]),
///     bias: None,
///     function: Function::Identity,
///     pooling: None,
///     output: &mut output,
/// };
/// conv(call, &mut Scratch::default(), &Context::single());
/// assert_eq!(output, [12.0, 23.0]);
/// ```
pub fn conv(call: Conv<'_>, scratch: &mut Scratch, context: &Context) {
    let kernel = match call.weight {
        Weight::Plain(_) => Kernel::for_isa(context.isa()),
        Weight::Packed(packed) => packed.row(),
    };
    let Conv { geometry, batch, input, weight, bias, function, pooling, output } = call;
    let [rows, cols] = geometry.output().expect("the filters fit the padded input");
    assert_eq!(Some(input.len()), geometry.input_len().checked_mul(batch), "batch · height · width · channels inputs");
    assert!(bias.is_none_or(|bias| bias.len() == geometry.filters), "one bias for each filter");
    let pooled = pooling.is_some();
    let (out_rows, out_cols) = if pooled { (rows / 2, cols / 2) } else { (rows, cols) };
    assert_eq!(
        output.len(),
        batch * out_rows * out_cols * geometry.filters,
        "batch · rows · columns · filters outputs"
    );
    let positions = match pooling {
        Some(Pooling::MaxTwo { positions }) => positions,
        None => None,
    };
    assert!(positions.as_ref().is_none_or(|at| at.len() == output.len()), "one position for each output");
    if let Weight::Packed(packed) = weight {
        assert_eq!(packed.geometry(), &geometry, "the geometry that the weight was packed for");
    }
    if output.is_empty() {
        return;
    }
    let single = Pool::single();
    let macs = geometry.macs();
    let pool = if macs.saturating_mul(batch as u64) < PARALLEL_MACS { &single } else { context.pool() };
    let form = match weight {
        Weight::Packed(packed) => packed.form(),
        Weight::Plain(_) => PackedForm::of(&geometry, kernel, context.precision()),
    };
    let panels = match weight {
        Weight::Packed(packed) => packed.panels(),
        Weight::Plain(weight) => {
            assert_eq!(
                weight.len(),
                geometry.weight_len(),
                "the weight has filters · channels / groups · kernel numbers"
            );
            let len = form.len(&geometry, kernel);
            scratch.weight.grow(len);
            form.pack(&geometry, kernel, weight, (&mut scratch.weight[..len], pool));
            &scratch.weight[..len]
        }
    };
    let layout = match form {
        PackedForm::Direct(layout) => layout,
        PackedForm::Winograd(form) => {
            let call = winograd::Call {
                form,
                kernel,
                geometry: &geometry,
                batch,
                input,
                weight: panels,
                bias,
                function,
                pooled,
                positions,
                output,
                accumulate: false,
            };
            return winograd::run(call, &mut scratch.winograd, pool);
        }
    };
    let geometry = &geometry;
    let block = Block { geometry, input, layout, panels, bias, function, pooled, cols: out_cols };
    let (band, piece) = cut(macs, out_rows);
    let slots = scratch.slots.grow(pool.threads(), block.halo_len(band));

    let row = out_cols * geometry.filters;
    let positions = Maybe(positions.map(|positions| Rows(positions, row)), batch * out_rows);
    pieces::for_each_of(pool, piece, (Rows(output, row), positions), |first, (output, positions)| {
        let (mut output, mut positions) = (output.0, positions.0.map(|positions| positions.0));
        let mut halo = slots.take();
        let (mut at, end) = (first, first + output.len() / row);
        while at < end {
            // A piece may go over the end of a sample.
            let (sample, y) = (at / out_rows, at % out_rows);
            let rows = y..out_rows.min(y + (end - at).min(band));
            let (these, rest) = output.split_at_mut(rows.len() * row);
            let (these_positions, rest_positions) = positions.map(|at| at.split_at_mut(these.len())).unzip();
            at += rows.len();
            let halo = &mut halo[..];
            (kernel.band)(Band { block: &block, sample, rows, output: these, positions: these_positions, halo });
            (output, positions) = (rest, rest_positions);
        }
    });
}

/// How the rows of the outputs of a batch are cut, from the sizes of one sample alone: rows that are computed together,
/// and rows of one task.
fn cut(macs: u64, rows: usize) -> (usize, usize) {
    let bands = macs.div_ceil(4 * TASK_MACS).clamp(1, rows as u64) as usize;
    if bands > 1 {
        let band = rows.div_ceil(bands);
        return (band, band);
    }
    let samples = (TASK_MACS / macs.max(1)).clamp(1, 1 << 16) as usize;
    (rows, rows * samples)
}

#[cfg(test)]
mod tests;
