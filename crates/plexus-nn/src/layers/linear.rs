//! Fully connected layer: every output sees every input.

use crate::init::Init;
use crate::layer::{
    Backward, Cost, Forward, GradInput, LayerKind, Mismatch, ParamSpec, Prepare, Products, Reads, one, weights_bytes,
};
use crate::layers::formula::{Steps, with_bias};
use crate::prepared::Prepared;
use crate::shape::Shape;
use plexus_kernels::Context;
use plexus_kernels::buffer::{Buffer, MatrixMut};
use plexus_kernels::gemm::{self, Gemm, Packed, View, gemm};
use plexus_kernels::map::Function;
use plexus_kernels::reduce;
use plexus_kernels::weight_only::{self, Multiply};
use serde::{Deserialize, Serialize};

/// Multiplies a batch by a weight matrix and adds a bias.
///
/// ```text
/// output[b, o]      = bias[o] + Σ_i input[b, i] · weight[o, i]
/// grad_input[b, i]  = Σ_o grad_output[b, o] · weight[o, i]
/// grad_weight[o, i] += Σ_b grad_output[b, o] · input[b, i]
/// grad_bias[o]      += Σ_b grad_output[b, o]
/// ```
///
/// There is no activation in it. Leading axes of a sample are kept: the last axis is contracted, so a sequence
/// `[steps, features]` is multiplied step by step.
///
/// # Shapes
/// - `input`: `[…, in_features]`; zero features leave the bias
/// - `weight`: `[out_features, in_features]`
/// - `bias`: `[out_features]`
/// - `output`: `[…, out_features]`
///
/// # Examples
/// ```
/// use plexus_nn::{Network, Shape, layers::Linear};
/// let network = Network::chain(Shape::new([4096]), [Linear::new(4096).into()]).check().unwrap();
/// assert_eq!(network.layout().weights_len(), 16_781_312);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Linear {
    /// Size of the last axis of the output.
    pub out_features: usize,
    /// Size of the last axis of the input; `None` takes what comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_features: Option<usize>,
    /// Whether a bias is added.
    #[serde(default = "yes")]
    pub bias: bool,
    /// First values of the weight; the default is uniform within ±1/√in_features, as PyTorch.
    #[serde(default = "uniform_fan_in", skip_serializing_if = "is_uniform_fan_in")]
    pub weight_init: Init,
    /// First values of the bias; the default is uniform within ±1/√in_features, as PyTorch.
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

impl Linear {
    /// A linear layer with bias that takes whatever width comes.
    pub fn new(out_features: usize) -> Self {
        Linear {
            out_features,
            in_features: None,
            bias: true,
            weight_init: Init::UniformFanIn,
            bias_init: Init::UniformFanIn,
        }
    }

    /// The weight and the bias in the layer's flat range.
    fn split<'a>(&self, weights: &'a [f32]) -> (&'a [f32], Option<&'a [f32]>) {
        let (weight, bias) = weights.split_at(weights.len() - if self.bias { self.out_features } else { 0 });
        (weight, self.bias.then_some(bias))
    }
}

with_keys! { Linear {
    with_in_features(in_features: usize) = Some(in_features);
    with_bias(bias: bool) = bias;
    with_weight_init(weight_init: Init) = weight_init;
    with_bias_init(bias_init: Init) = bias_init;
} }

