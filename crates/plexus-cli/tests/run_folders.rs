//! A run folder: named for its model, gone on with from anywhere, finished, interrupted.

mod program;

use program::{copy_folder, plexus, write};
use std::path::Path;
use std::sync::OnceLock;

/// A folder with a run on the built-in digits in `runs/a`.
fn trained() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            plexus(folder.path(), ["train", "--network", "mlp:8", "--epochs", "2", "--out", "runs/a"]).well();
            folder
        })
        .path()
}

#[test]
fn a_run_folder_stands_for_its_model() {
    let at = trained();
    let row = format!("[{}]", ["1"; 64].join(", "));
    let commands: [&[&str]; 5] = [
        &["predict", "MODEL", &row],
        &["evaluate", "MODEL", "--data", "digits"],
        &["summary", "MODEL"],
        &["summary", "MODEL", "--json"],
        &["trace", "MODEL"],
    ];
    for command in commands {
        let said = |model: &str| {
            let args: Vec<&str> = command.iter().map(|word| if *word == "MODEL" { model } else { word }).collect();
            plexus(at, args).well().stdout.replace(model, "MODEL")
        };
        let file = said("runs/a/model.safetensors");
        assert!(!file.is_empty());
        assert_eq!(said("runs/a"), file, "{command:?}");
        assert_eq!(said("runs/a/"), file, "{command:?}");
    }
}

#[test]
fn a_folder_without_a_model_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    copy_folder(&trained().join("runs/a"), &at.join("my runs/stopped"));
    std::fs::remove_file(at.join("my runs/stopped/model.safetensors")).expect("there is a model");
    write(&at.join("pictures/a.txt"), "");
    for command in ["predict", "evaluate", "summary", "trace"] {
        for (name, says) in [
            ("my runs/stopped", "Go on with: plexus train --resume 'my runs/stopped'"),
            ("my runs", "it holds runs. Name one of them, as my runs/stopped"),
            (
                "pictures",
                "it is not the folder of a run. Name a model file, or a folder with a model.safetensors in it",
            ),
        ] {
            let mut args = vec![command, name];
            args.extend((command == "predict").then_some("[1]"));
            let refused = plexus(at, args);
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{}", refused.stderr);
            let wanted = format!("error: {name} is a folder without a model: ");
            assert!(refused.stderr.starts_with(&wanted) && refused.stderr.contains(says), "{}", refused.stderr);
        }
    }
}
