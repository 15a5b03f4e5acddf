//! Convolutions of whole numbers. Maps are `[height, width, channels]`, channels last.

use crate::fully_connected::nibble;
use crate::sum::{Affine, AffineWide, Shifts, Sum, check_bias, q7, q15};
use crate::window::Window;

/// Sums of products of windows and filters; what is outside of the map counts as zero.
///
/// `weight_at` is the place of the weight of a filter at a row and a column, for the first channel of its group; those of the other
/// channels follow. `plus` adds the products of numbers of the input and of as many weights from a place on.
fn convolve<X, A: Sum>(
    (window, filters, groups): (&Window, usize, usize),
    input: &[X],
    weight_at: impl Fn(usize, [usize; 2]) -> usize,
    plus: impl Fn(A, &[X], usize) -> A,
    start: impl Fn(usize) -> A,
    mut store: impl FnMut(usize, usize, A),
) {
    let ([_, width, channels], [rows, cols]) = (window.input, window.output());
    let (own, filters_of_group) = (channels / groups, filters / groups);
    // Whether the numbers of the columns of a window, and their weights, follow each other without gaps.
    let is_one_run = groups == 1 && window.dilation[1] == 1 && weight_at(0, [0, 1]) == weight_at(0, [0, 0]) + own;
    for y in 0..rows {
        let inside_rows = window.inside(0, y);
        for x in 0..cols {
            let inside_cols = window.inside(1, x);
            for filter in 0..filters {
                let first = filter / filters_of_group * own;
                let mut sum = start(filter);
                for row in inside_rows.clone() {
                    let line = window.place(0, y, row) * width;
                    let place = |col: usize| (line + window.place(1, x, col)) * channels + first;
                    if is_one_run && !inside_cols.is_empty() {
                        let values = &input[place(inside_cols.start)..][..inside_cols.len() * own];
                        sum = plus(sum, values, weight_at(filter, [row, inside_cols.start]));
                    } else {
                        for col in inside_cols.clone() {
                            sum = plus(sum, &input[place(col)..][..own], weight_at(filter, [row, col]));
                        }
                    }
                }
                store((y * cols + x) * filters + filter, filter, sum);
            }
        }
    }
}

/// Adds products, taking a zero point off the numbers of the input.
fn products<X: Into<i32> + Copy, W: Into<i32> + Copy, A: Sum>(
    weight: &[W],
    zero_point: i32,
) -> impl Fn(A, &[X], usize) -> A {
    move |sum, values, at| {
        values.iter().zip(&weight[at..][..values.len()]).fold(sum, |sum, (value, weight)| {
            let (value, weight): (i32, i32) = ((*value).into(), (*weight).into());
            sum.plus(value.wrapping_sub(zero_point).wrapping_mul(weight))
        })
    }
}

/// Checks the sizes of a convolution, of whose weights so many are in one place, and returns its filters.
fn check(window: &Window, groups: usize, [inputs, weights, outputs]: [usize; 3], in_one_place: usize) -> usize {
    let ([_, _, channels], [rows, cols]) = (window.input, window.output());
    assert!(inputs == window.input_len(), "the input is not of height x width x channels");
    assert!(outputs.is_multiple_of(rows * cols), "the output is not of whole maps");
    let filters = outputs / (rows * cols);
    assert!(
        groups > 0 && channels.is_multiple_of(groups) && filters.is_multiple_of(groups),
        "the groups do not divide channels and filters"
    );
    let [rows, cols] = window.kernel;
    let count = filters * rows * cols * (channels / groups);
    assert!(weights == count.div_ceil(in_one_place), "the weight is not of filters x kernel x channels");
    filters
}

/// The place of the weight of the first channel in `[filters, rows, columns, channels of the group]`.
fn filters_first(window: &Window, groups: usize) -> impl Fn(usize, [usize; 2]) -> usize {
    let ([_, _, channels], [rows, cols]) = (window.input, window.kernel);
    let own = channels / groups.max(1);
    move |filter, [row, col]| ((filter * rows + row) * cols + col) * own
}

