//! The row with 512-bit registers.

use super::tiles::Tiles;
use super::{Kernel, Target, Task};
use crate::isa::avx512::Avx512;
use crate::isa::{Isa, SimdInt};

/// Eight rows of two vectors: sixteen sums, enough to hide the latency of two instructions a cycle.
pub(super) const KERNEL: Kernel =
    Kernel { name: "gemm_i16_avx512_8x32", isa: Isa::Avx512, mr: 8, nr: 32, consistent: true, block };

fn block(task: &Task<'_>, target: Target<'_>) {
    let token = Avx512::detect().expect("rows are run where their instruction set is available");
    token.run_int(Tiles::<8, 2, 32, 128> { task, target });
}
