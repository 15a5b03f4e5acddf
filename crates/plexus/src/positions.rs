//! Outputs that give a class, or numbers, for each of several positions: `[names, height, width]` for one a pixel.

use crate::task::OutputTask;
use plexus_nn::{CheckedNetwork, ValueId};

/// The axes of an output behind that of its names: `[]` where there is one answer a row. `None` where the names do not
/// belong to the output.
pub(crate) fn positions<'n>(network: &'n CheckedNetwork, output: ValueId, task: &OutputTask) -> Option<&'n [usize]> {
    let names = task.task.names().len();
    match network.shape(output).axes() {
        _ if network.len(output) == names => Some(&[]),
        [first, rest @ ..] if *first == names && !rest.is_empty() => Some(rest),
        _ => None,
    }
}

/// `[names, positions]` of each row as `[positions, names]`.
pub(crate) fn to_table(names: usize, positions: usize, outputs: &[f32], table: &mut [f32]) {
    turned(names, positions, outputs, table);
}

/// The other way.
pub(crate) fn from_table(names: usize, positions: usize, table: &[f32], outputs: &mut [f32]) {
    turned(positions, names, table, outputs);
}

/// Blocks of `[rows, cols]` as `[cols, rows]`.
fn turned(rows: usize, cols: usize, from: &[f32], to: &mut [f32]) {
    let len = (rows * cols).max(1);
    for (from, to) in from.chunks_exact(len).zip(to.chunks_exact_mut(len)) {
        for (row, values) in from.chunks_exact(cols).enumerate() {
            for (col, value) in values.iter().enumerate() {
                to[col * rows + row] = *value;
            }
        }
    }
}

/// The position of the largest of the numbers at each position, the first of equals; `u32::MAX` where one is NaN.
/// `[rows, names, positions]` becomes `[rows, positions]`.
pub(crate) fn largest(names: usize, positions: usize, outputs: &[f32]) -> Vec<u32> {
    let len = (names * positions).max(1);
    let mut classes = vec![0; outputs.len() / len * positions];
    let mut best = vec![0.0; positions];
    for (outputs, classes) in outputs.chunks_exact(len).zip(classes.chunks_exact_mut(positions.max(1))) {
        best.copy_from_slice(&outputs[..positions]);
        for (name, values) in outputs.chunks_exact(positions.max(1)).enumerate() {
            for ((class, best), value) in classes.iter_mut().zip(&mut best).zip(values) {
                if value.is_nan() || best.is_nan() {
                    (*class, *best) = (u32::MAX, f32::NAN);
                } else if *value > *best {
                    (*class, *best) = (name as u32, *value);
                }
            }
        }
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_at_each_position_is_found() {
        // Two rows of three classes at two positions.
        let outputs = [1.0, 5.0, 2.0, 5.0, 0.0, 6.0, f32::NAN, -1.0, 9.0, -2.0, 1.0, -3.0];
        assert_eq!(largest(3, 2, &outputs), [1, 2, u32::MAX, 0]);
        assert_eq!(largest(3, 1, &[0.0, 0.0, f32::NAN]), [u32::MAX]);
    }

    #[test]
    fn tables_lead_there_and_back() {
        let outputs: Vec<f32> = (0..12).map(|at| at as f32).collect();
        let (mut table, mut back) = (vec![0.0; 12], vec![0.0; 12]);
        to_table(2, 3, &outputs, &mut table);
        assert_eq!(table[..6], [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        from_table(2, 3, &table, &mut back);
        assert_eq!(back, outputs);
    }
}
