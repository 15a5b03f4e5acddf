//! Opens models from bytes, predicts, trains a few steps, and gives the bits of all results as text.
//!
//! `cargo xtask targets` builds it for every target and compares the texts.

use plexus::nn::Params;
use plexus::train::data::{Dataset, Samples, Targets};
use plexus::train::loss::Loss;
use plexus::train::trainer::{Settings, Trainer};
use plexus::{Context, Isa, Model, Pool, Task, Workspace};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// The networks and their names: layers with arithmetic of their own for rows of numbers and for pictures, and a larger
/// one that is timed.
const NETWORKS: &[(&str, &str)] = &[
    (
        "rows",
        r#"
        input = [37]
        layer = [
            { kind = "linear", out_features = 70, activation = "gelu" },
            { kind = "layer_norm" },
            { kind = "dense", out_features = 33, normaliser = "batch_norm", activation = "tanh" },
            { kind = "linear", out_features = 20, activation = "sigmoid" },
            { kind = "linear", out_features = 5 },
        ]"#,
    ),
    (
        "pictures",
        r#"
        input = [3, 13, 11]
        layer = [
            { kind = "conv2d", out_channels = 10, kernel_size = 3, padding = "same", activation = "relu" },
            { kind = "max_pool2d", kernel_size = 2 },
            { kind = "conv2d", out_channels = 20, kernel_size = 3, groups = 2, activation = "elu" },
            { kind = "avg_pool2d", kernel_size = 2 },
            { kind = "flatten" },
            { kind = "linear", out_features = 4 },
            { kind = "softmax" },
        ]"#,
    ),
    (
        "wide",
        r#"
        input = [784]
        layer = [
            { kind = "linear", out_features = 512, activation = "relu" },
            { kind = "linear", out_features = 10 },
        ]"#,
    ),
];

/// What is trained.
const TRAINED: &str = r#"
    input = [20]
    layer = [
        { kind = "linear", out_features = 30, activation = "tanh" },
        { kind = "dropout", probability = 0.1 },
        { kind = "linear", out_features = 3 },
    ]"#;

/// The models, as the bytes of files, with their names; of the same numbers everywhere.
pub fn models() -> Vec<(String, Vec<u8>)> {
    let model = |(index, (name, text)): (usize, &(&str, &str))| {
        let model = model(text, index as u64 + 1, Context::single());
        (name.to_string(), model.to_bytes().expect("a small network fits into a file"))
    };
    NETWORKS.iter().enumerate().map(model).collect()
}

/// A model with the first values of a seed.
fn model(text: &str, seed: u64, context: Context) -> Model {
    let network = Arc::new(network(text));
    let params = Params::initialise(&network, seed);
    let outputs = (0..network.output_len()).map(|output| output.to_string()).collect();
    Model::new(network, &params, Task::Regression { outputs }, None, BTreeMap::new(), context).expect("the names fit")
}

fn network(text: &str) -> plexus::nn::CheckedNetwork {
    let text = plexus_formats::parse_network(text, "network").expect("the text is a network");
    text.into_checked(None).expect("the layers fit")
}

/// The model of a file.
fn open(file: &[u8], context: Context) -> Model {
    let (network, params, metadata) = plexus_formats::read_model(file).expect("the bytes are a model");
    let outputs = (0..network.output_len()).map(|output| output.to_string()).collect();
    let task = Task::Regression { outputs };
    let metadata = metadata.into_iter().filter(|(key, _)| !key.starts_with("plexus.")).collect();
    Model::new(Arc::new(network), &params, task, None, metadata, context).expect("the names fit")
}

/// Numbers in -1..1, each exact: the same everywhere.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as f32 / 32_768.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// The bits of numbers.
fn bits(values: &[f32]) -> String {
    values.iter().fold(String::new(), |mut text, value| {
        let _ = write!(text, " {:08x}", value.to_bits());
        text
    })
}

/// All results on every instruction set of this processor, a line each: `<instruction set>: <what>: <bits>`.
pub fn results(models: &[(String, Vec<u8>)]) -> String {
    let mut text = String::new();
    for isa in Isa::available() {
        for threads in [1, 3] {
            let context = Context::new(isa, Pool::new(threads));
            for (name, file) in models {
                let model = open(file, context.clone());
                let (width, rows) = (model.network().input_len(), 9);
                let input = numbers(rows * width, 7);
                let mut workspace = Workspace::default();
                // A whole batch, and the first row alone.
                let all = model.predict(&input, rows, &mut workspace).expect("the rows fit").to_vec();
                let one = model.predict(&input[..width], 1, &mut workspace).expect("the row fits");
                assert_eq!(one, &all[..one.len()], "a row has the same bits alone and in a batch");
                for (row, answers) in all.chunks(all.len() / rows).enumerate() {
                    let _ = writeln!(text, "{}: {name}, row {row}, {threads} threads:{}", isa.name(), bits(answers));
                }
            }
            let (losses, weights) = trained(context);
            let _ = writeln!(text, "{}: training, losses, {threads} threads:{losses}", isa.name());
            let _ = writeln!(text, "{}: training, weights, {threads} threads:{}", isa.name(), bits(&weights));
        }
    }
    text
}

