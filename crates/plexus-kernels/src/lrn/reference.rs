//! The definition: plain loops in f64.

use super::Window;
use std::ops::Range;

/// The channels around one.
fn channels_around(window: &Window, c: usize, channels: usize) -> Range<usize> {
    let (before, after) = ((window.size - 1) / 2, window.size / 2);
    c.saturating_sub(before)..(c + after + 1).min(channels)
}

/// `s` of one channel of a pixel.
fn scale(window: &Window, x: &[f32], c: usize) -> f64 {
    let squares: f64 = channels_around(window, c, x.len()).map(|j| f64::from(x[j]).powi(2)).sum();
    f64::from(window.k) + f64::from(window.alpha) * squares
}

/// See [`lrn`](super::lrn).
pub fn lrn(window: &Window, channels: usize, input: &[f32]) -> Vec<f64> {
    let rows = input.chunks_exact(channels);
    let normal = |x: &[f32], c: usize| f64::from(x[c]) * scale(window, x, c).powf(-f64::from(window.beta));
    rows.flat_map(|x| (0..channels).map(move |c| normal(x, c))).collect()
}

/// See [`lrn_backward`](super::lrn_backward).
pub fn lrn_backward(window: &Window, channels: usize, input: &[f32], grad_output: &[f32]) -> Vec<f64> {
    let (alpha, beta) = (f64::from(window.alpha), f64::from(window.beta));
    let mut grad_input = vec![0.0; input.len()];
    for (row, (x, g)) in input.chunks_exact(channels).zip(grad_output.chunks_exact(channels)).enumerate() {
        for c in 0..channels {
            // Through the numerator, and through every square that is in this channel's sum.
            let (s, g, value) = (scale(window, x, c), f64::from(g[c]), f64::from(x[c]));
            grad_input[row * channels + c] += g * s.powf(-beta);
            for j in channels_around(window, c, channels) {
                let slope = value * -beta * s.powf(-beta - 1.0) * alpha * 2.0 * f64::from(x[j]);
                grad_input[row * channels + j] += g * slope;
            }
        }
    }
    grad_input
}
