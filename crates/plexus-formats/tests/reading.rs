//! A model is read layer by layer: first what it is, then its numbers, in any order.

mod common;

use common::{Random, params_with_odd_values, random_network};
use plexus_formats::{FormatError, ReadModel, open_model, write_model, write_model_to};
use plexus_nn::layers::Linear;
use plexus_nn::{CheckedNetwork, LayerParams, Network, Params, Shape};
use std::collections::BTreeMap;
use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom, Write};

/// Bytes that count how many of them were read, and end with an error.
struct Watched<'a> {
    bytes: Cursor<&'a [u8]>,
    read: &'a std::cell::Cell<usize>,
    fails_at: usize,
}

impl Read for Watched<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.read.get() >= self.fails_at {
            return Err(io::Error::other("the disk is gone"));
        }
        let read = self.bytes.read(to)?;
        self.read.set(self.read.get() + read);
        Ok(read)
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn read_layer(model: &mut dyn ReadModel, network: &CheckedNetwork, layer: usize) -> Result<[Vec<f32>; 2], FormatError> {
    let layout = network.layout();
    let mut weights = vec![0.0; layout.weights_of(layer).len()];
    let mut state = vec![0.0; layout.state_of(layer).len()];
    model.read_layer(layer, &mut weights, &mut state)?;
    Ok([weights, state])
}

#[test]
fn layers_are_read_in_any_order() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let network = random_network(&mut random).check().expect("the generator makes networks that fit");
        let params = params_with_odd_values(&network, &mut random);
        let file = write_model(&network, &params, &BTreeMap::new()).expect("it can be written");
        let mut model = open_model(Cursor::new(&file)).expect("it reads");
        let count = network.network().layers.len();
        let order = (0..count).chain((0..count).rev()).chain((0..count).step_by(2));
        for layer in order {
            let [weights, state] = read_layer(&mut *model, &network, layer).expect("the numbers are there");
            let (want_weights, want_state) = params.layer(layer);
            assert_eq!(bits(&weights), bits(&want_weights), "seed {seed}, layer {layer}");
            assert_eq!(bits(&state), bits(&want_state), "seed {seed}, layer {layer}");
        }
    }
}

#[test]
fn numbers_are_not_read_before_they_are_asked_for() {
    let layers = [Linear::new(300).into(), Linear::new(200).into()];
    let network = Network::chain(Shape::new([100]), layers).check().expect("it fits");
    let params = Params::initialize(&network, 1);
    let file = write_model(&network, &params, &BTreeMap::new()).expect("it can be written");
    let numbers = 4 * network.layout().weights_len();
    let read = std::cell::Cell::new(0);
    let header = file.len() - numbers;
    let source = Watched { bytes: Cursor::new(&file), read: &read, fails_at: header + 4 * 300 * 101 };
    let mut model = open_model(source).expect("the header reads");
    // The first sixteen bytes are looked at twice.
    assert!(read.get() <= header + 16, "{} bytes read of a header of {header}", read.get());
    read_layer(&mut *model, &network, 0).expect("the first layer is there");
    match read_layer(&mut *model, &network, 1) {
        Err(FormatError::Io { message, .. }) => assert_eq!(message, "the disk is gone"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_writer_that_fails_is_an_error() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let network = Network::chain(Shape::new([10]), [Linear::new(3).into()]).check().expect("it fits");
    let (params, metadata) = (Params::initialize(&network, 1), BTreeMap::new());
    let len = write_model(&network, &params, &metadata).expect("it can be written").len();
    for room in 0..len {
        match write_model_to(&mut Full(room), &network, &params, &metadata) {
            Err(FormatError::Io { kind, .. }) => assert_eq!(kind, ErrorKind::StorageFull),
            other => panic!("{room} of {len} bytes: {other:?}"),
        }
    }
    write_model_to(&mut Full(len), &network, &params, &metadata).expect("there is room");
}

#[test]
fn files_of_earlier_versions_have_other_names_for_some_kinds() {
    let text = "input = [3]\n[[layer]]\nkind = \"standardise\"\nper_feature = true\n[[layer]]\nkind = \"dense\"\n\
                out_features = 2\nnormaliser = \"batch_norm\"\n";
    let network =
        plexus_formats::parse_network(text, "old.toml").expect("it reads").into_network(None).expect("it fits");
    let present = text.replace("standardise", "standardize").replace("normaliser", "normalizer");
    assert_eq!(plexus_formats::parse_network(&present, "new.toml").unwrap().into_network(None).unwrap(), network);
    let json = serde_json::to_string(&network).expect("it is written");
    assert!(json.contains("\"standardize\""));
    let old: plexus_nn::Network = serde_json::from_str(&json.replace("standardize", "standardise")).expect("it reads");
    assert_eq!(old, network);
}

#[test]
fn constants_that_a_layer_cannot_have_are_refused_with_the_layer() {
    let network = Network::chain([4], [plexus_nn::layers::sparse_linear(2, 3)]).check().expect("it fits");
    let mut params = Params::initialize(&network, 1);
    let whole = write_model(&network, &params, &BTreeMap::new()).expect("it can be written");
    plexus_formats::read_model(&whole).expect("it reads");
    params.set("layers.0.columns", &[0.0, 1.0, 4.0]);
    let damaged = write_model(&network, &params, &BTreeMap::new()).expect("it can be written");
    let error = plexus_formats::read_model(&damaged).expect_err("there is no fifth column").to_string();
    for part in ["layers.0 (sparse_linear)", "columns", "0 to 3", "4 for weight 2"] {
        assert!(error.contains(part), "{error}");
    }
}
