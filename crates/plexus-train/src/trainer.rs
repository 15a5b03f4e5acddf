//! The training loop: one step at a time, so that the caller can watch, stop and save between any two.

use crate::check::{Unfit, check_changes, check_rows, check_start};
use crate::data::{Augment, Changes, Dataset, Targets};
use crate::evaluate::{Evaluation, evaluate_plan};
use crate::loss::{Loss, LossSums, TargetBatch};
use crate::metrics::{argmax, middle};
use crate::optim::{Optimizer, OptimizerState};
use crate::schedule::{Moment, Schedule};
use crate::target::TargetScale;
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::gemm::Precision;
use plexus_kernels::random::{Random, Stream};
use plexus_kernels::reduce;
use plexus_kernels::softmax::Reduction;
use plexus_kernels::threads::flush_denormals;
use plexus_nn::layer::RandomKey;
use plexus_nn::{CheckedNetwork, Params, Plan, TrainPlan, Workspace};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Everything that decides how a run goes, besides the network and the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Passes over the data.
    pub epochs: u64,
    /// Rows of one micro-batch.
    pub batch: usize,
    /// Micro-batches whose gradients are added up for one update.
    pub accumulate: usize,
    /// The learning rate that the schedule multiplies.
    pub learning_rate: f64,
    /// What a gradient does to the weights.
    pub optimizer: Optimizer,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Updates over which the learning rate climbs from zero.
    pub warmup_steps: u64,
    /// What is minimised.
    pub loss: Loss,
    /// How exactly products with weights are computed; anything but the default is written down.
    #[serde(default, with = "precision_by_name", skip_serializing_if = "is_highest")]
    pub precision: Precision,
    /// The largest norm of the gradient of all weights together; larger ones are scaled down to it.
    pub clip_norm: Option<f64>,
    /// Stops after so many epochs in a row without a better validation result.
    pub patience: Option<u64>,
    /// Epochs whose validation results are averaged before they are compared, so that luck with few rows chooses no epoch.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub smoothing: u64,
    /// The scale on which a number is learnt.
    #[serde(default, skip_serializing_if = "TargetScale::is_none")]
    pub target_scale: TargetScale,
    /// How pictures are changed before they are learnt from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    /// The seed of everything random.
    pub seed: u64,
}

fn one() -> u64 {
    1
}

fn is_one(count: &u64) -> bool {
    *count == 1
}

fn is_highest(precision: &Precision) -> bool {
    *precision == Precision::Highest
}

/// The kernels know nothing of files.
mod precision_by_name {
    use super::Precision;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(precision: &Precision, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(precision.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Precision, D::Error> {
        let name = String::deserialize(deserializer)?;
        let unknown = || D::Error::custom(format!("precision \"{name}\" is none of highest, high, medium"));
        Precision::ALL.into_iter().find(|precision| precision.name() == name).ok_or_else(unknown)
    }
}

/// One finished epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u64,
    /// Updates done since the start of the run.
    pub step: u64,
    /// The learning rate of the last update.
    pub learning_rate: f64,
    /// Mean loss over the epoch, while the weights were changing.
    pub train_loss: f64,
    /// Share of right rows over the epoch; for numbers the root of the mean squared error, in the unit of the target.
    pub train_metric: f64,
    /// Mean loss on the validation part, after the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// Accuracy or root mean squared error (in the unit of the target) on the validation part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_metric: Option<f64>,
}

/// Where a run is: everything that changes besides the numbers of the network and the optimiser.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs finished.
    pub epoch: u64,
    /// Rows of the present epoch that were used.
    pub position: usize,
    /// Micro-batches since the start of the run.
    pub micro_batches: u64,
    /// Loss of the present epoch so far.
    pub loss: LossSums,
    /// Right rows, or the sum of squared errors, of the present epoch so far.
    pub score: f64,
    /// What `score` is divided by.
    pub scored: f64,
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
    /// Whether the run is over.
    pub finished: bool,
    /// The finished epochs.
    pub history: Vec<EpochRecord>,
}

