//! Data sets in memory, and the sources they come from.
//!
//! Start at [`Dataset`], or at `open` (with the feature `table`), which takes what a user writes (`digits`, `mnist:DIR`,
//! `csv:FILE`) and gives a `DataSource`; `SOURCES` is the table behind it. A [`Dataset`] keeps values as the file has them: pixels stay 0..=255, and the
//! model carries its own standardize layer. Shuffling and batching are not here: they belong to the trainer, which asks
//! for rows by their indices.

mod augment;
mod batch;
#[cfg(feature = "table")]
mod cells;
mod change;
#[cfg(feature = "table")]
mod csv;
mod dataset;
#[cfg(feature = "table")]
mod digits;
mod features;
#[cfg(feature = "table")]
mod file;
#[cfg(feature = "table")]
mod fit;
#[cfg(feature = "table")]
mod idx;
#[cfg(feature = "images")]
mod image;
#[cfg(feature = "table")]
mod leak;
mod loader;
mod moments;
#[cfg(feature = "table")]
mod open;
#[cfg(feature = "table")]
mod reason;
#[cfg(feature = "table")]
mod report;
#[cfg(feature = "table")]
mod scan;
#[cfg(feature = "table")]
mod schema;
mod source;
#[cfg(feature = "table")]
mod spelled;
#[cfg(feature = "table")]
mod table;
#[cfg(feature = "table")]
mod text;

pub use augment::{Augment, RowKey};
pub use batch::Batch;
pub(crate) use batch::Widths;
pub use change::Change;
#[cfg(feature = "table")]
pub use csv::{Parts, fingerprint, read_with_schema, split_rows};
pub use dataset::{Dataset, InputRows, Samples, Targets};
pub use features::Features;
#[cfg(feature = "images")]
pub use image::{ImageFit, ImageForm, ImageRows, Picture};
pub(crate) use loader::Handing;
pub use loader::Loader;
#[cfg(feature = "table")]
pub use open::{
    DataOptions, DataSource, Fold, MissingTarget, SOURCES, SourceKind, TableSource, is_table, open, path_of_table,
};
#[cfg(feature = "table")]
pub use reason::Reason;
#[cfg(feature = "table")]
pub use report::{ColumnReport, FoundKind, Role, TableReport, Warning};
#[cfg(feature = "table")]
pub use schema::{Column, ColumnKind, Ignored, Missing, Schema, TargetColumn};
pub use source::{GatherError, IntoSource, Rows, Source, TargetKind, TaskKind};
#[cfg(feature = "table")]
pub use table::{Table, TableOptions};
#[cfg(feature = "table")]
pub use text::MissingTokens;

use serde::{Deserialize, Serialize};

/// What a user says that a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadAs {
    /// Numbers, also written as `$1.40` or `1,234`.
    Number,
    /// Categories, also where they look like numbers.
    Category,
    /// Days.
    Date,
    /// Text that is left out.
    TextIgnored,
}
