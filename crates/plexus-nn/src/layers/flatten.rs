//! Flatten: one axis out of all.

use crate::layer::{Backward, Forward, LayerKind, Mismatch};
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// Makes one axis of all axes of a sample; the numbers stay where they are (channels first, row-major).
///
/// # Shapes
/// - `input`: any
/// - `output`: `[product of all axes]`
///
/// # Examples
/// ```
/// use plexus_nn::{Network, Shape, layers::Flatten};
/// let network = Network::chain(Shape::new([16, 5, 5]), [Flatten {}.into()]).check().unwrap();
/// assert_eq!(network.output(), &Shape::new([400]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl LayerKind for Flatten {
    const KIND: &'static str = "flatten";

    fn infer(&self, input: &Shape) -> Result<Shape, Mismatch> {
        match input.len() {
            Some(len) => Ok(Shape::new([len])),
            None => Err(Mismatch::new("the size", "a size that fits in memory", input.to_string(), "")),
        }
    }

    fn is_identity(&self, _training: bool) -> bool {
        true
    }

    fn forward(&self, cx: Forward<'_>) {
        cx.output.copy_from_slice(cx.input);
    }

    fn backward(&self, cx: Backward<'_>) {
        if let Some(grad_input) = cx.grad_input {
            grad_input.copy_from_slice(cx.grad_output);
        }
    }
}
