//! The layer kinds, one file each.
//!
//! To add one: a file here, its `mod` line and a row in `layers!` below, a case file `testdata/layers/<kind>.toml`.

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
mod global_max_pool;
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

pub use batch_norm::RunningVariance;
pub use dense::{Dense, Normaliser};
pub use flatten::Order;
pub use sides::{Padding, Pair, Same};

use crate::layer::LayerKind;
use crate::view::View;
use serde::{Deserialize, Serialize};
use std::ops::Deref;

/// Writes the closed set of layer kinds.
macro_rules! layers {
    ($($module:ident :: $kind:ident $name:literal),* $(,)?) => {
        $(pub use $module::$kind;)*

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
    linear::Linear "linear",
    activation::Activation "activation",
    softmax::Softmax "softmax",
    log_softmax::LogSoftmax "log_softmax",
    flatten::Flatten "flatten",
    reshape::Reshape "reshape",
    dropout::Dropout "dropout",
    batch_norm::BatchNorm "batch_norm",
    layer_norm::LayerNorm "layer_norm",
    standardise::Standardise "standardise",
    add::Add "add",
    concat::Concat "concat",
    unflatten::Unflatten "unflatten",
    conv2d::Conv2d "conv2d",
    max_pool2d::MaxPool2d "max_pool2d",
    avg_pool2d::AvgPool2d "avg_pool2d",
    global_avg_pool::GlobalAvgPool "global_avg_pool",
    global_max_pool::GlobalMaxPool "global_max_pool",
    upsample::Upsample "upsample",
    conv2d_table::Conv2dTable "conv2d_table",
    trainable_pool2d::TrainablePool2d "trainable_pool2d",
    rbf::Rbf "rbf",
}

/// Rows and columns of samples whose last axis is one row.
fn rows_and_cols(view: View<'_>) -> (usize, usize) {
    let cols = view.shape.last().unwrap_or(0);
    (view.f32().len().checked_div(cols).unwrap_or(0), cols)
}
