//! LeNet-5, the convolutional network for digits.

use crate::layer::Mismatch;
use crate::layers::{Activation, AvgPool2d, Conv2d, Flatten, Layer, Linear, MaxPool2d, Upsample};
use crate::network::{NamedLayer, Network};
use crate::shape::Shape;
use plexus_kernels::map::Function;

/// What may differ in LeNet-5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeNet5 {
    /// Behind every layer but the last.
    pub function: Function,
    /// Zeros around the image; `None` takes 2 for images below 32 pixels, so that 28 x 28 becomes 32 x 32, else 0.
    pub padding: Option<usize>,
    /// Means instead of maxima of 2 x 2 pixels.
    pub average: bool,
}

impl Default for LeNet5 {
    fn default() -> Self {
        LeNet5 { function: Function::Relu, padding: None, average: false }
    }
}

/// The smallest side of an image that the layers are made for.
const SMALLEST: usize = 28;

/// LeNet-5 in the form that is used today: two convolutions with pooling, three linear layers.
///
/// ```text
/// image -> 6 maps by 5x5 -> f -> 2x2 pooling -> 16 maps by 5x5 -> f -> 2x2 pooling -> 120 -> f -> 84 -> f -> outputs
/// 32x32 -> 28x28            14x14               10x10                5x5 = 400
/// ```
///
/// Images of 28 x 28 pixels are padded by 2. Smaller ones, such as the 8 x 8 of `digits`, are first enlarged by a whole
/// factor, to at least 28 pixels. Weights and biases start as PyTorch's.
///
/// # Errors
/// [`Mismatch`] where the input is not `[channels, height, width]`.
///
/// # Source
/// LeCun et al. 1998 (Proc. IEEE 86), with full connections between the maps, ReLU, maxima and a linear output.
///
/// # Examples
/// ```
/// use plexus_nn::{Shape, zoo};
/// let network = zoo::lenet5(Shape::new([1, 28, 28]), 10, zoo::LeNet5::default()).unwrap().check().unwrap();
/// assert_eq!(network.layout().weights_len(), 61_706);
/// ```
pub fn lenet5(input: Shape, outputs: usize, options: LeNet5) -> Result<Network, Mismatch> {
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
    let pool = || -> Layer { if options.average { AvgPool2d::new(2).into() } else { MaxPool2d::new(2).into() } };
    let function = || Activation::new(options.function).into();
    let mut layers: Vec<(&str, Layer)> = Vec::new();
    if factor > 1 {
        layers.push(("enlarge", Upsample { factor }.into()));
    }
    layers.extend([
        ("conv1", Conv2d::new(6, 5).padded(padding).into()),
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
    ]);
    let named =
        layers.into_iter().map(|(name, layer)| NamedLayer { name: name.to_string(), inputs: Vec::new(), layer });
    Ok(Network::new(input, named.collect()))
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
        let classic = LeNet5 { function: Function::Tanh, average: true, padding: None };
        assert_eq!(counts([1, 28, 28], classic), (61_706, 416_520));
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
