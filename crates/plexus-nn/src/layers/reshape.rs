//! Reshape: other axes for the same numbers.

use crate::layer::{Backward, Forward, LayerKind, Mismatch, Reads, any_numbers, one};
use crate::layers::formula::Steps;
use crate::shape::Shape;
use crate::view::Quant;
use serde::{Deserialize, Serialize};

/// Gives a sample other axes; the numbers stay where they are (row-major).
///
/// # Shapes
/// - `input`: any shape with as many elements as `shape`
/// - `output`: `shape`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Reshape {
    /// The new axes of one sample.
    pub shape: Shape,
}

impl Reshape {
    /// Into this shape.
    pub fn new(shape: impl Into<Shape>) -> Self {
        Reshape { shape: shape.into() }
    }
}

impl LayerKind for Reshape {
    fn kind(&self) -> &'static str {
        "reshape"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        vec![(self.kind(), "output = input, the same numbers in the same order".to_string())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        match (input.len(), self.shape.len()) {
            (Some(from), Some(to)) if from == to => Ok(self.shape.clone()),
            (from, to) => {
                let count = |len: Option<usize>| len.map_or("too many".to_string(), |len| len.to_string());
                Err(Mismatch::new(
                    "the number of elements",
                    format!("{} elements for the new shape {}", count(to), self.shape),
                    format!("{} elements", count(from)),
                    "A reshape keeps the number of elements.",
                ))
            }
        }
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        any_numbers(inputs)
    }

    fn is_identity(&self, _training: bool) -> bool {
        true
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_number_of_elements_is_refused() {
        let layer = Reshape { shape: Shape::new([2, 3]) };
        assert_eq!(layer.infer(&[&Shape::new([6])]), Ok(Shape::new([2, 3])));
        let mismatch = layer.infer(&[&Shape::new([7])]).unwrap_err();
        assert!(mismatch.expected.contains('6') && mismatch.got.contains('7'));
    }
}
