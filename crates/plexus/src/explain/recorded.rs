//! Which rounding of whole numbers recorded values follow.

use super::Gap;
use crate::{Error, Model};
use plexus_nn::integer::{Arithmetic, Rounding, ShiftRounding};
use plexus_nn::layer::Layout;
use plexus_nn::layers::Layer;
use plexus_nn::{CheckedNetwork, Network, Plan, PlanOptions, ValueId, View, Workspace};
use serde::Serialize;
use std::sync::Arc;

/// Numbers that another program had for an input of a network or behind one of its layers, row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The name of the input or of the layer. `input` and `output` will do where there is one.
    pub name: String,
    /// Rows, and the axes of the value; maps may lie channels last.
    pub shape: Vec<usize>,
    /// The numbers.
    pub numbers: Vec<f32>,
    /// Whether they are whole numbers as they are, and not the reals that they stand for.
    pub whole: bool,
}

/// How a network that rounds in one way differs from what was recorded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Follows {
    /// The rounding.
    pub rounding: String,
    /// Whether it is that of the model.
    pub is_own: bool,
    /// What differs behind each layer that was recorded, in the order of the network.
    pub layers: Vec<(String, Gap)>,
}

impl Follows {
    /// How many numbers differ.
    pub fn differing(&self) -> u64 {
        self.layers.iter().map(|(_, gap)| gap.differing).sum()
    }

    /// How many were compared.
    pub fn compared(&self) -> u64 {
        self.layers.iter().map(|(_, gap)| gap.compared).sum()
    }

    /// The first layer that differs.
    pub fn first(&self) -> Option<&str> {
        self.layers.iter().find(|(_, gap)| gap.differing > 0).map(|(name, _)| name.as_str())
    }
}

/// A way to round that a network can have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Affine(Rounding),
    Shift(ShiftRounding),
}

impl Way {
    const ALL: [Way; 6] = [
        Way::Affine(Rounding::Double),
        Way::Affine(Rounding::Single),
        Way::Affine(Rounding::Float64),
        Way::Affine(Rounding::Float32Even),
        Way::Shift(ShiftRounding::HalfUp),
        Way::Shift(ShiftRounding::Floor),
    ];

    fn name(self) -> &'static str {
        match self {
            Way::Affine(rounding) => rounding.name(),
            Way::Shift(ShiftRounding::HalfUp) => "half_up",
            Way::Shift(ShiftRounding::Floor) => "floor",
        }
    }

    /// The network with this rounding in all layers of its kind; `None` where there is none.
    fn of(self, network: &Network) -> Option<Network> {
        let mut network = network.clone();
        let mut found = false;
        for named in &mut network.layers {
            let Some(arithmetic) = arithmetic(&mut named.layer) else { continue };
            match (arithmetic, self) {
                (Arithmetic::Affine { rounding, .. }, Way::Affine(way)) => (*rounding, found) = (way, true),
                (Arithmetic::PowerOfTwo { rounding, .. }, Way::Shift(way)) => (*rounding, found) = (way, true),
                _ => {}
            }
        }
        found.then_some(network)
    }
}

fn arithmetic(layer: &mut Layer) -> Option<&mut Arithmetic> {
    match layer {
        Layer::IntegerLinear(layer) => Some(&mut layer.integers.arithmetic),
        Layer::IntegerConv2d(layer) => Some(&mut layer.integers.arithmetic),
        Layer::IntegerConvTranspose2d(layer) => Some(&mut layer.integers.arithmetic),
        _ => None,
    }
}

/// A recorded value that was found in the network.
struct Place {
    value: ValueId,
    name: String,
    numbers: Vec<f32>,
    whole: bool,
}

