//! Every command, as a person or a program uses it.

mod program;

use program::{Outcome, command, files_in, flowers, houses, outcome, plexus, plexus_reads, real_data, write};
use std::path::Path;
use std::sync::OnceLock;

/// A folder with runs on digits, flowers and houses, trained once.
fn trained() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let at = folder.path();
            write(&at.join("flowers.csv"), flowers(150));
            write(&at.join("houses.csv"), houses(200));
            plexus(at, ["train", "--epochs", "10", "--network", "mlp:64", "--out", "digits"]).well();
            let flowers = ["train", "--data", "csv:flowers.csv", "--network", "mlp:16"];
            plexus(at, flowers.iter().chain(&["--out", "flowers"])).well();
            let houses =
                ["train", "--data", "csv:houses.csv", "--target", "price", "--network", "mlp:32,32", "--lr", "0.01"];
            plexus(at, houses.iter().chain(&["--batch", "16", "--epochs", "60", "--out", "houses"])).well();
            folder
        })
        .path()
}

const DIGITS: &str = "digits/model.safetensors";
const FLOWERS: &str = "flowers/model.safetensors";
const HOUSES: &str = "houses/model.safetensors";

/// The commands that a report ends with, run by a shell as they stand there.
#[cfg(unix)]
fn follow_next(folder: &Path, report: &str) -> Vec<Outcome> {
    let (_, next) = report.split_once("Next:\n").expect("the report says what to do next");
    let lines = next.lines().map(|line| line.trim()).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let rest = line.strip_prefix("plexus ").unwrap_or_else(|| panic!("not a command: {line}"));
            let line = format!("'{}' {rest}", env!("CARGO_BIN_EXE_plexus"));
            outcome(std::process::Command::new("sh").current_dir(folder).args(["-c", &line]), None).well()
        })
        .collect()
}

#[test]
fn train_without_arguments_learns_digits_and_leaves_a_complete_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = plexus(folder.path(), ["train"]).well();
    for words in [
        "1,797",
        "Classes   10",
        "Network   mlp:128",
        "at most 286 epochs",
        "Test      accuracy",
        "Model     runs/digits",
    ] {
        // The number of rows is split into parts; look for one of them.
        let words = if words == "1,797" { "359 held out" } else { words };
        assert!(report.stdout.contains(words), "{words}:\n{}", report.stdout);
    }
    assert_eq!(report.stderr, "", "nothing is drawn where nobody watches");
    let run = std::fs::read_dir(folder.path().join("runs")).expect("runs").flatten().next().expect("a run").path();
    let files = files_in(&run);
    let names: Vec<String> = files.keys().map(|name| name.display().to_string()).collect();
    let wanted = [
        "calibration.png",
        "calibration.svg",
        "checkpoint.plexus",
        "confusion-matrix.png",
        "confusion-matrix.svg",
        "example.png",
        "learning-curves.png",
        "learning-curves.svg",
        "metrics.jsonl",
        "mistakes.png",
        "mistakes.svg",
        "model.safetensors",
        "run.json",
        "run.lock",
        "summary.txt",
    ];
    assert_eq!(names, wanted);
    for (name, contents) in &files {
        let name = name.display().to_string();
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("png") => assert!(contents.starts_with(b"\x89PNG\r\n"), "{name}"),
            Some("svg") => {
                assert!(contents.starts_with(b"<svg") && contents.trim_ascii_end().ends_with(b"</svg>"), "{name}")
            }
            Some("json") => drop(serde_json::from_slice::<serde_json::Value>(contents).expect("JSON")),
            _ => {}
        }
    }
    let lines = std::str::from_utf8(&files[Path::new("metrics.jsonl")]).expect("text").lines();
    let epochs: Vec<serde_json::Value> = lines.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!((96..=286).contains(&epochs.len()), "{} epochs", epochs.len());
    for (index, epoch) in epochs.iter().enumerate() {
        assert_eq!(epoch["epoch"], index + 1);
        let mut keys: Vec<&String> = epoch.as_object().expect("an object").keys().collect();
        keys.sort();
        // No timings: the file is the same on every machine.
        let wanted =
            ["epoch", "learning_rate", "step", "train_loss", "train_metric", "validation_loss", "validation_metric"];
        assert_eq!(keys, wanted);
    }
    #[cfg(unix)]
    {
        let next = follow_next(folder.path(), &report.stdout);
        assert_eq!(next.len(), 3);
        assert!(next[0].stdout.contains("accuracy") && next[0].stdout.contains("precision"), "{}", next[0].stdout);
        assert!(next[1].stdout.contains("example.png: ") && next[1].stdout.contains('%'), "{}", next[1].stdout);
        assert!(next[2].stdout.contains("total") && next[2].stdout.contains("9,610"), "{}", next[2].stdout);
    }
}

