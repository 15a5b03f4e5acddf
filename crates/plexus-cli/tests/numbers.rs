//! Honest numbers beside the score: baselines, curves, thresholds, calibration, importance, pictures.
//!
//! What `evaluate` says is computed here a second time, from the answers of `predict`, in the plainest way.

mod program;

use program::{Dice, files_in, plexus, write};
use serde_json::Value;
use std::path::Path;
use std::sync::OnceLock;

/// Payments: one in twelve is fraud. Amount and country say something about it, noise does not.
fn payments(rows: usize, seed: u64) -> String {
    let mut dice = Dice(seed);
    let mut text = "amount,country,noise,fraud\n".to_string();
    for _ in 0..rows {
        let is_fraud = dice.below(12) == 0;
        // A sum of four is near enough to a bell.
        let amount = (0..4).map(|_| dice.share()).sum::<f64>() + if is_fraud { 0.8 } else { 0.0 };
        let country = ["at", "ch", "de"][if is_fraud { dice.below(2) + 1 } else { dice.below(3) } as usize];
        text += &format!("{amount:.3},{country},{:.3},{}\n", dice.share(), if is_fraud { "yes" } else { "no" });
    }
    text
}

/// Houses whose price hangs on the area, and on nothing else.
fn prices(rows: usize, seed: u64) -> String {
    let mut dice = Dice(seed);
    let mut text = "area,number,price in M€\n".to_string();
    for _ in 0..rows {
        let (area, noise) = (0.5 + dice.share(), 0.2 * (dice.share() - 0.5));
        text += &format!("{area:.3},{},{:.3}\n", dice.below(90), 2.0 * area + noise);
    }
    text
}

/// A folder with models of payments (plain, and with balanced weights) and of prices, trained once.
fn trained() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let at = folder.path();
            write(&at.join("payments.csv"), payments(900, 3));
            write(&at.join("prices.csv"), prices(200, 4));
            let common = ["--network", "mlp:16", "--epochs", "40", "--lr", "0.01", "--batch", "32"];
            let train = |options: &[&str]| {
                plexus(at, ["train", "--json"].iter().chain(options).chain(&common)).well();
            };
            train(&["--data", "csv:payments.csv", "--out", "plain"]);
            train(&["--data", "csv:payments.csv", "--out", "balanced", "--class-weights", "balanced"]);
            train(&["--data", "csv:prices.csv", "--out", "prices"]);
            train(&["--data", "csv:payments.csv", "--out", "sigmoid", "--loss", "binary_cross_entropy"]);
            train(&["--data", "csv:payments.csv", "--out", "squares", "--loss", "mean_squared_error"]);
            folder
        })
        .path()
}

/// What `evaluate` says of all rows of a table.
fn evaluate(model: &str, table: &str, options: &[&str]) -> Value {
    let (model, data) = (format!("{model}/model.safetensors"), format!("csv:{table}"));
    let args = ["evaluate", &model, "--data", &data, "--part", "all", "--json"];
    plexus(trained(), args.iter().chain(options)).well().last_json()
}

/// The same as text.
fn evaluate_text(model: &str, table: &str, options: &[&str]) -> String {
    let (model, data) = (format!("{model}/model.safetensors"), format!("csv:{table}"));
    let args = ["evaluate", &model, "--data", &data, "--part", "all"];
    plexus(trained(), args.iter().chain(options)).well().stdout
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is a number"))
}

#[track_caller]
fn close(got: &Value, want: f64) {
    assert!((number(got) - want).abs() < 1e-9, "got {got}, want {want}");
}

/// The probability of "yes" of every row, as `predict` gives it, and whether it is "yes".
fn answers(model: &str, table: &str) -> Vec<(f64, bool)> {
    let model = format!("{model}/model.safetensors");
    let lines = plexus(trained(), ["predict", &model, table, "--json", "--top", "2"]).well().json_lines();
    let text = std::fs::read_to_string(trained().join(table)).expect("the table reads");
    let truth = text.lines().skip(1).map(|line| line.ends_with(",yes"));
    let probability = |line: &Value| {
        let classes = line["top"].as_array().expect("a list");
        let yes = classes.iter().find(|class| class["label"] == "yes").expect("both classes are there");
        // Printed as the shortest decimal of an f32.
        f64::from(number(&yes["probability"]) as f32)
    };
    lines.iter().map(probability).zip(truth).collect()
}

