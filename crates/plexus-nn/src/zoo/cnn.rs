//! A small convolutional network for images of any size.

use super::stack::{Stack, check_dropout, images};
use crate::init::Init;
use crate::layer::Mismatch;
use crate::layers::{Conv2d, GlobalAvgPool, Linear, MaxPool2d};
use crate::network::Network;
use crate::shape::Shape;

/// What may differ in the small convolutional network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cnn {
    /// Filters of the first stage; each other has twice as many as the one before.
    pub width: usize,
    /// Stages of two convolutions; as many as the image has halves, if that is fewer.
    pub stages: usize,
    /// Whether every convolution is followed by batch norm.
    pub batch_norm: bool,
    /// The share of the means that is dropped in training; 0 for none.
    pub dropout: f32,
}

impl Default for Cnn {
    fn default() -> Self {
        Cnn { width: 32, stages: 3, batch_norm: true, dropout: 0.0 }
    }
}

impl Cnn {
    /// Small images in color.
    pub fn input(&self) -> Shape {
        Shape::new([3, 32, 32])
    }
}

/// A stage makes maps of half the size, which have to have a pixel and its neighbors.
const SMALLEST_HALVED: usize = 6;

/// A small network for images of any size and any number of channels: stages of two 3 x 3 convolutions, 2 x 2 maxima between
/// them, the mean of each map, and a linear layer.
///
/// ```text
/// image -> 32 -> 32 -> pool -> 64 -> 64 -> pool -> 128 -> 128 -> means -> outputs
/// ```
///
/// Batch norm and relu are behind every convolution. Filters start normal with variance 2 / fan_in.
///
/// # Errors
/// [`Mismatch`] where the input is not images, or for a width, stages or a dropout that cannot be.
///
/// # Source
/// The shape is VGG's (Simonyan and Zisserman 2014) with batch norm (Ioffe and Szegedy 2015) and means for the linear layers
/// (Lin, Chen and Yan 2013).
///
/// # Examples
/// ```
/// use plexus_nn::zoo::{self, Cnn};
/// let network = zoo::cnn([1, 28, 28], 10, Cnn::default()).unwrap().check().unwrap();
/// assert_eq!(network.output_len(), 10);
/// ```
pub fn cnn(input: impl Into<Shape>, outputs: usize, options: Cnn) -> Result<Network, Mismatch> {
    let (input, Cnn { width, stages, batch_norm, dropout }) = (input.into(), options);
    let [_, height, across] = images("cnn", &input, 1)?;
    if !(1..=4096).contains(&width) {
        return Err(Mismatch::new("width", "1 to 4096 filters", width.to_string(), ""));
    }
    if !(1..=6).contains(&stages) {
        return Err(Mismatch::new("stages", "1 to 6", stages.to_string(), ""));
    }
    check_dropout(dropout)?;
    let mut layers = Stack::default();
    let mut size = height.min(across);
    for stage in 0..stages {
        if stage > 0 {
            if size < SMALLEST_HALVED {
                break;
            }
            layers.push(format!("pool{stage}"), MaxPool2d::new(2));
            size /= 2;
        }
        for index in 1..=2 {
            let conv = Conv2d::new(width << stage, 3).with_padding(1).with_bias(!batch_norm);
            let conv = conv.with_weight_init(Init::HeNormal).with_bias_init(Init::Zeros);
            layers.push_conv(&format!("conv{}_{index}", stage + 1), conv, batch_norm);
        }
    }
    layers.push("means", GlobalAvgPool::new());
    layers.push_dropout("dropout", dropout);
    layers.push("fc", Linear::new(outputs));
    Ok(layers.into_network(input))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_any_size_pass() {
        for (input, convolutions) in
            [([1, 1, 1], 2), ([4, 5, 200], 2), ([1, 8, 8], 4), ([3, 32, 32], 6), ([2, 227, 131], 6)]
        {
            let network = cnn(input, 7, Cnn::default()).unwrap();
            let count = network.layers.iter().filter(|named| named.layer.kind() == "conv2d").count();
            assert_eq!(count, convolutions, "{input:?}");
            assert_eq!(network.check().unwrap().output_len(), 7);
        }
    }

    #[test]
    fn counts_are_those_of_its_layers() {
        let plain = Cnn { width: 4, stages: 2, batch_norm: false, dropout: 0.1 };
        let convolutions = (9 * 3 * 4 + 4) + (9 * 4 * 4 + 4) + (9 * 4 * 8 + 8) + (9 * 8 * 8 + 8);
        let network = cnn([3, 32, 32], 5, plain).unwrap().check().unwrap();
        assert_eq!(network.layout().weights_len(), convolutions + 8 * 5 + 5);
    }

    #[test]
    fn options_that_cannot_be_are_refused() {
        let refused = |options: Cnn| cnn([3, 32, 32], 5, options).unwrap_err().compared;
        assert_eq!(refused(Cnn { width: 0, ..Cnn::default() }), "width");
        assert_eq!(refused(Cnn { stages: 7, ..Cnn::default() }), "stages");
        assert_eq!(refused(Cnn { dropout: -0.1, ..Cnn::default() }), "dropout");
        assert!(cnn([5], 2, Cnn::default()).is_err() && cnn([0, 5, 5], 2, Cnn::default()).is_err());
    }
}
