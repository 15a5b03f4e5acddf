//! Numbers: how far the answers are from the targets.

use serde::{Deserialize, Serialize};

/// Adds up the errors of predicted numbers, row by row, in f64.
///
/// With several outputs, each metric is the plain mean over them, as scikit-learn's `uniform_average`.
///
/// # Examples
/// ```
/// use plexus_train::metrics::RegressionMetrics;
/// let mut metrics = RegressionMetrics::new(1);
/// metrics.add(&[1.0], &[1.0]);
/// metrics.add(&[3.0], &[2.0]);
/// assert_eq!(metrics.mean_absolute_error(), 0.5);
/// assert_eq!(metrics.r2(), 0.5);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RegressionMetrics {
    rows: u64,
    outputs: Vec<OutputErrors>,
}

/// The metrics of a regression, for a report.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegressionScore {
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Coefficient of determination.
    pub r2: f64,
    /// Rows measured.
    pub rows: u64,
}

/// Running sums of one output.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct OutputErrors {
    squared: f64,
    absolute: f64,
    /// Mean of the targets so far, and the sum of squares about it (Welford): exactly zero for a constant target.
    mean: f64,
    spread: f64,
}

impl RegressionMetrics {
    /// Starts with no rows.
    pub fn new(outputs: usize) -> Self {
        RegressionMetrics { rows: 0, outputs: vec![OutputErrors::default(); outputs] }
    }

    /// Adds one row.
    ///
    /// # Panics
    /// Where `target` or `predicted` is not one number per output.
    pub fn add(&mut self, target: &[f32], predicted: &[f32]) {
        assert!(
            target.len() == self.outputs.len() && predicted.len() == self.outputs.len(),
            "add: one number per output"
        );
        self.rows += 1;
        for ((sums, &target), &predicted) in self.outputs.iter_mut().zip(target).zip(predicted) {
            let (target, error) = (f64::from(target), f64::from(predicted) - f64::from(target));
            sums.squared += error * error;
            sums.absolute += error.abs();
            let from_old = target - sums.mean;
            sums.mean += from_old / self.rows as f64;
            sums.spread += from_old * (target - sums.mean);
        }
    }

    /// Rows added.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Root of the mean squared error; NaN without rows.
    pub fn root_mean_squared_error(&self) -> f64 {
        self.mean(|sums| (sums.squared / self.rows as f64).sqrt())
    }

    /// The root mean squared error of always answering the mean of the targets; NaN without rows.
    ///
    /// It is their standard deviation, with the biased variance; a model that is no better has an R² of at most 0.
    pub fn baseline_root_mean_squared_error(&self) -> f64 {
        self.mean(|sums| (sums.spread / self.rows as f64).sqrt())
    }

    /// Mean absolute error; NaN without rows.
    pub fn mean_absolute_error(&self) -> f64 {
        self.mean(|sums| sums.absolute / self.rows as f64)
    }

    /// Coefficient of determination: 1 is perfect, 0 is no better than the mean of the targets, below is worse.
    ///
    /// For a constant target, where it is undefined, 1.0 if every answer is exact and else 0.0, as in scikit-learn.
    /// A single row counts as constant. NaN without rows.
    pub fn r2(&self) -> f64 {
        self.mean(|sums| match (sums.squared == 0.0, sums.spread == 0.0) {
            (true, true) => 1.0,
            // A NaN among the answers stays one.
            (false, true) if !sums.squared.is_nan() => 0.0,
            _ => 1.0 - sums.squared / sums.spread,
        })
    }

    /// All metrics; `None` without rows.
    pub fn score(&self) -> Option<RegressionScore> {
        (self.rows > 0).then(|| RegressionScore {
            rmse: self.root_mean_squared_error(),
            mae: self.mean_absolute_error(),
            r2: self.r2(),
            rows: self.rows,
        })
    }

    fn mean(&self, metric: impl Fn(&OutputErrors) -> f64) -> f64 {
        if self.rows == 0 {
            return f64::NAN;
        }
        self.outputs.iter().map(metric).sum::<f64>() / self.outputs.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-12, "got {got}, want {want}");
    }

    /// Numbers by scikit-learn 1.9.1: `root_mean_squared_error(t, p)`, `mean_absolute_error(t, p)`, `r2_score(t, p)`
    /// with `t = [3, -0.5, 2, 7]; p = [2.5, 0, 2, 8]` and `t = [[.5, 1], [-1, 1], [7, -6]]; p = [[0, 2], [-1, 2], [8, -5]]`.
    #[test]
    fn errors_of_numbers_are_those_of_scikit_learn() {
        let mut metrics = RegressionMetrics::new(1);
        for (target, predicted) in [(3.0, 2.5), (-0.5, 0.0), (2.0, 2.0), (7.0, 8.0)] {
            metrics.add(&[target], &[predicted]);
        }
        close(metrics.root_mean_squared_error(), 0.6123724356957945);
        close(metrics.mean_absolute_error(), 0.5);
        close(metrics.r2(), 0.9486081370449679);
        let mut metrics = RegressionMetrics::new(2);
        for (target, predicted) in [([0.5, 1.0], [0.0, 2.0]), ([-1.0, 1.0], [-1.0, 2.0]), ([7.0, -6.0], [8.0, -5.0])] {
            metrics.add(&target, &predicted);
        }
        let score = metrics.score().expect("there are rows");
        close(score.rmse, 0.8227486121839513);
        close(score.mae, 0.75);
        close(score.r2, 0.9368005266622779);
        assert_eq!(score.rows, 3);
    }

    /// `r2_score([2, 2, 2], [2, 2, 2])` is 1.0, `r2_score([2, 2, 2], [2, 2, 3])` is 0.0.
    #[test]
    fn r2_of_a_constant_target_is_one_if_exact_and_else_zero() {
        let r2 = |pairs: &[(f32, f32)]| {
            let mut metrics = RegressionMetrics::new(1);
            pairs.iter().for_each(|&(target, predicted)| metrics.add(&[target], &[predicted]));
            metrics.r2()
        };
        assert_eq!(r2(&[(2.0, 2.0); 3]), 1.0);
        assert_eq!(r2(&[(2.0, 2.0), (2.0, 2.0), (2.0, 3.0)]), 0.0);
        assert_eq!(r2(&[(0.1, 0.2); 1000]), 0.0);
        assert_eq!(r2(&[(1.0, 1.0)]), 1.0);
        assert!(r2(&[(2.0, f32::NAN)]).is_nan() && r2(&[(1.0, f32::NAN), (2.0, 2.0)]).is_nan());
        // Far from zero, where the sums of squares alone would cancel.
        close(r2(&[(1_000_001.0, 1_000_001.0), (1_000_002.0, 1_000_002.0), (1_000_003.0, 1_000_002.0)]), 0.5);
    }

    #[test]
    fn without_rows_there_is_no_score() {
        let metrics = RegressionMetrics::new(1);
        assert!(metrics.score().is_none() && metrics.r2().is_nan() && metrics.rows() == 0);
    }
}
