//! Convolutions, poolings and the rest against plain formulas over odd sizes.

mod dice;

use dice::{BYTE, Dice, HALF, WORD, multipliers, packed, window};
use plexus_micro::*;

/// Each output of a convolution as a sum without limit: the input at row, column and channel, zero outside, times the weight.
fn sums(
    window: &Window,
    groups: usize,
    filters: usize,
    input: &[i64],
    weight: impl Fn([usize; 4]) -> i64,
) -> Vec<i128> {
    let ([height, width, channels], [rows, cols]) = (window.input, window.output());
    let mut found = Vec::new();
    for y in 0..rows {
        for x in 0..cols {
            for filter in 0..filters {
                let mut sum = 0i128;
                for row in 0..window.kernel[0] {
                    for col in 0..window.kernel[1] {
                        let at = |axis: usize, output: usize, tap: usize| {
                            (output * window.stride[axis] + tap * window.dilation[axis]) as i64
                                - window.padding[axis] as i64
                        };
                        let (r, q) = (at(0, y, row), at(1, x, col));
                        if r < 0 || q < 0 || r >= height as i64 || q >= width as i64 {
                            continue;
                        }
                        for channel in 0..channels / groups {
                            let from = filter / (filters / groups) * (channels / groups) + channel;
                            let value = input[(r as usize * width + q as usize) * channels + from];
                            sum += i128::from(value * weight([filter, row, col, channel]));
                        }
                    }
                }
                found.push(sum);
            }
        }
    }
    found
}

fn long<T: Copy + Into<i64>>(values: &[T]) -> Vec<i64> {
    values.iter().map(|value| (*value).into()).collect()
}

#[test]
fn convolutions_are_their_formula() {
    let mut dice = Dice(1);
    for round in 0..300 {
        let groups = dice.of(1, 3) as usize;
        let (channels, filters) = (groups * dice.of(1, 3) as usize, groups * dice.of(1, 2) as usize);
        let window = window(&mut dice, channels);
        let ([rows, cols], [height, width, _]) = (window.output(), window.input);
        let [kernel_rows, kernel_cols] = window.kernel;
        let own = channels / groups;
        let weights = filters * kernel_rows * kernel_cols * own;
        let place = |[filter, row, col, channel]: [usize; 4]| {
            ((filter * kernel_rows + row) * kernel_cols + col) * own + channel
        };
        let what = format!("{round}: {window:?}, {groups} groups, {filters} filters");
        let outputs = rows * cols * filters;

        let (input, weight): (Vec<i8>, Vec<i8>) =
            (dice.list(height * width * channels, BYTE), dice.list(weights, BYTE));
        let bias: Vec<i32> = dice.list(filters, WORD);
        let count = if dice.of(0, 1) == 0 { 1 } else { filters };
        let scales = multipliers(&mut dice, count, 3);
        let zero_point = dice.of(-128, 127);
        for rounding in [Rounding::Double, Rounding::Single] {
            let affine = Affine {
                bias: &bias,
                input_zero_point: zero_point as i32,
                weight_zero_point: 0,
                scales: &scales,
                rounding,
                output_zero_point: -5,
                clamp: [-100, 110],
            };
            let moved: Vec<i64> = long(&input).iter().map(|value| value - zero_point).collect();
            let want: Vec<i8> = sums(&window, groups, filters, &moved, |at| weight[place(at)].into())
                .iter()
                .enumerate()
                .map(|(at, sum)| {
                    let filter = at % filters;
                    let sum = (sum + i128::from(bias[filter])) as i32;
                    let scale = if scales.len() == 1 { scales[0] } else { scales[filter] };
                    (rounding.apply(sum, scale) - 5).clamp(-100, 110) as i8
                })
                .collect();
            let mut found = vec![0; outputs];
            conv2d_s8(&input, &window, (&weight, groups), &affine, &mut found);
            assert_eq!(found, want, "{what}");
            let small: Vec<i8> = weight.iter().map(|weight| weight >> 4).collect();
            let (mut eight, mut four) = (vec![0; outputs], vec![0; outputs]);
            conv2d_s8(&input, &window, (&small, groups), &affine, &mut eight);
            conv2d_s4(&input, &window, (&packed(&small), groups), &affine, &mut four);
            assert_eq!(four, eight, "{what}");
            if own == 1 {
                // The same as a depthwise convolution, whose weights lie otherwise.
                let mut turned = vec![0; weights];
                for (at, turned) in turned.iter_mut().enumerate() {
                    let (filter, tap) = (at % filters, at / filters);
                    *turned = weight[filter * kernel_rows * kernel_cols + tap];
                }
                let mut found = vec![0; outputs];
                depthwise_conv2d_s8(&input, &window, &turned, &affine, &mut found);
                assert_eq!(found, want, "{what}");
            }
        }

        let of = |input: &[i64], weight: &[i64]| sums(&window, groups, filters, input, |at| weight[place(at)]);
        let sizes = ([height * width * channels, weights, outputs], filters);
        wide_forms(
            &mut dice,
            sizes,
            of,
            |x, w, affine, y| conv2d_s16x8(x, &window, (w, groups), affine, y),
            |x, w, affine, y| conv2d_s16(x, &window, (w, groups), affine, y),
        );
        macro_rules! check {
            ($name:ident, $wide:ident, $ranges:expr) => {
                power_of_two_forms(
                    &mut dice,
                    (sizes, $ranges),
                    of,
                    |x, w, bias, y| $name(x, &window, (w, groups), bias, y),
                    |x, w, bias, y| $wide(x, &window, (w, groups), bias, y),
                )
            };
        }
        check!(conv2d_q7, conv2d_q7_wide, [BYTE; 3]);
        check!(conv2d_q15, conv2d_q15_wide, [HALF; 3]);
        check!(conv2d_q7_q15, conv2d_q7_q15_wide, [HALF, BYTE, BYTE]);
    }
}

