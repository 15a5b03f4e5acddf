//! What a measured model got right, as pictures and for programs.

use crate::Failure;
use crate::commands::{counts, save_picture};
use crate::output::{accuracy, number};
use crate::pictures::confusion::confusion_matrix;
use crate::pictures::regression::predicted_against_target;
use plexus::{Model, Workspace};
use plexus_train::data::Dataset;
use plexus_train::evaluate::{Answers, Evaluation, Interval};
use std::path::Path;

/// The confusion matrix, or predictions against targets; returns the name of the picture.
pub(crate) fn save_result_picture(
    folder: &Path,
    model: &Model,
    test: &Evaluation,
    (data, part): (&Dataset, &str),
) -> Result<&'static str, Failure> {
    match &test.answers {
        Answers::Classes { confusion, .. } => {
            let title = format!("{}, {part}", data.name);
            let picture = confusion_matrix(&title, model.task().names(), &counts(confusion));
            save_picture(folder, "confusion-matrix", &picture)?;
            Ok("confusion-matrix")
        }
        Answers::Values(_) => {
            let (mut targets, mut predicted) = (Vec::new(), Vec::new());
            let (mut workspace, mut input) = (Workspace::default(), vec![0.0; data.row_len()]);
            let width = model.task().names().len();
            let mut target = vec![0.0; width];
            for row in 0..data.len() as u32 {
                data.gather(&[row], &mut input);
                data.gather_values(&[row], &mut target);
                let output = model.predict(&input, 1, &mut workspace)?;
                predicted.extend(output.iter().map(|y| f64::from(*y)));
                targets.extend(target.iter().map(|t| f64::from(*t)));
            }
            let picture = predicted_against_target(&data.name, &targets, &predicted);
            save_picture(folder, "predictions", &picture)?;
            Ok("predictions")
        }
    }
}

/// Adds the results to a JSON object, each key with a prefix.
pub(crate) fn add_results(line: &mut serde_json::Value, prefix: &str, result: &Evaluation) {
    let mut put = |key: &str, value: serde_json::Value| line[format!("{prefix}{key}")] = value;
    put("loss", result.loss.into());
    match &result.answers {
        Answers::Classes { confusion, top_5 } => {
            put("accuracy", confusion.accuracy().into());
            put("correct", confusion.correct().into());
            put("top_5_accuracy", (*top_5 as f64 / result.rows as f64).into());
            let mean = confusion.macro_average();
            put("macro_f1", mean.f1.into());
            let rows: Vec<&[u64]> = (0..confusion.classes()).map(|class| confusion.row(class)).collect();
            put("confusion", serde_json::json!(rows));
        }
        Answers::Values(metrics) => {
            put("rmse", metrics.root_mean_squared_error().into());
            put("mae", metrics.mean_absolute_error().into());
            put("r2", metrics.r2().into());
        }
    }
    if let Some(interval) = &result.interval {
        put("interval_coverage", (interval.inside as f64 / result.rows as f64).into());
        put("interval_width", interval.width.into());
    }
}

/// An interval between two quantiles, in words.
pub(crate) fn interval(interval: &Interval, rows: usize) -> String {
    let share = f64::from(interval.high) - f64::from(interval.low);
    format!(
        "between the quantiles {} and {} lie {} of the targets (wanted {}); mean width {}",
        interval.low,
        interval.high,
        accuracy(interval.inside as f64 / rows as f64),
        accuracy(share),
        number(interval.width)
    )
}
