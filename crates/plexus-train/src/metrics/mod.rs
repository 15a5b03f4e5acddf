//! How good the answers are: counts and errors, defined as scikit-learn defines them.
//!
//! Start at [`ConfusionMatrix`] for classes and [`RegressionMetrics`] for numbers; [`Ranking`] and [`Calibration`] look
//! at the probabilities behind the classes. The loss is not here: it is what training descends, and lives with the
//! losses. `docs/metrics.md` has every formula.

mod calibration;
mod confusion;
mod numbers;
mod ranking;

pub use calibration::{Calibration, CalibrationBin, brier};
pub use confusion::{ClassScore, ConfusionMatrix};
pub use numbers::{RegressionMetrics, RegressionScore};
pub use ranking::{Point, Ranking, macro_roc_auc};

/// Finds the largest value: its position, the first of equals.
///
/// `None` for no values, and wherever one of them is NaN: a network that has gone wrong gives no answer.
///
/// # Examples
/// ```
/// use plexus_train::metrics::argmax;
/// assert_eq!(argmax(&[0.1, 0.7, 0.7]), Some(1));
/// assert_eq!(argmax(&[0.1, f32::NAN]), None);
/// ```
pub fn argmax(logits: &[f32]) -> Option<usize> {
    let mut best = None;
    for (index, &value) in logits.iter().enumerate() {
        if value.is_nan() {
            return None;
        }
        if best.is_none_or(|best: usize| value > logits[best]) {
            best = Some(index);
        }
    }
    best
}

/// The place of the quantile nearest to the median, the first of equals: the answer where one number is wanted.
///
/// # Examples
/// ```
/// assert_eq!(plexus_train::metrics::middle(&[0.1, 0.5, 0.9]), 1);
/// ```
pub fn middle(quantiles: &[f32]) -> usize {
    let distance = |index: &usize| (quantiles[*index] - 0.5).abs();
    (0..quantiles.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
}

/// Whether the target is among the `k` largest logits.
///
/// Of equal logits the one at the lower index ranks first, so `k = 1` agrees with [`argmax`]. A row with a NaN is never
/// correct. A `k` at or above the number of classes makes every other row correct, `k = 0` none.
///
/// # Panics
/// Where `target` is no position in `logits`.
pub fn top_k_correct(logits: &[f32], target: usize, k: usize) -> bool {
    let own = logits[target];
    let ahead =
        logits.iter().enumerate().filter(|&(index, &value)| value > own || (value == own && index < target)).count();
    ahead < k && !logits.iter().any(|value| value.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_wins() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0, 2.0]), Some(1));
        assert_eq!(argmax(&[-0.0, 0.0]), Some(0));
        assert_eq!(argmax(&[f32::NEG_INFINITY; 3]), Some(0));
        assert_eq!(argmax(&[0.0, f32::INFINITY]), Some(1));
        assert_eq!(argmax(&[]), None);
        assert_eq!(argmax(&[f32::NAN]), None);
    }

    #[test]
    fn top_k_ranks_equals_by_their_index_and_agrees_with_argmax() {
        let logits = [0.5, 0.9, 0.5, 0.9, 0.1];
        let rank = |target| (0..=5).position(|k| top_k_correct(&logits, target, k));
        assert_eq!([0, 1, 2, 3, 4].map(rank), [Some(3), Some(1), Some(4), Some(2), Some(5)]);
        assert!(top_k_correct(&logits, 4, 99) && !top_k_correct(&logits, 1, 0));
        assert_eq!((0..5).find(|&target| top_k_correct(&logits, target, 1)), argmax(&logits));
        for target in 0..2 {
            assert!(!top_k_correct(&[1.0, f32::NAN], target, 2));
        }
    }
}
