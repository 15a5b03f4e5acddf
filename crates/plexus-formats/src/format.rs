//! The formats of model files, as a table.

use crate::error::FormatError;
use crate::safetensors;
use plexus_nn::{CheckedNetwork, LayerParams};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom, Write as Writer};
use std::path::Path;
use std::sync::Arc;

/// What a model is read from: a file, or bytes in a [`Cursor`](std::io::Cursor).
pub trait Source: Read + Seek {}

impl<R: Read + Seek> Source for R {}

/// A model file that is open: its network is known and fits its tensors, the numbers are read layer by layer.
pub trait ReadModel {
    /// The network.
    fn network(&self) -> &Arc<CheckedNetwork>;

    /// What the writer added.
    fn metadata(&self) -> &BTreeMap<String, String>;

    /// Reads the numbers of one layer: the trainable ones, and the others, both as the network's
    /// [layout](plexus_nn::ParamLayout) orders them. In the order of the layers the file is read from start to end.
    ///
    /// # Errors
    /// [`FormatError::Io`] where the source does not read.
    ///
    /// # Panics
    /// Where a length is not that of the layout.
    fn read_layer(&mut self, index: usize, weights: &mut [f32], state: &mut [f32]) -> Result<(), FormatError>;
}

/// Opens a model: reads all but the numbers.
pub type Open = for<'a> fn(Box<dyn Source + 'a>) -> Result<Box<dyn ReadModel + 'a>, FormatError>;

/// Writes a network, its weights and metadata, tensor by tensor.
pub type Write =
    fn(&mut dyn Writer, &CheckedNetwork, &dyn LayerParams, &BTreeMap<String, String>) -> Result<(), FormatError>;

/// A row of the table of formats.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The name in commands and messages.
    pub name: &'static str,
    /// Extensions of file names, without the dot; the first is the one to write.
    pub extensions: &'static [&'static str],
    /// Whether the first bytes look like this format.
    pub sniff: fn(&[u8]) -> bool,
    /// Opens a file of this format.
    pub open: Open,
    /// Writes one.
    pub write: Write,
}

impl Format {
    /// The format that a file of this name has, by its extension.
    pub fn of_path(path: &Path) -> Option<&'static Format> {
        let extension = path.extension()?.to_str()?;
        FORMATS.iter().find(|format| format.extensions.iter().any(|known| known.eq_ignore_ascii_case(extension)))
    }
}

/// Every format; the first is the one that models are written in.
pub const FORMATS: &[Format] = &[Format {
    name: "safetensors",
    extensions: &["safetensors"],
    sniff: safetensors::looks_like,
    open: safetensors::open,
    write: safetensors::write_model_to,
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

/// Opens a model of any format: its network and metadata are read and checked, its numbers are not read yet.
///
/// # Errors
/// [`FormatError`] for everything that is not a model; of a file that looks like no format, why it is not of the first.
///
/// # Examples
/// ```
/// use plexus_kernels::Context;
/// use plexus_nn::{Network, Params, Plan, PlanOptions, Shape, layers::Linear};
/// let network = Network::chain(Shape::new([2]), [Linear::new(3).into()]).check().unwrap();
/// let file = plexus_formats::write_model(&network, &Params::zeros(&network), &Default::default()).unwrap();
/// let mut model = plexus_formats::open_model(std::io::Cursor::new(file)).unwrap();
/// let network = model.network().clone();
/// let fill = |layer, weights: &mut [f32], state: &mut [f32]| model.read_layer(layer, weights, state);
/// let plan = Plan::from_layers(network, PlanOptions::default(), Context::single(), fill).unwrap();
/// assert_eq!(plan.network().output_len(), 3);
/// ```
pub fn open_model<'a>(mut source: impl Source + 'a) -> Result<Box<dyn ReadModel + 'a>, FormatError> {
    let mut first = Vec::with_capacity(16);
    source.by_ref().take(16).read_to_end(&mut first)?;
    source.seek(SeekFrom::Start(0))?;
    let format = sniff(&first).unwrap_or(&FORMATS[0]);
    (format.open)(Box::new(source))
}
