//! Wrong uses of the library: each ends in an error that a program can match, none in a panic.

use plexus::layers::{Linear, Softmax, conv2d, dropout, flatten, linear, relu};
use plexus::train::data::{Augment, DataOptions, TaskKind};
use plexus::{
    Adam, Context, Dataset, Error, Flow, FormatError, Graph, Input, Loss, Model, NamedLayer, Network, Objective,
    Params, Samples, Schedule, Settings, Sgd, Targets, Task, Workspace,
};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("name {index}")).collect()
}

/// A model of four numbers in and two classes out.
fn classes() -> Model {
    let network = Network::chain([4], [linear(3), relu(), linear(2)]).check().expect("it fits");
    let params = Params::initialize(&network, 1);
    Model::new(network, &params, Task::Classification { classes: names(2) }, Context::single()).expect("it fits")
}

fn numbers() -> Model {
    let network = Network::chain([4], [linear(1)]).check().expect("it fits");
    let params = Params::initialize(&network, 1);
    Model::new(network, &params, Task::Regression { outputs: names(1) }, Context::single()).expect("it fits")
}

fn two_inputs() -> Model {
    let mut g = Graph::new();
    let (a, b) = (g.input("a", [2]), g.input("b", [3]));
    let both = g.concat(&[a, b]);
    let y = g.linear(both, 1);
    let network = g.output(y).expect("a network").check().expect("it fits");
    let params = Params::initialize(&network, 1);
    Model::new(network, &params, Task::Regression { outputs: names(1) }, Context::single()).expect("it fits")
}

fn data(classes: usize) -> Dataset {
    let of = |row: usize, sample: &mut [f32]| {
        sample.iter_mut().enumerate().for_each(|(at, x)| *x = ((row * (at + 3)) % 7) as f32);
        (row % classes) as u32
    };
    Dataset::classes_from_fn(24, [4], names(classes), of).expect("the rows fit")
}

fn prices() -> Dataset {
    Dataset::numbers_from_fn(24, [4], ["price"], |row, sample, price| {
        sample.fill(row as f32);
        price[0] = 3.0 * row as f32 - 10.0;
    })
    .expect("the rows fit")
}

fn chain(outputs: usize) -> Network {
    Network::chain([4], [linear(5), relu(), linear(outputs)])
}

fn cross_entropy() -> Settings {
    Settings::new(Loss::cross_entropy()).epochs(2).batch(8)
}

fn fit(network: Network, data: Dataset, settings: Settings) -> Result<(), Error> {
    plexus::fit(network, data, settings, |_| {}).map(|_| ())
}

/// A model of a table with the columns area and street, and the price as its answer.
fn houses(folder: &std::path::Path) -> Model {
    let table: String = (0..60).map(|at| format!("{},{},{}\n", 50 + at, ["elm", "oak"][at % 2], 1000 * at)).collect();
    let file = folder.join("houses.csv");
    std::fs::write(&file, format!("area,street,price\n{table}")).expect("it is written");
    let options = DataOptions { target: vec!["price".to_string()], ..DataOptions::default() };
    let opened = plexus::train::data::open(&file.display().to_string(), &options).expect("it opens");
    let schema = opened.schema().cloned();
    let network = Network::chain([schema.as_ref().expect("a table").features()], [linear(1)]);
    let settings = Settings::new(Loss::mean_squared_error()).epochs(1);
    let fitted = plexus::fit(network, opened.train, settings, |_| {}).expect("it learns");
    fitted.model.with_columns(schema)
}

/// Runs something and says how it went wrong; a panic is told as one.
fn outcome(wrong: impl FnOnce() -> Result<(), Error>) -> Result<Error, String> {
    match catch_unwind(AssertUnwindSafe(wrong)) {
        Ok(Err(error)) => Ok(error),
        Ok(Ok(())) => Err("it went well".to_string()),
        Err(_) => Err("it panicked".to_string()),
    }
}

/// A result without its value.
fn unit<T, E: Into<Error>>(result: Result<T, E>) -> Result<(), Error> {
    result.map(|_| ()).map_err(Into::into)
}

