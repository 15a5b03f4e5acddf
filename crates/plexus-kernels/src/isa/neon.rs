//! The verbs on NEON (AArch64): eight lanes in two registers of four.
//!
//! Eight and not four, so that sums over lanes have the order and the bits of AVX2, and bodies for eight lanes fit.
#![allow(unsafe_code)]

use super::{Isa, Simd, Vectorized, Widen, Widening};
use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

/// Proof that the processor has NEON; made only by [`Neon::detect`].
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// The token, where this processor has the instructions: every AArch64 processor that runs an operating system.
    #[inline]
    pub fn detect() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }
}

/// Exchanges rows and columns of four rows of four.
#[inline]
#[target_feature(enable = "neon")]
fn transpose_4x4(r: [float32x4_t; 4]) -> [float32x4_t; 4] {
    // Pairs of elements are exchanged, then pairs of pairs.
    let (a0, a1) = (vtrn1q_f32(r[0], r[1]), vtrn2q_f32(r[0], r[1]));
    let (a2, a3) = (vtrn1q_f32(r[2], r[3]), vtrn2q_f32(r[2], r[3]));
    let [a0, a1, a2, a3] =
        [vreinterpretq_f64_f32(a0), vreinterpretq_f64_f32(a1), vreinterpretq_f64_f32(a2), vreinterpretq_f64_f32(a3)];
    [
        vreinterpretq_f32_f64(vtrn1q_f64(a0, a2)),
        vreinterpretq_f32_f64(vtrn1q_f64(a1, a3)),
        vreinterpretq_f32_f64(vtrn2q_f64(a0, a2)),
        vreinterpretq_f32_f64(vtrn2q_f64(a1, a3)),
    ]
}

