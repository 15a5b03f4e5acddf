//! The widening verbs on AVX2 and AVX-512.
#![allow(unsafe_code)]

use super::avx2::Avx2;
use super::avx512::Avx512;
use super::{Widen, Widening};
use std::arch::x86_64::*;

// SAFETY of every block in this `impl`: the instructions are available, because `self` exists only after `detect`
// found them. Loads touch as many elements of a slice as the line before checked that it has.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Widen for Avx2 {
    type W = __m256i;

    #[inline]
    fn run_widening<V: Widening>(self, body: V) -> V::Output {
        #[inline(never)]
        #[target_feature(enable = "avx2,fma")]
        fn compiled<V: Widening>(token: Avx2, body: V) -> V::Output {
            body.run(token)
        }
        unsafe { compiled(self, body) }
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8]) -> Self::F {
        let from = &from[..8];
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.as_ptr().cast()))) }
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16]) -> Self::F {
        let from = &from[..8];
        unsafe {
            let words = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.as_ptr().cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(words))
        }
    }
    #[inline(always)]
    fn load_words(self, from: &[u32]) -> Self::W {
        let from = &from[..8];
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn repeat_words(self, from: &[u32]) -> Self::W {
        self.load_words(from)
    }
    #[inline(always)]
    fn masked(self, words: Self::W, mask: Self::W) -> Self::F {
        unsafe { _mm256_cvtepi32_ps(_mm256_and_si256(words, mask)) }
    }
}

// SAFETY of every block in this `impl`: the instructions are available, because `self` exists only after `detect`
// found them. Loads touch as many elements of a slice as the line before checked that it has.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Widen for Avx512 {
    type W = __m512i;

    #[inline]
    fn run_widening<V: Widening>(self, body: V) -> V::Output {
        #[inline(never)]
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
        fn compiled<V: Widening>(token: Avx512, body: V) -> V::Output {
            body.run(token)
        }
        unsafe { compiled(self, body) }
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8]) -> Self::F {
        let from = &from[..16];
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.as_ptr().cast()))) }
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16]) -> Self::F {
        let from = &from[..16];
        unsafe {
            let words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.as_ptr().cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words))
        }
    }
    #[inline(always)]
    fn load_words(self, from: &[u32]) -> Self::W {
        let from = &from[..16];
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn repeat_words(self, from: &[u32]) -> Self::W {
        let from = &from[..8];
        unsafe { _mm512_broadcast_i32x8(_mm256_loadu_si256(from.as_ptr().cast())) }
    }
    #[inline(always)]
    fn masked(self, words: Self::W, mask: Self::W) -> Self::F {
        unsafe { _mm512_cvtepi32_ps(_mm512_and_si512(words, mask)) }
    }
}
