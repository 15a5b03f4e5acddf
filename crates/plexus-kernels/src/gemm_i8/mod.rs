//! Matrix product of bytes with 32-bit sums, requantized: the fully connected layer of 8-bit networks.
//!
//! ```text
//! sums[i, j]   = bias[j] + Σ_p (input[i, p] - input_zero_point) · (weight[j, p] - weight_zero_point)     modulo 2³²
//! output[i, j] = requantize(sums[i, j])                                                     see `requantize`
//! ```
//!
//! Letters as in the BLAS literature: `m` = batch, `n` = out_features, `k` = in_features. Inputs are `i8` or `u8`,
//! weights `i8`, outputs `i8`, `u8` or the sums themselves.
//!
//! The zero points are folded ahead into one start value for each column, so that the inner loop is a plain product:
//!
//! ```text
//! start[j] = bias[j] - input_zero_point · Σ_p weight[j, p] + k · input_zero_point · weight_zero_point
//! sums[i, j] = start[j] - weight_zero_point · Σ_p input[i, p] + Σ_p input[i, p] · weight[j, p]
//! ```
//!
//! CMSIS-NN's q7 functions are the same product without zero points, their biases shifted by
//! [`shift_bias`](crate::requantize::shift_bias), with [`Requantize::power_of_two`]; for their `_opt` weight layout see
//! [`Interleaved`].
//!
//! # Contract
//! - `input` is row-major without gaps; `output` may have any distance between rows and overlaps nothing.
//! - `m` or `n` zero: nothing happens. `k` zero: the sums are the biases.
//! - Any bytes are legal, -128 among them: no row saturates on the way.
//!
//! # Numerics
//! Exact. Sums wrap modulo 2³², which makes every order of them the same bits; so every row of [`KERNELS`] gives the bits
//! of [`mod@reference`] on any number of threads (`tests.rs`).

pub(crate) mod body;
pub(crate) mod pack;
pub(crate) mod products;
pub mod reference;
pub(crate) mod tiles;

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

pub use plexus_micro::Interleaved;

use crate::Context;
use crate::buffer::{Buffer, MatrixMut, TileMut, for_each_tile};
use crate::isa::Isa;
use crate::requantize::Requantize;
use crate::threads::Pool;
use crate::windows::Maps;
use pack::{Bytes, Nibbles, Pairs, Rows, Term};
use tiles::Place;

/// Below this many multiply-adds one thread is faster than waking a second one.
///
/// About 5 microseconds of work for one core with AVX2; entering the pool costs as much.
const PARALLEL_MACS: usize = 1 << 19;

/// How a kernel multiplies: see `products.rs`. The portable kernel knows one way.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Pairs,
    Crossed,
    Nibbles,
    Bytes,
}

impl Form {
    /// Words of one quad of activations.
    fn words(self) -> usize {
        match self {
            Form::Pairs | Form::Crossed | Form::Nibbles => 2,
            Form::Bytes => 1,
        }
    }
}

/// One row of the table of kernels.
pub struct Kernel {
    /// `gemm_i8i8i32_<isa>_<mr>x<nr>`
    pub name: &'static str,
    /// The instruction set it needs.
    pub isa: Isa,
    /// Rows of the register tile.
    pub mr: usize,
    /// Columns of the register tile, and the width of a packed panel.
    pub nr: usize,
    /// Whether it gives the same bits as every other consistent row: all do.
    pub consistent: bool,
    /// How it multiplies a batch of `m` rows.
    form: fn(m: usize) -> Form,
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
    avx2::KERNEL_NARROW,
    #[cfg(target_arch = "x86_64")]
    avx2::KERNEL,
    #[cfg(target_arch = "x86_64")]
    avx2::KERNEL_VNNI_NARROW,
    #[cfg(target_arch = "x86_64")]
    avx2::KERNEL_VNNI,
    #[cfg(target_arch = "x86_64")]
    avx512::KERNEL_NARROW,
    #[cfg(target_arch = "x86_64")]
    avx512::KERNEL,
    #[cfg(target_arch = "x86_64")]
    avx512::KERNEL_VNNI_NARROW,
    #[cfg(target_arch = "x86_64")]
    avx512::KERNEL_VNNI,
    #[cfg(target_arch = "x86_64")]
    amx::KERNEL,
];

