//! Layers as words, as `conv:64,3` and `pool:2`, and what they do to a shape.

use plexus_kernels::map::Function;
use plexus_nn::layers::{Activation, KINDS, Layer};
use plexus_nn::{CheckedNetwork, NamedLayer, Network, Shape, ShapeError};
use serde_json::{Map, Value};
use std::fmt;

/// A word, the kind that it stands for, and the keys of its numbers in their order.
const WORDS: &[(&str, &str, &[&str])] = &[
    ("conv", "conv2d", &["out_channels", "kernel_size"]),
    ("conv1d", "conv1d", &["out_channels", "kernel_size"]),
    ("convt", "conv_transpose2d", &["out_channels", "kernel_size"]),
    ("local", "locally_connected2d", &["out_channels", "kernel_size"]),
    ("pool", "max_pool2d", &["kernel_size"]),
    ("maxpool", "max_pool2d", &["kernel_size"]),
    ("avgpool", "avg_pool2d", &["kernel_size"]),
    ("pool1d", "max_pool1d", &["kernel_size"]),
    ("avgpool1d", "avg_pool1d", &["kernel_size"]),
    ("adaptive", "adaptive_avg_pool2d", &["output_size"]),
    ("linear", "linear", &["out_features"]),
    ("fc", "linear", &["out_features"]),
    ("dense", "linear", &["out_features"]),
    ("upsample", "upsample", &["factor"]),
    ("pad", "pad", &["padding"]),
    ("crop", "center_crop", &["size"]),
    ("reshape", "reshape", &["shape"]),
    ("unflatten", "unflatten", &["shape"]),
    ("dropout", "dropout", &["probability"]),
    ("batchnorm", "batch_norm", &[]),
    ("layernorm", "layer_norm", &[]),
];

/// Letters in front of a number, as in `s2`.
const LETTERS: &[(char, &str)] = &[('s', "stride"), ('p', "padding"), ('d', "dilation"), ('g', "groups")];

/// A word that is no layer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WordError {
    /// The word, as `conv:64,3`.
    pub word: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to write instead.
    pub help: String,
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\": {}. {}", self.word, self.problem, self.help)
    }
}

impl std::error::Error for WordError {}

/// What layers do to a shape, one after the other.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Walk {
    /// The layers that fit, from the first on.
    pub network: CheckedNetwork,
    /// Why the next one does not, where one does not.
    pub refused: Option<ShapeError>,
}

