//! What training and measurements ask of data: rows, each with inputs and targets.

use super::batch::{Batch, Widths};
use super::change::Change;
use super::moments::moments;
use crate::check::Unfit;
use crate::loss::TargetBatch;
use plexus_kernels::threads::Pool;
use plexus_nn::Shape;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// Rows to learn from or to measure: in memory, in files, or made on the way.
///
/// A [`Dataset`](super::Dataset) is one. Another is written by saying what a row looks like and how rows are copied.
///
/// # Examples
/// ```
/// use plexus_kernels::threads::Pool;
/// use plexus_train::data::{Batch, GatherError, Source, TargetKind};
/// /// Ten thousand pairs of numbers with their sum.
/// struct Sums;
/// impl Source for Sums {
///     fn name(&self) -> &str { "sums" }
///     fn len(&self) -> u64 { 10_000 }
///     fn inputs(&self) -> Vec<plexus_nn::Shape> { vec![[2].into()] }
///     fn targets(&self) -> Vec<TargetKind> { vec![TargetKind::values(vec!["sum".to_string()])] }
///     fn gather(&self, rows: &[u64], batch: &mut Batch, _: &Pool) -> Result<(), GatherError> {
///         for (at, row) in rows.iter().enumerate() {
///             let (a, b) = ((row % 7) as f32, (row % 11) as f32);
///             batch.input_mut(0)[2 * at..][..2].copy_from_slice(&[a, b]);
///             batch.values_mut(0)[at] = a + b;
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Source: Send + Sync {
    /// What to call it in messages.
    fn name(&self) -> &str;

    /// The number of rows.
    fn len(&self) -> u64;

    /// Whether there is no row.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a row looks like at each input of the network, in their order.
    fn inputs(&self) -> Vec<Shape>;

    /// What each output of the network should give, in their order.
    fn targets(&self) -> Vec<TargetKind>;

    /// Copies rows into a batch that has room for as many; everything in it is overwritten. The order is any, repeats are
    /// allowed, and the same rows always give the same numbers.
    ///
    /// # Errors
    /// [`GatherError`] where a row cannot be had.
    fn gather(&self, rows: &[u64], batch: &mut Batch, pool: &Pool) -> Result<(), GatherError>;

    /// As [`Source::gather`], with pictures changed, and the classes of their pixels with them.
    ///
    /// # Errors
    /// As [`Source::gather`].
    fn gather_changed(&self, rows: &[u64], change: &Change, batch: &mut Batch, pool: &Pool) -> Result<(), GatherError> {
        self.gather(rows, batch, pool)?;
        change.apply(rows, &self.inputs(), &self.targets(), batch, pool);
        Ok(())
    }

    /// What [`Source::gather_changed`] changes: what a row looks like before anything is computed from it.
    fn pictures(&self) -> Vec<Shape> {
        self.inputs()
    }

    /// Checks that the rows are all there. Asked once, before any is gathered.
    ///
    /// # Errors
    /// [`Unfit`] naming what contradicts what.
    fn check(&self) -> Result<(), Unfit> {
        Ok(())
    }

    /// Whether rows are had as fast as they are copied; of other sources a thread gathers ahead of training.
    fn is_in_memory(&self) -> bool {
        false
    }

    /// A number that tells these rows from others, so that a run does not go on with other data. `None` where that cannot
    /// be said: the number of rows decides then.
    fn fingerprint(&self) -> Option<u64> {
        None
    }

    /// Mean, and one over the standard deviation, of what an input reads in some rows: of each number of a row by itself,
    /// or of all together. A constant has the scale 1. The rows are gathered twice, in their order.
    ///
    /// # Errors
    /// [`GatherError`] where a row cannot be had.
    fn mean_and_scale(
        &self,
        input: usize,
        rows: &[u64],
        per_feature: bool,
        pool: &Pool,
    ) -> Result<(Vec<f32>, Vec<f32>), GatherError> {
        let width = self.inputs().get(input).and_then(Shape::len).unwrap_or(0);
        let groups = if per_feature { width } else { 1 };
        if rows.is_empty() || width == 0 {
            return Ok((vec![0.0; groups], vec![1.0; groups]));
        }
        let each = |look: &mut dyn FnMut(&[f32])| {
            each_batch(self, rows, pool, |batch| batch.input(input).chunks_exact(width).for_each(&mut *look))
        };
        moments(each, groups, (rows.len() * width) as f64 / groups as f64)
    }

    /// The numbers that an output should give in some rows, one after the other; `None` where they are classes.
    ///
    /// # Errors
    /// [`GatherError`] where a row cannot be had.
    fn target_values(&self, target: usize, rows: &[u64], pool: &Pool) -> Result<Option<Vec<f32>>, GatherError> {
        if !matches!(self.targets().get(target), Some(TargetKind::Values { .. })) {
            return Ok(None);
        }
        let mut all = Vec::new();
        each_batch(self, rows, pool, |batch| {
            if let TargetBatch::Values(values) = batch.target(target) {
                all.extend_from_slice(values);
            }
        })?;
        Ok(Some(all))
    }
}

