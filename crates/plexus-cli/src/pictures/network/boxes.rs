//! What is written into the boxes of a network, and which box reads which.

use crate::output::grouped;
use plexus::explain::Family;
use plexus_nn::layers::Layer;
use plexus_nn::summary::summary;
use plexus_nn::{CheckedNetwork, NamedLayer, ValueId};
use std::collections::HashMap;

/// More boxes than this are too many for one page: those in the middle are put together.
const MOST_BOXES: usize = 120;

/// How a box looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Two lines: a layer, and those that are written beside it.
    Layer,
    /// One line: an input, or boxes that were put together.
    Line,
    /// One line that hangs on the box above: a pooling.
    Strip,
}

/// One box.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub form: Form,
    pub family: Family,
    pub name: String,
    /// Kinds of all layers in it, in order.
    pub kinds: String,
    pub shape: String,
    /// All that is learned in it; empty for none.
    pub params: String,
    /// Rows of its maps; none for other values.
    pub rows: Option<usize>,
    /// The boxes that it reads, by index.
    pub reads: Vec<usize>,
}

/// The boxes of a network in the order of computing, the inputs first.
pub(super) fn boxes(network: &CheckedNetwork) -> Vec<Node> {
    let mut found = Found::new(network);
    for index in 0..network.network().layers.len() {
        found.add(index);
    }
    gathered(found.finish())
}

struct Found<'a> {
    network: &'a CheckedNetwork,
    nodes: Vec<Node>,
    /// Numbers that training changes, of each box.
    params: Vec<u64>,
    counts: Vec<u64>,
    /// The box that a value comes from.
    from: HashMap<ValueId, usize>,
    /// How many layers read a value; outputs of the network are read once more.
    readers: HashMap<ValueId, usize>,
    /// Crops that are written into the box of the sum or concatenation that reads them: what they read, and their kind.
    crops: HashMap<ValueId, (ValueId, String)>,
}

