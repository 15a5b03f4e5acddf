//! Where unsafe code lives: a committed list of counts, and a list of addresses.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::source::{code_only, tokens};
use crate::workspace;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The committed list.
const LIST: &str = "docs/unsafe.list";

const HEADER: &str = "\
# Unsafe code, counted by `cargo xtask unsafe-list`: a file, its blocks, functions, implementations and the rest
# (traits, extern blocks, attributes). `cargo xtask check` fails where a count differs. To accept a change, after review:
# cargo xtask unsafe-list --write
";

/// Crates whose root does not forbid unsafe code: it denies it, and the files of the list allow it.
const DENIED: &[&str] = &["plexus-kernels", "plexus-micro"];

const FORBID: &str = "#![forbid(unsafe_code)]";
const DENY: &str = "#![deny(unsafe_code)]";
const ALLOW: &str = "#![allow(unsafe_code)]";

/// How often one file says `unsafe`, by what follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    blocks: usize,
    functions: usize,
    implementations: usize,
    others: usize,
}

impl Counts {
    fn of(source: &str) -> Counts {
        let code = code_only(source);
        let tokens = tokens(&code);
        let mut counts = Counts::default();
        for (at, _) in tokens.iter().enumerate().filter(|(_, token)| **token == "unsafe") {
            match tokens.get(at + 1).copied() {
                Some("{") => counts.blocks += 1,
                Some("fn") => counts.functions += 1,
                // The strings of `extern "C"` are blanked out.
                Some("extern") if tokens.get(at + 2) == Some(&"fn") => counts.functions += 1,
                Some("impl") => counts.implementations += 1,
                _ => counts.others += 1,
            }
        }
        counts
    }

    fn line(self) -> String {
        let Counts { blocks, functions, implementations, others } = self;
        format!("blocks {blocks}, functions {functions}, implementations {implementations}, others {others}")
    }
}

type List = BTreeMap<String, String>;

fn count() -> Result<List, TaskError> {
    let mut list = List::new();
    for path in workspace::rust_files()? {
        let counts = Counts::of(&workspace::read(&path)?);
        if counts != Counts::default() {
            list.insert(workspace::slashed(&path), counts.line());
        }
    }
    Ok(list)
}

fn committed() -> Result<List, TaskError> {
    if !Path::new(LIST).exists() {
        return Ok(List::new());
    }
    let text = workspace::read(LIST)?;
    let rows = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let rows = rows.filter_map(|line| line.split_once(": "));
    Ok(rows.map(|(path, counts)| (path.to_string(), counts.to_string())).collect())
}

/// Whether unsafe code may stand in this file at all.
fn has_address(path: &str) -> bool {
    // Tests may count allocations or call what they test; they do not ship.
    if path.contains("/tests/") {
        return true;
    }
    if path == "crates/plexus-formats/src/mmap.rs" || path.starts_with("crates/plexus-python/src/") {
        return true;
    }
    // Loops in the instructions of one processor.
    if path == "crates/plexus-micro/src/dsp.rs" {
        return true;
    }
    // Exported functions of a program for other targets: their names are the attributes that count as unsafe.
    if path == "xtask/src/targets/program/lib.rs" {
        return true;
    }
    let Some(inside) = path.strip_prefix("crates/plexus-kernels/src/") else { return false };
    let file = inside.rsplit('/').next().unwrap_or(inside);
    inside == "buffer.rs"
        || inside == "threads/team.rs"
        || inside.starts_with("isa/")
        || inside.starts_with("device/")
        || file == "mod.rs"
        || ["avx", "amx", "cuda"].iter().any(|start| file.starts_with(start))
}

