//! Re-orders weights into panels, and activations into words.

use crate::buffer::{Buffer, MatrixMut, TileMut, for_each_tile};
use crate::isa::{Isa, SimdInt, VectorizedInt};
use crate::threads::Pool;
use std::marker::PhantomData;

/// Writes a row-major `[n, k]` weight as panels of `nr` columns, zero beyond the last column and the last of `k`:
///
/// ```text
/// panels[j / nr][p / 4][j % nr][p % 4] = weight[j, p]
/// ```
pub(crate) fn weights(weight: &[i8], (n, k): (usize, usize), nr: usize, pool: &Pool) -> Buffer<i8> {
    let (panels, len) = (n.div_ceil(nr), k.div_ceil(4) * 4 * nr);
    let mut packed = Buffer::<i8>::zeros(panels * len);
    let matrix = MatrixMut { values: &mut packed[..], rows: panels, cols: len, stride: len };
    for_each_tile(matrix, (1, len.max(1)), pool, |panel, _, mut tile| {
        let to = tile.row(0);
        for (j, row) in (panel * nr..n.min((panel + 1) * nr)).enumerate() {
            let row = &weight[row * k..(row + 1) * k];
            for (quad, from) in row.chunks(4).enumerate() {
                to[(quad * nr + j) * 4..][..from.len()].copy_from_slice(from);
            }
        }
    });
    packed
}

/// `Σ_p weight[j, p]` for each row, modulo 2³².
pub(crate) fn row_sums(weight: &[i8], n: usize, k: usize) -> impl Iterator<Item = i32> + '_ {
    (0..n).map(move |j| weight[j * k..(j + 1) * k].iter().fold(0i32, |sum, &w| sum.wrapping_add(i32::from(w))))
}

/// `Σ weight[j, p] · weight[j, p + 1]` over even `p` for each row, modulo 2³².
pub(crate) fn neighbors(weight: &[i8], n: usize, k: usize) -> impl Iterator<Item = i32> + '_ {
    (0..n).map(move |j| {
        let pairs = weight[j * k..(j + 1) * k].as_chunks::<2>().0;
        pairs.iter().fold(0i32, |sum, &[w0, w1]| sum.wrapping_add(i32::from(w0) * i32::from(w1)))
    })
}

/// How activations are laid out for a way to multiply; see `products.rs`. `W` words a quad.
pub(crate) trait Layout<T, const W: usize> {
    /// The words of one quad.
    fn words(quad: [T; 4]) -> [i32; W];
}

/// Two words a quad: the 16-bit numbers 0 and 2, then 1 and 3.
pub(crate) struct Pairs;
/// Two words a quad: the low halves of the bytes, then the high halves.
pub(crate) struct Nibbles;
/// One word a quad: the bytes.
pub(crate) struct Bytes;

/// Two 16-bit numbers in one word, the first in the low half.
#[inline(always)]
fn pair(low: i32, high: i32) -> i32 {
    (low & 0xffff) | (high << 16)
}

impl Layout<i8, 2> for Pairs {
    #[inline(always)]
    fn words(quad: [i8; 4]) -> [i32; 2] {
        let word = i32::from_le_bytes(quad.map(|x| x as u8));
        [pair((word << 24) >> 24, (word << 8) >> 24), pair((word << 16) >> 24, word >> 24)]
    }
}

impl Layout<u8, 2> for Pairs {
    #[inline(always)]
    fn words(quad: [u8; 4]) -> [i32; 2] {
        let word = i32::from_le_bytes(quad);
        [word & 0x00ff_00ff, (word >> 8) & 0x00ff_00ff]
    }
}

impl Layout<i16, 2> for Pairs {
    #[inline(always)]
    fn words(quad: [i16; 4]) -> [i32; 2] {
        let [a, b, c, d] = quad.map(i32::from);
        [pair(a, c), pair(b, d)]
    }
}

/// Bytes 0..=255: unsigned ones as they are, signed ones with 128 added, which the start values take back.
impl Layout<u8, 1> for Bytes {
    #[inline(always)]
    fn words(quad: [u8; 4]) -> [i32; 1] {
        [i32::from_le_bytes(quad)]
    }
}

impl Layout<i8, 1> for Bytes {
    #[inline(always)]
    fn words(quad: [i8; 4]) -> [i32; 1] {
        [i32::from_le_bytes(quad.map(|x| x as u8 ^ 0x80))]
    }
}

impl<T> Layout<T, 2> for Nibbles
where
    Bytes: Layout<T, 1>,
{
    #[inline(always)]
    fn words(quad: [T; 4]) -> [i32; 2] {
        let [word] = <Bytes as Layout<T, 1>>::words(quad);
        [word & 0x0f0f_0f0f, (word >> 4) & 0x0f0f_0f0f]
    }
}

