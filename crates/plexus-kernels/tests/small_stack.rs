//! Kernels run on a thread with 512 KiB of stack, whatever the optimization.
//!
//! Here they are optimized; `cargo xtask dependent` builds this file into a crate outside the workspace, where nothing is.

use plexus_kernels::Context;
use plexus_kernels::buffer::MatrixMut;
use plexus_kernels::conv::{self, Conv, ConvBackwardInput, ConvBackwardWeight, Geometry, Pooling, UnpoolTwo, Weight};
use plexus_kernels::gemm::{self, Gemm, View};
use plexus_kernels::gemm_bf16::{self, GemmBf16, Parts};
use plexus_kernels::gemm_i8::{self, GemmI8, Offsets};
use plexus_kernels::gemm_i16::{self, GemmI16};
use plexus_kernels::isa::Isa;
use plexus_kernels::map::{self, FUNCTIONS, Function, Saved};
use plexus_kernels::pool::{self, AvgPool, AvgPoolBackward, MaxPool, MaxPoolBackward, Window};
use plexus_kernels::requantize::{Multiplier, Requantize, RequantizeWide};
use plexus_kernels::softmax;
use plexus_kernels::threads::Pool;
use plexus_kernels::weight_only::{self, Format, Multiply};

/// What a thread may need at most.
const STACK: usize = 512 * 1024;

/// Runs a test on a thread of that size. One that needs more ends the program.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(test)
        .expect("a thread starts")
        .join()
        .expect("the test passes");
}

/// Rows of every height that a register tile has, and a batch of several tasks.
const ROWS: [usize; 11] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 40];

/// Columns and the contracted axis: a panel that is not whole, two blocks.
const N: usize = 75;
const K: usize = 530;

/// Weights `[n, k]` of -1, 0 and 1.
fn weight(n: usize, k: usize) -> Vec<i8> {
    (0..n * k).map(|at| (at * 7 % 11 % 3) as i8 - 1).collect()
}

/// The sum of each row of a weight: the product with a row of ones.
fn sums(weight: &[i8], k: usize) -> Vec<f32> {
    weight.chunks(k).map(|row| row.iter().map(|&w| f32::from(w)).sum()).collect()
}

/// Every row of `c` is `want`, and `bound` more or less.
fn check(c: &[f32], want: &[f32], bound: f32, what: &str) {
    for row in c.chunks(want.len()) {
        for (got, want) in row.iter().zip(want) {
            assert!((got - want).abs() <= bound, "{what}: {got} and not {want}");
        }
    }
}

#[test]
fn products_of_floats() {
    on_a_small_stack(|| {
        let weight = weight(N, K);
        let want = sums(&weight, K);
        let floats: Vec<f32> = weight.iter().map(|&w| f32::from(w)).collect();
        let b = View::row_major(&floats, N, K).transposed();
        let mut scratch = gemm::Scratch::default();
        for kernel in gemm::KERNELS.iter().filter(|kernel| kernel.isa.is_available()) {
            let context = Context::new(kernel.isa, Pool::single());
            let packed = gemm::Packed::new(b, &context);
            for m in ROWS {
                for operand in [gemm::Operand::Plain(b), gemm::Operand::Packed(&packed)] {
                    for function in [Function::Identity, Function::Relu, Function::Gelu] {
                        let (ones, mut c) = (vec![1.0; m * K], vec![0.0; m * N]);
                        let call = Gemm {
                            a: View::row_major(&ones, m, K),
                            b: operand,
                            c: MatrixMut { values: &mut c, rows: m, cols: N, stride: N },
                            accumulate: false,
                            bias: None,
                            function,
                        };
                        gemm::gemm(call, &mut scratch, &context);
                        let mut want = want.clone();
                        map::forward_in_place(function, &mut want, &context);
                        check(&c, &want, 1e-3, kernel.name);
                    }
                }
            }
        }
    });
}

