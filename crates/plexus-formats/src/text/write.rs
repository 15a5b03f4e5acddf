//! Writes a network as text.

use super::parse_network;
use crate::error::FormatError;
use plexus_nn::layers::Layer;
use plexus_nn::{INPUT, Input, NamedLayer, Network};
use serde_json::{Map, Number, Value};

/// Writes a network as text that [`parse_network`](crate::parse_network) reads back to the same network.
///
/// Keys at their default are left out, and an activation behind a layer takes its short form.
///
/// # Errors
/// [`FormatError::CannotWrite`] for what the text form refuses: sizes of zero, numbers that are not finite, names with
/// control characters, more layers than [`MAX_LAYERS`](crate::limits::MAX_LAYERS).
///
/// # Examples
/// ```
/// use plexus_nn::{Network, Shape, layers::Linear};
/// let network = Network::chain(Shape::new([784]), [Linear::new(10).into()]);
/// let text = plexus_formats::write_network(&network).unwrap();
/// assert_eq!(text, "input = [784]\n\n[[layer]]\nkind = \"linear\"\nout_features = 10\n");
/// ```
pub fn write_network(network: &Network) -> Result<String, FormatError> {
    let mut text = String::new();
    match network.inputs.as_slice() {
        [input] if input.name == INPUT => text += &format!("input = {}\n", input.shape),
        inputs => {
            let inputs = inputs.iter().map(|Input { name, shape }| format!("{} = {shape}", key(name)));
            text += &format!("inputs = {{ {} }}\n", inputs.collect::<Vec<_>>().join(", "));
        }
    }
    if !network.outputs.is_empty() {
        line(&mut text, "outputs", &names(&network.outputs));
    }
    let mut layers = network.layers.iter().enumerate().peekable();
    while let Some((index, named)) = layers.next() {
        let unnamed = named.name == format!("layers.{index}");
        text += "\n[[layer]]\n";
        let mut object = own_keys(named)?;
        // The name of a function is a kind of its own.
        let function_name = if matches!(named.layer, Layer::Activation(_)) { function(&mut object) } else { None };
        match function_name {
            Some(function) => line(&mut text, "kind", &function),
            None => line(&mut text, "kind", &Value::String(named.layer.kind().to_string())),
        }
        if !unnamed {
            line(&mut text, "name", &Value::String(named.name.clone()));
        }
        if !named.inputs.is_empty() {
            line(&mut text, "inputs", &names(&named.inputs));
        }
        for (name, value) in &object {
            line(&mut text, &key(name), value);
        }
        if let Some((_, behind)) = layers.peek()
            && is_short_form(named, unnamed, index, behind)
        {
            let mut object = own_keys(behind)?;
            if let Some(function) = function(&mut object) {
                match object.is_empty() {
                    true => line(&mut text, "activation", &function),
                    false => {
                        let keys = object.iter().map(|(key, value)| format!(", {key} = {}", toml(value)));
                        text +=
                            &format!("activation = {{ function = {}{} }}\n", toml(&function), keys.collect::<String>());
                    }
                }
                layers.next();
            }
        }
    }
    // One rule decides what can be read: the reader.
    let cannot = |reason: String| FormatError::CannotWrite { what: "the network as text".to_string(), reason };
    match parse_network(&text, "the text").and_then(|parsed| parsed.into_network(None)) {
        Ok(read) if read == *network => Ok(text),
        Ok(_) => Err(cannot("it would be read back as another network".to_string())),
        Err(error) => Err(cannot(error.to_string())),
    }
}

fn names(names: &[String]) -> Value {
    Value::Array(names.iter().cloned().map(Value::String).collect())
}

/// A name as a key: in quotes, where it has to be.
fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.bytes().all(is_bare) { name.to_string() } else { toml(&Value::String(name.to_string())) }
}

