//! Register tiles of whole numbers: sums of products of a few rows of `x` with one panel of weights.
//!
//! `k` is taken four at a time, a quad. A panel holds `[quad][column][4]`, so that one 32-bit lane of a vector is one
//! column. Four ways to multiply:
//!
//! - pairs: weights as 16-bit numbers, the even ones of a quad (0 and 2) and the odd ones (1 and 3) apart; `x` as two
//!   words of two 16-bit numbers, in the same order. Exact for all bytes, sums modulo 2³².
//! - crossed: the same operands, half as many multiplications and more additions.
//! - nibbles: weights as bytes; `x` as bytes 0..=255 cut into two halves of four bits, so that two products are at most
//!   3840 and eight of these sums fit into 16 bits. Fewer instructions than pairs while the weights are read once.
//! - bytes: weights as bytes, `x` as bytes 0..=255, for processors that add four products in one instruction.

// Loops over registers are written with indices: their bounds are constants, so they unroll.
#![allow(clippy::needless_range_loop)]

use crate::isa::SimdInt;

/// The most sums that a register tile may have on any instruction set (8 x 32).
pub(crate) const TILE: usize = 8 * 32;

/// One quad of a panel that can be read as 16-bit pairs.
pub(crate) trait Quad {
    /// The even weights of vector `v`.
    fn even<S: SimdInt>(&self, s: S, v: usize) -> S::V;
    /// The odd ones.
    fn odd<S: SimdInt>(&self, s: S, v: usize) -> S::V;
}

/// Weights as bytes, widened in registers: `NB` = 4 · nr.
impl<const NB: usize> Quad for [i8; NB] {
    #[inline(always)]
    fn even<S: SimdInt>(&self, s: S, v: usize) -> S::V {
        s.even_i8(s.load_i8(&self[v * 4 * S::LEN..(v + 1) * 4 * S::LEN]))
    }
    #[inline(always)]
    fn odd<S: SimdInt>(&self, s: S, v: usize) -> S::V {
        s.odd_i8(s.load_i8(&self[v * 4 * S::LEN..(v + 1) * 4 * S::LEN]))
    }
}

/// Weights as 16-bit numbers, even ones then odd ones: `NB` = 4 · nr.
impl<const NB: usize> Quad for [i16; NB] {
    #[inline(always)]
    fn even<S: SimdInt>(&self, s: S, v: usize) -> S::V {
        s.load_i16(&self[v * 2 * S::LEN..(v + 1) * 2 * S::LEN])
    }
    #[inline(always)]
    fn odd<S: SimdInt>(&self, s: S, v: usize) -> S::V {
        s.load_i16(&self[NB / 2 + v * 2 * S::LEN..NB / 2 + (v + 1) * 2 * S::LEN])
    }
}

/// Each row cut to one length, so that the loops need no checks.
///
/// The black box hides that rows are equally far apart: compilers would compute each address from the one before, in
/// every step, instead of keeping one register a row.
#[inline(always)]
fn cut<T, const R: usize>(mut x: [&[T]; R], len: usize) -> [&[T]; R] {
    for row in &mut x {
        *row = &std::hint::black_box(*row)[..len];
    }
    x
}

/// Writes a register tile row by row.
///
/// Through memory and not straight to the result: an index that is not a constant would force the sums out of the
/// registers inside the loops.
#[inline(always)]
fn store<S: SimdInt, const R: usize, const NV: usize>(s: S, total: &[[S::V; NV]; R], sums: &mut [i32; TILE]) {
    for r in 0..R {
        for v in 0..NV {
            s.store_i32(total[r][v], &mut sums[(r * NV + v) * S::LEN..(r * NV + v + 1) * S::LEN]);
        }
    }
}

/// `sums[r, j] = Σ x[r] · w[j]` by 16-bit pairs; `x` holds the even and the odd word of each quad.
#[inline(always)]
pub(crate) fn pairs<S: SimdInt, W: Quad, const R: usize, const NV: usize>(
    s: S,
    x: [&[[i32; 2]]; R],
    w: &[W],
    sums: &mut [i32; TILE],
) {
    let mut total = [[s.zero(); NV]; R];
    let x = cut(x, w.len());
    for q in 0..w.len() {
        let w = &w[q];
        let mut half = [s.zero(); NV];
        for v in 0..NV {
            half[v] = w.even(s, v);
        }
        for r in 0..R {
            let x = s.splat(x[r][q][0]);
            for v in 0..NV {
                total[r][v] = s.add_i32(total[r][v], s.dot_i16(x, half[v]));
            }
        }
        for v in 0..NV {
            half[v] = w.odd(s, v);
        }
        for r in 0..R {
            let x = s.splat(x[r][q][1]);
            for v in 0..NV {
                total[r][v] = s.add_i32(total[r][v], s.dot_i16(x, half[v]));
            }
        }
    }
    store(s, &total, sums);
}