/// 8-bit activations and weights, affine; grouped and depthwise convolutions are `groups` of channels that see each other only.
///
/// ```text
/// sum[y, x, o] = bias[o] + Σ (input[y · s + i · d − top, x · s + j · d − left, first(o) + c] − input_zero_point) · weight[o, i, j, c]
/// output[y, x, o] = clamp(round(sum · scale[o]) + output_zero_point, low, high)
/// ```
///
/// Sums wrap at 32 bits. Outside of the map the input is its zero point.
///
/// # Shapes
/// `input`: `[height, width, channels]`, `weight`: `[filters, rows, columns, channels / groups]`, `output`: `[rows, columns, filters]`
///
/// # Panics
/// Where the lengths do not belong together, or the weight has a zero point.
///
/// # Source
/// TensorFlow Lite's quantization specification; CMSIS-NN's `arm_convolve_s8`, its formula.
pub fn conv2d_s8(
    input: &[i8],
    window: &Window,
    (weight, groups): (&[i8], usize),
    affine: &Affine<'_>,
    output: &mut [i8],
) {
    let filters = check(window, groups, [input.len(), weight.len(), output.len()], 1);
    let plus = products(weight, affine.input_zero_point);
    eight(input, (window, filters, groups), filters_first(window, groups), plus, affine, output);
}

/// As [`conv2d_s8`], of 4-bit weights, two in a byte: the lower half first, filters one behind the other without gaps.
///
/// # Shapes
/// As [`conv2d_s8`], but `weight`: `⌈filters · rows · columns · channels / groups / 2⌉` bytes
///
/// # Panics
/// Where the lengths do not belong together, or the weight has a zero point.
pub fn conv2d_s4(
    input: &[i8],
    window: &Window,
    (weight, groups): (&[u8], usize),
    affine: &Affine<'_>,
    output: &mut [i8],
) {
    let filters = check(window, groups, [input.len(), weight.len(), output.len()], 2);
    let plus = |sum: i32, values: &[i8], at: usize| {
        values.iter().zip(at..).fold(sum, |sum, (value, at)| {
            let moved = i32::from(*value).wrapping_sub(affine.input_zero_point);
            sum.plus(moved.wrapping_mul(nibble(weight, at).into()))
        })
    };
    eight(input, (window, filters, groups), filters_first(window, groups), plus, affine, output);
}

/// A depthwise convolution, 8 bits, affine: `filters / channels` filters for each channel, filter `o` reads channel
/// `o / (filters / channels)`.
///
/// # Shapes
/// As [`conv2d_s8`], but `weight`: `[rows, columns, filters]`
///
/// # Panics
/// Where the lengths do not belong together, or the weight has a zero point.
///
/// # Source
/// CMSIS-NN's `arm_depthwise_conv_s8`, its formula and its order of weights.
pub fn depthwise_conv2d_s8(input: &[i8], window: &Window, weight: &[i8], affine: &Affine<'_>, output: &mut [i8]) {
    let groups = window.input[2];
    let filters = check(window, groups, [input.len(), weight.len(), output.len()], 1);
    let [_, cols] = window.kernel;
    let weight_at = |filter, [row, col]: [usize; 2]| (row * cols + col) * filters + filter;
    eight(input, (window, filters, groups), weight_at, products(weight, affine.input_zero_point), affine, output);
}

/// Convolutions of 8-bit activations, affine.
fn eight(
    input: &[i8],
    (window, filters, groups): (&Window, usize, usize),
    weight_at: impl Fn(usize, [usize; 2]) -> usize,
    plus: impl Fn(i32, &[i8], usize) -> i32,
    affine: &Affine<'_>,
    output: &mut [i8],
) {
    affine.check(filters);
    assert!(affine.weight_zero_point == 0, "weights of a convolution have no zero point");
    let store = |at: usize, filter, sum: i32| output[at] = affine.output(sum, filter);
    convolve((window, filters, groups), input, weight_at, plus, |filter| affine.start(filter), store);
}

/// As [`conv2d_s8`] with 16-bit activations and 64-bit sums, whose zero points are zero.
///
/// # Panics
/// Where the lengths do not belong together, or a scale has a shift above 7.
///
/// # Source
/// CMSIS-NN's `arm_convolve_s16` with 64-bit biases, its formula; that one may wrap beyond 512 products of the largest numbers.
pub fn conv2d_s16x8(
    input: &[i16],
    window: &Window,
    (weight, groups): (&[i8], usize),
    affine: &AffineWide<'_>,
    output: &mut [i16],
) {
    sixteen(input, window, (weight, groups), affine, output);
}

