//! One file into pixels, without more memory than the file is worth.

use crate::error::DataError;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use std::path::Path;

/// The most pixels along one side.
pub(super) const MOST_SIDE: usize = 1 << 15;

/// Bytes of pixels that any file may unpack to: 64 MiB, a picture of 22 million pixels in color.
pub(super) const SMALL: u64 = 64 << 20;

/// Above that, the most bytes of pixels for each byte of the file. Photographs unpack to twenty times their size, pictures
/// of one color to a thousand times.
const MOST_GROWTH: u64 = 200;

/// The most bytes of pixels that a byte of a file can stand for, rounded up: in a PNG two bits may be 258 bytes, each of which
/// may be eight pixels of three colors. The other formats pack less, but for WebP, which has no such limit.
const MOST_PACKED: u64 = 25_000;

/// The most bytes of pixels, and the largest file: 1 GiB.
const MOST: u64 = 1 << 30;

/// What an image file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// 1 for gray; 3 for red, green and blue.
    pub channels: usize,
    /// `[height, width, channels]`
    pub pixels: Vec<u8>,
}

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub height: usize,
    pub width: usize,
    pub is_gray: bool,
}

impl Picture {
    /// Reads a file.
    ///
    /// # Errors
    /// [`DataError::Io`] where it does not read, [`DataError::Image`] where it is no image, is damaged or too large.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        Picture::decode(path, &bytes(path)?)
    }

    /// Decodes the bytes of a file; `path` names it in messages.
    ///
    /// # Errors
    /// [`DataError::Image`] where they are no image, are damaged, or would unpack to far more than a file of this size holds.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Self, DataError> {
        let decoder = decoder(path, bytes)?;
        let image = DynamicImage::from_decoder(decoder).map_err(|error| damaged(path, &error))?;
        Ok(Picture::of(image))
    }

    fn of(image: DynamicImage) -> Self {
        let (height, width) = (image.height() as usize, image.width() as usize);
        let (channels, pixels) = match image {
            DynamicImage::ImageLuma8(image) => (1, image.into_raw()),
            DynamicImage::ImageRgb8(image) => (3, image.into_raw()),
            DynamicImage::ImageLumaA8(image) => (1, on_black::<1, 2>(&image)),
            DynamicImage::ImageRgba8(image) => (3, on_black::<3, 4>(&image)),
            DynamicImage::ImageLuma16(image) => (1, image.iter().map(|value| narrow(*value)).collect()),
            DynamicImage::ImageRgb16(image) => (3, image.iter().map(|value| narrow(*value)).collect()),
            DynamicImage::ImageLumaA16(image) => {
                (1, on_black::<1, 2>(&image.iter().map(|value| narrow(*value)).collect::<Vec<u8>>()))
            }
            DynamicImage::ImageRgba16(image) => {
                (3, on_black::<3, 4>(&image.iter().map(|value| narrow(*value)).collect::<Vec<u8>>()))
            }
            // Floats, which none of the formats has today.
            other => (3, other.to_rgb8().into_raw()),
        };
        Picture { height, width, channels, pixels }
    }

    /// The same in gray, or with three channels.
    pub fn with_channels(&self, channels: usize) -> std::borrow::Cow<'_, Picture> {
        let pixels = match (self.channels, channels) {
            (3, 1) => self.pixels.chunks_exact(3).map(|pixel| luma([pixel[0], pixel[1], pixel[2]])).collect(),
            (1, 3) => self.pixels.iter().flat_map(|value| [*value; 3]).collect(),
            _ => return std::borrow::Cow::Borrowed(self),
        };
        std::borrow::Cow::Owned(Picture { channels, pixels, ..*self })
    }

    /// The pixels of a part.
    pub(super) fn part(&self, (top, left): (usize, usize), (height, width): (usize, usize)) -> Vec<u8> {
        if (height, width) == (self.height, self.width) {
            return self.pixels.clone();
        }
        let line = |y: usize| &self.pixels[((top + y) * self.width + left) * self.channels..][..width * self.channels];
        (0..height).flat_map(line).copied().collect()
    }
}

