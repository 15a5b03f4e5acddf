//! Whole networks: inference, and one epoch of training.

use super::measure::{Times, measure, numbers};
use crate::Failure;
use crate::args::{BenchTask, OptimizerArg};
use plexus::quant::{Options, Scheme};
use plexus::{Context, Model, Task, Workspace};
use plexus_kernels::map::Function;
use plexus_nn::zoo::{self, AlexNet, LeNet5, UNet, Vgg};
use plexus_nn::{CheckedNetwork, Params, Shape};
use plexus_train::data::{Dataset, Samples, Targets};
use plexus_train::loss::Loss;
use plexus_train::optim::Optimizer;
use plexus_train::schedule::Schedule;
use plexus_train::trainer::{Settings, Trainer};
use std::sync::Arc;
use std::time::Instant;

/// Rows of an epoch of training, of small networks.
pub const SAMPLES: usize = 60_000;

/// A network to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Which {
    /// 784-512-256-10.
    Mlp,
    /// LeNet-5 on 28 x 28 pixels, padded.
    Lenet,
    /// AlexNet, one tower, without dropout.
    AlexNet,
    /// VGG-16, without dropout.
    Vgg16,
    /// U-Net of width 32 on 256 x 256 pixels.
    Unet,
    /// U-Net of width 16 on 128 x 128 pixels.
    UnetSmall,
}

impl Which {
    /// The network of a task that is one.
    pub fn of(task: BenchTask) -> Which {
        match task {
            BenchTask::Mlp | BenchTask::TrainMlp => Which::Mlp,
            BenchTask::Lenet | BenchTask::TrainLenet => Which::Lenet,
            BenchTask::Alexnet | BenchTask::TrainAlexnet => Which::AlexNet,
            BenchTask::Vgg16 => Which::Vgg16,
            BenchTask::Unet => Which::Unet,
            BenchTask::TrainUnet => Which::UnetSmall,
            BenchTask::Linear | BenchTask::LinearBackward => unreachable!("one layer is measured elsewhere"),
        }
    }

    /// Whether a task is training.
    pub fn trains(self, task: BenchTask) -> bool {
        matches!(task, BenchTask::TrainMlp | BenchTask::TrainLenet | BenchTask::TrainAlexnet | BenchTask::TrainUnet)
    }

    fn input(self) -> Shape {
        match self {
            Which::Mlp => Shape::new([784]),
            Which::Lenet => Shape::new([1, 28, 28]),
            Which::AlexNet => Shape::new([3, 227, 227]),
            Which::Vgg16 => Shape::new([3, 224, 224]),
            Which::Unet => Shape::new([1, 256, 256]),
            Which::UnetSmall => Shape::new([1, 128, 128]),
        }
    }

    /// Numbers of a row.
    pub fn inputs(self) -> usize {
        self.input().len().expect("these are small")
    }

    /// Its classes.
    pub fn outputs(self) -> usize {
        match self {
            Which::Mlp | Which::Lenet => 10,
            Which::AlexNet | Which::Vgg16 => 1000,
            Which::Unet | Which::UnetSmall => 2,
        }
    }

    /// Classes that a row has: one, or one for each pixel.
    fn positions(self) -> Shape {
        match self {
            Which::UnetSmall => Shape::new([128, 128]),
            _ => Shape::new([]),
        }
    }

    /// Rows of an epoch of training, where nothing else is asked for.
    pub fn samples(self) -> usize {
        if self.inputs() > 784 { 64 } else { SAMPLES }
    }
}

fn network(which: Which) -> Result<Arc<CheckedNetwork>, Failure> {
    let (input, outputs) = (which.input(), which.outputs());
    let network = match which {
        Which::Mlp => Ok(zoo::mlp(input, &[512, 256], outputs, Function::Relu)),
        Which::Lenet => zoo::lenet5(input, outputs, LeNet5::default()),
        Which::AlexNet => zoo::alexnet(input, outputs, AlexNet::default()),
        Which::Vgg16 => zoo::vgg(input, outputs, Vgg::default()),
        Which::Unet => zoo::unet(input, outputs, UNet { width: 32, same: true, ..UNet::default() }),
        Which::UnetSmall => zoo::unet(input, outputs, UNet { width: 16, same: true, ..UNet::default() }),
    };
    Ok(Arc::new(network.expect("it reads such images").check()?))
}

