//! Add: several values of one shape, element by element.

use crate::layer::{Backward, Forward, GradInput, LayerKind, Maps, Mismatch, Reads};
use crate::layers::formula::Steps;
use crate::shape::Shape;
use crate::window::{Slide, points};
use plexus_kernels::reduce;
use serde::{Deserialize, Serialize};

/// Adds values, element by element: the end of a skip around some layers.
///
/// ```text
/// output[e] = Σ_k inputs[k][e]        grad_inputs[k][e] = grad_output[e]
/// ```
///
/// # Shapes
/// - `inputs`: at least one, all the same
/// - `output`: as the inputs
///
/// # Numerics
/// Summed from the first to the last, in f32.
///
/// # Source
/// He et al. 2016 (arXiv 1512.03385), for the skip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Add {}

impl Add {
    /// The layer; there is nothing to choose.
    pub fn new() -> Self {
        Add {}
    }
}

impl LayerKind for Add {
    fn kind(&self) -> &'static str {
        "add"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        let terms: Vec<String> = (0..inputs.len()).map(|index| format!("input {index}[e]")).collect();
        vec![(self.kind(), format!("output[e] = {}", terms.join(" + ")))]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        if inputs.iter().all(|shape| shape == &inputs[0]) {
            return Ok(inputs[0].clone());
        }
        let help = "Bring them to one shape first; there is no broadcasting.";
        Err(Mismatch::new("the shapes of its inputs", "equal shapes", "", help))
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

    fn adds_to_grad_input(&self) -> bool {
        true
    }

    fn forward(&self, cx: Forward<'_>) {
        let output = cx.output.into_f32();
        output.copy_from_slice(cx.inputs[0].f32());
        for input in &cx.inputs[1..] {
            reduce::add_assign(output, input.f32(), cx.context);
        }
    }

    fn backward(&self, cx: Backward<'_, '_>) {
        for GradInput { values, accumulate } in cx.grad_inputs.iter_mut().filter_map(Option::take) {
            match accumulate {
                true => reduce::add_assign(values, cx.grad_output, cx.context),
                false => values.copy_from_slice(cx.grad_output),
            }
        }
    }
}
