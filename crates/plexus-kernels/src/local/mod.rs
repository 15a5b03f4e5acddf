//! Windows of maps with weights of their own: a convolution that shares nothing.
//!
//! ```text
//! output[n, y, x, o]        = bias[y, x, o] + Σ_i Σ_j Σ_c weight[y, x, o, i, j, c] · input[n, r, q, c]
//! grad_weight[y, x, o, i, j, c] += Σ_n grad_output[n, y, x, o] · input[n, r, q, c]
//! grad_input[n, r, q, c]    = Σ grad_output[n, y, x, o] · weight[y, x, o, i, j, c], over all that saw it
//!                             r = y·s0 + i − top,   q = x·s1 + j − left,   only where they are inside the map
//! ```
//!
//! # Shapes
//! Maps are channels-last and dense: `[batch, height, width, channels]` and `[batch, rows, columns, filters]`; the weight is
//! `[rows, columns, filters, kernel rows, kernel columns, channels]`, a bias `[rows, columns, filters]`. Any alignment, no
//! overlaps. Sizes of zero do nothing.
//!
//! # Numerics
//! A window is summed in order, in as many f32 chains as there are lanes, which are added in pairs; samples of a batch are added
//! in order. Results do not depend on the number of threads, outputs and gradients of inputs not on the batch.

pub mod reference;

use crate::Context;
use crate::buffer::{MatrixMut, for_each_tile};
use crate::conv::Geometry;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces::{self, Rows};
use crate::reduce::columns::{load, store};
use crate::threads::Pool;
use std::ops::Range;

/// Multiply-adds below which one thread does all, and of one task.
const TASK: usize = 1 << 16;

/// The sizes: dilation and groups are 1.
fn check(geometry: &Geometry, batch: usize, input: usize, output: usize, weight: usize) -> [usize; 2] {
    let size = geometry.output().expect("the window fits the padded map");
    assert!(geometry.groups == 1 && geometry.dilation == [1; 2], "dense windows over all channels");
    assert_eq!(Some(input), geometry.input_len().checked_mul(batch), "batch · height · width · channels");
    assert_eq!(Some(output), geometry.output_len().checked_mul(batch), "batch · rows · columns · filters");
    assert_eq!(Some(weight), weight_len(geometry), "a window of weights for each output");
    size
}

/// Numbers of the weight; `None` where they are beyond `usize`.
pub fn weight_len(geometry: &Geometry) -> Option<usize> {
    let window = geometry.kernel[0].checked_mul(geometry.kernel[1])?.checked_mul(geometry.channels)?;
    geometry.output_len().checked_mul(window)
}

/// The part of a window along one axis that is inside the map: elements of the window, and where the first is in the map.
fn inside(geometry: &Geometry, axis: usize, at: usize) -> (Range<usize>, usize) {
    let (size, before) = ([geometry.height, geometry.width][axis], geometry.padding[axis]);
    let start = at * geometry.stride[axis];
    let first = before.saturating_sub(start).min(geometry.kernel[axis]);
    let end = (size + before).saturating_sub(start).min(geometry.kernel[axis]).max(first);
    (first..end, (start + first).saturating_sub(before))
}

/// Stretches of numbers side by side that a window consists of: where they start in the weights of a window and in a map, and
/// how long they are.
#[derive(Clone, Copy)]
struct Stretches {
    weight: usize,
    map: usize,
    len: usize,
    count: usize,
    weight_step: usize,
    map_step: usize,
}

impl Stretches {
    fn of(geometry: &Geometry, position: usize, cols: usize) -> Self {
        let (down, row) = inside(geometry, 0, position / cols);
        let (across, col) = inside(geometry, 1, position % cols);
        let (channels, kernel) = (geometry.channels, geometry.kernel[1]);
        Stretches {
            weight: (down.start * kernel + across.start) * channels,
            map: (row * geometry.width + col) * channels,
            len: across.len() * channels,
            count: if across.is_empty() { 0 } else { down.len() },
            weight_step: kernel * channels,
            map_step: geometry.width * channels,
        }
    }
}

/// The arguments of [`local`].
#[derive(Debug)]
pub struct Local<'a> {
    /// The sizes, as those of a convolution with dilation 1 and one group.
    pub geometry: Geometry,
    /// Number of samples.
    pub batch: usize,
    /// `[batch, height, width, channels]`
    pub input: &'a [f32],
    /// `[rows, columns, filters, kernel rows, kernel columns, channels]`
    pub weight: &'a [f32],
    /// `[rows, columns, filters]`
    pub bias: Option<&'a [f32]>,
    /// `[batch, rows, columns, filters]`, overwritten.
    pub output: &'a mut [f32],
}

