//! Data, numbers and networks that do not belong together end in an error, never in a panic; and what memory they ask for.

use plexus_kernels::Context;
use plexus_kernels::threads::Pool;
use plexus_nn::layers::{BatchNorm, Conv2d, Dequantize, Flatten, Layer, Linear, Quantize};
use plexus_nn::{CheckedNetwork, DType, Network, Params, Plan, Quant, Shape};
use plexus_train::check::Unfit;
use plexus_train::data::{Batch, Dataset, GatherError, InputRows, Rows, Samples, Source, TargetKind, Targets};
use plexus_train::evaluate::{MeasureError, evaluation_bytes, rows_per_batch};
use plexus_train::loss::Loss;
use plexus_train::memory::training_bytes;
use plexus_train::optim::Optimizer;
use plexus_train::schedule::Schedule;
use plexus_train::trainer::{Settings, StepError, Trainer};
use std::sync::Arc;

fn settings(loss: Loss) -> Settings {
    Settings::new(loss).epochs(2).batch(4).learning_rate(0.01).schedule(Schedule::Constant).seed(1)
}

fn cross_entropy() -> Loss {
    Loss::CrossEntropy { label_smoothing: 0.0, class_weights: None }
}

fn linear(inputs: usize, outputs: usize) -> Arc<CheckedNetwork> {
    Arc::new(Network::chain(Shape::new([inputs]), [Linear::new(outputs).into()]).check().expect("it fits"))
}

fn trainer(loss: Loss) -> Trainer {
    let network = linear(5, 3);
    let params = Params::initialize(&network, 1);
    Trainer::new(network, params, settings(loss), Context::single()).expect("they fit")
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| index.to_string()).collect()
}

fn five() -> Samples {
    Samples::F32((0..40).map(|at| (at % 7) as f32).collect())
}

/// Eight rows of five numbers, of three classes.
fn data() -> Dataset {
    of(classes(vec![0, 1, 2, 0, 1, 2, 0, 1]))
}

fn of(targets: Targets) -> Dataset {
    Dataset::single("made", [5], five(), targets).expect("the rows fit")
}

fn classes(indices: Vec<u32>) -> Targets {
    Targets::classes(names(3), indices)
}

fn numbers(outputs: usize) -> Targets {
    Targets::values(names(outputs), vec![0.5; 8 * outputs])
}

#[test]
fn a_network_with_layers_of_whole_numbers_is_not_trained() {
    let numbers = Quant::new(DType::I8, 0.5, 3);
    let layers: Vec<Layer> =
        vec![Linear::new(4).into(), Quantize::new(numbers).into(), Dequantize::new().into(), Linear::new(3).into()];
    let network = Arc::new(Network::chain(Shape::new([5]), layers).check().expect("it fits"));
    let params = Params::initialize(&network, 1);
    let refusal = Trainer::new(network, params, settings(cross_entropy()), Context::single()).map(|_| ()).unwrap_err();
    let refusal = refusal.to_string();
    for words in ["the network", "layers with a way back", "layers.1 (quantize)", "whole numbers"] {
        assert!(refusal.contains(words), "{words} is not in: {refusal}");
    }
}

