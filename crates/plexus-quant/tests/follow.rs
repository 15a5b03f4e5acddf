//! Training that sees the values of a network of whole numbers: forward those values to the bit, backward the derivatives of floats.

mod networks;

use networks::{networks, numbers, options, params};
use plexus_kernels::Context;
use plexus_kernels::isa::Isa;
use plexus_kernels::threads::Pool;
use plexus_nn::layer::RandomKey;
use plexus_nn::layers::{
    BatchNorm, Conv2d, Standardize, batch_norm, conv2d, dropout, flatten, layer_norm, linear, max_pool2d, relu,
};
use plexus_nn::{CheckedNetwork, Network, Params, TrainOptions, TrainPlan, Workspace};
use plexus_quant::{Calibrated, Follower, Options, QuantError, Samples, Scheme, quantize};
use std::sync::Arc;

const ROWS: usize = 9;

/// Networks with layers that are folded away, that stay float, and that do something else in training.
fn more_networks() -> Vec<(&'static str, Network)> {
    let whole = Standardize::new();
    vec![
        (
            "normalized maps",
            Network::chain(
                [2, 9, 9],
                vec![
                    whole.into(),
                    conv2d(4, 3),
                    batch_norm(),
                    relu(),
                    dropout(0.5),
                    max_pool2d(2),
                    Conv2d::new(3, 2).with_bias(false).into(),
                    relu(),
                    BatchNorm::new().into(),
                    flatten(),
                    linear(5),
                    batch_norm(),
                    linear(3),
                ],
            ),
        ),
        (
            "floats between",
            Network::chain(
                [6],
                vec![
                    Standardize::new().with_per_feature(true).into(),
                    linear(8),
                    layer_norm(),
                    relu(),
                    linear(7),
                    dropout(0.2),
                    linear(3),
                ],
            ),
        ),
    ]
}

fn all_networks() -> Vec<(&'static str, Arc<CheckedNetwork>)> {
    let all = networks().into_iter().chain(more_networks());
    all.map(|(name, network)| (name, Arc::new(network.check().unwrap_or_else(|error| panic!("{name}: {error}")))))
        .collect()
}

fn calibrated(network: &Arc<CheckedNetwork>, params: &Params, options: Options) -> Result<Calibrated, QuantError> {
    let input = numbers(ROWS * network.input_len(), 1);
    let samples = Samples { inputs: &[&input], rows: ROWS };
    Calibrated::new(network.clone(), params, samples, options, &Context::single())
}

fn training(network: &Arc<CheckedNetwork>, context: Context) -> TrainPlan {
    let options = TrainOptions::default().with_one_by_one(true).with_settled(true);
    TrainPlan::with(network.clone(), options, context)
}

/// Other numbers, as an update makes them.
fn moved(params: &Params) -> Params {
    let mut moved = params.clone();
    let steps = numbers(moved.weights.len(), 6);
    moved.weights.iter_mut().zip(steps).for_each(|(weight, step)| *weight += 0.03 * step);
    moved
}

/// Outputs of the forward pass of training, those of the network of whole numbers, and the gradient of the weights.
fn step(
    network: &Arc<CheckedNetwork>,
    follower: &mut Follower,
    params: &Params,
    context: Context,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let input = numbers(ROWS * network.input_len(), 5);
    let batch = network.batch(&input, ROWS).unwrap();
    let (mut plan, key) = (training(network, context), RandomKey { seed: 1, step: 2, layer: 0 });
    let mut rounded = params.clone();
    follower.take(params, &mut rounded).unwrap();
    follower.run(batch);
    let outputs = plan.forward_overwritten(&mut rounded, batch, key, follower).to_vec();
    let whole = follower.plan().run(batch, &mut Workspace::default()).to_vec();
    let factors = numbers(outputs.len(), 8);
    plan.output_and_grad(0).1.copy_from_slice(&factors);
    let mut grad = vec![0.0; params.weights.len()];
    plan.backward_overwritten(&rounded, (batch, key), &mut grad, false, follower);
    assert_eq!(rounded.state[..], params.state[..], "statistics stay");
    (outputs, whole, grad)
}

