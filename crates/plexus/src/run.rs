//! A training run and its folder: started, continued, finished.

use crate::error::Error;
use crate::files;
#[cfg(feature = "quant")]
use crate::fine_tune;
use crate::model::Model;
use crate::prepare::{self, Prepared, Scaling};
use crate::spec::{NetworkSpec, RunSpec};
use crate::split::Split;
use crate::transfer::{Frozen, Start};
use plexus_kernels::Context;
use plexus_nn::CheckedNetwork;
use plexus_train::Remedy;
use plexus_train::checkpoint::CheckpointError;
use plexus_train::data::{self, DataSource, Dataset, Loader, Rows, Samples, Source, Targets};
use plexus_train::evaluate::Evaluation;
use plexus_train::loss::{Loss, Objective};
use plexus_train::trainer::{EpochRecord, Progress, StepReport, Trainer};
#[cfg(feature = "quant")]
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Keys of what the checkpoint keeps for us.
const SPEC: &str = "run.spec";
const FINGERPRINT: &str = "data.fingerprint";
#[cfg(feature = "quant")]
const RANGES: &str = "quantize.ranges";

/// Epochs may end a hundred times a second; the disk is asked no more often than this.
const CHECKPOINT_PAUSE: Duration = Duration::from_secs(2);

/// An epoch may take an hour; no more than this is lost when the power fails in it.
const CHECKPOINT_PAUSE_IN_EPOCH: Duration = Duration::from_secs(30);

/// A run in its folder. While it exists no other process can use the folder.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    spec: RunSpec,
    source: DataSource,
    validation_rows: Rows,
    split: Split,
    trainer: Trainer,
    /// Layers that stay as they are.
    frozen: Option<Frozen>,
    loader: Loader,
    /// The ranges of the whole numbers, once it is their turn.
    #[cfg(feature = "quant")]
    calibrated: Option<plexus_quant::Calibrated>,
    extra: BTreeMap<String, String>,
    last_checkpoint: Instant,
    /// Steps between two checkpoints; with zero, time decides.
    checkpoint_every: u64,
    context: Context,
    _lock: File,
}

/// What may differ from now on when a run goes on: what is left `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resume {
    /// Another end.
    pub epochs: Option<u64>,
    /// Another learning rate: a run whose loss became NaN may go on with a lower one.
    pub learning_rate: Option<f64>,
    /// Another limit of the gradient's norm.
    pub clip_norm: Option<f64>,
}

/// What one call of [`Run::step`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Stepped {
    /// The update.
    pub step: StepReport,
    /// The epoch, where this was its last update.
    pub epoch: Option<EpochRecord>,
    /// Whether the run goes on with whole numbers from here.
    pub whole_numbers: bool,
}

/// The end of a run.
#[derive(Debug)]
pub struct Finished {
    /// The best weights as a model.
    pub model: Model,
    /// Where it was saved.
    pub model_path: PathBuf,
    /// The best weights on the test part; `None` where there is none.
    pub test: Option<Evaluation>,
}

impl Run {
    /// Name of the model file in a run folder.
    pub const MODEL: &str = "model.safetensors";
    /// Name of the checkpoint in a run folder.
    pub const CHECKPOINT: &str = "checkpoint.plexus";
    /// Name of the float model in the folder of a run that ends with whole numbers.
    pub const FLOAT: &str = "float.safetensors";
    /// Name of the model that a run with frozen layers starts from, in its folder.
    pub const START: &str = "start.safetensors";
    /// Name of the table of epochs in a run folder.
    pub const METRICS: &str = "metrics.jsonl";
    /// Name of the copy of the settings in a run folder.
    pub const SPEC: &str = "run.json";

