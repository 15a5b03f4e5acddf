//! Fits a schema to a table: which columns are used, what they hold, what the target means.

use super::leak::Leaks;
use super::report::{ColumnReport, FoundKind, Role, TableReport};
use super::scan::{FEW, Rows, Scan, distinct};
use super::schema::MISSING;
use super::table::Table;
use super::text::{DATE_FEATURES, DATE_FORMATS, MissingTokens, date, number};
use super::{Column, ColumnKind, DataOptions, Ignored, Missing, ReadAs, Reason, Schema, TargetColumn, TaskKind};
use crate::Remedy;
use crate::error::{DataError, listed, nearest, shown};
use std::collections::{BTreeMap, HashSet};

impl Schema {
    /// Fits a schema to a table: kinds of columns and names of classes from all rows, means and categories from the
    /// training rows only. `train` are the rows with a target that are learnt from, among those of `rows`.
    pub(super) fn fit(
        table: &Table,
        targets: &[usize],
        rows: Rows<'_>,
        train: &[usize],
        options: &DataOptions,
    ) -> Result<(Schema, TableReport), DataError> {
        if table.columns().len() == targets.len() {
            let names: Vec<String> = targets.iter().map(|&target| shown(&table.columns()[target])).collect();
            return Err(DataError::NoFeatures { path: table.path(), target: names.join(", ") });
        }
        let wishes = Wishes::of(table, targets, options)?;
        let tokens = options.tokens();
        let fitted = targets.iter().map(|&target| fit_target(table, target, rows, train, options));
        let (targets, target_reports): (Vec<TargetColumn>, Vec<ColumnReport>) =
            fitted.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let is_target = |column: usize| targets.iter().position(|target| target.index == column);
        if options.missing == Missing::Reject {
            let considered = |column: usize| is_target(column).is_none() && wishes.left_out(column).is_none();
            refuse_missing(table, rows, &tokens, considered)?;
        }
        let leaks = targets
            .iter()
            .map(|target| Leaks::new(table, target.index, target.task == TaskKind::Classification, train, &tokens));
        let fit = Fit { table, rows, options, leaks: leaks.collect(), tokens: &tokens };
        let (mut columns, mut ignored) = (Vec::new(), Vec::new());
        let mut report =
            TableReport { rows: table.len(), without_target: table.len() - rows.all.len(), ..Default::default() };
        for column in 0..table.columns().len() {
            if let Some(target) = is_target(column) {
                report.columns.push(target_reports[target].clone());
                continue;
            }
            let (kind, found) = match wishes.left_out(column) {
                Some(why) => (Use::LeaveOut(why), fit.glance(column)?),
                None => fit.column(column, wishes.read_as[column])?,
            };
            let name = table.columns()[column].clone();
            match kind {
                Use::Take(kind) => columns.push(Column { name, kind }),
                Use::LeaveOut(why) => ignored.push(Ignored { name, index: column, why }),
            }
            report.columns.push(found);
        }
        if columns.is_empty() {
            return Err(DataError::NothingLeft { path: table.path(), left_out: ignored });
        }
        Ok((Schema { columns, targets, missing: options.missing, ignored, tokens }, report))
    }
}

/// What the user said about columns, by their index.
struct Wishes {
    dropped: Vec<bool>,
    not_among_only: Vec<bool>,
    read_as: Vec<Option<ReadAs>>,
}

