//! The commands and their options.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use plexus_kernels::gemm::Precision;
use plexus_train::data::{DataOptions, Missing, Task};
use std::path::PathBuf;

/// Fully connected networks, end to end: train, look inside, run.
#[derive(Debug, Parser)]
#[command(name = "plexus", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  plexus train                                    learn the built-in digits, with pictures and a model file
  plexus train --data mnist:DIR --network mlp:512,256
  plexus predict MODEL digit.png                  what is this?
  plexus summary mlp:512,256                      layers, parameters, multiply-adds

Every command explains itself: plexus COMMAND --help";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a network on data; writes a run folder with the model, pictures and everything to repeat it
    Train(Box<TrainArgs>),
    /// Measure a model on data: loss, accuracy, precision and recall per class; or RMSE, MAE, R2
    Evaluate(EvaluateArgs),
    /// Let a model answer: rows from CSV, JSON, images or a data source
    Predict(PredictArgs),
    /// List the layers of a model or network: shapes, parameters with and without bias, multiply-adds, bytes
    Summary(SummaryArgs),
    /// Run one input step by step and print every multiply, add and activation with operands and results
    Trace(TraceArgs),
    /// List the compute kernels: which this machine can run, and which it uses
    Kernels(KernelsArgs),
    /// Measure: what this machine can do, how near each kernel comes, and single tasks against other engines
    Bench(BenchArgs),
}

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

/// More threads than any machine of today has processors only cost memory and time.
const MOST_THREADS: usize = 1024;

fn thread_count(text: &str) -> Result<usize, String> {
    let count = text.parse::<usize>().ok().filter(|count| *count <= MOST_THREADS);
    count.ok_or_else(|| format!("expected a whole number, at most {MOST_THREADS}"))
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

/// `plexus train`
#[derive(Debug, ClapArgs)]
#[command(after_help = TRAIN_EXAMPLES)]
pub struct TrainArgs {
    /// The data: digits (built in), mnist:DIR, idx:DIR or csv:FILE
    #[arg(long, value_name = "SOURCE", default_value = "digits")]
    pub data: String,
    /// The network: mlp, mlp:512,256, mlp:64?activation=tanh, or a TOML file
    #[arg(long, value_name = "SPEC", default_value = "mlp:128")]
    pub network: String,
    /// The run folder [default: runs/NAME-N, the next free number]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with a run, exactly as if it had never stopped; without DIR the newest one in runs/
    #[arg(long, value_name = "DIR", num_args = 0..=1, conflicts_with_all = FIXED_AT_START)]
    #[expect(clippy::option_option, reason = "absent, present, present with a folder")]
    pub resume: Option<Option<PathBuf>>,
    /// Options of the data source
    #[command(flatten)]
    pub source: DataArgs,
    /// Options of the training
    #[command(flatten)]
    pub learning: LearningArgs,
    /// Threads [default: one for each processor]; the result has the same bits for any number
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = thread_count)]
    pub threads: usize,
    /// Save a checkpoint after every so many steps [default: every few seconds]
    #[arg(long, value_name = "STEPS", default_value_t = 0, hide_default_value = true)]
    pub checkpoint_every: u64,
    /// Print one JSON object a line; the last has test_accuracy and model
    #[arg(long)]
    pub json: bool,
}

/// What a run keeps from its start; with `--resume` it would be ignored, so it is refused. Network and data may be said
/// again where they are the same.
const FIXED_AT_START: [&str; 26] = [
    "target",
    "task",
    "header",
    "delimiter",
    "missing",
    "test_fraction",
    "split_seed",
    "batch",
    "accumulate",
    "optimizer",
    "lr",
    "momentum",
    "nesterov",
    "weight_decay",
    "decoupled",
    "schedule",
    "warmup",
    "loss",
    "label_smoothing",
    "class_weights",
    "precision",
    "clip_norm",
    "patience",
    "validation",
    "no_standardise",
    "seed",
];

const TRAIN_EXAMPLES: &str = "\
Examples:
  plexus train
  plexus train --data mnist:DIR --network mlp:512,256 --epochs 15
  plexus train --data csv:houses.csv --target price --network mlp:64,64
  plexus train --data csv:iris.csv --network net.toml --optimizer sgd --lr 0.1 --schedule one_cycle
  plexus train --resume                            go on where the newest run stopped

