//! Recorded convolutions, poolings and softmax. No instruction set has kernels of its own for them: `plexus-micro` runs them.

use super::fields::{self, BYTE, HALF, MOST, SCALED, SHIFTED, WORD, list, one};
use super::layer::Output;
use plexus_micro::{self as micro, Affine, AffineWide, Multiplier, Shifts, SoftmaxScale, SoftmaxTables, Window};
use serde_json::Value;

/// The families of this module.
pub const FAMILIES: [&str; 23] = [
    "conv2d_q7",
    "conv2d_q15",
    "conv2d_q7_q15",
    "conv2d_s8",
    "conv2d_s4",
    "conv2d_s16x8",
    "conv2d_s16",
    "conv_transpose2d_q7",
    "conv_transpose2d_q15",
    "conv_transpose2d_q7_q15",
    "conv_transpose2d_s8",
    "conv_transpose2d_s16x8",
    "conv_transpose2d_s16",
    "max_pool_s8",
    "max_pool_s16",
    "avg_pool_s8",
    "avg_pool_s16",
    "avg_pool_q7",
    "avg_pool_q15",
    "softmax_q7",
    "softmax_q15",
    "softmax_s8",
    "softmax_s16",
];

/// More products than this are no case but a mistake.
const MOST_PRODUCTS: usize = 1 << 31;

/// Reads and checks a case of one of the families, and computes its outputs for all roundings.
pub fn run(value: &Value, family: &str) -> Result<Vec<Output>, String> {
    match family {
        "conv2d_q7" => Conv::read(value)?.power(BYTE, BYTE, |conv: &Conv, x: &[i8], w: &[i8], bias, y| {
            micro::conv2d_q7(x, &conv.window, (w, conv.groups), bias, y);
        }),
        "conv2d_q15" => Conv::read(value)?.power(HALF, HALF, |conv: &Conv, x: &[i16], w: &[i16], bias, y| {
            micro::conv2d_q15(x, &conv.window, (w, conv.groups), bias, y);
        }),
        "conv2d_q7_q15" => Conv::read(value)?.power(HALF, BYTE, |conv: &Conv, x: &[i16], w: &[i8], bias, y| {
            micro::conv2d_q7_q15(x, &conv.window, (w, conv.groups), bias, y);
        }),
        "conv2d_s8" => Conv::read(value)?.affine(BYTE, |conv, x, w, affine, y| {
            micro::conv2d_s8(x, &conv.window, (w, conv.groups), affine, y);
        }),
        "conv2d_s4" => Conv::read(value)?.affine([-8, 7], |conv, x, w, affine, y| {
            micro::conv2d_s4(x, &conv.window, (&packed(w), conv.groups), affine, y);
        }),
        "conv2d_s16x8" => Conv::read(value)?.wide(BYTE, |conv: &Conv, x, w: &[i8], affine, y| {
            micro::conv2d_s16x8(x, &conv.window, (w, conv.groups), affine, y);
        }),
        "conv2d_s16" => Conv::read(value)?.wide(HALF, |conv: &Conv, x, w: &[i16], affine, y| {
            micro::conv2d_s16(x, &conv.window, (w, conv.groups), affine, y);
        }),
        "conv_transpose2d_q7" => {
            Conv::transposed(value)?.power(BYTE, BYTE, |conv: &Conv, x: &[i8], w: &[i8], bias, y| {
                micro::conv_transpose2d_q7(x, &conv.window, w, bias, y);
            })
        }
        "conv_transpose2d_q15" => {
            Conv::transposed(value)?.power(HALF, HALF, |conv: &Conv, x: &[i16], w: &[i16], bias, y| {
                micro::conv_transpose2d_q15(x, &conv.window, w, bias, y);
            })
        }
        "conv_transpose2d_q7_q15" => {
            Conv::transposed(value)?.power(HALF, BYTE, |conv: &Conv, x: &[i16], w: &[i8], bias, y| {
                micro::conv_transpose2d_q7_q15(x, &conv.window, w, bias, y);
            })
        }
        "conv_transpose2d_s8" => Conv::transposed(value)?.affine(BYTE, |conv, x, w, affine, y| {
            micro::conv_transpose2d_s8(x, &conv.window, w, affine, y);
        }),
        "conv_transpose2d_s16x8" => Conv::transposed(value)?.wide(BYTE, |conv: &Conv, x, w: &[i8], affine, y| {
            micro::conv_transpose2d_s16x8(x, &conv.window, w, affine, y);
        }),
        "conv_transpose2d_s16" => Conv::transposed(value)?.wide(HALF, |conv: &Conv, x, w: &[i16], affine, y| {
            micro::conv_transpose2d_s16(x, &conv.window, w, affine, y);
        }),
        "max_pool_s8" => pool(value, BYTE, clamped::<i8>(value, BYTE)?, micro::max_pool),
        "max_pool_s16" => pool(value, HALF, clamped::<i16>(value, HALF)?, micro::max_pool),
        "avg_pool_s8" => mean(value, BYTE, clamped::<i8>(value, BYTE)?, micro::avg_pool_s8),
        "avg_pool_s16" => mean(value, HALF, clamped::<i16>(value, HALF)?, micro::avg_pool_s16),
        "avg_pool_q7" => mean(value, BYTE, [0; 2], |x, window, _, y: &mut [i8]| micro::avg_pool_q7(x, window, y)),
        "avg_pool_q15" => mean(value, HALF, [0; 2], |x, window, _, y: &mut [i16]| micro::avg_pool_q15(x, window, y)),
        "softmax_q7" => softmax(value, BYTE, |_, x, y: &mut [i8]| micro::softmax_q7(x, y)),
        "softmax_q15" => softmax(value, HALF, |_, x, y: &mut [i16]| micro::softmax_q15(x, y)),
        "softmax_s8" => {
            let (multiplier, shift) = (one(value, "mult", [0, i32::MAX.into()])?, one(value, "shift", [0, 30])?);
            let scale = SoftmaxScale::new(multiplier, shift, one(value, "diff_min", [i32::MIN.into(), 0])?);
            softmax(value, BYTE, |cols, x, y| micro::softmax_s8(x, cols, scale, y))
        }
        "softmax_s16" => {
            let scale = Multiplier::new(one(value, "mult", [0, i32::MAX.into()])?, one(value, "shift", [-31, 30])?);
            let table = |name: &str| -> Result<[i16; 513], String> {
                let entries: Vec<i16> = list(value, name, HALF)?;
                let found = entries.len();
                entries.try_into().map_err(|_| format!("{name} has {found} numbers, but a table has 513"))
            };
            let (exp, one_over_one_plus) = (table("exp")?, table("one_over_one_plus")?);
            let tables = SoftmaxTables { exp: &exp, one_over_one_plus: &one_over_one_plus };
            softmax(value, HALF, |cols, x, y| micro::softmax_s16(x, cols, scale, &tables, y))
        }
        other => Err(format!("there is no family {other}")),
    }
}

