//! The rules of the tree, one row each. To add a rule: a function, and a row in [`CHECKS`].

mod flags;
mod layering;
mod leftovers;
mod length;
mod tables;
mod tools;
pub mod unsafe_list;

use crate::error::TaskError;
use crate::outcome::Outcome;

/// One rule.
pub struct Check {
    /// What is looked at.
    pub name: &'static str,
    run: fn() -> Result<Outcome, TaskError>,
}

/// Every rule, the quick ones first.
pub const CHECKS: &[Check] = &[
    Check { name: "layering", run: layering::check },
    Check { name: "unsafe list", run: unsafe_list::check },
    Check { name: "unsafe forbidden", run: unsafe_list::check_forbidden },
    Check { name: "file length", run: length::check },
    Check { name: "layer cases", run: tables::check_layer_cases },
    Check { name: "kernel rows", run: tables::check_kernel_rows },
    Check { name: "left-overs", run: leftovers::check_sources },
    Check { name: "machine paths", run: leftovers::check_paths },
    Check { name: "front page", run: leftovers::check_front_page },
    Check { name: "flags", run: flags::check },
    Check { name: "format", run: tools::format },
    Check { name: "clippy", run: tools::clippy },
    Check { name: "documentation", run: tools::documentation },
    Check { name: "features", run: tools::features },
    Check { name: "32 bits", run: tools::narrow },
];

/// Runs every check, prints a line for each, and goes on after a failure.
pub fn run() -> Outcome {
    let mut failed = Vec::new();
    for check in CHECKS {
        let outcome = (check.run)().unwrap_or_else(|error| Outcome::failed(error.to_string()));
        println!("{:<18} {:<8} {}", check.name, outcome.word(), outcome.summary());
        outcome.print_problems();
        if outcome.is_failure() {
            failed.push(check.name);
        }
    }
    if failed.is_empty() {
        return Outcome::Passed(format!("{} checks", CHECKS.len()));
    }
    Outcome::failed(format!("{} of {} checks: {}", failed.len(), CHECKS.len(), failed.join(", ")))
}
