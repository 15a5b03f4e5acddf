//! The AVX-512 row.

use super::backward_input::{InputBand, Spread};
use super::backward_pixels::{self, PixelsPart};
use super::backward_weight::{self, WeightPart};
use super::body::Convolve;
use super::winograd::{InputTiles, OutputTiles};
use super::{Band, Kernel};
use crate::isa::avx512::Avx512;
use crate::isa::{Isa, Simd};

/// Twenty-four sums of thirty-two registers: of as many pixels by one vector of filters, of half as many by two, or of two rows
/// of even and odd columns by six filters.
pub(super) const KERNEL: Kernel = Kernel {
    name: "conv_f32_avx512_12x32",
    isa: Isa::Avx512,
    consistent: true,
    lanes: 16,
    few: 8,
    band,
    input,
    weight,
    weight_of_pixels,
    input_tiles,
    output_tiles,
};

fn band(band: Band<'_, '_>) {
    token().run(Convolve::<24, 12, 16, 32, 6> { band });
}

fn input(band: InputBand<'_, '_>) {
    token().run(Spread::<12, 32> { band });
}

fn weight(part: WeightPart<'_, '_>) {
    token().run(backward_weight::Correlate::<30, 12, 16, 32> { part });
}

fn weight_of_pixels(part: PixelsPart<'_, '_>) {
    token().run(backward_pixels::Correlate::<3> { part });
}

fn input_tiles(tiles: InputTiles<'_, '_>) {
    token().run(tiles);
}

fn output_tiles(tiles: OutputTiles<'_, '_>) {
    token().run(tiles);
}

/// The proof that this processor can run the row; dispatch offers it to no other.
fn token() -> Avx512 {
    Avx512::detect().expect("rows are run where their instruction set is available")
}
