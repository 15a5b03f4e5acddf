//! `plexus bench`, as a person or a script uses it. No test asserts a speed.

mod program;

use program::{Outcome, plexus, plexus_reads};
use serde_json::Value;

/// Runs `plexus bench` with arguments cut at blanks.
fn bench(args: &str) -> Outcome {
    let folder = tempfile::tempdir().expect("a temporary folder");
    plexus(folder.path(), ["bench"].into_iter().chain(args.split_whitespace()))
}

/// What the line must say, besides the fields that depend on the task.
fn check_line(line: &Value, task: &str, sizes: [u64; 3], precision: &str) {
    assert_eq!(line["engine"], "plexus", "{line}");
    assert_eq!(line["task"], task, "{line}");
    assert_eq!(line["precision"], precision, "{line}");
    for (name, size) in ["batch", "inputs", "outputs"].into_iter().zip(sizes) {
        assert_eq!(line[name], size, "{name}: {line}");
    }
    let number = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("no {name}: {line}"));
    assert!(number("min_us") > 0.0 && number("min_us") <= number("median_us"), "{line}");
    assert!(number("seconds") > 0.0 && number("threads") >= 1.0 && number("samples") >= 1.0, "{line}");
    let least = if task.starts_with("train-") { 1.0 } else { 5.0 };
    assert!(number("runs") >= least, "{line}");
    assert!(line["kernel"].as_str().is_some_and(|name| name.starts_with("gemm_")), "{line}");
}

#[test]
fn a_layer_is_one_line_of_json() {
    for task in ["linear", "linear-backward"] {
        for (batch, inputs, outputs) in [(1, 10, 33), (3, 33, 10), (8, 64, 64)] {
            let sizes = format!("--batch {batch} --inputs {inputs} --outputs {outputs}");
            let told = bench(&format!("{task} {sizes} --threads 2 --seconds 0.01 --json")).well();
            let lines = told.json_lines();
            assert_eq!((lines.len(), told.stderr.as_str()), (1, ""));
            check_line(&lines[0], task, [batch, inputs, outputs], "highest");
            assert_eq!(lines[0]["threads"], 2);
            assert_eq!(lines[0]["seconds"], 0.01);
        }
    }
}

#[test]
fn fields_come_in_the_order_of_the_other_side() {
    let line = bench("linear --inputs 10 --outputs 10 --precision f32 --seconds 0.01 --json").well().stdout;
    let fields = [
        "engine",
        "task",
        "batch",
        "inputs",
        "outputs",
        "threads",
        "samples",
        "precision",
        "seconds",
        "median_us",
        "min_us",
        "runs",
    ];
    let places: Vec<usize> = fields
        .iter()
        .map(|field| line.find(&format!("\"{field}\":")).unwrap_or_else(|| panic!("no {field}: {line}")))
        .collect();
    assert!(places.is_sorted(), "{line}");
    assert!(line.contains("\"precision\":\"highest\""), "f32 is another word for highest: {line}");
}

#[test]
fn a_network_answers_and_trains() {
    let line = bench("mlp --batch 2 --seconds 0.01 --json").well().last_json();
    check_line(&line, "mlp", [2, 784, 10], "standard");
    assert_eq!(line["samples_per_second"], Value::Null);
    for optimizer in ["sgd", "adam"] {
        let told = bench(&format!("train-mlp --batch 16 --samples 50 --optimizer {optimizer} --json")).well();
        let line = told.last_json();
        check_line(&line, "train-mlp", [16, 784, 10], "standard");
        assert_eq!((&line["samples"], &line["runs"]), (&50.into(), &1.into()), "{line}");
        assert_eq!(line["optimizer"], optimizer);
        // The last batch is not full: 48 of 50 rows count.
        let rate = 48.0 / line["median_us"].as_f64().expect("a time") * 1e6;
        let said = line["samples_per_second"].as_f64().expect("a rate");
        assert!((said / rate - 1.0).abs() < 1e-9, "{line}");
    }
}

#[test]
fn people_get_a_sentence() {
    let text = bench("linear --batch 2 --inputs 30 --outputs 40 --seconds 0.01 --threads 1").well().stdout;
    for words in ["linear 2x30x40", "highest, 1 thread:", "median", "best", "GFLOP/s", "gemm_f32_"] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    assert_eq!(text.lines().count(), 1);
    let text = bench("train-mlp --batch 8 --samples 16").well().stdout;
    assert!(text.contains("samples/s, sgd"), "{text}");
}

#[test]
fn sizes_come_from_standard_input_or_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let list = "# batch, inputs, outputs\n1x10x33\n\n 2 33 10  # few\n";
    let args = ["bench", "linear", "--shapes", "-", "--seconds", "0.01", "--json"];
    let lines = plexus_reads(folder.path(), args, list.as_bytes()).well().json_lines();
    assert_eq!(lines.len(), 2);
    check_line(&lines[0], "linear", [1, 10, 33], "highest");
    check_line(&lines[1], "linear", [2, 33, 10], "highest");

    std::fs::write(folder.path().join("sizes.txt"), list).expect("the file is written");
    let args = ["bench", "linear-backward", "--shapes", "sizes.txt", "--seconds", "0.01", "--json"];
    assert_eq!(plexus(folder.path(), args).well().json_lines().len(), 2);

    let bad = plexus_reads(folder.path(), ["bench", "linear", "--shapes", "-"], b"1x10x0\n");
    assert_eq!(bad.code, Some(2));
    assert!(bad.stderr.contains("standard input, line 1") && bad.stderr.contains("1x10x0"), "{}", bad.stderr);
    let missing = plexus(folder.path(), ["bench", "linear", "--shapes", "none.txt"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("none.txt"), "{}", missing.stderr);
}

