//! Runs that are killed, interrupted and resumed end with the bits of a run that never stopped, and no file is ever
//! half-written.
//!
//! No test counts on time: the program waits at the step where it is to be killed, the system ends it at the byte of a
//! file where it is to be killed, and what is interrupted while it computes has more epochs than it can ever do.
#![cfg(unix)]

mod program;

use program::{Dice, command, crc32c, files_in, outcome, plexus, write};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Batch normalization has running statistics, dropout draws numbers: a resumed run must find both where they were.
const NETWORK: &str = "\
[[layer]]
kind = \"flatten\"

[[layer]]
kind = \"dense\"
out_features = 48
normalizer = \"batch_norm\"

[[layer]]
kind = \"dropout\"
probability = 0.2

[[layer]]
kind = \"linear\"
out_features = 10
";

/// Updates of an epoch: 1,294 rows in pairs of batches of 16.
const EPOCH: u64 = 41;

/// Updates of a whole run, and between two checkpoints, most of which lie in the middle of an epoch.
const STEPS: u64 = 12 * EPOCH;
const EVERY: u64 = 3;

/// Momentum of RMSprop, warm-up, accumulation and a schedule that looks back: everything that a checkpoint must hold.
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
const MODEL: &str = "model.safetensors";
const METRICS: &str = "metrics.jsonl";

/// A folder with the network file in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("net.toml"), NETWORK);
    folder
}

/// What a run that nobody disturbs leaves in its folder.
fn undisturbed() -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = folder();
    outcome(command(folder.path()).args(START), None).well();
    files_in(&folder.path().join("run"))
}

/// The arguments of the next process of a run: the first where nothing is saved yet.
fn next(folder: &Path) -> &'static [&'static str] {
    if folder.join("run").join(CHECKPOINT).exists() { RESUME } else { START }
}

/// Lets the run go to its end.
fn finish(folder: &Path) {
    outcome(command(folder).args(next(folder)), None).well();
}

fn spawn(command: &mut Command) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let stdout = child.stdout.take().expect("it was piped");
    (child, BufReader::new(stdout).lines())
}

/// Reads up to the line of an event; returns all lines that were read.
fn read_to(event: &str, lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    let mut read = String::new();
    for line in lines {
        let line = line.expect("standard output is UTF-8");
        read += &line;
        read += "\n";
        if line.contains(&format!("\"event\":\"{event}\"")) {
            return read;
        }
    }
    panic!("the program ended without the event {event}:\n{read}");
}

/// The next process of the run, waiting at the point where so many steps of the run are done.
fn paused_after(steps: u64, folder: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let (child, mut lines) =
        spawn(command(folder).args(next(folder)).args(["--pause-after-steps", &steps.to_string()]));
    read_to("paused", &mut lines);
    (child, lines)
}

/// Ends the next process of the run, as a power cut would, once so many steps of the run are done.
fn kill_after(steps: u64, folder: &Path) {
    let (mut child, _lines) = paused_after(steps, folder);
    child.kill().expect("the program can be killed");
    assert_eq!(child.wait().expect("the program ends").signal(), Some(9));
}

/// What is in the run folder after a kill is whole: the same as at the end, or an earlier state of it.
fn assert_whole(run: &Path, end: &BTreeMap<PathBuf, Vec<u8>>) {
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
            METRICS => {
                assert!(last.starts_with(&contents), "the epochs before the kill are those of the undisturbed run");
                assert!(contents.is_empty() || contents.ends_with(b"\n"), "a line is cut");
            }
            // After an interruption the best so far.
            MODEL => assert_eq!(contents.len(), last.len(), "the model is cut"),
            // Written once.
            _ => assert_eq!(&contents, last, "{name_text} is broken"),
        }
    }
}

