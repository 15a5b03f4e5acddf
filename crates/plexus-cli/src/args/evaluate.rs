//! `plexus evaluate`

use super::{DataArgs, FloatPrecision, thread_count};
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

/// `plexus evaluate`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus evaluate runs/digits-1
  plexus evaluate model.safetensors --data mnist:DIR --json
  plexus evaluate model.safetensors --data new.csv --pictures report/
  plexus evaluate model.safetensors --data houses.csv --part test
                                                   the rows that training held out; the model knows which")]
pub struct EvaluateArgs {
    /// The model file, or the run folder that it is in
    pub model: PathBuf,
    /// The data: a table (.csv, .tsv, .csv.gz), digits, mnist:DIR or idx:DIR [default: that of the training]
    #[arg(long, value_name = "DATA")]
    pub data: Option<String>,
    /// Which rows [default: those held out in training; of other tables all]
    #[arg(long, value_enum)]
    pub part: Option<Part>,
    /// Write the confusion matrix (or the predictions) as SVG and PNG into this folder
    #[arg(long, value_name = "DIR")]
    pub pictures: Option<PathBuf>,
    /// Options of the data source
    #[command(flatten)]
    pub source: DataArgs,
    /// How exactly products with weights are computed
    #[arg(long, value_enum, value_name = "PRECISION", default_value_t = FloatPrecision::Highest)]
    pub precision: FloatPrecision,
    /// Threads [default: one for each processor]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = thread_count)]
    pub threads: usize,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// A part of a data source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The rows held out
    Test,
    /// The rows to learn from
    Train,
    /// All rows, training part first
    All,
}

impl From<Part> for plexus::Part {
    fn from(part: Part) -> plexus::Part {
        match part {
            Part::Test => plexus::Part::Test,
            Part::Train => plexus::Part::Train,
            Part::All => plexus::Part::All,
        }
    }
}
