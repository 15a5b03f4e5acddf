//! One `[[layer]]`: its keys, its short forms, and what serde says about it, told with the line.

use super::source::{Source, list, nearest, suggestion};
use super::{called, shape, size};
use crate::error::FormatError;
use crate::limits::is_name;
use plexus_nn::custom::{NotRegistered, is_registered};
use plexus_nn::layers::{Activation, Dense, KINDS, Layer, Normalizer, present_name};
use plexus_nn::{Init, NamedLayer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The keys that every layer may have, whatever its kind.
const COMMON_KEYS: &[&str] = &["kind", "name", "inputs", "activation"];

/// The keys that take a table: those of layers of whole numbers.
const TABLES: &[&str] = &["of", "integers", "arithmetic", "affine", "power_of_two", "output"];

/// With more keys than this a table has an unknown one, so no search for the wrong one is needed.
const MANY_KEYS: usize = 32;

/// The keys of the short form `dense`, without those of every layer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DenseText {
    out_features: usize,
    #[serde(alias = "normaliser")]
    normalizer: Option<Normalizer>,
    weight_init: Option<Init>,
    bias_init: Option<Init>,
    #[serde(default)]
    flatten: bool,
}

/// Whether a key is at home in a layer, to help those who forgot the `[[layer]]` above it.
pub(super) fn is_key(name: &str) -> bool {
    COMMON_KEYS.contains(&name)
        || [
            "out_features",
            "in_features",
            "bias",
            "function",
            "probability",
            "out_channels",
            "kernel_size",
            "stride",
            "padding",
            "connections",
        ]
        .contains(&name)
}

/// One table of the text, while it is read.
struct Reader<'a> {
    source: Source<'a>,
    table: &'a DeTable<'a>,
    /// The whole table, for what has no place of its own.
    span: &'a Range<usize>,
    /// How the table is called in messages.
    what: String,
    /// Keys that are allowed besides those that serde knows.
    extra: &'static [&'static str],
    /// Whether the kind is not built in, so that its keys may be anything.
    custom: bool,
}

/// The layers that one table stands for; the first is at `position` of the network.
pub(super) fn expand(
    source: Source<'_>,
    table: &DeTable<'_>,
    span: &Range<usize>,
    position: usize,
) -> Result<Vec<NamedLayer>, FormatError> {
    let mut reader = Reader { source, table, span, what: "a layer".to_string(), extra: COMMON_KEYS, custom: false };
    let kind = reader.kind(position)?;
    let name = reader.name()?;
    let inputs = reader.inputs()?;
    reader.custom = is_registered(&kind);
    reader.what = format!("a layer of kind `{kind}`");
    let mut layers: Vec<(&str, Layer)> = match kind.as_str() {
        "dense" => reader.dense()?,
        "activation" => {
            if let Some((key, _)) = table.get_key_value("activation") {
                let help = "Write `function = \"relu\"`, or shorter `kind = \"relu\"`.";
                return Err(source.error(key.span(), "a layer of kind `activation` has no `activation`", help));
            }
            reader.extra = &["kind", "name", "inputs"];
            vec![("", reader.layer("activation", None)?)]
        }
        kind if KINDS.contains(&kind) || reader.custom => {
            let mut layers = vec![("", reader.layer(kind, None)?)];
            if let Some(Some(activation)) = reader.activation()? {
                layers.push(("activation", activation.into()));
            }
            layers
        }
        function => {
            reader.extra = &["kind", "name", "inputs"];
            if let Some((key, _)) = table.get_key_value("function") {
                return Err(source.error(key.span(), format!("`kind = \"{function}\"` says the function already"), ""));
            }
            vec![("", reader.layer("activation", Some(function))?)]
        }
    };
    // Only the first layer reads what the table names; the others read the one before.
    let mut inputs = Some(inputs);
    Ok(layers
        .drain(..)
        .enumerate()
        .map(|(offset, (suffix, layer))| {
            let name = match (&name, suffix) {
                (None, _) => format!("layers.{}", position + offset),
                (Some(name), "") => name.clone(),
                (Some(name), suffix) => format!("{name}.{suffix}"),
            };
            NamedLayer { name, inputs: inputs.take().unwrap_or_default(), layer }
        })
        .collect())
}

