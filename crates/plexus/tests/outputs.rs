//! A run of a network with two inputs and two outputs, from rows to a model file and back.

use plexus::train::data::{DataOptions, DataSource, Dataset, InputRows, Samples, Targets};
use plexus::train::evaluate::Answers;
use plexus::train::loss::{Loss, Objective};
use plexus::train::target::ScaleKind;
use plexus::train::trainer::Settings;
use plexus::{Context, Error, Model, OutputTask, Run, RunSpec, Shape, Task, Workspace};
use std::path::Path;

const NETWORK: &str = r#"
inputs = { left = [3], right = [2] }
outputs = ["kind", "price"]

[[layer]]
kind = "linear"
name = "of_left"
inputs = ["left"]
out_features = 8
activation = "tanh"

[[layer]]
kind = "concat"
name = "both"
inputs = ["of_left.activation", "right"]

[[layer]]
kind = "linear"
name = "hidden"
out_features = 16
activation = "relu"

[[layer]]
kind = "linear"
name = "kind"
inputs = ["hidden.activation"]
out_features = 2

[[layer]]
kind = "linear"
name = "price"
inputs = ["hidden.activation"]
out_features = 1
"#;

const ROWS: usize = 200;

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(|name| name.to_string()).collect()
}

/// The class is the sign of a sum over both inputs, the price another sum, far from zero.
fn data(first: usize) -> Dataset {
    let numbers = |width: usize, factor: usize| -> Vec<f32> {
        (first * width..(first + ROWS) * width).map(|at| ((at * factor % 97) as f32 - 48.0) / 24.0).collect()
    };
    let (left, right) = (numbers(3, 31), numbers(2, 53));
    let rows = || left.chunks(3).zip(right.chunks(2));
    let kinds = rows().map(|(left, right)| u32::from(left[0] + right[1] > 0.0)).collect();
    let prices = rows().map(|(left, right)| 5000.0 + 1000.0 * (left[1] - right[0])).collect();
    Dataset::new(
        "made".to_string(),
        vec![
            InputRows { shape: [3].into(), samples: Samples::F32(left) },
            InputRows { shape: [2].into(), samples: Samples::F32(right) },
        ],
        vec![Targets::classes(names(&["low", "high"]), kinds), Targets::values(names(&["price in EUR"]), prices)],
    )
    .expect("the rows fit")
}

fn source() -> DataSource {
    DataSource::fixed(data(0), data(ROWS))
}

fn spec(network: &Path, objectives: Vec<Objective>) -> RunSpec {
    RunSpec {
        data: "made".to_string(),
        data_options: DataOptions::default(),
        network: network.display().to_string(),
        from: None,
        freeze_until: None,
        classes: None,
        quantize: None,
        settings: Settings::new(Loss::MeanSquaredError).epochs(40).batch(16).learning_rate(0.01).objectives(objectives),
        validation: 0.1,
        standardize: true,
        target_scale: ScaleKind::Standard,
        directory: None,
        reading: RunSpec::READING,
    }
}

fn objectives() -> Vec<Objective> {
    let classes = Loss::named("cross_entropy").expect("a row of the table");
    vec![classes.into(), Objective { weight: 2.0, ..Loss::MeanSquaredError.into() }]
}

