//! The definition of the 16-bit formats, by arithmetic in 64 bits.

/// The number that sixteen bits stand for: one sign, `exponent_bits`, and the rest for the mantissa.
pub fn decode(bits: u16, exponent_bits: u32) -> f64 {
    let mantissa_bits = 15 - exponent_bits;
    let bias = (1 << (exponent_bits - 1)) - 1;
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
    let fraction = f64::from(bits & ((1 << mantissa_bits) - 1)) / f64::from(1 << mantissa_bits);
    sign * if exponent == (1 << exponent_bits) - 1 {
        if fraction == 0.0 { f64::INFINITY } else { f64::NAN }
    } else if exponent == 0 {
        fraction * 2.0f64.powi(1 - bias)
    } else {
        (1.0 + fraction) * 2.0f64.powi(exponent - bias)
    }
}
