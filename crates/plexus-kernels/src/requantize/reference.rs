//! The definition of each rounding: one plain function, never tuned. What fits into no `i32` is returned as `i64`.

use super::{Multiplier, ShiftRounding};

/// `(sum + half) >> out_shift`, the addition wrapping; `half` is `2^out_shift / 2`, or zero for floor.
pub fn power_of_two(sum: i32, out_shift: u32, rounding: ShiftRounding) -> i32 {
    let half = match rounding {
        ShiftRounding::HalfUp => (1 << out_shift) >> 1,
        ShiftRounding::Floor => 0,
    };
    sum.wrapping_add(half) >> out_shift
}

/// Rounds to 31 fraction bits, halves up, then divides by a power of two, halves away from zero.
///
/// ```text
/// left = max(shift, 0)    right = max(-shift, 0)
/// h = (wrap(sum << left) · multiplier + 2^30) >> 31
/// result = h / 2^right, ties away from zero
/// ```
pub fn double_rounding(sum: i32, scale: Multiplier) -> i32 {
    let (left, right) = (scale.shift().max(0), (-scale.shift()).max(0));
    let shifted = ((i64::from(sum) << left) as i32) as i64;
    let high = (shifted * i64::from(scale.multiplier()) + (1 << 30)) >> 31;
    let quotient = high >> right;
    let mask = (1i64 << right) - 1;
    let remainder = high & mask;
    let up = remainder > (mask >> 1) + i64::from(high < 0);
    i32::try_from(quotient + i64::from(up)).expect("the multiplier is below one and not negative")
}

/// `(sum · multiplier + 2^(30 - shift)) >> (31 - shift)`
pub fn single_rounding(sum: i32, scale: Multiplier) -> i64 {
    (i64::from(sum) * i64::from(scale.multiplier()) + (1 << (30 - scale.shift()))) >> (31 - scale.shift())
}

/// `round(sum · scale)` in f64, halves away from zero; saturating.
pub fn float64(sum: i32, scale: f64) -> i64 {
    (f64::from(sum) * scale).round() as i64
}

/// `round(f32(sum) · scale)` in f32, halves to even; saturating.
pub fn float32(sum: i32, scale: f32) -> i64 {
    (sum as f32 * scale).round_ties_even() as i64
}

/// The scale of 64-bit sums, with 15 fraction bits of the multiplier: exact below 2⁴⁷.
///
/// ```text
/// reduced = multiplier < 0x7FFF0000 ? (multiplier + 2^15) >> 16 : 0x7FFF
/// result = (i32((sum · reduced) >> (14 - shift)) + 1) >> 1
/// ```
///
/// Larger sums wrap, as in the C code: the product modulo 2⁶⁴, then the shifted product modulo 2³².
pub fn reduced(sum: i64, scale: Multiplier) -> i32 {
    let product = sum.wrapping_mul(i64::from(reduced_multiplier(scale))) >> (14 - scale.shift());
    (product as i32).wrapping_add(1) >> 1
}

/// The upper 16 bits of a multiplier, rounded, at most `0x7FFF`.
pub fn reduced_multiplier(scale: Multiplier) -> i32 {
    if scale.multiplier() < 0x7FFF_0000 { (scale.multiplier() + (1 << 15)) >> 16 } else { 0x7FFF }
}
