//! The training loop: one step at a time, so that the caller can watch, stop and save between any two.

use crate::answers::AnswerTable;
use crate::check::{Fit, OutputFit, Unfit, check_changes, check_rows, check_start};
use crate::data::{Augment, Batch, GatherError, Handing, Loader, Rows, Source};
use crate::evaluate::{Evaluation, MeasureError, evaluate_plan};
use crate::loss::{Loss, Objective, TargetBatch};
use crate::metrics::{argmax, middle};
use crate::optim::{Adam, Optimizer, OptimizerState};
use crate::progress::Judged;
use crate::schedule::{Moment, Schedule};
use crate::target::TargetScale;
use crate::twin::{Beside, TwinError};
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::gemm::Precision;
use plexus_kernels::reduce;
use plexus_kernels::softmax::IGNORED;
use plexus_kernels::threads::flush_denormals;
use plexus_nn::layer::RandomKey;
use plexus_nn::{CheckedBatch, CheckedNetwork, Params, Plan, TrainPlan, Workspace};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

pub use crate::progress::{EpochRecord, OutputRecord, OutputSums, Progress};

/// Everything that decides how a run goes, besides the network and the data.
///
/// # Examples
/// ```
/// use plexus_train::{loss::Loss, trainer::Settings};
/// let settings = Settings::new(Loss::MeanSquaredError).epochs(3).batch(32);
/// assert_eq!((settings.epochs, settings.learning_rate), (3, 0.003));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
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
    /// What each output of the network is trained for, in their order.
    pub objectives: Vec<Objective>,
    /// How exactly products with weights are computed; anything but the default is written down.
    #[serde(default, with = "precision_by_name", skip_serializing_if = "is_standard")]
    pub precision: Precision,
    /// The largest norm of the gradient of all weights together; larger ones are scaled down to it.
    pub clip_norm: Option<f64>,
    /// Stops after so many epochs in a row without a better validation result.
    pub patience: Option<u64>,
    /// Epochs whose validation results are averaged before they are compared, so that luck with few rows chooses no epoch.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub smoothing: u64,
    /// How pictures are changed before they are learnt from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    /// The seed of everything random.
    pub seed: u64,
}

/// Methods that set one field.
macro_rules! with {
    ($($name:ident: $type:ty),* $(,)?) => {
        $(#[doc = concat!("The same with another [`", stringify!($name), "`](Settings#structfield.", stringify!($name), ").")]
        pub fn $name(self, $name: $type) -> Self {
            Settings { $name: $name.into(), ..self }
        })*
    };
}

impl Settings {
    /// The settings that suit most networks of one output: ten epochs of Adam, 64 rows a batch, the learning rate falling
    /// along a cosine.
    pub fn new(loss: impl Into<Objective>) -> Self {
        let optimizer = Optimizer::from(Adam::default());
        Settings {
            epochs: 10,
            batch: 64,
            accumulate: 1,
            learning_rate: optimizer.learning_rate(),
            optimizer,
            schedule: Schedule::Cosine,
            warmup_steps: 0,
            objectives: vec![loss.into()],
            precision: Precision::default(),
            clip_norm: None,
            patience: None,
            smoothing: 1,
            augment: None,
            seed: 0,
        }
    }

    /// The same with what each output of the network is trained for, in their order.
    pub fn objectives<T: Into<Objective>>(self, objectives: impl IntoIterator<Item = T>) -> Self {
        Settings { objectives: objectives.into_iter().map(Into::into).collect(), ..self }
    }

    /// The same with another optimizer, and its usual learning rate.
    pub fn optimizer(self, optimizer: impl Into<Optimizer>) -> Self {
        let optimizer = optimizer.into();
        Settings { learning_rate: optimizer.learning_rate(), optimizer, ..self }
    }

