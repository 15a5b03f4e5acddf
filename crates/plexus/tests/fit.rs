//! One call from data to a model: what it learns, that it can be watched, stopped and gone on with, and what it refuses.

use plexus::layers::{Activation, Conv2d, Flatten, Layer, Linear};
use plexus::{
    Adam, Context, Dataset, Ended, Error, Event, Flow, Function, Isa, Loss, Network, Pool, Settings, Sgd, Source, Task,
    Workspace,
};
use plexus_train::data::{Batch, GatherError, TargetKind};
use plexus_train::target::ScaleKind;
use std::path::Path;
use std::sync::Arc;

const ROWS: usize = 240;

/// Numbers that look random and are the same everywhere.
fn noise(at: usize) -> f32 {
    ((at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / (1u64 << 24) as f32
}

/// Two numbers of very different size; the class says whether they are large together.
fn classes() -> Dataset {
    Dataset::classes_from_fn(ROWS, [2], ["small", "large"], |row, sample| {
        let (a, b) = (noise(2 * row), noise(2 * row + 1));
        sample.copy_from_slice(&[1000.0 * a + 5000.0, 0.01 * b]);
        u32::from(a + b > 1.0)
    })
    .expect("the rows fit")
}

fn prices() -> Dataset {
    Dataset::numbers_from_fn(ROWS, [2], ["price"], |row, sample, target| {
        let (a, b) = (noise(2 * row), noise(2 * row + 1));
        sample.copy_from_slice(&[a, b]);
        target[0] = 100_000.0 + 50_000.0 * a - 20_000.0 * b;
    })
    .expect("the rows fit")
}

fn network(outputs: usize) -> Network {
    let layers: [Layer; 3] =
        [Linear::new(16).into(), Activation::new(Function::Tanh).into(), Linear::new(outputs).into()];
    Network::chain([2], layers)
}

fn settings() -> Settings {
    Settings::new(Loss::cross_entropy()).epochs(30).batch(16).learning_rate(0.02).seed(3)
}

fn bytes(model: &plexus::Model) -> Vec<u8> {
    model.to_bytes().expect("it is written")
}

#[test]
fn classes_are_learnt_in_their_own_units_and_answered_by_name() {
    let fitted = plexus::fit(network(2), classes(), settings(), |_| {}).expect("it learns");
    assert_eq!((fitted.ended, fitted.history.len()), (Ended::Epochs, 30));
    assert!((1..=30).contains(&fitted.best_epoch));
    let measured = fitted.model.evaluate(&classes()).expect("it fits").outputs[0].metric();
    assert!(measured > 0.95, "{measured}");
    let mut workspace = Workspace::default();
    let rows = [5900.0, 0.009, 5050.0, 0.001];
    let best = fitted.model.classify(&rows, 2, &mut workspace).expect("it fits");
    assert_eq!((best[0].name, best[1].name), ("large", "small"));
    assert!(best[0].probability > 0.9 && best[1].probability > 0.9);
    let all = fitted.model.classify_top(&rows, 2, 5, &mut workspace).expect("it fits");
    assert_eq!((all.len(), all[0].len(), all[0][1].name), (2, 2, "small"));
    assert!((all[0][0].probability + all[0][1].probability - 1.0).abs() < 1e-6);
}

#[test]
fn numbers_are_learnt_on_their_own_scale_and_answered_in_their_unit() {
    let settings = Settings::new(Loss::mean_squared_error()).epochs(60).batch(16).learning_rate(0.01);
    let fitted = plexus::fit(network(1), prices(), settings, |_| {}).expect("it learns");
    assert_eq!(fitted.model.task(), &Task::Regression { outputs: vec!["price".to_string()] });
    let answer = fitted.model.predict(&[0.5, 0.5], 1, &mut Workspace::default()).expect("it fits")[0];
    assert!((answer - 115_000.0).abs() < 2_000.0, "{answer}");
    let error = fitted.model.classify(&[0.5, 0.5], 1, &mut Workspace::default()).expect_err("there are no classes");
    assert!(matches!(error, Error::NoClasses { .. }), "{error}");
}

#[test]
fn the_bits_are_the_same_for_any_number_of_threads_and_in_any_hands() {
    let run = |threads: usize| {
        let settings = settings().epochs(4).context(Context::detect(Pool::new(threads)));
        bytes(&plexus::fit(network(2), classes(), settings, |_| {}).expect("it learns").model)
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(7));
    let data = Arc::new(classes());
    let settings = || settings().epochs(4);
    assert_eq!(one, bytes(&plexus::fit(network(2), &data, settings(), |_| {}).expect("it learns").model));
    assert_eq!(one, bytes(&plexus::fit(network(2), &*data, settings(), |_| {}).expect("it learns").model));
}

#[test]
fn the_callback_sees_every_update_and_epoch() {
    let (mut steps, mut epochs) = (Vec::new(), Vec::new());
    // 240 rows: a tenth is kept out, 216 are learnt from, in 14 updates of at most 16.
    let fitted = plexus::fit(network(2), classes(), settings().epochs(3), |event| match event {
        Event::Step { epoch, step, steps: all, report, .. } => {
            assert!(report.loss.is_finite() && all == 14);
            steps.push((epoch, step));
        }
        Event::Epoch(record) => epochs.push(record.clone()),
        _ => {}
    })
    .expect("it learns");
    let expected: Vec<(u64, u64)> = (1..=3).flat_map(|epoch| (1..=14).map(move |step| (epoch, step))).collect();
    assert_eq!(steps, expected);
    assert_eq!(epochs, fitted.history);
    assert!(epochs.iter().all(|record| record.validation_loss.is_some()));
}

#[test]
fn a_stopped_run_gives_the_best_so_far_and_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = bytes(&plexus::fit(network(2), classes(), settings().epochs(6), |_| {}).expect("it learns").model);
    for stop_at in [1, 13, 14, 15, 40] {
        let path = folder.path().join(format!("run-{stop_at}"));
        let settings = || settings().epochs(6).checkpoint(&path);
        let mut steps = 0;
        let stopped = plexus::fit(network(2), classes(), settings(), |event| {
            steps += u64::from(matches!(event, Event::Step { .. }));
            if steps == stop_at { Flow::Stop } else { Flow::Continue }
        })
        .expect("it stops");
        assert_eq!((stopped.ended, stopped.history.len() as u64), (Ended::Stopped, stop_at / 14));
        let mut again = 0;
        let gone_on = plexus::fit(network(2), classes(), settings(), |event| {
            again += u64::from(matches!(event, Event::Step { .. }));
        })
        .expect("it goes on");
        assert_eq!((steps + again, gone_on.history.len()), (6 * 14, 6), "stopped at {stop_at}");
        assert_eq!(bytes(&gone_on.model), whole, "stopped at {stop_at}");
        // A run that is through gives its model without an update.
        let third = plexus::fit(network(2), classes(), settings(), |_| -> Flow { panic!("nothing is left to do") });
        assert_eq!(bytes(&third.expect("it is there").model), whole);
    }
}

#[test]
fn a_run_goes_on_with_more_epochs_and_with_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run");
    let settings = || settings().epochs(2).checkpoint(&path).checkpoint_every(5);
    plexus::fit(network(2), classes(), settings(), |_| {}).expect("it learns");
    let more = plexus::fit(network(2), classes(), settings().epochs(3), |_| {}).expect("it goes on");
    assert_eq!((more.history.len(), more.ended), (3, Ended::Epochs));
    let refused =
        |network: Network, data: Dataset, settings: Settings| match plexus::fit(network, data, settings, |_| {})
            .expect_err("it is another run")
        {
            Error::Resume { place, why, .. } if place == path => why,
            other => panic!("{other}"),
        };
    let other = Dataset::classes_from_fn(ROWS, [2], ["small", "large"], |row, _| u32::from(row % 2 == 0)).unwrap();
    for (why, says) in [
        (refused(network(2), other, settings()), "other data"),
        (refused(network(2), classes(), settings().seed(4)), "other settings"),
        (refused(network(2), classes(), settings().standardize(false)), "other settings"),
        (refused(Network::chain([2], [Linear::new(2).into()]), classes(), settings()), "another network"),
    ] {
        assert!(why.contains(says), "{why}");
    }
    std::fs::write(&path, b"something else").expect("it is written");
    let error = plexus::fit(network(2), classes(), settings(), |_| {}).expect_err("it is no checkpoint");
    assert!(matches!(&error, Error::Checkpoint { .. }), "{error}");
    assert_eq!(std::fs::read(&path).expect("it is there"), b"something else", "it is left alone");
}

