//! Pairs of images and masks: a class for each pixel.

use super::decode::Picture;
use super::files::{self, bad, list, name};
use super::{ImageForm, Written};
use crate::data::{DataOptions, DataSource, Dataset, Samples, Targets, split_rows};
use crate::error::{DataError, shown};
use plexus_kernels::softmax::IGNORED;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The value of a pixel of which nobody knows the class, where values are class numbers.
const UNKNOWN: u8 = 255;

/// An image and its mask.
type Pair = (PathBuf, PathBuf);

/// Opens a folder with the folders `images` and `masks`, or with folders `train` and `test` that have both.
///
/// A mask belongs to the image of its name, whatever the endings. Its values are class numbers, 255 for unknown; or 0 and 255
/// alone, which are two classes. A file `classes.txt` names the classes, a line each. Without it there are as many as the
/// values say, each of which must occur.
pub(in super::super) fn open(text: &Path, options: &DataOptions) -> Result<DataSource, DataError> {
    let text = text.to_string_lossy();
    let (folder, written) = Written::read("masks", &text)?;
    let found = list(folder)?;
    let part = |wanted: &str| found.folders.iter().find(|path| name(path) == wanted);
    let (train, test) = match (part("train"), part("test")) {
        (Some(train), Some(test)) => (pairs(train)?, Some(pairs(test)?)),
        _ => (pairs(folder)?, None),
    };
    let named = names(&folder.join("classes.txt"))?;
    let all: Vec<&Pair> = train.iter().chain(test.iter().flatten()).collect();
    let images: Vec<&Path> = all.iter().map(|pair| &*pair.0).collect();
    let form = match ImageForm::of_model(options, &written) {
        Some(form) => form.clone(),
        None => files::form("masks", &written, &images)?,
    };
    let (samples, masks) = read(folder, &form, &all)?;
    let classes = Classes::of(named, &masks, form.height * form.width, |row| &all[row].1)?;
    let rows: (Vec<usize>, Vec<usize>) = match test {
        Some(_) => ((0..train.len()).collect(), (train.len()..all.len()).collect()),
        None => {
            let parts = split_rows(train.len(), options.test_fraction, options.split_seed, options.fold);
            (parts.train, parts.test)
        }
    };
    let part = |rows: &[usize]| {
        let of = |values: &[u8], width: usize| -> Vec<u8> {
            rows.iter().flat_map(|row| &values[row * width..(row + 1) * width]).copied().collect()
        };
        let pixels = of(&samples, form.axes().iter().product());
        let indices = of(&masks, form.height * form.width).into_iter().map(|value| classes.of_value(value)).collect();
        let positions = [form.height, form.width].into();
        let targets = Targets::Classes { names: classes.names.clone(), axis: 0, positions, indices };
        let title = format!("masks {}", name(folder));
        Dataset::single(title, form.axes(), Samples::U8(pixels), targets).expect("each pixel has a class")
    };
    Ok(DataSource { images: Some(form.clone()), ..DataSource::fixed(part(&rows.0), part(&rows.1)) })
}

/// Images with their masks, in the order of the names.
fn pairs(folder: &Path) -> Result<Vec<Pair>, DataError> {
    let both = ["images", "masks"].map(|part| folder.join(part));
    if let Some(missing) = both.iter().find(|part| !part.is_dir()) {
        let what = format!("is not there; expected the folders images and masks in {}", folder.display());
        return Err(bad(missing, what));
    }
    let [images, masks] = [list(&both[0])?, list(&both[1])?];
    if let Some(deeper) = images.folders.iter().chain(&masks.folders).next() {
        return Err(bad(deeper, "is a folder; expected files of images and nothing else"));
    }
    if images.files.is_empty() {
        return Err(bad(&both[0], "holds no image"));
    }
    let by_stem = |files: Vec<PathBuf>| -> Result<BTreeMap<String, PathBuf>, DataError> {
        let mut found = BTreeMap::new();
        for path in files {
            let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            if let Some(other) = found.insert(stem, path.clone()) {
                let what =
                    format!("has the name of {}, so it is not plain which one is meant; remove one", other.display());
                return Err(bad(&path, what));
            }
        }
        Ok(found)
    };
    let (images, mut masks) = (by_stem(images.files)?, by_stem(masks.files)?);
    let mut pairs = Vec::new();
    for (stem, image) in images {
        match masks.remove(&stem) {
            Some(mask) => pairs.push((image, mask)),
            None => {
                let what = format!(
                    "has no mask: there is no file \"{}\" of any ending in {}",
                    shown(&stem),
                    both[1].display()
                );
                return Err(bad(&image, what));
            }
        }
    }
    match masks.into_iter().next() {
        None => Ok(pairs),
        Some((stem, mask)) => {
            let what =
                format!("has no image: there is no file \"{}\" of any ending in {}", shown(&stem), both[0].display());
            Err(bad(&mask, what))
        }
    }
}