#[test]
fn areas_and_calibration_are_those_of_the_answers() {
    for model in ["plain", "balanced", "sigmoid"] {
        let (said, rows) = (evaluate(model, "payments.csv", &[]), answers(model, "payments.csv"));
        assert_eq!(rows.len(), 900);
        let (yes, no): (Vec<_>, Vec<_>) = rows.iter().partition(|(_, is_yes)| *is_yes);
        // Every pair of one of each.
        let mut ahead = 0.0;
        for (p, _) in &yes {
            for (q, _) in &no {
                ahead += if p > q { 1.0 } else { f64::from(u8::from(p == q)) / 2.0 };
            }
        }
        close(&said["test_roc_auc"], ahead / (yes.len() * no.len()) as f64);
        // The precision at the score of each row that is "yes", in the mean over those rows.
        let precision = |score: f64| {
            let (hits, all) = rows
                .iter()
                .filter(|(p, _)| *p >= score)
                .fold((0.0, 0.0), |(hits, all), (_, is_yes)| (hits + f64::from(u8::from(*is_yes)), all + 1.0));
            hits / all
        };
        close(&said["test_average_precision"], yes.iter().map(|(p, _)| precision(*p)).sum::<f64>() / yes.len() as f64);
        let brier = rows.iter().map(|(p, is_yes)| (p - f64::from(u8::from(*is_yes))).powi(2)).sum::<f64>() / 900.0;
        // `evaluate` takes the mean over both classes; of two independent probabilities the other may differ.
        let tolerance = if model == "sigmoid" { 0.01 } else { 1e-6 };
        assert!((number(&said["test_brier"]) - brier).abs() < tolerance, "{} {brier}", said["test_brier"]);
        // Ten bins; the upper edge belongs to the bin.
        let mut error = 0.0;
        for bin in 0..10 {
            let is_in = |p: f64| p > f64::from(bin) / 10.0 && p <= f64::from(bin + 1) / 10.0;
            let inside: Vec<_> = rows.iter().filter(|(p, _)| is_in(*p)).collect();
            let said_yes: f64 = inside.iter().map(|(p, _)| p).sum();
            error += (said_yes - inside.iter().filter(|(_, is_yes)| *is_yes).count() as f64).abs() / 900.0;
        }
        assert!((number(&said["test_calibration_error"]) - error).abs() < 1e-6, "{said} {error}");
        let bins = said["test_calibration"].as_array().expect("a list");
        assert_eq!(bins.iter().map(|bin| bin["rows"].as_u64().expect("a count")).sum::<u64>(), 900);
        assert_eq!(said["test_positive_class"], "yes");
    }
}

