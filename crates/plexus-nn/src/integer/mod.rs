//! Layers of whole numbers: how they are described, and the products behind them.
//!
//! A value of whole numbers stands for reals, `value = (number − zero_point) · scale` ([`Quant`]); every layer says what its outputs
//! stand for. The arithmetic is exactly that of `plexus-micro`, which microcontrollers run: the same numbers give the same bits
//! everywhere. Here the products run on the kernels of the machine.

mod product;

pub use product::Product;
pub(crate) use product::Sizes;

use crate::layer::{Forward, LayerKind, Mismatch, ParamSpec, Prepare};
use crate::prepared::Prepared;
use crate::view::{DType, Quant};
use plexus_kernels::Context;
use plexus_kernels::buffer::{MatrixMut, for_each_tile};
use plexus_micro::Multiplier;
use serde::{Deserialize, Serialize};

/// How many bits a weight has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightType {
    /// −8 to 7. In model files such a weight takes a byte; exported programs keep two in one.
    I4,
    /// −128 to 127.
    I8,
    /// −32768 to 32767.
    I16,
}

impl WeightType {
    /// The smallest and the largest weight.
    pub fn range(self) -> [i32; 2] {
        match self {
            WeightType::I4 => [-8, 7],
            WeightType::I8 => [-128, 127],
            WeightType::I16 => [-32768, 32767],
        }
    }

    /// How many.
    pub fn bits(self) -> usize {
        match self {
            WeightType::I4 => 4,
            WeightType::I8 => 8,
            WeightType::I16 => 16,
        }
    }

    /// The type that holds one.
    pub fn dtype(self) -> DType {
        match self {
            WeightType::I4 | WeightType::I8 => DType::I8,
            WeightType::I16 => DType::I16,
        }
    }
}

/// How products of the affine scheme are rounded: programs differ here, by one in few outputs, so it belongs to the model.
///
/// With 16-bit activations, `double` and `single` are the same: the multiplier is cut to 16 bits, halves go up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Twice: TensorFlow Lite Micro and CMSIS-NN.
    #[default]
    Double,
    /// Once, halves up: builds with `TFLITE_SINGLE_ROUNDING`, ruy.
    Single,
    /// In 64-bit floats, halves away from zero: LiteRT's reference of fully connected layers. Not for 16-bit activations.
    Float64,
    /// In 32-bit floats, halves to even: XNNPACK. Not for 16-bit activations.
    Float32Even,
}

impl Rounding {
    /// All of them.
    pub const ALL: [Rounding; 4] = [Rounding::Double, Rounding::Single, Rounding::Float64, Rounding::Float32Even];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Rounding::Double => "double",
            Rounding::Single => "single",
            Rounding::Float64 => "float64",
            Rounding::Float32Even => "float32_even",
        }
    }
}

/// What happens to the bits that a shift drops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShiftRounding {
    /// To the nearest, halves up.
    #[default]
    HalfUp,
    /// Down.
    Floor,
}

impl From<ShiftRounding> for plexus_micro::ShiftRounding {
    fn from(rounding: ShiftRounding) -> Self {
        match rounding {
            ShiftRounding::HalfUp => plexus_micro::ShiftRounding::HalfUp,
            ShiftRounding::Floor => plexus_micro::ShiftRounding::Floor,
        }
    }
}

/// How sums of products become outputs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Arithmetic {
    /// TensorFlow Lite's: real scales as 32-bit multipliers. The scales of the weights are a tensor, `weight_scale`; the bias has the
    /// scale of the input times that of the weight.
    Affine {
        /// How products with a multiplier are rounded.
        #[serde(default)]
        rounding: Rounding,
        /// Whether each output channel has a scale of its own, or all have one.
        #[serde(default)]
        per_channel: bool,
    },
    /// CMSIS's older one: all scales are powers of two, and a shift takes the place of the multiplication.
    PowerOfTwo {
        /// Fraction bits of the weights.
        weight_fraction: i32,
        /// Fraction bits of the bias, which is as wide as the weights.
        bias_fraction: i32,
        /// What happens to the bits that are shifted out.
        #[serde(default)]
        rounding: ShiftRounding,
        /// Whether sums have 64 bits. With 32 they wrap where they are too large, as those of CMSIS.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        wide: bool,
        /// Whether exported weights are interleaved (the `opt` forms of CMSIS); the outputs are the same.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        interleaved: bool,
    },
}

