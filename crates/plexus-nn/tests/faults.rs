//! The checks of layers and networks refuse wrong ones.
//!
//! Each check here is one that the right layers have to pass: the case files of PyTorch (`cases.rs`), finite differences
//! and gradients that add up (`plexus_nn::testing`). They get an engine in plain steps, one layer after the other, with
//! one known fault in it. Without a fault it passes all of them.

mod oracle;

use Fault::*;
use oracle::{File, file, integer, is_small, network};
use plexus_kernels::Context;
use plexus_kernels::map::Function;
use plexus_nn::layer::{Backward, Forward, GradInput, Layout, Maps, Pass, RandomKey, Saved};
use plexus_nn::layers::{
    Activation, Add, AvgPool2d, BatchNorm, Concat, Conv2d, Conv2dTable, Dropout, Flatten, GlobalAvgPool, KINDS, Layer,
    LayerNorm, Linear, LogSoftmax, MaxPool2d, Order, Rbf, Reshape, Softmax, Standardize, TrainablePool2d, Unflatten,
};
use plexus_nn::testing::{Engine, KEY, Library, differences_of, gradients_add_up_of};
use plexus_nn::{CheckedBatch, CheckedNetwork, NamedLayer, Network, Params, Scratch, Shape, ValueId, View, ViewMut};
use std::ops::Range;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// None: this engine is right.
    Right,
    /// The weight is read as `[in_features, out_features]` in training.
    WeightTransposed,
    /// The same in a prediction, where the weight is packed.
    PackedWeightTransposed,
    BiasMissing,
    BiasTwice,
    ActivationMissing,
    ActivationTwice,
    /// The two buffers of a prediction are not exchanged: every layer reads the one that nobody writes.
    SharedBufferPrediction,
    /// A layer in training writes its output where its input is, which backward still needs.
    SharedBufferActivations,
    /// One kind of layer puts out numbers that are 5 % too large.
    Output(&'static str),

    // From here on forward is right and a gradient is wrong.
    /// The two buffers of gradients are not exchanged: every layer reads the gradient of the last output.
    SharedBufferGradients,
    WeightTransposedInGradInput,
    /// The gradient of the bias is summed over the features instead of the batch.
    GradBiasWrongAxis,
    GradBiasOverwritten,
    GradWeightOverwritten,
    /// The first gradients are added to whatever their buffer held.
    FirstGradientAdded,
    GradInputAccumulated,
    /// The derivative of the activation is left out.
    ActivationGradientMissing,
    /// One kind of layer gives its input a gradient that is 5 % too large.
    GradOfInput(&'static str),
    /// The same for its weights.
    GradWeights(&'static str),
}

/// Runs the layers of a network one after the other, with a fault.
struct Wrong(Fault);

/// One layer of a network, its shapes and the places of its numbers.
struct Place<'a> {
    rows: usize,
    index: usize,
    layer: &'a Layer,
    reads: &'a [ValueId],
    inputs: Vec<&'a Shape>,
    output: &'a Shape,
    weights: Range<usize>,
    state: Range<usize>,
    /// How maps lie for this layer.
    layout: Layout,
}

fn places(network: &CheckedNetwork, rows: usize) -> Vec<Place<'_>> {
    let layers = network.network().layers.iter().enumerate();
    let places = layers.map(|(index, named)| Place {
        rows,
        index,
        layer: &named.layer,
        reads: network.reads(index),
        inputs: network.input_shapes(index),
        output: network.output_shape(index),
        weights: network.layout().weights_of(index),
        state: network.layout().state_of(index),
        layout: if named.layer.maps() == Maps::Last { Layout::ChannelsLast } else { Layout::ChannelsFirst },
    });
    places.collect()
}

/// Numbers that lie channels first, in the layout of a layer.
fn laid(shape: &Shape, values: &[f32], layout: Layout) -> Vec<f32> {
    View::of(shape, Layout::ChannelsFirst, values).in_layout(layout).into_owned()
}

/// Back to channels first.
fn plain(shape: &Shape, values: &[f32], layout: Layout) -> Vec<f32> {
    View::of(shape, layout, values).in_layout(Layout::ChannelsFirst).into_owned()
}

