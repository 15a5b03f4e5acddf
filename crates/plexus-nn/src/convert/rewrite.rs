//! Writes a network anew, layer by layer: what every conversion does.
//!
//! Each value of the old network has a name in the new one, or two: the name of the same numbers with the axes that they had, and
//! the name of the same numbers as maps instead of a row, or as a row instead of maps. A flatten or unflatten between the two is
//! written when someone asks for the one that is not there, and not otherwise.

use super::{Change, Conversion, ConvertError, Converted};
use crate::check::{CheckedNetwork, ValueId};
use crate::layers::{Flatten, Layer, Order, Unflatten};
use crate::network::{NamedLayer, Network};
use crate::params::Params;
use crate::shape::Shape;
use std::collections::{HashMap, HashSet};

/// The same numbers with other axes: a row of maps, or maps of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    /// Its name in the new network.
    pub name: String,
    /// Its axes: one, or three.
    pub shape: Shape,
    /// How the numbers of the maps stand in the row.
    pub order: Order,
}

impl Other {
    /// The channels of maps of one pixel, whose order means nothing.
    pub fn is_one_pixel(&self, was: &Shape) -> bool {
        let maps = if self.shape.axes().len() == 3 { &self.shape } else { was };
        matches!(maps.axes(), [_, 1, 1])
    }
}

/// The names of a value in the new network; one of the two is there as soon as the layer was written that makes it.
#[derive(Clone, Debug, Default)]
struct Names {
    was: Option<String>,
    other: Option<Other>,
}

/// Writes the numbers of a tensor, from the trainable ones that a layer of the old network had.
struct Fill<'a> {
    layer: usize,
    write: Box<Write<'a>>,
}

/// From old numbers to new ones.
type Write<'a> = dyn FnOnce(&[f32], &mut [f32]) + 'a;

/// A network that is being written.
pub(super) struct Rewrite<'a> {
    pub network: &'a CheckedNetwork,
    pub conversion: Conversion,
    pub notes: Vec<String>,
    /// Values with the same numbers, and the names that they have now.
    pub same: Vec<(ValueId, String)>,
    most_bytes: u64,
    layers: Vec<NamedLayer>,
    taken: HashSet<String>,
    names: Vec<Names>,
    /// Tensors of new layers, by name.
    fills: HashMap<String, Fill<'a>>,
    /// Of layers that were written as a matrix: places that are not zero, and different weights.
    counts: HashMap<String, [u64; 2]>,
}

impl<'a> Rewrite<'a> {
    pub fn new(network: &'a CheckedNetwork, conversion: Conversion, most_bytes: u64) -> Self {
        let inputs = network.network().inputs.iter().map(|input| input.name.clone());
        let mut names: Vec<Names> = inputs.clone().map(|name| Names { was: Some(name), other: None }).collect();
        names.resize(network.values().count(), Names::default());
        Rewrite {
            network,
            conversion,
            notes: Vec::new(),
            same: Vec::new(),
            most_bytes,
            layers: Vec::new(),
            taken: inputs.collect(),
            names,
            fills: HashMap::new(),
            counts: HashMap::new(),
        }
    }

