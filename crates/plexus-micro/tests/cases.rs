//! The layers against recorded cases, against each other and against sums of unlimited size.

mod dice;
mod recorded;

use dice::{BYTE, Dice, HALF};
use plexus_micro::*;
use recorded::{ROUNDINGS, list, one, scales};

#[test]
fn every_recorded_case_has_its_bits() {
    let cases = recorded::cases();
    assert_eq!(cases.len(), 180);
    for (index, case) in cases.iter().enumerate() {
        let family = case["family"].as_str().expect("text");
        let (rows, cols) = (one::<usize>(case, "n"), one::<usize>(case, "d"));
        let what = format!("case {index}, {family}");
        let shifts = |rounding| Shifts::new(one(case, "bias_shift"), one(case, "out_shift"), rounding);
        match family {
            "q7" => {
                for (rounding, y) in ROUNDINGS {
                    let (x, bias, want) = (list(case, "x"), list(case, "bias"), list::<i8>(case, y));
                    let (mut plain, mut opt) = (vec![0; rows], vec![0; rows]);
                    fully_connected_q7(&x, &list(case, "w"), &bias, shifts(rounding), &mut plain);
                    fully_connected_q7_opt(&x, &list(case, "w_opt"), &bias, shifts(rounding), &mut opt);
                    assert!(plain == want && opt == want, "{what}");
                }
            }
            "q15" => {
                for (rounding, y) in ROUNDINGS {
                    let (x, bias, want) = (list(case, "x"), list(case, "bias"), list::<i16>(case, y));
                    let (mut plain, mut opt) = (vec![0; rows], vec![0; rows]);
                    fully_connected_q15(&x, &list(case, "w"), &bias, shifts(rounding), &mut plain);
                    fully_connected_q15_opt(&x, &list(case, "w_opt"), &bias, shifts(rounding), &mut opt);
                    assert!(plain == want && opt == want, "{what}");
                }
            }
            "q7_q15" => {
                for (rounding, y) in ROUNDINGS {
                    let (x, bias, want) = (list(case, "x"), list(case, "bias"), list::<i16>(case, y));
                    let (mut plain, mut opt) = (vec![0; rows], vec![0; rows]);
                    fully_connected_q7_q15(&x, &list(case, "w"), &bias, shifts(rounding), &mut plain);
                    fully_connected_q7_q15_opt(&x, &list(case, "w_opt"), &bias, shifts(rounding), &mut opt);
                    assert!(plain == want && opt == want, "{what}");
                }
            }
            "s8" | "s8_per_channel" => {
                let (x, w) = (list::<i8>(case, "x"), list::<i8>(case, "w"));
                let (bias, scales) = (list(case, "bias"), scales(case));
                for (rounding, y) in [(Rounding::Double, "y"), (Rounding::Single, "y_single_rounding")] {
                    let affine = Affine {
                        bias: &bias,
                        input_zero_point: -one::<i32>(case, "input_offset"),
                        weight_zero_point: 0,
                        scales: &scales,
                        rounding,
                        output_zero_point: one(case, "output_offset"),
                        clamp: [one(case, "lo"), one(case, "hi")],
                    };
                    let want = list::<i8>(case, y);
                    let mut found = vec![0; want.len()];
                    for (x, found) in x.chunks_exact(cols).zip(found.chunks_exact_mut(rows)) {
                        fully_connected_s8(x, &w, &affine, found);
                    }
                    assert_eq!(found, want, "{what}");
                }
            }
            "s16x8" => {
                let (x, w) = (list::<i16>(case, "x"), list::<i8>(case, "w"));
                let (bias, scales) = (list(case, "bias"), scales(case));
                let affine = AffineWide { bias: &bias, scales: &scales, clamp: [-32768, 32767] };
                let want = list::<i16>(case, "y");
                let (mut found, mut from_16) = (vec![0; want.len()], vec![0; want.len()]);
                let long: Vec<i16> = w.iter().map(|w| i16::from(*w)).collect();
                for (index, x) in x.chunks_exact(cols).enumerate() {
                    let own = index * rows..(index + 1) * rows;
                    fully_connected_s16x8(x, &w, &affine, &mut found[own.clone()]);
                    fully_connected_s16(x, &long, &affine, &mut from_16[own]);
                }
                assert!(found == want && from_16 == want, "{what}");
            }
            other => panic!("no test for the family {other}"),
        }
    }
}

