//! Starting other programs.

use crate::error::TaskError;
use std::process::{Command, Stdio};

/// Cargo, the same that runs this program.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

/// The command as a person would type it.
pub fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs a command whose output is seen as it comes.
pub fn run(command: &mut Command) -> Result<(), TaskError> {
    println!("$ {}", shown(command));
    let status = command.status().map_err(|source| start_error(command, source))?;
    if status.success() {
        return Ok(());
    }
    Err(TaskError::Command { command: shown(command), status, output: String::new() })
}

/// What a command wrote, and whether it succeeded.
pub struct Captured {
    /// Whether it reported success.
    pub success: bool,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

/// Runs a command and keeps its output, also where it fails.
pub fn capture(command: &mut Command) -> Result<Captured, TaskError> {
    let done = command.stdin(Stdio::null()).output().map_err(|source| start_error(command, source))?;
    Ok(Captured {
        success: done.status.success(),
        output: String::from_utf8_lossy(&done.stdout).into_owned(),
        errors: String::from_utf8_lossy(&done.stderr).into_owned(),
    })
}

/// Standard output of a command that has to succeed. Its errors are kept for the message, unless they go elsewhere.
pub fn output(command: &mut Command) -> Result<String, TaskError> {
    let done = command.stdin(Stdio::null()).output().map_err(|source| start_error(command, source))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() {
        return Ok(text(&done.stdout));
    }
    let output = last_lines(&(text(&done.stdout) + &text(&done.stderr)), 20);
    Err(TaskError::Command { command: shown(command), status: done.status, output })
}

/// The end of a long text.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn start_error(command: &Command, source: std::io::Error) -> TaskError {
    TaskError::Start { program: command.get_program().to_string_lossy().into_owned(), source }
}
