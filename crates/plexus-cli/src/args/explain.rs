//! `plexus shape`, `plexus compare-connectivity`, `plexus profile`, `plexus draw`, `plexus features`, `plexus neuron`,
//! `plexus inspect`, `plexus diff`

use super::bench::seconds;
use super::evaluate::Part;
use super::{DataArgs, NumberArgs, OpenArgs, thread_count};
use clap::Args as ClapArgs;
use std::path::PathBuf;

/// A picture beside what is printed.
#[derive(Debug, ClapArgs)]
pub struct PictureArgs {
    /// Draw it: a file ending in .svg or .png
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// A dark PNG
    #[arg(long, requires = "out")]
    pub dark: bool,
}

/// For people, or for programs.
#[derive(Debug, ClapArgs)]
pub struct PrintArgs {
    /// Print one JSON object
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print a table with commas between its columns
    #[arg(long)]
    pub csv: bool,
}

/// `plexus shape`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus shape 1x32x200x150 conv:64,3 conv:128,3 pool:2 flatten
                                                   what enters the first linear layer?
  plexus shape 1x28x28 conv:8,4 pool:2 conv:16,3 pool:2 flatten linear:144,10
                                                   which number is wrong, and what to write
  plexus shape vgg16 --layer flatten
  plexus shape net.toml --json

Layers:
  conv:FILTERS,KERNEL  conv1d  convt (transposed)  local (locally connected)  linear:OUT or linear:IN,OUT
  pool:KERNEL  avgpool  pool1d  avgpool1d  adaptive:SIZE  upsample:FACTOR  pad:N  crop:SIZE
  flatten  unflatten:CxHxW  reshape:SHAPE  batchnorm  layernorm  dropout:P  softmax  relu and other functions
  Behind the numbers: s2 (stride), p1 (padding), d2 (dilation), g4 (groups), or any key as padding=same.
  A kernel or size of two numbers is 3x5.")]
pub struct ShapeArgs {
    /// Shape of the input, as 3x224x224, or with the batch in front 1x3x224x224; or a model, a TOML file, a network by name
    #[arg(value_name = "INPUT|NETWORK")]
    pub start: String,
    /// What the input goes through
    #[arg(value_name = "LAYER")]
    pub layers: Vec<String>,
    /// Only this layer
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// How numbers are printed
    #[command(flatten)]
    pub print: PrintArgs,
}

/// `plexus compare-connectivity`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus compare-connectivity 32x64x64 conv:48,3,padding=same
  plexus compare-connectivity 3x227x227 conv:96,11,s4 --out connections.svg
  plexus compare-connectivity 3x32x32 conv:1,32    one neuron that sees a whole image
  plexus compare-connectivity 1x16x16 conv:8,3,padding=same --depths 1,2,4,8 --out depth.svg
                                                   what depth costs: parameters, time of a step, gradients

Compared are layers from the same input to the same output: with every input (fully connected), with a window of inputs and
weights of its own for each output (locally connected), with a window and the same weights everywhere (convolution), and the
convolution as a sparse matrix. plexus convert makes one of the other.

With --depths networks of so many such layers, each with a relu, are trained for a few steps on random rows with 10 classes. Shown are
the time of a step and the norm of the gradient of the weights of the first and the last hidden layer, with first weights as
PyTorch's layers have them. Networks of more than 67,108,864 parameters are only counted.")]
pub struct CompareArgs {
    /// Shape of the input: CHANNELSxROWSxCOLUMNS
    #[arg(value_name = "INPUT")]
    pub input: String,
    /// The convolution: FILTERS,KERNEL and s2 (stride), p1 (padding), d2 (dilation), g4 (groups)
    #[arg(value_name = "CONV")]
    pub conv: String,
    /// Networks of so many of these layers, one behind the other: 1,2,4,8
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=64))]
    pub depths: Vec<u16>,
    /// Rows of a step of training
    #[arg(long, value_name = "N", default_value_t = 32, requires = "depths", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch: u32,
    /// How long each network is trained, at least three steps
    #[arg(long, value_name = "S", default_value_t = 0.2, requires = "depths", value_parser = seconds)]
    pub seconds: f64,
    /// Threads [default: one for each processor]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, requires = "depths", value_parser = thread_count)]
    pub threads: usize,
    /// The picture
    #[command(flatten)]
    pub picture: PictureArgs,
    /// How numbers are printed
    #[command(flatten)]
    pub print: PrintArgs,
}

/// `plexus draw`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus draw vgg16 --out vgg16.svg
  plexus draw 'unet?padding=same' --input 3x128x128 --out unet.png --dark
  plexus draw runs/digits-1 --out digits.svg

