//! How fields of text become the numbers that a network takes, fitted once and kept in the model.

use super::text::{self, DATE_FEATURES, MissingTokens};
use super::{Reason, TaskKind};
use crate::error::{DataError, Place, listed, nearest, shown};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What to do about missing values (see [`MissingTokens`]) in the columns to predict from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Numbers become the mean of the training part; text becomes a category of its own, `missing`.
    #[default]
    Impute,
    /// Any missing value is an error, in training and in prediction.
    Reject,
}

/// The category that stands for no text; a text that says `missing` means the same and shares it.
pub(super) const MISSING: &str = "missing";

/// The name of the feature that stands for all rare texts.
const OTHER: &str = "(other)";

/// How the fields of a row become features, and what the target means.
///
/// Fitted to the training part of a table, saved with the model, and used for every row later; so a model takes rows
/// as the file had them.
///
/// # Examples
/// ```
/// use plexus_train::data::{Column, ColumnKind, Schema, TargetColumn};
/// let number = ColumnKind::Number { mean: 2.5, dressed: false };
/// let colour = ColumnKind::Category { categories: vec!["blue".into(), "red".into()], other: false };
/// let schema = Schema {
///     columns: vec![Column { name: "size".into(), kind: number }, Column { name: "colour".into(), kind: colour }],
///     ..Schema::of_target(TargetColumn::number("price", 2))
/// };
/// let mut row = Vec::new();
/// schema.encode(&["?", "red"], &mut row)?;
/// assert_eq!(row, [2.5, 0.0, 1.0]);
/// assert_eq!(schema.feature_names(), ["size", "colour=blue", "colour=red"]);
/// # Ok::<(), plexus_train::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SchemaText")]
pub struct Schema {
    /// The columns to predict from, in the order of the file.
    pub columns: Vec<Column>,
    /// The columns to predict, in the order of the outputs; at least one.
    pub targets: Vec<TargetColumn>,
    /// What to do about missing values.
    pub missing: Missing,
    /// Columns of the file that the model does not look at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Ignored>,
    /// The texts that mean a missing value.
    pub tokens: MissingTokens,
}

/// A column to predict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetColumn {
    /// Its name in the file.
    pub name: String,
    /// Its place among all columns of the file, from 0.
    pub index: usize,
    /// What kind of answer is wanted.
    pub task: TaskKind,
    /// Names of the classes, in the order of the numbers of the output; empty for regression.
    pub classes: Vec<String>,
    /// Whether it is written with signs or thousands, as `$1,200`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dressed: bool,
}

/// How a schema is written, today and in models that had one target beside the other fields.
#[derive(Deserialize)]
struct SchemaText {
    columns: Vec<Column>,
    #[serde(default)]
    targets: Vec<TargetColumn>,
    target: Option<String>,
    target_index: Option<usize>,
    task: Option<TaskKind>,
    #[serde(default)]
    classes: Vec<String>,
    #[serde(default)]
    target_dressed: bool,
    missing: Missing,
    #[serde(default)]
    ignored: Vec<Ignored>,
    #[serde(default = "MissingTokens::of_old_models")]
    tokens: MissingTokens,
}

impl TryFrom<SchemaText> for Schema {
    type Error = &'static str;

    fn try_from(text: SchemaText) -> Result<Self, Self::Error> {
        let SchemaText { columns, mut targets, target, target_index, task, classes, target_dressed, .. } = text;
        if let (Some(name), Some(index), Some(task)) = (target, target_index, task) {
            targets.insert(0, TargetColumn { name, index, task, classes, dressed: target_dressed });
        }
        if targets.is_empty() {
            return Err("no target column");
        }
        Ok(Schema { columns, targets, missing: text.missing, ignored: text.ignored, tokens: text.tokens })
    }
}

