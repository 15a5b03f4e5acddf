//! VGG: convolutions of 3 x 3 and nothing else.

use super::stack::{Stack, check_dropout, images};
use crate::init::Init;
use crate::layer::Mismatch;
use crate::layers::{Conv2d, Flatten, Linear, MaxPool2d};
use crate::network::Network;
use crate::shape::Shape;

/// What may differ in VGG.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vgg {
    /// Layers with weights: 11, 13, 16 or 19.
    pub depth: usize,
    /// Whether every convolution is followed by batch norm.
    pub batch_norm: bool,
    /// The share of the outputs of the hidden linear layers that is dropped in training; 0 for none, 0.5 in the paper.
    pub dropout: f32,
}

impl Default for Vgg {
    fn default() -> Self {
        Vgg { depth: 16, batch_norm: false, dropout: 0.0 }
    }
}

impl Vgg {
    /// The images that it was made for.
    pub fn input(&self) -> Shape {
        Shape::new([3, 224, 224])
    }

    /// Convolutions of each of the five stages.
    pub(super) fn stages(&self) -> Option<[usize; 5]> {
        match self.depth {
            11 => Some([1, 1, 2, 2, 2]),
            13 => Some([2, 2, 2, 2, 2]),
            16 => Some([2, 2, 3, 3, 3]),
            19 => Some([2, 2, 4, 4, 4]),
            _ => None,
        }
    }
}

/// Filters of the convolutions of each stage.
const FILTERS: [usize; 5] = [64, 128, 256, 512, 512];

/// The smallest side of an image: each stage halves it.
const SMALLEST: usize = 32;

/// VGG: five stages of 3 x 3 convolutions with 2 x 2 maxima behind, and three linear layers.
///
/// ```text
/// image -> 64 -> pool -> 128 -> pool -> 256 -> pool -> 512 -> pool -> 512 -> pool -> 4096 -> 4096 -> outputs
/// 224      224   112     112    56      56     28      28     14      14     7
/// ```
///
/// Depths 11, 13, 16 and 19 are the columns A, B, D and E of the paper. Relu is behind every layer but the last. Filters
/// start normal with variance 2 / fan_in and linear weights with standard deviation 0.01, biases at zero: as torchvision,
/// but for the fan of the filters.
///
/// # Errors
/// [`Mismatch`] where the input is not images or they are too small, or for a depth or a dropout that cannot be.
///
/// # Source
/// Simonyan and Zisserman 2014 (arXiv 1409.1556).
///
/// # Examples
/// ```
/// use plexus_nn::zoo::{self, Vgg};
/// let network = zoo::vgg([3, 224, 224], 1000, Vgg::default()).unwrap().check().unwrap();
/// assert_eq!(network.layout().weights_len(), 138_357_544);
/// ```
pub fn vgg(input: impl Into<Shape>, outputs: usize, options: Vgg) -> Result<Network, Mismatch> {
    let (input, Vgg { depth, batch_norm, dropout }) = (input.into(), options);
    let Some(stages) = options.stages() else {
        return Err(Mismatch::new("depth", "11, 13, 16 or 19", depth.to_string(), ""));
    };
    check_dropout(dropout)?;
    images(&format!("vgg{depth}"), &input, SMALLEST)?;
    let mut layers = Stack::default();
    for (stage, (count, filters)) in stages.into_iter().zip(FILTERS).enumerate() {
        for index in 0..count {
            let conv = Conv2d::new(filters, 3).with_padding(1);
            let conv = conv.with_weight_init(Init::HeNormal).with_bias_init(Init::Zeros);
            layers.push_conv(&format!("conv{}_{}", stage + 1, index + 1), conv, batch_norm);
        }
        layers.push(format!("pool{}", stage + 1), MaxPool2d::new(2));
    }
    let linear = |outputs| Linear::new(outputs).with_weight_init(Init::NarrowNormal).with_bias_init(Init::Zeros);
    layers.push("flatten", Flatten::new());
    layers.push_relu("fc1", linear(4096));
    layers.push_dropout("dropout1", dropout);
    layers.push_relu("fc2", linear(4096));
    layers.push_dropout("dropout2", dropout);
    layers.push("fc3", linear(outputs));
    Ok(layers.into_network(input))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::{Summary, summary};

    fn of(options: Vgg) -> Summary {
        summary(&vgg([3, 224, 224], 1000, options).unwrap().check().unwrap())
    }

    #[test]
    fn s20_vgg16_has_the_numbers_of_column_d() {
        let summary = of(Vgg::default());
        let of_names = |start: &str| -> u64 {
            summary.layers.iter().filter(|layer| layer.name.starts_with(start)).map(|layer| layer.counts.params).sum()
        };
        let stages: Vec<u64> = (1..=5).map(|stage| of_names(&format!("conv{stage}_"))).collect();
        assert_eq!(stages, [38_720, 221_440, 1_475_328, 5_899_776, 7_079_424]);
        assert_eq!(["fc1", "fc2", "fc3"].map(of_names), [102_764_544, 16_781_312, 4_097_000]);
        assert_eq!((of_names("conv"), of_names("fc")), (14_714_688, 123_642_856));
        assert_eq!(["conv3_1", "conv3_2", "conv3_3"].map(of_names), [295_168, 590_080, 590_080]);
        let total = summary.total;
        assert_eq!((total.params, total.params_without_bias), (138_357_544, 138_344_128));
        let macs: u64 =
            summary.layers.iter().filter(|layer| layer.kind == "conv2d").map(|layer| layer.counts.macs).sum();
        assert_eq!((total.macs, macs), (15_470_264_320, 15_346_630_656));
        // Functions and flattening make no maps of their own.
        let maps = summary.layers.iter().filter(|layer| matches!(&*layer.kind, "conv2d" | "max_pool2d" | "linear"));
        let elements: usize = maps.map(|layer| layer.output_shape.iter().product::<usize>()).sum();
        assert_eq!((elements, elements + 3 * 224 * 224), (15_087_080, 15_237_608));
        let pools = summary.layers.iter().filter(|layer| layer.kind == "max_pool2d");
        assert_eq!(pools.map(|layer| layer.output_shape[1]).collect::<Vec<_>>(), [112, 56, 28, 14, 7]);
    }

    #[test]
    fn s20_the_other_depths_have_their_counts() {
        let params = |depth: usize| of(Vgg { depth, ..Vgg::default() }).total.params;
        assert_eq!([11, 13, 19].map(params), [132_863_336, 133_047_848, 143_667_240]);
        // Torchvision's vgg16_bn.
        let with_norm = of(Vgg { batch_norm: true, ..Vgg::default() }).total;
        assert_eq!((with_norm.params, with_norm.constants), (138_365_992, 2 * 4224));
    }

    #[test]
    fn other_depths_and_small_images_are_refused() {
        assert_eq!(vgg([3, 224, 224], 10, Vgg { depth: 12, ..Vgg::default() }).unwrap_err().compared, "depth");
        assert!(vgg([3, 31, 40], 10, Vgg::default()).is_err());
        let smallest = vgg([1, 32, 32], 10, Vgg { dropout: 0.5, ..Vgg::default() }).unwrap().check().unwrap();
        assert_eq!(smallest.output_len(), 10);
    }
}
