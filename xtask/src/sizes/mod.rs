//! One small program with one crate after the other: it opens a network 784-128-10 from a file, predicts one row and prints
//! the answers. How many crates that takes, how long it builds, how large it is.
//!
//! The programs are in `bench/sizes`; each is built in a project of its own in the build folder. To add one: a program, and
//! a row in [`BUILDS`].

mod model;

use crate::bench::{commit, first_line, free_path, load, markdown, processor, today};
use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process::{capture, cargo, last_lines};
use crate::{python, workspace};
use model::Mlp;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// One program and what it needs.
struct Build {
    name: &'static str,
    /// The name of the program in `bench/sizes`.
    program: &'static str,
    /// Lines of its manifest; `{plexus}` is the folder of our crate.
    dependencies: &'static str,
    /// Whether it loads ONNX Runtime while it runs.
    loads_onnxruntime: bool,
}

/// Each with what it needs to open a file and predict on the processor, and no more.
const BUILDS: &[Build] = &[
    Build {
        name: "plexus, default-features = false",
        program: "plexus",
        dependencies: "plexus = { path = \"{plexus}\", default-features = false }",
        loads_onnxruntime: false,
    },
    Build {
        name: "plexus",
        program: "plexus",
        dependencies: "plexus = { path = \"{plexus}\" }",
        loads_onnxruntime: false,
    },
    Build {
        name: "tract-onnx 0.23.9",
        program: "tract",
        dependencies: "tract-onnx = \"=0.23.9\"",
        loads_onnxruntime: false,
    },
    Build {
        name: "candle 0.11.1",
        program: "candle",
        dependencies: "candle-core = \"=0.11.1\"\ncandle-nn = \"=0.11.1\"",
        loads_onnxruntime: false,
    },
    Build {
        // Its other backend for processors, ndarray, is deprecated.
        name: "burn 0.22.1, flex",
        program: "burn",
        dependencies: "burn = { version = \"=0.22.1\", default-features = false, \
                       features = [\"std\", \"flex\", \"simd\", \"store\", \"safetensors\"] }",
        loads_onnxruntime: false,
    },
    Build {
        name: "ort 2.0.0-rc.15, load-dynamic",
        program: "ort",
        dependencies: "ort = { version = \"=2.0.0-rc.15\", default-features = false, \
                       features = [\"std\", \"load-dynamic\", \"api-24\"] }",
        loads_onnxruntime: true,
    },
];

/// Options of `cargo xtask sizes`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only programs whose name has this in it; may be repeated. Writes no record
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// The library of ONNX Runtime, instead of that of the Python package onnxruntime, which is set up
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
}

/// What came of a program.
struct Built {
    crates: usize,
    seconds: f64,
    /// Of all processors together; Linux only.
    processor_seconds: Option<f64>,
    bytes: u64,
    /// Of a library that it loads.
    library_bytes: Option<u64>,
}

/// Builds and measures, prints a table and writes the record.
pub fn run(options: &Options) -> Result<Outcome, TaskError> {
    let wanted = |build: &&Build| options.only.is_empty() || options.only.iter().any(|part| build.name.contains(part));
    let builds: Vec<&Build> = BUILDS.iter().filter(wanted).collect();
    let load = load().unwrap_or("unknown".to_string());
    let (mut rows, mut failures, mut summary) = (Vec::new(), String::new(), Vec::new());
    for build in &builds {
        println!("\n--- {} ---", build.name);
        let row = match built(build, options)? {
            Ok(built) => built.cells(build.name),
            Err(why) => {
                println!("{why}");
                summary.push(build.name);
                failures += &format!("\n{}:\n\n```text\n{why}\n```\n", build.name);
                [build.name, "fails, see below", "", "", ""].map(str::to_string)
            }
        };
        rows.push(row);
    }
    let table = markdown(["with", "crates", "clean build", "processor time", "program, stripped"], &rows);
    println!("\n{table}{failures}");
    let failed = if summary.is_empty() { String::new() } else { format!(", without a result: {}", summary.join(", ")) };
    if !options.only.is_empty() {
        return Ok(Outcome::Passed(format!("{} programs{failed}", builds.len())));
    }
    let head = [
        ("date", today()),
        ("processor", processor()),
        ("load before the start (1, 5, 15 minutes)", load),
        ("ours", format!("commit {}, {}", commit(), first_line(Command::new("rustc").arg("--version")))),
        ("command", "`cargo xtask sizes`".to_string()),
    ];
    let mut text = "# Crates, time to build and size of a small predictor\n\n".to_string();
    text.extend(head.iter().map(|(what, value)| format!("- {what}: {value}\n")));
    text += &format!(
        "\nThe same program with each: it opens a network 784-128-10 from a file, predicts one row and prints the answers, \
         which are compared\nwith a computation in f64. The programs are in `bench/sizes`, what each needs in \
         `xtask/src/sizes/mod.rs`.\n\n{table}{failures}\nCrates are those of `cargo tree -e normal`, the program itself left \
         out. The build is `cargo build --release --jobs 2` into an empty\nfolder, everything downloaded; the profile is \
         Cargo's with `strip = true`. The time by the clock depends on what else the machine does,\nprocessor time (that of \
         all compilers together) less so. MB are 10^6 bytes.\n"
    );
    let path = free_path("sizes");
    workspace::write(&path, &text)?;
    Ok(Outcome::Passed(format!("{} programs{failed}, written to {}", builds.len(), workspace::slashed(&path))))
}

