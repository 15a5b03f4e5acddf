//! The one place that decides what fits: networks, weights from outside, batches.
//!
//! Each check returns a type that cannot be made elsewhere; the code after it trusts that type.

use crate::layer::{Entering, Mismatch};
use crate::layers::MAPS;
use crate::network::{NamedLayer, Network};
use crate::no_maps;
use crate::params::ParamLayout;
use crate::shape::Shape;
use crate::view::Quant;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// Something does not fit: which layer, what was compared, what was expected, what came, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShapeError {
    /// The layer, as `layers.2 (linear)`; `None` where the input of the network is meant.
    pub layer: Option<String>,
    /// What was compared, e.g. `in_features`.
    pub compared: String,
    /// What would fit, with where that number comes from.
    pub expected: String,
    /// What came, with where that came from.
    pub got: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShapeError { layer, compared, expected, got, help } = self;
        match layer {
            Some(layer) => write!(f, "layer {layer}: {compared} does not fit: expected {expected}, got {got}.")?,
            None => write!(f, "{compared} does not fit: expected {expected}, got {got}.")?,
        }
        if help.is_empty() { Ok(()) } else { write!(f, " {help}") }
    }
}

impl std::error::Error for ShapeError {}

/// The largest number of elements that one sample, one activation or one weight may have: 2^40, and 2^29 where addresses
/// have 32 bits, so that the bytes can be counted.
///
/// Larger sizes come from mistakes and hostile files; refusing them keeps every product of two sizes inside 64 bits.
pub const MAX_ELEMENTS: usize = 1 << if usize::BITS > 32 { 40 } else { 29 };

/// The most rows of a batch for a network whose inputs have no numbers.
const MOST_EMPTY_ROWS: usize = 1 << 16;

/// The most values that one layer may read.
pub const MAX_INPUTS: usize = 60;

/// A value of a network: an input, or the output of a layer. Inputs come first, then layers in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(u32);

impl ValueId {
    /// Its place in the list of values.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    fn at(index: usize) -> Self {
        ValueId(u32::try_from(index).expect("a network has fewer layers than that"))
    }
}

/// A network in which every layer fits what it reads: the proof that [`check_network`] walked it.
#[derive(Clone, Debug)]
pub struct CheckedNetwork {
    network: Network,
    /// Of every value.
    shapes: Vec<Shape>,
    /// What the numbers of every value stand for; `None` for floats.
    quants: Vec<Option<Quant>>,
    /// What each layer reads.
    reads: Vec<Vec<ValueId>>,
    outputs: Vec<ValueId>,
    layout: Arc<ParamLayout>,
}

impl CheckedNetwork {
    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The value that leaves layer `index`.
    pub fn value_of(&self, index: usize) -> ValueId {
        ValueId::at(self.network.inputs.len() + index)
    }

    /// The layer that makes a value; `None` for an input.
    pub fn layer_of(&self, value: ValueId) -> Option<usize> {
        value.index().checked_sub(self.network.inputs.len())
    }

    /// The value of an input or a layer with this name.
    pub fn value(&self, name: &str) -> Option<ValueId> {
        let inputs = self.network.inputs.iter().map(|input| &input.name);
        let layers = self.network.layers.iter().map(|named| &named.name);
        inputs.chain(layers).position(|other| other == name).map(ValueId::at)
    }

    /// The name of a value: of an input or of a layer.
    pub fn name(&self, value: ValueId) -> &str {
        match self.layer_of(value) {
            Some(layer) => &self.network.layers[layer].name,
            None => &self.network.inputs[value.index()].name,
        }
    }

    /// All values in the order in which they are known.
    pub fn values(&self) -> impl Iterator<Item = ValueId> + use<> {
        (0..self.shapes.len()).map(ValueId::at)
    }

    /// The shape of a value.
    pub fn shape(&self, value: ValueId) -> &Shape {
        &self.shapes[value.index()]
    }

