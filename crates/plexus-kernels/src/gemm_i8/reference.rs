//! The definition: plain loops straight from the formulas, never tuned.

use super::Offsets;

/// `sums[i, j] = bias[j] + Σ_p (x[i, p] - x_zero) · (w[j, p] - w_zero)`, modulo 2³².
///
/// # Shapes
/// - `x`: `[m, k]`
/// - `w`: `[n, k]`
/// - `bias`: `[n]`
pub fn sums<X: Copy + Into<i32>, W: Copy + Into<i32>>(
    x: &[X],
    w: &[W],
    bias: Option<&[i32]>,
    k: usize,
    n: usize,
    offsets: Offsets,
) -> Vec<i32> {
    let m = x.len().checked_div(k).unwrap_or(0);
    let mut sums = Vec::with_capacity(m * n);
    for i in 0..m {
        for j in 0..n {
            let mut sum = bias.map_or(0, |bias| bias[j]);
            for p in 0..k {
                let x = x[i * k + p].into().wrapping_sub(offsets.input_zero_point);
                let w = w[j * k + p].into().wrapping_sub(offsets.weight_zero_point);
                sum = sum.wrapping_add(x.wrapping_mul(w));
            }
            sums.push(sum);
        }
    }
    sums
}

/// `sums[i, j] = bias[j] + Σ_p x[i, p] · w[j, p]`, exact as long as it fits into 64 bits.
///
/// # Shapes
/// As [`sums`].
pub fn wide_sums<X: Copy + Into<i64>, W: Copy + Into<i64>>(
    x: &[X],
    w: &[W],
    bias: Option<&[i64]>,
    k: usize,
    n: usize,
) -> Vec<i64> {
    let m = x.len().checked_div(k).unwrap_or(0);
    let mut sums = Vec::with_capacity(m * n);
    for i in 0..m {
        for j in 0..n {
            let mut sum = bias.map_or(0, |bias| bias[j]);
            for p in 0..k {
                sum = sum.wrapping_add(x[i * k + p].into() * w[j * k + p].into());
            }
            sums.push(sum);
        }
    }
    sums
}
