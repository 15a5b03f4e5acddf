//! Pooling along a line: the largest number or the mean of each window of a sequence.

use crate::layer::{Backward, Forward, LayerKind, Mismatch, Pass, Reads, Saved, one};
use crate::layers::conv1d::sequences;
use crate::layers::formula::{Steps, place};
use crate::layers::max_pool2d::{infer, pooling};
use crate::shape::Shape;
use crate::view::DType;
use crate::window::Slide;
use plexus_kernels::pool::{
    AvgPool, AvgPoolBackward, MaxPool, MaxPoolBackward, Window, avg_pool, avg_pool_backward, max_pool,
    max_pool_backward,
};
use serde::{Deserialize, Serialize};

/// Takes the largest number of each window of each channel.
///
/// ```text
/// output[b, c, t] = max over i of input[b, c, t · stride + i · dilation − padding], inside the sequence
/// ```
///
/// # Shapes
/// - `input`: `[channels, length]`
/// - `output`: `[channels, (length + 2 · padding − dilation · (kernel − 1) − 1) / stride + 1]`, rounded down, or up with
///   `ceil_mode`
///
/// # Source
/// As PyTorch's `MaxPool1d`; equal numbers and NaN as in max_pool2d.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MaxPool1d {
    /// Elements of a window.
    pub kernel_size: usize,
    /// Elements from one window to the next; the default is the size of a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// Elements at both ends, at most half of a window.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub padding: usize,
    /// Elements from one of a window to the next; 1 is dense.
    #[serde(default = "one_step", skip_serializing_if = "is_one")]
    pub dilation: usize,
    /// Whether a last window that is not complete counts too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ceil_mode: bool,
}

/// Takes the mean of each window of each channel.
///
/// ```text
/// output[b, c, t] = Σ_i input[b, c, t · stride + i − padding] / count
/// ```
///
/// `count` is as in avg_pool2d.
///
/// # Shapes
/// - `input`: `[channels, length]`
/// - `output`: as of max_pool1d
///
/// # Source
/// As PyTorch's `AvgPool1d`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AvgPool1d {
    /// Elements of a window.
    pub kernel_size: usize,
    /// Elements from one window to the next; the default is the size of a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// Zeros at both ends, at most half of a window.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub padding: usize,
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

fn one_step() -> usize {
    1
}

