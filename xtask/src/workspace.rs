//! The repository: its root, its files, its build folder.

use crate::error::TaskError;
use crate::process;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Folders that hold nothing of ours.
const FOREIGN: &[&str] = &[".git", ".venv", "target", "runs", "__pycache__", "node_modules"];

/// Makes the root of the repository the current folder, so that every path in this program is relative to it.
pub fn enter_root() -> Result<(), TaskError> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&manifest).parent().unwrap_or(Path::new("."));
    std::env::set_current_dir(root).map_err(TaskError::file("enter", root))
}

/// Where cargo builds.
pub fn target() -> Result<&'static Path, TaskError> {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    if let Some(target) = TARGET.get() {
        return Ok(target);
    }
    let json = process::output(&mut process::cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let found = serde_json::from_str::<serde_json::Value>(&json)
        .ok()
        .and_then(|value| value["target_directory"].as_str().map(PathBuf::from))
        .ok_or_else(|| TaskError::content("cargo metadata", "a target_directory", process::last_lines(&json, 3)))?;
    Ok(TARGET.get_or_init(|| found))
}

/// All files below a folder, sorted, without what is built or fetched.
pub fn files(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>, TaskError> {
    let mut found = Vec::new();
    collect(folder.as_ref(), &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), TaskError> {
    for entry in entries(folder)? {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() {
            if !FOREIGN.contains(&name.as_str()) {
                collect(&entry, found)?;
            }
        } else {
            found.push(entry);
        }
    }
    Ok(())
}

/// What lies directly in a folder, sorted.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>, TaskError> {
    let read = std::fs::read_dir(folder).map_err(TaskError::file("list", folder))?;
    let mut entries = read
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(TaskError::file("list", folder))?;
    // `./x` and `x` are the same file: paths are shown as a person writes them.
    entries.iter_mut().for_each(|path| *path = path.strip_prefix(".").unwrap_or(path).to_path_buf());
    entries.sort();
    Ok(entries)
}

/// All Rust files of the product and of this program.
pub fn rust_files() -> Result<Vec<PathBuf>, TaskError> {
    let mut all = files("crates")?;
    all.extend(files("xtask")?);
    all.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    Ok(all)
}

/// The folders of the crates.
pub fn crates() -> Result<Vec<PathBuf>, TaskError> {
    let mut all = entries(Path::new("crates"))?;
    all.retain(|path| path.join("Cargo.toml").is_file());
    Ok(all)
}

/// A path with forward slashes, on every system.
pub fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// The last part of a path.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The text of a file.
pub fn read(path: impl AsRef<Path>) -> Result<String, TaskError> {
    std::fs::read_to_string(path.as_ref()).map_err(TaskError::file("read", path.as_ref()))
}

/// Writes a file and the folders above it.
pub fn write(path: impl AsRef<Path>, text: &str) -> Result<(), TaskError> {
    let path = path.as_ref();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(TaskError::file("create", folder))?;
    }
    std::fs::write(path, text).map_err(TaskError::file("write", path))
}

/// Writes a file that is not so already: cargo builds again what is newer than its result.
pub fn write_changed(path: &Path, text: &str) -> Result<(), TaskError> {
    match std::fs::read_to_string(path) {
        Ok(present) if present == text => Ok(()),
        _ => write(path, text),
    }
}

/// Removes a folder that may not be there.
pub fn remove(folder: &Path) -> Result<(), TaskError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(TaskError::file("remove", folder)(error)),
        _ => Ok(()),
    }
}
