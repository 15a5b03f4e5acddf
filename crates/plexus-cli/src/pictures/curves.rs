//! Learning curves: loss and metric against the epoch.

use super::axis::{self, Axis, Frame, Kind};
use super::drawing::{AXIS, Anchor, BLUE, Color, Drawing, INK, MUTED, PAGE, Stroke, VERMILION, VERMILION_INK};
use super::{Picture, SMALL, SUBTITLE_BASELINE, TITLE_BASELINE, font, header};

/// Numbers of a training run, one entry an epoch; NaN where something was not measured.
#[derive(Clone, Debug, Default)]
pub struct Curves {
    /// Heading of the picture.
    pub title: String,
    /// Epoch of each entry.
    pub epochs: Vec<f64>,
    /// Mean loss on the training data.
    pub train_loss: Vec<f64>,
    /// Mean loss on the validation data; may be empty.
    pub validation_loss: Vec<f64>,
    /// Name of the metric. Names that end in "accuracy" mean shares in 0..=1, drawn in percent; others are
    /// drawn as they are, so a unit belongs into the name.
    pub metric_name: String,
    /// Metric on the training data; may be empty.
    pub train_metric: Vec<f64>,
    /// Metric on the validation data; may be empty.
    pub validation_metric: Vec<f64>,
    /// Index in `epochs` of the entry whose weights were kept.
    pub best_epoch: Option<usize>,
}

const WIDTH: f32 = 960.0;
const HEIGHT: f32 = 420.0;
const MARGIN: f32 = 24.0;
const TOP: f32 = 92.0;
const PLOT_HEIGHT: f32 = HEIGHT - TOP - 62.0;
/// A line of more points than this is thinned out; a panel has fewer pixels.
const MOST_POINTS: usize = 2000;
/// Up to this many points each gets a dot.
const DOTTED_POINTS: usize = 40;

const TRAIN: Series = Series { name: "training", color: BLUE, label_color: BLUE, width: 1.8 };
const VALIDATION: Series = Series { name: "validation", color: VERMILION, label_color: VERMILION_INK, width: 2.4 };

#[derive(Clone, Copy)]
struct Series {
    name: &'static str,
    color: Color,
    label_color: Color,
    width: f32,
}

/// One of the two panels.
struct Panel<'a> {
    name: &'a str,
    kind: Kind,
    lines: Vec<(Series, Vec<f64>)>,
}

/// Draws loss and metric of a run, side by side.
///
/// A panel whose values are positive and differ by more than a factor of 50 has a logarithmic axis. The kept
/// epoch is marked, the last value of each line is written beside it. Gaps (NaN) stay gaps.
pub fn learning_curves(curves: &Curves) -> Picture {
    let panels = panels(curves);
    let epochs = &curves.epochs;
    let Some(epoch_range) = axis::range(epochs).filter(|_| !panels.is_empty()) else {
        return Picture::note(&curves.title, "No epoch was finished: there is nothing to draw.");
    };
    let mut drawing = Drawing::new(WIDTH, HEIGHT, &curves.title);
    let best = (curves.best_epoch)
        .and_then(|index| Some((index, *epochs.get(index)?)))
        .filter(|(_, epoch)| axis::is_drawable(*epoch));
    let shown = |series: &str| (panels.iter()).any(|panel| panel.lines.iter().any(|line| line.0.name == series));
    let legend_left = legend(&mut drawing, shown("training"), shown("validation"));
    let room = legend_left - MARGIN - 24.0;
    header(&mut drawing, MARGIN, room, (&curves.title, ""), &subtitle(curves, best));

    let x = Axis::new(Kind::Count, epoch_range, 8);
    let panel_width = (WIDTH - 2.0 * MARGIN + 20.0) / panels.len() as f32;
    for (index, panel) in panels.iter().enumerate() {
        let values = panel.lines.iter().flat_map(|line| &line.1);
        let range = axis::range(values).expect("panels without values were left out");
        let y = Axis::new(panel.kind, range, 6);
        let outer = MARGIN + index as f32 * panel_width;
        let left = outer + axis::left_margin(&y);
        let names = panel.lines.iter().filter_map(|line| last(&line.1)).map(axis::value_label);
        let names: Vec<String> = names.collect();
        let right_margin = 12.0 + font::widest(names.iter().map(String::as_str), SMALL) + 20.0;
        let frame = Frame {
            left,
            top: TOP,
            width: outer + panel_width - right_margin - left,
            height: PLOT_HEIGHT,
            x: &x,
            y: &y,
        };
        let unit = if panel.kind == Kind::Percent { " (%)" } else { "" };
        frame.draw(&mut drawing, "epoch", &format!("{}{unit}", panel.name));
        if let Some((index, epoch)) = best {
            mark_best(&mut drawing, &frame, panel, index, epoch);
        }
        for (series, values) in &panel.lines {
            draw_line(&mut drawing, &frame, *series, epochs, values);
        }
        label_ends(&mut drawing, &frame, panel);
    }
    Picture::new(drawing)
}

