//! The way back through 2 x 2 max pooling.

use crate::isa::{Isa, Simd, Vectorized};
use crate::map::pieces::{self, Rows};
use crate::map::{self, Function, Saved};
use crate::threads::Pool;

/// The arguments of [`unpool_two`].
#[derive(Debug)]
pub struct UnpoolTwo<'a> {
    /// Number of samples.
    pub batch: usize,
    /// Channels of the maps.
    pub channels: usize,
    /// Rows of the full map.
    pub height: usize,
    /// Columns of the full map.
    pub width: usize,
    /// `[batch, height / 2, width / 2, channels]`, halves rounded down.
    pub grad_pooled: &'a [f32],
    /// As `grad_pooled`: where in its window each number was, 0 to 3, row-major.
    pub positions: &'a [u8],
    /// The function before the pooling and the pooled output, as `grad_pooled`: the gradient is multiplied by the
    /// derivative, which follows from the output ([`Function::derivative_from_output`]).
    pub activation: Option<(Function, &'a [f32])>,
    /// `[batch, height, width, channels]`, overwritten: zero where nothing was chosen.
    pub grad_full: &'a mut [f32],
}

/// Spreads the gradient of pooled maps to the places that were chosen.
///
/// ```text
/// grad_full[n, 2y + p / 2, 2x + p mod 2, c] = grad_pooled[n, y, x, c] · f'   where p = positions[n, y, x, c], else 0
/// ```
///
/// # Panics
/// Where the lengths disagree, or the function needs its input.
pub fn unpool_two(call: UnpoolTwo<'_>, pool: &Pool) {
    unpool_two_on(Isa::selected(), call, pool);
}

/// [`unpool_two`] on a given instruction set.
pub fn unpool_two_on(isa: Isa, call: UnpoolTwo<'_>, pool: &Pool) {
    let UnpoolTwo { batch, channels, height, width, grad_pooled, positions, activation, grad_full } = call;
    let (rows, cols) = (height / 2, width / 2);
    assert_eq!(grad_pooled.len(), batch * rows * cols * channels, "a gradient for each pooled number");
    assert_eq!(positions.len(), grad_pooled.len(), "a position for each pooled number");
    assert_eq!(grad_full.len(), batch * height * width * channels, "batch · height · width · channels");
    if let Some((function, output)) = activation {
        assert!(function.derivative_from_output(), "{} needs its input", function.name());
        assert_eq!(output.len(), grad_pooled.len(), "one output for each gradient");
    }
    let (full, pooled) = (height * width * channels, rows * cols * channels);
    if full == 0 {
        return;
    }
    pieces::for_each(pool, full, Rows(grad_full, full), |first, grad_full| {
        for (at, grad_full) in grad_full.0.chunks_exact_mut(full).enumerate() {
            let part = (first + at) * pooled..(first + at + 1) * pooled;
            let (grad_pooled, positions) = (&grad_pooled[part.clone()], &positions[part.clone()]);
            let activation = activation.map(|(function, output)| (function, &output[part]));
            if height % 2 == 1 || width % 2 == 1 {
                grad_full.fill(0.0);
            }
            isa.run(Sample { channels, cols, row: width * channels, grad_pooled, positions, activation, grad_full });
        }
    });
}

/// Elements of the pooled map that are prepared together: 4 KiB, which stay in the first level of cache.
const CHUNK: usize = 1024;

/// The most lanes of any instruction set.
const LANES: usize = 16;

/// One sample.
struct Sample<'a> {
    channels: usize,
    /// Columns of the pooled map.
    cols: usize,
    /// Elements of a row of the full map.
    row: usize,
    grad_pooled: &'a [f32],
    positions: &'a [u8],
    activation: Option<(Function, &'a [f32])>,
    grad_full: &'a mut [f32],
}

impl Vectorized for Sample<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        // Vectors beyond the last element are loaded whole.
        let (mut numbers, mut grads) = ([0.0f32; CHUNK + LANES], [0.0f32; CHUNK + LANES]);
        // A chunk is whole pixels, or a part of one.
        let chunk = if self.channels <= CHUNK { CHUNK / self.channels * self.channels } else { CHUNK };
        let mut start = 0;
        while start < self.grad_pooled.len() {
            let end = if self.channels <= CHUNK {
                self.grad_pooled.len().min(start + chunk)
            } else {
                (start + chunk).min((start / self.channels + 1) * self.channels)
            };
            let len = end - start;
            for (number, &position) in numbers[..len].iter_mut().zip(&self.positions[start..end]) {
                *number = f32::from(position);
            }
            let grad = &self.grad_pooled[start..end];
            match self.activation {
                None => grads[..len].copy_from_slice(grad),
                Some((function, output)) => {
                    let saved = Saved::Output(&output[start..end]);
                    map::backward(
                        function,
                        saved,
                        grad,
                        &mut grads[..len],
                        &crate::Context::new(S::ISA, Pool::single()),
                    );
                }
            }
            s.run(Chunk { sample: &mut self, start, len, numbers: &numbers, grads: &grads });
            start = end;
        }
    }
}

/// A part of a sample.
struct Chunk<'a, 'b> {
    sample: &'b mut Sample<'a>,
    start: usize,
    len: usize,
    numbers: &'b [f32; CHUNK + LANES],
    grads: &'b [f32; CHUNK + LANES],
}

impl Vectorized for Chunk<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Chunk { sample, start, len, numbers, grads } = self;
        let (channels, row) = (sample.channels, sample.row);
        let (first, c) = (start / channels, start % channels);
        let (mut y, mut x) = (first / sample.cols, first % sample.cols);
        let mut at = 0;
        while at < len {
            // Only the first pixel of a chunk may begin inside, and then it is the only one.
            let count = (channels - c).min(len - at);
            let corner = 2 * y * row + 2 * x * channels + c;
            let (upper, lower) = sample.grad_full[corner..].split_at_mut(row);
            let (upper, lower) = (&mut upper[..channels + count], &mut lower[..channels + count]);
            for c in (0..count).step_by(S::LEN) {
                let (number, grad) = (s.load(&numbers[at + c..]), s.load(&grads[at + c..]));
                let lanes = S::LEN.min(count - c);
                let none = s.splat(0.0);
                // No closure: it would not have the instructions.
                let a = s.select(s.eq(number, s.splat(0.0)), grad, none);
                let b = s.select(s.eq(number, s.splat(1.0)), grad, none);
                let d = s.select(s.eq(number, s.splat(2.0)), grad, none);
                let e = s.select(s.eq(number, s.splat(3.0)), grad, none);
                if lanes == S::LEN {
                    s.store(a, &mut upper[c..]);
                    s.store(b, &mut upper[channels + c..]);
                    s.store(d, &mut lower[c..]);
                    s.store(e, &mut lower[channels + c..]);
                } else {
                    s.store_part(a, &mut upper[c..c + lanes]);
                    s.store_part(b, &mut upper[channels + c..channels + c + lanes]);
                    s.store_part(d, &mut lower[c..c + lanes]);
                    s.store_part(e, &mut lower[channels + c..channels + c + lanes]);
                }
            }
            at += count;
            x += 1;
            if x == sample.cols {
                (y, x) = (y + 1, 0);
            }
        }
    }
}
