//! What the program answers to questions about networks: `shape`, `compare-connectivity`, and the page docs/questions.md.

mod program;

use program::{page, plexus, refused, write};
use serde_json::json;
use std::path::Path;

fn here() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// To renew the page: PLEXUS_WRITE_DOCS=1 cargo test --workspace --test explain
#[test]
fn the_page_of_questions_shows_what_is_printed() {
    assert!(page::check("questions.md", &[]) > 10);
}

#[test]
fn numbers_of_the_questions_are_exact() {
    let folder = here();
    let at = folder.path();
    let json = |line: &str| plexus(at, line.split_whitespace()).well().last_json();
    let s14 = json("shape 1x32x200x150 conv:64,3 conv:128,3 pool:2 flatten --json");
    assert_eq!((&s14["in_features"], &s14["batch"]), (&json!(915_712), &json!(1)));
    let second = json("shape 1x28x28 conv:8,4 pool:2 conv:16,3 pool:2 flatten --json");
    assert_eq!(second["in_features"], 400);
    assert_eq!(second["layers"][1]["formulas"][0]["arithmetic"], "⌊(25 − 2) / 2⌋ + 1");
    let ways = json("compare-connectivity 32x64x64 48,3,padding=same --json");
    let way = |index: usize, key: &str| ways["ways"][index][key].clone();
    assert_eq!((way(0, "weights"), way(2, "parameters")), (json!(25_769_803_776u64), json!(13_872)));
    assert_eq!((way(2, "macs"), way(3, "weights")), (json!(56_623_104), json!(55_449_600)));
    let first = json("compare-connectivity 3x227x227 conv:96,11,s4 --json");
    let params = [0, 1, 2].map(|index| first["ways"][index]["parameters"].as_u64().expect("a count"));
    assert_eq!(params, [44_892_355_200, 105_705_600, 34_944]);
    for (input, weights) in [("3x32x32", 3_072), ("3x200x200", 120_000), ("3x227x227", 154_587)] {
        let size = input.rsplit('x').next().expect("three axes");
        let one = json(&format!("compare-connectivity {input} conv:1,{size} --json"));
        assert_eq!((&one["ways"][0]["weights"], &one["ways"][0]["biases"]), (&json!(weights), &json!(1)));
    }
    let summary = json("summary alexnet --formulas --json");
    assert_eq!(summary["layers"][0]["receptive_field"], json!([11, 11]));
    assert_eq!(summary["layers"][0]["formulas"][2]["value"], 34_944);
    assert!(summary["training_bytes"].as_u64() > Some(62_378_344 * 4 * 4));
}

#[test]
fn a_model_file_and_a_text_are_followed_too() {
    let folder = here();
    let at = folder.path();
    write(
        &at.join("net.toml"),
        "input = [1, 8, 8]\n[[layer]]\nkind = \"conv2d\"\nname = \"c\"\nout_channels = 2\nkernel_size = 3\n",
    );
    let told = plexus(at, ["shape", "net.toml", "--csv"]).well().stdout;
    assert_eq!(told, "layer,output_shape,elements\nc,2x6x6,72\n");
    let told = plexus(at, ["shape", "vgg16", "--layer", "flatten"]).well().stdout;
    assert!(told.contains("512 · 7 · 7 = 25,088"), "{told}");
    let drawn =
        plexus(at, ["compare-connectivity", "3x9x9", "conv:4,3", "--csv", "--out", "ways.png", "--dark"]).well();
    assert!(drawn.stdout.contains("\nconvolution,112,108,4,27,5292,448\n"), "{}", drawn.stdout);
    assert!(std::fs::read(at.join("ways.png")).expect("it is drawn").starts_with(b"\x89PNG"));
}

