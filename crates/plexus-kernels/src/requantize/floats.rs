//! Between floats and whole numbers.

use super::Output;
use super::rows::nearest_from_zero;
use crate::isa::{Isa, SimdInt, VectorizedInt};

/// What whole numbers stand for: `value = (number − zero_point) · scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The distance of two neighbors.
    pub scale: f32,
    /// The number that stands for 0.
    pub zero_point: i32,
}

impl Scale {
    /// The number that stands nearest to a value, halves away from zero, limited to a range; the zero point for NaN.
    ///
    /// ```text
    /// number = clamp(round(value / scale) + zero_point, low, high)        the quotient in 64 bits
    /// ```
    #[inline(always)]
    pub fn number(self, value: f32, [low, high]: [i32; 2]) -> i32 {
        // Whatever is further off is limited below.
        const FAR: f64 = 1e8;
        let value = if value.is_nan() { 0.0 } else { value };
        let quotient = (f64::from(value) / f64::from(self.scale)).clamp(-FAR, FAR);
        (nearest_from_zero(quotient) + self.zero_point).clamp(low, high)
    }

    /// Writes the numbers that stand for values; those of a NaN are the zero point.
    ///
    /// # Panics
    /// Where there is not one number for each value.
    pub fn quantize<T: Output>(self, values: &[f32], numbers: &mut [T], isa: Isa) {
        assert_eq!(values.len(), numbers.len(), "a number for each value");
        isa.run_int(Quantize { scale: self, values, numbers });
    }

    /// Writes the values that numbers stand for.
    ///
    /// # Panics
    /// Where there is not one value for each number.
    pub fn dequantize<T: Copy + Into<i32>>(self, numbers: &[T], values: &mut [f32], isa: Isa) {
        assert_eq!(values.len(), numbers.len(), "a value for each number");
        isa.run_int(Dequantize { scale: self, values, numbers });
    }
}

struct Quantize<'a, T> {
    scale: Scale,
    values: &'a [f32],
    numbers: &'a mut [T],
}

impl<T: Output> VectorizedInt for Quantize<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: SimdInt>(self, _: S) {
        for (number, value) in self.numbers.iter_mut().zip(self.values) {
            *number = T::narrow(self.scale.number(*value, [T::LOW, T::HIGH]));
        }
    }
}

struct Dequantize<'a, T> {
    scale: Scale,
    numbers: &'a [T],
    values: &'a mut [f32],
}

impl<T: Copy + Into<i32>> VectorizedInt for Dequantize<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: SimdInt>(self, _: S) {
        let Scale { scale, zero_point } = self.scale;
        for (value, number) in self.values.iter_mut().zip(self.numbers) {
            let number: i32 = (*number).into();
            *value = (number - zero_point) as f32 * scale;
        }
    }
}
