//! Networks that have a name.

mod alexnet;
mod cnn;
mod lenet5;
mod mlp;
mod stack;
mod torch;
mod unet;
mod vgg;

pub use alexnet::{AlexNet, AlexNetVariant, alexnet};
pub use cnn::{Cnn, cnn};
pub use lenet5::{LeNet5, Variant, lenet5};
pub use mlp::{mlp, mlp_heads};
pub use torch::{alexnet_torch_names, unet_torch_names, vgg_torch_names};
pub use unet::{UNet, unet};
pub use vgg::{Vgg, vgg};