/// The folder of a run that was disturbed is that of one that was not, byte for byte, and nothing is left beside.
fn assert_same(run: &Path, end: &BTreeMap<PathBuf, Vec<u8>>) {
    let files = files_in(run);
    assert_eq!(files.keys().collect::<Vec<_>>(), end.keys().collect::<Vec<_>>());
    for (name, contents) in &files {
        assert!(contents == &end[name], "{} differs from the undisturbed run", name.display());
    }
}

/// Where runs are killed.
const PLACES: [&str; 4] =
    ["between two checkpoints", "just before a checkpoint", "just after a checkpoint", "at the end of an epoch"];

/// Whether the point where so many steps are done is such a place.
fn is_place(place: &str, steps: u64) -> bool {
    match place {
        "between two checkpoints" => steps % EVERY == 1,
        "just before a checkpoint" => steps % EVERY == EVERY - 1,
        "just after a checkpoint" => steps.is_multiple_of(EVERY),
        _ => steps.is_multiple_of(EPOCH),
    }
}

#[test]
fn fifty_kills_at_chosen_steps_change_no_bit() {
    const KILLS: usize = 50;
    /// The most steps that a process does before it is killed: two epochs.
    const REACH: u64 = 2 * EPOCH;
    let end = undisturbed();
    let mut dice = Dice(5);
    let (mut kills, mut runs, mut in_epochs) = (0, 0, 0);
    while kills < KILLS {
        let folder = folder();
        let run = folder.path().join("run");
        // The step of the last checkpoint, where the next process goes on.
        let mut saved = 0;
        while kills < KILLS && saved < STEPS {
            let place = PLACES[kills % PLACES.len()];
            let steps: Vec<u64> = (saved..=STEPS.min(saved + REACH)).filter(|steps| is_place(place, *steps)).collect();
            let choice = steps[dice.below(steps.len() as u64) as usize];
            kill_after(choice, folder.path());
            assert_whole(&run, &end);
            saved = saved.max(choice - choice % EVERY);
            assert_eq!(saved_in_epoch(&run), !saved.is_multiple_of(EPOCH), "killed {place}, after step {choice}");
            in_epochs += usize::from(!saved.is_multiple_of(EPOCH));
            kills += 1;
        }
        finish(folder.path());
        assert_same(&run, &end);
        runs += 1;
    }
    println!("{kills} kills in {runs} runs, after {in_epochs} of them the checkpoint lay in the middle of an epoch");
    assert!(in_epochs >= KILLS / 2, "only {in_epochs} resumptions began in the middle of an epoch");
}

/// Whether the checkpoint lies between the ends of two epochs, as the file itself says it.
fn saved_in_epoch(run: &Path) -> bool {
    let bytes = std::fs::read(run.join(CHECKPOINT)).expect("a checkpoint is there from the first step on");
    let header = String::from_utf8_lossy(&bytes);
    assert!(header.contains("\"position\":"), "the checkpoint says where it lies");
    !header.contains("\"position\":0,")
}

/// Runs a process of the run to the byte of a file where the system ends it: no file may be longer than so many blocks.
/// Returns what it left half-written, by name.
fn kill_in_writing(blocks: usize, folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    // The shell sets the limit and becomes the program.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -c 0; ulimit -f \"$0\"; exec \"$@\"", &blocks.to_string()]);
    limited.arg(env!("CARGO_BIN_EXE_plexus")).args(next(folder)).current_dir(folder).env_remove("COLUMNS");
    let output = limited.output().expect("sh is there");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.signal().is_some(), "killed by the signal of a file that is too long, not: {told}");
    let mut parts = files_in(&folder.join("run"));
    parts.retain(|name, _| name.extension().is_some_and(|extension| extension == "part"));
    parts
}

/// Blocks of `ulimit -f`, as POSIX has them.
const BLOCK: usize = 512;