#[test]
fn products_of_bfloat16() {
    on_a_small_stack(|| {
        let weight = weight(N, K);
        let want = sums(&weight, K);
        let floats: Vec<f32> = weight.iter().map(|&w| f32::from(w)).collect();
        let b = View::row_major(&floats, N, K).transposed();
        let mut scratch = gemm_bf16::Scratch::default();
        for kernel in gemm_bf16::KERNELS.iter().filter(|kernel| kernel.isa.is_available()) {
            let context = Context::new(kernel.isa, Pool::single());
            for (m, parts) in ROWS.into_iter().flat_map(|m| [(m, Parts::One), (m, Parts::Two)]) {
                let (ones, mut c) = (vec![1.0; m * K], vec![0.0; m * N]);
                let call = GemmBf16 {
                    a: View::row_major(&ones, m, K),
                    b: gemm_bf16::Operand::Plain(b),
                    c: MatrixMut { values: &mut c, rows: m, cols: N, stride: N },
                    parts,
                    accumulate: false,
                    bias: None,
                    function: Function::Identity,
                };
                gemm_bf16::gemm_bf16(call, &mut scratch, &context);
                check(&c, &want, 0.0, kernel.name);
            }
        }
    });
}

#[test]
fn products_with_compressed_weights() {
    on_a_small_stack(|| {
        let weight = weight(N, K);
        let want = sums(&weight, K);
        let floats: Vec<f32> = weight.iter().map(|&w| f32::from(w)).collect();
        let mut scratch = gemm::Scratch::default();
        for format in Format::ALL {
            let packed =
                weight_only::Packed::new(View::row_major(&floats, N, K).transposed(), format, &Context::single());
            for (isa, m) in Isa::available().flat_map(|isa| ROWS.map(|m| (isa, m))) {
                let context = Context::new(isa, Pool::single());
                let (ones, mut c) = (vec![1.0; m * K], vec![0.0; m * N]);
                let call = Multiply {
                    a: View::row_major(&ones, m, K),
                    b: &packed,
                    c: MatrixMut { values: &mut c, rows: m, cols: N, stride: N },
                    bias: None,
                    function: Function::Identity,
                };
                weight_only::multiply(call, &mut scratch, &context);
                // Every weight may be off by as much as the scale is rounded: 2⁻⁸ of it.
                check(&c, &want, K as f32 / 256.0, format.name());
            }
        }
    });
}

/// Rows and the contracted axis of whole numbers: the last is cut in groups, whose sums are held.
const WHOLE: [(usize, usize); 6] = [(1, K), (2, K), (4, K), (8, K), (9, K), (128, 1200)];

#[test]
fn products_of_bytes() {
    on_a_small_stack(|| {
        let mut scratch = gemm_i8::Scratch::default();
        for kernel in gemm_i8::KERNELS.iter().filter(|kernel| kernel.isa.is_available()) {
            let context = Context::new(kernel.isa, Pool::single());
            for (m, k) in WHOLE {
                let values = weight(N, k);
                let weight = gemm_i8::Weight {
                    values: &values,
                    out_features: N,
                    in_features: k,
                    bias: None,
                    offsets: Offsets::default(),
                };
                let packed = gemm_i8::Packed::new(weight, &context);
                let (ones, mut c) = (vec![1i8; m * k], vec![0i32; m * N]);
                let output = gemm_i8::Output::Sums(MatrixMut { values: &mut c, rows: m, cols: N, stride: N });
                let call = GemmI8 { input: gemm_i8::Input::I8(&ones), weight: &packed, output };
                gemm_i8::gemm_i8(call, &mut scratch, &context);
                let c: Vec<f32> = c.iter().map(|&sum| sum as f32).collect();
                check(&c, &sums(&values, k), 0.0, kernel.name);
                let ones = vec![1u8; m * k];
                for requantize in modes() {
                    let mut c = vec![0u8; m * N];
                    let matrix = MatrixMut { values: &mut c, rows: m, cols: N, stride: N };
                    let output = gemm_i8::Output::U8(matrix, &requantize);
                    let call = GemmI8 { input: gemm_i8::Input::U8(&ones), weight: &packed, output };
                    gemm_i8::gemm_i8(call, &mut scratch, &context);
                    let c: Vec<f32> = c.iter().map(|&y| f32::from(y)).collect();
                    let want: Vec<f32> = sums(&values, k).iter().map(|&sum| (sum / 2.0).clamp(0.0, 255.0)).collect();
                    check(&c, &want, 0.5, kernel.name);
                }
            }
        }
    });
}

/// Every way to halve a sum.
fn modes() -> [Requantize; 4] {
    let half = [Multiplier::from_scale(0.5)];
    [
        Requantize::double_rounding(&half),
        Requantize::single_rounding(&half),
        Requantize::float64(&[0.5]),
        Requantize::float32(&[0.5]),
    ]
}

