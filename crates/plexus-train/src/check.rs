//! Whether a network, its numbers, losses and data belong together: asked before anything is computed.

use crate::answers::AnswerTable;
use crate::data::{Augment, Dataset, InputRows, Rows, Source, TargetKind, Targets, Widths};
use crate::loss::{Loss, Objective, TargetBatch};
use plexus_kernels::softmax::IGNORED;
use plexus_nn::{CheckedNetwork, ParamLayout, Params};
use std::sync::Arc;

/// Two things that do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: expected {expected}, got {got}{}", if help.is_empty() { String::new() } else { format!(". {help}") })]
pub struct Unfit {
    /// What was compared, e.g. `the width of a row`.
    pub what: String,
    /// What would fit.
    pub expected: String,
    /// What came.
    pub got: String,
    /// What to do about it; empty where that is plain.
    pub help: String,
}

fn unfit<T>(what: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit { what: what.into(), expected: expected.into(), got: got.into(), help: String::new() })
}

/// Checks that numbers are those of a network, and that there is a loss for each of its outputs that can be taken of it.
///
/// # Errors
/// [`Unfit`] naming both sides.
pub fn check_start(network: &CheckedNetwork, params: &Params, objectives: &[Objective]) -> Result<(), Unfit> {
    if network.layout() != params.layout() {
        let described = |layout: &ParamLayout| {
            let (tensors, numbers) = (layout.entries().len(), layout.weights_len() + layout.state_len());
            format!("{tensors} tensors of {numbers} numbers")
        };
        let got = format!("{} of another network", described(params.layout()));
        return unfit("the numbers of the network", described(network.layout()), got);
    }
    if let Some(index) = network.without_gradient() {
        return Err(Unfit {
            what: "the network".to_string(),
            expected: "layers with a way back".to_string(),
            got: format!("layer {} of whole numbers", network.label(index)),
            help: "Start from the float model that it was made of".to_string(),
        });
    }
    check_objectives(network, objectives)
}

fn check_objectives(network: &CheckedNetwork, objectives: &[Objective]) -> Result<(), Unfit> {
    let outputs = network.outputs();
    if outputs.len() != objectives.len() {
        let names: Vec<&str> = outputs.iter().map(|output| network.name(*output)).collect();
        let expected = format!("{}, one for each output of the network: {}", outputs.len(), names.join(", "));
        return unfit("the losses", expected, objectives.len().to_string());
    }
    for (index, Objective { loss, weight, .. }) in objectives.iter().enumerate() {
        let of_output = |what: &str| of_output(network, index, what);
        let len = network.len(outputs[index]);
        if len == 0 {
            let got = network.shape(outputs[index]).to_string();
            return unfit(of_output("the output of the network"), "at least one number", got);
        }
        if !(weight.is_finite() && *weight >= 0.0) {
            return unfit(of_output("the weight of the loss"), "a number of at least 0", weight.to_string());
        }
        if let Loss::Quantile { quantiles } = loss
            && (quantiles.is_empty() || !len.is_multiple_of(quantiles.len()))
        {
            let expected = format!("numbers that share out the {len} outputs");
            return unfit(of_output("the quantiles"), expected, quantiles.len().to_string());
        }
        if let Loss::CrossEntropy { class_weights: Some(weights), .. } = loss
            && !network.shape(outputs[index]).axes().contains(&weights.len())
        {
            let expected = format!("{}, one for each output", network.shape(outputs[index]));
            return unfit(of_output("the class weights"), expected, weights.len().to_string());
        }
    }
    Ok(())
}

/// Names the output that is meant, where there are several.
fn of_output(network: &CheckedNetwork, index: usize, what: &str) -> String {
    match network.outputs() {
        [_] => what.to_string(),
        outputs => format!("{what}, at output \"{}\"", network.name(outputs[index])),
    }
}

/// Checks that a data set has as many samples as targets, and that each class is one of its names.
pub(crate) fn check_dataset(data: &Dataset) -> Result<(), Unfit> {
    if data.inputs.is_empty() || data.targets.is_empty() {
        let got = format!("{} and {}", data.inputs.len(), data.targets.len());
        return unfit("the inputs and targets", "at least one of each", got);
    }
    for targets in &data.targets {
        if let Targets::Values { names, shape, .. } = targets {
            check_names(names, shape.axes().first().copied())?;
        }
        let (shape, found) = match targets {
            Targets::Classes { positions, indices, .. } => (positions, indices.len()),
            Targets::Values { shape, values, .. } => (shape, values.len()),
        };
        let whole = shape.len().is_some_and(|width| width > 0 && found.is_multiple_of(width));
        if !whole {
            return unfit("the targets", format!("rows of {shape}"), format!("{found} in all"));
        }
        let (rows, of_first) = (targets.rows(), data.len());
        if rows != of_first {
            return unfit("the rows of the targets", format!("{of_first}, as of the first"), rows.to_string());
        }
    }
    let rows = data.len();
    for InputRows { shape, samples } in &data.inputs {
        if shape.len().and_then(|width| width.checked_mul(rows)) != Some(samples.len()) {
            let expected = format!("{rows} rows of {shape}, as there are targets");
            return unfit("the samples", expected, format!("{} numbers", samples.len()));
        }
    }
    data.targets.iter().try_for_each(|targets| match targets {
        Targets::Classes { names, indices, .. } => check_classes(indices, names.len(), true),
        Targets::Values { .. } => Ok(()),
    })
}

