//! Messages about a place in a text: file, line, column, the line itself, and what would be right.

use crate::error::FormatError;
use std::fmt;
use std::ops::Range;

/// A mistake at a place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextError {
    /// The name of the text.
    pub file: String,
    /// From one.
    pub line: usize,
    /// From one, in characters.
    pub column: usize,
    /// The line, or the part of a long line around the column.
    pub text: String,
    /// What is marked in [`TextError::text`], in characters.
    pub marked: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right; may be empty.
    pub help: String,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TextError { file, line, column, text, marked, message, help } = self;
        writeln!(f, "{file}:{line}:{column}: {message}")?;
        writeln!(f, "{line:>5} | {text}")?;
        let carets = "^".repeat(marked.len().max(1));
        write!(f, "{:>5} | {:indent$}{carets}", "", "", indent = marked.start)?;
        if help.is_empty() { Ok(()) } else { write!(f, "\n  {help}") }
    }
}

impl std::error::Error for TextError {}

/// A text and its name.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

/// How much of a long line is shown, and how much of that before the mistake.
const SHOWN: usize = 100;
const SHOWN_BEFORE: usize = 30;

impl Source<'_> {
    /// A mistake at a range of bytes.
    pub fn error(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> FormatError {
        let start = self.boundary(span.start);
        let end = self.boundary(span.end).max(start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let column = self.text[line_start..start].chars().count();
        let width = self.text[start..end.min(line_end).max(start)].chars().count();
        let skipped = if column > SHOWN - SHOWN_BEFORE { column - SHOWN_BEFORE } else { 0 };
        let shown = self.text[line_start..line_end].trim_end().chars().skip(skipped).take(SHOWN);
        let indent = column - skipped;
        FormatError::Text(Box::new(TextError {
            file: self.file.to_string(),
            line: self.text[..start].matches('\n').count() + 1,
            column: column + 1,
            text: shown.map(printable).collect(),
            marked: indent..(indent + width).min(SHOWN).max(indent),
            message: message.into(),
            help: help.into(),
        }))
    }

    /// The start of the character at or before a byte.
    fn boundary(&self, at: usize) -> usize {
        self.text.floor_char_boundary(at.min(self.text.len()))
    }
}

/// Keeps a hostile line from driving the terminal it is printed on; a tab becomes one space, as the mark counts it.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// Names for a message: `a`, `b`, `c`.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// What other tools call our things.
const ALIASES: &[(&str, &str)] = &[
    ("type", "kind"),
    ("units", "out_features"),
    ("neurons", "out_features"),
    ("nodes", "out_features"),
    ("size", "out_features"),
    ("outputs", "out_features"),
    ("inputs", "in_features"),
    ("use_bias", "bias"),
    ("kernel_initializer", "weight_init"),
    ("bias_initializer", "bias_init"),
    ("p", "probability"),
    ("rate", "probability"),
    ("eps", "epsilon"),
    ("negative_slope", "slope"),
    ("fc", "linear"),
    ("fully_connected", "linear"),
    ("gemm", "linear"),
    ("swish", "silu"),
    ("logistic", "sigmoid"),
    ("input_shape", "input"),
    ("xavier_uniform", "glorot_uniform"),
    ("xavier_normal", "glorot_normal"),
    ("kaiming_uniform", "he_uniform"),
    ("kaiming_normal", "he_normal"),
];

/// The allowed name nearest to a wrong one, if one is near.
pub(crate) fn nearest<'a, S: AsRef<str>>(wrong: &str, allowed: &'a [S]) -> Option<&'a str> {
    let wrong: String = wrong.chars().take(40).collect::<String>().to_lowercase().replace(['-', ' '], "_");
    let names = || allowed.iter().map(AsRef::as_ref);
    if let Some((_, alias)) = ALIASES.iter().find(|(other, ours)| *other == wrong && names().any(|name| name == *ours))
    {
        return names().find(|name| name == alias);
    }
    // The beginning of a name is enough.
    if wrong.len() >= 3
        && let Some(name) = names().find(|name| name.starts_with(&wrong))
    {
        return Some(name);
    }
    let squeeze = |name: &str| name.replace('_', "");
    let distance = |name: &str| strsim::damerau_levenshtein(&squeeze(name), &squeeze(&wrong));
    // A third of the letters may be wrong: `rellu`, `leakyrelu`, `batchnorm`, but not `conv` for `tanh`.
    names()
        .map(|name| (distance(name), name))
        .filter(|(far, name)| *far <= name.len().div_ceil(3))
        .min()
        .map(|(_, name)| name)
}

/// "Did you mean", then everything that is allowed.
pub(crate) fn suggestion<S: AsRef<str>>(wrong: &str, allowed: &[S]) -> String {
    let known = match allowed {
        [] => String::new(),
        _ => format!("Known: {}.", list(allowed)),
    };
    match nearest(wrong, allowed) {
        Some(name) => format!("Did you mean `{name}`? {known}"),
        None => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_word() {
        let names = ["relu", "leaky_relu", "tanh", "batch_norm", "silu"];
        for (wrong, want) in [
            ("rellu", Some("relu")),
            ("ReLU", Some("relu")),
            ("leaky-relu", Some("leaky_relu")),
            ("LeakyReLU", Some("leaky_relu")),
            ("batchnorm", Some("batch_norm")),
            ("swish", Some("silu")),
            ("batch", Some("batch_norm")),
            ("conv2d", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, &names), want, "{wrong}");
        }
    }

    #[test]
    fn a_long_line_is_shown_in_part_and_marked_at_the_mistake() {
        let text = format!("first\n{}bad{}\n", "é".repeat(300), "x".repeat(300));
        let source = Source { file: "f", text: &text };
        let FormatError::Text(error) = source.error(606..609, "wrong", "") else { panic!("a text error") };
        assert_eq!((error.line, error.column), (2, 301));
        assert_eq!(error.text.chars().count(), SHOWN);
        let marked: String = error.text.chars().skip(error.marked.start).take(error.marked.len()).collect();
        assert_eq!(marked, "bad");
    }
}