/// The keys of the layer itself that are not at their defaults.
fn own_keys(named: &NamedLayer) -> Result<Map<String, Value>, FormatError> {
    let cannot = |reason: String| FormatError::CannotWrite { what: format!("layer {}", named.name), reason };
    let value = serde_json::to_value(&named.layer).map_err(|error| cannot(error.to_string()))?;
    let Value::Object(mut object) = value else {
        return Err(cannot("it is not a table".to_string()));
    };
    let reads_as_this = |object: &Map<String, Value>| -> bool {
        serde_json::from_value::<Layer>(Value::Object(object.clone())).is_ok_and(|read| read == named.layer)
    };
    let mut short = object.clone();
    short.values_mut().for_each(shorten);
    // Of an f64, which only a layer that is not built in can have, that would be another number.
    if !matches!(named.layer, Layer::Custom(_)) || reads_as_this(&short) {
        object = short;
    }
    let mut whole = Value::Object(object);
    let is_same = |whole: &Value| whole.as_object().is_some_and(reads_as_this);
    drop_defaults(&mut whole, "", !matches!(named.layer, Layer::Custom(_)), &is_same);
    if has_null(&whole) {
        return Err(cannot("it has a constant that is not a finite number".to_string()));
    }
    let Value::Object(mut object) = whole else { unreachable!("it was one above") };
    object.remove("kind");
    Ok(object)
}

/// Leaves out the keys of a table inside of a layer, and of those in it, without which the layer is the same.
fn drop_defaults(whole: &mut Value, place: &str, inner: bool, is_same: &dyn Fn(&Value) -> bool) {
    let Some(Value::Object(table)) = whole.pointer(place) else { return };
    for key in table.keys().filter(|key| *key != "kind").cloned().collect::<Vec<String>>() {
        let Some(Value::Object(table)) = whole.pointer_mut(place) else { return };
        let Some(value) = table.remove(&key) else { continue };
        if is_same(whole) {
            continue;
        }
        if let Some(Value::Object(table)) = whole.pointer_mut(place) {
            table.insert(key.clone(), value);
        }
        if inner {
            drop_defaults(whole, &format!("{place}/{key}"), inner, is_same);
        }
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(table) => table.values().any(has_null),
        other => other.is_null(),
    }
}

/// Takes the name of the function out of the keys of an activation.
fn function(object: &mut Map<String, Value>) -> Option<Value> {
    object.remove("function")
}

/// Whether the layer behind is what the key `activation` would put there.
fn is_short_form(named: &NamedLayer, unnamed: bool, index: usize, behind: &NamedLayer) -> bool {
    let expected = if unnamed { format!("layers.{}", index + 1) } else { format!("{}.activation", named.name) };
    let takes = matches!(
        named.layer,
        Layer::Linear(_)
            | Layer::Conv2d(_)
            | Layer::Conv2dTable(_)
            | Layer::TrainablePool2d(_)
            | Layer::BatchNorm(_)
            | Layer::LayerNorm(_)
            | Layer::Add(_)
    );
    takes && matches!(behind.layer, Layer::Activation(_)) && behind.inputs.is_empty() && behind.name == expected
}

fn line(text: &mut String, key: &str, value: &Value) {
    *text += &format!("{key} = {}\n", toml(value));
}

/// Gives every number as few digits as give the same f32 back, for constants of layers are f32.
fn shorten(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let digits = number.as_f64().map(|number| format!("{:?}", number as f32));
            if let Some(short) = digits.and_then(|digits| digits.parse().ok()).and_then(Number::from_f64) {
                *number = short;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(object) => object.values_mut().for_each(shorten),
        _ => {}
    }
}

/// A value as TOML.
fn toml(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map(|number| format!("{number:?}")).unwrap_or_default()
        }
        Value::Object(object) => {
            let keys = object.iter().map(|(name, value)| format!("{} = {}", key(name), toml(value)));
            format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
        }
        Value::String(string) => toml::Value::String(string.clone()).to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
