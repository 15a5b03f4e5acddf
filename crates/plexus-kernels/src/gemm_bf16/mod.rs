//! Matrix products from bfloat16 parts: the precisions `high` and `medium` of f32 networks.
//!
//! ```text
//! c[i, j] = f( start[i, j] + Σ_p a[i, p] ⊙ b[p, j] + bias[j] )      start = c where `accumulate`, else 0
//!
//! x = high + low + rest      high = the bfloat16 nearest to x, low = the bfloat16 nearest to x − high
//! one part  (medium):   a ⊙ b = a.high · b.high
//! two parts (high):     a ⊙ b = a.low · b.high + a.high · b.low + a.high · b.high
//! ```
//!
//! Letters and operands as in [`gemm`](crate::gemm): `m` rows of `a` and `c`, `n` columns of `b` and `c`, `k` the
//! contracted axis; operands and result are f32. Names of the precisions as in PyTorch's
//! `set_float32_matmul_precision`.
//!
//! # Contract
//! - `c` overlaps nothing else. `c` is not read unless `accumulate`.
//! - `m` or `n` zero: nothing happens. `k` zero: `c = f(start + bias)`.
//!
//! # Numerics
//! Products of bfloat16 are exact; sums are f32, in blocks of `k` of each row of the table. A block's sum is added to
//! what came before, then the bias. The order depends on `k` and on the kernel alone: not on the threads, not on `m`,
//! not on the tile. Rows of the table differ from each other by rounding. With `s = Σ_p |a||b|` the error is at most
//!
//! ```text
//! one part:   (2.01 · 2⁻⁸ + (KC + k/KC + 2) · 2⁻²⁴) · s           at most 2.1 · 2⁻⁸ · s for k up to 2²⁰
//! two parts:  (2.05 · 2⁻¹⁶ + (1.1 · KC + k/KC + 2) · 2⁻²⁴) · s    at most 4 · 2⁻¹⁶ · s for k up to 2¹⁵
//! ```
//!
//! with [`KC`] = 256, plus `k · 2⁻¹²⁶ · max(|a|, |b|, 1)` of denormals, which count as zero: parts and products too, so
//! that of numbers below 2⁻¹¹⁸ the low part may be missing.
//! One part has the relative error 2⁻⁸ at most, two have 2⁻¹⁷. Numbers above the largest bfloat16 (3.39e38) are truncated
//! and not rounded to infinity: still 2⁻⁸ with one part, but 2⁻¹⁶ with two.
//!
//! Infinities and NaN: a block's sum that is not finite is computed again for its column in f32, from `high + low`. So
//! `∞ · 3 = ∞`, although the low part of 3 is 0 and `∞ · 0` is NaN; and with two parts a product that overflows only
//! because its factors were rounded up does not. What is infinite or NaN afterwards is so by IEEE 754 in f32.
//!
//! # Source
//! Henry, Tang, Heinecke: Leveraging the bfloat16 Artificial Intelligence Datatype for Higher-Precision Computations
//! (2019), section III, for the split.

mod body;
mod pack;
pub mod reference;
mod split;

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512bf16;
mod portable;

use crate::Context;
use crate::buffer::{Buffer, MatrixMut, TileMut, for_each_tile};
use crate::isa::Isa;
use crate::map::Function;
use crate::threads::Pool;
use crate::view::View;

/// The most elements of `k` whose sum is rounded in one chain.
///
/// The matrix unit sums 512 in a block, but sixteen at a time: its chains are shorter.
pub const KC: usize = 256;

/// Below this many multiply-adds one thread is faster than waking a second one.
const PARALLEL_MACS: usize = 1 << 20;

/// In how many bfloat16 each f32 is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Parts {
    /// One: eight bits of mantissa, the precision `medium`.
    One,
    /// Two: sixteen bits of mantissa, three products, the precision `high`.
    Two,
}

impl Parts {
    /// The number.
    pub fn count(self) -> usize {
        match self {
            Parts::One => 1,
            Parts::Two => 2,
        }
    }
}

/// One row of the table of kernels.
pub struct Kernel {
    /// `gemm_bf16_<isa>_<mr>x<nr>`
    pub name: &'static str,
    /// The instruction set it needs.
    pub isa: Isa,
    /// Rows of the register tile.
    pub mr: usize,
    /// Columns of the register tile.
    pub nr: usize,
    /// Computes one rectangle of `c`.
    block: fn(&Block<'_>, TileMut<'_>),
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
    avx512bf16::KERNEL,
    #[cfg(target_arch = "x86_64")]
    amx::KERNEL,
];

impl Kernel {
    /// The best kernel that runs while an instruction set is in use.
    ///
    /// Where that is the portable one, the kernels of [`gemm`](crate::gemm) are both faster and more exact.
    pub fn for_isa(isa: Isa) -> &'static Kernel {
        KERNELS.iter().rfind(|kernel| isa.runs(kernel.isa)).expect("the portable row runs everywhere")
    }
}

/// The right operand, split and re-ordered once. Weights that are used many times are kept in this form.
///
/// All kernels read the same form.
#[derive(Clone, Debug)]
pub struct Packed {
    kernel: &'static Kernel,
    parts: Parts,
    rows: usize,
    cols: usize,
    panels: Buffer<u32>,
}