impl Reader<'_> {
    fn error<T>(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Result<T, FormatError> {
        Err(self.source.error(span, message, help))
    }

    /// The kind, which is a layer kind, a function or `dense`; of the layer at `position`.
    fn kind(&self, position: usize) -> Result<String, FormatError> {
        let kinds = || KINDS.iter().map(|kind| kind.to_string()).chain(["dense".to_string()]).chain(function_names());
        let Some(value) = self.table.get("kind") else {
            let near = self.table.keys().find(|key| nearest(key.get_ref(), &["kind"]).is_some());
            if let Some(key) = near {
                let message = format!("unknown key `{}`: the kind of a layer is called `kind`", key.get_ref());
                return self.error(key.span(), message, "Write `kind = \"linear\"`.");
            }
            let known: Vec<String> = kinds().collect();
            return self.error(self.span.clone(), "this layer has no `kind`", format!("Known: {}.", list(&known)));
        };
        let DeValue::String(kind) = value.get_ref() else {
            let message = format!("`kind` is {}, expected the name of a kind", called(value.get_ref()));
            return self.error(value.span(), message, "Write it in quotes: `kind = \"linear\"`.");
        };
        let (known, kind): (Vec<String>, _) = (kinds().collect(), present_name(kind));
        if known.iter().any(|name| name == kind) || is_registered(kind) {
            return Ok(kind.to_string());
        }
        let name = self.name()?.unwrap_or_else(|| format!("layers.{position}"));
        if let Some(unknown) = NotRegistered::find(&name, kind) {
            return self.error(value.span(), unknown.to_string(), "");
        }
        self.error(value.span(), format!("unknown kind `{}`", shortened(kind)), suggestion(kind, &known))
    }

    fn name(&self) -> Result<Option<String>, FormatError> {
        let Some(value) = self.table.get("name") else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::String(name) if is_name(name) => Ok(Some(name.to_string())),
            DeValue::String(_) => {
                let help =
                    "A name has 1 to 200 characters and no control characters. Leave it out to have it numbered.";
                self.error(value.span(), "this name cannot be used", help)
            }
            other => self.error(value.span(), format!("`name` is {}, expected a string", called(other)), ""),
        }
    }

    fn inputs(&self) -> Result<Vec<String>, FormatError> {
        let Some(value) = self.table.get("inputs") else {
            return Ok(Vec::new());
        };
        let help = "Write the names of layers: `inputs = [\"hidden\"]`. The width of the input is `in_features`.";
        let DeValue::Array(items) = value.get_ref() else {
            let message = format!("`inputs` is {}, expected a list of names", called(value.get_ref()));
            return self.error(value.span(), message, help);
        };
        let names = items.iter().map(|item| match item.get_ref() {
            DeValue::String(name) => Ok(name.to_string()),
            other => self.error(item.span(), format!("{} in `inputs`, expected names", called(other)), help),
        });
        names.collect()
    }

    /// `None` where the key is missing, `Some(None)` for `"none"`.
    fn activation(&self) -> Result<Option<Option<Activation>>, FormatError> {
        let Some(value) = self.table.get("activation") else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::String(name) if name == "none" => Ok(Some(None)),
            DeValue::String(name) => {
                let object = Map::from_iter([("function".to_string(), Value::String(name.to_string()))]);
                match serde_json::from_value(Value::Object(object)) {
                    Ok(activation) => Ok(Some(Some(activation))),
                    Err(_) => self.unknown_function(value, name),
                }
            }
            DeValue::Table(table) => {
                let (source, span) = (self.source, value.span());
                let what = "`activation`".to_string();
                let reader = Reader { source, table, span: &span, what, extra: &[], custom: false };
                if let Some(function) = table.get("function")
                    && let DeValue::String(name) = function.get_ref()
                    && !function_names().iter().any(|known| known == name)
                {
                    return self.unknown_function(function, name);
                }
                Ok(Some(Some(reader.read(reader.object()?)?)))
            }
            other => {
                let help =
                    "Write `activation = \"relu\"`, or `activation = { function = \"leaky_relu\", slope = 0.2 }`.";
                let message = format!("`activation` is {}, expected the name of a function", called(other));
                self.error(value.span(), message, help)
            }
        }
    }

    fn unknown_function<T>(&self, value: &Spanned<DeValue<'_>>, name: &str) -> Result<T, FormatError> {
        if KINDS.contains(&name) {
            let help = format!(
                "Add a [[layer]] with kind = \"{name}\". A network trained with the cross-entropy loss ends without one: \
                 that loss takes logits."
            );
            return self.error(value.span(), format!("`{name}` is not a function of one number but a layer"), help);
        }
        let mut known = function_names();
        known.push("none".to_string());
        self.error(value.span(), format!("unknown activation `{}`", shortened(name)), suggestion(name, &known))
    }

    fn layer(&self, kind: &str, function: Option<&str>) -> Result<Layer, FormatError> {
        let mut object = self.object()?;
        object.insert("kind".to_string(), Value::String(kind.to_string()));
        if let Some(function) = function {
            object.insert("function".to_string(), Value::String(function.to_string()));
        }
        if kind == "activation"
            && let Some(value) = self.table.get("function")
            && let DeValue::String(name) = value.get_ref()
            && !function_names().iter().any(|known| known == name)
        {
            return self.unknown_function(value, name);
        }
        self.read(object)
    }

    fn dense(&self) -> Result<Vec<(&'static str, Layer)>, FormatError> {
        let text: DenseText = self.read(self.object()?)?;
        if let (Some(_), Some((key, _))) = (text.normalizer, self.table.get_key_value("bias_init")) {
            let help = "A normalizer stands in the place of the bias: leave out one of the two.";
            return self.error(key.span(), "`bias_init` has no effect beside a normalizer", help);
        }
        let default = Dense::new(text.out_features);
        let activation = match self.activation()? {
            None => default.activation,
            Some(given) => given.map(|layer| layer.activation),
        };
        let dense = default
            .with_activation(activation)
            .with_normalizer(text.normalizer)
            .with_weight_init(text.weight_init.unwrap_or(default.weight_init))
            .with_bias_init(text.bias_init.unwrap_or(default.bias_init))
            .with_flatten(text.flatten);
        Ok(dense.layers())
    }

    /// The keys of the layer's own, as values that serde takes.
    fn object(&self) -> Result<Map<String, Value>, FormatError> {
        let own = self.table.iter().filter(|(key, _)| !self.is_common(key.get_ref()));
        own.map(|(key, value)| Ok((key.get_ref().to_string(), self.value(key.get_ref(), value)?))).collect()
    }

    /// Whether a key is dealt with elsewhere. In the table of an activation there is none of those.
    fn is_common(&self, key: &str) -> bool {
        self.extra.contains(&key)
    }

    fn value(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Value, FormatError> {
        // Sizes have a range that serde does not know.
        match key {
            _ if self.custom => {}
            "out_features" | "in_features" | "out_channels" | "in_channels" | "groups" => {
                return Ok(size(self.source, key, value)?.into());
            }
            "shape" => return Ok(shape(self.source, key, value)?.axes().into()),
            "connections" => return self.connections(value),
            _ => {}
        }
        match value.get_ref() {
            DeValue::String(text) => Ok(Value::String(text.to_string())),
            DeValue::Boolean(flag) => Ok((*flag).into()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Ok(number.into()),
                Err(_) => self.error(value.span(), format!("`{}` is too large a number", shortened(key)), ""),
            },
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(number) if (number as f32).is_finite() || self.custom && number.is_finite() => Ok(number.into()),
                _ => self.error(value.span(), format!("`{}` is not a finite number", shortened(key)), ""),
            },
            DeValue::Array(items) => items.iter().map(|item| self.value(key, item)).collect(),
            DeValue::Table(table) if self.custom || TABLES.contains(&key) => table
                .iter()
                .map(|(key, item)| Ok((key.get_ref().to_string(), self.value(key.get_ref(), item)?)))
                .collect(),
            DeValue::Table(_) | DeValue::Datetime(_) => {
                let message =
                    format!("`{}` is {}, which no key of a layer takes", shortened(key), called(value.get_ref()));
                self.error(value.span(), message, "")
            }
        }
    }

    /// A list of channels for each map.
    fn connections(&self, value: &Spanned<DeValue<'_>>) -> Result<Value, FormatError> {
        let help = "Write a list of channels for each map: `connections = [[0, 1, 2], [1, 2, 3]]`.";
        let list = |value: &Spanned<DeValue<'_>>,
                    read: &dyn Fn(&Spanned<DeValue<'_>>) -> Result<Value, FormatError>| {
            let DeValue::Array(items) = value.get_ref() else {
                let message = format!("{} in `connections`, expected lists of channels", called(value.get_ref()));
                return self.error(value.span(), message, help);
            };
            items.iter().map(read).collect::<Result<Value, _>>()
        };
        let channel = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::Integer(number) => match u32::from_str_radix(number.as_str(), number.radix()) {
                Ok(channel) => Ok(channel.into()),
                Err(_) => self.error(value.span(), format!("there is no channel {}", shortened(number.as_str())), help),
            },
            other => self.error(value.span(), format!("{} in `connections`, expected a channel", called(other)), help),
        };
        list(value, &|seen| list(seen, &channel))
    }

    /// Reads the layer's own keys, and tells what serde refuses at the place where it stands.
    fn read<T: DeserializeOwned>(&self, object: Map<String, Value>) -> Result<T, FormatError> {
        let read = |object: Map<String, Value>| serde_json::from_value::<T>(Value::Object(object));
        let message = match read(object.clone()) {
            Ok(value) => return Ok(value),
            Err(error) => error.to_string(),
        };
        let names = quoted(&message);
        // Which key a message is about: the one without which serde says something else.
        let culprit = |may_be: &dyn Fn(&DeValue<'_>) -> bool| {
            let own =
                self.table.iter().filter(|(key, value)| !self.is_common(key.get_ref()) && may_be(value.get_ref()));
            own.take(MANY_KEYS).find(|(key, _)| {
                let mut without = object.clone();
                without.remove(key.get_ref().as_ref()).is_some()
                    && read(without).err().is_none_or(|error| error.to_string() != message)
            })
        };
        // In a layer that is not built in a value may be a table with keys of its own.
        let nested = culprit(&|value| self.custom && matches!(value, DeValue::Table(_) | DeValue::Array(_)));
        let (what, whole, extra) = match nested {
            Some((key, value)) => (format!("`{}`", shortened(key.get_ref())), value.span(), &[][..]),
            None => (self.what.clone(), self.span.clone(), self.extra),
        };
        if message.starts_with("unknown field") {
            let wrong = names.first().copied().unwrap_or_default();
            let mut known: Vec<&str> = names.iter().skip(1).copied().filter(|&name| name != "kind").collect();
            known.extend(extra);
            let key = if nested.is_some() { None } else { self.table.get_key_value(wrong) };
            let span = key.map_or(whole, |(key, _)| key.span());
            let message = format!("{what} has no key `{}`", shortened(wrong));
            return self.error(span, message, suggestion(wrong, &known));
        }
        if message.starts_with("missing field") {
            let missing = names.first().copied().unwrap_or_default();
            let help = match nested {
                Some(_) => String::new(),
                None => format!("Add a line such as `{}`.", example(missing)),
            };
            return self.error(whole, format!("{what} needs `{missing}`"), help);
        }
        // Our own refusals name the key last.
        if !message.starts_with("unknown") && !message.starts_with("invalid") {
            let named = names.last().and_then(|&name| self.table.get_key_value(name));
            if let Some((key, _)) = named {
                return self.error(key.span(), message, "");
            }
        }
        let Some((key, value)) = culprit(&|_| true) else {
            return self.error(self.span.clone(), format!("{}: {message}", self.what), "");
        };
        let key = key.get_ref();
        if message.starts_with("unknown variant") {
            let wrong = names.first().copied().unwrap_or_default();
            let message = format!("`{key}` has no value `{}`", shortened(wrong));
            return self.error(value.span(), message, suggestion(wrong, &names[1.min(names.len())..]));
        }
        if message.starts_with("invalid") {
            let expected = message.rsplit_once("expected ").map_or("", |(_, expected)| expected);
            let message = format!("`{key}` is {}, expected {}", called(value.get_ref()), plain(expected));
            return self.error(value.span(), message, "");
        }
        // A value of several forms: the message says which.
        if message.starts_with("a number") {
            let message = format!("`{key}` is {}, expected {message}", called(value.get_ref()));
            return self.error(value.span(), message, "");
        }
        self.error(value.span(), message.clone(), "")
    }
}

