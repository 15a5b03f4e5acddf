//! Networks in another form: the golden numbers, two hundred random networks, the way there and back, and what is refused.

use plexus_kernels::random::{Random, Stream};
use plexus_kernels::{Context, threads::Pool};
use plexus_nn::convert::matrix::{ConvMatrix, MatrixGradient};
use plexus_nn::convert::{
    Conversion, ConvertError, ConvertOptions, Converted, KernelForm, Storage, convert, convert_network,
};
use plexus_nn::layers::{
    Activation, AdaptiveAvgPool2d, BatchNorm, Concat, Conv2d, Flatten, Layer, Linear, MaxPool2d, Order, Softmax,
    Standardize, Unflatten, batch_norm, conv2d, dropout, flatten, linear, log_softmax, max_pool2d, relu, softmax,
    standardize, tanh,
};
use plexus_nn::testing::Runner;
use plexus_nn::zoo::{self, AlexNet, AlexNetVariant, LeNet5, Vgg};
use plexus_nn::{CheckedNetwork, NamedLayer, Network, Params, Plan, PlanOptions, Shape, Workspace};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most that an output differs after a conversion, as a share of the largest output or of one.
const BOUND: f32 = 1e-6;

const TO_CONV: Conversion = Conversion::FcToConv(KernelForm::Map);
const ONE_BY_ONE: Conversion = Conversion::FcToConv(KernelForm::OneByOne);
const TO_FC: Conversion = Conversion::ConvToFc { order: Order::ChannelsFirst };
const DENSE: Conversion = Conversion::ConvToMatrix(Storage::Dense);
const SPARSE: Conversion = Conversion::ConvToMatrix(Storage::Sparse);

fn random(seed: u64) -> Random {
    Random::new(seed, Stream::Init, [0, 1])
}

fn all() -> ConvertOptions {
    ConvertOptions::default()
}

/// Initial numbers, with means and variances that do something.
fn params(network: &CheckedNetwork, seed: u64) -> Params {
    let mut params = Params::initialize(network, seed);
    random(seed + 1).uniform(0.5, 1.5, &mut params.state);
    params
}

fn inputs(network: &CheckedNetwork, rows: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; rows * network.input_len()];
    random(seed + 2).normal(0.0, 1.0, &mut values);
    values
}

fn run_on(network: &CheckedNetwork, params: &Params, input: &[f32], rows: usize, context: Context) -> Vec<f32> {
    let network = Arc::new(network.clone());
    let plan = Plan::with(network.clone(), params, PlanOptions::default(), context);
    let mut workspace = Workspace::default();
    plan.run(network.batch(input, rows).expect("it fits"), &mut workspace).to_vec()
}

fn run(network: &CheckedNetwork, params: &Params, input: &[f32], rows: usize) -> Vec<f32> {
    run_on(network, params, input, rows, Context::single())
}

/// How far apart outputs are, as a share of the largest or of one.
fn distance(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    let largest = one.iter().fold(1.0f32, |largest, value| largest.max(value.abs()));
    let far = one.iter().zip(other).map(|(one, other)| (one - other).abs() / largest);
    // A NaN is as far as can be.
    far.fold(0.0, |most, far| if far <= most { most } else { far })
}

fn kinds(network: &CheckedNetwork) -> Vec<&'static str> {
    network.network().layers.iter().map(|named| named.layer.kind()).collect()
}

#[test]
fn s28_the_worked_example_three_ways() {
    let network = Network::chain([1, 2, 2], [flatten(), linear(2), relu()]).check().unwrap();
    let mut params = Params::zeros(&network);
    params.set("layers.1.weight", &[1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8]);
    params.set("layers.1.bias", &[1.9, 2.0]);
    let input = [1.0, 2.0, 3.0, 4.0];
    let golden = |network: &CheckedNetwork, params: &Params| {
        let output = run(network, params, &input, 1);
        assert!((output[0] - 14.9).abs() < 1e-5 && (output[1] - 19.0).abs() < 1e-5, "{output:?}");
    };
    golden(&network, &params);
    let map = convert(&network, &params, TO_CONV, &all()).unwrap();
    assert_eq!(kinds(&map.network), ["conv2d", "activation"]);
    assert_eq!(map.network.network().layers[0].layer, Conv2d::new(2, 2).with_in_channels(1).into());
    golden(&map.network, &map.params);
    let pixel = convert(&network, &params, ONE_BY_ONE, &all()).unwrap();
    assert_eq!(kinds(&pixel.network), ["flatten", "unflatten", "conv2d", "activation"]);
    assert_eq!(pixel.network.network().layers[2].layer, Conv2d::new(2, 1).with_in_channels(4).into());
    golden(&pixel.network, &pixel.params);
}

