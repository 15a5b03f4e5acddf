//! Local response normalization: every channel of a pixel is divided by a power of the squares around it.
//!
//! ```text
//! s[i, c]          = k + alpha · Σ_j input[i, j]²          over j from c − before to c + after, inside the channels
//! output[i, c]     = input[i, c] · s[i, c]^−beta
//! grad_input[i, c] = grad_output[i, c] · s[i, c]^−beta
//!                    − 2 · alpha · beta · input[i, c] · Σ_j grad_output[i, j] · output[i, j] / s[i, j]
//! ```
//! where the last sum goes over the `j` whose own sum `c` is in: from `c − after` to `c + before`. `before` is `(window − 1) /
//! 2` and `after` is `window / 2`, both rounded down. Whether `alpha` is divided by the window is the caller's choice.
//!
//! # Shapes
//! All matrices are `[rows, channels]`, a row for each pixel, any alignment, not overlapping. No rows or channels do nothing.
//!
//! # Numerics
//! Sums go over the window in order, in f32. `s^−beta` comes from square roots for beta 0.5, 0.75 and 1, else from `powf`, lane
//! by lane. NaN and infinities go through. Results do not depend on the number of threads.
//!
//! # Source
//! Krizhevsky, Sutskever and Hinton 2012 (NIPS 25), section 3.3.

pub mod reference;

use crate::Context;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces::{self, Maybe, Rows};
use crate::reduce::columns::{load, store};

/// The constants of a normalization.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Channels that are looked at.
    pub size: usize,
    /// What the sum of squares is multiplied by.
    pub alpha: f32,
    /// The power.
    pub beta: f32,
    /// What is added to the sum.
    pub k: f32,
}

impl Window {
    /// Channels before and after.
    fn sides(&self) -> [usize; 2] {
        [self.size.saturating_sub(1) / 2, self.size / 2]
    }
}

/// The arguments of [`lrn`].
#[derive(Debug)]
pub struct Lrn<'a> {
    /// The constants.
    pub window: Window,
    /// Number of rows: pixels.
    pub rows: usize,
    /// Channels of a pixel.
    pub channels: usize,
    /// `[rows, channels]`
    pub input: &'a [f32],
    /// `[rows, channels]`, overwritten.
    pub output: &'a mut [f32],
    /// `[rows, channels]`, overwritten with `1 / s`: kept for [`lrn_backward`].
    pub reciprocal: Option<&'a mut [f32]>,
}

/// Normalizes every pixel.
///
/// # Panics
/// Where the lengths disagree.
///
/// # Examples
/// ```
/// use plexus_kernels::lrn::{Lrn, Window, lrn};
/// let window = Window { size: 3, alpha: 1.0 / 3.0, beta: 0.5, k: 1.0 };
/// let mut output = [0.0; 2];
/// let call = Lrn { window, rows: 1, channels: 2, input: &[1.0, 2.0], output: &mut output, reciprocal: None };
/// lrn(call, &plexus_kernels::Context::single());
/// assert!((output[0] - 0.612_372_4).abs() < 1e-6);
/// ```
pub fn lrn(call: Lrn<'_>, context: &Context) {
    let Lrn { window, rows, channels, input, output, reciprocal } = call;
    assert_eq!(Some(input.len()), rows.checked_mul(channels), "rows · channels inputs");
    assert_eq!(output.len(), input.len(), "an output for each input");
    assert!(reciprocal.as_ref().is_none_or(|all| all.len() == input.len()), "a reciprocal for each input");
    if input.is_empty() {
        return;
    }
    let reciprocal = Maybe(reciprocal.map(|all| Rows(all, channels)), rows);
    let work = channels * (window.size.min(2 * channels) + 4);
    let items = (Rows(input, channels), Rows(output, channels), reciprocal);
    pieces::for_each(context.pool(), work, items, |_, (input, output, reciprocal)| {
        let reciprocal = reciprocal.0.map(|all| all.0);
        context.isa().run(Forward { window, channels, input: input.0, output: output.0, reciprocal });
    });
}

/// As many numbers as lanes of a row from `at + offset − before` on, zero outside of it.
#[inline(always)]
fn around<S: Simd>(s: S, row: &[f32], at: usize, offset: usize, before: usize) -> S::F {
    let start = at + offset;
    if start >= before && start - before + S::LEN <= row.len() {
        return s.load(&row[start - before..][..S::LEN]);
    }
    // A border: the lanes one by one.
    let mut lanes = [0.0f32; 16];
    for (lane, to) in lanes[..S::LEN].iter_mut().enumerate() {
        if let Some(from) = (start + lane).checked_sub(before).and_then(|at| row.get(at)) {
            *to = *from;
        }
    }
    s.load(&lanes[..S::LEN])
}

/// `r^beta`
#[inline(always)]
fn power<S: Simd>(s: S, r: S::F, beta: f32) -> S::F {
    if beta == 0.75 {
        let root = s.sqrt(r);
        return s.mul(root, s.sqrt(root));
    }
    if beta == 0.5 {
        return s.sqrt(r);
    }
    if beta == 1.0 {
        return r;
    }
    let mut lanes = [0.0f32; 16];
    s.store(r, &mut lanes[..S::LEN]);
    lanes[..S::LEN].iter_mut().for_each(|lane| *lane = lane.powf(beta));
    s.load(&lanes[..S::LEN])
}

