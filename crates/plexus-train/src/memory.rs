//! How much memory a training will take, known before any of it is there.

use crate::evaluate::{evaluation_bytes, input_numbers};
use crate::trainer::Settings;
use plexus_kernels::Context;
use plexus_kernels::gemm::Precision;
use plexus_nn::{CheckedNetwork, Plan, TrainPlan};
use std::sync::Arc;

/// Bytes of a [`Trainer`](crate::trainer::Trainer) that learns from so many rows, besides the data: the numbers of the
/// network with those of the best epoch, the gradient, what the optimizer keeps, the plan of a batch, and the plan for
/// measurements with its batch. Memory of kernels, some MiB, is not counted. Saturates at `usize::MAX`.
///
/// # Examples
/// ```
/// use plexus_kernels::Context;
/// use plexus_nn::{Network, Shape, layers::Linear};
/// use plexus_train::{loss::Loss, trainer::Settings};
/// let settings = Settings::new(Loss::MeanSquaredError);
/// let network = Network::chain(Shape::new([1000]), [Linear::new(1000).into()]).check().unwrap();
/// let bytes = plexus_train::memory::training_bytes(&network.into(), &settings, 1, &Context::single());
/// assert!(bytes > 4 * 4 * 1_001_000);
/// ```
pub fn training_bytes(network: &Arc<CheckedNetwork>, settings: &Settings, rows: usize, context: &Context) -> usize {
    const NUMBER: usize = size_of::<f32>();
    let layout = network.layout();
    let (weights, state) = (layout.weights_len(), layout.state_len());
    let rows = settings.batch.min(rows);
    // What cannot be trained is refused by the trainer.
    let plan_bytes = match network.without_gradient() {
        Some(_) => Plan::workspace_bytes_for(network, rows),
        None => TrainPlan::new(network.clone(), context.clone().with_precision(settings.precision)).bytes(rows),
    };
    let copies = 2 + 1 + settings.optimizer.slot_count();
    [
        weights.saturating_mul(copies).saturating_mul(NUMBER),
        state.saturating_mul(2 * NUMBER),
        plan_bytes,
        // All rows of an update are there at once.
        input_numbers(network).saturating_mul(rows.saturating_mul(settings.accumulate)).saturating_mul(NUMBER),
        evaluation_bytes(network, &context.clone().with_precision(settings.precision.max(Precision::Standard))),
    ]
    .into_iter()
    .fold(0, usize::saturating_add)
}
