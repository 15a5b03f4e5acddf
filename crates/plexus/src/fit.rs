//! Training in one call: data in, a model out.

use crate::error::Error;
use crate::files;
use crate::model::Model;
use crate::prepare::{self, Prepared, Scaling};
use crate::transfer::{Pretrained, Start};
use plexus_kernels::Context;
use plexus_kernels::gemm::Precision;
use plexus_nn::Network;
use plexus_train::check::Fit;
use plexus_train::checkpoint::CheckpointError;
use plexus_train::data::{Augment, IntoSource, Rows, Source};
use plexus_train::loss::{Loss, Objective};
use plexus_train::optim::Optimizer;
use plexus_train::schedule::Schedule;
use plexus_train::target::ScaleKind;
use plexus_train::trainer::{self, EpochRecord, StepReport, Trainer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How [`fit`] trains. Everything has a value that suits most networks; each method sets one thing.
///
/// # Examples
/// ```
/// use plexus::{Loss, Settings, Sgd};
/// let settings = Settings::new(Loss::cross_entropy()).epochs(20).batch(32).optimizer(Sgd::default()).patience(5);
/// assert_eq!((settings.training.epochs, settings.training.learning_rate), (20, 0.05));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// What the trainer is told.
    pub training: trainer::Settings,
    /// The share of the rows kept out to choose the best weights by, in 0..1: a tenth.
    pub validation: f64,
    /// Rows of their own to choose the best weights by, instead of a share.
    pub validation_data: Option<Arc<dyn Source>>,
    /// Whether a layer that brings the inputs to mean 0 and standard deviation 1, fitted to the rows that are learnt from,
    /// is put in front: yes. The model then takes inputs in their own units.
    pub standardize: bool,
    /// The scale on which numbers are learnt: mean 0 and standard deviation 1. The model answers in their own unit.
    pub target_scale: ScaleKind,
    /// Where the run is saved, so that it can go on later.
    pub checkpoint: Option<PathBuf>,
    /// Updates between two checkpoints; without it, one epoch.
    pub checkpoint_every: Option<u64>,
    /// Instruction set and threads: the best of this machine, and one, that of the caller.
    pub context: Context,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("training", &self.training)
            .field("validation", &self.validation)
            .field("validation_data", &self.validation_data.as_ref().map(|data| data.name()))
            .field("standardize", &self.standardize)
            .field("target_scale", &self.target_scale)
            .field("checkpoint", &self.checkpoint)
            .finish_non_exhaustive()
    }
}

