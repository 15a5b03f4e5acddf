//! Reads a model file tensor by tensor.

use super::header::{self, Header, TensorHeader, read_header};
use super::{FORMAT_KEY, FORMAT_VERSION, NETWORK_KEY, parse_network_json};
use crate::error::FormatError;
use crate::format::ReadModel;
use crate::limits::MAX_UNBACKED_ELEMENTS;
use plexus_nn::{CheckedNetwork, DType, ParamEntry, bytes};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

/// A model file of which the header is read and fits the network.
pub(crate) struct Reader<R> {
    source: R,
    network: Arc<CheckedNetwork>,
    metadata: BTreeMap<String, String>,
    /// Where the numbers of each entry begin in the file.
    places: Vec<u64>,
    /// Where the source stands.
    at: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads header and network and holds them against each other: every tensor is there, with its shape, and no other.
    pub fn new(mut source: R) -> Result<Self, FormatError> {
        let Header { mut metadata, tensors, data_start } = read_header(&mut source)?;
        let Some(json) = metadata.remove(NETWORK_KEY) else {
            return Err(FormatError::WeightsOnly);
        };
        check_version(metadata.remove(FORMAT_KEY))?;
        let network = parse_network_json(&json)?.check().map_err(|error| FormatError::Network(Box::new(error)))?;
        drop(json);
        let layout = network.layout();
        let declared = layout.weights_len() + layout.state_len();
        let numbers = |tensor: &TensorHeader| tensor.range.len() / tensor.known_dtype().unwrap_or_default().size();
        let found = tensors.iter().map(numbers).sum();
        if declared > found && declared > MAX_UNBACKED_ELEMENTS {
            return Err(FormatError::WeightsTooFew { declared, found });
        }
        let given = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice()));
        let assigned = layout.assign(given).map_err(|mut error| {
            error.got = header::shown(&error.got);
            FormatError::Weights(Box::new(error))
        })?;
        let fitting = layout.entries().iter().zip(&assigned);
        fitting.into_iter().try_for_each(|(entry, &index)| header::check_dtype(&tensors[index], entry.dtype))?;
        let places = assigned.iter().map(|&index| data_start + tensors[index].range.start as u64).collect();
        let at = source.stream_position()?;
        Ok(Reader { source, network: Arc::new(network), metadata, places, at })
    }

    /// Reads the numbers of the entry with this index; they are as many as its shape says, which was checked.
    fn read(&mut self, index: usize, dtype: DType, to: &mut [f32]) -> Result<(), FormatError> {
        let place = self.places[index];
        if self.at != place {
            self.source.seek(SeekFrom::Start(place))?;
        }
        bytes::read_as(dtype, &mut self.source, to)?;
        self.at = place + (to.len() * dtype.size()) as u64;
        Ok(())
    }
}

impl<R: Read + Seek> ReadModel for Reader<R> {
    fn network(&self) -> &Arc<CheckedNetwork> {
        &self.network
    }

    fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    fn read_layer(&mut self, index: usize, weights: &mut [f32], state: &mut [f32]) -> Result<(), FormatError> {
        let layout = self.network.layout().clone();
        let starts = [layout.state_of(index).start, layout.weights_of(index).start];
        let first = layout.first_entry_of(index);
        for (at, ParamEntry { range, trainable, dtype, .. }) in layout.entries_of(index).iter().enumerate() {
            let (to, start) = if *trainable { (&mut *weights, starts[1]) } else { (&mut *state, starts[0]) };
            self.read(first + at, *dtype, &mut to[range.start - start..range.end - start])?;
        }
        self.network.check_params(index, weights, state).map_err(|error| FormatError::Weights(Box::new(error)))
    }
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
