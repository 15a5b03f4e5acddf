//! The functions in C against those of this crate: a program of all of them, compiled with sanitizers, reads calls and has to give the
//! same bits.

mod dice;
mod recorded;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dice::{BYTE, Dice, HALF, WORD, multipliers, packed, window};
use plexus_micro::*;
use recorded::{ROUNDINGS, list, one, scales};

/// What is said to every compiler.
const STRICT: [&str; 6] = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Werror"];
const SANITIZED: [&str; 2] = ["-fsanitize=undefined,address", "-fno-sanitize-recover=all"];

/// A call of a function and what it gives here. The program reads the words; `tests/c/driver.c` says in which order.
struct Call {
    what: String,
    words: Vec<i64>,
    gives: Vec<i64>,
}

impl Call {
    fn of(function: &str) -> Call {
        let mut call = Call { what: function.to_string(), words: Vec::new(), gives: Vec::new() };
        call.words.push(function.len() as i64 + 1);
        call.words.extend(function.bytes().map(i64::from));
        call.words.push(0);
        call
    }

    fn number(mut self, number: impl Into<i64>) -> Call {
        self.words.push(number.into());
        self
    }

    fn size(self, size: usize) -> Call {
        self.number(size as i64)
    }

    fn list<T: Copy + Into<i64>>(mut self, list: &[T]) -> Call {
        self.words.push(list.len() as i64);
        self.words.extend(list.iter().map(|value| (*value).into()));
        self
    }

    fn sizes(self, sizes: &[usize]) -> Call {
        self.list(&sizes.iter().map(|size| *size as i64).collect::<Vec<i64>>())
    }

    /// A list that is missing where it is empty.
    fn bias<T: Copy + Into<i64>>(self, list: &[T]) -> Call {
        if list.is_empty() { self.number(-1) } else { self.list(list) }
    }

    fn scale(self, scale: Multiplier) -> Call {
        self.number(scale.multiplier()).number(scale.shift())
    }

    fn scales(self, scales: &[Multiplier]) -> Call {
        scales.iter().fold(self.size(scales.len()), |call, scale| call.scale(*scale))
    }

    fn rounding(self, rounding: Rounding) -> Call {
        self.number(rounding == Rounding::Single)
    }

    fn affine(self, affine: &Affine<'_>) -> Call {
        let call = self.bias(affine.bias).scales(affine.scales).rounding(affine.rounding);
        let call = call.number(affine.input_zero_point).number(affine.weight_zero_point);
        call.number(affine.output_zero_point).number(affine.clamp[0]).number(affine.clamp[1])
    }

    fn affine_wide(self, affine: &AffineWide<'_>) -> Call {
        self.bias(affine.bias).scales(affine.scales).number(affine.clamp[0]).number(affine.clamp[1])
    }

    fn shifts(self, (bias, out, rounding): Parts) -> Call {
        self.number(bias).number(out).number(rounding == ShiftRounding::Floor)
    }

    fn window(mut self, window: &Window) -> Call {
        let sizes = [&window.input[..], &window.kernel, &window.stride, &window.padding, &window.dilation].concat();
        self.words.extend(sizes.iter().map(|size| *size as i64));
        self
    }

    fn gives<T: Copy + Into<i64>>(mut self, output: &[T]) -> Call {
        self.gives = output.iter().map(|value| (*value).into()).collect();
        self
    }
}

/// The parts of [`Shifts`].
type Parts = (u32, u32, ShiftRounding);

fn shifts((bias, out, rounding): Parts) -> Shifts {
    Shifts::new(bias, out, rounding)
}

fn any_shifts(dice: &mut Dice) -> Parts {
    let rounding = if dice.of(0, 1) == 0 { ShiftRounding::HalfUp } else { ShiftRounding::Floor };
    // Small ones more often: then outputs are not all zero.
    let most = [6, 31][dice.of(0, 1) as usize];
    (dice.of(0, most) as u32, dice.of(0, most.min(30)) as u32, rounding)
}

fn any_rounding(dice: &mut Dice) -> Rounding {
    if dice.of(0, 1) == 0 { Rounding::Double } else { Rounding::Single }
}

/// Numbers of a range; now and then only its ends, so that sums get as large as they can.
fn numbers<T: TryFrom<i64>>(dice: &mut Dice, count: usize, [low, high]: [i64; 2]) -> Vec<T> {
    let kind = dice.of(0, 5);
    let mut of = || match kind {
        0 => low,
        1 => [low, high][dice.of(0, 1) as usize],
        _ => dice.of(low, high),
    };
    (0..count).map(|_| T::try_from(of()).ok().expect("it fits its type")).collect()
}

/// A bias, or none.
fn any_bias<T: TryFrom<i64>>(dice: &mut Dice, count: usize, range: [i64; 2]) -> Vec<T> {
    if dice.of(0, 3) == 0 { Vec::new() } else { numbers(dice, count, range) }
}

