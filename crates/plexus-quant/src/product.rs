//! The numbers of one layer of products, rounded.

use crate::error::QuantError;
use crate::range::{FRACTIONS, affine, best_fraction, power};
use crate::scheme::{Options, Scheme};
use crate::statistics::{BINS, ValueStatistics};
use plexus_micro::accumulator_bound;
use plexus_nn::integer::{Arithmetic, Integers, WeightType};
use plexus_nn::{DType, Quant};

/// A float layer of products: what is known of it.
pub struct Float<'a> {
    /// In messages.
    pub label: String,
    /// All weights, as they lie in the layer.
    pub weight: &'a [f32],
    /// One for each output channel, or none.
    pub bias: Option<&'a [f32]>,
    /// Output channels.
    pub outputs: usize,
    /// The output channel of each weight.
    pub output_of: &'a [u32],
    /// The output channel and the input channel of a weight, by its place.
    pub place: &'a dyn Fn(usize) -> [usize; 2],
    /// What its inputs stand for, and their means along the channels.
    pub input: Quant,
    pub means: &'a [f64],
    /// Of its outputs, with what is fused.
    pub output: &'a ValueStatistics,
    /// The scales of its weights, where they are not to be found anew.
    pub weight_scale: Option<&'a [f32]>,
}

/// The same of whole numbers.
pub struct Rounded {
    /// How it computes; without a clamp.
    pub integers: Integers,
    pub weight: Vec<f32>,
    /// What these stand for.
    pub values: Vec<f32>,
    pub bias: Option<Vec<f32>>,
    /// One, or one for each output channel; in the affine schemes.
    pub weight_scale: Option<Vec<f32>>,
    /// Whether its sums have 64 bits because 32 would not do.
    pub widened: bool,
}

/// Rounds a layer.
pub fn round(float: &Float<'_>, scheme: Scheme, options: &Options) -> Result<Rounded, QuantError> {
    match scheme.is_power_of_two() {
        true => powers_of_two(float, scheme, options),
        false => affine_product(float, scheme, options),
    }
}

/// The nearest whole number up to a magnitude, halves away from zero. Training asks for this half a million times between two updates.
fn nearest(value: f64, most: f64) -> f64 {
    f64::from((value.abs().min(most) + 0.5) as i32).copysign(value)
}

/// What the rounding of weights takes from the mean of each output, for the bias.
fn corrections(float: &Float<'_>, rounded: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut corrections = vec![0.0; float.outputs];
    for (at, weight) in float.weight.iter().enumerate() {
        let [output, channel] = (float.place)(at);
        corrections[output] += (f64::from(*weight) - rounded(at)) * float.means.get(channel).copied().unwrap_or(0.0);
    }
    corrections
}

/// The bias of each output, corrected where that is asked for; none where there is none and nothing to correct.
fn biases(float: &Float<'_>, options: &Options, rounded: impl Fn(usize) -> f64) -> Option<Vec<f64>> {
    let bias = float.bias?;
    let mut bias: Vec<f64> = bias.iter().map(|bias| f64::from(*bias)).collect();
    if options.correct_bias {
        for (bias, correction) in bias.iter_mut().zip(corrections(float, rounded)) {
            *bias += correction;
        }
    }
    Some(bias)
}

/// The scale with which some weights are told with the smallest squared error. With many steps that is the largest weight over the last
/// step; with few it pays to cut off the largest ones.
fn weight_scale(weights: &[f32], width: WeightType) -> f64 {
    let [_, high] = width.range().map(f64::from);
    let most = f64::from(weights.iter().fold(0.0f32, |most, weight| most.max(weight.abs())));
    if most < 1e-30 {
        // Of zeros only: any scale will do.
        return 1.0 / high;
    }
    if width != WeightType::I4 {
        return most / high;
    }
    let error = |scale: f64| -> f64 {
        // Added and taken off again, it leaves no fraction; of a half either side has the same error.
        const ROUNDS: f64 = 1.5 * (1u64 << 52) as f64;
        let inverse = 1.0 / scale;
        let one = |weight: f32| -> f64 {
            let weight = f64::from(weight);
            let number = (weight * inverse + ROUNDS) - ROUNDS;
            let difference = number.max(-high).min(high) * scale - weight;
            difference * difference
        };
        // Sums of their own, so that the processor adds several at a time.
        let (pieces, rest) = weights.as_chunks::<8>();
        let mut sums = [0.0; 8];
        for piece in pieces {
            for at in 0..8 {
                sums[at] += one(piece[at]);
            }
        }
        sums.iter().sum::<f64>() + rest.iter().map(|weight| one(*weight)).sum::<f64>()
    };
    let candidates = (0..=24).map(|step| most / high * (1.0 - 0.025 * f64::from(step)));
    let best = candidates.map(|scale| (error(scale), scale)).min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(most / high, |(_, scale)| scale)
}

