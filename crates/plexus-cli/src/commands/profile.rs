//! `plexus profile`: where the time of a model goes.

use crate::Failure;
use crate::args::ProfileArgs;
use crate::commands::bench::floors::Floors;
use crate::commands::bench::numbers;
use crate::commands::{csv_text, open_network_with, save_drawing};
use crate::output::{bytes, grouped, print_json, say, table};
use crate::pictures::profile::{Bar, profile as picture};
use plexus::explain::{Family, Profile, ProfiledLayer, Speed};
use plexus_nn::profile::profile;
use plexus_nn::{Params, Plan, Shape};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The time of the measurements of the machine.
const FLOOR_SECONDS: f64 = 0.7;

/// Times the layers and prints, draws or lists them.
pub fn run(args: ProfileArgs) -> Result<(), Failure> {
    let context = args.numbers.context(args.threads);
    let (input, default) = (args.input.as_deref(), (Shape::new([784]), 10));
    let (network, model) =
        open_network_with(&args.network, input, args.outputs, default, args.open.into(), context.clone())?;
    let rows = args.batch as usize;
    let inputs = network.network().inputs.iter();
    let values: Vec<Vec<f32>> =
        inputs.map(|input| numbers(input.shape.len().unwrap_or(0).saturating_mul(rows))).collect();
    let inputs: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
    let floors = Floors::measure(&context, FLOOR_SECONDS, |_| {});
    let time = Duration::from_secs_f64(args.seconds);
    let profile = match model {
        Some(model) => model.profile(&inputs, rows, time)?,
        None => {
            let params = Params::initialize(&network, 0);
            let network = Arc::new(network);
            let plan = Plan::with(network.clone(), &params, args.open.into(), context.clone());
            profile(&plan, network.batches(&inputs, rows)?, time)
        }
    };
    let weights: u64 = profile.layers.iter().map(|layer| layer.weight_bytes).sum();
    let speed = Speed { macs: floors.macs, bytes: floors.bytes_per_second(weights as usize) };
    if let Some(path) = &args.picture.out {
        save_drawing(path, &drawn(&args, &profile), args.picture.dark)?;
    }
    let threads = context.pool().threads();
    if args.print.json {
        let mut line = serde_json::to_value(&profile).expect("plain data has a JSON form");
        line["layer_seconds"] = profile.layer_seconds().into();
        line["families"] = serde_json::to_value(profile.families()).expect("plain data has a JSON form");
        line["verdict"] = speed.verdict(&profile).into();
        line["machine"] = json!({
            "isa": context.isa().name(), "threads": threads, "macs_per_second": speed.macs, "bytes_per_second": speed.bytes,
        });
        for (index, layer) in profile.layers.iter().enumerate() {
            line["layers"][index]["floor_seconds"] = speed.floor(layer.macs, layer.weight_bytes).0.into();
        }
        print_json(&line);
        return Ok(());
    }
    if args.print.csv {
        let header = ["layer", "kind", "with", "seconds", "share", "multiply_adds", "weight_bytes", "floor_seconds"];
        let all = profile.layer_seconds();
        let row = |layer: &ProfiledLayer| {
            let floor = speed.floor(layer.macs, layer.weight_bytes).0;
            let (seconds, share) = (layer.seconds.to_string(), (layer.seconds / all).to_string());
            let (macs, weights) = (layer.macs.to_string(), layer.weight_bytes.to_string());
            let (name, kind, with) = (layer.name.clone(), layer.kind.clone(), layer.with.join(" "));
            vec![name, kind, with, seconds, share, macs, weights, floor.to_string()]
        };
        say!("{}", csv_text(&header, profile.layers.iter().map(row)));
        return Ok(());
    }
    print(&profile, &speed);
    let (run, sum) = (1e3 * profile.run_seconds, 1e3 * profile.layer_seconds());
    say!(
        "A run takes {run:.2} ms, its layers together {sum:.2} ms ({:.1} %); {} runs each, {} on {threads} threads.",
        100.0 * sum / run,
        profile.runs,
        context.isa().name()
    );
    for sentence in speed.verdict(&profile).split_inclusive(". ") {
        say!("{}", sentence.trim_end());
    }
    Ok(())
}

fn print(profile: &Profile, speed: &Speed) {
    let header = ["layer", "kind", "ms", "share", "multiply-adds", "GMAC/s", "weights", "floor ms"];
    let mut rows = table(&header, &[2, 3, 4, 5, 6, 7]);
    let all = profile.layer_seconds();
    for layer in &profile.layers {
        let (floor, _) = speed.floor(layer.macs, layer.weight_bytes);
        let has_macs = layer.macs > 0;
        let or_dash = |text: String| if has_macs { text } else { "–".to_string() };
        rows.add_row([
            layer.name.clone(),
            layer.kind.clone(),
            format!("{:.3}", 1e3 * layer.seconds),
            format!("{:.1} %", 100.0 * layer.seconds / all),
            or_dash(grouped(layer.macs)),
            or_dash(format!("{:.1}", layer.macs as f64 / layer.seconds / 1e9)),
            if layer.weight_bytes > 0 { bytes(layer.weight_bytes) } else { "–".to_string() },
            or_dash(format!("{:.3}", 1e3 * floor)),
        ]);
    }
    for family in profile.families() {
        rows.add_row([
            family.family.name().trim_end_matches(" layers").to_string(),
            String::new(),
            format!("{:.3}", 1e3 * family.seconds),
            format!("{:.1} %", 100.0 * family.share),
            grouped(family.macs),
            String::new(),
            bytes(family.weight_bytes),
            String::new(),
        ]);
    }
    say!("{rows}");
}

fn drawn(args: &ProfileArgs, profile: &Profile) -> crate::pictures::Picture {
    let all = profile.layer_seconds();
    let bar = |layer: &ProfiledLayer| Bar {
        name: layer.name.clone(),
        milliseconds: 1e3 * layer.seconds,
        share: layer.seconds / all,
        is_convolution: layer.family == Family::Convolution,
        is_fully_connected: layer.family == Family::FullyConnected,
    };
    let bars: Vec<Bar> = profile.layers.iter().map(bar).collect();
    picture(&format!("{}, batch of {}", args.network, profile.rows), 1e3 * profile.run_seconds, &bars)
}
