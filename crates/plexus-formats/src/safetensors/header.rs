//! The header of a safetensors file: read with limits and verified.

use crate::error::FormatError;
use crate::limits::{MAX_AXES, MAX_HEADER_BYTES, MAX_TENSORS};
use plexus_nn::{DType, ParamLayout};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

/// Bytes of the length at the start of a file.
const LENGTH: usize = 8;

/// A verified header.
pub(super) struct Header {
    pub metadata: BTreeMap<String, String>,
    /// In the order of their data.
    pub tensors: Vec<TensorHeader>,
    /// Where the data start in the file.
    pub data_start: u64,
}

/// What the header says about one tensor; the range lies inside the data.
pub(super) struct TensorHeader {
    pub name: String,
    pub dtype: String,
    pub shape: Vec<usize>,
    pub range: Range<usize>,
}

impl TensorHeader {
    /// The type of the numbers, where it is one that is read.
    pub fn known_dtype(&self) -> Option<DType> {
        let types = [DType::F32, DType::I8, DType::I16, DType::I32, DType::I64];
        types.into_iter().find(|dtype| dtype.name().eq_ignore_ascii_case(&self.dtype))
    }
}

/// Reads and verifies the header, and that the data are as long as it says. Memory is taken for the header only.
pub(super) fn read_header(source: &mut (impl Read + Seek + ?Sized)) -> Result<Header, FormatError> {
    let file_len = source.seek(SeekFrom::End(0))?;
    source.seek(SeekFrom::Start(0))?;
    let Some(rest) = file_len.checked_sub(LENGTH as u64) else {
        return Err(FormatError::NotAModel { reason: format!("{file_len} bytes are too few") });
    };
    let mut length = [0; LENGTH];
    source.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if rest > 0 {
        let mut first = [0];
        source.read_exact(&mut first)?;
        if first != *b"{" {
            return Err(FormatError::NotAModel { reason: "the header does not start with `{`".to_string() });
        }
    }
    if length > MAX_HEADER_BYTES as u64 {
        return Err(FormatError::HeaderTooLarge { bytes: length, limit: MAX_HEADER_BYTES });
    }
    if length > rest {
        return Err(FormatError::HeaderCutOff { header: length as usize, left: rest as usize });
    }
    let mut json = vec![0; length as usize];
    if let Some((first, behind)) = json.split_first_mut() {
        *first = b'{';
        source.read_exact(behind)?;
    }
    let json = std::str::from_utf8(&json)
        .map_err(|error| FormatError::HeaderNotUtf8 { offset: LENGTH + error.valid_up_to() })?;
    let RawHeader { metadata, tensors } =
        serde_json::from_str(json).map_err(|error| FormatError::Header { message: shown(&error.to_string()) })?;
    let mut tensors: Vec<TensorHeader> = tensors.into_iter().map(TensorHeader::from).collect();
    tensors.sort_by_key(|tensor| (tensor.range.start, tensor.range.end));
    verify(&tensors)?;
    let (expected, got) = (tensors.last().map_or(0, |tensor| tensor.range.end), rest - length);
    if expected as u64 != got {
        return Err(FormatError::DataLength { expected, got: usize::try_from(got).unwrap_or(usize::MAX) });
    }
    Ok(Header { metadata, tensors, data_start: LENGTH as u64 + length })
}

/// Checks that each tensor begins where the one before ends, and that those of known types have as many bytes as numbers of them
/// take. Tensors of other types are refused where they would be read.
fn verify(tensors: &[TensorHeader]) -> Result<(), FormatError> {
    let mut end = 0;
    for tensor @ TensorHeader { name, shape, range, .. } in tensors {
        if range.start != end || range.end < range.start {
            return Err(FormatError::Offsets { tensor: name.clone(), begin: range.start, end: range.end });
        }
        end = range.end;
        let Some(dtype) = tensor.known_dtype() else { continue };
        let bytes = shape.iter().try_fold(dtype.size(), |product, &axis| product.checked_mul(axis));
        if bytes != Some(range.len()) {
            return Err(FormatError::TensorSize { tensor: name.clone(), shape: shape.clone(), bytes: range.len() });
        }
    }
    Ok(())
}

