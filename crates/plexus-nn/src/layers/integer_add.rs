//! Sums and joins of values of whole numbers.

use crate::integer::{check, check_clamp, each_pair, multiplier, no_gradient};
use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch};
use crate::layers::formula::Steps;
use crate::layers::{Add, Concat};
use crate::shape::Shape;
use crate::view::{DType, Quant};
use crate::window::{Slide, points};
use plexus_micro::{Addition, Rounding, add_s8, add_s16};
use serde::{Deserialize, Serialize};

/// Adds two values of whole numbers, each with its own scale.
///
/// ```text
/// a = round((input a − zero point a) · 2^20 · scale a / (2 · larger scale))        b alike; of 16 bits 2^15
/// output = clamp(round((a + b) · 2 · larger scale / (2^20 · output scale)) + output zero point)
/// ```
///
/// # Shapes
/// - `inputs`: two, the same
/// - `output`: as the inputs
///
/// # Source
/// TensorFlow Lite's `Add`, its formula, with double rounding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IntegerAdd {
    /// What the outputs stand for; as wide as the inputs.
    pub output: Quant,
    /// The smallest and the largest output, for a fused ReLU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clamp: Option<[i32; 2]>,
}

impl IntegerAdd {
    /// With outputs that stand for this.
    pub fn new(output: Quant) -> Self {
        IntegerAdd { output, clamp: None }
    }

    /// The same with outputs limited to a range.
    #[must_use]
    pub fn with_clamp(self, clamp: [i32; 2]) -> Self {
        IntegerAdd { clamp: Some(clamp), ..self }
    }

    /// The range of the outputs.
    pub fn range(&self) -> [i32; 2] {
        let [least, most] = self.output.range();
        self.clamp.map_or([least, most], |[low, high]| [low.max(least), high.min(most)])
    }

    /// What `plexus-micro` wants for inputs that stand for these: the scales of both, and of the output.
    pub fn addition<T>(&self, [a, b]: [Quant; 2], left: u32, clamp: [T; 2]) -> Addition<T> {
        let twice = 2.0 * f64::from(a.scale.max(b.scale));
        Addition {
            zero_points: [a.zero_point, b.zero_point],
            scales: [multiplier(f64::from(a.scale) / twice), multiplier(f64::from(b.scale) / twice)],
            output_scale: multiplier(twice / (2f64.powi(left as i32) * f64::from(self.output.scale))),
            rounding: Rounding::Double,
            output_zero_point: self.output.zero_point,
            clamp,
        }
    }
}

/// Joins values of whole numbers that stand for the same along an axis, as [`Concat`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IntegerConcat {
    /// Its float form.
    pub of: Concat,
}

impl IntegerConcat {
    /// The integer form of a layer.
    pub fn new(of: Concat) -> Self {
        IntegerConcat { of }
    }
}

impl LayerKind for IntegerAdd {
    fn kind(&self) -> &'static str {
        "integer_add"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let formula = "output[e] = clamp(round(input 0 with the scale of the output + input 1 with it) + zero point)";
        vec![(self.kind(), formula.to_string())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        if inputs.len() != 2 {
            let got = format!("{} inputs", inputs.len());
            return Err(Mismatch::new("the number of inputs", "two inputs", got, "Put several one behind the other."));
        }
        Add::new().infer(inputs)
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        let output = check(self.output)?;
        for input in inputs {
            let Some(input) = input else {
                let help = "Put a quantize layer in front.";
                return Err(Mismatch::new("the type of the inputs", output.dtype.name(), "32-bit floats", help));
            };
            if input.dtype != output.dtype {
                let help = "Put a rescale between.";
                return Err(Mismatch::new("the type of the inputs", output.dtype.name(), input.describe(), help));
            }
            if f64::from(input.scale) / f64::from(output.scale) >= 2f64.powi(30) {
                let expected = "at least 2^-30 of those of the inputs";
                return Err(Mismatch::new("the scale of the output", expected, output.scale.to_string(), ""));
            }
        }
        check_clamp(self.clamp, output)?;
        Ok(Some(output))
    }

    fn has_gradient(&self) -> bool {
        false
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        points(inputs[0])
    }

    fn maps(&self) -> Maps {
        Maps::Any
    }

    fn forward(&self, cx: Forward<'_>) {
        let [a, b] = cx.inputs else { unreachable!("the network check counted them") };
        let quants = [a, b].map(|input| input.quant.expect("its inputs are of whole numbers"));
        let [low, high] = self.range();
        match a.dtype {
            DType::I8 => {
                let addition = self.addition(quants, Addition::<i8>::LEFT, [low as i8, high as i8]);
                each_pair([a.i8(), b.i8()], cx.output.into_i8(), cx.rows, cx.context, |inputs, to| {
                    add_s8(inputs, &addition, to);
                });
            }
            _ => {
                let addition = self.addition(quants, Addition::<i16>::LEFT_S16, [low as i16, high as i16]);
                each_pair([a.i16(), b.i16()], cx.output.into_i16(), cx.rows, cx.context, |inputs, to| {
                    add_s16(inputs, &addition, to);
                });
            }
        }
    }

    fn backward(&self, _cx: Backward<'_, '_>) {
        no_gradient(self.kind())
    }
}

impl LayerKind for IntegerConcat {
    fn kind(&self) -> &'static str {
        "integer_concat"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        self.of.arithmetic(inputs)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        self.of.infer(inputs)
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        let Some(first) = inputs.first().copied().flatten() else {
            let help = "Put a quantize layer in front.";
            return Err(Mismatch::new("the type of the inputs", "i8 or i16", "32-bit floats", help));
        };
        if let Some(other) = inputs.iter().find(|other| **other != Some(first)) {
            let got = other.map_or("32-bit floats".to_string(), |other| other.describe());
            let help = "Put a rescale in front of one of them.";
            return Err(Mismatch::new("what the inputs stand for", first.describe(), got, help));
        }
        Ok(Some(first))
    }

    fn has_gradient(&self) -> bool {
        false
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        self.of.slides(inputs)
    }

    fn maps(&self) -> Maps {
        self.of.maps()
    }

    fn forward(&self, cx: Forward<'_>) {
        self.of.join(cx.inputs, cx.output, cx.rows);
    }

    fn backward(&self, _cx: Backward<'_, '_>) {
        no_gradient(self.kind())
    }
}
