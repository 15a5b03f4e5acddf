//! Softmax: scores become probabilities.

use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Reads, one};
use crate::layers::axis::{cols_of, maps_of, row_axis, rows_of};
use crate::layers::formula::Steps;
use crate::shape::Shape;
use crate::window::{Slide, points};
use plexus_kernels::softmax;
use serde::{Deserialize, Serialize};

/// Turns every row into probabilities.
///
/// ```text
/// p[j]          = e^input[j] / Σ_k e^input[k]
/// grad_input[j] = p[j] · (grad_output[j] − Σ_k grad_output[k] · p[k])
/// ```
///
/// The last axis is one row, or with `axis` another: of maps `axis = 0` makes every pixel one, over its channels. The largest element is subtracted before any exponential, so large numbers are safe.
///
/// # Shapes
/// - `input`, `output`: `[…, features]`; with an axis of 0 also `[channels, height, width]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Softmax {
    /// Over which axis of a sample, from 0; `None` is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<usize>,
}

impl Softmax {
    /// Over the last axis.
    pub fn new() -> Self {
        Softmax::default()
    }
}

with_keys! { Softmax {
    with_axis(axis: usize) = Some(axis);
} }

impl Softmax {
    /// Numbers of a row.
    pub fn cols(&self, shape: &Shape) -> usize {
        cols_of(self.axis, shape)
    }
}

impl LayerKind for Softmax {
    fn kind(&self) -> &'static str {
        "softmax"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        vec![(
            self.kind(),
            "output[j] = exp(input[j] - m) / sum over k of exp(input[k] - m), m = max over k of input[k]".to_string(),
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
        softmax::softmax(rows, cols, cx.input(), cx.output.into_f32(), cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        if let Some(grad_input) = cx.grad_input() {
            let size = rows_of(self.axis, cx.output);
            softmax::softmax_backward(size, cx.output.f32(), cx.grad_output, grad_input, cx.context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gradcheck, run_layer};

    fn softmax_of(values: &[f32]) -> Vec<f32> {
        let zeros = vec![0.0; values.len()];
        run_layer(&Softmax::new().into(), &Shape::new([values.len()]), 1, values, &[], &zeros).output
    }

    #[test]
    fn the_two_class_example_gives_its_golden_numbers() {
        let p = softmax_of(&[-7.98, 2.39]);
        assert!((p[0] - 3.135_830_7e-5).abs() < 1e-10 && (p[1] - 0.999_968_64).abs() < 1e-7, "{p:?}");
        // 95 % over two classes needs a gap of ln 19.
        let p = softmax_of(&[2.944_439, 0.0]);
        assert!((p[0] - 0.95).abs() < 1e-6);
    }

    #[test]
    fn extreme_rows_are_safe_and_sum_to_one() {
        assert_eq!(softmax_of(&[1e4, -1e4, 0.0]), [1.0, 0.0, 0.0]);
        assert_eq!(softmax_of(&[f32::NEG_INFINITY, 3.0, 3.0]), [0.0, 0.5, 0.5]);
        assert_eq!(softmax_of(&[-5.0]), [1.0]);
        let sum: f32 = softmax_of(&(0..1000).map(|i| (i as f32 * 0.37).sin() * 20.0).collect::<Vec<_>>()).iter().sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }

    #[test]
    fn gradients_are_the_derivatives() {
        gradcheck(&Softmax::new().into(), &Shape::new([5]), 3);
        gradcheck(&Softmax::new().with_axis(0).into(), &Shape::new([3, 2, 2]), 2);
        gradcheck(&Softmax::new().into(), &Shape::new([2, 3]), 2);
    }
}
