//! Whole networks: inference and one epoch of training of 784-512-256-10 and of LeNet-5.

use super::measure::{Times, measure, numbers};
use crate::Failure;
use crate::args::OptimizerArg;
use plexus::{Context, Model, Task, Workspace};
use plexus_kernels::map::Function;
use plexus_nn::zoo::{self, LeNet5};
use plexus_nn::{CheckedNetwork, Params, Shape};
use plexus_train::data::{Dataset, Samples, Targets};
use plexus_train::loss::Loss;
use plexus_train::optim::Optimizer;
use plexus_train::schedule::Schedule;
use plexus_train::trainer::{Settings, Trainer};
use std::sync::Arc;
use std::time::Instant;

/// Width of an input row of the network.
pub const INPUTS: usize = 784;
/// Its classes.
pub const OUTPUTS: usize = 10;

/// A network to measure; both read 784 numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Which {
    /// 784-512-256-10.
    Mlp,
    /// LeNet-5 on 28 x 28 pixels, padded.
    Lenet,
}

impl Which {
    fn input(self) -> Shape {
        match self {
            Which::Mlp => Shape::new([INPUTS]),
            Which::Lenet => Shape::new([1, 28, 28]),
        }
    }
}

fn network(which: Which) -> Result<Arc<CheckedNetwork>, Failure> {
    let network = match which {
        Which::Mlp => zoo::mlp(which.input(), &[512, 256], OUTPUTS, Function::Relu),
        Which::Lenet => zoo::lenet5(which.input(), OUTPUTS, LeNet5::default()).expect("it reads images"),
    };
    Ok(Arc::new(network.check()?))
}

/// Times the logits of a batch, through the model that users open.
pub fn infer(which: Which, batch: usize, seconds: f64, context: &Context) -> Result<Times, Failure> {
    let network = network(which)?;
    let params = Params::initialize(&network, 0);
    let task = Task::Regression { outputs: (0..OUTPUTS).map(|index| index.to_string()).collect() };
    let model = Model::new(network, &params, task, context.clone())?;
    let (input, mut workspace) = (numbers(batch * INPUTS), Workspace::default());
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
    let names = (0..OUTPUTS).map(|class| class.to_string()).collect();
    let classes = Targets::classes(names, (0..samples).map(|row| (row * 7 % OUTPUTS) as u32).collect());
    let data = Dataset::single("random", which.input(), Samples::F32(numbers(samples * INPUTS)), classes)
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
