//! Measures a network on rows that it does not learn from.

use crate::data::{Dataset, Targets};
use crate::loss::{Loss, LossSums, TargetBatch};
use crate::metrics::{ConfusionMatrix, RegressionMetrics, argmax, middle, top_k_correct};
use crate::target::TargetScale;
use crate::trainer::{gather_targets, scaled_targets};
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::threads::flush_denormals;
use plexus_nn::{CheckedNetwork, Plan, Workspace};

/// What a network got right.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Rows measured.
    pub rows: usize,
    /// Mean loss.
    pub loss: f64,
    /// How right it was.
    pub answers: Answers,
    /// How often the truth lay between the lowest and the highest quantile, where the outputs are quantiles.
    pub interval: Option<Interval>,
}

/// The interval between two quantiles, held against the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lowest quantile.
    pub low: f32,
    /// The highest.
    pub high: f32,
    /// Rows whose target lies between the two.
    pub inside: u64,
    /// The mean distance of the two.
    pub width: f64,
}

/// Answers of either kind, compared with the targets.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers {
    /// One class a row.
    Classes {
        /// True class against predicted class.
        confusion: ConfusionMatrix,
        /// Rows whose class is among the five likeliest (all classes, where there are fewer).
        top_5: u64,
    },
    /// Numbers.
    Values(RegressionMetrics),
}

impl Evaluation {
    /// Accuracy in 0..=1, or the root mean squared error.
    pub fn metric(&self) -> f64 {
        match &self.answers {
            Answers::Classes { confusion, .. } => confusion.accuracy(),
            Answers::Values(metrics) => metrics.root_mean_squared_error(),
        }
    }
}

/// The most rows computed at a time: enough for full speed, few enough for the caches.
const MOST_ROWS: usize = 512;

/// Bytes that a batch and its intermediate values may take: 64 MiB.
const BUDGET: usize = 64 << 20;

/// Rows to be computed at a time, so that what they take in a workspace stays below a few dozen MiB: 1 to 512, whatever
/// the data.
pub fn rows_per_batch(plan: &Plan) -> usize {
    rows_within(plan.workspace_bytes(0), plan.workspace_bytes(1), plan.network())
}

/// Rows that fit into the budget, for a workspace of so many bytes without rows and with one.
fn rows_within(fixed: usize, of_one: usize, network: &CheckedNetwork) -> usize {
    let input = network.input_len().saturating_mul(size_of::<f32>());
    let of_row = of_one.saturating_sub(fixed).saturating_add(input);
    (BUDGET.saturating_sub(fixed) / of_row.max(1)).clamp(1, MOST_ROWS)
}

/// Bytes of a plan for measurements and of the batches that it runs, before any of it is there.
pub fn evaluation_bytes(network: &CheckedNetwork, context: &Context) -> usize {
    let [fixed, of_one] = [0, 1].map(|rows| Plan::workspace_bytes_for(network, rows));
    let rows = rows_within(fixed, of_one, network);
    let batch = fixed.saturating_add(of_one.saturating_sub(fixed).saturating_mul(rows));
    let inputs = network.input_len().saturating_mul(rows).saturating_mul(size_of::<f32>());
    Plan::params_bytes_for(network, context).saturating_add(batch).saturating_add(inputs)
}

/// Measures a network on some rows of a data set that fits it, in batches of [`rows_per_batch`]: the memory that it takes
/// does not depend on the number of rows.
///
/// The network answers on the given scale; the loss is taken there, errors are told in the unit of the target.
///
/// # Panics
/// Where the data does not fit: [`check_rows`](crate::check::check_rows) says so before.
pub fn evaluate_plan(
    plan: &Plan,
    workspace: &mut Workspace,
    loss: &Loss,
    scale: &TargetScale,
    data: &Dataset,
    rows: &[u32],
) -> Evaluation {
    flush_denormals(|| measure(plan, workspace, loss, scale, data, rows))
}

fn measure(
    plan: &Plan,
    workspace: &mut Workspace,
    loss: &Loss,
    scale: &TargetScale,
    data: &Dataset,
    rows: &[u32],
) -> Evaluation {
    let context = plan.context();
    let cols = plan.network().output_len();
    let mut answers = match &data.targets {
        Targets::Classes { .. } => Answers::Classes { confusion: ConfusionMatrix::new(cols), top_5: 0 },
        Targets::Values { names, .. } => Answers::Values(RegressionMetrics::new(names.len())),
    };
    let mut interval = match loss {
        Loss::Quantile { quantiles } if quantiles.len() > 1 => {
            let (low, high) = (quantiles[0], quantiles[quantiles.len() - 1]);
            Some(Interval { low, high, inside: 0, width: 0.0 })
        }
        _ => None,
    };
    let (mut scaled, mut row_answers) = (Vec::new(), Vec::new());
    let mut sums = LossSums::default();
    let mut inputs = Buffer::default();
    let (mut classes, mut values) = (Vec::new(), Vec::new());
    for indices in rows.chunks(rows_per_batch(plan)) {
        let len = indices.len() * data.row_len();
        inputs.grow(len);
        data.gather(indices, &mut inputs[..len]);
        let targets = gather_targets(data, indices, &mut classes, &mut values);
        let batch = plan.network().batch(&inputs[..len], indices.len()).expect("the data fits the network");
        let outputs = plan.run(batch, workspace);
        sums += loss.sums(outputs, cols, scaled_targets(scale, targets, &mut scaled), context);
        match (&mut answers, targets) {
            (Answers::Classes { confusion, top_5 }, TargetBatch::Classes(classes)) => {
                for (row, &class) in outputs.chunks_exact(cols).zip(classes) {
                    confusion.add(class as usize, argmax(row));
                    *top_5 += u64::from(top_k_correct(row, class as usize, 5));
                }
            }
            (Answers::Values(metrics), TargetBatch::Values(values)) => {
                let width = values.len() / indices.len();
                for (row, target) in outputs.chunks_exact(cols).zip(values.chunks_exact(width)) {
                    row_answers.clear();
                    row_answers.extend(row.iter().map(|output| scale.invert(*output)));
                    if let Some(interval) = &mut interval {
                        let (low, high) = (row_answers[0], row_answers[cols - 1]);
                        interval.inside += u64::from(low <= target[0] && target[0] <= high);
                        interval.width += f64::from(high - low) / rows.len() as f64;
                    }
                    match loss {
                        Loss::Quantile { quantiles } => metrics.add(target, &row_answers[middle(quantiles)..][..1]),
                        _ => metrics.add(target, &row_answers),
                    }
                }
            }
            _ => unreachable!("`answers` was made for the kind of the targets"),
        }
    }
    Evaluation { rows: rows.len(), loss: sums.mean(), answers, interval }
}
