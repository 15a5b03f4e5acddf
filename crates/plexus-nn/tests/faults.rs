//! The checks of layers and networks refuse wrong ones.
//!
//! Each check here is one that the right layers have to pass: the case files of PyTorch (`cases.rs`), finite differences
//! and gradients that add up (`plexus_nn::testing`). They get an engine in plain steps, one layer after the other, with
//! one known fault in it. Without a fault it passes all of them.

mod oracle;

use Fault::*;
use oracle::{File, file};
use plexus_kernels::Context;
use plexus_kernels::gemm::Scratch;
use plexus_kernels::map::Function;
use plexus_nn::layer::{Backward, Forward, Pass, RandomKey};
use plexus_nn::layers::{
    Activation, BatchNorm, Dropout, Flatten, KINDS, Layer, LayerNorm, Linear, LogSoftmax, Reshape, Softmax, Standardise,
};
use plexus_nn::testing::{Engine, KEY, Library, differences, gradients_add_up};
use plexus_nn::{CheckedBatch, CheckedNetwork, Params, Shape};
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
    GradInput(&'static str),
    /// The same for its weights.
    GradWeights(&'static str),
}

/// Runs the layers of a network one after the other, with a fault.
struct Wrong(Fault);

/// One layer of a network, the lengths of its samples and the places of its numbers.
struct Place<'a> {
    batch: usize,
    index: usize,
    layer: &'a Layer,
    shape: &'a Shape,
    output_len: usize,
    weights: Range<usize>,
    state: Range<usize>,
}

fn places(network: &CheckedNetwork, batch: usize) -> Vec<Place<'_>> {
    let layers = network.network().layers.iter().enumerate();
    let places = layers.map(|(index, named)| Place {
        batch,
        index,
        layer: &named.layer,
        shape: network.input_shape(index),
        output_len: network.output_shape(index).len().expect("the network was checked"),
        weights: network.layout().weights_of(index),
        state: network.layout().state_of(index),
    });
    places.collect()
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

impl Wrong {
    fn forward(&self, place: &Place<'_>, input: &[f32], weights: &[f32], mut pass: Pass<'_>) -> Vec<f32> {
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
        let batch = place.batch;
        let mut output = vec![0.0; batch * place.output_len];
        let mut run = |input: &[f32], output: &mut [f32]| {
            // Such a layer is not made to run.
            if place.layer.is_identity(training) {
                return output.copy_from_slice(input);
            }
            place.layer.forward(Forward {
                batch,
                input_shape: place.shape,
                input,
                output,
                weights: &weights,
                pass: match &mut pass {
                    Pass::Training { state, saved, random } => Pass::Training { state, saved, random: *random },
                    Pass::Inference { state } => Pass::Inference { state },
                },
                packed: None,
                function: Function::Identity,
                scratch: &mut Scratch::default(),
                context: &Context::single(),
            });
        };
        run(input, &mut output);
        match self.0 {
            ActivationMissing if kind == "activation" => output.copy_from_slice(input),
            ActivationTwice if kind == "activation" => run(&output.clone(), &mut output),
            Output(wrong) if wrong == kind => scale(&mut output, 1.05),
            _ => {}
        }
        output
    }

    /// Adds to the gradients of one layer's weights; returns the gradient of its input.
    fn backward(&self, place: &Place<'_>, run: &Trained, params: &Params, grads: (&[f32], &mut [f32])) -> Vec<f32> {
        let (kind, (outputs, bias)) = (place.layer.kind(), sizes(place.layer));
        let (grad_output, grad_weights) = grads;
        let (input, output) = (&run.values[place.index], &run.values[place.index + 1]);
        let batch = place.batch;
        let mut weights = params.weights[place.weights.clone()].to_vec();
        let first_bias = weights.len() - bias;
        match self.0 {
            WeightTransposedInGradInput if outputs > 0 => weights = transposed(&weights, outputs, bias),
            GradBiasOverwritten => grad_weights[first_bias..].fill(0.0),
            GradWeightOverwritten => grad_weights[..first_bias].fill(0.0),
            _ => {}
        }
        let bias_before = grad_weights[first_bias..].to_vec();
        let mut grad_input = vec![0.0; input.len()];
        if place.layer.is_identity(true) {
            grad_input.copy_from_slice(grad_output);
        } else {
            place.layer.backward(Backward {
                batch,
                input_shape: place.shape,
                input,
                output,
                grad_output,
                grad_input: Some(&mut grad_input),
                weights: &weights,
                grad_weights,
                accumulate: true,
                state: &params.state[place.state.clone()],
                saved: &run.saved[place.index],
                random: RandomKey { layer: place.index as u64, ..KEY },
                scratch: &mut Scratch::default(),
                context: &Context::single(),
            });
        }
        match self.0 {
            GradBiasWrongAxis if bias > 0 => {
                let sums = grad_output.chunks(batch.max(1)).map(|features| features.iter().sum::<f32>());
                let wrong = bias_before.iter().zip(sums).map(|(before, sum)| before + sum);
                grad_weights[first_bias..].iter_mut().zip(wrong).for_each(|(grad, wrong)| *grad = wrong);
            }
            ActivationGradientMissing if kind == "activation" => grad_input.copy_from_slice(grad_output),
            GradInput(wrong) if wrong == kind => scale(&mut grad_input, 1.05),
            GradWeights(wrong) if wrong == kind => scale(grad_weights, 1.05),
            _ => {}
        }
        grad_input
    }
}

