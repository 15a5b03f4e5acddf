//! What the text of a field means: missing, a number, a date.

use crate::error::{DataError, Place, shown};
use chrono::format::{Parsed, StrftimeItems};
use chrono::{Datelike, Timelike};
use serde::{Deserialize, Serialize};

/// The texts that stand for a missing value; an empty field always does.
///
/// The default are those that pandas reads as missing, and `?`. A model keeps the list that it was trained with.
///
/// # Examples
/// ```
/// use plexus_train::data::MissingTokens;
/// let tokens = MissingTokens::default().and(["unknown"]);
/// assert!(tokens.is_missing("N/A") && tokens.is_missing("unknown") && tokens.is_missing(""));
/// assert!(!tokens.is_missing("none") && !tokens.is_missing("0"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct MissingTokens {
    tokens: Vec<String>,
    /// Whether a token starts with this byte: most fields are then told by one look.
    starts: Box<[bool; 256]>,
}

/// The list of pandas (its `na_values`), in the cases of letters that people write, and `?`.
const USUAL: &[&str] = &[
    "NA", "Na", "na", "NaN", "Nan", "nan", "NAN", "-NaN", "-nan", "NULL", "Null", "null", "N/A", "n/a", "#N/A",
    "#N/A N/A", "#NA", "<NA>", "None", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN", "?",
];

/// The list of models that were written before a model kept its list: `na`, `nan` and `null` in any case, and `?`.
const OF_OLD_MODELS: &[&str] = &["na", "nan", "null", "?"];

impl MissingTokens {
    fn new(tokens: impl IntoIterator<Item = String>) -> Self {
        let tokens: Vec<String> = tokens.into_iter().filter(|token| !token.is_empty()).collect();
        let mut starts = Box::new([false; 256]);
        tokens.iter().for_each(|token| starts[usize::from(token.as_bytes()[0])] = true);
        MissingTokens { tokens, starts }
    }

    /// What a model without a list of its own was trained with.
    pub(super) fn of_old_models() -> Self {
        let cases = |word: &str| -> Vec<String> {
            // Every way to write a word of at most four letters in capitals.
            let letters: Vec<char> = word.chars().collect();
            let way = |mask: u32| {
                let letter = |(index, letter): (usize, &char)| {
                    if mask >> index & 1 == 1 { letter.to_ascii_uppercase() } else { *letter }
                };
                letters.iter().enumerate().map(letter).collect()
            };
            (0..1u32 << letters.len()).map(way).collect()
        };
        let mut tokens: Vec<String> = OF_OLD_MODELS.iter().flat_map(|word| cases(word)).collect();
        tokens.dedup();
        MissingTokens::new(tokens)
    }

    /// These, and more.
    pub fn and<S: Into<String>>(self, more: impl IntoIterator<Item = S>) -> Self {
        MissingTokens::new(self.tokens.into_iter().chain(more.into_iter().map(|token| token.into().trim().to_string())))
    }

    /// Whether a field without blanks around it counts as missing.
    pub fn is_missing(&self, field: &str) -> bool {
        match field.as_bytes().first() {
            None => true,
            Some(&first) => self.starts[usize::from(first)] && self.tokens.iter().any(|token| token == field),
        }
    }
}

impl Default for MissingTokens {
    fn default() -> Self {
        MissingTokens::new(USUAL.iter().map(|token| token.to_string()))
    }
}

impl std::fmt::Debug for MissingTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.tokens.fmt(f)
    }
}

impl Serialize for MissingTokens {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tokens.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MissingTokens {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(MissingTokens::new(Vec::<String>::deserialize(deserializer)?))
    }
}

/// Reads a field as a number; with `dressed` also one with signs and thousands (see [`undressed`]).
pub(super) fn number(place: &Place, column: &str, field: &str, dressed: bool) -> Result<f32, DataError> {
    let value = match field.parse::<f32>() {
        Ok(value) => Some(value),
        Err(_) if dressed => undressed(field).map(|value| value as f32),
        Err(_) => None,
    };
    match value {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => Err(DataError::NotFinite { place: place.clone(), column: shown(column), value: shown(field) }),
        None => {
            let hint = if decimal_comma(field) {
                "; write decimals with a point"
            } else if undressed(field).is_some() {
                "; write the bare number"
            } else {
                ""
            };
            let (column, value) = (shown(column), shown(field));
            Err(DataError::NotANumber { place: place.clone(), column, value, hint, may_be_missing: false })
        }
    }
}

/// The number in a text such as `$1.40`, `12 %`, `1,234` or `-€3,000.50`: currency and percent signs are dropped (12 % is
/// 12), commas are dropped where they part thousands. `None` for anything else.
pub(super) fn undressed(field: &str) -> Option<f64> {
    const SIGNS: &[char] = &['$', '€', '£', '¥', '₹', '%', ' ', '\u{a0}'];
    let (negative, rest) = match field.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, field),
    };
    let bare = rest.trim_matches(SIGNS);
    // What is left begins with a digit or a point, so that no word such as `inf` or `$nan` counts.
    if !bare.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let value = if bare.contains(',') {
        let (whole, fraction) = bare.split_once('.').map_or((bare, None), |(whole, rest)| (whole, Some(rest)));
        let mut groups = whole.split(',');
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let first = groups.next().filter(|group| (1..=3).contains(&group.len()) && digits(group))?;
        let mut text = first.to_string();
        for group in groups {
            text += Some(group).filter(|group| group.len() == 3 && digits(group))?;
        }
        if let Some(fraction) = fraction {
            text += ".";
            text += Some(fraction).filter(|fraction| digits(fraction))?;
        }
        text.parse::<f64>().ok()?
    } else {
        bare.parse::<f64>().ok()?
    };
    Some(if negative { -value } else { value })
}

