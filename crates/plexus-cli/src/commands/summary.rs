//! `plexus summary`: a network line by line.

use crate::Failure;
use crate::args::SummaryArgs;
use crate::commands::{csv_text, describe, open_network, shown_axes};
use crate::output::{bytes, grouped, print_json, say, table};
use plexus::{Context, Isa, Loss, Model, Pool};
use plexus_nn::formulas::formulas;
use plexus_nn::summary::{Counts, Summary, SummaryLayer, summary};
use plexus_nn::{CheckedNetwork, Shape};
use plexus_train::memory::training_bytes;
use plexus_train::trainer::Settings;
use std::sync::Arc;

/// Prints the summary of a model or a named network.
pub fn run(args: SummaryArgs) -> Result<(), Failure> {
    let (input, options) = (args.input.as_deref(), args.open.into());
    let (network, model) = open_network(&args.network, input, args.outputs, (Shape::new([784]), 10), options)?;
    let mut counted = model.as_ref().map_or_else(|| summary(&network), of_model);
    scale(&mut counted, args.batch.unwrap_or(1));
    if args.print.json {
        let mut line = serde_json::to_value(&counted).expect("plain data has a JSON form");
        if network.without_gradient().is_none() {
            line["training_bytes"] = training(&network, args.batch).1.into();
        }
        if args.formulas {
            for index in 0..counted.layers.len() {
                let formulas = serde_json::to_value(formulas(&network, index));
                line["layers"][index]["formulas"] = formulas.expect("plain data has a JSON form");
            }
        }
        if let Some(model) = &model {
            line["model"] = describe::json(model);
        }
        print_json(&line);
        return Ok(());
    }
    if args.print.csv {
        say!("{}", csv(&network, &counted, args.formulas));
        return Ok(());
    }
    let described = model.as_ref().map_or(String::new(), describe::text);
    let worked = if args.formulas { arithmetic(&network) } else { String::new() };
    say!("{worked}{}{described}", text(&network, &counted, args.batch));
    Ok(())
}

/// The lines of the layers, for programs.
fn csv(network: &CheckedNetwork, counted: &Summary, with_formulas: bool) -> String {
    let mut header = vec![
        "layer",
        "kind",
        "inputs",
        "input_shape",
        "output_shape",
        "role",
        "parameters",
        "biases",
        "constants",
        "multiply_adds",
        "connections",
        "parameter_bytes",
        "activation_bytes",
        "receptive_field",
        "folded_into",
    ];
    header.extend(with_formulas.then_some("formulas"));
    let row = |(index, layer): (usize, &SummaryLayer)| {
        let counts = &layer.counts;
        let mut row = vec![layer.name.clone(), layer.kind.clone(), layer.inputs.join(" ")];
        row.extend([shown_axes(&layer.input_shape), shown_axes(&layer.output_shape)]);
        row.push(layer.role.unwrap_or_default().to_string());
        let biases = counts.params - counts.params_without_bias;
        let sizes = [counts.param_bytes, counts.activation_bytes];
        let counts = [counts.params, biases, counts.constants, counts.macs, counts.connections];
        row.extend(counts.into_iter().chain(sizes).map(|count| count.to_string()));
        row.extend([shown_axes(&layer.receptive_field), layer.folded_into.clone().unwrap_or_default()]);
        let formulas = || formulas(network, index).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        row.extend(with_formulas.then(formulas));
        row
    };
    csv_text(&header, counted.layers.iter().enumerate().map(row))
}

/// The formulas of every layer that has some.
fn arithmetic(network: &CheckedNetwork) -> String {
    let mut text = String::new();
    for (index, named) in network.network().layers.iter().enumerate() {
        let formulas = formulas(network, index);
        if !formulas.is_empty() {
            text += &format!("{} ({})\n", named.name, named.layer.kind());
            text.extend(formulas.iter().map(|formula| format!("  {formula}\n")));
        }
    }
    text
}

/// The rows of a batch of training, 64 unless others are asked for, and the bytes that it takes with the default settings.
fn training(network: &CheckedNetwork, batch: Option<u64>) -> (usize, u64) {
    let batch = batch.map_or(64, |batch| usize::try_from(batch).unwrap_or(usize::MAX));
    let settings = Settings::new(Loss::MeanSquaredError).batch(batch);
    // The same number on every machine: instruction sets pack weights in panels of other widths.
    let context = Context::new(Isa::Portable, Pool::single());
    (batch, training_bytes(&Arc::new(network.clone()), &settings, batch, &context) as u64)
}

/// The summary of a model, with what was folded when it was opened.
pub fn of_model(model: &Model) -> Summary {
    let mut counted = summary(model.network());
    for (index, layer) in counted.layers.iter_mut().enumerate() {
        let target = model.folded_into(index).map(|target| &model.network().network().layers[target].name);
        layer.folded_into = target.cloned();
    }
    counted
}

