//! Predicted numbers: against the true ones, and what is left between the two.

use super::Picture;
use super::axis::{self, Axis, Kind, count_label, counted, typeset, value_label};
use super::drawing::{BLUE, Drawing, INK, Stroke};
use super::plot::{Plot, Sample};
use plexus_train::metrics::RegressionMetrics;

/// More points than this hide each other: a sample of so many is drawn.
const MOST_POINTS: usize = 2000;
const LINE: Stroke = Stroke { color: INK, width: 1.4, dash: Some((6.0, 4.0)) };

/// Numbers to draw: what was to be predicted, and what was.
///
/// Errors are of all pairs, also where a sample of them is drawn: every k-th, from 2000 pairs on. Pairs with a value that
/// is not finite are left out and counted.
pub struct Predictions<'a> {
    title: &'a str,
    /// The name of the target, with its unit where the data has it there.
    target: &'a str,
    pairs: Vec<(f64, f64)>,
    left_out: usize,
    metrics: RegressionMetrics,
}

impl<'a> Predictions<'a> {
    /// Takes pairs of a true and a predicted number.
    pub fn new(title: &'a str, target: &'a str, pairs: impl Iterator<Item = (f32, f32)>) -> Self {
        let mut found =
            Predictions { title, target, pairs: Vec::new(), left_out: 0, metrics: RegressionMetrics::new(1) };
        for (truth, predicted) in pairs {
            if truth.is_finite() && predicted.is_finite() {
                found.metrics.add(&[truth], &[predicted]);
                found.pairs.push((f64::from(truth), f64::from(predicted)));
            } else {
                found.left_out += 1;
            }
        }
        found
    }

    /// Draws predictions against true values, with the line on which perfect predictions lie.
    ///
    /// Both axes have the same range, so the distance to the line is the error.
    pub fn against_truth(&self) -> Picture {
        let drawn = self.sample();
        let Some(range) = axis::range(drawn.iter().flat_map(|pair| [&pair.0, &pair.1])) else {
            return self.nothing();
        };
        let axis = Axis::new(Kind::Linear, range, 7);
        let legend = [("rows", Sample::Dot(BLUE)), ("perfect prediction", Sample::Line(LINE))];
        let (x, y) = (format!("{}, true", self.target), format!("{}, predicted", self.target));
        let plot = Plot {
            title: self.title,
            result: &self.result(),
            subtitle: &self.subtitle(drawn.len()),
            legend: &legend,
            x: (&axis, &x),
            y: (&axis, &y),
            size: (440.0, 440.0),
            more: 0.0,
        };
        let (mut drawing, frame) = plot.begin();
        dots(&mut drawing, drawn.iter().map(|&(truth, predicted)| frame.at(truth, predicted)));
        // Above the dots, which would hide it.
        let (low, high) = axis.ends();
        drawing.line(vec![frame.at(low, low), frame.at(high, high)], LINE);
        Picture::new(drawing)
    }

    /// Draws what the predictions miss against the predictions: a model that has learned all there is leaves no pattern.
    pub fn residuals(&self) -> Picture {
        let drawn = self.sample();
        let rest: Vec<f64> = drawn.iter().map(|(truth, predicted)| truth - predicted).collect();
        let (Some(predicted), Some((low, high))) = (axis::range(drawn.iter().map(|pair| &pair.1)), axis::range(&rest))
        else {
            return self.nothing();
        };
        let x_axis = Axis::new(Kind::Linear, predicted, 8);
        let y_axis = Axis::new(Kind::Linear, (low.min(0.0), high.max(0.0)), 6);
        let legend = [("rows", Sample::Dot(BLUE)), ("perfect prediction", Sample::Line(LINE))];
        let (x, y) = (format!("{}, predicted", self.target), format!("{}, true − predicted", self.target));
        let plot = Plot {
            title: self.title,
            result: &self.result(),
            subtitle: &self.subtitle(drawn.len()),
            legend: &legend,
            x: (&x_axis, &x),
            y: (&y_axis, &y),
            size: (560.0, 340.0),
            more: 0.0,
        };
        let (mut drawing, frame) = plot.begin();
        dots(&mut drawing, drawn.iter().zip(&rest).map(|(pair, &rest)| frame.at(pair.1, rest)));
        let (left, right) = x_axis.ends();
        drawing.line(vec![frame.at(left, 0.0), frame.at(right, 0.0)], LINE);
        Picture::new(drawing)
    }

    fn sample(&self) -> Vec<(f64, f64)> {
        let count = self.pairs.len();
        match count {
            0..=MOST_POINTS => self.pairs.clone(),
            _ => (0..MOST_POINTS).map(|index| self.pairs[index * count / MOST_POINTS]).collect(),
        }
    }

    fn nothing(&self) -> Picture {
        Picture::note(self.title, "No pair of a true and a predicted number: nothing to draw.")
    }

    fn result(&self) -> String {
        let rmse = value_label(self.metrics.root_mean_squared_error());
        format!("RMSE {rmse}, R² {}", typeset(&format!("{:.3}", self.metrics.r2())))
    }

    fn subtitle(&self, drawn: usize) -> String {
        let (count, rows) = (|number: usize| count_label(number as u64), counted(self.pairs.len(), "row"));
        let mut text = format!("MAE {} · ", value_label(self.metrics.mean_absolute_error()));
        text += &match drawn == self.pairs.len() {
            true => rows,
            false => format!("{rows}, of which a sample of {} is drawn", count(drawn)),
        };
        if self.left_out > 0 {
            text += &format!(" · {} not finite", count(self.left_out));
        }
        text
    }
}

/// The more points, the more they cover each other.
fn dots(drawing: &mut Drawing, places: impl ExactSizeIterator<Item = (f32, f32)>) {
    let (radius, opacity) = match places.len() {
        0..=100 => (3.6, 0.75),
        101..=500 => (3.0, 0.6),
        _ => (2.4, 0.4),
    };
    for (x, y) in places {
        drawing.dot(x, y, radius, BLUE, opacity);
    }
}
