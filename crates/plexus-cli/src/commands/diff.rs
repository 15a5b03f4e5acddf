//! `plexus diff`: two models side by side, or a model and what another program recorded.

use crate::Failure;
use crate::args::DiffArgs;
use crate::commands::rows::each_batch;
use crate::commands::{csv_text, model_path};
use crate::npz;
use crate::output::{grouped, number, print_json, say, table, yellow};
use plexus::explain::{Change, Diff, Follows, Gap, LayerDiff, Recorded, TensorDiff, ValueDiff, Values, diff, follows};
use plexus::{Chosen, Context, Model, Pool};
use serde_json::json;
use std::path::Path;

/// Memory for the values of a batch.
const MOST_BYTES: usize = 1 << 28;

/// Prints what differs.
pub fn run(args: DiffArgs) -> Result<(), Failure> {
    let context = Context::detect(Pool::new(args.threads));
    let open = |path| -> Result<Model, Failure> { Ok(Model::open(model_path(path)?, context.clone())?) };
    if let Some(reference) = &args.reference {
        return print_reference(&args, &open(&args.a)?, reference);
    }
    let path_b = args.b.as_ref().expect("the parser wants it where there is no reference");
    let (a, b) = (open(&args.a)?, open(path_b)?);
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
    print_structure([(&args.a, &a), (path_b, &b)], &found);
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

/// Says which rounding recorded outputs follow.
fn print_reference(args: &DiffArgs, model: &Model, path: &Path) -> Result<(), Failure> {
    let arrays = npz::read(path).map_err(Failure::Input)?;
    let recorded = arrays.into_iter().map(|array| {
        let npz::Array { name, shape, numbers, whole } = array;
        Recorded { name, shape, numbers, whole }
    });
    let found = follows(model, recorded.collect())?;
    let exact: Vec<&str> = found.iter().filter(|way| way.differing() == 0).map(|way| way.rounding.as_str()).collect();
    if args.print.json {
        print_json(&json!({"roundings": found, "follows": exact}));
        return Ok(());
    }
    // As the options of quantize have them.
    let told = |name: &str| name.replace('_', "-");
    let of = |way: &Follows| (way.differing(), way.compared(), way.first().unwrap_or_default().to_string());
    if args.print.csv {
        let rows = found.iter().map(|way| {
            let (differing, compared, first) = of(way);
            vec![way.rounding.clone(), way.is_own.to_string(), differing.to_string(), compared.to_string(), first]
        });
        say!("{}", csv_text(&["rounding", "is_own", "differing", "compared", "first"], rows));
        return Ok(());
    }
    let mut rows = table(&["rounding", "numbers that differ", "largest", "first layer that differs"], &[1, 2]);
    for way in &found {
        let (differing, compared, first) = of(way);
        let largest = way.layers.iter().map(|(_, gap)| gap.largest).fold(0.0, f64::max);
        let name = told(&way.rounding) + if way.is_own { " (the model's)" } else { "" };
        let shown = if differing == 0 { "0".to_string() } else { number(largest) };
        rows.add_row([name, format!("{} of {}", grouped(differing), grouped(compared)), shown, first]);
    }
    say!("{rows}");
    let own = told(found.iter().find(|way| way.is_own).map_or("", |way| way.rounding.as_str()));
    let names: Vec<String> = exact.iter().map(|name| told(name)).collect();
    let path = path.display();
    if names.is_empty() {
        let least = found.iter().min_by_key(|way| way.differing()).map_or_else(String::new, |way| told(&way.rounding));
        say!("{path} follows none of them; {least} differs least. Scales, weights or other layers differ too.");
    } else if names.contains(&own) {
        say!("{path} follows {}, as the model.", names.join(" and "));
    } else {
        say!("{path} follows {}. The model says {own}: quantize it as the record was.", names.join(" and "));
    }
    Ok(())
}

fn print_structure(models: [(&Path, &Model); 2], found: &Diff) {
    for (letter, (path, model)) in ["a", "b"].into_iter().zip(models) {
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
