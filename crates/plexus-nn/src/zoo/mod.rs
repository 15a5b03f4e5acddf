//! Networks that have a name.

mod lenet5;
mod mlp;

pub use lenet5::{LeNet5, Variant, lenet5};
pub use mlp::{mlp, mlp_heads};
