//! `plexus evaluate`: how good a model is.

use crate::Failure;
use crate::args::EvaluateArgs;
use crate::commands::model_path;
use crate::commands::results::{Importances, Results, add_to, check_threshold};
use crate::output::{grouped, print_json, say, yellow};
use crate::pictures::Theme;
use plexus::{Chosen, Model};

/// Measures a model on a data source.
pub fn run(args: EvaluateArgs) -> Result<(), Failure> {
    let model = Model::open_with(model_path(&args.model)?, args.open.into(), args.numbers.context(args.threads))?;
    check_threshold(&model, args.threshold)?;
    let trained_on = model.split().map(|split| split.data.as_str());
    let source = args.data.as_deref().or(trained_on).unwrap_or("digits");
    let Chosen { mut data, part, warning } =
        model.choose_rows(source, &args.source.options(), args.part.map(Into::into))?;
    if data.is_empty() {
        return Err(Failure::Input(format!("{source} has no rows in its {part}: choose another with --part")));
    }
    if let Some(warning) = &warning {
        eprintln!("{}: {warning}", yellow("warning"));
    }
    let importances = match args.importance {
        true if model.outputs().len() > 1 => {
            return Err(Failure::Input("--importance is for models of one output. Leave it out".to_string()));
        }
        true => Some(Importances::measure(&model, (&mut data, part), args.threshold, args.json)?),
        false => None,
    };
    let evaluation = model.evaluate(&data)?;
    let results = Results::all(&model, &evaluation, (&data, part), args.threshold)?;
    if let Some(folder) = &args.pictures {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::Input(format!("cannot make the folder {}: {error}", folder.display())))?;
        let theme = if args.dark { Theme::Dark } else { Theme::Light };
        results.iter().try_for_each(|results| results.save_pictures(folder, theme).map(|_| ()))?;
        if let Some(importances) = &importances {
            importances.save_picture(folder, theme)?;
        }
    }
    let rows = evaluation.rows;
    if args.json {
        let mut line = serde_json::json!({
            "model": args.model, "data": source, "part": part, "rows": rows, "warning": warning,
        });
        add_to(&results, &evaluation, &mut line, "test_", true);
        if let Some(importances) = &importances {
            line["test_importance"] = importances.json();
        }
        print_json(&line);
        return Ok(());
    }
    say!("{} on {source}: {} rows ({part})", args.model.display(), grouped(rows));
    results.iter().for_each(Results::print);
    if let Some(importances) = &importances {
        importances.print();
    }
    Ok(())
}
