//! Dot products of bfloat16 pairs: the verbs, and plain Rust for them; and how operands of words lie in memory.
//!
//! A pair is a `u32`: the element of even index in the low half, its neighbor in the high half, as the instructions of
//! AVX512-BF16 and AMX-BF16 take them. The words of the matrix unit hold two bfloat16 or four bytes alike.

use super::portable::Portable;
use super::{Isa, Vectorized};

/// Words of a row that the matrix unit takes in one step; operands are padded with zeros to whole steps.
pub const STEP: usize = 16;

/// The most rows of a product.
pub const ROWS: usize = 32;

/// The most columns of a product: four panels of sixteen.
pub const COLS: usize = 64;

/// The sums of a product; of each row as many elements as it has columns.
pub type Sums<T> = [[T; COLS]; ROWS];

/// One stretch of the contracted axis: rows of a, and panels of b of sixteen columns.
#[derive(Clone, Copy, Debug)]
pub struct Strip<'a> {
    /// The words of row `i` start at `i · a_stride`.
    pub a: &'a [u32],
    /// Words from one row of a to the next.
    pub a_stride: usize,
    /// The words of panel `q` start at `q · b_stride`: `[word][16]`.
    pub b: &'a [u32],
    /// Words from one panel of b to the next.
    pub b_stride: usize,
}

/// Sixteen sums of products of bfloat16 pairs.
///
/// The token `self` proves that the processor has the instructions.
pub trait PairDot: Copy + Send + Sync + 'static {
    /// The instruction set.
    const ISA: Isa;
    /// Sixteen f32.
    type Sums: Copy;
    /// Sixteen pairs.
    type Pairs: Copy;

    /// Runs a body in a function of its own, compiled with these instructions: as [`Simd::run`](super::Simd::run). Its
    /// verbs are those of the best instruction set for floats that comes with this one.
    fn run_pairs<V: Vectorized>(self, body: V) -> V::Output;

    /// Sixteen zeros.
    fn zero(self) -> Self::Sums;
    /// The first sixteen pairs of `from`. Panics where it is shorter.
    fn load(self, from: &[u32]) -> Self::Pairs;
    /// The same pair sixteen times.
    fn splat(self, pair: u32) -> Self::Pairs;
    /// Lane by lane: `sums + a.high · b.high`, and then `+ a.low · b.low`, each rounded to nearest; denormals are zero.
    ///
    /// Products of two bfloat16 are exact in f32 unless they leave its range, so it makes no difference whether a
    /// product is rounded before it is added.
    fn dot(self, sums: Self::Sums, a: Self::Pairs, b: Self::Pairs) -> Self::Sums;
    /// Writes the first sixteen elements of `to`. Panics where it is shorter.
    fn store(self, sums: Self::Sums, to: &mut [f32]);
}

/// The two elements of a pair, widened: the even one, the odd one.
#[inline(always)]
pub fn widen(pair: u32) -> [f32; 2] {
    [f32::from_bits(pair << 16), f32::from_bits(pair & 0xFFFF_0000)]
}

impl PairDot for Portable {
    const ISA: Isa = Isa::Portable;
    type Sums = [f32; 16];
    type Pairs = [u32; 16];

    #[inline(never)]
    fn run_pairs<V: Vectorized>(self, body: V) -> V::Output {
        body.run(self)
    }
    #[inline(always)]
    fn zero(self) -> Self::Sums {
        [0.0; 16]
    }
    #[inline(always)]
    fn load(self, from: &[u32]) -> Self::Pairs {
        from[..16].try_into().expect("the slice has sixteen elements")
    }
    #[inline(always)]
    fn splat(self, pair: u32) -> Self::Pairs {
        [pair; 16]
    }
    #[inline(always)]
    fn dot(self, mut sums: Self::Sums, a: Self::Pairs, b: Self::Pairs) -> Self::Sums {
        for lane in 0..16 {
            let ([x0, x1], [w0, w1]) = (widen(a[lane]), widen(b[lane]));
            sums[lane] = (sums[lane] + x1 * w1) + x0 * w0;
        }
        sums
    }
    #[inline(always)]
    fn store(self, sums: Self::Sums, to: &mut [f32]) {
        to[..16].copy_from_slice(&sums);
    }
}
