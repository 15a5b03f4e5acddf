//! Means of a fixed number of windows, whatever the size of the map.

use super::largest::{load, store};
use crate::Context;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces::{self, Rows};

/// The sizes of an adaptive pooling.
///
/// # Examples
/// ```
/// let bins = plexus_kernels::pool::Bins { channels: 1, input: [5, 7], output: [2, 3] };
/// assert_eq!((bins.bin(0, 1), bins.bin(1, 1)), (2..5, 2..5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bins {
    /// Channels of the map.
    pub channels: usize,
    /// Rows and columns of the map.
    pub input: [usize; 2],
    /// Rows and columns of the output.
    pub output: [usize; 2],
}

impl Bins {
    /// The rows (axis 0) or columns (axis 1) of the map that belong to one of the output: from `⌊at · input / output⌋` to
    /// before `⌈(at + 1) · input / output⌉`. Neighbors may share some.
    pub fn bin(&self, axis: usize, at: usize) -> std::ops::Range<usize> {
        let (input, output) = (self.input[axis] as u128, self.output[axis] as u128);
        let (start, end) = (at as u128 * input / output, ((at as u128 + 1) * input).div_ceil(output));
        start as usize..end as usize
    }

    fn input_len(&self) -> usize {
        self.input[0] * self.input[1] * self.channels
    }

    fn output_len(&self) -> usize {
        self.output[0] * self.output[1] * self.channels
    }

    fn check(&self, batch: usize, input: usize, output: usize) {
        assert_eq!(Some(input), self.input_len().checked_mul(batch), "batch · height · width · channels");
        assert_eq!(Some(output), self.output_len().checked_mul(batch), "batch · out height · out width · channels");
    }
}

/// Takes the mean of each [bin](Bins::bin).
///
/// # Shapes
/// - `input`: `[batch, height, width, channels]`
/// - `output`: `[batch, out height, out width, channels]`, overwritten
///
/// # Panics
/// Where the lengths do not fit.
pub fn adaptive_avg_pool(bins: Bins, batch: usize, input: &[f32], output: &mut [f32], context: &Context) {
    bins.check(batch, input.len(), output.len());
    if output.is_empty() {
        return;
    }
    let (rows, len) = (bins.output[0], bins.output[1] * bins.channels);
    let work = bins.input_len().div_ceil(rows).max(len);
    pieces::for_each(context.pool(), work, Rows(output, len), |first, output| {
        for (at, output) in output.0.chunks_exact_mut(len).enumerate() {
            let (n, y) = ((first + at) / rows, (first + at) % rows);
            let input = &input[n * bins.input_len()..][..bins.input_len()];
            context.isa().run(Row { bins: &bins, input, y, output });
        }
    });
}

/// One row of the output.
struct Row<'a> {
    bins: &'a Bins,
    input: &'a [f32],
    y: usize,
    output: &'a mut [f32],
}

impl Vectorized for Row<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Row { bins, input, y, output } = self;
        let (channels, width) = (bins.channels, bins.input[1]);
        let whole = channels / S::LEN * S::LEN;
        let down = bins.bin(0, y);
        for (x, output) in output.chunks_exact_mut(channels).enumerate() {
            let across = bins.bin(1, x);
            let count = s.splat((down.len() * across.len()) as f32);
            for c in (0..channels).step_by(S::LEN) {
                let lanes = if c < whole { S::LEN } else { channels - whole };
                let mut sum = s.splat(0.0);
                for row in down.clone() {
                    for col in across.clone() {
                        sum = s.add(sum, load(s, input, (row * width + col) * channels + c, lanes));
                    }
                }
                store(s, s.div(sum, count), &mut output[c..c + lanes]);
            }
        }
    }
}

/// Gives each element of a [bin](Bins::bin) its share of the gradient.
///
/// # Shapes
/// - `grad_output`: `[batch, out height, out width, channels]`
/// - `grad_input`: `[batch, height, width, channels]`, overwritten
///
/// # Panics
/// Where the lengths do not fit.
pub fn adaptive_avg_pool_backward(
    bins: Bins,
    batch: usize,
    grad_output: &[f32],
    grad_input: &mut [f32],
    context: &Context,
) {
    bins.check(batch, grad_input.len(), grad_output.len());
    if grad_input.is_empty() {
        return;
    }
    let (full, pooled) = (bins.input_len(), bins.output_len());
    pieces::for_each(context.pool(), full.max(pooled), Rows(grad_input, full), |first, grad_input| {
        for (at, grad_input) in grad_input.0.chunks_exact_mut(full).enumerate() {
            let grad_output = &grad_output[(first + at) * pooled..][..pooled];
            context.isa().run(SampleBackward { bins: &bins, grad_output, grad_input });
        }
    });
}

/// One sample of the way back.
struct SampleBackward<'a> {
    bins: &'a Bins,
    grad_output: &'a [f32],
    grad_input: &'a mut [f32],
}

impl Vectorized for SampleBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let SampleBackward { bins, grad_output, grad_input } = self;
        let ([rows, cols], channels, width) = (bins.output, bins.channels, bins.input[1]);
        let whole = channels / S::LEN * S::LEN;
        grad_input.fill(0.0);
        for y in 0..rows {
            let down = bins.bin(0, y);
            for x in 0..cols {
                let across = bins.bin(1, x);
                let count = s.splat((down.len() * across.len()) as f32);
                for c in (0..channels).step_by(S::LEN) {
                    let lanes = if c < whole { S::LEN } else { channels - whole };
                    let share = s.div(load(s, grad_output, (y * cols + x) * channels + c, lanes), count);
                    for row in down.clone() {
                        for col in across.clone() {
                            let at = (row * width + col) * channels + c;
                            let sum = s.add(load(s, grad_input, at, lanes), share);
                            store(s, sum, &mut grad_input[at..at + lanes]);
                        }
                    }
                }
            }
        }
    }
}
