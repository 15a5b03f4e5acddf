//! Every row of the table against the reference.

use super::*;
use crate::requantize::Multiplier;
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
    fn i8(self, rng: &mut ChaCha8Rng, len: usize) -> Vec<i8> {
        match self {
            Fill::Random => (0..len).map(|_| rng.random()).collect(),
            Fill::Least => vec![-128; len],
            Fill::Largest => vec![127; len],
        }
    }

    fn u8(self, rng: &mut ChaCha8Rng, len: usize) -> Vec<u8> {
        match self {
            Fill::Random => (0..len).map(|_| rng.random()).collect(),
            Fill::Least => vec![0; len],
            Fill::Largest => vec![255; len],
        }
    }
}

const GUARD: i32 = 93;

/// A matrix inside a guarded slice: five elements before and after, three after each row.
fn guarded<T: Copy>(m: usize, n: usize, guard: T) -> Vec<T> {
    vec![guard; 10 + m * (n + 3)]
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

/// Runs one size with every input and output type and compares all elements.
fn check(kernel: &'static Kernel, (m, n, k): (usize, usize, usize), fills: (Fill, Fill), rng: &mut ChaCha8Rng) {
    let what = &format!("{kernel:?} {m} x {k} x {n} {fills:?}");
    // One element in front makes the starts unaligned.
    let (x, u, w) = (fills.0.i8(rng, m * k + 1), fills.0.u8(rng, m * k + 1), fills.1.i8(rng, n * k + 1));
    let (x, u, w) = (&x[1..], &u[1..], &w[1..]);
    let bias: Vec<i32> = (0..n).map(|_| rng.random::<i32>() >> rng.random_range(0..20)).collect();
    let bias = (k % 3 != 1).then_some(&bias[..]);
    let zeros = [(0, 0), (0, 0), (-128, 0), (37, -5)][(m + n + k) % 4];
    let offsets = Offsets { input_zero_point: zeros.0, weight_zero_point: zeros.1 };
    let weight = Weight { values: w, out_features: n, in_features: k, bias, offsets };
    let packed = Packed::new(weight, &Context::new(kernel.isa, Pool::single()));
    let scales: Vec<Multiplier> =
        (0..n).map(|_| Multiplier::new(rng.random_range(1 << 30..=i32::MAX), rng.random_range(-14..=0))).collect();
    let scales = if k % 2 == 0 && n > 0 { &scales[..1] } else { &scales[..] };
    let requantize = Requantize::double_rounding(scales).with_zero_point(11).with_clamp(-100..=200);
    let mut scratch = Scratch::default();
    for (input, sums) in [
        (Input::I8(x), reference::sums(x, w, bias, k, n, offsets)),
        (Input::U8(u), reference::sums(u, w, bias, k, n, offsets)),
    ] {
        let sums = if k == 0 { (0..m * n).map(|at| bias.map_or(0, |bias| bias[at % n])).collect() } else { sums };
        let stride = n + 3;
        let mut y = guarded(m, n, GUARD);
        let end = y.len() - 5;
        let output = MatrixMut { values: &mut y[5..end], rows: m, cols: n, stride };
        let call = GemmI8 { input, weight: &packed, output: Output::Sums(output) };
        gemm_i8(call, &mut scratch, &Context::single());
        assert_eq!(inside(&y, n, GUARD, what), sums, "{what}");

        let want = |low, high| -> Vec<i32> {
            sums.iter().enumerate().map(|(at, &sum)| requantize.apply(sum, at % n).clamp(low, high)).collect()
        };
        let mut y = guarded(m, n, GUARD as i8);
        let output = MatrixMut { values: &mut y[5..end], rows: m, cols: n, stride };
        let call = GemmI8 { input, weight: &packed, output: Output::I8(output, &requantize) };
        gemm_i8(call, &mut scratch, &Context::single());
        let got: Vec<i32> = inside(&y, n, GUARD as i8, what).into_iter().map(i32::from).collect();
        assert_eq!(got, want(-128, 127), "{what}");

        let mut y = guarded(m, n, GUARD as u8);
        let output = MatrixMut { values: &mut y[5..end], rows: m, cols: n, stride };
        let call = GemmI8 { input, weight: &packed, output: Output::U8(output, &requantize) };
        gemm_i8(call, &mut scratch, &Context::single());
        let got: Vec<i32> = inside(&y, n, GUARD as u8, what).into_iter().map(i32::from).collect();
        assert_eq!(got, want(0, 255), "{what}");
    }
}

#[test]
fn every_row_matches_the_reference_at_odd_sizes() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for kernel in available() {
        let (mr, nr) = (kernel.mr, kernel.nr);
        // Up to eight rows have bodies of their own.
        for m in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, mr + 1, 2 * mr + 3] {
            for n in [0, 1, 7, nr - 1, nr, nr + 1, 2 * nr + 5] {
                for k in [0, 1, 2, 3, 4, 5, 31, 32, 33, 65] {
                    check(kernel, (m, n, k), (Fill::Random, Fill::Random), &mut rng);
                }
            }
        }
        // Several stretches of k, several tasks, several groups.
        for size in [(1, 130, 4 * BLOCK_QUADS + 7), (3, 33, 4097), (7, 70, 8 * BLOCK_QUADS), (131, 40, 70)] {
            check(kernel, size, (Fill::Random, Fill::Random), &mut rng);
        }
        check(kernel, (130, 150, 2100), (Fill::Random, Fill::Random), &mut rng);
    }
}

