//! Requantization: from 32-bit or 64-bit sums to small whole numbers, by every rounding that is in use.
//!
//! ```text
//! y = clamp( round(sum · scale[channel]) + zero_point, low, high )
//! ```
//!
//! What `round(sum · scale)` means differs between the programs of the field, by one unit in some outputs of a real
//! layer; so it is a parameter. [`mod@reference`] holds one plain function for each, the definition:
//!
//! | constructor | scale | rounding | who computes so |
//! |---|---|---|---|
//! | [`Requantize::power_of_two`] | `2^-out_shift` | half up, or floor | CMSIS-NN's q7 and q15 functions |
//! | [`Requantize::double_rounding`] | [`Multiplier`] | to 2⁻³¹ half up, then half away from zero | TFLite Micro, CMSIS-NN, gemmlowp |
//! | [`Requantize::single_rounding`] | [`Multiplier`] | half up | TFLite with `TFLITE_SINGLE_ROUNDING`, ruy |
//! | [`Requantize::float64`] | f64 | half away from zero | LiteRT's reference fully connected layer |
//! | [`Requantize::float32`] | f32 | product rounded to f32, then half to even | XNNPACK |
//! | [`RequantizeWide::new`] | [`Multiplier`] cut to 16 bits | half up | int16 activations with 64-bit sums |
//!
//! Scales are one for the whole tensor, or one for each output channel.
//!
//! # Contract
//! - A wrong shift, scale or clamp is refused by the constructor; afterwards every sum is legal.
//! - The clamp is narrowed to the range of the output type, so results saturate and never wrap.
//!
//! # Numerics
//! Exact: every instruction set gives the bits of [`mod@reference`] (`tests.rs`).

mod floats;
pub mod reference;
mod rows;

pub use floats::Scale;
pub use rows::Output;
pub(crate) use rows::{RowsOfSums, requantize_rows, requantize_rows_wide, whole};

pub use plexus_micro::{Multiplier, ShiftRounding};

use std::ops::RangeInclusive;

/// How a sum is scaled and rounded.
#[derive(Clone, Debug, PartialEq)]
enum Mode {
    Shift { out_shift: u32, rounding: ShiftRounding },
    Double(Vec<Multiplier>),
    Single(Vec<Multiplier>),
    Float64(Vec<f64>),
    Float32(Vec<f32>),
}

/// How 32-bit sums become outputs: see the module documentation for the formula.
///
/// # Examples
/// ```
/// use plexus_kernels::requantize::{Multiplier, Requantize};
/// let half = Requantize::double_rounding(&[Multiplier::from_scale(0.5)]).with_zero_point(3).with_clamp(0..=10);
/// assert_eq!([-9, 4, 5, 100].map(|sum| half.apply(sum, 0)), [0, 5, 6, 10]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Requantize {
    mode: Mode,
    zero_point: i32,
    low: i32,
    high: i32,
}

impl Requantize {
    fn new(mode: Mode) -> Self {
        Requantize { mode, zero_point: 0, low: i32::MIN, high: i32::MAX }
    }

    /// Divides by a power of two. The half that is added before the shift wraps, like the sum.
    ///
    /// # Panics
    /// Where `out_shift` is above 30.
    pub fn power_of_two(out_shift: u32, rounding: ShiftRounding) -> Self {
        assert!(out_shift <= 30, "out_shift {out_shift} is above 30");
        Requantize::new(Mode::Shift { out_shift, rounding })
    }

    /// Rounds the product to 31 fraction bits, then the shifted result: one multiplier, or one a channel.
    pub fn double_rounding(multipliers: &[Multiplier]) -> Self {
        Requantize::new(Mode::Double(multipliers.to_vec()))
    }

    /// Rounds the shifted product once, halves up: one multiplier, or one a channel.
    pub fn single_rounding(multipliers: &[Multiplier]) -> Self {
        Requantize::new(Mode::Single(multipliers.to_vec()))
    }

    /// Rounds an f64 product, halves away from zero: one scale, or one a channel.
    ///
    /// # Panics
    /// Where a scale is negative or not finite.
    pub fn float64(scales: &[f64]) -> Self {
        let legal = scales.iter().all(|scale| scale.is_finite() && *scale >= 0.0);
        assert!(legal, "a scale is no finite number from zero up");
        Requantize::new(Mode::Float64(scales.to_vec()))
    }

    /// Rounds an f32 product of the sum rounded to f32, halves to even: one scale, or one a channel.
    ///
    /// # Panics
    /// Where a scale is negative or not finite.
    pub fn float32(scales: &[f32]) -> Self {
        let legal = scales.iter().all(|scale| scale.is_finite() && *scale >= 0.0);
        assert!(legal, "a scale is no finite number from zero up");
        Requantize::new(Mode::Float32(scales.to_vec()))
    }

