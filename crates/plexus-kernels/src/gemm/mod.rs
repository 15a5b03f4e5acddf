//! Matrix product with bias and activation: the one multiply-add path of every fully connected layer.
//!
//! ```text
//! c[i, j] = f( start[i, j] + Σ_p a[i, p] · b[p, j] + bias[j] )      start = c where `accumulate`, else 0
//! ```
//!
//! Letters as in the BLAS literature: `m` rows of `a` and `c`, `n` columns of `b` and `c`, `k` the contracted axis.
//! For the forward pass `m` = batch, `n` = out_features, `k` = in_features. Operands are [`View`]s with any strides,
//! which gives the three operand orders of a linear layer without a copy by the caller:
//!
//! ```text
//! output      = input · weightᵀ          a = input            b = weight transposed
//! grad_input  = grad_output · weight     a = grad_output      b = weight
//! grad_weight += grad_outputᵀ · input    a = grad_output transposed   b = input
//! ```
//!
//! # Contract
//! - `c` overlaps nothing else (the borrow checker holds it). `c` is not read unless `accumulate`.
//! - `m` or `n` zero: nothing happens. `k` zero: `c = f(start + bias)`.
//! - NaN and infinities go through as IEEE 754 says: `0 · ∞` is NaN and is not skipped.
//!
//! # Numerics
//! Sums are f32, in the order of `p`, in blocks of [`KC`]: within a block a chain of multiply-adds from zero, then the
//! block is added to what came before, then the bias. The order depends on `k` alone: not on the threads, not on
//! `m` (a row of a batch has the bits of the same row alone), not on the tile. Kernels whose row says `consistent` round
//! each multiply-add once and give the same bits as each other. The error is at most
//! `(KC + k/KC + 1) · 2⁻²⁴ · Σ_p |a||b|` per element; `tests.rs` holds every row to it.

mod body;
mod pack;
pub mod reference;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

use crate::Context;
use crate::buffer::{Buffer, MatrixMut, TileMut, for_each_tile};
use crate::gemm_bf16::{self, GemmBf16, Parts, gemm_bf16};
use crate::isa::Isa;
use crate::map::Function;
use crate::threads::Pool;
pub use crate::view::View;

/// The most elements of `k` summed in one chain.
///
/// A block of 512 writes and reads the result half as often as one of 256, and a piece of a panel (32 KiB of a 16-wide
/// one) is still read from the second-level cache as fast as the multiply-adds take it. It is part of the numerics: a
/// kernel with another value would give other bits.
pub const KC: usize = 512;

/// The length of a block of `k`: the fewest blocks of at most [`KC`], all but the last of one length.
fn block_len(k: usize) -> usize {
    k.div_ceil(k.div_ceil(KC).max(1)).max(1)
}

/// Below this many multiply-adds the calling thread does all of them: about three microseconds with AVX2, no more than
/// waking a thread costs.
const PARALLEL_MACS: usize = 1 << 17;

/// The fewest multiply-adds of a task: a quarter of that, many times what taking a task costs.
const TASK_MACS: usize = 1 << 15;

/// How exactly products of f32 have to be computed. Names as in PyTorch's `set_float32_matmul_precision`.
///
/// It is part of the [`Context`], and a permission: on instruction sets where products of bfloat16 are not faster they are
/// computed in f32 ([`Precision::parts`]). Sums are f32 always. See [the family](mod@crate::gemm_bf16) for the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// Products of bfloat16, about 8 bits of mantissa: with AVX512-BF16 or AMX.
    Medium,
    /// Each number as a sum of two bfloat16, about 16 bits of mantissa: with AMX.
    High,
    /// f32, 24 bits of mantissa, with fewer products where that is faster: [convolutions](mod@crate::conv) by Winograd's
    /// minimal filtering.
    #[default]
    Standard,
    /// f32, 24 bits of mantissa, every product and sum as in the formula.
    Highest,
}

impl Precision {
    /// Every precision, the most exact first.
    pub const ALL: [Precision; 4] = [Precision::Highest, Precision::Standard, Precision::High, Precision::Medium];

    /// The name: `highest`, `standard`, `high`, `medium`.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Highest => "highest",
            Precision::Standard => "standard",
            Precision::High => "high",
            Precision::Medium => "medium",
        }
    }

    /// The bfloat16 that each number is split in on an instruction set; `None` for f32.
    pub fn parts(self, isa: Isa) -> Option<Parts> {
        let kernel = gemm_bf16::Kernel::for_isa(isa).isa;
        match self {
            // Three products of bfloat16 for one of f32 pay only in the matrix unit: the dot products of AVX512-BF16 are
            // at most twice as fast as f32.
            Precision::High => (kernel == Isa::Amx).then_some(Parts::Two),
            Precision::Medium => (kernel != Isa::Portable).then_some(Parts::One),
            Precision::Standard | Precision::Highest => None,
        }
    }
}