#[test]
fn the_outputs_of_training_are_those_of_the_network_of_whole_numbers_to_the_bit() {
    let mut steps = 0;
    for (name, network) in all_networks() {
        let params = params(&network);
        for (scheme, options) in options().into_iter().filter(|(_, options)| !options.equalize) {
            let place = format!("{name}, {scheme}");
            let calibrated = calibrated(&network, &params, options).unwrap_or_else(|error| panic!("{place}: {error}"));
            let params = moved(&params);
            let mut first = None;
            for context in [Context::new(Isa::Portable, Pool::single()), Context::detect(Pool::new(3))] {
                let portable = context.isa() == Isa::Portable;
                let mut follower = Follower::new(calibrated.clone(), &params, context.clone()).unwrap();
                let (outputs, whole, grad) = step(&network, &mut follower, &params, context);
                assert!(outputs == whole, "{place}: {outputs:?} {whole:?}");
                assert!(grad.iter().all(|grad| grad.is_finite()), "{place}");
                // Floats differ between instruction sets, whole numbers do not where nothing stays float.
                let first = first.get_or_insert_with(|| whole.clone());
                let floats =
                    follower.plan().network().network().layers.iter().any(|named| {
                        ["layer_norm", "linear", "standardize", "batch_norm"].contains(&named.layer.kind())
                    });
                assert!(floats || *first == whole, "{place}, portable: {portable}");
                steps += 1;
            }
        }
    }
    assert!(steps > 200, "{steps}");
}

#[test]
fn any_number_of_threads_gives_the_same_gradients() {
    for (name, network) in all_networks() {
        let params = params(&network);
        let calibrated = calibrated(&network, &params, Options::new(Scheme::Int4)).unwrap();
        let gradients = [1, 2, 5].map(|threads| {
            let context = Context::detect(Pool::new(threads));
            let mut follower = Follower::new(calibrated.clone(), &params, context.clone()).unwrap();
            step(&network, &mut follower, &params, context).2
        });
        assert!(gradients[0] == gradients[1] && gradients[0] == gradients[2], "{name}");
    }
}

/// With 16 bits everywhere the whole numbers are nearly the floats, and so are the gradients.
#[test]
fn gradients_of_fine_steps_are_those_of_floats() {
    // A layer_norm makes wide samples as narrow as the others: there, the largest values are cut off.
    for (name, network) in all_networks().into_iter().filter(|(name, _)| *name != "floats between") {
        let params = params(&network);
        let mut options = Options::new(Scheme::Int16);
        options.correct_bias = false;
        // All rows are well inside of the ranges.
        let input = numbers(ROWS * network.input_len(), 5);
        let wider: Vec<f32> = input.iter().map(|value| 1.5 * value).collect();
        let samples = Samples { inputs: &[&wider], rows: ROWS };
        let calibrated = Calibrated::new(network.clone(), &params, samples, options, &Context::single()).unwrap();
        let mut follower = Follower::new(calibrated, &params, Context::single()).unwrap();
        let (outputs, _, grad) = step(&network, &mut follower, &params, Context::single());
        let (mut plan, key) = (training(&network, Context::single()), RandomKey::default());
        let batch = network.batch(&input, ROWS).unwrap();
        plan.forward(&mut params.clone(), batch, key);
        let factors = numbers(outputs.len(), 8);
        plan.output_and_grad(0).1.copy_from_slice(&factors);
        let mut float = vec![0.0; params.weights.len()];
        plan.backward(&params, batch, key, &mut float, false);
        let norm = |values: &[f32]| values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        let difference: Vec<f32> = grad.iter().zip(&float).map(|(a, b)| a - b).collect();
        let share = norm(&difference) / norm(&float);
        assert!(share < 0.002, "{name}: {share}");
    }
}

