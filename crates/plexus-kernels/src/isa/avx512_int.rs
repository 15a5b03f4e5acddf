//! The verbs on whole numbers with 512-bit registers: AVX-512 BW, and AVX-512 with byte dot products.
#![allow(unsafe_code)]

use super::avx512::Avx512;
use super::{Isa, SimdInt, VectorizedInt};
use std::arch::x86_64::*;

/// Proof that the processor has AVX-512 and its VNNI; made only by [`Avx512Vnni::detect`].
#[derive(Clone, Copy, Debug)]
pub struct Avx512Vnni(Avx512);

impl Avx512Vnni {
    /// The token, where this processor has the instructions.
    #[inline]
    pub fn detect() -> Option<Self> {
        if is_x86_feature_detected!("avx512vnni") { Avx512::detect().map(Avx512Vnni) } else { None }
    }
}

/// An empty line of assembly that may change the register, as far as the optimizer knows.
#[inline]
#[target_feature(enable = "avx512f")]
fn pin(mut v: __m512i) -> __m512i {
    // SAFETY: there is no instruction.
    unsafe { std::arch::asm!("/* {0} */", inout(zmm_reg) v, options(nomem, nostack, preserves_flags)) };
    v
}

// SAFETY of every block in this `impl`: the instructions are available, because `self` exists only after `detect`
// found them. Loads and stores touch 64 bytes of a slice whose length was checked on the line before.
#[allow(clippy::undocumented_unsafe_blocks)]
impl SimdInt for Avx512 {
    const ISA: Isa = Isa::Avx512;
    const LEN: usize = 16;
    const DOT4: bool = false;
    type V = __m512i;

    #[inline]
    fn run_int<V: VectorizedInt>(self, body: V) -> V::Output {
        #[inline(never)]
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
        fn compiled<V: VectorizedInt>(token: Avx512, body: V) -> V::Output {
            body.run(token)
        }
        unsafe { compiled(self, body) }
    }
    #[inline(always)]
    fn zero(self) -> Self::V {
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    fn splat(self, x: i32) -> Self::V {
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8]) -> Self::V {
        let from = &from[..64];
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn load_i16(self, from: &[i16]) -> Self::V {
        let from = &from[..32];
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_i16(self, v: Self::V, to: &mut [i16]) {
        let to = &mut to[..32];
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), v) }
    }
    #[inline(always)]
    fn store_i32(self, v: Self::V, to: &mut [i32]) {
        let to = &mut to[..16];
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), v) }
    }
    #[inline(always)]
    fn add_i32(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    fn add_i16(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_add_epi16(a, b) }
    }
    #[inline(always)]
    fn dot_i16(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_madd_epi16(a, b) }
    }
    #[inline(always)]
    fn dot_u8_i8(self, u: Self::V, s: Self::V) -> Self::V {
        unsafe { _mm512_maddubs_epi16(u, s) }
    }
    #[inline(always)]
    fn dot_add_u8_i8(self, sum: Self::V, u: Self::V, s: Self::V) -> Self::V {
        unsafe {
            let even = _mm512_madd_epi16(self.even_u8(u), self.even_i8(s));
            let odd = _mm512_madd_epi16(_mm512_srli_epi16::<8>(u), self.odd_i8(s));
            _mm512_add_epi32(sum, _mm512_add_epi32(even, odd))
        }
    }
    #[inline(always)]
    fn even_i8(self, v: Self::V) -> Self::V {
        unsafe { _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(v)) }
    }
    #[inline(always)]
    fn odd_i8(self, v: Self::V) -> Self::V {
        unsafe { _mm512_srai_epi16::<8>(v) }
    }
    #[inline(always)]
    fn even_u8(self, v: Self::V) -> Self::V {
        unsafe { _mm512_and_si512(v, _mm512_set1_epi16(0xff)) }
    }
    #[inline(always)]
    fn pin(self, v: Self::V) -> Self::V {
        unsafe { pin(v) }
    }
    #[inline(always)]
    fn prefetch(self, from: &[i8]) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.as_ptr()) }
    }
}

/// Everything but the byte dot product is AVX-512's.
impl SimdInt for Avx512Vnni {
    const ISA: Isa = Isa::Avx512Vnni;
    const LEN: usize = 16;
    const DOT4: bool = true;
    type V = __m512i;

    #[inline]
    fn run_int<V: VectorizedInt>(self, body: V) -> V::Output {
        #[inline(never)]
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2,fma")]
        fn compiled<V: VectorizedInt>(token: Avx512Vnni, body: V) -> V::Output {
            body.run(token)
        }
        // SAFETY: the features are present: `self` exists, and `detect` is its only source.
        unsafe { compiled(self, body) }
    }
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.0.zero()
    }
    #[inline(always)]
    fn splat(self, x: i32) -> Self::V {
        SimdInt::splat(self.0, x)
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8]) -> Self::V {
        self.0.load_i8(from)
    }
    #[inline(always)]
    fn load_i16(self, from: &[i16]) -> Self::V {
        self.0.load_i16(from)
    }
    #[inline(always)]
    fn store_i16(self, v: Self::V, to: &mut [i16]) {
        self.0.store_i16(v, to);
    }
    #[inline(always)]
    fn store_i32(self, v: Self::V, to: &mut [i32]) {
        self.0.store_i32(v, to);
    }
    #[inline(always)]
    fn add_i32(self, a: Self::V, b: Self::V) -> Self::V {
        self.0.add_i32(a, b)
    }
    #[inline(always)]
    fn add_i16(self, a: Self::V, b: Self::V) -> Self::V {
        self.0.add_i16(a, b)
    }
    #[inline(always)]
    fn dot_i16(self, a: Self::V, b: Self::V) -> Self::V {
        self.0.dot_i16(a, b)
    }
    #[inline(always)]
    fn dot_u8_i8(self, u: Self::V, s: Self::V) -> Self::V {
        self.0.dot_u8_i8(u, s)
    }
    #[inline(always)]
    fn dot_add_u8_i8(self, sum: Self::V, u: Self::V, s: Self::V) -> Self::V {
        // SAFETY: the instruction is available: `self` exists only after `Avx512Vnni::detect` found it.
        unsafe { _mm512_dpbusd_epi32(sum, u, s) }
    }
    #[inline(always)]
    fn even_i8(self, v: Self::V) -> Self::V {
        self.0.even_i8(v)
    }
    #[inline(always)]
    fn odd_i8(self, v: Self::V) -> Self::V {
        self.0.odd_i8(v)
    }
    #[inline(always)]
    fn even_u8(self, v: Self::V) -> Self::V {
        self.0.even_u8(v)
    }
    #[inline(always)]
    fn pin(self, v: Self::V) -> Self::V {
        self.0.pin(v)
    }
    #[inline(always)]
    fn prefetch(self, from: &[i8]) {
        self.0.prefetch(from);
    }
}
