//! The same network in another form: it computes the same numbers with other kinds of layers.
//!
//! [`convert`] is the door; [`Conversion`] says which ways there are. Each is a file: [`fc_to_conv`](Conversion::FcToConv) makes
//! convolutions of fully connected layers, so that a classifier slides over larger images; [`conv_to_fc`](Conversion::ConvToFc) is
//! the way back; [`matrix`] is any convolution as a matrix; [`absorbed_bias`] makes a column of the bias;
//! [`fold`](Conversion::Fold) leaves out what only scales and shifts.
//!
//! Deliberately not here: conversions that change what is computed, such as rounding to fewer bits.

mod absorb;
pub mod absorbed_bias;
mod error;
mod fc_to_conv;
mod folded;
pub mod matrix;
mod rewrite;
mod to_linear;

pub use error::ConvertError;

use crate::check::{CheckedNetwork, ValueId};
use crate::layers::Order;
use crate::params::Params;
use rewrite::{Rewrite, Written};
use serde::Serialize;
use std::fmt;

/// A way to write a network in another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Conversion {
    /// Fully connected layers become convolutions. Layers between and behind them are carried along, so that a classifier is
    /// then made of layers that slide, and takes larger images.
    FcToConv(KernelForm),
    /// Convolutions whose kernel covers all of their input become fully connected layers; the way back of
    /// [`Conversion::FcToConv`].
    ConvToFc {
        /// In which order the numbers of maps stand where they become one axis.
        order: Order,
    },
    /// Convolutions of any kind become fully connected layers with the [matrix](matrix::ConvMatrix) that does the same.
    ConvToMatrix(Storage),
    /// The bias of fully connected layers becomes one more column of their weight, and their input gets one more number: 1.
    AbsorbBias,
    /// Layers that only scale and shift in a prediction (batch_norm, standardize) become part of the weights beside them.
    Fold,
}

/// How a fully connected layer is written as a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelForm {
    /// Behind a flatten the kernel has the size of the maps in front of it: `weight[o, c, i, j]` is the number that output `o`
    /// had for pixel `i, j` of channel `c`. Elsewhere the kernel is 1 x 1. Slides over larger maps.
    Map,
    /// The input becomes maps of one pixel, `[features, 1, 1]`, and the kernel is 1 x 1.
    OneByOne,
}

/// How a matrix is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// With its zeros: a `linear` layer.
    Dense,
    /// Without: a `sparse_linear` layer.
    Sparse,
}

impl Conversion {
    /// In a few words, for messages.
    fn what(self) -> &'static str {
        match self {
            Conversion::FcToConv(_) => "fully connected layers as convolutions",
            Conversion::ConvToFc { .. } => "convolutions as fully connected layers",
            Conversion::ConvToMatrix(_) => "convolutions as matrices",
            Conversion::AbsorbBias => "the bias as a column of the weight",
            Conversion::Fold => "scales and shifts folded into weights",
        }
    }
}

/// In a few words.
impl fmt::Display for Conversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}

/// What of a network is converted, and how large it may become.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConvertOptions {
    /// The layers, by name; empty for all that can be converted. For [`Conversion::Fold`] the name of any layer of those that
    /// are folded into one.
    pub layers: Vec<String>,
    /// Layers whose values stay as they are, by name: for [`Conversion::Fold`], which then folds them into nothing. Names that no layer
    /// has mean nothing.
    pub keep: Vec<String>,
    /// Bytes that the numbers of the new network may take, in f32; more are refused before any memory is taken.
    pub most_bytes: u64,
}

impl ConvertOptions {
    /// What [`ConvertOptions::most_bytes`] is unless it is said otherwise: 8 GiB.
    pub const MOST_BYTES: u64 = 8 << 30;

    /// The same with these [`layers`](ConvertOptions::layers).
    #[must_use]
    pub fn with_layers(self, layers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        ConvertOptions { layers: layers.into_iter().map(Into::into).collect(), ..self }
    }

    /// The same with these layers to [`keep`](ConvertOptions::keep).
    #[must_use]
    pub fn with_keep(self, keep: impl IntoIterator<Item = impl Into<String>>) -> Self {
        ConvertOptions { keep: keep.into_iter().map(Into::into).collect(), ..self }
    }

    /// The same with this [`most_bytes`](ConvertOptions::most_bytes).
    #[must_use]
    pub fn with_most_bytes(self, most_bytes: u64) -> Self {
        ConvertOptions { most_bytes, ..self }
    }
}

impl Default for ConvertOptions {
    fn default() -> Self {
        ConvertOptions { layers: Vec::new(), keep: Vec::new(), most_bytes: ConvertOptions::MOST_BYTES }
    }
}

