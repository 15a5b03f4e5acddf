//! The verbs in plain Rust: eight lanes in an array, which compilers turn into what the target has.

use super::{Isa, Simd, Vectorized};

/// Proof that the processor can run plain Rust.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// Applies a function lane by lane.
#[inline(always)]
fn lanes(f: impl Fn(usize) -> f32) -> [f32; 8] {
    [f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7)]
}

#[inline(always)]
fn truths(f: impl Fn(usize) -> bool) -> [bool; 8] {
    [f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7)]
}

impl Simd for Portable {
    const ISA: Isa = Isa::Portable;
    const LEN: usize = 8;
    type F = [f32; 8];
    type M = [bool; 8];

    #[inline(never)]
    fn run<V: Vectorized>(self, body: V) -> V::Output {
        body.run(self)
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; 8]
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::F {
        from[..8].try_into().expect("the slice has eight elements")
    }
    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32]) {
        to[..8].copy_from_slice(&v);
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] / b[i])
    }
    // Not `f32::mul_add`: without a fused instruction that is a call into the C library for every element.
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        lanes(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn sqrt(self, a: Self::F) -> Self::F {
        lanes(|i| a[i].sqrt())
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        lanes(|i| a[i].round_ties_even())
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        lanes(|i| a[i].abs())
    }
    #[inline(always)]
    fn copysign(self, magnitude: Self::F, sign: Self::F) -> Self::F {
        lanes(|i| magnitude[i].copysign(sign[i]))
    }
    #[inline(always)]
    fn pow2(self, n: Self::F) -> Self::F {
        // Adding 1.5·2^23 leaves the whole number in the low mantissa bits.
        lanes(|i| f32::from_bits((n[i] + 12_582_912.0).to_bits().wrapping_add(127) << 23))
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> Self::M {
        truths(|i| a[i] < b[i])
    }
    #[inline(always)]
    fn le(self, a: Self::F, b: Self::F) -> Self::M {
        truths(|i| a[i] <= b[i])
    }
    #[inline(always)]
    fn eq(self, a: Self::F, b: Self::F) -> Self::M {
        truths(|i| a[i] == b[i])
    }
    #[inline(always)]
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F {
        lanes(|i| if mask[i] { yes[i] } else { no[i] })
    }
}
