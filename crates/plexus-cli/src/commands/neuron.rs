//! `plexus neuron`: one number of the output of a layer, and what makes it.

use super::predict::input::{self, Images};
use crate::Failure;
use crate::args::NeuronArgs;
use crate::commands::{csv_text, model_path, name_of, save_drawing};
use crate::output::{grouped, number, print_json, say, table};
use crate::pictures::neuron::{Seen, neuron as picture};
use crate::pictures::sheet::{Grid, Shades, Tile, sheet};
use crate::pictures::{Picture, mask};
use plexus::explain::{Contributions, Neuron};
use plexus::{Context, Model};
use plexus_nn::layers::{Layer, Order};

/// Weights that are printed, unless all are asked for.
const SHOWN: usize = 10;
/// Maps that are drawn.
const MOST_MAPS: usize = 64;

/// An image, and what the neuron makes of it.
struct Looked<'a> {
    name: &'a str,
    /// As the model takes it.
    values: Vec<f32>,
    axes: [usize; 3],
    found: Contributions,
}

/// Prints, lists or draws a neuron.
pub fn run(args: NeuronArgs) -> Result<(), Failure> {
    let model = Model::open(model_path(&args.model)?, Context::single())?;
    let neuron = model.neuron(&args.layer, &args.index)?;
    let looked = args.image.as_deref().map(|image| look(&args, &model, &neuron, image)).transpose()?;
    if let Some(path) = &args.picture.out {
        save_drawing(path, &drawn(&model, &neuron, looked.as_ref())?, args.picture.dark)?;
    }
    let found = looked.as_ref().map(|looked| &looked.found);
    if args.print.json {
        let mut line = serde_json::to_value(&neuron).expect("plain data has a JSON form");
        if let Some(found) = found {
            let found = serde_json::to_value(found).expect("plain data has a JSON form");
            line["image"] = args.image.as_deref().into();
            for key in ["weights", "sum", "value"] {
                line[key] = found[key].clone();
            }
        }
        print_json(&line);
    } else if args.print.csv {
        say!("{}", csv(&neuron, found));
    } else {
        print(&args, &neuron, found);
    }
    Ok(())
}

/// Reads the image, and runs the model on it as far as the neuron.
fn look<'a>(args: &NeuronArgs, model: &Model, neuron: &Neuron, image: &'a str) -> Result<Looked<'a>, Failure> {
    let &[channels @ (1 | 3), height, width] = model.network().input().axes() else {
        return Err(Failure::Input(format!(
            "--image shows what a neuron makes of an image, but this model takes {}. Leave it out: without it the weights are told",
            model.network().input().describe()
        )));
    };
    if !input::is_image(image) {
        return Err(Failure::Input(format!(
            "{image} is no image by its name: --image takes a file that ends in .png, .jpg, .pgm, .ppm, .bmp or .webp"
        )));
    }
    let values = input::image(model, Images { resize: args.resize, invert: args.invert }, image)?;
    let found = neuron.contributions(&model.reads(&args.layer, &[&values])?)?;
    Ok(Looked { name: image, values, axes: [channels, height, width], found })
}

fn print(args: &NeuronArgs, neuron: &Neuron, found: Option<&Contributions>) {
    say!("{} ({}), neuron {}", neuron.layer, neuron.kind, place(&neuron.place));
    let bias = neuron.bias.map_or("no bias".to_string(), |bias| format!("bias {bias}"));
    say!("{} weights, {bias}", grouped(neuron.weights.len() as u64));
    if neuron.sharing > 1 {
        say!("{} neurons share these weights, one for each place of the output", grouped(neuron.sharing as u64));
    }
    match neuron.sees.as_slice() {
        [] => say!("it depends on the whole input"),
        [steps] => say!("it depends on the steps {} to {} of the input", steps[0], steps[1]),
        [rows, columns, ..] => say!(
            "it depends on the rows {} to {} and the columns {} to {} of the input",
            rows[0],
            rows[1],
            columns[0],
            columns[1]
        ),
    }
    let products = found.map(|found| found.weights.iter().map(|one| one.product).collect::<Vec<f32>>());
    // What counts: the product where there is one, else the weight.
    let size = |at: &usize| products.as_ref().map_or(neuron.weights[*at].weight, |products| products[*at]).abs();
    let mut shown: Vec<usize> = (0..neuron.weights.len()).collect();
    if found.is_some() || !args.all {
        shown.sort_by(|a, b| size(b).total_cmp(&size(a)));
    }
    shown.truncate(if args.all { usize::MAX } else { SHOWN });
    let mut rows = match found {
        Some(_) => table(&["input", "weight", "value", "weight · value"], &[1, 2, 3]),
        None => table(&["input", "weight"], &[1]),
    };
    for at in &shown {
        let mut row = vec![place(&neuron.weights[*at].input), neuron.weights[*at].weight.to_string()];
        if let Some(found) = found {
            row.extend([found.weights[*at].value, found.weights[*at].product].map(|number| number.to_string()));
        }
        rows.add_row(row);
    }
    say!("{rows}");
    if shown.len() < neuron.weights.len() {
        say!("the {} largest of {}; --all prints all", shown.len(), grouped(neuron.weights.len() as u64));
    }
    if let Some(found) = found {
        let bias = neuron.bias.map_or(String::new(), |bias| format!(" + bias {bias}"));
        let image = args.image.as_deref().map_or("", name_of);
        say!("sum of all products {}{bias} = {}, the value of the neuron on {image}", found.sum, found.value);
    }
}