#[test]
fn depth_costs_what_a_table_and_a_picture_say() {
    let folder = here();
    let at = folder.path();
    let line = "compare-connectivity 1x8x8 conv:4,3,padding=same --depths 1,3 --batch 4 --seconds 0.001 --threads 1";
    let run = |more: &str| plexus(at, line.split_whitespace().chain(more.split_whitespace())).well();
    let networks = run("--json --out depth.svg").last_json()["networks"].clone();
    let of = |index: usize, key: &str| networks[index][key].as_u64().expect("a count");
    assert_eq!([0, 2, 4].map(|index| of(index, "params")), [19_210, 2_560 + 2_570, 40 + 2_570]);
    assert_eq!((of(1, "depth"), of(1, "params")), (3, 16_640 + 2 * 65_792 + 2_570));
    for network in networks.as_array().expect("a list") {
        let norms = network["measured"]["gradient_norms"].as_array().expect("a list");
        assert!(norms.iter().all(|norm| norm.as_f64() > Some(0.0)), "{network}");
        assert!(network["measured"]["step_seconds"].as_f64() > Some(0.0), "{network}");
    }
    let svg = std::fs::read_to_string(at.join("depth.svg")).expect("it is drawn");
    assert!(svg.contains("milliseconds of a step") && svg.contains("locally connected"), "{svg}");
    let told = run("").stdout;
    assert!(told.contains("first / last") && told.contains("before any step"), "{told}");
    let csv = run("--csv").stdout;
    assert!(csv.starts_with("connectivity,depth,parameters,multiply_adds,step_seconds,") && csv.lines().count() == 7);
    let large = "compare-connectivity 3x227x227 conv:96,11,s4 --depths 1 --batch 1 --seconds 0.001";
    let told = plexus(at, large.split_whitespace()).well().stdout;
    assert!(told.contains("Networks of more than 67,108,864 parameters were not trained."), "{told}");
}

#[test]
fn a_profile_has_every_layer_once_and_says_what_comes_first() {
    let folder = here();
    let at = folder.path();
    let line = "profile cnn --batch 2 --seconds 0.01 --threads 1 --input 3x32x32";
    let told = plexus(at, line.split_whitespace().chain(["--json"])).well().last_json();
    let layers = told["layers"].as_array().expect("a list");
    let names = layers.iter().flat_map(|layer| {
        let with = layer["with"].as_array().cloned().unwrap_or_default();
        with.into_iter().chain([layer["name"].clone()])
    });
    let mut names: Vec<String> = names.map(|name| name.as_str().expect("a name").to_string()).collect();
    names.sort();
    let summary = plexus(at, ["summary", "cnn", "--input", "3x32x32", "--json"]).well().last_json();
    let all = summary["layers"].as_array().expect("a list").iter();
    let mut all: Vec<String> = all.map(|layer| layer["name"].as_str().expect("a name").to_string()).collect();
    all.sort();
    assert_eq!(names, all);
    let macs: u64 = layers.iter().map(|layer| layer["macs"].as_u64().expect("a count")).sum();
    assert_eq!(macs, 2 * summary["total"]["macs"].as_u64().expect("a count"));
    let seconds: f64 = layers.iter().map(|layer| layer["seconds"].as_f64().expect("a time")).sum();
    assert!((seconds - told["layer_seconds"].as_f64().expect("a time")).abs() < 1e-9);
    assert!(told["verdict"].as_str().is_some_and(|verdict| verdict.starts_with("By time: ")), "{told}");
    let text = plexus(at, line.split_whitespace().chain(["--out", "times.svg"])).well().stdout;
    assert!(
        ["GMAC/s", "convolutions", "fully connected", "A run takes"].iter().all(|word| text.contains(word)),
        "{text}"
    );
    assert!(std::fs::read_to_string(at.join("times.svg")).expect("it is drawn").contains("ms a run"));
    let csv = plexus(at, line.split_whitespace().chain(["--csv"])).well().stdout;
    assert_eq!(csv.lines().count(), layers.len() + 1);
}

/// An array of f32 as `numpy.load` reads it: its shape as it is written, and its numbers.
fn npy(path: &Path) -> (String, Vec<f32>) {
    let bytes = std::fs::read(path).expect("the file is there");
    assert!(bytes.starts_with(b"\x93NUMPY\x01\x00"));
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert!(end.is_multiple_of(64), "numbers are aligned");
    let header = std::str::from_utf8(&bytes[10..end]).expect("it is text");
    assert!(
        header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (") && header.ends_with('\n'),
        "{header}"
    );
    let shape = header.split(['(', ')']).nth(1).expect("a shape").to_string();
    let numbers = bytes[end..].as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four));
    (shape, numbers.collect())
}