    /// Builds the network for data that was opened as the spec says, and starts a run in a new or empty folder.
    ///
    /// # Errors
    /// Whatever does not fit; at most a folder with an empty lock file is left behind then.
    pub fn start(mut spec: RunSpec, mut source: DataSource, folder: &Path, context: Context) -> Result<Run, Error> {
        prepare::check_settings(&spec.settings)?;
        let fingerprint = fingerprint(&source);
        let (train_rows, validation_rows, split) = split(&spec, &mut source)?;
        let start = start(&spec, &source, &context)?;
        let Prepared { beginning, source: rows, frozen } =
            prepare::prepare(start, source.train.clone(), &spec.settings, &context)?;
        let scaling = Scaling { standardize: spec.standardize, target: spec.target_scale };
        let trainer = prepare::trainer(beginning, &*rows, &train_rows, scaling, spec.settings.clone(), &context)?;
        spec.settings = trainer.settings().clone();
        let loader = trainer.loader(rows, train_rows)?;
        #[cfg(feature = "quant")]
        if let Some(whole) = spec.quantize {
            if frozen.is_some() {
                return Err(Error::Setting {
                    name: "quantize",
                    got: format!("{}, with layers that stay as they are", whole.scheme.name()),
                    expected: "left out there: rounding would change these layers too".to_string(),
                    remedy: None,
                });
            }
            spec.quantize = Some(whole.settled(spec.settings.epochs, spec.from.is_some())?);
            // What has no form of whole numbers is said now, not when it is their turn.
            whole.calibrated(&trainer, &loader, &context)?;
        }
        let lock = claim(folder)?;
        if folder.join(Run::CHECKPOINT).exists() {
            return Err(Error::Setting {
                name: "folder",
                got: folder.display().to_string(),
                expected: "a folder without a run in it".to_string(),
                remedy: Some(Remedy::Resume { folder: folder.to_path_buf() }),
            });
        }
        let extra = BTreeMap::from([
            (SPEC.to_string(), serde_json::to_string(&spec).expect("plain data has a JSON form")),
            (FINGERPRINT.to_string(), fingerprint),
        ]);
        if let Some(frozen) = &frozen {
            let targets = Source::targets(&*source.train);
            prepare::starting_model(frozen, &trainer, &targets, &context)?.save(folder.join(Run::START))?;
        }
        let last_checkpoint = Instant::now();
        let run = Run {
            folder: folder.to_path_buf(),
            spec,
            source,
            validation_rows: validation_rows.into(),
            split,
            trainer,
            frozen,
            loader,
            #[cfg(feature = "quant")]
            calibrated: None,
            extra,
            last_checkpoint,
            checkpoint_every: 0,
            context,
            _lock: lock,
        };
        #[cfg(feature = "quant")]
        let run = {
            let mut run = run;
            run.begin_whole_numbers()?;
            run
        };
        let settings = serde_json::to_vec_pretty(&run.spec).expect("plain data has a JSON form");
        files::write(&folder.join(Run::SPEC), &settings)?;
        run.write_checkpoint()?;
        Ok(run)
    }

