//! What is to be known of many numbers at a glance.

use serde::Serialize;

/// How many numbers lie in each of [`Histogram::BINS`] steps of equal width.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Histogram {
    /// Where the first step begins.
    pub low: f64,
    /// Where the last step ends, itself included. Where all numbers are the same, this is [`Histogram::low`], and all of them are
    /// in the first step.
    pub high: f64,
    /// Numbers of each step; empty where there are none.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// How many steps there are.
    pub const BINS: usize = 24;

    /// The step of a number between the ends.
    fn bin(&self, value: f64) -> usize {
        let width = self.high - self.low;
        if width > 0.0 { (((value - self.low) / width * Self::BINS as f64) as usize).min(Self::BINS - 1) } else { 0 }
    }

    /// Makes room for numbers from `low` to `high`: the range is doubled until they are in it, two steps becoming one.
    fn reach(&mut self, low: f64, high: f64) {
        if self.counts.is_empty() || self.low == self.high {
            let (before, value) = (self.counts.first().copied(), self.low);
            (self.low, self.high) = if before.is_some() { (low.min(value), high.max(value)) } else { (low, high) };
            self.counts = vec![0; Self::BINS];
            let at = self.bin(value);
            self.counts[at] = before.unwrap_or(0);
            return;
        }
        while low < self.low || high > self.high {
            let pairs: Vec<u64> = self.counts.chunks(2).map(|pair| pair.iter().sum()).collect();
            let none = vec![0; Self::BINS / 2];
            let width = self.high - self.low;
            self.counts = if high > self.high {
                self.high += width;
                [pairs, none].concat()
            } else {
                self.low -= width;
                [none, pairs].concat()
            };
        }
    }

    /// Where the steps begin, and where the last one ends.
    pub fn edges(&self) -> Vec<f64> {
        let step = (self.high - self.low) / Self::BINS as f64;
        let edge = |at: usize| if at == Self::BINS { self.high } else { self.low + step * at as f64 };
        (0..=Self::BINS).map(edge).collect()
    }
}

/// What is to be known of many numbers. Sums are taken in f64.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Statistics {
    /// How many numbers there are.
    pub count: u64,
    /// Those that are NaN or infinite. All that follows is of the others, and NaN where there are no others.
    pub not_finite: u64,
    /// Their sum by their count.
    pub mean: f64,
    /// The root of the mean of the squares of their distances from the mean.
    pub deviation: f64,
    #[allow(missing_docs)]
    pub min: f64,
    #[allow(missing_docs)]
    pub max: f64,
    /// Those that are exactly zero, from 0 to 1.
    pub zero_share: f64,
    /// How they are spread. Of numbers that come batch by batch, the ends are not those of all but include them.
    pub histogram: Histogram,
}

/// Statistics that grow with each batch of numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    pub(super) count: u64,
    not_finite: u64,
    mean: f64,
    /// The sum of the squares of the distances from the mean.
    squares: f64,
    min: f64,
    max: f64,
    zeros: u64,
    histogram: Histogram,
}

impl Gathered {
    pub(super) fn add(&mut self, values: &[f32]) {
        let (mut sum, mut finite, mut zeros) = (0.0, 0u64, 0);
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        for value in values.iter().filter(|value| value.is_finite()) {
            sum += f64::from(*value);
            finite += 1;
            zeros += u64::from(*value == 0.0);
            (low, high) = (low.min(*value), high.max(*value));
        }
        let before = self.count - self.not_finite;
        self.count += values.len() as u64;
        self.not_finite += values.len() as u64 - finite;
        if finite == 0 {
            return;
        }
        let (low, high, mean) = (f64::from(low), f64::from(high), sum / finite as f64);
        self.histogram.reach(low, high);
        let mut squares = 0.0;
        for value in values.iter().filter(|value| value.is_finite()).map(|value| f64::from(*value)) {
            squares += (value - mean) * (value - mean);
            let bin = self.histogram.bin(value);
            self.histogram.counts[bin] += 1;
        }
        // Two sets as one: the means by their counts, and between them the square of their distance.
        let (distance, share) = (mean - self.mean, finite as f64 / (before + finite) as f64);
        self.squares += squares + distance * distance * before as f64 * share;
        self.mean += distance * share;
        (self.min, self.max) = if before == 0 { (low, high) } else { (self.min.min(low), self.max.max(high)) };
        self.zeros += zeros;
    }

