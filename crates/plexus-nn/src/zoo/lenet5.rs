//! LeNet-5, the convolutional network for digits.

use crate::layer::Mismatch;
use crate::layers::{
    Activation, AvgPool2d, Conv2d, Conv2dTable, Flatten, Layer, Linear, MaxPool2d, Rbf, TrainablePool2d, Upsample,
};
use crate::network::{NamedLayer, Network};
use crate::shape::Shape;
use plexus_kernels::map::Function;

/// What may differ in LeNet-5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeNet5 {
    /// Which layers it has.
    pub variant: Variant,
    /// Behind every layer but the last; the original has its own.
    pub function: Function,
    /// Zeros around the image; `None` takes 2 for images below 32 pixels, so that 28 x 28 becomes 32 x 32, else 0.
    pub padding: Option<usize>,
    /// Means instead of maxima of 2 x 2 pixels; the original has its own pooling.
    pub average: bool,
}

/// The two forms of LeNet-5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Variant {
    /// As it is built today: full connections between the maps, maxima or means, a linear output.
    #[default]
    Modern,
    /// As in the paper of 1998: a table of connections, trainable pooling, a scaled tanh, distances to bitmaps.
    Original,
}

impl Default for LeNet5 {
    fn default() -> Self {
        LeNet5 { variant: Variant::Modern, function: Function::Relu, padding: None, average: false }
    }
}

/// The smallest side of an image that the layers are made for.
const SMALLEST: usize = 28;

/// Which of the six maps of S2 each of the sixteen maps of C3 sees: table I of LeCun et al. 1998.
const TABLE: [&[usize]; 16] = [
    &[0, 1, 2],
    &[1, 2, 3],
    &[2, 3, 4],
    &[3, 4, 5],
    &[0, 4, 5],
    &[0, 1, 5],
    &[0, 1, 2, 3],
    &[1, 2, 3, 4],
    &[2, 3, 4, 5],
    &[0, 3, 4, 5],
    &[0, 1, 4, 5],
    &[0, 1, 2, 5],
    &[0, 1, 3, 4],
    &[1, 2, 4, 5],
    &[0, 2, 3, 5],
    &[0, 1, 2, 3, 4, 5],
];

/// LeNet-5: in the form that is used today two convolutions with pooling, three linear layers.
///
/// ```text
/// image -> 6 maps by 5x5 -> f -> 2x2 pooling -> 16 maps by 5x5 -> f -> 2x2 pooling -> 120 -> f -> 84 -> f -> outputs
/// 32x32 -> 28x28            14x14               10x10                5x5 = 400
/// ```
///
/// [`Variant::Original`] is the network of the paper, with the scaled tanh behind every layer but the last:
///
/// ```text
/// image -> c1: 6 maps by 5x5 -> s2: pooling -> c3: 16 maps by 5x5, table -> s4: pooling -> c5: 120 by 5x5 -> f6: 84 -> output
/// 32x32 -> 28x28                14x14          10x10                        5x5            1x1                         distances
/// ```
///
/// Pooling adds up 2 x 2 pixels and has a coefficient and a bias to learn for each map. The outputs are squared distances to
/// fixed codes, negated: for ten outputs to the digits as bitmaps of 12 x 7 pixels, else to codes at random. In all 60,000
/// numbers to learn and 840 constants. Softmax and cross-entropy on the distances are the discriminative criterion of the
/// paper.
///
/// Images of 28 x 28 pixels are padded by 2. Smaller ones, such as the 8 x 8 of `digits`, are first enlarged by a whole
/// factor, to at least 28 pixels. Weights and biases start as PyTorch's.
///
/// # Errors
/// [`Mismatch`] where the input is not `[channels, height, width]`.
///
/// # Source
/// LeCun et al. 1998 (Proc. IEEE 86); the form of today with full connections between the maps, ReLU, maxima and a linear
/// output. The bitmaps of the original are drawn anew.
///
/// # Examples
/// ```
/// use plexus_nn::zoo;
/// let network = zoo::lenet5([1, 28, 28], 10, zoo::LeNet5::default()).unwrap().check().unwrap();
/// assert_eq!(network.layout().weights_len(), 61_706);
/// ```
pub fn lenet5(input: impl Into<Shape>, outputs: usize, options: LeNet5) -> Result<Network, Mismatch> {
    let input = input.into();
    let &[_, height, width] = input.axes() else {
        return Err(Mismatch::new(
            "the input",
            "images: [channels, height, width]",
            input.describe(),
            "LeNet-5 reads images; for rows of numbers take mlp.",
        ));
    };
    let smaller = height.min(width).max(1);
    let factor = SMALLEST.div_ceil(smaller);
    let padding = options.padding.unwrap_or(if smaller * factor < 32 { 2 } else { 0 });
    let mut layers: Vec<(&str, Layer)> = Vec::new();
    if factor > 1 {
        layers.push(("enlarge", Upsample::new(factor).into()));
    }
    layers.extend(match options.variant {
        Variant::Modern => modern(outputs, padding, options),
        Variant::Original => original(outputs, padding),
    });
    let named =
        layers.into_iter().map(|(name, layer)| NamedLayer { name: name.to_string(), inputs: Vec::new(), layer });
    Ok(Network::new(input, named.collect()))
}