impl Wishes {
    fn of(table: &Table, targets: &[usize], options: &DataOptions) -> Result<Wishes, DataError> {
        let width = table.columns().len();
        let mut wishes = Wishes {
            dropped: vec![false; width],
            not_among_only: vec![!options.only.is_empty(); width],
            read_as: vec![None; width],
        };
        let find = |name: &str, option: &'static str, remedy: Option<Remedy>| {
            let index = find_named(table, name).ok_or_else(|| DataError::NamedColumn {
                path: table.path(),
                option,
                name: shown(name),
                suggestion: nearest(name, table.columns().iter().map(String::as_str)),
                columns: listed(table.columns().iter()),
            })?;
            if targets.contains(&index) {
                let got = format!("{name}, which is the target");
                return Err(DataError::BadOption { option, expected: "a column to predict from", got, remedy });
            }
            Ok(index)
        };
        for name in &options.drop {
            wishes.dropped[find(name, "drop", None)?] = true;
        }
        for name in &options.only {
            wishes.not_among_only[find(name, "only", None)?] = false;
        }
        for (name, read_as) in &options.read_as {
            // What the target is read as follows from the kind of answer.
            let remedy = match read_as {
                ReadAs::Number => Some(Remedy::Task(TaskKind::Regression)),
                ReadAs::Category => Some(Remedy::Task(TaskKind::Classification)),
                ReadAs::Date | ReadAs::TextIgnored => None,
            };
            wishes.read_as[find(name, "read_as", remedy)?] = Some(*read_as);
        }
        Ok(wishes)
    }

    fn left_out(&self, column: usize) -> Option<Reason> {
        match self.read_as[column] {
            _ if self.dropped[column] => Some(Reason::Dropped),
            _ if self.not_among_only[column] => Some(Reason::NotAmongOnly),
            Some(ReadAs::TextIgnored) => Some(Reason::TextIgnored),
            _ => None,
        }
    }
}

/// Finds a column by its name, else by its number from 1.
pub(super) fn find_named(table: &Table, name: &str) -> Option<usize> {
    let columns = table.columns();
    let name = name.trim();
    let by_number =
        || name.parse::<usize>().ok().filter(|number| (1..=columns.len()).contains(number)).map(|number| number - 1);
    columns.iter().position(|column| column == name).or_else(by_number)
}

/// What becomes of a column.
enum Use {
    Take(ColumnKind),
    LeaveOut(Reason),
}

/// What all columns are looked at with.
struct Fit<'a> {
    table: &'a Table,
    rows: Rows<'a>,
    options: &'a DataOptions,
    tokens: &'a MissingTokens,
    /// Of each target.
    leaks: Vec<Leaks<'a>>,
}

