//! One safetensors file for a network and its weights.
//!
//! ```text
//! 8 bytes   length of the header, little-endian
//! header    JSON: "__metadata__" (string to string), then name -> dtype, shape, data_offsets; spaces to a multiple of 8
//! data      the tensors, one after the other, F32 little-endian, row-major
//! ```
//!
//! The tensors stand in the order of the layers, under dotted names such as `layers.0.weight`. The metadata has
//! `plexus.format` (the version, "1"), `plexus.network` (the network as JSON) and what the caller adds; keys are sorted,
//! so the same model gives the same bytes. Any program that reads safetensors can read the weights.
//!
//! The format has no checksum: every bit pattern of the data is a legal number, so damage inside the weights cannot be
//! found, and damage inside the header is found where it breaks the structure.
//!
//! # Source
//! The format: the description in the repository of the `safetensors` library (Hugging Face), version 0.8.

mod header;

use crate::error::FormatError;
use crate::limits::{MAX_HEADER_BYTES, MAX_LAYERS, MAX_UNBACKED_ELEMENTS};
use crate::text::is_name;
use header::{Header, parse_header};
use plexus_nn::{CheckedNetwork, Network, Params, Tensor};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The version of what Plexus keeps in the metadata.
pub const FORMAT_VERSION: u64 = 1;

const FORMAT_KEY: &str = "plexus.format";
const NETWORK_KEY: &str = "plexus.network";

/// What a model file holds: a network, its numbers, and what the writer added (labels, where the model is from).
pub type ModelFile = (CheckedNetwork, Params, BTreeMap<String, String>);

/// Whether the first bytes look like a safetensors file.
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    matches!(bytes.split_first_chunk::<8>(), Some((length, [b'{', ..]))
        if u64::from_le_bytes(*length) <= MAX_HEADER_BYTES as u64)
}

/// Writes a network, its weights and metadata as the bytes of one file.
///
/// # Errors
/// - [`FormatError::ReservedKey`]: the metadata has `plexus.format` or `plexus.network`
/// - [`FormatError::CannotWrite`]: the network has a constant that JSON has no word for, a name with control
///   characters or too many layers
/// - [`FormatError::HeaderTooLarge`]: the metadata are too long
///
/// # Panics
/// Where `params` belongs to another network.
///
/// # Examples
/// ```
/// use plexus_nn::{Network, Params, Shape, layers::Linear};
/// let network = Network::chain(Shape::new([2]), [Linear::new(3).into()]).check().unwrap();
/// let params = Params::initialise(&network, 1);
/// let bytes = plexus_formats::write_model(&network, &params, &Default::default()).unwrap();
/// assert_eq!(plexus_formats::read_model(&bytes).unwrap().1, params);
/// ```
pub fn write_model(
    network: &CheckedNetwork,
    params: &Params,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, FormatError> {
    assert_eq!(network.layout(), params.layout(), "the numbers belong to this network");
    let mut metadata = metadata.clone();
    let reserved = [(FORMAT_KEY, FORMAT_VERSION.to_string()), (NETWORK_KEY, network_json(network.network())?)];
    for (key, value) in reserved {
        if metadata.insert(key.to_string(), value).is_some() {
            return Err(FormatError::ReservedKey { key: key.to_string() });
        }
    }
    let (header, data_len) = header::write_header(params, &metadata);
    if header.len() > MAX_HEADER_BYTES {
        return Err(FormatError::HeaderTooLarge { bytes: header.len() as u64, limit: MAX_HEADER_BYTES });
    }
    let mut bytes = Vec::with_capacity(8 + header.len() + data_len);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header.as_bytes());
    for (_, values) in params.tensors() {
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    Ok(bytes)
}

/// Reads a network, its weights and metadata from the bytes of one file.
///
/// Besides the bytes themselves, memory for twice the weights is taken.
///
/// # Errors
/// [`FormatError`] for everything that is not a whole model; [`FormatError::WeightsOnly`] for weights without a network.
pub fn read_model(bytes: &[u8]) -> Result<ModelFile, FormatError> {
    let header = parse_header(bytes)?;
    let mut metadata = header.metadata.clone();
    let Some(json) = metadata.remove(NETWORK_KEY) else {
        return Err(FormatError::WeightsOnly);
    };
    check_version(metadata.remove(FORMAT_KEY))?;
    let network = parse_network_json(&json)?.check().map_err(FormatError::Network)?;
    check_backed(&network, &header)?;
    let tensors = tensors(&header, bytes)?;
    let params = Params::from_tensors(&network, &tensors).map_err(|mut error| {
        error.got = header::shown(&error.got);
        FormatError::Weights(error)
    })?;
    Ok((network, params, metadata))
}

/// Reads the tensors of a file, with or without a network, for [`Params::from_tensors`].
///
/// Batch normalisation as PyTorch saves it is taken too: `running_var` is called `running_variance` here, and the
/// counter `num_batches_tracked`, a whole number that prediction does not use, is left out.
///
/// # Errors
/// [`FormatError`] for everything that is not a whole safetensors file of F32 tensors.
pub fn read_weights(bytes: &[u8]) -> Result<Vec<Tensor<'static>>, FormatError> {
    let mut header = parse_header(bytes)?;
    header.tensors.retain(|tensor| !(tensor.name.ends_with("num_batches_tracked") && tensor.dtype == "I64"));
    for tensor in &mut header.tensors {
        if tensor.name.ends_with(".running_var") {
            tensor.name += "iance";
        }
    }
    tensors(&header, bytes)
}

