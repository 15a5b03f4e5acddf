//! The list of marks that a picture is made of, and its form as SVG.
//!
//! Lengths are in points (SVG user units), y grows downwards. Deliberately only what the pictures need:
//! boxes, lines, dots, one line of text. Every color has a light and a dark form; one SVG serves both.

use super::font;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Which of its two forms a picture is painted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark marks on white.
    Light,
    /// Light marks on a dark page.
    Dark,
}

/// Red, green and blue.
type Rgb = [u8; 3];

/// A color in both themes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Color {
    light: Rgb,
    dark: Rgb,
}

const fn color(light: Rgb, dark: Rgb) -> Color {
    Color { light, dark }
}

pub(super) const PAGE: Color = color([255, 255, 255], [17, 21, 28]);
/// Titles and values.
pub(super) const INK: Color = color([31, 41, 55], [230, 234, 240]);
/// Labels of axes and notes.
pub(super) const MUTED: Color = color([92, 101, 115], [160, 170, 184]);
/// The axis lines.
pub(super) const AXIS: Color = color([150, 158, 170], [104, 114, 129]);
/// Grid lines.
pub(super) const GRID: Color = color([229, 232, 236], [43, 50, 61]);
/// Empty areas.
pub(super) const FAINT: Color = color([246, 247, 249], [24, 29, 38]);
/// Blue of Okabe and Ito's palette, which color-blind people can tell from the vermilion below; on a dark page their
/// sky blue.
///
/// # Source
/// M. Okabe, K. Ito, "Color Universal Design", 2008.
pub(super) const BLUE: Color = color([0, 114, 178], [86, 180, 233]);
/// Vermilion of the same palette; on a dark page lighter.
pub(super) const VERMILION: Color = color([213, 94, 0], [245, 134, 60]);
/// Vermilion for letters: thin strokes need more contrast.
pub(super) const VERMILION_INK: Color = color([176, 74, 0], [247, 152, 88]);

impl Color {
    /// Mixes with another color: 0 gives this one, 1 the other.
    pub(super) fn mix(self, other: Self, share: f32) -> Self {
        let share = share.clamp(0.0, 1.0);
        let blend = |from: Rgb, to: Rgb| {
            let part = |index: usize| {
                let (from, to) = (f32::from(from[index]), f32::from(to[index]));
                (from + (to - from) * share).round() as u8
            };
            [part(0), part(1), part(2)]
        };
        color(blend(self.light, other.light), blend(self.dark, other.dark))
    }

    /// The color of letters that can be read on this one, in either theme.
    pub(super) fn letters(self) -> Self {
        let on = |fill: Rgb| if brightness(fill) < 0.5 { PAGE.light } else { INK.light };
        color(on(self.light), on(self.dark))
    }

    /// Red, green and blue in a theme.
    pub(super) fn in_theme(self, theme: Theme) -> Rgb {
        match theme {
            Theme::Light => self.light,
            Theme::Dark => self.dark,
        }
    }
}

/// A color that is the same in both themes: of an image.
pub(super) const fn fixed(rgb: Rgb) -> Color {
    color(rgb, rgb)
}

/// Perceived brightness, 0 for black and 1 for white (ITU-R BT.709 weights on the coded values).
fn brightness(rgb: Rgb) -> f32 {
    let [red, green, blue] = rgb.map(|part| f32::from(part) / 255.0);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn hex([red, green, blue]: Rgb) -> String {
    format!("{red:02x}{green:02x}{blue:02x}")
}

/// Writes colors: the light one where it is used, the dark ones in a rule for readers who prefer it dark.
///
/// Viewers that know no style sheets show the light form. The name of a class says both colors, so that pictures which
/// are put into the same page leave each other alone.
#[derive(Debug, Default)]
struct Palette(BTreeSet<(&'static str, Rgb, Rgb)>);

impl Palette {
    /// The attributes of a `fill` or `stroke` in a color.
    fn attributes(&mut self, property: &'static str, color: Color) -> String {
        let Color { light, dark } = color;
        self.0.insert((property, light, dark));
        format!("{property}=\"#{}\" class=\"{}\"", hex(light), class(property, light, dark))
    }

    fn style(&self) -> String {
        let rule = |(property, light, dark): &(&'static str, Rgb, Rgb)| {
            format!(".{}{{{property}:#{}}}", class(property, *light, *dark), hex(*dark))
        };
        let rules: String = self.0.iter().map(rule).collect();
        format!("<style>@media (prefers-color-scheme: dark) {{{rules}}}</style>\n")
    }
}

fn class(property: &str, light: Rgb, dark: Rgb) -> String {
    format!("{}{}{}", &property[..1], hex(light), hex(dark))
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

/// A page and the marks on it, in painting order.
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
        drawing.rect(0.0, 0.0, width, height, PAGE);
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
        let (mut palette, mut marks) = (Palette::default(), String::new());
        for mark in &self.marks {
            mark.write(&mut marks, &mut palette);
            marks.push('\n');
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"{}\" role=\"img\">\n<title>{}</title>\n{}{marks}</svg>\n",
            font::FAMILY,
            escape(&self.title),
            palette.style(),
        )
    }
}

impl Mark {
    fn write(&self, svg: &mut String, palette: &mut Palette) {
        let written = match self {
            Self::Rect { x, y, width, height, fill } => write!(
                svg,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {}/>",
                number(*x),
                number(*y),
                number(*width),
                number(*height),
                palette.attributes("fill", *fill),
            ),
            Self::Line { points, stroke } => {
                svg.push_str("<polyline points=\"");
                for (index, (x, y)) in points.iter().enumerate() {
                    let space = if index == 0 { "" } else { " " };
                    let _ = write!(svg, "{space}{},{}", number(*x), number(*y));
                }
                let _ = write!(
                    svg,
                    "\" fill=\"none\" {} stroke-width=\"{}\" stroke-linejoin=\"round\"",
                    palette.attributes("stroke", stroke.color),
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
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {}",
                    number(*x),
                    number(*y),
                    number(*radius),
                    palette.attributes("fill", *fill),
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
                    "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" text-anchor=\"{anchor}\" {}",
                    number(*size),
                    palette.attributes("fill", *fill),
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
