use super::*;
use crate::isa::Isa;
use crate::threads::Pool;

const COLS: [usize; 8] = [1, 2, 7, 8, 9, 17, 33, 515];

fn wave(len: usize, speed: f32) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * speed).sin() * 2.0 + 0.7).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| x.into()).collect()
}

/// The same numbers, one element off any alignment, with guards at both ends.
struct Guarded(Vec<f32>);

impl Guarded {
    fn new(len: usize) -> Self {
        Guarded(vec![-77.0; len + 2])
    }
    fn inner(&mut self) -> &mut [f32] {
        let end = self.0.len() - 1;
        &mut self.0[1..end]
    }
    fn take(self) -> Vec<f32> {
        assert_eq!((self.0[0], self.0[self.0.len() - 1]), (-77.0, -77.0), "guards");
        self.0[1..self.0.len() - 1].to_vec()
    }
}

fn assert_near(got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (&got, want)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(got) - want).abs() <= tolerance * (1.0 + want.abs()), "{i}: {got} {want}");
    }
}

/// `Σ_i f(x)_i · grad_i` and its slopes by central differences.
fn slopes(at: &[f64], grad: &[f32], f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let loss = |x: &[f64]| -> f64 { f(x).iter().zip(grad).map(|(y, &g)| y * f64::from(g)).sum() };
    let h = 1e-5;
    (0..at.len())
        .map(|i| {
            let (mut up, mut down) = (at.to_vec(), at.to_vec());
            up[i] += h;
            down[i] -= h;
            (loss(&up) - loss(&down)) / (2.0 * h)
        })
        .collect()
}

/// Output, mean, rstd.
fn run_layer_norm(
    (rows, cols): (usize, usize),
    input: &[f32],
    affine: Option<(&[f32], &[f32])>,
    context: &Context,
) -> [Vec<f32>; 3] {
    let (mut output, mut mean, mut rstd) = (Guarded::new(rows * cols), Guarded::new(rows), Guarded::new(rows));
    let arguments = LayerNorm {
        rows,
        cols,
        epsilon: 1e-3,
        input,
        weight: affine.map(|both| both.0),
        bias: affine.map(|both| both.1),
        output: output.inner(),
        mean: mean.inner(),
        rstd: rstd.inner(),
    };
    layer_norm(arguments, context);
    [output.take(), mean.take(), rstd.take()]
}

#[test]
fn layer_norm_is_the_reference() {
    for isa in Isa::available() {
        for rows in [0, 1, 3] {
            for cols in COLS {
                let padded = wave(rows * cols + 1, 1.3);
                let input = &padded[1..];
                let (weight, bias) = (wave(cols, 0.7), wave(cols, 0.3));
                let [got, ..] =
                    run_layer_norm((rows, cols), input, Some((&weight, &bias)), &Context::new(isa, Pool::single()));
                let want = reference::layer_norm(cols, 1e-3f32.into(), &wide(input), &wide(&weight), &wide(&bias));
                assert_near(&got, &want, 3e-6);
                let [got, ..] = run_layer_norm((rows, cols), input, None, &Context::new(isa, Pool::single()));
                let (ones, zeros) = (vec![1.0; cols], vec![0.0; cols]);
                assert_near(&got, &reference::layer_norm(cols, 1e-3f32.into(), &wide(input), &ones, &zeros), 3e-6);
            }
        }
    }
}

#[test]
fn layer_norm_of_a_large_offset_keeps_its_precision() {
    let input: Vec<f32> = (0..1000).map(|i| 4096.0 + (i % 7) as f32).collect();
    let [got, ..] = run_layer_norm((1, 1000), &input, None, &Context::single());
    let (ones, zeros) = (vec![1.0; 1000], vec![0.0; 1000]);
    assert_near(&got, &reference::layer_norm(1000, 1e-3f32.into(), &wide(&input), &ones, &zeros), 3e-4);
    let [constant, ..] = run_layer_norm((1, 9), &[4097.3; 9], None, &Context::single());
    assert_eq!(constant, [0.0; 9]);
}

