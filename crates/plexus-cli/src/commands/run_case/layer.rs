//! One recorded layer, and the ways to run it.

use super::fields::{self, BYTE, HALF, MOST, SCALED, SHIFTED, WORD, list, one};
use super::micro_only;
use crate::output::shown;
use plexus_kernels::Context;
use plexus_kernels::buffer::MatrixMut;
use plexus_kernels::gemm_i8::{self, GemmI8, Input, Offsets};
use plexus_kernels::gemm_i16::{self, Bias, GemmI16, Values};
use plexus_kernels::requantize::{Requantize, RequantizeWide, shift_bias};
use plexus_micro::{self as micro, Affine, AffineWide, Interleaved, Multiplier, Rounding, ShiftRounding, Shifts};
use serde_json::Value;

/// What computes.
pub enum Way {
    /// `plexus-micro`, as on a microcontroller.
    Micro,
    /// The kernels of an instruction set.
    Kernels(Context),
}

impl Way {
    pub fn name(&self) -> &'static str {
        match self {
            Way::Micro => "plexus-micro",
            Way::Kernels(context) => context.isa().name(),
        }
    }
}

/// Outputs, under the name of the field where they are recorded.
pub struct Output {
    pub name: &'static str,
    pub values: Vec<i64>,
}

/// A fully connected layer of one of the families, with inputs.
pub struct Case {
    rows: usize,
    cols: usize,
    layer: Layer,
}

/// The numbers of a layer, checked.
enum Layer {
    Q7 { x: Vec<i8>, w: Vec<i8>, bias: Vec<i8>, shifts: [u32; 2] },
    Q15 { x: Vec<i16>, w: Vec<i16>, bias: Vec<i16>, shifts: [u32; 2] },
    Q7Q15 { x: Vec<i16>, w: Vec<i8>, bias: Vec<i8>, shifts: [u32; 2] },
    S8 { x: Vec<i8>, w: Vec<i8>, bias: Vec<i32>, scales: Vec<Multiplier>, zero_points: [i32; 2], clamp: [i32; 2] },
    S16x8 { x: Vec<i16>, w: Vec<i8>, bias: Vec<i64>, scales: Vec<Multiplier> },
}

/// The families of fully connected layers.
const FAMILIES: [&str; 6] = ["q7", "q15", "q7_q15", "s8", "s8_per_channel", "s16x8"];

fn no_family(name: &str) -> String {
    let known: Vec<&str> = FAMILIES.iter().chain(&micro_only::FAMILIES).copied().collect();
    format!("there is no family {}: {}", shown(name), known.join(", "))
}

impl Case {
    /// Reads and checks a case.
    pub fn read(value: &Value, family: &str) -> Result<Self, String> {
        if !FAMILIES.contains(&family) {
            return Err(no_family(family));
        }
        let [rows, cols] = ["n", "d"].map(|name| one::<usize>(value, name, [0, MOST as i64]));
        let (rows, cols) = (rows?, cols?);
        if rows.checked_mul(cols).is_none_or(|count| count > MOST) {
            return Err(format!("n is {rows} and d is {cols}, which is a layer of more than {MOST} weights"));
        }
        let count = |name: &str, found: usize, expected: usize| match found == expected {
            true => Ok(()),
            false => Err(format!("{name} has {found} numbers, but n = {rows} and d = {cols} need {expected}")),
        };
        let shifts = || fields::shifts(value);
        let scales = |most: i64| fields::scales(value, most, rows, "n");
        let layer = match family {
            "q7" => {
                let (x, w, bias) = (list(value, "x", BYTE)?, list(value, "w", BYTE)?, list(value, "bias", BYTE)?);
                Layer::Q7 { x, w, bias, shifts: shifts()? }
            }
            "q15" => {
                let (x, w, bias) = (list(value, "x", HALF)?, list(value, "w", HALF)?, list(value, "bias", HALF)?);
                Layer::Q15 { x, w, bias, shifts: shifts()? }
            }
            "q7_q15" => {
                let (x, w, bias) = (list(value, "x", HALF)?, list(value, "w", BYTE)?, list(value, "bias", BYTE)?);
                Layer::Q7Q15 { x, w, bias, shifts: shifts()? }
            }
            "s8" | "s8_per_channel" => {
                let (x, w, bias) = (list(value, "x", BYTE)?, list(value, "w", BYTE)?, list(value, "bias", WORD)?);
                let (zero_points, clamp) = (fields::zero_points(value)?, fields::clamp(value, BYTE)?);
                Layer::S8 { x, w, bias, scales: scales(30)?, zero_points, clamp }
            }
            "s16x8" => {
                let (x, w) = (list(value, "x", HALF)?, list(value, "w", BYTE)?);
                let bias = list(value, "bias", [i64::MIN, i64::MAX])?;
                Layer::S16x8 { x, w, bias, scales: scales(7)? }
            }
            _ => return Err(no_family(family)),
        };
        let (inputs, weights, biases) = match &layer {
            Layer::Q7 { x, w, bias, .. } => (x.len(), w.len(), bias.len()),
            Layer::Q15 { x, w, bias, .. } => (x.len(), w.len(), bias.len()),
            Layer::Q7Q15 { x, w, bias, .. } => (x.len(), w.len(), bias.len()),
            Layer::S8 { x, w, bias, .. } => (x.len(), w.len(), bias.len()),
            Layer::S16x8 { x, w, bias, .. } => (x.len(), w.len(), bias.len()),
        };
        count("w", weights, rows * cols)?;
        count("bias", biases, rows)?;
        if if cols == 0 { inputs != 0 } else { inputs == 0 || !inputs.is_multiple_of(cols) } {
            return Err(format!("x has {inputs} numbers, but whole rows of d = {cols} are needed"));
        }
        Ok(Case { rows, cols, layer })
    }

