//! A layer of a program's own, through the face: checked, learnt, saved, gone on with, and refused by who does not know it.

use plexus::custom::{CustomBackward, CustomForward, CustomLayer, Mismatch, ParamSpec, one};
use plexus::layers::{linear, relu};
use plexus::{
    Context, Dataset, Error, Event, Flow, FormatError, Init, Loss, Model, Network, Settings, Shape, Workspace,
};
use serde::{Deserialize, Serialize};

/// `output[b, f] = input[b, f] · scale[f]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scale {}

impl CustomLayer for Scale {
    const KIND: &'static str = "outside/scale";

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        Ok(one(inputs)?.clone())
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        vec![ParamSpec::new("scale", [inputs[0].last().unwrap_or(1)], Init::Ones)]
    }

    fn forward(&self, cx: CustomForward<'_>) {
        let scale = cx.params[0];
        for (at, output) in cx.output.iter_mut().enumerate() {
            *output = cx.inputs[0][at] * scale[at % scale.len()];
        }
    }

    fn backward(&self, cx: CustomBackward<'_>) {
        let (scale, features) = (cx.params[0], cx.params[0].len());
        for (at, grad) in cx.grad_output.iter().enumerate() {
            if let Some(grad_input) = &mut cx.grad_inputs[0] {
                grad_input[at] = grad * scale[at % features];
            }
            cx.grad_params[0][at % features] += grad * cx.inputs[0][at];
        }
    }
}

fn data() -> Dataset {
    Dataset::classes_from_fn(200, [3], ["low", "high"], |row, sample| {
        sample.iter_mut().enumerate().for_each(|(at, x)| *x = ((row * (7 * at + 5)) % 31) as f32 - 15.0);
        u32::from(sample.iter().sum::<f32>() > 0.0)
    })
    .expect("the rows fit")
}

fn network() -> Network {
    Network::chain([3], [linear(8), relu(), Scale {}.into(), linear(2)])
}

#[test]
fn a_layer_of_ones_own_is_a_layer_as_any_other() {
    plexus::register::<Scale>().expect("the kind is free");
    plexus::gradcheck::layer(Scale {}, [[3]]).expect("the gradients are right");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run");
    let settings = || Settings::new(Loss::cross_entropy()).epochs(8).batch(16).learning_rate(0.02);
    let whole = plexus::fit(network(), data(), settings(), |_| {}).expect("it learns");
    assert!(whole.model.evaluate(&data()).expect("it fits").outputs[0].metric() > 0.95);
    assert_ne!(whole.model.tensor("layers.2.scale").expect("it has one"), [1.0; 8], "it was learnt");

    // Stopped, gone on with, saved, opened: the same bits.
    let mut steps = 0;
    plexus::fit(network(), data(), settings().checkpoint(&path), |event| {
        steps += usize::from(matches!(event, Event::Step { .. }));
        if steps == 30 { Flow::Stop } else { Flow::Continue }
    })
    .expect("it stops");
    let checkpoint = std::fs::read(&path).expect("it is there");
    let gone_on = plexus::fit(network(), data(), settings().checkpoint(&path), |_| {}).expect("it goes on");
    let bytes = whole.model.to_bytes().expect("it is written");
    assert_eq!(gone_on.model.to_bytes().expect("it is written"), bytes);
    let opened = Model::from_bytes(&bytes, Context::single()).expect("it opens");
    let row = [3.0, -4.0, 9.0];
    let answer = |model: &Model| model.predict(&row, 1, &mut Workspace::default()).expect("it fits").to_vec();
    assert_eq!(answer(&opened), answer(&whole.model));

    // Who does not know the kind says which crate is missing.
    let foreign = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let places: Vec<usize> = (0..bytes.len() - 13).filter(|&at| &bytes[at..at + 13] == b"outside/scale").collect();
        assert!(!places.is_empty());
        places.iter().for_each(|&at| bytes[at..at + 7].copy_from_slice(b"another"));
        bytes
    };
    let says = "layer `layers.2` is of the kind `scale` of the crate `another`, which this program has not registered";
    let Err(Error::Format { source, .. }) = Model::from_bytes(&foreign(&bytes), Context::single()) else {
        panic!("nobody has registered it")
    };
    assert!(matches!(*source, FormatError::NotRegistered(_)) && source.to_string().contains(says), "{source}");
    let mut other = foreign(&checkpoint);
    let end = other.len() - 4;
    let checksum = crc32c::crc32c(&other[..end]).to_le_bytes();
    other[end..].copy_from_slice(&checksum);
    std::fs::write(&path, other).expect("it is written");
    let error = plexus::fit(network(), data(), settings().checkpoint(&path), |_| {}).expect_err("nobody knows it");
    let Error::Checkpoint { source, .. } = error else { panic!("{error}") };
    assert!(source.to_string().contains(says), "{source}");
}
