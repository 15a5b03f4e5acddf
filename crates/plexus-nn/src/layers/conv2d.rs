//! Convolution: every output sees a window of the maps, with the same weights everywhere.

use crate::init::Init;
use crate::layer::{
    Backward, Cost, Forward, GradInput, LayerKind, Maps, Mismatch, ParamSpec, Pass, Prepare, Products, Reads, one,
    weights_bytes,
};
use crate::layers::formula::{Steps, channel_of_group, outside, places, with_bias};
use crate::layers::sides::{Padding, Pair, check_border, check_sizes, maps, sliding, too_large};
use crate::prepared::Prepared;
use crate::shape::Shape;
use crate::window::Slide;
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::conv::{
    Conv, ConvBackwardInput, ConvBackwardWeight, Geometry, PackedWeight, Pooling, Weight, conv, conv_backward_input,
    conv_backward_weight,
};
use serde::{Deserialize, Serialize};

/// Slides filters over maps: a cross-correlation, as every framework calls convolution.
///
/// ```text
/// output[b, o, y, x] = bias[o] + Σ_c Σ_i Σ_j weight[o, c, i, j] · input[b, first(o) + c, y·s0 + i·d0 − top, x·s1 + j·d1 − left]
/// grad_weight[o, c, i, j] += Σ_b Σ_y Σ_x grad_output[b, o, y, x] · input[b, first(o) + c, y·s0 + i·d0 − top, x·s1 + j·d1 − left]
/// grad_bias[o]            += Σ_b Σ_y Σ_x grad_output[b, o, y, x]
/// grad_input               = the sum of grad_output · weight over all outputs that saw the input
/// ```
///
/// `s` is the stride, `d` the dilation; outside of the map the input is zero. With groups, filter `o` sees the channels
/// of its group, from `first(o)` on; `groups` equal to the channels is a depthwise convolution.
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `weight`: `[out_channels, channels / groups, kernel rows, kernel columns]`
/// - `bias`: `[out_channels]`
/// - `output`: `[out_channels, (height + padding − dilation · (kernel − 1) − 1) / stride + 1, …]`, rounded down
///
/// # Source
/// LeCun et al. 1998 (Proc. IEEE 86); sizes and start values as PyTorch's `Conv2d`.
///
/// # Examples
/// ```
/// use plexus_nn::{Network, Shape, layers::Conv2d};
/// let network = Network::chain(Shape::new([1, 32, 32]), [Conv2d::new(6, 5).into()]).check().unwrap();
/// assert_eq!((network.output(), network.layout().weights_len()), (&Shape::new([6, 28, 28]), 156));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Conv2d {
    /// Filters, each of which gives one map.
    pub out_channels: usize,
    /// Rows and columns of a filter.
    pub kernel_size: Pair,
    /// Channels of the input; `None` takes what comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_channels: Option<usize>,
    /// Rows and columns from one window to the next.
    #[serde(default = "Pair::one", skip_serializing_if = "Pair::is_one")]
    pub stride: Pair,
    /// Zeros around the map.
    #[serde(default = "Padding::none", skip_serializing_if = "Padding::is_none")]
    pub padding: Padding,
    /// Rows and columns from one element of a filter to the next; 1 is dense.
    #[serde(default = "Pair::one", skip_serializing_if = "Pair::is_one")]
    pub dilation: Pair,
    /// Equal parts of channels and filters that see each other only.
    #[serde(default = "one_group", skip_serializing_if = "is_one_group")]
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

fn one_group() -> usize {
    1
}

fn is_one_group(groups: &usize) -> bool {
    *groups == 1
}

fn uniform_fan_in() -> Init {
    Init::UniformFanIn
}

fn is_uniform_fan_in(init: &Init) -> bool {
    *init == Init::UniformFanIn
}

impl Conv2d {
    /// Filters with a bias, stride 1, no padding; one number as the size of a kernel is both its sides.
    pub fn new(out_channels: usize, kernel_size: impl Into<Pair>) -> Self {
        Conv2d {
            out_channels,
            kernel_size: kernel_size.into(),
            in_channels: None,
            stride: Pair::one(),
            padding: Padding::none(),
            dilation: Pair::one(),
            groups: 1,
            bias: true,
            weight_init: Init::UniformFanIn,
            bias_init: Init::UniformFanIn,
        }
    }

    /// Its sizes, for an input that the network check has seen.
    pub fn geometry(&self, input: &Shape) -> Geometry {
        let [channels, height, width] = maps(input).unwrap_or_default();
        let (kernel, dilation) = (self.kernel_size.sizes(), self.dilation.sizes());
        Geometry {
            channels,
            height,
            width,
            filters: self.out_channels,
            kernel,
            stride: self.stride.sizes(),
            padding: self.padding.sides(kernel, dilation),
            dilation,
            groups: self.groups,
        }
    }