    /// Opens the run in a folder, to go on with the next update as if it had never stopped.
    ///
    /// Some settings may be other ones from now on; everything else is as it was started.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where the checkpoint does not read, [`Error::Resume`] where the data is another.
    pub fn resume(folder: &Path, changes: Resume, context: Context) -> Result<Run, Error> {
        let refuse = |why: String| Error::Resume { place: folder.to_path_buf(), why };
        let path = folder.join(Run::CHECKPOINT);
        if !path.exists() {
            return Err(refuse(format!("there is no {} in it; start the run again", Run::CHECKPOINT)));
        }
        let lock = claim(folder)?;
        let mut file = BufReader::new(files::open(&path)?);
        let read = Trainer::read_checkpoint(&mut file, context.clone());
        let (mut trainer, mut extra) = read.map_err(|source| match source {
            CheckpointError::Io(source) => files::read_failed(&path, source),
            source => Error::Checkpoint { path: path.clone(), source: Box::new(source) },
        })?;
        let spec = extra.get(SPEC).and_then(|text| serde_json::from_str::<RunSpec>(text).ok());
        let mut spec = spec.ok_or_else(|| refuse("its checkpoint was not written by a run".to_string()))?;
        prepare::check_settings(&spec.settings)?;
        if spec.settings != *trainer.settings() {
            return Err(refuse("its checkpoint contradicts itself about the settings".to_string()));
        }
        if changes != Resume::default() {
            let Resume { epochs, learning_rate, clip_norm } = changes;
            let settings = &mut spec.settings;
            settings.epochs = epochs.unwrap_or(settings.epochs);
            settings.learning_rate = learning_rate.unwrap_or(settings.learning_rate);
            settings.clip_norm = clip_norm.or(settings.clip_norm);
            prepare::check_settings(&spec.settings)?;
            #[cfg(feature = "quant")]
            if let (Some(whole), None) = (spec.quantize, trainer.progress().twin_from) {
                whole.check(spec.settings.epochs)?;
            }
            trainer.set_learning_rate(spec.settings.learning_rate);
            trainer.set_clip_norm(spec.settings.clip_norm);
            if let Some(epochs) = epochs {
                trainer.set_epochs(epochs);
            }
            extra.insert(SPEC.to_string(), serde_json::to_string(&spec).expect("plain data has a JSON form"));
        }
        if data::is_table(&spec.data) {
            if spec.reading != RunSpec::READING {
                return Err(refuse(
                    "it was begun by another version of this program, which read tables otherwise: train again (a model \
                     that is there still opens)"
                        .to_string(),
                ));
            }
            if data::path_of_table(&spec.data) == "-" {
                return Err(refuse("its data came from standard input and is not there any more".to_string()));
            }
        }
        let located = |file: &Option<String>| file.as_ref().map(|file| spec.located(file));
        let options = data::DataOptions {
            test_data: located(&spec.data_options.test_data),
            validation_data: located(&spec.data_options.validation_data),
            ..spec.data_options.clone()
        };
        let mut source = data::open(&spec.located(&spec.data), &options)?;
        if extra.get(FINGERPRINT) != Some(&fingerprint(&source)) {
            return Err(refuse(format!("the data of {} has changed since the run began", spec.data)));
        }
        prepare::check_losses(trainer.network(), &spec.settings.objectives, &Source::targets(&*source.train))?;
        if spec.freeze_until.is_none() {
            check_inputs(trainer.network(), &source.train)?;
        }
        let (train_rows, validation_rows, split) = split(&spec, &mut source)?;
        // A checksum finds accidents; a file made on purpose may say anything.
        let Progress { position, best_epoch, epoch, history, twin_from, .. } = trainer.progress();
        let beyond = |epochs: u64| epochs > history.len() as u64;
        if *position > train_rows.len() as u64
            || beyond(*best_epoch)
            || twin_from.is_some_and(beyond)
            || *epoch != history.len() as u64
        {
            return Err(refuse("its checkpoint contradicts itself about the position of the run".to_string()));
        }
        let (rows, frozen): (Arc<dyn Source>, _) = match &spec.freeze_until {
            Some(layer) => {
                let start = Model::open(folder.join(Run::START), context.clone())?.pretrained().freeze_until(layer)?;
                let Prepared { beginning, source, frozen } =
                    prepare::prepare(start.into(), source.train.clone(), &spec.settings, &context)?;
                if !beginning.is_of(trainer.network().network()) {
                    return Err(refuse(format!("{} in it is not the model that it began with", Run::START)));
                }
                (source, frozen)
            }
            None => (source.train.clone(), None),
        };
        let loader = trainer.loader(rows, train_rows)?;
        #[cfg(feature = "quant")]
        let calibrated = match (spec.quantize, trainer.progress().twin_from) {
            (Some(whole), Some(_)) => {
                let ranges = extra.get(RANGES).and_then(|text| serde_json::from_str(text).ok());
                let ranges =
                    ranges.ok_or_else(|| refuse("its checkpoint has no ranges for its whole numbers".to_string()))?;
                let calibrated = whole.kept(&trainer, ranges)?;
                fine_tune::begin(&mut trainer, calibrated.clone(), &context)?;
                Some(calibrated)
            }
            _ => None,
        };
        Ok(Run {
            folder: folder.to_path_buf(),
            spec,
            source,
            validation_rows: validation_rows.into(),
            split,
            trainer,
            frozen,
            loader,
            #[cfg(feature = "quant")]
            calibrated,
            extra,
            last_checkpoint: Instant::now(),
            checkpoint_every: 0,
            context,
            _lock: lock,
        })
    }

    /// Where the run lives.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it was made from.
    pub fn spec(&self) -> &RunSpec {
        &self.spec
    }

    /// The data.
    pub fn source(&self) -> &DataSource {
        &self.source
    }

