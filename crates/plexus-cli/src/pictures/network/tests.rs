//! Tests of the figure of a network. That no text is cut off, covers another or is too small is tested with the gallery.

use super::boxes::{Form, boxes};
use super::shape_of_u::shape_of_u;
use super::{lanes, network, skips};
use crate::pictures::Picture;
use crate::pictures::drawing::Mark;
use crate::pictures::tests::{has, texts};
use plexus::NetworkSpec;
use plexus_kernels::random::{Random, Stream};
use plexus_nn::layers::{Layer, add, concat, conv2d, linear, relu};
use plexus_nn::{CheckedNetwork, NamedLayer, Network, Shape};

const NAMED: [&str; 8] = [
    "lenet5",
    "alexnet",
    "vgg16",
    "unet",
    "unet?padding=same",
    "mlp:512,256",
    "cnn",
    "mlp:64,32,16,8,64,32,16,8,4,2,3,4",
];

fn named(name: &str) -> CheckedNetwork {
    let spec = NetworkSpec::parse(name).expect("a name");
    let NetworkSpec::Named(own) = &spec else { panic!("{name} is no name") };
    let (input, outputs) = (own.input().unwrap_or(Shape::new([784])), own.outputs().unwrap_or(10));
    spec.build(input, &[("output".to_owned(), outputs)]).expect("it fits").check().expect("it fits")
}

/// Convolutions of one size, some of which are added to or put beside maps from further up.
fn residual(seed: u64, layers: usize, name: &str) -> CheckedNetwork {
    let mut drawn = vec![0.0; 2 * layers];
    Random::new(seed, Stream::Init, [0, 0]).uniform(0.0, 1.0, &mut drawn);
    let mut found: Vec<NamedLayer> = Vec::new();
    let same = |channels: usize| {
        let Layer::Conv2d(mut conv) = conv2d(channels, 3) else { unreachable!("a convolution") };
        conv.padding = 1.into();
        Layer::Conv2d(conv)
    };
    let mut sums = vec![format!("{name}.first")];
    found.push(NamedLayer::new(sums[0].clone(), same(8)));
    for (index, pair) in drawn.chunks_exact(2).enumerate() {
        let conv = format!("{name}.{index}");
        found.push(NamedLayer::new(conv.clone(), same(8)));
        found.push(NamedLayer::new(format!("{conv}.activation"), relu()));
        let from = sums[(pair[0] * sums.len() as f32) as usize].clone();
        let sum = format!("{name}.{index}.sum");
        let reads = [format!("{conv}.activation"), from];
        found.push(NamedLayer::new(sum.clone(), add()).with_inputs(reads.clone()));
        sums.push(sum.clone());
        if pair[1] < 0.3 {
            found.push(NamedLayer::new(format!("{sum}.wide"), concat()).with_inputs([sum, reads[1].clone()]));
            found.push(NamedLayer::new(format!("{conv}.narrow"), same(8)));
            sums.push(format!("{conv}.narrow"));
        }
    }
    Network::new([3, 16, 16], found).check().expect("maps of one size fit")
}

/// Linear layers one behind the other.
fn deep(layers: usize) -> CheckedNetwork {
    Network::chain([5], (0..layers).map(|_| linear(5))).check().expect("they fit")
}

/// Every kind of figure, with its file name.
pub(in crate::pictures) fn examples() -> Vec<(String, Picture)> {
    let drawn = |name: &str, of: &CheckedNetwork| (format!("network-{name}"), network(name, "12,345 parameters", of));
    let mut found: Vec<_> =
        NAMED.iter().map(|name| drawn(&name.replace([':', '?', ',', '='], "-"), &named(name))).collect();
    for (seed, layers) in [(1, 5), (2, 12), (3, 30)] {
        found.push(drawn(&format!("residual-{layers}"), &residual(seed, layers, "block")));
    }
    let long = "Größe des Gebäudes <in m²> & Straße №42 Ω".repeat(3);
    let (_, picture) = drawn(&long, &residual(4, 4, &long));
    found.push(("network-long-names".to_owned(), picture));
    found.push(drawn("deep", &deep(400)));
    found.push(drawn("one-layer", &deep(1)));
    found
}

