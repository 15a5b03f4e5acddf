//! Max pooling: the largest number of each window.

use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Pass, Reads, Saved, one};
use crate::layers::formula::{Steps, places};
use crate::layers::sides::{Padding, Pair, check_sizes, maps, sliding, too_large};
use crate::shape::Shape;
use crate::view::DType;
use crate::window::Slide;
use plexus_kernels::pool::{MaxPool, MaxPoolBackward, Window, max_pool, max_pool_backward};
use serde::{Deserialize, Serialize};

/// Takes the largest number of each window of each map.
///
/// ```text
/// output[b, c, y, x] = max over i, j of input[b, c, y·s0 + i·d0 − top, x·s1 + j·d1 − left], inside the map
/// ```
///
/// The gradient goes to the number that was chosen: of equal ones the first in row-major order. NaN is larger than any
/// number. Padding is never chosen, and is at most half of the kernel, as in PyTorch.
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `output`: `[channels, (height + padding − dilation · (kernel − 1) − 1) / stride + 1, …]`, rounded down, or up with
///   `ceil_mode` (without a last window that would start behind the map)
///
/// # Source
/// As PyTorch's `MaxPool2d`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MaxPool2d {
    /// Rows and columns of a window.
    pub kernel_size: Pair,
    /// Rows and columns from one window to the next; the default is the size of a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Pair>,
    /// Rows and columns around the map.
    #[serde(default = "Padding::none", skip_serializing_if = "Padding::is_none")]
    pub padding: Padding,
    /// Rows and columns from one element of a window to the next; 1 is dense.
    #[serde(default = "Pair::one", skip_serializing_if = "Pair::is_one")]
    pub dilation: Pair,
    /// Whether a last window that is not complete counts too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ceil_mode: bool,
}

impl MaxPool2d {
    /// Windows side by side; one number is both sides of a window.
    pub fn new(kernel_size: impl Into<Pair>) -> Self {
        let (stride, padding, dilation) = (None, Padding::none(), Pair::one());
        MaxPool2d { kernel_size: kernel_size.into(), stride, padding, dilation, ceil_mode: false }
    }

    pub(super) fn window(&self, input: &Shape) -> Window {
        let [channels, height, width] = maps(input).unwrap_or_default();
        let (kernel, dilation) = (self.kernel_size.sizes(), self.dilation.sizes());
        let stride = self.stride.map_or(kernel, Pair::sizes);
        let padding = self.padding.sides(kernel, dilation);
        Window { channels, height, width, kernel, stride, padding, dilation, ceil: self.ceil_mode }
    }
}

with_keys! { MaxPool2d {
    with_stride(stride: impl Into<Pair>) = Some(stride.into());
    with_padding(padding: impl Into<Padding>) = padding.into();
    with_dilation(dilation: impl Into<Pair>) = dilation.into();
    with_ceil_mode(ceil_mode: bool) = ceil_mode;
} }

/// The shape that leaves a pooling.
pub(super) fn infer(window: Window) -> Result<Shape, Mismatch> {
    let Window { channels, height, width, kernel, stride, padding, dilation, .. } = window;
    check_sizes(kernel, stride, padding, dilation)?;
    // A window in the padding alone would have nothing to choose from.
    if let Some(side) = (0..4).find(|side| padding[*side] > kernel[side % 2] / 2) {
        let half = kernel[side % 2] / 2;
        let help = "A pooling pads by at most half of its kernel.";
        return Err(Mismatch::new("padding", format!("at most {half}"), padding[side].to_string(), help));
    }
    match window.output() {
        Some([rows, cols]) => Ok(Shape::new([channels, rows, cols])),
        None => Err(too_large([channels, height, width], kernel, padding, dilation)),
    }
}

/// How the windows of a pooling slide.
pub(super) fn pooling(window: Window) -> Vec<Slide> {
    let Window { kernel, stride, padding, dilation, ceil, .. } = window;
    sliding(kernel, stride, padding, dilation, !ceil)
}

impl LayerKind for MaxPool2d {
    fn kind(&self) -> &'static str {
        "max_pool2d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let [y, x] = places(&pooling(self.window(inputs[0])), self.dilation.sizes());
        let [rows, cols] = self.kernel_size.sizes();
        vec![(self.kind(), format!("output[c, y, x] = max over i < {rows}, j < {cols} of input[c, {y}, {x}]"))]
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

    fn saved(&self, inputs: &[&Shape]) -> Saved {
        Saved { dtype: DType::U32, per_row: self.window(inputs[0]).output_len(), fixed: 0 }
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn is_two_by_two_max(&self) -> bool {
        let Window { kernel, stride, padding, dilation, ceil, .. } = self.window(&Shape::default());
        kernel == [2; 2] && stride == [2; 2] && padding == [0; 4] && dilation == [1; 2] && !ceil
    }

    fn forward(&self, cx: Forward<'_>) {
        let positions = match cx.pass {
            Pass::Training { saved, .. } => Some(saved.into_u32()),
            Pass::Inference { .. } => None,
        };
        let (window, batch, input) = (self.window(cx.inputs[0].shape), cx.rows, cx.inputs[0].f32());
        max_pool(MaxPool { window, batch, input, output: cx.output.into_f32(), positions }, cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        let (window, batch, grad_output) = (self.window(cx.inputs[0].shape), cx.rows, cx.grad_output);
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
        let overlapping = MaxPool2d { stride: Some(Pair::Both(2)), padding: Padding::All(1), ..MaxPool2d::new(3) };
        for layer in [MaxPool2d::new(2), overlapping, MaxPool2d { ceil_mode: true, ..MaxPool2d::new(2) }] {
            gradcheck(&layer.into(), &Shape::new([2, 5, 5]), 2);
        }
    }

    #[test]
    fn padding_beyond_half_of_the_kernel_is_refused() {
        let layer = MaxPool2d { padding: Padding::All(2), ..MaxPool2d::new(3) };
        assert_eq!(layer.infer(&[&Shape::new([1, 8, 8])]).unwrap_err().compared, "padding");
    }
}
