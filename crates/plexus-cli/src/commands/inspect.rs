//! `plexus inspect`: what the weights of a model look like, and the values behind its layers.

use super::predict::input::{self, Images, Reading};
use crate::Failure;
use crate::args::InspectArgs;
use crate::commands::rows::each_batch;
use crate::commands::{csv_text, is_text, name_of, open_network_with, save_drawing};
use crate::output::{decimals, fixed, grouped, percent, print_json, say, table, yellow};
use crate::pictures::Picture;
use crate::pictures::histograms::{MOST as MOST_PLOTS, Panel, histograms};
use crate::pictures::sheet::{Grid, Shades, Tile, sheet};
use plexus::explain::{Histogram, InspectedWeights, Inspection, LayerActivations, LayerWeights, Statistics, Units};
use plexus::{Chosen, Context, Model, OutputTask, Params, Pool, Task};
use plexus_nn::layers::Layer;
use plexus_nn::{CheckedNetwork, PlanOptions, Shape};
use serde_json::json;

/// Filters and maps that are drawn.
const MOST_TILES: usize = 64;
/// Units that are named of a layer, unless it is the only one that is shown.
const NAMED: usize = 8;
/// The steps of a small histogram and of the bars of a large one.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The longest bar of a large histogram, in letters.
const BAR: usize = 40;
const NOTHING: &str = "–";

/// Prints, lists or draws the weights, or with rows the values.
pub fn run(args: InspectArgs) -> Result<(), Failure> {
    let model = open(&args)?;
    let has_rows = args.image.is_some() || args.data.is_some();
    if args.rows.is_some() && !has_rows {
        return Err(Failure::Input(
            "--rows says how many of some rows are taken, and there are none: name a file, or --data DATA".to_string(),
        ));
    }
    if let Some(layer) = &args.layer {
        model.layer_index(layer)?;
    }
    if has_rows { values(&args, &model) } else { weights(&args, &model) }
}

/// The model; of a network by name one with seeded weights.
fn open(args: &InspectArgs) -> Result<Model, Failure> {
    let context = Context::detect(Pool::new(args.threads));
    let (input, default) = (args.input.as_deref(), (Shape::new([784]), 10));
    // Every layer by itself, as training computes it.
    let options = PlanOptions::default();
    let (network, model) = open_network_with(&args.model, input, None, default, options, context.clone())?;
    if let Some(model) = model {
        return Ok(model);
    }
    let outputs = network.outputs().iter().map(|output| {
        let outputs = (0..network.len(*output)).map(|index| format!("output {index}")).collect();
        OutputTask { name: network.name(*output).to_string(), task: Task::Regression { outputs } }
    });
    let (outputs, params) = (outputs.collect::<Vec<_>>(), Params::initialize(&network, 0));
    Ok(Model::new(network, &params, outputs, context)?)
}

fn weights(args: &InspectArgs, model: &Model) -> Result<(), Failure> {
    let mut found = model.inspect_weights();
    if found.layers.is_empty() {
        return Err(Failure::Input(format!(
            "{} has no layer with weights; an image or --data DATA shows the values behind its layers",
            args.model
        )));
    }
    if let Some(name) = &args.layer {
        let names: Vec<String> = found.layers.iter().map(|layer| layer.layer.clone()).collect();
        found.layers.retain(|layer| layer.layer == *name);
        found.not_finite.retain(|one| one.tensor.rsplit_once('.').is_some_and(|(layer, _)| layer == name));
        if found.layers.is_empty() {
            return Err(Failure::Input(format!(
                "{name} has no weights; an image or --data DATA shows the values behind it. Layers with weights: {}",
                names.join(", ")
            )));
        }
    }
    if let Some(path) = &args.picture.out {
        let alone = args.layer.as_deref();
        let picture = alone.and_then(|layer| filters(model, layer)).unwrap_or_else(|| spread(args, &found));
        save_drawing(path, &picture, args.picture.dark)?;
    }
    for tensor in &found.not_finite {
        let (count, first) = (grouped(tensor.count), joined(&tensor.first, ","));
        let (name, warning) = (&tensor.tensor, yellow("warning"));
        eprintln!("{warning}: numbers of {name} that are NaN or infinite: {count}, the first at {first}");
    }
    if args.print.json {
        print_json(&serde_json::to_value(&found).expect("plain data has a JSON form"));
    } else if args.print.csv {
        say!("{}", weights_csv(&found));
    } else {
        print_weights(args, &found);
    }
    Ok(())
}

