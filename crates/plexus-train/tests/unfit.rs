//! Data, numbers and networks that do not belong together end in an error, never in a panic; and what memory they ask for.

use plexus_kernels::Context;
use plexus_nn::layers::{BatchNorm, Conv2d, Flatten, Layer, Linear};
use plexus_nn::{CheckedNetwork, Input, Network, Params, Plan, Shape};
use plexus_train::check::{Unfit, check_dataset};
use plexus_train::data::{Dataset, Samples, Targets};
use plexus_train::evaluate::{evaluation_bytes, rows_per_batch};
use plexus_train::loss::Loss;
use plexus_train::memory::training_bytes;
use plexus_train::optim::Optimizer;
use plexus_train::schedule::Schedule;
use plexus_train::trainer::{Settings, StepError, Trainer};
use std::sync::Arc;

fn settings(loss: Loss) -> Settings {
    Settings {
        epochs: 2,
        batch: 4,
        accumulate: 1,
        learning_rate: 0.01,
        optimizer: Optimizer::named("adam").expect("a row of the table"),
        schedule: Schedule::Constant,
        warmup_steps: 0,
        loss,
        precision: Default::default(),
        clip_norm: None,
        patience: None,
        smoothing: 1,
        target_scale: Default::default(),
        augment: None,
        seed: 1,
    }
}

fn cross_entropy() -> Loss {
    Loss::CrossEntropy { label_smoothing: 0.0, class_weights: None }
}

fn linear(inputs: usize, outputs: usize) -> Arc<CheckedNetwork> {
    Arc::new(Network::chain(Shape::new([inputs]), [Linear::new(outputs).into()]).check().expect("it fits"))
}

fn trainer(loss: Loss) -> Trainer {
    let network = linear(5, 3);
    let params = Params::initialise(&network, 1);
    Trainer::new(network, params, settings(loss), Context::single()).expect("they fit")
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| index.to_string()).collect()
}

/// Eight rows of five numbers, of three classes.
fn data() -> Dataset {
    Dataset {
        name: "made".into(),
        input: [5].into(),
        samples: Samples::F32((0..40).map(|at| (at % 7) as f32).collect()),
        targets: Targets::Classes { names: names(3), indices: vec![0, 1, 2, 0, 1, 2, 0, 1] },
    }
}

fn numbers(outputs: usize) -> Targets {
    Targets::Values { names: names(outputs), values: vec![0.5; 8 * outputs] }
}

#[test]
fn a_step_on_data_that_does_not_fit_is_an_error_and_changes_nothing() {
    let rows: Vec<u32> = (0..8).collect();
    let classes = |indices: Vec<u32>| Targets::Classes { names: names(3), indices };
    let cases: [(&str, Loss, Dataset, &[u32], &str); 10] = [
        (
            "a class that is none",
            cross_entropy(),
            Dataset { targets: classes(vec![0, 1, 2, 3, 1, 2, 0, 1]), ..data() },
            &rows,
            "the classes: expected 0 to 2, got 3",
        ),
        ("a wider row", cross_entropy(), Dataset { input: [8].into(), ..data() }, &rows, "a row: expected [5]"),
        (
            "a missing sample",
            cross_entropy(),
            Dataset { samples: Samples::U8(vec![0; 39]), ..data() },
            &rows,
            "39 numbers",
        ),
        ("more classes", cross_entropy(), Dataset { targets: classes(vec![0; 9]), ..data() }, &rows, "9 rows"),
        ("a row that is not there", cross_entropy(), data(), &[0, 8], "the rows: expected below 8, got 8"),
        ("no rows", cross_entropy(), data(), &[], "the rows of the epoch"),
        ("numbers for classes", cross_entropy(), Dataset { targets: numbers(3), ..data() }, &rows, "expected classes"),
        (
            "classes for quantiles",
            Loss::Quantile { quantiles: vec![0.1, 0.5, 0.9] },
            data(),
            &rows,
            "expected numbers, for the loss quantile",
        ),
        (
            "two numbers for three outputs",
            Loss::MeanSquaredError,
            Dataset { targets: numbers(2), ..data() },
            &rows,
            "expected 2, for 2 target numbers, got 3",
        ),
        (
            "ragged targets",
            Loss::MeanSquaredError,
            Dataset { targets: Targets::Values { names: names(3), values: vec![0.0; 25] }, ..data() },
            &rows,
            "the target numbers",
        ),
    ];
    for (case, loss, data, train, says) in cases {
        let mut trainer = trainer(loss);
        let before = trainer.params().clone();
        match trainer.step(&data, train).expect_err(case) {
            StepError::Unfit(error) => assert!(error.to_string().contains(says), "{case}: {error}"),
            StepError::NotFinite(error) => panic!("{case}: {error}"),
        }
        assert_eq!((trainer.params(), trainer.steps_done()), (&before, 0), "{case}");
        if !train.is_empty() {
            assert!(trainer.evaluate(&data, train).is_err(), "{case}");
            assert!(trainer.end_epoch(&data, train).is_err(), "{case}");
            assert_eq!(trainer.progress().epoch, 0, "{case}");
        }
    }
}

