//! A model: a network with its numbers and the names of what goes in and comes out, ready to predict.

use crate::error::Error;
use crate::files;
use crate::split::Split;
use plexus_formats::FormatError;
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::threads::flush_denormals;
use plexus_kernels::{reduce, softmax};
use plexus_nn::{CheckedBatch, CheckedNetwork, Input, ParamLayout, Params, Plan, PlanOptions, Shape, ValueId};
use plexus_train::check::Fit;
use plexus_train::data::{self, Dataset, InputRows, Rows, Schema, Targets};
use plexus_train::evaluate::{Evaluation, evaluate_plan, rows_per_batch};
use plexus_train::loss::{Loss, Objective};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufReader, BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// What the outputs mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Task {
    /// One score (logit) a class; softmax makes probabilities of them.
    Classification {
        /// Names of the classes, in the order of the outputs.
        classes: Vec<String>,
    },
    /// Yes or no for each class by itself; σ makes probabilities of the logits.
    MultiLabel {
        /// Names of the classes, in the order of the outputs.
        classes: Vec<String>,
    },
    /// Numbers.
    Regression {
        /// Names of the numbers, in the order of the outputs.
        outputs: Vec<String>,
    },
    /// Quantiles of one number, rising.
    Quantiles {
        /// The name of the number.
        target: String,
        /// Which quantiles, each in 0..1.
        quantiles: Vec<f32>,
        /// Names of the outputs, such as `price q0.1`.
        outputs: Vec<String>,
    },
}

impl Task {
    /// The names of the outputs.
    pub fn names(&self) -> &[String] {
        match self {
            Task::Classification { classes } | Task::MultiLabel { classes } => classes,
            Task::Regression { outputs } | Task::Quantiles { outputs, .. } => outputs,
        }
    }
}

/// What one output of a network means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputTask {
    /// The name of the output.
    pub name: String,
    /// What it means.
    #[serde(flatten)]
    pub task: Task,
}

/// What the outputs of a network mean, in their order. A [`Task`] alone is that of the only output.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs(pub Vec<OutputTask>);

impl From<Task> for Outputs {
    fn from(task: Task) -> Self {
        Outputs(vec![OutputTask { name: "output".to_string(), task }])
    }
}

impl From<Vec<OutputTask>> for Outputs {
    fn from(outputs: Vec<OutputTask>) -> Self {
        Outputs(outputs)
    }
}

/// Keys of the metadata of a model file: of one output the task alone, of several all of them.
const TASK: &str = "plexus.task";
const OUTPUTS: &str = "plexus.outputs";
const COLUMNS: &str = "plexus.columns";
const SPLIT: &str = "plexus.split";

/// A network with its numbers and names, planned for this machine. Share it between threads; each brings its
/// [`Workspace`].
#[derive(Debug)]
pub struct Model {
    plan: Plan,
    outputs: Vec<OutputTask>,
    columns: Option<Schema>,
    split: Option<Split>,
    metadata: BTreeMap<String, String>,
}

/// Memory that predictions run in. It grows to the largest call and is then reused: later calls allocate nothing.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    plan: plexus_nn::Workspace,
    /// Of each output.
    answers: Vec<Buffer>,
    allows_not_finite: bool,
}

impl Workspace {
    /// The same for inputs that may hold NaN and infinities: predictions with it do not refuse them. They go through the
    /// network as IEEE 754 says, and the answer is mostly NaN.
    pub fn allow_not_finite(self) -> Self {
        Workspace { allows_not_finite: true, ..self }
    }
}

impl Model {
    /// Key of the metadata that holds the value of a white pixel in the training images, e.g. 255.
    pub const PIXEL_MAX: &str = "plexus.pixel_max";

    /// A model from its parts; `metadata` is free text that is saved with it. It predicts as [`Model::open`] of its file
    /// does, to the bit.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where there are not as many names as outputs, or the numbers belong to another network.
    pub fn new(
        network: Arc<CheckedNetwork>,
        params: &Params,
        outputs: impl Into<Outputs>,
        columns: Option<Schema>,
        metadata: BTreeMap<String, String>,
        context: Context,
    ) -> Result<Self, Error> {
        let Outputs(outputs) = outputs.into();
        check_names(&network, &outputs)?;
        if network.layout() != params.layout() {
            let count = |layout: &ParamLayout| {
                let numbers = layout.weights_len() + layout.state_len();
                format!("{} tensors of {numbers} numbers", layout.entries().len())
            };
            return Err(Error::Mismatch {
                what: "the numbers of the network",
                model: count(network.layout()),
                data: format!("{} of another network", count(params.layout())),
                help: "Take those that were made for this network.".to_string(),
            });
        }
        let plan = Plan::with(network, params, folding(), context);
        Ok(Model { plan, outputs, columns, split: None, metadata })
    }

