//! Fits a schema to a table: what its columns hold, what its target means.

use super::schema::{MISSING, decimal_comma, is_missing, number};
use super::table::Table;
use super::{Column, ColumnKind, DataOptions, Missing, Schema, Task};
use crate::error::{DataError, shown};
use std::collections::{BTreeSet, HashSet};

impl Schema {
    /// Fits a schema to a table: kinds of columns and names of classes from all rows, means and categories from the
    /// training rows only.
    pub(super) fn fit(
        table: &Table,
        target_index: usize,
        train: &[usize],
        options: &DataOptions,
    ) -> Result<Schema, DataError> {
        let target = table.columns()[target_index].clone();
        if table.columns().len() == 1 {
            return Err(DataError::NoFeatures { path: table.path(), target: shown(&target) });
        }
        let (task, classes) = fit_target(table, target_index, options)?;
        if options.missing == Missing::Reject {
            refuse_missing(table, target_index)?;
        }
        let columns = (0..table.columns().len())
            .filter(|&column| column != target_index)
            .map(|column| {
                let kind = fit_column(table, column, train, options.max_categories)?;
                Ok(Column { name: table.columns()[column].clone(), kind })
            })
            .collect::<Result<_, DataError>>()?;
        Ok(Schema { columns, target, target_index, task, classes, missing: options.missing })
    }
}

/// What a column holds, from one look at all its fields.
struct Scan {
    present: usize,
    numbers: usize,
    /// Texts that would be numbers if their comma were a point, and the first of them.
    with_comma: usize,
    first_with_comma: Option<usize>,
    whole: bool,
    first_text: Option<usize>,
}

impl Scan {
    /// Looks at a column; a number that f32 cannot hold is refused if the column is otherwise one of numbers.
    fn of(table: &Table, column: usize) -> Result<Scan, DataError> {
        let mut scan =
            Scan { present: 0, numbers: 0, with_comma: 0, first_with_comma: None, whole: true, first_text: None };
        let mut first_infinite = None;
        for row in 0..table.len() {
            let field = table.cell(row, column);
            if is_missing(field) {
                continue;
            }
            scan.present += 1;
            match field.parse::<f64>() {
                Ok(value) => {
                    scan.numbers += 1;
                    scan.whole &= value.fract() == 0.0;
                    if !(value as f32).is_finite() {
                        first_infinite.get_or_insert(row);
                    }
                }
                Err(_) => {
                    scan.first_text.get_or_insert(row);
                    if decimal_comma(field) {
                        scan.with_comma += 1;
                        scan.first_with_comma.get_or_insert(row);
                    }
                }
            }
        }
        match first_infinite {
            Some(row) if scan.first_text.is_none() => Err(DataError::NotFinite {
                place: table.place(row),
                column: shown(&table.columns()[column]),
                value: shown(table.cell(row, column)),
            }),
            _ => Ok(scan),
        }
    }

    /// Refuses what looks like numbers gone wrong, and not like categories: a column mostly of numbers with a comma, or
    /// one of many distinct numbers with a few texts.
    fn refuse_slips(&self, table: &Table, column: usize, distinct: usize) -> Result<(), DataError> {
        if let Some(row) = self.first_with_comma.filter(|_| self.with_comma * 2 > self.present) {
            number(&table.place(row), &table.columns()[column], table.cell(row, column))?;
        }
        match self.first_text {
            Some(row) if distinct > FEW && self.numbers * 10 >= self.present * 9 => {
                let hint = "; nearly all other values of this column are numbers: mend this one, or leave it empty";
                let (column, value) = (shown(&table.columns()[column]), shown(table.cell(row, column)));
                Err(DataError::NotANumber { place: table.place(row), column, value, hint })
            }
            _ => Ok(()),
        }
    }
}

/// The most distinct whole numbers that are always taken for classes.
const FEW: usize = 20;

