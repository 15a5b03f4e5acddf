//! The verbs on the 128-bit vectors of WebAssembly: eight lanes in two vectors of four.
//!
//! It is chosen when a program is compiled (`-Ctarget-feature=+simd128`): WebAssembly cannot ask what an engine has, and
//! an engine without these instructions refuses the whole program. Multiplies and adds are rounded separately, as on the
//! portable instruction set, and every result has its bits. The fused multiply-add of relaxed SIMD would round once on
//! one machine and twice on another.
#![allow(unsafe_code)]

use super::{Isa, Simd, Vectorized, Widen, Widening};
use std::arch::wasm32::*;

/// Proof that the program was compiled with the instructions.
#[derive(Clone, Copy, Debug)]
pub struct Simd128;

/// Applies an instruction to both vectors of each operand.
macro_rules! both {
    ($instruction:ident, $($v:ident),+) => { [$instruction($($v[0]),+), $instruction($($v[1]),+)] };
}

/// Exchanges rows and columns of four rows of four.
#[inline(always)]
fn transpose_4x4(r: [v128; 4]) -> [v128; 4] {
    // Rows are interleaved, then pairs of rows.
    let (a0, a1) = (i32x4_shuffle::<0, 4, 1, 5>(r[0], r[1]), i32x4_shuffle::<2, 6, 3, 7>(r[0], r[1]));
    let (a2, a3) = (i32x4_shuffle::<0, 4, 1, 5>(r[2], r[3]), i32x4_shuffle::<2, 6, 3, 7>(r[2], r[3]));
    [
        i64x2_shuffle::<0, 2>(a0, a2),
        i64x2_shuffle::<1, 3>(a0, a2),
        i64x2_shuffle::<0, 2>(a1, a3),
        i64x2_shuffle::<1, 3>(a1, a3),
    ]
}

// SAFETY of every block in this `impl`: `load` and `store` touch 8 elements of a slice whose length was checked on the
// line before, at any alignment; `transpose_8x8` reads and writes arrays of 8 elements, 4 from the first or the fifth on.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Simd for Simd128 {
    const ISA: Isa = Isa::Simd128;
    const LEN: usize = 8;
    type F = [v128; 2];
    type M = [v128; 2];

    #[inline(never)]
    fn run<V: Vectorized>(self, body: V) -> V::Output {
        body.run(self)
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [f32x4_splat(x); 2]
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::F {
        let from = &from[..8];
        unsafe { [v128_load(from.as_ptr().cast()), v128_load(from.as_ptr().add(4).cast())] }
    }
    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32]) {
        let to = &mut to[..8];
        unsafe {
            v128_store(to.as_mut_ptr().cast(), v[0]);
            v128_store(to.as_mut_ptr().add(4).cast(), v[1]);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        both!(f32x4_add, a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        both!(f32x4_sub, a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        both!(f32x4_mul, a, b)
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        both!(f32x4_div, a, b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn sqrt(self, a: Self::F) -> Self::F {
        both!(f32x4_sqrt, a)
    }
    // `pmax(x, y)` is `x < y ? y : x`, and `pmin(x, y)` is `y < x ? y : x`.
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        both!(f32x4_pmax, b, a)
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        both!(f32x4_pmin, b, a)
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        both!(f32x4_nearest, a)
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        both!(f32x4_abs, a)
    }
    #[inline(always)]
    fn copysign(self, magnitude: Self::F, sign: Self::F) -> Self::F {
        let bit = [u32x4_splat(1 << 31); 2];
        both!(v128_bitselect, sign, magnitude, bit)
    }
    #[inline(always)]
    fn pow2(self, n: Self::F) -> Self::F {
        // Adding 1.5·2^23 leaves the whole number in the low mantissa bits.
        let words = self.add(n, self.splat(12_582_912.0));
        let bias = i32x4_splat(127);
        [i32x4_shl(i32x4_add(words[0], bias), 23), i32x4_shl(i32x4_add(words[1], bias), 23)]
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> Self::M {
        both!(f32x4_lt, a, b)
    }
    #[inline(always)]
    fn le(self, a: Self::F, b: Self::F) -> Self::M {
        both!(f32x4_le, a, b)
    }
    #[inline(always)]
    fn eq(self, a: Self::F, b: Self::F) -> Self::M {
        both!(f32x4_eq, a, b)
    }
    #[inline(always)]
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F {
        both!(v128_bitselect, yes, no, mask)
    }
    #[inline(always)]
    fn transpose_8x8(self, square: [&[f32; 8]; 8]) -> [[f32; 8]; 8] {
        let mut transposed = [[0.0f32; 8]; 8];
        for row in [0, 4] {
            for column in [0, 4] {
                unsafe {
                    let corner: [v128; 4] =
                        std::array::from_fn(|i| v128_load(square[row + i].as_ptr().add(column).cast()));
                    for (i, r) in transpose_4x4(corner).into_iter().enumerate() {
                        v128_store(transposed[column + i].as_mut_ptr().add(row).cast(), r);
                    }
                }
            }
        }
        transposed
    }
}

// SAFETY of every block in this `impl`: loads touch 8 elements of a slice whose length was checked on the line before,
// at any alignment.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Widen for Simd128 {
    type W = [v128; 2];

    #[inline(never)]
    fn run_widening<V: Widening>(self, body: V) -> V::Output {
        body.run(self)
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8]) -> Self::F {
        let from = &from[..8];
        let words = unsafe { i16x8_load_extend_i8x8(from.as_ptr()) };
        let words = [i32x4_extend_low_i16x8(words), i32x4_extend_high_i16x8(words)];
        both!(f32x4_convert_i32x4, words)
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16]) -> Self::F {
        let from = &from[..8];
        let words = unsafe { v128_load(from.as_ptr().cast()) };
        [i32x4_shl(u32x4_extend_low_u16x8(words), 16), i32x4_shl(u32x4_extend_high_u16x8(words), 16)]
    }
    #[inline(always)]
    fn load_words(self, from: &[u32]) -> Self::W {
        let from = &from[..8];
        unsafe { [v128_load(from.as_ptr().cast()), v128_load(from.as_ptr().add(4).cast())] }
    }
    #[inline(always)]
    fn repeat_words(self, from: &[u32]) -> Self::W {
        self.load_words(from)
    }
    #[inline(always)]
    fn masked(self, words: Self::W, mask: Self::W) -> Self::F {
        let words = both!(v128_and, words, mask);
        both!(f32x4_convert_i32x4, words)
    }
}