    /// The same model, with the rows of its training.
    pub fn with_split(self, split: Option<Split>) -> Self {
        Model { split, ..self }
    }

    /// Opens a model file. The numbers are read layer by layer into the form that predictions read; the memory that this
    /// takes is that of the model and of its largest layer.
    ///
    /// Layers that only scale and shift (batch_norm, standardise) are [folded](PlanOptions::fold) into those beside them
    /// where that can be; of weights with something folded into them, memory grows by a sixteenth. The model still has the
    /// network and the numbers of the file. [`Model::open_with`] does it without.
    ///
    /// # Errors
    /// [`Error::Io`] where the file does not read, [`Error::Format`] where it is no model.
    pub fn open(path: impl AsRef<Path>, context: Context) -> Result<Self, Error> {
        Model::open_with(path, folding(), context)
    }

    /// As [`Model::open`], in a chosen way: with the default of the options every layer of the file is computed as it
    /// stands there, with the bits of training.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_with(path: impl AsRef<Path>, options: PlanOptions, context: Context) -> Result<Self, Error> {
        let path = path.as_ref();
        let format = |source| match source {
            FormatError::Io { kind, message } => files::read_failed(path, io::Error::new(kind, message)),
            source => Error::Format { path: path.to_path_buf(), source: Box::new(source) },
        };
        let mut file = plexus_formats::open_model(BufReader::new(files::open(path)?)).map_err(format)?;
        let (network, mut metadata) = (file.network().clone(), file.metadata().clone());
        let expected = format!("{} outputs", network.output_len());
        let task: Option<Task> = described(path, &mut metadata, TASK, "the task in the file's metadata", &expected)?;
        let outputs = described(path, &mut metadata, OUTPUTS, "the outputs in the file's metadata", &expected)?;
        let outputs: Vec<OutputTask> = match (outputs, task) {
            (Some(outputs), _) => outputs,
            (None, Some(task)) if network.outputs().len() == 1 => {
                vec![OutputTask { name: network.name(network.outputs()[0]).to_string(), task }]
            }
            // A model from elsewhere says nothing: its outputs are numbers.
            _ => network.outputs().iter().map(|output| unknown_task(&network, *output)).collect(),
        };
        let input = format!("input {}", network.input());
        let columns = described(path, &mut metadata, COLUMNS, "the columns in the file's metadata", &input)?;
        let split = described(path, &mut metadata, SPLIT, "the split in the file's metadata", &input)?;
        check_names(&network, &outputs)?;
        let fill = |layer, weights: &mut [f32], state: &mut [f32]| file.read_layer(layer, weights, state);
        let plan = Plan::from_layers(network, options, context, fill).map_err(format)?;
        Ok(Model { plan, outputs, columns, split, metadata })
    }

    /// Writes a model file, layer by layer.
    ///
    /// # Errors
    /// [`Error::Network`] where the network is too large for the format, or the writer fails.
    pub fn write_to(&self, writer: &mut dyn Write) -> Result<(), Error> {
        Ok(self.write_format(writer)?)
    }

    fn write_format(&self, writer: &mut dyn Write) -> Result<(), FormatError> {
        let mut metadata = self.metadata.clone();
        match &self.outputs[..] {
            [only] => metadata.insert(TASK.to_string(), json(&only.task)),
            outputs => metadata.insert(OUTPUTS.to_string(), json(&outputs)),
        };
        if let Some(columns) = &self.columns {
            metadata.insert(COLUMNS.to_string(), json(columns));
        }
        if let Some(split) = &self.split {
            metadata.insert(SPLIT.to_string(), json(split));
        }
        (plexus_formats::FORMATS[0].write)(writer, self.plan.network(), &self.plan, &metadata)
    }

    /// The bytes of a model file.
    ///
    /// # Errors
    /// [`Error::Network`] where the network is too large for the format.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Saves the model; a file of this name is replaced whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written, [`Error::Network`] where the network is too large for the format.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        files::write_with(path, |file| {
            let mut writer = BufWriter::new(file);
            let written = self.write_format(&mut writer).and_then(|()| Ok(writer.flush()?));
            written.map_err(|error| match error {
                FormatError::Io { kind, message } => files::save_failed(path, io::Error::new(kind, message)),
                error => error.into(),
            })
        })
    }

    /// The network.
    pub fn network(&self) -> &CheckedNetwork {
        self.plan.network()
    }

    /// The layer into which layer `index` is folded for predictions; `None` where it is computed by itself.
    pub fn folded_into(&self, index: usize) -> Option<usize> {
        self.plan.folded_into(index)
    }

    /// All numbers, bit for bit as they were given: a copy, for the model keeps them in another order.
    pub fn params(&self) -> Params {
        self.plan.params()
    }

    /// The values of one tensor, by its dotted name such as `layers.0.weight`: a copy.
    pub fn tensor(&self, name: &str) -> Option<Vec<f32>> {
        self.plan.tensor(name)
    }

    /// What the first output means.
    pub fn task(&self) -> &Task {
        &self.outputs[0].task
    }

    /// What each output means, in their order.
    pub fn outputs(&self) -> &[OutputTask] {
        &self.outputs
    }

    /// How a row of text becomes numbers, for a model trained on CSV.
    pub fn columns(&self) -> Option<&Schema> {
        self.columns.as_ref()
    }

    /// Which rows it learnt from, and which were held out; `None` where the file does not say.
    pub fn split(&self) -> Option<&Split> {
        self.split.as_ref()
    }

    /// Free text saved with the model.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The outputs of the network for some rows, `[rows, outputs]`: scores for a classification.
    ///
    /// # Errors
    /// - [`Error::Shape`]: the input is not `rows` times the width of the model
    /// - [`Error::Input`]: it holds NaN or an infinity, unless the workspace [allows it](Workspace::allow_not_finite)
    pub fn scores<'w>(&self, input: &[f32], rows: usize, workspace: &'w mut Workspace) -> Result<&'w [f32], Error> {
        let batch = self.batch(input, rows, workspace)?;
        Ok(self.plan.run(batch, &mut workspace.plan))
    }

    /// The answers of the first output for some rows, `[rows, outputs]`: probabilities for a classification, numbers for a
    /// regression. The model has one input; for several there is [`Model::predict_all`].
    ///
    /// A row has the same bits alone and in any batch, on any number of threads. Nothing is allocated once the workspace
    /// has seen a call of this size.
    ///
    /// # Errors
    /// - [`Error::Shape`]: the input is not `rows` times the width of the model, or there are several inputs
    /// - [`Error::Input`]: it holds NaN or an infinity, unless the workspace [allows it](Workspace::allow_not_finite)
    pub fn predict<'w>(&self, input: &[f32], rows: usize, workspace: &'w mut Workspace) -> Result<&'w [f32], Error> {
        let batch = self.batch(input, rows, workspace)?;
        flush_denormals(|| self.answer(batch, 0..1, workspace));
        Ok(self.answers_at(0, workspace))
    }

    /// The answers of all outputs for some rows of all inputs, in the order of the network.
    ///
    /// # Errors
    /// - [`Error::Shape`]: there are not as many as inputs, or one is not `rows` times the width of its input
    /// - [`Error::Input`]: one holds NaN or an infinity, unless the workspace [allows it](Workspace::allow_not_finite)
    pub fn predict_all<'w>(
        &'w self,
        inputs: &[&[f32]],
        rows: usize,
        workspace: &'w mut Workspace,
    ) -> Result<Answers<'w>, Error> {
        let batch = self.network().batches(inputs, rows)?;
        (0..inputs.len()).try_for_each(|index| self.check_finite(index, inputs[index], workspace))?;
        flush_denormals(|| self.answer(batch, 0..self.outputs.len(), workspace));
        Ok(Answers { model: self, workspace })
    }

    /// Checks the input of a prediction.
    fn batch<'a>(&self, input: &'a [f32], rows: usize, workspace: &Workspace) -> Result<CheckedBatch<'a>, Error> {
        let batch = self.network().batch(input, rows)?;
        self.check_finite(0, input, workspace)?;
        Ok(batch)
    }

    fn check_finite(&self, index: usize, values: &[f32], workspace: &Workspace) -> Result<(), Error> {
        if workspace.allows_not_finite {
            return Ok(());
        }
        let Some(at) = reduce::first_not_finite(values, self.plan.context()) else { return Ok(()) };
        let inputs = &self.network().network().inputs;
        let width = inputs[index].shape.len().unwrap_or(1).max(1);
        let input = (inputs.len() > 1).then(|| inputs[index].name.clone());
        Err(Error::Input { input, row: at / width, column: at % width, value: values[at] })
    }

    /// The answers of an output in the last call: where numbers are answered, those that the network gave.
    fn answers_at<'w>(&self, index: usize, workspace: &'w Workspace) -> &'w [f32] {
        let scores = self.plan.output(&workspace.plan, index);
        match self.outputs[index].task {
            Task::Regression { .. } => scores,
            _ => &workspace.answers[index][..scores.len()],
        }
    }

    /// Computes the outputs, and the answers of some of them.
    fn answer(&self, batch: CheckedBatch<'_>, outputs: Range<usize>, workspace: &mut Workspace) {
        let Workspace { plan, answers, .. } = workspace;
        self.plan.run(batch, plan);
        if answers.len() < self.outputs.len() {
            answers.resize_with(self.outputs.len(), Buffer::default);
        }
        for index in outputs {
            let scores = self.plan.output(plan, index);
            let width = self.network().len(self.network().outputs()[index]);
            if let Task::Regression { .. } = self.outputs[index].task {
                continue;
            }
            answers[index].grow(scores.len());
            let probabilities = &mut answers[index][..scores.len()];
            match self.outputs[index].task {
                Task::Regression { .. } => {}
                Task::Quantiles { .. } => {
                    // Quantiles rise; where the network's cross, they change places (Chernozhukov et al. 2010).
                    probabilities.copy_from_slice(scores);
                    for row in probabilities.chunks_exact_mut(width.max(1)) {
                        row.sort_by(f32::total_cmp);
                    }
                }
                Task::Classification { .. } => {
                    softmax::softmax(batch.rows(), width, scores, probabilities, self.plan.context());
                }
                Task::MultiLabel { .. } => {
                    let sigmoid = plexus_kernels::map::Function::Sigmoid;
                    plexus_kernels::map::forward(sigmoid, scores, probabilities, self.plan.context());
                }
            }
        }
    }

    /// Rows of one prediction that need no memory worth mentioning: at most 512, fewer for a network whose intermediate
    /// values are large. Many rows are best answered in batches of so many.
    pub fn rows_per_batch(&self) -> usize {
        rows_per_batch(&self.plan)
    }

    /// Checks that a data set has the input shape and the answers of this model, its classes in the same order.
    ///
    /// # Errors
    /// [`Error::Mismatch`] or [`Error::KindOfAnswer`], naming both sides.
    pub fn check_data(&self, data: &Dataset) -> Result<(), Error> {
        let inputs = &self.network().network().inputs;
        let differs = |(input, rows): (&Input, &InputRows)| input.shape != rows.shape;
        if inputs.len() != data.inputs.len() || inputs.iter().zip(&data.inputs).any(differs) {
            let shapes = |shapes: &mut dyn Iterator<Item = &Shape>| {
                shapes.map(Shape::to_string).collect::<Vec<_>>().join(" and ")
            };
            return Err(Error::Mismatch {
                what: "the input shape",
                model: shapes(&mut inputs.iter().map(|input| &input.shape)),
                data: shapes(&mut data.inputs.iter().map(|rows| &rows.shape)),
                help: "Use data like that which the model was trained on.".to_string(),
            });
        }
        if self.outputs.len() != data.targets.len() {
            let names: Vec<&str> = self.outputs.iter().map(|output| output.name.as_str()).collect();
            return Err(Error::Mismatch {
                what: "the targets",
                model: format!("{} outputs: {}", names.len(), names.join(", ")),
                data: data.targets.len().to_string(),
                help: "Each output needs one target.".to_string(),
            });
        }
        self.outputs.iter().zip(&data.targets).try_for_each(|(output, targets)| check_target(&output.task, targets))
    }

    /// Measures the model on all rows of a data set.
    ///
    /// # Errors
    /// [`Error::Mismatch`] or [`Error::KindOfAnswer`], where the data is not of the model's kind.
    pub fn evaluate(&self, data: &Dataset) -> Result<Evaluation, Error> {
        self.check_data(data)?;
        let objectives: Vec<Objective> = self.outputs.iter().map(|output| loss(&output.task).into()).collect();
        let fit = Fit::new(self.plan.network(), &objectives, data)?;
        let mut workspace = plexus_nn::Workspace::default();
        let rows = Rows::from(0..data.len() as u64);
        let mut evaluation = evaluate_plan(&self.plan, &mut workspace, &objectives, &fit, data, &rows)?;
        for (measured, output) in evaluation.outputs.iter_mut().zip(&self.outputs) {
            measured.name.clone_from(&output.name);
        }
        Ok(evaluation)
    }
}

