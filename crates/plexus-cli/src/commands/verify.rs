//! `plexus verify`: does a device compute what it should?

mod node;
mod qemu;

use crate::Failure;
use crate::args::{VerifyArgs, Via};
use crate::commands::export::GOLDEN;
use crate::output::{bytes, grouped, print_json, say};
use plexus::files;
use plexus::quant::firmware::{Difference, Golden, LAST_LINE, NOT_MEASURED, Said, Vector};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Compares, and says what differs first.
pub fn run(args: VerifyArgs) -> Result<(), Failure> {
    let golden = read(&args.folder)?;
    let (text, measured) = match &args.via {
        Via::Stdin => {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut text);
            read.map_err(|error| Failure::Input(format!("the standard input cannot be read: {error}")))?;
            (text, None)
        }
        Via::Serial(port) => (serial(port)?, None),
        Via::Node => (node::run(&args.folder, &golden)?, None),
        Via::Qemu => {
            let ran = qemu::run(&args.folder, &golden, args.board)?;
            (ran.said, Some(counts(&ran.measured)))
        }
    };
    let said = golden.compare(&text).map_err(|error| Failure::Input(error.to_string()))?;
    if let Some(measured) = &measured {
        fill_in(&args.folder.join("README.md"), measured)?;
    }
    if args.json {
        print_json(&json!({
            "name": golden.name, "target": golden.target, "same": said.difference.is_none(), "inputs": golden.vectors.len(),
            "steps": said.steps, "numbers": said.numbers, "difference": said.difference, "measured": measured,
        }));
    } else {
        print(&golden, &said, measured.as_ref());
    }
    match &said.difference {
        None => Ok(()),
        Some(difference) => Err(Failure::Differs(told(difference))),
    }
}

fn read(folder: &Path) -> Result<Golden, Failure> {
    let path = folder.join(GOLDEN);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::Input(format!("cannot read {}: {error}. Name the folder that plexus export wrote", path.display()))
    })?;
    let golden: Golden = serde_json::from_str(&text).map_err(|error| {
        Failure::Input(format!("{} is no file of golden vectors ({error}): export the model again", path.display()))
    })?;
    let whole = |vector: &Vector| {
        let lens = vector.steps.iter().map(Vec::len);
        lens.eq(golden.steps.iter().map(|step| step.len))
    };
    match golden.vectors.iter().position(|vector| !whole(vector)) {
        Some(at) => Err(Failure::Input(format!(
            "{} is damaged: input {at} has not the outputs of all steps: export the model again",
            path.display()
        ))),
        None => Ok(golden),
    }
}

/// What a board writes, to its last line.
fn serial(port: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        Failure::Input(format!(
            "{} cannot be read: {error}. Name the port of the board, as serial:/dev/ttyACM0",
            port.display()
        ))
    };
    let mut text = String::new();
    for line in BufReader::new(std::fs::File::open(port).map_err(failed)?).split(b'\n') {
        let line = String::from_utf8_lossy(&line.map_err(failed)?).into_owned();
        text += line.trim_end();
        text.push('\n');
        if line.trim() == LAST_LINE {
            break;
        }
    }
    Ok(text)
}

/// Lines of a name and a number.
fn counts(text: &str) -> BTreeMap<String, u64> {
    let count = |line: &str| {
        let (name, number) = line.trim().split_once(' ')?;
        Some((name.to_string(), number.parse().ok()?))
    };
    text.lines().filter_map(count).collect()
}

/// The rows of the table in the README that have to be measured.
const ROWS: [(&str, &str); 3] =
    [("flash", "| flash, code and constants |"), ("stack", "| stack |"), ("instructions", "| instructions of a run |")];

/// Fills what was measured into the table of the README, where it is still as it was written.
fn fill_in(readme: &Path, measured: &BTreeMap<String, u64>) -> Result<(), Failure> {
    let Ok(text) = std::fs::read_to_string(readme) else { return Ok(()) };
    let mut filled = text.clone();
    for (name, row) in ROWS {
        let unit = if name == "instructions" { "" } else { " bytes" };
        if let Some(number) = measured.get(name) {
            filled = filled.replace(&format!("{row} {NOT_MEASURED} |"), &format!("{row} {number}{unit} |"));
        }
    }
    match filled == text {
        true => Ok(()),
        false => Ok(files::write(readme, filled.as_bytes())?),
    }
}

fn print(golden: &Golden, said: &Said, measured: Option<&BTreeMap<String, u64>>) {
    if let Some(measured) = measured {
        let of = |name: &str| measured.get(name).copied().unwrap_or(0);
        say!(
            "{} of flash, {} of stack, {} instructions a run",
            bytes(of("flash")),
            bytes(of("stack")),
            grouped(of("instructions"))
        );
    }
    if said.difference.is_none() {
        say!(
            "The same outputs: {} inputs, {} steps of {} ({}), {} numbers.",
            grouped(golden.vectors.len() as u64),
            grouped(said.steps as u64),
            golden.name,
            golden.target,
            grouped(said.numbers as u64)
        );
    }
}

fn told(difference: &Difference) -> String {
    let Difference { vector, layer, at, expected, got, differing, of, .. } = difference;
    format!(
        "the first layer that differs is {layer}: of golden input {vector} its number {at} is {got} on the device, and should be \
         {expected}; {differing} of its {of} numbers differ. The layers before it are right"
    )
}
