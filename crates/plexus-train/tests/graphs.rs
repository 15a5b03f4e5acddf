//! Networks with skips learn with the same bits on any number of threads, and resumed in the middle of an epoch.

use plexus_kernels::Context;
use plexus_kernels::map::Function;
use plexus_kernels::threads::Pool;
use plexus_nn::layers::{
    Activation, Add, BatchNorm, Concat, Conv2d, Dropout, Flatten, GlobalAvgPool, Layer, Linear, MaxPool2d,
};
use plexus_nn::{CheckedNetwork, NamedLayer, Network, Params, Shape};
use plexus_train::data::{Augment, Dataset, Samples, Targets};
use plexus_train::loss::Loss;
use plexus_train::optim::Optimizer;
use plexus_train::schedule::Schedule;
use plexus_train::trainer::{Settings, Trainer};
use std::collections::BTreeMap;
use std::sync::Arc;

fn layer(name: &str, inputs: &[&str], layer: impl Into<Layer>) -> NamedLayer {
    let inputs = inputs.iter().map(|name| name.to_string()).collect();
    NamedLayer { name: name.to_string(), inputs, layer: layer.into() }
}

fn relu() -> Activation {
    Activation::new(Function::Relu)
}

/// A diamond of linear layers, and maps with a skip around a convolution, a concat of three and a fused pooling.
fn networks() -> Vec<(&'static str, Arc<CheckedNetwork>)> {
    let diamond = vec![
        layer("flat", &[], Flatten::default()),
        layer("stem", &[], Linear::new(48)),
        layer("bent", &[], relu()),
        layer("left", &["bent"], Linear::new(48)),
        layer("dropped", &[], Dropout { probability: 0.2 }),
        layer("sum", &["dropped", "bent"], Add {}),
        layer("last", &[], Linear::new(3)),
    ];
    let maps = vec![
        layer("first", &[], Conv2d::new(6, 3).padded(1)),
        layer("norm", &[], BatchNorm::default()),
        layer("bent", &[], relu()),
        layer("second", &[], Conv2d::new(6, 3).padded(1)),
        layer("sum", &["second", "bent"], Add {}),
        layer("joined", &["sum", "first", "input"], Concat::default()),
        layer("third", &[], Conv2d::new(8, 3)),
        layer("bent3", &[], relu()),
        layer("pool", &[], MaxPool2d::new(2)),
        layer("mean", &["joined"], GlobalAvgPool {}),
        layer("flat", &["pool"], Flatten::default()),
        layer("all", &["flat", "mean"], Concat::default()),
        layer("last", &[], Linear::new(3)),
    ];
    let checked = |layers| Arc::new(Network::new(Shape::new([1, 10, 9]), layers).check().expect("the layers fit"));
    vec![("diamond", checked(diamond)), ("maps", checked(maps))]
}

fn data() -> Dataset {
    let rows = 75;
    Dataset {
        name: "waves".into(),
        input: Shape::new([1, 10, 9]),
        samples: Samples::U8((0..rows * 90).map(|at| ((at * at / 7) % 256) as u8).collect()),
        targets: Targets::Classes {
            names: ["a", "b", "c"].map(str::to_string).to_vec(),
            indices: (0..rows).map(|row| (row % 3) as u32).collect(),
        },
    }
}

fn trainer(network: &Arc<CheckedNetwork>, threads: usize) -> Trainer {
    let settings = Settings {
        epochs: 2,
        batch: 16,
        accumulate: 1,
        learning_rate: 1e-3,
        optimizer: Optimizer::named("adam").expect("a known one"),
        schedule: Schedule::Constant,
        warmup_steps: 0,
        loss: Loss::CrossEntropy { label_smoothing: 0.0, class_weights: None },
        precision: Default::default(),
        clip_norm: None,
        patience: None,
        smoothing: 1,
        target_scale: Default::default(),
        augment: Some(Augment::USUAL.parse().expect("it reads")),
        seed: 4,
    };
    let params = Params::initialise(network, 4);
    Trainer::new(network.clone(), params, settings, Context::detect(Pool::new(threads))).expect("they belong together")
}

fn finish(mut trainer: Trainer, data: &Dataset) -> Vec<u32> {
    let rows: Vec<u32> = (0..data.len() as u32).collect();
    while !trainer.progress().finished {
        if trainer.step(data, &rows).expect("the loss is finite").epoch_ends {
            trainer.end_epoch(data, &rows[..20]).expect("the rows fit");
        }
    }
    let params = trainer.params();
    params.weights.iter().chain(params.state.iter()).map(|value| value.to_bits()).collect()
}

#[test]
fn any_number_of_threads_and_a_stop_in_mid_epoch_give_the_same_bits() {
    let data = data();
    let rows: Vec<u32> = (0..data.len() as u32).collect();
    for (name, network) in networks() {
        let whole = finish(trainer(&network, 1), &data);
        assert!(whole.iter().all(|bits| f32::from_bits(*bits).is_finite()), "{name}");
        for threads in [2, 7] {
            assert!(finish(trainer(&network, threads), &data) == whole, "{name} on {threads} threads");
        }
        for stop in [1, 3, 7] {
            let mut first = trainer(&network, 2);
            for _ in 0..stop {
                if first.step(&data, &rows).expect("the loss is finite").epoch_ends {
                    first.end_epoch(&data, &rows[..20]).expect("the rows fit");
                }
            }
            let bytes = first.to_checkpoint(&BTreeMap::new());
            let (second, _) = Trainer::from_checkpoint(&bytes, Context::single()).expect("it reads back");
            assert!(finish(second, &data) == whole, "{name} stopped after {stop} steps");
        }
    }
}