/// Runs a model of whole numbers on recorded inputs, once for each way in which its sums can be rounded, and compares what was recorded
/// behind its layers. Roundings that the model cannot have, as those in floats with 16-bit activations, are left out.
///
/// # Errors
/// [`Error::Setting`] where the model has no layer of whole numbers, an input was not recorded, or something recorded does not fit.
///
/// # Examples
/// ```
/// use plexus::explain::{Recorded, follows};
/// use plexus::quant::{Options, Scheme};
/// # use plexus::{Context, Model, Network, Params, Task, layers::linear};
/// # let network = Network::chain([4], [linear(8)]).check()?;
/// # let task = Task::Regression { outputs: (0..8).map(|at| at.to_string()).collect() };
/// # let model = Model::new(network.clone(), &Params::initialize(&network, 1), task, Context::single())?;
/// let rows: Vec<f32> = (0..400).map(|at| (at as f32 * 0.7).sin()).collect();
/// let model = model.quantize(&[&rows], 100, &Options::new(Scheme::Int8))?.model;
/// let outputs = model.predict(&rows, 100, &mut Default::default())?.to_vec();
/// let recorded = |name: &str, numbers: Vec<f32>| {
///     Recorded { name: name.into(), shape: vec![100, numbers.len() / 100], numbers, whole: false }
/// };
/// let found = follows(&model, vec![recorded("input", rows), recorded("output", outputs)])?;
/// assert_eq!((found[0].rounding.as_str(), found[0].is_own, found[0].differing()), ("double", true, 0));
/// # Ok::<(), plexus::Error>(())
/// ```
pub fn follows(model: &Model, recorded: Vec<Recorded>) -> Result<Vec<Follows>, Error> {
    let network = model.network();
    let rows = recorded.first().and_then(|recorded| recorded.shape.first()).copied().unwrap_or(0);
    let (inputs, places) = places(network, recorded, rows)?;
    let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    let mut found = Vec::new();
    for way in Way::ALL {
        let Some(changed) = way.of(network.network()) else { continue };
        let is_own = changed == *network.network();
        let Ok(changed) = changed.check() else { continue };
        let layers = compare(model, changed, &inputs, rows, &places)?;
        found.push(Follows { rounding: way.name().to_string(), is_own, layers });
    }
    if found.is_empty() {
        return Err(refused(
            "the model",
            "a model of floats",
            "one with products of whole numbers, whose sums are rounded",
        ));
    }
    Ok(found)
}

/// Memory for the values of a batch.
const MOST_BYTES: usize = 1 << 28;

fn compare(
    model: &Model,
    network: CheckedNetwork,
    inputs: &[&[f32]],
    rows: usize,
    places: &[Place],
) -> Result<Vec<(String, Gap)>, Error> {
    let options = PlanOptions::default().with_one_by_one(true);
    let plan = Plan::with(Arc::new(network), &model.params(), options, model.plan.context().clone());
    let (mut gaps, mut workspace) = (vec![Gap::default(); places.len()], Workspace::default());
    let batch = (MOST_BYTES / plan.workspace_bytes(1).max(1)).clamp(1, 512);
    for first in (0..rows).step_by(batch) {
        let count = batch.min(rows - first);
        let part: Vec<&[f32]> = inputs
            .iter()
            .map(|values| {
                let width = values.len() / rows;
                &values[first * width..][..count * width]
            })
            .collect();
        let mut observe = |value: ValueId, view: View<'_>| {
            for (place, gap) in places.iter().zip(&mut gaps).filter(|(place, _)| place.value == value) {
                let values = if place.whole { view.numbers() } else { view.in_layout(Layout::ChannelsFirst) };
                let width = place.numbers.len() / rows;
                gap.add(&place.numbers[first * width..][..count * width], &values, width, first as u64);
            }
        };
        plan.run_observed(plan.network().batches(&part, count)?, &mut workspace, Some(&mut observe));
    }
    Ok(places.iter().map(|place| place.name.clone()).zip(gaps).collect())
}

fn refused(name: &'static str, got: impl Into<String>, expected: impl Into<String>) -> Error {
    Error::Setting { name, got: got.into(), expected: expected.into(), remedy: None }
}

