//! Networks of several inputs and outputs, with a loss each, learn as in PyTorch: `testdata/outputs`.

use plexus_kernels::Context;
use plexus_kernels::softmax::IGNORED;
use plexus_nn::{Params, Shape};
use plexus_train::data::{Dataset, InputRows, Samples, Targets};
use plexus_train::evaluate::Answers;
use plexus_train::loss::{Loss, Objective};
use plexus_train::optim::{Optimizer, Sgd};
use plexus_train::schedule::Schedule;
use plexus_train::trainer::{Settings, Trainer};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    network: String,
    rows: usize,
    learning_rate: f64,
    momentum: f64,
    losses: Vec<f64>,
    output: Vec<Output>,
    input: Vec<Input>,
    param: Vec<Param>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    name: String,
    loss: Loss,
    weight: f64,
    losses: Vec<f64>,
    names: Vec<String>,
    axis: Option<usize>,
    positions: Option<Vec<usize>>,
    shape: Option<Vec<usize>>,
    targets: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Param {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
    after: Vec<f64>,
    tolerance: f64,
}

impl Output {
    fn targets(&self) -> Targets {
        let (names, targets) = (self.names.clone(), &self.targets);
        match (self.axis, &self.positions, &self.shape) {
            (Some(axis), Some(positions), None) => Targets::Classes {
                names,
                axis,
                positions: Shape::new(positions.clone()),
                indices: targets.iter().map(|&class| if class < 0.0 { IGNORED } else { class as u32 }).collect(),
            },
            (None, None, Some(shape)) => Targets::Values {
                names,
                shape: Shape::new(shape.clone()),
                values: targets.iter().map(|&value| value as f32).collect(),
            },
            _ => panic!("{}: classes or numbers", self.name),
        }
    }
}

fn close(got: f64, want: f64, tolerance: f64, place: &str) {
    assert!((got - want).abs() <= tolerance, "{place}: got {got}, expected {want}");
}

fn follow(file: &str, accumulate: usize) {
    let path = format!("{}/../../testdata/outputs/{file}.toml", env!("CARGO_MANIFEST_DIR"));
    let case: File = toml::from_str(&std::fs::read_to_string(path).expect("it is there")).expect("it reads");
    let network = plexus_formats::parse_network(&case.network, file).expect("the network reads");
    let network = Arc::new(network.into_checked(None).expect("the layers fit"));
    let inputs = network.network().inputs.iter().map(|input| {
        let found = case.input.iter().find(|other| other.name == input.name).expect("every input has values");
        assert_eq!(found.shape, input.shape.axes());
        InputRows { shape: input.shape.clone(), samples: Samples::F32(found.values.clone()) }
    });
    let names: Vec<&str> = network.outputs().iter().map(|output| network.name(*output)).collect();
    assert_eq!(names, case.output.iter().map(|output| output.name.as_str()).collect::<Vec<_>>());
    let data = Dataset::new(file.to_string(), inputs.collect(), case.output.iter().map(Output::targets).collect())
        .expect("the rows fit");
    let mut params = Params::zeros(&network);
    for param in &case.param {
        let entry = network.layout().find(&param.name).expect("the network has it").1.clone();
        assert_eq!(entry.shape, param.shape);
        params.values_mut(&entry).copy_from_slice(&param.values);
    }
    let objective = |output: &Output| Objective { weight: output.weight, ..Objective::from(output.loss.clone()) };
    let settings = Settings::new(Loss::MeanSquaredError)
        .optimizer(Optimizer::Sgd(Sgd { momentum: case.momentum, nesterov: false, decay: Default::default() }))
        .epochs(1)
        .batch(case.rows / accumulate)
        .accumulate(accumulate)
        .learning_rate(case.learning_rate)
        .schedule(Schedule::Constant)
        .objectives(case.output.iter().map(objective));
    let mut trainer = Trainer::new(network.clone(), params, settings, Context::single()).expect("they fit");
    let rows = case.rows as u64 * case.losses.len() as u64;
    let data = Arc::new(data);
    let mut loader = trainer.loader(data.clone(), 0..rows).expect("the rows fit");
    for (step, want) in case.losses.iter().enumerate() {
        let of_step: Vec<u64> = (step as u64 * case.rows as u64..(step + 1) as u64 * case.rows as u64).collect();
        // What is measured before the update is what the update starts from.
        let measured = trainer.evaluate(&*data, &of_step.clone().into()).expect("the rows fit");
        for (output, want) in measured.outputs.iter().zip(&case.output) {
            let place = format!("{file}, step {step}, {}", output.name);
            // Smoothing belongs to the loss that is learnt and measured here, so both are the same.
            close(output.loss, want.losses[step], 1e-5 * want.losses[step], &place);
        }
        close(measured.loss, *want, 1e-5 * want, file);
        let report = trainer.step_on(&mut loader, &of_step, rows).expect("the losses are finite");
        close(report.loss, *want, 1e-5 * want, &format!("{file}, step {step}"));
    }
    for param in &case.param {
        let got = trainer.params().by_name(&param.name).expect("the network has it");
        for (index, (got, want)) in got.iter().zip(&param.after).enumerate() {
            close(f64::from(*got), *want, param.tolerance, &format!("{file}, {}[{index}]", param.name));
        }
    }
    let record = trainer.end_epoch(&loader, &(0..rows).into()).expect("the rows fit");
    assert_eq!(record.outputs.len(), 2);
    let after = trainer.evaluate(&*data, &(0..rows).into()).expect("the rows fit");
    for (output, case) in after.outputs.iter().zip(&case.output) {
        let known = case.targets.iter().filter(|target| case.axis.is_none() || **target >= 0.0).count() as u64;
        match &output.answers {
            Answers::Classes { confusion, .. } => assert_eq!(confusion.total(), known),
            Answers::Values(metrics) => assert_eq!(metrics.rows() * case.names.len() as u64, known),
        }
    }
}

