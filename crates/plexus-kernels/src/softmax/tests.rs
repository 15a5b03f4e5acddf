use super::*;
use crate::isa::Isa;

const SIZES: [usize; 12] = [1, 2, 7, 8, 9, 10, 15, 16, 17, 33, 511, 1025];

fn logits(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * 1.37).sin() * 6.0).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| x.into()).collect()
}

fn close(got: f32, want: f64, relative: f64) -> bool {
    (got.is_nan() && want.is_nan())
        || f64::from(got) == want
        || (f64::from(got) - want).abs() <= relative * want.abs() + 1e-37
}

#[test]
fn rows_are_softmax_of_every_length_and_alignment() {
    for isa in Isa::available() {
        for rows in [0, 1, 3] {
            for cols in SIZES {
                let padded = logits(rows * cols + 1);
                let input = &padded[1..];
                let mut output = vec![-77.0; rows * cols + 2];
                let mut log = output.clone();
                softmax(rows, cols, input, &mut output[1..=rows * cols], &Context::new(isa, Pool::single()));
                log_softmax(rows, cols, input, &mut log[1..=rows * cols], &Context::new(isa, Pool::single()));
                for (i, row) in input.chunks(cols).enumerate() {
                    let (want, want_log) = (reference::softmax(&wide(row)), reference::log_softmax(&wide(row)));
                    for j in 0..cols {
                        assert!(close(output[1 + i * cols + j], want[j], 1e-6), "{rows}x{cols} {i} {j}");
                        assert!((f64::from(log[1 + i * cols + j]) - want_log[j]).abs() < 2e-6);
                    }
                }
                for guarded in [&output, &log] {
                    assert_eq!((guarded[0], guarded[rows * cols + 1]), (-77.0, -77.0));
                }
            }
        }
        softmax(3, 0, &[], &mut [], &Context::new(isa, Pool::single()));
    }
}

#[test]
fn extreme_rows_have_the_answers_of_the_contract() {
    const INF: f32 = f32::INFINITY;
    for isa in Isa::available() {
        let of = |row: &[f32]| {
            let (mut output, mut log) = (row.to_vec(), row.to_vec());
            softmax(1, row.len(), row, &mut output, &Context::new(isa, Pool::single()));
            log_softmax(1, row.len(), row, &mut log, &Context::new(isa, Pool::single()));
            (output, log)
        };
        assert_eq!(of(&[1e4, -1e4]).0, [1.0, 0.0]);
        assert_eq!(of(&[1e4, -1e4]).1, [0.0, -2e4]);
        assert_eq!(of(&[-1e4, -1e4, -1e4, -1e4]).0, [0.25; 4]);
        assert_eq!(of(&[3.5]), (vec![1.0], vec![0.0]));
        assert_eq!(of(&[2.0, -INF, 2.0, -INF]).0, [0.5, 0.0, 0.5, 0.0]);
        assert_eq!(of(&[2.0, -INF]).1, [0.0, -INF]);
        assert!(of(&[-INF; 9]).0.iter().all(|p| p.is_nan()));
        assert!(of(&[-INF; 9]).1.iter().all(|p| p.is_nan()));
        assert_eq!(of(&[f32::MAX, -f32::MAX]).0, [1.0, 0.0]);
        assert_eq!(of(&[-f32::MAX; 2]).0, [0.5, 0.5]);
        for at in [0, 4, 8, 18] {
            for bad in [f32::NAN, INF] {
                let mut row = logits(19);
                row[at] = bad;
                assert!(of(&row).0.iter().all(|p| p.is_nan()), "{bad} at {at}");
            }
        }
        let ties = of(&[7.0; 1000]).0;
        assert!(ties.iter().all(|&p| p == ties[0] && (p - 1e-3).abs() < 1e-9));
    }
}

