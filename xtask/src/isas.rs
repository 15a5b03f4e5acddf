//! The tests of kernels, layers and training, once for every instruction set of this machine.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, cargo};

/// The crates whose results depend on the instruction set.
const PACKAGES: &[&str] = &["-p", "plexus-kernels", "-p", "plexus-nn", "-p", "plexus-train"];

/// An instruction set that the program has kernels for.
pub struct Isa {
    /// As `PLEXUS_ISA` takes it.
    pub name: String,
    /// Whether this machine has it.
    pub available: bool,
    /// Whether it would be used without `PLEXUS_ISA`.
    pub picked: bool,
}

/// Asks the program what it knows and what this machine has.
pub fn known() -> Result<Vec<Isa>, TaskError> {
    let args = ["run", "--quiet", "--package", "plexus-cli", "--", "kernels", "--json"];
    let text = process::output(cargo(&args).env_remove("PLEXUS_ISA"))?;
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
    let isas = known()?;
    let (mut passed, mut failed, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    for isa in &isas {
        if !isa.available {
            absent.push(isa.name.as_str());
            continue;
        }
        println!("\n--- PLEXUS_ISA={} ---", isa.name);
        let mut command = cargo(&["test", "--no-fail-fast"]);
        command.args(PACKAGES).env("PLEXUS_ISA", &isa.name);
        match process::run(&mut command) {
            Ok(()) => passed.push(isa.name.as_str()),
            Err(error) => failed.push(format!("PLEXUS_ISA={}: {error}", isa.name)),
        }
    }
    let absent =
        if absent.is_empty() { String::new() } else { format!("; not on this machine: {}", absent.join(", ")) };
    let passed = if passed.is_empty() { "none".to_string() } else { passed.join(", ") };
    println!("\npassed on: {passed}{absent}");
    Ok(Outcome::from_problems(failed, format!("passed on {passed}{absent}")))
}
