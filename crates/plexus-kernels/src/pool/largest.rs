//! The largest of each window.

use super::{Window, check};
use crate::Context;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces::{self, Maybe, Rows};

/// The arguments of [`max_pool`].
#[derive(Debug)]
pub struct MaxPool<'a> {
    /// The sizes.
    pub window: Window,
    /// Number of samples.
    pub batch: usize,
    /// `[batch, height, width, channels]`
    pub input: &'a [f32],
    /// `[batch, out height, out width, channels]`, overwritten.
    pub output: &'a mut [f32],
    /// As `output`, overwritten: where in its plane each number was, `row · width + column`.
    pub positions: Option<&'a mut [u32]>,
}

/// Takes the largest number of each window.
///
/// # Panics
/// Where the window has no output, the lengths do not fit, or positions are wanted of a plane of `u32::MAX` numbers.
///
/// # Examples
/// ```
/// use plexus_kernels::pool::{MaxPool, Window, max_pool};
/// let (mut output, mut positions) = ([0.0], [0]);
/// let call = MaxPool {
///     window: Window::plain([1, 2, 2], [2, 2]),
///     batch: 1,
///     input: &[1.0, 5.0, 2.0, 3.0],
///     output: &mut output,
///     positions: Some(&mut positions),
/// };
/// max_pool(call, &plexus_kernels::Context::single());
/// assert_eq!((output, positions), ([5.0], [1]));
/// ```
pub fn max_pool(call: MaxPool<'_>, context: &Context) {
    let isa = context.isa();
    let MaxPool { window, batch, input, output, positions } = call;
    let [rows, cols] = check(&window, batch, input.len(), output.len());
    assert!(positions.as_ref().is_none_or(|at| at.len() == output.len()), "one position for each output");
    assert!(positions.is_none() || window.height * window.width < u32::MAX as usize, "positions fit 32 bits");
    let len = cols * window.channels;
    if output.is_empty() {
        return;
    }
    let work = len * window.kernel[0] * window.kernel[1];
    let positions = Maybe(positions.map(|positions| Rows(positions, len)), batch * rows);
    pieces::for_each(context.pool(), work, (Rows(output, len), positions), |first, (output, positions)| {
        let mut positions = positions.0.map(|positions| positions.0);
        for (at, output) in output.0.chunks_exact_mut(len).enumerate() {
            let (n, y) = ((first + at) / rows, (first + at) % rows);
            let input = &input[n * window.input_len()..][..window.input_len()];
            let positions = positions.as_mut().map(|positions| &mut positions[at * len..][..len]);
            match positions {
                Some(positions) => isa.run(Row::<true> { window: &window, input, y, output, positions }),
                None => isa.run(Row::<false> { window: &window, input, y, output, positions: &mut [] }),
            }
        }
    });
}

/// One row of the output.
struct Row<'a, const POSITIONS: bool> {
    window: &'a Window,
    input: &'a [f32],
    y: usize,
    output: &'a mut [f32],
    positions: &'a mut [u32],
}

impl<const POSITIONS: bool> Vectorized for Row<'_, POSITIONS> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Row { window, input, y, output, positions } = self;
        let channels = window.channels;
        for (x, output) in output.chunks_exact_mut(channels).enumerate() {
            let whole = channels / S::LEN * S::LEN;
            for c in (0..channels).step_by(S::LEN) {
                let lanes = if c < whole { S::LEN } else { channels - whole };
                let (largest, chosen) = pixel::<S, POSITIONS>(s, window, input, (y, x), c, lanes);
                store(s, largest, &mut output[c..c + lanes]);
                if POSITIONS {
                    let mut numbers = [0.0f32; 16];
                    s.store(chosen, &mut numbers);
                    let positions = &mut positions[x * channels + c..][..lanes];
                    for (position, &number) in positions.iter_mut().zip(&numbers) {
                        *position = place(window, (y, x), number);
                    }
                }
            }
        }
    }
}

