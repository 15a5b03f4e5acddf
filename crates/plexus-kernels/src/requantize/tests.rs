//! The roundings against other forms of themselves, and the rows against the definition.

use super::*;
use crate::isa::Isa;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// gemmlowp's `SaturatingRoundingDoublingHighMul`: the doubled product's high word, halves away from zero.
fn doubling_high_mul(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    let product = i64::from(a) * i64::from(b);
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    ((product + nudge) / (1 << 31)) as i32
}

/// gemmlowp's `RoundingDivideByPOT`: halves away from zero.
fn rounding_divide(x: i32, exponent: i32) -> i32 {
    let mask = ((1i64 << exponent) - 1) as i32;
    let remainder = x & mask;
    let threshold = (mask >> 1) + i32::from(x < 0);
    (x >> exponent) + i32::from(remainder > threshold)
}

/// Sums that sit on ties and at the ends of the range, and random ones of every length.
fn sums(rng: &mut ChaCha8Rng) -> Vec<i32> {
    let mut sums = vec![0, 1, -1, 2, -2, 3, -3, i32::MAX, i32::MIN, i32::MAX - 1, i32::MIN + 1, 1 << 30, -(1 << 30)];
    for bit in 0..31 {
        sums.extend([(1 << bit) - 1, 1 << bit, (1 << bit) + 1, -(1 << bit) - 1, -(1 << bit), 1 - (1 << bit)]);
    }
    sums.extend((0..200).map(|_| rng.random::<i32>() >> rng.random_range(0..31)));
    sums
}

fn multipliers(rng: &mut ChaCha8Rng) -> Vec<Multiplier> {
    let mut all = Vec::new();
    for shift in -31..=30 {
        for multiplier in [0, 1, 1 << 30, i32::MAX, rng.random_range(1 << 30..=i32::MAX), 3 << 29, 0x7FFF_0000] {
            all.push(Multiplier::new(multiplier, shift));
        }
    }
    all
}

/// The real number that a multiplier stands for.
fn real(scale: Multiplier) -> f64 {
    f64::from(scale.multiplier()) * 2f64.powi(scale.shift() - 31)
}

#[test]
fn double_rounding_is_gemmlowps() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for scale in multipliers(&mut rng) {
        for sum in sums(&mut rng) {
            let shifted = sum.wrapping_shl(scale.shift().max(0) as u32);
            let want = rounding_divide(doubling_high_mul(shifted, scale.multiplier()), (-scale.shift()).max(0));
            assert_eq!(reference::double_rounding(sum, scale), want, "{sum} {scale:?}");
        }
    }
}

#[test]
fn single_rounding_is_the_exact_product_rounded_half_up() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for scale in multipliers(&mut rng) {
        for sum in sums(&mut rng) {
            let exact = i128::from(sum) * i128::from(scale.multiplier());
            let unit = 1i128 << (31 - scale.shift());
            let want = (exact + unit / 2).div_euclid(unit);
            assert_eq!(i128::from(reference::single_rounding(sum, scale)), want, "{sum} {scale:?}");
        }
    }
}

#[test]
fn the_reduced_multiplier_rounds_the_exact_product_half_up() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for scale in multipliers(&mut rng).into_iter().filter(|scale| scale.shift() <= 7) {
        for sum in sums(&mut rng) {
            let sum = i64::from(sum) << rng.random_range(0..15);
            let exact = i128::from(sum) * i128::from(reference::reduced_multiplier(scale));
            let unit = 1i128 << (15 - scale.shift());
            let want = (exact + unit / 2).div_euclid(unit);
            // The C code keeps 32 bits of twice the result.
            if want.abs() < 1 << 30 {
                assert_eq!(i128::from(reference::reduced(sum, scale)), want, "{sum} {scale:?}");
            }
        }
    }
}

