//! The definition of the distances and of their gradient, in 64-bit arithmetic.

use super::Size;

/// `output[b, o] = −Σ_i (input[b, i] − center[o, i])²`
pub fn forward(size: Size, input: &[f32], center: &[f32]) -> Vec<f64> {
    let Size { rows, features, points } = size;
    let mut output = vec![0.0; rows * points];
    for b in 0..rows {
        for o in 0..points {
            for i in 0..features {
                let difference = f64::from(input[b * features + i]) - f64::from(center[o * features + i]);
                output[b * points + o] -= difference * difference;
            }
        }
    }
    output
}

/// `grad_input[b, i] = Σ_o −2 · grad_output[b, o] · (input[b, i] − center[o, i])`
pub fn backward(size: Size, input: &[f32], center: &[f32], grad_output: &[f32]) -> Vec<f64> {
    let Size { rows, features, points } = size;
    let mut grad_input = vec![0.0; rows * features];
    for b in 0..rows {
        for i in 0..features {
            for o in 0..points {
                let difference = f64::from(input[b * features + i]) - f64::from(center[o * features + i]);
                grad_input[b * features + i] -= 2.0 * f64::from(grad_output[b * points + o]) * difference;
            }
        }
    }
    grad_input
}