/// The formula with sums of unlimited size; wrapped to 32 bits, or not.
fn formula(
    x: &[i64],
    w: &[i64],
    bias: &[i64],
    (bias_shift, out_shift): (u32, u32),
    floor: bool,
    wide: bool,
    ends: [i64; 2],
) -> Vec<i64> {
    let row = |(row, bias): (&[i64], &i64)| {
        let half = if floor { 0 } else { (1i128 << out_shift) >> 1 };
        let products: i128 = x.iter().zip(row).map(|(x, w)| i128::from(x * w)).sum();
        // The bias is shifted within the sum's own width.
        let start = if wide { i128::from(*bias) << bias_shift } else { i128::from((*bias as i32) << bias_shift) };
        let sum = start + products + half;
        let sum = if wide { sum } else { i128::from(sum as i32) };
        (sum >> out_shift).clamp(i128::from(ends[0]), i128::from(ends[1])) as i64
    };
    let rows = if x.is_empty() { vec![&[][..]; bias.len()] } else { w.chunks_exact(x.len()).collect() };
    rows.into_iter().zip(bias).map(row).collect()
}

macro_rules! sizes {
    ($name:ident, $plain:ident, $opt:ident, $wide:ident, $opt_wide:ident: $x:ty, $w:ty, $b:ty => $y:ty, $layout:expr, $ranges:expr) => {
        #[test]
        fn $name() {
            let [xs, ws, bs, ys] = $ranges;
            let mut dice = Dice(7);
            let mut wrapped = 0;
            for (rows, cols) in
                (0..10).flat_map(|rows| (0..10).map(move |cols| (rows, cols))).chain([(5, 600), (4, 131)])
            {
                for (bias_shift, out_shift) in [(0, 0), (3, 2), (15, 7), (31, 30), (7, 15)] {
                    let (x, w): (Vec<$x>, Vec<$w>) = (dice.list(cols, xs), dice.list(rows * cols, ws));
                    let bias: Vec<$b> = dice.list(rows, bs);
                    let (mut packed, mut back) = (w.clone(), w.clone());
                    $layout.pack(&w, [rows, cols], &mut packed);
                    $layout.unpack(&packed, [rows, cols], &mut back);
                    assert_eq!(back, w, "{rows} x {cols}");
                    let long = |values: &[$x]| values.iter().map(|value| i64::from(*value)).collect::<Vec<i64>>();
                    let long_w: Vec<i64> = w.iter().map(|value| i64::from(*value)).collect();
                    let long_b: Vec<i64> = bias.iter().map(|value| i64::from(*value)).collect();
                    for rounding in [ShiftRounding::HalfUp, ShiftRounding::Floor] {
                        let (shifts, floor) =
                            (Shifts::new(bias_shift, out_shift, rounding), rounding == ShiftRounding::Floor);
                        let want =
                            |wide| formula(&long(&x), &long_w, &long_b, (bias_shift, out_shift), floor, wide, ys);
                        let run = |call: fn(&[$x], &[$w], &[$b], Shifts, &mut [$y]), w: &[$w]| {
                            let mut y = vec![0; rows];
                            call(&x, w, &bias, shifts, &mut y);
                            y.into_iter().map(i64::from).collect::<Vec<i64>>()
                        };
                        let what = format!("{rows} x {cols}, {shifts:?}");
                        assert_eq!(run($plain, &w), want(false), "{what}");
                        assert_eq!(run($opt, &packed), want(false), "{what}");
                        assert_eq!(run($wide, &w), want(true), "{what}");
                        assert_eq!(run($opt_wide, &packed), want(true), "{what}");
                        wrapped += usize::from(want(false) != want(true));
                        let mut without = vec![0; rows];
                        $plain(&x, &w, &[], shifts, &mut without);
                        let zeros = vec![0; rows];
                        let without: Vec<i64> = without.into_iter().map(i64::from).collect();
                        assert_eq!(without, formula(&long(&x), &long_w, &zeros, (0, out_shift), floor, false, ys));
                    }
                }
            }
            assert!(wrapped > 0, "some sums are too large for 32 bits");
        }
    };
}

sizes!(q7_is_right_for_every_size, fully_connected_q7, fully_connected_q7_opt, fully_connected_q7_wide, fully_connected_q7_opt_wide:
    i8, i8, i8 => i8, Interleaved::Q7, [BYTE, BYTE, BYTE, BYTE]);