/// Scales of any size, one or one for each row.
fn any_scales(dice: &mut Dice, rows: usize, most: i64) -> Vec<Multiplier> {
    let count = if dice.of(0, 1) == 0 { 1 } else { rows };
    match dice.of(0, 3) {
        0 => (0..count).map(|_| Multiplier::new(dice.of(0, WORD[1]) as i32, dice.of(-31, most) as i32)).collect(),
        _ => multipliers(dice, count, most.min(3)),
    }
}

/// The fields of [`Affine`] that are no slices.
fn any_affine<'a>(dice: &mut Dice, bias: &'a [i32], scales: &'a [Multiplier], weight_zero_point: i32) -> Affine<'a> {
    let range = if dice.of(0, 9) == 0 { WORD } else { [-140, 140] };
    Affine {
        bias,
        input_zero_point: dice.of(range[0], range[1]) as i32,
        weight_zero_point,
        scales,
        rounding: any_rounding(dice),
        output_zero_point: dice.of(range[0], range[1]) as i32,
        clamp: if dice.of(0, 1) == 0 { [-128, 127] } else { [-100, i32::MAX] },
    }
}

fn any_affine_wide<'a>(dice: &mut Dice, bias: &'a [i64], scales: &'a [Multiplier]) -> AffineWide<'a> {
    AffineWide { bias, scales, clamp: if dice.of(0, 1) == 0 { [-32768, 32767] } else { [i32::MIN, 30_000] } }
}

/// Biases of 64 bits: mostly of a size that is used, sometimes any.
fn wide_bias(dice: &mut Dice, rows: usize) -> Vec<i64> {
    if dice.of(0, 5) == 0 {
        return (0..rows).map(|_| [i64::MIN, i64::MAX, 0, -1][dice.of(0, 3) as usize]).collect();
    }
    any_bias(dice, rows, [-(1 << 40), 1 << 40])
}

fn roundings(dice: &mut Dice, calls: &mut Vec<Call>) {
    for shift in -31..=30 {
        for multiplier in
            [0, 1, 1 << 30, (1 << 30) + 1, 0x7FFE_FFFF, 0x7FFF_0000, 0x7FFF_8000, i32::MAX, dice.of(0, WORD[1]) as i32]
        {
            let scale = Multiplier::new(multiplier, shift);
            let mut sums: Vec<i32> = numbers(dice, 20, WORD);
            // Ties, with a multiplier of one half, and numbers beside them.
            sums.extend((0..31).flat_map(|bit| [-1, 0, 1].map(|beside| (1i32 << bit) + beside)));
            sums.extend((0..31).flat_map(|bit| [-1, 0, 1].map(|beside| -(1i32 << bit) + beside)));
            sums.extend([i32::MIN, i32::MAX]);
            let given: Vec<i32> = sums.iter().map(|sum| double_rounding(*sum, scale)).collect();
            calls.push(Call::of("double_rounding").list(&sums).scale(scale).gives(&given));
            let given: Vec<i64> = sums.iter().map(|sum| single_rounding(*sum, scale)).collect();
            calls.push(Call::of("single_rounding").list(&sums).scale(scale).gives(&given));
            if shift <= 7 {
                let mut sums: Vec<i64> = sums.iter().map(|sum| i64::from(*sum) << dice.of(0, 32)).collect();
                sums.extend([i64::MIN, i64::MAX, (1 << 47) - 1, -(1 << 47)]);
                let given: Vec<i32> = sums.iter().map(|sum| reduced(*sum, scale)).collect();
                calls.push(Call::of("reduced").list(&sums).scale(scale).gives(&given));
            }
        }
    }
    for out in 0..=30 {
        for rounding in [ShiftRounding::HalfUp, ShiftRounding::Floor] {
            let mut sums: Vec<i32> = numbers(dice, 50, WORD);
            sums.extend([i32::MIN, i32::MAX, -1, 0, 1]);
            let given: Vec<i32> = sums.iter().map(|sum| power_of_two(*sum, out, rounding)).collect();
            calls.push(Call::of("power_of_two").list(&sums).shifts((0, out, rounding)).gives(&given));
        }
    }
}

macro_rules! fully_connected_power {
    ($dice:expr, $calls:expr, $sizes:expr, $layout:expr, [$x:ty, $of_x:expr], [$w:ty, $of_w:expr],
        $($plain:ident, $opt:ident;)*) => {
        let (rows, cols) = $sizes;
        let (x, w): (Vec<$x>, Vec<$w>) = (numbers($dice, cols, $of_x), numbers($dice, rows * cols, $of_w));
        let (bias, parts): (Vec<$w>, _) = (any_bias($dice, rows, $of_w), any_shifts($dice));
        let mut interleaved = w.clone();
        $layout.pack(&w, [rows, cols], &mut interleaved);
        $(
            let mut y = vec![0; rows];
            $plain(&x, &w, &bias, shifts(parts), &mut y);
            for (name, weight) in [(stringify!($plain), &w), (stringify!($opt), &interleaved)] {
                let call = Call::of(name).list(&x).list(weight).bias(&bias).shifts(parts);
                $calls.push(call.size(rows).size(cols).gives(&y));
            }
        )*
    };
}

