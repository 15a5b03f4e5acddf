//! Fully connected layers with the bias as the first column of the weight.
//!
//! ```text
//! output[o] = Σ_i absorbed[o, i] · [1, input][i]
//! ```
//!
//! The one in front of the input is written by layers that are there: the row becomes a map, which gets one column of ones on its
//! left, and is a row again.

use super::ConvertError;
use super::absorbed_bias::absorb;
use super::rewrite::{Rewrite, Written, chosen};
use crate::layers::{Layer, Linear, Pad, Reshape};
use crate::shape::Shape;

pub(super) fn rewrite<'a>(mut to: Rewrite<'a>, named: &[usize]) -> Result<Written<'a>, ConvertError> {
    const EXPECTED: &str = "a linear layer with a bias that reads [features], [steps, features] or three axes";
    let network = to.network;
    let layers = network.network().layers.len();
    let why_not = |index: usize| {
        let (layer, input) = (&network.network().layers[index].layer, network.input_shapes(index)[0]);
        match layer {
            Layer::Linear(linear) if !linear.bias => Some("a linear layer without a bias".to_string()),
            Layer::Linear(linear) if input.is_empty() || input.axes().len() > 3 || linear.out_features == 0 => {
                Some(format!("a linear layer from {input} to {} features", linear.out_features))
            }
            Layer::Linear(_) => None,
            other => Some(format!("a layer of kind {}", other.kind())),
        }
    };
    let nothing = |_| to.nothing(EXPECTED, Vec::new(), "");
    let unfit = |index, got: String| to.unfit(index, EXPECTED, got, "");
    let chosen = chosen(layers, named, why_not, nothing, unfit)?;

    for (index, chosen) in chosen.into_iter().enumerate() {
        match &to.layer(index).layer {
            Layer::Linear(linear) if chosen => absorbed(&mut to, index, linear),
            _ => to.keep(index),
        }
    }
    to.finish(true)
}

fn absorbed(to: &mut Rewrite<'_>, index: usize, linear: &Linear) {
    let (own, read) = (&to.layer(index).name, to.network.reads(index)[0]);
    let input = to.network.shape(read);
    let features = input.last().unwrap_or(0);
    let mut from = to.was(read);
    let axes = input.axes();
    if axes.len() < 3 {
        let map = Shape::new([&[1, 1][..2 - (axes.len() - 1)], axes].concat());
        from = to.push_new(own, "map", vec![from], Reshape::new(map));
    }
    from = to.push_new(own, "one", vec![from], Pad::new([0, 1, 0, 0]).with_value(1.0));
    if axes.len() < 3 {
        from = to.push_new(own, "row", vec![from], Reshape::new(input.with_last(features + 1)));
    }
    let layer = Linear::new(linear.out_features)
        .with_in_features(features + 1)
        .with_bias(false)
        .with_weight_init(linear.weight_init);
    let name = to.push(own, vec![from], layer);
    let len = features * linear.out_features;
    to.fill(&name, "weight", index, move |weights, to| to.copy_from_slice(&absorb(&weights[..len], &weights[len..])));
    to.set(to.network.value_of(index), name);
}
