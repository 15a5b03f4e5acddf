//! What was found in a table, column by column, and what was done about it.

use serde::Serialize;

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
    /// What a person should look at, each a sentence with what to do.
    pub warnings: Vec<String>,
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
