//! Why a network cannot be converted.

use super::Conversion;
use crate::check::{CheckedNetwork, ShapeError};
use std::fmt;

/// Why a network cannot be written in another form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConvertError {
    /// There is no layer of this name.
    #[non_exhaustive]
    UnknownLayer {
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A layer cannot be converted so.
    #[non_exhaustive]
    Unfit {
        /// The layer, as `fc1 (linear)`.
        layer: String,
        /// Which conversion.
        conversion: Conversion,
        /// What it can be done with.
        expected: String,
        /// What the layer is.
        got: String,
        /// What to do.
        help: String,
    },
    /// No layer can be converted so.
    #[non_exhaustive]
    Nothing {
        /// Which conversion.
        conversion: Conversion,
        /// What it can be done with.
        expected: String,
        /// Why not the layers that come near, one each.
        got: Vec<String>,
        /// What to do.
        help: String,
    },
    /// The new network is larger than it may be.
    #[non_exhaustive]
    TooLarge {
        /// The layer that takes most, as `conv1 (conv2d)`.
        layer: String,
        /// Its numbers, in words.
        numbers: String,
        /// Bytes that they take in f32.
        bytes: u128,
        /// Bytes that there may be.
        most_bytes: u64,
        /// What to do.
        help: String,
    },
    /// The new network does not fit together.
    Shape(Box<ShapeError>),
}

impl ConvertError {
    pub(super) fn unknown(name: &str, network: &CheckedNetwork) -> Self {
        let known = network.network().layers.iter().map(|layer| layer.name.clone()).collect();
        ConvertError::UnknownLayer { name: name.to_string(), known }
    }
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConvertError::UnknownLayer { name, known } => {
                write!(f, "there is no layer \"{name}\". Layers are {}.", few(known, ", "))
            }
            ConvertError::Unfit { layer, conversion, expected, got, help } => {
                write!(f, "layer {layer} cannot be converted ({conversion}): expected {expected}, got {got}.")?;
                if help.is_empty() { Ok(()) } else { write!(f, " {help}") }
            }
            ConvertError::Nothing { conversion, expected, got, help } => {
                write!(f, "there is nothing to convert ({conversion}): expected {expected}, ")?;
                match got.is_empty() {
                    true => write!(f, "got none.")?,
                    false => write!(f, "got {}.", few(got, "; "))?,
                }
                if help.is_empty() { Ok(()) } else { write!(f, " {help}") }
            }
            ConvertError::TooLarge { layer, numbers, bytes, most_bytes, help } => {
                let (wanted, most) = (size(*bytes), size(u128::from(*most_bytes)));
                write!(f, "layer {layer} would need {numbers}, {wanted} in f32, but there may be {most}. {help}")
            }
            ConvertError::Shape(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ConvertError {}

impl From<ShapeError> for ConvertError {
    fn from(error: ShapeError) -> Self {
        ConvertError::Shape(Box::new(error))
    }
}

/// The first few of some texts.
fn few(texts: &[String], between: &str) -> String {
    const MOST: usize = 12;
    let more = texts.len().saturating_sub(MOST);
    let shown = texts[..texts.len() - more].join(between);
    if more > 0 { format!("{shown}{between}and {more} more") } else { shown }
}

/// Bytes as people count them: `103 GB (103,079,215,104 bytes)`.
fn size(bytes: u128) -> String {
    let digits = bytes.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let units = [(1_000_000_000_000u128, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = bytes / (unit / 10);
            let number =
                if tenths >= 1000 { (tenths / 10).to_string() } else { format!("{}.{}", tenths / 10, tenths % 10) };
            format!("{number} {name} ({grouped} bytes)")
        }
        None => format!("{grouped} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_as_people_do() {
        assert_eq!(size(4 * 25_769_803_776), "103 GB (103,079,215,104 bytes)");
        assert_eq!(size(8 << 30), "8.5 GB (8,589,934,592 bytes)");
        assert_eq!(size(999), "999 bytes");
    }
}
