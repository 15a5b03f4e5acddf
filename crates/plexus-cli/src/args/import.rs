//! `plexus import`

use clap::Args as ClapArgs;
use std::path::PathBuf;

/// `plexus import`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus import alexnet.safetensors 'alexnet?variant=torchvision' --out alexnet-plexus.safetensors
  plexus import vgg16_bn.safetensors 'vgg16?batch_norm=true'
  plexus import carvana.safetensors 'unet?padding=same&batch_norm=true'

In Python such a file is written with: safetensors.torch.save_file(model.state_dict(), \"vgg16.safetensors\")

Known are torchvision's alexnet, vgg11 to vgg19 (with batch norm too), and the U-Net of milesial/Pytorch-UNet without bilinear
upsampling. Channels and classes are those of the weights.")]
pub struct ImportArgs {
    /// A safetensors file with the weights
    pub weights: PathBuf,
    /// The network that they belong to, as vgg16 or alexnet?variant=torchvision
    pub network: String,
    /// The model file to write [default: the name of the weights, ending in -plexus.safetensors]
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