#[test]
fn every_wrong_use_is_an_error_that_can_be_matched() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let (classes, numbers, two) = (classes(), numbers(), two_inputs());
    let ws = Workspace::default;
    let mut count = 0;
    let mut check = |case: &str, matched: fn(&Error) -> bool, wrong: &mut dyn FnMut() -> Result<(), Error>| {
        count += 1;
        let error = outcome(wrong).unwrap_or_else(|what| panic!("{case}: {what}"));
        assert!(matched(&error), "{case}: {error:?}");
        println!("{count:2}  {case}: {error}");
    };

    // Predictions.
    let shape: fn(&Error) -> bool = |error| matches!(error, Error::Shape(_));
    check("a row too short", shape, &mut || unit(classes.predict(&[0.0; 3], 1, &mut ws())));
    check("fewer rows than said", shape, &mut || unit(classes.predict(&[0.0; 8], 3, &mut ws())));
    check("nothing for one row", shape, &mut || unit(classes.predict(&[], 1, &mut ws())));
    check("numbers for no row", shape, &mut || unit(classes.predict(&[0.0; 4], 0, &mut ws())));
    check("more rows than there are", shape, &mut || unit(classes.scores(&[0.0; 4], usize::MAX, &mut ws())));
    check("a million million rows of nothing", shape, &mut || {
        let network = Network::chain([0], [linear(1)]).check().expect("it fits");
        let params = Params::zeros(&network);
        let model = Model::new(network, &params, Task::Regression { outputs: names(1) }, Context::single())?;
        assert_eq!(model.predict(&[], 3, &mut ws())?, [0.0; 3]);
        unit(model.predict(&[], 1 << 40, &mut ws()))
    });
    check("one input of two", shape, &mut || unit(two.predict(&[0.0; 2], 1, &mut ws())));
    check("a missing input", shape, &mut || unit(two.predict_all(&[&[0.0; 2]], 1, &mut ws())));
    check("inputs exchanged", shape, &mut || unit(two.predict_all(&[&[0.0; 3], &[0.0; 2]], 1, &mut ws())));
    let input: fn(&Error) -> bool = |error| matches!(error, Error::Input { row: 1, column: 2, .. });
    let (nan, infinite) =
        ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, f32::NAN, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, f32::INFINITY, 0.0]);
    check("NaN in a row", input, &mut || unit(classes.predict(&nan, 2, &mut ws())));
    check("an infinity in a row", input, &mut || unit(classes.classify(&infinite, 2, &mut ws())));
    let named: fn(&Error) -> bool = |error| matches!(error, Error::Input { input: Some(name), .. } if name == "b");
    check("NaN in the second input", named, &mut || {
        unit(two.predict_all(&[&[0.0; 2], &[f32::NAN, 0.0, 0.0]], 1, &mut ws()))
    });
    let ragged: fn(&Error) -> bool = |error| matches!(error, Error::Row { row: 1, expected: 4, got: 3, .. });
    check("ragged rows to predict", ragged, &mut || {
        unit(classes.predict_rows(&[vec![0.0; 4], vec![0.0; 3], vec![0.0; 5]], &mut ws()))
    });
    let no_classes: fn(&Error) -> bool = |error| matches!(error, Error::NoClasses { .. });
    check("classes of a number", no_classes, &mut || unit(numbers.classify(&[0.0; 4], 1, &mut ws())));
    let no_columns: fn(&Error) -> bool = |error| matches!(error, Error::NoColumns);
    check("columns of a model without", no_columns, &mut || unit(classes.predict_named(&["a"], &[&["1"]], &mut ws())));
    let houses = houses(folder.path());
    houses.predict_named(&["street", "area"], &[&["elm", "70"], &["oak", "80"]], &mut ws()).expect("this is right");
    let of_data: fn(&Error) -> bool = |error| matches!(error, Error::Data(_));
    check("a missing column", of_data, &mut || unit(houses.predict_named(&["area"], &[&["70"]], &mut ws())));
    check("a field that is no number", of_data, &mut || {
        unit(houses.predict_named(&["area", "street"], &[&["large", "elm"]], &mut ws()))
    });
    check("fields too few", of_data, &mut || unit(houses.predict_named(&["area", "street"], &[&["70"]], &mut ws())));

    // Models and their files.
    let mismatch: fn(&Error) -> bool = |error| matches!(error, Error::Mismatch { .. });
    let checked = || chain(2).check().expect("it fits");
    let foreign = Params::initialize(&chain(3).check().expect("it fits"), 1);
    check("foreign weights", mismatch, &mut || {
        unit(Model::new(checked(), &foreign, Task::Classification { classes: names(2) }, Context::single()))
    });
    check("three names for two outputs", mismatch, &mut || {
        let params = Params::zeros(&checked());
        unit(Model::new(checked(), &params, Task::Classification { classes: names(3) }, Context::single()))
    });
    let format: fn(&Error) -> bool = |error| matches!(error, Error::Format { .. });
    let bytes = classes.to_bytes().expect("it is written");
    let open = |bytes: &[u8]| unit(Model::from_bytes(bytes, Context::single()));
    check("no bytes", format, &mut || open(&[]));
    check("a cut file", format, &mut || open(&bytes[..bytes.len() - 7]));
    check("a picture", format, &mut || open(b"\x89PNG\r\n\x1a\n0000000000000000000"));
    check("text", format, &mut || unit(Model::read(&b"[[layer]]\nkind = \"linear\"\n"[..], Context::single())));
    let io: fn(&Error) -> bool = |error| matches!(error, Error::Io { .. });
    check("no file", io, &mut || unit(Model::open(path("nothing"), Context::single())));
    check("a folder", io, &mut || unit(Model::open(folder.path(), Context::single())));
    check("saved into a folder that is not there", io, &mut || classes.save(path("a/b/c.safetensors")));
    let reserved: fn(&Error) -> bool =
        |error| matches!(error, Error::Network(error) if matches!(**error, FormatError::ReservedKey { .. }));
    check("metadata of the format", reserved, &mut || {
        let mine = BTreeMap::from([("plexus.network".to_string(), String::new())]);
        unit(Model::from_bytes(&bytes, Context::single())?.with_metadata(mine).to_bytes())
    });

    // Networks.
    check("a convolution over numbers", shape, &mut || unit(Network::chain([4], [conv2d(2, 3)]).check()));
    check("another width", shape, &mut || {
        unit(Network::chain([4], [Linear::new(2).with_in_features(5).into()]).check())
    });
    check("a share above one", shape, &mut || unit(Network::chain([4], [dropout(1.5)]).check()));
    check("one name twice", shape, &mut || {
        let named = |name: &str| NamedLayer { name: name.to_string(), inputs: Vec::new(), layer: linear(4) };
        unit(Network::new([4], vec![named("a"), named("a")]).check())
    });
    check("a name that nobody has", shape, &mut || {
        let layer = NamedLayer { name: "a".into(), inputs: vec!["b".into()], layer: linear(4) };
        unit(Network::new([4], vec![layer]).check())
    });
    check("no input", shape, &mut || {
        unit(Network { inputs: Vec::<Input>::new(), layers: Vec::new(), outputs: Vec::new() }.check())
    });
    check("more numbers than can be counted", shape, &mut || {
        unit(Network::chain([1 << 40], [linear(1 << 40)]).check())
    });
    let graph: fn(&Error) -> bool = |error| matches!(error, Error::Graph(_));
    check("a handle of another graph", graph, &mut || {
        let (mut g, mut other) = (Graph::new(), Graph::new());
        let (x, y) = (g.input("x", [4]), other.input("x", [4]));
        let sum = g.add(&[x, y]);
        unit(g.output(sum))
    });

    // Data.
    let unfit: fn(&Error) -> bool = |error| matches!(error, Error::Unfit(_));
    check("ragged rows", unfit, &mut || unit(Dataset::classes([4], vec![0.0; 9], [0, 1], ["a", "b"])));
    check("a class without a name", unfit, &mut || unit(Dataset::classes([4], vec![0.0; 8], [0, 2], ["a", "b"])));
    check("more rows than memory", unfit, &mut || unit(Dataset::numbers_from_fn(usize::MAX, [4], ["y"], |_, _, _| {})));
    check("numbers without names", unfit, &mut || unit(Dataset::numbers([4], vec![0u8; 8], [1.0, 2.0], [""; 0])));
    check("no targets", unfit, &mut || {
        let input = plexus::InputRows { shape: [1].into(), samples: Samples::F32(vec![1.0]) };
        unit(Dataset::new("none", vec![input], Vec::<Targets>::new()))
    });

    // Training.
    let setting: fn(&Error) -> bool = |error| matches!(error, Error::Setting { .. });
    check("three outputs for two classes", unfit, &mut || fit(chain(3), data(2), cross_entropy()));
    check("rows of another width", unfit, &mut || fit(Network::chain([5], [linear(2)]), data(2), cross_entropy()));
    check("no rows", unfit, &mut || {
        fit(chain(2), Dataset::classes([4], Vec::<f32>::new(), [], names(2))?, cross_entropy())
    });
    check("a learning rate of NaN", setting, &mut || fit(chain(2), data(2), cross_entropy().learning_rate(f64::NAN)));
    check("batch 0", setting, &mut || fit(chain(2), data(2), cross_entropy().batch(0)));
    check("epochs 0", setting, &mut || fit(chain(2), data(2), cross_entropy().epochs(0)));
    check("accumulate 0", setting, &mut || fit(chain(2), data(2), cross_entropy().accumulate(0)));
    check("patience 0", setting, &mut || fit(chain(2), data(2), cross_entropy().patience(0)));
    check("a negative clip", setting, &mut || fit(chain(2), data(2), cross_entropy().clip_norm(-1.0)));
    check("all rows for validation", setting, &mut || fit(chain(2), data(2), cross_entropy().validation(0.99)));
    check("momentum 2", setting, &mut || {
        fit(chain(2), data(2), cross_entropy().optimizer(Sgd { momentum: 2.0, ..Sgd::default() }))
    });
    check("beta NaN", setting, &mut || {
        fit(chain(2), data(2), cross_entropy().optimizer(Adam { beta2: f64::NAN, ..Adam::default() }))
    });
    check("a negative decay", setting, &mut || {
        fit(chain(2), data(2), cross_entropy().optimizer(Adam::decoupled(-1.0)))
    });
    check("a schedule of NaN", setting, &mut || {
        fit(chain(2), data(2), cross_entropy().schedule(Schedule::Step { every: 1, factor: f64::NAN }))
    });
    check("huber 0", setting, &mut || fit(chain(1), prices(), Settings::new(Loss::huber(0.0))));
    check("falling quantiles", setting, &mut || fit(chain(2), prices(), Settings::new(Loss::quantile([0.9, 0.1]))));
    check("smoothing 2", setting, &mut || {
        let loss = Loss::CrossEntropy { label_smoothing: 2.0, class_weights: None };
        fit(chain(2), data(2), Settings::new(loss))
    });
    check("a class weight of NaN", setting, &mut || {
        let loss = Loss::CrossEntropy { label_smoothing: 0.0, class_weights: Some(vec![1.0, f32::NAN]) };
        fit(chain(2), data(2), Settings::new(loss))
    });
    check("a loss weight of NaN", unfit, &mut || {
        fit(chain(2), data(2), Settings::new(Objective { weight: f64::NAN, ..Loss::cross_entropy().into() }))
    });
    check("classes learnt as quantiles", setting, &mut || fit(chain(2), data(2), Settings::new(Loss::quantile([0.5]))));
    check("numbers learnt as classes", setting, &mut || fit(chain(1), prices(), cross_entropy()));
    check("a logarithm of less than nothing", setting, &mut || {
        let settings = Settings::new(Loss::mean_squared_error());
        fit(chain(1), prices(), settings.target_scale(plexus::train::target::ScaleKind::Log))
    });
    check("softmax twice", setting, &mut || {
        fit(Network::chain([4], [linear(2), Softmax::new().into()]), data(2), cross_entropy())
    });
    check("changed pictures without pictures", setting, &mut || {
        fit(chain(2), data(2), cross_entropy().augment("shift=1".parse::<Augment>().ok()))
    });
    check("a network for no memory", setting, &mut || {
        fit(Network::chain([4], [linear(1 << 18), linear(1 << 19), linear(2)]), data(2), cross_entropy())
    });
    let not_finite: fn(&Error) -> bool = |error| matches!(error, Error::NotFinite(_));
    check("NaN in the data", not_finite, &mut || {
        let mut samples = vec![0.5; 96];
        samples[17] = f32::NAN;
        fit(chain(2), Dataset::classes([4], samples, [0, 1].repeat(12), names(2))?, cross_entropy())
    });
    check("a rate that explodes", not_finite, &mut || {
        fit(chain(1), prices(), Settings::new(Loss::mean_squared_error()).learning_rate(1e30))
    });
    let saved = path("run");
    plexus::fit(chain(2), data(2), cross_entropy().checkpoint(&saved), |_| Flow::Stop).expect("it stops");
    let resume: fn(&Error) -> bool = |error| matches!(error, Error::Resume { .. });
    check("the checkpoint of other data", resume, &mut || fit(chain(3), data(3), cross_entropy().checkpoint(&saved)));
    let checkpoint: fn(&Error) -> bool = |error| matches!(error, Error::Checkpoint { .. });
    std::fs::write(path("text"), "not a checkpoint").expect("it is written");
    check("text for a checkpoint", checkpoint, &mut || {
        fit(chain(2), data(2), cross_entropy().checkpoint(path("text")))
    });
    check("a checkpoint in no folder", io, &mut || fit(chain(2), data(2), cross_entropy().checkpoint(path("x/y"))));

    // Measurements.
    check("other classes", mismatch, &mut || unit(classes.evaluate(&data(3))));
    check("rows of another width to measure", mismatch, &mut || {
        unit(classes.evaluate(&Dataset::classes([2], vec![0.0; 4], [0, 1], names(2))?))
    });
    let kind: fn(&Error) -> bool = |error| matches!(error, Error::KindOfAnswer { model: TaskKind::Classification, .. });
    check("numbers to measure classes by", kind, &mut || unit(classes.evaluate(&prices())));
    assert!(count >= 40, "{count}");
    println!("{count} wrong uses, {count} errors, no panic");
}

