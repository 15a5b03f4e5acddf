//! One frame on a page: heading, legend, axes.

use super::axis::{self, Axis, Frame};
use super::drawing::{Anchor, Color, Drawing, INK, Stroke};
use super::{SMALL, SUBTITLE_BASELINE, font, header};

pub(super) const MARGIN: f32 = 24.0;
/// Where the frame begins.
const TOP: f32 = 96.0;
/// The middle of the line of the legend.
const LEGEND: f32 = 76.0;
/// Room below a frame for ticks and the name of the axis.
pub(super) const BELOW: f32 = 62.0;

// The legend stands between the header and the frame.
const _: () = assert!(LEGEND - 0.5 * SMALL > SUBTITLE_BASELINE + 4.0 && LEGEND + 0.5 * SMALL < TOP - 8.0);

/// How one thing in the frame looks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sample {
    Line(Stroke),
    Dot(Color),
}

/// What is written around a frame.
pub(super) struct Plot<'a> {
    pub title: &'a str,
    /// The number that counts, beside the title and never shortened for it.
    pub result: &'a str,
    pub subtitle: &'a str,
    /// Names of what is drawn.
    pub legend: &'a [(&'a str, Sample)],
    pub x: (&'a Axis, &'a str),
    pub y: (&'a Axis, &'a str),
    /// Width and height of the frame.
    pub size: (f32, f32),
    /// More height below the name of the x axis.
    pub more: f32,
}

impl<'a> Plot<'a> {
    /// Draws everything but what is in the frame.
    pub(super) fn begin(&self) -> (Drawing, Frame<'a>) {
        let ((x, x_label), (y, y_label)) = (self.x, self.y);
        let left = MARGIN + axis::left_margin(y);
        // The last label of the x axis may stick out by half its width.
        let out = 0.5 * x.ticks.last().map_or(0.0, |tick| font::width(&tick.1, SMALL));
        let width = left + self.size.0 + MARGIN.max(out + 8.0);
        let mut drawing = Drawing::new(width, TOP + self.size.1 + BELOW + self.more, self.title);
        header(&mut drawing, MARGIN, width - 2.0 * MARGIN, (self.title, self.result), self.subtitle);
        let mut at = left;
        for (name, sample) in self.legend {
            let wide = match sample {
                Sample::Line(stroke) => {
                    drawing.line(vec![(at, LEGEND), (at + 24.0, LEGEND)], *stroke);
                    24.0
                }
                Sample::Dot(color) => {
                    drawing.dot(at + 4.0, LEGEND, 4.0, *color, 1.0);
                    8.0
                }
            };
            let name = font::shorten(name, SMALL, width - MARGIN - at - wide - 7.0);
            drawing.text(at + wide + 7.0, LEGEND + SMALL * font::HALF_DIGIT, SMALL, Anchor::Start, INK, &name);
            at += wide + 7.0 + font::width(&name, SMALL) + 20.0;
        }
        let frame = Frame { left, top: TOP, width: self.size.0, height: self.size.1, x, y };
        frame.draw(&mut drawing, x_label, y_label);
        (drawing, frame)
    }
}

/// A name in quotation marks, shortened so that a sentence around it stays readable.
pub(super) fn quoted(name: &str, room: f32) -> String {
    format!("\"{}\"", font::shorten(name, SMALL, room))
}
