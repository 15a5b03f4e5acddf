//! The row for any processor.

use super::tiles::Tiles;
use super::{Form, Kernel, Target, Task};
use crate::isa::portable::Portable;
use crate::isa::{Isa, SimdInt};

/// Four rows of eight columns: what compilers keep in sixteen 128-bit registers.
pub(super) const KERNEL: Kernel = Kernel {
    name: "gemm_i8i8i32_portable_4x8",
    isa: Isa::Portable,
    mr: 4,
    nr: 8,
    consistent: true,
    form: |_| Form::Pairs,
    block,
};

fn block(task: &Task<'_>, target: Target<'_>) {
    Portable.run_int(Tiles::<4, 1, 8, 32> { task, target });
}