#[test]
fn features_are_the_values_behind_a_layer() {
    let folder = here();
    let at = folder.path();
    let net = "input = [1, 8, 8]\n\
               [[layer]]\nkind = \"conv2d\"\nname = \"maps\"\nout_channels = 3\nkernel_size = 3\nstride = 2\n\
               [[layer]]\nkind = \"activation\"\nname = \"relu\"\nfunction = \"relu\"\n\
               [[layer]]\nkind = \"flatten\"\n\
               [[layer]]\nkind = \"linear\"\nname = \"scores\"\nout_features = 10\n";
    write(&at.join("net.toml"), net);
    let train = "train --data digits --network net.toml --epochs 1 --out run --no-standardize";
    plexus(at, train.split_whitespace()).well();
    let features = |layer: &str, out: &str| {
        let told =
            plexus(at, ["features", "run", "digits", "--layer", layer, "--out", out, "--json"]).well().last_json();
        told["shape"].clone()
    };
    let shape = features("relu", "maps.npy");
    let rows = shape[0].as_u64().expect("rows") as usize;
    assert_eq!(shape, json!([rows, 3, 3, 3]));
    let (written, maps) = npy(&at.join("maps.npy"));
    assert_eq!(written, format!("{rows}, 3, 3, 3,"));
    assert!(maps.len() == rows * 27 && maps.iter().all(|value| *value >= 0.0) && maps.iter().any(|value| *value > 0.0));
    // The last layer gives the scores; the largest is what predict answers.
    features("scores", "scores.csv");
    let table = std::fs::read_to_string(at.join("scores.csv")).expect("it is written");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), rows + 1);
    assert!(lines[0].starts_with("scores[0],scores[1]") && lines[0].ends_with("scores[9],class"), "{}", lines[0]);
    let right = lines[1..].iter().filter(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let score = |at: &usize| fields[*at].parse::<f32>().expect("a number");
        let best = (0..10).max_by(|a, b| score(a).total_cmp(&score(b))).expect("ten scores");
        best.to_string() == fields[10]
    });
    let accuracy = right.count() as f64 / rows as f64;
    let told = plexus(at, ["evaluate", "run", "--json"]).well().last_json();
    let measured = told["test_accuracy"].as_f64().expect("a share");
    assert!((accuracy - measured).abs() < 1e-6, "{accuracy}, {measured}");
    // A neuron of the first layer: its output is the sum of its weights over what it sees.
    let neuron = plexus(at, ["neuron", "run", "maps", "1,2,0", "--json", "--out", "neuron.png"]).well().last_json();
    assert_eq!((&neuron["sees"], &neuron["sharing"]), (&json!([[4, 6], [0, 2]]), &json!(9)));
    assert_eq!(neuron["weights"].as_array().map(Vec::len), Some(9));
    assert_eq!(neuron["weights"][0]["input"], json!([0, 4, 0]));
    assert!(at.join("neuron.png").is_file());
    let text = plexus(at, ["neuron", "run", "scores", "7", "--out", "scores.svg"]).well().stdout;
    assert!(text.contains("27 weights, bias") && text.contains("the 10 largest of 27"), "{text}");
    assert!(at.join("scores.svg").is_file());
    let csv = plexus(at, ["neuron", "run", "maps", "1,2,0", "--csv"]).well().stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines.len() == 10 && lines[0] == "channel,row,column,weight" && lines[1].starts_with("0,4,0,"), "{csv}");
    let csv = plexus(at, ["neuron", "run", "scores", "7", "--csv"]).well().stdout;
    assert!(csv.lines().count() == 28 && csv.starts_with("input,weight\n0,"), "{csv}");
    neurons_on_an_image(at);
    let cases = [
        ("neuron run maps 0 --image none.png", "none.png"),
        ("neuron run maps 0 --image digit.csv", "is no image by its name"),
        ("neuron run maps 0 --image large.pgm", "use --resize, or another image"),
        ("neuron run maps 0 --image broken.png", "broken.png"),
        ("neuron run maps 0 --resize", "--image"),
        ("neuron run maps 0 --invert", "--image"),
        ("neuron run maps 0 --csv --json", "cannot be used with"),
        ("neuron row layers.0 0 --image digit.pgm", "but this model takes 2 features. Leave it out"),
        ("neuron run relu 0 --image digit.pgm", "linear or conv2d"),
        ("neuron run maps 0 --image digit.pgm --out x.gif", ".svg or .png"),
        ("neuron run maps 3,0,0", "up to 2,2,2"),
        ("neuron run mapz 0", "maps, relu"),
        ("neuron run relu 0", "linear or conv2d"),
        ("neuron run maps x", "invalid"),
        ("neuron run maps", "INDEX"),
        ("neuron run maps 0 --out x.gif", ".svg or .png"),
        ("features run digits --layer maps --out x.txt", ".npy or .csv"),
        ("features run digits --layer mapz --out x.npy", "maps, relu"),
        ("features run csv:none.csv --layer maps --out x.npy", "none.csv"),
        ("features none digits --layer maps --out x.npy", "none"),
        ("features run digits --out x.npy", "--layer"),
        ("features run digits --layer maps", "--out"),
    ];
    refused(at, &cases);
    assert!(["x.npy", "x.txt", "x.gif"].iter().all(|file| !at.join(file).exists()), "nothing is left behind");
}

