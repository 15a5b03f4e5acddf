//! What the numbers of a model look like: its weights layer by layer, and the values behind its layers on some rows.

use super::Numbers;
use super::statistics::{Gathered, Statistics};
use crate::{Error, Model};
use plexus_nn::layer::{Layout, Maps};
use plexus_nn::layers::Layer;
use plexus_nn::{CheckedNetwork, NamedLayer, ParamEntry, Plan, PlanOptions, ValueId, View, Workspace};
use plexus_train::evaluate::rows_per_batch;
use serde::Serialize;

/// The weights of a model, layer by layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct InspectedWeights {
    /// The layers that have numbers which training changes.
    pub layers: Vec<LayerWeights>,
    /// Tensors with numbers that are NaN or infinite, of all layers.
    pub not_finite: Vec<NotFiniteTensor>,
}

/// The weights of one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerWeights {
    /// The name of the layer.
    pub layer: String,
    /// Its kind.
    pub kind: String,
    /// All trainable numbers but the biases.
    pub weights: Statistics,
    /// Weights smaller than a thousandth of the largest, by their size without sign, from 0 to 1.
    pub small_share: f64,
    /// The biases, where it has some.
    pub bias: Option<Statistics>,
    /// Of a linear layer or a convolution, the outputs (filters) all of whose weights are zero: they give their bias, whatever
    /// comes.
    pub without_weights: Vec<usize>,
    /// Of a linear layer in front of a linear layer, and of a conv2d in front of a conv2d: the outputs (filters) that the next layer
    /// gives no weight but zero, where nothing else reads them. Between the two there may be functions, dropout, batch_norm and
    /// poolings. Of other layers nothing is said.
    pub unused: Vec<usize>,
}

/// A tensor with numbers that are NaN or infinite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NotFiniteTensor {
    /// Its dotted name, as `layers.0.weight`.
    pub tensor: String,
    /// How many of its numbers.
    pub count: u64,
    /// The place of the first of them.
    pub first: Vec<usize>,
}

/// The values behind one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerActivations {
    /// The name of the layer.
    pub layer: String,
    /// Its kind.
    pub kind: String,
    /// The shape of the values of one row.
    pub shape: Vec<usize>,
    /// The values of all rows.
    pub values: Statistics,
    /// Behind an activation function: its units.
    pub units: Option<Units>,
}

/// The units behind an activation function: the features of a vector, or the maps of maps.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Units {
    /// How many there are.
    pub count: usize,
    /// Those that are dead on the rows that were seen.
    pub dead: Vec<DeadUnit>,
}

/// A unit whose value was exactly the same everywhere: on each row and, of maps, at each place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DeadUnit {
    /// Which one, from 0.
    pub unit: usize,
    /// The value: 0 behind a relu that is never reached.
    pub value: f32,
}

/// One unit, as far as it was seen.
#[derive(Clone, Copy, Debug)]
struct Unit {
    first: f32,
    varies: bool,
}

/// Statistics of the values behind each layer of a model, over rows that come batch by batch.
///
/// Every layer is computed by itself, as training does it, whatever the model does for predictions; so there is a second copy of
/// the weights. Of the values of a batch no more are kept at a time than the plan needs, and of each batch only sums.
#[derive(Debug)]
pub struct Inspection {
    plan: Plan,
    workspace: Workspace,
    rows: u64,
    /// Of each value of the network; of what only passes on its input nothing.
    values: Vec<Gathered>,
    /// Of each layer; none where it is no function.
    units: Vec<Option<Vec<Unit>>>,
    /// The layer whose values of the first row are kept, and these.
    kept: Option<(usize, Vec<f32>)>,
}

impl Inspection {
    /// The values of the first row behind the layer that is kept, channels first; nothing before there is a row.
    pub fn kept(&self) -> &[f32] {
        self.kept.as_ref().map_or(&[], |(_, values)| values)
    }

    /// Rows of a batch that need no memory worth mentioning.
    pub fn rows_per_batch(&self) -> usize {
        rows_per_batch(&self.plan)
    }

