//! Changes weights by gradient: losses, optimisers, data, the loop.
#![forbid(unsafe_code)]
pub mod data;
mod error;
pub mod metrics;
pub use error::{DataError, Place};