#[test]
fn a_threshold_moves_the_counts_and_the_hint_keeps_its_word() {
    let rows = answers("plain", "payments.csv");
    for threshold in ["0.05", "0.2", "0.9"] {
        let said = evaluate("plain", "payments.csv", &["--threshold", threshold]);
        let least: f64 = threshold.parse().expect("a number");
        let mut counts = [[0u64; 2]; 2];
        rows.iter().for_each(|(p, is_yes)| counts[usize::from(*is_yes)][usize::from(*p >= least)] += 1);
        assert_eq!(said["test_confusion"], serde_json::json!(counts), "{threshold}");
        let (hits, answered, all) = (counts[1][1], counts[0][1] + counts[1][1], counts[1][0] + counts[1][1]);
        let yes = &said["test_classes"][1];
        close(&yes["recall"], hits as f64 / all as f64);
        close(&yes["precision"], if answered == 0 { 0.0 } else { hits as f64 / answered as f64 });
        close(&said["test_threshold"], least);
        close(&said["test_accuracy"], (counts[0][0] + hits) as f64 / 900.0);
    }
    // Without one it is the likelier class.
    let usual = evaluate("plain", "payments.csv", &[]);
    close(&usual["test_threshold"], 0.5);
    let likelier = rows.iter().filter(|(p, is_yes)| (*p > 0.5) == *is_yes).count();
    assert_eq!(usual["test_correct"], likelier);
    // The best threshold really has the F1 that is promised, and nothing among many others has more.
    let text = evaluate_text("plain", "payments.csv", &[]);
    let hint = text.lines().find(|line| line.starts_with("hint: --threshold ")).expect("another is clearly better");
    let best = hint.split_whitespace().nth(2).expect("a number");
    let f1 = |threshold: &str| {
        let said = evaluate("plain", "payments.csv", &["--threshold", threshold]);
        number(&said["test_classes"][1]["f1"])
    };
    close(&usual["test_best_f1"]["threshold"], best.parse().expect("a number"));
    close(&usual["test_best_f1"]["f1"], f1(best));
    assert!(hint.contains(&format!("{:.2} %", 100.0 * f1(best))) && text.contains("these very rows"), "{text}");
    for other in ["0.1", "0.15", "0.25", "0.3", "0.4"] {
        assert!(f1(other) <= f1(best), "{other} beats {best}");
    }
    // At the best threshold there is nothing to hint at.
    let there = evaluate_text("plain", "payments.csv", &["--threshold", best]);
    assert!(!there.contains("hint:") && there.contains(&format!("in use: {best}")), "{there}");
    assert!(there.contains("positive class: \"yes\" (the last)"), "{there}");
}

#[test]
fn scores_that_are_no_probabilities_have_areas_but_no_threshold() {
    let said = evaluate("squares", "payments.csv", &[]);
    assert!(number(&said["test_roc_auc"]) > 0.7 && said["test_threshold"].is_null(), "{said}");
    assert!(said.get("test_calibration_error").is_none() && said.get("test_brier").is_none(), "{said}");
    let text = evaluate_text("squares", "payments.csv", &[]);
    assert!(text.contains("ROC AUC 0.") && !text.contains("threshold") && !text.contains("calibration"), "{text}");
    let args = ["evaluate", "squares/model.safetensors", "--data", "csv:payments.csv", "--threshold", "0.3"];
    let refused = plexus(trained(), args);
    assert!(refused.code == Some(2) && refused.stderr.contains("no probabilities"), "{}", refused.stderr);
    // Two probabilities by themselves: a threshold for the last.
    let said = evaluate("sigmoid", "payments.csv", &["--threshold", "0.2"]);
    let rows = answers("sigmoid", "payments.csv");
    let hits = rows.iter().filter(|(p, is_yes)| *is_yes && *p >= 0.2).count();
    assert_eq!(said["test_confusion"][1][1], hits);
}

#[test]
fn the_baseline_stands_beside_the_score() {
    let text = std::fs::read_to_string(trained().join("payments.csv")).expect("the table reads");
    let no = text.lines().filter(|line| line.ends_with(",no")).count();
    let said = evaluate("plain", "payments.csv", &[]);
    close(&said["test_baseline_accuracy"], no as f64 / 900.0);
    assert_eq!(said["test_most_frequent_class"], "no");
    assert_eq!(said["test_better_than_baseline"], number(&said["test_accuracy"]) > no as f64 / 900.0);
    let scores = said["test_classes"].as_array().expect("a list");
    let recalls: f64 = scores.iter().map(|score| number(&score["recall"])).sum();
    close(&said["test_balanced_accuracy"], recalls / 2.0);

    let text = std::fs::read_to_string(trained().join("prices.csv")).expect("the table reads");
    let column = text.lines().skip(1).map(|line| line.rsplit(',').next().expect("a price"));
    let prices: Vec<f64> = column.map(|price| f64::from(price.parse::<f32>().expect("a number"))).collect();
    let mean = prices.iter().sum::<f64>() / 200.0;
    let said = evaluate("prices", "prices.csv", &[]);
    let deviation = (prices.iter().map(|price| (price - mean).powi(2)).sum::<f64>() / 200.0).sqrt();
    assert!((number(&said["test_baseline_rmse"]) - deviation).abs() < 1e-6, "{said} {deviation}");
    // R² says the same in another way.
    let explained = 1.0 - (number(&said["test_rmse"]) / deviation).powi(2);
    assert!((number(&said["test_r2"]) - explained).abs() < 1e-6, "{said} {explained}");
    let text = evaluate_text("prices", "prices.csv", &[]);
    assert!(text.contains("baseline: RMSE") && text.contains("always answering the mean, R2 0"), "{text}");
}

