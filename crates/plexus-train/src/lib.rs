//! Changes weights by gradient: losses, optimizers, data, the loop.
//!
//! Is this the crate you want? It trains a network of `plexus-nn` on a data set in memory. For the whole job, from a
//! file of data to a model file, use `plexus`.
//!
//! Start reading in [`trainer`]: one call is one update.
//!
//! Deliberately not here: model files, quantization, anything printed.
#![forbid(unsafe_code)]

mod answers;
pub mod check;
pub mod checkpoint;
pub mod data;
#[cfg(feature = "table")]
mod error;
pub mod evaluate;
pub mod importance;
pub mod loss;
pub mod memory;
pub mod metrics;
pub mod optim;
mod progress;
mod remedy;
pub mod schedule;
pub mod target;
pub mod trainer;
pub mod twin;

#[cfg(feature = "table")]
pub use error::{DataError, Place};
pub use remedy::Remedy;
