//! Upsample: maps of a multiple of the size.

use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Reads, one};
use crate::layers::formula::Steps;
use crate::layers::sides::maps;
use crate::shape::Shape;
use crate::window::Slide;
use plexus_kernels::pool::{upsample, upsample_backward, upsample_bilinear, upsample_bilinear_backward};
use serde::{Deserialize, Serialize};

/// Enlarges maps by a whole factor: the nearest pixel is repeated, or what lies between pixels is interpolated.
///
/// ```text
/// nearest:  output[b, c, y, x] = input[b, c, ⌊y / factor⌋, ⌊x / factor⌋]
/// bilinear: output[b, c, y, x] = Σ over the two nearest rows r and columns q of  weight(y, r) · weight(x, q) · input[b, c, r, q]
///           at the place  max(0, (y + 1/2) / factor − 1/2)  of the input, columns alike
/// grad_input                   = for each pixel the sum of grad_output over what was made of it, with the same weights
/// ```
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `output`: `[channels, factor · height, factor · width]`
///
/// # Source
/// As PyTorch's `Upsample` in the modes `nearest` and `bilinear` (with `align_corners=False`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Upsample {
    /// How many times as many rows and columns.
    pub factor: usize,
    /// What is put between the pixels.
    #[serde(default, skip_serializing_if = "UpsampleMode::is_default")]
    pub mode: UpsampleMode,
}

/// What is put between pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UpsampleMode {
    /// The nearest one again.
    #[default]
    Nearest,
    /// Straight lines.
    Bilinear,
}

impl UpsampleMode {
    fn is_default(&self) -> bool {
        *self == UpsampleMode::default()
    }
}

impl Upsample {
    /// By this whole factor, rows and columns.
    pub fn new(factor: usize) -> Self {
        Upsample { factor, mode: UpsampleMode::Nearest }
    }
}

with_keys! { Upsample {
    with_mode(mode: UpsampleMode) = mode;
} }

impl LayerKind for Upsample {
    fn kind(&self) -> &'static str {
        "upsample"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let factor = self.factor;
        let formula = match self.mode {
            UpsampleMode::Nearest => format!("output[c, y, x] = input[c, floor(y / {factor}), floor(x / {factor})]"),
            _ => format!(
                "output[c, y, x] = input[c, (y + 1/2) / {factor} - 1/2, (x + 1/2) / {factor} - 1/2], between its four neighbors"
            ),
        };
        vec![(self.kind(), formula)]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let [channels, height, width] = maps(one(inputs)?)?;
        let enlarged = |size: usize| size.checked_mul(self.factor).filter(|_| self.factor > 0);
        match (enlarged(height), enlarged(width)) {
            (Some(height), Some(width)) => Ok(Shape::new([channels, height, width])),
            _ => Err(Mismatch::new("factor", "a whole number from 1 on", self.factor.to_string(), "")),
        }
    }

    fn slides(&self, _inputs: &[&Shape]) -> Option<Vec<Slide>> {
        let (factor, half) = (self.factor as i64, self.factor as i64 / 2);
        let (size, before) = match self.mode {
            UpsampleMode::Nearest => (self.factor, factor - 1),
            UpsampleMode::Bilinear if factor == 1 => (1, 0),
            // The pixel before and the pixel behind.
            UpsampleMode::Bilinear => (2 * self.factor, half + factor - 1),
        };
        let behind = factor + size as i64 - 2 - before;
        Some(vec![Slide { size, before, behind, spread: self.factor, ..Slide::POINT }; 2])
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
        let kernel = match self.mode {
            UpsampleMode::Nearest => upsample,
            UpsampleMode::Bilinear => upsample_bilinear,
        };
        kernel(size, self.factor, cx.inputs[0].f32(), cx.output.into_f32(), cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        let [channels, height, width] = maps(cx.inputs[0].shape).unwrap_or_default();
        let size = [cx.rows, height, width, channels];
        let kernel = match self.mode {
            UpsampleMode::Nearest => upsample_backward,
            UpsampleMode::Bilinear => upsample_bilinear_backward,
        };
        kernel(size, self.factor, cx.grad_output, grad_input, cx.context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradcheck;

    #[test]
    fn gradients_are_the_derivatives() {
        for mode in [UpsampleMode::Nearest, UpsampleMode::Bilinear] {
            gradcheck(&Upsample::new(3).with_mode(mode).into(), &Shape::new([2, 2, 3]), 2);
        }
    }
}
