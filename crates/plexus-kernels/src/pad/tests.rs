//! Every border against the reference.

use super::*;
use crate::isa::Isa;
use crate::threads::Pool;

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|at| (at as f32 * 0.37).sin()).collect()
}

fn sizes() -> Vec<Pad> {
    let mut sizes = Vec::new();
    for border in [Border::Constant(0.0), Border::Constant(-2.5), Border::Reflect, Border::Replicate] {
        for channels in [1, 3, 17] {
            for (height, width, sides) in
                [(3, 4, [1, 2, 2, 3]), (5, 4, [0, 0, 0, 0]), (7, 2, [6, 1, 0, 1]), (1, 3, [0, 2, 0, 0])]
            {
                sizes.push(Pad { height, width, channels, sides, border });
            }
        }
    }
    sizes
}

#[test]
fn borders_and_their_gradients_are_those_of_the_reference() {
    let context = Context::single();
    for sizes in sizes() {
        let input = values(2 * sizes.height * sizes.width * sizes.channels);
        let want = reference::pad(&sizes, 2, &input);
        let mut output = vec![9.0; want.len()];
        pad(sizes, 2, &input, &mut output, &context);
        assert_eq!(output, want, "{sizes:?}");

        let mut cut = vec![9.0; input.len()];
        crop(sizes, 2, &output, &mut cut, &context);
        assert_eq!(cut, input, "{sizes:?}");

        let grads = values(want.len());
        let mut grad_input = vec![9.0; input.len()];
        pad_backward(sizes, 2, &grads, &mut grad_input, &context);
        for (got, want) in grad_input.iter().zip(reference::pad_backward(&sizes, 2, &grads)) {
            assert!((f64::from(*got) - want).abs() < 1e-5, "{sizes:?}: {got} want {want}");
        }
    }
}

#[test]
fn borders_of_pixels_that_are_not_there_have_no_size() {
    let plain = Pad { height: 2, width: 3, channels: 1, sides: [1, 2, 1, 2], border: Border::Reflect };
    assert_eq!(plain.output(), Some([4, 7]));
    assert_eq!(Pad { sides: [2, 0, 0, 0], ..plain }.output(), None);
    assert_eq!(Pad { sides: [2, 0, 0, 0], border: Border::Replicate, ..plain }.output(), Some([4, 3]));
    assert_eq!(Pad { height: 0, border: Border::Replicate, ..plain }.output(), None);
    assert_eq!(Pad { height: 0, border: Border::Constant(0.0), ..plain }.output(), Some([2, 7]));
    assert_eq!(Pad { height: usize::MAX, border: Border::Constant(0.0), ..plain }.output(), None);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let sizes = Pad { height: 40, width: 50, channels: 9, sides: [5, 6, 7, 8], border: Border::Reflect };
    let input = values(3 * 40 * 50 * 9);
    let run = |isa: Isa, threads: usize| {
        let context = Context::new(isa, Pool::new(threads));
        let (mut output, mut grad) = (vec![0.0; 3 * 52 * 64 * 9], vec![0.0; input.len()]);
        pad(sizes, 3, &input, &mut output, &context);
        pad_backward(sizes, 3, &output, &mut grad, &context);
        (output, grad)
    };
    for isa in Isa::available() {
        let one = run(isa, 1);
        assert!(run(isa, 2) == one && run(isa, 7) == one, "{isa:?}");
    }
}
