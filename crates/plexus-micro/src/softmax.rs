//! Softmax of whole numbers.

use crate::elementwise::between;
use crate::round::{Multiplier, double_rounding};

/// What [`softmax_s8`] knows of the scale of its inputs.
///
/// ```text
/// multiplier · 2^(shift − 31) = scale · 2^26        least = −⌊31 · 2^26 / 2^shift⌋, so that smaller differences count as nothing
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftmaxScale {
    multiplier: i32,
    shift: u32,
    least: i32,
}

impl SoftmaxScale {
    /// Of inputs that stand for their `multiplier · 2^(shift − 57)`-fold; differences from the largest below `least` give no share.
    ///
    /// # Panics
    /// Where the multiplier is negative, the shift above 30, or `least` above 0.
    pub const fn new(multiplier: i32, shift: u32, least: i32) -> Self {
        assert!(multiplier >= 0 && shift <= 30 && least <= 0, "the scale of the softmax cannot be");
        SoftmaxScale { multiplier, shift, least }
    }
}

/// Bits that are left free above the sum of exponentials.
const SUM_BITS: u32 = 12;

/// Shares of each row, as numbers from −128 to 127 that stand for 0 to 255/256.
///
/// ```text
/// output[j] = 256 · e^(scale · (input[j] − max)) / Σ_k e^(scale · (input[k] − max)) − 128
/// ```
///
/// The exponential is a polynomial times constants for the bits of its argument, the quotient three steps of Newton: the results are
/// those bits, not the nearest ones to the formula (at most 1 apart, `tests/layers.rs`).
///
/// # Shapes
/// `input`, `output`: `[rows, cols]`
///
/// # Panics
/// Where the lengths differ or are no whole rows, or a row is of more than 4095 numbers, whose sum might not fit.
///
/// # Source
/// gemmlowp's fixed-point functions, as TensorFlow Lite and CMSIS-NN's `arm_softmax_s8` use them: the formulas, restated.
pub fn softmax_s8(input: &[i8], cols: usize, scale: SoftmaxScale, output: &mut [i8]) {
    check(input.len(), output.len(), cols);
    assert!(cols < 1 << SUM_BITS, "a row is of more than 4095 numbers");
    for (input, output) in input.chunks_exact(cols.max(1)).zip(output.chunks_exact_mut(cols.max(1))) {
        let largest = input.iter().copied().fold(i8::MIN, i8::max);
        let exponential = |value: i8| {
            let difference = i32::from(value) - i32::from(largest);
            let scaled = || high_product(difference.wrapping_shl(scale.shift), scale.multiplier);
            (difference >= scale.least).then(|| exp_of_negative(scaled()))
        };
        let parts = input.iter().filter_map(|value| exponential(*value));
        // The largest number has the part 1: of SUM_BITS bits before the point and 19 behind it, the sum is from 1 to 4095.
        let sum: i32 = parts.map(|part| divide(part, SUM_BITS)).sum();
        let free = sum.leading_zeros();
        let share_of_one = one_over_one_plus((sum << free).wrapping_sub(i32::MIN));
        let bits = SUM_BITS + 23 - free;
        for (value, output) in input.iter().zip(output) {
            let share = exponential(*value).map(|part| divide(high_product(share_of_one, part), bits) - 128);
            *output = share.unwrap_or(-128).clamp(-128, 127) as i8;
        }
    }
}

/// The functions that [`softmax_s16`] looks up, each with 513 entries over a range, as [`lookup_s16`](crate::lookup_s16) reads them.
///
/// ```text
/// exp[i] ≈ 32768 · e^(10 · i / 512 − 10)        one_over_one_plus[i] ≈ 32768 / (1 + i / 512)        at most 32767
/// ```
///
/// Converters lower each entry by half of the error of the line in the middle between it and the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftmaxTables<'a> {
    /// e^x for x from −10 to 0.
    pub exp: &'a [i16; 513],
    /// 1 / (1 + x) for x from 0 to 1.
    pub one_over_one_plus: &'a [i16; 513],
}

