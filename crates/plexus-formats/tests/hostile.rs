//! Files that must be refused: with the reason, without a panic, and without more memory than the file accounts for.
//!
//! The files are made here, in a table, beside the words that the refusal must contain.

mod common;

use common::{Random, sample};
use plexus_formats::{parse_network, read_model, read_weights, sniff, write_model};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::error::Error;

/// The allocator of the system, with a count of the bytes that each thread asks of it.
struct Counting;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to `System` with the arguments it came with; counting touches a number of this thread only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get().saturating_add(layout.size()));
        // SAFETY: the caller keeps the contract of `alloc`, which is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` by the function above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes asked for while a file is read. Today no more than 160 for each byte of a long one (a list of layers of
/// a few letters each), and 21 thousand for a short one with a long message. A reader whose work grows with the square
/// of the length, or that believes a size in a header, asks for far more.
fn most(len: usize) -> usize {
    256 * len + (64 << 10)
}

/// What `read` returns, and how many bytes it asked for on the way, those included that it gave back.
fn counted<T>(read: impl FnOnce() -> T) -> (T, usize) {
    let before = ASKED.get();
    let value = read();
    (value, ASKED.get() - before)
}

fn text(name: &str) -> String {
    let layer = |keys: &str| format!("input = [784]\n\n[[layer]]\n{keys}\n");
    let linear = |keys: &str| layer(&format!("kind = \"linear\"\n{keys}"));
    match name {
        "empty" => String::new(),
        "only a comment" => "# nothing\n".to_string(),
        "no network but a layer list of none" => "layer = []\n".to_string(),
        "no toml" => "input = [784\n[[layer]]\n".to_string(),
        "key twice" => "input = [1]\ninput = [2]\n".to_string(),
        "layers" => "input = [4]\n[[layers]]\nkind = \"relu\"\n".to_string(),
        "single bracket" => "input = [4]\n[layer]\nkind = \"relu\"\n".to_string(),
        "layer is a number" => "layer = 3\n".to_string(),
        "layer list of numbers" => "layer = [3]\n".to_string(),
        "unknown top key" => "imput = [784]\n".to_string(),
        "layer key at top" => "out_features = 10\n".to_string(),
        "input is a number" => "input = 784\n".to_string(),
        "input negative" => "input = [-1]\n".to_string(),
        "input zero" => "input = [3, 0]\n".to_string(),
        "input text" => "input = [\"784\"]\n".to_string(),
        "input huge" => "input = [99999999999999999999999999999999999999999999]\n".to_string(),
        "input product huge" => "input = [1000000, 1000000, 1000000]\n".to_string(),
        "input nine axes" => "input = [1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_string(),
        "no kind" => layer("out_features = 10"),
        "type for kind" => layer("type = \"linear\"\nout_features = 10"),
        "kind is a number" => layer("kind = 3"),
        "unknown kind" => layer("kind = \"liner\"\nout_features = 10"),
        "unknown function kind" => layer("kind = \"rellu\""),
        "unknown kind far off" => layer("kind = \"transformer\""),
        "unknown activation" => linear("out_features = 10\nactivation = \"rellu\""),
        "softmax as activation" => linear("out_features = 10\nactivation = \"softmax\""),
        "activation is a number" => linear("out_features = 10\nactivation = 1"),
        "constant of another function" => {
            linear("out_features = 10\nactivation = { function = \"relu\", slope = 0.1 }")
        }
        "unknown key in activation" => linear("out_features = 10\nactivation = { function = \"elu\", alfa = 0.1 }"),
        "function missing in activation" => linear("out_features = 10\nactivation = { slope = 0.1 }"),
        "activation in activation" => layer("kind = \"activation\"\nactivation = \"relu\""),
        "unknown function in activation layer" => layer("kind = \"activation\"\nfunction = \"tahn\""),
        "unknown key" => linear("out_featurs = 10"),
        "units" => linear("units = 10"),
        "out_features missing" => linear("bias = true"),
        "out_features zero" => linear("out_features = 0"),
        "out_features negative" => linear("out_features = -3"),
        "out_features fraction" => linear("out_features = 12.5"),
        "out_features text" => linear("out_features = \"10\""),
        "out_features beyond 2^40" => linear("out_features = 1099511627777"),
        "bias is a number" => linear("out_features = 10\nbias = 1"),
        "unknown start" => linear("out_features = 10\nweight_init = \"glorot\""),
        "date" => linear("out_features = 10\nbias = 1979-05-27"),
        "infinite constant" => layer("kind = \"leaky_relu\"\nslope = inf"),
        "nan constant" => layer("kind = \"elu\"\nalpha = nan"),
        "constant beyond f32" => layer("kind = \"elu\"\nalpha = 1e300"),
        "key of no layer" => layer("kind = \"flatten\"\nx = 1"),
        "name empty" => layer("kind = \"relu\"\nname = \"\""),
        "name with escape" => layer("kind = \"relu\"\nname = \"\\u001b[2J\""),
        "name is a number" => layer("kind = \"relu\"\nname = 1"),
        "name twice" => layer("kind = \"relu\"\nname = \"a\"\n[[layer]]\nkind = \"relu\"\nname = \"a\""),
        "inputs is text" => linear("out_features = 10\ninputs = \"a\""),
        "dense with bias_init and normalizer" => {
            layer("kind = \"dense\"\nout_features = 3\nnormalizer = \"layer_norm\"\nbias_init = \"zeros\"")
        }
        "dense with unknown normalizer" => layer("kind = \"dense\"\nout_features = 3\nnormalizer = \"batchnorm\""),
        "dense with bias" => layer("kind = \"dense\"\nout_features = 3\nbias = true"),
        "table for a size" => linear("out_features = { rows = 3 }"),
        "unknown key of a float form" => layer("kind = \"integer_softmax\"\nof = { axes = 1 }"),
        "unknown type of numbers" => layer("kind = \"quantize\"\noutput = { dtype = \"int8\", scale = 0.5 }"),
        "numbers without a scale" => layer("kind = \"quantize\"\noutput = { dtype = \"i8\" }"),
        "scale that is not finite" => layer("kind = \"quantize\"\noutput = { dtype = \"i8\", scale = inf }"),
        "size of zero in a float form" => layer("kind = \"integer_linear\"\nof = { out_features = 0 }"),
        "two arithmetics" => {
            let both = "{ affine = {}, power_of_two = { weight_fraction = 3, bias_fraction = 3 } }";
            let output = "{ dtype = \"i8\", scale = 1 }";
            layer(&format!(
                "kind = \"integer_linear\"\nof = {{ out_features = 1 }}\nintegers = {{ weight = \"i8\", arithmetic = {both}, output = {output} }}"
            ))
        }
        "control characters" => "\u{1b}]0;title\u{7} = 1\n".to_string(),
        "too long" => "# a comment\n".repeat(100_000),
        "deep lists" => format!("input = {}", "[".repeat(500_000)),
        "deep tables" => format!("input = {}", "{a=".repeat(300_000)),
        "deep dotted key" => format!("{}a = 1\n", "a.".repeat(500_000)),
        "deep dotted key in a layer" => format!("[[layer]]\n{}a = 1\n", "a.".repeat(500_000)),
        "deep dotted table" => format!("[{}a]\n", "a.".repeat(500_000)),
        "many layers" => "[[layer]]\nkind=\"relu\"\n".repeat(40_000),
        "many layers by short forms" => {
            "[[layer]]\nkind=\"dense\"\nout_features=1\nnormalizer=\"layer_norm\"\n".repeat(5_000)
        }
        "many keys" => {
            let keys: String = (0..80_000).map(|at| format!("k{at} = 1\n")).collect();
            layer(&format!("kind = \"flatten\"\n{keys}"))
        }
        "many top keys" => (0..90_000).map(|at| format!("k{at} = 1\n")).collect(),
        "one long line" => format!("input = [{}\"x\"]", "1, ".repeat(300_000)),
        other => panic!("no such case: {other}"),
    }
}

