//! Two models side by side: where their layers, their numbers and their values differ.

use super::Numbers;
use crate::{Error, Function, Model, Task, Workspace};
use plexus_nn::layer::Layout;
use plexus_nn::layers::Layer;
use plexus_nn::{CheckedNetwork, ParamEntry, Plan, PlanOptions, Shape, ValueId, View};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// What distinguishes two models, of which the first is called `a` and the second `b`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Diff {
    /// What goes in and comes out: shapes of inputs, names and meaning of outputs.
    pub ends: Vec<Change>,
    /// Pairs of layers in the order of `a`, each followed by the layers of `b` that have no partner in front of the next pair.
    pub layers: Vec<LayerDiff>,
}

impl Diff {
    /// Whether both compute the same from the same numbers: their ends, layers and tensors are equal, bit by bit.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.layers.iter().all(LayerDiff::is_empty)
    }
}

/// One property that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// Which.
    pub what: String,
    /// In the first model; empty where it has none.
    pub a: String,
    /// In the second.
    pub b: String,
}

/// Two layers that belong together, or one that has no partner.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerDiff {
    /// The name in the first model.
    pub a: Option<String>,
    /// The name in the second.
    pub b: Option<String>,
    /// The kind, of the first where both have one.
    pub kind: String,
    /// Properties that differ: kind, keys, what is read, the shape of the output.
    pub changes: Vec<Change>,
    /// The tensors of the same role.
    pub tensors: Vec<TensorDiff>,
}

impl LayerDiff {
    /// Whether the layers have the same description and the same numbers; names may differ.
    pub fn is_empty(&self) -> bool {
        self.is_pair() && self.changes.is_empty() && self.tensors.iter().all(TensorDiff::is_empty)
    }

    /// Whether both models have the layer.
    pub fn is_pair(&self) -> bool {
        self.a.is_some() && self.b.is_some()
    }
}

/// A tensor of two layers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TensorDiff {
    /// `weight`, `bias`, `running_mean` and so on.
    pub role: String,
    /// Its shape in `a`, empty where only `b` has it.
    pub shape: Vec<usize>,
    /// How much the numbers differ, in their order; `None` where they are not as many or one layer has no such tensor.
    pub gap: Option<Gap>,
}

impl TensorDiff {
    fn is_empty(&self) -> bool {
        self.gap.is_some_and(|gap| gap.differing == 0)
    }
}

/// How much two rows of as many numbers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Gap {
    /// How many were compared.
    pub compared: u64,
    /// How many of them have other bits; both zeros count as equal.
    pub differing: u64,
    /// The largest `|a - b|`; infinite where one is no number and the other is.
    pub largest: f64,
    /// The largest `|a|`.
    pub scale: f64,
    /// Where the largest difference is: the number of the row, and the place in it.
    pub at: (u64, u64),
}

impl Gap {
    /// The largest difference, as a share of the largest number of the first.
    pub fn relative(&self) -> f64 {
        if self.largest == 0.0 { 0.0 } else { self.largest / self.scale }
    }

    /// Adds pairs of numbers, rows of `width`, of which the first is row `first`.
    pub(super) fn add(&mut self, a: &[f32], b: &[f32], width: usize, first: u64) {
        for (at, (a, b)) in a.iter().zip(b).enumerate() {
            self.compared += 1;
            self.scale = self.scale.max(f64::from(a.abs()));
            if a == b || (a.is_nan() && b.is_nan()) {
                continue;
            }
            self.differing += 1;
            let distance = (f64::from(*a) - f64::from(*b)).abs();
            let distance = if distance.is_nan() { f64::INFINITY } else { distance };
            if distance > self.largest {
                self.largest = distance;
                self.at = (first + (at / width.max(1)) as u64, (at % width.max(1)) as u64);
            }
        }
    }
}