fn fit_target(table: &Table, column: usize, options: &DataOptions) -> Result<(Task, Vec<String>), DataError> {
    let name = || shown(&table.columns()[column]);
    if let Some(row) = (0..table.len()).find(|&row| is_missing(table.cell(row, column))) {
        return Err(DataError::MissingTarget { place: table.place(row), column: name() });
    }
    let scan = Scan::of(table, column)?;
    let texts: HashSet<&str> = (0..table.len()).map(|row| table.cell(row, column)).collect();
    let classes = class_names(&texts, scan.first_text.is_none());
    let task = match (options.task, scan.first_text) {
        (Some(Task::Regression), Some(row)) => {
            number(&table.place(row), &name(), table.cell(row, column))?;
            Task::Regression
        }
        (Some(task), _) => task,
        (None, Some(_)) => {
            scan.refuse_slips(table, column, classes.len())?;
            Task::Classification
        }
        (None, None) => {
            let few = FEW.max((table.len() / 100).min(100));
            let repeats = classes.len() * 2 <= table.len();
            if scan.whole && classes.len() <= few && repeats { Task::Classification } else { Task::Regression }
        }
    };
    if task == Task::Regression {
        return Ok((task, Vec::new()));
    }
    match classes.as_slice() {
        [class] => Err(DataError::OneClass { path: table.path(), column: name(), class: shown(class) }),
        _ if classes.len() > options.max_categories => {
            Err(too_many(table, column, classes.len(), options.max_categories, &classes[0]))
        }
        _ => Ok((task, classes)),
    }
}

/// Names of classes: numbers in their order, written one way (`1` for `1.0`); or words in that of the alphabet.
fn class_names(texts: &HashSet<&str>, numbers: bool) -> Vec<String> {
    let mut names: Vec<String> = texts.iter().map(|text| text.to_string()).collect();
    if numbers {
        // Adding zero turns -0 into 0.
        let mut values: Vec<f64> =
            names.iter().map(|text| text.parse::<f64>().expect("the scan read it") + 0.0).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        return values.iter().map(f64::to_string).collect();
    }
    names.sort();
    names
}

fn fit_column(table: &Table, column: usize, train: &[usize], limit: usize) -> Result<ColumnKind, DataError> {
    let scan = Scan::of(table, column)?;
    let fields = || train.iter().map(|&row| table.cell(row, column));
    if scan.first_text.is_none() {
        let (sum, count) = fields().filter(|field| !is_missing(field)).fold((0f64, 0f64), |(sum, count), field| {
            (sum + field.parse::<f64>().expect("the scan read it"), count + 1.0)
        });
        return Ok(ColumnKind::Number { mean: if count > 0.0 { (sum / count) as f32 } else { 0.0 } });
    }
    let texts: BTreeSet<&str> = fields().map(|field| if is_missing(field) { MISSING } else { field }).collect();
    scan.refuse_slips(table, column, texts.len())?;
    if texts.len() > limit {
        let example = texts.first().copied().unwrap_or_default();
        return Err(too_many(table, column, texts.len(), limit, example));
    }
    Ok(ColumnKind::Category { categories: texts.into_iter().map(str::to_string).collect() })
}

fn too_many(table: &Table, column: usize, count: usize, limit: usize, example: &str) -> DataError {
    DataError::TooManyCategories {
        path: table.path(),
        column: shown(&table.columns()[column]),
        count,
        limit,
        example: shown(example),
    }
}

fn refuse_missing(table: &Table, target: usize) -> Result<(), DataError> {
    let cells = (0..table.len()).flat_map(|row| (0..table.columns().len()).map(move |column| (row, column)));
    let mut missing = cells.filter(|&(row, column)| column != target && is_missing(table.cell(row, column)));
    match missing.next() {
        None => Ok(()),
        Some((row, column)) => Err(DataError::MissingValues {
            place: table.place(row),
            column: shown(&table.columns()[column]),
            count: 1 + missing.count(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_decimal_commas_is_refused() {
        let table =
            Table::parse("t.csv", "a;b;y\n1,5;1;u\n2,5;\"1,2\";v\n3;2;u\n", &Default::default()).expect("is read");
        let text = Schema::fit(&table, 2, &[0, 1, 2], &DataOptions::default()).expect_err("is refused").to_string();
        assert_eq!(text, "t.csv, line 2, column \"a\": expected a number, got \"1,5\"; write decimals with a point");
    }
}
