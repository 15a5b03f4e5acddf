//! How a data source is read.

use clap::{Args as ClapArgs, ValueEnum};
use plexus_train::data::{DataOptions, Missing, Task};

/// Options that describe a data source.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// CSV: the column to predict, by name or number from 1 [default: the last]
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,
    /// CSV: what kind of answer is wanted [default: found out from the target]
    #[arg(long, value_enum)]
    pub task: Option<TaskArg>,
    /// CSV: whether the first row holds names [default: found out]
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    pub header: Option<bool>,
    /// CSV: the character between fields [default: found out among , ; and tab]
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<char>,
    /// CSV: what to do about missing values (empty, NA, NaN, null, ?)
    #[arg(long, value_enum, default_value = "impute")]
    pub missing: MissingArg,
    /// CSV: the share of rows held out for the final test
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    pub test_fraction: f64,
    /// CSV: the seed that chooses those rows
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub split_seed: u64,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("expected yes or no".to_string()),
    }
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

impl DataArgs {
    /// As the library takes them.
    pub fn options(&self) -> Result<DataOptions, crate::Failure> {
        let delimiter = self.delimiter.map(|character| {
            u8::try_from(character).map_err(|_| {
                crate::Failure::Input(format!("--delimiter is '{character}', but must be one plain character, as ';'"))
            })
        });
        Ok(DataOptions {
            header: self.header,
            delimiter: delimiter.transpose()?,
            target: self.target.clone(),
            task: self.task.map(|task| match task {
                TaskArg::Classification => Task::Classification,
                TaskArg::Regression => Task::Regression,
            }),
            missing: match self.missing {
                MissingArg::Impute => Missing::Impute,
                MissingArg::Reject => Missing::Reject,
            },
            test_fraction: self.test_fraction,
            split_seed: self.split_seed,
            ..DataOptions::default()
        })
    }
}
