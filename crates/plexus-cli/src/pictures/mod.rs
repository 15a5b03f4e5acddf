//! Pictures for reports: learning curves, confusion matrices, ROC, calibration, predictions, importance of
//! columns, filters and maps, histograms of weights, classes of pixels.
//!
//! Start with [`Picture`]: one drawing, as SVG text and as PNG bytes. Each kind of picture is one file
//! ([`curves`], [`confusion`], [`ranking`], [`calibration`], [`regression`], [`importance`], [`sheet`]) that fills a list of marks
//! (`drawing`); the list is written as SVG there and painted in `paint`. Text is measured with the embedded font
//! (`font`), so margins fit their labels and no font needs to be installed. The same input gives the same bytes.
//! An SVG is light or dark as its reader prefers; a PNG is painted in the [`Theme`] asked for.
//!
//! Not here: reading runs, choosing file names, anything interactive.

mod axis;
pub mod calibration;
pub mod confusion;
pub mod connectivity;
pub mod curves;
pub mod depth;
mod drawing;
mod font;
pub mod histograms;
pub mod importance;
pub mod mask;
pub mod network;
pub mod neuron;
mod paint;
mod plot;
pub mod profile;
pub mod quantization;
pub mod ranking;
pub mod regression;
pub mod sheet;
mod truetype;

#[cfg(test)]
mod gallery;
#[cfg(test)]
mod tests;

pub use drawing::Theme;

use drawing::{Anchor, Drawing, FAINT, INK, MUTED};

/// Largest side of a PNG, in pixels: more is a typing error, and would take gigabytes.
const LARGEST_SIDE: f32 = 16_384.0;

/// Says why a picture could not be made.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum PictureError {
    /// The scale is not a positive number, or the image would be too large.
    #[error(
        "cannot draw a picture of {width} x {height} points at scale {scale}: expected a scale above 0 \
         with at most {LARGEST_SIDE} pixels a side; choose one between 1 and 4"
    )]
    ScaleOutOfRange {
        /// The scale asked for, in pixels a point.
        scale: f32,
        /// Width of the picture in points.
        width: f32,
        /// Height of the picture in points.
        height: f32,
    },
    /// The painted picture could not be encoded.
    #[error("cannot encode the picture as PNG: {reason}")]
    Encode {
        /// What the encoder said.
        reason: String,
    },
}

/// A finished picture: one drawing, available as SVG and as PNG.
#[derive(Clone, Debug)]
pub struct Picture {
    drawing: Drawing,
    svg: String,
}

impl Picture {
    /// Returns the picture as a complete SVG document.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// Paints the picture and returns the bytes of a PNG file.
    ///
    /// `scale` is in pixels a point: 1 for a screen, 2 for a sharp screen or print.
    ///
    /// # Errors
    /// - [`PictureError::ScaleOutOfRange`]: the scale is not positive and finite, or the image would be too large.
    /// - [`PictureError::Encode`]: the encoder refused the image.
    pub fn png(&self, scale: f32, theme: Theme) -> Result<Vec<u8>, PictureError> {
        let (width, height) = (self.drawing.width, self.drawing.height);
        let largest = width.max(height) * scale;
        let smallest = width.min(height) * scale;
        if !(smallest >= 1.0 && largest <= LARGEST_SIDE) {
            return Err(PictureError::ScaleOutOfRange { scale, width, height });
        }
        paint::png(&self.drawing, scale, theme)
    }

    fn new(drawing: Drawing) -> Self {
        let svg = drawing.to_svg();
        Self { drawing, svg }
    }

    /// Makes a picture that only says why there is nothing to see.
    fn note(title: &str, note: &str) -> Self {
        let (width, height) = (COLUMN, 160.0);
        let mut drawing = Drawing::new(width, height, title);
        header(&mut drawing, 24.0, width - 48.0, (title, ""), "");
        drawing.rect(24.0, 64.0, width - 48.0, height - 88.0, FAINT);
        let note = font::shorten(note, SMALL, width - 64.0);
        drawing.text(width / 2.0, 105.0, SMALL, Anchor::Middle, MUTED, &note);
        Self::new(drawing)
    }
}

/// Baseline of the title, in points from the top.
const TITLE_BASELINE: f32 = 32.0;
/// Baseline of the line below the title.
const SUBTITLE_BASELINE: f32 = 53.0;
/// Text size of ticks, legends and notes.
const SMALL: f32 = 12.0;
/// The width of a picture for a column of a paper: made 240 points wide there, its letters of 12 points are six.
const COLUMN: f32 = 480.0;

/// Draws the title and the line below it, shortened to `room` points.
///
/// The heading is a title and a result, as `Pets: accuracy 91.50 %`; where both are too long, the title gives way.
fn header(drawing: &mut Drawing, left: f32, room: f32, (title, result): (&str, &str), subtitle: &str) {
    let heading = match (title, result) {
        ("", result) => result.to_owned(),
        (title, "") => title.to_owned(),
        (title, result) => {
            let result = format!(": {result}");
            font::shorten(title, 18.0, room - font::width(&result, 18.0)) + &result
        }
    };
    let heading = font::shorten(&heading, 18.0, room);
    drawing.text(left, TITLE_BASELINE, 18.0, Anchor::Start, INK, &heading);
    let subtitle = font::shorten(subtitle, SMALL, room);
    drawing.text(left, SUBTITLE_BASELINE, SMALL, Anchor::Start, MUTED, &subtitle);
}