impl LayerKind for Linear {
    fn kind(&self) -> &'static str {
        "linear"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        with_bias(self.bias, "[o]", "sum over i of input[i] * weight[o, i]", "[o]")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        let Some(features) = input.last() else {
            return Err(Mismatch::new("the input", "at least one axis", "a single number", "Reshape it to [1]."));
        };
        match self.in_features {
            Some(expected) if expected != features => Err(Mismatch::new(
                "in_features",
                format!("{expected} features (its in_features)"),
                format!("{features} features"),
                format!("Set in_features = {features}, or leave it out."),
            )),
            _ => Ok(input.with_last(self.out_features)),
        }
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let in_features = last(inputs[0]);
        let weight = ParamSpec::new("weight", vec![self.out_features, in_features], self.weight_init);
        let mut params = vec![weight];
        if self.bias {
            let init = match self.bias_init {
                Init::UniformFanIn => Init::Uniform { bound: (in_features.max(1) as f32).recip().sqrt() },
                other => other,
            };
            params.push(ParamSpec::new("bias", vec![self.out_features], init));
        }
        params
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        let outputs = output.len().unwrap_or(0) as u64;
        Cost::with_additions(outputs * last(inputs[0]) as u64, if self.bias { outputs } else { 0 })
    }

    fn fuses_function(&self) -> bool {
        true
    }

    fn products(&self, inputs: &[&Shape]) -> Option<Products> {
        let axis = inputs[0].axes().len() - 1;
        Some(Products {
            outputs: self.out_features,
            inputs: last(inputs[0]),
            taps: 1,
            groups: 1,
            bias: self.bias,
            input_axis: Some(axis),
            output_axis: axis,
        })
    }

    fn overwrites_gradient(&self) -> bool {
        true
    }

    fn adds_to_grad_input(&self) -> bool {
        true
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn prepare(&self, cx: Prepare<'_>) -> Option<Prepared> {
        let (weight, bias) = self.split(cx.weights);
        let b = View::row_major(weight, self.out_features, last(cx.inputs[0])).transposed();
        let bias = Buffer::from_slice(cx.bias.or(bias).unwrap_or_default());
        Some(match cx.context.weights() {
            Some(format) => Prepared::Rounded { weight: weight_only::Packed::new(b, format, cx.context), bias },
            None => Prepared::Gemm { weight: Packed::new(b, cx.context), bias },
        })
    }

    fn prepares_in_place(&self, inputs: &[&Shape], context: &Context) -> bool {
        let (k, n) = (last(inputs[0]), self.out_features);
        // As large as they are, and no parts of bfloat16, which do not give the numbers back.
        let same_size = Some(Packed::bytes_for((k, n), context)) == k.checked_mul(n * size_of::<f32>());
        same_size && context.precision().parts(context.isa()).is_none() && context.weights().is_none()
    }

    fn prepare_in_place(&self, cx: Prepare<'_>, weights: Buffer) -> Option<Prepared> {
        let bias = Buffer::from_slice(cx.bias.or(self.split(&weights).1).unwrap_or_default());
        let weight = Packed::from_transposed(weights, (last(cx.inputs[0]), self.out_features), cx.context);
        Some(Prepared::Gemm { weight, bias })
    }

    fn prepared_bytes(&self, inputs: &[&Shape], context: &Context) -> usize {
        let size = (last(inputs[0]), self.out_features);
        let bias = if self.bias { self.out_features * size_of::<f32>() } else { 0 };
        if let Some(format) = context.weights() {
            return weight_only::Packed::bytes_for(size, format).saturating_add(bias);
        }
        let packed = Packed::bytes_for(size, context);
        // Parts of bfloat16 do not give the weights back.
        let plain = context.precision().parts(context.isa()).map_or(0, |_| weights_bytes(&self.params(inputs)));
        packed.saturating_add(bias).saturating_add(plain)
    }

    fn forward(&self, cx: Forward<'_>) {
        let (in_features, rows) = (last(cx.input_shape()), rows(cx.rows, cx.input_shape()));
        let a = View::row_major(cx.input(), rows, in_features);
        let to = |values| MatrixMut { values, rows, cols: self.out_features, stride: self.out_features };
        let (b, bias) = match cx.prepared {
            Some(Prepared::Rounded { weight, bias }) => {
                let bias = (!bias.is_empty()).then_some(&bias[..]);
                let call = Multiply { a, b: weight, c: to(cx.output.into_f32()), bias, function: cx.function };
                return weight_only::multiply(call, &mut cx.scratch.gemm, cx.context);
            }
            Some(Prepared::Gemm { weight, bias }) => {
                (gemm::Operand::Packed(weight), (!bias.is_empty()).then_some(&bias[..]))
            }
            _ => {
                let (weight, bias) = self.split(cx.weights);
                let weight = View::row_major(weight, self.out_features, in_features).transposed();
                (gemm::Operand::Plain(weight), bias)
            }
        };
        let (c, function) = (to(cx.output.into_f32()), cx.function);
        let call = Gemm { a, b, c, accumulate: false, bias, function };
        gemm(call, &mut cx.scratch.gemm, cx.context);
    }

    fn backward(&self, cx: Backward<'_, '_>) {
        let (in_features, rows) = (last(cx.input_shape()), rows(cx.rows, cx.input_shape()));
        let (input, (weight, _)) = (cx.input(), self.split(cx.weights));
        let (grad_weight, grad_bias) = cx.grad_weights.split_at_mut(weight.len());
        let grad_output = View::row_major(cx.grad_output, rows, self.out_features);
        let call = Gemm {
            a: grad_output.transposed(),
            b: gemm::Operand::Plain(View::row_major(input, rows, in_features)),
            c: MatrixMut { values: grad_weight, rows: self.out_features, cols: in_features, stride: in_features },
            accumulate: cx.accumulate,
            bias: None,
            function: Function::Identity,
        };
        gemm(call, &mut cx.scratch.gemm, cx.context);
        if self.bias {
            if !cx.accumulate {
                grad_bias.fill(0.0);
            }
            reduce::add_column_sums(rows, self.out_features, cx.grad_output, grad_bias, cx.context);
        }
        if let Some(GradInput { values, accumulate }) = cx.grad_inputs[0].take() {
            let call = Gemm {
                a: grad_output,
                b: gemm::Operand::Plain(View::row_major(weight, self.out_features, in_features)),
                c: MatrixMut { values, rows, cols: in_features, stride: in_features },
                accumulate,
                bias: None,
                function: Function::Identity,
            };
            gemm(call, &mut cx.scratch.gemm, cx.context);
        }
    }
}

