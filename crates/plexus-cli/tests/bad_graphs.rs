//! What a person can get wrong with graphs, images and the sizes of convolutions: one message each, naming both sides.

mod program;

use program::{Outcome, plexus};

/// A network file that is refused: its name here, the text, and words that the message must have.
type Case = (&'static str, &'static str, &'static [&'static str]);

const GRAPHS: &[Case] = &[
    (
        "an unknown name",
        "input = [4]\n[[layer]]\nkind = \"linear\"\nname = \"hidden\"\nout_features = 4\n[[layer]]\nkind = \"add\"\ninputs = [\"hiden\", \"input\"]\n",
        &["net.toml:6", "layers.1 (add)", "\"hiden\"", "input, hidden", "neither"],
    ),
    (
        "a name that stands below",
        "input = [4]\n[[layer]]\nkind = \"add\"\nname = \"a\"\ninputs = [\"b\", \"input\"]\n[[layer]]\nkind = \"relu\"\nname = \"b\"\n",
        &["net.toml:2", "a (add)", "\"b\", which stands below", "move it up", "no cycles"],
    ),
    (
        "itself",
        "input = [4]\n[[layer]]\nkind = \"add\"\nname = \"loop\"\ninputs = [\"loop\", \"input\"]\n",
        &["net.toml:2", "loop (add)", "\"loop\", itself", "no cycles"],
    ),
    (
        "an add of two shapes",
        "input = [4]\n[[layer]]\nkind = \"linear\"\nname = \"wide\"\nout_features = 9\n[[layer]]\nkind = \"add\"\nname = \"sum\"\ninputs = [\"wide\", \"input\"]\n",
        &["net.toml:6", "sum (add)", "\"wide\" [9]", "\"input\" [4]", "equal shapes"],
    ),
    (
        "a concat of two heights",
        "input = [2, 8, 8]\n[[layer]]\nkind = \"max_pool2d\"\nname = \"half\"\nkernel_size = 2\n[[layer]]\nkind = \"concat\"\nname = \"both\"\ninputs = [\"half\", \"input\"]\n",
        &["net.toml:6", "both (concat)", "\"half\" [2, 4, 4]", "\"input\" [2, 8, 8]", "equal but for axis 0"],
    ),
    (
        "a concat along an axis that is not there",
        "input = [4]\n[[layer]]\nkind = \"concat\"\naxis = 1\ninputs = [\"input\", \"input\"]\n",
        &["net.toml:2", "layers.0 (concat)", "an axis below 1", "axis 1"],
    ),
    (
        "a linear layer with two inputs",
        "input = [4]\n[[layer]]\nkind = \"linear\"\nout_features = 2\ninputs = [\"input\", \"input\"]\n",
        &["net.toml:2", "layers.0 (linear)", "one input", "2 inputs", "add or concat"],
    ),
    (
        "an unknown output",
        "input = [4]\noutputs = [\"last\"]\n[[layer]]\nkind = \"linear\"\nname = \"only\"\nout_features = 2\n",
        &["net.toml", "the output", "\"last\"", "only"],
    ),
    (
        "an output twice",
        "input = [4]\noutputs = [\"a\", \"a\"]\n[[layer]]\nkind = \"relu\"\nname = \"a\"\n",
        &["net.toml", "the outputs", "\"a\" twice"],
    ),
    (
        "outputs that are no list",
        "input = [4]\noutputs = \"a\"\n[[layer]]\nkind = \"relu\"\nname = \"a\"\n",
        &["net.toml:2", "`outputs` is a string", "list of names"],
    ),
    (
        "one input and several",
        "input = [4]\ninputs = { left = [2] }\n[[layer]]\nkind = \"relu\"\n",
        &["net.toml:2", "both `input` and `inputs`"],
    ),
    (
        "an input that a layer is named after",
        "inputs = { left = [2], right = [2] }\n[[layer]]\nkind = \"add\"\nname = \"left\"\ninputs = [\"left\", \"right\"]\n",
        &["net.toml:2", "left (add)", "a name used once", "\"left\" again"],
    ),
    (
        "an input without a shape",
        "inputs = { left = 2 }\n[[layer]]\nkind = \"relu\"\n",
        &["net.toml:1", "`left` is a whole number", "list of sizes"],
    ),
    (
        "a convolution of a row",
        "input = [64]\n[[layer]]\nkind = \"conv2d\"\nout_channels = 2\nkernel_size = 3\n",
        &["net.toml:2", "layers.0 (conv2d)", "[channels, height, width]", "64 features", "unflatten"],
    ),
    (
        "a kernel larger than the map",
        "input = [1, 4, 4]\n[[layer]]\nkind = \"conv2d\"\nout_channels = 2\nkernel_size = 5\n",
        &["net.toml:2", "kernel_size", "4 x 4", "5 x 5"],
    ),
    (
        "a kernel of nothing",
        "input = [1, 4, 4]\n[[layer]]\nkind = \"conv2d\"\nout_channels = 2\nkernel_size = 0\n",
        &["net.toml:2", "kernel_size", "at least 1", "[0, 0]"],
    ),
    (
        "a kernel of three sizes",
        "input = [1, 4, 4]\n[[layer]]\nkind = \"conv2d\"\nout_channels = 2\nkernel_size = [1, 2, 3]\n",
        &["net.toml:5", "`kernel_size` is a list", "a number, or two: [rows, columns]"],
    ),
    (
        "a padding in words",
        "input = [1, 4, 4]\n[[layer]]\nkind = \"conv2d\"\nout_channels = 2\nkernel_size = 3\npadding = \"full\"\n",
        &["net.toml:6", "`padding` is a string", "\"same\""],
    ),
    (
        "the same size with a stride",
        "input = [1, 4, 4]\n[[layer]]\nkind = \"conv2d\"\nout_channels = 2\nkernel_size = 3\npadding = \"same\"\nstride = 2\n",
        &["net.toml:2", "padding", "stride 1 with padding = \"same\"", "[2, 2]"],
    ),
    (
        "groups that do not divide",
        "input = [3, 4, 4]\n[[layer]]\nkind = \"conv2d\"\nout_channels = 4\nkernel_size = 3\ngroups = 2\n",
        &["net.toml:2", "groups", "3 channels", "4 out_channels"],
    ),
    (
        "other channels than declared",
        "input = [3, 4, 4]\n[[layer]]\nkind = \"conv2d\"\nin_channels = 1\nout_channels = 4\nkernel_size = 3\n",
        &["net.toml:2", "in_channels", "1 channels", "3 channels"],
    ),
    (
        "a pooling padded by more than half",
        "input = [1, 8, 8]\n[[layer]]\nkind = \"max_pool2d\"\nkernel_size = 2\npadding = 2\n",
        &["net.toml:2", "padding", "at most 1"],
    ),
    (
        "maps that cannot be made of a row",
        "input = [10]\n[[layer]]\nkind = \"unflatten\"\nshape = [3, 2, 2]\n",
        &["net.toml:2", "[12]", "[10]"],
    ),
    (
        "an order that there is not",
        "input = [1, 2, 2]\n[[layer]]\nkind = \"flatten\"\norder = \"rows_first\"\n",
        &["net.toml:4", "`order` has no value `rows_first`", "channels_first"],
    ),
];