#[test]
fn products_of_16_bit_numbers() {
    on_a_small_stack(|| {
        let mut scratch = gemm_i16::Scratch::default();
        let wide = RequantizeWide::new(&[Multiplier::from_scale(0.5)]);
        for kernel in gemm_i16::KERNELS.iter().filter(|kernel| kernel.isa.is_available()) {
            let context = Context::new(kernel.isa, Pool::single());
            for (m, k) in WHOLE {
                let bytes = weight(N, k);
                let words: Vec<i16> = bytes.iter().map(|&w| i16::from(w)).collect();
                let ones = vec![1i16; m * k];
                let want = sums(&bytes, k);
                for values in [gemm_i16::Values::I8(&bytes), gemm_i16::Values::I16(&words)] {
                    let weight = |bias| gemm_i16::Weight { values, out_features: N, in_features: k, bias };
                    let packed = gemm_i16::Packed::new(weight(gemm_i16::Bias::I32(None)), &context);
                    let mut c = vec![0i32; m * N];
                    let output = gemm_i16::Output::Sums(MatrixMut { values: &mut c, rows: m, cols: N, stride: N });
                    gemm_i16::gemm_i16(
                        GemmI16 { input: gemm_i16::Input::Rows(&ones), weight: &packed, output },
                        &mut scratch,
                        &context,
                    );
                    let c: Vec<f32> = c.iter().map(|&sum| sum as f32).collect();
                    check(&c, &want, 0.0, kernel.name);

                    let packed = gemm_i16::Packed::new(weight(gemm_i16::Bias::I64(None)), &context);
                    let mut c = vec![0i16; m * N];
                    let matrix = MatrixMut { values: &mut c, rows: m, cols: N, stride: N };
                    let output = gemm_i16::Output::I16FromWide(matrix, &wide);
                    gemm_i16::gemm_i16(
                        GemmI16 { input: gemm_i16::Input::Rows(&ones), weight: &packed, output },
                        &mut scratch,
                        &context,
                    );
                    let c: Vec<f32> = c.iter().map(|&y| f32::from(y)).collect();
                    check(&c, &want.iter().map(|sum| sum / 2.0).collect::<Vec<_>>(), 0.5, kernel.name);
                }
            }
        }
    });
}

#[test]
fn functions_and_softmax() {
    on_a_small_stack(|| {
        let x: Vec<f32> = (0..100).map(|at| at as f32 / 25.0 - 2.0).collect();
        for isa in Isa::available() {
            let context = Context::new(isa, Pool::single());
            for row in FUNCTIONS {
                let (mut y, mut grad) = (vec![0.0; x.len()], vec![0.0; x.len()]);
                map::forward(row.default, &x, &mut y, &context);
                map::backward(row.default, Saved::Input(&x), &vec![1.0; x.len()], &mut grad, &context);
                let rising = grad.iter().filter(|&&slope| slope >= 0.0).count();
                assert!(rising > x.len() / 2 && y[99] > y[50], "{} on {}", row.name, isa.name());
            }
            let mut y = vec![0.0; x.len()];
            softmax::softmax(4, 25, &x, &mut y, &context);
            for row in y.chunks(25) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "softmax on {}", isa.name());
            }
        }
    });
}

/// Convolutions of every form: few filters, few channels, one filter for each channel, many of both.
fn convolutions() -> Vec<Geometry> {
    let mut geometries = Vec::new();
    // Columns of every width that a tile has.
    for width in [4, 5, 6, 8, 10, 12, 14, 16, 26] {
        for (channels, filters, groups) in [(1, 6, 1), (3, 8, 1), (6, 16, 1), (5, 40, 1), (9, 9, 9), (4, 6, 2)] {
            let padding = [width % 3; 4];
            geometries.push(Geometry { groups, padding, ..Geometry::plain([channels, 7, width], filters, [3, 3]) });
        }
    }
    geometries
}