fn check_names(names: &[String], wanted: Option<usize>) -> Result<(), Unfit> {
    let wanted = wanted.unwrap_or(1);
    match names.len() == wanted {
        true => Ok(()),
        false => unfit("the names of the target numbers", wanted.to_string(), names.len().to_string()),
    }
}

fn check_classes(classes: &[u32], count: usize, may_be_ignored: bool) -> Result<(), Unfit> {
    let bad = |class: &&u32| **class as usize >= count && !(may_be_ignored && **class == IGNORED);
    match classes.iter().filter(bad).max() {
        None => Ok(()),
        Some(&IGNORED) => {
            unfit("the classes", "a class everywhere: only cross-entropy and dice leave places out", "none")
        }
        Some(class) => unfit("the classes", format!("0 to {}", count.saturating_sub(1)), class.to_string()),
    }
}

/// The proof that the rows of a source fit the inputs of a network, and their targets its outputs and losses.
#[derive(Clone, Debug)]
pub struct Fit {
    network: Arc<CheckedNetwork>,
    widths: Widths,
    outputs: Vec<OutputFit>,
}

/// How one output is compared with its target.
#[derive(Clone, Debug)]
pub(crate) struct OutputFit {
    pub name: String,
    pub kind: TargetKind,
    pub table: AnswerTable,
}

impl OutputFit {
    pub fn is_classes(&self) -> bool {
        matches!(self.kind, TargetKind::Classes { .. })
    }
}

impl Fit {
    /// Compares a source with a network and what each output is trained for. It looks at shapes only, not at rows.
    ///
    /// # Errors
    /// [`Unfit`] naming both sides.
    pub fn new(network: &Arc<CheckedNetwork>, objectives: &[Objective], source: &dyn Source) -> Result<Fit, Unfit> {
        check_objectives(network, objectives)?;
        source.check()?;
        let (inputs, targets) = (source.inputs(), source.targets());
        let wanted = &network.network().inputs;
        if inputs.len() != wanted.len() {
            let names: Vec<&str> = wanted.iter().map(|input| input.name.as_str()).collect();
            let expected = format!("{}, one for each input of the network: {}", wanted.len(), names.join(", "));
            return unfit(format!("the inputs of {}", source.name()), expected, inputs.len().to_string());
        }
        for (input, shape) in wanted.iter().zip(&inputs) {
            if input.shape.len() != shape.len() {
                let (what, expected) = match wanted.len() {
                    1 => ("a row".to_string(), format!("{} as the input of the network", input.shape)),
                    _ => (format!("a row for the input \"{}\"", input.name), input.shape.to_string()),
                };
                return unfit(what, expected, shape.to_string());
            }
        }
        if targets.len() != network.outputs().len() {
            let names: Vec<&str> = network.outputs().iter().map(|output| network.name(*output)).collect();
            let expected = format!("{}, one for each output of the network: {}", names.len(), names.join(", "));
            return unfit(format!("the targets of {}", source.name()), expected, targets.len().to_string());
        }
        let outputs = targets.into_iter().zip(objectives).enumerate();
        let outputs = outputs.map(|(index, (kind, objective))| fit_output(network, index, kind, &objective.loss));
        let outputs = outputs.collect::<Result<_, _>>()?;
        let Some(widths) = Widths::of(source) else {
            return unfit(format!("a row of {}", source.name()), "so many numbers as can be counted", "more");
        };
        Ok(Fit { network: network.clone(), widths, outputs })
    }

    /// Whether it was made for this network.
    pub(crate) fn is_of(&self, network: &Arc<CheckedNetwork>) -> bool {
        Arc::ptr_eq(&self.network, network)
    }

    pub(crate) fn widths(&self) -> &Widths {
        &self.widths
    }

    pub(crate) fn outputs(&self) -> &[OutputFit] {
        &self.outputs
    }

    /// Checks that the classes of some rows are there.
    pub(crate) fn check_targets(&self, output: usize, loss: &Loss, targets: TargetBatch<'_>) -> Result<(), Unfit> {
        match targets {
            TargetBatch::Classes(classes) => {
                let may_be_ignored = loss.is_of_classes();
                check_classes(classes, self.outputs[output].table.cols, may_be_ignored)
                    .map_err(|unfit| Unfit { what: of_output(&self.network, output, &unfit.what), ..unfit })
            }
            TargetBatch::Values(_) => Ok(()),
        }
    }
}