Data sources:
  digits       built in: 1,797 handwritten digits of 8x8 pixels (UCI, CC BY 4.0)
  mnist:DIR    a folder with the four MNIST files, plain or gzip
  idx:DIR      the same with other classes (Fashion-MNIST, ...)
  csv:FILE     a table; text columns become categories

A network file:
  input = [64]                  # optional; images of 8x8 are flattened to it

  [[layer]]
  kind = \"linear\"
  out_features = 128
  activation = \"relu\"

  [[layer]]
  kind = \"linear\"
  out_features = 10";

/// How a network learns.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Training")]
pub struct LearningArgs {
    /// Passes over the data [default: 30]
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,
    /// Rows of one step
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub batch: usize,
    /// Batches whose gradients are added up for one step
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub accumulate: usize,
    /// sgd, adam, adamw or rmsprop
    #[arg(long, value_name = "NAME", default_value = "adam")]
    pub optimizer: String,
    /// Learning rate [default: 0.05 for sgd, 0.003 for adam and adamw, 0.001 for rmsprop]
    #[arg(long, value_name = "RATE")]
    pub lr: Option<f64>,
    /// Momentum of sgd and rmsprop [default: 0.9 for sgd, 0 for rmsprop]
    #[arg(long, value_name = "SHARE")]
    pub momentum: Option<f64>,
    /// Nesterov's momentum, for sgd
    #[arg(long)]
    pub nesterov: bool,
    /// Weight decay [default: 0.01 for adamw, 0 for the others]
    #[arg(long, value_name = "X")]
    pub weight_decay: Option<f64>,
    /// Apply weight decay to the weights directly instead of through the gradient (always so for adamw)
    #[arg(long)]
    pub decoupled: bool,
    /// constant, step, cosine, one_cycle or reduce_on_plateau
    #[arg(long, value_name = "NAME", default_value = "cosine")]
    pub schedule: String,
    /// Steps over which the learning rate climbs from zero
    #[arg(long, value_name = "STEPS", default_value_t = 0)]
    pub warmup: u64,
    /// cross_entropy, mean_squared_error, mean_absolute_error, huber or binary_cross_entropy
    /// [default: cross_entropy for classes, mean_squared_error for numbers]
    #[arg(long, value_name = "NAME")]
    pub loss: Option<String>,
    /// The share of a target that is spread over all classes [default: 0.05 for cross_entropy]
    #[arg(long, value_name = "SHARE")]
    pub label_smoothing: Option<f32>,
    /// Weights of the classes: "balanced", or numbers with commas between them
    #[arg(long, value_name = "WEIGHTS")]
    pub class_weights: Option<String>,
    /// How exactly products with weights are computed
    #[arg(long, value_enum, value_name = "PRECISION", default_value_t = FloatPrecision::Highest)]
    pub precision: FloatPrecision,
    /// The largest norm of the gradient; larger ones are scaled down
    #[arg(long, value_name = "NORM")]
    pub clip_norm: Option<f64>,
    /// Stop after so many epochs without a better validation result
    #[arg(long, value_name = "EPOCHS")]
    pub patience: Option<u64>,
    /// The share of the training rows kept out to choose the best epoch
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub validation: f64,
    /// Feed raw values, without a standardise layer in front
    #[arg(long)]
    pub no_standardise: bool,
    /// The seed of everything random
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub seed: u64,
}

/// `plexus evaluate`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus evaluate runs/digits-1/model.safetensors
  plexus evaluate model.safetensors --data mnist:DIR --json
  plexus evaluate model.safetensors --data csv:new.csv --pictures report/")]
pub struct EvaluateArgs {
    /// The model file
    pub model: PathBuf,
    /// The data: digits, mnist:DIR, idx:DIR or csv:FILE
    #[arg(long, value_name = "SOURCE", default_value = "digits")]
    pub data: String,
    /// Which rows [default: test; for CSV all]
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

/// How exactly products of f32 are computed; names as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FloatPrecision {
    /// f32
    Highest,
    /// Two bf16 for each f32 (16 bits of mantissa), where the processor multiplies bf16; else f32
    High,
    /// One bf16 for each f32 (8 bits of mantissa), where the processor multiplies bf16; else f32
    Medium,
}

