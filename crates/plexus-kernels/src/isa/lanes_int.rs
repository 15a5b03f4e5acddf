//! The verbs on whole numbers: what a vector of bytes, 16-bit or 32-bit numbers can do, whatever its width.
//!
//! Every verb is exact or wraps, so results do not depend on the order of a sum.

use super::Isa;

/// A kernel body on whole numbers that is generic over the instruction set.
///
/// Implementations mark `run` as `#[inline(always)]`, or it is compiled without the instruction set's features.
pub trait VectorizedInt {
    /// What the body returns.
    type Output;
    /// Runs the body with the verbs of one instruction set.
    fn run<S: SimdInt>(self, simd: S) -> Self::Output;
}

/// The verbs of one instruction set on a vector of [`LEN`](SimdInt::LEN) 32-bit lanes.
///
/// The same register holds twice as many 16-bit numbers or four times as many bytes; number 0 is the lowest part of
/// lane 0. The token `self` proves that the processor has the instructions.
pub trait SimdInt: Copy + Send + Sync + 'static {
    /// The instruction set.
    const ISA: Isa;
    /// 32-bit lanes of one vector.
    const LEN: usize;
    /// Whether [`dot_add_u8_i8`](SimdInt::dot_add_u8_i8) is one instruction.
    const DOT4: bool;
    /// A vector.
    type V: Copy;

    /// Runs a body in a function of its own, compiled with these instructions: as [`Simd::run`](super::Simd::run).
    fn run_int<V: VectorizedInt>(self, body: V) -> V::Output;

    /// All bits zero.
    fn zero(self) -> Self::V;
    /// All 32-bit lanes equal to `x`.
    fn splat(self, x: i32) -> Self::V;
    /// The first `4 · LEN` bytes of `from`, at any alignment. Panics where it is shorter.
    fn load_i8(self, from: &[i8]) -> Self::V;
    /// The first `2 · LEN` numbers of `from`, at any alignment. Panics where it is shorter.
    fn load_i16(self, from: &[i16]) -> Self::V;
    /// Writes `2 · LEN` numbers of 16 bits to the start of `to`. Panics where it is shorter.
    fn store_i16(self, v: Self::V, to: &mut [i16]);
    /// Writes `LEN` numbers of 32 bits to the start of `to`. Panics where it is shorter.
    fn store_i32(self, v: Self::V, to: &mut [i32]);
    /// `a + b` in each 32-bit lane, wrapping.
    fn add_i32(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a + b` in each 16-bit number, wrapping.
    fn add_i16(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a0 · b0 + a1 · b1` of the two 16-bit numbers in each lane, modulo 2³²: four times `-32768` give `i32::MIN`.
    fn dot_i16(self, a: Self::V, b: Self::V) -> Self::V;
    /// `u0 · s0 + u1 · s1` of the two bytes in each 16-bit number, `u` unsigned and `s` signed.
    ///
    /// What does not fit into 16 bits may saturate or wrap: the caller's numbers fit.
    fn dot_u8_i8(self, u: Self::V, s: Self::V) -> Self::V;
    /// `sum + u0 · s0 + u1 · s1 + u2 · s2 + u3 · s3` of the bytes in each lane, `u` unsigned and `s` signed, modulo 2³².
    fn dot_add_u8_i8(self, sum: Self::V, u: Self::V, s: Self::V) -> Self::V;
    /// Bytes 0 and 2 of each lane, sign-extended to 16 bits.
    fn even_i8(self, v: Self::V) -> Self::V;
    /// Bytes 1 and 3 of each lane, sign-extended to 16 bits: the high half of each 16-bit number.
    fn odd_i8(self, v: Self::V) -> Self::V;
    /// Bytes 0 and 2 of each lane as 0..=255: the low half of each 16-bit number.
    fn even_u8(self, v: Self::V) -> Self::V;

    /// The same value, hidden from the optimiser: sums that pass through stay in the order in which they are written.
    ///
    /// Compilers turn long chains of whole-number additions into trees, which need more registers than there are.
    #[inline(always)]
    fn pin(self, v: Self::V) -> Self::V {
        v
    }

    /// Asks for the cache line at the start of `from`; a hint without effect on results.
    #[inline(always)]
    fn prefetch(self, from: &[i8]) {
        let _ = from;
    }
}

impl Isa {
    /// Runs a generic body of integer verbs compiled for this instruction set.
    ///
    /// # Panics
    /// Where the processor lacks the instruction set.
    #[inline]
    pub fn run_int<V: VectorizedInt>(self, body: V) -> V::Output {
        match self {
            Isa::Portable => super::portable::Portable.run_int(body),
            // They have no verbs of their own for whole numbers; the compiler turns the plain ones into theirs.
            Isa::Simd128 | Isa::Neon if self.is_available() => super::portable::Portable.run_int(body),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => super::avx2::Avx2::detect().expect("this processor has no AVX2").run_int(body),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni => super::avx2_int::AvxVnni::detect().expect("this processor has no AVX-VNNI").run_int(body),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => super::avx512::Avx512::detect().expect("this processor has no AVX-512").run_int(body),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni | Isa::Avx512Bf16 | Isa::Amx => {
                super::avx512_int::Avx512Vnni::detect().expect("this processor has no AVX-512 VNNI").run_int(body)
            }
            other => panic!("this processor has no {}", other.name()),
        }
    }
}
