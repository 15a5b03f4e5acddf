//! The row with 256-bit registers.

use super::tiles::Tiles;
use super::{Kernel, Target, Task};
use crate::isa::avx2::Avx2;
use crate::isa::{Isa, SimdInt};

/// Six rows of two vectors: twelve sums, two vectors of weights, one broadcast and one product fill sixteen registers.
pub(super) const KERNEL: Kernel =
    Kernel { name: "gemm_i16_avx2_6x16", isa: Isa::Avx2, mr: 6, nr: 16, consistent: true, block };

fn block(task: &Task<'_>, target: Target<'_>) {
    let token = Avx2::detect().expect("rows are run where their instruction set is available");
    token.run_int(Tiles::<6, 2, 16, 64> { task, target });
}
