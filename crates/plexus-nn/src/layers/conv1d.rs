//! Convolution along a line: sequences of channels.

use crate::init::Init;
use crate::layer::{Backward, Cost, Forward, LayerKind, Mismatch, ParamSpec, Prepare, Reads, one};
use crate::layers::formula::{Steps, channel_of_group, outside, place, with_bias};
use crate::layers::{Conv2d, Pair};
use crate::prepared::Prepared;
use crate::scratch::Scratch;
use crate::shape::Shape;
use crate::view::transpose_all;
use crate::window::Slide;
use plexus_kernels::Context;
use plexus_kernels::conv::{
    Conv, ConvBackwardInput, ConvBackwardWeight, Geometry, Weight, conv, conv_backward_input, conv_backward_weight,
};
use serde::{Deserialize, Serialize};

/// Slides filters along sequences: a cross-correlation, as every framework calls convolution.
///
/// ```text
/// output[b, o, t] = bias[o] + Σ_c Σ_i weight[o, c, i] · input[b, first(o) + c, t · stride + i · dilation − padding]
/// ```
///
/// With the gradients of [`Conv2d`], of maps of one row. Outside of the sequence the input is zero.
///
/// # Shapes
/// - `input`: `[channels, length]`
/// - `weight`: `[out_channels, channels / groups, kernel]`
/// - `bias`: `[out_channels]`
/// - `output`: `[out_channels, (length + 2 · padding − dilation · (kernel − 1) − 1) / stride + 1]`, rounded down
///
/// # Source
/// As PyTorch's `Conv1d`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Conv1d {
    /// Filters, each of which gives one channel.
    pub out_channels: usize,
    /// Elements of a filter.
    pub kernel_size: usize,
    /// Channels of the input; `None` takes what comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_channels: Option<usize>,
    /// Elements from one window to the next.
    #[serde(default = "one_step", skip_serializing_if = "is_one")]
    pub stride: usize,
    /// Zeros at both ends.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub padding: usize,
    /// Elements from one of a filter to the next; 1 is dense.
    #[serde(default = "one_step", skip_serializing_if = "is_one")]
    pub dilation: usize,
    /// Equal parts of channels and filters that see each other only.
    #[serde(default = "one_step", skip_serializing_if = "is_one")]
    pub groups: usize,
    /// Whether a bias is added.
    #[serde(default = "yes")]
    pub bias: bool,
    /// First values of the weight; the default is uniform within ±1/√fan_in, as PyTorch.
    #[serde(default = "uniform_fan_in", skip_serializing_if = "is_uniform_fan_in")]
    pub weight_init: Init,
    /// First values of the bias; the default is uniform within ±1/√fan_in, as PyTorch.
    #[serde(default = "uniform_fan_in", skip_serializing_if = "is_uniform_fan_in")]
    pub bias_init: Init,
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

fn uniform_fan_in() -> Init {
    Init::UniformFanIn
}

fn is_uniform_fan_in(init: &Init) -> bool {
    *init == Init::UniformFanIn
}

/// The axes of sequences.
///
/// # Errors
/// [`Mismatch`] for other shapes.
pub(super) fn sequences(input: &Shape) -> Result<[usize; 2], Mismatch> {
    match *input.axes() {
        [channels, length] => Ok([channels, length]),
        _ => {
            let help = "Put a reshape layer in front: kind = \"reshape\", shape = [channels, length].";
            Err(Mismatch::new("the input", "sequences: [channels, length]", input.describe(), help))
        }
    }
}

/// Sequences as maps of one row.
fn as_maps(input: &Shape) -> Shape {
    let [channels, length] = sequences(input).unwrap_or_default();
    Shape::new([channels, 1, length])
}

impl Conv1d {
    /// Filters with a bias, stride 1, no padding.
    pub fn new(out_channels: usize, kernel_size: usize) -> Self {
        Conv1d {
            out_channels,
            kernel_size,
            in_channels: None,
            stride: 1,
            padding: 0,
            dilation: 1,
            groups: 1,
            bias: true,
            weight_init: Init::UniformFanIn,
            bias_init: Init::UniformFanIn,
        }
    }

