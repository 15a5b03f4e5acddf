//! Known faults, put into a copy of the sources one at a time: for each of them some test must fail.
//!
//! The faults stand in `testdata/mutants.toml`. A fault whose place in the source is not found, that does not compile,
//! or that every test survives is a failure: either the code has moved or a test is missing.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, Captured, capture, cargo};
use crate::workspace;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The list of faults.
const LIST: &str = "testdata/mutants.toml";

/// What is copied: enough to build and test every crate.
const COPIED: &[&str] = &["Cargo.toml", "Cargo.lock", ".cargo", "crates", "xtask", "testdata"];

/// Options of `cargo xtask mutants`.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Only the faults whose names contain this
    pub filter: Option<String>,
    /// List the faults and run nothing
    #[arg(long)]
    pub list: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    mutant: Vec<Mutant>,
}

/// One fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutant {
    /// Its name.
    name: String,
    /// What is wrong then.
    fault: String,
    /// The source it is put into.
    file: String,
    /// The right code.
    find: String,
    /// The wrong code.
    replace: String,
    /// How often the right code stands there.
    #[serde(default = "once")]
    times: usize,
    /// The tests that should notice: arguments of `cargo test`.
    test: String,
}

fn once() -> usize {
    1
}

impl Mutant {
    /// The source with the fault in it.
    fn applied(&self, source: &str) -> Result<String, String> {
        // A checkout may have other line ends than the list.
        let source = source.replace("\r\n", "\n");
        let (find, replace) = (self.find.trim_end_matches('\n'), self.replace.trim_end_matches('\n'));
        let found = if find.is_empty() { 0 } else { source.matches(find).count() };
        if found != self.times {
            let times = self.times;
            return Err(format!("its code stands {found} times in {}, expected {times}; mend {LIST}", self.file));
        }
        Ok(source.replace(find, replace))
    }
}

/// The copy that faults are put into, and its build folder.
struct Copy {
    tree: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Brings the copy up to date. Files that are the same stay untouched, so that a second run builds little.
    fn new() -> Result<Copy, TaskError> {
        let folder = workspace::target()?.join("mutants");
        let copy = Copy { tree: folder.join("tree"), target: folder.join("target") };
        let mut wanted = BTreeSet::new();
        for part in COPIED.iter().map(Path::new) {
            wanted.extend(if part.is_dir() { workspace::files(part)? } else { vec![part.to_path_buf()] });
        }
        for path in &wanted {
            let bytes = std::fs::read(path).map_err(TaskError::file("read", path))?;
            copy.write(path, &bytes)?;
        }
        for path in workspace::files(&copy.tree)? {
            let inside = path.strip_prefix(&copy.tree).unwrap_or(&path);
            if !wanted.contains(inside) {
                std::fs::remove_file(&path).map_err(TaskError::file("remove", &path))?;
            }
        }
        Ok(copy)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), TaskError> {
        let to = self.tree.join(path);
        if std::fs::read(&to).is_ok_and(|old| old == bytes) {
            return Ok(());
        }
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).map_err(TaskError::file("create", folder))?;
        }
        std::fs::write(&to, bytes).map_err(TaskError::file("write", &to))
    }

    /// Runs `cargo test` in the copy; `build` stops before the tests.
    fn test(&self, arguments: &str, build: bool) -> Result<Captured, TaskError> {
        let mut command = cargo(&["test", "--locked", "--no-fail-fast"]);
        // What stands behind `--` goes to the tests.
        let (options, filters) = arguments.split_once(" -- ").unwrap_or((arguments, ""));
        command.args(options.split_whitespace());
        if build {
            command.arg("--no-run");
        } else if !filters.is_empty() {
            command.arg("--").args(filters.split_whitespace());
        }
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target).env("RUST_BACKTRACE", "0");
        capture(&mut command)
    }
}

/// The names of the tests that failed.
fn failed_tests(captured: &Captured) -> Vec<&str> {
    let results = captured.output.lines().filter_map(|line| line.strip_prefix("test "));
    results
        .filter_map(|line| line.split_once(" ... "))
        .filter(|(_, end)| end.ends_with("FAILED"))
        .map(|(name, _)| name)
        .collect()
}

/// How many tests ran.
fn tests_run(captured: &Captured) -> usize {
    let counts = captured.output.lines().filter_map(|line| line.strip_prefix("running "));
    counts.filter_map(|line| line.split(' ').next()?.parse::<usize>().ok()).sum()
}

