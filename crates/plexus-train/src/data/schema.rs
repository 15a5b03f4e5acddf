//! How fields of text become the numbers that a network takes, fitted once and kept in the model.

use crate::error::{DataError, Place, listed, nearest, shown};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What kind of answer is wanted.
///
/// Where nobody says, the target decides: classification if it is text, or if it is whole numbers with few distinct
/// values, regression otherwise. Few means at most `max(20, min(100, rows / 100))`, and at least two rows per value on
/// average.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One of several classes.
    Classification,
    /// A number.
    Regression,
}

/// What to do about missing values (see [`is_missing`]) in the columns to predict from.
///
/// A missing target is refused under either policy.
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

/// Whether a field counts as missing: empty, `NA`, `NaN` or `null` in any case of letters, or `?`.
pub fn is_missing(field: &str) -> bool {
    let field = field.trim();
    field.is_empty() || field == "?" || ["na", "nan", "null"].iter().any(|word| field.eq_ignore_ascii_case(word))
}

/// How the fields of a row become features, and what the target means.
///
/// Fitted to the training part of a table, saved with the model, and used for every row later; so a model takes rows
/// as the file had them.
///
/// # Examples
/// ```
/// use plexus_train::data::{Column, ColumnKind, Missing, Schema, Task};
/// let schema = Schema {
///     columns: vec![
///         Column { name: "size".into(), kind: ColumnKind::Number { mean: 2.5 } },
///         Column { name: "colour".into(), kind: ColumnKind::Category { categories: vec!["blue".into(), "red".into()] } },
///     ],
///     target: "price".into(),
///     target_index: 2,
///     task: Task::Regression,
///     classes: vec![],
///     missing: Missing::Impute,
/// };
/// let mut row = Vec::new();
/// schema.encode(&["?", "red"], &mut row)?;
/// assert_eq!(row, [2.5, 0.0, 1.0]);
/// assert_eq!(schema.feature_names(), ["size", "colour=blue", "colour=red"]);
/// # Ok::<(), plexus_train::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The columns to predict from, in the order of the file, without the target.
    pub columns: Vec<Column>,
    /// The name of the target column.
    pub target: String,
    /// Its place among all columns of the file, from 0.
    pub target_index: usize,
    /// What kind of answer is wanted.
    pub task: Task,
    /// Names of the classes, in the order of the outputs; empty for regression.
    pub classes: Vec<String>,
    /// What to do about missing values.
    pub missing: Missing,
}

/// One column to predict from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the file.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// A number, one feature.
    Number {
        /// The mean of the training part, which stands in for missing values; 0.0 if none was there.
        mean: f32,
    },
    /// A text, one feature per category: 1.0 for the one that it is, 0.0 for the others.
    Category {
        /// The texts of the training part, sorted by their bytes.
        categories: Vec<String>,
    },
}

impl Schema {
    /// The number of features of an encoded row.
    pub fn features(&self) -> usize {
        self.columns.iter().map(Column::features).sum()
    }

    /// The names of the features: `size` for a number, `colour=red` for a category.
    pub fn feature_names(&self) -> Vec<String> {
        let names = |column: &Column| match &column.kind {
            ColumnKind::Number { .. } => vec![column.name.clone()],
            ColumnKind::Category { categories } => {
                categories.iter().map(|text| format!("{}={text}", column.name)).collect()
            }
        };
        self.columns.iter().flat_map(names).collect()
    }

    /// Encodes one row and appends its features to `out`, which is left as it was on an error.
    ///
    /// `fields` are the columns in their order; the target may stand among them at its place, and is then passed over.
    /// A text that the training part did not hold becomes all zeros: it says "none of those I know", which the network
    /// answers by its other features, where an error would make a model useless on the first new word.
    ///
    /// # Errors
    /// - [`DataError::FieldCount`]: too many or too few fields
    /// - [`DataError::NotANumber`], [`DataError::NotFinite`]: a number column holds something else
    /// - [`DataError::MissingValues`]: a field is missing, under [`Missing::Reject`]
    pub fn encode(&self, fields: &[&str], out: &mut Vec<f32>) -> Result<(), DataError> {
        self.encode_at(&Place::default(), fields, out)
    }

