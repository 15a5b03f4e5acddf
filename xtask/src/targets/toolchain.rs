//! Standard libraries, linkers and emulators: where they are, and how they are installed.

use crate::error::TaskError;
use crate::process::{self, capture, output};
use crate::workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Targets that need more where their standard library is built here.
pub const MUSL: &str = "x86_64-unknown-linux-musl";
pub const WINDOWS_GNU: &str = "x86_64-pc-windows-gnu";

/// The parts of the standard library that a program with tests needs, and those of a board.
pub const STD: &str = "std,panic_abort,test";
pub const CORE: &str = "core";

/// Debian's compiler and the sources of the same version: with them cargo builds a standard library for any target.
const DEBIAN: &[&str] = &["rustc-web", "rust-web-src"];

/// Why a target is left out.
pub type Missing = String;

/// A program that has to be there.
pub struct Tool {
    /// It is asked for its version.
    pub program: &'static str,
    /// Debian packages that bring it.
    pub packages: &'static [&'static str],
}

impl Tool {
    /// Looks for it, and installs it where it is missing.
    pub fn find(&self, install: bool) -> Result<Result<(), Missing>, TaskError> {
        let found = || capture(Command::new(self.program).arg("--version")).is_ok_and(|version| version.success);
        if found() {
            return Ok(Ok(()));
        }
        if let Err(missing) = get(self.packages, install)? {
            return Ok(Err(format!("there is no {}; {missing}", self.program)));
        }
        Ok(if found() { Ok(()) } else { Err(format!("{} does not run", self.program)) })
    }
}

/// Installs Debian packages, where that is allowed and can be done.
fn get(packages: &[&str], install: bool) -> Result<Result<(), Missing>, TaskError> {
    let arguments = ["install", "-y", "--no-install-recommends"];
    let how = format!("to install it: apt-get {} {}", arguments.join(" "), packages.join(" "));
    let is_root = capture(Command::new("id").arg("-u")).is_ok_and(|id| id.output.trim() == "0");
    let has_apt = capture(Command::new("apt-get").arg("--version")).is_ok_and(|version| version.success);
    if !install || !is_root || !has_apt {
        return Ok(Err(how));
    }
    // The lists on a machine may be older than the packages: without new ones an older compiler would be taken.
    let mut commands = [Command::new("apt-get"), Command::new("apt-get")];
    commands[0].args(["update", "--quiet"]);
    commands[1].args(arguments).arg("--quiet").args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    for command in &mut commands {
        println!("$ {}", process::shown(command));
        let done = capture(command)?;
        if !done.success {
            let said = process::last_lines(&(done.output + &done.errors), 3);
            return Ok(Err(format!("{how} (tried: {said})")));
        }
    }
    Ok(Ok(()))
}

/// Where the standard library of a target comes from.
pub enum Standard {
    /// It is installed beside the compiler that builds this program, with what its linker needs.
    Installed,
    /// Cargo builds it from its sources with the compiler of the same version.
    Built {
        /// That compiler.
        rustc: PathBuf,
    },
}

/// The compiler that builds this program.
fn rustc() -> PathBuf {
    std::env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from)
}

/// What a compiler prints for `--print`.
fn printed(rustc: &Path, words: &[&str]) -> Result<PathBuf, TaskError> {
    Ok(output(Command::new(rustc).arg("--print").args(words))?.trim().into())
}

/// Finds the standard library of a target, or installs what it can be built from.
pub fn standard_library(triple: &str, install: bool) -> Result<Result<Standard, Missing>, TaskError> {
    if printed(&rustc(), &["target-libdir", "--target", triple])?.is_dir() {
        return Ok(Ok(Standard::Installed));
    }
    let add = format!("rustup target add {triple}");
    if let Some(rustc) = with_sources()? {
        return Ok(Ok(Standard::Built { rustc }));
    }
    if let Err(missing) = get(DEBIAN, install)? {
        return Ok(Err(format!("there is no standard library for it; {add}; or, on Debian, {missing}")));
    }
    Ok(match with_sources()? {
        Some(rustc) => Ok(Standard::Built { rustc }),
        None => Err(format!("the compiler of {} is too old; {add}", DEBIAN.join(" and "))),
    })
}

/// A compiler that is new enough and has the sources of its standard library beside it.
fn with_sources() -> Result<Option<PathBuf>, TaskError> {
    let files = capture(Command::new("dpkg").args(["-L", DEBIAN[0]])).map(|files| files.output).unwrap_or_default();
    let debian = files.lines().find(|path| path.ends_with("/bin/rustc")).map(PathBuf::from);
    for rustc in [Some(rustc()), debian].into_iter().flatten() {
        let library = printed(&rustc, &["sysroot"])?.join("lib/rustlib/src/rust/library/Cargo.toml");
        if library.is_file() && minor(&output(Command::new(&rustc).arg("--version"))?) >= oldest()? {
            return Ok(Some(rustc));
        }
    }
    Ok(None)
}

