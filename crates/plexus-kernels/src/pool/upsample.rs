//! Maps enlarged by a whole factor, and the way back.

use crate::Context;
use crate::map::pieces::{self, Rows};

/// Repeats every pixel `factor` times in both directions.
///
/// ```text
/// output[n, y, x, c] = input[n, y / factor, x / factor, c]
/// ```
///
/// # Shapes
/// - `size`: batch, height, width, channels of the input
/// - `input`: `[batch, height, width, channels]`
/// - `output`: `[batch, factor · height, factor · width, channels]`, overwritten
///
/// # Panics
/// Where the lengths disagree.
pub fn upsample(size: [usize; 4], factor: usize, input: &[f32], output: &mut [f32], context: &Context) {
    let [batch, height, width, channels] = size;
    assert_eq!(input.len(), batch * height * width * channels, "batch · height · width · channels");
    assert_eq!(output.len(), input.len() * factor * factor, "factor² as many");
    let row = width * channels;
    if output.is_empty() {
        return;
    }
    let wide = factor * row;
    pieces::for_each(context.pool(), factor * wide, Rows(output, factor * wide), |first, Rows(output, _)| {
        for (at, rows) in output.chunks_exact_mut(factor * wide).enumerate() {
            let from = &input[(first + at) * row..][..row];
            for (pixel, to) in from.chunks_exact(channels).zip(rows.chunks_exact_mut(factor * channels)) {
                to.chunks_exact_mut(channels).for_each(|to| to.copy_from_slice(pixel));
            }
            let (one, others) = rows.split_at_mut(wide);
            others.chunks_exact_mut(wide).for_each(|to| to.copy_from_slice(one));
        }
    });
}

/// Sums the gradient over the pixels that show one of the input.
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
pub fn upsample_backward(
    size: [usize; 4],
    factor: usize,
    grad_output: &[f32],
    grad_input: &mut [f32],
    context: &Context,
) {
    let [batch, height, width, channels] = size;
    assert_eq!(grad_input.len(), batch * height * width * channels, "batch · height · width · channels");
    assert_eq!(grad_output.len(), grad_input.len() * factor * factor, "factor² as many");
    let row = width * channels;
    if grad_input.is_empty() {
        return;
    }
    let wide = factor * row;
    pieces::for_each(context.pool(), factor * wide, Rows(grad_input, row), |first, Rows(grad_input, _)| {
        for (at, to) in grad_input.chunks_exact_mut(row).enumerate() {
            let rows = &grad_output[(first + at) * factor * wide..][..factor * wide];
            to.fill(0.0);
            for from in rows.chunks_exact(wide) {
                for (pixels, to) in from.chunks_exact(factor * channels).zip(to.chunks_exact_mut(channels)) {
                    for pixel in pixels.chunks_exact(channels) {
                        to.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::Pool;

    #[test]
    fn pixels_become_squares_and_their_gradients_are_summed() {
        let input = [1.0, 2.0, 3.0, 4.0];
        let mut output = [0.0; 16];
        upsample([1, 1, 2, 2], 2, &input, &mut output, &Context::single());
        let row = [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0];
        assert_eq!(output, [row, row].concat()[..]);
        let mut grad = [9.0; 4];
        upsample_backward([1, 1, 2, 2], 2, &output, &mut grad, &Context::single());
        assert_eq!(grad, [4.0, 8.0, 12.0, 16.0]);
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let size = [3, 17, 19, 5];
        let input: Vec<f32> = (0..size.iter().product::<usize>()).map(|at| (at as f32 * 0.37).sin()).collect();
        let run = |threads: usize| {
            let context = Context::detect(Pool::new(threads));
            let (mut output, mut grad) = (vec![0.0; 9 * input.len()], vec![0.0; input.len()]);
            upsample(size, 3, &input, &mut output, &context);
            upsample_backward(size, 3, &output, &mut grad, &context);
            (output, grad)
        };
        let one = run(1);
        assert!(run(2) == one && run(7) == one);
    }
}
