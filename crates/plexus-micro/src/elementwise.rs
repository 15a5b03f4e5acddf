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

/// Replaces each number by what lies on the line between two entries of a table, in place: any function of 16 bits. Entry `i` is that of
/// `128 · i − 32768`; the last one is only the end of the last line.
///
/// ```text
/// i = (value >> 7) + 256        along = value & 127
/// output = table[i] + (((table[i + 1] − table[i]) · along + 64) >> 7)
/// ```
///
/// # Source
/// TensorFlow Lite's `LUTLookup`, its formula; there a step from one entry to the next of more than 32767 wraps, here it does not.
pub fn lookup_s16(values: &mut [i16], table: &[i16; 513]) {
    for value in values {
        *value = between(*value, table);
    }
}

/// The function of [`lookup_s16`] of one number.
pub(crate) fn between(value: i16, table: &[i16; 513]) -> i16 {
    let (index, along) = (((i32::from(value) >> 7) + 256) as usize, i32::from(value) & 127);
    let (base, next) = (i32::from(table[index]), i32::from(table[index + 1]));
    (base + (((next - base) * along + 64) >> 7)) as i16
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

macro_rules! rescales {
    ($($name:ident: $x:ty => $y:ty;)*) => { $(
        #[doc = concat!("Writes numbers `", stringify!($x), "` as numbers `", stringify!($y), "` of another scale.")]
        ///
        /// ```text
        /// output = saturate(round((input − input_zero_point) · scale) + output_zero_point)
        /// ```
        ///
        /// # Panics
        /// Where the lengths differ.
        pub fn $name(input: &[$x], rescale: &Rescale, output: &mut [$y]) {
            assert!(input.len() == output.len(), "input and output differ in length");
            for (input, output) in input.iter().zip(output) {
                let scaled = rescale.apply(i32::from(*input));
                *output = scaled.clamp(i64::from(<$y>::MIN), i64::from(<$y>::MAX)) as $y;
            }
        }
    )* };
}

rescales! {
    rescale_s8: i8 => i8;
    rescale_s16: i16 => i16;
    rescale_s8_to_s16: i8 => i16;
    rescale_s16_to_s8: i16 => i8;
}

/// What [`add_s8`] and [`add_s16`] do to their two inputs and to their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addition<T = i8> {
    /// What stands for zero in either input.
    pub zero_points: [i32; 2],
    /// Scale of either input / (twice the larger of both).
    pub scales: [Multiplier; 2],
    /// (Twice the larger scale of the inputs) / (scale of the output · 2^[`Addition::LEFT`], of 16 bits 2^[`Addition::LEFT_S16`]).
    pub output_scale: Multiplier,
    /// How products with them are rounded.
    pub rounding: Rounding,
    /// What stands for zero behind.
    pub output_zero_point: i32,
    /// The smallest and the largest output.
    pub clamp: [T; 2],
}

impl Addition<i8> {
    /// Bits that inputs of 8 bits are shifted to the left, so that nothing is lost before the sum is rounded.
    pub const LEFT: u32 = 20;
}

impl Addition<i16> {
    /// The same for inputs of 16 bits.
    pub const LEFT_S16: u32 = 15;
}

macro_rules! additions {
    ($($name:ident: $t:ty, $left:expr, $source:literal;)*) => { $(
        #[doc = concat!("The sum of two tensors of one shape, `", stringify!($t), "`, affine.")]
        ///
        /// ```text
        #[doc = concat!("a = round(((input_a − zero_point_a) << ", stringify!($left), ") · scale_a)           b alike")]
        /// output = clamp(round((a + b) · output_scale) + output_zero_point, low, high)
        /// ```
        ///
        /// The shift and the sum wrap at 32 bits, which they do not reach with zero points inside of the type.
        ///
        /// # Panics
        /// Where the lengths differ.
        ///
        /// # Source
        #[doc = $source]
        pub fn $name(inputs: [&[$t]; 2], addition: &Addition<$t>, output: &mut [$t]) {
            assert!(inputs.iter().all(|input| input.len() == output.len()), "inputs and output differ in length");
            let part = |index: usize, at: usize| {
                let difference = i32::from(inputs[index][at]).wrapping_sub(addition.zero_points[index]);
                addition.rounding.apply(difference.wrapping_shl($left), addition.scales[index]) as i32
            };
            for (at, output) in output.iter_mut().enumerate() {
                let sum = part(0, at).wrapping_add(part(1, at));
                let scaled = addition.rounding.apply(sum, addition.output_scale);
                let moved = scaled.saturating_add(i64::from(addition.output_zero_point));
                let [low, high] = addition.clamp.map(i64::from);
                *output = moved.clamp(low, high) as $t;
            }
        }
    )* };
}

additions! {
    add_s8: i8, Addition::LEFT, "TensorFlow Lite's `Add` of 8 bits; CMSIS-NN's `arm_elementwise_add_s8`, its formula.";
    add_s16: i16, Addition::LEFT_S16, "TensorFlow Lite's `Add` of 16 bits; CMSIS-NN's `arm_elementwise_add_s16`, its formula. Zero points are zero there.";
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

/// Maps one behind the other along the channels: `[height, width, a + b + ...]` of `[height, width, a]`, `[height, width, b]` and so on.
///
/// # Panics
/// Where the lengths do not belong together, or there are no channels at all.
pub fn concat<T: Copy>(inputs: &[&[T]], channels: &[usize], output: &mut [T]) {
    let all: usize = channels.iter().sum();
    assert!(inputs.len() == channels.len(), "there are not as many numbers of channels as inputs");
    assert!(all > 0 && output.len().is_multiple_of(all), "the output is not of whole pixels");
    let pixels = output.len() / all;
    let fits = |(input, channels): (&&[T], &usize)| input.len() == pixels * channels;
    assert!(inputs.iter().zip(channels).all(fits), "inputs and output are not of as many pixels");
    for (pixel, mut output) in output.chunks_exact_mut(all).enumerate() {
        for (input, channels) in inputs.iter().zip(channels) {
            let (own, others) = output.split_at_mut(*channels);
            own.copy_from_slice(&input[pixel * channels..][..*channels]);
            output = others;
        }
    }
}