fn is_one(number: &usize) -> bool {
    *number == 1
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The window of one channel, which lies in one piece: every channel is a map of one row and one channel.
fn window(input: &Shape, kernel: usize, stride: Option<usize>, padding: usize) -> Window {
    let [_, length] = sequences(input).unwrap_or_default();
    let plain = Window::plain([1, 1, length], [1, kernel]);
    Window { stride: [1, stride.unwrap_or(kernel)], padding: [0, padding, 0, padding], ..plain }
}

/// Channels of a batch.
fn lines(input: &Shape, batch: usize) -> usize {
    batch * sequences(input).map_or(0, |[channels, _]| channels)
}

/// The shape that leaves.
fn pooled(input: &Shape, window: Window) -> Result<Shape, Mismatch> {
    let [channels, _] = sequences(input)?;
    let length = infer(window)?.last().unwrap_or(0);
    Ok(Shape::new([channels, length]))
}

impl MaxPool1d {
    /// Windows side by side.
    pub fn new(kernel_size: usize) -> Self {
        MaxPool1d { kernel_size, stride: None, padding: 0, dilation: 1, ceil_mode: false }
    }

    fn window(&self, input: &Shape) -> Window {
        let plain = window(input, self.kernel_size, self.stride, self.padding);
        Window { dilation: [1, self.dilation], ceil: self.ceil_mode, ..plain }
    }
}

with_keys! { MaxPool1d {
    with_stride(stride: usize) = Some(stride);
    with_padding(padding: usize) = padding;
    with_dilation(dilation: usize) = dilation;
    with_ceil_mode(ceil_mode: bool) = ceil_mode;
} }

impl AvgPool1d {
    /// Windows side by side.
    pub fn new(kernel_size: usize) -> Self {
        AvgPool1d { kernel_size, stride: None, padding: 0, ceil_mode: false, count_include_pad: true }
    }

    fn window(&self, input: &Shape) -> Window {
        Window { ceil: self.ceil_mode, ..window(input, self.kernel_size, self.stride, self.padding) }
    }
}

with_keys! { AvgPool1d {
    with_stride(stride: usize) = Some(stride);
    with_padding(padding: usize) = padding;
    with_ceil_mode(ceil_mode: bool) = ceil_mode;
    with_count_include_pad(count_include_pad: bool) = count_include_pad;
} }

impl LayerKind for MaxPool1d {
    fn kind(&self) -> &'static str {
        "max_pool1d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let windows = self.slides(inputs).unwrap_or_default();
        let t = windows.first().map_or_else(String::new, |window| place("t", "i", window, self.dilation));
        vec![(self.kind(), format!("output[c, t] = max over i < {} of input[c, {t}]", self.kernel_size))]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        pooled(input, self.window(input))
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        // Without the axis of rows.
        Some(pooling(self.window(inputs[0])).split_off(1))
    }

    fn saved(&self, inputs: &[&Shape]) -> Saved {
        let per_row = lines(inputs[0], 1) * self.window(inputs[0]).output_len();
        Saved { dtype: DType::U32, per_row, fixed: 0 }
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let positions = match cx.pass {
            Pass::Training { saved, .. } => Some(saved.into_u32()),
            Pass::Inference { .. } => None,
        };
        let input = cx.inputs[0];
        let (window, batch) = (self.window(input.shape), lines(input.shape, cx.rows));
        max_pool(MaxPool { window, batch, input: input.f32(), output: cx.output.into_f32(), positions }, cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        let shape = cx.input_shape();
        let (window, batch, grad_output) = (self.window(shape), lines(shape, cx.rows), cx.grad_output);
        let call = MaxPoolBackward { window, batch, grad_output, positions: cx.saved.u32(), grad_input };
        max_pool_backward(call, cx.context);
    }
}

impl LayerKind for AvgPool1d {
    fn kind(&self) -> &'static str {
        "avg_pool1d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let windows = self.slides(inputs).unwrap_or_default();
        let t = windows.first().map_or_else(String::new, |window| place("t", "i", window, 1));
        vec![(self.kind(), format!("output[c, t] = mean over i < {} of input[c, {t}]", self.kernel_size))]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        pooled(input, self.window(input))
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        // Without the axis of rows.
        Some(pooling(self.window(inputs[0])).split_off(1))
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let input = cx.inputs[0];
        let (window, batch) = (self.window(input.shape), lines(input.shape, cx.rows));
        let (input, output, count_include_pad) = (input.f32(), cx.output.into_f32(), self.count_include_pad);
        avg_pool(AvgPool { window, batch, input, output, count_include_pad }, cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        let shape = cx.input_shape();
        let (window, batch, grad_output) = (self.window(shape), lines(shape, cx.rows), cx.grad_output);
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
        let input = Shape::new([3, 7]);
        let overlapping = MaxPool1d::new(3).with_stride(2).with_padding(1);
        for layer in
            [MaxPool1d::new(2), overlapping, MaxPool1d::new(2).with_dilation(2), overlapping.with_ceil_mode(true)]
        {
            gradcheck(&layer.into(), &input, 2);
        }
        let overlapping = AvgPool1d::new(3).with_stride(2).with_padding(1);
        for layer in [AvgPool1d::new(2), overlapping, overlapping.with_count_include_pad(false).with_ceil_mode(true)] {
            gradcheck(&layer.into(), &input, 2);
        }
    }

    #[test]
    fn what_is_no_sequence_or_too_short_is_refused() {
        assert_eq!(MaxPool1d::new(2).infer(&[&Shape::new([3, 4, 4])]).unwrap_err().compared, "the input");
        assert_eq!(MaxPool1d::new(5).infer(&[&Shape::new([3, 4])]).unwrap_err().compared, "kernel_size");
        assert_eq!(AvgPool1d::new(2).with_padding(2).infer(&[&Shape::new([3, 4])]).unwrap_err().compared, "padding");
        assert_eq!(AvgPool1d::new(0).infer(&[&Shape::new([3, 4])]).unwrap_err().compared, "kernel_size");
    }
}