/// The numbers of a linear layer with its weight read as `[in, out]` instead of `[out, in]`.
fn transposed(weights: &[f32], outputs: usize, bias: usize) -> Vec<f32> {
    let (weight, bias) = weights.split_at(weights.len() - bias);
    let inputs = weight.len() / outputs.max(1);
    let wrong = (0..weight.len()).map(|at| weight[at % inputs * outputs + at / inputs]);
    wrong.chain(bias.iter().copied()).collect()
}

fn scale(values: &mut [f32], factor: f32) {
    values.iter_mut().for_each(|value| *value *= factor);
}

/// Outputs of a linear layer, and how many of its numbers are a bias; zero for other layers.
fn sizes(layer: &Layer) -> (usize, usize) {
    match layer {
        Layer::Linear(linear) => (linear.out_features, if linear.bias { linear.out_features } else { 0 }),
        _ => (0, 0),
    }
}

/// Memory for what a layer saves, whatever its type.
fn memory(saved: Saved, rows: usize) -> Vec<f32> {
    vec![0.0; saved.bytes(rows).div_ceil(4)]
}

impl Wrong {
    fn forward(&self, place: &Place<'_>, inputs: &[&[f32]], weights: &[f32], mut pass: Pass<'_>) -> Vec<f32> {
        let kind = place.layer.kind();
        let (outputs, bias) = sizes(place.layer);
        let training = matches!(pass, Pass::Training { .. });
        let mut weights = weights.to_vec();
        let first_bias = weights.len() - bias;
        match self.0 {
            BiasMissing => weights[first_bias..].fill(0.0),
            BiasTwice => scale(&mut weights[first_bias..], 2.0),
            WeightTransposed if training && outputs > 0 => weights = transposed(&weights, outputs, bias),
            PackedWeightTransposed if !training && outputs > 0 => weights = transposed(&weights, outputs, bias),
            _ => {}
        }
        let layout = place.layout;
        let mut output = vec![0.0; place.rows * place.output.len().expect("the network was checked")];
        let mut run = |inputs: &[&[f32]], output: &mut Vec<f32>| {
            // Such a layer is not made to run.
            if place.layer.is_identity(training) {
                return *output = plain(place.output, &laid(place.inputs[0], inputs[0], layout), layout);
            }
            let laid: Vec<_> =
                place.inputs.iter().zip(inputs).map(|(shape, input)| laid(shape, input, layout)).collect();
            let views: Vec<_> =
                place.inputs.iter().zip(&laid).map(|(shape, laid)| View::of(shape, layout, laid)).collect();
            place.layer.forward(Forward {
                rows: place.rows,
                inputs: &views,
                output: ViewMut::of(place.output, layout, output),
                weights: &weights,
                pass: match &mut pass {
                    Pass::Training { state, saved, random, settled } => {
                        Pass::Training { state, saved: saved.again(), random: *random, settled: *settled }
                    }
                    Pass::Inference { state } => Pass::Inference { state },
                },
                prepared: None,
                function: Function::Identity,
                pooling: false,
                scratch: &mut Scratch::default(),
                context: &Context::single(),
            });
            *output = plain(place.output, output, layout);
        };
        run(inputs, &mut output);
        match self.0 {
            ActivationMissing if kind == "activation" => output.copy_from_slice(inputs[0]),
            ActivationTwice if kind == "activation" => run(&[&output.clone()], &mut output),
            Output(wrong) if wrong == kind => scale(&mut output, 1.05),
            _ => {}
        }
        output
    }

