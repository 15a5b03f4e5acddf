//! A network: a list of named layers.

use crate::check::{CheckedNetwork, ShapeError, check_network};
use crate::layers::Layer;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// A layer and its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedLayer {
    /// Unique in its network; the first part of the names of its tensors.
    pub name: String,
    /// The layers whose outputs it reads; empty for the layer before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// What it does.
    #[serde(flatten)]
    pub layer: Layer,
}

/// A list of named layers in the order of their evaluation, and the shape of one input sample.
///
/// # Examples
/// ```
/// use plexus_nn::{Network, Shape, layers::{Activation, Linear}};
/// use plexus_kernels::map::Function;
/// let network = Network::chain(
///     Shape::new([784]),
///     [Linear::new(100).into(), Activation::new(Function::Relu).into(), Linear::new(10).into()],
/// );
/// let checked = network.check().unwrap();
/// assert_eq!(checked.layout().weights_len(), 79_510);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Shape of one input sample.
    pub input: Shape,
    /// In the order of their evaluation.
    pub layers: Vec<NamedLayer>,
}

impl Network {
    /// A chain of layers, named `layers.0`, `layers.1`, …
    pub fn chain(input: Shape, layers: impl IntoIterator<Item = Layer>) -> Self {
        let layers = layers.into_iter().enumerate();
        let layers =
            layers.map(|(index, layer)| NamedLayer { name: format!("layers.{index}"), inputs: Vec::new(), layer });
        Network { input, layers: layers.collect() }
    }

    /// Walks the network and gives every layer its shapes.
    ///
    /// # Errors
    /// [`ShapeError`] for the first layer that does not fit.
    pub fn check(self) -> Result<CheckedNetwork, ShapeError> {
        check_network(self)
    }

    /// Puts a layer in front.
    pub fn insert_front(&mut self, name: &str, layer: Layer) {
        if let Some(first) = self.layers.first_mut()
            && first.inputs == ["input"]
        {
            first.inputs = vec![name.to_string()];
        }
        self.layers.insert(0, NamedLayer { name: name.to_string(), inputs: Vec::new(), layer });
    }

    /// Puts a layer behind the last.
    pub fn push(&mut self, name: &str, layer: Layer) {
        self.layers.push(NamedLayer { name: name.to_string(), inputs: Vec::new(), layer });
    }
}