/// As [`softmax_s8`] of 16 bits with tables: shares as numbers from 0 to 32767 that stand for 0 to 32767/32768. `scale` is that of the
/// inputs times 65535 / 10.
///
/// ```text
/// part[j] = exp(clamp(round((input[j] − max) · scale), −65535, 0) + 32767)                   round is double_rounding
/// s = max(Σ_k part[k], 1)                free = leading zeros of s
/// share = one_over_one_plus(min(((s << (free − 1)) + 2^13) >> 14, 131071) − 98304)
/// output[j] = clamp(part[j] · share / 2^(31 − free), 0, 32767)                               halves up
/// ```
///
/// # Numerics
/// Apart from the real softmax at most 2 of 32768, and half a unit of the share's part for each further number of the row, since parts are
/// rounded before they are summed (`tests/layers.rs`). What is more than 10 below the largest counts as if it were 10 below.
///
/// # Shapes
/// `input`, `output`: `[rows, cols]`
///
/// # Panics
/// Where the lengths differ or are no whole rows, or a row is of more than 65536 numbers.
///
/// # Source
/// TensorFlow Lite's `SoftmaxInt16` and CMSIS-NN's `arm_softmax_s16`: the formula, restated.
pub fn softmax_s16(input: &[i16], cols: usize, scale: Multiplier, tables: &SoftmaxTables<'_>, output: &mut [i16]) {
    check(input.len(), output.len(), cols);
    assert!(cols <= 65536, "a row is of more than 65536 numbers");
    for (input, output) in input.chunks_exact(cols.max(1)).zip(output.chunks_exact_mut(cols.max(1))) {
        let largest = input.iter().copied().fold(i16::MIN, i16::max);
        let mut sum = 0i32;
        for (value, output) in input.iter().zip(output.iter_mut()) {
            let difference = double_rounding(i32::from(*value) - i32::from(largest), scale);
            *output = between((difference.clamp(-65535, 0) + 32767) as i16, tables.exp);
            sum += i32::from(*output);
        }
        let sum = i64::from(sum.max(1));
        // From 2^30 to 2^31, rounded to 2^16 to 2^17.
        let free = (sum as u32).leading_zeros();
        let fraction = ((((sum << free) >> 1) + (1 << 13)) >> 14).min(131_071) - 98_304;
        let share = i64::from(between(fraction as i16, tables.one_over_one_plus));
        for output in output {
            let product = (i64::from(*output) * share * 2) >> (31 - free);
            *output = ((product + 1) >> 1).clamp(0, 32767) as i16;
        }
    }
}

/// Shares of the power-of-two scheme, with powers of two in place of the exponential: `output` stands for 0 to 127/128.
///
/// ```text
/// base = max − 8        sum = Σ_k 2^clamp(input[k] − base, 0, 7)
/// output[j] = saturate((2^20 / sum) >> clamp(13 + base − input[j], 0, 31))
/// ```
///
/// # Panics
/// Where the lengths differ.
///
/// # Source
/// CMSIS 5.9.0, `arm_softmax_q7` (Apache-2.0), its formula.
pub fn softmax_q7(input: &[i8], output: &mut [i8]) {
    check(input.len(), output.len(), input.len());
    let base = input.iter().copied().fold(i8::MIN, i8::max) as i32 - 8;
    let sum: i32 = input.iter().map(|value| 1i32 << (i32::from(*value) - base).clamp(0, 7)).sum();
    let whole = (1i32 << 20).checked_div(sum).unwrap_or(0);
    for (value, output) in input.iter().zip(output) {
        *output = (whole >> (13 + base - i32::from(*value)).clamp(0, 31)).clamp(-128, 127) as i8;
    }
}