/// One column to predict from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the file.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// A column of the training file that the model does not look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Its name in the file.
    pub name: String,
    /// Its place among all columns of the file, from 0.
    pub index: usize,
    /// Why it is left out.
    pub why: Reason,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// A number, one feature.
    Number {
        /// The mean of the training part, which stands in for missing values; 0.0 if none was there.
        mean: f32,
        /// Whether it is written with signs or thousands, as `$1.40`, `12 %` or `1,234`.
        #[serde(default, skip_serializing_if = "is_false")]
        dressed: bool,
    },
    /// A text, one feature per category: 1.0 for the one that it is, 0.0 for the others.
    Category {
        /// The texts of the training part, sorted by their bytes.
        categories: Vec<String>,
        /// Whether one more feature stands for the texts that were too rare for one of their own, and for new ones.
        #[serde(default, skip_serializing_if = "is_false")]
        other: bool,
    },
    /// A day, four features: year, month (1 to 12), weekday (0 is Monday) and days since 1970-01-01.
    Date {
        /// How it is written, in the letters of `strftime`.
        format: String,
        /// The means of the features in the training part, which stand in for missing dates.
        means: [f32; 4],
    },
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Schema {
    /// A schema with a target, no columns yet, and the defaults.
    pub fn of_target(target: TargetColumn) -> Self {
        Schema {
            columns: Vec::new(),
            targets: vec![target],
            missing: Missing::default(),
            ignored: Vec::new(),
            tokens: MissingTokens::default(),
        }
    }

    /// The number of features of an encoded row.
    pub fn features(&self) -> usize {
        self.columns.iter().map(Column::features).sum()
    }

    /// The names of the features: `size` for a number, `colour=red` for a category, `sold.year` for a date.
    pub fn feature_names(&self) -> Vec<String> {
        self.columns.iter().flat_map(Column::feature_names).collect()
    }

    /// The number of columns of the training file, targets and ignored columns among them.
    pub fn file_width(&self) -> usize {
        self.columns.len() + self.ignored.len() + self.targets.len()
    }

    /// Where the columns stand in rows of `width` fields without names; `None` where such rows cannot be meant.
    ///
    /// Rows may be whole, as in the training file; whole but for the targets; or hold only the columns to predict from.
    pub fn positions(&self, width: usize) -> Option<Vec<usize>> {
        let all = self.file_width();
        let used = self.columns.len();
        let is_target = |index: usize| self.targets.iter().any(|target| target.index == index);
        let is_used = |index: &usize| !is_target(*index) && !self.ignored.iter().any(|ignored| ignored.index == *index);
        let positions: Vec<usize> = if width == all {
            (0..all).filter(is_used).collect()
        } else if width == all - self.targets.len() {
            let before = |index: usize| self.targets.iter().filter(|target| target.index < index).count();
            (0..all).filter(is_used).map(|index| index - before(index)).collect()
        } else {
            (0..width).collect()
        };
        (positions.len() == used).then_some(positions)
    }

    /// Encodes one row and appends its features to `out`, which is left as it was on an error.
    ///
    /// `fields` stand in the order of the training file (see [`Schema::positions`]). A text that the training part did
    /// not hold becomes all zeros, or the feature of the rare texts where there is one: it says "none of those I know",
    /// which the network answers by its other features, where an error would make a model useless on the first new word.
    ///
    /// # Errors
    /// - [`DataError::FieldCount`]: too many or too few fields
    /// - [`DataError::NotANumber`], [`DataError::NotFinite`], [`DataError::NotADate`]: a column holds something else
    /// - [`DataError::MissingValues`]: a field is missing, under [`Missing::Reject`]
    pub fn encode(&self, fields: &[&str], out: &mut Vec<f32>) -> Result<(), DataError> {
        self.encode_at(&Place::default(), fields, out)
    }

    /// Encodes as [`Schema::encode`], and names the place in errors.
    ///
    /// # Errors
    /// As [`Schema::encode`].
    pub fn encode_at(&self, place: &Place, fields: &[&str], out: &mut Vec<f32>) -> Result<(), DataError> {
        let Some(positions) = self.positions(fields.len()) else {
            let hint = "; give the columns in the order of the training file, without what is predicted";
            let (expected, got) = (self.columns.len(), fields.len());
            return Err(DataError::FieldCount { place: place.clone(), expected, got, hint });
        };
        self.encode_fields(place, positions.iter().map(|&position| fields[position]), out)
    }

    /// Encodes a row whose columns are named, in any order; columns that the model does not know are passed over.
    ///
    /// # Errors
    /// As [`Schema::encode`], and [`DataError::ColumnNotFound`].
    pub fn encode_named(&self, header: &[&str], fields: &[&str], out: &mut Vec<f32>) -> Result<(), DataError> {
        let place = Place::default();
        if header.len() != fields.len() {
            return Err(DataError::FieldCount { place, expected: header.len(), got: fields.len(), hint: "" });
        }
        let positions = self.locate(&place, header)?;
        self.encode_fields(&place, positions.iter().map(|&position| fields[position]), out)
    }

    /// Finds the columns of the schema by name: where each stands in `header`.
    ///
    /// # Errors
    /// - [`DataError::ColumnNotFound`]: one is not there
    pub fn locate<S: AsRef<str>>(&self, place: &Place, header: &[S]) -> Result<Vec<usize>, DataError> {
        self.columns.iter().map(|column| find_column(place, header, &column.name)).collect()
    }

    /// Encodes the columns in their order.
    pub(super) fn encode_fields<'a>(
        &self,
        place: &Place,
        fields: impl Iterator<Item = &'a str>,
        out: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let before = out.len();
        let mut lacking: Option<(&Column, usize)> = None;
        for (column, field) in self.columns.iter().zip(fields) {
            let field = field.trim();
            let missing = self.tokens.is_missing(field);
            if missing && self.missing == Missing::Reject {
                lacking = Some(lacking.map_or((column, 1), |(first, count)| (first, count + 1)));
                continue;
            }
            if let Err(error) = column.encode(place, (!missing).then_some(field), out) {
                out.truncate(before);
                return Err(error);
            }
        }
        if let Some((column, count)) = lacking {
            out.truncate(before);
            return Err(DataError::MissingValues { place: place.clone(), column: shown(&column.name), count });
        }
        Ok(())
    }
}

