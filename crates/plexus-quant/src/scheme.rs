//! What a network is made into.

use crate::error::QuantError;
use crate::range::Calibration;
use plexus_nn::integer::{Rounding, ShiftRounding, WeightType};
use plexus_nn::{CheckedNetwork, DType};
use serde::{Deserialize, Serialize};

/// Whole numbers for weights and activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scheme {
    /// 8-bit weights and activations; one scale for each weight tensor.
    Int8,
    /// The same with a scale for each output channel of the weights: the usual choice.
    Int8PerChannel,
    /// 8-bit weights, 16-bit activations.
    Int16x8,
    /// 16-bit weights and activations.
    Int16,
    /// 8-bit weights and activations whose scales are powers of two: shifts only.
    Q7,
    /// The same of 16 bits.
    Q15,
    /// 8-bit weights, 16-bit activations, powers of two.
    #[serde(rename = "q7q15")]
    Q7Q15,
    /// 4-bit weights with a scale for each output channel, 8-bit activations.
    Int4,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Scheme; 8] = [
        Scheme::Int8,
        Scheme::Int8PerChannel,
        Scheme::Int16x8,
        Scheme::Int16,
        Scheme::Q7,
        Scheme::Q15,
        Scheme::Q7Q15,
        Scheme::Int4,
    ];

    /// Its name, as users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Scheme::Int8 => "int8",
            Scheme::Int8PerChannel => "int8-per-channel",
            Scheme::Int16x8 => "int16x8",
            Scheme::Int16 => "int16",
            Scheme::Q7 => "q7",
            Scheme::Q15 => "q15",
            Scheme::Q7Q15 => "q7q15",
            Scheme::Int4 => "int4",
        }
    }

    /// Bits of the weights.
    pub const fn weight(self) -> WeightType {
        match self {
            Scheme::Int8 | Scheme::Int8PerChannel | Scheme::Int16x8 | Scheme::Q7 | Scheme::Q7Q15 => WeightType::I8,
            Scheme::Int16 | Scheme::Q15 => WeightType::I16,
            Scheme::Int4 => WeightType::I4,
        }
    }

    /// The type of the activations.
    pub const fn activation(self) -> DType {
        match self {
            Scheme::Int8 | Scheme::Int8PerChannel | Scheme::Q7 | Scheme::Int4 => DType::I8,
            Scheme::Int16x8 | Scheme::Int16 | Scheme::Q15 | Scheme::Q7Q15 => DType::I16,
        }
    }

    /// Whether all scales are powers of two.
    pub const fn is_power_of_two(self) -> bool {
        matches!(self, Scheme::Q7 | Scheme::Q15 | Scheme::Q7Q15)
    }

    /// Whether each output channel of the weights has a scale of its own. Weights with 16-bit activations have, for it costs nothing.
    pub const fn per_channel(self) -> bool {
        matches!(self, Scheme::Int8PerChannel | Scheme::Int4 | Scheme::Int16x8 | Scheme::Int16)
    }

    /// The scheme of a layer that hurts in this one: 16-bit activations.
    pub const fn wider(self) -> Scheme {
        match self {
            Scheme::Int8 | Scheme::Int8PerChannel | Scheme::Int16x8 => Scheme::Int16x8,
            Scheme::Int4 | Scheme::Int16 => Scheme::Int16x8,
            Scheme::Q7 | Scheme::Q7Q15 => Scheme::Q7Q15,
            Scheme::Q15 => Scheme::Q15,
        }
    }
}

/// How a network is made into one of whole numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Options {
    /// Which numbers.
    pub scheme: Scheme,
    /// How the ranges of values are found.
    pub calibration: Calibration,
    /// How products are rounded in the affine schemes of 8-bit activations.
    pub rounding: Rounding,
    /// The same where scales are powers of two.
    pub shift_rounding: ShiftRounding,
    /// Whether exported weights are interleaved where scales are powers of two.
    pub interleaved: bool,
    /// Whether sums may wrap at 32 bits, as those of CMSIS do, where scales are powers of two. Otherwise layers whose sums could wrap get
    /// 64 bits.
    pub wrap: bool,
    /// Whether weights of layers that stand behind each other are brought to like sizes first.
    pub equalize: bool,
    /// Whether biases take up what the rounding of weights does to the means.
    pub correct_bias: bool,
    /// Layers that get 16-bit activations, by name.
    pub wide: Vec<String>,
    /// Layers that stay float, by name.
    pub float: Vec<String>,
}

impl Options {
    /// The usual ones of a scheme.
    pub fn new(scheme: Scheme) -> Self {
        Options {
            scheme,
            calibration: Calibration::default(),
            rounding: Rounding::default(),
            shift_rounding: ShiftRounding::default(),
            interleaved: false,
            wrap: false,
            equalize: false,
            correct_bias: true,
            wide: Vec::new(),
            float: Vec::new(),
        }
    }

    /// The scheme of a layer.
    pub(crate) fn scheme_of(&self, layer: &str) -> Scheme {
        if self.wide.iter().any(|name| name == layer) { self.scheme.wider() } else { self.scheme }
    }

    /// Whether a layer stays float.
    pub(crate) fn is_float(&self, layer: &str) -> bool {
        self.float.iter().any(|name| name == layer)
    }

    /// Refuses what has no meaning.
    pub(crate) fn check(&self, network: &CheckedNetwork) -> Result<(), QuantError> {
        let layers = &network.network().layers;
        for name in self.wide.iter().chain(&self.float) {
            if !layers.iter().any(|named| named.name == *name) {
                let known: Vec<&str> = layers.iter().take(12).map(|named| named.name.as_str()).collect();
                let more = if layers.len() > known.len() { ", ..." } else { "" };
                return Err(QuantError::UnknownLayer { name: name.clone(), known: known.join(", ") + more });
            }
        }
        let of_floats = matches!(self.rounding, Rounding::Float64 | Rounding::Float32Even);
        if of_floats && (self.scheme.activation() == DType::I16 || !self.wide.is_empty()) {
            return Err(QuantError::Option {
                what: "the rounding",
                expected: "double or single, for 16-bit activations have one rounding".to_string(),
                got: self.rounding.name().to_string(),
            });
        }
        self.calibration.check()
    }
}
