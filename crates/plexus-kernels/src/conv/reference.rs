//! The definition: plain loops, sums in f64.

use super::Geometry;

/// Calls `visit(output, input, weight)` with three indices for every product of one sample that is not with padding, in
/// the order of the output, then of the filter's rows, columns and channels.
fn for_each_product(geometry: &Geometry, mut visit: impl FnMut(usize, usize, usize)) {
    let Some([rows, cols]) = geometry.output() else { return };
    let [kernel_rows, kernel_cols] = geometry.kernel;
    let (channels, filters) = (geometry.group_channels(), geometry.group_filters());
    for y in 0..rows {
        for x in 0..cols {
            for f in 0..geometry.filters {
                for i in 0..kernel_rows {
                    for j in 0..kernel_cols {
                        let row = y * geometry.stride[0] + i * geometry.dilation[0];
                        let col = x * geometry.stride[1] + j * geometry.dilation[1];
                        let (Some(row), Some(col)) =
                            (row.checked_sub(geometry.padding[0]), col.checked_sub(geometry.padding[1]))
                        else {
                            continue;
                        };
                        if row >= geometry.height || col >= geometry.width {
                            continue;
                        }
                        for c in 0..channels {
                            let channel = f / filters * channels + c;
                            visit(
                                (y * cols + x) * geometry.filters + f,
                                (row * geometry.width + col) * geometry.channels + channel,
                                ((f * channels + c) * kernel_rows + i) * kernel_cols + j,
                            );
                        }
                    }
                }
            }
        }
    }
}

/// The sums of [`conv`](super::conv) before the function, and for each the sum of the magnitudes of its terms.
pub fn conv(
    geometry: &Geometry,
    batch: usize,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> (Vec<f64>, Vec<f64>) {
    let (inputs, outputs) = (geometry.input_len(), geometry.output_len());
    let (mut sums, mut sizes) = (vec![0.0; batch * outputs], vec![0.0; batch * outputs]);
    for n in 0..batch {
        for_each_product(geometry, |to, from, w| {
            let term = f64::from(input[n * inputs + from]) * f64::from(weight[w]);
            sums[n * outputs + to] += term;
            sizes[n * outputs + to] += term.abs();
        });
    }
    if let Some(bias) = bias {
        for (at, (sum, size)) in sums.iter_mut().zip(&mut sizes).enumerate() {
            *sum += f64::from(bias[at % geometry.filters]);
            *size += f64::from(bias[at % geometry.filters]).abs();
        }
    }
    (sums, sizes)
}

/// The gradient of the input, and for each element the sum of the magnitudes of its terms.
pub fn backward_input(geometry: &Geometry, batch: usize, grad_output: &[f32], weight: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let (inputs, outputs) = (geometry.input_len(), geometry.output_len());
    let (mut sums, mut sizes) = (vec![0.0; batch * inputs], vec![0.0; batch * inputs]);
    for n in 0..batch {
        for_each_product(geometry, |from, to, w| {
            let term = f64::from(grad_output[n * outputs + from]) * f64::from(weight[w]);
            sums[n * inputs + to] += term;
            sizes[n * inputs + to] += term.abs();
        });
    }
    (sums, sizes)
}

/// The gradient of the weight, and for each element the sum of the magnitudes of its terms.
pub fn backward_weight(geometry: &Geometry, batch: usize, input: &[f32], grad_output: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let (inputs, outputs) = (geometry.input_len(), geometry.output_len());
    let (mut sums, mut sizes) = (vec![0.0; geometry.weight_len()], vec![0.0; geometry.weight_len()]);
    for n in 0..batch {
        for_each_product(geometry, |from, at, to| {
            let term = f64::from(grad_output[n * outputs + from]) * f64::from(input[n * inputs + at]);
            sums[to] += term;
            sizes[to] += term.abs();
        });
    }
    (sums, sizes)
}

/// The largest of each 2 x 2 window with stride 2 and where it is (0 to 3, row-major): the first of equal ones, and a
/// NaN before every number, the last of several.
///
/// # Shapes
/// - `full`: `[batch, height, width, channels]`; an odd last row or column is left out
pub fn max_two(full: &[f32], batch: usize, [channels, height, width]: [usize; 3]) -> (Vec<f32>, Vec<u8>) {
    let (mut values, mut positions) = (Vec::new(), Vec::new());
    for n in 0..batch {
        for y in 0..height / 2 {
            for x in 0..width / 2 {
                for c in 0..channels {
                    let (mut largest, mut chosen) = (f32::NEG_INFINITY, 0);
                    for position in 0..4 {
                        let (row, col) = (2 * y + position / 2, 2 * x + position % 2);
                        let value = full[((n * height + row) * width + col) * channels + c];
                        if value > largest || value.is_nan() {
                            (largest, chosen) = (value, position as u8);
                        }
                    }
                    values.push(largest);
                    positions.push(chosen);
                }
            }
        }
    }
    (values, positions)
}