/// What forward keeps: the input of the first layer and every output, and what layers save.
struct Trained {
    values: Vec<Vec<f32>>,
    saved: Vec<Vec<f32>>,
}

impl Engine for Wrong {
    fn predict(&self, network: &Arc<CheckedNetwork>, params: &Params, batch: CheckedBatch<'_>) -> Vec<f32> {
        let mut values = batch.values().to_vec();
        for place in places(network, batch.rows()) {
            if self.0 == SharedBufferPrediction && place.index > 0 {
                values.fill(0.0);
            }
            let state = &params.state[place.state.clone()];
            values = self.forward(&place, &values, &params.weights[place.weights.clone()], Pass::Inference { state });
        }
        values
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
        let mut run = Trained { values: vec![batch.values().to_vec()], saved: Vec::new() };
        for place in &places {
            let mut saved = vec![0.0; place.layer.saved_len(place.shape, place.batch)];
            let pass = Pass::Training {
                state: &mut params.state[place.state.clone()],
                saved: &mut saved,
                random: RandomKey { layer: place.index as u64, ..KEY },
            };
            let output = self.forward(place, &run.values[place.index], &params.weights[place.weights.clone()], pass);
            if self.0 == SharedBufferActivations && place.index > 0 {
                run.values[place.index].iter_mut().zip(&output).for_each(|(input, output)| *input = *output);
            }
            run.values.push(output);
            run.saved.push(saved);
        }
        let mut grad = Vec::new();
        for time in 0..times {
            if time == 0 && self.0 != FirstGradientAdded {
                grad_weights.fill(0.0);
            }
            let held = std::mem::replace(&mut grad, grad_output.to_vec());
            for place in places.iter().rev() {
                if self.0 == SharedBufferGradients {
                    let len = place.batch * place.output_len;
                    grad = grad_output.iter().copied().chain(std::iter::repeat(0.0)).take(len).collect();
                }
                grad = self.backward(place, &run, params, (&grad, &mut grad_weights[place.weights.clone()]));
            }
            if self.0 == GradInputAccumulated {
                grad.iter_mut().zip(&held).for_each(|(grad, held)| *grad += *held);
            }
        }
        (run.values.pop().expect("the input at least"), grad)
    }
}

/// The checks, by name.
const CHECKS: [&str; 3] = ["cases", "differences", "adding up"];

/// Networks with every kind in one of them.
fn networks() -> [Vec<Layer>; 3] {
    let tanh = || Activation::new(Function::Tanh).into();
    [
        vec![Flatten {}.into(), Linear::new(4).into(), tanh(), Linear::new(2).into()],
        vec![
            Standardise { per_feature: true }.into(),
            Reshape { shape: Shape::new([6]) }.into(),
            Linear::new(5).into(),
            BatchNorm::default().into(),
            tanh(),
            Dropout { probability: 0.3 }.into(),
            Linear::new(3).into(),
            Softmax {}.into(),
        ],
        vec![Linear::new(5).into(), LayerNorm::default().into(), tanh(), Linear::new(3).into(), LogSoftmax {}.into()],
    ]
}

/// Whether a check refuses an engine.
fn refuses(check: &str, engine: &impl Engine, files: &[File]) -> bool {
    let (input, batch) = (Shape::new([2, 3]), 4);
    match check {
        "cases" => files.iter().any(|file| !oracle::check(engine, file).failures.is_empty()),
        "differences" => networks().iter().any(|layers| differences(engine, layers, &input, batch).is_err()),
        "adding up" => networks().iter().any(|layers| gradients_add_up(engine, layers, &input, batch).is_err()),
        other => panic!("no such check: {other}"),
    }
}

fn files() -> Vec<File> {
    KINDS.iter().chain(&["dense"]).map(|kind| file(&format!("{kind}.toml"))).collect()
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
    for (&kind, file) in KINDS.iter().zip(&files) {
        let file = std::slice::from_ref(file);
        assert!(refuses("cases", &Wrong(Output(kind)), file), "the output of {kind}");
        let mut gradients = vec![GradInput(kind)];
        if ["linear", "batch_norm", "layer_norm"].contains(&kind) {
            gradients.push(GradWeights(kind));
        }
        for fault in gradients {
            assert!(refuses("cases", &Wrong(fault), file), "{fault:?} by its case file");
            assert!(refuses("differences", &Wrong(fault), &[]), "{fault:?} by differences");
        }
    }
}
