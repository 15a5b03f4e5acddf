//! `plexus summary`, `plexus trace`, `plexus run-case`, `plexus kernels`

use super::OpenArgs;
use super::explain::PrintArgs;
use clap::Args as ClapArgs;
use std::path::PathBuf;

/// `plexus summary`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus summary runs/digits-1
  plexus summary mlp:512,256
  plexus summary mlp:100 --input 28x28 --outputs 10 --json
  plexus summary alexnet?groups=2
  plexus summary vgg16 --formulas                  how each number comes about
  plexus summary net.toml --input 4")]
pub struct SummaryArgs {
    /// A model file, a run folder, a TOML file, or a network such as mlp:512,256, alexnet or vgg16
    pub network: String,
    /// Shape of one input sample, as 784 or 1x28x28 [default: what the network was made for, else 784]
    #[arg(long, value_name = "SHAPE")]
    pub input: Option<String>,
    /// Number of outputs of a network that is named [default: what it was made for, else 10]
    #[arg(long, value_name = "N")]
    pub outputs: Option<usize>,
    /// Multiply activations and multiply-adds by this many samples [default: 1; for the memory of training 64]
    #[arg(long, value_name = "N")]
    pub batch: Option<u64>,
    /// Write the arithmetic of each line in words: sizes of maps, parameters, multiply-adds
    #[arg(long)]
    pub formulas: bool,
    /// How the model is opened
    #[command(flatten)]
    pub open: OpenArgs,
    /// How numbers are printed
    #[command(flatten)]
    pub print: PrintArgs,
}

/// `plexus trace`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus trace mlp:3 --input 2 --outputs 2 '[1, 2]'
  plexus trace model.safetensors '[5.1, 3.5, 1.4, 0.2]' --json

Every layer is computed by itself, as predict --no-fold does. Without --no-fold the answers of predict may differ from these in
the last digits.")]
pub struct TraceArgs {
    /// A model file, a run folder, a TOML file, or a network such as mlp:3 (then with seeded weights)
    pub network: String,
    /// The input as JSON numbers [default: 1, 2, 3, ...]
    pub values: Option<String>,
    /// Shape of one input sample [default: what the network was made for, else 2]
    #[arg(long, value_name = "SHAPE")]
    pub input: Option<String>,
    /// Number of outputs of a network that is named [default: what it was made for, else 2]
    #[arg(long, value_name = "N")]
    pub outputs: Option<usize>,
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

/// `plexus run-case`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus run-case cases.json                       every way that this machine has
  plexus run-case cases.json --portable            plexus-micro, the code of microcontrollers
  plexus run-case cases.json --isa avx2 --json

The file is a list of layers: {\"family\": \"q7\", \"n\": 2, \"d\": 3, \"x\": [...], \"w\": [...], \"bias\": [...], \"bias_shift\": 0,
\"out_shift\": 7, \"y\": [...], \"y_truncate\": [...]}, with n outputs and d inputs. Families of fully connected layers are q7, q15 and
q7_q15 (power of two), s8, s8_per_channel (with input_offset, output_offset, mult, shift, lo, hi) and s16x8. conv2d_s8,
conv_transpose2d_q15, max_pool_s8, softmax_s16 and others run on plexus-micro alone; docs/integer-cases.md has all families and
fields. Without y outputs are only computed. The exit code is 1 where they differ from those that are recorded.")]
pub struct RunCaseArgs {
    /// The cases: a JSON file
    pub file: PathBuf,
    /// The kernels of this instruction set [default: of each that this machine has]
    #[arg(long, value_name = "NAME", conflicts_with = "portable")]
    pub isa: Option<String>,
    /// The plain code that runs on microcontrollers
    #[arg(long)]
    pub portable: bool,
    /// Print a JSON object for each row of outputs
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
  PLEXUS_ISA   portable, neon, avx2, avxvnni, avx512, avx512vnni, avx512bf16 or amx: use this instruction set, and
               what comes before it, instead of the best one")]
pub struct KernelsArgs {
    /// Print one JSON object a kernel
    #[arg(long)]
    pub json: bool,
}
