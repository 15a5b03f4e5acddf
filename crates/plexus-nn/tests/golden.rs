//! The worked examples of the field, with the numbers that they must give.

use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::map::Function;
use plexus_nn::convert::absorbed_bias::{absorb, release};
use plexus_nn::layer::RandomKey;
use plexus_nn::layers::{
    Activation, Conv1d, Conv2d, Dense, Flatten, Layer, Linear, LocallyConnected2d, LogSoftmax, MaxPool2d, Normalizer,
    Softmax,
};
use plexus_nn::summary::{Counts, summary};
use plexus_nn::testing::{Runner, run_layer};
use plexus_nn::trace::trace;
use plexus_nn::{Network, Params, Plan, Shape, TrainPlan, Workspace, zoo};
use std::sync::Arc;

/// The weight of the examples, given as inputs times outputs, in the order in which it is stored.
fn transposed(rows: usize, values: &[f32]) -> Vec<f32> {
    let cols = values.len() / rows;
    (0..values.len()).map(|at| values[at % rows * cols + at / rows]).collect()
}

fn forward(layer: &Layer, input: &Shape, batch: usize, values: &[f32], weights: &[f32]) -> Vec<f32> {
    let network = Network::chain(input.clone(), [layer.clone()]).check().expect("the layer fits");
    let mut params = Params::zeros(&network);
    params.weights.copy_from_slice(weights);
    let plan = Plan::new(Arc::new(network), &params, Context::single());
    let batch = plan.network().batch(values, batch).expect("the input fits");
    plan.run(batch, &mut Workspace::default()).to_vec()
}

fn close(got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{got:?} {want:?}");
    for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(got) - want).abs() <= tolerance, "[{index}]: got {got}, expected {want} within {tolerance}");
    }
}

