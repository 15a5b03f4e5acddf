//! Pictures of any size, answered whole or in overlapping tiles.

use crate::error::Error;
use crate::model::{Model, folding};
use crate::positions::largest;
use crate::reach::{Reach, reach};
use plexus_kernels::reduce;
use plexus_kernels::threads::flush_denormals;
use plexus_nn::{CheckedNetwork, Plan, Shape, Workspace};
use std::ops::Range;
use std::sync::Arc;

/// Corners of tiles are multiples of so many times the product of the strides, so that kernels that compute a few pixels at a
/// time begin where they begin in the whole picture.
const BLOCK: usize = 4;

impl Model {
    /// Bytes of intermediate values that [`Model::segment_picture`] takes for one picture or tile where nothing else is
    /// wanted: 256 MiB.
    pub const TILE_BYTES: usize = 256 << 20;

    /// The class of each pixel of one picture of any size, `[channels, height, width]`, by the first output: a network of
    /// convolutions and poolings has no size of its own. The answer is `[height, width]`, as [`Model::segment`] gives it.
    ///
    /// A picture whose sides are no multiples of the product of the network's strides is continued with the pixels of its
    /// border until they are. A picture whose intermediate values would take more than `most_bytes` is answered in tiles that
    /// overlap by more than the network looks around a pixel, so the classes are those of the whole picture.
    ///
    /// # Errors
    /// - [`Error::Mismatch`]: the picture has another size than the model was trained on, and the network has layers that
    ///   know their size; or it does not answer one class for each pixel
    /// - [`Error::Row`]: there are not as many numbers as the size says
    /// - [`Error::Input`]: one is NaN or an infinity
    pub fn segment_picture(&self, picture: &[f32], size: [usize; 2], most_bytes: usize) -> Result<Vec<u32>, Error> {
        let shape = self.network().input();
        let &[channels, height, width] = shape.axes() else { return Err(self.no_pixels(size)) };
        let pixels = size[0].checked_mul(size[1]).and_then(|pixels| pixels.checked_mul(channels));
        if self.positions(0) != [height, width] || pixels.is_none_or(|pixels| pixels == 0) || self.inputs().len() != 1 {
            return Err(self.no_pixels(size));
        }
        let expected = pixels.expect("it was counted");
        if picture.len() != expected {
            return Err(Error::Row { row: 0, expected, got: picture.len() });
        }
        if let Some(at) = reduce::first_not_finite(picture, self.plan.context()) {
            return Err(Error::Input { input: None, row: 0, column: at, value: picture[at] });
        }
        let Some(reach) = reach(self.network()) else {
            if size == [height, width] {
                return self.segment(picture, 1, &mut Default::default());
            }
            let help = "A layer of this network knows its size, or is not known to do without: bring the picture to the size of \
                        the model.";
            return Err(self.other_size(size, help));
        };
        let padded = size.map(|side| side.next_multiple_of(reach.align));
        if padded != size {
            let picture = continued(picture, channels, size, padded);
            let classes = self.segment_tiles(&picture, channels, padded, reach, most_bytes)?;
            let lines = classes.chunks_exact(padded[1]).take(size[0]);
            return Ok(lines.flat_map(|line| &line[..size[1]]).copied().collect());
        }
        self.segment_tiles(picture, channels, size, reach, most_bytes)
    }

    fn segment_tiles(
        &self,
        picture: &[f32],
        channels: usize,
        size: [usize; 2],
        reach: Reach,
        most_bytes: usize,
    ) -> Result<Vec<u32>, Error> {
        let grid = BLOCK * reach.align;
        let margin = reach.margin.next_multiple_of(grid);
        let bytes = |tile: [usize; 2]| -> Result<usize, Error> {
            let network = self.resized(channels, tile)?;
            Ok(Plan::workspace_bytes_for(&network, 1))
        };
        // Halved along the longer side until it fits, or until nothing but margin is left.
        let mut tile = size;
        while bytes(tile)? > most_bytes {
            let longer = usize::from(tile[1] > tile[0]);
            let half = (tile[longer] / 2).next_multiple_of(grid);
            let fits = half >= 2 * margin + grid && half < tile[longer];
            let other = (tile[1 - longer] / 2).next_multiple_of(grid);
            if fits {
                tile[longer] = half;
            } else if other >= 2 * margin + grid && other < tile[1 - longer] {
                tile[1 - longer] = other;
            } else {
                break;
            }
        }
        let params = self.params();
        let names = self.outputs[0].task.names().len();
        let mut classes = vec![0; size[0] * size[1]];
        let axes = [0, 1].map(|axis| windows(size[axis], tile[axis], margin));
        let mut tiles: Vec<(Window, Window)> =
            axes[0].iter().flat_map(|y| axes[1].iter().map(move |x| (y.clone(), x.clone()))).collect();
        // Those of one size one after the other: each size has a plan, and one plan is in memory at a time.
        tiles.sort_by_key(|(y, x)| std::cmp::Reverse((y.read.len(), x.read.len())));
        let (mut planned, mut workspace) = (None::<([usize; 2], Plan)>, Workspace::default());
        for (y, x) in tiles {
            let of = [y.read.len(), x.read.len()];
            if planned.as_ref().is_none_or(|(size, _)| *size != of) {
                drop(planned.take());
                let network = self.resized(channels, of)?;
                planned = Some((of, Plan::with(network, &params, folding(), self.plan.context().clone())));
            }
            let plan = &planned.as_ref().expect("it was planned").1;
            let planes = picture.chunks_exact(size[0] * size[1]);
            let lines =
                planes.flat_map(|plane| y.read.clone().flat_map(|line| &plane[line * size[1]..][x.read.clone()]));
            let part: Vec<f32> = lines.copied().collect();
            let batch = plan.network().batch(&part, 1)?;
            let found = flush_denormals(|| largest(names, of[0] * of[1], plan.run(batch, &mut workspace)));
            for line in y.keep.clone() {
                let from = (line - y.read.start) * of[1] + x.keep.start - x.read.start;
                classes[line * size[1]..][x.keep.clone()].copy_from_slice(&found[from..from + x.keep.len()]);
            }
        }
        Ok(classes)
    }

