//! The mean of each window, and of whole maps.

use super::largest::{load, store};
use super::{Window, check};
use crate::Context;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces::{self, Rows};

/// The arguments of [`avg_pool`].
#[derive(Debug)]
pub struct AvgPool<'a> {
    /// The sizes; the dilation is 1.
    pub window: Window,
    /// Number of samples.
    pub batch: usize,
    /// `[batch, height, width, channels]`
    pub input: &'a [f32],
    /// `[batch, out height, out width, channels]`, overwritten.
    pub output: &'a mut [f32],
    /// What sums are divided by: with it the elements of the window inside the map and its padding, else those inside
    /// the map. Elements of a last window beyond the padding (`ceil`) never count.
    pub count_include_pad: bool,
}

/// Takes the mean of each window.
///
/// # Panics
/// Where the window has no output or a dilation, or the lengths do not fit.
///
/// # Examples
/// ```
/// use plexus_kernels::pool::{AvgPool, Window, avg_pool};
/// let mut output = [0.0];
/// let (window, input) = (Window::plain([1, 2, 2], [2, 2]), [1.0, 5.0, 2.0, 4.0]);
/// let call = AvgPool { window, batch: 1, input: &input, output: &mut output, count_include_pad: true };
/// avg_pool(call, &plexus_kernels::Context::single());
/// assert_eq!(output, [3.0]);
/// ```
pub fn avg_pool(call: AvgPool<'_>, context: &Context) {
    let AvgPool { window, batch, input, output, count_include_pad } = call;
    let [rows, cols] = check(&window, batch, input.len(), output.len());
    assert_eq!(window.dilation, [1; 2], "means of dense windows");
    let len = cols * window.channels;
    if output.is_empty() {
        return;
    }
    let work = len * window.kernel[0] * window.kernel[1];
    pieces::for_each(context.pool(), work, Rows(output, len), |first, output| {
        for (at, output) in output.0.chunks_exact_mut(len).enumerate() {
            let (n, y) = ((first + at) / rows, (first + at) % rows);
            let input = &input[n * window.input_len()..][..window.input_len()];
            context.isa().run(Row { window: &window, input, y, output, count_include_pad });
        }
    });
}

/// What the sum of a window is divided by; 1 for a window with nothing inside the map.
#[inline(always)]
fn divisor(window: &Window, (y, x): (usize, usize), count_include_pad: bool) -> f32 {
    let count = match count_include_pad {
        true => window.with_padding(0, y) * window.with_padding(1, x),
        false => window.inside(0, y).count * window.inside(1, x).count,
    };
    count.max(1) as f32
}

/// One row of the output.
struct Row<'a> {
    window: &'a Window,
    input: &'a [f32],
    y: usize,
    output: &'a mut [f32],
    count_include_pad: bool,
}

impl Vectorized for Row<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Row { window, input, y, output, count_include_pad } = self;
        let channels = window.channels;
        let down = window.inside(0, y);
        for (x, output) in output.chunks_exact_mut(channels).enumerate() {
            let across = window.inside(1, x);
            let divisor = s.splat(divisor(window, (y, x), count_include_pad));
            let whole = channels / S::LEN * S::LEN;
            for c in (0..channels).step_by(S::LEN) {
                let lanes = if c < whole { S::LEN } else { channels - whole };
                let mut sum = s.splat(0.0);
                for row in down.first..down.first + down.count {
                    let from = (row * window.width + across.first) * channels + c;
                    for j in 0..across.count {
                        sum = s.add(sum, load(s, input, from + j * channels, lanes));
                    }
                }
                store(s, s.div(sum, divisor), &mut output[c..c + lanes]);
            }
        }
    }
}

/// The arguments of [`avg_pool_backward`].
#[derive(Debug)]
pub struct AvgPoolBackward<'a> {
    /// The sizes; the dilation is 1.
    pub window: Window,
    /// Number of samples.
    pub batch: usize,
    /// `[batch, out height, out width, channels]`
    pub grad_output: &'a [f32],
    /// `[batch, height, width, channels]`, overwritten.
    pub grad_input: &'a mut [f32],
    /// As in [`AvgPool`].
    pub count_include_pad: bool,
}

/// Gives each element of a window its share of the gradient.
///
/// # Panics
/// Where the window has no output or a dilation, or the lengths do not fit.
pub fn avg_pool_backward(call: AvgPoolBackward<'_>, context: &Context) {
    let AvgPoolBackward { window, batch, grad_output, grad_input, count_include_pad } = call;
    check(&window, batch, grad_input.len(), grad_output.len());
    assert_eq!(window.dilation, [1; 2], "means of dense windows");
    let (full, pooled) = (window.input_len(), window.output_len());
    if grad_input.is_empty() {
        return;
    }
    pieces::for_each(context.pool(), full, Rows(grad_input, full), |first, grad_input| {
        for (at, grad_input) in grad_input.0.chunks_exact_mut(full).enumerate() {
            let grad_output = &grad_output[(first + at) * pooled..][..pooled];
            context.isa().run(SampleBackward { window: &window, grad_output, grad_input, count_include_pad });
        }
    });
}