#[test]
fn two_inputs_and_a_loss_for_each_of_two_outputs() {
    follow("branches", 1);
}

#[test]
fn a_class_and_numbers_for_each_pixel() {
    follow("pixels", 1);
}

#[test]
fn the_overlap_of_areas() {
    follow("areas", 1);
}

/// The weights of the classes of a whole update count, so its parts add up to it.
#[test]
fn an_update_in_four_parts_is_the_update() {
    follow("branches", 4);
    follow("pixels", 4);
    follow("areas", 4);
}

/// RMSE of two numbers of different size: the mean of theirs in training and in a measurement alike, not the root of the
/// mean of all squares.
#[test]
fn the_metric_of_an_epoch_is_that_of_a_measurement() {
    let network = plexus_nn::Network::chain(Shape::new([1]), [plexus_nn::layers::Linear::new(2).into()]);
    let network = Arc::new(network.check().expect("it fits"));
    let params = Params::zeros(&network);
    let names = ["small", "large"].map(str::to_string).to_vec();
    let values = (0..20).flat_map(|row| [row as f32 / 10.0, row as f32 * 100.0]).collect();
    let samples = Samples::F32(vec![1.0; 20]);
    let data = Arc::new(Dataset::single("two", [1], samples, Targets::values(names, values)).expect("the rows fit"));
    // Steps too small to change a weight.
    let settings = Settings::new(Loss::MeanSquaredError).epochs(1).batch(7).learning_rate(1e-30);
    let mut trainer = Trainer::new(network, params, settings, Context::single()).expect("they fit");
    let mut loader = trainer.loader(data, 0..20).expect("the rows fit");
    while !trainer.step(&mut loader).expect("the loss is finite").epoch_ends {}
    let record = trainer.end_epoch(&loader, &(0..20).into()).expect("the rows fit");
    // Squares of 0 to 19 sum up to 2470.
    let want = (0.1 + 100.0) / 2.0 * (2470.0f64 / 20.0).sqrt();
    close(record.train_metric, want, 1e-4 * want, "over the epoch");
    close(record.validation_metric.expect("it was measured"), want, 1e-4 * want, "measured");
}
