//! `plexus inspect`: statistics of weights and of the values behind layers, dead units, pictures, and wrong uses.

mod program;

use program::{plexus, refused, write};
use serde_json::{Value, json};
use std::path::Path;

/// A small convolutional network for the digits, trained for one epoch, with an image.
fn trained(at: &Path) {
    let net = "input = [1, 8, 8]\n\
               [[layer]]\nkind = \"conv2d\"\nname = \"conv1\"\nout_channels = 6\nkernel_size = 3\npadding = 1\n\
               [[layer]]\nkind = \"activation\"\nname = \"relu1\"\nfunction = \"relu\"\n\
               [[layer]]\nkind = \"conv2d\"\nname = \"conv2\"\nout_channels = 20\nkernel_size = 3\n\
               [[layer]]\nkind = \"batch_norm\"\nname = \"norm\"\n\
               [[layer]]\nkind = \"activation\"\nname = \"relu2\"\nfunction = \"relu\"\n\
               [[layer]]\nkind = \"max_pool2d\"\nname = \"pool\"\nkernel_size = 2\n\
               [[layer]]\nkind = \"flatten\"\nname = \"flat\"\n\
               [[layer]]\nkind = \"linear\"\nname = \"scores\"\nout_features = 10\n";
    write(&at.join("net.toml"), net);
    let train = "train --data digits --network net.toml --epochs 1 --out run --no-standardize --quiet";
    plexus(at, train.split_whitespace()).well();
    let pixels: Vec<u8> = (0..64).map(|at| (at * 37 % 256) as u8).collect();
    write(&at.join("digit.pgm"), [b"P5\n8 8\n255\n", &pixels[..]].concat());
    write(&at.join("large.pgm"), [&b"P5\n16 4\n255\n"[..], &pixels[..]].concat());
    write(&at.join("broken.png"), "no image");
}

/// A network whose second unit of the hidden layer is never reached, as far as its weights say, since all are zero.
const ZEROS: &str = "input = [3]\n\
                     [[layer]]\nkind = \"linear\"\nname = \"hidden\"\nout_features = 4\nweight_init = \"zeros\"\nbias_init = \"zeros\"\n\
                     [[layer]]\nkind = \"activation\"\nname = \"relu\"\nfunction = \"relu\"\n\
                     [[layer]]\nkind = \"linear\"\nname = \"scores\"\nout_features = 2\n";

fn names(told: &Value) -> Vec<&str> {
    let layers = told["layers"].as_array().expect("a list");
    layers.iter().map(|layer| layer["layer"].as_str().expect("a name")).collect()
}

fn numbers(list: &Value) -> Vec<u64> {
    list.as_array().expect("a list").iter().map(|count| count.as_u64().expect("a count")).collect()
}

#[test]
fn weights_are_told_as_a_table_as_json_and_as_csv() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    trained(at);
    let ask = |line: &str| plexus(at, line.split_whitespace()).well();
    let told = ask("inspect run --json").last_json();
    assert_eq!(names(&told), ["conv1", "conv2", "norm", "scores"]);
    assert_eq!(told["not_finite"], json!([]));
    let counts = [54, 6 * 20 * 9, 20, 180 * 10];
    for (layer, count) in told["layers"].as_array().expect("a list").iter().zip(counts) {
        let weights = &layer["weights"];
        assert_eq!(weights["count"], count);
        let histogram = numbers(&weights["histogram"]["counts"]);
        assert_eq!((histogram.len(), histogram.iter().sum::<u64>()), (24, count));
        assert_eq!((&weights["histogram"]["low"], &weights["histogram"]["high"]), (&weights["min"], &weights["max"]));
        let [mean, min, max] = ["mean", "min", "max"].map(|key| weights[key].as_f64().expect("a number"));
        assert!(min <= mean && mean <= max);
    }
    let table = ask("inspect run").stdout;
    assert!(
        ["layer", "std", "zeros", "conv2d", "batch_norm", "1,080", "█"].iter().all(|word| table.contains(word)),
        "{table}"
    );
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    let csv = ask("inspect run --csv").stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("layer,kind,weights,not_finite,mean,deviation,min,max,zero_share,"), "{csv}");
    assert!(lines.len() == 5 && lines[2].starts_with("conv2,conv2d,1080,0,"), "{csv}");
    let mean: f64 = lines[1].split(',').nth(4).expect("a mean").parse().expect("a number");
    assert_eq!(mean, told["layers"][0]["weights"]["mean"].as_f64().expect("a number"));

    let one = ask("inspect run --layer conv2 --json").last_json();
    assert_eq!(names(&one), ["conv2"]);
    let text = ask("inspect run --layer conv2").stdout;
    assert!(
        text.contains("20 biases") && text.contains(" … ") && text.contains("a thousandth of the largest"),
        "{text}"
    );
    assert!(!text.contains("conv1"), "{text}");
    // A line of the histogram for each of its steps, with the counts of the JSON.
    let told: Vec<u64> = text
        .lines()
        .filter(|line| line.contains(" … "))
        .map(|line| line.split_whitespace().nth(3).expect("a count").replace(',', "").parse().expect("a count"))
        .collect();
    assert_eq!(told, numbers(&one["layers"][0]["weights"]["histogram"]["counts"]));
}