/// How a layer of products computes with whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Integers {
    /// Bits of the weights.
    pub weight: WeightType,
    /// From sums to outputs.
    pub arithmetic: Arithmetic,
    /// What the outputs stand for.
    pub output: Quant,
    /// The smallest and the largest output, for a fused ReLU; those of the type where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clamp: Option<[i32; 2]>,
}

/// The steps that a shift may go.
const MOST_SHIFT: i32 = 30;
/// The same for the shift of a bias, to the left.
const MOST_BIAS_SHIFT: i32 = 31;

impl Integers {
    /// From its parts, without a clamp.
    pub fn new(weight: WeightType, arithmetic: Arithmetic, output: Quant) -> Self {
        Integers { weight, arithmetic, output, clamp: None }
    }

    /// The same with outputs limited to a range.
    #[must_use]
    pub fn with_clamp(self, clamp: [i32; 2]) -> Self {
        Integers { clamp: Some(clamp), ..self }
    }

    /// The range of the outputs.
    pub fn range(&self) -> [i32; 2] {
        let [least, most] = self.output.range();
        self.clamp.map_or([least, most], |[low, high]| [low.max(least), high.min(most)])
    }

    /// The scale of the weight's tensor in the affine scheme: one, or one for each of so many channels.
    fn scales(&self, outputs: usize) -> Option<usize> {
        match self.arithmetic {
            Arithmetic::Affine { per_channel, .. } => Some(if per_channel { outputs } else { 1 }),
            Arithmetic::PowerOfTwo { .. } => None,
        }
    }

    /// The type of the bias, for inputs of a type.
    fn bias_type(&self, input: DType) -> DType {
        match (self.arithmetic, input) {
            (Arithmetic::PowerOfTwo { .. }, _) => self.weight.dtype(),
            (Arithmetic::Affine { .. }, DType::I16) => DType::I64,
            (Arithmetic::Affine { .. }, _) => DType::I32,
        }
    }

    /// The type of the activations that such weights and outputs belong to: as wide as the outputs.
    fn input_type(&self) -> DType {
        self.output.dtype
    }

    /// The tensors of a layer of so many output channels, from those of its float form.
    pub(crate) fn params(&self, float: Vec<ParamSpec>, outputs: usize) -> Vec<ParamSpec> {
        let mut params: Vec<ParamSpec> = float
            .into_iter()
            .map(|spec| match spec.role {
                "weight" => ParamSpec::integers("weight", spec.shape, self.weight.dtype()),
                role => ParamSpec::integers(role, spec.shape, self.bias_type(self.input_type())),
            })
            .collect();
        params.extend(
            self.scales(outputs).map(|scales| ParamSpec::new("weight_scale", [scales], crate::init::Init::Ones)),
        );
        params
    }

    /// The shifts of the power-of-two scheme, of the bias and of the sums.
    ///
    /// ```text
    /// bias_shift = fraction bits of input + of weight − of bias        out_shift = fraction bits of input + of weight − of output
    /// ```
    ///
    /// # Errors
    /// [`Mismatch`] for shifts that there are not.
    pub fn shifts(&self, input: Quant) -> Result<[u32; 2], Mismatch> {
        let Arithmetic::PowerOfTwo { weight_fraction, bias_fraction, .. } = self.arithmetic else {
            return Err(Mismatch::new("arithmetic", "power_of_two", "affine", ""));
        };
        let (input, output) = (fraction(input, "the input")?, fraction(self.output, "the output")?);
        let sum = input.saturating_add(weight_fraction);
        let legal = |what: &str, shift: i32, most: i32| {
            let expected = format!("0 to {most}, by the fraction bits of input, weight and this");
            let help = "Choose other fraction bits: a shift goes one way only.";
            let refused = || Mismatch::new(what, expected, shift.to_string(), help);
            if (0..=most).contains(&shift) { Ok(shift as u32) } else { Err(refused()) }
        };
        Ok([
            legal("the shift of the bias", sum.saturating_sub(bias_fraction), MOST_BIAS_SHIFT)?,
            legal("the shift of the sums", sum.saturating_sub(output), MOST_SHIFT)?,
        ])
    }

