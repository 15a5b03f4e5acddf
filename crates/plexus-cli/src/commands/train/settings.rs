//! From options to settings, with defaults that suit the data.

use crate::Failure;
use crate::args::LearningArgs;
use plexus_train::data::{DataSource, Dataset, Targets};
use plexus_train::loss::{LOSSES, Loss, Objective};
use plexus_train::optim::{OPTIMIZERS, Optimizer, RmsProp, Sgd};
use plexus_train::schedule::{SCHEDULES, Schedule};
use plexus_train::target::ScaleKind;
use plexus_train::trainer::Settings;

/// The share of a target that is spread over all classes where the user says nothing.
///
/// Small data sets gain most: over the seeds 0 to 5 the built-in digits go from 96.7 to 97.8 % without it to 98.3 to
/// 99.4 %. Twice as much gives no more, and less confident probabilities
/// (`for s in 0 1 2 3 4 5; do plexus train --seed $s --label-smoothing X; done`).
const LABEL_SMOOTHING: f32 = 0.05;

/// How long a run is where the user says nothing: a number of steps, within limits of epochs. A table of a hundred rows
/// then learns as long as it needs, and half a million rows do not take all day.
const STEPS: u64 = 6000;
const FEWEST_EPOCHS: u64 = 10;
const MOST_EPOCHS: u64 = 1000;

/// The learning rate of Adam for tables. They are small and noisy: over the sixteen tables of `cargo xtask compare-tables`
/// the scores sum up to 13.88 with it and to 13.84 with 0.003, which suits images.
const TABLE_LEARNING_RATE: f64 = 0.001;

/// Steps over which validation results are averaged.
const SMOOTHING_STEPS: u64 = 100;

/// Settings from the command line, with defaults that suit the data.
pub(super) fn settings(args: &LearningArgs, source: &DataSource) -> Result<Settings, Failure> {
    let data = &source.train;
    let rows = match &source.validation {
        Some(_) => data.len() as f64,
        None => data.len() as f64 * (1.0 - args.validation.clamp(0.0, 1.0)),
    };
    let steps_per_epoch = (rows / (args.batch.max(1) * args.accumulate.max(1)) as f64).ceil().max(1.0) as u64;
    let in_steps = |steps: u64| steps.div_ceil(steps_per_epoch);
    let epochs = match (args.epochs, args.steps) {
        (Some(epochs), _) => epochs,
        (None, Some(steps)) => in_steps(steps),
        (None, None) => in_steps(STEPS).clamp(FEWEST_EPOCHS, MOST_EPOCHS),
    };
    // A length that was asked for is kept to the end; the best weights are chosen all the same.
    let chosen_length = args.epochs.is_some() || args.steps.is_some();
    let patience = args.patience.or((!chosen_length).then_some(epochs.div_ceil(3)));
    let smoothing = args.smoothing.unwrap_or_else(|| in_steps(SMOOTHING_STEPS).clamp(1, epochs.div_ceil(10).max(1)));
    let mut optimizer = Optimizer::named(&args.optimizer).ok_or_else(|| {
        unknown("--optimizer", &args.optimizer, &OPTIMIZERS.iter().map(|row| row.name).collect::<Vec<_>>())
    })?;
    let row = OPTIMIZERS.iter().find(|row| row.name == args.optimizer).expect("it was found by this name");
    match &mut optimizer {
        Optimizer::Sgd(Sgd { momentum, nesterov, .. }) => {
            *momentum = args.momentum.unwrap_or(*momentum);
            *nesterov = args.nesterov;
        }
        Optimizer::RmsProp(RmsProp { momentum, .. }) => *momentum = args.momentum.unwrap_or(*momentum),
        _ => {}
    }
    if args.momentum.is_some_and(|momentum| !(0.0..1.0).contains(&momentum)) {
        let got = args.momentum.unwrap_or_default();
        return Err(Failure::Input(format!("--momentum is {got}, but must be in 0..1")));
    }
    refuse_idle_options(args, &optimizer)?;
    let decay = optimizer.decay_mut();
    decay.weight_decay = args.weight_decay.unwrap_or(decay.weight_decay);
    decay.decoupled |= args.decoupled;
    if !(decay.weight_decay.is_finite() && decay.weight_decay >= 0.0) {
        let got = decay.weight_decay;
        return Err(Failure::Input(format!("--weight-decay is {got}, but must be a number of at least 0")));
    }
    let schedule = Schedule::named(&args.schedule, epochs).ok_or_else(|| {
        unknown("--schedule", &args.schedule, &SCHEDULES.iter().map(|(name, _)| *name).collect::<Vec<_>>())
    })?;
    let objectives = objectives(args, source)?;
    let usual = match (&source.table, args.optimizer.as_str()) {
        (Some(_), "adam" | "adamw") => TABLE_LEARNING_RATE,
        _ => row.learning_rate,
    };
    Ok(Settings::new(Loss::mean_squared_error())
        .objectives(objectives)
        .optimizer(optimizer)
        .learning_rate(args.lr.unwrap_or(usual))
        .epochs(epochs)
        .batch(args.batch)
        .accumulate(args.accumulate)
        .schedule(schedule)
        .warmup_steps(args.warmup)
        .precision(args.precision.into())
        .clip_norm(args.clip_norm)
        .patience(patience)
        .smoothing(smoothing)
        .augment(args.augment)
        .seed(args.seed))
}