#[test]
fn train_and_evaluate_as_json_agree_and_reach_97_percent() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let trained = plexus(folder.path(), ["train", "--json"]).well();
    let lines = trained.json_lines();
    assert_eq!(lines[0]["event"], "start");
    let last = lines.last().expect("a line");
    let accuracy = last["test_accuracy"].as_f64().expect("a number");
    assert!(accuracy >= 0.97, "only {accuracy}");
    let epochs = lines.iter().filter(|line| line["event"] == "epoch").count();
    assert_eq!((lines[0]["epochs"].as_u64(), last["epochs"].as_u64()), (Some(286), Some(epochs as u64)));
    let model = last["model"].as_str().expect("a path");
    assert!(folder.path().join(model).is_file());
    let measured = plexus(folder.path(), ["evaluate", model, "--json"]).well();
    assert_eq!(measured.json_lines().len(), 1);
    let measured = measured.last_json();
    assert_eq!(measured["model"], model);
    for key in ["test_accuracy", "test_loss", "test_correct", "test_confusion", "test_macro_f1"] {
        assert_eq!(measured[key], last[key], "{key}");
    }
    // Running again takes the next number, and has the same bits.
    let again = plexus(folder.path(), ["train", "--json"]).well().last_json();
    assert_ne!(again["model"], model);
    let read = |path: &str| std::fs::read(folder.path().join(path)).expect("the model reads");
    assert!(read(model) == read(again["model"].as_str().expect("a path")));
}

#[test]
#[cfg(unix)]
fn the_next_commands_work_for_tables_and_for_odd_names() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    write(&at.join("my data/it's flowers.csv"), flowers(90).replace(',', "|").replace("rose| red", "rose, red"));
    let data = "csv:my data/it's flowers.csv";
    let args = ["train", "--data", data, "--delimiter", "|", "--header", "yes", "--network", "mlp:8", "--epochs", "3"];
    let report = plexus(at, args.iter().chain(&["--out", "my runs/first"])).well();
    let next = follow_next(at, &report.stdout);
    assert!(next[0].stdout.contains("rose, red"), "{}", next[0].stdout);
    assert!(next[1].stdout.contains("true class"), "{}", next[1].stdout);
    write(&at.join("houses.csv"), houses(60));
    let args = ["train", "--data", "csv:houses.csv", "--network", "mlp:8", "--epochs", "3", "--out", "second"];
    let report = plexus(at, args).well();
    assert!(report.stdout.contains("RMSE"), "{}", report.stdout);
    assert!(at.join("second/predictions.svg").is_file());
    let next = follow_next(at, &report.stdout);
    assert!(next[0].stdout.contains("R2"), "{}", next[0].stdout);
    assert!(next[1].stdout.contains("price") && next[1].stdout.contains("true value"), "{}", next[1].stdout);
}

