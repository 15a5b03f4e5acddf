//! From what values are like to ranges, and from ranges to scales.

use crate::error::QuantError;
use crate::statistics::{BINS, ValueStatistics};
use plexus_nn::{DType, Quant};
use serde::Serialize;

/// How the ranges of values are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Calibration {
    /// From the smallest to the largest number that came.
    #[default]
    MinMax,
    /// This share of the numbers is inside, in percent; half of the rest is above, half below.
    Percentile(f32),
    /// The range in which the rounded numbers tell most of the distribution: of 8 bits, the smallest Kullback-Leibler divergence.
    Entropy,
}

impl Calibration {
    /// The share of numbers that the percentile keeps where nothing is said.
    pub const PERCENT: f32 = 99.99;

    pub(crate) fn check(self) -> Result<(), QuantError> {
        match self {
            Calibration::Percentile(percent) if !(percent > 50.0 && percent <= 100.0) => Err(QuantError::Option {
                what: "the percentile of the calibration",
                expected: "more than 50, and at most 100".to_string(),
                got: percent.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// The range of a value; zero is in it.
    pub(crate) fn range(self, statistics: &ValueStatistics) -> [f32; 2] {
        let ValueStatistics { min, max, .. } = *statistics;
        let [low, high] = match self {
            Calibration::MinMax => [min, max],
            Calibration::Percentile(percent) => percentile(statistics, f64::from(percent)),
            Calibration::Entropy => {
                let most = entropy(statistics);
                [min.max(-most), max.min(most)]
            }
        };
        [low.min(0.0), high.max(0.0)]
    }
}

/// The ends between which a share of the numbers lies.
fn percentile(statistics: &ValueStatistics, percent: f64) -> [f32; 2] {
    let total: u64 = statistics.histogram.iter().sum();
    let outside = (total as f64 * (1.0 - percent / 100.0) / 2.0).floor() as u64;
    let bars: Vec<(f64, u64)> = statistics.bars().collect();
    let end = |mut bars: Box<dyn Iterator<Item = &(f64, u64)> + '_>| {
        let mut seen = 0;
        let found = bars.find(|(_, count)| {
            seen += count;
            seen > outside
        });
        found.map_or(0.0, |(middle, _)| *middle)
    };
    let half = (f64::from(statistics.max) - f64::from(statistics.min)) / BINS as f64 / 2.0;
    [(end(Box::new(bars.iter())) - half) as f32, (end(Box::new(bars.iter().rev())) + half) as f32]
}

/// The largest magnitude to be kept, by the divergence between the distribution and what is left of it with 128 steps.
///
/// # Source
/// Migacz 2017, "8-bit inference with TensorRT" (GTC), its procedure.
fn entropy(statistics: &ValueStatistics) -> f32 {
    const STEPS: usize = 128;
    let most = f64::from(statistics.max.max(-statistics.min));
    if most <= 0.0 {
        return 0.0;
    }
    let mut sizes = vec![0.0f64; BINS];
    for (middle, count) in statistics.bars() {
        sizes[((middle.abs() / most * BINS as f64) as usize).min(BINS - 1)] += count as f64;
    }
    let total: f64 = sizes.iter().sum();
    let mut best = (f64::INFINITY, BINS);
    for kept in (STEPS..=BINS).step_by(16) {
        // What is beyond counts as the last one.
        let mut p = sizes[..kept].to_vec();
        p[kept - 1] += sizes[kept..].iter().sum::<f64>();
        let mut divergence = 0.0;
        for step in 0..STEPS {
            let (first, end) = (step * kept / STEPS, (step + 1) * kept / STEPS);
            let filled = sizes[first..end].iter().filter(|size| **size > 0.0).count();
            if filled == 0 {
                continue;
            }
            let q = sizes[first..end].iter().sum::<f64>() / filled as f64;
            for at in first..end {
                if sizes[at] > 0.0 && p[at] > 0.0 {
                    divergence += p[at] / total * (p[at] / q).ln();
                }
            }
        }
        // A bar that was empty, and holds what is beyond, tells more than any step can say.
        if sizes[kept - 1] == 0.0 && p[kept - 1] > 0.0 {
            divergence += p[kept - 1] / total * 20.0;
        }
        if divergence < best.0 - 1e-12 {
            best = (divergence, kept);
        }
    }
    (most * best.1 as f64 / BINS as f64) as f32
}

/// The smallest scale: no value is told more finely.
const LEAST: f32 = 1e-12;

/// Whole numbers for a range, in the affine schemes: of 16 bits zero stands for zero.
pub fn affine(dtype: DType, [low, high]: [f32; 2]) -> Quant {
    match dtype {
        DType::I8 => {
            let scale = ((f64::from(high) - f64::from(low)) / 255.0) as f32;
            let scale = if scale >= LEAST { scale } else { 1.0 / 255.0 };
            let zero_point = (-128.0 - f64::from(low) / f64::from(scale)).round().clamp(-128.0, 127.0);
            Quant::new(dtype, scale, zero_point as i32)
        }
        _ => {
            let scale = (f64::from(high.max(-low)) / 32767.0) as f32;
            Quant::new(dtype, if scale >= LEAST { scale } else { 1.0 / 32767.0 }, 0)
        }
    }
}

/// A scale of so many fraction bits.
pub fn power(dtype: DType, fraction: i32) -> Quant {
    Quant::new(dtype, 2f32.powi(-fraction), 0)
}

/// The most and the fewest fraction bits that are looked for.
pub const FRACTIONS: std::ops::RangeInclusive<i32> = -16..=30;

/// The fraction bits, at most `most`, with which whole numbers tell a distribution with the smallest squared error: too many cut off the
/// large numbers, too few round the small ones.
pub fn best_fraction(dtype: DType, bars: &[(f64, u64)], most: i32) -> i32 {
    let [low, high] = Quant::new(dtype, 1.0, 0).range().map(f64::from);
    let error = |fraction: i32| -> f64 {
        let scale = 2f64.powi(fraction);
        // Rounding inside of a bar is even: a twelfth of a step squared, if the bar is wider than a step or not.
        let one = |(middle, count): &(f64, u64)| {
            let number = (middle * scale).round().clamp(low, high);
            let clipped = middle * scale < low - 0.5 || middle * scale > high + 0.5;
            let squared = if clipped { (number / scale - middle).powi(2) } else { 1.0 / (12.0 * scale * scale) };
            squared * *count as f64
        };
        bars.iter().filter(|(_, count)| *count > 0).map(one).sum()
    };
    let candidates = *FRACTIONS.start()..=most.min(*FRACTIONS.end());
    let better = |best: (f64, i32), fraction: i32| {
        let error = error(fraction);
        if error < best.0 { (error, fraction) } else { best }
    };
    candidates.fold((f64::INFINITY, most.min(*FRACTIONS.end())), better).1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f32]) -> ValueStatistics {
        let min = values.iter().copied().fold(f32::INFINITY, f32::min);
        let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut histogram = vec![0; BINS];
        for value in values {
            let at = (f64::from(value - min) / f64::from(max - min) * BINS as f64) as usize;
            histogram[at.min(BINS - 1)] += 1;
        }
        ValueStatistics { min, max, histogram, means: vec![] }
    }

    /// Numbers around zero, and one far away.
    fn with_an_outlier() -> ValueStatistics {
        let mut values: Vec<f32> = (0..100_000).map(|at| (at as f32 * 0.37).sin() * (at as f32 * 0.11).cos()).collect();
        values.push(40.0);
        of(&values)
    }

    #[test]
    fn percentile_and_entropy_leave_an_outlier_out() {
        let statistics = with_an_outlier();
        let [low, high] = Calibration::MinMax.range(&statistics);
        assert!(low < -0.99 && high == 40.0, "{low} {high}");
        for calibration in [Calibration::Percentile(99.99), Calibration::Entropy] {
            let [low, high] = calibration.range(&statistics);
            assert!((-1.1..-0.9).contains(&low) && (0.9..6.0).contains(&high), "{calibration:?}: {low} {high}");
        }
    }

    #[test]
    fn a_range_has_zero_in_it() {
        let statistics = of(&[3.0, 4.0, 5.0]);
        assert_eq!(Calibration::MinMax.range(&statistics), [0.0, 5.0]);
        let quant = affine(DType::I8, [0.0, 5.0]);
        assert_eq!((quant.number(0.0), quant.number(5.0)), (-128, 127));
        assert_eq!(quant.value(-128), 0.0);
    }

    #[test]
    fn a_constant_value_has_a_scale_too() {
        for dtype in [DType::I8, DType::I16] {
            let quant = affine(dtype, [0.0, 0.0]);
            assert!(quant.scale > 0.0 && quant.value(quant.zero_point) == 0.0);
        }
    }

    #[test]
    fn fraction_bits_are_the_best_of_all() {
        // Even numbers from -1 to 1: 127 / 128 is as far as 7 fraction bits go.
        let bars: Vec<(f64, u64)> = (0..2000).map(|at| (at as f64 / 1000.0 - 1.0, 1)).collect();
        assert_eq!(best_fraction(DType::I8, &bars, 30), 7);
        assert_eq!(best_fraction(DType::I16, &bars, 30), 15);
        assert_eq!(best_fraction(DType::I8, &bars, 4), 4);
        // Few large numbers do not take the bits of many small ones.
        let mut small: Vec<(f64, u64)> = (0..2000).map(|at| (at as f64 / 100_000.0, 1000)).collect();
        small.push((0.5, 1));
        assert!(best_fraction(DType::I8, &small, 30) > 8);
    }
}
