//! `cargo xtask bench-peers`: our program and other engines in turn, because machines are shared and noisy.
//!
//! [`table`] has the comparisons and their bars, [`engines`] runs one side once, [`pairs`] a row of the table, [`sweep`]
//! and [`busy`] the two other measurements; [`record`] writes down what came of it.

mod busy;
mod engines;
mod pairs;
mod record;
mod sweep;
mod table;

pub use pairs::markdown;
pub use record::{commit, first_line, free_path, load, processor, today};

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, cargo};
use crate::python::{self, Venv};
use crate::workspace;
use clap::Args;
use engines::Engines;
use pairs::Compared;
use std::path::PathBuf;
use std::process::Command;

/// What the other engines need, by the names under which Python imports them.
const PACKAGES: &[&str] = &["torch", "numpy", "onnx", "onnxscript", "onnxruntime"];

/// The names of the two measurements that are no rows of the table.
const BUSY: &str = "busy-neighbor";
const SWEEP: &str = "sweep";

/// Options of `cargo xtask bench-peers`.
#[derive(Debug, Args)]
#[command(after_help = "\
Builds the release program, sets up Python with pip once (PyTorch and ONNX Runtime: a download of gigabytes), runs our side
and the others in turn, prints ratios and writes a dated record to bench/record. With --quick or --only the record goes
to the build folder instead. Leave the machine alone meanwhile: half an hour without the sweep, 45 minutes with it.

Examples:
  cargo xtask bench-peers --quick                      does everything run? a few minutes, numbers worth nothing
  cargo xtask bench-peers --sweep                      the whole record
  cargo xtask bench-peers --only 1x4096x4096 --only mlp
  cargo xtask bench-peers --only sweep --sweep --python venv/bin/python")]
pub struct Options {
    /// Short measurements, one pair, few samples
    #[arg(long)]
    quick: bool,
    /// How often each side is measured [default: 5; with --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pairs: Option<u16>,
    /// Only comparisons whose name has this in it; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How long one measurement takes [default: 1; with --quick 0.1]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Threads of each side
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// Measure a layer at 704 sizes too
    #[arg(long)]
    sweep: bool,
    /// Show the names of the comparisons and stop
    #[arg(long)]
    list: bool,
    /// The script that measures the other engines
    #[arg(long, value_name = "FILE", default_value = "../shared/peers/peers.py")]
    peers: PathBuf,
    /// A Python that has the other engines, instead of setting one up
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// A program plexus that is built already, instead of building it
    #[arg(long, value_name = "FILE")]
    plexus: Option<PathBuf>,
    /// Where to write the record
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }

    /// The same call again, without folders of this machine.
    fn call(&self) -> String {
        let mut call = "cargo xtask bench-peers".to_string();
        let mut add = |wanted: bool, text: String| call += &if wanted { format!(" {text}") } else { String::new() };
        add(self.quick, "--quick".to_string());
        add(self.pairs.is_some(), format!("--pairs {}", self.pairs()));
        self.only.iter().for_each(|only| add(true, format!("--only {only}")));
        add(self.seconds.is_some(), format!("--seconds {}", self.seconds()));
        add(self.threads != 2, format!("--threads {}", self.threads));
        add(self.sweep, "--sweep".to_string());
        call
    }

    fn pairs(&self) -> usize {
        self.pairs.map_or(if self.quick { 1 } else { 5 }, usize::from)
    }

    fn seconds(&self) -> f64 {
        self.seconds.unwrap_or(if self.quick { 0.1 } else { 1.0 })
    }
}

