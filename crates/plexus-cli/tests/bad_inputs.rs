//! What a person can get wrong, one row each: the program must say it once, clearly, and leave nothing half-written.
//!
//! Each row names the files it needs, the arguments, and words that the message must have: what, where, what was expected
//! and what came. `{digits}`, `{flowers}` and `{houses}` stand for models that were trained before.

mod program;

use program::{Outcome, command, copy_folder, crc32c, files_in, flowers, houses, outcome, plexus, write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// One bad input.
struct Case {
    name: String,
    args: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    /// A copy of the finished run on digits, in `run/`.
    with_run: bool,
    isa: Option<&'static str>,
    stdin: Option<Vec<u8>>,
    says: Vec<&'static str>,
}

/// A row; the arguments are cut at blanks.
fn case(name: &str, args: &str, says: &[&'static str]) -> Case {
    Case {
        name: name.to_string(),
        args: args.split_whitespace().map(str::to_string).collect(),
        files: Vec::new(),
        with_run: false,
        isa: None,
        stdin: None,
        says: says.to_vec(),
    }
}

impl Case {
    fn file(mut self, name: &str, contents: impl Into<Vec<u8>>) -> Case {
        self.files.push((name.to_string(), contents.into()));
        self
    }
    /// One more argument, blanks and all.
    fn arg(mut self, arg: impl Into<String>) -> Case {
        self.args.push(arg.into());
        self
    }
    fn stdin(mut self, text: impl Into<Vec<u8>>) -> Case {
        self.stdin = Some(text.into());
        self
    }
    fn in_run(mut self) -> Case {
        self.with_run = true;
        self
    }
}

/// Trained once: a run on digits, models of tables.
fn trained() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            write(&folder.path().join("flowers.csv"), flowers(60));
            write(&folder.path().join("houses.csv"), houses(60));
            for (name, data) in [("digits", "digits"), ("flowers", "csv:flowers.csv"), ("houses", "csv:houses.csv")] {
                plexus(folder.path(), ["train", "--data", data, "--network", "mlp:8", "--epochs", "2", "--out", name])
                    .well();
            }
            folder
        })
        .path()
}

fn model(name: &str) -> PathBuf {
    trained().join(name).join("model.safetensors")
}

#[test]
fn every_bad_input_gets_one_clear_message_and_leaves_nothing_behind() {
    let tables = [data_cases(), network_cases(), setting_cases(), folder_cases(), model_cases(), input_cases()];
    let cases: Vec<Case> = tables.into_iter().flatten().collect();
    assert!(cases.len() >= 100, "only {} cases", cases.len());
    let mut faults = Vec::new();
    for case in &cases {
        if let Err(fault) = check(case) {
            faults.push(format!("{} ({})\n{fault}", case.name, case.args.join(" ")));
        }
    }
    println!("{} bad inputs", cases.len());
    assert!(faults.is_empty(), "{} of {} cases:\n\n{}", faults.len(), cases.len(), faults.join("\n\n"));
}

fn check(case: &Case) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, contents) in &case.files {
        write(&folder.path().join(name), contents);
    }
    if case.with_run {
        for (name, contents) in files_in(&trained().join("digits")) {
            // What the row brings itself is the damaged part.
            if !folder.path().join("run").join(&name).exists() {
                write(&folder.path().join("run").join(name), contents);
            }
        }
    }
    let before = files_in(folder.path());
    let models = ["digits", "flowers", "houses"];
    let args = case.args.iter().map(|arg| {
        models
            .iter()
            .fold(arg.clone(), |arg, name| arg.replace(&format!("{{{name}}}"), &model(name).display().to_string()))
    });
    let mut command = command(folder.path());
    command.args(args);
    if let Some(isa) = case.isa {
        command.env("PLEXUS_ISA", isa);
    }
    let Outcome { code, stdout, stderr } = outcome(&mut command, case.stdin.as_deref());
    let mut after = files_in(folder.path());
    after.retain(|name, _| !name.ends_with("run.lock"));
    let told = format!("exit code {code:?}\nstdout: {stdout}stderr: {stderr}");
    let fault = |what: &str| Err(format!("{what}\n{told}"));
    if code != Some(2) {
        return fault("the exit code is not 2");
    }
    if !stderr.starts_with("error: ") || stderr.matches("error:").count() != 1 {
        return fault("not one message that begins with `error: `");
    }
    if stderr.contains("panicked") || stderr.contains("RUST_BACKTRACE") {
        return fault("a panic");
    }
    if stderr.chars().any(|c| c.is_control() && c != '\n') || stderr.len() > 3000 {
        return fault("the message has control characters, or is too long");
    }
    if let Some(missing) = case.says.iter().find(|words| !stderr.contains(**words)) {
        return fault(&format!("the message does not say {missing:?}"));
    }
    if after != before.into_iter().filter(|(name, _)| !name.ends_with("run.lock")).collect() {
        let names: Vec<_> = after.keys().collect();
        return fault(&format!("files were written or changed: {names:?}"));
    }
    Ok(())
}

/// An IDX file: magic, axes, and so many bytes.
fn idx(magic: u32, axes: &[u32], values: usize) -> Vec<u8> {
    let numbers = [magic].into_iter().chain(axes.iter().copied());
    numbers.flat_map(u32::to_be_bytes).chain((0..values).map(|value| (value % 10) as u8)).collect()
}

