//! Layer normalization: every row has mean 0 and variance 1 over its features.

use crate::layer::{Backward, Forward, LayerKind, Mismatch, ParamSpec, Pass, Reads, Saved, one};
use crate::layers::batch_norm::{affine, split_affine, split_affine_mut};
use crate::layers::formula::Steps;
use crate::layers::rows_and_cols;
use crate::shape::Shape;
use plexus_kernels::norm;
use serde::{Deserialize, Serialize};

/// Normalizes every row over its features, the last axis.
///
/// ```text
/// x̂[j]      = (input[j] − mean) / √(variance + epsilon)        variance: biased, over the row
/// output[j]  = x̂[j] · weight[j] + bias[j]
/// ```
///
/// # Shapes
/// - `input`, `output`: `[…, features]`
/// - `weight`, `bias`: `[features]`
///
/// # Source
/// Ba, Kiros and Hinton 2016 (arXiv 1607.06450); defaults as PyTorch's `LayerNorm`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LayerNorm {
    /// Added to the variance.
    #[serde(default = "default_epsilon")]
    pub epsilon: f32,
    /// Whether a learned bias is added.
    #[serde(default = "yes")]
    pub center: bool,
    /// Whether a learned weight is multiplied.
    #[serde(default = "yes")]
    pub scale: bool,
}

fn default_epsilon() -> f32 {
    1e-5
}

fn yes() -> bool {
    true
}

impl Default for LayerNorm {
    fn default() -> Self {
        LayerNorm { epsilon: default_epsilon(), center: true, scale: true }
    }
}

impl LayerNorm {
    /// All keys at their defaults.
    pub fn new() -> Self {
        LayerNorm::default()
    }
}

with_keys! { LayerNorm {
    with_epsilon(epsilon: f32) = epsilon;
    with_center(center: bool) = center;
    with_scale(scale: bool) = scale;
} }

impl LayerKind for LayerNorm {
    fn kind(&self) -> &'static str {
        "layer_norm"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let weight = if self.scale { " * weight[j]" } else { "" };
        let bias = if self.center { " + bias[j]" } else { "" };
        vec![(
            self.kind(),
            format!(
                "output[j] = (input[j] - mean) / sqrt(variance + {}){weight}{bias}, mean and variance those of the row",
                self.epsilon
            ),
        )]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        if !(self.epsilon >= 0.0 && self.epsilon.is_finite()) {
            let got = self.epsilon.to_string();
            return Err(Mismatch::new("epsilon", "a number of at least 0", got, "The usual value is 1e-5."));
        }
        match input.last() {
            Some(_) => Ok(input.clone()),
            None => Err(Mismatch::new("the input", "at least one axis", "a single number", "Reshape it to [1].")),
        }
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        affine(inputs[0].last().unwrap_or(0), self.scale, self.center)
    }

    fn saved(&self, inputs: &[&Shape]) -> Saved {
        Saved::per_row(2 * inputs[0].axes().iter().rev().skip(1).product::<usize>())
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let (rows, cols) = rows_and_cols(cx.inputs[0]);
        let (weight, bias) = split_affine(cx.weights, cols, self.scale, self.center);
        let statistics = match cx.pass {
            Pass::Training { saved, .. } => saved.into_f32(),
            Pass::Inference { .. } => cx.scratch.values(2 * rows),
        };
        // A sample without features has rows on paper but none in memory.
        let (mean, rstd) = statistics[..2 * rows].split_at_mut(rows);
        let (input, output, epsilon) = (cx.inputs[0].f32(), cx.output.into_f32(), self.epsilon);
        norm::layer_norm(norm::LayerNorm { rows, cols, epsilon, input, weight, bias, output, mean, rstd }, cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let (rows, cols) = rows_and_cols(cx.inputs[0]);
        let (weight, _) = split_affine(cx.weights, cols, self.scale, self.center);
        let (input, grad_input) = (cx.input(), cx.grad_input());
        let (grad_weight, grad_bias) = split_affine_mut(cx.grad_weights, cols, self.scale, self.center);
        let (mean, rstd) = cx.saved.f32()[..2 * rows].split_at(rows);
        let call = norm::LayerNormBackward {
            rows,
            cols,
            input,
            weight,
            mean,
            rstd,
            grad_output: cx.grad_output,
            grad_input,
            grad_weight,
            grad_bias,
        };
        norm::layer_norm_backward(call, cx.context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradcheck;

    #[test]
    fn gradients_are_the_derivatives() {
        gradcheck(&LayerNorm::default().into(), &Shape::new([5]), 3);
        gradcheck(&LayerNorm { scale: false, ..LayerNorm::default() }.into(), &Shape::new([2, 4]), 2);
    }
}