impl Packed {
    /// Splits and re-orders the right operand, `[k, n]`, for the kernel of a context.
    pub fn new(b: View<'_>, parts: Parts, context: &Context) -> Self {
        let (kernel, mut panels) = (Kernel::for_isa(context.isa()), Buffer::default());
        pack::panels(kernel.isa, b, parts, &mut panels, context.pool());
        Packed { kernel, parts, rows: b.rows(), cols: b.cols(), panels }
    }

    /// The kernel that will run it.
    pub fn kernel(&self) -> &'static Kernel {
        self.kernel
    }

    /// The parts it holds: products of fewer parts can be computed from it too.
    pub fn parts(&self) -> Parts {
        self.parts
    }

    /// Bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        self.panels.len() * size_of::<u32>()
    }

    /// Bytes of memory that a `k` by `n` operand will take, before it is packed.
    pub fn bytes_for((k, n): (usize, usize), parts: Parts) -> usize {
        n.div_ceil(16).saturating_mul(pack::panel_stride(k, parts)).saturating_mul(size_of::<u32>())
    }
}

/// The right operand of a product.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// As it lies in memory; split and packed on the way, into the scratch.
    Plain(View<'a>),
    /// Packed before, with as many parts as the product wants or more.
    Packed(&'a Packed),
}

/// Memory that kernels work in; it grows to the largest call and is then reused.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    a: Buffer<u32>,
    b: Buffer<u32>,
}

/// One product: see the module documentation for the formula.
#[derive(Debug)]
pub struct GemmBf16<'a> {
    /// `[m, k]`
    pub a: View<'a>,
    /// `[k, n]`
    pub b: Operand<'a>,
    /// `[m, n]`
    pub c: MatrixMut<'a>,
    /// One part for the precision `medium`, two for `high`.
    pub parts: Parts,
    /// Adds to `c` instead of overwriting it.
    pub accumulate: bool,
    /// `[n]`, added to every row.
    pub bias: Option<&'a [f32]>,
    /// Applied to the finished sums.
    pub function: Function,
}

/// A packed operand: `words` words a part, rows or panels `stride` words apart.
#[derive(Clone, Copy)]
struct Words<'a> {
    values: &'a [u32],
    stride: usize,
}

/// What a kernel needs to compute any rectangle: packed operands and the epilogue.
#[derive(Clone, Copy)]
struct Block<'a> {
    /// Words of a row of a, and of a column of b, in each part.
    words: usize,
    /// Parts that take part in the product; the operands may hold more.
    parts: Parts,
    a: Words<'a>,
    b: Words<'a>,
    accumulate: bool,
    bias: Option<&'a [f32]>,
    function: Function,
    /// Where the rectangle starts; `col` is a multiple of 16.
    row: usize,
    col: usize,
}

/// Computes one product with the kernel of the context, or with the one that `b` was packed for.
///
/// # Panics
/// Where the sizes of `a`, `b`, `c` and `bias` do not fit each other, or `b` was packed with fewer parts.
pub fn gemm_bf16(call: GemmBf16<'_>, scratch: &mut Scratch, context: &Context) {
    let GemmBf16 { a, b, c, parts, accumulate, bias, function } = call;
    let (m, n, k) = (c.rows, c.cols, a.cols());
    let (kernel, b_rows, b_cols) = match b {
        Operand::Plain(view) => (Kernel::for_isa(context.isa()), view.rows(), view.cols()),
        Operand::Packed(packed) => (packed.kernel, packed.rows, packed.cols),
    };
    assert_eq!(a.rows(), m, "rows of a and of c");
    assert_eq!((b_rows, b_cols), (k, n), "rows and columns of b");
    assert!(bias.is_none_or(|bias| bias.len() == n), "one bias for each column");
    if m == 0 || n == 0 {
        return;
    }
    let single = Pool::single();
    let pool = if m.saturating_mul(n).saturating_mul(k) < PARALLEL_MACS { &single } else { context.pool() };

    let b = match b {
        Operand::Plain(view) => {
            pack::panels(kernel.isa, view, parts, &mut scratch.b, pool);
            Words { values: &scratch.b, stride: pack::panel_stride(k, parts) }
        }
        Operand::Packed(packed) => {
            assert!(packed.parts >= parts, "weights packed with one part cannot give two");
            Words { values: &packed.panels, stride: pack::panel_stride(k, packed.parts) }
        }
    };
    pack::rows(kernel.isa, a, parts, &mut scratch.a, pool);
    let a = Words { values: &scratch.a, stride: pack::row_stride(k, parts) };
    let block = Block { words: pack::words(k), parts, a, b, accumulate, bias, function, row: 0, col: 0 };
    for_each_tile(c, tile(m, n, kernel), pool, |row, col, tile| (kernel.block)(&Block { row, col, ..block }, tile));
}

/// How `c` is cut into tasks: from the sizes alone. At most about 128 rows by at least 64 columns, about sixteen tasks
/// where the matrix is large enough.
fn tile(m: usize, n: usize, kernel: &Kernel) -> (usize, usize) {
    let row_tasks = m.div_ceil(128);
    let rows = m.div_ceil(row_tasks).next_multiple_of(kernel.mr);
    let col_tasks = 16usize.div_ceil(row_tasks).min(n.div_ceil(64)).max(n.div_ceil(1024));
    (rows, n.div_ceil(col_tasks).next_multiple_of(64))
}

#[cfg(test)]
mod tests;