/// The second number of a version such as `1.95`, behind any text.
fn minor(version: &str) -> Option<u32> {
    version.split_once("1.")?.1.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The oldest compiler that the workspace takes, as [`minor`].
fn oldest() -> Result<Option<u32>, TaskError> {
    oldest_in(&workspace::read("Cargo.toml")?)
}

fn oldest_in(manifest: &str) -> Result<Option<u32>, TaskError> {
    let manifest: toml::Table =
        toml::from_str(manifest).map_err(|error| TaskError::content("Cargo.toml", "TOML", error.to_string()))?;
    Ok(minor(manifest["workspace"]["package"]["rust-version"].as_str().unwrap_or_default()))
}

/// The environment variable by which cargo is told something about a target.
pub fn variable(triple: &str, what: &str) -> String {
    format!("CARGO_TARGET_{}_{what}", triple.to_uppercase().replace(['-', '.'], "_"))
}

impl Standard {
    /// Half a sentence for the summary.
    pub fn how(&self) -> &'static str {
        match self {
            Standard::Installed => "",
            Standard::Built { .. } => "; standard library built from its sources",
        }
    }

    /// What is needed besides the tools of the target: rustup's libraries bring their own.
    pub fn tools(&self, triple: &str) -> &'static [Tool] {
        match (self, triple) {
            (Standard::Built { .. }, MUSL) => &[Tool { program: "musl-gcc", packages: &["musl-tools"] }],
            (Standard::Built { .. }, WINDOWS_GNU) => {
                &[Tool { program: "x86_64-w64-mingw32-dlltool", packages: &["binutils-mingw-w64-x86-64"] }]
            }
            _ => &[],
        }
    }

    /// Tells a program by its environment how cargo builds for this target, for the cargo that it calls itself. The names are of this
    /// project: what they say is for the board alone.
    pub fn tell(&self, command: &mut Command, parts: &str, triple: &str) -> Result<(), TaskError> {
        let Standard::Built { rustc: own } = self else { return Ok(()) };
        let host = printed(&rustc(), &["host-tuple"])?;
        let linker = printed(&rustc(), &["sysroot"])?.join("lib/rustlib").join(host).join("bin/rust-lld");
        command.env(variable(triple, "LINKER"), linker);
        command.env("PLEXUS_BOARD_RUSTC", own).env("PLEXUS_BOARD_BUILD_STD", parts);
        Ok(())
    }

    /// Makes a cargo command one for this target, with these parts of the standard library where that is built here.
    pub fn prepare(
        &self,
        command: &mut Command,
        parts: &str,
        triple: &str,
        linker: Option<&str>,
        rustflags: &[&str],
    ) -> Result<(), TaskError> {
        command.args(["--target", triple]);
        // These would replace the flags of the target.
        command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        let mut rustflags: Vec<String> = rustflags.iter().map(|flag| flag.to_string()).collect();
        let mut linker = linker.map(PathBuf::from);
        if let Standard::Built { rustc: own } = self {
            // The option is one of nightly compilers; this variable lets a stable one take it. Our code stays stable Rust.
            command.arg(format!("-Zbuild-std={parts}")).env("RUSTC_BOOTSTRAP", "1").env("RUSTC", own);
            // Neither WebAssembly nor a board has a linker of its own.
            if triple.starts_with("wasm32") || triple.contains("-none-") {
                let host = printed(&rustc(), &["host-tuple"])?;
                let sysroot = printed(&rustc(), &["sysroot"])?;
                linker = Some(sysroot.join("lib/rustlib").join(host).join("bin/rust-lld"));
            }
            if triple == MUSL {
                linker = Some("musl-gcc".into());
                rustflags.extend(musl_unwinder()?);
            }
        }
        if let Some(linker) = linker {
            command.env(variable(triple, "LINKER"), linker);
        }
        if !rustflags.is_empty() {
            command.env(variable(triple, "RUSTFLAGS"), rustflags.join(" "));
        }
        Ok(())
    }
}

/// Debian has no unwinder for musl. That of GCC does, once a function of the other C library is answered: it says that it
/// knows nothing, and the unwinder asks `dl_iterate_phdr`, which musl has.
fn musl_unwinder() -> Result<Vec<String>, TaskError> {
    let folder = workspace::target()?.join("targets/unwinder");
    let source = folder.join("find_object.c");
    workspace::write(&source, "int _dl_find_object(void *address, void *result) { return -1; }\n")?;
    let object = folder.join("find_object.o");
    output(Command::new("musl-gcc").args(["-c", "-O1"]).arg(&source).arg("-o").arg(&object))?;
    let archive = output(Command::new("gcc").arg("-print-file-name=libgcc_eh.a"))?;
    std::fs::copy(archive.trim(), folder.join("libunwind.a"))
        .map_err(TaskError::file("copy", archive.trim().as_ref()))?;
    let folder = workspace::slashed(&folder);
    Ok(vec![
        "-Clink-self-contained=no".to_string(),
        format!("-Lnative={folder}"),
        format!("-Clink-arg={}", workspace::slashed(&object)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_second_number() {
        assert_eq!(minor("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)"), Some(96));
        assert_eq!(minor("1.95"), Some(95));
        assert_eq!(minor("nothing"), None);
        let manifest = include_str!("../../../Cargo.toml");
        assert!(oldest_in(manifest).expect("it is TOML") > Some(90));
    }

    #[test]
    fn variables_are_named_as_cargo_names_them() {
        assert_eq!(variable("wasm32-unknown-unknown", "LINKER"), "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER");
        assert_eq!(variable("thumbv8m.main-none-eabihf", "LINKER"), "CARGO_TARGET_THUMBV8M_MAIN_NONE_EABIHF_LINKER");
    }
}