// SAFETY of every block in this `impl`: the instructions are available, because `self` exists only after `detect`
// found them. `load` and `store` touch 8 elements of a slice whose length was checked on the line before;
// `transpose_8x8` reads and writes arrays of 8 elements, 4 from the first or the fifth on.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Simd for Neon {
    const ISA: Isa = Isa::Neon;
    const LEN: usize = 8;
    type F = [float32x4_t; 2];
    type M = [uint32x4_t; 2];

    #[inline]
    fn run<V: Vectorized>(self, body: V) -> V::Output {
        #[inline(never)]
        #[target_feature(enable = "neon")]
        fn compiled<V: Vectorized>(token: Neon, body: V) -> V::Output {
            body.run(token)
        }
        unsafe { compiled(self, body) }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        unsafe { [vdupq_n_f32(x); 2] }
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::F {
        let from = &from[..8];
        unsafe { [vld1q_f32(from.as_ptr()), vld1q_f32(from.as_ptr().add(4))] }
    }
    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32]) {
        let to = &mut to[..8];
        unsafe {
            vst1q_f32(to.as_mut_ptr(), v[0]);
            vst1q_f32(to.as_mut_ptr().add(4), v[1]);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [vaddq_f32(a[0], b[0]), vaddq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [vsubq_f32(a[0], b[0]), vsubq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [vmulq_f32(a[0], b[0]), vmulq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { [vdivq_f32(a[0], b[0]), vdivq_f32(a[1], b[1])] }
    }
    // Not FMAX and FMIN: those give NaN where either operand is NaN, the verbs give `b`.
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        self.select(self.lt(b, a), a, b)
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        self.select(self.lt(a, b), a, b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        unsafe { [vfmaq_f32(c[0], a[0], b[0]), vfmaq_f32(c[1], a[1], b[1])] }
    }
    #[inline(always)]
    fn sqrt(self, a: Self::F) -> Self::F {
        unsafe { [vsqrtq_f32(a[0]), vsqrtq_f32(a[1])] }
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        unsafe { [vrndnq_f32(a[0]), vrndnq_f32(a[1])] }
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        unsafe { [vabsq_f32(a[0]), vabsq_f32(a[1])] }
    }
    #[inline(always)]
    fn copysign(self, magnitude: Self::F, sign: Self::F) -> Self::F {
        unsafe {
            let bit = vdupq_n_u32(1 << 31);
            [vbslq_f32(bit, sign[0], magnitude[0]), vbslq_f32(bit, sign[1], magnitude[1])]
        }
    }
    #[inline(always)]
    fn pow2(self, n: Self::F) -> Self::F {
        unsafe {
            let bias = vdupq_n_s32(127);
            let low = vshlq_n_s32::<23>(vaddq_s32(vcvtq_s32_f32(n[0]), bias));
            let high = vshlq_n_s32::<23>(vaddq_s32(vcvtq_s32_f32(n[1]), bias));
            [vreinterpretq_f32_s32(low), vreinterpretq_f32_s32(high)]
        }
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> Self::M {
        unsafe { [vcltq_f32(a[0], b[0]), vcltq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    fn le(self, a: Self::F, b: Self::F) -> Self::M {
        unsafe { [vcleq_f32(a[0], b[0]), vcleq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    fn eq(self, a: Self::F, b: Self::F) -> Self::M {
        unsafe { [vceqq_f32(a[0], b[0]), vceqq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F {
        unsafe { [vbslq_f32(mask[0], yes[0], no[0]), vbslq_f32(mask[1], yes[1], no[1])] }
    }
    #[inline(always)]
    fn transpose_8x8(self, square: [&[f32; 8]; 8]) -> [[f32; 8]; 8] {
        let mut transposed = [[0.0f32; 8]; 8];
        for row in [0, 4] {
            for column in [0, 4] {
                unsafe {
                    // Loops: a closure of `map` would be compiled without these instructions.
                    let mut corner = [vdupq_n_f32(0.0); 4];
                    for (i, r) in corner.iter_mut().enumerate() {
                        *r = vld1q_f32(square[row + i].as_ptr().add(column));
                    }
                    for (i, r) in transpose_4x4(corner).into_iter().enumerate() {
                        vst1q_f32(transposed[column + i].as_mut_ptr().add(row), r);
                    }
                }
            }
        }
        transposed
    }
}

// SAFETY of every block in this `impl`: the instructions are available, because `self` exists only after `detect`
// found them. Loads touch 8 elements of a slice whose length was checked on the line before.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Widen for Neon {
    type W = [uint32x4_t; 2];

    #[inline]
    fn run_widening<V: Widening>(self, body: V) -> V::Output {
        #[inline(never)]
        #[target_feature(enable = "neon")]
        fn compiled<V: Widening>(token: Neon, body: V) -> V::Output {
            body.run(token)
        }
        unsafe { compiled(self, body) }
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8]) -> Self::F {
        let from = &from[..8];
        unsafe {
            let words = vmovl_s8(vld1_s8(from.as_ptr()));
            let (low, high) = (vmovl_s16(vget_low_s16(words)), vmovl_high_s16(words));
            [vcvtq_f32_s32(low), vcvtq_f32_s32(high)]
        }
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16]) -> Self::F {
        let from = &from[..8];
        unsafe {
            let words = vld1q_u16(from.as_ptr());
            let (low, high) = (vshll_n_u16::<16>(vget_low_u16(words)), vshll_high_n_u16::<16>(words));
            [vreinterpretq_f32_u32(low), vreinterpretq_f32_u32(high)]
        }
    }
    #[inline(always)]
    fn load_words(self, from: &[u32]) -> Self::W {
        let from = &from[..8];
        unsafe { [vld1q_u32(from.as_ptr()), vld1q_u32(from.as_ptr().add(4))] }
    }
    #[inline(always)]
    fn repeat_words(self, from: &[u32]) -> Self::W {
        self.load_words(from)
    }
    #[inline(always)]
    fn masked(self, words: Self::W, mask: Self::W) -> Self::F {
        unsafe {
            let (low, high) = (vandq_u32(words[0], mask[0]), vandq_u32(words[1], mask[1]));
            [vcvtq_f32_s32(vreinterpretq_s32_u32(low)), vcvtq_f32_s32(vreinterpretq_s32_u32(high))]
        }
    }
}
