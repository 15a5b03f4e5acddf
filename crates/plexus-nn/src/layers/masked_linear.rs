//! Masked linear: a linear layer some of whose connections are not there.

use crate::init::Init;
use crate::layer::{Backward, Cost, Forward, LayerKind, Mismatch, ParamSpec, Pass, Reads, one};
use crate::layers::Linear;
use crate::layers::formula::{Steps, with_bias};
use crate::shape::Shape;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::reduce;
use serde::{Deserialize, Serialize};

/// Multiplies by a weight of which a fixed mask of zeros and ones leaves some elements.
///
/// ```text
/// output[b, o]       = bias[o] + Σ_i mask[o, i] · weight[o, i] · input[b, i]
/// grad_weight[o, i] += mask[o, i] · Σ_b grad_output[b, o] · input[b, i]
/// grad_input[b, i]   = Σ_o grad_output[b, o] · mask[o, i] · weight[o, i]
/// ```
///
/// What the mask takes away stays away: it has no effect and no gradient. The mask starts with ones at random places, a share of
/// `density`; any other may be set as the tensor `mask`, which is kept with the model as constants are.
///
/// # Shapes
/// - `input`: `[…, in_features]`
/// - `weight`, `mask`: `[out_features, in_features]`
/// - `bias`: `[out_features]`
/// - `output`: `[…, out_features]`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MaskedLinear {
    /// Outputs.
    pub out_features: usize,
    /// Inputs; `None` takes what comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_features: Option<usize>,
    /// The share of the connections that are there, above 0.
    #[serde(default = "dense", skip_serializing_if = "is_dense")]
    pub density: f32,
    /// Whether a bias is added.
    #[serde(default = "yes")]
    pub bias: bool,
}

fn yes() -> bool {
    true
}

fn dense() -> f32 {
    1.0
}

fn is_dense(density: &f32) -> bool {
    *density == 1.0
}

impl MaskedLinear {
    /// With a bias, and all connections until another density or mask is given.
    pub fn new(out_features: usize) -> Self {
        MaskedLinear { out_features, in_features: None, density: 1.0, bias: true }
    }

    /// The layer without a mask.
    fn linear(&self) -> Linear {
        let linear = Linear::new(self.out_features).with_bias(self.bias);
        match self.in_features {
            Some(in_features) => linear.with_in_features(in_features),
            None => linear,
        }
    }
}

with_keys! { MaskedLinear {
    with_in_features(in_features: usize) = Some(in_features);
    with_density(density: f32) = density;
    with_bias(bias: bool) = bias;
} }

/// Writes a weight without what the mask takes away, and the bias behind it.
fn masked(weights: &[f32], mask: &[f32], to: &mut [f32], cx: &plexus_kernels::Context) {
    let (weight, bias) = weights.split_at(mask.len());
    let (to_weight, to_bias) = to.split_at_mut(mask.len());
    reduce::multiply(weight, mask, to_weight, cx);
    to_bias.copy_from_slice(bias);
}

