//! Training that goes on from a model, as a user sees it.

mod program;

use program::{Outcome, plexus, write};
use std::path::Path;

const NETWORK: &str = r#"
[[layer]]
kind = "conv2d"
name = "edges"
out_channels = 6
kernel_size = 3
activation = "relu"
[[layer]]
kind = "max_pool2d"
name = "pool"
kernel_size = 2
[[layer]]
kind = "flatten"
name = "flat"
[[layer]]
kind = "linear"
name = "classes"
out_features = 10
"#;

fn run(folder: &Path, args: &str) -> Outcome {
    plexus(folder, args.split(' '))
}

/// Pictures of other sizes than those of the digits: bars that lie, stand, or are not there.
fn bars(folder: &Path) {
    for (kind, class) in ["lying", "standing", "none"].into_iter().enumerate() {
        let to = folder.join("bars").join(class);
        std::fs::create_dir_all(&to).expect("a temporary folder");
        for number in 0..20u32 {
            let at = 6 + number % 8;
            let bright = |x: u32, y: u32| match kind {
                0 => y / 3 == at / 3,
                1 => x / 3 == at / 3,
                _ => false,
            };
            let pixel = |x, y| image::Luma([if bright(x, y) { 250 } else { ((x * 7 + y * 3 + number) % 40) as u8 }]);
            image::GrayImage::from_fn(24, 24, pixel).save(to.join(format!("{number}.png"))).expect("it is written");
        }
    }
}

#[test]
fn a_model_of_digits_learns_bars_with_frozen_layers_and_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    write(&at("net.toml"), NETWORK);
    bars(folder.path());
    run(folder.path(), "train digits --network net.toml --epochs 2 --out digits --quiet").well();
    let from = "train images:bars --from digits/model.safetensors --freeze-until pool --classes 3 --schedule constant --lr 0.01 --smoothing 1";

    let said = run(folder.path(), &format!("{from} --epochs 12 --out long")).well().stdout;
    assert!(
        said.contains("Frozen    until pool: 60 parameters stay as they are; results of [6, 3, 3], computed once"),
        "{said}"
    );
    assert!(said.contains("input 1x8x8") || said.contains("8x8"), "{said}");
    let measured = run(folder.path(), "evaluate long --json").well().last_json();
    assert!(measured["test_accuracy"].as_f64() > Some(0.8), "{measured}");

    // A run that goes on has the bits of one that never stopped, and needs the first model no more.
    run(folder.path(), &format!("{from} --epochs 5 --out short --quiet")).well();
    std::fs::remove_file(at("digits/model.safetensors")).expect("it is there");
    run(folder.path(), "train --resume short --epochs 12 --quiet").well();
    let model = |run: &str| std::fs::read(at(run).join("model.safetensors")).expect("it is there");
    assert!(model("short") == model("long"));
}

#[test]
fn what_cannot_be_is_said() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("net.toml"), NETWORK);
    bars(folder.path());
    run(folder.path(), "train digits --network net.toml --epochs 1 --out digits --quiet").well();
    let from = "train images:bars --from digits/model.safetensors";
    for (args, says) in [
        (format!("{from} --network mlp:8"), "cannot be used with"),
        ("train digits --freeze-until pool".to_string(), "--from <MODEL>"),
        ("train digits --classes 3".to_string(), "--from <MODEL>"),
        (from.to_string(), "--classes is not given, but must be 3"),
        (format!("{from} --classes 4"), "--classes is 4, but must be 3"),
        (format!("{from} --classes 3 --freeze-until pol"), "edges, edges.activation, pool, flat, classes"),
        (format!("{from} --classes 3 --freeze-until classes"), "leaves others to be trained"),
        ("train images:bars --from none.safetensors --classes 3".to_string(), "none.safetensors"),
        ("train images:bars?size=20x20 --from digits/model.safetensors --classes 3".to_string(), "[1, 8, 8]"),
    ] {
        let outcome = run(folder.path(), &args);
        assert!(outcome.code == Some(2) && outcome.stderr.contains(says), "{args}: {}", outcome.stderr);
    }
}
