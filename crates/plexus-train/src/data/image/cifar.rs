//! CIFAR-10, the binary version.
//!
//! # Source
//! A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009: records of a class byte and 3 · 32 · 32
//! bytes, the red channel first; `data_batch_1.bin` to `data_batch_5.bin` to learn from, `test_batch.bin` to test on.

use super::files::{self, bad, name};
use super::{ImageFit, ImageForm};
use crate::data::{DataOptions, DataSource, Dataset, Samples, Targets};
use crate::error::DataError;
use std::path::{Path, PathBuf};

const SIDE: usize = 32;
const PIXELS: usize = 3 * SIDE * SIDE;
const RECORD: usize = 1 + PIXELS;
const CLASSES: usize = 10;

/// The most bytes of one file: two hundred times that of the original ones.
const MOST: u64 = 1 << 32;

/// Opens the folder of the six files, or the one above it.
pub(in super::super) fn open(folder: &Path, _: &DataOptions) -> Result<DataSource, DataError> {
    let inner = folder.join("cifar-10-batches-bin");
    let folder = if inner.is_dir() { inner } else { folder.to_path_buf() };
    if folder.is_file() {
        return Err(bad(&folder, "is a file; give the folder that holds data_batch_1.bin"));
    }
    let train: Vec<PathBuf> = (1..=5).map(|batch| folder.join(format!("data_batch_{batch}.bin"))).collect();
    let test = folder.join("test_batch.bin");
    // All are looked for before any is read, and have their size.
    if let Some(missing) = train.iter().chain([&test]).find(|path| !path.is_file()) {
        let what = "is not there; expected data_batch_1.bin to data_batch_5.bin and test_batch.bin, the binary version of CIFAR-10";
        return Err(bad(missing, what));
    }
    train.iter().chain([&test]).try_for_each(|path| check_len(path))?;
    let names = names(&folder.join("batches.meta.txt"))?;
    let part = |paths: &[PathBuf]| -> Result<Dataset, DataError> {
        let (mut pixels, mut classes) = (Vec::new(), Vec::new());
        for path in paths {
            read(path, &mut pixels, &mut classes)?;
        }
        let targets = Targets::classes(names.clone(), classes);
        Ok(Dataset::single("cifar10", [3, SIDE, SIDE], Samples::U8(pixels), targets).expect("each image has a class"))
    };
    let form = ImageForm { channels: 3, height: SIDE, width: SIDE, fit: ImageFit::Stretch };
    Ok(DataSource { images: Some(form), ..DataSource::fixed(part(&train)?, part(&[test])?) })
}

fn check_len(path: &Path) -> Result<(), DataError> {
    let len = std::fs::metadata(path).map_err(|source| DataError::Io { path: path.into(), source })?.len();
    if len == 0 || !len.is_multiple_of(RECORD as u64) || len > MOST {
        let what = format!(
            "has {len} bytes; expected records of {RECORD} bytes (a class and 3 x 32 x 32 pixels), at most {MOST} bytes: it is cut \
             off, or no file of CIFAR-10's binary version"
        );
        return Err(bad(path, what));
    }
    Ok(())
}

fn read(path: &Path, pixels: &mut Vec<u8>, classes: &mut Vec<u32>) -> Result<(), DataError> {
    let bytes = std::fs::read(path).map_err(|source| DataError::Io { path: path.into(), source })?;
    for (record, bytes) in bytes.chunks_exact(RECORD).enumerate() {
        if usize::from(bytes[0]) >= CLASSES {
            let what = format!(
                "has the class {} at image {} (counted from 0); expected 0 to {}",
                bytes[0],
                record,
                CLASSES - 1
            );
            return Err(bad(path, what));
        }
        classes.push(u32::from(bytes[0]));
        pixels.extend_from_slice(&bytes[1..]);
    }
    Ok(())
}

/// The names of the classes: those of the file, or of the set as it was published.
fn names(path: &Path) -> Result<Vec<String>, DataError> {
    const USUAL: [&str; CLASSES] =
        ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    let Some(names) = files::class_names(path)? else { return Ok(USUAL.map(str::to_string).to_vec()) };
    match names.len() {
        CLASSES => Ok(names),
        found => Err(bad(
            path,
            format!("names {found} classes; expected {CLASSES}, a line each, as {} of CIFAR-10 does", name(path)),
        )),
    }
}
