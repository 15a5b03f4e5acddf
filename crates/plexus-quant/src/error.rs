//! Why a network was not made one of whole numbers.

use thiserror::Error;

/// Why a network was not made one of whole numbers.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QuantError {
    /// The samples do not fit the network.
    #[error("the calibration data: {0}")]
    Samples(Box<plexus_nn::ShapeError>),
    /// There are no samples.
    #[error(
        "there are no rows of calibration data: a hundred or more rows, such as the network will see, tell the ranges of its values"
    )]
    NoSamples,
    /// A sample is not a number.
    #[error(
        "row {row} of the calibration data has {value} at number {at} of input \"{input}\": only finite numbers have a range"
    )]
    NotFinite {
        /// The input.
        input: String,
        /// From 0.
        row: usize,
        /// From 0.
        at: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A value is not finite on the samples.
    #[error(
        "layer {layer} gives {value} for the calibration data: only finite numbers have a range. Look at the model with the inspect command"
    )]
    ValueNotFinite {
        /// The layer.
        layer: String,
        /// NaN or an infinity.
        value: f32,
    },
    /// A weight is not finite.
    #[error("number {at} of {tensor} is {value}: only finite weights can be rounded")]
    WeightNotFinite {
        /// The tensor.
        tensor: String,
        /// From 0.
        at: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// The network has integer layers already.
    #[error("layer {layer} is of whole numbers already: start from the float model that this one was made of")]
    AlreadyInteger {
        /// The layer.
        layer: String,
    },
    /// No layer of the network has an integer form.
    #[error(
        "no layer of this network has an integer form: it is of {kinds}. Fully connected layers and convolutions have one"
    )]
    NothingToDo {
        /// The kinds of its layers.
        kinds: String,
    },
    /// There is no layer of a name.
    #[error("there is no layer \"{name}\" in this network, whose layers are: {known}")]
    UnknownLayer {
        /// What was asked for.
        name: String,
        /// Some names.
        known: String,
    },
    /// An option that has no meaning.
    #[error("{what}: expected {expected}, got {got}")]
    Option {
        /// Which.
        what: &'static str,
        /// What would be.
        expected: String,
        /// What came.
        got: String,
    },
    /// What was measured belongs to another network.
    #[error("the ranges that were kept are not those of this network")]
    Statistics,
    /// Numbers were folded into weights when ranges were measured, and cannot be any more.
    #[error(
        "the scales and shifts beside the layers with weights cannot be folded into them any more, as when their ranges were measured: a \
         weight or a scale is 0, or too close to it. Train with a lower learning rate or without weight decay"
    )]
    Folding,
    /// Sums of a row of weights could wrap.
    #[error("layer {layer}: the sums of row {row} may reach {bound}, and 32 bits end at 2147483647. {help}")]
    Wraps {
        /// The layer.
        layer: String,
        /// The output, from 0.
        row: usize,
        /// The largest sum.
        bound: i64,
        /// What to do.
        help: &'static str,
    },
    /// The integer network does not fit together: a mistake of this crate.
    #[error("the network of whole numbers does not fit together, which is a mistake of this program: {0}")]
    Network(Box<plexus_nn::ShapeError>),
}
