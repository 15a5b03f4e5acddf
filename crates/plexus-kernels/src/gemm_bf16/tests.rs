//! Every row of the table against the reference.

use super::*;
use crate::gemm;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

fn available() -> impl Iterator<Item = &'static Kernel> {
    KERNELS.iter().filter(|kernel| kernel.isa.is_available())
}

/// How `a` and `b` lie in memory.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// `input · weightᵀ`
    Forward,
    /// `grad_output · weight`
    GradInput,
    /// `grad_outputᵀ · input`
    GradWeight,
}

fn views<'a>(order: Order, a: &'a [f32], b: &'a [f32], (m, n, k): (usize, usize, usize)) -> (View<'a>, View<'a>) {
    match order {
        Order::Forward => (View::row_major(a, m, k), View::row_major(b, n, k).transposed()),
        Order::GradInput => (View::row_major(a, m, k), View::row_major(b, k, n)),
        Order::GradWeight => (View::row_major(a, k, m).transposed(), View::row_major(b, k, n)),
    }
}

/// What the sums may add to the error of the parts, in units of `Σ|a||b|`.
fn bound_of_sums(parts: Parts, k: usize) -> f64 {
    let chain = if parts == Parts::One { 1.0 } else { 1.1 } * KC.min(k) as f64;
    (chain + k.div_ceil(KC) as f64 + 3.0) * 2f64.powi(-24)
}

/// What the parts lose, in units of `Σ|a||b|`.
fn bound_of_parts(parts: Parts) -> f64 {
    if parts == Parts::One { 2.01 * 2f64.powi(-8) } else { 2.05 * 2f64.powi(-16) }
}

const GUARD: f32 = 12345.0;

/// Runs one product with padding and guards around the result and compares every element with the references.
fn check(kernel: &'static Kernel, order: Order, size: (usize, usize, usize), accumulate: bool, with_bias: bool) {
    let (m, n, k) = size;
    // One element in front makes the starts unaligned.
    let (a, b) = (values(m * k + 1, 1), values(k * n + 1, 2));
    let (a, b) = views(order, &a[1..], &b[1..], size);
    let bias = values(n, 3);
    let bias = with_bias.then_some(&bias[..]);
    let stride = n + 3;
    let start = values(m * n, 4);
    for parts in [Parts::One, Parts::Two] {
        let mut want: Vec<f64> = start.iter().map(|&x| f64::from(x)).collect();
        reference::gemm_bf16(a, b, parts, bias, |x| x, &mut want, accumulate);
        let mut exact: Vec<f64> = start.iter().map(|&x| f64::from(x)).collect();
        gemm::reference::gemm(a, b, bias, |x| x, &mut exact, accumulate);
        for packed in [None, Some(parts), Some(Parts::Two)] {
            let mut c = vec![GUARD; 5 + m * stride + 5];
            for i in 0..m {
                c[5 + i * stride..][..n].copy_from_slice(&start[i * n..][..n]);
            }
            let weights = packed.map(|parts| Packed::new(b, parts, &Context::new(kernel.isa, Pool::single())));
            let b_operand = weights.as_ref().map_or(Operand::Plain(b), Operand::Packed);
            let matrix = MatrixMut { values: &mut c[5..5 + m * stride], rows: m, cols: n, stride };
            let function = Function::Identity;
            let call = GemmBf16 { a, b: b_operand, c: matrix, parts, accumulate, bias, function };
            gemm_bf16(call, &mut Scratch::default(), &Context::new(kernel.isa, Pool::single()));
            for (at, &got) in c.iter().enumerate() {
                let inside = at >= 5 && at - 5 < m * stride && (at - 5) % stride < n;
                if !inside {
                    assert_eq!(got, GUARD, "{kernel:?} {order:?} {size:?} wrote outside, at {at}");
                    continue;
                }
                let (i, j) = ((at - 5) / stride, (at - 5) % stride);
                let magnitude = gemm::reference::magnitude(a, b, i, j);
                // Start and bias, at most 2 in all, are added with a rounding each.
                let sums = bound_of_sums(parts, k) * magnitude + 2.0 * 3.0 * 2f64.powi(-24);
                let (want, exact) = (want[i * n + j], exact[i * n + j]);
                let (error, whole) = ((f64::from(got) - want).abs(), (f64::from(got) - exact).abs());
                assert!(error <= sums, "{kernel:?} {parts:?} {order:?} {size:?} [{i}, {j}]: {got} want {want}");
                assert!(
                    whole <= sums + bound_of_parts(parts) * magnitude,
                    "{kernel:?} {parts:?} {order:?} {size:?} [{i}, {j}]: {got} is far from {exact}"
                );
            }
        }
    }
}

