//! Training that goes on from a model: what stays, what is new, that it is computed once, and that it can be gone on with.

use plexus::layers::{BatchNorm, Conv2d, Dropout, Flatten, Linear, MaxPool2d, relu};
use plexus::train::data::{Augment, Batch, GatherError, TargetKind};
use plexus::{
    Context, Dataset, Error, Event, Fitted, Flow, Graph, Loss, Model, Network, Pool, Pretrained, Settings, Shape,
    Source,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const ROWS: usize = 96;

/// Numbers that look random and are the same everywhere.
fn noise(at: usize) -> f32 {
    ((at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / (1u64 << 24) as f32
}

/// Pictures with a bright row; the class says in which of so many parts of the picture.
fn stripes(classes: usize) -> Dataset {
    let names: Vec<String> = (0..classes).map(|class| format!("part {class}")).collect();
    Dataset::classes_from_fn(ROWS, [1, 12, 12], names, |row, sample| {
        let bright = row * 7 % 12;
        for (at, value) in sample.iter_mut().enumerate() {
            *value = 0.3 * noise(row * 144 + at) + f32::from(u8::from(at / 12 == bright));
        }
        (bright * classes / 12) as u32
    })
    .expect("the rows fit")
}

/// Batch norm and dropout, so that it shows whether frozen layers answer as in a prediction.
fn trunk_and_readout() -> Network {
    let layers = [
        Conv2d::new(4, 3).with_padding(1).into(),
        BatchNorm::default().into(),
        relu(),
        MaxPool2d::new(2).into(),
        Dropout::new(0.3).into(),
        Flatten::default().into(),
        Linear::new(16).into(),
        relu(),
        Linear::new(2).into(),
    ];
    Network::chain([1, 12, 12], layers)
}

fn settings(epochs: u64) -> Settings {
    Settings::new(Loss::cross_entropy()).epochs(epochs).batch(16).learning_rate(0.01).seed(5)
}

fn learn(start: impl Into<plexus::Start>, data: impl plexus::train::data::IntoSource, settings: Settings) -> Fitted {
    plexus::fit(start, data, settings, |_| {}).expect("it learns")
}

/// A model of two classes.
fn first() -> Model {
    learn(trunk_and_readout(), stripes(2), settings(6)).model
}

fn start(model: &Model) -> Pretrained {
    let start = model.pretrained().with_outputs(3).expect("the last layer is linear");
    start.freeze_until("layers.5").expect("there are layers behind it")
}

fn bytes(model: &Model) -> Vec<u8> {
    model.to_bytes().expect("it is written")
}

#[test]
fn frozen_layers_stay_and_a_new_last_layer_learns() {
    let first = first();
    let fitted = learn(start(&first), stripes(3), settings(40));
    let model = fitted.model;
    let is_trained = |name: &str| ["layers.6", "layers.8"].iter().any(|layer| name.starts_with(layer));
    for entry in model.network().layout().entries() {
        let same = model.tensor(&entry.name) == first.tensor(&entry.name);
        assert_eq!(same, !is_trained(&entry.name), "{}", entry.name);
    }
    let measured = model.evaluate(&stripes(3)).expect("it fits").outputs[0].metric();
    assert!(measured > 0.9, "{measured}");
    // The history was measured on the features, this on the pictures.
    let opened = Model::from_bytes(&bytes(&model), Context::single()).expect("it opens");
    assert_eq!(bytes(&opened), bytes(&model));
    assert_eq!(opened.network().output_len(), 3);
}

#[test]
fn nothing_frozen_goes_on_from_all_numbers() {
    let first = first();
    // A learning rate so small that no number changes: what is answered is what the model answered.
    let tiny = settings(1).learning_rate(1e-30).optimizer(plexus::Sgd::default()).learning_rate(1e-30);
    let again = learn(first.pretrained(), stripes(2), tiny).model;
    assert_eq!(again.tensor("layers.8.weight"), first.tensor("layers.8.weight"));
    // Six epochs more are better than six.
    let more = learn(first.pretrained(), stripes(2), settings(6)).model;
    let loss = |model: &Model| model.evaluate(&stripes(2)).expect("it fits").outputs[0].loss;
    assert!(loss(&more) < loss(&first), "{} {}", loss(&more), loss(&first));
}

#[test]
fn a_frozen_start_has_the_same_bits_on_any_number_of_threads_and_after_a_stop() {
    let first = first();
    for augment in [None, Some("shift=1,rotate=5".parse::<Augment>().expect("it reads"))] {
        let asked = |threads: usize| settings(5).augment(augment).context(Context::detect(Pool::new(threads)));
        let one = bytes(&learn(start(&first), stripes(3), asked(1)).model);
        for threads in [2, 7] {
            assert!(bytes(&learn(start(&first), stripes(3), asked(threads)).model) == one, "{threads} threads");
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("run.plexus");
        let mut steps = 0;
        let stopped = plexus::fit(start(&first), stripes(3), asked(1).checkpoint(&file), |event| {
            steps += u64::from(matches!(event, Event::Step { .. }));
            if steps == 9 { Flow::Stop } else { Flow::Continue }
        });
        assert!(bytes(&stopped.expect("it stops").model) != one);
        let resumed = learn(start(&first), stripes(3), asked(2).checkpoint(&file));
        assert!(bytes(&resumed.model) == one, "after a stop");
        let other =
            plexus::fit(first.pretrained().with_outputs(3).unwrap(), stripes(3), asked(1).checkpoint(&file), |_| {});
        assert!(matches!(other, Err(Error::Resume { .. })), "{other:?}");
    }
}

/// Counts how often a row is asked for.
struct Counted {
    rows: Arc<Dataset>,
    asked: AtomicUsize,
}

impl Source for Counted {
    fn name(&self) -> &str {
        "counted"
    }
    fn len(&self) -> u64 {
        Source::len(&*self.rows)
    }
    fn inputs(&self) -> Vec<Shape> {
        Source::inputs(&*self.rows)
    }
    fn targets(&self) -> Vec<TargetKind> {
        Source::targets(&*self.rows)
    }
    fn gather(&self, rows: &[u64], batch: &mut Batch, pool: &Pool) -> Result<(), GatherError> {
        self.asked.fetch_add(rows.len(), Ordering::Relaxed);
        self.rows.gather(rows, batch, pool)
    }
}

#[test]
fn what_frozen_layers_give_is_computed_once() {
    let first = first();
    let source = Arc::new(Counted { rows: Arc::new(stripes(3)), asked: AtomicUsize::new(0) });
    let fitted = learn(start(&first), source.clone(), settings(5));
    assert_eq!(fitted.history.len(), 5);
    assert_eq!(source.asked.load(Ordering::Relaxed), ROWS);
    // And the same is learnt as from rows in memory.
    assert!(
        fitted.model.tensor("layers.8.weight")
            == learn(start(&first), stripes(3), settings(5)).model.tensor("layers.8.weight")
    );
}

#[test]
fn a_skip_connection_passes_the_frozen_part() {
    let mut graph = Graph::new();
    let input = graph.input("picture", [1, 12, 12]);
    let outer = graph.conv2d(input, 3, 3);
    let inner = graph.conv2d(outer, 3, 1);
    let both = graph.add(&[outer, inner]);
    let flat = graph.flatten(both);
    let readout = graph.linear(flat, 2);
    graph.name(inner, "inner");
    let network = graph.output(readout).expect("it is a graph");
    let first = learn(network, stripes(2), settings(2)).model;
    let start = first.pretrained().freeze_until("inner").expect("there are layers behind it");
    let model = learn(start, stripes(2), settings(2)).model;
    assert_eq!(model.tensor("inner.weight"), first.tensor("inner.weight"));
    assert_eq!(model.network().network(), first.network().network());
}

#[test]
fn a_number_is_learnt_on_the_scale_of_the_new_data() {
    let prices = |factor: f32| {
        Dataset::numbers_from_fn(ROWS, [2], ["price"], |row, sample, target| {
            sample.copy_from_slice(&[noise(2 * row), noise(2 * row + 1)]);
            target[0] = factor * (2.0 + sample[0] - sample[1]);
        })
        .expect("the rows fit")
    };
    let asked = || Settings::new(Loss::mean_squared_error()).epochs(30).batch(16).learning_rate(0.01);
    let network = Network::chain([2], [Linear::new(8).into(), relu(), Linear::new(1).into()]);
    let first = learn(network, prices(1.0), asked()).model;
    let model = learn(first.pretrained(), prices(1000.0), asked()).model;
    let error = model.evaluate(&prices(1000.0)).expect("it fits").outputs[0].metric();
    assert!(error < 20.0, "the root of the mean squared error is {error}");
    let scales = |model: &Model| {
        model.network().network().layers.iter().filter(|named| named.name.contains("target_scale")).count()
    };
    assert_eq!((scales(&first), scales(&model)), (1, 1));
}

#[test]
fn what_cannot_be_is_said() {
    let first = first();
    let refused = |result: Result<Pretrained, Error>| result.expect_err("it is refused").to_string();
    let said = refused(first.pretrained().freeze_until("layers.99"));
    assert!(said.contains("\"layers.99\"") && said.contains("layers.0") && said.contains("layers.8"), "{said}");
    let said = refused(first.pretrained().freeze_until("layers.8"));
    assert!(said.contains("leaves others to be trained"), "{said}");
    let said =
        plexus::fit(first.pretrained(), stripes(3), settings(1), |_| {}).expect_err("two are not three").to_string();
    assert!(said.contains("classes is not given, but must be 3") && said.contains("answers with 2"), "{said}");
    let four = first.pretrained().with_outputs(4).expect("it is linear");
    let said = plexus::fit(four, stripes(3), settings(1), |_| {}).expect_err("four are not three").to_string();
    assert!(said.contains("classes is 4, but must be 3"), "{said}");
    let narrow = Dataset::classes_from_fn(8, [5], ["a", "b"], |row, _| (row % 2) as u32).expect("the rows fit");
    let start = first.pretrained().freeze_until("layers.5").expect("it is a layer");
    let said = plexus::fit(start, narrow, settings(1), |_| {}).expect_err("five are not 144").to_string();
    assert!(said.contains("[1, 12, 12]") && said.contains("[5]"), "{said}");
}
