//! The last fully connected layer of a program, taken off to be learnt on the device.

use super::ExportError;
use super::lower::{Numbers, Op, Output, Program, Sums};
use plexus_micro::{Interleaved, Multiplier, nibble};
use plexus_nn::{DType, Quant};

/// A layer that learns: `plexus_micro::Readout` with its first weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Readout {
    /// `[classes, features + 1]`, the bias last.
    pub weight: Vec<i16>,
    /// How many.
    pub classes: usize,
    /// How many.
    pub features: usize,
    /// Of the features.
    pub zero_point: i32,
    /// How far the right score should be ahead.
    pub margin: i64,
    /// Features of known classes, which are shown again behind each new example: what is only shown new classes forgets the old ones.
    pub kept: Vec<(Vec<i32>, usize)>,
}

/// The largest first weight: a quarter of what fits, so that there is room to learn.
const LARGEST: f64 = 8192.0;

/// How far the right class should be ahead, in units of the scores that the float model gives.
const MARGIN: f64 = 1.0;

impl Program {
    /// Takes the last layer off and gives it as one that learns, for so many classes: those that it does not have yet begin with zeros. The
    /// output of the program is then what that layer read, the features.
    ///
    /// # Errors
    /// [`ExportError::Readout`] where the program does not end in a fully connected layer, or has more classes.
    pub fn split_readout(&mut self, classes: usize) -> Result<Readout, ExportError> {
        let refuse = |reason: String| ExportError::Readout { reason };
        let [output] = &self.outputs[..] else {
            return Err(refuse(format!(
                "the network has {} outputs, and one of them would have to be chosen",
                self.outputs.len()
            )));
        };
        let step = match self.steps.last() {
            Some(step) if step.writes == output.place => step.clone(),
            _ => return Err(refuse("the output is not that of the last layer".to_string())),
        };
        let Op::FullyConnected { rows: 1, inputs, outputs, weight, bias, sums, .. } = &step.op else {
            return Err(refuse(format!("the last layer, {}, is not fully connected", step.layer)));
        };
        let (features, known) = (*inputs, *outputs);
        let fewest = known.max(2);
        if classes < fewest {
            return Err(refuse(format!(
                "the network has {known} classes, and {classes} were asked for. At least {fewest} are needed"
            )));
        }
        let real = |scale: &Multiplier| f64::from(scale.multiplier()) * 2f64.powi(scale.shift() - 31);
        let (scales, bias_shift, zero_point): (Vec<f64>, u32, i32) = match sums {
            Sums::Affine { scales, input_zero_point, .. } => (scales.iter().map(real).collect(), 0, *input_zero_point),
            Sums::Wide { scales } => (scales.iter().map(real).collect(), 0, 0),
            Sums::Shifts { bias, out, .. } => (vec![2f64.powi(-(*out as i32))], *bias, 0),
        };
        let layout = match sums {
            Sums::Shifts { interleaved, .. } => *interleaved,
            _ => None,
        };
        let plain = plain(weight, layout, [known, features]);
        let scale_of = |class: usize| if scales.len() == 1 { scales[0] } else { scales[class] };
        let one = if step.reads[0].dtype == DType::I8 { 128.0 } else { 32768.0 };
        // In units of the steps of the output.
        let bias = |class: usize| bias.at(class).map_or(0.0, |bias| (bias as f64) * 2f64.powi(bias_shift as i32)) / one;
        let value = |class: usize, at: usize| {
            let number = if at < features { f64::from(plain[class * features + at]) } else { bias(class) };
            number * scale_of(class)
        };
        let all = || (0..known).flat_map(|class| (0..=features).map(move |at| (class, at)));
        let most =
            all().filter(|(_, at)| *at < features).fold(0.0f64, |most, (class, at)| most.max(value(class, at).abs()));
        let factor = if most > 0.0 { LARGEST / most } else { 1.0 };
        let mut weights: Vec<i16> =
            all().map(|(class, at)| (value(class, at) * factor).round().clamp(-32768.0, 32767.0) as i16).collect();
        weights.resize(classes * (features + 1), 0);
        let margin = (MARGIN * factor / f64::from(output.quant.scale)).round().clamp(1.0, 2f64.powi(44)) as i64;
        let place = step.reads[0];
        self.steps.pop();
        let quant = Quant { dtype: place.dtype, scale: 1.0, zero_point };
        self.outputs = vec![Output { name: "features".to_string(), shape: vec![features], quant, offset: 0.0, place }];
        Ok(Readout { weight: weights, classes, features, zero_point, margin, kept: Vec::new() })
    }
}

impl Numbers {
    fn at(&self, index: usize) -> Option<i64> {
        match self {
            Numbers::I8(values) => values.get(index).map(|value| i64::from(*value)),
            Numbers::I4(values) => (index < 2 * values.len()).then(|| i64::from(nibble(values, index))),
            Numbers::I16(values) => values.get(index).map(|value| i64::from(*value)),
            Numbers::I32(values) => values.get(index).map(|value| i64::from(*value)),
            Numbers::I64(values) => values.get(index).copied(),
        }
    }
}

/// Weights row by row.
fn plain(weight: &Numbers, layout: Option<Interleaved>, size: [usize; 2]) -> Vec<i16> {
    let packed: Vec<i16> = (0..size[0] * size[1]).map(|at| weight.at(at).unwrap_or(0) as i16).collect();
    match layout {
        None => packed,
        Some(layout) => {
            let mut plain = packed.clone();
            layout.unpack(&packed, size, &mut plain);
            plain
        }
    }
}