#[test]
fn layer_norm_gradients_are_slopes() {
    for isa in Isa::available() {
        for cols in [2, 7, 8, 19] {
            let rows = 3;
            let (input, grad_output) = (wave(rows * cols, 1.3), wave(rows * cols, 2.1));
            let (weight, bias) = (wave(cols, 0.7), wave(cols, 0.3));
            let [_, mean, rstd] =
                run_layer_norm((rows, cols), &input, Some((&weight, &bias)), &Context::new(isa, Pool::single()));
            let (mut grad_input, mut grad_weight, mut grad_bias) =
                (Guarded::new(rows * cols), vec![1.0; cols], vec![2.0; cols]);
            let arguments = LayerNormBackward {
                rows,
                cols,
                input: &input,
                weight: Some(&weight),
                mean: &mean,
                rstd: &rstd,
                grad_output: &grad_output,
                grad_input: Some(grad_input.inner()),
                grad_weight: Some(&mut grad_weight),
                grad_bias: Some(&mut grad_bias),
            };
            layer_norm_backward(arguments, &Context::new(isa, Pool::single()));
            let (x, w, b) = (wide(&input), wide(&weight), wide(&bias));
            let epsilon = 1e-3f32.into();
            let want = slopes(&x, &grad_output, |x| reference::layer_norm(cols, epsilon, x, &w, &b));
            assert_near(&grad_input.take(), &want, 1e-5);
            let want = slopes(&w, &grad_output, |w| reference::layer_norm(cols, epsilon, &x, w, &b));
            assert_near(&grad_weight, &want.iter().map(|g| g + 1.0).collect::<Vec<f64>>(), 1e-5);
            let want = slopes(&b, &grad_output, |b| reference::layer_norm(cols, epsilon, &x, &w, b));
            assert_near(&grad_bias, &want.iter().map(|g| g + 2.0).collect::<Vec<f64>>(), 1e-5);
            // Either gradient alone is the same.
            for (weight_too, bias_too) in [(true, false), (false, true)] {
                let (mut again_weight, mut again_bias) = (vec![1.0; cols], vec![2.0; cols]);
                let arguments = LayerNormBackward {
                    rows,
                    cols,
                    input: &input,
                    weight: Some(&weight),
                    mean: &mean,
                    rstd: &rstd,
                    grad_output: &grad_output,
                    grad_input: None,
                    grad_weight: weight_too.then_some(&mut again_weight[..]),
                    grad_bias: bias_too.then_some(&mut again_bias[..]),
                };
                layer_norm_backward(arguments, &Context::new(isa, Pool::single()));
                assert_eq!(again_weight == grad_weight, weight_too);
                assert_eq!(again_bias == grad_bias, bias_too);
            }
        }
    }
}

/// Output, mean, rstd.
fn run_batch_norm(
    (rows, cols): (usize, usize),
    input: &[f32],
    (weight, bias): (&[f32], &[f32]),
    running: Option<RunningStatistics<'_>>,
    context: &Context,
) -> [Vec<f32>; 3] {
    let (mut output, mut mean, mut rstd) = (Guarded::new(rows * cols), Guarded::new(cols), Guarded::new(cols));
    let arguments = BatchNorm {
        rows,
        cols,
        epsilon: 1e-3,
        input,
        weight: Some(weight),
        bias: Some(bias),
        output: output.inner(),
        mean: mean.inner(),
        rstd: rstd.inner(),
        running,
    };
    batch_norm(arguments, context);
    [output.take(), mean.take(), rstd.take()]
}