/// Trains three steps: the bits of the losses, and some of the weights.
fn trained(context: Context) -> (String, Vec<f32>) {
    let network = Arc::new(network(TRAINED));
    let params = Params::initialise(&network, 5);
    let settings = Settings {
        epochs: 1,
        batch: 32,
        ..Settings::new(Loss::CrossEntropy { label_smoothing: 0.1, class_weights: None })
    };
    let (rows, width) = (96, network.input_len());
    let values = numbers(rows * width, 11);
    let class = |row: &[f32]| u32::from(row[0] > 0.0) + u32::from(row[1] > 0.0);
    let classes = values.chunks(width).map(class).collect();
    let targets = Targets::classes((0..3).map(|class| class.to_string()).collect(), classes);
    let data = Dataset::new("numbers", [width].into(), Samples::F32(values), targets);
    let mut trainer = Trainer::new(network, params, settings, context).expect("they fit");
    let mut loader = trainer.loader(Arc::new(data), 0..rows as u64).expect("the rows fit");
    let mut losses = String::new();
    for _ in 0..3 {
        let report = trainer.step(&mut loader).expect("the loss is a number");
        let _ = write!(losses, " {:016x}", report.loss.to_bits());
    }
    (losses, trainer.params().weights.iter().copied().step_by(17).collect())
}

/// Predicts `calls` times `rows` rows of the last model; the sum of the answers, so that nothing is left out.
pub fn time(models: &[(String, Vec<u8>)], isa: Isa, rows: usize, calls: usize) -> f32 {
    let (_, file) = models.last().expect("there is a model");
    let model = open(file, Context::new(isa, Pool::single()));
    let input = numbers(rows * model.network().input_len(), 3);
    let mut workspace = Workspace::default();
    let mut sum = 0.0;
    for _ in 0..calls {
        sum += model.predict(&input, rows, &mut workspace).expect("the rows fit").iter().sum::<f32>();
    }
    sum
}

/// What a page or a program in JavaScript calls. Bytes go in and out one by one, so that no pointers are needed.
#[cfg(target_arch = "wasm32")]
mod exports {
    use plexus::Isa;
    use std::sync::Mutex;

    static MODELS: Mutex<Vec<(String, Vec<u8>)>> = Mutex::new(Vec::new());
    static RESULTS: Mutex<String> = Mutex::new(String::new());

    /// Starts the next model.
    #[unsafe(no_mangle)]
    extern "C" fn start_model() {
        MODELS.lock().unwrap().push((String::new(), Vec::new()));
    }

    /// One letter of the name of the last model.
    #[unsafe(no_mangle)]
    extern "C" fn push_name(letter: u32) {
        MODELS.lock().unwrap().last_mut().unwrap().0.push(char::from_u32(letter).unwrap());
    }

    /// One byte of the last model.
    #[unsafe(no_mangle)]
    extern "C" fn push_byte(byte: u32) {
        MODELS.lock().unwrap().last_mut().unwrap().1.push(byte as u8);
    }

    /// Computes the results: how many bytes of text they are.
    #[unsafe(no_mangle)]
    extern "C" fn results() -> usize {
        *RESULTS.lock().unwrap() = super::results(&MODELS.lock().unwrap());
        RESULTS.lock().unwrap().len()
    }

    /// One byte of the text.
    #[unsafe(no_mangle)]
    extern "C" fn result_byte(at: usize) -> u32 {
        u32::from(RESULTS.lock().unwrap().as_bytes()[at])
    }

    /// How many instruction sets there are.
    #[unsafe(no_mangle)]
    extern "C" fn instruction_sets() -> usize {
        Isa::available().count()
    }

    /// See [`super::time`]; the instruction set by its place among those that there are.
    #[unsafe(no_mangle)]
    extern "C" fn time(isa: usize, rows: usize, calls: usize) -> f32 {
        let isa = Isa::available().nth(isa).unwrap();
        super::time(&MODELS.lock().unwrap(), isa, rows, calls)
    }
}
