//! How good the answers are: counts and errors, defined as scikit-learn defines them.
//!
//! Start at [`ConfusionMatrix`] for classes and [`RegressionMetrics`] for numbers. The loss is not here: it is what
//! training descends, and lives with the losses.

use serde::{Deserialize, Serialize};

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

/// Counts of target class against predicted class.
///
/// Rows without an answer (a NaN among the logits) count as wrong: they are in [`total`](Self::total) and weigh on
/// accuracy and recall, but have no column. Where a quotient has nothing below the line, it is 0.0, as with
/// scikit-learn's `zero_division=0`.
///
/// # Examples
/// ```
/// use plexus_train::metrics::ConfusionMatrix;
/// let mut matrix = ConfusionMatrix::new(2);
/// for (target, predicted) in [(0, 0), (0, 1), (1, 1), (1, 1)] {
///     matrix.add(target, predicted);
/// }
/// assert_eq!(matrix.accuracy(), 0.75);
/// assert_eq!(matrix.recall(0), 0.5);
/// assert_eq!(matrix.count(0, 1), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    classes: usize,
    /// `[target, predicted]`, row-major.
    counts: Vec<u64>,
    /// Rows without an answer, by target.
    unanswered: Vec<u64>,
}

/// Precision, recall and F1 of one class, or their means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// Of the rows predicted as this class, the part that is.
    pub precision: f64,
    /// Of the rows of this class, the part predicted so.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
    /// Rows of this class; for a mean, rows in all.
    pub support: u64,
}

impl ConfusionMatrix {
    /// Starts with no rows.
    pub fn new(classes: usize) -> Self {
        ConfusionMatrix { classes, counts: vec![0; classes * classes], unanswered: vec![0; classes] }
    }

    /// Counts one row; `predicted` is a class, or what [`argmax`] gave.
    ///
    /// # Panics
    /// Where either is no class.
    pub fn add(&mut self, target: usize, predicted: impl Into<Option<usize>>) {
        match predicted.into() {
            Some(predicted) => {
                assert!(
                    target < self.classes && predicted < self.classes,
                    "add: {target}, {predicted} of {} classes",
                    self.classes
                );
                self.counts[target * self.classes + predicted] += 1;
            }
            None => self.unanswered[target] += 1,
        }
    }

    /// Adds the counts of another part of the rows.
    ///
    /// # Panics
    /// Where the other has another number of classes.
    pub fn merge(&mut self, other: &ConfusionMatrix) {
        assert_eq!(self.classes, other.classes, "merge: both must have the same classes");
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.unanswered.iter_mut().zip(&other.unanswered).for_each(|(count, more)| *count += more);
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Rows of one class predicted as another, or the same.
    ///
    /// # Panics
    /// Where either is no class.
    pub fn count(&self, target: usize, predicted: usize) -> u64 {
        assert!(predicted < self.classes, "count: {predicted} of {} classes", self.classes);
        self.counts[target * self.classes + predicted]
    }

    /// Rows of one class, by the class predicted: one row of the matrix.
    ///
    /// # Panics
    /// Where `target` is no class.
    pub fn row(&self, target: usize) -> &[u64] {
        &self.counts[target * self.classes..(target + 1) * self.classes]
    }

    /// Rows without an answer.
    pub fn unanswered(&self) -> u64 {
        self.unanswered.iter().sum()
    }

    /// Rows in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.unanswered()
    }

    /// Rows predicted as what they are.
    pub fn correct(&self) -> u64 {
        (0..self.classes).map(|class| self.count(class, class)).sum()
    }

