//! Which layer takes how long.

mod verdict;

pub use verdict::Speed;

use crate::check::{CheckedBatch, CheckedNetwork, ValueId};
use crate::layers::Layer;
use crate::plan::{Plan, Workspace};
use crate::view::View;
use serde::Serialize;
use std::time::{Duration, Instant};

/// One step of a plan: a layer, and what is computed with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ProfiledLayer {
    /// The name of the layer that multiplies most, or else of the first.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// What kind of work it is.
    pub family: Family,
    /// Layers that are computed in the same step, by name: activations, poolings, what is folded into it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// Time of one run.
    pub seconds: f64,
    /// Multiply-adds of one run.
    pub macs: u64,
    /// Bytes of the weights, as the plan keeps them.
    pub weight_bytes: u64,
    /// Bytes of what is read and written besides.
    pub value_bytes: u64,
}

/// Layers by the kind of their work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Family {
    /// Convolutions, transposed and locally connected ones too.
    Convolution,
    /// Linear layers, masked and sparse ones too.
    FullyConnected,
    /// Poolings.
    Pooling,
    /// All others.
    Other,
}

impl Family {
    /// Of a layer.
    pub fn of(layer: &Layer) -> Family {
        let kind = layer.kind();
        let kind = kind.strip_prefix("integer_").unwrap_or(kind);
        match layer {
            Layer::IntegerLinear(_)
            | Layer::Linear(_)
            | Layer::MaskedLinear(_)
            | Layer::SparseLinear(_)
            | Layer::Rbf(_) => Family::FullyConnected,
            _ if kind.starts_with("conv") || kind.starts_with("locally_connected") => Family::Convolution,
            _ if kind.contains("pool") => Family::Pooling,
            _ => Family::Other,
        }
    }

    /// As it is written in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Family::Convolution => "convolutions",
            Family::FullyConnected => "fully connected layers",
            Family::Pooling => "poolings",
            Family::Other => "other layers",
        }
    }
}

/// The sums of a family.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FamilyShare {
    #[allow(missing_docs)]
    pub family: Family,
    /// Of one run.
    pub seconds: f64,
    /// Of the time of all layers, from 0 to 1.
    pub share: f64,
    #[allow(missing_docs)]
    pub macs: u64,
    #[allow(missing_docs)]
    pub weight_bytes: u64,
}

/// Where the time of a prediction goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Profile {
    /// Samples of a run.
    pub rows: usize,
    /// Runs that were timed layer by layer.
    pub runs: usize,
    /// In the order of computing.
    pub layers: Vec<ProfiledLayer>,
    /// A run that nobody looks into, the median.
    pub run_seconds: f64,
}

impl Profile {
    /// The sum over the layers: what [`Profile::run_seconds`] should be.
    pub fn layer_seconds(&self) -> f64 {
        self.layers.iter().map(|layer| layer.seconds).sum()
    }

    /// The families, the one that takes longest first.
    pub fn families(&self) -> Vec<FamilyShare> {
        let all = self.layer_seconds().max(f64::MIN_POSITIVE);
        let families = [Family::Convolution, Family::FullyConnected, Family::Pooling, Family::Other];
        let mut shares: Vec<FamilyShare> = families
            .into_iter()
            .filter_map(|family| {
                let of = || self.layers.iter().filter(|layer| layer.family == family);
                of().next()?;
                let seconds: f64 = of().map(|layer| layer.seconds).sum();
                let (macs, weight_bytes) =
                    of().fold((0, 0), |(macs, bytes), layer| (macs + layer.macs, bytes + layer.weight_bytes));
                Some(FamilyShare { family, seconds, share: seconds / all, macs, weight_bytes })
            })
            .collect();
        shares.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        shares
    }
}

/// Times a plan on a batch, for about so long: runs as they are, and runs of which each step is timed, by turns. The layers have
/// the times of the run whose sum is the median.
///
/// Time between two steps (maps brought into another order in memory) counts to the second.
pub fn profile(plan: &Plan, batch: CheckedBatch<'_>, time: Duration) -> Profile {
    let (network, mut workspace) = (plan.network().clone(), Workspace::default());
    // The first runs make room, and wake what sleeps.
    let mut order = Vec::new();
    let mut see = |value: ValueId, _: View<'_>| order.push(value);
    plan.run_observed(batch, &mut workspace, Some(&mut see));
    plan.run(batch, &mut workspace);
    let (mut whole, mut parts) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    while whole.len() < 3 || begin.elapsed() < time {
        let start = Instant::now();
        plan.run(batch, &mut workspace);
        whole.push(start.elapsed().as_secs_f64());
        let mut times = Vec::with_capacity(order.len());
        let mut last = Instant::now();
        let mut note = |_: ValueId, _: View<'_>| {
            let now = Instant::now();
            times.push((now - last).as_secs_f64());
            last = now;
        };
        plan.run_observed(batch, &mut workspace, Some(&mut note));
        parts.push(times);
    }
    whole.sort_by(f64::total_cmp);
    parts.sort_by(|a, b| a.iter().sum::<f64>().total_cmp(&b.iter().sum()));
    let (run_seconds, runs) = (whole[whole.len() / 2], parts.len());
    let middle = parts.swap_remove(parts.len() / 2);
    let steps = steps(&network, &order);
    let rows = batch.rows();
    let layers = steps.into_iter().zip(middle).filter_map(|(step, seconds)| {
        let main = step.main(&network)?;
        let named = &network.network().layers[main];
        let bytes = |value: &ValueId| (4 * rows * network.len(*value)) as u64;
        let counted = |index: usize| {
            let (inputs, output) = (network.input_shapes(index), network.output_shape(index));
            network.network().layers[index].layer.cost(&inputs, output).macs
        };
        let with = step.layers.iter().filter(|index| **index != main);
        Some(ProfiledLayer {
            name: named.name.clone(),
            kind: named.layer.kind().to_string(),
            family: Family::of(&named.layer),
            with: with.map(|index| network.network().layers[*index].name.clone()).collect(),
            seconds,
            macs: rows as u64 * step.layers.iter().map(|index| counted(*index)).sum::<u64>(),
            weight_bytes: step.layers.iter().map(|index| plan.read_bytes(*index) as u64).sum(),
            value_bytes: bytes(&step.value) + step.reads.iter().map(bytes).sum::<u64>(),
        })
    });
    Profile { rows, runs, layers: layers.collect(), run_seconds }
}

