//! The AVX-512 row.

use super::body::Tiles;
use super::{Block, Kernel};
use crate::buffer::TileMut;
use crate::isa::avx512::Avx512;
use crate::isa::{Isa, Simd};

/// Twelve rows of two vectors: twenty-four sums of thirty-two registers; two loads of b serve twenty-four products.
pub(super) const KERNEL: Kernel =
    Kernel { name: "gemm_f32_avx512_12x32", isa: Isa::Avx512, mr: 12, nr: 32, vectors: 2, consistent: true, block };

fn block(block: &Block<'_>, tile: TileMut<'_>) {
    token().run(Tiles::<12, 2, 32> { block, tile });
}

/// The proof that this processor can run the row; dispatch offers it to no other.
fn token() -> Avx512 {
    Avx512::detect().expect("rows are run where their instruction set is available")
}
