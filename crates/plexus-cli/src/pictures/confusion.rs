//! Confusion matrices: which class is taken for which.

use super::axis::count_label;
use super::drawing::{AXIS, Anchor, BLUE, Color, Drawing, FAINT, GRID, INK, MUTED, PAGE, VERMILION};
use super::{Picture, SMALL, font, header};

/// Up to this many classes the counts are written into the cells.
const NUMBERED_CLASSES: usize = 25;
/// Beyond this many classes a cell is smaller than a pixel of most screens.
const MOST_CLASSES: usize = 500;
const MARGIN: f32 = 24.0;
const TOP: f32 = 92.0;
/// Names of classes are shortened to this width in points.
const NAME_ROOM: f32 = 170.0;
/// Length of the bar of a recall of 100 %.
const RECALL_BAR: f32 = 44.0;
/// Between this bar and its number: an SVG may be shown with a font that is an eighth wider than ours.
const RECALL_GAP: f32 = 13.0;

/// Sizes that depend on the number of classes and on their names.
struct Layout {
    cell: f32,
    /// Text size of names and recalls.
    name_size: f32,
    names: Vec<String>,
    name_width: f32,
    /// Degrees by which the names below the matrix are turned.
    angle: f32,
    left: f32,
    side: f32,
}

/// Draws a confusion matrix.
///
/// A cell is shaded by its share of the row, that is of the samples of one true class: blue where the
/// prediction is right, vermilion where it is wrong. The recall of each class stands at the right.
///
/// # Shapes
/// - `class_names`: `[classes]`
/// - `counts`: `[classes, classes]`, rows are the true classes; anything else gives a picture with a note.
pub fn confusion_matrix(title: &str, class_names: &[String], counts: &[u64]) -> Picture {
    let classes = class_names.len();
    if classes == 0 || counts.len() != classes * classes {
        let note = format!(
            "Nothing to draw: expected {classes} x {classes} counts for {classes} classes, got {}.",
            counts.len()
        );
        return Picture::note(title, &note);
    }
    if classes > MOST_CLASSES {
        let note = format!("{classes} classes are too many to draw; the limit is {MOST_CLASSES}.");
        return Picture::note(title, &note);
    }
    let layout = layout(class_names);
    let below = match layout.angle {
        0.0 => layout.name_size + 8.0,
        angle => layout.name_width * (-angle).to_radians().sin() + layout.name_size + 6.0,
    };
    let recall_left = layout.left + layout.side + 14.0;
    let recall_text = font::width("100.0 %", layout.name_size) + RECALL_GAP;
    let legend_left = recall_left + RECALL_BAR + recall_text + 26.0;
    let width = legend_left + 74.0 + MARGIN;
    let height = TOP + layout.side + below + 14.0 + 20.0 + 12.0;
    let mut drawing = Drawing::new(width, height, title);

    let total: u128 = counts.iter().map(|&count| u128::from(count)).sum();
    let right: u128 = (0..classes).map(|class| u128::from(counts[class * classes + class])).sum();
    let (accuracy, subtitle) = match total {
        0 => ("no rows".to_owned(), String::new()),
        _ => (
            format!("accuracy {}", percent(right as f64 / total as f64, 2)),
            format!("{} of {} rows correct", big_count(right), big_count(total)),
        ),
    };
    header(&mut drawing, MARGIN, width - 2.0 * MARGIN, (title, &accuracy), &subtitle);

    draw_cells(&mut drawing, &layout, counts, classes);
    draw_names(&mut drawing, &layout, height);
    draw_recalls(&mut drawing, &layout, counts, recall_left);
    draw_legend(&mut drawing, legend_left);
    Picture::new(drawing)
}

