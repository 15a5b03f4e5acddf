//! `plexus convert`: the same model in another form.

use crate::Failure;
use crate::args::{ConvertArgs, PrintArgs};
use crate::commands::{csv_text, is_text, model_path, open_network, shown_axes};
use crate::output::{grouped, number, print_json, program, quoted, say, table};
use plexus::convert::{Change, Conversion, ConvertOptions, convert_network};
use plexus::{Apart, Context, Model, PlanOptions, Shape, files};
use plexus_formats::write_network;
use plexus_kernels::random::{Random, Stream};
use std::path::Path;

/// Random inputs on which old and new are compared.
const ROWS: usize = 3;

/// The most that outputs may differ, as a share of the largest: more is no rounding, and nothing is written.
const MOST: f32 = 1e-2;

/// Converts, compares, writes, and says what became of what.
pub fn run(args: ConvertArgs) -> Result<(), Failure> {
    let ConvertArgs { model: from, out, layers, print, .. } = &args;
    let (conversion, options) = (args.conversion(), ConvertOptions::default().with_layers(layers.clone()));
    if args.order.is_some() && !args.conv_to_fc {
        return Err(Failure::Input(
            "--order is for --conv-to-fc: other conversions take the order of the flatten that is there".to_string(),
        ));
    }
    refuse_own_input(from, out)?;
    let name = from.display().to_string();
    if is_text(&name) {
        return text(&name, out, conversion, &options, print);
    }
    if out.extension().is_some_and(|ending| ending == "toml") {
        return Err(Failure::Input(format!(
            "{} ends in .toml, which holds no weights: name a file that ends in .safetensors",
            out.display()
        )));
    }
    // Every layer by itself, as training computes it.
    let model = Model::open_with(model_path(from)?, PlanOptions::default(), Context::single())?;
    let converted = model.convert(conversion, &options)?;
    let apart = compared(&model, &converted.model)?;
    converted.model.save(out)?;
    if print.json {
        let input = converted.model.network().input().axes();
        let output = converted.model.network().output().axes();
        print_json(&serde_json::json!({
            "model": out, "conversion": flag(conversion), "input_shape": input, "output_shape": output,
            "layers": converted.changes, "notes": converted.notes, "slides": converted.model.slides(),
            "rows_compared": ROWS, "largest_difference": apart.difference, "largest_output": apart.largest,
        }));
        return Ok(());
    }
    if print.csv {
        say!("{}", csv(&converted.changes));
        return Ok(());
    }
    say!("{}", changes(&converted.changes));
    converted.notes.iter().for_each(|note| say!("{note}"));
    say!(
        "Compared on {ROWS} random inputs: outputs differ by {} at most; the largest is {}.",
        number(f64::from(apart.difference)),
        number(f64::from(apart.largest))
    );
    let shown = quoted(&out.display().to_string());
    say!("Model: {shown}");
    match converted.model.slides() {
        true => say!("Next:  {} predict {shown} IMAGE --map     a class for each window of a larger image", program()),
        false => say!("Next:  {} summary {shown}", program()),
    }
    Ok(())
}

/// A network without weights: from one text file to another.
fn text(
    name: &str,
    out: &Path,
    conversion: Conversion,
    options: &ConvertOptions,
    print: &PrintArgs,
) -> Result<(), Failure> {
    if conversion == Conversion::Fold {
        return Err(Failure::Input(format!(
            "{name} has no weights, and --fold changes weights: name a model, as train writes one"
        )));
    }
    if print.csv {
        return Err(Failure::Input(format!(
            "{name} has no weights, and the table is of what became of weights: leave --csv out, and ask plexus summary --csv \
             about what was written"
        )));
    }
    if out.extension().is_none_or(|ending| ending != "toml") {
        return Err(Failure::Input(format!(
            "{name} has no weights, so what is written is text: name a file that ends in .toml, not {}",
            out.display()
        )));
    }
    let (network, _) = open_network(name, None, None, (Shape::new([784]), 10), PlanOptions::default())?;
    let converted = convert_network(&network, conversion, options).map_err(plexus::Error::from)?;
    let text = write_network(converted.network()).map_err(plexus::Error::from)?;
    files::write(out, text.as_bytes())?;
    let shown = quoted(&out.display().to_string());
    if print.json {
        print_json(&serde_json::json!({
            "network": out, "conversion": flag(conversion), "input_shape": converted.input().axes(),
            "output_shape": converted.output().axes(),
        }));
        return Ok(());
    }
    say!("Network: {shown}, {} to {}", converted.input(), converted.output());
    say!("Next:    {} summary {shown}", program());
    Ok(())
}

