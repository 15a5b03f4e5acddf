//! What the networks for images share: layers one behind the other, by name.

use crate::layer::Mismatch;
use crate::layers::{Activation, BatchNorm, Conv2d, Dropout, Layer};
use crate::network::{NamedLayer, Network};
use crate::shape::Shape;
use plexus_kernels::map::Function;

/// Layers, each of which reads the one above.
#[derive(Default)]
pub(super) struct Stack(Vec<NamedLayer>);

impl Stack {
    pub fn push(&mut self, name: impl Into<String>, layer: impl Into<Layer>) {
        self.0.push(NamedLayer { name: name.into(), inputs: Vec::new(), layer: layer.into() });
    }

    /// A layer that reads other values than the one above.
    pub fn push_reading(&mut self, name: impl Into<String>, layer: impl Into<Layer>, inputs: Vec<String>) {
        self.0.push(NamedLayer { name: name.into(), inputs, layer: layer.into() });
    }

    /// The name of the last layer.
    pub fn last(&self) -> String {
        self.0.last().map_or_else(String::new, |layer| layer.name.clone())
    }

    /// A layer, and relu behind it.
    pub fn push_relu(&mut self, name: &str, layer: impl Into<Layer>) {
        self.push(name, layer);
        self.push(format!("{name}.activation"), Activation::new(Function::Relu));
    }

    /// A convolution, batch norm where it is wanted, and relu.
    pub fn push_conv(&mut self, name: &str, conv: Conv2d, batch_norm: bool) {
        self.push(name, conv);
        if batch_norm {
            self.push(format!("{name}.norm"), BatchNorm::new());
        }
        self.push(format!("{name}.activation"), Activation::new(Function::Relu));
    }

    /// Dropout, where the probability is not zero.
    pub fn push_dropout(&mut self, name: &str, probability: f32) {
        if probability > 0.0 {
            self.push(name, Dropout::new(probability));
        }
    }

    pub fn into_network(self, input: Shape) -> Network {
        Network::new(input, self.0)
    }
}

/// Channels, height and width of images that a network takes.
///
/// # Errors
/// [`Mismatch`] where the input is not maps, or images are too small.
pub(super) fn images(network: &str, input: &Shape, smallest: usize) -> Result<[usize; 3], Mismatch> {
    let &[channels, height, width] = input.axes() else {
        return Err(Mismatch::new(
            "the input",
            "images: [channels, height, width]",
            input.describe(),
            format!("{network} reads images; for rows of numbers take mlp."),
        ));
    };
    if height.min(width) < smallest || channels == 0 {
        return Err(Mismatch::new(
            "the input",
            format!("images of at least {smallest} x {smallest} pixels"),
            input.describe(),
            "Take cnn, which reads images of any size.",
        ));
    }
    Ok([channels, height, width])
}

/// Whether a number is a share of what may be dropped.
///
/// # Errors
/// [`Mismatch`] where it is not.
pub(super) fn check_dropout(dropout: f32) -> Result<(), Mismatch> {
    match (0.0..1.0).contains(&dropout) {
        true => Ok(()),
        false => Err(Mismatch::new("dropout", "a number from 0 to below 1", dropout.to_string(), "")),
    }
}
