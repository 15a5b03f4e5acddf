//! Fully connected layers of whole numbers.

#[cfg(plexus_dsp)]
use crate::dsp::{Pair, each_row, interleaved_products};
use crate::interleaved::Interleaved;
use crate::sum::{Affine, AffineWide, Shifts, Sum, check_bias, q7, q15};

/// The plain form of all functions of the power-of-two scheme.
fn plain<A: Sum, W: Into<i32> + Copy, X: Into<i32> + Copy, B: Into<i32> + Copy, Y>(
    (input, weight, bias): (&[X], &[W], &[B]),
    shifts: Shifts,
    output: &mut [Y],
    saturate: fn(i32) -> Y,
) {
    check([input.len(), weight.len(), output.len()]);
    check_bias(bias.len(), output.len());
    for (index, output) in output.iter_mut().enumerate() {
        let row = &weight[index * input.len()..][..input.len()];
        let mut sum = A::of_bias(bias, index, shifts);
        for (x, w) in input.iter().zip(row) {
            sum = sum.plus((*x).into() * (*w).into());
        }
        *output = saturate(sum.rounded(shifts));
    }
}

/// The same for interleaved weights, read in the order in which they stand.
fn interleaved<A: Sum, W: Into<i32> + Copy, X: Into<i32> + Copy, B: Into<i32> + Copy, Y>(
    layout: Interleaved,
    (input, weight, bias): (&[X], &[W], &[B]),
    shifts: Shifts,
    output: &mut [Y],
    saturate: fn(i32) -> Y,
) {
    check([input.len(), weight.len(), output.len()]);
    check_bias(bias.len(), output.len());
    let (cols, (group, width)) = (input.len(), layout.group());
    let grouped = cols / width * width;
    let whole = output.len() / 4 * 4;
    for (index, output) in output[..whole].chunks_exact_mut(4).enumerate() {
        let (first, block) = (4 * index, &weight[4 * index * cols..][..4 * cols]);
        let mut sums: [A; 4] = core::array::from_fn(|row| A::of_bias(bias, first + row, shifts));
        let (in_groups, left) = block.split_at(4 * grouped);
        for (values, inputs) in in_groups.chunks_exact(group.len()).zip(input.chunks_exact(width)) {
            for (w, (row, col)) in values.iter().zip(group) {
                sums[*row] = sums[*row].plus(inputs[*col].into() * (*w).into());
            }
        }
        for (column, x) in left.chunks_exact(4).zip(&input[grouped..]) {
            for (sum, w) in sums.iter_mut().zip(column) {
                *sum = sum.plus((*x).into() * (*w).into());
            }
        }
        for (output, sum) in output.iter_mut().zip(sums) {
            *output = saturate(sum.rounded(shifts));
        }
    }
    let bias = if bias.is_empty() { bias } else { &bias[whole..] };
    plain::<A, _, _, _, _>((input, &weight[whole * cols..], bias), shifts, &mut output[whole..], saturate);
}

/// [`plain`] by the instructions of the processor.
#[cfg(plexus_dsp)]
fn plain_dsp<W: Into<i32> + Copy, X: Pair<W>, B: Into<i32> + Copy, Y>(
    (input, weight, bias): (&[X], &[W], &[B]),
    shifts: Shifts,
    output: &mut [Y],
    saturate: fn(i32) -> Y,
) {
    check([input.len(), weight.len(), output.len()]);
    check_bias(bias.len(), output.len());
    let rows = output.len();
    each_row((input, weight, rows), 0, |first, sums| {
        for (row, (output, sum)) in output[first..].iter_mut().zip(sums).enumerate() {
            let sum = i32::of_bias(bias, first + row, shifts).wrapping_add(*sum);
            *output = saturate(sum.rounded(shifts));
        }
    });
}

/// [`interleaved`] by the instructions of the processor.
#[cfg(plexus_dsp)]
fn interleaved_dsp<W: Into<i32> + Copy, X: Pair<W>, B: Into<i32> + Copy, Y>(
    (input, weight, bias): (&[X], &[W], &[B]),
    shifts: Shifts,
    output: &mut [Y],
    saturate: fn(i32) -> Y,
) {
    check([input.len(), weight.len(), output.len()]);
    check_bias(bias.len(), output.len());
    let (cols, whole) = (input.len(), output.len() / 4 * 4);
    for (block, outputs) in output[..whole].chunks_exact_mut(4).enumerate() {
        let sums = interleaved_products(input, &weight[4 * block * cols..][..4 * cols]);
        for (row, (output, sum)) in outputs.iter_mut().zip(sums).enumerate() {
            let sum = i32::of_bias(bias, 4 * block + row, shifts).wrapping_add(sum);
            *output = saturate(sum.rounded(shifts));
        }
    }
    let bias = if bias.is_empty() { bias } else { &bias[whole..] };
    plain_dsp((input, &weight[whole * cols..], bias), shifts, &mut output[whole..], saturate);
}

fn check([inputs, weights, outputs]: [usize; 3]) {
    assert!(inputs.checked_mul(outputs) == Some(weights), "the weight is not of outputs x inputs");
}

