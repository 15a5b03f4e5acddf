//! Fully connected layers of whole numbers.

use crate::interleaved::Interleaved;
use crate::round::{Multiplier, Rounding, ShiftRounding, power_of_two, reduced};

/// The shifts of a layer of the power-of-two scheme.
///
/// ```text
/// bias_shift = fraction bits of input + of weight − of bias        out_shift = fraction bits of input + of weight − of output
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shifts {
    bias: u32,
    out: u32,
    rounding: ShiftRounding,
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
trait Sum: Copy {
    /// A bias, shifted to the left.
    fn start(bias: i32, shift: u32) -> Self;
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

/// The plain form of all functions of the power-of-two scheme.
fn plain<A: Sum, W: Into<i32> + Copy, X: Into<i32> + Copy, B: Into<i32> + Copy, Y>(
    (input, weight, bias): (&[X], &[W], &[B]),
    shifts: Shifts,
    output: &mut [Y],
    saturate: fn(i32) -> Y,
) {
    check([input.len(), weight.len(), output.len()], &[bias.len()]);
    for (index, output) in output.iter_mut().enumerate() {
        let row = &weight[index * input.len()..][..input.len()];
        let mut sum: A = start(bias, index, shifts);
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
    check([input.len(), weight.len(), output.len()], &[bias.len()]);
    let (cols, (group, width)) = (input.len(), layout.group());
    let grouped = cols / width * width;
    let whole = output.len() / 4 * 4;
    for (index, output) in output[..whole].chunks_exact_mut(4).enumerate() {
        let (first, block) = (4 * index, &weight[4 * index * cols..][..4 * cols]);
        let mut sums: [A; 4] = core::array::from_fn(|row| start(bias, first + row, shifts));
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

fn start<A: Sum, B: Into<i32> + Copy>(bias: &[B], row: usize, shifts: Shifts) -> A {
    A::start(if bias.is_empty() { 0 } else { bias[row].into() }, shifts.bias)
}

fn check([inputs, weights, outputs]: [usize; 3], per_row: &[usize]) {
    assert!(inputs.checked_mul(outputs) == Some(weights), "the weight is not of outputs x inputs");
    assert!(per_row.iter().all(|len| *len == 0 || *len == outputs), "the bias is not of one number for each output");
}

fn q7(value: i32) -> i8 {
    value.clamp(-128, 127) as i8
}

fn q15(value: i32) -> i16 {
    value.clamp(-32768, 32767) as i16
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
            plain::<i32, _, _, _, _>((input, weight, bias), shifts, output, $saturate);
        }

        #[doc = concat!("As [`", stringify!($name), "`], of weights in the layout [`Interleaved::", stringify!($layout), "`]; the same bits.")]
        ///
        /// # Panics
        /// Where the lengths do not belong together.
        pub fn $opt(input: &[$x], weight: &[$w], bias: &[$b], shifts: Shifts, output: &mut [$y]) {
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

/// The scale of a row: the only one, or its own.
fn scale(scales: &[Multiplier], row: usize) -> Multiplier {
    if scales.len() == 1 { scales[0] } else { scales[row] }
}

fn check_scales(scales: &[Multiplier], outputs: usize) {
    assert!(scales.len() == 1 || scales.len() == outputs, "the scales are neither one nor one for each output");
}

impl Affine<'_> {
    /// A sum as an output.
    fn output(&self, sum: i32, row: usize) -> i8 {
        let scaled = self.rounding.apply(sum, scale(self.scales, row)) + i64::from(self.output_zero_point);
        let [low, high] = self.clamp;
        scaled.clamp(i64::from(low.max(-128)), i64::from(high.min(127))) as i8
    }

    fn run(&self, input: &[i8], output: &mut [i8], weight: impl Fn(usize) -> i32) {
        let cols = input.len();
        for (row, output) in output.iter_mut().enumerate() {
            let mut sum = if self.bias.is_empty() { 0 } else { self.bias[row] };
            for (col, x) in input.iter().enumerate() {
                let x = i32::from(*x).wrapping_sub(self.input_zero_point);
                let w = weight(row * cols + col).wrapping_sub(self.weight_zero_point);
                sum = sum.wrapping_add(x.wrapping_mul(w));
            }
            *output = self.output(sum, row);
        }
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
    check([input.len(), weight.len(), output.len()], &[affine.bias.len()]);
    check_scales(affine.scales, output.len());
    affine.run(input, output, |at| i32::from(weight[at]));
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
    check([input.len(), count.unwrap_or(0), output.len()], &[affine.bias.len()]);
    check_scales(affine.scales, output.len());
    affine.run(input, output, |at| i32::from(nibble(weight, at)));
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
    check([input.len(), weight.len(), output.len()], &[affine.bias.len()]);
    check_scales(affine.scales, output.len());
    let [low, high] = affine.clamp;
    for (row, output) in output.iter_mut().enumerate() {
        let mut sum = if affine.bias.is_empty() { 0 } else { affine.bias[row] };
        for (x, w) in input.iter().zip(&weight[row * input.len()..][..input.len()]) {
            sum = sum.wrapping_add(i64::from(*x) * (*w).into());
        }
        let scaled = reduced(sum, scale(affine.scales, row));
        *output = scaled.clamp(low.max(-32768), high.min(32767)) as i16;
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