impl From<FloatPrecision> for Precision {
    fn from(precision: FloatPrecision) -> Precision {
        match precision {
            FloatPrecision::Highest => Precision::Highest,
            FloatPrecision::High => Precision::High,
            FloatPrecision::Medium => Precision::Medium,
        }
    }
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

/// `plexus summary`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus summary runs/digits-1/model.safetensors
  plexus summary mlp:512,256
  plexus summary mlp:100 --input 28x28 --outputs 10 --json
  plexus summary net.toml --input 4")]
pub struct SummaryArgs {
    /// A model file, a TOML file, or a network such as mlp:512,256
    pub network: String,
    /// Shape of one input sample, as 784 or 1x28x28 [default: what the file says, else 784]
    #[arg(long, value_name = "SHAPE")]
    pub input: Option<String>,
    /// Number of outputs of a short form such as mlp:512,256
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub outputs: usize,
    /// Multiply activations and multiply-adds by this many samples
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub batch: u64,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `plexus trace`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus trace mlp:3 --input 2 --outputs 2 '[1, 2]'
  plexus trace model.safetensors '[5.1, 3.5, 1.4, 0.2]' --json")]
pub struct TraceArgs {
    /// A model file, a TOML file, or a network such as mlp:3 (then with seeded weights)
    pub network: String,
    /// The input as JSON numbers [default: 1, 2, 3, ...]
    pub values: Option<String>,
    /// Shape of one input sample [default: what the file says, else 2]
    #[arg(long, value_name = "SHAPE")]
    pub input: Option<String>,
    /// Number of outputs of a short form
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub outputs: usize,
    /// The seed of the weights of a network without any
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub seed: u64,
    /// Print every number of long operands
    #[arg(long)]
    pub full: bool,
    /// Print one JSON object a layer
    #[arg(long)]
    pub json: bool,
}

/// `plexus kernels`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus kernels
  plexus kernels --json
  PLEXUS_ISA=portable plexus kernels               what another choice would pick

Environment:
  PLEXUS_ISA   portable, avx2, avxvnni, avx512, avx512vnni, avx512bf16 or amx: use this instruction set, and what
               comes before it, instead of the best one")]
pub struct KernelsArgs {
    /// Print one JSON object a kernel
    #[arg(long)]
    pub json: bool,
}

/// `plexus bench`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus bench                                     this machine's floors, and each kernel's share of them
  plexus bench --batch 8 --inputs 784 --outputs 512
  plexus bench linear --batch 32 --inputs 4096 --outputs 4096 --threads 2 --json
  plexus bench linear-backward --batch 128
  plexus bench train-mlp --batch 128 --optimizer adam
  plexus bench --sweep --seconds 0.06 --json       704 sizes of one layer, a line each
  printf '1x784x128\\n8 4096 4096\\n' | plexus bench linear --shapes - --json

Tasks:
  linear            relu(W x + b), weights packed beforehand         --batch --inputs --outputs --precision
  linear-backward   forward, then the gradients of x, W and b        --batch --inputs --outputs
  mlp               784-512-256-10, inference                        --batch
  train-mlp         the same network, cross-entropy: the second of   --batch --samples --optimizer
                    two epochs over random rows in memory

Each call is timed alone, after three to warm up; median and shortest are printed.")]
pub struct BenchArgs {
    /// What to measure [default: a report on this machine]
    #[arg(value_enum, hide_possible_values = true)]
    pub task: Option<BenchTask>,
    /// Rows of one call [default: 1]
    #[arg(long, value_name = "N", value_parser = size)]
    pub batch: Option<usize>,
    /// Width of an input row of the layer [default: 1024]
    #[arg(long, value_name = "N", value_parser = size)]
    pub inputs: Option<usize>,
    /// Width of an output row of the layer [default: 1024]
    #[arg(long, value_name = "N", value_parser = size)]
    pub outputs: Option<usize>,
    /// Number types of the product; f32 is another word for highest [default: highest; in the report: all]
    #[arg(long, value_enum)]
    pub precision: Option<PrecisionArg>,
    /// Threads [default: one for each processor]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = thread_count)]
    pub threads: usize,
    /// Rows of an epoch of train-mlp
    #[arg(long, value_name = "N", default_value_t = 60_000, value_parser = size)]
    pub samples: usize,
    /// The optimiser of train-mlp [default: sgd]
    #[arg(long, value_enum)]
    pub optimizer: Option<OptimizerArg>,
    /// How long each measurement takes, at least five calls, in the report two
    /// [default: 1; in the report about 20 for everything]
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub seconds: Option<f64>,
    /// Measure the sizes in a file, one a line as 32x4096x4096; - reads them from standard input as they come
    #[arg(long, value_name = "FILE", conflicts_with_all = ["batch", "inputs", "outputs", "sweep"])]
    pub shapes: Option<PathBuf>,
    /// Measure a layer at every batch and width of a fixed list
    #[arg(long, conflicts_with_all = ["batch", "inputs", "outputs"])]
    pub sweep: bool,
    /// Print one JSON object a result
    #[arg(long)]
    pub json: bool,
}

impl BenchArgs {
    /// The size of the layer.
    pub fn size(&self) -> crate::commands::bench::Size {
        crate::commands::bench::Size {
            batch: self.batch.unwrap_or(1),
            inputs: self.inputs.unwrap_or(1024),
            outputs: self.outputs.unwrap_or(1024),
        }
    }