macro_rules! power_of_two_forms {
    ($($name:ident, $opt:ident, $wide:ident, $opt_wide:ident:
        $x:ty, $w:ty, $b:ty => $y:ty, $saturate:ident, $layout:ident, $source:literal;)*) => { $(
        #[doc = concat!("Activations `", stringify!($x), "`, weights `", stringify!($w), "`, power of two.")]
        ///
        /// ```text
        /// sum[o] = (bias[o] << bias_shift) + Σ_i input[i] · weight[o, i]                  wrapping at 32 bits
        /// output[o] = saturate((sum[o] + half) >> out_shift)     half = 2^out_shift / 2, or 0 for floor
        /// ```
        ///
        /// # Shapes
        /// `input`: `[cols]`, `weight`: `[rows, cols]`, `bias`: `[rows]` or empty, `output`: `[rows]`
        ///
        /// # Panics
        /// Where the lengths do not belong together.
        ///
        /// # Source
        #[doc = concat!("CMSIS 5.9.0, `", $source, "` (Apache-2.0), its formula.")]
        pub fn $name(input: &[$x], weight: &[$w], bias: &[$b], shifts: Shifts, output: &mut [$y]) {
            #[cfg(plexus_dsp)]
            plain_dsp((input, weight, bias), shifts, output, $saturate);
            #[cfg(not(plexus_dsp))]
            plain::<i32, _, _, _, _>((input, weight, bias), shifts, output, $saturate);
        }

        #[doc = concat!("As [`", stringify!($name), "`], of weights in the layout [`Interleaved::", stringify!($layout), "`]; the same bits.")]
        ///
        /// # Panics
        /// Where the lengths do not belong together.
        pub fn $opt(input: &[$x], weight: &[$w], bias: &[$b], shifts: Shifts, output: &mut [$y]) {
            #[cfg(plexus_dsp)]
            interleaved_dsp((input, weight, bias), shifts, output, $saturate);
            #[cfg(not(plexus_dsp))]
            interleaved::<i32, _, _, _, _>(Interleaved::$layout, (input, weight, bias), shifts, output, $saturate);
        }

        #[doc = concat!("As [`", stringify!($name), "`], with 64-bit sums, which do not wrap: the output is the nearest that fits.")]
        ///
        /// # Panics
        /// Where the lengths do not belong together.
        pub fn $wide(input: &[$x], weight: &[$w], bias: &[$b], shifts: Shifts, output: &mut [$y]) {
            plain::<i64, _, _, _, _>((input, weight, bias), shifts, output, $saturate);
        }

        #[doc = concat!("As [`", stringify!($opt), "`], with 64-bit sums, which do not wrap.")]
        ///
        /// # Panics
        /// Where the lengths do not belong together.
        pub fn $opt_wide(input: &[$x], weight: &[$w], bias: &[$b], shifts: Shifts, output: &mut [$y]) {
            interleaved::<i64, _, _, _, _>(Interleaved::$layout, (input, weight, bias), shifts, output, $saturate);
        }
    )* };
}

power_of_two_forms! {
    fully_connected_q7, fully_connected_q7_opt, fully_connected_q7_wide, fully_connected_q7_opt_wide:
        i8, i8, i8 => i8, q7, Q7, "arm_fully_connected_q7";
    fully_connected_q15, fully_connected_q15_opt, fully_connected_q15_wide, fully_connected_q15_opt_wide:
        i16, i16, i16 => i16, q15, Q15, "arm_fully_connected_q15";
    fully_connected_q7_q15, fully_connected_q7_q15_opt, fully_connected_q7_q15_wide, fully_connected_q7_q15_opt_wide:
        i16, i8, i8 => i16, q15, Q7ForQ15, "arm_fully_connected_mat_q7_vec_q15";
}

impl Affine<'_> {
    /// The sum of a row of weights.
    fn sum(&self, row: usize, input: &[i8], weights: impl Iterator<Item = i32>) -> i32 {
        input.iter().zip(weights).fold(self.start(row), |sum, (x, w)| {
            let x = i32::from(*x).wrapping_sub(self.input_zero_point);
            sum.wrapping_add(x.wrapping_mul(w.wrapping_sub(self.weight_zero_point)))
        })
    }
}

/// 8-bit activations and weights, affine.
///
/// ```text
/// sum[o] = bias[o] + Σ_i (input[i] − input_zero_point) · (weight[o, i] − weight_zero_point)        wrapping at 32 bits
/// output[o] = clamp(round(sum[o] · scale[o]) + output_zero_point, low, high)
/// ```
///
/// # Shapes
/// `input`: `[cols]`, `weight`: `[rows, cols]`, `output`: `[rows]`
///
/// # Panics
/// Where the lengths do not belong together.
///
/// # Source
/// TensorFlow Lite's quantization specification; CMSIS-NN's `arm_fully_connected_s8` and `arm_fully_connected_per_channel_s8`.
pub fn fully_connected_s8(input: &[i8], weight: &[i8], affine: &Affine<'_>, output: &mut [i8]) {
    check([input.len(), weight.len(), output.len()]);
    affine.check(output.len());
    // Larger zero points, which 8-bit numbers do not have, are left to the plain loops.
    #[cfg(plexus_dsp)]
    if (-255..=255).contains(&affine.input_zero_point) {
        return s8_dsp(input, weight, affine, output);
    }
    for (row, output) in output.iter_mut().enumerate() {
        let own = &weight[row * input.len()..][..input.len()];
        *output = affine.output(affine.sum(row, input, own.iter().map(|weight| i32::from(*weight))), row);
    }
}

