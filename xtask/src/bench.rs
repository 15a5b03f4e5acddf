//! Measurements side by side with other engines, alternating, because machines are shared and noisy.

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, cargo};
use crate::python::{self, Venv};
use crate::{isas, workspace};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Trains 784-512-256-10 on MNIST, against PyTorch: samples a second
    #[command(after_help = "\
Our side: plexus train on MNIST, SGD with momentum 0.9, samples a second of the last epoch.
Their side: peers.py torch train-mlp, the second of two epochs over 60,000 random samples in memory.
The two alternate; a ratio above 1 means that we are faster.

Example:
  cargo xtask bench train-mlp --mnist ../shared/data/mnist --record")]
    TrainMlp(TrainMlp),
}

/// Options of `cargo xtask bench train-mlp`.
#[derive(Debug, Args)]
pub struct TrainMlp {
    /// The folder with the four MNIST files [default: $PLEXUS_DATA/mnist, or ../shared/data/mnist]
    #[arg(long, value_name = "DIR")]
    mnist: Option<PathBuf>,
    /// The script that measures the other side
    #[arg(long, value_name = "FILE", default_value = "../shared/peers/peers.py")]
    peers: PathBuf,
    /// Rows of one step, for both
    #[arg(long, value_name = "N", default_value_t = 128)]
    batch: usize,
    /// Threads of each side
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// Epochs of ours; the last one counts
    #[arg(long, value_name = "N", default_value_t = 2)]
    epochs: usize,
    /// How often each side is measured
    #[arg(long, value_name = "N", default_value_t = 5)]
    pairs: usize,
    /// Write the result to bench/record/DATE-train-mlp.md
    #[arg(long)]
    record: bool,
}

/// Runs one measurement.
pub fn run(bench: &Bench) -> Result<Outcome, TaskError> {
    match bench {
        Bench::TrainMlp(options) => train_mlp(options),
    }
}

fn train_mlp(options: &TrainMlp) -> Result<Outcome, TaskError> {
    if options.pairs == 0 || options.epochs == 0 {
        return Ok(Outcome::failed("--pairs and --epochs must be at least 1"));
    }
    let mnist = options.mnist.clone().unwrap_or_else(|| match std::env::var_os("PLEXUS_DATA") {
        Some(data) => Path::new(&data).join("mnist"),
        None => PathBuf::from("../shared/data/mnist"),
    });
    for (path, option) in [(&mnist, "--mnist"), (&options.peers, "--peers")] {
        if !path.exists() {
            return Ok(Outcome::failed(format!("{} is not there; name it with {option}", path.display())));
        }
    }
    process::run(&mut cargo(&["build", "--release", "--package", "plexus-cli"]))?;
    let program = workspace::target()?.join("release").join(format!("plexus{}", std::env::consts::EXE_SUFFIX));
    let venv = match python::venv(&["torch", "numpy"])? {
        Ok(venv) => venv,
        Err(reason) => return Ok(Outcome::failed(reason)),
    };

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    println!("\n{:>4} {:>16} {:>16} {:>8}", "pair", "ours, samples/s", "torch, samples/s", "ratio");
    for pair in 1..=options.pairs {
        ours.push(our_speed(&program, &mnist, options)?);
        theirs.push(their_speed(&venv, options)?);
        let (a, b) = (ours[pair - 1], theirs[pair - 1]);
        println!("{pair:>4} {a:>16.0} {b:>16.0} {:>8.2}", a / b);
    }
    let isas = isas::known(Command::new(&program).args(["kernels", "--json"]))?;
    let isa = isas.into_iter().find(|isa| isa.picked).map_or("unknown".to_string(), |isa| isa.name);
    let report = report(options, &venv, isa, (&ours, &theirs));
    println!("\n{report}");
    let ratio = median(&ours) / median(&theirs);
    let mut passed = format!("ratio of the medians {ratio:.2}");
    if options.record {
        let path = format!("bench/record/{}-train-mlp.md", today());
        workspace::write(&path, &report)?;
        write!(passed, ", recorded in {path}").expect("writing to a string cannot fail");
    }
    Ok(Outcome::Passed(passed))
}

