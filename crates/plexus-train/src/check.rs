//! Whether a network, its numbers, a loss and data belong together: asked before anything is computed.

use crate::data::{Augment, Dataset, Samples, Targets};
use crate::loss::Loss;
use plexus_nn::{CheckedNetwork, ParamLayout, Params};

/// Two things that do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: expected {expected}, got {got}")]
pub struct Unfit {
    /// What was compared, e.g. `the width of a row`.
    pub what: &'static str,
    /// What would fit.
    pub expected: String,
    /// What came.
    pub got: String,
}

fn unfit<T>(what: &'static str, expected: impl Into<String>, got: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit { what, expected: expected.into(), got: got.into() })
}

/// Checks that numbers are those of a network, and that a loss can be taken of its output.
///
/// # Errors
/// [`Unfit`] naming both sides.
pub fn check_start(network: &CheckedNetwork, params: &Params, loss: &Loss) -> Result<(), Unfit> {
    if network.layout() != params.layout() {
        let described = |layout: &ParamLayout| {
            let (tensors, numbers) = (layout.entries().len(), layout.weights_len() + layout.state_len());
            format!("{tensors} tensors of {numbers} numbers")
        };
        let got = format!("{} of another network", described(params.layout()));
        return unfit("the numbers of the network", described(network.layout()), got);
    }
    let (inputs, outputs) = (network.network().inputs.len(), network.outputs().len());
    if (inputs, outputs) != (1, 1) {
        return unfit("the network", "one input and one output", format!("{inputs} inputs and {outputs} outputs"));
    }
    let cols = network.output_len();
    if cols == 0 {
        return unfit("the output of the network", "at least one number", network.output().to_string());
    }
    match loss {
        Loss::CrossEntropy { class_weights: Some(weights), .. } if weights.len() != cols => {
            unfit("the class weights", format!("{cols}, one for each output"), weights.len().to_string())
        }
        Loss::Quantile { quantiles } if quantiles.is_empty() || !cols.is_multiple_of(quantiles.len()) => {
            unfit("the quantiles", format!("numbers that share out the {cols} outputs"), quantiles.len().to_string())
        }
        _ => Ok(()),
    }
}

/// Checks that a data set has as many samples as targets, and that each class is one of its names.
///
/// # Errors
/// [`Unfit`] for the first fault.
pub fn check_dataset(data: &Dataset) -> Result<(), Unfit> {
    check_lengths(data)?;
    match &data.targets {
        Targets::Classes { names, indices } => check_classes(indices.iter().copied(), names.len()),
        Targets::Values { .. } => Ok(()),
    }
}

fn check_lengths(data: &Dataset) -> Result<(), Unfit> {
    if let Targets::Values { names, values } = &data.targets
        && (names.is_empty() || !values.len().is_multiple_of(names.len()))
    {
        let expected = format!("{} in each row, one for each name", names.len());
        return unfit("the target numbers", expected, format!("{} in all", values.len()));
    }
    let (rows, found) = (
        data.len(),
        match &data.samples {
            Samples::U8(values) => values.len(),
            Samples::F32(values) => values.len(),
        },
    );
    match data.input.len() {
        Some(width) if width.checked_mul(rows) == Some(found) => Ok(()),
        _ => unfit(
            "the samples",
            format!("{rows} rows of {}, as there are targets", data.input),
            format!("{found} numbers"),
        ),
    }
}

fn check_classes(classes: impl Iterator<Item = u32>, count: usize) -> Result<(), Unfit> {
    match classes.max() {
        Some(largest) if largest as usize >= count => {
            unfit("the classes", format!("0 to {}", count.saturating_sub(1)), largest.to_string())
        }
        _ => Ok(()),
    }
}

/// Checks that samples are pictures, where they are to be changed.
///
/// # Errors
/// [`Unfit`] for samples of another shape.
pub fn check_changes(augment: Option<&Augment>, data: &Dataset) -> Result<(), Unfit> {
    match (augment, data.input.axes().len()) {
        (None, _) | (Some(_), 3) => Ok(()),
        _ => unfit("samples that are changed", "pictures: [channels, height, width]", data.input.to_string()),
    }
}

/// Checks that some rows of a data set can be learnt or measured: its rows fit the input of the network, its targets the
/// output and the loss, and the rows are there. Costs next to nothing: it looks at the classes of these rows only.
///
/// # Errors
/// [`Unfit`] naming both sides.
pub fn check_rows(network: &CheckedNetwork, loss: &Loss, data: &Dataset, rows: &[u32]) -> Result<(), Unfit> {
    if data.input.len() != network.input().len() {
        return unfit("a row", format!("{} as the input of the network", network.input()), data.input.to_string());
    }
    check_lengths(data)?;
    if let Some(row) = rows.iter().find(|&&row| row as usize >= data.len()) {
        return unfit("the rows", format!("below {}", data.len()), row.to_string());
    }
    let cols = network.output_len();
    match (&data.targets, loss) {
        (Targets::Classes { .. }, Loss::Quantile { .. }) => {
            unfit("the targets", "numbers, for the loss quantile", "classes")
        }
        (Targets::Values { .. }, Loss::CrossEntropy { .. }) => {
            unfit("the targets", "classes, for the loss cross_entropy", "numbers")
        }
        (Targets::Classes { indices, .. }, _) => check_classes(rows.iter().map(|&row| indices[row as usize]), cols),
        (Targets::Values { names, .. }, loss) => {
            let wanted = names.len().saturating_mul(loss.outputs_per_target());
            if wanted == cols {
                return Ok(());
            }
            unfit(
                "the outputs of the network",
                format!("{wanted}, for {} target numbers", names.len()),
                cols.to_string(),
            )
        }
    }
}
