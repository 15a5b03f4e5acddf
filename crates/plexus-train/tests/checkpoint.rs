//! Runs that are cut, damaged, resumed and repeated.

use plexus_kernels::Context;
use plexus_kernels::map::Function;
use plexus_kernels::random::{Random, Stream};
use plexus_kernels::threads::Pool;
use plexus_nn::layers::{Activation, BatchNorm, Dropout, Linear};
use plexus_nn::{CheckedNetwork, Network, Params, Shape};
use plexus_train::data::{Dataset, Loader, Rows, Samples, Targets};
use plexus_train::loss::Loss;
use plexus_train::schedule::Schedule;
use plexus_train::trainer::{EpochRecord, NotFinite, Settings, StepError, Trainer};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

const FEATURES: usize = 6;
const CLASSES: usize = 3;

/// Rows with something to learn: the class is the largest of three sums of features.
fn data(rows: usize, features: usize, classes: usize) -> Dataset {
    let mut samples = vec![0.0; rows * features];
    Random::new(11, Stream::Split, [0, 0]).normal(0.0, 1.0, &mut samples);
    let class_of = |row: &[f32]| -> u32 {
        let sum = |class: usize| row.iter().skip(class).step_by(classes).sum::<f32>();
        (0..classes).max_by(|a, b| sum(*a).total_cmp(&sum(*b))).expect("some class") as u32
    };
    let indices = samples.chunks(features).map(class_of).collect();
    let names = (0..classes).map(|class| format!("class {class}")).collect();
    Dataset::single("made", [features], Samples::F32(samples), Targets::classes(names, indices)).expect("the rows fit")
}

fn settings() -> Settings {
    Settings::new(Loss::named("cross_entropy").expect("a row of the table"))
        .epochs(3)
        .batch(8)
        .accumulate(2)
        .learning_rate(0.01)
        .warmup_steps(2)
        .clip_norm(Some(1.0))
        .seed(7)
}

/// Dropout and batch normalisation: both have something beside the weights that a resumed run must find again.
fn network() -> Arc<CheckedNetwork> {
    let layers = [
        Linear::new(8).into(),
        BatchNorm::default().into(),
        Activation::new(Function::Relu).into(),
        Dropout::new(0.3).into(),
        Linear::new(CLASSES).into(),
    ];
    Arc::new(Network::chain(Shape::new([FEATURES]), layers).check().expect("the layers fit"))
}

fn trainer(settings: Settings, context: Context) -> Trainer {
    let network = network();
    let params = Params::initialise(&network, settings.seed);
    Trainer::new(network, params, settings, context).expect("they fit")
}

/// All rows but the last ten, which are measured on.
fn loader(trainer: &Trainer, data: &Dataset) -> Loader {
    trainer.loader(Arc::new(data.clone()), 0..data.len() as u64 - 10).expect("the rows fit")
}

/// Does the next thing: a step, or the end of an epoch that is through.
fn advance(trainer: &mut Trainer, loader: &mut Loader) -> Result<Option<EpochRecord>, StepError> {
    let rows = loader.rows().len();
    if trainer.progress().position == rows {
        return Ok(Some(trainer.end_epoch(loader, &Rows::from(rows..rows + 10))?));
    }
    trainer.step(loader).map(|_| None)
}

fn not_finite(error: StepError) -> NotFinite {
    match error {
        StepError::NotFinite(error) => *error,
        error => panic!("{error}"),
    }
}

fn finish(trainer: &mut Trainer, data: &Dataset) {
    let mut loader = loader(trainer, data);
    while !trainer.progress().finished {
        advance(trainer, &mut loader).expect("finite losses");
    }
}

