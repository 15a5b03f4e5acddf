//! The definition: a matrix with its zeros, sums in f64.

use super::Structure;

/// Calls `visit(row, non-zero, column)` for every non-zero.
fn for_each_nonzero(structure: Structure<'_>, mut visit: impl FnMut(usize, usize, usize)) {
    let mut n = 0;
    for (row, length) in structure.lengths.iter().enumerate() {
        for _ in 0..*length as usize {
            visit(row, n, structure.columns[n] as usize);
            n += 1;
        }
    }
}

/// The matrix, `[rows, cols]`; non-zeros at the same place are added.
pub fn dense(structure: Structure<'_>, weight: &[f32]) -> Vec<f64> {
    let mut matrix = vec![0.0; structure.rows() * structure.cols];
    for_each_nonzero(structure, |row, n, column| matrix[row * structure.cols + column] += f64::from(weight[n]));
    matrix
}

/// See [`sparse`](super::sparse).
pub fn sparse(structure: Structure<'_>, batch: usize, input: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f64> {
    let (rows, cols, matrix) = (structure.rows(), structure.cols, dense(structure, weight));
    let mut output = vec![0.0; batch * rows];
    for b in 0..batch {
        for o in 0..rows {
            output[b * rows + o] = f64::from(bias[o]);
            for i in 0..cols {
                output[b * rows + o] += matrix[o * cols + i] * f64::from(input[b * cols + i]);
            }
        }
    }
    output
}

/// See [`sparse_backward_weight`](super::sparse_backward_weight), from zero.
pub fn backward_weight(structure: Structure<'_>, batch: usize, input: &[f32], grad_output: &[f32]) -> Vec<f64> {
    let mut grad_weight = vec![0.0; structure.columns.len()];
    for b in 0..batch {
        for_each_nonzero(structure, |row, n, column| {
            let grad = f64::from(grad_output[b * structure.rows() + row]);
            grad_weight[n] += grad * f64::from(input[b * structure.cols + column]);
        });
    }
    grad_weight
}

/// See [`sparse_backward_input`](super::sparse_backward_input).
pub fn backward_input(structure: Structure<'_>, batch: usize, grad_output: &[f32], weight: &[f32]) -> Vec<f64> {
    let (rows, cols, matrix) = (structure.rows(), structure.cols, dense(structure, weight));
    let mut grad_input = vec![0.0; batch * cols];
    for b in 0..batch {
        for o in 0..rows {
            for i in 0..cols {
                grad_input[b * cols + i] += f64::from(grad_output[b * rows + o]) * matrix[o * cols + i];
            }
        }
    }
    grad_input
}