/// As [`conv2d_s16x8`], of 16-bit weights. No other library has it; the formula is the same.
///
/// # Panics
/// As [`conv2d_s16x8`].
pub fn conv2d_s16(
    input: &[i16],
    window: &Window,
    (weight, groups): (&[i16], usize),
    affine: &AffineWide<'_>,
    output: &mut [i16],
) {
    sixteen(input, window, (weight, groups), affine, output);
}

/// Convolutions of 16-bit activations, affine.
fn sixteen<W: Into<i32> + Copy>(
    input: &[i16],
    window: &Window,
    (weight, groups): (&[W], usize),
    affine: &AffineWide<'_>,
    output: &mut [i16],
) {
    let filters = check(window, groups, [input.len(), weight.len(), output.len()], 1);
    affine.check(filters);
    let (weight_at, plus) = (filters_first(window, groups), products(weight, 0));
    let store = |at: usize, filter, sum: i64| output[at] = affine.output(sum, filter);
    convolve((window, filters, groups), input, weight_at, plus, |filter| affine.start(filter), store);
}

macro_rules! power_of_two_convs {
    ($($name:ident, $wide:ident: $x:ty, $w:ty, $b:ty => $saturate:ident, $source:literal;)*) => { $(
        #[doc = concat!("Activations `", stringify!($x), "`, weights `", stringify!($w), "`, power of two.")]
        ///
        /// ```text
        /// sum[y, x, o] = (bias[o] << bias_shift) + Σ input[...] · weight[o, i, j, c]          wrapping at 32 bits
        /// output[y, x, o] = saturate((sum + half) >> out_shift)           half = 2^out_shift / 2, or 0 for floor
        /// ```
        ///
        /// Outside of the map the input is zero.
        ///
        /// # Shapes
        /// As [`conv2d_s8`].
        ///
        /// # Panics
        /// Where the lengths do not belong together.
        ///
        /// # Source
        #[doc = $source]
        pub fn $name(
            input: &[$x],
            window: &Window,
            (weight, groups): (&[$w], usize),
            (bias, shifts): (&[$b], Shifts),
            output: &mut [$x],
        ) {
            power_of_two::<i32, _, _, _, _>((input, window), (weight, groups), (bias, shifts), output, $saturate);
        }

        #[doc = concat!("As [`", stringify!($name), "`], with 64-bit sums, which do not wrap.")]
        ///
        /// # Panics
        /// Where the lengths do not belong together.
        pub fn $wide(
            input: &[$x],
            window: &Window,
            (weight, groups): (&[$w], usize),
            (bias, shifts): (&[$b], Shifts),
            output: &mut [$x],
        ) {
            power_of_two::<i64, _, _, _, _>((input, window), (weight, groups), (bias, shifts), output, $saturate);
        }
    )* };
}

power_of_two_convs! {
    conv2d_q7, conv2d_q7_wide: i8, i8, i8 => q7, "CMSIS 5.9.0, `arm_convolve_HWC_q7_basic` (Apache-2.0), its formula.";
    conv2d_q15, conv2d_q15_wide: i16, i16, i16 => q15, "CMSIS 5.9.0, `arm_convolve_HWC_q15_basic` (Apache-2.0), its formula.";
    conv2d_q7_q15, conv2d_q7_q15_wide: i16, i8, i8 => q15, "No other library has it; the formula is that of the other two.";
}

fn power_of_two<A: Sum, X: Into<i32> + Copy, W: Into<i32> + Copy, B: Into<i32> + Copy, Y>(
    (input, window): (&[X], &Window),
    (weight, groups): (&[W], usize),
    (bias, shifts): (&[B], Shifts),
    output: &mut [Y],
    saturate: fn(i32) -> Y,
) {
    let filters = check(window, groups, [input.len(), weight.len(), output.len()], 1);
    check_bias(bias.len(), filters);
    let (weight_at, plus) = (filters_first(window, groups), products(weight, 0));
    let start = |filter| A::of_bias(bias, filter, shifts);
    let store = |at: usize, _, sum: A| output[at] = saturate(sum.rounded(shifts));
    convolve((window, filters, groups), input, weight_at, plus, start, store);
}
