//! The rows with 512-bit registers.

use super::tiles::{FEW, Tiles};
use super::{Form, Kernel, Target, Task};
use crate::isa::avx512::Avx512;
use crate::isa::avx512_int::Avx512Vnni;
use crate::isa::{Isa, SimdInt};

/// Eight rows of two vectors: sixteen sums of 32 registers, enough to hide the latency of two instructions a cycle.
///
/// Up to four rows go by nibbles, others crossed, as on AVX2; not measured.
pub(super) const KERNEL: Kernel = Kernel {
    name: "gemm_i8i8i32_avx512_8x32",
    isa: Isa::Avx512,
    mr: 8,
    nr: 32,
    consistent: true,
    form: |m| if m <= FEW { Form::Nibbles } else { Form::Crossed },
    block,
};

/// One vector, for few outputs.
pub(super) const KERNEL_NARROW: Kernel =
    Kernel { name: "gemm_i8i8i32_avx512_8x16", nr: 16, block: block_narrow, ..KERNEL };

/// The same tile with byte dot products.
pub(super) const KERNEL_VNNI: Kernel = Kernel {
    name: "gemm_i8i8i32_avx512vnni_8x32",
    isa: Isa::Avx512Vnni,
    mr: 8,
    nr: 32,
    consistent: true,
    form: |_| Form::Bytes,
    block: block_vnni,
};

/// One vector, for few outputs.
pub(super) const KERNEL_VNNI_NARROW: Kernel =
    Kernel { name: "gemm_i8i8i32_avx512vnni_8x16", nr: 16, block: block_vnni_narrow, ..KERNEL_VNNI };

fn block(task: &Task<'_>, target: Target<'_>) {
    let token = Avx512::detect().expect("rows are run where their instruction set is available");
    token.run_int(Tiles::<8, 2, 32, 128> { task, target });
}

fn block_vnni(task: &Task<'_>, target: Target<'_>) {
    let token = Avx512Vnni::detect().expect("rows are run where their instruction set is available");
    token.run_int(Tiles::<8, 2, 32, 128> { task, target });
}

fn block_narrow(task: &Task<'_>, target: Target<'_>) {
    let token = Avx512::detect().expect("rows are run where their instruction set is available");
    token.run_int(Tiles::<8, 1, 16, 64> { task, target });
}

fn block_vnni_narrow(task: &Task<'_>, target: Target<'_>) {
    let token = Avx512Vnni::detect().expect("rows are run where their instruction set is available");
    token.run_int(Tiles::<8, 1, 16, 64> { task, target });
}
