//! AlexNet, the network that won ImageNet in 2012.

use super::stack::{Stack, check_dropout, images};
use crate::layer::Mismatch;
use crate::layers::{AdaptiveAvgPool2d, Conv2d, Flatten, Linear, Lrn, MaxPool2d};
use crate::network::Network;
use crate::shape::Shape;

/// What may differ in AlexNet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlexNet {
    /// Which sizes its layers have.
    pub variant: AlexNetVariant,
    /// 1, or 2 as the paper cuts the second, fourth and fifth convolution for two processors.
    pub groups: usize,
    /// Whether the first two functions are followed by [`Lrn`], as in the paper: 5 channels, alpha 1e-4 that is not divided, beta
    /// 0.75, k 2.
    pub lrn: bool,
    /// The share of the inputs of the linear layers that is dropped in training; 0 for none, 0.5 in the paper.
    pub dropout: f32,
}

/// The two forms of AlexNet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AlexNetVariant {
    /// As in the paper: 96, 256, 384, 384 and 256 filters, for 227 x 227 pixels.
    #[default]
    Paper,
    /// As torchvision: 64, 192, 384, 256 and 256 filters, for 224 x 224 pixels and any from 63 on.
    Torchvision,
}

impl Default for AlexNet {
    fn default() -> Self {
        AlexNet { variant: AlexNetVariant::Paper, groups: 1, lrn: false, dropout: 0.0 }
    }
}

impl AlexNet {
    /// The images that it was made for.
    pub fn input(&self) -> Shape {
        let size = if self.variant == AlexNetVariant::Paper { 227 } else { 224 };
        Shape::new([3, size, size])
    }
}

/// AlexNet: five convolutions, three of them with overlapping maxima behind, and three linear layers.
///
/// ```text
/// image -> 11x11 s4 -> pool -> 5x5 -> pool -> 3x3 -> 3x3 -> 3x3 -> pool -> 4096 -> 4096 -> outputs
/// 227      55x55x96    27      27x256 13      13x384 13x384 13x256 6x6x256
/// ```
///
/// Pooling takes maxima of 3 x 3 pixels, 2 apart; relu is behind every layer but the last. [`AlexNetVariant::Torchvision`]
/// pads the image by 2, has other numbers of filters, and brings the last maps to 6 x 6 whatever the size of the image.
/// Weights and biases start as PyTorch's.
///
/// # Errors
/// [`Mismatch`] where the input is not images or they are too small, or for groups or a dropout that cannot be.
///
/// # Source
/// Krizhevsky, Sutskever and Hinton 2012 (NIPS 25), without the cut into two for one group; Krizhevsky 2014 (arXiv
/// 1404.5997), as in torchvision.
///
/// # Examples
/// ```
/// use plexus_nn::zoo::{self, AlexNet};
/// let network = zoo::alexnet([3, 227, 227], 1000, AlexNet::default()).unwrap().check().unwrap();
/// assert_eq!(network.layout().weights_len(), 62_378_344);
/// ```
pub fn alexnet(input: impl Into<Shape>, outputs: usize, options: AlexNet) -> Result<Network, Mismatch> {
    let (input, AlexNet { variant, groups, lrn, dropout }) = (input.into(), options);
    let paper = variant == AlexNetVariant::Paper;
    if !(groups == 1 || groups == 2 && paper) {
        let expected = if paper { "1 or 2" } else { "1, for torchvision's" };
        return Err(Mismatch::new("groups", expected, groups.to_string(), ""));
    }
    check_dropout(dropout)?;
    let (filters, padding) = if paper { ([96, 256, 384, 384, 256], 0) } else { ([64, 192, 384, 256, 256], 2) };
    let [_, height, width] = images("alexnet", &input, smallest(padding))?;
    let pool = || MaxPool2d::new(3).with_stride(2);
    let push_lrn = |layers: &mut Stack, name: &str| {
        if lrn {
            layers.push(name, Lrn::new(5).with_k(2.0).with_divide_by_size(false));
        }
    };
    let mut layers = Stack::default();
    layers.push_relu("conv1", Conv2d::new(filters[0], 11).with_stride(4).with_padding(padding));
    push_lrn(&mut layers, "norm1");
    layers.push("pool1", pool());
    layers.push_relu("conv2", Conv2d::new(filters[1], 5).with_padding(2).with_groups(groups));
    push_lrn(&mut layers, "norm2");
    layers.push("pool2", pool());
    layers.push_relu("conv3", Conv2d::new(filters[2], 3).with_padding(1));
    layers.push_relu("conv4", Conv2d::new(filters[3], 3).with_padding(1).with_groups(groups));
    layers.push_relu("conv5", Conv2d::new(filters[4], 3).with_padding(1).with_groups(groups));
    layers.push("pool3", pool());
    if !paper && [height, width].map(|size| last_map(size + 2 * padding)) != [6, 6] {
        layers.push("resize", AdaptiveAvgPool2d::new(6));
    }
    layers.push("flatten", Flatten::new());
    // In torchvision dropout is in front of the linear layers, in the paper behind them: the numbers are the same ones but
    // for the first.
    if !paper {
        layers.push_dropout("dropout1", dropout);
    }
    layers.push_relu("fc1", Linear::new(4096));
    layers.push_dropout(if paper { "dropout1" } else { "dropout2" }, dropout);
    layers.push_relu("fc2", Linear::new(4096));
    if paper {
        layers.push_dropout("dropout2", dropout);
    }
    layers.push("fc3", Linear::new(outputs));
    Ok(layers.into_network(input))
}

