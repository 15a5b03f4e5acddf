//! Columns that give the target away: usually they were written down after the answer was known.

use super::table::Table;
use super::text::{MissingTokens, undressed};
use std::collections::HashMap;

/// The most rows that are looked at; a warning needs no more.
const SAMPLE: usize = 2000;

/// Fewer rows are told apart by chance.
const FEWEST: usize = 20;

/// Some rows with their targets, to hold columns against.
pub(super) struct Leaks<'a> {
    table: &'a Table,
    tokens: &'a MissingTokens,
    rows: Vec<usize>,
    answers: Answers,
}

enum Answers {
    Classes { of_row: Vec<usize>, count: usize },
    Numbers(Vec<f64>),
}

impl<'a> Leaks<'a> {
    /// Takes up to two thousand rows, evenly spread.
    pub(super) fn new(
        table: &'a Table,
        target: usize,
        is_class: bool,
        train: &[usize],
        tokens: &'a MissingTokens,
    ) -> Leaks<'a> {
        let step = train.len().div_ceil(SAMPLE).max(1);
        let rows: Vec<usize> = train.iter().copied().step_by(step).collect();
        let answers = if is_class {
            let mut names = HashMap::new();
            let of_row = rows.iter().map(|&row| {
                let next = names.len();
                *names.entry(table.cell(row, target)).or_insert(next)
            });
            let of_row = of_row.collect();
            Answers::Classes { of_row, count: names.len() }
        } else {
            Answers::Numbers(rows.iter().map(|&row| undressed(table.cell(row, target)).unwrap_or(f64::NAN)).collect())
        };
        Leaks { table, tokens, rows, answers }
    }

    /// What to say of a column that alone gives the target away.
    pub(super) fn of(&self, column: usize, is_number: bool) -> Option<&'static str> {
        let field = |index: usize| self.table.cell(self.rows[index], column);
        let present: Vec<usize> = (0..self.rows.len()).filter(|&index| !self.tokens.is_missing(field(index))).collect();
        if present.len() < FEWEST || present.len() * 10 < self.rows.len() * 9 {
            return None;
        }
        match (&self.answers, is_number) {
            (Answers::Classes { of_row, count }, _) if *count > 1 && varied(&present, of_row, *count) => {
                let groups = groups(present.iter().map(|&index| (field(index), of_row[index])));
                let pure = groups.values().all(|classes| classes.iter().all(|class| *class == classes[0]));
                let told = if pure && groups.len() * 4 <= present.len() {
                    true
                } else if is_number {
                    let mut order: Vec<(f64, usize)> =
                        present.iter().filter_map(|&index| Some((undressed(field(index))?, of_row[index]))).collect();
                    order.sort_by(|a, b| a.0.total_cmp(&b.0));
                    let changes = order.windows(2).filter(|pair| pair[0].1 != pair[1].1);
                    pure && changes.count() + 1 == *count
                } else {
                    false
                };
                told.then_some("alone tells all classes apart")
            }
            (Answers::Numbers(values), true) => {
                let pairs = present.iter().filter_map(|&index| Some((undressed(field(index))?, values[index])));
                let r = correlation(&pairs.collect::<Vec<_>>());
                (r.abs() > 0.99999).then_some("is the target in another unit")
            }
            (Answers::Numbers(values), false) => {
                let groups = groups(present.iter().map(|&index| (field(index), values[index])));
                if groups.len() < 2 || groups.len() * 4 > present.len() {
                    return None;
                }
                let all: Vec<f64> = present.iter().map(|&index| values[index]).collect();
                let within: f64 = groups.values().map(|values| spread(values)).sum();
                (within <= 1e-9 * spread(&all)).then_some("alone tells the target")
            }
            _ => None,
        }
    }
}

/// Whether no class has nearly all rows.
fn varied(present: &[usize], of_row: &[usize], count: usize) -> bool {
    let mut counts = vec![0; count];
    present.iter().for_each(|&index| counts[of_row[index]] += 1);
    counts.iter().max().is_some_and(|most| most * 50 <= present.len() * 49)
}

fn groups<'a, T>(pairs: impl Iterator<Item = (&'a str, T)>) -> HashMap<&'a str, Vec<T>> {
    let mut groups: HashMap<&str, Vec<T>> = HashMap::new();
    pairs.for_each(|(key, value)| groups.entry(key).or_default().push(value));
    groups
}

/// The sum of squared distances from the mean.
fn spread(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// Pearson's correlation; 0.0 where one side is constant.
fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len() as f64;
    let (mean_x, mean_y) =
        (pairs.iter().map(|pair| pair.0).sum::<f64>() / count, pairs.iter().map(|pair| pair.1).sum::<f64>() / count);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for &(x, y) in pairs {
        xx += (x - mean_x).powi(2);
        yy += (y - mean_y).powi(2);
        xy += (x - mean_x) * (y - mean_y);
    }
    let r = xy / (xx * yy).sqrt();
    if r.is_finite() { r } else { 0.0 }
}