#[test]
fn convolutions_and_their_gradients() {
    on_a_small_stack(|| {
        let mut scratch = conv::Scratch::default();
        for kernel in conv::KERNELS.iter().filter(|kernel| kernel.isa.is_available()) {
            let context = Context::new(kernel.isa, Pool::single());
            for geometry in convolutions() {
                let [rows, cols] = geometry.output().expect("the filters fit");
                let input = vec![1.0; geometry.input_len()];
                let weight = vec![1.0; geometry.weight_len()];
                let mut full = vec![0.0; geometry.output_len()];
                // The pixel in the middle sees no padding.
                let depth = (geometry.weight_len() / geometry.filters) as f32;
                let middle = (rows / 2 * cols + cols / 2) * geometry.filters;
                for function in [Function::Relu, Function::Softplus] {
                    let mut want = [depth];
                    map::forward_in_place(function, &mut want, &context);
                    let (weight, input) = (Weight::Plain(&weight), &input[..]);
                    let (batch, bias, pooling, output) = (1, None, None, &mut full[..]);
                    let call = Conv { geometry, batch, input, weight, bias, function, pooling, output };
                    conv::conv(call, &mut scratch, &context);
                    check(&full[middle..middle + geometry.filters], &want, 1e-4, kernel.name);
                    let len = rows / 2 * (cols / 2) * geometry.filters;
                    let (mut pooled, mut positions) = (vec![0.0; len], vec![0; len]);
                    let pooling = Some(Pooling::MaxTwo { positions: Some(&mut positions) });
                    let output = &mut pooled[..];
                    let call = Conv { geometry, batch, input, weight, bias, function, pooling, output };
                    conv::conv(call, &mut scratch, &context);
                    let call = UnpoolTwo {
                        batch,
                        channels: geometry.filters,
                        height: rows,
                        width: cols,
                        grad_pooled: &vec![1.0; len],
                        positions: &positions,
                        activation: Some((function, &pooled)),
                        grad_full: &mut vec![0.0; full.len()],
                    };
                    conv::unpool_two(call, &context);
                }
                let grad_output = &vec![1.0; full.len()][..];
                let (mut grad_input, mut grad_weight) = (vec![0.0; input.len()], vec![0.0; weight.len()]);
                let mut grad_bias = vec![0.0; geometry.filters];
                let (batch, accumulate) = (1, false);
                let (to, weight) = (&mut grad_input[..], &weight[..]);
                let call = ConvBackwardInput { geometry, batch, grad_output, weight, grad_input: to, accumulate };
                conv::conv_backward_input(call, &mut scratch, &context);
                let (input, grad_weight, grad_bias) = (&input[..], &mut grad_weight[..], &mut grad_bias[..]);
                let to = Some(&mut *grad_bias);
                let call =
                    ConvBackwardWeight { geometry, batch, input, grad_output, grad_weight, grad_bias: to, accumulate };
                conv::conv_backward_weight(call, &mut scratch, &context);
                check(grad_bias, &vec![(rows * cols) as f32; geometry.filters], 0.0, kernel.name);
            }
        }
    });
}

#[test]
fn poolings() {
    on_a_small_stack(|| {
        for isa in Isa::available() {
            let context = Context::new(isa, Pool::single());
            for channels in [1, 6, 35] {
                let window = Window::plain([channels, 6, 6], [2, 2]);
                let (input, mut grad) = (vec![1.0; window.input_len()], vec![0.0; window.input_len()]);
                let (mut output, mut positions) = (vec![0.0; window.output_len()], vec![0; window.output_len()]);
                let ones = &vec![1.0; output.len()][..];
                let at = Some(&mut positions[..]);
                let call = MaxPool { window, batch: 1, input: &input, output: &mut output, positions: at };
                pool::max_pool(call, &context);
                check(&output, ones, 0.0, isa.name());
                let positions = &positions[..];
                let call = MaxPoolBackward { window, batch: 1, grad_output: ones, positions, grad_input: &mut grad };
                pool::max_pool_backward(call, &context);
                let (input, output, count_include_pad) = (&input[..], &mut output[..], true);
                pool::avg_pool(AvgPool { window, batch: 1, input, output, count_include_pad }, &context);
                check(output, ones, 0.0, isa.name());
                let (grad_output, grad_input) = (ones, &mut grad[..]);
                let call = AvgPoolBackward { window, batch: 1, grad_output, grad_input, count_include_pad };
                pool::avg_pool_backward(call, &context);
                check(&grad, &vec![0.25; input.len()], 0.0, isa.name());
            }
        }
    });
}
