//! Losses: how wrong a batch of outputs is, and in which direction each output would make it better.

mod dice;

use crate::target::TargetScale;
use dice::Areas;
use plexus_kernels::Context;
use plexus_kernels::loss::{PointLoss, pointwise, quantile};
use plexus_kernels::softmax::{CrossEntropy, cross_entropy, target_weight};
use serde::{Deserialize, Serialize};

/// A loss with its constants. Each is a row of [`LOSSES`].
///
/// # Examples
/// ```
/// use plexus_train::loss::{Loss, TargetBatch};
/// let sums = Loss::MeanSquaredError.sums(&[3.0, 1.0], (2, 1), TargetBatch::Values(&[1.0, 1.0]), &plexus_kernels::Context::single());
/// assert_eq!(sums.mean(), 2.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Loss {
    /// Cross-entropy of softmax(logits) against a class, fused with the softmax.
    CrossEntropy {
        /// The share of the target that is spread evenly over all classes, in 0..=1.
        #[serde(default)]
        label_smoothing: f32,
        /// A weight for each class; the mean is then divided by the sum of the weights of the targets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class_weights: Option<Vec<f32>>,
    },
    /// Mean of `(p − t)²`.
    MeanSquaredError,
    /// Mean of `|p − t|`.
    MeanAbsoluteError,
    /// Mean of a parabola that becomes a line at `delta`.
    Huber {
        /// Where it becomes a line.
        #[serde(default = "one")]
        delta: f32,
    },
    /// Quantiles of one number, an output each: mean of `max(q·(t − p), (q − 1)·(t − p))` (Koenker and Bassett 1978).
    Quantile {
        /// Which quantiles, rising, each in 0..1.
        quantiles: Vec<f32>,
    },
    /// Cross-entropy of σ(logit) against a target in 0..=1, each output by itself.
    BinaryCrossEntropy,
    /// How little predicted and true areas overlap, for a class a pixel, on logits (Milletari, Navab and Ahmadi 2016).
    ///
    /// ```text
    /// p = softmax(logits)
    /// loss(image) = 1 − mean over classes of (2 · Σ_x p[x, c] · [t[x] = c] + 1) / (Σ_x p[x, c] + Σ_x [t[x] = c] + 1)
    /// ```
    ///
    /// The sums go over the known places of one image, the mean of the losses over images in which any place is known. A
    /// class that an image lacks counts too: its share is 1 where nothing is taken for it.
    Dice,
    /// The mean cross-entropy of the known places of an image, and [`Dice`](Loss::Dice): their sum.
    DiceCrossEntropy,
}

fn one() -> f32 {
    1.0
}

/// The losses, with what each is for.
pub const LOSSES: &[(&str, &str)] = &[
    ("cross_entropy", "one class of several, on logits (the default for classification)"),
    ("mean_squared_error", "numbers (the default for regression)"),
    ("mean_absolute_error", "numbers, with outliers"),
    ("huber", "numbers, with some outliers"),
    ("quantile", "quantiles of a number: quantile:0.1,0.5,0.9 gives an interval and its middle"),
    ("binary_cross_entropy", "yes or no for each output by itself, on logits"),
    ("dice", "a class a pixel, on logits: the overlap of areas, where some are small"),
    ("dice_cross_entropy", "a class a pixel: dice + cross_entropy"),
];

/// What one output of a network is trained for: one term of the sum that training minimizes.
///
/// ```text
/// objective = Σ over outputs of weight · loss(output, target)
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// How wrong the output is.
    pub loss: Loss,
    /// How much that counts.
    #[serde(default = "full", skip_serializing_if = "is_full")]
    pub weight: f64,
    /// The scale on which a number is learnt.
    #[serde(default, skip_serializing_if = "TargetScale::is_none")]
    pub target_scale: TargetScale,
}

fn full() -> f64 {
    1.0
}

fn is_full(weight: &f64) -> bool {
    *weight == 1.0
}

impl From<Loss> for Objective {
    fn from(loss: Loss) -> Self {
        Objective { loss, weight: 1.0, target_scale: TargetScale::default() }
    }
}

