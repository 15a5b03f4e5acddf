//! Results for programs.

use super::{Results, Rows};
use plexus_train::evaluate::{Answers, Evaluation};
use plexus_train::metrics::{Calibration, Point, Ranking};
use serde_json::{Value, json};

/// A curve of so many points can be drawn again.
const CURVE_POINTS: usize = 200;

/// Adds the results of all outputs to a JSON object, each key with a prefix; of several outputs each has an object of its own.
pub(crate) fn add_to(results: &[Results<'_>], all: &Evaluation, line: &mut Value, prefix: &str, curves: bool) {
    let put = |results: &Results<'_>, line: &mut Value, prefix: &str| {
        results.add_to(line, prefix);
        if curves {
            results.add_curves_to(line, prefix);
        }
    };
    if let [only] = results {
        return put(only, line, prefix);
    }
    line[format!("{prefix}loss")] = all.loss.into();
    let mut outputs = json!({});
    for results in results {
        let mut object = json!({});
        put(results, &mut object, "");
        outputs[results.output_name().unwrap_or_default()] = object;
    }
    line[format!("{prefix}outputs")] = outputs;
}

impl Results<'_> {
    /// Adds the results to a JSON object, each key with a prefix.
    fn add_to(&self, line: &mut Value, prefix: &str) {
        let mut put = |key: &str, value: Value| line[format!("{prefix}{key}")] = value;
        put("loss", self.evaluation.loss.into());
        put("better_than_baseline", self.is_better_than_baseline().into());
        match (&self.evaluation.answers, &self.rows) {
            (Answers::Classes { confusion, top_5 }, Rows::Classes(classes)) => {
                put("accuracy", confusion.accuracy().into());
                put("correct", confusion.correct().into());
                put("top_5_accuracy", (*top_5 as f64 / self.data.len() as f64).into());
                put("baseline_accuracy", confusion.baseline_accuracy().into());
                put("most_frequent_class", confusion.most_frequent().map(|class| self.names()[class].as_str()).into());
                put("balanced_accuracy", confusion.balanced_accuracy().into());
                let mean = confusion.macro_average();
                put("macro_precision", mean.precision.into());
                put("macro_recall", mean.recall.into());
                put("macro_f1", mean.f1.into());
                let scores = self.names().iter().enumerate().map(|(class, name)| {
                    let score = confusion.class_score(class);
                    json!({
                        "class": name,
                        "precision": score.precision,
                        "recall": score.recall,
                        "f1": score.f1,
                        "rows": score.support,
                    })
                });
                put("classes", scores.collect());
                let rows: Vec<&[u64]> = (0..confusion.classes()).map(|class| confusion.row(class)).collect();
                put("confusion", json!(rows));
                if let Some((positive, ranking)) = self.two_classes() {
                    put("positive_class", positive.into());
                    put("roc_auc", ranking.roc_auc().into());
                    put("average_precision", ranking.average_precision().into());
                    put("threshold", self.threshold().into());
                    if let Some(best) = ranking.best_f1() {
                        put("best_f1", json!({ "threshold": best.threshold, "f1": ranking.f1(&best) }));
                    }
                } else if self.names().len() > 2 {
                    put("macro_roc_auc", classes.macro_roc_auc.into());
                }
                if let Some((calibration, brier)) = &classes.calibration {
                    put("calibration_error", calibration.expected_error().into());
                    put("brier", (*brier).into());
                }
            }
            (Answers::Classes { confusion, .. }, Rows::Areas) => {
                put("accuracy", confusion.accuracy().into());
                put("correct", confusion.correct().into());
                put("pixels", confusion.total().into());
                put("mean_iou", confusion.mean_iou().into());
                put("mean_dice", confusion.mean_dice().into());
                put("baseline_accuracy", confusion.baseline_accuracy().into());
                put("most_frequent_class", confusion.most_frequent().map(|class| self.names()[class].as_str()).into());
                put("balanced_accuracy", confusion.balanced_accuracy().into());
                let scores = self.names().iter().enumerate().map(|(class, name)| {
                    json!({
                        "class": name,
                        "iou": confusion.iou(class),
                        "dice": confusion.dice(class),
                        "precision": confusion.precision(class),
                        "recall": confusion.recall(class),
                        "pixels": confusion.support(class),
                    })
                });
                put("classes", scores.collect());
                let rows: Vec<&[u64]> = (0..confusion.classes()).map(|class| confusion.row(class)).collect();
                put("confusion", json!(rows));
            }
            (Answers::Values(metrics), _) => {
                put("rmse", metrics.root_mean_squared_error().into());
                put("mae", metrics.mean_absolute_error().into());
                put("r2", metrics.r2().into());
                put("baseline_rmse", metrics.baseline_root_mean_squared_error().into());
                if let Some(interval) = &self.evaluation.interval {
                    put("interval_coverage", (interval.inside as f64 / self.data.len() as f64).into());
                    put("interval_width", interval.width.into());
                }
            }
            _ => unreachable!("the rows were made for the kind of the answers"),
        }
    }

    /// Adds the points of the curves, which `train` leaves to `evaluate`.
    fn add_curves_to(&self, line: &mut Value, prefix: &str) {
        if let Some((_, ranking)) = self.two_classes() {
            line[format!("{prefix}curve")] = curve(ranking);
        }
        if let Rows::Classes(classes) = &self.rows
            && let Some((calibration, _)) = &classes.calibration
        {
            line[format!("{prefix}calibration")] = bins(calibration);
        }
    }
}

/// ROC and precision-recall in one: what is right at each of some thresholds, the highest first.
fn curve(ranking: &Ranking) -> Value {
    let point = |point: &Point| {
        json!({
            "threshold": point.threshold,
            "false_positive_rate": ranking.false_positive_rate(point),
            "recall": ranking.recall(point),
            "precision": point.precision(),
        })
    };
    ranking.thinned(CURVE_POINTS).iter().map(point).collect()
}

fn bins(calibration: &Calibration) -> Value {
    let bin = calibration.bins().map(|bin| {
        json!({
            "from": bin.from,
            "to": bin.to,
            "rows": bin.rows,
            "predicted": bin.predicted,
            "observed": bin.observed,
        })
    });
    bin.collect()
}