/// The layer that a word stands for: a short name or a kind of layer (`conv2d`, `batch_norm`), or the name of a function
/// (`relu`); behind a colon its numbers, and keys with values.
///
/// `conv:64,3,s2,p1` has 64 filters of 3 x 3, stride 2, padding 1; `conv:64,3x5,padding=same`; `linear:10`, or `linear:400,10` with
/// the inputs that it expects.
///
/// # Errors
/// [`WordError`] with what could be meant.
pub fn layer(word: &str) -> Result<Layer, WordError> {
    let wrong = |problem: String, help: String| WordError { word: word.to_string(), problem, help };
    let (name, rest) = word.split_once(':').unwrap_or((word, ""));
    let name = name.trim().to_lowercase();
    if let (true, Some(function)) = (rest.is_empty(), Function::named(&name)) {
        return Ok(Activation::new(function).into());
    }
    let known = WORDS.iter().find(|(short, ..)| *short == name).map(|(_, kind, numbers)| (*kind, *numbers));
    let by_kind = || KINDS.iter().find(|kind| **kind == name).map(|kind| (*kind, numbers_of(kind)));
    let Some((kind, keys)) = known.or_else(by_kind) else {
        let words: Vec<&str> = WORDS.iter().map(|(short, ..)| *short).collect();
        let help = format!("Layers are {}, flatten, relu and other functions, or kinds as conv2d", words.join(", "));
        return Err(wrong("there is no such layer".to_string(), help));
    };
    let mut table = Map::from_iter([("kind".to_string(), Value::from(kind))]);
    let parts: Vec<&str> = rest.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let plain = |part: &&&str| number(part).is_some();
    let both = ["in_features", "out_features"];
    // Two numbers of a linear layer are its inputs and its outputs, as in PyTorch.
    let keys = if kind == "linear" && parts.iter().filter(plain).count() == 2 { &both[..] } else { keys };
    let mut free = keys.iter();
    for part in parts {
        let lettered = || {
            let (letter, digits) = (part.chars().next()?, part.get(1..)?);
            let (_, key) = LETTERS.iter().find(|(known, _)| *known == letter)?;
            Some((key.to_string(), number(digits)?))
        };
        let (key, value) = match part.split_once('=') {
            Some((key, text)) => (key.trim().to_string(), value(text.trim())),
            // What stands by its place alone is a size.
            None => match number(part).filter(|_| !part.starts_with('-')) {
                Some(value) => match free.next() {
                    Some(key) => (key.to_string(), value),
                    None => {
                        let help = format!("It takes {}; give others by name, as stride=2", listed(keys));
                        return Err(wrong(format!("{part} is a number too many"), help));
                    }
                },
                None => match lettered() {
                    Some(pair) => pair,
                    None => {
                        let help = format!("It takes {}, then s2 (stride), p1 (padding), or key=value", listed(keys));
                        return Err(wrong(format!("{part} is no number"), help));
                    }
                },
            },
        };
        if table.insert(key.clone(), value).is_some() {
            return Err(wrong(format!("{key} is given twice"), "Leave one out".to_string()));
        }
    }
    let missing: Vec<&str> = free.copied().filter(|key| kind != "dropout" && !table.contains_key(*key)).collect();
    if !missing.is_empty() {
        let help = format!("It takes {}, as {name}:{}", listed(keys), example(keys));
        return Err(wrong(format!("{} is missing", missing.join(", ")), help));
    }
    serde_json::from_value(Value::Object(table))
        .map_err(|error| wrong(error.to_string(), format!("The keys of {kind} are in docs/layers.md")))
}

/// Goes through layers from a shape, and stops at the first that does not fit.
///
/// # Errors
/// [`ShapeError`] where the shape alone does not fit any network.
///
/// # Examples
/// ```
/// use plexus::explain::{layer, walk};
/// let words = ["conv:64,3", "conv:128,3", "pool:2", "flatten"];
/// let layers = words.iter().map(|word| layer(word)).collect::<Result<Vec<_>, _>>()?;
/// let walk = walk([32, 200, 150], &layers)?;
/// assert_eq!(walk.network.output().axes(), [915_712]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn walk(input: impl Into<Shape>, layers: &[Layer]) -> Result<Walk, ShapeError> {
    let input = input.into();
    let of = |count: usize| Network::chain(input.clone(), layers[..count].iter().cloned()).check();
    let mut network = of(0)?;
    for count in 1..=layers.len() {
        match of(count) {
            Ok(next) => network = next,
            Err(refused) => return Ok(Walk { network, refused: Some(refused) }),
        }
    }
    Ok(Walk { network, refused: None })
}

/// The keys of the numbers of a kind that is written out.
fn numbers_of(kind: &str) -> &'static [&'static str] {
    WORDS.iter().find(|(_, known, _)| *known == kind).map_or(&[], |(.., numbers)| numbers)
}

/// `3`, `0.5`, or several sizes: `3x5`.
fn number(text: &str) -> Option<Value> {
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    if text.contains('x') {
        let sizes: Result<Vec<u64>, _> = text.split('x').map(str::parse).collect();
        return sizes.ok().map(Value::from);
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Value::from)
}

fn value(text: &str) -> Value {
    match (text, number(text)) {
        (_, Some(value)) => value,
        ("true", _) => true.into(),
        ("false", _) => false.into(),
        _ => text.into(),
    }
}

