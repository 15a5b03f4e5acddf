//! Makes networks of whole numbers of float networks, and says what it costs.
//!
//! [`quantize`] takes a network, its numbers and some samples, and goes these steps, a file each:
//!
//! 1. what only scales and shifts is folded into the weights beside it ([`plexus_nn::convert`]), but for what brings the columns of a
//!    table to one scale;
//! 2. weights of layers that stand behind each other are brought to like sizes (`equalize.rs`), where that is asked for;
//! 3. the float network runs on the samples, and the values behind its layers are counted (`statistics.rs`);
//! 4. from the counts come the ranges (`range.rs`), from ranges scales;
//! 5. each layer is replaced by its integer form, with quantize, dequantize and rescale layers where values change their type
//!    (`rewrite.rs`, `product.rs`); what has no integer form stays float;
//! 6. the biases take up what the rounded weights do to the means (`product.rs`), where that is asked for;
//! 7. both networks run on the samples, and are compared layer by layer (`report.rs`).
//!
//! [`Calibrated`] goes steps 1, 3 and 4 once, and then 5 for any numbers of the network: training does that after each update.
//!
//! The arithmetic of the integer layers is `plexus-micro`'s, described in [`plexus_nn::integer`].
#![forbid(unsafe_code)]

mod calibrated;
mod equalize;
mod error;
pub mod firmware;
mod follow;
mod product;
mod range;
mod report;
mod rewrite;
mod scheme;
mod statistics;

pub use calibrated::{Calibrated, Followed};
pub use error::QuantError;
pub use follow::Follower;
pub use range::Calibration;
pub use report::LayerReport;
pub use scheme::{Options, Scheme};
pub use statistics::Statistics;

use plexus_kernels::Context;
use plexus_nn::convert::{Conversion, ConvertOptions, convert};
use plexus_nn::layers::Layer;
use plexus_nn::{CheckedNetwork, Params, ValueId};
use std::sync::Arc;

/// Samples for calibration: numbers of each input of the network, row after row.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// Of each input.
    pub inputs: &'a [&'a [f32]],
    /// How many.
    pub rows: usize,
}

impl<'a> Samples<'a> {
    /// Some rows of each input.
    fn part(&self, first: usize, rows: usize) -> Vec<&'a [f32]> {
        let part = |values: &&'a [f32]| {
            let len = values.len() / self.rows;
            &values[first * len..][..rows * len]
        };
        self.inputs.iter().map(part).collect()
    }
}

/// A network of whole numbers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Quantized {
    /// The network.
    pub network: CheckedNetwork,
    /// Its numbers.
    pub params: Params,
    /// What became of each layer.
    pub layers: Vec<LayerReport>,
    /// What else there is to say, a sentence each.
    pub notes: Vec<String>,
}

/// Makes a network of whole numbers.
///
/// # Errors
/// [`QuantError`] for samples that do not fit or are not finite, a network without a layer that has an integer form, names of layers
/// that there are not, and sums that could wrap.
///
/// # Panics
/// Where `params` belongs to another network.
///
/// # Examples
/// ```
/// use plexus_kernels::Context;
/// use plexus_nn::layers::{linear, relu};
/// use plexus_nn::{Network, Params};
/// use plexus_quant::{Options, Samples, Scheme, quantize};
/// let network = Network::chain([4], [linear(8), relu(), linear(3)]).check()?;
/// let params = Params::initialize(&network, 1);
/// let rows: Vec<f32> = (0..40).map(|at| (at as f32).sin()).collect();
/// let samples = Samples { inputs: &[&rows], rows: 10 };
/// let quantized = quantize(&network, &params, samples, &Options::new(Scheme::Int8PerChannel), &Context::single())?;
/// let kinds: Vec<&str> = quantized.network.network().layers.iter().map(|named| named.layer.kind()).collect();
/// assert_eq!(kinds, ["quantize", "integer_linear", "integer_linear", "dequantize"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn quantize(
    network: &CheckedNetwork,
    params: &Params,
    samples: Samples<'_>,
    options: &Options,
    context: &Context,
) -> Result<Quantized, QuantError> {
    assert_eq!(network.layout(), params.layout(), "the numbers belong to this network");
    options.check(network)?;
    if let Some(index) = network.without_gradient() {
        return Err(QuantError::AlreadyInteger { layer: network.label(index) });
    }
    statistics::check(network, samples)?;
    let Folded { network, mut params, .. } = fold(network, params);
    let network = Arc::new(network);
    let mut notes = Vec::new();
    if options.equalize {
        notes.extend(equalize::equalize(&network, &mut params));
    }
    let statistics = Statistics::of(&network, &params, samples, context);
    let written = rewrite::rewrite(&network, &params, &statistics, options)?;
    let layers = report::compare((&network, &params), &written, samples, context);
    notes.extend(written.notes);
    Ok(Quantized { network: Arc::unwrap_or_clone(written.network), params: written.params, layers, notes })
}

/// A network without what only scales and shifts.
struct Folded {
    network: CheckedNetwork,
    params: Params,
    /// Values of the network before, and those with the same numbers here.
    values: Vec<(ValueId, ValueId)>,
}

/// Folds what can be folded; nothing is no mistake.
fn fold(network: &CheckedNetwork, params: &Params) -> Folded {
    let folding = ConvertOptions::default().with_keep(columns(network));
    match convert(network, params, Conversion::Fold, &folding) {
        Ok(folded) => Folded { network: folded.network, params: folded.params, values: folded.values },
        Err(_) => {
            let values = network.values().filter(|value| network.layer_of(*value).is_some());
            Folded {
                network: network.clone(),
                params: params.clone(),
                values: values.map(|value| (value, value)).collect(),
            }
        }
    }
}

/// Layers at the front that give each number of a row its own mean and scale. One scale serves the numbers behind them; those before,
/// columns of a table, may differ by any factor, so these layers stay and compute in floats.
fn columns(network: &CheckedNetwork) -> Vec<String> {
    let layers = &network.network().layers;
    let at_the_front = (0..layers.len()).filter(|index| {
        let reads = network.reads(*index);
        let front = reads.iter().all(|value| network.layer_of(*value).is_none());
        front && matches!(layers[*index].layer, Layer::Standardize(of) if of.per_feature)
    });
    at_the_front
        .filter(|index| network.output_shape(*index).axes().len() == 1)
        .map(|index| layers[index].name.clone())
        .collect()
}