    /// Rows to learn from, and rows kept out for validation.
    pub fn row_counts(&self) -> (u64, u64) {
        (self.loader.rows().len(), self.validation_rows.len())
    }

    /// The trainer.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// Parameters that stay as they are, where layers are frozen.
    pub fn frozen_params(&self) -> Option<usize> {
        self.frozen.as_ref().map(Frozen::weights_len)
    }

    /// Whether what frozen layers make of a sample is computed once.
    pub fn keeps_features(&self) -> bool {
        self.frozen.as_ref().is_some_and(Frozen::keeps) && self.spec.settings.augment.is_none()
    }

    /// Where the run is.
    pub fn progress(&self) -> &Progress {
        self.trainer.progress()
    }

    /// Updates of one epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.trainer.steps_per_epoch(self.loader.rows().len())
    }

    /// Updates done in the present epoch.
    pub fn steps_in_epoch(&self) -> u64 {
        self.trainer.steps_per_epoch(self.progress().position)
    }

    /// Saves after every so many updates; with zero, as at first, from time to time. No number of the run depends on it.
    pub fn set_checkpoint_every(&mut self, steps: u64) {
        self.checkpoint_every = steps;
    }

    /// Goes over to whole numbers where it is time for them, or where patience with floats is at its end.
    #[cfg(feature = "quant")]
    fn begin_whole_numbers(&mut self) -> Result<bool, Error> {
        let Progress { epoch, finished, twin_from, .. } = *self.progress();
        let Some(whole) = self.spec.quantize.filter(|_| twin_from.is_none()) else { return Ok(false) };
        let due = epoch >= whole.floats() || finished;
        if !due || epoch >= self.spec.settings.epochs {
            return Ok(false);
        }
        let calibrated = whole.calibrated(&self.trainer, &self.loader, &self.context)?;
        let ranges = serde_json::to_string(calibrated.statistics()).expect("plain data has a JSON form");
        fine_tune::begin(&mut self.trainer, calibrated.clone(), &self.context)?;
        self.extra.insert(RANGES.to_string(), ranges);
        self.calibrated = Some(calibrated);
        Ok(true)
    }

    /// The rows that ranges of whole numbers are measured on.
    #[cfg(feature = "quant")]
    pub fn calibration_rows(&self) -> u64 {
        crate::WholeNumbers::rows(&self.loader)
    }

    /// Whether the run has gone over to whole numbers.
    pub fn has_whole_numbers(&self) -> bool {
        self.progress().twin_from.is_some()
    }

    /// Does one update; at the end of an epoch also measures and keeps the best weights. Saves from time to time.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when the loss is no number; [`Error::Io`] when a checkpoint cannot be written.
    pub fn step(&mut self) -> Result<Stepped, Error> {
        let step = self.trainer.step(&mut self.loader)?;
        let mut epoch = None;
        if step.epoch_ends {
            epoch = Some(self.trainer.end_epoch(&self.loader, &self.validation_rows)?);
        }
        #[cfg(feature = "quant")]
        let whole_numbers = step.epoch_ends && self.begin_whole_numbers()?;
        #[cfg(not(feature = "quant"))]
        let whole_numbers = false;
        let due = match (self.checkpoint_every, step.epoch_ends) {
            (0, true) => self.last_checkpoint.elapsed() >= CHECKPOINT_PAUSE,
            (0, false) => self.last_checkpoint.elapsed() >= CHECKPOINT_PAUSE_IN_EPOCH,
            (steps, _) => self.trainer.steps_done().is_multiple_of(steps),
        };
        if due {
            self.checkpoint()?;
        }
        Ok(Stepped { step, epoch, whole_numbers })
    }

    /// Saves the run as it is now.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written; the last checkpoint is then still whole.
    pub fn checkpoint(&mut self) -> Result<(), Error> {
        self.write_checkpoint()?;
        let mut lines = Vec::new();
        for record in &self.progress().history {
            serde_json::to_writer(&mut lines, record).expect("plain data has a JSON form");
            lines.push(b'\n');
        }
        files::write(&self.folder.join(Run::METRICS), &lines)?;
        self.last_checkpoint = Instant::now();
        Ok(())
    }

    /// Writes the checkpoint, tensor by tensor.
    fn write_checkpoint(&self) -> Result<(), Error> {
        let path = self.folder.join(Run::CHECKPOINT);
        files::write_with(&path, |file| {
            let mut writer = BufWriter::new(file);
            let written = self.trainer.write_checkpoint(&self.extra, &mut writer).and_then(|()| writer.flush());
            written.map_err(|source| files::save_failed(&path, source))
        })
    }

    /// Measures the best weights on the test part and saves them as a model; of a run that ended with whole numbers the model of these,
    /// and beside it that of the floats which they were made of.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be written.
    pub fn finish(&mut self) -> Result<Finished, Error> {
        let model = self.model()?;
        let test = (!self.source.test.is_empty()).then(|| model.evaluate(&self.source.test)).transpose()?;
        let model_path = self.folder.join(Run::MODEL);
        model.save(&model_path)?;
        if self.has_whole_numbers() {
            self.float_model()?.save(self.folder.join(Run::FLOAT))?;
        }
        self.checkpoint()?;
        Ok(Finished { model, model_path, test })
    }

    /// Saves the best weights so far as a model, and says where; `None` before the first epoch has ended.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn save_best(&self) -> Result<Option<PathBuf>, Error> {
        if self.progress().best_epoch == 0 {
            return Ok(None);
        }
        let path = self.folder.join(Run::MODEL);
        self.model()?.save(&path)?;
        if self.has_whole_numbers() {
            self.float_model()?.save(self.folder.join(Run::FLOAT))?;
        }
        Ok(Some(path))
    }

    /// The best weights so far, as a model: of whole numbers where it is their turn.
    ///
    /// # Errors
    /// None in practice: the run was checked when it began.
    pub fn model(&self) -> Result<Model, Error> {
        #[cfg(feature = "quant")]
        if let Some(calibrated) = &self.calibrated {
            let whole = calibrated.quantize(self.trainer.best_params())?;
            let targets = Source::targets(&*self.source.train);
            let learnt = (whole.network, Cow::Owned(whole.params));
            return Ok(self.described(prepare::model_of(&self.trainer, learnt, &targets, &self.context)?));
        }
        self.float_model()
    }

    /// The best weights so far, as a model of floats.
    ///
    /// # Errors
    /// None in practice: the run was checked when it began.
    pub fn float_model(&self) -> Result<Model, Error> {
        let targets = Source::targets(&*self.source.train);
        Ok(self.described(prepare::model(&self.trainer, self.frozen.as_ref(), &targets, &self.context)?))
    }

    /// A model with what it was trained on.
    fn described(&self, model: Model) -> Model {
        let mut metadata = BTreeMap::from([("plexus.data".to_string(), self.source.train.name().to_string())]);
        if let Samples::U8(values) = self.source.train.samples() {
            let largest = values.iter().max().copied().unwrap_or(u8::MAX);
            metadata.insert(Model::PIXEL_MAX.to_string(), largest.to_string());
        }
        #[cfg(feature = "images")]
        if let Some(form) = &self.source.images {
            let form = serde_json::to_string(form).expect("plain data has a JSON form");
            metadata.insert(Model::IMAGES.to_string(), form);
            // White is white, also where no picture is.
            metadata.insert(Model::PIXEL_MAX.to_string(), u8::MAX.to_string());
        }
        let (columns, split) = (self.source.schema().cloned(), self.split.clone());
        model.with_metadata(metadata).with_columns(columns).with_split(Some(split))
    }
}

