//! Runs that are killed, interrupted and resumed end with the bits of a run that never stopped, and no file is ever
//! half-written.
#![cfg(unix)]

mod program;

use program::{Dice, Outcome, command, crc32c, files_in, outcome, write};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Batch normalisation has running statistics, dropout draws numbers: a resumed run must find both where they were.
const NETWORK: &str = "\
[[layer]]
kind = \"flatten\"

[[layer]]
kind = \"dense\"
out_features = 48
normaliser = \"batch_norm\"

[[layer]]
kind = \"dropout\"
probability = 0.2

[[layer]]
kind = \"linear\"
out_features = 10
";

/// Momentum of RMSprop, warm-up, accumulation and a schedule that looks back: everything that a checkpoint must hold.
/// A checkpoint every third step lies in the middle of epochs, which have 41 steps of two batches each.
const START: &[&str] = &[
    "train",
    "--network",
    "net.toml",
    "--epochs",
    "12",
    "--batch",
    "16",
    "--accumulate",
    "2",
    "--optimizer",
    "rmsprop",
    "--momentum",
    "0.5",
    "--schedule",
    "reduce_on_plateau",
    "--warmup",
    "20",
    "--clip-norm",
    "2",
    "--label-smoothing",
    "0.05",
    "--checkpoint-every",
    "3",
    "--json",
    "--out",
    "run",
];

const RESUME: &[&str] = &["train", "--resume", "run", "--checkpoint-every", "3", "--json"];

const CHECKPOINT: &str = "checkpoint.plexus";

/// A folder with the network file in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("net.toml"), NETWORK);
    folder
}

/// What a run that nobody disturbs leaves in its folder, and how long it takes.
fn undisturbed() -> (BTreeMap<PathBuf, Vec<u8>>, Duration) {
    let folder = folder();
    let outcome = outcome(command(folder.path()).args(START), None).well();
    (files_in(&folder.path().join("run")), outcome.took)
}

fn start(folder: &Path, args: &[&str]) -> Child {
    command(folder).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// The next process of a run: the first where nothing is saved yet.
fn next(folder: &Path) -> &'static [&'static str] {
    if folder.join("run").join(CHECKPOINT).exists() { RESUME } else { START }
}

/// What is in the run folder after a kill is whole: the same as at the end, or an earlier state of it.
fn assert_whole(run: &Path, end: &BTreeMap<PathBuf, Vec<u8>>) {
    if !run.exists() {
        return;
    }
    for (name, contents) in files_in(run) {
        let name_text = name.to_string_lossy();
        // What was being written beside; its name says that it is none of the results.
        if name_text.ends_with(".part") || name_text == "run.lock" {
            continue;
        }
        let last = end.get(&name).unwrap_or_else(|| panic!("{name_text} is no file of a run"));
        match name_text.as_ref() {
            CHECKPOINT => {
                let (body, checksum) = contents.split_at(contents.len().saturating_sub(4));
                assert_eq!(crc32c(body).to_le_bytes(), checksum, "the checkpoint is broken");
            }
            "metrics.jsonl" => {
                assert!(last.starts_with(&contents), "the epochs before the kill are those of the undisturbed run");
                assert!(contents.is_empty() || contents.ends_with(b"\n"), "a line is cut");
            }
            // Written once.
            _ => assert_eq!(&contents, last, "{name_text} is broken"),
        }
    }
}

/// The folder of a run that was disturbed is that of one that was not, byte for byte.
fn assert_same(run: &Path, end: &BTreeMap<PathBuf, Vec<u8>>) {
    let mut files = files_in(run);
    files.retain(|name, _| !name.to_string_lossy().ends_with(".part"));
    assert_eq!(files.keys().collect::<Vec<_>>(), end.keys().collect::<Vec<_>>());
    for (name, contents) in &files {
        assert!(contents == &end[name], "{} differs from the undisturbed run", name.display());
    }
}

