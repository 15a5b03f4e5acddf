//! The definition of the optimizer steps, for one parameter, in 64-bit arithmetic.

/// What every optimizer has.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    /// Length of the step.
    pub learning_rate: f64,
    /// Strength of the decay.
    pub weight_decay: f64,
    /// Whether the decay is decoupled from the gradient.
    pub decoupled: bool,
}

impl Common {
    /// The parameter and the gradient after the decay.
    fn decay(self, param: f64, grad: f64) -> (f64, f64) {
        if self.decoupled {
            (param * (1.0 - self.learning_rate * self.weight_decay), grad)
        } else {
            (param, grad + self.weight_decay * param)
        }
    }
}

/// One step of gradient descent.
pub fn sgd(common: Common, momentum: f64, nesterov: bool, step: u64, param: &mut f64, grad: f64, velocity: &mut f64) {
    let (decayed, g) = common.decay(*param, grad);
    let mut along = g;
    if momentum != 0.0 {
        *velocity = if step == 1 { g } else { momentum * *velocity + g };
        along = if nesterov { g + momentum * *velocity } else { *velocity };
    }
    *param = decayed - common.learning_rate * along;
}

/// One step of Adam; `moments` are the first and the second.
pub fn adam(
    common: Common,
    (beta1, beta2, epsilon): (f64, f64, f64),
    step: u64,
    param: &mut f64,
    grad: f64,
    moments: &mut (f64, f64),
) {
    let (decayed, g) = common.decay(*param, grad);
    moments.0 = beta1 * moments.0 + (1.0 - beta1) * g;
    moments.1 = beta2 * moments.1 + (1.0 - beta2) * g * g;
    let first = moments.0 / (1.0 - beta1.powf(step as f64));
    let second = moments.1 / (1.0 - beta2.powf(step as f64));
    *param = decayed - common.learning_rate * first / (second.sqrt() + epsilon);
}

/// One step of RMSprop; `state` is the average of squares and the velocity.
pub fn rms_prop(
    common: Common,
    (alpha, epsilon, momentum): (f64, f64, f64),
    param: &mut f64,
    grad: f64,
    state: &mut (f64, f64),
) {
    let (decayed, g) = common.decay(*param, grad);
    state.0 = alpha * state.0 + (1.0 - alpha) * g * g;
    state.1 = momentum * state.1 + g / (state.0.sqrt() + epsilon);
    *param = decayed - common.learning_rate * state.1;
}