    /// What the numbers of a value stand for, where they are whole numbers; `None` for floats.
    pub fn quant(&self, value: ValueId) -> Option<Quant> {
        self.quants[value.index()]
    }

    /// What the numbers stand for that enter layer `index`.
    pub fn input_quants(&self, index: usize) -> Vec<Option<Quant>> {
        self.reads[index].iter().map(|value| self.quant(*value)).collect()
    }

    /// The first layer without a way back, through which no gradient comes: such a network cannot be trained.
    pub fn without_gradient(&self) -> Option<usize> {
        self.network.layers.iter().position(|named| !named.layer.has_gradient())
    }

    /// What layer `index` reads.
    pub fn reads(&self, index: usize) -> &[ValueId] {
        &self.reads[index]
    }

    /// The shapes that enter layer `index`.
    pub fn input_shapes(&self, index: usize) -> Vec<&Shape> {
        self.reads[index].iter().map(|value| self.shape(*value)).collect()
    }

    /// The shape that leaves layer `index`.
    pub fn output_shape(&self, index: usize) -> &Shape {
        self.shape(self.value_of(index))
    }

    /// The shape that enters the network, at its first input.
    pub fn input(&self) -> &Shape {
        &self.network.inputs[0].shape
    }

    /// What comes out: at least one.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// The shape that leaves the network, at its first output.
    pub fn output(&self) -> &Shape {
        self.shape(self.outputs[0])
    }

    /// Elements of one sample of a value.
    pub fn len(&self, value: ValueId) -> usize {
        known(self.shape(value))
    }

    /// Elements of one sample at the first input.
    pub fn input_len(&self) -> usize {
        known(self.input())
    }

    /// Elements of one sample at the first output.
    pub fn output_len(&self) -> usize {
        known(self.output())
    }

    /// Where the weights lie.
    pub fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    /// A layer in messages: `hidden (linear)`.
    pub fn label(&self, index: usize) -> String {
        label(&self.network.layers[index])
    }

    /// Checks the numbers of layer `index`, the trainable ones and the others, where they come from outside.
    ///
    /// # Errors
    /// [`ShapeError`] where the layer [cannot have](crate::layer::LayerKind::check_params) them.
    pub fn check_params(&self, index: usize, weights: &[f32], state: &[f32]) -> Result<(), ShapeError> {
        let (shapes, quants) = (self.input_shapes(index), self.input_quants(index));
        let entering = Entering { shapes: &shapes, quants: &quants };
        let checked = self.network.layers[index].layer.check_params(entering, weights, state);
        checked.map_err(|Mismatch { compared, expected, got, help }| ShapeError {
            layer: Some(self.label(index)),
            compared,
            expected,
            got,
            help,
        })
    }

