//! Builds networks that are no chain: calls give handles, and later calls read them.

use crate::layers::Layer;
use crate::network::{Input, NamedLayer, Network};
use crate::shape::Shape;
use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A value of a [`Graph`]: an input, or what a layer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    graph: u64,
    value: usize,
}

/// A network that is being built.
///
/// Each call adds an input or a layer and gives a [`Node`], which later calls read. There is a method for each kind of layer with
/// the arguments of the functions in [`crate::layers`]; any layer, one of [your own](crate::custom) too, is added by
/// [`Graph::layer`]. The order of the calls is that of the layers.
///
/// Nothing fails while the graph is built: the first mistake is told by [`Graph::output`] or [`Graph::outputs`] at the end. Whether
/// the shapes fit is said by [`Network::check`].
///
/// # Examples
/// A skip around a layer:
/// ```
/// use plexus_nn::Graph;
/// let mut g = Graph::new();
/// let x = g.input("x", [64]);
/// let a = g.linear(x, 64);
/// let a = g.relu(a);
/// let b = g.add(&[a, x]);
/// let y = g.linear(b, 10);
/// let network = g.output(y)?.check()?;
/// assert_eq!(network.output_len(), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Two inputs, two outputs, and a layer with more than its usual arguments:
/// ```
/// use plexus_nn::{Graph, layers::Linear};
/// let mut g = Graph::new();
/// let (left, right) = (g.input("left", [8]), g.input("right", [3]));
/// let both = g.concat(&[left, right]);
/// let hidden = g.layer(Linear::new(16).with_bias(false), &[both]);
/// g.name(hidden, "hidden");
/// let hidden = g.tanh(hidden);
/// let (kind, price) = (g.linear(hidden, 4), g.linear(hidden, 1));
/// let network = g.outputs(&[("kind", kind), ("price", price)])?.check()?;
/// assert_eq!(network.layout().entries()[0].name, "hidden.weight");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Graph {
    /// Tells the nodes of one graph from those of another.
    id: u64,
    /// Inputs and layers, in the order of the calls.
    values: Vec<Value>,
    mistake: Option<GraphError>,
}

#[derive(Debug)]
enum Value {
    Input {
        name: String,
        shape: Shape,
    },
    /// The layer, its name where it was given one, and the values that it reads.
    Layer {
        name: Option<String>,
        layer: Box<Layer>,
        reads: Vec<usize>,
    },
}

/// Why a [`Graph`] is no network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphError {
    /// A node was given to a graph that did not make it.
    OtherGraph {
        /// What was called with it, e.g. `a layer of kind add`.
        what: String,
    },
    /// A layer was given nothing to read.
    NothingToRead {
        /// Its kind.
        kind: String,
    },
    /// Two inputs or layers have one name.
    SameName {
        /// The name.
        name: String,
    },
    /// A value was given two names.
    TwoNames {
        /// The first.
        first: String,
        /// The second.
        second: String,
    },
    /// No value comes out.
    NoOutput,
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GraphError::OtherGraph { what } => {
                write!(f, "{what} was given a node of another graph: a node belongs to the graph that made it")
            }
            GraphError::NothingToRead { kind } => {
                write!(f, "a layer of kind {kind} was given nothing to read: give it at least one node")
            }
            GraphError::SameName { name } => {
                write!(f, "the name \"{name}\" is used twice: inputs and layers of one network have names of their own")
            }
            GraphError::TwoNames { first, second } => write!(
                f,
                "\"{first}\" cannot be called \"{second}\" too: a value has one name, and an output is called as the layer \
                 or input that it is"
            ),
            GraphError::NoOutput => write!(f, "the graph has no output: name at least one"),
        }
    }
}

impl std::error::Error for GraphError {}

impl Default for Graph {
    fn default() -> Self {
        Graph::new()
    }
}

impl Graph {
    /// A graph with nothing in it.
    pub fn new() -> Self {
        static GRAPHS: AtomicU64 = AtomicU64::new(0);
        Graph { id: GRAPHS.fetch_add(1, Ordering::Relaxed), values: Vec::new(), mistake: None }
    }

