//! Model files: bytes to networks and weights, and back.
//!
//! Is this the crate you want? To open a model and predict, use `plexus`. Here are functions from bytes to values of
//! `plexus-nn` and back, without any file being opened: [`parse_network`] and [`write_network`] for a network in text,
//! [`open_model`] and [`write_model_to`] for a network with its weights, layer by layer, [`read_model`] and
//! [`write_model`] for the same in memory, [`read_weights`] for weights from elsewhere.
//!
//! Start reading in [`mod@format`]: the formats are a table. What a file from outside may cost is in [`limits`].
//!
//! Everything that comes from a file is checked before it is used: a mistake or a hostile file ends in a
//! [`FormatError`] that says what is wrong and where, never in a panic, and takes memory in proportion to its size.
//!
//! Deliberately not here: opening files, checkpoints of a training, data sets.
#![forbid(unsafe_code)]

mod error;
pub mod format;
pub mod limits;
mod safetensors;
#[cfg(feature = "toml")]
mod text;

pub use error::FormatError;
pub use format::{FORMATS, Format, ReadModel, open_model, sniff};
pub use safetensors::{FORMAT_VERSION, ModelFile, read_model, read_weights, write_model, write_model_to};
#[cfg(feature = "toml")]
pub use text::{NetworkText, TextError, parse_network, write_network};
