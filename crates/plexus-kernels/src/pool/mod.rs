//! Pooling of maps: the largest or the mean of each window, and the way back.
//!
//! ```text
//! max:   output[n, y, x, c] = the largest  input[n, r, q, c]   over the window
//! mean:  output[n, y, x, c] = Σ            input[n, r, q, c] / divisor
//!        r = y·s0 + i·d0 - top,   q = x·s1 + j·d1 - left,   only where they are inside the map
//! ```
//! `i`, `j` run over the window, `s` is the stride, `d` the dilation, `top` and `left` the padding.
//!
//! # Shapes
//! Maps are channels-last and dense: `input` is `[batch, height, width, channels]`, `output` `[batch, out height, out width,
//! channels]` with the sizes of [`Window::output`]. Any alignment, no overlaps. A batch of zero does nothing.
//!
//! # Numerics
//! The largest is exact: the first of equal numbers, and a NaN before every number (of several NaN the last), as PyTorch
//! chooses. Sums are f32 in the order of the window, row-major; those of a whole map row by row. NaN and infinities go
//! through. A window with nothing inside the map has the largest `-∞`, the position `u32::MAX` and the mean 0. Results do
//! not depend on the batch or the number of threads.
//!
//! Whole numbers have the same windows: [`max_pool_integers`], [`avg_pool_integers`]. They are exact.

mod adaptive;
mod average;
mod bilinear;
mod integer;
mod largest;
pub mod reference;
mod upsample;
mod window;

pub use adaptive::{Bins, adaptive_avg_pool, adaptive_avg_pool_backward};
pub use average::{AvgPool, AvgPoolBackward, avg_pool, avg_pool_backward, global_avg_pool, global_avg_pool_backward};
pub use bilinear::{upsample_bilinear, upsample_bilinear_backward};
pub use integer::{Integer, Mean, avg_pool_integers, max_pool_integers};
pub use largest::{MaxPool, MaxPoolBackward, max_pool, max_pool_backward};
pub use upsample::{upsample, upsample_backward};
pub use window::Window;

/// Checks the lengths of a map and of what was pooled, and returns the size of the output.
fn check(window: &Window, batch: usize, input: usize, output: usize) -> [usize; 2] {
    let size = window.output().expect("the window fits the padded map");
    assert_eq!(Some(input), window.input_len().checked_mul(batch), "batch · height · width · channels");
    assert_eq!(Some(output), window.output_len().checked_mul(batch), "batch · out height · out width · channels");
    size
}

#[cfg(test)]
mod tests;