    /// Adds an input: its name, and the shape of one sample.
    pub fn input(&mut self, name: impl Into<String>, shape: impl Into<Shape>) -> Node {
        self.push(Value::Input { name: name.into(), shape: shape.into() })
    }

    /// Adds a layer that reads these values. Without a [name](Graph::name) it is called `layers.N`, N counted from 0 over the
    /// layers.
    pub fn layer(&mut self, layer: impl Into<Layer>, inputs: &[Node]) -> Node {
        let layer = layer.into();
        if inputs.is_empty() {
            self.refuse(GraphError::NothingToRead { kind: layer.kind().to_string() });
        }
        if inputs.iter().any(|input| input.graph != self.id) {
            self.refuse(GraphError::OtherGraph { what: format!("a layer of kind {}", layer.kind()) });
        }
        let reads = inputs.iter().map(|input| input.value).collect();
        self.push(Value::Layer { name: None, layer: Box::new(layer), reads })
    }

    /// Names a layer: its tensors are called after it, and so is the output that it may be.
    pub fn name(&mut self, node: Node, name: impl Into<String>) {
        let new = name.into();
        if node.graph != self.id {
            return self.refuse(GraphError::OtherGraph { what: format!("the name \"{new}\"") });
        }
        match &mut self.values[node.value] {
            Value::Layer { name: name @ None, .. } => *name = Some(new),
            Value::Layer { name: Some(first), .. } | Value::Input { name: first, .. } => {
                if *first != new {
                    let first = first.clone();
                    self.refuse(GraphError::TwoNames { first, second: new });
                }
            }
        }
    }

    /// The network, with one output.
    ///
    /// # Errors
    /// [`GraphError`] for the first mistake in building it.
    pub fn output(self, output: Node) -> Result<Network, GraphError> {
        let mut network = self.finish(&[output])?;
        // The last layer comes out where nothing is said.
        if network.layers.last().map(|last| &last.name) == network.outputs.first() {
            network.outputs.clear();
        }
        Ok(network)
    }

    /// The network, with these outputs and their names, in this order. The name of an output becomes that of its layer.
    ///
    /// # Errors
    /// [`GraphError`] for the first mistake in building it.
    pub fn outputs(mut self, outputs: &[(&str, Node)]) -> Result<Network, GraphError> {
        for &(name, node) in outputs {
            self.name(node, name);
        }
        self.finish(&outputs.iter().map(|(_, node)| *node).collect::<Vec<_>>())
    }

    fn push(&mut self, value: Value) -> Node {
        self.values.push(value);
        Node { graph: self.id, value: self.values.len() - 1 }
    }

    /// Keeps the first mistake.
    fn refuse(&mut self, mistake: GraphError) {
        self.mistake.get_or_insert(mistake);
    }

    fn finish(mut self, outputs: &[Node]) -> Result<Network, GraphError> {
        if outputs.is_empty() {
            self.refuse(GraphError::NoOutput);
        }
        if outputs.iter().any(|output| output.graph != self.id) {
            self.refuse(GraphError::OtherGraph { what: "the output".to_string() });
        }
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let names = names(&self.values);
        let mut seen = HashSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(GraphError::SameName { name: twice.clone() });
        }
        let mut network = Network { inputs: Vec::new(), layers: Vec::new(), outputs: Vec::new() };
        let first_input = self.values.iter().position(|value| matches!(value, Value::Input { .. }));
        // What a layer reads that names nothing: the layer above, or the first input.
        let mut above = first_input;
        for (at, value) in self.values.into_iter().enumerate() {
            match value {
                Value::Input { name, shape } => network.inputs.push(Input { name, shape }),
                Value::Layer { layer, reads, .. } => {
                    let is_plain = reads.len() == 1 && reads.first() == above.as_ref();
                    let inputs =
                        if is_plain { Vec::new() } else { reads.iter().map(|&at| names[at].clone()).collect() };
                    network.layers.push(NamedLayer { name: names[at].clone(), inputs, layer: *layer });
                    above = Some(at);
                }
            }
        }
        network.outputs = outputs.iter().map(|output| names[output.value].clone()).collect();
        Ok(network)
    }
}

