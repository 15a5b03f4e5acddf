//! The comparisons of the table: the sides of a row in turn, several times.

use super::engines::{Answer, Engines, Measured, least, median};
use super::table::{Row, Side};
use crate::error::TaskError;
use std::fmt::Write;

/// All measurements of one side.
#[derive(Clone, Debug)]
pub struct Series {
    /// What was run.
    pub side: Side,
    /// In the order of the rounds; fewer where it failed.
    pub measured: Vec<Measured>,
    /// Why it has no more.
    pub failure: Option<String>,
}

impl Series {
    fn new(side: &Side) -> Series {
        Series { side: side.clone(), measured: Vec::new(), failure: None }
    }

    /// The median of the medians, in microseconds.
    pub fn median(&self) -> f64 {
        median(&self.measured.iter().map(|one| one.median_us).collect::<Vec<_>>())
    }

    /// The shortest call of all.
    pub fn least(&self) -> f64 {
        least(&self.measured.iter().map(|one| one.min_us).collect::<Vec<_>>())
    }

    /// Median and shortest time; for training the same as samples a second.
    pub fn shown(&self) -> String {
        let Some(first) = self.measured.first() else {
            return "–".to_string();
        };
        match first.samples_per_second {
            Some(rate) => {
                let rows = rate * first.median_us;
                format!("{:.0} / {:.0} samples/s", rows / self.median(), rows / self.least())
            }
            None => format!("{:.1} / {:.1}", self.median(), self.least()),
        }
    }
}

/// What a row gave.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The row.
    pub row: Row,
    /// Our side.
    pub ours: Series,
    /// The others.
    pub theirs: Vec<Series>,
}

/// Ratios to the best other side, and whether they suffice.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Which one was the best.
    pub best: usize,
    /// Of the medians.
    pub medians: f64,
    /// Of the shortest times.
    pub minima: f64,
    /// Whether the ratio of the medians is at least the bar.
    pub reached: bool,
}

impl Compared {
    /// `None` where one side has no time.
    pub fn verdict(&self) -> Option<Verdict> {
        if self.ours.measured.is_empty() {
            return None;
        }
        let there = self.theirs.iter().enumerate().filter(|(_, series)| !series.measured.is_empty());
        let (best, series) = there.min_by(|(_, a), (_, b)| a.median().total_cmp(&b.median()))?;
        let minima = least(&self.theirs.iter().map(Series::least).collect::<Vec<_>>()) / self.ours.least();
        let medians = series.median() / self.ours.median();
        Some(Verdict { best, medians, minima, reached: medians >= self.row.bar })
    }

    /// Our times, theirs with the best one marked, ratios, bar and whether it is reached: the cells of a table.
    pub fn cells(&self) -> [String; 7] {
        let verdict = self.verdict();
        let theirs: Vec<String> = self
            .theirs
            .iter()
            .enumerate()
            .map(|(index, series)| {
                let mark = if verdict.is_some_and(|verdict| verdict.best == index) { "*" } else { "" };
                format!("{}{mark} {}", series.side.name, series.shown())
            })
            .collect();
        let ratio = |value: Option<f64>| value.map_or("–".to_string(), |value| format!("{value:.2}"));
        [
            self.row.name.clone(),
            self.ours.shown(),
            theirs.join(", "),
            ratio(verdict.map(|verdict| verdict.medians)),
            ratio(verdict.map(|verdict| verdict.minima)),
            format!("{:.2}", self.row.bar),
            match verdict {
                Some(verdict) if verdict.reached => "yes".to_string(),
                Some(verdict) if verdict.minima >= self.row.bar => "no (minima: yes)".to_string(),
                Some(_) => "no".to_string(),
                None => self.failures().first().cloned().unwrap_or_else(|| "not measured".to_string()),
            },
        ]
    }

    /// What could not be measured, and why.
    pub fn failures(&self) -> Vec<String> {
        let all = std::iter::once(&self.ours).chain(&self.theirs);
        all.filter_map(|series| Some(format!("{}: {}", series.side.name, series.failure.as_ref()?))).collect()
    }
}

/// Measures one row: all sides in turn, `pairs` times. What our build lacks is said, and the others are not run.
pub fn compare(row: &Row, engines: &Engines, pairs: usize) -> Result<Compared, TaskError> {
    let mut compared = Compared {
        row: row.clone(),
        ours: Series::new(&row.ours),
        theirs: row.theirs.iter().map(Series::new).collect(),
    };
    for _ in 0..pairs {
        for series in std::iter::once(&mut compared.ours).chain(&mut compared.theirs) {
            if series.failure.is_some() {
                continue;
            }
            match engines.measure(&series.side, row.trains)? {
                Answer::Measured(measured) => series.measured.push(measured),
                Answer::NotBuilt(_) => {
                    series.failure = Some("not available in this build".to_string());
                    return Ok(compared);
                }
                Answer::Failed(why) => series.failure = Some(why.replace('\n', " ")),
            }
        }
    }
    Ok(compared)
}

/// A table in Markdown that also lines up where it is shown as text.
pub fn markdown<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = header.map(|title| title.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |cells: &[String; N]| {
        for (cell, width) in cells.iter().zip(widths) {
            write!(text, "| {cell:<width$} ").expect("a string takes all");
        }
        text.push_str("|\n");
    };
    line(&header.map(str::to_string));
    line(&std::array::from_fn(|index| "-".repeat(widths[index])));
    rows.iter().for_each(line);
    text
}

#[cfg(test)]
mod tests {
    use super::super::table::rows;
    use super::*;

    fn series(side: &Side, times: &[(f64, f64)]) -> Series {
        let measured = |&(median_us, min_us)| Measured { median_us, min_us, samples_per_second: None };
        Series { measured: times.iter().map(measured).collect(), ..Series::new(side) }
    }

    #[test]
    fn the_best_other_side_counts() {
        let row = rows().remove(0);
        let compared = Compared {
            ours: series(&row.ours, &[(4.0, 2.0), (5.0, 3.0), (90.0, 3.0)]),
            theirs: vec![series(&row.theirs[0], &[(20.0, 9.0)]), series(&row.theirs[1], &[(11.0, 10.0), (9.0, 8.0)])],
            row,
        };
        let verdict = compared.verdict().expect("both sides were measured");
        assert_eq!((verdict.best, verdict.medians, verdict.minima, verdict.reached), (1, 2.0, 4.0, true));
        assert!(compared.cells()[2].contains("ort* 10.0 / 8.0"), "{:?}", compared.cells());
    }

    #[test]
    fn a_side_without_times_gives_no_verdict() {
        let row = rows().remove(0);
        let mut ours = Series::new(&row.ours);
        ours.failure = Some("not there".to_string());
        let theirs = vec![series(&row.theirs[0], &[(1.0, 1.0)])];
        let compared = Compared { row, ours, theirs };
        assert!(compared.verdict().is_none());
        assert_eq!(compared.cells()[6], "plexus: not there");
    }

    #[test]
    fn tables_line_up() {
        let text = markdown(["a", "bb"], &[["ccc".to_string(), "→".to_string()]]);
        assert_eq!(text, "| a   | bb |\n| --- | -- |\n| ccc | →  |\n");
    }
}