A box is a layer with its kind, its output shape and its parameters; functions, normalizers and poolings stand in or below the box
of the layer that they follow. In a column of a paper, 240 points wide, the smallest letters are six points or more.")]
pub struct DrawArgs {
    /// A model file, a run folder, a TOML file, or a network such as alexnet
    pub network: String,
    /// Where to: a file ending in .svg or .png
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// A dark PNG
    #[arg(long)]
    pub dark: bool,
    /// Shape of one input sample, as 784 or 1x28x28 [default: what the network was made for, else 784]
    #[arg(long, value_name = "SHAPE")]
    pub input: Option<String>,
    /// Number of outputs of a network that is named [default: what it was made for, else 10]
    #[arg(long, value_name = "N")]
    pub outputs: Option<usize>,
}

/// `plexus profile`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus profile alexnet
  plexus profile vgg16 --batch 8 --threads 2 --out vgg16.svg
  plexus profile runs/digits-1 --json
  plexus profile alexnet --weights int8            with rounded weights of the fully connected layers

The floor of a layer is the time for its multiply-adds at this machine's best rate, or for reading its weights, whichever is longer.
Both are measured beforehand. With fewer multiply-adds than the formula (Winograd) a convolution can be below it.")]
pub struct ProfileArgs {
    /// A model file, a run folder, a TOML file, or a network such as alexnet (then with seeded weights)
    pub network: String,
    /// Samples of a run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub batch: u32,
    /// How long to measure, at least three runs
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// Shape of one input sample, as 784 or 1x28x28 [default: what the network was made for, else 784]
    #[arg(long, value_name = "SHAPE")]
    pub input: Option<String>,
    /// Number of outputs of a network that is named [default: what it was made for, else 10]
    #[arg(long, value_name = "N")]
    pub outputs: Option<usize>,
    /// Threads [default: one for each processor]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = thread_count)]
    pub threads: usize,
    /// The numbers of the computation
    #[command(flatten)]
    pub numbers: NumberArgs,
    /// How the model is opened
    #[command(flatten)]
    pub open: OpenArgs,
    /// The picture
    #[command(flatten)]
    pub picture: PictureArgs,
    /// How numbers are printed
    #[command(flatten)]
    pub print: PrintArgs,
}

/// `plexus features`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus features runs/digits-1 digits --layer layers.2 --out features.npy
  plexus features vgg16.safetensors images:photos --layer fc2 --out features.csv
  plexus features runs/houses-1 csv:houses.csv --part all --layer layers.0 --out hidden.csv

