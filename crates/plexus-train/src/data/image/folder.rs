//! A folder of images: one folder a class.

use super::files::{self, bad, list, name};
use super::{ImageForm, Written};
use crate::data::{DataOptions, DataSource, Dataset, Targets, split_rows};
use crate::error::DataError;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Opens a folder with one folder a class, or with folders `train` and `test` that have one folder a class each.
///
/// Classes are the names of their folders, sorted; images are in the order of their names. Without parts a share of the
/// images is for the test, chosen by a seed.
pub(in super::super) fn open(text: &Path, options: &DataOptions) -> Result<DataSource, DataError> {
    let text = text.to_string_lossy();
    let (folder, written) = Written::read("images", &text)?;
    let found = list(folder)?;
    let part = |wanted: &str| found.folders.iter().find(|path| name(path) == wanted);
    let (classes, train, test) = match (part("train"), part("test")) {
        (Some(train), Some(test)) if found.folders.len() == 2 => {
            let (train, test) = (images(train)?, images(test)?);
            let classes: Vec<String> = train.iter().map(|class| class.0.clone()).collect();
            if let Some((unknown, _)) = test.iter().find(|class| !classes.contains(&class.0)) {
                let what = format!("has the class \"{unknown}\" in test, but not in train: {}", classes.join(", "));
                return Err(bad(folder, what));
            }
            let rows = |part: Vec<(String, Vec<PathBuf>)>| numbered(part, &classes);
            (classes.clone(), rows(train), Some(rows(test)))
        }
        _ => {
            let all = images(folder)?;
            let classes: Vec<String> = all.iter().map(|class| class.0.clone()).collect();
            (classes.clone(), numbered(all, &classes), None)
        }
    };
    let everything: Vec<&Path> = train.iter().chain(test.iter().flatten()).map(|(path, _)| &**path).collect();
    let form = match ImageForm::of_model(options, &written) {
        Some(form) => form.clone(),
        None => files::form("images", &written, &everything)?,
    };
    // Both parts alike: they may be put together again.
    let bytes = everything.len().saturating_mul(form.axes().iter().product());
    let stay_in_files = bytes > options.image_bytes;
    let (train, test) = match test {
        Some(test) => (train, test),
        None => {
            let parts = split_rows(train.len(), options.test_fraction, options.split_seed, options.fold);
            let take = |rows: &[usize]| rows.iter().map(|row| train[*row].clone()).collect::<Vec<_>>();
            (take(&parts.train), take(&parts.test))
        }
    };
    let part = |rows: Vec<(PathBuf, u32)>| -> Result<Dataset, DataError> {
        let paths: Vec<&Path> = rows.iter().map(|(path, _)| &**path).collect();
        let samples = files::samples(folder, &form, &paths, stay_in_files)?;
        let targets = Targets::classes(classes.clone(), rows.iter().map(|row| row.1).collect());
        let title = format!("images {}", name(folder));
        Ok(Dataset::single(title, form.axes(), samples, targets).expect("each image has a class"))
    };
    Ok(DataSource { images: Some(form.clone()), ..DataSource::fixed(part(train)?, part(test)?) })
}

/// The classes of a folder with their images.
fn images(folder: &Path) -> Result<Vec<(String, Vec<PathBuf>)>, DataError> {
    let found = list(folder)?;
    if let Some(stray) = found.files.first() {
        let what = "lies beside the folders of the classes; expected one folder a class, with its images in it";
        return Err(bad(stray, what));
    }
    if found.folders.len() < 2 {
        let what = match &found.folders[..] {
            [] => "is empty; expected one folder a class, with its images in it".to_string(),
            [only] => format!("has one class only (\"{}\"); at least two are needed to tell apart", name(only)),
            _ => unreachable!("fewer than two"),
        };
        return Err(bad(folder, what));
    }
    let mut seen = BTreeSet::new();
    let mut classes = Vec::new();
    for path in found.folders {
        let inside = list(&path)?;
        if let Some(deeper) = inside.folders.first() {
            let what = format!(
                "is a folder in the folder of a class; expected images in \"{}\" and nothing else",
                name(&path)
            );
            return Err(bad(deeper, what));
        }
        if inside.files.is_empty() {
            return Err(bad(&path, "holds no image; remove the folder, or put the images of the class in it"));
        }
        // Two names that are no text may look alike.
        if !seen.insert(name(&path)) {
            return Err(bad(folder, format!("has two classes that read \"{}\"; rename one", name(&path))));
        }
        classes.push((name(&path), inside.files));
    }
    Ok(classes)
}

fn numbered(part: Vec<(String, Vec<PathBuf>)>, classes: &[String]) -> Vec<(PathBuf, u32)> {
    let number = |class: &str| classes.iter().position(|known| known == class).expect("it was compared") as u32;
    part.into_iter()
        .flat_map(|(class, files)| {
            let number = number(&class);
            files.into_iter().map(move |path| (path, number))
        })
        .collect()
}
