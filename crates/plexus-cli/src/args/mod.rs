//! The commands and their options: what is said with each is one file.

mod bench;
mod convert;
mod data;
mod evaluate;
mod explain;
mod export;
mod import;
mod inspect;
mod predict;
mod quantize;
mod shell;
mod train;

pub use bench::{BenchArgs, BenchTask, OptimizerArg, PrecisionArg};
pub use convert::ConvertArgs;
pub use data::{DataArgs, TableArgs};
pub use evaluate::EvaluateArgs;
pub use explain::{
    CompareArgs, DiffArgs, DrawArgs, FeaturesArgs, InspectArgs, NeuronArgs, PrintArgs, ProfileArgs, ShapeArgs,
};
pub use export::{BoardArg, ExportArgs, InputArg, VerifyArgs, Via};
pub use import::ImportArgs;
pub use inspect::{KernelsArgs, RunCaseArgs, SummaryArgs, TraceArgs};
pub use predict::{Format, PredictArgs};
pub use quantize::{CalibrationArg, QuantizeArgs, RoundingArg, SchemeArg};
pub use shell::{CompletionsArgs, ManArgs};
pub use train::{LearningArgs, TrainArgs};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use plexus::{Context, Pool, WeightFormat, WeightGroup};
use plexus_kernels::gemm::Precision;
use plexus_nn::PlanOptions;
use std::ffi::OsString;

/// Fully connected networks, end to end: train, look inside, run.
#[derive(Debug, Parser)]
#[command(name = "plexus", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// Reads the arguments of this program; what does not read ends it with a message.
    pub fn of_program() -> Args {
        let mut command = Args::command();
        command.build();
        Args::of(&mut command, std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn of(command: &mut clap::Command, words: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
        let matches = command.try_get_matches_from_mut(words)?;
        if let (Some((name, matches)), true) = (matches.subcommand(), matches.subcommand_matches("train").is_some()) {
            let train = command.find_subcommand_mut(name).expect("it was found by its name");
            train::check_resume(train, matches)?;
        }
        Args::from_arg_matches(&matches)
    }
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
    /// Make a model of the weights that PyTorch saved for a network with a name: alexnet, vgg16, unet
    Import(ImportArgs),
    /// Write a model in another form: fully connected layers as convolutions and back, convolutions as matrices, folded
    Convert(ConvertArgs),
    /// Make a model of whole numbers, for small memories and microcontrollers: 8 or 16 bits, and what that costs
    Quantize(Box<QuantizeArgs>),
    /// Write a model of whole numbers as a program for a microcontroller: Rust or C, no heap, no dependency
    Export(ExportArgs),
    /// Run an exported program on a board or in emulation, and name the first layer that differs
    Verify(VerifyArgs),
    /// Follow a shape through layers: what comes out of each, and what the first fully connected layer takes
    Shape(ShapeArgs),
    /// Count what it takes to connect maps with maps: fully, locally, by convolution, as a sparse matrix
    CompareConnectivity(CompareArgs),
    /// Draw a network as a figure: boxes with shapes and parameters, skips as arrows
    Draw(DrawArgs),
    /// Time each layer of a model: what takes how long, and why
    Profile(ProfileArgs),
    /// Write what a layer of a model makes of data, as a NumPy array or a table
    Features(FeaturesArgs),
    /// Show one neuron: the inputs that it sees, its weights and its bias
    Neuron(NeuronArgs),
    /// Look at the weights of each layer, or at the values behind it: statistics, histograms, filters, maps, dead units
    Inspect(InspectArgs),
    /// Compare two models: layers, numbers, and on data the first layer whose outputs differ
    #[command(visible_alias = "compare")]
    Diff(DiffArgs),
    /// Run one input step by step and print every multiply, add and activation with operands and results
    Trace(TraceArgs),
    /// Run recorded layers of whole numbers again, and compare every bit
    RunCase(RunCaseArgs),
    /// List the compute kernels: which this machine can run, and which it uses
    Kernels(KernelsArgs),
    /// Measure: what this machine can do, how near each kernel comes, and single tasks against other engines
    Bench(BenchArgs),
    /// Print the completions of a shell: bash, zsh, fish, powershell or elvish
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(ManArgs),
}

/// More threads than any machine of today has processors only cost memory and time.
const MOST_THREADS: usize = 1024;

fn thread_count(text: &str) -> Result<usize, String> {
    let count = text.parse::<usize>().ok().filter(|count| *count <= MOST_THREADS);
    count.ok_or_else(|| format!("expected a whole number, at most {MOST_THREADS}"))
}

/// How a model is opened for predictions.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct OpenArgs {
    /// Compute batch_norm and standardize layers by themselves. Otherwise they become part of the weights of the linear or
    /// conv2d layer beside them where that can be (summary says which), which is faster and changes last digits
    #[arg(long)]
    pub no_fold: bool,
}