/// A number of 8 or 16 bits.
trait Number: Copy + Default + Into<i64> + Into<i32> + TryFrom<i64> {}
impl Number for i8 {}
impl Number for i16 {}

fn long<T: Into<i64>>(values: Vec<T>) -> Vec<i64> {
    values.into_iter().map(Into::into).collect()
}

/// Two 4-bit numbers in a byte, the first one in its lower half.
fn packed(values: &[i8]) -> Vec<u8> {
    let nibble = |value: &i8| (*value & 15) as u8;
    values.chunks(2).map(|pair| nibble(&pair[0]) | pair.get(1).map_or(0, nibble) << 4).collect()
}

/// A size among `map`, `kernel` and the like; where the field is missing, these.
fn sizes<const N: usize>(
    value: &Value,
    name: &str,
    least: i64,
    missing: Option<[usize; N]>,
) -> Result<[usize; N], String> {
    if let (None, Some(missing)) = (value.get(name), missing) {
        return Ok(missing);
    }
    let found: Vec<usize> = list(value, name, [least, MOST as i64])?;
    let count = found.len();
    found.try_into().map_err(|_| format!("{name} has {count} numbers, but {N} are needed"))
}

/// The product of sizes, or that it is too large to be a case.
fn product(sizes: &[usize], what: &str, most: usize) -> Result<usize, String> {
    let product = sizes.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
    product.filter(|product| *product <= most).ok_or_else(|| format!("the layer has more than {most} {what}"))
}

