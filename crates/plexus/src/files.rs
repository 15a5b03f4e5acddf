//! Writing files so that there is always a whole one: beside, synced, renamed.

use crate::error::Error;
use std::io::{self, Write};
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
    write_on(&mut Disk, path, contents).map_err(|source| Error::Io { action: SAVE, path: path.to_path_buf(), source })
}

/// Reads a whole file.
///
/// # Errors
/// [`Error::Io`] with the path and what the system says.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Io { action: "read", path: path.to_path_buf(), source };
    let kind = std::fs::metadata(path).map_err(failed)?;
    if !kind.is_file() {
        let what = if kind.is_dir() { "it is a folder" } else { "it is not a plain file" };
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, what)));
    }
    std::fs::read(path).map_err(failed)
}

/// The five calls that [`write`] makes, so that a test can let each of them fail.
trait Store {
    fn create(&mut self, path: &Path) -> io::Result<std::fs::File>;
    fn write(&mut self, file: &mut std::fs::File, contents: &[u8]) -> io::Result<()>;
    fn sync(&mut self, file: &std::fs::File) -> io::Result<()>;
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    fn sync_folder(&mut self, folder: &Path) -> io::Result<()>;
}

/// The real one.
struct Disk;

impl Store for Disk {
    fn create(&mut self, path: &Path) -> io::Result<std::fs::File> {
        std::fs::File::create(path)
    }
    fn write(&mut self, file: &mut std::fs::File, contents: &[u8]) -> io::Result<()> {
        file.write_all(contents)
    }
    fn sync(&mut self, file: &std::fs::File) -> io::Result<()> {
        file.sync_all()
    }
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }
    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        // Only Unix can open a folder to sync it; elsewhere the rename is all there is.
        if cfg!(unix) { std::fs::File::open(folder)?.sync_all() } else { Ok(()) }
    }
}

fn write_on(store: &mut impl Store, path: &Path, contents: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it has no file name"))?;
    let mut beside = name.to_os_string();
    beside.push(".part");
    let beside = folder.join(beside);
    let written = (|| {
        let mut file = store.create(&beside)?;
        store.write(&mut file, contents)?;
        store.sync(&file)?;
        drop(file);
        store.rename(&beside, path)
    })();
    if let Err(error) = written {
        // Best effort: the file may not exist, and the first error is the one to report.
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    store.sync_folder(&folder)
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

    impl Store for Failing {
        fn create(&mut self, path: &Path) -> io::Result<std::fs::File> {
            self.call()?;
            Disk.create(path)
        }
        fn write(&mut self, file: &mut std::fs::File, contents: &[u8]) -> io::Result<()> {
            if let Err(error) = self.call() {
                if self.short {
                    Disk.write(file, &contents[..contents.len() / 2])?;
                }
                return Err(error);
            }
            Disk.write(file, contents)
        }
        fn sync(&mut self, file: &std::fs::File) -> io::Result<()> {
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
                    let result = write_on(&mut store, &path, b"the new and longer contents");
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
        let error = write(Path::new("/nowhere/at/all/model"), b"x").unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all/model") && error.contains("No such file"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("it is a folder"), "{error}");
    }
}
