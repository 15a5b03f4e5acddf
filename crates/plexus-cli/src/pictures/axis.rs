//! Axes: which range, which ticks, where a value stands; and the frame that two axes make.

use super::drawing::{AXIS, Anchor, Drawing, GRID, INK, MUTED};
use super::{SMALL, font};

/// Beyond this a value is treated like infinity: differences of such values overflow.
const HUGE: f64 = 1e250;
/// A logarithmic axis is used where the largest value is more than this many times the smallest.
const LOG_RATIO: f64 = 50.0;

/// Tells whether a value can be drawn.
pub(super) fn is_drawable(value: f64) -> bool {
    value.abs() < HUGE
}

/// Finds the smallest and the largest drawable value.
pub(super) fn range<'a>(values: impl IntoIterator<Item = &'a f64>) -> Option<(f64, f64)> {
    (values.into_iter().copied().filter(|&value| is_drawable(value)))
        .map(|value| (value, value))
        .reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))
}

/// What the values on an axis are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Any number; logarithmic where the values are positive and far apart.
    Number,
    /// Any number, on a linear axis whose range is not rounded.
    Linear,
    /// Shares in percent: stays within 0..=100 and is never logarithmic.
    Percent,
    /// A count such as epochs: the range is not rounded, no ticks between whole numbers.
    Count,
}

/// A range of values with its ticks.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    is_log: bool,
    /// Values with a label.
    pub ticks: Vec<(f64, String)>,
    /// Values with a grid line only.
    pub minor: Vec<f64>,
}

impl Axis {
    /// Makes an axis for values from `low` to `high` with about `count` ticks.
    pub(super) fn new(kind: Kind, (low, high): (f64, f64), count: usize) -> Self {
        if kind == Kind::Number && low > 0.0 && high / low > LOG_RATIO {
            Self::log(low, high)
        } else {
            Self::linear(kind, low, high, count)
        }
    }

    /// Makes an axis for shares, from 0 to 1.
    pub(super) fn share() -> Self {
        let ticks =
            (0..=5).map(|fifth| f64::from(fifth) / 5.0).map(|value| (value, tick_label(value, 0.1, 1.0))).collect();
        Self { low: 0.0, high: 1.0, is_log: false, ticks, minor: Vec::new() }
    }

    fn linear(kind: Kind, mut low: f64, mut high: f64, count: usize) -> Self {
        let (least, most) = (low, high);
        let mut first_label = None;
        if high - low <= 1e-9 * high.abs().max(low.abs()) {
            // One value: give it some room on either side.
            let room = match kind {
                Kind::Count => 0.5,
                Kind::Percent => 1.0,
                _ if high == 0.0 => 1.0,
                _ => 0.1 * high.abs(),
            };
            (low, high) = (low - room, high + room);
        } else {
            // Dots at the ends should not touch the frame.
            let share = if kind == Kind::Count { 0.02 } else { 0.04 };
            let room = share * (high - low);
            (low, high) = (low - room, high + room);
            first_label = (kind == Kind::Count && least.fract() == 0.0).then_some(least);
        }
        match kind {
            Kind::Percent => (low, high) = (low.max(least.min(0.0)), high.min(most.max(100.0))),
            // Heights can be compared where the axis starts at zero.
            Kind::Number if least >= 0.0 && least < 0.4 * most => low = 0.0,
            _ => {}
        }
        let span = if kind == Kind::Count && most > least { most - least } else { high - low };
        let mut step = nice_step(span / count as f64);
        match kind {
            Kind::Count => step = step.max(1.0),
            Kind::Linear => {}
            _ => (low, high) = ((low / step).floor() * step, (high / step).ceil() * step),
        }
        let first = (low / step - 1e-6).ceil();
        let last = (high / step + 1e-6).floor();
        let largest = high.abs().max(low.abs());
        let mut ticks: Vec<(f64, String)> = (0..=(last - first).max(0.0) as usize)
            // Adding zero turns -0 into 0.
            .map(|index| (first + index as f64) * step + 0.0)
            .filter(|value| kind != Kind::Count || (least..=most).contains(value))
            .map(|value| (value, tick_label(value, step, largest)))
            .collect();
        // Counting starts at one, where a round step has no tick.
        if let Some(least) = first_label
            && ticks.first().is_none_or(|tick| tick.0 - least > 0.4 * step)
        {
            ticks.insert(0, (least, tick_label(least, 1.0, largest)));
        }
        Self { low, high, is_log: false, ticks, minor: Vec::new() }
    }