/// Size of the contracted axis.
fn last(input: &Shape) -> usize {
    input.last().unwrap_or(0)
}

/// Rows that are multiplied: samples times leading axes.
fn rows(batch: usize, input: &Shape) -> usize {
    batch * input.axes().iter().rev().skip(1).product::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Library, gradcheck, gradients_add_up, run_layer};

    #[test]
    fn the_worked_batch_gives_its_golden_numbers() {
        // Weights are stored [out, in]: the transpose of the inputs-times-weights form of the example.
        let run = run_layer(
            &Linear::new(2).into(),
            &Shape::new([3]),
            2,
            &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            &[1.0, 3.0, 5.0, 2.0, 4.0, 6.0, 10.0, 20.0],
            &[1.0, -1.0, 2.0, 0.5],
        );
        assert_eq!(run.output, [32.0, 48.0, 59.0, 84.0]);
        assert_eq!(run.grad_input, [-1.0, -1.0, -1.0, 3.0, 8.0, 13.0]);
        assert_eq!(run.grad_weights, [9.0, 12.0, 15.0, 1.0, 0.5, 0.0, 3.0, -0.5]);
    }

    #[test]
    fn weight_gradients_are_added_and_input_gradients_overwrite() {
        gradients_add_up(&Library, &[Linear::new(2).into()], &Shape::new([3]), 4).unwrap();
    }

    #[test]
    fn the_jacobian_with_respect_to_the_weight_is_the_outer_product() {
        // ∂y[t] / ∂W[i, j] = x[j] where i = t, else 0: row t of the Jacobian is the gradient for a unit grad_output.
        let (outputs, inputs) = (3, 4);
        let x = [0.5, -1.0, 2.0, 0.25];
        let weights = vec![0.1; outputs * inputs + outputs];
        for t in 0..outputs {
            let mut unit = vec![0.0; outputs];
            unit[t] = 1.0;
            let run = run_layer(&Linear::new(outputs).into(), &Shape::new([inputs]), 1, &x, &weights, &unit);
            for i in 0..outputs {
                for (j, &x) in x.iter().enumerate() {
                    let want = if i == t { x } else { 0.0 };
                    assert_eq!(run.grad_weights[i * inputs + j], want);
                }
            }
        }
    }

    #[test]
    fn time_steps_are_independent() {
        let weights: Vec<f32> = (0..3 * 2 + 2).map(|i| i as f32 * 0.3 - 1.0).collect();
        let layer: crate::layers::Layer = Linear::new(2).into();
        let steps: Vec<f32> = (0..12).map(|i| (i as f32).sin()).collect();
        let sequence = run_layer(&layer, &Shape::new([4, 3]), 1, &steps, &weights, &[1.0; 8]);
        let as_batch = run_layer(&layer, &Shape::new([3]), 4, &steps, &weights, &[1.0; 8]);
        assert_eq!(sequence.output, as_batch.output);
        assert_eq!(sequence.grad_weights, as_batch.grad_weights);
        let mut reversed: Vec<f32> = steps.chunks(3).rev().flatten().copied().collect();
        let backwards = run_layer(&layer, &Shape::new([4, 3]), 1, &reversed, &weights, &[1.0; 8]);
        let want: Vec<f32> = sequence.output.chunks(2).rev().flatten().copied().collect();
        assert_eq!(backwards.output, want);
        reversed.truncate(6);
        let shorter = run_layer(&layer, &Shape::new([2, 3]), 1, &reversed, &weights, &[1.0; 4]);
        assert_eq!(shorter.output, want[..4]);
    }

    #[test]
    fn gradients_are_the_derivatives() {
        gradcheck(&Linear::new(5).into(), &Shape::new([3]), 4);
        gradcheck(&Linear::new(3).with_bias(false).into(), &Shape::new([2, 4]), 2);
        gradcheck(&Linear::new(1).into(), &Shape::new([1]), 1);
    }

    #[test]
    fn a_declared_width_that_does_not_fit_is_refused_with_both_numbers() {
        let layer = Linear { in_features: Some(784), ..Linear::new(10) };
        let mismatch = layer.infer(&[&Shape::new([100])]).unwrap_err();
        assert!(mismatch.expected.contains("784") && mismatch.got.contains("100"));
    }

    #[test]
    fn counts_with_and_without_bias() {
        let count = |layer: Linear, inputs: usize| -> usize {
            layer.params(&[&Shape::new([inputs])]).iter().map(ParamSpec::len).sum()
        };
        assert_eq!(count(Linear::new(4096), 4096), 16_781_312);
        assert_eq!(count(Linear::new(4096).with_bias(false), 4096), 16_777_216);
        assert_eq!(count(Linear::new(1), 3072), 3073);
    }
}
