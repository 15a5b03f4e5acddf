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
fn a_quiet_run_says_its_result_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = plexus(folder.path(), ["train", "-q", "--epochs", "2", "--out", "run"]).well();
    let lines: Vec<&str> = told.stdout.lines().map(|line| line.split(' ').next().expect("a word")).collect();
    assert_eq!((lines, told.stderr.as_str()), (vec!["Test", "Baseline", "Model"], ""));
    let json = plexus(folder.path(), ["train", "--quiet", "--json", "--epochs", "2", "--out", "other"]).well();
    assert_eq!(json.json_lines().len(), 1);
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
    assert!(
        page("plexus-train.1").contains("target") && page("plexus.1").contains("plexus\\-train"),
        "{:?}",
        pages.keys()
    );
}