#[test]
fn each_error_tells_its_own_words_only() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bytes = classes().to_bytes().expect("it is written");
    let file = folder.path().join("checkpoint");
    std::fs::write(&file, "text").expect("it is written");
    let errors = [
        Model::open(folder.path().join("nothing"), Context::single()).err(),
        Model::from_bytes(&bytes[..30], Context::single()).err(),
        Model::from_bytes(&bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>(), Context::single()).err(),
        fit(chain(2), data(2), cross_entropy().checkpoint(&file)).err(),
        fit(Network::chain([4], [flatten(), conv2d(1, 1)]), data(2), cross_entropy()).err(),
        plexus::train::data::open("csv:nowhere.csv", &DataOptions::default()).err().map(Error::from),
    ];
    for error in errors {
        let error = error.expect("it is wrong");
        let mut cause: &dyn std::error::Error = &error;
        while let Some(next) = cause.source() {
            assert!(!cause.to_string().contains(&next.to_string()), "{cause} repeats {next}");
            cause = next;
        }
    }
    // What a program prints whose `main` returns the error: all of them, each once.
    let shown = format!("{:?}", Model::from_bytes(&bytes[..30], Context::single()).expect_err("it is cut"));
    assert!(shown.starts_with("cannot open the model in the given bytes: ") && shown.contains("cut off"), "{shown}");
    // A model can be shown to a log.
    assert!(format!("{:?}", classes()).len() < 400);
}