/// How models are planned unless it is said otherwise.
fn folding() -> PlanOptions {
    PlanOptions::default().with_fold(true)
}

/// The loss that a model is measured with.
fn loss(task: &Task) -> Loss {
    match task {
        Task::Classification { .. } => Loss::CrossEntropy { label_smoothing: 0.0, class_weights: None },
        Task::MultiLabel { .. } => Loss::BinaryCrossEntropy,
        Task::Regression { .. } => Loss::MeanSquaredError,
        Task::Quantiles { quantiles, .. } => Loss::Quantile { quantiles: quantiles.clone() },
    }
}

/// Checks that a target is what an output answers.
fn check_target(task: &Task, targets: &Targets) -> Result<(), Error> {
    let mismatch = |what, model: String, data: String, help: &str| {
        Err(Error::Mismatch { what, model, data, help: help.to_string() })
    };
    let names = task.names();
    match (targets, task) {
        (Targets::Classes { names: classes, .. }, Task::Classification { .. } | Task::MultiLabel { .. }) => {
            if classes != names {
                let help = "The classes must be the same, in the same order.";
                return mismatch("the classes", names.join(", "), classes.join(", "), help);
            }
        }
        (Targets::Values { names: outputs, .. }, Task::Regression { .. }) => {
            if outputs.len() != names.len() {
                let (model, data) = (names.join(", "), outputs.join(", "));
                return mismatch("the outputs", model, data, "Each output needs one target column.");
            }
        }
        (Targets::Values { .. }, Task::Quantiles { .. }) => {}
        // Trained to say 1 for the right class and 0 for the others: the largest number is the answer.
        (Targets::Classes { names: classes, .. }, Task::Regression { outputs }) if classes == outputs => {}
        (Targets::Classes { .. }, _) => {
            return Err(Error::KindOfAnswer { model: data::Task::Regression, data: data::Task::Classification });
        }
        (Targets::Values { .. }, _) => {
            return Err(Error::KindOfAnswer { model: data::Task::Classification, data: data::Task::Regression });
        }
    }
    Ok(())
}

