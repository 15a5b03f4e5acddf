//! Ten steps of small runs, every loss and every optimizer follow PyTorch: `testdata/training`.
//!
//! The runs go through the trainer itself; only the choice of the rows is taken from it.

use plexus_kernels::Context;
use plexus_nn::{ParamEntry, Params};
use plexus_train::data::{Dataset, Samples, Targets};
use plexus_train::loss::{LOSSES, Loss, LossSums, TargetBatch};
use plexus_train::optim::{Adam, Decay, OPTIMIZERS, Optimizer, OptimizerState, RmsProp, Sgd};
use plexus_train::schedule::Schedule;
use plexus_train::trainer::{Settings, Trainer};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunFile {
    run: Run,
    param: Vec<Tensor>,
    #[serde(default)]
    state: Vec<Tensor>,
    step: Vec<Step>,
}

#[derive(Deserialize)]
struct Run {
    network: String,
    loss: Loss,
    batch: usize,
    schedule: String,
    learning_rates: Vec<f64>,
    clip_norm: Option<f64>,
    gradient_norms: Option<Vec<f64>>,
    losses: Vec<f64>,
    #[serde(flatten)]
    optimizer: OptimizerKeys,
}

#[derive(Deserialize)]
struct OptimizerKeys {
    optimizer: String,
    learning_rate: f64,
    momentum: Option<f64>,
    nesterov: Option<bool>,
    beta1: Option<f64>,
    beta2: Option<f64>,
    alpha: Option<f64>,
    epsilon: Option<f64>,
    weight_decay: Option<f64>,
    decoupled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
    after: Vec<f64>,
    tolerance: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    inputs: Vec<f32>,
    targets: Vec<f64>,
}

impl OptimizerKeys {
    fn build(&self) -> Optimizer {
        const GIVEN: &str = "the case gives every key of its optimizer";
        let decay =
            Decay { weight_decay: self.weight_decay.unwrap_or(0.0), decoupled: self.decoupled.unwrap_or(false) };
        match self.optimizer.as_str() {
            "sgd" => Optimizer::Sgd(Sgd {
                momentum: self.momentum.expect(GIVEN),
                nesterov: self.nesterov.unwrap_or(false),
                decay,
            }),
            "adam" | "adamw" => Optimizer::Adam(Adam {
                beta1: self.beta1.expect(GIVEN),
                beta2: self.beta2.expect(GIVEN),
                epsilon: self.epsilon.expect(GIVEN),
                decay,
            }),
            "rmsprop" => Optimizer::RmsProp(RmsProp {
                alpha: self.alpha.expect(GIVEN),
                epsilon: self.epsilon.expect(GIVEN),
                momentum: self.momentum.unwrap_or(0.0),
                decay,
            }),
            other => panic!("unknown optimizer {other}"),
        }
    }
}

/// What was compared, and what did not agree.
#[derive(Default)]
struct Tally {
    values: usize,
    worst: (f64, String),
    failures: Vec<String>,
}

impl Tally {
    fn compare(&mut self, place: &str, got: f64, want: f64, tolerance: f64) {
        self.values += 1;
        if want.is_nan() && got.is_nan() || want.is_infinite() && got == want {
            return;
        }
        let share = (got - want).abs() / tolerance;
        // Written so that a NaN fails.
        if share <= 1.0 {
            if share > self.worst.0 {
                self.worst = (share, place.to_string());
            }
        } else {
            self.failures.push(format!("{place}: got {got:e}, expected {want:e} within {tolerance:e}"));
        }
    }

    fn compare_all(&mut self, place: &str, got: &[f32], want: &[f64], tolerance: f64) {
        assert_eq!(got.len(), want.len(), "{place}");
        for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
            self.compare(&format!("{place}[{index}]"), f64::from(got), want, tolerance);
        }
    }

    fn report(self, what: &str) {
        let Tally { values, worst: (share, place), failures } = self;
        println!("{what}: {values} values, worst {share:.3} of the tolerance at {place}");
        assert!(failures.is_empty(), "{what}: {} values differ:\n{}", failures.len(), failures.join("\n"));
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/training")
}