#[test]
fn a_value_that_was_cut_off_gets_no_gradient_that_pushes_it_further_out() {
    let network = Arc::new(Network::chain([2], vec![linear(2)]).check().unwrap());
    let mut params = Params::zeros(&network);
    params.set("layers.0.weight", &[1.0, 0.0, 0.0, 1.0]);
    let samples = [1.0, -1.0, -1.0, 1.0];
    let samples = Samples { inputs: &[&samples], rows: 2 };
    let calibrated =
        Calibrated::new(network.clone(), &params, samples, Options::new(Scheme::Int16), &Context::single()).unwrap();
    // Twice the weights: of two of the numbers the range ends before them.
    params.set("layers.0.weight", &[2.0, 0.0, 0.0, 2.0]);
    let mut follower = Follower::new(calibrated, &params, Context::single()).unwrap();
    let input = [0.9, -0.9, 0.1, -0.1];
    let batch = network.batch(&input, 2).unwrap();
    let (mut plan, mut rounded) = (training(&network, Context::single()), params.clone());
    let mut gradient_of = |factors: [f32; 4]| {
        follower.take(&params, &mut rounded).unwrap();
        follower.run(batch);
        let outputs = plan.forward_overwritten(&mut rounded, batch, RandomKey::default(), &mut follower).to_vec();
        assert!((outputs[0] - 1.0).abs() < 1e-3 && (outputs[1] + 1.0).abs() < 1e-3, "{outputs:?}");
        plan.output_and_grad(0).1.copy_from_slice(&factors);
        let mut grad = vec![0.0; params.weights.len()];
        plan.backward_overwritten(&rounded, (batch, RandomKey::default()), &mut grad, false, &mut follower);
        grad[4..6].to_vec()
    };
    // The gradients of the biases: of the first row only those that lead back, of the second all.
    assert_eq!(gradient_of([-1.0, 1.0, -8.0, 8.0]), [-8.0, 8.0]);
    assert_eq!(gradient_of([1.0, -1.0, -8.0, 8.0]), [-7.0, 7.0]);
}

#[test]
fn the_same_numbers_give_the_network_that_quantize_gives() {
    for (name, network) in all_networks() {
        let params = params(&network);
        for scheme in Scheme::ALL {
            let input = numbers(ROWS * network.input_len(), 1);
            let samples = Samples { inputs: &[&input], rows: ROWS };
            let options = Options::new(scheme);
            let quantized = quantize(&network, &params, samples, &options, &Context::single()).unwrap();
            let followed = calibrated(&network, &params, options).unwrap().quantize(&params).unwrap();
            assert!(*quantized.network.network() == *followed.network.network(), "{name}, {}", scheme.name());
            assert!(quantized.params.weights[..] == followed.params.weights[..], "{name}, {}", scheme.name());
        }
    }
}

#[test]
fn ranges_that_were_kept_give_the_same_numbers() {
    for (name, network) in all_networks() {
        let params = params(&network);
        for scheme in Scheme::ALL {
            let mut options = Options::new(scheme);
            options.correct_bias = false;
            let fresh = calibrated(&network, &params, options.clone()).unwrap();
            let kept = serde_json::to_string(fresh.statistics()).unwrap();
            let params = moved(&params);
            let read = serde_json::from_str(&kept).unwrap();
            let again = Calibrated::with_statistics(network.clone(), &params, read, options.clone()).unwrap();
            let [fresh, again] = [fresh, again].map(|calibrated| calibrated.quantize(&params).unwrap());
            assert!(fresh.network.network() == again.network.network(), "{name}, {}", scheme.name());
            assert!(fresh.params.weights[..] == again.params.weights[..], "{name}, {}", scheme.name());
        }
    }
    let [first, other] = ["perceptron", "lenet"].map(|wanted| {
        let (_, network) = all_networks().into_iter().find(|(name, _)| *name == wanted).unwrap();
        network
    });
    let of_first = calibrated(&first, &params(&first), Options::new(Scheme::Int8)).unwrap().statistics().clone();
    let refused = Calibrated::with_statistics(other.clone(), &params(&other), of_first, Options::new(Scheme::Int8));
    assert!(matches!(refused, Err(QuantError::Statistics)));
}