/// Neurons of the model `run` of digits in front of an image: products, their sum, and pictures.
fn neurons_on_an_image(at: &Path) {
    let pixels: Vec<u8> = (0..64).map(|at| (at * 37 % 256) as u8).collect();
    write(&at.join("digit.pgm"), [b"P5\n8 8\n255\n", &pixels[..]].concat());
    write(&at.join("large.pgm"), [&b"P5\n16 4\n255\n"[..], &pixels[..]].concat());
    write(&at.join("broken.png"), "no image");
    write(&at.join("table.csv"), "x,y,answer\n1,2,yes\n2,1,no\n3,5,yes\n4,1,no\n2,2,no\n1,4,yes\n");
    plexus(at, "train table.csv --network mlp: --epochs 1 --no-standardize --out row --quiet".split_whitespace())
        .well();
    let ask = |line: &str| plexus(at, line.split_whitespace()).well();
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    // The last layer gives the scores that predict tells.
    for flag in ["", "--invert"] {
        let told = ask(&format!("predict run digit.pgm --json --top 10 {flag}")).last_json();
        let scores = told["top"].as_array().expect("ten classes");
        for class in ["0", "7"] {
            let line = ask(&format!("neuron run scores {class} --image digit.pgm --json {flag}")).last_json();
            let score = scores.iter().find(|one| one["label"] == class).expect("one of them");
            let (value, score) = (number(&line["value"]), number(&score["score"]));
            assert!((value - score).abs() < 1e-4 * score.abs().max(1.0), "{class} {flag}: {value}, {score}");
            let weights = line["weights"].as_array().expect("a list");
            let sum: f64 = weights.iter().map(|one| number(&one["weight"]) * number(&one["value"])).sum();
            assert!((sum - number(&line["sum"])).abs() < 1e-4 && weights.len() == 27, "{sum}, {line}");
            assert!((sum + number(&line["bias"]) - value).abs() < 1e-4, "{line}");
        }
    }
    // A convolution reads the pixels themselves, of the range of its training: 16 is white.
    let line = ask("neuron run maps 1,2,0 --image digit.pgm --json").last_json();
    let first = &line["weights"][0];
    assert_eq!((&first["input"], &line["image"]), (&json!([0, 4, 0]), &json!("digit.pgm")));
    assert!((number(&first["value"]) - f64::from(pixels[32]) * 16.0 / 255.0).abs() < 1e-5, "{first}");
    assert_ne!(line, ask("neuron run maps 1,2,0 --image large.pgm --resize --json").last_json());
    let csv = ask("neuron run maps 1,2,0 --image digit.pgm --csv").stdout;
    assert!(csv.starts_with("channel,row,column,weight,value,product\n0,4,0,") && csv.lines().count() == 10, "{csv}");
    // The largest products come first, all of them too.
    let text = ask("neuron run scores 7 --image digit.pgm --all").stdout;
    let products: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().collect::<Vec<_>>().try_into().ok())
        .filter_map(|[_, _, _, product]: [&str; 4]| product.parse::<f64>().ok().map(f64::abs))
        .collect();
    assert!(products.len() == 27 && products.is_sorted_by(|a, b| a >= b), "{text}");
    assert!(text.contains("sum of all products ") && text.contains("the value of the neuron on digit.pgm"), "{text}");
    let text = ask("neuron run scores 7 --image digit.pgm").stdout;
    assert!(text.contains("the 10 largest of 27"), "{text}");
    let drawn = |neuron: &str| {
        ask(&format!("neuron run {neuron} --image digit.pgm --out seen.svg"));
        std::fs::read_to_string(at.join("seen.svg")).expect("it is drawn")
    };
    let svg = drawn("maps 1,2,0");
    for part in [">digit.pgm<", ">rows 4 to 6<", ">columns 0 to 2<", ">weights<", ">weight · value<", ">map 0<"] {
        assert!(svg.contains(part), "{part} in {svg}");
    }
    let svg = drawn("scores 7");
    assert!(svg.contains(">rows 0 to 7<") && svg.matches(">map 2<").count() == 2, "{svg}");
    let png = |dark: &str| {
        ask(&format!("neuron run maps 1,2,0 --image digit.pgm --out seen.png {dark}"));
        std::fs::read(at.join("seen.png")).expect("it is drawn")
    };
    assert!(png("").starts_with(b"\x89PNG") && png("") != png("--dark"));
}