#[test]
fn two_inputs_and_two_outputs_are_trained_saved_opened_measured_and_asked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let network = folder.path().join("two.toml");
    std::fs::write(&network, NETWORK).expect("it is written");
    let run = folder.path().join("run");
    let mut run = Run::start(spec(&network, objectives()), source(), &run, Context::single()).expect("it begins");
    while !run.progress().finished {
        run.step().expect("the losses are finite");
    }
    let history = &run.progress().history;
    let (first, last) = (&history[0], &history[history.len() - 1]);
    assert_eq!((last.outputs[0].name.as_str(), last.outputs[1].name.as_str()), ("kind", "price"));
    assert!(last.outputs.iter().zip(&first.outputs).all(|(last, first)| last.train_loss < 0.2 * first.train_loss));
    let sum = last.outputs[0].train_loss + 2.0 * last.outputs[1].train_loss;
    assert!((last.train_loss - sum).abs() < 1e-12 * sum, "{last:?}");
    let finished = run.finish().expect("it is saved");

    // The saved model answers in the units of the targets.
    let model = Model::open(&finished.model_path, Context::single()).expect("it opens");
    let tasks = [
        ("kind", Task::Classification { classes: names(&["low", "high"]) }),
        ("price", Task::Regression { outputs: names(&["price in EUR"]) }),
    ];
    let tasks = tasks.map(|(name, task)| OutputTask { name: name.to_string(), task });
    assert_eq!(model.outputs(), tasks);
    let test = data(ROWS);
    let measured = model.evaluate(&test).expect("the data is of its kind");
    assert_eq!(Some(&measured), finished.test.as_ref());
    let [kind, price] = &measured.outputs[..] else { panic!("two outputs: {measured:?}") };
    let (Answers::Classes { confusion, .. }, Answers::Values(errors)) = (&kind.answers, &price.answers) else {
        panic!("classes and numbers: {measured:?}");
    };
    assert!(confusion.accuracy() > 0.9 && errors.r2() > 0.9, "{measured:?}");
    assert_eq!((kind.name.as_str(), price.name.as_str()), ("kind", "price"));

    let (mut left, mut right) = (vec![0.0; 3 * ROWS], Vec::new());
    let rows: Vec<u64> = (0..ROWS as u64).collect();
    test.copy_rows(&rows, &mut left);
    let Samples::F32(numbers) = &test.inputs()[1].samples else { panic!("numbers") };
    right.extend_from_slice(numbers);
    let mut workspace = Workspace::default();
    let answers = model.predict_all(&[&left, &right], ROWS, &mut workspace).expect("the rows fit");
    let names: Vec<&str> = answers.iter().map(|(name, _)| name).collect();
    assert_eq!((names, answers.get("none")), (vec!["kind", "price"], None));
    let probabilities = answers.get("kind").expect("it is an output");
    assert!(probabilities.chunks(2).all(|row| (row[0] + row[1] - 1.0).abs() < 1e-6));
    let Targets::Values { values, .. } = &test.targets()[1] else { panic!("numbers") };
    let mean_error = answers.at(1).iter().zip(values).map(|(a, b)| (a - b).abs()).sum::<f32>() / ROWS as f32;
    assert!((f64::from(mean_error) - errors.mean_absolute_error()).abs() < 1.0);

    // What does not fit is said.
    assert!(matches!(model.predict(&left, ROWS, &mut workspace), Err(Error::Shape(_))));
    right[3] = f32::NAN;
    let error = model.predict_all(&[&left, &right], ROWS, &mut workspace).expect_err("a NaN").to_string();
    assert!(error.contains("row 1, number 1 of the input \"right\" is NaN"), "{error}");
    let (name, inputs, targets) = test.into_parts();
    let one = Dataset::new(name, inputs, targets[..1].to_vec()).expect("the rows fit");
    let error = model.evaluate(&one).expect_err("a target is missing").to_string();
    assert!(error.contains("2 outputs: kind, price"), "{error}");
}

/// Columns have a mean each, pictures have one for all pixels, whether they are bytes or numbers.
#[test]
fn pictures_are_told_from_tables_by_their_shape() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let means = |name: &str, shape: &[usize], samples: Samples| {
        let rows = Dataset::single("made", Shape::new(shape), samples, Targets::values(names(&["y"]), vec![1.0, 2.0]))
            .expect("the rows fit");
        let source = DataSource::fixed(rows.clone(), rows);
        let spec = RunSpec { validation: 0.0, ..spec(Path::new("mlp:2"), vec![Loss::MeanSquaredError.into()]) };
        let run = Run::start(spec, source, &folder.path().join(name), Context::single()).expect("it begins");
        run.trainer().params().by_name("standardize.mean").expect("it is standardized").len()
    };
    let numbers = || Samples::F32((0..8).map(|at| at as f32).collect());
    assert_eq!(means("columns", &[4], numbers()), 4);
    assert_eq!(means("pictures", &[1, 2, 2], numbers()), 1);
    assert_eq!(means("bytes", &[1, 2, 2], Samples::U8((0..8).collect())), 1);
}

#[test]
fn losses_and_outputs_that_do_not_match_are_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let network = folder.path().join("two.toml");
    std::fs::write(&network, NETWORK).expect("it is written");
    let refused = |objectives: Vec<Objective>, source: DataSource| {
        let run = folder.path().join("run");
        Run::start(spec(&network, objectives), source, &run, Context::single())
            .expect_err("it does not fit")
            .to_string()
    };
    let error = refused(objectives()[..1].to_vec(), source());
    assert!(
        error.contains("the losses: expected 2, one for each output of the network: kind, price, got 1"),
        "{error}"
    );
    let mut swapped = objectives();
    swapped.swap(0, 1);
    let error = refused(swapped, source());
    assert!(error.contains("cross_entropy, but the target is a number"), "{error}");
    let (name, inputs, mut targets) = data(0).into_parts();
    targets.pop();
    let one_target = Dataset::new(name, inputs, targets).expect("the rows fit");
    let error = refused(objectives(), DataSource { train: one_target.into(), ..source() });
    assert!(
        error.contains("the targets of made: expected 2, one for each output of the network: kind, price"),
        "{error}"
    );
    let (name, mut inputs, targets) = data(0).into_parts();
    inputs.pop();
    let one_input = Dataset::new(name, inputs, targets).expect("the rows fit");
    let error = refused(objectives(), DataSource { train: one_input.into(), ..source() });
    assert!(
        error.contains("the inputs of made: expected 2, one for each input of the network: left, right"),
        "{error}"
    );
}
