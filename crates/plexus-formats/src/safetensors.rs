//! One safetensors file for a network and its weights.
//!
//! ```text
//! 8 bytes   length of the header, little-endian
//! header    JSON: "__metadata__" (string to string), then name -> dtype, shape, data_offsets; spaces to a multiple of 8
//! data      the tensors, one after the other, little-endian, row-major: F32, and I8, I16, I32, I64 of layers of whole numbers
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
mod reader;

use crate::error::FormatError;
use crate::format::{ReadModel, Source, open_model};
use crate::limits::{MAX_HEADER_BYTES, MAX_LAYERS, is_name};
use header::{check_dtype, read_header};
use plexus_nn::custom::NotRegistered;
use plexus_nn::{CheckedNetwork, DType, LayerParams, Network, ParamEntry, Params, Tensor, bytes};
use reader::Reader;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::sync::Arc;

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

/// Opens a file of this format: the row of the table.
pub(crate) fn open<'a>(source: Box<dyn Source + 'a>) -> Result<Box<dyn ReadModel + 'a>, FormatError> {
    Ok(Box::new(Reader::new(source)?))
}

/// Writes a network, its weights and metadata as the bytes of one file.
///
/// # Errors
/// As [`write_model_to`].
///
/// # Panics
/// Where `params` belongs to another network.
///
/// # Examples
/// ```
/// use plexus_nn::{Network, Params, Shape, layers::Linear};
/// let network = Network::chain(Shape::new([2]), [Linear::new(3).into()]).check().unwrap();
/// let params = Params::initialize(&network, 1);
/// let bytes = plexus_formats::write_model(&network, &params, &Default::default()).unwrap();
/// assert_eq!(plexus_formats::read_model(&bytes).unwrap().1, params);
/// ```
pub fn write_model(
    network: &CheckedNetwork,
    params: &dyn LayerParams,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, FormatError> {
    let mut bytes = Vec::new();
    write_model_to(&mut bytes, network, params, metadata)?;
    Ok(bytes)
}

/// Writes a network, its weights and metadata as one file, tensor by tensor: no more memory is taken than for the header
/// and the largest layer.
///
/// # Errors
/// - [`FormatError::ReservedKey`]: the metadata has `plexus.format` or `plexus.network`
/// - [`FormatError::CannotWrite`]: the network has a constant that JSON has no word for, a name with control
///   characters or too many layers
/// - [`FormatError::HeaderTooLarge`]: the metadata are too long
/// - [`FormatError::Io`]: the writer fails; the others come before anything is written
///
/// # Panics
/// Where `params` belongs to another network.
pub fn write_model_to(
    writer: &mut dyn Write,
    network: &CheckedNetwork,
    params: &dyn LayerParams,
    metadata: &BTreeMap<String, String>,
) -> Result<(), FormatError> {
    let layout = network.layout();
    assert_eq!(layout, params.layout(), "the numbers belong to this network");
    let mut metadata = metadata.clone();
    let reserved = [(FORMAT_KEY, FORMAT_VERSION.to_string()), (NETWORK_KEY, network_json(network.network())?)];
    for (key, value) in reserved {
        if metadata.insert(key.to_string(), value).is_some() {
            return Err(FormatError::ReservedKey { key: key.to_string() });
        }
    }
    let header = header::write_header(layout, &metadata);
    if header.len() > MAX_HEADER_BYTES {
        return Err(FormatError::HeaderTooLarge { bytes: header.len() as u64, limit: MAX_HEADER_BYTES });
    }
    writer.write_all(&(header.len() as u64).to_le_bytes())?;
    writer.write_all(header.as_bytes())?;
    for index in 0..network.network().layers.len() {
        let entries = layout.entries_of(index);
        if entries.is_empty() {
            continue;
        }
        let (weights, state) = params.layer(index);
        let (weights_start, state_start) = (layout.weights_of(index).start, layout.state_of(index).start);
        for ParamEntry { range, trainable, dtype, .. } in entries {
            let (values, start) = if *trainable { (&weights, weights_start) } else { (&state, state_start) };
            bytes::write_as(*dtype, writer, &values[range.start - start..range.end - start])?;
        }
    }
    Ok(())
}

/// Reads a network, its weights and metadata from the bytes of one file.
///
/// Besides the bytes themselves, memory for the weights is taken, once header and network fit each other.
///
/// # Errors
/// [`FormatError`] for everything that is not a whole model; [`FormatError::WeightsOnly`] for weights without a network.
pub fn read_model(bytes: &[u8]) -> Result<ModelFile, FormatError> {
    let mut reader = open_model(Cursor::new(bytes))?;
    let network = reader.network().clone();
    let layout = network.layout();
    let mut params = Params::zeros(&network);
    for index in 0..network.network().layers.len() {
        let (weights, state) = (layout.weights_of(index), layout.state_of(index));
        reader.read_layer(index, &mut params.weights[weights], &mut params.state[state])?;
    }
    let metadata = reader.metadata().clone();
    drop(reader);
    Ok((Arc::unwrap_or_clone(network), params, metadata))
}

/// Reads the tensors of a file, with or without a network, for [`Params::from_tensors`].
///
/// Batch normalization as PyTorch saves it is taken too: `running_var` is called `running_variance` here, and the
/// counter `num_batches_tracked`, a whole number that prediction does not use, is left out.
///
/// # Errors
/// [`FormatError`] for everything that is not a whole safetensors file of F32 tensors.
pub fn read_weights(file: &[u8]) -> Result<Vec<Tensor<'static>>, FormatError> {
    let mut header = read_header(&mut Cursor::new(file))?;
    header.tensors.retain(|tensor| !(tensor.name.ends_with("num_batches_tracked") && tensor.dtype == "I64"));
    for tensor in &mut header.tensors {
        if tensor.name.ends_with(".running_var") {
            tensor.name += "iance";
        }
    }
    let data = &file[header.data_start as usize..];
    let read = header.tensors.into_iter().map(|tensor| {
        check_dtype(&tensor, DType::F32)?;
        let mut values = vec![0.0; tensor.range.len() / 4];
        bytes::read(&mut &data[tensor.range], &mut values)?;
        Ok(Tensor { name: tensor.name, shape: tensor.shape, values: Cow::Owned(values) })
    });
    read.collect()
}

fn parse_network_json(json: &str) -> Result<Network, FormatError> {
    let network: Network = serde_json::from_str(json).map_err(|error| match NotRegistered::in_network(json) {
        Some(error) => FormatError::NotRegistered(Box::new(error)),
        None => FormatError::BadNetwork { message: header::shown(&error.to_string()) },
    })?;
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
