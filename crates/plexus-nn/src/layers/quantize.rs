//! From floats to whole numbers, back, and from one scale to another.

use crate::integer::{check, integers, multiplier, no_gradient};
use crate::layer::{Backward, Forward, LayerKind, Maps, Mismatch, floats, one};
use crate::layers::formula::Steps;
use crate::shape::Shape;
use crate::view::{DType, Quant, View, ViewMut};
use crate::window::{Slide, points};
use plexus_kernels::Context;
use plexus_kernels::buffer::{MatrixMut, for_each_tile};
use plexus_micro::{Rounding, rescale_s8, rescale_s8_to_s16, rescale_s16, rescale_s16_to_s8};
use serde::{Deserialize, Serialize};

/// Makes whole numbers of floats.
///
/// ```text
/// output[e] = clamp(round(input[e] / scale) + zero point)        halves away from zero; NaN becomes the zero point
/// ```
///
/// # Shapes
/// - `input`, `output`: any, the same
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Quantize {
    /// What the numbers stand for.
    pub output: Quant,
}

impl Quantize {
    /// To whole numbers that stand for this.
    pub fn new(output: Quant) -> Self {
        Quantize { output }
    }
}

/// Makes floats of whole numbers.
///
/// ```text
/// output[e] = (input[e] − zero point) · scale
/// ```
///
/// # Shapes
/// - `input`, `output`: any, the same
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Dequantize {}

impl Dequantize {
    /// The layer; there is nothing to choose.
    pub fn new() -> Self {
        Dequantize {}
    }
}

/// Gives the same values another scale, zero point or width.
///
/// ```text
/// output[e] = clamp(round((input[e] − input zero point) · input scale / output scale) + output zero point)
/// ```
///
/// # Shapes
/// - `input`, `output`: any, the same
///
/// # Source
/// TensorFlow Lite's `Requantize`, with its double rounding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rescale {
    /// What the outputs stand for.
    pub output: Quant,
}

impl Rescale {
    /// To whole numbers that stand for this.
    pub fn new(output: Quant) -> Self {
        Rescale { output }
    }
}

/// Numbers that one thread does at a time.
const PIECE: usize = 1 << 14;

/// Writes pieces of numbers, in parallel.
pub(super) fn in_pieces<T: Send>(to: &mut [T], context: &Context, piece: impl Fn(usize, &mut [T]) + Sync + Send) {
    let matrix = MatrixMut { rows: 1, cols: to.len(), stride: to.len(), values: to };
    for_each_tile(matrix, (1, PIECE), context.pool(), |_, first, mut tile| piece(first, tile.row(0)));
}

impl LayerKind for Quantize {
    fn kind(&self) -> &'static str {
        "quantize"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let Quant { scale, zero_point, .. } = self.output;
        let [low, high] = self.output.range();
        vec![(self.kind(), format!("output[e] = clamp(round(input[e] / {scale}) + {zero_point}, {low}, {high})"))]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        Ok(one(inputs)?.clone())
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        floats(inputs)?;
        Ok(Some(check(self.output)?))
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
        let (input, scale, isa) = (cx.input(), self.output.scale(), cx.context.isa());
        match self.output.dtype {
            DType::I8 => in_pieces(cx.output.into_i8(), cx.context, |first, to| {
                scale.quantize(&input[first..][..to.len()], to, isa);
            }),
            _ => in_pieces(cx.output.into_i16(), cx.context, |first, to| {
                scale.quantize(&input[first..][..to.len()], to, isa);
            }),
        }
    }

    fn backward(&self, _cx: Backward<'_, '_>) {
        no_gradient(self.kind())
    }
}

impl LayerKind for Dequantize {
    fn kind(&self) -> &'static str {
        "dequantize"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        vec![(self.kind(), "output[e] = (input[e] - zero point) * scale".to_string())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        Ok(one(inputs)?.clone())
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        integers(inputs).map(|_| None)
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
        let (input, to) = (cx.inputs[0], cx.output.into_f32());
        let scale = input.quant.expect("its input is of whole numbers").scale();
        let isa = cx.context.isa();
        match input.dtype {
            DType::I8 => in_pieces(to, cx.context, |first, to| {
                scale.dequantize(&input.i8()[first..][..to.len()], to, isa);
            }),
            _ => in_pieces(to, cx.context, |first, to| {
                scale.dequantize(&input.i16()[first..][..to.len()], to, isa);
            }),
        }
    }

    fn backward(&self, _cx: Backward<'_, '_>) {
        no_gradient(self.kind())
    }
}

impl LayerKind for Rescale {
    fn kind(&self) -> &'static str {
        "rescale"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let Quant { scale, zero_point, .. } = self.output;
        let formula = format!("output[e] = clamp(round((input[e] - zero point) * scale / {scale}) + {zero_point})");
        vec![(self.kind(), formula)]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        Ok(one(inputs)?.clone())
    }

    fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        let (input, output) = (integers(inputs)?, check(self.output)?);
        if f64::from(input.scale) / f64::from(output.scale) >= 2f64.powi(30) {
            let help = "No multiplier stands for that.";
            return Err(Mismatch::new("scale", "at least 2^-30 of that of the input", output.scale.to_string(), help));
        }
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
        rescale(cx.inputs[0], cx.output, cx.context);
    }

    fn backward(&self, _cx: Backward<'_, '_>) {
        no_gradient(self.kind())
    }
}

/// The numbers of a view with the scale of another.
pub(super) fn rescale(input: View<'_>, output: ViewMut<'_>, context: &Context) {
    let (Some(from), Some(to)) = (input.quant, output.quant) else { unreachable!("both are of whole numbers") };
    let rescale = plexus_micro::Rescale {
        input_zero_point: from.zero_point,
        scale: multiplier(f64::from(from.scale) / f64::from(to.scale)),
        rounding: Rounding::Double,
        output_zero_point: to.zero_point,
    };
    match (from.dtype, to.dtype) {
        (DType::I8, DType::I8) => in_pieces(output.into_i8(), context, |first, to| {
            rescale_s8(&input.i8()[first..][..to.len()], &rescale, to);
        }),
        (DType::I8, _) => in_pieces(output.into_i16(), context, |first, to| {
            rescale_s8_to_s16(&input.i8()[first..][..to.len()], &rescale, to);
        }),
        (_, DType::I8) => in_pieces(output.into_i8(), context, |first, to| {
            rescale_s16_to_s8(&input.i16()[first..][..to.len()], &rescale, to);
        }),
        _ => in_pieces(output.into_i16(), context, |first, to| {
            rescale_s16(&input.i16()[first..][..to.len()], &rescale, to);
        }),
    }
}