#[test]
fn every_layer_with_weights_has_a_box_with_its_name_shape_and_parameters() {
    for (name, main, lines) in [("lenet5", 5, 1), ("alexnet", 8, 1), ("vgg16", 16, 1), ("unet", 27, 1), ("cnn", 7, 1)] {
        let network = named(name);
        let found = boxes(&network);
        let count = |form: Form| found.iter().filter(|node| node.form == form).count();
        assert_eq!((count(Form::Layer), count(Form::Line)), (main, lines), "{name}");
        let texts = texts(&super::network(name, "", &network));
        for layer in plexus_nn::summary::summary(&network).layers {
            if layer.counts.params_without_bias > 0 && layer.kind != "batch_norm" {
                assert!(has(&texts, &layer.name), "{name}: {}", layer.name);
                let shape = layer.output_shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
                assert!(has(&texts, &shape), "{name}: {shape}");
            }
        }
    }
    let texts = texts(&network("vgg16", "", &named("vgg16")));
    for wanted in
        ["102,764,544", "conv2d 3x3, relu", "512x7x7", "fully connected", "pool3  max 2x2", "pool5  max 2x2, flatten"]
    {
        assert!(has(&texts, wanted), "{wanted} in {texts:?}");
    }
}

#[test]
fn parameters_of_the_boxes_are_all_of_the_network() {
    for name in NAMED {
        let network = named(name);
        let sum: u64 = boxes(&network).iter().filter_map(|node| node.params.replace(',', "").parse::<u64>().ok()).sum();
        assert_eq!(sum, plexus_nn::summary::summary(&network).total.params, "{name}");
    }
}

#[test]
fn a_u_net_is_a_u_and_other_networks_are_not() {
    for name in NAMED {
        assert_eq!(shape_of_u(&boxes(&named(name))).is_some(), name.starts_with("unet"), "{name}");
    }
    assert!(shape_of_u(&boxes(&residual(1, 8, "block"))).is_none());
    let cut = |text: &String| text.contains('…');
    assert!(!texts(&network("unet", "", &named("unet"))).iter().any(cut));
    // Contracting boxes are on the left, expanding ones on the right, and the skips go straight across.
    let picture = network("unet", "", &named("unet"));
    let place = |wanted: &str| {
        let is = |mark: &&Mark| matches!(mark, Mark::Text { text, .. } if text == wanted);
        match picture.drawing.marks.iter().find(is) {
            Some(Mark::Text { x, y, .. }) => (*x, *y),
            _ => panic!("{wanted} is not drawn"),
        }
    };
    for level in 1..=4 {
        let (left, across) = (place(&format!("down{level}.conv2")), place(&format!("concat{level}")));
        assert!(left.0 < across.0 && (left.1 - across.1).abs() < 0.1, "{left:?} {across:?}");
        assert!(place(&format!("up{level}.conv2")).1 < place(&format!("up{level}.conv1")).1);
    }
    assert!(place("bottom.conv1").1 > place("up4").1 && place("bottom.conv1").1 > place("down4.conv2").1);
}

#[test]
fn skips_from_two_boxes_past_a_third_have_lanes_of_their_own() {
    let found = skips(&boxes(&residual(3, 30, "block")));
    let lanes = lanes(&found);
    assert!(found.len() >= 30);
    for (index, (one, lane)) in found.iter().zip(&lanes).enumerate() {
        for (other, other_lane) in found.iter().zip(&lanes).skip(index + 1) {
            assert!(
                lane != other_lane || one.0 == other.0 || one.1 <= other.0 || other.1 <= one.0,
                "{one:?} {other:?}"
            );
        }
    }
}

#[test]
fn the_middle_of_a_very_deep_network_is_one_line() {
    let texts = texts(&network("deep", "", &deep(400)));
    assert!(has(&texts, "… 282 boxes …") && has(&texts, "layers.399") && !has(&texts, "layers.200"), "{texts:?}");
}