/// How many inputs, weights and outputs; filters.
type Sizes = ([usize; 3], usize);

/// The forms with 64-bit sums against their formula; `sums` are those of inputs and weights, without limit.
fn wide_forms(
    dice: &mut Dice,
    ([inputs, weights, outputs], filters): Sizes,
    sums: impl Fn(&[i64], &[i64]) -> Vec<i128>,
    by_8: impl Fn(&[i16], &[i8], &AffineWide<'_>, &mut [i16]),
    by_16: impl Fn(&[i16], &[i16], &AffineWide<'_>, &mut [i16]),
) {
    let count = if dice.of(0, 1) == 0 { 1 } else { filters };
    let (bias, scales): (Vec<i64>, _) = (dice.list(filters, [-(1 << 40), 1 << 40]), multipliers(dice, count, 7));
    let affine = AffineWide { bias: &bias, scales: &scales, clamp: [-32768, 30000] };
    let want = |sums: Vec<i128>| -> Vec<i16> {
        let of = |(at, sum): (usize, &i128)| {
            let scale = scales[if scales.len() == 1 { 0 } else { at % filters }];
            reduced((sum + i128::from(bias[at % filters])) as i64, scale).clamp(-32768, 30000) as i16
        };
        sums.iter().enumerate().map(of).collect()
    };
    let input: Vec<i16> = dice.list(inputs, HALF);
    let (narrow, broad): (Vec<i8>, Vec<i16>) = (dice.list(weights, BYTE), dice.list(weights, HALF));
    let mut found = vec![0; outputs];
    by_8(&input, &narrow, &affine, &mut found);
    assert_eq!(found, want(sums(&long(&input), &long(&narrow))));
    by_16(&input, &broad, &affine, &mut found);
    assert_eq!(found, want(sums(&long(&input), &long(&broad))));
}

/// A number of 8 or 16 bits.
trait Number: Copy + Default + Into<i64> + TryFrom<i64> + PartialEq + std::fmt::Debug {}
impl Number for i8 {}
impl Number for i16 {}

/// The forms of the power-of-two scheme against their formula, in wrapping and in wide sums.
fn power_of_two_forms<X: Number, W: Number, B: Number>(
    dice: &mut Dice,
    (([inputs, weights, outputs], filters), [of_input, of_weight, of_bias]): (Sizes, [[i64; 2]; 3]),
    sums: impl Fn(&[i64], &[i64]) -> Vec<i128>,
    wrapping: impl Fn(&[X], &[W], (&[B], Shifts), &mut [X]),
    wide: impl Fn(&[X], &[W], (&[B], Shifts), &mut [X]),
) {
    let (input, weight): (Vec<X>, Vec<W>) = (dice.list(inputs, of_input), dice.list(weights, of_weight));
    let bias: Vec<B> = if dice.of(0, 4) == 0 { Vec::new() } else { dice.list(filters, of_bias) };
    let sums = sums(&long(&input), &long(&weight));
    let [low, high] = of_input.map(i128::from);
    let mut found = vec![X::default(); outputs];
    for (bias_shift, out_shift) in [(0, 0), (7, 15), (20, 9), (31, 30)] {
        for rounding in [ShiftRounding::HalfUp, ShiftRounding::Floor] {
            let half = if rounding == ShiftRounding::HalfUp { (1i128 << out_shift) >> 1 } else { 0 };
            let shifts = Shifts::new(bias_shift, out_shift, rounding);
            let whole = |at: usize| {
                let bias: i64 = bias.get(at % filters).map_or(0, |bias| (*bias).into());
                sums[at] + (i128::from(bias) << bias_shift) + half
            };
            wrapping(&input, &weight, (&bias, shifts), &mut found);
            for (at, found) in long(&found).into_iter().enumerate() {
                let want = i128::from(whole(at) as i32 >> out_shift);
                assert_eq!(i128::from(found), want.clamp(low, high), "{shifts:?}");
            }
            wide(&input, &weight, (&bias, shifts), &mut found);
            for (at, found) in long(&found).into_iter().enumerate() {
                assert_eq!(i128::from(found), (whole(at) >> out_shift).clamp(low, high), "{shifts:?}");
            }
        }
    }
}

/// Each output of a transposed convolution as a sum without limit: each number of the input adds its window.
fn scattered(window: &Window, channels: usize, input: &[i64], weight: &[i64]) -> Vec<i128> {
    let ([height, width, filters], [rows, cols]) = (window.input, window.output());
    let [kernel_rows, kernel_cols] = window.kernel;
    let mut sums = vec![0; height * width * filters];
    for (r, q) in (0..rows).flat_map(|r| (0..cols).map(move |q| (r, q))) {
        for (i, j) in (0..kernel_rows).flat_map(|i| (0..kernel_cols).map(move |j| (i, j))) {
            let y = (r * window.stride[0] + i * window.dilation[0]).checked_sub(window.padding[0]);
            let x = (q * window.stride[1] + j * window.dilation[1]).checked_sub(window.padding[1]);
            let (Some(y), Some(x)) = (y.filter(|y| *y < height), x.filter(|x| *x < width)) else { continue };
            for (filter, channel) in (0..filters).flat_map(|o| (0..channels).map(move |c| (o, c))) {
                let own = weight[((filter * kernel_rows + i) * kernel_cols + j) * channels + channel];
                let value = input[(r * cols + q) * channels + channel];
                sums[(y * width + x) * filters + filter] += i128::from(value * own);
            }
        }
    }
    sums
}

#[test]
fn transposed_convolutions_scatter_windows() {
    let mut dice = Dice(2);
    for round in 0..200 {
        let (filters, channels) = (dice.of(1, 3) as usize, dice.of(1, 3) as usize);
        let window = window(&mut dice, filters);
        let ([height, width, _], [rows, cols]) = (window.input, window.output());
        let weights = filters * window.kernel[0] * window.kernel[1] * channels;
        let input: Vec<i8> = dice.list(rows * cols * channels, BYTE);
        let weight: Vec<i8> = dice.list(weights, BYTE);
        let bias: Vec<i32> = dice.list(filters, WORD);
        let scales = multipliers(&mut dice, filters, 0);
        let affine = Affine {
            bias: &bias,
            input_zero_point: 3,
            weight_zero_point: 0,
            scales: &scales,
            rounding: Rounding::Double,
            output_zero_point: 1,
            clamp: [-128, 127],
        };
        let moved: Vec<i64> = long(&input).iter().map(|value| value - 3).collect();
        let of = |(at, sum): (usize, &i128)| {
            let sum = (sum + i128::from(bias[at % filters])) as i32;
            (double_rounding(sum, scales[at % filters]) + 1).clamp(-128, 127) as i8
        };
        let want: Vec<i8> = scattered(&window, channels, &moved, &long(&weight)).iter().enumerate().map(of).collect();
        let mut found = vec![0; want.len()];
        conv_transpose2d_s8(&input, &window, &weight, &affine, &mut found);
        assert_eq!(found, want, "{round}: {window:?}");

        let sizes = ([rows * cols * channels, weights, height * width * filters], filters);
        let of = |input: &[i64], weight: &[i64]| scattered(&window, channels, input, weight);
        wide_forms(
            &mut dice,
            sizes,
            of,
            |x, w, affine, y| conv_transpose2d_s16x8(x, &window, w, affine, y),
            |x, w, affine, y| conv_transpose2d_s16(x, &window, w, affine, y),
        );
        macro_rules! check {
            ($name:ident, $wide:ident, $ranges:expr) => {
                power_of_two_forms(
                    &mut dice,
                    (sizes, $ranges),
                    of,
                    |x, w, bias, y| $name(x, &window, w, bias, y),
                    |x, w, bias, y| $wide(x, &window, w, bias, y),
                )
            };
        }
        check!(conv_transpose2d_q7, conv_transpose2d_q7_wide, [BYTE; 3]);
        check!(conv_transpose2d_q15, conv_transpose2d_q15_wide, [HALF; 3]);
        check!(conv_transpose2d_q7_q15, conv_transpose2d_q7_q15_wide, [HALF, BYTE, BYTE]);
    }
}

#[test]
fn poolings_are_their_formula() {
    let mut dice = Dice(3);
    for round in 0..300 {
        let channels = dice.of(1, 3) as usize;
        let window = window(&mut dice, channels);
        let ([height, width, _], [rows, cols]) = (window.input, window.output());
        let input: Vec<i8> = dice.list(height * width * channels, BYTE);
        let mut windows: Vec<Vec<i64>> = Vec::new();
        for (y, x) in (0..rows).flat_map(|y| (0..cols).map(move |x| (y, x))) {
            for channel in 0..channels {
                let mut values = Vec::new();
                for (i, j) in (0..window.kernel[0]).flat_map(|i| (0..window.kernel[1]).map(move |j| (i, j))) {
                    let r = (y * window.stride[0] + i * window.dilation[0]).checked_sub(window.padding[0]);
                    let q = (x * window.stride[1] + j * window.dilation[1]).checked_sub(window.padding[1]);
                    if let (Some(r), Some(q)) = (r.filter(|r| *r < height), q.filter(|q| *q < width)) {
                        values.push(i64::from(input[(r * width + q) * channels + channel]));
                    }
                }
                windows.push(values);
            }
        }
        let mut found = vec![0; windows.len()];
        max_pool(&input, &window, [-100, 100], &mut found);
        let want: Vec<i8> =
            windows.iter().map(|values| values.iter().copied().max().unwrap_or(-100).clamp(-100, 100) as i8).collect();
        assert_eq!(found, want, "{round}: {window:?}");
        assert_eq!(window.is_on_padding_alone(), windows.iter().any(Vec::is_empty), "{window:?}");
        if window.is_on_padding_alone() {
            let call = || avg_pool_s8(&input, &window, [-128, 127], &mut vec![0; windows.len()]);
            assert!(std::panic::catch_unwind(call).is_err(), "{window:?}");
            continue;
        }
        // Rounded halves away from zero.
        let mean = |values: &Vec<i64>| values.iter().sum::<i64>() as f64 / values.len() as f64;
        avg_pool_s8(&input, &window, [-128, 120], &mut found);
        let want: Vec<i8> = windows.iter().map(|values| mean(values).round().min(120.0) as i8).collect();
        assert_eq!(found, want, "{round}: {window:?}");
        avg_pool_q7(&input, &window, &mut found);
        let want: Vec<i8> = windows.iter().map(|values| mean(values).trunc() as i8).collect();
        assert_eq!(found, want, "{round}: {window:?}");
        let large: Vec<i16> = input.iter().map(|value| i16::from(*value) * 255).collect();
        let mut found = vec![0; windows.len()];
        avg_pool_s16(&large, &window, [i16::MIN, i16::MAX], &mut found);
        let want: Vec<i16> = windows.iter().map(|values| (255.0 * mean(values)).round() as i16).collect();
        assert_eq!(found, want, "{round}: {window:?}");
        avg_pool_q15(&large, &window, &mut found);
        let sum_and_count = |values: &Vec<i64>| (255 * values.iter().sum::<i64>(), values.len() as i64);
        let want: Vec<i64> = windows.iter().map(sum_and_count).map(|(sum, count)| sum / count).collect();
        assert_eq!(long(&found), want, "{round}: {window:?}");
    }
}

#[test]
fn additions_and_scales_are_near_the_real_numbers() {
    let mut dice = Dice(4);
    for _ in 0..200 {
        let real = |dice: &mut Dice| 0.001 * dice.of(1, 200) as f64;
        let (a, b, y) = (real(&mut dice), real(&mut dice), real(&mut dice));
        let zero_points = [dice.of(-128, 127) as i32, dice.of(-128, 127) as i32];
        let output_zero_point = dice.of(-100, 100) as i32;
        let twice = 2.0 * a.max(b);
        let addition = Addition {
            zero_points,
            scales: [Multiplier::from_scale(a / twice), Multiplier::from_scale(b / twice)],
            output_scale: Multiplier::from_scale(twice / (y * f64::from(1 << Addition::LEFT))),
            rounding: Rounding::Double,
            output_zero_point,
            clamp: [-128, 127],
        };
        let inputs: [Vec<i8>; 2] = [dice.list(33, BYTE), dice.list(33, BYTE)];
        let mut found = [0; 33];
        add_s8([&inputs[0], &inputs[1]], &addition, &mut found);
        for (at, found) in found.iter().enumerate() {
            let [x0, x1] = [0, 1].map(|index| f64::from(inputs[index][at]) - f64::from(zero_points[index]));
            let exact = (a * x0 + b * x1) / y + f64::from(output_zero_point);
            assert!((f64::from(*found) - exact.clamp(-128.0, 127.0)).abs() <= 0.501, "{found} {exact}");
        }
        let rescale = Rescale {
            input_zero_point: zero_points[0],
            scale: Multiplier::from_scale(a / b),
            rounding: Rounding::Single,
            output_zero_point,
        };
        let half: [Vec<i16>; 2] = [dice.list(33, HALF), dice.list(33, HALF)];
        macro_rules! near {
            ($name:ident, $input:expr, $type:ty) => {
                let mut found: [$type; 33] = [0; 33];
                $name($input, &rescale, &mut found);
                for (input, found) in $input.iter().zip(found) {
                    let exact = (f64::from(*input) - f64::from(zero_points[0])) * a / b + f64::from(output_zero_point);
                    let exact = exact.clamp(<$type>::MIN.into(), <$type>::MAX.into());
                    assert!((f64::from(found) - exact).abs() <= 0.501, "{found} {exact}");
                }
            };
        }
        near!(rescale_s8, &inputs[0], i8);
        near!(rescale_s16, &half[0], i16);
        near!(rescale_s8_to_s16, &inputs[0], i16);
        near!(rescale_s16_to_s8, &half[0], i8);
        let wide = Addition {
            zero_points: [0; 2],
            scales: addition.scales,
            output_scale: Multiplier::from_scale(twice / (y * f64::from(1 << Addition::LEFT_S16))),
            rounding: Rounding::Double,
            output_zero_point: 0,
            clamp: [i16::MIN, 30_000],
        };
        let mut found = [0; 33];
        add_s16([&half[0], &half[1]], &wide, &mut found);
        for (at, found) in found.iter().enumerate() {
            let exact = (a * f64::from(half[0][at]) + b * f64::from(half[1][at])) / y;
            // The parts are rounded before they are added, with 15 bits more than the output.
            let near = 0.501 + twice / y * 2f64.powi(-15);
            assert!((f64::from(*found) - exact.clamp(-32768.0, 30000.0)).abs() <= near, "{found} {exact}");
        }
    }
}

#[test]
fn softmax_is_near_the_formula_and_its_ends_are_exact() {
    let mut dice = Dice(5);
    for cols in 1..40 {
        for scale in [1.0 / 16.0, 0.1, 0.003, 1.0] {
            // As converters write it: a multiplier of 31 bits and a shift to the left.
            let mut shift = 0;
            let mut fraction = scale * 2f64.powi(26);
            while fraction >= 1.0 {
                fraction /= 2.0;
                shift += 1;
            }
            let multiplier = (fraction * 2f64.powi(31)).round().min(f64::from(i32::MAX)) as i32;
            let least = -((31.0 * 2f64.powi(26) / 2f64.powi(shift as i32)).floor() as i32);
            let softmax = SoftmaxScale::new(multiplier, shift, least);
            let input: Vec<i8> = dice.list(2 * cols, BYTE);
            let mut found = vec![0; 2 * cols];
            softmax_s8(&input, cols, softmax, &mut found);
            for (input, found) in input.chunks(cols).zip(found.chunks(cols)) {
                let largest = input.iter().copied().max().expect("a row");
                let part = |value: i8| (scale * (f64::from(value) - f64::from(largest))).exp();
                let sum: f64 = input.iter().map(|value| part(*value)).sum();
                for (value, found) in input.iter().zip(found) {
                    let exact = (256.0 * part(*value) / sum - 128.0).min(127.0);
                    assert!((f64::from(*found) - exact).abs() <= 1.0, "{scale} {value}: {found} {exact}");
                }
            }
        }
    }
    // One number has all of it; equal numbers share it.
    let scale = SoftmaxScale::new(1 << 30, 20, -1984);
    let mut one = [0];
    softmax_s8(&[-77], 1, scale, &mut one);
    assert_eq!(one, [127]);
    let mut four = [0; 4];
    softmax_s8(&[5; 4], 4, scale, &mut four);
    assert_eq!(four, [-64; 4]);
}

/// A function over a range as 513 entries: each is lowered by half of the error of the line in the middle to the next.
fn table(function: impl Fn(f64) -> f64, [low, high]: [f64; 2]) -> [i16; 513] {
    let at = |place: f64| (32768.0 * function(low + (high - low) * place / 512.0)).round();
    core::array::from_fn(|index| {
        let place = index as f64;
        let middle = ((at(place) + at(place + 1.0)) / 2.0).round() - at(place + 0.5);
        let lower = if index == 512 { 0.0 } else { (middle / 2.0).round() };
        (at(place) - lower).clamp(-32768.0, 32767.0) as i16
    })
}

#[test]
fn looking_up_16_bits_goes_along_lines() {
    let mut dice = Dice(7);
    let entries: [i16; 513] = dice.list(513, HALF).try_into().expect("513 entries");
    let mut values: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    lookup_s16(&mut values, &entries);
    for (at, found) in values.iter().enumerate() {
        let [from, to] = [0, 1].map(|next| f64::from(entries[at / 128 + next]));
        let exact = from + (to - from) * (at % 128) as f64 / 128.0;
        assert_eq!(f64::from(*found), (exact + 0.5).floor(), "{at}");
    }
    // A function that is used: tanh of −8 to 8.
    let tanh = table(f64::tanh, [-8.0, 8.0]);
    let mut values: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    lookup_s16(&mut values, &tanh);
    for (found, input) in values.iter().zip(i16::MIN..=i16::MAX) {
        let exact = 32768.0 * (f64::from(input) / 4096.0).tanh();
        assert!((f64::from(*found) - exact).abs() <= 3.0, "{input}: {found} {exact}");
    }
}

#[test]
fn softmax_of_16_bits_is_near_the_formula() {
    let mut dice = Dice(8);
    let tables = SoftmaxTables {
        exp: &table(f64::exp, [-10.0, 0.0]),
        one_over_one_plus: &table(|x| 1.0 / (1.0 + x), [0.0, 1.0]),
    };
    for cols in (1..40).chain([300]) {
        for scale in [1.0 / 32768.0, 1.0 / 4096.0, 0.003, 1.0] {
            let input: Vec<i16> = dice.list(2 * cols, if scale < 0.001 { HALF } else { [-2000, 2000] });
            let mut found = vec![0; 2 * cols];
            softmax_s16(&input, cols, Multiplier::from_scale(scale * 6553.5), &tables, &mut found);
            for (input, found) in input.chunks(cols).zip(found.chunks(cols)) {
                let largest = f64::from(*input.iter().max().expect("a row"));
                let part = |value: i16| (scale * (f64::from(value) - largest)).max(-10.0).exp();
                let sum: f64 = input.iter().map(|value| part(*value)).sum();
                for (value, found) in input.iter().zip(found) {
                    // Each part is rounded before they are summed.
                    let share = part(*value) / sum;
                    let near = 2.0 + 0.5 * (cols - 1) as f64 * share;
                    let exact = (32768.0 * share).min(32767.0);
                    assert!((f64::from(*found) - exact).abs() <= near, "{scale} {value}: {found} {exact}");
                }
            }
        }
    }
    // A sum whose leading 17 bits round up to 18: it stays in the table.
    let (mut exp, mut share) = ([32767; 513], [16384; 513]);
    (exp[0], share[0]) = (7, 32767);
    let (input, scale, mut found) = ([0, 0, 0, 0, 0, 0, 0, 0, i16::MIN], Multiplier::new(i32::MAX, 10), [0; 9]);
    softmax_s16(&input, 9, scale, &SoftmaxTables { exp: &exp, one_over_one_plus: &share }, &mut found);
    assert_eq!(found, [4096, 4096, 4096, 4096, 4096, 4096, 4096, 4096, 1]);
    // Tables of nonsense give numbers all the same, also where the sum is not positive.
    let nonsense = [i16::MIN, i16::MAX].map(|value| [value; 513]);
    for (exp, one_over_one_plus) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let tables = SoftmaxTables { exp: &nonsense[exp], one_over_one_plus: &nonsense[one_over_one_plus] };
        let mut found = [-1; 3];
        softmax_s16(&[i16::MIN, 0, i16::MAX], 3, Multiplier::new(i32::MAX, 30), &tables, &mut found);
        assert!(found.iter().all(|share| *share >= 0), "{found:?}");
    }
    softmax_s16(&[], 0, Multiplier::new(0, 0), &tables, &mut []);
    softmax_s8(&[], 0, SoftmaxScale::new(0, 0, 0), &mut []);
}

#[test]
fn softmax_of_powers_of_two_is_its_formula() {
    let mut dice = Dice(6);
    for cols in 1..40 {
        let input: Vec<i8> = dice.list(cols, BYTE);
        let mut found = vec![0; cols];
        softmax_q7(&input, &mut found);
        let base = i64::from(*input.iter().max().expect("a row")) - 8;
        let sum: i64 = input.iter().map(|x| 1 << (i64::from(*x) - base).clamp(0, 7)).sum();
        let want: Vec<i64> =
            input.iter().map(|x| (((1 << 20) / sum) >> (13 + base - i64::from(*x)).clamp(0, 31)).min(127)).collect();
        assert_eq!(long(&found), want);
        let input: Vec<i16> = dice.list(cols, [-40, 40]);
        let mut found = vec![0; cols];
        softmax_q15(&input, &mut found);
        let base = i64::from(*input.iter().max().expect("a row")) - 16;
        let above = |x: &&i16| i64::from(**x) > base;
        let sum: i64 = input.iter().filter(above).map(|x| 1 << (i64::from(*x) - base)).sum();
        let share = |x: &i16| ((1i64 << 32) / sum) >> (17 + base - i64::from(*x)).clamp(0, 31);
        let want: Vec<i64> = input.iter().map(|x| if i64::from(*x) > base { share(x).min(32767) } else { 0 }).collect();
        assert_eq!(long(&found), want);
    }
    // The largest and the smallest number together.
    let mut found = [0; 2];
    softmax_q7(&[-128, 127], &mut found);
    assert_eq!(found, [0, 127]);
    let mut found = [0; 2];
    softmax_q15(&[i16::MIN, i16::MAX], &mut found);
    assert_eq!(found, [0, 32767]);
}

#[test]
fn what_only_moves_numbers_moves_them() {
    let mut padded = [0; 20];
    pad(&[1, 2, 3, 4], [1, 2, 2], [1, 1, 0, 2], 9, &mut padded);
    assert_eq!(padded, [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 1, 2, 3, 4, 9, 9, 9, 9]);
    let mut both = [0; 6];
    concat(&[&[1, 2], &[3, 4, 5, 6]], &[1, 2], &mut both);
    assert_eq!(both, [1, 3, 4, 2, 5, 6]);
    let mut three = [0; 12];
    concat(&[&[1, 2], &[3, 4, 5, 6], &[7, 8, 9, 10, 11, 12]], &[1, 2, 3], &mut three);
    assert_eq!(three, [1, 3, 4, 7, 8, 9, 2, 5, 6, 10, 11, 12]);
    concat(&[&both], &[3], &mut three[..6]);
    assert_eq!(three[..6], both);
    concat::<u8>(&[&[], &[]], &[2, 1], &mut []);
    let mut values = [-128i8, -1, 0, 100];
    clamp(&mut values, [0, 50]);
    assert_eq!(values, [0, 0, 0, 50]);
    let table: [i8; 256] = core::array::from_fn(|at| (127 - at as i32) as i8);
    let mut values = [-128i8, 0, 127];
    lookup(&mut values, &table);
    assert_eq!(values, [127, -1, -128]);
}

#[test]
fn sizes_that_do_not_belong_together_are_refused() {
    let refused = |call: &(dyn Fn() + std::panic::RefUnwindSafe)| assert!(std::panic::catch_unwind(call).is_err());
    let window = Window::new([3, 3, 2], [2, 2]);
    let affine = Affine {
        bias: &[],
        input_zero_point: 0,
        weight_zero_point: 0,
        scales: &[Multiplier::new(1 << 30, 0)],
        rounding: Rounding::Double,
        output_zero_point: 0,
        clamp: [-128, 127],
    };
    conv2d_s8(&[0; 18], &window, (&[0; 8], 1), &affine, &mut [0; 4]);
    refused(&|| conv2d_s8(&[0; 17], &window, (&[0; 8], 1), &affine, &mut [0; 4]));
    refused(&|| conv2d_s8(&[0; 18], &window, (&[0; 7], 1), &affine, &mut [0; 4]));
    refused(&|| conv2d_s8(&[0; 18], &window, (&[0; 8], 3), &affine, &mut [0; 4]));
    refused(&|| conv2d_s8(&[0; 18], &window, (&[0; 8], 1), &affine, &mut [0; 5]));
    refused(&|| conv2d_s8(&[0; 18], &window, (&[0; 8], 1), &Affine { bias: &[1, 2], ..affine }, &mut [0; 4]));
    refused(&|| conv2d_s8(&[0; 18], &window, (&[0; 8], 1), &Affine { weight_zero_point: 1, ..affine }, &mut [0; 4]));
    refused(&|| _ = Window::new([3, 3, 1], [4, 1]).output());
    refused(&|| _ = Window { stride: [0, 1], ..window }.output());
    conv2d_s4(&[0; 18], &window, (&[0; 4], 1), &affine, &mut [0; 4]);
    refused(&|| conv2d_s4(&[0; 18], &window, (&[0; 8], 1), &affine, &mut [0; 4]));
    refused(&|| conv_transpose2d_s8(&[0; 4], &window, &[0; 7], &affine, &mut [0; 18]));
    refused(&|| conv_transpose2d_s8(&[0; 5], &window, &[0; 8], &affine, &mut [0; 18]));
    refused(&|| conv_transpose2d_s8(&[0; 4], &window, &[0; 8], &affine, &mut [0; 17]));
    refused(&|| concat(&[&[1, 2]], &[1, 1], &mut [0; 4]));
    refused(&|| concat(&[&[1, 2], &[1]], &[1, 1], &mut [0; 4]));
    refused(&|| concat(&[&[1, 2], &[1, 2]], &[1, 1], &mut [0; 5]));
    refused(&|| concat::<u8>(&[&[]], &[0], &mut []));
    refused(&|| {
        rescale_s8_to_s16(
            &[0; 2],
            &Rescale { input_zero_point: 0, scale: affine.scales[0], rounding: Rounding::Double, output_zero_point: 0 },
            &mut [0; 3],
        )
    });
    softmax_s8(&[0; 4095], 4095, SoftmaxScale::new(1, 0, 0), &mut [0; 4095]);
    refused(&|| softmax_s8(&[0; 4096], 4096, SoftmaxScale::new(1, 0, 0), &mut [0; 4096]));
    refused(&|| softmax_s8(&[0; 5], 2, SoftmaxScale::new(1, 0, 0), &mut [0; 5]));
    let wide = AffineWide { bias: &[], scales: &[Multiplier::new(1 << 30, 8)], clamp: [-32768, 32767] };
    refused(&|| fully_connected_s16x8(&[1], &[1], &wide, &mut [0]));
}
