//! Two classes told apart by a score: the ROC curve, and precision against recall.

use super::Picture;
use super::axis::{Axis, count_label, counted};
use super::drawing::{BLUE, Drawing, INK, MUTED, Stroke};
use super::plot::{Plot, Sample, quoted};
use crate::output::share;
use plexus_train::metrics::{Point, Ranking};

const SIDE: f32 = 420.0;
/// A curve of about so many points looks like the whole one.
const MOST_POINTS: usize = 1000;
const CURVE: Stroke = Stroke { color: BLUE, width: 2.2, dash: None };
const REFERENCE: Stroke = Stroke { color: MUTED, width: 1.4, dash: Some((6.0, 4.0)) };

/// Draws the rate of true positives against that of false positives, for every threshold.
///
/// The threshold in use is marked, where there is one. Rows of one class alone give a picture with a note.
pub fn roc(title: &str, positive: &str, ranking: &Ranking, threshold: Option<f64>) -> Picture {
    let Some(area) = ranking.roc_auc() else {
        return Picture::note(title, "All rows are of one class: there is no ROC curve.");
    };
    let axis = Axis::share();
    let in_use = threshold.map(|threshold| format!("threshold {threshold}"));
    let plot = Plot {
        title,
        result: &format!("ROC AUC {}", share(area, 3)),
        subtitle: &subtitle(positive, ranking),
        legend: &legend("guessing", in_use.as_deref()),
        x: (&axis, "false positive rate: share of the other rows answered as positive"),
        y: (&axis, "true positive rate (recall)"),
        size: (SIDE, SIDE),
        more: 0.0,
    };
    let (mut drawing, frame) = plot.begin();
    drawing.line(vec![frame.at(0.0, 0.0), frame.at(1.0, 1.0)], REFERENCE);
    let place = |point: &Point| frame.at(ranking.false_positive_rate(point), ranking.recall(point));
    let mut curve = vec![frame.at(0.0, 0.0)];
    curve.extend(ranking.thinned(MOST_POINTS).iter().map(place));
    drawing.line(curve, CURVE);
    if let Some(threshold) = threshold {
        mark(&mut drawing, place(&ranking.at(threshold)));
    }
    Picture::new(drawing)
}

/// Draws precision against recall for every threshold, in the steps whose area is the average precision.
///
/// The threshold in use is marked, where there is one. Without positive rows it is a picture with a note.
pub fn precision_recall(title: &str, positive: &str, ranking: &Ranking, threshold: Option<f64>) -> Picture {
    let Some(average) = ranking.average_precision() else {
        return Picture::note(title, "No row is of the positive class: there is no curve.");
    };
    let positives = ranking.positives() as f64 / (ranking.positives() + ranking.negatives()) as f64;
    let axis = Axis::share();
    let guessing = format!("guessing ({})", share(positives, 3));
    let in_use = threshold.map(|threshold| format!("threshold {threshold}"));
    let plot = Plot {
        title,
        result: &format!("average precision {}", share(average, 3)),
        subtitle: &subtitle(positive, ranking),
        legend: &legend(&guessing, in_use.as_deref()),
        x: (&axis, "recall: share of the positive rows that are found"),
        y: (&axis, "precision"),
        size: (SIDE, SIDE),
        more: 0.0,
    };
    let (mut drawing, frame) = plot.begin();
    drawing.line(vec![frame.at(0.0, positives), frame.at(1.0, positives)], REFERENCE);
    let mut curve = Vec::new();
    let mut before = 0.0;
    for point in ranking.thinned(MOST_POINTS) {
        let (recall, precision) = (ranking.recall(&point), point.precision());
        // Up or down first, then along: the precision of a threshold holds for the recall that it adds.
        curve.extend([frame.at(before, precision), frame.at(recall, precision)]);
        before = recall;
    }
    drawing.line(curve, CURVE);
    // Where nothing is answered as positive there is no precision.
    if let Some(threshold) = threshold
        && let at = ranking.at(threshold)
        && at.true_positives + at.false_positives > 0
    {
        mark(&mut drawing, frame.at(ranking.recall(&at), at.precision()));
    }
    Picture::new(drawing)
}

fn subtitle(positive: &str, ranking: &Ranking) -> String {
    let (positives, rows) = (ranking.positives(), ranking.positives() + ranking.negatives());
    let rows = counted(rows as usize, "row");
    format!("positive class {}: {} of {rows}", quoted(positive, 230.0), count_label(positives))
}

/// The names of the curves, and of the threshold in use, which would cover a curve if it stood beside its point.
fn legend<'a>(guessing: &'a str, threshold: Option<&'a str>) -> Vec<(&'a str, Sample)> {
    let mut legend = vec![("model", Sample::Line(CURVE)), (guessing, Sample::Line(REFERENCE))];
    legend.extend(threshold.map(|threshold| (threshold, Sample::Dot(INK))));
    legend
}

fn mark(drawing: &mut Drawing, (x, y): (f32, f32)) {
    drawing.dot(x, y, 5.0, INK, 1.0);
}
