//! The loop nest with channels in the lanes, where every channel has one filter of its own.

use super::epilogue::{byte, cheap, in_cache, largest, largest_and_position};
use super::source::{Source, source};
use super::{Band, Block};
use crate::isa::{Simd, Vectorized};

/// Computes a band.
pub(super) struct Depthwise<'a, 'b, 'c> {
    pub band: &'c mut Band<'a, 'b>,
}

impl Vectorized for Depthwise<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Band { block, sample, rows, output, positions, halo } = self.band;
        let block: &Block<'_> = block;
        let geometry = block.geometry;
        let channels = geometry.channels;
        let source = source(geometry, block.sample(*sample), &block.full_rows(rows), halo);
        for (pixel, output) in output.chunks_exact_mut(channels).enumerate() {
            let (y, x) = (pixel / block.cols, pixel % block.cols);
            let mut positions = positions.as_mut().map(|positions| &mut positions[pixel * channels..][..channels]);
            for c in (0..channels).step_by(S::LEN) {
                let lanes = S::LEN.min(channels - c);
                if !block.pooled {
                    let sum = sum(s, block, &source, (y, x), c, lanes);
                    s.store_part(function(s, block, sum), &mut output[c..c + lanes]);
                    continue;
                }
                let mut four = [s.splat(0.0); 4];
                for (p, value) in four.iter_mut().enumerate() {
                    let sum = sum(s, block, &source, (2 * y + p / 2, 2 * x + p % 2), c, lanes);
                    *value = function(s, block, sum);
                }
                let pooled = match &mut positions {
                    None => largest(s, four),
                    Some(positions) => {
                        let (pooled, chosen) = largest_and_position(s, four);
                        let mut numbers = [0.0f32; 16];
                        s.store(chosen, &mut numbers);
                        for (position, &number) in positions[c..c + lanes].iter_mut().zip(&numbers) {
                            *position = byte(number);
                        }
                        pooled
                    }
                };
                s.store_part(pooled, &mut output[c..c + lanes]);
            }
        }
    }
}

/// The sums of one pixel for some channels, with bias.
#[inline(always)]
fn sum<S: Simd>(s: S, block: &Block<'_>, source: &Source<'_>, (y, x): (usize, usize), c: usize, lanes: usize) -> S::F {
    let geometry = block.geometry;
    let channels = geometry.channels;
    let start = y * geometry.stride[0] * source.pitch + x * geometry.stride[1] * channels + c;
    let mut sum = s.splat(0.0);
    for i in 0..geometry.kernel[0] {
        for j in 0..geometry.kernel[1] {
            let at = start + i * geometry.dilation[0] * source.pitch + j * geometry.dilation[1] * channels;
            let from = (i * geometry.kernel[1] + j) * channels + c;
            let x = s.load_part(&source.values[at..at + lanes], 0.0);
            sum = s.mul_add(x, s.load_part(&block.panels[from..from + lanes], 0.0), sum);
        }
    }
    match block.bias {
        Some(bias) => s.add(sum, s.load_part(&bias[c..c + lanes], -0.0)),
        None => sum,
    }
}

/// Applies the function; one that is not cheap is left to the cache, unless the sums are pooled.
#[inline(always)]
fn function<S: Simd>(s: S, block: &Block<'_>, sum: S::F) -> S::F {
    let mut values = cheap(s, block.function, [sum]);
    if block.pooled && !super::epilogue::in_registers(block.function) {
        let mut memory = [0.0f32; 16];
        s.store(values[0], &mut memory);
        in_cache(S::ISA, block.function, &mut memory[..S::LEN]);
        values[0] = s.load(&memory);
    }
    values[0]
}
