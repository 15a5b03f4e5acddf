//! The portable row: plain Rust, whatever the compiler makes of it.

use super::body::Tiles;
use super::{Block, Kernel};
use crate::buffer::TileMut;
use crate::isa::portable::Portable;
use crate::isa::{Isa, Simd};

/// Four rows of eight columns: eight of the sixteen 128-bit registers that any x86-64 processor has.
/// Not consistent: without a fused instruction products are rounded before they are added.
pub(super) const KERNEL: Kernel =
    Kernel { name: "gemm_f32_portable_4x8", isa: Isa::Portable, mr: 4, nr: 8, vectors: 1, consistent: false, block };

fn block(block: &Block<'_>, tile: TileMut<'_>) {
    Portable.run(Tiles::<4, 1, 8> { block, tile });
}
