//! Networks with names.

mod mlp;

pub use mlp::mlp;
