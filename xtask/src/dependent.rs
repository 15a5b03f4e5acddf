//! A crate outside the workspace that depends on ours, as a user's does: the profiles of the workspace do not reach it,
//! so that nothing in it is optimised unless it says so.
//!
//! Its tests are tests of the workspace, built a second time. They run on small stacks, on every instruction set. The Rust
//! of the front page is its documentation, so that it is compiled and run as it is printed.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, cargo};
use crate::workspace;
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
    /// The optimisation of everything, as `opt-level` of the profile dev
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

/// Where crates outside the workspace are built: what they have in common is built once.
pub fn target() -> Result<PathBuf, TaskError> {
    Ok(workspace::target()?.join("dependent").join("target"))
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

/// The Rust of a page of Markdown as documentation of a crate, a test for each block. What opens a file is compiled only.
/// A block may use `?`, and the name `pixels` for an input.
fn documentation(page: &str) -> String {
    let mut text = String::new();
    let mut block: Option<Vec<&str>> = None;
    for line in page.lines() {
        match &mut block {
            None if line.trim() == "```rust" => block = Some(Vec::new()),
            None => {}
            Some(lines) if line.trim() != "```" => lines.push(line),
            Some(lines) => {
                let run = if lines.iter().any(|line| line.contains("Model::open(")) { "no_run" } else { "rust" };
                let program = lines.iter().any(|line| line.contains("fn main"));
                let (first, last) = match program {
                    true => ("", ""),
                    false => (
                        "/// # fn main() -> Result<(), Box<dyn std::error::Error>> {\n/// # let pixels = [0.0f32; 64];\n",
                        "/// # Ok(()) }\n",
                    ),
                };
                text += &format!("/// ```{run}\n{first}");
                text.extend(lines.iter().map(|line| format!("/// {line}\n")));
                text += &format!("{last}/// ```\n");
                text += &format!("pub const BLOCK_{}: () = ();\n\n", text.matches("pub const").count() + 1);
                block = None;
            }
        }
    }
    text
}

/// Writes a file that is not so already: cargo builds again what is newer than its result.
fn write_changed(path: &std::path::Path, text: &str) -> Result<(), TaskError> {
    match std::fs::read_to_string(path) {
        Ok(present) if present == text => Ok(()),
        _ => workspace::write(path, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_of_a_page_becomes_tests_and_nothing_else_does() {
        let page = "x\n```\nls\n```\n```rust\nlet m = Model::open(\"f\")?;\n```\n```toml\na = 1\n```\n```rust\nfn main() {}\n```\n";
        let text = documentation(page);
        assert_eq!(text.matches("pub const BLOCK_").count(), 2);
        assert!(text.contains("/// ```no_run\n/// # fn main() -> Result"), "{text}");
        assert!(
            text.contains("/// let m = Model::open(\"f\")?;\n/// # Ok(()) }\n/// ```\npub const BLOCK_1"),
            "{text}"
        );
        assert!(text.contains("/// ```rust\n/// fn main() {}\n/// ```\npub const BLOCK_2"), "{text}");
        assert!(!text.contains("ls") && !text.contains("a = 1"), "{text}");
    }
}
