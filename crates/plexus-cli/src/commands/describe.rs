//! What a model takes and gives: its columns, its target, the rows that it was trained on.

use crate::flags::reason;
use crate::output::{grouped, number, table};
use plexus::{Model, Task};
use plexus_train::data::{ColumnKind, Schema};
use serde_json::{Value, json};

/// Names of classes that are listed.
const MOST_NAMES: usize = 20;

/// It in lines for people; begins with a line break, or is empty.
pub(crate) fn text(model: &Model) -> String {
    let mut lines = Vec::new();
    if let Some(schema) = model.columns() {
        columns(schema, &mut lines);
    }
    for output in model.outputs() {
        let name = if model.outputs().len() > 1 { format!("{}, ", output.name.escape_debug()) } else { String::new() };
        lines.push(output_line(&output.task, &name));
    }
    if let Some(schema) = model.columns() {
        for target in &schema.targets {
            lines.push(format!("Target    {}, column {} of the file", target.name.escape_debug(), target.index + 1));
        }
    }
    if let Some(scale) = target_scale(model) {
        lines.push(format!("Scale     {scale}"));
    }
    if let Some(split) = model.split() {
        let rows = |count: usize| grouped(count as u64);
        lines.push(format!(
            "Rows      {} learnt from, {} chose the best weights, {} held out; {}",
            rows(split.train_rows),
            rows(split.validation_rows),
            rows(split.test_rows),
            split.data.escape_debug()
        ));
        match (&split.fold, &split.test_data, &split.fingerprint) {
            (Some(fold), ..) => lines.push(format!(
                "Held out  piece {} of {} (split seed {})",
                fold.index + 1,
                fold.count,
                split.split_seed
            )),
            (None, Some(file), _) => lines.push(format!("Held out  {}", file.escape_debug())),
            (None, None, Some(_)) if split.test_rows > 0 => {
                lines.push(format!(
                    "Held out  a share of {} of the rows (split seed {})",
                    split.test_fraction, split.split_seed
                ));
            }
            _ => {}
        }
    }
    lines.iter().map(|line| format!("\n{line}")).collect()
}

/// What an output gives.
fn output_line(task: &Task, name: &str) -> String {
    match task {
        Task::Classification { classes } | Task::MultiLabel { classes } => {
            let more = classes.len().saturating_sub(MOST_NAMES);
            let names = classes.iter().take(MOST_NAMES).map(|name| name.escape_debug().to_string());
            let more = if more > 0 { format!(" and {} more", grouped(more as u64)) } else { String::new() };
            let count = grouped(classes.len() as u64);
            format!("Classes   {name}{count}: {}{more}", names.collect::<Vec<_>>().join(", "))
        }
        Task::Regression { outputs } => format!("Outputs   {name}{}", outputs.join(", ")),
        Task::Quantiles { outputs, .. } => format!("Outputs   {name}quantiles: {}", outputs.join(", ")),
        other => format!("Outputs   {name}{other}"),
    }
}

/// The same for programs.
pub(crate) fn json(model: &Model) -> Value {
    json!({
        "task": (model.outputs().len() == 1).then(|| model.task()),
        "outputs": model.outputs(),
        "columns": model.columns(),
        "target_scale": target_scale(model),
        "split": model.split(),
    })
}

fn columns(schema: &Schema, lines: &mut Vec<String>) {
    let mut rows = table(&["column", "holds", "features", "where it is missing"], &[2]);
    for column in &schema.columns {
        let (holds, missing) = match &column.kind {
            ColumnKind::Number { mean, dressed } => {
                let holds = if *dressed { "numbers such as $1,200 or 5 %" } else { "numbers" };
                (holds.to_string(), format!("the mean, {}", number(f64::from(*mean))))
            }
            ColumnKind::Category { categories, other } => {
                let missing =
                    if categories.iter().any(|text| text == "missing") { "a category" } else { "none of them" };
                let other = if *other { ", the rare ones together" } else { "" };
                (format!("{} categories{other}", grouped(categories.len() as u64)), missing.to_string())
            }
            ColumnKind::Date { format, .. } => (format!("dates as {format}"), "the mean".to_string()),
        };
        let name = column.name.escape_debug().to_string();
        rows.add_row([name, holds, grouped(column.features() as u64), missing]);
    }
    lines.push(rows.to_string());
    let ignored = schema.ignored.iter();
    lines.extend(ignored.map(|ignored| format!("Left out  {}: {}", ignored.name.escape_debug(), reason(&ignored.why))));
}

/// How the number was scaled while it was learnt, where it was.
fn target_scale(model: &Model) -> Option<String> {
    let constant = |role: &str| model.tensor(&format!("target_scale.{role}"))?.first().copied();
    let (mean, spread) = (f64::from(constant("mean")?), f64::from(constant("scale")?));
    let logarithm = model.network().network().layers.iter().any(|layer| layer.name == "target_exp");
    let (mean, spread) = (number(-mean * spread), number(spread));
    Some(if logarithm {
        format!("the logarithm of the target was learnt in units of its spread: mean {mean}, spread {spread}")
    } else {
        format!("the target was learnt in units of its spread: mean {mean}, spread {spread}")
    })
}
