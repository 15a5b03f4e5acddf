//! Cross-validation: as many runs as there are pieces, each measured on the piece that it did not see.

use super::{folder, learn, open, start};
use crate::Failure;
use crate::args::TrainArgs;
use crate::output::{accuracy, grouped, number, print_json, say};
use plexus::Context;
use plexus_train::data::{DataOptions, Fold};
use plexus_train::evaluate::{Answers, Evaluation};
use std::sync::atomic::AtomicBool;

/// Trains on all pieces but one, for each piece; prints each result, the mean and the spread.
pub(super) fn run(args: &TrainArgs, count: usize, context: &Context, interrupted: &AtomicBool) -> Result<(), Failure> {
    let mut results = Vec::new();
    let mut parent = None;
    for index in 0..count {
        let options = DataOptions { fold: Some(Fold { index, count }), ..args.table.options() };
        let source = open(args, &options)?;
        let rows = source.train.len() + source.test.len();
        if rows < count {
            return Err(Failure::Input(format!(
                "--folds is {count}, but there are only {rows} rows: one for each at least"
            )));
        }
        let parent = parent.get_or_insert_with(|| folder(args, source.train.name()));
        let mut run = start(args, source, options, &parent.join(format!("fold-{}", index + 1)), context.clone())?;
        if index == 0 && !args.quiet {
            super::announce(&run, args.json);
        }
        let (finished, _) = learn(&mut run, args, interrupted)?;
        let test = finished.test.expect("each fold has rows to test on");
        if args.json {
            let mut line = serde_json::json!({
                "event": "fold", "fold": index + 1, "folds": count, "model": finished.model_path, "rows": test.rows,
            });
            for (name, value) in scores(&test) {
                line[format!("test_{}", name.to_lowercase())] = value.into();
            }
            print_json(&line);
        } else {
            let told = scores(&test).iter().map(|(name, value)| told(name, *value)).collect::<Vec<_>>();
            say!("Fold {}/{count}  {} on {} rows", index + 1, told.join(", "), grouped(test.rows));
        }
        results.push(scores(&test));
    }
    let folds = results.len() as f64;
    let summary = (0..results[0].len()).map(|score| {
        let (key, _) = results[0][score];
        let values = || results.iter().map(|fold| fold[score].1);
        let mean = values().sum::<f64>() / folds;
        // Of a sample: divided by one less.
        let spread = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / (folds - 1.0)).sqrt();
        (key, mean, spread)
    });
    let summary: Vec<(&str, f64, f64)> = summary.collect();
    if args.json {
        let mut line = serde_json::json!({ "event": "folds", "folds": count });
        for (key, mean, spread) in &summary {
            line[format!("test_{}_mean", key.to_lowercase())] = (*mean).into();
            line[format!("test_{}_spread", key.to_lowercase())] = (*spread).into();
        }
        print_json(&line);
        return Ok(());
    }
    let told: Vec<String> = summary
        .iter()
        .map(|(name, mean, spread)| match *name {
            "accuracy" => format!("accuracy {} ± {}", accuracy(*mean), accuracy(*spread)),
            _ => format!("{name} {} ± {}", number(*mean), number(*spread)),
        })
        .collect();
    say!();
    say!("Mean      {} (± is the standard deviation over {count} folds)", told.join(", "));
    if let Some(parent) = parent {
        say!(
            "Models    {}/fold-1 to fold-{count}; one for use is trained on all rows: --test-fraction 0",
            parent.display()
        );
    }
    Ok(())
}

/// The scores that are averaged.
fn scores(test: &Evaluation) -> Vec<(&'static str, f64)> {
    match &test.first().answers {
        Answers::Classes { confusion, .. } => vec![("accuracy", confusion.accuracy()), ("loss", test.loss)],
        Answers::Values(metrics) => vec![
            ("RMSE", metrics.root_mean_squared_error()),
            ("MAE", metrics.mean_absolute_error()),
            ("R2", metrics.r2()),
        ],
    }
}

fn told(name: &str, value: f64) -> String {
    if name == "accuracy" { format!("accuracy {}", accuracy(value)) } else { format!("{name} {}", number(value)) }
}
