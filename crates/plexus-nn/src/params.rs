//! The numbers of a network: one flat buffer that training changes by gradient, and one that it does not.

use crate::check::{CheckedNetwork, ShapeError, ValueId};
use crate::init::Init;
use crate::network::Network;
use crate::shape::Shape;
use crate::view::DType;
use plexus_kernels::buffer::Buffer;
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;

/// Where one tensor lies.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
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
    /// The type of its numbers in files; in memory all are floats.
    pub dtype: DType,
}

impl ParamEntry {
    /// Holds numbers from outside against the type.
    ///
    /// # Errors
    /// [`ShapeError`] naming the first that is not of it.
    fn check(&self, values: &[f32]) -> Result<(), ShapeError> {
        let Some(at) = values.iter().position(|value| !self.dtype.holds(*value)) else { return Ok(()) };
        let [low, high] = self.dtype.range().unwrap_or_default();
        Err(ShapeError {
            layer: None,
            compared: format!("number {at} of {}", self.name),
            expected: format!("a whole number from {low} to {high} ({})", self.dtype.name()),
            got: values[at].to_string(),
            help: String::new(),
        })
    }
}

/// Where every tensor of a network lies. Derived from the network alone, so equal networks have equal layouts.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamLayout {
    entries: Vec<ParamEntry>,
    layers: Vec<LayerRanges>,
    weights_len: usize,
    state_len: usize,
}

/// What belongs to one layer.
#[derive(Clone, Debug, PartialEq)]
struct LayerRanges {
    /// Of the entries.
    entries: Range<usize>,
    /// Of the trainable buffer.
    weights: Range<usize>,
    /// Of the other one.
    state: Range<usize>,
}

impl ParamLayout {
    /// Lays out the tensors of all layers, one after the other. `shapes` are those of all values.
    pub(crate) fn new(network: &Network, shapes: &[Shape], reads: &[Vec<ValueId>]) -> Self {
        let (mut entries, mut layers) = (Vec::new(), Vec::new());
        let (mut weights_len, mut state_len) = (0, 0);
        for (named, reads) in network.layers.iter().zip(reads) {
            let inputs: Vec<&Shape> = reads.iter().map(|value| &shapes[value.index()]).collect();
            let (first, weights_start, state_start) = (entries.len(), weights_len, state_len);
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
                    dtype: spec.dtype,
                });
            }
            let (weights, state) = (weights_start..weights_len, state_start..state_len);
            layers.push(LayerRanges { entries: first..entries.len(), weights, state });
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
        self.layers[index].weights.clone()
    }

    /// The other range of layer `index`.
    pub fn state_of(&self, index: usize) -> Range<usize> {
        self.layers[index].state.clone()
    }

    /// The tensors of layer `index`.
    pub fn entries_of(&self, index: usize) -> &[ParamEntry] {
        &self.entries[self.layers[index].entries.clone()]
    }

    /// Where among all [entries](ParamLayout::entries) those of layer `index` begin.
    pub fn first_entry_of(&self, index: usize) -> usize {
        self.layers[index].entries.start
    }

    /// The tensor with this dotted name, and its layer.
    pub fn find(&self, name: &str) -> Option<(usize, &ParamEntry)> {
        let at = self.entries.iter().position(|entry| entry.name == name)?;
        let layer = self.layers.partition_point(|layer| layer.entries.end <= at);
        Some((layer, &self.entries[at]))
    }

    /// Holds tensors from outside, by their names and shapes, against those that the network declares: all of them, each
    /// once, and no other. Gives for each [entry](ParamLayout::entries) which of the tensors it is.
    ///
    /// # Errors
    /// [`ShapeError`] listing everything missing, unexpected, given twice or of another shape.
    pub fn assign<'a>(
        &self,
        tensors: impl IntoIterator<Item = (&'a str, &'a [usize])>,
    ) -> Result<Vec<usize>, ShapeError> {
        let mut given: HashMap<&str, (usize, &[usize])> = HashMap::new();
        let mut lists = [("missing", Vec::new()), ("of another shape", Vec::new()), ("given twice", Vec::new())];
        let [(_, missing), (_, wrong), (_, twice)] = &mut lists;
        for (index, (name, shape)) in tensors.into_iter().enumerate() {
            match given.entry(name) {
                Entry::Vacant(place) => _ = place.insert((index, shape)),
                Entry::Occupied(_) => twice.push(format!("{name} {shape:?}")),
            }
        }
        let mut found = Vec::with_capacity(self.entries.len());
        for ParamEntry { name, shape: declared, .. } in &self.entries {
            match given.remove(name.as_str()) {
                None => missing.push(format!("{name} {declared:?}")),
                Some((_, shape)) if shape != declared => wrong.push(format!("{name} is {shape:?}, not {declared:?}")),
                Some((index, _)) => found.push(index),
            }
        }
        let mut unexpected: Vec<String> = given.iter().map(|(name, (_, shape))| format!("{name} {shape:?}")).collect();
        unexpected.sort_unstable();
        let lists = lists.into_iter().chain([("not in the network", unexpected)]);
        let got: Vec<String> = lists
            .filter(|(_, list)| !list.is_empty())
            .map(|(what, list)| format!("{what}: {}", list.join(", ")))
            .collect();
        if got.is_empty() {
            return Ok(found);
        }
        Err(ShapeError {
            layer: None,
            compared: "the weights".to_string(),
            expected: format!("the {} tensors that the network declares", self.entries.len()),
            got: got.join("; "),
            help: "These weights belong to another network.".to_string(),
        })
    }
}