/// The values of all tensors. The header may leave them at any address, so each number is put together from its bytes.
fn tensors(header: &Header, bytes: &[u8]) -> Result<Vec<Tensor<'static>>, FormatError> {
    let data = &bytes[header.data_start..];
    let read = header.tensors.iter().map(|tensor| {
        if tensor.dtype != "F32" {
            return Err(FormatError::DataType { tensor: tensor.name.clone(), dtype: tensor.dtype.clone() });
        }
        let (chunks, _) = data[tensor.range.clone()].as_chunks::<4>();
        let values: Vec<f32> = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect();
        Ok(Tensor { name: tensor.name.clone(), shape: tensor.shape.clone(), values: Cow::Owned(values) })
    });
    read.collect()
}

/// Refuses networks for whose weights more memory would be taken than the file justifies.
fn check_backed(network: &CheckedNetwork, header: &Header) -> Result<(), FormatError> {
    let declared = network.layout().weights_len() + network.layout().state_len();
    let found = header.tensors.iter().map(|tensor| tensor.range.len() / 4).sum();
    if declared > found && declared > MAX_UNBACKED_ELEMENTS {
        return Err(FormatError::WeightsTooFew { declared, found });
    }
    Ok(())
}

fn check_version(version: Option<String>) -> Result<(), FormatError> {
    let known = FORMAT_VERSION;
    match version.as_deref().map(str::parse::<u64>) {
        Some(Ok(version)) if (1..=known).contains(&version) => Ok(()),
        Some(Ok(version)) if version > known => Err(FormatError::NewerFormat { version, known }),
        _ => {
            let got = version
                .map_or("missing".to_string(), |text| format!("{:?}", text.chars().take(40).collect::<String>()));
            Err(FormatError::BadVersion { got, known })
        }
    }
}

fn parse_network_json(json: &str) -> Result<Network, FormatError> {
    let network: Network = serde_json::from_str(json)
        .map_err(|error| FormatError::BadNetwork { message: header::shown(&error.to_string()) })?;
    if network.layers.len() > MAX_LAYERS {
        return Err(FormatError::TooMany { what: "layers", limit: MAX_LAYERS });
    }
    let bad =
        network.layers.iter().find(|named| !is_name(&named.name) || named.inputs.iter().any(|name| !is_name(name)));
    if let Some(name) = bad.map(|named| &named.name) {
        let message = format!("the name \"{}\" cannot be used", header::shown(name));
        return Err(FormatError::BadNetwork { message });
    }
    Ok(network)
}

/// The network as JSON that is known to read back the same.
fn network_json(network: &Network) -> Result<String, FormatError> {
    let cannot = |reason: String| FormatError::CannotWrite { what: "the network".to_string(), reason };
    let json = serde_json::to_string(network).map_err(|error| cannot(error.to_string()))?;
    match parse_network_json(&json) {
        Ok(read) if read == *network => Ok(json),
        Ok(_) => Err(cannot("it would be read back as another network".to_string())),
        Err(error) => Err(cannot(error.to_string())),
    }
}
