//! Sums of products, and how they become outputs.

use crate::round::{Multiplier, Rounding, ShiftRounding, double_rounding, power_of_two, reduced, single_rounding};

/// The shifts of a layer of the power-of-two scheme.
///
/// ```text
/// bias_shift = fraction bits of input + of weight − of bias        out_shift = fraction bits of input + of weight − of output
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shifts {
    pub(crate) bias: u32,
    pub(crate) out: u32,
    pub(crate) rounding: ShiftRounding,
}

impl Shifts {
    /// How far the bias goes to the left, and the sum to the right.
    ///
    /// # Panics
    /// Where the first is above 31 or the second above 30.
    pub const fn new(bias: u32, out: u32, rounding: ShiftRounding) -> Self {
        assert!(bias <= 31, "the shift of the bias is above 31");
        assert!(out <= 30, "the shift of the output is above 30");
        Shifts { bias, out, rounding }
    }
}

/// What the sums of an affine layer of 8-bit activations begin with and how they become outputs.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    /// `[rows]`, or empty for zeros.
    pub bias: &'a [i32],
    /// What stands for zero among the inputs.
    pub input_zero_point: i32,
    /// What stands for zero among the weights.
    pub weight_zero_point: i32,
    /// One for all rows, or one for each.
    pub scales: &'a [Multiplier],
    /// How products with them are rounded.
    pub rounding: Rounding,
    /// What stands for zero among the outputs.
    pub output_zero_point: i32,
    /// The smallest and the largest output, inside those of its type.
    pub clamp: [i32; 2],
}

/// The same for 16-bit activations and 64-bit sums, whose zero points are zero.
#[derive(Clone, Copy, Debug)]
pub struct AffineWide<'a> {
    /// `[rows]`, or empty for zeros.
    pub bias: &'a [i64],
    /// One for all rows, or one for each, of a shift of at most 7.
    pub scales: &'a [Multiplier],
    /// The smallest and the largest output, inside those of 16 bits.
    pub clamp: [i32; 2],
}

/// A sum of products: of 32 bits, where it wraps, or of 64, where it is always right.
pub(crate) trait Sum: Copy {
    /// A bias, shifted to the left.
    fn start(bias: i32, shift: u32) -> Self;
    /// The bias of a row of the power-of-two scheme; without biases it is zero.
    fn of_bias<B: Into<i32> + Copy>(bias: &[B], row: usize, shifts: Shifts) -> Self {
        Self::start(if bias.is_empty() { 0 } else { bias[row].into() }, shifts.bias)
    }
    fn plus(self, product: i32) -> Self;
    /// Rounded and shifted; what does not fit is the nearest that does.
    fn rounded(self, shifts: Shifts) -> i32;
}

impl Sum for i32 {
    fn start(bias: i32, shift: u32) -> i32 {
        bias << shift
    }

    fn plus(self, product: i32) -> i32 {
        self.wrapping_add(product)
    }

    fn rounded(self, shifts: Shifts) -> i32 {
        power_of_two(self, shifts.out, shifts.rounding)
    }
}

impl Sum for i64 {
    fn start(bias: i32, shift: u32) -> i64 {
        i64::from(bias) << shift
    }

    fn plus(self, product: i32) -> i64 {
        self.wrapping_add(i64::from(product))
    }

    fn rounded(self, shifts: Shifts) -> i32 {
        let half = if shifts.rounding == ShiftRounding::HalfUp { (1i64 << shifts.out) >> 1 } else { 0 };
        (self.wrapping_add(half) >> shifts.out).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    }
}

impl Affine<'_> {
    /// A sum as an output.
    pub(crate) fn output(&self, sum: i32, row: usize) -> i8 {
        let (scale, [low, high]) = (scale(self.scales, row), self.clamp);
        let (low, high) = (low.max(-128), high.min(127));
        match self.rounding {
            // Where the addition saturates, the clamp is far inside.
            Rounding::Double => {
                double_rounding(sum, scale).saturating_add(self.output_zero_point).clamp(low, high) as i8
            }
            Rounding::Single => {
                let scaled = single_rounding(sum, scale) + i64::from(self.output_zero_point);
                scaled.clamp(i64::from(low), i64::from(high)) as i8
            }
        }
    }

    /// Some sums less a number as outputs, from a row on: [`output`](Affine::output) of many at once.
    #[cfg(plexus_dsp)]
    #[inline(never)]
    pub(crate) fn outputs(&self, first: usize, sums: &[i32], less: i32, outputs: &mut [i8]) {
        if self.rounding == Rounding::Single {
            for (row, (output, sum)) in (first..).zip(outputs.iter_mut().zip(sums)) {
                *output = self.output(self.start(row).wrapping_add(*sum).wrapping_sub(less), row);
            }
            return;
        }
        let (zero_point, [low, high]) = (self.output_zero_point, self.clamp);
        let (low, high) = (low.max(-128), high.min(127));
        assert!(low <= high);
        // Where the addition saturates, the clamp is far inside.
        let output = |sum, scale| double_rounding(sum, scale).saturating_add(zero_point).clamp(low, high) as i8;
        let sums = sums.iter().map(|sum| sum.wrapping_sub(less));
        let bias = self.bias.get(first..).unwrap_or_default().iter().copied().chain(core::iter::repeat(0));
        let sums = sums.zip(bias).map(|(sum, bias)| sum.wrapping_add(bias));
        match self.scales {
            [scale] => sums.zip(outputs).for_each(|(sum, to)| *to = output(sum, *scale)),
            scales => {
                sums.zip(&scales[first..]).zip(outputs).for_each(|((sum, scale), to)| *to = output(sum, *scale));
            }
        }
    }

    /// What the sum of an output begins with.
    pub(crate) fn start(&self, row: usize) -> i32 {
        if self.bias.is_empty() { 0 } else { self.bias[row] }
    }

    pub(crate) fn check(&self, outputs: usize) {
        check_bias(self.bias.len(), outputs);
        check_scales(self.scales, outputs);
    }
}

impl AffineWide<'_> {
    /// A sum as an output.
    pub(crate) fn output(&self, sum: i64, row: usize) -> i16 {
        let [low, high] = self.clamp;
        reduced(sum, scale(self.scales, row)).clamp(low.max(-32768), high.min(32767)) as i16
    }

    /// What the sum of an output begins with.
    pub(crate) fn start(&self, row: usize) -> i64 {
        if self.bias.is_empty() { 0 } else { self.bias[row] }
    }

    pub(crate) fn check(&self, outputs: usize) {
        check_bias(self.bias.len(), outputs);
        check_scales(self.scales, outputs);
        assert!(self.scales.iter().all(|scale| scale.shift() <= 7), "a shift is above 7, the most for 64-bit sums");
    }
}

pub(crate) fn check_bias(biases: usize, outputs: usize) {
    assert!(biases == 0 || biases == outputs, "the bias is not of one number for each output");
}

fn check_scales(scales: &[Multiplier], outputs: usize) {
    assert!(scales.len() == 1 || scales.len() == outputs, "the scales are neither one nor one for each output");
}

/// The scale of a row: the only one, or its own.
#[inline]
fn scale(scales: &[Multiplier], row: usize) -> Multiplier {
    if scales.len() == 1 { scales[0] } else { scales[row] }
}

pub(crate) fn q7(value: i32) -> i8 {
    value.clamp(-128, 127) as i8
}

pub(crate) fn q15(value: i32) -> i16 {
    value.clamp(-32768, 32767) as i16
}