impl Fit<'_> {
    /// A column that nobody uses is only counted.
    fn glance(&self, column: usize) -> Result<ColumnReport, DataError> {
        let missing = self.rows.all.iter().filter(|&&row| self.tokens.is_missing(self.table.cell(row, column))).count();
        let present = self.rows.all.len() - missing;
        let texts = distinct(self.table, column, self.rows, self.tokens, None).len();
        let mut report = self.report(column, FoundKind::Text { distinct: texts }, present, missing);
        report.role = Role::LeftOut;
        report.done = "left out, as asked".to_string();
        Ok(report)
    }

    fn report(&self, column: usize, kind: FoundKind, present: usize, missing: usize) -> ColumnReport {
        let name = self.table.columns()[column].clone();
        ColumnReport { name, role: Role::Input, kind, present, missing, done: String::new(), warnings: Vec::new() }
    }

    /// Decides on one column.
    fn column(&self, column: usize, wish: Option<ReadAs>) -> Result<(Use, ColumnReport), DataError> {
        let scan = Scan::of(self.table, column, self.rows, self.tokens)?;
        let mut report = self.report(column, FoundKind::Empty, scan.present, scan.missing);
        let kind = match wish {
            Some(ReadAs::Number) => self.as_number(column, &scan, &mut report)?,
            Some(ReadAs::Category) => self.as_category(column, &scan, &mut report, true)?,
            Some(ReadAs::Date) => self.as_date(column, &scan, &mut report)?.ok_or_else(|| self.no_date(column))?,
            Some(ReadAs::TextIgnored) | None => match self.found(column, &scan, &mut report)? {
                Use::Take(kind) => kind,
                Use::LeaveOut(why) => {
                    report.role = Role::LeftOut;
                    report.done = format!("left out: {why}");
                    return Ok((Use::LeaveOut(why), report));
                }
            },
        };
        let is_number = matches!(kind, ColumnKind::Number { .. });
        if let Some(what) = self.leaks.iter().find_map(|leaks| leaks.of(column, is_number)) {
            let what = format!("{what}; where it is known only after the answer, a score with it means nothing");
            report.warn(what, Some(Remedy::Drop { column: report.name.clone() }));
        }
        if report.missing > report.present {
            let (missing, all) = (report.missing, report.missing + report.present);
            report.warn(format!("more than half is missing ({missing} of {all})"), None);
        }
        Ok((Use::Take(kind), report))
    }

    /// What a column is where nobody says.
    fn found(&self, column: usize, scan: &Scan, report: &mut ColumnReport) -> Result<Use, DataError> {
        let leave_out = |why: Reason| Ok(Use::LeaveOut(why));
        if scan.present == 0 {
            return leave_out(Reason::Empty);
        }
        if scan.constant && (scan.missing == 0 || scan.is_plain()) && scan.present > 1 {
            report.kind = if scan.is_plain() { FoundKind::Number } else { FoundKind::Category { distinct: 1 } };
            return leave_out(Reason::Constant);
        }
        if scan.is_plain() {
            report.kind = FoundKind::Number;
            let counts = scan.whole && scan.counts_rows;
            if counts && names_a_row(self.table, column) {
                let remedy = Remedy::Use { column: report.name.clone(), read_as: ReadAs::Number };
                report.warn("numbers the rows", Some(remedy));
                return leave_out(Reason::RowNumber);
            }
            if counts {
                let remedy = Remedy::Drop { column: report.name.clone() };
                report.warn("counts the rows and may be only their number", Some(remedy));
            }
            return Ok(Use::Take(self.as_number(column, scan, report)?));
        }
        if scan.is_dressed() {
            return Ok(Use::Take(self.as_number(column, scan, report)?));
        }
        if let Some(kind) = self.as_date(column, scan, report)? {
            return Ok(Use::Take(kind));
        }
        let texts = distinct(self.table, column, self.rows, self.tokens, None).len();
        scan.refuse_slips(self.table, column, texts)?;
        if texts > FEW && texts * 2 > scan.present && self.options.rare == 0 {
            report.kind = FoundKind::Text { distinct: texts };
            let remedy = Remedy::Use { column: report.name.clone(), read_as: ReadAs::Category };
            report.warn("nearly every text is another", Some(remedy));
            return leave_out(Reason::Names);
        }
        Ok(Use::Take(self.as_category(column, scan, report, false)?))
    }

    fn as_number(&self, column: usize, scan: &Scan, report: &mut ColumnReport) -> Result<ColumnKind, DataError> {
        report.kind = FoundKind::Number;
        let dressed = scan.is_dressed();
        if !scan.is_plain() && !dressed {
            let row = scan.first_text.expect("it is not plain");
            let tokens = self.tokens;
            // The first that is no number in any dress.
            let row = self.rows.all.iter().copied().filter(|&at| at >= row).find(|&at| {
                let field = self.table.cell(at, column);
                !tokens.is_missing(field) && number(&self.table.place(at), "", field, true).is_err()
            });
            let row = row.expect("a word was seen");
            let (place, value) = (self.table.place(row), shown(self.table.cell(row, column)));
            let column = shown(&self.table.columns()[column]);
            return Err(DataError::NotANumber { place, column, value, hint: "", may_be_missing: true });
        }
        if dressed {
            report.done = "read as numbers".to_string();
            let example = self.table.cell(scan.first_text.expect("it is dressed"), column);
            let what = format!("numbers written as text, such as {:?}: signs and commas are dropped", shown(example));
            report.warn(what, Some(Remedy::KeepTexts { column: report.name.clone() }));
        }
        if scan.missing > 0 {
            let mean = format!("missing ones become the mean, {}", rounded(scan.mean));
            report.done = if dressed { format!("{}; {mean}", report.done) } else { mean };
        }
        Ok(ColumnKind::Number { mean: scan.mean, dressed })
    }

    fn as_category(
        &self,
        column: usize,
        scan: &Scan,
        report: &mut ColumnReport,
        asked: bool,
    ) -> Result<ColumnKind, DataError> {
        let texts = distinct(self.table, column, self.rows, self.tokens, (scan.missing > 0).then_some(MISSING));
        report.kind = FoundKind::Category { distinct: texts.len() - usize::from(scan.missing > 0 && texts.len() > 1) };
        let rare = self.options.rare;
        let known: Vec<&str> = texts.iter().filter(|(_, (_, train))| *train > 0).map(|(text, _)| *text).collect();
        let often: Vec<&str> = if rare > 0 {
            texts.iter().filter(|(_, (_, train))| *train >= rare.max(1)).map(|(text, _)| *text).collect()
        } else {
            known.clone()
        };
        let other = rare > 0 && often.len() < texts.len();
        let limit = self.options.max_categories;
        if often.len() > limit {
            return Err(too_many(self.table, column, often.len(), limit, often[0]));
        }
        let mut done = Vec::new();
        if other {
            done.push(format!("{} rare texts share one feature", known.len() - often.len()));
        }
        if scan.missing > 0 {
            done.push("missing is a category".to_string());
        }
        if asked && scan.is_plain() {
            done.push("its numbers are taken for words".to_string());
        }
        report.done = done.join("; ");
        Ok(ColumnKind::Category { categories: often.into_iter().map(str::to_string).collect(), other })
    }

    /// The column as days; `None` where some text is none.
    fn as_date(&self, column: usize, scan: &Scan, report: &mut ColumnReport) -> Result<Option<ColumnKind>, DataError> {
        let fields = || {
            let fields = self.rows.all.iter().map(|&row| (row, self.table.cell(row, column)));
            fields.filter(|(_, field)| !self.tokens.is_missing(field))
        };
        let Some((_, first)) = fields().next() else { return Ok(None) };
        let mut fitting = DATE_FORMATS
            .iter()
            .copied()
            .filter(|format| date(first, format).is_some() && fields().all(|(_, field)| date(field, format).is_some()));
        let Some(format) = fitting.next() else { return Ok(None) };
        if fitting.next().is_some_and(|other| format.starts_with("%m") && other.starts_with("%d")) {
            let what = "the dates fit both month/day and day/month; month first is taken. Written as 2024-12-31 they are clear";
            report.warn(what, None);
        }
        let (mut sums, mut count) = ([0f64; 4], 0usize);
        for (row, field) in fields() {
            if self.rows.is_train[row] {
                let features = date(field, format).expect("the format fits all fields");
                sums.iter_mut().zip(features).for_each(|(sum, feature)| *sum += f64::from(feature));
                count += 1;
            }
        }
        report.kind = FoundKind::Date;
        report.done = format!("dates as {}", DATE_FEATURES.join(", "));
        if scan.missing > 0 {
            report.done += "; missing ones become the mean";
        }
        let means = sums.map(|sum| (sum / count.max(1) as f64) as f32);
        Ok(Some(ColumnKind::Date { format: format.to_string(), means }))
    }

    /// Why a column cannot be read as days.
    fn no_date(&self, column: usize) -> DataError {
        let mut present = self.rows.all.iter().filter(|&&row| !self.tokens.is_missing(self.table.cell(row, column)));
        let known = |row: &&usize| {
            let field = self.table.cell(**row, column);
            DATE_FORMATS.iter().any(|format| date(field, format).is_some())
        };
        let first = *present.clone().next().unwrap_or(&self.rows.all[0]);
        let row = present.find(|row| !known(row)).copied().unwrap_or(first);
        DataError::NotADate {
            place: self.table.place(row),
            column: shown(&self.table.columns()[column]),
            value: shown(self.table.cell(row, column)),
            format: "2024-12-31 or one of the usual forms, the same in all rows".to_string(),
        }
    }
}

