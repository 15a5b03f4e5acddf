//! Opens models from bytes, predicts, trains a few steps, and gives the bits of all results as text.
//!
//! `cargo xtask targets` builds it for every target and compares the texts.

use plexus::layers::*;
use plexus::{Context, Dataset, Event, Isa, Loss, Model, Network, Params, Pool, Settings, Task, Workspace};
use std::fmt::Write;

/// The networks and their names: layers with arithmetic of their own for rows of numbers and for pictures, and a larger
/// one that is timed.
fn networks() -> [(&'static str, Network); 3] {
    let rows = [linear(70), gelu(), layer_norm(), linear(33), batch_norm(), tanh(), linear(20), sigmoid(), linear(5)];
    let pictures = [
        Conv2d::new(10, 3).with_padding(1).into(),
        relu(),
        max_pool2d(2),
        Conv2d::new(20, 3).with_groups(2).into(),
        elu(1.0),
        avg_pool2d(2),
        flatten(),
        linear(4),
        softmax(),
    ];
    let wide = [linear(512), relu(), linear(10)];
    [
        ("rows", Network::chain([37], rows)),
        ("pictures", Network::chain([3, 13, 11], pictures)),
        ("wide", Network::chain([784], wide)),
    ]
}

/// The models, as the bytes of files, with their names; of the same numbers everywhere.
pub fn models() -> Vec<(String, Vec<u8>)> {
    let file = |(index, (name, network)): (usize, (&str, Network))| {
        let network = network.check().expect("the layers fit");
        let params = Params::initialise(&network, index as u64 + 1);
        let outputs = (0..network.output_len()).map(|output| output.to_string()).collect();
        let model = Model::new(network, &params, Task::Regression { outputs }, Context::single());
        let file = model.expect("the names fit").to_bytes().expect("a small network fits into a file");
        (name.to_string(), file)
    };
    networks().into_iter().enumerate().map(file).collect()
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
                let model = Model::from_bytes(file, context.clone()).expect("the bytes are a model");
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
            let (losses, answers) = trained(context);
            let _ = writeln!(text, "{}: training, losses, {threads} threads:{losses}", isa.name());
            let _ = writeln!(text, "{}: training, answers, {threads} threads:{}", isa.name(), bits(&answers));
        }
    }
    text
}

/// Trains two epochs: the bits of the losses, and the answers of the model for some rows.
fn trained(context: Context) -> (String, Vec<f32>) {
    let (rows, width) = (96, 20);
    let values = numbers(rows * width, 11);
    let class = |row: &[f32]| u32::from(row[0] > 0.0) + u32::from(row[1] > 0.0);
    let classes: Vec<u32> = values.chunks(width).map(class).collect();
    let data = Dataset::classes([width], values.clone(), classes, ["none", "one", "both"]).expect("the rows fit");
    let network = Network::chain([width], [linear(30), tanh(), dropout(0.1), linear(3)]);
    let mut settings = Settings::new(Loss::cross_entropy()).epochs(2).batch(32);
    settings.context = context;
    let mut losses = String::new();
    let fitted = plexus::fit(network, data, settings, |event| {
        if let Event::Step { report, .. } = event {
            let _ = write!(losses, " {:016x}", report.loss.to_bits());
        }
    });
    let model = fitted.expect("the network learns").model;
    let answers = model.predict(&values[..9 * width], 9, &mut Workspace::default()).expect("the rows fit").to_vec();
    (losses, answers)
}

/// Predicts `calls` times `rows` rows of the last model; the sum of the answers, so that nothing is left out.
pub fn time(models: &[(String, Vec<u8>)], isa: Isa, rows: usize, calls: usize) -> f32 {
    let (_, file) = models.last().expect("there is a model");
    let model = Model::from_bytes(file, Context::new(isa, Pool::single())).expect("the bytes are a model");
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