    /// Checks that a slice is a whole number of samples for the only input; finite or not.
    ///
    /// # Errors
    /// [`ShapeError`] where the length is not `rows` times the elements of one sample, or there are several inputs.
    pub fn batch<'a>(&self, values: &'a [f32], rows: usize) -> Result<CheckedBatch<'a>, ShapeError> {
        self.count_inputs(1)?;
        self.check_input(0, values, rows)?;
        Ok(CheckedBatch { values: Slices::One(values), rows })
    }

    /// As [`CheckedNetwork::batch`], for all inputs, in their order.
    ///
    /// # Errors
    /// [`ShapeError`] where there are not as many as inputs, or a length is not `rows` times the elements of one sample.
    pub fn batches<'a>(&self, values: &'a [&'a [f32]], rows: usize) -> Result<CheckedBatch<'a>, ShapeError> {
        self.count_inputs(values.len())?;
        (0..values.len()).try_for_each(|index| self.check_input(index, values[index], rows))?;
        Ok(CheckedBatch { values: Slices::Many(values), rows })
    }

    fn count_inputs(&self, got: usize) -> Result<(), ShapeError> {
        let inputs = &self.network.inputs;
        if inputs.len() == got {
            return Ok(());
        }
        Err(ShapeError {
            layer: None,
            compared: "the number of inputs".to_string(),
            expected: format!("{}: {}", inputs.len(), named(inputs.iter().map(|input| (&input.name, &input.shape)))),
            got: got.to_string(),
            help: "Give rows for each input.".to_string(),
        })
    }

    fn check_input(&self, index: usize, values: &[f32], rows: usize) -> Result<(), ShapeError> {
        let input = &self.network.inputs[index];
        let sample = known(&input.shape);
        // Rows of no numbers take no memory where they come from, but their outputs do.
        if rows > MOST_EMPTY_ROWS && self.network.inputs.iter().all(|input| known(&input.shape) == 0) {
            return Err(ShapeError {
                layer: None,
                compared: "the number of rows".to_string(),
                expected: format!("at most {MOST_EMPTY_ROWS}, because a row of this network has no numbers"),
                got: rows.to_string(),
                help: "Ask in parts.".to_string(),
            });
        }
        if rows.checked_mul(sample) == Some(values.len()) {
            return Ok(());
        }
        let got = match values.len().checked_rem(rows) {
            Some(0) => format!("{} numbers a row ({rows} rows)", values.len() / rows),
            _ => format!("{} numbers for {rows} rows", values.len()),
        };
        let (compared, whose) = match self.network.inputs.len() {
            1 => ("the input".to_string(), "the network's input".to_string()),
            _ => (format!("the input \"{}\"", input.name), "this input".to_string()),
        };
        Err(ShapeError {
            layer: None,
            compared,
            expected: format!("{sample} numbers a row ({whose} is {})", input.shape),
            got,
            help: "Give rows of the width the model was trained on.".to_string(),
        })
    }
}

/// Rows that fit the inputs of a network.
#[derive(Clone, Copy, Debug)]
pub struct CheckedBatch<'a> {
    values: Slices<'a>,
    rows: usize,
}

#[derive(Clone, Copy, Debug)]
enum Slices<'a> {
    One(&'a [f32]),
    Many(&'a [&'a [f32]]),
}

impl<'a> CheckedBatch<'a> {
    /// All elements of the first input, row after row.
    pub fn values(&self) -> &'a [f32] {
        self.input(0)
    }

    /// All elements of one input, row after row.
    pub fn input(&self, index: usize) -> &'a [f32] {
        match self.values {
            Slices::One(values) => values,
            Slices::Many(values) => values[index],
        }
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

fn label(named: &NamedLayer) -> String {
    format!("{} ({})", named.name, named.layer.kind())
}

/// Names with their shapes, for messages: `"a" [2, 3] and "b" [4]`.
fn named<'a>(values: impl Iterator<Item = (&'a String, &'a Shape)>) -> String {
    let mut texts: Vec<String> = values.map(|(name, shape)| format!("\"{name}\" {shape}")).collect();
    let last = texts.pop().unwrap_or_default();
    if texts.is_empty() { last } else { format!("{} and {last}", texts.join(", ")) }
}

/// The element count of a shape that a check has seen.
fn known(shape: &Shape) -> usize {
    shape.len().expect("the network check refused shapes that overflow")
}

