//! From a network, data and settings to a trainer, and from a trainer to a model: what every run has in common, whether
//! it lives in a folder or in the memory of a program.

use crate::error::Error;
use crate::model::Model;
use crate::task::{OutputTask, Task, check_names};
use crate::transfer::{Frozen, Pretrained, Start};
use plexus_kernels::Context;
use plexus_kernels::map::Function;
use plexus_kernels::random::{Random, Stream};
use plexus_nn::layers::{Activation, Layer, Standardize};
use plexus_nn::{CheckedNetwork, Network, Params, Plan, Shape, ValueId};
use plexus_train::Remedy;
use plexus_train::check::{Fit, Unfit};
use plexus_train::data::{Source, TargetKind, TaskKind};
use plexus_train::loss::{Loss, Objective};
use plexus_train::memory::training_bytes;
use plexus_train::optim::{Optimizer, Sgd};
use plexus_train::schedule::Schedule;
use plexus_train::target::{ScaleKind, TargetScale};
use plexus_train::trainer::{Settings, Trainer};
use std::borrow::Cow;
use std::sync::Arc;

/// The most epochs of a run: with 2^32 steps in each, their product still fits in 64 bits.
const MOST_EPOCHS: u64 = 1 << 31;

/// What is learnt besides what the settings of the trainer say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scaling {
    /// Whether layers that bring the inputs to mean 0 and standard deviation 1 are put in front.
    pub standardize: bool,
    /// The scale on which numbers are learnt.
    pub target: ScaleKind,
}

/// Where a trainer begins.
pub(crate) enum Beginning {
    /// With numbers that are drawn.
    Network(Network),
    /// With these.
    Params(Arc<CheckedNetwork>, Params),
}

#[cfg(feature = "table")]
impl Beginning {
    /// Whether this network is what is trained.
    pub fn is_of(&self, trained: &Network) -> bool {
        match self {
            Beginning::Network(network) => network == trained,
            Beginning::Params(network, _) => network.network() == trained,
        }
    }
}

/// What is trained, and on what.
pub(crate) struct Prepared {
    pub beginning: Beginning,
    /// The rows that are learnt from: those that were given, or what the frozen layers make of them.
    pub source: Arc<dyn Source>,
    /// Layers that stay as they are.
    pub frozen: Option<Frozen>,
}

/// Parts layers that stay as they are from those that are trained.
pub(crate) fn prepare(
    start: Start,
    source: Arc<dyn Source>,
    settings: &Settings,
    context: &Context,
) -> Result<Prepared, Error> {
    let pretrained = match start {
        Start::Network(network) => {
            return Ok(Prepared { beginning: Beginning::Network(network), source, frozen: None });
        }
        Start::Pretrained(pretrained) => pretrained.for_inputs(&source.inputs()),
    };
    check_outputs(&pretrained, &source.targets(), &settings.objectives)?;
    let (mut frozen, network, params) = pretrained.split(pretrained.params(settings.seed))?;
    let source = match &mut frozen {
        Some(frozen) => frozen.features(source, context)?,
        None => source,
    };
    Ok(Prepared { beginning: Beginning::Params(network, params), source, frozen })
}

/// A trainer for some rows of a source.
pub(crate) fn trainer(
    beginning: Beginning,
    source: &dyn Source,
    rows: &[u64],
    scaling: Scaling,
    settings: Settings,
    context: &Context,
) -> Result<Trainer, Error> {
    check_settings(&settings)?;
    if rows.is_empty() {
        let (what, expected) = (format!("the rows of {} to learn from", source.name()), "at least one".to_string());
        return Err(Unfit { what, expected, got: "none".to_string(), help: String::new() }.into());
    }
    check_augment(&settings, source.name(), &source.pictures())?;
    match beginning {
        Beginning::Network(network) => of_network(network, source, rows, scaling, settings, context),
        Beginning::Params(network, params) => {
            of_params(network, params, source, rows, scaling.target, settings, context)
        }
    }
}