#[test]
fn s29_a_kernel_as_large_as_its_input_is_a_fully_connected_layer_whatever_its_stride() {
    let covering = Conv2d::new(3, [4, 5]).with_stride([7, 2]);
    let network = Network::chain([2, 4, 5], [covering.into(), relu()]).check().unwrap();
    let params = params(&network, 1);
    let converted = convert(&network, &params, TO_FC, &all()).unwrap();
    assert_eq!(kinds(&converted.network), ["flatten", "linear", "activation"]);
    assert_eq!(converted.network.output().axes(), [3]);
    assert_eq!(converted.params.weights[..], params.weights[..], "no number moves");
    let input = inputs(&network, 3, 1);
    let (one, other) = (run(&network, &params, &input, 3), run(&converted.network, &converted.params, &input, 3));
    assert!(distance(&one, &other) <= BOUND);
}

#[test]
fn s30_the_matrix_of_the_example_gives_what_the_convolution_gives() {
    for (conv, nonzeros, outputs) in
        [(Conv2d::new(3, [3, 2]), 288, 24), (Conv2d::new(3, [3, 2]).with_stride(2).with_padding(1), 150, 18)]
    {
        let network = Network::chain([2, 4, 5], [conv.into()]).check().unwrap();
        let params = params(&network, 2);
        let input = inputs(&network, 2, 2);
        let want = run(&network, &params, &input, 2);
        for (conversion, kind, weights) in [(DENSE, "linear", outputs * 40), (SPARSE, "sparse_linear", nonzeros)] {
            let converted = convert(&network, &params, conversion, &all()).unwrap();
            assert_eq!(kinds(&converted.network), ["flatten", kind, "unflatten"]);
            assert_eq!(converted.network.output(), network.output());
            let change = converted.changes.iter().find(|change| change.layer == "layers.0").unwrap();
            assert_eq!((change.before, change.after), (Some("conv2d"), Some(kind)));
            assert_eq!((change.nonzeros, change.distinct), (Some(nonzeros as u64), Some(36)));
            assert_eq!((change.params_before, change.params_after), (39, (weights + outputs) as u64));
            let weight = converted.params.by_name("layers.0.weight").unwrap();
            let not_zero = weight.iter().filter(|weight| **weight != 0.0);
            assert_eq!(not_zero.clone().count(), nonzeros);
            assert_eq!(not_zero.map(|weight| weight.to_bits()).collect::<BTreeSet<_>>().len(), 36);
            assert!(distance(&want, &run(&converted.network, &converted.params, &input, 2)) <= BOUND);
        }
    }
}

/// The published formula takes another index of the kernel, and its other end.
#[test]
fn s30_the_formula_with_the_other_sign_is_not_that_of_a_convolution() {
    let (conv, input) = (Conv2d::new(3, [3, 2]), Shape::new([2, 4, 5]));
    let matrix = ConvMatrix::new(&conv, &input).unwrap();
    let kernel: Vec<f32> = (0..36).map(|at| at as f32).collect();
    let mut dense = vec![0.0; matrix.rows() * matrix.cols()];
    matrix.write_dense(&kernel, &mut dense);
    // Output (u, v, w) = (2, 1, 3) and input (i, j, k) = (1, 2, 4): weight (2, 1, 2 - 1, 4 - 3).
    let (row, col) = ((2 * 2 + 1) * 4 + 3, (4 + 2) * 5 + 4);
    let of = |u: usize, i: usize, r: usize, q: usize| (((u * 2 + i) * 3 + r) * 2 + q) as f32;
    assert_eq!(dense[row * 40 + col], of(2, 1, 1, 1));
    // Input (1, 0, 3) lies above the window.
    assert_eq!(dense[row * 40 + 5 * 4 + 3], 0.0);
}