/// Whether a column has the name that programs give to the number of a row, or none.
fn names_a_row(table: &Table, column: usize) -> bool {
    let name = table.columns()[column].to_lowercase();
    let unnamed = table.has_header() && name == format!("column {}", column + 1);
    unnamed
        || name.starts_with("unnamed:")
        || ["id", "index", "row", "rowid", "row_id", "rownames", "rownum", "no", "nr"].contains(&name.as_str())
}

fn fit_target(
    table: &Table,
    column: usize,
    rows: Rows<'_>,
    train: &[usize],
    options: &DataOptions,
) -> Result<(TargetColumn, ColumnReport), DataError> {
    let name = table.columns()[column].clone();
    let tokens = options.tokens();
    let scan = Scan::of(table, column, rows, &tokens)?;
    let texts: HashSet<&str> = rows.all.iter().map(|&row| table.cell(row, column)).collect();
    let classes = class_names(&texts, scan.is_plain());
    let task = match (options.task, scan.first_text) {
        (Some(TaskKind::Regression), Some(_)) if scan.is_dressed() => TaskKind::Regression,
        (Some(TaskKind::Regression), Some(_)) => {
            let mut fields =
                rows.all.iter().map(|&row| number(&table.place(row), &name, table.cell(row, column), true));
            return Err(fields.find_map(Result::err).expect("a word was seen"));
        }
        (Some(task), _) => task,
        (None, Some(_)) if scan.is_dressed() && classes.len() > FEW => TaskKind::Regression,
        (None, Some(_)) => {
            scan.refuse_slips(table, column, classes.len())?;
            TaskKind::Classification
        }
        (None, None) => {
            let few = FEW.max((rows.all.len() / 100).min(100));
            let repeats = classes.len() * 2 <= rows.all.len();
            if scan.whole && classes.len() <= few && repeats { TaskKind::Classification } else { TaskKind::Regression }
        }
    };
    let mut report = ColumnReport {
        name: name.clone(),
        role: Role::Target,
        kind: FoundKind::Number,
        present: scan.present,
        missing: table.len() - rows.all.len(),
        done: String::new(),
        warnings: Vec::new(),
    };
    let mut target = TargetColumn { task, ..TargetColumn::number(&name, column) };
    if report.missing > 0 {
        report.done = format!("{} rows without it are left out", report.missing);
    }
    if task == TaskKind::Regression {
        target.dressed = scan.is_dressed();
        return Ok((target, report));
    }
    report.kind = FoundKind::Category { distinct: classes.len() };
    match classes.as_slice() {
        [class] => return Err(DataError::OneClass { path: table.path(), column: shown(&name), class: shown(class) }),
        _ if classes.len() > options.max_categories => {
            return Err(too_many(table, column, classes.len(), options.max_categories, &classes[0]));
        }
        _ => target.classes = classes,
    }
    warn_of_rare_classes(table, train, &target, &mut report);
    Ok((target, report))
}

