//! Recorded layers of whole numbers, as a user runs them again.

mod program;

use program::{Outcome, plexus, write};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/integer/cases.json")
}

fn run(folder: &Path, file: &Path, more: &[&str]) -> Outcome {
    let file = file.to_str().expect("a path of letters");
    plexus(folder, ["run-case", file].into_iter().chain(more.iter().copied()))
}

#[test]
fn all_recorded_layers_have_their_bits_on_every_way() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = run(folder.path(), &recorded(), &[]).well().stdout;
    assert!(told.contains("All are as recorded."), "{told}");
    // A line for each way, all with the same hash.
    let hashes: Vec<&str> = told
        .lines()
        .filter_map(|line| line.split_whitespace().last().filter(|word| word.len() == 16 && line.contains(" 180 ")))
        .collect();
    assert!(hashes.len() >= 2 && hashes.iter().all(|hash| *hash == hashes[0]), "{told}");
    let micro = run(folder.path(), &recorded(), &["--portable"]).well().stdout;
    assert!(micro.contains(hashes[0]) && micro.contains("plexus-micro"), "{micro}");
    let lines = run(folder.path(), &recorded(), &["--isa", "portable", "--json"]).well().json_lines();
    // Power-of-two families have two roundings with two orders of weights, s8 two roundings, s16x8 one.
    assert_eq!(lines.len(), 90 * 4 + 60 * 2 + 30);
    assert!(lines.iter().all(|line| line["same"] == true && line["way"] == "portable"));
}

/// Convolutions, poolings and softmax.
fn of_maps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/integer/maps.json")
}

