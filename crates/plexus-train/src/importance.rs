//! How much a model needs each column: what becomes of its error when the values of the column change rows.

use crate::data::{Dataset, Samples};
use plexus_kernels::random::{Random, Stream};
use std::ops::Range;

/// The rise of the error for one column, once for each shuffle of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// Error with shuffled values minus error with the true ones, one entry a repeat.
    pub rises: Vec<f64>,
}

impl Importance {
    /// The mean of the rises.
    pub fn mean(&self) -> f64 {
        self.rises.iter().sum::<f64>() / self.rises.len() as f64
    }

    /// Their standard deviation, with the biased variance, as in scikit-learn.
    pub fn spread(&self) -> f64 {
        let mean = self.mean();
        (self.rises.iter().map(|rise| (rise - mean).powi(2)).sum::<f64>() / self.rises.len() as f64).sqrt()
    }
}

/// Measures by how much the error rises when one column is shuffled, for each column.
///
/// `columns` are the ranges of features that belong together: all features of a column go from row to row in one piece,
/// so that a category stays one. `error` measures the model on the rows that it is given; lower is better. The data is as
/// before when this returns, also where `error` fails.
///
/// Gives the error with all columns in place, and one entry a column.
///
/// # Errors
/// What `error` says.
///
/// # Panics
/// Where a range is outside the row.
///
/// # Source
/// L. Breiman, "Random Forests", 2001, section 10; on rows that were not learned from as in scikit-learn's
/// `permutation_importance`.
pub fn permutation_importance<E>(
    data: &mut Dataset,
    columns: &[Range<usize>],
    repeats: usize,
    seed: u64,
    mut error: impl FnMut(&Dataset) -> Result<f64, E>,
) -> Result<(f64, Vec<Importance>), E> {
    let usual = error(data)?;
    let mut found = Vec::with_capacity(columns.len());
    let in_place: Vec<u64> = (0..data.len() as u64).collect();
    for (index, column) in columns.iter().enumerate() {
        let saved = Column::take(data, column);
        let shuffled: Result<Vec<f64>, E> = (0..repeats)
            .map(|repeat| {
                let mut order = in_place.clone();
                Random::new(seed, Stream::Shuffle, [index as u64, repeat as u64]).shuffle(&mut order);
                saved.put(data, column, &order);
                Ok(error(data)? - usual)
            })
            .collect();
        saved.put(data, column, &in_place);
        found.push(Importance { rises: shuffled? });
    }
    Ok((usual, found))
}

/// The values of a few neighboring features, `[rows, features]`.
enum Column {
    U8(Vec<u8>),
    F32(Vec<f32>),
    /// Pixels of files, which stay where they are: no pixel has a meaning of its own.
    #[cfg(feature = "images")]
    Images,
}

impl Column {
    fn take(data: &Dataset, column: &Range<usize>) -> Column {
        let row_len = data.row_len();
        match data.samples() {
            Samples::U8(values) => Column::U8(taken(values, row_len, column)),
            Samples::F32(values) => Column::F32(taken(values, row_len, column)),
            #[cfg(feature = "images")]
            Samples::Images(_) => Column::Images,
        }
    }

    /// Row `r` gets the values of row `order[r]`.
    fn put(&self, data: &mut Dataset, column: &Range<usize>, order: &[u64]) {
        let row_len = data.row_len();
        match (self, &mut data.inputs[0].samples) {
            (Column::U8(from), Samples::U8(to)) => place(from, to, row_len, column, order),
            (Column::F32(from), Samples::F32(to)) => place(from, to, row_len, column, order),
            #[cfg(feature = "images")]
            (Column::Images, _) => {}
            _ => unreachable!("the column was taken from these samples"),
        }
    }
}

fn taken<T: Copy>(values: &[T], row_len: usize, column: &Range<usize>) -> Vec<T> {
    values.chunks_exact(row_len.max(1)).flat_map(|row| &row[column.clone()]).copied().collect()
}