fn fully_connected(dice: &mut Dice, calls: &mut Vec<Call>) {
    let small = (0..10).flat_map(|rows| (0..10).map(move |cols| (rows, cols)));
    for sizes in small.chain([(1, 700), (5, 129), (33, 2)]) {
        fully_connected_power!(dice, calls, sizes, Interleaved::Q7, [i8, BYTE], [i8, BYTE],
            fully_connected_q7, fully_connected_q7_opt; fully_connected_q7_wide, fully_connected_q7_opt_wide;);
        fully_connected_power!(dice, calls, sizes, Interleaved::Q15, [i16, HALF], [i16, HALF],
            fully_connected_q15, fully_connected_q15_opt; fully_connected_q15_wide, fully_connected_q15_opt_wide;);
        fully_connected_power!(dice, calls, sizes, Interleaved::Q7ForQ15, [i16, HALF], [i8, BYTE],
            fully_connected_q7_q15, fully_connected_q7_q15_opt; fully_connected_q7_q15_wide, fully_connected_q7_q15_opt_wide;);
        let (rows, cols) = sizes;
        let (x, w): (Vec<i8>, Vec<i8>) = (numbers(dice, cols, BYTE), numbers(dice, rows * cols, BYTE));
        let (bias, scales) = (any_bias(dice, rows, WORD), any_scales(dice, rows, 30));
        let weight_zero_point = [0, dice.of(-128, 127) as i32][dice.of(0, 1) as usize];
        let affine = any_affine(dice, &bias, &scales, weight_zero_point);
        let mut y = vec![0; rows];
        fully_connected_s8(&x, &w, &affine, &mut y);
        let call = |name: &str| Call::of(name).list(&x);
        calls.push(call("fully_connected_s8").list(&w).affine(&affine).size(rows).size(cols).gives(&y));
        let w = packed(&numbers(dice, rows * cols, [-8, 7]));
        fully_connected_s4(&x, &w, &affine, &mut y);
        calls.push(call("fully_connected_s4").list(&w).affine(&affine).size(rows).size(cols).gives(&y));
        let (x, narrow): (Vec<i16>, Vec<i8>) = (numbers(dice, cols, HALF), numbers(dice, rows * cols, BYTE));
        let (bias, scales) = (wide_bias(dice, rows), any_scales(dice, rows, 7));
        let (affine, mut y) = (any_affine_wide(dice, &bias, &scales), vec![0; rows]);
        fully_connected_s16x8(&x, &narrow, &affine, &mut y);
        let call = |name: &str| Call::of(name).list(&x);
        calls.push(call("fully_connected_s16x8").list(&narrow).affine_wide(&affine).size(rows).size(cols).gives(&y));
        let broad: Vec<i16> = numbers(dice, rows * cols, HALF);
        fully_connected_s16(&x, &broad, &affine, &mut y);
        calls.push(call("fully_connected_s16").list(&broad).affine_wide(&affine).size(rows).size(cols).gives(&y));
    }
}

macro_rules! conv_power {
    ($dice:expr, $calls:expr, $of:expr, [$x:ty, $of_x:expr], [$w:ty, $of_w:expr], $($conv:ident),*) => {
        let ([inputs, weights, outputs], window, filters, groups) = $of;
        let (x, w): (Vec<$x>, Vec<$w>) = (numbers($dice, inputs, $of_x), numbers($dice, weights, $of_w));
        let (bias, parts): (Vec<$w>, _) = (any_bias($dice, filters, $of_w), any_shifts($dice));
        $(
            let mut y = vec![0; outputs];
            $conv(&x, window, (&w, groups), (&bias, shifts(parts)), &mut y);
            let call = Call::of(stringify!($conv)).list(&x).list(&w).bias(&bias).shifts(parts);
            $calls.push(call.window(window).size(filters).size(groups).gives(&y));
        )*
    };
}

macro_rules! conv_transpose_power {
    ($dice:expr, $calls:expr, $of:expr, [$x:ty, $of_x:expr], [$w:ty, $of_w:expr], $($conv:ident),*) => {
        let ([inputs, weights, outputs], window, channels) = $of;
        let (x, w): (Vec<$x>, Vec<$w>) = (numbers($dice, inputs, $of_x), numbers($dice, weights, $of_w));
        let (bias, parts): (Vec<$w>, _) = (any_bias($dice, window.input[2], $of_w), any_shifts($dice));
        $(
            let mut y = vec![0; outputs];
            $conv(&x, window, &w, (&bias, shifts(parts)), &mut y);
            let call = Call::of(stringify!($conv)).list(&x).list(&w).bias(&bias).shifts(parts);
            $calls.push(call.window(window).size(channels).gives(&y));
        )*
    };
}