/// What is computed between two values that can be seen.
struct Step {
    value: ValueId,
    /// In their order.
    layers: Vec<usize>,
    reads: Vec<ValueId>,
}

impl Step {
    /// The layer that the step is named after; none for an input.
    fn main(&self, network: &CheckedNetwork) -> Option<usize> {
        let macs = |index: &usize| {
            let (inputs, output) = (network.input_shapes(*index), network.output_shape(*index));
            network.network().layers[*index].layer.cost(&inputs, output).macs
        };
        let works = |index: &usize| !network.network().layers[*index].layer.is_identity(false);
        let most = self.layers.iter().copied().filter(|index| macs(index) > 0).max_by_key(macs);
        most.or_else(|| self.layers.iter().copied().find(works)).or(self.layers.first().copied())
    }
}

/// The steps behind the values that were seen, in their order.
fn steps(network: &CheckedNetwork, order: &[ValueId]) -> Vec<Step> {
    let mut taken = vec![false; network.network().layers.len()];
    let step = |value: &ValueId| {
        let (mut layers, mut reads, mut open) = (Vec::new(), Vec::new(), vec![*value]);
        while let Some(next) = open.pop() {
            let Some(layer) = network.layer_of(next).filter(|layer| !taken[*layer]) else { continue };
            taken[layer] = true;
            layers.push(layer);
            for read in network.reads(layer) {
                if order.contains(read) { reads.push(*read) } else { open.push(*read) }
            }
        }
        layers.sort_unstable();
        Step { value: *value, layers, reads }
    };
    order.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Activation, BatchNorm, Conv2d, Dropout, Flatten, Linear, MaxPool2d};
    use crate::network::Network;
    use crate::params::Params;
    use crate::plan::PlanOptions;
    use plexus_kernels::Context;
    use plexus_kernels::map::Function;
    use std::sync::Arc;

    #[test]
    fn every_layer_is_in_one_step_and_counts_add_up() {
        let layers: [Layer; 9] = [
            Conv2d::new(8, 3).into(),
            BatchNorm::default().into(),
            Activation::new(Function::Relu).into(),
            MaxPool2d::new(2).into(),
            Flatten::default().into(),
            Dropout::new(0.5).into(),
            Linear::new(20).into(),
            Activation::new(Function::Tanh).into(),
            Linear::new(3).into(),
        ];
        let network = Arc::new(Network::chain([2, 10, 10], layers).check().expect("the layers fit"));
        let params = Params::initialize(&network, 1);
        let input = vec![0.5; 4 * network.input_len()];
        for options in [PlanOptions::default(), PlanOptions::default().with_fold(true)] {
            let plan = Plan::with(network.clone(), &params, options, Context::single());
            let profile = profile(&plan, network.batch(&input, 4).expect("four rows"), Duration::ZERO);
            assert!(profile.runs >= 3 && profile.run_seconds > 0.0 && profile.layer_seconds() > 0.0);
            let macs: u64 = profile.layers.iter().map(|layer| layer.macs).sum();
            assert_eq!(macs, 4 * crate::summary::summary(&network).total.macs);
            let mut names: Vec<&str> = profile
                .layers
                .iter()
                .flat_map(|layer| layer.with.iter().chain([&layer.name]).map(String::as_str))
                .collect();
            names.sort_unstable();
            let mut all: Vec<&str> = network.network().layers.iter().map(|layer| layer.name.as_str()).collect();
            all.sort_unstable();
            assert_eq!(names, all, "each once");
            let families = profile.families();
            assert!((families.iter().map(|family| family.share).sum::<f64>() - 1.0).abs() < 1e-9);
            assert!(families.windows(2).all(|two| two[0].seconds >= two[1].seconds));
            let linear = families.iter().find(|share| share.family == Family::FullyConnected).expect("there are some");
            assert!(linear.weight_bytes >= 4 * (128 * 20 + 20 * 3), "{linear:?}");
        }
    }
}
