//! Products of whole numbers on the kernels of the machine: of rows, and of the windows of maps.

use super::{Arithmetic, Integers, Rounding, WeightType, multiplier};
use crate::layer::ParamSpec;
use crate::scratch::IntegerScratch;
use crate::view::{DType, Quant, View, ViewMut};
use plexus_kernels::Context;
use plexus_kernels::buffer::{Buffer, MatrixMut};
use plexus_kernels::gemm_i8::{self, GemmI8, Offsets, gemm_i8};
use plexus_kernels::gemm_i16::{self, GemmI16, gemm_i16};
use plexus_kernels::requantize::{Requantize, RequantizeWide, shift_bias};
use plexus_kernels::windows::{Maps, Windows};
use plexus_micro::{Multiplier, ShiftRounding, Shifts, accumulator_bound};
use plexus_micro::{fully_connected_q7_q15_wide, fully_connected_q7_wide, fully_connected_q15_wide};

/// What the weights of a layer are multiplied with: outputs, and inputs of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Equal parts of inputs and outputs that see each other only.
    pub groups: usize,
    /// Of one group.
    pub outputs: usize,
    pub inputs: usize,
}

/// The weights of a layer of whole numbers, packed for the kernels of this machine.
#[derive(Clone, Debug)]
pub struct Product {
    groups: Vec<Matrix>,
    outputs: usize,
    inputs: usize,
    /// What stands for zero among the inputs.
    zero: i32,
    /// Of a convolution.
    windows: Option<Windows>,
    /// The weight as it was given, which cannot be had back from the packed one, and the tensors behind it.
    weight: Plain,
    behind: Buffer,
}

/// Weights as small as they are.
#[derive(Clone, Debug)]
enum Plain {
    I8(Buffer<i8>),
    I16(Buffer<i16>),
}

/// One group: the packed weight with its bias, and how sums become outputs.
#[derive(Clone, Debug)]
enum Matrix {
    Bytes(gemm_i8::Packed, Requantize),
    Words(gemm_i16::Packed, Requantize),
    Wide(gemm_i16::Packed, RequantizeWide),
    /// 64-bit sums that may go so far that only the plain loops are right.
    Plain(PlainMatrix),
}

/// Weight and bias are of one type.
#[derive(Clone, Debug)]
struct PlainMatrix {
    weight: Plain,
    bias: Plain,
    shifts: Shifts,
    clamp: [i32; 2],
}