/// All weights, for programs.
fn csv(neuron: &Neuron, found: Option<&Contributions>) -> String {
    let axes = neuron.input_shape.len();
    let mut header: Vec<String> = match axes {
        1 => vec!["input".to_string()],
        3 => ["channel", "row", "column"].map(str::to_string).to_vec(),
        _ => (0..axes).map(|axis| format!("input_{axis}")).collect(),
    };
    header.push("weight".to_string());
    header.extend(found.iter().flat_map(|_| ["value", "product"]).map(str::to_string));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let row = |at: usize| {
        let one = &neuron.weights[at];
        let mut row: Vec<String> = one.input.iter().map(usize::to_string).collect();
        row.push(one.weight.to_string());
        let of_image = found.map(|found| [found.weights[at].value, found.weights[at].product]);
        row.extend(of_image.into_iter().flatten().map(|number| number.to_string()));
        row
    };
    csv_text(&header, (0..neuron.weights.len()).map(row))
}

fn place(place: &[usize]) -> String {
    place.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

/// Its weights on the maps that it reads; with an image that, what it sees of it, and the products.
fn drawn(model: &Model, neuron: &Neuron, looked: Option<&Looked<'_>>) -> Result<Picture, Failure> {
    let weights = tiles(model, neuron, &neuron.weights.iter().map(|one| one.weight).collect::<Vec<f32>>());
    if weights.is_empty() {
        return Err(Failure::Input(format!(
            "the neuron of {} sees no maps, so there is no picture of its weights. Leave --out out; --all prints them",
            neuron.layer
        )));
    }
    let heading = format!("Neuron {} of {}", place(&neuron.place), neuron.layer);
    let Some(Looked { name, values, axes, found }) = looked else {
        let subtitle = "its weights on each map that it reads; vermilion adds, blue takes away";
        return Ok(sheet((&heading, ""), subtitle, Shades::Signed, &weights, Grid::column(weights.len())));
    };
    let products = tiles(model, neuron, &found.weights.iter().map(|one| one.product).collect::<Vec<f32>>());
    let written = |value: f32| number(value.into()).replace('-', "−");
    let [sum, value] = [found.sum, found.value].map(written);
    let bias = neuron.bias.map_or(String::new(), |bias| format!(" + bias {}", written(bias)));
    let subtitle = format!("vermilion adds, blue takes away; sum {sum}{bias} = {value}");
    let [rows, columns] = match neuron.sees.as_slice() {
        &[rows, columns] => [rows, columns],
        _ => [[0, axes[1] - 1], [0, axes[2] - 1]],
    };
    let seen = Seen { image: mask::visible(values, *axes), name: name_of(name), rows, columns };
    Ok(picture((&heading, &value), &subtitle, &seen, &weights, &products))
}

/// A number for each weight as maps: of a convolution on its window, of a linear layer behind a flatten on the maps in front of
/// that.
fn tiles(model: &Model, neuron: &Neuron, of: &[f32]) -> Vec<Tile> {
    if let [_, _, _] = neuron.input_shape[..] {
        let places = |axis: usize| neuron.weights.iter().map(move |one| one.input[axis]);
        let ends = |axis: usize| Some((places(axis).min()?, places(axis).max()?));
        let (Some((first, last)), Some((top, bottom)), Some((left, right))) = (ends(0), ends(1), ends(2)) else {
            return Vec::new();
        };
        let (height, width) = (bottom - top + 1, right - left + 1);
        let maps = (first..=last).take(MOST_MAPS).map(|map| {
            let mut values = vec![0.0; height * width];
            for (one, value) in neuron.weights.iter().zip(of).filter(|(one, _)| one.input[0] == map) {
                values[(one.input[1] - top) * width + one.input[2] - left] = *value;
            }
            Tile { caption: format!("map {map}"), height, width, values }
        });
        return maps.collect();
    }
    let network = model.network();
    let layer = network.value(&neuron.layer).and_then(|value| network.layer_of(value));
    let above = layer.and_then(|layer| network.layer_of(network.reads(layer)[0]));
    let Some((above, Layer::Flatten(flatten))) = above.map(|above| (above, &network.network().layers[above].layer))
    else {
        return Vec::new();
    };
    let &[channels, height, width] = network.input_shapes(above)[0].axes() else { return Vec::new() };
    let maps = (0..channels.min(MOST_MAPS)).map(|map| {
        let at = |pixel: usize| match flatten.order {
            Order::ChannelsLast => pixel * channels + map,
            _ => map * height * width + pixel,
        };
        let values = (0..height * width).map(|pixel| of[at(pixel)]).collect();
        Tile { caption: format!("map {map}"), height, width, values }
    });
    maps.collect()
}
