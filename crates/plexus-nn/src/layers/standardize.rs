//! Standardize: the mean and the spread of the training data, inside the model.

use crate::init::Init;
use crate::layer::{Affine, Along, Backward, Forward, LayerKind, Maps, Mismatch, ParamSpec, Pass, Reads, one};
use crate::layers::formula::Steps;
use crate::shape::Shape;
use crate::window::{Slide, points};
use plexus_kernels::norm;
use serde::{Deserialize, Serialize};

/// Brings inputs to mean 0 and standard deviation 1 by constants taken from the training data.
///
/// ```text
/// output[e] = (input[e] − mean[e]) · scale[e]        grad_input[e] = grad_output[e] · scale[e]
/// ```
///
/// The constants are saved with the model, so that it takes raw inputs; training does not change them.
///
/// # Shapes
/// - `input`, `output`: any, the same
/// - `mean`, `scale`: `[elements of a sample]`, or `[1]` for the same two numbers everywhere
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Standardize {
    /// Whether each element has its own mean and scale (a table of columns) or all share one (an image).
    #[serde(default)]
    pub per_feature: bool,
}

impl Standardize {
    /// All keys at their defaults.
    pub fn new() -> Self {
        Standardize::default()
    }

    fn len(&self, input: &Shape) -> usize {
        if self.per_feature { input.len().unwrap_or(0) } else { 1 }
    }
}

with_keys! { Standardize {
    with_per_feature(per_feature: bool) = per_feature;
} }

impl LayerKind for Standardize {
    fn kind(&self) -> &'static str {
        "standardize"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        vec![(self.kind(), "output[e] = (input[e] - mean[e]) * scale[e]".to_string())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        Ok(input.clone())
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        points(inputs[0])
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let shape = vec![self.len(inputs[0])];
        [("mean", Init::Zeros), ("scale", Init::Ones)]
            .map(|(role, init)| ParamSpec::constant(role, shape.clone(), init))
            .to_vec()
    }

    fn maps(&self) -> Maps {
        if self.per_feature { Maps::First } else { Maps::Any }
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn scales_along(&self, inputs: &[&Shape]) -> Option<Along> {
        match inputs[0].axes().len() {
            _ if !self.per_feature => Some(Along::All),
            1 => Some(Along::Axis(0)),
            _ => None,
        }
    }

    fn affine(&self, _weights: &[f32], state: &[f32]) -> Affine {
        let (mean, scale) = state.split_at(state.len() / 2);
        let scale: Vec<f64> = scale.iter().map(|&scale| f64::from(scale)).collect();
        let shift: Vec<f64> = mean.iter().zip(&scale).map(|(&mean, scale)| -f64::from(mean) * scale).collect();
        let distance = shift.iter().fold(0.0, |most: f64, shift| most.max(shift.abs()));
        Affine { scale, shift, distance }
    }

    fn forward(&self, cx: Forward<'_>) {
        let state = match &cx.pass {
            Pass::Training { state, .. } => &**state,
            Pass::Inference { state } => state,
        };
        let (mean, scale) = state.split_at(self.len(cx.input_shape()));
        let (rows, cols) = (cx.rows, cx.input_shape().len().unwrap_or(0));
        let (input, output) = (cx.inputs[0].f32(), cx.output.into_f32());
        norm::standardize(norm::Standardize { rows, cols, input, mean, scale, output }, cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        let (_, scale) = cx.state.split_at(self.len(cx.input_shape()));
        let (rows, cols) = (cx.rows, cx.input_shape().len().unwrap_or(0));
        let grad_output = cx.grad_output;
        norm::standardize_backward(
            norm::StandardizeBackward { rows, cols, scale, grad_output, grad_input },
            cx.context,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Runner, gradcheck};

    #[test]
    fn inputs_are_shifted_then_scaled() {
        let layer = Standardize { per_feature: true };
        let run = Runner::new(&layer.into(), &Shape::new([2]), &[], &[1.0, 2.0, 10.0, 0.5]);
        let result = run.run(1, &[3.0, 4.0], &[1.0, 1.0], 1);
        assert_eq!(result.output, [20.0, 1.0]);
        assert_eq!(result.grad_input, [10.0, 0.5]);
    }

    #[test]
    fn gradients_are_the_derivatives() {
        gradcheck(&Standardize { per_feature: false }.into(), &Shape::new([3]), 2);
    }
}
