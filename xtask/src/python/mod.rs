//! Python, for the few things that only Python can show: that others open our files, and how fast others are.

pub mod open_model;

use crate::error::TaskError;
use crate::process::{capture, last_lines};
use crate::workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A virtual environment in the build folder.
#[derive(Debug)]
pub struct Venv {
    program: PathBuf,
}

impl Venv {
    /// An interpreter that is there already; the reason where it does not run.
    pub fn existing(program: &Path) -> Result<Venv, String> {
        let venv = Venv { program: program.to_path_buf() };
        if works(&mut venv.python()) { Ok(venv) } else { Err(format!("{} is no Python 3", program.display())) }
    }

    /// Its interpreter.
    pub fn python(&self) -> Command {
        Command::new(&self.program)
    }
}

/// A virtual environment with these packages; the reason where this machine cannot have one.
pub fn venv(packages: &[&str]) -> Result<Result<Venv, String>, TaskError> {
    let folder = workspace::target()?.join("venv");
    let program = if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") };
    let venv = Venv { program };
    if !works(&mut venv.python()) {
        // A folder without a working interpreter is what an interrupted attempt leaves.
        workspace::remove(&folder)?;
        let Some(found) = ["python3", "python"].into_iter().find(|name| works(&mut Command::new(name))) else {
            return Ok(Err("Python 3 is not installed".to_string()));
        };
        let made = capture(Command::new(found).args(["-m", "venv"]).arg(&folder))?;
        if !made.success {
            let why = last_lines(&(made.output + &made.errors), 3);
            return Ok(Err(format!("{found} cannot make a virtual environment: {why}")));
        }
    }
    let imports = format!("import {}", packages.join(", "));
    if !capture(venv.python().args(["-c", &imports]))?.success {
        println!("installing {} into {}", packages.join(", "), folder.display());
        let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"];
        let installed = capture(venv.python().args(quiet).args(packages))?;
        if !installed.success {
            let why = last_lines(installed.errors.trim(), 2);
            return Ok(Err(format!("pip cannot install {}: {why}", packages.join(", "))));
        }
    }
    Ok(Ok(venv))
}

/// Whether a command is a Python of version 3.
fn works(command: &mut Command) -> bool {
    let script = "import sys; sys.exit(sys.version_info[0] != 3)";
    capture(command.args(["-c", script])).is_ok_and(|done| done.success)
}
