//! The public items of the library `plexus`: what its users may call, and what a change adds or takes away.
//!
//! Not part of `cargo xtask test`: the tools are installed into the build folder when they are first asked for, and need a
//! nightly Rust for the form in which rustdoc writes its results.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, capture, cargo, last_lines};
use crate::workspace;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The list, as it was when it was last looked at.
const LIST: &str = "docs/api.txt";

/// A program of cargo's, installed into the build folder where it is not there; the reason where it cannot be.
fn tool(name: &str) -> Result<Result<PathBuf, String>, TaskError> {
    let root = workspace::target()?.join("tools");
    let program = root.join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        let mut install = cargo(&["install", "--locked", "--jobs", "2", "--root"]);
        // Not the build folder of the workspace: that is for what users get.
        install.arg(&root).arg(name).env("CARGO_TARGET_DIR", root.join("target"));
        if let Err(error) = process::run(&mut install) {
            return Ok(Err(error.to_string()));
        }
    }
    Ok(Ok(program))
}

/// The tool, which asks rustup for other versions of Rust itself.
fn command(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    // These name the Rust that runs this program.
    for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(variable);
    }
    command
}

/// The crates whose items the library hands on under its own name; of the last one all.
const BELOW: &[&str] = &["plexus-kernels", "plexus-nn", "plexus-formats", ALL];
const ALL: &str = "plexus-train";

/// Writes the list, and says what was added to it and removed from it.
pub fn run() -> Result<Outcome, TaskError> {
    let program = match tool("cargo-public-api")? {
        Ok(program) => program,
        Err(why) => return Ok(Outcome::failed(why)),
    };
    let list = |package: &str| {
        // Without what every type has by itself or by a derive: that is most lines and little news.
        let arguments = ["public-api", "--package", package, "--all-features", "-sss", "--color", "never"];
        let listed = capture(&mut command(&program, &arguments))?;
        let failed = || TaskError::content("cargo public-api", "a list", last_lines(&listed.errors, 20));
        if listed.success { Ok(without_methods_of_traits(&listed.output)) } else { Err(failed()) }
    };
    let mut text = list("plexus")?;
    let names: BTreeSet<String> = text.lines().filter_map(handed_on).map(str::to_string).collect();
    for package in BELOW {
        let (listed, start) = (list(package)?, format!("{}::", package.replace('-', "_")));
        let kept = listed.lines().filter(|line| *package == ALL || is_of(line, &start, &names));
        text.extend(kept.flat_map(|line| [line, "\n"]));
    }
    let before = std::fs::read_to_string(LIST).unwrap_or_default();
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (before.lines().collect(), text.lines().collect());
    new.difference(&old).for_each(|line| println!("+ {line}"));
    old.difference(&new).for_each(|line| println!("- {line}"));
    workspace::write(LIST, &text)?;
    let (added, removed) = (new.difference(&old).count(), old.difference(&new).count());
    Ok(Outcome::Passed(format!("{} public items, {added} added, {removed} removed; {LIST}", new.len())))
}

/// The list without the methods that stand below `impl Trait for Type`: that line says all of them.
fn without_methods_of_traits(list: &str) -> String {
    let (mut kept, mut of) = (String::new(), None);
    for line in list.lines() {
        if line.starts_with("impl") {
            of = line.split_once(" for ").map(|(_, of)| format!("{}::", of.split(['<', ' ']).next().unwrap_or(of)));
        } else if of.as_ref().is_some_and(|of| line.starts_with("pub fn ") && line["pub fn ".len()..].starts_with(of)) {
            continue;
        } else {
            of = None;
        }
        kept += line;
        kept.push('\n');
    }
    kept
}

/// The name of an item that comes from another crate.
fn handed_on(line: &str) -> Option<&str> {
    line.strip_prefix("pub use plexus::")
}

/// Whether a line is about one of these items, or about what is in it: `pub fn plexus_nn::graph::Graph::add(…)` is about
/// `Graph`.
fn is_of(line: &str, start: &str, names: &BTreeSet<String>) -> bool {
    let Some(at) = line.find(start) else { return false };
    let path = &line[at..];
    let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(path.len());
    path[..end].split("::").any(|part| names.contains(part))
}

/// Compares with a revision, by the rules of semantic versions.
pub fn semver(revision: &str) -> Result<Outcome, TaskError> {
    let program = match tool("cargo-semver-checks")? {
        Ok(program) => program,
        Err(why) => return Ok(Outcome::failed(why)),
    };
    let arguments = ["semver-checks", "--package", "plexus", "--baseline-rev", revision];
    process::run(&mut command(&program, &arguments))?;
    Ok(Outcome::Passed(format!("plexus can be used as that of {revision}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_of_traits_are_left_out_and_others_are_not() {
        let list =
            "impl a::B\npub fn a::B::new() -> Self\nimpl a::T for a::B\npub fn a::B::run(&self)\npub fn a::free()\n";
        let kept = "impl a::B\npub fn a::B::new() -> Self\nimpl a::T for a::B\npub fn a::free()\n";
        assert_eq!(without_methods_of_traits(list), kept);
    }

    #[test]
    fn lines_about_what_is_handed_on_are_kept() {
        let names = ["pub use plexus::Graph", "pub fn plexus::fit()", "pub use plexus::layers"];
        let names: BTreeSet<String> = names.iter().filter_map(|line| handed_on(line)).map(str::to_string).collect();
        let of = |line: &str| is_of(line, "plexus_nn::", &names);
        assert!(of(
            "pub fn plexus_nn::graph::Graph::add(&mut self, &[plexus_nn::graph::Node]) -> plexus_nn::graph::Node"
        ));
        assert!(of("pub struct plexus_nn::layers::Linear"));
        assert!(!of("pub fn plexus_nn::plan::Plan::of(plexus_nn::graph::Graph)"));
        assert!(!of("pub fn plexus_nn::graph::GraphError::line(&self) -> usize"));
    }
}
