//! Center crop: the middle of maps.

use crate::layer::{Backward, Forward, LayerKind, Layout, Maps, Mismatch, Reads, one};
use crate::layers::formula::{Steps, places};
use crate::layers::pad::bordered;
use crate::layers::sides::{Pair, maps};
use crate::shape::Shape;
use crate::window::Slide;
use plexus_kernels::pad::{Border, Pad, crop, pad};
use serde::{Deserialize, Serialize};

/// Cuts the middle out of maps, as large as is said.
///
/// ```text
/// output[b, c, y, x] = input[b, c, y + top, x + left]        top = ⌊(height − rows) / 2⌋, left alike
/// grad_input         = grad_output in the middle, zeros around it
/// ```
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `output`: `[channels, rows, columns]` as `size` says
///
/// # Source
/// Ronneberger, Fischer and Brox 2015 (arXiv 1505.04597), for the skips of U-Net.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CenterCrop {
    /// Rows and columns that are left.
    pub size: Pair,
}

impl CenterCrop {
    /// To this size; one number is both sides.
    pub fn new(size: impl Into<Pair>) -> Self {
        CenterCrop { size: size.into() }
    }

    /// The middle as what is left, and what is cut off as a border around it; with how many of them are in a sample.
    fn sizes(&self, input: &Shape, layout: Layout) -> (Pad, usize) {
        let [channels, height, width] = maps(input).unwrap_or_default();
        let [rows, cols] = self.size.sizes();
        let (down, across) = (height - rows, width - cols);
        let sides = [down / 2, across / 2, down - down / 2, across - across / 2];
        bordered(&Shape::new([channels, rows, cols]), layout, sides, Border::Constant(0.0))
    }
}

impl LayerKind for CenterCrop {
    fn kind(&self) -> &'static str {
        "center_crop"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let [y, x] = places(&self.slides(inputs).unwrap_or_default(), [1; 2]);
        vec![(self.kind(), format!("output[c, y, x] = input[c, {y}, {x}]"))]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let [channels, height, width] = maps(one(inputs)?)?;
        let [rows, cols] = self.size.sizes();
        if rows == 0 || cols == 0 || rows > height || cols > width {
            let (expected, got) = (format!("from 1 x 1 to the map, {height} x {width}"), format!("{rows} x {cols}"));
            return Err(Mismatch::new("size", expected, got, "To enlarge maps take pad or upsample."));
        }
        Ok(Shape::new([channels, rows, cols]))
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        let (sizes, _) = self.sizes(inputs[0], Layout::ChannelsFirst);
        let [top, left, bottom, right] = sizes.sides.map(|side| -(side as i64));
        Some([[top, bottom], [left, right]].map(|[before, behind]| Slide { before, behind, ..Slide::POINT }).into())
    }

    fn maps(&self) -> Maps {
        Maps::Any
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let (sizes, count) = self.sizes(cx.inputs[0].shape, cx.inputs[0].layout);
        crop(sizes, cx.rows * count, cx.inputs[0].f32(), cx.output.into_f32(), cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        let (sizes, count) = self.sizes(cx.inputs[0].shape, cx.inputs[0].layout);
        pad(sizes, cx.rows * count, cx.grad_output, grad_input, cx.context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{gradcheck, run_layer};

    #[test]
    fn the_middle_is_left() {
        let input: Vec<f32> = (0..20).map(|at| at as f32).collect();
        let run = run_layer(&CenterCrop::new([2, 2]).into(), &Shape::new([1, 4, 5]), 1, &input, &[], &[1.0; 4]);
        assert_eq!(run.output, [6.0, 7.0, 11.0, 12.0]);
        assert_eq!(run.grad_input.iter().sum::<f32>(), 4.0);
    }

    #[test]
    fn gradients_are_the_derivatives() {
        gradcheck(&CenterCrop::new([2, 3]).into(), &Shape::new([2, 5, 4]), 2);
    }

    #[test]
    fn larger_sizes_than_the_map_are_refused() {
        for size in [Pair::Each([5, 3]), Pair::Both(0), Pair::Each([4, 6])] {
            assert_eq!(CenterCrop { size }.infer(&[&Shape::new([2, 4, 5])]).unwrap_err().compared, "size");
        }
    }
}
