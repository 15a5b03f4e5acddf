//! Classes: which was taken for which, and the scores that follow from it.

use serde::{Deserialize, Serialize};

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

    /// Takes counts that were made elsewhere, `[target, predicted]`, row-major.
    ///
    /// # Panics
    /// Where there are not `classes` times `classes` of them.
    pub fn from_counts(classes: usize, counts: Vec<u64>) -> Self {
        assert_eq!(counts.len(), classes * classes, "from_counts: [classes, classes]");
        ConfusionMatrix { classes, counts, unanswered: vec![0; classes] }
    }

    /// Counts one row; `predicted` is a class, or what [`argmax`](super::argmax) gave.
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

    /// Intersection over union, also called the Jaccard index: of what is this class or was predicted as it, the part that
    /// is both: `hits / (support + predicted − hits)`.
    ///
    /// # Panics
    /// Where it is no class.
    pub fn iou(&self, class: usize) -> f64 {
        let hits = self.count(class, class);
        ratio(hits, self.support(class) + self.predicted(class) - hits)
    }

    /// The Dice coefficient: `2·hits / (support + predicted)`, which is [F1](Self::f1) by another name.
    ///
    /// # Panics
    /// Where it is no class.
    pub fn dice(&self, class: usize) -> f64 {
        self.f1(class)
    }

    /// The plain mean of [`iou`](Self::iou) over the classes that occur as target or as prediction; 0.0 without rows.
    ///
    /// A class that does neither has no union: it is left out, as in [`macro_average`](Self::macro_average).
    pub fn mean_iou(&self) -> f64 {
        self.mean_of_occurring(|class| self.iou(class))
    }

    /// The plain mean of [`dice`](Self::dice) over the same classes.
    pub fn mean_dice(&self) -> f64 {
        self.mean_of_occurring(|class| self.dice(class))
    }

    fn mean_of_occurring(&self, score: impl Fn(usize) -> f64) -> f64 {
        let occurring = (0..self.classes).filter(|&class| self.support(class) + self.predicted(class) > 0);
        let (sum, count) = occurring.fold((0.0, 0usize), |(sum, count), class| (sum + score(class), count + 1));
        sum / count.max(1) as f64
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

    /// The plain mean of the recalls of the classes that occur as target; 0.0 without rows.
    ///
    /// # Source
    /// scikit-learn's `balanced_accuracy_score`.
    pub fn balanced_accuracy(&self) -> f64 {
        let occurring: Vec<usize> = (0..self.classes).filter(|&class| self.support(class) > 0).collect();
        occurring.iter().map(|&class| self.recall(class)).sum::<f64>() / occurring.len().max(1) as f64
    }

    /// The class that most rows have, the first of equals; `None` without rows.
    pub fn most_frequent(&self) -> Option<usize> {
        let supports: Vec<u64> = (0..self.classes).map(|class| self.support(class)).collect();
        let most = supports.iter().copied().max().filter(|most| *most > 0)?;
        supports.iter().position(|support| *support == most)
    }

    /// The accuracy of always answering the most frequent class: what a model must beat to be of any use.
    pub fn baseline_accuracy(&self) -> f64 {
        ratio(self.most_frequent().map_or(0, |class| self.support(class)), self.total())
    }

    /// Rows predicted as a class.
    fn predicted(&self, class: usize) -> u64 {
        (0..self.classes).map(|target| self.count(target, class)).sum()
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::argmax;

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

    /// The same rows: hits are 2, 1, 3, 0, 0, 0, unions 3, 3, 6, 0, 1, 1.
    #[test]
    fn overlaps_are_counted_and_classes_that_do_not_occur_are_left_out() {
        let mut matrix = ConfusionMatrix::new(6);
        for (target, predicted) in [0, 0, 0, 1, 1, 2, 2, 2, 2, 4].into_iter().zip([0, 1, 0, 1, 2, 2, 2, 2, 5, 2]) {
            matrix.add(target, predicted);
        }
        let iou = [2.0 / 3.0, 1.0 / 3.0, 0.5, 0.0, 0.0, 0.0];
        (0..6).for_each(|class| close(matrix.iou(class), iou[class]));
        close(matrix.mean_iou(), 0.3);
        close(matrix.mean_dice(), matrix.macro_average().f1);
        // Dice = 2 IoU / (1 + IoU).
        (0..6).for_each(|class| close(matrix.dice(class), 2.0 * iou[class] / (1.0 + iou[class])));
        assert_eq!(ConfusionMatrix::new(3).mean_iou(), 0.0);
    }

    #[test]
    fn rows_without_an_answer_count_as_wrong() {
        let mut matrix = ConfusionMatrix::new(2);
        matrix.add(0, argmax(&[1.0, 0.0]));
        matrix.add(0, argmax(&[f32::NAN, 0.0]));
        assert_eq!((matrix.total(), matrix.correct(), matrix.unanswered(), matrix.support(0)), (2, 1, 1, 2));
        assert_eq!((matrix.accuracy(), matrix.recall(0), matrix.precision(0)), (0.5, 0.5, 1.0));
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
}
