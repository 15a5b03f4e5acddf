//! How large a file from outside may be in each respect; beyond that it is refused before memory is asked for.

/// The longest text of a network: 1 MiB. Ten thousand layers take about half of it.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// The most layers of a network, short forms expanded.
pub const MAX_LAYERS: usize = 10_000;

/// The most axes of a shape.
pub const MAX_AXES: usize = 8;

/// The longest header of a model file: 8 MiB. [`MAX_LAYERS`] layers with their tensors take about 5 MiB.
pub const MAX_HEADER_BYTES: usize = 8 << 20;

/// The most tensors of a model file: four for each layer, as batch normalization has.
pub const MAX_TENSORS: usize = 4 * MAX_LAYERS;

/// Beyond this many numbers, weights are only laid out where the file can hold them: 2^24, 64 MiB.
///
/// Below it, a file whose network declares more numbers than there are still gets the full list of differences.
pub const MAX_UNBACKED_ELEMENTS: usize = 1 << 24;

/// Whether a name can stand in files, paths and terminals.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= 200 && !name.chars().any(char::is_control)
}