/// What training starts from: the network of the spec for this data, or its model.
fn start(spec: &RunSpec, source: &DataSource, context: &Context) -> Result<Start, Error> {
    let missing = |name: &'static str| Error::Setting {
        name,
        got: "given".to_string(),
        expected: "left out where training does not go on from a model".to_string(),
        remedy: None,
    };
    let Some(from) = &spec.from else {
        if spec.freeze_until.is_some() {
            return Err(missing("freeze_until"));
        }
        if spec.classes.is_some() {
            return Err(missing("classes"));
        }
        let heads = heads(source, &spec.settings.objectives);
        return Ok(NetworkSpec::parse(&spec.network)?.build(source.train.input().clone(), &heads)?.into());
    };
    let mut start = Model::open(from, context.clone())?.pretrained();
    if let Some(classes) = spec.classes {
        start = start.with_outputs(classes)?;
    }
    if let Some(layer) = &spec.freeze_until {
        start = start.freeze_until(layer)?;
    }
    Ok(start.into())
}

/// What the outputs of a network for some data are called, and how many numbers each has. Columns of a table give their names.
fn heads(source: &DataSource, objectives: &[Objective]) -> Vec<(String, usize)> {
    let name = |index: usize| match source.schema().and_then(|schema| schema.targets.get(index)) {
        Some(target) => target.name.clone(),
        None => format!("output{index}"),
    };
    let targets = source.train.targets().iter().zip(objectives).enumerate();
    targets.map(|(index, (targets, objective))| (name(index), outputs(targets, &objective.loss))).collect()
}

