//! Sums down the columns of a matrix of terms: the shape of bias gradients and of the statistics of batch norm.

use crate::isa::{Isa, Simd, Vectorized};
use crate::map::pieces::{self, Rows};
use crate::threads::Pool;

/// Columns of one block: 1 KiB of sums, which stay in the first level of cache.
pub(crate) const BLOCK: usize = 256;

/// `N` matrices whose columns are summed together, computed where they are needed.
pub(crate) trait Terms<const N: usize>: Sync {
    /// The elements of row `row` from column `col` on; `lanes` of them exist.
    fn at<S: Simd>(&self, s: S, row: usize, col: usize, lanes: usize) -> [S::F; N];
}

/// `lanes` elements from `at` on, which is the constant `S::LEN` wherever speed matters; zero beyond.
#[inline(always)]
pub(crate) fn load<S: Simd>(s: S, values: &[f32], at: usize, lanes: usize) -> S::F {
    if lanes == S::LEN { s.load(&values[at..at + S::LEN]) } else { s.load_part(&values[at..at + lanes], 0.0) }
}

/// Writes as many lanes as there are elements.
#[inline(always)]
pub(crate) fn store<S: Simd>(s: S, v: S::F, to: &mut [f32]) {
    if to.len() == S::LEN { s.store(v, to) } else { s.store_part(v, to) }
}

/// As [`load`], of a vector that may be missing.
#[inline(always)]
pub(crate) fn load_or<S: Simd>(s: S, values: Option<&[f32]>, at: usize, lanes: usize, missing: f32) -> S::F {
    match values {
        Some(values) => load(s, values, at, lanes),
        None => s.splat(missing),
    }
}

/// Adds the sum of every column: `sums[t][j] += Σ_i terms[t][i, j]`.
///
/// Rows are added in groups of four, groups in order up to 64 rows (one piece), pieces pairwise.
pub(crate) fn add<const N: usize>(
    isa: Isa,
    (rows, cols): (usize, usize),
    terms: &impl Terms<N>,
    sums: [&mut [f32]; N],
    pool: &Pool,
) {
    assert!(sums.iter().all(|sums| sums.len() == cols), "one sum for each column");
    if rows == 0 || cols == 0 {
        return;
    }
    let blocks = sums.map(|sums| Rows(sums, BLOCK));
    pieces::for_each(pool, rows * BLOCK, blocks, |first, blocks| {
        // A piece is one block, because the width is at least that of a piece, or several where there are few rows.
        let mut blocks = blocks.map(|Rows(sums, _)| sums);
        let len = blocks[0].len();
        for start in (0..len).step_by(BLOCK) {
            let (col, cols) = (first * BLOCK + start, BLOCK.min(len - start));
            let totals = pieces::reduce(
                pool,
                BLOCK,
                0..rows,
                |_, rows| isa.run(Block { terms, rows, col, cols }),
                |mut a, b| {
                    for (a, b) in a.iter_mut().flatten().zip(b.iter().flatten()) {
                        *a += b;
                    }
                    a
                },
            );
            for (sums, totals) in blocks.iter_mut().zip(&totals) {
                for (sum, total) in sums[start..start + cols].iter_mut().zip(totals) {
                    *sum += total;
                }
            }
        }
    });
}

struct Block<'a, T, const N: usize> {
    terms: &'a T,
    rows: std::ops::Range<usize>,
    col: usize,
    cols: usize,
}

impl<const N: usize, T: Terms<N>> Vectorized for Block<'_, T, N> {
    type Output = [[f32; BLOCK]; N];
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let mut sums = [[0.0; BLOCK]; N];
        let whole = self.cols / S::LEN * S::LEN;
        let mut row = self.rows.start;
        // Four rows at once: a sum is read and written once for four terms.
        while row + 4 <= self.rows.end {
            for at in (0..whole).step_by(S::LEN) {
                let col = self.col + at;
                let a = self.terms.at(s, row, col, S::LEN);
                let b = self.terms.at(s, row + 1, col, S::LEN);
                let c = self.terms.at(s, row + 2, col, S::LEN);
                let d = self.terms.at(s, row + 3, col, S::LEN);
                for t in 0..N {
                    let four = s.add(s.add(a[t], b[t]), s.add(c[t], d[t]));
                    let sum = &mut sums[t][at..at + S::LEN];
                    s.store(s.add(s.load(sum), four), sum);
                }
            }
            row += 4;
        }
        for row in row..self.rows.end {
            for at in (0..whole).step_by(S::LEN) {
                add_to(s, self.terms.at(s, row, self.col + at, S::LEN), &mut sums, at, S::LEN);
            }
        }
        let lanes = self.cols - whole;
        if lanes > 0 {
            for row in self.rows {
                add_to(s, self.terms.at(s, row, self.col + whole, lanes), &mut sums, whole, lanes);
            }
        }
        sums
    }
}

/// Adds one vector of terms to the sums of its columns.
#[inline(always)]
fn add_to<S: Simd, const N: usize>(s: S, terms: [S::F; N], sums: &mut [[f32; BLOCK]; N], at: usize, lanes: usize) {
    for (sums, term) in sums.iter_mut().zip(terms) {
        let sums = &mut sums[at..at + lanes];
        if lanes == S::LEN {
            s.store(s.add(s.load(sums), term), sums);
        } else {
            s.store_part(s.add(s.load_part(sums, 0.0), term), sums);
        }
    }
}
