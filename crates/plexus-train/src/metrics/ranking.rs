//! Two classes, told apart by a score: what is right at each threshold, and the areas under the curves.

/// How well scores put the rows of one class, the positive one, above all others.
///
/// A row is answered as positive where its score is at or above a threshold. Every distinct score is a threshold, and
/// has one [`Point`]; rows with equal scores are never told apart.
///
/// # Examples
/// ```
/// use plexus_train::metrics::Ranking;
/// let ranking = Ranking::new(&[0.9, 0.8, 0.8, 0.1], &[true, true, false, false]).expect("no score is NaN");
/// // Of the four pairs of a positive and a negative row, three are in order and one is a tie, which counts half.
/// assert_eq!(ranking.roc_auc(), Some(0.875));
/// let point = ranking.at(0.5);
/// assert_eq!((point.true_positives, point.false_positives), (2, 1));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    positives: u64,
    negatives: u64,
    points: Vec<Point>,
}

/// What is answered as positive at one threshold: all rows whose score is at least that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The threshold.
    pub threshold: f64,
    /// Positive rows among them.
    pub true_positives: u64,
    /// Other rows among them.
    pub false_positives: u64,
}

impl Ranking {
    /// Sorts rows by their scores; `None` where one of them is NaN.
    ///
    /// # Shapes
    /// - `scores`, `positive`: `[rows]`
    ///
    /// # Panics
    /// Where the two differ in length.
    pub fn new(scores: &[f32], positive: &[bool]) -> Option<Ranking> {
        assert_eq!(scores.len(), positive.len(), "Ranking::new: one score for each row");
        if scores.iter().any(|score| score.is_nan()) {
            return None;
        }
        let mut rows: Vec<(f32, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut points: Vec<Point> = Vec::new();
        let (mut positives, mut negatives) = (0, 0);
        for (score, is_positive) in rows {
            *(if is_positive { &mut positives } else { &mut negatives }) += 1;
            let point = Point { threshold: f64::from(score), true_positives: positives, false_positives: negatives };
            match points.last_mut() {
                Some(last) if last.threshold == point.threshold => *last = point,
                _ => points.push(point),
            }
        }
        Some(Ranking { positives, negatives, points })
    }

    /// Rows of the positive class.
    pub fn positives(&self) -> u64 {
        self.positives
    }

    /// All other rows.
    pub fn negatives(&self) -> u64 {
        self.negatives
    }

    /// One point for each distinct score, the highest first.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// At most about `most` points that show the same curves: those in between lie closer together than `2 / most`, by
    /// the sum of both rates. The first and the last are always there.
    pub fn thinned(&self, most: usize) -> Vec<Point> {
        let along = |point: &Point| self.recall(point) + self.false_positive_rate(point);
        let mut kept: Vec<Point> = Vec::new();
        for (index, point) in self.points.iter().enumerate() {
            let due = kept.last().is_none_or(|last| along(point) - along(last) >= 2.0 / most as f64);
            if due || index + 1 == self.points.len() {
                kept.push(*point);
            }
        }
        kept
    }

    /// What is answered as positive at any threshold.
    pub fn at(&self, threshold: f64) -> Point {
        let answered = self.points.partition_point(|point| point.threshold >= threshold);
        let none = Point { threshold, true_positives: 0, false_positives: 0 };
        answered.checked_sub(1).map_or(none, |last| Point { threshold, ..self.points[last] })
    }

    /// The part of the positive rows that is answered as positive.
    pub fn recall(&self, point: &Point) -> f64 {
        ratio(point.true_positives, self.positives)
    }

    /// The part of the other rows that is answered as positive.
    pub fn false_positive_rate(&self, point: &Point) -> f64 {
        ratio(point.false_positives, self.negatives)
    }

    /// The harmonic mean of precision and recall.
    pub fn f1(&self, point: &Point) -> f64 {
        ratio(2 * point.true_positives, self.positives + point.true_positives + point.false_positives)
    }

    /// The area under the ROC curve: how often a positive row has a higher score than another; equals count half.
    ///
    /// ```text
    /// Σ over pairs of ([positive > other] + [positive = other] / 2) / (positives · others)
    /// ```
    ///
    /// `None` where one of the two kinds of rows is missing.
    ///
    /// # Numerics
    /// Counted in whole numbers; the one division is the only rounding.
    ///
    /// # Source
    /// The statistic of Mann and Whitney, with ties as half; T. Fawcett, "An introduction to ROC analysis", 2006,
    /// section 7. The same number as scikit-learn's `roc_auc_score`.
    pub fn roc_auc(&self) -> Option<f64> {
        if self.positives == 0 || self.negatives == 0 {
            return None;
        }
        let (mut halves, mut before) =
            (0u128, Point { threshold: f64::INFINITY, true_positives: 0, false_positives: 0 });
        for point in &self.points {
            let positives = u128::from(point.true_positives - before.true_positives);
            let equal = u128::from(point.false_positives - before.false_positives);
            let below = u128::from(self.negatives - point.false_positives);
            halves += positives * (2 * below + equal);
            before = *point;
        }
        Some(halves as f64 / (2.0 * self.positives as f64 * self.negatives as f64))
    }

    /// Average precision: the precision at each threshold, weighted by the recall that it adds.
    ///
    /// ```text
    /// Σ over thresholds, from the highest, of (recall[t] − recall[t − 1]) · precision[t]
    /// ```
    ///
    /// It is the area under the precision-recall curve drawn in steps, without interpolation. `None` without positive
    /// rows.
    ///
    /// # Source
    /// scikit-learn's `average_precision_score`.
    pub fn average_precision(&self) -> Option<f64> {
        if self.positives == 0 {
            return None;
        }
        let (mut sum, mut before) = (0.0, 0);
        for point in &self.points {
            sum += (point.true_positives - before) as f64 * point.precision();
            before = point.true_positives;
        }
        Some(sum / self.positives as f64)
    }

    /// The threshold with the highest F1, the highest of equals; `None` without positive rows.
    ///
    /// Every threshold between its score and the next lower one answers alike; the one with the fewest decimals is given.
    pub fn best_f1(&self) -> Option<Point> {
        let mut best: Option<(usize, f64)> = None;
        for (index, point) in self.points.iter().enumerate() {
            let f1 = self.f1(point);
            if point.true_positives > 0 && best.is_none_or(|(_, most)| f1 > most) {
                best = Some((index, f1));
            }
        }
        let (index, _) = best?;
        let above = self.points.get(index + 1).map_or(f64::NEG_INFINITY, |next| next.threshold);
        Some(Point { threshold: round_down(self.points[index].threshold, above), ..self.points[index] })
    }
}

impl Point {
    /// Of the rows answered as positive, the part that is; 0.0 where there are none.
    pub fn precision(&self) -> f64 {
        ratio(self.true_positives, self.true_positives + self.false_positives)
    }
}

/// The number with the fewest decimals that is above one and not above the other.
fn round_down(value: f64, above: f64) -> f64 {
    let rounded = (1..=9).map(|decimals| {
        let power = 10f64.powi(decimals);
        (value * power).floor() / power
    });
    rounded.into_iter().find(|&rounded| rounded > above && rounded <= value).unwrap_or(value)
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The mean of the areas under the ROC curves of each class against all others, over the classes that occur.
///
/// `None` where fewer than two occur, or a score is NaN.
///
/// # Shapes
/// - `scores`: `[rows, classes]`
/// - `targets`: `[rows]`
///
/// # Panics
/// Where the lengths contradict each other.
///
/// # Source
/// scikit-learn's `roc_auc_score(…, multi_class="ovr", average="macro")`, which refuses rows that lack a class.
pub fn macro_roc_auc(scores: &[f32], targets: &[u32]) -> Option<f64> {
    if targets.is_empty() {
        return None;
    }
    let classes = scores.len() / targets.len();
    assert_eq!(scores.len(), classes * targets.len(), "macro_roc_auc: scores must be [rows, classes]");
    let (mut sum, mut occurring) = (0.0, 0);
    for class in 0..classes {
        let own: Vec<f32> = scores.iter().skip(class).step_by(classes).copied().collect();
        let is_own: Vec<bool> = targets.iter().map(|&target| target as usize == class).collect();
        let ranking = Ranking::new(&own, &is_own)?;
        if let Some(area) = ranking.roc_auc() {
            (sum, occurring) = (sum + area, occurring + 1);
        }
    }
    (occurring > 1).then(|| sum / f64::from(occurring))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_keeps_the_rows_at_and_above_it() {
        let ranking = Ranking::new(&[0.25, 0.5, 0.75, 0.5], &[false, true, true, false]).expect("no NaN");
        let counts = |threshold| {
            let point = ranking.at(threshold);
            (point.true_positives, point.false_positives)
        };
        assert_eq!([0.0, 0.25, 0.26, 0.5, 0.51, 0.75, 0.76].map(counts), {
            [(2, 2), (2, 2), (2, 1), (2, 1), (1, 0), (1, 0), (0, 0)]
        });
        assert_eq!((ranking.positives(), ranking.negatives(), ranking.points().len()), (2, 2, 3));
    }

    #[test]
    fn the_best_threshold_is_short_and_answers_as_it_says() {
        let scores = [0.912_345, 0.731_2, 0.688_8, 0.688_1, 0.2];
        let ranking = Ranking::new(&scores, &[true, true, true, false, false]).expect("no NaN");
        let best = ranking.best_f1().expect("there are positive rows");
        assert_eq!((best.threshold, best.true_positives, best.false_positives), (0.6887, 3, 0));
        assert_eq!(ranking.at(best.threshold), best);
        // A score of 1 itself, and one that nothing shorter comes between.
        let close = [1.0, 1.0f32.next_down()];
        let ranking = Ranking::new(&close, &[true, false]).expect("no NaN");
        assert_eq!(ranking.best_f1().map(|best| best.threshold), Some(1.0));
        let ranking = Ranking::new(&[close[1], close[1].next_down()], &[true, false]).expect("no NaN");
        let best = ranking.best_f1().expect("there are positive rows");
        assert_eq!((ranking.at(best.threshold).true_positives, ranking.at(best.threshold).false_positives), (1, 0));
        assert!(Ranking::new(&[0.5], &[false]).expect("no NaN").best_f1().is_none());
    }

    #[test]
    fn thinning_keeps_the_ends_and_the_shape() {
        let rows = 20_000;
        let scores: Vec<f32> = (0..rows).map(|row| (row * 7919 % rows) as f32 / rows as f32).collect();
        let positive: Vec<bool> = (0..rows).map(|row| row % 3 == 0).collect();
        let ranking = Ranking::new(&scores, &positive).expect("no NaN");
        let thinned = ranking.thinned(200);
        assert!((150..=202).contains(&thinned.len()), "{}", thinned.len());
        assert_eq!(thinned.first(), ranking.points().first());
        assert_eq!(thinned.last(), ranking.points().last());
        assert_eq!(Ranking::new(&[0.1, 0.2], &[true, false]).expect("no NaN").thinned(200).len(), 2);
    }

    #[test]
    fn without_one_of_the_classes_or_with_nan_there_is_no_area() {
        assert!(Ranking::new(&[0.5, f32::NAN], &[true, false]).is_none());
        let nothing = Ranking::new(&[], &[]).expect("no NaN");
        assert_eq!((nothing.roc_auc(), nothing.average_precision(), nothing.best_f1()), (None, None, None));
        assert_eq!(nothing.at(0.5).precision(), 0.0);
        assert_eq!(macro_roc_auc(&[], &[]), None);
        assert_eq!(macro_roc_auc(&[0.5, 0.5], &[1]), None);
        // Both zeros are one threshold.
        assert_eq!(Ranking::new(&[0.0, -0.0], &[true, false]).and_then(|ranking| ranking.roc_auc()), Some(0.5));
    }
}