/// Methods that hand a value on to the trainer's settings.
macro_rules! of_training {
    ($($(#[$doc:meta])* $name:ident: $type:ty),* $(,)?) => {
        $($(#[$doc])* pub fn $name(self, $name: $type) -> Self {
            Settings { training: self.training.$name($name), ..self }
        })*
    };
}

impl Settings {
    /// Settings for a network of one output.
    pub fn new(loss: impl Into<Objective>) -> Self {
        Settings::of([loss])
    }

    /// Settings for a network of several outputs: a loss for each, in their order.
    pub fn of<T: Into<Objective>>(losses: impl IntoIterator<Item = T>) -> Self {
        let mut training = trainer::Settings::new(Loss::MeanSquaredError);
        training.objectives = losses.into_iter().map(Into::into).collect();
        Settings {
            training,
            validation: 0.1,
            validation_data: None,
            standardize: true,
            target_scale: ScaleKind::Standard,
            checkpoint: None,
            checkpoint_every: None,
            context: Context::single(),
        }
    }

    of_training! {
        /// Passes over the data: 10.
        epochs: u64,
        /// Rows of one micro-batch: 64.
        batch: usize,
        /// Micro-batches whose gradients are added up for one update: 1.
        accumulate: usize,
        /// What a gradient does to the weights: Adam. Sets its usual learning rate too.
        optimizer: impl Into<Optimizer>,
        /// The learning rate that the schedule multiplies: that of the optimizer.
        learning_rate: f64,
        /// How the learning rate changes: along a cosine.
        schedule: Schedule,
        /// Updates over which the learning rate climbs from zero: none.
        warmup_steps: u64,
        /// The largest norm of the gradient of all weights together: any.
        clip_norm: impl Into<Option<f64>>,
        /// Stops after so many epochs in a row without a better validation result: never.
        patience: impl Into<Option<u64>>,
        /// Epochs whose validation results are averaged before they are compared: 1.
        smoothing: u64,
        /// How pictures are changed before they are learnt from: not at all.
        augment: impl Into<Option<Augment>>,
        /// How exactly products with weights are computed: in f32.
        precision: Precision,
        /// The seed of everything random: 0.
        seed: u64,
    }

    /// The share of the rows kept out to choose the best weights by, in 0..1; 0 for none: the loss of an epoch decides then.
    pub fn validation(self, share: f64) -> Self {
        Settings { validation: share, validation_data: None, ..self }
    }

    /// Rows of their own to choose the best weights by.
    pub fn validation_data(self, data: impl IntoSource) -> Self {
        Settings { validation_data: Some(data.into_source()), ..self }
    }

    /// Whether inputs are brought to mean 0 and standard deviation 1 by a layer in front.
    pub fn standardize(self, standardize: bool) -> Self {
        Settings { standardize, ..self }
    }

    /// The scale on which numbers are learnt.
    pub fn target_scale(self, target_scale: ScaleKind) -> Self {
        Settings { target_scale, ..self }
    }

    /// Saves the run in this file, after each epoch and at the end. Where the file is there already, the run goes on from
    /// it, to the same bits as if it had never stopped; only the number of epochs may be another then.
    pub fn checkpoint(self, path: impl Into<PathBuf>) -> Self {
        Settings { checkpoint: Some(path.into()), ..self }
    }

    /// Saves the run after every so many updates too.
    pub fn checkpoint_every(self, updates: u64) -> Self {
        Settings { checkpoint_every: Some(updates), ..self }
    }

    /// Instruction set and threads; the threads live as long as their [`Pool`](crate::Pool).
    pub fn context(self, context: Context) -> Self {
        Settings { context, ..self }
    }
}

/// What happens in a run, told to the callback of [`fit`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// An update was done.
    #[non_exhaustive]
    Step {
        /// The epoch, from 1.
        epoch: u64,
        /// The update in the epoch, from 1.
        step: u64,
        /// Updates of an epoch.
        steps: u64,
        /// What it was like.
        report: &'a StepReport,
    },
    /// An epoch has ended, and was measured.
    Epoch(&'a EpochRecord),
}

/// Whether a run goes on; a callback that returns nothing says yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop here: the model has the best weights so far.
    Stop,
}

impl From<()> for Flow {
    fn from((): ()) -> Self {
        Flow::Continue
    }
}

/// Why a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// All epochs were done.
    Epochs,
    /// No epoch was better for as long as the patience lasts.
    Patience,
    /// The callback stopped it.
    Stopped,
}

/// What [`fit`] gives.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fitted {
    /// The weights of the best epoch; those of now where no epoch has ended.
    pub model: Model,
    /// All epochs, also those before the run went on.
    pub history: Vec<EpochRecord>,
    /// Which epoch was the best, from 1; 0 where none has ended.
    pub best_epoch: u64,
    /// Why it ended.
    pub ended: Ended,
}

impl Fitted {
    /// The best epoch; `None` where none has ended.
    pub fn best(&self) -> Option<&EpochRecord> {
        self.history.get(self.best_epoch.checked_sub(1)? as usize)
    }
}

