//! Adaptive average pooling: means of as many windows as the output has pixels.

use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Reads, one};
use crate::layers::formula::Steps;
use crate::layers::sides::{Pair, maps};
use crate::shape::Shape;
use plexus_kernels::pool::{Bins, adaptive_avg_pool, adaptive_avg_pool_backward};
use serde::{Deserialize, Serialize};

/// Takes means of windows whose sizes follow from the size of the output, so that maps of any size become one size.
///
/// ```text
/// output[b, c, y, x] = the mean of input[b, c, r, q] over  ⌊y · height / rows⌋ ≤ r < ⌈(y + 1) · height / rows⌉, q alike
/// ```
///
/// Windows differ by at most one row and may overlap; a map that has the size of the output already goes through unchanged.
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `output`: `[channels, rows, columns]` as `output_size` says
///
/// # Source
/// As PyTorch's `AdaptiveAvgPool2d`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AdaptiveAvgPool2d {
    /// Rows and columns that come out.
    pub output_size: Pair,
}

impl AdaptiveAvgPool2d {
    /// To maps of this size; one number is both sides.
    pub fn new(output_size: impl Into<Pair>) -> Self {
        AdaptiveAvgPool2d { output_size: output_size.into() }
    }

    fn bins(&self, input: &Shape) -> Bins {
        let [channels, height, width] = maps(input).unwrap_or_default();
        Bins { channels, input: [height, width], output: self.output_size.sizes() }
    }
}

impl LayerKind for AdaptiveAvgPool2d {
    fn kind(&self) -> &'static str {
        "adaptive_avg_pool2d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let ([_, height, width], [rows, cols]) = (maps(inputs[0]).unwrap_or_default(), self.output_size.sizes());
        let range = |letter: &str, at: &str, all: usize, parts: usize| {
            format!("floor({at} * {all} / {parts}) <= {letter} < ceil(({at} + 1) * {all} / {parts})")
        };
        let (r, q) = (range("r", "y", height, rows), range("q", "x", width, cols));
        vec![(self.kind(), format!("output[c, y, x] = mean of input[c, r, q] over {r}, {q}"))]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let [channels, height, width] = maps(one(inputs)?)?;
        if height == 0 || width == 0 {
            let help = "The mean of nothing is not defined.";
            return Err(Mismatch::new("the maps", "at least one pixel", format!("{height} x {width}"), help));
        }
        let [rows, cols] = self.output_size.sizes();
        if rows == 0 || cols == 0 {
            let got = format!("{rows} x {cols}");
            return Err(Mismatch::new("output_size", "at least one row and one column", got, ""));
        }
        Ok(Shape::new([channels, rows, cols]))
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let bins = self.bins(cx.inputs[0].shape);
        adaptive_avg_pool(bins, cx.rows, cx.inputs[0].f32(), cx.output.into_f32(), cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        adaptive_avg_pool_backward(self.bins(cx.inputs[0].shape), cx.rows, cx.grad_output, grad_input, cx.context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradcheck;

    #[test]
    fn gradients_are_the_derivatives() {
        for output_size in [Pair::Both(2), Pair::Each([5, 3]), Pair::Each([4, 7])] {
            gradcheck(&AdaptiveAvgPool2d { output_size }.into(), &Shape::new([2, 4, 5]), 2);
        }
    }

    #[test]
    fn sizes_without_pixels_are_refused() {
        let refused = |size: usize, input: [usize; 3]| {
            AdaptiveAvgPool2d::new(size).infer(&[&Shape::new(input)]).unwrap_err().compared
        };
        assert_eq!(refused(0, [1, 4, 4]), "output_size");
        assert_eq!(refused(2, [1, 0, 4]), "the maps");
    }
}
