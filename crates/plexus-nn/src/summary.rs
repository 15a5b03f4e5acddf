//! What a network consists of, line by line.

use crate::check::{CheckedNetwork, ValueId};
use crate::layer::Cost;
use crate::layers::Layer;
use crate::shape::Shape;
use crate::view::DType;
use crate::window::{Slide, receptive_fields};
use serde::Serialize;
use std::collections::HashSet;

/// One line of a summary: one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SummaryLayer {
    /// Its name.
    pub name: String,
    /// Its kind; for an activation the function.
    pub kind: String,
    /// Shape of one input sample; of the first, where it reads several values.
    pub input_shape: Vec<usize>,
    /// What it reads, by name; empty for the layer above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// Shape of one output sample.
    pub output_shape: Vec<usize>,
    /// What it does among the fully connected layers: `input` flattens for them, `first` takes features and `output` gives the
    /// last scores, `hidden` is in between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// How many steps its window goes along rows and columns, where one is no whole number: `(size + padding − window) / stride`.
    /// What lies behind the last whole step is read by no window.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<f64>,
    /// The receptive field: so many places of the first input, along each axis behind the channels, an output depends on at
    /// most. Empty where it may depend on all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub receptive_field: Vec<usize>,
    /// The layer into whose weights it is folded in a plan for predictions ([`crate::PlanOptions::fold`]). The network alone
    /// does not say it: [`summary`] leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folded_into: Option<String>,
    #[allow(missing_docs)]
    #[serde(flatten)]
    pub counts: Counts,
}

/// Numbers that are added up over the layers. All are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Numbers that training changes by gradient.
    pub params: u64,
    /// The same without biases.
    pub params_without_bias: u64,
    /// Running statistics and constants, kept beside them.
    pub constants: u64,
    /// Multiply-adds for one sample; `flops = 2 · macs`.
    pub macs: u64,
    /// Connections for one sample: multiply-adds, biases added, and the windows of trainable pooling (LeCun et al. 1998).
    pub connections: u64,
    /// Bytes of all numbers of the layer, in f32.
    pub param_bytes: u64,
    /// Bytes of the output of one sample, in its type.
    pub activation_bytes: u64,
}

/// A network, layer by layer, and the totals.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Shape of one input sample.
    pub input_shape: Vec<usize>,
    /// One line a layer.
    pub layers: Vec<SummaryLayer>,
    /// The sums of all lines.
    pub total: Counts,
}

/// Counts a network.
///
/// # Examples
/// ```
/// use plexus_nn::{Shape, summary::summary, zoo};
/// let network = zoo::mlp(Shape::new([784]), &[100], 10, plexus_kernels::map::Function::Relu);
/// let total = summary(&network.check().unwrap()).total;
/// assert_eq!((total.params, total.params_without_bias, total.macs), (79_510, 79_400, 79_400));
/// ```
pub fn summary(network: &CheckedNetwork) -> Summary {
    let (roles, fields) = (roles(network), receptive_fields(network));
    let layers = network.network().layers.iter().enumerate().map(|(index, named)| {
        let (inputs, output) = (network.input_shapes(index), network.output_shape(index));
        let Cost { macs, connections } = named.layer.cost(&inputs, output);
        let dtype = network.quant(network.value_of(index)).map_or(DType::F32, |quant| quant.dtype);
        let activation_bytes = (dtype.size() * output.len().unwrap_or(0)) as u64;
        let mut counts = Counts { macs, connections, activation_bytes, ..Counts::default() };
        for spec in named.layer.params(&inputs) {
            let len = spec.len() as u64;
            counts.param_bytes += 4 * len;
            match (spec.trainable, spec.role) {
                (false, _) => counts.constants += len,
                (true, "bias") => counts.params += len,
                (true, _) => {
                    counts.params += len;
                    counts.params_without_bias += len;
                }
            }
        }
        let kind = match named.layer.function() {
            Some(function) => function.name(),
            None => named.layer.kind(),
        };
        SummaryLayer {
            name: named.name.clone(),
            kind: kind.to_string(),
            input_shape: inputs[0].axes().to_vec(),
            inputs: named.inputs.clone(),
            output_shape: output.axes().to_vec(),
            role: roles[index],
            steps: steps(&named.layer.slides(&inputs).unwrap_or_default(), inputs[0]),
            receptive_field: fields[network.value_of(index).index()].iter().flatten().map(|field| field.size).collect(),
            folded_into: None,
            counts,
        }
    });
    let layers: Vec<SummaryLayer> = layers.collect();
    let total = layers.iter().fold(Counts::default(), |total, layer| Counts {
        params: total.params + layer.counts.params,
        params_without_bias: total.params_without_bias + layer.counts.params_without_bias,
        constants: total.constants + layer.counts.constants,
        macs: total.macs + layer.counts.macs,
        connections: total.connections + layer.counts.connections,
        param_bytes: total.param_bytes + layer.counts.param_bytes,
        activation_bytes: total.activation_bytes + layer.counts.activation_bytes,
    });
    Summary { input_shape: network.input().axes().to_vec(), layers, total }
}

/// The steps of a window along each axis, where one is no whole number.
fn steps(windows: &[Slide], input: &Shape) -> Vec<f64> {
    let steps = windows.iter().zip(&input.axes()[1..]).map(|(window, size)| window.steps(*size));
    match steps.collect::<Option<Vec<[usize; 2]>>>() {
        Some(steps) if steps.iter().any(|[far, stride]| !far.is_multiple_of(*stride)) => {
            steps.iter().map(|[far, stride]| *far as f64 / *stride as f64).collect()
        }
        _ => Vec::new(),
    }
}

/// What each layer does among the fully connected ones.
fn roles(network: &CheckedNetwork) -> Vec<Option<&'static str>> {
    let layers = &network.network().layers;
    let is_linear = |index: usize| {
        matches!(layers[index].layer, Layer::Linear(_) | Layer::MaskedLinear(_) | Layer::SparseLinear(_))
    };
    let (mut behind, mut before) = (HashSet::new(), HashSet::<ValueId>::new());
    for index in 0..layers.len() {
        if is_linear(index) || network.reads(index).iter().any(|value| behind.contains(value)) {
            behind.insert(network.value_of(index));
        }
    }
    for index in (0..layers.len()).rev() {
        if is_linear(index) || before.contains(&network.value_of(index)) {
            before.extend(network.reads(index));
        }
    }
    let role = |index: usize| {
        let is_behind = network.reads(index).iter().any(|value| behind.contains(value));
        match (is_linear(index), is_behind, before.contains(&network.value_of(index))) {
            (true, _, false) => Some("output"),
            (true, false, true) => Some("first"),
            (true, true, true) => Some("hidden"),
            (false, false, true) if matches!(layers[index].layer, Layer::Flatten(_)) => Some("input"),
            _ => None,
        }
    };
    (0..layers.len()).map(role).collect()
}
