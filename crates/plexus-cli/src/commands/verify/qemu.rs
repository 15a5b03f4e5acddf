//! An exported program on a board in emulation: built with what comes with this program, and run by QEMU.

use crate::Failure;
use crate::args::BoardArg;
use plexus::files;
use plexus::quant::firmware::Golden;
use std::env::var_os;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A processor, and how code for it is built and run.
struct Board {
    /// QEMU's machine; `virt` is that of RISC-V.
    machine: &'static str,
    script: (&'static str, &'static str),
    triple: &'static str,
    rustflags: &'static [&'static str],
    gcc: &'static str,
    flags: &'static [&'static str],
    /// Ticks of SysTick for 1000 instructions, with `-icount shift=6`.
    ticks: u64,
}

const MPS2: (&str, &str) = ("mps2.ld", include_str!("../../../../../firmware/link/mps2.ld"));
const MPS3: (&str, &str) = ("mps3.ld", include_str!("../../../../../firmware/link/mps3.ld"));
const VIRT: (&str, &str) = ("virt.ld", include_str!("../../../../../firmware/link/virt.ld"));
const ARM_GCC: &str = "arm-none-eabi-gcc";

fn board(board: BoardArg) -> Board {
    let arm = |machine, triple, flags| Board {
        machine,
        script: MPS2,
        triple,
        rustflags: &[],
        gcc: ARM_GCC,
        flags,
        // An instruction takes 64 ns of a clock of 25 MHz.
        ticks: 1600,
    };
    match board {
        BoardArg::CortexM0 => arm("mps2-an385", "thumbv6m-none-eabi", &["-mcpu=cortex-m0", "-mthumb"]),
        BoardArg::CortexM3 => arm("mps2-an385", "thumbv7m-none-eabi", &["-mcpu=cortex-m3", "-mthumb"]),
        BoardArg::CortexM4 => arm("mps2-an386", "thumbv7em-none-eabi", &["-mcpu=cortex-m4", "-mthumb"]),
        BoardArg::CortexM7 => arm("mps2-an500", "thumbv7em-none-eabi", &["-mcpu=cortex-m7", "-mthumb"]),
        BoardArg::CortexM55 => Board {
            script: MPS3,
            rustflags: &["-Ctarget-cpu=cortex-m55"],
            // Of 32 MHz.
            ticks: 2048,
            ..arm("mps3-an547", "thumbv8m.main-none-eabihf", &["-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"])
        },
        BoardArg::Rv32 => Board {
            machine: "virt",
            script: VIRT,
            triple: "riscv32imac-unknown-none-elf",
            rustflags: &[],
            gcc: "riscv64-unknown-elf-gcc",
            flags: &["-march=rv32imac_zicsr", "-mabi=ilp32", "-mcmodel=medany"],
            ticks: 64000,
        },
    }
}

/// What an exported program did on a board.
pub(super) struct Ran {
    /// The lines of its verification.
    pub said: String,
    /// What it measured of one run, without golden inputs in the program: `flash`, `stack`, `instructions`.
    pub measured: String,
}

/// Builds and runs a program twice: with its golden inputs, and without.
pub(super) fn run(folder: &Path, golden: &Golden, which: BoardArg) -> Result<Ran, Failure> {
    let board = board(which);
    let work = folder.join("build");
    let mut said = Vec::new();
    for verify in [true, false] {
        let image = match golden.target.as_str() {
            "c" => build_c(folder, &work, golden, &board, verify)?,
            _ => build_rust(&work, golden, &board, verify)?,
        };
        said.push(start(&board, &image)?);
    }
    let measured = said.pop().unwrap_or_default();
    Ok(Ran { said: said.pop().unwrap_or_default(), measured })
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::Input(format!("cannot make the folder {}: {error}", folder.display())))?;
    // What is the same is not written: cargo would build it again.
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    Ok(files::write(path, text.as_bytes())?)
}

/// Runs a tool to its end; what it printed.
pub(super) fn tool(command: &mut Command, help: &str) -> Result<String, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.output().map_err(|error| Failure::Input(format!("{name} cannot be run ({error}). {help}")))?;
    let [output, errors] = [&done.stdout, &done.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    match done.status.success() {
        // Semihosting writes to one of the two.
        true => Ok(if output.is_empty() { errors } else { output }),
        false => {
            let all = output + &errors;
            let last: Vec<&str> = all.lines().rev().take(12).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            Err(Failure::Input(format!("{name} failed ({}):\n{}\n{help}", done.status, last.join("\n"))))
        }
    }
}

