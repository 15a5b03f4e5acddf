//! Folding for predictions: what is folded and what is not, that outputs stay within a bound, and that the numbers of a
//! plan are still those that were given.

use plexus_kernels::map::Function;
use plexus_kernels::random::{Random, Stream};
use plexus_kernels::threads::Pool;
use plexus_kernels::{Context, gemm::Precision, isa::Isa};
use plexus_nn::layers::{
    Activation, Add, BatchNorm, Conv2d, Dropout, Flatten, Layer, Linear, MaxPool2d, Reshape, Standardise,
};
use plexus_nn::{
    CheckedBatch, CheckedNetwork, LayerParams, NamedLayer, Network, Params, Plan, PlanOptions, Shape, ValueId, View,
    Workspace,
};
use std::sync::Arc;

const ROWS: usize = 5;

/// The most that an output may differ, as a share of the largest output. The largest difference of the cases below is
/// about a quarter of it.
const BOUND: f32 = 2e-6;

fn relu() -> Layer {
    Activation::new(Function::Relu).into()
}

fn norm() -> Layer {
    BatchNorm::default().into()
}

fn standardise(per_feature: bool) -> Layer {
    Standardise::new().with_per_feature(per_feature).into()
}

fn random(seed: u64) -> Random {
    Random::new(seed, Stream::Init, [0, 0])
}

/// Numbers for everything: weights of norms around 1, every third of them negative, means and variances of 0.5 to 1.5.
fn params(network: &CheckedNetwork, seed: u64) -> Params {
    let mut params = Params::initialise(network, seed);
    let state_len = params.state.len();
    random(seed + 1).uniform(0.5, 1.5, &mut params.state[..state_len]);
    let mut draw = random(seed + 2);
    for (layer, named) in network.network().layers.iter().enumerate() {
        if matches!(named.layer, Layer::BatchNorm(_)) {
            for entry in network.layout().entries_of(layer).to_vec().iter().filter(|entry| entry.trainable) {
                let values = params.values_mut(entry);
                draw.uniform(0.5, 1.5, values);
                values.iter_mut().step_by(3).for_each(|value| *value = -*value);
            }
        }
    }
    params
}

fn inputs(network: &CheckedNetwork, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; ROWS * network.input_len()];
    random(seed + 3).normal(0.5, 1.0, &mut values);
    values
}

fn folding() -> PlanOptions {
    PlanOptions::default().with_fold(true)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// All outputs, one behind the other.
fn outputs(plan: &Plan, batch: CheckedBatch<'_>) -> Vec<f32> {
    let mut workspace = Workspace::default();
    plan.run(batch, &mut workspace);
    (0..plan.network().outputs().len()).flat_map(|index| plan.output(&workspace, index).to_vec()).collect()
}

/// What is folded, as `bn > conv`.
fn folded(plan: &Plan) -> Vec<String> {
    let layers = &plan.network().network().layers;
    let away = (0..layers.len()).filter_map(|index| Some((index, plan.folded_into(index)?)));
    away.map(|(index, target)| format!("{} > {}", layers[index].name, layers[target].name)).collect()
}

/// The largest difference as a share of the largest number.
fn difference(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len());
    let largest = want.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    let shares = got.iter().zip(want).map(|(got, want)| (got - want).abs() / largest);
    // A NaN stays one.
    shares.fold(0.0, |most, share| if most.is_nan() || share <= most { most } else { share })
}

#[track_caller]
fn assert_holds(plan: &Plan, params: &Params, case: &str) {
    let got = plan.params();
    assert_eq!((bits(&got.weights), bits(&got.state)), (bits(&params.weights), bits(&params.state)), "{case}");
    for (entry, values) in params.tensors() {
        assert_eq!(bits(&plan.tensor(&entry.name).expect("it is there")), bits(values), "{case}: {}", entry.name);
    }
    for index in 0..plan.network().network().layers.len() {
        let ((weights, state), (got_weights, got_state)) = (params.layer(index), plan.layer(index));
        assert_eq!((bits(&got_weights), bits(&got_state)), (bits(&weights), bits(&state)), "{case}: layer {index}");
    }
}

