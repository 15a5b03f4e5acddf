//! Local response normalization: channels are divided by a power of the squares around them.

use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Pass, Saved, one};
use crate::layers::formula::Steps;
use crate::layers::sides::maps;
use crate::shape::Shape;
use crate::window::{Slide, points};
use plexus_kernels::lrn::{LrnBackward, Window, lrn, lrn_backward};
use serde::{Deserialize, Serialize};

/// Divides every number of a map by a power of the squares of the channels around it, at the same pixel.
///
/// ```text
/// s[c]          = k + a · Σ_j input[j]²        j from c − ⌊(size − 1) / 2⌋ to c + ⌊size / 2⌋, inside the channels
/// output[c]     = input[c] · s[c]^−beta
/// grad_input[c] = grad_output[c] · s[c]^−beta − 2 · a · beta · input[c] · Σ_j grad_output[j] · output[j] / s[j]
///                 over the j whose s has input[c] in it
/// ```
///
/// `a` is `alpha / size`, also where the window is cut at the border, as PyTorch, ONNX and MATLAB have it; without
/// `divide_by_size` it is `alpha`, as in the paper. So `alpha` of the one is `size` times that of the other.
///
/// # Shapes
/// - `input`, `output`: `[channels, height, width]`, or `[channels]`
///
/// # Source
/// Krizhevsky, Sutskever and Hinton 2012 (NIPS 25), section 3.3; defaults as PyTorch's `LocalResponseNorm`. An even size looks one
/// channel further ahead, as in ONNX and MATLAB; in PyTorch it looks one further back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Lrn {
    /// Channels of the window.
    pub size: usize,
    /// What the sum of squares is multiplied by.
    #[serde(default = "default_alpha")]
    pub alpha: f32,
    /// The power.
    #[serde(default = "default_beta")]
    pub beta: f32,
    /// What is added to the sum.
    #[serde(default = "default_k")]
    pub k: f32,
    /// Whether alpha is divided by the size.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub divide_by_size: bool,
}

fn default_alpha() -> f32 {
    1e-4
}

fn default_beta() -> f32 {
    0.75
}

fn default_k() -> f32 {
    1.0
}

fn yes() -> bool {
    true
}

impl Lrn {
    /// A window of so many channels, the other keys at their defaults.
    pub fn new(size: usize) -> Self {
        Lrn { size, alpha: default_alpha(), beta: default_beta(), k: default_k(), divide_by_size: true }
    }

    fn window(&self) -> Window {
        let alpha = if self.divide_by_size { self.alpha / self.size as f32 } else { self.alpha };
        Window { size: self.size, alpha, beta: self.beta, k: self.k }
    }
}

with_keys! { Lrn {
    with_alpha(alpha: f32) = alpha;
    with_beta(beta: f32) = beta;
    with_k(k: f32) = k;
    with_divide_by_size(divide_by_size: bool) = divide_by_size;
} }

impl LayerKind for Lrn {
    fn kind(&self) -> &'static str {
        "lrn"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let alpha = if self.divide_by_size { self.alpha / self.size as f32 } else { self.alpha };
        let (before, behind) = ((self.size.max(1) - 1) / 2, self.size / 2);
        let formula = format!(
            "output[c] = input[c] / ({} + {alpha} * sum of input[j]^2 over c - {before} <= j <= c + {behind})^{}",
            self.k, self.beta
        );
        vec![(self.kind(), formula)]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        if input.axes().len() != 1 {
            maps(input)?;
        }
        if !(1..=1 << 20).contains(&self.size) {
            return Err(Mismatch::new("size", "1 to 1048576 channels", self.size.to_string(), ""));
        }
        for (name, value, least) in
            [("alpha", self.alpha, 0.0), ("beta", self.beta, 0.0), ("k", self.k, f32::MIN_POSITIVE)]
        {
            if !(value.is_finite() && value >= least) {
                let expected = if least > 0.0 { "a number above 0" } else { "a number from 0 on" };
                return Err(Mismatch::new(name, expected, value.to_string(), ""));
            }
        }
        Ok(input.clone())
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        points(inputs[0])
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    fn saved(&self, inputs: &[&Shape]) -> Saved {
        Saved::per_row(inputs[0].len().unwrap_or(0))
    }