#[test]
fn known_values() {
    let third = Multiplier::from_scale(1.0 / 3.0);
    assert_eq!((third.multiplier(), third.shift()), (1_431_655_765, -1));
    assert_eq!(Multiplier::from_scale(0.0), Multiplier::new(0, 0));
    assert_eq!(Multiplier::from_scale(1.0), Multiplier::new(1 << 30, 1));
    assert_eq!(Multiplier::from_scale(2f64.powi(-32)), Multiplier::new(1 << 30, -31));
    assert_eq!(Multiplier::from_scale(2f64.powi(-33)), Multiplier::new(0, 0));
    // The fraction rounds up to one: the multiplier halves and the shift grows.
    assert_eq!(Multiplier::from_scale(1.0 - 2f64.powi(-40)), Multiplier::new(1 << 30, 1));
    assert!((real(Multiplier::from_scale(0.123)) - 0.123).abs() < 1e-10);

    // The accumulators and outputs of the power-of-two scheme, worked out by hand.
    let sums = [234, -242, 666, 81, -376, 470];
    let shifted = |shift, rounding| {
        let requantize = Requantize::power_of_two(shift, rounding).with_clamp(-128..=127);
        sums.map(|sum| requantize.apply(sum, 0))
    };
    assert_eq!(shifted(2, ShiftRounding::HalfUp), [59, -60, 127, 20, -94, 118]);
    assert_eq!(shifted(2, ShiftRounding::Floor), [58, -61, 127, 20, -94, 117]);
    assert_eq!(shifted(0, ShiftRounding::HalfUp), [127, -128, 127, 81, -128, 127]);
    // The half wraps like the sum.
    assert_eq!(reference::power_of_two(i32::MAX, 1, ShiftRounding::HalfUp), -(1 << 30));
    assert_eq!(shift_bias([-3i8, 127], 30), [1 << 30, -(1 << 30)]);

    // A tie in each rounding: half away, half up, half away, half to even.
    let half = [Multiplier::from_scale(0.5)];
    let ties = |requantize: Requantize| [-5, -3, -1, 1, 3, 5].map(|sum| requantize.apply(sum, 0));
    assert_eq!(ties(Requantize::single_rounding(&half)), [-2, -1, 0, 1, 2, 3]);
    assert_eq!(ties(Requantize::float64(&[0.5])), [-3, -2, -1, 1, 2, 3]);
    assert_eq!(ties(Requantize::float32(&[0.5])), [-2, -2, 0, 0, 2, 2]);
    // 0.5 has shift 0: the first rounding, half up, decides. A quarter has shift -1: the second does.
    assert_eq!(ties(Requantize::double_rounding(&half)), [-2, -1, 0, 1, 2, 3]);
    let quarter = Requantize::double_rounding(&[Multiplier::from_scale(0.25)]);
    assert_eq!([-6, -2, 2, 6].map(|sum| quarter.apply(sum, 0)), [-2, -1, 1, 2]);
}

/// Every mode, one scale and one a channel.
pub(crate) fn every_mode(rng: &mut ChaCha8Rng, channels: usize) -> Vec<Requantize> {
    let mut all = Vec::new();
    for out_shift in [0, 1, 7, 19, 30] {
        all.extend([ShiftRounding::HalfUp, ShiftRounding::Floor].map(|r| Requantize::power_of_two(out_shift, r)));
    }
    for channels in [1, channels] {
        for range in [-31..=30, -12..=0, -8..=-6] {
            let scales: Vec<Multiplier> = (0..channels)
                .map(|_| Multiplier::new(rng.random_range(1 << 30..=i32::MAX), rng.random_range(range.clone())))
                .collect();
            let real: Vec<f64> = scales.iter().map(|scale| real(*scale)).collect();
            let single: Vec<f32> = real.iter().map(|&scale| scale as f32).collect();
            all.extend([
                Requantize::double_rounding(&scales),
                Requantize::single_rounding(&scales),
                Requantize::float64(&real),
                Requantize::float32(&single),
            ]);
        }
    }
    let plain = all.clone();
    all.extend(plain.into_iter().map(|mode| mode.with_zero_point(rng.random_range(-128..=127)).with_clamp(-90..=101)));
    all
}

/// Rows as they are.
struct Given<'a, A>(&'a [[A; 16]]);

impl<A: Copy> RowsOfSums<A, 16> for Given<'_, A> {
    fn row(&self, row: usize) -> [A; 16] {
        self.0[row]
    }
}