#[test]
fn extreme_values_do_not_saturate() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for kernel in available() {
        for x in [Fill::Least, Fill::Largest, Fill::Random] {
            for w in [Fill::Least, Fill::Largest, Fill::Random] {
                for m in [1, 2, 4, 5, 8, 9] {
                    for k in [1, 8, 64, 1000, 5000] {
                        check(kernel, (m, 35, k), (x, w), &mut rng);
                    }
                }
            }
        }
    }
}

#[test]
fn every_mode_of_rounding_reaches_the_output() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (m, n, k) = (5, 37, 50);
    let (x, w) = (Fill::Random.i8(&mut rng, m * k), Fill::Random.i8(&mut rng, n * k));
    let weight = Weight { values: &w, out_features: n, in_features: k, bias: None, offsets: Offsets::default() };
    let sums = reference::sums(&x, &w, None, k, n, Offsets::default());
    for requantize in crate::requantize::tests::every_mode(&mut rng, n) {
        let want: Vec<i8> =
            sums.iter().enumerate().map(|(at, &sum)| requantize.apply(sum, at % n).clamp(-128, 127) as i8).collect();
        for kernel in available() {
            let packed = Packed::new(weight, &Context::new(kernel.isa, Pool::single()));
            let mut y = vec![0i8; m * n];
            let output = MatrixMut { values: &mut y, rows: m, cols: n, stride: n };
            let output = Output::I8(output, &requantize);
            let call = GemmI8 { input: Input::I8(&x), weight: &packed, output };
            gemm_i8(call, &mut Scratch::default(), &Context::single());
            assert_eq!(y, want, "{kernel:?} {requantize:?}");
        }
    }
}

#[test]
fn output_is_the_same_for_any_thread_count() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for kernel in available() {
        for (m, n, k) in [(1, 1500, 700), (5, 500, 400), (150, 200, 100)] {
            let (x, w) = (Fill::Random.u8(&mut rng, m * k), Fill::Random.i8(&mut rng, n * k));
            let offsets = Offsets { input_zero_point: 100, weight_zero_point: 3 };
            let run = |threads| {
                let context = Context::new(kernel.isa, Pool::new(threads));
                let weight = Weight { values: &w, out_features: n, in_features: k, bias: None, offsets };
                let packed = Packed::new(weight, &context);
                let mut y = vec![0i32; m * n];
                let output = Output::Sums(MatrixMut { values: &mut y, rows: m, cols: n, stride: n });
                let call = GemmI8 { input: Input::U8(&x), weight: &packed, output };
                gemm_i8(call, &mut Scratch::default(), &context);
                y
            };
            let want = reference::sums(&x, &w, None, k, n, offsets);
            for threads in [1, 2, 7] {
                assert!(run(threads) == want, "{kernel:?} {m} x {k} x {n}, {threads} threads");
            }
        }
    }
}

#[test]
#[should_panic(expected = "an input of 2 x 3")]
fn sizes_that_do_not_fit_are_refused() {
    let offsets = Offsets::default();
    let weight = Weight { values: &[1; 6], out_features: 2, in_features: 3, bias: None, offsets };
    let packed = Packed::new(weight, &Context::single());
    let mut y = [0i32; 4];
    let output = Output::Sums(MatrixMut { values: &mut y, rows: 2, cols: 2, stride: 2 });
    gemm_i8(GemmI8 { input: Input::I8(&[1; 5]), weight: &packed, output }, &mut Scratch::default(), &Context::single());
}
