//! How much a model needs each column, as bars.

use super::axis::{self, Axis, Kind, counted, typeset};
use super::drawing::{AXIS, Anchor, BLUE, Drawing, GRID, INK, MUTED, Stroke};
use super::{Picture, SMALL, font, header};
use crate::output::{decimals, fixed};

/// One column: what its shuffling costs, in the mean and spread over the repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// The name of the column.
    pub name: String,
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub spread: f64,
}

/// More bars than this are too many for one page.
const MOST_BARS: usize = 30;
const MARGIN: f32 = 24.0;
const TOP: f32 = 74.0;
const ROW: f32 = 24.0;
const THICK: f32 = 13.0;
const WIDTH: f32 = 400.0;
/// Names of columns are shortened to this width in points.
const NAME_ROOM: f32 = 230.0;

/// Draws a bar a column, in the order given, with the spread as a thin line across its end.
///
/// `unit` says what the bars measure. Of more than thirty columns the first thirty are drawn, and it is said.
pub fn importance(title: &str, unit: &str, repeats: usize, bars: &[Bar]) -> Picture {
    let drawn = &bars[..bars.len().min(MOST_BARS)];
    let ends: Vec<f64> = (drawn.iter().flat_map(|bar| [bar.mean - bar.spread, bar.mean + bar.spread])).collect();
    let Some((low, high)) = axis::range(&ends) else {
        return Picture::note(title, "No column was measured: there is nothing to draw.");
    };
    let axis = Axis::new(Kind::Linear, (low.min(0.0), high.max(0.0)), 6);
    let names: Vec<String> = drawn.iter().map(|bar| font::shorten(&bar.name, SMALL, NAME_ROOM)).collect();
    let decimals = decimals(3, drawn.iter().map(|bar| bar.mean));
    let values = drawn.iter().map(|bar| format!("{} ± {:.decimals$}", typeset(&fixed(bar.mean, decimals)), bar.spread));
    let values: Vec<String> = values.collect();
    let widest = |texts: &[String]| font::widest(texts.iter().map(String::as_str), SMALL);
    let left = MARGIN + widest(&names) + 10.0;
    let right = left + WIDTH;
    let width = right + 14.0 + widest(&values) + MARGIN;
    let bottom = TOP + ROW * drawn.len() as f32 + 6.0;
    let mut drawing = Drawing::new(width, bottom + 58.0, title);
    let which = match bars.len() > drawn.len() {
        true => format!("the {} most important of {}", drawn.len(), counted(bars.len(), "column")),
        false => counted(drawn.len(), "column"),
    };
    let subtitle = format!("{which}; {repeats} shuffles each, thin lines: standard deviation");
    header(&mut drawing, MARGIN, width - 2.0 * MARGIN, (title, "importance of columns"), &subtitle);

    let at = |value: f64| left + WIDTH * axis.place(value);
    for (value, label) in &axis.ticks {
        drawing.rule((at(*value), TOP), (at(*value), bottom), GRID);
        drawing.text(at(*value), bottom + 18.0, SMALL, Anchor::Middle, MUTED, label);
    }
    for (index, bar) in drawn.iter().enumerate() {
        let middle = TOP + 3.0 + ROW * (index as f32 + 0.5);
        let baseline = middle + SMALL * font::HALF_DIGIT;
        drawing.text(left - 10.0, baseline, SMALL, Anchor::End, INK, &names[index]);
        drawing.text(width - MARGIN, baseline, SMALL, Anchor::End, MUTED, &values[index]);
        if !axis::is_drawable(bar.mean) || !axis::is_drawable(bar.spread) {
            continue;
        }
        let (from, to) = (at(bar.mean.min(0.0)), at(bar.mean.max(0.0)));
        drawing.rect(from, middle - 0.5 * THICK, (to - from).max(0.5), THICK, BLUE);
        let (from, to) = (at(bar.mean - bar.spread), at(bar.mean + bar.spread));
        if to - from > 1.0 {
            let stroke = Stroke { color: INK, width: 1.2, dash: None };
            drawing.line(vec![(from, middle), (to, middle)], stroke);
            for x in [from, to] {
                drawing.line(vec![(x, middle - 3.5), (x, middle + 3.5)], stroke);
            }
        }
    }
    drawing.rule((at(0.0), TOP), (at(0.0), bottom), AXIS);
    drawing.rule((left, bottom), (right, bottom), AXIS);
    let unit = font::shorten(unit, 13.0, width - 2.0 * MARGIN);
    // Under the axis, but within the page.
    let half = 0.5 * font::width(&unit, 13.0);
    let middle = (left + 0.5 * WIDTH).max(MARGIN + half).min(width - MARGIN - half);
    drawing.text(middle, bottom + 40.0, 13.0, Anchor::Middle, INK, &unit);
    Picture::new(drawing)
}
