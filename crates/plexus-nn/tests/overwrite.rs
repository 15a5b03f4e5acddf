//! Training whose layers behave as in a prediction, and whose values someone else writes.

use plexus_kernels::Context;
use plexus_kernels::random::{Random, Stream};
use plexus_nn::layer::RandomKey;
use plexus_nn::layers::{batch_norm, conv2d, dropout, flatten, layer_norm, linear, max_pool2d, relu};
use plexus_nn::{
    CheckedNetwork, Network, Overwrite, Params, Plan, TrainOptions, TrainPlan, ValueId, ViewMut, Workspace,
};
use std::collections::HashMap;
use std::sync::Arc;

fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut numbers = vec![0.0; len];
    Random::new(seed, Stream::Init, [7, 7]).normal(0.0, 1.0, &mut numbers);
    numbers
}

fn conv_network() -> Arc<CheckedNetwork> {
    let layers = vec![
        conv2d(4, 3),
        batch_norm(),
        relu(),
        max_pool2d(2),
        dropout(0.5),
        flatten(),
        linear(6),
        batch_norm(),
        relu(),
        linear(3),
    ];
    Arc::new(Network::chain([2, 8, 8], layers).check().unwrap())
}

/// Numbers whose running statistics are no longer those of the beginning.
fn trained(network: &CheckedNetwork) -> Params {
    let mut params = Params::initialize(network, 3);
    let state: Vec<f32> = numbers(params.state.len(), 4).iter().map(|x| 0.5 + x.abs()).collect();
    params.state.copy_from_slice(&state);
    params
}

fn settled(network: &Arc<CheckedNetwork>) -> TrainPlan {
    let options = TrainOptions::default().with_one_by_one(true).with_settled(true);
    TrainPlan::with(network.clone(), options, Context::single())
}

const KEY: RandomKey = RandomKey { seed: 1, step: 2, layer: 0 };

#[test]
fn settled_layers_behave_as_in_a_prediction_and_their_gradients_are_its_derivatives() {
    let network = conv_network();
    let mut params = trained(&network);
    let rows = 3;
    let input = numbers(rows * network.input_len(), 9);
    let batch = network.batch(&input, rows).unwrap();
    let predicted = |params: &Params| {
        let plan = Plan::new(network.clone(), params, Context::single());
        plan.run(batch, &mut Workspace::default()).to_vec()
    };
    let (state, expected) = (params.state.to_vec(), predicted(&params));
    let mut plan = settled(&network);
    let outputs = plan.forward(&mut params, batch, KEY).to_vec();
    for (got, want) in outputs.iter().zip(&expected) {
        assert!((got - want).abs() < 1e-5, "{got} {want}");
    }
    assert_eq!(params.state[..], state[..], "running statistics stay");
    // The sum of the outputs, each with a factor, by one weight of each tensor.
    let factors = numbers(outputs.len(), 11);
    plan.output_and_grad(0).1.copy_from_slice(&factors);
    let mut grad = vec![0.0; params.weights.len()];
    plan.backward(&params, batch, KEY, &mut grad, false);
    let sum = |params: &Params| -> f64 {
        predicted(params).iter().zip(&factors).map(|(y, f)| f64::from(*y) * f64::from(*f)).sum()
    };
    for entry in network.layout().entries().iter().filter(|entry| entry.trainable) {
        let at = entry.range.start + entry.range.len() / 2;
        let step = 1e-2;
        let difference: f64 = [step, -step]
            .map(|step| {
                let mut params = params.clone();
                params.weights[at] += step;
                sum(&params)
            })
            .iter()
            .zip([1.0, -1.0])
            .map(|(sum, sign)| sum * sign)
            .sum();
        let slope = difference / (2.0 * f64::from(step));
        let got = f64::from(grad[at]);
        assert!((got - slope).abs() < 2e-2 * (1.0 + slope.abs()), "{}: {got} {slope}", entry.name);
    }
}

/// Writes some values, and keeps what it was told.
#[derive(Default)]
struct Writer {
    values: HashMap<ValueId, Vec<f32>>,
    told: Vec<ValueId>,
    grads: HashMap<ValueId, Vec<f32>>,
    /// Gradients of these become zero.
    cut: Vec<ValueId>,
}

