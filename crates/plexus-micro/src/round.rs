//! The roundings: from sums to outputs. One plain function each, never tuned: the definition.

/// A real scale as `multiplier · 2^(shift − 31)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Multiplier {
    multiplier: i32,
    shift: i32,
}

impl Multiplier {
    /// A scale from its parts; converters write multipliers of 2³⁰ and more, or zero.
    ///
    /// # Panics
    /// Where the multiplier is negative or the shift is outside −31..=30.
    pub const fn new(multiplier: i32, shift: i32) -> Self {
        assert!(multiplier >= 0, "the multiplier is negative");
        assert!(shift >= -31 && shift <= 30, "the shift is outside -31..=30");
        Multiplier { multiplier, shift }
    }

    /// The nearest scale of this form, ties to the larger; scales below 2⁻³² become zero. Whole-number arithmetic on the bits of the
    /// scale.
    ///
    /// # Panics
    /// Where the scale is negative, not finite, or too large for a shift of 30.
    ///
    /// # Source
    /// TensorFlow Lite, `QuantizeMultiplier` in `kernels/internal/quantization_util.cc` (Apache-2.0), restated.
    ///
    /// # Examples
    /// ```
    /// use plexus_micro::Multiplier;
    /// assert_eq!(Multiplier::from_scale(0.5), Multiplier::new(1 << 30, 0));
    /// assert_eq!(Multiplier::from_scale(3.0), Multiplier::new(3 << 29, 2));
    /// ```
    pub const fn from_scale(scale: f64) -> Self {
        let bits = scale.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as i32;
        assert!(exponent < 0x7ff, "the scale is not finite");
        assert!(bits >> 63 == 0 || bits << 1 == 0, "the scale is negative");
        // scale = fraction · 2^shift with the fraction in 0.5..1, here with 53 bits. What has a smaller exponent is below 2^-40.
        let mut shift = exponent - 1022;
        if shift < -40 {
            return Multiplier { multiplier: 0, shift: 0 };
        }
        let fraction = (bits & ((1 << 52) - 1)) | 1 << 52;
        let mut multiplier = (fraction + (1 << 21)) >> 22;
        if multiplier == 1 << 31 {
            multiplier /= 2;
            shift += 1;
        }
        if shift < -31 {
            return Multiplier { multiplier: 0, shift: 0 };
        }
        assert!(shift <= 30, "the scale is too large for a shift of 30");
        Multiplier { multiplier: multiplier as i32, shift }
    }

    /// The 31-bit fraction.
    #[inline]
    pub const fn multiplier(self) -> i32 {
        self.multiplier
    }

    /// The power of two: positive to the left.
    #[inline]
    pub const fn shift(self) -> i32 {
        self.shift
    }
}

/// What happens to the bits that a power-of-two shift drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShiftRounding {
    /// To the nearest, halves up: half of the last place is added before the shift.
    HalfUp,
    /// Down: the bits are dropped (CMSIS-NN built with `ARM_NN_TRUNCATE`).
    Floor,
}

/// How a sum of the affine scheme is multiplied and rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// [`double_rounding`]: TensorFlow Lite Micro, CMSIS-NN.
    Double,
    /// [`single_rounding`]: builds with `TFLITE_SINGLE_ROUNDING`, ruy.
    Single,
}

impl Rounding {
    /// The product of a sum and a scale, rounded.
    #[inline]
    pub fn apply(self, sum: i32, scale: Multiplier) -> i64 {
        match self {
            Rounding::Double => i64::from(double_rounding(sum, scale)),
            Rounding::Single => single_rounding(sum, scale),
        }
    }
}

/// `(sum + half) >> out_shift`, the addition wrapping; `half` is `2^out_shift / 2`, or zero for floor.
#[inline]
pub const fn power_of_two(sum: i32, out_shift: u32, rounding: ShiftRounding) -> i32 {
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
#[inline]
pub const fn double_rounding(sum: i32, scale: Multiplier) -> i32 {
    let (left, right) = if scale.shift > 0 { (scale.shift, 0) } else { (0, -scale.shift) };
    let shifted = (sum << left) as i64;
    // The multiplier is below one and not negative, so the result is no larger than the shifted sum.
    let high = ((shifted * scale.multiplier as i64 + (1 << 30)) >> 31) as i32;
    let mask = ((1u32 << right) - 1) as i32;
    let up = high & mask > (mask >> 1) + (high < 0) as i32;
    (high >> right) + up as i32
}

/// `(sum · multiplier + 2^(30 − shift)) >> (31 − shift)`
#[inline]
pub const fn single_rounding(sum: i32, scale: Multiplier) -> i64 {
    (sum as i64 * scale.multiplier as i64 + (1 << (30 - scale.shift))) >> (31 - scale.shift)
}

/// The scale of 64-bit sums, with 15 fraction bits of the multiplier: exact below 2⁴⁷.
///
/// ```text
/// reduced = multiplier < 0x7FFF0000 ? (multiplier + 2^15) >> 16 : 0x7FFF
/// result = (i32((sum · reduced) >> (14 - shift)) + 1) >> 1
/// ```
///
/// Larger sums wrap, as in the C code: the product modulo 2⁶⁴, then the shifted product modulo 2³².
#[inline]
pub const fn reduced(sum: i64, scale: Multiplier) -> i32 {
    let product = sum.wrapping_mul(reduced_multiplier(scale) as i64) >> (14 - scale.shift);
    (product as i32).wrapping_add(1) >> 1
}

/// The upper 16 bits of a multiplier, rounded, at most `0x7FFF`.
#[inline]
pub const fn reduced_multiplier(scale: Multiplier) -> i32 {
    if scale.multiplier < 0x7FFF_0000 { (scale.multiplier + (1 << 15)) >> 16 } else { 0x7FFF }
}