/// Name and the words that the refusal contains, all of them.
const TEXTS: &[(&str, &[&str])] = &[
    ("empty", &["net.toml:1:1", "no network", "[[layer]]"]),
    ("only a comment", &["no network"]),
    ("no network but a layer list of none", &["no network"]),
    ("no toml", &["net.toml:", "not TOML"]),
    ("key twice", &["net.toml:2:1", "duplicate key"]),
    ("layers", &["net.toml:2:3", "unknown key `layers`", "Write `[[layer]]`"]),
    ("single bracket", &["net.toml:2", "two brackets"]),
    ("layer is a number", &["list of layers"]),
    ("layer list of numbers", &["a layer is a table"]),
    ("unknown top key", &["unknown key `imput`", "Did you mean `input`?"]),
    ("layer key at top", &["`out_features` belongs to a layer"]),
    ("input is a number", &["net.toml:1:9", "a list of sizes", "`input = [784]`"]),
    ("input negative", &["net.toml:1:10", "is -1", "at least 1"]),
    ("input zero", &["net.toml:1:13", "`input` is 0"]),
    ("input text", &["is a string", "Leave out the quotes"]),
    ("input huge", &["too large", "1099511627776"]),
    ("input product huge", &["(2^40) elements"]),
    ("input nine axes", &["more than 8 axes"]),
    ("no kind", &["net.toml:3:1", "no `kind`", "`linear`", "`dense`", "`relu`"]),
    ("type for kind", &["net.toml:4:1", "called `kind`"]),
    ("kind is a number", &["`kind` is a whole number"]),
    (
        "unknown kind",
        &["net.toml:4:8", "unknown kind `liner`", "Did you mean `linear`?", "kind = \"liner\"", "^^^^^^^"],
    ),
    ("unknown function kind", &["Did you mean `relu`?"]),
    ("unknown kind far off", &["unknown kind `transformer`", "Known: `linear`"]),
    ("unknown activation", &["net.toml:6:14", "unknown activation `rellu`", "Did you mean `relu`?"]),
    ("softmax as activation", &["not a function of one number but a layer", "logits"]),
    ("activation is a number", &["`activation` is a whole number"]),
    ("constant of another function", &["net.toml:6:35", "`relu` has no constant `slope`"]),
    ("unknown key in activation", &["no key `alfa`", "Did you mean `alpha`?"]),
    ("function missing in activation", &["needs `function`"]),
    ("activation in activation", &["Write `function = \"relu\"`"]),
    ("unknown function in activation layer", &["net.toml:5:12", "unknown activation `tahn`", "Did you mean `tanh`?"]),
    ("unknown key", &["net.toml:5:1", "kind `linear` has no key `out_featurs`", "Did you mean `out_features`?"]),
    ("units", &["no key `units`", "Did you mean `out_features`?"]),
    ("out_features missing", &["net.toml:3:1", "needs `out_features`", "out_features = 128"]),
    ("out_features zero", &["net.toml:5:16", "is 0, a size is at least 1"]),
    ("out_features negative", &["is -3, a size is at least 1"]),
    ("out_features fraction", &["net.toml:5:16", "expected a whole number"]),
    ("out_features text", &["is a string", "Leave out the quotes"]),
    ("out_features beyond 2^40", &["too large"]),
    ("bias is a number", &["net.toml:6:8", "`bias` is a whole number, expected true or false"]),
    ("unknown start", &["net.toml:6:15", "no value `glorot`", "Did you mean `glorot_uniform`?"]),
    ("date", &["is a date"]),
    ("infinite constant", &["net.toml:5:9", "not a finite number"]),
    ("nan constant", &["not a finite number"]),
    ("constant beyond f32", &["not a finite number"]),
    ("key of no layer", &["kind `flatten` has no key `x`", "`kind`, `name`"]),
    ("name empty", &["net.toml:5:8", "cannot be used"]),
    ("name with escape", &["cannot be used"]),
    ("name is a number", &["`name` is a whole number"]),
    ("name twice", &["net.toml:6:1", "two layers are named `a`", "line 3"]),
    ("inputs is text", &["list of names"]),
    ("dense with bias_init and normalizer", &["net.toml:7:1", "no effect beside a normalizer"]),
    ("dense with unknown normalizer", &["net.toml:6:14", "Did you mean `batch_norm`?"]),
    ("dense with bias", &["kind `dense` has no key `bias`", "`bias_init`"]),
    ("table for a size", &["net.toml:5:16", "is a table, expected a whole number"]),
    ("unknown key of a float form", &["no key `axes`", "Did you mean `axis`?"]),
    ("unknown type of numbers", &["net.toml:5:10", "no value `int8`", "`i8`"]),
    ("numbers without a scale", &["needs `scale`"]),
    ("scale that is not finite", &["net.toml:5:34", "`scale` is not a finite number"]),
    ("size of zero in a float form", &["net.toml:5:23", "is 0, a size is at least 1"]),
    ("two arithmetics", &["net.toml:6:12", "`integers`", "a single key"]),
    ("control characters", &["not TOML"]),
    ("too long", &["1200000 bytes", "1048576"]),
    ("deep lists", &["not TOML"]),
    ("deep tables", &["not TOML"]),
    ("deep dotted key", &["net.toml:1"]),
    ("deep dotted key in a layer", &["net.toml:"]),
    ("deep dotted table", &["net.toml:1"]),
    ("many layers", &["more than 10000 layers"]),
    ("many layers by short forms", &["more than 10000 layers"]),
    ("many keys", &["has no key `k0`"]),
    ("many top keys", &["unknown key `k0`"]),
    ("one long line", &["more than 8 axes"]),
];