#[test]
fn data_that_does_not_fit_gets_no_loader_and_no_measurement() {
    let quantiles = Loss::Quantile { quantiles: vec![0.1, 0.5, 0.9] };
    let wider = Dataset::single("made", [8], five(), classes(vec![0, 1, 2, 0, 1])).expect("the rows fit");
    let two_inputs = |count: usize| {
        let input = InputRows { shape: [5].into(), samples: five() };
        Dataset::new("made", vec![input; count], vec![classes(vec![0; 8])]).expect("the rows fit")
    };
    let two_targets =
        Dataset::new("made", data().inputs().to_vec(), vec![classes(vec![0; 8]), numbers(3)]).expect("the rows fit");
    let weights = Loss::CrossEntropy { label_smoothing: 0.0, class_weights: Some(vec![1.0; 3]) };
    let cases: [(&str, Loss, Dataset, Rows, &str); 9] = [
        ("a wider row", cross_entropy(), wider, (0..5).into(), "a row: expected [5]"),
        ("a row that is not there", cross_entropy(), data(), vec![0, 8].into(), "the rows: expected below 8, got 8"),
        ("numbers for classes", cross_entropy(), of(numbers(3)), (0..8).into(), "expected classes"),
        ("classes for quantiles", quantiles, data(), (0..8).into(), "expected numbers, for the loss quantile"),
        (
            "two numbers for three outputs",
            Loss::MeanSquaredError,
            of(numbers(2)),
            (0..8).into(),
            "expected [2], for 2 target columns, got output [3] at layers.0 (linear). Give the last linear layer \
             out_features = 2",
        ),
        (
            "two inputs",
            cross_entropy(),
            two_inputs(2),
            (0..8).into(),
            "the inputs of made: expected 1, one for each input",
        ),
        ("two targets", cross_entropy(), two_targets, (0..8).into(), "the targets of made: expected 1, one for each"),
        (
            "four classes",
            cross_entropy(),
            of(Targets::classes(names(4), vec![0; 8])),
            (0..8).into(),
            "expected [4], for 4 classes, got output [3]",
        ),
        (
            "a class for each of two positions",
            weights,
            of(Targets::Classes { names: names(3), axis: 0, positions: [2].into(), indices: vec![0; 16] }),
            (0..8).into(),
            "expected [3, 2], for 3 classes at [2] positions, got output [3]",
        ),
    ];
    for (case, loss, data, rows, says) in cases {
        let mut trainer = trainer(loss);
        let data = Arc::new(data);
        let error = trainer.loader(data.clone(), rows.clone()).expect_err(case);
        assert!(error.to_string().contains(says), "{case}: {error}");
        assert!(matches!(trainer.evaluate(&*data, &rows), Err(MeasureError::Unfit(_))), "{case}");
    }
}

/// Rows of a source that gives classes without asking.
struct Wrong {
    data: Dataset,
    classes: [u32; 8],
}

impl Source for Wrong {
    fn name(&self) -> &str {
        "wrong"
    }

    fn len(&self) -> u64 {
        self.data.len() as u64
    }

    fn inputs(&self) -> Vec<Shape> {
        Source::inputs(&self.data)
    }

    fn targets(&self) -> Vec<TargetKind> {
        Source::targets(&self.data)
    }

    fn gather(&self, rows: &[u64], batch: &mut Batch, pool: &Pool) -> Result<(), GatherError> {
        self.data.gather(rows, batch, pool)?;
        batch.classes_mut(0).iter_mut().zip(rows).for_each(|(class, row)| *class = self.classes[*row as usize]);
        Ok(())
    }
}

#[test]
fn a_step_that_cannot_be_done_is_an_error_and_changes_nothing() {
    let ignored = plexus_kernels::softmax::IGNORED;
    let cases: [(&str, Loss, [u32; 8], &str); 3] = [
        ("a class that is none", cross_entropy(), [0, 1, 2, 3, 1, 2, 0, 1], "expected 0 to 2, got 3"),
        ("a class for numbers", Loss::MeanSquaredError, [3; 8], "expected 0 to 2, got 3"),
        ("no class for numbers", Loss::MeanSquaredError, [ignored; 8], "only cross-entropy and dice leave"),
    ];
    for (case, loss, classes, says) in cases {
        let mut trainer = trainer(loss);
        let before = trainer.params().clone();
        let data = Arc::new(Wrong { data: data(), classes });
        let mut loader = trainer.loader(data.clone(), 0..8).expect(case);
        // The rows of a step are random: of two steps one has the class.
        let mut errors = (0..2).filter_map(|_| trainer.step(&mut loader).err());
        let error = errors.next().expect(case);
        assert!(matches!(&error, StepError::Unfit(error) if error.to_string().contains(says)), "{case}: {error}");
        if trainer.steps_done() == 0 {
            assert_eq!(trainer.params(), &before, "{case}");
        }
        assert!(trainer.evaluate(&*data, &(0..8).into()).is_err(), "{case}");
        assert!(trainer.end_epoch(&loader, &(0..8).into()).is_err(), "{case}");
        assert_eq!(trainer.progress().epoch, 0, "{case}");
    }
    let mut trainer = trainer(cross_entropy());
    let mut loader = trainer.loader(Arc::new(data()), 0..8).expect("it fits");
    for (rows, says) in [(&[][..], "the rows of the epoch"), (&[0, 8], "the rows: expected below 8, got 8")] {
        let error = trainer.step_on(&mut loader, rows, 8).expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
    }
    let mut foreign = self::trainer(cross_entropy());
    let error = foreign.step(&mut loader).expect_err("it is another's");
    assert!(error.to_string().contains("one that this trainer has made"), "{error}");
}

