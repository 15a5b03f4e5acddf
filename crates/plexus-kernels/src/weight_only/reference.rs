//! The definition: plain loops, sums in f64.

/// `c = f(a · b + bias)` on unpacked weights.
///
/// # Shapes
/// - `a`: `[m, k]`, `weight`: `[n, k]` as [`Packed::unpack`](super::Packed::unpack) gives it, `bias`: `[n]`
/// - result: `[m, n]`
pub fn multiply(
    (m, n, k): (usize, usize, usize),
    a: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    function: impl Fn(f64) -> f64,
) -> Vec<f64> {
    let mut c = Vec::with_capacity(m * n);
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0;
            for p in 0..k {
                sum += f64::from(a[i * k + p]) * f64::from(weight[j * k + p]);
            }
            c.push(function(sum + bias.map_or(0.0, |bias| f64::from(bias[j]))));
        }
    }
    c
}