#[test]
fn batch_norm_is_the_reference_and_updates_the_running_statistics() {
    for isa in Isa::available() {
        for rows in [1, 2, 5, 130] {
            for cols in COLS {
                let padded = wave(rows * cols + 1, 1.3);
                let input = &padded[1..];
                let (weight, bias) = (wave(cols, 0.7), wave(cols, 0.3));
                for unbiased in [false, true] {
                    let (mut running_mean, mut running_variance) = (vec![3.0; cols], vec![2.0; cols]);
                    let running = RunningStatistics {
                        mean: &mut running_mean,
                        variance: &mut running_variance,
                        momentum: 0.25,
                        unbiased,
                    };
                    let affine = (&weight[..], &bias[..]);
                    let [got, mean, _] =
                        run_batch_norm((rows, cols), input, affine, Some(running), &Context::new(isa, Pool::single()));
                    let (x, w, b) = (wide(input), wide(&weight), wide(&bias));
                    assert_near(&got, &reference::batch_norm(cols, 1e-3f32.into(), &x, &w, &b), 1e-5);
                    for j in 0..cols {
                        let column: Vec<f64> = x.iter().skip(j).step_by(cols).copied().collect();
                        let (want_mean, variance) = reference::statistics(&column);
                        let n = rows as f64;
                        let variance = if unbiased && rows > 1 { variance * n / (n - 1.0) } else { variance };
                        assert_near(&mean[j..=j], &[want_mean], 1e-6);
                        assert_near(&running_mean[j..=j], &[0.75 * 3.0 + 0.25 * want_mean], 1e-6);
                        assert_near(&running_variance[j..=j], &[0.75 * 2.0 + 0.25 * variance], 1e-6);
                    }
                }
            }
        }
    }
}

#[test]
fn batch_norm_of_no_rows_leaves_the_running_statistics() {
    let (mut mean, mut variance) = ([3.0; 2], [4.0; 2]);
    let running = RunningStatistics { mean: &mut mean, variance: &mut variance, momentum: 0.5, unbiased: true };
    let affine = (&[1.0; 2][..], &[0.0; 2][..]);
    let [_, saved_mean, _] = run_batch_norm((0, 2), &[], affine, Some(running), &Context::single());
    assert_eq!((mean, variance, saved_mean), ([3.0; 2], [4.0; 2], vec![0.0; 2]));
}

#[test]
fn batch_norm_gradients_are_slopes() {
    for isa in Isa::available() {
        for (rows, cols) in [(1, 3), (2, 8), (5, 9), (4, 17)] {
            for batch_statistics in [true, false] {
                let (input, grad_output) = (wave(rows * cols, 1.3), wave(rows * cols, 2.1));
                let (weight, bias) = (wave(cols, 0.7), wave(cols, 0.3));
                let affine = (&weight[..], &bias[..]);
                let [_, mut mean, mut rstd] =
                    run_batch_norm((rows, cols), &input, affine, None, &Context::new(isa, Pool::single()));
                if !batch_statistics {
                    mean = wave(cols, 0.2);
                    reciprocal_std(&vec![1.5; cols], 1e-3, &mut rstd);
                }
                let (mut grad_input, mut scratch) = (Guarded::new(rows * cols), Guarded::new(2 * cols));
                let (mut grad_weight, mut grad_bias) = (vec![1.0; cols], vec![2.0; cols]);
                let arguments = BatchNormBackward {
                    rows,
                    cols,
                    batch_statistics,
                    input: &input,
                    weight: Some(&weight),
                    mean: &mean,
                    rstd: &rstd,
                    grad_output: &grad_output,
                    grad_input: Some(grad_input.inner()),
                    grad_weight: Some(&mut grad_weight),
                    grad_bias: Some(&mut grad_bias),
                    scratch: scratch.inner(),
                };
                batch_norm_backward(arguments, &Context::new(isa, Pool::single()));
                scratch.take();
                let (x, w, b) = (wide(&input), wide(&weight), wide(&bias));
                let (mean, rstd) = (wide(&mean), wide(&rstd));
                let forward = |x: &[f64], w: &[f64], b: &[f64]| {
                    if batch_statistics {
                        reference::batch_norm(cols, 1e-3f32.into(), x, w, b)
                    } else {
                        reference::batch_norm_inference(cols, (&mean, &rstd), x, w, b)
                    }
                };
                assert_near(&grad_input.take(), &slopes(&x, &grad_output, |x| forward(x, &w, &b)), 2e-5);
                let want = slopes(&w, &grad_output, |w| forward(&x, w, &b));
                assert_near(&grad_weight, &want.iter().map(|g| g + 1.0).collect::<Vec<f64>>(), 1e-5);
                let want = slopes(&b, &grad_output, |b| forward(&x, &w, b));
                assert_near(&grad_bias, &want.iter().map(|g| g + 2.0).collect::<Vec<f64>>(), 1e-5);
            }
        }
    }
}

