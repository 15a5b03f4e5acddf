//! Trainable pooling: the sum of each window, times a coefficient of its map, plus a bias.

use crate::init::Init;
use crate::layer::{Backward, Cost, Forward, LayerKind, Maps, Mismatch, ParamSpec, Pass, Reads, Saved, one};
use crate::layers::formula::{Steps, places, with_bias};
use crate::layers::max_pool2d::infer;
use crate::layers::max_pool2d::pooling;
use crate::layers::sides::{Pair, maps};
use crate::scratch::Scratch;
use crate::shape::Shape;
use crate::window::Slide;
use plexus_kernels::pool::{AvgPool, AvgPoolBackward, Window, avg_pool, avg_pool_backward};
use plexus_kernels::{Context, norm, reduce};
use serde::{Deserialize, Serialize};

/// Adds up each window of each map, and gives each map a coefficient and a bias to learn: the subsampling of LeNet-5.
///
/// ```text
/// sum[b, c, y, x]        = Σ_i Σ_j input[b, c, y·s0 + i, x·s1 + j]
/// output[b, c, y, x]     = weight[c] · sum[b, c, y, x] + bias[c]
/// grad_weight[c]        += Σ_b Σ_y Σ_x grad_output[b, c, y, x] · sum[b, c, y, x]
/// grad_bias[c]          += Σ_b Σ_y Σ_x grad_output[b, c, y, x]
/// grad_input[b, c, r, q] = weight[c] · Σ grad_output[b, c, y, x], over the windows that saw it
/// ```
///
/// There is no function in it. Rows and columns that fill no window are left out. Weight and bias start uniform within
/// ±1/√(numbers of a window).
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `weight`, `bias`: `[channels]`
/// - `output`: `[channels, (height − kernel) / stride + 1, …]`, rounded down
///
/// # Source
/// LeCun et al. 1998 (Proc. IEEE 86), layers S2 and S4.
///
/// # Examples
/// ```
/// use plexus_nn::{Network, Shape, layers::TrainablePool2d};
/// let network = Network::chain(Shape::new([6, 28, 28]), [TrainablePool2d::new(2).into()]).check().unwrap();
/// assert_eq!((network.output(), network.layout().weights_len()), (&Shape::new([6, 14, 14]), 12));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrainablePool2d {
    /// Rows and columns of a window.
    pub kernel_size: Pair,
    /// Rows and columns from one window to the next; the default is the size of a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Pair>,
}

impl TrainablePool2d {
    /// Windows side by side; one number is both sides of a window.
    pub fn new(kernel_size: impl Into<Pair>) -> Self {
        TrainablePool2d { kernel_size: kernel_size.into(), stride: None }
    }

    fn window(&self, input: &Shape) -> Window {
        let kernel = self.kernel_size.sizes();
        let stride = self.stride.map_or(kernel, Pair::sizes);
        Window { stride, ..Window::plain(maps(input).unwrap_or_default(), kernel) }
    }

    /// Numbers of a window.
    fn area(&self) -> usize {
        let [rows, cols] = self.kernel_size.sizes();
        rows * cols
    }
}

with_keys! { TrainablePool2d {
    with_stride(stride: impl Into<Pair>) = Some(stride.into());
} }

