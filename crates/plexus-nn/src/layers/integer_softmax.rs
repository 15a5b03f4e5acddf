//! Softmax of whole numbers.

use crate::integer::{each_sample, integers, multiplier, no_gradient};
use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch};
use crate::layers::Softmax;
use crate::layers::formula::Steps;
use crate::shape::Shape;
use crate::view::{DType, Quant};
use plexus_micro::{Multiplier, SoftmaxScale, SoftmaxTables, softmax_s8, softmax_s16};
use serde::{Deserialize, Serialize};

/// Makes shares of scores, as [`Softmax`]. Of 8 bits the outputs stand for 0 to 255/256, of 16 bits for 0 to 32767/32768.
///
/// ```text
/// output[j] = e^(value of input[j]) / Σ_k e^(value of input[k])
/// ```
///
/// # Shapes
/// - `input`, `output`: any, the same
///
/// # Source
/// TensorFlow Lite's integer softmax, restated in `plexus-micro`: a polynomial of whole numbers for 8 bits, tables for 16.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IntegerSoftmax {
    /// Its float form.
    pub of: Softmax,
}

/// The longest row: sums of more numbers do not fit the 12 bits that 8-bit shares leave for them.
const MOST_COLUMNS: usize = 4095;

impl IntegerSoftmax {
    /// The integer form of a layer.
    pub fn new(of: Softmax) -> Self {
        IntegerSoftmax { of }
    }

    /// What its outputs stand for, by their type.
    pub fn output(dtype: DType) -> Quant {
        match dtype {
            DType::I8 => Quant::new(DType::I8, 1.0 / 256.0, -128),
            _ => Quant::new(DType::I16, 1.0 / 32768.0, 0),
        }
    }

    /// What `plexus-micro` wants for 8-bit inputs of a scale: the multiplier, its shift, and the least difference that counts.
    pub fn scale(input: Quant) -> (Multiplier, i32) {
        let scale = multiplier(f64::from(input.scale) * 2f64.powi(26));
        (scale, -((31i64 << 26) >> scale.shift()) as i32)
    }

    /// The same for 16-bit inputs.
    pub fn scale_s16(input: Quant) -> Multiplier {
        multiplier(f64::from(input.scale) * 65535.0 / 10.0)
    }

    /// TensorFlow Lite's tables for 16 bits: of e^x from −10 to 0, and of 1 / (1 + x) from 0 to 1. Only sums and products are used, so that they are
    /// the same on all machines.
    pub fn tables() -> [[i16; 513]; 2] {
        // Each entry is lowered by half of the error of the line in the middle between it and the next, which is not rounded there.
        let table = |function: &dyn Fn(f64) -> f64, first: f64, step: f64| {
            std::array::from_fn(|at| {
                let x = first + at as f64 * step;
                let value = (function(x) * 32768.0).round();
                let (next, middle) = (function(x + step) * 32768.0, (function(x + step / 2.0) * 32768.0).round());
                let error = ((value + next) / 2.0).round() - middle;
                let bias = if at == 512 { 0.0 } else { (error / 2.0).round() };
                (value - bias).clamp(-32768.0, 32767.0) as i16
            })
        };
        [table(&exp, -10.0, 10.0 / 512.0), table(&|x| 1.0 / (1.0 + x), 0.0, 1.0 / 512.0)]
    }
}

/// e^x for x from −10 to 0.02, to about 1e-15, by sums and products alone.
fn exp(x: f64) -> f64 {
    // e^x = (e^(x / 64))^64, and the series of e^(x / 64) is short.
    let small = x / 64.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..16 {
        term *= small / f64::from(n);
        sum += term;
    }
    (0..6).fold(sum, |power: f64, _| power * power)
}

impl LayerKind for IntegerSoftmax {
    fn kind(&self) -> &'static str {
        "integer_softmax"
    }

    fn arithmetic(&self, inputs: &[&Shape]) -> Steps {
        self.of.arithmetic(inputs)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let shape = self.of.infer(inputs)?;
        let cols = self.of.cols(&shape);
        if cols > MOST_COLUMNS {
            let (expected, help) =
                (format!("at most {MOST_COLUMNS} numbers"), "Put a dequantize layer in front, and take softmax.");
            return Err(Mismatch::new("a row", expected, format!("{cols} numbers"), help));
        }
        Ok(shape)
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        let input = integers(inputs)?;
        if !(2f32.powi(-26)..16.0).contains(&input.scale) {
            let (expected, help) = ("from 2^-26 up, and below 16", "Put a rescale in front.");
            return Err(Mismatch::new("the scale of the input", expected, input.scale.to_string(), help));
        }
        Ok(Some(Self::output(input.dtype)))
    }

    fn has_gradient(&self) -> bool {
        false
    }

    fn maps(&self) -> Maps {
        self.of.maps()
    }

    fn forward(&self, cx: Forward<'_>) {
        let input = cx.inputs[0];
        let quant = input.quant.expect("its input is of whole numbers");
        let cols = self.of.cols(input.shape);
        match input.dtype {
            DType::I8 => {
                let (scale, least) = Self::scale(quant);
                let scale = SoftmaxScale::new(scale.multiplier(), scale.shift() as u32, least);
                each_sample(input.i8(), cx.output.into_i8(), cx.rows, cx.context, |from, to| {
                    softmax_s8(from, cols, scale, to);
                });
            }
            _ => {
                let [exp, one_over_one_plus] = Self::tables();
                let tables = SoftmaxTables { exp: &exp, one_over_one_plus: &one_over_one_plus };
                each_sample(input.i16(), cx.output.into_i16(), cx.rows, cx.context, |from, to| {
                    softmax_s16(from, cols, Self::scale_s16(quant), &tables, to);
                });
            }
        }
    }

    fn backward(&self, _cx: Backward<'_, '_>) {
        no_gradient(self.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_too_long_is_refused() {
        let layer = IntegerSoftmax::new(Softmax::new());
        assert!(layer.infer(&[&Shape::new([4095])]).is_ok());
        let mismatch = layer.infer(&[&Shape::new([4096])]).unwrap_err();
        assert_eq!((mismatch.expected.as_str(), mismatch.got.as_str()), ("at most 4095 numbers", "4096 numbers"));
    }
}