impl Kernel {
    /// The best kernel that runs while an instruction set is in use.
    pub fn for_isa(isa: Isa) -> &'static Kernel {
        KERNELS.iter().rfind(|kernel| isa.runs(kernel.isa)).expect("the portable row runs everywhere")
    }

    /// The same for so many outputs: where they fill half a panel at most, one with narrow panels.
    pub fn for_outputs(isa: Isa, n: usize) -> &'static Kernel {
        let best = Kernel::for_isa(isa);
        KERNELS.iter().find(|kernel| kernel.isa == best.isa && kernel.nr >= n).unwrap_or(best)
    }
}

/// What stands for zero in the operands: `real = (quantized - zero_point) · scale`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// The input's.
    pub input_zero_point: i32,
    /// The weight's; zero costs nothing, others one sum for each row of the input.
    pub weight_zero_point: i32,
}

/// A weight to be packed, with all that is folded into the start values.
#[derive(Clone, Copy, Debug)]
pub struct Weight<'a> {
    /// `[n, k]`, row-major without gaps
    pub values: &'a [i8],
    /// n
    pub out_features: usize,
    /// k
    pub in_features: usize,
    /// `[n]`
    pub bias: Option<&'a [i32]>,
    /// Zero points.
    pub offsets: Offsets,
}

/// A weight re-ordered once for one kernel, bias and zero points folded in.
#[derive(Clone, Debug)]
pub struct Packed {
    kernel: &'static Kernel,
    out_features: usize,
    in_features: usize,
    weight_zero_point: i32,
    panels: Buffer<i8>,
    /// Padded to whole panels.
    start: Buffer<i32>,
    /// For signed inputs that are multiplied as bytes 0..=255: 128 times the weights less.
    start_from_128: Buffer<i32>,
    /// For crossed products: the products of neighboring weights less.
    start_crossed: Buffer<i32>,
}

impl Packed {
    /// Re-orders a weight for the kernel of a context.
    ///
    /// # Panics
    /// Where the lengths of the weight or of the bias do not fit the features.
    pub fn new(weight: Weight<'_>, context: &Context) -> Self {
        let kernel = Kernel::for_outputs(context.isa(), weight.out_features);
        let Weight { values, out_features: n, in_features: k, bias, offsets } = weight;
        assert_eq!(Some(values.len()), n.checked_mul(k), "a weight of {n} x {k}");
        assert!(bias.is_none_or(|bias| bias.len() == n), "one bias for each output");
        let panels = pack::weights(values, (n, k), kernel.nr, context.pool());
        let mut start = Buffer::zeros(n.next_multiple_of(kernel.nr));
        let (mut start_from_128, mut start_crossed) = (start.clone(), start.clone());
        let (x_zero, w_zero) = (offsets.input_zero_point, offsets.weight_zero_point);
        let zeros = x_zero.wrapping_mul(w_zero).wrapping_mul(k as i32);
        for (j, sum) in pack::row_sums(values, n, k).enumerate() {
            let bias = bias.map_or(0, |bias| bias[j]);
            start[j] = bias.wrapping_sub(x_zero.wrapping_mul(sum)).wrapping_add(zeros);
            start_from_128[j] = start[j].wrapping_sub(sum.wrapping_mul(128));
        }
        for (j, products) in pack::neighbors(values, n, k).enumerate() {
            start_crossed[j] = start[j].wrapping_sub(products);
        }
        Packed {
            kernel,
            out_features: n,
            in_features: k,
            weight_zero_point: w_zero,
            panels,
            start,
            start_from_128,
            start_crossed,
        }
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
        self.panels.len() + 3 * self.start.len() * size_of::<i32>()
    }
}