/// How the conversion is asked for.
fn flag(conversion: Conversion) -> &'static str {
    match conversion {
        Conversion::FcToConv(_) => "fc-to-conv",
        Conversion::ConvToFc { .. } => "conv-to-fc",
        Conversion::ConvToMatrix(_) => "conv-to-matrix",
        Conversion::AbsorbBias => "absorb-bias",
        _ => "fold",
    }
}

/// The model that is read is not written over: what it was could not be had again.
fn refuse_own_input(from: &Path, out: &Path) -> Result<(), Failure> {
    let (Ok(read), Ok(written)) = (model_path(from)?.canonicalize(), out.canonicalize()) else { return Ok(()) };
    match read == written {
        true => Err(Failure::Input(format!("{} is the model that is read: choose another name", out.display()))),
        false => Ok(()),
    }
}

/// Runs both on some random inputs.
fn compared(model: &Model, converted: &Model) -> Result<Apart, Failure> {
    // What pixels were trained from, else numbers between 0 and 1.
    let largest = model.metadata().get(Model::PIXEL_MAX).and_then(|text| text.parse::<f32>().ok()).unwrap_or(1.0);
    let inputs = model.inputs().iter().enumerate().map(|(index, input)| {
        let mut values = vec![0.0; ROWS * input.shape.len().unwrap_or(0)];
        Random::new(0, Stream::Init, [index as u64, 0]).uniform(0.0, largest, &mut values);
        values
    });
    let inputs: Vec<Vec<f32>> = inputs.collect();
    let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    let apart = model.apart(converted, &inputs, ROWS)?;
    if apart.difference > MOST * apart.largest {
        return Err(Failure::Input(format!(
            "the converted model answers otherwise: by {} where the largest output is {}. That is more than rounding, so nothing \
             is written. Are there very large weights (see summary)?",
            apart.difference, apart.largest
        )));
    }
    Ok(apart)
}

/// What became of what, for programs.
fn csv(changes: &[Change]) -> String {
    let header = [
        "layer",
        "kind_before",
        "kind_after",
        "weight_before",
        "weight_after",
        "parameters_before",
        "parameters_after",
        "nonzeros",
        "distinct",
    ];
    let row = |change: &Change| {
        let mut row = vec![change.layer.clone()];
        row.extend([change.before, change.after].map(|kind| kind.unwrap_or_default().to_string()));
        row.extend([&change.weight_before, &change.weight_after].map(|axes| shown_axes(axes)));
        row.extend([change.params_before, change.params_after].map(|count| count.to_string()));
        row.extend(
            [change.nonzeros, change.distinct].map(|count| count.map_or(String::new(), |count| count.to_string())),
        );
        row
    };
    csv_text(&header, changes.iter().map(row))
}

/// What became of what.
fn changes(changes: &[Change]) -> String {
    let has_matrix = changes.iter().any(|change| change.nonzeros.is_some());
    let mut header = vec!["layer", "kind", "weight", "parameters"];
    if has_matrix {
        header.extend(["non-zero", "distinct"]);
    }
    let mut rows = table(&header, &(3..header.len()).collect::<Vec<_>>());
    let both = |before: String, after: String| match (before == after, before.is_empty()) {
        (true, _) => before,
        (false, true) => after,
        (false, false) if after.is_empty() => before,
        (false, false) => format!("{before} -> {after}"),
    };
    for change in changes {
        let kind = match (change.before, change.after) {
            (Some(before), Some(after)) if before == after => before.to_string(),
            (Some(before), Some(after)) => format!("{before} -> {after}"),
            (Some(before), None) => format!("{before} -> (left out)"),
            (None, after) => format!("(new) {}", after.unwrap_or_default()),
        };
        let count = |count: u64| if count == 0 { String::new() } else { grouped(count) };
        let mut row = vec![
            change.layer.clone(),
            kind,
            both(shown_axes(&change.weight_before), shown_axes(&change.weight_after)),
            both(count(change.params_before), count(change.params_after)),
        ];
        if has_matrix {
            row.extend([change.nonzeros, change.distinct].map(|number| number.map_or(String::new(), grouped)));
        }
        rows.add_row(row);
    }
    rows.to_string()
}