#[test]
fn gradients_are_the_slopes_of_the_reference() {
    for isa in Isa::available() {
        for cols in [1, 2, 9, 17] {
            let rows = 2;
            let input = logits(rows * cols);
            let grad_output: Vec<f32> = (0..rows * cols).map(|i| (i as f32 * 0.9).cos()).collect();
            let (mut output, mut grad) = (input.clone(), vec![0.0; input.len()]);
            type Backward = fn((usize, usize), &[f32], &[f32], &mut [f32], &Context);
            type Forward = fn(usize, usize, &[f32], &mut [f32], &Context);
            type Reference = fn(&[f64]) -> Vec<f64>;
            let pairs: [(Forward, Backward, Reference); 2] = [
                (softmax, softmax_backward, reference::softmax),
                (log_softmax, log_softmax_backward, reference::log_softmax),
            ];
            let context = Context::new(isa, Pool::single());
            for (forward, backward, reference) in pairs {
                forward(rows, cols, &input, &mut output, &context);
                backward((rows, cols), &output, &grad_output, &mut grad, &context);
                let loss = |row: &[f64], at: usize| -> f64 {
                    let grads = &grad_output[at..at + cols];
                    reference(row).iter().zip(grads).map(|(y, &g)| y * f64::from(g)).sum()
                };
                for (i, &got) in grad.iter().enumerate() {
                    let start = i / cols * cols;
                    let slope = slope(&wide(&input[start..start + cols]), i - start, |row| loss(row, start));
                    assert!((f64::from(got) - slope).abs() < 3e-6, "{cols} {i}: {got} {slope}");
                }
            }
        }
    }
}

fn slope(at: &[f64], i: usize, f: impl Fn(&[f64]) -> f64) -> f64 {
    let (mut up, mut down, h) = (at.to_vec(), at.to_vec(), 1e-5);
    up[i] += h;
    down[i] -= h;
    (f(&up) - f(&down)) / (2.0 * h)
}

