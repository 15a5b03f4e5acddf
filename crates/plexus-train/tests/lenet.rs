//! LeNet-5 learns as in PyTorch, and as in the paper.

use plexus_kernels::Context;
use plexus_nn::layers::Standardise;
use plexus_nn::zoo::{LeNet5, Variant, lenet5};
use plexus_nn::{Params, Shape};
use plexus_train::data::{self, DataOptions, Dataset, Samples, Targets};
use plexus_train::loss::Loss;
use plexus_train::optim::Optimizer;
use plexus_train::schedule::Schedule;
use plexus_train::trainer::{Settings, Trainer};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rows: usize,
    run: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    optimizer: String,
    learning_rate: f64,
    losses: Vec<f64>,
}

/// The formula of the file, in 0..=1000.
fn hashed(i: usize, t: usize) -> f64 {
    ((i * 7919 + t * 104_729 + i * t * 31) % 1001) as f64
}

#[test]
fn the_first_ten_losses_are_those_of_pytorch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/lenet/losses.toml");
    let file: File = toml::from_str(&std::fs::read_to_string(path).expect("the file is there")).expect("it reads");
    for Run { optimizer, learning_rate, losses } in file.run {
        let rows = file.rows * losses.len();
        let network = lenet5(Shape::new([1, 28, 28]), 10, LeNet5::default()).expect("it reads images");
        let network = Arc::new(network.check().expect("the layers fit"));
        let mut params = Params::zeros(&network);
        let layout = network.layout().clone();
        for (tensor, entry) in layout.entries().iter().enumerate() {
            // The bound of a bias is that of the weight before it.
            let weight = &layout.entries()[tensor - tensor % 2].shape;
            let bound = 1.0 / (weight[1..].iter().product::<usize>() as f64).sqrt();
            let values = params.values_mut(entry).iter_mut().enumerate();
            values.for_each(|(i, value)| *value = (bound * (hashed(i, tensor) - 500.0) / 500.0) as f32);
        }
        let pixels = (0..rows).flat_map(|n| (0..784).map(move |p| (hashed(p, n) / 1000.0) as f32));
        let names = (0..10).map(|class| class.to_string()).collect();
        let classes = Targets::classes(names, (0..rows).map(|n| (n * 7 % 10) as u32).collect());
        let data = Dataset::single("hashed", Shape::new([1, 28, 28]), Samples::F32(pixels.collect()), classes)
            .expect("the rows fit");
        let settings = Settings::new(Loss::CrossEntropy { label_smoothing: 0.0, class_weights: None })
            .optimizer(Optimizer::named(&optimizer).expect("a known one"))
            .epochs(1)
            .batch(file.rows)
            .learning_rate(learning_rate)
            .schedule(Schedule::Constant);
        let mut trainer = Trainer::new(network, params, settings, Context::single()).expect("they belong together");
        let order: Vec<u64> = (0..rows as u64).collect();
        let mut loader = trainer.loader(Arc::new(data), order.clone()).expect("the rows fit");
        for (step, (batch, want)) in order.chunks(file.rows).zip(&losses).enumerate() {
            let got = trainer.step_on(&mut loader, batch, rows as u64).expect("the loss is finite").loss;
            let off = (got / want - 1.0).abs();
            println!("{optimizer} step {step}: {got:.9} {want:.9} off by {off:.1e}");
            assert!(off < 1e-4, "{optimizer}, step {step}: got {got}, expected {want}");
        }
    }
}

/// Softmax and cross-entropy on negated distances are the paper's discriminative criterion.
#[test]
fn the_original_learns_the_built_in_digits() {
    let digits = data::open("digits", &DataOptions::default()).expect("they are built in").train;
    let options = LeNet5 { variant: Variant::Original, ..LeNet5::default() };
    let mut network = lenet5(Shape::new([1, 8, 8]), 10, options).expect("it reads images");
    network.insert_front("standardise", Standardise::new().into());
    let network = Arc::new(network.check().expect("the layers fit"));
    let rows: Vec<u64> = (0..digits.len() as u64).collect();
    let mut params = Params::initialise(&network, 1);
    let (mean, scale) = digits.mean_and_scale(0, &rows, false);
    assert!(params.set("standardise.mean", &mean) && params.set("standardise.scale", &scale));
    let centers = params.by_name("output.center").expect("it has centers").to_vec();
    let settings = Settings::new(Loss::named("cross_entropy").expect("a row of the table"))
        .epochs(1)
        .batch(32)
        .learning_rate(0.002)
        .schedule(Schedule::Constant)
        .seed(1);
    let mut trainer = Trainer::new(network, params, settings, Context::single()).expect("they belong together");
    let mut loader = trainer.loader(digits, rows).expect("the rows fit");
    let losses: Vec<f64> = (0..30).map(|_| trainer.step(&mut loader).expect("the loss is finite").loss).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..3]), mean(&losses[27..]));
    assert!(last < 0.5 * first, "{losses:?}");
    // The codes are constants.
    assert_eq!(trainer.params().by_name("output.center"), Some(&centers[..]));
}
