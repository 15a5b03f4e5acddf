//! `cargo xtask compare-tables`: default settings on other people's tables, beside scikit-learn's multilayer perceptron.
//!
//! `xtask/python/compare_tables.py` makes the tables and runs the other side; here our side runs as a person would run
//! it. [`score`] is what came of one table, [`record`] writes it down.

mod record;
mod score;

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, capture, cargo, last_lines, shown};
use crate::python::{self, Venv};
use crate::workspace;
use clap::Args;
use score::{Compared, Result as SideResult, Score, Table};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Makes the tables and runs the other side.
const SCRIPT: &str = "xtask/python/compare_tables.py";

/// What it needs, with versions.
const REQUIREMENTS: &str = "xtask/python/compare_tables.txt";

/// Where `--write` puts the result.
const DOCUMENT: &str = "docs/tables.md";

/// How many seeds a record has.
const SEEDS: usize = 3;

/// Options of `cargo xtask compare-tables`.
#[derive(Debug, Args)]
#[command(after_help = "\
Builds the release program, sets up Python with pip once (scikit-learn, and small packages that have tables in them), and
writes the tables to the build folder: target/compare-tables/csv/NAME/SEED/train.csv and test.csv. Each is trained with
nothing but default settings, once a seed, and measured on the rows kept apart. What scikit-learn reached is kept there too.
A table whose mean is more than 0.02 below scikit-learn's is a failure.

Examples:
  cargo xtask compare-tables                           all tables, three seeds
  cargo xtask compare-tables --only cars --seeds 1     does it run?
  cargo xtask compare-tables --ours-only               our side again, against the results kept
  cargo xtask compare-tables --write                   renews docs/tables.md")]
pub struct Options {
    /// Only tables whose name has this in it; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How many seeds, from 0; each has a split of its own
    #[arg(long, value_name = "N", default_value_t = SEEDS, value_parser = seeds)]
    seeds: usize,
    /// Do not run scikit-learn; compare with what is kept of earlier runs
    #[arg(long)]
    ours_only: bool,
    /// A program plexus that is built already, instead of building it
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Write docs/tables.md
    #[arg(long, conflicts_with_all = ["only", "ours_only"])]
    write: bool,
    /// Write every number to a file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn seeds(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| (1..=100).contains(count)).ok_or_else(|| "expected 1 to 100".to_string())
}

/// What the script says of the tables.
#[derive(Debug, serde::Deserialize)]
struct Made {
    versions: std::collections::BTreeMap<String, String>,
    packages: Vec<(String, String, String)>,
    tables: Vec<Table>,
}

/// Both sides.
struct Sides {
    plexus: PathBuf,
    venv: Venv,
    folder: PathBuf,
    may_fit: bool,
}

/// Compares and records.
pub fn run(options: &Options) -> Result<Outcome, TaskError> {
    if options.write && options.seeds != SEEDS {
        return Ok(Outcome::failed(format!("{DOCUMENT} has {SEEDS} seeds: leave --seeds out with --write")));
    }
    let home = workspace::target()?.join("compare-tables");
    let venv = match python::venv_of(&home.join("venv"), REQUIREMENTS)? {
        Ok(venv) => venv,
        Err(reason) => return Ok(Outcome::failed(reason)),
    };
    let sides = Sides { plexus: program(options)?, venv, folder: home.join("csv"), may_fit: !options.ours_only };
    println!("tables in {}", sides.folder.display());
    let made: Made = sides.script(&["make".to_string(), options.seeds.to_string()])?;
    let wanted = |table: &&Table| options.only.is_empty() || options.only.iter().any(|part| table.name.contains(part));
    let tables: Vec<&Table> = made.tables.iter().filter(wanted).collect();
    if tables.is_empty() {
        let names: Vec<&str> = made.tables.iter().map(|table| table.name.as_str()).collect();
        return Ok(Outcome::failed(format!(
            "no table has {} in its name; there are {}",
            options.only.join(" or "),
            names.join(", ")
        )));
    }
    let mut compared = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let theirs = sides.theirs(table, options.seeds)?;
        let ours = (0..options.seeds).map(|seed| sides.ours(table, seed)).collect::<Result<Vec<_>, _>>()?;
        let done = Compared { table: (*table).clone(), ours, theirs };
        println!("{:>3}/{}  {}", index + 1, tables.len(), done.cells().join("  "));
        done.failures().for_each(|failure| println!("        {failure}"));
        compared.push(done);
    }
    println!("\n{}", record::table(&compared));
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&compared).expect("names and numbers can be written");
        workspace::write(path, &text)?;
    }
    if options.write {
        workspace::write(DOCUMENT, &record::document(&compared, &made.versions, &made.packages))?;
        println!("written to {DOCUMENT}");
    }
    let problems: Vec<String> = compared.iter().filter_map(Compared::problem).collect();
    let unknown = compared.iter().filter(|one| one.difference().is_none() && one.problem().is_none()).count();
    let unknown = if unknown == 0 { String::new() } else { format!(" ({unknown} without a result of scikit-learn)") };
    Ok(Outcome::from_problems(problems, format!("{} tables{unknown}", compared.len())))
}