fn convolutions(dice: &mut Dice, calls: &mut Vec<Call>) {
    for _ in 0..150 {
        let groups = [1, dice.of(1, 3) as usize][dice.of(0, 1) as usize];
        let (channels, filters) = (groups * dice.of(1, 3) as usize, groups * dice.of(1, 3) as usize);
        let window = &window(dice, channels);
        let [rows, cols] = window.output();
        let (inputs, outputs) = (window.input.iter().product(), rows * cols * filters);
        let weights = filters * window.kernel[0] * window.kernel[1] * (channels / groups);
        let of = ([inputs, weights, outputs], window, filters, groups);
        conv_power!(dice, calls, of, [i8, BYTE], [i8, BYTE], conv2d_q7, conv2d_q7_wide);
        conv_power!(dice, calls, of, [i16, HALF], [i16, HALF], conv2d_q15, conv2d_q15_wide);
        conv_power!(dice, calls, of, [i16, HALF], [i8, BYTE], conv2d_q7_q15, conv2d_q7_q15_wide);
        let (x, narrow): (Vec<i8>, Vec<i8>) = (numbers(dice, inputs, BYTE), numbers(dice, weights, BYTE));
        let (bias, scales) = (any_bias(dice, filters, WORD), any_scales(dice, filters, 30));
        let (affine, mut y) = (any_affine(dice, &bias, &scales, 0), vec![0; outputs]);
        let call = |name: &str| Call::of(name).list(&x);
        conv2d_s8(&x, window, (&narrow, groups), &affine, &mut y);
        let with = call("conv2d_s8").list(&narrow).affine(&affine).window(window);
        calls.push(with.size(filters).size(groups).gives(&y));
        if groups == channels {
            depthwise_conv2d_s8(&x, window, &narrow, &affine, &mut y);
            let with = call("depthwise_conv2d_s8").list(&narrow).affine(&affine).window(window);
            calls.push(with.size(filters).gives(&y));
        }
        let half = packed(&numbers(dice, weights, [-8, 7]));
        conv2d_s4(&x, window, (&half, groups), &affine, &mut y);
        let with = call("conv2d_s4").list(&half).affine(&affine).window(window);
        calls.push(with.size(filters).size(groups).gives(&y));
        let (x, broad): (Vec<i16>, Vec<i16>) = (numbers(dice, inputs, HALF), numbers(dice, weights, HALF));
        let (bias, scales) = (wide_bias(dice, filters), any_scales(dice, filters, 7));
        let (affine, mut y) = (any_affine_wide(dice, &bias, &scales), vec![0; outputs]);
        let call = |name: &str| Call::of(name).list(&x);
        conv2d_s16x8(&x, window, (&narrow, groups), &affine, &mut y);
        let with = call("conv2d_s16x8").list(&narrow).affine_wide(&affine).window(window);
        calls.push(with.size(filters).size(groups).gives(&y));
        conv2d_s16(&x, window, (&broad, groups), &affine, &mut y);
        let with = call("conv2d_s16").list(&broad).affine_wide(&affine).window(window);
        calls.push(with.size(filters).size(groups).gives(&y));
    }
}

fn transposed_convolutions(dice: &mut Dice, calls: &mut Vec<Call>) {
    for _ in 0..150 {
        let (channels, filters) = (dice.of(1, 3) as usize, dice.of(1, 3) as usize);
        let window = &window(dice, filters);
        let [rows, cols] = window.output();
        let (inputs, outputs) = (rows * cols * channels, window.input.iter().product());
        let weights = filters * window.kernel[0] * window.kernel[1] * channels;
        let of = ([inputs, weights, outputs], window, channels);
        conv_transpose_power!(dice, calls, of, [i8, BYTE], [i8, BYTE], conv_transpose2d_q7, conv_transpose2d_q7_wide);
        conv_transpose_power!(
            dice,
            calls,
            of,
            [i16, HALF],
            [i16, HALF],
            conv_transpose2d_q15,
            conv_transpose2d_q15_wide
        );
        conv_transpose_power!(
            dice,
            calls,
            of,
            [i16, HALF],
            [i8, BYTE],
            conv_transpose2d_q7_q15,
            conv_transpose2d_q7_q15_wide
        );
        let (x, narrow): (Vec<i8>, Vec<i8>) = (numbers(dice, inputs, BYTE), numbers(dice, weights, BYTE));
        let (bias, scales) = (any_bias(dice, filters, WORD), any_scales(dice, filters, 30));
        let (affine, mut y) = (any_affine(dice, &bias, &scales, 0), vec![0; outputs]);
        conv_transpose2d_s8(&x, window, &narrow, &affine, &mut y);
        let call = Call::of("conv_transpose2d_s8").list(&x).list(&narrow).affine(&affine).window(window);
        calls.push(call.size(channels).gives(&y));
        let (x, broad): (Vec<i16>, Vec<i16>) = (numbers(dice, inputs, HALF), numbers(dice, weights, HALF));
        let (bias, scales) = (wide_bias(dice, filters), any_scales(dice, filters, 7));
        let (affine, mut y) = (any_affine_wide(dice, &bias, &scales), vec![0; outputs]);
        conv_transpose2d_s16x8(&x, window, &narrow, &affine, &mut y);
        let call = Call::of("conv_transpose2d_s16x8").list(&x).list(&narrow).affine_wide(&affine).window(window);
        calls.push(call.size(channels).gives(&y));
        conv_transpose2d_s16(&x, window, &broad, &affine, &mut y);
        let call = Call::of("conv_transpose2d_s16").list(&x).list(&broad).affine_wide(&affine).window(window);
        calls.push(call.size(channels).gives(&y));
    }
}

