//! How much memory a training will take, known before any of it is there.

use crate::evaluate::evaluation_bytes;
use crate::trainer::Settings;
use plexus_kernels::Context;
use plexus_kernels::gemm::Precision;
use plexus_nn::{CheckedNetwork, TrainPlan};
use std::sync::Arc;

/// Bytes of a [`Trainer`](crate::trainer::Trainer) that learns from so many rows, besides the data: the numbers of the
/// network with those of the best epoch, the gradient, what the optimiser keeps, the plan of a batch, and the plan for
/// measurements with its batch. Memory of kernels, some MiB, is not counted. Saturates at `usize::MAX`.
///
/// # Examples
/// ```
/// use plexus_kernels::Context;
/// use plexus_nn::{Network, Shape, layers::Linear};
/// # use plexus_train::{loss::Loss, optim::Optimizer, schedule::Schedule, trainer::Settings};
/// # let settings = Settings {
/// #     epochs: 1, batch: 1, accumulate: 1, learning_rate: 0.1, optimizer: Optimizer::named("sgd").unwrap(),
/// #     schedule: Schedule::Constant, warmup_steps: 0, loss: Loss::MeanSquaredError, precision: Default::default(),
/// #     clip_norm: None, patience: None, smoothing: 1, target_scale: Default::default(), augment: None, seed: 1,
/// # };
/// let network = Network::chain(Shape::new([1000]), [Linear::new(1000).into()]).check().unwrap();
/// let bytes = plexus_train::memory::training_bytes(&network.into(), &settings, 1, &Context::single());
/// assert!(bytes > 4 * 4 * 1_001_000);
/// ```
pub fn training_bytes(network: &Arc<CheckedNetwork>, settings: &Settings, rows: usize, context: &Context) -> usize {
    const NUMBER: usize = size_of::<f32>();
    let layout = network.layout();
    let (weights, state) = (layout.weights_len(), layout.state_len());
    let rows = settings.batch.min(rows);
    let plan = TrainPlan::new(network.clone(), context.clone().with_precision(settings.precision));
    let copies = 2 + 1 + settings.optimizer.slot_count();
    [
        weights.saturating_mul(copies).saturating_mul(NUMBER),
        state.saturating_mul(2 * NUMBER),
        plan.bytes(rows),
        network.input_len().saturating_mul(rows).saturating_mul(NUMBER),
        evaluation_bytes(network, &context.clone().with_precision(Precision::Highest)),
    ]
    .into_iter()
    .fold(0, usize::saturating_add)
}
