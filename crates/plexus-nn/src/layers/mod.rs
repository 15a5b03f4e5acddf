//! The layer kinds, one file each.
//!
//! A layer is made by the function of its name, such as [`linear`] or [`relu`], which takes what is nearly always said. The
//! rest is said by the type: `Conv2d::new(16, 3).with_stride(2).into()`; there is a `with_` method for each key that a network
//! file may leave out.
//!
//! To add a kind: a file here, its `mod` line and a row in `layers!` below, a row in `constructors.rs`, a case file
//! `testdata/layers/<kind>.toml`. For a layer of your own, in your own program, see [`crate::custom`].

/// Writes a method for each key that may be left out. A row is the method, what it takes, and the value of the key.
macro_rules! with_keys {
    ($kind:ident { $($method:ident($key:ident: $type:ty) = $value:expr;)* }) => {
        impl $kind {
            $(
                #[doc = concat!("The same with this [`", stringify!($key), "`](Self::", stringify!($key), ").")]
                #[must_use]
                pub fn $method(mut self, $key: $type) -> Self {
                    self.$key = $value;
                    self
                }
            )*
        }
    };
}

mod activation;
mod adaptive_avg_pool2d;
mod add;
mod avg_pool2d;
mod axis;
mod batch_norm;
mod center_crop;
mod concat;
mod constructors;
mod conv1d;
mod conv2d;
mod conv2d_table;
mod conv_transpose2d;
mod dense;
mod dropout;
mod flatten;
mod formula;
mod global_avg_pool;
mod global_max_pool;
mod integer_add;
mod integer_conv2d;
mod integer_conv_transpose2d;
mod integer_elements;
mod integer_linear;
mod integer_pool2d;
mod integer_softmax;
mod layer_norm;
mod linear;
mod locally_connected2d;
mod log_softmax;
mod lrn;
mod masked_linear;
mod max_pool2d;
mod pad;
mod pool1d;
mod quantize;
mod rbf;
mod reshape;
mod sides;
mod softmax;
mod sparse_linear;
mod standardize;
mod trainable_pool2d;
mod unflatten;
mod upsample;

pub use batch_norm::RunningVariance;
pub use constructors::*;
pub use dense::{Dense, Normalizer};
pub use flatten::Order;
pub use pad::PadMode;
pub(crate) use sides::MAPS;
pub use sides::{Padding, Pair, Same};
pub(crate) use sparse_linear::{MOST_COLUMNS, MOST_NONZEROS};

pub use upsample::UpsampleMode;

use crate::custom::{self, Custom, NotRegistered};
use crate::layer::LayerKind;
use crate::view::View;
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt;
use std::ops::Deref;

/// Writes the set of layer kinds that are built in.
macro_rules! layers {
    ($($module:ident :: $kind:ident $name:literal),* $(,)?) => {
        $(pub use $module::$kind;)*

        /// A layer of any kind: plain data, no numbers. What it can do is in [`LayerKind`], which it derefs to.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Layer {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] $kind($kind),)*
            /// A layer of a kind that is not built in: see [`crate::custom`].
            Custom(Custom),
        }

        /// The names of all kinds that are built in, as in text and files.
        pub const KINDS: &[&str] = &[$($name),*];

        $(impl From<$kind> for Layer {
            fn from(layer: $kind) -> Layer {
                Layer::$kind(layer)
            }
        })*

        impl Deref for Layer {
            type Target = dyn LayerKind;
            fn deref(&self) -> &Self::Target {
                match self {
                    $(Layer::$kind(layer) => layer,)*
                    Layer::Custom(layer) => layer.as_kind(),
                }
            }
        }

        impl Serialize for Layer {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                #[derive(Serialize)]
                #[serde(tag = "kind")]
                enum BuiltIn<'a> {
                    $(#[serde(rename = $name)] $kind(&'a $kind)),*
                }
                match self {
                    $(Layer::$kind(layer) => BuiltIn::$kind(layer).serialize(serializer),)*
                    Layer::Custom(layer) => {
                        let keys = layer.keys();
                        let keys = keys.map_err(|got| S::Error::custom(format_args!("a layer of kind {}: {got}", self.kind())))?;
                        let mut map = serializer.serialize_map(Some(keys.len() + 1))?;
                        map.serialize_entry("kind", self.kind())?;
                        keys.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                        map.end()
                    }
                }
            }
        }

        impl Layer {
            /// A layer called `name`, for messages, from its keys.
            pub(crate) fn from_keys(name: &str, mut keys: Map<String, Value>) -> Result<Layer, serde_json::Error> {
                let Some(kind) = keys.remove("kind") else {
                    return Err(Error::missing_field("kind"));
                };
                let kind = String::deserialize(kind)?;
                if let Some(unknown) = NotRegistered::find(name, &kind) {
                    return Err(Error::custom(unknown));
                }
                if let Some(custom) = custom::read(&kind, &mut keys) {
                    return custom.map(Layer::Custom);
                }
                let keys = Value::Object(keys);
                match present_name(&kind) {
                    $($name => $kind::deserialize(keys).map(Layer::$kind),)*
                    other => Err(Error::unknown_variant(other, KINDS)),
                }
            }
        }
    };
}

