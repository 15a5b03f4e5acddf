//! What the tools of Rust check.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, capture, cargo, last_lines};

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
