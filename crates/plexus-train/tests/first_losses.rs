//! The first ten losses of networks for images are those of PyTorch: `testdata/first_losses`.

#[path = "../../../testdata/make/made.rs"]
mod made;

use plexus_kernels::Context;
use plexus_kernels::gemm::Precision;
use plexus_nn::zoo::{self, LeNet5, UNet};
use plexus_nn::{Network, Params, Shape};
use plexus_train::data::{Dataset, Samples, Targets};
use plexus_train::loss::Loss;
use plexus_train::optim::{Adam, Decay, Optimizer, Sgd};
use plexus_train::schedule::Schedule;
use plexus_train::trainer::{Settings, Trainer};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    run: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    name: String,
    input: [usize; 3],
    classes: usize,
    rows: usize,
    optimizer: String,
    learning_rate: f64,
    momentum: Option<f64>,
    weight_decay: f64,
    losses: Vec<f64>,
    network: Option<String>,
}

impl Run {
    fn network(&self) -> Network {
        let unet = |options| zoo::unet(self.input, self.classes, options).expect("it reads images");
        match (&self.network, &*self.name) {
            (Some(text), name) => {
                let network = plexus_formats::parse_network(text, name).expect("the network reads");
                network.into_checked(None).expect("the layers fit").network().clone()
            }
            (None, "lenet5") => zoo::lenet5(self.input, self.classes, LeNet5::default()).expect("it reads images"),
            (None, "same") => unet(UNet { width: 32, depth: 2, same: true, batch_norm: false }),
            (None, "valid") => unet(UNet { width: 8, depth: 2, same: false, batch_norm: false }),
            (None, "same with batch norm") => unet(UNet { width: 8, depth: 1, same: true, batch_norm: true }),
            (None, name) => panic!("{name} is no network here"),
        }
    }

    fn optimizer(&self) -> Optimizer {
        let decay = Decay { weight_decay: self.weight_decay, decoupled: false };
        match (&*self.optimizer, self.momentum) {
            ("sgd", Some(momentum)) => Sgd { momentum, nesterov: false, decay }.into(),
            ("adam", None) => Adam { decay, ..Adam::default() }.into(),
            (name, _) => panic!("{name} is no optimizer here"),
        }
    }

    /// The images of all steps, and the class of each, or of each of its pixels.
    fn data(&self, output: &Shape) -> Dataset {
        let rows = self.rows * self.losses.len();
        let images: Vec<Vec<f32>> = (0..rows as u32).map(|row| made::image(row, &self.input)).collect();
        let names = (0..self.classes).map(|class| class.to_string()).collect();
        let targets = match output.axes() {
            [_] => Targets::classes(names, (0..rows).map(|row| (row % self.classes) as u32).collect()),
            &[_, height, width] => {
                let [_, input_height, input_width] = self.input;
                let (top, left) = ((input_height - height) / 2, (input_width - width) / 2);
                let pixel = |image: &[f32], at: usize| image[(top + at / width) * input_width + left + at % width];
                let class = |gray: f32| u32::from(gray > -0.4) + u32::from(gray > 0.4);
                let classes = |image| (0..height * width).map(move |at| class(pixel(image, at)));
                Targets::Classes {
                    names,
                    axis: 0,
                    positions: Shape::new([height, width]),
                    indices: images.iter().flat_map(|image| classes(image)).collect(),
                }
            }
            axes => panic!("{axes:?} is no output here"),
        };
        let samples = Samples::F32(images.concat());
        Dataset::single("made", Shape::new(self.input), samples, targets).expect("the rows fit")
    }

    /// Trains with the starting values of the file; the losses of the steps.
    fn follow(&self, precision: Precision) -> Vec<f64> {
        let network = Arc::new(self.network().check().expect("the layers fit"));
        let mut params = Params::zeros(&network);
        for entry in network.layout().entries() {
            let values = match entry.role {
                "running_mean" => vec![0.0; entry.shape.iter().product()],
                "running_variance" => vec![1.0; entry.shape.iter().product()],
                _ => made::tensor(&entry.name, &entry.shape),
            };
            params.values_mut(entry).copy_from_slice(&values);
        }
        let data = Arc::new(self.data(network.output()));
        let settings = Settings::new(Loss::cross_entropy())
            .optimizer(self.optimizer())
            .epochs(1)
            .batch(self.rows)
            .learning_rate(self.learning_rate)
            .schedule(Schedule::Constant)
            .precision(precision);
        let mut trainer = Trainer::new(network, params, settings, Context::single()).expect("they belong together");
        let order: Vec<u64> = (0..data.len() as u64).collect();
        let mut loader = trainer.loader(data, order.clone()).expect("the rows fit");
        let step =
            |batch: &[u64]| trainer.step_on(&mut loader, batch, order.len() as u64).expect("the loss is finite").loss;
        order.chunks(self.rows).map(step).collect()
    }
}

/// Holds the losses to 1e-4 of PyTorch's, with either precision; whether each run gave the same ones with both.
fn check(file: &str) -> Vec<bool> {
    let path = format!("{}/../../testdata/first_losses/{file}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the file is there");
    let runs = toml::from_str::<File>(&text).expect("it reads").run;
    let of_run = |run: &Run| {
        let both = [Precision::Highest, Precision::Standard].map(|precision| {
            let losses = run.follow(precision);
            assert_eq!((losses.len(), run.losses.len()), (10, 10));
            let name = format!("{file}, {}, {}, {}", run.name, run.optimizer, precision.name());
            let off = |(got, want): (&f64, &f64)| (got / want - 1.0).abs();
            let most = losses.iter().zip(&run.losses).map(off).fold(0.0, f64::max);
            println!("{name}: at most {most:.1e} off");
            assert!(most < 1e-4, "{name}: got {losses:?}, expected {:?}", run.losses);
            losses
        });
        both[0] == both[1]
    };
    runs.iter().map(of_run).collect()
}

#[test]
fn lenet_5_learns_as_in_pytorch() {
    assert_eq!(check("lenet"), [true, true]);
}

/// Groups, LRN, overlapping maxima, decay; some convolutions with fewer products, so the bits differ.
#[test]
fn a_small_alexnet_learns_as_in_pytorch() {
    assert_eq!(check("alexnet"), [false]);
}

/// Padded, wide enough for fewer products; with cuts; with batch norm.
#[test]
fn small_u_nets_learn_as_in_pytorch() {
    assert_eq!(check("unet"), [false, true, true]);
}