    /// The same over maps of one row.
    fn over_maps(&self) -> Conv2d {
        let conv = Conv2d::new(self.out_channels, [1, self.kernel_size]);
        let conv = Conv2d { in_channels: self.in_channels, stride: Pair::Each([1, self.stride]), ..conv };
        let conv = conv.with_padding([0, self.padding]).with_dilation([1, self.dilation]).with_groups(self.groups);
        conv.with_bias(self.bias).with_weight_init(self.weight_init).with_bias_init(self.bias_init)
    }

    fn geometry(&self, input: &Shape) -> Geometry {
        let [channels, length] = sequences(input).unwrap_or_default();
        let plain = Geometry::plain([channels, 1, length], self.out_channels, [1, self.kernel_size]);
        Geometry {
            stride: [1, self.stride],
            padding: [0, self.padding, 0, self.padding],
            dilation: [1, self.dilation],
            groups: self.groups,
            ..plain
        }
    }

    /// The weight and the bias in the layer's flat range.
    fn split<'a>(&self, weights: &'a [f32]) -> (&'a [f32], Option<&'a [f32]>) {
        let (weight, bias) = weights.split_at(weights.len() - if self.bias { self.out_channels } else { 0 });
        (weight, self.bias.then_some(bias))
    }
}

with_keys! { Conv1d {
    with_in_channels(in_channels: usize) = Some(in_channels);
    with_stride(stride: usize) = stride;
    with_padding(padding: usize) = padding;
    with_dilation(dilation: usize) = dilation;
    with_groups(groups: usize) = groups;
    with_bias(bias: bool) = bias;
    with_weight_init(weight_init: Init) = weight_init;
    with_bias_init(bias_init: Init) = bias_init;
} }

impl LayerKind for Conv1d {
    fn kind(&self) -> &'static str {
        "conv1d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let (windows, dilation) = (self.slides(inputs).unwrap_or_default(), self.dilation);
        let channels = inputs[0].axes().first().copied().unwrap_or(0);
        let channel = channel_of_group(self.groups, channels, self.out_channels);
        let t = windows.first().map_or_else(String::new, |window| place("t", "i", window, dilation));
        let outside = outside([self.padding; 4]);
        let product = format!("sum over c, i of weight[o, c, i] * input[{channel}, {t}]{outside}");
        with_bias(self.bias, "[o, t]", &product, "[o]")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        sequences(input)?;
        let output = self.over_maps().infer(&[&as_maps(input)])?;
        let [channels, _, length] = *output.axes() else { unreachable!("a convolution gives maps") };
        Ok(Shape::new([channels, length]))
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let mut params = self.over_maps().params(&[&as_maps(inputs[0])]);
        // Without the axis of rows.
        params[0].shape.remove(2);
        params
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        self.over_maps().cost(&[&as_maps(inputs[0])], output)
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        // Without the axis of rows.
        Some(self.over_maps().slides(&[&as_maps(inputs[0])])?.split_off(1))
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn fuses_function(&self) -> bool {
        true
    }

    fn overwrites_gradient(&self) -> bool {
        true
    }

    fn prepare(&self, cx: Prepare<'_>) -> Option<Prepared> {
        self.over_maps().prepare(Prepare { inputs: &[&as_maps(cx.inputs[0])], ..cx })
    }

    fn prepared_bytes(&self, inputs: &[&Shape], context: &Context) -> usize {
        self.over_maps().prepared_bytes(&[&as_maps(inputs[0])], context)
    }