impl<'de> Deserialize<'de> for Layer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Keys(keys) = Keys::deserialize(deserializer)?;
        Layer::from_keys("?", keys).map_err(D::Error::custom)
    }
}

/// The keys of a layer, none of them twice.
pub(crate) struct Keys(pub Map<String, Value>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the keys of a layer")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Keys, A::Error> {
                let mut keys = Map::new();
                while let Some((key, value)) = access.next_entry::<String, Value>()? {
                    if keys.contains_key(&key) {
                        return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
                    }
                    keys.insert(key, value);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Visit)
    }
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
    standardize::Standardize "standardize",
    add::Add "add",
    concat::Concat "concat",
    unflatten::Unflatten "unflatten",
    conv2d::Conv2d "conv2d",
    max_pool2d::MaxPool2d "max_pool2d",
    avg_pool2d::AvgPool2d "avg_pool2d",
    adaptive_avg_pool2d::AdaptiveAvgPool2d "adaptive_avg_pool2d",
    global_avg_pool::GlobalAvgPool "global_avg_pool",
    global_max_pool::GlobalMaxPool "global_max_pool",
    upsample::Upsample "upsample",
    conv_transpose2d::ConvTranspose2d "conv_transpose2d",
    center_crop::CenterCrop "center_crop",
    pad::Pad "pad",
    lrn::Lrn "lrn",
    locally_connected2d::LocallyConnected2d "locally_connected2d",
    masked_linear::MaskedLinear "masked_linear",
    sparse_linear::SparseLinear "sparse_linear",
    conv1d::Conv1d "conv1d",
    pool1d::MaxPool1d "max_pool1d",
    pool1d::AvgPool1d "avg_pool1d",
    conv2d_table::Conv2dTable "conv2d_table",
    trainable_pool2d::TrainablePool2d "trainable_pool2d",
    rbf::Rbf "rbf",
    quantize::Quantize "quantize",
    quantize::Dequantize "dequantize",
    quantize::Rescale "rescale",
    integer_linear::IntegerLinear "integer_linear",
    integer_conv2d::IntegerConv2d "integer_conv2d",
    integer_conv_transpose2d::IntegerConvTranspose2d "integer_conv_transpose2d",
    integer_pool2d::IntegerMaxPool2d "integer_max_pool2d",
    integer_pool2d::IntegerAvgPool2d "integer_avg_pool2d",
    integer_elements::IntegerClamp "integer_clamp",
    integer_elements::IntegerLookup "integer_lookup",
    integer_add::IntegerAdd "integer_add",
    integer_add::IntegerConcat "integer_concat",
    integer_softmax::IntegerSoftmax "integer_softmax",
}

/// The present name of a kind: files of earlier versions may have another.
pub fn present_name(kind: &str) -> &str {
    match kind {
        "standardise" => "standardize",
        kind => kind,
    }
}

/// Rows and columns of samples whose last axis is one row.
fn rows_and_cols(view: View<'_>) -> (usize, usize) {
    let cols = view.shape.last().unwrap_or(0);
    (view.f32().len().checked_div(cols).unwrap_or(0), cols)
}