    /// How long a task is measured.
    pub fn task_seconds(&self) -> f64 {
        self.seconds.unwrap_or(1.0)
    }
}

/// More would not fit into any memory, whatever the other sizes are.
const MOST_ROWS: usize = 1 << 30;

fn size(text: &str) -> Result<usize, String> {
    let size = text.parse::<usize>().ok().filter(|size| (1..=MOST_ROWS).contains(size));
    size.ok_or_else(|| format!("expected a whole number from 1 to {MOST_ROWS}"))
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0 && *seconds <= 3600.0);
    seconds.ok_or_else(|| "expected a number above 0, at most 3600".to_string())
}

/// What `plexus bench` can measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchTask {
    /// One layer, forward
    Linear,
    /// One layer, forward and backward
    LinearBackward,
    /// Inference of 784-512-256-10
    Mlp,
    /// An epoch of its training
    TrainMlp,
    /// Later
    #[value(hide = true)]
    Lenet,
    /// Later
    #[value(hide = true)]
    Alexnet,
    /// Later
    #[value(hide = true)]
    Vgg16,
    /// Later
    #[value(hide = true)]
    TrainLenet,
}

impl BenchTask {
    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            BenchTask::Linear => "linear",
            BenchTask::LinearBackward => "linear-backward",
            BenchTask::Mlp => "mlp",
            BenchTask::TrainMlp => "train-mlp",
            BenchTask::Lenet => "lenet",
            BenchTask::Alexnet => "alexnet",
            BenchTask::Vgg16 => "vgg16",
            BenchTask::TrainLenet => "train-lenet",
        }
    }
}

/// Number types of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// f32
    #[value(alias = "f32")]
    Highest,
    /// Each f32 as a sum of two bf16, where the processor multiplies these; else f32
    High,
    /// bf16 products and f32 sums, where the processor has these products; else f32
    Medium,
    /// u8 inputs, i8 weights, u8 outputs
    Int8,
    /// i16 inputs, i8 weights
    Int16,
    /// f32 inputs, bf16 weights
    WeightBf16,
    /// f32 inputs, i8 weights in groups of 32
    WeightInt8,
    /// f32 inputs, 4-bit weights in groups of 32
    WeightInt4,
    /// f32 inputs, 4-bit weights in groups of 128
    #[value(name = "weight-int4-g128")]
    WeightInt4G128,
}

impl PrecisionArg {
    /// What the products of f32 call it; `None` where the weights are other numbers.
    pub fn of_floats(self) -> Option<Precision> {
        match self {
            PrecisionArg::Highest => Some(Precision::Highest),
            PrecisionArg::High => Some(Precision::High),
            PrecisionArg::Medium => Some(Precision::Medium),
            _ => None,
        }
    }

    /// Every one, in the order of the help.
    pub fn all() -> impl Iterator<Item = PrecisionArg> {
        PrecisionArg::value_variants().iter().copied()
    }

    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            PrecisionArg::Highest => "highest",
            PrecisionArg::High => "high",
            PrecisionArg::Medium => "medium",
            PrecisionArg::Int8 => "int8",
            PrecisionArg::Int16 => "int16",
            PrecisionArg::WeightBf16 => "weight-bf16",
            PrecisionArg::WeightInt8 => "weight-int8",
            PrecisionArg::WeightInt4 => "weight-int4",
            PrecisionArg::WeightInt4G128 => "weight-int4-g128",
        }
    }
}

/// An optimiser of the training that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OptimizerArg {
    /// Momentum 0.9, learning rate 0.01
    Sgd,
    /// Learning rate 0.001
    Adam,
}

impl OptimizerArg {
    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            OptimizerArg::Sgd => "sgd",
            OptimizerArg::Adam => "adam",
        }
    }
}
