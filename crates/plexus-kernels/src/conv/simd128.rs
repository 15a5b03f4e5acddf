//! The row of WebAssembly with SIMD128: the bits of the portable row.

use super::backward_input::{InputBand, Spread};
use super::backward_pixels::{self, PixelsPart};
use super::backward_weight::{self, WeightPart};
use super::body::Convolve;
use super::winograd::{InputTiles, OutputTiles};
use super::{Band, Kernel};
use crate::isa::simd128::Simd128;
use crate::isa::{Isa, Simd};

/// Four pixels, a whole window of pooling, by one vector or by two.
/// Not consistent: without a fused instruction products are rounded before they are added.
pub(super) const KERNEL: Kernel = Kernel {
    name: "conv_f32_simd128_4x16",
    isa: Isa::Simd128,
    consistent: false,
    lanes: 8,
    few: 0,
    band,
    input,
    weight,
    weight_of_pixels,
    input_tiles,
    output_tiles,
};

fn band(band: Band<'_, '_>) {
    Simd128.run(Convolve::<4, 4, 8, 16, 1> { band });
}

fn input(band: InputBand<'_, '_>) {
    Simd128.run(Spread::<3, 16> { band });
}

fn weight(part: WeightPart<'_, '_>) {
    Simd128.run(backward_weight::Correlate::<4, 2, 8, 16> { part });
}

fn weight_of_pixels(part: PixelsPart<'_, '_>) {
    Simd128.run(backward_pixels::Correlate::<2> { part });
}

fn input_tiles(tiles: InputTiles<'_, '_>) {
    Simd128.run(tiles);
}

fn output_tiles(tiles: OutputTiles<'_, '_>) {
    Simd128.run(tiles);
}
