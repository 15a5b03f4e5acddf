//! Networks that have a name.

mod lenet5;
mod mlp;

pub use lenet5::{LeNet5, lenet5};
pub use mlp::mlp;
