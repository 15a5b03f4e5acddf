//! Features: what a trained network makes of the rows of a source, for another network to learn from.

use super::batch::{Batch, Widths};
use super::change::Change;
use super::source::{GatherError, Source, TargetKind};
use crate::check::Unfit;
use plexus_kernels::threads::Pool;
use plexus_nn::{Plan, Shape, Workspace};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The most memory that the network may take for its values while features are computed; one row is always allowed.
const WORKSPACE: usize = 256 << 20;

/// The rows of a source as the outputs of a network: what a frozen trunk gives to the layers that are trained.
///
/// A row is computed when it is first asked for, and kept where all of them fit into memory. Rows of pictures that are
/// [changed](Change) are computed each time. The numbers are those of a prediction: dropout does nothing, and batch norm
/// takes its running statistics. They do not depend on what is kept, on the batch, or on the number of threads.
pub struct Features {
    source: Arc<dyn Source>,
    trunk: Plan,
    /// Of the source.
    widths: Widths,
    shapes: Vec<Shape>,
    /// One batch of one row for each, once it was computed; `None` where they do not fit.
    kept: Option<Vec<OnceLock<Batch>>>,
    /// Memory that is not in use.
    spare: Mutex<Vec<(Batch, Workspace)>>,
}

impl Features {
    /// Rows that together take more memory than this are computed each time: 1 GiB.
    pub const MOST_BYTES: usize = 1 << 30;

    /// Features of all rows of a source. They are kept where they take `most_bytes` at most.
    ///
    /// # Errors
    /// [`Unfit`] where the rows do not fit the network.
    pub fn new(source: Arc<dyn Source>, trunk: Plan, most_bytes: usize) -> Result<Self, Unfit> {
        let (network, inputs) = (trunk.network(), source.inputs());
        let wanted = &network.network().inputs;
        let lens = |shapes: Vec<&Shape>| shapes.iter().map(|shape| shape.len()).collect::<Vec<_>>();
        let unfit = |expected: String, got: String| {
            let what = format!("a row of {}, which the frozen layers read,", source.name());
            Unfit { what, expected, got, help: String::new() }
        };
        let described =
            |shapes: Vec<&Shape>| shapes.iter().map(|shape| shape.to_string()).collect::<Vec<_>>().join(" and ");
        let wanted: Vec<&Shape> = wanted.iter().map(|input| &input.shape).collect();
        if lens(wanted.clone()) != lens(inputs.iter().collect()) {
            return Err(unfit(described(wanted), described(inputs.iter().collect())));
        }
        let widths =
            Widths::of(&*source).ok_or_else(|| unfit("one that can be counted".to_string(), "more".to_string()))?;
        let shapes: Vec<Shape> = network.outputs().iter().map(|output| network.shape(*output).clone()).collect();
        let of_targets = Widths { inputs: Vec::new(), ..widths.clone() }.bytes();
        let numbers = shapes.iter().fold(0usize, |sum, shape| sum.saturating_add(shape.len().unwrap_or(usize::MAX)));
        let row = numbers.saturating_mul(size_of::<f32>()).saturating_add(of_targets + size_of::<OnceLock<Batch>>());
        let rows = usize::try_from(source.len()).unwrap_or(usize::MAX);
        let fits = rows.saturating_mul(row) <= most_bytes;
        let kept = fits.then(|| (0..rows).map(|_| OnceLock::new()).collect());
        Ok(Features { source, trunk, widths, shapes, kept, spare: Mutex::default() })
    }

