//! The memory that opening, predicting and saving take, measured from outside: a program of its own for each.

use plexus::layers::{BatchNorm, Layer, Linear, Standardize};
use plexus::{Context, Model, Pool, Task, Workspace};
use plexus::{Network, Params, Shape};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Features of every layer, and layers of 20 MB each. The first are a multiple of every kernel's width, so that weights are
/// re-ordered where they are; the second of none, so that they are copied.
const IN_PLACE: (usize, usize) = (2240, 3);
const COPIED: (usize, usize) = (2250, 8);
/// The environment variable with the file to be opened, in the program that is measured.
const FILE: &str = "PLEXUS_TEST_MODEL";

/// The most memory that this program ever held, in bytes; `None` where the system does not say.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()? * 1024)
}

/// With norms everywhere, which are folded, or without.
fn model((width, count): (usize, usize), norms: bool) -> Model {
    let mut layers: Vec<Layer> = Vec::new();
    for layer in 0..count {
        if norms && layer == 0 {
            layers.push(Standardize::new().with_per_feature(true).into());
        }
        layers.push(Linear::new(width).into());
        if norms {
            layers.push(BatchNorm::default().into());
        }
    }
    let network = Network::chain(Shape::new([width]), layers).check().expect("the layers fit");
    let params = Params::initialize(&network, 1);
    let task = Task::Regression { outputs: (0..width).map(|output| output.to_string()).collect() };
    Model::new(Arc::new(network), &params, task, Context::single()).expect("it fits")
}

/// What the measured program does.
fn open_predict_save(file: &Path) {
    let model = Model::open(file, Context::detect(Pool::new(2))).expect("the model opens");
    for (index, named) in model.network().network().layers.iter().enumerate() {
        let is_linear = matches!(named.layer, Layer::Linear(_));
        assert_ne!(model.folded_into(index).is_some(), is_linear, "every norm is folded");
    }
    let mut workspace = Workspace::default();
    let output = model.predict(&vec![0.5; model.network().input_len()], 1, &mut workspace).expect("the input fits");
    assert!(output.iter().all(|value| value.is_finite()));
    model.save(file.with_extension("again")).expect("the model is saved");
}

#[test]
fn a_model_is_opened_and_saved_with_one_copy_of_its_weights() {
    if let Some(file) = std::env::var_os(FILE) {
        open_predict_save(Path::new(&file));
        println!("peak {}", peak().map_or("unknown".to_string(), |bytes| bytes.to_string()));
        return;
    }
    peak_of(IN_PLACE, false);
    peak_of(IN_PLACE, true);
    peak_of(COPIED, false);
}

/// Measures a model in a program of its own.
fn peak_of((width, count): (usize, usize), norms: bool) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("model.safetensors");
    model((width, count), norms).save(&file).expect("the model is saved");
    let mut again = Command::new(std::env::current_exe().expect("this program has a place"));
    again.args(["--exact", "--nocapture", "a_model_is_opened_and_saved_with_one_copy_of_its_weights"]).env(FILE, &file);
    let done = again.output().expect("this program starts again");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let saved = std::fs::read(file.with_extension("again")).expect("it was saved");
    assert!(std::fs::read(&file).expect("it is there") == saved, "what was opened is saved with the same bits");
    let peak = said.lines().find_map(|line| line.split("peak ").nth(1)).expect("it says its peak");
    let Ok(peak) = peak.trim().parse::<usize>() else {
        println!("skipped: this system does not say how much memory a program held");
        return;
    };
    let weights = 4 * count * (width * width + width);
    // What is folded takes a sixteenth more.
    let folded = if norms { weights / 16 } else { 0 };
    let most = weights + weights * 15 / 100 + folded + 60_000_000;
    assert!(peak <= most, "a model of {weights} bytes took {peak}, more than {most}; norms: {norms}");
}
