//! `plexus convert`

use super::explain::PrintArgs;
use clap::{ArgGroup, Args as ClapArgs, ValueEnum};
use plexus::convert::{Conversion, KernelForm, Storage};
use plexus::layers::Order;
use std::path::PathBuf;

/// `plexus convert`
#[derive(Debug, ClapArgs)]
#[command(
    group = ArgGroup::new("conversion").required(true).args(["fc_to_conv", "conv_to_fc", "conv_to_matrix", "absorb_bias", "fold"]),
    after_help = "\
Examples:
  plexus convert vgg.safetensors vgg-conv.safetensors --fc-to-conv kernel
  plexus predict vgg-conv.safetensors street.png --map --overlay seen.png
                                                   a class for each window of a larger image
  plexus convert vgg-conv.safetensors back.safetensors --conv-to-fc
  plexus convert runs/digits-1 sparse.safetensors --conv-to-matrix sparse --layers conv1
  plexus convert runs/digits-1 folded.safetensors --fold
  plexus convert net.toml net-conv.toml --fc-to-conv kernel
                                                   a network without weights

The new model computes what the old one computes, but for rounding; that is tried on random inputs before it is written."
)]
pub struct ConvertArgs {
    /// A model file, a run folder, or a network without weights: a TOML file, or a name such as vgg16
    #[arg(value_name = "IN")]
    pub model: PathBuf,
    /// The file to write: a model, or a .toml file where IN has no weights
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// Fully connected layers become convolutions, so that a classifier slides over larger images
    #[arg(long, value_enum, value_name = "FORM")]
    pub fc_to_conv: Option<FormArg>,
    /// Convolutions whose kernel is as large as their input become fully connected layers
    #[arg(long)]
    pub conv_to_fc: bool,
    /// Convolutions become fully connected layers with the matrix that does the same
    #[arg(long, value_enum, value_name = "STORAGE")]
    pub conv_to_matrix: Option<StorageArg>,
    /// The bias of fully connected layers becomes the first column of their weight
    #[arg(long)]
    pub absorb_bias: bool,
    /// batch_norm and standardize become part of the weights of the layers beside them
    #[arg(long)]
    pub fold: bool,
    /// With --conv-to-fc: in which order the numbers of maps stand in a row
    #[arg(long, value_enum, value_name = "ORDER")]
    pub order: Option<OrderArg>,
    /// Only these layers (plexus summary lists them) [default: all that can be converted]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub layers: Vec<String>,
    /// How numbers are printed
    #[command(flatten)]
    pub print: PrintArgs,
}

/// How a fully connected layer is written as a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormArg {
    /// A kernel as large as the maps in front of the flatten; elsewhere 1 x 1
    Kernel,
    /// A 1 x 1 kernel over maps of one pixel
    #[value(name = "1x1")]
    OneByOne,
}

/// How a matrix is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StorageArg {
    /// With its zeros: linear
    Dense,
    /// Without them: sparse_linear
    Sparse,
}

/// The order of maps in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OrderArg {
    /// All of one channel, then the next (PyTorch, ONNX)
    ChannelsFirst,
    /// All channels of a pixel, then the next (TensorFlow, Keras)
    ChannelsLast,
}

impl ConvertArgs {
    /// The one that was asked for.
    pub fn conversion(&self) -> Conversion {
        let order = if self.order == Some(OrderArg::ChannelsLast) { Order::ChannelsLast } else { Order::ChannelsFirst };
        match (self.fc_to_conv, self.conv_to_matrix) {
            (Some(FormArg::Kernel), _) => Conversion::FcToConv(KernelForm::Map),
            (Some(FormArg::OneByOne), _) => Conversion::FcToConv(KernelForm::OneByOne),
            (_, Some(StorageArg::Dense)) => Conversion::ConvToMatrix(Storage::Dense),
            (_, Some(StorageArg::Sparse)) => Conversion::ConvToMatrix(Storage::Sparse),
            _ if self.conv_to_fc => Conversion::ConvToFc { order },
            _ if self.absorb_bias => Conversion::AbsorbBias,
            _ => Conversion::Fold,
        }
    }
}
