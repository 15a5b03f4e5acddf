//! Networks with skips, several inputs and several outputs learn with the same bits on any number of threads, and resumed in the middle of an epoch.

use plexus_kernels::Context;
use plexus_kernels::map::Function;
use plexus_kernels::softmax::IGNORED;
use plexus_kernels::threads::Pool;
use plexus_nn::layers::{
    Activation, Add, BatchNorm, Concat, Conv2d, Dropout, Flatten, GlobalAvgPool, Layer, Linear, MaxPool2d,
};
use plexus_nn::{CheckedNetwork, Input, NamedLayer, Network, Params, Shape};
use plexus_train::data::{Augment, Batch, Dataset, GatherError, InputRows, Samples, Source, TargetKind, Targets};
use plexus_train::evaluate::{Answers, Evaluation};
use plexus_train::loss::{Loss, Objective};
use plexus_train::optim::{Optimizer, Sgd};
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
        layer("dropped", &[], Dropout::new(0.2)),
        layer("sum", &["dropped", "bent"], Add::new()),
        layer("last", &[], Linear::new(3)),
    ];
    let maps = vec![
        layer("first", &[], Conv2d::new(6, 3).with_padding(1)),
        layer("norm", &[], BatchNorm::default()),
        layer("bent", &[], relu()),
        layer("second", &[], Conv2d::new(6, 3).with_padding(1)),
        layer("sum", &["second", "bent"], Add::new()),
        layer("joined", &["sum", "first", "input"], Concat::default()),
        layer("third", &[], Conv2d::new(8, 3)),
        layer("bent3", &[], relu()),
        layer("pool", &[], MaxPool2d::new(2)),
        layer("mean", &["joined"], GlobalAvgPool::new()),
        layer("flat", &["pool"], Flatten::default()),
        layer("all", &["flat", "mean"], Concat::default()),
        layer("last", &[], Linear::new(3)),
    ];
    let checked = |layers| Arc::new(Network::new(Shape::new([1, 10, 9]), layers).check().expect("the layers fit"));
    vec![("diamond", checked(diamond)), ("maps", checked(maps))]
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| index.to_string()).collect()
}

const ROWS: usize = 75;

fn pictures() -> InputRows {
    let samples = Samples::U8((0..ROWS * 90).map(|at| ((at * at / 7) % 256) as u8).collect());
    InputRows { shape: Shape::new([1, 10, 9]), samples }
}

fn numbers(width: usize) -> Vec<f32> {
    (0..ROWS * width).map(|at| ((at * 37 % 101) as f32 - 50.0) / 25.0).collect()
}

fn classes() -> Targets {
    Targets::classes(names(3), (0..ROWS).map(|row| (row % 3) as u32).collect())
}

/// What is trained: a network, what each of its outputs should give, rows, and whether pictures are changed.
struct Case {
    name: &'static str,
    network: Arc<CheckedNetwork>,
    objectives: Vec<Objective>,
    data: Arc<dyn Source>,
    augment: bool,
}

/// Everything that pictures are changed by.
const CHANGES: &str =
    "shift=1.5,rotate=9,scale=0.1,shear=0.1,elastic=0.7,flip=0.5,flip_vertical=0.3,crop=0.2,brightness=0.1";

fn cross_entropy() -> Loss {
    Loss::CrossEntropy { label_smoothing: 0.0, class_weights: None }
}

