//! Opening data by what a user writes for it.

#[cfg(feature = "images")]
use super::image::{self, ImageForm};
use super::{Dataset, Missing, MissingTokens, ReadAs, Schema, TableReport, TaskKind, cells, csv, digits, idx};
use crate::error::{DataError, nearest, shown};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// What opening a source gives: a part to learn from, a part to test on.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSource {
    /// Rows to learn from; shared with the thread that gathers them ahead.
    pub train: Arc<Dataset>,
    /// Rows held out; empty only where [`DataOptions::test_fraction`] is 0.
    pub test: Dataset,
    /// Rows to choose the best weights by, where a file of their own was named.
    pub validation: Option<Dataset>,
    /// How a table was read; other sources have none.
    pub table: Option<TableSource>,
    /// What images were made into; other sources have none.
    #[cfg(feature = "images")]
    pub images: Option<ImageForm>,
}

impl DataSource {
    /// A source whose parts are fixed, without columns.
    pub fn fixed(train: Dataset, test: Dataset) -> Self {
        DataSource {
            train: train.into(),
            test,
            validation: None,
            table: None,
            #[cfg(feature = "images")]
            images: None,
        }
    }

    /// How fields of text become numbers, where the source is a table.
    pub fn schema(&self) -> Option<&Schema> {
        self.table.as_ref().map(|table| &table.schema)
    }
}

/// How a table was read.
#[derive(Clone, Debug, PartialEq)]
pub struct TableSource {
    /// How its fields become numbers.
    pub schema: Schema,
    /// What was found in it; empty where the schema was given.
    pub report: TableReport,
    /// Tells the file from others (see [`fingerprint`](super::fingerprint)).
    pub fingerprint: u64,
}

/// How to read a source; what a source has no use for, it ignores.
///
/// # Examples
/// ```
/// use plexus_train::data::{DataOptions, TaskKind};
/// let options = DataOptions { target: vec!["price".into()], task: Some(TaskKind::Regression), ..DataOptions::default() };
/// assert_eq!(options.test_fraction, 0.2);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataOptions {
    /// CSV: whether the first row holds names; found out from the file where `None` (see [`Table::open`](super::Table::open)).
    pub header: Option<bool>,
    /// CSV: the byte between fields; found out among comma, semicolon and tab where `None`.
    pub delimiter: Option<u8>,
    /// CSV: the columns to predict, by name or by number from 1, in the order of the outputs; the last where there is none.
    pub target: Vec<String>,
    /// CSV: what kind of answer is wanted; found out from each target where `None` (see [`TaskKind`]).
    pub task: Option<TaskKind>,
    /// CSV: what to do about missing values.
    pub missing: Missing,
    /// CSV: what to do about rows without a target.
    pub missing_target: MissingTarget,
    /// CSV: texts that mean a missing value, besides the usual ones (see [`MissingTokens`]).
    pub na: Vec<String>,
    /// CSV: columns to leave out, by name or number.
    pub drop: Vec<String>,
    /// CSV: the only columns to predict from, by name or number; all where empty.
    pub only: Vec<String>,
    /// CSV: what columns hold, where that is not to be found out.
    pub read_as: Vec<(String, ReadAs)>,
    /// CSV: texts that fewer training rows than this have share one feature; 0 gives each its own.
    pub rare: usize,
    /// CSV, images and masks: the part of the rows kept for the test, in 0.0..1.0. Default 0.2, the common choice.
    pub test_fraction: f64,
    /// CSV, images and masks: the seed that chooses those rows. Default 0, so that the same file is always split alike.
    pub split_seed: u64,
    /// CSV, images and masks: the piece of a cross-validation that is held out, instead of a fraction.
    pub fold: Option<Fold>,
    /// CSV: a file of rows to test on, instead of a part of the data.
    pub test_data: Option<String>,
    /// CSV: a file of rows to choose the best weights by, instead of a share of the rows to learn from.
    pub validation_data: Option<String>,
    /// CSV: the most distinct texts one column, or the target, may have. Default 1000.
    pub max_categories: usize,
    /// CSV: encodes with this schema, that of a trained model, in place of one fitted to the file.
    #[serde(skip)]
    pub schema: Option<Schema>,
    /// Images: brings them to this form, that of a trained model, where the source does not say another.
    #[cfg(feature = "images")]
    #[serde(skip)]
    pub images: Option<ImageForm>,
    /// Images: bytes of pixels of all parts that are kept in memory; where there are more, images are decoded when they are
    /// asked for, ahead of training. Default 1 GiB. No number depends on it.
    #[cfg(feature = "images")]
    #[serde(skip)]
    pub image_bytes: usize,
}

impl DataOptions {
    /// The texts that mean a missing value.
    pub fn tokens(&self) -> MissingTokens {
        MissingTokens::default().and(self.na.iter().map(String::as_str))
    }
}

impl Default for DataOptions {
    fn default() -> Self {
        DataOptions {
            header: None,
            delimiter: None,
            target: Vec::new(),
            task: None,
            missing: Missing::Impute,
            missing_target: MissingTarget::Fail,
            na: Vec::new(),
            drop: Vec::new(),
            only: Vec::new(),
            read_as: Vec::new(),
            rare: 0,
            test_fraction: 0.2,
            split_seed: 0,
            fold: None,
            test_data: None,
            validation_data: None,
            max_categories: 1000,
            schema: None,
            #[cfg(feature = "images")]
            images: None,
            #[cfg(feature = "images")]
            image_bytes: 1 << 30,
        }
    }
}