#[test]
fn values_and_dead_units_are_told_of_an_image_and_of_many_rows() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    trained(at);
    let ask = |line: &str| plexus(at, line.split_whitespace()).well();
    let all = ["conv1", "relu1", "conv2", "norm", "relu2", "pool", "flat", "scores"];
    let image = ask("inspect run digit.pgm --json").last_json();
    assert_eq!((names(&image), &image["rows"], &image["part"]), (all.to_vec(), &json!(1), &Value::Null));
    assert_eq!(image["layers"][0]["shape"], json!([6, 8, 8]));
    assert_eq!(image["layers"][0]["values"]["count"], 384);
    assert_eq!((&image["layers"][0]["units"], &image["layers"][1]["units"]["count"]), (&Value::Null, &json!(6)));
    assert_eq!(image["layers"][1]["values"]["min"], 0.0);
    // The same numbers as JSON text: it is treated as predict treats an image.
    let pixels: Vec<String> = (0..64).map(|at| (at * 37 % 256).to_string()).collect();
    write(&at.join("row.json"), format!("[{}]", pixels.join(",")));
    let scores = |told: &Value| told["layers"][7]["values"].clone();
    let as_image = plexus(at, "predict run digit.pgm --json".split_whitespace()).well().last_json();
    let inverted = ask("inspect run digit.pgm --invert --json").last_json();
    assert_ne!(scores(&image), scores(&inverted));
    assert!(as_image.is_object());
    // Pixels of 255 are white; of the built-in digits 16 is.
    let row: Vec<f32> = (0..64).map(|at| (at * 37 % 256) as f32 * 16.0 / 255.0).collect();
    write(&at.join("row.json"), serde_json::to_string(&row).expect("numbers"));
    let json = ask("inspect run row.json --json").last_json();
    let max = |told: &Value| scores(told)["max"].as_f64().expect("a number");
    assert!((max(&json) - max(&image)).abs() < 1e-4 * max(&image).abs(), "{json}\n{image}");

    let rows = ask("inspect run --data digits --json").last_json();
    let count = rows["rows"].as_u64().expect("a count");
    assert!(count > 300 && rows["part"] == "test part");
    assert_eq!(rows["layers"][7]["values"]["count"], 10 * count);
    let few = ask("inspect run --data digits --part train --rows 7 --json").last_json();
    assert_eq!((&few["rows"], &few["layers"][7]["values"]["count"]), (&json!(7), &json!(70)));
    // The same bits for any number of threads.
    let one = ask("inspect run --data digits --json --threads 1").last_json();
    assert_eq!(one, ask("inspect run --data digits --json --threads 2").last_json());

    let table = ask("inspect run --data digits").stdout;
    assert!(
        ["relu2", "dead units", " of 20", "20x6x6", "rows (test part)"].iter().all(|word| table.contains(word)),
        "{table}"
    );
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    let text = ask("inspect run digit.pgm --layer relu1").stdout;
    assert!(text.contains(" … ") && text.contains("1 row") && !text.contains("relu2"), "{text}");
    let csv = ask("inspect run digit.pgm --csv").stdout;
    assert!(csv.contains("\nrelu1,activation,6x8x8,384,0,") && csv.lines().count() == 9, "{csv}");

    write(&at.join("zeros.toml"), ZEROS);
    let weights = ask("inspect zeros.toml --json").last_json();
    assert_eq!(weights["layers"][0]["without_weights"], json!([0, 1, 2, 3]));
    assert_eq!(weights["layers"][0]["weights"]["zero_share"], 1.0);
    let text = ask("inspect zeros.toml").stdout;
    assert!(text.contains("hidden: all weights of these outputs are zero: 0, 1, 2, 3\n"), "{text}");
    let text = ask("inspect zeros.toml --layer hidden").stdout;
    assert!(text.contains("all 12 weights are 0"), "{text}");
    let text = ask("inspect zeros.toml [[1,2,3],[4,5,6]] --layer relu").stdout;
    assert!(text.contains("4 of 4") && text.contains("relu, units that are always 0: 0, 1, 2, 3"), "{text}");
}