/// The release program, built now unless there is one.
fn program(options: &Options) -> Result<PathBuf, TaskError> {
    if let Some(program) = &options.program {
        return Ok(program.clone());
    }
    process::run(&mut cargo(&["build", "--release", "--package", "plexus-cli"]))?;
    Ok(workspace::target()?.join("release").join(format!("plexus{}", std::env::consts::EXE_SUFFIX)))
}

impl Sides {
    /// scikit-learn on every seed; an entry that is not known is `None`.
    fn theirs(&self, table: &Table, seeds: usize) -> Result<Vec<Option<Score>>, TaskError> {
        let task = if self.may_fit { "fit" } else { "known" };
        let mut arguments = vec![task.to_string(), table.name.clone()];
        arguments.extend((0..seeds).map(|seed| seed.to_string()));
        self.script(&arguments)
    }

    /// The script's one line of JSON.
    fn script<T: DeserializeOwned>(&self, arguments: &[String]) -> Result<T, TaskError> {
        let text = process::output(self.venv.python().arg(SCRIPT).arg(&self.folder).args(arguments))?;
        serde_json::from_str(&text)
            .map_err(|error| TaskError::content(SCRIPT, "a line of JSON", format!("{error}: {text}")))
    }

    /// Our side as a person would run it: nothing is set but what must be said.
    fn ours(&self, table: &Table, seed: usize) -> Result<SideResult, TaskError> {
        let place = self.folder.join(&table.name).join(seed.to_string());
        let run = place.join("run");
        workspace::remove(&run)?;
        let csv = |name: &str| format!("csv:{}", place.join(name).display());
        let mut train = Command::new(&self.plexus);
        train.args(["train", "--data", &csv("train.csv"), "--target", &table.target, "--test-fraction", "0"]);
        train.args(["--seed", &seed.to_string(), "--json", "--out"]).arg(&run);
        let begin = Instant::now();
        let trained = capture(&mut train)?;
        let seconds = begin.elapsed().as_secs_f64();
        if !trained.success {
            return Ok(Err(self.said(&trained.errors)));
        }
        let mut evaluate = Command::new(&self.plexus);
        evaluate.arg("evaluate").arg(run.join("model.safetensors")).args(["--data", &csv("test.csv"), "--json"]);
        let evaluated = capture(&mut evaluate)?;
        if !evaluated.success {
            return Ok(Err(self.said(&evaluated.errors)));
        }
        let answer: serde_json::Value = serde_json::from_str(&evaluated.output)
            .map_err(|_| TaskError::content(shown(&evaluate), "a line of JSON", last_lines(&evaluated.output, 3)))?;
        Ok(table.score(&answer, seconds, epochs(&run)))
    }

    /// The end of an error message, without the folder of this machine, because it goes into the document.
    fn said(&self, errors: &str) -> String {
        let folder = format!("{}{}", self.folder.display(), std::path::MAIN_SEPARATOR);
        last_lines(errors.trim(), 3).replace(&folder, "")
    }
}

/// How many epochs a run took: the last one that its record has.
fn epochs(run: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).ok()?;
    let line: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
    line["epoch"].as_u64()
}
