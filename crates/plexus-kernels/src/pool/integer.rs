//! Poolings of whole numbers; the windows and shapes of [`max_pool`](super::max_pool).

// Loops over lanes are written with indices: their bounds are constants, so they become vectors.
#![allow(clippy::needless_range_loop)]

use super::window::Inside;
use super::{Window, check};
use crate::Context;
use crate::buffer::write;
use crate::isa::{SimdInt, VectorizedInt};
use crate::map::pieces::{self, Rows};
use crate::requantize::whole;

/// A whole number of a map.
pub trait Integer: Copy + Ord + Into<i32> + Send + Sync + 'static {
    /// The least.
    const LEAST: Self;
    /// The same number, which fits.
    fn of(mean: i32) -> Self;
}

impl Integer for i8 {
    const LEAST: i8 = i8::MIN;
    fn of(mean: i32) -> i8 {
        mean as i8
    }
}

impl Integer for i16 {
    const LEAST: i16 = i16::MIN;
    fn of(mean: i32) -> i16 {
        mean as i16
    }
}

/// Takes the largest number of each window; the least that there is where nothing of it is inside the map.
///
/// # Panics
/// Where the window has no output, or the lengths do not fit.
///
/// # Examples
/// ```
/// use plexus_kernels::pool::{Window, max_pool_integers};
/// let mut output = [0i8];
/// max_pool_integers(&Window::plain([1, 2, 2], [2, 2]), 1, &[1, 5, -2, 3], &mut output, &plexus_kernels::Context::single());
/// assert_eq!(output, [5]);
/// ```
pub fn max_pool_integers<T: Integer>(window: &Window, batch: usize, input: &[T], output: &mut [T], context: &Context) {
    each_row(window, batch, input, output, context, |input, y, output| {
        context.isa().run_int(MaxRow { window, input, y, output });
    });
}

/// How a mean becomes a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mean {
    /// To the nearest, halves away from zero.
    Rounded,
    /// Towards zero.
    Truncated,
}

impl Mean {
    /// What is added to a sum before the division.
    #[inline(always)]
    fn half(self, positive: bool, count: i64) -> i64 {
        match self {
            Mean::Rounded if positive => count / 2,
            Mean::Rounded => -(count / 2),
            Mean::Truncated => 0,
        }
    }
}

/// Takes the mean of each window, of the numbers that are inside the map; zero where there are none.
///
/// ```text
/// rounded:    (sum > 0 ? sum + count / 2 : sum − count / 2) / count        divisions towards zero
/// truncated:  sum / count
/// ```
///
/// # Panics
/// Where the window has no output, or the lengths do not fit.
///
/// # Examples
/// ```
/// use plexus_kernels::pool::{Mean, Window, avg_pool_integers};
/// let (window, context) = (Window::plain([1, 2, 2], [2, 2]), plexus_kernels::Context::single());
/// let mut output = [0i8];
/// avg_pool_integers(&window, 1, &[1, 5, -2, 3], Mean::Rounded, &mut output, &context);
/// assert_eq!(output, [2]);
/// avg_pool_integers(&window, 1, &[1, 5, -2, 3], Mean::Truncated, &mut output, &context);
/// assert_eq!(output, [1]);
/// ```
pub fn avg_pool_integers<T: Integer>(
    window: &Window,
    batch: usize,
    input: &[T],
    mean: Mean,
    output: &mut [T],
    context: &Context,
) {
    each_row(window, batch, input, output, context, |input, y, output| {
        context.isa().run_int(MeanRow { window, input, y, mean, output });
    });
}

/// Goes through the rows of the output, in parallel: the map, which row, and the row itself.
fn each_row<T: Integer>(
    window: &Window,
    batch: usize,
    input: &[T],
    output: &mut [T],
    context: &Context,
    work: impl Fn(&[T], usize, &mut [T]) + Sync + Send,
) {
    let [rows, cols] = check(window, batch, input.len(), output.len());
    let len = cols * window.channels;
    if output.is_empty() {
        return;
    }
    let work_of_row = len * window.kernel[0] * window.kernel[1];
    pieces::for_each(context.pool(), work_of_row, Rows(output, len), |first, output| {
        for (at, output) in output.0.chunks_exact_mut(len).enumerate() {
            let (n, y) = ((first + at) / rows, (first + at) % rows);
            work(&input[n * window.input_len()..][..window.input_len()], y, output);
        }
    });
}

