//! How much a model needs each column of its table.

use super::Results;
use crate::Failure;
use crate::commands::save_picture;
use crate::output::{decimals, fixed, say, shown, table};
use crate::pictures::Theme;
use crate::pictures::importance::{Bar, importance};
use crate::progress::{self, PATIENCE, Part, Streams};
use plexus::Model;
use plexus_train::data::{Dataset, Targets};
use plexus_train::evaluate::Answers;
use plexus_train::importance::{Importance, permutation_importance};
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::Path;

/// Shuffles of each column.
const REPEATS: usize = 5;

/// The importance of each column, the most important first.
pub(crate) struct Importances {
    title: String,
    /// The target, where it is a number, with its variance on these rows.
    number: Option<(String, f64)>,
    /// The error with every column in place: the share of wrong answers, or the root mean squared error.
    usual: f64,
    columns: Vec<(String, Importance)>,
}

impl Importances {
    /// Shuffles one column after the other and measures; the data is as before afterwards.
    pub(crate) fn measure(
        model: &Model,
        (data, part): (&mut Dataset, &str),
        threshold: Option<f64>,
        json: bool,
    ) -> Result<Self, Failure> {
        let Some(schema) = model.columns() else {
            return Err(Failure::Input(
                "--importance shuffles the columns of a table, but this model was not trained on one (csv:FILE). Leave \
                 it out"
                    .to_string(),
            ));
        };
        let (mut names, mut ranges, mut start) = (Vec::new(), Vec::new(), 0);
        for column in schema.columns.iter().filter(|column| column.features() > 0) {
            names.push(column.name.clone());
            ranges.push(start..start + column.features());
            start += column.features();
        }
        let watch = Watch::new(1 + REPEATS * ranges.len(), json);
        let title = format!("{}, {part}", data.name());
        let mut variance = 0.0;
        let error = |data: &Dataset| -> Result<f64, Failure> {
            let evaluation = model.evaluate(data)?;
            let evaluation = match threshold {
                Some(_) => Results::new((model, 0), &evaluation, (data, part), threshold)?.evaluation,
                None => evaluation.first().clone(),
            };
            watch.step();
            Ok(match &evaluation.answers {
                Answers::Classes { confusion, .. } => 1.0 - confusion.accuracy(),
                Answers::Values(metrics) => {
                    variance = metrics.baseline_root_mean_squared_error().powi(2);
                    metrics.root_mean_squared_error()
                }
            })
        };
        let measured = permutation_importance(data, &ranges, REPEATS, 0, error);
        watch.clear();
        let (usual, found) = measured?;
        let mut columns: Vec<(String, Importance)> = names.into_iter().zip(found).collect();
        columns.sort_by(|a, b| b.1.mean().total_cmp(&a.1.mean()));
        let number = match data.target() {
            Targets::Values { names, .. } => Some((names.join(", "), variance)),
            Targets::Classes { .. } => None,
        };
        Ok(Importances { title, number, usual, columns })
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        match &self.number {
            None => {
                say!("Importance: so many percentage points of accuracy are lost when the column is shuffled");
                let mut rows = table(&["column", "accuracy lost", "spread"], &[1, 2]);
                for (name, importance) in &self.columns {
                    let points = |share: f64| fixed(100.0 * share, 2);
                    rows.add_row([shown(name), points(importance.mean()), points(importance.spread())]);
                }
                say!("{rows}");
            }
            Some((target, _)) => {
                let target = shown(target);
                say!("Importance: by so much the RMSE of {target} rises when the column is shuffled");
                let mut rows = table(&["column", "RMSE rises by", "spread", "R2 falls by", "spread"], &[1, 2, 3, 4]);
                let decimals = decimals(4, self.columns.iter().map(|column| column.1.mean()));
                for (name, importance) in &self.columns {
                    let fall = self.fall_of_r2(importance);
                    rows.add_row([
                        shown(name),
                        fixed(importance.mean(), decimals),
                        fixed(importance.spread(), decimals),
                        fixed(fall.mean(), 4),
                        fixed(fall.spread(), 4),
                    ]);
                }
                say!("{rows}");
            }
        }
        say!("Each column was shuffled {REPEATS} times; spread is the standard deviation.");
    }

    /// One object a column, the most important first.
    pub(crate) fn json(&self) -> Value {
        let column = |(name, importance): &(String, Importance)| {
            let mut column = json!({
                "column": name,
                "of": if self.number.is_some() { "rmse" } else { "accuracy" },
                "mean": importance.mean(),
                "spread": importance.spread(),
                "values": importance.rises,
            });
            if self.number.is_some() {
                let fall = self.fall_of_r2(importance);
                column["r2_mean"] = fall.mean().into();
                column["r2_spread"] = fall.spread().into();
            }
            column
        };
        self.columns.iter().map(column).collect()
    }

    /// Writes the picture.
    pub(crate) fn save_picture(&self, folder: &Path, theme: Theme) -> Result<(), Failure> {
        let (factor, unit) = match &self.number {
            None => (100.0, "accuracy lost when the column is shuffled, in percentage points".to_string()),
            Some((target, _)) => (1.0, format!("rise of the RMSE of {target} when the column is shuffled")),
        };
        let bar = |(name, importance): &(String, Importance)| Bar {
            name: name.clone(),
            mean: factor * importance.mean(),
            spread: factor * importance.spread(),
        };
        let bars: Vec<Bar> = self.columns.iter().map(bar).collect();
        save_picture(folder, "importance", &importance(&self.title, &unit, REPEATS, &bars), theme)
    }

    /// R² = 1 − RMSE² / variance, so a rise of the one is a fall of the other.
    fn fall_of_r2(&self, importance: &Importance) -> Importance {
        let variance = self.number.as_ref().map_or(0.0, |(_, variance)| *variance);
        let fall = |rise: &f64| ((self.usual + rise).powi(2) - self.usual.powi(2)) / variance;
        Importance { rises: importance.rises.iter().map(fall).collect() }
    }
}

/// A bar for those who wait longer than a second.
struct Watch {
    bar: Option<progress::Bar<Streams>>,
    steps: usize,
    done: Cell<usize>,
}

impl Watch {
    fn new(steps: usize, json: bool) -> Watch {
        Watch { bar: (!json).then(|| progress::Bar::after(PATIENCE, Streams::new())), steps, done: Cell::new(0) }
    }

    fn step(&self) {
        let done = self.done.get() + 1;
        self.done.set(done);
        if let Some(bar) = &self.bar {
            bar.update(|| {
                let after = vec![Part::fixed(format!("{done}/{}", self.steps))];
                (done as f64 / self.steps as f64, vec![Part::fixed("importance")], after)
            });
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.clear();
        }
    }
}