impl TargetColumn {
    /// A column of numbers.
    pub fn number(name: &str, index: usize) -> Self {
        TargetColumn { name: name.to_string(), index, task: TaskKind::Regression, classes: Vec::new(), dressed: false }
    }

    /// A column of classes.
    pub fn classes(name: &str, index: usize, classes: Vec<String>) -> Self {
        TargetColumn { name: name.to_string(), index, task: TaskKind::Classification, classes, dressed: false }
    }

    /// Reads a field as a number.
    ///
    /// # Errors
    /// [`DataError::NotANumber`], [`DataError::NotFinite`]
    pub(super) fn read_number(&self, place: &Place, field: &str) -> Result<f32, DataError> {
        text::number(place, &self.name, field, self.dressed)
    }

    /// The position of a class by its name; numbers are compared as numbers, so `1.0` finds `1`.
    pub fn class_index(&self, text: &str) -> Option<u32> {
        let text = text.trim();
        let exact = self.classes.iter().position(|class| class == text);
        let found = exact.or_else(|| {
            let value = text.parse::<f64>().ok()?;
            // Only where all classes are numbers: beside `a` and `b`, the class `1` is a word.
            let values: Option<Vec<f64>> = self.classes.iter().map(|class| class.parse().ok()).collect();
            values?.iter().position(|&class| class == value)
        })?;
        Some(found as u32)
    }
}

impl Column {
    /// The number of features that this column becomes.
    pub fn features(&self) -> usize {
        match &self.kind {
            ColumnKind::Number { .. } => 1,
            ColumnKind::Category { categories, other } => categories.len() + usize::from(*other),
            ColumnKind::Date { .. } => DATE_FEATURES.len(),
        }
    }

    fn feature_names(&self) -> Vec<String> {
        let name = &self.name;
        match &self.kind {
            ColumnKind::Number { .. } => vec![name.clone()],
            ColumnKind::Category { categories, other } => {
                let other = other.then_some(OTHER);
                categories.iter().map(String::as_str).chain(other).map(|text| format!("{name}={text}")).collect()
            }
            ColumnKind::Date { .. } => DATE_FEATURES.iter().map(|feature| format!("{name}.{feature}")).collect(),
        }
    }

    /// Appends the features of one field; `None` where it is missing.
    fn encode(&self, place: &Place, field: Option<&str>, out: &mut Vec<f32>) -> Result<(), DataError> {
        match (&self.kind, field) {
            (ColumnKind::Number { mean, .. }, None) => out.push(*mean),
            (ColumnKind::Number { dressed, .. }, Some(field)) => {
                out.push(text::number(place, &self.name, field, *dressed)?);
            }
            (ColumnKind::Category { categories, other }, field) => {
                let start = out.len();
                out.resize(start + self.features(), 0.0);
                match categories.binary_search_by(|category| category.as_str().cmp(field.unwrap_or(MISSING))) {
                    Ok(index) => out[start + index] = 1.0,
                    Err(_) if *other => out[start + categories.len()] = 1.0,
                    Err(_) => {}
                }
            }
            (ColumnKind::Date { means, .. }, None) => out.extend(means),
            (ColumnKind::Date { format, .. }, Some(field)) => {
                let features = text::date(field, format).ok_or_else(|| DataError::NotADate {
                    place: place.clone(),
                    column: shown(&self.name),
                    value: shown(field),
                    format: format.clone(),
                })?;
                out.extend(features);
            }
        }
        Ok(())
    }
}

