//! Weights of layers that stand behind each other, brought to like sizes.
//!
//! Of two layers with a ReLU between, a channel of the first may be divided by any positive number and the weights of the second that
//! read it multiplied by the same: the network computes what it did. So that one scale for a whole tensor serves all channels, both
//! get the same largest weight in each channel:
//!
//! ```text
//! s[c] = sqrt(max |first[c, :]| / max |second[:, c]|)        first[c, :] / s[c], bias[c] / s[c], second[:, c] · s[c]
//! ```
//!
//! # Source
//! Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV), section 4.1.

use plexus_kernels::map::Function;
use plexus_nn::layers::{Activation, Layer, Order};
use plexus_nn::{CheckedNetwork, Params};

/// Scales beyond this are left alone: the largest weights of a dead channel are noise.
const MOST: f32 = 1024.0;

/// Goes over all pairs so often: each changes its neighbors.
const ROUNDS: usize = 20;

/// Two layers of products, and how the columns of the second read the channels of the first.
struct Pair {
    first: usize,
    second: usize,
    /// Numbers of one channel that stand side by side where maps became one axis; 1 otherwise.
    pixels: usize,
    order: Order,
}

/// Equalizes all pairs of a network. Returns what there is to say.
pub fn equalize(network: &CheckedNetwork, params: &mut Params) -> Option<String> {
    let pairs: Vec<Pair> = (0..network.network().layers.len()).filter_map(|first| pair(network, first)).collect();
    for _ in 0..ROUNDS {
        pairs.iter().for_each(|pair| equalize_pair(network, params, pair));
    }
    pairs.is_empty().then(|| {
        "No two layers stand behind each other with only a relu or a pooling between: nothing was equalized."
            .to_string()
    })
}

/// Whether a layer is one of products whose channels can be scaled.
fn is_product(layer: &Layer) -> bool {
    match layer {
        Layer::Linear(_) => true,
        Layer::Conv2d(conv) => conv.groups == 1,
        _ => false,
    }
}

fn pair(network: &CheckedNetwork, first: usize) -> Option<Pair> {
    let layer = |index: usize| &network.network().layers[index].layer;
    if !is_product(layer(first)) {
        return None;
    }
    let (mut value, mut pixels, mut order) = (network.value_of(first), 1, Order::ChannelsFirst);
    loop {
        let readers = (0..network.network().layers.len()).filter(|index| network.reads(*index).contains(&value));
        let readers: Vec<usize> = readers.collect();
        let [reader] = readers[..] else { return None };
        if network.outputs().contains(&value) {
            return None;
        }
        match layer(reader) {
            second if is_product(second) => {
                // Of a sequence the last axis is the channels, as of a row.
                return Some(Pair { first, second: reader, pixels, order });
            }
            Layer::Activation(Activation { activation: Function::Relu | Function::LeakyRelu { .. }, .. })
            | Layer::MaxPool2d(_)
            | Layer::AvgPool2d(_)
            | Layer::GlobalAvgPool(_)
            | Layer::Dropout(_) => {}
            Layer::Flatten(flatten) => {
                if let &[_, height, width] = network.shape(value).axes() {
                    (pixels, order) = (height * width, flatten.order);
                }
            }
            _ => return None,
        }
        value = network.value_of(reader);
    }
}

fn equalize_pair(network: &CheckedNetwork, params: &mut Params, pair: &Pair) {
    let layout = network.layout().clone();
    let entry = |layer: usize, role: &str| layout.entries_of(layer).iter().find(|entry| entry.role == role);
    let (Some(first), Some(second)) = (entry(pair.first, "weight"), entry(pair.second, "weight")) else { return };
    let channels = first.shape[0];
    let own = first.range.len() / channels.max(1);
    // The channel that a weight of the second layer reads.
    let (cols, taps) = (second.shape[1], second.shape[2..].iter().product::<usize>());
    if channels == 0 || cols != channels * pair.pixels {
        return;
    }
    let channel = |at: usize| {
        let col = at / taps.max(1) % cols;
        if pair.order == Order::ChannelsFirst { col / pair.pixels } else { col % channels }
    };
    let largest = |most: &mut f32, weight: &f32| *most = most.max(weight.abs());
    let (mut most_first, mut most_second) = (vec![0.0f32; channels], vec![0.0f32; channels]);
    params.values(first).iter().enumerate().for_each(|(at, weight)| largest(&mut most_first[at / own], weight));
    params.values(second).iter().enumerate().for_each(|(at, weight)| largest(&mut most_second[channel(at)], weight));
    let scale = |(first, second): (&f32, &f32)| {
        let scale = (first / second).sqrt();
        if scale.is_finite() && (1.0 / MOST..=MOST).contains(&scale) { scale } else { 1.0 }
    };
    let scales: Vec<f32> = most_first.iter().zip(&most_second).map(scale).collect();
    params.values_mut(first).iter_mut().enumerate().for_each(|(at, weight)| *weight /= scales[at / own]);
    if let Some(bias) = entry(pair.first, "bias") {
        params.values_mut(bias).iter_mut().zip(&scales).for_each(|(bias, scale)| *bias /= scale);
    }
    params.values_mut(second).iter_mut().enumerate().for_each(|(at, weight)| *weight *= scales[channel(at)]);
}