fn listed(keys: &[&str]) -> String {
    if keys.is_empty() { "no numbers".to_string() } else { keys.join(", ") }
}

fn example(keys: &[&str]) -> &'static str {
    match keys {
        [_, _] => "64,3",
        ["shape"] => "16x5x5",
        ["out_features"] => "10",
        _ => "2",
    }
}

/// A network as the words of its layers, for a message.
impl Walk {
    /// The layers that fit, by name.
    pub fn layers(&self) -> &[NamedLayer] {
        &self.network.network().layers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plexus_nn::layers::{Conv2d, Dropout, Flatten, Linear, MaxPool2d, Padding};

    #[test]
    fn words_are_layers() {
        let same = |word: &str, want: Layer| assert_eq!(layer(word), Ok(want), "{word}");
        same("conv:64,3", Conv2d::new(64, 3).into());
        same("conv:64,3x5,s2,p1", Conv2d::new(64, [3, 5]).with_stride(2).with_padding(1).into());
        same("Conv2d:8,3,padding=same,groups=2", Conv2d::new(8, 3).with_padding(Padding::SAME).with_groups(2).into());
        same("pool:3,s2", MaxPool2d::new(3).with_stride(2).into());
        same("flatten", Flatten::default().into());
        same("linear:10", Linear::new(10).into());
        same("fc:400,10,bias=false", Linear::new(10).with_in_features(400).with_bias(false).into());
        same("relu", Activation::new(Function::Relu).into());
        same("dropout:0.25", Dropout::new(0.25).into());
    }

    #[test]
    fn every_word_can_be_written() {
        for (word, kind, keys) in WORDS {
            let text = match *keys {
                [] => word.to_string(),
                [_, _] => format!("{word}:4,3"),
                ["shape" | "size" | "output_size"] => format!("{word}:2x2"),
                ["probability"] => format!("{word}:0.5"),
                _ => format!("{word}:2"),
            };
            let made = layer(&text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(made.kind(), *kind, "{word}");
        }
    }

    #[test]
    fn what_is_no_layer_says_what_to_write() {
        for (word, problem, help) in [
            ("konv:64,3", "no such layer", "conv"),
            ("conv", "out_channels, kernel_size is missing", "conv:64,3"),
            ("conv:64", "kernel_size is missing", "conv:64,3"),
            ("conv:64,3,5", "5 is a number too many", "stride=2"),
            ("conv:64,3,x", "x is no number", "key=value"),
            ("conv:64,3,s2,stride=2", "stride is given twice", "Leave one out"),
            ("conv:64,3,strid=2", "strid", "docs/layers.md"),
            ("flatten:3", "3 is a number too many", "no numbers"),
            ("conv:64,-3", "-3 is no number", "key=value"),
            ("", "no such layer", "conv"),
        ] {
            let error = layer(word).expect_err(word);
            assert!(error.problem.contains(problem), "{word}: {error}");
            assert!(error.help.contains(help), "{word}: {error}");
        }
    }

    #[test]
    fn s14_has_its_numbers_and_a_wrong_one_is_told() {
        let layers = |words: &str| words.split(' ').map(|word| layer(word).unwrap()).collect::<Vec<Layer>>();
        let out =
            |input: [usize; 3], words: &str| walk(input, &layers(words)).unwrap().network.output().axes().to_vec();
        assert_eq!(out([32, 200, 150], "conv:64,3 conv:128,3 pool:2 flatten"), [915_712]);
        let second = "conv:8,4 pool:2 conv:16,3 pool:2 flatten";
        assert_eq!(out([1, 28, 28], second), [400]);
        let stuck = walk([1, 28, 28], &layers(&format!("{second} linear:144,10"))).unwrap();
        assert_eq!(stuck.layers().len(), 5);
        let refused = stuck.refused.expect("144 inputs do not fit");
        assert!(refused.expected.contains("144") && refused.got.contains("400"), "{refused}");
        assert!(refused.help.contains("400"), "{refused}");
    }
}
