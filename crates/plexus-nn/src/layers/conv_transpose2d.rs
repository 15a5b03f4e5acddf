//! Transposed convolution: every pixel spreads a filter over the output.

use crate::init::Init;
use crate::layer::{Backward, Cost, Forward, GradInput, LayerKind, Maps, Mismatch, ParamSpec, Reads, one};
use crate::layers::formula::{Steps, place, with_bias};
use crate::layers::sides::{Padding, Pair, check_sizes, maps, sliding};
use crate::shape::Shape;
use crate::window::Slide;
use plexus_kernels::conv::{
    Conv, ConvBackwardInput, ConvBackwardWeight, Geometry, Weight, conv, conv_backward_input, conv_backward_weight,
};
use plexus_kernels::map::Function;
use plexus_kernels::reduce;
use serde::{Deserialize, Serialize};

/// Enlarges maps: every pixel of the input adds a filter, scaled by it, to the output. It is the way back of a convolution.
///
/// ```text
/// output[b, first(c) + o, y, x] = bias + Σ_c Σ weight[c, o, i, j] · input[b, c, r, q]
///                                 over all r, q, i, j with y = r·s0 + i·d0 − top and x = q·s1 + j·d1 − left
/// grad_input                    = the convolution of grad_output with the weight
/// grad_weight[c, o, i, j]      += Σ_b Σ_r Σ_q input[b, c, r, q] · grad_output[b, first(c) + o, r·s0 + i·d0 − top, …]
/// grad_bias[o]                 += Σ_b Σ_y Σ_x grad_output[b, o, y, x]
/// ```
///
/// `s` is the stride, `d` the dilation; `padding` is cut off from the output. Several sizes of output would come from one size of
/// input where the stride is above 1: `output_padding` says how many rows and columns more than the smallest it has, below and
/// to the right.
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `weight`: `[channels, out_channels / groups, kernel rows, kernel columns]`
/// - `bias`: `[out_channels]`
/// - `output`: `[out_channels, (height − 1) · stride − padding + dilation · (kernel − 1) + output_padding + 1, …]`
///
/// # Source
/// Zeiler et al. 2010 (CVPR); sizes, weights and start values as PyTorch's `ConvTranspose2d`.
///
/// # Examples
/// ```
/// use plexus_nn::{Network, Shape, layers::ConvTranspose2d};
/// let up = ConvTranspose2d::new(512, 2).with_stride(2);
/// let network = Network::chain(Shape::new([1024, 28, 28]), [up.into()]).check().unwrap();
/// assert_eq!(network.output(), &Shape::new([512, 56, 56]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ConvTranspose2d {
    /// Maps that come out.
    pub out_channels: usize,
    /// Rows and columns of a filter.
    pub kernel_size: Pair,
    /// Channels of the input; `None` takes what comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_channels: Option<usize>,
    /// Rows and columns from one pixel's filter to the next.
    #[serde(default = "Pair::one", skip_serializing_if = "Pair::is_one")]
    pub stride: Pair,
    /// Rows and columns cut off from the output.
    #[serde(default = "Padding::none", skip_serializing_if = "Padding::is_none")]
    pub padding: Padding,
    /// Rows and columns added below and to the right; less than the stride.
    #[serde(default = "none", skip_serializing_if = "is_none")]
    pub output_padding: Pair,
    /// Rows and columns from one element of a filter to the next; 1 is dense.
    #[serde(default = "Pair::one", skip_serializing_if = "Pair::is_one")]
    pub dilation: Pair,
    /// Equal parts of the channels and of the maps that see each other only.
    #[serde(default = "one_group", skip_serializing_if = "is_one_group")]
    pub groups: usize,
    /// Whether a bias is added.
    #[serde(default = "yes")]
    pub bias: bool,
    /// First values of the weight; the default is uniform within ±1/√fan_in, as PyTorch, whose fan is that of the output.
    #[serde(default = "uniform_fan_in", skip_serializing_if = "is_uniform_fan_in")]
    pub weight_init: Init,
    /// First values of the bias; the default is uniform within ±1/√fan_in, as PyTorch.
    #[serde(default = "uniform_fan_in", skip_serializing_if = "is_uniform_fan_in")]
    pub bias_init: Init,
}

fn yes() -> bool {
    true
}

fn none() -> Pair {
    Pair::Both(0)
}

