//! Rows of data, batch by batch.

use crate::Failure;
use crate::progress::{Bar, PATIENCE, Streams, rows_done};
use plexus_train::data::Dataset;
use std::time::Instant;

/// Hands out the first rows of some data in batches: the number of the first row, the values of its only input, and how many rows they
/// are. Who waits long sees a bar.
pub(crate) fn each_batch(
    data: &Dataset,
    count: usize,
    batch: usize,
    mut take: impl FnMut(usize, &[f32], usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (bar, started, mut values) = (Bar::after(PATIENCE, Streams::new()), Instant::now(), Vec::new());
    let rows: Vec<u64> = (0..count.min(data.len()) as u64).collect();
    let mut done = 0;
    for chunk in rows.chunks(batch.max(1)) {
        values.resize(chunk.len() * data.row_len(), 0.0);
        data.copy_rows(chunk, &mut values);
        take(done, &values, chunk.len())?;
        done += chunk.len();
        bar.update(|| rows_done(data.name(), done, rows.len(), started.elapsed()));
    }
    bar.clear();
    Ok(())
}