fn poolings(dice: &mut Dice, calls: &mut Vec<Call>) {
    for _ in 0..200 {
        let channels = dice.of(1, 4) as usize;
        let window = &window(dice, channels);
        let outputs = window.output().iter().product::<usize>() * channels;
        macro_rules! pools {
            ($t:ty, $range:expr, $max:literal, $avg:ident, $truncated:ident) => {
                let x: Vec<$t> = numbers(dice, window.input.iter().product(), $range);
                let (low, high) = [(<$t>::MIN, <$t>::MAX), (-100, 90)][dice.of(0, 1) as usize];
                let mut y = vec![0; outputs];
                max_pool(&x, window, [low, high], &mut y);
                calls.push(Call::of($max).list(&x).window(window).number(low).number(high).gives(&y));
                if !window.is_on_padding_alone() {
                    $avg(&x, window, [low, high], &mut y);
                    let call = Call::of(stringify!($avg)).list(&x).window(window);
                    calls.push(call.number(low).number(high).gives(&y));
                    $truncated(&x, window, &mut y);
                    calls.push(Call::of(stringify!($truncated)).list(&x).window(window).gives(&y));
                }
            };
        }
        pools!(i8, BYTE, "max_pool_s8", avg_pool_s8, avg_pool_q7);
        pools!(i16, HALF, "max_pool_s16", avg_pool_s16, avg_pool_q15);
    }
}

fn any_rescale(dice: &mut Dice) -> Rescale {
    let range = [WORD, HALF, BYTE][dice.of(0, 2) as usize];
    Rescale {
        input_zero_point: dice.of(range[0], range[1]) as i32,
        scale: any_scales(dice, 1, 30)[0],
        rounding: any_rounding(dice),
        output_zero_point: dice.of(range[0], range[1]) as i32,
    }
}

