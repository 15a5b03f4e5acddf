//! Fully connected layer of whole numbers.

use crate::integer::{Integers, Product, Sizes, multiply, no_gradient};
use crate::layer::{Backward, Cost, Entering, Forward, LayerKind, Mismatch, ParamSpec, Prepare};
use crate::layers::Linear;
use crate::layers::formula::Steps;
use crate::prepared::Prepared;
use crate::shape::Shape;
use crate::view::Quant;
use plexus_kernels::Context;
use serde::{Deserialize, Serialize};

/// Multiplies rows of whole numbers by a weight matrix of whole numbers.
///
/// ```text
/// sum[o]    = bias[o] + Σ_i (input[i] − input zero point) · weight[o, i]
/// output[o] = clamp(round(sum[o] · scale[o]) + output zero point)        scale = input scale · weight scale / output scale
/// ```
///
/// With powers of two the scale is a shift; see [`crate::integer`].
///
/// # Shapes
/// As [`Linear`], and `weight_scale`: `[1]` or `[out_features]`, in the affine scheme.
///
/// # Source
/// TensorFlow Lite's quantization specification; CMSIS 5.9.0, `arm_fully_connected_q7` and its like (their formulas).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IntegerLinear {
    /// Its float form.
    pub of: Linear,
    /// How it computes.
    pub integers: Integers,
}

impl IntegerLinear {
    /// The integer form of a layer.
    pub fn new(of: Linear, integers: Integers) -> Self {
        IntegerLinear { of, integers }
    }

    fn sizes(&self, input: &Shape) -> Sizes {
        Sizes { groups: 1, outputs: self.of.out_features, inputs: input.last().unwrap_or(0) }
    }
}

/// The tensors of a layer of products in its flat range: weight, bias, scales of the weight.
pub(super) fn split((len, outputs, bias): (usize, usize, bool), weights: &[f32]) -> (&[f32], Option<&[f32]>, &[f32]) {
    let (weight, rest) = weights.split_at(len);
    let (first, scales) = rest.split_at(if bias { outputs } else { 0 });
    (weight, bias.then_some(first), scales)
}

impl LayerKind for IntegerLinear {
    fn kind(&self) -> &'static str {
        "integer_linear"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let sum = "sum over i of (input[i] - zero point) * weight[o, i]";
        vec![(self.kind(), self.integers.formula(self.of.bias, "[o]", sum, "o"))]
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
        self.integers.params(self.of.params(inputs), self.of.out_features)
    }

    fn check_params(&self, entering: Entering<'_>, weights: &[f32], _state: &[f32]) -> Result<(), Mismatch> {
        let Sizes { outputs, inputs, .. } = self.sizes(entering.shapes[0]);
        let (weight, _, scales) = split((outputs * inputs, outputs, self.of.bias), weights);
        self.integers.check_params(crate::integer::integers(entering.quants)?, weight, scales)
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        self.of.cost(inputs, output)
    }

    fn prepare(&self, cx: Prepare<'_>) -> Option<Prepared> {
        let (sizes, input) = (self.sizes(cx.inputs[0]), cx.quants[0]?);
        let parts = split((sizes.outputs * sizes.inputs, sizes.outputs, self.of.bias), cx.weights);
        let product = Product::new(&self.integers, input, (sizes, None), parts, cx.weights, cx.context);
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
