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
mod portable;

use crate::buffer::{Buffer, MatrixMut, TileMut, for_each_tile};
use crate::isa::Isa;
use crate::map::Function;
use crate::threads::Pool;

/// The most elements of `k` summed in one chain.
///
/// 320 rows of a 16-wide panel are 20 KiB of a 32 KiB first-level cache, and leave room for the rows of `a`. It is part
/// of the numerics: a kernel with another value would give other bits.
pub const KC: usize = 320;

/// The length of a block of `k`: the fewest blocks of at most [`KC`], all but the last of one length.
fn block_len(k: usize) -> usize {
    k.div_ceil(k.div_ceil(KC).max(1)).max(1)
}

/// Below this many multiply-adds one thread is faster than waking a second one.
///
/// About 5 microseconds of work for one core with AVX2; entering the pool costs as much.
const PARALLEL_MACS: usize = 1 << 18;

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
    /// Whether it gives the same bits as every other consistent row.
    pub consistent: bool,
    /// Computes one rectangle of `c` from packed operands.
    block: fn(&Block<'_>, TileMut<'_>),
    /// Computes a stretch of a single row of `c`.
    row: fn(&Block<'_>, TileMut<'_>),
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

    /// The kernel in use on this machine.
    pub fn selected() -> &'static Kernel {
        Kernel::for_isa(Isa::selected())
    }
}

/// A matrix that is read: `rows` by `cols`, with any distance between rows and between columns.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    values: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// Where the slice has another length than `rows · cols`.
    pub fn row_major(values: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(Some(values.len()), rows.checked_mul(cols), "a {rows} x {cols} matrix");
        View { values, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        View {
            values: self.values,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }
}

/// The right operand, re-ordered once for one kernel. Weights that are used many times are kept in this form.
#[derive(Clone, Debug)]
pub struct Packed {
    kernel: &'static Kernel,
    rows: usize,
    cols: usize,
    panels: Buffer,
}

impl Packed {
    /// Re-orders the right operand for the kernel in use.
    pub fn new(b: View<'_>, pool: &Pool) -> Self {
        Packed::for_kernel(Kernel::selected(), b, pool)
    }

    /// Re-orders the right operand for one kernel.
    pub fn for_kernel(kernel: &'static Kernel, b: View<'_>, pool: &Pool) -> Self {
        let mut panels = Buffer::default();
        pack::pack(kernel.isa, b, kernel.nr, &mut panels, pool);
        Packed { kernel, rows: b.rows, cols: b.cols, panels }
    }

    /// The kernel that can run it.
    pub fn kernel(&self) -> &'static Kernel {
        self.kernel
    }

    /// Bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        self.panels.len() * size_of::<f32>()
    }
}

/// The right operand of a product.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// As it lies in memory; packed on the way, into the scratch.
    Plain(View<'a>),
    /// Packed before.
    Packed(&'a Packed),
}

/// Memory that kernels work in; it grows to the largest call and is then reused.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    a: Buffer,
    b: Buffer,
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
    /// `[m / mr][k][mr]`, zero beyond the last row: packed, because neighbours in a row are far apart in memory.
    Panels(&'a [f32]),
}

/// What a kernel needs to compute any rectangle: packed operands and the epilogue.
struct Block<'a> {
    k: usize,
    a: LeftOperand<'a>,
    /// `[n / nr][k][nr]`, zero beyond the last column.
    b: &'a [f32],
    accumulate: bool,
    bias: Option<&'a [f32]>,
    function: Function,
    /// Where the rectangle starts; multiples of `mr` and `nr`.
    row: usize,
    col: usize,
}

/// Computes one product with the kernel in use, or the one that `b` was packed for.
///
/// # Panics
/// Where the sizes of `a`, `b`, `c` and `bias` do not fit each other.
pub fn gemm(call: Gemm<'_>, scratch: &mut Scratch, pool: &Pool) {
    let kernel = match call.b {
        Operand::Plain(_) => Kernel::selected(),
        Operand::Packed(packed) => packed.kernel,
    };
    gemm_with(kernel, call, scratch, pool);
}

/// Computes one product with a chosen kernel.
///
/// # Panics
/// As [`gemm`], and where `b` was packed for another kernel.
pub fn gemm_with(kernel: &'static Kernel, call: Gemm<'_>, scratch: &mut Scratch, pool: &Pool) {
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
        Operand::Plain(view) => {
            pack::pack(kernel.isa, view, kernel.nr, &mut scratch.b, pool);
            &scratch.b[..]
        }
        Operand::Packed(packed) => {
            assert!(
                std::ptr::eq(packed.kernel, kernel),
                "{:?} cannot run weights packed for {:?}",
                kernel,
                packed.kernel
            );
            &packed.panels[..]
        }
    };
    let in_rows = a.col_stride == 1 || k <= 1;
    let one_row = m == 1 && in_rows;
    let a = if in_rows {
        // Rows of no elements may have no memory either: all of them are then the empty one at the start.
        LeftOperand::Rows { values: a.values, stride: if k == 0 { 0 } else { a.row_stride } }
    } else {
        pack::pack(kernel.isa, a.transposed(), kernel.mr, &mut scratch.a, pool);
        LeftOperand::Panels(&scratch.a)
    };
    let block = Block { k, a, b, accumulate, bias, function, row: 0, col: 0 };
    let (work, size) =
        if one_row { (kernel.row, (1, row_tile(n, kernel))) } else { (kernel.block, tile(m, n, kernel)) };
    for_each_tile(c, size, pool, |row, col, tile| work(&Block { row, col, ..block }, tile));
}

/// How `c` is cut into tasks: from the sizes alone.
///
/// At most 120 rows (of 256 elements of `k`: 120 KiB, in the second-level cache) by at least 64 columns, about sixteen
/// tasks where the matrix is large enough.
fn tile(m: usize, n: usize, kernel: &Kernel) -> (usize, usize) {
    let row_tasks = m.div_ceil(120);
    let rows = m.div_ceil(row_tasks).next_multiple_of(kernel.mr);
    let col_tasks = 16usize.div_ceil(row_tasks).min(n.div_ceil(64)).max(n.div_ceil(1024));
    (rows, n.div_ceil(col_tasks).next_multiple_of(kernel.nr))
}

/// How a single row is cut: about sixteen stretches, of at least four panels.
fn row_tile(n: usize, kernel: &Kernel) -> usize {
    n.div_ceil(16).next_multiple_of(4 * kernel.nr)
}

#[cfg(test)]
mod tests;