/// Computes the outputs.
///
/// # Panics
/// Where the geometry has no output, a dilation or groups, or the lengths do not fit.
///
/// # Examples
/// ```
/// use plexus_kernels::{conv::Geometry, local::{Local, local}};
/// let mut output = [0.0; 2];
/// let (geometry, weight) = (Geometry::plain([1, 1, 3], 1, [1, 2]), [1.0, 10.0, 2.0, 20.0]);
/// let call = Local { geometry, batch: 1, input: &[1.0, 2.0, 3.0], weight: &weight, bias: None, output: &mut output };
/// local(call, &plexus_kernels::Context::single());
/// assert_eq!(output, [21.0, 64.0]);
/// ```
pub fn local(call: Local<'_>, context: &Context) {
    let Local { geometry, batch, input, weight, bias, output } = call;
    let [_, cols] = check(&geometry, batch, input.len(), output.len(), weight.len());
    let outputs = geometry.output_len();
    assert!(bias.is_none_or(|bias| bias.len() == outputs), "one bias for each output");
    if output.is_empty() {
        return;
    }
    let window = weight.len() / outputs;
    let positions = (TASK / (batch * window * geometry.filters).max(1)).max(1);
    let matrix = MatrixMut { values: output, rows: batch, cols: outputs, stride: outputs };
    let single = Pool::single();
    let pool = if batch * weight.len() < TASK { &single } else { context.pool() };
    for_each_tile(matrix, (batch, positions * geometry.filters), pool, |_, first, mut tile| {
        for at in 0..tile.cols() {
            let neuron = first + at;
            let stretches = Stretches::of(&geometry, neuron / geometry.filters, cols);
            let weight = &weight[neuron * window..][..window];
            let bias = bias.map_or(0.0, |bias| bias[neuron]);
            for n in 0..batch {
                let map = &input[n * geometry.input_len()..][..geometry.input_len()];
                tile.row(n)[at] = bias + context.isa().run(Dot { stretches, weight, map });
            }
        }
    });
}

/// The sum over one window.
struct Dot<'a> {
    stretches: Stretches,
    weight: &'a [f32],
    map: &'a [f32],
}

impl Vectorized for Dot<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let Dot { stretches, weight, map } = self;
        let mut sum = s.splat(0.0);
        for row in 0..stretches.count {
            let weight = &weight[stretches.weight + row * stretches.weight_step..][..stretches.len];
            let map = &map[stretches.map + row * stretches.map_step..][..stretches.len];
            for at in (0..stretches.len).step_by(S::LEN) {
                let lanes = S::LEN.min(stretches.len - at);
                sum = s.mul_add(load(s, weight, at, lanes), load(s, map, at, lanes), sum);
            }
        }
        s.sum(sum)
    }
}

/// Adds a multiple of some numbers to others: `to += factor · from`.
struct AddScaled<'a> {
    factor: f32,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Vectorized for AddScaled<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let AddScaled { factor, from, to } = self;
        let factor = s.splat(factor);
        for at in (0..from.len()).step_by(S::LEN) {
            let lanes = S::LEN.min(from.len() - at);
            let sum = s.mul_add(load(s, from, at, lanes), factor, load(s, to, at, lanes));
            store(s, sum, &mut to[at..at + lanes]);
        }
    }
}

/// Adds the gradient of the weight to what is there.
///
/// # Panics
/// As [`local`].
pub fn local_backward_weight(
    geometry: &Geometry,
    batch: usize,
    input: &[f32],
    grad_output: &[f32],
    grad_weight: &mut [f32],
    context: &Context,
) {
    let [_, cols] = check(geometry, batch, input.len(), grad_output.len(), grad_weight.len());
    let outputs = geometry.output_len();
    if grad_weight.is_empty() || batch == 0 {
        return;
    }
    let window = grad_weight.len() / outputs;
    pieces::for_each(context.pool(), window * batch, Rows(grad_weight, window), |first, Rows(grad_weight, _)| {
        for (at, to) in grad_weight.chunks_exact_mut(window).enumerate() {
            let neuron = first + at;
            let stretches = Stretches::of(geometry, neuron / geometry.filters, cols);
            for n in 0..batch {
                let (map, factor) = (&input[n * geometry.input_len()..], grad_output[n * outputs + neuron]);
                for row in 0..stretches.count {
                    let from = &map[stretches.map + row * stretches.map_step..][..stretches.len];
                    let to = &mut to[stretches.weight + row * stretches.weight_step..][..stretches.len];
                    context.isa().run(AddScaled { factor, from, to });
                }
            }
        }
    });
}

/// Computes the gradient of the input.
///
/// # Panics
/// As [`local`].
pub fn local_backward_input(
    geometry: &Geometry,
    batch: usize,
    grad_output: &[f32],
    weight: &[f32],
    grad_input: &mut [f32],
    context: &Context,
) {
    let [_, cols] = check(geometry, batch, grad_input.len(), grad_output.len(), weight.len());
    let (inputs, outputs) = (geometry.input_len(), geometry.output_len());
    if grad_input.is_empty() {
        return;
    }
    let window = weight.len().checked_div(outputs).unwrap_or(0);
    let work = weight.len().max(inputs);
    pieces::for_each(context.pool(), work, Rows(grad_input, inputs), |first, Rows(grad_input, _)| {
        for (at, map) in grad_input.chunks_exact_mut(inputs).enumerate() {
            map.fill(0.0);
            for (neuron, &factor) in grad_output[(first + at) * outputs..][..outputs].iter().enumerate() {
                let stretches = Stretches::of(geometry, neuron / geometry.filters, cols);
                for row in 0..stretches.count {
                    let start = neuron * window + stretches.weight + row * stretches.weight_step;
                    let from = &weight[start..][..stretches.len];
                    let to = &mut map[stretches.map + row * stretches.map_step..][..stretches.len];
                    context.isa().run(AddScaled { factor, from, to });
                }
            }
        }
    });
}

#[cfg(test)]
mod tests;