#[test]
fn rows_are_the_definition() {
    fn check<O: Output + Into<i32>>(requantize: &Requantize, channel: usize, rows: &[[i32; 16]], width: usize) {
        requantize_rows::<O, 16>(requantize, channel, rows.len(), &Given(rows), |row, out| {
            for j in 0..width {
                let want = requantize.apply(rows[row][j], channel + j).clamp(O::LOW, O::HIGH);
                assert_eq!(out[j].into(), want, "{requantize:?} {} {j}", rows[row][j]);
            }
        });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for requantize in every_mode(&mut rng, 21) {
        let sums = sums(&mut rng);
        let rows = sums.as_chunks::<16>().0;
        for (channel, width) in [(0, 16), (16, 5)] {
            check::<i8>(&requantize, channel, rows, width);
            check::<u8>(&requantize, channel, rows, width);
            check::<i16>(&requantize, channel, rows, width);
        }
    }
}

#[test]
fn wide_rows_are_the_definition() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let scales: Vec<Multiplier> =
        (0..16).map(|_| Multiplier::new(rng.random_range(1 << 30..=i32::MAX), rng.random_range(-31..=7))).collect();
    for requantize in [
        RequantizeWide::new(&scales),
        RequantizeWide::new(&scales[..1]),
        RequantizeWide::new(&scales).with_clamp(0..=999),
    ] {
        let rows: Vec<[i64; 16]> =
            (0..300).map(|_| [(); 16].map(|()| rng.random::<i64>() >> rng.random_range(0..63))).collect();
        requantize_rows_wide::<i16, 16>(&requantize, 0, rows.len(), &Given(&rows), |row, out| {
            for j in 0..16 {
                let want = requantize.apply(rows[row][j], j).clamp(-32768, 32767);
                assert_eq!(i32::from(out[j]), want, "{requantize:?} {} {j}", rows[row][j]);
            }
        });
    }
}

#[test]
#[should_panic(expected = "the shift is outside -31..=30")]
fn a_shift_beyond_the_range_is_refused() {
    Multiplier::new(1 << 30, 31);
}

#[test]
#[should_panic(expected = "out_shift 31 is above 30")]
fn an_output_shift_beyond_the_range_is_refused() {
    Requantize::power_of_two(31, ShiftRounding::HalfUp);
}

#[test]
#[should_panic(expected = "too large")]
fn a_scale_too_large_for_a_multiplier_is_refused() {
    Multiplier::from_scale(2f64.powi(31));
}

#[test]
fn values_become_the_nearest_numbers() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for (scale, zero_point) in [(0.5f32, 0), (0.013, -128), (1.0, 127), (2f32.powi(-15), 0), (3e-12, 5), (1e12, -7)]
        {
            let scale = Scale { scale, zero_point };
            let mut values = vec![0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1e-45];
            // Halves, and the numbers beside them.
            for half in -300..300 {
                let half = half as f32 * 0.5 * scale.scale;
                values.extend([half, half.next_up(), half.next_down()]);
            }
            values.extend((0..500).map(|_| rng.random_range(-400.0f32..400.0) * scale.scale));
            let want = |low: i32, high: i32| -> Vec<i32> {
                let number = |value: &f32| {
                    let number = (f64::from(*value) / f64::from(scale.scale)).round() + f64::from(zero_point);
                    if number.is_nan() { zero_point } else { number.clamp(f64::from(low), f64::from(high)) as i32 }
                };
                values.iter().map(number).collect()
            };
            let (mut bytes, mut words) = (vec![0i8; values.len()], vec![0i16; values.len()]);
            scale.quantize(&values, &mut bytes, isa);
            scale.quantize(&values, &mut words, isa);
            assert_eq!(bytes.iter().map(|byte| i32::from(*byte)).collect::<Vec<i32>>(), want(-128, 127), "{scale:?}");
            assert_eq!(
                words.iter().map(|word| i32::from(*word)).collect::<Vec<i32>>(),
                want(-32768, 32767),
                "{scale:?}"
            );
            let mut back = vec![0.0; bytes.len()];
            scale.dequantize(&bytes, &mut back, isa);
            let value = |byte: &i8| (i32::from(*byte) - zero_point) as f32 * scale.scale;
            assert_eq!(back, bytes.iter().map(value).collect::<Vec<f32>>());
        }
    }
}