fn affine_product(float: &Float<'_>, scheme: Scheme, options: &Options) -> Result<Rounded, QuantError> {
    let outputs = float.output_of;
    let (width, dtype, input) = (scheme.weight(), scheme.activation(), float.input);
    let output = affine(dtype, options.calibration.range(float.output));
    let per_channel = scheme.per_channel();
    let groups = if per_channel { float.outputs } else { 1 };
    let mut scales: Vec<f32> = match float.weight_scale {
        Some(scales) if scales.len() == groups => scales.to_vec(),
        _ => {
            let mut members: Vec<Vec<f32>> = vec![Vec::new(); groups];
            for (output, weight) in outputs.iter().zip(float.weight) {
                members[if per_channel { *output as usize } else { 0 }].push(*weight);
            }
            members.iter().map(|weights| weight_scale(weights, width) as f32).collect()
        }
    };
    // A bias has to fit beside the products; where all weights are tiny, their scale makes room for it.
    if dtype == DType::I8 {
        for (output, bias) in float.bias.unwrap_or_default().iter().enumerate() {
            let scale = &mut scales[if per_channel { output } else { 0 }];
            *scale = scale.max(2.0 * bias.abs() / (2f32.powi(30) * input.scale));
        }
    }
    let scale_of = |output: usize| f64::from(if per_channel { scales[output] } else { scales[0] });
    let [_, high] = width.range().map(f64::from);
    let weights = outputs.iter().zip(float.weight);
    let number = |(output, weight): (&u32, &f32)| nearest(f64::from(*weight) / scale_of(*output as usize), high) as f32;
    let weight: Vec<f32> = weights.map(number).collect();
    let value = |(output, number): (&u32, &f32)| (f64::from(*number) * scale_of(*output as usize)) as f32;
    let values = outputs.iter().zip(&weight).map(value).collect();
    let bias = biases(float, options, |at| f64::from(weight[at]) * scale_of(outputs[at] as usize));
    let bias: Option<Vec<f32>> = bias.map(|bias| {
        let whole = |(output, bias): (usize, f64)| (bias / (f64::from(input.scale) * scale_of(output))).round() as f32;
        bias.into_iter().enumerate().map(whole).collect()
    });
    if dtype == DType::I8 {
        let largest = (-128 - input.zero_point).unsigned_abs().max((127 - input.zero_point).unsigned_abs());
        if let Some((row, bound)) =
            first_beyond((outputs, &weight), float.outputs, bias.as_deref(), (0, 0), i64::from(largest))
        {
            let help = "Give the layer 16-bit activations, whose sums have 64 bits, or leave it float";
            return Err(QuantError::Wraps { layer: float.label.clone(), row, bound, help });
        }
    }
    let arithmetic = Arithmetic::Affine { rounding: options.rounding, per_channel };
    let integers = Integers::new(width, arithmetic, output);
    Ok(Rounded { integers, weight, values, bias, weight_scale: Some(scales), widened: false })
}

