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
    let venv = match made(&folder)? {
        Ok(venv) => venv,
        Err(reason) => return Ok(Err(reason)),
    };
    let imports = format!("import {}", packages.join(", "));
    if !capture(venv.python().args(["-c", &imports]))?.success
        && let Err(reason) = install(&venv, &folder, &packages.join(", "), packages)?
    {
        return Ok(Err(reason));
    }
    Ok(Ok(venv))
}

/// A virtual environment in a folder of its own with exactly the packages that a file lists, and nothing that these
/// would bring along; the reason where this machine cannot have one.
pub fn venv_of(folder: &Path, requirements: &str) -> Result<Result<Venv, String>, TaskError> {
    let wanted = workspace::read(requirements)?;
    let installed = folder.join("installed.txt");
    let venv = match made(folder)? {
        Ok(venv) => venv,
        Err(reason) => return Ok(Err(reason)),
    };
    if !installed.is_file() || workspace::read(&installed)? != wanted {
        let what = format!("what {requirements} lists");
        if let Err(reason) = install(&venv, folder, &what, &["--no-deps", "--requirement", requirements])? {
            return Ok(Err(reason));
        }
        workspace::write(&installed, &wanted)?;
    }
    Ok(Ok(venv))
}

/// A virtual environment in this folder, made now unless it is there.
fn made(folder: &Path) -> Result<Result<Venv, String>, TaskError> {
    let program = if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") };
    let venv = Venv { program };
    if works(&mut venv.python()) {
        return Ok(Ok(venv));
    }
    // A folder without a working interpreter is what an interrupted attempt leaves.
    workspace::remove(folder)?;
    let Some(found) = ["python3", "python"].into_iter().find(|name| works(&mut Command::new(name))) else {
        return Ok(Err("Python 3 is not installed".to_string()));
    };
    let made = capture(Command::new(found).args(["-m", "venv"]).arg(folder))?;
    if !made.success {
        let why = last_lines(&(made.output + &made.errors), 3);
        return Ok(Err(format!("{found} cannot make a virtual environment: {why}")));
    }
    Ok(Ok(venv))
}

/// Installs with pip; the reason where that fails.
fn install(venv: &Venv, folder: &Path, what: &str, arguments: &[&str]) -> Result<Result<(), String>, TaskError> {
    println!("installing {what} into {}", folder.display());
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"];
    let installed = capture(venv.python().args(quiet).args(arguments))?;
    if !installed.success {
        let why = last_lines(installed.errors.trim(), 2);
        return Ok(Err(format!("pip cannot install {what}: {why}")));
    }
    Ok(Ok(()))
}

/// Whether a command is a Python of version 3.
fn works(command: &mut Command) -> bool {
    let script = "import sys; sys.exit(sys.version_info[0] != 3)";
    capture(command.args(["-c", script])).is_ok_and(|done| done.success)
}
