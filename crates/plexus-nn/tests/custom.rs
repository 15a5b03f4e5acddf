//! Layers of one's own: through the check, the gradient check, training, prediction, trace, summary and both forms of files.

use plexus_kernels::Context;
use plexus_kernels::buffer::MatrixMut;
use plexus_kernels::gemm::{self, Gemm, View, gemm};
use plexus_kernels::map::Function;
use plexus_kernels::reduce;
use plexus_nn::custom::{self, Custom, CustomBackward, CustomForward, CustomLayer, RegisterError};
use plexus_nn::gradcheck::{self, GradcheckError};
use plexus_nn::layer::{Mismatch, ParamSpec, RandomKey, one};
use plexus_nn::layers::{Conv2d, Layer, Linear, batch_norm, conv2d, linear, relu, tanh};
use plexus_nn::summary::summary;
use plexus_nn::trace::trace;
use plexus_nn::{Graph, Init, NamedLayer, Network, Params, Plan, PlanOptions, Shape, TrainPlan, Workspace};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What may be wrong with [`Blend`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fault {
    #[default]
    None,
    GradOfSecondInput,
    GradOfWeightOfFirstFeature,
    GradOfWeightOverwritten,
    Nan,
}

/// `output = weight · first + (1 − weight) · second`, a weight for each feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Blend {
    gain: f32,
    #[serde(default)]
    fault: Fault,
}

fn blend() -> Blend {
    Blend { gain: 1.0, fault: Fault::None }
}

impl CustomLayer for Blend {
    const KIND: &'static str = "test/blend";

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        match inputs {
            [first, second] if first == second => Ok((*first).clone()),
            _ => Err(Mismatch::new("the inputs", "two of one shape", "", "Blend takes two values.")),
        }
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        vec![ParamSpec::new("weight", [inputs[0].last().unwrap_or(1)], Init::Ones)]
    }

    fn macs(&self, _: &[&Shape], output: &Shape) -> u64 {
        2 * output.len().unwrap_or(0) as u64
    }

    fn forward(&self, cx: CustomForward<'_>) {
        let weight = cx.params[0];
        for (at, output) in cx.output.iter_mut().enumerate() {
            let w = weight[at % weight.len()];
            *output = self.gain * (w * cx.inputs[0][at] + (1.0 - w) * cx.inputs[1][at]);
        }
    }

    fn backward(&self, cx: CustomBackward<'_>) {
        let CustomBackward { inputs, params, grad_output, grad_inputs, grad_params, .. } = cx;
        let features = params[0].len();
        if self.fault == Fault::GradOfWeightOverwritten {
            grad_params[0].fill(0.0);
        }
        for (at, grad) in grad_output.iter().enumerate() {
            let (f, grad) = (at % features, self.gain * grad);
            let w = params[0][f];
            if let Some(first) = &mut grad_inputs[0] {
                first[at] = if self.fault == Fault::Nan { f32::NAN } else { w * grad };
            }
            if let Some(second) = &mut grad_inputs[1] {
                second[at] = if self.fault == Fault::GradOfSecondInput { w * grad } else { (1.0 - w) * grad };
            }
            if self.fault != Fault::GradOfWeightOfFirstFeature || f > 0 {
                grad_params[0][f] += (inputs[0][at] - inputs[1][at]) * grad;
            }
        }
    }
}

#[test]
fn right_gradients_pass_and_each_wrong_one_is_named() {
    let report = gradcheck::layer(blend(), [[2, 3], [2, 3]]).unwrap();
    // Three rows of two inputs, and the weights.
    assert_eq!(report.compared, 3 * 2 * 6 + 3);
    assert!((0.0..1.0).contains(&report.worst), "{report:?}");
    let wrong = |fault| gradcheck::layer(Blend { fault, ..blend() }, [[2, 3], [2, 3]]).unwrap_err();
    match wrong(Fault::GradOfSecondInput) {
        GradcheckError::Wrong { tensor, at, expected, got } => {
            assert_eq!((tensor.as_str(), at), ("the input \"input 1\"", vec![0, 0, 0]));
            assert!((expected - got).abs() > 0.1, "{expected} {got}");
        }
        other => panic!("{other}"),
    }
    assert!(matches!(wrong(Fault::Nan), GradcheckError::Wrong { tensor, .. } if tensor == "the input \"input 0\""));
    match wrong(Fault::GradOfWeightOfFirstFeature) {
        GradcheckError::Wrong { tensor, at, got, .. } => {
            assert_eq!((tensor.as_str(), at, got), ("layer.weight", vec![0], 0.0));
        }
        other => panic!("{other}"),
    }
    let overwritten = wrong(Fault::GradOfWeightOverwritten);
    assert!(matches!(&overwritten, GradcheckError::SecondPass { tensor, .. } if tensor == "layer.weight"));
    assert!(overwritten.to_string().contains("gradients of the tensors of a layer are added"), "{overwritten}");
    let shapes = gradcheck::layer(blend(), [[2], [3]]).unwrap_err();
    assert!(matches!(&shapes, GradcheckError::Shape(error) if error.to_string().contains("two of one shape")));
}

