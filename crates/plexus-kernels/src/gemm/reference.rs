//! The definition: plain loops, sums in f64.

use super::View;

/// `c = f(start + a · b + bias)` with `start` the values in `c` where `accumulate`.
///
/// # Shapes
/// - `a`: `[m, k]`, `b`: `[k, n]`, `bias`: `[n]`, `c`: `[m, n]`, row-major
pub fn gemm(
    a: View<'_>,
    b: View<'_>,
    bias: Option<&[f32]>,
    function: impl Fn(f64) -> f64,
    c: &mut [f64],
    accumulate: bool,
) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    for i in 0..m {
        for j in 0..n {
            let mut sum = if accumulate { c[i * n + j] } else { 0.0 };
            for p in 0..k {
                sum += f64::from(element(a, i, p)) * f64::from(element(b, p, j));
            }
            c[i * n + j] = function(sum + bias.map_or(0.0, |bias| f64::from(bias[j])));
        }
    }
}

/// `Σ_p |a[i, p]| |b[p, j]|`: what the error bound of a product is measured in.
pub fn magnitude(a: View<'_>, b: View<'_>, i: usize, j: usize) -> f64 {
    (0..a.cols).map(|p| f64::from(element(a, i, p)).abs() * f64::from(element(b, p, j)).abs()).sum()
}

fn element(view: View<'_>, row: usize, col: usize) -> f32 {
    view.values[row * view.row_stride + col * view.col_stride]
}
