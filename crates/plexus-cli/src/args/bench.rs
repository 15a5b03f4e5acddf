//! `plexus bench`

use super::thread_count;
use clap::{Args as ClapArgs, ValueEnum};
use plexus::quant::Scheme;
use plexus_kernels::gemm::Precision;
use plexus_kernels::weight_only::{Format, Group};
use std::path::PathBuf;

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
  lenet             LeNet-5 on 28x28 pixels (ReLU, max), inference   --batch
  train-lenet       the same network, as train-mlp                   --batch --samples --optimizer
  alexnet           AlexNet, one tower, 3x227x227, inference         --batch --precision
  train-alexnet     the same network, as train-mlp                   --batch --samples --optimizer
  vgg16             VGG-16, 3x224x224, inference                     --batch --precision
  unet              U-Net, width 32, 1x256x256, 2 classes, inference --batch --precision
  train-unet        U-Net, width 16, 1x128x128, as train-mlp         --batch --samples --optimizer

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
    /// Number types of the product; f32 is another word for highest. In networks, weight-… is for the fully connected layers, and int8 and
    /// int16 are the schemes int8-per-channel and int16x8 of quantize
    /// [default: highest; of networks standard; in the report: all]
    #[arg(long, value_enum)]
    pub precision: Option<PrecisionArg>,
    /// Threads [default: one for each processor]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = thread_count)]
    pub threads: usize,
    /// Rows of an epoch of training [default: 60000; of images of more than 28x28 pixels 64]
    #[arg(long, value_name = "N", value_parser = size)]
    pub samples: Option<usize>,
    /// The optimizer of the training [default: sgd]
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

pub(super) fn seconds(text: &str) -> Result<f64, String> {
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
    /// Inference of LeNet-5
    Lenet,
    /// An epoch of its training
    TrainLenet,
    /// Inference of AlexNet
    Alexnet,
    /// An epoch of its training
    TrainAlexnet,
    /// Inference of VGG-16
    Vgg16,
    /// Inference of U-Net
    Unet,
    /// An epoch of the training of a smaller one
    TrainUnet,
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
            BenchTask::TrainLenet => "train-lenet",
            BenchTask::Alexnet => "alexnet",
            BenchTask::TrainAlexnet => "train-alexnet",
            BenchTask::Vgg16 => "vgg16",
            BenchTask::Unet => "unet",
            BenchTask::TrainUnet => "train-unet",
        }
    }
}

/// Number types of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// f32
    #[value(alias = "f32")]
    Highest,
    /// f32, with fewer products in convolutions (Winograd)
    Standard,
    /// Each f32 as a sum of two bf16, where the processor has a matrix unit for these (AMX); else f32
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
    /// What the products of f32 call it; `None` where other numbers are multiplied.
    pub fn of_floats(self) -> Option<Precision> {
        match self {
            PrecisionArg::Highest => Some(Precision::Highest),
            PrecisionArg::Standard => Some(Precision::Standard),
            PrecisionArg::High => Some(Precision::High),
            PrecisionArg::Medium => Some(Precision::Medium),
            _ => None,
        }
    }

    /// What the weights are rounded to, where the rest is f32.
    pub fn of_weights(self) -> Option<Format> {
        match self {
            PrecisionArg::WeightBf16 => Some(Format::Bf16),
            PrecisionArg::WeightInt8 => Some(Format::Int8(Group::Of32)),
            PrecisionArg::WeightInt4 => Some(Format::Int4(Group::Of32)),
            PrecisionArg::WeightInt4G128 => Some(Format::Int4(Group::Of128)),
            _ => None,
        }
    }

    /// The scheme of a network of whole numbers.
    pub fn scheme(self) -> Option<Scheme> {
        match self {
            PrecisionArg::Int8 => Some(Scheme::Int8PerChannel),
            PrecisionArg::Int16 => Some(Scheme::Int16x8),
            _ => None,
        }
    }

    /// Every one that differs for a layer, in the order of the help.
    pub fn all() -> impl Iterator<Item = PrecisionArg> {
        PrecisionArg::value_variants().iter().copied().filter(|precision| *precision != PrecisionArg::Standard)
    }

    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            PrecisionArg::Highest => "highest",
            PrecisionArg::Standard => "standard",
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

/// An optimizer of the training that is measured.
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