#[test]
fn recorded_layers_of_maps_have_their_bits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = run(folder.path(), &of_maps(), &[]).well().stdout;
    assert!(told.contains("All are as recorded.") && told.contains("160 cases ran on plexus-micro alone"), "{told}");
    let lines = run(folder.path(), &of_maps(), &["--portable", "--json"]).well().json_lines();
    assert!(lines.iter().all(|line| line["same"] == true && line["way"] == "plexus-micro"));
    // Of the power-of-two and the 8-bit schemes there are two roundings.
    let text = std::fs::read_to_string(of_maps()).expect("it is part of the repository");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let outputs =
        |case: &Value| ["y", "y_truncate", "y_single_rounding"].iter().filter(|y| !case[**y].is_null()).count();
    assert_eq!(lines.len(), cases.iter().map(outputs).sum::<usize>());
    let families: std::collections::BTreeSet<&str> = cases.iter().filter_map(|case| case["family"].as_str()).collect();
    assert_eq!(families.len(), 23, "{families:?}");
    let outcome = run(folder.path(), &of_maps(), &["--isa", "portable"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("portable has no kernels for conv2d_q7"), "{}", outcome.stderr);
    // Each recorded number is compared: one that is changed is found in each family.
    for family in families {
        let mut case = cases.iter().rfind(|case| case["family"] == family).expect("it is of this file").clone();
        let last = case["y"].as_array_mut().and_then(|y| y.last_mut()).expect("outputs");
        *last = json!(last.as_i64().expect("a number") ^ 1);
        let file = folder.path().join("changed.json");
        write(&file, json!([case]).to_string());
        let outcome = run(folder.path(), &file, &["--portable"]);
        assert_eq!(outcome.code, Some(1), "{family}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("case 0 ({family}), y of plexus-micro")), "{}", outcome.stderr);
    }
}

#[test]
fn a_changed_bit_is_found_and_the_exit_code_is_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = std::fs::read_to_string(recorded()).expect("it is part of the repository");
    let mut cases: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let (index, case) = cases.iter_mut().enumerate().find(|(_, case)| case["family"] == "s8").expect("there is one");
    let old = case["y"].as_array().and_then(|y| y[0].as_i64().or_else(|| y[0][0].as_i64())).expect("a number");
    let first = if case["y"][0].is_array() { &mut case["y"][0][0] } else { &mut case["y"][0] };
    *first = json!(if old < 127 { old + 1 } else { old - 1 });
    let file = folder.path().join("changed.json");
    write(&file, serde_json::to_string(&cases).expect("JSON"));
    let outcome = run(folder.path(), &file, &["--portable"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let expected = format!("case {index} (s8), y of plexus-micro: number 0 is {old}");
    assert!(outcome.stderr.contains(&expected), "{}", outcome.stderr);
    // Without recorded outputs there is nothing to differ from.
    for case in &mut cases {
        for name in ["y", "y_truncate", "y_single_rounding"] {
            case.as_object_mut().expect("an object").remove(name);
        }
    }
    write(&file, serde_json::to_string(&cases).expect("JSON"));
    run(folder.path(), &file, &["--portable"]).well();
}

#[test]
fn wrong_files_say_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good = json!({"family": "q7", "n": 2, "d": 3, "x": [1, 2, 3], "w": [1, 2, 3, 4, 5, 6], "bias": [0, 0],
        "bias_shift": 0, "out_shift": 1});
    let affine = json!({"family": "s8", "n": 1, "d": 2, "x": [1, 2], "w": [3, 4], "bias": [5], "input_offset": 0,
        "output_offset": 0, "mult": 1 << 30, "shift": 0, "lo": -128, "hi": 127});
    let with = |case: &Value, name: &str, value: Value| {
        let mut case = case.clone();
        case[name] = value;
        json!([case])
    };
    let without = |case: &Value, name: &str| {
        let mut case = case.clone();
        case.as_object_mut().expect("an object").remove(name);
        json!([case])
    };
    let conv = json!({"family": "conv2d_q7", "map": [2, 2, 2], "kernel": [1, 1], "n": 2, "groups": 2,
        "x": [1, 2, 3, 4, 5, 6, 7, 8], "w": [1, 2], "bias": [0, 0], "bias_shift": 0, "out_shift": 1});
    let back = json!({"family": "conv_transpose2d_s16", "map": [1, 1, 2], "kernel": [1, 1], "d": 1, "x": [1], "w": [1, 2],
        "bias": [0, 0], "mult": 1 << 30, "shift": 0});
    let pool =
        json!({"family": "avg_pool_s8", "map": [2, 2, 1], "kernel": [1, 1], "x": [1, 2, 3, 4], "lo": 0, "hi": 9});
    let softmax = json!({"family": "softmax_s8", "d": 2, "x": [1, 2], "mult": 1 << 30, "shift": 20, "diff_min": -100});
    for (cases, part) in [
        (json!([conv, back, pool, softmax]), "All"),
        (without(&conv, "map"), "\"map\" is missing"),
        (with(&conv, "map", json!([2, 2])), "map has 2 numbers, but 3 are needed"),
        (with(&conv, "map", json!([0, 2, 2])), "map has 0"),
        (with(&conv, "map", json!([16_777_216, 16_777_216, 16_777_216])), "more than 16777216 numbers of the map"),
        (with(&conv, "kernel", json!([3, 1])), "reaches over 3 rows, but the padded map has 2"),
        (with(&conv, "stride", json!([0, 1])), "stride has 0"),
        (with(&conv, "padding", json!([0, 0])), "padding has 2 numbers, but 4 are needed"),
        (with(&conv, "padding", json!([16_777_216, 16_777_216, 0, 0])), "more than 16777216 outputs"),
        (with(&conv, "groups", json!(3)), "groups is 3, which does not divide 2 channels and n = 2"),
        (with(&conv, "groups", json!(0)), "groups has 0"),
        (with(&conv, "w", json!([1, 2, 3])), "w has 3 numbers, but the sizes of the layer need 2"),
        (with(&conv, "bias", json!([1])), "bias has 1 numbers"),
        (with(&conv, "x", json!([1, 2, 3, 4, 5, 6, 7])), "x has 7 numbers, but whole inputs of 8 are needed"),
        (with(&conv, "x", json!([])), "x has 0 numbers"),
        (with(&conv, "out_shift", json!(31)), "from 0 to 30"),
        (without(&back, "d"), "\"d\" is missing"),
        (with(&back, "mult", json!([1, 2, 3])), "1 or filters = 2 are needed"),
        (with(&back, "shift", json!(8)), "from -31 to 7"),
        (with(&pool, "lo", json!(10)), "lo is 10, which is above hi, 9"),
        (with(&pool, "padding", json!([1, 0, 0, 0])), "a window is on padding alone"),
        (with(&softmax, "d", json!(0)), "from 1 to 4095"),
        (with(&softmax, "d", json!(3)), "whole inputs of 3"),
        (with(&softmax, "shift", json!(31)), "from 0 to 30"),
        (with(&softmax, "family", json!("softmax_s16")), "\"exp\" is missing"),
        (with(&softmax, "family", json!("softmax_s9")), "softmax_s16"),
        (json!({"family": "q7"}), "a list of cases"),
        (without(&good, "family"), "case 0: \"family\" is missing"),
        (with(&good, "family", json!("q9")), "q7_q15"),
        (without(&good, "w"), "\"w\" is missing"),
        (with(&good, "w", json!([1, 2])), "w has 2 numbers, but n = 2 and d = 3 need 6"),
        (with(&good, "w", json!([1, 2, 3, 4, 5, 200])), "from -128 to 127"),
        (with(&good, "w", json!([1, 2, 3, 4, 5, 1.5])), "w has 1.5"),
        (with(&good, "x", json!([1, 2, 3, 4])), "whole rows of d = 3"),
        (with(&good, "x", json!([])), "x has 0 numbers"),
        (with(&good, "bias", json!([1])), "bias has 1 numbers"),
        (with(&good, "out_shift", json!(31)), "from 0 to 30"),
        (with(&good, "bias_shift", json!("x")), "bias_shift has \"x\""),
        (with(&good, "n", json!(-1)), "from 0 to"),
        (with(&good, "n", json!([1, 2])), "n must be one number"),
        (with(&good, "n", json!(16_777_216)), "more than 16777216 weights"),
        (with(&good, "y", json!(["a"])), "y has \"a\""),
        (with(&affine, "mult", json!([1, 2])), "1 or n = 1 are needed"),
        (with(&affine, "mult", json!(-1)), "from 0 to 2147483647"),
        (with(&affine, "shift", json!(31)), "from -31 to 30"),
        (with(&affine, "lo", json!(128)), "lo has 128"),
        (with(&affine, "hi", json!(-128)), "All"),
        (with(&affine, "input_offset", json!(1000)), "from -255 to 255"),
    ] {
        let file = folder.path().join("case.json");
        write(&file, cases.to_string());
        let outcome = run(folder.path(), &file, &["--portable"]);
        if part == "All" {
            assert!(outcome.well().stdout.contains("All are as recorded"));
            continue;
        }
        assert_eq!(outcome.code, Some(2), "{part}: {}{}", outcome.stdout, outcome.stderr);
        assert!(outcome.stderr.contains(part), "no {part} in {}", outcome.stderr);
    }
    write(&folder.path().join("text.json"), "no json");
    for (file, more, part) in [
        ("text.json", &[][..], "not JSON"),
        ("nowhere.json", &[], "nowhere.json"),
        ("text.json", &["--isa", "vax"], "this machine has portable"),
        ("text.json", &["--isa", "portable", "--portable"], "cannot be used with"),
    ] {
        let outcome = run(folder.path(), &folder.path().join(file), more);
        assert_eq!(outcome.code, Some(2), "{part}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(part), "no {part} in {}", outcome.stderr);
    }
}
