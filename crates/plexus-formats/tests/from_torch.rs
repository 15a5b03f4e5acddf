//! Weights that PyTorch saved compute what PyTorch computed.

use plexus_formats::{FormatError, parse_network, read_model, read_weights};
use plexus_kernels::Context;
use plexus_nn::{Params, Plan, Workspace};
use std::sync::Arc;

const BYTES: &[u8] = include_bytes!("../../../testdata/formats/mlp-from-torch.safetensors");
const CASE: &str = include_str!("../../../testdata/formats/mlp-from-torch.toml");

fn numbers(case: &toml::Table, key: &str) -> Vec<f64> {
    case[key].as_array().unwrap().iter().map(|value| value.as_float().unwrap()).collect()
}

#[test]
fn logits_are_those_that_pytorch_computed() {
    let case: toml::Table = CASE.parse().unwrap();
    let text = parse_network(case["network"].as_str().unwrap(), "mlp-from-torch.toml").unwrap();
    let network = Arc::new(text.into_checked(None).unwrap());
    assert_eq!(network.layout().weights_len() as i64, case["param_count"].as_integer().unwrap());
    let params = Params::from_tensors(&network, &read_weights(BYTES).unwrap()).unwrap();
    let inputs: Vec<f32> = numbers(&case, "inputs").iter().map(|&value| value as f32).collect();
    let plan = Plan::new(network.clone(), &params, Context::single());
    let mut workspace = Workspace::default();
    let logits = plan.run(network.batch(&inputs, 3).unwrap(), &mut workspace);
    let expected = numbers(&case, "logits");
    assert_eq!(logits.len(), expected.len());
    for (got, want) in logits.iter().zip(expected) {
        assert!((f64::from(*got) - want).abs() <= case["tolerance"].as_float().unwrap(), "{got} want {want}");
    }
}

#[test]
fn weights_alone_are_no_model_and_say_what_to_do() {
    let error = read_model(BYTES).unwrap_err();
    assert_eq!(error, FormatError::WeightsOnly);
    assert_eq!(
        error.to_string(),
        "this file holds weights only, without the network they belong to (metadata plexus.network)"
    );
}

#[test]
fn unaligned_numbers_are_read() {
    // Seven more spaces in the header leave the numbers at an odd address.
    let length = u64::from_le_bytes(BYTES[..8].try_into().unwrap()) as usize;
    let mut bytes = (length as u64 + 7).to_le_bytes().to_vec();
    bytes.extend(&BYTES[8..8 + length]);
    bytes.extend(b"       ");
    bytes.extend(&BYTES[8 + length..]);
    assert_eq!(read_weights(&bytes).unwrap(), read_weights(BYTES).unwrap());
}

#[test]
fn the_statistics_of_batch_normalization_get_our_name_and_its_counter_is_left_out() {
    let header = r#"{"norm.running_var":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
        "norm.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[4,12]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(2.5f32.to_le_bytes());
    bytes.extend(7i64.to_le_bytes());
    let tensors = read_weights(&bytes).unwrap();
    assert_eq!(tensors.len(), 1);
    assert_eq!((tensors[0].name.as_str(), &tensors[0].values[..]), ("norm.running_variance", &[2.5][..]));
}
