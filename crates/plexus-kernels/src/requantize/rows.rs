//! Requantization of the rows of a register tile: plain loops over small arrays, which compilers turn into vectors
//! inside the bodies that call them.

// Loops over lanes are written with indices: their bounds are constants, and several arrays go side by side.
#![allow(clippy::needless_range_loop)]

use super::{Mode, Multiplier, Requantize, RequantizeWide, ShiftRounding, reference};

/// A type of output: results are limited to its range and then fit.
pub trait Output: Copy + Send + Sync + 'static {
    /// The least value.
    const LOW: i32;
    /// The largest value.
    const HIGH: i32;
    /// The same number; the caller limited it to the range.
    fn narrow(x: i32) -> Self;
}

impl Output for i8 {
    const LOW: i32 = -128;
    const HIGH: i32 = 127;
    #[inline(always)]
    fn narrow(x: i32) -> Self {
        x as i8
    }
}

impl Output for u8 {
    const LOW: i32 = 0;
    const HIGH: i32 = 255;
    #[inline(always)]
    fn narrow(x: i32) -> Self {
        x as u8
    }
}

impl Output for i16 {
    const LOW: i32 = -32768;
    const HIGH: i32 = 32767;
    #[inline(always)]
    fn narrow(x: i32) -> Self {
        x as i16
    }
}

/// The limits of a clamp inside the range of a type; a clamp outside the range gives its nearer end.
fn limits<O: Output>(low: i32, high: i32) -> (i32, i32) {
    (low.clamp(O::LOW, O::HIGH), high.clamp(O::LOW, O::HIGH))
}

/// The nearest whole number, halves to even, of a number below 2²² in size.
///
/// Added to 1.5 · 2²³ it is rounded to a whole number, which stands in the low bits of the sum: compilers make vectors of that, and not of
/// conversions that care for NaN and large numbers.
#[inline(always)]
fn nearest(y: f32) -> i32 {
    const FAR: f32 = 12_582_912.0;
    ((y + FAR).to_bits() as i32).wrapping_sub(FAR.to_bits() as i32)
}

/// The nearest whole number, halves away from zero, of a number below 2³⁰ in size.
#[inline(always)]
pub(super) fn nearest_from_zero(y: f64) -> i32 {
    // The largest number below a half: what is nearer to the number before does not reach the next one.
    const HALF: f64 = 0.499_999_999_999_999_94;
    whole((y + HALF.copysign(y)).trunc())
}

/// A whole number below 2³⁰ in size, from the low bits of its sum with 1.5 · 2⁵².
#[inline(always)]
pub(crate) fn whole(y: f64) -> i32 {
    const FAR: f64 = 6_755_399_441_055_744.0;
    (y + FAR).to_bits() as i32
}

/// Scales of `NR` channels from `channel` on; the one scale where there is only one; `fill` beyond the last.
#[inline(always)]
fn scales<T, U: Copy, const NR: usize>(all: &[T], channel: usize, fill: U, of: impl Fn(&T) -> U) -> [U; NR] {
    if let [one] = all {
        return [of(one); NR];
    }
    let mut scales = [fill; NR];
    for (to, from) in scales.iter_mut().zip(&all[channel..]) {
        *to = of(from);
    }
    scales
}

/// Rows of finished sums. A trait and no closure: compilers leave closures outside of the function that is compiled for an instruction
/// set.
pub(crate) trait RowsOfSums<A, const NR: usize> {
    /// Those of one row.
    fn row(&self, row: usize) -> [A; NR];
}

