//! Optimizers: what a gradient does to the weights.

use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::update;
use serde::{Deserialize, Serialize};

/// An optimizer with its constants; the learning rate comes from outside. Each is a row of [`OPTIMIZERS`].
///
/// # Examples
/// ```
/// use plexus_train::optim::{Adam, Optimizer, Sgd};
/// let optimizer: Optimizer = Sgd { nesterov: true, ..Sgd::default() }.into();
/// assert_eq!((optimizer.name(), optimizer.learning_rate()), ("sgd", 0.05));
/// assert_eq!(Optimizer::from(Adam::decoupled(0.01)).name(), "adamw");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// Adam; with decoupled decay, AdamW.
    Adam(Adam),
    /// RMSprop.
    RmsProp(RmsProp),
}

/// Stochastic gradient descent with momentum, 0.9 at first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// The share of the last direction that is kept.
    pub momentum: f64,
    /// Looks ahead along the direction (Nesterov 1983).
    pub nesterov: bool,
    /// See [`Decay`].
    pub decay: Decay,
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd { momentum: 0.9, nesterov: false, decay: Decay::default() }
    }
}

/// Adam (Kingma and Ba 2015), with the constants of the paper; with decoupled decay, AdamW (Loshchilov and Hutter 2019).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adam {
    /// The share of the mean of gradients that is kept.
    pub beta1: f64,
    /// The share of the mean of squares that is kept.
    pub beta2: f64,
    /// Keeps the division finite.
    pub epsilon: f64,
    /// See [`Decay`].
    pub decay: Decay,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: Decay::default() }
    }
}

impl Adam {
    /// AdamW.
    pub fn decoupled(weight_decay: f64) -> Self {
        Adam { decay: Decay { weight_decay, decoupled: true }, ..Adam::default() }
    }
}

/// RMSprop (Tieleman and Hinton 2012).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RmsProp {
    /// The share of the mean of squares that is kept.
    pub alpha: f64,
    /// Keeps the division finite.
    pub epsilon: f64,
    /// The share of the last direction that is kept.
    pub momentum: f64,
    /// See [`Decay`].
    pub decay: Decay,
}

impl Default for RmsProp {
    fn default() -> Self {
        RmsProp { alpha: 0.99, epsilon: 1e-8, momentum: 0.0, decay: Decay::default() }
    }
}

impl From<Sgd> for Optimizer {
    fn from(sgd: Sgd) -> Self {
        Optimizer::Sgd(sgd)
    }
}

impl From<Adam> for Optimizer {
    fn from(adam: Adam) -> Self {
        Optimizer::Adam(adam)
    }
}

impl From<RmsProp> for Optimizer {
    fn from(rms_prop: RmsProp) -> Self {
        Optimizer::RmsProp(rms_prop)
    }
}

/// Pulls weights towards zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decay {
    /// How strongly.
    pub weight_decay: f64,
    /// `false`: `weight_decay · weight` is added to the gradient (L2). `true`: weights are multiplied by
    /// `1 − learning_rate · weight_decay` before the update.
    pub decoupled: bool,
}

/// The optimizers, with a sensible learning rate for each.
pub const OPTIMIZERS: &[OptimizerRow] = &[
    OptimizerRow { name: "sgd", learning_rate: 0.05, what: "gradient descent with momentum 0.9" },
    OptimizerRow { name: "adam", learning_rate: 0.003, what: "adaptive rates" },
    OptimizerRow { name: "adamw", learning_rate: 0.003, what: "Adam with decoupled weight decay 0.01" },
    OptimizerRow { name: "rmsprop", learning_rate: 0.001, what: "gradients divided by their recent size" },
];

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct OptimizerRow {
    /// The name in settings.
    pub name: &'static str,
    /// The rate where the user gives none.
    pub learning_rate: f64,
    /// In a few words.
    pub what: &'static str,
}

