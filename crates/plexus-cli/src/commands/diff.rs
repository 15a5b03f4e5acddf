//! `plexus diff`: two models side by side.

use crate::Failure;
use crate::args::DiffArgs;
use crate::commands::rows::each_batch;
use crate::commands::{csv_text, model_path};
use crate::output::{grouped, number, print_json, say, table, yellow};
use plexus::explain::{Change, Diff, Gap, LayerDiff, TensorDiff, ValueDiff, Values, diff};
use plexus::{Chosen, Context, Model, Pool};
use serde_json::json;

/// Memory for the values of a batch.
const MOST_BYTES: usize = 1 << 28;

/// Prints what differs.
pub fn run(args: DiffArgs) -> Result<(), Failure> {
    let context = Context::detect(Pool::new(args.threads));
    let open = |path| -> Result<Model, Failure> { Ok(Model::open(model_path(path)?, context.clone())?) };
    let (a, b) = (open(&args.a)?, open(&args.b)?);
    let values = args.data.as_ref().map(|data| values(&args, data, &a, &b)).transpose()?;
    let found = diff(&a, &b);
    if args.print.json {
        let mut line = serde_json::to_value(&found).expect("plain data has a JSON form");
        line["same"] = found.is_empty().into();
        if let Some(values) = &values {
            let first = |tolerance| first_beyond(values, tolerance).map(|value| value.a.clone());
            line["values"] = json!({
                "rows": values.rows(), "layers": values.found().collect::<Vec<_>>(), "tolerance": args.tolerance,
                "first": first(0.0), "first_beyond": first(args.tolerance), "decided_otherwise": values.decided_otherwise(),
            });
        }
        print_json(&line);
        return Ok(());
    }
    if args.print.csv {
        say!("{}", csv(&found, values.as_ref()));
        return Ok(());
    }
    print_structure(&args, [&a, &b], &found);
    if let Some(values) = &values {
        print_values(values, args.tolerance);
    }
    Ok(())
}

/// Runs both models on the rows.
fn values(args: &DiffArgs, source: &str, a: &Model, b: &Model) -> Result<Values, Failure> {
    let Chosen { data, part, warning } = a.choose_rows(source, &args.source.options(), args.part.map(Into::into))?;
    a.check_data(&data)?;
    if let Some(warning) = &warning {
        eprintln!("{}: {warning}", yellow("warning"));
    }
    if data.is_empty() {
        return Err(Failure::Input(format!("{source} has no rows ({part}) to compare on")));
    }
    let mut values = Values::new(a, b)?;
    let batch = (MOST_BYTES / values.bytes_per_row().max(1)).clamp(1, 512);
    each_batch(&data, data.len(), batch, |_, rows, count| Ok(values.add(&[rows], count)?))?;
    Ok(values)
}

/// The first pair of layers whose values differ by more than a share of the largest of them.
fn first_beyond(values: &Values, tolerance: f64) -> Option<&ValueDiff> {
    values.found().find(|value| value.gap.differing > 0 && value.gap.relative() > tolerance)
}

fn print_structure(args: &DiffArgs, models: [&Model; 2], found: &Diff) {
    for (letter, path, model) in [("a", &args.a, models[0]), ("b", &args.b, models[1])] {
        let network = model.network();
        let (layers, weights) = (network.network().layers.len() as u64, network.layout().weights_len() as u64);
        say!("{letter} is {}: {} layers, {} parameters", path.display(), grouped(layers), grouped(weights));
    }
    for change in &found.ends {
        say!("{}", told(change));
    }
    if found.is_empty() {
        say!("The same layers and the same numbers, to the last bit.");
        return;
    }
    let mut rows = table(&["layer", "kind", "layers", "numbers that differ", "largest", "relative"], &[3, 4, 5]);
    for layer in &found.layers {
        let mut built: Vec<String> = layer.changes.iter().map(told).collect();
        match (&layer.a, &layer.b) {
            (Some(_), None) => built.push("only in a".to_string()),
            (None, Some(_)) => built.push("only in b".to_string()),
            _ => {}
        }
        let built = if built.is_empty() { "same".to_string() } else { built.join("; ") };
        let names = names(layer);
        if layer.tensors.is_empty() {
            rows.add_row([names, layer.kind.clone(), built, String::new(), String::new(), String::new()]);
            continue;
        }
        for (index, tensor) in layer.tensors.iter().enumerate() {
            let first = |text: &str| if index == 0 { text.to_string() } else { String::new() };
            let numbers = numbers(tensor);
            let (largest, relative) = tensor.gap.map_or_else(Default::default, |gap| shown(&gap));
            rows.add_row([first(&names), first(&layer.kind), first(&built), numbers, largest, relative]);
        }
    }
    say!("{rows}");
    let structure =
        found.ends.is_empty() && found.layers.iter().all(|layer| layer.is_pair() && layer.changes.is_empty());
    let tensors: Vec<&TensorDiff> = found.layers.iter().flat_map(|layer| &layer.tensors).collect();
    let other = tensors.iter().filter(|tensor| tensor.gap.is_none_or(|gap| gap.differing > 0)).count();
    let networks = if structure { "The layers are the same" } else { "The layers differ" };
    say!("{networks}; {other} of {} tensors of common layers have other numbers.", tensors.len());
}