/// Four small IDX files in `set/`, one of them replaced.
fn idx_case(name: &str, file: &str, contents: Vec<u8>, says: &[&'static str]) -> Case {
    let whole = [
        ("train-images-idx3-ubyte", idx(2051, &[20, 2, 2], 80)),
        ("train-labels-idx1-ubyte", idx(2049, &[20], 20)),
        ("t10k-images-idx3-ubyte", idx(2051, &[10, 2, 2], 40)),
        ("t10k-labels-idx1-ubyte", idx(2049, &[10], 10)),
    ];
    let mut case = case(name, "train --data idx:set --epochs 1 --out out", says);
    for (other, whole) in whole {
        case = case.file(&format!("set/{other}"), if other == file { contents.clone() } else { whole });
    }
    case
}

fn csv_case(name: &str, options: &str, text: impl Into<Vec<u8>>, says: &[&'static str]) -> Case {
    case(name, &format!("train --data csv:t.csv --epochs 1 --out out {options}"), says).file("t.csv", text)
}

fn data_cases() -> Vec<Case> {
    let rows = |text: &str| format!("a,b,y\n{text}\n{}", "1,2,3.5\n2,3,4.25\n3,4,5\n4,5,6.5\n".repeat(5));
    let gzip = |tail: &[u8]| [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], tail].concat();
    let (images, labels) = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
    let many: String = (0..2001).map(|row| format!("1,word{row}\n")).collect();
    vec![
        case("no such folder", "train --data mnist:no/such --out out", &["cannot read no/such"]),
        case(
            "an empty folder",
            "train --data mnist:set --out out",
            &["set has no train-images-idx3-ubyte", "it holds: note"],
        )
        .file("set/note", ""),
        case("a file for a folder", "train --data idx:set --out out", &["set is a file", "give the folder"])
            .file("set", ""),
        idx_case(
            "images cut off",
            images,
            idx(2051, &[20, 2, 2], 79),
            &["cut off", "announces 96 bytes", "95 are there"],
        ),
        idx_case("a header cut off", labels, vec![0, 0, 8], &["train-labels-idx1-ubyte"]),
        idx_case("labels where images should be", images, idx(2049, &[20], 20), &["expected 0x00000803", "0x00000801"]),
        idx_case(
            "text where labels should be",
            labels,
            b"hello, world".to_vec(),
            &["train-labels-idx1-ubyte", "expected"],
        ),
        idx_case("fewer labels than images", labels, idx(2049, &[19], 19), &["20 images", "19 labels"]),
        idx_case("values of floats", images, idx(0x0d03, &[20, 2, 2], 320), &["float", "unsigned bytes"]),
        idx_case("bytes after the end", labels, idx(2049, &[20], 21), &["goes on after the 28 bytes"]),
        idx_case("no images", images, idx(2051, &[0, 2, 2], 0), &["announces zero images"]),
        idx_case("images of another size", "t10k-images-idx3-ubyte", idx(2051, &[10, 2, 3], 60), &["2x2", "2x3"]),
        idx_case("sizes that overflow", images, idx(2051, &[u32::MAX; 3], 9), &["too large"]),
        idx_case("a damaged gzip file", images, gzip(b"\xff\xff\xff"), &["damaged gzip", "train-images"]),
        case("no such table", "train --data csv:no.csv --out out", &["cannot read no.csv"]),
        csv_case("an empty table", "", "", &["t.csv is empty"]),
        csv_case("only names", "", "a,b\n", &["only a header (a, b)"]),
        csv_case("one row", "", "a,b\n1,2\n", &["1 row", "at least 2"]),
        csv_case("one column", "", "a\n1\n2\n", &["no column beside \"a\""]),
        csv_case(
            "text for a number",
            "--task regression",
            rows("1,2,three"),
            &["line 2", "\"y\"", "expected a number", "three"],
        ),
        csv_case("infinity", "", rows("1,inf,3"), &["t.csv, line 2, column \"b\"", "inf", "not a finite"]),
        csv_case("a number beyond all", "", rows("1,1e400,3"), &["line 2", "1e400", "3.4e38"]),
        csv_case("a number beyond f32", "", rows("1,-1e39,3"), &["line 2", "-1e39"]),
        csv_case("NaN as the target", "", rows("1,2,NaN"), &["line 2, column \"y\"", "target is missing"]),
        csv_case("NaN, not imputed", "--missing reject", rows("NaN,2,3"), &["line 2, column \"a\"", "1 missing value"]),
        csv_case("a short row", "", rows("1,2"), &["line 2", "expected 3 fields, got 2"]),
        csv_case("a long row", "", rows("1,2,3,4"), &["line 2", "expected 3 fields, got 4"]),
        csv_case("one class", "", "a,y\n1,x\n2,x\n3,x\n", &["every row is of the class \"x\"", "two classes"]),
        csv_case(
            "an unknown target",
            "--target prise",
            "area,price\n1,2\n2,3\n",
            &["no column \"prise\"", "did you mean \"price\"?"],
        ),
        csv_case("two columns of one name", "", "a,a,b\n1,2,3\n", &["two columns called \"a\"", "1 and number 2"]),
        csv_case("not UTF-8", "", b"a,b\n1,caf\xe9\n".to_vec(), &["line 2", "UTF-8"]),
        csv_case("a quote never closed", "", "a,b\n1,2\n3,\"x\n4,5\n", &["line 3", "never closed"]),
        csv_case(
            "too many categories",
            "",
            format!("a,b\n{many}"),
            &["column \"b\"", "distinct texts", "1000", "--rare N or --drop b"],
        ),
        csv_case(
            "classes asked of numbers",
            "--loss cross_entropy",
            rows("1,2,3.75"),
            &["cross_entropy needs classes", "mean_squared_error"],
        ),
        csv_case("no delimiter", "--delimiter é", "a,b\n1,2\n", &["delimiter", "one ASCII character", "é"]),
        csv_case("a quote as delimiter", "--delimiter \"", "a,b\n1,2\n", &["delimiter"]),
        csv_case(
            "all for the test",
            "--test-fraction 1",
            rows("1,2,3"),
            &["--test-fraction must be", "below 1", "got 1"],
        ),
        csv_case(
            "a column to drop that is not there",
            "--drop aa",
            rows("1,2,3"),
            &["--drop names \"aa\"", "columns: a, b, y"],
        ),
        csv_case("the target dropped", "--drop y", rows("1,2,3"), &["--drop", "y, which is the target"]),
        csv_case("only a column that is not there", "--only ab", rows("1,2,3"), &["--only names \"ab\"", "a, b, y"]),
        csv_case(
            "every column dropped",
            "--drop a,b",
            rows("1,2,3"),
            &["no column is left", "a (--drop)", "b (--drop)"],
        ),
        csv_case(
            "columns that never change",
            "",
            "a,b,y\n1,x,u\n1,x,v\n1,x,u\n",
            &["no column is left", "always the same", "--as COLUMN=number"],
        ),
        csv_case("a kind that is none", "--as a=text", rows("1,2,3"), &["--as", "COLUMN=category", "text-ignored"]),
        csv_case("a kind for no column", "--as z=number", rows("1,2,3"), &["--as names \"z\"", "columns: a, b, y"]),
        csv_case(
            "a kind for the target",
            "--as y=category",
            rows("1,2,3"),
            &["--as", "which is the target", "--task classification"],
        ),
        csv_case(
            "words as numbers",
            "--as a=number",
            rows("one,2,3"),
            &["line 2, column \"a\"", "expected a number", "--na one"],
        ),
        csv_case(
            "numbers as dates",
            "--as a=date",
            rows("1,2,3"),
            &["line 2, column \"a\"", "expected a date", "2024-12-31"],
        ),
        csv_case(
            "a day that is none",
            "--as a=date",
            "a,y\n2024-01-31,1\n2024-02-30,2\n",
            &["line 3, column \"a\"", "2024-02-30"],
        ),
        csv_case(
            "one word among numbers",
            "",
            {
                let rows: String = (0..40).map(|row| format!("{}.5,{}\n", row, row % 2)).collect();
                format!("a,y\n{rows}unknown,1\n")
            },
            &["line 42, column \"a\"", "unknown", "nearly all other values", "--na unknown"],
        ),
        csv_case("no target in any row", "--missing-target drop", "a,y\n1,\n2,NA\n", &["target is missing, in 2 rows"]),
        csv_case(
            "no target in some rows",
            "",
            "a,y\n1,\n2,NA\n3,4\n",
            &["line 2", "in 2 rows", "--missing-target drop"],
        ),
        csv_case(
            "the logarithm of nothing",
            "--target-scale log",
            rows("1,2,0"),
            &["--target-scale", "a target is 0", "standard or none"],
        ),
        csv_case("a scale for classes", "--target-scale log", "a,y\n1,u\n2,v\n", &["--target-scale is for numbers"]),
        csv_case(
            "quantiles of classes",
            "--loss quantile:0.5",
            "a,y\n1,u\n2,v\n",
            &["--loss is quantile", "target is a class", "--task regression"],
        ),
        csv_case(
            "quantiles that fall",
            "--loss quantile:0.9,0.1",
            rows("1,2,3"),
            &["quantile", "rising numbers between 0 and 1"],
        ),
        csv_case("a quantile of one", "--loss quantile:0.5,1", rows("1,2,3"), &["quantile", "between 0 and 1"]),
        csv_case("one fold", "--folds 1", rows("1,2,3"), &["--folds", "from 2 to 100"]),
        csv_case("more folds than rows", "--folds 50", rows("1,2,3"), &["--folds is 50", "only 21 rows"]),
        csv_case("a test file that is not there", "--test-data no.csv", rows("1,2,3"), &["cannot read no.csv"]),
        csv_case(
            "a test file of other columns",
            "--test-data u.csv",
            rows("1,2,3"),
            &["u.csv, line 1", "no column \"a\""],
        )
        .file("u.csv", "c,b,y\n1,2,3\n"),
        csv_case(
            "a test file of other classes",
            "--test-data u.csv",
            "a,y\n1,u\n2,v\n",
            &["u.csv, line 3", "\"w\"", "u, v"],
        )
        .file("u.csv", "a,y\n1,u\n2,w\n"),
        csv_case(
            "two kinds of test part",
            "--test-data u.csv --test-fraction 0.5",
            rows("1,2,3"),
            &["--test-data", "cannot be used"],
        ),
        csv_case("a Parquet file", "", b"PAR1\x15\x04".to_vec(), &["a Parquet file", "pandas.read_parquet"]),
        csv_case("a zip archive", "", b"PK\x03\x04...".to_vec(), &["a zip archive", "unpack it first: unzip"]),
        csv_case("a NumPy array", "", b"\x93NUMPY\x01".to_vec(), &["a NumPy array", "numpy.savetxt"]),
        csv_case("a pickle", "", b"\x80\x04\x95".to_vec(), &["a Python pickle", "read_pickle"]),
        csv_case("packed with zstd", "", b"\x28\xb5\x2f\xfd".to_vec(), &["zstd -d"]),
        csv_case("a damaged gzip table", "", gzip(b"\xff\xff\xff"), &["t.csv", "damaged gzip"]),
        case("an Excel workbook", "train t.xlsx --epochs 1 --out out", &["an Excel workbook", "save its sheet as CSV"])
            .file("t.xlsx", b"PK\x03\x04...".to_vec()),
        case(
            "options for tables without one",
            "train --data digits --drop a --out out",
            &["--drop is for tables", "digits"],
        ),
        case("a bare table that is not there", "train no.csv --out out", &["cannot read no.csv"]),
        csv_case("neither yes nor no", "--header maybe", rows("1,2,3"), &["--header", "yes or no"]),
        case(
            "an unknown source",
            "train --data digit --out out",
            &["unknown data source", "did you mean \"digits\"?", "csv:FILE"],
        ),
        case("a source without its folder", "train --data mnist --out out", &["mnist:DIR", "for example"]),
    ]
}

/// A network file in `net.toml`, trained on digits.
fn toml_case(name: &str, text: &str, says: &[&'static str]) -> Case {
    case(name, "train --network net.toml --epochs 1 --out out", says).file("net.toml", text)
}

fn network_cases() -> Vec<Case> {
    let linear = |keys: &str| format!("[[layer]]\nkind = \"linear\"\n{keys}\n");
    let last = linear("out_features = 10");
    let short =
        |name: &str, spec: &str, says| case(name, &format!("train --epochs 1 --out out --network {spec}"), says);
    vec![
        toml_case(
            "an unknown key",
            &linear("out_featurs = 10"),
            &["net.toml:3:1", "`out_featurs`", "Did you mean `out_features`?"],
        ),
        toml_case(
            "a misspelt activation",
            &linear("out_features = 10\nactivation = \"rellu\""),
            &["net.toml:4", "rellu", "Did you mean `relu`?"],
        ),
        toml_case(
            "a misspelt kind",
            "[[layer]]\nkind = \"liner\"\nout_features = 10",
            &["net.toml:2", "Did you mean `linear`?"],
        ),
        toml_case(
            "layers in the plural",
            "[[layers]]\nkind = \"linear\"\nout_features = 10",
            &["net.toml:1", "`[[layer]]`, in the singular"],
        ),
        toml_case("no features", &linear("out_features = 0"), &["net.toml:3", "out_features", "at least 1"]),
        toml_case(
            "features in quotes",
            &linear("out_features = \"128\""),
            &["net.toml:3", "expected a whole number", "quotes"],
        ),
        toml_case(
            "too many features",
            &linear("out_features = 999999999999999999999999"),
            &["net.toml:3", "too large"],
        ),
        toml_case("no TOML", "[[layer]\nkind = ", &["net.toml:1", "not TOML"]),
        toml_case("nothing in it", "", &["net.toml", "no network"]),
        toml_case("no UTF-8", "\u{0}", &["net.toml:1", "not TOML"]),
        toml_case(
            "layers that do not fit",
            &format!(
                "[[layer]]\nkind = \"flatten\"\n{}{}",
                linear("out_features = 32"),
                linear("in_features = 64\nout_features = 10")
            ),
            &["net.toml:6", "layers.2 (linear)", "layers.1, linear", "64", "[32]"],
        ),
        toml_case(
            "an impossible reshape",
            &format!("[[layer]]\nkind = \"reshape\"\nshape = [7, 9]\n{last}"),
            &["net.toml:1", "reshape", "64", "63"],
        ),
        toml_case(
            "a probability above one",
            &format!("[[layer]]\nkind = \"flatten\"\n[[layer]]\nkind = \"dropout\"\nprobability = 1.5\n{last}"),
            &["net.toml", "probability", "1.5"],
        ),
        toml_case(
            "a name used twice",
            &format!("{}{}", linear("name = \"a\"\nout_features = 9"), linear("name = \"a\"\nout_features = 10")),
            &["net.toml:5", "two layers are named `a`", "line 1"],
        ),
        toml_case("another input", &format!("input = [784]\n{last}"), &["[784]", "[1, 8, 8]", "network file"]),
        toml_case(
            "sizes that overflow",
            &format!("{}{last}", linear("out_features = 1000000000000")),
            &["net.toml:1", "layers.0 (linear)", "at most"],
        ),
        toml_case(
            "softmax before cross-entropy",
            &format!("[[layer]]\nkind = \"flatten\"\n{last}[[layer]]\nkind = \"softmax\""),
            &["cross_entropy", "softmax", "remove the last layer"],
        ),
        toml_case(
            "eleven outputs for ten classes",
            &format!("[[layer]]\nkind = \"flatten\"\n{}", linear("out_features = 11")),
            &["[11]", "10 classes", "out_features = 10"],
        ),
        toml_case(
            "a layer of the name that training takes",
            &format!(
                "[[layer]]\nname = \"standardize\"\nkind = \"standardize\"\n[[layer]]\nkind = \"flatten\"\n{last}"
            ),
            &["--network is one with a layer named", "\"standardize\"", "rename yours", "--no-standardize"],
        ),
        toml_case("outputs that are no list", &last, &["outputs", "10 classes"]),
        short("no such file", "no.toml", &["cannot read no.toml"]),
        short("an unknown form", "mpl:3", &["mpl:3", "mlp:512,256", ".toml"]),
        short("a layer of no neurons", "mlp:8,0", &["mlp:8,0", "at least one"]),
        short("a layer of letters", "mlp:8,x", &["mlp:8,x", "whole numbers"]),
        short("a layer beyond all", "mlp:99999999999999999999999", &["mlp:9999"]),
        short("more weights than memory", "mlp:1000000,1000000", &["--network", "parameters", "memory"]),
        short("more activations than memory", "mlp:16000000 --batch 16000000 --no-standardize", &["memory"]),
        short("an activation misspelt", "mlp:8?activation=rellu", &["rellu", "relu"]),
        short("an unknown option", "mlp:8?dropout=1", &["mlp:8?dropout=1", "activation"]),
        case("summary of nothing known", "summary mpl:3", &["mpl:3", "mlp:512,256"]),
        case("summary of no neurons", "summary mlp:8,0", &["error: network is \"mlp:8,0\"", "at least one neuron"]),
        case("summary of no shape", "summary mlp:3 --input 28by28", &["--input", "28by28", "1x28x28"]),
        case("summary beyond 64 bits", "summary mlp:3 --input 99999999999x99999999999", &["input", "at most"]),
        case("summary of no outputs", "summary mlp:3 --outputs 0", &["--outputs is 0", "at least 1"]),
        case("summary of an empty axis", "summary mlp:3 --input 0x3", &["--input", "0x3", "above 0"]),
        case("trace of letters", "trace mlp:3 [1,x]", &["[1,x]", "JSON"]),
        case("trace of too few numbers", "trace mlp:3 [1]", &["2 numbers", "got 1"]),
        case("trace of a giant", "trace mlp:1000000 --input 1000000", &["trace", "1,000,0"]),
    ]
}

fn setting_cases() -> Vec<Case> {
    let with = |name: &str, options: &str, says| case(name, &format!("train --epochs 1 --out out {options}"), says);
    let mut wrong_isa =
        case("an unknown instruction set", "train --epochs 1 --out out", &["PLEXUS_ISA", "nonsense", "portable"]);
    wrong_isa.isa = Some("nonsense");
    vec![
        wrong_isa,
        with("an unknown option", "--learning-rate 1", &["--learning-rate"]),
        with("letters for a number", "--lr fast", &["--lr", "fast"]),
        with("a learning rate of zero", "--lr 0", &["--lr is 0", "positive"]),
        with("a negative learning rate", "--lr=-1", &["--lr is -1", "positive"]),
        with("a learning rate of NaN", "--lr nan", &["--lr is NaN", "positive"]),
        with("batches of none", "--batch 0", &["--batch is 0", "1..=16777216"]),
        with("batches beyond all", "--batch 18446744073709551616", &["--batch", "18446744073709551616"]),
        with("nothing accumulated", "--accumulate 0", &["--accumulate is 0"]),
        case("no epochs", "train --epochs 0 --out out", &["--epochs is 0"]),
        case(
            "epochs without end",
            "train --epochs 18446744073709551615 --out out",
            &["--epochs is 18446744073709551615"],
        ),
        with("all for validation", "--validation 1", &["--validation is 1", "0..1"]),
        with("nearly all for validation", "--validation 0.9999", &["--validation", "leaves rows"]),
        with("a negative share", "--validation=-0.1", &["--validation is -0.1"]),
        with("momentum of one", "--optimizer sgd --momentum 1", &["--momentum is 1", "0..1"]),
        with("momentum with adam", "--momentum 0.5", &["--momentum", "sgd or rmsprop", "adam"]),
        with("nesterov with adam", "--nesterov", &["--nesterov", "sgd", "adam"]),
        with("negative decay", "--weight-decay=-1", &["--weight-decay is -1", "at least 0"]),
        with("a norm of zero", "--clip-norm 0", &["--clip-norm is 0", "positive"]),
        with("a norm of NaN", "--clip-norm NaN", &["--clip-norm is NaN"]),
        with("too much smoothing", "--label-smoothing 2", &["--label-smoothing is 2", "0..=1"]),
        with("smoothing of NaN", "--label-smoothing nan", &["--label-smoothing is NaN"]),
        with(
            "smoothing without classes",
            "--loss huber --label-smoothing 0.1",
            &["--label-smoothing", "cross_entropy", "huber"],
        ),
        with("two weights for ten classes", "--class-weights 1,2", &["--class-weights", "10 numbers", "balanced"]),
        with("weights of zero", "--class-weights 0,0,0,0,0,0,0,0,0,0", &["--class-weights", "above 0"]),
        with("weights of letters", "--class-weights equal", &["--class-weights", "equal"]),
        with("no patience", "--patience 0", &["--patience is 0", "at least 1"]),
        with("a misspelt optimizer", "--optimizer adm", &["adm", "Did you mean adam?"]),
        with("a misspelt schedule", "--schedule cosin", &["cosin", "Did you mean cosine?"]),
        with("a misspelt loss", "--loss crossentropy", &["crossentropy", "Did you mean cross_entropy?"]),
        with("more threads than processors", "--threads 100000", &["--threads", "100000", "at most 1024"]),
        with("a seed of letters", "--seed x", &["--seed"]),
        case("an unknown command", "trian", &["trian", "train"]),
        case("no model named", "predict", &["MODEL"]),
    ]
}

fn folder_cases() -> Vec<Case> {
    let run = |name: &str| std::fs::read(trained().join("digits").join(name)).expect("the run has it");
    let checkpoint = run("checkpoint.plexus");
    let mut flipped = checkpoint.clone();
    flipped[checkpoint.len() / 2] ^= 16;
    let resume = |name: &str, contents: &[u8], says: &[&'static str]| {
        case(name, "train --resume run", says).file("run/checkpoint.plexus", contents).in_run()
    };
    let fresh =
        |name: &str, out: &str, says| case(name, &format!("train --epochs 1 --out {out}"), says).file("file", "");
    vec![
        fresh("a folder below a file", "file/run", &["file/run"]),
        fresh("a folder that is a file", "file", &["file"]),
        fresh("a folder in /proc", "/proc/nowhere/run", &["/proc/nowhere/run"]),
        case("a folder with a run", "train --epochs 1 --out run", &["--out is run", "--resume run"]).in_run(),
        case("resume without runs", "train --resume", &["--resume", "runs/"]),
        case("resume nowhere", "train --resume no/run", &["no/run cannot be resumed", "checkpoint.plexus"]),
        case("resume a folder without a run", "train --resume set", &["set cannot be resumed"]).file("set/note", ""),
        case("resume a file", "train --resume set", &["set cannot be resumed"]).file("set", ""),
        case("resume with another network", "train --resume run --network mlp:9", &["--network mlp:8", "not mlp:9"])
            .in_run(),
        case("resume with other data", "train --resume run --data mnist:x", &["--data digits", "not mnist:x"]).in_run(),
        case("resume with another batch", "train --resume run --batch 1", &["--resume", "--batch"]).in_run(),
        case("resume with a rate of nothing", "train --resume run --lr 0", &["--lr is 0"]).in_run(),
        case("resume into another folder", "train --resume run --out new", &["--resume run", "leave out --out new"])
            .in_run(),
        case("resume for no epochs", "train --resume run --epochs 0", &["--epochs is 0"]).in_run(),
        resume("a flipped bit", &flipped, &["run/checkpoint.plexus", "damaged", "checksum"]),
        resume("cut in the middle", &checkpoint[..checkpoint.len() / 3], &["damaged", "checksum"]),
        resume("cut at the start", &checkpoint[..11], &["damaged", "too early"]),
        resume("an empty checkpoint", b"", &["damaged", "too early"]),
        resume("a model for a checkpoint", &run("model.safetensors"), &["not a Plexus checkpoint"]),
        resume("a newer version", &crafted(&checkpoint, |bytes| bytes[8] = 9), &["version 9", "newer Plexus"]),
        resume(
            "a header beyond the file",
            &crafted(&checkpoint, |bytes| bytes[12..20].fill(0xff)),
            &["header is longer"],
        ),
        resume("a header of nonsense", &crafted(&checkpoint, |bytes| bytes[20] = b'x'), &["header does not read"]),
        resume("batches of none inside", &replaced(&checkpoint, "\"batch\":64", "\"batch\":0 "), &["run"]),
        resume(
            "a position beyond the rows",
            &replaced(&checkpoint, "\"position\":0,", "\"position\":99999999,"),
            &["position"],
        ),
        resume(
            "a best epoch that was not",
            &replaced(&checkpoint, "\"best_epoch\":", "\"best_epoch\":7"),
            &["position"],
        ),
        resume(
            "fewer numbers than needed",
            &replaced(&checkpoint, "\"has_best\":true", "\"has_best\":false"),
            &["as many numbers"],
        ),
        case("resume on other rows", "train --resume old", &["old cannot be resumed", "has changed"])
            .file("flowers.csv", flowers(61))
            .file(
                "old/checkpoint.plexus",
                std::fs::read(trained().join("flowers/checkpoint.plexus")).expect("it reads"),
            ),
        case("resume without the data", "train --resume old", &["flowers.csv"]).file("old/checkpoint.plexus", orphan()),
        case("pictures below a file", "evaluate {digits} --pictures file/x", &["file/x"]).file("file", ""),
    ]
}

/// The checkpoint of a run whose data is gone.
fn orphan() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("flowers.csv"), flowers(60));
    plexus(folder.path(), ["train", "flowers.csv", "--epochs", "1", "--out", "run"]).well();
    std::fs::read(folder.path().join("run/checkpoint.plexus")).expect("it reads")
}