#[test]
fn s30_gradients_of_the_matrix_fold_back_to_those_of_the_kernel() {
    for (seed, conv) in [
        Conv2d::new(3, [3, 2]),
        Conv2d::new(4, 3).with_stride([2, 1]).with_padding([1, 2, 0, 1]).with_groups(2),
        Conv2d::new(2, 2).with_dilation([2, 1]).with_padding(1).with_stride(3),
        Conv2d::new(2, [1, 3]).with_bias(false),
    ]
    .into_iter()
    .enumerate()
    {
        let (shape, rows) = (Shape::new([2, 5, 6]), 3);
        let network = Network::chain(&shape, [conv.into()]);
        let matrix = ConvMatrix::new(&conv, &shape).unwrap();
        let mut shared = Runner::of(network);
        shared.params = params(shared.network(), seed as u64);
        let input = inputs(shared.network(), rows, seed as u64);
        let mut grad_output = vec![0.0; rows * shared.network().output_len()];
        random(seed as u64 + 9).normal(0.0, 1.0, &mut grad_output);
        let want = shared.run(rows, &input, &grad_output, 1);
        let kernel_len = shared.params.by_name("layers.0.weight").unwrap().len();
        let (kernel, bias) = want.grad_weights.split_at(kernel_len);
        for conversion in [DENSE, SPARSE] {
            let converted = convert(shared.network(), &shared.params, conversion, &all()).unwrap();
            let mut runner = Runner::of(converted.network.network().clone());
            runner.params = converted.params;
            let got = runner.run(rows, &input, &grad_output, 1);
            let places = got.grad_weights.len() - if conv.bias { matrix.rows() } else { 0 };
            let (weight, biases) = got.grad_weights.split_at(places);
            let gradient =
                if conversion == DENSE { MatrixGradient::Dense(weight) } else { MatrixGradient::Sparse(weight) };
            assert!(distance(kernel, &matrix.kernel_gradient(gradient)) <= BOUND, "{conv:?}");
            if conv.bias {
                assert!(distance(bias, &matrix.bias_gradient(biases)) <= BOUND, "{conv:?}");
            }
            assert!(distance(&want.grad_input, &got.grad_input) <= BOUND, "{conv:?}");
        }
    }
}

/// A classifier of images with whatever convolutions can have.
fn random_network(seed: u64) -> Network {
    let mut draw = random(seed + 1000);
    let mut below = |end: usize| draw.below(end as u64) as usize;
    let mut shape = Shape::new([1 + below(4), 5 + below(7), 4 + below(7)]);
    let mut layers: Vec<Layer> = Vec::new();
    let input = shape.clone();
    let mut push = |layer: Layer, shape: &mut Shape| {
        if let Ok(output) = layer.infer(&[shape]) {
            *shape = output;
            layers.push(layer);
        }
    };
    if below(4) == 0 {
        push(standardize(), &mut shape);
    }
    for _ in 0..1 + below(3) {
        let channels = shape.axes()[0];
        let divisors: Vec<usize> = (1..=channels).filter(|groups| channels.is_multiple_of(*groups)).collect();
        let groups = divisors[below(divisors.len())];
        let conv = Conv2d::new(groups * (1 + below(3)), [1 + below(3), 1 + below(3)])
            .with_stride([1 + below(3), 1 + below(2)])
            .with_padding([below(3), below(3), below(2), below(2)])
            .with_dilation([1 + below(2), 1 + below(2)])
            .with_groups(groups)
            .with_bias(below(4) > 0);
        push(conv.into(), &mut shape);
        if below(3) == 0 {
            push(BatchNorm::new().into(), &mut shape);
        }
        push(if below(2) == 0 { relu() } else { tanh() }, &mut shape);
        if below(4) == 0 {
            push(max_pool2d(2), &mut shape);
        }
    }
    let order = if below(2) == 0 { Order::ChannelsFirst } else { Order::ChannelsLast };
    push(Flatten::new().with_order(order).into(), &mut shape);
    if below(3) == 0 {
        push(dropout(0.5), &mut shape);
    }
    push(Linear::new(1 + below(9)).with_bias(below(3) > 0).into(), &mut shape);
    if below(3) == 0 {
        push(BatchNorm::new().into(), &mut shape);
    }
    push(relu(), &mut shape);
    push(linear(1 + below(6)), &mut shape);
    match below(4) {
        0 => push(softmax(), &mut shape),
        1 => push(log_softmax(), &mut shape),
        _ => {}
    }
    Network::chain(input, layers)
}

/// The layers without what a conversion writes out: the widths that fit anyway, its own names, and where a flatten stands.
fn plain(network: &CheckedNetwork) -> Vec<Layer> {
    let is_flatten = |layer: &Layer| matches!(layer, Layer::Flatten(_));
    let layers = network.network().layers.iter().filter(|named| !is_flatten(&named.layer));
    let layers = layers.map(|named| match &named.layer {
        Layer::Linear(linear) => {
            let mut linear = linear.clone();
            linear.in_features = None;
            linear.into()
        }
        other => other.clone(),
    });
    layers.collect()
}

