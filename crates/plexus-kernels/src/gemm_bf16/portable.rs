//! The portable row: the definition of the instructions in plain Rust.

use super::body::{InRegisters, Tiles};
use super::{Block, Kernel};
use crate::buffer::TileMut;
use crate::isa::Isa;
use crate::isa::pairs::PairDot;
use crate::isa::portable::Portable;

/// Four rows: what a pair of elements costs to widen is spread over them.
pub(super) const KERNEL: Kernel = Kernel { name: "gemm_bf16_portable_4x64", isa: Isa::Portable, mr: 4, nr: 64, block };

fn block(block: &Block<'_>, tile: TileMut<'_>) {
    Portable.run_pairs(Tiles { unit: InRegisters::<_, 4>(Portable), block, tile });
}
