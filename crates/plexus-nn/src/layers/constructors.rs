//! A function for each kind of layer, with the arguments that are nearly always given, and the same as a method of [`Graph`].

use super::{
    Activation, AdaptiveAvgPool2d, Add, AvgPool1d, AvgPool2d, BatchNorm, CenterCrop, Concat, Conv1d, Conv2d,
    Conv2dTable, ConvTranspose2d, Dropout, Flatten, GlobalAvgPool, GlobalMaxPool, Layer, LayerNorm, LocallyConnected2d,
    LogSoftmax, Lrn, MaskedLinear, MaxPool1d, MaxPool2d, Pad, Padding, Pair, Rbf, Reshape, Softmax, SparseLinear,
    Standardize, TrainablePool2d, Unflatten, Upsample,
};
use crate::graph::{Graph, Node};
use crate::layers::Linear;
use crate::shape::Shape;
use plexus_kernels::map::Function;

/// Writes functions and methods for layers that read one value.
macro_rules! of_one_input {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) = $layer:expr;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name($($argument: $type),*) -> Layer {
                $layer.into()
            }
        )*

        /// The layers that read one value, with the arguments of the functions in [`crate::layers`].
        impl Graph {
            $(
                $(#[$doc])*
                pub fn $name(&mut self, input: Node $(, $argument: $type)*) -> Node {
                    self.layer($name($($argument),*), &[input])
                }
            )*
        }
    };
}

of_one_input! {
    /// A fully connected layer with bias: [`Linear`].
    linear(out_features: usize) = Linear::new(out_features);
    /// A fully connected layer with bias and a mask of its connections: [`MaskedLinear`].
    masked_linear(out_features: usize) = MaskedLinear::new(out_features);
    /// A fully connected layer with bias and so many weights that are not zero: [`SparseLinear`].
    sparse_linear(out_features: usize, nonzeros: usize) = SparseLinear::new(out_features, nonzeros);
    /// A convolution of sequences with bias, stride 1, no padding: [`Conv1d`].
    conv1d(out_channels: usize, kernel_size: usize) = Conv1d::new(out_channels, kernel_size);
    /// Maxima of windows of sequences, side by side: [`MaxPool1d`].
    max_pool1d(kernel_size: usize) = MaxPool1d::new(kernel_size);
    /// Means of windows of sequences, side by side: [`AvgPool1d`].
    avg_pool1d(kernel_size: usize) = AvgPool1d::new(kernel_size);
    /// A convolution with bias, stride 1, no padding: [`Conv2d`].
    conv2d(out_channels: usize, kernel_size: impl Into<Pair>) = Conv2d::new(out_channels, kernel_size);
    /// A convolution of which each map sees the listed channels: [`Conv2dTable`].
    conv2d_table(connections: Vec<Vec<usize>>, kernel_size: impl Into<Pair>) = Conv2dTable::new(connections, kernel_size);
    /// A convolution whose windows share no weights, with bias, stride 1, no padding: [`LocallyConnected2d`].
    locally_connected2d(out_channels: usize, kernel_size: impl Into<Pair>) = LocallyConnected2d::new(out_channels, kernel_size);
    /// Maxima of windows side by side: [`MaxPool2d`].
    max_pool2d(kernel_size: impl Into<Pair>) = MaxPool2d::new(kernel_size);
    /// Means of windows side by side: [`AvgPool2d`].
    avg_pool2d(kernel_size: impl Into<Pair>) = AvgPool2d::new(kernel_size);
    /// Means of windows that make maps of this size: [`AdaptiveAvgPool2d`].
    adaptive_avg_pool2d(output_size: impl Into<Pair>) = AdaptiveAvgPool2d::new(output_size);
    /// Sums of windows with a factor and a bias to learn: [`TrainablePool2d`].
    trainable_pool2d(kernel_size: impl Into<Pair>) = TrainablePool2d::new(kernel_size);
    /// The mean of each map: [`GlobalAvgPool`].
    global_avg_pool() = GlobalAvgPool::new();
    /// The maximum of each map: [`GlobalMaxPool`].
    global_max_pool() = GlobalMaxPool::new();
    /// Maps enlarged by a whole factor: [`Upsample`].
    upsample(factor: usize) = Upsample::new(factor);
    /// Maps enlarged by filters that every pixel spreads, with bias, stride 1: [`ConvTranspose2d`].
    conv_transpose2d(out_channels: usize, kernel_size: impl Into<Pair>) = ConvTranspose2d::new(out_channels, kernel_size);
    /// The middle of maps: [`CenterCrop`].
    center_crop(size: impl Into<Pair>) = CenterCrop::new(size);
    /// Zeros around maps: [`Pad`].
    pad(padding: impl Into<Padding>) = Pad::new(padding);
    /// All numbers of a sample in one row: [`Flatten`].
    flatten() = Flatten::new();
    /// A row as maps or steps: [`Unflatten`].
    unflatten(shape: impl Into<Shape>) = Unflatten::new(shape);
    /// The same numbers in another shape: [`Reshape`].
    reshape(shape: impl Into<Shape>) = Reshape::new(shape);
    /// Elements dropped at random in training: [`Dropout`].
    dropout(probability: f32) = Dropout::new(probability);
    /// Batch normalization: [`BatchNorm`].
    batch_norm() = BatchNorm::new();
    /// Local response normalization over so many channels: [`Lrn`].
    lrn(size: usize) = Lrn::new(size);
    /// Layer normalization: [`LayerNorm`].
    layer_norm() = LayerNorm::new();
    /// Mean 0 and spread 1 by constants from the data: [`Standardize`].
    standardize() = Standardize::new();
    /// Distances to given points: [`Rbf`].
    rbf(out_features: usize) = Rbf::new(out_features);
    /// Probabilities over the last axis: [`Softmax`]. Training with the cross-entropy loss needs none.
    softmax() = Softmax::new();
    /// Logarithms of probabilities over the last axis: [`LogSoftmax`].
    log_softmax() = LogSoftmax::new();
    /// Any function of each element: [`Activation`].
    activation(function: Function) = Activation::new(function);
    /// [`Function::Relu`]
    relu() = Activation::new(Function::Relu);
    /// [`Function::LeakyRelu`]; PyTorch's default for the slope is 0.01.
    leaky_relu(slope: f32) = Activation::new(Function::LeakyRelu { slope });
    /// [`Function::Elu`]; PyTorch's default for alpha is 1.
    elu(alpha: f32) = Activation::new(Function::Elu { alpha });
    /// [`Function::Selu`]
    selu() = Activation::new(Function::Selu);
    /// [`Function::Gelu`]
    gelu() = Activation::new(Function::Gelu);
    /// [`Function::GeluTanh`]
    gelu_tanh() = Activation::new(Function::GeluTanh);
    /// [`Function::Silu`]
    silu() = Activation::new(Function::Silu);
    /// [`Function::Sigmoid`]
    sigmoid() = Activation::new(Function::Sigmoid);
    /// [`Function::HardSigmoid`]
    hard_sigmoid() = Activation::new(Function::HardSigmoid);
    /// [`Function::Tanh`]
    tanh() = Activation::new(Function::Tanh);
    /// [`Function::ScaledTanh`]
    scaled_tanh() = Activation::new(Function::ScaledTanh);
    /// [`Function::Softplus`]
    softplus() = Activation::new(Function::Softplus);
    /// [`Function::Softsign`]
    softsign() = Activation::new(Function::Softsign);
    /// [`Function::Exp`]
    exp() = Activation::new(Function::Exp);
    /// [`Function::Identity`]
    identity() = Activation::new(Function::Identity);
}