#[test]
fn a_network_with_built_in_neighbours_is_checked_as_a_whole() {
    let mut g = Graph::new();
    let x = g.input("x", [4]);
    let a = g.linear(x, 3);
    let b = g.tanh(a);
    let c = g.linear(x, 3);
    let d = g.layer(blend(), &[b, c]);
    let d = g.tanh(d);
    let y = g.linear(d, 2);
    let network = g.output(y).unwrap();
    gradcheck::network(&network).unwrap();
}

#[test]
fn a_layer_that_does_not_fit_is_refused_as_any_other() {
    let layers = [linear(3), blend().into()];
    let error = Network::chain([4], layers).check().unwrap_err().to_string();
    assert!(error.contains("layers.1 (test/blend)") && error.contains("two of one shape"), "{error}");
}

/// The built-in linear layer again, with the same calls of kernels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OwnLinear {
    out_features: usize,
}

impl CustomLayer for OwnLinear {
    const KIND: &'static str = "test/linear";

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        Ok(one(inputs)?.with_last(self.out_features))
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let in_features = inputs[0].last().unwrap_or(0);
        let bound = (in_features as f32).recip().sqrt();
        vec![
            ParamSpec::new("weight", [self.out_features, in_features], Init::UniformFanIn),
            ParamSpec::new("bias", [self.out_features], Init::Uniform { bound }),
        ]
    }

    fn forward(&self, cx: CustomForward<'_>) {
        let (rows, n, k) = (cx.rows, self.out_features, cx.input_shapes[0].last().unwrap_or(0));
        let call = Gemm {
            a: View::row_major(cx.inputs[0], rows, k),
            b: gemm::Operand::Plain(View::row_major(cx.params[0], n, k).transposed()),
            c: MatrixMut { values: cx.output, rows, cols: n, stride: n },
            accumulate: false,
            bias: Some(cx.params[1]),
            function: Function::Identity,
        };
        gemm(call, &mut gemm::Scratch::default(), cx.context);
    }

    fn backward(&self, cx: CustomBackward<'_>) {
        let (rows, n, k) = (cx.rows, self.out_features, cx.input_shapes[0].last().unwrap_or(0));
        let grad_output = View::row_major(cx.grad_output, rows, n);
        let (input, weight) = (View::row_major(cx.inputs[0], rows, k), View::row_major(cx.params[0], n, k));
        let [grad_weight, grad_bias] = cx.grad_params else { unreachable!("two tensors") };
        let multiply = |a, b, values: &mut [f32], (rows, cols), accumulate| {
            let c = MatrixMut { values, rows, cols, stride: cols };
            let b = gemm::Operand::Plain(b);
            let call = Gemm { a, b, c, accumulate, bias: None, function: Function::Identity };
            gemm(call, &mut gemm::Scratch::default(), cx.context);
        };
        multiply(grad_output.transposed(), input, grad_weight, (n, k), true);
        reduce::add_column_sums(rows, n, cx.grad_output, grad_bias, cx.context);
        if let Some(grad_input) = &mut cx.grad_inputs[0] {
            multiply(grad_output, weight, grad_input, (rows, k), false);
        }
    }
}

/// Numbers without a pattern in -1..1.
fn numbers(len: usize, seed: u32) -> Vec<f32> {
    (0..len as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 8) as f32 / 8_388_608.0 - 1.0)
        .collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Trains a network for a few steps towards zero, and predicts: the weights, and the prediction.