#[test]
fn two_hundred_random_networks_compute_the_same_in_every_form() {
    const ROWS: usize = 3;
    let (mut worst, mut folded, mut last_orders, mut grouped) = ([0.0f32; 6], 0, 0, 0);
    for seed in 0..200 {
        let network = random_network(seed).check().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let (params, input) = (params(&network, seed), inputs(&network, ROWS, seed));
        let want = run(&network, &params, &input, ROWS);
        let of_kind = |kind: &str| -> Vec<String> {
            let layers = network.network().layers.iter().filter(|named| named.layer.kind() == kind);
            layers.map(|named| named.name.clone()).collect()
        };
        let order = network.network().layers.iter().find_map(|named| match &named.layer {
            Layer::Flatten(flatten) => Some(flatten.order),
            _ => None,
        });
        let order = order.expect("there is a flatten");
        last_orders += usize::from(order == Order::ChannelsLast);
        let is_grouped = |named: &NamedLayer| matches!(&named.layer, Layer::Conv2d(conv) if conv.groups > 1);
        grouped += usize::from(network.network().layers.iter().any(is_grouped));
        let mut same = |at: usize, conversion: Conversion| -> Converted {
            let converted = convert(&network, &params, conversion, &all());
            let converted = converted.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            let far = distance(&want, &run(&converted.network, &converted.params, &input, ROWS));
            assert!(far <= BOUND, "seed {seed}, {conversion:?}: {far}");
            worst[at] = worst[at].max(far);
            let names: BTreeSet<&str> = converted.changes.iter().map(|change| &*change.layer).collect();
            assert_eq!(names.len(), converted.changes.len(), "seed {seed}: a layer twice");
            for change in &converted.changes {
                let is_old = network.value(&change.layer).is_some();
                assert_eq!(change.before.is_some(), is_old, "seed {seed}: {change:?}");
                assert_eq!(change.after.is_some(), converted.network.value(&change.layer).is_some(), "seed {seed}");
            }
            let again = convert_network(&network, conversion, &all());
            assert!(again.is_err() || again.unwrap().network() == converted.network.network());
            converted
        };
        for (at, conversion) in [(0, TO_CONV), (1, ONE_BY_ONE)] {
            let there = same(at, conversion);
            assert!(!kinds(&there.network).contains(&"linear"), "seed {seed}");
            assert_eq!(kinds(&there.network).contains(&"flatten"), conversion == ONE_BY_ONE, "seed {seed}");
            // And back: every number where it was, and the bits of the outputs.
            let options = all().with_layers(of_kind("linear"));
            let back = convert(&there.network, &there.params, Conversion::ConvToFc { order }, &options).unwrap();
            assert_eq!(plain(&back.network), plain(&network), "seed {seed}");
            let flatten: Layer = Flatten::new().with_order(order).into();
            assert!(back.network.network().layers.iter().any(|named| named.layer == flatten), "seed {seed}");
            assert_eq!((&back.params.weights, &back.params.state), (&params.weights, &params.state), "seed {seed}");
            assert_eq!(run(&back.network, &back.params, &input, ROWS), want, "seed {seed}");
        }
        assert!(!kinds(&same(2, DENSE).network).contains(&"conv2d"));
        let sparse = same(3, SPARSE);
        let threads = Context::detect(Pool::new(3));
        let (one, three) = (
            run(&sparse.network, &sparse.params, &input, ROWS),
            run_on(&sparse.network, &sparse.params, &input, ROWS, threads),
        );
        assert_eq!(one, three, "seed {seed}");
        let absorbed = same(4, Conversion::AbsorbBias);
        let with_bias = absorbed.network.network().layers.iter().any(|named| match &named.layer {
            Layer::Linear(linear) => linear.bias,
            _ => false,
        });
        assert!(!with_bias, "seed {seed}");
        if let Err(ConvertError::Nothing { .. }) = convert(&network, &params, Conversion::Fold, &all()) {
            continue;
        }
        let fold = same(5, Conversion::Fold);
        folded += 1;
        assert!(fold.network.network().layers.len() < network.network().layers.len());
        // A plan that folds when it is opened has the same bits.
        let plan =
            Plan::with(Arc::new(network.clone()), &params, PlanOptions::default().with_fold(true), Context::single());
        let mut workspace = Workspace::default();
        let opened = plan.run(network.batch(&input, ROWS).unwrap(), &mut workspace);
        assert_eq!(run(&fold.network, &fold.params, &input, ROWS), opened, "seed {seed}");
    }
    println!("largest differences: {worst:?}");
    // The networks are of all kinds, and the comparison sees something.
    assert!(folded > 80 && last_orders > 60 && grouped > 60, "{folded} {last_orders} {grouped}");
    // With a 1 x 1 kernel sums are taken in the same order.
    assert!([0, 2, 3, 4, 5].iter().all(|at| worst[*at] > 0.0), "{worst:?}");
}

/// A network with other maps at its input.
fn resized(network: &CheckedNetwork, size: [usize; 2]) -> CheckedNetwork {
    let mut network = network.network().clone();
    let channels = network.inputs[0].shape.axes()[0];
    network.inputs[0].shape = Shape::new([channels, size[0], size[1]]);
    network.check().expect("layers that slide take any size")
}

