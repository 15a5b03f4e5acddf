//! A web service around a model, asked over HTTP: how long an answer takes, by where the prediction is computed.
//!
//! The service and its clients are a program outside the workspace, `bench/serve`.

use crate::bench::{commit, first_line, free_path, load, markdown, processor, today};
use crate::dependent;
use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, cargo, last_lines};
use crate::workspace;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the prediction is computed: the name that the program takes, and what a reader is told.
const WAYS: &[(&str, &str)] = &[
    ("single", "`Context::single` in the handler"),
    ("pool", "a shared `Pool` of 2 in the handler"),
    ("spawn_blocking", "`Context::single` in `spawn_blocking`"),
];

/// Options of `cargo xtask bench-serve`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How often each way is measured, in turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Connections that ask at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    clients: u16,
    /// Requests of one measurement
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
    /// Where to write the record
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

impl Options {
    fn call(&self) -> String {
        format!(
            "cargo xtask bench-serve --rounds {} --clients {} --requests {}",
            self.rounds, self.clients, self.requests
        )
    }
}

/// Builds the program, measures and records.
pub fn run(options: &Options) -> Result<Outcome, TaskError> {
    let target = dependent::target()?;
    let mut build = cargo(&["build", "--release", "--locked"]);
    process::run(build.current_dir("bench/serve").env("CARGO_TARGET_DIR", &target))?;
    let program = target.join("release").join(format!("serve{}", std::env::consts::EXE_SUFFIX));
    let ask = |arguments: &[&str]| answer(&program, arguments);

    let load = load().unwrap_or("unknown".to_string());
    let about = ask(&["about"])?;
    let (clients, requests) = (options.clients.to_string(), options.requests.to_string());
    let mut measured: Vec<Vec<Value>> = vec![Vec::new(); WAYS.len()];
    for round in 1..=options.rounds {
        for (way, series) in WAYS.iter().zip(&mut measured) {
            let one = ask(&["measure", way.0, &clients, &requests])?;
            println!(
                "round {round}, {}: p50 {:.0} us, p99 {:.0} us",
                way.0,
                number(&one, "p50_us"),
                number(&one, "p99_us")
            );
            series.push(one);
        }
    }

    let table = table(&measured);
    println!("\n{table}");
    let head = [
        ("date", today()),
        ("processor", processor()),
        ("instruction set of our kernels", about["isa"].as_str().unwrap_or("unknown").to_string()),
        ("load before the start (1, 5, 15 minutes)", load),
        ("ours", format!("commit {}, {}", commit(), first_line(Command::new("rustc").arg("--version")))),
        ("theirs", versions()?),
        ("command", format!("`{}`", options.call())),
    ];
    let mut text = "# Predictions in a web service\n\n".to_string();
    text.extend(head.iter().map(|(what, value)| format!("- {what}: {value}\n")));
    text += &format!(
        "\nA service of axum around a model 784-2048-2048-10, one picture a request as JSON. {clients} clients in another \
         process on the same\nmachine, each with one connection, ask again as soon as they have their answer; {requests} \
         requests. The ways take turns, {} rounds;\neach number is the median of the rounds, with the least and the most \
         behind it. Latency in microseconds, as a client sees it.\n\n{table}\n\
         Threads are those of the whole process before the first request and after the last one, as Linux counts them: the most \
         of all rounds.\ntokio starts as many workers as there are processors. Those of `spawn_blocking` are tokio's too: it starts \
         one where none is idle at\nthat moment, at most 512, and ends it after ten idle seconds. Plexus has none with \
         `Context::single`, and one beside its callers with a\npool of 2; no request starts one.\n\n\
         The prediction by itself, without a service, median of 500: {:.0} us with `Context::single`, {:.0} us with the \
         pool.\n\n## All rounds\n\np50 / p99 in microseconds, in turn from left to right.\n\n```text\n",
        options.rounds,
        number(&about, "single_us"),
        number(&about, "pool_us"),
    );
    for ((name, _), series) in WAYS.iter().zip(&measured) {
        let all = series.iter().map(|one| format!("{:.0} / {:.0}", number(one, "p50_us"), number(one, "p99_us")));
        text += &format!("{name:<16}{}\n", all.collect::<Vec<_>>().join("  "));
    }
    text += "```\n";
    let path = options.record.clone().unwrap_or_else(|| free_path("serve"));
    workspace::write(&path, &text)?;
    Ok(Outcome::Passed(format!("{} ways, written to {}", WAYS.len(), workspace::slashed(&path))))
}

/// The line of JSON that the program answers with.
fn answer(program: &Path, arguments: &[&str]) -> Result<Value, TaskError> {
    // An instruction set that was chosen for other programs is not this one's choice.
    let text = process::output(Command::new(program).args(arguments).env_remove("PLEXUS_ISA"))?;
    serde_json::from_str(&text).map_err(|_| TaskError::content("bench/serve", "a line of JSON", last_lines(&text, 3)))
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(f64::NAN)
}

/// Median, least and most of the rounds.
fn spread(series: &[Value], key: &str) -> String {
    let mut values: Vec<f64> = series.iter().map(|one| number(one, key)).collect();
    values.sort_by(f64::total_cmp);
    format!("{:.0} ({:.0} to {:.0})", values[values.len() / 2], values[0], values[values.len() - 1])
}

fn table(measured: &[Vec<Value>]) -> String {
    let rows: Vec<[String; 6]> = WAYS
        .iter()
        .zip(measured)
        .map(|((_, what), series)| {
            let most = |key: &str| series.iter().map(|one| number(one, key)).fold(0.0, f64::max).to_string();
            [
                what.to_string(),
                spread(series, "p50_us"),
                spread(series, "p99_us"),
                spread(series, "per_second"),
                most("threads_before"),
                most("threads_after"),
            ]
        })
        .collect();
    markdown(["prediction", "p50", "p99", "requests per second", "threads before", "threads after"], &rows)
}

/// Those that the lock file of the program names.
fn versions() -> Result<String, TaskError> {
    let wrong = || TaskError::content("bench/serve/Cargo.lock", "packages with versions", "none");
    let lock: toml::Table = toml::from_str(&workspace::read("bench/serve/Cargo.lock")?).map_err(|_| wrong())?;
    let packages = lock.get("package").and_then(|packages| packages.as_array()).ok_or_else(wrong)?;
    let version = |name: &&str| {
        let package =
            packages.iter().find(|package| package.get("name").and_then(|found| found.as_str()) == Some(name));
        Some(format!("{name} {}", package?.get("version")?.as_str()?))
    };
    Ok(["axum", "tokio", "hyper"].iter().filter_map(version).collect::<Vec<_>>().join(", "))
}