/// As [`softmax_q7`] of 16 bits: `output` stands for 0 to 32767/32768, and what is 16 or more below the largest gives no share.
///
/// ```text
/// base = max − 16       sum = Σ_k 2^(input[k] − base) over input[k] > base
/// output[j] = input[j] > base ? saturate((2^32 / sum) >> clamp(17 + base − input[j], 0, 31)) : 0
/// ```
///
/// # Panics
/// Where the lengths differ.
///
/// # Source
/// CMSIS 5.9.0, `arm_softmax_q15` (Apache-2.0), its formula.
pub fn softmax_q15(input: &[i16], output: &mut [i16]) {
    check(input.len(), output.len(), input.len());
    let base = input.iter().copied().fold(i16::MIN, i16::max) as i32 - 16;
    let counts = input.iter().map(|value| i32::from(*value) - base).filter(|above| *above > 0);
    let sum: i64 = counts.map(|above| 1i64 << above.clamp(0, 31)).sum();
    let whole = (1i64 << 32).checked_div(sum).unwrap_or(0) as i32;
    for (value, output) in input.iter().zip(output) {
        let below = 17 + base - i32::from(*value);
        let share = if i32::from(*value) > base { whole >> below.clamp(0, 31) } else { 0 };
        *output = share.clamp(-32768, 32767) as i16;
    }
}

fn check(inputs: usize, outputs: usize, cols: usize) {
    assert!(inputs == outputs, "input and output differ in length");
    assert!(inputs == 0 || (cols > 0 && inputs.is_multiple_of(cols)), "the input is not of whole rows");
}

/// `a · b / 2^31`, halves away from zero; the one product that does not fit is the largest number.
const fn high_product(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    let product = a as i64 * b as i64;
    let half = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    ((product + half) / (1 << 31)) as i32
}

/// `value / 2^bits`, halves away from zero.
const fn divide(value: i32, bits: u32) -> i32 {
    if bits > 31 {
        return 0;
    }
    let mask = ((1i64 << bits) - 1) as i32;
    let rest = value & mask;
    (value >> bits) + (rest > (mask >> 1) + (value < 0) as i32) as i32
}

/// `value · 2^bits`, saturating.
const fn times(value: i32, bits: u32) -> i32 {
    let product = (value as i64) << bits;
    if product > i32::MAX as i64 {
        i32::MAX
    } else if product < i32::MIN as i64 {
        i32::MIN
    } else {
        product as i32
    }
}

/// `e^value`, where `value` has 26 bits behind the point and is at most 0; the result has 31.
const fn exp_of_negative(value: i32) -> i32 {
    /// e to −1/4, −1/2, −1, −2, −4, −8, −16, with 31 bits.
    const POWERS: [i32; 7] = [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242];
    /// e^(−1/8) and 1/3, with 31 bits.
    const EIGHTH: i32 = 1_895_147_668;
    const THIRD: i32 = 715_827_883;
    if value == 0 {
        return i32::MAX;
    }
    const QUARTER: i32 = 1 << 24;
    // From −1/4 to 0; what is missing are quarters.
    let within = (value & (QUARTER - 1)) - QUARTER;
    let quarters = within.wrapping_sub(value);
    // x from −1/8 to 1/8: e^(−1/8) · (1 + x + x²/2 + x³/6 + x⁴/24)
    let x = (within << 5) + (1 << 28);
    let x2 = high_product(x, x);
    let fourth = divide(high_product(x2, x2), 2);
    let inner = divide(high_product(fourth + high_product(x2, x), THIRD) + x2, 1);
    let mut result = EIGHTH + high_product(EIGHTH, x + inner);
    let mut bit = 0;
    while bit < POWERS.len() {
        if quarters & (QUARTER << bit) != 0 {
            result = high_product(result, POWERS[bit]);
        }
        bit += 1;
    }
    result
}

/// `1 / (1 + value)` of a number from 0 to 1 with 31 bits, with 31 bits.
const fn one_over_one_plus(value: i32) -> i32 {
    let sum = value as i64 + i32::MAX as i64;
    let half = ((sum + if sum >= 0 { 1 } else { -1 }) / 2) as i32;
    // 48/17 − 32/17 · half, with 29 bits, then steps of Newton.
    let mut x = 1_515_870_810 + high_product(half, -1_010_580_540);
    let mut step = 0;
    while step < 3 {
        x += times(high_product(x, (1 << 29) - high_product(half, x)), 2);
        step += 1;
    }
    times(x, 1)
}