/// Compares the target of one output with the output and its loss.
fn fit_output(network: &CheckedNetwork, index: usize, kind: TargetKind, loss: &Loss) -> Result<OutputFit, Unfit> {
    let value = network.outputs()[index];
    let (shape, name) = (network.shape(value), network.name(value).to_string());
    let of_output = |what: &str| of_output(network, index, what);
    match (&kind, loss) {
        (TargetKind::Classes { .. }, Loss::Quantile { .. }) => {
            return unfit(of_output("the targets"), "numbers, for the loss quantile", "classes");
        }
        (TargetKind::Values { .. }, loss) if loss.is_of_classes() => {
            return unfit(of_output("the targets"), format!("classes, for the loss {}", loss.name()), "numbers");
        }
        _ => {}
    }
    let (wanted, axis): (Vec<usize>, usize) = match &kind {
        TargetKind::Classes { names, axis, positions } => {
            let mut wanted = positions.axes().to_vec();
            wanted.insert((*axis).min(wanted.len()), names.len());
            (wanted, *axis)
        }
        TargetKind::Values { names, shape } => {
            check_names(names, shape.axes().first().copied())?;
            match shape.axes() {
                [numbers] => (vec![numbers.saturating_mul(loss.outputs_per_target())], 0),
                _ => (shape.axes().to_vec(), 0),
            }
        }
    };
    // One number may be written without an axis.
    let one = shape.len() == Some(1) && wanted.iter().product::<usize>() == 1;
    // Maps of one pixel are a row: the output of a classifier made of convolutions alone, for an image of its own size.
    let axes = match (shape.axes(), &wanted[..]) {
        ([channels, 1, 1], [count]) if channels == count => &wanted,
        (axes, _) => axes,
    };
    let table = AnswerTable::new(axes, axis).filter(|_| axes == wanted || one);
    if let (Some(table), Loss::CrossEntropy { class_weights: Some(weights), .. }) = (table, loss)
        && weights.len() != table.cols
    {
        let expected = format!("{}, one for each class", table.cols);
        return unfit(of_output("the class weights"), expected, weights.len().to_string());
    }
    if let Some(table) = table {
        return Ok(OutputFit { name, kind, table });
    }
    let what = match (&kind, loss) {
        (TargetKind::Classes { names, .. }, _) if wanted.len() == 1 => format!("{} classes", names.len()),
        (TargetKind::Values { .. }, Loss::Quantile { .. }) => format!("{} quantiles", wanted[0]),
        (TargetKind::Values { names, .. }, _) if wanted.len() == 1 => format!("{} target columns", names.len()),
        (TargetKind::Classes { names, positions, .. }, _) => {
            format!("{} classes at {positions} positions", names.len())
        }
        (TargetKind::Values { .. }, _) => "target numbers".to_string(),
    };
    let wanted = plexus_nn::Shape::new(wanted);
    let label = match network.layer_of(value) {
        Some(layer) => network.label(layer),
        None => "the input".to_string(),
    };
    let help = match (shape.axes(), wanted.axes()) {
        ([_], [count]) => format!("Give the last linear layer out_features = {count}."),
        (_, [_]) => {
            "A linear layer keeps all axes but the last: put a flatten layer in front (kind = \"flatten\").".into()
        }
        _ => String::new(),
    };
    Err(Unfit {
        what: of_output("the outputs of the network"),
        expected: format!("{wanted}, for {what}"),
        got: format!("output {shape} at {label}"),
        help,
    })
}

/// Checks that samples are pictures, where they are to be changed, and that their targets stay true then.
///
/// # Errors
/// [`Unfit`] for samples or targets of another shape.
pub fn check_changes(augment: Option<&Augment>, source: &dyn Source) -> Result<(), Unfit> {
    if augment.is_none() {
        return Ok(());
    }
    let inputs = source.pictures();
    if !inputs.iter().any(|shape| shape.axes().len() == 3) {
        let got: Vec<String> = inputs.iter().map(|shape| shape.to_string()).collect();
        return unfit("samples that are changed", "pictures: [channels, height, width]", got.join(" and "));
    }
    // What belongs to a place has to move with it: classes of pixels do, where there is one for each pixel.
    let is_of_size = |positions: &[usize]| {
        let pictures = inputs.iter().map(|shape| shape.axes()).filter(|axes| axes.len() == 3);
        positions.is_empty() || { pictures }.all(|picture| &picture[1..] == positions)
    };
    for kind in source.targets() {
        let (moves, shape) = match &kind {
            TargetKind::Classes { positions, .. } => (is_of_size(positions.axes()), positions),
            TargetKind::Values { shape, .. } => (shape.axes().len() <= 1, shape),
        };
        if !moves {
            let expected = "one class or some numbers for the whole picture, or a class for each pixel";
            let what = if matches!(kind, TargetKind::Classes { .. }) { "classes" } else { "numbers" };
            return unfit("targets of pictures that are changed", expected, format!("{what} at {shape}"));
        }
    }
    Ok(())
}

/// Checks that rows are there.
///
/// # Errors
/// [`Unfit`] naming the largest that is not.
pub(crate) fn check_rows(source: &dyn Source, rows: &Rows) -> Result<(), Unfit> {
    match rows.largest() {
        Some(largest) if largest >= source.len() => {
            unfit("the rows", format!("below {}", source.len()), largest.to_string())
        }
        _ => Ok(()),
    }
}