/// Whether a text would be a number if its one comma were a point.
pub(super) fn decimal_comma(field: &str) -> bool {
    field.contains(',') && field.replacen(',', ".", 1).parse::<f64>().is_ok()
}

/// The forms of dates that are known, as chrono writes them; where two fit all fields, the first is taken.
pub(super) const DATE_FORMATS: &[&str] = &[
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M:%S%.f%:z",
    "%Y-%m-%d %H:%M:%S%.f%:z",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%d %B %Y",
    "%d-%B-%Y",
    "%B %d %Y",
    "%B %d, %Y",
];

/// The features of a date.
pub(super) const DATE_FEATURES: [&str; 4] = ["year", "month", "weekday", "days"];

/// A date as numbers: year, month from 1, weekday from 0 (Monday), and days since 1970-01-01 with the time of day as a
/// fraction. `None` where the text has another form, or names no day.
pub(super) fn date(field: &str, format: &str) -> Option<[f32; 4]> {
    // The longest form has 35 characters; longer texts are no dates, however long.
    if field.len() > 40 || !field.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, field, StrftimeItems::new(format)).ok()?;
    let day = parsed.to_naive_date().ok().filter(|day| (1000..=9999).contains(&day.year()))?;
    let of_day = parsed.to_naive_time().map_or(0.0, |time| f64::from(time.num_seconds_from_midnight()) / 86_400.0);
    let days = f64::from(day.num_days_from_ce() - 719_163) + of_day;
    Some([day.year() as f32, day.month() as f32, day.weekday().num_days_from_monday() as f32, days as f32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_is_what_pandas_says_and_what_is_asked_for() {
        let tokens = MissingTokens::default();
        for missing in ["", "NA", "N/A", "n/a", "NaN", "nan", "None", "null", "<NA>", "#N/A", "-1.#IND", "?"] {
            assert!(tokens.is_missing(missing), "{missing}");
        }
        for present in ["none", "0", "-1", "nato", "N", "-", "unknown"] {
            assert!(!tokens.is_missing(present), "{present}");
        }
        assert!(tokens.clone().and([" - "]).is_missing("-"));
        let json = serde_json::to_string(&tokens).expect("is written");
        assert_eq!(serde_json::from_str::<MissingTokens>(&json).expect("is read"), tokens);
        let old = MissingTokens::of_old_models();
        assert!(["Na", "nAn", "NULL", "?", ""].iter().all(|text| old.is_missing(text)));
        assert!(!old.is_missing("None") && !old.is_missing("N/A"));
    }

    #[test]
    fn dressed_numbers_are_undressed_and_nothing_else_is() {
        for (text, value) in [
            ("$1.40", 1.4),
            ("12 %", 12.0),
            ("12%", 12.0),
            ("1,234", 1234.0),
            ("-€3,000.50", -3000.5),
            ("1,234,567", 1_234_567.0),
            ("£ 5", 5.0),
            ("3", 3.0),
            (".5", 0.5),
        ] {
            assert_eq!(undressed(text), Some(value), "{text}");
        }
        for text in ["1,5", "1,2345", ",123", "1234,567", "1,234.5x", "$", "%", "", "$inf", "nan %", "1 2", "5 kg"] {
            assert_eq!(undressed(text), None, "{text}");
        }
    }

    #[test]
    fn dates_become_year_month_weekday_and_days() {
        assert_eq!(date("1970-01-01", "%Y-%m-%d"), Some([1970.0, 1.0, 3.0, 0.0]));
        assert_eq!(date("2024-02-29", "%Y-%m-%d"), Some([2024.0, 2.0, 3.0, 19782.0]));
        assert_eq!(date("1969-12-31 12:00", "%Y-%m-%d %H:%M"), Some([1969.0, 12.0, 2.0, -0.5]));
        let forms = |text: &str| -> Vec<&str> {
            DATE_FORMATS.iter().filter(|format| date(text, format).is_some()).copied().collect()
        };
        assert_eq!(forms("2024-02-30"), [""; 0]);
        assert_eq!(forms("31/12/2024"), ["%d/%m/%Y"]);
        assert_eq!(forms("01/02/2024"), ["%m/%d/%Y", "%d/%m/%Y"]);
        assert_eq!(forms("2024-01-02T03:04:05.5+02:00"), ["%Y-%m-%dT%H:%M:%S%.f%:z"]);
        assert_eq!(forms("2024-01-02T03:04:05Z")[0], "%Y-%m-%dT%H:%M:%S%.fZ");
        assert_eq!(forms("Jan 2 2024"), ["%B %d %Y"]);
        assert_eq!(forms("2 January 2024"), ["%d %B %Y"]);
        assert_eq!(forms("1.5"), [""; 0]);
        assert_eq!(forms("2024"), [""; 0]);
        assert_eq!(forms(&"1".repeat(1 << 20)), [""; 0]);
    }
}
