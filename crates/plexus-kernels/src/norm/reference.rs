//! The definition of the normalizations: plain loops, 64-bit arithmetic.

/// The mean and the biased variance.
pub fn statistics(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count)
}

/// Every row by its own statistics.
pub fn layer_norm(cols: usize, epsilon: f64, input: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let mut output = Vec::with_capacity(input.len());
    for row in input.chunks(cols) {
        let (mean, variance) = statistics(row);
        for (j, x) in row.iter().enumerate() {
            output.push((x - mean) / (variance + epsilon).sqrt() * weight[j] + bias[j]);
        }
    }
    output
}

/// Every column by its own statistics.
pub fn batch_norm(cols: usize, epsilon: f64, input: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let mut output = vec![0.0; input.len()];
    for j in 0..cols {
        let column: Vec<f64> = input.iter().skip(j).step_by(cols).copied().collect();
        let (mean, variance) = statistics(&column);
        for (i, x) in column.iter().enumerate() {
            output[i * cols + j] = (x - mean) / (variance + epsilon).sqrt() * weight[j] + bias[j];
        }
    }
    output
}

/// Every column by given statistics.
pub fn batch_norm_inference(
    cols: usize,
    (mean, rstd): (&[f64], &[f64]),
    input: &[f64],
    weight: &[f64],
    bias: &[f64],
) -> Vec<f64> {
    let normal = |(i, x): (usize, &f64)| (x - mean[i % cols]) * rstd[i % cols] * weight[i % cols] + bias[i % cols];
    input.iter().enumerate().map(normal).collect()
}