/// One sample of the way back.
struct SampleBackward<'a> {
    window: &'a Window,
    grad_output: &'a [f32],
    grad_input: &'a mut [f32],
    count_include_pad: bool,
}

impl Vectorized for SampleBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let SampleBackward { window, grad_output, grad_input, count_include_pad } = self;
        let channels = window.channels;
        let whole = channels / S::LEN * S::LEN;
        let [rows, cols] = window.output().expect("checked at the entry");
        grad_input.fill(0.0);
        for y in 0..rows {
            let down = window.inside(0, y);
            for x in 0..cols {
                let across = window.inside(1, x);
                let divisor = s.splat(divisor(window, (y, x), count_include_pad));
                for c in (0..channels).step_by(S::LEN) {
                    let lanes = if c < whole { S::LEN } else { channels - whole };
                    let share = s.div(load(s, grad_output, (y * cols + x) * channels + c, lanes), divisor);
                    for row in down.first..down.first + down.count {
                        let from = (row * window.width + across.first) * channels + c;
                        for j in 0..across.count {
                            let at = from + j * channels;
                            let sum = s.add(load(s, grad_input, at, lanes), share);
                            store(s, sum, &mut grad_input[at..at + lanes]);
                        }
                    }
                }
            }
        }
    }
}

/// Takes the mean of each plane: `output[n, c] = Σ input[n, y, x, c] / (height · width)`.
///
/// # Shapes
/// - `size`: batch, plane (height · width) and channels
/// - `input`: `[batch, plane, channels]`; a plane of zero has the mean NaN
/// - `output`: `[batch, channels]`, overwritten
///
/// # Numerics
/// Sums of up to 512 pixels in order, these in order.
///
/// # Panics
/// Where the lengths disagree.
pub fn global_avg_pool(size: [usize; 3], input: &[f32], output: &mut [f32], context: &Context) {
    let [batch, plane, channels] = size;
    assert_eq!(Some(input.len()), batch.checked_mul(plane).and_then(|len| len.checked_mul(channels)), "inputs");
    assert_eq!(Some(output.len()), batch.checked_mul(channels), "one mean for each sample and channel");
    if output.is_empty() {
        return;
    }
    pieces::for_each(context.pool(), plane * channels, Rows(output, channels), |first, output| {
        for (at, output) in output.0.chunks_exact_mut(channels).enumerate() {
            let input = &input[(first + at) * plane * channels..][..plane * channels];
            context.isa().run(Means { input, plane, output });
        }
    });
}

/// The most pixels summed in one chain.
const CHAIN: usize = 512;

/// The means of one sample.
struct Means<'a> {
    input: &'a [f32],
    plane: usize,
    output: &'a mut [f32],
}

impl Vectorized for Means<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Means { input, plane, output } = self;
        let channels = output.len();
        let whole = channels / S::LEN * S::LEN;
        for c in (0..channels).step_by(S::LEN) {
            let lanes = if c < whole { S::LEN } else { channels - whole };
            let mut total = s.splat(0.0);
            for start in (0..plane).step_by(CHAIN) {
                let mut sum = s.splat(0.0);
                for pixel in start..plane.min(start + CHAIN) {
                    sum = s.add(sum, load(s, input, pixel * channels + c, lanes));
                }
                total = s.add(total, sum);
            }
            store(s, s.div(total, s.splat(plane as f32)), &mut output[c..c + lanes]);
        }
    }
}

/// Gives each pixel its share: `grad_input[n, y, x, c] = grad_output[n, c] / (height · width)`.
///
/// # Shapes
/// - `size`: batch, plane (height · width) and channels
/// - `grad_output`: `[batch, channels]`
/// - `grad_input`: `[batch, plane, channels]`, overwritten
///
/// # Panics
/// Where the lengths disagree.
pub fn global_avg_pool_backward(size: [usize; 3], grad_output: &[f32], grad_input: &mut [f32], context: &Context) {
    let [batch, plane, channels] = size;
    assert_eq!(Some(grad_input.len()), batch.checked_mul(plane).and_then(|len| len.checked_mul(channels)), "inputs");
    assert_eq!(Some(grad_output.len()), batch.checked_mul(channels), "one gradient for each sample and channel");
    if grad_input.is_empty() {
        return;
    }
    pieces::for_each(context.pool(), channels, Rows(grad_input, channels), |first, pixels| {
        context.isa().run(Shares { grad_output, first, plane, channels, pixels: pixels.0 });
    });
}

/// Some pixels of the way back from the means.
struct Shares<'a> {
    grad_output: &'a [f32],
    first: usize,
    plane: usize,
    channels: usize,
    pixels: &'a mut [f32],
}

impl Vectorized for Shares<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Shares { grad_output, first, plane, channels, pixels } = self;
        let whole = channels / S::LEN * S::LEN;
        let divisor = s.splat(plane as f32);
        for (at, pixel) in pixels.chunks_exact_mut(channels).enumerate() {
            let from = (first + at) / plane * channels;
            for c in (0..channels).step_by(S::LEN) {
                let lanes = if c < whole { S::LEN } else { channels - whole };
                let share = s.div(load(s, grad_output, from + c, lanes), divisor);
                store(s, share, &mut pixel[c..c + lanes]);
            }
        }
    }
}