/// The activations that enter: `[m, k]`, row-major without gaps.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Signed bytes.
    I8(&'a [i8]),
    /// Unsigned bytes.
    U8(&'a [u8]),
    /// The windows of maps of signed bytes; the weight's rows are [filled up](crate::windows::Windows::fill_up), its zero point is zero.
    Windows(Maps<'a, i8>),
}

/// Where results go: `[m, n]`.
#[derive(Debug)]
pub enum Output<'a> {
    /// Requantized, limited to -128..=127.
    I8(MatrixMut<'a, i8>, &'a Requantize),
    /// Requantized, limited to 0..=255.
    U8(MatrixMut<'a, u8>, &'a Requantize),
    /// The sums.
    Sums(MatrixMut<'a, i32>),
}

/// One product: see the module documentation for the formula.
#[derive(Debug)]
pub struct GemmI8<'a> {
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
    x: pack::Scratch,
}

/// What a kernel needs to compute any rectangle.
#[derive(Clone, Copy)]
struct Task<'a> {
    form: Form,
    /// `[m][quads][words]` and a term.
    words: &'a [i32],
    place: Place<'a>,
    quads: usize,
    /// `[n / nr][quads][nr][4]`
    panels: &'a [i8],
    /// `[n]`, padded to whole panels.
    start: &'a [i32],
    /// See [`body::Cut`].
    group: usize,
    /// Where the rectangle starts; `col` is a multiple of `nr`.
    row: usize,
    col: usize,
}

impl<'a> Task<'a> {
    /// The rows of activations.
    fn x(&self) -> tiles::Words<'a> {
        tiles::Words {
            words: self.words,
            place: self.place,
            quads: self.quads,
            per_quad: self.form.words(),
            row: self.row,
        }
    }
}

/// One rectangle of an [`Output`].
enum Target<'a> {
    I8(TileMut<'a, i8>, &'a Requantize),
    U8(TileMut<'a, u8>, &'a Requantize),
    Sums(TileMut<'a, i32>),
}