    /// The weight and the bias in the layer's flat range.
    fn split<'a>(&self, weights: &'a [f32]) -> (&'a [f32], Option<&'a [f32]>) {
        let (weight, bias) = weights.split_at(weights.len() - if self.bias { self.out_channels } else { 0 });
        (weight, self.bias.then_some(bias))
    }
}

with_keys! { Conv2d {
    with_in_channels(in_channels: usize) = Some(in_channels);
    with_stride(stride: impl Into<Pair>) = stride.into();
    with_padding(padding: impl Into<Padding>) = padding.into();
    with_dilation(dilation: impl Into<Pair>) = dilation.into();
    with_groups(groups: usize) = groups;
    with_bias(bias: bool) = bias;
    with_weight_init(weight_init: Init) = weight_init;
    with_bias_init(bias_init: Init) = bias_init;
} }

impl LayerKind for Conv2d {
    fn kind(&self) -> &'static str {
        "conv2d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let Geometry { channels, kernel, stride, padding, dilation, groups, .. } = self.geometry(inputs[0]);
        let [y, x] = places(&sliding(kernel, stride, padding, dilation, true), dilation);
        let channel = channel_of_group(groups, channels, self.out_channels);
        let product =
            format!("sum over c, i, j of weight[o, c, i, j] * input[{channel}, {y}, {x}]{}", outside(padding));
        with_bias(self.bias, "[o, y, x]", &product, "[o]")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        let [channels, height, width] = maps(input)?;
        if let Some(expected) = self.in_channels
            && expected != channels
        {
            return Err(Mismatch::new(
                "in_channels",
                format!("{expected} channels (its in_channels)"),
                format!("{channels} channels"),
                format!("Set in_channels = {channels}, or leave it out."),
            ));
        }
        let groups = self.groups;
        if groups == 0 || !channels.is_multiple_of(groups) || !self.out_channels.is_multiple_of(groups) {
            return Err(Mismatch::new(
                "groups",
                format!("a number that divides the {channels} channels and the {} out_channels", self.out_channels),
                format!("groups = {groups}"),
                "",
            ));
        }
        if self.padding == Padding::SAME && self.stride.sizes() != [1; 2] {
            let got = format!("stride {:?}", self.stride.sizes());
            let help = "Give the padding as numbers: (kernel - 1) / 2 for odd kernels.";
            return Err(Mismatch::new("padding", "stride 1 with padding = \"same\"", got, help));
        }
        let geometry = self.geometry(input);
        let Geometry { kernel, stride, padding, dilation, .. } = geometry;
        check_sizes(kernel, stride, padding, dilation)?;
        check_border([channels, height, width], padding)?;
        match geometry.output() {
            Some([rows, cols]) => Ok(Shape::new([self.out_channels, rows, cols])),
            None => Err(too_large([channels, height, width], kernel, padding, dilation)),
        }
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let channels = maps(inputs[0]).map_or(0, |[channels, ..]| channels) / self.groups.max(1);
        let [rows, cols] = self.kernel_size.sizes();
        let shape = vec![self.out_channels, channels, rows, cols];
        let mut params = vec![ParamSpec::new("weight", shape, self.weight_init)];
        if self.bias {
            let fan_in = (channels * rows * cols).max(1);
            let init = match self.bias_init {
                Init::UniformFanIn => Init::Uniform { bound: (fan_in as f32).recip().sqrt() },
                other => other,
            };
            params.push(ParamSpec::new("bias", vec![self.out_channels], init));
        }
        params
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        let outputs = output.len().unwrap_or(0) as u64;
        Cost::with_additions(self.geometry(inputs[0]).macs(), if self.bias { outputs } else { 0 })
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        let Geometry { kernel, stride, padding, dilation, .. } = self.geometry(inputs[0]);
        Some(sliding(kernel, stride, padding, dilation, true))
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn fuses_function(&self) -> bool {
        true
    }

    fn fuses_pooling(&self, inputs: &[&Shape]) -> bool {
        self.geometry(inputs[0]).output().is_some_and(|sizes| sizes.iter().all(|size| *size >= 2))
    }

    fn products(&self, inputs: &[&Shape]) -> Option<Products> {
        let Geometry { channels, kernel: [rows, cols], padding, .. } = self.geometry(inputs[0]);
        Some(Products {
            outputs: self.out_channels,
            inputs: channels / self.groups.max(1),
            taps: rows * cols,
            groups: self.groups,
            bias: self.bias,
            input_axis: (padding == [0; 4]).then_some(0),
            output_axis: 0,
        })
    }

    fn overwrites_gradient(&self) -> bool {
        true
    }

    fn adds_to_grad_input(&self) -> bool {
        true
    }

    fn prepare(&self, cx: Prepare<'_>) -> Option<Prepared> {
        let (weight, bias) = self.split(cx.weights);
        let weight = PackedWeight::new(&self.geometry(cx.inputs[0]), weight, cx.context);
        Some(Prepared::Conv { weight, bias: Buffer::from_slice(cx.bias.or(bias).unwrap_or_default()) })
    }

