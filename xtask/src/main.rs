//! The project's own tasks: what a contributor runs, and what continuous integration runs.
//!
//! Start at [`check::CHECKS`] for the rules of the tree and at [`test::run`] for the order of everything.
//! Nothing of the product is here: the crates do not know this program.

#![forbid(unsafe_code)]

mod api;
mod artifacts;
mod bench;
mod check;
mod dependent;
mod error;
mod firmware;
mod isas;
mod miri;
mod mutants;
mod outcome;
mod process;
mod python;
mod serve;
mod sizes;
mod source;
mod tables;
mod targets;
mod test;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The project's own tasks. They run from the root of the repository, wherever they are called.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything: check, all tests, the tests of every instruction set, a dependent crate, microcontrollers in emulation, the model file in
    /// Python
    Test,
    /// The rules of the tree: format, lints, documentation, layering, unsafe list, names, lengths
    Check,
    /// Kernel, layer and training tests, once for every instruction set of this machine
    TestAllIsas,
    /// Puts known faults into a copy of the sources; some test must fail for each
    Mutants(mutants::Options),
    /// Builds a crate outside the workspace, without optimization and with it, and runs it on small stacks
    Dependent(dependent::Options),
    /// Builds images for microcontrollers, runs them in emulation, and compares the bits of their results
    Firmware(firmware::Options),
    /// Builds a program for other targets, runs it where that can be done, and compares the bits of its results
    Targets(targets::Options),
    /// Runs the tests of threads and buffers under Miri, which sees undefined behavior and races; needs a nightly Rust
    Miri,
    /// Trains a model and opens it with the Python package safetensors
    OpenInPython,
    /// Counts unsafe code and compares it with docs/unsafe.list
    UnsafeList {
        /// Write the present counts into the list
        #[arg(long)]
        write: bool,
    },
    /// Measures our program and other engines (PyTorch, ONNX Runtime) in turn; writes a dated record
    BenchPeers(bench::Options),
    /// Measures a web service around a model, with predictions in the handler, on a shared pool and in spawn_blocking
    BenchServe(serve::Options),
    /// Builds one small predictor with Plexus and with other crates: crates, time to build, size; takes half an hour
    Sizes(sizes::Options),
    /// Lists the public items of the library in docs/api.txt, and says what was added and removed
    Api,
    /// Compares the public items of the library with those of a revision, by cargo-semver-checks
    Semver {
        /// What to compare with, as git names it
        revision: String,
    },
    /// Default settings on tables that come with Python packages, beside scikit-learn; --write renews docs/tables.md
    CompareTables(tables::Options),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = workspace::enter_root().and_then(|()| match args.task {
        Task::Test => test::run(),
        Task::Check => Ok(check::run()),
        Task::TestAllIsas => isas::run(),
        Task::Mutants(options) => mutants::run(&options),
        Task::Dependent(options) => dependent::run(&options),
        Task::Firmware(options) => firmware::run(&options),
        Task::Targets(options) => targets::run(&options),
        Task::Miri => miri::run(),
        Task::OpenInPython => python::open_model::run(),
        Task::UnsafeList { write } => check::unsafe_list::run(write),
        Task::BenchPeers(options) => bench::run(&options),
        Task::BenchServe(options) => serve::run(&options),
        Task::Sizes(options) => sizes::run(&options),
        Task::Api => api::run(),
        Task::Semver { revision } => api::semver(&revision),
        Task::CompareTables(options) => tables::run(&options),
    });
    let outcome = done.unwrap_or_else(|error| outcome::Outcome::failed(error.to_string()));
    outcome.print();
    if outcome.is_failure() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
