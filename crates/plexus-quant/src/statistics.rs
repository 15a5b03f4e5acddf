//! What the values of a float network are like on some samples.

use crate::Samples;
use crate::error::QuantError;
use crate::range::Calibration;
use crate::scheme::Options;
use plexus_kernels::Context;
use plexus_nn::layer::{Layout, Maps};
use plexus_nn::{CheckedNetwork, Params, Plan, PlanOptions, ValueId, View, Workspace};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bars of a histogram.
pub const BINS: usize = 2048;

/// Rows that run at a time.
pub const BATCH: usize = 32;

/// One value of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueStatistics {
    /// The smallest and the largest number.
    pub min: f32,
    pub max: f32,
    /// How many numbers are in each of [`BINS`] equal parts from the smallest to the largest.
    pub histogram: Vec<u64>,
    /// The mean of each channel: along the first axis of maps, else along the last.
    pub means: Vec<f64>,
}

impl ValueStatistics {
    /// The middle of each bar, with its count.
    pub fn bars(&self) -> impl Iterator<Item = (f64, u64)> {
        let (min, width) = (f64::from(self.min), (f64::from(self.max) - f64::from(self.min)) / BINS as f64);
        self.histogram.iter().enumerate().map(move |(at, count)| (min + (at as f64 + 0.5) * width, *count))
    }
}

/// What the values of a float network are like on some samples: where they begin and end, and what lies between. It can be kept and read
/// again, to the same bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    values: Vec<ValueStatistics>,
    /// The scales of weights of few bits, by layer, where they are to stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    weight_scales: BTreeMap<usize, Vec<f32>>,
}

/// Channels of a shape, and numbers of each that stand side by side, channels first.
fn channels(axes: &[usize]) -> (usize, usize) {
    match *axes {
        [channels, height, width] => (channels, height * width),
        _ => (axes.last().copied().unwrap_or(1), 1),
    }
}

impl Statistics {
    /// Runs the network on the samples, twice: for the ends, and for what is between.
    pub(crate) fn of(network: &Arc<CheckedNetwork>, params: &Params, samples: Samples<'_>, context: &Context) -> Self {
        let count = network.values().count();
        let empty = ValueStatistics { min: f32::INFINITY, max: f32::NEG_INFINITY, histogram: vec![], means: vec![] };
        let mut values = vec![empty; count];
        let plan = plan(network, params, context);
        run(network, &plan, samples, |_, value, view| {
            let statistics = &mut values[value.index()];
            for number in view.values().iter() {
                statistics.min = statistics.min.min(*number);
                statistics.max = statistics.max.max(*number);
            }
        });
        for statistics in &mut values {
            // Of nothing, or of one number, there is a range of that number.
            if statistics.min > statistics.max {
                (statistics.min, statistics.max) = (0.0, 0.0);
            }
            statistics.histogram = vec![0; BINS];
        }
        run(network, &plan, samples, |_, value, view| {
            let ValueStatistics { min, max, histogram, means } = &mut values[value.index()];
            let (channels, side) = channels(view.shape.axes());
            means.resize(channels, 0.0);
            let scale = BINS as f64 / (f64::from(*max) - f64::from(*min)).max(f64::MIN_POSITIVE);
            for (at, number) in view.channels_first().iter().enumerate() {
                let bin = ((f64::from(*number) - f64::from(*min)) * scale) as usize;
                histogram[bin.min(BINS - 1)] += 1;
                means[at / side.max(1) % channels.max(1)] += f64::from(*number);
            }
        });
        for (statistics, value) in values.iter_mut().zip(network.values()) {
            let numbers = network.len(value) * samples.rows / statistics.means.len().max(1);
            statistics.means.iter_mut().for_each(|mean| *mean /= numbers.max(1) as f64);
        }
        Statistics { values, weight_scales: BTreeMap::new() }
    }

    /// What is needed of them for some options.
    pub(crate) fn needed_for(mut self, options: &Options) -> Self {
        for value in &mut self.values {
            if !options.correct_bias {
                value.means = Vec::new();
            }
            if !options.scheme.is_power_of_two() && options.calibration == Calibration::MinMax {
                value.histogram = Vec::new();
            }
        }
        self
    }

