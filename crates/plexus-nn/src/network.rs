//! A network: named inputs, named layers, names of outputs.

use crate::check::{CheckedNetwork, ShapeError, check_network};
use crate::layers::{Keys, Layer};
use crate::shape::Shape;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A layer and its name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedLayer {
    /// Unique in its network; the first part of the names of its tensors.
    pub name: String,
    /// The inputs and layers above whose values it reads; empty for the layer above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// What it does.
    #[serde(flatten)]
    pub layer: Layer,
}

impl NamedLayer {
    /// A layer and its name, reading the layer above it.
    pub fn new(name: impl Into<String>, layer: impl Into<Layer>) -> Self {
        NamedLayer { name: name.into(), inputs: Vec::new(), layer: layer.into() }
    }

    /// The same, reading these values.
    #[must_use]
    pub fn with_inputs(self, inputs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        NamedLayer { inputs: inputs.into_iter().map(Into::into).collect(), ..self }
    }
}

impl<'de> Deserialize<'de> for NamedLayer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Keys(mut keys) = Keys::deserialize(deserializer)?;
        let read = |keys: &mut Map<String, Value>| {
            let name = keys.remove("name").ok_or_else(|| serde_json::Error::missing_field("name"))?;
            let name = String::deserialize(name)?;
            let inputs = keys.remove("inputs").map_or(Ok(Vec::new()), Vec::deserialize)?;
            Ok(NamedLayer { layer: Layer::from_keys(&name, std::mem::take(keys))?, name, inputs })
        };
        read(&mut keys).map_err(|error: serde_json::Error| D::Error::custom(error))
    }
}

/// Something that enters a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Unique among inputs and layers.
    pub name: String,
    /// Of one sample.
    pub shape: Shape,
}

impl Input {
    /// An input from its parts.
    pub fn new(name: impl Into<String>, shape: impl Into<Shape>) -> Self {
        Input { name: name.into(), shape: shape.into() }
    }
}

/// The name of the only input, where nothing else is said.
pub const INPUT: &str = "input";

/// Inputs, layers in the order of their evaluation, and the names of what comes out.
///
/// A layer reads inputs and layers above it, so there are no cycles. Without names it reads the layer above; the first
/// reads the first input. Without names of outputs the last layer is the output.
///
/// # Examples
/// ```
/// use plexus_nn::{Network, layers::{dropout, linear, relu}};
/// let network = Network::chain([784], [linear(100), relu(), dropout(0.1), linear(10)]);
/// let checked = network.check()?;
/// assert_eq!(checked.layout().weights_len(), 79_510);
/// # Ok::<(), plexus_nn::ShapeError>(())
/// ```
///
/// What is no chain is built with a [`Graph`](crate::Graph).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Text", from = "Text")]
pub struct Network {
    /// What enters: at least one.
    pub inputs: Vec<Input>,
    /// In the order of their evaluation.
    pub layers: Vec<NamedLayer>,
    /// Layers (or inputs) whose values come out; empty for the last layer.
    pub outputs: Vec<String>,
}

/// The form in files: a network of one input and one output needs no names for them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<Shape>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<Input>,
    layers: Vec<NamedLayer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<String>,
}

impl From<Network> for Text {
    fn from(network: Network) -> Text {
        let Network { mut inputs, layers, outputs } = network;
        let input = match inputs.as_slice() {
            [input] if input.name == INPUT => inputs.pop().map(|input| input.shape),
            _ => None,
        };
        Text { input, inputs, layers, outputs }
    }
}

impl From<Text> for Network {
    fn from(text: Text) -> Network {
        let Text { input, mut inputs, layers, outputs } = text;
        inputs.splice(0..0, input.map(|shape| Input { name: INPUT.to_string(), shape }));
        Network { inputs, layers, outputs }
    }
}

impl Network {
    /// A network with one input, called `input`, and the last layer as its output.
    pub fn new(input: impl Into<Shape>, layers: Vec<NamedLayer>) -> Self {
        Network { inputs: vec![Input { name: INPUT.to_string(), shape: input.into() }], layers, outputs: Vec::new() }
    }

    /// A chain of layers, named `layers.0`, `layers.1`, …
    pub fn chain(input: impl Into<Shape>, layers: impl IntoIterator<Item = Layer>) -> Self {
        let layers = layers.into_iter().enumerate();
        let layers =
            layers.map(|(index, layer)| NamedLayer { name: format!("layers.{index}"), inputs: Vec::new(), layer });
        Network::new(input, layers.collect())
    }

    /// Walks the network and gives every layer its shapes.
    ///
    /// # Errors
    /// [`ShapeError`] for the first layer that does not fit.
    pub fn check(self) -> Result<CheckedNetwork, ShapeError> {
        check_network(self)
    }

    /// Puts a layer between the first input and everything that reads it.
    pub fn insert_front(&mut self, name: &str, layer: Layer) {
        self.insert_behind_input(0, name, layer);
    }

    /// Puts a layer between an input and everything that reads it; nothing where there is no such input.
    pub fn insert_behind_input(&mut self, index: usize, name: &str, layer: Layer) {
        let Some(input) = self.inputs.get(index).map(|input| input.name.clone()) else { return };
        if index > 0 {
            // What reads the layer above it or the first input by saying nothing goes on reading the same.
            self.name_what_the_first_layer_reads();
        }
        let readers = self.layers.iter_mut().map(|named| &mut named.inputs).chain([&mut self.outputs]);
        for read in readers.flatten().filter(|read| **read == input) {
            *read = name.to_string();
        }
        let inputs = if index == 0 { Vec::new() } else { vec![input] };
        self.layers.insert(0, NamedLayer { name: name.to_string(), inputs, layer });
    }

    fn name_what_the_first_layer_reads(&mut self) {
        if let (Some(layer), Some(first)) = (self.layers.first_mut(), self.inputs.first())
            && layer.inputs.is_empty()
        {
            layer.inputs.push(first.name.clone());
        }
    }

    /// Puts a layer behind the first output.
    pub fn push(&mut self, name: &str, layer: Layer) {
        self.push_behind_output(0, name, layer);
    }

    /// Puts a layer behind an output, which is then what the layer gives.
    pub fn push_behind_output(&mut self, index: usize, name: &str, layer: Layer) {
        let inputs = match self.outputs.get_mut(index) {
            Some(output) => vec![std::mem::replace(output, name.to_string())],
            None => Vec::new(),
        };
        self.layers.push(NamedLayer { name: name.to_string(), inputs, layer });
    }
}