    fn prepared_bytes(&self, inputs: &[&Shape], context: &Context) -> usize {
        let bias = if self.bias { self.out_channels * size_of::<f32>() } else { 0 };
        let (bytes, exact) = PackedWeight::bytes_for(&self.geometry(inputs[0]), context);
        let plain = if exact { 0 } else { weights_bytes(&self.params(inputs)) };
        bytes.saturating_add(bias).saturating_add(plain)
    }

    fn forward(&self, cx: Forward<'_>) {
        let input = cx.inputs[0];
        let (weight, bias) = match cx.prepared {
            Some(Prepared::Conv { weight, bias }) => (Weight::Packed(weight), (!bias.is_empty()).then_some(&bias[..])),
            _ => {
                let (weight, bias) = self.split(cx.weights);
                (Weight::Plain(weight), bias)
            }
        };
        let positions = match cx.pass {
            Pass::Training { saved, .. } if cx.pooling => Some(saved.into_u8()),
            _ => None,
        };
        let call = Conv {
            geometry: self.geometry(input.shape),
            batch: cx.rows,
            input: input.f32(),
            weight,
            bias,
            function: cx.function,
            pooling: cx.pooling.then_some(Pooling::MaxTwo { positions }),
            output: cx.output.into_f32(),
        };
        conv(call, &mut cx.scratch.conv, cx.context);
    }

    fn backward(&self, cx: Backward<'_, '_>) {
        let (input, grad_output, batch) = (cx.inputs[0], cx.grad_output, cx.rows);
        let geometry = self.geometry(input.shape);
        let (weight, _) = self.split(cx.weights);
        let (grad_weight, grad_bias) = cx.grad_weights.split_at_mut(weight.len());
        let grad_bias = self.bias.then_some(grad_bias);
        let (input, accumulate) = (input.f32(), cx.accumulate);
        let call = ConvBackwardWeight { geometry, batch, input, grad_output, grad_weight, grad_bias, accumulate };
        conv_backward_weight(call, &mut cx.scratch.conv, cx.context);
        if let Some(GradInput { values, accumulate }) = cx.grad_inputs[0].take() {
            let call = ConvBackwardInput { geometry, batch, grad_output, weight, grad_input: values, accumulate };
            conv_backward_input(call, &mut cx.scratch.conv, cx.context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Library, gradcheck, gradients_add_up};

    #[test]
    fn gradients_are_the_derivatives() {
        let (maps, plain) = (Shape::new([2, 5, 4]), Conv2d::new(4, 3));
        gradcheck(&plain.into(), &maps, 2);
        gradcheck(&Conv2d { stride: Pair::Both(2), padding: Padding::All(1), ..plain }.into(), &maps, 2);
        gradcheck(&Conv2d { groups: 2, padding: Padding::SAME, ..plain }.into(), &maps, 1);
        gradcheck(&Conv2d { dilation: Pair::Each([2, 1]), bias: false, ..plain }.into(), &maps, 2);
        gradients_add_up(&Library, &[plain.into()], &maps, 3).unwrap();
    }

    #[test]
    fn a_kernel_larger_than_the_padded_map_is_refused_with_both_sizes() {
        let mismatch = Conv2d::new(6, 5).infer(&[&Shape::new([1, 4, 9])]).unwrap_err();
        assert!(mismatch.expected.contains("4 x 9") && mismatch.got.contains("5 x 5"), "{mismatch:?}");
        assert!(Conv2d::new(6, 5).with_padding(1).infer(&[&Shape::new([1, 4, 9])]).is_ok());
    }

    #[test]
    fn a_border_that_takes_far_more_memory_than_the_map_is_refused() {
        let wide = |padding: usize| Conv2d::new(1, 3).with_stride(1 << 20).with_padding(padding);
        let mismatch = wide(1 << 18).infer(&[&Shape::new([3, 4, 9])]).unwrap_err();
        assert!(mismatch.compared == "padding" && mismatch.expected.contains("padded map"), "{mismatch:?}");
        assert!(wide(1 << 12).infer(&[&Shape::new([3, 4, 9])]).is_ok());
    }

    #[test]
    fn counts_are_those_of_the_textbook() {
        let count = |layer: Conv2d, input: [usize; 3]| -> usize {
            layer.params(&[&Shape::new(input)]).iter().map(ParamSpec::len).sum()
        };
        assert_eq!(count(Conv2d::new(6, 5), [1, 32, 32]), 156);
        assert_eq!(count(Conv2d::new(16, 5), [6, 14, 14]), 2416);
        let grouped = Conv2d { groups: 2, ..Conv2d::new(256, 5) };
        assert_eq!(count(grouped, [96, 27, 27]), 307_456);
    }
}
