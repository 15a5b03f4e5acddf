//! Poolings of whole numbers; the windows and shapes of [`max_pool`](super::max_pool).

use super::{Window, check};
use crate::Context;
use crate::isa::{SimdInt, VectorizedInt};
use crate::map::pieces::{self, Rows};

/// A whole number of a map.
pub trait Integer: Copy + Ord + Into<i64> + Send + Sync + 'static {
    /// The least.
    const LEAST: Self;
    /// The same number, which fits.
    fn of(mean: i64) -> Self;
}

impl Integer for i8 {
    const LEAST: i8 = i8::MIN;
    fn of(mean: i64) -> i8 {
        mean as i8
    }
}

impl Integer for i16 {
    const LEAST: i16 = i16::MIN;
    fn of(mean: i64) -> i16 {
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

/// The numbers of all channels at each element of the window that is inside the map.
#[inline(always)]
fn taps<'a, T>(window: &'a Window, input: &'a [T], y: usize, x: usize) -> impl Iterator<Item = &'a [T]> {
    let ([down, across], channels) = ([window.inside(0, y), window.inside(1, x)], window.channels);
    let [rows, cols] = window.dilation;
    (0..down.count).flat_map(move |i| {
        let row = &input[(down.first + i * rows) * window.width * channels..][..window.width * channels];
        (0..across.count).map(move |j| &row[(across.first + j * cols) * channels..][..channels])
    })
}

struct MaxRow<'a, T> {
    window: &'a Window,
    input: &'a [T],
    y: usize,
    output: &'a mut [T],
}

impl<T: Integer> VectorizedInt for MaxRow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: SimdInt>(self, _: S) {
        let MaxRow { window, input, y, output } = self;
        for (x, output) in output.chunks_exact_mut(window.channels).enumerate() {
            let mut taps = taps(window, input, y, x);
            match taps.next() {
                Some(first) => output.copy_from_slice(first),
                None => output.fill(T::LEAST),
            }
            for tap in taps {
                for (to, x) in output.iter_mut().zip(tap) {
                    *to = (*to).max(*x);
                }
            }
        }
    }
}

/// The mean of so many numbers with a sum, as [`avg_pool_integers`] says.
///
/// By a division of 64-bit floats, of which there are vectors: sums below 2^52 are exact there, and a quotient that is no whole number is
/// further from the next one, `1 / count`, than rounding takes it.
#[inline(always)]
fn quotient(mean: Mean, sum: i64, count: i64) -> i64 {
    let half = match mean {
        Mean::Rounded if sum > 0 => count / 2,
        Mean::Rounded => -(count / 2),
        Mean::Truncated => 0,
    };
    ((sum + half) as f64 / count.max(1) as f64) as i64
}

struct MeanRow<'a, T> {
    window: &'a Window,
    input: &'a [T],
    y: usize,
    mean: Mean,
    output: &'a mut [T],
}

/// Channels whose sums are held at a time.
const CHANNELS: usize = 64;

impl<T: Integer> VectorizedInt for MeanRow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: SimdInt>(self, _: S) {
        let MeanRow { window, input, y, mean, output } = self;
        for (x, output) in output.chunks_exact_mut(window.channels).enumerate() {
            for (block, output) in output.chunks_mut(CHANNELS).enumerate() {
                let (mut sums, mut count) = ([0i64; CHANNELS], 0);
                for tap in taps(window, input, y, x) {
                    for (sum, x) in sums[..output.len()].iter_mut().zip(&tap[block * CHANNELS..]) {
                        *sum += (*x).into();
                    }
                    count += 1;
                }
                for (to, sum) in output.iter_mut().zip(sums) {
                    *to = T::of(quotient(mean, sum, count));
                }
            }
        }
    }
}
