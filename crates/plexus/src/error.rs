//! The one error type of the face.
//!
//! The text of an error does not repeat that of its [source](std::error::Error::source): who prints a whole chain, as
//! `{:#}` of `anyhow` does, reads each cause once.

use plexus_formats::FormatError;
use plexus_nn::{GraphError, ShapeError};
#[cfg(feature = "train")]
use plexus_train::{
    Remedy,
    check::Unfit,
    checkpoint::CheckpointError,
    data::{GatherError, TaskKind},
    evaluate::MeasureError,
    trainer::{NotFinite, StepError},
    twin::TwinError,
};
use std::fmt;
use std::path::PathBuf;

/// What can go wrong between a person and a model.
///
/// Its `Debug` is for people too, because that is what a program prints whose `main` returns it: the text, and that of each
/// cause behind a colon.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    #[non_exhaustive]
    Io {
        /// What was tried, e.g. `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A model file does not read.
    #[error("cannot open the model {}", path.as_ref().map_or("in the given bytes".into(), |path| path.display().to_string()))]
    #[non_exhaustive]
    Format {
        /// The file; `None` for bytes.
        path: Option<PathBuf>,
        /// Why.
        source: Box<FormatError>,
    },
    /// A network cannot be read from its text, or written; the message names file and line.
    #[error(transparent)]
    Network(Box<FormatError>),
    /// A checkpoint does not read.
    #[cfg(feature = "train")]
    #[error("cannot go on from {}", path.display())]
    #[non_exhaustive]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<CheckpointError>,
    },
    /// The data does not read.
    #[cfg(feature = "table")]
    #[error(transparent)]
    Data(Box<plexus_train::DataError>),
    /// Weights are not those of the network that was named.
    #[error("the weights are not those of {network}: {}", listed(differences))]
    #[non_exhaustive]
    Weights {
        /// The network.
        network: String,
        /// Each tensor that differs, in words.
        differences: Vec<String>,
    },
    /// Something does not fit something else.
    #[error(transparent)]
    Shape(Box<ShapeError>),
    /// A network cannot be written in another form.
    #[error(transparent)]
    Convert(Box<plexus_nn::convert::ConvertError>),
    /// The network beside the one that is trained cannot take its numbers.
    #[cfg(feature = "train")]
    #[error(transparent)]
    Twin(Box<TwinError>),
    /// The network is not made one of whole numbers.
    #[cfg(feature = "quant")]
    #[error(transparent)]
    Quant(Box<plexus_quant::QuantError>),
    /// The network is not made a program for a device.
    #[cfg(feature = "quant")]
    #[error(transparent)]
    Export(Box<plexus_quant::firmware::ExportError>),
    /// The calls that built a network contradict each other.
    #[error(transparent)]
    Graph(Box<GraphError>),
    /// A setting has a value that cannot be.
    #[cfg(feature = "train")]
    #[error("{name} is {got}, but must be {expected}{}", Remedy::ending(remedy.as_ref()))]
    #[non_exhaustive]
    Setting {
        /// The field of the settings or of what is in them, or the argument.
        name: &'static str,
        /// The value.
        got: String,
        /// What is possible.
        expected: String,
        /// What else may help.
        remedy: Option<Remedy>,
    },
    /// Model and data, or the parts of a model, do not belong together.
    #[error("{what}: the model has {model}, the data has {data}. {help}")]
    #[non_exhaustive]
    Mismatch {
        /// What was compared.
        what: &'static str,
        /// The model's side.
        model: String,
        /// The data's side.
        data: String,
        /// What to do.
        help: String,
    },
    /// Network, losses and data do not belong together.
    #[cfg(feature = "train")]
    #[error(transparent)]
    Unfit(Box<Unfit>),
    /// A row of the data cannot be had.
    #[cfg(feature = "train")]
    #[error(transparent)]
    Gather(Box<GatherError>),
    /// A model answers with classes and the data with numbers, or the other way round.
    #[cfg(feature = "train")]
    #[error("the kind of answer: the model has {}, the data has {}; {}", kind(*model), kind(*data), Remedy::Task(*model))]
    #[non_exhaustive]
    KindOfAnswer {
        /// What the model answers.
        model: TaskKind,
        /// What the data holds.
        data: TaskKind,
    },
    /// Classes were asked of an output that answers with numbers.
    #[error(
        "the output \"{output}\" answers with {answers}, not with one of several classes; predict gives its numbers"
    )]
    #[non_exhaustive]
    NoClasses {
        /// The output.
        output: String,
        /// What it answers with.
        answers: String,
    },
    /// One class a row was asked of an output that answers with one for each of several positions.
    #[error(
        "the output \"{output}\" answers with a class for each of {positions} positions, not with one for the whole row; \
         segment gives them"
    )]
    #[non_exhaustive]
    ManyClasses {
        /// The output.
        output: String,
        /// The axes behind that of the classes.
        positions: plexus_nn::Shape,
    },
    /// Rows of text were given to a model that was not trained on a table.
    #[error("the model was not trained on a table, so it has no names for columns; give it numbers")]
    NoColumns,
    /// A number in the input of a prediction is NaN or infinite.
    #[error(
        "row {row}, number {column} of the input{} is {value} (counted from 0): a prediction takes finite numbers only",
        input.as_ref().map_or(String::new(), |name| format!(" \"{name}\""))
    )]
    #[non_exhaustive]
    Input {
        /// The input, where there are several.
        input: Option<String>,
        /// The row in the batch, from 0.
        row: usize,
        /// The number in the row, from 0.
        column: usize,
        /// NaN or infinite.
        value: f32,
    },
    /// One of several rows has another length than the input of the model.
    #[error("row {row} (counted from 0) has {got} numbers, but the model reads {expected}")]
    #[non_exhaustive]
    Row {
        /// The row, from 0.
        row: usize,
        /// The numbers that the model reads.
        expected: usize,
        /// The numbers of the row.
        got: usize,
    },
    /// A run cannot be continued with these arguments.
    #[cfg(feature = "train")]
    #[error("{} cannot be resumed: {why}", place.display())]
    #[non_exhaustive]
    Resume {
        /// The run folder, or the checkpoint.
        place: PathBuf,
        /// Why.
        why: String,
    },
    /// Another process works in this run folder.
    #[cfg(feature = "train")]
    #[error("{} is in use by another process: wait for it, or {}", folder.display(), Remedy::OtherFolder)]
    #[non_exhaustive]
    Locked {
        /// The run folder.
        folder: PathBuf,
    },
    /// Training ran into NaN or an infinity.
    #[cfg(feature = "train")]
    #[error(transparent)]
    NotFinite(Box<NotFinite>),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// What an answer of this kind is made of.
