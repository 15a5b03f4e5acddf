//! Tables as people have them: what is found in their columns, targets in their own unit, the split that belongs to the
//! model.

mod program;

use program::{Dice, Outcome, command, flowers, houses, outcome, plexus, write};
use std::path::Path;

fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, contents) in files {
        write(&folder.path().join(name), contents);
    }
    folder
}

/// Trains in a folder, with arguments cut at blanks.
fn train(folder: &Path, args: &str) -> Outcome {
    plexus(folder, format!("train {args}").split_whitespace()).well()
}

fn number(line: &serde_json::Value, key: &str) -> f64 {
    line[key].as_f64().unwrap_or_else(|| panic!("{key} in {line}"))
}

/// A message of a command that fails.
fn refusal(folder: &Path, args: &str) -> String {
    let outcome = plexus(folder, args.split_whitespace());
    assert_eq!(outcome.code, Some(2), "{args}: {}{}", outcome.stdout, outcome.stderr);
    outcome.stderr
}

/// Salaries: above zero, each step of rank a factor; far from zero, and skewed.
fn salaries(rows: usize) -> String {
    let mut dice = Dice(3);
    let mut text = "rank,years,salary\n".to_string();
    for _ in 0..rows {
        let (rank, years) = (dice.below(8), dice.below(30));
        let salary = 20_000.0 * 1.8f64.powi(rank as i32) * 1.01f64.powi(years as i32) * (1.0 + 0.02 * dice.share());
        text += &format!("{rank},{years},{salary:.0}\n");
    }
    text
}

#[test]
fn a_number_is_learnt_on_its_own_scale_and_answered_in_its_own_unit() {
    let folder = folder(&[("salaries.csv", salaries(400))]);
    let folder = folder.path();
    let usual = train(folder, "salaries.csv --target salary --out usual --json").last_json();
    assert!(number(&usual, "test_r2") > 0.97, "{usual}");
    let raw = train(folder, "salaries.csv --target salary --target-scale none --out raw --json").last_json();
    assert!(number(&raw, "test_r2") < 0.5, "without a scale, salaries are out of reach: {raw}");
    let log = train(folder, "salaries.csv --target salary --target-scale log --out log --json").last_json();
    assert!(number(&log, "test_r2") > 0.97, "{log}");
    // Answers and errors are in the unit of the target, and carry its name.
    for model in ["usual", "log"] {
        let answer = plexus(folder, ["predict", &format!("{model}/model.safetensors"), "[3, 10]", "--json"]).well();
        let salary = number(&answer.last_json()["outputs"], "salary");
        let want = 20_000.0 * 1.8f64.powi(3) * 1.01f64.powi(10) * 1.01;
        assert!((salary / want - 1.0).abs() < 0.15, "{model}: {salary}, not {want}");
    }
    let told = train(folder, "salaries.csv --target salary --epochs 5 --out told").stdout;
    assert!(told.contains("Test      salary: RMSE "), "{told}");
    assert!(
        told.contains("salary is above zero and reaches far above its mean") && told.contains("--target-scale log")
    );
    assert!(
        !train(folder, "salaries.csv --target salary --target-scale log --epochs 5 --out l").stdout.contains("Hint")
    );
}