    fn forward(&self, cx: Forward<'_>) {
        let (rows, channels) = pixels(cx.inputs[0].shape, cx.rows);
        let reciprocal = match cx.pass {
            Pass::Training { saved, .. } => Some(saved.into_f32()),
            Pass::Inference { .. } => None,
        };
        let (window, input, output) = (self.window(), cx.inputs[0].f32(), cx.output.into_f32());
        lrn(plexus_kernels::lrn::Lrn { window, rows, channels, input, output, reciprocal }, cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        let (rows, channels) = pixels(cx.inputs[0].shape, cx.rows);
        let call = LrnBackward {
            window: self.window(),
            rows,
            channels,
            input: cx.input(),
            output: cx.output.f32(),
            reciprocal: cx.saved.f32(),
            grad_output: cx.grad_output,
            grad_input,
        };
        lrn_backward(call, cx.context);
    }
}

/// Pixels of a batch, and their channels.
fn pixels(input: &Shape, batch: usize) -> (usize, usize) {
    (batch * input.axes().iter().skip(1).product::<usize>(), input.axes().first().copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gradcheck, run_layer};

    fn normalized(layer: Lrn, values: &[f32]) -> Vec<f32> {
        let zeros = vec![0.0; values.len()];
        run_layer(&layer.into(), &Shape::new([values.len(), 1, 1]), 1, values, &[], &zeros).output
    }

    #[test]
    fn s32_both_formulas_give_their_golden_numbers() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let divided = [0.594_541_13, 1.188_939_6, 1.783_075_2, 2.376_81, 2.971_101_6, 3.565_562_4];
        let paper = [0.594_291_6, 1.187_871, 1.780_140_4, 2.370_418_6, 2.963_465_7, 3.557_354_4];
        let layer = Lrn::new(5).with_k(2.0);
        let both = [(layer, divided), (layer.with_divide_by_size(false), paper)];
        // The one formula with the size times larger alpha is the other.
        let same = (layer.with_alpha(5e-4), paper);
        for (layer, want) in both.into_iter().chain([same]) {
            for (got, want) in normalized(layer, &values).into_iter().zip(want) {
                assert!((got - want).abs() < 1e-6, "{layer:?}: {got} want {want}");
            }
        }
        let strong = Lrn::new(3).with_alpha(1.0).with_beta(0.5);
        assert!((normalized(strong, &values)[0] - 0.612_372_44).abs() < 1e-6);
        assert!((normalized(strong.with_divide_by_size(false), &values)[0] - 0.408_248_3).abs() < 1e-6);
    }

    #[test]
    fn s32_an_even_window_looks_one_channel_further_ahead() {
        // One before, two after.
        let layer = Lrn::new(4).with_alpha(4.0).with_beta(1.0);
        let alone = |at: usize| {
            let mut values = [0.0; 6];
            (values[3], values[at]) = (1.0, 2.0);
            normalized(layer, &values)[3]
        };
        assert_eq!([1, 2, 4, 5].map(alone), [0.5, 1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0]);
    }

    #[test]
    fn gradients_are_the_derivatives() {
        let strong = Lrn::new(3).with_alpha(2.0);
        for layer in [strong, Lrn { size: 4, beta: 0.6, ..strong }, Lrn { divide_by_size: false, k: 0.5, ..strong }] {
            gradcheck(&layer.into(), &Shape::new([5, 2, 2]), 2);
        }
        gradcheck(&strong.into(), &Shape::new([6]), 3);
    }

    #[test]
    fn constants_that_cannot_be_are_refused() {
        let refused = |layer: Lrn| layer.infer(&[&Shape::new([4, 2, 2])]).unwrap_err().compared;
        assert_eq!(refused(Lrn::new(0)), "size");
        assert_eq!(refused(Lrn::new(5).with_k(0.0)), "k");
        assert_eq!(refused(Lrn::new(5).with_alpha(-1.0)), "alpha");
        assert_eq!(refused(Lrn::new(5).with_beta(f32::NAN)), "beta");
        assert_eq!(Lrn::new(5).infer(&[&Shape::new([4, 2])]).unwrap_err().compared, "the input");
    }
}