/// What one update was like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Mean loss of its rows, before the update.
    pub loss: f64,
    /// Its rows.
    pub rows: usize,
    /// The norm of the gradient before clipping, where it was computed.
    pub gradient_norm: Option<f64>,
    /// Whether it was the last of its epoch.
    pub epoch_ends: bool,
}

/// The loss or the gradient is NaN or infinite.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "{what} became {value} at step {step} (epoch {epoch}, rows {first_row} to {last_row} of its order); the first value \
     that is not finite: {layer}. Try a lower learning rate (it was {learning_rate:e}), clip the norm of the gradient, or \
     look for extreme values in the data"
)]
pub struct NotFinite {
    /// `the loss` or `the gradient`.
    pub what: &'static str,
    /// NaN or infinite.
    pub value: f64,
    /// The update, from 1.
    pub step: u64,
    /// The epoch, from 1.
    pub epoch: u64,
    /// The first row of the batch in the order of the epoch.
    pub first_row: usize,
    /// Its last row.
    pub last_row: usize,
    /// The layer whose output it is, the tensor whose gradient it is, or `none: the loss itself`.
    pub layer: String,
    /// The learning rate of the update.
    pub learning_rate: f64,
}

/// Why there was no step.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StepError {
    /// The loss or the gradient is NaN or infinite.
    #[error(transparent)]
    NotFinite(Box<NotFinite>),
    /// The data does not fit the network or the loss.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

impl From<NotFinite> for StepError {
    fn from(error: NotFinite) -> Self {
        StepError::NotFinite(Box::new(error))
    }
}

/// A run: network, numbers, optimiser and position.
#[derive(Debug)]
pub struct Trainer {
    network: Arc<CheckedNetwork>,
    settings: Settings,
    pub(crate) params: Params,
    pub(crate) best: Option<Params>,
    pub(crate) optimizer: OptimizerState,
    pub(crate) progress: Progress,
    plan: TrainPlan,
    /// For measurements, once there was one; its weights are those of the last.
    prediction: Option<(Plan, Workspace)>,
    grad: Buffer,
    inputs: Buffer,
    classes: Vec<u32>,
    values: Vec<f32>,
    scaled: Vec<f32>,
    order: Vec<u32>,
    /// The epoch that `order` is for.
    ordered: Option<u64>,
    context: Context,
}

impl Trainer {
    /// Starts a run from the given numbers. The precision of training is that of the settings, whatever the context's.
    ///
    /// # Errors
    /// [`Unfit`] where the numbers belong to another network, or the loss cannot be taken of its output.
    pub fn new(
        network: Arc<CheckedNetwork>,
        params: Params,
        settings: Settings,
        context: Context,
    ) -> Result<Self, Unfit> {
        check_start(&network, &params, &settings.loss)?;
        let context = context.with_precision(settings.precision);
        let optimizer = OptimizerState::new(&settings.optimizer, params.weights.len());
        Ok(Trainer {
            plan: TrainPlan::new(network.clone(), context.clone()),
            prediction: None,
            grad: Buffer::zeros(params.weights.len()),
            inputs: Buffer::default(),
            classes: Vec::new(),
            values: Vec::new(),
            scaled: Vec::new(),
            order: Vec::new(),
            ordered: None,
            best: None,
            progress: Progress::default(),
            network,
            settings,
            params,
            optimizer,
            context,
        })
    }

