//! `plexus shape`: what layers do to a shape, step by step.

use crate::Failure;
use crate::args::ShapeArgs;
use crate::commands::{axes, csv_text, is_text, open_network, shown_axes};
use crate::output::{grouped, print_json, say, table};
use plexus::explain::{Formula, formulas, layer, walk};
use plexus_nn::{CheckedNetwork, PlanOptions, Shape, ShapeError};
use serde_json::json;

/// Prints the shape behind every layer.
pub fn run(args: ShapeArgs) -> Result<(), Failure> {
    let Some((batch, input)) = shape(&args.start) else { return of_network(&args) };
    let layers = args.layers.iter().map(|word| layer(word)).collect::<Result<Vec<_>, _>>();
    let layers = layers.map_err(|error| Failure::Input(error.to_string()))?;
    let walk = walk(input, &layers)?;
    print(&args, &walk.network, Some(&args.layers), batch, walk.refused.as_ref())?;
    match walk.refused {
        None => Ok(()),
        Some(refused) => {
            let word = &args.layers[walk.network.network().layers.len()];
            let came = shown(walk.network.output());
            Err(Failure::Input(format!("{word} does not fit behind {came}: {refused}")))
        }
    }
}

/// The same for a network that is there.
fn of_network(args: &ShapeArgs) -> Result<(), Failure> {
    let exists = std::path::Path::new(&args.start).exists();
    if !is_text(&args.start) && !exists {
        return Err(Failure::Input(format!(
            "{} is no shape, no file and no network with a name. Write the shape of the input, as 1x28x28 (channels, rows, \
             columns) or 784, and behind it the layers: plexus shape 1x28x28 conv:8,3 pool:2 flatten",
            args.start
        )));
    }
    if let Some(word) = args.layers.first() {
        return Err(Failure::Input(format!(
            "{} is a network already; {word} has nothing to stand behind. Leave the layers out, or begin with the shape of an \
             input",
            args.start
        )));
    }
    let (network, _) = open_network(&args.start, None, None, (Shape::new([784]), 10), PlanOptions::default())?;
    print(args, &network, None, None, None)
}

/// One line a layer; `words` are what the user wrote for them.
fn print(
    args: &ShapeArgs,
    network: &CheckedNetwork,
    words: Option<&Vec<String>>,
    batch: Option<usize>,
    refused: Option<&ShapeError>,
) -> Result<(), Failure> {
    let layers = &network.network().layers;
    let wanted = match &args.layer {
        None => None,
        Some(name) => Some(layers.iter().position(|layer| layer.name == *name).ok_or_else(|| {
            let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
            Failure::Input(format!("there is no layer {name}; there are {}", names.join(", ")))
        })?),
    };
    let lines = (0..layers.len()).filter(|index| wanted.is_none_or(|wanted| wanted == *index));
    let lines = lines.map(|index| {
        let name = words.map_or(layers[index].name.as_str(), |words| words[index].as_str());
        let sizes = formulas(network, index).into_iter().filter(|line| line.what != "multiply-adds");
        (index, name, sizes.filter(|line| line.what != "parameters").collect::<Vec<Formula>>())
    });
    let (input, enters) = (network.input(), first_linear(network));
    if args.print.json {
        let steps = lines.map(|(index, name, formulas)| {
            let (kind, axes) = (layers[index].layer.kind(), network.output_shape(index).axes());
            json!({"layer": name, "kind": kind, "output_shape": axes, "formulas": formulas})
        });
        print_json(&json!({
            "input_shape": input.axes(), "batch": batch, "layers": steps.collect::<Vec<_>>(),
            "output_shape": network.output().axes(), "in_features": enters,
            "refused": refused.map(ToString::to_string),
        }));
        return Ok(());
    }
    if args.print.csv {
        let cells = |(index, name, _): (usize, &str, _)| {
            let output = network.output_shape(index);
            vec![name.to_string(), shown(output), output.len().unwrap_or(0).to_string()]
        };
        say!("{}", csv_text(&["layer", "output_shape", "elements"], lines.map(cells)));
        return Ok(());
    }
    let mut rows = table(&["layer", "output", "how"], &[]);
    if wanted.is_none() {
        let how = batch.map_or(String::new(), |batch| format!("batch of {batch}"));
        rows.add_row(["input".to_string(), shown(input), how]);
    }
    for (index, name, formulas) in lines {
        rows.add_row([name.to_string(), shown(network.output_shape(index)), how(&formulas)]);
    }
    say!("{rows}");
    if let Some(enters) = enters.filter(|_| wanted.is_none() && refused.is_none()) {
        let linear = format!("in_features = {enters}; in PyTorch nn.Linear({enters}, ...)");
        say!("{} numbers for the first fully connected layer: {linear}", grouped(enters as u64));
    }
    Ok(())
}

/// The arithmetic of a line; once where rows and columns have the same.
fn how(formulas: &[Formula]) -> String {
    match formulas {
        [rows, columns] if rows.arithmetic == columns.arithmetic => {
            format!("rows and columns: {} = {}", rows.arithmetic, grouped(rows.value))
        }
        _ => formulas.iter().map(Formula::to_string).collect::<Vec<_>>().join("; "),
    }
}

/// What the first fully connected layer takes: that of the network, or what has come out as a row so far.
fn first_linear(network: &CheckedNetwork) -> Option<usize> {
    let layers = &network.network().layers;
    let linear = layers.iter().position(|layer| layer.layer.kind() == "linear");
    match linear {
        Some(index) => network.input_shapes(index)[0].last(),
        None => network.output().axes().first().copied().filter(|_| network.output().axes().len() == 1),
    }
}

/// A shape as it is typed.
fn shown(shape: &Shape) -> String {
    shown_axes(shape.axes())
}

/// The batch, where there are four axes, and the shape of a sample.
fn shape(text: &str) -> Option<(Option<usize>, Shape)> {
    let axes = axes(text)?;
    match axes.as_slice() {
        [batch, rest @ ..] if rest.len() == 3 => Some((Some(*batch), Shape::new(rest))),
        _ => Some((None, Shape::new(axes))),
    }
}
