//! Locally connected: a convolution whose windows share no weights.

use crate::check::MAX_ELEMENTS;
use crate::init::Init;
use crate::layer::{Backward, Cost, Forward, LayerKind, Maps, Mismatch, ParamSpec, Reads, one};
use crate::layers::formula::{Steps, outside, places, with_bias};
use crate::layers::sides::{Padding, Pair, check_border, check_sizes, maps, sliding, too_large};
use crate::shape::Shape;
use crate::window::Slide;
use plexus_kernels::conv::Geometry;
use plexus_kernels::local::{Local, local, local_backward_input, local_backward_weight, weight_len};
use plexus_kernels::reduce;
use serde::{Deserialize, Serialize};

/// Every output sees a window of the maps, as in a convolution, with weights and a bias of its own.
///
/// ```text
/// output[b, o, y, x] = bias[e] + Σ_i Σ_j Σ_c weight[e, i, j, c] · input[b, c, y·s0 + i − top, x·s1 + j − left]
///                      e = (y · columns + x) · out_channels + o
/// ```
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `weight`: `[rows · columns · out_channels, kernel rows, kernel columns, channels]`
/// - `bias`: `[rows · columns · out_channels]`
/// - `output`: `[out_channels, rows, columns]`, as of conv2d
///
/// # Source
/// LeCun 1989 (Generalization and network design strategies); as Keras' `LocallyConnected2D`, with the weights of one output side
/// by side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LocallyConnected2d {
    /// Maps that come out.
    pub out_channels: usize,
    /// Rows and columns of a window.
    pub kernel_size: Pair,
    /// Rows and columns from one window to the next.
    #[serde(default = "Pair::one", skip_serializing_if = "Pair::is_one")]
    pub stride: Pair,
    /// Zeros around the map.
    #[serde(default = "Padding::none", skip_serializing_if = "Padding::is_none")]
    pub padding: Padding,
    /// Whether a bias is added.
    #[serde(default = "yes")]
    pub bias: bool,
    /// First values of the weight; the default is uniform within ±1/√fan_in, as of conv2d.
    #[serde(default = "uniform_fan_in", skip_serializing_if = "is_uniform_fan_in")]
    pub weight_init: Init,
    /// First values of the bias; the default is uniform within ±1/√fan_in, as of conv2d.
    #[serde(default = "uniform_fan_in", skip_serializing_if = "is_uniform_fan_in")]
    pub bias_init: Init,
}

fn yes() -> bool {
    true
}

fn uniform_fan_in() -> Init {
    Init::UniformFanIn
}

fn is_uniform_fan_in(init: &Init) -> bool {
    *init == Init::UniformFanIn
}

impl LocallyConnected2d {
    /// Windows with a bias, stride 1, no padding; one number as the size of a kernel is both its sides.
    pub fn new(out_channels: usize, kernel_size: impl Into<Pair>) -> Self {
        LocallyConnected2d {
            out_channels,
            kernel_size: kernel_size.into(),
            stride: Pair::one(),
            padding: Padding::none(),
            bias: true,
            weight_init: Init::UniformFanIn,
            bias_init: Init::UniformFanIn,
        }
    }

    fn geometry(&self, input: &Shape) -> Geometry {
        let size = maps(input).unwrap_or_default();
        let kernel = self.kernel_size.sizes();
        let plain = Geometry::plain(size, self.out_channels, kernel);
        Geometry { stride: self.stride.sizes(), padding: self.padding.sides(kernel, [1; 2]), ..plain }
    }

    /// The weight and the bias in the layer's flat range.
    fn split<'a>(&self, geometry: &Geometry, weights: &'a [f32]) -> (&'a [f32], Option<&'a [f32]>) {
        let (weight, bias) = weights.split_at(weights.len() - if self.bias { geometry.output_len() } else { 0 });
        (weight, self.bias.then_some(bias))
    }
}

with_keys! { LocallyConnected2d {
    with_stride(stride: impl Into<Pair>) = stride.into();
    with_padding(padding: impl Into<Padding>) = padding.into();
    with_bias(bias: bool) = bias;
    with_weight_init(weight_init: Init) = weight_init;
    with_bias_init(bias_init: Init) = bias_init;
} }