fn train_and_predict(network: Network, steps: u64) -> (Vec<u32>, Vec<u32>) {
    const ROWS: usize = 6;
    let network = Arc::new(network.check().unwrap());
    let mut params = Params::initialise(&network, 7);
    let mut plan = TrainPlan::new(network.clone(), Context::single());
    let mut grads = vec![0.0; params.weights.len()];
    for step in 0..steps {
        let values = numbers(ROWS * network.input_len(), step as u32);
        let batch = network.batch(&values, ROWS).unwrap();
        let random = RandomKey { seed: 1, step, layer: 0 };
        plan.forward(&mut params, batch, random);
        let (output, grad) = plan.output_and_grad(0);
        grad.copy_from_slice(output);
        // Two passes: the second is added.
        plan.backward(&params, batch, random, &mut grads, false);
        plan.forward(&mut params.clone(), batch, random);
        let (output, grad) = plan.output_and_grad(0);
        grad.copy_from_slice(output);
        plan.backward(&params, batch, random, &mut grads, true);
        params.weights.iter_mut().zip(&grads).for_each(|(weight, grad)| *weight -= 0.05 * grad);
    }
    let plan = Plan::new(network.clone(), &params, Context::single());
    let (values, mut workspace) = (numbers(ROWS * network.input_len(), 99), Workspace::default());
    let output = plan.run(network.batch(&values, ROWS).unwrap(), &mut workspace);
    (bits(&params.weights), bits(output))
}

#[test]
fn the_same_arithmetic_trains_to_the_same_bits_as_the_built_in_layer() {
    let network = |middle: Layer| Network::chain([9], [linear(17), relu(), middle, tanh(), linear(3)]);
    let built_in = train_and_predict(network(linear(13)), 5);
    let own = train_and_predict(network(OwnLinear { out_features: 13 }.into()), 5);
    assert_ne!(built_in.0, train_and_predict(network(linear(13)), 0).0, "training changes something");
    assert!(own == built_in);
}

#[test]
fn nothing_is_folded_into_it_and_every_value_can_be_kept() {
    let layers = |middle: Layer| [linear(4), middle, batch_norm(), linear(2)];
    let folded = |middle: Layer| {
        let network = Arc::new(Network::chain([4], layers(middle)).check().unwrap());
        let params = Params::initialise(&network, 1);
        let options = PlanOptions::default().with_fold(true);
        let plan = Plan::with(network.clone(), &params, options, Context::single());
        plan.folded_into(2)
    };
    let own = || OwnLinear { out_features: 4 }.into();
    // The batch normalisation goes into the built-in layer before it, but behind one of one's own into the layer that follows.
    assert_eq!(folded(linear(4)), Some(1));
    assert_eq!(folded(own()), Some(3));
    let network = Arc::new(Network::chain([4], [own(), relu(), own()]).check().unwrap());
    let params = Params::initialise(&network, 1);
    let keep: Vec<_> = network.values().skip(1).collect();
    let plan = |options| Plan::with(network.clone(), &params, options, Context::single());
    let values = numbers(24, 3);
    let batch = network.batch(&values, 6).unwrap();
    let mut workspaces = [Workspace::default(), Workspace::default()];
    let watched = plan(PlanOptions::default().with_keep(keep.clone()));
    let output = bits(plan(PlanOptions::default()).run(batch, &mut workspaces[0]));
    assert_eq!(bits(watched.run(batch, &mut workspaces[1])), output);
    let middle = watched.value(&workspaces[1], keep[0]).unwrap().channels_first().into_owned();
    let behind = watched.value(&workspaces[1], keep[1]).unwrap().channels_first().into_owned();
    assert_eq!(middle.iter().map(|value| value.max(0.0)).collect::<Vec<_>>(), behind);
    assert!(behind.contains(&0.0), "{middle:?}");
}

/// Multiplies map `c` by `c + 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Louder;

impl CustomLayer for Louder {
    const KIND: &'static str = "test/louder";

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        Ok(one(inputs)?.clone())
    }

    fn forward(&self, cx: CustomForward<'_>) {
        let &[channels, height, width] = cx.output_shape.axes() else { unreachable!("maps") };
        for (at, output) in cx.output.iter_mut().enumerate() {
            *output = cx.inputs[0][at] * (at / (height * width) % channels + 1) as f32;
        }
    }

    fn backward(&self, cx: CustomBackward<'_>) {
        let &[channels, height, width] = cx.output_shape.axes() else { unreachable!("maps") };
        if let Some(grad_input) = &mut cx.grad_inputs[0] {
            for (at, grad) in grad_input.iter_mut().enumerate() {
                *grad = cx.grad_output[at] * (at / (height * width) % channels + 1) as f32;
            }
        }
    }
}