#[test]
fn a_kill_inside_the_writing_of_a_file_changes_no_bit() {
    let end = undisturbed();
    let blocks = |name: &str| end[Path::new(name)].len() / BLOCK;
    let folder = folder();
    let run = folder.path().join("run");
    // Limits below the size of a file, above the files that are written before it.
    let cut = |blocks: usize, file: &str| {
        let before = files_in(&run);
        let parts = kill_in_writing(blocks, folder.path());
        let name = PathBuf::from(format!("{file}.part"));
        assert_eq!(parts.keys().collect::<Vec<_>>(), [&name], "{blocks} blocks");
        let (half, whole) = (parts[&name].len(), end[Path::new(file)].len());
        assert!(half < whole && (half > 0) == (blocks > 0), "{file}: {half} of {whole} bytes");
        assert_whole(&run, &end);
        assert!(files_in(&run).get(Path::new(file)) == before.get(Path::new(file)), "{file} is as before");
    };
    std::fs::create_dir(&run).expect("the folder is made");
    cut(0, "run.json");
    // Nothing is saved yet, so the run starts anew.
    cut(blocks("run.json") + 1, CHECKPOINT);
    cut(blocks(MODEL), CHECKPOINT);
    for steps in [1, 2, EPOCH - 1, EPOCH, EPOCH + 4, 5 * EPOCH + 20] {
        kill_after(steps, folder.path());
        // Before the first epoch ends there are no best weights to save, and checkpoints are shorter.
        let saved = std::fs::read(run.join(CHECKPOINT)).expect("a checkpoint is there").len() / BLOCK;
        for part in 1..4 {
            cut(saved * part / 4, CHECKPOINT);
        }
    }
    // The model is written when all steps are done, the last checkpoint behind it.
    kill_after(STEPS, folder.path());
    cut(0, MODEL);
    cut(blocks(MODEL) / 2, MODEL);
    cut(blocks(MODEL) + 1, CHECKPOINT);
    assert!(files_in(&run).contains_key(Path::new(MODEL)), "the model was written before");
    finish(folder.path());
    assert_same(&run, &end);
}

#[test]
fn a_kill_between_checkpoint_and_metrics_changes_no_bit() {
    let end = undisturbed();
    let folder = folder();
    let run = folder.path().join("run");
    // The first checkpoint after the end of an epoch holds it; the metrics beside it are those of the one before.
    kill_after(EPOCH, folder.path());
    let metrics = std::fs::read(run.join(METRICS)).expect("metrics are written with the checkpoint");
    kill_after(EPOCH + EVERY, folder.path());
    assert_ne!(metrics, std::fs::read(run.join(METRICS)).expect("as above"));
    write(&run.join(METRICS), &metrics);
    write(&run.join(format!("{METRICS}.part")), &end[Path::new(METRICS)][..100]);
    assert_whole(&run, &end);
    finish(folder.path());
    assert_same(&run, &end);
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.expect("kill is there").success());
}

