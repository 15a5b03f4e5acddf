//! Dropout: in training some elements become zero, chosen at random.

#[cfg(feature = "train")]
use crate::layer::Pass;
use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Reads, Saved, any_numbers, one};
use crate::layers::formula::Steps;
use crate::shape::Shape;
use crate::view::Quant;
use crate::window::{Slide, points};
#[cfg(feature = "train")]
use plexus_kernels::random;
use plexus_kernels::reduce;
use serde::{Deserialize, Serialize};

/// Sets elements to zero with a probability and scales the others, in training; does nothing at inference.
///
/// ```text
/// output[e]     = input[e] · mask[e]          mask[e] = 0 with `probability`, else 1 / (1 − probability)
/// grad_input[e] = grad_output[e] · mask[e]
/// ```
///
/// The mask follows from the seed of the run, the micro-batch, the layer and the position of the element alone, so a run
/// that is repeated or resumed drops the same elements on any number of threads.
///
/// # Shapes
/// - `input`, `output`: any, the same
///
/// # Source
/// Srivastava et al. 2014 (JMLR 15), in the inverted form, as PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Dropout {
    /// The share of elements that become zero, in 0..=1; the default is a half, as PyTorch.
    #[serde(default = "half")]
    pub probability: f32,
}

fn half() -> f32 {
    0.5
}

impl Dropout {
    /// Drops this share of the elements.
    pub fn new(probability: f32) -> Self {
        Dropout { probability }
    }
}

impl Default for Dropout {
    fn default() -> Self {
        Dropout::new(half())
    }
}

impl LayerKind for Dropout {
    fn kind(&self) -> &'static str {
        "dropout"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        vec![(self.kind(), "output[e] = input[e]: nothing is dropped in a prediction".to_string())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        if (0.0..=1.0).contains(&self.probability) {
            return Ok(input.clone());
        }
        let got = self.probability.to_string();
        Err(Mismatch::new("probability", "a share in 0..=1", got, "It is the share of elements that are dropped."))
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        points(inputs[0])
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        any_numbers(inputs)
    }

    fn is_identity(&self, training: bool) -> bool {
        !training || self.probability == 0.0
    }

    fn saved(&self, inputs: &[&Shape]) -> Saved {
        Saved::per_row(inputs[0].len().unwrap_or(0))
    }

    fn maps(&self) -> Maps {
        Maps::Any
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        match cx.pass {
            #[cfg(feature = "train")]
            Pass::Training { saved: mask, random: key, .. } if self.probability > 0.0 => {
                let mask = mask.into_f32();
                random::dropout_mask(key.seed, (key.layer, key.step), self.probability, mask, cx.context);
                reduce::multiply(cx.inputs[0].f32(), mask, cx.output.into_f32(), cx.context);
            }
            _ => cx.output.into_bytes().copy_from_slice(cx.inputs[0].bytes()),
        }
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        if let Some(grad_input) = cx.grad_input() {
            reduce::multiply(cx.grad_output, cx.saved.f32(), grad_input, cx.context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gradcheck, run_layer};

    #[test]
    fn the_kept_share_is_scaled_so_that_the_mean_stays() {
        let ones = vec![1.0; 20_000];
        let layer = Dropout { probability: 0.25 };
        let run = run_layer(&layer.into(), &Shape::new([20_000]), 1, &ones, &[], &ones);
        let kept = run.output.iter().filter(|y| **y != 0.0).count();
        // Standard deviation √(20000 · 0.25 · 0.75) = 61.
        assert!((kept as f64 - 15_000.0).abs() < 5.0 * 61.0, "{kept}");
        assert!(run.output.iter().all(|y| *y == 0.0 || (*y - 4.0 / 3.0).abs() < 1e-6));
        assert_eq!(run.output, run.grad_input);
    }

    #[test]
    fn gradients_are_the_derivatives() {
        gradcheck(&Dropout { probability: 0.5 }.into(), &Shape::new([7]), 3);
    }

    #[test]
    fn a_share_outside_its_range_is_refused() {
        for probability in [-0.1, 1.5, f32::NAN] {
            assert!(Dropout { probability }.infer(&[&Shape::new([3])]).is_err());
        }
    }
}
