//! `plexus train`

use super::{FloatPrecision, SchemeArg, TableArgs, thread_count};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args as ClapArgs, Command, ValueEnum};
use plexus_train::data::Augment;
use plexus_train::target::ScaleKind;
use std::path::PathBuf;

/// `plexus train`
#[derive(Debug, ClapArgs)]
#[command(after_help = TRAIN_EXAMPLES)]
pub struct TrainArgs {
    /// The data: a table (.csv, .tsv, .csv.gz, csv:- for standard input), digits (built in), mnist:DIR or idx:DIR
    /// [default: digits]
    #[arg(value_name = "DATA")]
    pub source: Option<String>,
    /// The same, as an option
    #[arg(long, value_name = "DATA", conflicts_with = "source")]
    pub data: Option<String>,
    /// The network: mlp, mlp:512,256, mlp:64?activation=tanh, lenet5, cnn, alexnet, vgg16 and others with their options, as
    /// vgg11?batch_norm=true, or a TOML file [default: mlp:128]
    #[arg(long, value_name = "SPEC")]
    pub network: Option<String>,
    /// Go on from the numbers of a trained model, in place of a new network
    #[arg(long, value_name = "MODEL", conflicts_with = "network")]
    pub from: Option<PathBuf>,
    /// With --from: leave this layer and all before it as they are. Their results are computed once for each sample, where
    /// they fit into 1 GiB and samples are not changed (--augment). plexus summary MODEL lists the layers
    #[arg(long, value_name = "LAYER", requires = "from")]
    pub freeze_until: Option<String>,
    /// With --from: put a new last layer for this many classes in the place of the old one
    #[arg(long, value_name = "N", requires = "from", value_parser = clap::value_parser!(u32).range(1..))]
    pub classes: Option<u32>,
    /// End with whole numbers: int8, int8-per-channel, int16x8, int16, q7, q15, q7q15 or int4, as plexus quantize --help describes
    /// them. The last third of the epochs (all with --from) learns with what they compute, and the model is of them
    #[arg(long, value_enum, value_name = "SCHEME", hide_possible_values = true)]
    pub quantize: Option<SchemeArg>,
    /// With --quantize: epochs with floats before [default: two thirds, none with --from]
    #[arg(long, value_name = "N", requires = "quantize")]
    pub float_epochs: Option<u64>,
    /// The run folder [default: runs/NAME-N, the next free number]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with a run, exactly as if it had never stopped; without DIR the newest one in runs/. --epochs, --lr and
    /// --clip-norm may be other ones
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "absent, present, present with a folder")]
    pub resume: Option<Option<PathBuf>>,
    /// Options of the data source
    #[command(flatten)]
    pub table: TableArgs,
    /// Options of the training
    #[command(flatten)]
    pub learning: LearningArgs,
    /// Threads [default: one for each processor]; the result has the same bits for any number
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = thread_count)]
    pub threads: usize,
    /// Save a checkpoint after every so many steps [default: every few seconds]
    #[arg(long, value_name = "STEPS", default_value_t = 0, hide_default_value = true)]
    pub checkpoint_every: u64,
    /// Wait for a signal once so many steps of the run are done: tests end the program there
    #[arg(long, value_name = "STEPS", hide = true)]
    pub pause_after_steps: Option<u64>,
    /// Say only the result
    #[arg(short, long)]
    pub quiet: bool,
    /// Print one JSON object a line; the last has test_accuracy and model
    #[arg(long)]
    pub json: bool,
}

impl TrainArgs {
    /// The network where none is named.
    pub const NETWORK: &str = "mlp:128";
}

/// What may be said with `--resume`: what changes the run from now on or does not change it, and what says again how it was
/// started.
const WITH_RESUME: [&str; 13] = [
    "resume",
    "source",
    "data",
    "network",
    "out",
    "epochs",
    "lr",
    "clip_norm",
    "threads",
    "checkpoint_every",
    "pause_after_steps",
    "quiet",
    "json",
];

/// Refuses, beside `--resume`, what a run keeps from its start: it would be ignored.
pub(super) fn check_resume(command: &mut Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let said = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    if !said("resume") {
        return Ok(());
    }
    let fixed = |arg: &&Arg| said(arg.get_id().as_str()) && !WITH_RESUME.contains(&arg.get_id().as_str());
    let Some(fixed) = command.get_arguments().find(fixed).map(Arg::to_string) else { return Ok(()) };
    let what = format!("the argument '--resume [<DIR>]' cannot be used with '{fixed}'");
    Err(command.error(ErrorKind::ArgumentConflict, what))
}

