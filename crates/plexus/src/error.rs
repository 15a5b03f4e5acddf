//! The one error type of the face.

use crate::files;
use plexus_formats::FormatError;
use plexus_nn::ShapeError;
use plexus_train::check::Unfit;
use plexus_train::checkpoint::CheckpointError;
use plexus_train::data::{GatherError, Task};
use plexus_train::evaluate::MeasureError;
use plexus_train::trainer::{NotFinite, StepError};
use plexus_train::{DataError, Remedy};
use std::path::PathBuf;

/// What can go wrong between a person and a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, e.g. `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A model or network file does not read.
    #[error("{}: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<FormatError>,
    },
    /// The text of a network does not read; the message names file and line.
    #[error(transparent)]
    Network(Box<FormatError>),
    /// A checkpoint does not read.
    #[error("{}: {source}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<CheckpointError>,
    },
    /// The data does not read.
    #[error(transparent)]
    Data(Box<DataError>),
    /// Something does not fit something else.
    #[error(transparent)]
    Shape(Box<ShapeError>),
    /// A setting has a value that cannot be.
    #[error("{name} is {got}, but must be {expected}{}", Remedy::ending(remedy.as_ref()))]
    Setting {
        /// The field of [`RunSpec`](crate::RunSpec) or of what is in it, or the argument.
        name: &'static str,
        /// The value.
        got: String,
        /// What is possible.
        expected: String,
        /// What else may help.
        remedy: Option<Remedy>,
    },
    /// Network and data do not belong together.
    #[error("{what}: the model has {model}, the data has {data}. {help}")]
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
    #[error(transparent)]
    Unfit(Box<Unfit>),
    /// A row of the data cannot be had.
    #[error(transparent)]
    Gather(Box<GatherError>),
    /// A model answers with classes and the data with numbers, or the other way round.
    #[error("the kind of answer: the model has {}, the data has {}; {}", kind(*model), kind(*data), Remedy::Task(*model))]
    KindOfAnswer {
        /// What the model answers.
        model: Task,
        /// What the data holds.
        data: Task,
    },
    /// A number in the input of a prediction is NaN or infinite.
    #[error(
        "row {row}, number {column} of the input{} is {value} (counted from 0): a prediction takes finite numbers only",
        input.as_ref().map_or(String::new(), |name| format!(" \"{name}\""))
    )]
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
    /// A run cannot be continued with these arguments.
    #[error("{} cannot be resumed: {why}", folder.display())]
    Resume {
        /// The run folder.
        folder: PathBuf,
        /// Why.
        why: String,
    },
    /// Another process works in this run folder.
    #[error("{} is in use by another process: wait for it, or {}", folder.display(), Remedy::OtherFolder)]
    Locked {
        /// The run folder.
        folder: PathBuf,
    },
    /// Training ran into a number that is none.
    #[error(transparent)]
    NotFinite(Box<NotFinite>),
}

/// What an answer of this kind is made of.
fn kind(task: Task) -> &'static str {
    match task {
        Task::Classification => "classes",
        Task::Regression => "numbers",
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

from! { FormatError => Network, DataError => Data, ShapeError => Shape, Unfit => Unfit, GatherError => Gather }

impl From<MeasureError> for Error {
    fn from(error: MeasureError) -> Self {
        match error {
            MeasureError::Unfit(error) => error.into(),
            MeasureError::Gather(error) => error.into(),
        }
    }
}

impl From<StepError> for Error {
    fn from(error: StepError) -> Self {
        match error {
            StepError::NotFinite(error) => Error::NotFinite(error),
            StepError::Unfit(error) => error.into(),
            StepError::Gather(error) => error.into(),
        }
    }
}

impl Error {
    /// What may help, where that is something to ask for.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Setting { remedy, .. } => remedy.clone(),
            Error::Data(error) => error.remedy(),
            Error::KindOfAnswer { model, .. } => Some(Remedy::Task(*model)),
            Error::Locked { .. } => Some(Remedy::OtherFolder),
            _ => None,
        }
    }

    /// The exit code of a program that ends with this error: 2 for input that cannot be used, 1 for what went wrong later.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::NotFinite(_) | Error::Locked { .. } => 1,
            Error::Io { action, .. } if *action == files::SAVE => 1,
            _ => 2,
        }
    }
}
