//! Property: what is written is read back the same, for random networks over all layer kinds.

mod common;

use common::{Random, params_with_odd_values, random_network};
use plexus_formats::{parse_network, read_model, write_model, write_network};
use plexus_nn::layers::{KINDS, Layer, Linear};
use plexus_nn::{DType, Network, Params, Shape};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn a_network_written_as_text_is_read_back_the_same() {
    let mut kinds = BTreeSet::new();
    for seed in 0..1500 {
        let network = random_network(&mut Random(seed));
        kinds.extend(network.layers.iter().map(|named| named.layer.kind()));
        let text = write_network(&network).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let read = parse_network(&text, "text").unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
        assert_eq!(read.into_network(None).unwrap(), network, "seed {seed}\n{text}");
    }
    assert_eq!(kinds, KINDS.iter().copied().collect(), "the generator makes every kind");
}

#[test]
fn a_model_written_to_bytes_is_read_back_the_same() {
    let mut kinds = BTreeSet::new();
    for seed in 0..1200 {
        let mut random = Random(seed);
        let network = random_network(&mut random).check().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        kinds.extend(network.network().layers.iter().map(|named| named.layer.kind()));
        let params = params_with_odd_values(&network, &mut random);
        let metadata: BTreeMap<String, String> =
            (0..random.below(4)).map(|at| (format!("key {at} é\""), format!("value\n{at}"))).collect();
        let bytes = write_model(&network, &params, &metadata).unwrap();
        let (read_network, read_params, read_metadata) = read_model(&bytes).unwrap();
        assert_eq!(read_network.network(), network.network(), "seed {seed}");
        assert_eq!(bits(&read_params), bits(&params), "seed {seed}");
        assert_eq!(read_metadata, metadata, "seed {seed}");
        assert_eq!(write_model(&read_network, &read_params, &read_metadata).unwrap(), bytes, "seed {seed}");
        let theirs =
            safetensors::SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(theirs.len(), params.tensors().count(), "seed {seed}");
        for (entry, values) in params.tensors() {
            let tensor = theirs.tensor(&entry.name).unwrap();
            let raw: Vec<u8> = match entry.dtype {
                DType::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
                dtype => values
                    .iter()
                    .flat_map(|value| (*value as i64).to_le_bytes().into_iter().take(dtype.size()))
                    .collect(),
            };
            let theirs_type = format!("{:?}", tensor.dtype()).to_lowercase();
            assert_eq!(theirs_type, entry.dtype.name(), "seed {seed}: {}", entry.name);
            assert_eq!((tensor.shape(), tensor.data()), (&entry.shape[..], &raw[..]), "seed {seed}: {}", entry.name);
        }
    }
    assert_eq!(kinds, KINDS.iter().copied().collect(), "the generator makes every kind");
}

/// The bits, because NaN is not equal to itself.
fn bits(params: &Params) -> Vec<u32> {
    params.weights.iter().chain(params.state.iter()).map(|value| value.to_bits()).collect()
}

#[test]
fn numbers_start_at_a_multiple_of_eight_bytes() {
    for width in 1..20 {
        let network = Network::chain(Shape::new([width]), [Linear::new(3).into()]).check().unwrap();
        let bytes = write_model(&network, &Params::initialize(&network, 1), &BTreeMap::new()).unwrap();
        assert_eq!(u64::from_le_bytes(bytes[..8].try_into().unwrap()) % 8, 0);
    }
}

#[test]
fn what_cannot_be_read_back_is_not_written() {
    let layer: Layer = Linear::new(3).with_weight_init(plexus_nn::Init::Uniform { bound: 1.0 }).into();
    let odd = Network::chain(Shape::new([2]), [layer]);
    assert!(write_network(&odd).unwrap_err().to_string().contains("cannot be written"));
    let infinite = plexus_kernels::map::Function::LeakyRelu { slope: f32::INFINITY };
    let odd = Network::chain(Shape::new([2]), [plexus_nn::layers::Activation::new(infinite).into()]);
    assert!(write_network(&odd).unwrap_err().to_string().contains("not a finite number"));
    let checked = odd.check().unwrap();
    let refusal = write_model(&checked, &Params::zeros(&checked), &BTreeMap::new()).unwrap_err();
    assert!(refusal.to_string().contains("cannot be written"), "{refusal}");
    let network = Network::chain(Shape::new([2]), [Linear::new(1).into()]).check().unwrap();
    let metadata = BTreeMap::from([("plexus.network".to_string(), String::new())]);
    let refusal = write_model(&network, &Params::zeros(&network), &metadata).unwrap_err();
    assert!(refusal.to_string().contains("kept for the format"), "{refusal}");
}

#[test]
fn the_largest_network_that_is_allowed_fits_the_limits() {
    let layers = (0..plexus_formats::limits::MAX_LAYERS).map(|_| plexus_nn::layers::BatchNorm::default().into());
    let network = Network::chain(Shape::new([1]), layers);
    let text = write_network(&network).unwrap();
    assert_eq!(parse_network(&text, "text").unwrap().into_network(None).unwrap(), network);
    let network = network.check().unwrap();
    let params = Params::zeros(&network);
    let bytes = write_model(&network, &params, &BTreeMap::new()).unwrap();
    assert_eq!(read_model(&bytes).unwrap().1, params);
}

#[test]
fn tensors_of_no_elements_are_written_and_read() {
    let layers = [Linear::new(0).into(), Linear::new(3).into()];
    let network = Network::chain(Shape::new([2]), layers).check().unwrap();
    let params = Params::initialize(&network, 1);
    let bytes = write_model(&network, &params, &BTreeMap::new()).unwrap();
    assert_eq!(read_model(&bytes).unwrap().1, params);
    // The text form refuses a size of zero, so it does not write one.
    assert!(write_network(network.network()).unwrap_err().to_string().contains("`out_features` is 0"));
}