/// A checkpoint changed on purpose, its checksum made right again.
fn crafted(checkpoint: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = checkpoint[..checkpoint.len() - 4].to_vec();
    change(&mut bytes);
    let checksum = crc32c(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// A checkpoint whose header says something else in one place.
fn replaced(checkpoint: &[u8], from: &str, to: &str) -> Vec<u8> {
    let len = u64::from_le_bytes(checkpoint[12..20].try_into().expect("eight bytes")) as usize;
    let header = std::str::from_utf8(&checkpoint[20..20 + len]).expect("the header is JSON");
    assert!(header.contains(from), "{from}: {header}");
    let header = header.replacen(from, to, 1);
    let (start, numbers) = (&checkpoint[..12], &checkpoint[20 + len..]);
    crafted(&[start, &(header.len() as u64).to_le_bytes(), header.as_bytes(), numbers].concat(), |_| ())
}

/// A safetensors file from its header and data.
fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// The model on digits with a changed header.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let bytes = std::fs::read(model("digits")).expect("the model reads");
    let len = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let mut header = serde_json::from_slice(&bytes[8..8 + len]).expect("the header is JSON");
    change(&mut header);
    safetensors(&header.to_string(), &bytes[8 + len..])
}

fn model_cases() -> Vec<Case> {
    let whole = std::fs::read(model("digits")).expect("the model reads");
    let bad = |name: &str, contents: Vec<u8>, says: &[&'static str]| {
        let mut says = says.to_vec();
        says.push("bad.safetensors");
        case(name, "predict bad.safetensors --data digits", &says).file("bad.safetensors", contents)
    };
    let tensor = |offsets: &str| format!("{{\"a\":{{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{offsets}}}}}");
    let two = |second: &str| {
        format!(
            "{{\"a\":{{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}},\
             \"b\":{{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{second}}}}}"
        )
    };
    let text =
        |key: &'static str, value: &'static str| changed(move |header| header["__metadata__"][key] = value.into());
    let network = |from: &str, to: &str| {
        changed(|header| {
            let text = header["__metadata__"]["plexus.network"].as_str().expect("it is text").to_string();
            assert!(text.contains(from), "{text}");
            header["__metadata__"]["plexus.network"] = text.replace(from, to).into();
        })
    };
    vec![
        case("no such model", "predict no.safetensors [1]", &["cannot read no.safetensors"]),
        case("a folder for a model", "evaluate set", &["set", "folder"]).file("set/note", ""),
        bad("an empty model", Vec::new(), &["0 bytes"]),
        bad("text for a model", b"hello, this is no model at all".to_vec(), &["not a model file"]),
        bad(
            "a checkpoint for a model",
            std::fs::read(trained().join("digits/checkpoint.plexus")).expect("it reads"),
            &["not a model file"],
        ),
        bad("a header cut off", whole[..200].to_vec(), &["cut off"]),
        bad("numbers cut off", whole[..whole.len() - 4].to_vec(), &["cut off"]),
        bad("bytes after the end", [whole.clone(), vec![0; 4]].concat(), &["longer than it should be"]),
        bad("a header of 2^63 bytes", [&(1u64 << 63).to_le_bytes()[..], b"{}"].concat(), &["9223372036854775808"]),
        bad("a header beyond the limit", [&(9u64 << 20).to_le_bytes()[..], b"{}"].concat(), &["at most 8388608"]),
        bad("a header of nonsense", safetensors("{\"a\":", b""), &["cannot be read"]),
        bad("a header nested deeply", safetensors(&"{\"a\":".repeat(5000), b""), &["cannot be read"]),
        bad(
            "tensors that overlap",
            safetensors(&two("[4,12]"), &[0; 12]),
            &["does not start where the one before ends"],
        ),
        bad("a tensor beyond the data", safetensors(&tensor("[0,8]"), &[0; 4]), &["cut off"]),
        bad("a tensor that ends before it begins", safetensors(&tensor("[8,0]"), &[0; 8]), &["`a`"]),
        bad("offsets beyond 64 bits", safetensors(&tensor("[0,99999999999999999999]"), &[0; 8]), &["cannot be read"]),
        bad("a shape of another size", safetensors(&tensor("[0,12]"), &[0; 12]), &["`a`", "[2]", "12 bytes"]),
        bad(
            "a shape that overflows",
            safetensors(&tensor("[0,8]").replace("[2]", "[9223372036854775807,4]"), &[0; 8]),
            &["`a`"],
        ),
        bad("weights without a network", safetensors(&tensor("[0,8]"), &[0; 8]), &["weights only"]),
        bad(
            "half floats",
            changed(|header| {
                let tensors = header.as_object_mut().expect("an object");
                let (_, tensor) = tensors.iter_mut().find(|(name, _)| name.contains("weight")).expect("a weight");
                tensor["dtype"] = "I32".into();
            }),
            &["I32", "F32", "float32"],
        ),
        bad("a newer format", text("plexus.format", "2"), &["format 2", "newer Plexus"]),
        bad("no format", text("plexus.format", "one"), &["`plexus.format`", "one"]),
        bad("a network of nonsense", text("plexus.network", "{"), &["`plexus.network`"]),
        bad(
            "a network of another size",
            network("\"out_features\":8", "\"out_features\":9"),
            &["layers.0.weight", "[9, 64]", "[8, 64]"],
        ),
        bad("a network beyond the file", network("\"out_features\":8", "\"out_features\":999999999"), &["numbers"]),
        bad(
            "a network that does not fit",
            network("\"input\":[1,8,8]", "\"input\":[1,8,9]"),
            &["layers.0.weight", "[8, 64]", "[8, 72]"],
        ),
        bad("a task of nonsense", text("plexus.task", "{}"), &["task"]),
        case("two names for ten outputs", "predict two.safetensors [1]", &["10 outputs", "2 names"])
            .file("two.safetensors", text("plexus.task", "{\"kind\":\"classification\",\"classes\":[\"a\",\"b\"]}")),
        bad("columns of nonsense", text("plexus.columns", "[]"), &["columns"]),
        case(
            "another shape of data",
            "evaluate {digits} --data csv:t.csv --task classification",
            &["input shape", "[1, 8, 8]"],
        )
        .file("t.csv", flowers(30)),
        case("a threshold above one", "evaluate {digits} --threshold 1.5", &["--threshold", "0 to 1"]),
        case("a threshold for ten classes", "evaluate {digits} --threshold 0.3", &["--threshold", "10 classes"]),
        case(
            "a threshold for numbers",
            "evaluate {houses} --data csv:h.csv --threshold 0.3",
            &["--threshold", "numbers"],
        ),
        case("importance of pixels", "evaluate {digits} --importance", &["--importance", "columns of a table"]),
        case("dark pictures of nothing", "evaluate {digits} --dark", &["--pictures"]),
        case("a number model on digits", "evaluate {houses} --data digits", &["[1, 8, 8]"]),
        case("a flower model on houses", "evaluate {flowers} --data csv:h.csv", &["h.csv", "\"length\""])
            .file("h.csv", houses(9)),
        case(
            "a part that other data does not have",
            "evaluate {flowers} --data csv:t.csv --part test",
            &["--part", "is not the data that the model was trained on"],
        )
        .file("t.csv", flowers(30)),
        case("other classes", "evaluate {flowers} --data csv:t.csv", &["line 2", "oak", "daisy"])
            .file("t.csv", "length,width,color,kind\n1,2,red,oak\n"),
        case("images with other classes", "evaluate {digits} --data idx:set", &["classes"])
            .file("set/train-images-idx3-ubyte", idx(2051, &[20, 8, 8], 1280))
            .file("set/train-labels-idx1-ubyte", [idx(2049, &[20], 0), vec![3; 20]].concat())
            .file("set/t10k-images-idx3-ubyte", idx(2051, &[9, 8, 8], 576))
            .file("set/t10k-labels-idx1-ubyte", [idx(2049, &[9], 0), vec![8; 9]].concat()),
    ]
}

/// A gray image as PNG.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let image = image::GrayImage::from_fn(width, height, |x, y| image::Luma([(x * 7 + y * 3) as u8]));
    image.write_to(&mut bytes, image::ImageFormat::Png).expect("the image is encoded");
    bytes.into_inner()
}