    /// Whether rows are kept once they were computed.
    pub fn are_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Computes rows: gathers them by `gather`, at most so many at a time that the memory for values is bounded, and hands
    /// them to `write`, with the number of the first.
    fn compute(
        &self,
        rows: &[u64],
        gather: impl Fn(&[u64], &mut Batch) -> Result<(), GatherError>,
        mut write: impl FnMut(usize, &Batch, &[&[f32]]),
    ) -> Result<(), GatherError> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (mut batch, mut workspace) = spare.unwrap_or_default();
        let most = (WORKSPACE / self.trunk.workspace_bytes(1).max(1)).max(1);
        let mut done = 0;
        for rows in rows.chunks(most) {
            batch.resize(&self.widths, rows.len());
            gather(rows, &mut batch)?;
            let inputs: Vec<&[f32]> = (0..self.widths.inputs.len()).map(|input| batch.input(input)).collect();
            let network = self.trunk.network();
            let checked = network.batches(&inputs, rows.len()).expect("the source was checked against the network");
            self.trunk.run(checked, &mut workspace);
            let outputs: Vec<&[f32]> =
                (0..self.shapes.len()).map(|output| self.trunk.output(&workspace, output)).collect();
            write(done, &batch, &outputs);
            done += rows.len();
        }
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push((batch, workspace));
        Ok(())
    }

    /// Copies what was computed for some rows into a batch, from row `first` on.
    fn put(&self, into: &mut Batch, first: usize, computed: &Batch, outputs: &[&[f32]]) {
        for (index, (output, shape)) in outputs.iter().zip(&self.shapes).enumerate() {
            let width = shape.len().unwrap_or(0);
            into.input_mut(index)[first * width..][..output.len()].copy_from_slice(output);
        }
        into.put_targets(first, computed);
    }
}

impl Source for Features {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn len(&self) -> u64 {
        self.source.len()
    }

    fn inputs(&self) -> Vec<Shape> {
        self.shapes.clone()
    }

    fn targets(&self) -> Vec<TargetKind> {
        self.source.targets()
    }

    fn gather(&self, rows: &[u64], batch: &mut Batch, pool: &Pool) -> Result<(), GatherError> {
        let gather = |rows: &[u64], batch: &mut Batch| self.source.gather(rows, batch, pool);
        let Some(kept) = &self.kept else {
            return self.compute(rows, gather, |first, computed, outputs| self.put(batch, first, computed, outputs));
        };
        let mut missing: Vec<u64> = rows.iter().copied().filter(|row| kept[*row as usize].get().is_none()).collect();
        missing.sort_unstable();
        missing.dedup();
        let widths = Widths {
            inputs: self.shapes.iter().map(|shape| shape.len().unwrap_or(0)).collect(),
            ..self.widths.clone()
        };
        self.compute(&missing, gather, |first, computed, outputs| {
            for row in 0..computed.rows() {
                let mut one = Batch::default();
                one.resize(&widths, 1);
                for (index, output) in outputs.iter().enumerate() {
                    let width = widths.inputs[index];
                    one.input_mut(index).copy_from_slice(&output[row * width..][..width]);
                }
                one.put_target_rows(0, computed, row..row + 1);
                // Where two threads have computed the same row, the numbers are the same.
                let _ = kept[missing[first + row] as usize].set(one);
            }
        })?;
        for (at, row) in rows.iter().enumerate() {
            let one = kept[*row as usize].get().expect("it was computed above");
            let outputs: Vec<&[f32]> = (0..self.shapes.len()).map(|index| one.input(index)).collect();
            self.put(batch, at, one, &outputs);
        }
        Ok(())
    }

    fn gather_changed(&self, rows: &[u64], change: &Change, batch: &mut Batch, pool: &Pool) -> Result<(), GatherError> {
        let gather = |rows: &[u64], batch: &mut Batch| self.source.gather_changed(rows, change, batch, pool);
        self.compute(rows, gather, |first, computed, outputs| self.put(batch, first, computed, outputs))
    }

    fn pictures(&self) -> Vec<Shape> {
        self.source.pictures()
    }

    fn check(&self) -> Result<(), Unfit> {
        self.source.check()
    }

    /// All threads of the trunk are to work on it, which one that gathers ahead would not do.
    fn is_in_memory(&self) -> bool {
        true
    }

    fn fingerprint(&self) -> Option<u64> {
        self.source.fingerprint()
    }

    fn target_values(&self, target: usize, rows: &[u64], pool: &Pool) -> Result<Option<Vec<f32>>, GatherError> {
        self.source.target_values(target, rows, pool)
    }
}