#[test]
fn wrong_uses_say_what_to_type() {
    let folder = here();
    let at = folder.path();
    write(&at.join("bad.toml"), "input = [1, 8, 8]\n[[layer]]\nkind = \"linear\"\nout_features = 2\nin_features = 9\n");
    let cases = [
        ("shape nonsense", "plexus shape 1x28x28 conv:8,3 pool:2 flatten"),
        ("shape 0x3x3 flatten", "no shape"),
        ("shape 1x28x28 konv:8,3", "conv, conv1d"),
        ("shape 1x28x28 conv:8", "kernel_size is missing"),
        ("shape 1x28x28 conv:8,3,strid=2", "strid"),
        ("shape 1x28x28 conv:8,40", "kernel_size does not fit"),
        ("shape 784 conv:8,3", "unflatten"),
        ("shape 1x28x28 flatten linear:64 conv:8,3", "unflatten"),
        ("shape 1x8x8 conv:4,3 pool:2 flatten linear:16,10", "Set in_features = 36"),
        ("shape vgg16 conv:3,3", "begin with the shape of an input"),
        ("shape vgg16 --layer fc9", "fc1"),
        ("shape bad.toml", "in_features"),
        ("shape 1x28x28 flatten --json --csv", "--csv"),
        ("compare-connectivity 3x32x32 pool:2", "conv:FILTERS,KERNEL"),
        ("compare-connectivity 3x32 conv:4,3", "maps: [channels, height, width]"),
        ("compare-connectivity 3xx32 conv:4,3", "1x28x28"),
        ("compare-connectivity 3x32x32 conv:4,33", "kernel_size"),
        ("compare-connectivity 3x32x32 conv:4,3 --out x.gif", ".svg or .png"),
        ("compare-connectivity 3x32x32 conv:4,3 --dark", "--out"),
        ("compare-connectivity 3x32x32 conv:4,3,groups=2", "groups"),
        ("compare-connectivity 1x8x8 conv:4,3 --depths 0", "1..=64"),
        ("compare-connectivity 1x8x8 conv:4,3 --depths 1,5", "--depths is 5, but must be at most 3"),
        ("compare-connectivity 1x8x8 conv:4,3,d2 --depths 1", "no dilation"),
        ("compare-connectivity 1x8x8 conv:4,3 --batch 8", "--depths"),
        ("profile", "plexus profile"),
        ("profile no-such-network", "a network is"),
        ("profile cnn --batch 0", "1"),
        ("profile cnn --seconds=-1", "above 0"),
        ("profile cnn --input 5", "reads images"),
        ("profile cnn --seconds 0.01 --out times.jpg", ".svg or .png"),
    ];
    refused(at, &cases);
}