#[cfg(feature = "train")]
fn kind(task: TaskKind) -> &'static str {
    match task {
        TaskKind::Classification => "classes",
        TaskKind::Regression => "numbers",
    }
}

/// The causes are boxed: they are large, rare, and every function here returns this type.
macro_rules! from {
    ($($cause:ty => $variant:ident),* $(,)?) => {
        $(impl From<$cause> for Error {
            fn from(cause: $cause) -> Self {
                Error::$variant(Box::new(cause))
            }
        })*
    };
}

#[cfg(feature = "quant")]
from! { plexus_quant::QuantError => Quant, plexus_quant::firmware::ExportError => Export }
from! { FormatError => Network, ShapeError => Shape, GraphError => Graph, plexus_nn::convert::ConvertError => Convert }
#[cfg(feature = "train")]
from! { Unfit => Unfit, GatherError => Gather, TwinError => Twin }
#[cfg(feature = "table")]
from! { plexus_train::DataError => Data }

#[cfg(feature = "train")]
impl From<MeasureError> for Error {
    fn from(error: MeasureError) -> Self {
        match error {
            MeasureError::Unfit(error) => error.into(),
            MeasureError::Gather(error) => error.into(),
            MeasureError::Twin(error) => error.into(),
        }
    }
}

#[cfg(feature = "train")]
impl From<StepError> for Error {
    fn from(error: StepError) -> Self {
        match error {
            StepError::NotFinite(error) => Error::NotFinite(error),
            StepError::Unfit(error) => error.into(),
            StepError::Gather(error) => error.into(),
            StepError::Twin(error) => error.into(),
        }
    }
}

#[cfg(feature = "train")]
impl Error {
    /// What may help, where that is something to ask for.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Setting { remedy, .. } => remedy.clone(),
            #[cfg(feature = "table")]
            Error::Data(error) => error.remedy(),
            Error::KindOfAnswer { model, .. } => Some(Remedy::Task(*model)),
            Error::Locked { .. } => Some(Remedy::OtherFolder),
            _ => None,
        }
    }
}

/// The first of some differences, and how many more there are.
fn listed(differences: &[String]) -> String {
    const SHOWN: usize = 12;
    let more = differences.len().saturating_sub(SHOWN);
    let shown = differences[..differences.len() - more].join("; ");
    if more > 0 { format!("{shown}; and {more} more") } else { shown }
}
