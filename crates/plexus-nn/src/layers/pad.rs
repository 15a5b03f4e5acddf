//! Pad: maps with a border.

use crate::layer::{Backward, Forward, LayerKind, Layout, Maps, Mismatch, Reads, one};
use crate::layers::formula::{Steps, places};
use crate::layers::sides::{Padding, check_sizes, maps};
use crate::shape::Shape;
use crate::window::Slide;
use plexus_kernels::pad::{self, Border, pad_backward};
use serde::{Deserialize, Serialize};

/// Puts rows and columns around maps.
///
/// ```text
/// output[b, c, y, x] = input[b, c, y − top, x − left], beyond the map what `mode` says
/// grad_input         = for each pixel the sum of grad_output over the places that show it
/// ```
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `output`: `[channels, height + top + bottom, width + left + right]`
///
/// # Source
/// As PyTorch's `ConstantPad2d`, `ReflectionPad2d` and `ReplicationPad2d`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Pad {
    /// Rows and columns around the map.
    pub padding: Padding,
    /// What stands there.
    #[serde(default, skip_serializing_if = "PadMode::is_default")]
    pub mode: PadMode,
    /// The number for [`PadMode::Constant`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub value: f32,
}

/// What stands in a border.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PadMode {
    /// One number, zero unless another is given.
    #[default]
    Constant,
    /// The map in a mirror that stands on its outermost pixels.
    Reflect,
    /// The outermost pixels.
    Replicate,
}

impl PadMode {
    fn is_default(&self) -> bool {
        *self == PadMode::default()
    }
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

impl Pad {
    /// Zeros: `2`, `[rows, columns]` or `[top, left, bottom, right]`.
    pub fn new(padding: impl Into<Padding>) -> Self {
        Pad { padding: padding.into(), mode: PadMode::Constant, value: 0.0 }
    }

    fn sizes(&self, input: &Shape, layout: Layout) -> (pad::Pad, usize) {
        let border = match self.mode {
            PadMode::Constant => Border::Constant(self.value),
            PadMode::Reflect => Border::Reflect,
            PadMode::Replicate => Border::Replicate,
        };
        bordered(input, layout, self.padding.sides([1; 2], [1; 2]), border)
    }
}

/// The sizes of a border around maps of a layout, and how many of them are in a sample.
pub(super) fn bordered(map: &Shape, layout: Layout, sides: [usize; 4], border: Border) -> (pad::Pad, usize) {
    let [channels, height, width] = maps(map).unwrap_or_default();
    let (count, channels) = match layout {
        Layout::ChannelsFirst => (channels, 1),
        Layout::ChannelsLast => (1, channels),
    };
    (pad::Pad { height, width, channels, sides, border }, count)
}

with_keys! { Pad {
    with_mode(mode: PadMode) = mode;
    with_value(value: f32) = value;
} }

impl LayerKind for Pad {
    fn kind(&self) -> &'static str {
        "pad"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let [top, left, bottom, right] = self.padding.sides([1; 2], [1; 2]);
        let windows = [[top, bottom], [left, right]].map(|sides| Slide::sliding(1, 1, sides));
        let [y, x] = places(&windows, [1; 2]);
        let border = match self.mode {
            PadMode::Constant => format!("{} around the map", self.value),
            PadMode::Reflect => "around the map it is mirrored".to_string(),
            PadMode::Replicate => "around the map its outermost pixels".to_string(),
        };
        vec![(self.kind(), format!("output[c, y, x] = input[c, {y}, {x}]; {border}"))]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        let [channels, height, width] = maps(input)?;
        if matches!(self.padding, Padding::Named(_)) {
            return Err(Mismatch::new("padding", "numbers", "\"same\"", "Give the rows and columns as numbers."));
        }
        if self.mode != PadMode::Constant && self.value != 0.0 {
            let help = "Leave out value, or take mode = \"constant\".";
            return Err(Mismatch::new("value", "none beside this mode", self.value.to_string(), help));
        }
        if !self.value.is_finite() {
            return Err(Mismatch::new("value", "a finite number", self.value.to_string(), ""));
        }
        let (sizes, _) = self.sizes(input, Layout::ChannelsFirst);
        check_sizes([1; 2], [1; 2], sizes.sides, [1; 2])?;
        match sizes.output() {
            Some([rows, cols]) => Ok(Shape::new([channels, rows, cols])),
            None => Err(Mismatch::new(
                "padding",
                format!("sides that the map of {height} x {width} can fill: less than its size in a mirror"),
                format!("{:?} (top, left, bottom, right)", sizes.sides),
                "",
            )),
        }
    }

    fn slides(&self, _inputs: &[&Shape]) -> Option<Vec<Slide>> {
        let [top, left, bottom, right] = self.padding.sides([1; 2], [1; 2]);
        let windows = [[top, bottom], [left, right]].map(|sides| Slide::sliding(1, 1, sides));
        // A mirrored border reads pixels from farther inside.
        (self.mode == PadMode::Constant).then(|| windows.into())
    }

    fn maps(&self) -> Maps {
        Maps::Any
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let (sizes, count) = self.sizes(cx.inputs[0].shape, cx.inputs[0].layout);
        pad::pad(sizes, cx.rows * count, cx.inputs[0].f32(), cx.output.into_f32(), cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let Some(grad_input) = cx.grad_input() else { return };
        let (sizes, count) = self.sizes(cx.inputs[0].shape, cx.inputs[0].layout);
        pad_backward(sizes, cx.rows * count, cx.grad_output, grad_input, cx.context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradcheck;

    #[test]
    fn gradients_are_the_derivatives() {
        for mode in [PadMode::Constant, PadMode::Reflect, PadMode::Replicate] {
            gradcheck(&Pad::new([1, 2, 0, 1]).with_mode(mode).into(), &Shape::new([2, 3, 3]), 2);
        }
    }

    #[test]
    fn borders_that_cannot_be_are_refused() {
        let refused = |layer: Pad| layer.infer(&[&Shape::new([2, 3, 3])]).unwrap_err().compared;
        assert_eq!(refused(Pad::new(3).with_mode(PadMode::Reflect)), "padding");
        assert_eq!(refused(Pad { padding: Padding::SAME, ..Pad::new(1) }), "padding");
        assert_eq!(refused(Pad::new(usize::MAX)), "padding");
        assert_eq!(refused(Pad::new(1).with_mode(PadMode::Reflect).with_value(1.0)), "value");
        assert_eq!(refused(Pad::new(1).with_value(f32::NAN)), "value");
    }
}