/// One row of the table of kernels.
pub struct Kernel {
    /// `gemm_f32_<isa>_<mr>x<nr>`
    pub name: &'static str,
    /// The instruction set it needs.
    pub isa: Isa,
    /// Rows of the register tile.
    pub mr: usize,
    /// Columns of the register tile, and the width of a packed panel.
    pub nr: usize,
    /// Vectors that make up the columns.
    vectors: usize,
    /// Whether it gives the same bits as every other consistent row.
    pub consistent: bool,
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

/// The right operand, re-ordered once for one kernel. Weights that are used many times are kept in this form.
#[derive(Clone, Debug)]
pub struct Packed {
    rows: usize,
    cols: usize,
    form: Form,
}

/// How packed weights are kept.
#[derive(Clone, Debug)]
enum Form {
    /// In the panels of one kernel.
    F32 { kernel: &'static Kernel, panels: Buffer },
    /// Split in bfloat16.
    Bf16(gemm_bf16::Packed),
}

impl Packed {
    /// Re-orders the right operand for the best kernel that a context's instruction set and precision allow.
    pub fn new(b: View<'_>, context: &Context) -> Self {
        let form = match context.precision().parts(context.isa()) {
            None => {
                let (kernel, mut panels) = (Kernel::for_isa(context.isa()), Buffer::default());
                pack::pack(kernel.isa, b, kernel.nr, &mut panels, context.pool());
                Form::F32 { kernel, panels }
            }
            Some(parts) => Form::Bf16(gemm_bf16::Packed::new(b, parts, context)),
        };
        Packed { rows: b.rows, cols: b.cols, form }
    }

    /// As [`Packed::new`], for an operand that lies transposed at the start of a buffer, `[n, k]`: where its panels take no
    /// more room, they take its place, and a large operand is never there twice.
    ///
    /// # Panics
    /// Where the buffer is shorter.
    ///
    /// # Examples
    /// ```
    /// use plexus_kernels::{Context, buffer::Buffer, gemm::Packed};
    /// let packed = Packed::from_transposed(Buffer::from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), (3, 2), &Context::single());
    /// let mut back = [0.0; 6];
    /// assert!(packed.unpack((1, 3), &mut back));
    /// assert_eq!(back, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    /// ```
    pub fn from_transposed(mut values: Buffer, (k, n): (usize, usize), context: &Context) -> Self {
        let kernel = Kernel::for_isa(context.isa());
        if context.precision().parts(context.isa()).is_some() || !n.is_multiple_of(kernel.nr) || k == 0 {
            return Packed::new(View::row_major(&values[..n * k], n, k).transposed(), context);
        }
        values.truncate(n * k);
        pack::pack_in_place(kernel.isa, (k, n), kernel.nr, &mut values, context.pool());
        Packed { rows: k, cols: n, form: Form::F32 { kernel, panels: values } }
    }

    /// The name of the kernel that will run it.
    pub fn kernel(&self) -> &'static str {
        match &self.form {
            Form::F32 { kernel, .. } => kernel.name,
            Form::Bf16(packed) => packed.kernel().name,
        }
    }