/// Compares two models: what they are called, how they are built, and their numbers.
///
/// Layers belong together by their names. Where no name of a layer of the one is found in the other, as with a network that was
/// made in another program, but the kinds are the same in the same order, they belong together by their order.
///
/// # Examples
/// ```
/// use plexus::{Context, Model, Network, Params, Task, explain, layers::{linear, relu}};
/// let network = Network::chain([4], [linear(3), relu(), linear(1)]).check()?;
/// let model = |seed| {
///     let task = Task::Regression { outputs: vec!["price".into()] };
///     Model::new(network.clone(), &Params::initialize(&network, seed), task, Context::single())
/// };
/// let (one, two) = (model(1)?, model(2)?);
/// assert!(explain::diff(&one, &one).is_empty());
/// let diff = explain::diff(&one, &two);
/// assert!(diff.layers[0].changes.is_empty());
/// assert_eq!(diff.layers[0].tensors[0].gap.unwrap().differing, 12);
/// # Ok::<(), plexus::Error>(())
/// ```
pub fn diff(a: &Model, b: &Model) -> Diff {
    let layers = pairs(a.network(), b.network()).into_iter().map(|pair| {
        let of = |network: &CheckedNetwork, index: usize| network.network().layers[index].clone();
        let (one, two) = (pair.a.map(|index| of(a.network(), index)), pair.b.map(|index| of(b.network(), index)));
        let kind = one.as_ref().or(two.as_ref()).expect("one of them has it").layer.kind().to_string();
        let (mut changes, mut tensors) = (Vec::new(), Vec::new());
        if let (Some(one), Some(two), Some(index_a), Some(index_b)) = (&one, &two, pair.a, pair.b) {
            let json = |layer| serde_json::to_value(layer).expect("plain data has a JSON form");
            changes = match changed("kind", one.layer.kind(), two.layer.kind()) {
                Some(kind) => vec![kind],
                None => changed_keys(&json(&one.layer), &json(&two.layer)),
            };
            let shapes = (a.network().output_shape(index_a), b.network().output_shape(index_b));
            changes.extend(changed("output", shapes.0, shapes.1));
            let reads = |network: &CheckedNetwork, index: usize| {
                let names = network.reads(index).iter().map(|value| network.name(*value).to_string());
                names.collect::<Vec<_>>()
            };
            let (reads_a, reads_b) = (reads(a.network(), index_a), reads(b.network(), index_b));
            if !pair.is_by_order {
                changes.extend(changed("reads", reads_a.join(", "), reads_b.join(", ")));
            }
            let (numbers_a, numbers_b) = (Numbers::of(a, index_a), Numbers::of(b, index_b));
            let entries_a = a.network().layout().entries_of(index_a);
            let entries_b = b.network().layout().entries_of(index_b);
            for entry in entries_a {
                let partner = entries_b.iter().find(|other| other.role == entry.role);
                let gap = partner.filter(|other| other.range.len() == entry.range.len()).map(|other| {
                    let (mut gap, values) = (Gap::default(), numbers_a.values(entry));
                    gap.add(values, numbers_b.values(other), values.len(), 0);
                    gap
                });
                tensors.push(TensorDiff { role: entry.role.to_string(), shape: entry.shape.clone(), gap });
            }
            let is_new = |other: &&ParamEntry| entries_a.iter().all(|one| one.role != other.role);
            let new = entries_b.iter().filter(is_new);
            tensors.extend(new.map(|other| TensorDiff { role: other.role.to_string(), shape: Vec::new(), gap: None }));
        }
        LayerDiff { a: one.map(|layer| layer.name), b: two.map(|layer| layer.name), kind, changes, tensors }
    });
    Diff { ends: ends(a, b), layers: layers.collect() }
}

/// What goes in and comes out.
fn ends(a: &Model, b: &Model) -> Vec<Change> {
    let mut changes = Vec::new();
    let inputs = |model: &Model| {
        let inputs = model.inputs().iter().map(|input| format!("{} {}", input.name, input.shape));
        inputs.collect::<Vec<_>>().join(", ")
    };
    changes.extend(changed("inputs", inputs(a), inputs(b)));
    let outputs = |model: &Model| {
        let network = model.network();
        let outputs = network.outputs().iter().zip(model.outputs());
        let outputs = outputs.map(|(value, output)| format!("{} of shape {}", output.task, network.shape(*value)));
        outputs.collect::<Vec<_>>().join(", ")
    };
    changes.extend(changed("outputs", outputs(a), outputs(b)));
    let names = |model: &Model| model.outputs().iter().flat_map(|output| output.task.names().to_vec()).collect();
    let (names_a, names_b): (Vec<String>, Vec<String>) = (names(a), names(b));
    if names_a.len() == names_b.len() {
        let other = names_a.iter().zip(&names_b).enumerate().filter(|(_, (a, b))| a != b);
        changes.extend(other.flat_map(|(at, (a, b))| changed(&format!("name of output {at}"), a, b)));
    }
    let images = |model: &Model| model.metadata().get(Model::IMAGES).cloned().unwrap_or_default();
    changes.extend(changed("images", images(a), images(b)));
    changes
}

