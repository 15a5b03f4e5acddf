//! Activation: one function of every element.

use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, Reads, one};
use crate::shape::Shape;
use crate::window::{Slide, points};
use plexus_kernels::map::{self, Function, Saved};
use serde::{Deserialize, Serialize};

/// Applies a function to every element.
///
/// ```text
/// output[e] = f(input[e])        grad_input[e] = grad_output[e] · f'(input[e])
/// ```
///
/// The functions, their formulas and their accuracy are the table [`map::FUNCTIONS`].
///
/// # Shapes
/// - `input`, `output`: any, the same
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
#[non_exhaustive]
pub struct Activation {
    /// The function with its constants.
    pub activation: Function,
}

/// The form in text and files.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    function: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slope: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alpha: Option<f32>,
}

impl From<Activation> for Text {
    fn from(layer: Activation) -> Text {
        let (slope, alpha) = match layer.activation {
            Function::LeakyRelu { slope } => (Some(slope), None),
            Function::Elu { alpha } => (None, Some(alpha)),
            _ => (None, None),
        };
        Text { function: layer.activation.name().to_string(), slope, alpha }
    }
}

impl TryFrom<Text> for Activation {
    type Error = String;
    fn try_from(text: Text) -> Result<Self, String> {
        let function = Function::named(&text.function).ok_or_else(|| {
            let names: Vec<&str> = map::FUNCTIONS.iter().map(|row| row.name).collect();
            format!("unknown activation `{}`, expected one of {}", text.function, quoted(&names))
        })?;
        let refuse = |key: &str| Err(format!("`{}` has no constant `{key}`", text.function));
        let activation = match (function, text.slope, text.alpha) {
            (Function::LeakyRelu { slope }, given, None) => Function::LeakyRelu { slope: given.unwrap_or(slope) },
            (Function::Elu { alpha }, None, given) => Function::Elu { alpha: given.unwrap_or(alpha) },
            (other, None, None) => other,
            (_, Some(_), _) => return refuse("slope"),
            (_, None, Some(_)) => return refuse("alpha"),
        };
        Ok(Activation { activation })
    }
}

/// Names as serde lists them, so that all "unknown" messages read alike.
fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Activation {
    /// A layer that applies `function`.
    pub fn new(function: Function) -> Self {
        Activation { activation: function }
    }
}

impl LayerKind for Activation {
    fn kind(&self) -> &'static str {
        "activation"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        Ok(input.clone())
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        points(inputs[0])
    }

    fn is_identity(&self, _training: bool) -> bool {
        self.activation == Function::Identity
    }

    fn function(&self) -> Option<Function> {
        Some(self.activation)
    }

    fn maps(&self) -> Maps {
        Maps::Any
    }

    fn backward_reads(&self) -> Reads {
        // As where it is fused into another layer.
        let output = self.activation.derivative_from_output();
        Reads { inputs: !output, output }
    }

    fn forward(&self, cx: Forward<'_>) {
        map::forward(self.activation, cx.input(), cx.output.into_f32(), cx.context);
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        if let Some(grad_input) = cx.grad_input() {
            let saved = match self.activation.derivative_from_output() {
                true => Saved::Output(cx.output.f32()),
                false => Saved::Input(cx.input()),
            };
            map::backward(self.activation, saved, cx.grad_output, grad_input, cx.context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gradcheck;

    #[test]
    fn gradients_are_the_derivatives() {
        for row in map::FUNCTIONS {
            gradcheck(&Activation::new(row.default).into(), &Shape::new([7]), 3);
        }
    }

    #[test]
    fn the_text_form_refuses_constants_the_function_has_not() {
        let parse = |text: &str| serde_json::from_str::<Activation>(text).map_err(|error| error.to_string());
        assert_eq!(parse(r#"{"function":"relu"}"#), Ok(Activation::new(Function::Relu)));
        let leaky = Activation::new(Function::LeakyRelu { slope: 0.2 });
        assert_eq!(parse(r#"{"function":"leaky_relu","slope":0.2}"#), Ok(leaky));
        assert!(parse(r#"{"function":"relu","slope":0.2}"#).unwrap_err().contains("no constant `slope`"));
        assert!(parse(r#"{"function":"rellu"}"#).unwrap_err().contains("`relu`"));
    }
}
