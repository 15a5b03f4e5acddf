//! A class for each pixel: a run on the built-in cells, from rows to a model file, and pictures of any size.

use plexus::train::data::{DataOptions, open};
use plexus::train::evaluate::Answers;
use plexus::train::loss::{Loss, Objective};
use plexus::train::target::ScaleKind;
use plexus::train::trainer::Settings;
use plexus::{Context, Error, Model, Network, Params, Pool, Run, RunSpec, Task, Workspace};
use std::path::Path;

/// Two classes for each pixel.
const NETWORK: &str = include_str!("../../../testdata/networks/pixels.toml");

const DATA: &str = "cells:32x24?count=60";

fn spec(network: &Path, loss: Loss) -> RunSpec {
    let objectives = vec![Objective::from(loss)];
    RunSpec {
        data: DATA.to_string(),
        data_options: DataOptions::default(),
        network: network.display().to_string(),
        from: None,
        freeze_until: None,
        classes: None,
        quantize: None,
        settings: Settings::new(Loss::MeanSquaredError)
            .epochs(12)
            .batch(8)
            .learning_rate(0.01)
            .augment("flip=0.5,flip_vertical=0.5,shift=2".parse::<plexus::train::data::Augment>().expect("it reads"))
            .objectives(objectives),
        validation: 0.1,
        standardize: true,
        target_scale: ScaleKind::None,
        directory: None,
        reading: RunSpec::READING,
    }
}

/// Trains in a folder; returns where the model is.
fn train(folder: &Path, loss: Loss, context: Context) -> plexus::Finished {
    let network = folder.join("net.toml");
    std::fs::write(&network, NETWORK).expect("it is written");
    let source = open(DATA, &DataOptions::default()).expect("cells are made");
    let mut run = Run::start(spec(&network, loss), source, &folder.join("run"), context).expect("it begins");
    while !run.progress().finished {
        run.step().expect("the losses are finite");
    }
    run.finish().expect("it is saved")
}

#[test]
fn cells_are_told_from_the_ground_pixel_by_pixel() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let finished = train(folder.path(), Loss::DiceCrossEntropy, Context::single());
    let model = Model::open(&finished.model_path, Context::single()).expect("it opens");
    let names = ["background", "cell"].map(str::to_string).to_vec();
    assert_eq!((model.task(), model.positions(0)), (&Task::Classification { classes: names }, &[32, 24][..]));

    let test = open(DATA, &DataOptions::default()).expect("cells are made").test;
    let measured = model.evaluate(&test).expect("the data is of its kind");
    assert_eq!(Some(&measured), finished.test.as_ref());
    let Answers::Classes { confusion, .. } = &measured.first().answers else { panic!("classes: {measured:?}") };
    assert_eq!(confusion.total(), 12 * 32 * 24);
    assert!(confusion.mean_iou() > 0.75 && confusion.accuracy() > confusion.baseline_accuracy(), "{measured:?}");

    // Probabilities of a pixel sum up to 1, and the class is the likelier one.
    let (mut images, mut workspace) = (vec![0.0; 3 * test.row_len()], Workspace::default());
    test.copy_rows(&[0, 5, 7], &mut images);
    let classes = model.segment(&images, 3, &mut workspace).expect("the rows fit");
    let answers = model.predict_all(&[&images], 3, &mut workspace).expect("the rows fit");
    assert_eq!(answers.classes(0), classes);
    for (row, classes) in answers.at(0).chunks(2 * 768).zip(classes.chunks(768)) {
        for (at, class) in classes.iter().enumerate() {
            let (ground, cell) = (row[at], row[768 + at]);
            assert!((ground + cell - 1.0).abs() < 1e-6 && (cell > ground) == (*class == 1), "{ground} {cell} {class}");
        }
    }
    // A row has the same bits alone.
    let alone = model.predict(&images[768..2 * 768], 1, &mut workspace).expect("the row fits").to_vec();
    let together = model.predict(&images, 3, &mut workspace).expect("the rows fit");
    assert_eq!(alone, together[2 * 768..4 * 768]);

    // One class a row is not what it answers.
    let error = model.classify(&images, 3, &mut workspace).expect_err("there are many").to_string();
    assert!(error.contains("a class for each of [32, 24] positions"), "{error}");
    let digits = open("digits", &DataOptions::default()).expect("digits are built in").test;
    assert!(matches!(model.evaluate(&digits), Err(Error::Mismatch { .. })));
}

#[test]
fn any_number_of_threads_gives_the_same_model() {
    let bytes = |threads: usize| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let context = Context::detect(Pool::new(threads));
        train(folder.path(), Loss::Dice, context).model.to_bytes().expect("it is written")
    };
    let one = bytes(1);
    assert!(one == bytes(2) && one == bytes(7));
}