fn layout(class_names: &[String]) -> Layout {
    let classes = class_names.len();
    let cell = match classes {
        0..=5 => 68.0,
        6..=12 => 44.0,
        13..=NUMBERED_CLASSES => 33.0,
        _ => (760.0 / classes as f32).clamp(3.0, 24.0),
    };
    // Names of more than a hundred classes cannot be read: they are left out.
    let name_size = (0.85 * cell).min(SMALL);
    let has_names = name_size >= 5.5;
    let names: Vec<String> = (class_names.iter())
        .map(|name| match has_names {
            true => font::shorten(name, name_size, NAME_ROOM),
            false => String::new(),
        })
        .collect();
    let name_width = font::widest(names.iter().map(String::as_str), name_size);
    let angle = if name_width <= cell - 4.0 {
        0.0
    } else if cell * std::f32::consts::FRAC_1_SQRT_2 >= 1.1 * name_size {
        -45.0
    } else {
        -90.0
    };
    Layout {
        cell,
        name_size,
        name_width,
        angle,
        left: MARGIN + 14.0 + 10.0 + name_width + 8.0,
        side: cell * classes as f32,
        names,
    }
}

/// Returns the shade of a cell, one of a hundred. The square root makes a share of 1 % visible.
fn shade(share: f64, is_right: bool) -> Color {
    let full = if is_right { BLUE.mix(INK, 0.25) } else { VERMILION };
    PAGE.mix(full, (100.0 * share.sqrt()).round() as f32 / 100.0)
}

fn draw_cells(drawing: &mut Drawing, layout: &Layout, counts: &[u64], classes: usize) {
    let Layout { cell, left, side, .. } = *layout;
    drawing.rect(left, TOP, side, side, FAINT.mix(PAGE, 0.4));
    // Rows of the matrix: true classes.
    for (row, row_counts) in counts.chunks(classes).enumerate() {
        let samples: f64 = row_counts.iter().map(|&count| count as f64).sum();
        let y = TOP + row as f32 * cell;
        for (column, &count) in row_counts.iter().enumerate().filter(|one| *one.1 > 0) {
            let x = left + column as f32 * cell;
            drawing.rect(x, y, cell, cell, shade(count as f64 / samples, row == column));
        }
    }
    if cell >= 6.0 {
        let line = if cell >= 12.0 { GRID } else { GRID.mix(PAGE, 0.4) };
        for index in 1..classes {
            let at = index as f32 * cell;
            drawing.rule((left, TOP + at), (left + side, TOP + at), line);
            drawing.rule((left + at, TOP), (left + at, TOP + side), line);
        }
    }
    let (right, bottom) = (left + side, TOP + side);
    let corners = [(left, TOP), (right, TOP), (right, bottom), (left, bottom), (left, TOP)];
    for edge in corners.windows(2) {
        drawing.rule(edge[0], edge[1], AXIS);
    }
    if classes <= NUMBERED_CLASSES {
        for (row, row_counts) in counts.chunks(classes).enumerate() {
            let samples: f64 = row_counts.iter().map(|&count| count as f64).sum();
            for (column, &count) in row_counts.iter().enumerate() {
                let text = cell_count(count, cell);
                let size = (cell * 0.36).min(13.0).min(SMALL * (cell - 5.0) / font::width(&text, SMALL));
                let x = left + (column as f32 + 0.5) * cell;
                let y = TOP + (row as f32 + 0.5) * cell + size * font::HALF_DIGIT;
                let fill = match count {
                    0 => AXIS.mix(PAGE, 0.35),
                    _ => shade(count as f64 / samples, row == column).letters(),
                };
                drawing.text(x, y, size, Anchor::Middle, fill, &text);
            }
        }
    }
}

/// Writes a count in full, or rounded where the digits would be too small to read.
fn cell_count(count: u64, cell: f32) -> String {
    let text = count.to_string();
    if font::width(&text, 9.0) <= cell - 5.0 {
        return text;
    }
    let units = [
        (1_000_000_000_000_000_000, "E"),
        (1_000_000_000_000_000, "P"),
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1_000, "k"),
    ];
    match units.into_iter().find(|(size, _)| count >= *size) {
        Some((size, unit)) => {
            let value = count as f64 / size as f64;
            let decimals = if value < 9.95 { 1 } else { 0 };
            format!("{value:.decimals$}{unit}")
        }
        None => text,
    }
}

