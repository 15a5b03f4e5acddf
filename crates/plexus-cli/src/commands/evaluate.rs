//! `plexus evaluate`: how good a model is.

use crate::Failure;
use crate::args::{EvaluateArgs, Part};
use crate::commands::results::{add_results, save_result_picture};
use crate::output::{accuracy, grouped, number, print_json, say, table};
use plexus::{Model, Pool};
use plexus_train::data::{self, Dataset, Samples, Targets};
use plexus_train::evaluate::Answers;
use std::path::Path;

/// Measures a model on a data source.
pub fn run(args: EvaluateArgs) -> Result<(), Failure> {
    let model = Model::open(&args.model, Pool::new(args.threads))?.with_precision(args.precision.into());
    let (data, part) = open(&model, &args)?;
    if data.is_empty() {
        return Err(Failure::Input(format!("{} has no rows in its {part}: choose another with --part", args.data)));
    }
    let result = model.evaluate(&data)?;
    if let Some(folder) = &args.pictures {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::Input(format!("cannot make the folder {}: {error}", folder.display())))?;
        save_result_picture(folder, &model, &result, (&data, part))?;
    }
    if args.json {
        let mut line = serde_json::json!({ "model": args.model, "data": args.data, "part": part, "rows": result.rows });
        add_results(&mut line, "test_", &result);
        print_json(&line);
        return Ok(());
    }
    say!("{} on {}: {} rows ({part})", args.model.display(), args.data, grouped(result.rows as u64));
    match &result.answers {
        Answers::Classes { confusion, top_5 } => {
            say!(
                "accuracy {} ({} right), loss {}, among the five likeliest {}",
                accuracy(confusion.accuracy()),
                grouped(confusion.correct()),
                number(result.loss),
                accuracy(*top_5 as f64 / result.rows as f64)
            );
            let mut rows =
                table(&["class", "precision", "recall", "F1", "rows", "most often taken for"], &[1, 2, 3, 4]);
            let names = model.task().names();
            for (class, name) in names.iter().enumerate() {
                let score = confusion.class_score(class);
                let mistakes =
                    confusion.row(class).iter().enumerate().filter(|(other, count)| *other != class && **count > 0);
                let most = mistakes.max_by_key(|(other, count)| (**count, usize::MAX - other));
                rows.add_row([
                    name.clone(),
                    accuracy(score.precision),
                    accuracy(score.recall),
                    accuracy(score.f1),
                    grouped(score.support),
                    most.map_or(String::new(), |(other, count)| format!("{} ({count})", names[other])),
                ]);
            }
            let mean = confusion.macro_average();
            let (precision, recall, f1) = (accuracy(mean.precision), accuracy(mean.recall), accuracy(mean.f1));
            rows.add_row(["mean".to_string(), precision, recall, f1, grouped(mean.support), String::new()]);
            say!("{rows}");
        }
        Answers::Values(metrics) => say!(
            "RMSE {}, MAE {}, R2 {}, loss {}",
            number(metrics.root_mean_squared_error()),
            number(metrics.mean_absolute_error()),
            number(metrics.r2()),
            number(result.loss)
        ),
    }
    Ok(())
}

/// The rows that were asked for, encoded as the model knows them.
fn open(model: &Model, args: &EvaluateArgs) -> Result<(Dataset, &'static str), Failure> {
    let mut options = args.source.options()?;
    if let (Some(schema), Some(path)) = (model.columns(), args.data.strip_prefix("csv:"))
        && args.part.unwrap_or(Part::All) == Part::All
    {
        return Ok((data::read_with_schema(Path::new(path), schema, &options)?, "all rows"));
    }
    options.schema = model.columns().cloned();
    let source = data::open(&args.data, &options)?;
    Ok(match args.part.unwrap_or(Part::Test) {
        Part::Test => (source.test, "test part"),
        Part::Train => (source.train, "training part"),
        Part::All => (joined(source.train, source.test), "all rows"),
    })
}

/// Two parts of one source after each other.
fn joined(mut first: Dataset, second: Dataset) -> Dataset {
    match (&mut first.samples, second.samples) {
        (Samples::U8(values), Samples::U8(more)) => values.extend(more),
        (Samples::F32(values), Samples::F32(more)) => values.extend(more),
        _ => unreachable!("the parts of one source are stored alike"),
    }
    match (&mut first.targets, second.targets) {
        (Targets::Classes { indices, .. }, Targets::Classes { indices: more, .. }) => indices.extend(more),
        (Targets::Values { values, .. }, Targets::Values { values: more, .. }) => values.extend(more),
        _ => unreachable!("the parts of one source have targets of one kind"),
    }
    first
}