    /// Bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        match &self.form {
            Form::F32 { panels, .. } => size_of_val(&panels[..]),
            Form::Bf16(packed) => packed.bytes(),
        }
    }

    /// Bytes of memory that a `k` by `n` operand will take, before it is packed.
    pub fn bytes_for((k, n): (usize, usize), context: &Context) -> usize {
        match context.precision().parts(context.isa()) {
            None => {
                let width = Kernel::for_isa(context.isa()).nr;
                n.div_ceil(width).saturating_mul(width).saturating_mul(k).saturating_mul(size_of::<f32>())
            }
            Some(parts) => gemm_bf16::Packed::bytes_for((k, n), parts),
        }
    }

    /// `[k, n]`
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    /// Whether [`Packed::unpack`] gives the operand back: not where it was rounded to bfloat16.
    pub fn is_exact(&self) -> bool {
        matches!(self.form, Form::F32 { .. })
    }

    /// Writes the operand back as it was given, bit for bit: `to[p · row_stride + j · col_stride] = b[p, j]`.
    ///
    /// Gives `false`, and writes nothing, where the operand [cannot be got back](Packed::is_exact).
    ///
    /// # Panics
    /// Where `to` is too short for the strides.
    ///
    /// # Examples
    /// ```
    /// use plexus_kernels::{Context, gemm::{Packed, View}};
    /// let packed = Packed::new(View::row_major(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3), &Context::single());
    /// let mut transposed = [0.0; 6];
    /// assert!(packed.unpack((1, 2), &mut transposed));
    /// assert_eq!(transposed, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    /// ```
    pub fn unpack(&self, (row_stride, col_stride): (usize, usize), to: &mut [f32]) -> bool {
        let Form::F32 { kernel, panels } = &self.form else { return false };
        let (width, len) = (kernel.nr, self.rows * kernel.nr);
        if len == 0 {
            return true;
        }
        for (col, panel) in (0..self.cols).step_by(width).zip(panels.chunks_exact(len)) {
            // Rows in blocks: the columns of a block stay in the first-level cache while they are written.
            for (first, block) in (0..self.rows).step_by(64).zip(panel.chunks(64 * width)) {
                for j in 0..width.min(self.cols - col) {
                    for (p, row) in block.chunks_exact(width).enumerate() {
                        to[(first + p) * row_stride + (col + j) * col_stride] = row[j];
                    }
                }
            }
        }
        true
    }
}

/// The right operand of a product.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// As it lies in memory; each task packs what it reads, a piece of its cache at a time.
    Plain(View<'a>),
    /// Packed before.
    Packed(&'a Packed),
}

/// Memory that kernels work in; it grows to the largest call and is then reused.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    a: Buffer,
    bf16: gemm_bf16::Scratch,
    values: Buffer,
}

impl Scratch {
    /// `len` numbers of any value, for kernels that take plain slices.
    pub fn values(&mut self, len: usize) -> &mut [f32] {
        self.values.grow(len);
        &mut self.values[..len]
    }
}

/// One product: see the module documentation for the formula.
#[derive(Debug)]
pub struct Gemm<'a> {
    /// `[m, k]`
    pub a: View<'a>,
    /// `[k, n]`
    pub b: Operand<'a>,
    /// `[m, n]`
    pub c: MatrixMut<'a>,
    /// Adds to `c` instead of overwriting it.
    pub accumulate: bool,
    /// `[n]`, added to every row.
    pub bias: Option<&'a [f32]>,
    /// Applied to the finished sums while they are in registers.
    pub function: Function,
}