/// From first values on.
fn of_network(
    mut network: Network,
    source: &dyn Source,
    rows: &[u64],
    scaling: Scaling,
    settings: Settings,
    context: &Context,
) -> Result<Trainer, Error> {
    let inputs = source.inputs();
    let standardized = if scaling.standardize { standardize_layers(&network, &inputs) } else { Vec::new() };
    for (index, (name, layer)) in standardized.iter().enumerate().rev() {
        if network.layers.iter().any(|named| named.name == *name) {
            return Err(Error::Setting {
                name: "network",
                got: format!("one with a layer named \"{name}\""),
                expected: "without it, because training puts a fitted one in front; rename yours".to_string(),
                remedy: Some(Remedy::NoStandardize),
            });
        }
        network.insert_behind_input(index, name, (*layer).into());
    }
    let network = Arc::new(network.check()?);
    // Before memory is taken for the numbers.
    check_memory(&network, &settings, rows.len(), context)?;
    let mut params = Params::initialize(&network, settings.seed);
    for (index, (name, Standardize { per_feature, .. })) in standardized.iter().enumerate() {
        let (mean, scale) = source.mean_and_scale(index, rows, *per_feature, context.pool())?;
        params.set(&format!("{name}.mean"), &mean);
        params.set(&format!("{name}.scale"), &scale);
    }
    of_params(network, params, source, rows, scaling.target, settings, context)
}

/// From these numbers on; only the scales of targets are fitted.
fn of_params(
    network: Arc<CheckedNetwork>,
    params: Params,
    source: &dyn Source,
    rows: &[u64],
    scale: ScaleKind,
    mut settings: Settings,
    context: &Context,
) -> Result<Trainer, Error> {
    let targets = source.targets();
    check_losses(&network, &settings.objectives, &targets)?;
    Fit::new(&network, &settings.objectives, source)?;
    for (index, objective) in settings.objectives.iter_mut().enumerate() {
        objective.target_scale = target_scale(scale, &objective.loss, source, index, rows, context)?;
    }
    check_memory(&network, &settings, rows.len(), context)?;
    check_names(&network, &output_tasks(&network, &targets, &settings.objectives))?;
    Ok(Trainer::new(network, params, settings, context.clone())?)
}

/// A model answers with as many classes as the data has, or it gets a new last layer.
fn check_outputs(pretrained: &Pretrained, targets: &[TargetKind], objectives: &[Objective]) -> Result<(), Error> {
    let network = pretrained.network();
    let ([output], [TargetKind::Classes { names, axis, .. }], [objective]) = (network.outputs(), targets, objectives)
    else {
        return Ok(());
    };
    let has = network.shape(*output).axes().get(*axis).copied();
    if !objective.loss.is_of_classes() || has == Some(names.len()) {
        return Ok(());
    }
    let has = has.map_or_else(|| "no".to_string(), |has| has.to_string());
    match pretrained.has_new_outputs() {
        true => Err(setting("classes", has, &format!("{}, as many as the data has", names.len()))),
        false => {
            let expected = format!("{}, as many as the data has: the model answers with {has}", names.len());
            Err(setting("classes", "not given".to_string(), &expected))
        }
    }
}

/// The best weights of a trainer so far, as a model.
pub(crate) fn model(
    trainer: &Trainer,
    frozen: Option<&Frozen>,
    targets: &[TargetKind],
    context: &Context,
) -> Result<Model, Error> {
    let learnt = match frozen.map(|frozen| frozen.joined(trainer.best_params())) {
        Some((whole, params)) => (whole, Cow::Owned(params)),
        None => (trainer.network().clone(), Cow::Borrowed(trainer.best_params())),
    };
    model_of(trainer, learnt, targets, context)
}

