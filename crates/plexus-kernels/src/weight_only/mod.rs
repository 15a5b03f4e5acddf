//! Product with compressed weights: small numbers in memory, f32 in the registers.
//!
//! ```text
//! c[i, j] = f( Σ_p a[i, p] · v[p, j] + bias[j] )      v = the value that b[p, j] was rounded to when it was packed
//! ```
//!
//! Letters as in [`gemm`](crate::gemm): `m` = batch, `n` = out_features, `k` = in_features; `b` is the weight transposed.
//! For small batches, where reading the weights is all the time: each weight is read from memory once for up to eight
//! rows. Larger batches work, in passes of eight rows; from about 32 rows on, `gemm` on [`Packed::unpack`] is as
//! fast.
//!
//! # Formats
//!
//! | format | value `v` of a weight | bits a weight | relative RMS error, normal weights |
//! |---|---|---|---|
//! | bf16 | the nearest bfloat16, ties to even | 16 | 0.17 % |
//! | int8, groups of 32 | `scale · q`, `q` in -127..=127 | 8.5 | 0.54 % |
//! | int8, groups of 128 | the same | 8.125 | 0.65 % |
//! | int8, a row of 1024 | the same | 8 + 16/k | 0.79 % |
//! | int4, groups of 32 | `scale · q`, `q` in -8..=7 | 4.5 | 8.2 % |
//! | int4, groups of 128 | the same | 4.125 | 10.0 % |
//! | int4, a row of 1024 | the same | 4 + 16/k | 12.4 % |
//!
//! The numbers are [`Format::rms_error`], `√(Σ (v − w)² / Σ w²)`. A product with independent activations has the same
//! relative error (both: `tests::the_error_against_exact_weights_is_the_stated_one`).
//!
//! A group is so many neighbors along `k` of one output; the last one may be shorter. Its scale is a bfloat16: half the
//! bytes of an f32 (at groups of 32 a tenth of all bytes), with its range, which an f16 has not, and widened by a shift.
//! The multiples are rounded with the scale as it is stored, so its few bits coarsen the grid by 0.4 % at most and add
//! no error of their own; and `scale · q` is exact in f32. `|v − w| <= |scale| / 2` for every finite weight below 3e38.
//! - int8: the scale is the largest magnitude of the group divided by 127.
//! - int4: the scale that gives the least squared error of eight candidates, which divide the weight of the largest
//!   magnitude by -7 to -8.45. With -8 that weight takes the end of the range that reaches further, whatever its sign
//!   (the scale may be negative); only candidates that round every weight by half a step or less are taken. Dividing by
//!   7 alone would give 9.7, 11.7 and 14.4 % in the table.
//! - A group of zeros has scale zero. A group with a NaN or an infinity is NaN as a whole: it shows instead of hiding.
//!   Zero weights lose their sign. bf16 keeps NaN, infinities and signs; f32 above its range become infinity.
//!
//! # Contract
//! - `c` overlaps nothing else (the borrow checker holds it) and is not read.
//! - `m` or `n` zero: nothing happens. `k` zero: `c = f(bias)`.
//! - NaN and infinities among the activations go through as IEEE 754 says: `0 · ∞` is NaN and is not skipped.
//!
//! # Numerics
//! Activations and sums are f32, nothing of them is rounded further. Sums are in the order of `p`, in blocks of 32
//! (groups of 32) or 128: within a block a chain of multiply-adds on the multiples `q`, then the block times its scale is
//! added to what came before, then the bias. The order depends on `k` and the format alone: not on the threads, not on
//! `m` (a row of a batch has the bits of the same row alone). The error against the product with `v` is, per element,
//! ```text
//! bf16, int8:  |error| <= (block + k/block + 2) · 2⁻²⁴ · Σ_p |a| |v|
//! int4:        |error| <= (block + k/block + 2) · 2⁻²⁴ · Σ_p |a| · 24 |scale|
//! ```
//! The sums of int4 run over `q + 8`, and `8 · Σ a` is taken off; hence the larger bound, far below the error of the
//! weights themselves. So that neither this nor the late scale turns large numbers into infinities and NaN, a row of
//! activations that holds a number of 2⁶⁴ or more, an infinity or a NaN is multiplied by the values `v` one by one
//! (int8 and int4; several times slower). Which way a row goes depends on the row alone. Denormals count as zero.
//! `tests::every_instruction_set_matches_the_reference_at_odd_sizes` holds every format to these bounds.

mod body;
mod element;
mod quantize;
pub mod reference;

use crate::Context;
use crate::buffer::{Buffer, MatrixMut, for_each_tile};
use crate::gemm::Scratch;
use crate::map::Function;
use crate::threads::Pool;
use crate::view::View;

/// How many neighbors along `k` share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// 32 neighbors.
    Of32,
    /// 128 neighbors.
    Of128,
    /// All weights of an output.
    Row,
}

