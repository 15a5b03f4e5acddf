//! Matrix product of 16-bit activations with 8-bit or 16-bit weights, requantized.
//!
//! ```text
//! sums[i, j]   = bias[j] + Σ_p input[i, p] · weight[j, p]      modulo 2³², or exact in 64 bits: as the bias says
//! output[i, j] = requantize(sums[i, j])                        see `requantize`
//! ```
//!
//! Letters as in the BLAS literature: `m` = batch, `n` = out_features, `k` = in_features. Zero points are zero in every
//! scheme with 16-bit activations.
//!
//! | who | weights | sums | outputs |
//! |---|---|---|---|
//! | CMSIS-NN `arm_fully_connected_mat_q7_vec_q15` | `i8` | 32 bits, wrapping | [`Requantize::power_of_two`] |
//! | CMSIS-NN `arm_fully_connected_q15` | `i16` | 32 bits, wrapping | [`Requantize::power_of_two`] |
//! | TFLite int16x8, fully connected | `i8` | 64 bits | [`RequantizeWide`] |
//! | TFLite int16x8, convolution with 32-bit bias | `i8` | 32 bits, wrapping | [`Requantize::double_rounding`] |
//!
//! 16-bit weights with 64-bit sums belong to no scheme of the field; they are here for sums that must not wrap.
//!
//! # Contract
//! - `input` is row-major without gaps; `output` may have any distance between rows and overlaps nothing.
//! - `m` or `n` zero: nothing happens. `k` zero: the sums are the biases.
//! - Any numbers are legal: `(-32768)² + (-32768)²`, which 32-bit lanes cannot hold, is right in 64-bit sums.
//!
//! # Numerics
//! Exact. 64-bit sums are made of 32-bit ones over at most 504 products of an `i8`, or 252 of a byte of an `i16` weight,
//! which fit; `i16` weights are cut into `256 · high + low`. Every row of [`KERNELS`] gives the bits of
//! [`mod@reference`](crate::gemm_i8::reference) on any number of threads (`tests.rs`).

mod pack;
mod tiles;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use crate::Context;
use crate::buffer::{Buffer, MatrixMut, TileMut, for_each_tile};
use crate::gemm_i8::pack::{Pairs, Rows, Term};
use crate::gemm_i8::tiles::{Place, Words};
use crate::gemm_i8::{self, tile};
use crate::isa::Isa;
use crate::requantize::{Requantize, RequantizeWide};
use crate::threads::Pool;
use crate::windows::Maps;

pub use crate::gemm_i8::Interleaved;

/// Below this many multiply-adds one thread is faster than waking a second one.
///
/// About 5 microseconds of work for one core with AVX2; entering the pool costs as much.
const PARALLEL_MACS: usize = 1 << 18;

