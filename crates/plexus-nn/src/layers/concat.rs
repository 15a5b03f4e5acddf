//! Concat: several values side by side.

use crate::layer::{Backward, Forward, LayerKind, Layout, Maps, Mismatch, Reads};
use crate::layers::formula::Steps;
use crate::shape::Shape;
use crate::view::{View, ViewMut};
use crate::window::{Slide, points};
use serde::{Deserialize, Serialize};

/// Puts values side by side along one axis.
///
/// ```text
/// output[..., offset_k + i, ...] = inputs[k][..., i, ...]        offset_k = Σ_{j < k} size of inputs[j] along the axis
/// ```
///
/// The way back cuts the gradient of the output at the same places.
///
/// # Shapes
/// - `inputs`: at least one, the same but for the axis
/// - `output`: the same, its axis the sum of theirs
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Concat {
    /// Which axis of a sample, from 0; the default 0 is the channels of maps and the features of a row.
    #[serde(default)]
    pub axis: usize,
}

impl Concat {
    /// Along the first axis of a sample.
    pub fn new() -> Self {
        Concat::default()
    }

    /// The axis as it lies in memory, with the axes around it: how many blocks there are, and how many numbers one step
    /// along the axis is.
    fn blocks(&self, output: &Shape, layout: Layout) -> (usize, usize) {
        let mut axes = output.axes().to_vec();
        let mut axis = self.axis;
        if layout == Layout::ChannelsLast && axes.len() == 3 {
            axes.rotate_left(1);
            axis = (axis + 2) % 3;
        }
        (axes[..axis].iter().product(), axes[axis + 1..].iter().product())
    }

    /// Writes the output: it only moves numbers, of whatever type.
    pub(super) fn join(&self, inputs: &[View<'_>], output: ViewMut<'_>, rows: usize) {
        let (blocks, step) = self.blocks(output.shape, output.layout);
        let step = step * output.dtype.size();
        let width = output.shape.axes()[self.axis] * step;
        let (output, mut offset) = (output.into_bytes(), 0);
        for input in inputs {
            let own = input.shape.axes()[self.axis] * step;
            copy(input.bytes(), (own, 0), output, (width, offset), (rows * blocks, own));
            offset += own;
        }
    }
}

with_keys! { Concat {
    with_axis(axis: usize) = axis;
} }

impl LayerKind for Concat {
    fn kind(&self) -> &'static str {
        "concat"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let names: Vec<String> = (0..inputs.len()).map(|index| format!("input {index}")).collect();
        vec![(self.kind(), format!("output = {}, one behind the other along axis {}", names.join(", "), self.axis))]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let first = inputs[0];
        let axes = first.axes().len();
        if self.axis >= axes {
            let expected = format!("an axis below {axes}, the number of axes");
            return Err(Mismatch::new("axis", expected, format!("axis {}", self.axis), "Axes are counted from 0."));
        }
        let mut total = 0usize;
        for shape in inputs {
            let mut others = shape.axes().to_vec();
            if others.len() == axes {
                total = total.saturating_add(others[self.axis]);
                others[self.axis] = first.axes()[self.axis];
            }
            if others != first.axes() {
                let expected = format!("shapes that are equal but for axis {}", self.axis);
                let help = "Bring them to the same size first.";
                return Err(Mismatch::new("the shapes of its inputs", expected, "", help));
            }
        }
        let mut axes = first.axes().to_vec();
        axes[self.axis] = total;
        Ok(Shape::new(axes))
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        points(inputs[0])
    }

    fn maps(&self) -> Maps {
        Maps::Any
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        self.join(cx.inputs, cx.output, cx.rows);
    }

    fn backward(&self, cx: Backward<'_, '_>) {
        let (blocks, step) = self.blocks(cx.output.shape, cx.output.layout);
        let width = cx.output.shape.axes()[self.axis] * step;
        let mut offset = 0;
        for (input, grad) in cx.inputs.iter().zip(cx.grad_inputs) {
            let own = input.shape.axes()[self.axis] * step;
            if let Some(grad) = grad.take() {
                copy(cx.grad_output, (width, offset), grad.values, (own, 0), (cx.rows * blocks, own));
            }
            offset += own;
        }
    }
}

/// Copies `count` pieces of `len` numbers. Pieces start `stride` numbers apart, the first at an offset.
fn copy<T: Copy>(
    from: &[T],
    (from_stride, from_offset): (usize, usize),
    to: &mut [T],
    (to_stride, to_offset): (usize, usize),
    (count, len): (usize, usize),
) {
    if len == 0 {
        return;
    }
    for index in 0..count {
        let piece = &from[index * from_stride + from_offset..][..len];
        to[index * to_stride + to_offset..][..len].copy_from_slice(piece);
    }
}