    pub(super) fn statistics(&self) -> Statistics {
        let finite = self.count - self.not_finite;
        let known = |value: f64| if finite > 0 { value } else { f64::NAN };
        Statistics {
            count: self.count,
            not_finite: self.not_finite,
            mean: known(self.mean),
            deviation: known((self.squares / finite as f64).sqrt()),
            min: known(self.min),
            max: known(self.max),
            zero_share: known(self.zeros as f64 / finite as f64),
            histogram: self.histogram.clone(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use plexus_kernels::random::{Random, Stream};

    pub fn normal(count: usize, seed: u64) -> Vec<f32> {
        let mut values = vec![0.0; count];
        Random::new(seed, Stream::Init, [0, 0]).normal(0.0, 1.0, &mut values);
        values
    }

    /// Against the plain formulas, over all numbers at once.
    pub fn compare(found: &Statistics, values: &[f32]) {
        let finite: Vec<f64> = values.iter().filter(|value| value.is_finite()).map(|value| f64::from(*value)).collect();
        let count = finite.len() as f64;
        let mean = finite.iter().sum::<f64>() / count;
        let deviation = (finite.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * b.abs().max(1.0);
        assert_eq!((found.count, found.not_finite), (values.len() as u64, (values.len() - finite.len()) as u64));
        assert!(near(found.mean, mean) && near(found.deviation, deviation), "{found:?}: {mean}, {deviation}");
        assert_eq!(found.min, finite.iter().copied().fold(f64::INFINITY, f64::min));
        assert_eq!(found.max, finite.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        assert!(near(found.zero_share, finite.iter().filter(|value| **value == 0.0).count() as f64 / count));
        let (edges, counts) = (found.histogram.edges(), &found.histogram.counts);
        assert_eq!((counts.len(), edges.len()), (Histogram::BINS, Histogram::BINS + 1));
        assert_eq!(counts.iter().sum::<u64>(), finite.len() as u64);
        assert!(edges[0] <= found.min && found.max <= edges[Histogram::BINS]);
        if edges[0] == edges[1] {
            return;
        }
        for (bin, got) in counts.iter().enumerate() {
            let (low, high, last) = (edges[bin], edges[bin + 1], bin + 1 == Histogram::BINS);
            let inside = finite.iter().filter(|value| **value >= low && (**value < high || last)).count() as u64;
            assert!(got.abs_diff(inside) <= 1, "step {bin} from {low} to {high}: {got}, {inside}");
        }
    }

    #[test]
    fn statistics_are_those_of_the_plain_formulas_however_the_numbers_come() {
        let mut values = normal(5000, 1);
        values.iter_mut().step_by(7).for_each(|value| *value = 0.0);
        (values[40], values[3000], values[4999]) = (f32::NAN, f32::INFINITY, 1e4);
        let far: Vec<f32> = normal(3000, 2).into_iter().map(|value| 1e6 + value).collect();
        let wide = [f32::MAX, f32::MIN, 0.0, f32::MIN_POSITIVE, -0.0].to_vec();
        for values in [&values[..], &values[100..2000], &far, &wide, &[2.5; 9], &[0.0], &[-1.0, 3.0]] {
            for batch in [1, 2, 37, values.len()] {
                let mut gathered = Gathered::default();
                values.chunks(batch).for_each(|batch| gathered.add(batch));
                if values.len() != wide.len() {
                    compare(&gathered.statistics(), values);
                }
                let found = gathered.statistics();
                assert_eq!(found.histogram.counts.iter().sum::<u64>(), found.count - found.not_finite);
                assert!(found.deviation.is_finite());
            }
            let mut whole = Gathered::default();
            whole.add(values);
            let Statistics { min, max, histogram, .. } = whole.statistics();
            assert_eq!((histogram.low, histogram.high), (min, max), "numbers that come at once fill the range");
        }
        let mut none = Gathered::default();
        none.add(&[f32::NAN]);
        let found = none.statistics();
        assert!(found.not_finite == 1 && found.mean.is_nan() && found.min.is_nan() && found.zero_share.is_nan());
    }
}