#[test]
fn hostile_texts_are_refused_with_the_reason() {
    let mut wrong = Vec::new();
    for (name, fragments) in TEXTS {
        let text = text(name);
        let (refusal, asked) = counted(|| parse_network(&text, "net.toml").err());
        let message = told(&refusal.unwrap_or_else(|| panic!("{name}: accepted")));
        let missing = fragments.iter().filter(|fragment| !message.contains(**fragment));
        wrong.extend(missing.map(|fragment| format!("{name}: `{fragment}` is not in:\n{message}")));
        assert!(message.len() < 2000 && !message.contains('\u{1b}'), "{name}:\n{message}");
        assert!(asked <= most(text.len()), "{name}: {asked} bytes of memory for {} bytes of text", text.len());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_layer_that_does_not_fit_is_shown_with_its_line() {
    let text = "input = [4]\n\n[[layer]]\nkind = \"linear\"\nout_features = 3\n\n[[layer]]\nkind = \"linear\"\n\
                in_features = 5\nout_features = 2\n";
    let refusal = parse_network(text, "net.toml").unwrap().into_checked(None).unwrap_err().to_string();
    for fragment in ["net.toml:7:1", "layers.1 (linear)", "5 features", "3 features", "in_features = 3"] {
        assert!(refusal.contains(fragment), "{fragment} is not in\n{refusal}");
    }
    let refusal = parse_network(&text[12..], "net.toml").unwrap().into_checked(None).unwrap_err().to_string();
    assert!(refusal.contains("input = [784]"), "{refusal}");
}

/// A file from a header and data; the length is that of the header.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// A header with a network of one linear layer, 2 to 1 without bias, and the given tensors.
fn with_network(tensors: &str) -> String {
    let network =
        r#"{\"input\":[2],\"layers\":[{\"name\":\"a\",\"kind\":\"linear\",\"out_features\":1,\"bias\":false}]}"#;
    format!("{{{}{tensors}}}", metadata(&format!("\"plexus.format\":\"1\",\"plexus.network\":\"{network}\"")))
}

fn metadata(entries: &str) -> String {
    format!("\"__metadata__\":{{{entries}}}")
}

/// A header with this JSON as the network, and no tensors.
fn network_of(json: &str) -> String {
    let network = serde_json::to_string(json).unwrap();
    format!("{{{}}}", metadata(&format!("\"plexus.format\":\"1\",\"plexus.network\":{network}")))
}

fn tensor(name: &str, dtype: &str, shape: &str, begin: u64, end: u64) -> String {
    format!(",\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{begin},{end}]}}")
}

/// A file of one linear layer of whole numbers, 2 to 1, with some words of the network exchanged for others.
fn whole(tensors: &[(&str, &str, &[u8])], exchanged: &[(&str, &str)]) -> Vec<u8> {
    let quant = r#"{"dtype":"i8","scale":0.5,"zero_point":3}"#;
    let json = format!(
        r#"{{"input":[2],"layers":[{{"name":"q","kind":"quantize","output":{quant}}},{{"name":"a","kind":"integer_linear",
        "of":{{"out_features":1}},"integers":{{"weight":"i8","arithmetic":{{"affine":{{}}}},"output":{quant}}}}},
        {{"name":"d","kind":"dequantize"}}]}}"#
    );
    let exchange = |json: String, (from, to): &(&str, &str)| {
        assert!(json.contains(from), "{from} is not there");
        json.replace(from, to)
    };
    let header = network_of(&exchanged.iter().fold(json, exchange));
    let (mut entries, mut data) = (String::new(), Vec::new());
    for (name, kind, bytes) in tensors {
        let (dtype, shape) = kind.split_once(' ').expect("a type and a shape");
        let begin = data.len() as u64;
        entries += &tensor(name, dtype, shape, begin, begin + bytes.len() as u64);
        data.extend_from_slice(bytes);
    }
    file(&format!("{}{entries}}}", header.strip_suffix('}').expect("an object")), &data)
}

