//! Data sets in memory, and the sources they come from.
//!
//! Start at [`open`], which takes what a user writes (`digits`, `mnist:DIR`, `csv:FILE`) and gives a [`DataSource`];
//! [`SOURCES`] is the table behind it. A [`Dataset`] keeps values as the file has them: pixels stay 0..=255, and the
//! model carries its own standardise layer. Shuffling and batching are not here: they belong to the trainer, which asks
//! for rows by their indices.

mod csv;
mod dataset;
mod digits;
mod fit;
mod idx;
mod schema;
mod table;

pub use csv::read_with_schema;
pub use dataset::{Dataset, Samples, Targets};
pub use schema::{Column, ColumnKind, Missing, Schema, Task, is_missing};
pub use table::{Table, TableOptions};

use crate::error::{DataError, nearest, shown};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What opening a source gives: a part to learn from, a part to test on.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSource {
    /// Rows to learn from.
    pub train: Dataset,
    /// Rows held out; empty only where [`DataOptions::test_fraction`] is 0.
    pub test: Dataset,
    /// How fields of text become numbers; only CSV has it.
    pub columns: Option<Schema>,
}

/// How to read a source; what a source has no use for, it ignores.
///
/// # Examples
/// ```
/// use plexus_train::data::{DataOptions, Task};
/// let options = DataOptions { target: Some("price".into()), task: Some(Task::Regression), ..DataOptions::default() };
/// assert_eq!(options.test_fraction, 0.2);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataOptions {
    /// CSV: whether the first row holds names; found out from the file where `None` (see [`Table::open`]).
    pub header: Option<bool>,
    /// CSV: the byte between fields; found out among comma, semicolon and tab where `None`.
    pub delimiter: Option<u8>,
    /// CSV: the column to predict, by name or by number from 1; the last where `None`.
    pub target: Option<String>,
    /// CSV: what kind of answer is wanted; found out from the target where `None` (see [`Task`]).
    pub task: Option<Task>,
    /// CSV: what to do about missing values.
    pub missing: Missing,
    /// CSV: the part of the rows kept for the test, in 0.0..1.0. Default 0.2, the common choice.
    pub test_fraction: f64,
    /// CSV: the seed that chooses those rows. Default 0, so that the same file is always split alike.
    pub split_seed: u64,
    /// CSV: the most distinct texts one column, or the target, may have. Default 1000.
    pub max_categories: usize,
    /// CSV: encodes with this schema, that of a trained model, in place of one fitted to the file.
    #[serde(skip)]
    pub schema: Option<Schema>,
}

impl Default for DataOptions {
    fn default() -> Self {
        DataOptions {
            header: None,
            delimiter: None,
            target: None,
            task: None,
            missing: Missing::Impute,
            test_fraction: 0.2,
            split_seed: 0,
            max_categories: 1000,
            schema: None,
        }
    }
}

/// One row of the table of data sources.
#[derive(Clone, Copy, Debug)]
pub struct SourceKind {
    /// The part before the colon, which chooses this row.
    pub prefix: &'static str,
    /// How it is written.
    pub form: &'static str,
    /// What it reads, in one line.
    pub reads: &'static str,
    /// An example.
    pub example: &'static str,
    open: Opener,
}

/// Sources with and without a path.
#[derive(Clone, Copy, Debug)]
enum Opener {
    Bare(fn() -> DataSource),
    At(fn(&Path, &DataOptions) -> Result<DataSource, DataError>),
}

/// The data sources there are; `--help` and [`open`] both read this table.
pub const SOURCES: &[SourceKind] = &[
    SourceKind {
        prefix: "digits",
        form: "digits",
        reads: "built in: 1,797 handwritten digits of 8x8 pixels (UCI, CC BY 4.0)",
        example: "digits",
        open: Opener::Bare(digits::open),
    },
    SourceKind {
        prefix: "mnist",
        form: "mnist:DIR",
        reads: "MNIST: a folder with the usual four IDX files, plain or gzip",
        example: "mnist:data/mnist",
        open: Opener::At(|folder, _| idx::open(folder, "mnist", 10)),
    },
    SourceKind {
        prefix: "idx",
        form: "idx:DIR",
        reads: "a folder of four IDX files named as MNIST's (Fashion-MNIST, KMNIST, your own)",
        example: "idx:data/fashion",
        open: Opener::At(|folder, _| idx::open(folder, "idx", 1)),
    },
    SourceKind {
        prefix: "csv",
        form: "csv:FILE",
        reads: "a table of text: one row a sample, one column the target",
        example: "csv:iris.csv",
        open: Opener::At(csv::open),
    },
];