/// Computes one product with the kernel that the weight was packed for.
///
/// # Panics
/// Where the sizes of input, weight and output do not fit each other, or the scales are neither one nor one a column.
pub fn gemm_i8(call: GemmI8<'_>, scratch: &mut Scratch, context: &Context) {
    let GemmI8 { input, weight, output } = call;
    let (kernel, n, k) = (weight.kernel, weight.out_features, weight.in_features);
    let (m, cols, requantize) = match &output {
        Output::I8(matrix, requantize) => (matrix.rows, matrix.cols, Some(*requantize)),
        Output::U8(matrix, requantize) => (matrix.rows, matrix.cols, Some(*requantize)),
        Output::Sums(matrix) => (matrix.rows, matrix.cols, None),
    };
    let len = match input {
        Input::I8(values) => Some(values.len()),
        Input::U8(values) => Some(values.len()),
        Input::Windows(maps) => {
            assert_eq!(weight.weight_zero_point, 0, "what fills windows up is zero");
            maps.rows().checked_mul(maps.windows.len())
        }
    };
    assert_eq!(cols, n, "columns of the output and outputs of the weight");
    assert_eq!(len, m.checked_mul(k), "an input of {m} x {k}");
    let channels = requantize.and_then(Requantize::channels);
    assert!(channels.is_none_or(|channels| channels == n), "one scale, or one for each of {n} columns");
    if m == 0 || n == 0 {
        return;
    }
    let single = Pool::single();
    let pool = if m.saturating_mul(n).saturating_mul(k) < PARALLEL_MACS { &single } else { context.pool() };

    let form = (kernel.form)(m);
    let (x, isa) = (&mut scratch.x, kernel.isa);
    let term = Term { weight_zero_point: weight.weight_zero_point, neighbors: form == Form::Crossed };
    match input {
        Input::I8(values) => {
            let rows = Rows { values, rows: m, k };
            match form {
                Form::Pairs | Form::Crossed => rows.words::<Pairs, 2>(isa, x, term, pool),
                Form::Nibbles => rows.words::<Nibbles, 2>(isa, x, term, pool),
                Form::Bytes => rows.words::<Bytes, 1>(isa, x, term, pool),
            }
        }
        Input::U8(values) => {
            let rows = Rows { values, rows: m, k };
            match form {
                Form::Pairs | Form::Crossed => rows.words::<Pairs, 2>(isa, x, term, pool),
                Form::Nibbles => rows.words::<Nibbles, 2>(isa, x, term, pool),
                Form::Bytes => rows.words::<Bytes, 1>(isa, x, term, pool),
            }
        }
        Input::Windows(maps) => match form {
            Form::Pairs => maps.words::<Pairs, 2>(isa, x, None, pool),
            Form::Crossed => maps.words::<Pairs, 2>(isa, x, Some(term), pool),
            Form::Nibbles => maps.words::<Nibbles, 2>(isa, x, None, pool),
            Form::Bytes => maps.words::<Bytes, 1>(isa, x, None, pool),
        },
    }
    // The matrix unit reads rows that are equally far apart.
    let apart = matches!(input, Input::Windows(_)) && isa == Isa::Amx;
    if apart {
        x.spread(m, k.div_ceil(4) * form.words());
    }
    let terms = if form == Form::Crossed { &x.terms[..] } else { &[] };
    let (words, place) = match input {
        Input::Windows(_) if !apart => (&x.words, Place::Windows { starts: &x.starts, terms }),
        Input::Windows(_) => (&x.rows, Place::Rows),
        _ => (&x.words, Place::Rows),
    };
    let start = match (form, input) {
        (Form::Crossed, _) => &weight.start_crossed,
        (Form::Nibbles | Form::Bytes, Input::I8(_) | Input::Windows(_)) => &weight.start_from_128,
        _ => &weight.start,
    };
    let (size, group) = tile::<i32>(m, n, k, (kernel.mr, kernel.nr));
    let task = Task { form, words, place, quads: k.div_ceil(4), panels: &weight.panels, start, group, row: 0, col: 0 };
    match output {
        Output::I8(matrix, requantize) => for_each_tile(matrix, size, pool, |row, col, tile| {
            (kernel.block)(&Task { row, col, ..task }, Target::I8(tile, requantize));
        }),
        Output::U8(matrix, requantize) => for_each_tile(matrix, size, pool, |row, col, tile| {
            (kernel.block)(&Task { row, col, ..task }, Target::U8(tile, requantize));
        }),
        Output::Sums(matrix) => for_each_tile(matrix, size, pool, |row, col, tile| {
            (kernel.block)(&Task { row, col, ..task }, Target::Sums(tile));
        }),
    }
}

/// How the output is cut into tasks, and the quads of one group: from the sizes alone.
///
/// At most 128 rows; about 32 tasks where the matrix is large enough. A group of 256 KiB of `x` stays in the second-level
/// cache while the panels pass by; where `k` needs more than one group, the running sums (of type `A`) of all panels are
/// held.
pub(crate) fn tile<A>(m: usize, n: usize, k: usize, (mr, nr): (usize, usize)) -> ((usize, usize), usize) {
    const GROUP_WORDS: usize = 1 << 16;
    let row_tasks = m.div_ceil(128);
    let rows = m.div_ceil(row_tasks).next_multiple_of(mr);
    let quads = k.div_ceil(4);
    let real_rows = rows.min(m);
    let mut group = (GROUP_WORDS / 2 / real_rows).max(1);
    if group >= quads {
        group = quads.max(1);
    } else {
        // Whole stretches, so that none is left over short; groups of about one length.
        group = quads.div_ceil(quads.div_ceil(group)).next_multiple_of(BLOCK_QUADS);
    }
    let col_tasks = 32usize.div_ceil(row_tasks).min(n.div_ceil(64));
    let mut cols = n.div_ceil(col_tasks).next_multiple_of(nr);
    if group < quads {
        let panel_bytes = real_rows * nr * size_of::<A>();
        cols = cols.min((body::HELD * 64 / panel_bytes).max(1) * nr);
    }
    ((rows, cols), group)
}

/// Quads in one stretch of widened weights: 512 numbers of `k`, 16 KiB of 16-bit numbers with 16 columns, in the
/// first-level cache with the rows of `x`.
pub(crate) const BLOCK_QUADS: usize = 128;

#[cfg(test)]
mod tests;
