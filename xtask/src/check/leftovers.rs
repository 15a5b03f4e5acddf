//! What must not stay in the tree, and what must be on the front page.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::source::{code_only, tokens};
use crate::workspace;
use std::path::Path;

/// Macros of unfinished work.
const MACROS: &[&str] = &["todo", "dbg", "unimplemented"];

/// First folders of absolute paths, which exist on one machine only.
const HOMES: &[&str] = &["root", "home", "work", "Users"];

/// Commands that the front page has to show.
const COMMANDS: &[&str] = &["cargo run --release -- train", "cargo xtask test"];

/// No unfinished code and no test that is never run.
pub fn check_sources() -> Result<Outcome, TaskError> {
    let mut problems = Vec::new();
    let files = workspace::rust_files()?;
    for path in &files {
        let code = code_only(&workspace::read(path)?);
        for (number, line) in code.lines().enumerate() {
            problems.extend(leftover(line).map(|what| format!("{}:{}: {what}", workspace::slashed(path), number + 1)));
        }
    }
    Ok(Outcome::from_problems(problems, format!("{} sources without todo!, dbg! or ignored tests", files.len())))
}

fn leftover(line: &str) -> Option<String> {
    let tokens = tokens(line);
    let called = tokens.windows(2).find(|pair| MACROS.contains(&pair[0]) && pair[1] == "!");
    if let Some(pair) = called {
        return Some(format!("{}! is left in", pair[0]));
    }
    tokens.windows(3).any(|three| three == ["#", "[", "ignore"]).then(|| "an ignored test never runs".to_string())
}

/// No path of one machine in any text file.
pub fn check_paths() -> Result<Outcome, TaskError> {
    let mut problems = Vec::new();
    let files = workspace::files(".")?;
    for path in &files {
        // Files that are not text hold no paths to read.
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if let Some(found) = machine_path(line) {
                problems.push(format!("{}:{}: a path of one machine, {found}", workspace::slashed(path), number + 1));
            }
        }
    }
    Ok(Outcome::from_problems(problems, format!("{} files name no folder of one machine", files.len())))
}

/// The start of an absolute path; `../x/home/` and addresses of pages are none.
fn machine_path(line: &str) -> Option<String> {
    HOMES.iter().map(|home| format!("/{home}/")).find(|start| {
        line.match_indices(start.as_str()).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|before| !(before.is_alphanumeric() || "._-~}".contains(before)))
        })
    })
}

/// The front page shows the two commands, and continuous integration calls the second.
pub fn check_front_page() -> Result<Outcome, TaskError> {
    let mut problems = Vec::new();
    let mut expect = |file: &str, text: &str| match std::fs::read_to_string(Path::new(file)) {
        Ok(content) if content.contains(text) => {}
        Ok(_) => problems.push(format!("{file}: expected the command `{text}`")),
        Err(error) => problems.push(format!("{file}: {error}")),
    };
    COMMANDS.iter().for_each(|command| expect("README.md", command));
    expect(".ci/run", "cargo xtask test");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(".ci/run").map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o111 == 0 {
            problems.push(".ci/run: cannot be run; chmod +x .ci/run".to_string());
        }
    }
    Ok(Outcome::from_problems(problems, "README.md shows the two commands and .ci/run calls the second"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_code_is_found_and_names_are_not() {
        assert!(leftover("    todo!()").is_some());
        assert!(leftover("dbg !(x)").is_some());
        assert!(leftover("#[ignore]").is_some());
        assert!(leftover("#[ignore = \"slow\"]").is_some());
        assert!(leftover("let todo = !x; #[expect(unused)]").is_none());
    }

    #[test]
    fn only_absolute_paths_are_of_one_machine() {
        let path = |first: &str| machine_path(&format!("see {first}x/y")).is_some();
        assert!(path(&["/", "home/"].concat()) && path(&["/", "root/"].concat()));
        assert!(!path("../work/") && !path("https://example.org/home/") && !path("${HERE}/work/"));
    }
}
