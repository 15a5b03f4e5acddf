//! Functions of each whole number by itself: limits and tables.

use crate::integer::{integers, no_gradient};
use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, ParamSpec, one};
use crate::layers::formula::Steps;
use crate::layers::quantize::in_pieces;
use crate::shape::Shape;
use crate::view::{DType, Quant};
use crate::window::{Slide, points};
use plexus_micro::{lookup, lookup_s16};
use serde::{Deserialize, Serialize};

/// Limits whole numbers to a range: a ReLU where the low end stands for zero. The outputs stand for what the inputs do.
///
/// ```text
/// output[e] = clamp(input[e], low, high)
/// ```
///
/// # Shapes
/// - `input`, `output`: any, the same
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IntegerClamp {
    /// The smallest and the largest number.
    pub clamp: [i32; 2],
}

impl IntegerClamp {
    /// To a range.
    pub fn new(clamp: [i32; 2]) -> Self {
        IntegerClamp { clamp }
    }
}

/// Looks each number up in a table: any function, made beforehand, such as sigmoid and tanh.
///
/// ```text
/// 8 bits:  output[e] = table[input[e] + 128]
/// 16 bits: output[e] = table[i] + round((table[i + 1] − table[i]) · (input[e] mod 128) / 128)        i = ⌊input[e] / 128⌋ + 256
/// ```
///
/// # Shapes
/// - `input`, `output`: any, the same
/// - `table`: `[256]` of 8 bits, `[513]` of 16
///
/// # Source
/// TensorFlow Lite's tables of 8 and of 16 bits, their formulas.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IntegerLookup {
    /// What the outputs stand for; as wide as the inputs.
    pub output: Quant,
}

impl IntegerLookup {
    /// Entries of the table of a type.
    pub const fn entries(dtype: DType) -> usize {
        if matches!(dtype, DType::I8) { 256 } else { 513 }
    }

    /// With a table whose entries stand for this.
    pub fn new(output: Quant) -> Self {
        IntegerLookup { output }
    }

    /// The table of a function, for inputs that stand for something: each entry is the nearest number.
    pub fn table(input: Quant, output: Quant, function: impl Fn(f32) -> f32) -> Vec<i32> {
        let places = |at: usize| match input.dtype {
            DType::I8 => at as i32 - 128,
            _ => (at as i32 - 256) * 128,
        };
        (0..Self::entries(input.dtype)).map(|at| output.number(function(input.value(places(at))))).collect()
    }
}

impl LayerKind for IntegerClamp {
    fn kind(&self) -> &'static str {
        "integer_clamp"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let [low, high] = self.clamp;
        vec![(self.kind(), format!("output[e] = clamp(input[e], {low}, {high})"))]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        Ok(one(inputs)?.clone())
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        let (input, [low, high]) = (integers(inputs)?, self.clamp);
        let [least, most] = input.range();
        if low > high || low < least || high > most {
            let expected = format!("two numbers from {least} to {most}, the smaller one first");
            return Err(Mismatch::new("clamp", expected, format!("[{low}, {high}]"), ""));
        }
        Ok(Some(input))
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
        let (input, [low, high]) = (cx.inputs[0], self.clamp);
        match input.dtype {
            DType::I8 => in_pieces(cx.output.into_i8(), cx.context, |first, to| {
                to.copy_from_slice(&input.i8()[first..][..to.len()]);
                plexus_micro::clamp(to, [low as i8, high as i8]);
            }),
            _ => in_pieces(cx.output.into_i16(), cx.context, |first, to| {
                to.copy_from_slice(&input.i16()[first..][..to.len()]);
                plexus_micro::clamp(to, [low as i16, high as i16]);
            }),
        }
    }

    fn backward(&self, _cx: Backward<'_, '_>) {
        no_gradient(self.kind())
    }
}

impl LayerKind for IntegerLookup {
    fn kind(&self) -> &'static str {
        "integer_lookup"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let formula = match self.output.dtype {
            DType::I8 => "output[e] = table[input[e] + 128]",
            _ => "output[e] = table at input[e] / 128 + 256, on the line between two entries",
        };
        vec![(self.kind(), formula.to_string())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        Ok(one(inputs)?.clone())
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        let (input, output) = (integers(inputs)?, crate::integer::check(self.output)?);
        if input.dtype != output.dtype {
            let expected = format!("{}, as the output", output.dtype.name());
            return Err(Mismatch::new("the type of the input", expected, input.describe(), "Put a rescale between."));
        }
        Ok(Some(output))
    }

    fn has_gradient(&self) -> bool {
        false
    }

    fn params(&self, _inputs: &[&Shape]) -> Vec<ParamSpec> {
        vec![ParamSpec::integers("table", [Self::entries(self.output.dtype)], self.output.dtype)]
    }

    fn slides(&self, inputs: &[&Shape]) -> Option<Vec<Slide>> {
        points(inputs[0])
    }

    fn maps(&self) -> Maps {
        Maps::Any
    }

    fn forward(&self, cx: Forward<'_>) {
        let (input, table) = (cx.inputs[0], cx.weights);
        match input.dtype {
            DType::I8 => {
                let table: [i8; 256] = std::array::from_fn(|at| table[at] as i8);
                in_pieces(cx.output.into_i8(), cx.context, |first, to| {
                    to.copy_from_slice(&input.i8()[first..][..to.len()]);
                    lookup(to, &table);
                });
            }
            _ => {
                let table: [i16; 513] = std::array::from_fn(|at| table[at] as i16);
                in_pieces(cx.output.into_i16(), cx.context, |first, to| {
                    to.copy_from_slice(&input.i16()[first..][..to.len()]);
                    lookup_s16(to, &table);
                });
            }
        }
    }

    fn backward(&self, _cx: Backward<'_, '_>) {
        no_gradient(self.kind())
    }
}
