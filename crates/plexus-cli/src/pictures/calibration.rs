//! Whether probabilities mean what they say.

use super::axis::{Axis, count_label, counted};
use super::drawing::{AXIS, Anchor, BLUE, MUTED, Stroke};
use super::plot::{BELOW, Plot, Sample, quoted};
use super::{Picture, SMALL, font};
use plexus_train::metrics::Calibration;

const SIDE: f32 = 420.0;
/// Height of the bars that count rows, and of the numbers above them.
const BARS: f32 = 50.0;
const COUNTS: f32 = 16.0;
const CURVE: Stroke = Stroke { color: BLUE, width: 2.0, dash: None };
const PERFECT: Stroke = Stroke { color: MUTED, width: 1.4, dash: Some((6.0, 4.0)) };

/// Draws, for ten ranges of the probability, how often it happened against how likely it was said to be.
///
/// `positive` is the class whose probability it is; without it, it is that of the class answered. Below the curve stands
/// how many rows each range has.
pub fn calibration(title: &str, positive: Option<&str>, calibration: &Calibration, brier: f64) -> Picture {
    let Some(error) = calibration.expected_error() else {
        return Picture::note(title, "No row has a probability: there is nothing to draw.");
    };
    let rows: u64 = calibration.bins().map(|bin| bin.rows).sum();
    let axis = Axis::share();
    let (x_label, y_label) = match positive {
        Some(name) => {
            let name = quoted(name, 180.0);
            (format!("probability of {name}"), format!("share of rows that are {name}"))
        }
        None => ("probability of the class answered".to_string(), "share of answers that are right".to_string()),
    };
    let plot = Plot {
        title,
        result: &format!("calibration error {error:.3}"),
        subtitle: &format!("{} · Brier score {brier:.3}", counted(rows as usize, "row")),
        legend: &[("model", Sample::Line(CURVE)), ("perfect", Sample::Line(PERFECT))],
        x: (&axis, &x_label),
        y: (&axis, &y_label),
        size: (SIDE, SIDE),
        more: BARS + COUNTS + 16.0,
    };
    let (mut drawing, frame) = plot.begin();
    drawing.line(vec![frame.at(0.0, 0.0), frame.at(1.0, 1.0)], PERFECT);
    let points: Vec<(f32, f32)> = calibration.bins().map(|bin| frame.at(bin.predicted, bin.observed)).collect();
    for &(x, y) in &points {
        drawing.dot(x, y, 4.0, BLUE, 1.0);
    }
    drawing.line(points, CURVE);

    let bottom = frame.top + frame.height + BELOW + COUNTS + BARS;
    let most = calibration.bins().map(|bin| bin.rows).max().unwrap_or(1);
    for bin in calibration.bins() {
        let (from, to) = (frame.at(bin.from, 0.0).0 + 1.5, frame.at(bin.to, 0.0).0 - 1.5);
        let height = (BARS * bin.rows as f32 / most as f32).max(1.0);
        drawing.rect(from, bottom - height, to - from, height, BLUE.mix(super::drawing::PAGE, 0.45));
        let count = count_label(bin.rows);
        let size = (to - from) / font::width(&count, 1.0);
        drawing.text(0.5 * (from + to), bottom - height - 4.0, size.min(10.0), Anchor::Middle, MUTED, &count);
    }
    drawing.rule((frame.left, bottom), (frame.left + frame.width, bottom), AXIS);
    drawing.text(frame.left - 8.0, bottom, SMALL, Anchor::End, MUTED, "rows");
    Picture::new(drawing)
}
