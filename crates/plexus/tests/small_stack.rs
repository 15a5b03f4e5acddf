//! A model trains, is saved, opened and predicts on a thread with 512 KiB of stack, whatever the optimisation.
//!
//! Here the kernels are optimised; `cargo xtask dependent` builds this file into a crate outside the workspace, where
//! nothing is.

use plexus::layers::{Activation, BatchNorm, Dropout, Layer, LayerNorm, Linear, Standardise};
use plexus::train::data::{Dataset, Samples, Targets};
use plexus::train::loss::Loss;
use plexus::train::schedule::Schedule;
use plexus::train::trainer::{Settings, Trainer};
use plexus::{Context, Isa, Model, Pool, Precision, Task, Workspace};
use plexus::{Network, Params, Shape};
use plexus_kernels::map::FUNCTIONS;
use std::process::Command;
use std::sync::Arc;

/// What a thread may need at most.
const STACK: usize = 512 * 1024;

const FEATURES: usize = 40;
const CLASSES: usize = 3;
const ROWS: usize = 130;

/// The environment variable that chooses the instruction set, once for a program.
const CHOICE: &str = "PLEXUS_ISA";

#[test]
fn training_and_predicting_fit_on_a_small_stack() {
    if std::env::var(CHOICE).is_ok_and(|isa| !isa.is_empty()) {
        let test = std::thread::Builder::new().stack_size(STACK).spawn(|| {
            for threads in [1, 2] {
                train_and_predict(threads);
            }
        });
        return test.expect("a thread starts").join().expect("the model learns");
    }
    // Once for each: a stack that is too small ends the program.
    for isa in Isa::available() {
        let mut again = Command::new(std::env::current_exe().expect("this program has a place"));
        again.args(["--exact", "training_and_predicting_fit_on_a_small_stack"]).env(CHOICE, isa.name());
        let done = again.output().expect("this program starts again");
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{}: {}\n{said}", isa.name(), done.status);
    }
}

/// Rows whose class is told by the sign of sums of features.
fn data() -> Dataset {
    let values: Vec<f32> = (0..ROWS * FEATURES).map(|at| (at * at % 97) as f32 / 48.0 - 1.0).collect();
    let class = |row: &[f32]| usize::from(row[0] > 0.0) + usize::from(row[1] > 0.0);
    let indices = values.chunks(FEATURES).map(|row| class(row) as u32).collect();
    Dataset::single("sums", [FEATURES], Samples::F32(values), Targets::classes(names(), indices)).expect("the rows fit")
}

fn names() -> Vec<String> {
    (0..CLASSES).map(|class| format!("class {class}")).collect()
}

/// Every layer with arithmetic of its own, every function.
fn network() -> Network {
    let mut layers: Vec<Layer> = vec![
        Standardise::new().with_per_feature(true).into(),
        Linear::new(70).into(),
        BatchNorm::default().into(),
        Dropout::new(0.1).into(),
        Linear::new(33).with_bias(false).into(),
        LayerNorm::default().into(),
    ];
    for row in FUNCTIONS {
        layers.extend([Linear::new(20).into(), Activation::new(row.default).into()]);
    }
    layers.push(Linear::new(CLASSES).into());
    Network::chain(Shape::new([FEATURES]), layers)
}

fn train_and_predict(threads: usize) {
    let network = Arc::new(network().check().expect("the layers fit"));
    let params = Params::initialise(&network, 1);
    let settings = Settings::new(Loss::CrossEntropy { label_smoothing: 0.1, class_weights: None })
        .epochs(1)
        .learning_rate(0.002)
        .schedule(Schedule::Constant)
        .clip_norm(Some(1.0))
        .seed(1);
    let (data, context) = (data(), Context::detect(Pool::new(threads)));
    let mut trainer = Trainer::new(network.clone(), params.clone(), settings, context.clone()).expect("they fit");
    let mut loader = trainer.loader(Arc::new(data.clone()), 0..ROWS as u64).expect("the rows fit");
    for _ in 0..2 {
        let report = trainer.step(&mut loader).expect("the loss is a number");
        assert!(report.loss > 0.0, "a loss of {}", report.loss);
    }
    assert!(trainer.params().weights[..] != params.weights[..], "a step changes the weights");

    let task = Task::Classification { classes: names() };
    let model = Model::new(network, trainer.params(), task, context.clone());
    let folder = std::env::temp_dir().join(format!("plexus-small-stack-{}-{threads}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for temporary files");
    let file = folder.join("model.safetensors");
    model.expect("three names for three outputs").save(&file).expect("the file is written");
    for precision in Precision::ALL {
        let model = Model::open(&file, context.clone().with_precision(precision)).expect("the file reads");
        let Samples::F32(input) = data.samples() else { unreachable!("the rows are numbers") };
        for rows in [1, 3, 8, ROWS] {
            let mut workspace = Workspace::default();
            let input = &input[..rows * FEATURES];
            let output = model.predict(input, rows, &mut workspace).expect("the rows fit");
            for row in output.chunks(CLASSES) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "probabilities {row:?}");
            }
        }
    }
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}
