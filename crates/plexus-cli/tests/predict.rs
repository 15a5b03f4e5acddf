//! Answers as a table, in a file or on standard output, and what may be piped in.

mod program;

use program::{flowers, houses, plexus, plexus_reads, write};
use std::path::Path;
use std::sync::OnceLock;

/// A folder with models of three kinds of flowers, of two, and of the price of houses, trained once.
fn trained() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let at = folder.path();
            write(&at.join("flowers.csv"), flowers(150));
            let two: Vec<String> =
                flowers(150).lines().filter(|row| !row.ends_with("tulip")).map(String::from).collect();
            write(&at.join("two.csv"), two.join("\n"));
            write(&at.join("houses.csv"), houses(100));
            for (name, data) in [("flowers", "csv:flowers.csv"), ("two", "csv:two.csv"), ("houses", "csv:houses.csv")] {
                let args =
                    ["train", "--data", data, "--network", "mlp:8", "--lr", "0.01", "--epochs", "15", "--out", name];
                plexus(at, args).well();
            }
            folder
        })
        .path()
}

/// A folder of its own for what a test writes, with the trained models beside it.
fn place() -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    (folder, |model: &str| trained().join(model).display().to_string())
}

/// A table as its header and its rows.
fn table(text: &[u8]) -> (Vec<String>, Vec<Vec<String>>) {
    let fields = |record: &csv::StringRecord| record.iter().map(String::from).collect::<Vec<String>>();
    let mut reader = csv::Reader::from_reader(text);
    let header = fields(reader.headers().expect("a header"));
    (header, reader.records().map(|record| fields(&record.expect("all rows are as long"))).collect())
}

fn read(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    table(&std::fs::read(path).expect("the table is there"))
}

const NEW: &str = "color,length,width,note\nyellow,6.5,3.4,\"a, \"\"b\"\"\"\nwhite,2.5,?,\n";