    /// The outputs of the layer for all roundings of its family; of the power-of-two families with interleaved weights too.
    pub fn run(&self, way: &Way) -> Vec<Output> {
        match way {
            Way::Micro => self.run_micro(),
            Way::Kernels(context) => self.run_kernels(context),
        }
    }

    fn run_micro(&self) -> Vec<Output> {
        let of = |rounding: ShiftRounding, [bias, out]: [u32; 2]| Shifts::new(bias, out, rounding);
        match &self.layer {
            Layer::Q7 { x, w, bias, shifts } => self.both(Interleaved::Q7, w, |rounding, w, is_packed| {
                let call = if is_packed { micro::fully_connected_q7_opt } else { micro::fully_connected_q7 };
                self.rows(x, |x, y| call(x, w, bias, of(rounding, *shifts), y))
            }),
            Layer::Q15 { x, w, bias, shifts } => self.both(Interleaved::Q15, w, |rounding, w, is_packed| {
                let call = if is_packed { micro::fully_connected_q15_opt } else { micro::fully_connected_q15 };
                self.rows(x, |x, y| call(x, w, bias, of(rounding, *shifts), y))
            }),
            Layer::Q7Q15 { x, w, bias, shifts } => self.both(Interleaved::Q7ForQ15, w, |rounding, w, is_packed| {
                let call = if is_packed { micro::fully_connected_q7_q15_opt } else { micro::fully_connected_q7_q15 };
                self.rows(x, |x, y| call(x, w, bias, of(rounding, *shifts), y))
            }),
            Layer::S8 { x, w, bias, scales, zero_points: [input_zero_point, output_zero_point], clamp } => {
                let outputs = SCALED.map(|(rounding, name)| {
                    let affine = Affine {
                        bias,
                        input_zero_point: *input_zero_point,
                        weight_zero_point: 0,
                        scales,
                        rounding,
                        output_zero_point: *output_zero_point,
                        clamp: *clamp,
                    };
                    Output { name, values: self.rows(x, |x, y| micro::fully_connected_s8(x, w, &affine, y)) }
                });
                outputs.into()
            }
            Layer::S16x8 { x, w, bias, scales } => {
                let affine = AffineWide { bias, scales, clamp: [-32768, 32767] };
                vec![Output { name: "y", values: self.rows(x, |x, y| micro::fully_connected_s16x8(x, w, &affine, y)) }]
            }
        }
    }

    fn run_kernels(&self, context: &Context) -> Vec<Output> {
        match &self.layer {
            Layer::Q7 { x, w, bias, shifts: [bias_shift, out_shift] } => {
                let bias = shift_bias(bias.iter().copied(), *bias_shift);
                self.both(Interleaved::Q7, w, |rounding, w, is_packed| {
                    let w = self.plain(Interleaved::Q7, w, is_packed);
                    self.gemm_i8(context, x, &w, &bias, 0, &Requantize::power_of_two(*out_shift, rounding))
                })
            }
            Layer::Q15 { x, w, bias, shifts: [bias_shift, out_shift] } => {
                let bias = shift_bias(bias.iter().copied(), *bias_shift);
                self.both(Interleaved::Q15, w, |rounding, w, is_packed| {
                    let w = self.plain(Interleaved::Q15, w, is_packed);
                    let requantize = Requantize::power_of_two(*out_shift, rounding);
                    self.gemm_i16(context, x, Values::I16(&w), Bias::I32(Some(&bias)), &Scale::Narrow(requantize))
                })
            }
            Layer::Q7Q15 { x, w, bias, shifts: [bias_shift, out_shift] } => {
                let bias = shift_bias(bias.iter().copied(), *bias_shift);
                self.both(Interleaved::Q7ForQ15, w, |rounding, w, is_packed| {
                    let w = self.plain(Interleaved::Q7ForQ15, w, is_packed);
                    let requantize = Requantize::power_of_two(*out_shift, rounding);
                    self.gemm_i16(context, x, Values::I8(&w), Bias::I32(Some(&bias)), &Scale::Narrow(requantize))
                })
            }
            Layer::S8 {
                x,
                w,
                bias,
                scales,
                zero_points: [input_zero_point, output_zero_point],
                clamp: [low, high],
            } => {
                let outputs = SCALED.map(|(rounding, name)| {
                    let requantize = match rounding {
                        Rounding::Double => Requantize::double_rounding(scales),
                        Rounding::Single => Requantize::single_rounding(scales),
                    };
                    let requantize = requantize.with_zero_point(*output_zero_point).with_clamp(*low..=*high);
                    Output { name, values: self.gemm_i8(context, x, w, bias, *input_zero_point, &requantize) }
                });
                outputs.into()
            }
            Layer::S16x8 { x, w, bias, scales } => {
                let scale = Scale::Wide(RequantizeWide::new(scales));
                let values = self.gemm_i16(context, x, Values::I8(w), Bias::I64(Some(bias)), &scale);
                vec![Output { name: "y", values }]
            }
        }
    }