/// The same with one tensor exchanged.
fn whole_with(name: &str, kind: &str, bytes: &[u8]) -> Vec<u8> {
    whole_tensors(name, kind, bytes, &[])
}

fn whole_tensors(name: &str, kind: &str, bytes: &[u8], exchanged: &[(&str, &str)]) -> Vec<u8> {
    let (scale, bias) = (1.0f32.to_le_bytes(), 5i32.to_le_bytes());
    let mut tensors: Vec<(&str, &str, &[u8])> =
        vec![("a.weight", "I8 [1,2]", &[8, 0xF8]), ("a.bias", "I32 [1]", &bias), ("a.weight_scale", "F32 [1]", &scale)];
    tensors.iter_mut().filter(|tensor| tensor.0 == name).for_each(|tensor| *tensor = (name, kind, bytes));
    whole(&tensors, exchanged)
}

/// The same with the words of the network exchanged.
fn whole_of(from: &str, to: &str) -> Vec<u8> {
    whole_tensors("", "", &[], &[(from, to)])
}

/// One of those with another scale of the weight.
fn whole_scale(scale: f32) -> Vec<u8> {
    whole_with("a.weight_scale", "F32 [1]", &scale.to_le_bytes())
}

fn model(name: &str) -> Vec<u8> {
    let one = tensor("a.weight", "F32", "[1,2]", 0, 8);
    let linear = |features: &str| format!("{{\"name\":\"a\",\"kind\":\"linear\",\"out_features\":{features}}}");
    let network = |layers: &str| file(&network_of(&format!("{{\"input\":[2],\"layers\":[{layers}]}}")), &[]);
    match name {
        "empty" => Vec::new(),
        "seven bytes" => vec![0; 7],
        "length alone" => 2u64.to_le_bytes().to_vec(),
        "zip" => b"PK\x03\x04\x14\0\0\0\x08\0\0\0".to_vec(),
        "png" => b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(),
        "header beyond the file" => {
            let mut bytes = 1000u64.to_le_bytes().to_vec();
            bytes.extend(b"{}");
            bytes
        }
        "header of 2^64-1" => [&u64::MAX.to_le_bytes()[..], b"{}"].concat(),
        "header of 9 MiB" => file(&format!("{{{}}}", " ".repeat(9 << 20)), &[]),
        "header of nothing" => [&0u64.to_le_bytes()[..], b"{}"].concat(),
        "not utf-8" => {
            let mut bytes = file("{\"a\":1}", &[]);
            bytes[10] = 0xFF;
            bytes
        }
        "not json" => file("{\"a\":}", &[]),
        "a list" => file("[1, 2]", &[]),
        "two values" => file("{} {}", &[]),
        "100,000 deep" => file(&format!("{{\"a\":{}", "[".repeat(100_000)), &[]),
        "100,000 deep objects" => file(&"{\"a\":".repeat(100_000), &[]),
        "100,000 deep network" => file(&network_of(&"[".repeat(100_000)), &[]),
        "100,000 deep layer" => {
            file(&network_of(&format!("{{\"input\":[2],\"layers\":[{{\"x\":{}", "[".repeat(100_000))), &[])
        }
        "tensor twice" => file(&with_network(&format!("{one}{one}")), &[0; 8]),
        "metadata twice" => file(&format!("{{{},{}}}", metadata(""), metadata("")), &[]),
        "metadata key twice" => file(&format!("{{{}}}", metadata("\"k\":\"1\",\"k\":\"2\"")), &[]),
        "metadata number" => file(&format!("{{{}}}", metadata("\"k\":1")), &[]),
        "unknown key of a tensor" => {
            file("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"x\":1}}", &[0; 4])
        }
        "no shape" => file("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", &[0; 4]),
        "negative axis" => file(&with_network(&tensor("a.weight", "F32", "[-1,-2]", 0, 8)), &[0; 8]),
        "many axes" => file(&with_network(&tensor("a.weight", "F32", "[1,1,1,1,1,1,1,1,2]", 0, 8)), &[0; 8]),
        "trailing bytes" => file(&with_network(&one), &[0; 9]),
        "cut off" => file(&with_network(&one), &[0; 7]),
        "overlap" => file(&with_network(&format!("{one}{}", tensor("b", "F32", "[1]", 4, 8))), &[0; 8]),
        "gap" => file(&with_network(&format!("{one}{}", tensor("b", "F32", "[1]", 12, 16))), &[0; 16]),
        "start not at zero" => file(&with_network(&tensor("a.weight", "F32", "[1,2]", 4, 12)), &[0; 12]),
        "end before begin" => file(&with_network(&tensor("a.weight", "F32", "[1,2]", 8, 0)), &[0; 8]),
        "offsets of 2^64-1" => file(&with_network(&tensor("a.weight", "F32", "[1,2]", 0, u64::MAX)), &[0; 8]),
        "shape of other size" => file(&with_network(&tensor("a.weight", "F32", "[1,3]", 0, 8)), &[0; 8]),
        "shape that overflows" => file(&with_network(&tensor("a.weight", "F32", "[4294967296,4294967296]", 0, 0)), &[]),
        "shape that overflows in bytes" => {
            file(&with_network(&tensor("a.weight", "F32", "[4611686018427387904]", 0, 0)), &[])
        }
        "f16" => file(&with_network(&tensor("a.weight", "F16", "[1,2]", 0, 4)), &[0; 4]),
        "i64" => file(&with_network(&tensor("a.weight", "I64", "[1,2]", 0, 16)), &[0; 16]),
        "no such type" => file(&with_network(&tensor("a.weight", "F99", "[1,2]", 0, 8)), &[0; 8]),
        "name with escape" => file(&with_network(&tensor("a\\u001b[2J", "F32", "[1,2]", 0, 8)), &[0; 8]),
        "weights only" => file(&format!("{{{}}}", &one[1..]), &[0; 8]),
        "no version" => file(&format!("{{{}}}", metadata("\"plexus.network\":\"{}\"")), &[]),
        "version two" => file(&with_network(&one).replace("format\":\"1\"", "format\":\"2\""), &[0; 8]),
        "version zero" => file(&with_network(&one).replace("format\":\"1\"", "format\":\"0\""), &[0; 8]),
        "version text" => file(&with_network(&one).replace("format\":\"1\"", "format\":\"one\""), &[0; 8]),
        "weight missing" => file(&with_network(""), &[]),
        "weight of another shape" => file(&with_network(&tensor("a.weight", "F32", "[2,1]", 0, 8)), &[0; 8]),
        "all differences" => {
            let tensors = tensor("a.wait", "F32", "[1,2]", 0, 8) + &tensor("b.weight", "F32", "[1]", 8, 12);
            file(&with_network(&tensors), &[0; 12])
        }
        "network is no json" => file(&network_of("input = [2]"), &[]),
        "network of unknown kind" => network("{\"name\":\"a\",\"kind\":\"conv9d\"}"),
        "network of unknown key" => network("{\"name\":\"a\",\"kind\":\"linear\",\"out_features\":1,\"x\":1}"),
        "network of negative size" => network(&linear("-1")),
        "network that does not check" => network(&linear("1,\"in_features\":3")),
        "network of 2^63" => network(&linear("9223372036854775808")),
        // 2 · 2^39 weights are allowed by the network check: four terabytes that the file does not have.
        "network of 2^40 weights" => network(&linear("549755813888")),
        "network of many large layers" => {
            let layers: Vec<String> = (0..1000)
                .map(|at| format!("{{\"name\":\"{at}\",\"kind\":\"linear\",\"out_features\":1000000}}"))
                .collect();
            network(&layers.join(","))
        }
        "network with a name twice" => network(&format!("{0},{0}", linear("1"))),
        "network with a name that drives the terminal" => {
            network("{\"name\":\"\\u001b[2J\",\"kind\":\"linear\",\"out_features\":1}")
        }
        "network of a kind that is not registered" => {
            let name = "\\u001b[2J".repeat(10_000);
            network(&format!("{{\"name\":\"{name}\",\"kind\":\"some-crate/some_kind\"}}"))
        }
        "network of many kinds that are not registered" => {
            let layers: Vec<String> = (0..20_000).map(|at| format!("{{\"name\":\"{at}\",\"kind\":\"a/b\"}}")).collect();
            network(&layers.join(","))
        }
        "network of a kind like a path" => network("{\"name\":\"a\",\"kind\":\"../../b\"}"),
        "network of a kind twice" => network("{\"name\":\"a\",\"kind\":\"relu\",\"kind\":\"flatten\"}"),
        "network of deep keys" => {
            network(&format!("{{\"name\":\"a\",\"kind\":\"flatten\",\"x\":{}", "[".repeat(100_000)))
        }
        "network of too many layers" => {
            let layers: Vec<String> =
                (0..20_000).map(|at| format!("{{\"name\":\"{at}\",\"kind\":\"flatten\"}}")).collect();
            network(&layers.join(","))
        }
        "too many tensors" => {
            let tensors: String = (0..100_000).map(|at| tensor(&at.to_string(), "F32", "[0]", 0, 0)).collect();
            file(&with_network(&tensors), &[])
        }
        "many unexpected tensors" => {
            let tensors: String = (0..39_000).map(|at| tensor(&at.to_string(), "F32", "[0]", 0, 0)).collect();
            file(&with_network(&tensors), &[])
        }
        "whole numbers as floats" => whole_with("a.weight", "F32 [1,2]", &[0; 8]),
        "whole numbers of 16 bits for 8" => whole_with("a.weight", "I16 [1,2]", &[0; 4]),
        "scales as whole numbers" => whole_with("a.weight_scale", "I32 [1]", &[1, 0, 0, 0]),
        "whole numbers without a sign" => whole_with("a.weight", "U8 [1,2]", &[1, 2]),
        "a weight beyond 4 bits" => whole_of("\"weight\":\"i8\"", "\"weight\":\"i4\""),
        "a weight below 4 bits" => {
            whole_tensors("a.weight", "I8 [1,2]", &[7, 0xF7], &[("\"weight\":\"i8\"", "\"weight\":\"i4\"")])
        }
        "a scale of a weight that is not a number" => whole_scale(f32::NAN),
        "a scale of a weight of zero" => whole_scale(0.0),
        "a scale of a weight below zero" => whole_scale(-0.25),
        "a scale of a weight without end" => whole_scale(f32::INFINITY),
        "a scale of a weight that is too large" => whole_scale(2f32.powi(30)),
        "a bias of 25 bits" => whole_with("a.bias", "I32 [1]", &16_777_217i32.to_le_bytes()),
        "a bias of 64 bits that ends early" => whole_with("a.bias", "I64 [1]", &[0; 7]),
        "a bias of 64 bits for 32" => whole_with("a.bias", "I64 [1]", &[0; 8]),
        "whole numbers cut off" => {
            let mut bytes = whole_of("input", "input");
            bytes.truncate(bytes.len() - 5);
            bytes
        }
        "numbers of scale zero" => whole_of("\"scale\":0.5", "\"scale\":0"),
        "numbers of a negative scale" => whole_of("\"scale\":0.5", "\"scale\":-0.5"),
        "numbers of a scale beyond f32" => whole_of("\"scale\":0.5", "\"scale\":1e39"),
        "a zero point beyond 8 bits" => whole_of("\"zero_point\":3", "\"zero_point\":128"),
        "a zero point beyond 32 bits" => whole_of("\"zero_point\":3", "\"zero_point\":4294967296"),
        "a zero point of 16 bits" => whole_of("\"dtype\":\"i8\"", "\"dtype\":\"i16\""),
        "numbers of floats" => whole_of("\"dtype\":\"i8\"", "\"dtype\":\"f32\""),
        "limits without a number" => whole_of("\"affine\":{}}", "\"affine\":{}},\"clamp\":[200,300]"),
        "limits the wrong way" => whole_of("\"affine\":{}}", "\"affine\":{}},\"clamp\":[3,-3]"),
        "powers of two for another scheme" => {
            whole_of("{\"affine\":{}}", "{\"power_of_two\":{\"weight_fraction\":7,\"bias_fraction\":7}}")
        }
        "sums that would be shifted to the left" => shifts(-3, 0),
        "a bias that would be shifted to the right" => shifts(7, 9),
        "sums that are shifted too far" => shifts(31, 20),
        "shifts beyond all numbers" => shifts(i32::MAX, i32::MIN),
        "floats for whole numbers" => {
            whole_of("\"quantize\",\"output\"", "\"flatten\"},{\"name\":\"b\",\"kind\":\"rescale\",\"output\"")
        }
        "whole numbers at the end" => whole_of("\"kind\":\"dequantize\"", "\"kind\":\"integer_clamp\",\"clamp\":[0,9]"),
        other => panic!("no such case: {other}"),
    }
}