fn elementwise(dice: &mut Dice, calls: &mut Vec<Call>) {
    for count in (0..40).chain([1000]) {
        macro_rules! rescales {
            ($($name:ident: $x:ty, $range:expr;)*) => { $(
                let (x, with): (Vec<$x>, _) = (numbers(dice, count, $range), any_rescale(dice));
                let mut y = vec![0; count];
                $name(&x, &with, &mut y);
                let call = Call::of(stringify!($name)).list(&x).number(with.input_zero_point).scale(with.scale);
                calls.push(call.rounding(with.rounding).number(with.output_zero_point).gives(&y));
            )* };
        }
        rescales! {
            rescale_s8: i8, BYTE;
            rescale_s16: i16, HALF;
            rescale_s8_to_s16: i8, BYTE;
            rescale_s16_to_s8: i16, HALF;
        }
        macro_rules! rest {
            ($t:ty, $range:expr, $clamp:literal, $add:ident, $concat:literal, $pad:literal) => {
                let x: Vec<$t> = numbers(dice, count, $range);
                let (low, high) = (dice.of($range[0], 0) as $t, dice.of(0, $range[1]) as $t);
                let mut y = x.clone();
                clamp(&mut y, [low, high]);
                calls.push(Call::of($clamp).list(&x).number(low).number(high).gives(&y));
                let (other, range): (Vec<$t>, _) =
                    (numbers(dice, count, $range), [WORD, $range][dice.of(0, 1) as usize]);
                let with = Addition {
                    zero_points: [0; 2].map(|_| dice.of(range[0], range[1]) as i32),
                    scales: [any_scales(dice, 1, 30)[0], any_scales(dice, 1, 30)[0]],
                    output_scale: any_scales(dice, 1, 30)[0],
                    rounding: any_rounding(dice),
                    output_zero_point: dice.of(range[0], range[1]) as i32,
                    clamp: [low, high],
                };
                let mut y = vec![0; count];
                $add([&x, &other], &with, &mut y);
                let call = Call::of(stringify!($add))
                    .list(&x)
                    .list(&other)
                    .number(with.zero_points[0])
                    .number(with.zero_points[1]);
                let call = call.scale(with.scales[0]).scale(with.scales[1]).scale(with.output_scale);
                let call = call.rounding(with.rounding).number(with.output_zero_point);
                calls.push(call.number(low).number(high).gives(&y));
                let shape = [dice.of(0, 4) as usize, dice.of(0, 4) as usize, dice.of(1, 3) as usize];
                let border = [0; 4].map(|_| dice.of(0, 3) as usize);
                let x: Vec<$t> = numbers(dice, shape.iter().product(), $range);
                let outputs = (border[0] + shape[0] + border[2]) * (border[1] + shape[1] + border[3]) * shape[2];
                let mut y = vec![0; outputs];
                pad(&x, shape, border, low, &mut y);
                calls.push(Call::of($pad).list(&x).sizes(&shape).sizes(&border).number(low).gives(&y));
                let (pixels, channels) = (dice.of(0, 5) as usize, [0; 3].map(|_| dice.of(1, 4) as usize));
                let inputs: Vec<Vec<$t>> =
                    channels.iter().map(|channels| numbers(dice, pixels * channels, $range)).collect();
                let inputs: Vec<&[$t]> = inputs.iter().map(Vec::as_slice).collect();
                let mut y = vec![0; pixels * channels.iter().sum::<usize>()];
                concat(&inputs, &channels, &mut y);
                let call = inputs.iter().fold(Call::of($concat).size(3), |call, input| call.list(input));
                calls.push(call.sizes(&channels).size(pixels).gives(&y));
            };
        }
        rest!(i8, BYTE, "clamp_s8", add_s8, "concat_s8", "pad_s8");
        rest!(i16, HALF, "clamp_s16", add_s16, "concat_s16", "pad_s16");
    }
    let table: Vec<i8> = numbers(dice, 256, BYTE);
    let values: Vec<i8> = (i8::MIN..=i8::MAX).collect();
    let mut y = values.clone();
    lookup(&mut y, table.as_slice().try_into().expect("256 entries"));
    calls.push(Call::of("lookup").list(&values).list(&table).gives(&y));
    let table = entries(dice);
    let values: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    let mut y = values.clone();
    lookup_s16(&mut y, &table);
    calls.push(Call::of("lookup_s16").list(&values).list(&table).gives(&y));
}

fn entries(dice: &mut Dice) -> [i16; 513] {
    dice.list(513, HALF).try_into().expect("513 entries")
}

fn softmaxes(dice: &mut Dice, calls: &mut Vec<Call>) {
    for cols in (1..40).chain([1000, 4095]) {
        let rows = dice.of(0, 3) as usize;
        let x: Vec<i8> = numbers(dice, rows * cols, BYTE);
        for _ in 0..3 {
            let (multiplier, shift) = (dice.of(0, WORD[1]) as i32, dice.of(0, 30) as u32);
            let least = [-(dice.of(0, 300) as i32), i32::MIN, 0][dice.of(0, 2) as usize];
            let mut y = vec![0; rows * cols];
            softmax_s8(&x, cols, SoftmaxScale::new(multiplier, shift, least), &mut y);
            let call = Call::of("softmax_s8").list(&x).size(cols).number(multiplier).number(shift);
            calls.push(call.number(least).gives(&y));
        }
        let mut y = vec![0; rows * cols];
        softmax_q7(&x, &mut y);
        calls.push(Call::of("softmax_q7").list(&x).gives(&y));
        let near = [HALF, [-40, 40]][dice.of(0, 1) as usize];
        let x: Vec<i16> = numbers(dice, rows * cols, near);
        let mut y = vec![0; rows * cols];
        softmax_q15(&x, &mut y);
        calls.push(Call::of("softmax_q15").list(&x).gives(&y));
        // Tables near those that are used, and any.
        let line = |high: i32, low: i32| core::array::from_fn(|at| (high + (low - high) * at as i32 / 512) as i16);
        let exp: [i16; 513] = if dice.of(0, 3) == 0 { entries(dice) } else { line(1, 32767) };
        let share: [i16; 513] = if dice.of(0, 3) == 0 { entries(dice) } else { line(32767, 16384) };
        let scale = any_scales(dice, 1, 30)[0];
        let mut y = vec![0; rows * cols];
        softmax_s16(&x, cols, scale, &SoftmaxTables { exp: &exp, one_over_one_plus: &share }, &mut y);
        let call = Call::of("softmax_s16").list(&x).size(cols).scale(scale);
        calls.push(call.list(&exp).list(&share).gives(&y));
    }
    // A sum whose leading 17 bits round up to 18.
    let (mut exp, mut share) = ([32767; 513], [16384; 513]);
    (exp[0], exp[1], share[0]) = (7, 7, 32767);
    let (x, scale, mut y) = ([0, 0, 0, 0, 0, 0, 0, 0, i16::MIN], Multiplier::new(i32::MAX, 10), [0; 9]);
    softmax_s16(&x, 9, scale, &SoftmaxTables { exp: &exp, one_over_one_plus: &share }, &mut y);
    calls.push(Call::of("softmax_s16").list(&x).size(9).scale(scale).list(&exp).list(&share).gives(&y));
}