/// The functions, from the list that the layer itself gives when it knows a name not.
fn function_names() -> Vec<String> {
    let object = Map::from_iter([("function".to_string(), Value::String(String::new()))]);
    let refusal = serde_json::from_value::<Activation>(Value::Object(object)).err();
    let message = refusal.map(|error| error.to_string()).unwrap_or_default();
    quoted(&message).into_iter().filter(|name| !name.is_empty()).map(str::to_string).collect()
}

/// The names in backticks of a message.
fn quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// Serde's words for a type, in words for people.
fn plain(expected: &str) -> &str {
    match expected {
        "usize" | "u64" | "u32" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        other => other,
    }
}

/// A line with the key, for those who left it out.
fn example(key: &str) -> String {
    match key {
        "out_features" => "out_features = 128".to_string(),
        "nonzeros" => "nonzeros = 1000".to_string(),
        "out_channels" => "out_channels = 16".to_string(),
        "kernel_size" => "kernel_size = 3".to_string(),
        "output_size" => "output_size = 6".to_string(),
        "size" => "size = 5".to_string(),
        "padding" => "padding = 1".to_string(),
        "factor" => "factor = 2".to_string(),
        "connections" => "connections = [[0, 1, 2], [1, 2, 3]]".to_string(),
        "shape" => "shape = [28, 28]".to_string(),
        "function" => "function = \"relu\"".to_string(),
        "probability" => "probability = 0.5".to_string(),
        other => format!("{other} = …"),
    }
}

/// A word from the text, for a message: not longer than a word is, and nothing that drives a terminal.
fn shortened(word: &str) -> String {
    let shown: String = word.chars().take(40).collect::<String>().escape_debug().collect();
    if word.chars().count() > 40 { shown + "…" } else { shown }
}