fn read<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    let text = std::fs::read_to_string(folder().join(name)).expect("the file reads");
    toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn ten_steps_of_every_run_follow_pytorch() {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("testdata/training")
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
        .filter(|name| !["losses.toml", "optimizers.toml"].contains(&name.as_str()))
        .collect();
    names.sort();
    assert_eq!(names.len(), 9, "{names:?}");
    for name in names {
        follow(&name);
    }
}

fn follow(name: &str) {
    let file: RunFile = read(name);
    let network = plexus_formats::parse_network(&file.run.network, name).expect("the network reads");
    let network = Arc::new(network.into_checked(None).expect("the network fits together"));
    let entry = |tensor: &Tensor| -> ParamEntry {
        let found = network.layout().entries().iter().find(|entry| entry.name == tensor.name);
        let found = found.unwrap_or_else(|| panic!("{name}: the network has no {}", tensor.name));
        assert_eq!(found.shape, tensor.shape, "{name}: {}", tensor.name);
        found.clone()
    };
    let mut params = Params::zeros(&network);
    assert_eq!(network.layout().entries().len(), file.param.len() + file.state.len(), "{name}");
    for tensor in file.param.iter().chain(&file.state) {
        params.values_mut(&entry(tensor)).copy_from_slice(&tensor.values);
    }

    let data = dataset(&file, network.output_len());
    let settings = Settings::new(file.run.loss.clone())
        .optimizer(file.run.optimizer.build())
        .epochs(1)
        .batch(file.run.batch)
        .learning_rate(file.run.optimizer.learning_rate)
        .schedule(Schedule::named(&file.run.schedule, 1).expect("a known schedule"))
        .clip_norm(file.run.clip_norm);
    let mut trainer = Trainer::new(network.clone(), params, settings, Context::single()).expect("they fit");
    let rows: Vec<u64> = (0..data.len() as u64).collect();
    let mut loader = trainer.loader(Arc::new(data), rows.clone()).expect("the rows fit");
    assert_eq!((file.step.len(), rows.len()), (10, 10 * file.run.batch));
    let mut tally = Tally::default();
    for (step, rows_of_step) in rows.chunks(file.run.batch).enumerate() {
        let rate = trainer.learning_rate(rows.len() as u64);
        let want = file.run.learning_rates[step];
        tally.compare(&format!("learning rate of step {step}"), rate, want, 1e-12 * want);
        let report = trainer.step_on(&mut loader, rows_of_step, rows.len() as u64).expect("finite losses");
        let want = file.run.losses[step];
        tally.compare(&format!("loss of step {step}"), report.loss, want, 1e-5 * want.abs());
        if let Some(norms) = &file.run.gradient_norms {
            let norm = report.gradient_norm.expect("gradients are clipped");
            tally.compare(&format!("gradient norm of step {step}"), norm, norms[step], 1e-5 * norms[step]);
        }
    }
    for tensor in file.param.iter().chain(&file.state) {
        let got = trainer.params().values(&entry(tensor));
        tally.compare_all(&tensor.name, got, &tensor.after, tensor.tolerance);
    }
    tally.report(name);
}

/// The ten batches, one after the other.
fn dataset(file: &RunFile, outputs: usize) -> Dataset {
    let targets: Vec<f64> = file.step.iter().flat_map(|step| step.targets.iter().copied()).collect();
    let names: Vec<String> = (0..outputs).map(|output| format!("output {output}")).collect();
    let samples: Vec<f32> = file.step.iter().flat_map(|step| step.inputs.iter().copied()).collect();
    let width = samples.len() / (10 * file.run.batch);
    let targets = match file.run.loss {
        Loss::CrossEntropy { .. } => Targets::classes(names, targets.iter().map(|&class| class as u32).collect()),
        _ => Targets::values(names, targets.iter().map(|&value| value as f32).collect()),
    };
    Dataset::single("the ten batches", [width], Samples::F32(samples), targets).expect("the rows fit")
}