/// The samples of all images, and the values of all masks at the same size.
fn read(folder: &Path, form: &ImageForm, pairs: &[&Pair]) -> Result<(Vec<u8>, Vec<u8>), DataError> {
    let (width, area) = (form.axes().iter().product::<usize>(), form.height * form.width);
    // In the end each pixel has its channels and a class of four bytes; both are copied once more into their parts.
    let mut both = files::room(folder, pairs.len(), width + area, 5)?;
    files::each(pairs.len(), &mut both, width + area, |row, out| {
        let (image, mask) = (Picture::read(&pairs[row].0)?, Picture::read(&pairs[row].1)?);
        if (image.height, image.width) != (mask.height, mask.width) {
            return Err(bad(
                &pairs[row].1,
                format!(
                    "has {}x{} pixels, but its image {} has {}x{}; a mask has a class for each pixel of its image",
                    mask.height,
                    mask.width,
                    pairs[row].0.display(),
                    image.height,
                    image.width
                ),
            ));
        }
        let is_gray =
            mask.channels == 1 || mask.pixels.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
        if !is_gray {
            return Err(bad(
                &pairs[row].1,
                "is in color; a mask is gray, and its values are class numbers, or 0 and 255",
            ));
        }
        let values: Vec<u8> = mask.pixels.iter().step_by(mask.channels).copied().collect();
        out[..width].copy_from_slice(&form.apply(&image));
        out[width..].copy_from_slice(&form.apply_to_classes(&values, (mask.height, mask.width)));
        Ok(())
    })?;
    let rows = || both.chunks_exact(width + area);
    Ok((
        rows().flat_map(|row| &row[..width]).copied().collect(),
        rows().flat_map(|row| &row[width..]).copied().collect(),
    ))
}

/// What the values of masks mean.
struct Classes {
    names: Vec<String>,
    /// Whether 0 and 255 are the two classes.
    is_black_and_white: bool,
}

impl Classes {
    fn of<'p>(
        named: Option<Vec<String>>,
        masks: &[u8],
        area: usize,
        path: impl Fn(usize) -> &'p PathBuf,
    ) -> Result<Self, DataError> {
        let mut first = [None; 256];
        for (at, value) in masks.iter().enumerate() {
            let first: &mut Option<usize> = &mut first[usize::from(*value)];
            *first = first.or(Some(at / area.max(1)));
        }
        let occurs = |value: usize| first[value].is_some();
        let is_black_and_white =
            occurs(255) && !(1..255).any(occurs) && named.as_ref().is_none_or(|names| names.len() == 2);
        let most = (0..255).rev().find(|value| occurs(*value)).unwrap_or(0);
        let at = |value: usize| path(first[value].expect("it occurs"));
        if let Some(names) = named {
            if let (false, true) = (is_black_and_white, most >= names.len()) {
                let (last, count) = (names.len() - 1, names.len());
                let what = format!(
                    "has the value {most}; classes.txt names {count} classes, so values are 0 to {last}, or 255 for unknown"
                );
                return Err(bad(at(most), what));
            }
            return Ok(Classes { names, is_black_and_white });
        }
        if is_black_and_white {
            return Ok(Classes { names: ["background", "object"].map(str::to_string).to_vec(), is_black_and_white });
        }
        if let Some(gap) = (0..most).find(|value| !occurs(*value)) {
            let what = format!(
                "has the value {most}, but no mask has the value {gap}; values are class numbers from 0 on, or 0 and 255. Where a \
                 class does not occur, name all of them in classes.txt"
            );
            return Err(bad(at(most), what));
        }
        if most == 0 {
            let value = if occurs(0) { 0 } else { 255 };
            let what = format!(
                "and all other masks have the value {value} alone; at least two classes are needed to tell apart"
            );
            return Err(bad(at(value), what));
        }
        Ok(Classes { names: (0..=most).map(|class| class.to_string()).collect(), is_black_and_white })
    }

    fn of_value(&self, value: u8) -> u32 {
        match value {
            UNKNOWN if self.is_black_and_white => 1,
            UNKNOWN => IGNORED,
            class => u32::from(class),
        }
    }
}

/// The names of the classes, where there is such a file.
fn names(path: &Path) -> Result<Option<Vec<String>>, DataError> {
    let Some(names) = files::class_names(path)? else { return Ok(None) };
    if !(2..=255).contains(&names.len()) {
        return Err(bad(path, format!("names {} classes; expected 2 to 255, a line each", names.len())));
    }
    Ok(Some(names))
}
