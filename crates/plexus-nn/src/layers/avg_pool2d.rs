//! Average pooling: the mean of each window.

use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Reads, one};
use crate::layers::formula::{Steps, places};
use crate::layers::max_pool2d::{infer, pooling};
use crate::layers::sides::{Padding, Pair, maps};
use crate::shape::Shape;
use crate::window::Slide;
use plexus_kernels::pool::{AvgPool, AvgPoolBackward, Window, avg_pool, avg_pool_backward};
use serde::{Deserialize, Serialize};

/// Takes the mean of each window of each map.
///
/// ```text
/// output[b, c, y, x]     = Σ_i Σ_j input[b, c, y·s0 + i − top, x·s1 + j − left] / count
/// grad_input[b, c, r, q] = Σ grad_output[b, c, y, x] / count, over the windows that saw it
/// ```
///
/// `count` is the number of elements of the window, zeros of the padding included; without `count_include_pad` those
/// inside the map. What `ceil_mode` adds beyond the padding never counts.
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `output`: as of max_pool2d
///
/// # Source
/// As PyTorch's `AvgPool2d`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AvgPool2d {
    /// Rows and columns of a window.
    pub kernel_size: Pair,
    /// Rows and columns from one window to the next; the default is the size of a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Pair>,
    /// Zeros around the map.
    #[serde(default = "Padding::none", skip_serializing_if = "Padding::is_none")]
    pub padding: Padding,
    /// Whether a last window that is not complete counts too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ceil_mode: bool,
    /// Whether zeros of the padding count in the mean.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub count_include_pad: bool,
}

fn yes() -> bool {
    true
}

impl AvgPool2d {
    /// Windows side by side; one number is both sides of a window.
    pub fn new(kernel_size: impl Into<Pair>) -> Self {
        let (stride, padding) = (None, Padding::none());
        let kernel_size = kernel_size.into();
        AvgPool2d { kernel_size, stride, padding, ceil_mode: false, count_include_pad: true }
    }

    pub(super) fn window(&self, input: &Shape) -> Window {
        let [channels, height, width] = maps(input).unwrap_or_default();
        let (kernel, dilation) = (self.kernel_size.sizes(), [1; 2]);
        let stride = self.stride.map_or(kernel, Pair::sizes);
        let padding = self.padding.sides(kernel, dilation);
        Window { channels, height, width, kernel, stride, padding, dilation, ceil: self.ceil_mode }
    }
}

with_keys! { AvgPool2d {
    with_stride(stride: impl Into<Pair>) = Some(stride.into());
    with_padding(padding: impl Into<Padding>) = padding.into();
    with_ceil_mode(ceil_mode: bool) = ceil_mode;
    with_count_include_pad(count_include_pad: bool) = count_include_pad;
} }

impl LayerKind for AvgPool2d {
    fn kind(&self) -> &'static str {
        "avg_pool2d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let [y, x] = places(&pooling(self.window(inputs[0])), [1; 2]);
        let [rows, cols] = self.kernel_size.sizes();
        let counted = if self.count_include_pad { "" } else { ", of those inside the map" };
        let formula = format!("output[c, y, x] = mean over i < {rows}, j < {cols} of input[c, {y}, {x}]{counted}");
        vec![(self.kind(), formula)]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        maps(input)?;
        infer(self.window(input))
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        Some(pooling(self.window(inputs[0])))
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let (window, batch, input) = (self.window(cx.inputs[0].shape), cx.rows, cx.inputs[0].f32());
        let (output, count_include_pad) = (cx.output.into_f32(), self.count_include_pad);
        avg_pool(AvgPool { window, batch, input, output, count_include_pad }, cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        let (window, batch, grad_output) = (self.window(cx.inputs[0].shape), cx.rows, cx.grad_output);
        let count_include_pad = self.count_include_pad;
        avg_pool_backward(AvgPoolBackward { window, batch, grad_output, grad_input, count_include_pad }, cx.context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradcheck;

    #[test]
    fn gradients_are_the_derivatives() {
        let overlapping = AvgPool2d { stride: Some(Pair::Both(2)), padding: Padding::All(1), ..AvgPool2d::new(3) };
        let inside = AvgPool2d { count_include_pad: false, ceil_mode: true, ..overlapping };
        for layer in [AvgPool2d::new(2), overlapping, inside] {
            gradcheck(&layer.into(), &Shape::new([2, 5, 6]), 2);
        }
    }
}
