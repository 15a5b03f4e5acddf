//! Plain loops in f32.

use super::Geometry;
use super::reference;
use crate::map::{self, Function};
use crate::threads::Pool;

#[allow(clippy::too_many_arguments)]
pub(super) fn conv(
    geometry: &Geometry,
    batch: usize,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    function: Function,
    output: &mut [f32],
    pooled: bool,
    positions: Option<&mut [u8]>,
) {
    let (sums, _) = reference::conv(geometry, batch, input, weight, bias);
    let mut full: Vec<f32> = sums.iter().map(|&sum| sum as f32).collect();
    map::forward_in_place(function, &mut full, &Pool::single());
    if !pooled {
        output.copy_from_slice(&full);
        return;
    }
    let [rows, cols] = geometry.output().expect("checked before");
    let (values, chosen) = reference::max_two(&full, batch, [geometry.filters, rows, cols]);
    output.copy_from_slice(&values);
    if let Some(positions) = positions {
        positions.copy_from_slice(&chosen);
    }
}
