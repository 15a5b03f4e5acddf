//! Some rows, ready to be computed with.

use super::source::{GatherError, Source, TargetKind};
use crate::loss::TargetBatch;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::threads::Pool;
use std::ops::Range;

/// How many numbers a row has at each input and each target: what room a [`Batch`] needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Widths {
    pub inputs: Vec<usize>,
    /// And whether they are classes.
    pub targets: Vec<(usize, bool)>,
}

impl Widths {
    /// `None` where a row has too many numbers to be counted.
    pub fn of<S: Source + ?Sized>(source: &S) -> Option<Self> {
        let targets = source.targets();
        let target = |kind: &TargetKind| Some((kind.width()?, matches!(kind, TargetKind::Classes { .. })));
        Some(Widths {
            inputs: source.inputs().iter().map(|shape| shape.len()).collect::<Option<_>>()?,
            targets: targets.iter().map(target).collect::<Option<_>>()?,
        })
    }

    /// Bytes of one row.
    pub fn bytes(&self) -> usize {
        let numbers = self.inputs.iter().chain(self.targets.iter().map(|(width, _)| width));
        numbers.fold(0, |sum: usize, width| sum.saturating_add(width.saturating_mul(size_of::<f32>())))
    }
}

/// Some rows of a source: what each input of a network reads, and what each output should give.
#[derive(Debug, Default)]
pub struct Batch {
    rows: usize,
    pub(super) inputs: Vec<Input>,
    targets: Vec<Target>,
    /// Pictures before they are changed.
    before: Buffer,
}

#[derive(Debug)]
pub(super) struct Input {
    pub width: usize,
    /// `[rows, width]`, or more.
    values: Buffer,
}

#[derive(Debug)]
struct Target {
    width: usize,
    values: TargetValues,
}

/// `[rows, width]`
#[derive(Debug)]
enum TargetValues {
    Classes(Vec<u32>),
    Values(Vec<f32>),
}

impl Batch {
    /// Makes room for rows. What is in it then is to be overwritten.
    pub(crate) fn resize(&mut self, widths: &Widths, rows: usize) {
        let same = self.inputs.iter().map(|input| input.width).eq(widths.inputs.iter().copied())
            && self.targets.iter().map(Target::widths).eq(widths.targets.iter().copied());
        if !same {
            let inputs = widths.inputs.iter().map(|&width| Input { width, values: Buffer::default() });
            self.inputs = inputs.collect();
            let targets = widths.targets.iter().map(|&(width, classes)| Target {
                width,
                values: if classes { TargetValues::Classes(Vec::new()) } else { TargetValues::Values(Vec::new()) },
            });
            self.targets = targets.collect();
        }
        self.rows = rows;
        for input in &mut self.inputs {
            input.values.grow(rows * input.width);
        }
        for target in &mut self.targets {
            match &mut target.values {
                TargetValues::Classes(values) => values.resize(rows * target.width, 0),
                TargetValues::Values(values) => values.resize(rows * target.width, 0.0),
            }
        }
    }

    /// Takes rows out of a source.
    ///
    /// # Errors
    /// [`GatherError`] where a row cannot be had.
    ///
    /// # Panics
    /// Where a row of the source has more numbers than can be counted, or the source panics on a row that is not there.
    pub fn take(&mut self, source: &dyn Source, rows: &[u64], pool: &Pool) -> Result<(), GatherError> {
        self.resize(&Widths::of(source).expect("a row can be counted"), rows.len());
        source.gather(rows, self, pool)
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// What an input reads: `[rows, width]`.
    ///
    /// # Panics
    /// Where the source has fewer inputs.
    pub fn input(&self, index: usize) -> &[f32] {
        self.input_rows(index, 0..self.rows)
    }

    /// What an input reads in some of the rows.
    ///
    /// # Panics
    /// Where the source has fewer inputs, or the batch fewer rows.
    pub fn input_rows(&self, index: usize, rows: Range<usize>) -> &[f32] {
        assert!(rows.end <= self.rows, "input_rows: the batch has {} rows", self.rows);
        let Input { width, values } = &self.inputs[index];
        &values[rows.start * width..rows.end * width]
    }

    /// Where a source writes what an input reads: `[rows, width]`.
    ///
    /// # Panics
    /// Where the source said that it has fewer inputs.
    pub fn input_mut(&mut self, index: usize) -> &mut [f32] {
        let Input { width, values } = &mut self.inputs[index];
        &mut values[..self.rows * *width]
    }

    /// What an input reads, to be changed: as it is, room for what comes out of it, and the numbers of a row.
    pub(super) fn changing(&mut self, index: usize) -> (&[f32], &mut [f32], usize) {
        let Batch { rows, inputs, before, .. } = self;
        let Input { width, values } = &mut inputs[index];
        let len = *rows * *width;
        before.grow(len);
        std::mem::swap(before, values);
        values.grow(len);
        (&before[..len], &mut values[..len], *width)
    }

    /// Copies what the outputs should give in all rows of another batch, into those from `first` on.
    pub(super) fn put_targets(&mut self, first: usize, from: &Batch) {
        self.put_target_rows(first, from, 0..from.rows);
    }

    /// As [`Batch::put_targets`], of some rows of the other.
    pub(super) fn put_target_rows(&mut self, first: usize, from: &Batch, rows: Range<usize>) {
        for (to, from) in self.targets.iter_mut().zip(&from.targets) {
            let width = to.width;
            let (to_range, range) = (first * width..(first + rows.len()) * width, rows.start * width..rows.end * width);
            match (&mut to.values, &from.values) {
                (TargetValues::Classes(to), TargetValues::Classes(from)) => to[to_range].copy_from_slice(&from[range]),
                (TargetValues::Values(to), TargetValues::Values(from)) => to[to_range].copy_from_slice(&from[range]),
                _ => unreachable!("both are batches of the same targets"),
            }
        }
    }

    /// What an output should give.
    ///
    /// # Panics
    /// Where the source has fewer targets.
    pub fn target(&self, index: usize) -> TargetBatch<'_> {
        self.target_rows(index, 0..self.rows)
    }

    /// What an output should give in some of the rows.
    ///
    /// # Panics
    /// Where the source has fewer targets, or the batch fewer rows.
    pub fn target_rows(&self, index: usize, rows: Range<usize>) -> TargetBatch<'_> {
        let Target { width, values } = &self.targets[index];
        let range = rows.start * width..rows.end * width;
        match values {
            TargetValues::Classes(values) => TargetBatch::Classes(&values[range]),
            TargetValues::Values(values) => TargetBatch::Values(&values[range]),
        }
    }

    /// Where a source writes classes: `[rows, positions]`, each below the number of classes, or
    /// [`IGNORED`](plexus_kernels::softmax::IGNORED).
    ///
    /// # Panics
    /// Where the source said that there is no such target, or that it is numbers.
    pub fn classes_mut(&mut self, index: usize) -> &mut [u32] {
        match &mut self.targets[index].values {
            TargetValues::Classes(values) => values,
            TargetValues::Values(_) => panic!("classes_mut: target {index} is numbers"),
        }
    }

    /// Where a source writes numbers: `[rows, width]`.
    ///
    /// # Panics
    /// Where the source said that there is no such target, or that it is classes.
    pub fn values_mut(&mut self, index: usize) -> &mut [f32] {
        match &mut self.targets[index].values {
            TargetValues::Values(values) => values,
            TargetValues::Classes(_) => panic!("values_mut: target {index} is classes"),
        }
    }
}

impl Target {
    fn widths(&self) -> (usize, bool) {
        (self.width, matches!(self.values, TargetValues::Classes(_)))
    }
}