fn input_cases() -> Vec<Case> {
    let predict =
        |name: &str, model: &str, input: &str, says| case(name, &format!("predict {{{model}}}"), says).arg(input);
    let whole = png(8, 8);
    vec![
        case("nothing to predict", "predict {digits}", &["needs an input", ".png"]),
        predict("too few numbers", "digits", "[1, 2, 3]", &["row 1", "3 numbers", "takes 64", "1x8x8"]),
        predict("rows of two lengths", "digits", "[[1], [2, 3]]", &["row 1", "1 numbers", "takes 64"]),
        predict("JSON that ends too early", "digits", "[1, 2", &["does not read as JSON", "line 1"]),
        predict("JSON that is nested deeply", "digits", &"[".repeat(20_000), &["does not read as JSON", "recursion"]),
        predict("JSON with text", "digits", "[\"one\"]", &["row 1", "\"one\""]),
        predict("JSON beyond f32", "digits", "[1e39]", &["row 1", "1e+39"]),
        predict("JSON beyond f64", "digits", "[1e400]", &["JSON"]),
        predict("names for a model without", "digits", "{\"a\": 1}", &["no column names"]),
        predict("a column that is missing", "flowers", "{\"length\": 1}", &["\"width\""]),
        predict("no such input", "digits", "no.png", &["cannot read no.png"]),
        predict("an image of another size", "digits", "a.png", &["a.png is 9 x 8", "takes 8 x 8", "--resize"])
            .file("a.png", png(9, 8)),
        predict("an image cut off", "digits", "a.png", &["a.png does not read"])
            .file("a.png", &whole[..whole.len() / 2]),
        predict("an image of text", "digits", "a.png", &["a.png is no image"]).file("a.png", "no image"),
        predict("an image that lies", "digits", "a.ppm", &["30000x30000", "2700000000 bytes"])
            .file("a.ppm", "P6 30000 30000 255 abc"),
        predict("an image for a table", "flowers", "a.png", &["a.png is an image", "takes"])
            .file("a.png", whole.clone()),
        predict("a picture as a table", "digits", "a.dat", &["a.dat is not text", ".png"]).file("a.dat", whole),
        predict("a word in a table of numbers", "digits", "a.csv", &["a.csv, line 1", "\"x\" is not a number"])
            .file("a.csv", "1,x,3\n"),
        predict("a table that is too narrow", "digits", "a.csv", &["a.csv, line 1", "3 numbers", "takes 64"])
            .file("a.csv", "1,2,3\n"),
        predict("a word for a number", "flowers", "a.csv", &["line 2, column \"length\"", "long"])
            .file("a.csv", "length,width,color\nlong,2,red\n"),
        predict("fields without names", "flowers", "a.csv", &["line 1", "got 2"]).file("a.csv", "1,2\n"),
        predict("infinity", "flowers", "a.csv", &["line 2", "inf"]).file("a.csv", "length,width,color\ninf,2,red\n"),
        predict("nothing on standard input", "flowers", "-", &["standard input", "empty"]).stdin(""),
        predict("noise on standard input", "flowers", "-", &["standard input"]).stdin([0xff, 0xfe, 0x80]),
        case("a row beyond the end", "predict {digits} --data digits --row 359", &["--row is 359", "0 to 358"]),
        case("a row of a table beyond", "predict {flowers} --data csv:t.csv --row 99", &["--row is 99"])
            .file("t.csv", flowers(30)),
        case("an input and a source", "predict {digits} [1] --data digits", &["--data"]),
        case("a source of other columns", "predict {flowers} --data digits", &["input shape", "[1, 8, 8]"]),
    ]
}

