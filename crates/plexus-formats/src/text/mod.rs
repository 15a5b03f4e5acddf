//! The text form of a network: TOML, written by hand.
//!
//! ```toml
//! input = [784]              # one sample; optional: otherwise taken from the data
//!
//! [[layer]]
//! kind = "linear"
//! name = "hidden"            # optional: otherwise layers.0, layers.1, …
//! out_features = 128
//! activation = "relu"        # short for an activation layer behind it
//!
//! [[layer]]
//! kind = "dense"             # short for linear, then normalizer or bias, then activation (ReLU unless said otherwise)
//! out_features = 10
//! activation = "none"
//! ```
//!
//! A layer reads the one above it, or what it names; `outputs` names what comes out, where that is not the last layer:
//!
//! ```toml
//! inputs = { left = [8], right = [3] }   # instead of `input`, for several
//! outputs = ["sum", "class"]
//!
//! [[layer]]
//! kind = "add"
//! name = "sum"
//! inputs = ["hidden", "skip"]
//! ```
//!
//! A layer without a name is `layers.N`, where N is its position in the full list, the short forms written out; that is
//! how PyTorch's `Sequential` numbers. What stands behind a named layer is `hidden.activation`, `hidden.norm`. The name
//! of a function is a kind too: `kind = "relu"`.
//!
//! Start reading at [`parse_network`]. Not here: whether the layers fit each other, which is
//! [`plexus_nn::check`]; [`NetworkText::into_checked`] calls it and adds the line.

mod layer;
mod source;
mod write;

pub use source::TextError;
pub use write::write_network;

use crate::error::FormatError;
use crate::limits::{MAX_AXES, MAX_LAYERS, MAX_TEXT_BYTES, is_name};
use plexus_nn::check::MAX_ELEMENTS;
use plexus_nn::{CheckedNetwork, INPUT, Input, NamedLayer, Network, Shape};
use source::{Source, suggestion};
use std::collections::HashMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the text of a network says.
///
/// # Examples
/// ```
/// use plexus_formats::parse_network;
/// let text = "input = [784]\n[[layer]]\nkind = \"linear\"\nout_features = 10\nactivation = \"relu\"\n";
/// let network = parse_network(text, "net.toml").unwrap().into_network(None).unwrap();
/// assert_eq!(network.layers[1].name, "layers.1");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NetworkText {
    /// The shape of one sample of the only input, where the text says it.
    pub input: Option<Shape>,
    /// Named inputs, where the text has them.
    pub inputs: Vec<Input>,
    /// The names of what comes out; empty for the last layer.
    pub outputs: Vec<String>,
    /// The layers, short forms written out.
    pub layers: Vec<NamedLayer>,
    /// The name of the text, and where each layer and the input stand in it.
    file: String,
    text: String,
    spans: Vec<Range<usize>>,
    input_span: Range<usize>,
}

impl NetworkText {
    /// The network, not checked. `default_input` is the shape of one sample where the text does not say it.
    ///
    /// # Errors
    /// [`FormatError::NoInput`] where neither says it.
    pub fn into_network(self, default_input: Option<Shape>) -> Result<Network, FormatError> {
        let mut inputs = self.inputs;
        if inputs.is_empty() {
            let shape = self.input.or(default_input).ok_or(FormatError::NoInput { file: self.file })?;
            inputs.push(Input { name: INPUT.to_string(), shape });
        }
        Ok(Network { inputs, layers: self.layers, outputs: self.outputs })
    }

    /// The network, checked; a layer that does not fit is shown with its line.
    ///
    /// # Errors
    /// [`FormatError::NoInput`]; [`FormatError::Text`] for the first layer that does not fit.
    pub fn into_checked(self, default_input: Option<Shape>) -> Result<CheckedNetwork, FormatError> {
        let (file, text) = (self.file.clone(), self.text.clone());
        let (spans, input_span) = (self.spans.clone(), self.input_span.clone());
        let network = self.into_network(default_input)?;
        let labels: Vec<String> =
            network.layers.iter().map(|named| format!("{} ({})", named.name, named.layer.kind())).collect();
        network.check().map_err(|error| {
            let at = labels.iter().position(|label| Some(label) == error.layer.as_ref());
            let span = at.map_or(input_span, |at| spans[at].clone());
            let mut error = error;
            let help = std::mem::take(&mut error.help);
            Source { file: &file, text: &text }.error(span, error.to_string(), help)
        })
    }
}

