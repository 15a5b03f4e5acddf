//! Models from weights alone, for networks that have a name.

use crate::error::Error;
use crate::files;
use crate::model::Model;
use crate::named::NamedNetwork;
use crate::task::Task;
use plexus_formats::read_weights;
use plexus_kernels::Context;
use plexus_nn::{Params, Shape, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

impl Model {
    /// [`Model::from_torch`] of a file.
    ///
    /// # Errors
    /// Those, and [`Error::Io`] where the file cannot be read.
    pub fn open_torch(named: &NamedNetwork, path: impl AsRef<Path>, context: Context) -> Result<Model, Error> {
        let path = path.as_ref();
        Model::from_torch(named, &files::read(path)?, context).map_err(|error| match error {
            Error::Format { source, .. } => Error::Format { path: Some(path.to_path_buf()), source },
            other => other,
        })
    }

    /// A model from the weights that PyTorch saved, in the bytes of a safetensors file, for a network whose layers PyTorch's
    /// collections have [names](NamedNetwork::torch_names) for: torchvision's `alexnet` and `vgg`, a common U-Net.
    ///
    /// Channels and classes are those of the weights, unless the name says others. Classes are called `class 0` and so on.
    ///
    /// # Errors
    /// [`Error::Format`] for bytes that are no such file; [`Error::Weights`] with every tensor that is missing, left over or of
    /// another shape; [`Error::Shape`] where the network does not take such images.
    ///
    /// # Examples
    /// ```no_run
    /// let network = plexus::NamedNetwork::parse("vgg16").unwrap();
    /// let model = plexus::Model::open_torch(&network, "vgg16.safetensors", plexus::Context::single())?;
    /// model.save("vgg16-plexus.safetensors")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_torch(named: &NamedNetwork, weights: &[u8], context: Context) -> Result<Model, Error> {
        let read = read_weights(weights);
        let tensors = read.map_err(|source| Error::Format { path: None, source: Box::new(source) })?;
        let refuse = |differences: Vec<String>| Error::Weights { network: named.name(), differences };
        let unnamed = || "there are no names of its layers in PyTorch's collections with these options".to_string();
        let (Some(names), Some(input)) = (named.torch_names(), named.input()) else {
            return Err(refuse(vec![unnamed()]));
        };
        let shape_of = |end: Option<&(String, String)>, axis: usize| {
            let name = format!("{}.weight", end?.1);
            tensors.iter().find(|tensor| tensor.name == name)?.shape.get(axis).copied()
        };
        let first = names.iter().find(|(ours, _)| named.is_first(ours));
        let mut axes = input.axes().to_vec();
        axes[0] = named.in_channels.or(shape_of(first, 1)).unwrap_or(axes[0]);
        let classes = named.classes.or(shape_of(names.last(), 0)).or(named.outputs()).unwrap_or(1);
        let network = named.build(Shape::new(axes), &[("output".to_string(), classes)]);
        let unfit =
            |mismatch: plexus_nn::layer::Mismatch| refuse(vec![format!("{}: {}", mismatch.compared, mismatch.got)]);
        let network = Arc::new(network.map_err(unfit)?.check()?);

        let ours: BTreeMap<&str, &str> = names.iter().map(|(ours, theirs)| (theirs.as_str(), ours.as_str())).collect();
        let mut differences = Vec::new();
        let mut renamed: Vec<(Tensor<'static>, String)> = Vec::new();
        for mut tensor in tensors {
            let theirs = tensor.name.clone();
            match theirs.rsplit_once('.').and_then(|(layer, role)| Some((ours.get(layer)?, role))) {
                Some((layer, role)) => {
                    tensor.name = format!("{layer}.{role}");
                    renamed.push((tensor, theirs));
                }
                None => differences.push(format!("{theirs} {:?} belongs to no layer", tensor.shape)),
            }
        }
        for entry in network.layout().entries() {
            let (layer, role) = entry.name.rsplit_once('.').unwrap_or_default();
            let theirs = names.iter().find(|(ours, _)| ours == layer).map_or("", |(_, theirs)| theirs);
            match renamed.iter().find(|(tensor, _)| tensor.name == entry.name) {
                None => differences.push(format!("{theirs}.{role} {:?} is missing ({})", entry.shape, entry.name)),
                Some((tensor, theirs)) if tensor.shape != entry.shape => {
                    differences
                        .push(format!("{theirs} is {:?}, expected {:?} ({})", tensor.shape, entry.shape, entry.name));
                }
                Some(_) => {}
            }
        }
        if !differences.is_empty() {
            return Err(refuse(differences));
        }
        let tensors: Vec<Tensor<'static>> = renamed.into_iter().map(|(tensor, _)| tensor).collect();
        let params = Params::from_tensors(&network, &tensors)?;
        drop(tensors);
        let classes = (0..classes).map(|class| format!("class {class}")).collect();
        Model::new(network, &params, Task::Classification { classes }, context)
    }
}