/// A window of maps `[channels, height, width]`.
fn window(maps: &[f32], size: [usize; 2], at: [usize; 2], of: [usize; 2]) -> Vec<f32> {
    let planes = maps.chunks_exact(size[0] * size[1]);
    let lines = planes.flat_map(|plane| (at[0]..at[0] + of[0]).map(|y| &plane[y * size[1] + at[1]..][..of[1]]));
    lines.flatten().copied().collect()
}

#[test]
fn a_converted_classifier_slides_over_larger_images() {
    for order in [Order::ChannelsFirst, Order::ChannelsLast] {
        let layers: Vec<Layer> = vec![
            conv2d(3, 3),
            relu(),
            max_pool2d(2),
            Flatten::new().with_order(order).into(),
            linear(7),
            BatchNorm::new().into(),
            relu(),
            linear(4),
            softmax(),
        ];
        let network = Network::chain([2, 10, 8], layers).check().unwrap();
        let params = params(&network, 5);
        let converted = convert(&network, &params, TO_CONV, &all()).unwrap();
        let axis = converted.network.network().layers.last().unwrap().layer.clone();
        assert_eq!(axis, Softmax::new().with_axis(0).into());
        let larger = resized(&converted.network, [16, 18]);
        assert_eq!(larger.output().axes(), [4, 4, 6]);
        let image = inputs(&larger, 1, 6);
        let map = run(&larger, &converted.params, &image, 1);
        for y in 0..4 {
            for x in 0..6 {
                let want = run(&network, &params, &window(&image, [16, 18], [2 * y, 2 * x], [10, 8]), 1);
                let got: Vec<f32> = (0..4).map(|class| map[(class * 4 + y) * 6 + x]).collect();
                assert!(distance(&want, &got) <= BOUND, "{want:?} {got:?}");
            }
        }
    }
}

/// VGG-16 with two filters a layer.
#[test]
fn s28_a_network_of_the_form_of_vgg_has_36_answers_at_384_pixels() {
    let mut layers: Vec<Layer> = Vec::new();
    for convolutions in [2, 2, 3, 3, 3] {
        (0..convolutions).for_each(|_| layers.extend([Conv2d::new(2, 3).with_padding(1).into(), relu()]));
        layers.push(max_pool2d(2));
    }
    let maps = format!("layers.{}", layers.len() - 1);
    layers.extend([flatten(), linear(8), relu(), dropout(0.5), linear(8), relu(), dropout(0.5), linear(5)]);
    let network = Network::chain([3, 224, 224], layers).check().unwrap();
    let params = params(&network, 7);
    let converted = convert(&network, &params, TO_CONV, &all()).unwrap();
    assert_eq!(converted.network.output().axes(), [5, 1, 1]);
    let larger = resized(&converted.network, [384, 384]);
    assert_eq!(larger.output().axes(), [5, 6, 6]);
    let image = inputs(&larger, 1, 8);
    let map = run(&larger, &converted.params, &image, 1);
    // Each is what the fully connected layers say of 7 x 7 of the 12 x 12 maps.
    let parts = network.cut_behind(network.value(&maps).unwrap());
    let numbers = |network: &CheckedNetwork| {
        let mut own = Params::zeros(network);
        for entry in network.layout().entries() {
            own.set(&entry.name, params.by_name(&entry.name).unwrap());
        }
        own
    };
    let (trunk, head) = (resized(&parts.trunk.check().unwrap(), [384, 384]), parts.head.check().unwrap());
    assert_eq!(trunk.output().axes(), [2, 12, 12]);
    let maps = run(&trunk, &numbers(&trunk), &image, 1);
    for y in 0..6 {
        for x in 0..6 {
            let want = run(&head, &numbers(&head), &window(&maps, [12, 12], [y, x], [7, 7]), 1);
            let got: Vec<f32> = (0..5).map(|class| map[(class * 6 + y) * 6 + x]).collect();
            assert!(distance(&want, &got) <= BOUND, "{want:?} {got:?}");
        }
    }
}

