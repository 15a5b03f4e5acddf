//! Every instruction set against the reference.

use super::*;
use crate::isa::Isa;
use crate::threads::Pool;

fn values(len: usize, step: f32) -> Vec<f32> {
    (0..len).map(|at| (at as f32 * step).sin() * 3.0).collect()
}

/// Forward and backward.
fn run(window: Window, rows: usize, channels: usize, context: &Context) -> [Vec<f32>; 2] {
    let (input, grads) = (values(rows * channels, 0.37), values(rows * channels, 0.73));
    let mut output = vec![9.0; input.len()];
    let (mut reciprocal, mut grad_input) = (output.clone(), output.clone());
    let kept = Some(&mut reciprocal[..]);
    lrn(Lrn { window, rows, channels, input: &input, output: &mut output, reciprocal: kept }, context);
    let (reciprocal, grad_output) = (&reciprocal[..], &grads[..]);
    let (input, grad_input_) = (&input[..], &mut grad_input[..]);
    let call = LrnBackward {
        window,
        rows,
        channels,
        input,
        output: &output,
        reciprocal,
        grad_output,
        grad_input: grad_input_,
    };
    lrn_backward(call, context);
    [output, grad_input]
}

#[test]
fn forward_and_backward_are_those_of_the_reference() {
    for isa in Isa::available() {
        let context = Context::new(isa, Pool::single());
        for channels in [1, 3, 8, 16, 17, 35, 96] {
            for size in [1, 2, 3, 4, 5, 8, 40] {
                for (alpha, beta, k) in [(0.2, 0.75, 2.0), (1.0, 0.5, 1.0), (0.5, 1.0, 0.5), (0.3, 0.6, 1.0)] {
                    let window = Window { size, alpha, beta, k };
                    let [output, grads] = run(window, 3, channels, &context);
                    let (input, grad_output) = (values(3 * channels, 0.37), values(3 * channels, 0.73));
                    let want = reference::lrn(&window, channels, &input);
                    let want_grads = reference::lrn_backward(&window, channels, &input, &grad_output);
                    for (got, want) in output.iter().zip(&want).chain(grads.iter().zip(&want_grads)) {
                        let close = (f64::from(*got) - want).abs() <= 2e-5 * (1.0 + want.abs());
                        assert!(close, "{isa:?} {channels} {window:?}: {got} want {want}");
                    }
                }
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let window = Window { size: 5, alpha: 0.1, beta: 0.75, k: 2.0 };
    let of = |isa: Isa, threads: usize| run(window, 3000, 19, &Context::new(isa, Pool::new(threads)));
    for isa in Isa::available() {
        let one = of(isa, 1);
        assert!(of(isa, 2) == one && of(isa, 7) == one, "{isa:?}");
    }
}
