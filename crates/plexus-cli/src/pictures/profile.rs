//! How long each layer takes, as bars.

use super::drawing::{Anchor, BLUE, Color, Drawing, GRID, INK, MUTED, VERMILION};
use super::{COLUMN, Picture, SMALL, font, header};

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Its time.
    pub milliseconds: f64,
    /// Of the whole time.
    pub share: f64,
    /// Blue.
    pub is_convolution: bool,
    /// Vermilion.
    pub is_fully_connected: bool,
}

const MARGIN: f32 = 24.0;
const TOP: f32 = 96.0;
const ROW: f32 = 22.0;
const THICK: f32 = 13.0;
/// The longest name, and the least room for the longest bar: names give way.
const NAME_ROOM: f32 = 140.0;
const BAR_ROOM: f32 = 60.0;
/// More bars than this are too many for one page; the shortest are put together.
const MOST_BARS: usize = 40;

/// Draws a bar a layer, in the order of computing.
pub fn profile(title: &str, run_milliseconds: f64, bars: &[Bar]) -> Picture {
    let bars = &gathered(bars)[..];
    let longest = bars.iter().fold(0.0f64, |most, bar| most.max(bar.milliseconds));
    if longest <= 0.0 {
        return Picture::note(title, "No layer took any time: there is nothing to draw.");
    }
    // Small networks take microseconds.
    let decimals = if longest < 1.0 { 4 } else { 2 };
    let value = |bar: &Bar| format!("{:.decimals$} ms, {:.1} %", bar.milliseconds, 100.0 * bar.share);
    let values: Vec<String> = bars.iter().map(value).collect();
    let widest = |texts: &[String]| font::widest(texts.iter().map(String::as_str), SMALL);
    // Beside a name, the longest bar and its time.
    let room = COLUMN - 2.0 * MARGIN - 18.0 - widest(&values);
    let name_room = NAME_ROOM.min(room - BAR_ROOM);
    let names: Vec<String> = bars.iter().map(|bar| font::shorten(&bar.name, SMALL, name_room)).collect();
    let (left, longest_bar) = (MARGIN + widest(&names) + 10.0, room - widest(&names));
    let mut drawing = Drawing::new(COLUMN, TOP + ROW * bars.len() as f32 + MARGIN, title);
    let result = format!("{run_milliseconds:.decimals$} ms a run");
    header(
        &mut drawing,
        MARGIN,
        COLUMN - 2.0 * MARGIN,
        (title, &result),
        "time of each layer, with what is computed beside it",
    );
    let mut x = MARGIN;
    let legend = [(BLUE, "convolution"), (VERMILION, "fully connected"), (OTHER, "other")];
    for (color, name) in legend.into_iter().filter(|(color, _)| bars.iter().any(|bar| color_of(bar) == *color)) {
        drawing.rect(x, TOP - 24.0, 10.0, 10.0, color);
        drawing.text(x + 15.0, TOP - 15.0, SMALL, Anchor::Start, MUTED, name);
        x += 30.0 + font::width(name, SMALL);
    }
    drawing.rule((left, TOP), (left, TOP + ROW * bars.len() as f32), GRID);
    for (index, bar) in bars.iter().enumerate() {
        let middle = TOP + ROW * (index as f32 + 0.5);
        let baseline = middle + SMALL * font::HALF_DIGIT;
        let long = (f64::from(longest_bar) * bar.milliseconds / longest) as f32;
        drawing.text(left - 10.0, baseline, SMALL, Anchor::End, INK, &names[index]);
        drawing.rect(left, middle - 0.5 * THICK, long.max(0.5), THICK, color_of(bar));
        drawing.text(left + long + 8.0, baseline, SMALL, Anchor::Start, MUTED, &values[index]);
    }
    Picture::new(drawing)
}

const OTHER: Color = MUTED;

fn color_of(bar: &Bar) -> Color {
    match (bar.is_convolution, bar.is_fully_connected) {
        (true, _) => BLUE,
        (_, true) => VERMILION,
        _ => OTHER,
    }
}

/// The bars, the shortest of too many as one.
fn gathered(bars: &[Bar]) -> Vec<Bar> {
    if bars.len() <= MOST_BARS {
        return bars.to_vec();
    }
    let mut by_time: Vec<usize> = (0..bars.len()).collect();
    by_time.sort_by(|a, b| bars[*b].milliseconds.total_cmp(&bars[*a].milliseconds));
    let (kept, rest) = by_time.split_at(MOST_BARS - 1);
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    let sum = |of: fn(&Bar) -> f64| rest.iter().map(|index| of(&bars[*index])).sum();
    let others = Bar {
        name: format!("{} others", rest.len()),
        milliseconds: sum(|bar| bar.milliseconds),
        share: sum(|bar| bar.share),
        is_convolution: false,
        is_fully_connected: false,
    };
    kept.into_iter().map(|index| bars[index].clone()).chain([others]).collect()
}
