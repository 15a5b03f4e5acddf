//! Layers that treat each number by itself, and layers that only move numbers.

use crate::round::{Multiplier, Rounding};

/// Limits numbers to a range, in place: relu where the low end stands for zero, relu6 and clip likewise.
pub fn clamp<T: Copy + Ord>(values: &mut [T], [low, high]: [T; 2]) {
    for value in values {
        *value = (*value).clamp(low, high);
    }
}

/// Replaces each number by the entry of a table, in place: any function of 8 bits, made beforehand. Entry 0 is that of −128.
pub fn lookup(values: &mut [i8], table: &[i8; 256]) {
    for value in values {
        *value = table[(i32::from(*value) + 128) as usize];
    }
}

/// How a number with one scale becomes one with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rescale {
    /// What stands for zero before.
    pub input_zero_point: i32,
    /// Scale before / scale behind.
    pub scale: Multiplier,
    /// How products with it are rounded.
    pub rounding: Rounding,
    /// What stands for zero behind.
    pub output_zero_point: i32,
}

impl Rescale {
    fn apply(&self, value: i32) -> i64 {
        let difference = value.wrapping_sub(self.input_zero_point);
        self.rounding.apply(difference, self.scale).saturating_add(i64::from(self.output_zero_point))
    }
}

/// Writes numbers with another scale: `clamp(round((input − input_zero_point) · scale) + output_zero_point, −128, 127)`.
///
/// # Panics
/// Where the lengths differ.
pub fn rescale_s8(input: &[i8], rescale: &Rescale, output: &mut [i8]) {
    assert!(input.len() == output.len(), "input and output differ in length");
    for (input, output) in input.iter().zip(output) {
        *output = rescale.apply(i32::from(*input)).clamp(-128, 127) as i8;
    }
}

/// What [`add_s8`] does to its two inputs and to their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addition {
    /// What stands for zero in either input.
    pub zero_points: [i32; 2],
    /// Scale of either input / (twice the larger of both).
    pub scales: [Multiplier; 2],
    /// (Twice the larger scale of the inputs) / (scale of the output · 2^[`Addition::LEFT`]).
    pub output_scale: Multiplier,
    /// How products with them are rounded.
    pub rounding: Rounding,
    /// What stands for zero behind.
    pub output_zero_point: i32,
    /// The smallest and the largest output.
    pub clamp: [i8; 2],
}

impl Addition {
    /// Bits that the inputs are shifted to the left, so that nothing is lost before the sum is rounded.
    pub const LEFT: u32 = 20;
}

/// The sum of two tensors of one shape, affine.
///
/// ```text
/// a = round(((input_a − zero_point_a) << 20) · scale_a)           b alike
/// output = clamp(round((a + b) · output_scale) + output_zero_point, low, high)
/// ```
///
/// # Panics
/// Where the lengths differ.
///
/// # Source
/// TensorFlow Lite's `Add` of 8 bits; CMSIS-NN's `arm_elementwise_add_s8`, its formula.
pub fn add_s8(inputs: [&[i8]; 2], addition: &Addition, output: &mut [i8]) {
    assert!(inputs.iter().all(|input| input.len() == output.len()), "inputs and output differ in length");
    let part = |index: usize, at: usize| {
        let shifted = (i32::from(inputs[index][at]) - addition.zero_points[index]).wrapping_shl(Addition::LEFT);
        addition.rounding.apply(shifted, addition.scales[index]) as i32
    };
    for (at, output) in output.iter_mut().enumerate() {
        let sum = part(0, at).wrapping_add(part(1, at));
        let scaled =
            addition.rounding.apply(sum, addition.output_scale).saturating_add(i64::from(addition.output_zero_point));
        let [low, high] = addition.clamp.map(i64::from);
        *output = scaled.clamp(low, high) as i8;
    }
}

/// Maps `[height, width, channels]` with a border of one number: `[top, left, bottom, right]` rows and columns of it.
///
/// # Panics
/// Where the lengths do not belong together.
pub fn pad<T: Copy>(
    input: &[T],
    [height, width, channels]: [usize; 3],
    [top, left, bottom, right]: [usize; 4],
    value: T,
    output: &mut [T],
) {
    let (wide, row) = ((left + width + right) * channels, width * channels);
    assert!(input.len() == height * row, "the input is not of height x width x channels");
    assert!(output.len() == (top + height + bottom) * wide, "the output is not of the padded size");
    output.fill(value);
    for y in 0..height {
        output[(top + y) * wide + left * channels..][..row].copy_from_slice(&input[y * row..][..row]);
    }
}

/// Maps one behind the other along the channels: `[height, width, a + b]` of `[height, width, a]` and `[height, width, b]`.
///
/// # Panics
/// Where the lengths do not belong together.
pub fn concat<T: Copy>(inputs: [&[T]; 2], channels: [usize; 2], output: &mut [T]) {
    let [a, b] = channels;
    assert!(a > 0 && b > 0 && inputs[0].len().is_multiple_of(a), "an input is not of whole pixels");
    let pixels = inputs[0].len() / a;
    assert!(
        inputs[1].len() == pixels * b && output.len() == pixels * (a + b),
        "inputs and output are not of as many pixels"
    );
    for (pixel, output) in output.chunks_exact_mut(a + b).enumerate() {
        output[..a].copy_from_slice(&inputs[0][pixel * a..][..a]);
        output[a..].copy_from_slice(&inputs[1][pixel * b..][..b]);
    }
}
