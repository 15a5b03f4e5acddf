//! `plexus evaluate`: how good a model is.

use crate::Failure;
use crate::args::{EvaluateArgs, Part};
use crate::commands::results::{Importances, Results, check_threshold};
use crate::output::{grouped, print_json, say};
use crate::pictures::Theme;
use plexus::{Model, Pool};
use plexus_train::data::{self, Dataset, Samples, Targets};
use std::path::Path;

/// Measures a model on a data source.
pub fn run(args: EvaluateArgs) -> Result<(), Failure> {
    let model = Model::open(&args.model, Pool::new(args.threads))?.with_precision(args.precision.into());
    check_threshold(&model, args.threshold)?;
    let (mut data, part) = open(&model, &args)?;
    if data.is_empty() {
        return Err(Failure::Input(format!("{} has no rows in its {part}: choose another with --part", args.data)));
    }
    let importances = match args.importance {
        true => Some(Importances::measure(&model, (&mut data, part), args.threshold, args.json)?),
        false => None,
    };
    let results = Results::new(&model, &model.evaluate(&data)?, (&data, part), args.threshold)?;
    if let Some(folder) = &args.pictures {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::Input(format!("cannot make the folder {}: {error}", folder.display())))?;
        let theme = if args.dark { Theme::Dark } else { Theme::Light };
        results.save_pictures(folder, theme)?;
        if let Some(importances) = &importances {
            importances.save_picture(folder, theme)?;
        }
    }
    let rows = results.evaluation.rows;
    if args.json {
        let mut line = serde_json::json!({ "model": args.model, "data": args.data, "part": part, "rows": rows });
        results.add_to(&mut line, "test_");
        results.add_curves_to(&mut line, "test_");
        if let Some(importances) = &importances {
            line["test_importance"] = importances.json();
        }
        print_json(&line);
        return Ok(());
    }
    say!("{} on {}: {} rows ({part})", args.model.display(), args.data, grouped(rows as u64));
    results.print();
    if let Some(importances) = &importances {
        importances.print();
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