/// An observer of a plan sees values of the names and shapes that they have without folding, and nearly the numbers.
#[track_caller]
fn assert_observed(plan: &Plan, params: &Params, batch: CheckedBatch<'_>, case: &str) {
    let network = plan.network();
    let every = folding().with_keep(network.values());
    let (keeping, mut kept) = (Plan::with(network.clone(), params, every, Context::single()), Workspace::default());
    assert!(folded(&keeping).is_empty(), "{case}: what is kept is not folded away");
    keeping.run(batch, &mut kept);
    let mut observer = |value: ValueId, seen: View<'_>| {
        let Some(want) = keeping.value(&kept, value) else { return };
        assert_eq!(seen.shape, want.shape, "{case}: {}", network.name(value));
        let difference = difference(&seen.channels_first(), &want.channels_first());
        assert!(difference <= BOUND, "{case}: {} differs by {difference:e}", network.name(value));
    };
    plan.run_observed(batch, &mut Workspace::default(), Some(&mut observer));
}

/// Plans a network both ways and compares. Returns the difference.
#[track_caller]
fn compare(case: &str, network: Network, want: &[&str]) -> f32 {
    let network = Arc::new(network.check().unwrap_or_else(|error| panic!("{case}: {error}")));
    let (params, values) = (params(&network, 1), inputs(&network, 1));
    let batch = network.batch(&values, ROWS).expect("the rows fit");
    let plain = Plan::new(network.clone(), &params, Context::single());
    assert!(folded(&plain).is_empty(), "{case}: nothing is folded unless it is asked for");
    let plan = Plan::with(network.clone(), &params, folding(), Context::single());
    assert_eq!(folded(&plan), want, "{case}");
    assert_holds(&plan, &params, case);
    let (got, want_outputs) = (outputs(&plan, batch), outputs(&plain, batch));
    if want.is_empty() {
        assert_eq!(bits(&got), bits(&want_outputs), "{case}: nothing is folded, so nothing changes");
    }
    let difference = difference(&got, &want_outputs);
    assert!(difference <= BOUND, "{case}: {difference:e}");
    assert_observed(&plan, &params, batch, case);
    for threads in [2, 7] {
        let plan = Plan::with(network.clone(), &params, folding(), Context::detect(Pool::new(threads)));
        assert_eq!(bits(&outputs(&plan, batch)), bits(&got), "{case}: {threads} threads");
    }
    difference
}

/// Names of layers one after the other: `layers.N` is `N`.
fn chain(input: impl Into<Vec<usize>>, layers: Vec<Layer>) -> Network {
    let mut network = Network::chain(Shape::new(input), layers);
    for (index, named) in network.layers.iter_mut().enumerate() {
        named.name = index.to_string();
    }
    network
}