#[test]
fn an_epoch_that_is_through_has_no_step() {
    let (mut trainer, data) = (trainer(cross_entropy()), data());
    let rows: Vec<u32> = (0..8).collect();
    for _ in 0..2 {
        trainer.step(&data, &rows).expect("it fits");
    }
    assert!(matches!(trainer.step(&data, &rows), Err(StepError::Unfit(_))));
    // Fewer rows than were used already.
    assert!(matches!(trainer.step(&data, &rows[..3]), Err(StepError::Unfit(_))));
    trainer.end_epoch(&data, &rows).expect("it fits");
    trainer.step(&data, &rows).expect("the next epoch has begun");
}

#[test]
fn a_data_set_that_contradicts_itself_is_found() {
    assert_eq!(check_dataset(&data()), Ok(()));
    let ragged = Dataset { samples: Samples::F32(vec![0.0; 41]), ..data() };
    assert!(check_dataset(&ragged).is_err_and(|error| error.what == "the samples"));
    let targets = Targets::Classes { names: names(2), indices: vec![0, 1, 2, 0, 1, 2, 0, 1] };
    assert!(check_dataset(&Dataset { targets, ..data() }).is_err_and(|error| error.got == "2"));
    let none = Targets::Values { names: Vec::new(), values: vec![0.0; 8] };
    assert!(check_dataset(&Dataset { targets: none, ..data() }).is_err());
}

#[test]
fn a_run_of_foreign_numbers_or_with_a_loss_of_another_width_does_not_begin() {
    let network = linear(5, 3);
    let new = |network: &Arc<CheckedNetwork>, params: &Arc<CheckedNetwork>, loss: Loss| -> Unfit {
        let params = Params::initialise(params, 1);
        Trainer::new(network.clone(), params, settings(loss), Context::single()).expect_err("they do not fit")
    };
    let refusal = new(&network, &linear(4, 3), cross_entropy()).to_string();
    assert!(refusal.contains("18 numbers") && refusal.contains("15 numbers of another network"), "{refusal}");
    let weights = Loss::CrossEntropy { label_smoothing: 0.0, class_weights: Some(vec![1.0; 4]) };
    assert_eq!(new(&network, &network, weights).what, "the class weights");
    let quantiles = Loss::Quantile { quantiles: vec![0.25, 0.75] };
    assert_eq!(new(&network, &network, quantiles).what, "the quantiles");
    let nothing = linear(5, 0);
    assert_eq!(new(&nothing, &nothing, Loss::MeanSquaredError).what, "the output of the network");
    let mut two = Network::chain(Shape::new([5]), [Linear::new(3).into()]);
    two.inputs.push(Input { name: "more".to_string(), shape: Shape::new([1]) });
    let two = Arc::new(two.check().expect("it fits"));
    assert_eq!(new(&two, &two, cross_entropy()).what, "the network");
}

/// Maps of 64 channels: a row takes some megabytes.
fn maps() -> Arc<CheckedNetwork> {
    let layers: [Layer; 5] = [
        Conv2d::new(64, 3).padded(1).into(),
        BatchNorm::default().into(),
        Conv2d::new(64, 3).padded(1).into(),
        Flatten::default().into(),
        Linear::new(2).into(),
    ];
    Arc::new(Network::chain(Shape::new([3, 128, 128]), layers).check().expect("it fits"))
}

#[test]
fn batches_of_measurements_fit_into_the_budget() {
    let small = Plan::new(linear(5, 3), &Params::zeros(&linear(5, 3)), Context::single());
    assert_eq!(rows_per_batch(&small), 512);
    let network = maps();
    let large = Plan::new(network.clone(), &Params::zeros(&network), Context::single());
    let rows = rows_per_batch(&large);
    assert!((1..32).contains(&rows), "{rows} rows");
    assert!(large.workspace_bytes(rows) <= 64 << 20 && large.workspace_bytes(2 * rows + 1) > 64 << 20);
    assert_eq!(large.workspace_bytes(3), Plan::workspace_bytes_for(&network, 3));
    let bytes = evaluation_bytes(&network, &Context::single());
    let inputs = 4 * network.input_len() * rows;
    assert_eq!(bytes, large.params_bytes() + large.workspace_bytes(rows) + inputs);
}

#[test]
fn the_memory_of_a_training_grows_with_its_batch_and_its_optimizer() {
    let (network, context) = (maps(), Context::single());
    let needed = |settings: &Settings, rows| training_bytes(&network, settings, rows, &context);
    let of = |batch, optimizer| Settings {
        batch,
        optimizer: Optimizer::named(optimizer).expect("a row of the table"),
        ..settings(cross_entropy())
    };
    let numbers = 4 * network.layout().weights_len();
    let (one, eight) = (needed(&of(1, "sgd"), 100), needed(&of(8, "sgd"), 100));
    // Two maps of 64 channels and their gradients, for each row, at least.
    let row = 4 * 64 * 128 * 128;
    assert!(eight - one >= 7 * 2 * row, "{one} and {eight}");
    assert_eq!(needed(&of(8, "sgd"), 1), one, "no batch has more rows than there are");
    let slots = |name| Optimizer::named(name).expect("a row of the table").slot_count();
    let more = slots("adam") - slots("sgd");
    assert_eq!(needed(&of(1, "adam"), 100) - one, more * numbers);
}