    /// The same with a number added after the scaling.
    ///
    /// # Panics
    /// Where it is outside -32768..=65535.
    pub fn with_zero_point(self, zero_point: i32) -> Self {
        assert!((-32768..=65535).contains(&zero_point), "zero point {zero_point} is outside -32768..=65535");
        Requantize { zero_point, ..self }
    }

    /// The same with results limited to a range, as a fused ReLU does.
    ///
    /// # Panics
    /// Where the range is empty.
    pub fn with_clamp(self, range: RangeInclusive<i32>) -> Self {
        assert!(range.start() <= range.end(), "the clamp {range:?} is empty");
        Requantize { low: *range.start(), high: *range.end(), ..self }
    }

    /// How many channels it has scales for; `None` where one serves all.
    pub fn channels(&self) -> Option<usize> {
        let len = match &self.mode {
            Mode::Shift { .. } => 1,
            Mode::Double(scales) | Mode::Single(scales) => scales.len(),
            Mode::Float64(scales) => scales.len(),
            Mode::Float32(scales) => scales.len(),
        };
        (len != 1).then_some(len)
    }

    /// One output, by the definition in [`mod@reference`].
    ///
    /// # Panics
    /// Where the channel has no scale.
    pub fn apply(&self, sum: i32, channel: usize) -> i32 {
        let scaled = match &self.mode {
            Mode::Shift { out_shift, rounding } => i64::from(reference::power_of_two(sum, *out_shift, *rounding)),
            Mode::Double(scales) => i64::from(reference::double_rounding(sum, *one_of(scales, channel))),
            Mode::Single(scales) => reference::single_rounding(sum, *one_of(scales, channel)),
            Mode::Float64(scales) => reference::float64(sum, *one_of(scales, channel)),
            Mode::Float32(scales) => reference::float32(sum, *one_of(scales, channel)),
        };
        limit(scaled.saturating_add(i64::from(self.zero_point)), self.low, self.high)
    }
}

/// How 64-bit sums become 16-bit outputs: the multiplier is cut to 16 bits. Zero points are zero in this scheme.
///
/// # Examples
/// ```
/// use plexus_kernels::requantize::{Multiplier, RequantizeWide};
/// let quarter = RequantizeWide::new(&[Multiplier::from_scale(0.25)]);
/// assert_eq!([-7, -6, 6, 7].map(|sum| quarter.apply(sum, 0)), [-2, -1, 2, 2]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RequantizeWide {
    multipliers: Vec<Multiplier>,
    low: i32,
    high: i32,
}

impl RequantizeWide {
    /// One multiplier, or one a channel.
    ///
    /// # Panics
    /// Where a shift is above 7.
    pub fn new(multipliers: &[Multiplier]) -> Self {
        for multiplier in multipliers {
            assert!(multiplier.shift() <= 7, "shift {} is above 7, the most for 64-bit sums", multiplier.shift());
        }
        RequantizeWide { multipliers: multipliers.to_vec(), low: i32::MIN, high: i32::MAX }
    }

    /// The same with results limited to a range, as a fused ReLU does.
    ///
    /// # Panics
    /// Where the range is empty.
    pub fn with_clamp(self, range: RangeInclusive<i32>) -> Self {
        assert!(range.start() <= range.end(), "the clamp {range:?} is empty");
        RequantizeWide { low: *range.start(), high: *range.end(), ..self }
    }

    /// How many channels it has scales for; `None` where one serves all.
    pub fn channels(&self) -> Option<usize> {
        (self.multipliers.len() != 1).then_some(self.multipliers.len())
    }

    /// One output, by the definition in [`mod@reference`].
    ///
    /// # Panics
    /// Where the channel has no scale.
    pub fn apply(&self, sum: i64, channel: usize) -> i32 {
        reference::reduced(sum, *one_of(&self.multipliers, channel)).clamp(self.low, self.high)
    }
}

/// The biases of the power-of-two scheme as start values of a sum: `bias << bias_shift`, wrapping.
///
/// # Panics
/// Where `bias_shift` is above 31.
pub fn shift_bias(bias: impl IntoIterator<Item = impl Into<i32>>, bias_shift: u32) -> Vec<i32> {
    assert!(bias_shift <= 31, "bias_shift {bias_shift} is above 31");
    bias.into_iter().map(|bias| bias.into() << bias_shift).collect()
}

/// The scale of a channel: the only one, or its own.
fn one_of<T>(scales: &[T], channel: usize) -> &T {
    if scales.len() == 1 { &scales[0] } else { &scales[channel] }
}

/// `clamp(x, low, high)`, exact for any `x`.
fn limit(x: i64, low: i32, high: i32) -> i32 {
    let limited = x.clamp(i64::from(low), i64::from(high));
    i32::try_from(limited).expect("the clamp is a range of i32")
}

#[cfg(test)]
pub(crate) mod tests;