/// One row of the table of kernels.
pub struct Kernel {
    /// `gemm_i16_<isa>_<mr>x<nr>`: it takes both widths of weights and of sums.
    pub name: &'static str,
    /// The instruction set it needs.
    pub isa: Isa,
    /// Rows of the register tile.
    pub mr: usize,
    /// Columns of the register tile, and the width of a packed panel.
    pub nr: usize,
    /// Whether it gives the same bits as every other consistent row: all do.
    pub consistent: bool,
    /// Computes one rectangle of the output.
    block: fn(&Task<'_>, Target<'_>),
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every kernel, the plainest first.
pub static KERNELS: &[Kernel] = &[
    portable::KERNEL,
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

/// The elements of a weight: `[n, k]`, row-major without gaps.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Bytes.
    I8(&'a [i8]),
    /// 16-bit numbers.
    I16(&'a [i16]),
}

/// `[n]`, and the width of the sums.
#[derive(Clone, Copy, Debug)]
pub enum Bias<'a> {
    /// Sums modulo 2³².
    I32(Option<&'a [i32]>),
    /// Exact sums.
    I64(Option<&'a [i64]>),
}

/// A weight to be packed.
#[derive(Clone, Copy, Debug)]
pub struct Weight<'a> {
    /// `[n, k]`
    pub values: Values<'a>,
    /// n
    pub out_features: usize,
    /// k
    pub in_features: usize,
    /// `[n]`
    pub bias: Bias<'a>,
}

/// A weight re-ordered once for one kernel, with its bias.
#[derive(Clone, Debug)]
pub struct Packed {
    kernel: &'static Kernel,
    out_features: usize,
    in_features: usize,
    panels: PackedValues,
    start: Start,
}

#[derive(Clone, Debug)]
enum PackedValues {
    I8(Buffer<i8>),
    I16(Buffer<i16>),
}

/// Biases, padded to whole panels.
#[derive(Clone, Debug)]
enum Start {
    I32(Buffer<i32>),
    I64(Buffer<i64>),
}

impl Packed {
    /// Re-orders a weight for the kernel of a context.
    ///
    /// # Panics
    /// Where the lengths of the weight or of the bias do not fit the features.
    pub fn new(weight: Weight<'_>, context: &Context) -> Self {
        let kernel = Kernel::for_isa(context.isa());
        let Weight { values, out_features: n, in_features: k, bias } = weight;
        let (len, biases) = match (values, bias) {
            (Values::I8(values), Bias::I32(bias)) => (values.len(), bias.map(<[i32]>::len)),
            (Values::I8(values), Bias::I64(bias)) => (values.len(), bias.map(<[i64]>::len)),
            (Values::I16(values), Bias::I32(bias)) => (values.len(), bias.map(<[i32]>::len)),
            (Values::I16(values), Bias::I64(bias)) => (values.len(), bias.map(<[i64]>::len)),
        };
        assert_eq!(Some(len), n.checked_mul(k), "a weight of {n} x {k}");
        assert!(biases.is_none_or(|biases| biases == n), "one bias for each output");
        let panels = match values {
            Values::I8(values) => PackedValues::I8(gemm_i8::pack::weights(values, (n, k), kernel.nr, context.pool())),
            Values::I16(values) => PackedValues::I16(pack::weights(values, (n, k), kernel.nr, context.pool())),
        };
        let padded = n.next_multiple_of(kernel.nr);
        let start = match bias {
            Bias::I32(bias) => {
                let mut start = Buffer::from_slice(bias.unwrap_or(&[]));
                start.grow(padded);
                Start::I32(start)
            }
            Bias::I64(bias) => {
                let mut start = Buffer::from_slice(bias.unwrap_or(&[]));
                start.grow(padded);
                Start::I64(start)
            }
        };
        Packed { kernel, out_features: n, in_features: k, panels, start }
    }

    /// The kernel that can run it.
    pub fn kernel(&self) -> &'static Kernel {
        self.kernel
    }

    /// n
    pub fn out_features(&self) -> usize {
        self.out_features
    }

    /// k
    pub fn in_features(&self) -> usize {
        self.in_features
    }

    /// Bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let panels = match &self.panels {
            PackedValues::I8(values) => values.len(),
            PackedValues::I16(values) => values.len() * size_of::<i16>(),
        };
        let start = match &self.start {
            Start::I32(values) => values.len() * size_of::<i32>(),
            Start::I64(values) => values.len() * size_of::<i64>(),
        };
        panels + start
    }
}

/// Where results go: `[m, n]`.
#[derive(Debug)]
pub enum Output<'a> {
    /// Requantized from 32-bit sums, limited to -32768..=32767.
    I16(MatrixMut<'a, i16>, &'a Requantize),
    /// Requantized from 64-bit sums, limited to -32768..=32767.
    I16FromWide(MatrixMut<'a, i16>, &'a RequantizeWide),
    /// The 32-bit sums.
    Sums(MatrixMut<'a, i32>),
    /// The 64-bit sums.
    WideSums(MatrixMut<'a, i64>),
}

/// The activations that enter: `[m, k]`.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Row-major without gaps.
    Rows(&'a [i16]),
    /// The windows of maps; the weight's rows are [filled up](crate::windows::Windows::fill_up).
    Windows(Maps<'a, i16>),
}

/// One product: see the module documentation for the formula.
#[derive(Debug)]
pub struct GemmI16<'a> {
    /// `[m, k]`
    pub input: Input<'a>,
    /// `[n, k]` with the bias
    pub weight: &'a Packed,
    /// `[m, n]`
    pub output: Output<'a>,
}

/// Memory that the kernels work in; it grows to the largest call and is then reused.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    x: gemm_i8::pack::Scratch,
}

/// What a kernel needs to compute any rectangle.
#[derive(Clone, Copy)]
struct Task<'a> {
    /// `[m][quads][2]` and a term that is zero
    words: &'a [i32],
    place: Place<'a>,
    quads: usize,
    weight: &'a Packed,
    /// See [`gemm_i8::body::Cut`].
    group: usize,
    /// Where the rectangle starts; `col` is a multiple of `nr`.
    row: usize,
    col: usize,
}

