//! From f32 to bfloat16, and to the sum of two.

/// The bits of infinity.
const INFINITE: u32 = 0x7F80_0000;

/// From this number on (its bits) the nearest bfloat16 is infinite.
const LARGEST: u32 = 0x7F7F_8000;

/// The bits of the bfloat16 nearest to `x`, ties to even, in the upper half.
///
/// Finite numbers stay finite: above the largest bfloat16 (3.39e38) they are truncated to it. NaN stays NaN.
#[inline(always)]
pub(super) fn high(x: f32) -> u32 {
    let bits = x.to_bits();
    let magnitude = bits & 0x7FFF_FFFF;
    let nearest = bits.wrapping_add(0x7FFF + (bits >> 16 & 1));
    let kept = if magnitude >= LARGEST { bits } else { nearest };
    // The mantissa of a NaN may lie in the lower half alone.
    let quiet = if magnitude > INFINITE { 0x0040_0000 } else { 0 };
    (kept | quiet) & 0xFFFF_0000
}

/// The bits of the bfloat16 nearest to `x - high`, in the upper half; zero where `x` is not finite.
///
/// Where `high` was truncated this is too: the sum of both would else round up to infinity.
#[inline(always)]
pub(super) fn low(x: f32, high: u32) -> u32 {
    let magnitude = x.to_bits() & 0x7FFF_FFFF;
    let rest = x - f32::from_bits(high);
    let nearest = self::high(rest);
    let kept = if magnitude >= LARGEST { rest.to_bits() & 0xFFFF_0000 } else { nearest };
    if magnitude >= INFINITE { 0 } else { kept }
}

/// Two neighbors as words: their high parts, their low parts; the even one in the lower half.
#[inline(always)]
pub(super) fn words(even: f32, odd: f32) -> [u32; 2] {
    let (even_high, odd_high) = (high(even), high(odd));
    let (even_low, odd_low) = (low(even, even_high), low(odd, odd_high));
    [even_high >> 16 | odd_high, even_low >> 16 | odd_low]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(x: f32) -> (f32, f32) {
        let high = high(x);
        (f32::from_bits(high), f32::from_bits(low(x, high)))
    }

    #[test]
    fn two_parts_keep_sixteen_bits_of_every_finite_number() {
        // Every exponent, mantissas of all kinds, both signs.
        for exponent in 24..255u32 {
            for step in 0..4096u32 {
                let mantissa = step.wrapping_mul(0x9E37_79B9) & 0x007F_FFFF;
                for mantissa in [mantissa, 0, 0x007F_FFFF, 0x0000_8000, 0x0001_8000, 0x007F_8000, 0x007F_7FFF] {
                    for sign in [0, 0x8000_0000] {
                        let x = f32::from_bits(sign | exponent << 23 | mantissa);
                        let (high, low) = parts(x);
                        assert!(high.is_finite() && low.is_finite(), "{x:e}: {high:e} + {low:e}");
                        assert!((high + low).is_finite(), "{x:e}: {high:e} + {low:e}");
                        let (x, high, low) = (f64::from(x), f64::from(high), f64::from(low));
                        let largest = x.abs() > 3.389e38;
                        let (one, two) = if largest { (8.0, 16.0) } else { (8.0, 17.0) };
                        assert!((x - high).abs() <= x.abs() * 2f64.powf(-one), "{x:e}: {high:e}");
                        assert!((x - high - low).abs() <= x.abs() * 2f64.powf(-two), "{x:e}: {high:e} + {low:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn rounding_is_to_nearest_ties_to_even() {
        assert_eq!(parts(1.0 + 1.0 / 256.0), (1.0, 1.0 / 256.0));
        assert_eq!(parts(1.0 + 3.0 / 256.0), (1.0 + 1.0 / 64.0, -1.0 / 256.0));
        assert_eq!(parts(-0.0).0.to_bits(), (-0.0f32).to_bits());
    }

    #[test]
    fn infinities_and_nan_are_their_own_high_part() {
        assert_eq!(parts(f32::INFINITY), (f32::INFINITY, 0.0));
        assert_eq!(parts(f32::NEG_INFINITY), (f32::NEG_INFINITY, 0.0));
        for bits in [0x7FC0_0000, 0x7F80_0001, 0xFF80_0001, 0x7FFF_FFFF, 0xFFFF_FFFF] {
            let (high, low) = parts(f32::from_bits(bits));
            assert!(high.is_nan() && low == 0.0, "{bits:x}");
        }
    }
}