#[test]
fn predict_takes_images_rows_json_and_standard_input() {
    let at = trained();
    let image = plexus(at, ["predict", DIGITS, "digits/example.png", "--json"]).well().last_json();
    let row = plexus(at, ["predict", DIGITS, "--data", "digits", "--row", "0", "--json"]).well().last_json();
    // The example is the first test image, its 17 values brought to 256 and back.
    let share = |answer: &serde_json::Value| answer["probability"].as_f64().expect("a number");
    assert!((share(&image) - share(&row)).abs() < 0.01 && image["label"] == row["label"], "{image} {row}");
    assert_eq!(row["label"], row["true"]);
    assert_eq!(row["top"].as_array().expect("a list").len(), 3);
    let total = plexus(at, ["predict", DIGITS, "digits/example.png", "--json", "--top", "10"]).well().last_json();
    let total: f64 =
        total["top"].as_array().expect("a list").iter().map(|class| class["probability"].as_f64().unwrap()).sum();
    assert!((total - 1.0).abs() < 1e-5);

    let text = plexus(at, ["predict", FLOWERS, "{\"length\": 2.5, \"width\": 5.4, \"color\": \"white\"}"]).well();
    assert!(text.stdout.contains(": daisy "), "{}", text.stdout);
    let table = "color,length,width\nyellow,6.5,3.4\nwhite,2.5,?\n";
    write(&at.join("new.csv"), table);
    let rows = plexus(at, ["predict", FLOWERS, "new.csv", "--json"]).well().json_lines();
    let piped = plexus_reads(at, ["predict", FLOWERS, "-", "--json"], table.as_bytes()).well().json_lines();
    assert_eq!(rows.len(), 2);
    for (row, piped) in rows.iter().zip(&piped) {
        assert_eq!(row["top"], piped["top"]);
    }
    assert_eq!(rows[1]["label"], "daisy");
    // The columns in the order of the training file need no names; labels keep theirs, comma and all.
    let bare = plexus_reads(at, ["predict", FLOWERS, "-", "--json"], b"5.5,4.5,red\n").well().last_json();
    assert_eq!(bare["label"], "rose, red");
    let json =
        plexus_reads(at, ["predict", FLOWERS, "-"], b" [{\"length\": 8.4, \"width\": 3.1, \"color\": null}]").well();
    assert!(json.stdout.contains("tulip"), "{}", json.stdout);

    let house = "{\"area\": 100, \"rooms\": 3, \"street\": \"side\"}";
    let price = plexus(at, ["predict", HOUSES, house, "--json"]).well().last_json();
    let price = price["outputs"]["price"].as_f64().expect("a number");
    assert!((price - 270.5).abs() < 15.0, "{price}");
}

#[test]
fn percentages_never_claim_certainty_that_is_not_there() {
    let at = trained();
    let text = plexus(at, ["predict", DIGITS, "--data", "digits", "--row", "1", "--top", "10"]).well().stdout;
    let json = plexus(at, ["predict", DIGITS, "--data", "digits", "--row", "1", "--top", "10", "--json"]).well();
    let shares = text.trim().split_once(": ").expect("a label").1.split("   ").next().expect("answers").split(", ");
    let top = json.last_json()["top"].as_array().expect("a list").clone();
    for (shown, class) in shares.zip(top) {
        let probability = class["probability"].as_f64().expect("a number");
        let wanted = match 100.0 * probability {
            p if p >= 100.0 => "100 %".to_string(),
            p if p >= 99.95 => ">99.9 %".to_string(),
            p if p < 0.05 => "<0.1 %".to_string(),
            p => format!("{p:.1} %"),
        };
        let label = class["label"].as_str().expect("a name");
        assert_eq!(shown, format!("{label} {wanted}"));
    }
}