/// Walks a network and gives every layer its shapes.
///
/// # Errors
/// [`ShapeError`] for the first layer that does not fit what it reads.
pub fn check_network(network: Network) -> Result<CheckedNetwork, ShapeError> {
    let mut names: HashMap<&str, ValueId> = HashMap::new();
    let mut shapes: Vec<Shape> = Vec::with_capacity(network.inputs.len() + network.layers.len());
    let mut quants: Vec<Option<Quant>> = vec![None; network.inputs.len()];
    let mut all_reads = Vec::with_capacity(network.layers.len());
    if network.inputs.is_empty() {
        let help = "Write the shape of one sample, as input = [784].";
        return Err(refused(None, "the network", "at least one input", "none", help));
    }
    for input in &network.inputs {
        check_size(&input.shape, None, "the input shape")?;
        if names.insert(&input.name, ValueId::at(shapes.len())).is_some() {
            let got = format!("\"{}\" again", input.name);
            return Err(refused(None, "the name of an input", "a name used once", got, "Rename one of the two."));
        }
        shapes.push(input.shape.clone());
    }
    for (index, layer) in network.layers.iter().enumerate() {
        let label = label(layer);
        let reads = reads(&network, index, &names)?;
        let entering: Vec<&Shape> = reads.iter().map(|value| &shapes[value.index()]).collect();
        let shape = layer.layer.infer(&entering);
        let shape = shape.map_err(|mut mismatch| {
            if let (true, [value]) = (mismatch.expected == MAPS, &reads[..]) {
                let help = no_maps::help(&network, &shapes, &all_reads, *value);
                mismatch.help = help.unwrap_or(mismatch.help);
            }
            at_layer(&network, index, &reads, &entering, mismatch)
        })?;
        check_size(&shape, Some(&label), "the output shape")?;
        let numbers: Vec<Option<Quant>> = reads.iter().map(|value| quants[value.index()]).collect();
        let quant = layer.layer.quant(&numbers).map_err(|Mismatch { compared, expected, got, help }| {
            let from: Vec<&str> = reads.iter().map(|value| name_of(&network, *value).as_str()).collect();
            let got = format!("{got} (from {})", from.join(", "));
            ShapeError { layer: Some(label.clone()), compared, expected, got, help }
        })?;
        let mut roles = HashSet::new();
        for spec in layer.layer.params(&entering) {
            if !roles.insert(spec.role) {
                let got = format!("\"{}\" twice", spec.role);
                let help = "This is a mistake in the layer itself: give its tensors roles of their own.";
                return Err(refused(Some(label), "the tensors of the layer", "each role once", got, help));
            }
            check_size(&Shape::new(spec.shape), Some(&label), spec.role)?;
        }
        if names.insert(&layer.name, ValueId::at(shapes.len())).is_some() {
            let got = format!("\"{}\" again", layer.name);
            let help = "Rename one of the two, or leave the names out: they are then numbered.";
            return Err(refused(Some(label), "the name", "a name used once", got, help));
        }
        shapes.push(shape);
        quants.push(quant);
        all_reads.push(reads);
    }
    let mut outputs: Vec<ValueId> = Vec::new();
    for name in &network.outputs {
        let value = names.get(name.as_str()).copied();
        let known = || format!("the name of a layer: {}", list(network.layers.iter().map(|named| &named.name)));
        let value = value.ok_or_else(|| {
            refused(None, "the output", known(), format!("\"{name}\""), "Outputs are named as their layers.")
        })?;
        if outputs.contains(&value) {
            let got = format!("\"{name}\" twice");
            return Err(refused(None, "the outputs", "each name once", got, "Leave one of the two out."));
        }
        outputs.push(value);
    }
    if outputs.is_empty() {
        outputs.push(ValueId::at(shapes.len() - 1));
    }
    if let Some((value, quant)) = outputs.iter().find_map(|value| Some((value, quants[value.index()]?))) {
        let label = value.index().checked_sub(network.inputs.len()).map(|layer| label(&network.layers[layer]));
        let help = "Put a dequantize layer behind it: what comes out of a network are floats.";
        return Err(refused(label, "the type of the output", "32-bit floats", quant.describe(), help));
    }
    let layout = Arc::new(ParamLayout::new(&network, &shapes, &all_reads));
    Ok(CheckedNetwork { network, shapes, quants, reads: all_reads, outputs, layout })
}