fn build_c(folder: &Path, work: &Path, golden: &Golden, board: &Board, verify: bool) -> Result<PathBuf, Failure> {
    let name = &golden.name;
    write(&work.join(board.script.0), board.script.1)?;
    write(&work.join("board.c"), include_str!("../../../../../firmware/board/board.c"))?;
    write(&work.join("board.h"), include_str!("../../../../../firmware/board/board.h"))?;
    let main = include_str!("../../../../../firmware/board/main.c")
        .replace("NAME", name)
        .replace("ARGUMENTS", &zeros(folder, golden)?);
    write(&work.join("main.c"), &main)?;
    let image = work.join(if verify { "verify.elf" } else { "measure.elf" });
    let mut command = Command::new(board.gcc);
    command.args(board.flags).args([
        "-std=gnu99",
        "-O2",
        "-ffreestanding",
        "-nostdlib",
        "-ffunction-sections",
        "-fdata-sections",
    ]);
    command.args(["-fno-tree-loop-distribute-patterns", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments"]);
    command.arg(format!("-DBOARD_TICKS={}u", board.ticks)).arg(format!("-DVERIFY={}", u8::from(verify)));
    command.arg("-I").arg(folder).arg("-I").arg(work);
    command.args([work.join("main.c"), work.join("board.c"), folder.join(format!("{name}.c"))]);
    if verify {
        command.arg(folder.join(format!("{name}_golden.c")));
    }
    command.arg("-T").arg(work.join(board.script.0)).arg("-lgcc").arg("-o").arg(&image);
    let package = if board.gcc == ARM_GCC { "gcc-arm-none-eabi" } else { "gcc-riscv64-unknown-elf" };
    tool(&mut command, &format!("On Debian: apt-get install {package}"))?;
    Ok(image)
}

/// Buffers for the inputs and outputs of a run, and the call with them.
fn zeros(folder: &Path, golden: &Golden) -> Result<String, Failure> {
    let header = folder.join(format!("{}.h", golden.name));
    let text = std::fs::read_to_string(&header).map_err(|error| {
        Failure::Input(format!("cannot read {}: {error}. Export the model again", header.display()))
    })?;
    let start = format!("void {}_run(", golden.name);
    let arguments = text.split_once(&start).and_then(|(_, rest)| rest.split_once(");")).map(|(arguments, _)| arguments);
    let arguments = arguments.ok_or_else(|| Failure::Input(format!("{} has no run function", header.display())))?;
    // `const uint8_t *input` becomes `(const uint8_t *)numbers`.
    let cast = |argument: &str| argument.rsplit_once('*').map(|(kind, _)| format!("({kind}*)numbers"));
    let cast: Option<Vec<String>> = arguments.split(", ").map(cast).collect();
    cast.map(|cast| cast.join(", ")).ok_or_else(|| Failure::Input(format!("{} is damaged", header.display())))
}

fn build_rust(work: &Path, golden: &Golden, board: &Board, verify: bool) -> Result<PathBuf, Failure> {
    let name = &golden.name;
    let work = work.join(if verify { "verify" } else { "measure" });
    let manifest = format!(
        "[package]\nname = \"board\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n{name} = {{ path = \"../..\" }}\n\n\
         [profile.release]\nopt-level = 3\npanic = \"abort\"\nlto = true\ncodegen-units = 1\n\n[workspace]\n"
    );
    write(&work.join("Cargo.toml"), &manifest)?;
    write(&work.join("src/board.rs"), include_str!("../../../../../firmware/board/board.rs"))?;
    let body = if verify {
        include_str!("../../../../../firmware/board/verify.rs")
    } else {
        include_str!("../../../../../firmware/board/measure.rs")
    };
    let main = include_str!("../../../../../firmware/board/main.rs").replace("BODY", body);
    let main = main.replace("NAME", name).replace("TICK_COUNT", &board.ticks.to_string());
    write(&work.join("src/main.rs"), &main)?;
    write(&work.join(board.script.0), board.script.1)?;
    let script = work.join(board.script.0);
    let script = std::path::absolute(&script).unwrap_or(script);
    let flags: Vec<String> = board
        .rustflags
        .iter()
        .map(|flag| flag.to_string())
        .chain([format!("-Clink-arg=-T{}", script.display())])
        .collect();
    cargo(&work, board.triple, &flags.join(" "))?;
    Ok(work.join("target").join(board.triple).join("release/board"))
}

/// Builds a package for a target.
pub(super) fn cargo(work: &Path, triple: &str, rustflags: &str) -> Result<(), Failure> {
    let variable = format!("CARGO_TARGET_{}_RUSTFLAGS", triple.to_uppercase().replace(['-', '.'], "_"));
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--release", "--target", triple]).current_dir(work);
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env(variable, rustflags);
    command.env("CARGO_TARGET_DIR", "target");
    // Where the compiler in use has no library for the target: one that has its sources, and builds it.
    if let (Some(rustc), Some(parts)) = (var_os("PLEXUS_BOARD_RUSTC"), var_os("PLEXUS_BOARD_BUILD_STD")) {
        command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1").env("CARGO_UNSTABLE_BUILD_STD", parts);
    }
    tool(&mut command, &format!("The target has to be there: rustup target add {triple}"))?;
    Ok(())
}

/// Runs an image to its end; what it printed.
fn start(board: &Board, image: &Path) -> Result<String, Failure> {
    let (program, package) = match board.machine {
        "virt" => ("qemu-system-riscv32", "qemu-system-misc"),
        _ => ("qemu-system-arm", "qemu-system-arm"),
    };
    let mut command = Command::new(program);
    command.args(["-M", board.machine, "-nographic", "-monitor", "none", "-icount", "shift=6"]);
    match board.machine {
        "virt" => command.args(["-bios", "none"]),
        _ => command.args(["-serial", "none", "-semihosting-config", "enable=on,target=native"]),
    };
    tool(command.arg("-kernel").arg(image), &format!("On Debian: apt-get install {package}"))
}