/// The luma of ITU-R BT.601.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue) + 500) / 1000) as u8
}

/// 0..=65535 to 0..=255, to the nearest.
fn narrow(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

/// Pixels whose last value is how opaque they are, on black.
fn on_black<const COLORS: usize, const ALL: usize>(pixels: &[u8]) -> Vec<u8> {
    let laid = |pixel: &[u8]| {
        let opaque = u32::from(pixel[COLORS]);
        let mut colors = [0; COLORS];
        for (color, value) in colors.iter_mut().zip(pixel) {
            *color = ((u32::from(*value) * opaque + 127) / 255) as u8;
        }
        colors
    };
    pixels.chunks_exact(ALL).flat_map(laid).collect()
}

/// What a file says of its size and color, without its pixels.
pub(super) fn header(path: &Path) -> Result<Header, DataError> {
    let bytes = bytes(path)?;
    let decoder = decoder(path, &bytes)?;
    let (width, height) = decoder.dimensions();
    let is_gray = !decoder.color_type().has_color();
    Ok(Header { height: height as usize, width: width as usize, is_gray })
}

fn bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    let failed = |source| DataError::Io { path: path.into(), source };
    let found = std::fs::metadata(path).map_err(failed)?;
    if !found.is_file() {
        return Err(DataError::Image { path: path.into(), what: "is no file".to_string() });
    }
    if found.len() > MOST {
        let what = format!("has {} bytes; an image may have {MOST}", found.len());
        return Err(DataError::Image { path: path.into(), what });
    }
    std::fs::read(path).map_err(failed)
}

/// A decoder whose header was read and found believable.
fn decoder<'b>(path: &Path, bytes: &'b [u8]) -> Result<impl ImageDecoder + 'b, DataError> {
    let refuse = |what: String| Err(DataError::Image { path: path.into(), what });
    if bytes.is_empty() {
        return refuse("is empty; expected an image".to_string());
    }
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MOST_SIDE as u32), Some(MOST_SIDE as u32));
    limits.max_alloc = Some(SMALL.max(MOST.min(bytes.len() as u64 * MOST_GROWTH)));
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().expect("memory reads");
    let format = reader.format();
    if format.is_none() {
        return refuse("is no image of the formats PNG, JPEG, PGM, PPM, BMP and WebP".to_string());
    }
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| damaged(path, &error))?;
    let (width, height) = decoder.dimensions();
    let needed = decoder.total_bytes();
    if width == 0 || height == 0 {
        return refuse(format!("announces {height}x{width} pixels; there is nothing to see"));
    }
    if width.max(height) as usize > MOST_SIDE {
        return refuse(format!(
            "announces {height}x{width} pixels ({needed} bytes); the longest side may have {MOST_SIDE}"
        ));
    }
    let most = SMALL.max(MOST.min(bytes.len() as u64 * MOST_GROWTH));
    if needed > most {
        return refuse(format!(
            "announces {height}x{width} pixels, which take {needed} bytes; a file of {} bytes may unpack to {most}. Make the \
             image smaller",
            bytes.len()
        ));
    }
    if format != Some(ImageFormat::WebP) && needed > bytes.len() as u64 * MOST_PACKED {
        return refuse(format!(
            "announces {height}x{width} pixels, which take {needed} bytes; a file of {} bytes cannot hold them: it is damaged or \
             cut off",
            bytes.len()
        ));
    }
    Ok(decoder)
}

fn damaged(path: &Path, error: &ImageError) -> DataError {
    let what = match error {
        ImageError::Limits(_) => {
            format!("announces more pixels than its size allows, or a side above {MOST_SIDE} pixels ({error})")
        }
        ImageError::Unsupported(_) => {
            format!("is an image of a kind that cannot be read ({error}); expected PNG, JPEG, PGM, PPM, BMP or WebP")
        }
        _ => format!("does not read as an image: it is damaged or cut off ({error})"),
    };
    DataError::Image { path: path.into(), what }
}