fn weights_csv(found: &InspectedWeights) -> String {
    let header = [
        "layer",
        "kind",
        "weights",
        "not_finite",
        "mean",
        "deviation",
        "min",
        "max",
        "zero_share",
        "small_share",
        "biases",
        "bias_mean",
        "bias_min",
        "bias_max",
        "without_weights",
        "unused",
        "low",
        "high",
        "histogram",
    ];
    let row = |layer: &LayerWeights| {
        let of_bias = |of: fn(&Statistics) -> f64| layer.bias.as_ref().map_or(String::new(), |bias| plain(of(bias)));
        let histogram = &layer.weights.histogram;
        let mut row = vec![layer.layer.clone(), layer.kind.clone()];
        row.extend(columns(&layer.weights));
        row.push(plain(layer.small_share));
        row.push(layer.bias.as_ref().map_or(0, |bias| bias.count).to_string());
        row.extend([of_bias(|bias| bias.mean), of_bias(|bias| bias.min), of_bias(|bias| bias.max)]);
        row.extend([joined(&layer.without_weights, " "), joined(&layer.unused, " ")]);
        row.extend([plain(histogram.low), plain(histogram.high), joined(&histogram.counts, " ")]);
        row
    };
    csv_text(&header, found.layers.iter().map(row))
}

/// Count, not finite, mean, deviation, min, max and share of zeros.
fn columns(of: &Statistics) -> [String; 7] {
    let [mean, deviation, min, max] = [of.mean, of.deviation, of.min, of.max].map(plain);
    [of.count.to_string(), of.not_finite.to_string(), mean, deviation, min, max, plain(of.zero_share)]
}

/// For programs: all digits, and nothing where there is no number.
fn plain(value: f64) -> String {
    if value.is_nan() { String::new() } else { value.to_string() }
}

fn joined<T: ToString>(items: &[T], between: &str) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(between)
}

/// For people: mean, deviation, min, max and share of zeros.
fn cells(of: &Statistics) -> [String; 5] {
    [short(of.mean), short(of.deviation), short(of.min), short(of.max), share(of.zero_share)]
}

/// A number with three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => NOTHING.to_string(),
        0.0 => "0".to_string(),
        size if (1e-3..1e4).contains(&size) => fixed(value, decimals(3, [value].into_iter())),
        _ => format!("{value:.1e}"),
    }
}

fn print_weights(args: &InspectArgs, found: &InspectedWeights) {
    let header = ["layer", "kind", "weights", "mean", "std", "min", "max", "zeros", "histogram"];
    let mut rows = table(&header, &[2, 3, 4, 5, 6, 7]);
    for layer in &found.layers {
        let [mean, deviation, min, max, zeros] = cells(&layer.weights);
        let count = grouped(layer.weights.count);
        let (name, kind) = (layer.layer.clone(), layer.kind.clone());
        rows.add_row([name, kind, count, mean, deviation, min, max, zeros, spark(&layer.weights.histogram)]);
    }
    say!("{rows}");
    for layer in &found.layers {
        let name = &layer.layer;
        if args.layer.is_some() {
            say!("{} of the weights are smaller than a thousandth of the largest", share(layer.small_share));
            if let Some(bias) = &layer.bias {
                let [mean, deviation, min, max, _] = cells(bias);
                say!("{} biases: mean {mean}, std {deviation}, from {min} to {max}", grouped(bias.count));
            }
            print_histogram(&layer.weights.histogram, "weights");
        }
        let list = |units: &[usize]| if args.layer.is_some() { joined(units, ", ") } else { few(units) };
        if !layer.without_weights.is_empty() {
            let (units, word) = (list(&layer.without_weights), outputs_word(layer));
            say!("{name}: all weights of these {word} are zero: {units}");
        }
        if !layer.unused.is_empty() {
            let (units, word) = (list(&layer.unused), outputs_word(layer));
            say!("{name}: the next layer gives these {word} no weight but zero: {units}");
        }
    }
}

fn outputs_word(layer: &LayerWeights) -> &'static str {
    if layer.kind == "linear" { "outputs" } else { "filters" }
}

