//! Pages of docs/ with commands and what they print: run again, and compared.
//!
//! In a block, a line `$ COMMAND` is run, and what stands below it is what it prints, an error too. A block whose head names a file
//! (```` ```toml net.toml ````) is that file. Of training only an ellipsis is shown: its last digits and times differ from machine to machine.

use super::{command, outcome, write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a page shows below a command.
enum Shown {
    /// This.
    Exactly(String),
    /// This, but for numbers, which depend on a compiler.
    ButForNumbers(String),
    /// An ellipsis.
    Ellipsis,
    /// What is there: the command cannot be run here.
    Unchanged,
}

/// Compares a page with what its commands print now; with PLEXUS_WRITE_DOCS=1 writes it anew. Commands run in an empty folder, with these
/// variables. Returns how many there are.
pub fn check(name: &str, variables: &[(&str, &str)]) -> usize {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "..", "docs", name].iter().collect();
    let read = || std::fs::read_to_string(&path).expect("the page is there").replace("\r\n", "\n");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let writes = std::env::var_os("PLEXUS_WRITE_DOCS").is_some();
    let now = renewed(&read(), folder.path(), variables, writes);
    if writes {
        std::fs::write(&path, &now).expect("the page is written");
    }
    let page = read();
    for (number, (is, should)) in page.lines().zip(now.lines()).enumerate() {
        assert_eq!(is, should, "docs/{name}, line {}", number + 1);
    }
    assert_eq!(page.lines().count(), now.lines().count());
    now.lines().filter(|line| line.starts_with("$ ")).count()
}

/// The page with the answers of now behind the commands of each block.
fn renewed(page: &str, at: &Path, variables: &[(&str, &str)], writes: bool) -> String {
    let mut text = String::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        text += &format!("{line}\n");
        let Some(head) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = std::iter::from_fn(|| lines.next_if(|line| !line.starts_with("```"))).collect();
        match head.split_once(' ') {
            Some((_, name)) => {
                write(&at.join(name), block.join("\n") + "\n");
                text += &block.iter().map(|line| format!("{line}\n")).collect::<String>();
            }
            None => text += &answered(&block, at, variables, writes),
        }
        text.extend(lines.next().map(|end| format!("{end}\n")));
    }
    text
}

/// A block of commands.
fn answered(block: &[&str], at: &Path, variables: &[(&str, &str)], writes: bool) -> String {
    let mut text = String::new();
    let mut lines = block.iter().peekable();
    while let Some(line) = lines.next() {
        text += &format!("{line}\n");
        let Some(command) = line.strip_prefix("$ ") else { continue };
        let there: Vec<&str> = std::iter::from_fn(|| lines.next_if(|line| !line.starts_with("$ "))).copied().collect();
        let there: String = there.iter().map(|line| format!("{line}\n")).collect();
        text += &match shown(command, at, variables) {
            Shown::Exactly(now) => now,
            Shown::ButForNumbers(now) if writes || without_numbers(&now) != without_numbers(&there) => now,
            Shown::ButForNumbers(_) | Shown::Unchanged => there,
            Shown::Ellipsis => "…\n".to_string(),
        };
    }
    text
}

fn shown(line: &str, at: &Path, variables: &[(&str, &str)]) -> Shown {
    let plain = line.starts_with("plexus ") && !line.contains(['|', '>', '<', '\'', '"']);
    if !plain && !cfg!(unix) {
        println!("skipped: no shell for {line}");
        return Shown::Unchanged;
    }
    if line.contains("--via qemu") && !has_board(line, at) {
        return Shown::Unchanged;
    }
    let mut command = command(at);
    let mut command = match plain {
        true => {
            command.args(line.split_whitespace().skip(1));
            command
        }
        false => {
            let program = Path::new(env!("CARGO_BIN_EXE_plexus")).parent().expect("it is in a folder");
            let path = std::env::var_os("PATH").unwrap_or_default();
            let paths = std::iter::once(program.to_path_buf()).chain(std::env::split_paths(&path));
            let mut shell = Command::new("sh");
            shell.current_dir(at).args(["-c", line]).env_remove("COLUMNS");
            shell.env("PATH", std::env::join_paths(paths).expect("paths of the environment"));
            shell
        }
    };
    let told = outcome(command.envs(variables.iter().copied()), None);
    if line.starts_with("plexus train ") {
        told.well();
        return Shown::Ellipsis;
    }
    let answer = format!("{}{}", told.stdout, told.stderr);
    let answer = answer.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    if line.contains("--via qemu") { Shown::ButForNumbers(answer) } else { Shown::Exactly(answer) }
}

/// Whether there is what a board in emulation needs; says what is missing.
fn has_board(line: &str, at: &Path) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let rust = words.get(2).is_some_and(|folder| at.join(folder).join("Cargo.toml").is_file());
    let (compiler, emulator) = match words.contains(&"rv32") {
        true => ("riscv64-unknown-elf-gcc", "qemu-system-riscv32"),
        false => ("arm-none-eabi-gcc", "qemu-system-arm"),
    };
    // Set where a compiler for the board is known.
    if rust && std::env::var_os("PLEXUS_BOARDS_IN_RUST").is_none() {
        println!("skipped: {line}: no Rust for boards; cargo xtask firmware has it");
        return false;
    }
    let tools = if rust { vec![emulator] } else { vec![compiler, emulator] };
    let runs = |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|version| version.status.success());
    match tools.into_iter().find(|tool| !runs(tool)) {
        Some(missing) => {
            println!("skipped: {line}: no {missing}");
            false
        }
        None => true,
    }
}

/// A text with a sign for every number.
fn without_numbers(text: &str) -> String {
    let mut masked = String::new();
    for c in text.chars() {
        match c.is_ascii_digit() || (masked.ends_with('#') && matches!(c, ',' | '.')) {
            true if masked.ends_with('#') => {}
            true => masked.push('#'),
            false => masked.push(c),
        }
    }
    masked
}