#[test]
fn a_table_of_answers_has_the_columns_of_the_input_and_behind_them_the_answers() {
    let (folder, model) = place();
    let (at, flowers) = (folder.path(), model("flowers"));
    write(&at.join("new.csv"), NEW);
    let said = plexus(at, ["predict", &flowers, "new.csv", "--out", "answers.csv"]).well();
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("answers.csv: 2 answers\n", ""));
    let (header, rows) = read(&at.join("answers.csv"));
    assert_eq!(header, ["color", "length", "width", "note", "prediction", "probability"]);
    assert_eq!(rows[0][..4], ["yellow", "6.5", "3.4", "a, \"b\""]);
    assert_eq!(rows[1][..4], ["white", "2.5", "?", ""]);
    let json = plexus(at, ["predict", &flowers, "new.csv", "--json"]).well().json_lines();
    for (row, answer) in rows.iter().zip(&json) {
        assert_eq!(answer["label"], row[4]);
        let probability: f32 = row[5].parse().expect("a number");
        assert_eq!(answer["probability"].as_f64().expect("a number") as f32, probability);
    }
    // The same on standard output, and with every probability.
    let printed = plexus(at, ["predict", &flowers, "new.csv", "--format", "csv"]).well().stdout;
    assert_eq!(printed.as_bytes(), std::fs::read(at.join("answers.csv")).expect("it is there"));
    let all = plexus(at, ["predict", &flowers, "new.csv", "--format", "csv", "--probabilities"]).well().stdout;
    let (header, rows) = table(all.as_bytes());
    assert_eq!(header[6..], ["probability_daisy", "probability_rose, red", "probability_tulip"]);
    for row in &rows {
        let each: Vec<f32> = row[6..].iter().map(|share| share.parse().expect("a number")).collect();
        assert!((each.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
        assert_eq!(row[5].parse::<f32>().expect("a number"), each.iter().copied().fold(0.0, f32::max));
    }
    // By its name the file is lines of JSON, or separated by tabs; and it can be quiet.
    assert_eq!(plexus(at, ["predict", &flowers, "new.csv", "--out", "answers.jsonl", "-q"]).well().stdout, "");
    let lines = std::fs::read_to_string(at.join("answers.jsonl")).expect("it is there");
    assert_eq!(lines, plexus(at, ["predict", &flowers, "new.csv", "--json"]).well().stdout);
    plexus(at, ["predict", &flowers, "new.csv", "--out", "answers.tsv"]).well();
    let tabs = std::fs::read_to_string(at.join("answers.tsv")).expect("it is there");
    assert!(tabs.starts_with("color\tlength\twidth\tnote\tprediction\tprobability\n"), "{tabs}");
}

#[test]
fn numbers_get_a_column_with_the_name_of_the_target() {
    let (folder, model) = place();
    let at = folder.path();
    write(&at.join("new.csv"), houses(5));
    plexus(at, ["predict", &model("houses"), "new.csv", "--out", "answers.csv"]).well();
    let (header, rows) = read(&at.join("answers.csv"));
    assert_eq!(header, ["area", "rooms", "street", "price", "price_predicted"]);
    let json = plexus(at, ["predict", &model("houses"), "new.csv", "--json"]).well().json_lines();
    for (row, answer) in rows.iter().zip(&json) {
        let predicted: f32 = row[4].parse().expect("a number");
        assert_eq!(answer["outputs"]["price"].as_f64().expect("a number") as f32, predicted);
        assert!(predicted.is_finite() && row[3].parse::<f32>().is_ok());
    }
    assert_eq!((rows.len(), json.len()), (5, 5));
}

#[test]
fn a_name_that_is_taken_is_not_used_again() {
    let (folder, model) = place();
    let text = "prediction,length,width,color,probability,probability_2\nx,6.5,3.4,red,y,z\n";
    let args = ["predict", &model("flowers"), "--format", "csv"];
    let (header, rows) = table(plexus_reads(folder.path(), args, text.as_bytes()).well().stdout.as_bytes());
    assert_eq!(header[6..], ["prediction_2", "probability_3"]);
    assert_eq!(rows[0][..6], ["x", "6.5", "3.4", "red", "y", "z"]);
}

#[test]
fn rows_that_are_no_table_have_their_name_as_a_column() {
    let (folder, model) = place();
    let (at, flowers) = (folder.path(), model("flowers"));
    let json =
        "[{\"length\": 2.5, \"width\": 5.4, \"color\": \"white\"}, {\"length\": 8, \"width\": 3, \"color\": null}]";
    let (header, rows) = table(plexus(at, ["predict", &flowers, json, "--format", "csv"]).well().stdout.as_bytes());
    assert_eq!(header, ["input", "prediction", "probability"]);
    let answers = plexus(at, ["predict", &flowers, json, "--json"]).well().json_lines();
    for (index, (row, answer)) in rows.iter().zip(&answers).enumerate() {
        assert_eq!((&row[0], &answer["label"]), (&format!("the input row {}", index + 1), &row[1].as_str().into()));
    }
    assert_eq!((rows.len(), answers.len()), (2, 2));
    let source = format!("csv:{}", trained().join("flowers.csv").display());
    let args = ["predict", &flowers, "--data", &source, "--row", "3", "--format", "csv"];
    let (header, rows) = table(plexus(at, args).well().stdout.as_bytes());
    assert_eq!((header[3].as_str(), rows.len()), ("true", 1));
    assert!(["daisy", "rose, red", "tulip"].contains(&rows[0][3].as_str()), "{rows:?}");
}

#[test]
fn what_is_piped_in_needs_no_name() {
    let (folder, model) = place();
    let (at, flowers) = (folder.path(), model("flowers"));
    for text in [NEW, "[[6.5, 3.4, 0, 0, 0, 1]]", " {\"length\": 8, \"width\": 3, \"color\": \"red\"}\n"] {
        let named = plexus_reads(at, ["predict", &flowers, "-", "--json"], text.as_bytes()).well();
        let piped = plexus_reads(at, ["predict", &flowers, "--json"], text.as_bytes()).well();
        assert_eq!(named.stdout, piped.stdout);
        assert!(piped.json_lines()[0]["input"].as_str().is_some_and(|name| name.starts_with("standard input row 1")));
    }
    // What is named is read, whatever is piped in.
    let named =
        plexus_reads(at, ["predict", &flowers, "{\"length\": 8, \"width\": 3, \"color\": \"red\"}"], b"noise").well();
    assert_eq!(named.stdout.lines().count(), 1);
}

#[test]
fn a_large_table_has_the_answers_of_its_rows_alone() {
    let (folder, model) = place();
    let (at, flowers_model) = (folder.path(), model("flowers"));
    let text = flowers(2500);
    write(&at.join("many.csv"), &text);
    plexus(at, ["predict", &flowers_model, "many.csv", "--out", "answers.csv"]).well();
    let (_, rows) = read(&at.join("answers.csv"));
    assert_eq!(rows.len(), 2500);
    let printed = plexus(at, ["predict", &flowers_model, "many.csv", "--format", "csv"]).well().stdout;
    assert!(table(printed.as_bytes()).1 == rows);
    let lines: Vec<&str> = text.lines().collect();
    for row in [0, 1023, 1024, 2047, 2048, 2499] {
        let alone = format!("{}\n{}\n", lines[0], lines[row + 1]);
        let alone = plexus_reads(at, ["predict", &flowers_model, "--format", "csv"], alone.as_bytes()).well().stdout;
        assert_eq!(table(alone.as_bytes()).1[0], rows[row], "row {row}");
    }
}

#[test]
fn a_row_that_does_not_read_leaves_no_answers() {
    let (folder, model) = place();
    let (at, flowers_model) = (folder.path(), model("flowers"));
    write(&at.join("bad.csv"), format!("{}long,1,red,daisy\n", flowers(2500)));
    write(&at.join("answers.csv"), "the answers of yesterday");
    for extra in [&["--out", "answers.csv"][..], &["--format", "csv"], &["--json"], &[]] {
        let refused = plexus(at, ["predict", &flowers_model, "bad.csv"].iter().copied().chain(extra.iter().copied()));
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{extra:?}");
        assert!(refused.stderr.contains("bad.csv, line 2502, column \"length\""), "{}", refused.stderr);
    }
    let names = program::files_in(at);
    assert_eq!(names.keys().collect::<Vec<_>>(), [Path::new("answers.csv"), Path::new("bad.csv")]);
    assert_eq!(names[Path::new("answers.csv")], b"the answers of yesterday");
}

#[test]
fn a_threshold_decides_between_two_classes() {
    let (folder, model) = place();
    let (at, two) = (folder.path(), model("two"));
    let rows: Vec<String> = flowers(90).lines().filter(|row| !row.ends_with("tulip")).map(String::from).collect();
    let answers = |threshold: &str| {
        let args = ["predict", &two, "--format", "csv", "--probabilities", "--threshold", threshold];
        table(plexus_reads(at, args, rows.join("\n").as_bytes()).well().stdout.as_bytes()).1
    };
    // length, width, color, kind, prediction, probability, that of daisy, that of rose.
    let of_rose = |row: &[String]| row[7].parse::<f32>().expect("a number");
    let mut shares: Vec<f32> = answers("0.5").iter().map(|row| of_rose(row)).collect();
    shares.sort_by(f32::total_cmp);
    let between = shares[shares.len() / 3];
    for threshold in [0.0, between, 1.0] {
        for row in answers(&threshold.to_string()) {
            let wanted = if of_rose(&row) >= threshold { ("rose, red", &row[7]) } else { ("daisy", &row[6]) };
            assert_eq!((row[4].as_str(), &row[5]), wanted, "{threshold}: {row:?}");
        }
    }
    assert!(answers("0").iter().all(|row| row[4] == "rose, red"));
    let roses = answers(&between.to_string()).iter().filter(|row| row[4] == "rose, red").count();
    assert!(roses > 0 && roses < rows.len() - 1, "{roses}");
    // In the other forms the answer stands first.
    let line = rows[1].as_str();
    let text = plexus_reads(at, ["predict", &two, "-", "--header", "no", "--threshold", "0"], line.as_bytes()).well();
    assert!(text.stdout.starts_with("standard input row 1: rose, red "), "{}", text.stdout);
    let json =
        plexus_reads(at, ["predict", &two, "-", "--header", "no", "--threshold", "0", "--json"], line.as_bytes());
    assert_eq!(json.well().last_json()["label"], "rose, red");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let (folder, model) = place();
    let (at, flowers, houses) = (folder.path(), model("flowers"), model("houses"));
    write(&at.join("new.csv"), NEW);
    write(&at.join("other.csv"), "color,length,width\nyellow,6.5,3.4\n");
    let before = program::files_in(at);
    let row = "{\"length\": 8, \"width\": 3, \"color\": \"red\"}";
    let house = "{\"area\": 8, \"rooms\": 3, \"street\": \"side\"}";
    let cases: [(&[&str], &[&str]); 10] = [
        (&[&flowers, "new.csv", "other.csv", "--out", "a.csv"], &["other.csv has other columns than new.csv"]),
        (&[&flowers, "new.csv", row, "--format", "csv"], &["the input has other columns than new.csv"]),
        (&[&flowers, "new.csv", "--out", "new.csv"], &["--out new.csv is an input itself"]),
        (&[&flowers, "new.csv", "--out", "no/a.csv"], &["cannot save no/a.csv"]),
        (&[&flowers, row, "--threshold", "0.5"], &["--threshold is for two classes", "knows 3"]),
        (&[&houses, house, "--threshold", "0.5"], &["--threshold is for two classes", "numbers"]),
        (&[&houses, house, "--probabilities"], &["--probabilities is for classes"]),
        (&[&flowers, row, "--threshold", "1.5"], &["expected a number from 0 to 1"]),
        (&[&flowers, row, "--format", "csv", "--json"], &["--format", "--json"]),
        (&[&flowers, row, "--format", "table"], &["text, json, csv"]),
    ];
    for (args, says) in cases {
        let refused = plexus(at, ["predict"].iter().chain(args));
        let wanted = if args.contains(&"no/a.csv") { 1 } else { 2 };
        assert_eq!(refused.code, Some(wanted), "{args:?}: {}", refused.stderr);
        for words in says {
            assert!(refused.stderr.contains(words), "{args:?}: {}", refused.stderr);
        }
        assert!(program::files_in(at) == before, "{args:?} left something behind");
    }
}

#[test]
fn tables_of_the_same_columns_become_one() {
    let (folder, model) = place();
    let at = folder.path();
    write(&at.join("a.csv"), NEW);
    write(&at.join("b.csv"), NEW);
    plexus(at, ["predict", &model("flowers"), "a.csv", "b.csv", "--out", "answers.csv"]).well();
    let (_, rows) = read(&at.join("answers.csv"));
    assert!(rows.len() == 4 && rows[..2] == rows[2..], "{rows:?}");
}

#[test]
fn rounded_weights_change_answers_a_little() {
    let (folder, model) = place();
    let (at, houses) = (folder.path(), model("houses"));
    let answers = |more: &[&str]| -> Vec<f64> {
        let table = trained().join("houses.csv").display().to_string();
        let args = [&["predict", &houses, &table, "--format", "csv"], more].concat();
        let (header, rows) = self::table(plexus(at, args).well().stdout.as_bytes());
        let column = header.iter().position(|name| name.ends_with("_predicted")).expect("a column of answers");
        rows.iter().map(|row| row[column].parse().expect("a number")).collect()
    };
    let exact = answers(&[]);
    let mean = exact.iter().sum::<f64>() / exact.len() as f64;
    let variance = exact.iter().map(|answer| (answer - mean).powi(2)).sum::<f64>();
    let mut before = 0.0;
    for (format, most) in [("bf16", 0.01), ("int8", 0.03), ("int4", 0.4)] {
        let rounded = answers(&["--weights", format]);
        let error = exact.iter().zip(&rounded).map(|(one, other)| (one - other).powi(2)).sum::<f64>();
        let error = (error / variance).sqrt();
        assert!(error > before && error < most, "{format}: {error}");
        before = error;
    }
    let told = plexus(at, ["predict", &houses, "x.csv", "--weights", "int2"]);
    assert_eq!(told.code, Some(2));
    assert!(["int2", "bf16", "int8", "int4"].iter().all(|word| told.stderr.contains(word)), "{}", told.stderr);
    let said = plexus(trained(), ["evaluate", "houses", "--weights", "int8"]).well().stdout;
    assert!(said.contains("RMSE"), "{said}");
}
