//! The NEON row.

use super::backward_input::{InputBand, Spread};
use super::backward_pixels::{self, PixelsPart};
use super::backward_weight::{self, WeightPart};
use super::body::Convolve;
use super::winograd::{InputTiles, OutputTiles};
use super::{Band, Kernel};
use crate::isa::neon::Neon;
use crate::isa::{Isa, Simd};

/// Twelve pixels by one vector of two registers, or four by two: at most twenty-four of thirty-two registers are sums, and
/// with pooling whole windows.
pub(super) const KERNEL: Kernel = Kernel {
    name: "conv_f32_neon_4x16",
    isa: Isa::Neon,
    consistent: true,
    lanes: 8,
    few: 6,
    band,
    input,
    weight,
    weight_of_pixels,
    input_tiles,
    output_tiles,
};

fn band(band: Band<'_, '_>) {
    token().run(Convolve::<12, 4, 8, 16, 3> { band });
}

fn input(band: InputBand<'_, '_>) {
    token().run(Spread::<5, 16> { band });
}

fn weight(part: WeightPart<'_, '_>) {
    token().run(backward_weight::Correlate::<12, 5, 8, 16> { part });
}

fn weight_of_pixels(part: PixelsPart<'_, '_>) {
    token().run(backward_pixels::Correlate::<2> { part });
}

fn input_tiles(tiles: InputTiles<'_, '_>) {
    token().run(tiles);
}

fn output_tiles(tiles: OutputTiles<'_, '_>) {
    token().run(tiles);
}

/// The proof that this processor can run the row; dispatch offers it to no other.
fn token() -> Neon {
    Neon::detect().expect("rows are run where their instruction set is available")
}