sizes!(q15_is_right_for_every_size, fully_connected_q15, fully_connected_q15_opt, fully_connected_q15_wide, fully_connected_q15_opt_wide:
    i16, i16, i16 => i16, Interleaved::Q15, [HALF, HALF, HALF, HALF]);
sizes!(q7_q15_is_right_for_every_size, fully_connected_q7_q15, fully_connected_q7_q15_opt, fully_connected_q7_q15_wide, fully_connected_q7_q15_opt_wide:
    i16, i8, i8 => i16, Interleaved::Q7ForQ15, [HALF, BYTE, BYTE, HALF]);

/// S07: the numbers of the specification.
#[test]
fn the_examples_have_their_numbers() {
    let v: [i8; 7] = [1, -2, 3, -4, 5, -6, 127];
    let at = |at: usize| (at / 7, at % 7);
    let m: Vec<i8> = (0..42).map(|index| ((7 * at(index).0 + 3 * at(index).1) % 11) as i8 - 5).collect();
    let bias: [i8; 6] = [1, -2, 3, -4, 5, -6];
    let q7 = |shifts| {
        let mut y = [0; 6];
        fully_connected_q7(&v, &m, &bias, shifts, &mut y);
        y
    };
    assert_eq!(q7(Shifts::new(3, 2, ShiftRounding::HalfUp)), [59, -60, 127, 20, -94, 118]);
    assert_eq!(q7(Shifts::new(3, 2, ShiftRounding::Floor)), [58, -61, 127, 20, -94, 117]);
    assert_eq!(q7(Shifts::new(3, 0, ShiftRounding::HalfUp)), [127, -128, 127, 81, -128, 127]);
    let v: [i16; 7] = [1000, -20000, 32767, -32768, 12345, -1, 7];
    let mut y = [0; 6];
    fully_connected_q7_q15(&v, &m, &bias, Shifts::new(3, 7, ShiftRounding::HalfUp), &mut y);
    assert_eq!(y, [-880, -1244, 1780, -743, -1192, 1831]);
    let m: Vec<i16> =
        (0..42).map(|index| (((7919 * at(index).0 + 104_729 * at(index).1) % 65536) as i64 - 32768) as i16).collect();
    let bias = bias.map(i16::from);
    fully_connected_q15(&v, &m, &bias, Shifts::new(0, 15, ShiftRounding::HalfUp), &mut y);
    assert_eq!(y, [-32768, -32768, 15547, 13940, 32767, 32767]);
    // Two products of the smallest numbers wrap; with 64 bits they do not.
    let (smallest, shifts) = ([i16::MIN; 2], Shifts::new(0, 0, ShiftRounding::HalfUp));
    let (mut wrapped, mut wide) = ([0], [0]);
    fully_connected_q15(&smallest, &smallest, &[], shifts, &mut wrapped);
    fully_connected_q15_wide(&smallest, &smallest, &[], shifts, &mut wide);
    assert_eq!((wrapped, wide), ([-32768], [32767]));
}

#[test]
fn layouts_are_those_of_the_specification() {
    // Numbers are rows and columns from 1: 23 is row 2, column 3.
    let matrix = |cols: usize| -> Vec<usize> { (0..6 * cols).map(|at| 10 * (at / cols + 1) + at % cols + 1).collect() };
    let packed = |layout: Interleaved, cols: usize| {
        let (weight, mut packed) = (matrix(cols), vec![0; 6 * cols]);
        layout.pack(&weight, [6, cols], &mut packed);
        packed
    };
    assert_eq!(
        packed(Interleaved::Q7, 7),
        [
            11, 21, 13, 23, 31, 41, 33, 43, 12, 22, 14, 24, 32, 42, 34, 44, 15, 25, 35, 45, 16, 26, 36, 46, 17, 27, 37,
            47, //
            51, 52, 53, 54, 55, 56, 57, 61, 62, 63, 64, 65, 66, 67
        ]
    );
    assert_eq!(
        packed(Interleaved::Q7ForQ15, 7)[..28],
        [
            11, 21, 12, 22, 31, 41, 32, 42, 13, 23, 14, 24, 33, 43, 34, 44, 15, 25, 16, 26, 35, 45, 36, 46, 17, 27, 37,
            47
        ]
    );
    assert_eq!(packed(Interleaved::Q15, 3), [11, 12, 21, 22, 31, 32, 41, 42, 13, 23, 33, 43, 51, 52, 53, 61, 62, 63]);
}