#[test]
fn fifty_kills_at_random_moments_change_no_bit() {
    const KILLS: u32 = 50;
    let (end, whole_run) = undisturbed();
    // A run of one epoch: little more than the start of the program.
    let started = outcome(command(folder().path()).args(["train", "--epochs", "1", "--out", "run"]), None).well().took;
    let mut dice = Dice(5);
    let (mut kills, mut runs, mut in_epochs) = (0, 0, 0);
    while kills < KILLS {
        let folder = folder();
        let run = folder.path().join("run");
        loop {
            let mut child = start(folder.path(), next(folder.path()));
            // A third of them within the start of the program, the others after up to an eighth of a run.
            let delay = match dice.below(3) {
                0 => started.mul_f64(dice.share()),
                _ => started / 2 + (whole_run / 8).mul_f64(dice.share()),
            };
            std::thread::sleep(delay);
            child.kill().expect("the program can be killed");
            let output = child.wait_with_output().expect("the program ends");
            assert_whole(&run, &end);
            if output.status.success() {
                break;
            }
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.signal(), Some(9), "it ended by itself: {told}");
            kills += 1;
            in_epochs += u32::from(resumed_in_an_epoch(&run));
            if kills == KILLS {
                // The last run goes to its end.
                outcome(command(folder.path()).args(next(folder.path())), None).well();
                break;
            }
        }
        assert_same(&run, &end);
        runs += 1;
    }
    println!(
        "{kills} kills in {runs} runs of {whole_run:?}, {in_epochs} of them with a checkpoint in the middle of an epoch"
    );
    assert!(in_epochs >= 5, "only {in_epochs} resumptions began in the middle of an epoch");
}

/// Whether the checkpoint lies between two epochs' ends.
fn resumed_in_an_epoch(run: &Path) -> bool {
    let Ok(bytes) = std::fs::read(run.join(CHECKPOINT)) else { return false };
    let header = String::from_utf8_lossy(&bytes).into_owned();
    header.contains("\"position\":") && !header.contains("\"position\":0,")
}

/// Starts a run, waits until it has finished an epoch, sends it a signal and waits for its end.
fn interrupted_by(signal: &str, folder: &Path) -> Outcome {
    let mut child = start(folder, START);
    let mut lines = BufReader::new(child.stdout.take().expect("it was piped")).lines();
    let mut stdout = String::new();
    for line in &mut lines {
        let line = line.expect("standard output is UTF-8");
        stdout += &line;
        if line.contains("\"epoch\"") {
            break;
        }
    }
    let sent = Instant::now();
    let kill = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(kill.expect("kill is there").success());
    lines.for_each(|line| stdout += &line.expect("standard output is UTF-8"));
    let output = child.wait_with_output().expect("the program ends");
    let stderr = String::from_utf8(output.stderr).expect("standard error is UTF-8");
    Outcome { code: output.status.code(), stdout, stderr, took: sent.elapsed() }
}

#[test]
fn ctrl_c_and_terminate_save_say_how_to_go_on_and_change_no_bit() {
    let (end, _) = undisturbed();
    for signal in ["-INT", "-TERM"] {
        let folder = folder();
        let outcome = interrupted_by(signal, folder.path());
        assert_eq!(outcome.code, Some(130), "{signal}: {}", outcome.stderr);
        assert_eq!(outcome.stderr, "Stopped and saved. Go on with: plexus train --resume run\n");
        assert!(outcome.stdout.contains("{\"event\":\"interrupted\",\"folder\":\"run\"}"), "{}", outcome.stdout);
        assert!(outcome.took < Duration::from_secs(2), "{signal}: it took {:?} to stop", outcome.took);
        assert_whole(&folder.path().join("run"), &end);
        // As the message says it, with nothing else.
        let resumed = program::plexus(folder.path(), ["train", "--resume", "run"]).well();
        assert!(resumed.stdout.contains("Resumed   in epoch"), "{}", resumed.stdout);
        assert_same(&folder.path().join("run"), &end);
    }
}