impl Overwrite for Writer {
    fn value(&mut self, value: ValueId, mut numbers: ViewMut<'_>) {
        self.told.push(value);
        if let Some(values) = self.values.get(&value) {
            numbers.f32().copy_from_slice(values);
        }
    }

    fn gradient(&mut self, value: ValueId, mut grad: ViewMut<'_>) {
        if self.cut.contains(&value) {
            grad.f32().fill(0.0);
        }
        self.grads.insert(value, grad.f32().to_vec());
    }
}

#[test]
fn what_is_written_over_a_value_is_what_all_later_layers_read_on_both_ways() {
    let layers = vec![linear(5), relu(), linear(2)];
    let network = Arc::new(Network::chain([3], layers).check().unwrap());
    let mut params = trained(&network);
    let (rows, input) = (2, numbers(6, 1));
    let batch = network.batch(&input, rows).unwrap();
    let [first, hidden, last] = [0, 1, 2].map(|index| network.value_of(index));
    let values = vec![0.5, 0.0, 2.0, 0.0, 1.0, 0.0, 0.25, 0.0, 3.0, 0.0];
    let mut writer = Writer { values: HashMap::from([(hidden, values.clone())]), ..Writer::default() };
    let mut plan = settled(&network);
    let outputs = plan.forward_overwritten(&mut params, batch, KEY, &mut writer).to_vec();
    assert_eq!(writer.told, [first, hidden, last]);
    let (weight, bias) = (params.by_name("layers.2.weight").unwrap(), params.by_name("layers.2.bias").unwrap());
    for (row, outputs) in outputs.chunks(2).enumerate() {
        for (output, got) in outputs.iter().enumerate() {
            let products = values[row * 5..][..5].iter().zip(&weight[output * 5..]).map(|(x, w)| x * w);
            assert!((got - products.sum::<f32>() - bias[output]).abs() < 1e-5);
        }
    }
    plan.output_and_grad(0).1.copy_from_slice(&[1.0, 0.0, 0.0, 1.0]);
    let mut grad = vec![0.0; params.weights.len()];
    plan.backward_overwritten(&params, (batch, KEY), &mut grad, false, &mut writer);
    let of = |name: &str| {
        let (_, entry) = network.layout().find(name).unwrap();
        entry.range.clone()
    };
    assert_eq!(grad[of("layers.2.weight")], values[..], "one output for each row");
    // The derivative of relu is that of the written values.
    let hidden_grad = &writer.grads[&first];
    for (grad, value) in hidden_grad.iter().zip(&values) {
        assert!(if *value > 0.0 { *grad != 0.0 } else { *grad == 0.0 }, "{value}: {grad}");
    }
    // What is changed in a gradient is what the layers before read.
    writer.cut = vec![hidden];
    plan.forward_overwritten(&mut params, batch, KEY, &mut writer);
    plan.output_and_grad(0).1.copy_from_slice(&[1.0, 0.0, 0.0, 1.0]);
    plan.backward_overwritten(&params, (batch, KEY), &mut grad, false, &mut writer);
    assert!(grad[of("layers.0.weight")].iter().all(|grad| *grad == 0.0));
    assert_eq!(grad[of("layers.2.weight")], values[..]);
}

#[test]
fn who_writes_nothing_changes_no_bit() {
    let network = conv_network();
    let other = Arc::new(Network::chain([6], vec![linear(5), layer_norm(), relu(), linear(2)]).check().unwrap());
    for network in [network, other] {
        let (mut params, rows) = (trained(&network), 3);
        let input = numbers(rows * network.input_len(), 9);
        let batch = network.batch(&input, rows).unwrap();
        let factors = numbers(rows * network.output().len().unwrap(), 11);
        let mut steps = [false, true]
            .map(|written| {
                let (mut plan, mut writer) = (settled(&network), Writer::default());
                let outputs = match written {
                    false => plan.forward(&mut params, batch, KEY).to_vec(),
                    true => plan.forward_overwritten(&mut params, batch, KEY, &mut writer).to_vec(),
                };
                plan.output_and_grad(0).1.copy_from_slice(&factors);
                let mut grad = vec![0.0; params.weights.len()];
                match written {
                    false => plan.backward(&params, batch, KEY, &mut grad, false),
                    true => plan.backward_overwritten(&params, (batch, KEY), &mut grad, false, &mut writer),
                }
                (outputs, grad)
            })
            .into_iter();
        assert!(steps.next() == steps.next());
    }
}