    /// Adds to the gradients of one layer's weights; returns the gradients of its inputs.
    fn backward(
        &self,
        place: &Place<'_>,
        run: &mut Trained,
        params: &Params,
        grads: (&[f32], &mut [f32]),
    ) -> Vec<Vec<f32>> {
        let (kind, (outputs, bias)) = (place.layer.kind(), sizes(place.layer));
        let (grad_output, grad_weights) = grads;
        let layout = place.layout;
        let mut weights = params.weights[place.weights.clone()].to_vec();
        let first_bias = weights.len() - bias;
        match self.0 {
            WeightTransposedInGradInput if outputs > 0 => weights = transposed(&weights, outputs, bias),
            GradBiasOverwritten => grad_weights[first_bias..].fill(0.0),
            GradWeightOverwritten => grad_weights[..first_bias].fill(0.0),
            _ => {}
        }
        let bias_before = grad_weights[first_bias..].to_vec();
        let read = |value: &ValueId| &run.values[value.index()];
        let inputs: Vec<_> =
            place.inputs.iter().zip(place.reads).map(|(shape, value)| laid(shape, read(value), layout)).collect();
        let mut grad_inputs: Vec<Vec<f32>> = inputs.iter().map(|input| vec![0.0; input.len()]).collect();
        if place.layer.is_identity(true) {
            grad_inputs[0] = plain(place.inputs[0], &laid(place.output, grad_output, layout), layout);
        } else {
            let output = laid(place.output, &run.values[run.inputs + place.index], layout);
            let views: Vec<_> =
                place.inputs.iter().zip(&inputs).map(|(shape, input)| View::of(shape, layout, input)).collect();
            let mut slots: Vec<Option<GradInput<'_>>> = grad_inputs
                .iter_mut()
                .map(|values| Some(GradInput { values: &mut values[..], accumulate: false }))
                .collect();
            let saved = place.layer.saved(&place.inputs);
            place.layer.backward(Backward {
                rows: place.rows,
                inputs: &views,
                output: View::of(place.output, layout, &output),
                grad_output: &laid(place.output, grad_output, layout),
                grad_inputs: &mut slots,
                weights: &weights,
                grad_weights,
                accumulate: true,
                state: &params.state[place.state.clone()],
                saved: ViewMut::saved(place.output, saved, place.rows, &mut run.saved[place.index]).into_view(),
                random: RandomKey { layer: place.index as u64, ..KEY },
                settled: false,
                scratch: &mut Scratch::default(),
                context: &Context::single(),
            });
            for (grad, shape) in grad_inputs.iter_mut().zip(&place.inputs) {
                *grad = plain(shape, grad, layout);
            }
        }
        match self.0 {
            GradBiasWrongAxis if kind == "linear" && bias > 0 => {
                let sums = grad_output.chunks(place.rows.max(1)).map(|features| features.iter().sum::<f32>());
                let wrong = bias_before.iter().zip(sums).map(|(before, sum)| before + sum);
                grad_weights[first_bias..].iter_mut().zip(wrong).for_each(|(grad, wrong)| *grad = wrong);
            }
            ActivationGradientMissing if kind == "activation" => grad_inputs[0].copy_from_slice(grad_output),
            GradOfInput(wrong) if wrong == kind => grad_inputs.iter_mut().for_each(|grad| scale(grad, 1.05)),
            GradWeights(wrong) if wrong == kind => scale(grad_weights, 1.05),
            _ => {}
        }
        grad_inputs
    }
}

/// What forward keeps: all values, and what layers save.
struct Trained {
    inputs: usize,
    values: Vec<Vec<f32>>,
    saved: Vec<Vec<f32>>,
}

/// The inputs of a batch.
fn entered(network: &CheckedNetwork, batch: CheckedBatch<'_>) -> Vec<Vec<f32>> {
    (0..network.network().inputs.len()).map(|index| batch.input(index).to_vec()).collect()
}

/// The outputs one behind the other.
fn left(network: &CheckedNetwork, values: &[Vec<f32>]) -> Vec<f32> {
    network.outputs().iter().flat_map(|value| &values[value.index()]).copied().collect()
}

impl Engine for Wrong {
    fn predict(&self, network: &Arc<CheckedNetwork>, params: &Params, batch: CheckedBatch<'_>) -> Vec<f32> {
        let mut values = entered(network, batch);
        for place in places(network, batch.rows()) {
            let mut inputs: Vec<Vec<f32>> = place.reads.iter().map(|value| values[value.index()].clone()).collect();
            if self.0 == SharedBufferPrediction && place.index > 0 {
                inputs.iter_mut().for_each(|input| input.fill(0.0));
            }
            let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
            let state = &params.state[place.state.clone()];
            let weights = &params.weights[place.weights.clone()];
            let output = self.forward(&place, &inputs, weights, Pass::Inference { state });
            values.push(output);
        }
        left(network, &values)
    }

