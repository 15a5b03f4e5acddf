//! Fully connected layers as convolutions.
//!
//! ```text
//! behind a flatten of maps [C, H, W]:  kernel[o, c, i, j] = weight[o, place of (c, i, j) in the row],   H x W, stride 1
//! elsewhere:                           kernel[o, i, 0, 0] = weight[o, i],                                1 x 1
//! ```
//!
//! What follows works on maps of one pixel as it worked on rows, and is carried along: activations, dropout, batch norm, softmax
//! (over the channels now), sums and concatenations. Before a layer of which that is not known a flatten is written.
//!
//! # Source
//! Long, Shelhamer and Darrell 2015 (arXiv 1411.4038), section 3.1.

use super::rewrite::{Other, Rewrite, Written, chosen, place_in_row};
use super::{ConvertError, KernelForm};
use crate::check::CheckedNetwork;
use crate::layers::{Conv2d, Layer, Linear, LogSoftmax, Order, Pair, Softmax};
use crate::shape::Shape;

pub(super) fn rewrite<'a>(mut to: Rewrite<'a>, form: KernelForm, named: &[usize]) -> Result<Written<'a>, ConvertError> {
    const EXPECTED: &str = "a linear layer that reads one row, [features]";
    const HELP: &str = "Steps [steps, features] go through a linear layer one by one: they are no maps.";
    let network = to.network;
    let layers = network.network().layers.len();
    let why_not = |index: usize| {
        let (layer, input) = (&network.network().layers[index].layer, network.input_shapes(index)[0]);
        match layer {
            Layer::Linear(_) if matches!(input.axes(), [features] if *features > 0) => None,
            Layer::Linear(_) => Some(format!("a linear layer that reads {input}")),
            other => Some(format!("a layer of kind {}", other.kind())),
        }
    };
    let nothing = |_| to.nothing(EXPECTED, Vec::new(), "A network of convolutions alone slides already.");
    let unfit = |index, got: String| to.unfit(index, EXPECTED, got, HELP);
    let chosen = chosen(layers, named, why_not, nothing, unfit)?;
    let leads = leads(network, &chosen);

    for (index, chosen) in chosen.into_iter().enumerate() {
        let (value, reads) = (network.value_of(index), network.reads(index));
        let (layer, first) = (&to.layer(index).layer, reads[0]);
        let input = network.shape(first);
        match layer {
            Layer::Linear(linear) if chosen => {
                let one_pixel = Shape::new([input.axes()[0], 1, 1]);
                let maps = to.as_other(first, one_pixel, Order::default());
                convolution(&mut to, index, linear, &maps);
            }
            // The maps in front of it go on.
            Layer::Flatten(flatten) if form == KernelForm::Map && leads[value.index()] && input.axes().len() == 3 => {
                let (name, shape, order) = (to.was(first), input.clone(), flatten.order);
                to.set_other(value, Other { name, shape, order });
            }
            Layer::AdaptiveAvgPool2d(_) if form == KernelForm::Map && leads[value.index()] => {
                // In front of fully connected layers it makes one size of all; convolutions want none of that.
                if input == network.shape(value) {
                    to.alias(value, first);
                } else {
                    let note = format!(
                        "{} stays: it brings maps of {input} to {}, so that larger images still have one answer. \
                         Where it changes no size, as at the size that the weights were made for, it is left out.",
                        network.label(index),
                        network.shape(value)
                    );
                    to.notes.push(note);
                    to.keep(index);
                }
            }
            // A row of a row.
            Layer::Flatten(_) if input.axes().len() == 1 => to.alias(value, first),
            layer => {
                let carried = carried(&to, layer, index);
                to.carry(index, carried);
            }
        }
    }
    to.finish(false)
}

/// Writes a fully connected layer as a convolution over maps.
fn convolution(to: &mut Rewrite<'_>, index: usize, linear: &Linear, maps: &Other) {
    let &[channels, height, width] = maps.shape.axes() else { unreachable!("the other form of a row is maps") };
    let kernel = if height == width { Pair::Both(height) } else { Pair::Each([height, width]) };
    let layer = Conv2d::new(linear.out_features, kernel)
        .with_in_channels(channels)
        .with_bias(linear.bias)
        .with_weight_init(linear.weight_init)
        .with_bias_init(linear.bias_init);
    let name = to.push(&to.layer(index).name, vec![maps.name.clone()], layer);
    let (features, order) = (channels * height * width, maps.order);
    to.fill(&name, "weight", index, move |weight, kernels| {
        // The bias behind the weight has no kernel to go to.
        for (kernel, row) in kernels.chunks_exact_mut(features).zip(weight.chunks_exact(features)) {
            for (at, to) in kernel.iter_mut().enumerate() {
                let place = [at / (height * width), at / width % height, at % width];
                *to = row[place_in_row(order, [channels, height, width], place)];
            }
        }
    });
    to.fill(&name, "bias", index, |weights, bias| bias.copy_from_slice(&weights[weights.len() - bias.len()..]));
    let shape = Shape::new([linear.out_features, 1, 1]);
    to.set_other(to.network.value_of(index), Other { name, shape, order: Order::default() });
}

/// The layer that does to maps what a layer does to the rows that they stand for, and the shape and order of what it gives;
/// `None` where the values are not there as maps, or there is no such layer.
fn carried(to: &Rewrite<'_>, layer: &Layer, index: usize) -> Option<(Layer, Shape, Order)> {
    let (all, pixels) = to.others(index)?;
    let Other { shape, order, .. } = *all.first()?;
    let same = |layer: Layer| Some((layer, shape.clone(), *order));
    match layer {
        Layer::Activation(_) | Layer::Dropout(_) => same(layer.clone()),
        Layer::Standardize(standardize) if !standardize.per_feature => same(layer.clone()),
        Layer::BatchNorm(_) if pixels => same(layer.clone()),
        Layer::Softmax(_) if pixels => same(Softmax::new().with_axis(0).into()),
        Layer::LogSoftmax(_) if pixels => same(LogSoftmax::new().with_axis(0).into()),
        Layer::Add(_) if all.iter().all(|other| other.shape == *shape && (pixels || other.order == *order)) => {
            same(layer.clone())
        }
        Layer::Concat(_) if pixels => {
            let channels = all.iter().map(|other| other.shape.axes()[0]).sum();
            Some((layer.clone(), Shape::new([channels, 1, 1]), Order::default()))
        }
        _ => None,
    }
}

/// For each value whether a layer that is converted reads it, through nothing but layers that are carried along.
fn leads(network: &CheckedNetwork, chosen: &[bool]) -> Vec<bool> {
    let mut leads = vec![false; network.values().count()];
    for index in (0..chosen.len()).rev() {
        let passes = match &network.network().layers[index].layer {
            Layer::Activation(_) | Layer::Dropout(_) | Layer::Flatten(_) | Layer::AdaptiveAvgPool2d(_) => true,
            Layer::Standardize(standardize) => !standardize.per_feature,
            _ => false,
        };
        if chosen[index] || passes && leads[network.value_of(index).index()] {
            network.reads(index).iter().for_each(|read| leads[read.index()] = true);
        }
    }
    leads
}