    /// The network.
    pub fn network(&self) -> &Arc<CheckedNetwork> {
        &self.network
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sets another learning rate, which the schedule multiplies from the next update on.
    pub fn set_learning_rate(&mut self, learning_rate: f64) {
        self.settings.learning_rate = learning_rate;
    }

    /// Sets another limit of the norm of the gradient.
    pub fn set_clip_norm(&mut self, clip_norm: Option<f64>) {
        self.settings.clip_norm = clip_norm;
    }

    /// Sets another end of the run; a run that had ended goes on where there are epochs left.
    pub fn set_epochs(&mut self, epochs: u64) {
        self.settings.epochs = epochs;
        self.progress.finished = self.progress.epoch >= epochs;
        if !self.progress.finished && self.is_out_of_patience() {
            // More epochs were asked for all the same: patience begins anew.
            self.progress.stale_epochs = 0;
        }
    }

    fn is_out_of_patience(&self) -> bool {
        self.settings.patience.is_some_and(|patience| self.progress.stale_epochs >= patience)
    }

    /// Where the run is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The numbers as they are now.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The numbers of the best epoch; those of now where no epoch has ended.
    pub fn best_params(&self) -> &Params {
        self.best.as_ref().unwrap_or(&self.params)
    }

    /// Updates done.
    pub fn steps_done(&self) -> u64 {
        self.optimizer.updates
    }

    /// Updates of one epoch over `rows` rows.
    pub fn steps_per_epoch(&self, rows: usize) -> u64 {
        rows.div_ceil(self.rows_per_step()) as u64
    }

    fn rows_per_step(&self) -> usize {
        self.settings.batch.max(1) * self.settings.accumulate.max(1)
    }

    /// Does one update on the next rows of the epoch. `train` are the rows of `data` to learn from, not empty.
    ///
    /// The order of the rows depends on the seed and the epoch alone.
    ///
    /// # Errors
    /// - [`StepError::NotFinite`]: the loss or the gradient is NaN or infinite; the weights are then as before the step
    ///   (running statistics may already hold what the batch did to them)
    /// - [`StepError::Unfit`]: the data does not fit the network or the loss; nothing has changed
    pub fn step(&mut self, data: &Dataset, train: &[u32]) -> Result<StepReport, StepError> {
        let first = self.progress.position;
        if first >= train.len() {
            return Err(nothing_left(train.len()).into());
        }
        if self.ordered != Some(self.progress.epoch) || self.order.len() != train.len() {
            self.order.clear();
            self.order.extend_from_slice(train);
            Random::new(self.settings.seed, Stream::Shuffle, [self.progress.epoch, 0]).shuffle(&mut self.order);
            self.ordered = Some(self.progress.epoch);
        }
        let last = train.len().min(first + self.rows_per_step());
        let order = std::mem::take(&mut self.order);
        let report = self.step_on(data, &order[first..last], train.len());
        self.order = order;
        report
    }

    /// As [`Trainer::step`], on the given rows, at least one: the next of an epoch of `epoch_rows` rows.
    ///
    /// # Errors
    /// - [`StepError::NotFinite`]: the loss or the gradient is NaN or infinite; the weights are then as before the step
    ///   (running statistics may already hold what the batch did to them)
    /// - [`StepError::Unfit`]: the data does not fit the network or the loss; nothing has changed
    pub fn step_on(&mut self, data: &Dataset, rows: &[u32], epoch_rows: usize) -> Result<StepReport, StepError> {
        if rows.is_empty() {
            return Err(nothing_left(epoch_rows).into());
        }
        check_rows(&self.network, &self.settings.loss, data, rows)?;
        check_changes(self.settings.augment.as_ref(), data)?;
        Ok(flush_denormals(|| self.update(data, rows, epoch_rows))?)
    }

    fn update(&mut self, data: &Dataset, rows: &[u32], epoch_rows: usize) -> Result<StepReport, NotFinite> {
        let first = self.progress.position;
        let last = first + rows.len();
        let single = rows.len() <= self.settings.batch;
        let (mut sums, mut score, mut scored) = (LossSums::default(), 0.0, 0.0);
        let mut micro_batches = self.progress.micro_batches;
        let mut start = first;
        for indices in rows.chunks(self.settings.batch.max(1)) {
            let random = RandomKey { seed: self.settings.seed, step: micro_batches, layer: 0 };
            // One micro-batch takes the mean at once; several add sums, and the mean is taken of all of them below.
            let reduction = if single { Reduction::Mean } else { Reduction::Sum };
            let part = self.micro_batch(data, indices, random, reduction, start > first);
            let end = start + indices.len();
            if !part.loss.loss.is_finite() {
                return Err(self.not_finite("the loss", part.loss.mean(), start..end, part.layer, epoch_rows));
            }
            sums += part.loss;
            score += part.score;
            scored += part.scored;
            micro_batches += 1;
            start = end;
        }
        let loss = sums.mean();
        if !loss.is_finite() {
            return Err(self.not_finite("the loss", loss, first..last, None, epoch_rows));
        }
        if !reduce::all_finite(&self.grad, &self.context) {
            let index = reduce::first_not_finite(&self.grad, &self.context).unwrap_or_default();
            let entries = self.params.layout().entries().iter().filter(|entry| entry.trainable);
            let tensor = { entries }.find(|entry| entry.range.contains(&index)).map(|entry| entry.name.clone());
            let value = f64::from(self.grad[index]);
            return Err(self.not_finite("the gradient", value, first..last, tensor, epoch_rows));
        }
        if !single {
            reduce::scale_in_place(&mut self.grad, (1.0 / sums.weight) as f32, &self.context);
        }
        let gradient_norm = self.settings.clip_norm.map(|limit| {
            let norm = reduce::sum_of_squares_f64(&self.grad, &self.context).sqrt();
            // PyTorch's `clip_grad_norm_`, its 1e-6 included.
            if norm > limit {
                reduce::scale_in_place(&mut self.grad, (limit / (norm + 1e-6)) as f32, &self.context);
            }
            norm
        });
        let learning_rate = self.learning_rate(epoch_rows);
        self.optimizer.update(
            &self.settings.optimizer,
            learning_rate,
            &mut self.params.weights,
            &self.grad,
            &self.context,
        );
        let progress = &mut self.progress;
        progress.learning_rate = learning_rate;
        progress.micro_batches = micro_batches;
        progress.position = last;
        progress.loss += sums;
        progress.score += score;
        progress.scored += scored;
        Ok(StepReport { loss, rows: rows.len(), gradient_norm, epoch_ends: last == epoch_rows })
    }

    /// The error for a value that is not finite; `rows` are those of the batch in the order of the epoch.
    fn not_finite(
        &self,
        what: &'static str,
        value: f64,
        rows: std::ops::Range<usize>,
        layer: Option<String>,
        epoch_rows: usize,
    ) -> NotFinite {
        NotFinite {
            what,
            value,
            step: self.optimizer.updates + 1,
            epoch: self.progress.epoch + 1,
            first_row: rows.start,
            last_row: rows.end.saturating_sub(1),
            layer: layer.unwrap_or_else(|| "none: the loss itself".to_string()),
            learning_rate: self.learning_rate(epoch_rows),
        }
    }

    /// The learning rate of the next update, for an epoch of `rows` rows.
    pub fn learning_rate(&self, rows: usize) -> f64 {
        let factor = self.settings.schedule.factor(&Moment {
            step: self.optimizer.updates,
            steps: self.steps_per_epoch(rows) * self.settings.epochs,
            warmup_steps: self.settings.warmup_steps,
            epoch: self.progress.epoch,
            reductions: self.progress.reductions,
        });
        self.settings.learning_rate * factor
    }

    /// Forward, loss and backward over some rows; gradients are added to `self.grad` or written there.
    fn micro_batch(
        &mut self,
        data: &Dataset,
        indices: &[u32],
        random: RandomKey,
        reduction: Reduction,
        accumulate: bool,
    ) -> MicroBatch {
        let rows = indices.len();
        let row_len = data.row_len();
        self.inputs.grow(rows * row_len);
        let inputs = &mut self.inputs[..rows * row_len];
        match &self.settings.augment {
            Some(augment) => {
                let changes = Changes { augment, seed: self.settings.seed, epoch: self.progress.epoch };
                data.gather_changed(indices, changes, inputs, self.context.pool());
            }
            None => data.gather(indices, inputs),
        }
        let targets = gather_targets(data, indices, &mut self.classes, &mut self.values);
        let batch = self.network.batch(inputs, rows).expect("the data was checked against the network");
        self.plan.forward(&mut self.params, batch, random);
        let cols = self.network.output_len();
        let (outputs, grad) = self.plan.output_and_grad(0);
        let Settings { loss, target_scale, .. } = &self.settings;
        let learnt = scaled_targets(target_scale, targets, &mut self.scaled);
        let (score, scored) = score(outputs, cols, targets, loss, target_scale);
        let loss = loss.gradient(outputs, cols, learnt, reduction, grad, &self.context);
        if !loss.loss.is_finite() {
            let layer = self.plan.first_not_finite(&self.params, batch, random);
            return MicroBatch { loss, score, scored, layer };
        }
        self.plan.backward(&self.params, batch, random, &mut self.grad, accumulate);
        MicroBatch { loss, score, scored, layer: None }
    }

    /// Ends an epoch: measures the validation part, keeps the best weights, and decides whether the run goes on.
    ///
    /// `validation` may be empty; then the loss of the epoch itself decides what is best.
    ///
    /// # Errors
    /// [`Unfit`] where the data does not fit the network or the loss; the epoch has then not ended.
    pub fn end_epoch(&mut self, data: &Dataset, validation: &[u32]) -> Result<EpochRecord, Unfit> {
        let measured = (!validation.is_empty()).then(|| self.evaluate(data, validation)).transpose()?;
        let progress = &mut self.progress;
        progress.epoch += 1;
        progress.position = 0;
        let mean_score = progress.score / progress.scored;
        let is_classification = matches!(data.targets, Targets::Classes { .. });
        let record = EpochRecord {
            epoch: progress.epoch,
            step: self.optimizer.updates,
            learning_rate: progress.learning_rate,
            train_loss: progress.loss.mean(),
            train_metric: if is_classification { mean_score } else { mean_score.sqrt() },
            // A result that is no number is as good as none: it is never the best, and reads back from a checkpoint
            // as it was written.
            validation_loss: measured.as_ref().map(|measured| measured.loss).filter(|loss| loss.is_finite()),
            validation_metric: measured.as_ref().map(Evaluation::metric).filter(|metric| metric.is_finite()),
        };
        progress.loss = LossSums::default();
        (progress.score, progress.scored) = (0.0, 0.0);
        progress.history.push(record.clone());
        let now = Judged::of(&progress.history, self.settings.smoothing);
        let best = progress.best_epoch.checked_sub(1).map(|index| &progress.history[..=index as usize]);
        let best = best.map(|history| Judged::of(history, self.settings.smoothing));
        // Before so many epochs there is nothing to average: the first full average is better than any of them.
        let too_early = progress.best_epoch < self.settings.smoothing.min(progress.epoch);
        if too_early || best.is_none_or(|best| now.is_better_than(&best, is_classification)) {
            progress.best_epoch = record.epoch;
            progress.stale_epochs = 0;
            progress.plateau_epochs = 0;
            self.best = Some(self.params.clone());
        } else {
            progress.stale_epochs += 1;
            progress.plateau_epochs += 1;
        }
        if let Schedule::ReduceOnPlateau { patience, .. } = self.settings.schedule
            && progress.plateau_epochs > patience
        {
            progress.reductions += 1;
            progress.plateau_epochs = 0;
        }
        self.progress.finished = self.progress.epoch >= self.settings.epochs || self.is_out_of_patience();
        Ok(record)
    }

    /// Measures the present weights on some rows, with products in f32.
    ///
    /// # Errors
    /// [`Unfit`] where the data does not fit the network or the loss.
    pub fn evaluate(&mut self, data: &Dataset, rows: &[u32]) -> Result<Evaluation, Unfit> {
        let Settings { loss, target_scale, .. } = &self.settings;
        check_rows(&self.network, loss, data, rows)?;
        let (plan, workspace) = match &mut self.prediction {
            Some((plan, workspace)) => {
                plan.reload(&self.params);
                (plan, workspace)
            }
            none => {
                let context = self.context.clone().with_precision(Precision::Highest);
                let plan = Plan::new(self.network.clone(), &self.params, context);
                let (plan, workspace) = none.insert((plan, Workspace::default()));
                (plan, workspace)
            }
        };
        Ok(evaluate_plan(plan, workspace, loss, target_scale, data, rows))
    }
}

/// A step needs rows.
fn nothing_left(rows: usize) -> Unfit {
    let got = format!("{rows} rows, all of them used: the epoch has to be ended first");
    Unfit { what: "the rows of the epoch", expected: "more than were used".to_string(), got }
}

/// What a few rows gave.
struct MicroBatch {
    loss: LossSums,
    score: f64,
    scored: f64,
    /// Where the loss is not finite: the first layer whose output is not.
    layer: Option<String>,
}

/// Takes the targets of some rows out of a data set.
pub(crate) fn gather_targets<'a>(
    data: &Dataset,
    indices: &[u32],
    classes: &'a mut Vec<u32>,
    values: &'a mut Vec<f32>,
) -> TargetBatch<'a> {
    match &data.targets {
        Targets::Classes { .. } => {
            classes.resize(indices.len(), 0);
            data.gather_classes(indices, classes);
            TargetBatch::Classes(classes)
        }
        Targets::Values { names, .. } => {
            values.resize(indices.len() * names.len(), 0.0);
            data.gather_values(indices, values);
            TargetBatch::Values(values)
        }
    }
}

