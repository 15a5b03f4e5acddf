//! The wrapper `dense`: weight, then normaliser or bias, then activation, as layers of their own.

use crate::init::Init;
use crate::layers::{Activation, BatchNorm, Flatten, Layer, LayerNorm, Linear, RunningVariance};
use plexus_kernels::map::Function;
use serde::{Deserialize, Serialize};

/// What stands in the place of the bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Normaliser {
    /// Batch normalisation: decay 0.999, epsilon 0.001, centred, not scaled, biased running variance.
    BatchNorm,
    /// Layer normalisation: epsilon 1e-12, centred and scaled.
    LayerNorm,
}

/// A fully connected layer as TensorFlow's `fully_connected` and Keras' `Dense` mean it.
///
/// ```text
/// output = activation( normaliser(input · weightᵀ) )     with a normaliser: no bias
/// output = activation( input · weightᵀ + bias )          without
/// ```
///
/// It is not a kind of its own but a short form of two or three layers, so that nothing is hidden: a summary and a
/// trace show each of them. The activation is ReLU unless said otherwise, the weight starts Glorot-uniform, the bias zero.
///
/// # Source
/// `tf.contrib.layers.fully_connected` (TensorFlow 1.15) for the order, the normaliser's defaults and the start values.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Dense {
    /// Size of the last axis of the output.
    pub out_features: usize,
    /// Applied last; `None` leaves the layer linear.
    pub activation: Option<Function>,
    /// In place of the bias.
    pub normaliser: Option<Normaliser>,
    /// First values of the weight.
    pub weight_init: Init,
    /// First values of the bias; without meaning where there is a normaliser.
    pub bias_init: Init,
    /// Flattens a sample of several axes; otherwise the last axis is contracted, as in Keras.
    pub flatten: bool,
}

impl Dense {
    /// The defaults: ReLU, bias, last axis.
    pub fn new(out_features: usize) -> Self {
        Dense {
            out_features,
            activation: Some(Function::Relu),
            normaliser: None,
            weight_init: Init::GlorotUniform,
            bias_init: Init::Zeros,
            flatten: false,
        }
    }

    /// The layers it stands for, each with the suffix of its name; the linear layer itself has none.
    pub fn layers(&self) -> Vec<(&'static str, Layer)> {
        let mut layers: Vec<(&'static str, Layer)> = Vec::new();
        if self.flatten {
            layers.push(("flatten", Flatten::default().into()));
        }
        let linear = Linear {
            bias: self.normaliser.is_none(),
            weight_init: self.weight_init,
            bias_init: self.bias_init,
            ..Linear::new(self.out_features)
        };
        layers.push(("", linear.into()));
        match self.normaliser {
            Some(Normaliser::BatchNorm) => layers.push((
                "norm",
                BatchNorm {
                    epsilon: 0.001,
                    momentum: 0.001,
                    center: true,
                    scale: false,
                    running_variance: RunningVariance::Biased,
                }
                .into(),
            )),
            Some(Normaliser::LayerNorm) => {
                layers.push(("norm", LayerNorm { epsilon: 1e-12, center: true, scale: true }.into()));
            }
            None => {}
        }
        if let Some(function) = self.activation {
            layers.push(("activation", Activation::new(function).into()));
        }
        layers
    }
}

with_keys! { Dense {
    with_activation(activation: impl Into<Option<Function>>) = activation.into();
    with_normaliser(normaliser: impl Into<Option<Normaliser>>) = normaliser.into();
    with_weight_init(weight_init: Init) = weight_init;
    with_bias_init(bias_init: Init) = bias_init;
    with_flatten(flatten: bool) = flatten;
} }
