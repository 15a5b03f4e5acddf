//! `plexus predict`

use super::{DataArgs, NumberArgs, OpenArgs, thread_count};
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

/// `plexus predict`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus predict runs/digits-1 digit.png
  plexus predict runs/digits-1 --data digits --row 7
  plexus predict runs/houses-1 new.csv --out answers.csv
                                                   the columns of new.csv, and behind them the answers
  plexus predict runs/flowers-1 new.csv --format csv --probabilities | head
  plexus predict runs/flowers-1 '[5.1, 3.5, 1.4, 0.2]' --json
  cat rows.csv | plexus predict runs/flowers-1

Inputs:
  FILE.csv     rows of a table, as the model was trained on; a header is found by its names. Also .tsv and .csv.gz
  FILE.json    an array of numbers, an array of such rows, or objects with the names of columns
  FILE.png     an image, also .jpg, .pgm, .ppm, .bmp and .webp: made gray or color, and of the size of the training images
  '[1, 2, 3]'  JSON on the command line
  -            CSV or JSON from standard input; also where no input is named and something is piped in

A class for each pixel:
  --out mask.png   the mask of an image of any size: 0 and 255, of more than two classes their numbers. A folder that is
                   there takes a mask for each of several images
  --overlay o.png  the image under the colors of its classes

A class for each window of a larger image, by a classifier whose layers all slide:
  --map            also where images are larger than the model's, and nothing says how they become its size
  --out map.png    a pixel for each window, of the number of its class; --overlay and --json as well

Answers as CSV:
  of classes   the columns prediction and probability; with --probabilities one more for each class
  of numbers   a column NAME_predicted for each number
  Where the input has a column of this name, the answer's ends in _2.")]
pub struct PredictArgs {
    /// The model file, or the run folder that it is in
    pub model: PathBuf,
    /// What to answer: files, JSON text, or - for standard input
    pub inputs: Vec<String>,
    /// Take a row of a data source instead: digits, mnist:DIR, ... (test part)
    #[arg(long, value_name = "SOURCE", conflicts_with = "inputs")]
    pub data: Option<String>,
    /// Which row of --data, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0, requires = "data")]
    pub row: usize,
    /// Write the answers to this file, all of them or none: CSV, JSON where its name ends in .json or .jsonl, a mask in .png
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the image under the colors of its classes to this file, for models that give a class for each pixel or window
    #[arg(long, value_name = "FILE.png")]
    pub overlay: Option<PathBuf>,
    /// How answers are written [default: text; with --out by the name of the file]
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "json")]
    pub format: Option<Format>,
    /// Print one JSON object a row, as --format json
    #[arg(long)]
    pub json: bool,
    /// How many likeliest classes to show, as text and in JSON
    #[arg(long, value_name = "K", default_value_t = 3)]
    pub top: usize,
    /// The probability of every class, not of the likeliest alone
    #[arg(long)]
    pub probabilities: bool,
    /// For two classes: the answer is the class that stands last (see summary) where its probability is at least T
    /// [default: the likelier class]
    #[arg(long, value_name = "T", value_parser = share)]
    pub threshold: Option<f32>,
    /// A class for each window of an image, by a classifier whose layers all slide (plexus convert --fc-to-conv kernel makes one)
    #[arg(long)]
    pub map: bool,
    /// Resize images to the model's input
    #[arg(long)]
    pub resize: bool,
    /// Exchange black and white of images
    #[arg(long)]
    pub invert: bool,
    /// Print the answers and nothing else
    #[arg(short, long)]
    pub quiet: bool,
    /// Threads; the answers are the same for any number [default: one for each processor]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = thread_count)]
    pub threads: usize,
    /// The numbers of the computation
    #[command(flatten)]
    pub numbers: NumberArgs,
    /// How the model is opened
    #[command(flatten)]
    pub open: OpenArgs,
    /// Options of the data source
    #[command(flatten)]
    pub source: DataArgs,
}

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line for people
    Text,
    /// A JSON object a line
    Json,
    /// The columns of the input, and behind them the answer
    Csv,
}

impl PredictArgs {
    /// How answers are written, whichever way it was said.
    pub fn format(&self) -> Format {
        let by_name = |path: &PathBuf| {
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
            if ["json", "jsonl", "ndjson"].contains(&ending.as_str()) { Format::Json } else { Format::Csv }
        };
        match (self.format, self.json) {
            (Some(format), _) => format,
            (None, true) => Format::Json,
            (None, false) => self.out.as_ref().map_or(Format::Text, by_name),
        }
    }
}

fn share(text: &str) -> Result<f32, String> {
    let share = text.parse::<f32>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_string())
}