#[test]
fn quantiles_give_an_interval() {
    let folder = folder(&[("houses.csv", houses(400))]);
    let folder = folder.path();
    let last = train(folder, "houses.csv --loss quantile:0.1,0.5,0.9 --out run --json").last_json();
    let coverage = number(&last, "test_interval_coverage");
    assert!((0.5..=1.0).contains(&coverage) && number(&last, "test_r2") > 0.9, "{last}");
    let answer = plexus(
        folder,
        ["predict", "run/model.safetensors", r#"{"area": 100, "rooms": 3, "street": "main"}"#, "--json"],
    );
    let outputs = answer.well().last_json()["outputs"].clone();
    let quantiles = ["price q0.1", "price q0.5", "price q0.9"].map(|name| number(&outputs, name));
    assert!(quantiles.is_sorted() && (quantiles[1] - 230.5).abs() < 30.0, "{outputs}");
    let told = plexus(folder, ["evaluate", "run/model.safetensors"]).well().stdout;
    assert!(told.contains("lie between the quantiles 0.1 and 0.9 ") && told.contains("(wanted 80.00 %)"), "{told}");
    let loss = |loss: &str| refusal(folder, &format!("train houses.csv --out x --loss {loss}"));
    assert!(loss("quantile:0.9,0.1").contains("rising numbers between 0 and 1"));
    assert!(loss("quantile:a").contains("take numbers, as quantile:0.1,0.5,0.9"));
    assert!(loss("mean_squared_error:3").contains("only quantile and huber take numbers"));
    train(folder, "houses.csv --loss huber:0.5 --epochs 3 --out huber");
}

/// A table with everything odd in it.
fn odd(rows: usize) -> String {
    let mut dice = Dice(4);
    let mut text = ",name,sold,share,fee,same,color,code,left,y\n".to_string();
    for row in 0..rows {
        let (share, fee) = (dice.below(90), dice.below(5000));
        let color = ["red", "blue", "n/a", "unknown"][dice.below(4) as usize];
        let class = if share > 45 { "high" } else { "low" };
        let code = if share > 45 { "H" } else { "L" };
        let left = if row % 3 == 0 { "7" } else { "" };
        let day = format!("2024-{:02}-{:02}", 1 + row % 12, 1 + row % 28);
        let fee = format!("\"${},{:03}\"", 1 + fee / 1000, fee % 1000);
        text += &format!("{row},person {row},{day},{share} %,{fee},x,{color},{code},{left},{class}\n");
    }
    text
}

#[test]
fn columns_are_listed_with_what_was_done_and_what_to_look_at() {
    let folder = folder(&[("odd.csv", odd(200))]);
    let folder = folder.path();
    let told = train(folder, "odd.csv --epochs 2 --out run").stdout;
    for words in [
        "left out: row number",
        "left out: names, not categories",
        "dates as year, month, weekday, days",
        "left out: always the same",
        "200 texts",
        "Look at   name: nearly every text is another; --as name=category uses it",
        "Look at   share: numbers written as text, such as",
        "Look at   fee: numbers written as text",
        "Look at   code: alone tells all classes apart",
        "the target",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
    assert!(told.find("column") < told.find("Training"), "the list comes before the training");
    assert!(told.lines().all(|line| line.chars().count() <= 200));
    let start = train(folder, "odd.csv --epochs 2 --out json --json").json_lines().remove(0);
    let columns = start["table"]["columns"].as_array().expect("a list of columns");
    let name = columns.iter().find(|column| column["name"] == "name").expect("it is there");
    assert_eq!(name["warnings"], serde_json::json!(["nearly every text is another; --as name=category uses it"]));
    let color = columns.iter().find(|column| column["name"] == "color").expect("it is there");
    assert!(number(color, "missing") > 20.0, "n/a is missing: {color}");

    // Wishes go before what is found, and the model keeps them.
    let wishes = "--drop code,left --as name=category --as sold=text-ignored --as share=category --na unknown --rare 3";
    let told = train(folder, &format!("odd.csv --epochs 2 --out wished {wishes}")).stdout;
    assert!(told.contains("left out, as asked") && !told.contains("Look at   code"), "{told}");
    assert!(told.contains("rare texts share one feature"), "{told}");
    let told = plexus(folder, ["summary", "wished/model.safetensors"]).well().stdout;
    assert!(told.contains("Left out  code: --drop") && told.contains("Left out  sold: --as text-ignored"), "{told}");
    let whole = plexus(folder, ["evaluate", "wished/model.safetensors", "--json"]).well().last_json();
    assert_eq!(whole["part"], "test part");
    let only = train(folder, "odd.csv --epochs 2 --out only --only share --json").last_json();
    assert!(number(&only, "test_accuracy") >= 0.5);
    let answer = plexus(folder, ["predict", "only/model.safetensors", r#"{"share": "80 %"}"#]).well();
    assert!(answer.stdout.contains("high") || answer.stdout.contains("low"));
}

#[test]
fn a_model_says_what_it_takes_and_what_it_was_trained_on() {
    let folder = folder(&[("odd.csv", odd(200)), ("houses.csv", houses(100))]);
    let folder = folder.path();
    train(folder, "odd.csv --epochs 2 --out run --rare 3 --split-seed 4");
    let told = plexus(folder, ["summary", "run/model.safetensors"]).well().stdout;
    for words in [
        "numbers such as $1,200 or 5 %",
        "dates as %Y-%m-%d",
        "Left out  same: always the same",
        "Classes   2: high, low",
        "Target    y, column 10 of the file",
        "Rows      144 learnt from, 16 chose the best weights, 40 held out; odd.csv",
        "Held out  a share of 0.2 of the rows (split seed 4)",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
    train(folder, "houses.csv --epochs 2 --target-scale log --out log");
    let told = plexus(folder, ["summary", "log/model.safetensors"]).well().stdout;
    assert!(told.contains("Outputs   price") && told.contains("the logarithm of the target was learnt"), "{told}");
    let line = plexus(folder, ["summary", "log/model.safetensors", "--json"]).well().last_json();
    assert_eq!(
        (&line["model"]["columns"]["targets"][0]["name"], &line["model"]["split"]["test_rows"]),
        (&"price".into(), &20.into())
    );
}

#[test]
fn rows_without_a_target_and_headers_of_text() {
    let missing = "a,b,y\n1,2,u\n2,1,\n3,5,v\n4,4,NA\n5,2,u\n6,1,v\n7,1,u\n8,8,v\n";
    let text = "color,size,kind\nred,big,cat\nblue,big,dog\nred,small,cat\nblue,small,dog\nred,big,cat\nblue,big,dog\n";
    let numbers = "2019,2020\n1,2\n3,4.5\n5,6\n6,7\n8,9\n";
    let folder = folder(&[("missing.csv", missing.into()), ("text.csv", text.into()), ("years.csv", numbers.into())]);
    let folder = folder.path();
    let message = refusal(folder, "train missing.csv --out x");
    assert!(message.contains("line 3, column \"y\": the target is missing, in 2 rows in all"), "{message}");
    assert!(message.contains("--missing-target drop"));
    let told = train(folder, "missing.csv --missing-target drop --epochs 1 --out dropped").stdout;
    assert!(told.contains("Left out  2 of 8 rows, which have no target"), "{told}");
    // The model knows which rows were left out.
    let known = plexus(folder, ["evaluate", "dropped/model.safetensors", "--json"]).well().last_json();
    assert_eq!((known["part"].as_str(), known["rows"].as_u64()), (Some("test part"), Some(1)));
    // A table of words keeps its header.
    let told = train(folder, "text.csv --epochs 1 --out text").stdout;
    assert!(told.contains("color") && told.contains("2 classes"), "{told}");
    let answer = plexus(folder, ["predict", "text/model.safetensors", r#"{"color": "red", "size": "big"}"#]).well();
    assert!(answer.stdout.contains("cat") && answer.stdout.contains("dog"), "{}", answer.stdout);
    // A name given settles that the first row holds names.
    let told = train(folder, "years.csv --header yes --target 2020 --epochs 1 --out years").stdout;
    assert!(told.contains("2019"), "{told}");
}

#[test]
fn the_length_of_a_run_follows_from_the_rows() {
    let folder = folder(&[("few.csv", flowers(100)), ("many.csv", houses(5000))]);
    let folder = folder.path();
    let told = train(folder, "few.csv --out few").stdout;
    assert!(told.contains("at most 1,000 epochs of 2 steps, ends after 334 without a better one"), "{told}");
    let start = train(folder, "many.csv --steps 100 --out many --json").json_lines().remove(0);
    // 3,600 rows in batches of 64: 57 steps an epoch.
    assert_eq!(start["epochs"], 2);
    assert!(start["patience"].is_null(), "a length that was asked for is kept");
    // Ten rows of validation do not choose the first epoch.
    let last = train(folder, "few.csv --out again --json --seed 3").last_json();
    assert!(number(&last, "best_epoch") >= 50.0, "{last}");
}

#[test]
fn the_model_knows_which_rows_were_held_out() {
    let all = flowers(150);
    let more: String = flowers(400).lines().skip(151).map(|line| format!("{line}\n")).collect();
    let header = all.lines().next().expect("a header").to_string();
    let folder = folder(&[
        ("flowers.csv", all.clone()),
        ("new.csv", format!("{header}\n{more}")),
        ("mixed.csv", format!("{all}{more}")),
    ]);
    let folder = folder.path();
    let trained =
        train(folder, "flowers.csv --split-seed 7 --test-fraction 0.3 --epochs 20 --out run --json").last_json();
    let measure = |args: &str| {
        let args = format!("evaluate run/model.safetensors --json {args}");
        plexus(folder, args.split_whitespace()).well()
    };
    // The rows that training held out, without any option; the same with the file named.
    for args in ["", "--data flowers.csv", "--data csv:flowers.csv --part test"] {
        let known = measure(args).last_json();
        assert_eq!((&known["part"], &known["rows"]), (&"test part".into(), &45.into()), "{args}");
        assert_eq!(known["test_accuracy"], trained["test_accuracy"], "{args}");
        assert!(known["warning"].is_null(), "{known}");
    }
    for (args, rows) in [("--part train", 105), ("--part all", 150)] {
        let seen = measure(args);
        assert!(seen.stderr.contains("warning: the model was trained on 105 of these"), "{}", seen.stderr);
        assert_eq!(seen.last_json()["rows"], rows);
    }
    let new = measure("--data new.csv").last_json();
    assert_eq!((&new["part"], &new["rows"]), (&"all rows".into(), &250.into()));
    assert!(new["warning"].is_null(), "{new}");
    let mixed = measure("--data mixed.csv");
    let told = "about 105 of these 400 rows are equal to rows that the model was trained on";
    assert!(mixed.stderr.contains(told), "{}", mixed.stderr);
    let message = refusal(folder, "evaluate run/model.safetensors --data new.csv --part test");
    assert!(message.starts_with("error: --part is test, but must be left out"), "{message}");
    assert!(message.contains("new.csv is not the data that the model was trained on (flowers.csv)"), "{message}");
}

#[test]
fn test_and_validation_rows_may_be_files_of_their_own() {
    let folder = folder(&[("a.csv", flowers(120)), ("b.csv", houses(5))]);
    let folder = folder.path();
    let other: String = flowers(200)
        .lines()
        .enumerate()
        .filter(|(at, _)| *at == 0 || *at > 120)
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    write(&folder.join("c.csv"), other);
    let started = train(folder, "a.csv --test-data c.csv --epochs 5 --out run --json");
    let (start, last) = (started.json_lines().remove(0), started.last_json());
    assert_eq!((&start["test_rows"], &start["train_rows"]), (&80.into(), &108.into()));
    let measured =
        plexus(folder, ["evaluate", "run/model.safetensors", "--data", "c.csv", "--json"]).well().last_json();
    assert_eq!(measured["test_accuracy"], last["test_accuracy"]);
    let start = train(folder, "a.csv --validation-data c.csv --epochs 5 --out v --json").json_lines().remove(0);
    assert_eq!(
        (&start["train_rows"], &start["validation_rows"], &start["test_rows"]),
        (&96.into(), &80.into(), &24.into())
    );
    let resumed = plexus(folder, ["train", "--resume", "v", "--epochs", "7", "--json"]).well();
    assert_eq!(resumed.json_lines()[0]["validation_rows"], 80);
    let message = refusal(folder, "train a.csv --test-data b.csv --out x");
    assert!(message.contains("b.csv, line 1: no column \"length\""), "{message}");
}

#[test]
fn folds_give_mean_and_spread() {
    let folder = folder(&[("flowers.csv", flowers(60)), ("houses.csv", houses(60))]);
    let folder = folder.path();
    let lines = train(folder, "flowers.csv --folds 3 --epochs 20 --out cv --json").json_lines();
    let folds: Vec<f64> =
        lines.iter().filter(|line| line["event"] == "fold").map(|line| number(line, "test_accuracy")).collect();
    let last = lines.last().expect("a line");
    let mean = folds.iter().sum::<f64>() / 3.0;
    assert_eq!((folds.len(), &last["event"]), (3, &"folds".into()));
    assert!((number(last, "test_accuracy_mean") - mean).abs() < 1e-12 && last["test_accuracy_spread"].is_number());
    // Each row is held out once.
    let held_out: f64 = lines.iter().filter(|line| line["event"] == "fold").map(|line| number(line, "rows")).sum();
    assert_eq!(held_out, 60.0);
    let measured = plexus(folder, ["evaluate", "cv/fold-2/model.safetensors", "--json"]).well().last_json();
    assert_eq!((measured["part"].as_str(), measured["test_accuracy"].as_f64()), (Some("test part"), Some(folds[1])));
    let told = train(folder, "houses.csv --folds 2 --epochs 20 --out houses").stdout;
    assert!(told.contains("Fold 2/2  RMSE ") && told.contains("Mean      RMSE ") && told.contains(" ± "), "{told}");
    assert!(refusal(folder, "train flowers.csv --folds 61 --out x").contains("only 60 rows"));
}

#[test]
fn tables_are_taken_as_people_have_them() {
    let packed = |text: &str| {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).expect("memory takes everything");
        encoder.finish().expect("memory takes everything")
    };
    let text = flowers(60);
    let folder = folder(&[("flowers.csv", text.clone()), ("flowers.data", text.clone())]);
    let folder = folder.path();
    write(&folder.join("flowers.csv.gz"), packed(&text));
    write(&folder.join("flowers.tsv"), houses(60).replace(';', "\t"));
    let mut results = Vec::new();
    for (index, data) in
        ["flowers.csv", "--data flowers.csv", "csv:flowers.csv", "flowers.csv.gz", "flowers.data"].iter().enumerate()
    {
        let last = train(folder, &format!("{data} --epochs 3 --out run{index} --json")).last_json();
        results.push(last["test_loss"].clone());
    }
    assert!(results.iter().all(|loss| *loss == results[0]), "{results:?}");
    train(folder, "flowers.tsv --delimiter tab --epochs 1 --out tab");
    let mut piped = command(folder);
    piped.args(["train", "csv:-", "--epochs", "3", "--out", "piped", "--json"]);
    let piped = outcome(&mut piped, Some(text.as_bytes())).well();
    assert_eq!(piped.last_json()["test_loss"], results[0]);
    let message = refusal(folder, "train --resume piped --epochs 9");
    assert!(message.contains("came from standard input"), "{message}");
}

/// Two models written by the version before columns were described as they are now, and what it said to three rows.
#[test]
fn models_of_the_version_before_open_and_answer_as_they_did() {
    const ROWS: &str =
        "area,garage,age,price,kind\n120.5,None,30,241.3,large\n60,brick,,140.2,small\n99.9,shed,NULL,200,small\n";
    let folder = folder(&[("rows.csv", ROWS.into())]);
    let folder = folder.path();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/models");
    let model = |name: &str| models.join(name).display().to_string();
    let scores = |name: &str, of: &dyn Fn(&serde_json::Value) -> f64| -> Vec<f64> {
        let outcome = plexus(folder, ["predict", &model(name), "rows.csv", "--json"]).well();
        outcome.json_lines().iter().map(of).collect()
    };
    let near = |got: Vec<f64>, want: [f64; 3]| {
        // Another instruction set may round otherwise in the last digit.
        assert!(got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-5), "{got:?} {want:?}");
    };
    let score = |line: &serde_json::Value| number(&line["top"][0], "score");
    near(scores("classes.safetensors", &score), [-0.258_054_05, -0.017_244_17, -0.155_310_3]);
    let price = |line: &serde_json::Value| number(&line["outputs"], "price");
    near(scores("number.safetensors", &price), [-0.668_249_43, -0.466_876_27, -0.639_526_84]);
    // Such a model does not say which rows were held out.
    let measured = plexus(folder, ["evaluate", &model("classes.safetensors"), "--data", "rows.csv", "--json"]).well();
    assert_eq!(measured.last_json()["part"], "all rows");
    let message = refusal(folder, &format!("evaluate {} --data rows.csv --part test", model("classes.safetensors")));
    assert!(message.contains("written by an earlier version"), "{message}");
}
