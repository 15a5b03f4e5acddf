//! Every instruction set and every format against the reference.

use super::*;
use crate::isa::Isa;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

/// Normal numbers, in pairs (Box and Muller 1958).
fn normal(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut pair = || {
        let radius = (-2.0 * (1.0 - rng.random_range(0.0f64..1.0)).ln()).sqrt();
        let angle = rng.random_range(0.0..std::f64::consts::TAU);
        [(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]
    };
    (0..len.div_ceil(2)).flat_map(|_| pair()).take(len).collect()
}

fn pack(weight: &[f32], (n, k): (usize, usize), format: Format) -> Packed {
    Packed::new(View::row_major(weight, n, k).transposed(), format, &Context::single())
}

/// The largest error of an element that the module's documentation allows.
fn bound(packed: &Packed, unpacked: &[f32], a: &[f32], j: usize) -> f64 {
    let (k, block) = (packed.rows(), packed.format().block_len());
    let steps = (block.min(k) + k.div_ceil(block) + 2) as f64;
    let scales = scales(packed, j);
    let magnitude: f64 = (0..k)
        .map(|p| {
            let w = match packed.format() {
                Format::Int4(_) => 24.0 * scales[p].abs(),
                _ => f64::from(unpacked[j * k + p]).abs(),
            };
            w * f64::from(a[p]).abs()
        })
        .sum();
    steps * 2f64.powi(-24) * magnitude
}

/// The scale of each weight of one output.
fn scales(packed: &Packed, j: usize) -> Vec<f64> {
    let (k, format) = (packed.rows(), packed.format());
    let (groups, len) = (format.groups(k), if format.group() == Some(Group::Row) { k } else { format.block_len() });
    let scale = |p: usize| match format.group() {
        None => 1.0,
        Some(_) => {
            let bits = packed.scales[(j / WIDTH * groups + p / len) * WIDTH + j % WIDTH];
            f64::from(f32::from_bits(u32::from(bits) << 16))
        }
    };
    (0..k).map(scale).collect()
}

const GUARD: f32 = 12345.0;

/// Runs one product with padding and guards around the result and compares every element with the reference.
fn check(isa: Isa, format: Format, (m, n, k): (usize, usize, usize), with_bias: bool) {
    // One element in front makes the starts unaligned.
    let (a, weight, bias) = (values(m * k + 1, 1), values(n * k + 1, 2), values(n, 3));
    let (a, bias) = (&a[1..], with_bias.then_some(&bias[..]));
    let b = pack(&weight[1..], (n, k), format);
    let unpacked = b.unpack();
    let stride = n + 3;
    let mut c = vec![GUARD; 5 + m * stride + 5];
    let matrix = MatrixMut { values: &mut c[5..5 + m * stride], rows: m, cols: n, stride };
    let call = Multiply { a: View::row_major(a, m, k), b: &b, c: matrix, bias, function: Function::Identity };
    multiply(call, &mut Scratch::default(), &Context::new(isa, Pool::single()));
    let want = reference::multiply((m, n, k), a, &unpacked, bias, |x| x);
    for (at, &got) in c.iter().enumerate() {
        let inside = at >= 5 && at - 5 < m * stride && (at - 5) % stride < n;
        if !inside {
            assert_eq!(got, GUARD, "{isa:?} {format:?} {:?} wrote outside, at {at}", (m, n, k));
            continue;
        }
        let (i, j) = ((at - 5) / stride, (at - 5) % stride);
        let want = want[i * n + j];
        // The addition of the bias rounds as well.
        let bound = bound(&b, &unpacked, &a[i * k..(i + 1) * k], j) + 2f64.powi(-23) * (want.abs() + 1e-30);
        let error = (f64::from(got) - want).abs();
        assert!(error <= bound, "{isa:?} {format:?} {:?} [{i}, {j}]: {got} want {want}", (m, n, k));
    }
}

#[test]
fn every_instruction_set_matches_the_reference_at_odd_sizes() {
    for isa in Isa::available() {
        for format in Format::ALL {
            for m in [0, 1, 2, 3, 4, 5, 9] {
                for n in [0, 1, 7, 33, 64, 65] {
                    for k in [0, 1, 2, 31, 32, 33, 65] {
                        check(isa, format, (m, n, k), (m + n + k) % 2 == 0);
                    }
                }
            }
            for size in
                [(1, 8, 127), (1, 9, 128), (1, 15, 129), (2, 16, 255), (3, 17, 257), (8, 31, 384), (17, 130, 300)]
            {
                check(isa, format, size, true);
            }
        }
    }
}

#[test]
fn weights_are_the_nearest_of_their_format() {
    for format in Format::ALL {
        for (n, k) in [(1, 1), (3, 31), (65, 33), (2, 127), (2, 129), (70, 300)] {
            for spread in [1.0, 1e-30, 1e30] {
                let weight: Vec<f32> = normal(n * k, 4).iter().map(|w| w * spread).collect();
                let packed = pack(&weight, (n, k), format);
                let unpacked = packed.unpack();
                for j in 0..n {
                    for (p, scale) in scales(&packed, j).into_iter().enumerate() {
                        let (w, got) = (f64::from(weight[j * k + p]), f64::from(unpacked[j * k + p]));
                        let allowed = match format {
                            Format::Bf16 => w.abs() * 2f64.powi(-8),
                            _ => scale.abs() * 0.500_001,
                        };
                        assert!((got - w).abs() <= allowed, "{format:?} {n}x{k} [{j}, {p}]: {got} for {w}");
                        if format != Format::Bf16 {
                            let q = got / scale;
                            let range = if matches!(format, Format::Int4(_)) { -8.0..=7.0 } else { -127.0..=127.0 };
                            assert!(q == q.round() && range.contains(&q), "{format:?}: {q}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn bfloat16_rounds_to_even_and_keeps_what_is_not_a_number() {
    let cases: [(u32, u32); 9] = [
        (0x3F80_8000, 0x3F80_0000), // halfway, even below
        (0x3F81_8000, 0x3F82_0000), // halfway, even above
        (0x3F80_8001, 0x3F81_0000),
        (0xBF80_7FFF, 0xBF80_0000),
        (0x7F80_0000, 0x7F80_0000), // infinity
        (0xFF80_0000, 0xFF80_0000),
        (0x8000_0000, 0x8000_0000), // -0
        (0x7F7F_FFFF, 0x7F80_0000), // nearer to 2^128 than to the largest bfloat16
        (0x7F80_0001, 0x7FC0_0000), // NaN with low bits only
    ];
    for (from, to) in cases {
        let unpacked = pack(&[f32::from_bits(from)], (1, 1), Format::Bf16).unpack();
        assert_eq!(unpacked[0].to_bits(), to, "{from:x}");
    }
}

#[test]
fn a_zero_group_is_zero_and_a_group_that_is_not_finite_shows() {
    for format in Format::ALL {
        let Some(group) = format.group() else { continue };
        let k = 3 * 128;
        let mut weight = normal(2 * k, 5);
        weight[..k].fill(0.0);
        weight[1] = -0.0;
        weight[k + 200] = f32::INFINITY;
        let unpacked = pack(&weight, (2, k), format).unpack();
        assert!(unpacked[..k].iter().all(|&w| w == 0.0), "{format:?}");
        let hit = match group {
            Group::Of32 => 192..224,
            Group::Of128 => 128..256,
            Group::Row => 0..k,
        };
        for p in 0..k {
            assert_eq!(unpacked[k + p].is_nan(), hit.contains(&p), "{format:?} {p}");
        }
    }
}

#[test]
fn the_largest_and_the_smallest_weights_stay_finite() {
    for format in Format::ALL {
        for (extreme, allowed) in [(f32::MAX, 0.15), (-f32::MAX, 0.15), (f32::MIN_POSITIVE, 1.0), (1e-45, 1.0)] {
            if format == Format::Bf16 && extreme.abs() == f32::MAX {
                continue; // rounds to infinity
            }
            let unpacked = pack(&[extreme, 0.5 * extreme], (1, 2), format).unpack();
            for (got, want) in unpacked.iter().zip([extreme, 0.5 * extreme]) {
                let error = (f64::from(*got) - f64::from(want)).abs();
                assert!(error <= allowed * f64::from(extreme).abs(), "{format:?}: {got} for {want}");
            }
        }
    }
}

/// The product as bits.
fn product(b: &Packed, a: View<'_>, bias: Option<&[f32]>, context: &Context) -> Vec<u32> {
    let (m, n) = (a.rows(), b.cols());
    let mut c = vec![0.0; m * n];
    let matrix = MatrixMut { values: &mut c, rows: m, cols: n, stride: n };
    let call = Multiply { a, b, c: matrix, bias, function: Function::Tanh };
    multiply(call, &mut Scratch::default(), context);
    c.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn output_is_the_same_for_any_thread_count() {
    for (m, n, k) in [(1, 3000, 200), (70, 65, 300), (5, 400, 301)] {
        let (a, weight, bias) = (values(m * k, 6), values(n * k, 7), values(n, 8));
        for format in Format::ALL {
            let view = View::row_major(&weight, n, k).transposed();
            let b = Packed::new(view, format, &Context::single());
            for isa in Isa::available() {
                let run = |threads, b: &Packed| {
                    product(b, View::row_major(&a, m, k), Some(&bias), &Context::new(isa, Pool::new(threads)))
                };
                let one = run(1, &b);
                for threads in [2, 7] {
                    assert_eq!(one, run(threads, &b), "{isa:?} {format:?} {threads}");
                    assert_eq!(
                        one,
                        run(1, &Packed::new(view, format, &Context::detect(Pool::new(threads)))),
                        "packed on {threads}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_row_of_a_batch_has_the_bits_of_the_row_alone() {
    let (m, n, k) = (23, 70, 300);
    let (mut a, weight) = (values(m * k, 9), values(n * k, 10));
    a[3 * k] = 1e30; // a row of its own way among the others
    for format in Format::ALL {
        let b = pack(&weight, (n, k), format);
        for isa in Isa::available() {
            let batch = product(&b, View::row_major(&a, m, k), None, &Context::new(isa, Pool::single()));
            for i in 0..m {
                let row = View::row_major(&a[i * k..(i + 1) * k], 1, k);
                let alone = product(&b, row, None, &Context::new(isa, Pool::single()));
                assert_eq!(alone, batch[i * n..(i + 1) * n], "{isa:?} {format:?} row {i}");
            }
        }
    }
}

#[test]
fn operands_may_lie_in_memory_in_any_order() {
    let (m, n, k) = (5, 70, 133);
    let (a, weight) = (values(m * k, 11), values(n * k, 12));
    let turned = |values: &[f32], rows: usize, cols: usize| -> Vec<f32> {
        (0..rows * cols).map(|at| values[at % rows * cols + at / rows]).collect()
    };
    let (a_turned, weight_turned) = (turned(&a, m, k), turned(&weight, n, k));
    for format in Format::ALL {
        let b = pack(&weight, (n, k), format);
        let other = Packed::new(View::row_major(&weight_turned, k, n), format, &Context::single());
        assert_eq!(b.unpack(), other.unpack());
        for isa in Isa::available() {
            let plain = product(&b, View::row_major(&a, m, k), None, &Context::new(isa, Pool::single()));
            let turned = View::row_major(&a_turned, k, m).transposed();
            assert_eq!(plain, product(&other, turned, None, &Context::new(isa, Pool::single())), "{isa:?} {format:?}");
        }
    }
}

#[test]
fn nan_infinity_and_extreme_activations_go_through_as_in_the_reference() {
    let specials = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX / 4.0, 1e30, -1e-30, -0.0, 1e-40];
    for format in Format::ALL {
        for m in [1, 6] {
            let (n, k) = (70, 40);
            let mut weight = values(n * k, 13);
            for p in 0..k {
                weight[5 * k + p] = 0.0; // 0 · ∞ is NaN
            }
            let b = pack(&weight, (n, k), format);
            let unpacked = b.unpack();
            for special in specials {
                let mut a = values(m * k, 14);
                a[(m - 1) * k + 3] = special;
                let want = reference::multiply((m, n, k), &a, &unpacked, None, |x| x);
                for isa in Isa::available() {
                    let mut c = vec![0.0f32; m * n];
                    let matrix = MatrixMut { values: &mut c, rows: m, cols: n, stride: n };
                    let (a, function) = (View::row_major(&a, m, k), Function::Identity);
                    let call = Multiply { a, b: &b, c: matrix, bias: None, function };
                    multiply(call, &mut Scratch::default(), &Context::new(isa, Pool::single()));
                    for (got, &want) in c.iter().zip(&want) {
                        let same = if want.is_finite() {
                            (f64::from(*got) - want).abs() <= 1e-4 * (1.0 + want.abs())
                        } else {
                            got.is_nan() == want.is_nan() && (want.is_nan() || f64::from(*got) == want)
                        };
                        assert!(same, "{isa:?} {format:?} {special}: {got}, want {want}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_function_is_applied_once_to_the_finished_sum() {
    let (m, n, k) = (3, 70, 300);
    let (a, weight, bias) = (values(m * k, 15), values(n * k, 16), values(n, 17));
    for format in Format::ALL {
        let b = pack(&weight, (n, k), format);
        let leaky = |x| if x > 0.0 { x } else { 0.25 * x };
        let want = reference::multiply((m, n, k), &a, &b.unpack(), Some(&bias), leaky);
        for isa in Isa::available() {
            let mut c = vec![f32::NAN; m * n];
            let call = Multiply {
                a: View::row_major(&a, m, k),
                b: &b,
                c: MatrixMut { values: &mut c, rows: m, cols: n, stride: n },
                bias: Some(&bias),
                function: Function::LeakyRelu { slope: 0.25 },
            };
            multiply(call, &mut Scratch::default(), &Context::new(isa, Pool::single()));
            for (got, want) in c.iter().zip(&want) {
                assert!((f64::from(*got) - want).abs() < 1e-4, "{isa:?} {format:?} {got} {want}");
            }
        }
    }
}

#[test]
fn the_error_against_exact_weights_is_the_stated_one() {
    let (n, k) = (128, 1024);
    let (a, weight) = (normal(k, 18), normal(n * k, 19));
    let exact = reference::multiply((1, n, k), &a, &weight, None, |x| x);
    for format in Format::ALL {
        let b = pack(&weight, (n, k), format);
        let off: f64 = b.unpack().iter().zip(&weight).map(|(v, w)| f64::from(v - w).powi(2)).sum();
        let size: f64 = weight.iter().map(|&w| f64::from(w).powi(2)).sum();
        let error = (off / size).sqrt();
        let mut c = vec![0.0f32; n];
        let matrix = MatrixMut { values: &mut c, rows: 1, cols: n, stride: n };
        let (view, function) = (View::row_major(&a, 1, k), Function::Identity);
        multiply(
            Multiply { a: view, b: &b, c: matrix, bias: None, function },
            &mut Scratch::default(),
            &Context::single(),
        );
        let off: f64 = c.iter().zip(&exact).map(|(got, want)| (f64::from(*got) - want).powi(2)).sum();
        let size: f64 = exact.iter().map(|want| want * want).sum();
        let product = (off / size).sqrt();
        let stated = format.rms_error();
        assert!((0.95 * stated..=1.05 * stated).contains(&error), "{}: {error}, stated {stated}", format.name());
        // The errors of weights are independent: those of a sum grow as the sum does.
        assert!((0.6 * stated..=1.4 * stated).contains(&product), "{}: {product}, stated {stated}", format.name());
    }
}

#[test]
#[should_panic(expected = "rows and columns of b")]
fn sizes_that_do_not_fit_are_refused() {
    let (a, weight, mut c) = (values(6, 1), values(8, 2), vec![0.0; 4]);
    let b = pack(&weight, (2, 4), Format::Bf16);
    let call = Multiply {
        a: View::row_major(&a, 2, 3),
        b: &b,
        c: MatrixMut { values: &mut c, rows: 2, cols: 2, stride: 2 },
        bias: None,
        function: Function::Identity,
    };
    multiply(call, &mut Scratch::default(), &Context::single());
}
