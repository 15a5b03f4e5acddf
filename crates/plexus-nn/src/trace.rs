//! Runs one sample and writes down every primitive operation with its operands and its result.

use crate::check::{CheckedBatch, CheckedNetwork};
use crate::layer::{Forward, Layout, Maps, Pass, Primitive};
use crate::params::Params;
use crate::scratch::Scratch;
use crate::view::{DType, View, ViewMut};
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
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
    // The numbers of each value, channels first.
    let inputs = (0..network.network().inputs.len()).map(|index| bytemuck::cast_slice(batch.input(index)));
    let mut values: Vec<Buffer<u8>> = inputs.map(Buffer::from_slice).collect();
    let mut traced = Vec::new();
    for (index, named) in network.network().layers.iter().enumerate() {
        let (shape, layer, value) = (network.output_shape(index), &named.layer, network.value_of(index));
        let quant = network.quant(value);
        let size = quant.map_or(DType::F32, |quant| quant.dtype).size();
        let mut output = Buffer::<u8>::zeros(rows * network.len(value) * size);
        // Layers that want maps channels last get them so.
        let layout = if layer.maps() == Maps::Last { Layout::ChannelsLast } else { Layout::ChannelsFirst };
        let reads = network.reads(index).iter();
        let read: Vec<_> = reads
            .map(|value| {
                let (shape, quant) = (network.shape(*value), network.quant(*value));
                let view = View::of_quant(shape, Layout::ChannelsFirst, quant, &values[value.index()]);
                (shape, quant, view.bytes_in(layout))
            })
            .collect();
        let views = read.iter().map(|(shape, quant, bytes)| View::of_quant(shape, layout, *quant, bytes));
        let views: Vec<View<'_>> = views.collect();
        let primitives = layer.primitives(Forward {
            rows,
            inputs: &views,
            output: ViewMut::of_quant(shape, layout, quant, &mut output),
            weights: &params.weights[params.layout().weights_of(index)],
            pass: Pass::Inference { state: &params.state[params.layout().state_of(index)] },
            prepared: None,
            function: Function::Identity,
            pooling: false,
            scratch: &mut scratch,
            context: &context,
        });
        values.push(View::of_quant(shape, layout, quant, &output).bytes_in(Layout::ChannelsFirst));
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
        let params = Params::initialize(&network, 1);
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

    /// The formulas of a network of these layers, with random numbers in all tensors.
    fn traced(input: &[usize], layers: Vec<Layer>) -> Vec<TracedLayer> {
        let network = Network::chain(Shape::new(input), layers).check().unwrap();
        let params = Params::initialize(&network, 1);
        let input: Vec<f32> = (0..network.input_len()).map(|at| (at as f32 * 0.7).cos()).collect();
        trace(&network, &params, network.batch(&input, 1).unwrap())
    }

    #[test]
    fn layers_of_maps_multiply_and_add_too() {
        use crate::layers::{
            Conv1d, Conv2d, ConvTranspose2d, LocallyConnected2d, MaskedLinear, SparseLinear, TrainablePool2d,
        };
        let maps: [Layer; 4] = [
            Conv2d::new(4, 3).with_groups(2).with_padding(1).into(),
            ConvTranspose2d::new(4, 2).with_stride(2).into(),
            LocallyConnected2d::new(3, 2).into(),
            TrainablePool2d::new(2).into(),
        ];
        let rows: [Layer; 3] = [Linear::new(3).into(), MaskedLinear::new(3).into(), SparseLinear::new(3, 5).into()];
        let sequences: [Layer; 1] = [Conv1d::new(3, 2).into()];
        let of = |input: &'static [usize], layers: &[Layer]| -> Vec<(&'static [usize], Layer)> {
            layers.iter().map(|layer| (input, layer.clone())).collect()
        };
        for (input, layer) in [of(&[2, 6, 6], &maps), of(&[7], &rows), of(&[2, 9], &sequences)].concat() {
            let kind = layer.kind();
            let traced = traced(input, vec![layer]);
            let [multiply, add] = traced[0].primitives.as_slice() else { panic!("two steps of {kind}") };
            assert_eq!((multiply.operation.as_str(), add.operation.as_str()), ("multiply", "add"), "{kind}");
            assert_eq!((multiply.operands[0].name.as_str(), multiply.operands[1].name.as_str()), ("input", "weight"));
            let [product, bias] = add.operands.as_slice() else { panic!("two operands of {kind}") };
            assert_eq!(product.values, multiply.result.values, "{kind}");
            // One number for each output, for each map of outputs, or (locally connected) for each output, channels last.
            let (outputs, biases) = (add.result.values.len(), bias.values.len());
            for (at, output) in add.result.values.iter().enumerate() {
                let bias = match kind {
                    "locally_connected2d" => bias.values[at % (outputs / 3) * 3 + at / (outputs / 3)],
                    _ => bias.values[at / (outputs / biases)],
                };
                assert!((product.values[at] + bias - output).abs() < 1e-5, "{kind} {at}");
            }
            assert!(bias.values.iter().any(|bias| *bias != 0.0), "{kind}");
        }
    }

    #[test]
    fn formulas_have_the_numbers_of_the_layer() {
        use crate::layers::*;
        let formulas: Vec<String> = traced(
            &[4, 11, 9],
            vec![
                Pad::new(1).into(),
                Conv2d::new(6, [3, 2])
                    .with_stride([2, 1])
                    .with_padding([1, 0])
                    .with_dilation([1, 2])
                    .with_groups(2)
                    .into(),
                BatchNorm::default().into(),
                relu(),
                MaxPool2d::new(2).into(),
                Upsample::new(2).into(),
                AvgPool2d::new(3).into(),
                Softmax { axis: Some(0) }.into(),
                Flatten::default().into(),
                Linear::new(2).with_bias(false).into(),
            ],
        )
        .iter()
        .flat_map(|layer| layer.primitives.iter().map(|primitive| primitive.formula.clone()))
        .collect();
        assert_eq!(
            formulas,
            [
                "output[c, y, x] = input[c, y - 1, x - 1]; 0 around the map",
                "product[o, y, x] = sum over c, i, j of weight[o, c, i, j] * input[2 * floor(o / 3) + c, 2 * y + i - 1, \
                 x + 2 * j], 0 outside of the input",
                "output[o, y, x] = product[o, y, x] + bias[o]",
                "output[j] = (input[j] - running_mean[j]) / sqrt(running_variance[j] + 0.00001) * weight[j] + bias[j]",
                "output = relu(input)",
                "output[c, y, x] = max over i < 2, j < 2 of input[c, 2 * y + i, 2 * x + j]",
                "output[c, y, x] = input[c, floor(y / 2), floor(x / 2)]",
                "output[c, y, x] = mean over i < 3, j < 3 of input[c, 3 * y + i, 3 * x + j]",
                "output[j] = exp(input[j] - m) / sum over k of exp(input[k] - m), m = max over k of input[k]",
                "output[(c * 2 + y) * 2 + x] = input[c, y, x]",
                "output[o] = sum over i of input[i] * weight[o, i]",
            ]
        );
    }

    #[test]
    fn a_convolution_is_what_its_formula_says() {
        use crate::layers::Conv2d;
        let layer =
            Conv2d::new(4, [3, 2]).with_stride([2, 1]).with_padding([1, 0]).with_dilation([1, 2]).with_groups(2);
        let traced = traced(&[4, 7, 6], vec![layer.into()]);
        let multiply = &traced[0].primitives[0];
        let (input, weight, product) = (&multiply.operands[0], &multiply.operands[1], &multiply.result);
        let at = |operand: &crate::layer::Operand, place: &[i64]| -> f64 {
            let inside = place.iter().zip(&operand.shape).all(|(at, axis)| (0..*axis as i64).contains(at));
            let flat = place.iter().zip(&operand.shape).fold(0, |flat, (at, axis)| flat * *axis as i64 + at);
            if inside { f64::from(operand.values[flat as usize]) } else { 0.0 }
        };
        let &[filters, rows, cols] = product.shape.as_slice() else { panic!("maps") };
        for o in 0..filters as i64 {
            for (y, x) in (0..rows as i64).flat_map(|y| (0..cols as i64).map(move |x| (y, x))) {
                let mut sum = 0.0;
                for (c, i, j) in (0..2).flat_map(|c| (0..3).flat_map(move |i| (0..2).map(move |j| (c, i, j)))) {
                    sum += at(weight, &[o, c, i, j]) * at(input, &[2 * (o / 2) + c, 2 * y + i - 1, x + 2 * j]);
                }
                assert!((at(product, &[o, y, x]) - sum).abs() < 1e-5, "{o} {y} {x}");
            }
        }
    }

    #[test]
    fn the_last_result_is_the_output_of_a_prediction() {
        let network = crate::zoo::mlp(Shape::new([4]), &[5], 3, Function::Tanh).check().unwrap();
        let params = Params::initialize(&network, 1);
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
            crate::layers::Standardize { per_feature: true }.into(),
            Linear::new(3).into(),
            crate::layers::BatchNorm::default().into(),
            Linear::new(2).into(),
        ];
        let network = Network::chain(Shape::new([3]), layers).check().unwrap();
        let mut params = Params::initialize(&network, 1);
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
