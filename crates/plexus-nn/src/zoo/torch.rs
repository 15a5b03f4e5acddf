//! What collections of PyTorch models call the layers of the zoo, for weights that were trained there.
//!
//! Each function gives pairs: the name of a layer here, and the name in front of its tensors there. Weights lie alike in both, so
//! names are all that differs.

use super::{AlexNet, AlexNetVariant, UNet, Vgg};

/// Of torchvision's `alexnet`; `None` for the sizes of the paper, which it does not have.
///
/// # Source
/// `torchvision.models.alexnet`: a `Sequential` of features and one of classifiers, numbered with their functions and dropout.
pub fn alexnet_torch_names(options: AlexNet) -> Option<Vec<(String, String)>> {
    if options.variant != AlexNetVariant::Torchvision || options.lrn {
        return None;
    }
    let convolutions =
        (1..).zip([0, 3, 6, 8, 10]).map(|(layer, at)| (format!("conv{layer}"), format!("features.{at}")));
    Some(convolutions.chain(classifier([1, 4, 6])).collect())
}

/// Of torchvision's `vgg11` to `vgg19` and `vgg11_bn` to `vgg19_bn`; `None` for a depth that there is not.
///
/// # Source
/// `torchvision.models.vgg16`: as [`alexnet_torch_names`].
pub fn vgg_torch_names(options: Vgg) -> Option<Vec<(String, String)>> {
    let mut names = Vec::new();
    let mut at = 0;
    for (stage, count) in (1..).zip(options.stages()?) {
        for index in 1..=count {
            let name = format!("conv{stage}_{index}");
            if options.batch_norm {
                names.push((format!("{name}.norm"), format!("features.{}", at + 1)));
            }
            names.push((name, format!("features.{at}")));
            // The convolution, perhaps its norm, its function.
            at += 2 + usize::from(options.batch_norm);
        }
        // The pooling.
        at += 1;
    }
    names.extend(classifier([0, 3, 6]));
    Some(names)
}

fn classifier(places: [usize; 3]) -> impl Iterator<Item = (String, String)> {
    (1..).zip(places).map(|(layer, at)| (format!("fc{layer}"), format!("classifier.{at}")))
}

/// Of the U-Net of the repository milesial/Pytorch-UNet without bilinear upsampling, which many projects started from; `None` but
/// for `same` padding with batch norm, which it has. It has four levels; others are named on in its way.
///
/// # Source
/// Its files `unet_model.py` and `unet_parts.py`.
pub fn unet_torch_names(options: UNet) -> Option<Vec<(String, String)>> {
    if !options.same || !options.batch_norm {
        return None;
    }
    let mut names = Vec::new();
    let mut two = |ours: &str, theirs: &str| {
        for (index, at) in [(1, 0), (2, 3)] {
            names.push((format!("{ours}.conv{index}"), format!("{theirs}.double_conv.{at}")));
            names.push((format!("{ours}.conv{index}.norm"), format!("{theirs}.double_conv.{}", at + 1)));
        }
    };
    // Their levels down are numbered from the second, and those up from the lowest.
    two("down1", "inc");
    for level in 2..=options.depth + 1 {
        let ours = if level > options.depth { "bottom".to_string() } else { format!("down{level}") };
        two(&ours, &format!("down{}.maxpool_conv.1", level - 1));
    }
    for level in 1..=options.depth {
        two(&format!("up{level}"), &format!("up{}.conv", options.depth + 1 - level));
    }
    names
        .extend((1..=options.depth).map(|level| (format!("up{level}"), format!("up{}.up", options.depth + 1 - level))));
    names.push(("scores".to_string(), "outc.conv".to_string()));
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;
    use crate::zoo;

    /// Every layer with tensors has a name elsewhere, and no name is there twice.
    fn all_named(network: Network, names: &[(String, String)]) {
        let network = network.check().unwrap();
        let layers = network.network().layers.iter().enumerate();
        let with_tensors = layers.filter(|(index, _)| !network.layout().entries_of(*index).is_empty());
        let mut ours: Vec<&str> = with_tensors.map(|(_, layer)| layer.name.as_str()).collect();
        let mut named: Vec<&str> = names.iter().map(|(ours, _)| ours.as_str()).collect();
        let mut theirs: Vec<&str> = names.iter().map(|(_, theirs)| theirs.as_str()).collect();
        ours.sort_unstable();
        named.sort_unstable();
        assert_eq!(ours, named);
        theirs.sort_unstable();
        theirs.dedup();
        assert_eq!(theirs.len(), names.len());
    }

    #[test]
    fn every_layer_with_numbers_has_a_name_elsewhere() {
        let alexnet = AlexNet { variant: AlexNetVariant::Torchvision, ..AlexNet::default() };
        all_named(zoo::alexnet([3, 224, 224], 1000, alexnet).unwrap(), &alexnet_torch_names(alexnet).unwrap());
        for batch_norm in [false, true] {
            for depth in [11, 13, 16, 19] {
                let vgg = Vgg { depth, batch_norm, ..Vgg::default() };
                all_named(zoo::vgg([3, 32, 32], 10, vgg).unwrap(), &vgg_torch_names(vgg).unwrap());
            }
        }
        for depth in 1..=4 {
            let unet = UNet { width: 4, depth, same: true, batch_norm: true };
            all_named(zoo::unet([1, 32, 32], 2, unet).unwrap(), &unet_torch_names(unet).unwrap());
        }
        assert_eq!(alexnet_torch_names(AlexNet::default()), None);
        assert_eq!(unet_torch_names(UNet::default()), None);
        assert_eq!(vgg_torch_names(Vgg { depth: 12, ..Vgg::default() }), None);
    }
}
