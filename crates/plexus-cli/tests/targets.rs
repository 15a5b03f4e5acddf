//! Networks of several outputs: tables with several columns to predict, from training to answers.

mod program;

use program::{Dice, Outcome, plexus, write};
use std::path::Path;

/// A class and a number, both told by two columns.
fn offers(rows: usize) -> String {
    let mut dice = Dice(5);
    let mut text = "size,age,kind,price\n".to_string();
    for _ in 0..rows {
        let (size, age) = (dice.below(100) as i64, dice.below(50) as i64);
        let kind = if size > 2 * age { "villa" } else { "hut" };
        text += &format!("{size},{age},{kind},{}\n", 1000 * size - 500 * age + 100_000);
    }
    text
}

const TRUNK: &str = r#"
outputs = ["price", "kind"]
[[layer]]
kind = "linear"
name = "first"
out_features = 24
[[layer]]
kind = "activation"
name = "bent"
function = "relu"
[[layer]]
kind = "linear"
name = "second"
out_features = 24
[[layer]]
kind = "add"
name = "sum"
inputs = ["second", "bent"]
[[layer]]
kind = "linear"
name = "price"
inputs = ["sum"]
out_features = 1
[[layer]]
kind = "linear"
name = "kind"
inputs = ["sum"]
out_features = 2
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("offers.csv"), offers(300));
    write(&folder.path().join("trunk.toml"), TRUNK);
    folder
}

fn run(folder: &Path, args: &str) -> Outcome {
    plexus(folder, args.split_whitespace())
}

const DATA: &str = "train offers.csv --target price --target kind --epochs 60 --lr 0.01";

#[test]
fn a_class_and_a_number_are_learnt_together_and_answered_by_name() {
    let folder = folder();
    let folder = folder.path();
    for (network, out) in [("", "usual"), ("--network trunk.toml", "trunk")] {
        let lines = run(folder, &format!("{DATA} {network} --out {out} --json")).well().json_lines();
        let epoch = lines.iter().rfind(|line| line["event"] == "epoch").expect("there were epochs");
        let parts: Vec<f64> =
            (0..2).map(|output| epoch["outputs"][output]["train_loss"].as_f64().expect("a loss")).collect();
        let sum = epoch["train_loss"].as_f64().expect("a loss");
        assert!((sum - parts[0] - parts[1]).abs() < 1e-9, "{epoch}");
        let finished = &lines[lines.len() - 1]["test_outputs"];
        assert!(finished["price"]["r2"].as_f64().is_some_and(|r2| r2 > 0.95), "{out}: {finished}");
        assert!(finished["kind"]["accuracy"].as_f64().is_some_and(|accuracy| accuracy > 0.9), "{out}: {finished}");

        let model = format!("{out}/model.safetensors");
        let measured = run(folder, &format!("evaluate {model} --data offers.csv --json")).well().last_json();
        assert_eq!(measured["part"], "test part");
        assert_eq!(measured["test_outputs"]["kind"]["accuracy"], finished["kind"]["accuracy"]);
        let text = run(folder, &format!("evaluate {model} --data offers.csv")).well().stdout;
        assert!(text.contains("Output price") && text.contains("Output kind") && text.contains("villa"), "{text}");

        let answer = run(folder, &format!("predict {model} [80,10] --json")).well().last_json();
        let price = answer["outputs"]["price"]["price"].as_f64().expect("a number");
        assert!((price - 175_000.0).abs() < 10_000.0, "{answer}");
        assert_eq!(answer["outputs"]["kind"]["label"], "villa");
        let table = run(folder, &format!("predict {model} offers.csv --format csv")).well().stdout;
        let header = table.lines().next().expect("a header");
        assert_eq!(header, "size,age,kind,price,price_predicted,kind_predicted,kind_probability");
        let text = run(folder, &format!("predict {model} --data offers.csv --row 0")).well().stdout;
        assert!(text.contains("price ") && text.contains("; kind ") && text.contains("(true values: "), "{text}");

        let summary = run(folder, &format!("summary {model}")).well().stdout;
        for line in [
            "Outputs   price, price",
            "Classes   kind, 2: hut, villa",
            "Target    kind, column 3",
            "Target    price, column 4",
        ] {
            assert!(summary.contains(line), "{line} is missing in:\n{summary}");
        }
        assert!(run(folder, &format!("trace {model}")).code == Some(0));
    }
    for picture in ["price-predictions.svg", "kind-confusion-matrix.svg", "kind-roc.png", "learning-curves.svg"] {
        assert!(folder.join("trunk").join(picture).exists(), "{picture}");
    }
}

#[test]
fn a_run_of_two_targets_goes_on_to_the_same_bits() {
    let folder = folder();
    let folder = folder.path();
    let trained = |out: &str, epochs: u32| {
        let args = format!("train offers.csv --target price --target kind --network trunk.toml --epochs {epochs}");
        run(folder, &format!("{args} --schedule constant --out {out}")).well();
    };
    trained("whole", 6);
    trained("part", 3);
    run(folder, "train --resume part --epochs 6").well();
    let model = |out: &str| std::fs::read(folder.join(out).join("model.safetensors")).expect("a model");
    assert!(model("whole") == model("part"));
}

#[test]
fn losses_and_weights_go_to_their_targets() {
    let folder = folder();
    let folder = folder.path();
    run(
        folder,
        &format!("{DATA} --loss price=huber:0.5 --loss-weight price=0.25 --epochs 1 --out w --label-smoothing 0.1")
            .replace("--epochs 60 ", ""),
    )
    .well();
    let run_json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("w/run.json")).expect("it is there")).expect("it reads");
    let objectives = &run_json["settings"]["objectives"];
    assert_eq!((&objectives[0]["loss"]["kind"], objectives[0]["weight"].as_f64()), (&"huber".into(), Some(0.25)));
    assert_eq!(objectives[1]["loss"]["kind"], "cross_entropy");
    for (args, says) in [
        ("--loss kin=huber", "--loss is \"kin\", but must be one of price, kind. Did you mean kind?"),
        ("--loss-weight price=-1", "--loss-weight is \"-1\", but must be a number of at least 0"),
        ("--loss price=cross_entropy", "--loss cross_entropy needs classes, but the target is a number"),
        ("--target price", "price twice"),
        ("--network lenet5", "one, as lenet5 has"),
        ("--drop kind", "which is the target"),
    ] {
        let outcome = run(folder, &format!("{DATA} {args} --out refused"));
        assert_eq!(outcome.code, Some(2), "{args}: {}", outcome.stdout);
        assert!(outcome.stderr.contains(says), "{args}: {}", outcome.stderr);
    }
    let trained = run(folder, &format!("{DATA} --epochs 1 --out t").replace("--epochs 60 ", ""));
    trained.well();
    for (args, says) in [
        ("evaluate t/model.safetensors --data offers.csv --threshold 0.5", "models of one output"),
        ("predict t/model.safetensors [1,2] --threshold 0.5", "models of one output"),
        ("evaluate t/model.safetensors --data offers.csv --importance", "models of one output"),
    ] {
        let outcome = run(folder, args);
        assert!(outcome.code == Some(2) && outcome.stderr.contains(says), "{args}: {}", outcome.stderr);
    }
}