#[test]
fn every_row_matches_the_reference_at_odd_sizes() {
    for kernel in available() {
        let mr = kernel.mr;
        let ms = [0, 1, 2, 3, 5, 9, mr - 1, mr, mr + 1, 2 * mr + 5];
        for order in [Order::Forward, Order::GradInput, Order::GradWeight] {
            for m in ms {
                for n in [0, 1, 15, 16, 17, 33, 64, 65, 131] {
                    for k in [0, 1, 2, 7, 31, 32, 33, 70] {
                        // A seventh of the combinations, another one for each order.
                        if (m + n + k + order as usize).is_multiple_of(7) {
                            check(kernel, order, (m, n, k), (m + n + k) % 2 == 0, k % 2 == 0);
                        }
                    }
                }
            }
            for size in [
                (1, 65, KC - 1),
                (3, 17, KC),
                (1, 33, KC + 1),
                (5, 40, 2 * KC + 1),
                (33, 40, 4 * KC + 77),
                (131, 70, 19),
                (250, 130, 3),
                (2, 1030, 5),
            ] {
                check(kernel, order, size, true, true);
                check(kernel, order, size, false, false);
            }
        }
    }
}

/// One product of row-major operands, `b` as weights.
struct Product<'a> {
    kernel: &'static Kernel,
    parts: Parts,
    a: &'a [f32],
    b: &'a [f32],
    size: (usize, usize, usize),
    function: Function,
}

