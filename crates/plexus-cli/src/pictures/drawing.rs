//! The list of marks that a picture is made of, and its form as SVG.
//!
//! Lengths are in points (SVG user units), y grows downwards. Deliberately only what the pictures need:
//! boxes, lines, dots, one line of text.

use super::font;
use std::fmt::Write as _;

/// A colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Color(pub u8, pub u8, pub u8);

pub(super) const WHITE: Color = Color(255, 255, 255);
/// Titles and values.
pub(super) const INK: Color = Color(31, 41, 55);
/// Labels of axes and notes.
pub(super) const MUTED: Color = Color(92, 101, 115);
/// The axis lines.
pub(super) const AXIS: Color = Color(150, 158, 170);
/// Grid lines.
pub(super) const GRID: Color = Color(229, 232, 236);
/// Empty areas.
pub(super) const FAINT: Color = Color(246, 247, 249);
/// Blue of Okabe and Ito's palette, which colour-blind people can tell from the vermilion below.
///
/// # Source
/// M. Okabe, K. Ito, "Color Universal Design", 2008.
pub(super) const BLUE: Color = Color(0, 114, 178);
/// Vermilion of the same palette.
pub(super) const VERMILION: Color = Color(213, 94, 0);

impl Color {
    /// Mixes with another colour: 0 gives this one, 1 the other.
    pub(super) fn mix(self, other: Self, share: f32) -> Self {
        let blend = |from: u8, to: u8| {
            let (from, to) = (f32::from(from), f32::from(to));
            (from + (to - from) * share.clamp(0.0, 1.0)).round() as u8
        };
        Self(blend(self.0, other.0), blend(self.1, other.1), blend(self.2, other.2))
    }

    /// Returns the perceived brightness, 0 for black and 1 for white (ITU-R BT.709 weights on the coded values).
    pub(super) fn brightness(self) -> f32 {
        let [red, green, blue] = [self.0, self.1, self.2].map(|part| f32::from(part) / 255.0);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl std::fmt::Display for Color {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// Which part of a text stands at its x position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A way to draw a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke {
    pub color: Color,
    pub width: f32,
    /// Length of a dash and of the gap after it; none for a solid line.
    pub dash: Option<(f32, f32)>,
}

/// One thing that is drawn.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    Rect {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        fill: Color,
    },
    Line {
        points: Vec<(f32, f32)>,
        stroke: Stroke,
    },
    Dot {
        x: f32,
        y: f32,
        radius: f32,
        fill: Color,
        opacity: f32,
    },
    Text {
        x: f32,
        y: f32,
        size: f32,
        anchor: Anchor,
        /// Degrees, clockwise around `(x, y)`.
        angle: f32,
        fill: Color,
        text: String,
    },
}

/// A white page and the marks on it, in painting order.
#[derive(Clone, Debug)]
pub(super) struct Drawing {
    pub width: f32,
    pub height: f32,
    pub marks: Vec<Mark>,
    title: String,
}

impl Drawing {
    pub(super) fn new(width: f32, height: f32, title: &str) -> Self {
        // Whole numbers, so that the PNG has exactly the shape of the SVG.
        let (width, height) = (width.ceil(), height.ceil());
        let mut drawing = Self { width, height, marks: Vec::new(), title: title.to_owned() };
        drawing.rect(0.0, 0.0, width, height, WHITE);
        drawing
    }

    pub(super) fn rect(&mut self, x: f32, y: f32, width: f32, height: f32, fill: Color) {
        self.marks.push(Mark::Rect { x, y, width, height, fill });
    }

    pub(super) fn line(&mut self, points: Vec<(f32, f32)>, stroke: Stroke) {
        self.marks.push(Mark::Line { points, stroke });
    }

    /// Draws a straight, solid line of one point, or less: axes and grids.
    pub(super) fn rule(&mut self, from: (f32, f32), to: (f32, f32), color: Color) {
        let stroke = Stroke { color, width: 1.0, dash: None };
        self.line(vec![from, to], stroke);
    }

    pub(super) fn dot(&mut self, x: f32, y: f32, radius: f32, fill: Color, opacity: f32) {
        self.marks.push(Mark::Dot { x, y, radius, fill, opacity });
    }

    pub(super) fn text(&mut self, x: f32, y: f32, size: f32, anchor: Anchor, fill: Color, text: &str) {
        self.turned(x, y, size, anchor, fill, text, 0.0);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one mark, in their order")]
    pub(super) fn turned(&mut self, x: f32, y: f32, size: f32, anchor: Anchor, fill: Color, text: &str, angle: f32) {
        if !text.is_empty() {
            self.marks.push(Mark::Text { x, y, size, anchor, angle, fill, text: text.to_owned() });
        }
    }

    /// Writes the page as an SVG document.
    pub(super) fn to_svg(&self) -> String {
        let (width, height) = (number(self.width), number(self.height));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"{}\" role=\"img\">\n<title>{}</title>\n",
            font::FAMILY,
            escape(&self.title),
        );
        for mark in &self.marks {
            mark.write(&mut svg);
            svg.push('\n');
        }
        svg.push_str("</svg>\n");
        svg
    }
}

impl Mark {
    fn write(&self, svg: &mut String) {
        let written = match self {
            Self::Rect { x, y, width, height, fill } => write!(
                svg,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{fill}\"/>",
                number(*x),
                number(*y),
                number(*width),
                number(*height),
            ),
            Self::Line { points, stroke } => {
                svg.push_str("<polyline points=\"");
                for (index, (x, y)) in points.iter().enumerate() {
                    let space = if index == 0 { "" } else { " " };
                    let _ = write!(svg, "{space}{},{}", number(*x), number(*y));
                }
                let _ = write!(
                    svg,
                    "\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"",
                    stroke.color,
                    number(stroke.width),
                );
                if let Some((dash, gap)) = stroke.dash {
                    let _ = write!(svg, " stroke-dasharray=\"{} {}\"", number(dash), number(gap));
                }
                svg.write_str("/>")
            }
            Self::Dot { x, y, radius, fill, opacity } => {
                let _ = write!(
                    svg,
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{fill}\"",
                    number(*x),
                    number(*y),
                    number(*radius),
                );
                if *opacity < 1.0 {
                    let _ = write!(svg, " fill-opacity=\"{}\"", number(*opacity));
                }
                svg.write_str("/>")
            }
            Self::Text { x, y, size, anchor, angle, fill, text } => {
                let anchor = match anchor {
                    Anchor::Start => "start",
                    Anchor::Middle => "middle",
                    Anchor::End => "end",
                };
                let (x, y) = (number(*x), number(*y));
                let _ = write!(
                    svg,
                    "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" text-anchor=\"{anchor}\" fill=\"{fill}\"",
                    number(*size),
                );
                if *angle != 0.0 {
                    let _ = write!(svg, " transform=\"rotate({} {x} {y})\"", number(*angle));
                }
                write!(svg, ">{}</text>", escape(text))
            }
        };
        written.expect("writing to a string cannot fail");
    }
}

/// Formats a length with at most two decimals, which is finer than any screen.
fn number(value: f32) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Replaces what XML does not allow in a text.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Control characters and the two non-characters are illegal in XML 1.0, even escaped.
            _ if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            _ => escaped.push(letter),
        }
    }
    escaped
}