    /// How many rows were seen.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Runs a batch of rows and looks at the values: one slice for each input of the model.
    ///
    /// # Errors
    /// [`Error::Shape`] for rows that do not fit.
    pub fn add(&mut self, inputs: &[&[f32]], rows: usize) -> Result<(), Error> {
        let Inspection { plan, workspace, values, units, kept, .. } = self;
        let network = plan.network();
        let batch = network.batches(inputs, rows)?;
        let mut see = |value: ValueId, view: View<'_>| {
            values[value.index()].add(&view.values());
            if let Some(units) = network.layer_of(value).and_then(|layer| units[layer].as_mut()) {
                see_units(network, value, view, units);
            }
        };
        plan.run_observed(batch, workspace, Some(&mut see));
        self.rows += rows as u64;
        if let Some((layer, kept)) = kept.as_mut().filter(|(_, kept)| kept.is_empty()) {
            let value = network.value_of(*layer);
            let view = plan.value(workspace, value).unwrap_or_else(|| {
                // It only passes on an input, perhaps with other axes.
                let source = source(network, value);
                let (input, shape) = (batch.input(source.index()), network.shape(value));
                let last =
                    network.network().layers[*layer].layer.maps() == Maps::Last && network.shape(source) != shape;
                View::of(shape, if last { Layout::ChannelsLast } else { Layout::ChannelsFirst }, input)
            });
            kept.extend(view.channels_first().iter().take(network.len(value)));
        }
        Ok(())
    }

    /// What was seen so far, in the order of the layers.
    ///
    /// A unit is dead where each of its values is exactly the same number. One value alone, as that of one feature on one row,
    /// counts only where it is 0.
    pub fn layers(&self) -> Vec<LayerActivations> {
        let network = self.plan.network();
        let layer = |(index, named): (usize, &NamedLayer)| {
            let shape = network.output_shape(index).axes().to_vec();
            let units = self.units[index].as_ref().map(|units| {
                let values =
                    self.rows.saturating_mul((network.len(network.value_of(index)) / units.len().max(1)) as u64);
                let dead = |unit: &Unit| !unit.varies && (values > 1 || (values == 1 && unit.first == 0.0));
                let found = units.iter().enumerate().filter(|(_, unit)| dead(unit));
                let dead = found.map(|(at, unit)| DeadUnit { unit: at, value: unit.first }).collect();
                Units { count: units.len(), dead }
            });
            LayerActivations {
                layer: named.name.clone(),
                kind: named.layer.kind().to_string(),
                shape,
                values: self.values[source(network, network.value_of(index)).index()].statistics(),
                units,
            }
        };
        network.network().layers.iter().enumerate().map(layer).collect()
    }
}

/// The value whose numbers a value has: what a flatten or a dropout passes on is no other in a prediction.
fn source(network: &CheckedNetwork, mut value: ValueId) -> ValueId {
    while let Some(layer) = network.layer_of(value)
        && network.network().layers[layer].layer.is_identity(false)
    {
        value = network.reads(layer)[0];
    }
    value
}

/// The axis of the units of a value: channels of maps; otherwise features, which are the last axis, but behind a conv1d the first.
fn unit_axis(network: &CheckedNetwork, value: ValueId) -> usize {
    let axes = network.shape(value).axes().len();
    let mut above = value;
    while axes == 2
        && let Some(layer) = network.layer_of(above)
    {
        match &network.network().layers[layer].layer {
            Layer::Conv1d(_) => return 0,
            Layer::Linear(_) => break,
            _ => {}
        }
        above = network.reads(layer)[0];
        if network.shape(above).axes().len() != 2 {
            break;
        }
    }
    if axes == 3 { 0 } else { axes.saturating_sub(1) }
}

fn see_units(network: &CheckedNetwork, value: ValueId, view: View<'_>, units: &mut [Unit]) {
    let axis = unit_axis(network, value);
    let axes = network.shape(value).axes();
    let behind: usize = axes.iter().skip(axis + 1).product();
    // Of maps that are kept channels last, neighbors are of different maps.
    let run = if axes.len() == 3 && view.layout == Layout::ChannelsLast { 1 } else { behind.max(1) };
    for (index, values) in view.values().chunks(run).enumerate() {
        let unit = &mut units[index % units.len()];
        if unit.first.is_nan() && !unit.varies {
            unit.first = values[0];
        }
        // Of a unit that is NaN this is true at once: NaN differs from itself.
        unit.varies = unit.varies || values.iter().any(|value| *value != unit.first);
    }
}