/// Rows that a network of whole numbers takes its ranges from.
const CALIBRATION: usize = 8;

/// Times the logits of a batch, through the model that users open; with a scheme, of the network of whole numbers.
pub fn infer(
    which: Which,
    batch: usize,
    scheme: Option<Scheme>,
    seconds: f64,
    context: &Context,
) -> Result<Times, Failure> {
    let network = network(which)?;
    let params = Params::initialize(&network, 0);
    let task = Task::Classification { classes: (0..which.outputs()).map(|class| class.to_string()).collect() };
    let mut model = Model::new(network, &params, task, context.clone())?;
    if let Some(scheme) = scheme {
        let rows = numbers(CALIBRATION * which.inputs());
        model = model.quantize(&[&rows], CALIBRATION, &Options::new(scheme))?.model;
    }
    let (input, mut workspace) = (numbers(batch * which.inputs()), Workspace::default());
    // The width is asked about once here, so that a wrong one is an error and not a panic below.
    model.scores(&input, batch, &mut workspace)?;
    Ok(measure(seconds, || {
        model.scores(&input, batch, &mut workspace).expect("the same call went well before");
    }))
}

/// Times the second of two epochs over random rows in memory, in order; a last batch that is not full is left out.
pub fn train(
    which: Which,
    batch: usize,
    samples: usize,
    optimizer: OptimizerArg,
    context: &Context,
) -> Result<Times, Failure> {
    let network = network(which)?;
    let rows = samples / batch * batch;
    if rows == 0 {
        return Err(Failure::Input(format!("--samples is {samples}, but must be at least --batch, {batch}")));
    }
    let names = (0..which.outputs()).map(|class| class.to_string()).collect();
    let positions = which.positions();
    let indices = (0..samples * positions.len().unwrap_or(1)).map(|at| (at * 7 % which.outputs()) as u32).collect();
    let classes = Targets::Classes { names, axis: 0, positions, indices };
    let data = Dataset::single("random", which.input(), Samples::F32(numbers(samples * which.inputs())), classes)
        .expect("the rows fit");
    // PyTorch's defaults, and the rates of the other side of the comparison.
    let (name, learning_rate) = match optimizer {
        OptimizerArg::Sgd => ("sgd", 0.01),
        OptimizerArg::Adam => ("adam", 0.001),
    };
    let settings = Settings::new(Loss::CrossEntropy { label_smoothing: 0.0, class_weights: None })
        .optimizer(Optimizer::named(name).expect("a name of the table"))
        .epochs(2)
        .batch(batch)
        .learning_rate(learning_rate)
        .schedule(Schedule::Constant);
    let params = Params::initialize(&network, 0);
    let mut trainer = Trainer::new(network, params, settings, context.clone()).map_err(plexus::Error::from)?;
    let order: Vec<u64> = (0..rows as u64).collect();
    let mut loader = trainer.loader(Arc::new(data), order.clone()).map_err(plexus::Error::from)?;
    let mut epoch = || -> Result<f64, Failure> {
        let start = Instant::now();
        for batch in order.chunks_exact(batch) {
            trainer.step_on(&mut loader, batch, rows as u64).map_err(|error| Failure::Library(error.into()))?;
        }
        let seconds = start.elapsed().as_secs_f64();
        trainer.end_epoch(&loader, &(0..0).into()).map_err(plexus::Error::from)?;
        Ok(seconds)
    };
    epoch()?;
    let us = epoch()? * 1e6;
    Ok(Times { median_us: us, min_us: us, runs: 1 })
}