    /// Encodes as [`Schema::encode`], and names the place in errors.
    ///
    /// # Errors
    /// As [`Schema::encode`].
    pub fn encode_at(&self, place: &Place, fields: &[&str], out: &mut Vec<f32>) -> Result<(), DataError> {
        let skipped = match fields.len() {
            count if count == self.columns.len() => usize::MAX,
            count if count == self.columns.len() + 1 => self.target_index,
            got => {
                let hint = "; give the columns in the order of the training file, without the target";
                return Err(DataError::FieldCount { place: place.clone(), expected: self.columns.len(), got, hint });
            }
        };
        let fields = fields.iter().enumerate().filter(|(index, _)| *index != skipped).map(|(_, field)| *field);
        self.encode_fields(place, fields, out)
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
            let missing = is_missing(field);
            if missing && self.missing == Missing::Reject {
                lacking = Some(lacking.map_or((column, 1), |(first, count)| (first, count + 1)));
                continue;
            }
            match &column.kind {
                ColumnKind::Number { mean } if missing => out.push(*mean),
                ColumnKind::Number { .. } => match number(place, &column.name, field) {
                    Ok(value) => out.push(value),
                    Err(error) => {
                        out.truncate(before);
                        return Err(error);
                    }
                },
                ColumnKind::Category { categories } => {
                    let start = out.len();
                    out.resize(start + categories.len(), 0.0);
                    let text = if missing { MISSING } else { field };
                    if let Ok(index) = categories.binary_search_by(|category| category.as_str().cmp(text)) {
                        out[start + index] = 1.0;
                    }
                }
            }
        }
        if let Some((column, count)) = lacking {
            out.truncate(before);
            return Err(DataError::MissingValues { place: place.clone(), column: shown(&column.name), count });
        }
        Ok(())
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
            ColumnKind::Category { categories } => categories.len(),
        }
    }
}

/// Reads a field as a number.
pub(super) fn number(place: &Place, column: &str, field: &str) -> Result<f32, DataError> {
    match field.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(DataError::NotFinite { place: place.clone(), column: shown(column), value: shown(field) }),
        Err(_) => {
            let hint = if decimal_comma(field) {
                "; write decimals with a point"
            } else if field.trim_matches(['%', '$', '€', '£', ' ']).parse::<f64>().is_ok() {
                "; write the bare number"
            } else {
                ""
            };
            Err(DataError::NotANumber { place: place.clone(), column: shown(column), value: shown(field), hint })
        }
    }
}

/// Whether a text would be a number if its one comma were a point.
pub(super) fn decimal_comma(field: &str) -> bool {
    field.contains(',') && field.replacen(',', ".", 1).parse::<f64>().is_ok()
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
    schema: &'a Schema,
    known: HashMap<&'a str, u32>,
}

impl<'a> ClassFinder<'a> {
    pub(super) fn new(schema: &'a Schema) -> Self {
        ClassFinder { schema, known: HashMap::new() }
    }

    pub(super) fn find(&mut self, place: impl Fn() -> Place, field: &'a str) -> Result<u32, DataError> {
        if let Some(&class) = self.known.get(field) {
            return Ok(class);
        }
        let class = self.schema.class_index(field).ok_or_else(|| DataError::UnknownClass {
            place: place(),
            column: shown(&self.schema.target),
            value: shown(field),
            classes: listed(self.schema.classes.iter()),
        })?;
        self.known.insert(field, class);
        Ok(class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(missing: Missing) -> Schema {
        Schema {
            columns: vec![
                Column { name: "size".into(), kind: ColumnKind::Number { mean: 2.5 } },
                Column {
                    name: "colour".into(),
                    kind: ColumnKind::Category { categories: vec!["blue".into(), "missing".into(), "red".into()] },
                },
                Column { name: "age".into(), kind: ColumnKind::Number { mean: -1.0 } },
            ],
            target: "kind".into(),
            target_index: 1,
            task: Task::Classification,
            classes: vec!["cat".into(), "dog".into()],
            missing,
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
            assert!(is_missing(missing));
            assert_eq!(encoded(&[missing, missing, "0"]), [9.0, 2.5, 0.0, 1.0, 0.0, 0.0]);
        }
        assert_eq!(encoded(&["1", "green", "0"]), [9.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(!is_missing("none") && !is_missing("0"));
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
        for value in ["inf", "-infinity", "1e400", "1e39", "-nan"] {
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
        let mut schema = schema(Missing::Impute);
        assert_eq!(
            (schema.class_index("dog"), schema.class_index(" cat "), schema.class_index("cow")),
            (Some(1), Some(0), None)
        );
        schema.classes = vec!["1".into(), "2.5".into()];
        assert_eq!(
            (schema.class_index("1.0"), schema.class_index("2.50"), schema.class_index("x")),
            (Some(0), Some(1), None)
        );
        schema.classes = vec!["1".into(), "a".into()];
        assert_eq!(schema.class_index("1.0"), None);
    }

    #[test]
    fn a_schema_survives_json_bit_for_bit() {
        let mut schema = schema(Missing::Reject);
        schema.columns[0].kind = ColumnKind::Number { mean: 0.1 + f32::EPSILON };
        let json = serde_json::to_string(&schema).expect("is written");
        assert!(json.contains(r#""kind":{"number":{"mean":"#) && json.contains(r#""task":"classification""#), "{json}");
        assert_eq!(serde_json::from_str::<Schema>(&json).expect("is read"), schema);
    }
}
