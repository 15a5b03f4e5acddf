//! The numbers of a network: one flat buffer that training changes by gradient, and one that it does not.

use crate::check::{CheckedNetwork, ShapeError, ValueId};
use crate::init::Init;
use crate::network::Network;
use crate::shape::Shape;
use plexus_kernels::buffer::Buffer;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Where one tensor lies.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamEntry {
    /// Dotted path: the layer's name, then the role, e.g. `layers.0.weight`.
    pub name: String,
    /// The last part of the name.
    pub role: &'static str,
    /// Row-major.
    pub shape: Vec<usize>,
    /// Its elements in [`Params::weights`] where trainable, else in [`Params::state`].
    pub range: Range<usize>,
    /// Whether a gradient changes it.
    pub trainable: bool,
    /// How it starts.
    pub init: Init,
}

/// Where every tensor of a network lies. Derived from the network alone, so equal networks have equal layouts.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamLayout {
    entries: Vec<ParamEntry>,
    /// For each layer its range of the trainable buffer and of the other one.
    layers: Vec<(Range<usize>, Range<usize>)>,
    weights_len: usize,
    state_len: usize,
}

impl ParamLayout {
    /// Lays out the tensors of all layers, one after the other. `shapes` are those of all values.
    pub(crate) fn new(network: &Network, shapes: &[Shape], reads: &[Vec<ValueId>]) -> Self {
        let (mut entries, mut layers) = (Vec::new(), Vec::new());
        let (mut weights_len, mut state_len) = (0, 0);
        for (named, reads) in network.layers.iter().zip(reads) {
            let inputs: Vec<&Shape> = reads.iter().map(|value| &shapes[value.index()]).collect();
            let (weights_start, state_start) = (weights_len, state_len);
            for spec in named.layer.params(&inputs) {
                let end = if spec.trainable { &mut weights_len } else { &mut state_len };
                let range = *end..*end + spec.len();
                *end = range.end;
                entries.push(ParamEntry {
                    name: format!("{}.{}", named.name, spec.role),
                    role: spec.role,
                    shape: spec.shape,
                    range,
                    trainable: spec.trainable,
                    init: spec.init,
                });
            }
            layers.push((weights_start..weights_len, state_start..state_len));
        }
        ParamLayout { entries, layers, weights_len, state_len }
    }

    /// Every tensor, in the order of the layers.
    pub fn entries(&self) -> &[ParamEntry] {
        &self.entries
    }

    /// How many numbers training changes by gradient.
    pub fn weights_len(&self) -> usize {
        self.weights_len
    }

    /// How many numbers are kept beside them.
    pub fn state_len(&self) -> usize {
        self.state_len
    }

    /// The trainable range of layer `index`.
    pub fn weights_of(&self, index: usize) -> Range<usize> {
        self.layers[index].0.clone()
    }

    /// The other range of layer `index`.
    pub fn state_of(&self, index: usize) -> Range<usize> {
        self.layers[index].1.clone()
    }
}

/// The numbers of one network. That it exists proves that every tensor has its declared shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    layout: Arc<ParamLayout>,
    /// Trainable tensors, flat.
    pub weights: Buffer,
    /// Running statistics and constants, flat.
    pub state: Buffer,
}

/// A tensor from outside: its name, shape and values.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<'a> {
    /// Dotted path.
    pub name: String,
    /// Row-major.
    pub shape: Vec<usize>,
    /// All elements.
    pub values: std::borrow::Cow<'a, [f32]>,
}

impl Params {
    /// All zeros.
    pub fn zeros(network: &CheckedNetwork) -> Self {
        let layout = network.layout().clone();
        Params { weights: Buffer::zeros(layout.weights_len), state: Buffer::zeros(layout.state_len), layout }
    }

    /// First values as each layer declares them; the same seed gives the same numbers everywhere.
    pub fn initialise(network: &CheckedNetwork, seed: u64) -> Self {
        let mut params = Params::zeros(network);
        let layout = params.layout.clone();
        for (index, entry) in layout.entries.iter().enumerate() {
            entry.init.fill(&entry.shape, seed, index as u64, params.values_mut(entry));
        }
        params
    }

    /// Takes tensors from outside: every one that the network declares, with its shape, and no other.
    ///
    /// # Errors
    /// [`ShapeError`] listing everything missing, unexpected or of another shape.
    pub fn from_tensors(network: &CheckedNetwork, tensors: &[Tensor<'_>]) -> Result<Self, ShapeError> {
        let layout = network.layout();
        let mut given: HashMap<&str, &Tensor<'_>> =
            tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let (mut missing, mut wrong, mut fitting) = (Vec::new(), Vec::new(), Vec::new());
        for entry in &layout.entries {
            match given.remove(entry.name.as_str()) {
                None => missing.push(format!("{} {:?}", entry.name, entry.shape)),
                Some(tensor) if tensor.shape != entry.shape || tensor.values.len() != entry.range.len() => {
                    wrong.push(format!("{} is {:?}, not {:?}", entry.name, tensor.shape, entry.shape));
                }
                Some(tensor) => fitting.push((entry, tensor)),
            }
        }
        let mut unexpected: Vec<String> =
            given.values().map(|tensor| format!("{} {:?}", tensor.name, tensor.shape)).collect();
        unexpected.sort_unstable();
        if missing.is_empty() && wrong.is_empty() && unexpected.is_empty() {
            // Only now is memory taken: what was compared above is no larger than what was given.
            let mut params = Params::zeros(network);
            for (entry, tensor) in fitting {
                params.values_mut(entry).copy_from_slice(&tensor.values);
            }
            return Ok(params);
        }
        let mut got = Vec::new();
        for (what, list) in [("missing", missing), ("of another shape", wrong), ("not in the network", unexpected)] {
            if !list.is_empty() {
                got.push(format!("{what}: {}", list.join(", ")));
            }
        }
        Err(ShapeError {
            layer: None,
            compared: "the weights".to_string(),
            expected: format!("the {} tensors that the network declares", layout.entries.len()),
            got: got.join("; "),
            help: "These weights belong to another network.".to_string(),
        })
    }

    /// Where every tensor lies.
    pub fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    /// The values of one tensor.
    pub fn values(&self, entry: &ParamEntry) -> &[f32] {
        let buffer = if entry.trainable { &self.weights } else { &self.state };
        &buffer[entry.range.clone()]
    }

    /// The values of one tensor, to be changed.
    pub fn values_mut(&mut self, entry: &ParamEntry) -> &mut [f32] {
        let buffer = if entry.trainable { &mut self.weights } else { &mut self.state };
        &mut buffer[entry.range.clone()]
    }

    /// The values of the tensor with this dotted name.
    pub fn by_name(&self, name: &str) -> Option<&[f32]> {
        self.layout.entries.iter().find(|entry| entry.name == name).map(|entry| self.values(entry))
    }

    /// Replaces the values of the tensor with this dotted name; `false` where there is none of that name and length.
    pub fn set(&mut self, name: &str, values: &[f32]) -> bool {
        let layout = self.layout.clone();
        match layout.entries.iter().find(|entry| entry.name == name && entry.range.len() == values.len()) {
            Some(entry) => {
                self.values_mut(entry).copy_from_slice(values);
                true
            }
            None => false,
        }
    }

    /// All tensors, by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&ParamEntry, &[f32])> {
        self.layout.entries.iter().map(|entry| (entry, self.values(entry)))
    }
}