/// Holds what every refusal has to hold, and that it says the words.
fn refused(name: &str, outcome: &Outcome, words: &[&str]) {
    let Outcome { code, stdout, stderr } = outcome;
    assert_eq!(*code, Some(2), "{name}: {stderr}");
    assert!(stdout.is_empty(), "{name} printed: {stdout}");
    assert_eq!(stderr.matches("error:").count(), 1, "{name}: {stderr}");
    assert!(!stderr.contains("panicked"), "{name}: {stderr}");
    let flat = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(flat.contains(word), "{name}: \"{word}\" is not in:\n{stderr}");
    }
}

#[test]
fn every_mistake_in_a_graph_is_one_clear_message() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text, words) in GRAPHS {
        std::fs::write(folder.path().join("net.toml"), text).expect("it is written");
        refused(name, &plexus(folder.path(), ["summary", "net.toml"]), words);
    }
    assert!(GRAPHS.len() >= 20);
}

#[test]
fn options_that_need_images_say_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let table: String = std::iter::once("a,b,class\n".to_string())
        .chain((0..20).map(|row| format!("{row},{},{}\n", row * 3 % 7, if row % 2 == 0 { "x" } else { "y" })))
        .collect();
    std::fs::write(folder.path().join("table.csv"), table).expect("it is written");
    let cases: [(&str, &[&str], &[&str]); 6] = [
        (
            "lenet5 of a table",
            &["train", "table.csv", "--network", "lenet5", "--out", "o"],
            &["lenet5", "images", "[2]"],
        ),
        (
            "changes of a table",
            &["train", "table.csv", "--augment", "--out", "o"],
            &["--augment", "images", "2 features"],
        ),
        ("an unknown change", &["train", "--augment", "turn=3", "--out", "o"], &["--augment", "turn", "shift, rotate"]),
        ("too much of a change", &["train", "--augment", "scale=7", "--out", "o"], &["scale", "0..=0.9"]),
        ("an unknown option", &["summary", "lenet5?layers=3"], &["lenet5?layers=3", "activation=NAME", "pooling"]),
        ("a padding of pixels that nobody has", &["summary", "lenet5?padding=9999"], &["padding=PIXELS"]),
    ];
    for (name, args, words) in cases {
        refused(name, &plexus(folder.path(), args), words);
        assert!(!folder.path().join("o/model.safetensors").exists());
    }
}
