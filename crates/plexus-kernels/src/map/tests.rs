use super::*;
use crate::isa::Isa;
use crate::threads::Pool;

#[derive(Clone, Copy)]
enum Math {
    Exp,
    ExpM1,
    Tanh,
    Sigmoid,
    Erf,
    Log1pUnit,
}

struct Run<'a>(Math, &'a mut [f32]);

impl Vectorized for Run<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for v in self.1.chunks_exact_mut(S::LEN) {
            let x = s.load(v);
            let y = match self.0 {
                Math::Exp => math::exp(s, x),
                Math::ExpM1 => math::exp_m1(s, x),
                Math::Tanh => math::tanh(s, x),
                Math::Sigmoid => math::sigmoid(s, x),
                Math::Erf => math::erf(s, x),
                Math::Log1pUnit => math::log1p_unit(s, x),
            };
            s.store(y, v);
        }
    }
}

/// Every so many bit patterns of the 32-bit range, and the special ones.
fn sweep(step: usize) -> Vec<f32> {
    let mut values: Vec<f32> = (0..=u32::MAX).step_by(step).map(f32::from_bits).collect();
    for edge in [0.0, 1.0, 3.0, 20.0, 87.336_54, 88.7228, 88.722_84, 88.8, 104.0, 1e-38, 1e-45, f32::MAX, f32::INFINITY]
    {
        values.extend([edge, -edge, edge * 1.000_001, edge * -1.000_001]);
    }
    values.push(f32::NAN);
    values.resize(values.len().next_multiple_of(16), 0.5);
    values
}