#[test]
fn four_bit_weights_are_those_of_eight_bits() {
    let mut dice = Dice(3);
    for (rows, cols) in (0..10).flat_map(|rows| (0..10).map(move |cols| (rows, cols))) {
        let x: Vec<i8> = dice.list(cols, BYTE);
        let w: Vec<i8> = dice.list(rows * cols, [-8, 7]);
        let bytes = dice::packed(&w);
        let scales: Vec<Multiplier> = (0..rows).map(|row| Multiplier::from_scale(0.01 * (row + 1) as f64)).collect();
        let bias: Vec<i32> = dice.list(rows, [-1000, 1000]);
        for weight_zero_point in [0, 3] {
            let affine = Affine {
                bias: &bias,
                input_zero_point: -7,
                weight_zero_point,
                scales: &scales,
                rounding: Rounding::Double,
                output_zero_point: 5,
                clamp: [-100, 90],
            };
            let (mut four, mut eight) = (vec![0; rows], vec![0; rows]);
            fully_connected_s4(&x, &bytes, &affine, &mut four);
            fully_connected_s8(&x, &w, &affine, &mut eight);
            assert_eq!(four, eight, "{rows} x {cols}");
            assert!(four.iter().all(|y| (-100..=90).contains(y)));
        }
    }
}

#[test]
fn bounds_say_when_sums_of_32_bits_are_safe() {
    // S07: safe lengths, bias aside.
    let bound =
        |count: usize, weight: i32, largest: i64| accumulator_bound(std::iter::repeat_n(weight, count), 0, largest);
    let most = i64::from(i32::MAX);
    for (count, weight, largest) in [(131_071, -128, 128), (511, -128, 32_768), (1, -32_768, 32_768)] {
        assert!(bound(count, weight, largest) <= most && bound(count + 1, weight, largest) > most, "{count}");
    }
    assert_eq!(accumulator_bound([1, -2, 3], -10, 5), 40);
    assert_eq!(accumulator_bound([i32::MIN], i64::MIN, i64::MAX), i64::MAX);
}

#[test]
fn slices_that_do_not_belong_together_are_refused() {
    let shifts = Shifts::new(0, 0, ShiftRounding::HalfUp);
    for (inputs, weights, biases, outputs) in [(3, 5, 2, 2), (3, 6, 1, 2), (0, 1, 0, 2), (3, 7, 2, 2)] {
        let call = move || {
            let mut y = vec![0; outputs];
            fully_connected_q7(&vec![0; inputs], &vec![0; weights], &vec![0; biases], shifts, &mut y);
        };
        assert!(std::panic::catch_unwind(call).is_err(), "{inputs} {weights} {biases} {outputs}");
    }
    assert!(std::panic::catch_unwind(|| Shifts::new(32, 0, ShiftRounding::Floor)).is_err());
    assert!(std::panic::catch_unwind(|| Multiplier::new(-1, 0)).is_err());
    assert!(std::panic::catch_unwind(|| Multiplier::from_scale(f64::NAN)).is_err());
    assert!(std::panic::catch_unwind(|| Multiplier::from_scale(-1e-9)).is_err());
    assert!(std::panic::catch_unwind(|| Multiplier::from_scale(2f64.powi(31))).is_err());
}

#[test]
fn scales_become_the_nearest_multiplier() {
    let mut dice = Dice(11);
    for _ in 0..20_000 {
        let scale = (1.0 + dice.next() as f64 / 2f64.powi(31)) * 2f64.powi(dice.of(-36, 28) as i32);
        let found = Multiplier::from_scale(scale);
        let real = f64::from(found.multiplier()) * 2f64.powi(found.shift() - 31);
        let step = 2f64.powi(found.shift() - 31);
        if found.multiplier() == 0 {
            assert!(scale < 2f64.powi(-31), "{scale:e}");
        } else {
            assert!(found.multiplier() >= 1 << 30 && (real - scale).abs() <= 0.5 * step, "{scale:e} {found:?}");
        }
    }
    assert_eq!(Multiplier::from_scale(0.0).multiplier(), 0);
    assert_eq!(Multiplier::from_scale(1.0 - f64::EPSILON / 2.0), Multiplier::new(1 << 30, 1));
}
