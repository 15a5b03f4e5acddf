//! Transposed convolution of whole numbers.

use crate::integer::{Integers, Product, Sizes, multiply, no_gradient};
use crate::layer::{Backward, Cost, Entering, Forward, LayerKind, Maps, Mismatch, ParamSpec, Prepare};
use crate::layers::ConvTranspose2d;
use crate::layers::formula::Steps;
use crate::layers::integer_linear::split;
use crate::prepared::Prepared;
use crate::shape::Shape;
use crate::view::Quant;
use crate::window::Slide;
use plexus_kernels::Context;
use plexus_kernels::conv::Geometry;
use plexus_kernels::windows::Windows;
use serde::{Deserialize, Serialize};

/// Adds a whole window of whole numbers to the output for each whole number of the input, as [`ConvTranspose2d`].
///
/// ```text
/// sum[o, y, x]    = bias[o] + Σ weight[c, o, i, j] · (input[c, r, q] − zero point)   over r, q, i, j with r·s0 + i·d0 − top = y, …
/// output[o, y, x] = clamp(round(sum[o, y, x] · scale[o]) + output zero point)
/// ```
///
/// # Source
/// As [`IntegerLinear`](super::IntegerLinear).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IntegerConvTranspose2d {
    /// Its float form.
    pub of: ConvTranspose2d,
    /// How it computes.
    pub integers: Integers,
}

impl IntegerConvTranspose2d {
    /// The integer form of a layer.
    pub fn new(of: ConvTranspose2d, integers: Integers) -> Self {
        IntegerConvTranspose2d { of, integers }
    }

    /// Filters `[channels, outputs of a group, rows, columns]` as `[outputs, rows, columns, channels of a group]`.
    pub fn channels_last(&self, input: &Shape, weight: &[f32]) -> Vec<f32> {
        let mirrored = self.of.mirrored(input);
        let Sizes { outputs, inputs, .. } = self.sizes(&mirrored);
        let taps = mirrored.kernel[0] * mirrored.kernel[1];
        let (mut last, own) = (vec![0.0; weight.len()], inputs / taps.max(1));
        for (at, value) in weight.iter().enumerate() {
            let (tap, output, channel) = (at % taps, at / taps % outputs, at / taps / outputs);
            let (group, channel) = (channel / own, channel % own);
            last[((group * outputs + output) * taps + tap) * own + channel] = *value;
        }
        last
    }

    fn sizes(&self, mirrored: &Geometry) -> Sizes {
        let Geometry { channels: outputs, kernel: [rows, cols], groups, filters: inputs, .. } = *mirrored;
        Sizes { groups, outputs: outputs / groups, inputs: inputs / groups * rows * cols }
    }
}

impl LayerKind for IntegerConvTranspose2d {
    fn kind(&self) -> &'static str {
        "integer_conv_transpose2d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        // The first step of the float form is the product.
        let product = self.of.arithmetic(inputs).swap_remove(0).1;
        let sum = product
            .split_once(" = ")
            .map_or("", |(_, sum)| sum)
            .replace("input[c, r, q]", "(input[c, r, q] - zero point)");
        vec![(self.kind(), self.integers.formula(self.of.bias, "[o, y, x]", &sum, "o"))]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        self.of.infer(inputs)
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        self.integers.quant(inputs)
    }

    fn has_gradient(&self) -> bool {
        false
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        self.integers.params(self.of.params(inputs), self.of.out_channels)
    }

    fn check_params(&self, entering: Entering<'_>, weights: &[f32], _state: &[f32]) -> Result<(), Mismatch> {
        let Sizes { groups, outputs, inputs } = self.sizes(&self.of.mirrored(entering.shapes[0]));
        let (weight, _, scales) = split((groups * outputs * inputs, groups * outputs, self.of.bias), weights);
        self.integers.check_params(crate::integer::integers(entering.quants)?, weight, scales)
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        self.of.cost(inputs, output)
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        self.of.slides(inputs)
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    fn prepare(&self, cx: Prepare<'_>) -> Option<Prepared> {
        let (geometry, input) = (self.of.mirrored(cx.inputs[0]), cx.quants[0]?);
        let sizes = self.sizes(&geometry);
        let Sizes { groups, outputs, inputs } = sizes;
        let (weight, bias, scales) = split((groups * outputs * inputs, groups * outputs, self.of.bias), cx.weights);
        let last = self.channels_last(cx.inputs[0], weight);
        let sizes = (sizes, Some(Windows::transposed(&geometry)));
        let product = Product::new(&self.integers, input, sizes, (&last, bias, scales), cx.weights, cx.context);
        Some(Prepared::Integer(Box::new(product)))
    }

    fn prepared_bytes(&self, inputs: &[&Shape], _context: &Context) -> usize {
        Product::bytes_for(&self.params(inputs))
    }

    fn forward(&self, cx: Forward<'_>) {
        multiply(self, cx);
    }

    fn backward(&self, _cx: Backward<'_, '_>) {
        no_gradient(self.kind())
    }
}
