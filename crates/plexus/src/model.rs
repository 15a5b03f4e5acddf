//! A model: a network with its numbers and the names of what goes in and comes out, ready to predict.

use crate::error::Error;
use crate::files;
use crate::positions::positions;
#[cfg(feature = "table")]
use crate::split::Split;
use crate::task::{OutputTask, Outputs, Task, check_names, unknown_task};
use plexus_formats::{FORMATS, Format, FormatError};
use plexus_kernels::Context;
use plexus_nn::{CheckedNetwork, Input, ParamLayout, Params, Plan, PlanOptions};
#[cfg(feature = "table")]
use plexus_train::data::Schema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

/// Keys of the metadata of a model file: of one output the task alone, of several all of them.
const TASK: &str = "plexus.task";
const OUTPUTS: &str = "plexus.outputs";
#[cfg(feature = "table")]
const COLUMNS: &str = "plexus.columns";
#[cfg(feature = "table")]
const SPLIT: &str = "plexus.split";

/// A network with its numbers and names, planned for this machine. Share it between threads; each brings its
/// [`Workspace`](crate::Workspace).
pub struct Model {
    pub(crate) plan: Plan,
    pub(crate) outputs: Vec<OutputTask>,
    /// Without the feature `table` it stays in the metadata as it was read, and is saved so.
    #[cfg(feature = "table")]
    columns: Option<Schema>,
    #[cfg(feature = "table")]
    split: Option<Split>,
    metadata: BTreeMap<String, String>,
}

impl Model {
    /// Key of the metadata that holds the value of a white pixel in the training images, e.g. 255.
    pub const PIXEL_MAX: &str = "plexus.pixel_max";

    /// Key of the metadata that holds what the training images were made into, as JSON: [`Model::image_form`].
    pub const IMAGES: &str = "plexus.images";

    /// A model from its parts. It predicts as [`Model::open`] of its file does, to the bit.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where there are not as many names as outputs, or the numbers belong to another network; [`Error::Shape`]
    /// for numbers that a layer cannot have.
    ///
    /// # Examples
    /// ```
    /// use plexus::{Context, Model, Network, Params, Task, layers::Linear};
    /// let network = Network::chain([2], [Linear::new(1).into()]).check()?;
    /// let params = Params::zeros(&network);
    /// let task = Task::Regression { outputs: vec!["price".into()] };
    /// let model = Model::new(network, &params, task, Context::single())?;
    /// assert_eq!(model.predict(&[1.0, 2.0], 1, &mut Default::default())?, [0.0]);
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn new(
        network: impl Into<Arc<CheckedNetwork>>,
        params: &Params,
        outputs: impl Into<Outputs>,
        context: Context,
    ) -> Result<Self, Error> {
        let (network, Outputs(outputs)) = (network.into(), outputs.into());
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
        params.check(&network).map_err(|error| Error::Shape(Box::new(error)))?;
        let plan = Plan::with(network, params, folding(), context);
        Ok(Model::of_plan(plan, outputs, BTreeMap::new()))
    }

    fn of_plan(plan: Plan, outputs: Vec<OutputTask>, metadata: BTreeMap<String, String>) -> Self {
        Model {
            plan,
            outputs,
            #[cfg(feature = "table")]
            columns: None,
            #[cfg(feature = "table")]
            split: None,
            metadata,
        }
    }

    /// The same model with free text that is saved with it, by keys. Keys that begin with `plexus.` are its own.
    pub fn with_metadata(self, metadata: BTreeMap<String, String>) -> Self {
        Model { metadata, ..self }
    }

    /// The same model, with the way in which a row of text becomes numbers.
    #[cfg(feature = "table")]
    pub fn with_columns(self, columns: Option<Schema>) -> Self {
        Model { columns, ..self }
    }

    /// The same model, with the rows of its training.
    #[cfg(feature = "table")]
    pub fn with_split(self, split: Option<Split>) -> Self {
        Model { split, ..self }
    }