/// Reads the text of a network. `source` names it in messages, usually by its path.
///
/// # Errors
/// [`FormatError::Text`] with the place of the first mistake; [`FormatError::TextTooLarge`].
pub fn parse_network(text: &str, source: &str) -> Result<NetworkText, FormatError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(FormatError::TextTooLarge { file: source.to_string(), bytes: text.len(), limit: MAX_TEXT_BYTES });
    }
    let source = Source { file: source, text };
    let document = DeTable::parse(text)
        .map_err(|error| source.error(error.span().unwrap_or(0..0), sentence(error.message()), ""))?;
    let table = document.get_ref();
    check_top_level(source, table)?;
    let (input, inputs) = (table.get("input"), table.get("inputs"));
    if let (Some(_), Some(value)) = (input, inputs) {
        let help = "Write `input = [784]` for one input, or `inputs = { left = [8], right = [3] }` for several.";
        return Err(source.error(value.span(), "there are both `input` and `inputs`", help));
    }
    let mut parsed = NetworkText {
        input: input.map(|value| shape(source, "input", value)).transpose()?,
        inputs: inputs.map_or(Ok(Vec::new()), |value| named_inputs(source, value))?,
        outputs: table.get("outputs").map_or(Ok(Vec::new()), |value| names(source, "outputs", value))?,
        layers: Vec::new(),
        file: source.file.to_string(),
        text: text.to_string(),
        spans: Vec::new(),
        input_span: input.or(inputs).map_or(0..0, Spanned::span),
    };
    if let Some(value) = table.get("layer") {
        let DeValue::Array(items) = value.get_ref() else {
            let help = "Write `[[layer]]` with two brackets, once for each layer.";
            return Err(source.error(value.span(), "`layer` is a list of layers", help));
        };
        for item in items.iter() {
            let DeValue::Table(layer) = item.get_ref() else {
                let help = "Write `[[layer]]` and the keys of the layer below it.";
                return Err(source.error(item.span(), "a layer is a table", help));
            };
            for named in layer::expand(source, layer, &item.span(), parsed.layers.len())? {
                parsed.layers.push(named);
                parsed.spans.push(item.span());
            }
            if parsed.layers.len() > MAX_LAYERS {
                return Err(source.error(item.span(), format!("more than {MAX_LAYERS} layers"), ""));
            }
        }
    }
    if parsed.input.is_none() && parsed.inputs.is_empty() && parsed.layers.is_empty() {
        let help = "The smallest is: input = [784], then [[layer]], kind = \"linear\", out_features = 10, a line each.";
        return Err(source.error(0..0, "there is no network in this text", help));
    }
    check_names(source, &parsed)?;
    Ok(parsed)
}

/// The inputs of a network by their names, in the order of the text.
fn named_inputs(source: Source<'_>, value: &Spanned<DeValue<'_>>) -> Result<Vec<Input>, FormatError> {
    let help = "Write `inputs = { left = [8], right = [3] }`: a name and the shape of one sample for each.";
    let DeValue::Table(table) = value.get_ref() else {
        let message = format!("`inputs` is {}, expected names with shapes", called(value.get_ref()));
        return Err(source.error(value.span(), message, help));
    };
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut inputs = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let name = key.get_ref().to_string();
        if !is_name(&name) {
            return Err(source.error(key.span(), "this name cannot be used", help));
        }
        inputs.push(Input { shape: shape(source, &name, value)?, name });
    }
    match inputs.is_empty() {
        true => Err(source.error(value.span(), "`inputs` has no input", help)),
        false => Ok(inputs),
    }
}

/// A list of names.
fn names(source: Source<'_>, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, FormatError> {
    let help = format!("Write the names of layers: `{key} = [\"hidden\"]`.");
    let DeValue::Array(items) = value.get_ref() else {
        let message = format!("`{key}` is {}, expected a list of names", called(value.get_ref()));
        return Err(source.error(value.span(), message, help));
    };
    let names = items.iter().map(|item| match item.get_ref() {
        DeValue::String(name) => Ok(name.to_string()),
        other => Err(source.error(item.span(), format!("{} in `{key}`, expected names", called(other)), help.as_str())),
    });
    names.collect()
}

