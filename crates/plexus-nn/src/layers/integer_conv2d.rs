//! Convolution of whole numbers.

use crate::integer::{Integers, Product, Sizes, multiply, no_gradient};
use crate::layer::{Backward, Cost, Entering, Forward, LayerKind, Maps, Mismatch, ParamSpec, Prepare};
use crate::layers::Conv2d;
use crate::layers::formula::{Steps, channel_of_group, outside, places};
use crate::layers::integer_linear::split;
use crate::layers::sides::sliding;
use crate::prepared::Prepared;
use crate::shape::Shape;
use crate::view::{Quant, transpose};
use crate::window::Slide;
use plexus_kernels::Context;
use plexus_kernels::conv::Geometry;
use plexus_kernels::windows::Windows;
use serde::{Deserialize, Serialize};

/// Slides filters of whole numbers over maps of whole numbers.
///
/// ```text
/// sum[o, y, x]    = bias[o] + Σ_c Σ_i Σ_j weight[o, c, i, j] · (input[first(o) + c, y·s0 + i·d0 − top, x·s1 + j·d1 − left] − zero point)
/// output[o, y, x] = clamp(round(sum[o, y, x] · scale[o]) + output zero point)
/// ```
///
/// Outside of the map the input is its zero point. Letters, groups and shapes are those of [`Conv2d`].
///
/// # Source
/// As [`IntegerLinear`](super::IntegerLinear).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IntegerConv2d {
    /// Its float form.
    pub of: Conv2d,
    /// How it computes.
    pub integers: Integers,
}

impl IntegerConv2d {
    /// The integer form of a layer.
    pub fn new(of: Conv2d, integers: Integers) -> Self {
        IntegerConv2d { of, integers }
    }

    /// Filters `[outputs, channels of a group, rows, columns]` as `[outputs, rows, columns, channels of a group]`, in the order of windows
    /// of maps that lie channels last.
    pub fn channels_last(&self, input: &Shape, weight: &[f32]) -> Vec<f32> {
        let geometry = self.of.geometry(input);
        let (taps, filter) = (geometry.kernel[0] * geometry.kernel[1], self.sizes(&geometry).inputs.max(1));
        let mut last = vec![0.0; weight.len()];
        for (from, to) in weight.chunks_exact(filter).zip(last.chunks_exact_mut(filter)) {
            transpose(from, filter / taps.max(1), taps, to);
        }
        last
    }

    fn sizes(&self, geometry: &Geometry) -> Sizes {
        let Geometry { channels, kernel: [rows, cols], groups, filters, .. } = *geometry;
        Sizes { groups, outputs: filters / groups, inputs: channels / groups * rows * cols }
    }
}

impl LayerKind for IntegerConv2d {
    fn kind(&self) -> &'static str {
        "integer_conv2d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let Geometry { channels, kernel, stride, padding, dilation, groups, .. } = self.of.geometry(inputs[0]);
        let [y, x] = places(&sliding(kernel, stride, padding, dilation, true), dilation);
        let channel = channel_of_group(groups, channels, self.of.out_channels);
        let sum = format!(
            "sum over c, i, j of weight[o, c, i, j] * (input[{channel}, {y}, {x}] - zero point){}",
            outside(padding)
        );
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
        let Sizes { groups, outputs, inputs } = self.sizes(&self.of.geometry(entering.shapes[0]));
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
        let (geometry, input) = (self.of.geometry(cx.inputs[0]), cx.quants[0]?);
        let sizes = self.sizes(&geometry);
        let Sizes { groups, outputs, inputs } = sizes;
        let (weight, bias, scales) = split((groups * outputs * inputs, groups * outputs, self.of.bias), cx.weights);
        let last = self.channels_last(cx.inputs[0], weight);
        let sizes = (sizes, Some(Windows::new(&geometry)));
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