fn extra() -> BTreeMap<String, String> {
    BTreeMap::from([("data".to_string(), "made".to_string())])
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// A checkpoint in the middle of the second epoch, with best weights.
fn small_checkpoint() -> Vec<u8> {
    let data = data(60, FEATURES, CLASSES);
    let mut trainer = trainer(settings(), Context::single());
    let mut loader = loader(&trainer, &data);
    for _ in 0..7 {
        advance(&mut trainer, &mut loader).expect("finite losses");
    }
    assert_eq!(trainer.progress().epoch, 1);
    trainer.to_checkpoint(&extra())
}

#[test]
fn every_cut_of_a_checkpoint_is_refused() {
    let bytes = small_checkpoint();
    assert!(Trainer::from_checkpoint(&bytes, Context::single()).is_ok());
    for len in 0..bytes.len() {
        assert!(Trainer::from_checkpoint(&bytes[..len], Context::single()).is_err(), "cut to {len} bytes");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Trainer::from_checkpoint(&longer, Context::single()).is_err());
    println!("{} of {} cuts refused", bytes.len(), bytes.len());
}

#[test]
fn every_flipped_bit_of_a_checkpoint_is_found() {
    let mut bytes = small_checkpoint();
    let count = 10_000;
    let mut places = vec![0.0f32; 2 * count];
    Random::new(3, Stream::Split, [1, 0]).uniform(0.0, 1.0, &mut places);
    let mut found = 0;
    for place in places.chunks(2) {
        let at = ((f64::from(place[0]) * bytes.len() as f64) as usize).min(bytes.len() - 1);
        let bit = 1u8 << ((place[1] * 8.0) as u32).min(7);
        bytes[at] ^= bit;
        found += usize::from(Trainer::from_checkpoint(&bytes, Context::single()).is_err());
        bytes[at] ^= bit;
    }
    println!("{found} of {count} flipped bits found");
    assert_eq!(found, count);
}

#[test]
fn a_run_resumed_at_any_moment_ends_with_the_same_bits() {
    let data = data(60, FEATURES, CLASSES);
    let mut whole = trainer(settings(), Context::single());
    let (mut rows, mut checkpoints) = (loader(&whole, &data), vec![whole.to_checkpoint(&extra())]);
    while !whole.progress().finished {
        advance(&mut whole, &mut rows).expect("finite losses");
        checkpoints.push(whole.to_checkpoint(&extra()));
    }
    // Three epochs of four steps, and the moments between the last step of an epoch and its end.
    assert_eq!(checkpoints.len(), 3 * (4 + 1) + 1);
    assert_eq!(whole.steps_done(), 12);
    let end = checkpoints.last().expect("the last one").clone();
    for (moment, checkpoint) in checkpoints.iter().enumerate() {
        let (mut resumed, found) = Trainer::from_checkpoint(checkpoint, Context::single()).expect("a whole checkpoint");
        assert_eq!(found, extra());
        assert!(resumed.to_checkpoint(&extra()) == *checkpoint, "moment {moment}: reading and writing changes it");
        finish(&mut resumed, &data);
        assert_eq!(bits(&resumed.params().weights), bits(&whole.params().weights), "moment {moment}");
        assert_eq!(bits(&resumed.params().state), bits(&whole.params().state), "moment {moment}");
        // Optimiser, best weights, history: everything.
        assert!(resumed.to_checkpoint(&extra()) == end, "moment {moment}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let data = data(512, 256, 10);
    let layers = [
        Linear::new(256).into(),
        BatchNorm::default().into(),
        Activation::new(Function::Gelu).into(),
        Dropout::new(0.2).into(),
        Linear::new(256).into(),
        Activation::new(Function::Relu).into(),
        Linear::new(10).into(),
    ];
    let network = Arc::new(Network::chain(Shape::new([256]), layers).check().expect("the layers fit"));
    let run = |threads: usize| {
        let settings = settings().epochs(2).batch(128).accumulate(1);
        let params = Params::initialise(&network, settings.seed);
        let mut trainer =
            Trainer::new(network.clone(), params, settings, Context::detect(Pool::new(threads))).expect("they fit");
        finish(&mut trainer, &data);
        assert_eq!(trainer.steps_done(), 8);
        trainer.to_checkpoint(&extra())
    };
    let one = run(1);
    for threads in [1, 2, 3, 4, 8] {
        assert!(run(threads) == one, "{threads} threads give other bits than one");
    }
}

#[test]
fn another_seed_gives_other_weights() {
    let data = data(60, FEATURES, CLASSES);
    let run = |seed: u64| {
        let mut trainer = trainer(settings().seed(seed), Context::single());
        finish(&mut trainer, &data);
        bits(&trainer.params().weights)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn early_stopping_keeps_the_weights_of_the_best_epoch() {
    let (name, inputs, mut targets) = data(60, FEATURES, CLASSES).into_parts();
    // Answers that nobody can know: training goes on getting better, the validation part does not.
    let Targets::Classes { indices, .. } = &mut targets[0] else { unreachable!("the data has classes") };
    let mut answers = vec![0.0f32; indices.len()];
    Random::new(5, Stream::Split, [2, 0]).uniform(0.0, CLASSES as f32, &mut answers);
    for (index, answer) in indices.iter_mut().zip(answers) {
        *index = (answer as u32).min(CLASSES as u32 - 1);
    }
    let data = Dataset::new(name, inputs, targets).expect("the rows fit");
    let patience = 3;
    let settings = settings().epochs(200).patience(Some(patience)).schedule(Schedule::Constant);
    let mut trainer = trainer(settings, Context::single());
    let (mut loader, mut snapshots) = (loader(&trainer, &data), Vec::new());
    while !trainer.progress().finished {
        if advance(&mut trainer, &mut loader).expect("finite losses").is_some() {
            snapshots.push(trainer.params().clone());
        }
    }
    let progress = trainer.progress();
    assert!(progress.epoch < 200, "the run stopped early");
    assert_eq!(progress.epoch, progress.best_epoch + patience);
    assert_eq!(trainer.best_params(), &snapshots[progress.best_epoch as usize - 1]);
    assert_ne!(trainer.best_params(), trainer.params());
    let best = &progress.history[progress.best_epoch as usize - 1];
    assert!(progress.history.iter().all(|record| record.validation_metric <= best.validation_metric));
}

#[test]
fn a_nan_in_the_data_stops_with_layer_step_and_batch_and_leaves_the_weights() {
    let (name, mut inputs, targets) = data(60, FEATURES, CLASSES).into_parts();
    let settings = settings();
    // The order of the first epoch is a function of the seed: the NaN goes into its third step.
    let mut order: Vec<u64> = (0..50).collect();
    Random::new(settings.seed, Stream::Shuffle, [0, 0]).shuffle(&mut order);
    let row = order[2 * 16 + 11] as usize;
    let Samples::F32(samples) = &mut inputs[0].samples else { unreachable!("the data has numbers") };
    samples[row * FEATURES + 1] = f32::NAN;
    let data = Dataset::new(name, inputs, targets).expect("the rows fit");
    let mut trainer = trainer(settings, Context::single());
    let mut loader = loader(&trainer, &data);
    for _ in 0..2 {
        trainer.step(&mut loader).expect("the first two steps do not see it");
    }
    let before = bits(&trainer.params().weights);
    let error = not_finite(trainer.step(&mut loader).expect_err("the third step sees it"));
    assert!(error.value.is_nan() && error.what == "the loss");
    assert_eq!((error.step, error.epoch), (3, 1));
    // Of the two micro-batches of a step the one that has it.
    assert_eq!((error.first_row, error.last_row), (40, 47));
    assert_eq!(error.layer, "the input \"input\"");
    assert_eq!(bits(&trainer.params().weights), before);
    let text = error.to_string();
    for part in ["NaN", "step 3", "epoch 1", "rows 40 to 47", "the input"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn an_infinite_gradient_of_a_finite_loss_is_not_applied() {
    // The output is about 1e19 and its square still finite; times the input, the gradient is not.
    let data = Dataset::numbers([FEATURES], vec![1e20; 60 * FEATURES], [0.0; 60], ["y"]).expect("the rows fit");
    let network = Network::chain(Shape::new([FEATURES]), [Linear::new(1).into()]).check().expect("the layer fits");
    let network = Arc::new(network);
    let mut params = Params::initialise(&network, 1);
    params.weights.fill(0.1 / FEATURES as f32);
    let settings = settings().objectives(vec![Loss::MeanSquaredError]);
    let mut trainer = Trainer::new(network, params, settings, Context::single()).expect("they fit");
    let before = bits(&trainer.params().weights);
    let mut loader = loader(&trainer, &data);
    let error = not_finite(trainer.step(&mut loader).expect_err("the gradient is infinite"));
    assert_eq!((error.what, error.value.is_finite()), ("the gradient", false));
    assert_eq!((error.layer.as_str(), error.step), ("layers.0.weight", 1));
    assert_eq!(bits(&trainer.params().weights), before);
}

/// A writer that takes a few bytes at a time, and fails after so many.
struct Narrow {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() >= self.most {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(7);
        self.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_checkpoint_is_the_same_in_pieces_and_laid_out_as_described() {
    let data = data(60, FEATURES, CLASSES);
    let mut trainer = trainer(settings(), Context::single());
    let mut loader = loader(&trainer, &data);
    for _ in 0..7 {
        advance(&mut trainer, &mut loader).expect("finite losses");
    }
    let whole = trainer.to_checkpoint(&extra());
    let mut narrow = Narrow { bytes: Vec::new(), most: usize::MAX };
    trainer.write_checkpoint(&extra(), &mut narrow).expect("everything is taken");
    assert!(narrow.bytes == whole);
    let mut full = Narrow { bytes: Vec::new(), most: 1000 };
    let error = trainer.write_checkpoint(&extra(), &mut full).expect_err("the disk is full");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);

    // "PLEXUSCK"  version u32  header_len u64  header  numbers  crc32c u32
    let (body, checksum) = whole.split_at(whole.len() - 4);
    assert_eq!((&body[..8], &body[8..12]), (&b"PLEXUSCK"[..], &[2, 0, 0, 0][..]));
    assert_eq!(crc32c::crc32c(body).to_le_bytes(), checksum);
    let header_len = u64::from_le_bytes(body[12..20].try_into().expect("eight bytes")) as usize;
    let numbers: Vec<f32> =
        body[20 + header_len..].as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    let (params, best) = (trainer.params(), trainer.best_params());
    let (weights, state) = (params.weights.len(), params.state.len());
    // Adam keeps two numbers for each weight.
    assert_eq!(numbers.len(), 4 * weights + 2 * state);
    assert_eq!(bits(&numbers[..weights]), bits(&params.weights));
    assert_eq!(bits(&numbers[weights..weights + state]), bits(&params.state));
    assert_eq!(bits(&numbers[numbers.len() - state..]), bits(&best.state));
    assert_eq!(bits(&numbers[3 * weights + state..4 * weights + state]), bits(&best.weights));
    let (read, _) = Trainer::read_checkpoint(&mut io::Cursor::new(&whole), Context::single()).expect("it is whole");
    assert!(read.to_checkpoint(&extra()) == whole);
}