/// The answers of a model to one call of [`Model::predict_all`].
#[derive(Clone, Copy, Debug)]
pub struct Answers<'w> {
    model: &'w Model,
    workspace: &'w Workspace,
}

impl<'w> Answers<'w> {
    /// The answers of one output, `[rows, its numbers]`.
    ///
    /// # Panics
    /// Where the model has fewer outputs.
    pub fn at(self, index: usize) -> &'w [f32] {
        self.model.answers_at(index, self.workspace)
    }

    /// What the answers of an output were made of: the scores (logits) of classes, else the answers.
    ///
    /// # Panics
    /// Where the model has fewer outputs.
    pub fn scores(self, index: usize) -> &'w [f32] {
        self.model.plan.output(&self.workspace.plan, index)
    }

    /// The answers of the output with this name.
    pub fn get(self, name: &str) -> Option<&'w [f32]> {
        self.model.outputs.iter().position(|output| output.name == name).map(|index| self.at(index))
    }

    /// All answers with the names of their outputs.
    pub fn iter(self) -> impl Iterator<Item = (&'w str, &'w [f32])> {
        self.model.outputs.iter().enumerate().map(move |(index, output)| (&output.name[..], self.at(index)))
    }
}

/// Each number of an output needs one name.
pub(crate) fn check_names(network: &CheckedNetwork, outputs: &[OutputTask]) -> Result<(), Error> {
    let mismatch = |model: String, data: String| {
        let help = "Each output needs one name.".to_string();
        Err(Error::Mismatch { what: "the number of outputs", model, data, help })
    };
    if network.outputs().len() != outputs.len() {
        return mismatch(format!("{} outputs", network.outputs().len()), format!("{} tasks", outputs.len()));
    }
    for (output, named) in network.outputs().iter().zip(outputs) {
        let (len, names) = (network.len(*output), named.task.names().len());
        if len != names {
            return mismatch(format!("{len} outputs"), format!("{names} names"));
        }
    }
    Ok(())
}

/// What an output is taken for where nothing is said: numbers.
fn unknown_task(network: &CheckedNetwork, output: ValueId) -> OutputTask {
    let outputs = (0..network.len(output)).map(|index| format!("output {index}")).collect();
    OutputTask { name: network.name(output).to_string(), task: Task::Regression { outputs } }
}

/// Takes a description out of the metadata of a model file, where it is there.
fn described<T: serde::de::DeserializeOwned>(
    path: &Path,
    metadata: &mut BTreeMap<String, String>,
    key: &str,
    what: &'static str,
    model: &str,
) -> Result<Option<T>, Error> {
    let read = metadata.remove(key).map(|text| serde_json::from_str(&text)).transpose();
    read.map_err(|error| Error::Mismatch {
        what,
        model: model.to_string(),
        data: format!("text that does not read ({error})"),
        help: format!("{}: the file is damaged.", path.display()),
    })
}

/// Plain data as JSON text.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data has a JSON form")
}
