//! What was found in a table, column by column, and what was done about it.

use crate::Remedy;
use serde::{Serialize, Serializer};
use std::fmt;

/// A table as it was read: shown before training, so that a person can object.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TableReport {
    /// Rows of data in the file.
    pub rows: usize,
    /// Rows that were left out because they have no target.
    pub without_target: usize,
    /// All columns, in the order of the file.
    pub columns: Vec<ColumnReport>,
    /// What concerns no single column.
    pub hints: Vec<String>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnReport {
    /// Its name.
    pub name: String,
    /// What it is used for.
    pub role: Role,
    /// What it holds.
    pub kind: FoundKind,
    /// Fields that hold something.
    pub present: usize,
    /// Fields that are missing.
    pub missing: usize,
    /// What was done with it, in a few words; may be empty.
    pub done: String,
    /// What a person should look at.
    pub warnings: Vec<Warning>,
}

impl ColumnReport {
    pub(super) fn warn(&mut self, what: impl Into<String>, remedy: Option<Remedy>) {
        self.warnings.push(Warning { what: what.into(), remedy });
    }
}

/// What a person should look at, and what to do about it. As JSON it is its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What was found.
    pub what: String,
    /// What may help.
    pub remedy: Option<Remedy>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.what, Remedy::ending(self.remedy.as_ref()))
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a column is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The answer is predicted from it.
    Input,
    /// It is the answer.
    Target,
    /// Nothing.
    LeftOut,
}

/// What a column was found to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundKind {
    /// Numbers.
    Number,
    /// Texts that come again.
    Category {
        /// How many different ones.
        distinct: usize,
    },
    /// Days.
    Date,
    /// Texts that hardly come again.
    Text {
        /// How many different ones.
        distinct: usize,
    },
    /// Nothing at all.
    Empty,
}