struct Forward<'a> {
    window: Window,
    channels: usize,
    input: &'a [f32],
    output: &'a mut [f32],
    reciprocal: Option<&'a mut [f32]>,
}

impl Vectorized for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Forward { window, channels, input, output, mut reciprocal } = self;
        let [before, _] = window.sides();
        let (alpha, k) = (s.splat(window.alpha), s.splat(window.k));
        for (row, (x, y)) in input.chunks_exact(channels).zip(output.chunks_exact_mut(channels)).enumerate() {
            for c in (0..channels).step_by(S::LEN) {
                let lanes = S::LEN.min(channels - c);
                let mut sum = s.splat(0.0);
                for offset in offsets(window.size, before, c, lanes, channels) {
                    let value = around(s, x, c, offset, before);
                    sum = s.mul_add(value, value, sum);
                }
                let r = s.div(s.splat(1.0), s.mul_add(sum, alpha, k));
                let out = s.mul(load(s, x, c, lanes), power(s, r, window.beta));
                store(s, out, &mut y[c..c + lanes]);
                if let Some(all) = reciprocal.as_deref_mut() {
                    store(s, r, &mut all[row * channels + c..][..lanes]);
                }
            }
        }
    }
}

/// The places of the window of which some lane sees a channel: a window may be wider than there are channels.
#[inline(always)]
fn offsets(size: usize, before: usize, at: usize, lanes: usize, channels: usize) -> std::ops::Range<usize> {
    before.saturating_sub(at + lanes - 1)..size.min(channels + before - at)
}

/// The arguments of [`lrn_backward`].
#[derive(Debug)]
pub struct LrnBackward<'a> {
    /// The constants.
    pub window: Window,
    /// Number of rows: pixels.
    pub rows: usize,
    /// Channels of a pixel.
    pub channels: usize,
    /// `[rows, channels]`
    pub input: &'a [f32],
    /// `[rows, channels]`, from the forward pass.
    pub output: &'a [f32],
    /// `[rows, channels]`, from the forward pass.
    pub reciprocal: &'a [f32],
    /// `[rows, channels]`
    pub grad_output: &'a [f32],
    /// `[rows, channels]`, overwritten.
    pub grad_input: &'a mut [f32],
}

/// The gradient of [`lrn`].
///
/// # Panics
/// Where the lengths disagree.
pub fn lrn_backward(call: LrnBackward<'_>, context: &Context) {
    let LrnBackward { window, rows, channels, input, output, reciprocal, grad_output, grad_input } = call;
    assert_eq!(Some(input.len()), rows.checked_mul(channels), "rows · channels inputs");
    let same = [output.len(), reciprocal.len(), grad_output.len(), grad_input.len()];
    assert!(same.iter().all(|len| *len == input.len()), "as many numbers as inputs");
    if input.is_empty() {
        return;
    }
    let work = channels * (2 * window.size.min(2 * channels) + 8);
    pieces::for_each(context.pool(), work, Rows(grad_input, channels), |first, Rows(grad_input, _)| {
        let range = first * channels..first * channels + grad_input.len();
        let (input, output) = (&input[range.clone()], &output[range.clone()]);
        let (reciprocal, grad_output) = (&reciprocal[range.clone()], &grad_output[range]);
        context.isa().run(Backward { window, channels, input, output, reciprocal, grad_output, grad_input });
    });
}

struct Backward<'a> {
    window: Window,
    channels: usize,
    input: &'a [f32],
    output: &'a [f32],
    reciprocal: &'a [f32],
    grad_output: &'a [f32],
    grad_input: &'a mut [f32],
}

impl Vectorized for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Backward { window, channels, input, output, reciprocal, grad_output, grad_input } = self;
        // The other way round: those that see a channel.
        let [_, before] = window.sides();
        let factor = s.splat(-2.0 * window.alpha * window.beta);
        for (row, grad) in grad_input.chunks_exact_mut(channels).enumerate() {
            let of = row * channels..(row + 1) * channels;
            let (x, y, r, g) = (&input[of.clone()], &output[of.clone()], &reciprocal[of.clone()], &grad_output[of]);
            for c in (0..channels).step_by(S::LEN) {
                let lanes = S::LEN.min(channels - c);
                let mut sum = s.splat(0.0);
                for offset in offsets(window.size, before, c, lanes, channels) {
                    let share = s.mul(around(s, g, c, offset, before), around(s, y, c, offset, before));
                    sum = s.mul_add(share, around(s, r, c, offset, before), sum);
                }
                let direct = s.mul(load(s, g, c, lanes), power(s, load(s, r, c, lanes), window.beta));
                let through = s.mul(s.mul(factor, load(s, x, c, lanes)), sum);
                store(s, s.add(direct, through), &mut grad[c..c + lanes]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
