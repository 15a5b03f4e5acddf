//! Runs one sample and writes down every primitive operation with its operands and its result.

use crate::check::{CheckedBatch, CheckedNetwork};
use crate::layer::{Forward, Pass, Primitive};
use crate::params::Params;
use plexus_kernels::Context;
use plexus_kernels::gemm::Scratch;
use plexus_kernels::map::Function;
use serde::Serialize;

/// What one layer did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TracedLayer {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// In the order they were done; a layer that only renames axes has one.
    pub primitives: Vec<Primitive>,
}

/// Runs a batch layer by layer, nothing fused and nothing left out, in inference mode.
///
/// The arithmetic is that of prediction: the same kernels on the same weights. The result of the last primitive is the
/// output of the network.
pub fn trace(network: &CheckedNetwork, params: &Params, batch: CheckedBatch<'_>) -> Vec<TracedLayer> {
    let (context, mut scratch) = (Context::single(), Scratch::default());
    let mut input = batch.values().to_vec();
    let layers = network.network().layers.iter().enumerate().map(|(index, named)| {
        let len = network.output_shape(index).len().expect("the network was checked");
        let mut output = vec![0.0; batch.rows() * len];
        let primitives = named.layer.primitives(Forward {
            batch: batch.rows(),
            input_shape: network.input_shape(index),
            input: &input,
            output: &mut output,
            weights: &params.weights[params.layout().weights_of(index)],
            pass: Pass::Inference { state: &params.state[params.layout().state_of(index)] },
            packed: None,
            function: Function::Identity,
            scratch: &mut scratch,
            context: &context,
        });
        input = output;
        TracedLayer { name: named.name.clone(), kind: named.layer.kind().to_string(), primitives }
    });
    layers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Dense, Layer, Linear};
    use crate::network::Network;
    use crate::shape::Shape;

    fn operations(layers: Vec<Layer>, inputs: usize) -> Vec<String> {
        let network = Network::chain(Shape::new([inputs]), layers).check().unwrap();
        let params = Params::initialise(&network, 1);
        let input = vec![1.0; inputs];
        let traced = trace(&network, &params, network.batch(&input, 1).unwrap());
        traced.into_iter().flat_map(|layer| layer.primitives).map(|primitive| primitive.operation).collect()
    }

    #[test]
    fn a_plain_linear_layer_is_exactly_a_multiply_and_an_add() {
        assert_eq!(operations(vec![Linear::new(3).into()], 2), ["multiply", "add"]);
        assert_eq!(operations(vec![Linear::new(3).without_bias().into()], 2), ["multiply"]);
    }

    #[test]
    fn the_wrapper_has_an_activation_by_default() {
        let layers = Dense::new(3).layers().into_iter().map(|(_, layer)| layer).collect();
        assert_eq!(operations(layers, 2), ["multiply", "add", "relu"]);
    }

    #[test]
    fn the_last_result_is_the_output_of_a_prediction() {
        let network = crate::zoo::mlp(Shape::new([4]), &[5], 3, Function::Tanh).check().unwrap();
        let params = Params::initialise(&network, 1);
        let input = [0.5, -1.0, 2.0, 0.0];
        let traced = trace(&network, &params, network.batch(&input, 1).unwrap());
        let last = traced.last().unwrap().primitives.last().unwrap().result.values.clone();
        let network = std::sync::Arc::new(network);
        let plan = crate::plan::Plan::new(network.clone(), params, Context::single());
        let mut workspace = crate::plan::Workspace::default();
        let output = plan.run(network.batch(&input, 1).unwrap(), &mut workspace);
        for (a, b) in last.iter().zip(output) {
            assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{a} {b}");
        }
    }

    #[test]
    fn each_layer_of_a_prediction_reads_its_own_running_statistics() {
        let layers: Vec<Layer> = vec![
            crate::layers::Standardise { per_feature: true }.into(),
            Linear::new(3).into(),
            crate::layers::BatchNorm::default().into(),
            Linear::new(2).into(),
        ];
        let network = Network::chain(Shape::new([3]), layers).check().unwrap();
        let mut params = Params::initialise(&network, 1);
        for (index, value) in params.state.iter_mut().enumerate() {
            *value = 0.5 + index as f32;
        }
        let input = [0.5, -1.0, 2.0];
        let traced = trace(&network, &params, network.batch(&input, 1).unwrap());
        let last = traced.last().unwrap().primitives.last().unwrap().result.values.clone();
        // (0.5 - 0.5) * 3.5, (-1 - 1.5) * 4.5, (2 - 2.5) * 5.5
        assert_eq!(traced[0].primitives[0].result.values, [0.0, -11.25, -2.75]);
        let network = std::sync::Arc::new(network);
        let plan = crate::plan::Plan::new(network.clone(), params, Context::single());
        let mut workspace = crate::plan::Workspace::default();
        let output = plan.run(network.batch(&input, 1).unwrap(), &mut workspace);
        for (a, b) in last.iter().zip(output) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} {b}");
        }
    }
}