#[test]
fn a_model_that_is_no_better_than_the_baseline_is_warned_about() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    let mut dice = Dice(8);
    // Columns that say nothing at all.
    let rows = (0..120).map(|row| format!("{:.3},{}\n", dice.share(), if row % 4 == 0 { "a" } else { "b" }));
    write(&at.join("classes.csv"), format!("x,kind\n{}", rows.collect::<String>()));
    let rows = (0..120).map(|_| format!("{:.3},{:.3}\n", dice.share(), 1e3 * dice.share()));
    write(&at.join("values.csv"), format!("x,height\n{}", rows.collect::<String>()));
    let train = |data: &str, options: &[&str]| {
        let data = format!("csv:{data}.csv");
        let args = ["train", "--data", &data, "--network", "mlp:", "--epochs", "1", "--lr", "1e-7"];
        plexus(at, args.iter().chain(options)).well().stdout
    };
    let report = train("classes", &["--out", "classes"]);
    assert!(report.contains("Baseline  accuracy") && report.contains("always answering \"b\""), "{report}");
    assert!(report.contains("Warning   ") && report.contains("no better than always answering"), "{report}");
    let report = train("values", &["--out", "values", "--no-standardize"]);
    assert!(report.contains("Baseline  RMSE") && report.contains("always answering the mean"), "{report}");
    assert!(report.contains("no better than always answering the mean of height"), "{report}");
    let said = plexus(at, ["evaluate", "values/model.safetensors", "--data", "csv:values.csv", "--json"]).well();
    assert_eq!(said.last_json()["test_better_than_baseline"], false);
    // A good model is not.
    let text = evaluate_text("prices", "prices.csv", &[]);
    assert!(!text.contains("warning"), "{text}");
    // Weights for a rare class cost accuracy; that is said as what it is.
    let text = evaluate_text("balanced", "payments.csv", &[]);
    assert!(text.contains("does tell the classes apart: balanced accuracy"), "{text}");
}

#[test]
fn balanced_class_weights_find_more_of_a_rare_class() {
    let recall = |model| number(&evaluate(model, "payments.csv", &[])["test_classes"][1]["recall"]);
    let (plain, balanced) = (recall("plain"), recall("balanced"));
    assert!(balanced > plain + 0.3, "recall of \"yes\": {plain} without, {balanced} with balanced weights");
    // rows / (classes · rows of the class), of the rows that are learnt from.
    let run = std::fs::read_to_string(trained().join("balanced/run.json")).expect("the settings read");
    let run: Value = serde_json::from_str(&run).expect("JSON");
    let weights = run["settings"]["objectives"][0]["loss"]["class_weights"].as_array().expect("a list");
    let (no, yes) = (number(&weights[0]), number(&weights[1]));
    assert!((0.5 / no + 0.5 / yes - 1.0).abs() < 1e-6 && yes > 4.0 && no < 0.6, "{no} {yes}");
}

