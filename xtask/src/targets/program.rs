//! The program that is built for every target, and what it says.

use crate::error::TaskError;
use crate::process::{self, capture, cargo, output};
use crate::workspace::{self, write_changed};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of the program and of its crate.
pub const NAME: &str = "answers";

/// Its models, in the order in which it takes them; the last one is timed.
const MODELS: &[&str] = &["rows", "pictures", "wide"];

/// The profile that the program is built in.
const PROFILE: &str = "targets";

/// The program on this machine, its models and its results.
pub struct Native {
    folder: PathBuf,
    models: Vec<PathBuf>,
    results: String,
    time: bool,
}

/// A comparison with this machine.
pub struct Comparison {
    /// What was the same.
    pub same: String,
    /// What was not.
    pub problems: Vec<String>,
}

impl Native {
    /// Writes the program, a crate outside the workspace, builds it for this machine and lets it write the models.
    pub fn build(time: bool) -> Result<Native, TaskError> {
        let folder = workspace::target()?.join("targets");
        let root = std::env::current_dir().map_err(TaskError::file("find", ".".as_ref()))?;
        let plexus = workspace::slashed(&root.join("crates/plexus"));
        // Quick to build. The bits do not depend on the optimisation; times do.
        let level = if time { 3 } else { 1 };
        let manifest = format!(
            "[package]\nname = \"{NAME}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n\n\
             [dependencies.plexus]\npath = \"{plexus}\"\ndefault-features = false\nfeatures = [\"train\"]\n\n\
             [profile.{PROFILE}]\ninherits = \"release\"\nopt-level = {level}\npanic = \"abort\"\n",
        );
        write_changed(&folder.join("Cargo.toml"), &manifest)?;
        write_changed(&folder.join("src/lib.rs"), include_str!("program/lib.rs"))?;
        write_changed(&folder.join("src/main.rs"), include_str!("program/main.rs"))?;
        write_changed(&folder.join("run.mjs"), include_str!("program/run.mjs"))?;
        // The same versions as here.
        workspace::write(folder.join("Cargo.lock"), &workspace::read("Cargo.lock")?)?;

        println!("\n=== this machine ===");
        let models = folder.join("models");
        std::fs::create_dir_all(&models).map_err(TaskError::file("create", &models))?;
        let files = MODELS.iter().map(|name| models.join(name).with_extension("safetensors")).collect();
        let mut native = Native { folder, models: files, results: String::new(), time };
        process::run(native.at_home(&mut cargo(&["build", "--bin", NAME])))?;
        let program = native.folder.join("target").join(PROFILE).join(NAME);
        process::run(Command::new(&program).arg("write").arg(models))?;
        native.results = output(Command::new(program).args(&native.models))?;
        Ok(native)
    }

    /// Where everything is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A cargo command that builds this program.
    pub fn at_home<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.args(["--profile", PROFILE]).current_dir(&self.folder);
        command.env("CARGO_TARGET_DIR", self.folder.join("target"))
    }

    /// What the program for a target says, started by some words before its own.
    pub fn run(&self, triple: &str, words: &[&str]) -> Result<String, TaskError> {
        let program = self.folder.join("target").join(triple).join(PROFILE).join(NAME);
        let mut command = match words {
            [] => Command::new(&program),
            [runner, words @ ..] => {
                let mut command = Command::new(runner);
                command.args(words).arg(&program);
                command
            }
        };
        output(command.args(&self.models))
    }

    /// What the library for WebAssembly says in Node.js.
    pub fn in_node(&self, triple: &str) -> Result<String, TaskError> {
        let program = self.folder.join("target").join(triple).join(PROFILE).join(NAME).with_extension("wasm");
        let mut command = Command::new("node");
        command.arg(self.folder.join("run.mjs")).arg(if self.time { "time" } else { "results" });
        let done = capture(command.arg(program).args(&self.models))?;
        print!("{}", done.errors);
        match done.success {
            true => Ok(done.output),
            false => Err(TaskError::content("run.mjs", "results", process::last_lines(&done.errors, 5))),
        }
    }

    /// Compares the results of a target with those of this machine.
    pub fn compare(&self, results: &str) -> Result<Comparison, TaskError> {
        compare(&self.results, results)
    }
}

/// The instruction set here whose bits one of another processor has.
fn counterpart(isa: &str) -> &str {
    match isa {
        "simd128" => "portable",
        // Both round once where they multiply and add, and both have eight lanes.
        "neon" => "avx2",
        other => other,
    }
}

/// Compares results line by line, each instruction set with its counterpart.
fn compare(here: &str, there: &str) -> Result<Comparison, TaskError> {
    let (mut same, mut problems) = (Vec::<String>::new(), Vec::new());
    let isa = |line: &str| line.split(':').next().unwrap_or_default().to_string();
    let mut isas: Vec<String> = there.lines().map(isa).collect();
    isas.dedup();
    for name in isas {
        let lines = |text: &str, isa: &str| -> Vec<String> {
            let start = format!("{isa}:");
            text.lines().filter_map(|line| line.strip_prefix(&start)).map(str::to_string).collect()
        };
        let (got, want) = (lines(there, &name), lines(here, counterpart(&name)));
        let other = counterpart(&name);
        if want.is_empty() {
            same.push(format!("{name} ran (this machine has no {other} to compare with)"));
            continue;
        }
        let different = got.iter().zip(&want).filter(|(got, want)| got != want);
        for (got, want) in different.take(3) {
            problems.push(format!("{name}:{got}"));
            problems.push(format!("expected, as {other} here:{want}"));
        }
        if got.len() != want.len() {
            problems.push(format!("{name}: {} lines, expected {}", got.len(), want.len()));
        }
        let like = if name == other { String::new() } else { format!(" as {other}") };
        same.push(format!("{name}{like}"));
    }
    if same.is_empty() {
        problems.push("the program says nothing".to_string());
    }
    Ok(Comparison { same: format!("runs, the same bits: {}", same.join(", ")), problems })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "portable: a, row 0: 3f800000\nportable: a, row 1: 40000000\navx2: a, row 0: 3f800001\n";

    #[test]
    fn the_same_bits_pass_and_others_do_not() {
        let there = HERE.replace("avx2", "neon");
        let comparison = compare(HERE, &there).unwrap();
        assert_eq!(comparison.problems, [""; 0]);
        assert_eq!(comparison.same, "runs, the same bits: portable, neon as avx2");
        assert_eq!(compare(HERE, &there.replace("40000000", "40000001")).unwrap().problems.len(), 2);
        assert_eq!(compare(HERE, "portable: a, row 0: 3f800000\n").unwrap().problems.len(), 1);
        assert_eq!(compare(HERE, "").unwrap().problems.len(), 1);
    }

    #[test]
    fn an_instruction_set_that_is_not_here_is_said_to_be_not_compared() {
        let comparison = compare(HERE, "avx512: a, row 0: 3f800000\n").unwrap();
        assert!(comparison.problems.is_empty() && comparison.same.contains("no avx512"), "{}", comparison.same);
    }
}
