//! The layer kinds, one file each.
//!
//! To add one: a file here, a line in `layers!`, a case file `testdata/layers/<kind>.toml`.

mod activation;
mod batch_norm;
mod dense;
mod dropout;
mod flatten;
mod layer_norm;
mod linear;
mod log_softmax;
mod reshape;
mod softmax;
mod standardise;

pub use activation::Activation;
pub use batch_norm::{BatchNorm, RunningVariance};
pub use dense::{Dense, Normaliser};
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use log_softmax::LogSoftmax;
pub use reshape::Reshape;
pub use softmax::Softmax;
pub use standardise::Standardise;

use crate::layer::{Backward, Cost, Forward, LayerKind, Mismatch, ParamSpec, Primitive};
use crate::shape::Shape;
use plexus_kernels::Context;
use plexus_kernels::gemm::Packed;
use plexus_kernels::map::Function;
use serde::{Deserialize, Serialize};

/// Writes the closed set of layer kinds and forwards each call to the kind.
macro_rules! layers {
    ($($kind:ident),* $(,)?) => {
        /// A layer of any kind: plain data, no numbers.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        pub enum Layer {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] $kind($kind)),*
        }

        /// The names of all kinds, as in text and files.
        pub const KINDS: &[&str] = &[$(<$kind as LayerKind>::KIND),*];

        $(impl From<$kind> for Layer {
            fn from(layer: $kind) -> Layer {
                Layer::$kind(layer)
            }
        })*

        impl Layer {
            /// The name of the kind.
            pub fn kind(&self) -> &'static str {
                match self { $(Layer::$kind(_) => <$kind as LayerKind>::KIND),* }
            }

            /// See [`LayerKind::infer`].
            ///
            /// # Errors
            /// [`Mismatch`] where the input does not fit the description.
            pub fn infer(&self, input: &Shape) -> Result<Shape, Mismatch> {
                match self { $(Layer::$kind(layer) => layer.infer(input)),* }
            }

            /// See [`LayerKind::params`].
            pub fn params(&self, input: &Shape) -> Vec<ParamSpec> {
                match self { $(Layer::$kind(layer) => layer.params(input)),* }
            }

            /// See [`LayerKind::cost`].
            pub fn cost(&self, input: &Shape, output: &Shape) -> Cost {
                match self { $(Layer::$kind(layer) => layer.cost(input, output)),* }
            }

            /// See [`LayerKind::saved_len`].
            pub fn saved_len(&self, input: &Shape, batch: usize) -> usize {
                match self { $(Layer::$kind(layer) => layer.saved_len(input, batch)),* }
            }

            /// See [`LayerKind::fuses_function`].
            pub fn fuses_function(&self) -> bool {
                match self { $(Layer::$kind(layer) => layer.fuses_function()),* }
            }

            /// See [`LayerKind::is_identity`].
            pub fn is_identity(&self, training: bool) -> bool {
                match self { $(Layer::$kind(layer) => layer.is_identity(training)),* }
            }

            /// See [`LayerKind::function`].
            pub fn function(&self) -> Option<Function> {
                match self { $(Layer::$kind(layer) => layer.function()),* }
            }

            /// See [`LayerKind::overwrites_gradient`].
            pub fn overwrites_gradient(&self) -> bool {
                match self { $(Layer::$kind(layer) => layer.overwrites_gradient()),* }
            }

            /// See [`LayerKind::pack`].
            pub fn pack(
                &self,
                input: &Shape,
                weights: &[f32],
                context: &Context,
            ) -> Option<Packed> {
                match self { $(Layer::$kind(layer) => layer.pack(input, weights, context)),* }
            }

            /// See [`LayerKind::forward`].
            pub fn forward(&self, cx: Forward<'_>) {
                match self { $(Layer::$kind(layer) => layer.forward(cx)),* }
            }

            /// See [`LayerKind::backward`].
            pub fn backward(&self, cx: Backward<'_>) {
                match self { $(Layer::$kind(layer) => layer.backward(cx)),* }
            }

            /// See [`LayerKind::primitives`].
            pub fn primitives(&self, cx: Forward<'_>) -> Vec<Primitive> {
                match self { $(Layer::$kind(layer) => layer.primitives(cx)),* }
            }
        }
    };
}

layers! {
    Linear, Activation, Softmax, LogSoftmax, Flatten, Reshape, Dropout, BatchNorm, LayerNorm, Standardise,
}

/// Rows and columns of a batch whose last axis is one row.
fn rows_and_cols(len: usize, shape: &Shape) -> (usize, usize) {
    let cols = shape.last().unwrap_or(0);
    (len.checked_div(cols).unwrap_or(0), cols)
}