fn share(share: f64) -> String {
    if share.is_nan() { NOTHING.to_string() } else { percent(share as f32) }
}

/// The first of some numbers, and how many follow.
fn few(units: &[usize]) -> String {
    let more = units.len().saturating_sub(NAMED);
    let named = joined(&units[..units.len() - more], ", ");
    if more > 0 { format!("{named} and {} more", grouped(more as u64)) } else { named }
}

/// A histogram in a few letters: the lowest where nothing is.
fn spark(histogram: &Histogram) -> String {
    let sums: Vec<u64> = histogram.counts.chunks(Histogram::BINS / 8).map(|bins| bins.iter().sum()).collect();
    let most = sums.iter().copied().max().unwrap_or(0).max(1) as f64;
    let level = |sum: u64| if sum == 0 { 0 } else { ((sum as f64 / most * 7.0).round() as usize).max(1) };
    sums.into_iter().map(|sum| BLOCKS[level(sum)]).collect()
}

/// A histogram with a line for each step.
fn print_histogram(histogram: &Histogram, numbers: &str) {
    let Histogram { low, high, counts, .. } = histogram;
    let Some(most) = counts.iter().copied().max().filter(|most| *most > 0) else { return };
    if low == high {
        say!("all {} {numbers} are {low}", grouped(most));
        return;
    }
    let step = (high - low) / counts.len() as f64;
    let edge = |value: f64| {
        // A step of two digits tells two edges apart; what is very large or small has a power of ten.
        let is_plain = (1e-7..1e6).contains(&step) && low.abs().max(high.abs()) < 1e7;
        if is_plain { fixed(value, decimals(2, [step].into_iter())) } else { format!("{value:.3e}") }
    };
    let edges: Vec<String> = histogram.edges().into_iter().map(edge).collect();
    let wide = edges.iter().map(String::len).max().unwrap_or(0);
    let digits = grouped(most).len().max(numbers.len());
    say!("  {:>wide$}   {:<wide$}  {:>digits$}", "from", "to", numbers);
    for (bin, count) in counts.iter().enumerate() {
        let eighths = (8.0 * BAR as f64 * *count as f64 / most as f64).round() as usize;
        // From the left: block elements of eighths.
        let part = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];
        let mut bar = "█".repeat(eighths / 8);
        bar.extend((eighths % 8).checked_sub(1).map(|eighth| part[eighth]));
        if *count > 0 && bar.is_empty() {
            bar.push(part[0]);
        }
        let line = format!("  {:>wide$} … {:<wide$}  {:>digits$}  {bar}", edges[bin], edges[bin + 1], grouped(*count));
        say!("{}", line.trim_end());
    }
}

/// The weights of each layer as small plots.
fn spread(args: &InspectArgs, found: &InspectedWeights) -> Picture {
    let panels = found.layers.iter().map(|layer| {
        let Histogram { low, high, counts, .. } = layer.weights.histogram.clone();
        let count = grouped(layer.weights.count);
        Panel { name: layer.layer.clone(), numbers: format!("{count} weights"), low, high, counts }
    });
    let panels: Vec<Panel> = panels.collect();
    let title = match &args.layer {
        Some(layer) => format!("Weights of {layer}"),
        None => format!("Weights of {}", name_of(&args.model)),
    };
    let mut subtitle = "how many of the weights are how large".to_string();
    if panels.len() > MOST_PLOTS {
        subtitle += &format!("; the first {MOST_PLOTS} of {} layers", panels.len());
    }
    histograms(&title, &subtitle, &panels)
}

