//! Everything that has to pass: what the README promises and what continuous integration runs.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, cargo};
use crate::{check, dependent, firmware, isas, python};
use std::time::{Duration, Instant};

/// One part of the whole.
struct Stage {
    name: &'static str,
    run: fn() -> Result<Outcome, TaskError>,
}

/// In this order, because the first ones explain failures of the later ones.
const STAGES: &[Stage] = &[
    Stage { name: "check", run: || Ok(check::run()) },
    Stage { name: "tests", run: cargo_test },
    Stage { name: "test-all-isas", run: isas::run },
    Stage { name: "dependent", run: || dependent::run(&dependent::Options::default()) },
    Stage { name: "firmware", run: || firmware::run(&firmware::Options::default()) },
    Stage { name: "open-in-python", run: python::open_model::run },
];

/// Every test of the workspace, those in the documentation too.
fn cargo_test() -> Result<Outcome, TaskError> {
    process::run(&mut cargo(&["test", "--workspace", "--no-fail-fast"]))?;
    Ok(Outcome::Passed("cargo test --workspace".to_string()))
}

/// Runs all stages, also after a failure, and prints how each ended.
pub fn run() -> Result<Outcome, TaskError> {
    let started = Instant::now();
    let mut ended = Vec::new();
    for stage in STAGES {
        println!("\n=== {} ===", stage.name);
        let stage_started = Instant::now();
        let outcome = (stage.run)().unwrap_or_else(|error| Outcome::failed(error.to_string()));
        outcome.print();
        ended.push((stage, outcome, stage_started.elapsed()));
    }
    println!("\n{:<16} {:<8} {:>8}  what", "stage", "result", "time");
    for (stage, outcome, elapsed) in &ended {
        let summary = outcome.summary();
        let summary = summary.lines().next().unwrap_or_default();
        println!("{:<16} {:<8} {:>8}  {summary}", stage.name, outcome.word(), clock(*elapsed));
    }
    let failed: Vec<&str> = ended.iter().filter(|(_, o, _)| o.is_failure()).map(|(stage, ..)| stage.name).collect();
    let took = clock(started.elapsed());
    if failed.is_empty() {
        let skipped = ended.iter().filter(|(_, outcome, _)| matches!(outcome, Outcome::Skipped(_))).count();
        let skipped = if skipped == 0 { String::new() } else { format!(", {skipped} skipped") };
        return Ok(Outcome::Passed(format!("all {} stages{skipped}, in {took}", STAGES.len())));
    }
    Ok(Outcome::failed(format!("{} of {} stages failed: {}, in {took}", failed.len(), STAGES.len(), failed.join(", "))))
}

/// Minutes and seconds.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
