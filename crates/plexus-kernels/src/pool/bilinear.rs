//! Maps enlarged by a whole factor with straight lines between their pixels, and the way back.

use super::largest::{load, store};
use crate::Context;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces::{self, Rows};

/// Two neighbors along one axis, and how much of each.
#[derive(Clone, Copy)]
struct Between {
    first: usize,
    second: usize,
    of_first: f32,
    of_second: f32,
}

impl Between {
    /// What a place of the output is made of. Pixels are squares: the centers of both maps are brought together, and beyond the
    /// outermost centers the map is flat.
    #[inline(always)]
    fn new(at: usize, factor: usize, size: usize) -> Self {
        // (at + 1/2) / factor - 1/2, in whole numbers over 2 · factor.
        let place = (2 * at + 1).saturating_sub(factor);
        let (first, rest) = (place / (2 * factor), place % (2 * factor));
        let of_second = rest as f32 / (2 * factor) as f32;
        Between { first, second: (first + 1).min(size - 1), of_first: 1.0 - of_second, of_second }
    }
}

/// Enlarges maps by a whole factor: what is between the centers of pixels is interpolated along rows and columns.
///
/// ```text
/// output[n, y, x, c] = Σ over the two nearest rows r and columns q of  weight(y, r) · weight(x, q) · input[n, r, q, c]
/// ```
///
/// # Shapes
/// - `size`: batch, height, width, channels of the input
/// - `input`: `[batch, height, width, channels]`
/// - `output`: `[batch, factor · height, factor · width, channels]`, overwritten
///
/// # Panics
/// Where the lengths disagree.
///
/// # Source
/// As PyTorch's `interpolate` in the mode `bilinear` with `align_corners=False`.
pub fn upsample_bilinear(size: [usize; 4], factor: usize, input: &[f32], output: &mut [f32], context: &Context) {
    let [batch, height, width, channels] = size;
    assert_eq!(input.len(), batch * height * width * channels, "batch · height · width · channels");
    assert_eq!(output.len(), input.len() * factor * factor, "factor² as many");
    if output.is_empty() {
        return;
    }
    let (rows, wide) = (factor * height, factor * width * channels);
    pieces::for_each(context.pool(), 4 * wide, Rows(output, wide), |first, Rows(output, _)| {
        for (at, output) in output.chunks_exact_mut(wide).enumerate() {
            let (n, y) = ((first + at) / rows, (first + at) % rows);
            let down = Between::new(y, factor, height);
            let row = |row: usize| &input[(n * height + row) * width * channels..][..width * channels];
            let lines = [row(down.first), row(down.second)];
            context.isa().run(Row { lines, down, factor, channels, output });
        }
    });
}

/// One row of the output.
struct Row<'a> {
    lines: [&'a [f32]; 2],
    down: Between,
    factor: usize,
    channels: usize,
    output: &'a mut [f32],
}

impl Vectorized for Row<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Row { lines: [above, below], down, factor, channels, output } = self;
        let width = above.len() / channels;
        let whole = channels / S::LEN * S::LEN;
        let (of_above, of_below) = (s.splat(down.of_first), s.splat(down.of_second));
        for (x, output) in output.chunks_exact_mut(channels).enumerate() {
            let across = Between::new(x, factor, width);
            let (of_left, of_right) = (s.splat(across.of_first), s.splat(across.of_second));
            let (left, right) = (across.first * channels, across.second * channels);
            for c in (0..channels).step_by(S::LEN) {
                let lanes = if c < whole { S::LEN } else { channels - whole };
                let line = |line: &[f32]| {
                    let (left, right) = (load(s, line, left + c, lanes), load(s, line, right + c, lanes));
                    s.mul_add(right, of_right, s.mul(left, of_left))
                };
                let value = s.mul_add(line(below), of_below, s.mul(line(above), of_above));
                store(s, value, &mut output[c..c + lanes]);
            }
        }
    }
}

/// The gradient of [`upsample_bilinear`]: each pixel gets its share of all that were made of it.
///
/// # Shapes
/// - `size`: batch, height, width, channels of the input
/// - `grad_output`: `[batch, factor · height, factor · width, channels]`
/// - `grad_input`: `[batch, height, width, channels]`, overwritten
///
/// # Numerics
/// Sums are f32, row by row.
///
/// # Panics
/// Where the lengths disagree.
pub fn upsample_bilinear_backward(
    size: [usize; 4],
    factor: usize,
    grad_output: &[f32],
    grad_input: &mut [f32],
    context: &Context,
) {
    let [batch, height, width, channels] = size;
    assert_eq!(grad_input.len(), batch * height * width * channels, "batch · height · width · channels");
    assert_eq!(grad_output.len(), grad_input.len() * factor * factor, "factor² as many");
    if grad_input.is_empty() {
        return;
    }
    let (rows, wide) = (factor * height, factor * width * channels);
    pieces::for_each(context.pool(), 8 * wide, Rows(grad_input, width * channels), |first, Rows(grad_input, _)| {
        for (at, to) in grad_input.chunks_exact_mut(width * channels).enumerate() {
            let (n, row) = ((first + at) / height, (first + at) % height);
            to.fill(0.0);
            // The rows of the output that lie between this row and its neighbors.
            for y in (row * factor).saturating_sub(factor)..rows.min((row + 2) * factor) {
                let down = Between::new(y, factor, height);
                let mut share = 0.0;
                if down.first == row {
                    share += down.of_first;
                }
                if down.second == row {
                    share += down.of_second;
                }
                if share > 0.0 {
                    let from = &grad_output[(n * rows + y) * wide..][..wide];
                    context.isa().run(RowBackward { from, share, factor, channels, to });
                }
            }
        }
    });
}

/// What one row of the output gives to one of the input.
struct RowBackward<'a> {
    from: &'a [f32],
    share: f32,
    factor: usize,
    channels: usize,
    to: &'a mut [f32],
}

impl Vectorized for RowBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let RowBackward { from, share, factor, channels, to } = self;
        let width = to.len() / channels;
        let whole = channels / S::LEN * S::LEN;
        for (x, from) in from.chunks_exact(channels).enumerate() {
            let across = Between::new(x, factor, width);
            for (col, of) in [(across.first, across.of_first), (across.second, across.of_second)] {
                let of = s.splat(share * of);
                for c in (0..channels).step_by(S::LEN) {
                    let lanes = if c < whole { S::LEN } else { channels - whole };
                    let at = col * channels + c;
                    let sum = s.mul_add(load(s, from, c, lanes), of, load(s, to, at, lanes));
                    store(s, sum, &mut to[at..at + lanes]);
                }
            }
        }
    }
}