#[test]
fn standardizing_takes_one_number_or_one_for_each_column() {
    for isa in Isa::available() {
        for cols in COLS {
            let rows = 3;
            let padded = wave(rows * cols + 1, 1.1);
            let input = &padded[1..];
            let (mean, scale) = (wave(cols, 0.4), wave(cols, 0.6));
            for (mean, scale) in [(&mean[..], &scale[..]), (&mean[..1], &scale[..]), (&mean[..], &scale[..1])] {
                let mut output = Guarded::new(rows * cols);
                let arguments = Standardize { rows, cols, input, mean, scale, output: output.inner() };
                standardize(arguments, &Context::new(isa, Pool::single()));
                let mut grad = Guarded::new(rows * cols);
                let arguments = StandardizeBackward { rows, cols, scale, grad_output: input, grad_input: grad.inner() };
                standardize_backward(arguments, &Context::new(isa, Pool::single()));
                let (output, grad) = (output.take(), grad.take());
                for i in 0..rows * cols {
                    let of = |values: &[f32]| values[if values.len() == 1 { 0 } else { i % cols }];
                    assert_eq!(output[i], (input[i] - of(mean)) * of(scale));
                    assert_eq!(grad[i], input[i] * of(scale));
                }
            }
        }
    }
}

#[test]
fn not_a_number_stays_in_its_row_or_column() {
    for isa in Isa::available() {
        let mut input = wave(3 * 9, 1.0);
        input[9 + 8] = f32::NAN;
        let [rows, ..] = run_layer_norm((3, 9), &input, None, &Context::new(isa, Pool::single()));
        let affine = (&[1.0; 9][..], &[0.0; 9][..]);
        let [columns, ..] = run_batch_norm((3, 9), &input, affine, None, &Context::new(isa, Pool::single()));
        assert!((0..27).all(|i| rows[i].is_nan() == (i / 9 == 1) && columns[i].is_nan() == (i % 9 == 8)));
    }
}

#[test]
fn results_are_the_same_for_any_thread_count() {
    for (rows, cols) in [(3001, 33), (40, 2100)] {
        let (input, grad_output) = (wave(rows * cols, 1.3), wave(rows * cols, 2.1));
        let (weight, bias) = (wave(cols, 0.7), wave(cols, 0.3));
        let run = |isa: Isa, threads| {
            let context = Context::new(isa, Pool::new(threads));
            let [a, row_mean, row_rstd] = run_layer_norm((rows, cols), &input, Some((&weight, &bias)), &context);
            let [b, mean, rstd] = run_batch_norm((rows, cols), &input, (&weight, &bias), None, &context);
            let (mut c, mut d) = (vec![0.0; rows * cols], vec![0.0; rows * cols]);
            let mut grads = vec![0.0; 6 * cols];
            let (layer_grads, batch_grads) = grads.split_at_mut(2 * cols);
            let (grad_weight, grad_bias) = layer_grads.split_at_mut(cols);
            let arguments = LayerNormBackward {
                rows,
                cols,
                input: &input,
                weight: Some(&weight),
                mean: &row_mean,
                rstd: &row_rstd,
                grad_output: &grad_output,
                grad_input: Some(&mut c),
                grad_weight: Some(grad_weight),
                grad_bias: Some(grad_bias),
            };
            layer_norm_backward(arguments, &context);
            let (params, scratch) = batch_grads.split_at_mut(2 * cols);
            let (grad_weight, grad_bias) = params.split_at_mut(cols);
            let arguments = BatchNormBackward {
                rows,
                cols,
                batch_statistics: true,
                input: &input,
                weight: Some(&weight),
                mean: &mean,
                rstd: &rstd,
                grad_output: &grad_output,
                grad_input: Some(&mut d),
                grad_weight: Some(grad_weight),
                grad_bias: Some(grad_bias),
                scratch,
            };
            batch_norm_backward(arguments, &context);
            [a, b, c, d, mean, rstd, grads].concat().into_iter().map(f32::to_bits).collect::<Vec<u32>>()
        };
        for isa in Isa::available() {
            let one = run(isa, 1);
            assert!(run(isa, 2) == one && run(isa, 7) == one, "{isa:?}");
        }
    }
}