fn changed<T: PartialEq + ToString>(what: &str, a: T, b: T) -> Option<Change> {
    (a != b).then(|| Change { what: what.to_string(), a: a.to_string(), b: b.to_string() })
}

/// The keys of two descriptions that differ.
fn changed_keys(a: &Value, b: &Value) -> Vec<Change> {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return Vec::new() };
    let text = |value: Option<&Value>| match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let new = b.keys().filter(|key| !a.contains_key(*key));
    a.keys().chain(new).filter_map(|key| changed(key, text(a.get(key)), text(b.get(key)))).collect()
}

/// Layers that belong together, by their index.
struct Pair {
    a: Option<usize>,
    b: Option<usize>,
    is_by_order: bool,
}

fn pairs(a: &CheckedNetwork, b: &CheckedNetwork) -> Vec<Pair> {
    let (one, two) = (&a.network().layers, &b.network().layers);
    let partner = |name: &str| two.iter().position(|other| other.name == name);
    let kinds = |layers: &[plexus_nn::NamedLayer]| layers.iter().map(|named| named.layer.kind()).collect::<Vec<_>>();
    if kinds(one) == kinds(two) && one.iter().all(|named| partner(&named.name).is_none()) {
        return (0..one.len()).map(|index| Pair { a: Some(index), b: Some(index), is_by_order: true }).collect();
    }
    let mut pairs = Vec::new();
    let mut told = 0;
    let is_new = |index: &usize| one.iter().all(|named| named.name != two[*index].name);
    let alone = |index: usize| Pair { a: None, b: Some(index), is_by_order: false };
    for (index, named) in one.iter().enumerate() {
        let other = partner(&named.name);
        if let Some(other) = other.filter(|other| *other >= told) {
            pairs.extend((told..other).filter(is_new).map(alone));
            told = other + 1;
        }
        pairs.push(Pair { a: Some(index), b: other, is_by_order: false });
    }
    pairs.extend((told..two.len()).filter(is_new).map(alone));
    pairs
}

/// The value behind a layer that is compared with that of another network: where that layer does a relu itself, as one of whole numbers
/// may, and this one does not, it is the value behind the relu that follows.
fn end(network: &CheckedNetwork, index: usize, other: &CheckedNetwork, other_index: usize) -> ValueId {
    let value = network.value_of(index);
    if limits(&network.network().layers[index].layer) || !limits(&other.network().layers[other_index].layer) {
        return value;
    }
    let layers = &network.network().layers;
    let mut readers = (0..layers.len()).filter(|reader| network.reads(*reader).contains(&value));
    match (readers.next(), readers.next()) {
        (Some(reader), None) if layers[reader].layer.function() == Some(Function::Relu) => network.value_of(reader),
        _ => value,
    }
}

/// Whether a layer of whole numbers limits its outputs.
fn limits(layer: &Layer) -> bool {
    match layer {
        Layer::IntegerLinear(layer) => layer.integers.clamp.is_some(),
        Layer::IntegerConv2d(layer) => layer.integers.clamp.is_some(),
        Layer::IntegerConvTranspose2d(layer) => layer.integers.clamp.is_some(),
        Layer::IntegerAdd(layer) => layer.clamp.is_some(),
        _ => false,
    }
}

/// How far the values behind two layers are from each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ValueDiff {
    /// The layer of the first model.
    pub a: String,
    /// That of the second.
    pub b: String,
    /// Its kind in the first.
    pub kind: String,
    /// The shape of the values in the first.
    pub shape: Shape,
    /// Over all rows so far.
    pub gap: Gap,
}

/// Compares the values behind each pair of layers of two models, on rows that are given batch by batch.
///
/// Each layer is computed by itself, as the file describes it: nothing is folded. Compared are pairs of layers that give as many
/// numbers, in the order of the first model.
pub struct Values {
    a: Plan,
    b: Plan,
    /// For each value of `b`, the comparison that it belongs to.
    of_b: Vec<Option<usize>>,
    ids: Vec<ValueId>,
    found: Vec<ValueDiff>,
    /// Whether the largest of the numbers that come out is a decision, in both models.
    decides: bool,
    decided_otherwise: u64,
    workspaces: [Workspace; 2],
    rows: u64,
}