/// The largest of one window for some channels, and its number in the part of the window that is inside the map.
#[inline(always)]
fn pixel<S: Simd, const POSITIONS: bool>(
    s: S,
    window: &Window,
    input: &[f32],
    (y, x): (usize, usize),
    c: usize,
    lanes: usize,
) -> (S::F, S::F) {
    let (down, across) = (window.inside(0, y), window.inside(1, x));
    let mut largest = s.splat(f32::NEG_INFINITY);
    let mut chosen = s.splat(0.0);
    for i in 0..down.count {
        let row = down.first + i * window.dilation[0];
        for j in 0..across.count {
            let col = across.first + j * window.dilation[1];
            let at = (row * window.width + col) * window.channels + c;
            let value = load(s, input, at, lanes);
            let number = s.eq(value, value);
            if POSITIONS {
                let this = s.splat((i * across.count + j) as f32);
                chosen = s.select(s.lt(largest, value), this, chosen);
                chosen = s.select(number, chosen, this);
            }
            // A NaN in `largest` stays, because `max` gives its second operand where either is NaN.
            largest = s.select(number, s.max(value, largest), value);
        }
    }
    (largest, chosen)
}

/// The index in the plane of the element with a number in the part of a window that is inside the map.
#[inline(always)]
fn place(window: &Window, (y, x): (usize, usize), number: f32) -> u32 {
    let (down, across) = (window.inside(0, y), window.inside(1, x));
    if down.count == 0 || across.count == 0 {
        return u32::MAX;
    }
    let (i, j) = (number as usize / across.count, number as usize % across.count);
    let (row, col) = (down.first + i * window.dilation[0], across.first + j * window.dilation[1]);
    (row * window.width + col) as u32
}

/// `lanes` elements from `at` on, zero beyond.
#[inline(always)]
pub(super) fn load<S: Simd>(s: S, values: &[f32], at: usize, lanes: usize) -> S::F {
    if lanes == S::LEN { s.load(&values[at..at + S::LEN]) } else { s.load_part(&values[at..at + lanes], 0.0) }
}

/// Writes as many lanes as there are elements.
#[inline(always)]
pub(super) fn store<S: Simd>(s: S, v: S::F, to: &mut [f32]) {
    if to.len() == S::LEN { s.store(v, to) } else { s.store_part(v, to) }
}

/// The arguments of [`max_pool_backward`].
#[derive(Debug)]
pub struct MaxPoolBackward<'a> {
    /// The sizes.
    pub window: Window,
    /// Number of samples.
    pub batch: usize,
    /// `[batch, out height, out width, channels]`
    pub grad_output: &'a [f32],
    /// As `grad_output`, from [`max_pool`].
    pub positions: &'a [u32],
    /// `[batch, height, width, channels]`, overwritten.
    pub grad_input: &'a mut [f32],
}

/// Gives each gradient to the element that was chosen; an element chosen by several windows has the sum.
///
/// # Panics
/// Where the window has no output, the lengths do not fit, or a position is outside of the plane.
pub fn max_pool_backward(call: MaxPoolBackward<'_>, context: &Context) {
    let MaxPoolBackward { window, batch, grad_output, positions, grad_input } = call;
    check(&window, batch, grad_input.len(), grad_output.len());
    assert_eq!(positions.len(), grad_output.len(), "one position for each output");
    let (full, pooled) = (window.input_len(), window.output_len());
    if grad_input.is_empty() {
        return;
    }
    let channels = window.channels;
    pieces::for_each(context.pool(), full, Rows(grad_input, full), |first, grad_input| {
        for (at, grad_input) in grad_input.0.chunks_exact_mut(full).enumerate() {
            grad_input.fill(0.0);
            let from = (first + at) * pooled;
            let pixels = grad_output[from..from + pooled].chunks_exact(channels);
            for (grads, positions) in pixels.zip(positions[from..from + pooled].chunks_exact(channels)) {
                for (c, (&grad, &position)) in grads.iter().zip(positions).enumerate() {
                    if position != u32::MAX {
                        grad_input[position as usize * channels + c] += grad;
                    }
                }
            }
        }
    });
}
