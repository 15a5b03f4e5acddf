//! A crate outside the workspace that depends on ours, as a user's does: the profiles of the workspace do not reach it,
//! so that nothing in it is optimized unless it says so.
//!
//! Its tests are tests of the workspace, built a second time. They run on small stacks, on every instruction set.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, cargo};
use crate::workspace::{self, write_changed};

/// The tests, and the names that they have in the other crate.
const TESTS: &[(&str, &str)] =
    &[("crates/plexus-kernels/tests/small_stack.rs", "kernels.rs"), ("crates/plexus/tests/small_stack.rs", "model.rs")];

/// Options of `cargo xtask dependent`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The optimization of everything, as `opt-level` of a profile
    #[arg(long, value_name = "LEVEL", value_delimiter = ',', default_value = "0")]
    #[arg(value_parser = ["0", "1", "2", "3", "s", "z"])]
    pub opt_level: Vec<String>,
}

impl Default for Options {
    /// As Cargo builds a new crate.
    fn default() -> Options {
        Options { opt_level: vec!["0".to_string()] }
    }
}

/// Builds the crate and runs its tests.
pub fn run(options: &Options) -> Result<Outcome, TaskError> {
    let folder = workspace::target()?.join("dependent");
    let root = std::env::current_dir().map_err(TaskError::file("find", ".".as_ref()))?;
    let path = |name: &str| format!("{{ path = \"{}\" }}", workspace::slashed(&root.join("crates").join(name)));
    let manifest = format!(
        "[package]\nname = \"dependent\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         plexus = {}\nplexus-kernels = {}\n\n# Quicker to build; the code is the same.\n[profile.dev]\ndebug = false\n",
        path("plexus"),
        path("plexus-kernels"),
    );
    write_changed(&folder.join("Cargo.toml"), &manifest)?;
    write_changed(&folder.join("src/lib.rs"), "")?;
    for (test, name) in TESTS {
        write_changed(&folder.join("tests").join(name), &workspace::read(test)?)?;
    }
    // The same versions as here: they are on this machine already, so nothing is fetched.
    workspace::write(folder.join("Cargo.lock"), &workspace::read("Cargo.lock")?)?;
    for level in &options.opt_level {
        println!("\n--- opt-level {level} ---");
        let mut command = cargo(&["test", "--offline", "--no-fail-fast"]);
        command.current_dir(&folder).env("CARGO_TARGET_DIR", folder.join("target"));
        // An instruction set that was chosen for this program is not the tests' choice: they run on each.
        process::run(command.env("CARGO_PROFILE_DEV_OPT_LEVEL", level).env_remove("PLEXUS_ISA"))?;
    }
    Ok(Outcome::Passed(format!("a crate outside the workspace, opt-level {}", options.opt_level.join(", "))))
}
