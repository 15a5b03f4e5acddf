//! `plexus evaluate`: how good a model is.

use crate::Failure;
use crate::args::EvaluateArgs;
use crate::commands::model_path;
use crate::commands::results::{add_results, save_result_picture};
use crate::output::{accuracy, grouped, number, print_json, say, table, yellow};
use plexus::{Chosen, Model, Pool};
use plexus_train::evaluate::Answers;

/// Measures a model on a data source.
pub fn run(args: EvaluateArgs) -> Result<(), Failure> {
    let model = Model::open(model_path(&args.model)?, Pool::new(args.threads))?.with_precision(args.precision.into());
    let trained_on = model.split().map(|split| split.data.as_str());
    let source = args.data.as_deref().or(trained_on).unwrap_or("digits");
    let Chosen { data, part, warning } =
        model.choose_rows(source, &args.source.options(), args.part.map(Into::into))?;
    if data.is_empty() {
        return Err(Failure::Input(format!("{source} has no rows in its {part}: choose another with --part")));
    }
    if let Some(warning) = &warning {
        eprintln!("{}: {warning}", yellow("warning"));
    }
    let result = model.evaluate(&data)?;
    if let Some(folder) = &args.pictures {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::Input(format!("cannot make the folder {}: {error}", folder.display())))?;
        save_result_picture(folder, &model, &result, (&data, part))?;
    }
    if args.json {
        let mut line = serde_json::json!({ "model": args.model, "data": source, "part": part, "warning": warning, "rows": result.rows });
        add_results(&mut line, "test_", &result);
        print_json(&line);
        return Ok(());
    }
    say!("{} on {}: {} rows ({part})", args.model.display(), source, grouped(result.rows as u64));
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
            "{}RMSE {}, MAE {}, R2 {}, loss {}",
            model.columns().map_or(String::new(), |schema| format!("{}: ", schema.target)),
            number(metrics.root_mean_squared_error()),
            number(metrics.mean_absolute_error()),
            number(metrics.r2()),
            number(result.loss)
        ),
    }
    if let Some(interval) = &result.interval {
        say!("{}", crate::commands::results::interval(interval, result.rows));
    }
    Ok(())
}