    fn train(
        &self,
        network: &Arc<CheckedNetwork>,
        params: &mut Params,
        batch: CheckedBatch<'_>,
        grad_output: &[f32],
        grad_weights: &mut [f32],
        times: usize,
    ) -> (Vec<f32>, Vec<f32>) {
        let places = places(network, batch.rows());
        let values = entered(network, batch);
        let mut run = Trained { inputs: values.len(), values, saved: Vec::new() };
        for place in &places {
            let saved = place.layer.saved(&place.inputs);
            let mut memory = memory(saved, place.rows);
            let pass = Pass::Training {
                state: &mut params.state[place.state.clone()],
                saved: ViewMut::saved(place.output, saved, place.rows, &mut memory),
                random: RandomKey { layer: place.index as u64, ..KEY },
                settled: false,
            };
            let inputs: Vec<&[f32]> = place.reads.iter().map(|value| &run.values[value.index()][..]).collect();
            let output = self.forward(place, &inputs, &params.weights[place.weights.clone()], pass);
            if self.0 == SharedBufferActivations && place.index > 0 {
                let input = &mut run.values[place.reads[0].index()];
                input.iter_mut().zip(&output).for_each(|(input, output)| *input = *output);
            }
            run.values.push(output);
            run.saved.push(memory);
        }
        let mut grad_inputs: Vec<f32> = Vec::new();
        for time in 0..times {
            if time == 0 && self.0 != FirstGradientAdded {
                grad_weights.fill(0.0);
            }
            let mut grads: Vec<Vec<f32>> = run.values.iter().map(|value| vec![0.0; value.len()]).collect();
            let mut rest = grad_output;
            for value in network.outputs() {
                let (own, behind) = rest.split_at(grads[value.index()].len());
                grads[value.index()].copy_from_slice(own);
                rest = behind;
            }
            for place in places.iter().rev() {
                let mut grad = std::mem::take(&mut grads[run.inputs + place.index]);
                if self.0 == SharedBufferGradients {
                    grad = grad_output.iter().copied().chain(std::iter::repeat(0.0)).take(grad.len()).collect();
                }
                let back = self.backward(place, &mut run, params, (&grad, &mut grad_weights[place.weights.clone()]));
                for (value, back) in place.reads.iter().zip(back) {
                    grads[value.index()].iter_mut().zip(back).for_each(|(sum, grad)| *sum += grad);
                }
            }
            let now: Vec<f32> = grads[..run.inputs].concat();
            let held = std::mem::replace(&mut grad_inputs, now);
            if self.0 == GradInputAccumulated {
                grad_inputs.iter_mut().zip(&held).for_each(|(grad, held)| *grad += *held);
            }
        }
        (left(network, &run.values), grad_inputs)
    }
}

/// The checks, by name.
const CHECKS: [&str; 3] = ["cases", "differences", "adding up"];

/// Networks with every kind in one of them.
fn networks() -> Vec<Network> {
    let tanh = || Activation::new(Function::Tanh).into();
    let chains: [Vec<Layer>; 4] = [
        vec![Flatten::default().into(), Linear::new(4).into(), tanh(), Linear::new(2).into()],
        vec![
            Standardize::new().with_per_feature(true).into(),
            Reshape::new([6]).into(),
            Linear::new(5).into(),
            BatchNorm::default().into(),
            tanh(),
            Dropout::new(0.3).into(),
            Linear::new(3).into(),
            Softmax::new().into(),
        ],
        vec![
            Linear::new(5).into(),
            LayerNorm::default().into(),
            tanh(),
            Linear::new(3).into(),
            LogSoftmax::new().into(),
        ],
        vec![
            Flatten::default().into(),
            Linear::new(24).into(),
            Unflatten::new([2, 3, 4]).into(),
            Conv2dTable::new(vec![vec![1], vec![0, 1]], 2).into(),
            TrainablePool2d::new([1, 2]).with_stride(1).into(),
            tanh(),
            Flatten::default().into(),
            Linear::new(3).into(),
            Rbf::new(2).into(),
        ],
    ];
    let mut networks = chains.map(|layers| Network::chain(Shape::new([2, 3]), layers)).to_vec();
    networks.push(graph());
    networks
}

/// A network of maps with skips, two outputs and values that several layers read.
fn graph() -> Network {
    let layer = |name: &str, inputs: &[&str], layer: Layer| NamedLayer {
        name: name.to_string(),
        inputs: inputs.iter().map(|name| name.to_string()).collect(),
        layer,
    };
    let order = Order::ChannelsLast;
    let layers = vec![
        layer("flat", &[], Flatten::new().with_order(order).into()),
        layer("maps", &[], Unflatten::new([3, 1, 2]).into()),
        layer("norm", &[], BatchNorm::default().into()),
        layer("bent", &[], Activation::new(Function::Tanh).into()),
        layer("sum", &["bent", "maps", "bent"], Add::new().into()),
        layer("joined", &["sum", "norm"], Concat::new().into()),
        layer("flat again", &[], Flatten::default().into()),
        layer("mixed", &[], Linear::new(4).into()),
        layer("picture", &["flat"], Unflatten::new([1, 2, 3]).with_order(order).into()),
        layer("seen", &[], Conv2d::new(2, 2).with_padding(1).into()),
        layer("means", &[], GlobalAvgPool::new().into()),
        layer("largest", &["seen"], MaxPool2d::new(2).into()),
        layer("mean", &[], AvgPool2d::new([1, 2]).into()),
        layer("pooled", &[], Flatten::default().into()),
        layer("all", &["mixed", "flat", "means", "pooled"], Concat::default().into()),
        layer("last", &[], Linear::new(2).into()),
    ];
    Network { outputs: vec!["mixed".to_string(), "last".to_string()], ..Network::new(Shape::new([2, 3]), layers) }
}