fn unknown(option: &str, got: &str, names: &[&str]) -> Failure {
    let near = names.iter().map(|name| (strsim::damerau_levenshtein(got, name), name)).min();
    let hint = match near {
        Some((distance, name)) if distance <= 2 => format!(" Did you mean {name}?"),
        _ => String::new(),
    };
    Failure::Input(format!("{option} is \"{got}\", but must be one of {}.{hint}", names.join(", ")))
}

/// What each target is learnt with. The scale of a number is fitted when the run starts.
fn objectives(args: &LearningArgs, source: &DataSource) -> Result<Vec<Objective>, Failure> {
    let data = &*source.train;
    let names: Vec<&str> = match source.schema() {
        Some(schema) => schema.targets.iter().map(|target| target.name.as_str()).collect(),
        None => vec![data.name()],
    };
    let (losses, weights) =
        (of_targets("--loss", &args.loss, &names)?, of_targets("--loss-weight", &args.loss_weight, &names)?);
    let mut objectives = Vec::new();
    for (index, targets) in data.targets().iter().enumerate() {
        let usual = match targets {
            Targets::Classes { .. } => "cross_entropy",
            Targets::Values { .. } => "mean_squared_error",
        };
        let loss = loss(args, losses[index].unwrap_or(usual), targets)?;
        let weight = weights[index].map_or(Ok(1.0), |text| match text.parse::<f64>() {
            Ok(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
            _ => Err(Failure::Input(format!("--loss-weight is \"{text}\", but must be a number of at least 0"))),
        })?;
        objectives.push(Objective { weight, ..loss.into() });
    }
    let is_cross_entropy = |objective: &Objective| matches!(objective.loss, Loss::CrossEntropy { .. });
    if !objectives.iter().any(is_cross_entropy) {
        let given =
            [("--label-smoothing", args.label_smoothing.is_some()), ("--class-weights", args.class_weights.is_some())];
        if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
            let names: Vec<&str> = objectives.iter().map(|objective| objective.loss.name()).collect();
            return Err(Failure::Input(format!(
                "{option} goes with --loss cross_entropy only, but the loss is {}",
                names.join(" and ")
            )));
        }
    }
    Ok(objectives)
}

/// What was said for each target: as `TARGET=VALUE`, or as `VALUE` for all of them.
fn of_targets<'a>(option: &str, said: &'a [String], names: &[&str]) -> Result<Vec<Option<&'a str>>, Failure> {
    let mut found = vec![None; names.len()];
    for text in said {
        match text.rsplit_once('=') {
            None => found.iter_mut().filter(|found| found.is_none()).for_each(|found| *found = Some(&text[..])),
            Some((name, value)) => match names.iter().position(|other| *other == name.trim()) {
                Some(index) => found[index] = Some(value),
                None => return Err(unknown(option, name, names)),
            },
        }
    }
    Ok(found)
}

