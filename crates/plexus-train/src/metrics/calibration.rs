//! Whether probabilities mean what they say: of the rows answered with 80 %, are 80 % right?

/// Bins of [`Calibration`].
const BINS: usize = 10;

/// Adds up, for ten ranges of a probability, what was said and what happened.
///
/// The ranges are equally wide; an edge belongs to the range below it, as in scikit-learn's `calibration_curve`.
/// Probabilities that are NaN are passed over.
///
/// # Examples
/// ```
/// use plexus_train::metrics::Calibration;
/// let mut calibration = Calibration::default();
/// for (probability, happened) in [(0.85, true), (0.85, true), (0.85, false), (0.85, true), (0.05, false)] {
///     calibration.add(probability, happened);
/// }
/// let bins: Vec<_> = calibration.bins().collect();
/// assert_eq!((bins[1].rows, bins[1].observed), (4, 0.75));
/// // 4 of 5 rows are off by 0.10, the fifth by 0.05.
/// assert!((calibration.expected_error().unwrap() - 0.09).abs() < 1e-6);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    sums: [Sums; BINS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    rows: u64,
    predicted: f64,
    happened: u64,
}

/// One range of probabilities with rows in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibrationBin {
    /// The lower end; it belongs to the range below.
    pub from: f64,
    /// The upper end.
    pub to: f64,
    /// Rows whose probability is in the range.
    pub rows: u64,
    /// Their mean probability.
    pub predicted: f64,
    /// The share of them in which it happened.
    pub observed: f64,
}

/// The upper end of a bin. NumPy's `linspace` may give the next f64, but no f32 lies between the two.
fn edge(bin: usize) -> f64 {
    bin as f64 / BINS as f64
}

impl Calibration {
    /// Adds one row.
    pub fn add(&mut self, probability: f32, happened: bool) {
        if probability.is_nan() {
            return;
        }
        let probability = f64::from(probability);
        let bin = (1..BINS).filter(|&bin| edge(bin) < probability).count();
        self.sums[bin].rows += 1;
        self.sums[bin].predicted += probability;
        self.sums[bin].happened += u64::from(happened);
    }

    /// The ranges that have rows, the lowest first.
    pub fn bins(&self) -> impl Iterator<Item = CalibrationBin> {
        let with_rows = self.sums.iter().enumerate().filter(|(_, sums)| sums.rows > 0);
        with_rows.map(|(bin, sums)| CalibrationBin {
            from: edge(bin),
            to: edge(bin + 1),
            rows: sums.rows,
            predicted: sums.predicted / sums.rows as f64,
            observed: sums.happened as f64 / sums.rows as f64,
        })
    }

    /// Expected calibration error: by how much probability and share differ, in the mean over the rows.
    ///
    /// ```text
    /// Σ over bins of rows[b] / rows · |observed[b] − predicted[b]|
    /// ```
    ///
    /// `None` without rows.
    ///
    /// # Source
    /// C. Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3.
    pub fn expected_error(&self) -> Option<f64> {
        let rows: u64 = self.sums.iter().map(|sums| sums.rows).sum();
        let off = self.bins().map(|bin| bin.rows as f64 * (bin.observed - bin.predicted).abs()).sum::<f64>();
        (rows > 0).then(|| off / rows as f64)
    }
}

/// The squared distance of the probabilities of one row from the truth; its mean over rows is the Brier score.
///
/// ```text
/// Σ over classes of (p[c] − [c = target])², halved for two classes
/// ```
///
/// Halved, it is `(p − t)²` for the probability `p` of either of two classes.
///
/// # Panics
/// Where `target` is no class.
///
/// # Source
/// G. W. Brier, "Verification of forecasts expressed in terms of probability", 1950; halved as in scikit-learn's
/// `brier_score_loss` (`scale_by_half="auto"`).
pub fn brier(probabilities: &[f32], target: usize) -> f64 {
    assert!(target < probabilities.len(), "brier: {target} of {} classes", probabilities.len());
    let truth = |class| f64::from(u8::from(class == target));
    let squares = probabilities.iter().enumerate().map(|(class, &p)| (f64::from(p) - truth(class)).powi(2));
    squares.sum::<f64>() * if probabilities.len() == 2 { 0.5 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_belongs_to_the_range_below_it() {
        let mut calibration = Calibration::default();
        for probability in [0.0, 0.5, 0.500_01, 1.0, f32::NAN] {
            calibration.add(probability, true);
        }
        let found: Vec<(f64, u64)> = calibration.bins().map(|bin| (bin.to, bin.rows)).collect();
        assert_eq!(found, [(0.1, 1), (0.5, 1), (0.6, 1), (1.0, 1)]);
        assert_eq!(Calibration::default().expected_error(), None);
        assert_eq!(Calibration::default().bins().count(), 0);
    }

    #[test]
    fn the_brier_score_is_that_of_one_class_for_two_and_of_all_for_more() {
        assert_eq!(brier(&[0.25, 0.75], 1), 0.0625);
        assert_eq!(brier(&[0.25, 0.75], 0), 0.5625);
        assert_eq!(brier(&[0.5, 0.25, 0.25], 0), 0.375);
    }
}
