//! The libraries on other targets: a program that predicts and trains is built for each, run where this machine can, in
//! an emulator where need be, and the bits of its results are compared with those of this machine.
//!
//! Not part of `cargo xtask test`: it takes a quarter of an hour on a free machine, and installs compilers and emulators. What each target
//! promises is in docs/targets.md.

mod program;
pub mod toolchain;

use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process;
use std::time::Instant;
use toolchain::Tool;

/// Options of `cargo xtask targets`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only these, by their names in the table; all of them where none is named
    #[arg(value_name = "TARGET", value_parser = TARGETS.iter().map(|target| target.name).collect::<Vec<_>>())]
    targets: Vec<String>,
    /// Install nothing: what is missing is named and skipped
    #[arg(long)]
    no_install: bool,
    /// Build with full optimization and measure predictions of a 784-512-10 network in WebAssembly
    #[arg(long)]
    time: bool,
    /// Run the tests of the kernels too, on targets that are run and have a test harness (a quarter of an hour each)
    #[arg(long)]
    kernel_tests: bool,
}

/// One row of the table.
struct Target {
    /// The name on the command line: the triple, and what is different.
    name: &'static str,
    triple: &'static str,
    rustflags: &'static [&'static str],
    /// What links its programs, where that is not cargo's default.
    linker: Option<&'static str>,
    /// Needed to build and run.
    tools: &'static [Tool],
    way: Way,
}

/// What is done on a target.
enum Way {
    /// The program is started by these words.
    Run(&'static [&'static str]),
    /// The library is loaded by Node.js.
    Node,
    /// It is compiled only.
    Check,
}

const NODE: Tool = Tool { program: "node", packages: &["nodejs"] };

/// Every target.
const TARGETS: &[Target] = &[
    Target {
        name: "wasm32-unknown-unknown",
        triple: "wasm32-unknown-unknown",
        rustflags: &[],
        linker: None,
        tools: &[NODE],
        way: Way::Node,
    },
    Target {
        name: "wasm32-unknown-unknown+simd128",
        triple: "wasm32-unknown-unknown",
        rustflags: &["-Ctarget-feature=+simd128"],
        linker: None,
        tools: &[NODE],
        way: Way::Node,
    },
    Target {
        name: toolchain::MUSL,
        triple: toolchain::MUSL,
        rustflags: &[],
        linker: None,
        tools: &[],
        way: Way::Run(&[]),
    },
    Target {
        name: "aarch64-unknown-linux-gnu",
        triple: "aarch64-unknown-linux-gnu",
        rustflags: &[],
        linker: Some("aarch64-linux-gnu-gcc"),
        tools: &[
            Tool { program: "aarch64-linux-gnu-gcc", packages: &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"] },
            Tool { program: "qemu-aarch64", packages: &["qemu-user"] },
        ],
        way: Way::Run(&["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]),
    },
    check("aarch64-apple-darwin"),
    check(toolchain::WINDOWS_GNU),
    check("x86_64-pc-windows-msvc"),
];

/// A target that is compiled only.
const fn check(triple: &'static str) -> Target {
    Target { name: triple, triple, rustflags: &[], linker: None, tools: &[], way: Way::Check }
}

/// Goes through the targets, also after a failure, and prints how each ended.
pub fn run(options: &Options) -> Result<Outcome, TaskError> {
    let native = program::Native::build(options.time)?;
    let mut ended = Vec::new();
    for target in TARGETS
        .iter()
        .filter(|target| options.targets.is_empty() || options.targets.iter().any(|name| name == target.name))
    {
        println!("\n=== {} ===", target.name);
        let started = Instant::now();
        let outcome = one(target, &native, options).unwrap_or_else(|error| Outcome::failed(error.to_string()));
        outcome.print();
        ended.push((target, outcome, started.elapsed().as_secs()));
    }
    println!("\n{:<32} {:<8} {:>6}  what", "target", "result", "time");
    for (target, outcome, seconds) in &ended {
        let summary = outcome.summary();
        let summary = summary.lines().next().unwrap_or_default();
        println!("{:<32} {:<8} {:>4} s  {summary}", target.name, outcome.word(), seconds);
    }
    let named = |word: &str| -> Vec<&str> {
        ended.iter().filter(|(_, outcome, _)| outcome.word() == word).map(|(target, ..)| target.name).collect()
    };
    let (passed, skipped, failed) = (named("ok"), named("skipped"), named("FAILED"));
    if !failed.is_empty() {
        return Ok(Outcome::failed(format!("{} of {} targets: {}", failed.len(), ended.len(), failed.join(", "))));
    }
    let left_out = if skipped.is_empty() { String::new() } else { format!("; skipped: {}", skipped.join(", ")) };
    match passed.is_empty() {
        true => Ok(Outcome::Skipped(skipped.join(", "))),
        false => Ok(Outcome::Passed(format!("{} of {} targets{left_out}", passed.len(), ended.len()))),
    }
}

/// One target from the tools to the comparison.
fn one(target: &Target, native: &program::Native, options: &Options) -> Result<Outcome, TaskError> {
    let standard = match toolchain::standard_library(target.triple, !options.no_install)? {
        Ok(standard) => standard,
        Err(missing) => return Ok(Outcome::missing(missing)),
    };
    for tool in target.tools.iter().chain(standard.tools(target.triple)) {
        if let Err(missing) = tool.find(!options.no_install)? {
            return Ok(Outcome::missing(missing));
        }
    }
    let build = |words: &[&str]| -> Result<std::process::Command, TaskError> {
        let mut command = process::cargo(words);
        standard.prepare(&mut command, toolchain::STD, target.triple, target.linker, target.rustflags)?;
        Ok(command)
    };
    let what = match target.way {
        Way::Check => {
            let mut command = build(&["check", "--lib"])?;
            process::run(native.at_home(&mut command))?;
            return Ok(Outcome::Passed(format!("compiles{}", standard.how())));
        }
        Way::Node => {
            let mut command = build(&["build", "--lib"])?;
            process::run(native.at_home(&mut command))?;
            native.compare(&native.in_node(target.triple)?)?
        }
        Way::Run(words) => {
            let mut command = build(&["build", "--bin", program::NAME])?;
            process::run(native.at_home(&mut command))?;
            native.compare(&native.run(target.triple, words)?)?
        }
    };
    let mut problems = what.problems;
    let mut passed = what.same;
    if let (Way::Run(words), true) = (&target.way, options.kernel_tests) {
        // Not `--workspace`: the program of the command line is of no interest here.
        let mut command = build(&["test", "--package", "plexus-kernels", "--lib"])?;
        command.env("CARGO_TARGET_DIR", native.folder().join("kernel-tests"));
        if !words.is_empty() {
            command.env(toolchain::variable(target.triple, "RUNNER"), words.join(" "));
        }
        match process::run(&mut command) {
            Ok(()) => passed += ", the tests of the kernels pass",
            Err(error) => problems.push(error.to_string()),
        }
    }
    Ok(Outcome::from_problems(problems, passed + standard.how()))
}
