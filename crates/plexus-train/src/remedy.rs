//! What may help where something is refused or looks wrong.

use crate::data::{ReadAs, TaskKind};
use std::fmt;
use std::path::PathBuf;

/// What a caller can ask for instead, in this crate and in those above it.
///
/// Its text names no way to ask: a program says beside it how its users do that, as a flag or a button.
///
/// # Examples
/// ```
/// use plexus_train::{Remedy, data::TaskKind};
/// let remedy = Remedy::Task(TaskKind::Classification);
/// assert_eq!(remedy.to_string(), "if the target is a class, say that classification is wanted");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Leave a column out.
    Drop {
        /// Its name.
        column: String,
    },
    /// Use a column that is left out.
    Use {
        /// Its name.
        column: String,
        /// What it is then read as.
        read_as: ReadAs,
    },
    /// Use one of the columns that are left out.
    UseAny,
    /// Read a column of numbers as categories, whose texts stay as they are.
    KeepTexts {
        /// Its name.
        column: String,
    },
    /// Give rare texts of a column one feature, or leave the column out.
    FewerTexts {
        /// Its name.
        column: String,
    },
    /// Take a text for a missing value.
    MissingText {
        /// The text.
        text: String,
    },
    /// Leave rows without a target out.
    DropRows,
    /// Ask for this kind of answer.
    Task(TaskKind),
    /// Train without a layer that standardizes the inputs.
    NoStandardize,
    /// Go on with the run in this folder.
    Resume {
        /// The folder of the run.
        folder: PathBuf,
    },
    /// Use another run folder.
    OtherFolder,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Remedy::Drop { .. } => "it can be left out",
            Remedy::Use { read_as: ReadAs::Number, .. } => "read as a number it is used",
            Remedy::Use { read_as: ReadAs::Category, .. } => "read as a category it is used",
            Remedy::Use { read_as: ReadAs::Date, .. } => "read as a date it is used",
            Remedy::Use { read_as: ReadAs::TextIgnored, .. } => "it can be left out as text",
            Remedy::UseAny => "a column that is read as a number or a category is used",
            Remedy::KeepTexts { .. } => "read as a category it keeps its texts",
            Remedy::FewerTexts { .. } => "the rare ones can be put together, or the column left out",
            Remedy::MissingText { .. } => "if it means a missing value, name it among the texts that do",
            Remedy::DropRows => "such rows can be left out",
            Remedy::Task(TaskKind::Classification) => "if the target is a class, say that classification is wanted",
            Remedy::Task(TaskKind::Regression) => "if the target is a number, say that regression is wanted",
            Remedy::NoStandardize => "or train without the fitted one",
            Remedy::Resume { .. } => "or go on with the run that is there",
            Remedy::OtherFolder => "choose another folder",
        })
    }
}

impl Remedy {
    /// The end of a message: a semicolon and the remedy, or nothing where there is none.
    pub fn ending(remedy: Option<&Remedy>) -> String {
        remedy.map(|remedy| format!("; {remedy}")).unwrap_or_default()
    }
}