#[test]
fn importance_puts_the_columns_that_matter_first() {
    let said = evaluate("prices", "prices.csv", &["--importance"]);
    let columns = said["test_importance"].as_array().expect("a list");
    assert_eq!((&columns[0]["column"], &columns[1]["column"]), (&"area".into(), &"number".into()));
    assert_eq!((columns.len(), columns[0]["values"].as_array().map(Vec::len)), (2, Some(5)));
    // Shuffled areas are as good as none: the error rises to more than the spread of the prices.
    assert!(number(&columns[0]["mean"]) > number(&said["test_baseline_rmse"]) / 2.0, "{said}");
    assert!(number(&columns[0]["r2_mean"]) > 1.0 && number(&columns[1]["r2_mean"]).abs() < 0.2, "{said}");
    let usual = number(&said["test_rmse"]);
    let values: Vec<f64> = columns[0]["values"].as_array().expect("a list").iter().map(number).collect();
    let fall = values.iter().map(|rise| ((usual + rise).powi(2) - usual.powi(2)) / 5.0).sum::<f64>();
    close(&columns[0]["r2_mean"], fall / number(&said["test_baseline_rmse"]).powi(2));
    close(&columns[0]["mean"], values.iter().sum::<f64>() / 5.0);
    // Measuring it changes nothing else, and the seed is fixed.
    let without = evaluate("prices", "prices.csv", &[]);
    assert_eq!(said["test_rmse"], without["test_rmse"]);
    assert_eq!(said, evaluate("prices", "prices.csv", &["--importance"]));

    let said = evaluate("balanced", "payments.csv", &["--importance"]);
    let columns = said["test_importance"].as_array().expect("a list");
    let names: Vec<&str> = columns.iter().map(|column| column["column"].as_str().expect("a name")).collect();
    assert_eq!(names.len(), 3);
    let means: Vec<f64> = columns.iter().map(|column| number(&column["mean"])).collect();
    assert!(means.is_sorted_by(|a, b| a >= b), "{means:?}");
    let text = evaluate_text("balanced", "payments.csv", &["--importance"]);
    for (name, mean) in names.iter().zip(&means) {
        let shown = format!("{:.2}", 100.0 * mean);
        let row = text.lines().find(|line| line.trim_start().starts_with(name) && line.contains(&shown));
        assert!(row.is_some(), "{name} {shown} in\n{text}");
    }
    // With a threshold it is the accuracy at this threshold that falls.
    let at = evaluate("balanced", "payments.csv", &["--importance", "--threshold", "0.95"]);
    assert_ne!(at["test_importance"], said["test_importance"]);
}

#[test]
fn every_picture_is_there_light_and_dark() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let draw = |name: &str, model: &str, table: &str, options: &[&str]| {
        let to = folder.path().join(name);
        let pictures = ["--pictures", to.to_str().expect("UTF-8")];
        evaluate(model, table, &[&pictures, options].concat());
        files_in(&to)
    };
    let of_classes = ["calibration", "confusion-matrix", "importance", "precision-recall", "roc"];
    let light = draw("light", "plain", "payments.csv", &["--importance"]);
    let names: Vec<String> = light.keys().map(|name| name.display().to_string()).collect();
    let wanted: Vec<String> =
        of_classes.iter().flat_map(|name| [format!("{name}.png"), format!("{name}.svg")]).collect();
    assert_eq!(names, wanted);
    let dark = draw("dark", "plain", "payments.csv", &["--importance", "--dark"]);
    for (name, contents) in &light {
        let shown = name.display().to_string();
        if shown.ends_with("png") {
            assert!(contents.starts_with(b"\x89PNG\r\n") && *contents != dark[name], "{shown}");
        } else {
            let text = std::str::from_utf8(contents).expect("UTF-8");
            assert!(text.starts_with("<svg") && text.contains("prefers-color-scheme: dark"), "{shown}");
            assert!(*contents == dark[name], "{shown}: one file for both");
        }
    }
    let found = draw("prices", "prices", "prices.csv", &[]);
    let names: Vec<String> = found.keys().map(|name| name.display().to_string()).collect();
    assert_eq!(names, ["predictions.png", "predictions.svg", "residuals.png", "residuals.svg"]);
    for name in ["predictions.svg", "residuals.svg"] {
        let text = std::str::from_utf8(&found[Path::new(name)]).expect("UTF-8");
        for wanted in ["price in M€, predicted", "RMSE", "R² 0.9", "200 rows"] {
            assert!(text.contains(wanted), "{wanted} in {name}");
        }
    }
    // Training leaves the same pictures.
    for (run, name) in [("plain", "roc.svg"), ("plain", "calibration.png"), ("prices", "residuals.svg")] {
        assert!(trained().join(run).join(name).is_file(), "{run} {name}");
    }
}

