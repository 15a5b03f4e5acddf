//! The AVX2 row.

use super::body::Tiles;
use super::{Block, Kernel};
use crate::buffer::TileMut;
use crate::isa::avx2::Avx2;
use crate::isa::{Isa, Simd};

/// Six rows of two vectors: twelve sums, two vectors of b and one broadcast fill fifteen of sixteen registers.
pub(super) const KERNEL: Kernel =
    Kernel { name: "gemm_f32_avx2_6x16", isa: Isa::Avx2, mr: 6, nr: 16, vectors: 2, consistent: true, block };

fn block(block: &Block<'_>, tile: TileMut<'_>) {
    token().run(Tiles::<6, 2, 16> { block, tile });
}

/// The proof that this processor can run the row; dispatch offers it to no other.
fn token() -> Avx2 {
    Avx2::detect().expect("rows are run where their instruction set is available")
}