    /// Opens a model file of any of the [formats](crate::FORMATS). The numbers are read layer by layer into the form that
    /// predictions read; the memory that this takes is that of the model and of its largest layer.
    ///
    /// Layers that only scale and shift (batch_norm, standardize) are [folded](PlanOptions::fold) into those beside them
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
        Model::from_source(BufReader::new(files::open(path)?), Some(path), options, context)
    }

    /// Opens a model from the bytes of its file, which are read and not kept.
    ///
    /// # Errors
    /// [`Error::Format`] where they are no model.
    ///
    /// # Examples
    /// A model that is part of the program:
    /// ```no_run
    /// # const BYTES: &[u8] = &[]; /*
    /// const BYTES: &[u8] = include_bytes!("digits.safetensors");
    /// # */
    /// let model = plexus::Model::from_bytes(BYTES, plexus::Context::single())?;
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn from_bytes(bytes: &[u8], context: Context) -> Result<Self, Error> {
        Model::from_source(Cursor::new(bytes), None, folding(), context)
    }

    /// Reads a model to the end of a stream: a socket, standard input, a file in an archive. The whole file is in memory
    /// while it is opened.
    ///
    /// # Errors
    /// [`Error::Format`] where the stream does not read or is no model.
    pub fn read(mut reader: impl Read, context: Context) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        let read = reader.read_to_end(&mut bytes);
        read.map_err(|error| Error::Format { path: None, source: Box::new(error.into()) })?;
        Model::from_bytes(&bytes, context)
    }

    fn from_source(
        source: impl Read + Seek,
        path: Option<&Path>,
        options: PlanOptions,
        context: Context,
    ) -> Result<Self, Error> {
        let format = |source| match (source, path) {
            (FormatError::Io { kind, message }, Some(path)) => files::read_failed(path, io::Error::new(kind, message)),
            (source, path) => Error::Format { path: path.map(Path::to_path_buf), source: Box::new(source) },
        };
        let mut file = plexus_formats::open_model(source).map_err(format)?;
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
        #[cfg(feature = "table")]
        let (columns, split) = {
            let input = format!("input {}", network.input());
            let columns = described(path, &mut metadata, COLUMNS, "the columns in the file's metadata", &input)?;
            (columns, described(path, &mut metadata, SPLIT, "the split in the file's metadata", &input)?)
        };
        check_names(&network, &outputs)?;
        let fill = |layer, weights: &mut [f32], state: &mut [f32]| file.read_layer(layer, weights, state);
        let plan = Plan::from_layers(network, options, context, fill).map_err(format)?;
        let model = Model::of_plan(plan, outputs, metadata);
        #[cfg(feature = "table")]
        let model = model.with_columns(columns).with_split(split);
        Ok(model)
    }

    /// Writes a model file of the first of the [formats](crate::FORMATS), layer by layer.
    ///
    /// # Errors
    /// [`Error::Network`] where the network is too large for the format, or the writer fails.
    pub fn write_to(&self, writer: &mut dyn Write) -> Result<(), Error> {
        Ok(self.write_format(&FORMATS[0], writer)?)
    }

    fn write_format(&self, format: &Format, writer: &mut dyn Write) -> Result<(), FormatError> {
        let mut metadata = self.metadata.clone();
        match &self.outputs[..] {
            [only] => metadata.insert(TASK.to_string(), json(&only.task)),
            outputs => metadata.insert(OUTPUTS.to_string(), json(&outputs)),
        };
        #[cfg(feature = "table")]
        {
            metadata.extend(self.columns.as_ref().map(|columns| (COLUMNS.to_string(), json(columns))));
            metadata.extend(self.split.as_ref().map(|split| (SPLIT.to_string(), json(split))));
        }
        (format.write)(writer, self.plan.network(), &self.plan, &metadata)
    }

    /// The bytes of a model file, of the first of the [formats](crate::FORMATS).
    ///
    /// # Errors
    /// [`Error::Network`] where the network is too large for the format.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Saves the model; a file of this name is replaced whole or not at all. The format is that of the extension, and the
    /// first of the [formats](crate::FORMATS) where it belongs to none.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written, [`Error::Network`] where the network is too large for the format.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let format = Format::of_path(path).unwrap_or(&FORMATS[0]);
        files::write_with(path, |file| {
            let mut writer = BufWriter::new(file);
            let written = self.write_format(format, &mut writer).and_then(|()| Ok(writer.flush()?));
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

    /// What enters: name and shape of each input, in their order.
    pub fn inputs(&self) -> &[Input] {
        &self.network().network().inputs
    }

    /// What each output means, in their order.
    pub fn outputs(&self) -> &[OutputTask] {
        &self.outputs
    }

    /// The axes of an output behind that of its classes or numbers: `[]` where there is one answer a row, `[height, width]`
    /// where there is one for each pixel.
    ///
    /// # Panics
    /// Where the model has fewer outputs.
    pub fn positions(&self, output: usize) -> &[usize] {
        let network = self.network();
        positions(network, network.outputs()[output], &self.outputs[output]).expect("the names were compared")
    }

    /// How a row of text becomes numbers, for a model trained on a table.
    #[cfg(feature = "table")]
    pub fn columns(&self) -> Option<&Schema> {
        self.columns.as_ref()
    }

    /// Which rows it learnt from, and which were held out; `None` where the file does not say.
    #[cfg(feature = "table")]
    pub fn split(&self) -> Option<&Split> {
        self.split.as_ref()
    }

    /// What the training images were made into, for a model trained on files of images: a picture to be answered is to be
    /// treated alike.
    #[cfg(feature = "images")]
    pub fn image_form(&self) -> Option<plexus_train::data::ImageForm> {
        serde_json::from_str(self.metadata.get(Model::IMAGES)?).ok()
    }

    /// Free text saved with the model.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }
}

/// The shape of the model in one line: its numbers are too many to read.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = self.network();
        let inputs: Vec<String> =
            network.network().inputs.iter().map(|input| input.shape.to_string()).take(4).collect();
        let outputs = self.outputs.iter().map(|output| format!("{}: {}", output.name, output.task)).take(4);
        let outputs: Vec<String> = outputs.map(|text| text.chars().take(40).collect()).collect();
        f.debug_struct("Model")
            .field("inputs", &inputs)
            .field("outputs", &outputs)
            .field("layers", &network.network().layers.len())
            .field("parameters", &network.layout().weights_len())
            .field("isa", &self.plan.context().isa())
            .field("threads", &self.plan.context().pool().threads())
            .finish_non_exhaustive()
    }
}

/// How models are planned unless it is said otherwise.
pub(crate) fn folding() -> PlanOptions {
    PlanOptions::default().with_fold(true)
}

/// Takes a description out of the metadata of a model file, where it is there.
fn described<T: serde::de::DeserializeOwned>(
    path: Option<&Path>,
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
        help: format!(
            "{}: the file is damaged.",
            path.map_or("the given bytes".into(), |path| path.display().to_string())
        ),
    })
}

/// Plain data as JSON text.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data has a JSON form")
}
