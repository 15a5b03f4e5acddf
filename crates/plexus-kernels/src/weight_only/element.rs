//! The innermost loops: a block of packed weights of each format, widened and summed.

// Loops over registers are written with indices: their bounds are constants, so they unroll, and the letters match the
// formulas.
#![allow(clippy::needless_range_loop)]

use super::WIDTH;
use crate::isa::Widen;
use bytemuck::Pod;

/// Columns that share a nibble's place in their words: a word has eight nibbles, so eight words have 64 columns.
pub(super) const WORDS: usize = WIDTH / 8;

/// Bytes from the weights in use to those that are asked for: one row alone waits for memory otherwise, because the
/// processor's own prefetching ends with each page of 4 KiB.
const AHEAD: usize = 2048;

/// The place of each column's nibble.
const MASK: [u32; WIDTH] = {
    let (mut mask, mut column) = ([0; WIDTH], 0);
    while column < WIDTH {
        mask[column] = 15 << (column / WORDS * 4);
        column += 1;
    }
    mask
};

/// `16^-i` for each column: nibble `i` is widened where it lies, so it counts `16^i` times.
const UNIT: [f32; WIDTH] = {
    let (mut unit, mut column) = ([1.0; WIDTH], WORDS);
    while column < WIDTH {
        unit[column] = unit[column - WORDS] / 16.0;
        column += 1;
    }
    unit
};

/// What each nibble has too much, in its place, times -1: `-8 · 16^i`; nothing for the last, which is signed.
const EXCESS: [f32; WIDTH] = {
    let (mut excess, mut column) = ([0.0; WIDTH], 0);
    while column < 7 * WORDS {
        excess[column] = -8.0 / UNIT[column];
        column += 1;
    }
    excess
};

/// A number format, as the loops read it.
pub(super) trait Element {
    /// What is stored for [`WIDTH`] columns of one row of b.
    type Row: Pod;
    /// Whether there are scales.
    const SCALED: bool;

    /// The sums of one block without the scale: `R` rows by `V` vectors of columns from `first` on.
    fn sums<S: Widen, const R: usize, const V: usize>(
        s: S,
        left: &Left<'_, R>,
        weights: &[Self::Row],
        first: usize,
    ) -> [[S::F; V]; R];

    /// One vector of weights without the scale, from column `first` on.
    fn multiples<S: Widen>(s: S, weights: &Self::Row, first: usize) -> S::F;
}

/// `R` rows of a, one block long each.
pub(super) struct Left<'a, const R: usize> {
    pub x: [&'a [f32]; R],
    /// `Σ x` of the block, for int4.
    pub sum: [f32; R],
}

impl<'a, const R: usize> Left<'a, R> {
    /// The rows with every length the same value, so that loops over it need no checks.
    #[inline(always)]
    fn first(&self, len: usize) -> [&'a [f32]; R] {
        let mut x = self.x;
        for r in 0..R {
            x[r] = &x[r][..len];
        }
        x
    }
}

pub(super) struct Bf16;
pub(super) struct Int8;
pub(super) struct Int4;

impl Element for Bf16 {
    type Row = [u16; WIDTH];
    const SCALED: bool = false;

    #[inline(always)]
    fn sums<S: Widen, const R: usize, const V: usize>(
        s: S,
        left: &Left<'_, R>,
        weights: &[[u16; WIDTH]],
        first: usize,
    ) -> [[S::F; V]; R] {
        let mut total = [[s.splat(0.0); V]; R];
        let x = left.first(weights.len());
        for (p, weights) in weights.iter().enumerate() {
            if R == 1 {
                // Each row is two cache lines.
                s.prefetch(weights, AHEAD / 2);
                s.prefetch(weights, AHEAD / 2 + WIDTH / 2);
            }
            let weights = &weights[first..first + V * S::LEN];
            for v in 0..V {
                let w = s.load_bf16(&weights[v * S::LEN..(v + 1) * S::LEN]);
                for r in 0..R {
                    total[r][v] = s.mul_add(s.splat(x[r][p]), w, total[r][v]);
                }
            }
        }
        total
    }

    #[inline(always)]
    fn multiples<S: Widen>(s: S, weights: &[u16; WIDTH], first: usize) -> S::F {
        s.load_bf16(&weights[first..])
    }
}

impl Element for Int8 {
    type Row = [i8; WIDTH];
    const SCALED: bool = true;

    #[inline(always)]
    fn sums<S: Widen, const R: usize, const V: usize>(
        s: S,
        left: &Left<'_, R>,
        weights: &[[i8; WIDTH]],
        first: usize,
    ) -> [[S::F; V]; R] {
        let mut total = [[s.splat(0.0); V]; R];
        let x = left.first(weights.len());
        for (p, weights) in weights.iter().enumerate() {
            if R == 1 {
                s.prefetch(weights, AHEAD / size_of_val(&weights[0]));
            }
            let weights = &weights[first..first + V * S::LEN];
            for v in 0..V {
                let w = s.load_i8(&weights[v * S::LEN..(v + 1) * S::LEN]);
                for r in 0..R {
                    total[r][v] = s.mul_add(s.splat(x[r][p]), w, total[r][v]);
                }
            }
        }
        total
    }

    #[inline(always)]
    fn multiples<S: Widen>(s: S, weights: &[i8; WIDTH], first: usize) -> S::F {
        s.load_i8(&weights[first..])
    }
}

impl Element for Int4 {
    type Row = [u32; WORDS];
    const SCALED: bool = true;

    #[inline(always)]
    fn sums<S: Widen, const R: usize, const V: usize>(
        s: S,
        left: &Left<'_, R>,
        weights: &[[u32; WORDS]],
        first: usize,
    ) -> [[S::F; V]; R] {
        // The compiler must not know the masks: it would load each one again before each use, by an instruction of its
        // own, instead of keeping what fits in registers and taking the rest as operands in memory. On Zen 3 0.31 and
        // 0.25 ns for eight weights.
        let masks = std::hint::black_box(&MASK);
        let mut mask = [s.load_words(masks); V];
        let mut total = [[s.splat(0.0); V]; R];
        for v in 0..V {
            let at = first + v * S::LEN;
            mask[v] = s.load_words(&masks[at..at + S::LEN]);
            for r in 0..R {
                total[r][v] = s.mul(s.splat(left.sum[r]), s.load(&EXCESS[at..at + S::LEN]));
            }
        }
        let x = left.first(weights.len());
        for (p, words) in weights.iter().enumerate() {
            if R == 1 {
                s.prefetch(words, AHEAD / size_of_val(&words[0]));
            }
            let words = s.repeat_words(words);
            for v in 0..V {
                let w = s.masked(words, mask[v]);
                for r in 0..R {
                    total[r][v] = s.mul_add(s.splat(x[r][p]), w, total[r][v]);
                }
            }
        }
        for v in 0..V {
            let unit = s.load(&UNIT[first + v * S::LEN..]);
            for r in 0..R {
                total[r][v] = s.mul(total[r][v], unit);
            }
        }
        total
    }

    #[inline(always)]
    fn multiples<S: Widen>(s: S, weights: &[u32; WORDS], first: usize) -> S::F {
        let w = s.masked(s.repeat_words(weights), s.load_words(&MASK[first..]));
        s.mul(s.add(w, s.load(&EXCESS[first..])), s.load(&UNIT[first..]))
    }
}