#[test]
fn the_report_has_floors_and_a_row_for_each_kernel() {
    let lines = bench("--batch 2 --inputs 64 --outputs 64 --threads 2 --seconds 0.001 --json").well().json_lines();
    let floors: Vec<&str> = lines.iter().filter_map(|line| line["floor"].as_str()).collect();
    assert_eq!(floors, ["read", "read", "read", "read", "read", "multiply_add", "wake"]);
    let rows: Vec<&Value> = lines.iter().filter(|line| line["kernel"].is_string()).collect();
    let kernels: Vec<String> = {
        let table = plexus(std::env::temp_dir().as_path(), ["kernels", "--json"]).well().json_lines();
        let available = table.iter().filter(|row| row["available"] == true);
        available.map(|row| row["name"].as_str().expect("a name").to_string()).collect()
    };
    for kernel in kernels.iter().filter(|name| name.starts_with("gemm_f32_")) {
        assert!(rows.iter().any(|row| row["kernel"] == kernel.as_str()), "{kernel} is not measured");
    }
    for row in rows {
        for field in ["median_us", "floor_us", "percent_of_floor", "gflops_per_second", "gb_per_second"] {
            assert!(row[field].as_f64().is_some_and(|value| value > 0.0), "{field}: {row}");
        }
    }

    let text = bench("--batch 2 --inputs 64 --outputs 64 --threads 1 --seconds 0.001").well();
    for words in ["Floors of this machine with 1 thread", "reading 64.00 MiB", "GB/s", "2x64x64", "of floor", "→"] {
        assert!(text.stdout.contains(words), "{words}:\n{}", text.stdout);
    }
    assert_eq!(text.stderr, "", "nothing is drawn where nobody watches");
    assert!(text.stdout.lines().all(|line| line.chars().count() <= 120), "{}", text.stdout);
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_reason() {
    let cases = [
        ("linear --batch 0", "0"),
        ("linear --inputs 0", "1 to"),
        ("linear --outputs -1", "-1"),
        ("linear --inputs 99999999999999999999", "99999999999999999999"),
        ("linear --inputs 1000000000 --outputs 1000000000", "GiB"),
        ("linear --seconds 0", "above 0"),
        ("linear --seconds nan", "above 0"),
        ("linear --precision half", "highest"),
        ("linear --threads 9999", "1024"),
        ("lineer", "linear"),
        ("alexnett --batch 1", "alexnet"),
        ("lenet --sweep", "--sweep"),
        ("train-lenet --batch 64 --samples 63", "--samples is 63"),
        ("train-mlp --precision int8", "not available in this build for train-mlp"),
        ("linear-backward --precision int16", "there is highest"),
        ("train-mlp --precision weight-bf16", "not available in this build for train-mlp"),
        ("train-mlp --batch 64 --samples 63", "--samples is 63"),
        ("train-mlp --optimizer sdg", "sgd"),
        ("mlp --sweep", "--sweep"),
        ("linear --sweep --batch 1", "--batch"),
        ("--optimizer adam", "train-mlp"),
    ];
    for (args, words) in cases {
        let told = bench(args);
        assert_eq!(told.code, Some(2), "{args}: {told:?}");
        assert!(told.stderr.contains(words) && !told.stderr.contains("panicked"), "{args}: {}", told.stderr);
        assert_eq!(told.stdout, "", "{args}");
    }
}

#[test]
fn every_precision_is_measured_or_refused() {
    let help = bench("--help").well().stdout;
    for precision in [
        "highest",
        "standard",
        "high",
        "medium",
        "int8",
        "int16",
        "weight-bf16",
        "weight-int8",
        "weight-int4",
        "weight-int4-g128",
    ] {
        assert!(help.contains(precision), "{precision}:\n{help}");
        let told = bench(&format!("linear --inputs 128 --outputs 9 --precision {precision} --seconds 0.01 --json"));
        if told.code == Some(0) {
            check_precision(&told, precision);
        } else {
            assert_eq!(told.code, Some(2), "{told:?}");
            assert!(told.stderr.contains("not available in this build"), "{}", told.stderr);
        }
    }
    for line in ["mlp --precision weight-int8", "mlp --precision int8", "lenet --precision int16 --batch 3"] {
        let told = bench(&format!("{line} --seconds 0.01 --json")).well().stdout;
        let precision = line.split_whitespace().nth(2).unwrap();
        assert!(told.contains(&format!("\"precision\":\"{precision}\"")), "{told}");
    }
    for words in ["Usage: plexus bench", "Examples:", "Tasks:", "--shapes", "--sweep"] {
        assert!(help.contains(words), "{words}:\n{help}");
    }
}

fn check_precision(told: &Outcome, precision: &str) {
    let line = told.last_json();
    assert_eq!((&line["precision"], &line["inputs"]), (&precision.into(), &128.into()), "{line}");
    assert!(line["kernel"].as_str().is_some_and(|name| !name.is_empty()), "{line}");
}