/// Multiplies what depends on the batch.
fn scale(summary: &mut Summary, batch: u64) {
    let lines = summary.layers.iter_mut().map(|layer| &mut layer.counts);
    for counts in lines.chain([&mut summary.total]) {
        counts.macs = counts.macs.saturating_mul(batch);
        counts.connections = counts.connections.saturating_mul(batch);
        counts.activation_bytes = counts.activation_bytes.saturating_mul(batch);
    }
}

/// The summary as a table, for people.
pub fn text(network: &CheckedNetwork, summary: &Summary, batch: Option<u64>) -> String {
    // What a place of a map sees is a question of networks of maps and sequences.
    let has_fields = summary.input_shape.len() > 1;
    let mut header = vec!["layer", "kind", "output", "parameters", "biases", "multiply-adds", "memory", "sees"];
    header.truncate(if has_fields { 8 } else { 7 });
    let mut rows = table(&header, &[3, 4, 5, 6, 7][..header.len() - 3]);
    let mut add = |mut cells: Vec<String>| {
        cells.resize(header.len(), String::new());
        rows.add_row(cells);
    };
    for input in &network.network().inputs {
        add(vec![input.name.clone(), String::new(), shown_axes(input.shape.axes())]);
    }
    let numbers = |counts: &Counts| {
        let or_dash = |count: u64| if count == 0 { "–".to_string() } else { grouped(count) };
        let biases = or_dash(counts.params - counts.params_without_bias);
        [or_dash(counts.params), biases, or_dash(counts.macs), bytes(counts.activation_bytes)]
    };
    let mut above = "";
    for layer in &summary.layers {
        // The activation of the layer above is named after it.
        let short = layer.name.strip_prefix(above).filter(|rest| rest.starts_with('.') && !above.is_empty());
        let sees =
            if layer.receptive_field.is_empty() { "all".to_string() } else { shown_axes(&layer.receptive_field) };
        let name = short.unwrap_or(&layer.name).to_string();
        let first = [name, layer.kind.clone(), shown_axes(&layer.output_shape)];
        add(first.into_iter().chain(numbers(&layer.counts)).chain(has_fields.then_some(sees)).collect());
        if short.is_none() {
            above = &layer.name;
        }
    }
    let total = &summary.total;
    let first = ["total".to_string(), String::new(), shown_axes(network.output().axes())];
    add(first.into_iter().chain(numbers(total)).collect());
    let samples = match batch.unwrap_or(1) {
        1 => "one sample".to_string(),
        batch => format!("{} samples", grouped(batch)),
    };
    let mut text = format!("{rows}\n");
    for layer in summary.layers.iter().filter(|layer| !layer.inputs.is_empty()) {
        text += &format!("{} reads {}.\n", layer.name, layer.inputs.join(", "));
    }
    let roles = summary.layers.iter().filter_map(|layer| Some(format!("{} ({})", layer.name, layer.role?)));
    if summary.layers.iter().any(|layer| layer.role == Some("input")) {
        text += &format!("Fully connected: {}.\n", roles.collect::<Vec<_>>().join(", "));
    }
    for layer in summary.layers.iter().filter(|layer| !layer.steps.is_empty()) {
        let steps: Vec<String> = layer.steps.iter().map(f64::to_string).collect();
        text += &format!(
            "{}: its window goes {} steps, no whole number; what is behind the last step is not read.\n",
            layer.name,
            steps.join(" x ")
        );
    }
    let folded = summary.layers.iter().filter_map(|layer| Some((&layer.name, layer.folded_into.as_ref()?)));
    let folded: Vec<String> = folded.map(|(name, target)| format!("{name} into {target}")).collect();
    if !folded.is_empty() {
        text += &format!("Folded when opened: {}.\n", folded.join(", "));
    }
    text += &format!("Without biases {} parameters.\n", grouped(total.params_without_bias));
    let [f32, bf16, int8] = [4, 2, 1].map(|size| bytes(size * total.params));
    text += &format!("Parameters take {f32} in f32, {bf16} in bf16, {int8} in int8");
    if total.constants > 0 {
        text += &format!(";\n{} constants beside them {} in f32", grouped(total.constants), bytes(4 * total.constants));
    }
    if network.without_gradient().is_some() {
        let entries = network.layout().entries().iter();
        let kept = entries.map(|entry| entry.range.len() * entry.dtype.size()).sum::<usize>();
        text += &format!(".\nWith their own types, whole numbers among them, they take {}.", bytes(kept as u64));
    } else {
        let (rows, training) = training(network, batch);
        text += &format!(".\nTraining in batches of {} with Adam takes {}.", grouped(rows as u64), bytes(training));
    }
    text += &format!("\nMultiply-adds and memory are for {samples}; one multiply-add is two operations (FLOP).");
    if total.connections != total.macs {
        text += &format!("\nCounted as connections, biases included: {}.", grouped(total.connections));
    }
    text
}