/// Requantizes rows of `NR` sums whose first channel is `channel`; `write(row, outputs)` gets each.
#[inline(always)]
pub(crate) fn requantize_rows<O: Output, const NR: usize>(
    requantize: &Requantize,
    channel: usize,
    rows: usize,
    from: &impl RowsOfSums<i32, NR>,
    mut write: impl FnMut(usize, &[O; NR]),
) {
    let (low, high) = limits::<O>(requantize.low, requantize.high);
    // The zero point is added after the clamp, to limits that are moved against it: no sum can overflow.
    let zero = requantize.zero_point;
    let (low, high) = (low - zero, high - zero);
    let mut out = [O::narrow(0); NR];
    match &requantize.mode {
        Mode::Shift { out_shift, rounding } => {
            let half = match rounding {
                ShiftRounding::HalfUp => (1 << out_shift) >> 1,
                ShiftRounding::Floor => 0,
            };
            for row in 0..rows {
                let sums = from.row(row);
                for j in 0..NR {
                    let y = sums[j].wrapping_add(half) >> out_shift;
                    out[j] = O::narrow(y.clamp(low, high) + zero);
                }
                write(row, &out);
            }
        }
        Mode::Double(all) => {
            let multiplier: [i32; NR] = scales(all, channel, 0, |scale: &Multiplier| scale.multiplier());
            let left: [u32; NR] = scales(all, channel, 0, |scale: &Multiplier| scale.shift().max(0) as u32);
            let right: [u32; NR] = scales(all, channel, 0, |scale: &Multiplier| (-scale.shift()).max(0) as u32);
            let mask = right.map(|right| (1u32 << right).wrapping_sub(1) as i32);
            for row in 0..rows {
                let sums = from.row(row);
                for j in 0..NR {
                    let shifted = sums[j] << left[j];
                    let high31 = ((i64::from(shifted) * i64::from(multiplier[j]) + (1 << 30)) >> 31) as i32;
                    let remainder = high31 & mask[j];
                    let threshold = (mask[j] >> 1) + i32::from(high31 < 0);
                    let y = (high31 >> right[j]) + i32::from(remainder > threshold);
                    out[j] = O::narrow(y.clamp(low, high) + zero);
                }
                write(row, &out);
            }
        }
        Mode::Single(all) => {
            let multiplier: [i32; NR] = scales(all, channel, 0, |scale: &Multiplier| scale.multiplier());
            let right: [u32; NR] = scales(all, channel, 31, |scale: &Multiplier| (31 - scale.shift()) as u32);
            let half = right.map(|right| 1i64 << (right - 1));
            for row in 0..rows {
                let sums = from.row(row);
                for j in 0..NR {
                    let y = (i64::from(sums[j]) * i64::from(multiplier[j]) + half[j]) >> right[j];
                    out[j] = O::narrow(y.clamp(i64::from(low), i64::from(high)) as i32 + zero);
                }
                write(row, &out);
            }
        }
        Mode::Float64(all) => {
            let scale: [f64; NR] = scales(all, channel, 0.0, |scale: &f64| *scale);
            for row in 0..rows {
                let sums = from.row(row);
                for j in 0..NR {
                    // Limits are whole numbers: clamping first gives the same, and the result fits.
                    let y = (f64::from(sums[j]) * scale[j]).clamp(f64::from(low), f64::from(high));
                    out[j] = O::narrow(nearest_from_zero(y) + zero);
                }
                write(row, &out);
            }
        }
        Mode::Float32(all) => {
            let scale: [f32; NR] = scales(all, channel, 0.0, |scale: &f32| *scale);
            for row in 0..rows {
                let sums = from.row(row);
                for j in 0..NR {
                    let y = (sums[j] as f32 * scale[j]).clamp(low as f32, high as f32);
                    out[j] = O::narrow(nearest(y) + zero);
                }
                write(row, &out);
            }
        }
    }
}

/// As [`requantize_rows`], for 64-bit sums.
#[inline(always)]
pub(crate) fn requantize_rows_wide<O: Output, const NR: usize>(
    requantize: &RequantizeWide,
    channel: usize,
    rows: usize,
    from: &impl RowsOfSums<i64, NR>,
    mut write: impl FnMut(usize, &[O; NR]),
) {
    let (low, high) = limits::<O>(requantize.low, requantize.high);
    let all = &requantize.multipliers;
    let multiplier: [i64; NR] =
        scales(all, channel, 0, |&scale: &Multiplier| reference::reduced_multiplier(scale).into());
    let right: [u32; NR] = scales(all, channel, 14, |scale: &Multiplier| (14 - scale.shift()) as u32);
    let mut out = [O::narrow(0); NR];
    for row in 0..rows {
        let sums = from.row(row);
        for j in 0..NR {
            let y = (sums[j].wrapping_mul(multiplier[j]) >> right[j]) as i32;
            out[j] = O::narrow((y.wrapping_add(1) >> 1).clamp(low, high));
        }
        write(row, &out);
    }
}