A .npy file has an array [rows, values of the layer], which numpy.load reads; maps keep their axes [rows, channels, height, width].
A .csv file has a column for each value and, where the data has classes, their names behind them.")]
pub struct FeaturesArgs {
    /// A model file, or a run folder
    pub model: PathBuf,
    /// The data, as for evaluate: digits, csv:FILE, images:DIR and others
    pub data: String,
    /// The layer behind which values are taken; summary lists them
    #[arg(long, value_name = "NAME")]
    pub layer: String,
    /// The file to write: .npy or .csv
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Which rows [default: those held out in training; of other tables all]
    #[arg(long, value_enum)]
    pub part: Option<Part>,
    /// Options of the data source
    #[command(flatten)]
    pub source: DataArgs,
    /// Threads [default: one for each processor]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = thread_count)]
    pub threads: usize,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `plexus neuron`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus neuron runs/digits-1 layers.0 5           the neuron 5 of a linear layer
  plexus neuron model.safetensors conv1 3,10,12    filter 3 of a convolution, at row 10 and column 12
  plexus neuron model.safetensors conv1 3,10,12 --image cat.png --out neuron.svg
                                                   on an image: each weight times what it meets there

A convolution has a neuron for each number of its output; those of a filter share their weights.")]
pub struct NeuronArgs {
    /// A model file, or a run folder
    pub model: PathBuf,
    /// A linear or conv2d layer; summary lists them
    #[arg(value_name = "LAYER")]
    pub layer: String,
    /// Its place: OUTPUT, FILTER,ROW,COLUMN, or one number that counts through all
    #[arg(value_name = "INDEX", value_delimiter = ',', required = true)]
    pub index: Vec<usize>,
    /// What it makes of this image: the values that it reads, times its weights, and their sum
    #[arg(long, value_name = "FILE")]
    pub image: Option<String>,
    /// Resize the image to the model's input
    #[arg(long, requires = "image")]
    pub resize: bool,
    /// Exchange black and white of the image
    #[arg(long, requires = "image")]
    pub invert: bool,
    /// Print every weight; otherwise the ten largest, with an image those of the largest products
    #[arg(long)]
    pub all: bool,
    /// The picture
    #[command(flatten)]
    pub picture: PictureArgs,
    /// How numbers are printed
    #[command(flatten)]
    pub print: PrintArgs,
}

/// `plexus inspect`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus inspect runs/digits-1                     the weights of each layer: how large, how spread, how many zeros
  plexus inspect runs/digits-1 --layer conv1 --out filters.svg
                                                   the weights of one layer, and its filters
  plexus inspect runs/digits-1 digit.png --out maps.png
                                                   the values behind each layer, and the maps of the first convolution
  plexus inspect runs/digits-1 --data digits       which units are dead on all rows that were held out?
  plexus inspect mlp:64,32 --input 1x8x8 --data digits --json

A unit is a feature of a vector, or a map. It is dead where its value behind an activation function is exactly the same on every row,
and of maps at every place: behind a relu 0. Of a unit with one value only, as on one row, nothing but 0 counts. A map of a
convolution is marked dead where it is behind the function that follows. Every layer is computed by itself, as predict --no-fold does.")]
pub struct InspectArgs {
    /// A model file, a run folder, a TOML file, or a network such as lenet5 (then with seeded weights)
    pub model: String,
    /// An image, or rows as for predict: a .csv or .json file, or JSON text. Without it weights are shown
    #[arg(value_name = "IMAGE")]
    pub image: Option<String>,
    /// Take the rows of a data source, as for evaluate: digits, csv:FILE, images:DIR and others
    #[arg(long, value_name = "DATA", conflicts_with = "image")]
    pub data: Option<String>,
    /// Which rows of --data [default: those held out in training; of other tables all]
    #[arg(long, value_enum, requires = "data")]
    pub part: Option<Part>,
    /// Only the first rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub rows: Option<u64>,
    /// Only this layer, with its histogram; and the layer that --out draws [default there: the first convolution]
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// Shape of one input sample of a network without weights, as 784 or 1x28x28 [default: what it was made for, else 784]
    #[arg(long, value_name = "SHAPE")]
    pub input: Option<String>,
    /// Resize images to the model's input
    #[arg(long, requires = "image")]
    pub resize: bool,
    /// Exchange black and white of images
    #[arg(long, requires = "image")]
    pub invert: bool,
    /// The picture
    #[command(flatten)]
    pub picture: PictureArgs,
    /// Threads [default: one for each processor]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = thread_count)]
    pub threads: usize,
    /// How numbers are printed
    #[command(flatten)]
    pub print: PrintArgs,
    /// Options of the data source
    #[command(flatten)]
    pub source: DataArgs,
}

/// `plexus diff`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus diff runs/digits-1 runs/digits-2
  plexus diff before.safetensors after.safetensors --data digits    the first layer whose outputs differ
  plexus diff vgg16.safetensors conv.safetensors --data images:photos --tolerance 1e-4 --json
  plexus diff digits-int8.safetensors --reference recorded.npz     which rounding the outputs of another program follow

Layers belong together by their names; where no names are the same but the kinds are, by their order. With --data both models run
layer by layer on the same rows, as their files describe them.

A reference is a file of numpy.savez with an array for the input, named as the input of the model or \"input\", and arrays for outputs:
\"output\", or the names of layers. The first axis is that of the rows; maps may have their channels first or last. Arrays of int8 and
int16 are the whole numbers themselves, others the reals that they stand for.")]
pub struct DiffArgs {
    /// A model file, or a run folder
    pub a: PathBuf,
    /// Another
    #[arg(required_unless_present = "reference")]
    pub b: Option<PathBuf>,
    /// Instead of another model, what another program recorded: says which rounding of whole numbers it follows
    #[arg(long, value_name = "FILE.npz", conflicts_with_all = ["b", "data"])]
    pub reference: Option<PathBuf>,
    /// Compare the values behind each layer on this data, as for evaluate: digits, csv:FILE, images:DIR and others
    #[arg(long, value_name = "DATA")]
    pub data: Option<String>,
    /// What counts as rounding: a share of the largest number of the layer
    #[arg(long, value_name = "SHARE", default_value_t = 1e-5, value_parser = tolerance, requires = "data")]
    pub tolerance: f64,
    /// Which rows [default: those held out in the training of A; of other tables all]
    #[arg(long, value_enum, requires = "data")]
    pub part: Option<Part>,
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

/// A share from 0 to 1.
fn tolerance(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.parse().ok().filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| "must be a number from 0 to 1, as 1e-5".to_string())
}