/// The filters of a conv2d layer, channel by channel; none of other layers.
fn filters(model: &Model, layer: &str) -> Option<Picture> {
    let network = model.network();
    let index = network.value(layer).and_then(|value| network.layer_of(value))?;
    let Layer::Conv2d(_) = &network.network().layers[index].layer else { return None };
    let entry = network.layout().entries_of(index).iter().find(|entry| entry.role == "weight")?;
    let &[filters, channels, height, width] = entry.shape.as_slice() else { return None };
    let weights = model.tensor(&entry.name)?;
    let planes = weights.chunks((height * width).max(1)).enumerate().take(MOST_TILES);
    let tiles = planes.map(|(index, values)| Tile {
        caption: match channels {
            1 => index.to_string(),
            _ => format!("{}, {}", index / channels, index % channels),
        },
        height,
        width,
        values: values.to_vec(),
    });
    let tiles: Vec<Tile> = tiles.collect();
    let what = if channels == 1 { "" } else { " (filter, channel)" };
    let shown = if tiles.len() < filters * channels { format!("the first {} of ", tiles.len()) } else { String::new() };
    let count = grouped((filters * channels) as u64);
    let subtitle = format!("{shown}{count} of {height} x {width}{what}; vermilion adds, blue takes away");
    let grid = Grid::column(tiles.len());
    Some(sheet((&format!("Filters of {layer}"), ""), &subtitle, Shades::Signed, &tiles, grid))
}

/// Rows that were run, in words.
struct Rows {
    count: u64,
    /// The part of the data; none of a file.
    part: Option<&'static str>,
    warning: Option<String>,
}

fn values(args: &InspectArgs, model: &Model) -> Result<(), Failure> {
    let network = model.network();
    let drawn = args.picture.out.is_some().then(|| drawn_layer(args, network)).transpose()?;
    let mut inspection = model.inspection(drawn.map(|layer| network.network().layers[layer].name.as_str()))?;
    let rows = add_rows(args, model, &mut inspection)?;
    let mut found = inspection.layers();
    if let (Some(path), Some(layer)) = (&args.picture.out, drawn) {
        save_drawing(path, &maps(args, network, layer, inspection.kept(), &found), args.picture.dark)?;
    }
    if let Some(name) = &args.layer {
        found.retain(|layer| layer.layer == *name);
    }
    if let Some(warning) = &rows.warning {
        eprintln!("{}: {warning}", yellow("warning"));
    }
    if args.print.json {
        print_json(&json!({"rows": rows.count, "part": rows.part, "warning": rows.warning, "layers": found}));
    } else if args.print.csv {
        say!("{}", values_csv(&found));
    } else {
        print_values(args, &rows, &found);
    }
    Ok(())
}

/// Runs the rows that are meant.
fn add_rows(args: &InspectArgs, model: &Model, inspection: &mut Inspection) -> Result<Rows, Failure> {
    let most = args.rows.unwrap_or(u64::MAX);
    let (step, mut numbers) = (inspection.rows_per_batch().max(1), Vec::new());
    let limit = |rows: usize| usize::try_from(most).map_or(rows, |most| rows.min(most));
    if let Some(source) = &args.data {
        let Chosen { data, part, warning } =
            model.choose_rows(source, &args.source.options(), args.part.map(Into::into))?;
        // Whether a network without a task would have to give these answers is no question.
        if !is_text(&args.model) {
            model.check_data(&data)?;
        }
        each_batch(&data, limit(data.len()), step, |_, rows, count| Ok(inspection.add(&[rows], count)?))?;
        return Ok(Rows { count: inspection.rows(), part: Some(part), warning });
    }
    let image = args.image.as_deref().unwrap_or_default();
    let images = Images { resize: args.resize, invert: args.invert };
    let reading = Reading { source: &args.source, images };
    let input = input::read(model, &reading, image)?;
    let count = limit(input.len());
    for first in (0..count).step_by(step) {
        let batch = first..count.min(first + step);
        numbers.clear();
        input.encode(model, batch.clone(), &mut numbers)?;
        inspection.add(&[&numbers], batch.len())?;
    }
    Ok(Rows { count: inspection.rows(), part: None, warning: None })
}