struct MaxRow<'a, T> {
    window: &'a Window,
    input: &'a [T],
    y: usize,
    output: &'a mut [T],
}

struct MeanRow<'a, T> {
    window: &'a Window,
    input: &'a [T],
    y: usize,
    mean: Mean,
    output: &'a mut [T],
}

/// Channels whose largest numbers are held at a time.
const CHANNELS: usize = 64;

/// The same where there are few, and of sums.
const FEW: usize = 16;

/// Numbers whose sum, with half of as many added, fits into 32 bits.
const MOST: usize = 1 << 15;

/// Goes through the elements of a window that are inside the map: `B` channels from `channel` on. Behind the last channel follow numbers of
/// other places, which the caller ignores.
#[inline(always)]
fn taps<T: Integer, const B: usize>(
    (window, input): (&Window, &[T]),
    (down, across): (Inside, Inside),
    channel: usize,
    mut take: impl FnMut(&[T; B]),
) {
    let ([rows, cols], channels) = (window.dilation, window.channels);
    for i in 0..down.count {
        let row = ((down.first + i * rows) * window.width + across.first) * channels + channel;
        for j in 0..across.count {
            let from = &input[row + j * cols * channels..];
            match from.first_chunk() {
                Some(block) => take(block),
                None => {
                    let mut block = [T::LEAST; B];
                    block[..from.len()].copy_from_slice(from);
                    take(&block);
                }
            }
        }
    }
}

impl<T: Integer> VectorizedInt for MaxRow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: SimdInt>(self, _: S) {
        if self.window.channels > FEW { self.blocks::<CHANNELS>() } else { self.blocks::<FEW>() }
    }
}

impl<T: Integer> MaxRow<'_, T> {
    #[inline(always)]
    fn blocks<const B: usize>(self) {
        let MaxRow { window, input, y, output } = self;
        let down = window.inside(0, y);
        for (x, output) in output.chunks_exact_mut(window.channels).enumerate() {
            let across = window.inside(1, x);
            for (block, output) in output.chunks_mut(B).enumerate() {
                let mut largest = [T::LEAST; B];
                taps::<T, B>((window, input), (down, across), block * B, |tap| {
                    for b in 0..B {
                        largest[b] = largest[b].max(tap[b]);
                    }
                });
                write(&largest, output);
            }
        }
    }
}

impl<T: Integer> VectorizedInt for MeanRow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: SimdInt>(self, _: S) {
        let MeanRow { window, input, y, mean, output } = self;
        let down = window.inside(0, y);
        for (x, output) in output.chunks_exact_mut(window.channels).enumerate() {
            let across = window.inside(1, x);
            let count = down.count * across.count;
            for (block, output) in output.chunks_mut(FEW).enumerate() {
                let mut means = [T::LEAST; FEW];
                if count > MOST {
                    let mut sums = [0i64; FEW];
                    taps::<T, FEW>((window, input), (down, across), block * FEW, |tap| {
                        for b in 0..FEW {
                            sums[b] += i64::from(tap[b].into());
                        }
                    });
                    for b in 0..FEW {
                        let sum = sums[b] + mean.half(sums[b] > 0, count as i64);
                        means[b] = T::of((sum / count as i64) as i32);
                    }
                } else {
                    let mut sums = [0i32; FEW];
                    taps::<T, FEW>((window, input), (down, across), block * FEW, |tap| {
                        for b in 0..FEW {
                            sums[b] += tap[b].into();
                        }
                    });
                    let divisor = count.max(1) as f64;
                    for b in 0..FEW {
                        // Sums are exact in 64 bits, and a quotient that is no whole number is further from the next one than rounding
                        // takes it: cut off, it is that of whole numbers.
                        let sum = sums[b] + mean.half(sums[b] > 0, count as i64) as i32;
                        means[b] = T::of(whole((f64::from(sum) / divisor).trunc()));
                    }
                }
                write(&means, output);
            }
        }
    }
}
