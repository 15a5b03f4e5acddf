//! What only scales and shifts in a prediction becomes part of the weights beside it, in the network itself.
//!
//! A plan does the same when a model is opened ([`PlanOptions::fold`](crate::PlanOptions::fold)), by the same arithmetic and with
//! the same bits; there the network stays as it is. Here it is another one, for good: training goes on without the layers.

use super::ConvertError;
use super::rewrite::{Rewrite, Written};
use crate::check::{CheckedNetwork, ValueId};
use crate::fold::{self, Fold, Scales};
use crate::layers::Layer;
use crate::params::{LayerParams, Params};
use std::collections::HashMap;

pub(super) fn rewrite<'a>(
    mut to: Rewrite<'a>,
    params: Option<&Params>,
    named: &[usize],
    keep: &[String],
) -> Result<Written<'a>, ConvertError> {
    const EXPECTED: &str = "a batch_norm or standardize beside a linear or conv2d layer, with nothing else reading the value \
                            between them";
    let Some(params) = params else {
        return Err(to.nothing("the numbers of the network", Vec::new(), "Weights are what is folded into."));
    };
    let network = to.network;
    let layers = &network.network().layers;
    let keep: Vec<ValueId> = keep.iter().filter_map(|name| network.value(name)).collect();
    let found = fold::find(network, &keep, true);
    let fold_of = |index: usize| found.iter().position(|fold| fold.away().chain([fold.layer]).any(|of| of == index));
    for &index in named {
        if fold_of(index).is_none() {
            let got = format!("a layer of kind {} without", layers[index].layer.kind());
            let help = "A layer in front of a padded convolution, or one with several readers, stays.";
            return Err(to.unfit(index, EXPECTED, got, help));
        }
    }
    let wanted = |at: usize| named.is_empty() || named.iter().any(|index| fold_of(*index) == Some(at));
    // The new weights and bias of each layer with something folded into it.
    let mut folded = HashMap::new();
    let mut away = Vec::new();
    let mut refused = Vec::new();
    for (_, fold) in found.iter().enumerate().filter(|(at, _)| wanted(*at)) {
        match weights(network, params, fold) {
            Some(numbers) => {
                away.extend(fold.away());
                folded.insert(fold.layer, numbers);
            }
            None => refused.push(fold),
        }
    }
    const FORBID: &str =
        "a number would be infinite, NaN or vanish, or a mean is too far from zero for its digits to stay";
    if let Some(fold) = refused.iter().find(|_| !named.is_empty()) {
        let expected = "numbers that can be multiplied into the weights";
        return Err(to.unfit(fold.layer, expected, format!("such that {FORBID}"), ""));
    }
    for fold in &refused {
        to.notes.push(format!("{} stays as it is: {FORBID}.", network.label(fold.layer)));
    }
    if folded.is_empty() {
        let got = refused.iter().map(|fold| format!("{}: {FORBID}", network.label(fold.layer))).collect();
        return Err(to.nothing(EXPECTED, got, ""));
    }
    for (index, named) in layers.iter().enumerate() {
        if away.contains(&index) {
            to.alias(network.value_of(index), network.reads(index)[0]);
            continue;
        }
        let Some((weight, bias)) = folded.remove(&index) else {
            to.keep(index);
            to.same.push((network.value_of(index), named.name.clone()));
            continue;
        };
        let fold = found.iter().find(|fold| fold.layer == index).expect("it has something folded into it");
        to.same.push((fold.value(network), named.name.clone()));
        let layer = match &named.layer {
            Layer::Linear(linear) => linear.clone().with_bias(true).into(),
            Layer::Conv2d(conv) => conv.with_bias(true).into(),
            other => other.clone(),
        };
        let inputs = network.reads(index).iter().map(|read| to.was(*read)).collect();
        let name = to.push(&named.name, inputs, layer);
        to.fill(&name, "weight", index, move |_, to| to.copy_from_slice(&weight));
        to.fill(&name, "bias", index, move |_, to| to.copy_from_slice(&bias));
        to.set(network.value_of(index), name);
    }
    to.finish(true)
}

/// The weight and the bias of a layer with others folded into it; `None` where the numbers forbid it.
fn weights(network: &CheckedNetwork, params: &Params, fold: &Fold) -> Option<(Vec<f32>, Vec<f32>)> {
    let scales = Scales::new(network, fold, |index| {
        let (weights, state) = params.layer(index);
        network.network().layers[index].layer.affine(&weights, &state)
    })?;
    let mut numbers = params.layer(fold.layer).0.into_owned();
    let (bias, _) = scales.fold(&mut numbers)?;
    let old_bias = network.layout().entries_of(fold.layer).iter().find(|entry| entry.role == "bias");
    numbers.truncate(numbers.len() - old_bias.map_or(0, |bias| bias.range.len()));
    Some((numbers, bias.to_vec()))
}
