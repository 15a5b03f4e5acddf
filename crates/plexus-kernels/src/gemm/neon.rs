//! The NEON row.

use super::body::Tiles;
use super::{Block, Kernel};
use crate::buffer::TileMut;
use crate::isa::neon::Neon;
use crate::isa::{Isa, Simd};

/// Six rows of two vectors of two registers: twenty-four sums, four registers of b and one broadcast are twenty-nine of
/// thirty-two registers.
pub(super) const KERNEL: Kernel =
    Kernel { name: "gemm_f32_neon_6x16", isa: Isa::Neon, mr: 6, nr: 16, vectors: 2, consistent: true, block };

fn block(block: &Block<'_>, tile: TileMut<'_>) {
    token().run(Tiles::<6, 2, 16> { block, tile });
}

/// The proof that this processor can run the row; dispatch offers it to no other.
fn token() -> Neon {
    Neon::detect().expect("rows are run where their instruction set is available")
}