/// The numbers that enter a product.
#[derive(Clone, Copy, Debug)]
enum Rows<'a> {
    I8(gemm_i8::Input<'a>),
    I16(gemm_i16::Input<'a>),
}

/// Where its outputs go.
#[derive(Debug)]
enum Outputs<'a> {
    I8(&'a mut [i8]),
    I16(&'a mut [i16]),
}

/// The most bytes of windows that are written out at a time: they stay in the second-level cache.
const MOST: usize = 1 << 18;

impl Product {
    /// Packs the weight `[groups · outputs, inputs]`, with a bias or none, and the scales of the weights in the affine scheme. Where inputs
    /// are windows of maps, their numbers are in the order of a window.
    pub(crate) fn new(
        integers: &Integers,
        input: Quant,
        (sizes, windows): (Sizes, Option<Windows>),
        (weight, bias, scales): (&[f32], Option<&[f32]>, &[f32]),
        plain: &[f32],
        context: &Context,
    ) -> Self {
        let Sizes { groups, outputs, inputs } = sizes;
        let filled = windows.as_ref().map(|windows| windows.fill_up(weight));
        let (weight, inputs) = match (&filled, &windows) {
            (Some(filled), Some(windows)) => (&filled[..], windows.len()),
            _ => (weight, inputs),
        };
        let matrix = |group: usize| {
            let weight = &weight[group * outputs * inputs..][..outputs * inputs];
            let bias = bias.map(|bias| &bias[group * outputs..][..outputs]);
            let scales = if scales.len() > 1 { &scales[group * outputs..][..outputs] } else { scales };
            let reals: Vec<f64> = scales.iter().map(|scale| integers.real_scale(input, *scale)).collect();
            Matrix::new(integers, input, (outputs, inputs), (weight, bias, &reals), context)
        };
        let (first, behind) = plain.split_at(groups * outputs * sizes.inputs);
        let first = Plain::new(integers.weight, first);
        let matrices = (0..groups).map(matrix).collect();
        let behind = Buffer::from_slice(behind);
        Product { groups: matrices, outputs, inputs, zero: input.zero_point, windows, weight: first, behind }
    }

    /// Bytes that a product of tensors will take, about: the numbers twice, once as they are and once packed.
    pub(crate) fn bytes_for(params: &[ParamSpec]) -> usize {
        let bytes = params.iter().map(|spec| spec.len().saturating_mul(2 * spec.dtype.size()));
        bytes.fold(0, usize::saturating_add)
    }

    /// Bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let packed = |matrix: &Matrix| match matrix {
            Matrix::Bytes(packed, _) => packed.bytes(),
            Matrix::Words(packed, _) | Matrix::Wide(packed, _) => packed.bytes(),
            Matrix::Plain(PlainMatrix { weight, bias, .. }) => weight.bytes() + bias.bytes(),
        };
        self.groups.iter().map(packed).sum::<usize>() + self.weight.bytes() + size_of_val(&self.behind[..])
    }

    /// The tensors of the layer as they were given.
    pub fn weights(&self) -> Vec<f32> {
        let mut weights: Vec<f32> = match &self.weight {
            Plain::I8(weight) => weight.iter().map(|weight| f32::from(*weight)).collect(),
            Plain::I16(weight) => weight.iter().map(|weight| f32::from(*weight)).collect(),
        };
        weights.extend_from_slice(&self.behind);
        weights
    }

    /// Multiplies the rows of a batch, or the windows of its maps.
    pub(crate) fn run(
        &self,
        input: View<'_>,
        mut output: ViewMut<'_>,
        batch: usize,
        scratch: &mut IntegerScratch,
        context: &Context,
    ) {
        let Some(windows) = &self.windows else {
            let (rows, outputs) = match input.dtype {
                DType::I8 => (Rows::I8(gemm_i8::Input::I8(input.i8())), Outputs::I8(output.into_i8())),
                _ => (Rows::I16(gemm_i16::Input::Rows(input.i16())), Outputs::I16(output.into_i16())),
            };
            return self.multiply(0, rows, outputs, scratch, context);
        };
        let together = (MOST / (windows.bytes() * input.dtype.size()).max(1)).clamp(1, batch.max(1));
        let (sample, outputs) = (windows.input_len(), windows.count() * self.groups.len() * self.outputs);
        for first in (0..batch).step_by(together) {
            let samples = together.min(batch - first);
            let (from, to) = (first * sample..(first + samples) * sample, first * outputs..(first + samples) * outputs);
            for group in 0..self.groups.len() {
                let (rows, outputs) = match input.dtype {
                    DType::I8 => {
                        let (values, outside) = (&input.i8()[from.clone()], self.zero as i8);
                        let maps = Maps { windows, values, samples, group, outside };
                        let to = &mut output.again().into_i8()[to.clone()];
                        (Rows::I8(gemm_i8::Input::Windows(maps)), Outputs::I8(to))
                    }
                    _ => {
                        let (values, outside) = (&input.i16()[from.clone()], self.zero as i16);
                        let maps = Maps { windows, values, samples, group, outside };
                        let to = &mut output.again().into_i16()[to.clone()];
                        (Rows::I16(gemm_i16::Input::Windows(maps)), Outputs::I16(to))
                    }
                };
                self.multiply(group, rows, outputs, scratch, context);
            }
        }
    }

    /// Multiplies rows of inputs by the weight of one group: outputs `[rows, groups · outputs]`, of which those of the group are
    /// written.
    fn multiply(
        &self,
        group: usize,
        rows: Rows<'_>,
        outputs: Outputs<'_>,
        scratch: &mut IntegerScratch,
        context: &Context,
    ) {
        let (stride, first) = (self.groups.len() * self.outputs, group * self.outputs);
        let len = match &outputs {
            Outputs::I8(values) => values.len(),
            Outputs::I16(values) => values.len(),
        };
        let (m, cols) = (len.checked_div(stride).unwrap_or(0), self.outputs);
        if m == 0 {
            return;
        }
        match (&self.groups[group], rows, outputs) {
            (Matrix::Bytes(weight, requantize), Rows::I8(input), Outputs::I8(to)) => {
                let to = MatrixMut { values: &mut to[first..], rows: m, cols, stride };
                let call = GemmI8 { input, weight, output: gemm_i8::Output::I8(to, requantize) };
                gemm_i8(call, &mut scratch.gemm_i8, context);
            }
            (Matrix::Words(weight, requantize), Rows::I16(input), Outputs::I16(to)) => {
                let to = MatrixMut { values: &mut to[first..], rows: m, cols, stride };
                let call = GemmI16 { input, weight, output: gemm_i16::Output::I16(to, requantize) };
                gemm_i16(call, &mut scratch.gemm_i16, context);
            }
            (Matrix::Wide(weight, requantize), Rows::I16(input), Outputs::I16(to)) => {
                let to = MatrixMut { values: &mut to[first..], rows: m, cols, stride };
                let call = GemmI16 { input, weight, output: gemm_i16::Output::I16FromWide(to, requantize) };
                gemm_i16(call, &mut scratch.gemm_i16, context);
            }
            (Matrix::Plain(plain), Rows::I16(input), Outputs::I16(to)) => {
                let mut written = Vec::new();
                let rows = match input {
                    gemm_i16::Input::Rows(values) => values,
                    gemm_i16::Input::Windows(maps) => {
                        written.resize(m * self.inputs, 0);
                        maps.write_rows(&mut written);
                        &written
                    }
                };
                for (row, to) in to.chunks_exact_mut(stride).enumerate() {
                    plain.words(&rows[row * self.inputs..][..self.inputs], &mut to[first..][..cols]);
                }
            }
            (Matrix::Plain(plain), Rows::I8(input), Outputs::I8(to)) => {
                let mut written = Vec::new();
                let rows = match input {
                    gemm_i8::Input::I8(values) => values,
                    gemm_i8::Input::Windows(maps) => {
                        written.resize(m * self.inputs, 0);
                        maps.write_rows(&mut written);
                        &written
                    }
                    gemm_i8::Input::U8(_) => unreachable!("values of layers are signed"),
                };
                for (row, to) in to.chunks_exact_mut(stride).enumerate() {
                    plain.bytes(&rows[row * self.inputs..][..self.inputs], &mut to[first..][..cols]);
                }
            }
            _ => unreachable!("the network check compared the types"),
        }
    }
}