#[test]
fn evaluate_measures_tables_and_draws() {
    let at = trained();
    let test = plexus(at, ["evaluate", FLOWERS, "--data", "csv:flowers.csv", "--json"]).well().last_json();
    assert_eq!((&test["rows"], &test["part"]), (&30.into(), &"test part".into()));
    assert!(test["test_accuracy"].as_f64().expect("a number") > 0.9);
    let all = plexus(at, ["evaluate", FLOWERS, "--data", "csv:flowers.csv", "--part", "all", "--json"]).well();
    assert_eq!(all.last_json()["rows"], 150);
    let text = plexus(at, ["evaluate", FLOWERS, "--data", "csv:flowers.csv", "--pictures", "drawn"]).well();
    for name in ["daisy", "rose, red", "tulip", "mean"] {
        assert!(text.stdout.contains(name), "{}", text.stdout);
    }
    assert!(at.join("drawn/confusion-matrix.svg").is_file() && at.join("drawn/confusion-matrix.png").is_file());
    let prices = plexus(at, ["evaluate", HOUSES, "--data", "csv:houses.csv", "--json"]).well().last_json();
    assert!(prices["test_r2"].as_f64().expect("a number") > 0.95, "{prices}");
}

#[test]
fn summary_counts_with_and_without_bias() {
    let at = trained();
    let text = plexus(at, ["summary", "mlp:512,256"]).well().stdout;
    for number in ["401,920", "401,408", "131,328", "131,072", "2,570", "778", "535,818", "535,040", "2.04 MiB"] {
        assert!(text.contains(number), "{number}:\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let json = plexus(at, ["summary", "mlp:512,256", "--json"]).well().last_json();
    assert_eq!((&json["total"]["params"], &json["total"]["params_without_bias"]), (&535_818.into(), &535_040.into()));
    assert_eq!(json["total"]["macs"], 535_040);
    // The same as a table for programs; biases apart.
    let csv = plexus(at, ["summary", "mlp:512,256", "--csv"]).well().stdout;
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let at_column = |name: &str| lines[0].iter().position(|column| *column == name).expect(name);
    let sum = |name: &str| lines[1..].iter().map(|line| line[at_column(name)].parse::<u64>().expect(name)).sum::<u64>();
    for (column, key) in [("parameters", "params"), ("multiply_adds", "macs"), ("activation_bytes", "activation_bytes")]
    {
        assert_eq!(sum(column), json["total"][key], "{column}: {csv}");
    }
    assert_eq!((sum("biases"), lines.len() - 1), (778, json["layers"].as_array().expect("a list").len()));
    let csv = plexus(at, ["summary", "lenet5", "--csv", "--formulas"]).well().stdout;
    assert!(csv.lines().next().is_some_and(|line| line.ends_with(",folded_into,formulas")), "{csv}");
    assert!(csv.contains("\nconv1,conv2d,,1x28x28,6x28x28,,156,6,") && csv.contains("parameters: "), "{csv}");
    let both = plexus(at, ["summary", "lenet5", "--csv", "--json"]);
    assert_eq!(both.code, Some(2), "{}", both.stderr);
    let eight = plexus(at, ["summary", "mlp:512,256", "--json", "--batch", "8"]).well().last_json();
    assert_eq!((&eight["total"]["macs"], &eight["total"]["params"]), (&(8 * 535_040).into(), &535_818.into()));
    assert_eq!(eight["total"]["connections"], 8 * 535_818);
    let skip = "inputs = { left = [3], right = [3] }\n[[layer]]\nkind = \"add\"\nname = \"sum\"\ninputs = [\"left\", \"right\"]\n";
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("net.toml"), skip).expect("it is written");
    let skip = plexus(folder.path(), ["summary", "net.toml"]).well().stdout;
    for words in [" left ", " right ", "sum reads left, right."] {
        assert!(skip.contains(words), "{words}:\n{skip}");
    }
    let original = plexus(at, ["summary", "lenet5?variant=original"]).well().stdout;
    for words in
        ["connections, biases included: 340,908", "60,000", "scaled_tanh", "trainable_pool", "conv2d_table", "rbf"]
    {
        assert!(original.contains(words), "{words}:\n{original}");
    }
    let original = plexus(at, ["summary", "lenet5?variant=original", "--json"]).well().last_json();
    let layers = original["layers"].as_array().expect("a list").iter();
    let connections: Vec<u64> = layers.filter_map(|layer| layer["connections"].as_u64()).filter(|n| *n > 0).collect();
    assert_eq!(connections, [122_304, 5_880, 151_600, 2_000, 48_120, 10_164, 840]);
    let text = plexus(at, ["summary", "alexnet"]).well().stdout;
    for words in
        ["3x227x227", "96x55x55", "256x13x13", "34,944", "614,656", "37,752,832", "62,378,344", "1,135,256,096"]
    {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    // What its fully connected layers do, and what a window leaves over.
    assert!(text.contains("Fully connected: flatten (input), fc1 (first), fc2 (hidden), fc3 (output)."), "{text}");
    assert!(!text.contains("its window goes"), "{text}");
    let odd = plexus(at, ["summary", "alexnet", "--input", "3x224x224"]).well().stdout;
    assert!(odd.contains("conv1: its window goes 53.25 x 53.25 steps, no whole number"), "{odd}");
    let odd = plexus(at, ["summary", "alexnet", "--input", "3x224x224", "--json"]).well().last_json();
    assert_eq!(odd["layers"][0]["steps"], serde_json::json!([53.25, 53.25]));
    assert!(odd["layers"].as_array().expect("a list").iter().any(|layer| layer["role"] == "first"));
    let json = plexus(at, ["summary", "alexnet?groups=2", "--json"]).well().last_json();
    assert_eq!(json["total"]["params"], 60_965_224);
    let conv = &json["layers"][0];
    assert_eq!((&conv["name"], &conv["kind"]), (&"conv1".into(), &"conv2d".into()));
    assert_eq!((&conv["params"], &conv["params_without_bias"]), (&34_944.into(), &34_848.into()));
    assert_eq!((&conv["output_shape"], &conv["macs"]), (&serde_json::json!([96, 55, 55]), &105_415_200.into()));
    let gray = plexus(at, ["summary", "vgg16?in_channels=1&classes=2", "--input", "1x64x64", "--json"]).well();
    assert_eq!(
        gray.last_json()["layers"].as_array().and_then(|all| all.last()).expect("a layer")["output_shape"][0],
        2
    );
    let model = plexus(at, ["summary", DIGITS]).well().stdout;
    assert!(model.contains("standardize") && model.contains("1x8x8"), "{model}");
    assert_eq!(model, std::fs::read_to_string(at.join("digits/summary.txt")).expect("it reads"));
}

#[test]
fn layers_are_folded_where_a_model_is_opened_and_no_fold_computes_them_by_themselves() {
    let at = trained();
    // One mean and scale for all pixels, in front of flatten and a linear layer.
    let target = |options: &[&str]| {
        let json = plexus(at, ["summary", DIGITS, "--json"].iter().chain(options)).well().last_json();
        let layers = json["layers"].as_array().expect("a list").clone();
        let folded: Vec<_> = layers.iter().filter(|layer| layer.get("folded_into").is_some()).collect();
        folded.iter().map(|layer| (layer["name"].to_string(), layer["folded_into"].to_string())).collect::<Vec<_>>()
    };
    assert_eq!(target(&[]), [("\"standardize\"".to_string(), "\"layers.0\"".to_string())]);
    assert_eq!(target(&["--no-fold"]), []);
    let text = plexus(at, ["summary", DIGITS]).well().stdout;
    assert!(text.contains("Folded when opened: standardize into layers.0."), "{text}");
    assert!(!plexus(at, ["summary", DIGITS, "--no-fold"]).well().stdout.contains("Folded"));
    // A network without numbers is not opened, so nothing is folded.
    assert!(!plexus(at, ["summary", "mlp:512", "--no-fold"]).well().stdout.contains("Folded"));

    let scores = |options: &[&str]| -> Vec<f64> {
        let predict = ["predict", DIGITS, "--data", "digits", "--row", "3", "--json", "--probabilities"];
        let answer = plexus(at, predict.iter().chain(options)).well().last_json();
        let top = answer["top"].as_array().expect("a list").clone();
        top.iter().map(|class| class["score"].as_f64().expect("a number")).collect()
    };
    let (folded, plain) = (scores(&[]), scores(&["--no-fold"]));
    let largest = plain.iter().fold(0.0, |most: f64, score| most.max(score.abs()));
    assert!(!plain.is_empty() && folded.len() == plain.len());
    for (folded, plain) in folded.iter().zip(&plain) {
        assert!((folded - plain).abs() <= 2e-6 * largest, "{folded} {plain}");
    }
    let accuracy = |options: &[&str]| {
        let json = plexus(at, ["evaluate", DIGITS, "--json"].iter().chain(options)).well().last_json();
        (json["test_accuracy"].as_f64().expect("a number"), json["test_loss"].as_f64().expect("a number"))
    };
    let (folded, plain) = (accuracy(&[]), accuracy(&["--no-fold"]));
    assert!(
        (folded.0 - plain.0).abs() <= 1.0 / 359.0 && (folded.1 - plain.1).abs() <= 1e-5 * plain.1,
        "{folded:?} {plain:?}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    use std::process::Stdio;
    // 200 kB: more than a pipe holds, so that the program cannot end before its reader is gone.
    let args = ["trace", "mlp:256", "--input", "64", "--full"];
    let mut child = command(trained()).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.as_mut().expect("the program starts");
    drop(child.stdout.take());
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().expect("it was piped"), &mut stderr).expect("it reads");
    assert_eq!((child.wait().expect("it ends").code(), stderr.as_str()), (Some(1), ""));
}

#[test]
fn trace_prints_every_primitive_and_no_other() {
    let at = trained();
    let lines = plexus(at, ["trace", "mlp:3", "--json", "[1, 2]"]).well().json_lines();
    let primitives = lines.iter().flat_map(|layer| layer["primitives"].as_array().expect("a list"));
    let operations: Vec<&str> = primitives.map(|primitive| primitive["operation"].as_str().expect("text")).collect();
    assert_eq!(operations, ["multiply", "add", "relu", "multiply", "add"]);
    let text = plexus(at, ["trace", "mlp:3", "[1, 2]"]).well().stdout;
    for words in ["1. multiply", "2. add", "3. relu", "4. multiply", "5. add", "weight", "bias", "1.0000    2.0000"] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    assert!(!text.contains("6."), "{text}");
    // The last result is what `predict` says, before softmax.
    let input = "{\"length\": 2.5, \"width\": 5.4, \"color\": \"white\"}";
    let scores = plexus(at, ["predict", FLOWERS, input, "--json"]).well().last_json();
    let score = scores["top"][0]["score"].as_f64().expect("a number");
    let names = plexus(at, ["summary", FLOWERS, "--json"]).well().last_json();
    let width = names["input_shape"][0].as_u64().expect("a size") as usize;
    // length, width, then one place for each color: missing, red, white, yellow.
    let mut encoded = vec![0.0; width];
    (encoded[0], encoded[1]) = (2.5, 5.4);
    encoded[width - 2] = 1.0;
    let traced = plexus(at, ["trace", FLOWERS, &format!("{encoded:?}"), "--json"]).well().last_json();
    let results = &traced["primitives"].as_array().expect("a list").last().expect("a primitive")["result"]["values"];
    let best = results
        .as_array()
        .expect("a list")
        .iter()
        .map(|value| value.as_f64().expect("a number"))
        .fold(f64::MIN, f64::max);
    assert!((best - score).abs() < 1e-4 * score.abs().max(1.0), "{best} {score}");
}

#[test]
fn kernels_lists_rows_and_marks_the_one_in_use() {
    let at = trained();
    let rows = plexus(at, ["kernels", "--json"]).well().json_lines();
    assert!(rows.len() >= 12);
    let families = ["gemm", "gemm_bf16", "gemm_i8", "gemm_i16"];
    for family in families {
        let picked: Vec<_> = rows.iter().filter(|row| row["picked"] == true && row["family"] == family).collect();
        assert!(picked.len() == 1 && picked[0]["available"] == true, "{rows:?}");
    }
    let text = plexus(at, ["kernels"]).well().stdout;
    for row in &rows {
        assert!(text.contains(row["name"].as_str().expect("a name")), "{text}");
    }
    assert_eq!(text.lines().filter(|line| line.trim_start().starts_with("→   gemm")).count(), families.len(), "{text}");
    let portable = outcome(command(at).args(["kernels", "--json"]).env("PLEXUS_ISA", "portable"), None).well();
    let picked: Vec<_> = portable.json_lines().into_iter().filter(|row| row["picked"] == true).collect();
    assert!(picked.len() == families.len() && picked.iter().all(|row| row["isa"] == "portable"), "{picked:?}");
}

#[test]
fn every_command_explains_itself_with_examples() {
    let at = trained();
    for command in ["train", "evaluate", "predict", "summary", "trace", "kernels", "bench"] {
        let help = plexus(at, [command, "--help"]).well().stdout;
        assert!(help.contains("Usage: plexus ") && help.contains("Options:"), "{help}");
        assert!(help.contains("Examples:"), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 120), "{command}");
        assert!(plexus(at, ["help"]).well().stdout.contains(&format!("  {command} ")));
    }
    assert!(plexus(at, ["--version"]).well().stdout.starts_with("plexus "));
}

#[test]
fn every_optimizer_schedule_and_loss_learns() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let quick = ["train", "--network", "mlp:16", "--epochs", "2", "--batch", "32", "--json"];
    let learn = |name: &str, options: &[&str]| {
        let out = ["--out", name];
        let last = plexus(folder.path(), quick.iter().chain(options).chain(&out)).well().last_json();
        assert!(last["model"].as_str().is_some(), "{name}: {last}");
        let accuracy = last["test_accuracy"].as_f64().unwrap_or_else(|| panic!("{name}: {last}"));
        // Of a target that is mostly zeros the median is zero: absolute errors take longer than two epochs.
        let least = if name == "mean_absolute_error" { 0.0 } else { 0.2 };
        assert!(accuracy > least, "{name}: {accuracy} is hardly better than guessing");
        // What was trained can be measured again, with the same result.
        let model = last["model"].as_str().expect("a path");
        let again = plexus(folder.path(), ["evaluate", model, "--json"]).well().last_json();
        assert_eq!(again["test_accuracy"], last["test_accuracy"], "{name}");
        plexus(folder.path(), ["predict", model, "--data", "digits"]).well();
    };
    for optimizer in ["sgd", "adam", "adamw", "rmsprop"] {
        for schedule in ["constant", "step", "cosine", "one_cycle", "reduce_on_plateau"] {
            let rate: &[&str] = if optimizer == "sgd" { &[] } else { &["--lr", "0.01"] };
            let names = ["--optimizer", optimizer, "--schedule", schedule];
            learn(&format!("{optimizer}-{schedule}"), &[&names, rate].concat());
        }
    }
    for loss in ["cross_entropy", "mean_squared_error", "mean_absolute_error", "huber", "binary_cross_entropy"] {
        learn(loss, &["--loss", loss, "--lr", "0.01"]);
    }
    learn("nesterov", &["--optimizer", "sgd", "--nesterov", "--weight-decay", "0.001", "--decoupled"]);
    learn("balanced", &["--class-weights", "balanced", "--label-smoothing", "0.1", "--lr", "0.01"]);
    learn("weights", &["--class-weights", "1,1,1,1,1,1,1,1,1,3", "--lr", "0.01"]);
    learn("accumulated", &["--accumulate", "3", "--clip-norm", "1", "--warmup", "5", "--lr", "0.02"]);
    learn("raw", &["--no-standardize", "--lr", "0.01"]);
    learn("all-rows", &["--validation", "0", "--lr", "0.01", "--seed", "18446744073709551615"]);
}

