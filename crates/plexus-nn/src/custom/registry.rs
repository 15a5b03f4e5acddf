//! The kinds of layers that this program knows besides the built-in ones.

use super::{Custom, CustomLayer};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::any::TypeId;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// One kind that a program knows.
#[derive(Clone, Copy)]
struct Entry {
    id: TypeId,
    type_name: &'static str,
    read: fn(Map<String, Value>) -> Result<Custom, serde_json::Error>,
}

static KINDS: RwLock<BTreeMap<&'static str, Entry>> = RwLock::new(BTreeMap::new());

/// The most characters of each half of a kind.
const MAX_NAME: usize = 100;

/// Whether a text is `crate/kind`: two names of letters, digits, `_` and `-`.
pub(crate) fn is_kind(kind: &str) -> bool {
    let is_name = |name: &str| {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        plain && (1..=MAX_NAME).contains(&name.len())
    };
    kind.split_once('/').is_some_and(|(krate, kind)| is_name(krate) && is_name(kind))
}

/// Makes a kind known to this program, so that files with it can be read and written. Once is enough; again does nothing.
///
/// # Errors
/// - [`RegisterError::NotAKind`]: [`CustomLayer::KIND`] is not `crate/kind`
/// - [`RegisterError::Taken`]: another type has this kind
pub fn register<T: CustomLayer>() -> Result<(), RegisterError> {
    let (kind, type_name) = (T::KIND, std::any::type_name::<T>());
    if !is_kind(kind) {
        return Err(RegisterError::NotAKind { kind, type_name });
    }
    let mut kinds = KINDS.write().unwrap_or_else(PoisonError::into_inner);
    let entry = Entry { id: TypeId::of::<T>(), type_name, read: read_as::<T> };
    let first = kinds.entry(kind).or_insert(entry);
    match first.id == entry.id {
        true => Ok(()),
        false => Err(RegisterError::Taken { kind, first: first.type_name, second: type_name }),
    }
}

fn find(kind: &str) -> Option<Entry> {
    KINDS.read().unwrap_or_else(PoisonError::into_inner).get(kind).copied()
}

/// Whether a kind was registered.
pub fn is_registered(kind: &str) -> bool {
    find(kind).is_some()
}

/// Reads a layer of a registered kind, and takes its keys; `None` where it is not registered.
pub(crate) fn read(kind: &str, keys: &mut Map<String, Value>) -> Option<Result<Custom, serde_json::Error>> {
    find(kind).map(|entry| (entry.read)(std::mem::take(keys)))
}

fn read_as<T: CustomLayer>(keys: Map<String, Value>) -> Result<Custom, serde_json::Error> {
    let has_keys = !keys.is_empty();
    let layer = serde_json::from_value::<T>(Value::Object(keys)).or_else(|error| match has_keys {
        true => Err(error),
        // A struct without braces.
        false => serde_json::from_value(Value::Null).map_err(|_| error),
    });
    layer.map(Custom::new)
}

/// Why a kind cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// The kind is not `crate/kind`.
    NotAKind {
        /// What it is.
        kind: &'static str,
        /// The type.
        type_name: &'static str,
    },
    /// Another type has this kind.
    Taken {
        /// The kind.
        kind: &'static str,
        /// The type that was registered first.
        first: &'static str,
        /// The type that was to be registered.
        second: &'static str,
    },
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterError::NotAKind { kind, type_name } => write!(
                f,
                "the KIND of {type_name} is {kind:?}, but must be the name of a crate, a slash and a name, of ASCII letters, \
                 digits, `_` and `-`, at most {MAX_NAME} each: \"my_crate/my_layer\""
            ),
            RegisterError::Taken { kind, first, second } => {
                write!(f, "the kind `{kind}` of {second} is taken by {first}: give one of the two another KIND")
            }
        }
    }
}

impl std::error::Error for RegisterError {}

/// A file has a layer of a kind that this program does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotRegistered {
    /// The name of the layer.
    pub layer: String,
    /// Its kind, `crate/kind`.
    pub kind: String,
}

impl NotRegistered {
    /// The refusal of a layer, where its kind is of the form `crate/kind` and not registered. Of a name that no layer can
    /// have, the beginning is kept, without what drives a terminal.
    pub fn find(layer: &str, kind: &str) -> Option<Self> {
        let clean = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        let unknown = is_kind(kind) && !is_registered(kind);
        unknown.then(|| NotRegistered { layer: layer.chars().take(200).map(clean).collect(), kind: kind.to_string() })
    }

    /// The refusal of the first such layer of a network in JSON, where that cannot be read.
    pub fn in_network(json: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Outline<'a> {
            #[serde(borrow)]
            layers: Vec<Kind<'a>>,
        }
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(borrow)]
            name: Cow<'a, str>,
            #[serde(borrow)]
            kind: Cow<'a, str>,
        }
        let outline: Outline<'_> = serde_json::from_str(json).ok()?;
        outline.layers.iter().find_map(|layer| NotRegistered::find(&layer.name, &layer.kind))
    }
}

impl fmt::Display for NotRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (krate, kind) = self.kind.split_once('/').unwrap_or_default();
        write!(
            f,
            "layer `{}` is of the kind `{kind}` of the crate `{krate}`, which this program has not registered: call \
             `plexus::register` for it before files are read or written",
            self.layer
        )
    }
}

impl std::error::Error for NotRegistered {}