    fn forward(&self, cx: Forward<'_>) {
        let geometry = self.geometry(cx.inputs[0].shape);
        let (weight, bias) = match cx.prepared {
            Some(Prepared::Conv { weight, bias }) => (Weight::Packed(weight), (!bias.is_empty()).then_some(&bias[..])),
            _ => {
                let (weight, bias) = self.split(cx.weights);
                (Weight::Plain(weight), bias)
            }
        };
        let (batch, values, to) = (cx.rows, cx.inputs[0].f32(), cx.output.into_f32());
        let Scratch { gemm, conv: scratch, .. } = cx.scratch;
        let (input, output) = gemm.values(values.len() + to.len()).split_at_mut(values.len());
        transpose_all(values, (geometry.channels, geometry.width), input, cx.context);
        let length = output.len() / (batch * geometry.filters).max(1);
        let call =
            Conv { geometry, batch, input, weight, bias, function: cx.function, pooling: None, output: &mut *output };
        conv(call, scratch, cx.context);
        transpose_all(output, (length, geometry.filters), to, cx.context);
    }

    fn backward(&self, cx: Backward<'_, '_>) {
        let geometry = self.geometry(cx.inputs[0].shape);
        let (batch, values, grads, accumulate) = (cx.rows, cx.inputs[0].f32(), cx.grad_output, cx.accumulate);
        let (weight, _) = self.split(cx.weights);
        let (grad_weight, grad_bias) = cx.grad_weights.split_at_mut(weight.len());
        let Scratch { gemm, conv: scratch, .. } = cx.scratch;
        let (input, grad_output) = gemm.values(values.len() + grads.len()).split_at_mut(values.len());
        let (line, length) = ((geometry.channels, geometry.width), grads.len() / (batch * geometry.filters).max(1));
        transpose_all(values, line, input, cx.context);
        transpose_all(grads, (geometry.filters, length), grad_output, cx.context);
        let call = ConvBackwardWeight {
            geometry,
            batch,
            input,
            grad_output,
            grad_weight,
            grad_bias: self.bias.then_some(grad_bias),
            accumulate,
        };
        conv_backward_weight(call, scratch, cx.context);
        if let Some(grad) = cx.grad_inputs[0].take() {
            // The input is not read again: its place takes its gradient.
            let grad_input = &mut *input;
            let call = ConvBackwardInput { geometry, batch, grad_output, weight, grad_input, accumulate: false };
            conv_backward_input(call, scratch, cx.context);
            transpose_all(input, (line.1, line.0), grad.values, cx.context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Library, gradcheck, gradients_add_up};

    #[test]
    fn gradients_are_the_derivatives() {
        let (input, plain) = (Shape::new([2, 7]), Conv1d::new(4, 3));
        for layer in
            [plain, plain.with_stride(2).with_padding(1), plain.with_groups(2).with_dilation(2).with_bias(false)]
        {
            gradcheck(&layer.into(), &input, 2);
            gradients_add_up(&Library, &[layer.into()], &input, 3).unwrap();
        }
    }

    #[test]
    fn what_is_no_sequence_or_too_short_is_refused() {
        let layer = Conv1d::new(4, 3);
        assert!(layer.infer(&[&Shape::new([2, 7, 1])]).unwrap_err().expected.contains("[channels, length]"));
        assert_eq!(layer.infer(&[&Shape::new([2, 2])]).unwrap_err().compared, "kernel_size");
        assert_eq!(layer.with_stride(0).infer(&[&Shape::new([2, 7])]).unwrap_err().compared, "stride");
        assert_eq!(layer.with_in_channels(3).infer(&[&Shape::new([2, 7])]).unwrap_err().compared, "in_channels");
    }

    #[test]
    fn counts_are_those_of_its_filters() {
        let (layer, input) = (Conv1d::new(8, 5).with_padding(2), Shape::new([3, 100]));
        let output = layer.infer(&[&input]).unwrap();
        let shapes: Vec<Vec<usize>> = layer.params(&[&input]).into_iter().map(|spec| spec.shape).collect();
        assert_eq!((output.axes(), shapes), (&[8, 100][..], vec![vec![8, 3, 5], vec![8]]));
        assert_eq!(layer.cost(&[&input], &output).macs, 100 * 8 * 15);
    }
}