/// Whole numbers of the scale 1, weights with these fraction bits.
fn shifts(weight: i32, bias: i32) -> Vec<u8> {
    let quant = r#"{"dtype":"i8","scale":1}"#;
    let json = format!(
        r#"{{"input":[2],"layers":[{{"name":"q","kind":"quantize","output":{quant}}},{{"name":"a","kind":"integer_linear",
        "of":{{"out_features":1}},"integers":{{"weight":"i8","output":{quant},
        "arithmetic":{{"power_of_two":{{"weight_fraction":{weight},"bias_fraction":{bias}}}}}}}}},
        {{"name":"d","kind":"dequantize"}}]}}"#
    );
    file(&network_of(&json), &[])
}

const MODELS: &[(&str, &[&str])] = &[
    ("empty", &["0 bytes are too few", "not a model file"]),
    ("seven bytes", &["7 bytes are too few"]),
    ("length alone", &["cut off"]),
    ("zip", &["not a model file"]),
    ("png", &["not a model file"]),
    ("header beyond the file", &["1000 bytes long", "only 2 follow", "cut off"]),
    ("header of 2^64-1", &["18446744073709551615 bytes long", "at most 8388608"]),
    ("header of 9 MiB", &["at most 8388608"]),
    ("header of nothing", &["header cannot be read"]),
    ("not utf-8", &["not UTF-8 (byte 10"]),
    ("not json", &["header cannot be read"]),
    ("a list", &["not a model file"]),
    ("two values", &["trailing characters"]),
    ("100,000 deep", &["header cannot be read"]),
    ("100,000 deep objects", &["header cannot be read"]),
    ("100,000 deep network", &["`plexus.network`", "cannot be read"]),
    ("100,000 deep layer", &["`plexus.network`", "recursion limit"]),
    ("tensor twice", &["`a.weight` appears twice"]),
    ("metadata twice", &["`__metadata__` appears twice"]),
    ("metadata key twice", &["metadata key `k` appears twice"]),
    ("metadata number", &["expected a string"]),
    ("unknown key of a tensor", &["unknown field `x`"]),
    ("no shape", &["missing field `shape`"]),
    ("negative axis", &["header cannot be read"]),
    ("many axes", &["more than 8 axes"]),
    ("trailing bytes", &["describes 8 bytes", "holds 9", "longer than it should be"]),
    ("cut off", &["describes 8 bytes", "holds 7", "cut off"]),
    ("overlap", &["tensor `b` does not start where the one before ends"]),
    ("gap", &["tensor `b` does not start"]),
    ("start not at zero", &["tensor `a.weight` does not start"]),
    ("end before begin", &["tensor `a.weight`"]),
    ("offsets of 2^64-1", &["tensor `a.weight`"]),
    ("shape of other size", &["tensor `a.weight` of shape [1, 3] has 8 bytes"]),
    ("shape that overflows", &["tensor `a.weight` of shape"]),
    ("shape that overflows in bytes", &["tensor `a.weight` of shape"]),
    ("f16", &["tensor `a.weight` holds F16", "float32"]),
    ("i64", &["tensor `a.weight` holds I64"]),
    ("no such type", &["F99"]),
    ("name with escape", &["control characters"]),
    ("weights only", &["weights only, without the network"]),
    ("no version", &["`plexus.format` is missing"]),
    ("version two", &["format 2", "reads format 1", "newer"]),
    ("version zero", &["`plexus.format` is \"0\""]),
    ("version text", &["`plexus.format` is \"one\""]),
    ("weight missing", &["missing: a.weight [1, 2]"]),
    ("weight of another shape", &["a.weight is [2, 1], not [1, 2]"]),
    ("all differences", &["missing: a.weight", "not in the network: a.wait [1, 2], b.weight [1]"]),
    ("network is no json", &["`plexus.network`"]),
    ("network of unknown kind", &["unknown variant `conv9d`"]),
    ("network of unknown key", &["unknown field `x`"]),
    ("network of negative size", &["`plexus.network`"]),
    ("network that does not check", &["does not fit together", "a (linear)", "2 features"]),
    ("network of 2^63", &["at most 1099511627776 elements"]),
    ("network of 2^40 weights", &["needs 1649267441664 numbers, the file holds 0"]),
    ("network of many large layers", &["the file holds 0"]),
    ("network with a name twice", &["\"a\" again"]),
    ("network with a name that drives the terminal", &["cannot be used"]),
    (
        "network of a kind that is not registered",
        &["layer `\u{fffd}[2J", "kind `some_kind` of the crate `some-crate`", "has not registered"],
    ),
    ("network of many kinds that are not registered", &["layer `0` is of the kind `b` of the crate `a`"]),
    ("network of a kind like a path", &["unknown variant `../../b`"]),
    ("network of a kind twice", &["duplicate field `kind`"]),
    ("network of deep keys", &["recursion limit"]),
    ("network of too many layers", &["more than 10000 layers"]),
    ("too many tensors", &["more than 40000 tensors"]),
    ("whole numbers as floats", &["tensor `a.weight` holds F32", "i8"]),
    ("whole numbers of 16 bits for 8", &["tensor `a.weight` holds I16", "i8"]),
    ("scales as whole numbers", &["tensor `a.weight_scale` holds I32", "float32"]),
    ("whole numbers without a sign", &["tensor `a.weight` holds U8"]),
    ("a weight beyond 4 bits", &["a (integer_linear)", "weight 0", "from -8 to 7", "8"]),
    ("a weight below 4 bits", &["weight 1", "from -8 to 7", "-9"]),
    ("a scale of a weight that is not a number", &["a (integer_linear)", "weight_scale 0", "NaN"]),
    ("a scale of a weight of zero", &["weight_scale 0", "above 0"]),
    ("a scale of a weight below zero", &["weight_scale 0", "above 0", "-0.25"]),
    ("a scale of a weight without end", &["weight_scale 0", "inf"]),
    ("a scale of a weight that is too large", &["weight_scale 0", "below 1073741824"]),
    ("a bias of 25 bits", &["16777217", "24 significant bits"]),
    ("a bias of 64 bits that ends early", &["tensor `a.bias` of shape [1] has 7 bytes"]),
    ("a bias of 64 bits for 32", &["tensor `a.bias` holds I64", "i32"]),
    ("whole numbers cut off", &["cut off"]),
    ("numbers of scale zero", &["q (quantize)", "scale", "2^-60 to 2^60"]),
    ("numbers of a negative scale", &["scale", "2^-60 to 2^60", "-0.5"]),
    ("numbers of a scale beyond f32", &["scale", "2^-60 to 2^60", "inf"]),
    ("a zero point beyond 8 bits", &["q (quantize)", "zero_point", "-128 to 127", "128"]),
    ("a zero point beyond 32 bits", &["`plexus.network`", "4294967296"]),
    ("a zero point of 16 bits", &["zero_point", "0 for 16 bits", "3"]),
    ("numbers of floats", &["dtype", "i8 or i16", "f32"]),
    ("limits without a number", &["a (integer_linear)", "clamp", "-128 to 127", "[200, 300]"]),
    ("limits the wrong way", &["clamp", "smaller one first", "[3, -3]"]),
    ("powers of two for another scheme", &["the scale of the input", "a power of two, and zero point 0"]),
    ("sums that would be shifted to the left", &["the shift of the", "0 to", "-3"]),
    ("a bias that would be shifted to the right", &["the shift of the bias", "0 to 31", "-2"]),
    ("sums that are shifted too far", &["the shift of the sums", "0 to 30", "31"]),
    ("shifts beyond all numbers", &["the shift of the bias", "0 to 31"]),
    ("floats for whole numbers", &["b (rescale)", "the type of the input", "quantize layer in front"]),
    ("whole numbers at the end", &["d (integer_clamp)", "the type of the output", "dequantize layer behind"]),
    ("many unexpected tensors", &["missing: a.weight", "not in the network: 0 [0], 1 [0]", "… and more"]),
];

