//! Input, numbers and data that do not fit end in an error that says where, never in a panic.

use plexus::layers::Linear;
use plexus::train::data::{DataOptions, DataSource, Dataset, Samples, Targets, TaskKind};
use plexus::train::loss::Loss;
use plexus::train::optim::Optimizer;
use plexus::train::target::ScaleKind;
use plexus::train::trainer::Settings;
use plexus::{CheckedNetwork, Network, Params, Shape};
use plexus::{Context, Error, Model, Pool, Remedy, Run, RunSpec, Task, Workspace};
use std::sync::Arc;

fn network(inputs: usize) -> Arc<CheckedNetwork> {
    Arc::new(Network::chain(Shape::new([inputs]), [Linear::new(2).into()]).check().expect("it fits"))
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| index.to_string()).collect()
}

fn model(params: &Params, context: Context) -> Result<Model, Error> {
    Model::new(network(37), params, Task::Regression { outputs: names(2) }, context)
}

#[test]
fn a_number_that_is_not_finite_is_refused_with_its_row_and_column() {
    let params = Params::initialize(&network(37), 1);
    for threads in [1, 2, 7] {
        let model = model(&params, Context::detect(Pool::new(threads))).expect("they fit");
        let mut workspace = Workspace::default();
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for (row, column) in [(0, 0), (0, 36), (3, 17), (63, 36)] {
                let mut input = vec![0.5; 64 * 37];
                input[row * 37 + column] = value;
                // The first one is named.
                input[63 * 37 + 36] = value;
                for answer in
                    [model.predict(&input, 64, &mut workspace), model.scores(&input, 64, &mut Workspace::default())]
                {
                    match answer.expect_err("it is not finite") {
                        Error::Input { input: None, row: r, column: c, value: v, .. } => {
                            assert_eq!((r, c, v.to_bits()), (row, column, value.to_bits()));
                        }
                        other => panic!("{other}"),
                    }
                }
                let error = model.predict(&input, 64, &mut workspace).expect_err("as before");
                assert!(error.to_string().contains(&format!("row {row}, number {column}")), "{error}");
                let mut allows = Workspace::default().allow_not_finite();
                let answer = model.predict(&input, 64, &mut allows).expect("it is allowed");
                assert!(!answer[2 * row].is_finite() && answer[2].is_finite());
            }
        }
        model.predict(&[f32::MAX; 37], 1, &mut workspace).expect("the largest number is finite");
    }
}

#[test]
fn numbers_of_another_network_make_no_model() {
    let error = model(&Params::initialize(&network(36), 1), Context::single()).expect_err("one feature too few");
    assert!(matches!(error, Error::Mismatch { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("76 numbers") && text.contains("74 numbers of another network"), "{text}");
}

fn spec(loss: Loss) -> RunSpec {
    RunSpec {
        data: "made".to_string(),
        data_options: DataOptions::default(),
        network: "mlp:4".to_string(),
        from: None,
        freeze_until: None,
        classes: None,
        quantize: None,
        settings: Settings::new(loss)
            .optimizer(Optimizer::named("sgd").expect("a row of the table"))
            .epochs(1)
            .batch(4)
            .learning_rate(0.01),
        validation: 0.0,
        standardize: true,
        target_scale: ScaleKind::None,
        directory: None,
        reading: RunSpec::READING,
    }
}

/// Eight rows of three numbers, of two classes.
fn data() -> Dataset {
    of((0..24).map(|at| (at % 5) as f32).collect(), vec![0, 1, 0, 1, 0, 1, 0, 1])
}

fn of(samples: Vec<f32>, classes: Vec<u32>) -> Dataset {
    Dataset::single("made", [3], Samples::F32(samples), Targets::classes(names(2), classes)).expect("the rows fit")
}

#[test]
fn a_setting_that_cannot_be_is_named_as_its_field() {
    let source = || DataSource::fixed(data(), data());
    let mut rate = spec(Loss::named("cross_entropy").expect("a row of the table"));
    rate.settings.learning_rate = 0.0;
    let text = start(rate, source()).expect_err("no step has this size").to_string();
    assert_eq!(text, "learning_rate is 0, but must be a positive number");
    let error = start(spec(Loss::Quantile { quantiles: vec![0.5] }), source()).expect_err("there are classes");
    assert_eq!(error.remedy(), Some(Remedy::Task(TaskKind::Regression)));
    let text = error.to_string();
    assert!(text.ends_with("as cross_entropy; if the target is a number, say that regression is wanted"), "{text}");
}

#[test]
fn numbers_are_refused_by_a_model_of_classes() {
    let task = Task::Classification { classes: names(2) };
    let params = Params::initialize(&network(3), 1);
    let model = Model::new(network(3), &params, task, Context::single()).expect("they fit");
    let values = Targets::values(names(1), vec![0.5; 8]);
    let data = Dataset::new("made", data().inputs().to_vec(), vec![values]).expect("the rows fit");
    let error = model.check_data(&data).expect_err("there are no classes");
    assert_eq!(error.remedy(), Some(Remedy::Task(TaskKind::Classification)));
    let text = "the kind of answer: the model has classes, the data has numbers; if the target is a class, say that \
                classification is wanted";
    assert_eq!(error.to_string(), text);
}

fn start(spec: RunSpec, source: DataSource) -> Result<Run, Error> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Run::start(spec, source, &folder.path().join("run"), Context::single())
}

#[test]
fn a_run_that_needs_more_memory_than_there_is_says_how_many_bytes() {
    let network = RunSpec { network: "mlp:1000000,1000000".to_string(), ..spec(Loss::MeanSquaredError) };
    let source = DataSource::fixed(data(), data());
    let text = start(network, source).expect_err("terabytes are not there").to_string();
    // A million million weights: learnt, best, gradient, prepared for measurements and for the model at the end.
    let bytes = text.split('(').nth(1).and_then(|rest| rest.split(" bytes").next());
    let bytes: u64 = bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or_else(|| panic!("{text}"));
    assert!(bytes > 6 * 4 * 1_000_000_000_000, "{text}");
    assert!(text.contains("batches of 4"), "{text}");
}
