//! Vectorized `exp`, `exp_m1`, `tanh`, `sigmoid`, `erf` and `ln(1 + x)`.
//!
//! Bounds, in units in the last place (ULP) against a 64-bit result, hold for every instruction set and are asserted by
//! a sweep over all of the 32-bit range in `tests.rs`: `exp` 2, `exp_m1` 3, `tanh` 4, `sigmoid` 4, `erf` 4,
//! `log1p_unit` 3. NaN gives NaN. Results that would be denormal may be zero.
//!
//! # Source
//! All polynomials are minimax, by the Remez exchange algorithm in 60-digit arithmetic (mpmath), with the relative error
//! of the final function as the weight; the coefficients were then rounded to 32 bits. The error of the rounded
//! polynomials alone is below 0.2 ULP.

use crate::isa::Simd;

/// `ln 2` in two parts; the first has nine bits, so that its product with a whole number below 2^15 is exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Adding and subtracting `1.5·2^23` leaves the nearest whole number, on every instruction set.
const WHOLE: f32 = 12_582_912.0;
/// `ln 2^-126`: the exponential is denormal below.
const EXP_LOWEST: f32 = -87.336_54;

/// `Σ c[i] · x^i`
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(s: S, x: S::F, c: [f32; N]) -> S::F {
    let mut sum = s.splat(c[N - 1]);
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        sum = s.mul_add(sum, x, s.splat(c[i]));
    }
    sum
}

/// `(2^n, q)` with `e^x = 2^n · (1 + q)`, `n` in -126..=127 and, between the limits of the exponential, `q` in -0.3..=1.
#[inline(always)]
fn reduce<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let whole = s.splat(WHOLE);
    let n = s.sub(s.mul_add(x, s.splat(std::f32::consts::LOG2_E), whole), whole);
    // With n at most 127 the remainder reaches ln 2 at the upper end instead of half of it, and the product overflows
    // by itself exactly where e^x does.
    let n = s.max(s.splat(-126.0), s.min(s.splat(127.0), n));
    let r = s.mul_add(n, s.splat(-LN_2_HIGH), x);
    let r = s.mul_add(n, s.splat(-LN_2_LOW), r);
    // (e^r − 1 − r) / r² over −0.3467..=0.6933
    let p = polynomial(s, r, [0.499_999_94, 0.166_666_7, 4.166_807e-2, 8.326_789e-3, 1.383_874_3e-3, 2.325_106e-4]);
    (s.pow2(n), s.mul_add(s.mul(r, r), p, r))
}

/// `e^x`; zero below -87.33654, infinite above 88.72284.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let (power, q) = reduce(s, x);
    let y = s.mul(power, s.add(s.splat(1.0), q));
    s.select(s.lt(x, s.splat(EXP_LOWEST)), s.splat(0.0), y)
}

/// `e^x − 1`, precise near zero.
#[inline(always)]
pub fn exp_m1<S: Simd>(s: S, x: S::F) -> S::F {
    // −1 to the last bit from −17.4 on; further down the polynomial would meet infinities.
    let (power, q) = reduce(s, s.max(s.splat(-20.0), x));
    s.mul_add(power, q, s.sub(power, s.splat(1.0)))
}

/// The hyperbolic tangent.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    // tanh x = (e^2x − 1) / (e^2x + 1); one to the last bit from 9.1 on.
    let a = s.min(s.splat(10.0), s.abs(x));
    let t = exp_m1(s, s.add(a, a));
    s.copysign(s.div(t, s.add(t, s.splat(2.0))), x)
}

/// `1 / (1 + e^−x)`
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
}

/// The error function.
// The first coefficient is fitted: one unit in the last place from 2/√π.
#[allow(clippy::approx_constant)]
#[inline(always)]
pub fn erf<S: Simd>(s: S, x: S::F) -> S::F {
    // erf x = 1 − e^−q(x), where q(x) = −ln erfc(x); one to the last bit from 4 on.
    let a = s.min(s.splat(4.0), s.abs(x));
    // q(x) / x over 0..=4
    let q = polynomial(
        s,
        a,
        [
            1.128_379_2,
            6.366_184e-1,
            1.027_877_5e-1,
            -1.918_776e-2,
            -1.105_541_45e-4,
            1.643_458_1e-3,
            -6.444_159e-4,
            1.340_596e-4,
            -1.530_106_4e-5,
            7.506_240_5e-7,
        ],
    );
    s.copysign(exp_m1(s, s.sub(s.splat(0.0), s.mul(a, q))), x)
}

/// `ln(1 + x)` for `x` in 0..=1.
#[inline(always)]
pub fn log1p_unit<S: Simd>(s: S, x: S::F) -> S::F {
    // ln(1 + x) = 2 · artanh(z) with z = x / (2 + x), which is at most a third.
    let z = s.div(x, s.add(s.splat(2.0), x));
    // artanh(z) / z over z² in 0..=1/9
    let p = polynomial(s, s.mul(z, z), [1.0, 3.333_315_6e-1, 2.001_248_7e-1, 1.397_975_7e-1, 1.409_196_7e-1]);
    s.mul(s.add(z, z), p)
}
