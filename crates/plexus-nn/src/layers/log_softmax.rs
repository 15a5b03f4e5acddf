//! Log-softmax: scores become logarithms of probabilities.

use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Reads, one};
use crate::layers::axis::{maps_of, row_axis, rows_of};
use crate::layers::formula::Steps;
use crate::shape::Shape;
use crate::window::{Slide, points};
use plexus_kernels::softmax;
use serde::{Deserialize, Serialize};

/// Turns every row into logarithms of probabilities.
///
/// ```text
/// output[j]     = input[j] − ln Σ_k e^input[k]
/// grad_input[j] = grad_output[j] − e^output[j] · Σ_k grad_output[k]
/// ```
///
/// The last axis is one row, or with `axis` another: of maps `axis = 0` makes every pixel one, over its channels. The largest element is subtracted before any exponential, so large numbers are safe.
///
/// # Shapes
/// - `input`, `output`: `[…, features]`; with an axis of 0 also `[channels, height, width]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LogSoftmax {
    /// Over which axis of a sample, from 0; `None` is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<usize>,
}

impl LogSoftmax {
    /// Over the last axis.
    pub fn new() -> Self {
        LogSoftmax::default()
    }
}

with_keys! { LogSoftmax {
    with_axis(axis: usize) = Some(axis);
} }

impl LayerKind for LogSoftmax {
    fn kind(&self) -> &'static str {
        "log_softmax"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        vec![(
            self.kind(),
            "output[j] = input[j] - m - ln(sum over k of exp(input[k] - m)), m = max over k of input[k]".to_string(),
        )]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        row_axis(self.axis, one(inputs)?)
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        points(inputs[0]).filter(|windows| self.axis == Some(0) || windows.is_empty())
    }

    fn maps(&self) -> Maps {
        maps_of(self.axis)
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: true }
    }

    fn forward(&self, cx: Forward<'_>) {
        let (rows, cols) = rows_of(self.axis, cx.inputs[0]);
        softmax::log_softmax(rows, cols, cx.input(), cx.output.into_f32(), cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        if let Some(grad_input) = cx.grad_input() {
            let size = rows_of(self.axis, cx.output);
            softmax::log_softmax_backward(size, cx.output.f32(), cx.grad_output, grad_input, cx.context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gradcheck, run_layer};

    #[test]
    fn the_two_class_example_gives_its_golden_numbers() {
        let run = run_layer(&LogSoftmax::new().into(), &Shape::new([2]), 1, &[-7.98, 2.39], &[], &[0.0; 2]);
        assert!((run.output[0] + 10.370_031).abs() < 2e-6, "{:?}", run.output);
        assert!((run.output[1] + 3.135_88e-5).abs() < 2e-8, "{:?}", run.output);
    }

    #[test]
    fn gradients_are_the_derivatives() {
        gradcheck(&LogSoftmax::new().into(), &Shape::new([5]), 3);
        gradcheck(&LogSoftmax::new().with_axis(0).into(), &Shape::new([3, 2, 2]), 2);
    }
}
