//! What is in folders of images, and decoding many files at a time.

use super::decode::{self, Header};
use super::{ImageForm, ImageRows, Written};
use crate::data::Samples;
use crate::error::DataError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most bytes of samples and masks that are kept in memory whatever is asked for: 4 GiB.
const MOST_BYTES: u64 = 4 << 30;

/// The folders and the files of a folder, sorted by name; what systems put there by themselves is left out.
pub(super) struct Listing {
    pub folders: Vec<PathBuf>,
    pub files: Vec<PathBuf>,
}

pub(super) fn list(folder: &Path) -> Result<Listing, DataError> {
    let failed = |source| DataError::Io { path: folder.into(), source };
    if folder.is_file() {
        return Err(bad(folder, "is a file; give the folder that the images are in"));
    }
    let mut names: Vec<OsString> = Vec::new();
    for entry in folder.read_dir().map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name());
    }
    names.sort();
    let own = |name: &OsString| {
        let name = name.to_string_lossy();
        !name.starts_with('.') && name != "Thumbs.db" && name != "desktop.ini"
    };
    let paths: Vec<PathBuf> = names.iter().filter(|name| own(name)).map(|name| folder.join(name)).collect();
    let (folders, files) = paths.into_iter().partition(|path| path.is_dir());
    Ok(Listing { folders, files })
}

/// The last part of a path, as it is shown and as classes are called.
pub(super) fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

pub(super) fn bad(path: &Path, what: impl Into<String>) -> DataError {
    DataError::Image { path: path.into(), what: what.into() }
}

/// The most bytes of a file of names.
const MOST_NAMES: u64 = 1 << 20;

/// The names of classes, a line each, where there is such a file.
pub(super) fn class_names(path: &Path) -> Result<Option<Vec<String>>, DataError> {
    if !path.exists() {
        return Ok(None);
    }
    let failed = |source| DataError::Io { path: path.into(), source };
    let len = std::fs::metadata(path).map_err(failed)?.len();
    if len > MOST_NAMES {
        return Err(bad(
            path,
            format!("has {len} bytes; expected names of classes, a line each, of at most {MOST_NAMES} bytes"),
        ));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    Ok(Some(text.lines().map(|line| line.trim().to_string()).filter(|line| !line.is_empty()).collect()))
}

/// What all images are made into: as the user wrote, else as they are, where all are alike. Every header is read.
pub(super) fn form(source: &'static str, written: &Written, files: &[&Path]) -> Result<ImageForm, DataError> {
    let mut headers: Vec<Option<Header>> = vec![None; files.len()];
    each(files.len(), &mut headers, 1, |index, header| {
        header[0] = Some(decode::header(files[index])?);
        Ok(())
    })?;
    let headers: Vec<Header> = headers.into_iter().map(|header| header.expect("each was read")).collect();
    let first = headers.first().expect("there is a file");
    let [height, width] = match written.size {
        Some(size) => size,
        None => {
            let other = headers.iter().position(|header| (header.height, header.width) != (first.height, first.width));
            if let Some(other) = other {
                let Header { height, width, .. } = headers[other];
                return Err(bad(
                    files[other],
                    format!(
                        "has {height}x{width} pixels, but {} has {}x{}; say to which size all are brought, as \
                         {source}:DIR?size=64x64",
                        files[0].display(),
                        first.height,
                        first.width
                    ),
                ));
            }
            [first.height, first.width]
        }
    };
    let is_gray = headers.iter().all(|header| header.is_gray);
    let channels = written.channels.unwrap_or(if is_gray { 1 } else { 3 });
    Ok(ImageForm { channels, height, width, fit: written.fit })
}

/// The samples of all files, decoded on all processors; or left in their files.
pub(super) fn samples(
    folder: &Path,
    form: &ImageForm,
    files: &[&Path],
    stay_in_files: bool,
) -> Result<Samples, DataError> {
    let width = form.axes().iter().product::<usize>();
    if stay_in_files {
        // What one batch takes is bounded elsewhere; one sample has to fit by itself.
        room(folder, 1, width, size_of::<f32>())?;
        return Ok(Samples::Images(ImageRows::open(form, files)?));
    }
    let mut bytes = room(folder, files.len(), width, 1)?;
    each(files.len(), &mut bytes, width, |index, sample| {
        sample.copy_from_slice(&form.read(files[index])?);
        Ok(())
    })?;
    Ok(Samples::U8(bytes))
}

/// Room for `rows` rows of `width` bytes, each of which takes `bytes` in the end.
pub(super) fn room(folder: &Path, rows: usize, width: usize, bytes: usize) -> Result<Vec<u8>, DataError> {
    let needed = rows.saturating_mul(width).saturating_mul(bytes);
    let mut room = Vec::new();
    if needed as u64 > MOST_BYTES || room.try_reserve_exact(needed / bytes.max(1)).is_err() {
        return Err(bad(
            folder,
            format!(
                "holds {rows} images, which take {needed} bytes at this size; at most {MOST_BYTES} are kept in memory. Choose \
                 a smaller one, as DIR?size=64x64"
            ),
        ));
    }
    room.resize(rows * width, 0);
    Ok(room)
}

/// Fills `count` pieces of `width`, on all processors; of several errors the first in the order of the pieces is told.
pub(super) fn each<T: Send>(
    count: usize,
    out: &mut [T],
    width: usize,
    fill: impl Fn(usize, &mut [T]) -> Result<(), DataError> + Sync,
) -> Result<(), DataError> {
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get()).min(count.max(1));
    // Runs of neighbors, so that the first error is that of the first run that has one.
    let run = count.div_ceil(threads).max(1);
    let failed = AtomicUsize::new(usize::MAX);
    let results: Vec<Result<(), DataError>> = std::thread::scope(|scope| {
        let runs = out.chunks_mut((run * width).max(1)).enumerate().map(|(piece, out)| {
            let (fill, failed) = (&fill, &failed);
            scope.spawn(move || {
                for (offset, out) in out.chunks_mut(width.max(1)).enumerate() {
                    // What lies behind an error need not be read.
                    if failed.load(Ordering::Relaxed) < piece {
                        return Ok(());
                    }
                    fill(piece * run + offset, out).inspect_err(|_| {
                        failed.fetch_min(piece, Ordering::Relaxed);
                    })?;
                }
                Ok(())
            })
        });
        let runs: Vec<_> = runs.collect();
        runs.into_iter().map(|run| run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    results.into_iter().collect()
}