/// The distance to the exact value in units of the last place of the nearest float; denormals count as zero.
fn ulps(got: f32, want: f64) -> f64 {
    let nearest = want as f32;
    if got.is_nan() || want.is_nan() {
        return if got.is_nan() && want.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if got == nearest || (got.abs() <= f32::MIN_POSITIVE && nearest.abs() <= f32::MIN_POSITIVE) {
        return 0.0;
    }
    if nearest.is_infinite() || got.is_infinite() {
        return if got.abs() == f32::MAX || nearest.abs() == f32::MAX { 1.0 } else { f64::INFINITY };
    }
    let unit = f64::from(f32::from_bits(nearest.abs().max(f32::MIN_POSITIVE).to_bits() + 1))
        - f64::from(nearest.abs().max(f32::MIN_POSITIVE));
    (f64::from(got) - want).abs() / unit
}

#[test]
fn elementary_functions_stay_within_their_bounds_over_the_whole_range() {
    type Exact = fn(f64) -> f64;
    let rows: [(&str, Math, Exact, f64); 6] = [
        ("exp", Math::Exp, f64::exp, 2.0),
        ("exp_m1", Math::ExpM1, f64::exp_m1, 3.0),
        ("tanh", Math::Tanh, f64::tanh, 4.0),
        ("sigmoid", Math::Sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 4.0),
        ("erf", Math::Erf, reference::erf, 4.0),
        ("log1p_unit", Math::Log1pUnit, f64::ln_1p, 3.0),
    ];
    let all = sweep(4093);
    for (name, function, exact, bound) in rows {
        let mut inputs = all.clone();
        // A finer look at where the function is neither constant nor its tangent.
        inputs.extend((-640_000..640_000).map(|i| i as f32 * (1.0 / 6400.0)));
        if matches!(function, Math::Log1pUnit) {
            inputs.retain(|x| (0.0..=1.0).contains(x) || x.is_nan());
            inputs.resize(inputs.len().next_multiple_of(16), 0.5);
        }
        for isa in Isa::available() {
            let mut outputs = inputs.clone();
            isa.run(Run(function, &mut outputs));
            let (mut worst, mut at) = (0.0, 0.0);
            for (&x, &y) in inputs.iter().zip(&outputs) {
                let distance = ulps(y, exact(f64::from(x)));
                if distance > worst {
                    (worst, at) = (distance, x);
                }
            }
            println!("{name} {}: {worst:.2} ULP at {at:e}", isa.name());
            assert!(worst <= bound, "{name} on {} is {worst} ULP off at {at:e}", isa.name());
        }
    }
}

/// Every function of the table, and some with other parameters.
fn functions() -> Vec<Function> {
    let mut functions: Vec<Function> = FUNCTIONS.iter().map(|row| row.default).collect();
    functions.extend([
        Function::LeakyRelu { slope: 0.0 },
        Function::LeakyRelu { slope: -0.5 },
        Function::LeakyRelu { slope: 0.3 },
        Function::Elu { alpha: 0.5 },
        Function::Elu { alpha: -1.0 },
    ]);
    functions
}

fn assert_close(what: &str, x: f32, got: f32, want: f64, ulp: f64, absolute: f64) {
    let near = (f64::from(got) - want).abs() <= absolute.max(4.0 * f64::from(f32::MIN_POSITIVE));
    assert!(near || ulps(got, want) <= ulp, "{what} of {x:e} is {got:e}, exactly {want:e}, {} ULP", ulps(got, want));
}

#[test]
fn every_function_is_its_formula_within_its_tolerance() {
    let inputs = sweep(65_521);
    for isa in Isa::available() {
        for function in functions() {
            let row = function.row();
            let mut outputs = vec![0.0; inputs.len()];
            forward(function, &inputs, &mut outputs, &Context::new(isa, Pool::single()));
            for (&x, &y) in inputs.iter().zip(&outputs) {
                let want = reference::apply(function, f64::from(x));
                let what = format!("{} on {}", row.name, isa.name());
                assert_close(&what, x, y, want, row.ulp.into(), row.absolute.into());
            }
        }
    }
}

#[test]
fn every_derivative_is_its_formula() {
    let inputs = sweep(65_521);
    let grads: Vec<f32> = (0..inputs.len()).map(|i| [1.0, -2.5, 0.75][i % 3]).collect();
    for isa in Isa::available() {
        for function in functions() {
            let mut grad_input = vec![f32::NAN; inputs.len()];
            backward(function, Saved::Input(&inputs), &grads, &mut grad_input, &Context::new(isa, Pool::single()));
            let mut in_place = grads.clone();
            backward_in_place(function, Saved::Input(&inputs), &mut in_place, &Context::new(isa, Pool::single()));
            for ((&x, &g), &got) in inputs.iter().zip(&grads).zip(&grad_input) {
                // The formulas with a product of huge and tiny numbers are not numbers at the ends, in both.
                if x.is_nan() || x.abs() > 1e9 || x.abs() < f32::MIN_POSITIVE {
                    continue;
                }
                let slope = reference::derivative(function, f64::from(x));
                // A slope beyond f32 is infinite, also where a small gradient would bring the product back.
                if slope.abs() > f64::from(f32::MAX) {
                    continue;
                }
                let want = slope * f64::from(g);
                assert_close(&format!("{}' on {}", function.name(), isa.name()), x, got, want, 16.0, 3e-6);
            }
            assert!(in_place.iter().zip(&grad_input).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }
}

#[test]
fn the_derivative_from_the_output_is_the_one_from_the_input() {
    let inputs: Vec<f32> = sweep(65_521).into_iter().filter(|x| x.abs() < 1e9).collect();
    let grads = vec![1.0f32; inputs.len()];
    for isa in Isa::available() {
        for function in functions().into_iter().filter(|function| function.derivative_from_output()) {
            let (mut outputs, mut from_input) = (inputs.clone(), grads.clone());
            forward_in_place(function, &mut outputs, &Context::new(isa, Pool::single()));
            backward_in_place(function, Saved::Input(&inputs), &mut from_input, &Context::new(isa, Pool::single()));
            let mut from_output = vec![0.0; inputs.len()];
            backward(function, Saved::Output(&outputs), &grads, &mut from_output, &Context::new(isa, Pool::single()));
            for i in 0..inputs.len() {
                let what = format!("{}' on {} from its output", function.name(), isa.name());
                assert_close(&what, inputs[i], from_output[i], from_input[i].into(), 4.0, 3e-7);
            }
        }
    }
}

#[test]
fn the_reference_derivative_is_the_slope_of_the_reference() {
    for function in functions() {
        for i in -80..80 {
            let (x, h) = (f64::from(i) * 0.1 + 0.013, 1e-5);
            let slope = (reference::apply(function, x + h) - reference::apply(function, x - h)) / (2.0 * h);
            let want = reference::derivative(function, x);
            let near = (slope - want).abs() < 1e-8 * want.abs().max(1.0);
            assert!(near, "{}'({x}) is {slope}, not {want}", function.name());
        }
    }
}

#[test]
fn corners_have_the_subgradients_of_the_contract() {
    let at = |function, x: f32| {
        let mut grad = [1.0];
        backward_in_place(function, Saved::Input(&[x]), &mut grad, &Context::single());
        grad[0]
    };
    for zero in [0.0, -0.0] {
        assert_eq!(at(Function::Relu, zero), 0.0);
        assert_eq!(at(Function::LeakyRelu { slope: 0.25 }, zero), 0.25);
        assert_eq!(at(Function::Elu { alpha: 0.5 }, zero), 0.5);
    }
    assert_eq!(at(Function::HardSigmoid, 3.0), 0.0);
    assert_eq!(at(Function::HardSigmoid, -3.0), 0.0);
}

#[test]
fn relu_keeps_nan_and_the_sign_of_zero() {
    for isa in Isa::available() {
        let mut values = [f32::NAN, -0.0, 0.0, -1.0, f32::INFINITY, f32::NEG_INFINITY];
        forward_in_place(Function::Relu, &mut values, &Context::new(isa, Pool::single()));
        assert!(values[0].is_nan());
        let bits: Vec<u32> = values[1..].iter().map(|v| v.to_bits()).collect();
        assert_eq!(bits, [-0.0f32, 0.0, 0.0, f32::INFINITY, 0.0].map(f32::to_bits));
    }
}

#[test]
fn every_length_and_alignment_gives_the_same_values_and_leaves_the_guards() {
    let source: Vec<f32> = (0..80).map(|i| (i as f32 * 0.37).sin() * 5.0).collect();
    for isa in Isa::available() {
        for function in functions() {
            let mut whole = vec![0.0; source.len()];
            forward(function, &source, &mut whole, &Context::new(isa, Pool::single()));
            let mut whole_grad = vec![0.0; source.len()];
            backward(function, Saved::Input(&source), &source, &mut whole_grad, &Context::new(isa, Pool::single()));
            for len in [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 61] {
                for start in [0, 1, 3] {
                    let range = start..start + len;
                    let mut output = vec![-77.0; len + 4];
                    forward(
                        function,
                        &source[range.clone()],
                        &mut output[2..2 + len],
                        &Context::new(isa, Pool::single()),
                    );
                    assert_eq!(output[2..2 + len], whole[range.clone()]);
                    let mut grad = vec![-77.0; len + 4];
                    let saved = Saved::Input(&source[range.clone()]);
                    let grads = &source[range.clone()];
                    backward(function, saved, grads, &mut grad[2..2 + len], &Context::new(isa, Pool::single()));
                    assert_eq!(grad[2..2 + len], whole_grad[range]);
                    for guarded in [&output, &grad] {
                        assert!([0, 1, len + 2, len + 3].iter().all(|&i| guarded[i] == -77.0));
                    }
                }
            }
        }
    }
}

#[test]
fn the_output_is_the_same_for_any_thread_count() {
    let input: Vec<f32> = (0..100_003).map(|i| (i as f32 * 0.7).sin() * 12.0).chain([1e-40]).collect();
    for function in functions() {
        let run = |threads| {
            let context = Context::detect(Pool::new(threads));
            let (mut output, mut grad) = (vec![0.0; input.len()], input.clone());
            forward(function, &input, &mut output, &context);
            backward_in_place(function, Saved::Input(&input), &mut grad, &context);
            output.into_iter().chain(grad).map(f32::to_bits).collect::<Vec<u32>>()
        };
        assert!(run(1) == run(2) && run(1) == run(7), "{}", function.name());
    }
}

#[test]
fn names_are_unique_and_found_again() {
    for row in FUNCTIONS {
        assert_eq!(Function::named(row.name), Some(row.default));
        assert_eq!(row.default.name(), row.name);
    }
    assert_eq!(Function::named("relo"), None);
}

#[test]
#[should_panic(expected = "gelu needs its input")]
fn an_output_that_does_not_determine_the_derivative_is_refused() {
    backward_in_place(Function::Gelu, Saved::Output(&[1.0]), &mut [1.0], &Context::single());
}