fn read_window(value: &Value) -> Result<Window, String> {
    let window = Window {
        input: sizes(value, "map", 1, None)?,
        kernel: sizes(value, "kernel", 1, None)?,
        stride: sizes(value, "stride", 1, Some([1; 2]))?,
        padding: sizes(value, "padding", 0, Some([0; 4]))?,
        dilation: sizes(value, "dilation", 1, Some([1; 2]))?,
    };
    product(&window.input, "numbers of the map", MOST)?;
    for (axis, name) in ["rows", "columns"].into_iter().enumerate() {
        let padded = window.input[axis] + window.padding[axis] + window.padding[axis + 2];
        let reach = (window.kernel[axis] - 1).saturating_mul(window.dilation[axis]).saturating_add(1);
        if reach > padded {
            return Err(format!("the kernel reaches over {reach} {name}, but the padded map has {padded}"));
        }
    }
    Ok(window)
}

/// How often a field of so many numbers holds `unit` numbers.
fn whole(found: usize, name: &str, unit: usize) -> Result<(), String> {
    let fits = found > 0 && found.is_multiple_of(unit);
    if fits { Ok(()) } else { Err(format!("{name} has {found} numbers, but whole inputs of {unit} are needed")) }
}

/// A convolution, forward or transposed, without its numbers.
struct Conv<'v> {
    value: &'v Value,
    window: Window,
    groups: usize,
    filters: usize,
    inputs: usize,
    weights: usize,
    outputs: usize,
}

