//! The embedded font: widths of texts, outlines of texts, shortening.
//!
//! Noto Sans Regular (licence: THIRD-PARTY.md) covers Latin, Greek and Cyrillic. Other scripts come out as
//! boxes in the PNG; an SVG is drawn with the fonts of whoever looks at it.

use super::truetype::{Segment, TrueType};
use std::sync::LazyLock;

/// The font stack that an SVG names: ours first, then what reads alike.
pub(super) const FAMILY: &str = "Noto Sans, Helvetica Neue, Arial, sans-serif";
/// Half the height of a digit, as a share of the text size: puts text on a center line.
pub(super) const HALF_DIGIT: f32 = 0.357;

static FACE: LazyLock<TrueType> =
    LazyLock::new(|| TrueType::new(notosans::REGULAR_TTF).expect("the embedded font is a valid font file"));

fn glyph(letter: char) -> usize {
    // Glyph 0 is the box that every font has for letters it lacks.
    FACE.glyph(letter).unwrap_or(0)
}

fn advance(letter: char) -> f32 {
    // Letters of other scripts are boxes here, but letters in an SVG: those from Chinese characters on are a square wide.
    if letter >= '\u{2e80}' && FACE.glyph(letter).is_none() {
        return 1.0;
    }
    FACE.advance(glyph(letter)).unwrap_or(0.0) / FACE.units_per_em
}

/// Returns the width of a text in points.
pub(super) fn width(text: &str, size: f32) -> f32 {
    text.chars().map(advance).sum::<f32>() * size
}

/// Returns the width of the widest text in points.
pub(super) fn widest<'a>(texts: impl IntoIterator<Item = &'a str>, size: f32) -> f32 {
    (texts.into_iter()).map(|text| width(text, size)).fold(0.0, f32::max)
}

/// Hands out the outline of each letter with its pen position in points.
pub(super) fn outlines(text: &str, size: f32, mut draw: impl FnMut(f32, &[Segment])) {
    let mut pen = 0.0;
    for letter in text.chars() {
        if let Some(segments) = FACE.outline(glyph(letter)) {
            draw(pen, &segments);
        }
        pen += advance(letter) * size;
    }
}

/// Returns the factor from units of the font to points at a text size.
pub(super) fn points_per_unit(size: f32) -> f32 {
    size / FACE.units_per_em
}

/// Shortens a text to `room` points: the middle goes, since names often differ at either end.
pub(super) fn shorten(text: &str, size: f32, room: f32) -> String {
    // One line without control characters. A text of kilobytes is cut first, as it does not fit anyway.
    let letters: Vec<char> =
        (text.chars().take(300)).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let whole: String = letters.iter().collect();
    if whole.is_empty() || width(&whole, size) <= room {
        return whole;
    }
    for kept in (1..letters.len()).rev() {
        let front = kept.div_ceil(2);
        let head: String = letters[..front].iter().collect();
        let tail: String = letters[letters.len() - (kept - front)..].iter().collect();
        let short = format!("{}…{}", head.trim_end(), tail.trim_start());
        if width(&short, size) <= room {
            return short;
        }
    }
    "…".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_glyph_of_the_embedded_font_can_be_read() {
        // The number of glyphs in the table `maxp` of this file.
        for glyph in 0..2410 {
            let outline = FACE.outline(glyph).expect("readable outline");
            assert!(FACE.advance(glyph).is_some(), "glyph {glyph}");
            // Nothing lies further than three ems from the origin, as a misread number would.
            for segment in outline {
                if let Segment::Move(x, y) | Segment::Line(x, y) | Segment::Quad(_, _, x, y) = segment {
                    let far = 3.0 * FACE.units_per_em;
                    assert!(x.abs() < far && y.abs() < far, "glyph {glyph} at {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn the_letters_that_the_pictures_use_exist() {
        for letter in ('!'..='~').chain("−–…·×²⁰¹³⁴⁵⁶⁷⁸⁹éßñΩжłž\u{00a0}\u{2009}".chars())
        {
            assert!(FACE.glyph(letter).is_some(), "{letter:?}");
        }
        assert!(FACE.glyph('漢').is_none());
        assert!(FACE.glyph('🙂').is_none());
    }

    #[test]
    fn a_short_text_keeps_both_ends() {
        assert_eq!(shorten("terrier", 12.0, 100.0), "terrier");
        let short = shorten("American Staffordshire terrier", 12.0, 100.0);
        assert!(short.starts_with("Amer") && short.ends_with("rier"), "{short}");
        assert!(width(&short, 12.0) <= 100.0);
        assert_eq!(shorten("terrier", 12.0, 1.0), "…");
        assert_eq!(shorten("", 12.0, -5.0), "");
    }
}