    /// What leaves, for what enters.
    ///
    /// # Errors
    /// [`Mismatch`] for numbers that do not go together.
    pub(crate) fn quant(&self, inputs: &[Option<Quant>]) -> Result<Option<Quant>, Mismatch> {
        let input = integers(inputs)?;
        let output = check(self.output)?;
        if input.dtype != self.input_type() {
            let expected = format!("{}, as the output", self.input_type().name());
            return Err(Mismatch::new("the type of the input", expected, input.describe(), "Put a rescale between."));
        }
        if input.dtype == DType::I8 && self.weight == WeightType::I16 {
            let help = "16-bit weights go with 16-bit activations.";
            return Err(Mismatch::new("the type of the weight", "i4 or i8, for 8-bit activations", "i16", help));
        }
        check_clamp(self.clamp, output)?;
        match self.arithmetic {
            Arithmetic::Affine { rounding: Rounding::Float64 | Rounding::Float32Even, .. }
                if input.dtype == DType::I16 =>
            {
                let help = "16-bit activations have one rounding, which both of these mean.";
                return Err(Mismatch::new("rounding", "double or single, for 16-bit activations", "a float one", help));
            }
            Arithmetic::Affine { .. } => {}
            Arithmetic::PowerOfTwo { .. } if self.weight == WeightType::I4 => {
                return Err(Mismatch::new("the type of the weight", "i8 or i16, for powers of two", "i4", ""));
            }
            Arithmetic::PowerOfTwo { .. } => _ = self.shifts(input)?,
        }
        Ok(Some(output))
    }

    /// The real scale of an output channel: `input scale · weight scale / output scale`.
    pub fn real_scale(&self, input: Quant, weight_scale: f32) -> f64 {
        f64::from(input.scale) * f64::from(weight_scale) / f64::from(self.output.scale)
    }

    /// Refuses scales of weights that no multiplier stands for, and 4-bit weights beyond their range.
    ///
    /// # Errors
    /// [`Mismatch`] naming the first.
    pub(crate) fn check_params(&self, input: Quant, weights: &[f32], scales: &[f32]) -> Result<(), Mismatch> {
        let [low, high] = self.weight.range();
        if let Some(at) = weights.iter().position(|weight| *weight < low as f32 || *weight > high as f32) {
            let expected = format!("from {low} to {high}");
            return Err(Mismatch::new(format!("weight {at}"), expected, weights[at].to_string(), ""));
        }
        // 64-bit sums leave room for shifts of 7.
        let most = 2f64.powi(if input.dtype == DType::I16 { 7 } else { 30 });
        let legal = |scale: &f32| {
            let real = self.real_scale(input, *scale);
            // Nearer to that, a multiplier of 32 bits would round up to it.
            *scale > 0.0 && scale.is_finite() && real <= most * (1.0 - 2f64.powi(-31))
        };
        match scales.iter().position(|scale| !legal(scale)) {
            None => Ok(()),
            Some(at) => Err(Mismatch::new(
                format!("weight_scale {at}"),
                format!("above 0, and below {most} together with the scales of input and output"),
                scales[at].to_string(),
                "",
            )),
        }
    }
}

impl Integers {
    /// The formula of an output, from that of the sum of products.
    pub(crate) fn formula(&self, bias: bool, place: &str, sum: &str, channel: &str) -> String {
        let bias = if bias { format!("bias[{channel}] + ") } else { String::new() };
        let [low, high] = self.range();
        let zero_point = self.output.zero_point;
        match self.arithmetic {
            Arithmetic::Affine { rounding, per_channel } => {
                let channel = if per_channel { channel } else { "0" };
                let rounding = rounding.name();
                format!(
                    "output{place} = clamp(round(({bias}{sum}) * scale[{channel}]) + {zero_point}, {low}, {high}), rounding: {rounding}"
                )
            }
            Arithmetic::PowerOfTwo { .. } => {
                let bias = if bias.is_empty() { String::new() } else { format!("bias[{channel}] * 2^bias_shift + ") };
                format!("output{place} = clamp(round(({bias}{sum}) / 2^out_shift), {low}, {high})")
            }
        }
    }
}

/// Runs a layer with its packed weights, made now where no plan did.
pub(crate) fn multiply<L: LayerKind>(layer: &L, cx: Forward<'_>) {
    let run = |product: &Product, cx: Forward<'_>| {
        product.run(cx.inputs[0], cx.output, cx.rows, &mut cx.scratch.integer, cx.context);
    };
    if let Some(Prepared::Integer(product)) = cx.prepared {
        return run(product, cx);
    }
    let (inputs, quants) = ([cx.inputs[0].shape], [cx.inputs[0].quant]);
    let prepare = Prepare { inputs: &inputs, quants: &quants, weights: cx.weights, bias: None, context: cx.context };
    let Some(Prepared::Integer(product)) = layer.prepare(prepare) else {
        unreachable!("its input is of whole numbers")
    };
    run(&product, cx);
}

