//! What a measured model got right: for people (`text`), for programs (`json`), as pictures (`pictures`).
//!
//! `train` and `evaluate` show the same results; both make a [`Results`] of what they measured.

mod importance;
mod json;
mod pictures;
mod text;

pub(crate) use importance::Importances;
pub(crate) use json::add_to;

use crate::Failure;
use plexus::{Model, Pool, Task, Workspace};
use plexus_train::data::{Batch, Dataset, Targets};
use plexus_train::evaluate::{Answers, Evaluation, OutputEvaluation};
use plexus_train::metrics::{Calibration, ConfusionMatrix, Ranking, argmax, brier, macro_roc_auc, middle};

/// Above so many probabilities they are not kept, and the mean area under the ROC curves is not computed: sorting them
/// would take longer than everything else.
const MOST_KEPT: usize = 1 << 22;

/// One output of a model on some rows: what it said, and how good that is.
pub(crate) struct Results<'a> {
    model: &'a Model,
    data: &'a Dataset,
    part: &'a str,
    /// Which output.
    output: usize,
    pub(crate) evaluation: OutputEvaluation,
    rows: Rows,
}

/// What is known beyond the counts.
enum Rows {
    Classes(Box<Classes>),
    /// A class for each position of each row: the counts say all.
    Areas,
    /// The first number of each row; of quantiles the middle one.
    Values(Vec<f32>),
}

/// What the probabilities of classes say.
#[derive(Default)]
struct Classes {
    /// From which probability on the last of two classes is answered; `None` where the likeliest class is.
    threshold: Option<f64>,
    /// For two classes, the last of which is the positive one; `None` also where an answer is NaN.
    ranking: Option<Ranking>,
    /// For more than two.
    macro_roc_auc: Option<f64>,
    /// Of the positive class, or of the class answered where there are more than two; with the Brier score. Only for
    /// models that give probabilities.
    calibration: Option<(Calibration, f64)>,
}

impl<'a> Results<'a> {
    /// The results of each output.
    pub(crate) fn all(
        model: &'a Model,
        evaluation: &Evaluation,
        data: (&'a Dataset, &'a str),
        threshold: Option<f64>,
    ) -> Result<Vec<Self>, Failure> {
        (0..model.outputs().len()).map(|output| Results::new((model, output), evaluation, data, threshold)).collect()
    }

    /// Looks at every row again. With a threshold, the last of two classes is answered from this probability on.
    pub(crate) fn new(
        (model, output): (&'a Model, usize),
        evaluation: &Evaluation,
        (data, part): (&'a Dataset, &'a str),
        threshold: Option<f64>,
    ) -> Result<Self, Failure> {
        let mut evaluation = evaluation.outputs[output].clone();
        let rows = match &mut evaluation.answers {
            Answers::Classes { .. } if !model.positions(output).is_empty() => Rows::Areas,
            Answers::Classes { confusion, .. } => {
                let classes = classes((model, output), data, threshold)?;
                if let Some(threshold) = threshold {
                    let ranking = classes.ranking.as_ref().ok_or_else(|| {
                        let rows = confusion.unanswered();
                        Failure::Input(format!(
                            "--threshold: for {rows} rows the model gives no number; train it again"
                        ))
                    })?;
                    *confusion = confusion_at(ranking, threshold);
                }
                Rows::Classes(Box::new(classes))
            }
            Answers::Values(_) => Rows::Values(values((model, output), data)?),
        };
        Ok(Results { model, data, part, output, evaluation, rows })
    }

    /// What the output means.
    fn task(&self) -> &'a Task {
        &self.model.outputs()[self.output].task
    }

    /// What it should have said.
    fn targets(&self) -> &'a Targets {
        &self.data.targets()[self.output]
    }

    /// Whether there is a class for each pixel.
    pub(crate) fn is_of_areas(&self) -> bool {
        matches!(self.rows, Rows::Areas)
    }

    /// The name of the output, where there are several.
    pub(crate) fn output_name(&self) -> Option<&'a str> {
        let outputs = self.model.outputs();
        (outputs.len() > 1).then(|| &outputs[self.output].name[..])
    }

    /// The names of the classes, or of the targets.
    fn names(&self) -> &'a [String] {
        match self.targets() {
            Targets::Classes { names, .. } | Targets::Values { names, .. } => names,
        }
    }

    /// The positive one of two classes, and how the two are told apart.
    fn two_classes(&self) -> Option<(&'a str, &Ranking)> {
        match (&self.rows, self.names()) {
            (Rows::Classes(classes), [_, positive]) => Some((positive, classes.ranking.as_ref()?)),
            _ => None,
        }
    }

    /// From which probability on the positive class is answered, where one number says it.
    fn threshold(&self) -> Option<f64> {
        let Rows::Classes(classes) = &self.rows else { return None };
        // Without one, the larger of two probabilities that sum to 1.
        let is_half = matches!(self.task(), Task::Classification { classes } if classes.len() == 2);
        classes.threshold.or(is_half.then_some(0.5))
    }
}