fn cases() -> Vec<Case> {
    let one = |name, network, augment| Case {
        name,
        network,
        objectives: vec![cross_entropy().into()],
        data: Arc::new(waves()),
        augment,
    };
    let mut cases: Vec<Case> = networks().into_iter().map(|(name, network)| one(name, network, true)).collect();
    let in_files = networks().remove(1).1;
    cases.push(Case { data: Arc::new(Slow(waves())), ..one("maps, rows gathered ahead", in_files, true) });

    // Two inputs, a picture and some numbers; a class and two numbers as answers, with a loss and a weight each.
    let layers = vec![
        layer("conv", &["picture"], Conv2d::new(4, 3)),
        layer("bent", &[], relu()),
        layer("mean", &[], GlobalAvgPool::new()),
        layer("joined", &["mean", "numbers"], Concat::default()),
        layer("hidden", &[], Linear::new(12)),
        layer("bent2", &[], relu()),
        layer("class", &["bent2"], Linear::new(3)),
        layer("price", &["bent2"], Linear::new(2)),
    ];
    let network = Network {
        inputs: vec![
            Input { name: "picture".into(), shape: [1, 10, 9].into() },
            Input { name: "numbers".into(), shape: [5].into() },
        ],
        layers,
        outputs: vec!["class".into(), "price".into()],
    };
    let smoothed = Loss::CrossEntropy { label_smoothing: 0.1, class_weights: Some(vec![1.0, 0.5, 2.0]) };
    cases.push(Case {
        name: "two inputs, two outputs with a loss each",
        network: Arc::new(network.check().expect("the layers fit")),
        objectives: vec![smoothed.into(), Objective { weight: 0.25, ..Loss::Huber { delta: 1.0 }.into() }],
        data: Arc::new(
            Dataset::new(
                "waves",
                vec![pictures(), InputRows { shape: [5].into(), samples: Samples::F32(numbers(5)) }],
                vec![classes(), Targets::values(names(2), numbers(2))],
            )
            .expect("the rows fit"),
        ),
        augment: true,
    });

    // A class for each pixel, some left out, and a map of numbers.
    let layers = vec![
        layer("conv", &["input"], Conv2d::new(4, 3).with_padding(1)),
        layer("bent", &[], relu()),
        layer("pixels", &["bent"], Conv2d::new(3, 1)),
        layer("heights", &["bent"], Conv2d::new(2, 1)),
    ];
    let of_pixels = Targets::Classes {
        names: names(3),
        axis: 0,
        positions: [10, 9].into(),
        indices: (0..ROWS * 90).map(|at| if at % 11 == 0 { IGNORED } else { (at * at % 3) as u32 }).collect(),
    };
    let pixels_alone = {
        let mut network = Network::new(Shape::new([1, 10, 9]), layers[..3].to_vec());
        network.outputs = vec!["pixels".into()];
        Arc::new(network.check().expect("the layers fit"))
    };
    cases.push(Case {
        name: "a class for each pixel, moved with it",
        network: pixels_alone,
        objectives: vec![Loss::DiceCrossEntropy.into()],
        data: Arc::new(Slow(Dataset::new("waves", vec![pictures()], vec![of_pixels.clone()]).expect("the rows fit"))),
        augment: true,
    });
    let heights = Targets::Values { names: names(2), shape: [2, 10, 9].into(), values: numbers(180) };
    let mut network = Network::new(Shape::new([1, 10, 9]), layers);
    network.outputs = vec!["pixels".into(), "heights".into()];
    cases.push(Case {
        name: "a class and two numbers for each pixel",
        network: Arc::new(network.check().expect("the layers fit")),
        objectives: vec![cross_entropy().into(), Loss::MeanSquaredError.into()],
        data: Arc::new(Dataset::new("waves", vec![pictures()], vec![of_pixels, heights]).expect("the rows fit")),
        augment: false,
    });
    cases
}

fn waves() -> Dataset {
    Dataset::new("waves", vec![pictures()], vec![classes()]).expect("the rows fit")
}

/// Rows that have to be fetched, so that a thread gathers ahead.
struct Slow(Dataset);

impl Source for Slow {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn inputs(&self) -> Vec<Shape> {
        Source::inputs(&self.0)
    }

    fn targets(&self) -> Vec<TargetKind> {
        Source::targets(&self.0)
    }

    fn gather(&self, rows: &[u64], batch: &mut Batch, pool: &Pool) -> Result<(), GatherError> {
        self.0.gather(rows, batch, pool)
    }
}

fn trainer(case: &Case, threads: usize) -> Trainer {
    let settings = Settings::new(cross_entropy())
        .epochs(2)
        .batch(8)
        .accumulate(2)
        .learning_rate(1e-3)
        .schedule(Schedule::Constant)
        .objectives(case.objectives.clone())
        .augment(case.augment.then(|| CHANGES.parse::<Augment>().expect("it reads")))
        .seed(4);
    let params = Params::initialize(&case.network, 4);
    let context = Context::detect(Pool::new(threads));
    Trainer::new(case.network.clone(), params, settings, context).expect("they belong together")
}

/// Does so many steps, or all there are; the ends of epochs are on the way.
fn advance(trainer: &mut Trainer, case: &Case, steps: u64) {
    let mut loader = trainer.loader(case.data.clone(), 0..ROWS as u64).expect("the rows fit");
    while !trainer.progress().finished && trainer.steps_done() < steps {
        if trainer.step(&mut loader).expect("the loss is finite").epoch_ends {
            trainer.end_epoch(&loader, &(0..20).into()).expect("the rows fit");
        }
    }
}