/// Numbers of a network that can be had one layer at a time: [`Params`], or those in a [`Plan`](crate::Plan).
pub trait LayerParams {
    /// Where every tensor lies.
    fn layout(&self) -> &Arc<ParamLayout>;

    /// The trainable numbers of layer `index`, and the others, as [`ParamLayout::weights_of`] and
    /// [`ParamLayout::state_of`] say.
    fn layer(&self, index: usize) -> (Cow<'_, [f32]>, Cow<'_, [f32]>);
}

impl LayerParams for Params {
    fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    fn layer(&self, index: usize) -> (Cow<'_, [f32]>, Cow<'_, [f32]>) {
        let (weights, state) = (self.layout.weights_of(index), self.layout.state_of(index));
        (Cow::Borrowed(&self.weights[weights]), Cow::Borrowed(&self.state[state]))
    }
}

/// The numbers of one network. That it exists proves that every tensor has its declared shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    layout: Arc<ParamLayout>,
    /// Trainable tensors, flat.
    #[doc(hidden)]
    pub weights: Buffer,
    /// Running statistics and constants, flat.
    #[doc(hidden)]
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
    pub values: Cow<'a, [f32]>,
}

impl Params {
    /// All zeros.
    pub fn zeros(network: &CheckedNetwork) -> Self {
        let layout = network.layout().clone();
        Params { weights: Buffer::zeros(layout.weights_len), state: Buffer::zeros(layout.state_len), layout }
    }

    /// First values as each layer declares them; the same seed gives the same numbers everywhere.
    #[cfg(feature = "train")]
    pub fn initialize(network: &CheckedNetwork, seed: u64) -> Self {
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
    /// [`ShapeError`] listing everything missing, unexpected, given twice or of another shape, or naming constants that a layer
    /// [cannot have](crate::layer::LayerKind::check_params).
    pub fn from_tensors(network: &CheckedNetwork, tensors: &[Tensor<'_>]) -> Result<Self, ShapeError> {
        let layout = network.layout();
        let found = layout.assign(tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice())))?;
        let fitting = || layout.entries.iter().zip(&found).map(|(entry, &index)| (entry, &tensors[index]));
        if let Some((entry, tensor)) = fitting().find(|(entry, tensor)| tensor.values.len() != entry.range.len()) {
            return Err(ShapeError {
                layer: None,
                compared: format!("the values of {}", entry.name),
                expected: format!("{}, as its shape {:?} says", entry.range.len(), entry.shape),
                got: tensor.values.len().to_string(),
                help: "Give one value for each element.".to_string(),
            });
        }
        // Only now is memory taken: what was compared above is no larger than what was given.
        let mut params = Params::zeros(network);
        for (entry, tensor) in fitting() {
            params.values_mut(entry).copy_from_slice(&tensor.values);
        }
        params.check(network)?;
        Ok(params)
    }

    /// Holds the numbers against what the layers of their network can have: whole ones where a layer computes with those, constants
    /// that belong together.
    ///
    /// # Errors
    /// [`ShapeError`] naming the first that [cannot be](crate::layer::LayerKind::check_params).
    ///
    /// # Panics
    /// Where they are the numbers of another network.
    pub fn check(&self, network: &CheckedNetwork) -> Result<(), ShapeError> {
        assert!(*network.layout() == self.layout, "the numbers of another network");
        self.layout.entries.iter().try_for_each(|entry| entry.check(self.values(entry)))?;
        (0..network.network().layers.len()).try_for_each(|index| {
            let (weights, state) = self.layer(index);
            network.check_params(index, &weights, &state)
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
