//! Flatten: one axis out of all.

use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Reads, any_numbers, one};
use crate::layers::formula::Steps;
use crate::shape::Shape;
use crate::view::Quant;
use serde::{Deserialize, Serialize};

/// In which order the numbers of maps stand where they are one axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Order {
    /// All of one channel, then all of the next: PyTorch and ONNX.
    #[default]
    ChannelsFirst,
    /// All channels of one pixel, then those of the next: TensorFlow and Keras.
    ChannelsLast,
}

impl Order {
    pub(crate) fn is_default(&self) -> bool {
        *self == Order::ChannelsFirst
    }

    pub(crate) fn maps(self) -> Maps {
        match self {
            Order::ChannelsFirst => Maps::First,
            Order::ChannelsLast => Maps::Last,
        }
    }
}

/// Makes one axis of all axes of a sample.
///
/// ```text
/// channels_first: output[(c · height + y) · width + x]     = input[c, y, x]
/// channels_last:  output[(y · width + x) · channels + c]   = input[c, y, x]
/// ```
///
/// Weights of a linear layer behind it belong to one order: those of Keras models want `channels_last`.
///
/// # Shapes
/// - `input`: any; the order matters for `[channels, height, width]` only
/// - `output`: `[product of all axes]`
///
/// # Examples
/// ```
/// use plexus_nn::{Network, Shape, layers::Flatten};
/// let network = Network::chain(Shape::new([16, 5, 5]), [Flatten::default().into()]).check().unwrap();
/// assert_eq!(network.output(), &Shape::new([400]));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Flatten {
    /// Of maps.
    #[serde(default, skip_serializing_if = "Order::is_default")]
    pub order: Order,
}

impl Flatten {
    /// In the order of memory: channels first.
    pub fn new() -> Self {
        Flatten::default()
    }
}

with_keys! { Flatten {
    with_order(order: Order) = order;
} }

impl LayerKind for Flatten {
    fn kind(&self) -> &'static str {
        "flatten"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let &[channels, height, width] = inputs[0].axes() else {
            return vec![(self.kind(), "output = input, the same numbers in the same order".to_string())];
        };
        let formula = match self.order {
            Order::ChannelsFirst => format!("output[(c * {height} + y) * {width} + x] = input[c, y, x]"),
            Order::ChannelsLast => format!("output[(y * {width} + x) * {channels} + c] = input[c, y, x]"),
        };
        vec![(self.kind(), formula)]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        match input.len() {
            Some(len) => Ok(Shape::new([len])),
            None => Err(Mismatch::new("the size", "a size that fits in memory", input.to_string(), "")),
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