/// Measures and records.
pub fn run(options: &Options) -> Result<Outcome, TaskError> {
    let rows: Vec<table::Row> = table::rows().into_iter().filter(|row| options.wants(&row.name)).collect();
    let (busy, sweep) = (options.wants(BUSY), options.sweep && options.wants(SWEEP));
    if options.list {
        rows.iter().for_each(|row| println!("{}", row.name));
        println!("{BUSY}\n{SWEEP} (with --sweep)");
        return Ok(Outcome::Passed(format!("{} comparisons", rows.len() + 2)));
    }
    if rows.is_empty() && !busy && !sweep {
        return Ok(Outcome::failed(format!(
            "no comparison has {} in its name; --list shows them",
            options.only.join(" or ")
        )));
    }
    if !options.seconds().is_finite() || options.seconds() <= 0.0 {
        return Ok(Outcome::failed("--seconds must be above 0"));
    }
    if !options.peers.is_file() {
        let reason = format!("{} is not there; name the script with --peers FILE", options.peers.display());
        return Ok(Outcome::failed(reason));
    }
    let venv = match &options.python {
        Some(python) => Venv::existing(python),
        None => python::venv(PACKAGES)?,
    };
    let venv = match venv {
        Ok(venv) => venv,
        Err(reason) => return Ok(Outcome::failed(reason)),
    };
    let engines = Engines {
        plexus: program(options)?,
        venv,
        peers: options.peers.clone(),
        threads: options.threads.into(),
        seconds: options.seconds(),
        samples: if options.quick { 6_400 } else { 60_000 },
    };

    let mut text = record::head(&engines, &options.call())?;
    let floors = floors(&engines, options.quick)?;
    println!("\n{text}\n{floors}");
    let (mut compared, mut summaries) = (Vec::new(), Vec::new());
    for (index, row) in rows.iter().enumerate() {
        let done = pairs::compare(row, &engines, options.pairs())?;
        println!("{:>3}/{}  {}", index + 1, rows.len(), done.cells().join("  "));
        done.failures().iter().for_each(|failure| println!("        {failure}"));
        compared.push(done);
    }
    if !compared.is_empty() {
        let table = record::table(&compared);
        println!("{table}");
        text += &table;
        summaries.push(summary(&compared));
    }
    if busy {
        let busy = busy::run(&engines, options.pairs())?;
        println!("\n{}", busy.text);
        text += &format!("\n{}", busy.text);
        summaries.push(busy.summary);
    }
    let mut csv = None;
    if sweep {
        let sweep = sweep::run(&engines, options.quick)?;
        println!("\n{}", sweep.text);
        text += &format!("\n{}", sweep.text);
        summaries.push(sweep.summary);
        csv = Some(sweep.csv);
    }
    text += &format!("\n## Floors of the machine\n\n`plexus bench`, before the comparisons.\n\n```text\n{floors}```\n");
    if !compared.is_empty() {
        text += &record::numbers(&compared, &engines);
    }
    let path = match &options.record {
        Some(path) => path.clone(),
        // What is short or partial is no record.
        None if options.quick || !options.only.is_empty() => {
            workspace::target()?.join("bench-peers").join(format!("{}-peers.md", record::today()))
        }
        None => free_path("peers"),
    };
    summaries.push(format!("written to {}", record::write(&path, &text, csv.as_deref())?));
    Ok(Outcome::Passed(summaries.join("; ")))
}

/// The release program, built now unless there is one.
fn program(options: &Options) -> Result<PathBuf, TaskError> {
    if let Some(plexus) = &options.plexus {
        return Ok(plexus.clone());
    }
    process::run(&mut cargo(&["build", "--release", "--package", "plexus-cli"]))?;
    Ok(workspace::target()?.join("release").join(format!("plexus{}", std::env::consts::EXE_SUFFIX)))
}

/// The report on the machine.
fn floors(engines: &Engines, quick: bool) -> Result<String, TaskError> {
    let mut command = Command::new(&engines.plexus);
    command.args(["bench", "--threads", &engines.threads.to_string()]);
    if quick {
        command.args(["--seconds", "0.02"]);
    }
    process::output(&mut command)
}

fn summary(compared: &[Compared]) -> String {
    let verdicts: Vec<_> = compared.iter().filter_map(Compared::verdict).collect();
    let reached = verdicts.iter().filter(|verdict| verdict.reached).count();
    let missing = match compared.len() - verdicts.len() {
        0 => String::new(),
        missing => format!(" ({missing} more not measured)"),
    };
    format!("{reached} of {} bars reached{missing}", verdicts.len())
}
