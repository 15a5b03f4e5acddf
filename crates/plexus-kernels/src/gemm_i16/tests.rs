//! Every row of the table against the reference.

use super::*;
use crate::gemm_i8::reference;
use crate::gemm_i8::{BLOCK_QUADS, Offsets};
use crate::requantize::{Multiplier, ShiftRounding};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

fn available() -> impl Iterator<Item = &'static Kernel> {
    KERNELS.iter().filter(|kernel| kernel.isa.is_available())
}

/// What the operands hold.
#[derive(Clone, Copy, Debug)]
enum Fill {
    Random,
    Least,
    Largest,
}

impl Fill {
    fn i16(self, rng: &mut ChaCha8Rng, len: usize) -> Vec<i16> {
        match self {
            Fill::Random => (0..len).map(|_| rng.random()).collect(),
            Fill::Least => vec![i16::MIN; len],
            Fill::Largest => vec![i16::MAX; len],
        }
    }

    fn i8(self, rng: &mut ChaCha8Rng, len: usize) -> Vec<i8> {
        match self {
            Fill::Random => (0..len).map(|_| rng.random()).collect(),
            Fill::Least => vec![-128; len],
            Fill::Largest => vec![127; len],
        }
    }
}

const GUARD: i16 = 93;

/// A matrix inside a guarded slice: five elements before and after, three after each row.
fn guarded<T: Copy>(m: usize, n: usize, guard: T) -> Vec<T> {
    vec![guard; 10 + m * (n + 3)]
}

/// The matrix in there.
fn matrix<T>(values: &mut [T], m: usize, n: usize) -> MatrixMut<'_, T> {
    let end = values.len() - 5;
    MatrixMut { values: &mut values[5..end], rows: m, cols: n, stride: n + 3 }
}

/// The elements of the matrix, the guards checked.
fn inside<T: Copy + PartialEq + std::fmt::Debug>(values: &[T], n: usize, guard: T, what: &str) -> Vec<T> {
    let end = values.len() - 5;
    let mut inside = Vec::new();
    for (at, &value) in values.iter().enumerate() {
        if at >= 5 && at < end && (at - 5) % (n + 3) < n {
            inside.push(value);
        } else {
            assert_eq!(value, guard, "{what} wrote outside, at {at}");
        }
    }
    inside
}

/// Runs one size with both widths of weights and of sums and compares all elements.
fn check(kernel: &'static Kernel, (m, n, k): (usize, usize, usize), fills: (Fill, Fill), rng: &mut ChaCha8Rng) {
    // One element in front makes the starts unaligned.
    let (x, w8, w16) = (fills.0.i16(rng, m * k + 1), fills.1.i8(rng, n * k + 1), fills.1.i16(rng, n * k + 1));
    let (x, w8, w16) = (&x[1..], &w8[1..], &w16[1..]);
    let bias: Vec<i32> = (0..n).map(|_| rng.random::<i32>() >> rng.random_range(0..20)).collect();
    let wide_bias: Vec<i64> = bias.iter().map(|&bias| i64::from(bias) << 7).collect();
    let bias = (k % 3 != 1).then_some(&bias[..]);
    let wide_bias = (k % 3 != 1).then_some(&wide_bias[..]);
    let power = Requantize::power_of_two(9, ShiftRounding::HalfUp);
    let scales: Vec<Multiplier> =
        (0..n).map(|_| Multiplier::new(rng.random_range(1 << 30..=i32::MAX), rng.random_range(-20..=0))).collect();
    let wide = RequantizeWide::new(if k % 2 == 0 && n > 0 { &scales[..1] } else { &scales }).with_clamp(-30000..=32767);
    let mut scratch = Scratch::default();
    for values in [Values::I8(w8), Values::I16(w16)] {
        let bits = if matches!(values, Values::I8(_)) { 8 } else { 16 };
        let what = &format!("{kernel:?} {bits} bits, {m} x {k} x {n} {fills:?}");
        let mut sums = match values {
            Values::I8(w) => reference::sums(x, w, bias, k, n, Offsets::default()),
            Values::I16(w) => reference::sums(x, w, bias, k, n, Offsets::default()),
        };
        let mut wide_sums = match values {
            Values::I8(w) => reference::wide_sums(x, w, wide_bias, k, n),
            Values::I16(w) => reference::wide_sums(x, w, wide_bias, k, n),
        };
        if k == 0 {
            sums = (0..m * n).map(|at| bias.map_or(0, |bias| bias[at % n])).collect();
            wide_sums = (0..m * n).map(|at| wide_bias.map_or(0, |bias| bias[at % n])).collect();
        }

        let weight = Weight { values, out_features: n, in_features: k, bias: Bias::I32(bias) };
        let packed = Packed::new(weight, &Context::new(kernel.isa, Pool::single()));
        let mut y = guarded(m, n, i32::from(GUARD));
        let output = Output::Sums(matrix(&mut y, m, n));
        gemm_i16(GemmI16 { input: Input::Rows(x), weight: &packed, output }, &mut scratch, &Context::single());
        assert_eq!(inside(&y, n, i32::from(GUARD), what), sums, "{what}");
        let mut y = guarded(m, n, GUARD);
        let output = Output::I16(matrix(&mut y, m, n), &power);
        gemm_i16(GemmI16 { input: Input::Rows(x), weight: &packed, output }, &mut scratch, &Context::single());
        let want: Vec<i16> = sums.iter().map(|&sum| power.apply(sum, 0).clamp(-32768, 32767) as i16).collect();
        assert_eq!(inside(&y, n, GUARD, what), want, "{what}");

        let weight = Weight { bias: Bias::I64(wide_bias), ..weight };
        let packed = Packed::new(weight, &Context::new(kernel.isa, Pool::single()));
        let mut y = guarded(m, n, i64::from(GUARD));
        let output = Output::WideSums(matrix(&mut y, m, n));
        gemm_i16(GemmI16 { input: Input::Rows(x), weight: &packed, output }, &mut scratch, &Context::single());
        assert_eq!(inside(&y, n, i64::from(GUARD), what), wide_sums, "{what}");
        let mut y = guarded(m, n, GUARD);
        let output = Output::I16FromWide(matrix(&mut y, m, n), &wide);
        gemm_i16(GemmI16 { input: Input::Rows(x), weight: &packed, output }, &mut scratch, &Context::single());
        let narrow = |(at, &sum): (usize, &i64)| wide.apply(sum, at % n).clamp(-32768, 32767) as i16;
        let want: Vec<i16> = wide_sums.iter().enumerate().map(narrow).collect();
        assert_eq!(inside(&y, n, GUARD, what), want, "{what}");
    }
}