/// The sum of values of one shape: [`Add`].
#[must_use]
pub fn add() -> Layer {
    Add::new().into()
}

/// Values side by side along the first axis of a sample, which is the channels of maps: [`Concat`].
#[must_use]
pub fn concat() -> Layer {
    Concat::new().into()
}

/// The layers that read several values.
impl Graph {
    /// The sum of values of one shape: [`Add`].
    pub fn add(&mut self, inputs: &[Node]) -> Node {
        self.layer(add(), inputs)
    }

    /// Values side by side along the first axis of a sample, which is the channels of maps: [`Concat`].
    pub fn concat(&mut self, inputs: &[Node]) -> Node {
        self.layer(concat(), inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::KINDS;
    use plexus_kernels::map::FUNCTIONS;
    use std::collections::BTreeSet;

    /// The names of the public functions in this file, in the text itself: what is checked is that none is forgotten.
    fn names() -> BTreeSet<&'static str> {
        let table = include_str!("constructors.rs").split("#[cfg(test)]").next().unwrap();
        let lines = table.lines().map(str::trim_start);
        let names = lines.filter(|line| line.contains(") = ") || line.starts_with("pub fn "));
        names.filter_map(|line| line.trim_start_matches("pub fn ").split('(').next()).collect()
    }

    #[test]
    fn every_kind_and_every_function_has_a_constructor_of_its_name() {
        let names = names();
        // Layers of whole numbers are made of float ones, not by hand.
        let integer =
            |kind: &&str| kind.starts_with("integer_") || ["quantize", "dequantize", "rescale"].contains(kind);
        let kinds = KINDS.iter().copied().filter(|kind| !integer(kind));
        let wanted = kinds.chain(FUNCTIONS.iter().map(|row| row.name));
        let missing: Vec<&str> = wanted.filter(|name| !names.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn the_functions_make_the_layers_of_their_names() {
        for (layer, function) in [(relu(), "relu"), (gelu_tanh(), "gelu_tanh"), (tanh(), "tanh"), (exp(), "exp")] {
            assert_eq!(layer.function().map(Function::name), Some(function));
        }
        assert_eq!(conv2d(4, [3, 5]), Conv2d { kernel_size: Pair::Each([3, 5]), ..Conv2d::new(4, 3) }.into());
        assert_eq!(leaky_relu(0.2), Activation::new(Function::LeakyRelu { slope: 0.2 }).into());
        assert_eq!(concat().kind(), "concat");
    }
}
