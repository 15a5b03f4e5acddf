//! Convolutions of whole numbers. Maps are `[height, width, channels]`, channels last.

use crate::sum::{Affine, AffineWide, Shifts, Sum, check_bias, q7, q15};
use crate::window::Window;

/// Sums of products of windows and filters; what is outside of the map counts as zero.
///
/// `weight_at` is the place of the weight of a filter at a row, a column and a channel of its group.
fn convolve<X: Into<i32> + Copy, W: Into<i32> + Copy, A: Sum>(
    (window, filters, groups): (&Window, usize, usize),
    (input, zero_point): (&[X], i32),
    (weight, weight_at): (&[W], impl Fn(usize, [usize; 3]) -> usize),
    start: impl Fn(usize) -> A,
    mut store: impl FnMut(usize, usize, A),
) {
    let ([_, width, channels], [rows, cols]) = (window.input, window.output());
    let (own, filters_of_group) = (channels / groups, filters / groups);
    for y in 0..rows {
        for x in 0..cols {
            for filter in 0..filters {
                let first = filter / filters_of_group * own;
                let mut sum = start(filter);
                for row in window.inside(0, y) {
                    for col in window.inside(1, x) {
                        let pixel = window.place(0, y, row) * width + window.place(1, x, col);
                        let values = &input[pixel * channels + first..][..own];
                        for (channel, value) in values.iter().enumerate() {
                            let value: i32 = (*value).into();
                            let weight: i32 = weight[weight_at(filter, [row, col, channel])].into();
                            sum = sum.plus((value - zero_point) * weight);
                        }
                    }
                }
                store((y * cols + x) * filters + filter, filter, sum);
            }
        }
    }
}

/// Checks the sizes of a convolution and returns its filters.
fn check(window: &Window, groups: usize, [inputs, weights, outputs]: [usize; 3]) -> usize {
    let ([_, _, channels], [rows, cols]) = (window.input, window.output());
    assert!(inputs == window.input_len(), "the input is not of height x width x channels");
    assert!(outputs.is_multiple_of(rows * cols), "the output is not of whole maps");
    let filters = outputs / (rows * cols);
    assert!(
        groups > 0 && channels.is_multiple_of(groups) && filters.is_multiple_of(groups),
        "the groups do not divide channels and filters"
    );
    let [rows, cols] = window.kernel;
    assert!(weights == filters * rows * cols * (channels / groups), "the weight is not of filters x kernel x channels");
    filters
}

/// The place of a weight `[filters, rows, columns, channels of the group]`.
fn filters_first(window: &Window, groups: usize) -> impl Fn(usize, [usize; 3]) -> usize {
    let ([_, _, channels], [rows, cols]) = (window.input, window.kernel);
    let own = channels / groups.max(1);
    move |filter, [row, col, channel]| ((filter * rows + row) * cols + col) * own + channel
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
    let filters = check(window, groups, [input.len(), weight.len(), output.len()]);
    affine.check(filters);
    assert!(affine.weight_zero_point == 0, "weights of a convolution have no zero point");
    let weight = (weight, filters_first(window, groups));
    convolve(
        (window, filters, groups),
        (input, affine.input_zero_point),
        weight,
        |filter| affine.start(filter),
        |at, filter, sum: i32| output[at] = affine.output(sum, filter),
    );
}

/// As [`conv2d_s8`] with 16-bit activations and 64-bit sums, whose zero points are zero.
///
/// # Panics
/// Where the lengths do not belong together.
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
    let filters = check(window, groups, [input.len(), weight.len(), output.len()]);
    affine.check(filters);
    let weight = (weight, filters_first(window, groups));
    let store = |at, filter, sum: i64| output[at] = affine.output(sum, filter);
    convolve((window, filters, groups), (input, 0), weight, |filter| affine.start(filter), store);
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
    let filters = check(window, groups, [input.len(), weight.len(), output.len()]);
    affine.check(filters);
    assert!(affine.weight_zero_point == 0, "weights of a convolution have no zero point");
    let [_, cols] = window.kernel;
    convolve(
        (window, filters, groups),
        (input, affine.input_zero_point),
        (weight, |filter, [row, col, _]: [usize; 3]| (row * cols + col) * filters + filter),
        |filter| affine.start(filter),
        |at, filter, sum: i32| output[at] = affine.output(sum, filter),
    );
}

