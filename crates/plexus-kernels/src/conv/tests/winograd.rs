//! The forms with fewer products.

use super::*;

/// How many times as large as that of direct convolution the error of an output may be in these tests. Measured are 1 to 12 at
/// single outputs; what is proven is larger (docs/numerics.md).
pub(super) const GROWTH: f64 = 40.0;

/// Geometries of every form: odd maps, borders of every width, filters and channels that fill no vector, groups, more channels
/// than one block of sums has.
fn geometries() -> Vec<(Winograd, Geometry)> {
    let plain = Geometry::plain;
    let (two3, four3, two5) = (Winograd::Two3, Winograd::Four3, Winograd::Two5);
    vec![
        (two3, plain([32, 12, 12], 32, [3, 3])),
        (two3, Geometry { padding: [1; 4], ..plain([37, 13, 13], 35, [3, 3]) }),
        (two3, Geometry { padding: [0, 1, 2, 1], ..plain([33, 9, 11], 70, [3, 3]) }),
        (two3, Geometry { padding: [2; 4], groups: 2, ..plain([80, 9, 10], 66, [3, 3]) }),
        (two3, Geometry { padding: [1; 4], ..plain([520, 10, 10], 32, [3, 3]) }),
        (four3, Geometry { padding: [1; 4], ..plain([32, 27, 27], 33, [3, 3]) }),
        (four3, plain([41, 30, 29], 130, [3, 3])),
        (four3, Geometry { padding: [1, 0, 0, 1], ..plain([48, 26, 33], 40, [3, 3]) }),
        (four3, Geometry { padding: [1; 4], groups: 3, ..plain([96, 28, 28], 108, [3, 3]) }),
        (two5, Geometry { padding: [2; 4], ..plain([32, 13, 13], 32, [5, 5]) }),
        (two5, Geometry { padding: [2, 0, 1, 4], ..plain([36, 14, 15], 50, [5, 5]) }),
        (two5, Geometry { padding: [2; 4], groups: 2, ..plain([64, 13, 14], 70, [5, 5]) }),
    ]
}

#[test]
fn every_row_matches_the_reference() {
    for kernel in available() {
        for (form, geometry) in geometries() {
            assert_eq!(Winograd::of(&geometry, Precision::Standard), Some(form), "{geometry:?}");
            assert_eq!(Winograd::of(&geometry, Precision::Highest), None);
            check(&row(kernel), geometry).unwrap_or_else(|refusal| panic!("{kernel:?} {refusal}"));
        }
    }
}

/// The root of the mean square of the differences, by that of the numbers.
fn error(got: &[f32], want: &[f64]) -> f64 {
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
    let differences = squares(&mut got.iter().zip(want).map(|(&got, want)| f64::from(got) - want));
    (differences / squares(&mut want.iter().copied())).sqrt()
}

#[test]
fn errors_are_a_few_times_those_of_direct_convolution() {
    for (form, kernel, padding, side, most) in
        [(Winograd::Two3, 3, 1, 13, 1.2), (Winograd::Four3, 3, 1, 28, 4.0), (Winograd::Two5, 5, 2, 14, 4.0)]
    {
        let geometry = Geometry { padding: [padding; 4], ..Geometry::plain([128, side, side], 32, [kernel; 2]) };
        assert_eq!(Winograd::of(&geometry, Precision::Standard), Some(form));
        let (input, weight) = (values(geometry.input_len(), 1), values(geometry.weight_len(), 2));
        let (want, _) = reference::conv(&geometry, 1, &input, &weight, None);
        let errors = [Precision::Highest, Precision::Standard].map(|precision| {
            let mut output = vec![0.0; want.len()];
            let context = Context::single().with_precision(precision);
            let (function, output_of) = (Function::Identity, &mut output[..]);
            let (batch, bias, pooling, packed) = (1, None, None, true);
            run(
                Call {
                    geometry,
                    batch,
                    input: &input,
                    weight: &weight,
                    bias,
                    function,
                    pooling,
                    packed,
                    output: output_of,
                },
                &context,
            );
            error(&output, &want)
        });
        println!("{form:?}: {:.2e}, direct {:.2e}, {:.2} times", errors[1], errors[0], errors[1] / errors[0]);
        assert!(errors[1] < most * errors[0], "{form:?} {errors:?}");
    }
}

#[test]
fn rows_that_are_consistent_give_the_same_bits_for_any_threads_and_batch() {
    for (_, geometry) in geometries() {
        let input = values(3 * geometry.input_len(), 5);
        let mut first: Option<Vec<u32>> = None;
        for kernel in available().filter(|kernel| kernel.consistent) {
            for threads in [1, 2, 7] {
                let context = Context::new(kernel.isa, Pool::new(threads));
                let got = results(&context, geometry, 3, &input);
                assert!(first.get_or_insert_with(|| got.clone()) == &got, "{kernel:?} {geometry:?} {threads}");
            }
        }
    }
}

#[test]
fn the_gradient_of_the_input_matches_the_reference() {
    for kernel in available() {
        let context = Context::new(kernel.isa, Pool::new(2));
        for (_, geometry) in geometries() {
            let Some(mirrored) = geometry.mirrored() else { continue };
            assert_eq!(mirrored.output(), Some([geometry.height, geometry.width]));
            let (batch, weight) = (2, values(geometry.weight_len(), 2));
            let grad_output = values(batch * geometry.output_len(), 4);
            let (mut want, sizes) = reference::backward_input(&geometry, batch, &grad_output, &weight);
            let before = values(batch * geometry.input_len(), 5);
            for accumulate in [false, true] {
                let mut grad_input = before.clone();
                let (grad_output, weight, grad) = (&grad_output[..], &weight[..], &mut grad_input[..]);
                let call = ConvBackwardInput { geometry, batch, grad_output, weight, grad_input: grad, accumulate };
                conv_backward_input(call, &mut Scratch::default(), &context);
                if accumulate {
                    want.iter_mut().zip(&before).for_each(|(want, &before)| *want += f64::from(before));
                }
                let sizes = sizes.iter().map(|size| size + 1.0).collect();
                let steps = GROWTH * steps(mirrored.depth());
                close(&grad_input, &(want.clone(), sizes), steps)
                    .unwrap_or_else(|error| panic!("{kernel:?} {geometry:?} {error}"));
            }
        }
    }
}

#[test]
fn transformed_weights_do_not_come_back() {
    let context = Context::single();
    let (_, geometry) = geometries()[0];
    let packed = PackedWeight::new(&geometry, &values(geometry.weight_len(), 1), &context);
    assert_eq!((packed.is_exact(), packed.unpack()), (false, None));
    assert_eq!((packed.bytes(), false), PackedWeight::bytes_for(&geometry, &context));
}
