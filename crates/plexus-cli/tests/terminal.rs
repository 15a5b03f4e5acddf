//! What a person sees on a real terminal, read by a terminal emulator.
#![cfg(unix)]

mod program;

use program::command;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::Read;
use std::num::NonZero;
use std::path::Path;
use std::process::ExitStatus;

/// More rows than any test fills, so that nothing scrolls away.
const ROWS: u16 = 100;

/// Runs the program with a terminal for all three streams; returns how it ended, what it wrote, and the screen at the end.
fn on_a_terminal(folder: &Path, columns: u16, args: &[&str]) -> (ExitStatus, String, vt100::Parser) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("the system has pseudo-terminals");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("the terminal opens");
    let name = ptsname(&master, Vec::new()).expect("the terminal has a name");
    let terminal = File::options().read(true).write(true).open(Path::new(name.to_str().expect("an ordinary name")));
    let terminal = terminal.expect("the terminal opens");
    let size = Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size).expect("the terminal has a size");
    let stream = || terminal.try_clone().expect("a file can be shared");
    let mut child = command(folder)
        .args(args)
        .env("TERM", "xterm-256color")
        .stdin(stream())
        .stdout(stream())
        .stderr(stream())
        .spawn()
        .expect("the program starts");
    drop(terminal);
    let (mut master, mut bytes) = (File::from(master), Vec::new());
    let mut part = [0; 4096];
    // Linux ends a terminal that nobody holds with an error, other systems with an empty read.
    while let Ok(count @ 1..) = master.read(&mut part) {
        bytes.extend_from_slice(&part[..count]);
    }
    let size = |count| NonZero::new(count).expect("a terminal has rows and columns");
    let mut parser = vt100::Parser::new(size(ROWS), size(columns), 0);
    parser.process(&bytes);
    (child.wait().expect("the program ends"), String::from_utf8(bytes).expect("it writes UTF-8"), parser)
}

#[test]
fn training_shows_a_bar_that_is_gone_at_the_end_and_no_line_is_too_long() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for columns in [60, 120] {
        let out = format!("r{columns}");
        let args = ["train", "--network", "mlp:16", "--epochs", "40", "--batch", "16", "--out", &out];
        let (status, written, parser) = on_a_terminal(folder.path(), columns, &args);
        let screen = parser.screen();
        let lines: Vec<String> = screen.rows(0, columns).map(|line| line.trim_end().to_string()).collect();
        assert!(status.success(), "{lines:#?}");
        assert!((0..ROWS).all(|row| !screen.row_wrapped(row)), "a line is too long: {lines:#?}");
        // It was drawn, with what belongs to it, and nothing of it stays.
        let bars: Vec<&str> = written.split("\r\u{1b}[2K").filter(|text| text.contains('▕')).collect();
        assert!(
            !bars.is_empty() && bars.iter().all(|bar| bar.starts_with("epoch ") && bar.contains("loss ")),
            "{bars:?}"
        );
        assert!(!screen.contents().contains(['▕', '█', '▏']), "{lines:#?}");
        for words in [
            "Data      digits",
            "Folder    r",
            "epoch   1/40  ",
            "epoch  40/40  ",
            "Test      ",
            "Model     r",
            "Next:",
        ] {
            assert!(lines.iter().any(|line| line.starts_with(words)), "{words}: {lines:#?}");
        }
        assert!(
            lines.iter().filter(|line| line.starts_with("epoch")).all(|line| line.contains("accuracy")),
            "{lines:#?}"
        );
    }
}

#[test]
fn what_is_said_of_a_table_fits_the_terminal() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A row number and a constant: columns with warnings, which are sentences.
    let rows = program::flowers(60);
    let rows = rows.lines().enumerate().map(|(row, line)| match row {
        0 => format!("number of the flower in the garden,{line},garden"),
        _ => format!("{row},{},ours", line),
    });
    let table = rows.collect::<Vec<String>>().join("\n");
    program::write(&folder.path().join("f.csv"), table);
    for columns in [60, 80, 120] {
        let out = format!("r{columns}");
        let args = ["train", "f.csv", "--target", "kind", "--network", "mlp:4", "--epochs", "3", "--out", &out];
        let (status, _, parser) = on_a_terminal(folder.path(), columns, &args);
        let screen = parser.screen();
        let lines: Vec<String> = screen.rows(0, columns).map(|line| line.trim_end().to_string()).collect();
        assert!(status.success(), "{lines:#?}");
        assert!((0..ROWS).all(|row| !screen.row_wrapped(row)), "a line is too long: {lines:#?}");
        for words in ["Look at   number of the flower", "Look at   length", "Baseline  ", "Model     r"] {
            assert!(lines.iter().any(|line| line.starts_with(words)), "{words}: {lines:#?}");
        }
    }
}