#[test]
fn s01_the_golden_batch_and_its_way_back() {
    let mut weights = transposed(3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    weights.extend([10.0, 20.0]);
    let (input, values) = (Shape::new([3]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let run = run_layer(&Linear::new(2).into(), &input, 2, &values, &weights, &[1.0, -1.0, 2.0, 0.5]);
    assert_eq!(run.output, [32.0, 48.0, 59.0, 84.0]);
    assert_eq!(run.grad_input, [-1.0, -1.0, -1.0, 3.0, 8.0, 13.0]);
    let mut grads = transposed(3, &[9.0, 1.0, 12.0, 0.5, 15.0, 0.0]);
    grads.extend([3.0, -0.5]);
    assert_eq!(run.grad_weights, grads);
    assert_eq!(forward(&Linear::new(2).into(), &input, 2, &values, &weights), run.output);
}

#[test]
fn s01_sizes_of_zero_and_one_have_their_answers() {
    let layer: Layer = Linear::new(3).into();
    // No rows: nothing comes out, and no gradient goes back.
    let run = run_layer(&layer, &Shape::new([2]), 0, &[], &[1.0; 9], &[]);
    assert_eq!((run.output.len(), run.grad_input.len()), (0, 0));
    assert_eq!(run.grad_weights, [0.0; 9]);
    assert!(forward(&layer, &Shape::new([2]), 0, &[], &[1.0; 9]).is_empty());
    // No inputs: y = b.
    let bias = [1.0, -2.0, 3.0];
    let run = run_layer(&layer, &Shape::new([0]), 2, &[], &bias, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(run.output, [bias, bias].concat());
    assert_eq!(run.grad_weights, [5.0, 7.0, 9.0]);
    assert_eq!(forward(&layer, &Shape::new([0]), 2, &[], &bias), [bias, bias].concat());
    // No outputs: nothing comes out, and the gradient of the input is zero.
    let run = run_layer(&Linear::new(0).into(), &Shape::new([3]), 2, &[1.0; 6], &[], &[]);
    assert_eq!((run.output.len(), run.grad_input), (0, vec![0.0; 6]));
    assert!(forward(&Linear::new(0).into(), &Shape::new([3]), 2, &[1.0; 6], &[]).is_empty());
    // One of each.
    let run = run_layer(&Linear::new(1).into(), &Shape::new([1]), 1, &[3.0], &[2.0, 1.0], &[5.0]);
    assert_eq!((run.output, run.grad_input, run.grad_weights), (vec![7.0], vec![10.0], vec![15.0, 5.0]));
}

#[test]
fn s01_nan_and_infinities_go_through() {
    let layer: Layer = Linear::new(2).into();
    let weights = [1.0, 0.0, 2.0, 1.0, 0.0, 0.0];
    let run =
        run_layer(&layer, &Shape::new([2]), 3, &[f32::NAN, 1.0, 1.0, f32::INFINITY, 1.0, 2.0], &weights, &[1.0; 6]);
    assert!(run.output[0].is_nan() && run.output[1].is_nan());
    // Zero times infinity is not skipped.
    assert!(run.output[2].is_nan() && run.output[3] == f32::INFINITY);
    assert_eq!(run.output[4..], [1.0, 4.0]);
}

#[test]
fn s02_the_jacobian_of_the_input_is_the_weight() {
    let weights = [1.0, 3.0, 5.0, 2.0, 4.0, 6.0, 10.0, 20.0];
    for t in 0..2 {
        let mut unit = [0.0; 2];
        unit[t] = 1.0;
        let run = run_layer(&Linear::new(2).into(), &Shape::new([3]), 1, &[0.5, -1.0, 2.0], &weights, &unit);
        assert_eq!(run.grad_input, weights[3 * t..3 * t + 3]);
        let mut grads = [0.0; 8];
        grads[3 * t..3 * t + 3].copy_from_slice(&[0.5, -1.0, 2.0]);
        grads[6 + t] = 1.0;
        assert_eq!(run.grad_weights, grads);
    }
}

#[test]
fn s04_the_wrapper_with_batch_normalization() {
    let dense = Dense::new(2).with_normalizer(Normalizer::BatchNorm);
    let layers: Vec<Layer> = dense.layers().into_iter().map(|(_, layer)| layer).collect();
    let network = Network::chain(Shape::new([2]), layers).check().expect("the layers fit");
    let names: Vec<&str> = network.layout().entries().iter().map(|entry| entry.name.as_str()).collect();
    let want = ["layers.0.weight", "layers.1.bias", "layers.1.running_mean", "layers.1.running_variance"];
    assert_eq!(names, want, "no bias beside a normalizer, and no scale");

    let network = Arc::new(network);
    let mut params = Params::initialize(&network, 1);
    assert_eq!(params.state[..4], [0.0, 0.0, 1.0, 1.0]);
    params.weights[..4].copy_from_slice(&transposed(2, &[1.0, -1.0, 0.5, 2.0]));
    assert_eq!(params.weights[4..], [0.0, 0.0], "beta starts at zero");
    let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0];
    let batch = network.batch(&values, 4).expect("the input fits");
    let mut training = TrainPlan::new(network.clone(), Context::single());
    let output = training.forward(&mut params, batch, RandomKey::default());
    close(output, &[0.0, 0.0, 0.0, 0.0, 0.3901140938, 0.1690211929, 1.3831317870, 1.5211907358], 1e-6);
    close(&params.state, &[0.006625, 0.0065, 1.011421875, 1.00775], 1e-7);

    // At inference the moving averages normalize, and nothing changes.
    let product = [2.0, 3.0, 5.0, 5.0, 8.0, 7.0, 11.5, 11.0];
    let (mean, variance) = ([0.006625, 0.0065], [1.011421875f64, 1.00775]);
    let want: Vec<f64> = (0..8).map(|i| (product[i] - mean[i % 2]) / (variance[i % 2] + 0.001).sqrt()).collect();
    let plan = Plan::new(network.clone(), &params, Context::single());
    close(plan.run(batch, &mut Workspace::default()), &want, 1e-5);

    let weight_only =
        forward(&Linear::new(2).with_bias(false).into(), &Shape::new([2]), 4, &values, &params.weights[..4]);
    close(&weight_only, &product, 0.0);
}

#[test]
fn s04_without_a_normalizer_there_is_a_bias_and_relu_unless_said_otherwise() {
    let kinds = |dense: Dense| -> Vec<&'static str> { dense.layers().iter().map(|(_, layer)| layer.kind()).collect() };
    assert_eq!(kinds(Dense::new(2)), ["linear", "activation"]);
    assert_eq!(kinds(Dense::new(2).with_activation(None)), ["linear"]);
    let with = Dense::new(2).with_normalizer(Normalizer::LayerNorm);
    assert_eq!(kinds(with), ["linear", "layer_norm", "activation"]);
    assert_eq!(kinds(Dense::new(2).with_flatten(true)), ["flatten", "linear", "activation"]);
}

#[test]
fn s06_a_plain_layer_is_a_multiply_and_an_add_and_the_wrapper_one_more() {
    let operations = |layers: Vec<Layer>| -> Vec<String> {
        let network = Network::chain(Shape::new([2]), layers).check().expect("the layers fit");
        let params = Params::initialize(&network, 1);
        let batch = network.batch(&[1.0, 2.0], 1).expect("the input fits");
        let traced = trace(&network, &params, batch);
        traced.iter().flat_map(|layer| layer.primitives.iter().map(|primitive| primitive.operation.clone())).collect()
    };
    assert_eq!(operations(vec![Linear::new(2).into()]), ["multiply", "add"]);
    let dense = Dense::new(2).layers().into_iter().map(|(_, layer)| layer).collect();
    assert_eq!(operations(dense), ["multiply", "add", "relu"]);
}

#[test]
fn s09_a_deep_network_is_its_formula_layer_by_layer() {
    let network = zoo::mlp(Shape::new([3]), &[4, 4], 1, Function::Tanh).check().expect("the layers fit");
    assert_eq!(network.layout().weights_len(), 41);
    let params = Params::initialize(&network, 3);
    let input = [0.5f32, -1.0, 2.0];
    // x^l = f(W^l x^(l-1) + b^l), in f64; no function after the last.
    let mut x: Vec<f64> = input.iter().map(|&value| f64::from(value)).collect();
    let tensors: Vec<(&[f32], &[f32])> =
        network.layout().entries().chunks(2).map(|pair| (params.values(&pair[0]), params.values(&pair[1]))).collect();
    for (index, (weight, bias)) in tensors.iter().enumerate() {
        let rows = weight.chunks(x.len()).zip(*bias);
        let sums =
            rows.map(|(row, &bias)| f64::from(bias) + row.iter().zip(&x).map(|(&w, &x)| f64::from(w) * x).sum::<f64>());
        x = sums.map(|sum| if index + 1 < tensors.len() { sum.tanh() } else { sum }).collect();
    }
    let plan = Plan::new(Arc::new(network.clone()), &params, Context::single());
    let batch = network.batch(&input, 1).expect("the input fits");
    close(plan.run(batch, &mut Workspace::default()), &x, 1e-6);
    // No hidden layers: a linear model.
    let linear = zoo::mlp(Shape::new([3]), &[], 2, Function::Relu).check().expect("the layers fit");
    assert_eq!((linear.network().layers.len(), linear.layout().weights_len()), (1, 8));
}

#[test]
fn s10_the_absorbed_bias_form_counts_and_computes_the_same() {
    // (inputs + 1) times outputs, summed.
    let count = |hidden: &[usize], inputs: usize, outputs: usize| {
        let network = zoo::mlp(Shape::new([inputs]), hidden, outputs, Function::Relu).check().expect("the layers fit");
        network.layout().weights_len()
    };
    assert_eq!(count(&[100], 784, 10), 79_510);
    assert_eq!(count(&[4, 4], 3, 1), 41);
    let (weight, bias) = ([1.0, 3.0, 5.0, 2.0, 4.0, 6.0], [10.0, 20.0]);
    let absorbed = absorb(&weight, &bias);
    assert_eq!(release(&absorbed, 2), (weight.to_vec(), bias.to_vec()));
    let with_one = [1.0, 1.0, 2.0, 3.0, 1.0, 4.0, 5.0, 6.0];
    let layer: Layer = Linear::new(2).with_bias(false).into();
    assert_eq!(forward(&layer, &Shape::new([4]), 2, &with_one, &absorbed), [32.0, 48.0, 59.0, 84.0]);
}

#[test]
fn s15_softmax_and_its_logarithm() {
    let input = Shape::new([2]);
    let logits = [-7.98, 2.39];
    let probabilities = forward(&Softmax::new().into(), &input, 1, &logits, &[]);
    close(&probabilities, &[3.135830672e-5, 0.9999686416933], 1e-6);
    // The small one to its own precision: the logits are f32, which moves it by 1e-7 of its value.
    assert!((f64::from(probabilities[0]) / 3.135830672e-5 - 1.0).abs() < 1e-6);
    let logarithms = forward(&LogSoftmax::new().into(), &input, 1, &logits, &[]);
    close(&logarithms, &[-10.3700313588, -3.1358798403e-5], 2e-6);
    // The logarithm of 1.00003, a sum in f32: one unit in its last place is 1.2e-7.
    close(&logarithms[1..], &[-3.1358798403e-5], 1.2e-7);
    // A verdict of 95 % over two classes needs a gap of ln 19.
    let verdict = forward(&Softmax::new().into(), &input, 1, &[2.944_439, 0.0], &[]);
    close(&verdict, &[0.95, 0.05], 1e-7);
    // The Jacobian is p_i (δ_ij − p_j).
    let values = [0.5, -1.0, 2.0];
    let p = forward(&Softmax::new().into(), &Shape::new([3]), 1, &values, &[]);
    for i in 0..3 {
        let mut unit = [0.0; 3];
        unit[i] = 1.0;
        let row = Runner::new(&Softmax::new().into(), &Shape::new([3]), &[], &[]).run(1, &values, &unit, 1).grad_input;
        let want: Vec<f64> =
            (0..3).map(|j| f64::from(p[i]) * (f64::from(u8::from(i == j)) - f64::from(p[j]))).collect();
        close(&row, &want, 1e-7);
    }
}

#[test]
fn s15_softmax_at_the_edges() {
    let softmax = |values: &[f32]| forward(&Softmax::new().into(), &Shape::new([values.len()]), 1, values, &[]);
    assert_eq!(softmax(&[1e4, -1e4, -1e4]), [1.0, 0.0, 0.0]);
    assert_eq!(softmax(&[f32::NEG_INFINITY, 3.0]), [0.0, 1.0]);
    assert_eq!(softmax(&[-7.0]), [1.0]);
    assert_eq!(softmax(&[2.0; 4]), [0.25; 4]);
    let values: Vec<f32> = (0..1000).map(|i| ((i * 37) % 101) as f32 / 7.0 - 7.0).collect();
    let sum: f64 = softmax(&values).iter().map(|&p| f64::from(p)).sum();
    assert!((sum - 1.0).abs() < 1e-6, "{sum}");
}

#[test]
fn s16_one_output_a_class_and_scores_apart_from_probabilities() {
    let network = zoo::mlp(Shape::new([784]), &[100], 10, Function::Relu).check().expect("the layers fit");
    assert_eq!(network.output(), &Shape::new([10]));
    // The last layer is linear: what comes out are scores, which need not sum to one.
    let last = network.network().layers.last().expect("a layer");
    assert_eq!(last.layer.kind(), "linear");
}

#[test]
fn s22_counts_with_and_without_bias() {
    let total = |inputs: usize, layer: Linear| -> Counts {
        summary(&Network::chain(Shape::new([inputs]), [layer.into()]).check().expect("the layer fits")).total
    };
    let with = total(4096, Linear::new(4096));
    assert_eq!((with.params, with.params_without_bias), (16_781_312, 16_777_216));
    assert_eq!((with.macs, with.param_bytes), (16_777_216, 4 * 16_781_312));
    let without = total(4096, Linear::new(4096).with_bias(false));
    assert_eq!((without.params, without.params_without_bias), (16_777_216, 16_777_216));
    // One neuron of a fully connected layer on a small color image.
    assert_eq!(total(32 * 32 * 3, Linear::new(1)).params_without_bias, 3072);
    assert_eq!(total(32 * 32 * 3, Linear::new(1)).params, 3073);
    assert_eq!(total(9216, Linear::new(4096)).params, 37_752_832);
    assert_eq!(total(25_088, Linear::new(4096)).params, 102_764_544);
    assert_eq!(total(4096, Linear::new(1000)).params, 4_097_000);
    let mlp = zoo::mlp(Shape::new([784]), &[100], 10, Function::Relu).check().expect("the layers fit");
    let mlp = summary(&mlp).total;
    assert_eq!((mlp.params, mlp.params_without_bias, mlp.macs), (79_510, 79_400, 79_400));
}

#[test]
fn gradients_accumulate_over_passes() {
    let layers: [Layer; 2] = [Linear::new(2).into(), Activation::new(Function::Sigmoid).into()];
    let network = Arc::new(Network::chain(Shape::new([3]), layers).check().expect("the layers fit"));
    let mut params = Params::initialize(&network, 1);
    let mut training = TrainPlan::new(network.clone(), Context::single());
    let values = [0.5, -1.0, 2.0];
    let batch = network.batch(&values, 1).expect("the input fits");
    let mut grad = Buffer::zeros(params.weights.len());
    let mut first = Vec::new();
    for pass in 1..=2u8 {
        training.forward(&mut params, batch, RandomKey::default());
        training.output_and_grad(0).1.copy_from_slice(&[1.0, -1.0]);
        training.backward(&params, batch, RandomKey::default(), &mut grad, true);
        if pass == 1 {
            first = grad.to_vec();
        }
    }
    let doubled: Vec<f32> = first.iter().map(|value| 2.0 * value).collect();
    assert_eq!(grad.to_vec(), doubled);
}

/// Layers on maps one after the other, with convolutions given as `(filters, kernel)` and poolings as the side of their window.
fn stages(input: [usize; 3], stages: &[Result<(usize, usize), usize>]) -> Network {
    let layers = stages.iter().map(|stage| -> Layer {
        match *stage {
            Ok((filters, kernel)) => Conv2d::new(filters, kernel).into(),
            Err(side) => MaxPool2d::new(side).into(),
        }
    });
    Network::chain(Shape::new(input), layers.chain([Flatten::default().into(), Linear::new(7).into()]))
}

/// What the first linear layer of a network takes: by its shapes, and by what a flattened image has that ran through the
/// layers before it.
fn first_linear_takes(network: &Network) -> [usize; 2] {
    let checked = network.clone().check().expect("the layers fit");
    let counted = summary(&checked);
    let first = counted.layers.iter().find(|layer| layer.kind == "linear").expect("there is one");
    let mut before = network.clone();
    before.layers.pop();
    let before = Arc::new(before.check().expect("the layers fit"));
    let plan = Plan::new(before.clone(), &Params::zeros(&before), Context::single());
    let image = vec![0.5; before.input_len()];
    let ran = plan.run(before.batch(&image, 1).expect("one image"), &mut Workspace::default()).len();
    [first.input_shape.iter().product(), ran]
}

#[test]
fn s12_the_last_pixels_are_not_hidden_where_windows_do_not_divide() {
    let steps = |input: [usize; 3], layer: Layer| {
        let network = Network::chain(Shape::new(input), [layer]).check().expect("the layer fits");
        let layer = summary(&network).layers.remove(0);
        (layer.steps, layer.output_shape)
    };
    let alexnet = |padding: usize| Conv2d::new(96, 11).with_stride(4).with_padding(padding).into();
    assert_eq!(steps([3, 224, 224], alexnet(0)), (vec![53.25, 53.25], vec![96, 54, 54]));
    assert_eq!(steps([3, 227, 227], alexnet(0)), (vec![], vec![96, 55, 55]));
    assert_eq!(steps([3, 227, 224], alexnet(0)).0, [54.0, 53.25]);
    assert_eq!(steps([1, 5, 8], MaxPool2d::new(2).into()).0, [1.5, 3.0]);
    // A last window that need not be whole reads what is left.
    assert_eq!(steps([1, 5, 8], MaxPool2d::new(2).with_ceil_mode(true).into()), (vec![], vec![1, 3, 4]));
    let line = Network::chain(Shape::new([2, 10]), [Conv1d::new(3, 4).with_stride(4).into()]);
    assert_eq!(summary(&line.check().expect("the layer fits")).layers[0].steps, [1.5]);
}

#[test]
fn s12_flattened_sizes_by_shapes_and_by_a_dry_run() {
    let convolutions = |filters: usize| Ok((filters, 3));
    let forum = stages([32, 200, 150], &[convolutions(64), convolutions(128), Err(2)]);
    let counted = summary(&forum.clone().check().expect("the layers fit"));
    let shapes: Vec<&[usize]> = counted.layers.iter().map(|layer| &layer.output_shape[..]).collect();
    assert_eq!(shapes[..3], [&[64, 198, 148][..], &[128, 196, 146], &[128, 98, 73]]);
    assert_eq!(first_linear_takes(&forum), [915_712; 2]);
    // Who asked had counted 144.
    let second = stages([1, 28, 28], &[Ok((6, 4)), Err(2), Ok((16, 3)), Err(2)]);
    assert_eq!(first_linear_takes(&second), [400; 2]);
    for ([channels, height, width], want) in [([512, 7, 7], 25_088), ([256, 6, 6], 9_216), ([16, 5, 5], 400)] {
        assert_eq!(first_linear_takes(&stages([channels, height, width], &[])), [want; 2]);
    }
}

#[test]
fn s13_roles_of_the_fully_connected_layers_are_in_the_summary() {
    let of = |network: Network| -> Vec<(String, &'static str)> {
        let counted = summary(&network.check().expect("the layers fit"));
        counted.layers.into_iter().filter_map(|layer| Some((layer.name, layer.role?))).collect()
    };
    let named = |pairs: &[(&str, &'static str)]| -> Vec<(String, &'static str)> {
        pairs.iter().map(|(name, role)| (name.to_string(), *role)).collect()
    };
    let alexnet = zoo::alexnet([3, 227, 227], 1000, zoo::AlexNet::default()).expect("its own size");
    assert_eq!(of(alexnet), named(&[("flatten", "input"), ("fc1", "first"), ("fc2", "hidden"), ("fc3", "output")]));
    let cnn = zoo::cnn([3, 32, 32], 10, zoo::Cnn::default()).expect("its own size");
    assert_eq!(of(cnn), named(&[("fc", "output")]));
    let two = zoo::mlp(Shape::new([1, 8, 8]), &[16], 10, Function::Relu);
    assert_eq!(of(two).iter().map(|(_, role)| *role).collect::<Vec<_>>(), ["input", "first", "output"]);
    assert_eq!(of(zoo::unet([1, 32, 32], 2, zoo::UNet { same: true, ..Default::default() }).expect("it fits")), []);
}

#[test]
fn s23_s25_the_same_window_shared_unshared_and_dense() {
    let of = |layer: Layer, input: &[usize]| -> Counts {
        summary(&Network::chain(Shape::new(input), [layer]).check().expect("the layer fits")).total
    };
    let image = [3, 227, 227];
    assert_eq!(image.iter().product::<usize>(), 154_587);
    assert_eq!(of(Conv2d::new(96, 11).with_stride(4).into(), &image).params, 34_944);
    let unshared = LocallyConnected2d::new(96, 11).with_stride(4);
    assert_eq!(of(unshared.with_bias(false).into(), &image).params, 105_415_200);
    assert_eq!(of(unshared.into(), &image).params, 105_705_600);
    let dense = of(Linear::new(290_400).into(), &[154_587]);
    assert_eq!((dense.params_without_bias, dense.params), (44_892_064_800, 44_892_064_800 + 290_400));
    // A neuron that sees a small color image, and larger ones.
    for (size, weights) in [([3, 32, 32], 3_072), ([3, 200, 200], 120_000)] {
        let one = Conv2d::new(1, size[1]);
        assert_eq!(of(one.into(), &size).params, weights + 1);
    }
    let same = Conv2d::new(48, 3).with_padding(1);
    let counts = of(same.into(), &[32, 64, 64]);
    assert_eq!((counts.params, counts.macs), (13_872, 56_623_104));
    assert_eq!(of(Conv2d::new(48, 3).into(), &[32, 64, 64]).macs, 53_139_456);
    let as_dense = of(Linear::new(196_608).with_bias(false).into(), &[131_072]);
    assert_eq!(as_dense.params, 25_769_803_776);
}
