//! Models and network texts with layers that are not built in.

mod common;

use plexus_formats::{FormatError, parse_network, read_model, write_model, write_network};
use plexus_nn::custom::{self, CustomBackward, CustomForward, CustomLayer};
use plexus_nn::layer::{Mismatch, ParamSpec};
use plexus_nn::layers::{dropout, linear, relu};
use plexus_nn::{Graph, Init, Network, Params, Shape};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A form of [`Mix`], with a field of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Curve {
    points: Vec<f64>,
    label: String,
}

/// Adds values with factors that are learnt; its keys are of every type that a file can have, some of them named as keys of
/// built-in layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mix {
    gain: f32,
    #[serde(default)]
    exact: f64,
    #[serde(default)]
    shape: String,
    #[serde(default)]
    groups: Vec<i64>,
    #[serde(default, rename = "my function")]
    my_function: Option<u32>,
    #[serde(default)]
    function: bool,
    #[serde(default)]
    curve: Option<Curve>,
}

fn mix() -> Mix {
    Mix {
        gain: 0.1,
        exact: 0.0,
        shape: String::new(),
        groups: Vec::new(),
        my_function: None,
        function: false,
        curve: None,
    }
}

impl CustomLayer for Mix {
    const KIND: &'static str = "formats-test/mix";

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        if inputs.iter().all(|input| *input == inputs[0]) {
            return Ok(inputs[0].clone());
        }
        Err(Mismatch::new("the inputs", "values of one shape", "", "Mix takes values of one shape."))
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        vec![
            ParamSpec::new("factor", [inputs.len()], Init::HeNormal),
            ParamSpec::constant("origin", [inputs[0].last().unwrap_or(1)], Init::Ones),
        ]
    }

    fn forward(&self, cx: CustomForward<'_>) {
        for (input, factor) in cx.inputs.iter().zip(cx.params[0]) {
            cx.output.iter_mut().zip(*input).for_each(|(to, from)| *to += self.gain * factor * from);
        }
    }

    fn backward(&self, _: CustomBackward<'_>) {}
}

/// Never registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ScaleShift {}

