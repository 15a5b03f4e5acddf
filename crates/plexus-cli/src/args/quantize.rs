//! `plexus quantize`

use super::explain::PrintArgs;
use super::{DataArgs, thread_count};
use clap::{Args as ClapArgs, ValueEnum};
use plexus::quant::{Calibration, Options, Scheme};
use plexus_nn::integer::{Rounding, ShiftRounding};
use std::path::PathBuf;

/// `plexus quantize`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus quantize runs/digits-1                    8-bit weights and activations, a scale for each channel
  plexus quantize model.safetensors --data mnist:DIR --scheme int16x8
  plexus quantize model.safetensors --scheme q7 --equalize --picture cost.svg
  plexus quantize model.safetensors --scheme int8 --keep-within 0.1
                                                   layers that hurt get 16-bit activations
  plexus quantize model.safetensors --float conv1,fc3

The ranges of values come from rows of the training part of the data; both models are then measured on the part held out. The
new file is a model as any other: evaluate, predict, inspect and serve take it. docs/quantisation.md explains the schemes.")]
pub struct QuantizeArgs {
    /// The model file, or the run folder that it is in
    pub model: PathBuf,
    /// The data, as for evaluate: a table, digits, mnist:DIR, idx:DIR, images:DIR [default: that of the training]
    #[arg(long, value_name = "DATA")]
    pub data: Option<String>,
    /// The whole numbers to be used
    #[arg(long, value_enum, value_name = "SCHEME", default_value_t = SchemeArg::Int8PerChannel)]
    pub scheme: SchemeArg,
    /// The model to write [default: beside MODEL, with the scheme in its name]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How many rows tell the ranges of values
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = rows)]
    pub rows: usize,
    /// How ranges are found
    #[arg(long, value_enum, value_name = "HOW", default_value_t = CalibrationArg::MinMax)]
    pub calibration: CalibrationArg,
    /// The percentage of the numbers that is kept, with --calibration percentile [default: 99.99]
    #[arg(long, value_name = "PERCENT")]
    pub percent: Option<f32>,
    /// How products are rounded; programs differ here by one in few outputs [default: double, as TensorFlow Lite Micro and CMSIS-NN]
    #[arg(long, value_enum, value_name = "HOW")]
    pub rounding: Option<RoundingArg>,
    /// q7, q15, q7q15: drop the bits that a shift drops, instead of rounding
    #[arg(long)]
    pub floor: bool,
    /// q7, q15, q7q15: exported weights are interleaved, as for the _opt functions of CMSIS
    #[arg(long)]
    pub interleaved: bool,
    /// q7, q15, q7q15: sums that are too large wrap at 32 bits, as those of CMSIS; otherwise such layers get 64 bits
    #[arg(long)]
    pub cmsis: bool,
    /// Bring the weights of layers that stand behind each other to like sizes first: for one scale a tensor
    #[arg(long)]
    pub equalize: bool,
    /// Leave the biases as they are. Otherwise they take up what rounded weights do to the means
    #[arg(long)]
    pub no_bias_correction: bool,
    /// Layers that get 16-bit activations (plexus summary lists the names)
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub wide: Vec<String>,
    /// Layers that stay float
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub float: Vec<String>,
    /// Give layers that hurt 16-bit activations, until at most so many points of accuracy (or percent of the error of numbers) are lost
    #[arg(long, value_name = "POINTS", value_parser = points)]
    pub keep_within: Option<f64>,
    /// Draw what each layer costs as SVG, or as PNG, by the ending
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
    /// Paint a PNG on a dark page (an SVG is light or dark as its reader prefers)
    #[arg(long, requires = "picture")]
    pub dark: bool,
    /// Options of the data source
    #[command(flatten)]
    pub source: DataArgs,
    /// Threads [default: one for each processor]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = thread_count)]
    pub threads: usize,
    /// How numbers are printed
    #[command(flatten)]
    pub print: PrintArgs,
}

/// Whole numbers for weights and activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemeArg {
    /// 8-bit weights and activations, a scale for each weight tensor
    Int8,
    /// The same with a scale for each output channel: the usual choice
    Int8PerChannel,
    /// 8-bit weights, 16-bit activations
    Int16x8,
    /// 16-bit weights and activations
    Int16,
    /// 8-bit weights and activations, scales are powers of two (CMSIS q7)
    Q7,
    /// 16-bit weights and activations, powers of two (CMSIS q15)
    Q15,
    /// 8-bit weights, 16-bit activations, powers of two
    #[value(name = "q7q15")]
    Q7Q15,
    /// 4-bit weights, 8-bit activations
    Int4,
}

/// How the ranges of values are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CalibrationArg {
    /// From the smallest to the largest number that came
    MinMax,
    /// A share of the numbers, the rest is cut off
    Percentile,
    /// The range that keeps most of the distribution (Kullback-Leibler)
    Entropy,
}

/// How products are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoundingArg {
    /// Twice: TensorFlow Lite Micro, CMSIS-NN
    Double,
    /// Once: builds with TFLITE_SINGLE_ROUNDING
    Single,
    /// In 64-bit floats: LiteRT's reference of fully connected layers
    Float64,
    /// In 32-bit floats, halves to even: XNNPACK
    #[value(name = "float32-even")]
    Float32Even,
}

impl From<RoundingArg> for Rounding {
    fn from(rounding: RoundingArg) -> Rounding {
        match rounding {
            RoundingArg::Double => Rounding::Double,
            RoundingArg::Single => Rounding::Single,
            RoundingArg::Float64 => Rounding::Float64,
            RoundingArg::Float32Even => Rounding::Float32Even,
        }
    }
}

impl From<SchemeArg> for Scheme {
    fn from(scheme: SchemeArg) -> Scheme {
        match scheme {
            SchemeArg::Int8 => Scheme::Int8,
            SchemeArg::Int8PerChannel => Scheme::Int8PerChannel,
            SchemeArg::Int16x8 => Scheme::Int16x8,
            SchemeArg::Int16 => Scheme::Int16,
            SchemeArg::Q7 => Scheme::Q7,
            SchemeArg::Q15 => Scheme::Q15,
            SchemeArg::Q7Q15 => Scheme::Q7Q15,
            SchemeArg::Int4 => Scheme::Int4,
        }
    }
}

impl QuantizeArgs {
    /// How the network is made into one of whole numbers.
    pub fn options(&self) -> Options {
        let mut options = Options::new(self.scheme.into());
        options.calibration = match self.calibration {
            CalibrationArg::MinMax => Calibration::MinMax,
            CalibrationArg::Percentile => Calibration::Percentile(self.percent.unwrap_or(Calibration::PERCENT)),
            CalibrationArg::Entropy => Calibration::Entropy,
        };
        options.rounding = self.rounding.map_or_else(Default::default, Into::into);
        options.shift_rounding = if self.floor { ShiftRounding::Floor } else { ShiftRounding::HalfUp };
        options.interleaved = self.interleaved;
        options.wrap = self.cmsis;
        options.equalize = self.equalize;
        options.correct_bias = !self.no_bias_correction;
        options.wide.clone_from(&self.wide);
        options.float.clone_from(&self.float);
        options
    }
}

fn rows(text: &str) -> Result<usize, String> {
    let count = text.parse::<usize>().ok().filter(|count| (1..=1_000_000).contains(count));
    count.ok_or_else(|| "expected a whole number from 1 to 1000000".to_string())
}

fn points(text: &str) -> Result<f64, String> {
    let points = text.parse::<f64>().ok().filter(|points| (0.0..=100.0).contains(points));
    points.ok_or_else(|| "expected a number from 0 to 100, as 0.1".to_string())
}