/// Stops a way back that the network check should have refused.
pub(crate) fn no_gradient(kind: &str) -> ! {
    unreachable!("{kind} has no way back; a network with it is not trained")
}

/// Does something with each sample, in parallel.
pub(crate) fn each_sample<T: Copy + Send + Sync>(
    from: &[T],
    to: &mut [T],
    samples: usize,
    context: &Context,
    work: impl Fn(&[T], &mut [T]) + Sync + Send,
) {
    let len = from.len().checked_div(samples).unwrap_or(0);
    each(to, samples, context, |sample, to| work(&from[sample * len..][..len], to));
}

/// The same with two values of one shape.
pub(crate) fn each_pair<T: Copy + Send + Sync>(
    [a, b]: [&[T]; 2],
    to: &mut [T],
    samples: usize,
    context: &Context,
    work: impl Fn([&[T]; 2], &mut [T]) + Sync + Send,
) {
    each(to, samples, context, |sample, to| {
        let piece = sample * to.len()..(sample + 1) * to.len();
        work([&a[piece.clone()], &b[piece]], to);
    });
}

fn each<T: Send>(to: &mut [T], samples: usize, context: &Context, work: impl Fn(usize, &mut [T]) + Sync + Send) {
    let len = to.len().checked_div(samples).unwrap_or(0);
    if len > 0 {
        let matrix = MatrixMut { values: to, rows: samples, cols: len, stride: len };
        for_each_tile(matrix, (1, len), context.pool(), |sample, _, mut tile| work(sample, tile.row(0)));
    }
}

/// A scale as a multiplier.
pub(crate) fn multiplier(scale: f64) -> Multiplier {
    Multiplier::from_scale(scale)
}

/// The only input, of whole numbers.
///
/// # Errors
/// [`Mismatch`] for floats, and for several inputs.
pub(crate) fn integers(inputs: &[Option<Quant>]) -> Result<Quant, Mismatch> {
    match inputs {
        [Some(quant)] => Ok(*quant),
        [None] => {
            Err(Mismatch::new("the type of the input", "i8 or i16", "32-bit floats", "Put a quantize layer in front."))
        }
        _ => Err(Mismatch::new("the number of inputs", "one input", format!("{} inputs", inputs.len()), "")),
    }
}

/// Whether whole numbers can stand so.
///
/// # Errors
/// [`Mismatch`] naming what cannot be.
pub(crate) fn check(quant: Quant) -> Result<Quant, Mismatch> {
    let Quant { dtype, scale, zero_point } = quant;
    if !matches!(dtype, DType::I8 | DType::I16) {
        return Err(Mismatch::new("dtype", "i8 or i16", dtype.name(), ""));
    }
    // Squares and quotients of such scales are normal numbers.
    if !(2f32.powi(-60)..=2f32.powi(60)).contains(&scale) {
        return Err(Mismatch::new("scale", "a number from 2^-60 to 2^60", scale.to_string(), ""));
    }
    let [low, high] = quant.range();
    if !(low..=high).contains(&zero_point) {
        return Err(Mismatch::new("zero_point", format!("{low} to {high}"), zero_point.to_string(), ""));
    }
    if dtype == DType::I16 && zero_point != 0 {
        return Err(Mismatch::new("zero_point", "0 for 16 bits", zero_point.to_string(), ""));
    }
    Ok(quant)
}

/// Refuses limits between which no output lies.
///
/// # Errors
/// [`Mismatch`] with the limits.
pub(crate) fn check_clamp(clamp: Option<[i32; 2]>, output: Quant) -> Result<(), Mismatch> {
    let (Some([low, high]), [least, most]) = (clamp, output.range()) else { return Ok(()) };
    if low <= high && low <= most && high >= least {
        return Ok(());
    }
    let expected = format!("two numbers, the smaller one first, with some from {least} to {most} between them");
    Err(Mismatch::new("clamp", expected, format!("[{low}, {high}]"), ""))
}

fn fraction(quant: Quant, what: &str) -> Result<i32, Mismatch> {
    quant.fraction_bits().ok_or_else(|| {
        let help = "The power_of_two arithmetic knows no others.";
        Mismatch::new(format!("the scale of {what}"), "a power of two, and zero point 0", quant.describe(), help)
    })
}