/// What an output should have been in the rows of a batch.
#[derive(Clone, Copy, Debug)]
pub enum TargetBatch<'a> {
    /// A class for each row, or for each position of each row.
    Classes(&'a [u32]),
    /// Numbers.
    Values(&'a [f32]),
}

/// The loss of some rows, before the mean is taken; sums of several batches can be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LossSums {
    /// The sum of the losses.
    pub loss: f64,
    /// What the mean divides by.
    pub weight: f64,
}

impl LossSums {
    /// The mean; NaN for nothing.
    pub fn mean(self) -> f64 {
        self.loss / self.weight
    }
}

impl std::ops::AddAssign for LossSums {
    fn add_assign(&mut self, other: LossSums) {
        self.loss += other.loss;
        self.weight += other.weight;
    }
}

impl Loss {
    /// Cross-entropy, without smoothing or weights.
    pub fn cross_entropy() -> Self {
        Loss::CrossEntropy { label_smoothing: 0.0, class_weights: None }
    }

    /// The mean of the squared errors.
    pub fn mean_squared_error() -> Self {
        Loss::MeanSquaredError
    }

    /// The mean of the absolute errors.
    pub fn mean_absolute_error() -> Self {
        Loss::MeanAbsoluteError
    }

    /// The mean of a parabola that becomes a line at `delta`.
    pub fn huber(delta: f32) -> Self {
        Loss::Huber { delta }
    }

    /// Quantiles of one number, rising, each in 0..1.
    pub fn quantile(quantiles: impl Into<Vec<f32>>) -> Self {
        Loss::Quantile { quantiles: quantiles.into() }
    }

    /// Yes or no for each output by itself.
    pub fn binary_cross_entropy() -> Self {
        Loss::BinaryCrossEntropy
    }

    /// The overlap of areas.
    pub fn dice() -> Self {
        Loss::Dice
    }

    /// The overlap of areas, and cross-entropy.
    pub fn dice_cross_entropy() -> Self {
        Loss::DiceCrossEntropy
    }

    /// Whether it compares one class of several, excluding each other, with logits.
    pub fn is_of_classes(&self) -> bool {
        matches!(self, Loss::CrossEntropy { .. } | Loss::Dice | Loss::DiceCrossEntropy)
    }