impl Model {
    /// What the weights look like, layer by layer. The layers are unpacked one after the other.
    ///
    /// # Examples
    /// ```
    /// use plexus::{Context, Model, Network, Params, Task, layers::{linear, relu}};
    /// let network = Network::chain([4], [linear(3), relu(), linear(1)]).check()?;
    /// let params = Params::zeros(&network);
    /// let task = Task::Regression { outputs: vec!["price".into()] };
    /// let model = Model::new(network, &params, task, Context::single())?;
    /// let weights = model.inspect_weights();
    /// assert_eq!(weights.layers[0].weights.count, 12);
    /// assert_eq!(weights.layers[0].without_weights, [0, 1, 2]);
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn inspect_weights(&self) -> InspectedWeights {
        let network = self.network();
        let layout = network.layout();
        let mut found = InspectedWeights { layers: Vec::new(), not_finite: Vec::new() };
        // Of each layer its place among those that are found.
        let mut places = vec![None; network.network().layers.len()];
        for (index, named) in network.network().layers.iter().enumerate() {
            let entries = layout.entries_of(index);
            if entries.is_empty() {
                continue;
            }
            let numbers = Numbers::of(self, index);
            let of = |entry: &ParamEntry| numbers.values(entry);
            found.not_finite.extend(entries.iter().filter_map(|entry| not_finite(entry, of(entry))));
            let (mut weights, mut bias) = (Gathered::default(), Gathered::default());
            for entry in entries.iter().filter(|entry| entry.trainable) {
                if entry.role == "bias" { bias.add(of(entry)) } else { weights.add(of(entry)) }
            }
            if weights.count + bias.count == 0 {
                continue;
            }
            let is_weight = |entry: &&ParamEntry| entry.trainable && entry.role != "bias";
            let all = || entries.iter().filter(is_weight).flat_map(&of);
            let weights = weights.statistics();
            let small = 1e-3 * weights.max.abs().max(weights.min.abs());
            let count = all().filter(|weight| f64::from(weight.abs()) < small).count();
            let main = entries.iter().find(|entry| entry.role == "weight");
            let mut without_weights = Vec::new();
            if let (Some(entry), Layer::Linear(_) | Layer::Conv1d(_) | Layer::Conv2d(_)) = (main, &named.layer) {
                let (values, outputs) = (of(entry), entry.shape[0]);
                let each = values.chunks((values.len() / outputs.max(1)).max(1)).enumerate();
                without_weights.extend(each.filter(|(_, own)| is_zero(own)).map(|(unit, _)| unit));
                if let Some(place) = feeder(network, index).and_then(|feeder| places[feeder]) {
                    let of_inputs = unused(values, &entry.shape);
                    let before: &mut LayerWeights = &mut found.layers[place];
                    before.unused = of_inputs;
                }
            }
            places[index] = Some(found.layers.len());
            found.layers.push(LayerWeights {
                layer: named.name.clone(),
                kind: named.layer.kind().to_string(),
                small_share: count as f64 / (weights.count - weights.not_finite) as f64,
                weights,
                bias: (bias.count > 0).then(|| bias.statistics()),
                without_weights,
                unused: Vec::new(),
            });
        }
        found
    }

