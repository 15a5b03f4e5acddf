//! The portable row: plain Rust, whatever the compiler makes of it.

use super::body::Convolve;
use super::{Band, Kernel};
use crate::isa::portable::Portable;
use crate::isa::{Isa, Simd};

/// Four pixels, a whole window of pooling, by one vector or by two.
/// Not consistent: without a fused instruction products are rounded before they are added.
pub(super) const KERNEL: Kernel =
    Kernel { name: "conv_f32_portable_4x16", isa: Isa::Portable, consistent: false, lanes: 8, few: 0, band };

fn band(band: Band<'_, '_>) {
    Portable.run(Convolve::<4, 4, 8, 16, 1> { band });
}
