//! What `cargo test --workspace` builds: the program and the test programs.
//!
//! Other tasks take these instead of building their own: a selection of packages would have other features in the
//! dependencies, and all of them would be compiled once more.

use crate::error::TaskError;
use crate::process::{self, cargo};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One test program.
pub struct TestProgram {
    /// The folder of its crate, where cargo would run it.
    pub folder: PathBuf,
    /// The name of the crate and of the test, as `plexus-nn, golden`.
    pub name: String,
    path: PathBuf,
}

impl TestProgram {
    /// Ready to run as cargo runs it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

/// Everything built.
pub struct Artifacts {
    /// All unit and integration tests.
    pub tests: Vec<TestProgram>,
    plexus: PathBuf,
}

impl Artifacts {
    /// Builds what is not there yet.
    pub fn build() -> Result<Artifacts, TaskError> {
        let mut command =
            cargo(&["test", "--quiet", "--workspace", "--no-run", "--message-format=json-render-diagnostics"]);
        // The messages of the compiler are seen as they come; only the list of results is read.
        let text = process::output(command.stderr(Stdio::inherit()))?;
        let (mut tests, mut plexus) = (Vec::new(), None);
        for line in text.lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            let (Some(executable), Some(manifest)) =
                (message["executable"].as_str(), message["manifest_path"].as_str())
            else {
                continue;
            };
            let folder = Path::new(manifest).parent().unwrap_or(Path::new(".")).to_path_buf();
            let (path, target) = (PathBuf::from(executable), message["target"]["name"].as_str().unwrap_or_default());
            let is_program = message["target"]["kind"][0] == "bin";
            if message["profile"]["test"] == true {
                let name = format!("{}, {target}", crate::workspace::name(&folder));
                tests.push(TestProgram { folder, name, path });
            } else if is_program && target == "plexus" {
                plexus = Some(path);
            }
        }
        let plexus = plexus.ok_or_else(|| TaskError::content("cargo test --no-run", "the program plexus", "none"))?;
        Ok(Artifacts { tests, plexus })
    }

    /// The program `plexus`, with the instruction set that it picks itself.
    pub fn plexus(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.plexus);
        command.args(arguments).env_remove("PLEXUS_ISA");
        command
    }
}