#[test]
fn cross_entropy_and_its_gradient_are_the_reference_and_its_slope() {
    for isa in Isa::available() {
        for cols in [1, 2, 8, 10, 17] {
            let rows = 3;
            let input = logits(rows * cols);
            let targets: Vec<u32> = (0..rows).map(|i| (i * 7 % cols) as u32).collect();
            let weights: Vec<f32> = (0..cols).map(|c| 0.5 + c as f32 * 0.25).collect();
            for class_weights in [None, Some(&weights[..])] {
                for label_smoothing in [0.0f32, 0.1, 1.0] {
                    for mean in [true, false] {
                        let divisor = if mean { target_weight(&targets, class_weights) } else { 1.0 };
                        let mut grad = vec![f32::NAN; input.len()];
                        let arguments = |grad_logits| CrossEntropy {
                            cols,
                            logits: &input,
                            targets: &targets,
                            class_weights,
                            label_smoothing,
                            divisor,
                            grad_logits,
                        };
                        let sums = cross_entropy(arguments(Some(&mut grad)), &Context::new(isa, Pool::single()));
                        assert_eq!(sums, cross_entropy(arguments(None), &Context::new(isa, Pool::single())));
                        let loss = |logits: &[f64]| {
                            let smoothing = label_smoothing.into();
                            let (loss, weight) =
                                reference::cross_entropy(cols, logits, &targets, class_weights, smoothing);
                            if mean { loss / weight } else { loss }
                        };
                        let want = loss(&wide(&input));
                        assert!((sums.loss / divisor - want).abs() < 1e-5, "{} {want}", sums.loss);
                        for (i, &got) in grad.iter().enumerate() {
                            let slope = slope(&wide(&input), i, loss);
                            assert!((f64::from(got) - slope).abs() < 2e-5, "{i}: {got} {slope}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn cross_entropy_survives_masked_and_extreme_logits() {
    let run = |logits: &[f32], target| {
        let mut grad = vec![0.0; logits.len()];
        let arguments = CrossEntropy {
            cols: logits.len(),
            logits,
            targets: &[target],
            class_weights: None,
            label_smoothing: 0.0,
            divisor: 1.0,
            grad_logits: Some(&mut grad),
        };
        (cross_entropy(arguments, &Context::single()).loss, grad)
    };
    assert_eq!(run(&[0.0, f32::NEG_INFINITY], 0), (0.0, vec![0.0, 0.0]));
    assert_eq!(run(&[1e4, -1e4], 1), (2e4, vec![1.0, -1.0]));
    assert_eq!(run(&[0.0, f32::NEG_INFINITY], 1).0, f64::INFINITY);
    assert!(run(&[0.0, f32::NAN], 0).0.is_nan());
}

#[test]
fn ignored_rows_have_neither_loss_nor_weight_nor_gradient() {
    let (cols, input) = (9, logits(5 * 9));
    let weights: Vec<f32> = (0..cols).map(|c| 0.5 + c as f32 * 0.25).collect();
    for isa in Isa::available() {
        let context = Context::new(isa, Pool::single());
        let run = |logits: &[f32], targets: &[u32]| {
            let mut grad = vec![f32::NAN; logits.len()];
            let arguments = |grad_logits| CrossEntropy {
                cols,
                logits,
                targets,
                class_weights: Some(&weights),
                label_smoothing: 0.1,
                divisor: target_weight(targets, Some(&weights)),
                grad_logits,
            };
            let sums = cross_entropy(arguments(Some(&mut grad)), &context);
            assert_eq!(sums, cross_entropy(arguments(None), &context));
            (sums, grad)
        };
        let (sums, grad) = run(&input, &[3, IGNORED, 0, IGNORED, 8]);
        let kept = [&input[..9], &input[18..27], &input[36..]].concat();
        let (wanted, of_kept) = run(&kept, &[3, 0, 8]);
        assert_eq!(sums, wanted);
        assert_eq!([&grad[..9], &grad[18..27], &grad[36..]].concat(), of_kept);
        assert!(grad[9..18].iter().chain(&grad[27..36]).all(|grad| *grad == 0.0));
    }
}

#[test]
fn an_empty_batch_has_no_loss() {
    let arguments = CrossEntropy {
        cols: 4,
        logits: &[],
        targets: &[],
        class_weights: None,
        label_smoothing: 0.1,
        divisor: 1.0,
        grad_logits: None,
    };
    assert_eq!(cross_entropy(arguments, &Context::single()), CrossEntropySums { loss: 0.0, weight: 0.0 });
}

#[test]
#[should_panic(expected = "below the number of classes")]
fn a_target_outside_the_classes_is_refused() {
    let arguments = CrossEntropy {
        cols: 2,
        logits: &[0.0, 0.0],
        targets: &[2],
        class_weights: None,
        label_smoothing: 0.0,
        divisor: 1.0,
        grad_logits: None,
    };
    cross_entropy(arguments, &Context::single());
}

#[test]
fn results_are_the_same_for_any_thread_count() {
    let (rows, cols) = (7001, 10);
    let input = logits(rows * cols);
    let targets: Vec<u32> = (0..rows as u32).map(|i| i % 10).collect();
    let run = |isa: Isa, threads| {
        let context = Context::new(isa, Pool::new(threads));
        let (mut output, mut log, mut grad) = (input.clone(), input.clone(), input.clone());
        softmax(rows, cols, &input, &mut output, &context);
        log_softmax(rows, cols, &input, &mut log, &context);
        let mut back = input.clone();
        softmax_backward((rows, cols), &output, &input, &mut back, &context);
        let arguments = CrossEntropy {
            cols,
            logits: &input,
            targets: &targets,
            class_weights: None,
            label_smoothing: 0.1,
            divisor: 1.0,
            grad_logits: Some(&mut grad),
        };
        let sums = cross_entropy(arguments, &context);
        let bits: Vec<u32> = [output, log, grad, back].concat().into_iter().map(f32::to_bits).collect();
        (bits, sums.loss.to_bits())
    };
    for isa in Isa::available() {
        let one = run(isa, 1);
        assert!(run(isa, 2) == one && run(isa, 7) == one, "{isa:?}");
    }
}
