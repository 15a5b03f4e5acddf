//! Runs one sample and writes down every primitive operation with its operands and its result.

use crate::check::{CheckedBatch, CheckedNetwork};
use crate::layer::{Forward, Layout, Maps, Pass, Primitive};
use crate::params::Params;
use crate::scratch::Scratch;
use crate::view::{View, ViewMut};
use plexus_kernels::Context;
use plexus_kernels::map::Function;
use serde::Serialize;

/// What one layer did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
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
/// output of the network, where that has one output.
pub fn trace(network: &CheckedNetwork, params: &Params, batch: CheckedBatch<'_>) -> Vec<TracedLayer> {
    let (context, mut scratch, rows) = (Context::single(), Scratch::default(), batch.rows());
    let inputs = (0..network.network().inputs.len()).map(|index| batch.input(index).to_vec());
    let mut values: Vec<Vec<f32>> = inputs.collect();
    let mut traced = Vec::new();
    for (index, named) in network.network().layers.iter().enumerate() {
        let (shape, layer) = (network.output_shape(index), &named.layer);
        let mut output = vec![0.0; rows * network.len(network.value_of(index))];
        // Layers that want maps channels last get them so.
        let layout = if layer.maps() == Maps::Last { Layout::ChannelsLast } else { Layout::ChannelsFirst };
        let reads = network.reads(index).iter();
        let read: Vec<_> = reads
            .map(|value| {
                let view = View::of(network.shape(*value), Layout::ChannelsFirst, &values[value.index()]);
                (network.shape(*value), view.in_layout(layout))
            })
            .collect();
        let views: Vec<View<'_>> = read.iter().map(|(shape, values)| View::of(shape, layout, values)).collect();
        let primitives = layer.primitives(Forward {
            rows,
            inputs: &views,
            output: ViewMut::of(shape, layout, &mut output),
            weights: &params.weights[params.layout().weights_of(index)],
            pass: Pass::Inference { state: &params.state[params.layout().state_of(index)] },
            prepared: None,
            function: Function::Identity,
            pooling: false,
            scratch: &mut scratch,
            context: &context,
        });
        let output = View::of(shape, layout, &output).in_layout(Layout::ChannelsFirst).into_owned();
        values.push(output);
        traced.push(TracedLayer { name: named.name.clone(), kind: layer.kind().to_string(), primitives });
    }
    traced
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
        assert_eq!(operations(vec![Linear::new(3).with_bias(false).into()], 2), ["multiply"]);
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
        let plan = crate::plan::Plan::new(network.clone(), &params, Context::single());
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
        let plan = crate::plan::Plan::new(network.clone(), &params, Context::single());
        let mut workspace = crate::plan::Workspace::default();
        let output = plan.run(network.batch(&input, 1).unwrap(), &mut workspace);
        for (a, b) in last.iter().zip(output) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} {b}");
        }
    }
}
