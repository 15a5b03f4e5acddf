//! Runs that end with whole numbers: what they win, what they refuse, and that a stop changes no bit.
#![cfg(all(feature = "quant", feature = "table"))]

use plexus::quant::{Options, Scheme};
use plexus::train::data::{DataOptions, DataSource, open};
use plexus::train::loss::{Loss, Objective};
use plexus::train::target::ScaleKind;
use plexus::train::trainer::Settings;
use plexus::{
    Context, Dataset, Error, Finished, Model, Pool, Resume, Run, RunSpec, Samples, Shape, Targets, WholeNumbers,
};
use std::path::{Path, PathBuf};

fn spec(network: &str, settings: Settings, whole: Option<WholeNumbers>) -> RunSpec {
    RunSpec {
        data: "made".to_string(),
        data_options: DataOptions::default(),
        network: network.to_string(),
        from: None,
        freeze_until: None,
        classes: None,
        quantize: whole,
        settings,
        validation: 0.1,
        standardize: true,
        target_scale: ScaleKind::Standard,
        directory: None,
        reading: RunSpec::READING,
    }
}

fn whole(scheme: Scheme, float_epochs: impl Into<Option<u64>>) -> Option<WholeNumbers> {
    Some(WholeNumbers { scheme, float_epochs: float_epochs.into() })
}

/// A wavy surface over two numbers.
fn surface() -> DataSource {
    let rows = |first: usize, count: usize| {
        let place = |at: usize| {
            let at = (first + at) as f32;
            [(at * 0.618_034).fract() * 2.0 - 1.0, (at * 0.754_877_7).fract() * 2.0 - 1.0]
        };
        let x: Vec<f32> = (0..count).flat_map(place).collect();
        let y = x.chunks(2).map(|p| 10.0 * (2.0 * p[0]).sin() * (1.5 * p[1]).cos() + 3.0 * p[1] + 40.0).collect();
        let targets = Targets::values(vec!["height".to_string()], y);
        Dataset::single("made", Shape::new([2]), Samples::F32(x), targets).expect("the rows fit")
    };
    DataSource::fixed(rows(0, 600), rows(10_000, 200))
}

fn digits() -> DataSource {
    open("digits", &DataOptions::default()).expect("they are built in")
}

/// Trains to the end.
fn finished(spec: RunSpec, source: DataSource, folder: &Path, context: Context) -> (Run, Finished) {
    let mut run = Run::start(spec, source, folder, context).expect("it begins");
    while !run.progress().finished {
        run.step().expect("the losses are finite");
    }
    let finished = run.finish().expect("it is saved");
    (run, finished)
}

fn test_error(finished: &Finished) -> f64 {
    finished.test.as_ref().expect("there are rows to test on").metric()
}

/// The error of a model that is made one of whole numbers when it is finished.
fn afterwards(model: &Model, source: &DataSource, scheme: Scheme) -> f64 {
    let Samples::F32(values) = source.train.samples() else { panic!("numbers") };
    let quantized = model.quantize(&[values], source.train.len(), &Options::new(scheme)).expect("it has such a form");
    quantized.model.evaluate(&source.test).expect("the data is of its kind").metric()
}

#[test]
fn fine_tuning_wins_back_what_four_bits_lose() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = || Settings::new(Loss::MeanSquaredError).epochs(90).batch(16).learning_rate(0.01);
    let network = "mlp:24,24?activation=tanh";
    let path = |name: &str| folder.path().join(name);
    let (_, float) = finished(spec(network, settings(), None), surface(), &path("float"), Context::single());
    let (run, tuned) =
        finished(spec(network, settings(), whole(Scheme::Int4, None)), surface(), &path("tuned"), Context::single());
    let after = afterwards(&float.model, &surface(), Scheme::Int4);
    let (float, tuned) = (test_error(&float), test_error(&tuned));
    eprintln!("float {float}, int4 afterwards {after}, fine-tuned {tuned}");
    assert_eq!(run.progress().twin_from, Some(60), "the last third");
    assert!(after > 4.0 * float, "four bits lose: {float} {after}");
    assert!(tuned < 0.5 * after, "fine-tuning wins back: {after} {tuned}");
}

/// The bytes of a run: the models, the epochs, the checkpoint.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let names = [Run::MODEL, Run::FLOAT, Run::METRICS, Run::CHECKPOINT];
    names.iter().map(|name| std::fs::read(folder.join(name)).expect("the run has written it")).collect()
}