/// The network of the tests with weights at random, for pictures of one size.
fn network(size: [usize; 2]) -> (Network, Params) {
    let text = plexus::NetworkSpec::from_text(NETWORK, "net.toml").expect("it reads");
    let network = text.build([1, size[0], size[1]].into(), &[]).expect("it fits");
    let params = Params::initialize(&network.clone().check().expect("it fits"), 3);
    (network, params)
}

fn model(size: [usize; 2]) -> Model {
    let (network, params) = network(size);
    let classes = ["a", "b"].map(str::to_string).to_vec();
    Model::new(network.check().expect("it fits"), &params, Task::Classification { classes }, Context::single())
        .expect("they belong together")
}

fn picture([height, width]: [usize; 2]) -> Vec<f32> {
    (0..height * width).map(|at| ((at * at / 7 + 31 * at) % 251) as f32 / 125.0 - 1.0).collect()
}

#[test]
fn large_pictures_in_tiles_have_the_classes_of_the_whole() {
    let small = model([16, 16]);
    for size in [[16, 16], [96, 80], [128, 40], [75, 61], [33, 200], [2, 2], [1, 1]] {
        let picture = picture(size);
        let whole = small.segment_picture(&picture, size, usize::MAX).expect("any size will do");
        assert_eq!(whole.len(), size[0] * size[1]);
        // So little memory that tiles are as small as can be.
        let tiles = small.segment_picture(&picture, size, 1).expect("any size will do");
        assert_eq!(tiles, whole, "{size:?}");
        if size.iter().all(|side| side % 2 == 0) {
            assert_eq!(
                model(size).segment(&picture, 1, &mut Workspace::default()).expect("it fits"),
                whole,
                "{size:?}"
            );
        }
        assert!(size[0] < 8 || (whole.contains(&0) && whole.contains(&1)), "{size:?}");
    }
}

/// Scores in the middle of a part of a picture are those of the whole, bit by bit.
#[test]
fn a_tile_has_the_bits_of_the_whole_behind_its_margin() {
    let (whole, part) = ([64, 64], [40, 48]);
    let picture = picture(whole);
    let (top, left) = (8, 16);
    let window: Vec<f32> = (top..top + part[0]).flat_map(|y| &picture[y * 64 + left..][..part[1]]).copied().collect();
    let (mut first, mut second) = (Workspace::default(), Workspace::default());
    let (all, some) = (model(whole), model(part));
    let all = all.scores(&picture, 1, &mut first).expect("it fits");
    let some = some.scores(&window, 1, &mut second).expect("it fits");
    for class in 0..2 {
        for y in 12..part[0] - 12 {
            for x in 12..part[1] - 12 {
                let (whole, tile) =
                    (all[class * 4096 + (top + y) * 64 + left + x], some[(class * part[0] + y) * part[1] + x]);
                assert_eq!(whole.to_bits(), tile.to_bits(), "{class} {y} {x}");
            }
        }
    }
}

#[test]
fn what_has_no_class_for_each_pixel_or_knows_its_size_is_said() {
    use plexus::layers::{Conv2d, Flatten, Linear, Unflatten};
    let classes = || Task::Classification { classes: ["a", "b"].map(str::to_string).to_vec() };
    let made = |network: Network| {
        let network = network.check().expect("it fits");
        let params = Params::initialize(&network, 1);
        Model::new(network, &params, classes(), Context::single()).expect("they belong together")
    };
    let flat = made(Network::chain([1, 4, 4], [Flatten::default().into(), Linear::new(2).into()]));
    let says = |result: Result<Vec<u32>, Error>| result.expect_err("is refused").to_string();
    assert!(says(flat.segment_picture(&[0.0; 16], [4, 4], 1 << 20)).contains("[classes, height, width]"));
    let unflatten = Unflatten::new([2, 4, 4]);
    let fixed = made(Network::chain([1, 4, 4], [Flatten::default().into(), Linear::new(32).into(), unflatten.into()]));
    assert_eq!(fixed.segment_picture(&[0.5; 16], [4, 4], 1 << 20).expect("its own size").len(), 16);
    assert!(says(fixed.segment_picture(&[0.5; 20], [5, 4], 1 << 20)).contains("knows its size"));
    let free = made(Network::chain([1, 4, 4], [Conv2d::new(2, 1).into()]));
    assert!(matches!(free.segment_picture(&[0.5; 20], [5, 5], 1 << 20), Err(Error::Row { expected: 25, got: 20, .. })));
    assert!(matches!(free.segment_picture(&[f32::NAN; 25], [5, 5], 1 << 20), Err(Error::Input { .. })));
    assert!(says(free.segment_picture(&[], [0, 5], 1 << 20)).contains("0x5 pixels"));
    // Names that belong to no axis.
    let network = Network::chain([1, 4, 4], [Conv2d::new(3, 1).into()]).check().expect("it fits");
    let params = Params::initialize(&network, 1);
    let error = Model::new(network, &params, classes(), Context::single()).expect_err("is refused").to_string();
    assert!(error.contains("[3, 4, 4] outputs") && error.contains("2 names"), "{error}");
}