/// What to do about rows without a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingTarget {
    /// Such a row is an error.
    #[default]
    Fail,
    /// Such rows are left out.
    Drop,
}

/// One piece of a cross-validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// Which piece is held out, from 0.
    pub index: usize,
    /// How many pieces there are.
    pub count: usize,
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

/// Sources without and with something behind their name, and those that are fine either way.
#[derive(Clone, Copy, Debug)]
enum Opener {
    Bare(fn() -> DataSource),
    Made(fn(Option<&str>) -> Result<DataSource, DataError>),
    At(fn(&Path, &DataOptions) -> Result<DataSource, DataError>),
}

/// The data sources there are; [`open`] reads this table.
pub const SOURCES: &[SourceKind] = &[
    SourceKind {
        prefix: "digits",
        form: "digits",
        reads: "built in: 1,797 handwritten digits of 8x8 pixels (UCI, CC BY 4.0)",
        example: "digits",
        open: Opener::Bare(digits::open),
    },
    SourceKind {
        prefix: "cells",
        form: "cells:HEIGHTxWIDTH",
        reads: "built in: noisy gray pictures of cells with a class for each pixel; cells:128x128?count=250&seed=0",
        example: "cells:128x128",
        open: Opener::Made(cells::open),
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
    #[cfg(feature = "images")]
    SourceKind {
        prefix: "images",
        form: "images:DIR",
        reads: "images, one folder a class (or train/ and test/ with those); images:DIR?size=64x64&channels=1&fit=crop",
        example: "images:data/flowers",
        open: Opener::At(image::open_folder),
    },
    #[cfg(feature = "images")]
    SourceKind {
        prefix: "masks",
        form: "masks:DIR",
        reads: "a class for each pixel: the folders images/ and masks/ with pairs of one name; the same options",
        example: "masks:data/roads",
        open: Opener::At(image::open_masks),
    },
    #[cfg(feature = "images")]
    SourceKind {
        prefix: "cifar10",
        form: "cifar10:DIR",
        reads: "CIFAR-10: a folder with the six files of its binary version",
        example: "cifar10:data/cifar-10-batches-bin",
        open: Opener::At(image::open_cifar),
    },
    SourceKind {
        prefix: "csv",
        form: "csv:FILE",
        reads: "a table of text (also .tsv, .csv.gz, or - for standard input): one row a sample, one column the target",
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
        // Options may follow a name at once: cells?count=100.
        None => spec.find('?').map_or((spec, None), |at| (&spec[..at], Some(&spec[at..]))),
    };
    let Some(kind) = SOURCES.iter().find(|kind| kind.prefix == prefix) else {
        if is_table(spec) {
            return csv::open(Path::new(spec), options);
        }
        return Err(unknown(spec, prefix, path));
    };
    match (kind.open, path) {
        (Opener::Bare(open), None) => Ok(open()),
        (Opener::Made(open), path) => open(path),
        (Opener::At(open), Some(path)) if !path.is_empty() => open(Path::new(path), options),
        _ => Err(DataError::SourceForm { spec: shown(spec), form: kind.form, example: kind.example }),
    }
}

/// Whether what was written for a source is a table: `csv:FILE`, or the file itself.
///
/// A bare path counts where it ends as tables do, or where a file is there; so do paths with a drive, such as
/// `C:\x.csv`.
pub fn is_table(spec: &str) -> bool {
    if let Some((prefix, _)) = spec.split_once(':')
        && SOURCES.iter().any(|kind| kind.prefix == prefix)
    {
        return prefix == "csv";
    }
    let lower = spec.to_lowercase();
    let ends = [".csv", ".tsv", ".tab", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz"].iter().any(|end| lower.ends_with(end));
    ends && spec.split_once(':').is_none_or(|(prefix, _)| prefix.len() == 1) || Path::new(spec).is_file()
}

/// The path in what was written for a table.
pub fn path_of_table(spec: &str) -> &str {
    spec.strip_prefix("csv:").unwrap_or(spec)
}

fn unknown(spec: &str, prefix: &str, path: Option<&str>) -> DataError {
    let suggestion = if Path::new(spec).is_dir() {
        Some(format!("idx:{spec}"))
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
        let known = SOURCES.iter().map(|kind| kind.form).collect::<Vec<_>>().join(", ");
        assert_eq!(
            message("digit"),
            format!(r#"unknown data source "digit" (did you mean "digits"?); known: {known}"#)
        );
        assert!(message("mnits:x").contains(r#"did you mean "mnist:x"?"#));
        assert!(message("CSV:a").contains(r#"did you mean "csv:a"?"#));
        // A bare path to a table needs no prefix.
        assert!(message("iris.csv").starts_with("cannot read iris.csv"));
        assert!(message("C:\\iris.csv").starts_with("cannot read C:"));
        assert!(message("planets:x").contains(r#"unknown data source "planets:x"; known: digits"#));
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
