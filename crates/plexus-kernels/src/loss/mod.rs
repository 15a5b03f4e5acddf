//! Losses that look at one element at a time, and their gradients.
//!
//! ```text
//! loss = Σ_e l(predictions[e], targets[e])        grad[e] = l'(predictions[e], targets[e]) / divisor
//! ```
//!
//! Outputs of networks are few next to their weights, so these are plain loops in f64, the same on every instruction
//! set; the loss of classification, over whole rows, is [`crate::softmax::cross_entropy`].
//!
//! # Numerics
//! Summed in f64 in the order of the elements. NaN goes through.

/// A loss of one element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PointLoss {
    /// `(p − t)²`
    Squared,
    /// `|p − t|`; the derivative at zero is zero
    Absolute,
    /// `(p − t)² / 2` within `delta`, else `delta · (|p − t| − delta/2)` (Huber 1964)
    Huber {
        /// Where the parabola becomes a line.
        delta: f32,
    },
    /// `−t·ln σ(p) − (1 − t)·ln(1 − σ(p))` for a logit `p` and a target in 0..=1
    BinaryCrossEntropy,
}

impl PointLoss {
    /// The loss of one element and its derivative with respect to the prediction.
    fn at(self, prediction: f64, target: f64) -> (f64, f64) {
        let difference = prediction - target;
        match self {
            PointLoss::Squared => (difference * difference, 2.0 * difference),
            PointLoss::Absolute => {
                let sign = if difference == 0.0 { 0.0 } else { difference.signum() };
                (difference.abs(), sign)
            }
            PointLoss::Huber { delta } => {
                let delta = f64::from(delta);
                if difference.abs() <= delta {
                    (difference * difference / 2.0, difference)
                } else {
                    (delta * (difference.abs() - delta / 2.0), delta * difference.signum())
                }
            }
            PointLoss::BinaryCrossEntropy => {
                // max(p, 0) − p·t + ln(1 + e^−|p|) is the same and never takes the exponential of a large number.
                let tail = (-prediction.abs()).exp();
                let sigmoid = if prediction >= 0.0 { 1.0 / (1.0 + tail) } else { tail / (1.0 + tail) };
                let positive = if prediction < 0.0 { 0.0 } else { prediction };
                (positive - prediction * target + tail.ln_1p(), sigmoid - target)
            }
        }
    }
}

/// Sums the loss over all elements and writes the gradient, divided by `divisor`.
///
/// # Panics
/// Where the lengths disagree.
///
/// # Examples
/// ```
/// use plexus_kernels::loss::{PointLoss, pointwise};
/// let mut grad = [0.0; 2];
/// let sum = pointwise(PointLoss::Squared, &[3.0, 1.0], &[1.0, 1.0], 2.0, Some(&mut grad));
/// assert_eq!((sum, grad), (4.0, [2.0, 0.0]));
/// ```
pub fn pointwise(loss: PointLoss, predictions: &[f32], targets: &[f32], divisor: f64, grad: Option<&mut [f32]>) -> f64 {
    assert_eq!(predictions.len(), targets.len(), "one target for each prediction");
    let mut sum = 0.0;
    match grad {
        None => {
            for (&prediction, &target) in predictions.iter().zip(targets) {
                sum += loss.at(f64::from(prediction), f64::from(target)).0;
            }
        }
        Some(grad) => {
            assert_eq!(grad.len(), predictions.len(), "one gradient for each prediction");
            for ((&prediction, &target), grad) in predictions.iter().zip(targets).zip(grad) {
                let (value, slope) = loss.at(f64::from(prediction), f64::from(target));
                sum += value;
                *grad = (slope / divisor) as f32;
            }
        }
    }
    sum
}

