//! A model as a person meets it: rows alone and together, saved and opened, and files that are damaged.

use plexus::layers::{Activation, BatchNorm, Dropout, Flatten, Layer, LayerNorm, Linear, Standardise};
use plexus::{Context, Error, Model, Pool, Task, Workspace};
use plexus::{Network, Params, PlanOptions, Shape};
use plexus_kernels::map::Function;
use plexus_kernels::random::{Random, Stream};
use std::collections::BTreeMap;
use std::sync::Arc;

const ROW: usize = 4 * 9;

/// Every layer kind that a saved model may hold, wide enough for several tiles.
fn model(task: Task, context: Context) -> Model {
    let outputs = task.names().len();
    let layers: [Layer; 11] = [
        Standardise::new().with_per_feature(true).into(),
        Linear::new(17).into(),
        Activation::new(Function::Tanh).into(),
        Flatten::default().into(),
        Linear::new(130).into(),
        BatchNorm::default().into(),
        Activation::new(Function::LeakyRelu { slope: 0.2 }).into(),
        Dropout::new(0.5).into(),
        Linear::new(70).with_bias(false).into(),
        LayerNorm::default().into(),
        Linear::new(outputs).into(),
    ];
    let network = Network::chain(Shape::new([4, 9]), layers).check().expect("the layers fit");
    let mut params = Params::initialise(&network, 5);
    // Running statistics and constants that are not their first values.
    let state_len = params.state.len();
    Random::new(6, Stream::Init, [0, 0]).uniform(0.5, 1.5, &mut params.state[..state_len]);
    let metadata = BTreeMap::from([("note".to_string(), "says \"hello\"\nand \u{e4}".to_string())]);
    Model::new(Arc::new(network), &params, task, context)
        .map(|model| model.with_metadata(metadata))
        .expect("a name for each output")
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("name {index}")).collect()
}

fn tasks() -> [Task; 3] {
    [
        Task::Classification { classes: names(10) },
        Task::MultiLabel { classes: names(5) },
        Task::Regression { outputs: names(3) },
    ]
}

fn rows(count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count * ROW];
    Random::new(9, Stream::Split, [0, 0]).normal(0.0, 1.0, &mut values);
    values
}

fn predict(model: &Model, input: &[f32]) -> Vec<u32> {
    let mut workspace = Workspace::default();
    let output = model.predict(input, input.len() / ROW, &mut workspace).expect("the input fits");
    output.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_row_has_the_same_bits_alone_and_in_any_batch() {
    let count = 67;
    let input = rows(count);
    for task in tasks() {
        let outputs = task.names().len();
        let single = model(task.clone(), Context::single());
        let alone: Vec<u32> = input.chunks(ROW).flat_map(|row| predict(&single, row)).collect();
        assert_eq!(alone.len(), count * outputs);
        for threads in [1, 2, 3] {
            let model = model(task.clone(), Context::detect(Pool::new(threads)));
            for batch in [1, 2, 3, 5, 8, 16, 33, count] {
                let together: Vec<u32> = input.chunks(batch * ROW).flat_map(|rows| predict(&model, rows)).collect();
                assert_eq!(together, alone, "batch {batch}, {threads} threads");
            }
        }
    }
}

#[test]
fn a_workspace_may_be_used_for_any_batch_and_model_in_turn() {
    let input = rows(9);
    let models = tasks().map(|task| model(task, Context::single()));
    let mut workspace = Workspace::default();
    for batch in [9, 1, 4, 0, 9] {
        for model in &models {
            let input = &input[..batch * ROW];
            let got = model.predict(input, batch, &mut workspace).expect("the input fits");
            let got: Vec<u32> = got.iter().map(|value| value.to_bits()).collect();
            assert_eq!(got, if batch == 0 { Vec::new() } else { predict(model, input) });
        }
    }
}

#[test]
fn a_saved_and_opened_model_is_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let input = rows(5);
    for task in tasks() {
        let saved = model(task, Context::single());
        saved.save(&path).expect("the file is written");
        let opened = Model::open(&path, Context::single()).expect("the file reads");
        assert_eq!(opened.network().network(), saved.network().network());
        assert_eq!(opened.params(), saved.params());
        assert_eq!(opened.task(), saved.task());
        for (key, value) in saved.metadata() {
            assert_eq!(opened.metadata().get(key), Some(value), "{key}");
        }
        assert_eq!(predict(&opened, &input), predict(&saved, &input));
        let bytes = std::fs::read(&path).expect("the file");
        assert_eq!(bytes, saved.to_bytes().expect("bytes"));
        assert_eq!(bytes, opened.to_bytes().expect("bytes"), "writing what was read gives the same file");
    }
}

