//! `plexus quantize`, `export` and `verify` as a user meets them: what they print and write, and what they refuse.

mod program;

use program::{Outcome, command, files_in, flowers, houses, outcome, plexus_reads, write};
use serde_json::{Value, json};
use std::path::Path;

fn here() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn run(at: &Path, line: &str) -> Outcome {
    let mut command = command(at);
    if line.starts_with("train ") {
        // The same model on every machine.
        command.env("PLEXUS_ISA", "portable");
    }
    outcome(command.args(line.split_whitespace()), None)
}

/// A small model of digits, `run`.
fn digits(at: &Path) {
    run(at, "train --data digits --network mlp:16 --epochs 8 --seed 0 --out run --quiet").well();
}

/// The same with what quantize makes of it by itself, `whole.safetensors`, and that exported, `net`.
fn exported(at: &Path) {
    digits(at);
    run(at, "quantize run --out whole.safetensors").well();
    run(at, "export whole.safetensors --target c --out net").well();
}

/// A model of a network in TOML, trained on digits for an epoch, `run`.
fn digits_with(at: &Path, layers: &str) {
    write(&at.join("net.toml"), format!("input = [1, 8, 8]\n{layers}"));
    run(at, "train --data digits --network net.toml --epochs 1 --seed 0 --out run --quiet").well();
}

/// Command lines that must be refused with all of some words, and must not change a file.
fn refused(at: &Path, cases: &[(&str, &[&str])]) {
    let before = files_in(at);
    for (line, words) in cases {
        refusal(line, &run(at, line), words);
        assert!(files_in(at) == before, "{line} wrote something");
    }
}

fn refusal(line: &str, told: &Outcome, words: &[&str]) {
    assert_eq!(told.code, Some(2), "{line}: {told:?}");
    assert!(!told.stderr.contains("panicked") && told.stdout.is_empty(), "{line}: {told:?}");
    assert_eq!(told.stderr.matches("error:").count(), 1, "{line}: {}", told.stderr);
    for word in words {
        assert!(told.stderr.contains(word), "{line}: {word}: {}", told.stderr);
    }
}

/// What a device says that computes the golden numbers.
fn said(at: &Path, folder: &str) -> String {
    let golden = golden(at, folder);
    let mut text = "plexus verify 1\n".to_string();
    for (index, vector) in golden["vectors"].as_array().expect("a list").iter().enumerate() {
        for (step, numbers) in vector["steps"].as_array().expect("a list").iter().enumerate() {
            let wide = golden["steps"][step]["dtype"] == "i16";
            let digits = numbers.as_array().expect("a list").iter().map(|number| {
                let [low, high, ..] = number.as_i64().expect("a whole number").to_le_bytes();
                if wide { format!("{low:02x}{high:02x}") } else { format!("{low:02x}") }
            });
            text += &format!("v {index} {step} {}\n", digits.collect::<String>());
        }
    }
    text + "end\n"
}

fn golden(at: &Path, folder: &str) -> Value {
    let text = std::fs::read(at.join(folder).join("golden.json")).expect("it was exported");
    serde_json::from_slice(&text).expect("it is JSON")
}

