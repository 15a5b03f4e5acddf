//! Global max pooling: the largest number of each map.

use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Pass, Reads, Saved, one};
use crate::layers::formula::Steps;
use crate::layers::sides::maps;
use crate::shape::Shape;
use crate::view::DType;
use plexus_kernels::pool::{MaxPool, MaxPoolBackward, Window, max_pool, max_pool_backward};
use serde::{Deserialize, Serialize};

/// Takes the largest number of each map, so that maps of any size become one number a channel.
///
/// ```text
/// output[b, c] = max over y, x of input[b, c, y, x]        the gradient goes to the number that was chosen
/// ```
///
/// Of equal numbers the first is chosen; NaN is larger than any number.
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `output`: `[channels]`
///
/// # Source
/// Shaped as Keras' `GlobalMaxPooling2D`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GlobalMaxPool {}

impl GlobalMaxPool {
    /// The layer; there is nothing to choose.
    pub fn new() -> Self {
        GlobalMaxPool {}
    }
}

/// One window over the whole map.
fn window(input: &Shape) -> Window {
    let [channels, height, width] = maps(input).unwrap_or_default();
    Window::plain([channels, height, width], [height, width])
}

impl LayerKind for GlobalMaxPool {
    fn kind(&self) -> &'static str {
        "global_max_pool"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        vec![(self.kind(), "output[c] = max over y, x of input[c, y, x]".to_string())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let [channels, height, width] = maps(one(inputs)?)?;
        if height * width == 0 {
            let help = "Nothing has no largest number.";
            return Err(Mismatch::new("the maps", "at least one pixel", format!("{height} x {width}"), help));
        }
        Ok(Shape::new([channels]))
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    fn saved(&self, inputs: &[&Shape]) -> Saved {
        Saved { dtype: DType::U32, per_row: window(inputs[0]).channels, fixed: 0 }
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let positions = match cx.pass {
            Pass::Training { saved, .. } => Some(saved.into_u32()),
            Pass::Inference { .. } => None,
        };
        let (window, batch, input) = (window(cx.inputs[0].shape), cx.rows, cx.inputs[0].f32());
        max_pool(MaxPool { window, batch, input, output: cx.output.into_f32(), positions }, cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        let (window, batch, grad_output) = (window(cx.inputs[0].shape), cx.rows, cx.grad_output);
        let call = MaxPoolBackward { window, batch, grad_output, positions: cx.saved.u32(), grad_input };
        max_pool_backward(call, cx.context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradcheck;

    #[test]
    fn gradients_are_the_derivatives() {
        gradcheck(&GlobalMaxPool {}.into(), &Shape::new([3, 2, 4]), 2);
    }
}
