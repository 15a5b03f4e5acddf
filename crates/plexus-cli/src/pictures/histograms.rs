//! How numbers are spread, a small plot for each set of them.

use super::axis::value_label;
use super::drawing::{AXIS, Anchor, BLUE, Drawing, GRID, INK, MUTED};
use super::{COLUMN, Picture, SMALL, font, header};

/// One set of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// Its name.
    pub name: String,
    /// How many numbers there are, in words.
    pub numbers: String,
    /// Where the first step begins.
    pub low: f64,
    /// Where the last step ends.
    pub high: f64,
    /// Numbers in each of the steps, which are of equal width.
    pub counts: Vec<u64>,
}

const MARGIN: f32 = 24.0;
const TOP: f32 = 78.0;
const GAP: f32 = 28.0;
const BARS: f32 = 74.0;
/// A name above the bars, and the ends below them.
const LABELS: f32 = 44.0;
const BETWEEN: f32 = 14.0;
/// More plots than this are too many for one page.
pub const MOST: usize = 64;

/// Draws a plot for each set of numbers, two in a row; each has a scale of its own.
pub fn histograms(title: &str, subtitle: &str, panels: &[Panel]) -> Picture {
    let panels = &panels[..panels.len().min(MOST)];
    if panels.is_empty() {
        return Picture::note(title, "There are no weights to show.");
    }
    let columns = panels.len().min(2);
    let wide = (COLUMN - 2.0 * MARGIN - GAP * (columns - 1) as f32) / columns as f32;
    let step = LABELS + BARS + BETWEEN;
    let rows = panels.len().div_ceil(columns);
    let mut drawing = Drawing::new(COLUMN, TOP + step * rows as f32 - BETWEEN + MARGIN, title);
    header(&mut drawing, MARGIN, COLUMN - 2.0 * MARGIN, (title, ""), subtitle);
    for (index, panel) in panels.iter().enumerate() {
        let left = MARGIN + (wide + GAP) * (index % columns) as f32;
        draw(&mut drawing, (left, TOP + step * (index / columns) as f32, wide), panel);
    }
    Picture::new(drawing)
}

fn draw(drawing: &mut Drawing, (left, top, wide): (f32, f32, f32), panel: &Panel) {
    let (right, base) = (left + wide, top + 20.0 + BARS);
    let name = font::shorten(&panel.name, SMALL, wide - font::width(&panel.numbers, SMALL) - 10.0);
    drawing.text(left, top + 10.0, SMALL, Anchor::Start, INK, &name);
    drawing.text(right, top + 10.0, SMALL, Anchor::End, MUTED, &panel.numbers);
    let most = panel.counts.iter().copied().max().unwrap_or(0);
    let labels = (base + 4.0, base + 17.0);
    if most == 0 {
        drawing.rule((left, base), (right, base), AXIS);
        return;
    }
    if panel.low >= panel.high {
        // All are the same: one bar in the middle.
        let middle = left + 0.5 * wide;
        drawing.rect(middle - 4.0, base - BARS, 8.0, BARS, BLUE);
        drawing.rule((left, base), (right, base), AXIS);
        drawing.text(middle, labels.1, SMALL, Anchor::Middle, MUTED, &value_label(panel.low));
        return;
    }
    let bar = wide / panel.counts.len() as f32;
    let zero =
        (panel.low < 0.0 && panel.high > 0.0).then(|| left + wide * (-panel.low / (panel.high - panel.low)) as f32);
    if let Some(zero) = zero {
        drawing.rule((zero, base - BARS), (zero, base + 4.0), GRID);
    }
    for (index, count) in panel.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        // What is there is seen.
        let high = (BARS * (*count as f64 / most as f64) as f32).max(1.0);
        drawing.rect(left + bar * index as f32 + 0.5, base - high, bar - 1.0, high, BLUE);
    }
    drawing.rule((left, base), (right, base), AXIS);
    let ends = [value_label(panel.low), value_label(panel.high)];
    drawing.text(left, labels.1, SMALL, Anchor::Start, MUTED, &ends[0]);
    drawing.text(right, labels.1, SMALL, Anchor::End, MUTED, &ends[1]);
    let [low_end, high_start] = [left + font::width(&ends[0], SMALL), right - font::width(&ends[1], SMALL)];
    if let Some(zero) = zero.filter(|zero| zero - low_end > 12.0 && high_start - zero > 12.0) {
        drawing.text(zero, labels.1, SMALL, Anchor::Middle, MUTED, "0");
    }
}
