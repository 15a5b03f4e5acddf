//! Training that sees the values of a network beside its own.

use plexus_kernels::Context;
use plexus_nn::layers::{linear, tanh};
use plexus_nn::{CheckedBatch, CheckedNetwork, Network, Overwrite, Params, Plan, ValueId, ViewMut, Workspace};
use plexus_train::data::{Dataset, Samples, Targets};
use plexus_train::loss::Loss;
use plexus_train::trainer::{Settings, StepError, Trainer};
use plexus_train::twin::{Twin, TwinError};
use std::sync::Arc;

/// The same network, whose outputs have something added. It takes so many numbers, and no more.
#[derive(Debug)]
struct Beside {
    plan: Plan,
    network: Arc<CheckedNetwork>,
    outputs: Vec<f32>,
    added: f32,
    takes: usize,
}

impl Twin for Beside {
    fn take(&mut self, params: &Params, seen: &mut Params) -> Result<(), TwinError> {
        let Some(takes) = self.takes.checked_sub(1) else { return Err(TwinError { why: "no more".to_string() }) };
        self.takes = takes;
        seen.clone_from(params);
        self.plan.reload(params);
        Ok(())
    }

    fn run(&mut self, batch: CheckedBatch<'_>) {
        let mut workspace = Workspace::default();
        let outputs = self.plan.run(batch, &mut workspace);
        self.outputs = outputs.iter().map(|output| output + self.added).collect();
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl Overwrite for Beside {
    fn value(&mut self, value: ValueId, mut numbers: ViewMut<'_>) {
        if self.network.outputs() == [value] {
            numbers.f32().copy_from_slice(&self.outputs);
        }
    }

    fn gradient(&mut self, _value: ValueId, _grad: ViewMut<'_>) {}
}

fn data() -> Arc<Dataset> {
    let x: Vec<f32> = (0..60).map(|at| (at as f32 * 0.37).sin()).collect();
    let y: Vec<f32> = x.chunks(2).map(|pair| pair[0] * pair[1]).collect();
    let targets = Targets::values(vec!["y".to_string()], y);
    Arc::new(Dataset::single("made", [2], Samples::F32(x), targets).expect("the rows fit"))
}

fn trainer() -> Trainer {
    let network = Arc::new(Network::chain([2], [linear(5), tanh(), linear(1)]).check().expect("it fits"));
    let params = Params::initialize(&network, 3);
    let settings = Settings::new(Loss::MeanSquaredError).epochs(4).batch(10);
    Trainer::new(network, params, settings, Context::single()).expect("they belong together")
}

fn beside(trainer: &Trainer, added: f32, takes: usize) -> Box<Beside> {
    let network = trainer.network().clone();
    let plan = Plan::new(network.clone(), trainer.params(), Context::single());
    Box::new(Beside { plan, network, outputs: Vec::new(), added, takes })
}

#[test]
fn losses_are_taken_of_the_values_of_the_twin() {
    let (mut plain, mut same, mut other) = (trainer(), trainer(), trainer());
    let twin = beside(&same, 0.0, 100);
    same.set_twin(twin).expect("it takes them");
    let twin = beside(&other, 3.0, 100);
    other.set_twin(twin).expect("it takes them");
    let mut loaders = [&plain, &same, &other].map(|trainer| trainer.loader(data(), 0..30).expect("the rows fit"));
    let [first, second, third] = &mut loaders;
    for step in 0..3 {
        let plain = plain.step(first).expect("it is finite").loss;
        let same = same.step(second).expect("it is finite").loss;
        assert!((plain - same).abs() < 1e-6, "step {step}: {plain} {same}");
        let other = other.step(third).expect("it is finite").loss;
        assert!(step > 0 || other > plain + 4.0, "three too many everywhere: {plain} {other}");
    }
    // The gradient of the mean squared error sees them too: it brings the outputs down.
    let output = |trainer: &Trainer| {
        let plan = Plan::new(trainer.network().clone(), trainer.params(), Context::single());
        let batch = trainer.network().batch(&[0.2, -0.3], 1).expect("a row");
        plan.run(batch, &mut Workspace::default())[0]
    };
    assert!(output(&other) < output(&plain), "{} {}", output(&other), output(&plain));
}

#[test]
fn epochs_of_a_twin_are_compared_with_each_other_only() {
    let mut trainer = trainer();
    let mut loader = trainer.loader(data(), 0..30).expect("the rows fit");
    let epoch = |trainer: &mut Trainer, loader: &mut plexus_train::data::Loader| {
        while !trainer.step(loader).expect("it is finite").epoch_ends {}
        trainer.end_epoch(loader, &(0..30).into()).expect("it is measured")
    };
    epoch(&mut trainer, &mut loader);
    epoch(&mut trainer, &mut loader);
    assert_eq!(trainer.progress().best_epoch, 2);
    let twin = beside(&trainer, 0.0, 100);
    trainer.set_twin(twin).expect("it takes them");
    assert_eq!((trainer.progress().best_epoch, trainer.progress().twin_from), (0, Some(2)));
    // Measured far off, it is the best of its kind all the same.
    trainer.set_learning_rate(30.0);
    let worse = epoch(&mut trainer, &mut loader);
    assert!(worse.validation_loss > trainer.progress().history[1].validation_loss, "{worse:?}");
    assert_eq!(trainer.progress().best_epoch, 3);
    // A checkpoint knows where it began, and another twin goes on there.
    let bytes = trainer.to_checkpoint(&Default::default());
    let (mut again, _) = Trainer::from_checkpoint(&bytes, Context::single()).expect("it reads");
    let twin = beside(&again, 0.0, 100);
    again.set_twin(twin).expect("it takes them");
    assert_eq!(again.progress(), trainer.progress());
    let mut other = again.loader(data(), 0..30).expect("the rows fit");
    assert_eq!(epoch(&mut again, &mut other), epoch(&mut trainer, &mut loader));
    assert_eq!(again.params().weights[..], trainer.params().weights[..]);
}

#[test]
fn a_twin_that_cannot_take_the_numbers_stops_the_run_before_they_change() {
    let mut trainer = trainer();
    let twin = beside(&trainer, 0.0, 0);
    assert_eq!(trainer.set_twin(twin), Err(TwinError { why: "no more".to_string() }));
    assert_eq!(trainer.progress().twin_from, None, "nothing has changed");
    let twin = beside(&trainer, 0.0, 2);
    trainer.set_twin(twin).expect("it takes them");
    let mut loader = trainer.loader(data(), 0..30).expect("the rows fit");
    trainer.step(&mut loader).expect("it takes them once more");
    let before = trainer.params().weights.to_vec();
    let error = trainer.step(&mut loader).expect_err("it takes no more");
    assert!(matches!(&error, StepError::Twin(why) if why.why == "no more"), "{error:?}");
    assert_eq!(trainer.params().weights[..], before[..]);
    assert!(trainer.end_epoch(&loader, &(0..30).into()).is_err(), "nor to be measured");
}