/// Refuses numbers of another type than is wanted.
pub(super) fn check_dtype(tensor: &TensorHeader, wanted: DType) -> Result<(), FormatError> {
    if tensor.known_dtype() == Some(wanted) {
        return Ok(());
    }
    Err(FormatError::DataType { tensor: tensor.name.clone(), dtype: tensor.dtype.clone(), wanted })
}

impl From<(String, RawTensor)> for TensorHeader {
    fn from((name, raw): (String, RawTensor)) -> Self {
        let RawTensor { dtype, shape, data_offsets: (begin, end) } = raw;
        TensorHeader { name, dtype, shape: shape.0, range: begin..end }
    }
}

/// One entry as it stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTensor {
    dtype: String,
    shape: Axes,
    data_offsets: (usize, usize),
}

/// A shape of at most [`MAX_AXES`] axes.
#[derive(Serialize)]
#[serde(transparent)]
struct Axes(Vec<usize>);

impl<'de> Deserialize<'de> for Axes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AxesVisitor;
        impl<'de> Visitor<'de> for AxesVisitor {
            type Value = Axes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a shape of at most {MAX_AXES} axes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Axes, A::Error> {
                let mut axes = Vec::new();
                while let Some(axis) = items.next_element()? {
                    if axes.len() == MAX_AXES {
                        return Err(de::Error::custom(format!("a shape has more than {MAX_AXES} axes")));
                    }
                    axes.push(axis);
                }
                Ok(Axes(axes))
            }
        }
        deserializer.deserialize_seq(AxesVisitor)
    }
}

/// The header as it stands in the file: every name once, and no more than [`MAX_TENSORS`].
///
/// Other readers take the last of two entries with one name; here the second is refused.
struct RawHeader {
    metadata: BTreeMap<String, String>,
    tensors: Vec<(String, RawTensor)>,
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = RawHeader;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
                let mut header = RawHeader { metadata: BTreeMap::new(), tensors: Vec::new() };
                let mut seen = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !seen.insert(name.clone()) {
                        return Err(de::Error::custom(format!("the name `{name}` appears twice")));
                    }
                    if name == "__metadata__" {
                        header.metadata = map.next_value::<UniqueMap>()?.0;
                        continue;
                    }
                    if name.chars().any(char::is_control) {
                        return Err(de::Error::custom("the name of a tensor has control characters"));
                    }
                    if header.tensors.len() == MAX_TENSORS {
                        return Err(de::Error::custom(format!("more than {MAX_TENSORS} tensors")));
                    }
                    header.tensors.push((name, map.next_value()?));
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(HeaderVisitor)
    }
}

/// A map of strings in which every key stands once.
struct UniqueMap(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for UniqueMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UniqueVisitor;
        impl<'de> Visitor<'de> for UniqueVisitor {
            type Value = UniqueMap;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings to strings (`__metadata__`)")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueMap, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    if entries.contains_key(&key) {
                        return Err(de::Error::custom(format!("the metadata key `{key}` appears twice")));
                    }
                    entries.insert(key, value);
                }
                Ok(UniqueMap(entries))
            }
        }
        deserializer.deserialize_map(UniqueVisitor)
    }
}

/// The header of weights that lie so, padded so that the data start at a multiple of eight bytes.
pub(super) fn write_header(layout: &ParamLayout, metadata: &BTreeMap<String, String>) -> String {
    let mut header = format!("{{\"__metadata__\":{}", json(metadata));
    let mut end = 0;
    for entry in layout.entries() {
        let begin = end;
        end += entry.dtype.size() * entry.range.len();
        let raw = RawTensor {
            dtype: entry.dtype.name().to_uppercase(),
            shape: Axes(entry.shape.clone()),
            data_offsets: (begin, end),
        };
        header += &format!(",{}:{}", json(&entry.name), json(&raw));
    }
    header.push('}');
    while header.len() % LENGTH != 0 {
        header.push(' ');
    }
    header
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and whole numbers always have a JSON form")
}

/// The most characters of a file that a message repeats: some two hundred tensors that do not fit.
const SHOWN: usize = 8000;

/// Text from a file, for a message: not too long, and nothing that drives a terminal.
pub(super) fn shown(text: &str) -> String {
    let clean = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let start: String = text.chars().take(SHOWN).map(clean).collect();
    if text.chars().count() > SHOWN { start + " … and more" } else { start }
}
