//! Pictures of a batch changed, and the classes of their pixels with them.

use super::augment::{Augment, RowKey};
use super::batch::Batch;
use super::source::TargetKind;
use plexus_kernels::buffer::{MatrixMut, for_each_tile};
use plexus_kernels::threads::Pool;
use plexus_nn::Shape;

/// How the pictures of an epoch are changed. What happens to a row depends on this and the row alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// How much.
    pub augment: Augment,
    /// The seed of the run.
    pub seed: u64,
    /// The epoch.
    pub epoch: u64,
}

impl Change {
    /// Changes a batch of these rows, whose samples and targets look so: every input of `[channels, height, width]`, and the
    /// classes of pixels.
    pub fn apply(&self, rows: &[u64], shapes: &[Shape], kinds: &[TargetKind], batch: &mut Batch, pool: &Pool) {
        let Change { augment, seed, epoch } = self;
        let key = |row: usize| RowKey { seed: *seed, epoch: *epoch, row: rows[row] };
        for (index, shape) in shapes.iter().enumerate() {
            let &[channels, height, width] = shape.axes() else { continue };
            let (before, after, len) = batch.changing(index);
            let matrix = MatrixMut { values: after, rows: rows.len(), cols: len, stride: len };
            for_each_tile(matrix, (8, len.max(1)), pool, |first, _, mut tile| {
                for row in 0..tile.rows() {
                    let from = &before[(first + row) * len..][..len];
                    augment.apply(key(first + row), [channels, height, width], from, tile.row(row));
                }
            });
        }
        for (index, kind) in kinds.iter().enumerate() {
            let TargetKind::Classes { positions, .. } = kind else { continue };
            let &[height, width] = positions.axes() else { continue };
            for (row, classes) in batch.classes_mut(index).chunks_exact_mut((height * width).max(1)).enumerate() {
                augment.apply_to_classes(key(row), [height, width], classes);
            }
        }
    }
}
