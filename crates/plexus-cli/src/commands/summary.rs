//! `plexus summary`: a network line by line.

use crate::Failure;
use crate::args::SummaryArgs;
use crate::commands::{describe, open_network};
use crate::output::{bytes, grouped, print_json, say, table};
use plexus::Model;
use plexus_nn::summary::{Summary, summary};
use plexus_nn::{CheckedNetwork, Shape};

/// Prints the summary of a model or a named network.
pub fn run(args: SummaryArgs) -> Result<(), Failure> {
    let (input, options) = (args.input.as_deref(), args.open.into());
    let (network, model) = open_network(&args.network, input, args.outputs, (Shape::new([784]), 10), options)?;
    let mut counted = model.as_ref().map_or_else(|| summary(&network), of_model);
    scale(&mut counted, args.batch);
    if args.json {
        let mut line = serde_json::to_value(&counted).expect("plain data has a JSON form");
        if let Some(model) = &model {
            line["model"] = describe::json(model);
        }
        print_json(&line);
        return Ok(());
    }
    let described = model.as_ref().map_or(String::new(), describe::text);
    say!("{}{described}", text(&network, &counted, args.batch));
    Ok(())
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
pub fn text(network: &CheckedNetwork, summary: &Summary, batch: u64) -> String {
    let header = ["layer", "kind", "output", "parameters", "no bias", "multiply-adds", "memory"];
    let mut rows = table(&header, &[3, 4, 5, 6]);
    let shape = |axes: &[usize]| axes.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    for input in &network.network().inputs {
        rows.add_row([&input.name, "", &shape(input.shape.axes()), "", "", "", ""]);
    }
    for layer in &summary.layers {
        let counts = &layer.counts;
        let or_dash = |count: u64| if count == 0 { "–".to_string() } else { grouped(count) };
        rows.add_row([
            layer.name.clone(),
            layer.kind.clone(),
            shape(&layer.output_shape),
            or_dash(counts.params),
            or_dash(counts.params_without_bias),
            or_dash(counts.macs),
            bytes(counts.activation_bytes),
        ]);
    }
    let total = &summary.total;
    rows.add_row([
        "total".to_string(),
        String::new(),
        shape(network.output().axes()),
        grouped(total.params),
        grouped(total.params_without_bias),
        grouped(total.macs),
        bytes(total.activation_bytes),
    ]);
    let samples = if batch == 1 { "one sample".to_string() } else { format!("{} samples", grouped(batch)) };
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
    text += &format!("Parameters take {} in f32", bytes(4 * total.params));
    if total.constants > 0 {
        text += &format!(", {} constants beside them {}", grouped(total.constants), bytes(4 * total.constants));
    }
    text += &format!(".\nMultiply-adds and memory are for {samples}; one multiply-add is two operations (FLOP).");
    if total.connections != total.macs {
        text += &format!("\nCounted as connections, biases included: {}.", grouped(total.connections));
    }
    text
}