impl LayerKind for TrainablePool2d {
    fn kind(&self) -> &'static str {
        "trainable_pool2d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let [y, x] = places(&self.slides(inputs).unwrap_or_default(), [1; 2]);
        let [rows, cols] = self.kernel_size.sizes();
        let product = format!("weight[c] * sum over i < {rows}, j < {cols} of input[c, {y}, {x}]");
        with_bias(true, "[c, y, x]", &product, "[c]")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        maps(input)?;
        infer(self.window(input))
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        Some(pooling(self.window(inputs[0])))
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let channels = maps(inputs[0]).map_or(0, |[channels, ..]| channels);
        let init = Init::Uniform { bound: (self.area().max(1) as f32).recip().sqrt() };
        ["weight", "bias"].map(|role| ParamSpec::new(role, vec![channels], init)).to_vec()
    }

    fn cost(&self, _inputs: &[&Shape], output: &Shape) -> Cost {
        let outputs = output.len().unwrap_or(0) as u64;
        Cost { macs: outputs, connections: outputs * (self.area() as u64 + 1) }
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    /// The means of the windows.
    fn saved(&self, inputs: &[&Shape]) -> Saved {
        Saved::per_row(self.window(inputs[0]).output_len())
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let (window, batch, context) = (self.window(cx.inputs[0].shape), cx.rows, cx.context);
        let output = cx.output.into_f32();
        let kept = if matches!(cx.pass, Pass::Training { .. }) { 0 } else { output.len() };
        let (means, affine) = memory(cx.scratch, kept, 2, &window);
        let means = match cx.pass {
            Pass::Training { saved, .. } => saved.into_f32(),
            Pass::Inference { .. } => means,
        };
        let input = cx.inputs[0].f32();
        let call = AvgPool { window, batch, input, output: &mut *means, count_include_pad: true };
        avg_pool(call, context);
        let Affine { cols, rows, mean, rstd, .. } = Affine::of(affine, means.len(), &window, context);
        let (weight, bias) = cx.weights.split_at(cols);
        let (weight, bias) = (Some(weight), Some(bias));
        let call = norm::BatchNormInference { rows, cols, input: means, mean, rstd, weight, bias, output };
        norm::batch_norm_inference(call, context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let (window, batch, context) = (self.window(cx.inputs[0].shape), cx.rows, cx.context);
        let (grad_output, grad_input) = (cx.grad_output, cx.grad_input());
        let kept = if grad_input.is_some() { grad_output.len() } else { 0 };
        let (grad_means, affine) = memory(cx.scratch, kept, 4, &window);
        let Affine { cols, rows, mean, rstd, rest } = Affine::of(affine, grad_output.len(), &window, context);
        let (weight, _) = cx.weights.split_at(cols);
        let (grad_weight, grad_bias) = cx.grad_weights.split_at_mut(cols);
        let call = norm::BatchNormBackward {
            rows,
            cols,
            batch_statistics: false,
            input: cx.saved.f32(),
            weight: Some(weight),
            mean,
            rstd,
            grad_output,
            grad_input: grad_input.is_some().then_some(&mut *grad_means),
            grad_weight: Some(grad_weight),
            grad_bias: Some(grad_bias),
            scratch: rest,
        };
        norm::batch_norm_backward(call, context);
        if let Some(grad_input) = grad_input {
            let grad_output = &*grad_means;
            let call = AvgPoolBackward { window, batch, grad_output, grad_input, count_include_pad: true };
            avg_pool_backward(call, context);
        }
    }
}

/// Memory for `kept` numbers, and for `parts` numbers of each channel.
fn memory<'a>(scratch: &'a mut Scratch, kept: usize, parts: usize, window: &Window) -> (&'a mut [f32], &'a mut [f32]) {
    scratch.values(kept + parts * window.channels).split_at_mut(kept)
}

/// A sum is a mean times the size of a window: a normalization by the mean 0 and this `rstd`. Each pixel is a row.
struct Affine<'a> {
    rows: usize,
    cols: usize,
    mean: &'a [f32],
    rstd: &'a [f32],
    rest: &'a mut [f32],
}

impl<'a> Affine<'a> {
    /// The constants for `len` means.
    fn of(memory: &'a mut [f32], len: usize, window: &Window, context: &Context) -> Self {
        let cols = window.channels;
        let (mean, rest) = memory.split_at_mut(cols);
        let (rstd, rest) = rest.split_at_mut(cols);
        reduce::fill(mean, 0.0, context);
        reduce::fill(rstd, (window.kernel[0] * window.kernel[1]) as f32, context);
        Affine { rows: len.checked_div(cols).unwrap_or(0), cols, mean, rstd, rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Library, gradcheck, gradients_add_up};

    #[test]
    fn gradients_are_the_derivatives() {
        let overlapping = TrainablePool2d { kernel_size: Pair::Each([3, 2]), stride: Some(Pair::Both(2)) };
        for layer in [TrainablePool2d::new(2), overlapping, TrainablePool2d::new(1)] {
            gradcheck(&layer.into(), &Shape::new([3, 5, 6]), 2);
        }
        gradients_add_up(&Library, &[TrainablePool2d::new(2).into()], &Shape::new([2, 4, 4]), 3).unwrap();
    }

    #[test]
    fn counts_are_those_of_the_paper() {
        for (maps, params, connections) in [([6, 28, 28], 12, 5_880), ([16, 10, 10], 32, 2_000)] {
            let (layer, input) = (TrainablePool2d::new(2), Shape::new(maps));
            let output = layer.infer(&[&input]).unwrap();
            assert_eq!(layer.params(&[&input]).iter().map(ParamSpec::len).sum::<usize>(), params);
            assert_eq!(layer.cost(&[&input], &output).connections, connections);
        }
    }

    #[test]
    fn a_window_larger_than_the_map_is_refused() {
        assert_eq!(TrainablePool2d::new(3).infer(&[&Shape::new([1, 2, 8])]).unwrap_err().compared, "kernel_size");
        assert!(TrainablePool2d::new(0).infer(&[&Shape::new([1, 2, 8])]).is_err());
        assert!(TrainablePool2d::new(1).infer(&[&Shape::new([8])]).is_err());
    }
}