/// Classes with hardly a row to learn from cannot be learnt.
fn warn_of_rare_classes(table: &Table, train: &[usize], target: &TargetColumn, report: &mut ColumnReport) {
    const FEWEST: usize = 5;
    let mut counts = BTreeMap::<u32, usize>::new();
    let mut finder = super::schema::ClassFinder::new(target);
    for &row in train {
        if let Ok(class) = finder.find(|| table.place(row), table.cell(row, target.index)) {
            *counts.entry(class).or_default() += 1;
        }
    }
    let rare: Vec<&String> = target
        .classes
        .iter()
        .enumerate()
        .filter(|(class, _)| counts.get(&(*class as u32)).copied().unwrap_or(0) < FEWEST)
        .map(|(_, name)| name)
        .collect();
    if !rare.is_empty() && train.len() >= 10 * FEWEST {
        let names = listed(rare.iter());
        report.warn(format!("fewer than {FEWEST} rows to learn from for {names}"), None);
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

fn too_many(table: &Table, column: usize, count: usize, limit: usize, example: &str) -> DataError {
    DataError::TooManyCategories {
        path: table.path(),
        column: shown(&table.columns()[column]),
        count,
        limit,
        example: shown(example),
    }
}

fn refuse_missing(
    table: &Table,
    rows: Rows<'_>,
    tokens: &MissingTokens,
    considered: impl Fn(usize) -> bool,
) -> Result<(), DataError> {
    let columns: Vec<usize> = (0..table.columns().len()).filter(|&column| considered(column)).collect();
    let cells = rows.all.iter().flat_map(|&row| columns.iter().map(move |&column| (row, column)));
    let mut missing = cells.filter(|&(row, column)| tokens.is_missing(table.cell(row, column)));
    match missing.next() {
        None => Ok(()),
        Some((row, column)) => Err(DataError::MissingValues {
            place: table.place(row),
            column: shown(&table.columns()[column]),
            count: 1 + missing.count(),
        }),
    }
}

/// A number for a person: four digits.
fn rounded(value: f32) -> String {
    let digits = if value == 0.0 { 0 } else { (3 - value.abs().log10().floor() as i32).clamp(0, 6) as usize };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::Warning;
    use super::*;

    fn fit(text: &str, target: usize, options: &DataOptions) -> Result<(Schema, TableReport), DataError> {
        let table = Table::parse("t.csv", text, &Default::default()).expect("is read");
        let all: Vec<usize> = (0..table.len()).collect();
        Schema::fit(&table, &[target], Rows { all: &all, is_train: &vec![true; table.len()] }, &all, options)
    }

    fn fitted(text: &str, target: usize) -> (Schema, TableReport) {
        fit(text, target, &DataOptions::default()).expect("is fitted")
    }

    fn warnings(report: &TableReport) -> String {
        report.columns.iter().flat_map(|column| &column.warnings).map(Warning::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_column_of_decimal_commas_is_refused() {
        let text = fit("a;b;y\n1,5;1;u\n2,5;\"1,2\";v\n3;2;u\n", 2, &DataOptions::default());
        let text = text.expect_err("is refused").to_string();
        assert_eq!(text, "t.csv, line 2, column \"a\": expected a number, got \"1,5\"; write decimals with a point");
    }

    #[test]
    fn what_carries_nothing_is_left_out_and_said() {
        let rows: String =
            (0..60).map(|row| format!("{row},name{row},7,,{},{}\n", row * 37 % 11, ["u", "v"][row % 2])).collect();
        let (schema, report) = fitted(&format!(",name,same,empty,size,y\n{rows}"), 5);
        let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["size"]);
        let whys: Vec<&Reason> = schema.ignored.iter().map(|ignored| &ignored.why).collect();
        assert_eq!(whys, [&Reason::RowNumber, &Reason::Names, &Reason::Constant, &Reason::Empty]);
        let remedies: Vec<_> = report.columns.iter().flat_map(|column| &column.warnings).map(|w| &w.remedy).collect();
        let to_use = |column: &str, read_as| Some(Remedy::Use { column: column.to_string(), read_as });
        assert_eq!(remedies, [&to_use("column 1", ReadAs::Number), &to_use("name", ReadAs::Category)]);
        let text = warnings(&report);
        assert!(text.contains("nearly every text is another; read as a category it is used"), "{text}");
        assert_eq!(report.columns[2].done, "left out: always the same");
    }

    #[test]
    fn wishes_go_before_what_is_found() {
        let rows: String = (0..30).map(|row| format!("{row},n{row},{},{}\n", row % 3, row % 2)).collect();
        let text = format!("id,name,code,y\n{rows}");
        let options = DataOptions {
            read_as: vec![
                ("id".into(), ReadAs::Number),
                ("name".into(), ReadAs::Category),
                ("code".into(), ReadAs::Category),
            ],
            ..DataOptions::default()
        };
        let (schema, _) = fit(&text, 3, &options).expect("is fitted");
        assert_eq!(schema.features(), 1 + 30 + 3);
        let options = DataOptions { drop: vec!["name".into(), "1".into()], ..DataOptions::default() };
        assert_eq!(fit(&text, 3, &options).expect("is fitted").0.feature_names(), ["code"]);
        let options = DataOptions { only: vec!["code".into()], ..DataOptions::default() };
        assert_eq!(fit(&text, 3, &options).expect("is fitted").0.feature_names(), ["code"]);
        let refusal = |options: DataOptions| fit(&text, 3, &options).expect_err("is refused").to_string();
        let text = refusal(DataOptions { drop: vec!["nam".into()], ..DataOptions::default() });
        assert!(text.contains("drop names \"nam\"") && text.contains("did you mean \"name\"?"), "{text}");
        let text = refusal(DataOptions { only: vec!["y".into()], ..DataOptions::default() });
        assert!(text.starts_with("only must be") && text.contains("which is the target"), "{text}");
        let all = vec!["id".into(), "name".into(), "code".into()];
        let text = refusal(DataOptions { drop: all, ..DataOptions::default() });
        assert!(text.contains("no column is left") && text.contains("code (dropped)"), "{text}");
        let options = DataOptions { read_as: vec![("name".into(), ReadAs::Number)], ..DataOptions::default() };
        let text = refusal(options);
        assert!(text.contains("line 2, column \"name\": expected a number, got \"n0\"; if it means"), "{text}");
        let options = DataOptions { read_as: vec![("code".into(), ReadAs::Date)], ..DataOptions::default() };
        assert!(refusal(options).contains("line 2, column \"code\": expected a date"));
    }

    #[test]
    fn dressed_numbers_and_dates_become_numbers() {
        let text = "price,share,sold,y\n\"$1,200\",12 %,2024-01-31,u\n$80.50,7 %,2023-12-24,v\n,9 %,,u\n";
        let (schema, report) = fitted(text, 3);
        let mut row = Vec::new();
        schema.encode(&["$2", "1 %", "1970-01-02"], &mut row).expect("is encoded");
        assert_eq!(row, [2.0, 1.0, 1970.0, 1.0, 4.0, 1.0]);
        row.clear();
        schema.encode(&["", "1", ""], &mut row).expect("is encoded");
        assert_eq!(row[0], 640.25);
        assert_eq!(row[2], 2023.5);
        assert!(warnings(&report).contains("such as \"$1,200\": signs and commas are dropped"));
        assert_eq!(report.columns[2].done, "dates as year, month, weekday, days; missing ones become the mean");
        let text = "d,y\n01/02/2024,u\n03/04/2024,v\n";
        assert!(warnings(&fitted(text, 1).1).contains("month first is taken"));
    }

    #[test]
    fn rare_texts_share_a_feature() {
        let rows = "a,u\na,v\na,u\nb,v\nb,u\nc,v\nd,u\n";
        let options = DataOptions { rare: 2, ..DataOptions::default() };
        let (schema, report) = fit(&format!("x,y\n{rows}"), 1, &options).expect("is fitted");
        assert_eq!(schema.feature_names(), ["x=a", "x=b", "x=(other)"]);
        assert_eq!(report.columns[0].done, "2 rare texts share one feature");
        let mut row = Vec::new();
        schema.encode(&["never seen"], &mut row).expect("is encoded");
        assert_eq!(row, [0.0, 0.0, 1.0]);
    }

    #[test]
    fn columns_that_give_the_target_away_are_named() {
        let rows: String = (0..100)
            .map(|row| {
                let class = row % 3;
                let noise = (row * 7919) % 100;
                format!("{},{},{},{}\n", class * 100 + noise, noise, ["p", "q", "r"][class], ["u", "v", "w"][class])
            })
            .collect();
        let (_, report) = fitted(&format!("range,noise,code,y\n{rows}"), 3);
        let warned: Vec<&str> = report
            .columns
            .iter()
            .filter(|column| !column.warnings.is_empty())
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(warned, ["range", "code"]);
        let rows: String = (0..100).map(|row| format!("{},{},{}\n", row * row, row % 7, row * row * 3 + 5)).collect();
        let (_, report) = fitted(&format!("same,other,y\n{rows}"), 2);
        assert!(report.columns[0].warnings[0].what.starts_with("is the target in another unit"));
        assert!(report.columns[1].warnings.is_empty());
    }

    #[test]
    fn rows_without_a_target_are_counted() {
        let table = Table::parse("t.csv", "x,y\n1,2.5\n2,\n3,1.5\n", &Default::default()).expect("is read");
        let rows = Rows { all: &[0, 2], is_train: &[true, false, true] };
        let (_, report) = Schema::fit(&table, &[1], rows, &[0, 2], &DataOptions::default()).expect("is fitted");
        assert_eq!((report.rows, report.without_target), (3, 1));
        assert_eq!(report.columns[1].done, "1 rows without it are left out");
    }
}
