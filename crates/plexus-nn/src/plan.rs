//! What will be run: which layers, fused with what, with weights in the order of which kernel.

use crate::check::CheckedNetwork;
use crate::params::Params;
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::gemm::{Packed, Scratch};
use plexus_kernels::map::Function;
use std::sync::Arc;

/// One step of a plan: a layer, and the activation behind it where that is applied in the same pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stage {
    /// The layer that computes.
    pub layer: usize,
    /// The layer whose output this stage writes: `layer`, or the activation fused into it.
    pub output: usize,
    /// The fused function; identity where there is none.
    pub function: Function,
}

/// Leaves out layers that change nothing and fuses activations into the layers before them.
///
/// In training a function is fused only where its derivative follows from its output, because the sums before it are
/// then not kept.
pub(crate) fn stages(network: &CheckedNetwork, training: bool) -> Vec<Stage> {
    let layers = &network.network().layers;
    let mut stages: Vec<Stage> = Vec::new();
    for (index, named) in layers.iter().enumerate() {
        if named.layer.is_identity(training) {
            continue;
        }
        if let (Some(function), Some(before)) = (named.layer.function(), stages.last_mut()) {
            let can = layers[before.layer].layer.fuses_function() && before.function == Function::Identity;
            if can && (!training || function.derivative_from_output()) {
                before.function = function;
                before.output = index;
                continue;
            }
        }
        stages.push(Stage { layer: index, output: index, function: Function::Identity });
    }
    stages
}

/// A network with its numbers, ready to predict. It can be shared between threads; each brings its [`Workspace`].
#[derive(Debug)]
pub struct Plan {
    pub(crate) network: Arc<CheckedNetwork>,
    pub(crate) params: Params,
    pub(crate) stages: Vec<Stage>,
    pub(crate) packed: Vec<Option<Packed>>,
    pub(crate) context: Context,
}

impl Plan {
    /// Plans a network for prediction: packs its weights for the kernels of the context.
    ///
    /// # Panics
    /// Where `params` belongs to another network.
    pub fn new(network: Arc<CheckedNetwork>, params: Params, context: Context) -> Self {
        assert_eq!(network.layout(), params.layout(), "the numbers belong to this network");
        let stages = stages(&network, false);
        let packed = stages.iter().map(|stage| {
            let layer = &network.network().layers[stage.layer].layer;
            let weights = &params.weights[network.layout().weights_of(stage.layer)];
            layer.pack(network.input_shape(stage.layer), weights, &context)
        });
        let packed = packed.collect();
        Plan { network, params, stages, packed, context }
    }

    /// The network.
    pub fn network(&self) -> &Arc<CheckedNetwork> {
        &self.network
    }

    /// The numbers.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// What its kernels compute with.
    pub fn context(&self) -> &Context {
        &self.context
    }
}

/// Memory that a plan runs in. It grows to the largest batch and is then reused: later calls allocate nothing.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    pub(crate) buffers: [Buffer; 2],
    pub(crate) scratch: Scratch,
}
