//! Every row of the table against the reference.

use super::*;
use crate::isa::Isa;
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

const GUARD: f32 = 12345.0;

/// One product of a check.
struct Product<'a> {
    a: View<'a>,
    b: View<'a>,
    /// Whether `b` is packed before.
    packed: bool,
    c: MatrixMut<'a>,
    accumulate: bool,
    bias: Option<&'a [f32]>,
    function: Function,
}

/// A kernel of the table.
fn row(kernel: &'static Kernel) -> impl Fn(Product<'_>) {
    move |Product { a, b, packed, c, accumulate, bias, function }| {
        let weights = packed.then(|| Packed::new(b, &Context::new(kernel.isa, Pool::single())));
        let b = weights.as_ref().map_or(Operand::Plain(b), Operand::Packed);
        let call = Gemm { a, b, c, accumulate, bias, function };
        gemm(call, &mut Scratch::default(), &Context::new(kernel.isa, Pool::single()));
    }
}

/// Runs one product with padding and guards around the result and compares every element with the reference.
fn check(
    multiply: &impl Fn(Product<'_>),
    order: Order,
    size: (usize, usize, usize),
    accumulate: bool,
    with_bias: bool,
) -> Result<(), String> {
    let (m, n, k) = size;
    // One element in front makes the starts unaligned.
    let (a, b) = (values(m * k + 1, 1), values(k * n + 1, 2));
    let (a, b) = views(order, &a[1..], &b[1..], size);
    let bias = values(n, 3);
    let bias = with_bias.then_some(&bias[..]);
    let stride = n + 3;
    let start = values(m * n, 4);
    for packed in [false, true] {
        let mut c = vec![GUARD; 5 + m * stride + 5];
        for i in 0..m {
            c[5 + i * stride..][..n].copy_from_slice(&start[i * n..][..n]);
        }
        let matrix = MatrixMut { values: &mut c[5..5 + m * stride], rows: m, cols: n, stride };
        multiply(Product { a, b, packed, c: matrix, accumulate, bias, function: Function::Identity });

        let mut want: Vec<f64> = start.iter().map(|&x| f64::from(x)).collect();
        reference::gemm(a, b, bias, |x| x, &mut want, accumulate);
        for (at, &got) in c.iter().enumerate() {
            let inside = at >= 5 && at - 5 < m * stride && (at - 5) % stride < n;
            if !inside {
                if got != GUARD {
                    return Err(format!("{order:?} {size:?} wrote outside, at {at}"));
                }
                continue;
            }
            let (i, j) = ((at - 5) / stride, (at - 5) % stride);
            let steps = (KC.min(k) + k.div_ceil(KC) + 2) as f64;
            let bound = steps * 2f64.powi(-24) * (reference::magnitude(a, b, i, j) + 3.0);
            let error = (f64::from(got) - want[i * n + j]).abs();
            // Written so that a NaN is refused.
            // NaN is no small error.
            let close = error <= bound;
            if !close {
                return Err(format!("{order:?} {size:?} [{i}, {j}]: {got} want {}", want[i * n + j]));
            }
        }
    }
    Ok(())
}

/// The sizes of [`check`] for a kernel with tiles of `mr` x `nr`.
fn check_sizes(multiply: &impl Fn(Product<'_>), mr: usize, nr: usize) -> Result<(), String> {
    let ms = [0, 1, 2, 3, mr - 1, mr, mr + 1, 2 * mr + 5];
    let ns = [0, 1, 7, 8, 9, nr - 1, nr, nr + 1, 4 * nr, 4 * nr + 3, 9 * nr + 1];
    for order in [Order::Forward, Order::GradInput, Order::GradWeight] {
        for &m in &ms {
            for &n in &ns {
                for k in [0, 1, 2, 7, 8, 9, 33] {
                    check(multiply, order, (m, n, k), (m + n + k) % 2 == 0, k % 2 == 0)?;
                }
            }
        }
        let long = [(1, 65, KC - 1), (3, 17, KC), (1, 33, KC + 1), (5, 40, 2 * KC + 77), (131, 70, 19), (250, 1030, 3)];
        // Rows of a multiple of 256 elements are packed where many columns use them.
        let far = [(2, 512, 256), (7, 70, 512), (41, 529, 256), (245, 64, 256)];
        // Operands above a mebibyte are asked for ahead: by few rows in whole panels, by many in pieces.
        let large = [(2, 260, 2 * KC + 77), (9, 300, 2 * KC + 77), (131, 500, KC + 18)];
        for size in long.into_iter().chain(far).chain(large) {
            check(multiply, order, size, true, true)?;
            check(multiply, order, size, false, false)?;
        }
    }
    Ok(())
}

#[test]
fn every_row_matches_the_reference_at_odd_sizes() {
    for kernel in available() {
        check_sizes(&row(kernel), kernel.mr, kernel.nr).unwrap_or_else(|refusal| panic!("{kernel:?} {refusal}"));
    }
}

/// The bits of a whole result.
fn product(context: &Context, a: &[f32], b: &[f32], (m, n, k): (usize, usize, usize)) -> Vec<u32> {
    let mut c = vec![0.0; m * n];
    let call = Gemm {
        a: View::row_major(a, m, k),
        b: Operand::Plain(View::row_major(b, n, k).transposed()),
        c: MatrixMut { values: &mut c, rows: m, cols: n, stride: n },
        accumulate: false,
        bias: None,
        function: Function::Tanh,
    };
    gemm(call, &mut Scratch::default(), context);
    c.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn output_is_the_same_for_any_thread_count() {
    for kernel in available() {
        for size in [(1, 3000, 400), (130, 517, 300), (64, 64, 64), (7, 1000, 601)] {
            let (a, b) = (values(size.0 * size.2, 5), values(size.1 * size.2, 6));
            let one = product(&Context::new(kernel.isa, Pool::new(1)), &a, &b, size);
            for threads in [2, 7] {
                assert_eq!(
                    one,
                    product(&Context::new(kernel.isa, Pool::new(threads)), &a, &b, size),
                    "{kernel:?} {size:?} {threads}"
                );
            }
        }
    }
}

#[test]
fn a_row_of_a_batch_has_the_bits_of_the_row_alone() {
    for kernel in available() {
        let (m, n, k) = (23, 150, 700);
        let (a, b) = (values(m * k, 7), values(n * k, 8));
        let batch = product(&Context::new(kernel.isa, Pool::single()), &a, &b, (m, n, k));
        for i in 0..m {
            let alone = product(&Context::new(kernel.isa, Pool::single()), &a[i * k..(i + 1) * k], &b, (1, n, k));
            assert_eq!(alone, batch[i * n..(i + 1) * n], "{kernel:?} row {i}");
        }
    }
}

/// The sums in the order that the contract gives, `b` as weights `[n, k]`: by `chain(sum, a, b)` from zero within a block.
fn in_order(a: &[f32], b: &[f32], (m, n, k): (usize, usize, usize), chain: fn(f32, f32, f32) -> f32) -> Vec<f32> {
    let mut c = Vec::with_capacity(m * n);
    for row in a.chunks_exact(k) {
        for weights in b.chunks_exact(k).take(n) {
            let blocks = row.chunks(block_len(k)).zip(weights.chunks(block_len(k)));
            let sums = blocks.map(|(a, b)| a.iter().zip(b).fold(0.0, |sum, (&a, &b)| chain(sum, a, b)));
            c.push(sums.reduce(|before, block| before + block).expect("there is a block"));
        }
    }
    c
}

#[test]
fn rows_give_the_bits_of_the_order_in_the_contract() {
    let size = (13, 77, 2 * KC + 18);
    let (a, b) = (values(size.0 * size.2, 9), values(size.1 * size.2, 10));
    // Consistent rows round a product and its sum once, the others one after the other.
    let once = in_order(&a, &b, size, |sum, a, b| a.mul_add(b, sum));
    let apart = in_order(&a, &b, size, |sum, a, b| sum + a * b);
    assert_ne!(once, apart);
    for kernel in available() {
        // The function is not part of the promise: compare the sums.
        let mut c = vec![0.0f32; size.0 * size.1];
        let call = Gemm {
            a: View::row_major(&a, size.0, size.2),
            b: Operand::Plain(View::row_major(&b, size.1, size.2).transposed()),
            c: MatrixMut { values: &mut c, rows: size.0, cols: size.1, stride: size.1 },
            accumulate: false,
            bias: None,
            function: Function::Identity,
        };
        gemm(call, &mut Scratch::default(), &Context::new(kernel.isa, Pool::single()));
        assert!(c == if kernel.consistent { &once[..] } else { &apart[..] }, "{kernel:?}");
    }
}

#[test]
fn nan_infinity_and_zero_go_through_as_in_the_reference() {
    for kernel in available() {
        for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-40, f32::MAX] {
            for m in [1, 9] {
                let (n, k) = (35, 20);
                let mut a = values(m * k, 11);
                let mut b = values(n * k, 12);
                a[3] = special;
                b[5] = 0.0; // meets nothing special: 0 · ∞ is tested in the next line
                b[3] = 0.0;
                let (av, bv) = (View::row_major(&a, m, k), View::row_major(&b, n, k).transposed());
                let mut want = vec![0.0f64; m * n];
                reference::gemm(av, bv, None, |x| x, &mut want, false);
                let mut c = vec![0.0f32; m * n];
                let matrix = MatrixMut { values: &mut c, rows: m, cols: n, stride: n };
                let call = Gemm {
                    a: av,
                    b: Operand::Plain(bv),
                    c: matrix,
                    accumulate: false,
                    bias: None,
                    function: Function::Identity,
                };
                gemm(call, &mut Scratch::default(), &Context::new(kernel.isa, Pool::single()));
                for (got, want) in c.iter().zip(&want) {
                    assert_eq!(got.is_nan(), want.is_nan(), "{kernel:?} {special} {got} {want}");
                    assert_eq!(got.is_infinite(), want.is_infinite(), "{kernel:?} {special} {got} {want}");
                    if got.is_infinite() {
                        assert_eq!(f64::from(got.signum()), want.signum());
                    }
                }
            }
        }
    }
}

/// Runs products of two blocks with a function behind them, which must be applied once, to the finished sum.
fn check_function(multiply: &impl Fn(Product<'_>)) -> Result<(), String> {
    for (slope, m) in [(0.0, 1), (0.0, 8), (0.25, 1), (0.25, 8)] {
        let function = if slope == 0.0 { Function::Relu } else { Function::LeakyRelu { slope } };
        let (n, k) = (50, KC + 20);
        let (a, b, bias) = (values(m * k, 13), values(n * k, 14), values(n, 15));
        let (a, b) = (View::row_major(&a, m, k), View::row_major(&b, n, k).transposed());
        let mut want = vec![0.0f64; m * n];
        reference::gemm(a, b, Some(&bias), |x| if x > 0.0 { x } else { f64::from(slope) * x }, &mut want, false);
        let mut c = vec![f32::NAN; m * n];
        let matrix = MatrixMut { values: &mut c, rows: m, cols: n, stride: n };
        multiply(Product { a, b, packed: false, c: matrix, accumulate: false, bias: Some(&bias), function });
        let off = c.iter().zip(&want).position(|(got, want)| {
            let close = (f64::from(*got) - *want).abs() < 1e-4;
            !close
        });
        if let Some(at) = off {
            let (got, want) = (c[at], want[at]);
            return Err(format!("{function:?}: {got} want {want}"));
        }
    }
    Ok(())
}

#[test]
fn the_function_is_applied_once_to_the_finished_sum() {
    for kernel in available() {
        check_function(&row(kernel)).unwrap_or_else(|refusal| panic!("{kernel:?} {refusal}"));
    }
}

/// A copy of a matrix, row-major: the element `[i, p]` from where `place` says.
fn misread(view: View<'_>, place: impl Fn(usize, usize) -> usize, values: &[f32]) -> Vec<f32> {
    let places = (0..view.rows).flat_map(|i| (0..view.cols).map(move |p| (i, p)));
    places.map(|(i, p)| values.get(place(i, p)).copied().unwrap_or(0.0)).collect()
}

/// The left operand packed in tiles of `height` rows, and read in tiles of `read` rows.
fn rows_mixed_up(a: View<'_>, height: usize, read: usize) -> Vec<f32> {
    let place = |height: usize| move |i: usize, p: usize| (i / height * a.cols + p) * height + i % height;
    let mut packed = vec![0.0; a.rows.next_multiple_of(height) * a.cols];
    for i in 0..a.rows {
        for p in 0..a.cols {
            packed[place(height)(i, p)] = a.values[i * a.row_stride + p * a.col_stride];
        }
    }
    misread(a, place(read), &packed)
}

/// The right operand as a view that exchanged its sizes when it was transposed, but not its strides.
fn strides_kept(b: View<'_>) -> Vec<f32> {
    let (row, col) = if b.col_stride == 1 { (b.row_stride, 1) } else { (b.col_stride, b.row_stride) };
    misread(b, |p, j| p * row + j * col, b.values)
}

/// The left operand without all blocks of a long sum but the last.
fn last_block_only(a: View<'_>) -> Vec<f32> {
    let block = block_len(a.cols);
    let first = a.cols.saturating_sub(1) / block * block;
    let place = |i, p| if p < first { usize::MAX } else { i * a.row_stride + p * a.col_stride };
    misread(a, place, a.values)
}

#[test]
fn a_wrong_product_is_refused() {
    let kernel = Kernel::for_isa(Isa::selected());
    let (right, mr, nr) = (row(kernel), kernel.mr, kernel.nr);
    type Fault<'a> = (&'a str, &'a dyn Fn(Product<'_>));
    let faults: [Fault<'_>; 8] = [
        ("rows of a tile mixed up", &|call| {
            let a = rows_mixed_up(call.a, mr, mr - 1);
            right(Product { a: View::row_major(&a, call.a.rows, call.a.cols), ..call });
        }),
        ("strides of a transposed view kept", &|call| {
            let b = strides_kept(call.b);
            right(Product { b: View::row_major(&b, call.b.rows, call.b.cols), ..call });
        }),
        ("sums of blocks not added", &|call| {
            let a = last_block_only(call.a);
            right(Product { a: View::row_major(&a, call.a.rows, call.a.cols), ..call });
        }),
        ("accumulate ignored", &|call| right(Product { accumulate: false, ..call })),
        ("accumulate always", &|call| right(Product { accumulate: true, ..call })),
        ("bias missing", &|call| right(Product { bias: None, ..call })),
        ("bias twice", &|call| {
            let twice: Option<Vec<f32>> = call.bias.map(|bias| bias.iter().map(|bias| 2.0 * bias).collect());
            right(Product { bias: twice.as_deref(), ..call });
        }),
        ("last column left out", &|call| {
            let Product { a, b, packed, c: MatrixMut { values, rows, cols, stride }, accumulate, bias, function } =
                call;
            let kept: Vec<f32> =
                (0..rows).map(|i| if cols > 0 { values[i * stride + cols - 1] } else { 0.0 }).collect();
            let c = MatrixMut { values: &mut *values, rows, cols, stride };
            right(Product { a, b, packed, c, accumulate, bias, function });
            (0..rows).filter(|_| cols > 0).for_each(|i| values[i * stride + cols - 1] = kept[i]);
        }),
    ];
    for (fault, multiply) in faults {
        assert!(check_sizes(&|call: Product<'_>| multiply(call), mr, nr).is_err(), "{fault} is not refused");
    }
    let functions: [Fault<'_>; 3] = [
        ("function missing", &|call| right(Product { function: Function::Identity, ..call })),
        ("function twice", &|call| {
            let Product { a, b, packed, c, accumulate, bias, function } = call;
            let MatrixMut { values, rows, cols, stride } = c;
            let c = MatrixMut { values: &mut *values, rows, cols, stride };
            right(Product { a, b, packed, c, accumulate, bias, function });
            crate::map::forward_in_place(function, values, &Context::single());
        }),
        ("function before the bias", &|call| {
            let Product { a, b, packed, c, accumulate, bias, function } = call;
            let MatrixMut { values, rows, cols, stride } = c;
            let c = MatrixMut { values: &mut *values, rows, cols, stride };
            right(Product { a, b, packed, c, accumulate, bias: None, function });
            let bias = bias.expect("this check has one");
            values.iter_mut().enumerate().for_each(|(at, value)| *value += bias[at % cols]);
        }),
    ];
    for (fault, multiply) in functions {
        assert!(check_function(&|call: Product<'_>| multiply(call)).is_err(), "{fault} is not refused");
    }
}

#[test]
fn packed_operands_come_back_bit_for_bit() {
    let sizes = [0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 65, 130];
    for isa in Isa::available() {
        for precision in Precision::ALL {
            let context = Context::new(isa, Pool::new(2)).with_precision(precision);
            for (k, n) in sizes.iter().flat_map(|&k| sizes.map(|n| (k, n))) {
                let mut b = values(k * n, (k + 1000 * n) as u64);
                if let [first, second, ..] = &mut b[..] {
                    (*first, *second) = (f32::from_bits(0x7fa0_0001), -0.0);
                }
                for (view, strides) in [
                    (View::row_major(&b, k, n), (n, 1)),
                    // A weight `[out, in]` is the operand transposed.
                    (View::row_major(&b, n, k).transposed(), (1, k)),
                ] {
                    let packed = Packed::new(view, &context);
                    assert_eq!(packed.bytes(), Packed::bytes_for((k, n), &context), "{k} x {n} {context:?}");
                    let mut back = vec![GUARD; b.len()];
                    let exact = packed.unpack(strides, &mut back);
                    assert_eq!(exact, packed.is_exact());
                    assert_eq!(exact, precision.parts(isa).is_none());
                    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
                    if exact {
                        assert_eq!(bits(&back), bits(&b), "{k} x {n} {strides:?} {context:?}");
                    } else {
                        assert!(back.iter().all(|&value| value == GUARD), "nothing is written");
                    }
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "rows and columns of b")]
fn sizes_that_do_not_fit_are_refused() {
    let (a, b, mut c) = (values(6, 1), values(8, 2), vec![0.0; 4]);
    let call = Gemm {
        a: View::row_major(&a, 2, 3),
        b: Operand::Plain(View::row_major(&b, 4, 2)),
        c: MatrixMut { values: &mut c, rows: 2, cols: 2, stride: 2 },
        accumulate: false,
        bias: None,
        function: Function::Identity,
    };
    gemm(call, &mut Scratch::default(), &Context::single());
}

#[test]
fn a_precision_takes_bfloat16_only_where_its_products_are_faster() {
    for isa in Isa::available() {
        assert_eq!(Precision::Highest.parts(isa), None);
        assert_eq!(Precision::High.parts(isa), (isa == Isa::Amx).then_some(Parts::Two), "{isa:?}");
        assert_eq!(Precision::Medium.parts(isa), (isa >= Isa::Avx512Bf16).then_some(Parts::One), "{isa:?}");
    }
}

#[test]
fn high_without_a_matrix_unit_is_f32_to_the_bit() {
    let size = (9, 40, 300);
    let (a, b) = (values(size.0 * size.2, 16), values(size.1 * size.2, 17));
    for isa in Isa::available().filter(|isa| *isa != Isa::Amx) {
        let context = Context::new(isa, Pool::single());
        let high = context.clone().with_precision(Precision::High);
        assert_eq!(product(&high, &a, &b, size), product(&context, &a, &b, size), "{isa:?}");
        let weight = View::row_major(&b, size.1, size.2).transposed();
        assert_eq!(Packed::new(weight, &high).kernel(), Packed::new(weight, &context).kernel());
    }
}
