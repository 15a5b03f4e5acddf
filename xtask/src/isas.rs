//! The tests of layers and training, once for every instruction set of this machine.
//!
//! Those of the kernels are not repeated: each goes through all instruction sets by itself.

use crate::artifacts::Artifacts;
use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::{process, workspace};
use std::process::Command;

/// The crates whose results depend on the instruction set.
const CRATES: &[&str] = &["plexus-nn", "plexus-train"];

/// An instruction set that the program has kernels for.
pub struct Isa {
    /// As `PLEXUS_ISA` takes it.
    pub name: String,
    /// Whether this machine has it.
    pub available: bool,
    /// Whether it would be used without `PLEXUS_ISA`.
    pub picked: bool,
}

/// Asks the program, by its command `kernels --json`, what it knows and what this machine has.
pub fn known(kernels: &mut Command) -> Result<Vec<Isa>, TaskError> {
    let text = process::output(kernels)?;
    let bad = |line: &str| TaskError::content("plexus kernels --json", "rows with isa and available", line);
    let mut isas: Vec<Isa> = Vec::new();
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).map_err(|_| bad(line))?;
        let (Some(name), Some(available)) = (row["isa"].as_str(), row["available"].as_bool()) else {
            return Err(bad(line));
        };
        let picked = row["picked"].as_bool().unwrap_or(false);
        match isas.iter_mut().find(|isa| isa.name == name) {
            Some(isa) => isa.picked |= picked,
            None => isas.push(Isa { name: name.to_string(), available, picked }),
        }
    }
    if isas.iter().any(|isa| isa.available) { Ok(isas) } else { Err(bad(&text)) }
}

/// Runs the tests on each; an instruction set that this machine lacks is named, not counted as passed.
pub fn run() -> Result<Outcome, TaskError> {
    let artifacts = Artifacts::build()?;
    let isas = known(&mut artifacts.plexus(&["kernels", "--json"]))?;
    let of_interest = |folder: &std::path::Path| CRATES.contains(&workspace::name(folder).as_str());
    let (mut passed, mut failed, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    for isa in &isas {
        if !isa.available {
            absent.push(isa.name.as_str());
            continue;
        }
        let failures = failed.len();
        for test in artifacts.tests.iter().filter(|test| of_interest(&test.folder)) {
            println!("\n--- PLEXUS_ISA={}: {} ---", isa.name, test.name);
            // Documentation tests do not depend on the instruction set: `cargo test` runs them once.
            if let Err(error) = process::run(test.command().env("PLEXUS_ISA", &isa.name)) {
                failed.push(format!("PLEXUS_ISA={}: {}: {error}", isa.name, test.name));
            }
        }
        if failed.len() == failures {
            passed.push(isa.name.as_str());
        }
    }
    let absent =
        if absent.is_empty() { String::new() } else { format!("; not on this machine: {}", absent.join(", ")) };
    let passed = if passed.is_empty() { "none".to_string() } else { passed.join(", ") };
    println!("\npassed on: {passed}{absent}");
    Ok(Outcome::from_problems(failed, format!("passed on {passed}{absent}")))
}