/// The left operand as a kernel reads it.
#[derive(Clone, Copy)]
enum LeftOperand<'a> {
    /// As it lies in memory, each row without gaps: read in place, one element of each row at a time.
    Rows { values: &'a [f32], stride: usize },
    /// `[m / height][k][height]`, zero beyond the last row: packed, see [`reads_in_place`].
    Panels(&'a [f32]),
}

/// The right operand as a kernel reads it.
#[derive(Clone, Copy)]
enum RightOperand<'a> {
    /// `[n / nr][k][nr]`, zero beyond the last column.
    Panels(&'a [f32]),
    /// As it lies in memory: each task packs what it reads, a panel at a time, in its first-level cache.
    View(View<'a>),
}

/// What a kernel needs to compute any rectangle: operands and the epilogue.
struct Block<'a> {
    k: usize,
    a: LeftOperand<'a>,
    /// Rows of the register tile.
    height: usize,
    b: RightOperand<'a>,
    accumulate: bool,
    bias: Option<&'a [f32]>,
    function: Function,
    /// Where the rectangle starts; multiples of `height` and `nr`.
    row: usize,
    col: usize,
}

/// Computes one product with the best kernel for the precision, or with the one that `b` was packed for.
///
/// # Panics
/// Where the sizes of `a`, `b`, `c` and `bias` do not fit each other.
pub fn gemm(call: Gemm<'_>, scratch: &mut Scratch, context: &Context) {
    let (parts, b) = match call.b {
        Operand::Plain(view) => match context.precision().parts(context.isa()) {
            Some(parts) => (parts, gemm_bf16::Operand::Plain(view)),
            None => return in_f32(Kernel::for_isa(context.isa()), call, scratch, context.pool()),
        },
        Operand::Packed(packed) => match &packed.form {
            Form::Bf16(packed) => (packed.parts(), gemm_bf16::Operand::Packed(packed)),
            Form::F32 { kernel, .. } => return in_f32(kernel, call, scratch, context.pool()),
        },
    };
    let Gemm { a, c, accumulate, bias, function, .. } = call;
    gemm_bf16(GemmBf16 { a, b, c, parts, accumulate, bias, function }, &mut scratch.bf16, context);
}

/// Computes one product in f32; packed weights were packed for this kernel.
fn in_f32(kernel: &'static Kernel, call: Gemm<'_>, scratch: &mut Scratch, pool: &Pool) {
    let Gemm { a, b, c, accumulate, bias, function } = call;
    let (m, n, k) = (c.rows, c.cols, a.cols);
    let (b_rows, b_cols) = match b {
        Operand::Plain(view) => (view.rows, view.cols),
        Operand::Packed(packed) => (packed.rows, packed.cols),
    };
    assert_eq!(a.rows, m, "rows of a and of c");
    assert_eq!((b_rows, b_cols), (k, n), "rows and columns of b");
    assert!(bias.is_none_or(|bias| bias.len() == n), "one bias for each column");
    if m == 0 || n == 0 {
        return;
    }
    let single = Pool::single();
    let pool = if m.saturating_mul(n).saturating_mul(k) < PARALLEL_MACS { &single } else { pool };

    let b = match b {
        Operand::Plain(view) => RightOperand::View(view),
        Operand::Packed(packed) => match &packed.form {
            Form::F32 { panels, .. } => RightOperand::Panels(panels),
            Form::Bf16(_) => unreachable!("weights in bfloat16 go to their own kernels"),
        },
    };
    let height = body::height(m, kernel.mr, kernel.vectors);
    let a = if reads_in_place(a, n) {
        // Rows of no elements may have no memory either: all of them are then the empty one at the start.
        LeftOperand::Rows { values: a.values, stride: if k == 0 { 0 } else { a.row_stride } }
    } else {
        pack::pack(kernel.isa, a.transposed(), height, &mut scratch.a, pool);
        LeftOperand::Panels(&scratch.a)
    };
    let block = Block { k, a, height, b, accumulate, bias, function, row: 0, col: 0 };
    let size = tile((m, n, k), height, kernel);
    for_each_tile(c, size, pool, |row, col, tile| (kernel.block)(&Block { row, col, ..block }, tile));
}

/// Computes one rectangle on this thread: rows of `a`, `stride` elements apart, by panels that were packed for this kernel
/// ([`Packed`] tells how), each of `k` rows.
///
/// # Panics
/// Where the sizes do not fit each other.
pub(crate) fn multiply_panels(kernel: &Kernel, (a, stride): (&[f32], usize), panels: &[f32], k: usize, c: TileMut<'_>) {
    let height = body::height(c.rows(), kernel.mr, kernel.vectors);
    let a = LeftOperand::Rows { values: a, stride };
    let b = RightOperand::Panels(panels);
    let (bias, function) = (None, Function::Identity);
    (kernel.block)(&Block { k, a, height, b, accumulate: false, bias, function, row: 0, col: 0 }, c);
}

/// Whether the rows of `a` are read where they are.
///
/// Rows a multiple of 1 KiB apart fall into the same few sets of the first-level cache and push each other out (3 % of
/// the time at 1024 x 1024 x 1024 with AVX2). Packing costs less where many columns use it, and more where few do (17 %
/// at 1024 x 4096 x 128).
fn reads_in_place(a: View<'_>, n: usize) -> bool {
    let contiguous = a.col_stride == 1 || a.cols <= 1;
    contiguous && (a.rows == 1 || n < 512 || !a.row_stride.is_multiple_of(256))
}

/// How `c` is cut into tasks: from the sizes alone.
///
/// At most 132 rows (of at most 512 elements of `k`: 264 KiB, half of a second-level cache). About
/// sixteen tasks, more than threads, so that a thread that is held up by another program leaves its share to the others.
fn tile((m, n, k): (usize, usize, usize), height: usize, kernel: &Kernel) -> (usize, usize) {
    let row_tasks = m.div_ceil(132);
    let most = (m * n).saturating_mul(k) / TASK_MACS;
    let col_tasks = 16usize.div_ceil(row_tasks).min(n.div_ceil(4 * kernel.nr)).min(most).max(n.div_ceil(1024)).max(1);
    let cols = n.div_ceil(col_tasks).next_multiple_of(kernel.nr);
    // Where the columns alone do not give enough tasks, the rows are cut finer.
    let row_tasks = row_tasks.max((16 / n.div_ceil(cols)).min(m.div_ceil(4 * height)).min(most));
    (m.div_ceil(row_tasks).next_multiple_of(height), cols)
}

#[cfg(test)]
mod tests;
