//! How a data source is read.

use clap::{Args as ClapArgs, ValueEnum};
use plexus_train::data::{DataOptions, Missing, MissingTarget, ReadAs, TaskKind};

/// Options that say how a table is written, for every command that reads one.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Tables")]
pub struct DataArgs {
    /// Whether the first row holds names [default: found out]
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    pub header: Option<bool>,
    /// The character between fields, or the word tab [default: found out among , ; and tab]
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    pub delimiter: Option<u8>,
    /// What to do about rows without a target
    #[arg(long, value_enum, default_value = "fail")]
    pub missing_target: MissingTargetArg,
    /// The column to predict, by name or number from 1; said again, one more of them [default: that of the model; in
    /// training the last]
    #[arg(long, value_name = "COLUMN")]
    pub target: Vec<String>,
    /// What kind of answer is wanted [default: that of the model; in training found out from each target]
    #[arg(long, value_enum)]
    pub task: Option<TaskArg>,
}

/// Options that say what a table means, for training; the model keeps them.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Tables")]
pub struct TableArgs {
    /// How it is written
    #[command(flatten)]
    pub written: DataArgs,
    /// Columns to leave out, by name or number
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub drop: Vec<String>,
    /// The only columns to predict from, by name or number
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', conflicts_with = "drop")]
    pub only: Vec<String>,
    /// What a column holds: number, category, date or text-ignored [default: found out]; may be said again for others
    #[arg(long = "as", value_name = "COLUMN=KIND", value_parser = read_as)]
    pub read_as: Vec<(String, ReadAs)>,
    /// Texts that fewer than so many training rows have share one feature
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub rare: usize,
    /// What to do about missing values: empty fields and the texts that pandas takes for missing (NA, null, ...)
    #[arg(long, value_enum, default_value = "impute")]
    pub missing: MissingArg,
    /// One more text that means a missing value; may be said again
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub na: Vec<String>,
    /// The share of rows held out for the final test [default: 0.2]
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["test_data", "folds"])]
    pub test_fraction: Option<f64>,
    /// The seed that chooses those rows
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub split_seed: u64,
    /// Test on the rows of this table, instead of a share
    #[arg(long, value_name = "FILE", conflicts_with = "folds")]
    pub test_data: Option<String>,
    /// Choose the best weights by the rows of this table, instead of a share
    #[arg(long, value_name = "FILE", conflicts_with = "validation")]
    pub validation_data: Option<String>,
    /// Cross-validation: train so many times, each time with another piece held out, and print mean and spread
    #[arg(long, value_name = "K", value_parser = folds, conflicts_with = "resume")]
    pub folds: Option<usize>,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("expected yes or no".to_string()),
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "tab" | "\\t" => return Ok(b'\t'),
        "comma" => return Ok(b','),
        "semicolon" => return Ok(b';'),
        "space" => return Ok(b' '),
        _ => {}
    }
    match text.as_bytes() {
        &[byte] if byte.is_ascii() => Ok(byte),
        _ => Err("the delimiter must be one ASCII character, as ';', or the word tab".to_string()),
    }
}

fn folds(text: &str) -> Result<usize, String> {
    let count = text.parse::<usize>().ok().filter(|count| (2..=100).contains(count));
    count.ok_or_else(|| "expected a whole number from 2 to 100".to_string())
}

/// `COLUMN=KIND`; the name may hold `=` itself.
fn read_as(text: &str) -> Result<(String, ReadAs), String> {
    let expected = "expected COLUMN=number, COLUMN=category, COLUMN=date or COLUMN=text-ignored";
    let (column, kind) = text.rsplit_once('=').ok_or(expected)?;
    let kind = match kind.trim() {
        "number" => ReadAs::Number,
        "category" => ReadAs::Category,
        "date" => ReadAs::Date,
        "text-ignored" => ReadAs::TextIgnored,
        _ => return Err(expected.to_string()),
    };
    Ok((column.trim().to_string(), kind))
}

/// Kind of answer.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TaskArg {
    /// One class of several
    Classification,
    /// A number
    Regression,
}

/// What to do about missing values.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MissingArg {
    /// Numbers become the mean of the training part, categories one of their own
    Impute,
    /// Stop with a message
    Reject,
}

/// What to do about rows without a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MissingTargetArg {
    /// Stop with a message
    Fail,
    /// Leave them out
    Drop,
}

impl DataArgs {
    /// As the library takes them.
    pub fn options(&self) -> DataOptions {
        DataOptions {
            header: self.header,
            delimiter: self.delimiter,
            missing_target: match self.missing_target {
                MissingTargetArg::Fail => MissingTarget::Fail,
                MissingTargetArg::Drop => MissingTarget::Drop,
            },
            target: self.target.clone(),
            task: self.task.map(|task| match task {
                TaskArg::Classification => TaskKind::Classification,
                TaskArg::Regression => TaskKind::Regression,
            }),
            ..DataOptions::default()
        }
    }
}

impl TableArgs {
    /// As the library takes them.
    pub fn options(&self) -> DataOptions {
        let usual = self.written.options();
        DataOptions {
            drop: self.drop.clone(),
            only: self.only.clone(),
            read_as: self.read_as.clone(),
            rare: self.rare,
            missing: match self.missing {
                MissingArg::Impute => Missing::Impute,
                MissingArg::Reject => Missing::Reject,
            },
            na: self.na.clone(),
            test_fraction: self.test_fraction.unwrap_or(usual.test_fraction),
            split_seed: self.split_seed,
            test_data: self.test_data.clone(),
            validation_data: self.validation_data.clone(),
            ..usual
        }
    }

    /// The first of these options that was given, as it is written: none of them means anything without a table.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            ("--header", self.written.header.is_some()),
            ("--delimiter", self.written.delimiter.is_some()),
            ("--missing-target", self.written.missing_target != MissingTargetArg::Fail),
            ("--target", !self.written.target.is_empty()),
            ("--task", self.written.task.is_some()),
            ("--drop", !self.drop.is_empty()),
            ("--only", !self.only.is_empty()),
            ("--as", !self.read_as.is_empty()),
            ("--rare", self.rare != 0),
            ("--na", !self.na.is_empty()),
            ("--test-fraction", self.test_fraction.is_some()),
            ("--test-data", self.test_data.is_some()),
            ("--validation-data", self.validation_data.is_some()),
            ("--folds", self.folds.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(option, _)| option)
    }
}