const TRAIN_EXAMPLES: &str = "\
Examples:
  plexus train
  plexus train houses.csv --target price           a number; its errors are told in the unit of the price
  plexus train houses.csv --target price --target-scale log --loss quantile:0.1,0.5,0.9
  plexus train houses.csv --target price --target kind          one model for both; predict answers with both
  plexus train cars.csv --target mpg --drop name --as origin=category --na unknown
  plexus train iris.csv --folds 5                  five runs, each with another fifth held out: mean and spread
  plexus train --data mnist:DIR --network mlp:512,256 --epochs 15
  plexus train --data mnist:DIR --network lenet5 --augment --epochs 20
  plexus train iris.csv --network net.toml --optimizer sgd --lr 0.1 --schedule one_cycle
  plexus train --data images:birds --from flowers.safetensors --freeze-until pool5 --classes 12
  plexus train --data mnist:DIR --network lenet5 --epochs 9 --quantize int4
  plexus train --data mnist:DIR --from runs/mnist-1/model.safetensors --epochs 3 --quantize int4
  plexus train --resume                            go on where the newest run stopped

Data sources:
  digits       built in: 1,797 handwritten digits of 8x8 pixels (UCI, CC BY 4.0)
  mnist:DIR    a folder with the four MNIST files, plain or gzip
  idx:DIR      the same with other classes (Fashion-MNIST, ...)
  FILE.csv     a table, also .tsv, .txt, .csv.gz, or csv:FILE for any other name; csv:- is standard input.
               Text becomes categories, dates become year, month, weekday and days; the list of columns that is
               printed first says what was done with each

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
    /// The most passes over the data [default: as many as --steps make]
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,
    /// The most steps, rounded up to whole epochs; at least 10 epochs, at most 1,000 [default: 6,000]
    #[arg(long, value_name = "N", conflicts_with = "epochs")]
    pub steps: Option<u64>,
    /// Rows of one step
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub batch: usize,
    /// Batches whose gradients are added up for one step
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub accumulate: usize,
    /// sgd, adam, adamw or rmsprop
    #[arg(long, value_name = "NAME", default_value = "adam")]
    pub optimizer: String,
    /// Learning rate [default: 0.05 for sgd, 0.003 for adam and adamw (0.001 for tables), 0.001 for rmsprop; a tenth of it for
    /// --quantize with --from]
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
    /// cross_entropy, mean_squared_error, mean_absolute_error, huber, quantile:0.1,0.5,0.9 or binary_cross_entropy; of
    /// several targets TARGET=NAME for one of them, may be said again [default: cross_entropy for classes,
    /// mean_squared_error for numbers]
    #[arg(long, value_name = "NAME")]
    pub loss: Vec<String>,
    /// How much the loss of one of several targets counts; may be said again [default: 1]
    #[arg(long, value_name = "TARGET=WEIGHT")]
    pub loss_weight: Vec<String>,
    /// The scale on which a number is learnt; answers and errors keep its own unit [default: standard]
    #[arg(long, value_enum, value_name = "SCALE")]
    pub target_scale: Option<TargetScaleArg>,
    /// The share of a target that is spread over all classes [default: 0.05 for cross_entropy]
    #[arg(long, value_name = "SHARE")]
    pub label_smoothing: Option<f32>,
    /// Weights of the classes: "balanced", or numbers with commas between them
    #[arg(long, value_name = "WEIGHTS")]
    pub class_weights: Option<String>,
    /// How exactly products with weights are computed
    #[arg(long, value_enum, value_name = "PRECISION", default_value_t = FloatPrecision::Standard)]
    pub precision: FloatPrecision,
    /// The largest norm of the gradient; larger ones are scaled down
    #[arg(long, value_name = "NORM")]
    pub clip_norm: Option<f64>,
    /// Stop after so many epochs without a better validation result [default: a third of the run]
    #[arg(long, value_name = "EPOCHS")]
    pub patience: Option<u64>,
    /// Epochs whose validation results are averaged before they are compared [default: as many as 100 steps make]
    #[arg(long, value_name = "EPOCHS")]
    pub smoothing: Option<u64>,
    /// Change pictures each time they are learnt from: the most pixels, degrees and shares, of shift, rotate, scale, shear
    /// and elastic; without numbers what suits digits
    #[arg(long, value_name = "CHANGES", num_args = 0..=1, default_missing_value = Augment::USUAL)]
    pub augment: Option<Augment>,
    /// The share of the training rows kept out to choose the best epoch
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub validation: f64,
    /// Feed raw values, without a standardize layer in front
    #[arg(long, alias = "no-standardise")]
    pub no_standardize: bool,
    /// The seed of everything random
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub seed: u64,
}

/// The scale on which a number is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TargetScaleArg {
    /// As it is
    None,
    /// Mean 0, standard deviation 1
    Standard,
    /// The same for its logarithm: for numbers above zero that differ by factors
    Log,
}

impl From<TargetScaleArg> for ScaleKind {
    fn from(scale: TargetScaleArg) -> ScaleKind {
        match scale {
            TargetScaleArg::None => ScaleKind::None,
            TargetScaleArg::Standard => ScaleKind::Standard,
            TargetScaleArg::Log => ScaleKind::Log,
        }
    }
}
