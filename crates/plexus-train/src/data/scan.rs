//! What one column of a table holds, from one look at all its fields.

use super::table::Table;
use super::text::{MissingTokens, decimal_comma, number, undressed};
use crate::error::{DataError, shown};
use std::collections::BTreeMap;

/// The rows that count, and which of them are learnt from.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// All rows with a target, in the order of the file.
    pub(super) all: &'a [usize],
    /// Of each row of the table, whether it is learnt from.
    pub(super) is_train: &'a [bool],
}

/// A column as it was found.
pub(super) struct Scan {
    pub(super) present: usize,
    pub(super) missing: usize,
    /// Fields that are plain numbers.
    pub(super) numbers: usize,
    /// Fields that are numbers with signs or thousands, as `$1.40`.
    dressed: usize,
    /// Texts that would be numbers if their comma were a point, and the first of them.
    with_comma: usize,
    first_with_comma: Option<usize>,
    /// The first row whose field is no plain number, and the first that is no number at all.
    pub(super) first_text: Option<usize>,
    first_word: Option<usize>,
    /// Whether all numbers are whole.
    pub(super) whole: bool,
    /// Whether each field is the number of the field before plus one.
    pub(super) counts_rows: bool,
    /// Whether all fields that hold something hold the same text.
    pub(super) constant: bool,
    /// The mean of the numbers in the rows that are learnt from.
    pub(super) mean: f32,
}

impl Scan {
    /// Looks at a column; a number that f32 cannot hold is refused if the column is otherwise one of numbers.
    pub(super) fn of(table: &Table, column: usize, rows: Rows<'_>, tokens: &MissingTokens) -> Result<Scan, DataError> {
        let mut scan = Scan {
            present: 0,
            missing: 0,
            numbers: 0,
            dressed: 0,
            with_comma: 0,
            first_with_comma: None,
            first_text: None,
            first_word: None,
            whole: true,
            counts_rows: true,
            constant: true,
            mean: 0.0,
        };
        let (mut first, mut previous, mut first_infinite) = (None, None::<f64>, None);
        let (mut sum, mut summed) = (0f64, 0usize);
        for &row in rows.all {
            let field = table.cell(row, column);
            if tokens.is_missing(field) {
                scan.missing += 1;
                continue;
            }
            scan.present += 1;
            scan.constant = scan.constant && *first.get_or_insert(field) == field;
            let plain = field.parse::<f64>().ok();
            let value = plain.or_else(|| {
                scan.first_text.get_or_insert(row);
                if decimal_comma(field) {
                    scan.with_comma += 1;
                    scan.first_with_comma.get_or_insert(row);
                }
                undressed(field)
            });
            let Some(value) = value else {
                scan.first_word.get_or_insert(row);
                scan.counts_rows = false;
                continue;
            };
            scan.numbers += usize::from(plain.is_some());
            scan.dressed += usize::from(plain.is_none());
            scan.whole &= value.fract() == 0.0;
            scan.counts_rows = scan.counts_rows && previous.is_none_or(|previous| value == previous + 1.0);
            previous = Some(value);
            if !(value as f32).is_finite() {
                first_infinite.get_or_insert(row);
            }
            if rows.is_train[row] {
                sum += value;
                summed += 1;
            }
        }
        scan.counts_rows &= scan.missing == 0 && scan.present > 2;
        if summed > 0 {
            scan.mean = (sum / summed as f64) as f32;
        }
        match first_infinite {
            Some(row) if scan.first_word.is_none() => Err(DataError::NotFinite {
                place: table.place(row),
                column: shown(&table.columns()[column]),
                value: shown(table.cell(row, column)),
            }),
            _ => Ok(scan),
        }
    }

    /// Whether every field is a number, though some are written with signs or thousands.
    pub(super) fn is_dressed(&self) -> bool {
        self.first_word.is_none() && self.dressed > 0
    }

    /// Whether every field is a plain number.
    pub(super) fn is_plain(&self) -> bool {
        self.first_text.is_none()
    }

    /// Refuses what looks like numbers gone wrong, and not like categories: a column mostly of numbers with a comma, or
    /// one of many distinct numbers with a few texts.
    pub(super) fn refuse_slips(&self, table: &Table, column: usize, distinct: usize) -> Result<(), DataError> {
        if let Some(row) = self.first_with_comma.filter(|_| self.with_comma * 2 > self.present) {
            number(&table.place(row), &table.columns()[column], table.cell(row, column), false)?;
        }
        let numbers = self.numbers + self.dressed;
        match self.first_word {
            Some(row) if distinct > FEW && numbers * 10 >= self.present * 9 => {
                let hint = "; nearly all other values of this column are numbers: mend this one, or leave it empty";
                let (column, value) = (shown(&table.columns()[column]), shown(table.cell(row, column)));
                Err(DataError::NotANumber { place: table.place(row), column, value, hint, may_be_missing: true })
            }
            _ => Ok(()),
        }
    }
}

/// The most distinct whole numbers that are always taken for classes, and the most distinct texts that are never taken
/// for names.
pub(super) const FEW: usize = 20;

/// The distinct texts of a column and how often each comes, in all rows and in those learnt from. Missing fields count
/// as `missing` where it is given.
pub(super) fn distinct<'a>(
    table: &'a Table,
    column: usize,
    rows: Rows<'_>,
    tokens: &MissingTokens,
    missing: Option<&'static str>,
) -> BTreeMap<&'a str, (usize, usize)> {
    let mut counts = std::collections::HashMap::<&str, (usize, usize)>::new();
    for &row in rows.all {
        let field = table.cell(row, column);
        let field = match missing {
            Some(word) if tokens.is_missing(field) => word,
            None if tokens.is_missing(field) => continue,
            _ => field,
        };
        let (all, train) = counts.entry(field).or_default();
        *all += 1;
        *train += usize::from(rows.is_train[row]);
    }
    counts.into_iter().collect()
}