/// The layer whose maps are drawn: the one that is named, or the first convolution, behind the function that follows at once.
fn drawn_layer(args: &InspectArgs, network: &CheckedNetwork) -> Result<usize, Failure> {
    let layers = &network.network().layers;
    let has_maps = |layer: &usize| network.output_shape(*layer).axes().len() == 3;
    let with_maps = || (0..layers.len()).filter(has_maps).map(|layer| layers[layer].name.as_str()).collect::<Vec<_>>();
    let named = args.layer.as_ref().and_then(|name| network.value(name)).and_then(|value| network.layer_of(value));
    if let Some(layer) = named {
        if has_maps(&layer) {
            return Ok(layer);
        }
        let (name, shape) = (&layers[layer].name, network.output_shape(layer).describe());
        let instead = match with_maps()[..] {
            [] => "This model has none; leave --out out".to_string(),
            ref names => format!("Layers with maps: {}", names.join(", ")),
        };
        return Err(Failure::Input(format!("{name} gives {shape}, and --out draws maps. {instead}")));
    }
    let is_conv = |layer: &usize| has_maps(layer) && matches!(layers[*layer].layer, Layer::Conv2d(_));
    let first = (0..layers.len()).find(is_conv).or_else(|| (0..layers.len()).find(has_maps));
    let Some(first) = first else {
        return Err(Failure::Input(format!(
            "{} has no layer with maps, and with rows --out draws maps. Without rows it draws the weights",
            args.model
        )));
    };
    Ok(function_behind(network, first)
        .filter(|next| network.reads(*next) == [network.value_of(first)])
        .unwrap_or(first))
}

/// The function that all values of a layer go through, with nothing but a batch_norm between.
fn function_behind(network: &CheckedNetwork, layer: usize) -> Option<usize> {
    let layers = &network.network().layers;
    let mut at = layer;
    loop {
        let value = network.value_of(at);
        let mut readers = (0..layers.len()).filter(|reader| network.reads(*reader).contains(&value));
        let (Some(next), None) = (readers.next(), readers.next()) else { return None };
        match &layers[next].layer {
            Layer::Activation(_) => return Some(next),
            Layer::BatchNorm(_) => at = next,
            _ => return None,
        }
    }
}

/// The maps behind a layer.
fn maps(
    args: &InspectArgs,
    network: &CheckedNetwork,
    layer: usize,
    values: &[f32],
    found: &[LayerActivations],
) -> Picture {
    let &[count, height, width] = network.output_shape(layer).axes() else { unreachable!("only maps are drawn") };
    let name = &network.network().layers[layer].name;
    let function = found[layer].units.is_none().then(|| function_behind(network, layer)).flatten();
    let units = found[function.unwrap_or(layer)].units.as_ref();
    let dead: Vec<usize> = units.iter().flat_map(|units| &units.dead).map(|dead| dead.unit).collect();
    let shown = count.min(MOST_TILES);
    // As many dots as can be seen.
    let most = if shown > 16 { 32 } else { 64 };
    let factor = height.max(width).div_ceil(most).max(1);
    let tiles = values.chunks((height * width).max(1)).take(shown).enumerate().map(|(map, values)| {
        let (height, width, values) = smaller(values, [height, width], factor);
        let caption = if dead.contains(&map) { format!("{map}: dead") } else { map.to_string() };
        Tile { caption, height, width, values }
    });
    let tiles: Vec<Tile> = tiles.collect();
    let what = match (&args.image, &args.data) {
        (_, Some(data)) => format!("the first row of {}", name_of(data)),
        (image, _) => name_of(image.as_deref().unwrap_or_default()).to_string(),
    };
    let means = if factor > 1 { format!(", means of {factor} x {factor}") } else { String::new() };
    let of = if shown < count { format!("{shown} of {count} maps") } else { format!("{count} maps") };
    let shades = match function.filter(|_| dead.iter().any(|map| *map < shown)) {
        Some(function) => format!("dead: constant behind {}", found[function].layer),
        None => "faint is least, strong most".to_string(),
    };
    let subtitle = format!("{of} of {height} x {width}{means}; {shades}");
    let heading = format!("Maps behind {name}");
    let heading = if what.starts_with(['[', '{']) { heading } else { format!("{heading}: {what}") };
    sheet((&heading, ""), &subtitle, Shades::Gray, &tiles, Grid::column(shown))
}

/// Means of squares of pixels.
fn smaller(values: &[f32], [height, width]: [usize; 2], factor: usize) -> (usize, usize, Vec<f32>) {
    if factor == 1 {
        return (height, width, values.to_vec());
    }
    let (rows, columns) = (height.div_ceil(factor), width.div_ceil(factor));
    let mean = |at: usize| {
        let [top, left] = [at / columns * factor, at % columns * factor];
        let (bottom, right) = (height.min(top + factor), width.min(left + factor));
        let sum: f32 =
            (top..bottom).map(|row| values[row * width + left..row * width + right].iter().sum::<f32>()).sum();
        sum / ((bottom - top) * (right - left)) as f32
    };
    (rows, columns, (0..rows * columns).map(mean).collect())
}