/// The values that a layer reads, by their names.
fn reads(network: &Network, index: usize, names: &HashMap<&str, ValueId>) -> Result<Vec<ValueId>, ShapeError> {
    let layer = &network.layers[index];
    if layer.inputs.is_empty() {
        // The layer above, or the first input.
        let above = if index == 0 { 0 } else { network.inputs.len() + index - 1 };
        return Ok(vec![ValueId::at(above)]);
    }
    let refuse = |expected: String, got: String, help: &str| {
        Err(refused(Some(label(layer)), "what it reads", expected, got, help))
    };
    if layer.inputs.len() > MAX_INPUTS {
        let got = format!("{} values", layer.inputs.len());
        return refuse(format!("at most {MAX_INPUTS} values"), got, "Put several such layers one behind the other.");
    }
    let mut found = Vec::with_capacity(layer.inputs.len());
    for name in &layer.inputs {
        if let Some(value) = names.get(name.as_str()) {
            found.push(*value);
            continue;
        }
        let got = format!("\"{name}\"");
        if *name == layer.name {
            return refuse("a layer above it".to_string(), format!("{got}, itself"), "A network has no cycles.");
        }
        if network.layers[index..].iter().any(|below| below.name == *name) {
            let help = "Layers are evaluated in the order of the file: move it up. A network has no cycles.";
            return refuse("a layer above it".to_string(), format!("{got}, which stands below"), help);
        }
        let inputs = network.inputs.iter().map(|input| &input.name);
        let above = network.layers[..index].iter().map(|above| &above.name);
        let known = format!("an input or a layer above it: {}", list(inputs.chain(above)));
        return refuse(known, format!("{got}, which is neither"), "Correct the name.");
    }
    Ok(found)
}

/// Names for messages, the last few of many.
fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    const MOST: usize = 12;
    let names: Vec<&str> = names.map(String::as_str).collect();
    let more = if names.len() > MOST { "..., " } else { "" };
    format!("{more}{}", names[names.len().saturating_sub(MOST)..].join(", "))
}

/// The name of a value.
fn name_of(network: &Network, value: ValueId) -> &String {
    match value.index().checked_sub(network.inputs.len()) {
        Some(layer) => &network.layers[layer].name,
        None => &network.inputs[value.index()].name,
    }
}

/// Adds to a refusal of a layer where what it reads comes from.
fn at_layer(network: &Network, index: usize, reads: &[ValueId], entering: &[&Shape], mismatch: Mismatch) -> ShapeError {
    let Mismatch { compared, expected, got, help } = mismatch;
    let name = |value: ValueId| name_of(network, value);
    let origin = match (reads, entering) {
        ([value], [shape]) => match value.index().checked_sub(network.inputs.len()) {
            Some(layer) => {
                let from = &network.layers[layer];
                format!("{got} (output {shape} of {}, {})", from.name, from.layer.kind())
            }
            None if network.inputs.len() == 1 => format!("{got} (the network's input is {shape})"),
            None => format!("{got} (the input \"{}\" is {shape})", name(*value)),
        },
        _ => {
            let both = named(reads.iter().map(|value| name(*value)).zip(entering.iter().copied()));
            if got.is_empty() { both } else { format!("{got} ({both})") }
        }
    };
    ShapeError { layer: Some(label(&network.layers[index])), compared, expected, got: origin, help }
}

fn refused(
    layer: Option<String>,
    compared: &str,
    expected: impl Into<String>,
    got: impl Into<String>,
    help: &str,
) -> ShapeError {
    let (expected, got) = (expected.into(), got.into());
    ShapeError { layer, compared: compared.to_string(), expected, got, help: help.to_string() }
}

fn check_size(shape: &Shape, layer: Option<&str>, what: &str) -> Result<(), ShapeError> {
    // Beside an axis of length zero the others have to be countable too: parts of a shape are multiplied by themselves.
    let mut axes = shape.axes().iter().filter(|axis| **axis > 0);
    match axes.try_fold(1usize, |product, &axis| product.checked_mul(axis)) {
        Some(len) if len <= MAX_ELEMENTS => Ok(()),
        _ => Err(ShapeError {
            layer: layer.map(str::to_string),
            compared: format!("the size of {what}"),
            expected: format!("at most {MAX_ELEMENTS} elements"),
            got: shape.to_string(),
            help: "Check the sizes: is a digit too many?".to_string(),
        }),
    }
}