#[test]
fn a_stop_at_any_step_and_any_number_of_threads_change_no_bit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Resumed runs open their data by name.
    let spec = |scheme: Scheme| RunSpec {
        data: "digits".to_string(),
        target_scale: ScaleKind::None,
        ..spec("mlp:9", Settings::new(Loss::cross_entropy()).epochs(3).batch(256).accumulate(2), whole(scheme, 1))
    };
    for scheme in [Scheme::Int4, Scheme::Q7, Scheme::Int16x8] {
        let at = |name: &str| folder.path().join(format!("{}-{name}", scheme.name()));
        finished(spec(scheme), digits(), &at("whole"), Context::single());
        let (expected, stopped) = (files(&at("whole")), at("stopped"));
        let context = |threads: usize| Context::detect(Pool::new(threads));
        let mut run = Run::start(spec(scheme), digits(), &stopped, context(2)).expect("it begins");
        let (mut steps, mut switches) = (0, 0);
        while !run.progress().finished {
            switches += usize::from(run.step().expect("the losses are finite").whole_numbers);
            run.checkpoint().expect("it is saved");
            drop(run);
            steps += 1;
            run = Run::resume(&stopped, Resume::default(), context(1 + steps % 3)).expect("it goes on");
        }
        run.finish().expect("it is saved");
        assert_eq!((steps, switches), (9, 1), "{}", scheme.name());
        drop(run);
        assert!(files(&stopped) == expected, "{}", scheme.name());
    }
}

#[test]
fn what_is_measured_and_saved_is_the_network_of_whole_numbers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings::new(Loss::cross_entropy()).epochs(4).batch(64);
    let spec = RunSpec { target_scale: ScaleKind::None, ..spec("mlp:16", settings, whole(Scheme::Int8, 3)) };
    let (run, finished) = finished(spec, digits(), &folder.path().join("run"), Context::single());
    let kinds = |model: &Model| -> Vec<&'static str> {
        model.network().network().layers.iter().map(|named| named.layer.kind()).collect()
    };
    assert!(kinds(&finished.model).contains(&"integer_linear"), "{:?}", kinds(&finished.model));
    let opened = Model::open(folder.path().join("run").join(Run::MODEL), Context::single()).expect("it opens");
    assert_eq!(Some(opened.evaluate(&run.source().test).expect("the data fits")), finished.test);
    // The float epochs were better, but they are another network's.
    let progress = run.progress();
    assert_eq!((progress.best_epoch, progress.twin_from), (4, Some(3)));
    // The float model is what the other one was made of, and training can go on from it.
    let float = folder.path().join("run").join(Run::FLOAT);
    assert!(!kinds(&Model::open(&float, Context::single()).expect("it opens")).contains(&"integer_linear"));
    let settings = Settings::new(Loss::cross_entropy()).epochs(1).batch(64);
    let again = RunSpec {
        from: Some(float),
        target_scale: ScaleKind::None,
        ..self::spec("", settings, whole(Scheme::Int8, None))
    };
    let (run, _) = self::finished(again, digits(), &folder.path().join("again"), Context::single());
    assert_eq!((run.progress().twin_from, run.progress().best_epoch), (Some(0), 1), "from the first epoch on");
    assert_eq!(run.spec().quantize, whole(Scheme::Int8, 0));
}

#[test]
fn patience_with_floats_leads_to_whole_numbers_and_not_to_the_end() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A rate of nearly nothing: after the first epoch none is better.
    let settings = Settings::new(Loss::cross_entropy()).epochs(40).batch(64).learning_rate(1e-12).patience(2);
    let spec = RunSpec { target_scale: ScaleKind::None, ..spec("mlp:4", settings, whole(Scheme::Int8, 30)) };
    let (run, _) = finished(spec, digits(), &folder.path().join("run"), Context::single());
    let progress = run.progress();
    let twin_from = progress.twin_from.expect("it has gone over");
    assert!(twin_from < 30 && progress.epoch < 40 && progress.best_epoch > twin_from, "{progress:?}");
}

/// Two heads, layers that do something else in training, and layers that stay float.
const NETWORK: &str = r#"
outputs = ["kind", "height"]

[[layer]]
name = "first"
kind = "linear"
out_features = 24

[[layer]]
kind = "batch_norm"

[[layer]]
kind = "activation"
function = "relu"

[[layer]]
name = "dropped"
kind = "dropout"
probability = 0.1

[[layer]]
name = "kind"
kind = "linear"
inputs = ["dropped"]
out_features = 2

