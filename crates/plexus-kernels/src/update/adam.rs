//! Adam and AdamW.

use crate::Context;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces;

/// The arguments of [`adam`].
#[derive(Debug)]
pub struct Adam<'a> {
    /// `[len]`, updated.
    pub params: &'a mut [f32],
    /// `[len]`
    pub grads: &'a [f32],
    /// `[len]`, updated: the average of gradients; zeros before the first step.
    pub first_moment: &'a mut [f32],
    /// `[len]`, updated: the average of squared gradients; zeros before the first step.
    pub second_moment: &'a mut [f32],
    /// Number of this step, from 1.
    pub step: u64,
    /// Length of the step.
    pub learning_rate: f64,
    /// The share of the old first moment that stays.
    pub beta1: f64,
    /// The share of the old second moment that stays.
    pub beta2: f64,
    /// Added to the denominator.
    pub epsilon: f64,
    /// Strength of the decay.
    pub weight_decay: f64,
    /// Whether the decay is decoupled from the gradient: AdamW.
    pub decoupled: bool,
}

/// Takes one step of Adam (Kingma and Ba 2015), or of AdamW (Loshchilov and Hutter 2019) with decoupled decay.
///
/// ```text
/// first_moment  = first_moment + (g − first_moment) · (1 − beta1)
/// second_moment = beta2 · second_moment + (1 − beta2) · g · g
/// denominator   = √second_moment / √(1 − beta2^step) + epsilon
/// params        = params − learning_rate / (1 − beta1^step) · first_moment / denominator
/// ```
///
/// # Panics
/// Where the lengths differ, or `step` is zero.
pub fn adam(arguments: Adam<'_>, context: &Context) {
    let Adam { params, grads, first_moment, second_moment, step, learning_rate, beta1, beta2, .. } = arguments;
    assert_eq!(params.len(), grads.len(), "one gradient for each parameter");
    assert!(first_moment.len() == grads.len() && second_moment.len() == grads.len(), "two moments for each parameter");
    assert!(step > 0, "steps are counted from 1");
    let (l2, keep) = super::decay(learning_rate, arguments.weight_decay, arguments.decoupled);
    let scalars = Scalars {
        l2,
        keep,
        new1: (1.0 - beta1) as f32,
        beta2: beta2 as f32,
        new2: (1.0 - beta2) as f32,
        root: (1.0 - beta2.powf(step as f64)).sqrt() as f32,
        rate: (learning_rate / (1.0 - beta1.powf(step as f64))) as f32,
        epsilon: arguments.epsilon as f32,
    };
    pieces::for_each(
        context.pool(),
        1,
        (params, grads, first_moment, second_moment),
        |_, (params, grads, first, second)| {
            context.isa().run(Body { scalars, params, grads, first, second });
        },
    );
}

#[derive(Clone, Copy)]
struct Scalars {
    l2: f32,
    keep: f32,
    new1: f32,
    beta2: f32,
    new2: f32,
    root: f32,
    rate: f32,
    epsilon: f32,
}

struct Body<'a> {
    scalars: Scalars,
    params: &'a mut [f32],
    grads: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Vectorized for Body<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Scalars { l2, keep, new1, beta2, new2, root, rate, epsilon } = self.scalars;
        let moments = self.first.iter_mut().zip(self.second);
        for ((param, &grad), (first, second)) in self.params.iter_mut().zip(self.grads).zip(moments) {
            let g = grad + l2 * *param;
            let m = *first + (g - *first) * new1;
            let v = *second * beta2 + new2 * g * g;
            *first = m;
            *second = v;
            let denominator = v.sqrt() / root + epsilon;
            *param = *param * keep - rate * m / denominator;
        }
    }
}
