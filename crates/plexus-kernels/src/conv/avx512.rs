//! The AVX-512 row.

use super::body::Convolve;
use super::{Band, Kernel};
use crate::isa::avx512::Avx512;
use crate::isa::{Isa, Simd};

/// Twenty-four sums of thirty-two registers: of as many pixels by one vector of filters, of half as many by two, or of two rows
/// of even and odd columns by six filters.
pub(super) const KERNEL: Kernel =
    Kernel { name: "conv_f32_avx512_12x32", isa: Isa::Avx512, consistent: true, lanes: 16, few: 8, band };

fn band(band: Band<'_, '_>) {
    token().run(Convolve::<24, 12, 16, 32, 6> { band });
}

/// The proof that this processor can run the row; dispatch offers it to no other.
fn token() -> Avx512 {
    Avx512::detect().expect("rows are run where their instruction set is available")
}
