//! What the whole numbers cost, layer by layer.

use crate::Samples;
use crate::rewrite::Written;
use crate::statistics::{BATCH, plan, run};
use plexus_kernels::Context;
use plexus_nn::layers::Layer;
use plexus_nn::{CheckedNetwork, Params, Plan, ValueId, View};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

/// What became of a layer, or of some that are one now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerReport {
    /// Its name in the float network: of the last one, where a relu is done in the layer before it.
    pub layer: String,
    /// Its kind there.
    pub kind: String,
    /// The name of the layer with the weights, where that is another: what [`Options::wide`](crate::Options::wide) takes.
    pub own: String,
    /// Its name in the network of whole numbers.
    pub name: String,
    /// Its kind there.
    pub integer_kind: String,
    /// Bits of its weights, for layers with such.
    pub weight_bits: Option<usize>,
    /// The type of its outputs.
    pub output: &'static str,
    /// What one step of them stands for; `None` for floats.
    pub scale: Option<f32>,
    /// What stands for zero.
    pub zero_point: Option<i32>,
    /// How far the values are from those of the float network on the samples: the root of the mean square over the same of the values.
    pub error: f64,
    /// The largest difference.
    pub largest: f32,
    /// The share of numbers at the ends of their type, or of the clamp's upper end, where numbers beyond were cut off.
    pub saturated: f64,
    /// Bytes of its tensors as an exported program keeps them.
    pub bytes: u64,
    /// The same of the float layers.
    pub float_bytes: u64,
}

/// Sums over the numbers of one value.
#[derive(Clone, Copy, Default)]
struct Sums {
    squares: f64,
    errors: f64,
    largest: f32,
    saturated: u64,
    count: u64,
}

/// Runs both networks on the samples.
pub fn compare(
    (network, params): (&Arc<CheckedNetwork>, &Params),
    written: &Written,
    samples: Samples<'_>,
    context: &Context,
) -> Vec<LayerReport> {
    let plans = [plan(network, params, context), plan(&written.network, &written.params, context)];
    let mut sums = vec![Sums::default(); written.values.len()];
    for first in (0..samples.rows).step_by(BATCH) {
        let rows = BATCH.min(samples.rows - first);
        let piece = samples.part(first, rows);
        let piece = Samples { inputs: &piece, rows };
        let floats = values(network, &plans[0], piece, written.values.iter().map(|(end, ..)| network.value_of(*end)));
        let mut seen = HashMap::new();
        run(&written.network, &plans[1], piece, |_, value, view| {
            seen.insert(value, (view.channels_first().into_owned(), saturated(&view)));
        });
        for (sums, (end, value, _)) in sums.iter_mut().zip(&written.values) {
            let (Some(float), Some((integer, saturated))) = (floats.get(&network.value_of(*end)), seen.get(value))
            else {
                continue;
            };
            for (a, b) in float.iter().zip(integer) {
                sums.squares += f64::from(*a).powi(2);
                sums.errors += (f64::from(*a) - f64::from(*b)).powi(2);
                sums.largest = sums.largest.max((a - b).abs());
            }
            sums.saturated += saturated;
            sums.count += float.len() as u64;
        }
    }
    let reports = written.values.iter().zip(sums);
    reports.map(|((end, value, name), sums)| report(network, written, (*end, *value, name), sums)).collect()
}

/// The values of a plan on some samples, channels first.
fn values(
    network: &CheckedNetwork,
    plan: &Plan,
    samples: Samples<'_>,
    wanted: impl Iterator<Item = ValueId>,
) -> HashMap<ValueId, Vec<f32>> {
    let mut values: HashMap<ValueId, Vec<f32>> = wanted.map(|value| (value, Vec::new())).collect();
    run(network, plan, samples, |_, value, view| {
        if let Some(values) = values.get_mut(&value) {
            values.extend_from_slice(&view.channels_first());
        }
    });
    values
}

/// How many numbers are at the ends of their type.
fn saturated(view: &View<'_>) -> u64 {
    let Some(quant) = view.quant else { return 0 };
    let [low, high] = quant.range().map(|end| end as f32);
    // The lower end is where relu puts its zeros, where it stands for zero.
    let low = if quant.zero_point as f32 == low { f32::NEG_INFINITY } else { low };
    view.numbers().iter().filter(|number| **number <= low || **number >= high).count() as u64
}

fn report(
    network: &CheckedNetwork,
    written: &Written,
    (end, value, name): (usize, ValueId, &str),
    sums: Sums,
) -> LayerReport {
    let named = &network.network().layers[end];
    let own = written.network.layer_of(value).expect("it was written as a layer");
    let integer = &written.network.network().layers[own].layer;
    let integers = match integer {
        Layer::IntegerLinear(layer) => Some(layer.integers),
        Layer::IntegerConv2d(layer) => Some(layer.integers),
        Layer::IntegerConvTranspose2d(layer) => Some(layer.integers),
        _ => None,
    };
    let bits = integers.map(|integers| integers.weight.bits());
    let entries = written.network.layout().entries_of(own).iter();
    let bytes = entries.map(|entry| match (entry.role, bits) {
        ("weight", Some(bits)) => (entry.range.len() * bits).div_ceil(8),
        // A multiplier and a shift.
        ("weight_scale", _) => entry.range.len() * 8,
        _ => entry.range.len() * entry.dtype.size(),
    });
    // The layer itself, and the one before a fused relu.
    let floats = match (integers, network.layout().entries_of(end)) {
        (Some(_), []) => network.reads(end).iter().filter_map(|read| network.layer_of(*read)).collect(),
        _ => vec![end],
    };
    let own_name = floats.first().map_or("", |index| &network.network().layers[*index].name).to_string();
    let float_entries = floats.iter().flat_map(|index| network.layout().entries_of(*index));
    let quant = written.network.quant(value);
    let count = sums.count.max(1) as f64;
    LayerReport {
        layer: named.name.clone(),
        kind: named.layer.kind().to_string(),
        own: own_name,
        name: name.to_string(),
        integer_kind: integer.kind().to_string(),
        weight_bits: bits,
        output: quant.map_or("f32", |quant| quant.dtype.name()),
        scale: quant.map(|quant| quant.scale),
        zero_point: quant.map(|quant| quant.zero_point),
        error: (sums.errors / sums.squares.max(f64::MIN_POSITIVE)).sqrt(),
        largest: sums.largest,
        saturated: sums.saturated as f64 / count,
        bytes: bytes.sum::<usize>() as u64,
        float_bytes: float_entries.map(|entry| 4 * entry.range.len()).sum::<usize>() as u64,
    }
}
