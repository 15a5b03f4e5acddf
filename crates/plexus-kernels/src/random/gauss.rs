//! Normally distributed numbers from bits, by arithmetic that gives the same result on every machine.

use std::f64::consts::{FRAC_PI_2, LN_2, SQRT_2};

/// Two independent numbers of mean 0 and variance 1 from two random words.
pub(super) fn pair(a: u64, b: u64) -> [f64; 2] {
    let unit = 1.0 / 9_007_199_254_740_992.0;
    let radius = (-2.0 * ln(((a >> 11) + 1) as f64 * unit)).sqrt();
    let (sin, cos) = sin_cos_turns((b >> 11) as f64 * unit);
    [radius * cos, radius * sin]
}

/// `ln x` for normal `x` in `(0, 1]`; good to about 1e-15.
pub(super) fn ln(x: f64) -> f64 {
    // x = 2^exponent · m with m in √½..√2, and ln m = 2 artanh(z), z = (m − 1) / (m + 1), |z| < 0.1716.
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i32 - 1023;
    let mut m = f64::from_bits(bits & 0x000f_ffff_ffff_ffff | 0x3ff0_0000_0000_0000);
    if m > SQRT_2 {
        m *= 0.5;
        exponent += 1;
    }
    let z = (m - 1.0) / (m + 1.0);
    let z2 = z * z;
    let mut sum = 0.0;
    // z^2k / (2k + 1); the first left out is below 1e-19.
    for k in (0..12).rev() {
        sum = sum * z2 + 1.0 / f64::from(2 * k + 1);
    }
    f64::from(exponent) * LN_2 + 2.0 * z * sum
}

/// `(sin 2πx, cos 2πx)` for `x` in `[0, 1)`; good to about 1e-15.
pub(super) fn sin_cos_turns(x: f64) -> (f64, f64) {
    let quarters = 4.0 * x;
    let quadrant = (quarters + 0.5).floor();
    let angle = (quarters - quadrant) * FRAC_PI_2;
    // Power series on |angle| <= π/4; the first terms left out are below 1e-18.
    let square = angle * angle;
    let (mut sin, mut cos) = (1.0, 1.0);
    for k in (1..10).rev() {
        sin = 1.0 - sin * square * (1.0 / f64::from(2 * k * (2 * k + 1)));
        cos = 1.0 - cos * square * (1.0 / f64::from(2 * k * (2 * k - 1)));
    }
    sin *= angle;
    match quadrant as u32 % 4 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}
