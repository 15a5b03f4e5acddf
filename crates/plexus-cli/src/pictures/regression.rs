//! Predictions of a regression against what was to be predicted.

use super::axis::{self, Axis, Frame, Kind, count_label, typeset, value_label};
use super::drawing::{Anchor, BLUE, Drawing, INK, MUTED, Stroke};
use super::{Picture, SMALL, SUBTITLE_BASELINE, TITLE_BASELINE, font, header};

/// More points than this hide each other: every k-th is drawn.
const MOST_POINTS: usize = 2000;
const SIDE: f32 = 440.0;
const MARGIN: f32 = 24.0;
const TOP: f32 = 78.0;

/// Draws predictions against targets, with the line on which perfect predictions lie.
///
/// Both axes have the same range. Errors in the line below the title are of all pairs, also where only every
/// k-th of them is drawn (from 2000 on). Pairs with a value that is not finite are left out and counted.
///
/// # Shapes
/// - `target`, `predicted`: `[samples]`; where the lengths differ, the rest of the longer one is left out.
pub fn predicted_against_target(title: &str, target: &[f64], predicted: &[f64]) -> Picture {
    let given = target.len().min(predicted.len());
    let pairs: Vec<(f64, f64)> = (target.iter().copied().zip(predicted.iter().copied()))
        .filter(|pair| axis::is_drawable(pair.0) && axis::is_drawable(pair.1))
        .collect();
    let drawn: Vec<(f64, f64)> = match pairs.len() {
        0..=MOST_POINTS => pairs.clone(),
        count => (0..MOST_POINTS).map(|index| pairs[index * count / MOST_POINTS]).collect(),
    };
    let Some(range) = axis::range(drawn.iter().flat_map(|pair| [&pair.0, &pair.1])) else {
        return Picture::note(title, "No pair of a target and a prediction: there is nothing to draw.");
    };
    // One linear axis for both directions: the distance to the diagonal is the error.
    let axis = Axis::new(Kind::Linear, range, 8);
    let left = MARGIN + axis::left_margin(&axis);
    let width = left + SIDE + MARGIN + 16.0;
    let mut drawing = Drawing::new(width, TOP + SIDE + 62.0, title);
    // The legend stands at the right of the title.
    let legend = "perfect prediction";
    let (x, y) = (width - MARGIN - 16.0, TITLE_BASELINE - 5.0);
    let stroke = Stroke { color: INK, width: 1.4, dash: Some((6.0, 4.0)) };
    drawing.text(x, y + SMALL * font::HALF_DIGIT, SMALL, Anchor::End, INK, legend);
    let x = x - font::width(legend, SMALL) - 8.0;
    drawing.line(vec![(x - 28.0, y), (x, y)], stroke);
    let room = x - 28.0 - 20.0 - MARGIN;
    header(&mut drawing, MARGIN, room, title, "");
    let errors = font::shorten(&subtitle(&pairs, drawn.len(), given), SMALL, width - 2.0 * MARGIN);
    drawing.text(MARGIN, SUBTITLE_BASELINE, SMALL, Anchor::Start, MUTED, &errors);

    let frame = Frame { left, top: TOP, width: SIDE, height: SIDE, x: &axis, y: &axis };
    frame.draw(&mut drawing, "target", "predicted");
    // The more points, the more they cover each other.
    let (radius, opacity) = match drawn.len() {
        0..=100 => (3.6, 0.75),
        101..=500 => (3.0, 0.6),
        _ => (2.4, 0.4),
    };
    for &(target, predicted) in &drawn {
        let (x, y) = frame.at(target, predicted);
        drawing.dot(x, y, radius, BLUE, opacity);
    }
    // Above the dots, which would hide it.
    let (low, high) = axis.ends();
    drawing.line(vec![frame.at(low, low), frame.at(high, high)], stroke);
    Picture::new(drawing)
}

/// Writes the usual errors and how many pairs they are of.
fn subtitle(pairs: &[(f64, f64)], drawn: usize, given: usize) -> String {
    let count = pairs.len() as f64;
    let mean = |value: fn(&(f64, f64)) -> f64| pairs.iter().map(value).sum::<f64>() / count;
    let squared = mean(|pair| (pair.1 - pair.0).powi(2));
    let absolute = mean(|pair| (pair.1 - pair.0).abs());
    let centre = mean(|pair| pair.0);
    let variance = pairs.iter().map(|pair| (pair.0 - centre).powi(2)).sum::<f64>() / count;
    let mut parts = vec![format!("RMSE {}", value_label(squared.sqrt())), format!("MAE {}", value_label(absolute))];
    // Without spread in the targets there is nothing that a prediction could explain.
    if variance > 0.0 {
        parts.push(format!("R² {}", typeset(&format!("{:.3}", 1.0 - squared / variance))));
    }
    let samples = count_label(pairs.len() as u64);
    parts.push(match drawn == pairs.len() {
        true => format!("{samples} samples"),
        false => format!("{} of {samples} samples drawn", count_label(drawn as u64)),
    });
    if given > pairs.len() {
        let left_out = count_label((given - pairs.len()) as u64);
        parts.push(format!("{left_out} not finite"));
    }
    parts.join(" · ")
}
