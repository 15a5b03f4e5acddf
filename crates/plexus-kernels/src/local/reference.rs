//! The definition: plain loops, sums in f64.

use crate::conv::Geometry;

/// Calls `visit(output, weight, input)` with the indices of every product.
fn for_each_product(geometry: &Geometry, batch: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let Some([rows, cols]) = geometry.output() else { return };
    let (filters, channels, [kernel_rows, kernel_cols]) = (geometry.filters, geometry.channels, geometry.kernel);
    for n in 0..batch {
        for neuron in 0..rows * cols * filters {
            let (y, x) = (neuron / filters / cols, neuron / filters % cols);
            for i in 0..kernel_rows {
                for j in 0..kernel_cols {
                    let row = (y * geometry.stride[0] + i) as i64 - geometry.padding[0] as i64;
                    let col = (x * geometry.stride[1] + j) as i64 - geometry.padding[1] as i64;
                    if row < 0 || col < 0 || row >= geometry.height as i64 || col >= geometry.width as i64 {
                        continue;
                    }
                    for c in 0..channels {
                        let weight = ((neuron * kernel_rows + i) * kernel_cols + j) * channels + c;
                        let pixel = (n * geometry.height + row as usize) * geometry.width + col as usize;
                        visit(n * rows * cols * filters + neuron, weight, pixel * channels + c);
                    }
                }
            }
        }
    }
}

/// See [`local`](super::local).
pub fn local(geometry: &Geometry, batch: usize, input: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f64> {
    let one: Vec<f64> = bias.iter().map(|&bias| f64::from(bias)).collect();
    let mut output: Vec<f64> = one.repeat(batch);
    for_each_product(geometry, batch, |to, w, x| output[to] += f64::from(weight[w]) * f64::from(input[x]));
    output
}

/// See [`local_backward_weight`](super::local_backward_weight), from zero.
pub fn backward_weight(geometry: &Geometry, batch: usize, input: &[f32], grad_output: &[f32], len: usize) -> Vec<f64> {
    let mut grad_weight = vec![0.0; len];
    for_each_product(geometry, batch, |g, to, x| grad_weight[to] += f64::from(grad_output[g]) * f64::from(input[x]));
    grad_weight
}

/// See [`local_backward_input`](super::local_backward_input).
pub fn backward_input(geometry: &Geometry, batch: usize, grad_output: &[f32], weight: &[f32]) -> Vec<f64> {
    let mut grad_input = vec![0.0; batch * geometry.input_len()];
    for_each_product(geometry, batch, |g, w, to| grad_input[to] += f64::from(grad_output[g]) * f64::from(weight[w]));
    grad_input
}
