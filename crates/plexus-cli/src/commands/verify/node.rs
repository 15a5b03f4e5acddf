//! An exported program as WebAssembly, run by Node.

use super::qemu::{cargo, tool, write};
use crate::Failure;
use plexus::quant::firmware::Golden;
use std::path::Path;
use std::process::Command;

const TRIPLE: &str = "wasm32-unknown-unknown";

/// Builds a program with its golden inputs, and runs it; the lines of its verification.
pub(super) fn run(folder: &Path, golden: &Golden) -> Result<String, Failure> {
    if golden.target != "rust" {
        let shown = folder.display();
        return Err(Failure::Input(format!(
            "{shown} is in C, and Node runs exports in Rust: export with --target rust"
        )));
    }
    let (name, work) = (&golden.name, folder.join("build").join("wasm"));
    let manifest = format!(
        "[package]\nname = \"board\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\n{name} = {{ path = \"../..\" }}\n\n[profile.release]\nopt-level = 3\npanic = \"abort\"\nlto = true\n\n[workspace]\n"
    );
    write(&work.join("Cargo.toml"), &manifest)?;
    write(&work.join("src/lib.rs"), &include_str!("../../../../../firmware/board/wasm.rs").replace("NAME", name))?;
    write(&work.join("run.mjs"), include_str!("../../../../../firmware/board/run.mjs"))?;
    cargo(&work, TRIPLE, "")?;
    let module = work.join("target").join(TRIPLE).join("release/board.wasm");
    tool(Command::new("node").arg(work.join("run.mjs")).arg(module), "On Debian: apt-get install nodejs")
}
