//! A plan gives the numbers back that it was made of, bit for bit, in whatever form it keeps them.

use plexus_kernels::threads::Pool;
use plexus_kernels::{Context, gemm::Precision, isa::Isa, weight_only::Format};
use plexus_nn::layers::{Activation, BatchNorm, Conv2d, Flatten, Layer, LayerNorm, Linear, Standardize};
use plexus_nn::{CheckedNetwork, LayerParams, Network, Params, Plan, PlanOptions, Shape, Tensor, Workspace};
use std::sync::Arc;

/// Layers that are prepared, with and without a bias, layers that are not, and layers with running statistics.
fn network() -> Arc<CheckedNetwork> {
    let layers: [Layer; 11] = [
        Standardize::new().into(),
        Conv2d::new(20, 3).with_padding(1).into(),
        BatchNorm::default().into(),
        Conv2d::new(20, 3).with_bias(false).with_groups(20).into(),
        Conv2d::new(5, 2).into(),
        Flatten::default().into(),
        Linear::new(33).into(),
        LayerNorm::default().into(),
        Linear::new(17).with_bias(false).into(),
        Activation::new(plexus_kernels::map::Function::Relu).into(),
        Linear::new(3).into(),
    ];
    Arc::new(Network::chain(Shape::new([2, 9, 8]), layers).check().expect("the layers fit"))
}

