//! `plexus export` and `plexus verify`

use clap::{Args as ClapArgs, ValueEnum};
use plexus::quant::firmware::Target;
use std::path::PathBuf;

/// `plexus export`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus quantize runs/digits-1                     first: a model of whole numbers
  plexus export runs/digits-1/model-int8-per-channel.safetensors --target c --out digits
  plexus export model-int8.safetensors --target rust --out firmware/net --name net
  plexus verify digits --via qemu                   does it compute the same on an emulated board?

What is written has constant weights, static memory, no heap and no dependency; it takes raw numbers (bytes of pixels, or floats) and
gives whole numbers, of which the largest is the class. docs/firmware.md goes all the way.")]
pub struct ExportArgs {
    /// A model of whole numbers, as quantize writes one
    pub model: PathBuf,
    /// The language
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    pub target: TargetArg,
    /// The folder to write
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The name of module and functions [default: that of the folder]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// What the raw numbers are [default: bytes for images, else floats]
    #[arg(long, value_enum, value_name = "NUMBERS")]
    pub input: Option<InputArg>,
    /// The data from which golden inputs are taken, as for evaluate [default: that of the training]
    #[arg(long, value_name = "DATA")]
    pub data: Option<String>,
    /// How many golden inputs are written
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub golden: usize,
    /// Export the last fully connected layer as one that learns on the device, for N classes: those that the model does not have yet
    /// begin with zeros
    #[arg(long, value_name = "N")]
    pub learn_last: Option<usize>,
    /// With --learn-last: how many examples of each known class are kept on the device, so that it does not forget them
    #[arg(long, value_name = "N", default_value_t = 2, requires = "learn_last")]
    pub keep: usize,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TargetArg {
    /// A crate that forbids unsafe code; plexus-micro beside it has some for the DSP instructions of Cortex-M4 and M7
    Rust,
    /// One C99 file and its header
    C,
}

impl From<TargetArg> for Target {
    fn from(target: TargetArg) -> Target {
        match target {
            TargetArg::Rust => Target::Rust,
            TargetArg::C => Target::C,
        }
    }
}

/// What raw numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InputArg {
    /// From 0 to 255, as pixels come from a camera
    Bytes,
    /// As the model was trained on
    Floats,
}

/// `plexus verify`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus verify digits --via qemu                   build it, run it on an emulated Cortex-M4, fill in the table of its README
  plexus verify digits --via qemu --board rv32
  plexus verify digits-rust --via node              build an export in Rust as WebAssembly, run it with Node
  plexus verify digits --via serial:/dev/ttyACM0    read what a board writes (set its speed with stty)
  ./my-simulator | plexus verify digits --via stdin

The program on the board calls the verify function that was exported with it; it writes a line for each layer. The first layer that
differs is named with both values, and the exit code is 1 then.

--via qemu needs qemu-system-arm or qemu-system-riscv32, and for C arm-none-eabi-gcc or riscv64-unknown-elf-gcc, for Rust cargo with
the target of the board (rustup target add thumbv7em-none-eabi). --via node needs Node and wasm32-unknown-unknown.")]
pub struct VerifyArgs {
    /// The folder that export wrote
    pub folder: PathBuf,
    /// Where the outputs come from: qemu, node (an export in Rust as WebAssembly), serial:PORT or stdin
    #[arg(long, value_name = "WAY", value_parser = via)]
    pub via: Via,
    /// With --via qemu: the processor
    #[arg(long, value_enum, value_name = "BOARD", default_value_t = BoardArg::CortexM4)]
    pub board: BoardArg,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// A processor in emulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BoardArg {
    /// QEMU's mps2-an385 with code for a Cortex-M0
    CortexM0,
    /// mps2-an385
    CortexM3,
    /// mps2-an386
    CortexM4,
    /// mps2-an500
    CortexM7,
    /// mps3-an547
    CortexM55,
    /// The machine virt with a 32-bit RISC-V
    Rv32,
}

/// Where the outputs of a device come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// An emulator.
    Qemu,
    /// A serial port.
    Serial(PathBuf),
    /// Node, for WebAssembly.
    Node,
    /// What another program writes.
    Stdin,
}

fn via(text: &str) -> Result<Via, String> {
    match text.split_once(':') {
        None if text == "qemu" => Ok(Via::Qemu),
        None if text == "node" => Ok(Via::Node),
        None if text == "stdin" => Ok(Via::Stdin),
        Some(("serial", port)) if !port.is_empty() => Ok(Via::Serial(port.into())),
        _ => Err("expected qemu, node, stdin or serial:PORT, as serial:/dev/ttyACM0".to_string()),
    }
}
