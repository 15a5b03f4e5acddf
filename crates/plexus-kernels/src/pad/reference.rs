//! The definition: one number after the other.

use super::{Border, Pad};

/// The place in a map of `size` that place `at` shows, counted from its first pixel; `None` where it is none.
fn source(border: Border, at: i64, size: i64) -> Option<i64> {
    match border {
        _ if (0..size).contains(&at) => Some(at),
        Border::Constant(_) => None,
        Border::Replicate => Some(at.clamp(0, size - 1)),
        Border::Reflect => Some(if at < 0 { -at } else { 2 * (size - 1) - at }),
    }
}

/// For each number of the output the index of the number of the input that it shows.
fn sources(sizes: &Pad, batch: usize) -> Vec<Option<usize>> {
    let &Pad { height, width, channels, sides: [top, left, bottom, right], border } = sizes;
    let mut all = Vec::new();
    for n in 0..batch {
        for y in 0..height + top + bottom {
            for x in 0..width + left + right {
                for c in 0..channels {
                    let row = source(border, y as i64 - top as i64, height as i64);
                    let col = source(border, x as i64 - left as i64, width as i64);
                    let at =
                        |(row, col): (i64, i64)| ((n * height + row as usize) * width + col as usize) * channels + c;
                    all.push(row.zip(col).map(at));
                }
            }
        }
    }
    all
}

/// See [`pad`](super::pad).
pub fn pad(sizes: &Pad, batch: usize, input: &[f32]) -> Vec<f32> {
    let value = if let Border::Constant(value) = sizes.border { value } else { 0.0 };
    sources(sizes, batch).into_iter().map(|from| from.map_or(value, |at| input[at])).collect()
}

/// See [`pad_backward`](super::pad_backward).
pub fn pad_backward(sizes: &Pad, batch: usize, grad_output: &[f32]) -> Vec<f64> {
    let mut grad_input = vec![0.0; batch * sizes.height * sizes.width * sizes.channels];
    for (from, grad) in sources(sizes, batch).into_iter().zip(grad_output) {
        if let Some(at) = from {
            grad_input[at] += f64::from(*grad);
        }
    }
    grad_input
}