fn place<T: Copy>(from: &[T], to: &mut [T], row_len: usize, column: &Range<usize>, order: &[u64]) {
    let width = column.len();
    for (row, &source) in to.chunks_exact_mut(row_len.max(1)).zip(order) {
        row[column.clone()].copy_from_slice(&from[source as usize * width..][..width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Targets;
    use std::convert::Infallible;

    /// Three columns of 1, 2 and 1 features; the target is the sum of the second column.
    fn table(rows: usize) -> Dataset {
        let samples: Vec<f32> =
            (0..rows).flat_map(|row| [row as f32, (row * 7 % 5) as f32, (row % 2) as f32, -1.0]).collect();
        let values: Vec<f32> = samples.chunks(4).map(|row| row[1] + row[2]).collect();
        Dataset::numbers([4], samples, values, ["sum"]).unwrap()
    }

    /// The mean absolute error of a model that adds up the second column.
    fn error(data: &Dataset) -> f64 {
        let (Samples::F32(samples), Targets::Values { values, .. }) = (data.samples(), data.target()) else {
            unreachable!("the table is made so");
        };
        let off = samples.chunks(4).zip(values).map(|(row, target)| f64::from((row[1] + row[2] - target).abs()));
        off.sum::<f64>() / values.len() as f64
    }

    #[test]
    fn a_column_that_decides_is_important_and_others_are_not() {
        let (mut data, before) = (table(60), table(60));
        let columns = [0..1, 1..3, 3..4];
        let measured = |data: &Dataset| Ok::<f64, Infallible>(error(data));
        let (usual, found) = permutation_importance(&mut data, &columns, 5, 0, measured).expect("cannot fail");
        assert_eq!((usual, found.len(), found[1].rises.len()), (0.0, 3, 5));
        assert_eq!((found[0].mean(), found[0].spread(), found[2].mean()), (0.0, 0.0, 0.0));
        assert!(found[1].mean() > 0.5 && found[1].spread() > 0.0, "{found:?}");
        assert_eq!(data, before, "every value is back in its place");
        let (_, again) = permutation_importance(&mut data, &columns, 5, 0, measured).expect("cannot fail");
        assert_eq!(found, again, "the same seed shuffles alike");
    }

    #[test]
    fn the_features_of_a_column_move_together() {
        let mut data = table(40);
        let pairs = |data: &Dataset| {
            let Samples::F32(samples) = data.samples() else { unreachable!("the table is made so") };
            let mut pairs: Vec<[u32; 2]> = samples.chunks(4).map(|row| [row[1] as u32, row[2] as u32]).collect();
            let in_order = pairs.clone();
            pairs.sort_unstable();
            (pairs, in_order)
        };
        let before = pairs(&data);
        let mut seen = Vec::new();
        let look = |data: &Dataset| {
            seen.push(pairs(data));
            Ok::<f64, Infallible>(0.0)
        };
        permutation_importance(&mut data, &[1..3, 0..0], 3, 7, look).expect("cannot fail");
        assert_eq!(seen.len(), 7);
        for (sorted, in_order) in &seen[1..4] {
            assert_eq!(*sorted, before.0, "the same pairs");
            assert_ne!(*in_order, before.1, "in another order");
        }
        assert!(seen[1] != seen[2] && seen[2] != seen[3], "each repeat has its own");
    }

    #[test]
    fn the_data_is_restored_after_a_failure() {
        let (mut data, before) = (table(10), table(10));
        let mut calls = 0;
        let failing = |_: &Dataset| {
            calls += 1;
            if calls == 3 { Err("no") } else { Ok(0.0) }
        };
        assert_eq!(permutation_importance(&mut data, &[0..1, 1..3], 5, 0, failing), Err("no"));
        assert_eq!((data, calls), (before, 3));
    }

    #[test]
    fn mean_and_spread_are_those_of_numpy() {
        // numpy.mean([1, 2, 4]), numpy.std([1, 2, 4])
        let importance = Importance { rises: vec![1.0, 2.0, 4.0] };
        assert!((importance.mean() - 2.3333333333333335).abs() < 1e-15);
        assert!((importance.spread() - 1.247219128924647).abs() < 1e-15);
    }
}
