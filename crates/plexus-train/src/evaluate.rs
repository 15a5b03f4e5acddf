//! Measures a network on rows that it does not learn from.

use crate::data::{Dataset, Targets};
use crate::loss::{Loss, LossSums, TargetBatch};
use crate::metrics::{ConfusionMatrix, RegressionMetrics, argmax, top_k_correct};
use crate::trainer::gather_targets;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::threads::{FlushDenormals, Pool};
use plexus_nn::{CheckedNetwork, Params, Plan, Workspace};
use std::sync::Arc;

/// What a network got right.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Rows measured.
    pub rows: usize,
    /// Mean loss.
    pub loss: f64,
    /// How right it was.
    pub answers: Answers,
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

/// Rows computed at a time: large enough for full speed, small enough for the caches.
const CHUNK: usize = 512;

/// Measures a network on some rows of a data set that fits it.
pub fn evaluate(
    network: &Arc<CheckedNetwork>,
    params: &Params,
    loss: &Loss,
    data: &Dataset,
    rows: &[u32],
    pool: &Pool,
) -> Evaluation {
    let plan = Plan::new(network.clone(), params.clone(), pool.clone());
    evaluate_plan(&plan, loss, data, rows, pool)
}

/// As [`evaluate`], with a network that is already planned.
pub fn evaluate_plan(plan: &Plan, loss: &Loss, data: &Dataset, rows: &[u32], pool: &Pool) -> Evaluation {
    let cols = plan.network().output_len();
    let mut answers = match &data.targets {
        Targets::Classes { .. } => Answers::Classes { confusion: ConfusionMatrix::new(cols), top_5: 0 },
        Targets::Values { .. } => Answers::Values(RegressionMetrics::new(cols)),
    };
    let mut sums = LossSums::default();
    let _flush = FlushDenormals::new();
    let (mut workspace, mut inputs) = (Workspace::default(), Buffer::default());
    let (mut classes, mut values) = (Vec::new(), Vec::new());
    for indices in rows.chunks(CHUNK) {
        let len = indices.len() * data.row_len();
        inputs.grow(len);
        data.gather(indices, &mut inputs[..len]);
        let targets = gather_targets(data, indices, &mut classes, &mut values);
        let batch = plan.network().batch(&inputs[..len], indices.len()).expect("the data fits the network");
        let outputs = plan.run(batch, &mut workspace);
        sums += loss.sums(outputs, cols, targets, pool);
        match (&mut answers, targets) {
            (Answers::Classes { confusion, top_5 }, TargetBatch::Classes(classes)) => {
                for (row, &class) in outputs.chunks_exact(cols).zip(classes) {
                    confusion.add(class as usize, argmax(row));
                    *top_5 += u64::from(top_k_correct(row, class as usize, 5));
                }
            }
            (Answers::Values(metrics), TargetBatch::Values(values)) => {
                for (row, target) in outputs.chunks_exact(cols).zip(values.chunks_exact(cols)) {
                    metrics.add(target, row);
                }
            }
            _ => unreachable!("`answers` was made for the kind of the targets"),
        }
    }
    Evaluation { rows: rows.len(), loss: sums.mean(), answers }
}