/// Sums the quantile (pinball) loss of several quantiles of each target, and writes the gradient, divided by `divisor`.
///
/// ```text
/// loss = Σ_r Σ_q max(q · (t[r] − p[r, q]), (q − 1) · (t[r] − p[r, q]))
/// ```
///
/// Its minimum over `p` is the `q`-quantile of `t` (Koenker and Bassett 1978). The derivative at zero is zero.
///
/// # Shapes
/// - `quantiles`: `[quantiles]`, each in 0..1
/// - `predictions`, `grad`: `[rows, quantiles]`
/// - `targets`: `[rows]`
///
/// # Panics
/// Where the lengths disagree.
pub fn quantile(
    quantiles: &[f32],
    predictions: &[f32],
    targets: &[f32],
    divisor: f64,
    mut grad: Option<&mut [f32]>,
) -> f64 {
    let count = quantiles.len();
    assert_eq!(predictions.len(), targets.len() * count, "one prediction for each target and quantile");
    if let Some(grad) = &grad {
        assert_eq!(grad.len(), predictions.len(), "one gradient for each prediction");
    }
    let mut sum = 0.0;
    for (index, &prediction) in predictions.iter().enumerate() {
        let q = f64::from(quantiles[index % count]);
        let above = f64::from(targets[index / count]) - f64::from(prediction);
        sum += if above > 0.0 { q * above } else { (q - 1.0) * above };
        if let Some(grad) = &mut grad {
            let slope = if above > 0.0 {
                -q
            } else if above < 0.0 {
                1.0 - q
            } else {
                // Zero at zero; NaN stays NaN.
                above
            };
            grad[index] = (slope / divisor) as f32;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [PointLoss; 4] =
        [PointLoss::Squared, PointLoss::Absolute, PointLoss::Huber { delta: 0.7 }, PointLoss::BinaryCrossEntropy];

    #[test]
    fn gradients_are_the_derivatives() {
        for loss in ALL {
            for prediction in [-30.0, -1.3, -0.2, 0.1, 0.9, 2.5, 40.0] {
                for target in [0.0, 0.25, 1.0] {
                    let h = 1e-6;
                    let want = (loss.at(prediction + h, target).0 - loss.at(prediction - h, target).0) / (2.0 * h);
                    let got = loss.at(prediction, target).1;
                    assert!((got - want).abs() < 1e-5, "{loss:?} {prediction} {target}: {got} {want}");
                }
            }
        }
    }

    #[test]
    fn quantile_gradients_are_the_derivatives() {
        let (quantiles, targets) = ([0.1, 0.5, 0.9], [2.0f32, -1.0]);
        let predictions = [1.5f32, 2.5, 7.0, -3.0, 0.0, -1.5];
        let mut grad = [0.0; 6];
        let sum = quantile(&quantiles, &predictions, &targets, 6.0, Some(&mut grad));
        // 0.1·0.5 + 0.5·0.5 + 0.1·5 + 0.1·2 + 0.5·1 + 0.9·0.5
        assert!((sum - 1.95).abs() < 1e-6, "{sum}");
        for index in 0..6 {
            let moved = |by: f32| {
                let mut predictions = predictions;
                predictions[index] += by;
                quantile(&quantiles, &predictions, &targets, 1.0, None)
            };
            let want = (moved(0.125) - moved(-0.125)) / 0.25 / 6.0;
            assert!((f64::from(grad[index]) - want).abs() < 1e-6, "{index}: {} {want}", grad[index]);
        }
        let mut grad = [9.0];
        assert_eq!(quantile(&[0.3], &[2.0], &[2.0], 1.0, Some(&mut grad)), 0.0);
        assert_eq!(grad, [0.0]);
        assert!(quantile(&[0.3], &[f32::NAN], &[2.0], 1.0, Some(&mut grad)).is_nan() && grad[0].is_nan());
    }

    #[test]
    fn special_values_go_through() {
        for loss in ALL {
            assert!(pointwise(loss, &[f32::NAN], &[0.0], 1.0, None).is_nan());
            assert_eq!(pointwise(loss, &[], &[], 1.0, Some(&mut [])), 0.0);
        }
        assert_eq!(pointwise(PointLoss::BinaryCrossEntropy, &[1e4, -1e4], &[1.0, 0.0], 1.0, None), 0.0);
        assert_eq!(pointwise(PointLoss::BinaryCrossEntropy, &[1e4], &[0.0], 1.0, None), 1e4);
    }
}
