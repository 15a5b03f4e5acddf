//! `plexus neuron`: one number of the output of a layer, and what makes it.

use crate::Failure;
use crate::args::NeuronArgs;
use crate::commands::{model_path, save_drawing};
use crate::output::{grouped, print_json, say, table};
use crate::pictures::sheet::{Grid, Shades, Tile, sheet};
use plexus::explain::Neuron;
use plexus::{Context, Model};
use plexus_nn::layers::{Layer, Order};

/// Weights that are printed, unless all are asked for.
const SHOWN: usize = 10;
/// Maps that are drawn.
const MOST_MAPS: usize = 64;

/// Prints, lists or draws a neuron.
pub fn run(args: NeuronArgs) -> Result<(), Failure> {
    let model = Model::open(model_path(&args.model)?, Context::single())?;
    let neuron = model.neuron(&args.layer, &args.index)?;
    if let Some(path) = &args.picture.out {
        let tiles = tiles(&model, &neuron);
        if tiles.is_empty() {
            return Err(Failure::Input(format!(
                "the neuron of {} sees no maps, so there is no picture of its weights. Leave --out out; --all prints them",
                args.layer
            )));
        }
        let heading = format!("Neuron {} of {}", place(&neuron.place), neuron.layer);
        let subtitle = "its weights on each map that it reads; vermilion adds, blue takes away";
        save_drawing(path, &sheet((&heading, ""), subtitle, Shades::Signed, &tiles, Grid::PAGE), args.picture.dark)?;
    }
    if args.json {
        print_json(&serde_json::to_value(&neuron).expect("plain data has a JSON form"));
        return Ok(());
    }
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
    let mut weights: Vec<_> = neuron.weights.iter().collect();
    if !args.all {
        weights.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
        weights.truncate(SHOWN);
    }
    let mut rows = table(&["input", "weight"], &[1]);
    for one in &weights {
        rows.add_row([place(&one.input), one.weight.to_string()]);
    }
    say!("{rows}");
    if weights.len() < neuron.weights.len() {
        say!("the {} largest of {}; --all prints all", weights.len(), grouped(neuron.weights.len() as u64));
    }
    Ok(())
}

fn place(place: &[usize]) -> String {
    place.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

/// The weights as maps: of a convolution on its window, of a linear layer behind a flatten on the maps in front of that.
fn tiles(model: &Model, neuron: &Neuron) -> Vec<Tile> {
    if let [_, _, _] = neuron.input_shape[..] {
        let of = |axis: usize| neuron.weights.iter().map(move |one| one.input[axis]);
        let ends = |axis: usize| Some((of(axis).min()?, of(axis).max()?));
        let (Some((first, last)), Some((top, bottom)), Some((left, right))) = (ends(0), ends(1), ends(2)) else {
            return Vec::new();
        };
        let (height, width) = (bottom - top + 1, right - left + 1);
        let maps = (first..=last).take(MOST_MAPS).map(|map| {
            let mut values = vec![0.0; height * width];
            for one in neuron.weights.iter().filter(|one| one.input[0] == map) {
                values[(one.input[1] - top) * width + one.input[2] - left] = one.weight;
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
        let values = (0..height * width).map(|pixel| neuron.weights[at(pixel)].weight).collect();
        Tile { caption: format!("map {map}"), height, width, values }
    });
    maps.collect()
}