/// The layers of today.
fn modern(outputs: usize, padding: usize, options: LeNet5) -> Vec<(&'static str, Layer)> {
    let pool = || -> Layer { if options.average { AvgPool2d::new(2).into() } else { MaxPool2d::new(2).into() } };
    let function = || Activation::new(options.function).into();
    vec![
        ("conv1", Conv2d::new(6, 5).with_padding(padding).into()),
        ("conv1.activation", function()),
        ("pool1", pool()),
        ("conv2", Conv2d::new(16, 5).into()),
        ("conv2.activation", function()),
        ("pool2", pool()),
        ("flatten", Flatten::default().into()),
        ("fc1", Linear::new(120).into()),
        ("fc1.activation", function()),
        ("fc2", Linear::new(84).into()),
        ("fc2.activation", function()),
        ("fc3", Linear::new(outputs).into()),
    ]
}

/// The layers of the paper, by its names.
fn original(outputs: usize, padding: usize) -> Vec<(&'static str, Layer)> {
    let function = || Activation::new(Function::ScaledTanh).into();
    vec![
        ("c1", Conv2d::new(6, 5).with_padding(padding).into()),
        ("c1.activation", function()),
        ("s2", TrainablePool2d::new(2).into()),
        ("s2.activation", function()),
        ("c3", Conv2dTable::new(TABLE.map(<[usize]>::to_vec).to_vec(), 5).into()),
        ("c3.activation", function()),
        ("s4", TrainablePool2d::new(2).into()),
        ("s4.activation", function()),
        ("c5", Conv2d::new(120, 5).into()),
        ("c5.activation", function()),
        ("flatten", Flatten::default().into()),
        ("f6", Linear::new(84).into()),
        ("f6.activation", function()),
        ("output", Rbf::new(outputs).into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::summary;

    fn counts(input: [usize; 3], options: LeNet5) -> (u64, u64) {
        let total = summary(&lenet5(Shape::new(input), 10, options).unwrap().check().unwrap()).total;
        (total.params, total.macs)
    }

    #[test]
    fn s18_every_variant_has_its_counts() {
        let unpadded = LeNet5 { padding: Some(0), ..LeNet5::default() };
        assert_eq!(counts([1, 32, 32], LeNet5::default()), (61_706, 416_520));
        assert_eq!(counts([1, 28, 28], LeNet5::default()), (61_706, 416_520));
        assert_eq!(counts([3, 32, 32], LeNet5::default()), (62_006, 651_720));
        assert_eq!(counts([1, 28, 28], unpadded), (44_426, 281_640));
        let classic = LeNet5 { function: Function::Tanh, average: true, ..LeNet5::default() };
        assert_eq!(counts([1, 28, 28], classic), (61_706, 416_520));
    }

    #[test]
    fn s18_the_original_has_the_numbers_of_the_paper() {
        let original = LeNet5 { variant: Variant::Original, ..LeNet5::default() };
        for size in [28, 32] {
            let summary = summary(&lenet5(Shape::new([1, size, size]), 10, original).unwrap().check().unwrap());
            let layer = |name: &str| {
                let layer = summary.layers.iter().find(|layer| layer.name == name).unwrap();
                (layer.output_shape.clone(), layer.counts.params, layer.counts.connections)
            };
            assert_eq!(layer("c1"), (vec![6, 28, 28], 156, 122_304));
            assert_eq!(layer("s2"), (vec![6, 14, 14], 12, 5_880));
            assert_eq!(layer("c3"), (vec![16, 10, 10], 1_516, 151_600));
            assert_eq!(layer("s4"), (vec![16, 5, 5], 32, 2_000));
            assert_eq!(layer("c5"), (vec![120, 1, 1], 48_120, 48_120));
            assert_eq!(layer("f6"), (vec![84], 10_164, 10_164));
            assert_eq!(layer("output"), (vec![10], 0, 840));
            let total = summary.total;
            assert_eq!((total.params, total.constants, total.connections), (60_000, 840, 340_908));
        }
    }

    #[test]
    fn s18_maps_of_the_table_see_three_four_or_six() {
        let counts: Vec<usize> = TABLE.iter().map(|seen| seen.len()).collect();
        assert_eq!(counts, [[3; 6].as_slice(), &[4; 9], &[6]].concat());
        // Each map of S2 is seen by ten of C3.
        assert!((0..6).all(|map| TABLE.iter().filter(|seen| seen.contains(&map)).count() == 10));
    }

    #[test]
    fn s18_sizes_shrink_as_the_table_says() {
        let network = lenet5(Shape::new([1, 28, 28]), 10, LeNet5::default()).unwrap().check().unwrap();
        let shape = |name: &str| network.shape(network.value(name).unwrap()).to_string();
        let names = ["conv1", "pool1", "conv2", "pool2", "flatten", "fc1", "fc2", "fc3"];
        let sizes = ["[6, 28, 28]", "[6, 14, 14]", "[16, 10, 10]", "[16, 5, 5]", "[400]", "[120]", "[84]", "[10]"];
        assert_eq!(names.map(shape), sizes);
    }

    #[test]
    fn small_images_are_enlarged_and_other_shapes_refused() {
        assert_eq!(counts([1, 8, 8], LeNet5::default()).0, 61_706);
        assert!(lenet5(Shape::new([784]), 10, LeNet5::default()).is_err());
    }
}
