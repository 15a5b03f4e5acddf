//! Unflatten: maps out of one axis.

use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Reads, any_numbers, one};
use crate::layers::flatten::Order;
use crate::layers::formula::Steps;
use crate::shape::Shape;
use crate::view::Quant;
use serde::{Deserialize, Serialize};

/// Gives one axis other axes: the way back of flatten.
///
/// ```text
/// channels_first: output[c, y, x] = input[(c · height + y) · width + x]
/// channels_last:  output[c, y, x] = input[(y · width + x) · channels + c]
/// ```
///
/// # Shapes
/// - `input`: one axis, as long as the product of `shape`
/// - `output`: `shape`; the order matters for `[channels, height, width]` only
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Unflatten {
    /// The new axes of one sample.
    pub shape: Shape,
    /// In which order the numbers stand.
    #[serde(default, skip_serializing_if = "Order::is_default")]
    pub order: Order,
}

impl Unflatten {
    /// Into this shape, channels first.
    pub fn new(shape: impl Into<Shape>) -> Self {
        Unflatten { shape: shape.into(), order: Order::ChannelsFirst }
    }
}

with_keys! { Unflatten {
    with_order(order: Order) = order;
} }

impl LayerKind for Unflatten {
    fn kind(&self) -> &'static str {
        "unflatten"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let &[channels, height, width] = self.shape.axes() else {
            return vec![(self.kind(), "output = input, the same numbers in the same order".to_string())];
        };
        let formula = match self.order {
            Order::ChannelsFirst => format!("output[c, y, x] = input[(c * {height} + y) * {width} + x]"),
            Order::ChannelsLast => format!("output[c, y, x] = input[(y * {width} + x) * {channels} + c]"),
        };
        vec![(self.kind(), formula)]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        let expected = match self.shape.len() {
            Some(len) => format!("[{len}], the elements of {}", self.shape),
            None => format!("fewer elements than {}", self.shape),
        };
        match input.axes() {
            [len] if Some(*len) == self.shape.len() => Ok(self.shape.clone()),
            _ => Err(Mismatch::new("the input", expected, input.to_string(), "An unflatten keeps all elements.")),
        }
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        any_numbers(inputs)
    }

    fn is_identity(&self, _training: bool) -> bool {
        true
    }

    fn maps(&self) -> Maps {
        self.order.maps()
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        cx.output.into_bytes().copy_from_slice(cx.inputs[0].bytes());
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        if let Some(grad_input) = cx.grad_input() {
            grad_input.copy_from_slice(cx.grad_output);
        }
    }
}
