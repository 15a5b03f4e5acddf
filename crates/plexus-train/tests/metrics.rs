//! Every case of `testdata/metrics/cases.json`: metrics agree with scikit-learn.

use plexus_train::metrics::{
    Calibration, ConfusionMatrix, Point, Ranking, RegressionMetrics, argmax, brier, macro_roc_auc,
};
use serde::Deserialize;

/// Sums of a few hundred terms in f64, in another order than scikit-learn's.
const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    made_by: String,
    two_classes: Vec<TwoClasses>,
    several_classes: Vec<SeveralClasses>,
    numbers: Vec<Numbers>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TwoClasses {
    name: String,
    scores: Vec<f32>,
    positive: Vec<u8>,
    roc_auc: Option<f64>,
    average_precision: Option<f64>,
    thresholds: Vec<f64>,
    false_positive_rate: Option<Vec<f64>>,
    recall: Option<Vec<f64>>,
    precision: Vec<f64>,
    at: Vec<AtThreshold>,
    brier: f64,
    calibration: Bins,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtThreshold {
    threshold: f64,
    precision: f64,
    recall: f64,
    f1: f64,
    /// `[target, answer]`, the positive class second.
    confusion: [u64; 4],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeveralClasses {
    name: String,
    classes: usize,
    probabilities: Vec<f32>,
    targets: Vec<u32>,
    accuracy: f64,
    balanced_accuracy: f64,
    macro_precision: f64,
    macro_recall: f64,
    macro_f1: f64,
    baseline_accuracy: f64,
    most_frequent: usize,
    macro_roc_auc: Option<f64>,
    brier: f64,
    calibration: Bins,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bins {
    rows: Vec<u64>,
    predicted: Vec<f64>,
    observed: Vec<f64>,
    error: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    name: String,
    targets: Vec<f32>,
    predicted: Vec<f32>,
    rmse: f64,
    mae: f64,
    r2: Option<f64>,
    baseline_rmse: f64,
}

fn cases() -> Cases {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/metrics/cases.json");
    let text = std::fs::read_to_string(path).expect("the case file reads");
    let cases: Cases = serde_json::from_str(&text).expect("the case file has this form");
    assert!(cases.made_by.contains("scikit-learn"));
    cases
}

#[track_caller]
fn close(what: &str, got: f64, want: f64) {
    assert!((got - want).abs() <= TOLERANCE * want.abs().max(1.0), "{what}: got {got}, want {want}");
}

#[track_caller]
fn close_option(what: &str, got: Option<f64>, want: Option<f64>) {
    match (got, want) {
        (Some(got), Some(want)) => close(what, got, want),
        (None, None) => {}
        _ => panic!("{what}: got {got:?}, want {want:?}"),
    }
}

#[track_caller]
fn all_close(what: &str, got: impl Iterator<Item = f64>, want: &[f64]) {
    let got: Vec<f64> = got.collect();
    assert_eq!(got.len(), want.len(), "{what}: {got:?}, {want:?}");
    got.iter().zip(want).for_each(|(&got, &want)| close(what, got, want));
}

fn check_bins(name: &str, calibration: &Calibration, want: &Bins) {
    assert_eq!(calibration.bins().map(|bin| bin.rows).collect::<Vec<_>>(), want.rows, "{name}");
    all_close(name, calibration.bins().map(|bin| bin.predicted), &want.predicted);
    all_close(name, calibration.bins().map(|bin| bin.observed), &want.observed);
    close_option(name, calibration.expected_error(), Some(want.error));
}

#[test]
fn curves_areas_and_thresholds_of_two_classes_are_those_of_scikit_learn() {
    let cases = cases().two_classes;
    assert!(cases.len() >= 12);
    for case in cases {
        let name = case.name.as_str();
        let positive: Vec<bool> = case.positive.iter().map(|&class| class == 1).collect();
        let ranking = Ranking::new(&case.scores, &positive).expect("no score is NaN");
        close_option(name, ranking.roc_auc(), case.roc_auc);
        close_option(name, ranking.average_precision(), case.average_precision);
        let points = || ranking.points().iter();
        all_close(name, points().map(|point| point.threshold), &case.thresholds);
        all_close(name, points().map(Point::precision), &case.precision);
        if let Some(want) = &case.recall {
            all_close(name, points().map(|point| ranking.recall(point)), want);
        }
        if let Some(want) = &case.false_positive_rate {
            all_close(name, points().map(|point| ranking.false_positive_rate(point)), want);
        }
        for want in &case.at {
            let what = format!("{name} at {}", want.threshold);
            let point = ranking.at(want.threshold);
            let (hits, alarms) = (point.true_positives, point.false_positives);
            let confusion = [ranking.negatives() - alarms, alarms, ranking.positives() - hits, hits];
            assert_eq!(confusion, want.confusion, "{what}");
            close(&what, point.precision(), want.precision);
            close(&what, ranking.recall(&point), want.recall);
            close(&what, ranking.f1(&point), want.f1);
        }
        let mut calibration = Calibration::default();
        let mut squares = 0.0;
        for (&score, &is_positive) in case.scores.iter().zip(&positive) {
            calibration.add(score, is_positive);
            squares += brier(&[1.0 - score, score], usize::from(is_positive));
        }
        check_bins(name, &calibration, &case.calibration);
        // `1 − score` is rounded to f32, which may cost 6e-8.
        assert!((squares / case.scores.len() as f64 - case.brier).abs() < 1e-7, "{name}");
    }
}

#[test]
fn scores_of_several_classes_are_those_of_scikit_learn() {
    let cases = cases().several_classes;
    assert!(cases.len() >= 8);
    for case in cases {
        let name = case.name.as_str();
        let mut confusion = ConfusionMatrix::new(case.classes);
        let mut calibration = Calibration::default();
        let mut squares = 0.0;
        for (row, &target) in case.probabilities.chunks_exact(case.classes).zip(&case.targets) {
            let answer = argmax(row).expect("no probability is NaN");
            confusion.add(target as usize, answer);
            calibration.add(row[answer], answer == target as usize);
            squares += brier(row, target as usize);
        }
        close(name, confusion.accuracy(), case.accuracy);
        close(name, confusion.balanced_accuracy(), case.balanced_accuracy);
        close(name, confusion.baseline_accuracy(), case.baseline_accuracy);
        assert_eq!(confusion.most_frequent(), Some(case.most_frequent), "{name}");
        let mean = confusion.macro_average();
        close(name, mean.precision, case.macro_precision);
        close(name, mean.recall, case.macro_recall);
        close(name, mean.f1, case.macro_f1);
        close_option(name, macro_roc_auc(&case.probabilities, &case.targets), case.macro_roc_auc);
        close(name, squares / case.targets.len() as f64, case.brier);
        check_bins(name, &calibration, &case.calibration);
    }
}

#[test]
fn errors_of_numbers_and_of_their_mean_are_those_of_scikit_learn() {
    let cases = cases().numbers;
    assert!(cases.len() >= 6);
    for case in cases {
        let name = case.name.as_str();
        let mut metrics = RegressionMetrics::new(1);
        for (&target, &predicted) in case.targets.iter().zip(&case.predicted) {
            metrics.add(&[target], &[predicted]);
        }
        close(name, metrics.root_mean_squared_error(), case.rmse);
        close(name, metrics.mean_absolute_error(), case.mae);
        close(name, metrics.baseline_root_mean_squared_error(), case.baseline_rmse);
        // scikit-learn gives no R² for one row.
        if let Some(want) = case.r2 {
            close(name, metrics.r2(), want);
        }
    }
}
