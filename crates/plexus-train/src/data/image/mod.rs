//! Pictures from files: PNG, JPEG, PGM and PPM, BMP, WebP.
//!
//! Start at [`ImageForm`]: what a picture is made into before a network reads it. A [`Picture`] is what a file holds;
//! `decode` reads it and refuses what would fill the memory. `folder`, `masks` and `cifar` are the sources made of files.

mod cifar;
mod decode;
mod files;
mod folder;
mod masks;
mod rows;
#[cfg(test)]
mod tests;

pub use decode::Picture;
pub use rows::ImageRows;

pub(super) use cifar::open as open_cifar;
pub(super) use folder::open as open_folder;
pub(super) use masks::open as open_masks;

use super::{DataOptions, spelled};
use crate::error::DataError;
use image::imageops::{self, FilterType};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a picture is made into: gray or color, and one size. It is saved with a model, so that pictures to be answered are
/// treated as those of the training were.
///
/// ```text
/// gray = (299 · red + 587 · green + 114 · blue + 500) / 1000      rounded down; the luma of ITU-R BT.601
/// ```
///
/// Values stay 0..=255, red before green before blue. A pixel that is not opaque is laid on black; 16 bits become 8, to the
/// nearest. Sizes change by a triangle filter: between pixels where the picture grows, over all of them where it shrinks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageForm {
    /// 1 for gray, 3 for color.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// How a picture of another shape is brought to this one.
    pub fit: ImageFit,
}

/// How a picture of another shape is brought to the size that is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFit {
    /// Height and width each by itself.
    #[default]
    Stretch,
    /// The largest part in the middle that has the wanted shape.
    Crop,
}

impl ImageForm {
    /// The axes of a sample.
    pub fn axes(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// Reads a file as a sample of this form: `[channels, height, width]`.
    ///
    /// # Errors
    /// [`DataError::Io`] where it does not read, [`DataError::Image`] where it is no image, is damaged or too large.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, DataError> {
        Ok(self.apply(&Picture::read(path)?))
    }

    /// Makes a sample of this form: `[channels, height, width]`.
    pub fn apply(&self, picture: &Picture) -> Vec<u8> {
        let picture = picture.with_channels(self.channels);
        let (top, left, tall, wide) = self.part(picture.height, picture.width);
        let part = picture.part((top, left), (tall, wide));
        let (height, width) = (self.height as u32, self.width as u32);
        let (from_height, from_width) = (tall as u32, wide as u32);
        let pixels = if (tall, wide) == (self.height, self.width) {
            part
        } else if self.channels == 1 {
            let from = image::GrayImage::from_raw(from_width, from_height, part).expect("one byte a pixel");
            imageops::resize(&from, width, height, FilterType::Triangle).into_raw()
        } else {
            let from = image::RgbImage::from_raw(from_width, from_height, part).expect("three bytes a pixel");
            imageops::resize(&from, width, height, FilterType::Triangle).into_raw()
        };
        planes(&pixels, self.channels)
    }

    /// Brings the classes of the pixels of a picture to this size: each pixel takes the class of the one nearest to where it
    /// comes from.
    fn apply_to_classes(&self, classes: &[u8], (height, width): (usize, usize)) -> Vec<u8> {
        let (top, left, tall, wide) = self.part(height, width);
        let nearest = |at: usize, from: usize, to: usize| (2 * at + 1) * from / (2 * to);
        let columns: Vec<usize> = (0..self.width).map(|x| left + nearest(x, wide, self.width)).collect();
        let rows = (0..self.height).map(|y| top + nearest(y, tall, self.height));
        rows.flat_map(|y| columns.iter().map(move |x| classes[y * width + x])).collect()
    }

    /// What images are made into where nothing is written: as a model wants them, if there is one.
    fn of_model<'o>(options: &'o DataOptions, written: &Written) -> Option<&'o ImageForm> {
        options.images.as_ref().filter(|_| *written == Written::default())
    }

    /// The part of a picture that is kept: top, left, height, width.
    fn part(&self, height: usize, width: usize) -> (usize, usize, usize, usize) {
        match self.fit {
            ImageFit::Stretch => (0, 0, height, width),
            ImageFit::Crop => {
                // The largest of the shape self.height : self.width.
                let tall = height.min((width * self.height / self.width).max(1));
                let wide = width.min((height * self.width / self.height).max(1));
                ((height - tall) / 2, (width - wide) / 2, tall, wide)
            }
        }
    }
}

/// Pixel by pixel becomes channel by channel.
fn planes(pixels: &[u8], channels: usize) -> Vec<u8> {
    if channels == 1 {
        return pixels.to_vec();
    }
    let each = pixels.chunks_exact(channels);
    (0..channels).flat_map(|channel| each.clone().map(move |pixel| pixel[channel])).collect()
}

/// What a user wrote behind the folder of images: `DIR?size=64x64&channels=1&fit=crop`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Written {
    size: Option<[usize; 2]>,
    channels: Option<usize>,
    fit: ImageFit,
}

impl Written {
    /// The folder, and how its pictures are to be read.
    fn read<'t>(source: &'static str, text: &'t str) -> Result<(&'t Path, Self), DataError> {
        // A question mark in a name is no option, unless what follows reads as one.
        let (folder, options) = match text.rsplit_once('?') {
            Some((folder, options)) if options.contains('=') => (folder, options),
            _ => (text, ""),
        };
        let mut written = Written::default();
        for (name, value) in spelled::options(source, options, &["size", "channels", "fit"])? {
            match name {
                "size" => {
                    let size = spelled::size(source, value)?;
                    if size.iter().any(|side| *side > decode::MOST_SIDE) {
                        let expected = format!("a size of at most {0}x{0}", decode::MOST_SIDE);
                        return Err(DataError::Spelled { what: source, expected, got: value.to_string() });
                    }
                    let needed = size[0].saturating_mul(size[1]).saturating_mul(3);
                    if needed > decode::SMALL as usize {
                        let expected = format!("a size whose sample takes at most {} bytes", decode::SMALL);
                        let got = format!("{value}, which takes {needed}");
                        return Err(DataError::Spelled { what: source, expected, got });
                    }
                    written.size = Some(size);
                }
                "channels" => written.channels = Some([1, 3][spelled::word("channels", value, &["1", "3"])?]),
                _ => {
                    written.fit =
                        [ImageFit::Stretch, ImageFit::Crop][spelled::word("fit", value, &["stretch", "crop"])?]
                }
            }
        }
        Ok((Path::new(folder), written))
    }
}
