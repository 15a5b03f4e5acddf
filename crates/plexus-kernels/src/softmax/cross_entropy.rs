//! Cross-entropy of logits against class numbers: loss and gradient in one visit of each row.

use super::{exp_and_sum, max, sum_exp};
use crate::Context;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces::{self, Maybe, Rows};

/// A target that is no class: its row has no loss, no weight and no gradient. PyTorch calls it `ignore_index`.
pub const IGNORED: u32 = u32::MAX;

/// The arguments of [`cross_entropy`].
#[derive(Debug)]
pub struct CrossEntropy<'a> {
    /// Number of classes.
    pub cols: usize,
    /// `[rows, cols]`
    pub logits: &'a [f32],
    /// `[rows]`, each below `cols` or [`IGNORED`].
    pub targets: &'a [u32],
    /// `[cols]`, the weight of each class; 1 where missing.
    pub class_weights: Option<&'a [f32]>,
    /// The share of the target distribution that is spread evenly over all classes, in 0..=1.
    pub label_smoothing: f32,
    /// What the gradient is divided by: [`target_weight`] for the mean of the losses, 1 for their sum.
    pub divisor: f64,
    /// `[rows, cols]`, overwritten with the derivative of `loss / divisor` with respect to the logits; may be missing.
    pub grad_logits: Option<&'a mut [f32]>,
}

/// Sums over the rows of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrossEntropySums {
    /// The sum of the losses, each times its weight.
    pub loss: f64,
    /// The sum of the weights of the targets: the number of rows where there are no class weights.
    pub weight: f64,
}

/// The sum of the weights of targets: what the mean of their losses divides by.
///
/// # Panics
/// Where there are weights, and a target is neither one of their classes nor [`IGNORED`].
pub fn target_weight(targets: &[u32], class_weights: Option<&[f32]>) -> f64 {
    let weights = targets.iter().filter(|target| **target != IGNORED);
    weights.map(|&target| class_weights.map_or(1.0, |weights| f64::from(weights[target as usize]))).sum()
}

/// Computes the cross-entropy of softmax(logits) against targets, and its gradient.
///
/// ```text
/// q[i, c] = w[c] · ((1 − label_smoothing) · [c = target_i] + label_smoothing / cols)
/// loss    = Σ_i Σ_c −q[i, c] · log_softmax(logits)[i, c]
/// grad_logits[i, j] = (softmax(logits)[i, j] · Σ_c q[i, c] − q[i, j]) / divisor
/// ```
/// With `divisor = Σ_i w[target_i]` this is the mean of PyTorch's `CrossEntropyLoss`.
///
/// # Panics
/// Where lengths disagree, or a target is neither below `cols` nor [`IGNORED`].
///
/// # Numerics
/// The loss is summed in 64 bits in an order that depends on the sizes alone. A target whose logit is −∞ has infinite
/// loss.
pub fn cross_entropy(arguments: CrossEntropy<'_>, context: &Context) -> CrossEntropySums {
    let CrossEntropy { cols, logits, targets, class_weights, label_smoothing, divisor, grad_logits } = arguments;
    assert_eq!(logits.len(), targets.len() * cols, "the logits have one row for each target");
    let known = |target: u32| (target as usize) < cols || target == IGNORED;
    assert!(targets.iter().all(|&target| known(target)), "every target is below the number of classes");
    assert!(class_weights.is_none_or(|weights| weights.len() == cols), "one weight for each class");
    assert!(grad_logits.as_ref().is_none_or(|grad| grad.len() == logits.len()), "one gradient for each logit");
    if targets.is_empty() {
        return CrossEntropySums::default();
    }
    let weight = target_weight(targets, class_weights);
    let all_weights = class_weights.map_or(cols as f64, crate::reduce::reference::sum);
    let smoothing = f64::from(label_smoothing);
    let common =
        Common { cols, class_weights, hard: 1.0 - smoothing, soft: smoothing / cols as f64, all_weights, divisor };
    let grad_logits = Maybe(grad_logits.map(|grad| Rows(grad, cols)), targets.len());
    let loss = pieces::reduce(
        context.pool(),
        cols,
        (Rows(logits, cols), targets, grad_logits),
        |_, (logits, targets, grad)| {
            context.isa().run(Body { common, logits: logits.0, targets, grad: grad.0.map(|rows| rows.0) })
        },
        |a, b| a + b,
    );
    CrossEntropySums { loss, weight }
}

/// What all rows share.
#[derive(Clone, Copy)]
struct Common<'a> {
    cols: usize,
    class_weights: Option<&'a [f32]>,
    /// The share of the target class.
    hard: f64,
    /// The share that every class has.
    soft: f64,
    all_weights: f64,
    divisor: f64,
}

struct Body<'a> {
    common: Common<'a>,
    logits: &'a [f32],
    targets: &'a [u32],
    grad: Option<&'a mut [f32]>,
}

impl Vectorized for Body<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let Body { common, logits, targets, grad } = self;
        let mut loss = 0.0;
        let rows = logits.chunks_exact(common.cols).zip(targets);
        match grad {
            None => {
                for (x, &target) in rows.filter(|(_, target)| **target != IGNORED) {
                    let largest = max(s, x);
                    let log = f64::from(largest) + sum_exp(s, x, largest).ln();
                    loss += common.loss(x, target as usize, log);
                }
            }
            Some(grad) => {
                for ((x, &target), grad) in rows.zip(grad.chunks_exact_mut(common.cols)) {
                    if target == IGNORED {
                        grad.fill(0.0);
                        continue;
                    }
                    let largest = max(s, x);
                    let sum = exp_and_sum(s, x, largest, grad);
                    loss += common.loss(x, target as usize, f64::from(largest) + sum.ln());
                    common.gradient(grad, target as usize, sum);
                }
            }
        }
        loss
    }
}

impl Common<'_> {
    #[inline(always)]
    fn weight(&self, class: usize) -> f64 {
        self.class_weights.map_or(1.0, |weights| f64::from(weights[class]))
    }

    /// The loss of one row, given the logarithm of the sum of the exponentials of its logits.
    #[inline(always)]
    fn loss(&self, x: &[f32], target: usize, log: f64) -> f64 {
        let mut loss = self.hard * self.weight(target) * (log - f64::from(x[target]));
        // Without smoothing, a logit of −∞ beside the target must not become 0 · ∞.
        if self.soft > 0.0 {
            let weighted: f64 = match self.class_weights {
                Some(weights) => x.iter().zip(weights).map(|(&x, &w)| f64::from(w) * (log - f64::from(x))).sum(),
                None => x.iter().map(|&x| log - f64::from(x)).sum(),
            };
            loss += self.soft * weighted;
        }
        loss
    }

    /// Turns the exponentials of one row, whose sum is given, into the gradient.
    #[inline(always)]
    fn gradient(&self, grad: &mut [f32], target: usize, sum: f64) {
        let hard = self.hard * self.weight(target);
        let factor = ((hard + self.soft * self.all_weights) / (sum * self.divisor)) as f32;
        let soft = (self.soft / self.divisor) as f32;
        match self.class_weights {
            Some(weights) => {
                for (grad, weight) in grad.iter_mut().zip(weights) {
                    *grad = *grad * factor - weight * soft;
                }
            }
            None => {
                for grad in grad.iter_mut() {
                    *grad = *grad * factor - soft;
                }
            }
        }
        grad[target] -= (hard / self.divisor) as f32;
    }
}