impl From<OpenArgs> for PlanOptions {
    fn from(args: OpenArgs) -> PlanOptions {
        PlanOptions::default().with_fold(!args.no_fold)
    }
}

/// The numbers that predictions are computed with.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct NumberArgs {
    /// How exactly products are computed
    #[arg(long, value_enum, value_name = "PRECISION", default_value_t = FloatPrecision::Standard)]
    pub precision: FloatPrecision,
    /// What the weights of fully connected layers are rounded to when the model is opened: less memory, and less time for a
    /// few rows [default: not rounded]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub weights: Option<WeightFormatArg>,
}

impl NumberArgs {
    /// The context of a prediction.
    pub fn context(self, threads: usize) -> Context {
        let context = Context::detect(Pool::new(threads)).with_precision(self.precision.into());
        context.with_weights(self.weights.map(Into::into))
    }
}

/// What weights are rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WeightFormatArg {
    /// 16 bits, 8 of them of mantissa: half the memory; a relative error of 0.2 % in a weight
    Bf16,
    /// 8 bits, and a scale for each 32 weights: a quarter of the memory; an error of 0.5 %
    Int8,
    /// 4 bits, and a scale for each 32 weights: a seventh of the memory; an error of 8 %
    Int4,
}

impl From<WeightFormatArg> for WeightFormat {
    fn from(format: WeightFormatArg) -> WeightFormat {
        match format {
            WeightFormatArg::Bf16 => WeightFormat::Bf16,
            WeightFormatArg::Int8 => WeightFormat::Int8(WeightGroup::Of32),
            WeightFormatArg::Int4 => WeightFormat::Int4(WeightGroup::Of32),
        }
    }
}

/// How exactly products of f32 are computed; names as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FloatPrecision {
    /// f32, every product and sum as in the formula
    Highest,
    /// f32, with fewer products in convolutions where that is faster (Winograd)
    Standard,
    /// Two bf16 for each f32 (16 bits of mantissa), where the processor has a matrix unit for bf16 (AMX); else f32
    High,
    /// One bf16 for each f32 (8 bits of mantissa), where the processor multiplies bf16; else f32
    Medium,
}

impl From<FloatPrecision> for Precision {
    fn from(precision: FloatPrecision) -> Precision {
        match precision {
            FloatPrecision::Highest => Precision::Highest,
            FloatPrecision::Standard => Precision::Standard,
            FloatPrecision::High => Precision::High,
            FloatPrecision::Medium => Precision::Medium,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_goes_on_takes_few_options() {
        let read = |words: &str| {
            let mut command = Args::command();
            command.build();
            Args::of(&mut command, words.split_whitespace().map(OsString::from))
        };
        for words in ["", "DIR --epochs 3 --lr 0.1", "--quiet --json --threads 2", "DIR --network mlp --data digits"] {
            assert!(read(&format!("plexus train --resume {words}")).is_ok(), "{words}");
        }
        for (words, said) in [
            ("--batch 8", "'--batch <N>'"),
            ("--loss-weight a=1", "'--loss-weight <TARGET=WEIGHT>'"),
            ("--seed=0", "'--seed <SEED>'"),
            ("--nesterov", "'--nesterov'"),
            ("--as a=number", "'--as <COLUMN=KIND>'"),
        ] {
            let error = read(&format!("plexus train --resume DIR {words}")).expect_err(words);
            assert_eq!(error.exit_code(), 2);
            let text = error.to_string();
            assert!(text.contains("'--resume [<DIR>]' cannot be used with") && text.contains(said), "{words}: {text}");
            assert!(read(&format!("plexus train {words}")).is_ok(), "{words} without --resume");
        }
    }
}