/// The first row whose sums may go beyond 32 bits, and how far.
fn first_beyond(
    (outputs, weight): (&[u32], &[f32]),
    count: usize,
    bias: Option<&[f32]>,
    (bias_shift, half): (u32, i64),
    largest: i64,
) -> Option<(usize, i64)> {
    let mut sums = vec![0i64; count];
    for (output, weight) in outputs.iter().zip(weight) {
        sums[*output as usize] += (*weight as i64).abs();
    }
    sums.into_iter().enumerate().find_map(|(row, sum)| {
        let bias = bias.map_or(0, |bias| (bias[row] as i64) << bias_shift);
        // As of one weight of that size: the bound is a sum of magnitudes.
        let one = i32::try_from(sum).unwrap_or(i32::MAX);
        let bound = accumulator_bound([one], bias, largest).saturating_add(half);
        (bound > i64::from(i32::MAX)).then_some((row, bound))
    })
}

fn powers_of_two(float: &Float<'_>, scheme: Scheme, options: &Options) -> Result<Rounded, QuantError> {
    let outputs = float.output_of;
    let (width, dtype) = (scheme.weight(), scheme.activation());
    let narrow = if width == WeightType::I16 { DType::I16 } else { DType::I8 };
    let input_fraction = float.input.fraction_bits().unwrap_or(0);
    let mut weight_fraction = best_fraction(narrow, &bars(float.weight), *FRACTIONS.end());
    let values: Vec<(f64, u64)> = float.output.bars().collect();
    // A shift goes one way: the output has at most as many fraction bits as the sums. Where that is too few, more bits of the weights
    // would be cut off, so the output has what there is.
    let mut output_fraction = best_fraction(dtype, &values, input_fraction + weight_fraction);
    // And at most 30 steps.
    weight_fraction = weight_fraction.min(output_fraction + 30 - input_fraction);
    output_fraction = output_fraction.min(input_fraction + weight_fraction);
    let sum_fraction = input_fraction + weight_fraction;
    let [low, high] = width.range().map(f64::from);
    let scale = 2f64.powi(weight_fraction);
    let whole = |value: f64, scale: f64| (value * scale).round().clamp(low, high);
    let weight: Vec<f32> = float.weight.iter().map(|weight| whole(f64::from(*weight), scale) as f32).collect();
    let values = weight.iter().map(|number| (f64::from(*number) / scale) as f32).collect();
    let bias = biases(float, options, |at| f64::from(weight[at]) / scale);
    let most = bias.iter().flatten().fold(0.0f64, |most, bias| most.max(bias.abs()));
    // As many fraction bits as the largest bias leaves room for.
    let room = if most > 0.0 { (high / most).log2().floor() as i32 } else { sum_fraction };
    let bias_fraction = room.clamp(sum_fraction - 31, sum_fraction);
    let bias: Option<Vec<f32>> =
        bias.map(|bias| bias.iter().map(|bias| whole(*bias, 2f64.powi(bias_fraction)) as f32).collect());
    let (bias_shift, out_shift) = ((sum_fraction - bias_fraction) as u32, (sum_fraction - output_fraction) as u32);
    let largest = if dtype == DType::I8 { 128 } else { 32768 };
    let half = (1i64 << out_shift) >> 1;
    let beyond = first_beyond((outputs, &weight), float.outputs, bias.as_deref(), (bias_shift, half), largest);
    let wide = beyond.is_some() && !options.wrap;
    let arithmetic = Arithmetic::PowerOfTwo {
        weight_fraction,
        bias_fraction,
        rounding: options.shift_rounding,
        wide,
        interleaved: options.interleaved,
    };
    let integers = Integers::new(width, arithmetic, power(dtype, output_fraction));
    Ok(Rounded { integers, weight, values, bias, weight_scale: None, widened: wide })
}

/// Weights as bars of a histogram; few as they are.
fn bars(weights: &[f32]) -> Vec<(f64, u64)> {
    if weights.len() <= 4 * BINS {
        return weights.iter().map(|weight| (f64::from(*weight), 1)).collect();
    }
    let (min, max) =
        weights.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), w| (min.min(*w), max.max(*w)));
    let mut statistics = ValueStatistics { min, max, histogram: vec![0; BINS], means: vec![] };
    let scale = BINS as f64 / (f64::from(max) - f64::from(min)).max(f64::MIN_POSITIVE);
    for weight in weights {
        statistics.histogram[(((f64::from(*weight) - f64::from(min)) * scale) as usize).min(BINS - 1)] += 1;
    }
    statistics.bars().collect()
}