    fn log(low: f64, high: f64) -> Self {
        let decade = |exponent: f64| 10f64.powf(exponent);
        let (first, last) = (low.log10().floor(), high.log10().ceil());
        // The range ends at a round number: 1, 2 or 5 times a power of ten.
        let round = |value: f64, exponent: f64, up: bool| {
            let mut steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * decade(exponent));
            if up {
                steps.into_iter().find(|&step| step >= value * (1.0 - 1e-9))
            } else {
                steps.reverse();
                steps.into_iter().find(|&step| step <= value * (1.0 + 1e-9))
            }
            .unwrap_or(value)
        };
        let (low, high) = (round(low, first, false), round(high, last - 1.0, true));
        let inside = |value: &f64| *value >= low * (1.0 - 1e-9) && *value <= high * (1.0 + 1e-9);
        let decades = last - first;
        let every = (decades / 8.0).ceil() as usize;
        let powers: Vec<f64> =
            (0..=decades as usize).step_by(every.max(1)).map(|index| decade(first + index as f64)).collect();
        let times =
            |digits: &'static [f64]| powers.iter().flat_map(move |power| digits.iter().map(move |digit| digit * power));
        let labelled: &[f64] = if decades <= 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let between: &[f64] = match every {
            0 | 1 => &[2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
            _ => &[],
        };
        let ticks: Vec<(f64, String)> =
            (times(labelled).filter(inside)).map(|value| (value, tick_label(value, value, value))).collect();
        let minor = times(between).filter(inside).collect();
        Self { low, high, is_log: true, ticks, minor }
    }

    /// Returns the lowest and the highest value.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Returns where a value stands: 0 at the low end, 1 at the high end.
    pub(super) fn place(&self, value: f64) -> f32 {
        let (low, high, value) = match self.is_log {
            true => (self.low.ln(), self.high.ln(), value.ln()),
            false => (self.low, self.high, value),
        };
        ((value - low) / (high - low)) as f32
    }

    /// Returns the width of the widest tick label in points.
    pub(super) fn label_width(&self) -> f32 {
        font::widest(self.ticks.iter().map(|tick| tick.1.as_str()), SMALL)
    }
}

/// Rounds a distance up to 1, 2 or 5 times a power of ten.
fn nice_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let factor = match rough / power {
        ratio if ratio <= 1.0 + 1e-9 => 1.0,
        ratio if ratio <= 2.0 + 1e-9 => 2.0,
        ratio if ratio <= 5.0 + 1e-9 => 5.0,
        _ => 10.0,
    };
    factor * power
}

/// Writes a tick with as many decimals as its distance to the next one needs, and all ticks of an axis alike.
fn tick_label(value: f64, step: f64, largest: f64) -> String {
    let few_digits = largest < 1000.0 * step;
    let is_large = largest >= 1e12 || (largest >= 1e7 && few_digits);
    let is_tiny = largest < 9.9e-4 && step < 9.9e-5;
    if value == 0.0 {
        "0".to_owned()
    } else if is_large || is_tiny {
        let digits = (value.abs().log10().floor() - step.log10().floor()).clamp(0.0, 9.0);
        typeset(&format!("{value:.*e}", digits as usize))
    } else {
        let decimals = (-(step.log10() + 1e-9).floor()).clamp(0.0, 9.0);
        grouped(&format!("{value:.*}", decimals as usize))
    }
}