impl CustomLayer for ScaleShift {
    const KIND: &'static str = "my_crate/scale_shift";

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        Ok(inputs[0].clone())
    }

    fn forward(&self, _: CustomForward<'_>) {}

    fn backward(&self, _: CustomBackward<'_>) {}
}

fn network(layer: Mix) -> Network {
    let mut g = Graph::new();
    let (x, z) = (g.input("x", [4]), g.input("z", [3]));
    let a = g.linear(x, 3);
    let mixed = g.layer(layer, &[a, z, a]);
    g.name(mixed, "mixed");
    let y = g.relu(mixed);
    g.output(y).unwrap()
}

#[test]
fn a_model_is_read_back_with_its_numbers() {
    custom::register::<Mix>().unwrap();
    let layer = Mix { exact: 0.1, curve: Some(Curve { points: vec![0.1, 1e300], label: "a \"b\"".into() }), ..mix() };
    let network = network(layer).check().unwrap();
    let params = Params::initialize(&network, 5);
    let bytes = write_model(&network, &params, &BTreeMap::new()).unwrap();
    let (read, numbers, _) = read_model(&bytes).unwrap();
    assert_eq!(read.network(), network.network());
    assert_eq!(numbers, params);
    assert_eq!(numbers.by_name("mixed.origin"), Some(&[1.0; 3][..]));
}

#[test]
fn text_has_the_keys_that_are_not_at_their_defaults_and_reads_back() {
    custom::register::<Mix>().unwrap();
    let plain = network(mix());
    let text = write_network(&plain).unwrap();
    let layer = "[[layer]]\nkind = \"formats-test/mix\"\nname = \"mixed\"\ninputs = [\"layers.0\", \"z\", \"layers.0\"]\ngain = 0.1\n";
    assert!(text.contains(layer), "{text}");
    let curve = Some(Curve { points: vec![0.5, -3.0, 0.1, 1e300], label: "a \"b\"\n".into() });
    let all = Mix {
        gain: -1e-7,
        exact: 0.123_456_789_012_345,
        shape: "round".into(),
        groups: vec![-1, 0, i64::MAX],
        my_function: Some(3),
        function: true,
        curve,
    };
    // The second is an f64 that an f32 has too, with more digits than the f32 needs.
    for layer in [all, Mix { exact: f64::from(0.1f32), ..mix() }] {
        let network = network(layer);
        let text = write_network(&network).unwrap();
        assert_eq!(parse_network(&text, "net.toml").unwrap().into_network(None).unwrap(), network, "{text}");
    }
}

#[test]
fn an_activation_may_stand_in_the_layer_as_with_every_kind() {
    custom::register::<Mix>().unwrap();
    let text = "input = [3]\n[[layer]]\nkind = \"formats-test/mix\"\ngain = 2\nactivation = \"relu\"\n";
    let network = parse_network(text, "net.toml").unwrap().into_network(None).unwrap();
    assert_eq!(network, Network::chain([3], [Mix { gain: 2.0, ..mix() }.into(), relu()]));
}

#[test]
fn mistakes_in_its_keys_are_told_with_their_place() {
    custom::register::<Mix>().unwrap();
    let refused = |keys: &str| {
        let text = format!("input = [3]\n[[layer]]\nkind = \"formats-test/mix\"\n{keys}\n");
        parse_network(&text, "net.toml").unwrap_err().to_string()
    };
    for (keys, words) in [
        ("gian = 1.0", &["net.toml:4:1", "`formats-test/mix` has no key `gian`", "Did you mean `gain`?"][..]),
        ("function = true", &["net.toml:2:1", "needs `gain`"]),
        ("gain = \"loud\"", &["net.toml:4:8", "`gain` is a string, expected a number"]),
        ("gain = 1.0\ngroups = [true]", &["net.toml:5:10", "`groups`"]),
        ("gain = 1.0\ncurve = { points = [1.0] }", &["net.toml:5:9", "`curve` needs `label`"]),
        ("function = true\ncurve = { points = [1.0], label = \"\" }", &["net.toml:2:1", "needs `gain`"]),
        ("gain = 1.0\nshape = 1979-05-27", &["net.toml:5:9", "`shape` is a date"]),
        ("gain = inf", &["net.toml:4:8", "not a finite number"]),
    ] {
        let error = refused(keys);
        assert!(words.iter().all(|word| error.contains(word)), "{keys}: {error}");
    }
}

/// The words of a refusal of [`ScaleShift`] in `layers.2`.
const UNKNOWN: [&str; 4] = ["layer `layers.2`", "kind `scale_shift`", "crate `my_crate`", "has not registered"];

#[test]
fn a_text_with_an_unknown_kind_says_layer_kind_and_crate() {
    let text = "input = [3]\n[[layer]]\nkind = \"linear\"\nout_features = 3\nactivation = \"relu\"\n\n[[layer]]\nkind = \"my_crate/scale_shift\"\n";
    let error = parse_network(text, "net.toml").unwrap_err().to_string();
    assert!(UNKNOWN.iter().chain(&["net.toml:8:8"]).all(|word| error.contains(word)), "{error}");
    let named = text.replace("my_crate/scale_shift\"", "my_crate/scale_shift\"\nname = \"scale\"");
    assert!(parse_network(&named, "net.toml").unwrap_err().to_string().contains("layer `scale`"));
    for kind in ["scale_shift", "my crate/scale_shift", "a/b/c", "/"] {
        let error = parse_network(&text.replace("my_crate/scale_shift", kind), "net.toml").unwrap_err().to_string();
        assert!(error.contains("unknown kind `") && error.contains("Known: `linear`"), "{kind}: {error}");
    }
}

#[test]
fn a_model_with_an_unknown_kind_says_layer_kind_and_crate_and_is_not_written() {
    let network = Network::chain([3], [linear(3), dropout(0.5), ScaleShift {}.into()]).check().unwrap();
    let params = Params::initialize(&network, 1);
    let error = write_model(&network, &params, &BTreeMap::new()).unwrap_err();
    assert!(matches!(error, FormatError::CannotWrite { .. }));
    assert!(UNKNOWN.iter().all(|word| error.to_string().contains(word)), "{error}");
    assert!(UNKNOWN.iter().all(|word| write_network(network.network()).unwrap_err().to_string().contains(word)));
    // As a program would have written it that knows the layer.
    let known = Network::chain([3], [linear(3), dropout(0.5), relu()]).check().unwrap();
    let bytes = write_model(&known, &Params::initialize(&known, 1), &BTreeMap::new()).unwrap();
    let other = |kind: &str| {
        let (from, to) = (r#"\"kind\":\"activation\",\"function\":\"relu\""#, format!(r#"\"kind\":\"{kind}\""#));
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).expect("the layer");
        let to = format!("{to:<width$}", width = from.len());
        let mut changed = bytes.clone();
        changed[at..at + from.len()].copy_from_slice(to.as_bytes());
        read_model(&changed).unwrap_err()
    };
    let error = other("my_crate/scale_shift");
    assert!(matches!(&error, FormatError::NotRegistered(unknown) if unknown.kind == "my_crate/scale_shift"));
    assert!(UNKNOWN.iter().all(|word| error.to_string().contains(word)), "{error}");
    let error = other("scale_shift");
    assert!(matches!(error, FormatError::BadNetwork { .. }));
    assert!(error.to_string().contains("unknown variant `scale_shift`, expected one of `linear`"), "{error}");
}
