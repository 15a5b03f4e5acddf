//! An output as a table: one row for each answer, one column for each class or number.
//!
//! ```text
//! output [outer, cols, inner] of each row  ->  table [rows · outer · inner, cols]
//! ```
//!
//! For one class a row that is the output itself. For one class a pixel the output is `[classes, height, width]`, and the
//! table has a row for each pixel.

use std::borrow::Cow;

/// Where the axis of classes or numbers lies in an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnswerTable {
    /// Its length.
    pub cols: usize,
    /// The product of the axes behind it.
    pub inner: usize,
    /// Answers of one row of the data: the product of all axes but this one.
    pub positions: usize,
}

impl AnswerTable {
    /// For an axis of an output; an output without axes is one number. `None` where there is no such axis.
    pub fn new(shape: &[usize], axis: usize) -> Option<Self> {
        match shape {
            [] => Some(AnswerTable { cols: 1, inner: 1, positions: 1 }),
            _ => {
                let (cols, inner) = (*shape.get(axis)?, shape[axis + 1..].iter().product());
                Some(AnswerTable { cols, inner, positions: shape[..axis].iter().product::<usize>() * inner })
            }
        }
    }

    /// Columns, and answers of one row of the data, as losses want to know them.
    pub fn shape(self) -> (usize, usize) {
        (self.cols, self.positions)
    }

    /// The outputs of some rows as a table; `scratch` is used where numbers have to be moved.
    pub fn of<'a>(self, outputs: &'a [f32], scratch: &'a mut Vec<f32>) -> &'a [f32] {
        let AnswerTable { cols, inner, .. } = self;
        if inner == 1 {
            return outputs;
        }
        scratch.resize(outputs.len(), 0.0);
        for (block, table) in outputs.chunks_exact(cols * inner).zip(scratch.chunks_exact_mut(cols * inner)) {
            for (col, map) in block.chunks_exact(inner).enumerate() {
                for (position, value) in map.iter().enumerate() {
                    table[position * cols + col] = *value;
                }
            }
        }
        scratch
    }

    /// The other way: a table back into outputs.
    pub fn put(self, table: &[f32], outputs: &mut [f32]) {
        let AnswerTable { cols, inner, .. } = self;
        for (block, table) in outputs.chunks_exact_mut(cols * inner).zip(table.chunks_exact(cols * inner)) {
            for (col, map) in block.chunks_exact_mut(inner).enumerate() {
                for (position, value) in map.iter_mut().enumerate() {
                    *value = table[position * cols + col];
                }
            }
        }
    }

    /// The column of a number, by its place in the outputs.
    pub fn col(self, index: usize) -> usize {
        index / self.inner % self.cols
    }
}

/// Targets that are numbers, as a table beside [`AnswerTable::of`].
pub(crate) fn target_table(table: AnswerTable, values: &[f32]) -> Cow<'_, [f32]> {
    if table.inner == 1 {
        return Cow::Borrowed(values);
    }
    let mut scratch = Vec::new();
    table.of(values, &mut scratch);
    Cow::Owned(scratch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_become_a_table_and_come_back() {
        // Two rows of two classes on three pixels.
        let outputs: Vec<f32> = (0..12).map(|at| at as f32).collect();
        let table = AnswerTable::new(&[2, 1, 3], 0).expect("there is such an axis");
        assert_eq!(table, AnswerTable { cols: 2, inner: 3, positions: 3 });
        let (mut scratch, mut back) = (Vec::new(), vec![0.0; 12]);
        let moved = table.of(&outputs, &mut scratch).to_vec();
        assert_eq!(moved, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0, 6.0, 9.0, 7.0, 10.0, 8.0, 11.0]);
        table.put(&moved, &mut back);
        assert_eq!(back, outputs);
        assert_eq!([0, 2, 3, 6, 9].map(|index| table.col(index)), [0, 0, 1, 0, 1]);
        // The last axis is a table already.
        let last = AnswerTable::new(&[3, 2], 1).expect("there is such an axis");
        assert_eq!(last.shape(), (2, 3));
        assert_eq!(last.of(&outputs, &mut scratch), &outputs[..]);
        assert_eq!(AnswerTable::new(&[3], 1), None);
    }
}