fn is_none(size: &Pair) -> bool {
    *size == none()
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

impl ConvTranspose2d {
    /// Filters with a bias, stride 1, no padding; one number as the size of a kernel is both its sides.
    pub fn new(out_channels: usize, kernel_size: impl Into<Pair>) -> Self {
        ConvTranspose2d {
            out_channels,
            kernel_size: kernel_size.into(),
            in_channels: None,
            stride: Pair::one(),
            padding: Padding::none(),
            output_padding: none(),
            dilation: Pair::one(),
            groups: 1,
            bias: true,
            weight_init: Init::UniformFanIn,
            bias_init: Init::UniformFanIn,
        }
    }

    fn sides(&self) -> [usize; 4] {
        self.padding.sides(self.kernel_size.sizes(), self.dilation.sizes())
    }

    /// Rows and columns of the output; `None` where there are none, or too many to count.
    fn output(&self, [_, height, width]: [usize; 3]) -> Option<[usize; 2]> {
        let (kernel, stride, dilation) = (self.kernel_size.sizes(), self.stride.sizes(), self.dilation.sizes());
        let (more, cut) = (self.output_padding.sizes(), self.sides());
        let size = |axis: usize, size: usize| {
            let spread = size.checked_sub(1)?.checked_mul(stride[axis])?;
            let whole = spread.checked_add(dilation[axis] * (kernel[axis] - 1) + more[axis] + 1)?;
            whole.checked_sub(cut[axis] + cut[axis + 2]).filter(|size| *size > 0)
        };
        Some([size(0, height)?, size(1, width)?])
    }

    /// The sizes of the convolution whose way back this is: from the output to the input.
    pub fn mirrored(&self, input: &Shape) -> Geometry {
        let size = maps(input).unwrap_or_default();
        let [height, width] = self.output(size).unwrap_or_default();
        Geometry {
            channels: self.out_channels,
            height,
            width,
            filters: size[0],
            kernel: self.kernel_size.sizes(),
            stride: self.stride.sizes(),
            padding: self.sides(),
            dilation: self.dilation.sizes(),
            groups: self.groups,
        }
    }

    /// The weight and the bias in the layer's flat range.
    fn split<'a>(&self, weights: &'a [f32]) -> (&'a [f32], Option<&'a [f32]>) {
        let (weight, bias) = weights.split_at(weights.len() - if self.bias { self.out_channels } else { 0 });
        (weight, self.bias.then_some(bias))
    }
}

with_keys! { ConvTranspose2d {
    with_in_channels(in_channels: usize) = Some(in_channels);
    with_stride(stride: impl Into<Pair>) = stride.into();
    with_padding(padding: impl Into<Padding>) = padding.into();
    with_output_padding(output_padding: impl Into<Pair>) = output_padding.into();
    with_dilation(dilation: impl Into<Pair>) = dilation.into();
    with_groups(groups: usize) = groups;
    with_bias(bias: bool) = bias;
    with_weight_init(weight_init: Init) = weight_init;
    with_bias_init(bias_init: Init) = bias_init;
} }

