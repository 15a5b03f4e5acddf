//! Networks of the zoo, by name: training and answers have the same bits on any number of threads, and after a stop.

use plexus::Init;
use plexus::layers::Layer;
use plexus::train::data::{Augment, Samples, Targets};
use plexus::{
    Context, Dataset, Event, Flow, Loss, Model, NamedNetwork, Network, Pool, Settings, Sgd, Shape, Workspace,
};
use std::path::Path;

const CHANGES: &str = "flip=0.5,shift=2,crop=0.2,rotate=10,brightness=0.2";

/// Images; few for the one with the most weights.
fn rows(name: &str) -> usize {
    if name.contains("vgg") { 6 } else { 10 }
}

/// A network, and images with three classes: of each image, or of each pixel of the answer.
fn case(name: &str, input: [usize; 3]) -> (Network, Dataset) {
    let named = NamedNetwork::parse(name).expect("it is named");
    let mut network = named.build(Shape::new(input), &[("class".to_string(), 3)]).expect("it takes such images");
    // Normal numbers for 28 million weights take longer than the rest.
    for layer in &mut network.layers {
        match &mut layer.layer {
            Layer::Conv2d(conv) => conv.weight_init = Init::UniformFanIn,
            Layer::Linear(linear) => linear.weight_init = Init::UniformFanIn,
            _ => {}
        }
    }
    let checked = network.clone().check().expect("the layers fit");
    let pixels: usize = input.iter().product();
    let rows = rows(name);
    let value = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let samples = Samples::U8((0..rows * pixels).map(|at| (value(at) % 256) as u8).collect());
    let names = ["a", "b", "c"].map(str::to_string).to_vec();
    let positions = checked.output().axes()[1..].to_vec();
    let count = rows * positions.iter().product::<usize>();
    let indices = (0..count).map(|at| (value(at / 3) % 3) as u32).collect();
    let targets = match positions.is_empty() {
        true => Targets::classes(names, indices),
        false => Targets::Classes { names, axis: 0, positions: Shape::new(positions), indices },
    };
    (network, Dataset::single("noise", Shape::new(input), samples, targets).expect("the rows fit"))
}

/// Updates of four images, three an epoch where there are ten. Images whose answer is smaller than they are cannot be changed together with it.
fn settings(name: &str, epochs: u64, threads: usize) -> Settings {
    let changes = if name.contains("unet") && !name.contains("same") { None } else { CHANGES.parse::<Augment>().ok() };
    Settings::new(Loss::cross_entropy())
        .optimizer(Sgd::default())
        .epochs(epochs)
        .batch(4)
        .learning_rate(0.002)
        .validation(0.0)
        .augment(changes)
        .seed(5)
        .context(Context::detect(Pool::new(threads)))
}

fn bytes(model: &Model) -> Vec<u8> {
    model.to_bytes().expect("it is written")
}

/// The model after training, and its scores of all images.
fn trained(name: &str, input: [usize; 3], epochs: u64, threads: usize) -> (Vec<u8>, Vec<f32>) {
    let (network, data) = case(name, input);
    let fitted = plexus::fit(network, &data, settings(name, epochs, threads), |_| {}).expect("it learns");
    let rows = data.len();
    let mut images = vec![0.0; rows * data.row_len()];
    data.copy_rows(&(0..rows as u64).collect::<Vec<_>>(), &mut images);
    let mut workspace = Workspace::default();
    let scores = fitted.model.scores(&images, rows, &mut workspace).expect("the rows fit").to_vec();
    assert!(scores.iter().all(|score| score.is_finite()), "{name}");
    let alone = fitted.model.scores(&images[..data.row_len()], 1, &mut workspace).expect("the row fits");
    assert!(scores[..alone.len()] == *alone, "{name}: a row alone has the bits that it has among others");
    (bytes(&fitted.model), scores)
}

#[track_caller]
fn the_same_on_any_number_of_threads(name: &str, input: [usize; 3]) {
    let one = trained(name, input, 1, 1);
    for threads in [2, 7] {
        let other = trained(name, input, 1, threads);
        assert!(one.0 == other.0, "{name}: another model on {threads} threads");
        assert!(one.1 == other.1, "{name}: other scores on {threads} threads");
    }
}

#[test]
fn alexnet_has_the_same_bits_on_any_number_of_threads() {
    the_same_on_any_number_of_threads("alexnet?groups=2&lrn=true&dropout=0.5", [3, 67, 71]);
}

#[test]
fn vgg_with_batch_norm_has_the_same_bits_on_any_number_of_threads() {
    the_same_on_any_number_of_threads("vgg11?batch_norm=true&dropout=0.5", [3, 32, 33]);
}

#[test]
fn u_net_has_the_same_bits_on_any_number_of_threads() {
    the_same_on_any_number_of_threads("unet?width=32&depth=2&padding=same&batch_norm=true", [3, 28, 32]);
    the_same_on_any_number_of_threads("unet?width=4&depth=2", [1, 45, 52]);
    the_same_on_any_number_of_threads("cnn?width=8&stages=2&dropout=0.3", [3, 20, 17]);
}

/// A run that is stopped after so many updates, and goes on in another call.
fn stopped(name: &str, input: [usize; 3], stop_at: usize, checkpoint: &Path) -> Vec<u8> {
    let (network, data) = case(name, input);
    let (mut steps, mut again) = (0, 0);
    let first = plexus::fit(network.clone(), &data, settings(name, 2, 2).checkpoint(checkpoint), |event| {
        steps += usize::from(matches!(event, Event::Step { .. }));
        if steps == stop_at { Flow::Stop } else { Flow::Continue }
    });
    first.expect("it stops");
    let settings = settings(name, 2, 1).checkpoint(checkpoint);
    let gone_on = plexus::fit(network, &data, settings, |event| {
        again += usize::from(matches!(event, Event::Step { .. }));
    });
    assert_eq!((steps, again), (stop_at, 6 - stop_at), "{name}");
    bytes(&gone_on.expect("it goes on").model)
}

#[test]
fn a_run_on_changed_images_goes_on_in_mid_epoch_to_the_same_bits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (number, (name, input)) in [
        ("unet?width=6&depth=2&padding=same&batch_norm=true", [3, 20, 24]),
        ("unet?width=4&depth=1", [1, 33, 28]),
        ("cnn?width=8&stages=2&dropout=0.3", [3, 20, 17]),
    ]
    .into_iter()
    .enumerate()
    {
        let (whole, _) = trained(name, input, 2, 2);
        for stop_at in [1, 5] {
            let checkpoint = folder.path().join(format!("{number}-{stop_at}"));
            assert!(stopped(name, input, stop_at, &checkpoint) == whole, "{name} stopped after {stop_at} updates");
        }
    }
}