fn print_values(values: &Values, tolerance: f64) {
    let mut rows = table(&["values behind", "kind", "differ", "largest", "relative", "row"], &[2, 3, 4, 5]);
    for value in values.found() {
        let gap = &value.gap;
        let (largest, relative) = shown(gap);
        let at = if gap.differing > 0 { grouped(gap.at.0) } else { String::new() };
        let name = if value.a == value.b { value.a.clone() } else { format!("{} / {}", value.a, value.b) };
        rows.add_row([name, value.kind.clone(), share(gap), largest, relative, at]);
    }
    say!("{rows}");
    let count = grouped(values.rows());
    let told = |value: &ValueDiff| {
        let (gap, place) = (&value.gap, grouped(value.gap.at.1));
        let (largest, relative) = shown(gap);
        format!(
            "{} ({}): by up to {largest}, {relative} of its largest value, in row {}, number {place}",
            value.a, value.kind, gap.at.0
        )
    };
    match (first_beyond(values, 0.0), first_beyond(values, tolerance)) {
        (None, _) => say!("On {count} rows all of these values are the same, to the last bit."),
        (Some(first), None) => {
            say!("On {count} rows no layer differs by more than rounding ({tolerance:e} of its largest value).");
            say!("The first that differs at all is {}.", told(first));
        }
        (Some(first), Some(beyond)) => {
            say!("On {count} rows the first layer whose outputs differ is {}.", told(first));
            if first.a != beyond.a {
                say!("The first that differs by more than {tolerance:e} of its largest value is {}.", told(beyond));
            }
        }
    }
    if let Some(other) = values.decided_otherwise() {
        say!("The models decide otherwise for {} of {count} rows.", grouped(other));
    }
}

fn names(layer: &LayerDiff) -> String {
    match (&layer.a, &layer.b) {
        (Some(a), Some(b)) if a != b => format!("{a} / {b}"),
        (a, b) => a.as_ref().or(b.as_ref()).expect("one of them has it").clone(),
    }
}

fn told(change: &Change) -> String {
    let side = |text: &str| if text.is_empty() { "none".to_string() } else { text.to_string() };
    format!("{} {} → {}", change.what, side(&change.a), side(&change.b))
}

fn numbers(tensor: &TensorDiff) -> String {
    match &tensor.gap {
        Some(gap) => format!("{} {}", tensor.role, share(gap)),
        None if tensor.shape.is_empty() => format!("{} only in b", tensor.role),
        None => format!("{} of another size", tensor.role),
    }
}

fn share(gap: &Gap) -> String {
    format!("{} of {}", grouped(gap.differing), grouped(gap.compared))
}

/// The largest difference, and as a share.
fn shown(gap: &Gap) -> (String, String) {
    if gap.differing == 0 {
        return ("0".to_string(), "0".to_string());
    }
    (number(gap.largest), if gap.scale > 0.0 { format!("{:.1e}", gap.relative()) } else { "–".to_string() })
}

/// A row for each tensor, and one for the values behind each layer.
fn csv(found: &Diff, values: Option<&Values>) -> String {
    let header = ["layer_a", "layer_b", "kind", "what", "change", "compared", "differing", "largest", "relative"];
    let of = |gap: Option<&Gap>| match gap {
        Some(gap) => {
            [gap.compared.to_string(), gap.differing.to_string(), gap.largest.to_string(), gap.relative().to_string()]
        }
        None => Default::default(),
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut add = |names: [&str; 3], what: &str, change: String, gap: Option<&Gap>| {
        let names = names.map(str::to_string);
        rows.push(names.into_iter().chain([what.to_string(), change]).chain(of(gap)).collect());
    };
    for change in &found.ends {
        add(["", "", ""], &change.what, told(change), None);
    }
    for layer in &found.layers {
        let names = [layer.a.as_deref().unwrap_or(""), layer.b.as_deref().unwrap_or(""), &layer.kind];
        if !layer.is_pair() {
            add(names, "layer", if layer.a.is_some() { "only in a" } else { "only in b" }.to_string(), None);
        }
        for change in &layer.changes {
            add(names, &change.what, told(change), None);
        }
        for tensor in &layer.tensors {
            let change = if tensor.gap.is_some() { String::new() } else { numbers(tensor) };
            add(names, &tensor.role, change, tensor.gap.as_ref());
        }
    }
    for value in values.iter().flat_map(|values| values.found()) {
        add([&value.a, &value.b, &value.kind], "values", String::new(), Some(&value.gap));
    }
    csv_text(&header, rows)
}