impl Plain {
    fn new(weight: WeightType, values: &[f32]) -> Self {
        match weight {
            WeightType::I16 => Plain::I16(Buffer::from_slice(&whole::<i16>(values))),
            _ => Plain::I8(Buffer::from_slice(&whole::<i8>(values))),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Plain::I8(values) => size_of_val(&values[..]),
            Plain::I16(values) => size_of_val(&values[..]),
        }
    }
}

impl PlainMatrix {
    fn words(&self, row: &[i16], to: &mut [i16]) {
        match (&self.weight, &self.bias) {
            (Plain::I8(weight), Plain::I8(bias)) => fully_connected_q7_q15_wide(row, weight, bias, self.shifts, to),
            (Plain::I16(weight), Plain::I16(bias)) => fully_connected_q15_wide(row, weight, bias, self.shifts, to),
            _ => unreachable!("weight and bias are of one type"),
        }
        let [low, high] = self.clamp;
        to.iter_mut().for_each(|to| *to = (*to).clamp(low as i16, high as i16));
    }

    fn bytes(&self, row: &[i8], to: &mut [i8]) {
        let (Plain::I8(weight), Plain::I8(bias)) = (&self.weight, &self.bias) else {
            unreachable!("8-bit inputs have 8-bit weights")
        };
        fully_connected_q7_wide(row, weight, bias, self.shifts, to);
        let [low, high] = self.clamp;
        to.iter_mut().for_each(|to| *to = (*to).clamp(low as i8, high as i8));
    }
}

fn whole<T: TryFrom<i64>>(values: &[f32]) -> Vec<T> {
    let one =
        |value: &f32| T::try_from(*value as i64).ok().expect("numbers of weights were checked against their type");
    values.iter().map(one).collect()
}

