//! What depth costs: small plots over the number of layers, a line for each kind of layer.

use super::axis::{self, Axis, Frame, Kind};
use super::drawing::{Anchor, BLUE, Color, Drawing, INK, MUTED, Stroke, VERMILION};
use super::{COLUMN, Picture, SMALL, font, header};

/// One plot.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it shows.
    pub name: &'static str,
    /// Three lines, in the same order in each plot.
    pub lines: [Line; 3],
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it belongs to.
    pub name: &'static str,
    /// Depth and value; what was not measured is left out.
    pub points: Vec<(f64, f64)>,
}

const MARGIN: f32 = 24.0;
const LEGEND: f32 = 76.0;
const TOP: f32 = 96.0;
const NAME: f32 = 22.0;
const HIGH: f32 = 120.0;
const BELOW: f32 = 46.0;

fn stroke(line: usize) -> Stroke {
    const COLORS: [Color; 3] = [VERMILION, INK, BLUE];
    Stroke { color: COLORS[line], width: 2.0, dash: (line == 1).then_some((5.0, 3.0)) }
}

/// Draws the plots, two in a row.
pub fn depth(title: &str, subtitle: &str, panels: &[Panel]) -> Picture {
    let rows = panels.len().div_ceil(2) as f32;
    let mut drawing = Drawing::new(COLUMN, TOP + rows * (NAME + HIGH + BELOW), title);
    header(&mut drawing, MARGIN, COLUMN - 2.0 * MARGIN, (title, ""), subtitle);
    let mut at = MARGIN;
    for (index, line) in panels.first().iter().flat_map(|panel| &panel.lines).enumerate() {
        drawing.line(vec![(at, LEGEND), (at + 24.0, LEGEND)], stroke(index));
        drawing.text(at + 30.0, LEGEND + SMALL * font::HALF_DIGIT, SMALL, Anchor::Start, INK, line.name);
        at += 30.0 + font::width(line.name, SMALL) + 20.0;
    }
    let wide = (COLUMN - 2.0 * MARGIN) / 2.0;
    for (index, panel) in panels.iter().enumerate() {
        let corner = (MARGIN + wide * (index % 2) as f32, TOP + (NAME + HIGH + BELOW) * (index / 2) as f32);
        draw(&mut drawing, corner, wide, panel);
    }
    Picture::new(drawing)
}

fn draw(drawing: &mut Drawing, (outer, top): (f32, f32), wide: f32, panel: &Panel) {
    let shown: Vec<Vec<(f64, f64)>> = panel
        .lines
        .iter()
        .map(|line| line.points.iter().copied().filter(|(_, value)| axis::is_drawable(*value)).collect())
        .collect();
    let all = || shown.iter().flatten();
    let (depths, values): (Vec<f64>, Vec<f64>) = all().copied().unzip();
    let name = font::shorten(panel.name, SMALL, wide - 10.0);
    drawing.text(outer, top + 10.0, SMALL, Anchor::Start, INK, &name);
    let (Some(x), Some(y)) = (axis::range(&depths), axis::range(&values)) else {
        drawing.text(outer, top + NAME + 14.0, SMALL, Anchor::Start, MUTED, "nothing was measured");
        return;
    };
    let (x, y) = (Axis::new(Kind::Count, x, 4), Axis::new(Kind::Number, y, 4));
    let left = outer + 8.0 + y.label_width();
    let right = 16.0 + 0.5 * x.ticks.last().map_or(0.0, |tick| font::width(&tick.1, SMALL));
    let frame = Frame { left, top: top + NAME, width: outer + wide - right - left, height: HIGH, x: &x, y: &y };
    frame.draw(drawing, "", "");
    // The dashed line last: what is below it shows through.
    for index in [0, 2, 1] {
        let points = &shown[index];
        let points: Vec<(f32, f32)> = points.iter().map(|(depth, value)| frame.at(*depth, *value)).collect();
        for (x, y) in &points {
            drawing.dot(*x, *y, 2.5, stroke(index).color, 1.0);
        }
        if points.len() > 1 {
            drawing.line(points, stroke(index));
        }
    }
}