#[test]
fn pictures_are_changed_only_where_their_targets_can_follow() {
    let layers: [Layer; 1] = [Conv2d::new(2, 3).with_padding(1).into()];
    let network = Arc::new(Network::chain(Shape::new([1, 4, 6]), layers).check().expect("it fits"));
    let flat: [Layer; 2] = [Flatten::default().into(), Linear::new(2).into()];
    let flat = Arc::new(Network::chain(Shape::new([1, 4, 6]), flat).check().expect("it fits"));
    let changed = |network: &Arc<CheckedNetwork>, loss: Loss, sample: &[usize], targets: Targets| {
        let augment = Some("shift=1".parse().expect("it reads"));
        let settings = settings(loss).augment(augment);
        let params = Params::initialize(network, 1);
        let trainer = Trainer::new(network.clone(), params, settings, Context::single()).expect("they fit");
        let pixels = Samples::U8(vec![1; 8 * 24]);
        let data = Dataset::single("made", Shape::new(sample), pixels, targets).expect("the rows fit");
        trainer.loader(Arc::new(data), 0..8).map(|_| ()).map_err(|error| error.to_string())
    };
    let of_pixels = |positions: [usize; 2]| Targets::Classes {
        names: names(2),
        axis: 0,
        positions: positions.into(),
        indices: vec![0; 8 * 24],
    };
    assert_eq!(changed(&network, cross_entropy(), &[1, 4, 6], of_pixels([4, 6])), Ok(()));
    assert_eq!(changed(&flat, cross_entropy(), &[1, 4, 6], Targets::classes(names(2), vec![0; 8])), Ok(()));
    // As many numbers, in another shape: the picture would move and its classes otherwise.
    let says = changed(&network, cross_entropy(), &[1, 6, 4], of_pixels([4, 6])).expect_err("of another size");
    assert!(says.contains("or a class for each pixel, got classes at [4, 6]"), "{says}");
    let maps = Targets::Values { names: names(2), shape: [2, 4, 6].into(), values: vec![0.0; 8 * 48] };
    let says = changed(&network, Loss::MeanSquaredError, &[1, 4, 6], maps).expect_err("heights do not move");
    assert!(says.contains("got numbers at [2, 4, 6]"), "{says}");
    let says = changed(&flat, cross_entropy(), &[24], Targets::classes(names(2), vec![0; 8])).expect_err("no picture");
    assert!(says.contains("pictures: [channels, height, width]"), "{says}");
}

/// A source on a disk with a bad place.
struct BadDisk;

impl Source for BadDisk {
    fn name(&self) -> &str {
        "disk"
    }

    fn len(&self) -> u64 {
        8
    }

    fn inputs(&self) -> Vec<Shape> {
        vec![[5].into()]
    }

    fn targets(&self) -> Vec<TargetKind> {
        vec![TargetKind::classes(names(3))]
    }

