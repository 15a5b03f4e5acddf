//! Weights by the names of torchvision's alexnet and vgg16 and of a common U-Net give PyTorch's answers.
//!
//! The numbers of weights and images are made by formulas, here as in Python, so no file of half a gigabyte is needed.
//! `PLEXUS_INPUTS=200` compares the classes of all images that the case files have; otherwise a few.

#[path = "../../../testdata/make/made.rs"]
mod made;

use made::{image, tensor};
use plexus::{Context, Model, NamedNetwork, Pool, Workspace};
use plexus_kernels::gemm::Precision;
use plexus_nn::Shape;

/// A safetensors file as PyTorch's model would be saved.
fn weights(named: &NamedNetwork) -> Vec<u8> {
    let input = named.input().expect("these networks have sizes");
    let classes = named.outputs().expect("these networks have classes");
    let network = named.build(input, &[("output".to_string(), classes)]).unwrap().check().unwrap();
    let names = named.torch_names().expect("these networks have names elsewhere");
    let (mut header, mut data) = (String::new(), Vec::new());
    for entry in network.layout().entries() {
        let (layer, role) = entry.name.rsplit_once('.').unwrap();
        let theirs = &names.iter().find(|(ours, _)| ours == layer).unwrap().1;
        let name = format!("{theirs}.{}", if role == "running_variance" { "running_var" } else { role });
        let start = data.len();
        data.extend(tensor(&name, &entry.shape).into_iter().flat_map(f32::to_le_bytes));
        let comma = if header.is_empty() { "" } else { "," };
        let place = format!("[{start},{}]", data.len());
        header += &format!(r#"{comma}"{name}":{{"dtype":"F32","shape":{:?},"data_offsets":{place}}}"#, entry.shape);
    }
    let header = format!("{{{header}}}");
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.into_bytes());
    file.extend(data);
    file
}

/// How far the default precision may be off, by the largest output; `highest` is held to 1e-4, and both stay far below.
const STANDARD: f64 = 1e-4;

/// How near two scores of a pixel are, of the largest output, where its class may be either: a few times the error.
const NEAR: f64 = 5e-6;

fn check(case: &str, few: usize) {
    let case: toml::Table = case.parse().unwrap();
    let numbers = |key: &str| -> Vec<f64> {
        case[key].as_array().unwrap().iter().map(|value| value.as_float().unwrap()).collect()
    };
    let classes: Vec<usize> =
        case["classes"].as_array().unwrap().iter().map(|class| class.as_integer().unwrap() as usize).collect();
    let (outputs, step) = (numbers("outputs"), case["step"].as_integer().unwrap() as usize);
    let largest = case["largest"].as_float().unwrap();
    let shape = case["input"].as_array().unwrap().iter().map(|size| size.as_integer().unwrap() as usize);
    let shape: [usize; 3] = shape.collect::<Vec<_>>().try_into().unwrap();
    let named = NamedNetwork::parse(case["network"].as_str().unwrap()).unwrap();
    let count = std::env::var("PLEXUS_INPUTS").map_or(few, |count| count.parse().expect("PLEXUS_INPUTS is a number"));
    let bytes = weights(&named);
    for (precision, bound) in [(Precision::Highest, 1e-4), (Precision::Standard, STANDARD)] {
        let context = Context::detect(Pool::new(2)).with_precision(precision);
        let mut model = Model::from_torch(&named, &bytes, context.clone()).unwrap();
        if model.inputs()[0].shape.axes() != shape {
            // U-Net is measured on smaller images than it was made for.
            let (params, task) = (model.params(), model.task().clone());
            let names = named.torch_names().unwrap();
            for entry in model.network().layout().entries() {
                let (layer, role) = entry.name.rsplit_once('.').unwrap();
                let theirs = &names.iter().find(|(ours, _)| ours == layer).unwrap().1;
                let name = format!("{theirs}.{}", if role == "running_variance" { "running_var" } else { role });
                assert!(params.values(entry) == tensor(&name, &entry.shape), "{}", entry.name);
            }
            let classes = named.outputs().unwrap();
            let network = named.build(Shape::new(shape), &[("output".to_string(), classes)]).unwrap().check().unwrap();
            model = Model::new(std::sync::Arc::new(network), &params, task, context).unwrap();
        }
        let mut workspace = Workspace::default();
        let mut agree = 0;
        let mut most: f64 = 0.0;
        for (row, wanted) in classes.iter().enumerate().take(count) {
            let scores = model.scores(&image(row as u32, &shape), 1, &mut workspace).unwrap();
            if row == 0 {
                for (got, want) in scores.iter().step_by(step).zip(&outputs) {
                    most = most.max((f64::from(*got) - want).abs() / largest);
                }
            }
            let class = match scores.len() {
                1000 => (0..1000).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap(),
                // Pixels of the second of two classes.
                len => (0..len / 2).filter(|&at| scores[len / 2 + at] > scores[at]).count(),
            };
            // Pixels whose two scores are as near to each other as rounding may tell one from the other. The exact form has
            // to decide them alike too.
            let near = |&at: &usize| {
                let apart = f64::from((scores[scores.len() / 2 + at] - scores[at]).abs());
                precision != Precision::Highest && apart <= NEAR * largest
            };
            let undecided = if scores.len() == 1000 { 0 } else { (0..scores.len() / 2).filter(near).count() };
            if class != *wanted {
                println!("{}: image {row} has {class} instead of {wanted}, {undecided} pixels near", named.name());
            }
            agree += usize::from(class.abs_diff(*wanted) <= undecided);
        }
        let (name, count) = (named.name(), count.min(classes.len()));
        println!("{name}, {}: {most:.1e} of the largest output, {agree} of {count} the same", precision.name());
        assert!(most <= bound, "{name} {precision:?}: {most} of the largest output");
        assert_eq!(agree, count, "{name} {precision:?}: the same classes");
    }
}

#[test]
fn alexnet_answers_as_torchvisions() {
    check(include_str!("../../../testdata/torch_models/alexnet.toml"), 20);
}

#[test]
fn vgg16_answers_as_torchvisions() {
    check(include_str!("../../../testdata/torch_models/vgg16.toml"), 3);
}

#[test]
fn unet_answers_as_in_pytorch() {
    check(include_str!("../../../testdata/torch_models/unet.toml"), 20);
}

#[test]
fn weights_of_another_network_are_refused_with_their_differences() {
    let small = NamedNetwork::parse("unet?padding=same&batch_norm=true&width=4&depth=1").unwrap();
    let bytes = weights(&small);
    Model::from_torch(&small, &bytes, Context::single()).unwrap();
    let refused = |name: &str, bytes: &[u8]| {
        Model::from_torch(&NamedNetwork::parse(name).unwrap(), bytes, Context::single()).unwrap_err().to_string()
    };
    let wider = refused("unet?padding=same&batch_norm=true&width=8&depth=1", &bytes);
    assert!(
        wider.contains("inc.double_conv.0.weight is [4, 1, 3, 3], expected [8, 1, 3, 3] (down1.conv1.weight)"),
        "{wider}"
    );
    let deeper = refused("unet?padding=same&batch_norm=true&width=4&depth=2", &bytes);
    assert!(deeper.contains("is missing (up2.up.weight)") || deeper.contains("more"), "{deeper}");
    let other = refused("vgg11", &bytes);
    assert!(other.contains("inc.double_conv.0.weight [4, 1, 3, 3] belongs to no layer"), "{other}");
    assert!(refused("lenet5", &bytes).contains("no names of its layers"), "lenet5");
    assert!(refused("vgg11", &bytes[..100]).contains("cannot open the model in the given bytes"), "cut");
}
