//! What people type without thinking: other folders, quiet runs, completions, pages for `man`.

mod program;

use program::{files_in, flowers, plexus, write};

#[test]
fn a_run_goes_on_from_any_folder_and_says_when_it_is_over() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    write(&here.join("flowers.csv"), flowers(90));
    write(&here.join("test.csv"), flowers(30));
    std::fs::create_dir_all(&there).expect("the folder is made");
    let start = ["train", "flowers.csv", "--test-data", "test.csv", "--schedule", "constant", "--epochs"];
    plexus(&here, start.iter().chain(&["3", "--out", "run"])).well();
    let resumed = plexus(&there, ["train", "--resume", "../here/run", "--epochs", "6"]).well();
    assert!(resumed.stdout.contains("Resumed   in epoch 4"), "{}", resumed.stdout);
    plexus(&here, start.iter().chain(&["6", "--out", "whole"])).well();
    let model = |run: &str| std::fs::read(here.join(run).join("model.safetensors")).expect("it reads");
    assert!(model("run") == model("whole"));
    let before = files_in(&here.join("run"));
    let over = plexus(&there, ["train", "--resume", "../here/run"]).well();
    assert!(
        over.stdout.contains("Finished  already, after 6 epochs; a longer run: plexus train --resume"),
        "{}",
        over.stdout
    );
    assert!(before == files_in(&here.join("run")), "nothing changes");
    let json = plexus(&there, ["train", "--resume", "../here/run", "--json"]).well();
    assert_eq!(json.json_lines()[0]["finished"], true);
}

#[test]
fn a_run_that_ended_early_goes_on_for_more_than_one_epoch() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A rate of next to nothing: no epoch is better than the first by which the best is chosen.
    let start = ["train", "--network", "mlp:8", "--lr", "1e-30", "--smoothing", "1", "--patience", "3"];
    let first = plexus(folder.path(), start.iter().chain(&["--epochs", "20", "--out", "run", "--json"])).well();
    assert_eq!(first.last_json()["epochs"], 4);
    let more = plexus(folder.path(), ["train", "--resume", "run", "--epochs", "40", "--json"]).well();
    assert_eq!(more.last_json()["epochs"], 7, "patience begins anew");
    // Without more epochs it is over, whatever was not yet written.
    let over = plexus(folder.path(), ["train", "--resume", "run"]).well();
    assert!(over.stdout.contains("Finished  already, after 7 epochs"), "{}", over.stdout);
}

#[test]
fn a_quiet_run_says_its_result_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = plexus(folder.path(), ["train", "-q", "--epochs", "2", "--out", "run"]).well();
    let lines: Vec<&str> = told.stdout.lines().map(|line| line.split(' ').next().expect("a word")).collect();
    assert_eq!((lines, told.stderr.as_str()), (vec!["Test", "Baseline", "Model"], ""));
    let json = plexus(folder.path(), ["train", "--quiet", "--json", "--epochs", "2", "--out", "other"]).well();
    assert_eq!(json.json_lines().len(), 1);
}

/// Where there is a bash, it completes as a person sees it.
#[test]
#[cfg(unix)]
fn bash_completes_commands_and_options() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = plexus(folder.path(), ["completions", "bash"]).well().stdout;
    write(&folder.path().join("plexus.bash"), script);
    let completed = |words: &str| {
        // What bash does when somebody types the words and presses the tab key.
        let asked = format!(
            "source plexus.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _plexus plexus \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let mut bash = std::process::Command::new("bash");
        let told = bash.current_dir(folder.path()).args(["--norc", "-c", &asked]).output();
        told.ok().map(|told| String::from_utf8_lossy(&told.stdout).lines().map(String::from).collect::<Vec<_>>())
    };
    let Some(commands) = completed("plexus pre") else {
        println!("skipped: there is no bash");
        return;
    };
    assert_eq!(commands, ["predict"]);
    assert_eq!(completed("plexus train --resu").expect("bash is there"), ["--resume"]);
    assert_eq!(completed("plexus predict --format ''").expect("bash is there"), ["text", "json", "csv"]);
}

#[test]
fn completions_and_pages_know_every_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = plexus(folder.path(), ["completions", shell]).well().stdout;
        assert!(
            ["train", "evaluate", "--quiet", "quiet"].iter().filter(|word| script.contains(**word)).count() >= 3,
            "{shell}"
        );
    }
    assert!(plexus(folder.path(), ["man"]).well().stdout.contains(".TH plexus 1"));
    plexus(folder.path(), ["man", "--out", "man1"]).well();
    let pages = files_in(&folder.path().join("man1"));
    let page = |name: &str| {
        let page = pages.iter().find(|(path, _)| path.as_os_str() == name).unwrap_or_else(|| panic!("{name} is there"));
        String::from_utf8_lossy(page.1).into_owned()
    };
    assert!(!pages.keys().any(|name| name.to_string_lossy().contains("help")), "{:?}", pages.keys());
    assert!(
        page("plexus-train.1").contains("target") && page("plexus.1").contains("plexus\\-train"),
        "{:?}",
        pages.keys()
    );
}