/// The loss that was written, with its constants.
fn loss(args: &LearningArgs, written: &str, targets: &Targets) -> Result<Loss, Failure> {
    let (name, constants) = written.split_once(':').map_or((written, None), |(name, rest)| (name, Some(rest)));
    let mut loss = Loss::named(name)
        .ok_or_else(|| unknown("--loss", name, &LOSSES.iter().map(|(name, _)| *name).collect::<Vec<_>>()))?;
    if let Some(constants) = constants {
        let numbers: Result<Vec<f32>, _> = constants.split(',').map(|number| number.trim().parse::<f32>()).collect();
        match (&mut loss, numbers) {
            (Loss::Quantile { quantiles }, Ok(numbers)) => *quantiles = numbers,
            (Loss::Huber { delta }, Ok(numbers)) if numbers.len() == 1 && numbers[0] > 0.0 => *delta = numbers[0],
            _ => {
                return Err(Failure::Input(format!(
                    "--loss is \"{written}\", but only quantile and huber take numbers, as quantile:0.1,0.5,0.9 or huber:1"
                )));
            }
        }
    }
    match (&mut loss, targets) {
        (loss, Targets::Values { .. }) if loss.is_of_classes() => Err(Failure::Input(format!(
            "--loss {} needs classes, but the target is a number; use mean_squared_error, or --task classification",
            loss.name()
        ))),
        (Loss::CrossEntropy { label_smoothing, class_weights }, Targets::Classes { positions, .. }) => {
            // Pixels are many: their classes need no smoothing.
            let usual = if positions.axes().is_empty() { LABEL_SMOOTHING } else { 0.0 };
            *label_smoothing = args.label_smoothing.unwrap_or(usual);
            *class_weights = args.class_weights.as_deref().map(|text| weights(text, targets)).transpose()?;
            Ok(loss)
        }
        _ => Ok(loss),
    }
}

/// The scale on which numbers are learnt: their own spread, unless the user says otherwise.
pub(super) fn target_scale(args: &LearningArgs, data: &Dataset) -> Result<ScaleKind, Failure> {
    let has_numbers = data.targets().iter().any(|targets| matches!(targets, Targets::Values { .. }));
    match (args.target_scale, has_numbers) {
        (None, true) => Ok(ScaleKind::Standard),
        (Some(scale), true) => Ok(scale.into()),
        (None, false) => Ok(ScaleKind::None),
        (Some(_), false) => Err(Failure::Input(
            "--target-scale is for numbers, but the target is a class; pass --task regression if it is a number"
                .to_string(),
        )),
    }
}

/// Options that the optimizer has no use for are refused: ignored, they would look as if they did nothing.
fn refuse_idle_options(args: &LearningArgs, optimizer: &Optimizer) -> Result<(), Failure> {
    let is_sgd = matches!(optimizer, Optimizer::Sgd(_));
    let is_adam = matches!(optimizer, Optimizer::Adam(_));
    let refused = match () {
        () if args.momentum.is_some() && is_adam => ("--momentum", "sgd or rmsprop"),
        () if args.nesterov && !is_sgd => ("--nesterov", "sgd"),
        () => return Ok(()),
    };
    let (option, wanted) = refused;
    Err(Failure::Input(format!(
        "{option} goes with --optimizer {wanted} only, but the optimizer is {}",
        args.optimizer
    )))
}

/// `balanced` or a list of numbers, one for each class.
fn weights(text: &str, targets: &Targets) -> Result<Vec<f32>, Failure> {
    let names = targets.names();
    if text == "balanced" {
        // rows / (classes · rows of the class), as scikit-learn.
        let balance = targets.class_balance();
        let (rows, classes) = (balance.iter().sum::<u64>() as f32, names.len() as f32);
        return Ok(balance.iter().map(|&count| rows / (classes * (count.max(1) as f32))).collect());
    }
    let weights: Result<Vec<f32>, _> = text.split(',').map(|weight| weight.trim().parse::<f32>()).collect();
    match weights {
        Ok(weights) if weights.len() == names.len() && weights.iter().all(|w| w.is_finite() && *w > 0.0) => Ok(weights),
        _ => Err(Failure::Input(format!(
            "--class-weights is \"{text}\", but must be \"balanced\" or {} numbers above 0, for the classes {}",
            names.len(),
            names.join(", ")
        ))),
    }
}
