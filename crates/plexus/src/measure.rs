//! How right a model is on some data.

use crate::error::Error;
use crate::model::Model;
use crate::task::Task;
use plexus_nn::{Input, Shape};
use plexus_train::check::Fit;
use plexus_train::data::{Dataset, InputRows, Rows, Targets, TaskKind};
use plexus_train::evaluate::{Evaluation, evaluate_plan, rows_per_batch};
use plexus_train::loss::{Loss, Objective};

impl Model {
    /// Rows of one prediction that need no memory worth mentioning: at most 512, fewer for a network whose intermediate
    /// values are large. Many rows are best answered in batches of so many.
    pub fn rows_per_batch(&self) -> usize {
        rows_per_batch(&self.plan)
    }

    /// Checks that a data set has the input shape and the answers of this model, its classes in the same order.
    ///
    /// # Errors
    /// [`Error::Mismatch`] or [`Error::KindOfAnswer`], naming both sides.
    pub fn check_data(&self, data: &Dataset) -> Result<(), Error> {
        let inputs = &self.network().network().inputs;
        let differs = |(input, rows): (&Input, &InputRows)| input.shape != rows.shape;
        if inputs.len() != data.inputs().len() || inputs.iter().zip(data.inputs()).any(differs) {
            let shapes = |shapes: &mut dyn Iterator<Item = &Shape>| {
                shapes.map(Shape::to_string).collect::<Vec<_>>().join(" and ")
            };
            return Err(Error::Mismatch {
                what: "the input shape",
                model: shapes(&mut inputs.iter().map(|input| &input.shape)),
                data: shapes(&mut data.inputs().iter().map(|rows| &rows.shape)),
                help: "Use data like that which the model was trained on.".to_string(),
            });
        }
        if self.outputs.len() != data.targets().len() {
            let names: Vec<&str> = self.outputs.iter().map(|output| output.name.as_str()).collect();
            return Err(Error::Mismatch {
                what: "the targets",
                model: format!("{} outputs: {}", names.len(), names.join(", ")),
                data: data.targets().len().to_string(),
                help: "Each output needs one target.".to_string(),
            });
        }
        self.outputs.iter().zip(data.targets()).try_for_each(|(output, targets)| check_target(&output.task, targets))
    }

    /// Measures the model on all rows of a data set.
    ///
    /// # Errors
    /// [`Error::Mismatch`] or [`Error::KindOfAnswer`], where the data is not of the model's kind.
    pub fn evaluate(&self, data: &Dataset) -> Result<Evaluation, Error> {
        self.check_data(data)?;
        let objectives: Vec<Objective> = self.outputs.iter().map(|output| loss(&output.task).into()).collect();
        let fit = Fit::new(self.plan.network(), &objectives, data)?;
        let mut workspace = plexus_nn::Workspace::default();
        let rows = Rows::from(0..data.len() as u64);
        let mut evaluation = evaluate_plan(&self.plan, &mut workspace, &objectives, &fit, data, &rows)?;
        for (measured, output) in evaluation.outputs.iter_mut().zip(&self.outputs) {
            measured.name.clone_from(&output.name);
        }
        Ok(evaluation)
    }
}

/// The loss that a model is measured with.
fn loss(task: &Task) -> Loss {
    match task {
        Task::Classification { .. } => Loss::CrossEntropy { label_smoothing: 0.0, class_weights: None },
        Task::MultiLabel { .. } => Loss::BinaryCrossEntropy,
        Task::Regression { .. } => Loss::MeanSquaredError,
        Task::Quantiles { quantiles, .. } => Loss::Quantile { quantiles: quantiles.clone() },
    }
}

/// Checks that a target is what an output answers.
fn check_target(task: &Task, targets: &Targets) -> Result<(), Error> {
    let mismatch = |what, model: String, data: String, help: &str| {
        Err(Error::Mismatch { what, model, data, help: help.to_string() })
    };
    let names = task.names();
    match (targets, task) {
        (Targets::Classes { names: classes, .. }, Task::Classification { .. } | Task::MultiLabel { .. }) => {
            if classes != names {
                let help = "The classes must be the same, in the same order.";
                return mismatch("the classes", names.join(", "), classes.join(", "), help);
            }
        }
        (Targets::Values { names: outputs, .. }, Task::Regression { .. }) => {
            if outputs.len() != names.len() {
                let (model, data) = (names.join(", "), outputs.join(", "));
                return mismatch("the outputs", model, data, "Each output needs one target column.");
            }
        }
        (Targets::Values { .. }, Task::Quantiles { .. }) => {}
        // Trained to say 1 for the right class and 0 for the others: the largest number is the answer.
        (Targets::Classes { names: classes, .. }, Task::Regression { outputs }) if classes == outputs => {}
        (Targets::Classes { .. }, _) => {
            return Err(Error::KindOfAnswer { model: TaskKind::Regression, data: TaskKind::Classification });
        }
        (Targets::Values { .. }, _) => {
            return Err(Error::KindOfAnswer { model: TaskKind::Classification, data: TaskKind::Regression });
        }
    }
    Ok(())
}
