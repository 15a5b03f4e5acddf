//! The portable row: plain Rust, whatever the compiler makes of it.

use super::backward_input::{InputBand, Spread};
use super::backward_pixels::{self, PixelsPart};
use super::backward_weight::{self, WeightPart};
use super::body::Convolve;
use super::winograd::{InputTiles, OutputTiles};
use super::{Band, Kernel};
use crate::isa::portable::Portable;
use crate::isa::{Isa, Simd};

/// Four pixels, a whole window of pooling, by one vector or by two.
/// Not consistent: without a fused instruction products are rounded before they are added.
pub(super) const KERNEL: Kernel = Kernel {
    name: "conv_f32_portable_4x16",
    isa: Isa::Portable,
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
    Portable.run(Convolve::<4, 4, 8, 16, 1> { band });
}

fn input(band: InputBand<'_, '_>) {
    Portable.run(Spread::<3, 16> { band });
}

fn weight(part: WeightPart<'_, '_>) {
    Portable.run(backward_weight::Correlate::<4, 2, 8, 16> { part });
}

fn weight_of_pixels(part: PixelsPart<'_, '_>) {
    Portable.run(backward_pixels::Correlate::<2> { part });
}

fn input_tiles(tiles: InputTiles<'_, '_>) {
    Portable.run(tiles);
}

fn output_tiles(tiles: OutputTiles<'_, '_>) {
    Portable.run(tiles);
}
