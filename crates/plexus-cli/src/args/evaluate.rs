//! `plexus evaluate`

use super::{DataArgs, NumberArgs, OpenArgs, thread_count};
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

/// `plexus evaluate`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus evaluate runs/digits-1
  plexus evaluate model.safetensors --data mnist:DIR --json
  plexus evaluate runs/houses-1                    the rows that training held out; the model knows which
  plexus evaluate model.safetensors --data new.csv --pictures report/
  plexus evaluate model.safetensors --data churn.csv --threshold 0.3 --importance")]
pub struct EvaluateArgs {
    /// The model file, or the run folder that it is in
    pub model: PathBuf,
    /// The data: a table (.csv, .tsv, .csv.gz), digits, mnist:DIR or idx:DIR [default: that of the training]
    #[arg(long, value_name = "DATA")]
    pub data: Option<String>,
    /// Which rows [default: those held out in training; of other tables all]
    #[arg(long, value_enum)]
    pub part: Option<Part>,
    /// Write pictures as SVG and PNG into this folder: confusion matrix, calibration and, for two classes, ROC and
    /// precision-recall curve; for numbers predictions and residuals
    #[arg(long, value_name = "DIR")]
    pub pictures: Option<PathBuf>,
    /// Paint the PNG on a dark page (an SVG is light or dark as its reader prefers)
    #[arg(long, requires = "pictures")]
    pub dark: bool,
    /// Two classes: answer the last one where its probability is at least this [default: the likelier one]
    #[arg(long, value_name = "T", value_parser = share)]
    pub threshold: Option<f64>,
    /// Tables: how much worse the model gets when a column is shuffled, five times each
    #[arg(long)]
    pub importance: bool,
    /// Options of the data source
    #[command(flatten)]
    pub source: DataArgs,
    /// How the model is opened
    #[command(flatten)]
    pub open: OpenArgs,
    /// The numbers of the computation
    #[command(flatten)]
    pub numbers: NumberArgs,
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

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_string())
}