#[test]
fn every_loss_for_numbers_learns_a_table() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("houses.csv"), houses(120));
    for loss in ["mean_squared_error", "mean_absolute_error", "huber"] {
        let args =
            ["train", "--data", "csv:houses.csv", "--network", "mlp:16", "--loss", loss, "--out", loss, "--json"];
        let last =
            plexus(folder.path(), args.iter().chain(&["--epochs", "20", "--lr", "0.05", "--batch", "16"])).well();
        assert!(last.last_json()["test_rmse"].as_f64().is_some_and(f64::is_finite), "{}", last.stdout);
    }
}

#[test]
fn patience_stops_early_and_the_best_epoch_is_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let args = [
        "train",
        "--network",
        "mlp:32",
        "--epochs",
        "500",
        "--patience",
        "4",
        "--lr",
        "0.01",
        "--smoothing",
        "1",
        "--json",
    ];
    let trained = plexus(folder.path(), args).well();
    let last = trained.last_json();
    let (epochs, best) = (last["epochs"].as_u64().expect("a number"), last["best_epoch"].as_u64().expect("a number"));
    assert!(epochs < 500 && epochs == best + 4, "{epochs} {best}");
    // The model is that of the best epoch, which a run that ends there has too: nothing after it changed it.
    let lines = trained.json_lines();
    let best_line = lines.iter().find(|line| line["epoch"] == best).expect("the epoch is there");
    let highest = lines.iter().filter_map(|line| line["validation_metric"].as_f64()).fold(0.0, f64::max);
    assert_eq!(best_line["validation_metric"].as_f64(), Some(highest));
}