/// The inputs in their order, and the places of everything else in the order of the network.
fn places(
    network: &CheckedNetwork,
    recorded: Vec<Recorded>,
    rows: usize,
) -> Result<(Vec<Vec<f32>>, Vec<Place>), Error> {
    let mut inputs: Vec<Option<Vec<f32>>> = vec![None; network.network().inputs.len()];
    let mut places: Vec<Place> = Vec::new();
    for recorded in recorded {
        let names: Vec<ValueId> = network.values().filter(|value| network.name(*value) == recorded.name).collect();
        let value = match (names.first(), recorded.name.as_str()) {
            (Some(value), _) => *value,
            (None, "input") if inputs.len() == 1 => network.values().next().expect("it has an input"),
            (None, "output") if network.outputs().len() == 1 => network.outputs()[0],
            _ => {
                let known: Vec<&str> = network.values().map(|value| network.name(value)).collect();
                let expected = format!("an input or a layer of the model: {}", known.join(", "));
                return Err(refused("the name of a recorded array", recorded.name, expected));
            }
        };
        // Whole numbers of what becomes floats are those in front of that.
        let value = match network.layer_of(value) {
            Some(layer) if recorded.whole && matches!(network.network().layers[layer].layer, Layer::Dequantize(_)) => {
                network.reads(layer)[0]
            }
            _ => value,
        };
        let numbers = arranged(network, value, &recorded, rows)?;
        match network.layer_of(value) {
            None => inputs[value.index()] = Some(of_input(network, value, &recorded, numbers)?),
            Some(_) if recorded.whole && network.quant(value).is_none() => {
                let expected = format!("floats: layer \"{}\" gives 32-bit floats", recorded.name);
                return Err(refused("a recorded array", format!("whole numbers in \"{}\"", recorded.name), expected));
            }
            Some(_) => {
                let Recorded { name, whole, .. } = recorded;
                places.push(Place { value, name, numbers, whole });
            }
        }
    }
    let missing = inputs.iter().position(Option::is_none);
    if let Some(missing) = missing {
        let name = &network.network().inputs[missing].name;
        return Err(refused("the recorded arrays", format!("none of the input \"{name}\""), "one of each input"));
    }
    if places.is_empty() || rows == 0 {
        let got = if rows == 0 { "no row" } else { "inputs alone" };
        return Err(refused("the recorded arrays", got, "rows of outputs, or of values behind layers"));
    }
    places.sort_by_key(|place| place.value.index());
    Ok((inputs.into_iter().flatten().collect(), places))
}

/// The numbers with their channels first.
fn arranged(network: &CheckedNetwork, value: ValueId, recorded: &Recorded, rows: usize) -> Result<Vec<f32>, Error> {
    let axes = network.shape(value).axes();
    let Recorded { name, shape, numbers, .. } = recorded;
    let wanted = format!("{rows} rows of {} in \"{name}\"", network.shape(value));
    let misfit = || refused("a recorded array", format!("{shape:?}"), wanted.clone());
    let (Some(&own), rest) = (shape.first(), shape.get(1..).unwrap_or_default()) else { return Err(misfit()) };
    let len: usize = axes.iter().product();
    if own != rows || rest.iter().product::<usize>() != len || numbers.len() != rows * len {
        return Err(misfit());
    }
    match (axes, rest) {
        (axes, rest) if axes == rest || rest.len() <= 1 => Ok(numbers.clone()),
        (&[channels, height, width], &[rows_last, cols_last, last])
            if [rows_last, cols_last, last] == [height, width, channels] =>
        {
            let place = |at: usize| (at % (height * width)) * channels + at / (height * width);
            Ok(numbers.chunks_exact(len).flat_map(|row| (0..len).map(move |at| row[place(at)])).collect())
        }
        _ => Err(misfit()),
    }
}

/// The floats of an input: whole numbers are those that a quantize layer makes of it.
fn of_input(
    network: &CheckedNetwork,
    value: ValueId,
    recorded: &Recorded,
    numbers: Vec<f32>,
) -> Result<Vec<f32>, Error> {
    if !recorded.whole {
        return Ok(numbers);
    }
    let mut readers = (0..network.network().layers.len()).filter(|layer| network.reads(*layer).contains(&value));
    let quant = match (readers.next(), readers.next()) {
        (Some(layer), None) if matches!(network.network().layers[layer].layer, Layer::Quantize(_)) => {
            network.quant(network.value_of(layer))
        }
        _ => None,
    };
    let Some(quant) = quant else {
        let expected = "floats, because the first layer computes with them: record what enters the float model";
        return Err(refused("a recorded array", format!("whole numbers in \"{}\"", recorded.name), expected));
    };
    Ok(numbers.into_iter().map(|number| quant.value(number as i32)).collect())
}