/// A network with the inputs and outputs of the one that was trained, as a model.
pub(crate) fn model_of(
    trainer: &Trainer,
    learnt: (Arc<CheckedNetwork>, Cow<'_, Params>),
    targets: &[TargetKind],
    context: &Context,
) -> Result<Model, Error> {
    let outputs = output_tasks(trainer.network(), targets, &trainer.settings().objectives);
    let (network, params) = answering_network(trainer, learnt)?;
    Model::new(network, &params, outputs, context.clone())
}

/// The model that a run with frozen layers starts from.
#[cfg(feature = "table")]
pub(crate) fn starting_model(
    frozen: &Frozen,
    trainer: &Trainer,
    targets: &[TargetKind],
    context: &Context,
) -> Result<Model, Error> {
    let outputs = output_tasks(trainer.network(), targets, &trainer.settings().objectives);
    let (network, params) = frozen.joined(trainer.params());
    Model::new(network, &params, outputs, context.clone())
}

/// A network that was learnt; where a number was learnt on a scale of its own, with the layers that lead back to its unit.
fn answering_network<'a>(
    trainer: &Trainer,
    (learnt, best): (Arc<CheckedNetwork>, Cow<'a, Params>),
) -> Result<(Arc<CheckedNetwork>, Cow<'a, Params>), Error> {
    let scales: Vec<TargetScale> =
        trainer.settings().objectives.iter().map(|objective| objective.target_scale).collect();
    if scales.iter().all(TargetScale::is_none) {
        return Ok((learnt, best));
    }
    let mut network = learnt.network().clone();
    // Where several outputs follow each other, each needs its name.
    let name = |index: usize, name: &str| match learnt.outputs() {
        [_] => name.to_string(),
        outputs => format!("{}.{name}", learnt.name(outputs[index])),
    };
    for (index, scale) in scales.iter().enumerate().filter(|(_, scale)| !scale.is_none()) {
        let layer = Standardize::new();
        network.push_behind_output(index, &name(index, TARGET_SCALE), layer.into());
        if scale.kind == ScaleKind::Log {
            network.push_behind_output(index, &name(index, TARGET_EXP), Activation::new(Function::Exp).into());
        }
    }
    let network = Arc::new(network.check()?);
    let mut params = Params::zeros(&network);
    for (entry, values) in best.tensors() {
        params.set(&entry.name, values);
    }
    for (index, scale) in scales.iter().enumerate().filter(|(_, scale)| !scale.is_none()) {
        let (name, (mean, factor)) = (name(index, TARGET_SCALE), scale.inverse_layer());
        params.set(&format!("{name}.mean"), &[mean]);
        params.set(&format!("{name}.scale"), &[factor]);
    }
    Ok((network, Cow::Owned(params)))
}

/// Names of the layers that lead from the scale that is learnt to the unit of the target.
pub(crate) const TARGET_SCALE: &str = "target_scale";
pub(crate) const TARGET_EXP: &str = "target_exp";

/// Layers that bring each input to mean 0 and standard deviation 1, by their names.
fn standardize_layers(network: &Network, inputs: &[Shape]) -> Vec<(String, Standardize)> {
    let named = network.inputs.iter().zip(inputs).map(|(input, shape)| {
        let name = match network.inputs.len() {
            1 => "standardize".to_string(),
            _ => format!("{}.standardize", input.name),
        };
        // Columns have units of their own; the numbers of a picture share one, however they are stored.
        (name, Standardize::new().with_per_feature(shape.axes().len() == 1))
    });
    named.collect()
}

/// What each output of a network means.
fn output_tasks(network: &CheckedNetwork, targets: &[TargetKind], objectives: &[Objective]) -> Vec<OutputTask> {
    let outputs = network.outputs().iter().zip(targets).zip(objectives);
    let outputs = outputs.map(|((output, target), objective)| OutputTask {
        name: network.name(*output).to_string(),
        task: task(target, &objective.loss),
    });
    outputs.collect()
}

/// What an output means that was trained for a target.
fn task(target: &TargetKind, loss: &Loss) -> Task {
    match (target, loss) {
        (TargetKind::Classes { names, .. }, loss) if loss.is_of_classes() => {
            Task::Classification { classes: names.clone() }
        }
        (TargetKind::Classes { names, .. }, Loss::BinaryCrossEntropy) => Task::MultiLabel { classes: names.clone() },
        (TargetKind::Values { names, .. }, Loss::Quantile { quantiles }) => Task::Quantiles {
            target: names[0].clone(),
            quantiles: quantiles.clone(),
            outputs: quantiles.iter().map(|quantile| format!("{} q{quantile}", names[0])).collect(),
        },
        (TargetKind::Classes { names, .. } | TargetKind::Values { names, .. }, _) => {
            Task::Regression { outputs: names.clone() }
        }
    }
}

/// Fits the scale of a target to the rows that are learnt from.
fn target_scale(
    kind: ScaleKind,
    loss: &Loss,
    source: &dyn Source,
    target: usize,
    rows: &[u64],
    context: &Context,
) -> Result<TargetScale, Error> {
    let scaled =
        matches!(loss, Loss::MeanSquaredError | Loss::MeanAbsoluteError | Loss::Huber { .. } | Loss::Quantile { .. });
    if !scaled || kind == ScaleKind::None {
        return Ok(TargetScale::default());
    }
    let values = |rows: &[u64]| source.target_values(target, rows, context.pool());
    let refuse = |value: f32| {
        let expected = "standard or none where targets are not all above zero";
        setting("target_scale", format!("log, but a target is {value}"), expected)
    };
    if kind == ScaleKind::Log {
        // The rows that choose the best weights need a logarithm too.
        let all: Vec<u64> = (0..source.len()).collect();
        let bad = values(&all)?.and_then(|all| all.into_iter().find(|value| *value <= 0.0));
        bad.map_or(Ok(()), |value| Err(refuse(value)))?;
    }
    let Some(values) = values(rows)? else { return Ok(TargetScale::default()) };
    TargetScale::fit(kind, &values).map_err(refuse)
}

/// Checks settings that lie in ranges, whoever made them.
pub(crate) fn check_settings(settings: &Settings) -> Result<(), Error> {
    let Settings { epochs, batch, accumulate, learning_rate, clip_norm, patience, objectives, .. } = settings;
    let refuse = |name, got: String, expected: &str| Err(setting(name, got, expected));
    if *epochs == 0 || *epochs > MOST_EPOCHS {
        return refuse("epochs", epochs.to_string(), "in 1..=2147483648");
    }
    if *batch == 0 || *batch > 1 << 24 {
        return refuse("batch", batch.to_string(), "in 1..=16777216");
    }
    if *accumulate == 0 || *accumulate > 1 << 16 {
        return refuse("accumulate", accumulate.to_string(), "in 1..=65536");
    }
    if !(learning_rate.is_finite() && *learning_rate > 0.0) {
        return refuse("learning_rate", learning_rate.to_string(), "a positive number");
    }
    if clip_norm.is_some_and(|norm| !(norm.is_finite() && norm > 0.0)) {
        return refuse("clip_norm", clip_norm.unwrap_or(0.0).to_string(), "a positive number");
    }
    if *patience == Some(0) {
        return refuse("patience", "0".to_string(), "at least 1");
    }
    if settings.smoothing == 0 {
        return refuse("smoothing", "0".to_string(), "at least 1");
    }
    check_constants(settings)?;
    objectives.iter().try_for_each(|objective| match &objective.loss {
        Loss::Huber { delta } if !(delta.is_finite() && *delta > 0.0) => {
            refuse("loss", format!("huber with delta {delta}"), "one with a positive delta")
        }
        Loss::CrossEntropy { class_weights: Some(weights), .. }
            if weights.iter().any(|weight| !(weight.is_finite() && *weight >= 0.0)) =>
        {
            refuse("class_weights", format!("{weights:?}"), "numbers of at least 0")
        }
        Loss::Quantile { quantiles }
            if !(quantiles.iter().all(|quantile| *quantile > 0.0 && *quantile < 1.0)
                && quantiles.windows(2).all(|pair| pair[0] < pair[1])
                && !quantiles.is_empty()) =>
        {
            let expected = "quantile: and rising numbers between 0 and 1, as quantile:0.1,0.5,0.9";
            refuse("loss", format!("quantile with {quantiles:?}"), expected)
        }
        Loss::CrossEntropy { label_smoothing, .. } if !(0.0..=1.0).contains(label_smoothing) => {
            refuse("label_smoothing", label_smoothing.to_string(), "in 0..=1")
        }
        _ => Ok(()),
    })
}

/// Checks the constants of the optimizer and of the schedule.
fn check_constants(settings: &Settings) -> Result<(), Error> {
    let share = |name, value: f64| match (0.0..1.0).contains(&value) {
        true => Ok(()),
        false => Err(setting(name, value.to_string(), "in 0..1")),
    };
    let epsilon = |value: f64| match value.is_finite() && value > 0.0 {
        true => Ok(()),
        false => Err(setting("epsilon", value.to_string(), "a positive number")),
    };
    match settings.optimizer {
        Optimizer::Sgd(Sgd { momentum, .. }) => share("momentum", momentum)?,
        Optimizer::Adam(adam) => {
            share("beta1", adam.beta1)?;
            share("beta2", adam.beta2)?;
            epsilon(adam.epsilon)?;
        }
        Optimizer::RmsProp(rms_prop) => {
            share("momentum", rms_prop.momentum)?;
            share("alpha", rms_prop.alpha)?;
            epsilon(rms_prop.epsilon)?;
        }
        _ => {}
    }
    let decay = settings.optimizer.decay().weight_decay;
    if !(decay.is_finite() && decay >= 0.0) {
        return Err(setting("weight_decay", decay.to_string(), "a number of at least 0"));
    }
    match settings.schedule {
        Schedule::Step { factor, .. } | Schedule::ReduceOnPlateau { factor, .. }
            if !(factor.is_finite() && factor > 0.0) =>
        {
            Err(setting("schedule", format!("one with the factor {factor}"), "one with a positive factor"))
        }
        _ => Ok(()),
    }
}

fn setting(name: &'static str, got: String, expected: &str) -> Error {
    Error::Setting { name, got, expected: expected.to_string(), remedy: None }
}

/// Chooses the validation rows: a share of all, by the seed of the run. Both parts, the one to learn from first, are in the
/// order of the source.
pub(crate) fn share(rows: u64, share: f64, seed: u64) -> Result<(Vec<u64>, Vec<u64>), Error> {
    if !(0.0..1.0).contains(&share) {
        return Err(setting("validation", share.to_string(), "a share in 0..1"));
    }
    let count = (rows as f64 * share).round() as usize;
    let mut all: Vec<u64> = (0..rows).collect();
    if count > 0 && count >= all.len() {
        let got = format!("{share} of {rows} rows");
        return Err(setting("validation", got, "a share that leaves rows to learn from"));
    }
    Random::new(seed, Stream::Split, [0, 0]).shuffle(&mut all);
    let mut train = all.split_off(count);
    all.sort_unstable();
    train.sort_unstable();
    Ok((train, all))
}

/// Only pictures can be moved and turned.
fn check_augment(settings: &Settings, data: &str, inputs: &[Shape]) -> Result<(), Error> {
    let is_picture = inputs.iter().any(|shape| shape.axes().len() == 3);
    match settings.augment {
        Some(augment) if !is_picture => {
            let sample = inputs.first().map_or_else(|| "nothing".to_string(), Shape::describe);
            let got = format!("{augment}, but a sample of {data} is {sample}");
            Err(setting("augment", got, "used with images"))
        }
        _ => Ok(()),
    }
}

/// What [`Fit`] says too, with what a caller may ask for instead; and that no softmax is applied twice.
pub(crate) fn check_losses(
    network: &CheckedNetwork,
    objectives: &[Objective],
    targets: &[TargetKind],
) -> Result<(), Error> {
    for (index, (objective, target)) in objectives.iter().zip(targets).enumerate() {
        check_loss(&objective.loss, target)?;
        if let Some(output) = network.outputs().get(index) {
            refuse_probabilities(network, *output, &objective.loss)?;
        }
    }
    Ok(())
}

/// Losses of classes need classes, those of numbers numbers.
fn check_loss(loss: &Loss, target: &TargetKind) -> Result<(), Error> {
    let refuse = |got: String, expected: &str, other: TaskKind| {
        let (expected, remedy) = (expected.to_string(), Some(Remedy::Task(other)));
        Err(Error::Setting { name: "loss", got, expected, remedy })
    };
    match (loss, target) {
        (loss, TargetKind::Values { .. }) if loss.is_of_classes() || *loss == Loss::BinaryCrossEntropy => {
            let got = format!("{}, but the target is a number", loss.name());
            refuse(got, "a loss for numbers, as mean_squared_error", TaskKind::Classification)
        }
        (Loss::Quantile { .. }, TargetKind::Classes { .. }) => {
            let got = "quantile, but the target is a class".to_string();
            refuse(got, "a loss for classes, as cross_entropy", TaskKind::Regression)
        }
        _ => Ok(()),
    }
}

/// Cross-entropy and dice take logits: a softmax at the end would be applied twice.
fn refuse_probabilities(network: &CheckedNetwork, output: ValueId, loss: &Loss) -> Result<(), Error> {
    let Some(last) = network.layer_of(output).map(|layer| &network.network().layers[layer]) else { return Ok(()) };
    let applied_twice = match loss {
        loss if loss.is_of_classes() => matches!(last.layer, Layer::Softmax(_) | Layer::LogSoftmax(_)),
        Loss::BinaryCrossEntropy => last.layer.function() == Some(Function::Sigmoid),
        _ => false,
    };
    if !applied_twice {
        return Ok(());
    }
    let kind = last.layer.function().map_or(last.layer.kind(), |function| function.name());
    let got = format!("{} behind the layer {} ({kind})", loss.name(), last.name);
    let expected = format!("applied to logits: remove the last layer, since {} contains the {kind}", loss.name());
    Err(setting("loss", got, &expected))
}

/// The most parameters of a run, whatever the machine: 2^36, which is 256 GiB for the weights alone.
const MOST_PARAMS: u64 = 1 << 36;

/// Refuses a run that cannot fit into memory, instead of ending in the middle.
fn check_memory(
    network: &Arc<CheckedNetwork>,
    settings: &Settings,
    rows: usize,
    context: &Context,
) -> Result<(), Error> {
    let layout = network.layout();
    let (params, state) = (layout.weights_len(), layout.state_len());
    // At the end the best weights are there once more as they are answered with, and once prepared.
    let plain = params.saturating_add(state).saturating_mul(size_of::<f32>());
    let model = Plan::params_bytes_for(network, context).saturating_add(plain);
    let bytes = training_bytes(network, settings, rows, context).saturating_add(model);
    // Asked for and given back at once: most systems refuse here what they could never give.
    if params as u64 <= MOST_PARAMS && Vec::<u8>::new().try_reserve_exact(bytes).is_ok() {
        return Ok(());
    }
    let needed = format!("{:.1} GiB ({bytes} bytes)", bytes as f64 / (1u64 << 30) as f64);
    let expected = format!(
        "small enough for the memory: training it in batches of {} takes {needed}. Use smaller layers",
        settings.batch.min(rows)
    );
    Err(setting("network", format!("a network of {params} parameters"), &expected))
}
