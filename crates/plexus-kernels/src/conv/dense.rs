//! The loop nest for dense filters with few channels: the places of the pixels are constants of the instructions.
//!
//! A tile is two rows by some columns. Elsewhere each pixel of a tile has a place of its own, and twenty of them do not stay in
//! the registers of the processor: the loop would load places as often as it multiplies.

#![allow(clippy::needless_range_loop)]

use super::Block;
use super::body::{Output, TILE, TileMemory, keep};
use super::epilogue::Finish;
use super::source::Source;
use crate::isa::{Simd, Vectorized};

/// Channels that have a body of their own.
pub(super) const CHANNELS: [usize; 5] = [3, 6, 8, 12, 16];

/// Two rows by all columns and one panel of at most a vector of filters.
pub(super) struct Dense<'a, 'b> {
    pub block: &'a Block<'a>,
    pub source: Source<'a>,
    pub panel: &'a [f32],
    /// Rows and columns of the full output of the band.
    pub size: [usize; 2],
    pub output: Output<'b>,
}

impl Dense<'_, '_> {
    /// Whether tiles of at most `most` pixels can compute a band of this many rows and columns.
    pub(super) fn fits(block: &Block<'_>, [rows, cols]: [usize; 2], most: usize) -> bool {
        let geometry = block.geometry;
        let dense = geometry.groups == 1 && geometry.stride == [1, 1] && geometry.dilation == [1, 1];
        dense
            && rows >= 2
            && cols >= 2
            && most >= 4
            && geometry.depth() <= crate::gemm::KC
            && CHANNELS.contains(&geometry.channels)
    }

    /// Computes it with tiles of at most `MOST` pixels and panels of `NR` filters.
    #[inline(always)]
    pub(super) fn run<S: Simd, const MOST: usize, const NR: usize>(self, s: S) {
        let most = MOST / 4 * 2;
        let cols = self.size[1] / 2 * 2;
        // The fewest tiles, and these as narrow as they can be.
        let wide = cols.div_ceil(cols.div_ceil(most)).next_multiple_of(2);
        match self.block.geometry.channels {
            3 => self.columns::<S, MOST, NR, 3>(s, wide),
            6 => self.columns::<S, MOST, NR, 6>(s, wide),
            8 => self.columns::<S, MOST, NR, 8>(s, wide),
            12 => self.columns::<S, MOST, NR, 12>(s, wide),
            _ => self.columns::<S, MOST, NR, 16>(s, wide),
        }
    }

    #[inline(always)]
    fn columns<S: Simd, const MOST: usize, const NR: usize, const C: usize>(self, s: S, wide: usize) {
        match wide {
            2 => s.run(Tiles::<2, C, NR> { dense: self }),
            4 if MOST >= 8 => s.run(Tiles::<4, C, NR> { dense: self }),
            6 if MOST >= 12 => s.run(Tiles::<6, C, NR> { dense: self }),
            8 if MOST >= 16 => s.run(Tiles::<8, C, NR> { dense: self }),
            10 if MOST >= 20 => s.run(Tiles::<10, C, NR> { dense: self }),
            12 if MOST >= 24 => s.run(Tiles::<12, C, NR> { dense: self }),
            _ => unreachable!("no tile has more pixels"),
        }
    }
}

/// All tiles of two rows by `W` columns, of `C` channels.
struct Tiles<'a, 'b, const W: usize, const C: usize, const NR: usize> {
    dense: Dense<'a, 'b>,
}

impl<const W: usize, const C: usize, const NR: usize> Vectorized for Tiles<'_, '_, W, C, NR> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Dense { block, source, panel, size: [rows, cols], mut output } = self.dense;
        let panel = panel.as_chunks::<NR>().0;
        let mut memory = TileMemory::ZEROS;
        let memory = &mut memory.0;
        for y in (0..rows).step_by(2) {
            // The last tiles go back over pixels that are there already; with pooling there is nothing behind a pair.
            let y = y.min(rows - 2);
            for x in (0..if block.pooled { cols / 2 * 2 } else { cols }).step_by(W) {
                let x = if block.pooled { x.min(cols / 2 * 2 - W) } else { x.min(cols - W) };
                let sums = product::<S, W, C, NR>(s, block, &source, panel, (y, x));
                if block.pooled {
                    keep_windows(s, &sums, memory);
                    let (first, pixels) = (y / 2 * block.cols + x / 2, 2 * W);
                    s.run(Finish::<1> { block, sums: memory, output: &mut output, first, pixels });
                } else {
                    for r in 0..2 {
                        keep(s, &sums[r], memory);
                        let first = (y + r) * cols + x;
                        s.run(Finish::<1> { block, sums: memory, output: &mut output, first, pixels: W });
                    }
                }
            }
        }
    }
}

/// As [`keep`], pixel by pixel of each window.
#[inline(always)]
fn keep_windows<S: Simd, const W: usize>(s: S, sums: &[[[S::F; 1]; W]; 2], memory: &mut [f32; TILE]) {
    for r in 0..2 {
        for x in 0..W {
            let at = x / 2 * 4 + r * 2 + x % 2;
            s.store(sums[r][x][0], &mut memory[at * S::LEN..(at + 1) * S::LEN]);
        }
    }
}

/// The sums of a tile, in one block.
#[inline(always)]
fn product<S: Simd, const W: usize, const C: usize, const NR: usize>(
    s: S,
    block: &Block<'_>,
    source: &Source<'_>,
    panel: &[[f32; NR]],
    (y, x): (usize, usize),
) -> [[[S::F; 1]; W]; 2] {
    let [_, kernel_cols] = block.geometry.kernel;
    let mut sums = [[[s.splat(0.0); 1]; W]; 2];
    let room = "a window is inside the padded input";
    for (i, panel) in panel.chunks_exact(kernel_cols * C).enumerate() {
        let start = (y + i) * source.pitch + x * C;
        let upper = source.values[start..].as_chunks::<C>().0;
        let lower = source.values[start + source.pitch..].as_chunks::<C>().0;
        for (j, panel) in panel.as_chunks::<C>().0.iter().enumerate() {
            let upper: &[[f32; C]; W] = upper[j..].first_chunk().expect(room);
            let lower: &[[f32; C]; W] = lower[j..].first_chunk().expect(room);
            for c in 0..C {
                let w = s.load(&panel[c][..S::LEN]);
                for x in 0..W {
                    sums[0][x][0] = s.mul_add(s.splat(upper[x][c]), w, sums[0][x][0]);
                    sums[1][x][0] = s.mul_add(s.splat(lower[x][c]), w, sums[1][x][0]);
                }
            }
        }
    }
    sums
}