#[derive(Deserialize)]
struct LossFile {
    case: Vec<LossCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LossCase {
    name: String,
    loss: Loss,
    reduction: String,
    batch: usize,
    features: usize,
    predictions: Vec<f32>,
    targets: Vec<f64>,
    value: f64,
    grad: Option<Vec<f64>>,
    tolerance: LossTolerance,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LossTolerance {
    value: f64,
    grad: Option<f64>,
}

/// Compares losses and their gradients with the cases. `gradient` is [`Loss::gradient`], or a wrong one.
fn losses(
    file: &LossFile,
    gradient: impl Fn(&Loss, &[f32], usize, TargetBatch<'_>, f64, &mut [f32]) -> LossSums,
) -> Tally {
    let context = Context::single();
    let mut tally = Tally::default();
    for case in &file.case {
        assert_eq!(case.predictions.len(), case.batch * case.features, "{}", case.name);
        let (classes, values): (Vec<u32>, Vec<f32>);
        let targets = if matches!(case.loss, Loss::CrossEntropy { .. }) {
            classes = case.targets.iter().map(|&class| class as u32).collect();
            TargetBatch::Classes(&classes)
        } else {
            values = case.targets.iter().map(|&value| value as f32).collect();
            TargetBatch::Values(&values)
        };
        let mean = case.reduction == "mean";
        let divisor = if mean { case.loss.weight((case.features, 1), targets) } else { 1.0 };
        let mut grad = vec![f32::NAN; case.predictions.len()];
        let sums = gradient(&case.loss, &case.predictions, case.features, targets, divisor, &mut grad);
        let value = if mean { sums.mean() } else { sums.loss };
        tally.compare(&format!("{} value", case.name), value, case.value, case.tolerance.value);
        let without_gradient = case.loss.sums(&case.predictions, (case.features, 1), targets, &context);
        let same = without_gradient.loss.to_bits() == sums.loss.to_bits() && without_gradient.weight == sums.weight;
        assert!(same || sums.loss.is_nan(), "{}: the loss alone is {without_gradient:?}, not {sums:?}", case.name);
        if let Some(want) = &case.grad {
            let tolerance = case.tolerance.grad.expect("a case with grad has its tolerance");
            tally.compare_all(&format!("{} grad", case.name), &grad, want, tolerance);
        }
    }
    tally
}

fn right_loss(
    loss: &Loss,
    outputs: &[f32],
    cols: usize,
    targets: TargetBatch<'_>,
    divisor: f64,
    grad: &mut [f32],
) -> LossSums {
    loss.gradient(outputs, (cols, 1), targets, divisor, grad, &Context::single())
}

#[test]
fn every_loss_agrees_with_pytorch() {
    let file: LossFile = read("losses.toml");
    // Areas need several positions of a row: their cases are in testdata/outputs.
    for (name, _) in LOSSES.iter().filter(|(name, _)| !name.starts_with("dice")) {
        assert!(file.case.iter().any(|case| case.loss.name() == *name), "{name} has no case");
    }
    losses(&file, right_loss).report(&format!("losses.toml, {} cases", file.case.len()));
}

#[test]
fn a_loss_whose_gradient_is_wrong_does_not_agree() {
    let file: LossFile = read("losses.toml");
    let refused = |fault: &str, tally: Tally| assert!(!tally.failures.is_empty(), "{fault}: not noticed");
    let wrong =
        losses(&file, |loss, outputs, cols, targets, _, grad| right_loss(loss, outputs, cols, targets, 1.0, grad));
    refused("the sum where the mean was asked for", wrong);
    let wrong = losses(&file, |loss, outputs, cols, targets, reduction, grad| {
        let sums = right_loss(loss, outputs, cols, targets, reduction, grad);
        grad.iter_mut().for_each(|grad| *grad = -*grad);
        sums
    });
    refused("away from the target", wrong);
    let wrong = losses(&file, |loss, outputs, cols, targets, reduction, grad| {
        let sums = right_loss(loss, outputs, cols, targets, reduction, grad);
        let rest = grad.len().saturating_sub(cols);
        grad[rest..].fill(0.0);
        sums
    });
    refused("nothing for the last row", wrong);
    let wrong = losses(&file, |loss, outputs, cols, targets, reduction, grad| {
        let sums = right_loss(loss, outputs, cols, targets, reduction, grad);
        if let Loss::CrossEntropy { class_weights, .. } = loss {
            let plain = Loss::CrossEntropy { label_smoothing: 0.0, class_weights: class_weights.clone() };
            right_loss(&plain, outputs, cols, targets, reduction, grad);
        }
        sums
    });
    refused("smoothing in the value alone", wrong);
    let wrong = losses(&file, |loss, outputs, cols, targets, reduction, grad| {
        let sums = right_loss(loss, outputs, cols, targets, reduction, grad);
        if let Loss::CrossEntropy { label_smoothing, .. } = loss {
            let plain = Loss::CrossEntropy { label_smoothing: *label_smoothing, class_weights: None };
            right_loss(&plain, outputs, cols, targets, reduction, grad);
        }
        sums
    });
    refused("class weights in the value alone", wrong);
}

#[derive(Deserialize)]
struct OptimizerFile {
    initial: Vec<f32>,
    gradients: Vec<f32>,
    case: Vec<OptimizerCase>,
}

#[derive(Deserialize)]
struct OptimizerCase {
    name: String,
    #[serde(flatten)]
    optimizer: OptimizerKeys,
    after: Vec<After>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    step: usize,
    params: Vec<f64>,
    tolerance: f64,
}

/// Compares a hundred updates of every optimizer with the cases, after `change` was made to it.
fn optimizers(file: &OptimizerFile, change: impl Fn(&mut Optimizer)) -> Tally {
    let mut tally = Tally::default();
    for case in &file.case {
        let mut optimizer = case.optimizer.build();
        change(&mut optimizer);
        let mut weights = file.initial.clone();
        let mut state = OptimizerState::new(&optimizer, weights.len());
        let steps: Vec<usize> = case.after.iter().map(|after| after.step).collect();
        assert_eq!(steps, [1, 2, 10, 100], "{}", case.name);
        for (index, grad) in file.gradients.chunks(weights.len()).enumerate() {
            state.update(&optimizer, case.optimizer.learning_rate, &mut weights, grad, &Context::single());
            if let Some(after) = case.after.iter().find(|after| after.step == index + 1) {
                let place = format!("{} step {}", case.name, after.step);
                tally.compare_all(&place, &weights, &after.params, after.tolerance);
            }
        }
    }
    tally
}

#[test]
fn a_hundred_updates_of_every_optimizer_follow_pytorch() {
    let file: OptimizerFile = read("optimizers.toml");
    for row in OPTIMIZERS {
        assert!(file.case.iter().any(|case| case.optimizer.optimizer == row.name), "{} has no case", row.name);
    }
    optimizers(&file, |_| ()).report(&format!("optimizers.toml, {} cases", file.case.len()));
}

#[test]
fn an_optimizer_with_another_rule_does_not_follow() {
    type Fault<'a> = (&'a str, &'a dyn Fn(&mut Optimizer));
    let faults: [Fault<'_>; 6] = [
        ("no weight decay", &|optimizer| optimizer.decay_mut().weight_decay = 0.0),
        ("weight decay of the other kind", &|optimizer| {
            let decay = optimizer.decay_mut();
            decay.decoupled = !decay.decoupled;
        }),
        ("Nesterov where there is none, and none where there is", &|optimizer| {
            if let Optimizer::Sgd(Sgd { nesterov, .. }) = optimizer {
                *nesterov = !*nesterov;
            }
        }),
        ("no momentum", &|optimizer| {
            if let Optimizer::Sgd(Sgd { momentum, .. }) | Optimizer::RmsProp(RmsProp { momentum, .. }) = optimizer {
                *momentum = 0.0;
            }
        }),
        ("the two decays of Adam exchanged", &|optimizer| {
            if let Optimizer::Adam(Adam { beta1, beta2, .. }) = optimizer {
                std::mem::swap(beta1, beta2);
            }
        }),
        ("the decay of RMSprop on the other side", &|optimizer| {
            if let Optimizer::RmsProp(RmsProp { alpha, .. }) = optimizer {
                *alpha = 1.0 - *alpha;
            }
        }),
    ];
    let file: OptimizerFile = read("optimizers.toml");
    for (fault, change) in faults {
        assert!(!optimizers(&file, change).failures.is_empty(), "{fault}: not noticed");
    }
}