/// Numbers of which no two are alike, NaN with a payload and a negative zero among them.
fn params(network: &CheckedNetwork, seed: u64) -> Params {
    let mut params = Params::initialize(network, seed);
    for (index, value) in params.state.iter_mut().enumerate() {
        *value = 0.5 + index as f32 / 64.0;
    }
    for entry in params.layout().clone().entries() {
        if let [.., before, last] = params.values_mut(entry) {
            (*before, *last) = (-0.0, f32::from_bits(0x7fa0_0001));
        }
    }
    params
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[track_caller]
fn assert_holds(plan: &Plan, params: &Params, case: &str) {
    let got = plan.params();
    assert_eq!(bits(&got.weights), bits(&params.weights), "{case}");
    assert_eq!(bits(&got.state), bits(&params.state), "{case}");
    for (entry, values) in params.tensors() {
        let tensor = plan.tensor(&entry.name).expect("the tensor is there");
        assert_eq!(bits(&tensor), bits(values), "{case}: {}", entry.name);
    }
    assert_eq!(plan.tensor("no.such"), None);
    for index in 0..plan.network().network().layers.len() {
        let ((weights, state), (got_weights, got_state)) = (params.layer(index), plan.layer(index));
        assert_eq!((bits(&got_weights), bits(&got_state)), (bits(&weights), bits(&state)), "{case}: layer {index}");
    }
}

fn contexts() -> impl Iterator<Item = Context> {
    let of = |isa| Precision::ALL.map(|precision| Context::new(isa, Pool::new(2)).with_precision(precision));
    Isa::available().flat_map(of)
}

#[test]
fn numbers_come_back_bit_for_bit() {
    let network = network();
    let (first, second) = (params(&network, 1), params(&network, 2));
    for context in contexts() {
        let mut plan = Plan::new(network.clone(), &first, context.clone());
        assert_holds(&plan, &first, &format!("{context:?}"));
        plan.reload(&second);
        assert_holds(&plan, &second, &format!("{context:?}, reloaded"));
        assert_eq!(plan.params_bytes(), Plan::params_bytes_for(&network, &context), "{context:?}");
    }
}

/// Small numbers, of which a sum does not overflow.
fn plain_params(network: &CheckedNetwork) -> Params {
    let mut params = Params::initialize(network, 5);
    params.state.iter_mut().enumerate().for_each(|(index, value)| *value = 0.5 + index as f32 / 64.0);
    params
}

#[test]
fn rounded_weights_are_those_of_linear_layers_and_outputs_are_computed_with_them() {
    let network = network();
    let params = plain_params(&network);
    let input: Vec<f32> = (0..9 * network.input_len()).map(|at| (at * at % 31) as f32 / 15.0 - 1.0).collect();
    let batch = network.batch(&input, 9).expect("nine rows");
    for (format, options) in Format::ALL
        .into_iter()
        .flat_map(|format| [PlanOptions::default(), PlanOptions::default().with_fold(true)].map(|to| (format, to)))
    {
        let context = Context::detect(Pool::new(2)).with_precision(Precision::Highest).with_weights(Some(format));
        let plan = Plan::with(network.clone(), &params, options.clone(), context.clone());
        let rounded = plan.params();
        let (mut weights, mut error) = (0.0, 0.0);
        for ((entry, was), (_, is)) in params.tensors().zip(rounded.tensors()) {
            let (layer, _) = network.layout().find(&entry.name).expect("it is one of its tensors");
            let is_linear = matches!(network.network().layers[layer].layer, Layer::Linear(_));
            if is_linear && entry.name.ends_with(".weight") {
                weights += was.iter().map(|w| f64::from(w * w)).sum::<f64>();
                error += was.iter().zip(is).map(|(w, v)| f64::from(w - v).powi(2)).sum::<f64>();
            } else {
                assert_eq!(bits(is), bits(was), "{}: {}", format.name(), entry.name);
            }
        }
        // The weights here are uniform, which is easier to round than a normal distribution.
        let error = (error / weights).sqrt();
        assert!(error > 0.0 && error <= 1.05 * format.rms_error(), "{}: {error}", format.name());
        let context = context.with_weights(None);
        let (mut one, mut other) = (Workspace::default(), Workspace::default());
        let want = Plan::with(network.clone(), &rounded, options.clone(), context).run(batch, &mut other).to_vec();
        for (got, want) in plan.run(batch, &mut one).iter().zip(&want) {
            assert!((got - want).abs() <= 1e-4 * want.abs().max(1.0), "{}: {got}, {want}", format.name());
        }
    }
}

#[test]
fn rounded_weights_have_the_same_bits_for_any_number_of_threads_and_take_the_bytes_that_were_told() {
    let network = network();
    let params = plain_params(&network);
    let input: Vec<f32> = (0..9 * network.input_len()).map(|at| (at * at % 31) as f32 / 15.0 - 1.0).collect();
    let batch = network.batch(&input, 9).expect("nine rows");
    for (isa, format) in Isa::available().flat_map(|isa| Format::ALL.map(|format| (isa, format))) {
        let run = |threads| {
            let context = Context::new(isa, Pool::new(threads)).with_weights(Some(format));
            let plan = Plan::new(network.clone(), &params, context.clone());
            assert_eq!(plan.params_bytes(), Plan::params_bytes_for(&network, &context), "{context:?}");
            bits(plan.run(batch, &mut Workspace::default()))
        };
        let one = run(1);
        assert!([2, 7].into_iter().all(|threads| run(threads) == one), "{} {}", isa.name(), format.name());
    }
}

#[test]
fn a_plan_from_layers_is_the_plan_of_all_numbers() {
    let network = network();
    let params = Params::initialize(&network, 3);
    let input: Vec<f32> = (0..3 * network.input_len()).map(|at| (at * at % 31) as f32 / 15.0 - 1.0).collect();
    let batch = network.batch(&input, 3).expect("three rows");
    let whole = Plan::new(network.clone(), &params, Context::single());
    let mut asked = Vec::new();
    let fill = |layer: usize, weights: &mut [f32], state: &mut [f32]| {
        asked.push(layer);
        assert!(weights.iter().chain(state.iter()).all(|&value| value == 0.0), "layer {layer} begins with zeros");
        let (from_weights, from_state) = params.layer(layer);
        weights.copy_from_slice(&from_weights);
        state.copy_from_slice(&from_state);
        Ok::<(), String>(())
    };
    let plan = Plan::from_layers(network.clone(), PlanOptions::default(), Context::single(), fill).expect("it is full");
    assert_eq!(asked, (0..network.network().layers.len()).collect::<Vec<usize>>());
    assert_holds(&plan, &params, "from layers");
    let (mut one, mut other) = (Workspace::default(), Workspace::default());
    assert_eq!(bits(plan.run(batch, &mut one)), bits(whole.run(batch, &mut other)));
}

#[test]
fn the_first_error_of_a_layer_is_handed_on() {
    let fill = |layer: usize, _: &mut [f32], _: &mut [f32]| if layer == 4 { Err("the file ends") } else { Ok(()) };
    let plan = Plan::from_layers(network(), PlanOptions::default(), Context::single(), fill);
    assert_eq!(plan.expect_err("layer 4 fails"), "the file ends");
}

#[test]
#[should_panic(expected = "belong to this network")]
fn numbers_of_another_network_are_not_reloaded() {
    let other = Network::chain(Shape::new([2]), [Linear::new(3).into()]).check().expect("it fits");
    let network = network();
    let mut plan = Plan::new(network.clone(), &Params::zeros(&network), Context::single());
    plan.reload(&Params::zeros(&other));
}

#[test]
fn tensors_of_one_name_and_other_misfits_are_refused_with_all_their_names() {
    let network = Network::chain(Shape::new([2]), [Linear::new(3).into()]).check().expect("it fits");
    let tensor = |name: &str, shape: &[usize]| Tensor {
        name: name.to_string(),
        shape: shape.to_vec(),
        values: vec![0.5; shape.iter().product()].into(),
    };
    let (weight, bias) = (tensor("layers.0.weight", &[3, 2]), tensor("layers.0.bias", &[3]));
    let fitting = [bias.clone(), weight.clone()];
    assert_eq!(Params::from_tensors(&network, &fitting).expect("they fit").weights[..], [0.5; 9]);
    let short = Tensor { values: vec![0.5; 2].into(), ..bias.clone() };
    let cases: [(&[Tensor<'_>], &[&str]); 5] = [
        (&[weight.clone(), bias.clone(), bias.clone()], &["given twice: layers.0.bias [3]"]),
        (&[weight.clone(), tensor("layers.0.weight", &[1]), bias.clone()], &["given twice: layers.0.weight [1]"]),
        (std::slice::from_ref(&weight), &["missing: layers.0.bias [3]"]),
        (
            &[weight.clone(), tensor("layers.0.bias", &[3, 1]), tensor("other", &[1])],
            &["of another shape: layers.0.bias is [3, 1], not [3]", "not in the network: other [1]"],
        ),
        (&[weight.clone(), short], &["layers.0.bias", "expected 3", "2"]),
    ];
    for (tensors, says) in cases {
        let refusal = Params::from_tensors(&network, tensors).expect_err("they do not fit").to_string();
        for words in says {
            assert!(refusal.contains(words), "{words} is missing in: {refusal}");
        }
    }
}
