//! Products of whole numbers on the kernels of the machine.

use super::{Arithmetic, Integers, Rounding, WeightType, multiplier};
use crate::layer::ParamSpec;
use crate::scratch::IntegerScratch;
use crate::view::{DType, Quant};
use plexus_kernels::Context;
use plexus_kernels::buffer::{Buffer, MatrixMut};
use plexus_kernels::gemm_i8::{self, GemmI8, Offsets, gemm_i8};
use plexus_kernels::gemm_i16::{self, GemmI16, gemm_i16};
use plexus_kernels::requantize::{Requantize, RequantizeWide, shift_bias};
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
    Plain {
        weight: Buffer<i16>,
        bias: Buffer<i16>,
        shifts: Shifts,
        narrow: bool,
        clamp: [i32; 2],
    },
}

/// The numbers that enter a product.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rows<'a> {
    I8(&'a [i8]),
    I16(&'a [i16]),
}

/// Where its outputs go.
#[derive(Debug)]
pub(crate) enum Outputs<'a> {
    I8(&'a mut [i8]),
    I16(&'a mut [i16]),
}

impl Product {
    /// Packs the weight `[groups · outputs, inputs]`, with a bias or none, and the scales of the weights in the affine scheme.
    pub(crate) fn new(
        integers: &Integers,
        input: Quant,
        sizes: Sizes,
        (weight, bias, scales): (&[f32], Option<&[f32]>, &[f32]),
        plain: &[f32],
        context: &Context,
    ) -> Self {
        let Sizes { groups, outputs, inputs } = sizes;
        let matrix = |group: usize| {
            let weight = &weight[group * outputs * inputs..][..outputs * inputs];
            let bias = bias.map(|bias| &bias[group * outputs..][..outputs]);
            let scales = if scales.len() > 1 { &scales[group * outputs..][..outputs] } else { scales };
            let reals: Vec<f64> = scales.iter().map(|scale| integers.real_scale(input, *scale)).collect();
            Matrix::new(integers, input, (outputs, inputs), (weight, bias, &reals), context)
        };
        let (first, behind) = plain.split_at(weight.len());
        let first = match integers.weight {
            WeightType::I16 => Plain::I16(Buffer::from_slice(&whole::<i16>(first))),
            _ => Plain::I8(Buffer::from_slice(&whole::<i8>(first))),
        };
        let matrices = (0..groups).map(matrix).collect();
        let behind = Buffer::from_slice(behind);
        Product { groups: matrices, outputs, inputs, zero: input.zero_point, weight: first, behind }
    }

    /// What stands for zero among the inputs.
    pub(crate) fn zero(&self) -> i32 {
        self.zero
    }

    /// Outputs of all groups.
    pub(crate) fn outputs(&self) -> usize {
        self.groups.len() * self.outputs
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
            Matrix::Plain { weight, bias, .. } => 2 * (weight.len() + bias.len()),
        };
        let weight = match &self.weight {
            Plain::I8(weight) => size_of_val(&weight[..]),
            Plain::I16(weight) => size_of_val(&weight[..]),
        };
        self.groups.iter().map(packed).sum::<usize>() + weight + size_of_val(&self.behind[..])
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

    /// Multiplies rows of inputs by the weight of one group: outputs `[rows, groups · outputs]`, of which those of the group are
    /// written.
    pub(crate) fn multiply(
        &self,
        group: usize,
        rows: Rows<'_>,
        outputs: Outputs<'_>,
        scratch: &mut IntegerScratch,
        context: &Context,
    ) {
        let (stride, first) = (self.groups.len() * self.outputs, group * self.outputs);
        let count = match rows {
            Rows::I8(values) => values.len(),
            Rows::I16(values) => values.len(),
        };
        let len = match &outputs {
            Outputs::I8(values) => values.len(),
            Outputs::I16(values) => values.len(),
        };
        let m = len.checked_div(stride).unwrap_or(0);
        if m == 0 {
            return;
        }
        debug_assert_eq!(count, m * self.inputs);
        match (&self.groups[group], rows, outputs) {
            (Matrix::Bytes(weight, requantize), Rows::I8(input), Outputs::I8(to)) => {
                let to = MatrixMut { values: &mut to[first..], rows: m, cols: self.outputs, stride };
                let input = gemm_i8::Input::I8(input);
                let call = GemmI8 { input, weight, output: gemm_i8::Output::I8(to, requantize) };
                gemm_i8(call, &mut scratch.gemm_i8, context);
            }
            (Matrix::Words(weight, requantize), Rows::I16(input), Outputs::I16(to)) => {
                let to = MatrixMut { values: &mut to[first..], rows: m, cols: self.outputs, stride };
                let call = GemmI16 { input, weight, output: gemm_i16::Output::I16(to, requantize) };
                gemm_i16(call, &mut scratch.gemm_i16, context);
            }
            (Matrix::Wide(weight, requantize), Rows::I16(input), Outputs::I16(to)) => {
                let to = MatrixMut { values: &mut to[first..], rows: m, cols: self.outputs, stride };
                let call = GemmI16 { input, weight, output: gemm_i16::Output::I16FromWide(to, requantize) };
                gemm_i16(call, &mut scratch.gemm_i16, context);
            }
            (
                Matrix::Plain { weight, bias, shifts, narrow, clamp: [low, high] },
                Rows::I16(input),
                Outputs::I16(to),
            ) => {
                let weights: Vec<i8> = if *narrow { narrowed(weight) } else { Vec::new() };
                let biases: Vec<i8> = if *narrow { narrowed(bias) } else { Vec::new() };
                for row in 0..m {
                    let (input, to) = (&input[row * self.inputs..][..self.inputs], &mut to[row * stride + first..]);
                    let to = &mut to[..self.outputs];
                    match narrow {
                        true => fully_connected_q7_q15_wide(input, &weights, &biases, *shifts, to),
                        false => fully_connected_q15_wide(input, weight, bias, *shifts, to),
                    }
                    to.iter_mut().for_each(|to| *to = (*to).clamp(*low as i16, *high as i16));
                }
            }
            (Matrix::Plain { weight, bias, shifts, clamp: [low, high], .. }, Rows::I8(input), Outputs::I8(to)) => {
                let (weights, biases) = (narrowed(weight), narrowed(bias));
                for row in 0..m {
                    let (input, to) = (&input[row * self.inputs..][..self.inputs], &mut to[row * stride + first..]);
                    let to = &mut to[..self.outputs];
                    fully_connected_q7_wide(input, &weights, &biases, *shifts, to);
                    to.iter_mut().for_each(|to| *to = (*to).clamp(*low as i8, *high as i8));
                }
            }
            _ => unreachable!("the network check compared the types"),
        }
    }
}

fn narrowed(values: &[i16]) -> Vec<i8> {
    values.iter().map(|value| *value as i8).collect()
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
                    return Matrix::Plain {
                        weight: Buffer::from_slice(&whole::<i16>(weight)),
                        bias: Buffer::from_slice(&bias.map(whole::<i16>).unwrap_or_default()),
                        shifts: Shifts::new(bias_shift, out_shift, rounding),
                        narrow,
                        clamp: [low, high],
                    };
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