/// What weights are rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The upper half of an f32: 8 bits of exponent, 8 of precision.
    Bf16,
    /// Whole multiples -127..=127 of a scale.
    Int8(Group),
    /// Whole multiples -8..=7 of a scale.
    Int4(Group),
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 7] = [
        Format::Bf16,
        Format::Int8(Group::Of32),
        Format::Int8(Group::Of128),
        Format::Int8(Group::Row),
        Format::Int4(Group::Of32),
        Format::Int4(Group::Of128),
        Format::Int4(Group::Row),
    ];

    /// The name, as in reports: `int8-g32`.
    pub fn name(self) -> &'static str {
        match self {
            Format::Bf16 => "bf16",
            Format::Int8(Group::Of32) => "int8-g32",
            Format::Int8(Group::Of128) => "int8-g128",
            Format::Int8(Group::Row) => "int8-row",
            Format::Int4(Group::Of32) => "int4-g32",
            Format::Int4(Group::Of128) => "int4-g128",
            Format::Int4(Group::Row) => "int4-row",
        }
    }

    /// The expected error of normally distributed weights: root of the mean square, relative to that of the weights.
    ///
    /// For whole rows the number is for rows of 1024; it grows slowly with the length.
    pub fn rms_error(self) -> f64 {
        match self {
            Format::Bf16 => 0.0017,
            Format::Int8(Group::Of32) => 0.0054,
            Format::Int8(Group::Of128) => 0.0065,
            Format::Int8(Group::Row) => 0.0079,
            Format::Int4(Group::Of32) => 0.082,
            Format::Int4(Group::Of128) => 0.1,
            Format::Int4(Group::Row) => 0.124,
        }
    }

    /// The group of weights that share a scale, where there is a scale.
    pub fn group(self) -> Option<Group> {
        match self {
            Format::Bf16 => None,
            Format::Int8(group) | Format::Int4(group) => Some(group),
        }
    }

    /// Elements of `k` that are summed in one chain; divides the group, is a multiple of eight.
    fn block_len(self) -> usize {
        match self.group() {
            Some(Group::Of32) => 32,
            Some(Group::Of128 | Group::Row) | None => BLOCK,
        }
    }

    /// Scales of one output.
    fn groups(self, k: usize) -> usize {
        match self.group() {
            None => 0,
            Some(Group::Row) => k.min(1),
            Some(Group::Of32 | Group::Of128) => k.div_ceil(self.block_len()),
        }
    }
}

/// The longest chain of multiply-adds. Part of the numerics, as [`gemm::KC`](crate::gemm::KC).
const BLOCK: usize = 128;

/// Columns of a packed panel: eight vectors of AVX2 are eight sums in flight, enough to hide the latency of a
/// multiply-add. The same on every instruction set, so packed weights do not depend on it.
const WIDTH: usize = 64;

/// Below this many multiply-adds one thread is faster than waking a second one, as in `gemm`.
const PARALLEL_MACS: usize = 1 << 18;

/// A row with an element of this size or more, or a NaN, is multiplied weight by weight; see the module's numerics.
///
/// 2^64: sums of int4 are 2^28 times too large until a block is finished, and must stay finite.
const LARGE: f32 = 18_446_744_073_709_551_616.0;

/// The packed numbers, in panels of [`WIDTH`] columns, zero beyond the last column.
#[derive(Clone, Debug)]
enum Values {
    /// `[n / WIDTH][k][WIDTH]`
    Bf16(Buffer<u16>),
    /// `[n / WIDTH][k][WIDTH]`
    Int8(Buffer<i8>),
    /// `[n / WIDTH][k][WORDS]`: nibble `i` of word `l` is column `8 · i + l`. Nibbles 0 to 6 hold `q + 8`; nibble 7, which
    /// holds the sign of the word, has `q` in two's complement. So one load has a weight for each of 64 sums, each found
    /// by one mask where it lies, and what its place multiplies it by is undone once a block.
    Int4(Buffer<u32>),
}

/// Weights rounded to a [`Format`] and re-ordered for the kernels.
///
/// # Examples
/// ```
/// use plexus_kernels::{Context, gemm::View, weight_only::{Format, Group, Packed}};
/// let weight = [1.0, -0.5, 127.0]; // one output of three inputs
/// let view = View::row_major(&weight, 1, 3).transposed();
/// let packed = Packed::new(view, Format::Int8(Group::Row), &Context::single());
/// assert_eq!(packed.unpack()[..], [1.0, 0.0, 127.0]); // the scale is 1
/// ```
#[derive(Clone, Debug)]
pub struct Packed {
    format: Format,
    rows: usize,
    cols: usize,
    values: Values,
    /// bfloat16, `[n / WIDTH][groups][WIDTH]`
    scales: Buffer<u16>,
}

impl Packed {
    /// Rounds and re-orders a right operand, `[k, n]`.
    pub fn new(b: View<'_>, format: Format, context: &Context) -> Self {
        quantize::pack(b, format, context.pool())
    }