    /// Both roundings of a power-of-two family, with weights as they are and interleaved.
    fn both<W: Copy>(
        &self,
        layout: Interleaved,
        weight: &[W],
        run: impl Fn(ShiftRounding, &[W], bool) -> Vec<i64>,
    ) -> Vec<Output> {
        let mut packed = weight.to_vec();
        layout.pack(weight, [self.rows, self.cols], &mut packed);
        let of = |(rounding, name): (ShiftRounding, &'static str)| {
            [(weight, false), (&packed[..], true)]
                .map(|(weight, is_packed)| Output { name, values: run(rounding, weight, is_packed) })
        };
        SHIFTED.into_iter().flat_map(of).collect()
    }

    /// The weight row-major.
    fn plain<W: Copy>(&self, layout: Interleaved, weight: &[W], is_packed: bool) -> Vec<W> {
        let mut plain = weight.to_vec();
        if is_packed {
            layout.unpack(weight, [self.rows, self.cols], &mut plain);
        }
        plain
    }

    /// Rows of inputs one by one.
    fn rows<X, Y: Copy + Default + Into<i64>>(&self, x: &[X], run: impl Fn(&[X], &mut [Y])) -> Vec<i64> {
        let mut found = Vec::new();
        let mut y = vec![Y::default(); self.rows];
        // Of no columns there is one row.
        let rows: Vec<&[X]> = if self.cols == 0 { vec![x] } else { x.chunks_exact(self.cols).collect() };
        for x in rows {
            run(x, &mut y);
            found.extend(y.iter().map(|value| (*value).into()));
        }
        found
    }

    fn count(&self, inputs: usize) -> usize {
        inputs.checked_div(self.cols).unwrap_or(1)
    }

    fn gemm_i8(
        &self,
        context: &Context,
        x: &[i8],
        values: &[i8],
        bias: &[i32],
        input_zero_point: i32,
        requantize: &Requantize,
    ) -> Vec<i64> {
        let (rows, cols) = (self.count(x.len()), self.rows);
        let offsets = Offsets { input_zero_point, weight_zero_point: 0 };
        let weight = gemm_i8::Weight { values, out_features: cols, in_features: self.cols, bias: Some(bias), offsets };
        let packed = gemm_i8::Packed::new(weight, context);
        let mut y = vec![0i8; rows * cols];
        let output = gemm_i8::Output::I8(MatrixMut { values: &mut y, rows, cols, stride: cols }, requantize);
        gemm_i8::gemm_i8(GemmI8 { input: Input::I8(x), weight: &packed, output }, &mut Default::default(), context);
        y.into_iter().map(i64::from).collect()
    }

    fn gemm_i16(&self, context: &Context, x: &[i16], values: Values<'_>, bias: Bias<'_>, scale: &Scale) -> Vec<i64> {
        let (rows, cols) = (self.count(x.len()), self.rows);
        let weight = gemm_i16::Weight { values, out_features: cols, in_features: self.cols, bias };
        let packed = gemm_i16::Packed::new(weight, context);
        let mut y = vec![0i16; rows * cols];
        let output = MatrixMut { values: &mut y, rows, cols, stride: cols };
        let output = match scale {
            Scale::Narrow(requantize) => gemm_i16::Output::I16(output, requantize),
            Scale::Wide(requantize) => gemm_i16::Output::I16FromWide(output, requantize),
        };
        gemm_i16::gemm_i16(
            GemmI16 { input: gemm_i16::Input::Rows(x), weight: &packed, output },
            &mut Default::default(),
            context,
        );
        y.into_iter().map(i64::from).collect()
    }
}

enum Scale {
    Narrow(Requantize),
    Wide(RequantizeWide),
}