#[test]
fn layers_are_folded_unless_it_is_said_otherwise_and_the_file_stays_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let input = rows(5);
    for task in tasks() {
        let saved = model(task, Context::single());
        saved.save(&path).expect("the file is written");
        let bytes = std::fs::read(&path).expect("the file");
        let opened = Model::open(&path, Context::single()).expect("the file reads");
        let plain = Model::open_with(&path, PlanOptions::default(), Context::single()).expect("the file reads");
        // Batch normalisation behind the second linear layer; what stands in front of the first has a mean for each step.
        for (index, _) in saved.network().network().layers.iter().enumerate() {
            let target = (index == 5).then_some(4);
            assert_eq!((saved.folded_into(index), opened.folded_into(index)), (target, target), "{index}");
            assert_eq!(plain.folded_into(index), None);
        }
        assert!(bytes == opened.to_bytes().expect("bytes") && bytes == plain.to_bytes().expect("bytes"));
        assert!(opened.params() == saved.params() && plain.params() == saved.params());
        let values = |model: &Model| {
            let mut workspace = Workspace::default();
            model.scores(&input, 5, &mut workspace).expect("the input fits").to_vec()
        };
        let (folded, plain) = (values(&opened), values(&plain));
        let largest = plain.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
        for (folded, plain) in folded.iter().zip(&plain) {
            assert!((folded - plain).abs() <= 2e-6 * largest, "{folded} {plain}");
        }
    }
}

/// A small model, so that its file can be cut everywhere.
fn small_file() -> Vec<u8> {
    let layers: [Layer; 3] = [Linear::new(3).into(), Activation::new(Function::Relu).into(), Linear::new(2).into()];
    let network = Network::chain(Shape::new([4]), layers).check().expect("the layers fit");
    let params = Params::initialise(&network, 1);
    let task = Task::Classification { classes: names(2) };
    let model = Model::new(Arc::new(network), &params, task, Context::single());
    model.expect("two names").to_bytes().expect("bytes")
}

#[test]
fn a_file_cut_anywhere_is_refused_and_the_message_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.safetensors");
    let bytes = small_file();
    for len in 0..bytes.len() {
        std::fs::write(&path, &bytes[..len]).expect("the file is written");
        let error = Model::open(&path, Context::single()).expect_err("a cut file");
        assert!(matches!(error, Error::Format { .. }), "cut to {len}: {error:?}");
        assert!(error.to_string().contains("cut.safetensors"), "{error}");
    }
    println!("{} of {} cuts refused", bytes.len(), bytes.len());
}

#[test]
fn a_file_with_any_bit_flipped_gives_a_model_or_an_error_and_never_a_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flipped.safetensors");
    let mut bytes = small_file();
    let (mut refused, mut opened) = (0, 0);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            std::fs::write(&path, &bytes).expect("the file is written");
            match Model::open(&path, Context::single()) {
                Ok(model) => {
                    opened += 1;
                    let width = model.network().input_len();
                    let mut workspace = Workspace::default();
                    model.predict(&vec![0.5; width], 1, &mut workspace).expect("the input fits");
                }
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains("flipped.safetensors"), "{error}");
                }
            }
            bytes[at] ^= 1 << bit;
        }
    }
    // The numbers themselves carry no checksum: a flipped bit there is another model.
    println!("{refused} refused, {opened} opened");
    assert!(refused > opened);
}

#[test]
fn what_is_no_model_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = Model::open(folder.path().join("missing"), Context::single()).expect_err("no such file");
    assert!(matches!(missing, Error::Io { .. }) && missing.to_string().contains("missing"), "{missing}");
    let itself = Model::open(folder.path(), Context::single()).expect_err("a folder");
    assert!(matches!(itself, Error::Io { .. }), "{itself}");
    let path = folder.path().join("other");
    for bytes in [&b""[..], b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", &[0; 64], &[255; 64], b"{}"] {
        std::fs::write(&path, bytes).expect("the file is written");
        let error = Model::open(&path, Context::single()).expect_err("no model");
        assert!(matches!(error, Error::Format { .. }), "{error:?}");
    }
}

#[test]
fn rows_of_another_width_are_refused_with_both_numbers() {
    let model = model(Task::Regression { outputs: names(3) }, Context::single());
    let mut workspace = Workspace::default();
    let error = model.predict(&[0.0; 2 * 35], 2, &mut workspace).expect_err("35 numbers a row");
    let text = error.to_string();
    assert!(text.contains("36") && text.contains("35"), "{text}");
    let error = model.predict(&[0.0; 37], 0, &mut workspace).expect_err("numbers for no row");
    assert!(matches!(error, Error::Shape(_)));
}