impl<'a> Found<'a> {
    fn new(network: &'a CheckedNetwork) -> Self {
        let mut readers = HashMap::new();
        let read = (0..network.network().layers.len()).flat_map(|index| network.reads(index));
        for value in read.chain(network.outputs()) {
            *readers.entry(*value).or_insert(0) += 1;
        }
        let counts = summary(network).layers.iter().map(|layer| layer.counts.params).collect();
        let (from, crops) = (HashMap::new(), HashMap::new());
        let mut found = Self { network, nodes: Vec::new(), params: Vec::new(), counts, from, readers, crops };
        let inputs = network.values().filter(|value| network.layer_of(*value).is_none());
        for value in inputs {
            found.push(value, Form::Line, Family::Other, network.name(value).to_owned(), String::new(), Vec::new(), 0);
        }
        found
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one box")]
    fn push(
        &mut self,
        value: ValueId,
        form: Form,
        family: Family,
        name: String,
        kinds: String,
        reads: Vec<usize>,
        params: u64,
    ) {
        let (shape, rows) = self.shape(value);
        self.from.insert(value, self.nodes.len());
        self.nodes.push(Node { form, family, name, kinds, shape, params: String::new(), rows, reads });
        self.params.push(params);
    }

    fn shape(&self, value: ValueId) -> (String, Option<usize>) {
        let axes = self.network.shape(value).axes();
        let rows = if axes.len() == 3 { Some(axes[1]) } else { None };
        (axes.iter().map(usize::to_string).collect::<Vec<_>>().join("x"), rows)
    }

    fn add(&mut self, index: usize) {
        let NamedLayer { name, layer, .. } = &self.network.network().layers[index];
        let (reads, value) = (self.network.reads(index), self.network.value_of(index));
        let (family, kind) = (Family::of(layer), kind(layer));
        let alone = reads.len() == 1 && self.readers.get(&reads[0]) == Some(&1);
        if reads.len() == 1 && self.is_crop_for_one(layer, value) {
            self.crops.insert(value, (reads[0], kind));
            return;
        }
        let above = self.from.get(&reads[0]).copied();
        if let Some(above) = above.filter(|above| alone && is_small(layer) && self.nodes[*above].form != Form::Line) {
            let (shape, rows) = self.shape(value);
            let node = &mut self.nodes[above];
            node.kinds = format!("{}, {kind}", node.kinds);
            // A flattened map says its size by itself; the shape in front of it tells more.
            if !matches!(layer, Layer::Flatten(_)) {
                (node.shape, node.rows) = (shape, rows);
            }
            self.params[above] += self.counts[index];
            self.from.insert(value, above);
            return;
        }
        let (mut kinds, mut from) = (vec![kind], Vec::new());
        for read in reads {
            let read = match self.crops.get(read) {
                Some((read, crop)) => {
                    kinds.push(crop.clone());
                    read
                }
                None => read,
            };
            from.extend(self.from.get(read));
        }
        kinds.dedup();
        from.sort_unstable();
        from.dedup();
        let last = self.nodes.len() - 1;
        let hangs = family == Family::Pooling && from == [last] && self.nodes[last].form == Form::Layer;
        let form = if hangs && self.counts[index] == 0 { Form::Strip } else { Form::Layer };
        self.push(value, form, family, name.clone(), kinds.join(", "), from, self.counts[index]);
    }

    /// Whether a layer only cuts what one sum or concatenation reads.
    fn is_crop_for_one(&self, layer: &Layer, value: ValueId) -> bool {
        let mut readers = (0..self.network.network().layers.len())
            .filter(|reader| self.network.reads(*reader).contains(&value) && self.network.reads(*reader).len() > 1);
        matches!(layer, Layer::CenterCrop(_)) && self.readers.get(&value) == Some(&1) && readers.next().is_some()
    }

    fn finish(mut self) -> Vec<Node> {
        for (node, params) in self.nodes.iter_mut().zip(&self.params) {
            node.params = if *params == 0 { String::new() } else { grouped(*params) };
        }
        self.nodes
    }
}

/// Whether a layer is written into the box in front of it.
fn is_small(layer: &Layer) -> bool {
    layer.function().is_some()
        || matches!(
            layer,
            Layer::BatchNorm(_)
                | Layer::LayerNorm(_)
                | Layer::Lrn(_)
                | Layer::Dropout(_)
                | Layer::Softmax(_)
                | Layer::LogSoftmax(_)
                | Layer::Flatten(_)
                | Layer::Unflatten(_)
                | Layer::Reshape(_)
        )
}

/// Its kind, with its window where it has one: `conv2d 3x3`. Long kinds are written short: their strip has a name beside it.
fn kind(layer: &Layer) -> String {
    if let Some(function) = layer.function() {
        return function.name().to_owned();
    }
    let (kind, is_of_maps) = match layer.kind() {
        "max_pool2d" => ("max", true),
        "avg_pool2d" => ("average", true),
        "conv_transpose2d" => ("transposed", true),
        kind => (kind, kind.ends_with("2d")),
    };
    let keys = serde_json::to_value(layer).unwrap_or_default();
    match &keys["kernel_size"] {
        serde_json::Value::Number(size) if is_of_maps => format!("{kind} {size}x{size}"),
        serde_json::Value::Number(size) => format!("{kind} {size}"),
        serde_json::Value::Array(sizes) => {
            let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
            format!("{kind} {}", sizes.join("x"))
        }
        _ => kind.to_owned(),
    }
}

/// The boxes, those in the middle of too many as one.
fn gathered(nodes: Vec<Node>) -> Vec<Node> {
    if nodes.len() <= MOST_BOXES {
        return nodes;
    }
    let first = MOST_BOXES / 2;
    let behind = nodes.len() - (MOST_BOXES - first - 1);
    let place = |index: usize| match index {
        index if index < first => index,
        index if index < behind => first,
        index => index - behind + first + 1,
    };
    let mut kept: Vec<Node> = Vec::with_capacity(MOST_BOXES);
    for (index, mut node) in nodes.into_iter().enumerate() {
        node.reads = node.reads.iter().map(|read| place(*read)).collect();
        node.reads.dedup();
        if place(index) != first {
            kept.push(node);
        } else if index == first {
            let name = format!("… {} boxes …", behind - first);
            let empty = String::new();
            kept.push(Node {
                form: Form::Line,
                family: Family::Other,
                name,
                kinds: empty,
                params: String::new(),
                ..node
            });
        } else {
            let middle = &mut kept[first];
            (middle.shape, middle.rows) = (node.shape, node.rows);
            middle.reads.extend(node.reads.into_iter().filter(|read| *read < first));
            middle.reads.sort_unstable();
            middle.reads.dedup();
        }
    }
    // A strip hangs on a box, not on a line.
    if kept[first + 1].form == Form::Strip {
        kept[first + 1].form = Form::Layer;
    }
    kept
}
