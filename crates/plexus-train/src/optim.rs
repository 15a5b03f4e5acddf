//! Optimisers: what a gradient does to the weights.

use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::update;
use serde::{Deserialize, Serialize};

/// An optimiser with its constants; the learning rate comes from outside. Each is a row of [`OPTIMIZERS`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// The share of the last direction that is kept.
        momentum: f64,
        /// Looks ahead along the direction (Nesterov 1983).
        nesterov: bool,
        /// See [`Decay`].
        decay: Decay,
    },
    /// Adam (Kingma and Ba 2015); with decoupled decay, AdamW (Loshchilov and Hutter 2019).
    Adam {
        /// The share of the mean of gradients that is kept.
        beta1: f64,
        /// The share of the mean of squares that is kept.
        beta2: f64,
        /// Keeps the division finite.
        epsilon: f64,
        /// See [`Decay`].
        decay: Decay,
    },
    /// RMSprop (Tieleman and Hinton 2012).
    RmsProp {
        /// The share of the mean of squares that is kept.
        alpha: f64,
        /// Keeps the division finite.
        epsilon: f64,
        /// The share of the last direction that is kept.
        momentum: f64,
        /// See [`Decay`].
        decay: Decay,
    },
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

/// The optimisers, with a sensible learning rate for each.
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
    /// The optimiser with this name and the defaults of the table.
    pub fn named(name: &str) -> Option<Optimizer> {
        let decay = Decay::default();
        Some(match name {
            "sgd" => Optimizer::Sgd { momentum: 0.9, nesterov: false, decay },
            "adam" => Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay },
            "adamw" => {
                let decay = Decay { weight_decay: 0.01, decoupled: true };
                Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay }
            }
            "rmsprop" => Optimizer::RmsProp { alpha: 0.99, epsilon: 1e-8, momentum: 0.0, decay },
            _ => return None,
        })
    }

    /// The weight decay.
    pub fn decay_mut(&mut self) -> &mut Decay {
        match self {
            Optimizer::Sgd { decay, .. } | Optimizer::Adam { decay, .. } | Optimizer::RmsProp { decay, .. } => decay,
        }
    }

    /// How many buffers of the size of the weights it keeps.
    pub fn slot_count(&self) -> usize {
        match self {
            Optimizer::Sgd { momentum, .. } => usize::from(*momentum != 0.0),
            Optimizer::Adam { .. } => 2,
            Optimizer::RmsProp { momentum, .. } => 1 + usize::from(*momentum != 0.0),
        }
    }
}

/// What an optimiser remembers from one update to the next.
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
            Optimizer::Sgd { momentum, nesterov, decay: Decay { weight_decay, decoupled } } => {
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
            Optimizer::Adam { beta1, beta2, epsilon, decay: Decay { weight_decay, decoupled } } => {
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
            Optimizer::RmsProp { alpha, epsilon, momentum, decay: Decay { weight_decay, decoupled } } => {
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