fn readouts(dice: &mut Dice, calls: &mut Vec<Call>) {
    macro_rules! readout {
        ($t:ty, $range:ident, $learn:ident, $classify:ident) => {
            for features in 0..40 {
                let classes = dice.of(1, 5) as usize;
                let range = [$range, [-20, 20]][dice.of(0, 1) as usize];
                let x: Vec<$t> = numbers(dice, features, range);
                let large = [HALF, [-300, 300]][dice.of(0, 1) as usize];
                let weight: Vec<i16> = numbers(dice, classes * (features + 1), large);
                let (zero_point, class) = (dice.of(range[0], range[1]) as i32, dice.of(0, classes as i64 - 1) as usize);
                let margin = [0, 1, 1 << 20, 1 << 44][dice.of(0, 3) as usize];
                let mut learnt = weight.clone();
                let mut readout = Readout { weight: &mut learnt, classes, zero_point, margin };
                let answer = [readout.$classify(&x) as i16];
                readout.$learn(&x, class);
                let call =
                    |what: &str| Call::of(what).list(&x).list(&weight).size(classes).number(zero_point).number(margin);
                calls.push(
                    call(stringify!($learn).replace("learn", "readout_learn").as_str()).size(class).gives(&learnt),
                );
                calls.push(call(stringify!($classify).replace("classify", "readout_classify").as_str()).gives(&answer));
            }
        };
    }
    readout!(i8, BYTE, learn_s8, classify_s8);
    readout!(i16, HALF, learn_s16, classify_s16);
}

/// The recorded cases, with the outputs that they record.
fn recorded_cases(_: &mut Dice, calls: &mut Vec<Call>) {
    for case in &recorded::cases() {
        let family = case["family"].as_str().expect("text");
        let (rows, cols) = (one::<usize>(case, "n"), one::<usize>(case, "d"));
        match family {
            "q7" | "q15" | "q7_q15" => {
                for ((rounding, y), (form, weight)) in
                    ROUNDINGS.iter().flat_map(|rounding| [("", "w"), ("_opt", "w_opt")].map(|form| (rounding, form)))
                {
                    let call = Call::of(&format!("fully_connected_{family}{form}")).list::<i64>(&list(case, "x"));
                    let call = call.list::<i64>(&list(case, weight)).list::<i64>(&list(case, "bias"));
                    let call = call.shifts((one(case, "bias_shift"), one(case, "out_shift"), *rounding));
                    calls.push(call.size(rows).size(cols).gives::<i64>(&list(case, y)));
                }
            }
            "s8" | "s8_per_channel" => {
                for (rounding, y) in [(Rounding::Double, "y"), (Rounding::Single, "y_single_rounding")] {
                    let affine = Affine {
                        bias: &list(case, "bias"),
                        input_zero_point: -one::<i32>(case, "input_offset"),
                        weight_zero_point: 0,
                        scales: &scales(case),
                        rounding,
                        output_zero_point: one(case, "output_offset"),
                        clamp: [one(case, "lo"), one(case, "hi")],
                    };
                    let (x, y) = (list::<i8>(case, "x"), list::<i8>(case, y));
                    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact(rows)) {
                        let call = Call::of("fully_connected_s8").list(x).list::<i8>(&list(case, "w"));
                        calls.push(call.affine(&affine).size(rows).size(cols).gives(y));
                    }
                }
            }
            "s16x8" => {
                let (bias, scales) = (list(case, "bias"), scales(case));
                let affine = AffineWide { bias: &bias, scales: &scales, clamp: [-32768, 32767] };
                let (x, y) = (list::<i16>(case, "x"), list::<i16>(case, "y"));
                for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact(rows)) {
                    let call = Call::of("fully_connected_s16x8").list(x).list::<i8>(&list(case, "w"));
                    calls.push(call.affine_wide(&affine).size(rows).size(cols).gives(y));
                }
            }
            other => panic!("no test for the family {other}"),
        }
    }
}

/// A folder for one test, made anew.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c").join(name);
    _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder in the target folder");
    folder
}