/// Reads to the end of an interrupted process, which must say how to go on.
fn assert_interrupted(child: Child, lines: Lines<BufReader<ChildStdout>>, read: &str) -> String {
    let rest: Vec<String> = lines.map(|line| line.expect("standard output is UTF-8")).collect();
    let output = child.wait_with_output().expect("the program ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.starts_with("Stopped and saved."), "{stderr}");
    assert!(stderr.ends_with(" Go on with: plexus train --resume run\n"), "{stderr}");
    let last: serde_json::Value = serde_json::from_str(rest.last().expect("a line")).expect("JSON");
    assert_eq!((&last["event"], &last["folder"]), (&"interrupted".into(), &"run".into()));
    // The best model so far is there as soon as an epoch has ended.
    assert_eq!(last["model"].is_string(), stderr.contains("The best model so far, of epoch "), "{stderr}");
    read.to_string() + &rest.join("\n")
}

#[test]
fn ctrl_c_and_terminate_save_say_how_to_go_on_and_change_no_bit() {
    let end = undisturbed();
    for (signal, steps) in [("-INT", 3 * EPOCH + 17), ("-TERM", EPOCH), ("-INT", 0)] {
        let folder = folder();
        let (child, lines) = paused_after(steps, folder.path());
        send(signal, &child);
        assert_interrupted(child, lines, "");
        assert_whole(&folder.path().join("run"), &end);
        assert_eq!(folder.path().join("run").join(MODEL).exists(), steps >= EPOCH, "{steps}");
        // As the message says it, with nothing else.
        let resumed = plexus(folder.path(), ["train", "--resume", "run"]).well();
        let (epoch, step) = (steps.max(1) / EPOCH + 1, steps.max(1) % EPOCH);
        assert!(resumed.stdout.contains(&format!("Resumed   in epoch {epoch}, after step {step} of 41")), "{steps}");
        assert_same(&folder.path().join("run"), &end);
    }
}

#[test]
fn a_signal_while_the_program_computes_is_served_too() {
    for signal in ["-INT", "-TERM"] {
        let folder = folder();
        // So many epochs that the run cannot end before the signal, however late that is sent.
        let (child, mut lines) =
            spawn(command(folder.path()).args(["train", "--epochs", "2147483648", "--json"]).args([
                "--schedule",
                "constant",
                "--network",
                "mlp:8",
                "--out",
                "run",
            ]));
        let read = read_to("epoch", &mut lines);
        send(signal, &child);
        let told = assert_interrupted(child, lines, &read);
        let done = told.matches("\"event\":\"epoch\"").count();
        let epochs = (done + 1).to_string();
        let resumed = plexus(folder.path(), ["train", "--resume", "run", "--epochs", &epochs, "--json"]).well();
        assert_eq!(resumed.last_json()["epochs"], done + 1);
    }
}

/// Images in color of two classes, in a folder each: light at the left or at the right.
fn images(folder: &Path) {
    for index in 0..26u32 {
        for (class, bright) in [("left", 0..6), ("right", 6..12)] {
            let image = image::RgbImage::from_fn(12, 10, |x, y| {
                let noise = (x * 37 + y * 101 + index * 53) % 90;
                image::Rgb([noise as u8 + if bright.contains(&x) { 160 } else { 0 }, noise as u8, (x * y) as u8])
            });
            let path = folder.join(format!("sides/{class}/{index:02}.png"));
            std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it is made");
            image.save(path).expect("it is written");
        }
    }
}

/// A run on images that are changed each time they are learnt from; a dozen updates an epoch.
const IMAGES: &str = "train --data images:sides --network cnn?width=4&stages=2&dropout=0.2 --epochs 2 --batch 3 --checkpoint-every 3 \
                      --augment flip=0.5,shift=1.5,crop=0.2,rotate=10,brightness=0.2 --json --out run";

#[test]
fn a_kill_in_the_middle_of_an_epoch_of_changed_images_changes_no_bit() {
    // One folder for all: a run remembers where it began.
    let folder = tempfile::tempdir().expect("a temporary folder");
    images(folder.path());
    let run = folder.path().join("run");
    outcome(command(folder.path()).args(IMAGES.split_whitespace()), None).well();
    let end = files_in(&run);
    for (steps, threads) in [(4, "1"), (8, "2"), (17, "7")] {
        std::fs::remove_dir_all(&run).expect("the last run is there");
        let mut first = command(folder.path());
        first.args(IMAGES.split_whitespace()).args(["--pause-after-steps", &steps.to_string(), "--threads", threads]);
        let (mut child, mut lines) = spawn(&mut first);
        read_to("paused", &mut lines);
        child.kill().expect("the program can be killed");
        assert_eq!(child.wait().expect("the program ends").signal(), Some(9));
        assert!(saved_in_epoch(&run), "killed in the middle of an epoch, after {steps} updates");
        outcome(command(folder.path()).args(RESUME), None).well();
        assert_same(&run, &end);
    }
}