/// A network in its new form.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Converted {
    /// The network.
    pub network: CheckedNetwork,
    /// Its numbers.
    pub params: Params,
    /// Each layer that is another now, that is new, or that is gone.
    pub changes: Vec<Change>,
    /// Of [`Conversion::Fold`]: the values of the network as it was that have the same numbers here, and which those are.
    pub values: Vec<(ValueId, ValueId)>,
    /// What else there is to say, a sentence each.
    pub notes: Vec<String>,
}

/// What became of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// Its name.
    pub layer: String,
    /// The kind that it was; `None` for a layer that is new.
    pub before: Option<&'static str>,
    /// The kind that it is; `None` for a layer that is gone.
    pub after: Option<&'static str>,
    /// Axes of its weight before; empty where there was none.
    pub weight_before: Vec<usize>,
    /// Axes of its weight now.
    pub weight_after: Vec<usize>,
    /// Trainable numbers before.
    pub params_before: u64,
    /// Trainable numbers now.
    pub params_after: u64,
    /// Places of the matrix of a convolution that are not zero whatever its weights are, where it was written as one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonzeros: Option<u64>,
    /// How many different weights stand there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct: Option<u64>,
}

/// Writes a network in another form.
///
/// What it computes is the same but for rounding: sums are taken in another order. Weights that only move keep their bits, so
/// that [`Conversion::FcToConv`] and [`Conversion::ConvToFc`] lead there and back exactly.
///
/// # Errors
/// - [`ConvertError::UnknownLayer`]: a layer that is named is not there
/// - [`ConvertError::Unfit`]: a layer that is named cannot be converted
/// - [`ConvertError::Nothing`]: none is named, and none can be converted
/// - [`ConvertError::TooLarge`]: the new network would take more bytes than it may
///
/// # Examples
/// ```
/// use plexus_nn::convert::{Conversion, ConvertOptions, KernelForm, convert};
/// use plexus_nn::{Network, Params, layers::{flatten, linear, relu}};
/// let network = Network::chain([1, 2, 2], [flatten(), linear(2), relu()]).check()?;
/// let mut params = Params::zeros(&network);
/// params.set("layers.1.weight", &[1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8]);
/// let converted = convert(&network, &params, Conversion::FcToConv(KernelForm::Map), &ConvertOptions::default())?;
/// assert_eq!(converted.network.output().axes(), [2, 1, 1]);
/// assert_eq!(converted.changes[1].weight_after, [2, 1, 2, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn convert(
    network: &CheckedNetwork,
    params: &Params,
    conversion: Conversion,
    options: &ConvertOptions,
) -> Result<Converted, ConvertError> {
    assert_eq!(network.layout(), params.layout(), "the numbers belong to this network");
    Ok(written(network, Some(params), conversion, options)?.with_numbers(params))
}

/// Writes a network without numbers in another form: [`convert`] before there are any. [`Conversion::Fold`] needs them.
///
/// # Errors
/// As [`convert`]; [`ConvertError::Nothing`] for [`Conversion::Fold`].
///
/// # Examples
/// ```
/// use plexus_nn::convert::{Conversion, ConvertOptions, KernelForm, convert_network};
/// use plexus_nn::{Shape, zoo};
/// let network = zoo::vgg([3, 224, 224], 1000, zoo::Vgg::default()).unwrap().check()?;
/// let converted = convert_network(&network, Conversion::FcToConv(KernelForm::Map), &ConvertOptions::default())?;
/// assert_eq!(converted.layout().weights_len(), 138_357_544);
/// let mut larger = converted.network().clone();
/// larger.inputs[0].shape = Shape::new([3, 384, 384]);
/// assert_eq!(larger.check()?.output().axes(), [1000, 6, 6]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn convert_network(
    network: &CheckedNetwork,
    conversion: Conversion,
    options: &ConvertOptions,
) -> Result<CheckedNetwork, ConvertError> {
    Ok(written(network, None, conversion, options)?.network)
}

fn written<'a>(
    network: &'a CheckedNetwork,
    params: Option<&Params>,
    conversion: Conversion,
    options: &ConvertOptions,
) -> Result<Written<'a>, ConvertError> {
    let named = options.layers.iter().map(|name| match network.network().layers.iter().position(|l| l.name == *name) {
        Some(index) => Ok(index),
        None => Err(ConvertError::unknown(name, network)),
    });
    let named: Vec<usize> = named.collect::<Result<_, _>>()?;
    let rewrite = Rewrite::new(network, conversion, options.most_bytes);
    match conversion {
        Conversion::FcToConv(form) => fc_to_conv::rewrite(rewrite, form, &named),
        Conversion::ConvToFc { order } => to_linear::rewrite(rewrite, to_linear::Way::Covering(order), &named),
        Conversion::ConvToMatrix(storage) => to_linear::rewrite(rewrite, to_linear::Way::Matrix(storage), &named),
        Conversion::AbsorbBias => absorb::rewrite(rewrite, &named),
        Conversion::Fold => folded::rewrite(rewrite, params, &named, &options.keep),
    }
}
