//! LeNet-5 learns as in the paper.

use plexus_kernels::Context;
use plexus_nn::layers::Standardize;
use plexus_nn::zoo::{LeNet5, Variant, lenet5};
use plexus_nn::{Params, Shape};
use plexus_train::data::{self, DataOptions};
use plexus_train::loss::Loss;
use plexus_train::schedule::Schedule;
use plexus_train::trainer::{Settings, Trainer};
use std::sync::Arc;

/// Softmax and cross-entropy on negated distances are the paper's discriminative criterion.
#[test]
fn the_original_learns_the_built_in_digits() {
    let digits = data::open("digits", &DataOptions::default()).expect("they are built in").train;
    let options = LeNet5 { variant: Variant::Original, ..LeNet5::default() };
    let mut network = lenet5(Shape::new([1, 8, 8]), 10, options).expect("it reads images");
    network.insert_front("standardize", Standardize::new().into());
    let network = Arc::new(network.check().expect("the layers fit"));
    let rows: Vec<u64> = (0..digits.len() as u64).collect();
    let mut params = Params::initialize(&network, 1);
    let (mean, scale) = digits.mean_and_scale(0, &rows, false);
    assert!(params.set("standardize.mean", &mean) && params.set("standardize.scale", &scale));
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