/// `sums[r, j] = Σ x[r] · w[j] + Σ x0 · x1 + Σ w0 · w1`, neighbors multiplied: what start values and row terms take back.
///
/// `x` is laid out as for [`pairs`]. With the neighbors crossed, one multiplication does for two:
///
/// ```text
/// (x0 + w1) · (x1 + w0) = x0 · w0 + x1 · w1 + x0 · x1 + w0 · w1
/// ```
///
/// Bytes only: the sums fit into 16 bits.
///
/// # Source
/// S. Winograd, "A New Algorithm for Inner Product", IEEE Transactions on Computers C-17 (1968), 693-694.
#[inline(always)]
pub(crate) fn crossed<S: SimdInt, W: Quad, const R: usize, const NV: usize>(
    s: S,
    x: [&[[i32; 2]]; R],
    w: &[W],
    sums: &mut [i32; TILE],
) {
    let mut total = [[s.zero(); NV]; R];
    let x = cut(x, w.len());
    for q in 0..w.len() {
        let w = &w[q];
        let (mut even, mut odd) = ([s.zero(); NV], [s.zero(); NV]);
        for v in 0..NV {
            (even[v], odd[v]) = (w.even(s, v), w.odd(s, v));
        }
        for r in 0..R {
            let (x0, x1) = (s.splat(x[r][q][0]), s.splat(x[r][q][1]));
            for v in 0..NV {
                let product = s.dot_i16(s.add_i16(x0, odd[v]), s.add_i16(x1, even[v]));
                total[r][v] = s.add_i32(total[r][v], product);
            }
        }
    }
    store(s, &total, sums);
}

/// As [`crossed`] from bytes, one vector of columns after the other: up to eight rows share the widening in registers.
///
/// `next` is what follows in memory; as much of it is fetched meanwhile.
#[inline(always)]
pub(crate) fn crossed_streamed<S: SimdInt, const R: usize, const NV: usize, const NB: usize>(
    s: S,
    x: [&[[i32; 2]]; R],
    w: &[[i8; NB]],
    next: &[[i8; NB]],
    sums: &mut [i32; TILE],
) {
    let x = cut(x, w.len());
    for v in 0..NV {
        let mut total = [s.zero(); R];
        for q in 0..w.len() {
            if v == 0
                && let Some(next) = next.get(q)
            {
                for line in next.chunks_exact(64) {
                    s.prefetch(line);
                }
            }
            let (even, odd) = (w[q].even(s, v), w[q].odd(s, v));
            for r in 0..R {
                let (x0, x1) = (s.splat(x[r][q][0]), s.splat(x[r][q][1]));
                let product = s.dot_i16(s.add_i16(x0, odd), s.add_i16(x1, even));
                total[r] = s.add_i32(total[r], product);
            }
        }
        for r in 0..R {
            s.store_i32(total[r], &mut sums[(r * NV + v) * S::LEN..(r * NV + v + 1) * S::LEN]);
        }
    }
}

/// Quads between two transfers from 16-bit to 32-bit sums: 8 · 2 · 15 · 128 = 30720 fits into 16 bits.
const NIBBLE_QUADS: usize = 8;

/// `sums[r, j] = Σ x[r] · w[j]` by halves of four bits; `x` holds the word of low halves and that of high ones.
#[inline(always)]
pub(crate) fn nibbles<S: SimdInt, const R: usize, const NV: usize, const NB: usize>(
    s: S,
    x: [&[[i32; 2]]; R],
    w: &[[i8; NB]],
    sums: &mut [i32; TILE],
) {
    let mut total = [[s.zero(); NV]; R];
    let (groups, rest) = w.as_chunks::<NIBBLE_QUADS>();
    let mut eights: [&[[[i32; 2]; NIBBLE_QUADS]]; R] = [&[]; R];
    let mut left: [&[[i32; 2]]; R] = [&[]; R];
    for r in 0..R {
        let (whole, part) = x[r][..w.len()].as_chunks::<NIBBLE_QUADS>();
        (eights[r], left[r]) = (&whole[..groups.len()], &part[..rest.len()]);
    }
    for (group, w) in groups.iter().enumerate() {
        if let Some(next) = groups.get(group + AHEAD) {
            for line in next.as_flattened().chunks_exact(64) {
                s.prefetch(line);
            }
        }
        let mut x: [&[[i32; 2]]; R] = [&[]; R];
        for r in 0..R {
            x[r] = &eights[r][group];
        }
        nibble_group::<S, R, NV, NB>(s, x, w, &mut total);
    }
    if !rest.is_empty() {
        nibble_group::<S, R, NV, NB>(s, left, rest, &mut total);
    }
    store(s, &total, sums);
}

/// Groups between a weight's prefetch and its use: 4 KiB with 16 columns.
const AHEAD: usize = 8;