    /// Bytes of memory that a `k` by `n` operand will take, before it is packed.
    pub fn bytes_for((k, n): (usize, usize), format: Format) -> usize {
        let panels = n.div_ceil(WIDTH);
        let panel_row = match format {
            Format::Bf16 => WIDTH * size_of::<u16>(),
            Format::Int8(_) => WIDTH,
            Format::Int4(_) => element::WORDS * size_of::<u32>(),
        };
        let scales = format.groups(k).saturating_mul(WIDTH * size_of::<u16>());
        panels.saturating_mul(k.saturating_mul(panel_row).saturating_add(scales))
    }

    /// What the weights were rounded to.
    pub fn format(&self) -> Format {
        self.format
    }

    /// `k`
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// `n`
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let values = match &self.values {
            Values::Bf16(values) => size_of_val(&values[..]),
            Values::Int4(words) => size_of_val(&words[..]),
            Values::Int8(values) => values.len(),
        };
        values + size_of_val(&self.scales[..])
    }

    /// The values that products are computed with, exactly, as a weight matrix `[n, k]`.
    pub fn unpack(&self) -> Buffer {
        quantize::unpack(self)
    }
}

/// One product: see the module documentation for the formula.
#[derive(Debug)]
pub struct Multiply<'a> {
    /// `[m, k]`
    pub a: View<'a>,
    /// `[k, n]`
    pub b: &'a Packed,
    /// `[m, n]`
    pub c: MatrixMut<'a>,
    /// `[n]`, added to every row.
    pub bias: Option<&'a [f32]>,
    /// Applied to the finished sums.
    pub function: Function,
}

/// What every task of one product reads.
struct Job<'a> {
    b: &'a Packed,
    /// Row `i` is `a[i · stride..][..k]`.
    a: &'a [f32],
    stride: usize,
    /// The largest magnitude of each row, NaN where it has one.
    largest: &'a [f32],
    /// For int4, row by row: the sum of each block.
    sums: &'a [f32],
    blocks: usize,
    bias: Option<&'a [f32]>,
    function: Function,
}

impl Job<'_> {
    /// A stretch of a row of `a`.
    #[inline(always)]
    fn block(&self, row: usize, start: usize, end: usize) -> &[f32] {
        &self.a[row * self.stride..][start..end]
    }

    /// The sum of one block of a row of `a`; 0 where the format has no use for it.
    #[inline(always)]
    fn sum(&self, row: usize, block: usize) -> f32 {
        self.sums.get(row * self.blocks + block).copied().unwrap_or(0.0)
    }
}

/// Computes one product on the context's instruction set.
///
/// # Panics
/// Where the sizes of `a`, `b`, `c` and `bias` do not fit each other.
pub fn multiply(call: Multiply<'_>, scratch: &mut Scratch, context: &Context) {
    let Multiply { a, b, c, bias, function } = call;
    let (m, n, k) = (c.rows, c.cols, a.cols());
    assert_eq!(a.rows(), m, "rows of a and of c");
    assert_eq!((b.rows, b.cols), (k, n), "rows and columns of b");
    assert!(bias.is_none_or(|bias| bias.len() == n), "one bias for each column");
    if m == 0 || n == 0 {
        return;
    }
    let single = Pool::single();
    let pool = if m.saturating_mul(n).saturating_mul(k) < PARALLEL_MACS { &single } else { context.pool() };

    let (values, row_stride, col_stride) = a.parts();
    let in_place = col_stride == 1 || k <= 1;
    let blocks = if matches!(b.format, Format::Int4(_)) { k.div_ceil(b.format.block_len()) } else { 0 };
    let scratch = scratch.values(m * (1 + blocks + if in_place { 0 } else { k }));
    let (largest, scratch) = scratch.split_at_mut(m);
    let (sums, gathered) = scratch.split_at_mut(m * blocks);
    let (a, stride) = if in_place {
        // Rows of no elements may have no memory either: all of them are then the empty one at the start.
        (values, if k == 0 { 0 } else { row_stride })
    } else {
        for (i, row) in gathered.chunks_exact_mut(k).enumerate() {
            for (p, to) in row.iter_mut().enumerate() {
                *to = values[i * row_stride + p * col_stride];
            }
        }
        (&*gathered, k)
    };
    for i in 0..m {
        let row = &a[i * stride..][..k];
        largest[i] = body::largest(row);
        body::block_sums(row, b.format.block_len(), &mut sums[i * blocks..(i + 1) * blocks]);
    }
    let job = Job { b, a, stride, largest, sums, blocks, bias, function };
    for_each_tile(c, tile(m, n), pool, |row, col, tile| {
        context.isa().run_widening(body::Stretch { job: &job, row, col, tile });
    });
}

/// How `c` is cut into tasks: from the sizes alone. About sixteen stretches of whole panels; of fewer panels than that,
/// rows are cut as well.
fn tile(m: usize, n: usize) -> (usize, usize) {
    let cols = n.div_ceil(16).next_multiple_of(WIDTH);
    let row_tasks = 16usize.div_ceil(n.div_ceil(cols)).min(m.div_ceil(body::ROWS));
    (m.div_ceil(row_tasks).next_multiple_of(body::ROWS), cols)
}

#[cfg(test)]
mod tests;