/// Writes a value with four significant digits, and whole thousands in full.
pub(super) fn value_label(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e6).contains(&value.abs()) {
        typeset(&format!("{value:.2e}"))
    } else {
        let decimals = (3.0 - value.abs().log10().floor()).clamp(0.0, 6.0);
        grouped(&format!("{value:.*}", decimals as usize))
    }
}

/// Writes a count with a thin space between groups of three digits.
pub(super) fn count_label(count: u64) -> String {
    grouped(&count.to_string())
}

/// Writes a count of rows or columns with its word: `1 row`, `2 rows`.
pub(super) fn counted(count: usize, word: &str) -> String {
    format!("{} {word}{}", count_label(count as u64), if count == 1 { "" } else { "s" })
}

/// Puts thin spaces into the part of a number before the point, and a minus sign before it.
fn grouped(number: &str) -> String {
    let whole = number.split('.').next().unwrap_or(number);
    let digits = whole.trim_start_matches('-').len();
    let mut text = String::new();
    for (index, letter) in number.chars().enumerate() {
        let place = index as isize - (whole.len() - digits) as isize;
        // Four digits are read at a glance.
        if place > 0 && index < whole.len() && (digits - place as usize).is_multiple_of(3) && digits > 4 {
            text.push('\u{2009}');
        }
        text.push(letter);
    }
    typeset(&text)
}

/// Replaces the hyphen of a negative number by a minus sign.
pub(super) fn typeset(text: &str) -> String {
    text.replace('-', "−")
}

/// The area that two axes span, in points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub left: f32,
    pub top: f32,
    pub width: f32,
    pub height: f32,
    pub x: &'a Axis,
    pub y: &'a Axis,
}

impl Frame<'_> {
    /// Returns where a pair of values stands.
    pub(super) fn at(&self, x: f64, y: f64) -> (f32, f32) {
        (self.left + self.x.place(x) * self.width, self.top + (1.0 - self.y.place(y)) * self.height)
    }

    /// Draws grid, axes, ticks and labels; they need [`left_margin`] and 46 points below.
    pub(super) fn draw(&self, drawing: &mut Drawing, x_label: &str, y_label: &str) {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        let pale = super::drawing::PAGE.mix(GRID, 0.55);
        let across = |drawing: &mut Drawing, value: f64, color| {
            let y = self.top + (1.0 - self.y.place(value)) * self.height;
            drawing.rule((self.left, y), (right, y), color);
            y
        };
        let up = |drawing: &mut Drawing, value: f64, color| {
            let x = self.left + self.x.place(value) * self.width;
            drawing.rule((x, self.top), (x, bottom), color);
            x
        };
        for &value in &self.y.minor {
            across(drawing, value, pale);
        }
        for &value in &self.x.minor {
            up(drawing, value, pale);
        }
        for (value, label) in &self.y.ticks {
            let y = across(drawing, *value, GRID);
            let baseline = y + SMALL * font::HALF_DIGIT;
            drawing.text(self.left - 8.0, baseline, SMALL, Anchor::End, MUTED, label);
        }
        let mut free_from = f32::NEG_INFINITY;
        for (value, label) in &self.x.ticks {
            let x = up(drawing, *value, GRID);
            let half = 0.5 * font::width(label, SMALL);
            if x - half >= free_from {
                drawing.text(x, bottom + 18.0, SMALL, Anchor::Middle, MUTED, label);
                free_from = x + half + 6.0;
            }
        }
        drawing.rule((self.left, bottom), (right, bottom), AXIS);
        drawing.rule((self.left, self.top), (self.left, bottom), AXIS);
        let middle = self.left + 0.5 * self.width;
        let x_label = font::shorten(x_label, 13.0, self.width);
        drawing.text(middle, bottom + 40.0, 13.0, Anchor::Middle, INK, &x_label);
        let middle = self.top + 0.5 * self.height;
        let y_label = font::shorten(y_label, 13.0, self.height);
        let x = self.left - 8.0 - self.y.label_width() - 12.0;
        drawing.turned(x, middle, 13.0, Anchor::Middle, INK, &y_label, -90.0);
    }
}