#[test]
fn an_adaptive_pooling_that_changes_nothing_goes_and_another_stays() {
    let network = |size: usize| {
        let layers = [conv2d(2, 3), relu(), AdaptiveAvgPool2d::new(4).into(), flatten(), linear(3)];
        Network::chain([1, size, size], layers).check().unwrap()
    };
    let (fitting, other) = (network(6), network(9));
    let params = params(&fitting, 9);
    let converted = convert(&fitting, &params, TO_CONV, &all()).unwrap();
    assert_eq!(kinds(&converted.network), ["conv2d", "activation", "conv2d"]);
    assert!(converted.notes.is_empty());
    assert_eq!(resized(&converted.network, [8, 7]).output().axes(), [3, 3, 2]);
    let gone: Vec<&str> =
        converted.changes.iter().filter(|change| change.after.is_none()).map(|change| &*change.layer).collect();
    assert_eq!(gone, ["layers.2", "layers.3"]);
    let converted = convert(&other, &params, TO_CONV, &all()).unwrap();
    assert_eq!(kinds(&converted.network), ["conv2d", "activation", "adaptive_avg_pool2d", "conv2d"]);
    assert!(converted.notes[0].contains("layers.2 (adaptive_avg_pool2d) stays"), "{:?}", converted.notes);
    let input = inputs(&other, 1, 9);
    let (one, two) = (run(&other, &params, &input, 1), run(&converted.network, &converted.params, &input, 1));
    assert!(distance(&one, &two) <= BOUND);
}

/// Values that others read too, several outputs, and layers between that work on rows alone.
#[test]
fn networks_that_are_no_chains_keep_their_values() {
    let layers = vec![
        NamedLayer::new("conv", Conv2d::new(2, 3).with_padding(1)),
        NamedLayer::new("flat", Flatten::new().with_order(Order::ChannelsLast)),
        NamedLayer::new("left", Linear::new(4)),
        NamedLayer::new("right", Linear::new(4)).with_inputs(["flat"]),
        NamedLayer::new("sum", plexus_nn::layers::add()).with_inputs(["left", "right"]),
        NamedLayer::new("both", Concat::new()).with_inputs(["sum", "left"]),
        NamedLayer::new("norm", plexus_nn::layers::layer_norm()),
        NamedLayer::new("last", Linear::new(3)),
        NamedLayer::new("more", Linear::new(2)).with_inputs(["flat"]),
        NamedLayer::new("maps", Unflatten::new([8, 1, 1])).with_inputs(["both"]),
    ];
    let mut network = Network::new([1, 4, 3], layers);
    network.outputs = ["last", "more", "flat", "maps"].map(str::to_string).to_vec();
    let network = network.check().unwrap();
    let params = params(&network, 3);
    let input = inputs(&network, 2, 3);
    let outputs = |network: &CheckedNetwork, params: &Params| -> Vec<Vec<f32>> {
        let plan = Plan::new(Arc::new(network.clone()), params, Context::single());
        let mut workspace = Workspace::default();
        plan.run(network.batch(&input, 2).unwrap(), &mut workspace);
        (0..network.outputs().len()).map(|index| plan.output(&workspace, index).to_vec()).collect()
    };
    let want = outputs(&network, &params);
    for (conversion, layers) in [
        (TO_CONV, vec![]),
        (TO_CONV, vec!["left"]),
        (TO_CONV, vec!["more", "last"]),
        (ONE_BY_ONE, vec!["right"]),
        (DENSE, vec![]),
        (SPARSE, vec!["conv"]),
        (Conversion::AbsorbBias, vec!["right", "last"]),
    ] {
        let converted = convert(&network, &params, conversion, &all().with_layers(layers.clone())).unwrap();
        let got = outputs(&converted.network, &converted.params);
        for (want, got) in want.iter().zip(&got) {
            assert!(distance(want, got) <= BOUND, "{conversion:?} {layers:?}");
        }
        // What is an output as it is has its axes, but for rows that are maps of one pixel.
        assert_eq!(converted.network.shape(converted.network.outputs()[2]).axes(), [24]);
    }
}

#[test]
fn steps_are_absorbed_one_by_one() {
    for shape in [Shape::new([5]), Shape::new([3, 5]), Shape::new([2, 3, 5])] {
        let network = Network::chain(&shape, [linear(4), tanh(), linear(2)]).check().unwrap();
        let params = params(&network, 4);
        let converted = convert(&network, &params, Conversion::AbsorbBias, &all()).unwrap();
        assert_eq!(converted.network.output(), network.output());
        let input = inputs(&network, 2, 4);
        let (one, two) = (run(&network, &params, &input, 2), run(&converted.network, &converted.params, &input, 2));
        assert!(distance(&one, &two) <= BOUND, "{shape}");
        assert_eq!(converted.network.layout().weights_len(), network.layout().weights_len());
    }
}

/// What a conversion says that is refused.
fn refused(network: &Network, conversion: Conversion, options: ConvertOptions) -> String {
    let network = network.clone().check().unwrap();
    // Nothing is made before it is refused: networks without numbers are refused alike.
    let error = convert_network(&network, conversion, &options).expect_err("it is refused").to_string();
    if network.layout().weights_len() < 1 << 20 {
        let params = Params::zeros(&network);
        assert_eq!(convert(&network, &params, conversion, &options).expect_err("it is refused").to_string(), error);
    }
    error
}

