//! Stochastic gradient descent, with momentum.

use crate::Context;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces;

/// The arguments of [`sgd`].
#[derive(Debug)]
pub struct Sgd<'a> {
    /// `[len]`, updated.
    pub params: &'a mut [f32],
    /// `[len]`
    pub grads: &'a [f32],
    /// `[len]`, updated; needed where `momentum` is not zero. Its content before the first step does not matter.
    pub velocity: Option<&'a mut [f32]>,
    /// Number of this step, from 1.
    pub step: u64,
    /// Length of the step.
    pub learning_rate: f64,
    /// The share of the old velocity that stays.
    pub momentum: f64,
    /// Whether to step along the velocity that follows.
    pub nesterov: bool,
    /// Strength of the decay.
    pub weight_decay: f64,
    /// Whether the decay is decoupled from the gradient.
    pub decoupled: bool,
}

/// Takes one step of gradient descent.
///
/// ```text
/// velocity = g at step 1, else momentum · velocity + g
/// params   = params − learning_rate · (nesterov ? g + momentum · velocity : velocity)
/// ```
/// Without momentum, `params − learning_rate · g`. PyTorch's `SGD` with `dampening = 0`.
///
/// # Panics
/// Where the lengths differ, or momentum has no velocity.
pub fn sgd(arguments: Sgd<'_>, context: &Context) {
    let Sgd { params, grads, velocity, step, learning_rate, momentum, nesterov, weight_decay, decoupled } = arguments;
    assert_eq!(params.len(), grads.len(), "one gradient for each parameter");
    let (l2, keep) = super::decay(learning_rate, weight_decay, decoupled);
    let scalars =
        Scalars { l2, keep, rate: learning_rate as f32, momentum: momentum as f32, first: step <= 1, nesterov };
    if momentum == 0.0 {
        pieces::for_each(context.pool(), 1, (params, grads), |_, (params, grads)| {
            context.isa().run(Plain { scalars, params, grads });
        });
    } else {
        let velocity = velocity.expect("momentum needs the velocity of every parameter");
        assert_eq!(velocity.len(), grads.len(), "one velocity for each parameter");
        pieces::for_each(context.pool(), 1, (params, grads, velocity), |_, (params, grads, velocity)| {
            context.isa().run(WithMomentum { scalars, params, grads, velocity });
        });
    }
}

#[derive(Clone, Copy)]
struct Scalars {
    l2: f32,
    keep: f32,
    rate: f32,
    momentum: f32,
    first: bool,
    nesterov: bool,
}

struct Plain<'a> {
    scalars: Scalars,
    params: &'a mut [f32],
    grads: &'a [f32],
}

impl Vectorized for Plain<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Scalars { l2, keep, rate, .. } = self.scalars;
        for (param, &grad) in self.params.iter_mut().zip(self.grads) {
            let g = grad + l2 * *param;
            *param = *param * keep - rate * g;
        }
    }
}

struct WithMomentum<'a> {
    scalars: Scalars,
    params: &'a mut [f32],
    grads: &'a [f32],
    velocity: &'a mut [f32],
}

impl Vectorized for WithMomentum<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Scalars { l2, keep, rate, momentum, first, nesterov } = self.scalars;
        for ((param, &grad), velocity) in self.params.iter_mut().zip(self.grads).zip(self.velocity) {
            let g = grad + l2 * *param;
            let v = if first { g } else { momentum * *velocity + g };
            *velocity = v;
            let along = if nesterov { g + momentum * v } else { v };
            *param = *param * keep - rate * along;
        }
    }
}