fn draw_names(drawing: &mut Drawing, layout: &Layout, height: f32) {
    let Layout { cell, name_size, left, side, .. } = *layout;
    let bottom = TOP + side;
    for (index, name) in layout.names.iter().enumerate() {
        let center = (index as f32 + 0.5) * cell;
        let baseline = TOP + center + name_size * font::HALF_DIGIT;
        drawing.text(left - 8.0, baseline, name_size, Anchor::End, INK, name);
        let x = left + center;
        let shift = name_size * font::HALF_DIGIT;
        match layout.angle {
            0.0 => drawing.text(x, bottom + name_size + 5.0, name_size, Anchor::Middle, INK, name),
            -45.0 => {
                let (x, y) = (x + shift, bottom + name_size);
                drawing.turned(x, y, name_size, Anchor::End, INK, name, -45.0);
            }
            angle => drawing.turned(x + shift, bottom + 6.0, name_size, Anchor::End, INK, name, angle),
        }
    }
    let middle = TOP + 0.5 * side;
    drawing.turned(MARGIN + 11.0, middle, 13.0, Anchor::Middle, INK, "true class", -90.0);
    drawing.text(left + 0.5 * side, height - 20.0, 13.0, Anchor::Middle, INK, "predicted class");
}

fn draw_recalls(drawing: &mut Drawing, layout: &Layout, counts: &[u64], left: f32) {
    let Layout { cell, name_size, .. } = *layout;
    let classes = layout.names.len();
    drawing.text(left, TOP - 9.0, SMALL, Anchor::Start, MUTED, "recall");
    for (class, row) in counts.chunks(classes).enumerate() {
        let samples: f64 = row.iter().map(|&count| count as f64).sum();
        let center = TOP + (class as f32 + 0.5) * cell;
        let thick = (0.5 * cell).min(8.0);
        drawing.rect(left, center - 0.5 * thick, RECALL_BAR, thick, GRID);
        let text = if samples > 0.0 {
            let recall = row[class] as f64 / samples;
            let bar = RECALL_BAR * recall as f32;
            drawing.rect(left, center - 0.5 * thick, bar, thick, shade(1.0, true));
            percent(recall, 1)
        } else {
            "–".to_owned()
        };
        if !layout.names[class].is_empty() || name_size >= 5.5 {
            let right = left + RECALL_BAR + RECALL_GAP + font::width("100.0 %", name_size);
            let baseline = center + name_size * font::HALF_DIGIT;
            drawing.text(right, baseline, name_size, Anchor::End, INK, &text);
        }
    }
}

/// Draws the two scales of shades.
fn draw_legend(drawing: &mut Drawing, left: f32) {
    const STEPS: usize = 24;
    let (bar, height) = (14.0, 88.0f32);
    drawing.text(left, TOP - 9.0, SMALL, Anchor::Start, MUTED, "share of row");
    let step = height / STEPS as f32;
    for (is_right, x) in [(true, left), (false, left + bar + 4.0)] {
        for index in 0..STEPS {
            // The middle of each step; the top is 100 %.
            let share = 1.0 - (index as f64 + 0.5) / STEPS as f64;
            let y = TOP + index as f32 * step;
            // Down to the end, under the steps that follow: no seams between them.
            drawing.rect(x, y, bar, TOP + height - y, shade(share, is_right));
        }
    }
    for (share, y) in [("100 %", TOP), ("50 %", TOP + 0.5 * height), ("0 %", TOP + height)] {
        let baseline = (y + SMALL * font::HALF_DIGIT).clamp(TOP + 9.0, TOP + height);
        drawing.text(left + 2.0 * bar + 10.0, baseline, 11.0, Anchor::Start, MUTED, share);
    }
    let y = TOP + height + 20.0;
    for (name, color, y) in [("correct", shade(1.0, true), y), ("wrong", VERMILION, y + 18.0)] {
        drawing.rect(left, y - 9.0, 10.0, 10.0, color);
        drawing.text(left + 16.0, y, SMALL, Anchor::Start, INK, name);
    }
}

/// Writes a share in percent; 100 % only where nothing is missing.
fn percent(share: f64, decimals: usize) -> String {
    let most = 100.0 - 10f64.powi(-(decimals as i32));
    let value = if share < 1.0 { (100.0 * share).min(most) } else { 100.0 };
    format!("{value:.decimals$} %")
}

fn big_count(count: u128) -> String {
    count_label(u64::try_from(count).unwrap_or(u64::MAX))
}
