//! A network in two parts: what leads to one value, and the rest.

use crate::check::{CheckedNetwork, ValueId};
use crate::network::{Input, NamedLayer, Network};

/// The two parts of a network, which share the names of layers and so those of tensors: see [`CheckedNetwork::cut_behind`].
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// The layers that lead to the value. Its outputs are the values that the other part reads.
    pub trunk: Network,
    /// All other layers. Its inputs are the outputs of the trunk, in the same order and with their names.
    pub head: Network,
}

impl CheckedNetwork {
    /// Cuts the network behind a value: the trunk computes it and everything that it depends on, the head the rest. Where
    /// the rest reads other values of the trunk too, as over a skip connection, they pass the cut beside it.
    ///
    /// Either part may have no layers: the trunk where the value is an input, the head where it is the last output.
    ///
    /// # Examples
    /// ```
    /// use plexus_nn::{Network, layers::{linear, relu}};
    /// let network = Network::chain([784], [linear(100), relu(), linear(10)]).check()?;
    /// let parts = network.cut_behind(network.value("layers.1").unwrap());
    /// assert_eq!((parts.trunk.layers.len(), &parts.trunk.outputs[..]), (2, &["layers.1".to_string()][..]));
    /// assert_eq!(parts.head.inputs[0].shape.axes(), [100]);
    /// # Ok::<(), plexus_nn::ShapeError>(())
    /// ```
    pub fn cut_behind(&self, value: ValueId) -> Parts {
        let network = self.network();
        let mut of_trunk = vec![false; self.values().count()];
        of_trunk[value.index()] = true;
        for index in (0..network.layers.len()).rev() {
            if of_trunk[self.value_of(index).index()] {
                self.reads(index).iter().for_each(|read| of_trunk[read.index()] = true);
            }
        }
        let is_of_trunk = |index: &usize| of_trunk[self.value_of(*index).index()];
        // Inputs that only the head reads pass the cut as they are.
        let before = |value: &ValueId| of_trunk[value.index()] || self.layer_of(*value).is_none();
        let read_behind = |value: &ValueId| {
            let mut head = (0..network.layers.len()).filter(|index| !is_of_trunk(index));
            head.any(|index| self.reads(index).contains(value)) || self.outputs().contains(value)
        };
        let crossing: Vec<ValueId> = self.values().filter(|value| before(value) && read_behind(value)).collect();
        let names = |values: &[ValueId]| values.iter().map(|value| self.name(*value).to_string()).collect::<Vec<_>>();
        let part = |of_trunk: bool| {
            let layers = (0..network.layers.len()).filter(|index| is_of_trunk(index) == of_trunk);
            let named = |index: usize| NamedLayer { inputs: names(self.reads(index)), ..network.layers[index].clone() };
            layers.map(named).collect()
        };
        let crosses = |value: &ValueId| Input::new(self.name(*value), self.shape(*value).clone());
        Parts {
            trunk: Network { inputs: network.inputs.clone(), layers: part(true), outputs: names(&crossing) },
            head: Network {
                inputs: crossing.iter().map(crosses).collect(),
                layers: part(false),
                outputs: names(self.outputs()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Concat, Conv2d, Linear, MaxPool2d, Upsample, linear, relu};
    use crate::{Params, Plan, Workspace};
    use plexus_kernels::Context;
    use std::sync::Arc;

    /// Values of a part, from values of the whole and numbers of the whole.
    fn run(network: Network, whole: &Params, inputs: &[&[f32]]) -> Vec<Vec<f32>> {
        let network = Arc::new(network.check().expect("a part fits as the whole does"));
        let mut params = Params::zeros(&network);
        for entry in network.layout().entries() {
            params.set(&entry.name, whole.by_name(&entry.name).expect("names are those of the whole"));
        }
        let outputs = network.outputs().len();
        let plan = Plan::new(network.clone(), &params, Context::single());
        let mut workspace = Workspace::default();
        plan.run(network.batches(inputs, 2).expect("they fit"), &mut workspace);
        (0..outputs).map(|index| plan.output(&workspace, index).to_vec()).collect()
    }

    /// Both parts one after the other give the bits of the whole.
    fn same_as_whole(network: Network, inputs: &[&[f32]], cut: &str, crossing: &[&str]) {
        let checked = network.clone().check().expect("it fits together");
        let params = Params::initialize(&checked, 3);
        let Parts { trunk, head } = checked.cut_behind(checked.value(cut).expect("there is such a layer"));
        assert_eq!(trunk.outputs, crossing);
        assert_eq!(trunk.layers.len() + head.layers.len(), network.layers.len());
        let between = run(trunk, &params, inputs);
        let between: Vec<&[f32]> = between.iter().map(Vec::as_slice).collect();
        assert_eq!(run(head, &params, &between), run(network, &params, inputs));
    }

    fn numbers(len: usize) -> Vec<f32> {
        (0..len).map(|at| (at as f32 * 0.7).sin()).collect()
    }

    #[test]
    fn a_chain_is_cut_anywhere() {
        let network = Network::chain([5], [linear(7), relu(), linear(4), relu(), linear(3)]);
        let input = numbers(10);
        for cut in ["layers.0", "layers.1", "layers.2", "layers.3"] {
            same_as_whole(network.clone(), &[&input], cut, &[cut]);
        }
    }

    #[test]
    fn skip_connections_pass_the_cut() {
        let layers = vec![
            NamedLayer::new("outer", Conv2d::new(3, 3).with_padding(1)),
            NamedLayer::new("pool", MaxPool2d::new(2)),
            NamedLayer::new("inner", Conv2d::new(4, 3).with_padding(1)),
            NamedLayer::new("up", Upsample::new(2)),
            NamedLayer::new("both", Concat::new()).with_inputs(["outer", "up"]),
            NamedLayer::new("classes", Conv2d::new(2, 1)),
        ];
        let network = Network::new([1, 4, 6], layers);
        let input = numbers(48);
        same_as_whole(network.clone(), &[&input], "inner", &["outer", "inner"]);
        same_as_whole(network, &[&input], "outer", &["outer"]);
    }

    #[test]
    fn an_input_of_the_head_alone_passes_the_cut() {
        let network = Network {
            inputs: vec![Input::new("wide", [2]), Input::new("deep", [3])],
            layers: vec![
                NamedLayer::new("hidden", Linear::new(4)).with_inputs(["deep"]),
                NamedLayer::new("both", Concat::new()).with_inputs(["wide", "hidden"]),
                NamedLayer::new("readout", Linear::new(1)),
            ],
            outputs: Vec::new(),
        };
        same_as_whole(network, &[&numbers(4), &numbers(6)], "hidden", &["wide", "hidden"]);
    }
}