impl<'a> Task<'a> {
    /// The rows of activations.
    fn x(&self) -> Words<'a> {
        Words { words: self.words, place: self.place, quads: self.quads, per_quad: 2, row: self.row }
    }
}

/// One rectangle of an [`Output`], with the biases.
enum Target<'a> {
    I16(TileMut<'a, i16>, &'a Requantize, &'a [i32]),
    I16FromWide(TileMut<'a, i16>, &'a RequantizeWide, &'a [i64]),
    Sums(TileMut<'a, i32>, &'a [i32]),
    WideSums(TileMut<'a, i64>, &'a [i64]),
}

/// Computes one product with the kernel that the weight was packed for.
///
/// # Panics
/// Where the sizes of input, weight and output do not fit each other, the output takes sums of another width than the
/// bias has, or the scales are neither one nor one a column.
pub fn gemm_i16(call: GemmI16<'_>, scratch: &mut Scratch, context: &Context) {
    let GemmI16 { input, weight, output } = call;
    let (kernel, n, k) = (weight.kernel, weight.out_features, weight.in_features);
    let (m, cols, channels) = match &output {
        Output::I16(matrix, requantize) => (matrix.rows, matrix.cols, requantize.channels()),
        Output::I16FromWide(matrix, requantize) => (matrix.rows, matrix.cols, requantize.channels()),
        Output::Sums(matrix) => (matrix.rows, matrix.cols, None),
        Output::WideSums(matrix) => (matrix.rows, matrix.cols, None),
    };
    assert_eq!(cols, n, "columns of the output and outputs of the weight");
    let len = match input {
        Input::Rows(values) => Some(values.len()),
        Input::Windows(maps) => maps.rows().checked_mul(maps.windows.len()),
    };
    assert_eq!(len, m.checked_mul(k), "an input of {m} x {k}");
    assert!(channels.is_none_or(|channels| channels == n), "one scale, or one for each of {n} columns");
    let wide_output = matches!(output, Output::I16FromWide(..) | Output::WideSums(_));
    let wide_sums = matches!(weight.start, Start::I64(_));
    assert_eq!(wide_output, wide_sums, "64-bit sums come from a 64-bit bias, 32-bit sums from a 32-bit one");
    if m == 0 || n == 0 {
        return;
    }
    let single = Pool::single();
    let pool = if m.saturating_mul(n).saturating_mul(k) < PARALLEL_MACS { &single } else { context.pool() };

    let x = &mut scratch.x;
    let place = match input {
        Input::Rows(values) => {
            Rows { values, rows: m, k }.words::<Pairs, 2>(kernel.isa, x, Term::default(), pool);
            Place::Rows
        }
        Input::Windows(maps) => {
            maps.words::<Pairs, 2>(kernel.isa, x, None, pool);
            Place::Windows { starts: &x.starts, terms: &[] }
        }
    };
    let sizes = (kernel.mr, kernel.nr);
    let (size, group) = if wide_sums { tile::<i64>(m, n, k, sizes) } else { tile::<i32>(m, n, k, sizes) };
    let task = Task { words: &x.words, place, quads: k.div_ceil(4), weight, group, row: 0, col: 0 };
    match (output, &weight.start) {
        (Output::I16(matrix, requantize), Start::I32(start)) => for_each_tile(matrix, size, pool, |row, col, tile| {
            (kernel.block)(&Task { row, col, ..task }, Target::I16(tile, requantize, start));
        }),
        (Output::Sums(matrix), Start::I32(start)) => for_each_tile(matrix, size, pool, |row, col, tile| {
            (kernel.block)(&Task { row, col, ..task }, Target::Sums(tile, start));
        }),
        (Output::I16FromWide(matrix, requantize), Start::I64(start)) => {
            for_each_tile(matrix, size, pool, |row, col, tile| {
                (kernel.block)(&Task { row, col, ..task }, Target::I16FromWide(tile, requantize, start));
            });
        }
        (Output::WideSums(matrix), Start::I64(start)) => for_each_tile(matrix, size, pool, |row, col, tile| {
            (kernel.block)(&Task { row, col, ..task }, Target::WideSums(tile, start));
        }),
        _ => unreachable!("the widths were compared above"),
    }
}

#[cfg(test)]
mod tests;
