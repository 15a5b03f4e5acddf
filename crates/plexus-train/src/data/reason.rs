//! Why a column is left out.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a model does not look at a column. In files it is its text.
///
/// # Examples
/// ```
/// use plexus_train::data::Reason;
/// let reason: Reason = serde_json::from_str(r#""always the same""#)?;
/// assert_eq!(reason, Reason::Constant);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
#[non_exhaustive]
pub enum Reason {
    /// It was named in [`DataOptions::drop`](super::DataOptions::drop).
    Dropped,
    /// Others were named in [`DataOptions::only`](super::DataOptions::only).
    NotAmongOnly,
    /// It was to be read as [`ReadAs::TextIgnored`](super::ReadAs::TextIgnored).
    TextIgnored,
    /// It holds nothing.
    Empty,
    /// Every field holds the same.
    Constant,
    /// It numbers the rows.
    RowNumber,
    /// Nearly every text is another.
    Names,
    /// Another reason, in words: a file of another version may have one.
    InWords(String),
}

/// The texts. They stand in model files: a text that is changed here must still be read.
const TEXTS: &[(Reason, &str)] = &[
    (Reason::Dropped, "dropped"),
    (Reason::NotAmongOnly, "not among the only ones"),
    (Reason::TextIgnored, "text to be ignored"),
    (Reason::Empty, "empty"),
    (Reason::Constant, "always the same"),
    (Reason::RowNumber, "row number"),
    (Reason::Names, "names, not categories"),
];

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = TEXTS.iter().find(|(reason, _)| reason == self).map(|(_, text)| *text);
        f.write_str(match self {
            Reason::InWords(text) => text,
            _ => listed.expect("every other reason has a row"),
        })
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> String {
        reason.to_string()
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Reason {
        if let Some((reason, _)) = TEXTS.iter().find(|(_, known)| *known == text) {
            return reason.clone();
        }
        // An earlier version wrote the flag of its command line, with two dashes in front.
        match text.replace("--", "").as_str() {
            "drop" => Reason::Dropped,
            "not in only" => Reason::NotAmongOnly,
            "as text-ignored" => Reason::TextIgnored,
            _ => Reason::InWords(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_written_as_text_and_read_again() {
        let all = TEXTS.iter().map(|(reason, _)| reason.clone()).chain([Reason::InWords("too ugly".to_string())]);
        for reason in all {
            let json = serde_json::to_string(&reason).expect("is written");
            assert_eq!(json, format!("\"{reason}\""));
            assert_eq!(serde_json::from_str::<Reason>(&json).expect("is read"), reason);
        }
    }

    #[test]
    fn reasons_of_an_earlier_version_are_read() {
        let old = [
            ("--drop", Reason::Dropped),
            ("not in --only", Reason::NotAmongOnly),
            ("--as text-ignored", Reason::TextIgnored),
            ("always the same", Reason::Constant),
        ];
        for (text, reason) in old {
            assert_eq!(Reason::from(text.to_string()), reason);
        }
    }
}
