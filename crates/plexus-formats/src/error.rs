//! Why a file is refused.

#[cfg(feature = "toml")]
use crate::text::TextError;
use plexus_nn::custom::NotRegistered;
use plexus_nn::{DType, ShapeError};
use thiserror::Error;

/// Why a file is refused, or cannot be written.
///
/// An error with a [source](std::error::Error::source) does not repeat its words, so that who prints both tells each once.
///
/// Functions that read bytes do not know where the bytes are from: whoever opened a model file puts its path before the
/// message. `parse_network` is told the name of its text, so mistakes there carry file, line and column already.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A mistake at a place in the text of a network.
    #[cfg(feature = "toml")]
    #[error(transparent)]
    Text(Box<TextError>),
    /// The text of a network is longer than any network needs.
    #[error("{file}: {bytes} bytes are too many for the text of a network: at most {limit}. Is it a model file?")]
    TextTooLarge {
        /// The name of the text.
        file: String,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Neither the text nor the data say what one sample looks like.
    #[error("{file}: the shape of one input sample is not known. Put a line such as `input = [784]` at the top.")]
    NoInput {
        /// The name of the text.
        file: String,
    },
    /// The file cannot be read or written.
    #[error("{message}")]
    Io {
        /// What kind of failure it is.
        kind: std::io::ErrorKind,
        /// What the system says.
        message: String,
    },
    /// The first bytes belong to no format.
    #[error("{reason}: this is not a model file. Plexus reads safetensors files")]
    NotAModel {
        /// What is odd about it.
        reason: String,
    },
    /// The header says it is longer than any header.
    #[error(
        "the header is said to be {bytes} bytes long, at most {limit} are read: this is not a model file, or it is damaged"
    )]
    HeaderTooLarge {
        /// The length it says.
        bytes: u64,
        /// The limit.
        limit: usize,
    },
    /// The file ends inside its header.
    #[error("the header is said to be {header} bytes long, but only {left} follow: the file is cut off. Copy it again")]
    HeaderCutOff {
        /// The length it says.
        header: usize,
        /// What follows.
        left: usize,
    },
    /// The header is no UTF-8.
    #[error("the header is not UTF-8 (byte {offset} of the file): the file is damaged")]
    HeaderNotUtf8 {
        /// The first wrong byte, from the start of the file.
        offset: usize,
    },
    /// The header is not the JSON of a safetensors file.
    #[error("the header cannot be read: {message}")]
    Header {
        /// What is wrong, from the parser.
        message: String,
    },
    /// More of something than is read.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Layers, tensors.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A tensor of numbers of another type than the layer has: nearly all have 32-bit floats.
    #[error(
        "tensor `{tensor}` holds {dtype} numbers, Plexus reads {} there. Convert the weights to {} and save them again",
        wanted.name().to_uppercase(), if *wanted == DType::F32 { "float32" } else { wanted.name() }
    )]
    DataType {
        /// The name of the tensor.
        tensor: String,
        /// Its data type.
        dtype: String,
        /// The type that is read.
        wanted: DType,
    },
    /// A tensor that overlaps another one, or leaves a gap before it.
    #[error(
        "tensor `{tensor}` does not start where the one before ends (bytes {begin} to {end} of the data): the file is damaged"
    )]
    Offsets {
        /// The name of the tensor.
        tensor: String,
        /// Where it begins.
        begin: usize,
        /// Where it ends.
        end: usize,
    },
    /// A tensor whose shape asks for another number of bytes than it has.
    #[error(
        "tensor `{tensor}` of shape {shape:?} has {bytes} bytes, which is not four for each number: the file is damaged"
    )]
    TensorSize {
        /// The name of the tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The bytes it has.
        bytes: usize,
    },
    /// The file is shorter or longer than its header says.
    #[error("the header describes {expected} bytes of numbers, the file holds {got}: it is {}", cut_or_long(*.expected, *.got))]
    DataLength {
        /// What the header says.
        expected: usize,
        /// What follows the header.
        got: usize,
    },
    /// Weights without a network.
    #[error("this file holds weights only, without the network they belong to (metadata plexus.network)")]
    WeightsOnly,
    /// Written by a newer Plexus.
    #[error("the file has format {version}, this Plexus reads format {known}: use a newer Plexus")]
    NewerFormat {
        /// The version in the file.
        version: u64,
        /// The newest version known here.
        known: u64,
    },
    /// The version is no version.
    #[error("`plexus.format` is {got}, expected \"{known}\": the file was not written by Plexus, or it is damaged")]
    BadVersion {
        /// What stands there.
        got: String,
        /// The newest version known here.
        known: u64,
    },
    /// The network in the file cannot be read.
    #[error("the network in the file (`plexus.network`) cannot be read: {message}")]
    BadNetwork {
        /// What is wrong.
        message: String,
    },
    /// The network has a layer of a kind that this program does not know.
    #[error(transparent)]
    NotRegistered(Box<NotRegistered>),
    /// The network does not check.
    #[error("the network does not fit together")]
    Network(#[source] Box<ShapeError>),
    /// The weights are not those of the network.
    #[error(transparent)]
    Weights(Box<ShapeError>),
    /// The network declares far more numbers than the file can hold.
    #[error("the network needs {declared} numbers, the file holds {found}: these weights belong to another network")]
    WeightsTooFew {
        /// What the network declares.
        declared: usize,
        /// What there is.
        found: usize,
    },
    /// The caller's metadata uses a name that the format needs.
    #[error("the metadata key `{key}` is kept for the format: use another one")]
    ReservedKey {
        /// The key.
        key: String,
    },
    /// The network has something that cannot be written so that it can be read again.
    #[error("{what} cannot be written: {reason}")]
    CannotWrite {
        /// A layer, or the network.
        what: String,
        /// Why.
        reason: String,
    },
}

impl From<std::io::Error> for FormatError {
    fn from(error: std::io::Error) -> Self {
        FormatError::Io { kind: error.kind(), message: error.to_string() }
    }
}

/// What a wrong length means.
fn cut_or_long(expected: usize, got: usize) -> &'static str {
    if got < expected { "cut off; copy it again" } else { "longer than it should be" }
}
