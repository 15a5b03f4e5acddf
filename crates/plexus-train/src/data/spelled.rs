//! What users write behind the name of a source: sizes, and options as `?size=64x64&channels=1`.

use crate::error::{DataError, nearest, shown};
use std::ops::RangeInclusive;

/// `HEIGHTxWIDTH`.
pub(super) fn size(source: &'static str, text: &str) -> Result<[usize; 2], DataError> {
    let read = |side: &str| side.trim().parse::<usize>().ok().filter(|side| (1..=1 << 20).contains(side));
    let sides = text.split_once(['x', 'X']).and_then(|(height, width)| Some([read(height)?, read(width)?]));
    sides.ok_or_else(|| bad(source, "a size written HEIGHTxWIDTH, as 128x128".to_string(), text))
}

/// `NAME=VALUE` with `&` between them; the names are among those known.
pub(super) fn options<'t>(
    source: &'static str,
    text: &'t str,
    known: &[&'static str],
) -> Result<Vec<(&'static str, &'t str)>, DataError> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    let read = parts.map(|part| {
        let written = || format!("options written NAME=VALUE with & between them, of {}", known.join(", "));
        let (name, value) = part.split_once('=').ok_or_else(|| bad(source, written(), part))?;
        let found = known.iter().find(|known| **known == name);
        found.map(|found| (*found, value)).ok_or_else(|| {
            let hint =
                nearest(name, known.iter().copied()).map_or(String::new(), |name| format!(" (did you mean {name}?)"));
            bad(source, written() + &hint, part)
        })
    });
    read.collect()
}

/// A whole number in a range.
pub(super) fn number(what: &'static str, text: &str, range: RangeInclusive<u64>) -> Result<u64, DataError> {
    let number = text.parse::<u64>().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| bad(what, format!("a whole number from {} to {}", range.start(), range.end()), text))
}

/// One of some words.
#[cfg(feature = "images")]
pub(super) fn word(what: &'static str, text: &str, words: &[&'static str]) -> Result<usize, DataError> {
    let found = words.iter().position(|word| *word == text);
    found.ok_or_else(|| bad(what, format!("one of {}", words.join(", ")), text))
}

fn bad(what: &'static str, expected: String, got: &str) -> DataError {
    DataError::Spelled { what, expected, got: shown(got) }
}