    with! {
        epochs: u64,
        batch: usize,
        accumulate: usize,
        learning_rate: f64,
        schedule: Schedule,
        warmup_steps: u64,
        precision: Precision,
        clip_norm: impl Into<Option<f64>>,
        patience: impl Into<Option<u64>>,
        smoothing: u64,
        augment: impl Into<Option<Augment>>,
        seed: u64,
    }

    /// Rows of one update.
    fn rows_per_step(&self) -> u64 {
        self.batch.max(1) as u64 * self.accumulate.max(1) as u64
    }
}

fn one() -> u64 {
    1
}

fn is_one(count: &u64) -> bool {
    *count == 1
}

fn is_standard(precision: &Precision) -> bool {
    *precision == Precision::Standard
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
        let unknown = || D::Error::custom(format!("precision \"{name}\" is none of highest, standard, high, medium"));
        Precision::ALL.into_iter().find(|precision| precision.name() == name).ok_or_else(unknown)
    }
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
    pub first_row: u64,
    /// Its last row.
    pub last_row: u64,
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
    /// A row cannot be had.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// The twin of the network cannot take its numbers.
    #[error(transparent)]
    Twin(#[from] TwinError),
}

impl From<MeasureError> for StepError {
    fn from(error: MeasureError) -> Self {
        match error {
            MeasureError::Unfit(error) => StepError::Unfit(error),
            MeasureError::Gather(error) => StepError::Gather(error),
            MeasureError::Twin(error) => StepError::Twin(error),
        }
    }
}

impl From<NotFinite> for StepError {
    fn from(error: NotFinite) -> Self {
        StepError::NotFinite(Box::new(error))
    }
}

/// A run: network, numbers, optimizer and position.
#[derive(Debug)]
pub struct Trainer {
    network: Arc<CheckedNetwork>,
    pub(crate) settings: Settings,
    /// Those of the settings.
    objectives: Arc<[Objective]>,
    pub(crate) params: Params,
    pub(crate) best: Option<Params>,
    pub(crate) optimizer: OptimizerState,
    pub(crate) progress: Progress,
    pub(crate) plan: TrainPlan,
    /// What training sees in the place of the network.
    pub(crate) beside: Option<Beside>,
    /// For measurements, once there was one; its weights are those of the last.
    prediction: Option<(Plan, Workspace)>,
    grad: Buffer,
    scratch: Scratch,
    pub(crate) context: Context,
}

/// Memory for losses.
#[derive(Debug, Default)]
struct Scratch {
    scaled: Vec<f32>,
    table: Vec<f32>,
    grad_table: Vec<f32>,
}