/// Opens a data source by what a user writes for it.
///
/// # Errors
/// - [`DataError::UnknownSource`]: no source of that name; lists those there are
/// - [`DataError::SourceForm`]: a path is missing, or given where none belongs
/// - what the reader of the source says: any other variant
///
/// # Examples
/// ```
/// use plexus_train::data::{DataOptions, open};
/// let source = open("digits", &DataOptions::default())?;
/// assert_eq!((source.train.len(), source.test.len()), (1438, 359));
/// # Ok::<(), plexus_train::DataError>(())
/// ```
pub fn open(spec: &str, options: &DataOptions) -> Result<DataSource, DataError> {
    let (prefix, path) = match spec.split_once(':') {
        Some((prefix, path)) => (prefix, Some(path)),
        None => (spec, None),
    };
    let Some(kind) = SOURCES.iter().find(|kind| kind.prefix == prefix) else {
        return Err(unknown(spec, prefix, path));
    };
    match (kind.open, path) {
        (Opener::Bare(open), None) => Ok(open()),
        (Opener::At(open), Some(path)) if !path.is_empty() => open(Path::new(path), options),
        _ => Err(DataError::SourceForm { spec: shown(spec), form: kind.form, example: kind.example }),
    }
}

fn unknown(spec: &str, prefix: &str, path: Option<&str>) -> DataError {
    // A bare path is the likeliest mistake (also `C:\x.csv`, where the drive looks like a prefix), then a slip of the pen.
    let lower = spec.to_lowercase();
    let suggestion = if [".csv", ".tsv", ".txt"].iter().any(|ending| lower.ends_with(ending))
        && path.is_none_or(|_| prefix.len() == 1)
    {
        Some(format!("csv:{spec}"))
    } else if Path::new(spec).is_dir() {
        Some(format!("idx:{spec}"))
    } else if Path::new(spec).is_file() {
        Some(format!("csv:{spec}"))
    } else {
        nearest(prefix, SOURCES.iter().map(|kind| kind.prefix)).map(|name| match path {
            Some(path) => format!("{name}:{path}"),
            None => name,
        })
    };
    let known = SOURCES.iter().map(|kind| kind.form).collect::<Vec<_>>().join(", ");
    DataError::UnknownSource { spec: shown(spec), suggestion, known }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(spec: &str) -> String {
        open(spec, &DataOptions::default()).expect_err("is refused").to_string()
    }

    #[test]
    fn unknown_sources_are_refused_with_the_list_and_a_suggestion() {
        assert_eq!(
            message("digit"),
            r#"unknown data source "digit" (did you mean "digits"?); known: digits, mnist:DIR, idx:DIR, csv:FILE"#
        );
        assert!(message("mnits:x").contains(r#"did you mean "mnist:x"?"#));
        assert!(message("CSV:a").contains(r#"did you mean "csv:a"?"#));
        assert!(message("iris.csv").contains(r#"did you mean "csv:iris.csv"?"#));
        assert!(message("C:\\iris.csv").contains("did you mean \"csv:C:"));
        assert!(message("cifar:x").contains(r#"unknown data source "cifar:x"; known: digits"#));
        assert!(message("").contains(r#"unknown data source """#));
        assert!(message(&"é".repeat(100_000)).len() < 300);
    }

    #[test]
    fn a_folder_without_a_prefix_is_suggested_as_idx() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().to_str().expect("UTF-8");
        assert!(message(path).contains(&format!("did you mean \"idx:{path}\"?")));
    }

    #[test]
    fn a_path_where_none_belongs_or_none_where_one_does_is_refused() {
        assert!(message("digits:x").contains("should be written digits"));
        assert!(message("mnist").contains("should be written mnist:DIR, for example mnist:data/mnist"));
        assert!(message("csv:").contains("should be written csv:FILE"));
    }

    #[test]
    fn every_row_of_the_table_starts_its_form_and_example_with_its_prefix() {
        for kind in SOURCES {
            assert!(kind.form.starts_with(kind.prefix) && kind.example.starts_with(kind.prefix), "{}", kind.prefix);
        }
    }
}
