//! The verbs on AVX2 with FMA: eight lanes.
#![allow(unsafe_code)]

use super::{Isa, Simd, Vectorized};
use std::arch::x86_64::*;

/// Proof that the processor has AVX2 and FMA; made only by [`Avx2::detect`].
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The token, where this processor has the instructions.
    #[inline]
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Avx2(()))
    }
}

/// The mask of the first `len` lanes, at most 8.
#[inline(always)]
fn first_lanes(len: usize) -> &'static [i32; 8] {
    const MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    assert!(len <= 8, "a vector has 8 lanes");
    MASKS[8 - len..].first_chunk().expect("eight are left")
}

// SAFETY of every block in this `impl`: the instructions are available, because `self` exists only after `detect`
// found them. `load` and `store` touch 8 elements of a slice whose length was checked on the line before;
// `load_part` and `store_part` as many as the slice has, which `first_lanes` checked.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Simd for Avx2 {
    const ISA: Isa = Isa::Avx2;
    const LEN: usize = 8;
    type F = __m256;
    type M = __m256;

    #[inline]
    fn run<V: Vectorized>(self, body: V) -> V::Output {
        #[inline(never)]
        #[target_feature(enable = "avx2,fma")]
        fn compiled<V: Vectorized>(token: Avx2, body: V) -> V::Output {
            body.run(token)
        }
        unsafe { compiled(self, body) }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::F {
        let from = &from[..8];
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn load_part(self, from: &[f32], fill: f32) -> Self::F {
        let mask = first_lanes(from.len());
        unsafe {
            // The bytes of masked lanes are not touched.
            let mask = _mm256_loadu_si256(mask.as_ptr().cast());
            let values = _mm256_maskload_ps(from.as_ptr(), mask);
            _mm256_blendv_ps(_mm256_set1_ps(fill), values, _mm256_castsi256_ps(mask))
        }
    }
    #[inline(always)]
    fn store_part(self, v: Self::F, to: &mut [f32]) {
        let mask = first_lanes(to.len());
        unsafe { _mm256_maskstore_ps(to.as_mut_ptr(), _mm256_loadu_si256(mask.as_ptr().cast()), v) }
    }
    #[inline(always)]
    fn prefetch<T>(self, from: &[T], ahead: usize) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.as_ptr().wrapping_add(ahead).cast()) }
    }
    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32]) {
        let to = &mut to[..8];
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn sqrt(self, a: Self::F) -> Self::F {
        unsafe { _mm256_sqrt_ps(a) }
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), a) }
    }
    #[inline(always)]
    fn copysign(self, magnitude: Self::F, sign: Self::F) -> Self::F {
        unsafe {
            let bit = _mm256_set1_ps(-0.0);
            _mm256_or_ps(_mm256_andnot_ps(bit, magnitude), _mm256_and_ps(bit, sign))
        }
    }
    #[inline(always)]
    fn pow2(self, n: Self::F) -> Self::F {
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> Self::M {
        unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(a, b) }
    }
    #[inline(always)]
    fn le(self, a: Self::F, b: Self::F) -> Self::M {
        unsafe { _mm256_cmp_ps::<_CMP_LE_OQ>(a, b) }
    }
    #[inline(always)]
    fn eq(self, a: Self::F, b: Self::F) -> Self::M {
        unsafe { _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b) }
    }
    #[inline(always)]
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F {
        unsafe { _mm256_blendv_ps(no, yes, mask) }
    }
    #[inline(always)]
    fn transpose_8x8(self, square: [&[f32; 8]; 8]) -> [[f32; 8]; 8] {
        let mut transposed = [[0.0f32; 8]; 8];
        unsafe {
            // A loop: a closure of `map` would be compiled without these instructions.
            let mut r = [_mm256_setzero_ps(); 8];
            for (r, row) in r.iter_mut().zip(square) {
                *r = _mm256_loadu_ps(row.as_ptr());
            }
            // Pairs of rows interleaved, then pairs of pairs, then halves exchanged.
            let (a0, a1) = (_mm256_unpacklo_ps(r[0], r[1]), _mm256_unpackhi_ps(r[0], r[1]));
            let (a2, a3) = (_mm256_unpacklo_ps(r[2], r[3]), _mm256_unpackhi_ps(r[2], r[3]));
            let (a4, a5) = (_mm256_unpacklo_ps(r[4], r[5]), _mm256_unpackhi_ps(r[4], r[5]));
            let (a6, a7) = (_mm256_unpacklo_ps(r[6], r[7]), _mm256_unpackhi_ps(r[6], r[7]));
            let (b0, b1) = (_mm256_shuffle_ps::<0x44>(a0, a2), _mm256_shuffle_ps::<0xEE>(a0, a2));
            let (b2, b3) = (_mm256_shuffle_ps::<0x44>(a1, a3), _mm256_shuffle_ps::<0xEE>(a1, a3));
            let (b4, b5) = (_mm256_shuffle_ps::<0x44>(a4, a6), _mm256_shuffle_ps::<0xEE>(a4, a6));
            let (b6, b7) = (_mm256_shuffle_ps::<0x44>(a5, a7), _mm256_shuffle_ps::<0xEE>(a5, a7));
            for (i, (low, high)) in [(b0, b4), (b1, b5), (b2, b6), (b3, b7)].into_iter().enumerate() {
                _mm256_storeu_ps(transposed[i].as_mut_ptr(), _mm256_permute2f128_ps::<0x20>(low, high));
                _mm256_storeu_ps(transposed[i + 4].as_mut_ptr(), _mm256_permute2f128_ps::<0x31>(low, high));
            }
        }
        transposed
    }
}
