//! `plexus predict`

use super::DataArgs;
use clap::Args as ClapArgs;
use std::path::PathBuf;

/// `plexus predict`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus predict model.safetensors digit.png
  plexus predict model.safetensors --data digits --row 7
  plexus predict model.safetensors new.csv --json
  plexus predict model.safetensors '[5.1, 3.5, 1.4, 0.2]'
  cat rows.csv | plexus predict model.safetensors -

Inputs:
  FILE.csv     rows of a table, as the model was trained on; a header is found by its names
  FILE.json    an array of numbers, an array of such rows, or objects with the names of columns
  FILE.png     an image, also .pgm and .ppm: turned to gray, 0..255 brought to the range of the model
  '[1, 2, 3]'  JSON on the command line
  -            CSV or JSON from standard input")]
pub struct PredictArgs {
    /// The model file
    pub model: PathBuf,
    /// What to answer: files, JSON text, or - for standard input
    pub inputs: Vec<String>,
    /// Take rows of a data source instead: digits, mnist:DIR, ... (test part)
    #[arg(long, value_name = "SOURCE", conflicts_with = "inputs")]
    pub data: Option<String>,
    /// Options of the data source
    #[command(flatten)]
    pub source: DataArgs,
    /// Which row of --data, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0, requires = "data")]
    pub row: usize,
    /// How many likeliest classes to show
    #[arg(long, value_name = "K", default_value_t = 3)]
    pub top: usize,
    /// Resize images to the model's input
    #[arg(long)]
    pub resize: bool,
    /// Exchange black and white of images
    #[arg(long)]
    pub invert: bool,
    /// Print one JSON object a row
    #[arg(long)]
    pub json: bool,
}