impl LayerKind for LocallyConnected2d {
    fn kind(&self) -> &'static str {
        "locally_connected2d"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let Geometry { kernel, stride, padding, dilation, .. } = self.geometry(inputs[0]);
        let [y, x] = places(&sliding(kernel, stride, padding, dilation, true), dilation);
        let columns = self.geometry(inputs[0]).output().map_or(0, |[_, columns]| columns);
        let product = format!("sum over i, j, c of weight[e, i, j, c] * input[c, {y}, {x}]{}", outside(padding));
        let mut lines = with_bias(self.bias, "[o, y, x]", &product, "[e]");
        lines[0].1 += &format!("; e = (y * {columns} + x) * {} + o", self.out_channels);
        lines
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        let size = maps(input)?;
        if self.padding == Padding::SAME && self.stride.sizes() != [1; 2] {
            let got = format!("stride {:?}", self.stride.sizes());
            let help = "Give the padding as numbers: (kernel - 1) / 2 for odd kernels.";
            return Err(Mismatch::new("padding", "stride 1 with padding = \"same\"", got, help));
        }
        let geometry = self.geometry(input);
        let Geometry { kernel, stride, padding, dilation, .. } = geometry;
        check_sizes(kernel, stride, padding, dilation)?;
        check_border(size, padding)?;
        let Some([rows, cols]) = geometry.output() else {
            return Err(too_large(size, kernel, padding, dilation));
        };
        match weight_len(&geometry) {
            Some(len) if len <= MAX_ELEMENTS => Ok(Shape::new([self.out_channels, rows, cols])),
            len => {
                let expected = format!("at most {MAX_ELEMENTS} weights: outputs x window x channels");
                let got = len.map_or("more than can be counted".to_string(), |len| len.to_string());
                Err(Mismatch::new("the size of the weight", expected, got, "A convolution shares its weights."))
            }
        }
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let geometry = self.geometry(inputs[0]);
        let (outputs, [rows, cols]) = (geometry.output_len(), geometry.kernel);
        let shape = vec![outputs, rows, cols, geometry.channels];
        let mut params = vec![ParamSpec::new("weight", shape, self.weight_init)];
        if self.bias {
            let fan_in = (rows * cols * geometry.channels).max(1);
            let init = match self.bias_init {
                Init::UniformFanIn => Init::Uniform { bound: (fan_in as f32).recip().sqrt() },
                other => other,
            };
            params.push(ParamSpec::new("bias", vec![outputs], init));
        }
        params
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        let outputs = output.len().unwrap_or(0) as u64;
        let macs = self.geometry(inputs[0]).macs();
        Cost::with_additions(macs, if self.bias { outputs } else { 0 })
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

    fn overwrites_gradient(&self) -> bool {
        true
    }

    fn forward(&self, cx: Forward<'_>) {
        let geometry = self.geometry(cx.inputs[0].shape);
        let (weight, bias) = self.split(&geometry, cx.weights);
        let (batch, input, output) = (cx.rows, cx.inputs[0].f32(), cx.output.into_f32());
        local(Local { geometry, batch, input, weight, bias, output }, cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let geometry = self.geometry(cx.inputs[0].shape);
        let (input, grad_output, batch, grad_input) = (cx.input(), cx.grad_output, cx.rows, cx.grad_input());
        let (weight, _) = self.split(&geometry, cx.weights);
        let (grad_weight, grad_bias) = cx.grad_weights.split_at_mut(weight.len());
        if cx.accumulate {
            // Summed over the batch first, so that a second pass adds what the first one gave.
            cx.scratch.weights.grow(weight.len());
            let sums = &mut cx.scratch.weights[..weight.len()];
            reduce::fill(sums, 0.0, cx.context);
            local_backward_weight(&geometry, batch, input, grad_output, sums, cx.context);
            reduce::add_assign(grad_weight, sums, cx.context);
        } else {
            reduce::fill(grad_weight, 0.0, cx.context);
            local_backward_weight(&geometry, batch, input, grad_output, grad_weight, cx.context);
        }
        if self.bias {
            if !cx.accumulate {
                grad_bias.fill(0.0);
            }
            reduce::add_column_sums(batch, geometry.output_len(), grad_output, grad_bias, cx.context);
        }
        if let Some(grad_input) = grad_input {
            local_backward_input(&geometry, batch, grad_output, weight, grad_input, cx.context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Library, gradcheck, gradients_add_up};

    #[test]
    fn gradients_are_the_derivatives() {
        let (maps, plain) = (Shape::new([2, 4, 5]), LocallyConnected2d::new(2, [2, 3]));
        for layer in [plain, plain.with_stride(2).with_padding([1, 0, 0, 2]), plain.with_bias(false)] {
            gradcheck(&layer.into(), &maps, 2);
            gradients_add_up(&Library, &[layer.into()], &maps, 2).unwrap();
        }
    }

    #[test]
    fn s25_the_first_layer_of_alexnet_unshared() {
        let (layer, input) = (LocallyConnected2d::new(96, 11).with_stride(4), Shape::new([3, 227, 227]));
        assert_eq!(layer.infer(&[&input]), Ok(Shape::new([96, 55, 55])));
        let counts: Vec<usize> = layer.params(&[&input]).iter().map(ParamSpec::len).collect();
        assert_eq!((counts[0] + counts[1], counts[1]), (105_705_600, 290_400));
    }

    #[test]
    fn windows_and_weights_that_cannot_be_are_refused() {
        let refused =
            |layer: LocallyConnected2d, input: [usize; 3]| layer.infer(&[&Shape::new(input)]).unwrap_err().compared;
        assert_eq!(refused(LocallyConnected2d::new(2, 5), [1, 4, 4]), "kernel_size");
        assert_eq!(refused(LocallyConnected2d::new(1 << 20, 100), [3, 1000, 1000]), "the size of the weight");
        assert_eq!(refused(LocallyConnected2d::new(2, 3).with_stride(0), [1, 4, 4]), "stride");
    }
}