/// Runs a compiler; what it said where it failed, or `None` where there is no such compiler.
fn compile(compiler: &str, folder: &Path, arguments: &[&str]) -> Option<Result<(), String>> {
    let done = match Command::new(compiler).args(arguments).current_dir(folder).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        done => done.expect("the compiler can be started"),
    };
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    Some(if done.status.success() { Ok(()) } else { Err(said) })
}

/// The text of the pieces of these names and of what they use.
fn text(names: &[&str]) -> String {
    let texts: Vec<&str> = c::with_uses(names).map(|piece| piece.text).collect();
    texts.join("\n")
}

fn all_names() -> Vec<&'static str> {
    c::PIECES.iter().map(|piece| piece.name).collect()
}

/// The compilers to try: what Rust links with, and the other one where it is.
const COMPILERS: [&str; 2] = ["cc", "clang"];

#[test]
fn all_functions_have_the_bits_of_this_crate() {
    let (dice, mut calls) = (&mut Dice(1), Vec::new());
    let families = [
        roundings,
        recorded_cases,
        fully_connected,
        convolutions,
        transposed_convolutions,
        poolings,
        elementwise,
        softmaxes,
        readouts,
    ];
    families.iter().for_each(|family| family(dice, &mut calls));
    let mut words = vec![calls.len() as i64];
    words.extend(calls.iter().flat_map(|call| call.words.iter().copied()));
    let input: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    // Each function that is not a part of another one is called.
    let used: Vec<&str> = c::PIECES.iter().flat_map(c::Piece::uses).collect();
    let idle = |name: &&&str| !used.contains(*name) && !calls.iter().any(|call| call.what == **name);
    assert_eq!(all_names().iter().filter(idle).collect::<Vec<_>>(), [&"headers"]);

    for compiler in COMPILERS {
        let folder = folder(&format!("driver-{compiler}"));
        std::fs::write(folder.join("pieces.c"), text(&all_names())).expect("a file");
        std::fs::write(folder.join("driver.c"), include_str!("c/driver.c")).expect("a file");
        let plain = [&STRICT[..], &["-O1", "-g", "-o", "driver", "driver.c"]].concat();
        let sanitized = [&SANITIZED[..], &plain].concat();
        match compile(compiler, &folder, &sanitized) {
            None => {
                println!("skipped: no {compiler}");
                continue;
            }
            Some(Ok(())) => {}
            Some(Err(said)) => {
                println!("{compiler} has no sanitizers, the program is without them:\n{said}");
                let without = compile(compiler, &folder, &plain).expect("it was there");
                assert_eq!(without, Ok(()), "{compiler}");
            }
        }
        let program = Command::new(folder.join("driver")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut program = program.expect("the program can be started");
        let mut pipe = program.stdin.take().expect("a pipe");
        let output = std::thread::scope(|scope| {
            // The program answers while it still reads. Where it ends early, its answers are too short.
            scope.spawn(|| {
                _ = pipe.write_all(&input);
                drop(pipe);
            });
            program.wait_with_output().expect("the program ends")
        });
        let mut found = output.stdout.chunks_exact(8).map(|word| i64::from_ne_bytes(word.try_into().expect("8 bytes")));
        for (index, call) in calls.iter().enumerate() {
            let len = found.next().unwrap_or_else(|| panic!("{compiler}: {}, call {index} gave nothing", call.what));
            let list: Vec<i64> = found.by_ref().take(len as usize).collect();
            assert_eq!(list, call.gives, "{compiler}: {}, call {index}", call.what);
        }
        assert!(output.status.success() && found.next().is_none(), "{compiler}: {}", output.status);
        println!("{compiler}: {} calls", calls.len());
    }
}

#[test]
fn every_piece_is_complete_with_what_it_uses_and_nothing_else() {
    for compiler in COMPILERS {
        let folder = folder(&format!("pieces-{compiler}"));
        let mut files = Vec::new();
        for name in all_names() {
            // A function that nobody calls is a warning; this one is called.
            let calls = format!("void (*the_{name}(void))(void);\nvoid (*the_{name}(void))(void)\n");
            let text = text(&[name]);
            let is_function = text.contains(&format!(" plexus_{name}("));
            let calls = if is_function {
                format!("{calls}{{\n    return (void (*)(void))plexus_{name};\n}}\n")
            } else {
                String::new()
            };
            std::fs::write(folder.join(format!("{name}.c")), format!("{text}\n{calls}")).expect("a file");
            if is_function {
                files.push(format!("{name}.c"));
            }
        }
        assert!(files.len() > 80, "{}", files.len());
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let arguments = [&STRICT[..], &["-c"], &files].concat();
        match compile(compiler, &folder, &arguments) {
            None => println!("skipped: no {compiler}"),
            Some(said) => assert_eq!(said, Ok(()), "{compiler}"),
        }
    }
}