/// The names of inputs and layers.
fn names(values: &[Value]) -> Vec<String> {
    let mut layers = 0..;
    let name = |value: &Value| match value {
        Value::Input { name, .. } => name.clone(),
        Value::Layer { name, .. } => {
            let index = layers.next().unwrap_or(0);
            name.clone().unwrap_or_else(|| format!("layers.{index}"))
        }
    };
    values.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{linear, relu};
    use crate::network::INPUT;

    #[test]
    fn a_chain_is_the_same_network_as_from_chain() {
        let mut g = Graph::new();
        let x = g.input(INPUT, [4]);
        let a = g.linear(x, 3);
        let b = g.relu(a);
        let y = g.linear(b, 2);
        assert_eq!(g.output(y).unwrap(), Network::chain([4], [linear(3), relu(), linear(2)]));
    }

    #[test]
    fn layers_read_what_they_were_given_in_the_order_of_the_calls() {
        let mut g = Graph::new();
        let x = g.input("x", 4);
        let a = g.linear(x, 3);
        let z = g.input("z", vec![3]);
        let b = g.relu(z);
        let sum = g.add(&[b, a, b]);
        g.name(a, "first");
        let network = g.outputs(&[("sum", sum), ("z", z)]).unwrap();
        let reads: Vec<String> =
            network.layers.iter().map(|named| format!("{} <- {}", named.name, named.inputs.join(", "))).collect();
        assert_eq!(reads, ["first <- ", "layers.1 <- z", "sum <- layers.1, first, layers.1"]);
        assert_eq!(network.outputs, ["sum", "z"]);
        let checked = network.check().unwrap();
        assert_eq!((checked.input().axes(), checked.output().axes()), (&[4][..], &[3][..]));
    }

    #[test]
    fn mistakes_are_told_at_the_end_the_first_one() {
        let refused = |build: &dyn Fn(&mut Graph, Node) -> Node| {
            let mut g = Graph::new();
            let x = g.input("x", [4]);
            let y = build(&mut g, x);
            g.output(y).unwrap_err()
        };
        let other = Graph::new().input("x", [4]);
        let text = |error: GraphError| error.to_string();
        assert!(
            text(refused(&|g, x| g.add(&[x, other]))).contains("a layer of kind add was given a node of another graph")
        );
        assert!(text(refused(&|_, _| other)).contains("the output was given a node of another graph"));
        assert!(text(refused(&|g, _| g.add(&[]))).contains("a layer of kind add was given nothing to read"));
        let same = |g: &mut Graph, x: Node| {
            let y = g.relu(x);
            g.name(y, "x");
            y
        };
        assert_eq!(refused(&same), GraphError::SameName { name: "x".to_string() });
        let automatic = |g: &mut Graph, x: Node| {
            let y = g.relu(x);
            g.name(y, "layers.1");
            g.relu(y)
        };
        assert_eq!(refused(&automatic), GraphError::SameName { name: "layers.1".to_string() });
        let both = |g: &mut Graph, x: Node| {
            g.name(other, "y");
            g.add(&[]);
            x
        };
        assert!(text(refused(&both)).contains("the name \"y\" was given a node of another graph"));
    }

    #[test]
    fn an_output_has_the_name_of_its_layer() {
        let mut g = Graph::new();
        let x = g.input("x", [4]);
        let y = g.relu(x);
        let two = g.outputs(&[("a", y), ("b", y)]).unwrap_err();
        assert_eq!(two, GraphError::TwoNames { first: "a".to_string(), second: "b".to_string() });
        let mut g = Graph::new();
        let x = g.input("x", [4]);
        assert!(matches!(g.outputs(&[("y", x)]), Err(GraphError::TwoNames { .. })));
        let mut g = Graph::new();
        g.input("x", [4]);
        assert_eq!(g.outputs(&[]), Err(GraphError::NoOutput));
    }

    #[test]
    fn an_output_that_comes_out_twice_is_refused_by_the_check() {
        let mut g = Graph::new();
        let x = g.input("x", [4]);
        let y = g.relu(x);
        assert!(g.outputs(&[("y", y), ("y", y)]).unwrap().check().is_err());
    }
}