/// The targets that a loss compares with: numbers on the scale that is learnt.
pub(crate) fn scaled_targets<'a>(
    scale: &TargetScale,
    targets: TargetBatch<'a>,
    scaled: &'a mut Vec<f32>,
) -> TargetBatch<'a> {
    match targets {
        TargetBatch::Values(values) if !scale.is_none() => {
            scaled.clear();
            scaled.extend_from_slice(values);
            scale.apply(scaled);
            TargetBatch::Values(scaled)
        }
        _ => targets,
    }
}

/// Right rows and rows; or the sum of squared errors, in the unit of the target, and the numbers.
fn score(outputs: &[f32], cols: usize, targets: TargetBatch<'_>, loss: &Loss, scale: &TargetScale) -> (f64, f64) {
    match targets {
        TargetBatch::Classes(classes) => {
            let rows = outputs.chunks_exact(cols).zip(classes);
            let right = rows.filter(|(row, class)| argmax(row) == Some(**class as usize)).count();
            (right as f64, classes.len() as f64)
        }
        TargetBatch::Values(values) => {
            // Of several quantiles of one number the middle one is the answer.
            let (first, step) = match loss {
                Loss::Quantile { quantiles } => (middle(quantiles), cols),
                _ => (0, 1),
            };
            let answers = outputs.iter().skip(first).step_by(step).map(|output| f64::from(scale.invert(*output)));
            let squares = answers.zip(values).map(|(y, t)| (y - f64::from(*t)).powi(2));
            (squares.sum(), values.len() as f64)
        }
    }
}

