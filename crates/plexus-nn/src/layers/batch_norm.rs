//! Batch normalization: every feature has mean 0 and variance 1 over the batch.

use crate::init::Init;
use crate::layer::{Affine, Along, Backward, Forward, LayerKind, Maps, Mismatch, ParamSpec, Pass, Reads, Saved, one};
use crate::layers::formula::Steps;
use crate::shape::Shape;
use crate::view::View;
use crate::window::{Slide, points};
use plexus_kernels::norm;
use serde::{Deserialize, Serialize};

/// Normalizes every feature over the batch, in training; over the running statistics at inference.
///
/// ```text
/// x̂[b, j]      = (input[b, j] − mean[j]) / √(variance[j] + epsilon)      variance: the biased one of the batch
/// output[b, j]  = x̂[b, j] · weight[j] + bias[j]
/// running       = (1 − momentum) · running + momentum · batch
/// grad_weight[j] += Σ_b grad_output[b, j] · x̂[b, j]          grad_bias[j] += Σ_b grad_output[b, j]
/// grad_input[b, j] = weight[j] / √(variance[j] + epsilon)
///                    · (grad_output[b, j] − (Σ_b grad_output[b, j] + x̂[b, j] · Σ_b grad_output[b, j] · x̂[b, j]) / batch)
/// ```
///
/// A batch of one row has no spread: its normalized values are zero (PyTorch refuses it). Training whose statistics are settled takes
/// the running ones and leaves them; the second term of `grad_input` is then zero.
///
/// # Shapes
/// - `input`, `output`: `[features]`, or `[steps, features]`, whose steps count as rows of the batch, or
///   `[channels, height, width]`, whose channels are the features and whose pixels count as rows
/// - `weight`, `bias`, `running_mean`, `running_variance`: `[features]`
///
/// # Source
/// Ioffe and Szegedy 2015 (arXiv 1502.03167); defaults as PyTorch's `BatchNorm1d` and `BatchNorm2d`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BatchNorm {
    /// Added to the variance.
    #[serde(default = "default_epsilon")]
    pub epsilon: f32,
    /// The share of the new batch in the running statistics.
    #[serde(default = "default_momentum")]
    pub momentum: f32,
    /// Whether a learned bias (beta) is added.
    #[serde(default = "yes")]
    pub center: bool,
    /// Whether a learned weight (gamma) is multiplied.
    #[serde(default = "yes")]
    pub scale: bool,
    /// Which variance enters the running one.
    #[serde(default)]
    pub running_variance: RunningVariance,
}

/// Which variance of a batch is averaged for inference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunningVariance {
    /// Divided by `rows − 1`, as PyTorch.
    #[default]
    Unbiased,
    /// Divided by `rows`, as TensorFlow.
    Biased,
}

fn default_epsilon() -> f32 {
    1e-5
}

fn default_momentum() -> f32 {
    0.1
}

fn yes() -> bool {
    true
}

impl Default for BatchNorm {
    fn default() -> Self {
        BatchNorm {
            epsilon: default_epsilon(),
            momentum: default_momentum(),
            center: true,
            scale: true,
            running_variance: RunningVariance::Unbiased,
        }
    }
}

impl BatchNorm {
    /// All keys at their defaults.
    pub fn new() -> Self {
        BatchNorm::default()
    }
}

with_keys! { BatchNorm {
    with_epsilon(epsilon: f32) = epsilon;
    with_momentum(momentum: f32) = momentum;
    with_center(center: bool) = center;
    with_scale(scale: bool) = scale;
    with_running_variance(running_variance: RunningVariance) = running_variance;
} }