impl Trainer {
    /// Starts a run from the given numbers. The precision of training is that of the settings, whatever the context's.
    ///
    /// # Errors
    /// [`Unfit`] where the numbers belong to another network, or the losses cannot be taken of its outputs.
    pub fn new(
        network: Arc<CheckedNetwork>,
        params: Params,
        settings: Settings,
        context: Context,
    ) -> Result<Self, Unfit> {
        check_start(&network, &params, &settings.objectives)?;
        let context = context.with_precision(settings.precision);
        let optimizer = OptimizerState::new(&settings.optimizer, params.weights.len());
        Ok(Trainer {
            plan: TrainPlan::new(network.clone(), context.clone()),
            beside: None,
            prediction: None,
            grad: Buffer::zeros(params.weights.len()),
            scratch: Scratch::default(),
            best: None,
            progress: Progress::default(),
            network,
            objectives: settings.objectives.clone().into(),
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
    pub fn steps_per_epoch(&self, rows: u64) -> u64 {
        rows.div_ceil(self.settings.rows_per_step())
    }

    /// Prepares rows of a source to learn from, not empty: the proof that they fit.
    ///
    /// # Errors
    /// [`Unfit`] where rows do not fit the inputs of the network, or targets its outputs and losses.
    pub fn loader(&self, source: Arc<dyn Source>, rows: impl Into<Rows>) -> Result<Loader, Unfit> {
        let rows = rows.into();
        let Settings { objectives, augment, seed, epochs, .. } = &self.settings;
        let fit = Arc::new(Fit::new(&self.network, objectives, &*source)?);
        check_changes(augment.as_ref(), &*source)?;
        check_rows(&*source, &rows)?;
        let (seed, epochs, threads) = (*seed, *epochs, self.context.pool().threads());
        let handing = Handing { seed, epochs, step: self.settings.rows_per_step(), augment: augment.as_ref(), threads };
        Ok(Loader::new(source, fit, rows, handing))
    }

    /// Does one update on the next rows of the epoch.
    ///
    /// The order of the rows depends on the seed and the epoch alone.
    ///
    /// # Errors
    /// - [`StepError::NotFinite`]: the loss or the gradient is NaN or infinite; the weights are then as before the step
    ///   (running statistics may already hold what the batch did to them)
    /// - [`StepError::Unfit`]: the epoch is through, a class is not there, or the loader is of another network; nothing has
    ///   changed
    /// - [`StepError::Gather`]: a row cannot be had; nothing has changed
    pub fn step(&mut self, loader: &mut Loader) -> Result<StepReport, StepError> {
        let (first, rows) = (self.progress.position, loader.rows().len());
        if first >= rows {
            return Err(nothing_left(rows).into());
        }
        self.check_loader(loader)?;
        let places = first..rows.min(first + self.settings.rows_per_step());
        let fit = loader.fit().clone();
        let batch = loader.batch(self.progress.epoch, places, self.context.pool())?;
        self.step_on_batch(batch, &fit, rows)
    }

    /// As [`Trainer::step`], on the given rows, at least one: the next of an epoch of `epoch_rows` rows.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn step_on(&mut self, loader: &mut Loader, rows: &[u64], epoch_rows: u64) -> Result<StepReport, StepError> {
        if rows.is_empty() {
            return Err(nothing_left(epoch_rows).into());
        }
        self.check_loader(loader)?;
        check_rows(&**loader.source(), &rows.to_vec().into())?;
        let fit = loader.fit().clone();
        let batch = loader.batch_of(self.progress.epoch, rows, self.context.pool())?;
        self.step_on_batch(batch, &fit, epoch_rows)
    }

    fn check_loader(&self, loader: &Loader) -> Result<(), Unfit> {
        if loader.fit().is_of(&self.network) {
            return Ok(());
        }
        let (what, expected) = ("the loader".to_string(), "one that this trainer has made".to_string());
        Err(Unfit { what, expected, got: "that of another network".to_string(), help: String::new() })
    }

    fn step_on_batch(&mut self, batch: &Batch, fit: &Fit, epoch_rows: u64) -> Result<StepReport, StepError> {
        for (index, objective) in self.settings.objectives.iter().enumerate() {
            fit.check_targets(index, &objective.loss, batch.target(index))?;
        }
        flush_denormals(|| self.update(batch, fit, epoch_rows))
    }

    fn update(&mut self, batch: &Batch, fit: &Fit, epoch_rows: u64) -> Result<StepReport, StepError> {
        if let Some(beside) = &mut self.beside {
            beside.take(&self.params)?;
        }
        let first = self.progress.position;
        let last = first + batch.rows() as u64;
        let objectives = self.objectives.clone();
        // What the means divide by is that of the whole update, so micro-batches give the gradient of one large batch.
        let terms = objectives.iter().zip(fit.outputs()).enumerate().map(|(index, (objective, fit))| {
            let weight = objective.loss.weight(fit.table.shape(), batch.target(index));
            // Where nothing is compared there is no gradient.
            let divisor = if weight == 0.0 { f64::INFINITY } else { weight / objective.weight };
            Term { objective, fit, divisor, sums: OutputSums::default() }
        });
        let mut terms: Vec<Term<'_>> = terms.collect();
        let mut micro_batches = self.progress.micro_batches;
        let mut start = 0;
        while start < batch.rows() {
            let rows = start..batch.rows().min(start + self.settings.batch.max(1));
            let of_epoch = first + rows.start as u64..first + rows.end as u64;
            let random = RandomKey { seed: self.settings.seed, step: micro_batches, layer: 0 };
            let layer = self.micro_batch(batch, &mut terms, rows.clone(), random, start > 0);
            if let Some(bad) = terms.iter().find(|term| !term.sums.loss.loss.is_finite()) {
                return Err(self.not_finite("the loss", bad.sums.loss.mean(), of_epoch, layer, epoch_rows).into());
            }
            micro_batches += 1;
            start = rows.end;
        }
        let loss = weighted(&objectives, terms.iter().map(|term| term.sums.mean_loss()));
        if !loss.is_finite() {
            return Err(self.not_finite("the loss", loss, first..last, None, epoch_rows).into());
        }
        if !reduce::all_finite(&self.grad, &self.context) {
            let index = reduce::first_not_finite(&self.grad, &self.context).unwrap_or_default();
            let entries = self.params.layout().entries().iter().filter(|entry| entry.trainable);
            let tensor = { entries }.find(|entry| entry.range.contains(&index)).map(|entry| entry.name.clone());
            let value = f64::from(self.grad[index]);
            return Err(self.not_finite("the gradient", value, first..last, tensor, epoch_rows).into());
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
        progress.outputs.resize(terms.len(), OutputSums::default());
        progress.outputs.iter_mut().zip(&terms).for_each(|(all, term)| all.add(&term.sums));
        Ok(StepReport { loss, rows: batch.rows(), gradient_norm, epoch_ends: last == epoch_rows })
    }

    /// The error for a value that is not finite; `rows` are those of the batch in the order of the epoch.
    fn not_finite(
        &self,
        what: &'static str,
        value: f64,
        rows: Range<u64>,
        layer: Option<String>,
        epoch_rows: u64,
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
    pub fn learning_rate(&self, rows: u64) -> f64 {
        let factor = self.settings.schedule.factor(&Moment {
            step: self.optimizer.updates,
            steps: self.steps_per_epoch(rows) * self.settings.epochs,
            warmup_steps: self.settings.warmup_steps,
            epoch: self.progress.epoch,
            reductions: self.progress.reductions,
        });
        self.settings.learning_rate * factor
    }

    /// Forward, losses and backward over some rows of a batch; gradients are added to `self.grad` or written there. Where a
    /// loss is not finite, gives the first layer whose output is not.
    fn micro_batch(
        &mut self,
        batch: &Batch,
        terms: &mut [Term<'_>],
        rows: Range<usize>,
        random: RandomKey,
        accumulate: bool,
    ) -> Option<String> {
        let inputs = 0..self.network.network().inputs.len();
        let inputs: Vec<&[f32]> = inputs.map(|input| batch.input_rows(input, rows.clone())).collect();
        let checked: CheckedBatch<'_> =
            self.network.batches(&inputs, rows.len()).expect("the source was checked against the network");
        match &mut self.beside {
            None => self.plan.forward(&mut self.params, checked, random),
            Some(Beside { twin, seen, .. }) => {
                twin.run(checked);
                self.plan.forward_overwritten(seen, checked, random, &mut **twin)
            }
        };
        for (index, term) in terms.iter_mut().enumerate() {
            let (outputs, grad) = self.plan.output_and_grad(index);
            let of_batch =
                term.gradient(outputs, batch.target_rows(index, rows.clone()), grad, &mut self.scratch, &self.context);
            term.sums.add(&of_batch);
        }
        if terms.iter().any(|term| !term.sums.loss.loss.is_finite()) {
            return self.plan.first_not_finite(&self.params, checked, random);
        }
        match &mut self.beside {
            None => self.plan.backward(&self.params, checked, random, &mut self.grad, accumulate),
            Some(Beside { twin, seen, .. }) => {
                self.plan.backward_overwritten(seen, (checked, random), &mut self.grad, accumulate, &mut **twin);
            }
        }
        None
    }

    /// Ends an epoch: measures the validation part, keeps the best weights, and decides whether the run goes on.
    ///
    /// `validation` are rows of the same source. It may be empty; then the loss of the epoch itself decides what is best.
    /// Networks of several outputs are judged by their loss.
    ///
    /// # Errors
    /// [`MeasureError`] where the rows cannot be measured; the epoch has then not ended.
    pub fn end_epoch(&mut self, loader: &Loader, validation: &Rows) -> Result<EpochRecord, MeasureError> {
        let source = loader.source().clone();
        self.end_epoch_on(loader, &*source, validation)
    }

    /// As [`Trainer::end_epoch`], with rows of another source to validate by.
    ///
    /// # Errors
    /// As [`Trainer::end_epoch`].
    pub fn end_epoch_on(
        &mut self,
        loader: &Loader,
        source: &dyn Source,
        validation: &Rows,
    ) -> Result<EpochRecord, MeasureError> {
        let measured = (!validation.is_empty()).then(|| self.evaluate(source, validation)).transpose()?;
        let outputs = loader.fit().outputs();
        let progress = &mut self.progress;
        progress.epoch += 1;
        progress.position = 0;
        let mut sums = std::mem::take(&mut progress.outputs);
        sums.resize(outputs.len(), OutputSums::default());
        // A result that is no number is as good as none: it is never the best, and reads back from a checkpoint as it was
        // written.
        let finite = |value: f64| value.is_finite().then_some(value);
        let records = outputs.iter().zip(&sums).enumerate().map(|(index, (output, sums))| {
            let measured = measured.as_ref().map(|measured| &measured.outputs[index]);
            OutputRecord {
                name: output.name.clone(),
                train_loss: sums.mean_loss(),
                train_metric: sums.metric(output.is_classes()),
                validation_loss: measured.and_then(|measured| finite(measured.loss)),
                validation_metric: measured.and_then(|measured| finite(measured.metric())),
            }
        });
        let records: Vec<OutputRecord> = records.collect();
        let record = EpochRecord {
            epoch: progress.epoch,
            step: self.optimizer.updates,
            learning_rate: progress.learning_rate,
            train_loss: weighted(&self.settings.objectives, records.iter().map(|record| record.train_loss)),
            train_metric: records[0].train_metric,
            validation_loss: measured.as_ref().and_then(|measured| finite(measured.loss)),
            validation_metric: records[0].validation_metric,
            outputs: if records.len() > 1 { records } else { Vec::new() },
        };
        let rises = outputs.len() == 1 && outputs[0].is_classes();
        progress.history.push(record.clone());
        // Epochs are compared with those of the same network.
        let since = progress.twin_from.unwrap_or(0).min(progress.epoch - 1);
        let compared = &progress.history[since as usize..];
        let now = Judged::of(compared, self.settings.smoothing);
        let best = progress.best_epoch.checked_sub(since + 1).map(|index| &compared[..=index as usize]);
        let best = best.map(|history| Judged::of(history, self.settings.smoothing));
        // Before so many epochs there is nothing to average: the first full average is better than any of them.
        let too_early = progress.best_epoch.saturating_sub(since) < self.settings.smoothing.min(progress.epoch - since);
        if too_early || best.is_none_or(|best| now.is_better_than(&best, rises)) {
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

    /// Measures the present weights on some rows, with products in f32: as training, or of the default precision where
    /// training takes a lower one. With a [twin](Trainer::set_twin), measures that.
    ///
    /// # Errors
    /// [`MeasureError`] where the data does not fit the network or the losses, or a row cannot be had.
    pub fn evaluate(&mut self, source: &dyn Source, rows: &Rows) -> Result<Evaluation, MeasureError> {
        if let Some(beside) = &mut self.beside {
            beside.take(&self.params)?;
            let plan = beside.twin.plan();
            let fit = Fit::new(plan.network(), &self.settings.objectives, source)?;
            return evaluate_plan(plan, &mut beside.workspace, &self.settings.objectives, &fit, source, rows);
        }
        let fit = Fit::new(&self.network, &self.settings.objectives, source)?;
        let (plan, workspace) = match &mut self.prediction {
            Some((plan, workspace)) => {
                plan.reload(&self.params);
                (plan, workspace)
            }
            none => {
                let context = self.context.clone().with_precision(self.settings.precision.max(Precision::Standard));
                let plan = Plan::new(self.network.clone(), &self.params, context);
                let (plan, workspace) = none.insert((plan, Workspace::default()));
                (plan, workspace)
            }
        };
        evaluate_plan(plan, workspace, &self.settings.objectives, &fit, source, rows)
    }
}

/// A step needs rows.
fn nothing_left(rows: u64) -> Unfit {
    let got = format!("{rows} rows, all of them used: the epoch has to be ended first");
    let what = "the rows of the epoch".to_string();
    Unfit { what, expected: "more than were used".to_string(), got, help: String::new() }
}

/// The sum of the losses of the outputs, each times its weight.
fn weighted(objectives: &[Objective], losses: impl Iterator<Item = f64>) -> f64 {
    objectives.iter().zip(losses).map(|(objective, loss)| objective.weight * loss).sum()
}

/// One output in an update.
struct Term<'a> {
    objective: &'a Objective,
    fit: &'a OutputFit,
    /// What its gradient is divided by.
    divisor: f64,
    sums: OutputSums,
}

impl Term<'_> {
    /// The loss in some rows, how right they were, and the derivative.
    fn gradient(
        &self,
        outputs: &[f32],
        targets: TargetBatch<'_>,
        grad: &mut [f32],
        scratch: &mut Scratch,
        context: &Context,
    ) -> OutputSums {
        let Term { objective: Objective { loss, target_scale, .. }, fit, divisor, .. } = self;
        let Scratch { scaled, table, grad_table } = scratch;
        let AnswerTable { cols, inner, .. } = fit.table;
        match targets {
            TargetBatch::Classes(classes) => {
                let answers = fit.table.of(outputs, table);
                let known = answers.chunks_exact(cols).zip(classes).filter(|(_, class)| **class != IGNORED);
                let right = known.clone().filter(|(row, class)| argmax(row) == Some(**class as usize)).count();
                let (score, count) = (vec![right as f64], known.count() as f64);
                let sums = if inner == 1 {
                    loss.gradient(answers, fit.table.shape(), targets, *divisor, grad, context)
                } else {
                    grad_table.resize(grad.len(), 0.0);
                    let sums = loss.gradient(answers, fit.table.shape(), targets, *divisor, grad_table, context);
                    fit.table.put(grad_table, grad);
                    sums
                };
                OutputSums { loss: sums, score, answers: count }
            }
            TargetBatch::Values(values) => {
                // Of several quantiles of one number the middle one is the answer.
                let (first, step) = match loss {
                    Loss::Quantile { quantiles } => (middle(quantiles), quantiles.len()),
                    _ => (0, 1),
                };
                let mut score = vec![0.0; cols / step];
                for (index, target) in values.iter().enumerate() {
                    let answer = f64::from(target_scale.invert(outputs[index * step + first]));
                    score[fit.table.col(index * step) / step] += (answer - f64::from(*target)).powi(2);
                }
                let answers = values.len() as f64 / score.len() as f64;
                let learnt = scaled_targets(target_scale, targets, scaled);
                let loss = loss.gradient(outputs, fit.table.shape(), learnt, *divisor, grad, context);
                OutputSums { loss, score, answers }
            }
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