/// Refuses everything but the keys of a network; the first in the text is reported.
fn check_top_level(source: Source<'_>, table: &DeTable<'_>) -> Result<(), FormatError> {
    let unknown = table.iter().filter(|(key, _)| !TOP_LEVEL.contains(&key.get_ref().as_ref()));
    let Some((key, value)) = unknown.min_by_key(|(key, _)| key.span().start) else {
        return Ok(());
    };
    let name = key.get_ref().as_ref();
    let help = match name {
        "layers" => "Write `[[layer]]`, in the singular, once for each layer.".to_string(),
        _ if matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_)) => {
            suggestion(name, &["layer", "input", "inputs", "outputs"])
        }
        _ if layer::is_key(name) => format!("`{name}` belongs to a layer: put it below a line `[[layer]]`."),
        _ => suggestion(name, TOP_LEVEL),
    };
    Err(source.error(key.span(), format!("unknown key `{}`", name.escape_debug()), help))
}

/// The keys of a network itself.
const TOP_LEVEL: &[&str] = &["input", "inputs", "layer", "outputs"];

/// Refuses a name that is used twice, where the text can still show both places.
fn check_names(source: Source<'_>, parsed: &NetworkText) -> Result<(), FormatError> {
    let mut seen: HashMap<&str, &Range<usize>> = HashMap::new();
    for (named, span) in parsed.layers.iter().zip(&parsed.spans) {
        if let Some(first) = seen.insert(&named.name, span) {
            let line = source.text[..first.start.min(source.text.len())].matches('\n').count() + 1;
            let message = format!("two layers are named `{}`: this one and the one in line {line}", named.name);
            return Err(source.error(span.clone(), message, "Rename one of them, or leave the names out."));
        }
    }
    Ok(())
}

/// A size: a whole number of at least one.
fn size(source: Source<'_>, key: &str, value: &Spanned<DeValue<'_>>) -> Result<usize, FormatError> {
    let refuse = |message: String, help: &str| Err(source.error(value.span(), message, help));
    match value.get_ref() {
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(size) if (1..=MAX_ELEMENTS as i128).contains(&size) => Ok(size as usize),
            Ok(0) => refuse(format!("`{key}` is 0, a size is at least 1"), "A layer of no features computes nothing."),
            Ok(size) if size < 0 => refuse(format!("`{key}` is {size}, a size is at least 1"), ""),
            // Beyond 128 bits, or merely beyond what anyone has.
            _ => refuse(format!("`{key}` is too large, a size is at most {}", most()), "Is a digit too many?"),
        },
        DeValue::String(_) => refuse(format!("`{key}` is a string, expected a whole number"), "Leave out the quotes."),
        other => refuse(format!("`{key}` is {}, expected a whole number", called(other)), ""),
    }
}

/// The axes of one sample.
fn shape(source: Source<'_>, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Shape, FormatError> {
    let help = format!("Write `{key} = [784]`, or `{key} = [1, 28, 28]` for images: channels, height, width.");
    let DeValue::Array(axes) = value.get_ref() else {
        let message = format!("`{key}` is {}, expected a list of sizes", called(value.get_ref()));
        return Err(source.error(value.span(), message, help));
    };
    if axes.len() > MAX_AXES {
        return Err(source.error(value.span(), format!("`{key}` has more than {MAX_AXES} axes"), help));
    }
    let axes: Vec<usize> = axes.iter().map(|axis| size(source, key, axis)).collect::<Result<_, _>>()?;
    let shape = Shape::new(axes);
    match shape.len() {
        Some(len) if len <= MAX_ELEMENTS => Ok(shape),
        _ => {
            let message = format!("`{key}` has more than {} elements", most());
            Err(source.error(value.span(), message, "Is a digit too many?"))
        }
    }
}

/// [`MAX_ELEMENTS`], for messages.
fn most() -> String {
    format!("{MAX_ELEMENTS} (2^{})", MAX_ELEMENTS.ilog2())
}

/// What a value is, for messages.
fn called(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a decimal point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A message of the TOML parser in our style: it may have line breaks.
fn sentence(message: &str) -> String {
    format!("this is not TOML: {}", message.split_whitespace().collect::<Vec<_>>().join(" "))
}