/// How many numbers a target asks for.
fn outputs(targets: &Targets, loss: &Loss) -> usize {
    match targets {
        Targets::Classes { names, .. } => names.len(),
        Targets::Values { names, .. } => names.len() * loss.outputs_per_target(),
    }
}

/// Chooses the validation rows: those of a file of their own, which are added behind the others, or a share of all, by the
/// seed of the run. Both parts are in the order of the file.
fn split(spec: &RunSpec, source: &mut DataSource) -> Result<(Vec<u64>, Vec<u64>, Split), Error> {
    let described = |source: &DataSource, validation: usize, train: usize| {
        Split::of(&spec.data, &spec.data_options, source, train, validation)
    };
    if let Some(validation) = source.validation.take() {
        let split = described(source, validation.len(), source.train.len());
        let first = source.train.len() as u64;
        Arc::make_mut(&mut source.train).extend(validation);
        return Ok(((0..first).collect(), (first..source.train.len() as u64).collect(), split));
    }
    let (train, validation) = prepare::share(source.train.len() as u64, spec.validation, spec.settings.seed)?;
    let split = described(source, validation.len(), train.len());
    Ok((train, validation, split))
}

/// A crafted checkpoint may hold a network for other rows.
fn check_inputs(network: &CheckedNetwork, data: &Dataset) -> Result<(), Error> {
    for (input, rows) in network.network().inputs.iter().zip(data.inputs()) {
        if input.shape != rows.shape {
            return Err(Error::Mismatch {
                what: "the input shape",
                model: input.shape.to_string(),
                data: rows.shape.to_string(),
                help: "The checkpoint belongs to other data.".to_string(),
            });
        }
    }
    Ok(())
}

/// Makes the folder and takes its lock.
fn claim(folder: &Path) -> Result<File, Error> {
    let failed = |action, source| Error::Io { action, path: folder.to_path_buf(), source };
    std::fs::create_dir_all(folder).map_err(|source| failed("make the folder", source))?;
    let path = folder.join("run.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| Error::Io { action: "write", path, source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { folder: folder.to_path_buf() }),
        // A file system without locks: go on without.
        Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// A few digits that change when the rows do.
fn fingerprint(source: &DataSource) -> String {
    let of_samples = |checksum: u32, samples: &Samples| match samples {
        Samples::U8(values) => crc32c::crc32c_append(checksum, values),
        Samples::F32(values) => values.iter().fold(checksum, |sum, v| crc32c::crc32c_append(sum, &v.to_le_bytes())),
        #[cfg(feature = "images")]
        Samples::Images(images) => {
            images.hashes().fold(checksum, |sum, hash| crc32c::crc32c_append(sum, &hash.to_le_bytes()))
        }
    };
    let of_targets = |checksum: u32, targets: &Targets| match targets {
        Targets::Classes { indices, .. } => {
            indices.iter().fold(checksum, |sum, class| crc32c::crc32c_append(sum, &class.to_le_bytes()))
        }
        Targets::Values { values, .. } => {
            values.iter().fold(checksum, |sum, value| crc32c::crc32c_append(sum, &value.to_le_bytes()))
        }
    };
    let of = |data: &Dataset| {
        let samples = data.inputs().iter().fold(0, |checksum, input| of_samples(checksum, &input.samples));
        let targets = data.targets().iter().fold(0, of_targets);
        format!("{}:{samples:08x}:{targets:08x}", data.len())
    };
    format!("{} {}", of(&source.train), of(&source.test))
}
