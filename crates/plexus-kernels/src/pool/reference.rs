//! The definition: plain loops, sums in f64.

use super::{Bins, Window};

/// The elements of one window inside the map, as row and column, row-major; outside of the map nothing is listed.
fn elements(window: &Window, y: usize, x: usize) -> Vec<(usize, usize)> {
    let mut elements = Vec::new();
    for i in 0..window.kernel[0] {
        for j in 0..window.kernel[1] {
            let row = (y * window.stride[0] + i * window.dilation[0]) as i64 - window.padding[0] as i64;
            let col = (x * window.stride[1] + j * window.dilation[1]) as i64 - window.padding[1] as i64;
            if row >= 0 && col >= 0 && row < window.height as i64 && col < window.width as i64 {
                elements.push((row as usize, col as usize));
            }
        }
    }
    elements
}

/// Calls `visit(output, elements)` for every window and channel of a batch, with the indices of the inputs of each.
fn for_each_window(window: &Window, batch: usize, mut visit: impl FnMut(usize, usize, usize, Vec<usize>)) {
    let Some([rows, cols]) = window.output() else { return };
    for n in 0..batch {
        for y in 0..rows {
            for x in 0..cols {
                for c in 0..window.channels {
                    let at = |(row, col)| ((n * window.height + row) * window.width + col) * window.channels + c;
                    let elements = elements(window, y, x).into_iter().map(at).collect();
                    visit(((n * rows + y) * cols + x) * window.channels + c, y, x, elements);
                }
            }
        }
    }
}

/// See [`max_pool`](super::max_pool).
pub fn max_pool(window: &Window, batch: usize, input: &[f32]) -> (Vec<f32>, Vec<u32>) {
    let (mut output, mut positions) = (Vec::new(), Vec::new());
    for_each_window(window, batch, |_, _, _, elements| {
        let mut largest = f32::NEG_INFINITY;
        let mut chosen = elements.first().copied();
        for at in elements {
            if input[at] > largest || input[at].is_nan() {
                (largest, chosen) = (input[at], Some(at));
            }
        }
        output.push(largest);
        let plane = window.height * window.width;
        positions.push(chosen.map_or(u32::MAX, |at| (at / window.channels % plane) as u32));
    });
    (output, positions)
}

/// See [`avg_pool`](super::avg_pool).
pub fn avg_pool(window: &Window, batch: usize, input: &[f32], count_include_pad: bool) -> Vec<f64> {
    let mut output = Vec::new();
    for_each_window(window, batch, |_, y, x, elements| {
        let divisor = divisor(window, y, x, elements.len(), count_include_pad);
        let sum: f64 = elements.iter().map(|&at| f64::from(input[at])).sum();
        output.push(if elements.is_empty() { 0.0 } else { sum / divisor });
    });
    output
}

/// See [`avg_pool_backward`](super::avg_pool_backward).
pub fn avg_pool_backward(window: &Window, batch: usize, grad_output: &[f32], count_include_pad: bool) -> Vec<f64> {
    let mut grad_input = vec![0.0; batch * window.input_len()];
    for_each_window(window, batch, |to, y, x, elements| {
        let divisor = divisor(window, y, x, elements.len(), count_include_pad);
        for at in elements {
            grad_input[at] += f64::from(grad_output[to]) / divisor;
        }
    });
    grad_input
}

/// What the sum of one window is divided by.
fn divisor(window: &Window, y: usize, x: usize, inside: usize, count_include_pad: bool) -> f64 {
    if !count_include_pad {
        return inside as f64;
    }
    let extent = |axis: usize, at: usize, size: usize| {
        let end = size + window.padding[axis] + window.padding[axis + 2];
        (at * window.stride[axis]..at * window.stride[axis] + window.kernel[axis]).filter(|&at| at < end).count()
    };
    (extent(0, y, window.height) * extent(1, x, window.width)) as f64
}

