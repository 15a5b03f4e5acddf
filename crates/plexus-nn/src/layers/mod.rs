//! The layer kinds, one file each.
//!
//! To add one: a file here, a line in `layers!`, a case file `testdata/layers/<kind>.toml`.

mod activation;
mod add;
mod avg_pool2d;
mod batch_norm;
mod concat;
mod conv2d;
mod conv2d_table;
mod dense;
mod dropout;
mod flatten;
mod global_avg_pool;
mod layer_norm;
mod linear;
mod log_softmax;
mod max_pool2d;
mod rbf;
mod reshape;
mod sides;
mod softmax;
mod standardise;
mod trainable_pool2d;
mod unflatten;
mod upsample;

pub use activation::Activation;
pub use add::Add;
pub use avg_pool2d::AvgPool2d;
pub use batch_norm::{BatchNorm, RunningVariance};
pub use concat::Concat;
pub use conv2d::Conv2d;
pub use conv2d_table::Conv2dTable;
pub use dense::{Dense, Normaliser};
pub use dropout::Dropout;
pub use flatten::{Flatten, Order};
pub use global_avg_pool::GlobalAvgPool;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use log_softmax::LogSoftmax;
pub use max_pool2d::MaxPool2d;
pub use rbf::Rbf;
pub use reshape::Reshape;
pub use sides::{Padding, Pair, Same};
pub use softmax::Softmax;
pub use standardise::Standardise;
pub use trainable_pool2d::TrainablePool2d;
pub use unflatten::Unflatten;
pub use upsample::Upsample;

use crate::layer::LayerKind;
use crate::view::View;
use serde::{Deserialize, Serialize};
use std::ops::Deref;

/// Writes the closed set of layer kinds.
macro_rules! layers {
    ($($kind:ident $name:literal),* $(,)?) => {
        /// A layer of any kind: plain data, no numbers. What it can do is in [`LayerKind`], which it derefs to.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Layer {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] #[serde(rename = $name)] $kind($kind)),*
        }

        /// The names of all kinds, as in text and files.
        pub const KINDS: &[&str] = &[$($name),*];

        $(impl From<$kind> for Layer {
            fn from(layer: $kind) -> Layer {
                Layer::$kind(layer)
            }
        })*

        impl Deref for Layer {
            type Target = dyn LayerKind;
            fn deref(&self) -> &Self::Target {
                match self { $(Layer::$kind(layer) => layer),* }
            }
        }
    };
}

layers! {
    Linear "linear",
    Activation "activation",
    Softmax "softmax",
    LogSoftmax "log_softmax",
    Flatten "flatten",
    Reshape "reshape",
    Dropout "dropout",
    BatchNorm "batch_norm",
    LayerNorm "layer_norm",
    Standardise "standardise",
    Add "add",
    Concat "concat",
    Unflatten "unflatten",
    Conv2d "conv2d",
    MaxPool2d "max_pool2d",
    AvgPool2d "avg_pool2d",
    GlobalAvgPool "global_avg_pool",
    Upsample "upsample",
    Conv2dTable "conv2d_table",
    TrainablePool2d "trainable_pool2d",
    Rbf "rbf",
}

/// Rows and columns of samples whose last axis is one row.
fn rows_and_cols(view: View<'_>) -> (usize, usize) {
    let cols = view.shape.last().unwrap_or(0);
    (view.f32().len().checked_div(cols).unwrap_or(0), cols)
}