#[test]
fn patience_ends_a_run_and_rows_of_their_own_may_choose() {
    let hard = |rows: usize, from: usize| {
        Dataset::classes_from_fn(rows, [2], ["a", "b"], |row, sample| {
            sample.copy_from_slice(&[noise(from + 3 * row), noise(from + 3 * row + 1)]);
            u32::from(noise(from + 3 * row + 2) > 0.5)
        })
        .expect("the rows fit")
    };
    let settings = settings().epochs(500).patience(4).validation_data(hard(50, 10_000));
    let fitted = plexus::fit(network(2), hard(60, 0), settings, |_| {}).expect("it learns");
    assert_eq!(fitted.ended, Ended::Patience);
    assert_eq!(fitted.history.len() as u64, fitted.best_epoch + 4);
    let without = Settings::new(Loss::cross_entropy()).validation(0.0).epochs(2);
    let fitted = plexus::fit(network(2), hard(60, 0), without, |_| {}).expect("it learns");
    assert!(fitted.history.iter().all(|record| record.validation_loss.is_none()));
}

/// Rows that are made when they are asked for; no number of them is kept.
struct Made;

impl Source for Made {
    fn name(&self) -> &str {
        "made"
    }

    fn len(&self) -> u64 {
        ROWS as u64
    }