#[test]
fn any_number_of_threads_and_a_stop_in_mid_epoch_give_the_same_bits() {
    for case in cases() {
        let name = case.name;
        let end = |mut trainer: Trainer| {
            advance(&mut trainer, &case, u64::MAX);
            trainer.to_checkpoint(&BTreeMap::new())
        };
        let mut single = trainer(&case, 1);
        advance(&mut single, &case, u64::MAX);
        assert!(single.params().weights.iter().all(|value| value.is_finite()), "{name}");
        let history = &single.progress().history;
        assert_eq!((history.len(), single.steps_done()), (2, 10), "{name}");
        assert!(history[1].train_loss < history[0].train_loss, "{name} learns: {history:?}");
        let whole = single.to_checkpoint(&BTreeMap::new());
        for threads in [2, 7] {
            assert!(end(trainer(&case, threads)) == whole, "{name} on {threads} threads");
        }
        for stop in [1, 3, 7] {
            let mut first = trainer(&case, 2);
            advance(&mut first, &case, stop);
            let bytes = first.to_checkpoint(&BTreeMap::new());
            let (second, _) = Trainer::from_checkpoint(&bytes, Context::single()).expect("it reads back");
            assert!(end(second) == whole, "{name} stopped after {stop} steps");
        }
    }
}

#[test]
fn rows_gathered_ahead_give_the_numbers_of_rows_in_memory() {
    let cases = cases();
    let [in_memory, ahead] = [1, 2].map(|index| {
        let mut trainer = trainer(&cases[index], 2);
        advance(&mut trainer, &cases[index], u64::MAX);
        trainer.to_checkpoint(&BTreeMap::new())
    });
    assert!(in_memory == ahead);
}

/// Where a row is measured alone and where it is measured among others, and in an update of one batch or of several.
#[test]
fn sums_over_batches_are_those_of_one() {
    for case in cases() {
        let mut one = trainer(&case, 1);
        let all = one.evaluate(&*case.data, &(0..ROWS as u64).into()).expect("the rows fit");
        let halves = [0..40, 40..ROWS as u64].map(|rows| one.evaluate(&*case.data, &rows.into()).expect("they fit"));
        for (index, output) in all.outputs.iter().enumerate() {
            let accuracy = |evaluation: &Evaluation| match &evaluation.outputs[index].answers {
                Answers::Classes { confusion, .. } => (confusion.correct(), confusion.total()),
                Answers::Values(metrics) => (0, metrics.rows()),
            };
            let (first, second) = (accuracy(&halves[0]), accuracy(&halves[1]));
            assert_eq!(accuracy(&all), (first.0 + second.0, first.1 + second.1), "{}, {}", case.name, output.name);
        }
        let losses: f64 =
            all.outputs.iter().zip(&case.objectives).map(|(o, objective)| o.loss * objective.weight).sum();
        assert!((losses / all.loss - 1.0).abs() < 1e-12, "{}", case.name);

        let mut weights = [(16, 1), (4, 4)].map(|(batch, accumulate)| {
            let settings = trainer(&case, 1).settings().clone().batch(batch).accumulate(accumulate).augment(None);
            // Gradient descent, whose step is the gradient; batch norm and dropout look at one batch.
            let optimizer = Optimizer::Sgd(Sgd { momentum: 0.0, nesterov: false, decay: Default::default() });
            let settings = settings.optimizer(optimizer);
            let params = Params::initialize(&case.network, 4);
            let mut trainer =
                Trainer::new(case.network.clone(), params, settings, Context::single()).expect("they belong together");
            let mut loader = trainer.loader(case.data.clone(), 0..ROWS as u64).expect("the rows fit");
            trainer.step(&mut loader).expect("the loss is finite");
            trainer.params().weights.to_vec()
        });
        let looks_at_a_batch = |kind: &str| ["batch_norm", "dropout"].contains(&kind);
        if case.network.network().layers.iter().any(|named| looks_at_a_batch(named.layer.kind())) {
            continue;
        }
        let [whole, pieces] = &mut weights;
        let start = Params::initialize(&case.network, 4);
        for ((whole, pieces), start) in whole.iter().zip(pieces).zip(start.weights.iter()) {
            let step = whole - start;
            assert!((whole - *pieces).abs() <= 1e-4 * step.abs() + 1e-7, "{}: {whole} {pieces}", case.name);
        }
    }
}
