//! The record: what was measured, with what, when, and every number.

use super::engines::Engines;
use super::pairs::{Compared, Series, markdown};
use super::table::Program;
use crate::error::TaskError;
use crate::python::Venv;
use crate::{process, workspace};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where a record goes: the first name of this date that is free.
pub fn free_path(what: &str) -> PathBuf {
    let path = |suffix: String| PathBuf::from(format!("bench/record/{}-{what}{suffix}.md", today()));
    let later = (2..).map(|number| path(format!("-{number}")));
    std::iter::once(path(String::new())).chain(later).find(|path| !path.exists()).expect("numbers do not end")
}

/// Machine, versions and commands, taken before the measurements.
pub fn head(engines: &Engines, call: &str) -> Result<String, TaskError> {
    let mut text = "# Side by side with PyTorch and ONNX Runtime\n\n".to_string();
    let mut row = |what: &str, value: &str| writeln!(text, "- {what}: {value}").expect("a string takes all");
    row("date", &today());
    row("processor", &processor());
    row("instruction set of our kernels", &isa(engines)?);
    if let Some(load) = load() {
        row("load before the start (1, 5, 15 minutes)", &load);
    }
    row("threads of each side", &engines.threads.to_string());
    row("ours", &format!("commit {}, {}", commit(), first_line(Command::new("rustc").arg("--version"))));
    row("theirs", &versions(&engines.venv));
    row("command", &format!("`{call}`"));
    Ok(text)
}

/// The table of all comparisons and how to read it.
pub fn table(compared: &[Compared]) -> String {
    let rows: Vec<[String; 7]> = compared.iter().map(Compared::cells).collect();
    let header = ["what", "plexus", "others, * the best", "of medians", "of minima", "bar", "reached"];
    let mut text = "\n## Ratios\n\nTimes in microseconds a call, median of the medians / shortest of all; the sides take \
                    turns. A ratio is the best other\nside's time by ours: above 1 we are faster. The bar is for the ratio \
                    of the medians.\n\n"
        .to_string();
    text += &markdown(header, &rows);
    text
}

/// Every number, with the commands.
pub fn numbers(compared: &[Compared], engines: &Engines) -> String {
    let mut text =
        "\n## All numbers\n\nMedian / shortest of each run, in microseconds, in turn from left to right.\n\n\
                    ```text\n"
            .to_string();
    for row in compared.iter().filter(|row| !row.ours.measured.is_empty()) {
        for series in std::iter::once(&row.ours).chain(&row.theirs) {
            writeln!(text, "{}", command(series, row.row.trains, engines)).expect("a string takes all");
            let each = series.measured.iter().map(|one| match one.samples_per_second {
                Some(rate) => format!("{:.0} ({rate:.0} samples/s)", one.median_us),
                None => format!("{:.1} / {:.1}", one.median_us, one.min_us),
            });
            let failed = series.failure.iter().map(|why| format!("failed: {why}"));
            let all: Vec<String> = each.chain(failed).collect();
            writeln!(text, "    {}", all.join("  ")).expect("a string takes all");
        }
    }
    text += "```\n";
    text
}

/// As a person would type it, without folders of this machine.
fn command(series: &Series, trains: bool, engines: &Engines) -> String {
    let program = match series.side.program {
        Program::Plexus => "plexus bench",
        Program::Peers => "peers.py",
        Program::Adam => "bench/peers/train_adam.py",
    };
    let length =
        if trains { format!("--samples {}", engines.samples) } else { format!("--seconds {}", engines.seconds) };
    format!("{program} {} --threads {} {length}", series.side.arguments, engines.threads)
}

/// What a program says in its first line; "unknown" where it is not there.
pub fn first_line(command: &mut Command) -> String {
    let said = process::output(command).unwrap_or_default();
    said.lines().next().map_or("unknown".to_string(), |line| line.trim().to_string())
}

/// The instruction set in use, as our program says it.
fn isa(engines: &Engines) -> Result<String, TaskError> {
    let arguments = ["bench", "linear", "--inputs", "16", "--outputs", "16", "--seconds", "0.001", "--json"];
    let line = process::output(Command::new(&engines.plexus).args(arguments))?;
    let value: Option<Value> = serde_json::from_str(&line).ok();
    let isa = value.as_ref().and_then(|value| value["isa"].as_str());
    isa.map(str::to_string).ok_or_else(|| TaskError::content("plexus bench --json", "the field isa", line))
}

fn versions(venv: &Venv) -> String {
    const SCRIPT: &str = "\
import platform
from importlib.metadata import version
print(*(f'{name} {version(name)}' for name in ('torch', 'onnxruntime', 'numpy')), 'Python ' + platform.python_version(), sep=', ')";
    first_line(venv.python().args(["-c", SCRIPT]))
}

/// The commit, and whether the product was changed since.
pub fn commit() -> String {
    let hash = first_line(Command::new("git").args(["rev-parse", "--short", "HEAD"]));
    match process::output(Command::new("git").args(["status", "--porcelain", "--", "crates"])) {
        Ok(changes) if !changes.is_empty() => format!("{hash} with changes in crates/"),
        _ => hash,
    }
}

/// How many threads wanted to run in the last 1, 5 and 15 minutes; Linux only.
pub fn load() -> Option<String> {
    let load = std::fs::read_to_string("/proc/loadavg").ok()?;
    Some(load.split(' ').take(3).collect::<Vec<_>>().join(", "))
}

/// Its name and its cores.
pub fn processor() -> String {
    let linux = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = linux.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_string())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match field("model name") {
        // Virtual machines often hide the model; family and number tell it.
        Some(name) => {
            let part = |name: &str| field(name).unwrap_or("?".to_string());
            format!("{name} (family {}, model {}), {cores} cores", part("cpu family"), part("model\t"))
        }
        None => {
            let name = first_line(Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]));
            format!("{name}, {cores} cores")
        }
    }
}

/// Writes the record and, beside it, the numbers of the sweep; says where.
pub fn write(path: &Path, text: &str, sweep: Option<&str>) -> Result<String, TaskError> {
    let mut text = text.to_string();
    if let Some(csv) = sweep {
        let path = path.with_file_name(format!("{}-sweep.csv", path.file_stem().unwrap_or_default().to_string_lossy()));
        writeln!(text, "\nAll numbers of the sweep: `{}`.", workspace::name(&path)).expect("a string takes all");
        workspace::write(&path, csv)?;
    }
    workspace::write(path, &text)?;
    Ok(workspace::slashed(path))
}

/// The date as year-month-day, in UTC.
pub fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = date(seconds / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// Year, month and day of a number of days after 1970-01-01, in the Gregorian calendar.
fn date(mut days: u64) -> (u64, usize, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let months = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= months[month] {
        days -= months[month];
        month += 1;
    }
    (year, month + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_453), (2025, 12, 31));
        assert_eq!(date(20_454), (2026, 1, 1));
    }
}
