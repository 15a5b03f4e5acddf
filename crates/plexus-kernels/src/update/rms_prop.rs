//! RMSprop.

use crate::Context;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces;

/// The arguments of [`rms_prop`].
#[derive(Debug)]
pub struct RmsProp<'a> {
    /// `[len]`, updated.
    pub params: &'a mut [f32],
    /// `[len]`
    pub grads: &'a [f32],
    /// `[len]`, updated: the average of squared gradients; zeros before the first step.
    pub square_average: &'a mut [f32],
    /// `[len]`, updated; needed where `momentum` is not zero. Zeros before the first step.
    pub velocity: Option<&'a mut [f32]>,
    /// Length of the step.
    pub learning_rate: f64,
    /// The share of the old average that stays.
    pub alpha: f64,
    /// Added to the denominator.
    pub epsilon: f64,
    /// The share of the old velocity that stays.
    pub momentum: f64,
    /// Strength of the decay.
    pub weight_decay: f64,
    /// Whether the decay is decoupled from the gradient.
    pub decoupled: bool,
}

/// Takes one step of RMSprop, not centered.
///
/// ```text
/// square_average = alpha · square_average + (1 − alpha) · g · g
/// velocity       = momentum · velocity + g / (√square_average + epsilon)
/// params         = params − learning_rate · velocity
/// ```
///
/// # Panics
/// Where the lengths differ, or momentum has no velocity.
pub fn rms_prop(arguments: RmsProp<'_>, context: &Context) {
    let RmsProp { params, grads, square_average, velocity, learning_rate, alpha, momentum, .. } = arguments;
    assert_eq!(params.len(), grads.len(), "one gradient for each parameter");
    assert_eq!(square_average.len(), grads.len(), "one average for each parameter");
    let (l2, keep) = super::decay(learning_rate, arguments.weight_decay, arguments.decoupled);
    let scalars = Scalars {
        l2,
        keep,
        alpha: alpha as f32,
        new: (1.0 - alpha) as f32,
        epsilon: arguments.epsilon as f32,
        momentum: momentum as f32,
        rate: learning_rate as f32,
    };
    if momentum == 0.0 {
        pieces::for_each(context.pool(), 1, (params, grads, square_average), |_, (params, grads, average)| {
            context.isa().run(Plain { scalars, params, grads, average });
        });
    } else {
        let velocity = velocity.expect("momentum needs the velocity of every parameter");
        assert_eq!(velocity.len(), grads.len(), "one velocity for each parameter");
        let operands = (params, grads, square_average, velocity);
        pieces::for_each(context.pool(), 1, operands, |_, (params, grads, average, velocity)| {
            context.isa().run(WithMomentum { scalars, params, grads, average, velocity });
        });
    }
}

#[derive(Clone, Copy)]
struct Scalars {
    l2: f32,
    keep: f32,
    alpha: f32,
    new: f32,
    epsilon: f32,
    momentum: f32,
    rate: f32,
}

impl Scalars {
    /// The gradient divided by the root of the updated average.
    #[inline(always)]
    fn scaled(&self, grad: f32, param: f32, average: &mut f32) -> f32 {
        let g = grad + self.l2 * param;
        *average = self.alpha * *average + self.new * g * g;
        g / (average.sqrt() + self.epsilon)
    }
}

struct Plain<'a> {
    scalars: Scalars,
    params: &'a mut [f32],
    grads: &'a [f32],
    average: &'a mut [f32],
}

impl Vectorized for Plain<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let scalars = self.scalars;
        for ((param, &grad), average) in self.params.iter_mut().zip(self.grads).zip(self.average) {
            let along = scalars.scaled(grad, *param, average);
            *param = *param * scalars.keep - scalars.rate * along;
        }
    }
}

struct WithMomentum<'a> {
    scalars: Scalars,
    params: &'a mut [f32],
    grads: &'a [f32],
    average: &'a mut [f32],
    velocity: &'a mut [f32],
}

impl Vectorized for WithMomentum<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let scalars = self.scalars;
        let state = self.average.iter_mut().zip(self.velocity);
        for ((param, &grad), (average, velocity)) in self.params.iter_mut().zip(self.grads).zip(state) {
            let v = scalars.momentum * *velocity + scalars.scaled(grad, *param, average);
            *velocity = v;
            *param = *param * scalars.keep - scalars.rate * v;
        }
    }
}