    fn inputs(&self) -> Vec<plexus::Shape> {
        vec![[2].into()]
    }

    fn targets(&self) -> Vec<TargetKind> {
        vec![TargetKind::values(vec!["price".to_string()])]
    }

    fn gather(&self, rows: &[u64], batch: &mut Batch, _: &Pool) -> Result<(), GatherError> {
        for (at, &row) in rows.iter().enumerate() {
            let (a, b) = (noise(2 * row as usize), noise(2 * row as usize + 1));
            batch.input_mut(0)[2 * at..][..2].copy_from_slice(&[a, b]);
            batch.values_mut(0)[at] = 100_000.0 + 50_000.0 * a - 20_000.0 * b;
        }
        Ok(())
    }
}

#[test]
fn a_source_of_ones_own_learns_what_the_same_rows_in_memory_learn() {
    for kind in [ScaleKind::None, ScaleKind::Standard, ScaleKind::Log] {
        let settings =
            || Settings::new(Loss::huber(1.0)).epochs(3).batch(16).optimizer(Sgd::default()).target_scale(kind);
        let in_memory = plexus::fit(network(1), prices().with_name("made"), settings(), |_| {});
        let made = plexus::fit(network(1), Arc::new(Made), settings(), |_| {});
        assert_eq!(bytes(&made.expect("it learns").model), bytes(&in_memory.expect("it learns").model), "{kind:?}");
    }
}

#[test]
fn pictures_of_bytes_are_learnt_from() {
    // A bright column at the left or at the right.
    let pixels: Vec<u8> = (0..64 * 64)
        .map(|at| {
            let (picture, column) = (at / 64, at % 8);
            let bright = if picture % 2 == 0 { column < 2 } else { column > 5 };
            (noise(at) * 100.0) as u8 + if bright { 150 } else { 0 }
        })
        .collect();
    let sides: Vec<u32> = (0..64).map(|picture| picture % 2).collect();
    let data = Dataset::classes([1, 8, 8], pixels, sides, ["left", "right"]).expect("the rows fit");
    let layers: [Layer; 4] = [
        Conv2d::new(4, 3).into(),
        Activation::new(Function::Relu).into(),
        Flatten::default().into(),
        Linear::new(2).into(),
    ];
    let settings = Settings::new(Loss::cross_entropy()).optimizer(Adam::decoupled(0.01)).epochs(8).batch(8);
    let fitted = plexus::fit(Network::chain([1, 8, 8], layers), &data, settings, |_| {}).expect("it learns");
    assert_eq!(fitted.model.evaluate(&data).expect("it fits").outputs[0].metric(), 1.0);
}