/// Trains a network on data, from first values or those of a [model](Model::pretrained) to a model.
///
/// `data` is a [`Dataset`](crate::Dataset) (by value or in an `Arc` without a copy, by reference with one) or a
/// [`Source`](crate::Source) of your own in an `Arc`. The callback sees every update and every epoch, and may stop the run. Everything
/// runs on the caller's thread and those of [`Settings::context`]; for a source that is not in memory one more thread
/// gathers rows ahead.
///
/// The same data, network and settings give the same bits on any number of threads, and after any number of stops.
///
/// # Errors
/// - [`Error::Shape`]: the network does not fit together
/// - [`Error::Unfit`], [`Error::Setting`]: network, losses, settings and data do not belong together
/// - [`Error::NotFinite`]: the loss or a gradient became NaN or infinite; the last checkpoint stands
/// - [`Error::Gather`]: a row of the source cannot be had
/// - [`Error::Checkpoint`], [`Error::Resume`], [`Error::Io`]: the file of the run does not read, belongs to another run, or
///   cannot be written
///
/// # Examples
/// ```
/// use plexus::layers::{linear, relu};
/// use plexus::{Dataset, Event, Loss, Network, Settings};
/// // Is the sum of two numbers above one?
/// let x: Vec<f32> = (0..400).map(|i| ((i * 37) % 101) as f32 / 100.0).collect();
/// let y: Vec<u32> = x.chunks(2).map(|pair| (pair[0] + pair[1] > 1.0) as u32).collect();
/// let data = Dataset::classes([2], x, y, ["no", "yes"])?;
/// let network = Network::chain([2], [linear(8), relu(), linear(2)]);
/// let fitted = plexus::fit(network, &data, Settings::new(Loss::cross_entropy()).epochs(60), |event| {
///     if let Event::Epoch(record) = event {
///         println!("epoch {}: loss {:.3}", record.epoch, record.train_loss);
///     }
/// })?;
/// let best = fitted.model.classify(&[0.9, 0.8], 1, &mut Default::default())?[0];
/// assert_eq!(best.name, "yes");
/// # Ok::<(), plexus::Error>(())
/// ```
pub fn fit<F: Into<Flow>>(
    start: impl Into<Start>,
    data: impl IntoSource,
    settings: Settings,
    mut on: impl FnMut(Event<'_>) -> F,
) -> Result<Fitted, Error> {
    let (start, source) = (start.into(), data.into_source());
    source.check()?;
    prepare::check_settings(&settings.training)?;
    let (train_rows, validation_rows) = match &settings.validation_data {
        Some(data) => {
            data.check()?;
            ((0..source.len()).collect(), Rows::from(0..data.len()))
        }
        None => {
            let (train, validation) = prepare::share(source.len(), settings.validation, settings.training.seed)?;
            (train, Rows::from(validation))
        }
    };
    let described = Described::new(&start, &*source, &settings);
    let resumed = resumed(&described, &settings)?;
    let Prepared { beginning, source, mut frozen } =
        prepare::prepare(start, source, &settings.training, &settings.context)?;
    let mut trainer = match resumed {
        Some(trainer) => trainer,
        None => {
            let scaling = Scaling { standardize: settings.standardize, target: settings.target_scale };
            prepare::trainer(beginning, &*source, &train_rows, scaling, settings.training.clone(), &settings.context)?
        }
    };
    let validation_source = match (&mut frozen, &settings.validation_data) {
        (None, Some(data)) => data.clone(),
        (Some(frozen), Some(data)) => frozen.features(data.clone(), &settings.context)?,
        (_, None) => source.clone(),
    };
    // Said before an epoch was learnt, not at its end.
    Fit::new(trainer.network(), &trainer.settings().objectives, &*validation_source)?;
    let save = |trainer: &Trainer| match &settings.checkpoint {
        Some(path) => described.write(trainer, path),
        None => Ok(()),
    };
    let mut loader = trainer.loader(source.clone(), train_rows)?;
    let (rows, mut stopped) = (loader.rows().len(), false);
    while !trainer.progress().finished && !stopped {
        let epoch = trainer.progress().epoch + 1;
        let report = trainer.step(&mut loader)?;
        let step = trainer.steps_per_epoch(trainer.progress().position);
        let seen = Event::Step { epoch, step, steps: trainer.steps_per_epoch(rows), report: &report };
        stopped |= on(seen).into() == Flow::Stop;
        if report.epoch_ends {
            let record = trainer.end_epoch_on(&loader, &*validation_source, &validation_rows)?;
            stopped |= on(Event::Epoch(&record)).into() == Flow::Stop;
        }
        let due = settings.checkpoint_every.is_some_and(|every| trainer.steps_done().is_multiple_of(every.max(1)));
        if report.epoch_ends || due || stopped {
            save(&trainer)?;
        }
    }
    let progress = trainer.progress();
    let ended = match progress.finished {
        false => Ended::Stopped,
        true if progress.epoch >= trainer.settings().epochs => Ended::Epochs,
        true => Ended::Patience,
    };
    let model = prepare::model(&trainer, frozen.as_ref(), &source.targets(), &settings.context)?;
    let metadata = BTreeMap::from([("plexus.data".to_string(), source.name().to_string())]);
    Ok(Fitted {
        model: model.with_metadata(metadata),
        history: progress.history.clone(),
        best_epoch: progress.best_epoch,
        ended,
    })
}

/// Key of what a checkpoint keeps for us.
const FIT: &str = "plexus.fit";

/// What a run was made from: kept in its checkpoint, to be held against what a caller goes on with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Described {
    network: Network,
    /// Of a model: its numbers, in a few digits, and the layer until which it is frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pretrained: Option<(u32, Option<String>)>,
    training: trainer::Settings,
    validation: f64,
    standardize: bool,
    target_scale: ScaleKind,
    rows: u64,
    fingerprint: Option<u64>,
    validation_rows: Option<u64>,
    validation_fingerprint: Option<u64>,
}