#[test]
fn a_model_of_whole_numbers_is_written_beside_its_source_and_measured() {
    let folder = here();
    let at = folder.path();
    digits(at);
    let text = run(at, "quantize run").well().stdout;
    for part in [
        "run as int8-per-channel, ranges from 200 rows of digits",
        "layers.0",
        "On 359 rows of digits (test part):",
        "Model: run/model-int8-per-channel.safetensors",
        "evaluate run/model-int8-per-channel.safetensors --data digits",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let told = run(at, "quantize run --json --out again.safetensors").well().last_json();
    let read = |name: &str| std::fs::read(at.join(name)).expect("it was written");
    assert!(read("run/model-int8-per-channel.safetensors") == read("again.safetensors"), "the same twice");
    let number = |value: &Value| value.as_f64().expect("a number");
    assert_eq!((&told["measure"], &told["scheme"]), (&json!("accuracy"), &json!("int8-per-channel")));
    assert_eq!((&told["calibration_rows"], &told["test_rows"]), (&json!(200), &json!(359)));
    assert!((number(&told["lost"]) - 100.0 * (number(&told["float"]) - number(&told["integer"]))).abs() < 1e-9);
    let measured = run(at, "evaluate again.safetensors --data digits --json").well().last_json();
    assert_eq!(measured["test_accuracy"], told["integer"], "{measured}");
    // 64 · 16 + 16 · 10 weights of a byte, 26 biases of four, and a scale for each output.
    let bytes: u64 =
        told["layers"].as_array().expect("a list").iter().filter_map(|layer| layer["bytes"].as_u64()).sum();
    assert!((1184 + 26 * 4..1184 + 26 * 12 + 64).contains(&bytes), "{told}");
    let csv = run(at, "quantize run --csv --out again.safetensors").well().stdout;
    let mut lines = csv.lines();
    assert!(lines.next().expect("a header").starts_with("layer,kind,name,integer_kind,weight_bits,output,scale"));
    let names: Vec<&str> = lines.filter_map(|line| line.split(',').next()).collect();
    let layers: Vec<&str> =
        told["layers"].as_array().expect("a list").iter().filter_map(|l| l["layer"].as_str()).collect();
    assert_eq!(names, layers);
}

#[test]
fn each_scheme_has_its_numbers_and_more_bits_are_nearer() {
    let folder = here();
    let at = folder.path();
    digits(at);
    let mut errors = Vec::new();
    for (scheme, bits, output) in [
        ("int8", 8, "i8"),
        ("int8-per-channel", 8, "i8"),
        ("int16x8", 8, "i16"),
        ("int16", 16, "i16"),
        ("int4", 4, "i8"),
        ("q7", 8, "i8"),
        ("q15", 16, "i16"),
        ("q7q15", 8, "i16"),
    ] {
        let told = run(at, &format!("quantize run --scheme {scheme} --json")).well().last_json();
        let last = told["layers"].as_array().and_then(|layers| layers.last()).expect("a layer").clone();
        assert_eq!((&last["weight_bits"], &last["output"]), (&json!(bits), &json!(output)), "{told}");
        assert!(at.join(format!("run/model-{scheme}.safetensors")).is_file());
        assert!(told["lost"].as_f64().expect("a number") < 5.0, "{told}");
        errors.push((scheme, last["error"].as_f64().expect("a number")));
    }
    let error = |name: &str| errors.iter().find(|(scheme, _)| *scheme == name).expect("it was tried").1;
    assert!(error("int16") < 0.1 * error("int8-per-channel") && error("q15") < 0.1 * error("q7"), "{errors:?}");
    assert!(error("int4") > error("int8-per-channel"), "{errors:?}");
}

#[test]
fn layers_are_widened_and_left_float_by_name() {
    let folder = here();
    let at = folder.path();
    digits(at);
    let told = run(at, "quantize run --wide layers.0 --out wide.safetensors --json").well().last_json();
    let outputs = |told: &Value| -> Vec<(String, String)> {
        let text = |layer: &Value, key: &str| layer[key].as_str().unwrap_or_default().to_string();
        told["layers"].as_array().expect("a list").iter().map(|l| (text(l, "own"), text(l, "output"))).collect()
    };
    assert!(outputs(&told).contains(&("layers.0".into(), "i16".into())), "{told}");
    assert!(outputs(&told).contains(&("layers.2".into(), "i8".into())), "{told}");
    let told = run(at, "quantize run --float layers.2 --out float.safetensors --json").well().last_json();
    assert!(outputs(&told).contains(&("layers.2".into(), "f32".into())), "{told}");
    let summary = run(at, "summary float.safetensors").well().stdout;
    assert!(summary.contains("dequantize") && summary.contains("integer_linear"), "{summary}");
    let told = run(at, "export float.safetensors --target c --out no");
    refusal("a layer left float", &told, &["layers.2", "floats", "leave no layer float"]);
}

#[test]
fn a_budget_widens_the_layers_that_hurt_most() {
    let folder = here();
    let at = folder.path();
    write(&at.join("houses.csv"), houses(200));
    run(at, "train houses.csv --target price --epochs 30 --seed 0 --out run --quiet").well();
    let told = run(at, "quantize run --scheme int8 --keep-within 100 --json").well().last_json();
    assert_eq!((told["tried"].as_array().map(Vec::len), &told["measure"]), (Some(1), &json!("rmse")), "{told}");
    // The error of 8 bits is more than a hundredth of a percent.
    let told = run(at, "quantize run --scheme int8 --keep-within 0.01 --json");
    let tried = told.last_json()["tried"].clone();
    let wide: Vec<usize> =
        tried.as_array().expect("a list").iter().map(|one| one["wide"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(wide, (0..wide.len()).collect::<Vec<_>>(), "one more each time");
    assert!(wide.len() > 1, "{tried}");
    if told.code != Some(0) {
        assert!(told.code == Some(2) && told.stderr.contains("percent of the error"), "{told:?}");
    }
}

#[test]
fn pictures_are_drawn_as_their_names_say() {
    let folder = here();
    let at = folder.path();
    digits(at);
    run(at, "quantize run --out a.safetensors --picture cost.svg").well();
    run(at, "quantize run --out a.safetensors --picture cost.png --dark").well();
    let svg = std::fs::read_to_string(at.join("cost.svg")).expect("it was drawn");
    assert!(svg.contains("run as int8-per-channel") && svg.contains("layers.2"), "{svg}");
    assert!(std::fs::read(at.join("cost.png")).expect("it was drawn").starts_with(b"\x89PNG"));
}

#[test]
fn a_model_of_a_table_takes_raw_columns() {
    let folder = here();
    let at = folder.path();
    write(&at.join("flowers.csv"), flowers(240));
    let constant: String = houses(240)
        .lines()
        .enumerate()
        .map(|(row, line)| format!("{}{line}\n", if row == 0 { "year;" } else { "1999;" }))
        .collect();
    write(&at.join("houses.csv"), constant);
    for (name, target, metric) in [("flowers", "kind", "accuracy"), ("houses", "price", "rmse")] {
        run(at, &format!("train {name}.csv --target {target} --epochs 40 --seed 0 --out {name} --quiet")).well();
        let told = run(at, &format!("quantize {name} --out {name}.safetensors --json")).well().last_json();
        assert_eq!(told["measure"], metric);
        // Columns of different sizes are brought to one scale before they become whole numbers.
        let products =
            told["layers"].as_array().expect("a list").iter().filter(|layer| !layer["weight_bits"].is_null());
        products.for_each(|layer| assert!(layer["error"].as_f64() < Some(0.05), "{told}"));
        run(at, &format!("evaluate {name}.safetensors --data {name}.csv")).well();
        let answers = run(at, &format!("predict {name}.safetensors {name}.csv --out answers.csv")).well().stdout;
        assert!(answers.contains("240 answers"), "{answers}");
        run(at, &format!("export {name}.safetensors --target c --out {name}-c --name net")).well();
        let readme = std::fs::read_to_string(at.join(format!("{name}-c/README.md"))).expect("it was exported");
        let call = if name == "flowers" {
            "size_t class = net_largest(output, 3);"
        } else {
            "float value = (float)(output[0] - ("
        };
        assert!(readme.contains(call), "{readme}");
        assert!(readme.contains("32-bit floats, as the model was trained on"), "{readme}");
        let line = format!("export {name}.safetensors --target c --out no --input bytes");
        refusal(&line, &run(at, &line), &["not all treated alike", "--input floats"]);
        if cfg!(unix) {
            let main = "#include <stdio.h>\n#include \"net_golden.h\"\nstatic void put(const char *text) { fputs(text, stdout); }\n\
                        int main(void) { net_verify(put); return 0; }\n";
            write(&at.join(format!("{name}-c/main.c")), main);
            let mut cc = std::process::Command::new("cc");
            cc.current_dir(at.join(format!("{name}-c"))).args(["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]);
            let built = outcome(cc.args(["main.c", "net.c", "net_golden.c", "-o", "main"]), None);
            assert_eq!(built.code, Some(0), "{}", built.stderr);
            let wrote = outcome(&mut std::process::Command::new(at.join(format!("{name}-c/main"))), None).well().stdout;
            let told = plexus_reads(at, ["verify", &format!("{name}-c"), "--via", "stdin"], wrote.as_bytes()).well();
            assert!(told.stdout.contains("The same outputs: 4 inputs"), "{}", told.stdout);
        }
    }
}

const CONVOLUTIONS: &str = "[[layer]]\nkind = \"conv2d\"\nname = \"a\"\nout_channels = 4\nkernel_size = 3\n\
    [[layer]]\nkind = \"lrn\"\nname = \"between\"\nsize = 3\n\
    [[layer]]\nkind = \"conv2d\"\nname = \"b\"\nout_channels = 10\nkernel_size = 3\nactivation = \"relu\"\n\
    [[layer]]\nkind = \"global_avg_pool\"\nname = \"mean\"\n";

#[test]
fn a_layer_without_an_integer_form_stands_between_dequantize_and_quantize() {
    let folder = here();
    let at = folder.path();
    digits_with(at, CONVOLUTIONS);
    let text = run(at, "quantize run --out whole.safetensors").well().stdout;
    assert!(text.lines().any(|line| line.contains("between") && line.contains("f32")), "{text}");
    let told = run(at, "summary whole.safetensors --json").well().last_json();
    let kinds: Vec<&str> =
        told["layers"].as_array().expect("a list").iter().filter_map(|layer| layer["kind"].as_str()).collect();
    let place = kinds.iter().position(|kind| *kind == "lrn").expect("it stayed");
    assert_eq!((kinds[place - 1], kinds[place + 1]), ("dequantize", "quantize"), "{kinds:?}");
    run(at, "evaluate whole.safetensors --data digits").well();
    let line = "export whole.safetensors --target rust --out no";
    refusal(line, &run(at, line), &["between", "cannot be exported", "floats"]);
    assert!(!at.join("no").exists());
    // A last layer that is not fully connected does not learn.
    let without = CONVOLUTIONS.replace("[[layer]]\nkind = \"lrn\"\nname = \"between\"\nsize = 3\n", "");
    std::fs::remove_dir_all(at.join("run")).expect("it is there");
    digits_with(at, &without);
    run(at, "quantize run --out whole.safetensors").well();
    let line = "export whole.safetensors --target c --out no --learn-last 12";
    refusal(line, &run(at, line), &["cannot learn on the device", "is not fully connected"]);
}

#[test]
fn other_commands_take_a_model_of_whole_numbers() {
    let folder = here();
    let at = folder.path();
    exported(at);
    for (line, part) in [
        ("evaluate whole.safetensors --data digits", "accuracy"),
        ("predict whole.safetensors --data digits --row 7", "digits row 7: 9"),
        ("predict whole.safetensors run/example.png", "run/example.png"),
        ("summary whole.safetensors", "integer_linear"),
        ("trace whole.safetensors", "integer_linear"),
        ("inspect whole.safetensors", "integer_linear"),
        ("inspect whole.safetensors --data digits", "layers.0"),
        ("diff run whole.safetensors", "integer_linear"),
        ("diff run whole.safetensors --data digits", "decide otherwise for"),
        ("diff whole.safetensors whole.safetensors", "The same layers and the same numbers"),
        ("draw whole.safetensors --out net.svg", "net.svg"),
        ("profile whole.safetensors", "integer_linear"),
        ("features whole.safetensors digits --layer layers.0 --out features.csv", "features.csv"),
    ] {
        let told = run(at, line).well();
        assert!(told.stdout.contains(part), "{line}: {}", told.stdout);
    }
    // 16 values of a byte.
    let summary = run(at, "summary whole.safetensors --json").well().last_json();
    let layer = summary["layers"].as_array().and_then(|layers| layers.iter().find(|layer| layer["name"] == "layers.0"));
    assert_eq!(layer.map(|layer| &layer["activation_bytes"]), Some(&json!(16)), "{summary}");
    let features = std::fs::read_to_string(at.join("features.csv")).expect("it was written");
    // 16 values that the whole numbers stand for, and the class.
    assert_eq!(features.lines().nth(1).expect("a row").split(',').count(), 17, "{features}");
    refused(
        at,
        &[
            ("train --data digits --from whole.safetensors --epochs 1 --out no", &["of whole numbers", "float model"]),
            ("quantize whole.safetensors", &["of whole numbers already", "start from the float model"]),
            ("convert --absorb-bias whole.safetensors no.safetensors", &["nothing to convert"]),
            ("neuron whole.safetensors layers.0 3", &["layers.0", "integer_linear", "linear or conv2d"]),
        ],
    );
}

#[test]
fn sums_that_could_wrap_are_named_with_their_row() {
    let folder = here();
    let at = folder.path();
    // 160,000 pixels, each 0 to 255, with weights of 64 in the mean: more than 2^31.
    let side = 400u32;
    let pixels = (side * side) as usize;
    for (part, rows) in [("train", 8u32), ("t10k", 4)] {
        let mut images = [&[0, 0, 8, 3][..], &rows.to_be_bytes(), &side.to_be_bytes(), &side.to_be_bytes()].concat();
        images.extend((0..pixels * rows as usize).map(|at| (at * 7919 % 256) as u8));
        write(&at.join(format!("data/{part}-images-idx3-ubyte")), images);
        let labels =
            [&[0, 0, 8, 1][..], &rows.to_be_bytes(), &(0..rows).map(|row| (row % 2) as u8).collect::<Vec<_>>()]
                .concat();
        write(&at.join(format!("data/{part}-labels-idx1-ubyte")), labels);
    }
    write(
        &at.join("net.toml"),
        "[[layer]]\nkind = \"flatten\"\n[[layer]]\nkind = \"linear\"\nname = \"fc\"\nout_features = 2\n",
    );
    run(at, "train --data idx:data --network net.toml --epochs 1 --lr 1e-9 --out run --quiet").well();
    refused(
        at,
        &[(
            "quantize run --scheme int8 --out no.safetensors",
            &["layer fc", "the sums of row 0", "32 bits end at 2147483647", "16-bit activations"],
        )],
    );
    let told = run(at, "quantize run --scheme int8 --wide fc --out wide.safetensors --json").well().last_json();
    assert_eq!(told["notes"], json!([]), "{told}");
    // With shifts sums get 64 bits, and wrap where that is asked for.
    let told = run(at, "quantize run --scheme q15 --out q15.safetensors --json").well().last_json();
    assert!(told["notes"][0].as_str().is_some_and(|note| note.contains("fc") && note.contains("64 bits")), "{told}");
    let told = run(at, "quantize run --scheme q15 --cmsis --out q15.safetensors --json").well().last_json();
    assert_eq!(told["notes"], json!([]), "{told}");
}

#[test]
fn a_run_ends_with_whole_numbers_and_its_model_is_exported() {
    let folder = here();
    let at = folder.path();
    let line = "train --data digits --network mlp:16 --epochs 6 --seed 0 --quantize int4 --out";
    let told = run(at, &format!("{line} tuned")).well().stdout;
    for words in ["Numbers   whole ones as int4, from epoch 5 on", "whole numbers from here on (int4)", "plexus export"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    let told = run(at, &format!("{line} again --json")).well().stdout;
    let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let event = |name: &str| events.iter().find(|event| event["event"] == name).expect("it was told");
    assert_eq!(event("start")["quantize"], json!({ "scheme": "int4", "float_epochs": 4 }));
    assert_eq!(event("whole_numbers")["epoch"], 4);
    assert_eq!(event("whole_numbers")["calibration_rows"], 1000);
    assert!(event("finished")["float_model"].as_str().expect("a path").ends_with("float.safetensors"));
    // A number that was learnt on a scale of its own is exported with the way back to its unit.
    write(&at.join("houses.csv"), houses(240));
    let line = "train houses.csv --target price --epochs 60 --seed 0 --quantize int16x8 --out houses --quiet";
    run(at, line).well();
    run(at, "export houses --target c --out price").well();
    let readme = std::fs::read_to_string(at.join("price/README.md")).expect("it was exported");
    let line = readme.lines().find(|line| line.starts_with("float value = (float)(output[0] - (0)) * "));
    let numbers = line.expect("it tells the value").split_once(" * ").expect("a product").1.trim_end_matches("f);");
    let (scale, offset) = numbers.split_once("f + (").expect("and an offset");
    let [scale, offset]: [f64; 2] = [scale, offset].map(|number| number.parse().expect("it is a number"));
    let told = golden(at, "price");
    let said = run(at, "predict houses houses.csv --out answers.csv").well();
    let answers = std::fs::read_to_string(at.join("answers.csv")).expect("it was written") + &said.stdout;
    for vector in told["vectors"].as_array().expect("a list") {
        let last = vector["steps"].as_array().expect("a list").last().expect("there are steps");
        let value = last[0].as_f64().expect("a number") * scale + offset;
        // The same digits as a prediction of that row, but for the last ones.
        let near = answers.lines().skip(1).filter_map(|line| line.rsplit(',').next()?.parse::<f64>().ok());
        assert!(near.into_iter().any(|answer| (answer - value).abs() < 1e-3 * value.abs()), "{value}: {answers}");
    }
    // The model is of whole numbers, to be exported as it is; the other one is of floats.
    let summary = run(at, "summary tuned").well().stdout;
    assert!(summary.contains("integer_linear"), "{summary}");
    run(at, "export tuned --target c --out net").well();
    run(at, "quantize tuned/float.safetensors --out whole.safetensors").well();
    let on =
        run(at, "train --data digits --from tuned/float.safetensors --quantize q7 --epochs 1 --seed 0 --out on").well();
    assert!(on.stdout.contains("Numbers   whole ones as q7, all epochs"), "{}", on.stdout);
    assert!(on.stdout.contains("learning rate 0.0003"), "a tenth of the usual: {}", on.stdout);
    refused(
        at,
        &[
            ("train --quantize int3 --out no", &["int3", "possible values: int8, int8-per-channel"]),
            ("train --float-epochs 3 --out no", &["--quantize"]),
            ("train --quantize int8 --epochs 1 --out no", &["--epochs is 1", "at least 2"]),
            ("train --quantize int8 --epochs 4 --float-epochs 4 --out no", &["--float-epochs is 4", "less than the 4"]),
            ("train --quantize int8 --epochs 4 --float-epochs 0 --out no", &["--float-epochs is 0", "at least 1"]),
            (
                "train --from tuned/model.safetensors --quantize int8 --epochs 1 --out no",
                &["Start from the float model"],
            ),
            (
                "train --from tuned/float.safetensors --freeze-until layers.1 --quantize int8 --epochs 1 --out no",
                &["--quantize is int8, with layers that stay as they are"],
            ),
            ("train --resume tuned --quantize int8", &["--resume", "--quantize"]),
        ],
    );
}

#[test]
fn what_cannot_be_quantized_is_refused() {
    let folder = here();
    let at = folder.path();
    digits(at);
    run(at, "quantize run --out whole.safetensors").well();
    for (name, text) in [
        ("void.csv", ""),
        ("header.csv", "a,b\n"),
        ("other.csv", "a,b\n1,2\n3,4\n"),
        ("net.toml", "input = [4]\n[[layer]]\nkind = \"layer_norm\"\n"),
        ("broken.safetensors", "no model"),
    ] {
        write(&at.join(name), text);
    }
    write(&at.join("flowers.csv"), flowers(60));
    write(&at.join("infinite.csv"), "length,width,color,kind\n1e39,1,red,tulip\n2,1,red,daisy\n");
    write(&at.join("without.csv"), "length,color,kind\n1,red,tulip\n2,red,daisy\n");
    run(at, "train flowers.csv --target kind --epochs 2 --out flowers --quiet").well();
    let rows: String = (0..20).map(|row| format!("{row},{},{}\n", row % 7, ["x", "y"][row % 2])).collect();
    write(&at.join("strict.csv"), format!("a,b,kind\n{rows}"));
    write(&at.join("nan.csv"), format!("a,b,kind\nNaN,1,x\n{rows}"));
    run(at, "train strict.csv --target kind --missing reject --epochs 2 --out strict --quiet").well();
    refused(
        at,
        &[
            ("quantize run --data other.csv", &["the model has [1, 8, 8], the data has", "the model was trained on"]),
            ("quantize run --data void.csv", &["void.csv is empty"]),
            ("quantize run --data gone.csv", &["cannot read gone.csv"]),
            ("quantize run --data mnist:gone", &["gone"]),
            ("quantize strict --data nan.csv", &["nan.csv, line 2, column \"a\"", "missing"]),
            ("quantize flowers --data header.csv", &["header.csv"]),
            ("quantize flowers --data without.csv", &["no column \"width\"", "columns here"]),
            ("quantize flowers --data infinite.csv", &["line 2, column \"length\"", "1e39"]),
            ("quantize flowers --data digits", &["the model was trained on"]),
            ("quantize run --wide nothing", &["no layer \"nothing\"", "layers.0, layers.1"]),
            ("quantize run --float layers.0,nothing", &["no layer \"nothing\"", "layers.0, layers.1"]),
            ("quantize run --float layers.0,layers.2", &["no layer of this network has an integer form"]),
            ("quantize whole.safetensors", &["layer flatten.quantize (quantize) is of whole numbers already"]),
            ("quantize gone.safetensors", &["cannot read gone.safetensors"]),
            ("quantize broken.safetensors", &["broken.safetensors"]),
            ("quantize run --scheme int7", &["int7", "possible values: int8, int8-per-channel"]),
            ("quantize run --floor", &["--floor", "q7, q15 and q7q15"]),
            ("quantize run --scheme int16 --interleaved", &["--interleaved", "q7, q15 and q7q15"]),
            ("quantize run --scheme int4 --cmsis", &["--cmsis", "q7, q15 and q7q15"]),
            ("quantize run --scheme q7 --rounding single", &["--rounding", "--floor"]),
            ("quantize run --scheme int16x8 --rounding float64", &["the rounding", "double or single", "float64"]),
            ("quantize run --wide layers.0 --rounding float32-even", &["the rounding", "double or single"]),
            ("quantize run --keep-within 1 --rounding float64", &["--keep-within", "one rounding"]),
            ("quantize run --scheme q15 --keep-within 1", &["--keep-within", "leave it out"]),
            ("quantize run --keep-within=-1", &["a number from 0 to 100"]),
            ("quantize run --keep-within nan", &["a number from 0 to 100"]),
            ("quantize run --rows 0", &["a whole number from 1 to 1000000"]),
            ("quantize run --percent 99", &["--percent is for --calibration percentile"]),
            ("quantize run --calibration percentile --percent 20", &["more than 50", "got 20"]),
            ("quantize run --calibration percentile --percent 101", &["at most 100", "got 101"]),
            ("quantize run --calibration percentile --percent nan", &["got NaN"]),
            ("quantize run --out run/model.safetensors", &["is the model that is read", "--out"]),
            ("quantize run --picture cost.gif", &["cost.gif must end in .svg or .png"]),
            ("quantize run --dark", &["--picture"]),
        ],
    );
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let folder = here();
    let at = folder.path();
    exported(at);
    run(at, "quantize run --rounding float64 --out f64.safetensors").well();
    write(&at.join("void.csv"), "");
    write(&at.join("full/notes.txt"), "mine");
    write(&at.join("file"), "mine");
    refused(
        at,
        &[
            ("export run --target c --out no", &["of floats", "quantize"]),
            ("export gone.safetensors --target c --out no", &["cannot read gone.safetensors"]),
            ("export f64.safetensors --target c --out no", &["layers.0", "rounded in floats", "double or single"]),
            ("export whole.safetensors --target ada --out no", &["ada", "possible values: rust, c"]),
            ("export whole.safetensors --target c", &["--out"]),
            ("export whole.safetensors --target c --out no --golden 0", &["--golden is from 1 to 10000"]),
            ("export whole.safetensors --target c --out no --golden 10001", &["--golden is from 1 to 10000"]),
            ("export whole.safetensors --target c --out no --name 9x", &["\"9x\"", "a letter first"]),
            ("export whole.safetensors --target c --out no --name Net", &["\"Net\"", "small letters"]),
            ("export whole.safetensors --target c --out 9x", &["9x gives no name", "--name"]),
            ("export whole.safetensors --target c --out full", &["full is not empty, and no earlier export", "--out"]),
            ("export whole.safetensors --target c --out file", &["file"]),
            ("export whole.safetensors --target c --out no --data void.csv", &["void.csv is empty"]),
            (
                "export whole.safetensors --target c --out no --learn-last 3",
                &["10 classes, and 3 were asked for", "At least 10"],
            ),
            ("export whole.safetensors --target c --out no --keep 3", &["--learn-last"]),
        ],
    );
    // An earlier export is written over.
    run(at, "export whole.safetensors --target c --out net --golden 2").well();
    assert_eq!(golden(at, "net")["vectors"].as_array().map(Vec::len), Some(2));
}

#[test]
fn what_a_device_says_is_held_against_the_golden_numbers() {
    let folder = here();
    let at = folder.path();
    exported(at);
    let hears = |text: &str| plexus_reads(at, ["verify", "net", "--via", "stdin"], text.as_bytes());
    let right = said(at, "net");
    let told = hears(&format!("booting\n{right}heap 12\n")).well().stdout;
    assert!(told.contains("The same outputs: 4 inputs, 8 steps of net (c), 104 numbers."), "{told}");
    // The first number of the second step of the third input, plus one.
    let line = right.lines().find(|line| line.starts_with("v 2 1 ")).expect("there is one");
    let number = u8::from_str_radix(&line[6..8], 16).expect("two digits");
    let wrong = right.replace(line, &format!("v 2 1 {:02x}{}", number.wrapping_add(1), &line[8..]));
    let told = hears(&wrong);
    assert_eq!(told.code, Some(1), "{told:?}");
    for word in [
        "the first layer that differs is layers.2",
        "golden input 2",
        "1 of its 10 numbers",
        &(number as i8).to_string(),
    ] {
        assert!(told.stderr.contains(word), "{word}: {}", told.stderr);
    }
    let json = plexus_reads(at, ["verify", "net", "--via", "stdin", "--json"], wrong.as_bytes()).last_json();
    assert_eq!((&json["same"], &json["difference"]["differing"]), (&json!(false), &json!(1)), "{json}");
    for (text, words) in [
        (String::new(), &["there is no line \"plexus verify 1\""][..]),
        ("hello\nworld\n".to_string(), &["there is no line \"plexus verify 1\""]),
        (right.replace("end\n", ""), &["stopped after 8 of 8 steps", "\"end\""]),
        (
            right.lines().take(4).map(|line| format!("{line}\n")).collect(),
            &["stopped after 3 of 8 steps", "the last line was v 1 0"],
        ),
        (right.replace("v 0 1 ", "v 0 2 "), &["line 3", "step 2 of input 0", "step 1 of input 0 was due"]),
        (right.replace("v 0 0 ", "v 0 0 ff"), &["line 2", "no step of this program"]),
        (right.replace("v 0 0 ", "v 0 0 x"), &["line 2", "no step of this program"]),
        (right.replace("v 1 1 ", "v one 1 "), &["line 5", "no step of this program"]),
        (right.replace("end\n", "v 4 0 00\nend\n"), &["line 10", "input 4"]),
    ] {
        refusal(&format!("{text:.60}"), &hears(&text), words);
    }
}

#[test]
fn a_verification_without_a_program_or_a_board_is_refused() {
    let folder = here();
    let at = folder.path();
    exported(at);
    for (name, text) in [("cut", "{"), ("list", "[]"), ("other", "{\"name\": \"net\"}")] {
        write(&at.join(name).join("golden.json"), text);
    }
    // Fewer numbers than its steps have.
    let mut damaged = golden(at, "net");
    damaged["vectors"][1]["steps"] = json!([[1, 2]]);
    write(&at.join("damaged/golden.json"), damaged.to_string());
    refused(
        at,
        &[
            ("verify gone --via qemu", &["cannot read gone", "Name the folder that plexus export wrote"]),
            ("verify run --via stdin", &["golden.json", "Name the folder that plexus export wrote"]),
            ("verify cut --via stdin", &["no file of golden vectors", "export the model again"]),
            ("verify list --via stdin", &["no file of golden vectors", "export the model again"]),
            ("verify other --via stdin", &["no file of golden vectors", "export the model again"]),
            ("verify damaged --via stdin", &["golden.json", "input 1", "export the model again"]),
            ("verify net --via nonsense", &["nonsense", "qemu, node, stdin or serial:PORT"]),
            ("verify net --via serial:", &["qemu, node, stdin or serial:PORT"]),
            ("verify net --via serial:/dev/none-there", &["none-there cannot be read", "serial:/dev/ttyACM0"]),
            ("verify net --via qemu --board z80", &["z80", "cortex-m4"]),
            ("verify net", &["--via"]),
        ],
    );
    for (board, tool, package) in [
        ("cortex-m4", "arm-none-eabi-gcc", "gcc-arm-none-eabi"),
        ("rv32", "riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf"),
    ] {
        let mut without = command(at);
        without.args(["verify", "net", "--via", "qemu", "--board", board]).env("PATH", "");
        refusal(board, &outcome(&mut without, None), &[tool, "cannot be run", package]);
    }
}

#[test]
fn layers_of_whole_numbers_that_do_not_fit_are_refused() {
    let folder = here();
    let at = folder.path();
    const I8: &str = "{ dtype = \"i8\", scale = 0.5, zero_point = 3 }";
    let quantize = |output: &str| format!("[[layer]]\nkind = \"quantize\"\noutput = {output}\n");
    let linear = |integers: &str| {
        format!(
            "{}[[layer]]\nkind = \"integer_linear\"\nname = \"fc\"\nof = {{ out_features = 2 }}\nintegers = {{ {integers} }}\n",
            quantize(I8)
        )
    };
    let affine = "arithmetic = { affine = { rounding = \"double\", per_channel = false } }";
    let shifts = |weight: i32, bias: i32| {
        format!(
            "arithmetic = {{ power_of_two = {{ weight_fraction = {weight}, bias_fraction = {bias}, rounding = \"half_up\", \
             wide = false, interleaved = false }} }}"
        )
    };
    let cases: Vec<(String, &[&str])> = vec![
        (quantize("{ dtype = \"i8\", scale = 0.0, zero_point = 0 }"), &["scale"]),
        (quantize("{ dtype = \"i8\", scale = -1.0, zero_point = 0 }"), &["scale"]),
        (quantize("{ dtype = \"i8\", scale = inf, zero_point = 0 }"), &["scale"]),
        (quantize("{ dtype = \"i8\", scale = 1.0, zero_point = 200 }"), &["zero"]),
        (quantize("{ dtype = \"i16\", scale = 1.0, zero_point = 1 }"), &["zero"]),
        (quantize("{ dtype = \"i9\", scale = 1.0, zero_point = 0 }"), &["i9"]),
        (format!("{}{}", quantize(I8), quantize(I8)), &["float"]),
        (
            "[[layer]]\nkind = \"dequantize\"\n".to_string(),
            &["dequantize", "expected i8 or i16", "Put a quantize layer in front"],
        ),
        (format!("{}[[layer]]\nkind = \"linear\"\nout_features = 2\n", quantize(I8)), &["linear", "float"]),
        (linear(&format!("weight = \"i7\", output = {I8}, {affine}")), &["i7"]),
        (linear(&format!("weight = \"i16\", output = {I8}, {affine}")), &["fc"]),
        (linear(&format!("weight = \"i8\", output = {I8}, clamp = [5, -5], {affine}")), &["fc", "clamp"]),
        (linear(&format!("weight = \"i8\", output = {I8}, {}", shifts(7, 7))), &["fc"]),
        (linear(&format!("weight = \"i8\", {affine}")), &["output"]),
        (format!("{}[[layer]]\nkind = \"integer_clamp\"\nclamp = [4, 1]\n", quantize(I8)), &["clamp"]),
        (format!("{}[[layer]]\nkind = \"integer_softmax\"\nof = {{ nothing = 1 }}\n", quantize(I8)), &["nothing"]),
    ];
    for (layers, words) in &cases {
        write(&at.join("net.toml"), format!("input = [4]\n{layers}"));
        refusal(layers, &run(at, "summary net.toml"), words);
    }
    // One that fits is counted, and not trained.
    let fitting = linear(&format!("weight = \"i8\", output = {I8}, {affine}")) + "[[layer]]\nkind = \"dequantize\"\n";
    write(&at.join("net.toml"), format!("input = [4]\n{fitting}"));
    run(at, "summary net.toml").well();
    write(&at.join("flowers.csv"), "a,b,c,d,kind\n1,2,3,4,x\n2,1,4,3,y\n".to_string() + &"1,2,3,5,x\n".repeat(20));
    let told = run(at, "train flowers.csv --target kind --network net.toml --epochs 1 --out no");
    refusal("training whole numbers", &told, &["whole numbers"]);
}