#[test]
fn every_row_matches_the_reference_at_odd_sizes() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for kernel in available() {
        let (mr, nr) = (kernel.mr, kernel.nr);
        for m in [0, 1, 2, 4, 5, mr - 1, mr, mr + 1, 2 * mr + 3] {
            for n in [0, 1, 7, nr - 1, nr, nr + 1, 2 * nr + 5] {
                for k in [0, 1, 2, 3, 4, 5, 31, 33] {
                    check(kernel, (m, n, k), (Fill::Random, Fill::Random), &mut rng);
                }
            }
        }
        // Several stretches of k, several tasks, several groups.
        for size in [(1, 130, 4 * BLOCK_QUADS + 7), (3, 33, 4097), (7, 70, 8 * BLOCK_QUADS), (131, 40, 70)] {
            check(kernel, size, (Fill::Random, Fill::Random), &mut rng);
        }
        check(kernel, (130, 80, 2100), (Fill::Random, Fill::Random), &mut rng);
    }
}

#[test]
fn full_scale_sums_wrap_or_are_exact() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for kernel in available() {
        for x in [Fill::Least, Fill::Largest, Fill::Random] {
            for w in [Fill::Least, Fill::Largest, Fill::Random] {
                for m in [1, 4, 5, 9] {
                    for k in [1, 2, 64, 1000, 5000] {
                        check(kernel, (m, 35, k), (x, w), &mut rng);
                    }
                }
            }
        }
    }
}

#[test]
fn output_is_the_same_for_any_thread_count() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for kernel in available() {
        for (m, n, k) in [(1, 900, 700), (5, 500, 200), (150, 100, 100)] {
            let (x, w) = (Fill::Random.i16(&mut rng, m * k), Fill::Random.i16(&mut rng, n * k));
            let want = reference::wide_sums(&x, &w, None, k, n);
            for threads in [1, 2, 7] {
                let context = Context::new(kernel.isa, Pool::new(threads));
                let (values, bias) = (Values::I16(&w), Bias::I64(None));
                let weight = Weight { values, out_features: n, in_features: k, bias };
                let packed = Packed::new(weight, &context);
                let mut y = vec![0i64; m * n];
                let output = Output::WideSums(MatrixMut { values: &mut y, rows: m, cols: n, stride: n });
                gemm_i16(
                    GemmI16 { input: Input::Rows(&x), weight: &packed, output },
                    &mut Scratch::default(),
                    &context,
                );
                assert!(y == want, "{kernel:?} {m} x {k} x {n}, {threads} threads");
            }
        }
    }
}

#[test]
#[should_panic(expected = "64-bit sums come from a 64-bit bias")]
fn an_output_of_another_width_than_the_sums_is_refused() {
    let weight = Weight { values: Values::I8(&[1; 6]), out_features: 2, in_features: 3, bias: Bias::I64(None) };
    let packed = Packed::new(weight, &Context::single());
    let mut y = [0i32; 2];
    let output = Output::Sums(MatrixMut { values: &mut y, rows: 1, cols: 2, stride: 2 });
    gemm_i16(
        GemmI16 { input: Input::Rows(&[1; 3]), weight: &packed, output },
        &mut Scratch::default(),
        &Context::single(),
    );
}