impl Values {
    /// Makes both models ready.
    ///
    /// # Errors
    /// [`Error::Setting`] where they do not take the same rows.
    pub fn new(a: &Model, b: &Model) -> Result<Self, Error> {
        let shapes = |model: &Model| model.inputs().iter().map(|input| input.shape.to_string()).collect::<Vec<_>>();
        let (inputs_a, inputs_b) = (shapes(a), shapes(b));
        if inputs_a != inputs_b {
            return Err(Error::Setting {
                name: "the input of the second model",
                got: inputs_b.join(", "),
                expected: format!("{}, that of the first, so that both take the same rows", inputs_a.join(", ")),
                remedy: None,
            });
        }
        let plan = |model: &Model| {
            let options = PlanOptions::default().with_one_by_one(true);
            let network = Arc::new(model.network().clone());
            Plan::with(network, &model.params(), options, model.plan.context().clone())
        };
        let (network_a, network_b) = (a.network(), b.network());
        let (mut of_b, mut ids, mut found) = (vec![None; network_b.values().count()], Vec::new(), Vec::new());
        for pair in pairs(network_a, network_b) {
            let (Some(one), Some(two)) = (pair.a, pair.b) else { continue };
            let (value_a, value_b) = (end(network_a, one, network_b, two), end(network_b, two, network_a, one));
            if network_a.len(value_a) != network_b.len(value_b) {
                continue;
            }
            of_b[value_b.index()] = Some(found.len());
            ids.push(value_a);
            found.push(ValueDiff {
                a: network_a.name(value_a).to_string(),
                b: network_b.name(value_b).to_string(),
                kind: network_a.network().layers[one].layer.kind().to_string(),
                shape: network_a.shape(value_a).clone(),
                gap: Gap::default(),
            });
        }
        let classes = |model: &Model| match model.task() {
            Task::Classification { classes } if model.network().output().axes().len() == 1 => Some(classes.len()),
            _ => None,
        };
        Ok(Values {
            a: plan(a),
            b: plan(b),
            of_b,
            ids,
            found,
            decides: classes(a).is_some() && classes(a) == classes(b),
            decided_otherwise: 0,
            workspaces: Default::default(),
            rows: 0,
        })
    }

    /// The memory that a row takes while it is compared, in bytes: all values of the first model are kept for so long.
    pub fn bytes_per_row(&self) -> usize {
        let kept: usize = self.ids.iter().map(|value| 4 * self.a.network().len(*value)).sum();
        kept + self.a.workspace_bytes(1) + self.b.workspace_bytes(1)
    }

    /// Runs both models on some rows, one slice for each input.
    ///
    /// # Errors
    /// [`Error::Shape`] for rows that do not fit.
    pub fn add(&mut self, inputs: &[&[f32]], rows: usize) -> Result<(), Error> {
        let Values { a, b, of_b, ids, found, workspaces: [work_a, work_b], rows: before, .. } = self;
        let mut kept: Vec<Vec<f32>> = vec![Vec::new(); ids.len()];
        let first = |view: View<'_>| view.in_layout(Layout::ChannelsFirst).into_owned();
        let mut keep = |value: ValueId, view: View<'_>| {
            if let Some(at) = ids.iter().position(|id| *id == value) {
                kept[at] = first(view);
            }
        };
        let scores_a = a.run_observed(a.network().batches(inputs, rows)?, &mut work_a.plan, Some(&mut keep));
        let mut compare = |value: ValueId, view: View<'_>| {
            if let Some(at) = of_b[value.index()] {
                let one = std::mem::take(&mut kept[at]);
                found[at].gap.add(&one, &first(view), one.len() / rows.max(1), *before);
            }
        };
        let scores_b = b.run_observed(b.network().batches(inputs, rows)?, &mut work_b.plan, Some(&mut compare));
        *before += rows as u64;
        if self.decides {
            let width = a.network().output_len().max(1);
            let decisions = scores_a.chunks_exact(width).zip(scores_b.chunks_exact(width));
            self.decided_otherwise += decisions.filter(|(a, b)| largest(a) != largest(b)).count() as u64;
        }
        Ok(())
    }

    /// What was found, in the order of the layers of the first model. Layers that only rename axes have no values of their own.
    pub fn found(&self) -> impl Iterator<Item = &ValueDiff> {
        self.found.iter().filter(|value| value.gap.compared > 0)
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows for which the models decide for other classes; `None` where they do not both decide between as many.
    pub fn decided_otherwise(&self) -> Option<u64> {
        self.decides.then_some(self.decided_otherwise)
    }
}

