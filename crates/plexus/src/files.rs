//! Writing files so that there is always a whole one: beside, synced, renamed.

use crate::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The action named in an [`Error::Io`] when saving fails in the middle of a run.
pub const SAVE: &str = "save";

/// Replaces a file by new contents, or leaves it as it was: whoever reads it sees the old or the new, never a part.
///
/// The contents go to a file beside it, which is synced to the disk and renamed over the old one; then the folder is
/// synced, so that the new name survives a power cut. On failure the file beside it is removed.
///
/// # Errors
/// [`Error::Io`] with the path and what the system says.
pub fn write(path: &Path, contents: &[u8]) -> Result<(), Error> {
    write_with(path, |file| file.write_all(contents).map_err(|source| save_failed(path, source)))
}

/// Replaces a file as [`write()`] does, by contents that are too many for the memory: `fill` writes them, piece by piece.
///
/// # Errors
/// [`Error::Io`] as [`write()`], and whatever `fill` gives; the file is then as it was.
pub fn write_with<T, E: From<Error>>(path: &Path, fill: impl FnOnce(&mut File) -> Result<T, E>) -> Result<T, E> {
    replace(&mut Disk, path, |_, file| fill(file), |source| save_failed(path, source).into())
}

/// The error for a file that cannot be saved.
pub fn save_failed(path: &Path, source: io::Error) -> Error {
    Error::Io { action: SAVE, path: path.to_path_buf(), source }
}

/// The error for a file that cannot be read.
pub fn read_failed(path: &Path, source: io::Error) -> Error {
    Error::Io { action: "read", path: path.to_path_buf(), source }
}

/// Opens a plain file to be read.
///
/// # Errors
/// [`Error::Io`] with the path and what the system says.
pub fn open(path: &Path) -> Result<File, Error> {
    let failed = |source| read_failed(path, source);
    let kind = std::fs::metadata(path).map_err(failed)?;
    if !kind.is_file() {
        let what = if kind.is_dir() { "it is a folder" } else { "it is not a plain file" };
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, what)));
    }
    File::open(path).map_err(failed)
}

/// Reads a whole file.
///
/// # Errors
/// [`Error::Io`] with the path and what the system says.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let (mut file, mut bytes) = (open(path)?, Vec::new());
    file.read_to_end(&mut bytes).map_err(|source| read_failed(path, source))?;
    Ok(bytes)
}

/// The calls besides writing that [`write_with`] makes, so that a test can let each of them fail.
trait Store {
    fn create(&mut self, path: &Path) -> io::Result<File>;
    fn sync(&mut self, file: &File) -> io::Result<()>;
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    fn sync_folder(&mut self, folder: &Path) -> io::Result<()>;
}

/// The real one.
struct Disk;

impl Store for Disk {
    fn create(&mut self, path: &Path) -> io::Result<File> {
        File::create(path)
    }
    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()
    }
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }
    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        // Only Unix can open a folder to sync it; elsewhere the rename is all there is.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }
}

fn replace<S: Store, T, E>(
    store: &mut S,
    path: &Path,
    fill: impl FnOnce(&mut S, &mut File) -> Result<T, E>,
    failed: impl Fn(io::Error) -> E,
) -> Result<T, E> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let no_name = || failed(io::Error::new(io::ErrorKind::InvalidInput, "it has no file name"));
    let mut beside = path.file_name().ok_or_else(no_name)?.to_os_string();
    beside.push(".part");
    let beside = folder.join(beside);
    let written = (|| {
        let mut file = store.create(&beside).map_err(&failed)?;
        let result = fill(store, &mut file)?;
        store.sync(&file).map_err(&failed)?;
        drop(file);
        store.rename(&beside, path).map_err(&failed)?;
        Ok(result)
    })();
    if written.is_err() {
        // Best effort: the file may not exist, and the first error is the one to report.
        let _ = std::fs::remove_file(&beside);
        return written;
    }
    store.sync_folder(&folder).map_err(failed)?;
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails at the n-th call, in one of the ways a disk fails.
    struct Failing {
        calls_left: usize,
        kind: io::ErrorKind,
        /// Writes half of the contents before failing.
        short: bool,
    }

    impl Failing {
        fn call(&mut self) -> io::Result<()> {
            match self.calls_left.checked_sub(1) {
                Some(left) => {
                    self.calls_left = left;
                    Ok(())
                }
                None => Err(io::Error::from(self.kind)),
            }
        }
    }

    impl Failing {
        fn fill(&mut self, file: &mut File, contents: &[u8]) -> io::Result<()> {
            if let Err(error) = self.call() {
                if self.short {
                    file.write_all(&contents[..contents.len() / 2])?;
                }
                return Err(error);
            }
            file.write_all(contents)
        }
    }

    impl Store for Failing {
        fn create(&mut self, path: &Path) -> io::Result<File> {
            self.call()?;
            Disk.create(path)
        }
        fn sync(&mut self, file: &File) -> io::Result<()> {
            self.call()?;
            Disk.sync(file)
        }
        fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
            self.call()?;
            Disk.rename(from, to)
        }
        fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
            self.call()?;
            Disk.sync_folder(folder)
        }
    }

    #[test]
    fn when_the_nth_call_fails_the_old_file_is_whole_and_nothing_is_left_beside_it() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
            for short in [false, true] {
                for nth in 0.. {
                    let folder = tempfile::tempdir().unwrap();
                    let path = folder.path().join("model.safetensors");
                    write(&path, b"the old contents").unwrap();
                    let mut store = Failing { calls_left: nth, kind, short };
                    let new = b"the new and longer contents";
                    let result = replace(&mut store, &path, |store, file| store.fill(file, new), |error| error);
                    let contents = std::fs::read(&path).unwrap();
                    // The folder sync is the fifth call: by then the new file is in place.
                    let want: &[u8] = if nth < 4 { b"the old contents" } else { b"the new and longer contents" };
                    assert_eq!(contents, want, "call {nth}");
                    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "call {nth}");
                    if result.is_ok() {
                        assert_eq!(nth, 5);
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn the_error_names_the_path_and_the_cause() {
        let cause = |error: &Error| std::error::Error::source(error).unwrap().to_string();
        let error = write(Path::new("/nowhere/at/all/model"), b"x").unwrap_err();
        assert_eq!(error.to_string(), "cannot save /nowhere/at/all/model");
        assert!(cause(&error).contains("No such file"), "{error:?}");
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(cause(&read(folder.path()).unwrap_err()), "it is a folder");
    }
}