/// Activations as rows of `k` elements without gaps.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, T> {
    pub values: &'a [T],
    pub rows: usize,
    pub k: usize,
}

/// Memory for activations as words; it grows to the largest call and is then reused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    /// The words of all rows.
    pub words: Buffer<i32>,
    /// Of windows: where the words of a row start.
    pub starts: Buffer<usize>,
    /// Of windows: the term of each row, where there are terms.
    pub terms: Buffer<i32>,
    /// Of windows: maps with what is around them.
    pub padded: Buffer<u8>,
    /// Of windows: the words of each row for itself.
    pub rows: Buffer<i32>,
}

impl Scratch {
    /// Writes the words of `rows` windows as rows [`stride`] apart, without a term.
    pub(crate) fn spread(&mut self, rows: usize, words: usize) {
        let stride = stride(words);
        self.rows.grow(rows * stride);
        for (to, start) in self.rows.chunks_exact_mut(stride).zip(&self.starts[..rows]) {
            to[..words].copy_from_slice(&self.words[*start..][..words]);
            to[words] = 0;
        }
    }
}

/// What is subtracted from all sums of a row.
#[derive(Clone, Copy, Default)]
pub(crate) struct Term {
    /// This many times the sum of the row.
    pub weight_zero_point: i32,
    /// The products of neighbors: see [`crossed`](super::products::crossed).
    pub neighbors: bool,
}

/// Words from one row to the next, for `words` words and one for the row's term.
///
/// An odd number of cache lines: rows a power of two apart would fall into the same few places of the first-level cache,
/// which halves the speed (measured with rows of 2048 bytes on Zen 3: 0.9 products a cycle, 1.6 with rows of 2112).
pub(crate) fn stride(words: usize) -> usize {
    ((words + 1).div_ceil(16) | 1) * 16
}

impl<T: Copy + Default + Sync + Into<i32>> Rows<'_, T> {
    /// Writes every row as words, `words[row][quad][W]`, then its term; beyond the last of `k` activations count as zero.
    pub(crate) fn words<L, const W: usize>(self, isa: Isa, scratch: &mut Scratch, term: Term, pool: &Pool)
    where
        L: Layout<T, W>,
    {
        let (words, stride) = (&mut scratch.words, stride(self.k.div_ceil(4) * W));
        words.grow(self.rows * stride);
        let matrix = MatrixMut { values: &mut words[..self.rows * stride], rows: self.rows, cols: stride, stride };
        // At least 32 Ki numbers a task: fewer take less time than waking a thread.
        let few = (1usize << 15).div_ceil(self.k.max(1)).max(self.rows.div_ceil(16));
        for_each_tile(matrix, (few, stride), pool, |row, _, tile| {
            isa.run_int(Convert::<T, L, W> { from: self, row, tile, term, layout: PhantomData });
        });
    }
}

struct Convert<'a, 'b, T, L, const W: usize> {
    from: Rows<'a, T>,
    row: usize,
    tile: TileMut<'b, i32>,
    term: Term,
    layout: PhantomData<L>,
}

impl<T, L: Layout<T, W>, const W: usize> VectorizedInt for Convert<'_, '_, T, L, W>
where
    T: Copy + Default + Into<i32>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: SimdInt>(mut self, _: S) {
        for row in 0..self.tile.rows() {
            let from = &self.from.values[(self.row + row) * self.from.k..][..self.from.k];
            let to = self.tile.row(row);
            let (quads, rest) = from.as_chunks::<4>();
            let len = quads.len() + usize::from(!rest.is_empty());
            to[len * W] = self.term.of(from);
            let to = &mut to.as_chunks_mut::<W>().0[..len];
            for q in 0..quads.len() {
                to[q] = L::words(quads[q]);
            }
            if !rest.is_empty() {
                let mut quad = [T::default(); 4];
                quad[..rest.len()].copy_from_slice(rest);
                to[quads.len()] = L::words(quad);
            }
        }
    }
}

impl Term {
    /// The term of one row, modulo 2³².
    #[inline(always)]
    pub(crate) fn of<T: Copy + Into<i32>>(self, row: &[T]) -> i32 {
        let mut term = 0i32;
        if self.neighbors {
            for &[x0, x1] in row.as_chunks::<2>().0 {
                term = term.wrapping_sub(x0.into().wrapping_mul(x1.into()));
            }
        }
        if self.weight_zero_point != 0 {
            let mut sum = 0i32;
            for &x in row {
                sum = sum.wrapping_add(x.into());
            }
            term = term.wrapping_sub(sum.wrapping_mul(self.weight_zero_point));
        }
        term
    }
}