[[layer]]
name = "height"
kind = "linear"
inputs = ["dropped"]
out_features = 1
"#;

#[test]
fn several_outputs_batch_norm_and_dropout_learn_with_whole_numbers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let network = folder.path().join("net.toml");
    std::fs::write(&network, NETWORK).expect("it is written");
    let both = |data: &Dataset| {
        let (name, inputs, mut targets) = data.clone().into_parts();
        let Targets::Values { values, .. } = &targets[0] else { panic!("numbers") };
        let high = values.iter().map(|height| u32::from(*height > 40.0)).collect();
        targets.insert(0, Targets::classes(vec!["low".to_string(), "high".to_string()], high));
        Dataset::new(name, inputs, targets).expect("the rows fit")
    };
    let source = surface();
    let source = DataSource::fixed(both(&source.train), both(&source.test));
    let objectives = vec![Objective::from(Loss::cross_entropy()), Loss::MeanSquaredError.into()];
    let settings =
        Settings::new(Loss::MeanSquaredError).objectives(objectives).epochs(30).batch(32).learning_rate(0.01);
    let spec = spec(&network.display().to_string(), settings, whole(Scheme::Int8PerChannel, None));
    let (run, finished) = finished(spec, source, &folder.path().join("run"), Context::single());
    let test = finished.test.expect("there are rows to test on");
    assert!(test.outputs[0].metric() > 0.95, "{test:?}");
    assert!(test.outputs[1].metric() < 2.0, "{test:?}");
    // Running statistics stay as they were when it was their turn, and no layer of them is left.
    let kinds: Vec<&str> = finished.model.network().network().layers.iter().map(|named| named.layer.kind()).collect();
    assert!(!kinds.contains(&"batch_norm"), "{kinds:?}");
    assert_eq!(run.progress().twin_from, Some(20));
}

#[test]
fn what_cannot_end_with_whole_numbers_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = |epochs: u64| Settings::new(Loss::cross_entropy()).epochs(epochs).batch(64);
    let of = |network: &str, epochs: u64, whole: Option<WholeNumbers>| RunSpec {
        target_scale: ScaleKind::None,
        ..spec(network, settings(epochs), whole)
    };
    let file = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it is written");
        path
    };
    let trained = folder.path().join("trained");
    let (_, finished) = finished(of("mlp:8", 2, whole(Scheme::Q7, 1)), digits(), &trained, Context::single());
    let float = Some(trained.join(Run::FLOAT));
    let refused = |spec: RunSpec| -> Error {
        let place = folder.path().join("refused");
        let error = Run::start(spec, digits(), &place, Context::single()).expect_err("it has no such end");
        assert!(!place.join(Run::CHECKPOINT).exists());
        error
    };
    let no_form = file("rbf.toml", "[[layer]]\nkind = \"flatten\"\n[[layer]]\nkind = \"rbf\"\nout_features = 10\n");
    let frozen =
        RunSpec { from: float, freeze_until: Some("layers.1".to_string()), ..of("", 2, whole(Scheme::Int8, None)) };
    let integer = RunSpec { from: Some(finished.model_path), ..of("", 2, whole(Scheme::Int8, None)) };
    for (spec, says) in [
        (of("mlp:8", 1, whole(Scheme::Int4, None)), "epochs is 1, but must be at least 2"),
        (of("mlp:8", 3, whole(Scheme::Int4, 0)), "float_epochs is 0, but must be at least 1"),
        (of("mlp:8", 3, whole(Scheme::Int4, 3)), "float_epochs is 3, but must be less than the 3 epochs"),
        (frozen, "quantize is int8, with layers that stay as they are"),
        (integer, "Start from the float model that it was made of"),
        (
            of(&no_form.display().to_string(), 3, whole(Scheme::Int8, None)),
            "no layer of this network has an integer form",
        ),
    ] {
        let error = refused(spec).to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
    // A run that would end before it comes to whole numbers.
    let place = folder.path().join("shorter");
    let mut run =
        Run::start(of("mlp:8", 4, whole(Scheme::Int8, 3)), digits(), &place, Context::single()).expect("it begins");
    run.checkpoint().expect("it is saved");
    drop(run);
    let shorter = Resume { epochs: Some(2), ..Resume::default() };
    let error = Run::resume(&place, shorter, Context::single()).expect_err("it would not come to it").to_string();
    assert!(error.contains("float_epochs is 3, but must be less than the 2 epochs"), "{error}");
}