/// Collects the panels that have something to show.
fn panels(curves: &Curves) -> Vec<Panel<'_>> {
    let name = curves.metric_name.as_str();
    let (kind, factor) = match name.to_lowercase().ends_with("accuracy") {
        true => (Kind::Percent, 100.0),
        false => (Kind::Number, 1.0),
    };
    let lines = |train: &[f64], validation: &[f64], factor: f64| {
        ([(TRAIN, train), (VALIDATION, validation)].into_iter())
            .map(|(series, values)| {
                // Entries without an epoch, or whose epoch is not a number, have no place.
                let placed = values.iter().zip(&curves.epochs);
                let values = placed.map(|(value, epoch)| match axis::is_drawable(*epoch) {
                    true => factor * value,
                    false => f64::NAN,
                });
                (series, values.collect::<Vec<f64>>())
            })
            .filter(|(_, values)| last(values).is_some())
            .collect::<Vec<_>>()
    };
    let loss = lines(&curves.train_loss, &curves.validation_loss, 1.0);
    let metric = lines(&curves.train_metric, &curves.validation_metric, factor);
    [("loss", Kind::Number, loss), (name, kind, metric)]
        .into_iter()
        .filter(|panel| !panel.2.is_empty())
        .map(|(name, kind, lines)| Panel { name, kind, lines })
        .collect()
}

/// Returns the last value that can be drawn.
fn last(values: &[f64]) -> Option<f64> {
    values.iter().copied().rfind(|&value| axis::is_drawable(value))
}

fn subtitle(curves: &Curves, best: Option<(usize, f64)>) -> String {
    let epochs = curves.epochs.len();
    let mut text = match epochs {
        1 => "1 epoch".to_owned(),
        _ => format!("{} epochs", axis::count_label(epochs as u64)),
    };
    let Some((index, epoch)) = best else {
        return text;
    };
    text += &format!(", best: epoch {epoch}");
    let mut found = Vec::new();
    for panel in panels(curves) {
        // The validation data choose the best epoch; without them the training data do.
        if let Some((series, values)) = panel.lines.last()
            && let Some(&value) = values.get(index).filter(|value| axis::is_drawable(**value))
        {
            let unit = if panel.kind == Kind::Percent { " %" } else { "" };
            let value = axis::value_label(value);
            found.push(format!("{} {} {value}{unit}", series.name, panel.name));
        }
    }
    if !found.is_empty() {
        text += &format!(" ({})", found.join(", "));
    }
    text
}

/// Draws the legend at the upper right and returns where it begins.
fn legend(drawing: &mut Drawing, train: bool, validation: bool) -> f32 {
    let y = TITLE_BASELINE - 5.0;
    let mut x = WIDTH - MARGIN;
    for (series, _) in [(VALIDATION, validation), (TRAIN, train)].iter().filter(|one| one.1) {
        drawing.text(x, y + SMALL * font::HALF_DIGIT, SMALL, Anchor::End, INK, series.name);
        x -= font::width(series.name, SMALL) + 8.0;
        drawing.line(vec![(x - 22.0, y), (x, y)], solid(series));
        drawing.dot(x - 11.0, y, 3.0, series.color, 1.0);
        x -= 22.0 + 18.0;
    }
    x + 18.0
}

fn solid(series: &Series) -> Stroke {
    Stroke { color: series.color, width: series.width, dash: None }
}