    /// The network for pictures of another size.
    fn resized(&self, channels: usize, size: [usize; 2]) -> Result<Arc<CheckedNetwork>, Error> {
        let mut network = self.network().network().clone();
        network.inputs[0].shape = Shape::new([channels, size[0], size[1]]);
        let network = network.check()?;
        let same = network.layout() == self.network().layout();
        if !same || network.shape(network.outputs()[0]).axes()[1..] != size {
            return Err(self.other_size(size, "A layer of this network has weights for one size."));
        }
        Ok(Arc::new(network))
    }

    fn other_size(&self, size: [usize; 2], help: &str) -> Error {
        let (model, data) = (self.network().input().to_string(), format!("{}x{} pixels", size[0], size[1]));
        Error::Mismatch { what: "the size of the picture", model, data, help: help.to_string() }
    }

    fn no_pixels(&self, [height, width]: [usize; 2]) -> Error {
        let network = self.network();
        Error::Mismatch {
            what: "the answer for a picture",
            model: format!("outputs {} for inputs {}", network.shape(network.outputs()[0]), network.input()),
            data: format!("{height}x{width} pixels"),
            help:
                "A class for each pixel is given by a network of one input [channels, height, width] whose output is \
                   [classes, height, width]."
                    .to_string(),
        }
    }
}

/// What one tile reads along one side, and what is kept of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    read: Range<usize>,
    keep: Range<usize>,
}

/// Windows of `tile` pixels that overlap by twice the margin; what is kept of them covers the side.
fn windows(side: usize, tile: usize, margin: usize) -> Vec<Window> {
    if tile >= side || tile <= 2 * margin {
        return vec![Window { read: 0..side, keep: 0..side }];
    }
    let (mut windows, mut start, mut kept) = (Vec::new(), 0, 0);
    loop {
        let end = side.min(start + tile);
        let keep = kept..if end == side { side } else { end - margin };
        kept = keep.end;
        windows.push(Window { read: start..end, keep });
        if end == side {
            return windows;
        }
        start += tile - 2 * margin;
    }
}

/// A picture with more rows and columns, which repeat those at its lower and right border.
fn continued(picture: &[f32], channels: usize, size: [usize; 2], padded: [usize; 2]) -> Vec<f32> {
    let mut out = Vec::with_capacity(channels * padded[0] * padded[1]);
    for plane in picture.chunks_exact(size[0] * size[1]) {
        for y in 0..padded[0] {
            let line = &plane[y.min(size[0] - 1) * size[1]..][..size[1]];
            out.extend_from_slice(line);
            out.extend(std::iter::repeat_n(line[size[1] - 1], padded[1] - size[1]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_side_and_keep_no_margin() {
        for (side, tile, margin) in [(100, 40, 8), (96, 40, 8), (41, 40, 8), (40, 40, 8), (200, 48, 16), (77, 20, 4)] {
            let windows = windows(side, tile, margin);
            let mut next = 0;
            for Window { read, keep } in windows {
                assert_eq!(keep.start, next);
                assert!(read.end <= side && read.start <= keep.start && keep.end <= read.end && !keep.is_empty());
                assert!(read.start == 0 || keep.start >= read.start + margin);
                assert!(read.end == side || keep.end + margin <= read.end);
                next = keep.end;
            }
            assert_eq!(next, side);
        }
    }
}