#[test]
fn pictures_of_many_rows_are_small_files() {
    write(&trained().join("many.csv"), prices(20_000, 5));
    let to = tempfile::tempdir().expect("a temporary folder");
    evaluate("prices", "many.csv", &["--pictures", to.path().to_str().expect("UTF-8")]);
    for (name, contents) in files_in(to.path()) {
        assert!(contents.len() < 1_500_000, "{}: {} bytes", name.display(), contents.len());
    }
    let text = std::fs::read_to_string(to.path().join("predictions.svg")).expect("it reads");
    assert!(text.contains("of which a sample of 2000 is drawn"));
}

#[test]
fn one_row_one_class_and_a_constant_target_are_measured_and_said() {
    let to = tempfile::tempdir().expect("a temporary folder");
    let pictures = ["--pictures", to.path().to_str().expect("UTF-8"), "--importance"];
    write(&trained().join("one.csv"), "amount,country,noise,fraud\n2.0,de,0.5,yes\n");
    let said = evaluate("plain", "one.csv", &pictures);
    assert!(said["test_roc_auc"].is_null() && said["test_average_precision"] == 1.0, "{said}");
    assert_eq!(said["test_baseline_accuracy"], 1.0);
    let text = evaluate_text("plain", "one.csv", &["--importance"]);
    assert!(text.contains("All rows measured are \"yes\"") && text.contains("ROC AUC not defined"), "{text}");

    write(&trained().join("good.csv"), "amount,country,noise,fraud\n2.0,de,0.5,no\n1.0,xx,,no\n2.5,at,0.1,no\n");
    let said = evaluate("plain", "good.csv", &pictures);
    assert!(said["test_roc_auc"].is_null() && said["test_average_precision"].is_null(), "{said}");
    assert_eq!(said.get("test_best_f1"), None);
    let text = evaluate_text("plain", "good.csv", &["--threshold", "0.5"]);
    assert!(text.contains("All rows measured are \"no\"") && !text.contains("hint"), "{text}");

    write(&trained().join("same.csv"), "area,number,price in M€\n0.8,1,1.5\n0.9,2,1.5\n1.0,3,1.5\n");
    let said = evaluate("prices", "same.csv", &pictures);
    assert_eq!((&said["test_baseline_rmse"], &said["test_r2"]), (&0.0.into(), &0.0.into()));
    assert!(said["test_importance"][0]["r2_mean"].is_null(), "{said}");
    let text = evaluate_text("prices", "same.csv", &["--importance"]);
    assert!(text.contains("have the same price in M€"), "{text}");
    write(&trained().join("one-price.csv"), "area,number,price in M€\n0.8,1,1.5\n");
    assert_eq!(evaluate("prices", "one-price.csv", &pictures)["rows"], 1);
}

#[test]
fn more_than_two_classes_have_a_mean_area_and_calibration_of_the_answer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let train = ["train", "--network", "mlp:32", "--epochs", "6", "--lr", "0.01", "--out", "run", "--json"];
    let trained = plexus(folder.path(), train).well().last_json();
    let said = plexus(folder.path(), ["evaluate", "run/model.safetensors", "--json"]).well().last_json();
    for key in ["test_macro_roc_auc", "test_brier", "test_calibration_error", "test_balanced_accuracy"] {
        assert_eq!(said[key], trained[key], "{key}");
        assert!((0.0..=1.0).contains(&number(&said[key])), "{key}");
    }
    assert!(number(&said["test_macro_roc_auc"]) > 0.97 && said.get("test_roc_auc").is_none(), "{said}");
    // The mean probability of the answers, and the share that is right, are those of the bins together.
    let bins = said["test_calibration"].as_array().expect("a list");
    let total = |key: &str| bins.iter().map(|bin| number(&bin["rows"]) * number(&bin[key])).sum::<f64>();
    assert!((total("observed") - number(&said["test_correct"])).abs() < 1e-6, "{said}");
    let text = plexus(folder.path(), ["evaluate", "run/model.safetensors"]).well().stdout;
    for words in ["baseline: accuracy", "mean: 0.9", "share that is right", "balanced accuracy"] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    assert!(!text.contains("threshold") && text.lines().all(|line| line.chars().count() <= 110), "{text}");
}