/// An error with its causes, each once.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        assert!(!text.contains(&error.to_string()), "told twice: {text}: {error}");
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

#[test]
fn hostile_files_are_refused_with_the_reason() {
    let mut wrong = Vec::new();
    for (name, fragments) in MODELS {
        let bytes = model(name);
        let (refusal, asked) = counted(|| read_model(&bytes).err());
        let message = told(&refusal.unwrap_or_else(|| panic!("{name}: accepted")));
        let missing = fragments.iter().filter(|fragment| !message.contains(**fragment));
        wrong.extend(missing.map(|fragment| format!("{name}: `{fragment}` is not in:\n{message}")));
        assert!(message.len() < 10_000 && !message.contains('\u{1b}'), "{name}:\n{message}");
        assert!(asked <= most(bytes.len()), "{name}: {asked} bytes of memory for {} bytes of file", bytes.len());
        // The reader of weights alone sees the same bytes and must survive them too.
        let _ = read_weights(&bytes);
        let _ = sniff(&bytes);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_whole_small_model_of_these_tests_is_read() {
    let bytes = file(&with_network(&tensor("a.weight", "F32", "[1,2]", 0, 8)), &[0; 8]);
    read_model(&bytes).unwrap();
    assert_eq!(sniff(&bytes).unwrap().name, "safetensors");
    let (_, params, _) = read_model(&whole_of("input", "input")).unwrap();
    assert_eq!(params.weights[..], [8.0, -8.0, 5.0, 1.0]);
}

/// A product of scales just below a power of two would round up to it as a multiplier: one too far.
#[test]
fn scales_next_to_the_largest_one_never_panic() {
    let step = 2f32.powi(-23);
    let (near, far) = (1.0 + 2896.0 * step, 1.0 + 5793.0 * step);
    let entering = format!("\"quantize\",\"output\":{{\"dtype\":\"i8\",\"scale\":{near:?}");
    let leaving = format!("\"scale\":{far:?}");
    let exchanged =
        [("\"quantize\",\"output\":{\"dtype\":\"i8\",\"scale\":0.5", &entering[..]), ("\"scale\":0.5", &leaving)];
    for (scale, accepted) in [(near, false), (0.999 * near, true)] {
        let scale = (scale * 2f32.powi(30)).to_le_bytes();
        let read = read_model(&whole_tensors("a.weight_scale", "F32 [1]", &scale, &exchanged));
        assert_eq!(read.is_ok(), accepted, "{:?}", read.err());
        let Ok((network, params, _)) = read else { continue };
        let plan = plexus_nn::Plan::new(std::sync::Arc::new(network), &params, plexus_kernels::Context::single());
        assert_eq!(plan.params(), params);
    }
}

fn sample_bytes() -> Vec<u8> {
    let (network, params) = sample();
    let metadata = BTreeMap::from([("labels".to_string(), "cat dog".to_string())]);
    write_model(&network, &params, &metadata).unwrap()
}

#[test]
fn every_truncation_is_refused() {
    let bytes = sample_bytes();
    for len in 0..bytes.len() {
        assert!(read_model(&bytes[..len]).is_err(), "{len} of {} bytes were accepted", bytes.len());
        assert!(read_weights(&bytes[..len]).is_err(), "{len} of {} bytes were accepted", bytes.len());
    }
}

/// A flipped bit is refused or leaves a model that is whole. The format has no checksum: a flip inside a weight is
/// another weight, a flip inside a label another label.
#[test]
fn flipped_bits_never_panic_and_leave_whole_models() {
    let bytes = sample_bytes();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut random = Random(7);
    for _ in 0..10_000 {
        let bit = random.below(8 * bytes.len());
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match read_model(&flipped) {
            Ok((network, params, metadata)) => {
                let again = write_model(&network, &params, &metadata).unwrap();
                let (network_again, _, metadata_again) = read_model(&again).unwrap();
                assert_eq!(network_again.network(), network.network());
                assert_eq!(metadata_again, metadata);
            }
            Err(error) => {
                assert!(bit / 8 < header, "a flip inside the weights is a number: {error}");
                assert!(!error.to_string().is_empty());
            }
        }
    }
}

/// Nothing that is cut, flipped or doubled makes the reader of texts panic.
#[test]
fn damaged_texts_never_panic() {
    let whole = "input = [1, 28, 28]\n[[layer]]\nkind = \"dense\"\nname = \"é\"\nout_features = 0x1F\nactivation = { \
                 function = \"elu\", alpha = 0.5 }\nnormalizer = \"batch_norm\"\n[[layer]]\nkind = \"dropout\"\n\
                 probability = 0.5\ninputs = [\"é\"]\n";
    let mut random = Random(3);
    for _ in 0..10_000 {
        let mut bytes = whole.as_bytes().to_vec();
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(7),
                1 => bytes.truncate(at.max(1)),
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"[]{}=\"'.,#\n\t\r0e-"[random.below(16)]),
            }
            if bytes.is_empty() {
                break;
            }
        }
        if let Ok(text) = String::from_utf8(bytes)
            && let Err(error) = parse_network(&text, "net.toml")
        {
            assert!(error.to_string().starts_with("net.toml:"), "{error}");
        }
    }
}
