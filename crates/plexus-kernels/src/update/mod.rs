//! Optimizer steps: one pass over parameters, gradients and state, as flat ranges.
//!
//! The formulas and their order are PyTorch's. Scalars come in 64 bits; what does not depend on the element is computed
//! once, in 64 bits, and rounded. `g` is the gradient, `p` the parameter; with L2 decay `g` becomes `g + decay · p`, with
//! decoupled decay (AdamW, SGDW) `p` is first multiplied by `1 − learning_rate · decay`.
//!
//! # Shapes
//! All slices of one call have one length; zero does nothing. Any alignment; no overlap.
//!
//! # Numerics
//! Elements are independent: results are the same bits for any number of threads, any cut of the flat range and every
//! instruction set. Each operation is rounded to 32 bits in the order of the formula. NaN propagates.

mod adam;
pub mod reference;
mod rms_prop;
mod sgd;

pub use adam::{Adam, adam};
pub use rms_prop::{RmsProp, rms_prop};
pub use sgd::{Sgd, sgd};

/// What the decay does to gradient and parameter: `(l2, keep)` in `g + l2 · p` and `keep · p`.
fn decay(learning_rate: f64, weight_decay: f64, decoupled: bool) -> (f32, f32) {
    if decoupled { (0.0, (1.0 - learning_rate * weight_decay) as f32) } else { (weight_decay as f32, 1.0) }
}

#[cfg(test)]
mod tests;
