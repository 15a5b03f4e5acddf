//! What the tools of Rust check.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, capture, cargo, last_lines};
use std::collections::BTreeSet;
use std::path::Path;

/// Runs cargo and shows what it said only where it fails.
fn tool(component: Option<&str>, args: &[&str], passed: &str) -> Result<Outcome, TaskError> {
    if let Some(component) = component
        && !capture(cargo(&[component, "--version"]).env_remove("RUSTFLAGS"))?.success
    {
        let add = if component == "fmt" { "rustfmt" } else { component };
        return Ok(Outcome::missing(format!("cargo {component} is not installed; rustup component add {add}")));
    }
    let mut command = cargo(args);
    let done = capture(command.env("RUSTDOCFLAGS", "-D warnings"))?;
    if done.success {
        return Ok(Outcome::Passed(passed.to_string()));
    }
    let mut problems = vec![process::shown(&command)];
    problems.extend(last_lines(&(done.output + &done.errors), 60).lines().map(str::to_string));
    Ok(Outcome::Failed(problems))
}

/// The format is that of rustfmt.
pub fn format() -> Result<Outcome, TaskError> {
    tool(Some("fmt"), &["fmt", "--all", "--check"], "as cargo fmt writes it")
}

/// No lint speaks, missing documentation included.
pub fn clippy() -> Result<Outcome, TaskError> {
    let args = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
    tool(Some("clippy"), &args, "no warnings in the workspace, tests included")
}

/// The documentation builds, every link in it leads somewhere.
pub fn documentation() -> Result<Outcome, TaskError> {
    tool(None, &["doc", "--quiet", "--workspace", "--no-deps"], "builds without warnings")
}

/// The face with every set of its features, and how many crates a program takes that only predicts.
pub fn features() -> Result<Outcome, TaskError> {
    const MOST: usize = 24;
    const SETS: [&str; 7] = ["", "toml", "train", "train,toml", "ndarray", "ndarray,table", "images"];
    for set in SETS {
        let args = ["check", "--quiet", "--package", "plexus", "--no-default-features", "--features", set];
        let mut command = cargo(&args);
        let done = capture(command.env("RUSTFLAGS", "-D warnings").env("CARGO_TARGET_DIR", "target/features"))?;
        if !done.success {
            let mut problems = vec![process::shown(&command)];
            problems.extend(last_lines(&(done.output + &done.errors), 60).lines().map(str::to_string));
            return Ok(Outcome::Failed(problems));
        }
    }
    let args = ["tree", "--package", "plexus", "--no-default-features", "--edges", "normal", "--prefix", "none"];
    let tree = process::output(&mut cargo(&args))?;
    // A crate that was listed before is marked with `(*)`.
    let crates: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    Ok(match crates.len() {
        count if count <= MOST => Outcome::Passed(format!("{} sets compile; {count} crates predict", SETS.len())),
        count => Outcome::failed(format!("a program that only predicts takes {count} crates, more than {MOST}")),
    })
}

/// The crates of the product that are not a program, on a target whose addresses have 32 bits.
///
/// Skipped also where `CI=true`: the standard library of another target is not everywhere to be had.
pub fn narrow() -> Result<Outcome, TaskError> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let mut libdir = std::process::Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let libdir = process::output(libdir.args(["--print", "target-libdir", "--target", TARGET]))?;
    if !Path::new(libdir.trim()).is_dir() {
        return Ok(Outcome::Skipped(format!("rustup target add {TARGET}")));
    }
    let mut args = vec!["check", "--quiet", "--target", TARGET];
    for name in ["plexus-kernels", "plexus-nn", "plexus-train", "plexus-formats", "plexus"] {
        args.extend(["--package", name]);
    }
    tool(None, &args, "the libraries compile for wasm32")
}