#[test]
fn an_unwritable_disk_is_said_and_the_old_model_stays() {
    // A folder in the place of the file beside which contents are written first: no write can succeed.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = folder.path().join("run");
    copy_folder(&trained().join("digits"), &run);
    let model = std::fs::read(run.join("model.safetensors")).expect("the model reads");
    std::fs::create_dir(run.join("model.safetensors.part")).expect("the folder is made");
    let outcome = plexus(folder.path(), ["train", "--resume", "run", "--epochs", "3"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(outcome.stderr.starts_with("error: cannot save run/model.safetensors: "), "{}", outcome.stderr);
    assert_eq!(std::fs::read(run.join("model.safetensors")).expect("the model reads"), model);
}

#[test]
fn a_run_that_goes_wrong_says_where_and_keeps_its_last_checkpoint() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let args = ["train", "--optimizer", "sgd", "--lr", "1e30", "--epochs", "2", "--out", "run"];
    let outcome = plexus(folder.path(), args);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    for words in ["error: the loss became", "step", "epoch 1", "layer", "lower learning rate"] {
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
    }
    let files: Vec<_> = files_in(&folder.path().join("run")).into_keys().collect();
    assert!(!files.iter().any(|name| name.to_string_lossy().contains("part")), "{files:?}");
    assert!(!files.contains(&PathBuf::from("model.safetensors")), "{files:?}");
    // The last checkpoint stands, and the run goes on from it with smaller steps.
    assert!(outcome.stderr.contains("train --resume run --lr 1e29 --clip-norm 1"), "{}", outcome.stderr);
    let args = ["train", "--resume", "run", "--lr", "0.05", "--clip-norm", "1", "--epochs", "3", "--json"];
    let finished = plexus(folder.path(), args).well().last_json();
    assert!(finished["test_accuracy"].as_f64().expect("a number") > 0.8, "{finished}");
}