fn values_csv(found: &[LayerActivations]) -> String {
    let header = [
        "layer",
        "kind",
        "shape",
        "values",
        "not_finite",
        "mean",
        "deviation",
        "min",
        "max",
        "zero_share",
        "units",
        "dead",
        "dead_units",
    ];
    let row = |layer: &LayerActivations| {
        let mut row = vec![layer.layer.clone(), layer.kind.clone(), joined(&layer.shape, "x")];
        row.extend(columns(&layer.values));
        let dead = layer.units.as_ref().map(|units| units.dead.iter().map(|dead| dead.unit).collect::<Vec<usize>>());
        row.push(layer.units.as_ref().map_or(String::new(), |units| units.count.to_string()));
        row.push(dead.as_ref().map_or(String::new(), |dead| dead.len().to_string()));
        row.push(joined(&dead.unwrap_or_default(), " "));
        row
    };
    csv_text(&header, found.iter().map(row))
}

fn print_values(args: &InspectArgs, rows: &Rows, found: &[LayerActivations]) {
    let header = ["layer", "shape", "mean", "std", "min", "max", "zeros", "dead units"];
    let mut lines = table(&header, &[2, 3, 4, 5, 6]);
    for layer in found {
        let [mean, deviation, min, max, zeros] = cells(&layer.values);
        let count = |number: usize| grouped(number as u64);
        let dead = |units: &Units| format!("{} of {}", count(units.dead.len()), count(units.count));
        let dead = layer.units.as_ref().map_or(NOTHING.to_string(), dead);
        let (name, shape) = (layer.layer.clone(), joined(&layer.shape, "x"));
        lines.add_row([name, shape, mean, deviation, min, max, zeros, dead]);
    }
    say!("{lines}");
    for layer in found {
        if layer.values.not_finite > 0 {
            let count = grouped(layer.values.not_finite);
            say!("{}: {count} values are NaN or infinite", layer.layer);
        }
        if args.layer.is_some() {
            print_histogram(&layer.values.histogram, "values");
        }
        // Nearly always there is one value: 0.
        let mut by_value: Vec<(f32, Vec<usize>)> = Vec::new();
        for dead in layer.units.iter().flat_map(|units| &units.dead) {
            match by_value.iter_mut().find(|(value, _)| *value == dead.value) {
                Some((_, units)) => units.push(dead.unit),
                None => by_value.push((dead.value, vec![dead.unit])),
            }
        }
        for (value, units) in by_value {
            let units = if args.layer.is_some() { joined(&units, ", ") } else { few(&units) };
            say!("{}, units that are always {value}: {units}", layer.layer);
        }
    }
    let of = rows.part.map_or(String::new(), |part| format!(" ({part})"));
    if rows.count == 1 {
        say!("1 row{of}: units that are 0 on it are told as dead; --data DATA finds those that are on many rows");
    } else {
        say!("{} rows{of}", grouped(rows.count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_become_smaller_by_means_of_squares_and_of_what_is_left_at_the_edges() {
        let values = [1.0, 3.0, 5.0, 5.0, 7.0, 9.0, 2.0, 4.0, 8.0];
        assert_eq!(smaller(&values, [3, 3], 1), (3, 3, values.to_vec()));
        assert_eq!(smaller(&values, [3, 3], 2), (2, 2, vec![4.0, 7.0, 3.0, 8.0]));
        assert_eq!(smaller(&values, [1, 9], 4), (1, 3, vec![3.5, 5.5, 8.0]));
    }

    #[test]
    fn numbers_have_three_digits_and_lists_an_end() {
        let shorts = [0.0, 0.012_34, -3.456, 123.4, 9999.0, 1e4, -2e-7, f64::NAN].map(short);
        assert_eq!(shorts, ["0", "0.0123", "-3.46", "123", "9999", "1.0e4", "-2.0e-7", "–"]);
        assert_eq!((few(&[3, 5]).as_str(), few(&[]).as_str()), ("3, 5", ""));
        assert_eq!(few(&(0..1008).collect::<Vec<usize>>()), "0, 1, 2, 3, 4, 5, 6, 7 and 1,000 more");
    }
}