    /// A layer of the old network.
    pub fn layer(&self, index: usize) -> &'a NamedLayer {
        &self.network.network().layers[index]
    }

    /// Writes a layer with the name of an old one, which it takes the place of.
    pub fn push(&mut self, name: &str, inputs: Vec<String>, layer: impl Into<Layer>) -> String {
        self.taken.insert(name.to_string());
        self.layers.push(NamedLayer { name: name.to_string(), inputs, layer: layer.into() });
        name.to_string()
    }

    /// Writes a layer that is new, called after another: `fc1.flatten`.
    pub fn push_new(&mut self, of: &str, what: &str, inputs: Vec<String>, layer: impl Into<Layer>) -> String {
        let names = std::iter::once(format!("{of}.{what}")).chain((2..).map(|number| format!("{of}.{what}{number}")));
        let is_free = |name: &String| !self.taken.contains(name) && self.network.value(name).is_none();
        let name = { names }.find(is_free).expect("there are more numbers than layers");
        self.push(&name, inputs, layer)
    }

    /// Says what a tensor of a new layer is: `write(old, new)` makes it of the trainable numbers of a layer of the old network, its
    /// weight with a bias behind it.
    pub fn fill(&mut self, layer: &str, role: &str, old: usize, write: impl FnOnce(&[f32], &mut [f32]) + 'a) {
        self.fills.insert(format!("{layer}.{role}"), Fill { layer: old, write: Box::new(write) });
    }

    /// Says how many places of a layer that was written as a matrix are not zero, and how many different weights stand there.
    pub fn count(&mut self, layer: &str, nonzeros: u64, distinct: u64) {
        self.counts.insert(layer.to_string(), [nonzeros, distinct]);
    }

    /// Writes the layer as it was.
    pub fn keep(&mut self, index: usize) {
        let inputs = self.network.reads(index).iter().map(|value| self.was(*value)).collect();
        let NamedLayer { name, layer, .. } = self.layer(index);
        let name = self.push(name, inputs, layer.clone());
        self.set(self.network.value_of(index), name);
    }

    /// Names a value, with the axes that it had.
    pub fn set(&mut self, value: ValueId, name: String) {
        self.names[value.index()].was = Some(name);
    }

    /// Names a value that has other axes now.
    pub fn set_other(&mut self, value: ValueId, other: Other) {
        self.names[value.index()].other = Some(other);
    }

    /// The same numbers with other axes of all that a layer reads, where all are there, and whether all are maps of one pixel.
    pub fn others(&self, index: usize) -> Option<(Vec<&Other>, bool)> {
        let reads = self.network.reads(index);
        let all: Vec<&Other> = reads.iter().map(|read| self.other(*read)).collect::<Option<_>>()?;
        let pixels = reads.iter().zip(&all).all(|(read, other)| other.is_one_pixel(self.network.shape(*read)));
        Some((all, pixels))
    }

    /// Writes a layer that does to other axes what it did before, with the axes and the order that it gives; as it was where there
    /// is none.
    pub fn carry(&mut self, index: usize, carried: Option<(Layer, Shape, Order)>) {
        let Some((layer, shape, order)) = carried else { return self.keep(index) };
        let reads = self.network.reads(index).iter();
        let inputs = reads.map(|read| self.other(*read).expect("it is carried").name.clone()).collect();
        let name = self.push(&self.layer(index).name.clone(), inputs, layer);
        self.set_other(self.network.value_of(index), Other { name, shape, order });
    }

    /// Gives a value the names of another, whose numbers and axes it has.
    pub fn alias(&mut self, value: ValueId, of: ValueId) {
        self.names[value.index()] = self.names[of.index()].clone();
    }

    /// The same numbers with other axes, where they are there.
    pub fn other(&self, value: ValueId) -> Option<&Other> {
        self.names[value.index()].other.as_ref()
    }

    /// The name of a value with the axes that it had.
    pub fn was(&mut self, value: ValueId) -> String {
        if let Some(name) = &self.names[value.index()].was {
            return name.clone();
        }
        let other = self.other(value).expect("a layer reads what was written before it").clone();
        let (layer, own) = (between(self.network.shape(value), other.order), self.network.name(value));
        let name = match self.taken.contains(own) {
            true => self.push_new(own, layer.kind(), vec![other.name], layer.clone()),
            false => self.push(own, vec![other.name], layer),
        };
        self.set(value, name.clone());
        name
    }

    /// The same numbers as maps of this shape, or as a row, whichever they were not; in this order where they are not there yet.
    pub fn as_other(&mut self, value: ValueId, shape: Shape, order: Order) -> Other {
        if let Some(other) = self.other(value) {
            return other.clone();
        }
        let (layer, from) = (between(&shape, order), self.was(value));
        let name = self.push_new(self.network.name(value), layer.kind(), vec![from], layer.clone());
        let other = Other { name, shape, order };
        self.set_other(value, other.clone());
        other
    }

    /// Refuses a layer.
    pub fn unfit(&self, index: usize, expected: impl Into<String>, got: impl Into<String>, help: &str) -> ConvertError {
        ConvertError::Unfit {
            layer: self.network.label(index),
            conversion: self.conversion,
            expected: expected.into(),
            got: got.into(),
            help: help.to_string(),
        }
    }

    /// Refuses a network.
    pub fn nothing(&self, expected: &str, got: Vec<String>, help: &str) -> ConvertError {
        let (conversion, expected, help) = (self.conversion, expected.to_string(), help.to_string());
        ConvertError::Nothing { conversion, expected, got, help }
    }

    /// Refuses a layer that would take more than there may be.
    pub fn check_size(&self, index: usize, numbers: String, bytes: u128, help: &str) -> Result<(), ConvertError> {
        if bytes <= u128::from(self.most_bytes) {
            return Ok(());
        }
        let (layer, most_bytes, help) = (self.network.label(index), self.most_bytes, help.to_string());
        Err(ConvertError::TooLarge { layer, numbers, bytes, most_bytes, help })
    }

    /// The network, written. Outputs have the axes that they had; maps of one pixel may stay a row, and a row such maps, unless
    /// `axes_stay`.
    pub fn finish(mut self, axes_stay: bool) -> Result<Written<'a>, ConvertError> {
        let outputs: Vec<String> =
            self.network.outputs().iter().map(|&output| self.output(output, axes_stay)).collect();
        let old = self.network.network();
        let last = self.layers.last().map_or(&old.inputs[0].name, |layer| &layer.name);
        let outputs = if outputs == [last.clone()] && old.outputs.is_empty() { Vec::new() } else { outputs };
        // What a layer reads is said where it is not the layer above, or was said before.
        let mut above = old.inputs[0].name.clone();
        for layer in &mut self.layers {
            let said = old.layers.iter().any(|old| old.name == layer.name && !old.inputs.is_empty());
            if layer.inputs == [above] && !said {
                layer.inputs.clear();
            }
            above = layer.name.clone();
        }
        let layers = std::mem::take(&mut self.layers);
        let network = Network { inputs: old.inputs.clone(), layers, outputs }.check()?;
        self.check_total(&network)?;
        Ok(Written { network, rewrite: self })
    }

    fn output(&mut self, value: ValueId, axes_stay: bool) -> String {
        match (&self.names[value.index()].was, self.other(value)) {
            (None, Some(other)) if !axes_stay && other.is_one_pixel(self.network.shape(value)) => other.name.clone(),
            _ => self.was(value),
        }
    }

    fn check_total(&self, network: &CheckedNetwork) -> Result<(), ConvertError> {
        let of = |index: usize| {
            let (weights, state) = (network.layout().weights_of(index), network.layout().state_of(index));
            4 * (weights.len() as u128 + state.len() as u128)
        };
        let layers = 0..network.network().layers.len();
        let bytes: u128 = layers.clone().map(of).sum();
        let largest = layers.max_by_key(|&index| of(index));
        match largest {
            Some(largest) if bytes > u128::from(self.most_bytes) => Err(ConvertError::TooLarge {
                layer: network.label(largest),
                numbers: format!("{} numbers of {} of all layers together", of(largest) / 4, bytes / 4),
                bytes,
                most_bytes: self.most_bytes,
                help: "Name fewer layers.".to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// What became of which layer, in the order of the old network; new ones stand where they were written.
    fn changes(&self, network: &CheckedNetwork) -> Vec<Change> {
        let (old, new) = (self.network, network);
        let place = |network: &CheckedNetwork, name: &str| network.network().layers.iter().position(|l| l.name == name);
        let mut changes = Vec::new();
        let mut next = 0;
        let mut push = |before: Option<usize>, after: Option<usize>| {
            let of = |network: &CheckedNetwork, index: Option<usize>| match index {
                None => (None, Vec::new(), 0),
                Some(index) => {
                    let weight = network.layout().entries_of(index).iter().find(|entry| entry.role == "weight");
                    let axes = weight.map_or(Vec::new(), |weight| weight.shape.clone());
                    let kind = network.network().layers[index].layer.kind();
                    (Some(kind), axes, network.layout().weights_of(index).len() as u64)
                }
            };
            let layer = match (before, after) {
                (Some(index), _) => &old.network().layers[index].name,
                (None, index) => &new.network().layers[index.unwrap_or(0)].name,
            };
            let (was, weight_before, params_before) = of(old, before);
            let (is, weight_after, params_after) = of(new, after);
            let counts = self.counts.get(layer);
            changes.push(Change {
                layer: layer.clone(),
                before: was,
                after: is,
                weight_before,
                weight_after,
                params_before,
                params_after,
                nonzeros: counts.map(|counts| counts[0]),
                distinct: counts.map(|counts| counts[1]),
            });
        };
        let is_new = |at: &usize| place(old, &new.network().layers[*at].name).is_none();
        for (index, layer) in old.network().layers.iter().enumerate() {
            let Some(at) = place(new, &layer.name) else {
                push(Some(index), None);
                continue;
            };
            (next..at).filter(is_new).for_each(|at| push(None, Some(at)));
            next = next.max(at + 1);
            if new.network().layers[at].layer != layer.layer {
                push(Some(index), Some(at));
            }
        }
        (next..new.network().layers.len()).filter(is_new).for_each(|at| push(None, Some(at)));
        changes
    }
}

/// A network that is written, but for its numbers.
pub(super) struct Written<'a> {
    pub network: CheckedNetwork,
    rewrite: Rewrite<'a>,
}

impl Written<'_> {
    /// With its numbers, from those that the old network has.
    pub fn with_numbers(self, old: &Params) -> Converted {
        let Written { network, mut rewrite } = self;
        let mut params = Params::zeros(&network);
        let layout = network.layout().clone();
        for entry in layout.entries() {
            let to = params.values_mut(entry);
            match rewrite.fills.remove(&entry.name) {
                Some(Fill { layer, write }) => write(&old.weights[old.layout().weights_of(layer)], to),
                None => to.copy_from_slice(old.by_name(&entry.name).expect("a layer that stays has its numbers")),
            }
        }
        let changes = rewrite.changes(&network);
        let value = |name: &str| network.value(name).expect("it was written");
        let values = rewrite.same.iter().map(|(was, name)| (*was, value(name))).collect();
        Converted { network, params, changes, values, notes: rewrite.notes }
    }
}

/// The layer that gives a value these axes, where it has others.
fn between(shape: &Shape, order: Order) -> Layer {
    match shape.axes().len() {
        1 => Flatten::new().with_order(order).into(),
        _ => Unflatten::new(shape).with_order(order).into(),
    }
}

/// The place in a row of a number of maps.
pub(super) fn place_in_row(order: Order, [channels, height, width]: [usize; 3], [c, y, x]: [usize; 3]) -> usize {
    match order {
        Order::ChannelsFirst => (c * height + y) * width + x,
        Order::ChannelsLast => (y * width + x) * channels + c,
    }
}

/// The layers that a conversion is asked for: those that are named, or all that it can be done with.
///
/// # Errors
/// A layer that is named and not fit, or none at all; `why_not` says of a layer why it is not.
pub(super) fn chosen<E>(
    layers: usize,
    named: &[usize],
    why_not: impl Fn(usize) -> Option<E>,
    nothing: impl FnOnce(Vec<E>) -> ConvertError,
    unfit: impl FnOnce(usize, E) -> ConvertError,
) -> Result<Vec<bool>, ConvertError> {
    if let Some((&index, why)) = named.iter().find_map(|index| Some((index, why_not(*index)?))) {
        return Err(unfit(index, why));
    }
    let chosen = |index: usize| if named.is_empty() { why_not(index).is_none() } else { named.contains(&index) };
    let chosen: Vec<bool> = (0..layers).map(chosen).collect();
    match chosen.contains(&true) {
        true => Ok(chosen),
        false => Err(nothing((0..layers).filter_map(why_not).collect())),
    }
}