impl Described {
    fn new(start: &Start, source: &dyn Source, settings: &Settings) -> Self {
        let (network, pretrained) = match start {
            Start::Network(network) => (network, None),
            Start::Pretrained(pretrained) => (pretrained.network().network(), Some(pretrained)),
        };
        let described =
            |pretrained: &Pretrained| (pretrained.fingerprint(), pretrained.frozen_until().map(str::to_string));
        let saved = settings.checkpoint.is_some();
        let of = |source: &dyn Source| saved.then(|| source.fingerprint()).flatten();
        Described {
            network: network.clone(),
            pretrained: pretrained.filter(|_| saved).map(described),
            training: settings.training.clone(),
            validation: settings.validation,
            standardize: settings.standardize,
            target_scale: settings.target_scale,
            rows: source.len(),
            fingerprint: of(source),
            validation_rows: settings.validation_data.as_ref().map(|data| data.len()),
            validation_fingerprint: settings.validation_data.as_ref().and_then(|data| of(&**data)),
        }
    }

    /// What differs from another run, besides the number of epochs.
    fn difference(&self, other: &Described) -> Option<&'static str> {
        let training = self.training.clone().epochs(other.training.epochs);
        let data = |described: &Described| {
            let Described { rows, fingerprint, validation_rows, validation_fingerprint, .. } = described;
            (*rows, *fingerprint, *validation_rows, *validation_fingerprint)
        };
        let own = |described: &Described| (described.validation, described.standardize, described.target_scale);
        match () {
            () if self.network != other.network => Some("another network"),
            () if self.pretrained != other.pretrained => Some("another model"),
            () if data(self) != data(other) => Some("other data"),
            () if training != other.training || own(self) != own(other) => Some("other settings"),
            () => None,
        }
    }

    fn write(&self, trainer: &Trainer, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_string(self).expect("plain data has a JSON form");
        let extra = BTreeMap::from([(FIT.to_string(), text)]);
        files::write_with(path, |file| {
            let mut writer = BufWriter::new(file);
            let written = trainer.write_checkpoint(&extra, &mut writer).and_then(|()| writer.flush());
            written.map_err(|source| files::save_failed(path, source))
        })
    }
}

/// The run that is saved in the file of the settings, where there is one.
fn resumed(asked: &Described, settings: &Settings) -> Result<Option<Trainer>, Error> {
    let Some(path) = settings.checkpoint.as_ref().filter(|path| path.exists()) else { return Ok(None) };
    let refuse = |why: String| Error::Resume { place: path.clone(), why };
    let mut file = BufReader::new(files::open(path)?);
    let read = Trainer::read_checkpoint(&mut file, settings.context.clone());
    let (mut trainer, extra) = read.map_err(|source| match source {
        CheckpointError::Io(source) => files::read_failed(path, source),
        source => Error::Checkpoint { path: path.clone(), source: Box::new(source) },
    })?;
    let begun = extra.get(FIT).and_then(|text| serde_json::from_str::<Described>(text).ok());
    let begun = begun.ok_or_else(|| refuse("it was not written by fit".to_string()))?;
    if let Some(other) = asked.difference(&begun) {
        return Err(refuse(format!("it was begun with {other}; name another file, or delete this one")));
    }
    let progress = trainer.progress();
    // A checksum finds accidents; a file made on purpose may say anything.
    if progress.position > asked.rows
        || progress.best_epoch > progress.history.len() as u64
        || progress.epoch != progress.history.len() as u64
        || trainer.settings().objectives.len() != asked.training.objectives.len()
    {
        return Err(refuse("it contradicts itself about the position of the run".to_string()));
    }
    if trainer.settings().epochs != settings.training.epochs {
        trainer.set_epochs(settings.training.epochs);
    }
    Ok(Some(trainer))
}
