//! `plexus compare-connectivity`: fully connected, locally connected, convolution and sparse, side by side.

use crate::Failure;
use crate::args::CompareArgs;
use crate::commands::{csv_text, parse_shape, save_drawing};
use crate::output::{bytes, grouped, print_json, say, table};
use crate::pictures::connectivity::{Panel, connectivity};
use plexus::explain::{Connectivity, compare, layer};
use plexus_nn::layers::{Conv2d, Layer};
use serde_json::json;

/// Prints and draws what the ways cost.
pub fn run(args: CompareArgs) -> Result<(), Failure> {
    let input = parse_shape("INPUT", &args.input)?;
    let conv = parse(&args.conv)?;
    let ways = compare(&input, &conv).map_err(|wrong| {
        Failure::Input(format!(
            "{} does not fit an input of {}: {}: expected {}, got {}. {}",
            args.conv, args.input, wrong.compared, wrong.expected, wrong.got, wrong.help
        ))
    })?;
    if let Some(path) = &args.picture.out {
        let title = format!("{}, {}", args.input, args.conv);
        let panel = |way: &Connectivity| Panel {
            name: way.name,
            weights: written(way.params()),
            macs: written(way.macs),
            per_output: written(way.weights_of_an_output),
        };
        save_drawing(path, &connectivity(&title, &[0, 1, 2].map(|index| panel(&ways[index]))), args.picture.dark)?;
    }
    let least = ways[2].params().max(1);
    if args.print.json {
        let lines = ways.iter().map(|way| {
            let mut line = serde_json::to_value(way).expect("plain data has a JSON form");
            line["parameters"] = json!(way.params());
            line["bytes"] = json!(way.bytes());
            line
        });
        print_json(&json!({"input_shape": input.axes(), "layer": args.conv, "ways": lines.collect::<Vec<_>>()}));
        return Ok(());
    }
    if args.print.csv {
        let header =
            ["connectivity", "parameters", "weights", "biases", "weights_of_an_output", "multiply_adds", "bytes_f32"];
        let row = |way: &Connectivity| {
            let numbers = [way.params(), way.weights, way.biases, way.weights_of_an_output, way.macs, way.bytes()];
            std::iter::once(way.name.to_string()).chain(numbers.map(|number| number.to_string())).collect()
        };
        say!("{}", csv_text(&header, ways.iter().map(row)));
        return Ok(());
    }
    let mut rows = table(&["", "parameters", "biases", "sees", "multiply-adds", "f32", "times"], &[1, 2, 3, 4, 5, 6]);
    for way in &ways {
        let times = way.params() as f64 / least as f64;
        let times = if times < 100.0 { format!("{times:.1}") } else { written(times.round() as u128) };
        rows.add_row([
            way.name.to_string(),
            written(way.params()),
            written(way.biases),
            written(way.weights_of_an_output),
            written(way.macs),
            bytes(u64::try_from(way.bytes()).unwrap_or(u64::MAX)),
            times,
        ]);
    }
    say!("{rows}");
    for way in &ways {
        say!("{}: {} = {} weights", way.name, way.arithmetic, written(way.weights));
    }
    Ok(())
}

/// The convolution of a word; `96,11,s4` is one too.
fn parse(word: &str) -> Result<Conv2d, Failure> {
    let full = if word.contains(':') { word.to_string() } else { format!("conv:{word}") };
    match layer(&full) {
        Ok(Layer::Conv2d(conv)) => Ok(conv),
        Ok(other) => Err(Failure::Input(format!(
            "{word} is a layer of kind {}, but a convolution is compared with the others: write conv:FILTERS,KERNEL, as conv:64,3",
            other.kind()
        ))),
        Err(error) => Err(Failure::Input(error.to_string())),
    }
}

/// Digits in groups of three, also of counts beyond 64 bits.
fn written(count: u128) -> String {
    u64::try_from(count).map_or_else(|_| count.to_string(), grouped)
}
