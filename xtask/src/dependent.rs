//! A crate outside the workspace that depends on ours, as a user's does: the profiles of the workspace do not reach it,
//! so that nothing in it is optimized unless it says so.
//!
//! Its tests are tests of the workspace, built a second time. They run on small stacks, on every instruction set. The Rust
//! of the front page is its documentation, so that it is compiled and run as it is printed.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, cargo};
use crate::workspace::{self, write_changed};
use std::path::PathBuf;

/// The tests, and the names that they have in the other crate.
const TESTS: &[(&str, &str)] = &[
    ("crates/plexus-kernels/tests/small_stack.rs", "kernels.rs"),
    ("crates/plexus/tests/small_stack.rs", "model.rs"),
    ("crates/plexus/tests/outside.rs", "outside.rs"),
];

/// What the tests use besides our crates, as the workspace has it.
const OTHERS: &[&str] = &["axum", "tokio"];

/// Options of `cargo xtask dependent`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The optimization of everything, as `opt-level` of the profile dev
    #[arg(long, value_name = "LEVEL", value_delimiter = ',', default_value = "0")]
    #[arg(value_parser = ["0", "1", "2", "3", "s", "z"])]
    pub opt_level: Vec<String>,
    /// Run the tests in the profile release too
    #[arg(long)]
    pub release: bool,
}

impl Default for Options {
    /// As Cargo builds a new crate, and as it builds one with `--release`.
    fn default() -> Options {
        Options { opt_level: vec!["0".to_string()], release: true }
    }
}

/// Where crates outside the workspace are built: where the workspace is, so that dependencies of both are built once.
pub fn target() -> Result<PathBuf, TaskError> {
    Ok(workspace::target()?.to_path_buf())
}

/// Builds the crate and runs its tests.
pub fn run(options: &Options) -> Result<Outcome, TaskError> {
    let folder = workspace::target()?.join("dependent");
    write_changed(&folder.join("Cargo.toml"), &manifest()?)?;
    write_changed(&folder.join("src/lib.rs"), &documentation(&workspace::read("README.md")?))?;
    for (test, name) in TESTS {
        write_changed(&folder.join("tests").join(name), &workspace::read(test)?)?;
    }
    // The same versions as here: they are on this machine already, so nothing is fetched.
    workspace::write(folder.join("Cargo.lock"), &workspace::read("Cargo.lock")?)?;
    let target = target()?;
    let test = |arguments: &[&str]| {
        let mut command = cargo(&[&["test", "--offline", "--no-fail-fast"], arguments].concat());
        command.current_dir(&folder).env("CARGO_TARGET_DIR", &target);
        // An instruction set that was chosen for this program is not the tests' choice: they run on each.
        command.env_remove("PLEXUS_ISA");
        command
    };
    let mut builds = Vec::new();
    for level in &options.opt_level {
        println!("\n--- opt-level {level} ---");
        process::run(test(&[]).env("CARGO_PROFILE_DEV_OPT_LEVEL", level))?;
        builds.push(format!("opt-level {level}"));
    }
    if options.release {
        println!("\n--- release ---");
        process::run(&mut test(&["--release"]))?;
        builds.push("release".to_string());
    }
    Ok(Outcome::Passed(format!("a crate outside the workspace, {}", builds.join(", "))))
}

/// Our crates from their folders, the others as the workspace has them.
fn manifest() -> Result<String, TaskError> {
    let root = std::env::current_dir().map_err(TaskError::file("find", ".".as_ref()))?;
    let ours = ["plexus", "plexus-kernels"].map(|name| {
        let path = workspace::slashed(&root.join("crates").join(name));
        format!("{name} = {{ path = \"{path}\" }}\n")
    });
    let wrong = |got: String| TaskError::content("Cargo.toml", "a table workspace.dependencies", got);
    let table: toml::Table =
        toml::from_str(&workspace::read("Cargo.toml")?).map_err(|error| wrong(error.to_string()))?;
    let others = OTHERS.iter().map(|name| {
        let value = table.get("workspace").and_then(|workspace| workspace.get("dependencies")?.get(name));
        Ok(format!("{name} = {}\n", value.ok_or_else(|| wrong(format!("none with {name}")))?))
    });
    Ok(format!(
        "[package]\nname = \"dependent\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         {}{}\n# Quicker to build; the code is the same.\n[profile.dev]\ndebug = false\n",
        ours.concat(),
        others.collect::<Result<String, TaskError>>()?,
    ))
}

/// The Rust of a page of Markdown as documentation of a crate: a test for each block, compiled and run as its first line says.
fn documentation(page: &str) -> String {
    let (mut text, mut blocks, mut inside) = (String::new(), 0, false);
    for line in page.lines() {
        if inside || line.starts_with("```rust") {
            text += &format!("/// {line}\n");
            inside = !inside || line.trim() != "```";
            if !inside {
                blocks += 1;
                text += &format!("pub const BLOCK_{blocks}: () = ();\n\n");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_of_a_page_becomes_tests_and_nothing_else_does() {
        let page = "x\n```\nls\n```\n```rust,no_run\nf();\n```\n```toml\na = 1\n```\n```rust\ng();\n```\n";
        let expected = "/// ```rust,no_run\n/// f();\n/// ```\npub const BLOCK_1: () = ();\n\n\
                        /// ```rust\n/// g();\n/// ```\npub const BLOCK_2: () = ();\n\n";
        assert_eq!(documentation(page), expected);
    }
}