/// A name, the shape of the input, layers, and what is folded.
type Case = (&'static str, Vec<usize>, Vec<Layer>, &'static [&'static str]);

#[test]
fn layers_that_scale_and_shift_are_folded_where_they_fit() {
    let conv = |groups| Conv2d::new(12, 3).with_groups(groups);
    let bare = |groups| conv(groups).with_bias(false);
    let strided = conv(1).with_padding(2).with_stride(2).with_dilation([2, 1]);
    let half = BatchNorm::default().with_scale(false);
    let bare_norm = BatchNorm::default().with_scale(false).with_center(false).with_epsilon(0.01);
    let linear = |outputs| Linear::new(outputs).into();
    let flat = || Flatten::default().into();
    let dropout = || Dropout::new(0.5).into();
    let maps = || vec![6, 9, 8];
    let cases: Vec<Case> = vec![
        ("linear, norm", vec![40], vec![linear(33), norm()], &["1 > 0"]),
        ("linear without bias, norm", vec![40], vec![Linear::new(33).with_bias(false).into(), norm()], &["1 > 0"]),
        ("norm without weight", vec![40], vec![linear(33), half.into(), relu(), linear(3)], &["1 > 0"]),
        ("norm without anything", vec![40], vec![linear(33), bare_norm.into()], &["1 > 0"]),
        ("norm of steps", vec![4, 40], vec![linear(33), norm(), relu()], &["1 > 0"]),
        ("norm of another axis", vec![3, 4, 40], vec![linear(33), norm()], &[]),
        ("conv, norm", maps(), vec![conv(1).into(), norm(), relu()], &["1 > 0"]),
        ("conv without bias", maps(), vec![bare(1).with_padding(1).into(), norm()], &["1 > 0"]),
        ("groups", maps(), vec![conv(3).into(), norm(), relu()], &["1 > 0"]),
        ("depthwise", maps(), vec![bare(6).with_padding(1).into(), norm()], &["1 > 0"]),
        ("stride and dilation", maps(), vec![strided.into(), norm()], &["1 > 0"]),
        ("pooled", maps(), vec![conv(1).into(), norm(), relu(), MaxPool2d::new(2).into()], &["1 > 0"]),
        ("standardise, linear", vec![40], vec![standardise(true), linear(33)], &["0 > 1"]),
        ("one for all, linear", vec![40], vec![standardise(false), linear(33)], &["0 > 1"]),
        ("one for all, steps", vec![4, 40], vec![standardise(false), linear(33)], &["0 > 1"]),
        ("standardise of steps", vec![4, 40], vec![standardise(true), linear(33)], &[]),
        ("one for all, flatten", maps(), vec![standardise(false), flat(), linear(33)], &["0 > 2"]),
        ("standardise, flatten", maps(), vec![standardise(true), flat(), linear(33)], &[]),
        ("norm, linear", vec![40], vec![norm(), linear(33)], &["0 > 1"]),
        ("norm of maps, linear on their rows", maps(), vec![norm(), linear(33)], &[]),
        ("one for all, conv", maps(), vec![standardise(false), conv(1).into()], &["0 > 1"]),
        ("norm, conv of groups", maps(), vec![norm(), conv(3).into()], &["0 > 1"]),
        ("norm, depthwise", maps(), vec![norm(), bare(6).into()], &["0 > 1"]),
        ("norm, padded conv", maps(), vec![norm(), conv(1).with_padding(1).into()], &[]),
        ("norm, conv padded on one side", maps(), vec![norm(), conv(1).with_padding([0, 0, 0, 1]).into()], &[]),
        ("two norms", vec![40], vec![linear(33), norm(), norm()], &["1 > 0", "2 > 0"]),
        (
            "all around",
            vec![40],
            vec![standardise(true), norm(), linear(33), norm(), standardise(false)],
            &["0 > 2", "1 > 2", "3 > 2", "4 > 2"],
        ),
        ("between two", vec![40], vec![linear(33), norm(), linear(20)], &["1 > 0"]),
        ("dropout between", vec![40], vec![linear(33), dropout(), norm(), dropout(), linear(3)], &["2 > 0"]),
        ("function between", vec![40], vec![linear(33), relu(), norm(), relu()], &[]),
        ("function in front", vec![40], vec![linear(33), relu(), norm(), dropout(), linear(9)], &["2 > 4"]),
        ("other axes, norm", maps(), vec![conv(1).into(), flat(), norm()], &[]),
        ("other axes, one for all", maps(), vec![conv(1).into(), flat(), standardise(false)], &[]),
        (
            "reshape, norm of steps",
            vec![40],
            vec![linear(32), Reshape::new([4, 8]).into(), norm(), linear(5)],
            &["2 > 3"],
        ),
        ("a norm alone", vec![40], vec![norm()], &[]),
    ];
    let mut worst = (0.0, "");
    for (case, input, layers, want) in cases {
        let difference = compare(case, chain(input, layers), want);
        if difference > worst.0 {
            worst = (difference, case);
        }
    }
    println!("largest difference: {:e} of the largest output ({})", worst.0, worst.1);
    assert!(worst.0 > 0.0, "folding changes last bits");
}

/// A network whose layers name what they read.
fn graph(input: impl Into<Vec<usize>>, layers: Vec<(&str, &[&str], Layer)>, outputs: &[&str]) -> Network {
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let named = |(name, inputs, layer): (&str, &[&str], Layer)| NamedLayer {
        name: name.to_string(),
        inputs: names(inputs),
        layer,
    };
    let layers: Vec<NamedLayer> = layers.into_iter().map(named).collect();
    Network { outputs: names(outputs), ..Network::new(Shape::new(input), layers) }
}

#[test]
fn a_value_that_someone_else_reads_is_not_folded_away() {
    let conv = || Layer::from(Conv2d::new(6, 3).with_padding(1));
    let linear = |outputs| Layer::from(Linear::new(outputs));
    let diamond = vec![("conv", &[][..], conv()), ("norm", &[], norm()), ("sum", &["conv", "norm"], Add::new().into())];
    compare("two readers", graph([6, 9, 8], diamond, &[]), &[]);
    let behind = vec![
        ("conv", &[][..], conv()),
        ("norm", &[], norm()),
        ("bent", &[], relu()),
        ("sum", &["bent", "norm"], Add::new().into()),
    ];
    compare("two readers of the norm", graph([6, 9, 8], behind, &[]), &["norm > conv"]);
    let middle = || vec![("mixed", &[][..], linear(33)), ("norm", &[], norm()), ("last", &[], linear(3))];
    compare("an output before the norm", graph([40], middle(), &["mixed", "last"]), &["norm > last"]);
    compare("an output behind the norm", graph([40], middle(), &["norm", "last"]), &["norm > mixed"]);
    compare("the norm alone comes out", graph([40], middle(), &["norm"]), &["norm > mixed"]);
    compare("nobody needs the norm", graph([40], middle(), &["mixed"]), &[]);
    let twice = vec![("norm", &[][..], norm()), ("one", &["norm"], linear(9)), ("other", &["norm"], linear(9))];
    compare("two linear layers read it", graph([40], twice, &["one", "other"]), &[]);
    let skip = vec![
        ("norm", &[][..], norm()),
        ("one", &["norm"], linear(9)),
        ("other", &["input"], linear(9)),
        ("sum", &["one", "other"], Add::new().into()),
    ];
    compare("two read what enters the norm", graph([40], skip, &[]), &["norm > one"]);
}

#[test]
fn a_value_that_is_kept_or_looked_at_is_not_folded_away() {
    let layers = vec![standardise(true), Linear::new(33).into(), norm(), relu(), Linear::new(3).into()];
    let network = Arc::new(chain([40], layers).check().expect("the layers fit"));
    let (params, values) = (params(&network, 1), inputs(&network, 1));
    let batch = network.batch(&values, ROWS).expect("the rows fit");
    let every = PlanOptions::default().with_keep(network.values());
    let (plain, mut seen) = (Plan::with(network.clone(), &params, every, Context::single()), Workspace::default());
    plain.run(batch, &mut seen);
    // What is kept, and what is folded then.
    let cases: [(usize, &[&str]); 4] =
        [(0, &["2 > 1"]), (1, &["0 > 1"]), (2, &["0 > 1", "2 > 1"]), (3, &["0 > 1", "2 > 1"])];
    for (layer, want) in cases {
        let value = network.value_of(layer);
        let options = folding().with_keep([value]);
        let plan = Plan::with(network.clone(), &params, options, Context::single());
        assert_eq!(folded(&plan), want, "{layer} is kept");
        let mut workspace = Workspace::default();
        plan.run(batch, &mut workspace);
        let kept = plan.value(&workspace, value).expect("it is kept").f32();
        let difference = difference(kept, plain.value(&seen, value).expect("it is kept").f32());
        assert!(difference <= BOUND, "{layer}: {difference:e}");
    }
    let options = folding().with_one_by_one(true);
    let plan = Plan::with(network.clone(), &params, options, Context::single());
    assert!(folded(&plan).is_empty());
    assert_eq!(bits(&outputs(&plan, batch)), bits(&outputs(&plain, batch)), "one by one nothing is folded");
    // An observer sees what is computed, by its name.
    let mut names = Vec::new();
    let mut observer = |value: ValueId, _: View<'_>| names.push(network.name(value).to_string());
    let plan = Plan::with(network.clone(), &params, folding(), Context::single());
    plan.run_observed(batch, &mut Workspace::default(), Some(&mut observer));
    assert_eq!(names, ["input", "3", "4"]);
    let mut names = Vec::new();
    let mut observer = |value: ValueId, _: View<'_>| names.push(network.name(value).to_string());
    let options = folding().with_keep([network.value_of(2)]);
    let plan = Plan::with(network.clone(), &params, options, Context::single());
    plan.run_observed(batch, &mut Workspace::default(), Some(&mut observer));
    assert_eq!(names, ["input", "2", "3", "4"]);
}

/// Changes one number of a network and says what is folded then. The outputs are compared all the same.
#[track_caller]
fn folded_with(layers: Vec<Layer>, tensor: &str, at: usize, number: f32) -> usize {
    let network = Arc::new(chain([4], layers).check().expect("the layers fit"));
    let (mut params, values) = (params(&network, 1), inputs(&network, 1));
    let entry = network.layout().find(tensor).expect("the tensor is there").1.clone();
    params.values_mut(&entry)[at] = number;
    let batch = network.batch(&values, ROWS).expect("the rows fit");
    let plan = Plan::with(network.clone(), &params, folding(), Context::single());
    assert_holds(&plan, &params, tensor);
    let plain = Plan::new(network.clone(), &params, Context::single());
    let (got, want) = (outputs(&plan, batch), outputs(&plain, batch));
    if folded(&plan).is_empty() {
        assert_eq!(bits(&got), bits(&want), "{tensor} = {number}");
    } else {
        assert!(difference(&got, &want) <= BOUND, "{tensor} = {number}");
    }
    folded(&plan).len()
}

#[test]
fn numbers_that_would_not_be_normal_are_not_folded() {
    let behind = || vec![Linear::new(3).into(), norm()];
    assert_eq!(folded_with(behind(), "1.weight", 1, 0.25), 1);
    for (tensor, number) in [
        ("1.weight", 1e38 * 3.0),
        ("1.weight", 1e-38),
        ("1.weight", 0.0),
        ("1.weight", f32::NAN),
        ("1.weight", f32::INFINITY),
        ("1.bias", f32::INFINITY),
        ("1.running_mean", f32::INFINITY),
        ("1.running_variance", f32::INFINITY),
        ("1.running_variance", -1.0),
        ("0.weight", f32::NAN),
        ("0.weight", f32::NEG_INFINITY),
        ("0.bias", f32::NAN),
    ] {
        assert_eq!(folded_with(behind(), tensor, 1, number), 0, "{tensor} = {number}");
    }
    // A column that is nearly constant: its weights overflow, or its mean is far away in spreads.
    let front = || vec![standardise(true), Linear::new(3).into()];
    assert_eq!(folded_with(front(), "0.scale", 1, 2.0), 1);
    for (tensor, number) in [
        ("0.scale", 3e38),
        ("0.scale", 1e6),
        ("0.scale", 1e-38),
        ("0.scale", 0.0),
        ("0.mean", 1e6),
        ("0.mean", f32::NAN),
    ] {
        assert_eq!(folded_with(front(), tensor, 1, number), 0, "{tensor} = {number}");
    }
    // With weights of zero the column does not count, and nothing overflows.
    let network = Arc::new(chain([1], front()).check().expect("the layers fit"));
    let mut params = Params::zeros(&network);
    assert!(params.set("0.scale", &[1e38]));
    let plan = Plan::with(network, &params, folding(), Context::single());
    assert_eq!(folded(&plan), ["0 > 1"]);
}

#[test]
fn means_far_from_zero_are_folded_behind_and_not_in_front() {
    let front = || vec![standardise(true), Linear::new(3).into()];
    // Of scale 1: the mean is its distance from zero in spreads.
    for (mean, count) in [(3.9, 1), (-3.9, 1), (4.1, 0), (-4.1, 0)] {
        let network = Arc::new(chain([2], front()).check().expect("the layers fit"));
        let mut params = Params::initialise(&network, 1);
        assert!(params.set("0.mean", &[0.5, mean]));
        let plan = Plan::with(network, &params, folding(), Context::single());
        assert_eq!(folded(&plan).len(), count, "a mean of {mean}");
    }
    // A target in its unit: the layer behind adds a large mean to small numbers, as it did before.
    assert_eq!(folded_with(vec![Linear::new(3).into(), standardise(false)], "1.mean", 0, -2000.0), 1);
    assert_eq!(folded_with(vec![Linear::new(3).into(), norm()], "1.running_mean", 0, 50.0), 1);
}

#[test]
fn numbers_come_back_on_every_instruction_set_and_precision_and_when_others_come() {
    let layers: Vec<Layer> = vec![
        standardise(false),
        Conv2d::new(20, 3).with_bias(false).into(),
        norm(),
        relu(),
        Conv2d::new(20, 3).with_groups(20).with_padding(1).into(),
        norm(),
        Flatten::default().into(),
        Linear::new(33).into(),
        norm(),
        Linear::new(17).with_bias(false).into(),
        norm(),
    ];
    let network = Arc::new(chain([2, 9, 8], layers).check().expect("the layers fit"));
    let (first, second) = (params(&network, 1), params(&network, 2));
    let mut bad = first.clone();
    assert!(bad.set("8.weight", &[0.0; 33]));
    let all = ["0 > 1", "2 > 1", "5 > 4", "8 > 7", "10 > 9"];
    for isa in Isa::available() {
        for precision in Precision::ALL {
            let context = Context::new(isa, Pool::new(2)).with_precision(precision);
            let case = format!("{context:?}");
            let mut plan = Plan::with(network.clone(), &first, folding(), context.clone());
            assert_eq!(folded(&plan), all, "{case}");
            assert_holds(&plan, &first, &case);
            let plain = Plan::new(network.clone(), &first, context.clone());
            assert!(plan.params_bytes() > plain.params_bytes(), "{case}");
            plan.reload(&bad);
            assert_eq!(folded(&plan), ["0 > 1", "2 > 1", "5 > 4", "10 > 9"], "{case}");
            assert_holds(&plan, &bad, &case);
            plan.reload(&second);
            assert_eq!(folded(&plan), all, "{case}");
            assert_holds(&plan, &second, &case);
            let values = inputs(&network, 1);
            let batch = network.batch(&values, ROWS).expect("the rows fit");
            let fresh = Plan::with(network.clone(), &second, folding(), context.clone());
            assert_eq!(bits(&outputs(&plan, batch)), bits(&outputs(&fresh, batch)), "{case}: reloaded");
        }
    }
}

#[test]
fn folding_takes_two_bits_a_weight_and_a_bias() {
    let network = Arc::new(chain([320], vec![Linear::new(160).into(), norm()]).check().expect("the layers fit"));
    let params = params(&network, 1);
    let plain = Plan::new(network.clone(), &params, Context::single());
    let plan = Plan::with(network, &params, folding(), Context::single());
    assert_eq!(plan.params_bytes() - plain.params_bytes(), 320 * 160 / 4 + 160 * 4);
    assert!(plan.workspace_bytes(10) < plain.workspace_bytes(10), "there is one value less");
}

#[test]
fn layers_that_may_be_folded_are_asked_for_first() {
    let layers = vec![Linear::new(6).into(), norm(), relu(), Linear::new(3).into(), relu(), norm()];
    let network = Arc::new(chain([4], layers).check().expect("the layers fit"));
    let params = params(&network, 1);
    let mut asked = Vec::new();
    let fill = |layer: usize, weights: &mut [f32], state: &mut [f32]| {
        asked.push(layer);
        assert!(weights.iter().chain(state.iter()).all(|&value| value == 0.0), "layer {layer} begins with zeros");
        let (from_weights, from_state) = params.layer(layer);
        weights.copy_from_slice(&from_weights);
        state.copy_from_slice(&from_state);
        Ok::<(), String>(())
    };
    let plan = Plan::from_layers(network.clone(), folding(), Context::single(), fill).expect("it is full");
    assert_eq!(asked, [1, 0, 2, 3, 4, 5]);
    assert_eq!(folded(&plan), ["1 > 0"]);
    assert_holds(&plan, &params, "from layers");
    let values = inputs(&network, 1);
    let batch = network.batch(&values, ROWS).expect("the rows fit");
    let whole = Plan::with(network.clone(), &params, folding(), Context::single());
    assert_eq!(bits(&outputs(&plan, batch)), bits(&outputs(&whole, batch)));
}

/// A network of up to 14 layers on features or on maps, each of which reads any value of the right shape above it.
fn any_network(seed: u64) -> Network {
    let mut draw = random(seed);
    let maps = draw.below(2) == 0;
    let input = if maps { Shape::new([4, 6, 5]) } else { Shape::new([12]) };
    // Names of values, all of the shape of the input.
    let mut values = vec!["input".to_string()];
    let mut layers: Vec<NamedLayer> = Vec::new();
    for index in 0..4 + draw.below(11) {
        // Mostly the newest value, so that chains come about.
        let pick = |draw: &mut Random| match draw.below(4) {
            0 => values[draw.below(values.len() as u64) as usize].clone(),
            _ => values[values.len() - 1].clone(),
        };
        let mut inputs = vec![pick(&mut draw)];
        let bias = draw.below(2) == 0;
        let layer: Layer = match draw.below(10) {
            0 | 1 => norm(),
            2 => standardise(draw.below(2) == 0),
            3..=5 if maps => match draw.below(3) {
                0 => Conv2d::new(4, 1).with_bias(bias).into(),
                1 => Conv2d::new(4, 3).with_bias(bias).with_groups(4).with_padding(1).into(),
                _ => Conv2d::new(4, 3).with_bias(bias).with_groups(2).with_padding(1).into(),
            },
            3..=5 => Linear::new(12).with_bias(bias).into(),
            6 | 7 => Activation::new(Function::Tanh).into(),
            8 => Dropout::new(0.5).into(),
            _ => {
                inputs.push(pick(&mut draw));
                Add::new().into()
            }
        };
        let name = index.to_string();
        layers.push(NamedLayer { name: name.clone(), inputs, layer });
        values.push(name);
    }
    let mut outputs = vec![values[values.len() - 1].clone()];
    if draw.below(3) == 0 {
        let other = values[1 + draw.below(values.len() as u64 - 1) as usize].clone();
        if !outputs.contains(&other) {
            outputs.push(other);
        }
    }
    Network { outputs, ..Network::new(input, layers) }
}

#[test]
fn any_network_answers_nearly_the_same_and_gives_its_numbers_back() {
    let (mut count, mut worst) = (0, 0.0f32);
    for seed in 0..400 {
        let network = Arc::new(any_network(seed).check().expect("the layers fit"));
        let (params, values) = (params(&network, seed), inputs(&network, seed));
        let batch = network.batch(&values, ROWS).expect("the rows fit");
        let plain = outputs(&Plan::new(network.clone(), &params, Context::single()), batch);
        let plan = Plan::with(network.clone(), &params, folding(), Context::single());
        assert_holds(&plan, &params, &format!("network {seed}"));
        count += folded(&plan).len();
        let difference = difference(&outputs(&plan, batch), &plain);
        assert!(difference <= BOUND, "network {seed}: {difference:e}, {:#?}", network.network());
        worst = worst.max(difference);
        assert_observed(&plan, &params, batch, &format!("network {seed}"));
        // Where every value is kept, nothing is folded.
        let every = folding().with_keep(network.values());
        let keeping = Plan::with(network.clone(), &params, every, Context::single());
        assert!(folded(&keeping).is_empty());
        assert_eq!(bits(&outputs(&keeping, batch)), bits(&plain), "network {seed}");
    }
    println!("{count} layers folded in 400 networks, largest difference {worst:e}");
    assert!(count > 200, "{count}");
}
