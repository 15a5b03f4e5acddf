//! Global average pooling: the mean of each map.

use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Reads, one};
use crate::layers::formula::Steps;
use crate::layers::sides::maps;
use crate::shape::Shape;
use plexus_kernels::pool::{global_avg_pool, global_avg_pool_backward};
use serde::{Deserialize, Serialize};

/// Takes the mean of each map, so that maps of any size become one number a channel.
///
/// ```text
/// output[b, c] = Σ_y Σ_x input[b, c, y, x] / (height · width)        grad_input = grad_output / (height · width)
/// ```
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `output`: `[channels]`
///
/// # Source
/// Lin, Chen and Yan 2013 (arXiv 1312.4400); shaped as Keras' `GlobalAveragePooling2D`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GlobalAvgPool {}

impl GlobalAvgPool {
    /// The layer; there is nothing to choose.
    pub fn new() -> Self {
        GlobalAvgPool {}
    }
}

impl LayerKind for GlobalAvgPool {
    fn kind(&self) -> &'static str {
        "global_avg_pool"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        vec![(self.kind(), "output[c] = mean over y, x of input[c, y, x]".to_string())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let [channels, height, width] = maps(one(inputs)?)?;
        if height * width == 0 {
            let help = "The mean of nothing is not defined.";
            return Err(Mismatch::new("the maps", "at least one pixel", format!("{height} x {width}"), help));
        }
        Ok(Shape::new([channels]))
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let [channels, height, width] = maps(cx.inputs[0].shape).unwrap_or_default();
        let size = [cx.rows, height * width, channels];
        global_avg_pool(size, cx.inputs[0].f32(), cx.output.into_f32(), cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        let [channels, height, width] = maps(cx.inputs[0].shape).unwrap_or_default();
        global_avg_pool_backward([cx.rows, height * width, channels], cx.grad_output, grad_input, cx.context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradcheck;

    #[test]
    fn gradients_are_the_derivatives() {
        gradcheck(&GlobalAvgPool {}.into(), &Shape::new([3, 2, 4]), 2);
    }
}