/// At most [`NIBBLE_QUADS`] quads.
#[inline(always)]
fn nibble_group<S: SimdInt, const R: usize, const NV: usize, const NB: usize>(
    s: S,
    x: [&[[i32; 2]]; R],
    w: &[[i8; NB]],
    total: &mut [[S::V; NV]; R],
) {
    let (one, sixteen) = (s.splat(0x0001_0001), s.splat(0x0010_0010));
    let mut x = x;
    for row in &mut x {
        *row = &row[..w.len()];
    }
    if R == 1 {
        let (mut low, mut high) = ([s.zero(); NV], [s.zero(); NV]);
        for (q, w) in w.iter().enumerate() {
            let (x0, x1) = (s.splat(x[0][q][0]), s.splat(x[0][q][1]));
            for v in 0..NV {
                let w = s.load_i8(&w[v * 4 * S::LEN..(v + 1) * 4 * S::LEN]);
                low[v] = s.pin(s.add_i16(low[v], s.dot_u8_i8(x0, w)));
                high[v] = s.pin(s.add_i16(high[v], s.dot_u8_i8(x1, w)));
            }
        }
        for v in 0..NV {
            let sum = s.add_i32(s.dot_i16(low[v], one), s.dot_i16(high[v], sixteen));
            total[0][v] = s.add_i32(total[0][v], sum);
        }
        return;
    }
    // More rows take the vectors of columns one after the other: two 16-bit sums for each row fill the registers.
    for v in 0..NV {
        let (mut low, mut high) = ([s.zero(); R], [s.zero(); R]);
        for (q, w) in w.iter().enumerate() {
            let w = s.load_i8(&w[v * 4 * S::LEN..(v + 1) * 4 * S::LEN]);
            for r in 0..R {
                low[r] = s.pin(s.add_i16(low[r], s.dot_u8_i8(s.splat(x[r][q][0]), w)));
                high[r] = s.pin(s.add_i16(high[r], s.dot_u8_i8(s.splat(x[r][q][1]), w)));
            }
        }
        for r in 0..R {
            let sum = s.add_i32(s.dot_i16(low[r], one), s.dot_i16(high[r], sixteen));
            total[r][v] = s.add_i32(total[r][v], sum);
        }
    }
}

/// Sums side by side for a single row: enough in flight to hide the latency of the instruction.
const PHASES: usize = 4;

/// `sums[r, j] = Σ x[r] · w[j]` by four bytes at once; `x` holds one word a quad.
#[inline(always)]
pub(crate) fn bytes<S: SimdInt, const R: usize, const NV: usize, const NB: usize>(
    s: S,
    x: [&[i32]; R],
    w: &[[i8; NB]],
    sums: &mut [i32; TILE],
) {
    let mut total = [[s.zero(); NV]; R];
    let x = cut(x, w.len());
    let mut done = 0;
    if R == 1 {
        let mut phases = [[s.zero(); NV]; PHASES];
        let (w, x) = (w.as_chunks::<PHASES>().0, x[0].as_chunks::<PHASES>().0);
        let x = &x[..w.len()];
        for (q, w) in w.iter().enumerate() {
            for p in 0..PHASES {
                let x = s.splat(x[q][p]);
                for v in 0..NV {
                    let w = s.load_i8(&w[p][v * 4 * S::LEN..(v + 1) * 4 * S::LEN]);
                    phases[p][v] = s.dot_add_u8_i8(phases[p][v], x, w);
                }
            }
        }
        for p in 0..PHASES {
            for v in 0..NV {
                total[0][v] = s.add_i32(total[0][v], phases[p][v]);
            }
        }
        done = w.len() * PHASES;
    }
    for q in done..w.len() {
        let mut word = [s.zero(); NV];
        for v in 0..NV {
            word[v] = s.load_i8(&w[q][v * 4 * S::LEN..(v + 1) * 4 * S::LEN]);
        }
        for r in 0..R {
            let x = s.splat(x[r][q]);
            for v in 0..NV {
                total[r][v] = s.dot_add_u8_i8(total[r][v], x, word[v]);
            }
        }
    }
    store(s, &total, sums);
}

/// Widens quads `from..to` of a panel into 16-bit numbers, even ones then odd ones of each quad.
///
/// `w` starts at the panel and goes on to the last one: the stretch that comes next is fetched meanwhile.
#[inline(always)]
pub(crate) fn widen<S: SimdInt, const NV: usize, const NB: usize>(
    s: S,
    w: &[[i8; NB]],
    (from, to): (usize, usize),
    widened: &mut [[i16; NB]],
) {
    let (now, next) = w[from..].split_at(to - from);
    let widened = &mut widened[..now.len()];
    for (q, w) in now.iter().enumerate() {
        if let Some(next) = next.get(q) {
            for line in next.chunks_exact(64) {
                s.prefetch(line);
            }
        }
        let (even, odd) = widened[q].split_at_mut(NB / 2);
        for v in 0..NV {
            let word = s.load_i8(&w[v * 4 * S::LEN..(v + 1) * 4 * S::LEN]);
            s.store_i16(s.even_i8(word), &mut even[v * 2 * S::LEN..(v + 1) * 2 * S::LEN]);
            s.store_i16(s.odd_i8(word), &mut odd[v * 2 * S::LEN..(v + 1) * 2 * S::LEN]);
        }
    }
}
