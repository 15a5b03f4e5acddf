//! `plexus compare-connectivity`: fully connected, locally connected, convolution and sparse, side by side.

use crate::Failure;
use crate::args::CompareArgs;
use crate::commands::{csv_text, parse_shape, save_drawing};
use crate::output::{bytes, grouped, number, print_json, say, table};
use crate::pictures::connectivity::{Panel, connectivity};
use crate::pictures::depth::{Line, Panel as DepthPanel, depth as depth_picture};
use crate::progress::{Bar, PATIENCE, Part, Streams};
use plexus::explain::{Connectivity, Depth, Way, compare, layer};
use plexus::{Context, Pool};
use plexus_nn::Shape;
use plexus_nn::layers::{Conv2d, Layer};
use serde_json::json;
use std::time::Duration;

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
    if !args.depths.is_empty() {
        return depths(&args, &input, &conv);
    }
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

/// Trains networks of each depth, and prints and draws what that costs.
fn depths(args: &CompareArgs, input: &Shape, conv: &Conv2d) -> Result<(), Failure> {
    let context = Context::detect(Pool::new(args.threads));
    let (time, rows) = (Duration::from_secs_f64(args.seconds), args.batch as usize);
    let (bar, all) = (Bar::after(PATIENCE, Streams::new()), Way::ALL.len() * args.depths.len());
    let mut found = Vec::new();
    for way in Way::ALL {
        for depth in &args.depths {
            bar.update(|| {
                let name = Part::new(format!("{}, {depth} layers", way.name()), [(1, "")]);
                (found.len() as f64 / all as f64, vec![name], Vec::new())
            });
            found.push(Depth::measure(way, input, conv, usize::from(*depth), rows, time, &context)?);
        }
    }
    bar.clear();
    if let Some(path) = &args.picture.out {
        save_drawing(path, &drawn(args, &found), args.picture.dark)?;
    }
    if args.print.json {
        let line = json!({
            "input_shape": input.axes(), "layer": args.conv, "batch": rows, "isa": context.isa().name(),
            "threads": context.pool().threads(), "networks": found,
        });
        print_json(&line);
        return Ok(());
    }
    if args.print.csv {
        let header = [
            "connectivity",
            "depth",
            "parameters",
            "multiply_adds",
            "step_seconds",
            "first_gradient_norm",
            "last_gradient_norm",
        ];
        let row = |one: &Depth| {
            let measured = one.measured.as_ref();
            let norm = |at: fn(&[f64]) -> Option<&f64>| {
                measured.and_then(|measured| at(&measured.gradient_norms)).map_or_else(String::new, f64::to_string)
            };
            vec![
                one.way.name().to_string(),
                one.depth.to_string(),
                one.params.to_string(),
                one.macs.to_string(),
                measured.map_or_else(String::new, |measured| measured.step_seconds.to_string()),
                norm(|norms| norms.first()),
                norm(|norms| norms.last()),
            ]
        };
        say!("{}", csv_text(&header, found.iter().map(row)));
        return Ok(());
    }
    let header = ["", "depth", "parameters", "multiply-adds", "step ms", "first", "last", "first / last"];
    let mut table = table(&header, &[1, 2, 3, 4, 5, 6, 7]);
    for (index, one) in found.iter().enumerate() {
        let name = if index % args.depths.len() == 0 { one.way.name() } else { "" };
        let mut cells = vec![name.to_string(), one.depth.to_string(), written(one.params), written(one.macs)];
        match &one.measured {
            None => cells.extend(["–"; 4].map(str::to_string)),
            Some(measured) => {
                let (first, last) = (measured.gradient_norms[0], measured.gradient_norms[one.depth - 1]);
                cells.push(number(1e3 * measured.step_seconds));
                cells.extend([first, last, first / last].map(number));
            }
        }
        table.add_row(cells);
    }
    say!("{table}");
    say!(
        "A step is forward, backward and update on {rows} rows, {} on {} threads. First, last: the norm of the gradient of the \
         weights of the first and the last hidden layer, before any step.",
        context.isa().name(),
        context.pool().threads()
    );
    if found.iter().any(|one| one.measured.is_none()) {
        say!("Networks of more than {} parameters were not trained.", written(Depth::MOST));
    }
    Ok(())
}

/// Four plots over the depth.
fn drawn(args: &CompareArgs, found: &[Depth]) -> crate::pictures::Picture {
    let panel = |name: &'static str, of: fn(&Depth) -> Option<f64>| {
        let lines = Way::ALL.map(|way| {
            let own = found.iter().filter(|one| one.way == way);
            Line { name: way.name(), points: own.filter_map(|one| Some((one.depth as f64, of(one)?))).collect() }
        });
        DepthPanel { name, lines }
    };
    let panels = [
        panel("parameters", |one| Some(one.params as f64)),
        panel("multiply-adds of a row", |one| Some(one.macs as f64)),
        panel("milliseconds of a step", |one| Some(1e3 * one.measured.as_ref()?.step_seconds)),
        panel("gradient of the first layer", |one| one.measured.as_ref()?.gradient_norms.first().copied()),
    ];
    let subtitle = format!("over the number of hidden layers; {} rows a step", args.batch);
    depth_picture(&format!("Depth of {}, {}", args.input, args.conv), &subtitle, &panels)
}
