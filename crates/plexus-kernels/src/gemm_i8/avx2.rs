//! The rows with 256-bit registers.

use super::tiles::{FEW, Tiles};
use super::{Form, Kernel, Target, Task};
use crate::isa::avx2::Avx2;
use crate::isa::avx2_int::AvxVnni;
use crate::isa::{Isa, SimdInt};

/// Four rows of two vectors: eight sums, four vectors of weights, two broadcasts and two temporaries fill the registers.
///
/// Measured on Zen 3, in the first-level cache, one core of 3.24 GHz, thousands of millions of multiply-adds a second:
/// crossed 4x16 92, plain pairs 6x16 84 (the processor starts 3.2 of these instructions a cycle, not the 4 that its units
/// could take, and crossing needs fewer of the scarcer multipliers); the sums of saturating bytes that are not exact, 98.
/// Up to four rows go by nibbles: 4.5 instructions for 32 weights of one row, where widening them alone takes three.
pub(super) const KERNEL: Kernel = Kernel {
    name: "gemm_i8i8i32_avx2_4x16",
    isa: Isa::Avx2,
    mr: 4,
    nr: 16,
    consistent: true,
    form: |m| if m <= FEW { Form::Nibbles } else { Form::Crossed },
    block,
};

/// One vector, for few outputs.
pub(super) const KERNEL_NARROW: Kernel = Kernel { name: "gemm_i8i8i32_avx2_4x8", nr: 8, block: block_narrow, ..KERNEL };

/// Six rows of two vectors: two instructions a cycle with a latency of five need ten sums in flight.
pub(super) const KERNEL_VNNI: Kernel = Kernel {
    name: "gemm_i8i8i32_avxvnni_6x16",
    isa: Isa::AvxVnni,
    mr: 6,
    nr: 16,
    consistent: true,
    form: |_| Form::Bytes,
    block: block_vnni,
};

/// One vector, for few outputs.
pub(super) const KERNEL_VNNI_NARROW: Kernel =
    Kernel { name: "gemm_i8i8i32_avxvnni_6x8", nr: 8, block: block_vnni_narrow, ..KERNEL_VNNI };

fn block(task: &Task<'_>, target: Target<'_>) {
    let token = Avx2::detect().expect("rows are run where their instruction set is available");
    token.run_int(Tiles::<4, 2, 16, 64> { task, target });
}

fn block_vnni(task: &Task<'_>, target: Target<'_>) {
    let token = AvxVnni::detect().expect("rows are run where their instruction set is available");
    token.run_int(Tiles::<6, 2, 16, 64> { task, target });
}

fn block_narrow(task: &Task<'_>, target: Target<'_>) {
    let token = Avx2::detect().expect("rows are run where their instruction set is available");
    token.run_int(Tiles::<4, 1, 8, 32> { task, target });
}

fn block_vnni_narrow(task: &Task<'_>, target: Target<'_>) {
    let token = AvxVnni::detect().expect("rows are run where their instruction set is available");
    token.run_int(Tiles::<6, 1, 8, 32> { task, target });
}
