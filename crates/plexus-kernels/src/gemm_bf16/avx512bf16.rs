//! The AVX512-BF16 row.

use super::body::{InRegisters, Tiles};
use super::{Block, Kernel};
use crate::buffer::TileMut;
use crate::isa::Isa;
use crate::isa::avx512bf16::Avx512Bf16;
use crate::isa::pairs::PairDot;

/// Twelve rows of two vectors: twenty-four sums of thirty-two registers; two loads of b serve twenty-four products.
pub(super) const KERNEL: Kernel =
    Kernel { name: "gemm_bf16_avx512bf16_12x32", isa: Isa::Avx512Bf16, mr: 12, nr: 32, block };

fn block(block: &Block<'_>, tile: TileMut<'_>) {
    let token = Avx512Bf16::detect().expect("rows are run where their instruction set is available");
    token.run_pairs(Tiles { unit: InRegisters::<_, 12>(token), block, tile });
}
