//! The libraries speak of no flags: those belong to the command line.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::source::{lines_without_tests, strings};
use crate::workspace;

/// The crate that has a command line, and so knows its flags.
const COMMAND_LINE: &str = "plexus-cli";

/// No string of a library, outside its tests, holds a flag.
pub fn check() -> Result<Outcome, TaskError> {
    let (mut sources, mut problems) = (0, Vec::new());
    for folder in workspace::crates()?.iter().filter(|folder| workspace::name(folder) != COMMAND_LINE) {
        for path in workspace::files(folder.join("src"))? {
            let shown = workspace::slashed(&path);
            if !shown.ends_with(".rs") || shown.ends_with("/tests.rs") {
                continue;
            }
            sources += 1;
            let found = flags(&workspace::read(&path)?);
            problems.extend(found.into_iter().map(|(line, text)| {
                format!(
                    "{shown}:{line}: {text} names a flag; name the field, and the flag in {COMMAND_LINE}/src/flags.rs"
                )
            }));
        }
    }
    Ok(Outcome::from_problems(problems, format!("no string of {sources} library sources names a flag")))
}

/// The strings with a flag, before the tests at the foot.
fn flags(source: &str) -> Vec<(usize, String)> {
    let lines = lines_without_tests(source);
    let mut found = strings(source);
    found.retain(|(line, text)| *line <= lines && has_flag(text));
    found
}

/// Whether two dashes stand before a letter, and at the start of a word.
fn has_flag(text: &str) -> bool {
    text.match_indices("--").any(|(at, _)| {
        let starts = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-');
        starts && text[at + 2..].starts_with(|c: char| c.is_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_found_in_strings_before_the_tests() {
        let source = "// \"--a\"\nf(\"pass --task\");\ng(\"`--lr`\", \"--\", \"a--b\", \"----x\", \"-- x\");\n\
                      #[cfg(test)]\nmod tests {\n\"--drop\"\n}\n";
        let found = flags(source);
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3], "{found:?}");
    }
}
