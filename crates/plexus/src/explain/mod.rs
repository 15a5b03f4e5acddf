//! Questions about networks, answered with numbers: what enters a layer, how many weights it has, what it sees.
//!
//! [`walk`] goes through layers that are written as words, shape by shape, and says where they do not fit. [`compare`] counts
//! what it takes to go from one layer of numbers to the next fully connected, locally connected, convolutional or sparse, and `Depth` what
//! depth costs then. The
//! counts of whole networks are [`summary`], the arithmetic behind them [`formulas`], the part of the input that a place
//! of a map depends on [`receptive_fields`]. Where the time goes says [`Model::profile`], and a sentence about it [`Speed::verdict`]. The values
//! behind a layer gives `Model::latent`, one of its neurons `Model::neuron`. What the weights look like says
//! `Model::inspect_weights`, and the values behind all layers, with the units that are dead, `Model::inspection`. Where two models
//! differ says `diff`, and which rounding of whole numbers the records of another program follow, `follows`.

mod connectivity;
#[cfg(feature = "train")]
mod depth;
#[cfg(feature = "train")]
mod diff;
#[cfg(feature = "train")]
mod inspect;
#[cfg(feature = "train")]
mod latent;
#[cfg(feature = "train")]
mod neuron;
#[cfg(feature = "quant")]
mod recorded;
#[cfg(feature = "train")]
mod statistics;
mod words;

pub use connectivity::{Connectivity, compare};
#[cfg(feature = "train")]
pub use depth::{Depth, Measured, Way};
#[cfg(feature = "train")]
pub use diff::{Change, Diff, Gap, LayerDiff, TensorDiff, ValueDiff, Values, diff};
#[cfg(feature = "train")]
pub use inspect::{DeadUnit, InspectedWeights, Inspection, LayerActivations, LayerWeights, NotFiniteTensor, Units};
#[cfg(feature = "train")]
pub use latent::Latent;
#[cfg(feature = "train")]
pub(crate) use latent::same_numbers;
#[cfg(feature = "train")]
pub use neuron::{Connection, Contribution, Contributions, Neuron};
pub use plexus_nn::formulas::{Formula, formulas};
pub use plexus_nn::layer::Mismatch;
pub use plexus_nn::profile::{Family, FamilyShare, Profile, ProfiledLayer, Speed};
pub use plexus_nn::summary::{Summary, summary};
pub use plexus_nn::window::{Field, receptive_fields};
#[cfg(feature = "quant")]
pub use recorded::{Follows, Recorded, follows};
#[cfg(feature = "train")]
pub use statistics::{Histogram, Statistics};
pub use words::{Walk, WordError, layer, walk};

use crate::{Error, Model};
#[cfg(feature = "train")]
use plexus_nn::CheckedNetwork;
use plexus_nn::profile::profile;
#[cfg(feature = "train")]
use plexus_nn::{LayerParams, ParamEntry};
#[cfg(feature = "train")]
use std::borrow::Cow;
use std::time::Duration;

/// The numbers of one layer of a model, as its file has them.
#[cfg(feature = "train")]
struct Numbers<'m> {
    weights: Cow<'m, [f32]>,
    state: Cow<'m, [f32]>,
    /// Where they begin among those of all layers.
    first: [usize; 2],
}

#[cfg(feature = "train")]
impl<'m> Numbers<'m> {
    fn of(model: &'m Model, index: usize) -> Self {
        let (layout, (weights, state)) = (model.network().layout(), model.plan.layer(index));
        Numbers { weights, state, first: [layout.weights_of(index).start, layout.state_of(index).start] }
    }

    /// Those of one of its tensors.
    fn values(&self, entry: &ParamEntry) -> &[f32] {
        let [weights, state] = self.first;
        let (numbers, first) = if entry.trainable { (&self.weights, weights) } else { (&self.state, state) };
        &numbers[entry.range.start - first..entry.range.end - first]
    }
}

impl Model {
    /// Times each layer on a batch of rows, for about so long: one slice for each input.
    ///
    /// # Errors
    /// [`Error::Shape`] for rows that do not fit.
    pub fn profile(&self, inputs: &[&[f32]], rows: usize, time: Duration) -> Result<Profile, Error> {
        Ok(profile(&self.plan, self.network().batches(inputs, rows)?, time))
    }

    /// The place of a layer among those of the network, by its name.
    ///
    /// # Errors
    /// [`Error::Setting`] where there is no such layer, with the names of all.
    #[cfg(feature = "train")]
    pub fn layer_index(&self, name: &str) -> Result<usize, Error> {
        layer_index(self.network(), name)
    }
}

#[cfg(feature = "train")]
fn layer_index(network: &CheckedNetwork, name: &str) -> Result<usize, Error> {
    network.value(name).and_then(|value| network.layer_of(value)).ok_or_else(|| {
        let names: Vec<&str> = network.network().layers.iter().map(|named| named.name.as_str()).collect();
        Error::Setting {
            name: "layer",
            got: format!("\"{name}\""),
            expected: format!("a layer of the model: {}", names.join(", ")),
            remedy: None,
        }
    })
}