    /// Looks at the values behind each layer, on rows that are [added](Inspection::add) to it. Of the layer `keep` the values of the
    /// first row are [kept](Inspection::kept).
    ///
    /// # Errors
    /// [`Error::Setting`] where there is no layer `keep`, with the names of all.
    ///
    /// # Examples
    /// ```
    /// use plexus::{Context, Model, Network, Params, Task, layers::{linear, relu}};
    /// let network = Network::chain([4], [linear(3), relu(), linear(1)]).check()?;
    /// let params = Params::zeros(&network);
    /// let task = Task::Regression { outputs: vec!["price".into()] };
    /// let model = Model::new(network, &params, task, Context::single())?;
    /// let mut inspection = model.inspection(None)?;
    /// inspection.add(&[&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]], 2)?;
    /// let layers = inspection.layers();
    /// let units = layers[1].units.as_ref().expect("it is a function");
    /// assert_eq!((units.count, units.dead.len()), (3, 3));
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn inspection(&self, keep: Option<&str>) -> Result<Inspection, Error> {
        let keep = keep.map(|layer| self.layer_index(layer)).transpose()?;
        let kept = keep.map(|layer| self.network().value_of(layer));
        let options = PlanOptions::default().with_one_by_one(true).with_keep(kept);
        let plan = Plan::with(self.plan.network().clone(), &self.params(), options, self.plan.context().clone());
        let network = plan.network();
        let layers = network.network().layers.iter().enumerate();
        let units = layers.map(|(index, named)| {
            let value = network.value_of(index);
            let is_function = named.layer.function().is_some() && !named.layer.is_identity(false);
            let count = network.shape(value).axes().get(unit_axis(network, value)).copied().unwrap_or(1);
            is_function.then(|| vec![Unit { first: f32::NAN, varies: false }; count.max(1)])
        });
        let (units, values) = (units.collect(), vec![Gathered::default(); network.values().count()]);
        let kept = keep.map(|layer| (layer, Vec::new()));
        Ok(Inspection { units, values, plan, workspace: Workspace::default(), rows: 0, kept })
    }
}

fn not_finite(entry: &ParamEntry, values: &[f32]) -> Option<NotFiniteTensor> {
    let first = values.iter().position(|value| !value.is_finite())?;
    let count = values[first..].iter().filter(|value| !value.is_finite()).count() as u64;
    let (mut rest, mut place) = (first, Vec::new());
    for axis in entry.shape.iter().rev() {
        place.push(rest % axis);
        rest /= axis;
    }
    place.reverse();
    Some(NotFiniteTensor { tensor: entry.name.clone(), count, first: place })
}

fn is_zero(values: &[f32]) -> bool {
    values.iter().all(|value| *value == 0.0)
}

/// The layer whose outputs are the inputs of a linear layer or a conv2d, one by one, and of nothing else.
fn feeder(network: &CheckedNetwork, index: usize) -> Option<usize> {
    let layers = &network.network().layers;
    let mut value = network.reads(index)[0];
    loop {
        let above = network.layer_of(value)?;
        let readers = (0..layers.len()).flat_map(|reader| network.reads(reader)).filter(|read| **read == value);
        if readers.count() != 1 || network.outputs().contains(&value) {
            return None;
        }
        match (&layers[above].layer, &layers[index].layer) {
            (Layer::Linear(_), Layer::Linear(_)) => return Some(above),
            (Layer::Conv2d(_), Layer::Conv2d(conv)) if conv.groups == 1 => return Some(above),
            (Layer::Activation(_) | Layer::Dropout(_) | Layer::BatchNorm(_), _) => value = network.reads(above)[0],
            (Layer::MaxPool2d(_) | Layer::AvgPool2d(_), _) => value = network.reads(above)[0],
            _ => return None,
        }
    }
}