#[test]
fn matrices_larger_than_there_may_be_are_refused_with_their_bytes() {
    let large = Network::chain([32, 64, 64], [Conv2d::new(48, 3).with_padding(1).into()]);
    let text = refused(&large, DENSE, all());
    for part in ["25769803776 weights", "55449600 are not zero", "103 GB (103,080,001,536 bytes)", "8.5 GB", "sparse"] {
        assert!(text.contains(part), "{text}");
    }
    let text = refused(&large, SPARSE, all().with_most_bytes(1 << 20));
    assert!(text.contains("55449600 weights") && text.contains("shares its weights"), "{text}");
    // Each fits by itself, both together do not.
    let two = Network::chain([2, 9, 9], [conv2d(2, 3), conv2d(2, 3)]);
    let first = 4 * (98 * 162 + 98) as u64;
    let text = refused(&two, DENSE, all().with_most_bytes(first));
    assert!(text.contains("of all layers together"), "{text}");
    let wide = Network::chain([1, 1 << 12, (1 << 12) + 1], [conv2d(1, 1)]);
    assert!(refused(&wide, SPARSE, all()).contains("16777216 inputs"));
}

#[test]
fn what_cannot_be_converted_is_refused_with_what_can() {
    let classifier = Network::chain([1, 6, 6], [conv2d(2, 3), relu(), flatten(), linear(3)]);
    let named = |names: &[&str]| all().with_layers(names.iter().copied());
    let padded = Network::chain([1, 3, 3], [Conv2d::new(2, 3).with_padding(1).into()]);
    let grouped = Network::chain([2, 3, 3], [Conv2d::new(2, 3).with_groups(2).into()]);
    let steps = Network::chain([4, 3], [linear(2)]);
    let plain = Network::chain([3], [Linear::new(2).with_bias(false).into(), relu()]);
    let pooled = Network::chain(
        [1, 4, 4],
        [MaxPool2d::new(2).into(), Activation::new(plexus_kernels::map::Function::Tanh).into()],
    );
    for (network, conversion, options, parts) in [
        (&classifier, TO_CONV, named(&["fc"]), ["no layer \"fc\"", "layers.0, layers.1"]),
        (&classifier, TO_CONV, named(&["layers.0"]), ["layers.0 (conv2d)", "a linear layer"]),
        (&classifier, TO_FC, all(), ["layers.0 (conv2d) with a kernel of 3 x 3 on maps of 6 x 6", "as a matrix"]),
        (&classifier, TO_FC, named(&["layers.3"]), ["layers.3 (linear)", "kernel is as large"]),
        (&classifier, DENSE, named(&["layers.3"]), ["layers.3 (linear)", "a conv2d layer"]),
        (&classifier, Conversion::Fold, all(), ["nothing to convert", "the numbers of the network"]),
        (&padded, TO_FC, named(&["layers.0"]), ["layers.0 (conv2d)", "padding"]),
        (&grouped, TO_FC, all(), ["2 groups", "as a matrix"]),
        (&steps, TO_CONV, all(), ["nothing to convert", "one row, [features]"]),
        (&steps, TO_CONV, named(&["layers.0"]), ["reads [4, 3]", "one by one"]),
        (&plain, Conversion::AbsorbBias, all(), ["nothing to convert", "with a bias"]),
        (&plain, Conversion::AbsorbBias, named(&["layers.1"]), ["layers.1 (activation)", "with a bias"]),
        (&pooled, SPARSE, all(), ["nothing to convert", "a conv2d layer, got none"]),
        (&pooled, TO_CONV, all(), ["nothing to convert", "slides already"]),
    ] {
        let text = if conversion == Conversion::Fold {
            let network = network.clone().check().unwrap();
            convert_network(&network, conversion, &options).unwrap_err().to_string()
        } else {
            refused(network, conversion, options)
        };
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn what_cannot_be_folded_is_refused_and_said() {
    let layers = [Conv2d::new(2, 3).with_padding(1).into(), BatchNorm::new().into(), relu(), flatten(), linear(2)];
    let network = Network::chain([1, 4, 4], layers).check().unwrap();
    let mut odd = params(&network, 1);
    let named = |name: &str| all().with_layers([name]);
    for name in ["layers.0", "layers.1"] {
        let folded = convert(&network, &odd, Conversion::Fold, &named(name)).unwrap();
        assert_eq!(kinds(&folded.network), ["conv2d", "activation", "flatten", "linear"]);
    }
    let error = convert(&network, &odd, Conversion::Fold, &named("layers.4")).unwrap_err().to_string();
    assert!(error.contains("layers.4 (linear)") && error.contains("beside a linear or conv2d layer"), "{error}");
    odd.set("layers.1.weight", &[0.0, 1.0]);
    let error = convert(&network, &odd, Conversion::Fold, &named("layers.1")).unwrap_err().to_string();
    assert!(error.contains("layers.0 (conv2d)") && error.contains("vanish"), "{error}");
    let error = convert(&network, &odd, Conversion::Fold, &all()).unwrap_err().to_string();
    assert!(error.contains("nothing to convert") && error.contains("vanish"), "{error}");
}

#[test]
fn layers_whose_values_are_kept_are_not_folded() {
    let layers = [Standardize::new().with_per_feature(true).into(), linear(3), batch_norm(), relu(), linear(2)];
    let network = Network::chain([4], layers).check().unwrap();
    let params = params(&network, 1);
    let folded = |options: &ConvertOptions| {
        let folded = convert(&network, &params, Conversion::Fold, options).unwrap();
        kinds(&folded.network).join(" ")
    };
    assert_eq!(folded(&all()), "linear activation linear");
    assert_eq!(folded(&all().with_keep(["layers.0", "unknown"])), "standardize linear activation linear");
    assert_eq!(folded(&all().with_keep(["layers.1"])), "linear batch_norm activation linear");
}

/// What a network says that does not fit together.
fn unfit(layers: Vec<Layer>, input: impl Into<Shape>) -> String {
    Network::chain(input, layers).check().expect_err("it does not fit").to_string()
}

#[test]
fn s31_no_window_slides_over_what_a_fully_connected_layer_gives() {
    let text = unfit(vec![conv2d(2, 3), flatten(), linear(12), relu(), dropout(0.1), conv2d(4, 3)], [1, 8, 6]);
    for part in [
        "layer layers.5 (conv2d): the input does not fit: expected maps: [channels, height, width], got 12 features",
        "the 12 numbers have no rows and columns",
        "kind = \"unflatten\", shape = [channels, height, width] in front",
        "kind = \"conv2d\", out_channels = 12, kernel_size = [6, 4] in place of layers.2 and the flatten before it",
        "the conversion fc-to-conv",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let text = unfit(vec![linear(12), max_pool2d(2)], [784]);
    assert!(text.contains("shape = [784, 1, 1] and kind = \"conv2d\", out_channels = 12, kernel_size = 1"), "{text}");
    let text = unfit(vec![flatten(), relu(), max_pool2d(2)], [1, 8, 6]);
    assert!(text.contains("layers.0 made a row of [1, 8, 6]: put this layer in front of it"), "{text}");
    // Nothing connects all with all.
    let text = unfit(vec![relu(), max_pool2d(2)], [784]);
    assert!(text.contains("Put an unflatten layer in front"), "{text}");

    // What the message says makes networks that fit.
    let given = vec![conv2d(2, 3), flatten(), linear(12), relu(), Unflatten::new([3, 2, 2]).into(), conv2d(4, 2)];
    let converted = vec![conv2d(2, 3), conv2d(12, [6, 4]), relu(), dropout(0.1), conv2d(4, 1)];
    for layers in [given, converted] {
        Network::chain([1, 8, 6], layers).check().unwrap();
    }
}

#[test]
fn the_classifiers_of_the_zoo_slide() {
    let alexnet = |input: [usize; 3], options| zoo::alexnet(input, 1000, options).unwrap();
    let torchvision = AlexNet { variant: AlexNetVariant::Torchvision, dropout: 0.5, ..AlexNet::default() };
    for (network, larger, answers) in [
        (zoo::lenet5([1, 28, 28], 10, LeNet5::default()).unwrap(), [32, 40], [2, 4]),
        (alexnet([3, 227, 227], AlexNet { groups: 2, lrn: true, ..AlexNet::default() }), [259, 227], [2, 1]),
        (alexnet([3, 224, 224], torchvision), [256, 288], [2, 3]),
        (zoo::vgg([3, 224, 224], 1000, Vgg { batch_norm: true, ..Vgg::default() }).unwrap(), [384, 384], [6, 6]),
    ] {
        let network = network.check().unwrap();
        let converted = convert_network(&network, TO_CONV, &all()).unwrap();
        assert!(!kinds(&converted).iter().any(|kind| ["linear", "flatten"].contains(kind)), "{:?}", kinds(&converted));
        assert_eq!(converted.layout().weights_len(), network.layout().weights_len());
        assert_eq!(resized(&converted, larger).output().axes()[1..], answers);
        let back = convert_network(&converted, TO_FC, &all()).unwrap();
        assert_eq!((back.output(), back.layout().weights_len()), (network.output(), network.layout().weights_len()));
    }
}