/// [`fully_connected_s8`] by the instructions of the processor.
#[cfg(plexus_dsp)]
fn s8_dsp(input: &[i8], weight: &[i8], affine: &Affine<'_>, output: &mut [i8]) {
    // The zero point of the weights, taken off all at once.
    let taken_off = match affine.weight_zero_point {
        0 => 0,
        zero_point => {
            let inputs = input.iter().map(|x| i32::from(*x) - affine.input_zero_point);
            inputs.fold(0, i32::wrapping_add).wrapping_mul(zero_point)
        }
    };
    let rows = output.len();
    each_row((input, weight, rows), affine.input_zero_point, |first, sums| {
        affine.outputs(first, sums, taken_off, &mut output[first..][..sums.len()]);
    });
}

/// As [`fully_connected_s8`], of 4-bit weights, two in a byte: the lower half first, rows one behind the other without gaps.
///
/// # Shapes
/// `input`: `[cols]`, `weight`: `⌈rows · cols / 2⌉` bytes, `output`: `[rows]`
///
/// # Panics
/// Where the lengths do not belong together.
pub fn fully_connected_s4(input: &[i8], weight: &[u8], affine: &Affine<'_>, output: &mut [i8]) {
    let count = input.len().checked_mul(output.len());
    assert!(
        count.is_some_and(|count| count.div_ceil(2) == weight.len()),
        "the weight is not of half a byte for each place"
    );
    affine.check(output.len());
    for (row, output) in output.iter_mut().enumerate() {
        let own = row * input.len()..(row + 1) * input.len();
        *output = affine.output(affine.sum(row, input, own.map(|at| i32::from(nibble(weight, at)))), row);
    }
}

/// A 4-bit number among others, two in a byte, the lower half first.
///
/// # Panics
/// Where the place is outside.
pub const fn nibble(bytes: &[u8], at: usize) -> i8 {
    let byte = bytes[at / 2];
    (if at.is_multiple_of(2) { byte << 4 } else { byte }) as i8 >> 4
}

fn wide<W: Into<i64> + Copy>(input: &[i16], weight: &[W], affine: &AffineWide<'_>, output: &mut [i16]) {
    check([input.len(), weight.len(), output.len()]);
    affine.check(output.len());
    for (row, output) in output.iter_mut().enumerate() {
        let mut sum = affine.start(row);
        for (x, w) in input.iter().zip(&weight[row * input.len()..][..input.len()]) {
            sum = sum.wrapping_add(i64::from(*x) * (*w).into());
        }
        *output = affine.output(sum, row);
    }
}

/// 16-bit activations, 8-bit weights, affine with zero points of zero.
///
/// ```text
/// sum[o] = bias[o] + Σ_i input[i] · weight[o, i]                                      64 bits
/// output[o] = clamp(reduced(sum[o], scale[o]), low, high)
/// ```
///
/// # Shapes
/// `input`: `[cols]`, `weight`: `[rows, cols]`, `output`: `[rows]`
///
/// # Panics
/// Where the lengths do not belong together, or a scale has a shift above 7.
///
/// # Source
/// CMSIS-NN's `arm_fully_connected_s16`, its formula.
pub fn fully_connected_s16x8(input: &[i16], weight: &[i8], affine: &AffineWide<'_>, output: &mut [i16]) {
    wide(input, weight, affine, output);
}

/// As [`fully_connected_s16x8`], of 16-bit weights. No other library has it; the formula is the same.
///
/// # Panics
/// As [`fully_connected_s16x8`].
pub fn fully_connected_s16(input: &[i16], weight: &[i16], affine: &AffineWide<'_>, output: &mut [i16]) {
    wide(input, weight, affine, output);
}

/// The largest size that a sum can reach while it is added up in any order: `|bias| + Σ_i |weight[i]| · largest`, where no input is
/// larger than `largest`, its zero point taken off. Where it is at most `i32::MAX`, a 32-bit sum never wraps. Saturates.
///
/// # Examples
/// ```
/// // 600 products of the largest 16-bit numbers do not fit.
/// let bound = plexus_micro::accumulator_bound(core::iter::repeat_n(32_767, 600), 0, 32_768);
/// assert!(bound > i32::MAX as i64);
/// ```
pub fn accumulator_bound(weights: impl IntoIterator<Item = i32>, bias: i64, largest: i64) -> i64 {
    let products =
        weights.into_iter().map(|weight| i64::from(weight).saturating_abs().saturating_mul(largest.saturating_abs()));
    products.fold(bias.saturating_abs(), i64::saturating_add)
}
