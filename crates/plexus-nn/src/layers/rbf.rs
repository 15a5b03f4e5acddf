//! Radial basis functions: the distance to each of some given points.

use crate::init::Init;
use crate::layer::{Backward, Cost, Forward, LayerKind, Mismatch, ParamSpec, Pass, Reads, one};
use crate::layers::formula::Steps;
use crate::shape::Shape;
use crate::view::View;
use plexus_kernels::rbf::{self, Size};
use serde::{Deserialize, Serialize};

/// Takes the squared distance to each point, negated so that the largest output is the nearest point, as with scores.
///
/// ```text
/// output[b, o]     = −Σ_i (input[b, i] − center[o, i])²
/// grad_input[b, i] = Σ_o −2 · grad_output[b, o] · (input[b, i] − center[o, i])
/// ```
///
/// The points are constants. Softmax with cross-entropy on these outputs is the discriminative criterion of the paper
/// (its equation 9, without the constant for rubbish classes).
///
/// # Shapes
/// - `input`: `[…, in_features]`
/// - `center`: `[out_features, in_features]`
/// - `output`: `[…, out_features]`
///
/// # Source
/// LeCun et al. 1998 (Proc. IEEE 86), the output layer of LeNet-5, with the other sign.
///
/// # Examples
/// ```
/// use plexus_nn::{Network, Shape, layers::Rbf};
/// let network = Network::chain(Shape::new([84]), [Rbf::new(10).into()]).check().unwrap();
/// assert_eq!((network.layout().weights_len(), network.layout().state_len()), (0, 840));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rbf {
    /// Points, each of which gives one output.
    pub out_features: usize,
    /// Where the points are; the default is the digits as bitmaps where there are ten points of 84 numbers, else codes of
    /// −1 and 1 at random.
    #[serde(default = "digits", skip_serializing_if = "is_digits")]
    pub center_init: Init,
}

fn digits() -> Init {
    Init::Digits
}

fn is_digits(init: &Init) -> bool {
    *init == Init::Digits
}

impl Rbf {
    /// Points as the paper has them.
    pub fn new(out_features: usize) -> Self {
        Rbf { out_features, center_init: Init::Digits }
    }

    fn size(&self, input: View<'_>) -> Size {
        let (rows, features) = super::rows_and_cols(input);
        Size { rows, features, points: self.out_features }
    }
}

with_keys! { Rbf {
    with_center_init(center_init: Init) = center_init;
} }

impl LayerKind for Rbf {
    fn kind(&self) -> &'static str {
        "rbf"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        vec![(self.kind(), "output[o] = -(sum over i of (input[i] - center[o, i])^2)".to_string())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        match input.last() {
            Some(features) if features > 0 => Ok(input.with_last(self.out_features)),
            _ => Err(Mismatch::new("the input", "at least one feature", input.describe(), "")),
        }
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let shape = vec![self.out_features, inputs[0].last().unwrap_or(0)];
        vec![ParamSpec::constant("center", shape, self.center_init)]
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        let features = inputs[0].last().unwrap_or(0) as u64;
        Cost::with_additions((output.len().unwrap_or(0) as u64).saturating_mul(features), 0)
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let center = match &cx.pass {
            Pass::Training { state, .. } => &**state,
            Pass::Inference { state } => state,
        };
        rbf::forward(self.size(cx.inputs[0]), cx.inputs[0].f32(), center, cx.output.into_f32(), cx.context.pool());
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        let size = self.size(cx.inputs[0]);
        rbf::backward(size, cx.input(), cx.state, cx.grad_output, grad_input, cx.context.pool());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gradcheck, run_layer};

    #[test]
    fn gradients_are_the_derivatives() {
        gradcheck(&Rbf::new(4).into(), &Shape::new([7]), 3);
        gradcheck(&Rbf { center_init: Init::HeNormal, ..Rbf::new(3) }.into(), &Shape::new([2, 5]), 2);
    }

    #[test]
    fn the_nearest_point_has_the_largest_output() {
        let mut digits = vec![0.0; 840];
        Init::Digits.fill(&[10, 84], 0, 0, &mut digits);
        let run = run_layer(&Rbf::new(10).into(), &Shape::new([84]), 10, &digits, &[], &[0.0; 100]);
        for (digit, distances) in run.output.chunks(10).enumerate() {
            assert_eq!(distances[digit], 0.0);
            assert!(distances.iter().enumerate().all(|(other, distance)| other == digit || *distance < -4.0));
        }
    }

    #[test]
    fn an_input_without_features_is_refused() {
        assert!(Rbf::new(3).infer(&[&Shape::new([2, 0])]).is_err());
        assert!(Rbf::new(3).infer(&[&Shape::default()]).is_err());
    }
}