#[test]
fn pictures_are_written_light_and_dark() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    trained(at);
    let svg = |line: &str| {
        plexus(at, format!("inspect run {line} --out picture.svg").split_whitespace()).well();
        std::fs::read_to_string(at.join("picture.svg")).expect("it is drawn")
    };
    let drawn = svg("");
    assert!(drawn.contains("Weights of run") && drawn.contains(">1,080 weights<") && drawn.contains(">norm<"));
    let drawn = svg("--layer conv1");
    assert!(drawn.contains("Filters of conv1") && drawn.contains("6 of 3 x 3;") && drawn.contains(">5<"));
    let drawn = svg("--layer conv2");
    assert!(drawn.contains("the first 64 of 120 of 3 x 3 (filter, channel)") && drawn.contains(">10, 3<"));
    assert!(svg("--layer scores").contains(">1,800 weights<"));
    let drawn = svg("digit.pgm");
    assert!(drawn.contains("Maps behind relu1: digit.pgm") && drawn.contains("6 maps of 8 x 8"), "{drawn}");
    let drawn = svg("digit.pgm --layer conv2");
    assert!(drawn.contains("Maps behind conv2") && drawn.contains(">19<") || drawn.contains(">19: dead<"), "{drawn}");
    assert!(svg("--data digits --layer pool").contains("Maps behind pool: the first row of digits"));
    let png = |line: &str| {
        plexus(at, format!("inspect run {line} --out picture.png").split_whitespace()).well();
        let bytes = std::fs::read(at.join("picture.png")).expect("it is drawn");
        assert!(bytes.starts_with(b"\x89PNG"));
        bytes
    };
    assert_ne!(png("digit.pgm"), png("digit.pgm --dark"));
    assert_ne!(png(""), png("--dark"));

    // A map that is the same everywhere says so.
    let net = "input = [1, 8, 8]\n\
               [[layer]]\nkind = \"conv2d\"\nname = \"c\"\nout_channels = 2\nkernel_size = 3\nweight_init = \"zeros\"\n\
               [[layer]]\nkind = \"activation\"\nname = \"r\"\nfunction = \"relu\"\n";
    write(&at.join("dead.toml"), net);
    for layer in ["", "--layer c", "--layer r"] {
        plexus(at, format!("inspect dead.toml digit.pgm {layer} --out dead.svg").split_whitespace()).well();
        let drawn = std::fs::read_to_string(at.join("dead.svg")).expect("it is drawn");
        assert!(drawn.contains(">0: dead<") && drawn.contains(">1: dead<"), "{layer}: {drawn}");
        // A convolution has no dead maps itself: they are told by the function behind it.
        assert_eq!(drawn.contains("dead: constant behind r"), layer == "--layer c", "{layer}: {drawn}");
    }
}

#[test]
fn wrong_uses_say_what_to_type() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    trained(at);
    write(&at.join("pool.toml"), "input = [1, 8, 8]\n[[layer]]\nkind = \"max_pool2d\"\nkernel_size = 2\n");
    let cases = [
        ("inspect", "plexus inspect"),
        ("inspect none", "there is no file none"),
        ("inspect run --layer conv3", "--layer is \"conv3\", but must be a layer of the model: conv1, relu1"),
        ("inspect run digit.pgm --layer conv3", "conv1, relu1"),
        ("inspect run --layer relu1", "relu1 has no weights; an image or --data DATA shows the values behind it"),
        ("inspect pool.toml", "pool.toml has no layer with weights"),
        ("inspect run none.png", "none.png"),
        ("inspect run digits", "digits"),
        ("inspect run broken.png", "broken.png"),
        ("inspect run large.pgm", "large.pgm is 16 x 4 pixels, but the model takes 8 x 8; use --resize"),
        ("inspect run [1,2]", "2 numbers, but the model takes 64"),
        (
            "inspect run digit.pgm --layer scores --out x.png",
            "scores gives 10 features, and --out draws maps. Layers with maps: conv1",
        ),
        ("inspect mlp:8 --input 3 [1,2,3] --out x.png", "mlp:8 has no layer with maps"),
        ("inspect mlp:8 --input 3 [1,2,3] --layer layers.0 --out x.png", "leave --out out"),
        ("inspect mlp:8 digit.pgm", "is an image, but the model takes 784 features"),
        ("inspect run --json --csv", "--csv"),
        ("inspect run --dark", "--out"),
        ("inspect run --out x.gif", ".svg or .png"),
        ("inspect run digit.pgm --out x.gif", ".svg or .png"),
        ("inspect run --rows 3", "name a file, or --data DATA"),
        ("inspect run --data digits --rows 0", "--rows"),
        ("inspect run --part test", "--data"),
        ("inspect run --resize", "IMAGE"),
        ("inspect run digit.pgm --data digits", "--data"),
        ("inspect run --data no-such-source", "no-such-source"),
        ("inspect run --input 3", "--input is for networks without weights"),
    ];
    refused(at, &cases);
    assert!(["x.png", "x.gif"].iter().all(|file| !at.join(file).exists()), "nothing is left behind");
}
