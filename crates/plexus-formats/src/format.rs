//! The formats of model files, as a table.

use crate::error::FormatError;
use crate::safetensors::{self, ModelFile};
use plexus_nn::{CheckedNetwork, Params};
use std::collections::BTreeMap;

/// Writes a network, its weights and metadata.
pub type Write = fn(&CheckedNetwork, &Params, &BTreeMap<String, String>) -> Result<Vec<u8>, FormatError>;

/// A row of the table of formats.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The name in commands and messages.
    pub name: &'static str,
    /// Extensions of file names, without the dot; the first is the one to write.
    pub extensions: &'static [&'static str],
    /// Whether the first bytes look like this format.
    pub sniff: fn(&[u8]) -> bool,
    /// Reads a network and its weights.
    pub read: fn(&[u8]) -> Result<ModelFile, FormatError>,
    /// Writes them.
    pub write: Write,
}

/// Every format.
pub const FORMATS: &[Format] = &[Format {
    name: "safetensors",
    extensions: &["safetensors"],
    sniff: safetensors::looks_like,
    read: safetensors::read_model,
    write: safetensors::write_model,
}];

/// The format that the first bytes of a file look like. Sixteen bytes are enough.
///
/// # Examples
/// ```
/// assert_eq!(plexus_formats::sniff(b"\x02\0\0\0\0\0\0\0{}").unwrap().name, "safetensors");
/// assert!(plexus_formats::sniff(b"\x89PNG\r\n\x1a\n").is_none());
/// ```
pub fn sniff(bytes: &[u8]) -> Option<&'static Format> {
    FORMATS.iter().find(|format| (format.sniff)(bytes))
}