/// A transposed convolution, 8 bits, affine: each number of the input adds a whole window to the output.
///
/// ```text
/// sum[y, x, o] = bias[o] + Σ (input[r, q, c] − input_zero_point) · weight[o, i, j, c]
///                over all r, q, i, j with y = r · s + i − top and x = q · s + j − left
/// ```
///
/// `window` is that of the convolution backwards: its `input` has the size of the output, and windows of it stand at the numbers of
/// the input.
///
/// # Shapes
/// `input`: `[rows, columns, channels]`, where rows and columns are [`Window::output`]; `weight`: `[filters, rows, columns, channels]`;
/// `output`: `window.input`, whose last number are the filters
///
/// # Panics
/// Where the lengths do not belong together, or the weight has a zero point.
///
/// # Source
/// TensorFlow Lite's `TransposeConv`, its formula.
pub fn conv_transpose2d_s8(input: &[i8], window: &Window, weight: &[i8], affine: &Affine<'_>, output: &mut [i8]) {
    let ([height, width, filters], [rows, cols]) = (window.input, window.output());
    assert!(input.len().is_multiple_of(rows * cols), "the input is not of whole maps");
    let channels = input.len() / (rows * cols);
    let [kernel_rows, kernel_cols] = window.kernel;
    assert!(output.len() == window.input_len(), "the output is not of height x width x filters");
    assert!(
        weight.len() == filters * kernel_rows * kernel_cols * channels,
        "the weight is not of filters x kernel x channels"
    );
    affine.check(filters);
    assert!(affine.weight_zero_point == 0, "weights of a convolution have no zero point");
    // The window and the tap that meet at a place of the output: `place + padding = window · stride + tap · dilation`.
    let meets = move |axis: usize, place: usize, tap: usize| {
        let at = (place + window.padding[axis]).checked_sub(tap * window.dilation[axis])?;
        let (index, rest) = (at / window.stride[axis], at % window.stride[axis]);
        (rest == 0 && index < [rows, cols][axis]).then_some(index)
    };
    for y in 0..height {
        for x in 0..width {
            for filter in 0..filters {
                let mut sum = affine.start(filter);
                for row in 0..kernel_rows {
                    let Some(r) = meets(0, y, row) else { continue };
                    for col in 0..kernel_cols {
                        let Some(q) = meets(1, x, col) else { continue };
                        let values = &input[(r * cols + q) * channels..][..channels];
                        let own = &weight[((filter * kernel_rows + row) * kernel_cols + col) * channels..][..channels];
                        for (value, weight) in values.iter().zip(own) {
                            sum = sum.plus((i32::from(*value) - affine.input_zero_point) * i32::from(*weight));
                        }
                    }
                }
                output[(y * width + x) * filters + filter] = affine.output(sum, filter);
            }
        }
    }
}

macro_rules! power_of_two_convs {
    ($($name:ident, $wide:ident: $t:ty, $saturate:ident, $source:literal;)*) => { $(
        #[doc = concat!("Activations and weights `", stringify!($t), "`, power of two.")]
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
        #[doc = concat!("CMSIS 5.9.0, `", $source, "` (Apache-2.0), its formula.")]
        pub fn $name(
            input: &[$t],
            window: &Window,
            (weight, groups): (&[$t], usize),
            (bias, shifts): (&[$t], Shifts),
            output: &mut [$t],
        ) {
            power_of_two::<i32, _, _>((input, window), (weight, groups), (bias, shifts), output, $saturate);
        }

        #[doc = concat!("As [`", stringify!($name), "`], with 64-bit sums, which do not wrap.")]
        ///
        /// # Panics
        /// Where the lengths do not belong together.
        pub fn $wide(
            input: &[$t],
            window: &Window,
            (weight, groups): (&[$t], usize),
            (bias, shifts): (&[$t], Shifts),
            output: &mut [$t],
        ) {
            power_of_two::<i64, _, _>((input, window), (weight, groups), (bias, shifts), output, $saturate);
        }
    )* };
}

power_of_two_convs! {
    conv2d_q7, conv2d_q7_wide: i8, q7, "arm_convolve_HWC_q7_basic";
    conv2d_q15, conv2d_q15_wide: i16, q15, "arm_convolve_HWC_q15_basic";
}

fn power_of_two<A: Sum, T: Into<i32> + Copy, Y>(
    (input, window): (&[T], &Window),
    (weight, groups): (&[T], usize),
    (bias, shifts): (&[T], Shifts),
    output: &mut [Y],
    saturate: fn(i32) -> Y,
) {
    let filters = check(window, groups, [input.len(), weight.len(), output.len()]);
    check_bias(bias.len(), filters);
    convolve(
        (window, filters, groups),
        (input, 0),
        (weight, filters_first(window, groups)),
        |filter| A::start(if bias.is_empty() { 0 } else { bias[filter].into() }, shifts.bias),
        |at, _, sum: A| output[at] = saturate(sum.rounded(shifts)),
    );
}