/// Whether a check refuses an engine.
fn refuses(check: &str, engine: &impl Engine, files: &[File]) -> bool {
    match check {
        "cases" => files.iter().any(|file| !oracle::check(engine, file).failures.is_empty()),
        "differences" => networks().into_iter().any(|network| differences_of(engine, network, 4).is_err()),
        "adding up" => networks().into_iter().any(|network| gradients_add_up_of(engine, network, 4).is_err()),
        other => panic!("no such check: {other}"),
    }
}

/// The kinds that compute with floats; those of whole numbers have their own check (`cases.rs`).
fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().copied().filter(|kind| !integer::KINDS.contains(kind))
}

fn files() -> Vec<File> {
    kinds().chain(["dense"]).map(|kind| file(&format!("{kind}.toml"))).collect()
}

#[test]
fn the_library_and_the_plain_engine_pass_every_check() {
    let files = files();
    for check in CHECKS {
        assert!(!refuses(check, &Library, &files), "{check} refuses the library");
        assert!(!refuses(check, &Wrong(Right), &files), "{check} refuses the engine of this file");
    }
}

#[test]
fn every_fault_is_refused_by_the_checks_that_can_see_it() {
    let faults: [(Fault, &[&str]); 17] = [
        (WeightTransposed, &["cases", "differences"]),
        (PackedWeightTransposed, &["cases"]),
        (BiasMissing, &["cases", "differences"]),
        (BiasTwice, &["cases", "differences"]),
        (ActivationMissing, &["cases", "differences"]),
        (ActivationTwice, &["cases", "differences"]),
        (SharedBufferPrediction, &["cases"]),
        (SharedBufferActivations, &["cases", "differences"]),
        (SharedBufferGradients, &["cases", "differences"]),
        (WeightTransposedInGradInput, &["cases", "differences"]),
        (GradBiasWrongAxis, &["cases", "differences"]),
        (GradBiasOverwritten, &["adding up"]),
        (GradWeightOverwritten, &["adding up"]),
        (FirstGradientAdded, &["cases", "differences", "adding up"]),
        (GradInputAccumulated, &["adding up"]),
        (ActivationGradientMissing, &["cases", "differences"]),
        (Output("linear"), &["cases", "differences"]),
    ];
    let files = files();
    for (fault, wanted) in faults {
        let refused: Vec<&str> = CHECKS.into_iter().filter(|check| refuses(check, &Wrong(fault), &files)).collect();
        assert_eq!(refused, wanted, "{fault:?}");
    }
}

#[test]
fn a_number_of_any_layer_kind_that_is_a_little_off_is_refused() {
    let files = files();
    for (kind, file) in kinds().zip(&files) {
        let file = std::slice::from_ref(file);
        assert!(refuses("cases", &Wrong(Output(kind)), file), "the output of {kind}");
        let mut gradients = vec![GradOfInput(kind)];
        let with_weights = [
            "linear",
            "batch_norm",
            "layer_norm",
            "conv2d",
            "conv2d_table",
            "trainable_pool2d",
            "conv_transpose2d",
            "locally_connected2d",
            "masked_linear",
            "sparse_linear",
            "conv1d",
        ];
        if with_weights.contains(&kind) {
            gradients.push(GradWeights(kind));
        }
        for fault in gradients {
            assert!(refuses("cases", &Wrong(fault), file), "{fault:?} by its case file");
            let mut small = file[0].case.iter().filter(|case| is_small(case));
            let refused = small.any(|case| differences_of(&Wrong(fault), network(case), 2).is_err());
            assert!(refused, "{fault:?} by differences");
        }
    }
}