/// Checks that the tests pass without a fault, then that some fail with each.
pub fn run(options: &Options) -> Result<Outcome, TaskError> {
    let list: List = toml::from_str(&workspace::read(LIST)?)
        .map_err(|error| TaskError::content(LIST, "a list of faults", error.to_string()))?;
    let wanted = |mutant: &Mutant| options.filter.as_ref().is_none_or(|part| mutant.name.contains(part));
    let mutants: Vec<Mutant> = list.mutant.into_iter().filter(wanted).collect();
    if mutants.is_empty() {
        return Ok(Outcome::failed(format!(
            "no fault in {LIST} has such a name; cargo xtask mutants --list shows them"
        )));
    }
    if options.list {
        mutants.iter().for_each(|mutant| println!("{:<36} {}", mutant.name, mutant.fault));
        return Ok(Outcome::Passed(format!("{} faults", mutants.len())));
    }

    let copy = Copy::new()?;
    let mut problems = Vec::new();
    let selections: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.test.as_str()).collect();
    for tests in selections {
        let captured = copy.test(tests, false)?;
        let ran = tests_run(&captured);
        println!("without a fault: {ran} tests of `{tests}`");
        if !captured.success {
            let end = process::last_lines(&(captured.output + &captured.errors), 30);
            problems.push(format!("`{tests}` fails without any fault:\n{end}"));
        } else if ran == 0 {
            problems.push(format!("`{tests}` selects no test; mend {LIST}"));
        }
    }
    if !problems.is_empty() {
        return Ok(Outcome::Failed(problems));
    }
    for mutant in &mutants {
        let started = Instant::now();
        let result = caught_by(&copy, mutant)?;
        let seconds = started.elapsed().as_secs_f64();
        match result {
            Ok(tests) => {
                let others = if tests.len() > 1 { format!(" and {} more", tests.len() - 1) } else { String::new() };
                println!("caught   {:<36} {seconds:4.1} s  {}{others}", mutant.name, tests[0]);
            }
            Err(problem) => {
                println!("MISSED   {:<36} {seconds:4.1} s  {problem}", mutant.name);
                problems.push(format!("{} ({}): {problem}", mutant.name, mutant.fault));
            }
        }
    }
    Ok(Outcome::from_problems(problems, format!("{} faults, each caught by a test", mutants.len())))
}

/// The tests that fail with the fault; the copy is as before afterwards.
fn caught_by(copy: &Copy, mutant: &Mutant) -> Result<Result<Vec<String>, String>, TaskError> {
    let path = Path::new(&mutant.file);
    let source = workspace::read(path)?;
    let wrong = match mutant.applied(&source) {
        Ok(wrong) => wrong,
        Err(problem) => return Ok(Err(problem)),
    };
    copy.write(path, wrong.as_bytes())?;
    let result = notice(copy, &mutant.test);
    copy.write(path, source.as_bytes())?;
    result
}

fn notice(copy: &Copy, tests: &str) -> Result<Result<Vec<String>, String>, TaskError> {
    let built = copy.test(tests, true)?;
    if !built.success {
        return Ok(Err(format!("it does not compile:\n{}", process::last_lines(&built.errors, 20))));
    }
    let tested = copy.test(tests, false)?;
    let failed: Vec<String> = failed_tests(&tested).into_iter().map(str::to_string).collect();
    Ok(match (tested.success, failed.is_empty()) {
        (true, _) => Err(format!("no test of `{tests}` fails")),
        (false, true) => Err(format!(
            "the tests broke off without naming one that failed:\n{}",
            process::last_lines(&tested.errors, 10)
        )),
        (false, false) => Ok(failed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(times: usize) -> Mutant {
        let text = |text: &str| text.to_string();
        Mutant {
            name: text("n"),
            fault: text("f"),
            file: text("a.rs"),
            find: text("x + 1"),
            replace: text("x - 1"),
            times,
            test: text("-p a"),
        }
    }

    #[test]
    fn code_that_has_moved_is_noticed() {
        assert_eq!(mutant(1).applied("y = x + 1;\r\n"), Ok("y = x - 1;\n".to_string()));
        assert!(mutant(1).applied("x + 1, x + 1").is_err());
        assert!(mutant(2).applied("x + 1, x + 1").is_ok());
        assert!(mutant(1).applied("x").is_err());
    }

    #[test]
    fn failed_tests_are_read_from_the_output() {
        let output =
            "running 2 tests\ntest a::b ... ok\ntest a::c - should panic ... FAILED\n\nrunning 1 test\ntest d ... ok\n";
        let captured = Captured { success: false, output: output.to_string(), errors: String::new() };
        assert_eq!(failed_tests(&captured), ["a::c - should panic"]);
        assert_eq!(tests_run(&captured), 3);
    }
}