/// The size of the last maps, for a padded image of at least 67 pixels.
fn last_map(size: usize) -> usize {
    let pooled = |size: usize| (size - 3) / 2 + 1;
    pooled(pooled(pooled((size - 11) / 4 + 1)))
}

/// The smallest side of an image: it leaves one pixel behind the last pooling.
fn smallest(padding: usize) -> usize {
    67 - 2 * padding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::{Summary, summary};

    fn of(input: [usize; 3], options: AlexNet) -> Summary {
        summary(&alexnet(input, 1000, options).unwrap().check().unwrap())
    }

    #[test]
    fn s19_the_table_of_the_paper() {
        for groups in [1, 2] {
            let summary = of([3, 227, 227], AlexNet { groups, ..AlexNet::default() });
            let grouped = |one: u64, two: u64| if groups == 1 { one } else { two };
            let table: [(&str, &[usize], u64); 11] = [
                ("conv1", &[96, 55, 55], 34_944),
                ("pool1", &[96, 27, 27], 0),
                ("conv2", &[256, 27, 27], grouped(614_656, 307_456)),
                ("pool2", &[256, 13, 13], 0),
                ("conv3", &[384, 13, 13], 885_120),
                ("conv4", &[384, 13, 13], grouped(1_327_488, 663_936)),
                ("conv5", &[256, 13, 13], grouped(884_992, 442_624)),
                ("pool3", &[256, 6, 6], 0),
                ("fc1", &[4096], 37_752_832),
                ("fc2", &[4096], 16_781_312),
                ("fc3", &[1000], 4_097_000),
            ];
            let mut elements = 0;
            for (name, shape, params) in table {
                let layer = summary.layers.iter().find(|layer| layer.name == name).unwrap();
                assert_eq!((&layer.output_shape[..], layer.counts.params), (shape, params), "{name}");
                elements += shape.iter().product::<usize>();
            }
            assert_eq!(elements, 781_736);
            assert_eq!(summary.total.params, grouped(62_378_344, 60_965_224));
            assert_eq!(summary.total.params_without_bias, grouped(62_367_776, 60_954_656));
            assert_eq!(summary.total.params - summary.total.params_without_bias, 10_568);
            assert_eq!(summary.total.macs, grouped(1_135_256_096, 724_406_816));
            assert_eq!(summary.total.param_bytes, grouped(249_513_376, 243_860_896));
            let of_kind = |kind: &str| -> u64 {
                summary.layers.iter().filter(|layer| layer.kind == kind).map(|layer| layer.counts.params).sum()
            };
            assert_eq!((of_kind("conv2d"), of_kind("linear")), (grouped(3_747_200, 2_334_080), 58_631_144));
            // Every output of a convolution or a linear layer is a neuron.
            let neurons = summary.layers.iter().filter(|layer| matches!(&*layer.kind, "conv2d" | "linear"));
            assert_eq!(neurons.map(|layer| layer.output_shape.iter().product::<usize>()).sum::<usize>(), 659_272);
        }
    }

    #[test]
    fn s19_torchvision_has_its_counts_at_any_size() {
        let torchvision = AlexNet { variant: AlexNetVariant::Torchvision, ..AlexNet::default() };
        let total = of([3, 224, 224], torchvision).total;
        assert_eq!((total.params, total.macs), (61_100_840, 714_188_480));
        assert!(of([3, 224, 224], torchvision).layers.iter().all(|layer| layer.kind != "adaptive_avg_pool2d"));
        assert_eq!(of([3, 300, 180], torchvision).total.params, 61_100_840);
    }

    #[test]
    fn lrn_stands_behind_the_first_two_convolutions() {
        let network = alexnet([3, 227, 227], 10, AlexNet { lrn: true, ..AlexNet::default() }).unwrap();
        let names: Vec<&str> = network.layers.iter().map(|layer| &*layer.name).collect();
        assert_eq!(names[..4], ["conv1", "conv1.activation", "norm1", "pool1"]);
        assert_eq!(names.iter().filter(|name| name.starts_with("norm")).count(), 2);
        network.check().unwrap();
    }

    #[test]
    fn dropout_adds_no_numbers() {
        for variant in [AlexNetVariant::Paper, AlexNetVariant::Torchvision] {
            let summary = of([3, 227, 227], AlexNet { variant, dropout: 0.5, ..AlexNet::default() });
            assert_eq!(summary.layers.iter().filter(|layer| layer.kind == "dropout").count(), 2);
        }
    }

    #[test]
    fn the_smallest_image_passes_and_a_smaller_one_does_not() {
        for variant in [AlexNetVariant::Paper, AlexNetVariant::Torchvision] {
            let options = AlexNet { variant, ..AlexNet::default() };
            let smallest = if variant == AlexNetVariant::Paper { 67 } else { 63 };
            alexnet([1, smallest, smallest], 2, options).unwrap().check().unwrap();
            let refused = alexnet([1, smallest, smallest - 1], 2, options).unwrap_err();
            assert!(refused.expected.contains(&smallest.to_string()), "{refused:?}");
        }
        assert!(alexnet([784], 10, AlexNet::default()).is_err());
        assert_eq!(
            alexnet([3, 227, 227], 2, AlexNet { groups: 3, ..AlexNet::default() }).unwrap_err().compared,
            "groups"
        );
        let dropped = AlexNet { dropout: 1.0, ..AlexNet::default() };
        assert_eq!(alexnet([3, 227, 227], 2, dropped).unwrap_err().compared, "dropout");
    }
}