/// Samples a second of our last epoch.
fn our_speed(program: &Path, mnist: &Path, options: &TrainMlp) -> Result<f64, TaskError> {
    let folder = workspace::target()?.join("bench").join("train-mlp");
    workspace::remove(&folder)?;
    let text = process::output(Command::new(program).args(our_arguments(mnist, options)).arg("--out").arg(&folder))?;
    let objects = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut speeds = objects.filter_map(|object| object["samples_per_second"].as_f64());
    speeds.next_back().ok_or_else(|| TaskError::content("plexus train --json", "samples_per_second", text))
}

fn our_arguments(mnist: &Path, options: &TrainMlp) -> Vec<String> {
    let (epochs, batch, threads) = (options.epochs, options.batch, options.threads);
    let line = format!(
        "--network mlp:512,256 --epochs {epochs} --batch {batch} --threads {threads} --validation 0 --optimizer sgd \
         --lr 0.01 --schedule constant --json"
    );
    let data = ["train".to_string(), "--data".to_string(), format!("mnist:{}", mnist.display())];
    data.into_iter().chain(line.split(' ').map(str::to_string)).collect()
}

/// Samples a second of the other side.
fn their_speed(venv: &Venv, options: &TrainMlp) -> Result<f64, TaskError> {
    let (batch, threads) = (options.batch.to_string(), options.threads.to_string());
    let arguments = ["torch", "train-mlp", "--batch", &batch, "--threads", &threads];
    let text = process::output(venv.python().arg(&options.peers).args(arguments))?;
    let speed = serde_json::from_str::<Value>(&text).ok().and_then(|object| object["samples_per_second"].as_f64());
    speed.ok_or_else(|| TaskError::content(&options.peers, "samples_per_second", text))
}

/// The result with everything needed to judge it.
fn report(options: &TrainMlp, venv: &Venv, isa: String, (ours, theirs): (&[f64], &[f64])) -> String {
    let mut text = format!("# Training 784-512-256-10, batch {}, against PyTorch\n\n", options.batch);
    let best = |speeds: &[f64]| speeds.iter().copied().fold(0.0, f64::max);
    let mut row = |what: &str, value: String| writeln!(text, "- {what}: {value}").expect("a string takes all");
    row("date", today());
    row("processor", processor());
    row("instruction set of our kernels", isa);
    row("threads", options.threads.to_string());
    row("ours", format!("commit {}", commit()));
    row("compiler", first_line(Command::new("rustc").arg("--version")));
    row("theirs", versions(venv));
    row("our command", format!("plexus {}", our_arguments(Path::new("DIR"), options).join(" ")));
    let (batch, threads) = (options.batch, options.threads);
    row("their command", format!("peers.py torch train-mlp --batch {batch} --threads {threads}"));
    text += "\nSamples a second; the two sides alternate. A ratio is ours / theirs: above 1 we are faster. Ours is the last\n\
             epoch over MNIST, with shuffling, a standardise layer and metrics; theirs an epoch over random data, in order.\n\n";
    text += "| pair | ours | PyTorch | ratio |\n|---|---|---|---|\n";
    let mut row = |name: &str, a: f64, b: f64| {
        writeln!(text, "| {name} | {a:.0} | {b:.0} | {:.2} |", a / b).expect("a string takes all");
    };
    for (index, (a, b)) in ours.iter().zip(theirs).enumerate() {
        row(&(index + 1).to_string(), *a, *b);
    }
    row("median", median(ours), median(theirs));
    row("best (shortest time)", best(ours), best(theirs));
    text
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// What a program says in its first line; "unknown" where it is not there.
fn first_line(command: &mut Command) -> String {
    let said = process::output(command).unwrap_or_default();
    said.lines().next().map_or("unknown".to_string(), |line| line.trim().to_string())
}

fn versions(venv: &Venv) -> String {
    let script = "import platform, torch; print('torch', torch.__version__, 'on Python', platform.python_version())";
    first_line(venv.python().args(["-c", script]))
}

fn commit() -> String {
    let hash = first_line(Command::new("git").args(["rev-parse", "--short", "HEAD"]));
    match process::output(Command::new("git").args(["status", "--porcelain", "--", "crates"])) {
        Ok(changes) if !changes.is_empty() => format!("{hash} with changes in crates/"),
        _ => hash,
    }
}

fn processor() -> String {
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

/// The date as year-month-day, in UTC.
fn today() -> String {
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

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
