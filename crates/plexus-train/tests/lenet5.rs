//! LeNet-5 as in the paper learns: softmax and cross-entropy on negated distances are its discriminative criterion.

use plexus_kernels::Context;
use plexus_kernels::gemm::Precision;
use plexus_nn::layers::Standardise;
use plexus_nn::zoo::{self, LeNet5, Variant};
use plexus_nn::{Params, Shape};
use plexus_train::data::{self, DataOptions};
use plexus_train::loss::Loss;
use plexus_train::optim::Optimizer;
use plexus_train::schedule::Schedule;
use plexus_train::trainer::{Settings, Trainer};
use std::sync::Arc;

#[test]
fn the_original_learns_the_built_in_digits() {
    let digits = data::open("digits", &DataOptions::default()).expect("they are built in").train;
    let options = LeNet5 { variant: Variant::Original, ..LeNet5::default() };
    let mut network = zoo::lenet5(Shape::new([1, 8, 8]), 10, options).expect("it reads images");
    network.insert_front("standardise", Standardise { per_feature: false }.into());
    let network = Arc::new(network.check().expect("the layers fit"));
    let rows: Vec<u32> = (0..digits.len() as u32).collect();
    let mut params = Params::initialise(&network, 1);
    let (mean, scale) = digits.mean_and_scale(&rows, false);
    assert!(params.set("standardise.mean", &mean) && params.set("standardise.scale", &scale));
    let centers = params.by_name("output.center").expect("it has centers").to_vec();
    let settings = Settings {
        epochs: 1,
        batch: 32,
        accumulate: 1,
        learning_rate: 0.002,
        optimizer: Optimizer::named("adam").expect("a row of the table"),
        schedule: Schedule::Constant,
        warmup_steps: 0,
        loss: Loss::named("cross_entropy").expect("a row of the table"),
        precision: Precision::Highest,
        clip_norm: None,
        patience: None,
        smoothing: 1,
        target_scale: Default::default(),
        augment: None,
        seed: 1,
    };
    let mut trainer = Trainer::new(network, params, settings, Context::single()).expect("they belong together");
    let losses: Vec<f64> = (0..30).map(|_| trainer.step(&digits, &rows).expect("the loss is finite").loss).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..3]), mean(&losses[27..]));
    assert!(last < 0.5 * first, "{losses:?}");
    // The codes are constants.
    assert_eq!(trainer.params().by_name("output.center"), Some(&centers[..]));
}