impl LayerKind for ConvTranspose2d {
    fn kind(&self) -> &'static str {
        "conv_transpose2d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let channels = inputs[0].axes().first().copied().unwrap_or(0);
        let (dilation, [top, left, bottom, right]) = (self.dilation.sizes(), self.sides());
        let windows =
            sliding(self.kernel_size.sizes(), self.stride.sizes(), [top, left, bottom, right], dilation, true);
        let y = place("r", "i", &windows[0], dilation[0]);
        let x = place("q", "j", &windows[1], dilation[1]);
        // Each group of channels makes filters of its own.
        let weight = match self.groups {
            1 => "c, o".to_string(),
            groups => format!("c, o % {}", self.out_channels / groups),
        };
        let seen = match self.groups {
            1 => String::new(),
            groups => format!(", c / {} = o / {}", channels / groups, self.out_channels / groups),
        };
        let product = format!(
            "sum of weight[{weight}, i, j] * input[c, r, q] over all c, r, q, i, j with {y} = y, {x} = x{seen}"
        );
        with_bias(self.bias, "[o, y, x]", &product, "[o]")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let size @ [channels, height, width] = maps(one(inputs)?)?;
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
        if matches!(self.padding, Padding::Named(_)) {
            let help = "Give the rows and columns to be cut off as numbers.";
            return Err(Mismatch::new("padding", "numbers", "\"same\"", help));
        }
        check_sizes(self.kernel_size.sizes(), self.stride.sizes(), self.sides(), self.dilation.sizes())?;
        let (more, stride) = (self.output_padding.sizes(), self.stride.sizes());
        if more[0] >= stride[0] || more[1] >= stride[1] {
            let expected = format!("less than the stride, {stride:?}");
            let help = "It chooses between the sizes that a stride above 1 leaves open.";
            return Err(Mismatch::new("output_padding", expected, format!("{more:?}"), help));
        }
        match self.output(size) {
            Some([rows, cols]) => Ok(Shape::new([self.out_channels, rows, cols])),
            None => Err(Mismatch::new(
                "padding",
                "less than what the filters reach, so that an output is left",
                format!("{:?} of maps of {height} x {width}", self.sides()),
                "Padding is cut off from the output of this layer.",
            )),
        }
    }

    fn slides(&self, _inputs: &[&Shape]) -> Option<Vec<Slide>> {
        let (kernel, dilation, stride) = (self.kernel_size.sizes(), self.dilation.sizes(), self.stride.sizes());
        let (padding, more) = (self.sides(), self.output_padding.sizes());
        let window = |axis: usize| {
            let span = dilation[axis] * (kernel[axis] - 1);
            let cut = |side: usize| span as i64 - padding[side] as i64;
            let (before, behind) = (cut(axis), cut(axis + 2) + more[axis] as i64);
            Slide { size: span + 1, before, behind, spread: stride[axis], ..Slide::POINT }
        };
        Some([0, 1].map(window).into())
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let channels = maps(inputs[0]).map_or(0, |[channels, ..]| channels);
        let (maps, [rows, cols]) = (self.out_channels / self.groups.max(1), self.kernel_size.sizes());
        let shape = vec![channels, maps, rows, cols];
        let mut params = vec![ParamSpec::new("weight", shape, self.weight_init)];
        if self.bias {
            let fan_in = (maps * rows * cols).max(1);
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
        Cost::with_additions(self.mirrored(inputs[0]).macs(), if self.bias { outputs } else { 0 })
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn overwrites_gradient(&self) -> bool {
        true
    }

    fn forward(&self, cx: Forward<'_>) {
        let input = cx.inputs[0];
        let (weight, bias) = self.split(cx.weights);
        let output = cx.output.into_f32();
        if let Some(bias) = bias {
            reduce::repeat(bias, output, cx.context);
        }
        let call = ConvBackwardInput {
            geometry: self.mirrored(input.shape),
            batch: cx.rows,
            grad_output: input.f32(),
            weight,
            grad_input: output,
            accumulate: bias.is_some(),
        };
        conv_backward_input(call, &mut cx.scratch.conv, cx.context);
    }

    fn backward(&self, cx: Backward<'_, '_>) {
        let (input, grad_output, batch, accumulate) = (cx.inputs[0], cx.grad_output, cx.rows, cx.accumulate);
        let geometry = self.mirrored(input.shape);
        let (weight, _) = self.split(cx.weights);
        let (grad_weight, grad_bias) = cx.grad_weights.split_at_mut(weight.len());
        let call = ConvBackwardWeight {
            geometry,
            batch,
            input: grad_output,
            grad_output: input.f32(),
            grad_weight,
            grad_bias: None,
            accumulate,
        };
        conv_backward_weight(call, &mut cx.scratch.conv, cx.context);
        if self.bias {
            if !accumulate {
                grad_bias.fill(0.0);
            }
            let pixels = batch * geometry.height * geometry.width;
            reduce::add_column_sums(pixels, self.out_channels, grad_output, grad_bias, cx.context);
        }
        if let Some(GradInput { values, .. }) = cx.grad_inputs[0].take() {
            let call = Conv {
                geometry,
                batch,
                input: grad_output,
                weight: Weight::Plain(weight),
                bias: None,
                function: Function::Identity,
                pooling: None,
                output: values,
            };
            conv(call, &mut cx.scratch.conv, cx.context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Library, gradcheck, gradients_add_up};

    #[test]
    fn gradients_are_the_derivatives() {
        let (maps, plain) = (Shape::new([4, 3, 2]), ConvTranspose2d::new(2, 3));
        let two = Pair::Both(2);
        let strided =
            ConvTranspose2d { stride: two, padding: Padding::All(1), output_padding: Pair::Each([1, 0]), ..plain };
        for layer in [
            plain,
            ConvTranspose2d { kernel_size: two, stride: two, ..plain },
            strided,
            ConvTranspose2d { groups: 2, dilation: Pair::Each([2, 1]), bias: false, ..strided },
        ] {
            gradcheck(&layer.into(), &maps, 2);
            gradients_add_up(&Library, &[layer.into()], &maps, 3).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |layer: ConvTranspose2d| layer.infer(&[&Shape::new([4, 3, 3])]).unwrap_err().compared;
        let plain = ConvTranspose2d::new(6, 3);
        assert_eq!(refused(plain.with_output_padding(1)), "output_padding");
        assert_eq!(refused(plain.with_padding(3)), "padding");
        assert_eq!(refused(plain.with_padding(1 << 30)), "padding");
        assert_eq!(refused(ConvTranspose2d { padding: Padding::SAME, ..plain }), "padding");
        assert_eq!(refused(plain.with_groups(4)), "groups");
        assert_eq!(refused(plain.with_in_channels(3)), "in_channels");
        assert_eq!(refused(plain.with_stride(0)), "stride");
        assert_eq!(refused(ConvTranspose2d::new(6, 0)), "kernel_size");
        assert!(plain.infer(&[&Shape::new([4, 0, 3])]).is_err());
    }

    #[test]
    fn counts_are_those_of_a_filter_for_each_pixel() {
        let (layer, input) = (ConvTranspose2d::new(512, 2).with_stride(2), Shape::new([1024, 28, 28]));
        let output = layer.infer(&[&input]).unwrap();
        let params: usize = layer.params(&[&input]).iter().map(ParamSpec::len).sum();
        assert_eq!(params, 1024 * 512 * 4 + 512);
        assert_eq!(layer.cost(&[&input], &output).macs, 28 * 28 * 1024 * 512 * 4);
    }
}