    fn gather(&self, rows: &[u64], batch: &mut Batch, _: &Pool) -> Result<(), GatherError> {
        batch.input_mut(0).fill(1.0);
        batch.classes_mut(0).fill(2);
        match rows.contains(&6) {
            true => Err(GatherError { data: "disk".into(), row: 6, message: "it cannot be read".into() }),
            false => Ok(()),
        }
    }
}

#[test]
fn a_row_that_cannot_be_had_stops_training_and_measuring_with_its_number() {
    let mut trainer = trainer(cross_entropy());
    let mut loader = trainer.loader(Arc::new(BadDisk), 0..8).expect("it fits");
    let error = (0..2).find_map(|_| trainer.step(&mut loader).err()).expect("one of two steps has the row");
    assert_eq!(error.to_string(), "disk, row 6 (counted from 0): it cannot be read");
    assert!(matches!(trainer.evaluate(&BadDisk, &(0..8).into()), Err(MeasureError::Gather(_))));
    assert!(trainer.evaluate(&BadDisk, &(0..6).into()).is_ok());
}

#[test]
fn an_epoch_that_is_through_has_no_step() {
    let mut trainer = trainer(cross_entropy());
    let data = Arc::new(data());
    let mut loader = trainer.loader(data.clone(), 0..8).expect("it fits");
    for _ in 0..2 {
        trainer.step(&mut loader).expect("it fits");
    }
    assert!(matches!(trainer.step(&mut loader), Err(StepError::Unfit(_))));
    // Fewer rows than were used already.
    let mut fewer = trainer.loader(data, 0..3).expect("it fits");
    assert!(matches!(trainer.step(&mut fewer), Err(StepError::Unfit(_))));
    trainer.end_epoch(&loader, &(0..8).into()).expect("it fits");
    trainer.step(&mut loader).expect("the next epoch has begun");
}

#[test]
fn a_data_set_that_contradicts_itself_is_not_made() {
    let single = |rows: usize, targets: Targets| Dataset::single("made", [5], vec![0.0f32; rows], targets);
    let cases: [(&str, Result<Dataset, Unfit>, &str); 8] = [
        ("a number too many", single(41, classes(vec![0; 8])), "8 rows of [5], as there are targets, got 41"),
        ("bytes too few", Dataset::single("made", [5], vec![0u8; 39], classes(vec![0; 8])), "got 39 numbers"),
        ("more classes", single(40, classes(vec![0; 9])), "9 rows of"),
        ("a class that is none", single(40, Targets::classes(names(2), vec![0, 1, 2, 0, 1, 2, 0, 1])), "0 to 1, got 2"),
        (
            "numbers without names",
            single(40, Targets::values(Vec::new(), vec![0.0; 8])),
            "the targets: expected rows of",
        ),
        ("ragged targets", single(40, Targets::values(names(3), vec![0.0; 25])), "got 25 in all"),
        (
            "names for other numbers",
            single(40, Targets::Values { names: names(2), shape: [3].into(), values: vec![0.0; 24] }),
            "expected 3, got 2",
        ),
        ("no input", Dataset::new("made", Vec::new(), vec![classes(vec![0; 8])]), "at least one of each, got 0 and 1"),
    ];
    for (case, made, says) in cases {
        let error = made.expect_err(case).to_string();
        assert!(error.contains(says), "{case}: {error}");
    }
    let of =
        |targets: Vec<Targets>| Dataset::new("made", data().inputs().to_vec(), targets).map_err(|error| error.what);
    let uneven = of(vec![classes(vec![0; 8]), Targets::values(names(1), vec![0.0; 7])]);
    assert_eq!(uneven, Err("the rows of the targets".to_string()));
    let too_many = Dataset::classes_from_fn(usize::MAX / 2, [5], ["a"], |_, _| 0).expect_err("more than there is");
    assert!(too_many.to_string().contains("few enough for the memory"), "{too_many}");
}