#[test]
fn what_cannot_be_learnt_is_refused_before_it_begins() {
    let refused = |network: Network, data: Dataset, settings: Settings| {
        plexus::fit(network, data, settings, |_| -> Flow { panic!("it has begun") }).expect_err("it does not fit")
    };
    let none = || Dataset::classes([2], Vec::<f32>::new(), [], ["a", "b"]).expect("no rows fit");
    let softmax = Network::chain([2], [Linear::new(2).into(), plexus::layers::Softmax::new().into()]);
    let cases: Vec<(&str, Error, &str)> = vec![
        ("three outputs", refused(network(3), classes(), settings()), "for 2 classes, got output [3]"),
        ("another width", refused(Network::chain([3], [Linear::new(2).into()]), classes(), settings()), "a row"),
        ("no rows", refused(network(2), none(), settings()), "to learn from: expected at least one, got none"),
        (
            "a rate that is none",
            refused(network(2), classes(), settings().learning_rate(f64::NAN)),
            "learning_rate is NaN",
        ),
        ("no batch", refused(network(2), classes(), settings().batch(0)), "batch is 0"),
        ("no epochs", refused(network(2), classes(), settings().epochs(0)), "epochs is 0"),
        ("all kept out", refused(network(2), classes(), settings().validation(0.999)), "leaves rows"),
        ("more than all", refused(network(2), classes(), settings().validation(1.5)), "a share in 0..1"),
        ("a share that is none", refused(network(2), classes(), settings().validation(f64::NAN)), "a share in 0..1"),
        (
            "validation of another kind",
            refused(network(2), classes(), settings().validation_data(prices())),
            "expected classes",
        ),
        ("another loss", refused(network(2), classes(), Settings::new(Loss::quantile([0.5]))), "the target is a class"),
        ("softmax twice", refused(softmax, classes(), settings()), "remove the last layer"),
        (
            "changes of numbers",
            refused(network(2), classes(), settings().augment("shift=1".parse().ok())),
            "used with images",
        ),
        (
            "two losses",
            refused(network(2), classes(), Settings::of([Loss::cross_entropy(), Loss::cross_entropy()])),
            "the losses: expected 1",
        ),
    ];
    for (case, error, says) in cases {
        assert!(error.to_string().contains(says), "{case}: {error}");
    }
    let diverged =
        plexus::fit(network(1), prices(), Settings::new(Loss::mean_squared_error()).learning_rate(1e30), |_| {});
    assert!(matches!(diverged, Err(Error::NotFinite(_))), "{diverged:?}");
}

#[test]
fn a_model_comes_and_goes_in_any_form() {
    let fitted = plexus::fit(network(2), classes(), settings().epochs(2), |_| {}).expect("it learns");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.safetensors");
    fitted.model.save(&path).expect("it is saved");
    let saved = std::fs::read(&path).expect("it is there");
    assert_eq!(saved, bytes(&fitted.model));
    let context = || Context::new(Isa::best(), Pool::single());
    let forms = [
        plexus::Model::open(&path, context()),
        plexus::Model::from_bytes(&saved, context()),
        plexus::Model::read(&saved[..], context()),
    ];
    let row = [5400.0, 0.004];
    let answer = fitted.model.predict(&row, 1, &mut Workspace::default()).expect("it fits").to_vec();
    for model in forms {
        let model = model.expect("it opens");
        assert_eq!(model.predict(&row, 1, &mut Workspace::default()).expect("it fits"), answer);
        assert_eq!(model.metadata()["plexus.data"], "the data");
        let shown = format!("{model:?}");
        assert!(shown.len() < 400 && shown.contains("layers.2: 2 classes"), "{shown}");
    }
    let error = plexus::Model::from_bytes(&saved[..100], context()).expect_err("it is cut");
    assert!(matches!(&error, Error::Format { path: None, .. }));
    let source = std::error::Error::source(&error).expect("there is a cause").to_string();
    assert!(!error.to_string().contains(&source), "{error} repeats {source}");
    let error = plexus::Model::open(Path::new("nowhere.safetensors"), context()).expect_err("there is none");
    assert!(matches!(&error, Error::Io { .. }) && !error.to_string().contains("No such"), "{error}");
}