impl LayerKind for MaskedLinear {
    fn kind(&self) -> &'static str {
        "masked_linear"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        with_bias(self.bias, "[o]", "sum over i of input[i] * mask[o, i] * weight[o, i]", "[o]")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        if !(self.density > 0.0 && self.density <= 1.0) {
            return Err(Mismatch::new("density", "a share above 0, up to 1", self.density.to_string(), ""));
        }
        one(inputs)?;
        self.linear().infer(inputs)
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let mut params = self.linear().params(inputs);
        let shape = params[0].shape.clone();
        // So many connections an output has.
        let fan_in = (shape[1] as f32 * self.density).max(1.0);
        for spec in &mut params {
            spec.init = Init::Uniform { bound: fan_in.recip().sqrt() };
        }
        let density = self.density;
        let init = if is_dense(&density) { Init::Ones } else { Init::Mask { density } };
        params.push(ParamSpec::constant("mask", shape, init));
        params
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        self.linear().cost(inputs, output)
    }

    fn fuses_function(&self) -> bool {
        true
    }

    fn adds_to_grad_input(&self) -> bool {
        true
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let mut full = std::mem::take(&mut cx.scratch.weights);
        full.grow(cx.weights.len());
        let mask: &[f32] = match &cx.pass {
            Pass::Training { state, .. } => state,
            Pass::Inference { state } => state,
        };
        masked(cx.weights, mask, &mut full[..cx.weights.len()], cx.context);
        let scratch = cx.scratch;
        self.linear().forward(Forward {
            weights: &full[..cx.weights.len()],
            prepared: None,
            scratch: &mut *scratch,
            pass: Pass::Inference { state: &[] },
            ..cx
        });
        scratch.weights = full;
    }

    fn backward(&self, cx: Backward<'_, '_>) {
        let (len, mask) = (cx.weights.len(), cx.state);
        let mut both: Buffer = std::mem::take(&mut cx.scratch.weights);
        both.grow(2 * len);
        let (full, grads) = both[..2 * len].split_at_mut(len);
        masked(cx.weights, mask, full, cx.context);
        let mut grad_inputs = [cx.grad_inputs[0].take()];
        let scratch = cx.scratch;
        self.linear().backward(Backward {
            rows: cx.rows,
            inputs: cx.inputs,
            output: cx.output,
            grad_output: cx.grad_output,
            grad_inputs: &mut grad_inputs,
            weights: full,
            grad_weights: &mut *grads,
            accumulate: false,
            state: &[],
            saved: cx.saved,
            random: cx.random,
            settled: cx.settled,
            scratch: &mut *scratch,
            context: cx.context,
        });
        reduce::multiply_assign(&mut grads[..mask.len()], mask, cx.context);
        reduce::add_assign(cx.grad_weights, grads, cx.context);
        scratch.weights = both;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Library, Runner, gradcheck, gradients_add_up};

    #[test]
    fn gradients_are_the_derivatives() {
        let layer = MaskedLinear::new(4).with_density(0.5);
        gradcheck(&layer.into(), &Shape::new([5]), 3);
        gradcheck(&layer.with_bias(false).into(), &Shape::new([2, 3]), 2);
        gradients_add_up(&Library, &[layer.into()], &Shape::new([5]), 3).unwrap();
    }

    #[test]
    fn what_the_mask_takes_away_has_no_effect_and_no_gradient() {
        let (layer, input) = (MaskedLinear::new(2), Shape::new([3]));
        let mask = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        let weights = [1.0, 50.0, 2.0, 60.0, 70.0, 3.0, 0.5, -0.5];
        let run = Runner::new(&layer.into(), &input, &weights, &mask).run(1, &[1.0, 2.0, 3.0], &[1.0, 10.0], 1);
        assert_eq!(run.output, [7.5, 8.5]);
        assert_eq!(run.grad_weights, [1.0, 0.0, 3.0, 0.0, 0.0, 30.0, 1.0, 10.0]);
        assert_eq!(run.grad_input, [1.0, 0.0, 32.0]);
        assert_eq!(run.state, mask);
    }

    #[test]
    fn a_mask_of_a_density_has_about_so_many_ones() {
        let runner = Runner::new(&MaskedLinear::new(100).with_density(0.3).into(), &Shape::new([200]), &[], &[]);
        let mask = &runner.params.state;
        assert!(mask.iter().all(|value| [0.0, 1.0].contains(value)));
        let ones: f32 = mask.iter().sum();
        assert!((5_600.0..6_400.0).contains(&ones), "{ones}");
    }

    #[test]
    fn densities_that_cannot_be_are_refused() {
        for density in [0.0, -1.0, 1.5, f32::NAN] {
            let layer = MaskedLinear::new(2).with_density(density);
            assert_eq!(layer.infer(&[&Shape::new([3])]).unwrap_err().compared, "density");
        }
    }
}