#[test]
fn resume_with_more_epochs_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let quick = ["train", "--network", "mlp:16", "--schedule", "constant", "--json"];
    plexus(folder.path(), quick.iter().chain(&["--epochs", "2", "--out", "runs/a"])).well();
    // Without a folder the newest run in runs/ is meant.
    let last = plexus(folder.path(), ["train", "--resume", "--epochs", "4", "--json"]).well().last_json();
    assert_eq!((&last["epochs"], &last["folder"]), (&4.into(), &"runs/a".into()));
    // A constant rate does not know the end, so the bits are those of a run that was to have four epochs.
    plexus(folder.path(), quick.iter().chain(&["--epochs", "4", "--out", "b"])).well();
    let read = |run: &str| std::fs::read(folder.path().join(run).join("model.safetensors")).expect("the model reads");
    assert!(read("runs/a") == read("b"));
    // Network and data may be said again, where they are the same.
    let again = ["train", "--resume", "b", "--network", "mlp:16", "--data=digits", "--json"];
    assert_eq!(plexus(folder.path(), again).well().last_json()["epochs"], 4);
}

#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    plexus(folder.path(), ["train", "--network", "mlp:8", "--epochs", "1", "--out", "run"]).well();
    let lock = std::fs::File::options().write(true).open(folder.path().join("run/run.lock")).expect("there is a lock");
    lock.lock().expect("nobody else holds it");
    let before = files_in(&folder.path().join("run"));
    for args in [["train", "--resume", "run"], ["train", "--out", "run"]] {
        let refused = plexus(folder.path(), args);
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        assert!(refused.stderr.starts_with("error: run is in use by another process"), "{}", refused.stderr);
        assert!(refused.stderr.contains("choose another folder: --out DIR"), "{}", refused.stderr);
    }
    assert_eq!(before, files_in(&folder.path().join("run")));
    drop(lock);
    plexus(folder.path(), ["train", "--resume", "run", "--epochs", "2"]).well();
}

#[test]
fn mnist_from_disk_learns() {
    let Some(mnist) = real_data("mnist") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = format!("mnist:{}", mnist.display());
    let args =
        ["train", "--data", &data, "--network", "mlp:64", "--batch", "256", "--epochs", "1", "--lr", "0.003", "--json"];
    let last = plexus(folder.path(), args).well().last_json();
    assert!(last["test_accuracy"].as_f64().expect("a number") > 0.9, "{last}");
    let model = last["model"].as_str().expect("a path");
    let row = plexus(folder.path(), ["predict", model, "--data", &data, "--row", "0", "--json"]).well().last_json();
    assert_eq!(row["true"], "7");
}
