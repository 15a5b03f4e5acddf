//! Ranges that stay while the numbers of a network change: what training with whole numbers needs.

use crate::error::QuantError;
use crate::rewrite::{Written, rewrite};
use crate::scheme::Options;
use crate::statistics::{self, Statistics};
use crate::{Folded, Samples, fold};
use plexus_kernels::Context;
use plexus_nn::{CheckedNetwork, Params, ValueId};
use std::collections::HashMap;
use std::sync::Arc;

/// A float network with the ranges of its values. The scales of 4-bit weights, which are searched for, stay too: another scale rounds all
/// weights of a row otherwise, and that would shake a training.
///
/// # Examples
/// ```
/// use plexus_kernels::Context;
/// use plexus_nn::layers::{linear, relu};
/// use plexus_nn::{Network, Params};
/// use plexus_quant::{Calibrated, Options, Samples, Scheme};
/// let network = std::sync::Arc::new(Network::chain([4], [linear(8), relu(), linear(3)]).check()?);
/// let mut params = Params::initialize(&network, 1);
/// let rows: Vec<f32> = (0..40).map(|at| (at as f32).sin()).collect();
/// let samples = Samples { inputs: &[&rows], rows: 10 };
/// let options = Options::new(Scheme::Int4);
/// let calibrated = Calibrated::new(network, &params, samples, options, &Context::single())?;
/// params.weights[0] += 0.25;
/// let followed = calibrated.quantize(&params)?;
/// assert_eq!(followed.values.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Calibrated {
    network: Arc<CheckedNetwork>,
    /// Without what only scales and shifts.
    folded: Arc<CheckedNetwork>,
    /// The values of the network by those of the folded one.
    values: HashMap<ValueId, ValueId>,
    statistics: Statistics,
    options: Options,
}

/// A network of whole numbers that follows a float one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Followed {
    /// The network.
    pub network: Arc<CheckedNetwork>,
    /// Its numbers.
    pub params: Params,
    /// Values of the float network, and those that stand for the same here. Values that only give another one other axes are not among
    /// them.
    pub values: Vec<(ValueId, ValueId)>,
    /// The numbers of the float network, with weights as they were rounded.
    pub rounded: Params,
}

impl Calibrated {
    /// Measures the values of a network on some samples. [Equalization](Options::equalize) has no meaning here.
    ///
    /// # Errors
    /// As [`quantize`](crate::quantize), all of them that do not come from numbers still to be learnt.
    ///
    /// # Panics
    /// Where `params` belongs to another network.
    pub fn new(
        network: Arc<CheckedNetwork>,
        params: &Params,
        samples: Samples<'_>,
        options: Options,
        context: &Context,
    ) -> Result<Self, QuantError> {
        assert_eq!(network.layout(), params.layout(), "the numbers belong to this network");
        options.check(&network)?;
        if let Some(index) = network.without_gradient() {
            return Err(QuantError::AlreadyInteger { layer: network.label(index) });
        }
        statistics::check(&network, samples)?;
        let folded = fold(&network, params);
        let statistics = Statistics::of(&Arc::new(folded.network.clone()), &folded.params, samples, context);
        let statistics = statistics.needed_for(&options);
        let plain = Arc::new(folded.network.clone());
        let searched = rewrite(&plain, &folded.params, &statistics, &options)?.searched;
        Ok(Calibrated::of(network, folded, statistics.with_weight_scales(searched), options))
    }

    /// With what was measured before, of the same network: [`Calibrated::statistics`].
    ///
    /// # Errors
    /// [`QuantError::Statistics`] where that was another network, and as [`Calibrated::quantize`].
    ///
    /// # Panics
    /// Where `params` belongs to another network.
    pub fn with_statistics(
        network: Arc<CheckedNetwork>,
        params: &Params,
        statistics: Statistics,
        options: Options,
    ) -> Result<Self, QuantError> {
        assert_eq!(network.layout(), params.layout(), "the numbers belong to this network");
        options.check(&network)?;
        let folded = fold(&network, params);
        if !statistics.fit(&folded.network) {
            return Err(QuantError::Statistics);
        }
        let calibrated = Calibrated::of(network, folded, statistics, options);
        calibrated.quantize(params)?;
        Ok(calibrated)
    }

    fn of(network: Arc<CheckedNetwork>, folded: Folded, statistics: Statistics, options: Options) -> Self {
        let values = folded.values.iter().map(|(was, is)| (*is, *was)).collect();
        Calibrated { network, folded: Arc::new(folded.network), values, statistics, options }
    }

    /// What was measured.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The network of whole numbers for some numbers of the float one.
    ///
    /// # Errors
    /// [`QuantError`] for numbers that are not finite, sums that could wrap, and where the network cannot be folded any more.
    ///
    /// # Panics
    /// Where `params` belongs to another network.
    pub fn quantize(&self, params: &Params) -> Result<Followed, QuantError> {
        assert_eq!(self.network.layout(), params.layout(), "the numbers belong to this network");
        let Folded { network, params: folded, .. } = fold(&self.network, params);
        if network.network() != self.folded.network() {
            return Err(QuantError::Folding);
        }
        let written = rewrite(&self.folded, &folded, &self.statistics, &self.options)?;
        let rounded = self.unfolded(params, &folded, &written);
        let Written { network, params, values, .. } = written;
        let was = |(end, value, _): &(usize, ValueId, String)| {
            let was = self.values.get(&self.folded.value_of(*end))?;
            let computed = !renames(&self.network, *was);
            computed.then_some((*was, root(&network, *value)))
        };
        let values = values.iter().filter_map(was).collect();
        Ok(Followed { network, params, values, rounded })
    }

    /// The numbers of the network, with weights that give the rounded ones where others are folded into them.
    fn unfolded(&self, params: &Params, folded: &Params, written: &Written) -> Params {
        let mut rounded = params.clone();
        for (index, values) in &written.rounded {
            let entry = &self.folded.layout().entries_of(*index)[0];
            let of_folded = folded.values(entry);
            let (_, own) = self.network.layout().find(&entry.name).expect("what is folded keeps its name");
            let own = own.clone();
            for ((to, folded), rounded) in rounded.values_mut(&own).iter_mut().zip(of_folded).zip(values) {
                if to == folded {
                    *to = *rounded;
                } else if *folded != 0.0 {
                    *to *= rounded / folded;
                }
            }
        }
        rounded
    }
}

/// Whether a value only gives another one other axes.
fn renames(network: &CheckedNetwork, value: ValueId) -> bool {
    network.layer_of(value).is_some_and(|index| network.network().layers[index].layer.is_identity(false))
}

/// The value that is computed where this one has its numbers.
fn root(network: &CheckedNetwork, mut value: ValueId) -> ValueId {
    while let Some(index) = network.layer_of(value).filter(|_| renames(network, value)) {
        value = network.reads(index)[0];
    }
    value
}