/// The place of the largest number, of equal ones the first.
fn largest(scores: &[f32]) -> usize {
    scores.iter().enumerate().rev().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Network, Params};
    use plexus_nn::layers::{Conv2d, Flatten, Layer, Linear, MaxPool2d, relu};

    fn layers(classes: usize) -> Vec<Layer> {
        vec![
            Conv2d::new(3, 3).into(),
            relu(),
            MaxPool2d::new(2).into(),
            Flatten::default().into(),
            Linear::new(8).into(),
            relu(),
            Linear::new(classes).into(),
        ]
    }

    fn model_of(network: Network, change: impl Fn(&mut Params)) -> Model {
        let network = network.check().expect("the layers fit");
        let mut params = Params::initialize(&network, 7);
        change(&mut params);
        let classes = (0..network.output_len()).map(|class| class.to_string()).collect();
        Model::new(network, &params, Task::Classification { classes }, Context::single()).expect("it is whole")
    }

    fn model(change: impl Fn(&mut Params)) -> Model {
        model_of(Network::chain([1, 8, 8], layers(4)), change)
    }

    fn inputs(rows: usize) -> Vec<f32> {
        (0..rows * 64).map(|at| (at as f32 * 0.73).sin()).collect()
    }

    #[test]
    fn one_number_that_was_changed_is_found_and_what_it_does_behind_it() {
        let one = model(|_| {});
        let two = model(|params| {
            let mut bias = params.by_name("layers.4.bias").expect("there is one").to_vec();
            bias[5] += 0.5;
            params.set("layers.4.bias", &bias);
        });
        let found = diff(&one, &two);
        assert!(found.ends.is_empty() && !found.is_empty());
        let other: Vec<&LayerDiff> = found.layers.iter().filter(|layer| !layer.is_empty()).collect();
        assert!(other.len() == 1 && other[0].a.as_deref() == Some("layers.4") && other[0].changes.is_empty());
        let gap = other[0].tensors[1].gap.expect("of one shape");
        assert_eq!((gap.compared, gap.differing, gap.at), (8, 1, (0, 5)));
        assert!((gap.largest - 0.5).abs() < 1e-6, "{gap:?}");

        let mut values = Values::new(&one, &two).expect("they take the same rows");
        let rows = inputs(5);
        values.add(&[&rows[..3 * 64]], 3).expect("three rows");
        values.add(&[&rows[3 * 64..]], 2).expect("two rows");
        assert_eq!(values.rows(), 5);
        let gaps: Vec<(&str, u64)> = values.found().map(|value| (value.a.as_str(), value.gap.differing)).collect();
        assert_eq!(gaps[..3], [("layers.0", 0), ("layers.1", 0), ("layers.2", 0)]);
        assert_eq!(gaps[3], ("layers.4", 5), "the flatten between has no values of its own: {gaps:?}");
        let behind = &values.found().nth(3).expect("seen").gap;
        assert!((behind.largest - 0.5).abs() < 1e-6 && behind.at.1 == 5, "{behind:?}");
    }

    #[test]
    fn values_and_decisions_are_those_of_predictions() {
        let one = model(|_| {});
        let two = model(|params| {
            let weight: Vec<f32> =
                params.by_name("layers.6.weight").expect("there is one").iter().map(|w| -w).collect();
            params.set("layers.6.weight", &weight);
        });
        let (rows, mut work) = (inputs(9), Workspace::default());
        let mut values = Values::new(&one, &two).expect("they take the same rows");
        values.add(&[&rows], 9).expect("nine rows");
        let scores = |model: &Model, work: &mut Workspace| model.scores(&rows, 9, work).expect("nine rows").to_vec();
        let (a, b) = (scores(&one, &mut work), scores(&two, &mut work));
        let most =
            a.iter().zip(&b).map(|(a, b)| f64::from(*a) - f64::from(*b)).fold(0.0, |most, gap| gap.abs().max(most));
        let last = values.found().last().expect("the output").clone();
        assert!((last.gap.largest - most).abs() < 1e-6 && last.shape.axes() == [4], "{last:?}");
        let other = a.chunks(4).zip(b.chunks(4)).filter(|(a, b)| largest(a) != largest(b)).count();
        assert!(values.decided_otherwise() == Some(other as u64) && other > 0);
    }

    #[test]
    fn layers_that_are_built_otherwise_say_how() {
        let one = model(|_| {});
        let two = model_of(Network::chain([1, 8, 8], layers(6)), |_| {});
        let found = diff(&one, &two);
        let what = |changes: &[Change]| changes.iter().map(|change| change.what.clone()).collect::<Vec<_>>();
        assert_eq!(what(&found.ends), ["outputs"]);
        let last = found.layers.last().expect("there are layers");
        assert_eq!(what(&last.changes), ["out_features", "output"]);
        assert!(last.tensors.iter().all(|tensor| tensor.gap.is_none()) && !last.is_empty());
        assert_eq!(Values::new(&one, &two).expect("the same rows").decided_otherwise(), None);

        let mut shorter = layers(4);
        shorter.remove(1);
        let three = model_of(Network::chain([1, 8, 8], shorter), |_| {});
        let found = diff(&one, &three);
        let alone: Vec<&str> =
            found.layers.iter().filter(|layer| !layer.is_pair()).filter_map(|layer| layer.a.as_deref()).collect();
        assert_eq!(alone, ["layers.6"], "names count from zero");
        assert!(found.layers[1].changes.iter().any(|change| change.what == "kind"));

        let wide = model_of(Network::chain([1, 9, 9], layers(4)), |_| {});
        let message = Values::new(&one, &wide).err().expect("other rows").to_string();
        assert!(message.contains("[1, 9, 9]") && message.contains("[1, 8, 8]"), "{message}");
    }

    #[test]
    fn layers_without_a_common_name_belong_together_by_their_order() {
        let one = model(|_| {});
        let mut network = Network::chain([1, 8, 8], layers(4));
        for layer in &mut network.layers {
            layer.name = layer.name.replace("layers.", "other");
        }
        let two = model_of(network, |_| {});
        let found = diff(&one, &two);
        assert!(found.is_empty(), "{found:?}");
        assert_eq!((found.layers[4].a.as_deref(), found.layers[4].b.as_deref()), (Some("layers.4"), Some("other4")));
    }

    #[test]
    fn numbers_that_are_none_are_infinitely_far() {
        let mut gap = Gap::default();
        gap.add(&[f32::NAN, f32::NAN, 1.0, -0.0, f32::INFINITY], &[f32::NAN, 1.0, 1.0, 0.0, f32::INFINITY], 5, 3);
        assert_eq!((gap.compared, gap.differing, gap.largest, gap.at), (5, 1, f64::INFINITY, (3, 1)));
    }

    #[test]
    #[cfg(feature = "quant")]
    fn a_model_of_whole_numbers_is_compared_layer_by_layer() {
        use plexus_nn::layers::{conv2d, flatten, linear, max_pool2d, relu};
        let layers = [conv2d(4, 3), relu(), max_pool2d(2), flatten(), linear(6), relu(), linear(2)];
        let network = plexus_nn::Network::chain([1, 8, 8], layers).check().unwrap();
        let params = plexus_nn::Params::initialize(&network, 1);
        let task = Task::Classification { classes: vec!["no".to_string(), "yes".to_string()] };
        let float = Model::new(network, &params, task, crate::Context::single()).unwrap();
        let rows: Vec<f32> = (0..64 * 9).map(|at| (at as f32 * 0.7).sin()).collect();
        let options = crate::quant::Options::new(crate::quant::Scheme::Int8PerChannel);
        let whole = float.quantize(&[&rows], 9, &options).unwrap().model;
        let mut values = Values::new(&float, &whole).unwrap();
        values.add(&[&rows], 9).unwrap();
        // Behind a convolution of whole numbers stands what the relu makes of the float one.
        let found: Vec<(&str, &str, f64)> =
            values.found().map(|value| (value.a.as_str(), value.b.as_str(), value.gap.relative())).collect();
        let names: Vec<(&str, &str)> = found.iter().map(|(a, b, _)| (*a, *b)).collect();
        // A flatten computes nothing.
        let pairs =
            [("layers.1", "layers.0"), ("layers.2", "layers.2"), ("layers.5", "layers.4"), ("layers.6", "layers.6")];
        assert_eq!(names, pairs);
        assert!(found.iter().all(|(_, _, gap)| *gap > 0.0 && *gap < 0.05), "{found:?}");
    }
}
