//! The definition of the reductions: plain loops, 64-bit accumulation.

/// `Σ_i matrix[i, j]` for every column.
pub fn column_sums(rows: usize, cols: usize, matrix: &[f32]) -> Vec<f64> {
    (0..cols).map(|j| (0..rows).map(|i| f64::from(matrix[i * cols + j])).sum()).collect()
}

/// `Σ_i values[i]`
pub fn sum(values: &[f32]) -> f64 {
    values.iter().map(|&x| f64::from(x)).sum()
}

/// `Σ_i values[i]²`
pub fn sum_of_squares(values: &[f32]) -> f64 {
    values.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}

/// The index of the first value that is NaN or infinite.
pub fn first_not_finite(values: &[f32]) -> Option<usize> {
    values.iter().position(|value| !value.is_finite())
}
