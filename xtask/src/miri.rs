//! The tests of the code that lends memory to threads, under Miri: an interpreter that sees undefined behavior and races.
//!
//! Not part of `cargo xtask test`: it needs a nightly Rust with the components `miri` and `rust-src`, and takes minutes.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process;
use std::process::Command;

/// The tests: of the thread team, of the pool, of the tiles of a matrix. The vector code is left out, because Miri does
/// not know all instructions; under it everything is portable.
const TESTS: &[&str] = &["threads::", "buffer::"];

/// Miri changes threads where it likes. With other numbers it does so elsewhere.
const SEEDS: &str = "0..4";

/// Cargo of the nightly Rust: rustup knows where that is.
fn nightly(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(arguments);
    // These name the Rust that runs this program.
    for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(variable);
    }
    command
}

/// Runs the tests, or says what is missing.
pub fn run() -> Result<Outcome, TaskError> {
    let found = process::capture(&mut nightly(&["miri", "--version"])).is_ok_and(|version| version.success);
    if !found {
        let how = "rustup toolchain install nightly --component miri,rust-src";
        return Ok(Outcome::Skipped(format!("there is no Miri here; to install it: {how}")));
    }
    let arguments = ["miri", "test", "-p", "plexus-kernels", "--lib", "--"];
    let mut command = nightly(&[&arguments[..], TESTS].concat());
    // Isolation would hide the clock, by which workers decide when to sleep. Threads that a test leaves asleep on purpose
    // (as in a child after `fork`) are no leak of the team.
    let flags = format!("-Zmiri-many-seeds={SEEDS} -Zmiri-disable-isolation -Zmiri-ignore-leaks");
    process::run(command.env("MIRIFLAGS", flags).env("PLEXUS_ISA", "portable"))?;
    Ok(Outcome::Passed(format!("plexus-kernels, {}, seeds {SEEDS}", TESTS.join(" "))))
}