    /// The part of the rows predicted as what they are.
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct(), self.total())
    }

    /// Rows of a class.
    ///
    /// # Panics
    /// Where it is no class.
    pub fn support(&self, class: usize) -> u64 {
        self.row(class).iter().sum::<u64>() + self.unanswered[class]
    }

    /// Of the rows predicted as a class, the part that is.
    ///
    /// # Panics
    /// Where it is no class.
    pub fn precision(&self, class: usize) -> f64 {
        ratio(self.count(class, class), self.predicted(class))
    }

    /// Of the rows of a class, the part predicted so.
    ///
    /// # Panics
    /// Where it is no class.
    pub fn recall(&self, class: usize) -> f64 {
        ratio(self.count(class, class), self.support(class))
    }

    /// The harmonic mean of precision and recall: `2·hits / (support + predicted)`.
    ///
    /// # Panics
    /// Where it is no class.
    pub fn f1(&self, class: usize) -> f64 {
        ratio(2 * self.count(class, class), self.support(class) + self.predicted(class))
    }

    /// All scores of a class.
    ///
    /// # Panics
    /// Where it is no class.
    pub fn class_score(&self, class: usize) -> ClassScore {
        ClassScore {
            precision: self.precision(class),
            recall: self.recall(class),
            f1: self.f1(class),
            support: self.support(class),
        }
    }

    /// The plain means of the scores over the classes that occur as target or as prediction.
    ///
    /// A class that does neither is left out, as scikit-learn does where no `labels` are named; else a class that the
    /// test rows happen to lack would count as a failure.
    pub fn macro_average(&self) -> ClassScore {
        let occurring: Vec<ClassScore> = (0..self.classes)
            .filter(|&class| self.support(class) + self.predicted(class) > 0)
            .map(|class| self.class_score(class))
            .collect();
        let mean =
            |value: fn(&ClassScore) -> f64| occurring.iter().map(value).sum::<f64>() / occurring.len().max(1) as f64;
        ClassScore {
            precision: mean(|score| score.precision),
            recall: mean(|score| score.recall),
            f1: mean(|score| score.f1),
            support: self.total(),
        }
    }

    /// Rows predicted as a class.
    fn predicted(&self, class: usize) -> u64 {
        (0..self.classes).map(|target| self.count(target, class)).sum()
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

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

    /// Numbers by scikit-learn 1.9.1, `t = [0,0,0,1,1,2,2,2,2,4]; p = [0,1,0,1,2,2,2,2,5,2]`:
    /// `confusion_matrix(t, p, labels=range(6))`, `accuracy_score(t, p)`,
    /// `precision_recall_fscore_support(t, p, labels=range(6), zero_division=0)`,
    /// `precision_recall_fscore_support(t, p, average="macro", zero_division=0)`.
    #[test]
    fn scores_of_classes_are_those_of_scikit_learn() {
        let mut matrix = ConfusionMatrix::new(6);
        for (target, predicted) in [0, 0, 0, 1, 1, 2, 2, 2, 2, 4].into_iter().zip([0, 1, 0, 1, 2, 2, 2, 2, 5, 2]) {
            matrix.add(target, predicted);
        }
        assert_eq!(matrix.row(0), [2, 1, 0, 0, 0, 0]);
        assert_eq!(matrix.row(2), [0, 0, 3, 0, 0, 1]);
        assert_eq!((matrix.total(), matrix.correct(), matrix.classes(), matrix.count(4, 2)), (10, 6, 6, 1));
        close(matrix.accuracy(), 0.6);
        let precision = [1.0, 0.5, 0.6, 0.0, 0.0, 0.0];
        let recall = [0.6666666666666666, 0.5, 0.75, 0.0, 0.0, 0.0];
        let f1 = [0.8, 0.5, 0.6666666666666666, 0.0, 0.0, 0.0];
        let support = [3, 2, 4, 0, 1, 0];
        for class in 0..6 {
            let score = matrix.class_score(class);
            close(score.precision, precision[class]);
            close(score.recall, recall[class]);
            close(score.f1, f1[class]);
            assert_eq!(score.support, support[class]);
        }
        let mean = matrix.macro_average();
        close(mean.precision, 0.42000000000000004);
        close(mean.recall, 0.3833333333333333);
        close(mean.f1, 0.39333333333333337);
    }

    #[test]
    fn rows_without_an_answer_count_as_wrong() {
        let mut matrix = ConfusionMatrix::new(2);
        matrix.add(0, argmax(&[1.0, 0.0]));
        matrix.add(0, argmax(&[f32::NAN, 0.0]));
        assert_eq!((matrix.total(), matrix.correct(), matrix.unanswered(), matrix.support(0)), (2, 1, 1, 2));
        assert_eq!((matrix.accuracy(), matrix.recall(0), matrix.precision(0)), (0.5, 0.5, 1.0));
        let mut twice = matrix.clone();
        twice.merge(&matrix);
        assert_eq!((twice.total(), twice.accuracy()), (4, 0.5));
    }

    #[test]
    fn nothing_divided_by_nothing_is_zero() {
        for classes in [0, 3] {
            let matrix = ConfusionMatrix::new(classes);
            assert_eq!((matrix.accuracy(), matrix.macro_average().f1, matrix.total()), (0.0, 0.0, 0));
        }
    }

    #[test]
    #[should_panic(expected = "of 2 classes")]
    fn a_class_out_of_range_is_not_counted_elsewhere() {
        ConfusionMatrix::new(2).add(0, 2);
    }

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
