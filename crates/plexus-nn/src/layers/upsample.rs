//! Upsample: every pixel becomes a square of equal ones.

use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Reads, one};
use crate::layers::sides::maps;
use crate::shape::Shape;
use plexus_kernels::pool::{upsample, upsample_backward};
use serde::{Deserialize, Serialize};

/// Enlarges maps by a whole factor: the nearest pixel is repeated.
///
/// ```text
/// output[b, c, y, x]     = input[b, c, ⌊y / factor⌋, ⌊x / factor⌋]
/// grad_input[b, c, y, x] = the sum of grad_output over the square that shows the pixel
/// ```
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `output`: `[channels, factor · height, factor · width]`
///
/// # Source
/// As PyTorch's `Upsample` in the mode `nearest`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Upsample {
    /// How many times as many rows and columns.
    pub factor: usize,
}

impl Upsample {
    /// By this whole factor, rows and columns.
    pub fn new(factor: usize) -> Self {
        Upsample { factor }
    }
}

impl LayerKind for Upsample {
    fn kind(&self) -> &'static str {
        "upsample"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let [channels, height, width] = maps(one(inputs)?)?;
        let enlarged = |size: usize| size.checked_mul(self.factor).filter(|_| self.factor > 0);
        match (enlarged(height), enlarged(width)) {
            (Some(height), Some(width)) => Ok(Shape::new([channels, height, width])),
            _ => Err(Mismatch::new("factor", "a whole number from 1 on", self.factor.to_string(), "")),
        }
    }

    fn is_identity(&self, _training: bool) -> bool {
        self.factor == 1
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let [channels, height, width] = maps(cx.inputs[0].shape).unwrap_or_default();
        let size = [cx.rows, height, width, channels];
        upsample(size, self.factor, cx.inputs[0].f32(), cx.output.into_f32(), cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        let [channels, height, width] = maps(cx.inputs[0].shape).unwrap_or_default();
        let size = [cx.rows, height, width, channels];
        upsample_backward(size, self.factor, cx.grad_output, grad_input, cx.context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradcheck;

    #[test]
    fn gradients_are_the_derivatives() {
        gradcheck(&Upsample { factor: 3 }.into(), &Shape::new([2, 2, 3]), 2);
    }
}