/// What can be learnt from: a [`Dataset`](super::Dataset), or a [`Source`] in an [`Arc`].
pub trait IntoSource {
    /// The source.
    fn into_source(self) -> Arc<dyn Source>;
}

impl<S: Source + 'static> IntoSource for Arc<S> {
    fn into_source(self) -> Arc<dyn Source> {
        self
    }
}

impl IntoSource for Arc<dyn Source> {
    fn into_source(self) -> Arc<dyn Source> {
        self
    }
}

impl<S: Source + 'static> IntoSource for &Arc<S> {
    fn into_source(self) -> Arc<dyn Source> {
        self.clone()
    }
}

/// Gathers rows in batches of about a mebibyte, and shows each.
fn each_batch<S: Source + ?Sized>(
    source: &S,
    rows: &[u64],
    pool: &Pool,
    mut look: impl FnMut(&Batch),
) -> Result<(), GatherError> {
    let Some(widths) = Widths::of(source) else { return Ok(()) };
    let mut batch = Batch::default();
    for rows in rows.chunks(((1 << 20) / widths.bytes().max(1)).max(1)) {
        batch.resize(&widths, rows.len());
        source.gather(rows, &mut batch, pool)?;
        look(&batch);
    }
    Ok(())
}

/// A row that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{data}, row {row} (counted from 0): {message}")]
pub struct GatherError {
    /// The name of the source.
    pub data: String,
    /// The row, from 0.
    pub row: u64,
    /// What is wrong with it.
    pub message: String,
}

/// What kind of answer is wanted.
///
/// Where nobody says, the target decides: classification if it is text, or if it is whole numbers with few distinct
/// values, regression otherwise. Few means at most `max(20, min(100, rows / 100))`, and at least two rows per value on
/// average.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// One of several classes.
    Classification,
    /// A number.
    Regression,
}

/// What an output of a network should give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// One class of several: one for a row, or one for each position, as for each pixel.
    Classes {
        /// Names of the classes.
        names: Vec<String>,
        /// The axis of the output that has one number a class: 0 for `[classes, height, width]`.
        axis: usize,
        /// What is left of the output's shape without that axis: `[]` for one class a row, `[height, width]` for one a pixel.
        positions: Shape,
    },
    /// Numbers.
    Values {
        /// A name for each place of the first axis: each number of `[n]`, each map of `[n, height, width]`.
        names: Vec<String>,
        /// The shape of the output.
        shape: Shape,
    },
}

impl TargetKind {
    /// One class a row.
    pub fn classes(names: Vec<String>) -> Self {
        TargetKind::Classes { names, axis: 0, positions: Shape::new([]) }
    }

    /// Some numbers a row.
    pub fn values(names: Vec<String>) -> Self {
        TargetKind::Values { shape: [names.len()].into(), names }
    }

    /// Names of the classes or of the numbers.
    pub fn names(&self) -> &[String] {
        match self {
            TargetKind::Classes { names, .. } | TargetKind::Values { names, .. } => names,
        }
    }

    /// Classes or numbers of one row; `None` where they cannot be counted.
    pub fn width(&self) -> Option<usize> {
        match self {
            TargetKind::Classes { positions, .. } => positions.len(),
            TargetKind::Values { shape, .. } => shape.len(),
        }
    }
}

/// Some rows of a source, in an order.
///
/// # Examples
/// ```
/// use plexus_train::data::Rows;
/// let (first, some) = (Rows::from(0..1000), Rows::from(vec![7, 3]));
/// assert_eq!((first.len(), some.get(1)), (1000, Some(3)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Neighbors; however many, they take no memory.
    Range(Range<u64>),
    /// These.
    Listed(Arc<[u64]>),
}

impl Rows {
    /// How many.
    pub fn len(&self) -> u64 {
        match self {
            Rows::Range(range) => range.end.saturating_sub(range.start),
            Rows::Listed(rows) => rows.len() as u64,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them.
    pub fn get(&self, index: u64) -> Option<u64> {
        match self {
            Rows::Range(range) => range.start.checked_add(index).filter(|row| *row < range.end),
            Rows::Listed(rows) => rows.get(usize::try_from(index).ok()?).copied(),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The largest; `None` where there is none.
    pub(crate) fn largest(&self) -> Option<u64> {
        match self {
            Rows::Range(range) => (!self.is_empty()).then(|| range.end - 1),
            Rows::Listed(rows) => rows.iter().copied().max(),
        }
    }
}

impl From<Range<u64>> for Rows {
    fn from(range: Range<u64>) -> Self {
        Rows::Range(range)
    }
}

impl From<Vec<u64>> for Rows {
    fn from(rows: Vec<u64>) -> Self {
        Rows::Listed(rows.into())
    }
}
