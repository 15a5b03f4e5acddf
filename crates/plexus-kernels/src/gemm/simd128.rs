//! The row of WebAssembly with SIMD128: the bits of the portable row.

use super::body::Tiles;
use super::{Block, Kernel};
use crate::buffer::TileMut;
use crate::isa::simd128::Simd128;
use crate::isa::{Isa, Simd};

/// Four rows of one vector of two registers: eight sums, and engines have at least fifteen registers to give.
/// Not consistent: without a fused instruction products are rounded before they are added.
pub(super) const KERNEL: Kernel =
    Kernel { name: "gemm_f32_simd128_4x8", isa: Isa::Simd128, mr: 4, nr: 8, vectors: 1, consistent: false, block };

fn block(block: &Block<'_>, tile: TileMut<'_>) {
    Simd128.run(Tiles::<4, 1, 8> { block, tile });
}
