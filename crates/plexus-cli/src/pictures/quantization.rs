//! What whole numbers cost, a bar for each layer.

use super::drawing::{Anchor, BLUE, Color, Drawing, GRID, INK, MUTED, VERMILION};
use super::{COLUMN, Picture, SMALL, font, header};

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// How far its values are from the float ones, as a share of them.
    pub error: f64,
    /// Whether its activations have 16 bits.
    pub wide: bool,
}

const MARGIN: f32 = 24.0;
const TOP: f32 = 96.0;
const ROW: f32 = 22.0;
const THICK: f32 = 13.0;
const NAME_ROOM: f32 = 180.0;
/// More bars than this are too many for one page: those with the largest errors are drawn.
const MOST_BARS: usize = 40;

/// Draws the relative error behind each layer, in the order of computing.
pub fn quantization(title: &str, result: &str, bars: &[Bar]) -> Picture {
    let drawn = largest(bars);
    let longest = drawn.iter().filter(|bar| bar.error.is_finite()).fold(0.0f64, |most, bar| most.max(bar.error));
    if drawn.is_empty() {
        return Picture::note(title, "No layer became one of whole numbers: there is nothing to draw.");
    }
    let values: Vec<String> = drawn.iter().map(|bar| format!("{:.3} %", 100.0 * bar.error)).collect();
    let names: Vec<String> = drawn.iter().map(|bar| font::shorten(&bar.name, SMALL, NAME_ROOM)).collect();
    let widest = |texts: &[String]| font::widest(texts.iter().map(String::as_str), SMALL);
    let left = MARGIN + widest(&names) + 10.0;
    let room = COLUMN - MARGIN - 8.0 - widest(&values) - left;
    let mut drawing = Drawing::new(COLUMN, TOP + ROW * drawn.len() as f32 + MARGIN, title);
    header(&mut drawing, MARGIN, COLUMN - 2.0 * MARGIN, (title, ""), result);
    let mut x = MARGIN;
    for (color, wide, name) in [(BLUE, false, "8-bit activations"), (VERMILION, true, "16-bit activations")] {
        if drawn.iter().any(|bar| bar.wide == wide) {
            drawing.rect(x, TOP - 24.0, 10.0, 10.0, color);
            drawing.text(x + 15.0, TOP - 15.0, SMALL, Anchor::Start, MUTED, name);
            x += 30.0 + font::width(name, SMALL);
        }
    }
    let what = font::shorten("error behind each layer, of its values", SMALL, COLUMN - MARGIN - x);
    drawing.text(x, TOP - 15.0, SMALL, Anchor::Start, MUTED, &what);
    drawing.rule((left, TOP), (left, TOP + ROW * drawn.len() as f32), GRID);
    for (index, bar) in drawn.iter().enumerate() {
        let middle = TOP + ROW * (index as f32 + 0.5);
        let baseline = middle + SMALL * font::HALF_DIGIT;
        let share = if longest > 0.0 && bar.error.is_finite() { bar.error / longest } else { 0.0 };
        let long = (f64::from(room) * share) as f32;
        let color: Color = if bar.wide { VERMILION } else { BLUE };
        drawing.text(left - 10.0, baseline, SMALL, Anchor::End, INK, &names[index]);
        drawing.rect(left, middle - 0.5 * THICK, long.max(0.5), THICK, color);
        drawing.text(left + long + 8.0, baseline, SMALL, Anchor::Start, MUTED, &values[index]);
    }
    Picture::new(drawing)
}

/// All bars, or of too many those with the largest errors, in their order.
fn largest(bars: &[Bar]) -> Vec<&Bar> {
    let mut by_error: Vec<usize> = (0..bars.len()).collect();
    by_error.sort_by(|a, b| bars[*b].error.total_cmp(&bars[*a].error));
    by_error.truncate(MOST_BARS);
    by_error.sort_unstable();
    by_error.into_iter().map(|index| &bars[index]).collect()
}
