//! Measures a network on rows that it does not learn from.

use crate::answers::target_table;
use crate::check::{Fit, OutputFit, Unfit, check_rows};
use crate::data::{Batch, GatherError, Rows, Source, TargetKind};
use crate::loss::{Loss, LossSums, Objective, TargetBatch};
use crate::metrics::{ConfusionMatrix, RegressionMetrics, argmax, middle, top_k_correct};
use crate::trainer::scaled_targets;
use crate::twin::TwinError;
use plexus_kernels::Context;
use plexus_kernels::softmax::IGNORED;
use plexus_kernels::threads::flush_denormals;
use plexus_nn::{CheckedNetwork, Plan, Workspace};

/// What a network got right.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Rows measured.
    pub rows: u64,
    /// The sum of the mean losses of the outputs, each times its weight.
    pub loss: f64,
    /// Each output by itself, in their order; at least one.
    pub outputs: Vec<OutputEvaluation>,
}

/// What one output got right.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputEvaluation {
    /// The name of the output.
    pub name: String,
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
    /// Classes.
    Classes {
        /// True class against predicted class.
        confusion: ConfusionMatrix,
        /// Answers whose class is among the five likeliest (all classes, where there are fewer).
        top_5: u64,
    },
    /// Numbers.
    Values(RegressionMetrics),
}

impl Evaluation {
    /// The first output, which is the only one of most networks.
    pub fn first(&self) -> &OutputEvaluation {
        &self.outputs[0]
    }

    /// The metric of the first output.
    pub fn metric(&self) -> f64 {
        self.first().metric()
    }
}

impl OutputEvaluation {
    /// Accuracy in 0..=1, or the root mean squared error (of several numbers the mean of theirs).
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
    let input = input_numbers(network).saturating_mul(size_of::<f32>());
    let of_row = of_one.saturating_sub(fixed).saturating_add(input);
    (BUDGET.saturating_sub(fixed) / of_row.max(1)).clamp(1, MOST_ROWS)
}

/// Numbers of a row at all inputs.
pub(crate) fn input_numbers(network: &CheckedNetwork) -> usize {
    let inputs = network.network().inputs.iter();
    inputs.fold(0, |sum: usize, input| sum.saturating_add(input.shape.len().unwrap_or(usize::MAX)))
}

/// Bytes of a plan for measurements and of the batches that it runs, before any of it is there.
pub fn evaluation_bytes(network: &CheckedNetwork, context: &Context) -> usize {
    let [fixed, of_one] = [0, 1].map(|rows| Plan::workspace_bytes_for(network, rows));
    let rows = rows_within(fixed, of_one, network);
    let batch = fixed.saturating_add(of_one.saturating_sub(fixed).saturating_mul(rows));
    let inputs = input_numbers(network).saturating_mul(rows).saturating_mul(size_of::<f32>());
    Plan::params_bytes_for(network, context).saturating_add(batch).saturating_add(inputs)
}

/// Measures a network on some rows of a source that fits it, in batches of [`rows_per_batch`]: the memory that it takes
/// does not depend on the number of rows.
///
/// Each output answers on the scale of its objective; the loss is taken there, errors are told in the unit of the target.
///
/// # Errors
/// - [`MeasureError::Gather`]: a row cannot be had
/// - [`MeasureError::Unfit`]: a row or a class is not there
///
/// # Panics
/// Where `fit` is of another network.
pub fn evaluate_plan(
    plan: &Plan,
    workspace: &mut Workspace,
    objectives: &[Objective],
    fit: &Fit,
    source: &dyn Source,
    rows: &Rows,
) -> Result<Evaluation, MeasureError> {
    assert!(fit.is_of(plan.network()), "the proof is of this network");
    check_rows(source, rows)?;
    flush_denormals(|| measure(plan, workspace, objectives, fit, source, rows))
}

/// Why there is no measurement.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MeasureError {
    /// The data does not fit the network or the loss.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// A row cannot be had.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// The twin of the network cannot take its numbers.
    #[error(transparent)]
    Twin(#[from] TwinError),
}