#[test]
fn maps_come_channels_first_whatever_the_layers_beside_it_want() {
    let convolution = |network: &Network| network.layers[0].layer.clone();
    let network = Network::chain([2, 4, 4], [conv2d(3, 3), Louder.into(), conv2d(2, 1)]);
    gradcheck::network(&network).unwrap();
    let checked = Arc::new(network.clone().check().unwrap());
    let params = Params::initialise(&checked, 4);
    let values = numbers(2 * 32, 1);
    let run = |network: &Arc<plexus_nn::CheckedNetwork>, params: &Params, values: &[f32]| {
        let plan = Plan::new(network.clone(), params, Context::single());
        plan.run(network.batch(values, 2).unwrap(), &mut Workspace::default()).to_vec()
    };
    let output = run(&checked, &params, &values);
    // The same by hand: each convolution as a network of its own.
    let alone = |input: [usize; 3], layer: Layer, name: &str| {
        let network = Arc::new(Network::new(input, vec![NamedLayer::new(name, layer)]).check().unwrap());
        let mut own = Params::zeros(&network);
        for (entry, values) in params.tensors() {
            own.set(&entry.name, values);
        }
        (network, own)
    };
    let (first, first_params) = alone([2, 4, 4], convolution(&network), "layers.0");
    let (second, second_params) = alone([3, 2, 2], Conv2d::new(2, 1).into(), "layers.2");
    let mut middle = run(&first, &first_params, &values);
    middle.iter_mut().enumerate().for_each(|(at, value)| *value *= (at / 4 % 3 + 1) as f32);
    assert_eq!(bits(&output), bits(&run(&second, &second_params, &middle)));
}

/// Drops half of the numbers in training and counts its steps: with state, saved numbers and random numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Noisy {}

impl CustomLayer for Noisy {
    const KIND: &'static str = "test/noisy";

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        Ok(one(inputs)?.clone())
    }

    fn params(&self, _: &[&Shape]) -> Vec<ParamSpec> {
        vec![ParamSpec::constant("steps", [1], Init::Zeros)]
    }

    fn saved(&self, inputs: &[&Shape]) -> usize {
        inputs[0].len().unwrap_or(0)
    }

    fn forward(&self, mut cx: CustomForward<'_>) {
        assert_eq!(cx.training, cx.state.get_mut(0).is_some());
        assert_eq!(cx.saved.len(), if cx.training { cx.output.len() } else { 0 });
        if let Some(steps) = cx.state.get_mut(0) {
            steps[0] += 1.0;
        }
        for (at, output) in cx.output.iter_mut().enumerate() {
            let mut factor = 1.0;
            if cx.training {
                let position = cx.random.seed ^ (cx.random.step << 20) ^ (cx.random.layer << 40) ^ at as u64;
                factor = (position.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 63) as f32;
                cx.saved[at] = factor;
            }
            *output = factor * cx.inputs[0][at];
        }
    }

    fn backward(&self, cx: CustomBackward<'_>) {
        assert_eq!(cx.state.len(), 1);
        if let Some(grad_input) = &mut cx.grad_inputs[0] {
            for (at, grad) in grad_input.iter_mut().enumerate() {
                *grad = cx.saved[at] * cx.grad_output[at];
            }
        }
    }
}

#[test]
fn state_changes_in_training_alone_and_what_was_saved_comes_back() {
    let network = Network::chain([8], [linear(8), Noisy {}.into()]);
    gradcheck::network(&network).unwrap();
    let network = Arc::new(network.check().unwrap());
    let mut params = Params::initialise(&network, 1);
    let values = numbers(16, 2);
    let batch = network.batch(&values, 2).unwrap();
    let mut training = TrainPlan::new(network.clone(), Context::single());
    let mut forward =
        |params: &mut Params, step| training.forward(params, batch, RandomKey { seed: 3, step, layer: 0 }).to_vec();
    let (first, again, other) = (forward(&mut params, 1), forward(&mut params, 1), forward(&mut params, 2));
    assert_eq!(params.by_name("layers.1.steps"), Some(&[3.0][..]));
    assert_eq!(first, again);
    assert_ne!(first, other);
    let plan = Plan::new(network.clone(), &params, Context::single());
    let output = plan.run(batch, &mut Workspace::default()).to_vec();
    assert!(output.iter().all(|value| *value != 0.0) && first.contains(&0.0));
    assert_eq!(params.by_name("layers.1.steps"), Some(&[3.0][..]));
}

