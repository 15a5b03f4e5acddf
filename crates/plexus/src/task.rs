//! What the outputs of a model mean.

use crate::error::Error;
use crate::positions::positions;
use plexus_nn::{CheckedNetwork, ValueId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the outputs mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Task {
    /// One score (logit) a class; softmax makes probabilities of them. An output `[classes, height, width]` has them for each
    /// pixel.
    Classification {
        /// Names of the classes, in the order of the outputs.
        classes: Vec<String>,
    },
    /// Yes or no for each class by itself; σ makes probabilities of the logits.
    MultiLabel {
        /// Names of the classes, in the order of the outputs.
        classes: Vec<String>,
    },
    /// Numbers.
    Regression {
        /// Names of the numbers, in the order of the outputs.
        outputs: Vec<String>,
    },
    /// Quantiles of one number, rising.
    Quantiles {
        /// The name of the number.
        target: String,
        /// Which quantiles, each in 0..1.
        quantiles: Vec<f32>,
        /// Names of the outputs, such as `price q0.1`.
        outputs: Vec<String>,
    },
}

impl Task {
    /// The names of the outputs.
    pub fn names(&self) -> &[String] {
        match self {
            Task::Classification { classes } | Task::MultiLabel { classes } => classes,
            Task::Regression { outputs } | Task::Quantiles { outputs, .. } => outputs,
        }
    }
}

/// In a few words, as `10 classes`.
impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Task::Classification { classes } => write!(f, "{} classes", classes.len()),
            Task::MultiLabel { classes } => write!(f, "yes or no for {} classes", classes.len()),
            Task::Regression { outputs } if outputs.len() == 1 => write!(f, "the number {}", outputs[0]),
            Task::Regression { outputs } => write!(f, "{} numbers", outputs.len()),
            Task::Quantiles { target, quantiles, .. } => write!(f, "{} quantiles of {target}", quantiles.len()),
        }
    }
}

/// What one output of a network means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputTask {
    /// The name of the output.
    pub name: String,
    /// What it means.
    #[serde(flatten)]
    pub task: Task,
}

/// What the outputs of a network mean, in their order. A [`Task`] alone is that of the only output.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs(pub Vec<OutputTask>);

impl From<Task> for Outputs {
    fn from(task: Task) -> Self {
        Outputs(vec![OutputTask { name: "output".to_string(), task }])
    }
}

impl From<Vec<OutputTask>> for Outputs {
    fn from(outputs: Vec<OutputTask>) -> Self {
        Outputs(outputs)
    }
}

/// Each number of an output needs one name, or each place of the first of its axes.
pub(crate) fn check_names(network: &CheckedNetwork, outputs: &[OutputTask]) -> Result<(), Error> {
    let mismatch = |model: String, data: String| {
        let help = "Each output needs one name, or each place of the first of its axes.".to_string();
        Err(Error::Mismatch { what: "the number of outputs", model, data, help })
    };
    if network.outputs().len() != outputs.len() {
        return mismatch(format!("{} outputs", network.outputs().len()), format!("{} tasks", outputs.len()));
    }
    for (output, named) in network.outputs().iter().zip(outputs) {
        let (len, names) = (network.len(*output), named.task.names().len());
        if positions(network, *output, named).is_none() {
            let shape = network.shape(*output);
            let got = if shape.axes().len() > 1 { format!("{shape} outputs") } else { format!("{len} outputs") };
            return mismatch(got, format!("{names} names"));
        }
        if let Task::Quantiles { quantiles, .. } = &named.task
            && !(quantiles.len() == len && quantiles.iter().all(|quantile| *quantile > 0.0 && *quantile < 1.0))
        {
            let (model, data) = (format!("{len} outputs"), format!("quantiles {quantiles:?}"));
            let help = "Each output is one quantile between 0 and 1.".to_string();
            return Err(Error::Mismatch { what: "the quantiles", model, data, help });
        }
    }
    Ok(())
}

/// What an output is taken for where nothing is said: numbers.
pub(crate) fn unknown_task(network: &CheckedNetwork, output: ValueId) -> OutputTask {
    let outputs = (0..network.len(output)).map(|index| format!("output {index}")).collect();
    OutputTask { name: network.name(output).to_string(), task: Task::Regression { outputs } }
}
