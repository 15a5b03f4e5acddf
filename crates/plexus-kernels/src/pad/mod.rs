//! Maps with a border around them, and maps cut out of larger ones.
//!
//! ```text
//! pad:  output[n, y, x, c] = input[n, row(y − top), column(x − left), c]
//! crop: output[n, y, x, c] = input[n, y + top, x + left, c]
//! ```
//! Inside the map `row` and `column` leave a place as it is; outside of it they do what the [`Border`] says.
//!
//! # Shapes
//! Maps are channels-last and dense, `[batch, height, width, channels]`; maps of channels first are maps of one channel each,
//! with `batch · channels` samples. Any alignment, no overlaps. Sizes of zero do nothing.
//!
//! # Numerics
//! Copies are exact. Gradients of a border are added to those of the numbers that it shows, row by row. Results do not depend
//! on the number of threads.

pub mod reference;

use crate::Context;
use crate::map::pieces::{self, Rows};

/// What stands around a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Border {
    /// This number everywhere.
    Constant(f32),
    /// The map once more, as in a mirror that stands on its outermost pixels: `c b a b c`.
    Reflect,
    /// The outermost pixels: `a a a b c`.
    Replicate,
}

/// The sizes of a border.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pad {
    /// Rows of the map.
    pub height: usize,
    /// Columns of the map.
    pub width: usize,
    /// Channels of the map.
    pub channels: usize,
    /// Rows and columns around it: top, left, bottom, right.
    pub sides: [usize; 4],
    /// What stands there.
    pub border: Border,
}

impl Pad {
    /// Rows and columns with the border; `None` where they are beyond `usize`, or where the border would show a pixel that is
    /// not there: a mirror reaches less far than the map is long, and an empty map has no pixel to repeat.
    pub fn output(&self) -> Option<[usize; 2]> {
        let [top, left, bottom, right] = self.sides;
        let axis = |size: usize, before: usize, after: usize| {
            let fits = match self.border {
                Border::Constant(_) => true,
                Border::Reflect => before.max(after) < size.max(1),
                Border::Replicate => size > 0 || before.max(after) == 0,
            };
            size.checked_add(before)?.checked_add(after).filter(|_| fits)
        };
        Some([axis(self.height, top, bottom)?, axis(self.width, left, right)?])
    }

    /// The place in the map that a place of the output shows, along one axis.
    fn source(&self, at: usize, size: usize, before: usize) -> Option<usize> {
        match at.checked_sub(before) {
            Some(inside) if inside < size => Some(inside),
            place => match self.border {
                Border::Constant(_) => None,
                Border::Replicate => Some(place.map_or(0, |_| size - 1)),
                Border::Reflect => Some(place.map_or_else(|| before - at, |place| 2 * (size - 1) - place)),
            },
        }
    }

    fn check(&self, batch: usize, map: usize, padded: usize) -> [usize; 2] {
        let [rows, cols] = self.output().expect("the border shows pixels of the map");
        let len = |rows: usize, cols: usize| {
            rows.checked_mul(cols).and_then(|len| len.checked_mul(self.channels)).and_then(|len| len.checked_mul(batch))
        };
        assert_eq!(Some(map), len(self.height, self.width), "batch · height · width · channels");
        assert_eq!(Some(padded), len(rows, cols), "batch · padded height · padded width · channels");
        [rows, cols]
    }
}

/// Puts a border around each map.
///
/// # Panics
/// Where there is no such border, or the lengths do not fit.
///
/// # Examples
/// ```
/// use plexus_kernels::pad::{Border, Pad, pad};
/// let sizes = Pad { height: 1, width: 3, channels: 1, sides: [0, 2, 0, 1], border: Border::Reflect };
/// let mut output = [0.0; 6];
/// pad(sizes, 1, &[1.0, 2.0, 3.0], &mut output, &plexus_kernels::Context::single());
/// assert_eq!(output, [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
/// ```
pub fn pad(sizes: Pad, batch: usize, input: &[f32], output: &mut [f32], context: &Context) {
    let [rows, cols] = sizes.check(batch, input.len(), output.len());
    let Pad { height, width, channels, sides: [top, left, ..], border } = sizes;
    let line = cols * channels;
    if output.is_empty() {
        return;
    }
    let value = if let Border::Constant(value) = border { value } else { 0.0 };
    pieces::for_each(context.pool(), line, Rows(output, line), |first, Rows(output, _)| {
        for (at, output) in output.chunks_exact_mut(line).enumerate() {
            let (n, y) = ((first + at) / rows, (first + at) % rows);
            let Some(row) = sizes.source(y, height, top) else {
                output.fill(value);
                continue;
            };
            let row = &input[(n * height + row) * width * channels..][..width * channels];
            output[left * channels..][..width * channels].copy_from_slice(row);
            for x in (0..left).chain(left + width..cols) {
                let to = &mut output[x * channels..][..channels];
                match sizes.source(x, width, left) {
                    Some(col) => to.copy_from_slice(&row[col * channels..][..channels]),
                    None => to.fill(value),
                }
            }
        }
    });
}

/// The gradient of [`pad`]: each pixel of a map gets the sum over the places that show it.
///
/// # Panics
/// Where there is no such border, or the lengths do not fit.
pub fn pad_backward(sizes: Pad, batch: usize, grad_output: &[f32], grad_input: &mut [f32], context: &Context) {
    let [rows, cols] = sizes.check(batch, grad_input.len(), grad_output.len());
    crop(sizes, batch, grad_output, grad_input, context);
    if matches!(sizes.border, Border::Constant(_)) || grad_input.is_empty() {
        return;
    }
    let Pad { height, width, channels, sides: [top, left, ..], .. } = sizes;
    let (full, padded) = (height * width * channels, rows * cols * channels);
    pieces::for_each(context.pool(), padded, Rows(grad_input, full), |first, Rows(grad_input, _)| {
        for (at, grad_input) in grad_input.chunks_exact_mut(full).enumerate() {
            let grad_output = &grad_output[(first + at) * padded..][..padded];
            for y in 0..rows {
                let Some(row) = sizes.source(y, height, top) else { continue };
                let inside = (top..top + height).contains(&y);
                for x in (0..cols).filter(|x| !inside || !(left..left + width).contains(x)) {
                    let Some(col) = sizes.source(x, width, left) else { continue };
                    let from = &grad_output[(y * cols + x) * channels..][..channels];
                    let to = &mut grad_input[(row * width + col) * channels..][..channels];
                    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                }
            }
        }
    });
}

/// Cuts each map out of a larger one: the other way of [`pad`], whatever the border.
///
/// # Shapes
/// - `sizes`: of what is cut out, and of what is left away around it
/// - `input`: `[batch, padded height, padded width, channels]`
/// - `output`: `[batch, height, width, channels]`, overwritten
///
/// # Panics
/// Where there is no such border, or the lengths do not fit.
pub fn crop(sizes: Pad, batch: usize, input: &[f32], output: &mut [f32], context: &Context) {
    let [rows, cols] = sizes.check(batch, output.len(), input.len());
    let Pad { height, width, channels, sides: [top, left, ..], .. } = sizes;
    let line = width * channels;
    if output.is_empty() {
        return;
    }
    pieces::for_each(context.pool(), line, Rows(output, line), |first, Rows(output, _)| {
        for (at, output) in output.chunks_exact_mut(line).enumerate() {
            let (n, y) = ((first + at) / height, (first + at) % height);
            output.copy_from_slice(&input[((n * rows + y + top) * cols + left) * channels..][..line]);
        }
    });
}

#[cfg(test)]
mod tests;
