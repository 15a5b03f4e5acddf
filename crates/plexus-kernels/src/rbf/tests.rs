use super::*;

fn values(len: usize, step: f32) -> Vec<f32> {
    (0..len).map(|at| (at as f32 * step + 0.3).sin() * 2.0).collect()
}

/// Distances and gradients, with guards around the results.
fn run(size: Size, input: &[f32], center: &[f32], grads: &[f32], threads: usize) -> (Vec<f32>, Vec<f32>) {
    let pool = Pool::new(threads);
    let (mut output, mut grad_input) = (vec![-77.0; grads.len() + 2], vec![-77.0; input.len() + 2]);
    forward(size, input, center, &mut output[1..=grads.len()], &pool);
    backward(size, input, center, grads, &mut grad_input[1..=input.len()], &pool);
    for guarded in [&output, &grad_input] {
        assert!(guarded[0] == -77.0 && guarded[guarded.len() - 1] == -77.0);
    }
    (output[1..=grads.len()].to_vec(), grad_input[1..=input.len()].to_vec())
}

#[test]
fn distances_and_gradients_are_the_reference_at_odd_sizes() {
    for features in [0, 1, 2, 3, 4, 5, 7, 17, 84] {
        for points in [0, 1, 3, 10] {
            for rows in [0, 1, 2, 7] {
                let size = Size { rows, features, points };
                let (input, center) = (values(rows * features, 0.37), values(points * features, 0.71));
                let grads = values(rows * points, 0.53);
                let (output, grad_input) = run(size, &input, &center, &grads, 1);
                let largest = 16.0 * features as f64;
                for (got, want) in output.iter().zip(reference::forward(size, &input, &center)) {
                    // Sums in f64 are rounded once.
                    assert!((f64::from(*got) - want).abs() <= 6e-8 * largest, "{size:?}: {got} {want}");
                }
                for (got, want) in grad_input.iter().zip(reference::backward(size, &input, &center, &grads)) {
                    // Each term is at most 2 · 2 · 4, and each has a few roundings.
                    let bound = 16.0 * points as f64 * (points + 3) as f64 * 6e-8;
                    assert!((f64::from(*got) - want).abs() <= bound, "{size:?}: {got} {want}");
                }
            }
        }
    }
}

#[test]
fn results_are_the_same_for_any_thread_count_and_for_a_row_alone() {
    let size = Size { rows: 301, features: 85, points: 10 };
    let (input, center) = (values(size.rows * 85, 0.37), values(10 * 85, 0.71));
    let grads = values(size.rows * 10, 0.53);
    let one = run(size, &input, &center, &grads, 1);
    assert!(run(size, &input, &center, &grads, 2) == one && run(size, &input, &center, &grads, 7) == one);
    for row in [0, 1, 150, 300] {
        let alone = Size { rows: 1, ..size };
        let (output, grad) = run(alone, &input[row * 85..][..85], &center, &grads[row * 10..][..10], 1);
        assert_eq!(output, one.0[row * 10..][..10]);
        assert_eq!(grad, one.1[row * 85..][..85]);
    }
}

#[test]
fn special_values_stay_in_their_row() {
    let size = Size { rows: 3, features: 2, points: 1 };
    let input = [f32::NAN, 0.0, f32::INFINITY, 0.0, 1.0, 2.0];
    let (output, grad) = run(size, &input, &[0.0, 0.0], &[1.0; 3], 1);
    assert!(output[0].is_nan() && grad[0].is_nan());
    assert_eq!((output[1], output[2]), (f32::NEG_INFINITY, -5.0));
    assert_eq!((grad[2], grad[4], grad[5]), (f32::NEG_INFINITY, -2.0, -4.0));
}
