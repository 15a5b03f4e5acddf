use super::reference::Common;
use super::*;
use crate::Context;
use crate::isa::Isa;
use crate::threads::Pool;

fn wave(len: usize, speed: f32) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * speed).sin() * 2.0 + 0.01).collect()
}

/// An optimizer and its settings, for the loops below.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Sgd { momentum: f64, nesterov: bool },
    Adam,
    RmsProp { momentum: f64 },
}

const KINDS: [Kind; 6] = [
    Kind::Sgd { momentum: 0.0, nesterov: false },
    Kind::Sgd { momentum: 0.9, nesterov: false },
    Kind::Sgd { momentum: 0.9, nesterov: true },
    Kind::Adam,
    Kind::RmsProp { momentum: 0.0 },
    Kind::RmsProp { momentum: 0.5 },
];

const COMMONS: [Common; 3] = [
    Common { learning_rate: 0.01, weight_decay: 0.0, decoupled: false },
    Common { learning_rate: 0.01, weight_decay: 0.1, decoupled: false },
    Common { learning_rate: 0.01, weight_decay: 0.1, decoupled: true },
];

/// Parameters, two slices of state.
type State = [Vec<f32>; 3];

fn step(context: &Context, (kind, common): (Kind, Common), step: u64, state: &mut State, grads: &[f32], at: usize) {
    let range = at..at + grads.len();
    let [params, first, second] = state;
    let (params, first, second) = (&mut params[range.clone()], &mut first[range.clone()], &mut second[range]);
    let Common { learning_rate, weight_decay, decoupled } = common;
    match kind {
        Kind::Sgd { momentum, nesterov } => {
            let velocity = (momentum != 0.0).then_some(first);
            sgd(
                Sgd { params, grads, velocity, step, learning_rate, momentum, nesterov, weight_decay, decoupled },
                context,
            );
        }
        Kind::Adam => {
            let arguments = Adam {
                params,
                grads,
                first_moment: first,
                second_moment: second,
                step,
                learning_rate,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                weight_decay,
                decoupled,
            };
            adam(arguments, context);
        }
        Kind::RmsProp { momentum } => {
            let arguments = RmsProp {
                params,
                grads,
                square_average: first,
                velocity: (momentum != 0.0).then_some(second),
                learning_rate,
                alpha: 0.99,
                epsilon: 1e-8,
                momentum,
                weight_decay,
                decoupled,
            };
            rms_prop(arguments, context);
        }
    }
}

fn step_reference(kind: Kind, common: Common, step: u64, param: &mut f64, state: &mut (f64, f64), grad: f64) {
    match kind {
        Kind::Sgd { momentum, nesterov } => {
            reference::sgd(common, momentum, nesterov, step, param, grad, &mut state.0);
        }
        Kind::Adam => reference::adam(common, (0.9, 0.999, 1e-8), step, param, grad, state),
        Kind::RmsProp { momentum } => reference::rms_prop(common, (0.99, 1e-8, momentum), param, grad, state),
    }
}

#[test]
fn five_steps_follow_the_reference_at_every_length_and_leave_the_guards() {
    for isa in Isa::available() {
        for kind in KINDS {
            for common in COMMONS {
                for len in [0, 1, 7, 8, 9, 15, 16, 17, 101] {
                    let mut state: State = [wave(len + 2, 0.7), vec![0.0; len + 2], vec![0.0; len + 2]];
                    let before = state.clone();
                    let mut wanted: Vec<(f64, (f64, f64))> =
                        state[0][1..=len].iter().map(|&p| (p.into(), (0.0, 0.0))).collect();
                    for t in 1..=5 {
                        let grads = wave(len, 1.1 + t as f32);
                        step(&Context::new(isa, Pool::single()), (kind, common), t, &mut state, &grads, 1);
                        for ((param, state), &grad) in wanted.iter_mut().zip(&grads) {
                            step_reference(kind, common, t, param, state, grad.into());
                        }
                    }
                    for (i, (want, _)) in wanted.iter().enumerate() {
                        let got = f64::from(state[0][i + 1]);
                        assert!((got - want).abs() < 3e-6 * (1.0 + want.abs()), "{kind:?} {common:?} {got} {want}");
                    }
                    for (after, before) in state.iter().zip(&before) {
                        assert_eq!((after[0], after[len + 1]), (before[0], before[len + 1]));
                    }
                }
            }
        }
    }
}

#[test]
fn bits_are_the_same_for_any_thread_count_cut_and_instruction_set() {
    let len = 50_001;
    let run = |isa, kind, threads, cut: usize| {
        let mut state: State = [wave(len, 0.7), vec![0.0; len], vec![0.0; len]];
        for t in 1..=2 {
            let grads = wave(len, 1.3 + t as f32);
            let context = Context::new(isa, Pool::new(threads));
            step(&context, (kind, COMMONS[1]), t, &mut state, &grads[..cut], 0);
            step(&context, (kind, COMMONS[1]), t, &mut state, &grads[cut..], cut);
        }
        state.concat().into_iter().map(f32::to_bits).collect::<Vec<u32>>()
    };
    for kind in KINDS {
        let want = run(Isa::Portable, kind, 1, 0);
        for isa in Isa::available() {
            for (threads, cut) in [(1, 0), (2, 0), (7, 0), (2, 333)] {
                assert!(run(isa, kind, threads, cut) == want, "{kind:?} {} {threads} {cut}", isa.name());
            }
        }
    }
}

#[test]
fn the_first_step_of_adam_is_the_learning_rate_along_the_sign() {
    let mut state: State = [vec![1.0, 1.0], vec![0.0; 2], vec![0.0; 2]];
    step(&Context::single(), (Kind::Adam, COMMONS[0]), 1, &mut state, &[1e-3, -50.0], 0);
    assert!((state[0][0] - 0.99).abs() < 1e-6 && (state[0][1] - 1.01).abs() < 1e-6, "{:?}", state[0]);
}

#[test]
fn the_first_step_with_momentum_forgets_what_was_in_the_buffer() {
    let mut state: State = [vec![1.0], vec![f32::NAN], vec![]];
    state[2].push(0.0);
    let kind = Kind::Sgd { momentum: 0.9, nesterov: false };
    step(&Context::single(), (kind, COMMONS[0]), 1, &mut state, &[2.0], 0);
    assert_eq!((state[0][0], state[1][0]), (1.0 - 0.01 * 2.0, 2.0));
}

#[test]
#[should_panic(expected = "momentum needs the velocity")]
fn momentum_without_a_buffer_is_refused() {
    let arguments = Sgd {
        params: &mut [1.0],
        grads: &[1.0],
        velocity: None,
        step: 1,
        learning_rate: 0.1,
        momentum: 0.9,
        nesterov: false,
        weight_decay: 0.0,
        decoupled: false,
    };
    sgd(arguments, &Context::single());
}
