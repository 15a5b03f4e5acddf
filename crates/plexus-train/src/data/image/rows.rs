//! Images that stay in their files until they are asked for.

use super::files::{bad, each};
use super::{ImageForm, Picture};
use crate::data::dataset::mixed;
use crate::error::DataError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Samples that are decoded when they are asked for, `[rows, channels · height · width]`: for folders whose images would
/// take too much memory. All files were read once when they were opened.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRows {
    form: ImageForm,
    files: Arc<[File]>,
    rows: Vec<u32>,
}

/// A file, and what was found in it.
#[derive(Clone, Debug, PartialEq)]
struct File {
    path: PathBuf,
    /// Tells its pixels from others.
    hash: u64,
    sum: u64,
    squares: u64,
}

impl ImageRows {
    /// Reads every file once, on all processors, and keeps what is to be known of it.
    pub(super) fn open(form: &ImageForm, paths: &[&Path]) -> Result<Self, DataError> {
        if u32::try_from(paths.len()).is_err() {
            return Err(bad(paths[0], format!("is one of {} images; at most 4294967295 can be numbered", paths.len())));
        }
        let mut found: Vec<Option<File>> = vec![None; paths.len()];
        each(paths.len(), &mut found, 1, |index, found| {
            let pixels = form.apply(&Picture::read(paths[index])?);
            let hash = pixels.iter().fold(0u64, |hash, value| mixed(hash.rotate_left(8) ^ u64::from(*value)));
            let (sum, squares) = pixels.iter().fold((0, 0), |(sum, squares), value| {
                (sum + u64::from(*value), squares + u64::from(*value) * u64::from(*value))
            });
            found[0] = Some(File { path: paths[index].to_path_buf(), hash, sum, squares });
            Ok(())
        })?;
        let files = found.into_iter().map(|file| file.expect("each was read")).collect();
        Ok(ImageRows { form: form.clone(), files, rows: (0..paths.len() as u32).collect() })
    }

    /// How many numbers.
    pub fn len(&self) -> usize {
        self.rows.len() * self.width()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn width(&self) -> usize {
        self.form.axes().iter().product()
    }

    fn file(&self, row: usize) -> &File {
        &self.files[self.rows[row] as usize]
    }

    /// One sample.
    ///
    /// # Errors
    /// What has become of the file since it was opened.
    pub(in super::super) fn read(&self, row: usize) -> Result<Vec<u8>, DataError> {
        self.form.read(&self.file(row).path)
    }

    /// Some samples as numbers, decoded on all processors.
    ///
    /// # Errors
    /// The first that cannot be had, by its place among those asked for.
    pub(in super::super) fn gather(&self, rows: &[u64], out: &mut [f32]) -> Result<(), (u64, DataError)> {
        let failed = std::sync::Mutex::new(None::<(usize, DataError)>);
        // Those who fail are told apart below: `each` stops where one says so, and the first is to be named.
        let done = each(rows.len(), out, self.width(), |at, out| {
            let pixels = self.read(rows[at] as usize);
            match pixels {
                Ok(pixels) => out.iter_mut().zip(pixels).for_each(|(out, pixel)| *out = f32::from(pixel)),
                Err(error) => {
                    let mut failed = failed.lock().expect("nobody panics with it");
                    if failed.as_ref().is_none_or(|(first, _)| at < *first) {
                        *failed = Some((at, error));
                    }
                }
            }
            Ok(())
        });
        debug_assert!(done.is_ok(), "nothing is handed on");
        match failed.into_inner().expect("nobody panics with it") {
            Some((at, error)) => Err((rows[at], error)),
            None => Ok(()),
        }
    }

    /// The same for some of the rows.
    pub(in super::super) fn select(&self, rows: &[usize]) -> Self {
        ImageRows { rows: rows.iter().map(|row| self.rows[*row]).collect(), ..self.clone() }
    }

    /// The rows of both, where they are of the same files.
    pub(in super::super) fn extend(&mut self, other: &ImageRows) {
        if Arc::ptr_eq(&self.files, &other.files) {
            self.rows.extend(&other.rows);
            return;
        }
        let first = self.files.len() as u32;
        self.files = self.files.iter().chain(&*other.files).cloned().collect();
        self.rows.extend(other.rows.iter().map(|row| first + row));
    }

    /// A number that tells the pixels of a row from others.
    pub fn hash(&self, row: usize) -> u64 {
        self.file(row).hash
    }

    /// Of each row a number that tells its pixels from others.
    pub fn hashes(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.rows.len()).map(|row| self.hash(row))
    }

    /// The sum of all values of some rows, and of their squares.
    pub(in super::super) fn sums(&self, rows: &[u64]) -> (u64, u64) {
        let files = rows.iter().map(|row| self.file(*row as usize));
        files.fold((0, 0), |(sum, squares), file| (sum + file.sum, squares + file.squares))
    }
}
