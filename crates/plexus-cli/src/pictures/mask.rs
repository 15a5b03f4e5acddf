//! Classes of pixels as pictures: plain values for programs, colors for people.

use image::{GrayImage, Rgb, RgbImage};

/// Colors of the classes behind the first, which is black where nothing lies below; they differ also for who sees few colors
/// (Okabe and Ito 2008). From the ninth class on they repeat.
const COLORS: [[u8; 3]; 7] =
    [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167]];

/// What a mask file holds: of two classes 0 and 255, of more the number of the class; 255 where it is not known.
pub fn labels(classes: &[u32], [height, width]: [usize; 2], count: usize) -> GrayImage {
    let value = |class: &u32| match (class, count) {
        (1, 2) => u8::MAX,
        (class, _) => u8::try_from(*class).unwrap_or(u8::MAX),
    };
    GrayImage::from_raw(width as u32, height as u32, classes.iter().map(value).collect())
        .expect("one byte for each pixel")
}

/// The classes in color.
pub fn colored(classes: &[u32], [height, width]: [usize; 2]) -> RgbImage {
    let pixels = classes.iter().flat_map(|class| color(*class).unwrap_or([0; 3])).collect();
    RgbImage::from_raw(width as u32, height as u32, pixels).expect("three bytes for each pixel")
}

/// A picture under the colors of its classes; the first class is clear.
pub fn overlay(picture: &RgbImage, classes: &[u32]) -> RgbImage {
    let mut out = picture.clone();
    for (pixel, class) in out.pixels_mut().zip(classes) {
        if let Some(color) = color(*class) {
            for (value, color) in pixel.0.iter_mut().zip(color) {
                *value = ((u16::from(*value) + u16::from(color)) / 2) as u8;
            }
        }
    }
    out
}

/// Numbers `[channels, height, width]` as a picture: the smallest is black, the largest white.
pub fn visible(values: &[f32], [channels, height, width]: [usize; 3]) -> RgbImage {
    let (low, high) =
        values.iter().fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    let scale = if high > low { 255.0 / (high - low) } else { 0.0 };
    let plane = height * width;
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = y as usize * width + x as usize;
        let value = |channel: usize| ((values[channel.min(channels - 1) * plane + at] - low) * scale + 0.5) as u8;
        Rgb([value(0), value(1), value(2)])
    })
}

/// Pictures of one size, so many in a row, with a white line between them.
pub fn beside(pictures: &[RgbImage], columns: usize) -> RgbImage {
    const GAP: u32 = 4;
    let (width, height) = pictures.first().map_or((1, 1), |first| first.dimensions());
    let columns = columns.clamp(1, pictures.len().max(1)) as u32;
    let rows = (pictures.len() as u32).div_ceil(columns);
    let side = |count: u32, size: u32| count * (size + GAP) - GAP.min(count * (size + GAP));
    let mut out = RgbImage::from_pixel(side(columns, width), side(rows.max(1), height), Rgb([255; 3]));
    for (index, picture) in pictures.iter().enumerate() {
        let (column, row) = (index as u32 % columns, index as u32 / columns);
        image::imageops::replace(&mut out, picture, i64::from(column * (width + GAP)), i64::from(row * (height + GAP)));
    }
    out
}

/// The first class, and what is no class, has none.
fn color(class: u32) -> Option<[u8; 3]> {
    match class {
        0 | u32::MAX => None,
        class => Some(COLORS[(class as usize - 1) % COLORS.len()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_of_two_classes_are_black_and_white_and_others_are_numbers() {
        assert_eq!(labels(&[0, 1, 1, u32::MAX], [2, 2], 2).into_raw(), [0, 255, 255, 255]);
        assert_eq!(labels(&[0, 1, 2, u32::MAX], [1, 4], 3).into_raw(), [0, 1, 2, 255]);
    }

    #[test]
    fn an_overlay_leaves_the_first_class_clear() {
        let picture = visible(&[0.0, 1.0, 2.0], [1, 1, 3]);
        assert_eq!(picture.as_raw()[..], [0, 0, 0, 128, 128, 128, 255, 255, 255]);
        let laid = overlay(&picture, &[0, 1, u32::MAX]);
        assert_eq!(laid.as_raw()[..], [0, 0, 0, 179, 143, 64, 255, 255, 255]);
        let both = beside(&[picture, laid], 2);
        assert_eq!(both.dimensions(), (10, 1));
        assert_eq!(both.get_pixel(4, 0).0, [255; 3]);
    }
}