/// Finds a column by name.
pub(super) fn find_column<S: AsRef<str>>(place: &Place, header: &[S], name: &str) -> Result<usize, DataError> {
    header.iter().position(|there| there.as_ref() == name).ok_or_else(|| DataError::ColumnNotFound {
        place: place.clone(),
        column: shown(name),
        suggestion: nearest(name, header.iter().map(AsRef::as_ref)),
        columns: listed(header.iter()),
    })
}

/// Finds the class of each target, each distinct text once.
pub(super) struct ClassFinder<'a> {
    target: &'a TargetColumn,
    known: HashMap<&'a str, u32>,
}

impl<'a> ClassFinder<'a> {
    pub(super) fn new(target: &'a TargetColumn) -> Self {
        ClassFinder { target, known: HashMap::new() }
    }

    pub(super) fn find(&mut self, place: impl Fn() -> Place, field: &'a str) -> Result<u32, DataError> {
        if let Some(&class) = self.known.get(field) {
            return Ok(class);
        }
        let class = self.target.class_index(field).ok_or_else(|| DataError::UnknownClass {
            place: place(),
            column: shown(&self.target.name),
            value: shown(field),
            classes: listed(self.target.classes.iter()),
        })?;
        self.known.insert(field, class);
        Ok(class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(missing: Missing) -> Schema {
        let column = |name: &str, kind: ColumnKind| Column { name: name.into(), kind };
        let number = |mean: f32| ColumnKind::Number { mean, dressed: false };
        let categories = vec!["blue".into(), "missing".into(), "red".into()];
        Schema {
            columns: vec![
                column("size", number(2.5)),
                column("colour", ColumnKind::Category { categories, other: false }),
                column("age", number(-1.0)),
            ],
            missing,
            ..Schema::of_target(TargetColumn::classes("kind", 1, vec!["cat".into(), "dog".into()]))
        }
    }

    fn encoded(fields: &[&str]) -> Vec<f32> {
        let mut out = vec![9.0];
        schema(Missing::Impute).encode(fields, &mut out).expect("is encoded");
        out
    }

    fn refusal(missing: Missing, fields: &[&str]) -> String {
        let mut out = vec![9.0];
        let text = schema(missing).encode(fields, &mut out).expect_err("is refused").to_string();
        assert_eq!(out, [9.0], "out is left as it was");
        text
    }

    #[test]
    fn rows_are_encoded_with_and_without_the_target() {
        assert_eq!(encoded(&["1.5", "red", "3"]), [9.0, 1.5, 0.0, 0.0, 1.0, 3.0]);
        assert_eq!(encoded(&["1.5", "dog", " red ", "3"]), [9.0, 1.5, 0.0, 0.0, 1.0, 3.0]);
        assert_eq!(schema(Missing::Impute).features(), 5);
        assert_eq!(
            schema(Missing::Impute).feature_names(),
            ["size", "colour=blue", "colour=missing", "colour=red", "age"]
        );
    }

    #[test]
    fn missing_fields_are_imputed_and_unseen_texts_are_zeros() {
        for missing in ["", "NA", "NaN", "nan", "null", "NULL", "?", "  "] {
            assert_eq!(encoded(&[missing, missing, "0"]), [9.0, 2.5, 0.0, 1.0, 0.0, 0.0]);
        }
        assert_eq!(encoded(&["1", "green", "0"]), [9.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(encoded(&["1", "none", "0"]), [9.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        assert!(refusal(Missing::Impute, &["1", "red"]).starts_with("the given row: expected 3 fields, got 2"));
        assert!(refusal(Missing::Impute, &["1"; 5]).contains("expected 3 fields, got 5"));
        assert_eq!(
            refusal(Missing::Impute, &["1", "red", "old"]),
            "the given row, column \"age\": expected a number, got \"old\""
        );
        assert!(refusal(Missing::Impute, &["1,5", "red", "1"]).contains("write decimals with a point"));
        assert!(refusal(Missing::Impute, &["5 %", "red", "1"]).contains("write the bare number"));
        for value in ["inf", "-infinity", "1e400", "1e39"] {
            assert!(refusal(Missing::Impute, &["1", "red", value]).contains("not a finite 32-bit number"), "{value}");
        }
        assert!(refusal(Missing::Reject, &["", "?", "1"]).contains("column \"size\": 2 missing values in all"));
        assert!(refusal(Missing::Impute, &["1", "red", &"x".repeat(1 << 20)]).len() < 200);
        assert!(refusal(Missing::Impute, &["1", "red", "\u{1b}[31m"]).contains("\\u{1b}[31m"));
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let mut out = Vec::new();
        let schema = schema(Missing::Impute);
        schema
            .encode_named(&["age", "other", "colour", "size"], &["3", "x", "blue", "1"], &mut out)
            .expect("is encoded");
        assert_eq!(out, [1.0, 1.0, 0.0, 0.0, 3.0]);
        let text = schema
            .encode_named(&["age", "color", "size"], &["3", "blue", "1"], &mut out)
            .expect_err("is refused")
            .to_string();
        assert!(
            text.contains("no column \"colour\"")
                && text.contains("did you mean \"color\"?")
                && text.contains("age, color, size"),
            "{text}"
        );
        assert!(schema.encode_named(&["age"], &["3", "4"], &mut out).is_err());
    }

    #[test]
    fn classes_are_found_by_name_and_numbers_by_value() {
        let mut target = schema(Missing::Impute).targets.remove(0);
        assert_eq!(
            (target.class_index("dog"), target.class_index(" cat "), target.class_index("cow")),
            (Some(1), Some(0), None)
        );
        target.classes = vec!["1".into(), "2.5".into()];
        assert_eq!(
            (target.class_index("1.0"), target.class_index("2.50"), target.class_index("x")),
            (Some(0), Some(1), None)
        );
        target.classes = vec!["1".into(), "a".into()];
        assert_eq!(target.class_index("1.0"), None);
    }

    #[test]
    fn a_schema_survives_json_bit_for_bit() {
        let mut schema = schema(Missing::Reject);
        schema.columns[0].kind = ColumnKind::Number { mean: 0.1 + f32::EPSILON, dressed: false };
        let json = serde_json::to_string(&schema).expect("is written");
        assert!(json.contains(r#""kind":{"number":{"mean":"#) && json.contains(r#""task":"classification""#), "{json}");
        assert_eq!(serde_json::from_str::<Schema>(&json).expect("is read"), schema);
    }

    #[test]
    fn a_schema_of_an_earlier_version_reads_and_means_the_same() {
        let json = r#"{"columns":[{"name":"size","kind":{"number":{"mean":2.5}}},
            {"name":"colour","kind":{"category":{"categories":["None","red"]}}}],
            "target":"kind","target_index":2,"task":"classification","classes":["a","b"],"missing":"impute"}"#;
        let schema: Schema = serde_json::from_str(json).expect("is read");
        let mut out = Vec::new();
        schema.encode(&["Null", "None"], &mut out).expect("is encoded");
        assert_eq!(out, [2.5, 1.0, 0.0]);
    }

    #[test]
    fn rows_without_names_may_be_whole_or_hold_what_is_used() {
        let ignored = |name: &str, index| Ignored { name: name.into(), index, why: Reason::Dropped };
        // In the file: id, size, kind (the target), note, colour, age.
        let mut schema = Schema { ignored: vec![ignored("id", 0), ignored("note", 3)], ..schema(Missing::Impute) };
        schema.targets[0].index = 2;
        assert_eq!(schema.positions(6), Some(vec![1, 4, 5]));
        assert_eq!(schema.positions(5), Some(vec![1, 3, 4]));
        assert_eq!(schema.positions(3), Some(vec![0, 1, 2]));
        assert_eq!((schema.positions(4), schema.positions(7)), (None, None));
        // One more target: id, size, kind, note, price, colour, age.
        schema.targets.push(TargetColumn::number("price", 4));
        assert_eq!(schema.positions(7), Some(vec![1, 5, 6]));
        assert_eq!(schema.positions(5), Some(vec![1, 3, 4]));
        assert_eq!((schema.positions(3), schema.positions(6)), (Some(vec![0, 1, 2]), None));
    }

    #[test]
    fn a_schema_comes_back_from_json_and_one_without_a_target_does_not() {
        let mut schema = schema(Missing::Impute);
        schema.targets.push(TargetColumn { dressed: true, ..TargetColumn::number("price", 4) });
        let json = serde_json::to_string(&schema).expect("is written");
        assert_eq!(serde_json::from_str::<Schema>(&json).expect("is read"), schema);
        let none = json.replace(&serde_json::to_string(&schema.targets).expect("is written"), "[]");
        assert!(
            serde_json::from_str::<Schema>(&none).is_err_and(|error| error.to_string().contains("no target column"))
        );
    }
}