#[test]
fn a_run_of_foreign_numbers_or_with_a_loss_of_another_width_does_not_begin() {
    let network = linear(5, 3);
    let new = |network: &Arc<CheckedNetwork>, params: &Arc<CheckedNetwork>, loss: Loss| -> Unfit {
        let params = Params::initialize(params, 1);
        Trainer::new(network.clone(), params, settings(loss), Context::single()).expect_err("they do not fit")
    };
    let refusal = new(&network, &linear(4, 3), cross_entropy()).to_string();
    assert!(refusal.contains("18 numbers") && refusal.contains("15 numbers of another network"), "{refusal}");
    let weights = Loss::CrossEntropy { label_smoothing: 0.0, class_weights: Some(vec![1.0; 4]) };
    assert_eq!(new(&network, &network, weights).what, "the class weights");
    let quantiles = Loss::Quantile { quantiles: vec![0.25, 0.75] };
    assert_eq!(new(&network, &network, quantiles).what, "the quantiles");
    let nothing = linear(5, 0);
    assert_eq!(new(&nothing, &nothing, Loss::MeanSquaredError).what, "the output of the network");
    let context = Context::single();
    let two = settings(cross_entropy()).objectives(vec![cross_entropy(); 2]);
    let error = Trainer::new(network.clone(), Params::zeros(&network), two, context).expect_err("one is too many");
    assert_eq!((error.what.as_str(), error.got.as_str()), ("the losses", "2"));
}

/// Maps of 64 channels: a row takes some megabytes.
fn maps() -> Arc<CheckedNetwork> {
    let layers: [Layer; 5] = [
        Conv2d::new(64, 3).with_padding(1).into(),
        BatchNorm::default().into(),
        Conv2d::new(64, 3).with_padding(1).into(),
        Flatten::default().into(),
        Linear::new(2).into(),
    ];
    Arc::new(Network::chain(Shape::new([3, 128, 128]), layers).check().expect("it fits"))
}

#[test]
fn batches_of_measurements_fit_into_the_budget() {
    let small = Plan::new(linear(5, 3), &Params::zeros(&linear(5, 3)), Context::single());
    assert_eq!(rows_per_batch(&small), 512);
    let network = maps();
    let large = Plan::new(network.clone(), &Params::zeros(&network), Context::single());
    let rows = rows_per_batch(&large);
    assert!((1..32).contains(&rows), "{rows} rows");
    assert!(large.workspace_bytes(rows) <= 64 << 20 && large.workspace_bytes(2 * rows + 1) > 64 << 20);
    assert_eq!(large.workspace_bytes(3), Plan::workspace_bytes_for(&network, 3));
    let bytes = evaluation_bytes(&network, &Context::single());
    let inputs = 4 * network.input_len() * rows;
    assert_eq!(bytes, large.params_bytes() + large.workspace_bytes(rows) + inputs);
}

#[test]
fn the_memory_of_a_training_grows_with_its_batch_and_its_optimizer() {
    let (network, context) = (maps(), Context::single());
    let needed = |settings: &Settings, rows| training_bytes(&network, settings, rows, &context);
    let of = |batch, optimizer| {
        settings(cross_entropy()).optimizer(Optimizer::named(optimizer).expect("a row of the table")).batch(batch)
    };
    let numbers = 4 * network.layout().weights_len();
    let (one, eight) = (needed(&of(1, "sgd"), 100), needed(&of(8, "sgd"), 100));
    // Two maps of 64 channels and their gradients, for each row, at least.
    let row = 4 * 64 * 128 * 128;
    assert!(eight - one >= 7 * 2 * row, "{one} and {eight}");
    assert_eq!(needed(&of(8, "sgd"), 1), one, "no batch has more rows than there are");
    let slots = |name| Optimizer::named(name).expect("a row of the table").slot_count();
    let more = slots("adam") - slots("sgd");
    assert_eq!(needed(&of(1, "adam"), 100) - one, more * numbers);
}
