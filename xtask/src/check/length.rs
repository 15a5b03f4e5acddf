//! How long a file may be.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::source::lines_without_tests;
use crate::workspace;

/// Above this a file is two things.
const HARD_LIMIT: usize = 800;

/// A file this long deserves a second thought.
const SOFT_LIMIT: usize = 400;

/// Counts the lines of every Rust file, without its tests.
pub fn check() -> Result<Outcome, TaskError> {
    let mut problems = Vec::new();
    let mut over_soft = 0;
    for path in workspace::rust_files()? {
        let shown = workspace::slashed(&path);
        if shown.contains("/tests/") || shown.ends_with("/tests.rs") {
            continue;
        }
        let lines = lines_without_tests(&workspace::read(&path)?);
        over_soft += usize::from(lines > SOFT_LIMIT);
        if lines > HARD_LIMIT {
            problems.push(format!("{shown}: {lines} lines without tests, at most {HARD_LIMIT}; split it"));
        }
    }
    Ok(Outcome::from_problems(problems, format!("none over {HARD_LIMIT} lines, {over_soft} over {SOFT_LIMIT}")))
}
