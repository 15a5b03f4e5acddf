//! Networks with every layer that has an integer form, and all ways to make them of whole numbers.
#![allow(dead_code, reason = "each test file uses a part of it")]

use plexus_nn::integer::{Rounding, ShiftRounding};
use plexus_nn::layers::{
    Activation, AvgPool2d, Concat, Conv2d, ConvTranspose2d, Flatten, Layer, Linear, MaxPool2d, Order, Padding, Reshape,
    Unflatten, avg_pool2d, conv2d, dropout, flatten, global_avg_pool, leaky_relu, linear, max_pool2d, relu, sigmoid,
    softmax, tanh,
};
use plexus_nn::{CheckedNetwork, Graph, Network, Params, Shape};
use plexus_quant::{Options, Scheme};

/// Numbers that wander between −2 and 2.
pub fn numbers(len: usize, seed: usize) -> Vec<f32> {
    let wave = |at: usize| ((at * (seed + 3)) as f32 * 0.713).sin() + ((at + seed * seed) as f32 * 0.191).cos();
    (0..len).map(wave).collect()
}

/// Networks with every layer that has an integer form.
pub fn networks() -> Vec<(&'static str, Network)> {
    let chain = |name, input: &[usize], layers: Vec<Layer>| (name, Network::chain(Shape::new(input), layers));
    let mut all = vec![
        chain("perceptron", &[13], vec![linear(9), relu(), linear(8), tanh(), linear(3)]),
        chain("steps", &[4, 5], vec![linear(6), relu(), linear(3), flatten(), linear(2)]),
        chain(
            "lenet",
            &[1, 12, 12],
            vec![
                Conv2d::new(4, 3).with_padding(1).into(),
                relu(),
                max_pool2d(2),
                conv2d(5, 3),
                relu(),
                avg_pool2d(2),
                flatten(),
                linear(7),
                relu(),
                dropout(0.5),
                linear(4),
                softmax(),
            ],
        ),
        chain(
            "forms",
            &[4, 9, 7],
            vec![
                Conv2d::new(6, [3, 2])
                    .with_groups(2)
                    .with_stride([2, 1])
                    .with_padding(Padding::Sides([1, 0, 2, 1]))
                    .into(),
                Activation::new(plexus_nn::layers::sigmoid().function().unwrap()).into(),
                Conv2d::new(6, 2).with_groups(6).with_dilation(2).with_bias(false).into(),
                relu(),
                MaxPool2d::new(2).with_stride(1).with_ceil_mode(true).into(),
                ConvTranspose2d::new(3, 3).with_stride(2).with_padding(1).into(),
                leaky_relu(0.1),
                Flatten::new().with_order(Order::ChannelsLast).into(),
                Linear::new(5).with_bias(false).into(),
            ],
        ),
        chain(
            "pools",
            &[3, 8, 8],
            vec![
                relu(),
                AvgPool2d::new(3).with_stride(2).with_padding(1).with_count_include_pad(false).into(),
                conv2d(4, 1),
                relu(),
                global_avg_pool(),
                linear(3),
                sigmoid(),
            ],
        ),
        chain(
            "axes",
            &[2, 6],
            vec![
                Reshape::new([3, 4, 1]).into(),
                conv2d(4, [2, 1]),
                Reshape::new([2, 6, 1]).into(),
                conv2d(3, [2, 1]),
                flatten(),
                Unflatten::new([5, 3, 1]).into(),
                conv2d(2, 1),
                Flatten::new().into(),
                relu(),
            ],
        ),
    ];
    let mut graph = Graph::new();
    let input = graph.input("input", [2, 6, 6]);
    let first = graph.layer(Conv2d::new(4, 3).with_padding(1), &[input]);
    let first = graph.relu(first);
    let second = graph.layer(Conv2d::new(4, 3).with_padding(1), &[first]);
    let sum = graph.layer(plexus_nn::layers::Add::new(), &[first, second]);
    let sum = graph.relu(sum);
    let joined = graph.layer(Concat::new(), &[sum, first]);
    let flat = graph.flatten(joined);
    let end = graph.linear(flat, 3);
    all.push(("skip", graph.output(end).unwrap()));
    all
}

/// Every scheme, and the options that change the arithmetic.
pub fn options() -> Vec<(String, Options)> {
    let mut all: Vec<(String, Options)> =
        Scheme::ALL.into_iter().map(|scheme| (scheme.name().to_string(), Options::new(scheme))).collect();
    for (name, scheme, change) in [
        ("int8 single", Scheme::Int8, (|o| o.rounding = Rounding::Single) as fn(&mut Options)),
        ("int8 float64", Scheme::Int8, |o| o.rounding = Rounding::Float64),
        ("int8 float32", Scheme::Int8PerChannel, |o| o.rounding = Rounding::Float32Even),
        ("q7 floor", Scheme::Q7, |o| o.shift_rounding = ShiftRounding::Floor),
        ("q15 wrapping", Scheme::Q15, |o| o.wrap = true),
        ("q7 interleaved", Scheme::Q7, |o| o.interleaved = true),
        ("q15 interleaved", Scheme::Q15, |o| o.interleaved = true),
        ("q7q15 interleaved", Scheme::Q7Q15, |o| o.interleaved = true),
        ("int8 equalized", Scheme::Int8, |o| o.equalize = true),
    ] {
        let mut options = Options::new(scheme);
        change(&mut options);
        all.push((name.to_string(), options));
    }
    all
}

/// Weights for a network, none of them zero.
pub fn params(network: &CheckedNetwork) -> Params {
    let mut params = Params::initialize(network, 3);
    for (at, weight) in params.weights.iter_mut().enumerate() {
        *weight += 0.05 * ((at * 37 % 11) as f32 - 5.0) / 5.0;
    }
    params
}