fn measure(
    plan: &Plan,
    workspace: &mut Workspace,
    objectives: &[Objective],
    fit: &Fit,
    source: &dyn Source,
    rows: &Rows,
) -> Result<Evaluation, MeasureError> {
    let mut measured: Vec<Measured> =
        objectives.iter().zip(fit.outputs()).map(|(objective, output)| Measured::new(objective, output)).collect();
    let (mut batch, mut chosen) = (Batch::default(), Vec::new());
    let (step, mut start) = (rows_per_batch(plan) as u64, 0);
    while start < rows.len() {
        let end = rows.len().min(start + step);
        chosen.clear();
        chosen.extend((start..end).filter_map(|index| rows.get(index)));
        batch.resize(fit.widths(), chosen.len());
        source.gather(&chosen, &mut batch, plan.context().pool())?;
        for (index, objective) in objectives.iter().enumerate() {
            fit.check_targets(index, &objective.loss, batch.target(index))?;
        }
        let inputs: Vec<&[f32]> = (0..fit.widths().inputs.len()).map(|input| batch.input(input)).collect();
        let checked = plan.network().batches(&inputs, chosen.len()).expect("the source fits the network");
        plan.run(checked, workspace);
        for (index, measured) in measured.iter_mut().enumerate() {
            measured.add(plan.output(workspace, index), batch.target(index), plan.context());
        }
        start = end;
    }
    let outputs: Vec<OutputEvaluation> = measured.into_iter().map(Measured::finish).collect();
    let loss = objectives.iter().zip(&outputs).map(|(objective, output)| objective.weight * output.loss).sum();
    Ok(Evaluation { rows: rows.len(), loss, outputs })
}

/// One output while rows are added.
struct Measured<'a> {
    objective: &'a Objective,
    fit: &'a OutputFit,
    sums: LossSums,
    answers: Answers,
    interval: Option<Interval>,
    answered: u64,
    table: Vec<f32>,
    scaled: Vec<f32>,
}

impl<'a> Measured<'a> {
    fn new(objective: &'a Objective, fit: &'a OutputFit) -> Self {
        let interval = match &objective.loss {
            Loss::Quantile { quantiles } if quantiles.len() > 1 => {
                let (low, high) = (quantiles[0], quantiles[quantiles.len() - 1]);
                Some(Interval { low, high, inside: 0, width: 0.0 })
            }
            _ => None,
        };
        let answers = match &fit.kind {
            TargetKind::Classes { .. } => {
                Answers::Classes { confusion: ConfusionMatrix::new(fit.table.cols), top_5: 0 }
            }
            TargetKind::Values { names, .. } => Answers::Values(RegressionMetrics::new(names.len())),
        };
        let (table, scaled) = (Vec::new(), Vec::new());
        Measured { objective, fit, sums: LossSums::default(), answers, interval, answered: 0, table, scaled }
    }

    fn add(&mut self, outputs: &[f32], targets: TargetBatch<'_>, context: &Context) {
        let Objective { loss, target_scale: scale, .. } = self.objective;
        let layout = self.fit.table;
        let outputs = layout.of(outputs, &mut self.table);
        match (&mut self.answers, targets) {
            (Answers::Classes { confusion, top_5 }, TargetBatch::Classes(classes)) => {
                self.sums += loss.sums(outputs, layout.shape(), targets, context);
                let known = outputs.chunks_exact(layout.cols).zip(classes).filter(|(_, class)| **class != IGNORED);
                for (row, &class) in known {
                    confusion.add(class as usize, argmax(row));
                    *top_5 += u64::from(top_k_correct(row, class as usize, 5));
                }
            }
            (Answers::Values(metrics), TargetBatch::Values(values)) => {
                let values = target_table(layout, values);
                let learnt = scaled_targets(scale, TargetBatch::Values(&values), &mut self.scaled);
                self.sums += loss.sums(outputs, layout.shape(), learnt, context);
                let width = layout.cols / loss.outputs_per_target();
                let mut answers = Vec::with_capacity(layout.cols);
                for (row, target) in outputs.chunks_exact(layout.cols).zip(values.chunks_exact(width)) {
                    answers.clear();
                    answers.extend(row.iter().map(|output| scale.invert(*output)));
                    if let Some(interval) = &mut self.interval {
                        let (low, high) = (answers[0], answers[layout.cols - 1]);
                        interval.inside += u64::from(low <= target[0] && target[0] <= high);
                        interval.width += f64::from(high - low);
                        self.answered += 1;
                    }
                    match loss {
                        Loss::Quantile { quantiles } => metrics.add(target, &answers[middle(quantiles)..][..1]),
                        _ => metrics.add(target, &answers),
                    }
                }
            }
            _ => unreachable!("`answers` was made for the kind of the targets"),
        }
    }

    fn finish(self) -> OutputEvaluation {
        let answered = self.answered.max(1) as f64;
        let interval = self.interval.map(|interval| Interval { width: interval.width / answered, ..interval });
        OutputEvaluation { name: self.fit.name.clone(), loss: self.sums.mean(), answers: self.answers, interval }
    }
}