impl<'v> Conv<'v> {
    fn read(value: &'v Value) -> Result<Self, String> {
        let window = read_window(value)?;
        let [rows, cols] = window.output();
        let [filters, groups] = [("n", None), ("groups", Some([1]))]
            .map(|(name, missing)| sizes(value, name, 1, missing).map(|[size]: [usize; 1]| size));
        let (filters, groups, channels) = (filters?, groups?, window.input[2]);
        if !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
            return Err(format!("groups is {groups}, which does not divide {channels} channels and n = {filters}"));
        }
        let inputs = product(&window.input, "inputs", MOST)?;
        let outputs = product(&[rows, cols, filters], "outputs", MOST)?;
        Conv { value, window, groups, filters, inputs, weights: 0, outputs }.with_weights(channels / groups, outputs)
    }

    /// The map is that of the outputs; the windows on it stand at the inputs.
    fn transposed(value: &'v Value) -> Result<Self, String> {
        let window = read_window(value)?;
        let [rows, cols] = window.output();
        let [channels] = sizes(value, "d", 1, None)?;
        let (filters, outputs) = (window.input[2], product(&window.input, "outputs", MOST)?);
        let inputs = product(&[rows, cols, channels], "inputs", MOST)?;
        Conv { value, window, groups: 1, filters, inputs, weights: 0, outputs }.with_weights(channels, outputs)
    }

    fn with_weights(self, own: usize, outputs: usize) -> Result<Self, String> {
        let [rows, cols] = self.window.kernel;
        product(&[outputs, rows, cols, own], "products", MOST_PRODUCTS)?;
        Ok(Conv { weights: product(&[self.filters, rows, cols, own], "weights", MOST)?, ..self })
    }

    /// Inputs, weights and biases.
    #[expect(clippy::type_complexity, reason = "three lists")]
    fn numbers<X: Number, W: Number, B: TryFrom<i64>>(
        &self,
        ranges: [[i64; 2]; 3],
    ) -> Result<(Vec<X>, Vec<W>, Vec<B>), String> {
        let x = list(self.value, "x", ranges[0])?;
        let (w, bias) = (list(self.value, "w", ranges[1])?, list(self.value, "bias", ranges[2])?);
        whole(x.len(), "x", self.inputs)?;
        for (name, found, needed) in [("w", w.len(), self.weights), ("bias", bias.len(), self.filters)] {
            if found != needed {
                return Err(format!("{name} has {found} numbers, but the sizes of the layer need {needed}"));
            }
        }
        product(&[x.len() / self.inputs, self.outputs], "outputs", MOST)?;
        Ok((x, w, bias))
    }

    /// The outputs of all inputs.
    fn all<X: Number>(&self, x: &[X], mut run: impl FnMut(&[X], &mut [X])) -> Vec<i64> {
        let mut y = vec![X::default(); x.len() / self.inputs * self.outputs];
        for (x, y) in x.chunks_exact(self.inputs).zip(y.chunks_exact_mut(self.outputs)) {
            run(x, y);
        }
        long(y)
    }

    fn power<X: Number, W: Number>(
        &self,
        of_input: [i64; 2],
        of_weight: [i64; 2],
        run: impl Fn(&Self, &[X], &[W], (&[W], Shifts), &mut [X]),
    ) -> Result<Vec<Output>, String> {
        let (x, w, bias) = self.numbers([of_input, of_weight, of_weight])?;
        let [of_bias, of_output] = fields::shifts(self.value)?;
        let outputs = SHIFTED.map(|(rounding, name)| {
            let shifts = Shifts::new(of_bias, of_output, rounding);
            Output { name, values: self.all(&x, |x, y| run(self, x, &w, (&bias, shifts), y)) }
        });
        Ok(outputs.into())
    }

    fn affine(
        &self,
        of_weight: [i64; 2],
        run: impl Fn(&Self, &[i8], &[i8], &Affine<'_>, &mut [i8]),
    ) -> Result<Vec<Output>, String> {
        let (x, w, bias) = self.numbers([BYTE, of_weight, WORD])?;
        let scales = fields::scales(self.value, 30, self.filters, "filters")?;
        let ([input_zero_point, output_zero_point], clamp) =
            (fields::zero_points(self.value)?, fields::clamp(self.value, BYTE)?);
        let outputs = SCALED.map(|(rounding, name)| {
            let (bias, scales, weight_zero_point) = (&bias, &scales, 0);
            let affine =
                Affine { bias, input_zero_point, weight_zero_point, scales, rounding, output_zero_point, clamp };
            Output { name, values: self.all(&x, |x, y| run(self, x, &w, &affine, y)) }
        });
        Ok(outputs.into())
    }

    fn wide<W: Number>(
        &self,
        of_weight: [i64; 2],
        run: impl Fn(&Self, &[i16], &[W], &AffineWide<'_>, &mut [i16]),
    ) -> Result<Vec<Output>, String> {
        let (x, w, bias) = self.numbers([HALF, of_weight, [i64::MIN, i64::MAX]])?;
        let scales = fields::scales(self.value, 7, self.filters, "filters")?;
        let affine = AffineWide { bias: &bias, scales: &scales, clamp: [-32768, 32767] };
        Ok(vec![Output { name: "y", values: self.all(&x, |x, y| run(self, x, &w, &affine, y)) }])
    }
}

/// The range of a pooling.
fn clamped<T: Number + Ord + std::fmt::Display>(value: &Value, range: [i64; 2]) -> Result<[T; 2], String> {
    fields::clamp(value, range)
}

fn pool<T: Number>(
    value: &Value,
    range: [i64; 2],
    clamp: [T; 2],
    run: impl Fn(&[T], &Window, [T; 2], &mut [T]),
) -> Result<Vec<Output>, String> {
    let (window, x) = (read_window(value)?, list::<T>(value, "x", range)?);
    let ([rows, cols], channels) = (window.output(), window.input[2]);
    let (inputs, outputs) =
        (product(&window.input, "inputs", MOST)?, product(&[rows, cols, channels], "outputs", MOST)?);
    whole(x.len(), "x", inputs)?;
    product(&[x.len() / inputs, outputs], "outputs", MOST)?;
    product(&[outputs, window.kernel[0], window.kernel[1]], "numbers in its windows", MOST_PRODUCTS)?;
    let mut y = vec![T::default(); x.len() / inputs * outputs];
    for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(outputs)) {
        run(x, &window, clamp, y);
    }
    Ok(vec![Output { name: "y", values: long(y) }])
}

/// A pooling that needs a number in each window.
fn mean<T: Number>(
    value: &Value,
    range: [i64; 2],
    clamp: [T; 2],
    run: impl Fn(&[T], &Window, [T; 2], &mut [T]),
) -> Result<Vec<Output>, String> {
    if read_window(value)?.is_on_padding_alone() {
        return Err("a window is on padding alone, which has no mean".to_string());
    }
    pool(value, range, clamp, run)
}

/// A softmax of rows of `d` numbers.
fn softmax<T: Number>(
    value: &Value,
    range: [i64; 2],
    run: impl Fn(usize, &[T], &mut [T]),
) -> Result<Vec<Output>, String> {
    let (cols, x) = (one(value, "d", [1, 4095])?, list::<T>(value, "x", range)?);
    whole(x.len(), "x", cols)?;
    let mut y = vec![T::default(); x.len()];
    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
        run(cols, x, y);
    }
    Ok(vec![Output { name: "y", values: long(y) }])
}
