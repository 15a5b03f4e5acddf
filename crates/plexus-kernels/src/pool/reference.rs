//! The definition: plain loops, sums in f64.

use super::Window;

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