    /// The same with scales of weights that stay as they are.
    pub(crate) fn with_weight_scales(self, weight_scales: BTreeMap<usize, Vec<f32>>) -> Self {
        Statistics { weight_scales, ..self }
    }

    /// The scales of the weights of a layer, where they stay as they are.
    pub(crate) fn weight_scale(&self, layer: usize) -> Option<&[f32]> {
        self.weight_scales.get(&layer).map(Vec::as_slice)
    }

    /// Whether they can be those of a network.
    pub(crate) fn fit(&self, network: &CheckedNetwork) -> bool {
        let fits = |value: &ValueStatistics| value.min <= value.max && [0, BINS].contains(&value.histogram.len());
        let scales = self.weight_scales.values().flatten();
        self.values.len() == network.values().count()
            && self.values.iter().all(fits)
            && scales.into_iter().all(|scale| scale.is_normal() && *scale > 0.0)
    }

    /// Those of a value.
    pub(crate) fn value(&self, value: ValueId) -> &ValueStatistics {
        &self.values[value.index()]
    }

    /// The first layer whose numbers are not finite.
    pub(crate) fn first_not_finite(&self, network: &CheckedNetwork) -> Option<(usize, f32)> {
        let layers = 0..network.network().layers.len();
        layers.into_iter().find_map(|index| {
            let ValueStatistics { min, max, .. } = self.value(network.value_of(index));
            let bad = [*min, *max].into_iter().find(|end| !end.is_finite())?;
            Some((index, bad))
        })
    }
}

/// A plan that runs each layer by itself, so that all values are seen.
pub fn plan(network: &Arc<CheckedNetwork>, params: &Params, context: &Context) -> Plan {
    Plan::with(network.clone(), params, PlanOptions::default().with_one_by_one(true), context.clone())
}

/// Runs a plan on samples, some at a time; `see` is told the first row.
pub fn run(network: &CheckedNetwork, plan: &Plan, samples: Samples<'_>, mut see: impl FnMut(usize, ValueId, View<'_>)) {
    let mut workspace = Workspace::default();
    for first in (0..samples.rows).step_by(BATCH) {
        let rows = BATCH.min(samples.rows - first);
        let inputs = samples.part(first, rows);
        let batch = network.batches(&inputs, rows).expect("the samples were checked");
        let mut observer = |value: ValueId, view: View<'_>| {
            with_renamed(network, value, view, &mut |value, view| {
                see(first, value, view);
            })
        };
        plan.run_observed(batch, &mut workspace, Some(&mut observer));
    }
}

/// Shows a value, and those of layers that only give its numbers other axes, which no plan computes.
fn with_renamed(network: &CheckedNetwork, value: ValueId, view: View<'_>, see: &mut dyn FnMut(ValueId, View<'_>)) {
    see(value, view);
    for (index, named) in network.network().layers.iter().enumerate() {
        if network.reads(index) == [value] && named.layer.is_identity(false) {
            let layout = if named.layer.maps() == Maps::Last { Layout::ChannelsLast } else { Layout::ChannelsFirst };
            let numbers = view.in_layout(layout);
            let renamed = network.value_of(index);
            with_renamed(network, renamed, View::of(network.shape(renamed), layout, &numbers), see);
        }
    }
}

/// Refuses samples that tell no range.
pub fn check(network: &CheckedNetwork, samples: Samples<'_>) -> Result<(), QuantError> {
    if samples.rows == 0 {
        return Err(QuantError::NoSamples);
    }
    network.batches(samples.inputs, samples.rows).map_err(|error| QuantError::Samples(Box::new(error)))?;
    for (input, values) in network.network().inputs.iter().zip(samples.inputs) {
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let len = (values.len() / samples.rows).max(1);
            return Err(QuantError::NotFinite {
                input: input.name.clone(),
                row: index / len,
                at: index % len,
                value: values[index],
            });
        }
    }
    Ok(())
}