/// Compares the counts with the committed list, and the files with the addresses.
pub fn check() -> Result<Outcome, TaskError> {
    let (now, before) = (count()?, committed()?);
    let mut problems = Vec::new();
    for (path, counts) in &now {
        match before.get(path) {
            Some(listed) if listed == counts => {}
            Some(listed) => problems.push(format!("{path}: {counts}; {LIST} says {listed}")),
            None => problems.push(format!("{path}: {counts}; not in {LIST}")),
        }
        if !has_address(path) {
            problems.push(format!("{path}: unsafe code may not stand here (ARCHITECTURE.md, where `unsafe` may live)"));
        }
    }
    let gone = before.keys().filter(|path| !now.contains_key(*path));
    problems.extend(gone.map(|path| format!("{path}: has no unsafe code any more; take it out of {LIST}")));
    if !problems.is_empty() {
        problems.push("to accept the counts, after review: cargo xtask unsafe-list --write".to_string());
    }
    Ok(Outcome::from_problems(problems, format!("{} files, as in {LIST}", now.len())))
}

/// `cargo xtask unsafe-list`: the comparison alone, or the list written anew.
pub fn run(write: bool) -> Result<Outcome, TaskError> {
    if !write {
        return check();
    }
    let list = count()?;
    let mut text = HEADER.to_string();
    for (path, counts) in &list {
        writeln!(text, "{path}: {counts}").expect("writing to a string cannot fail");
    }
    workspace::write(LIST, &text)?;
    Ok(Outcome::Passed(format!("{LIST} lists {} files", list.len())))
}

/// Every crate says in its root that it has no unsafe code. In those that are allowed some, the files that have it say so,
/// and no others.
pub fn check_forbidden() -> Result<Outcome, TaskError> {
    let (mut roots, mut problems) = (0, Vec::new());
    for folder in workspace::crates()?.into_iter().chain(["xtask".into()]) {
        let expected = if DENIED.contains(&workspace::name(&folder).as_str()) { DENY } else { FORBID };
        for path in [folder.join("src/lib.rs"), folder.join("src/main.rs")].iter().filter(|path| path.exists()) {
            roots += 1;
            if !code_only(&workspace::read(path)?).contains(expected) {
                problems.push(format!("{}: expected {expected} at the top", workspace::slashed(path)));
            }
        }
    }
    for path in workspace::rust_files()? {
        let source = workspace::read(&path)?;
        let path = workspace::slashed(&path);
        if !DENIED.iter().any(|name| path.starts_with(&format!("crates/{name}/src/"))) {
            continue;
        }
        match (code_only(&source).contains(ALLOW), Counts::of(&source) != Counts::default()) {
            (true, false) => problems.push(format!("{path}: says {ALLOW} and has none")),
            (false, true) => problems.push(format!("{path}: has unsafe code; expected {ALLOW} at the top")),
            _ => {}
        }
    }
    Ok(Outcome::from_problems(problems, format!("{roots} crate roots")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_of_the_word_is_counted_by_what_follows() {
        let source = "
            #![forbid(unsafe_code)] // unsafe { }
            unsafe impl Sync for A {}
            unsafe fn f() { unsafe { g(\"unsafe {\") } }
            unsafe extern \"C\" fn h() {}
            #[unsafe(no_mangle)] fn i() {}";
        let want = Counts { blocks: 1, functions: 2, implementations: 1, others: 1 };
        assert_eq!(Counts::of(source), want);
    }

    #[test]
    fn unsafe_code_has_an_address() {
        for path in ["isa/avx2.rs", "buffer.rs", "gemm/mod.rs", "gemm/amx_bf16.rs"] {
            assert!(has_address(&format!("crates/plexus-kernels/src/{path}")), "{path}");
        }
        assert!(has_address("crates/plexus-micro/src/dsp.rs"));
        for path in [
            "plexus-kernels/src/gemm/body.rs",
            "plexus-micro/src/sum.rs",
            "plexus-nn/src/run.rs",
            "plexus-formats/src/lib.rs",
        ] {
            assert!(!has_address(&format!("crates/{path}")), "{path}");
        }
    }
}
