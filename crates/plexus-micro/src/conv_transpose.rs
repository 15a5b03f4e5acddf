//! Transposed convolutions of whole numbers. Maps are `[height, width, channels]`, channels last.

use crate::sum::{Affine, AffineWide, Shifts, Sum, check_bias, q7, q15};
use crate::window::Window;

/// Sums of products of the numbers of the input and filters, each where its window lies on the output.
fn transpose<X: Into<i32> + Copy, W: Into<i32> + Copy, A: Sum>(
    window: &Window,
    (input, zero_point): (&[X], i32),
    weight: &[W],
    start: impl Fn(usize) -> A,
    mut store: impl FnMut(usize, usize, A),
) {
    let ([height, width, filters], [rows, cols]) = (window.input, window.output());
    let ([kernel_rows, kernel_cols], channels) = (window.kernel, input.len() / (rows * cols));
    // The window and the tap that meet at a place of the output: `place + padding = window · stride + tap · dilation`.
    let meets = |axis: usize, place: usize, tap: usize| {
        let at = (place + window.padding[axis]).checked_sub(tap * window.dilation[axis])?;
        let (index, rest) = (at / window.stride[axis], at % window.stride[axis]);
        (rest == 0 && index < [rows, cols][axis]).then_some(index)
    };
    for y in 0..height {
        for x in 0..width {
            for filter in 0..filters {
                let mut sum = start(filter);
                for row in 0..kernel_rows {
                    let Some(r) = meets(0, y, row) else { continue };
                    for col in 0..kernel_cols {
                        let Some(q) = meets(1, x, col) else { continue };
                        let values = &input[(r * cols + q) * channels..][..channels];
                        let own = &weight[((filter * kernel_rows + row) * kernel_cols + col) * channels..][..channels];
                        for (value, weight) in values.iter().zip(own) {
                            let (value, weight): (i32, i32) = ((*value).into(), (*weight).into());
                            sum = sum.plus(value.wrapping_sub(zero_point).wrapping_mul(weight));
                        }
                    }
                }
                store((y * width + x) * filters + filter, filter, sum);
            }
        }
    }
}

/// Checks the sizes and returns the filters.
fn check(window: &Window, [inputs, weights, outputs]: [usize; 3]) -> usize {
    let ([_, _, filters], [rows, cols]) = (window.input, window.output());
    assert!(inputs.is_multiple_of(rows * cols), "the input is not of whole maps");
    let channels = inputs / (rows * cols);
    assert!(outputs == window.input_len(), "the output is not of height x width x filters");
    let [rows, cols] = window.kernel;
    assert!(weights == filters * rows * cols * channels, "the weight is not of filters x kernel x channels");
    filters
}

/// A transposed convolution, 8 bits, affine: each number of the input adds a whole window to the output.
///
/// ```text
/// sum[y, x, o] = bias[o] + Σ (input[r, q, c] − input_zero_point) · weight[o, i, j, c]
///                over all r, q, i, j with y = r · s + i · d − top and x = q · s + j · d − left
/// output[y, x, o] = clamp(round(sum · scale[o]) + output_zero_point, low, high)
/// ```
///
/// Sums wrap at 32 bits. `window` is that of the convolution backwards: its `input` has the size of the output, and windows of it
/// stand at the numbers of the input.
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
    affine.check(check(window, [input.len(), weight.len(), output.len()]));
    assert!(affine.weight_zero_point == 0, "weights of a convolution have no zero point");
    let store = |at: usize, filter, sum: i32| output[at] = affine.output(sum, filter);
    transpose(window, (input, affine.input_zero_point), weight, |filter| affine.start(filter), store);
}