/// Refuses a threshold for a model that has none.
pub(crate) fn check_threshold(model: &Model, threshold: Option<f64>) -> Result<(), Failure> {
    if threshold.is_none() {
        return Ok(());
    }
    if model.outputs().len() > 1 {
        return Err(Failure::Input("--threshold is for models of one output. Leave it out".to_string()));
    }
    let refused = match model.task() {
        Task::Classification { .. } | Task::MultiLabel { .. } if !model.positions(0).is_empty() => {
            "this one gives a class for each pixel, the likeliest".to_string()
        }
        Task::Classification { classes } | Task::MultiLabel { classes } if classes.len() == 2 => return Ok(()),
        Task::Classification { classes } | Task::MultiLabel { classes } => {
            format!("this one has {} classes, and its answer is the likeliest of them", classes.len())
        }
        _ => "this one gives numbers that are no probabilities".to_string(),
    };
    Err(Failure::Input(format!("--threshold is for models that tell two classes apart; {refused}. Leave it out")))
}

/// Answers all rows and hands them on, `[rows, outputs]`, with the index of the first.
fn answer(
    (model, output): (&Model, usize),
    data: &Dataset,
    mut each: impl FnMut(usize, &[f32]),
) -> Result<(), Failure> {
    let (step, mut workspace, mut batch) = (model.rows_per_batch(), Workspace::default(), Batch::default());
    for first in (0..data.len()).step_by(step) {
        let rows: Vec<u64> = (first as u64..data.len().min(first + step) as u64).collect();
        batch.take(data, &rows, &Pool::single()).map_err(plexus::Error::from)?;
        let inputs: Vec<&[f32]> = (0..data.inputs().len()).map(|input| batch.input(input)).collect();
        each(first, model.predict_all(&inputs, rows.len(), &mut workspace)?.at(output));
    }
    Ok(())
}

fn classes((model, output): (&Model, usize), data: &Dataset, threshold: Option<f64>) -> Result<Classes, Failure> {
    let Targets::Classes { indices: targets, .. } = &data.targets()[output] else {
        unreachable!("classes are measured against classes");
    };
    let task = &model.outputs()[output].task;
    let cols = task.names().len();
    let is_probability = matches!(task, Task::Classification { .. } | Task::MultiLabel { .. });
    let is_kept = cols > 2 && cols.saturating_mul(targets.len()) <= MOST_KEPT;
    let (mut calibration, mut squares) = (Calibration::default(), 0.0);
    // Of two classes the last; of more all, where they are not too many.
    let mut scores = Vec::new();
    answer((model, output), data, |first, answers| {
        for (row, &target) in answers.chunks_exact(cols).zip(&targets[first..]) {
            let target = target as usize;
            match row {
                [_, positive] => {
                    calibration.add(*positive, target == 1);
                    scores.push(*positive);
                }
                _ => {
                    if let Some(answer) = argmax(row) {
                        calibration.add(row[answer], answer == target);
                    }
                    if is_kept {
                        scores.extend(row);
                    }
                }
            }
            squares += brier(row, target);
        }
    })?;
    let positive: Vec<bool> = targets.iter().map(|&target| target == 1).collect();
    Ok(Classes {
        threshold,
        ranking: if cols == 2 { Ranking::new(&scores, &positive) } else { None },
        macro_roc_auc: if is_kept { macro_roc_auc(&scores, targets) } else { None },
        calibration: is_probability.then(|| (calibration, squares / targets.len() as f64)),
    })
}

/// Counts of two classes at a threshold.
fn confusion_at(ranking: &Ranking, threshold: f64) -> ConfusionMatrix {
    let at = ranking.at(threshold);
    let (missed, passed) = (ranking.positives() - at.true_positives, ranking.negatives() - at.false_positives);
    ConfusionMatrix::from_counts(2, vec![passed, at.false_positives, missed, at.true_positives])
}

fn values((model, output): (&Model, usize), data: &Dataset) -> Result<Vec<f32>, Failure> {
    let task = &model.outputs()[output].task;
    let cols = task.names().len();
    let first = match task {
        Task::Quantiles { quantiles, .. } => middle(quantiles),
        _ => 0,
    };
    let positions = model.positions(output).iter().product();
    let mut values = Vec::with_capacity(data.len());
    answer((model, output), data, |_, answers| values.extend(of_one((first, cols), positions, answers)))?;
    Ok(values)
}

/// The numbers of one name, `[rows, positions]`, among those of `cols` names.
fn of_one((name, cols): (usize, usize), positions: usize, values: &[f32]) -> impl Iterator<Item = f32> + '_ {
    let rows = values.chunks_exact((cols * positions).max(1));
    rows.flat_map(move |row| &row[name * positions..(name + 1) * positions]).copied()
}