/// The last epoch of a history as it is judged: means over the last few epochs, so that one lucky result on a few rows
/// chooses nothing.
struct Judged {
    metric: Option<f64>,
    loss: Option<f64>,
    train_loss: f64,
}

impl Judged {
    fn of(history: &[EpochRecord], smoothing: u64) -> Judged {
        let count = usize::try_from(smoothing).unwrap_or(usize::MAX).clamp(1, history.len());
        let last = &history[history.len() - count..];
        let mean = |of: fn(&EpochRecord) -> Option<f64>| -> Option<f64> {
            let sum = last.iter().map(of).sum::<Option<f64>>()?;
            Some(sum / count as f64)
        };
        Judged {
            metric: mean(|record| record.validation_metric),
            loss: mean(|record| record.validation_loss),
            train_loss: mean(|record| Some(record.train_loss)).unwrap_or(f64::NAN),
        }
    }

    /// Whether this is better: by the validation metric, then by the validation loss; without a validation part by the
    /// loss of the epoch.
    fn is_better_than(&self, best: &Judged, is_classification: bool) -> bool {
        match (self.metric, best.metric) {
            (Some(metric), Some(best_metric)) if metric == best_metric => match (self.loss, best.loss) {
                (Some(loss), Some(best_loss)) => loss < best_loss,
                (loss, best_loss) => loss.is_some() && best_loss.is_none(),
            },
            (Some(metric), Some(best_metric)) => (metric > best_metric) == is_classification,
            (None, None) => self.train_loss < best.train_loss,
            (metric, _) => metric.is_some(),
        }
    }
}
