//! The definition: plain loops over the parts, sums in f64.

use super::Parts;
use crate::view::View;

/// `c = f(start + Σ_p a ⊙ b + bias)` with `start` the values in `c` where `accumulate`, for finite operands.
///
/// # Shapes
/// - `a`: `[m, k]`, `b`: `[k, n]`, `bias`: `[n]`, `c`: `[m, n]`, row-major
pub fn gemm_bf16(
    a: View<'_>,
    b: View<'_>,
    parts: Parts,
    bias: Option<&[f32]>,
    function: impl Fn(f64) -> f64,
    c: &mut [f64],
    accumulate: bool,
) {
    let (m, n, k) = (a.rows(), b.cols(), a.cols());
    for i in 0..m {
        for j in 0..n {
            let mut sum = if accumulate { c[i * n + j] } else { 0.0 };
            for p in 0..k {
                let ([x, x_low], [w, w_low]) = (split(element(a, i, p)), split(element(b, p, j)));
                sum += x * w;
                if parts == Parts::Two {
                    sum += x_low * w + x * w_low;
                }
            }
            c[i * n + j] = function(sum + bias.map_or(0.0, |bias| f64::from(bias[j])));
        }
    }
}

/// The two bfloat16 nearest to a finite number: to itself, to what is left.
fn split(x: f32) -> [f64; 2] {
    let high = nearest(f64::from(x));
    [high, nearest(f64::from(x) - high)]
}

/// The bfloat16 nearest to `x`, ties to even: eight bits, an exponent of at least -126; the largest one at most.
fn nearest(x: f64) -> f64 {
    const LARGEST: f64 = 255.0 * (1u128 << 120) as f64;
    if x == 0.0 {
        return x;
    }
    let exponent = ((x.to_bits() >> 52 & 0x7FF) as i32 - 1023).max(-126);
    let unit = 2f64.powi(exponent - 7);
    ((x / unit).round_ties_even() * unit).clamp(-LARGEST, LARGEST)
}

fn element(view: View<'_>, row: usize, col: usize) -> f32 {
    let (values, row_stride, col_stride) = view.parts();
    values[row * row_stride + col * col_stride]
}
