//! The dot products of bfloat16 pairs in registers (AVX512-BF16).
#![allow(unsafe_code)]

use super::avx512::Avx512;
use super::pairs::PairDot;
use super::{Isa, Vectorized};
use std::arch::x86_64::*;

/// Proof that the processor has AVX-512 with AVX512-BF16; made only by [`Avx512Bf16::detect`].
#[derive(Clone, Copy, Debug)]
pub struct Avx512Bf16(Avx512);

impl Avx512Bf16 {
    /// The token, where this processor has the instructions.
    #[inline]
    pub fn detect() -> Option<Self> {
        let floats = Avx512::detect()?;
        is_x86_feature_detected!("avx512bf16").then_some(Avx512Bf16(floats))
    }

    /// The token of the float verbs.
    #[inline(always)]
    pub fn floats(self) -> Avx512 {
        self.0
    }
}

// SAFETY of every block in this `impl`: the instructions are available, because `self` exists only after `detect`
// found them. `load` and `store` touch 16 elements of a slice whose length was checked on the line before.
#[allow(clippy::undocumented_unsafe_blocks)]
impl PairDot for Avx512Bf16 {
    const ISA: Isa = Isa::Avx512Bf16;
    type Sums = __m512;
    type Pairs = __m512i;

    // The verbs of the body are those of `Avx512`.
    #[inline]
    fn run_pairs<V: Vectorized>(self, body: V) -> V::Output {
        #[inline(never)]
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma")]
        fn compiled<V: Vectorized>(token: Avx512, body: V) -> V::Output {
            body.run(token)
        }
        unsafe { compiled(self.0, body) }
    }
    #[inline(always)]
    fn zero(self) -> Self::Sums {
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    fn load(self, from: &[u32]) -> Self::Pairs {
        let from = &from[..16];
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn splat(self, pair: u32) -> Self::Pairs {
        unsafe { _mm512_set1_epi32(pair.cast_signed()) }
    }
    #[inline(always)]
    fn dot(self, sums: Self::Sums, a: Self::Pairs, b: Self::Pairs) -> Self::Sums {
        // SAFETY of the transmutes: both types are 64 bytes without padding, any bits are valid; there is no cast.
        unsafe {
            _mm512_dpbf16_ps(
                sums,
                std::mem::transmute::<__m512i, __m512bh>(a),
                std::mem::transmute::<__m512i, __m512bh>(b),
            )
        }
    }
    #[inline(always)]
    fn store(self, sums: Self::Sums, to: &mut [f32]) {
        let to = &mut to[..16];
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), sums) }
    }
}
