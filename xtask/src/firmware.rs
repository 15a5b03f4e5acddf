//! The layers of whole numbers on microcontrollers: an image for each board, run in emulation, and the hash of all its outputs
//! compared with that of this machine.

use crate::artifacts::Artifacts;
use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{self, capture, cargo, output};
use crate::targets::toolchain::{self, Missing, Standard, Tool};
use crate::workspace;
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The cases, and the crate that runs them.
const CASES: &str = "testdata/integer/cases.json";
const FIRMWARE: &str = "firmware";

/// Options of `cargo xtask firmware`.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Install nothing: what is missing is named and skipped
    #[arg(long)]
    no_install: bool,
}

/// A processor, and the boards with it.
struct Target {
    triple: &'static str,
    /// The linker script, in `firmware/link`.
    script: Option<&'static str>,
    rustflags: &'static [&'static str],
    boards: &'static [Board],
}

/// A board, and what starts its emulation.
struct Board {
    name: &'static str,
    way: Way,
}

enum Way {
    /// QEMU's name of an Arm board.
    Arm(&'static str),
    RiscV,
    Node,
}

const ARM: Tool = Tool { program: "qemu-system-arm", packages: &["qemu-system-arm"] };
const RISCV: Tool = Tool { program: "qemu-system-riscv32", packages: &["qemu-system-misc"] };
const ARM_GCC: Tool = Tool { program: "arm-none-eabi-gcc", packages: &["gcc-arm-none-eabi"] };
const RISCV_GCC: Tool = Tool { program: "riscv64-unknown-elf-gcc", packages: &["gcc-riscv64-unknown-elf"] };
const NODE: Tool = Tool { program: "node", packages: &["nodejs"] };

const TARGETS: &[Target] = &[
    Target {
        triple: "thumbv6m-none-eabi",
        script: Some("mps2.ld"),
        rustflags: &[],
        boards: &[Board { name: "Cortex-M0", way: Way::Arm("mps2-an385") }],
    },
    Target {
        triple: "thumbv7m-none-eabi",
        script: Some("mps2.ld"),
        rustflags: &[],
        boards: &[Board { name: "Cortex-M3", way: Way::Arm("mps2-an385") }],
    },
    Target {
        triple: "thumbv7em-none-eabi",
        script: Some("mps2.ld"),
        rustflags: &[],
        boards: &[
            Board { name: "Cortex-M4", way: Way::Arm("mps2-an386") },
            Board { name: "Cortex-M7", way: Way::Arm("mps2-an500") },
        ],
    },
    Target {
        triple: "thumbv8m.main-none-eabihf",
        script: Some("mps3.ld"),
        rustflags: &["-Ctarget-cpu=cortex-m55"],
        boards: &[Board { name: "Cortex-M55", way: Way::Arm("mps3-an547") }],
    },
    Target {
        triple: "riscv32imac-unknown-none-elf",
        script: Some("virt.ld"),
        rustflags: &[],
        boards: &[Board { name: "RV32IMAC", way: Way::RiscV }],
    },
    Target {
        triple: "wasm32-unknown-unknown",
        script: None,
        rustflags: &["-Clink-arg=--no-entry", "-Clink-arg=--export=run", "-Ctarget-feature=+simd128"],
        boards: &[Board { name: "WebAssembly", way: Way::Node }],
    },
];

/// Builds and runs all of them.
pub fn run(options: &Options) -> Result<Outcome, TaskError> {
    let expected = expected()?;
    println!("this machine: hash {expected}");
    let folder = workspace::target()?.join(FIRMWARE);
    workspace::write(folder.join("cases.rs"), &cases()?)?;
    let (mut passed, mut missing, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let mut found = Vec::new();
    for target in TARGETS {
        match find(target, !options.no_install)? {
            Ok(standard) => found.push((target, standard)),
            Err(why) => missing.push(format!("{}: {why}", target.triple)),
        }
    }
    // The core library of a target keeps one processor busy: two at a time.
    let mut images = Vec::new();
    for pair in found.chunks(2) {
        let built: Vec<Result<PathBuf, TaskError>> = std::thread::scope(|scope| {
            let folder = &folder;
            let builds = pair.iter().map(|(target, standard)| scope.spawn(move || build(target, standard, folder)));
            let builds: Vec<_> = builds.collect();
            builds.into_iter().map(|build| build.join().expect("a build does not panic")).collect()
        });
        for ((target, _), image) in pair.iter().zip(built) {
            images.push((target, image?));
        }
    }
    for (target, image) in images {
        let bytes = std::fs::metadata(&image).map_err(TaskError::file("read", &image))?.len();
        for board in target.boards {
            let said = start(&board.way, &image)?;
            let line = said.lines().collect::<Vec<_>>().join(", ");
            println!("{:<12} {line} ({bytes} bytes of {})", board.name, target.triple);
            if said.lines().next() == Some(&format!("hash {expected}")) {
                passed.push(board.name);
            } else {
                problems.push(format!("{}: \"{line}\", but this machine has hash {expected}", board.name));
            }
        }
    }
    // Exported networks: the test from training to a board, now that the tools are there.
    match exports(!options.no_install)? {
        Ok(()) => passed.push("exported networks"),
        Err(why) => missing.push(format!("exported networks: {why}")),
    }
    for why in &missing {
        println!("left out: {why}");
    }
    if problems.is_empty() && passed.is_empty() {
        return Ok(Outcome::Skipped(missing.join("; ")));
    }
    let left_out = if missing.is_empty() { String::new() } else { format!("; left out: {}", missing.len()) };
    let passed = format!("hash {expected} on {}{left_out}", passed.join(", "));
    Ok(Outcome::from_problems(problems, passed))
}

/// Runs the tests of `plexus-cli` that export networks, with compilers for boards in C and in Rust.
fn exports(install: bool) -> Result<Result<(), Missing>, TaskError> {
    for tool in [&ARM, &RISCV, &ARM_GCC, &RISCV_GCC, &NODE] {
        if let Err(why) = tool.find(install)? {
            return Ok(Err(why));
        }
    }
    let mut command = cargo(&["test", "--workspace", "--test", "boards", "--", "--nocapture"]);
    let mut in_rust = true;
    for triple in ["thumbv7em-none-eabi", "riscv32imac-unknown-none-elf", "wasm32-unknown-unknown"] {
        match toolchain::standard_library(triple, install)? {
            Ok(standard) => standard.tell(&mut command, toolchain::CORE, triple)?,
            Err(why) => {
                println!("left out: exports in Rust: {why}");
                in_rust = false;
            }
        }
    }
    if in_rust {
        command.env("PLEXUS_BOARDS_IN_RUST", "1");
    }
    process::run(&mut command)?;
    Ok(Ok(()))
}

/// The hash of all outputs on this machine.
fn expected() -> Result<String, TaskError> {
    let told = output(&mut Artifacts::build()?.plexus(&["run-case", CASES, "--portable"]))?;
    let row = told.lines().find(|line| line.trim_start().starts_with("plexus-micro"));
    let hash = row.and_then(|row| row.split_whitespace().last());
    hash.map(str::to_string).ok_or_else(|| TaskError::content("plexus run-case", "a row of plexus-micro", told.clone()))
}

fn find(target: &Target, install: bool) -> Result<Result<Standard, Missing>, TaskError> {
    for board in target.boards {
        let tool = match board.way {
            Way::Arm(_) => &ARM,
            Way::RiscV => &RISCV,
            Way::Node => &NODE,
        };
        if let Err(missing) = tool.find(install)? {
            return Ok(Err(missing));
        }
    }
    toolchain::standard_library(target.triple, install)
}

/// The image of a target.
fn build(target: &Target, standard: &Standard, folder: &Path) -> Result<PathBuf, TaskError> {
    let root = std::env::current_dir().map_err(TaskError::file("find", ".".as_ref()))?;
    let script = target
        .script
        .map(|script| format!("-Clink-arg=-T{}", workspace::slashed(&root.join(FIRMWARE).join("link").join(script))));
    let rustflags: Vec<&str> = target.rustflags.iter().copied().chain(script.as_deref()).collect();
    let mut command = cargo(&["build", "--quiet", "--release"]);
    standard.prepare(&mut command, toolchain::CORE, target.triple, None, &rustflags)?;
    command
        .current_dir(FIRMWARE)
        .env("CARGO_TARGET_DIR", folder.join(target.triple))
        .env("PLEXUS_CASES", folder.join("cases.rs"));
    process::run(&mut command)?;
    let image = folder.join(target.triple).join(target.triple).join("release/plexus-firmware");
    Ok(if target.triple.starts_with("wasm32") { image.with_extension("wasm") } else { image })
}

/// Runs an image to its end; what it printed.
fn start(way: &Way, image: &Path) -> Result<String, TaskError> {
    let mut command = match way {
        Way::Arm(machine) => {
            let mut command = Command::new(ARM.program);
            command.args(["-M", machine, "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=6"]);
            command.args(["-semihosting-config", "enable=on,target=native", "-kernel"]);
            command
        }
        Way::RiscV => {
            let mut command = Command::new(RISCV.program);
            command.args([
                "-M",
                "virt",
                "-bios",
                "none",
                "-nographic",
                "-monitor",
                "none",
                "-icount",
                "shift=6",
                "-kernel",
            ]);
            command
        }
        Way::Node => {
            let mut command = Command::new(NODE.program);
            command.arg(Path::new(FIRMWARE).join("board").join("run.mjs"));
            command
        }
    };
    let done = capture(command.arg(image))?;
    // Semihosting writes to one of the two.
    let said = if done.output.is_empty() { done.errors } else { done.output };
    if done.success {
        Ok(said)
    } else {
        Err(TaskError::content(process::shown(&command), "an image that ends well", said))
    }
}

/// The recorded layers as Rust source, for the image.
fn cases() -> Result<String, TaskError> {
    let bad = |why: &str| TaskError::content(CASES, "recorded layers", why);
    let cases: Vec<Value> = serde_json::from_str(&workspace::read(CASES)?).map_err(|error| bad(&error.to_string()))?;
    let mut source = "fn run_cases(hash: &mut Hash) {\n".to_string();
    for case in &cases {
        let list = |name: &str| {
            let mut numbers = Vec::new();
            flat(&case[name], &mut numbers);
            format!("&[{}]", numbers.join(", "))
        };
        let number = |name: &str| case[name].as_i64().ok_or_else(|| bad(&format!("no {name} in {case}")));
        let scales = || {
            let (mut multipliers, mut shifts) = (Vec::new(), Vec::new());
            flat(&case["mult"], &mut multipliers);
            flat(&case["shift"], &mut shifts);
            let both = multipliers.iter().zip(&shifts).map(|(m, s)| format!("Multiplier::new({m}, {s})"));
            format!("&[{}]", both.collect::<Vec<_>>().join(", "))
        };
        let (rows, x, w, bias) = (number("n")?, list("x"), list("w"), list("bias"));
        match case["family"].as_str().unwrap_or_default() {
            family @ ("q7" | "q15" | "q7_q15") => {
                let (packed, shifts) = (list("w_opt"), [number("bias_shift")?, number("out_shift")?]);
                _ = writeln!(source, "    {family}(hash, {x}, {w}, {packed}, {bias}, {shifts:?}, {rows});");
            }
            "s8" | "s8_per_channel" => {
                let numbers = [-number("input_offset")?, number("output_offset")?, number("lo")?, number("hi")?];
                _ = writeln!(source, "    s8(hash, {x}, {w}, {bias}, {}, {numbers:?}, {rows});", scales());
            }
            "s16x8" => _ = writeln!(source, "    s16x8(hash, {x}, {w}, {bias}, {}, {rows});", scales()),
            other => return Err(bad(&format!("the family \"{other}\""))),
        }
    }
    Ok(source + "}\n")
}

fn flat(value: &Value, numbers: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| flat(item, numbers)),
        one => numbers.push(one.to_string()),
    }
}