impl Optimizer {
    /// The optimizer with this name and the defaults of the table.
    pub fn named(name: &str) -> Option<Optimizer> {
        Some(match name {
            "sgd" => Sgd::default().into(),
            "adam" => Adam::default().into(),
            "adamw" => Adam::decoupled(0.01).into(),
            "rmsprop" => RmsProp::default().into(),
            _ => return None,
        })
    }

    /// The name in settings.
    pub fn name(&self) -> &'static str {
        match self {
            Optimizer::Sgd(_) => "sgd",
            Optimizer::Adam(adam) if adam.decay.decoupled => "adamw",
            Optimizer::Adam(_) => "adam",
            Optimizer::RmsProp(_) => "rmsprop",
        }
    }

    /// The learning rate where the user gives none.
    pub fn learning_rate(&self) -> f64 {
        OPTIMIZERS.iter().find(|row| row.name == self.name()).expect("every optimizer has a row").learning_rate
    }

    /// The weight decay.
    pub fn decay(mut self) -> Decay {
        *self.decay_mut()
    }

    /// The weight decay, to be changed.
    pub fn decay_mut(&mut self) -> &mut Decay {
        match self {
            Optimizer::Sgd(Sgd { decay, .. })
            | Optimizer::Adam(Adam { decay, .. })
            | Optimizer::RmsProp(RmsProp { decay, .. }) => decay,
        }
    }

    /// How many buffers of the size of the weights it keeps.
    pub fn slot_count(&self) -> usize {
        match self {
            Optimizer::Sgd(Sgd { momentum, .. }) => usize::from(*momentum != 0.0),
            Optimizer::Adam(_) => 2,
            Optimizer::RmsProp(RmsProp { momentum, .. }) => 1 + usize::from(*momentum != 0.0),
        }
    }
}

/// What an optimizer remembers from one update to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState {
    /// Updates done.
    pub updates: u64,
    /// Momentum, mean of squares: as many as [`Optimizer::slot_count`], each as long as the weights.
    pub slots: Vec<Buffer>,
}

impl OptimizerState {
    /// Nothing remembered yet.
    pub fn new(optimizer: &Optimizer, len: usize) -> Self {
        OptimizerState { updates: 0, slots: vec![Buffer::zeros(len); optimizer.slot_count()] }
    }

    /// Changes the weights along a gradient.
    pub fn update(
        &mut self,
        optimizer: &Optimizer,
        learning_rate: f64,
        weights: &mut [f32],
        grad: &[f32],
        context: &Context,
    ) {
        self.updates += 1;
        let step = self.updates;
        let mut slots = self.slots.iter_mut();
        let mut slot = || slots.next().map(|buffer| &mut buffer[..]);
        const HELD: &str = "`new` made a slot for each";
        match *optimizer {
            Optimizer::Sgd(Sgd { momentum, nesterov, decay: Decay { weight_decay, decoupled } }) => {
                let velocity = slot();
                let call = update::Sgd {
                    params: weights,
                    grads: grad,
                    velocity,
                    step,
                    learning_rate,
                    momentum,
                    nesterov,
                    weight_decay,
                    decoupled,
                };
                update::sgd(call, context);
            }
            Optimizer::Adam(Adam { beta1, beta2, epsilon, decay: Decay { weight_decay, decoupled } }) => {
                let call = update::Adam {
                    params: weights,
                    grads: grad,
                    first_moment: slot().expect(HELD),
                    second_moment: slot().expect(HELD),
                    step,
                    learning_rate,
                    beta1,
                    beta2,
                    epsilon,
                    weight_decay,
                    decoupled,
                };
                update::adam(call, context);
            }
            Optimizer::RmsProp(RmsProp { alpha, epsilon, momentum, decay: Decay { weight_decay, decoupled } }) => {
                let call = update::RmsProp {
                    params: weights,
                    grads: grad,
                    square_average: slot().expect(HELD),
                    velocity: slot(),
                    learning_rate,
                    alpha,
                    epsilon,
                    momentum,
                    weight_decay,
                    decoupled,
                };
                update::rms_prop(call, context);
            }
        }
    }
}