impl LayerKind for BatchNorm {
    fn kind(&self) -> &'static str {
        "batch_norm"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let weight = if self.scale { " * weight[j]" } else { "" };
        let bias = if self.center { " + bias[j]" } else { "" };
        vec![(
            self.kind(),
            format!(
                "output[j] = (input[j] - running_mean[j]) / sqrt(running_variance[j] + {}){weight}{bias}",
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
        if !(0.0..=1.0).contains(&self.momentum) {
            let got = self.momentum.to_string();
            return Err(Mismatch::new("momentum", "a share in 0..=1", got, "It is the share of the new batch."));
        }
        match input.axes().len() {
            1..=3 => Ok(input.clone()),
            axes => Err(Mismatch::new(
                "the input",
                "[features], [steps, features] or [channels, height, width]",
                format!("{axes} axes"),
                "Put a flatten layer in front.",
            )),
        }
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        points(inputs[0])
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let features = features(inputs[0]);
        affine(features, self.scale, self.center)
            .into_iter()
            .chain(
                [("running_mean", Init::Zeros), ("running_variance", Init::Ones)]
                    .map(|(role, init)| ParamSpec::constant(role, vec![features], init)),
            )
            .collect()
    }

    fn saved(&self, inputs: &[&Shape]) -> Saved {
        Saved::fixed(2 * features(inputs[0]))
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn scales_along(&self, inputs: &[&Shape]) -> Option<Along> {
        Some(Along::Axis(features_axis(inputs[0])))
    }

    fn affine(&self, weights: &[f32], state: &[f32]) -> Affine {
        let (mean, variance) = state.split_at(state.len() / 2);
        let (weight, bias) = split_affine(weights, mean.len(), self.scale, self.center);
        let mut affine = Affine { scale: Vec::new(), shift: Vec::new(), distance: 0.0 };
        for (at, (&mean, &variance)) in mean.iter().zip(variance).enumerate() {
            let rstd = 1.0 / (f64::from(variance) + f64::from(self.epsilon)).sqrt();
            let scale = weight.map_or(1.0, |weight| f64::from(weight[at])) * rstd;
            affine.scale.push(scale);
            affine.shift.push(bias.map_or(0.0, |bias| f64::from(bias[at])) - f64::from(mean) * scale);
            affine.distance = affine.distance.max((f64::from(mean) * rstd).abs());
        }
        affine
    }

    fn forward(&self, cx: Forward<'_>) {
        let (rows, cols) = rows_and_features(cx.inputs[0]);
        let (weight, bias) = split_affine(cx.weights, cols, self.scale, self.center);
        let (input, output, epsilon) = (cx.inputs[0].f32(), cx.output.into_f32(), self.epsilon);
        match cx.pass {
            Pass::Training { state, saved, settled, .. } => {
                let (mean, rstd) = saved.into_f32().split_at_mut(cols);
                let (running_mean, running_variance) = state.split_at_mut(cols);
                if settled {
                    mean.copy_from_slice(running_mean);
                    norm::reciprocal_std(running_variance, epsilon, rstd);
                    let call = norm::BatchNormInference { rows, cols, input, mean, rstd, weight, bias, output };
                    return norm::batch_norm_inference(call, cx.context);
                }
                let running = norm::RunningStatistics {
                    mean: running_mean,
                    variance: running_variance,
                    momentum: self.momentum,
                    unbiased: self.running_variance == RunningVariance::Unbiased,
                };
                let running = Some(running);
                let call = norm::BatchNorm { rows, cols, epsilon, input, weight, bias, output, mean, rstd, running };
                norm::batch_norm(call, cx.context);
            }
            Pass::Inference { state } => {
                let (mean, variance) = state.split_at(cols);
                let rstd = cx.scratch.values(cols);
                norm::reciprocal_std(variance, epsilon, rstd);
                let call = norm::BatchNormInference { rows, cols, input, mean, rstd, weight, bias, output };
                norm::batch_norm_inference(call, cx.context);
            }
        }
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let (rows, cols) = rows_and_features(cx.inputs[0]);
        let (weight, _) = split_affine(cx.weights, cols, self.scale, self.center);
        let (input, grad_input) = (cx.input(), cx.grad_input());
        let (grad_weight, grad_bias) = split_affine_mut(cx.grad_weights, cols, self.scale, self.center);
        let (mean, rstd) = cx.saved.f32().split_at(cols);
        let call = norm::BatchNormBackward {
            rows,
            cols,
            batch_statistics: !cx.settled,
            input,
            weight,
            mean,
            rstd,
            grad_output: cx.grad_output,
            grad_input,
            grad_weight,
            grad_bias,
            scratch: cx.scratch.values(2 * cols),
        };
        norm::batch_norm_backward(call, cx.context);
    }
}

/// The axis that is normalized: channels of maps, else the last.
fn features_axis(input: &Shape) -> usize {
    if input.axes().len() == 3 { 0 } else { input.axes().len().saturating_sub(1) }
}

fn features(input: &Shape) -> usize {
    input.axes().get(features_axis(input)).copied().unwrap_or(0)
}

/// What is normalized together: of maps, which lie channels last here, each pixel is a row.
fn rows_and_features(input: View<'_>) -> (usize, usize) {
    let cols = features(input.shape);
    (input.f32().len().checked_div(cols).unwrap_or(0), cols)
}

/// The learned weight and bias of a normalization, those that it has.
pub(crate) fn affine(features: usize, scale: bool, center: bool) -> Vec<ParamSpec> {
    [("weight", Init::Ones, scale), ("bias", Init::Zeros, center)]
        .into_iter()
        .filter(|(_, _, present)| *present)
        .map(|(role, init, _)| ParamSpec::new(role, vec![features], init))
        .collect()
}

/// Weight and bias out of the flat range of [`affine`].
pub(crate) fn split_affine(values: &[f32], cols: usize, scale: bool, center: bool) -> (Option<&[f32]>, Option<&[f32]>) {
    let (weight, bias) = values.split_at(if scale { cols } else { 0 });
    (scale.then_some(weight), center.then_some(bias))
}

/// As [`split_affine`], to be written.
pub(crate) fn split_affine_mut(
    values: &mut [f32],
    cols: usize,
    scale: bool,
    center: bool,
) -> (Option<&mut [f32]>, Option<&mut [f32]>) {
    let (weight, bias) = values.split_at_mut(if scale { cols } else { 0 });
    (scale.then_some(weight), center.then_some(bias))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradcheck;

    #[test]
    fn gradients_are_the_derivatives() {
        gradcheck(&BatchNorm::default().into(), &Shape::new([3]), 5);
        gradcheck(&BatchNorm { scale: false, ..BatchNorm::default() }.into(), &Shape::new([2, 3]), 4);
        gradcheck(&BatchNorm { center: false, ..BatchNorm::default() }.into(), &Shape::new([4]), 6);
        gradcheck(&BatchNorm::default().into(), &Shape::new([2, 3, 2]), 2);
    }

    #[test]
    fn counts_are_those_of_what_it_learns() {
        let count = |layer: BatchNorm| -> usize {
            let params = layer.params(&[&Shape::new([7])]);
            params.iter().filter(|spec| spec.trainable).map(ParamSpec::len).sum()
        };
        assert_eq!(count(BatchNorm::default()), 14);
        assert_eq!(count(BatchNorm { scale: false, ..BatchNorm::default() }), 7);
    }
}