impl Matrix {
    fn new(
        integers: &Integers,
        input: Quant,
        (out_features, in_features): (usize, usize),
        (weight, bias, reals): (&[f32], Option<&[f32]>, &[f64]),
        context: &Context,
    ) -> Matrix {
        let [low, high] = integers.range();
        let narrow = integers.weight != WeightType::I16;
        let multipliers = || reals.iter().map(|scale| multiplier(*scale)).collect::<Vec<Multiplier>>();
        let zero_point = integers.output.zero_point;
        match (integers.arithmetic, input.dtype) {
            (Arithmetic::Affine { rounding, .. }, DType::I8) => {
                let requantize = match rounding {
                    Rounding::Double => Requantize::double_rounding(&multipliers()),
                    Rounding::Single => Requantize::single_rounding(&multipliers()),
                    Rounding::Float64 => Requantize::float64(reals),
                    Rounding::Float32Even => {
                        Requantize::float32(&reals.iter().map(|scale| *scale as f32).collect::<Vec<f32>>())
                    }
                };
                let requantize = requantize.with_zero_point(zero_point).with_clamp(low..=high);
                let bias: Option<Vec<i32>> = bias.map(whole);
                let offsets = Offsets { input_zero_point: input.zero_point, weight_zero_point: 0 };
                let weight = gemm_i8::Weight {
                    values: &whole::<i8>(weight),
                    out_features,
                    in_features,
                    bias: bias.as_deref(),
                    offsets,
                };
                Matrix::Bytes(gemm_i8::Packed::new(weight, context), requantize)
            }
            (Arithmetic::Affine { .. }, _) => {
                let bias: Option<Vec<i64>> = bias.map(whole);
                let requantize = RequantizeWide::new(&multipliers()).with_clamp(low..=high);
                let packed =
                    words(weight, narrow, gemm_i16::Bias::I64(bias.as_deref()), (out_features, in_features), context);
                Matrix::Wide(packed, requantize)
            }
            (Arithmetic::PowerOfTwo { rounding, wide, .. }, dtype) => {
                let [bias_shift, out_shift] = integers.shifts(input).expect("the network check found them legal");
                let rounding: ShiftRounding = rounding.into();
                // Sums that cannot wrap are the same in 32 bits as in 64.
                let largest = if dtype == DType::I8 { 128 } else { 32768 };
                let half = (1i64 << out_shift) >> 1;
                let bound = |row: usize| {
                    let weights = weight[row * in_features..][..in_features].iter().map(|weight| *weight as i32);
                    let bias = bias.map_or(0, |bias| (bias[row] as i64) << bias_shift);
                    accumulator_bound(weights, bias, largest).saturating_add(half)
                };
                let most = if wide { (0..out_features).map(bound).max().unwrap_or(0) } else { 0 };
                if most > i64::from(i32::MAX) {
                    if dtype == DType::I16 && rounding == ShiftRounding::HalfUp && is_like_scaled(most, out_shift) {
                        // A shift that rounds halves up is a product with the scale 2^-out_shift of the other scheme.
                        let bias: Option<Vec<i64>> =
                            bias.map(|bias| whole::<i64>(bias).into_iter().map(|bias| bias << bias_shift).collect());
                        let scale = Multiplier::new(1 << 30, 1 - out_shift as i32);
                        let requantize = RequantizeWide::new(&[scale]).with_clamp(low..=high);
                        let bias = gemm_i16::Bias::I64(bias.as_deref());
                        return Matrix::Wide(
                            words(weight, narrow, bias, (out_features, in_features), context),
                            requantize,
                        );
                    }
                    return Matrix::Plain(PlainMatrix {
                        weight: Plain::new(integers.weight, weight),
                        bias: Plain::new(integers.weight, bias.unwrap_or_default()),
                        shifts: Shifts::new(bias_shift, out_shift, rounding),
                        clamp: [low, high],
                    });
                }
                let bias: Option<Vec<i32>> = bias.map(|bias| shift_bias(whole::<i32>(bias), bias_shift));
                let requantize = Requantize::power_of_two(out_shift, rounding).with_clamp(low..=high);
                if dtype == DType::I8 {
                    let offsets = Offsets::default();
                    let values = &whole::<i8>(weight);
                    let weight = gemm_i8::Weight { values, out_features, in_features, bias: bias.as_deref(), offsets };
                    return Matrix::Bytes(gemm_i8::Packed::new(weight, context), requantize);
                }
                let bias = gemm_i16::Bias::I32(bias.as_deref());
                Matrix::Words(words(weight, narrow, bias, (out_features, in_features), context), requantize)
            }
        }
    }
}

/// Whether sums of at most this size are rounded by [`RequantizeWide`] as by a shift: no product with the multiplier goes beyond 64 bits, and
/// no result beyond 32.
fn is_like_scaled(most: i64, out_shift: u32) -> bool {
    most < 1 << 47 && (most >> out_shift) < 1 << 29
}

fn words(
    weight: &[f32],
    narrow: bool,
    bias: gemm_i16::Bias<'_>,
    (out_features, in_features): (usize, usize),
    context: &Context,
) -> gemm_i16::Packed {
    let (bytes, words): (Vec<i8>, Vec<i16>);
    let values = if narrow {
        bytes = whole(weight);
        gemm_i16::Values::I8(&bytes)
    } else {
        words = whole(weight);
        gemm_i16::Values::I16(&words)
    };
    gemm_i16::Packed::new(gemm_i16::Weight { values, out_features, in_features, bias }, context)
}