    /// The name in settings.
    pub fn name(&self) -> &'static str {
        match self {
            Loss::CrossEntropy { .. } => "cross_entropy",
            Loss::MeanSquaredError => "mean_squared_error",
            Loss::MeanAbsoluteError => "mean_absolute_error",
            Loss::Huber { .. } => "huber",
            Loss::Quantile { .. } => "quantile",
            Loss::BinaryCrossEntropy => "binary_cross_entropy",
            Loss::Dice => "dice",
            Loss::DiceCrossEntropy => "dice_cross_entropy",
        }
    }

    /// How many outputs it wants for each number of the target.
    pub fn outputs_per_target(&self) -> usize {
        match self {
            Loss::Quantile { quantiles } => quantiles.len(),
            _ => 1,
        }
    }

    /// The loss with this name, its constants at their defaults.
    pub fn named(name: &str) -> Option<Loss> {
        Some(match name {
            "quantile" => Loss::Quantile { quantiles: vec![0.1, 0.5, 0.9] },
            "cross_entropy" => Loss::CrossEntropy { label_smoothing: 0.0, class_weights: None },
            "mean_squared_error" => Loss::MeanSquaredError,
            "mean_absolute_error" => Loss::MeanAbsoluteError,
            "huber" => Loss::Huber { delta: 1.0 },
            "binary_cross_entropy" => Loss::BinaryCrossEntropy,
            "dice" => Loss::Dice,
            "dice_cross_entropy" => Loss::DiceCrossEntropy,
            _ => return None,
        })
    }

    /// What the mean of the losses divides by: the sum of the weights of the classes for cross-entropy, images with a known
    /// place for dice, else the number of numbers that are compared, for classes `cols` each. Each row of the data has
    /// `positions` answers.
    ///
    /// # Panics
    /// Where a target is no class.
    pub fn weight(&self, (cols, positions): (usize, usize), targets: TargetBatch<'_>) -> f64 {
        match (self, targets) {
            (Loss::Dice | Loss::DiceCrossEntropy, TargetBatch::Classes(classes)) => dice::weight(positions, classes),
            (Loss::CrossEntropy { class_weights, .. }, TargetBatch::Classes(classes)) => {
                target_weight(classes, class_weights.as_deref())
            }
            (_, TargetBatch::Classes(classes)) => classes.len() as f64 * cols as f64,
            (_, TargetBatch::Values(values)) => values.len() as f64 * self.outputs_per_target() as f64,
        }
    }

    /// The loss of a batch of `[rows · positions, cols]` outputs: one answer a row, or one for each position of it.
    ///
    /// # Panics
    /// As [`Loss::gradient`].
    pub fn sums(
        &self,
        outputs: &[f32],
        table: (usize, usize),
        targets: TargetBatch<'_>,
        context: &Context,
    ) -> LossSums {
        self.evaluate(outputs, table, targets, 1.0, None, context)
    }

    /// The loss of a batch of `(cols, positions)`, and the derivative of its sum with respect to the outputs, divided by
    /// `divisor`: by [`Loss::weight`] for the mean.
    ///
    /// # Panics
    /// Where targets and outputs differ in number, or classes meet a loss for numbers: the trainer checks both before.
    pub fn gradient(
        &self,
        outputs: &[f32],
        table: (usize, usize),
        targets: TargetBatch<'_>,
        divisor: f64,
        grad: &mut [f32],
        context: &Context,
    ) -> LossSums {
        self.evaluate(outputs, table, targets, divisor, Some(grad), context)
    }

    fn evaluate(
        &self,
        outputs: &[f32],
        (cols, positions): (usize, usize),
        targets: TargetBatch<'_>,
        divisor: f64,
        grad: Option<&mut [f32]>,
        context: &Context,
    ) -> LossSums {
        let point = match self {
            Loss::CrossEntropy { label_smoothing, class_weights } => {
                let TargetBatch::Classes(targets) = targets else { panic!("cross-entropy takes classes") };
                let sums = cross_entropy(
                    CrossEntropy {
                        cols,
                        logits: outputs,
                        targets,
                        class_weights: class_weights.as_deref(),
                        label_smoothing: *label_smoothing,
                        divisor,
                        grad_logits: grad,
                    },
                    context,
                );
                return LossSums { loss: sums.loss, weight: sums.weight };
            }
            Loss::Quantile { quantiles } => {
                let TargetBatch::Values(values) = targets else { panic!("the quantile loss takes numbers") };
                let weight = outputs.len() as f64;
                return LossSums { loss: quantile(quantiles, outputs, values, divisor, grad), weight };
            }
            Loss::Dice | Loss::DiceCrossEntropy => {
                let TargetBatch::Classes(classes) = targets else { panic!("dice takes classes") };
                let with_entropy = *self == Loss::DiceCrossEntropy;
                return dice::dice(Areas { outputs, cols, positions, classes, divisor, with_entropy }, grad, context);
            }
            Loss::MeanSquaredError => PointLoss::Squared,
            Loss::MeanAbsoluteError => PointLoss::Absolute,
            Loss::Huber { delta } => PointLoss::Huber { delta: *delta },
            Loss::BinaryCrossEntropy => PointLoss::BinaryCrossEntropy,
        };
        let weight = outputs.len() as f64;
        let mut one_hot = Vec::new();
        let values = match targets {
            TargetBatch::Values(values) => values,
            // Classes against a loss for numbers: one where the class is, zero elsewhere.
            TargetBatch::Classes(classes) => {
                one_hot.resize(outputs.len(), 0.0);
                for (row, &class) in classes.iter().enumerate() {
                    one_hot[row * cols + class as usize] = 1.0;
                }
                &one_hot
            }
        };
        LossSums { loss: pointwise(point, outputs, values, divisor, grad), weight }
    }
}
