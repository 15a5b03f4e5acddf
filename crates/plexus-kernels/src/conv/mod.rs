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
mod geometry;
mod pack;
mod plain;
pub mod reference;
mod unpool;

pub use backward::{
    ConvBackwardInput, ConvBackwardWeight, conv_backward_input, conv_backward_input_with, conv_backward_weight,
    conv_backward_weight_with,
};
pub use geometry::Geometry;
pub use pack::PackedWeight;
pub use unpool::{UnpoolTwo, unpool_two, unpool_two_on};

use crate::buffer::Buffer;
use crate::isa::Isa;
use crate::map::Function;
use crate::threads::Pool;

/// One row of the table of kernels.
pub struct Kernel {
    /// `conv_f32_<isa>_<pixels>x<filters>`
    pub name: &'static str,
    /// The instruction set it needs.
    pub isa: Isa,
    /// Whether it gives the same bits as every other consistent row.
    pub consistent: bool,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every kernel, the plainest first.
pub static KERNELS: &[Kernel] = &[Kernel { name: "conv_f32_portable_1x1", isa: Isa::Portable, consistent: false }];

impl Kernel {
    /// The best kernel that runs while an instruction set is in use.
    pub fn for_isa(isa: Isa) -> &'static Kernel {
        KERNELS.iter().rfind(|kernel| isa.runs(kernel.isa)).expect("the portable row runs everywhere")
    }

    /// The kernel in use on this machine.
    pub fn selected() -> &'static Kernel {
        Kernel::for_isa(Isa::selected())
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

/// Memory that kernels work in; it grows to the largest call and is then reused. A clone is empty.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The weight, packed for one call.
    weight: Buffer,
}

impl Clone for Scratch {
    fn clone(&self) -> Self {
        Scratch::default()
    }
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

/// Computes one convolution with the best kernel, or with the one that the weight was packed for.
///
/// # Panics
/// Where the geometry has no output, or the sizes of the buffers do not fit it.
///
/// # Examples
/// ```
/// use plexus_kernels::conv::{Conv, Geometry, Scratch, Weight, conv};
/// use plexus_kernels::{map::Function, threads::Pool};
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
/// conv(call, &mut Scratch::default(), &Pool::single());
/// assert_eq!(output, [12.0, 23.0]);
/// ```
pub fn conv(call: Conv<'_>, scratch: &mut Scratch, pool: &Pool) {
    let kernel = match call.weight {
        Weight::Plain(_) => Kernel::selected(),
        Weight::Packed(packed) => packed.row(),
    };
    conv_with(kernel, call, scratch, pool);
}

/// Computes one convolution with a chosen kernel.
///
/// # Panics
/// As [`conv`], and where the weight was packed for another kernel.
pub fn conv_with(kernel: &'static Kernel, call: Conv<'_>, scratch: &mut Scratch, pool: &Pool) {
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
        assert!(std::ptr::eq(packed.row(), kernel), "{kernel:?} cannot run weights packed for {}", packed.kernel());
    }
    let weight = match weight {
        Weight::Plain(weight) => {
            assert_eq!(
                weight.len(),
                geometry.weight_len(),
                "the weight has filters · channels / groups · kernel numbers"
            );
            weight.to_vec()
        }
        Weight::Packed(packed) => packed.unpack(),
    };
    let _ = (kernel, scratch, pool);
    plain::conv(&geometry, batch, input, &weight, bias, function, output, pooled, positions);
}

#[cfg(test)]
mod tests;