impl Product<'_> {
    fn run(&self, pool: Pool) -> Vec<f32> {
        let (m, n, k) = self.size;
        let mut c = vec![0.0; m * n];
        let call = GemmBf16 {
            a: View::row_major(self.a, m, k),
            b: Operand::Plain(View::row_major(self.b, n, k).transposed()),
            c: MatrixMut { values: &mut c, rows: m, cols: n, stride: n },
            parts: self.parts,
            accumulate: false,
            bias: None,
            function: self.function,
        };
        gemm_bf16(call, &mut Scratch::default(), &Context::new(self.kernel.isa, pool));
        c
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn output_is_the_same_for_any_thread_count() {
    for kernel in available() {
        for size in [(1, 3000, 400), (130, 217, 100), (64, 64, 300), (7, 700, 601)] {
            let (a, b) = (values(size.0 * size.2, 5), values(size.1 * size.2, 6));
            for parts in [Parts::One, Parts::Two] {
                let product = Product { kernel, parts, a: &a, b: &b, size, function: Function::Tanh };
                let one = bits(&product.run(Pool::new(1)));
                for threads in [2, 7] {
                    assert_eq!(one, bits(&product.run(Pool::new(threads))), "{kernel:?} {size:?} {threads}");
                }
            }
        }
    }
}

#[test]
fn a_row_of_a_batch_has_the_bits_of_the_row_alone() {
    for kernel in available() {
        let (n, k) = (90, 700);
        for m in [3, 12, 23, 41] {
            let (a, b) = (values(m * k, 7), values(n * k, 8));
            for parts in [Parts::One, Parts::Two] {
                let function = Function::Identity;
                let batch = Product { kernel, parts, a: &a, b: &b, size: (m, n, k), function }.run(Pool::single());
                for i in 0..m {
                    let a = &a[i * k..(i + 1) * k];
                    let alone = Product { kernel, parts, a, b: &b, size: (1, n, k), function }.run(Pool::single());
                    assert_eq!(bits(&alone), bits(&batch[i * n..(i + 1) * n]), "{kernel:?} row {i} of {m}");
                }
            }
        }
    }
}

#[test]
fn the_function_is_applied_once_to_the_finished_sum() {
    for kernel in available() {
        for m in [1, 8] {
            let (n, k) = (50, 1300);
            let (a, b) = (values(m * k, 13), values(n * k, 14));
            for function in [Function::Relu, Function::LeakyRelu { slope: 0.25 }, Function::Tanh] {
                let product = Product { kernel, parts: Parts::Two, a: &a, b: &b, size: (m, n, k), function };
                let plain = Product { function: Function::Identity, ..product }.run(Pool::single());
                let mut want = plain.clone();
                crate::map::forward_in_place(function, &mut want, &Context::single());
                for (got, want) in product.run(Pool::single()).iter().zip(&want) {
                    assert!((got - want).abs() < 1e-6, "{kernel:?} {function:?} {got} {want}");
                }
            }
        }
    }
}

#[test]
fn infinities_and_nan_are_those_of_the_plain_product() {
    let specials = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    for kernel in available() {
        for parts in [Parts::One, Parts::Two] {
            for (m, n, k) in [(1, 40, 37), (34, 67, 600)] {
                for (case, special) in specials.into_iter().enumerate() {
                    // Some zeros, some whole numbers with an empty low part, a special value on each side.
                    let (mut a, mut b) = (values(m * k, 21), values(n * k, 22));
                    for x in a.iter_mut().step_by(5) {
                        *x = 3.0;
                    }
                    for x in a.iter_mut().skip(1).step_by(7) {
                        *x = 0.0;
                    }
                    for x in b.iter_mut().step_by(11) {
                        *x = 2.0;
                    }
                    a[m / 2 * k + k - 1] = special;
                    b[n / 3 * k + case] = special;
                    b[(n - 1) * k + 2] = -f32::INFINITY;
                    let product =
                        Product { kernel, parts, a: &a, b: &b, size: (m, n, k), function: Function::Identity };
                    let got = product.run(Pool::single());
                    let mut want = vec![0.0f64; m * n];
                    let (av, bv) = (View::row_major(&a, m, k), View::row_major(&b, n, k).transposed());
                    gemm::reference::gemm(av, bv, None, |x| x, &mut want, false);
                    for (at, (&got, &want)) in got.iter().zip(&want).enumerate() {
                        let same = match want {
                            want if want.is_finite() => got.is_finite(),
                            want if want.is_nan() => got.is_nan(),
                            want => f64::from(got) == want,
                        };
                        assert!(same, "{kernel:?} {parts:?} {special} ({m}, {n}, {k}) at {at}: {got}, want {want}");
                    }
                }
            }
        }
    }
}

#[test]
fn products_near_the_largest_number_are_finite() {
    // Each of these is finite in f32; the first rounds up to 2^128 as a bfloat16, the third and the last product
    // overflow where factors are rounded up.
    let cases = [
        (f32::MAX, 1.0),
        (-3.4e38, 0.5),
        (f32::from_bits(0x5F7F_FFFF), f32::from_bits(0x5F7F_FFFF)),
        (f32::MAX, 0.999),
        (2.0, 1.7e38),
    ];
    for kernel in available() {
        for (case, (x, w)) in cases.into_iter().enumerate() {
            for parts in [Parts::One, Parts::Two] {
                if [2, 4].contains(&case) && parts == Parts::One {
                    // The product of the rounded numbers is 2^128: with one part, infinite it is.
                    continue;
                }
                let (mut a, mut b) = (vec![0.0; 40], vec![0.0; 40 * 3]);
                (a[39], b[39], b[79], b[119]) = (x, w, -w, 0.0);
                let size = (1, 3, 40);
                let got =
                    Product { kernel, parts, a: &a, b: &b, size, function: Function::Identity }.run(Pool::single());
                let exact = f64::from(x) * f64::from(w);
                let relative = if parts == Parts::One { 2f64.powi(-7) } else { 4.0 * 2f64.powi(-16) };
                assert!(
                    (f64::from(got[0]) - exact).abs() <= relative * exact.abs(),
                    "{kernel:?} {parts:?} {x:e} · {w:e} = {:e}",
                    got[0]
                );
                assert_eq!((got[1], got[2]), (-got[0], 0.0), "{kernel:?} {x:e} {w:e}");
            }
        }
    }
}

#[test]
fn small_numbers_lose_no_more_than_denormals() {
    for kernel in available() {
        for scale in [-80, -118, -124, -130, -145] {
            let (m, n, k) = (3, 20, 50);
            let a: Vec<f32> = values(m * k, 31).iter().map(|x| (f64::from(*x) * 2f64.powi(scale)) as f32).collect();
            let b = values(n * k, 32);
            let size = (m, n, k);
            let product = Product { kernel, parts: Parts::Two, a: &a, b: &b, size, function: Function::Identity };
            let got = product.run(Pool::single());
            let mut want = vec![0.0f64; m * n];
            let (av, bv) = (View::row_major(&a, m, k), View::row_major(&b, n, k).transposed());
            gemm::reference::gemm(av, bv, None, |x| x, &mut want, false);
            for (at, (&got, &want)) in got.iter().zip(&want).enumerate() {
                let magnitude = gemm::reference::magnitude(av, bv, at / n, at % n);
                let bound = (bound_of_parts(Parts::Two) + bound_of_sums(Parts::Two, k)) * magnitude
                    + 3.0 * k as f64 * 2f64.powi(-126);
                assert!((f64::from(got) - want).abs() <= bound, "{kernel:?} {scale} {got:e} {want:e}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "weights packed with one part")]
fn weights_with_one_part_do_not_give_two() {
    let (a, b, mut c) = (values(6, 1), values(6, 2), vec![0.0; 4]);
    let packed = Packed::new(View::row_major(&b, 3, 2), Parts::One, &Context::single());
    let call = GemmBf16 {
        a: View::row_major(&a, 2, 3),
        b: Operand::Packed(&packed),
        c: MatrixMut { values: &mut c, rows: 2, cols: 2, stride: 2 },
        parts: Parts::Two,
        accumulate: false,
        bias: None,
        function: Function::Identity,
    };
    gemm_bf16(call, &mut Scratch::default(), &Context::single());
}
