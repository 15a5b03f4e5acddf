//! What a band of the output reads: the input in place, or a copy with zeros around it.

use super::Geometry;
use std::ops::Range;

/// Rows of a padded input, channels-last.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub values: &'a [f32],
    /// Elements from one row to the next.
    pub pitch: usize,
}

/// The rows of the padded input that some rows of the (full) output see.
pub(super) fn input_rows(geometry: &Geometry, rows: &Range<usize>) -> Range<usize> {
    if rows.is_empty() {
        return 0..0;
    }
    let first = rows.start * geometry.stride[0];
    first..(rows.end - 1) * geometry.stride[0] + (geometry.kernel[0] - 1) * geometry.dilation[0] + 1
}

/// Numbers of a copy of the input for `rows` rows of the output.
pub(super) fn halo_len(geometry: &Geometry, rows: usize) -> usize {
    if !geometry.is_padded() {
        return 0;
    }
    let [_, left, _, right] = geometry.padding;
    input_rows(geometry, &(0..rows)).len() * (left + geometry.width + right) * geometry.channels
}

/// What some rows of the (full) output read: of one sample, from its first row on.
pub(super) fn source<'a>(
    geometry: &Geometry,
    input: &'a [f32],
    rows: &Range<usize>,
    halo: &'a mut [f32],
) -> Source<'a> {
    let needed = input_rows(geometry, rows);
    let row = geometry.width * geometry.channels;
    if !geometry.is_padded() {
        return Source { values: &input[needed.start * row..], pitch: row };
    }
    let [top, left, _, right] = geometry.padding;
    let (left, right) = (left * geometry.channels, right * geometry.channels);
    let pitch = left + row + right;
    let halo = &mut halo[..needed.len() * pitch];
    for (at, to) in needed.zip(halo.chunks_exact_mut(pitch.max(1))) {
        match at.checked_sub(top).filter(|&at| at < geometry.height) {
            Some(at) => {
                to[..left].fill(0.0);
                to[left..left + row].copy_from_slice(&input[at * row..][..row]);
                to[left + row..].fill(0.0);
            }
            None => to.fill(0.0),
        }
    }
    Source { values: halo, pitch }
}