/// Calls `visit(output, inputs)` for every bin and channel of a batch, with the indices of the inputs of each.
fn for_each_bin(bins: &Bins, batch: usize, mut visit: impl FnMut(usize, Vec<usize>)) {
    let ([height, width], [rows, cols]) = (bins.input, bins.output);
    let bin = |at: usize, size: usize, bins: usize| {
        let start = (at * size) as f64 / bins as f64;
        let end = ((at + 1) * size) as f64 / bins as f64;
        start.floor() as usize..end.ceil() as usize
    };
    let outputs = (0..batch).flat_map(|n| (0..rows).flat_map(move |y| (0..cols).map(move |x| (n, y, x))));
    for (index, (n, y, x)) in outputs.enumerate() {
        for c in 0..bins.channels {
            let pixels = bin(y, height, rows).flat_map(|row| bin(x, width, cols).map(move |col| (row, col)));
            let at = |(row, col)| ((n * height + row) * width + col) * bins.channels + c;
            visit(index * bins.channels + c, pixels.map(at).collect());
        }
    }
}

/// See [`adaptive_avg_pool`](super::adaptive_avg_pool).
pub fn adaptive_avg_pool(bins: &Bins, batch: usize, input: &[f32]) -> Vec<f64> {
    let mut output = Vec::new();
    for_each_bin(bins, batch, |_, inputs| {
        output.push(inputs.iter().map(|&at| f64::from(input[at])).sum::<f64>() / inputs.len() as f64);
    });
    output
}

/// See [`adaptive_avg_pool_backward`](super::adaptive_avg_pool_backward).
pub fn adaptive_avg_pool_backward(bins: &Bins, batch: usize, grad_output: &[f32]) -> Vec<f64> {
    let mut grad_input = vec![0.0; batch * bins.input[0] * bins.input[1] * bins.channels];
    for_each_bin(bins, batch, |to, inputs| {
        for &at in &inputs {
            grad_input[at] += f64::from(grad_output[to]) / inputs.len() as f64;
        }
    });
    grad_input
}

/// For each number of maps that are enlarged with lines between their pixels: the numbers that it is made of, with their shares.
fn shares(size: [usize; 4], factor: usize) -> Vec<Vec<(usize, f64)>> {
    let [batch, height, width, channels] = size;
    let axis = |at: usize, size: usize| {
        let place = ((at as f64 + 0.5) / factor as f64 - 0.5).max(0.0);
        let first = place.floor() as usize;
        [(first, 1.0 - place.fract()), ((first + 1).min(size - 1), place.fract())]
    };
    let mut all = Vec::new();
    for n in 0..batch {
        for y in 0..factor * height {
            for x in 0..factor * width {
                for c in 0..channels {
                    let mut one = Vec::new();
                    for (row, of_row) in axis(y, height) {
                        for (col, of_col) in axis(x, width) {
                            one.push((((n * height + row) * width + col) * channels + c, of_row * of_col));
                        }
                    }
                    all.push(one);
                }
            }
        }
    }
    all
}

/// See [`upsample_bilinear`](super::upsample_bilinear).
pub fn upsample_bilinear(size: [usize; 4], factor: usize, input: &[f32]) -> Vec<f64> {
    let sum = |one: Vec<(usize, f64)>| one.into_iter().map(|(at, share)| f64::from(input[at]) * share).sum();
    shares(size, factor).into_iter().map(sum).collect()
}

/// See [`upsample_bilinear_backward`](super::upsample_bilinear_backward).
pub fn upsample_bilinear_backward(size: [usize; 4], factor: usize, grad_output: &[f32]) -> Vec<f64> {
    let mut grad_input = vec![0.0; size.iter().product()];
    for (one, grad) in shares(size, factor).into_iter().zip(grad_output) {
        one.into_iter().for_each(|(at, share)| grad_input[at] += f64::from(*grad) * share);
    }
    grad_input
}