fn mark_best(drawing: &mut Drawing, frame: &Frame<'_>, panel: &Panel<'_>, index: usize, epoch: f64) {
    let x = frame.left + frame.x.place(epoch) * frame.width;
    let stroke = Stroke { color: AXIS.mix(MUTED, 0.5), width: 1.2, dash: Some((4.0, 3.0)) };
    drawing.line(vec![(x, frame.top), (x, frame.top + frame.height)], stroke);
    let label = format!("best: epoch {epoch}");
    let half = 0.5 * font::width(&label, 11.0);
    // Above the frame, where no line can be; within its width.
    let middle = x.min(frame.left + frame.width - half).max(frame.left + half);
    drawing.text(middle, frame.top - 7.0, 11.0, Anchor::Middle, MUTED, &label);
    for (series, values) in &panel.lines {
        if let Some(&value) = values.get(index).filter(|value| axis::is_drawable(**value)) {
            let (x, y) = frame.at(epoch, value);
            drawing.dot(x, y, 5.5, series.color.mix(PAGE, 0.55), 1.0);
        }
    }
}

/// Draws one line, interrupted where values are missing.
fn draw_line(drawing: &mut Drawing, frame: &Frame<'_>, series: Series, epochs: &[f64], values: &[f64]) {
    let has_dots = values.len() <= DOTTED_POINTS;
    let mut run: Vec<(f32, f32)> = Vec::new();
    let mut finish = |run: &mut Vec<(f32, f32)>| {
        let points = thin_out(std::mem::take(run));
        // A lone value would be a line without length.
        if has_dots || points.len() == 1 {
            for &(x, y) in &points {
                drawing.dot(x, y, 2.6, series.color, 1.0);
            }
        }
        if points.len() > 1 {
            drawing.line(points, solid(&series));
        }
    };
    for (&epoch, &value) in epochs.iter().zip(values) {
        if axis::is_drawable(value) {
            run.push(frame.at(epoch, value));
        } else {
            finish(&mut run);
        }
    }
    finish(&mut run);
}

/// Keeps the lowest and highest of each group of points, so that a long line looks the same.
fn thin_out(points: Vec<(f32, f32)>) -> Vec<(f32, f32)> {
    if points.len() <= MOST_POINTS {
        return points;
    }
    let group = points.len().div_ceil(MOST_POINTS / 2);
    let mut kept = Vec::with_capacity(MOST_POINTS + 2);
    kept.extend(points.first());
    for chunk in points.chunks(group) {
        let by_height = |a: &&(f32, f32), b: &&(f32, f32)| a.1.total_cmp(&b.1);
        let ends = chunk.iter().min_by(by_height).zip(chunk.iter().max_by(by_height));
        if let Some((&low, &high)) = ends {
            let in_order = low.0 <= high.0;
            kept.extend(if in_order { [low, high] } else { [high, low] });
        }
    }
    kept.extend(points.last());
    kept
}

/// Writes the last value of each line at the right of the frame.
fn label_ends(drawing: &mut Drawing, frame: &Frame<'_>, panel: &Panel<'_>) {
    let mut labels: Vec<(f32, f64, Series)> = (panel.lines.iter())
        .filter_map(|(series, values)| last(values).map(|value| (value, *series)))
        .map(|(value, series)| (frame.top + (1.0 - frame.y.place(value)) * frame.height, value, series))
        .collect();
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Two labels at most: push them apart evenly, then back into the frame.
    const APART: f32 = 16.0;
    if let [upper, lower] = labels.as_mut_slice()
        && lower.0 - upper.0 < APART
    {
        let middle = 0.5 * (upper.0 + lower.0);
        let (first, last) = (frame.top + 0.5 * APART, frame.top + frame.height - 0.5 * APART);
        let middle = middle.clamp(first, last);
        (upper.0, lower.0) = (middle - 0.5 * APART, middle + 0.5 * APART);
    }
    let x = frame.left + frame.width + 10.0;
    for (y, value, series) in labels {
        let baseline = y + SMALL * font::HALF_DIGIT;
        let label = axis::value_label(value);
        drawing.text(x, baseline, SMALL, Anchor::Start, series.label_color, &label);
    }
}

// The header and the legend share a line; the frames begin below the note on the best epoch.
const _: () = assert!(TOP > SUBTITLE_BASELINE + 24.0);
