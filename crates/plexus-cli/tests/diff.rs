//! Two models side by side, as a user compares them.

mod program;

use program::{Outcome, plexus, write};
use std::path::Path;

fn run(folder: &Path, args: &str) -> Outcome {
    plexus(folder, args.split_whitespace())
}

/// A folder with two models of digits that began with other numbers, and one of another size.
fn trained() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, network, seed) in [("a", "mlp:16", 1), ("b", "mlp:16", 2), ("c", "mlp:12", 1)] {
        run(folder.path(), &format!("train --data digits --network {network} --epochs 2 --seed {seed} --out {name}"))
            .well();
    }
    write(&folder.path().join("table.csv"), "x,y,answer\n1,2,yes\n2,1,no\n3,5,yes\n4,1,no\n");
    folder
}

#[test]
fn two_models_differ_in_layers_in_numbers_and_on_data() {
    let folder = trained();
    let folder = folder.path();
    let same = run(folder, "diff a a/model.safetensors --data digits").well().stdout;
    assert!(same.contains("The same layers and the same numbers, to the last bit."), "{same}");
    assert!(
        same.contains("all of these values are the same") && same.contains("decide otherwise for 0 of 359"),
        "{same}"
    );

    let other = run(folder, "diff a b --data digits").well().stdout;
    for part in
        ["The layers are the same; 6 of 6 tensors", "weight 1,024 of 1,024", "the first layer whose outputs differ is"]
    {
        assert!(other.contains(part), "{part}: {other}");
    }
    let built = run(folder, "diff a c").well().stdout;
    assert!(built.contains("out_features 16 → 12") && built.contains("The layers differ"), "{built}");

    let line = run(folder, "diff a b --data digits --json").well().last_json();
    assert!(line["same"] == false && line["values"]["rows"] == 359, "{line}");
    assert_eq!(line["values"]["first"], line["values"]["layers"][0]["a"]);
    let csv = run(folder, "diff a b --data digits --csv").well().stdout;
    assert!(csv.starts_with("layer_a,layer_b,kind,what,change,compared,differing,largest,relative\n"), "{csv}");
    assert!(csv.lines().any(|line| line.starts_with("layers.0,layers.0,linear,weight,,1024,1024,")), "{csv}");
    assert!(csv.lines().any(|line| line.starts_with("layers.2,layers.2,linear,values,,3590,")), "{csv}");
}

#[test]
fn a_converted_model_differs_by_rounding_only() {
    let folder = trained();
    let folder = folder.path();
    run(folder, "convert a/model.safetensors folded.safetensors --fold").well();
    let found = run(folder, "diff a folded.safetensors --data digits").well().stdout;
    assert!(found.contains("standardize") && found.contains("only in a"), "{found}");
    assert!(found.contains("The models decide otherwise for 0 of 359 rows."), "{found}");
    let line = run(folder, "diff a folded.safetensors --data digits --tolerance 1e-4 --json").well().last_json();
    assert!(line["values"]["first_beyond"].is_null(), "{line}");
}

#[test]
fn wrong_uses_say_what_to_do() {
    let folder = trained();
    let folder = folder.path();
    for (args, parts) in [
        ("diff a", vec!["<B>"]),
        ("diff a nowhere", vec!["nowhere"]),
        ("diff a b --data nowhere.csv", vec!["nowhere.csv"]),
        ("diff a b --data table.csv", vec!["[2]", "[1, 8, 8]"]),
        ("diff a b --tolerance 1e-4", vec!["--data"]),
        ("diff a b --data digits --tolerance 2", vec!["from 0 to 1"]),
        ("diff a b --part test", vec!["--data"]),
        ("diff a b --json --csv", vec!["cannot be used with"]),
        ("diff a table.csv", vec!["table.csv"]),
    ] {
        let outcome = run(folder, args);
        assert_eq!(outcome.code, Some(2), "{args}: {}", outcome.stderr);
        for part in parts {
            assert!(outcome.stderr.contains(part), "{args}: no {part} in {}", outcome.stderr);
        }
    }
}
