//! The number of threads changes no bit of a result.
//!
//! That debug and release builds agree, and which instruction sets do, cannot be seen from one binary: `docs/numerics.md`
//! says where it is tested.

mod program;

use program::{command, outcome, plexus};
use std::path::Path;

/// Trains layers that are wide enough to be cut into pieces for several threads; returns model, epochs and accuracy.
fn train(folder: &Path, threads: &str, isa: Option<&str>) -> (Vec<u8>, Vec<u8>, f64) {
    let out = format!("run-{threads}-{}", isa.unwrap_or("best"));
    let args = ["--data", "digits", "--network", "mlp:512,512", "--batch", "128", "--epochs", "2", "--clip-norm", "1"];
    let mut command = command(folder);
    command.arg("train").args(args).args(["--threads", threads, "--out", &out, "--json"]);
    if let Some(isa) = isa {
        command.env("PLEXUS_ISA", isa);
    }
    let last = outcome(&mut command, None).well().last_json();
    let read = |name: &str| std::fs::read(folder.join(&out).join(name)).expect("the run has it");
    (read("model.safetensors"), read("metrics.jsonl"), last["test_accuracy"].as_f64().expect("a number"))
}

#[test]
fn one_thread_two_and_seven_give_the_same_bits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for isa in [None, Some("portable")] {
        let (model, epochs, accuracy) = train(folder.path(), "1", isa);
        assert!(model.len() > 1_000_000 && epochs.iter().filter(|byte| **byte == b'\n').count() == 2);
        for threads in ["2", "7"] {
            let (other, other_epochs, other_accuracy) = train(folder.path(), threads, isa);
            assert!(model == other, "the model differs between 1 and {threads} threads ({isa:?})");
            assert_eq!(String::from_utf8(epochs.clone()), String::from_utf8(other_epochs), "{threads} threads");
            assert_eq!(accuracy, other_accuracy);
        }
    }
}

#[test]
fn another_instruction_set_learns_as_well() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, _, best) = train(folder.path(), "2", None);
    let (_, _, portable) = train(folder.path(), "2", Some("portable"));
    // Sums are rounded in another order, so the bits may differ; what was learnt may not.
    assert!((best - portable).abs() < 0.02 && best > 0.9, "{best} {portable}");
}

#[test]
fn a_row_has_the_same_answer_alone_and_among_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    plexus(folder.path(), ["train", "--epochs", "1", "--network", "mlp:64", "--out", "run"]).well();
    let model = "run/model.safetensors";
    let row = |seed: usize| (0..64).map(|pixel| (pixel * seed % 17).to_string()).collect::<Vec<_>>().join(",");
    let rows: Vec<String> = (1..20).map(row).collect();
    let text = rows.iter().map(|row| format!("[{row}]")).collect::<Vec<_>>().join(",");
    let together = plexus(folder.path(), ["predict", model, "--json", &format!("[{text}]")]).well().json_lines();
    for (row, answer) in rows.iter().zip(together) {
        let alone = plexus(folder.path(), ["predict", model, "--json", &format!("[{row}]")]).well().last_json();
        assert_eq!(alone["top"], answer["top"]);
    }
}