/// Room that [`Frame::draw`] takes to the left of a frame.
pub(super) fn left_margin(y: &Axis) -> f32 {
    8.0 + y.label_width() + 12.0 + 14.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(kind: Kind, low: f64, high: f64) -> Vec<String> {
        let axis = Axis::new(kind, (low, high), 5);
        axis.ticks.into_iter().map(|tick| tick.1).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(Kind::Number, 0.03, 0.41), ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(labels(Kind::Percent, 91.2, 99.6), ["90", "92", "94", "96", "98", "100"]);
        assert_eq!(labels(Kind::Count, 1.0, 3.0), ["1", "2", "3"]);
        assert_eq!(labels(Kind::Count, 1.0, 1000.0), ["1", "200", "400", "600", "800", "1000"]);
        assert_eq!(labels(Kind::Number, -3.0, 3.5), ["−4", "−2", "0", "2", "4"]);
    }

    #[test]
    fn ticks_of_an_axis_are_written_alike() {
        assert_eq!(labels(Kind::Linear, 0.0, 2e5)[1], "50\u{2009}000");
        let far = labels(Kind::Linear, 999_990.0, 1_000_010.0);
        assert_eq!((far[0].as_str(), far[2].as_str()), ("999\u{2009}990", "1\u{2009}000\u{2009}000"));
        assert_eq!(labels(Kind::Linear, 0.0, 4e7), ["0", "1e7", "2e7", "3e7", "4e7"]);
        assert_eq!(labels(Kind::Linear, 0.0, 2e-4), ["0", "5e−5", "1.0e−4", "1.5e−4", "2.0e−4"]);
        assert_eq!(labels(Kind::Linear, -4e-4, 4e-4), ["−0.0004", "−0.0002", "0", "0.0002", "0.0004"]);
    }

    #[test]
    fn values_far_apart_make_a_logarithmic_axis() {
        assert_eq!(labels(Kind::Number, 0.02, 2.0), ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]);
        let axis = Axis::new(Kind::Number, (2e-5, 3.0), 5);
        assert!(axis.is_log);
        assert_eq!(axis.ticks[0].1, "0.0001");
        let tiny = Axis::new(Kind::Number, (2e-8, 3e-2), 5);
        assert_eq!(tiny.ticks[0].1, "1e−7");
        assert!((axis.place(2e-5)).abs() < 1e-5 && axis.place(5.0) > 0.999);
        assert!(Axis::new(Kind::Number, (1e-200, 1e200), 5).ticks.len() < 12);
    }

    #[test]
    fn odd_ranges_give_finite_places() {
        for kind in [Kind::Number, Kind::Percent, Kind::Count] {
            for (low, high) in [(0.0, 0.0), (5.0, 5.0), (1e-300, 1e-300), (-1e249, 1e249), (100.0, 100.0)] {
                let axis = Axis::new(kind, (low, high), 5);
                if kind == Kind::Percent && !(0.0..=100.0).contains(&low) {
                    continue;
                }
                assert!(axis.place(low).is_finite(), "{kind:?} {low} {high}");
                assert!(axis.ticks.len() < 30);
            }
        }
    }

    #[test]
    fn values_have_four_digits() {
        assert_eq!(value_label(0.071_234), "0.07123");
        assert_eq!(value_label(97.834), "97.83");
        assert_eq!(value_label(0.004_810_9), "0.004811");
        assert_eq!(value_label(1234.5), "1234");
        assert_eq!(value_label(-1.5e-6), "−1.50e−6");
        assert_eq!(value_label(-18_989.4), "−18\u{2009}989");
        assert_eq!(counted(1, "row") + &counted(2, "column"), "1 row2 columns");
        assert_eq!(count_label(9783), "9783");
        assert_eq!(count_label(1_234_567), "1\u{2009}234\u{2009}567");
    }
}