/// As [`conv_transpose2d_s8`] with 16-bit activations and 64-bit sums, whose zero points are zero.
///
/// # Panics
/// Where the lengths do not belong together, or a scale has a shift above 7.
///
/// # Source
/// TensorFlow Lite's `TransposeConv` of 16 bits, its sums; scaled as CMSIS-NN's `arm_convolve_s16` does.
pub fn conv_transpose2d_s16x8(
    input: &[i16],
    window: &Window,
    weight: &[i8],
    affine: &AffineWide<'_>,
    output: &mut [i16],
) {
    wide(input, window, weight, affine, output);
}

/// As [`conv_transpose2d_s16x8`], of 16-bit weights. No other library has it; the formula is the same.
///
/// # Panics
/// As [`conv_transpose2d_s16x8`].
pub fn conv_transpose2d_s16(
    input: &[i16],
    window: &Window,
    weight: &[i16],
    affine: &AffineWide<'_>,
    output: &mut [i16],
) {
    wide(input, window, weight, affine, output);
}

fn wide<W: Into<i32> + Copy>(
    input: &[i16],
    window: &Window,
    weight: &[W],
    affine: &AffineWide<'_>,
    output: &mut [i16],
) {
    affine.check(check(window, [input.len(), weight.len(), output.len()]));
    let store = |at: usize, filter, sum: i64| output[at] = affine.output(sum, filter);
    transpose(window, (input, 0), weight, |filter| affine.start(filter), store);
}

macro_rules! power_of_two_forms {
    ($($name:ident, $wide:ident: $x:ty, $w:ty, $b:ty => $saturate:ident;)*) => { $(
        #[doc = concat!("A transposed convolution, activations `", stringify!($x), "`, weights `", stringify!($w), "`, power of two.")]
        ///
        /// ```text
        /// sum[y, x, o] = (bias[o] << bias_shift) + Σ input[r, q, c] · weight[o, i, j, c]      wrapping at 32 bits
        /// output[y, x, o] = saturate((sum + half) >> out_shift)           half = 2^out_shift / 2, or 0 for floor
        /// ```
        ///
        /// Sums are over what meets at a place, as in [`conv_transpose2d_s8`].
        ///
        /// # Shapes
        /// As [`conv_transpose2d_s8`].
        ///
        /// # Panics
        /// Where the lengths do not belong together.
        ///
        /// # Source
        /// No other library has it; the roundings are those of the convolution.
        pub fn $name(
            input: &[$x],
            window: &Window,
            weight: &[$w],
            (bias, shifts): (&[$b], Shifts),
            output: &mut [$x],
        ) {
            power_of_two::<i32, _, _, _, _>((input, window), weight, (bias, shifts), output, $saturate);
        }

        #[doc = concat!("As [`", stringify!($name), "`], with 64-bit sums, which do not wrap.")]
        ///
        /// # Panics
        /// Where the lengths do not belong together.
        pub fn $wide(
            input: &[$x],
            window: &Window,
            weight: &[$w],
            (bias, shifts): (&[$b], Shifts),
            output: &mut [$x],
        ) {
            power_of_two::<i64, _, _, _, _>((input, window), weight, (bias, shifts), output, $saturate);
        }
    )* };
}

power_of_two_forms! {
    conv_transpose2d_q7, conv_transpose2d_q7_wide: i8, i8, i8 => q7;
    conv_transpose2d_q15, conv_transpose2d_q15_wide: i16, i16, i16 => q15;
    conv_transpose2d_q7_q15, conv_transpose2d_q7_q15_wide: i16, i8, i8 => q15;
}

fn power_of_two<A: Sum, X: Into<i32> + Copy, W: Into<i32> + Copy, B: Into<i32> + Copy, Y>(
    (input, window): (&[X], &Window),
    weight: &[W],
    (bias, shifts): (&[B], Shifts),
    output: &mut [Y],
    saturate: fn(i32) -> Y,
) {
    check_bias(bias.len(), check(window, [input.len(), weight.len(), output.len()]));
    let start = |filter| A::of_bias(bias, filter, shifts);
    transpose(window, (input, 0), weight, start, |at, _, sum: A| output[at] = saturate(sum.rounded(shifts)));
}
