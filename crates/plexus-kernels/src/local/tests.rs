//! Every instruction set against the reference.

use super::*;
use crate::isa::Isa;

fn values(len: usize, step: f32) -> Vec<f32> {
    (0..len).map(|at| (at as f32 * step).sin()).collect()
}

fn close(got: &[f32], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((f64::from(*got) - want).abs() <= 2e-5, "{got} want {want}");
    }
}

/// Output, and the gradients of weight and input.
fn run(geometry: &Geometry, batch: usize, context: &Context) -> [Vec<f32>; 3] {
    let outputs = geometry.output_len();
    let (input, weight) = (values(batch * geometry.input_len(), 0.37), values(weight_len(geometry).unwrap(), 0.71));
    let (bias, grads) = (values(outputs, 0.9), values(batch * outputs, 0.53));
    let mut output = vec![9.0; batch * outputs];
    let bias = Some(&bias[..]);
    local(Local { geometry: *geometry, batch, input: &input, weight: &weight, bias, output: &mut output }, context);
    let (mut grad_weight, mut grad_input) = (vec![1.0; weight.len()], vec![9.0; input.len()]);
    local_backward_weight(geometry, batch, &input, &grads, &mut grad_weight, context);
    local_backward_input(geometry, batch, &grads, &weight, &mut grad_input, context);
    [output, grad_weight, grad_input]
}

#[test]
fn outputs_and_gradients_are_those_of_the_reference() {
    let mut geometries = Vec::new();
    for channels in [1, 3, 17] {
        let plain = Geometry::plain([channels, 5, 7], 3, [3, 2]);
        geometries.extend([
            plain,
            Geometry { stride: [2, 3], ..plain },
            Geometry { padding: [1, 2, 1, 1], ..plain },
            Geometry { kernel: [5, 7], ..plain },
            Geometry { kernel: [1, 1], filters: 1, padding: [1, 1, 2, 2], stride: [3, 2], ..plain },
        ]);
    }
    for isa in Isa::available() {
        let context = Context::new(isa, Pool::single());
        for geometry in &geometries {
            for batch in [0, 1, 3] {
                let [output, grad_weight, grad_input] = run(geometry, batch, &context);
                let outputs = geometry.output_len();
                let weight = values(grad_weight.len(), 0.71);
                let (input, grads) = (values(batch * geometry.input_len(), 0.37), values(batch * outputs, 0.53));
                close(&output, &reference::local(geometry, batch, &input, &weight, &values(outputs, 0.9)));
                let mut want = reference::backward_weight(geometry, batch, &input, &grads, weight.len());
                want.iter_mut().for_each(|want| *want += 1.0);
                close(&grad_weight, &want);
                close(&grad_input, &reference::backward_input(geometry, batch, &grads, &weight));
            }
        }
    }
}

#[test]
fn any_number_of_threads_and_any_batch_gives_the_same_bits() {
    let geometry = Geometry { padding: [1; 4], ..Geometry::plain([5, 19, 23], 4, [3, 3]) };
    let of = |threads: usize| run(&geometry, 3, &Context::detect(Pool::new(threads)));
    let one = of(1);
    assert!(of(2) == one && of(7) == one);
    let single = run(&geometry, 1, &Context::single());
    assert_eq!(one[0][..geometry.output_len()], single[0][..]);
    assert_eq!(one[2][..geometry.input_len()], single[2][..]);
}