/// Builds, runs and checks one program; the reason where it does not work.
fn built(build: &Build, options: &Options) -> Result<Result<Built, String>, TaskError> {
    let root = std::env::current_dir().map_err(TaskError::file("find", ".".as_ref()))?;
    let slug: String = build.name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    let folder = workspace::target()?.join("sizes").join(slug);
    let plexus = workspace::slashed(&root.join("crates/plexus"));
    let manifest = format!(
        "[package]\nname = \"predictor\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{}\n\n\
         [profile.release]\nstrip = true\n",
        build.dependencies.replace("{plexus}", &plexus)
    );
    workspace::write(folder.join("Cargo.toml"), &manifest)?;
    let program = format!("bench/sizes/{}.rs", build.program);
    workspace::write(folder.join("src/main.rs"), &workspace::read(program)?)?;
    let mlp = Mlp::new();
    for (name, bytes) in [("model.safetensors", mlp.safetensors()), ("model.onnx", mlp.onnx())] {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(TaskError::file("write", &path))?;
    }

    let target = folder.join("target");
    let run = |arguments: &[&str]| {
        let mut command = cargo(arguments);
        capture(command.current_dir(&folder).env("CARGO_TARGET_DIR", &target))
    };
    let fetched = run(&["fetch"])?;
    if !fetched.success {
        return Ok(Err(last_lines(&fetched.errors, 20)));
    }
    let tree = run(&["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}"])?;
    let crates: BTreeSet<&str> = tree.output.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    workspace::remove(&target)?;
    let (started, before) = (Instant::now(), processor_seconds());
    let done = run(&["build", "--release", "--jobs", "2"])?;
    let (seconds, after) = (started.elapsed().as_secs_f64(), processor_seconds());
    if !done.success {
        return Ok(Err(last_lines(&done.errors, 30)));
    }
    let program = target.join("release").join(format!("predictor{}", std::env::consts::EXE_SUFFIX));
    let size = |path: &Path| std::fs::metadata(path).map(|data| data.len()).map_err(TaskError::file("read", path));
    let bytes = size(&program)?;

    let mut command = Command::new(&program);
    command.current_dir(&folder).env_remove("PLEXUS_ISA");
    let mut library_bytes = None;
    if build.loads_onnxruntime {
        let library = match onnxruntime(options)? {
            Ok(library) => library,
            Err(why) => return Ok(Err(format!("it builds, and ONNX Runtime is not there: {why}"))),
        };
        library_bytes = Some(size(&library)?);
        command.env("ORT_DYLIB_PATH", library);
    }
    let ran = capture(&mut command)?;
    let numbers = ran.output.trim().trim_matches(['[', ']']).split(',').map(|number| number.trim().parse::<f64>());
    let answers: Vec<f64> = numbers.filter_map(Result::ok).collect();
    let expected = mlp.answers();
    let near = answers.len() == expected.len() && answers.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4);
    // Only the build is large; the next one may start from what is left.
    workspace::remove(&target)?;
    if !ran.success || !near {
        let said = last_lines(&(ran.output + &ran.errors), 20);
        return Ok(Err(format!("it builds, and answers not {expected:?} but\n{said}")));
    }
    let processor_seconds = before.zip(after).map(|(before, after)| after - before);
    Ok(Ok(Built { crates: crates.len().saturating_sub(1), seconds, processor_seconds, bytes, library_bytes }))
}

impl Built {
    fn cells(&self, name: &str) -> [String; 5] {
        let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        let library = self.library_bytes.map(|bytes| format!(" + {} libonnxruntime", megabytes(bytes)));
        [
            name.to_string(),
            self.crates.to_string(),
            format!("{:.0} s", self.seconds),
            self.processor_seconds.map_or("unknown".to_string(), |seconds| format!("{seconds:.0} s")),
            megabytes(self.bytes) + &library.unwrap_or_default(),
        ]
    }
}

/// What programs that this one started and waited for took of all processors, theirs too; as Linux counts it, in 1/100 s.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Fields 16 and 17, counted from 1; the name of the program, field 2, ends with the last bracket.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some((ticks(16)? + ticks(17)?) / 100.0)
}

/// The library of ONNX Runtime; the reason where there is none.
fn onnxruntime(options: &Options) -> Result<Result<PathBuf, String>, TaskError> {
    if let Some(library) = &options.onnxruntime {
        return Ok(Ok(library.clone()));
    }
    const SCRIPT: &str = "\
import pathlib, onnxruntime
print(*pathlib.Path(onnxruntime.__file__).parent.glob('capi/libonnxruntime.so*'), sep='\\n')";
    let venv = match python::venv(&["onnxruntime"])? {
        Ok(venv) => venv,
        Err(why) => return Ok(Err(why)),
    };
    let found = first_line(venv.python().args(["-c", SCRIPT]));
    Ok(if Path::new(&found).is_file() {
        Ok(found.into())
    } else {
        Err("the package has no libonnxruntime.so".to_string())
    })
}
