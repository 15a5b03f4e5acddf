//! Where a run is: what the epochs gave, and which was the best.

use crate::loss::LossSums;
use serde::{Deserialize, Serialize};

/// One finished epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u64,
    /// Updates done since the start of the run.
    pub step: u64,
    /// The learning rate of the last update.
    pub learning_rate: f64,
    /// Mean loss over the epoch, while the weights were changing; of several outputs the weighted sum.
    pub train_loss: f64,
    /// Of the first output the share of right answers over the epoch; for numbers the root of the mean squared error, in the
    /// unit of the target: of several numbers the mean of theirs.
    pub train_metric: f64,
    /// Mean loss on the validation part, after the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// Accuracy or root mean squared error (in the unit of the target) of the first output on the validation part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_metric: Option<f64>,
    /// Each output by itself, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputRecord>,
}

/// One output in a finished epoch: as in [`EpochRecord`], the losses without their weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputRecord {
    /// The name of the output.
    pub name: String,
    /// Mean loss over the epoch.
    pub train_loss: f64,
    /// Accuracy or root mean squared error over the epoch.
    pub train_metric: f64,
    /// Mean loss on the validation part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// Accuracy or root mean squared error on the validation part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_metric: Option<f64>,
}

/// Where a run is: everything that changes besides the numbers of the network and the optimizer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs finished.
    pub epoch: u64,
    /// Rows of the present epoch that were used.
    pub position: u64,
    /// Micro-batches since the start of the run.
    pub micro_batches: u64,
    /// The present epoch so far, for each output.
    pub outputs: Vec<OutputSums>,
    /// The learning rate of the last update.
    pub learning_rate: f64,
    /// Epochs in a row without a better result.
    pub stale_epochs: u64,
    /// Epochs without a better result since the learning rate was last reduced.
    pub plateau_epochs: u64,
    /// How often the learning rate was reduced.
    pub reductions: u64,
    /// The best epoch, from 1; zero before the first.
    pub best_epoch: u64,
    /// Epochs that were finished when training began to see the values of a [twin](crate::twin).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin_from: Option<u64>,
    /// Whether the run is over.
    pub finished: bool,
    /// The finished epochs.
    pub history: Vec<EpochRecord>,
}

/// What one output gave, before means are taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutputSums {
    /// Its loss.
    pub loss: LossSums,
    /// The number of right answers; or, for each number of the target, the sum of squared errors in its unit.
    pub score: Vec<f64>,
    /// Answers.
    pub answers: f64,
}

impl OutputSums {
    pub(crate) fn add(&mut self, more: &OutputSums) {
        self.loss += more.loss;
        self.score.resize(more.score.len(), 0.0);
        self.score.iter_mut().zip(&more.score).for_each(|(score, more)| *score += more);
        self.answers += more.answers;
    }

    /// The mean loss; nothing where every target is to be ignored.
    pub(crate) fn mean_loss(&self) -> f64 {
        if self.loss == LossSums::default() { 0.0 } else { self.loss.mean() }
    }

    /// Accuracy, or the mean over the numbers of the root of their mean squared error, as scikit-learn has it.
    pub fn metric(&self, is_classes: bool) -> f64 {
        let answers = self.answers.max(1.0);
        let of_column = |score: &f64| if is_classes { score / answers } else { (score / answers).sqrt() };
        self.score.iter().map(of_column).sum::<f64>() / self.score.len().max(1) as f64
    }
}

/// The last epoch of a history as it is judged: means over the last few epochs, so that one lucky result on a few rows
/// chooses nothing.
pub(crate) struct Judged {
    metric: Option<f64>,
    loss: Option<f64>,
    train_loss: f64,
}

impl Judged {
    pub(crate) fn of(history: &[EpochRecord], smoothing: u64) -> Judged {
        let count = usize::try_from(smoothing).unwrap_or(usize::MAX).clamp(1, history.len());
        let last = &history[history.len() - count..];
        let mean = |of: fn(&EpochRecord) -> Option<f64>| -> Option<f64> {
            let sum = last.iter().map(of).sum::<Option<f64>>()?;
            Some(sum / count as f64)
        };
        Judged {
            // Several outputs have no metric in common.
            metric: mean(|record| record.validation_metric.filter(|_| record.outputs.is_empty())),
            loss: mean(|record| record.validation_loss),
            train_loss: mean(|record| Some(record.train_loss)).unwrap_or(f64::NAN),
        }
    }

    /// Whether this is better: by the validation metric, then by the validation loss; without a metric by the validation
    /// loss, and without a validation part by the loss of the epoch.
    pub(crate) fn is_better_than(&self, best: &Judged, is_classification: bool) -> bool {
        match (self.metric, best.metric) {
            (Some(metric), Some(best_metric)) if metric == best_metric => match (self.loss, best.loss) {
                (Some(loss), Some(best_loss)) => loss < best_loss,
                (loss, best_loss) => loss.is_some() && best_loss.is_none(),
            },
            (Some(metric), Some(best_metric)) => (metric > best_metric) == is_classification,
            (None, None) => match (self.loss, best.loss) {
                (Some(loss), Some(best_loss)) => loss < best_loss,
                (None, None) => self.train_loss < best.train_loss,
                (loss, _) => loss.is_some(),
            },
            (metric, _) => metric.is_some(),
        }
    }
}