#[test]
fn summary_and_trace_know_it() {
    let mut g = Graph::new();
    let x = g.input("x", [3]);
    let y = g.layer(Blend { gain: 0.5, fault: Fault::None }, &[x, x]);
    let network = g.outputs(&[("mixed", y)]).unwrap().check().unwrap();
    let line = &summary(&network).layers[0];
    assert_eq!((line.kind.as_str(), line.counts.params, line.counts.macs), ("test/blend", 3, 6));
    let params = Params::initialise(&network, 1);
    let traced = trace(&network, &params, network.batch(&[1.0, 2.0, -3.0], 1).unwrap());
    assert_eq!(traced[0].kind, "test/blend");
    let [primitive] = traced[0].primitives.as_slice() else { panic!("one primitive") };
    assert_eq!((primitive.operation.as_str(), &primitive.result.values), ("test/blend", &vec![0.5, 1.0, -1.5]));
}

/// Writes too little.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Careless {}

impl CustomLayer for Careless {
    const KIND: &'static str = "test/careless";

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        Ok(one(inputs)?.clone())
    }

    fn forward(&self, cx: CustomForward<'_>) {
        if let Some(first) = cx.output.first_mut() {
            *first += 1.0;
        }
    }

    fn backward(&self, _: CustomBackward<'_>) {}
}

