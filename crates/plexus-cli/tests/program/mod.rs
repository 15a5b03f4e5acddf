//! Runs the program as a user does, and looks at what it left behind.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod page;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the program said, and how it ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Fails the test unless the program succeeded without complaint.
    pub fn well(self) -> Outcome {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Every line of standard output as JSON.
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }

    /// The last line of standard output as JSON.
    pub fn last_json(&self) -> serde_json::Value {
        self.json_lines().pop().expect("a line was printed")
    }
}

/// The program, to be started in a folder, with nothing of cargo or the terminal in its environment.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plexus"));
    command.current_dir(folder).env_remove("CARGO_MANIFEST_DIR").env_remove("COLUMNS").stdin(Stdio::null());
    command
}

/// Runs the program in a folder.
pub fn plexus<A: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = A>) -> Outcome {
    outcome(command(folder).args(args), None)
}

/// Runs the program with text on its standard input.
pub fn plexus_reads<A: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = A>, input: &[u8]) -> Outcome {
    outcome(command(folder).args(args), Some(input))
}

/// Runs a command to its end.
pub fn outcome(command: &mut Command, input: Option<&[u8]>) -> Outcome {
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    if let Some(input) = input {
        // A program that refuses its arguments does not read: then writing fails, and that is right.
        let _ = child.stdin.take().expect("it was piped").write_all(input);
    }
    let output = child.wait_with_output().expect("the program ends");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
    }
}

/// Every file below a folder, by its path from there, with its contents.
pub fn files_in(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("the folder reads").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it is below").to_path_buf();
                files.insert(name, std::fs::read(&path).expect("the file reads"));
            }
        }
    }
    files
}

/// Copies all files of a folder into a new one.
pub fn copy_folder(from: &Path, to: &Path) {
    for (name, contents) in files_in(from) {
        write(&to.join(name), contents);
    }
}

/// Command lines that must be refused, each with words of its message.
pub fn refused(at: &Path, cases: &[(&str, &str)]) {
    for (line, words) in cases {
        let told = plexus(at, line.split_whitespace());
        assert_eq!(told.code, Some(2), "{line}: {told:?}");
        assert!(told.stderr.contains(words), "{line}: {}", told.stderr);
        assert!(!told.stderr.contains("panicked"), "{line}: {}", told.stderr);
    }
}

/// Writes a file and the folders above it.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the folder is made");
    std::fs::write(path, contents).expect("the file is written");
}

/// CRC-32C, bit by bit: a second opinion on the checksum of checkpoints.
pub fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |mut checksum, byte| {
        checksum ^= u32::from(*byte);
        for _ in 0..8 {
            checksum = (checksum >> 1) ^ (0x82f6_3b78 & (checksum & 1).wrapping_neg());
        }
        checksum
    })
}

/// A small generator for choices and made-up tables (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    /// A number in `0..limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    /// A number in `0.0..1.0`.
    pub fn share(&mut self) -> f64 {
        self.below(1 << 53) as f64 / (1u64 << 53) as f64
    }
}

/// Flowers: two numbers, a color and a kind, with some values missing; the kind follows from the others.
pub fn flowers(rows: usize) -> String {
    let mut dice = Dice(1);
    let mut text = "length,width,color,kind\n".to_string();
    for row in 0..rows {
        let kind = row % 3;
        let name = ["daisy", "\"rose, red\"", "tulip"][kind];
        let length = 2.0 + 3.0 * kind as f64 + dice.share();
        let width =
            if dice.below(10) == 0 { "?".to_string() } else { format!("{:.2}", 5.0 - kind as f64 + dice.share()) };
        let color = if dice.below(12) == 0 {
            ""
        } else {
            ["white", "red", "yellow"][(kind + usize::from(dice.below(4) == 0)) % 3]
        };
        text += &format!("{length:.2},{width},{color},{name}\n");
    }
    text
}

/// Houses: two numbers and a street; the price is a plain function of them.
pub fn houses(rows: usize) -> String {
    let mut dice = Dice(2);
    let mut text = "area;rooms;street;price\n".to_string();
    for _ in 0..rows {
        let (area, rooms, street) = (50.0 + 100.0 * dice.share(), 1 + dice.below(5), dice.below(2));
        let price = 2.0 * area + 10.0 * rooms as f64 + 40.0 * street as f64 + dice.share();
        text += &format!("{area:.1};{rooms};{};{price:.2}\n", ["main", "side"][street as usize]);
    }
    text
}

/// The folder of real data sets, where it has the one asked for; says so where it has not.
pub fn real_data(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("PLEXUS_DATA").map_or_else(beside, PathBuf::from).join(name);
    if folder.is_dir() {
        return Some(folder.canonicalize().expect("it exists"));
    }
    println!("skipped: no {} (set PLEXUS_DATA to the folder that holds {name}/)", folder.display());
    None
}
