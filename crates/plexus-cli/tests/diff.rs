//! Two models side by side, as a user compares them.

mod program;

use program::{Outcome, plexus, write};
use std::io::Write;
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

/// An archive as `numpy.savez` writes it.
fn npz(path: &Path, arrays: &[(&str, &[u8])]) {
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in arrays {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

/// An array as `numpy.save` writes it.
fn npy(dtype: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    file
}

#[test]
fn a_record_names_the_rounding_that_it_follows() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // Rows of numbers that are sums of eighths: the same in the text and in 32 bits.
    const ROWS: usize = 600;
    let value = |row: usize, col: usize| ((row * 37 + col * 101 + row * col * 13) % 97) as f32 / 8.0 - 6.0;
    let mut text = "a,b,c,d,y\n".to_string();
    let mut input: Vec<u8> = Vec::new();
    for row in 0..ROWS {
        let values: Vec<f32> = (0..4).map(|col| value(row, col)).collect();
        let cells: Vec<String> = values.iter().map(f32::to_string).collect();
        text.push_str(&format!("{},{}\n", cells.join(","), values[0] * values[1] - values[2]));
        input.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    write(&at.join("table.csv"), text);
    let run = |line: &str| plexus(at, line.split_whitespace());
    run("train table.csv --target y --network mlp:40,40 --no-standardize --epochs 2 --seed 1 --out run --quiet").well();
    let input = npy("<f4", &format!("{ROWS}, 4"), &input);
    let roundings = ["double", "single", "float64", "float32-even"];
    for rounding in roundings {
        run(&format!("quantize run --rounding {rounding} --out {rounding}.safetensors")).well();
        for layer in ["layers.0", "layers.2"] {
            let line =
                format!("features {rounding}.safetensors table.csv --part all --layer {layer} --out {layer}.npy");
            run(&line).well();
        }
        let layer = |name: &str| std::fs::read(at.join(format!("{name}.npy"))).unwrap();
        let (first, second) = (layer("layers.0"), layer("layers.2"));
        npz(&at.join(format!("{rounding}.npz")), &[("layers.2", &second), ("input", &input), ("layers.0", &first)]);
    }
    for (at_own, own) in roundings.iter().enumerate() {
        for recorded in roundings {
            let told = run(&format!("diff {own}.safetensors --reference {recorded}.npz --json")).well().last_json();
            let name = recorded.replace('-', "_");
            let ways = told["roundings"].as_array().unwrap();
            assert_eq!(ways.len(), 4);
            let differing = |way: &serde_json::Value| -> u64 {
                way["layers"].as_array().unwrap().iter().map(|layer| layer[1]["differing"].as_u64().unwrap()).sum()
            };
            let follows = told["follows"].as_array().unwrap();
            assert!(follows.iter().any(|way| *way == *name), "{own} {recorded}: {told}");
            for (index, way) in ways.iter().enumerate() {
                assert_eq!(way["is_own"], index == at_own, "{told}");
                assert_eq!(differing(way) == 0, follows.contains(&way["rounding"]), "{told}");
            }
        }
    }
    // The double rounding is another one than both of the floats, on these rows.
    let told = run("diff double.safetensors --reference double.npz --json").well().last_json();
    assert!(!told["follows"].as_array().unwrap().iter().any(|way| way == "float32_even"), "{told}");
    let told = run("diff double.safetensors --reference float32-even.npz").well().stdout;
    assert!(
        told.contains("float32-even.npz follows ") && told.contains("float32-even. The model says double"),
        "{told}"
    );
    let told = run("diff double.safetensors --reference double.npz").well().stdout;
    assert!(told.contains("as the model"), "{told}");

    let refused = |line: &str, words: &[&str]| {
        let told = run(line);
        assert_eq!(told.code, Some(2), "{line}: {told:?}");
        for word in words {
            assert!(told.stderr.contains(word), "{line}: {}", told.stderr);
        }
    };
    refused("diff run --reference double.npz", &["a model of floats"]);
    refused("diff double.safetensors", &["<B>"]);
    refused("diff double.safetensors --reference table.csv", &["table.csv cannot be read", "numpy.savez"]);
    let two = |name: &str, arrays: &[(&str, &[u8])]| npz(&at.join(name), arrays);
    two("alone.npz", &[("input", &input)]);
    refused("diff double.safetensors --reference alone.npz", &["inputs alone"]);
    let output = npy("<f4", &format!("{ROWS}, 1"), &[0; 4 * ROWS]);
    two("no-input.npz", &[("output", &output)]);
    refused("diff double.safetensors --reference no-input.npz", &["none of the input"]);
    two("unknown.npz", &[("input", &input), ("conv9", &output)]);
    refused("diff double.safetensors --reference unknown.npz", &["conv9", "layers.0"]);
    two("long.npz", &[("input", &input), ("output", &npy("<f4", "3, 1", &[0; 12]))]);
    refused("diff double.safetensors --reference long.npz", &["[3, 1]", "600 rows of [1]"]);
    two("nothing.npz", &[("input", &input), ("output", &output)]);
    let told = run("diff double.safetensors --reference nothing.npz").well().stdout;
    assert!(told.contains("follows none of them"), "{told}");
}