#[test]
fn what_a_layer_does_not_write_is_zero() {
    let network = Arc::new(Network::chain([3], [linear(3), Careless {}.into()]).check().unwrap());
    let params = Params::initialise(&network, 1);
    let plan = Plan::new(network.clone(), &params, Context::single());
    let mut workspace = Workspace::default();
    for seed in 0..3 {
        let output = plan.run(network.batch(&numbers(6, seed), 2).unwrap(), &mut workspace).to_vec();
        assert_eq!(output, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}

/// Two tensors of one role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TwoAlike {}

impl CustomLayer for TwoAlike {
    const KIND: &'static str = "test/two_alike";

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        Ok(one(inputs)?.clone())
    }

    fn params(&self, _: &[&Shape]) -> Vec<ParamSpec> {
        vec![ParamSpec::new("weight", [1], Init::Zeros), ParamSpec::new("weight", [2], Init::Zeros)]
    }

    fn forward(&self, _: CustomForward<'_>) {}

    fn backward(&self, _: CustomBackward<'_>) {}
}

#[test]
fn two_tensors_of_one_role_are_refused() {
    let error = Network::chain([3], [TwoAlike {}.into()]).check().unwrap_err().to_string();
    assert!(error.contains("layers.0 (test/two_alike)") && error.contains("\"weight\" twice"), "{error}");
}

#[test]
fn a_network_with_it_goes_wherever_any_other_goes() {
    fn goes<T: Clone + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static>(_: &T) {}
    goes(&Network::chain([3], [Louder.into()]));
}

#[test]
fn layers_are_equal_by_type_and_value() {
    let layer = |gain| Layer::from(Blend { gain, fault: Fault::None });
    assert_eq!(layer(1.0), layer(1.0).clone());
    assert_ne!(layer(1.0), layer(2.0));
    assert_ne!(layer(1.0), Layer::from(Louder));
    assert_ne!(Layer::from(OwnLinear { out_features: 3 }), Linear::new(3).into());
    let Layer::Custom(custom) = layer(2.0) else { panic!("a layer of one's own") };
    assert_eq!(custom.downcast_ref::<Blend>().map(|blend| blend.gain), Some(2.0));
    assert!(custom.downcast_ref::<Louder>().is_none());
    assert!(format!("{custom:?}").contains("Blend { gain: 2.0"), "{custom:?}");
    assert_eq!(Custom::new(Louder), Custom::new(Louder));
}

/// A struct for names of kinds.
macro_rules! named {
    ($type:ident, $kind:expr $(, $field:ident)*) => {
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        struct $type { $($field: u32),* }

        impl CustomLayer for $type {
            const KIND: &'static str = $kind;
            fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
                Ok(one(inputs)?.clone())
            }
            fn forward(&self, _: CustomForward<'_>) {}
            fn backward(&self, _: CustomBackward<'_>) {}
        }
    };
}

named!(One, "test/one_kind");
named!(Other, "test/one_kind");
named!(NoSlash, "one_kind");
named!(TwoSlashes, "test/one/kind");
named!(NoCrate, "/kind");
named!(Odd, "test/one kind");
named!(Unknown, "my_crate/scale_shift");
named!(WithName, "test/with_name", name);

#[test]
fn a_kind_is_registered_once_by_one_type() {
    assert!(!custom::is_registered("test/one_kind"));
    assert_eq!(custom::register::<One>(), Ok(()));
    assert_eq!(custom::register::<One>(), Ok(()));
    let taken = custom::register::<Other>().unwrap_err();
    assert!(matches!(taken, RegisterError::Taken { kind: "test/one_kind", first, second }
        if first.ends_with("One") && second.ends_with("Other")));
    assert!(custom::is_registered("test/one_kind"));
    let refused = [
        custom::register::<NoSlash>(),
        custom::register::<TwoSlashes>(),
        custom::register::<NoCrate>(),
        custom::register::<Odd>(),
    ];
    for result in refused {
        let error = result.unwrap_err();
        assert!(matches!(error, RegisterError::NotAKind { .. }) && error.to_string().contains("my_crate/my_layer"));
    }
}

#[test]
fn json_has_the_kind_and_the_fields_and_reads_back() {
    custom::register::<Blend>().unwrap();
    custom::register::<Louder>().unwrap();
    let mut g = Graph::new();
    let x = g.input("x", [3]);
    let mixed = g.layer(Blend { gain: 0.1, fault: Fault::None }, &[x, x]);
    let y = g.layer(Louder, &[mixed]);
    let network = g.output(y).unwrap();
    let json = serde_json::to_value(&network).unwrap();
    assert_eq!(json["layers"][0]["kind"], "test/blend");
    assert_eq!(json["layers"][0]["fault"], "none");
    assert_eq!(json["layers"][1], serde_json::json!({ "name": "layers.1", "kind": "test/louder" }));
    let text = serde_json::to_string(&network).unwrap();
    assert_eq!(serde_json::from_str::<Network>(&text).unwrap(), network);
    let unknown_key = text.replace("\"gain\"", "\"gian\"");
    let error = serde_json::from_str::<Network>(&unknown_key).unwrap_err().to_string();
    assert!(error.contains("unknown field `gian`"), "{error}");
}

#[test]
fn an_unknown_kind_says_layer_kind_and_crate() {
    let network = Network::chain([3], [relu(), Unknown {}.into()]);
    let text = serde_json::to_string(&network).unwrap();
    let error = serde_json::from_str::<Network>(&text).unwrap_err().to_string();
    let words = ["layer `layers.1`", "kind `scale_shift`", "crate `my_crate`", "not registered", "register"];
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
    // What is no kind of a crate is an unknown kind as ever.
    for kind in ["scale_shift", "a/b/c", "/b", "\u{1b}[2J/b"] {
        let text =
            text.replace("my_crate/scale_shift", &kind.escape_default().to_string().replace("\\u{1b}", "\\u001b"));
        let error = serde_json::from_str::<Network>(&text).unwrap_err().to_string();
        assert!(error.contains("unknown variant") && error.contains("`linear`"), "{kind}: {error}");
    }
}

#[test]
fn what_cannot_be_written_is_refused_by_the_check() {
    let network = Network::chain([3], [WithName { name: 1 }.into()]);
    let error = serde_json::to_string(&network).unwrap_err().to_string();
    assert!(error.contains("test/with_name") && error.contains("field `name`"), "{error}");
    let error = network.check().unwrap_err().to_string();
    assert!(error.contains("layers.0 (test/with_name)") && error.contains("field `name`"), "{error}");
}

#[test]
fn a_key_twice_is_refused() {
    let text = r#"{"input":[3],"layers":[{"name":"a","kind":"linear","out_features":1,"out_features":2}]}"#;
    let error = serde_json::from_str::<Network>(text).unwrap_err().to_string();
    assert!(error.contains("duplicate field `out_features`"), "{error}");
}