/// The inputs of weights `[outputs, inputs, …]` that none but zeros are for.
fn unused(weights: &[f32], shape: &[usize]) -> Vec<usize> {
    let (inputs, taps) = (shape[1], shape[2..].iter().product::<usize>().max(1));
    let mut used = vec![false; inputs];
    for (at, own) in weights.chunks(taps).enumerate() {
        used[at % inputs] |= !is_zero(own);
    }
    (0..inputs).filter(|input| !used[*input]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::statistics::tests::{compare, normal};
    use super::*;
    use crate::{Context, Function, Network, Params, Pool, Shape, Task};
    use plexus_nn::layers::{
        Activation, BatchNorm, Conv1d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Order, Unflatten,
    };

    fn model_of(network: CheckedNetwork, params: &Params, threads: usize) -> Model {
        let outputs = (0..network.output_len()).map(|output| output.to_string()).collect();
        let context = Context::detect(Pool::new(threads));
        Model::new(network, params, Task::Regression { outputs }, context).expect("it is whole")
    }

    /// A model of these layers; its numbers are changed by name.
    fn model(input: Shape, layers: Vec<Layer>, change: impl Fn(&str, &mut [f32])) -> Model {
        let network = Network::chain(input, layers).check().expect("the layers fit");
        let mut params = Params::initialize(&network, 3);
        for entry in network.layout().entries() {
            let mut values = params.values(entry).to_vec();
            change(&entry.name, &mut values);
            params.set(&entry.name, &values);
        }
        model_of(network, &params, 1)
    }

    fn relu() -> Layer {
        Activation::new(Function::Relu).into()
    }

    fn dead(layer: &LayerActivations) -> Vec<(usize, f32)> {
        let units = layer.units.as_ref().expect("it is a function");
        units.dead.iter().map(|dead| (dead.unit, dead.value)).collect()
    }

    #[test]
    fn weights_are_told_layer_by_layer_apart_from_biases() {
        let layers: Vec<Layer> = vec![
            Conv2d::new(4, 3).into(),
            BatchNorm::default().into(),
            Flatten::default().into(),
            Linear::new(5).into(),
        ];
        let model = model(Shape::new([2, 6, 6]), layers, |name, values| match name {
            "layers.0.weight" => (values[0], values[1], values[2]) = (40.0, 0.03, 0.05),
            "layers.3.bias" => (values[1], values[4]) = (f32::NAN, f32::NEG_INFINITY),
            "layers.3.weight" => values[2 * 64 + 7] = f32::INFINITY,
            _ => {}
        });
        let found = model.inspect_weights();
        let names: Vec<_> = found.layers.iter().map(|layer| (layer.layer.as_str(), layer.kind.as_str())).collect();
        assert_eq!(names, [("layers.0", "conv2d"), ("layers.1", "batch_norm"), ("layers.3", "linear")]);
        for layer in &found.layers {
            let tensor = |role: &str| model.tensor(&format!("{}.{role}", layer.layer)).expect("it has one");
            compare(&layer.weights, &tensor("weight"));
            compare(layer.bias.as_ref().expect("it has some"), &tensor("bias"));
        }
        // All but the 40 and the 0.05 are below 0.04 or not: counted one by one.
        let weights = model.tensor("layers.0.weight").expect("it has one");
        let small = weights.iter().filter(|weight| weight.abs() < 0.04).count();
        assert!(small > 0 && small < weights.len() - 2);
        assert_eq!(found.layers[0].small_share, small as f64 / weights.len() as f64);
        let tensor =
            |name: &str, count, first: &[usize]| NotFiniteTensor { tensor: name.into(), count, first: first.into() };
        assert_eq!(found.not_finite, [tensor("layers.3.weight", 1, &[2, 7]), tensor("layers.3.bias", 2, &[1])]);
    }

    #[test]
    fn outputs_without_weights_and_outputs_that_nobody_reads_are_found() {
        let layers: Vec<Layer> = vec![
            Conv2d::new(3, 2).into(),
            relu(),
            MaxPool2d::new(2).into(),
            Conv2d::new(2, 2).into(),
            Flatten::default().into(),
            Linear::new(4).into(),
            relu(),
            Dropout::new(0.5).into(),
            Linear::new(2).into(),
        ];
        let model = model(Shape::new([1, 9, 9]), layers, |name, values| match name {
            "layers.0.weight" => values[4..8].fill(0.0),
            // [2 filters, 3 maps, 2 x 2]: the last map of both.
            "layers.3.weight" => [8..12, 20..24].into_iter().for_each(|taps| values[taps].fill(0.0)),
            // [2, 4]: the column 1 of both rows, and of one row the column 2.
            "layers.8.weight" => [1, 5, 2].into_iter().for_each(|at| values[at] = 0.0),
            _ => {}
        });
        let found = model.inspect_weights();
        let told: Vec<_> = found.layers.iter().map(|layer| (&layer.without_weights[..], &layer.unused[..])).collect();
        assert_eq!(told, [(&[1][..], &[2][..]), (&[], &[]), (&[], &[1]), (&[], &[])]);
    }

    #[test]
    fn an_output_that_something_else_reads_too_is_used() {
        for alone in [true, false] {
            let mut graph = crate::Graph::new();
            let input = graph.input("input", [3]);
            let hidden = graph.layer(Linear::new(2), &[input]);
            let scores = graph.layer(Linear::new(1), &[hidden]);
            let outputs = [("scores", scores), ("hidden", hidden)];
            let network =
                graph.outputs(&outputs[..if alone { 1 } else { 2 }]).expect("it is whole").check().expect("it fits");
            let mut params = Params::initialize(&network, 1);
            params.set("scores.weight", &[0.0, 1.0]);
            let names = |count: usize| (0..count).map(|at| at.to_string()).collect();
            let tasks = network.outputs().iter().map(|output| crate::OutputTask {
                name: network.name(*output).to_string(),
                task: Task::Regression { outputs: names(network.len(*output)) },
            });
            let tasks: Vec<_> = tasks.collect();
            let model = Model::new(network, &params, tasks, Context::single()).expect("it is whole");
            let unused = model.inspect_weights().layers[0].unused.clone();
            assert_eq!(unused, if alone { vec![0] } else { vec![] });
        }
    }

    #[test]
    fn a_unit_that_no_row_reaches_is_dead_and_no_other() {
        let layers: Vec<Layer> = vec![Linear::new(4).into(), relu(), Linear::new(2).into(), relu()];
        let model = model(Shape::new([3]), layers, |name, values| match name {
            "layers.0.bias" => (values[1], values[3]) = (-100.0, 100.0),
            "layers.2.bias" => values.fill(5.0),
            // No input reaches the unit 0: it is always 5.
            "layers.2.weight" => values[..4].fill(0.0),
            _ => {}
        });
        let rows = normal(40 * 3, 4);
        let mut inspection = model.inspection(Some("layers.0")).expect("there is such a layer");
        for batch in rows.chunks(7 * 3) {
            inspection.add(&[batch], batch.len() / 3).expect("they fit");
        }
        let found = inspection.layers();
        assert_eq!(inspection.rows(), 40);
        assert!(found[0].units.is_none() && found[2].units.is_none());
        assert_eq!((dead(&found[1]), dead(&found[3])), (vec![(1, 0.0)], vec![(0, 5.0)]));
        for layer in &found {
            let latent = model.latent(&layer.layer).expect("there is one");
            let values = latent.of(&[&rows], 40, &mut Default::default()).expect("they fit").to_vec();
            compare(&layer.values, &values);
            if layer.layer == "layers.0" {
                assert_eq!(inspection.kept(), &values[..4]);
            }
        }
        // On one row nothing is known of a value that is not 0.
        let mut one = model.inspection(None).expect("nothing is kept");
        one.add(&[&rows[..3]], 1).expect("it fits");
        let zeros = one.layers()[1].values.zero_share * 4.0;
        assert_eq!(dead(&one.layers()[1]).len() as f64, zeros);
        assert!(dead(&one.layers()[1]).contains(&(1, 0.0)) && dead(&one.layers()[3]).is_empty());
        assert!(
            model
                .inspection(None)
                .expect("nothing is kept")
                .layers()
                .iter()
                .all(|layer| layer.units.as_ref().is_none_or(|units| units.dead.is_empty()))
        );
    }

    #[test]
    fn a_saturated_tanh_is_dead_and_so_is_a_map_that_is_zero_everywhere() {
        let tanh = || Layer::from(Activation::new(Function::Tanh));
        let saturated = model(Shape::new([2]), vec![Linear::new(3).into(), tanh()], |name, values| {
            if name == "layers.0.bias" {
                values[2] = 1e3;
            }
        });
        let mut inspection = saturated.inspection(None).expect("nothing is kept");
        inspection.add(&[&normal(20, 5)], 10).expect("they fit");
        assert_eq!(dead(&inspection.layers()[1]), [(2, 1.0)]);

        let layers: Vec<Layer> = vec![Conv2d::new(5, 3).into(), relu(), MaxPool2d::new(2).into()];
        let maps = model(Shape::new([2, 9, 8]), layers, |name, values| {
            if name == "layers.0.bias" {
                values[3] = -100.0;
            }
        });
        let mut inspection = maps.inspection(None).expect("nothing is kept");
        let rows = normal(6 * 144, 6);
        inspection.add(&[&rows[..144]], 1).expect("it fits");
        assert_eq!(dead(&inspection.layers()[1]), [(3, 0.0)]);
        inspection.add(&[&rows[144..]], 5).expect("they fit");
        assert_eq!(dead(&inspection.layers()[1]), [(3, 0.0)]);
        assert_eq!(inspection.layers()[1].units.as_ref().expect("it is a function").count, 5);
    }

    #[test]
    fn what_is_passed_on_has_the_values_of_what_it_is_from() {
        let layers: Vec<Layer> = vec![
            Unflatten::new([2, 3, 4]).with_order(Order::ChannelsLast).into(),
            Conv2d::new(3, 2).into(),
            Dropout::new(0.5).into(),
            Flatten::default().with_order(Order::ChannelsLast).into(),
            Unflatten::new([3, 2, 3]).with_order(Order::ChannelsLast).into(),
        ];
        let network = Network::chain([24], layers).check().expect("the layers fit");
        let model = model_of(network.clone(), &Params::initialize(&network, 2), 1);
        let rows = normal(2 * 24, 3);
        for (index, named) in network.network().layers.iter().enumerate() {
            let mut inspection = model.inspection(Some(&named.name)).expect("there is such a layer");
            assert!(inspection.kept().is_empty());
            inspection.add(&[&rows], 2).expect("they fit");
            let latent = model.latent(&named.name).expect("there is one");
            let values = latent.of(&[&rows], 2, &mut Default::default()).expect("they fit").to_vec();
            compare(&inspection.layers()[index].values, &values);
            assert_eq!(inspection.kept(), &values[..network.len(network.value_of(index))], "{}", named.name);
        }
    }

    #[test]
    fn units_of_sequences_are_channels_behind_a_conv1d_and_else_features() {
        let quiet = |name: &str, values: &mut [f32]| {
            if name == "layers.0.bias" {
                values[1] = -100.0;
            }
        };
        for (layer, shape, count) in
            [(Layer::from(Conv1d::new(3, 2)), [2, 6], 3), (Layer::from(Linear::new(4)), [5, 6], 4)]
        {
            let model = model(Shape::new(shape), vec![layer, BatchNorm::default().into(), relu()], |name, values| {
                quiet(name, values);
                // batch_norm takes the last axis: what it makes of it does not matter here.
                if name == "layers.1.running_variance" {
                    values.fill(1.0);
                }
            });
            let mut inspection = model.inspection(None).expect("nothing is kept");
            inspection.add(&[&normal(shape[0] * shape[1] * 3, 8)], 3).expect("they fit");
            let found = inspection.layers();
            assert_eq!(found[2].units.as_ref().expect("it is a function").count, count);
            assert_eq!(dead(&found[2]), [(1, 0.0)], "{shape:?}");
        }
    }

    #[test]
    fn any_number_of_threads_sees_the_same() {
        let layers: Vec<Layer> = vec![
            Conv2d::new(6, 3).into(),
            relu(),
            MaxPool2d::new(2).into(),
            Flatten::default().into(),
            Linear::new(30).into(),
            relu(),
            Linear::new(3).into(),
        ];
        let network = Network::chain([3, 12, 12], layers).check().expect("the layers fit");
        let params = Params::initialize(&network, 9);
        let rows = normal(16 * network.input_len(), 7);
        let seen = [1, 2].map(|threads| {
            let model = model_of(network.clone(), &params, threads);
            let mut inspection = model.inspection(None).expect("nothing is kept");
            inspection.add(&[&rows], 16).expect("they fit");
            (inspection.layers(), model.inspect_weights())
        });
        assert_eq!(seen[0], seen[1]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let model = model(Shape::new([3]), vec![Linear::new(2).into()], |_, _| {});
        let mut inspection = model.inspection(None).expect("nothing is kept");
        assert!(inspection.add(&[&[1.0; 4]], 1).is_err() && inspection.add(&[], 1).is_err());
        let error = model.inspection(Some("layers.7")).expect_err("there is none").to_string();
        assert!(error.contains("layers.0"), "{error}");
        assert_eq!((inspection.rows(), inspection.layers()[0].values.count), (0, 0));
    }
}
