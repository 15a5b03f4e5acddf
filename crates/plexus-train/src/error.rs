//! What can be wrong with data, said so that the reader can mend it.

use crate::Remedy;
use crate::data::Ignored;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a row comes from: a file and a line, or values handed over by a caller.
///
/// # Examples
/// ```
/// use plexus_train::Place;
/// assert_eq!(Place::line("iris.csv", 7).to_string(), "iris.csv, line 7");
/// assert_eq!(Place::default().to_string(), "the given row");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, or another name of the origin such as `stdin`.
    pub file: Option<Arc<str>>,
    /// The line in it, counted from 1.
    pub line: Option<u64>,
}

impl Place {
    /// A line, counted from 1, of a file or another named origin.
    pub fn line(file: impl Into<Arc<str>>, line: u64) -> Self {
        Place { file: Some(file.into()), line: Some(line) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}, line {line}"),
            (Some(file), None) => write!(f, "{file}"),
            (None, Some(line)) => write!(f, "line {line}"),
            (None, None) => write!(f, "the given row"),
        }
    }
}

/// A data set that cannot be opened, or a row that cannot be encoded.
///
/// Values quoted in messages are cut to a readable length and escaped, so a hostile file cannot write to the terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused to open or read a file.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The part before the colon names no data source.
    #[error("unknown data source {spec:?}{}; known: {known}", did_you_mean(suggestion.as_deref()))]
    UnknownSource {
        /// The text given.
        spec: String,
        /// The nearest thing that would work.
        suggestion: Option<String>,
        /// All forms, for the message.
        known: String,
    },
    /// A source was given a path that it does not take, or lacks one that it needs.
    #[error("the data source {spec:?} should be written {form}, for example {example}")]
    SourceForm {
        /// The text given.
        spec: String,
        /// The right form.
        form: &'static str,
        /// An example that could work.
        example: &'static str,
    },
    /// An option has a value outside its range.
    #[error("{option} must be {expected}, got {got}{}", Remedy::ending(remedy.as_ref()))]
    BadOption {
        /// The field of [`DataOptions`](crate::data::DataOptions) or [`TableOptions`](crate::data::TableOptions).
        option: &'static str,
        /// What is allowed.
        expected: &'static str,
        /// What was given.
        got: String,
        /// What may help.
        remedy: Option<Remedy>,
    },

    /// What stands behind the name of a source does not read.
    #[error("{what} must be {expected}, got {got}")]
    Spelled {
        /// The source, or which of its options.
        what: &'static str,
        /// What is understood.
        expected: String,
        /// What was written.
        got: String,
    },

    /// A file is no image that can be read, or a folder holds other things than images in their places.
    #[error("{} {what}", path.display())]
    Image {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, what was expected, and what to do: the rest of a sentence.
        what: String,
    },

    /// A path that should be a folder is a file.
    #[error("{} is a file; give the folder that holds the four IDX files", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A folder lacks one of the four IDX files.
    #[error("{} has no {wanted} (or {wanted}.gz); it holds: {found}", folder.display())]
    MissingFile {
        /// The folder searched.
        folder: PathBuf,
        /// The usual name of the file.
        wanted: &'static str,
        /// What the folder holds, cut to a few names.
        found: String,
    },
    /// A file does not start as the IDX file expected here starts.
    #[error("{} is not {expected}: its first four bytes are {got:#010x}, expected {expected_magic:#010x} ({expected_magic}){hint}", path.display())]
    WrongMagic {
        /// The file.
        path: PathBuf,
        /// What should be here.
        expected: &'static str,
        /// The number that such a file starts with.
        expected_magic: u32,
        /// The number found.
        got: u32,
        /// What the file seems to be, with leading punctuation; may be empty.
        hint: String,
    },
    /// An IDX file holds another type than unsigned bytes.
    #[error("{} holds {got} values; only IDX files of unsigned bytes (type 0x08) can be read: convert it to 0..=255", path.display())]
    ValueType {
        /// The file.
        path: PathBuf,
        /// The type found.
        got: &'static str,
    },
    /// A file ends before its header says so.
    #[error("{} is cut off: its header announces {expected_bytes} bytes, {got_bytes} are there; fetch the file again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes announced, after gunzip, header included.
        expected_bytes: u64,
        /// Bytes found.
        got_bytes: u64,
    },
    /// A file goes on after the end that its header announces.
    #[error("{} goes on after the {expected_bytes} bytes that its header announces; header or file is damaged", path.display())]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// Bytes announced, after gunzip, header included.
        expected_bytes: u64,
    },
    /// A gzip stream is damaged.
    #[error("{} is a damaged gzip file; fetch it again", path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: io::Error,
    },
    /// A header announces nothing at all along one axis.
    #[error("{} announces zero {axis}; there is nothing to learn from", path.display())]
    ZeroSize {
        /// The file.
        path: PathBuf,
        /// The axis: `images`, `rows`, `columns` or `labels`.
        axis: &'static str,
    },
    /// The data would not fit.
    #[error("{} is too large: {what}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The size and the limit.
        what: String,
    },
    /// Images and labels differ in number.
    #[error("{} holds {images} images, but {} holds {labels} labels; the two files do not belong together", images_path.display(), labels_path.display())]
    CountMismatch {
        /// The file of images.
        images_path: PathBuf,
        /// Its count.
        images: usize,
        /// The file of labels.
        labels_path: PathBuf,
        /// Its count.
        labels: usize,
    },
    /// Training and test images differ in size.
    #[error("{} holds images of {}x{} pixels, but {} of {}x{}", train_path.display(), train.0, train.1, test_path.display(), test.0, test.1)]
    ImageSizes {
        /// The file of training images.
        train_path: PathBuf,
        /// Its (rows, columns).
        train: (usize, usize),
        /// The file of test images.
        test_path: PathBuf,
        /// Its (rows, columns).
        test: (usize, usize),
    },

    /// A file is of a known format that is no table of text.
    #[error("{} is {what}, not a table of text; {help}", path.display())]
    NotATable {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to do.
        help: String,
    },
    /// A text file is not UTF-8.
    #[error("{place}: not UTF-8 text{hint}")]
    NotText {
        /// The first line that is not.
        place: Place,
        /// What the file seems to be, with leading punctuation; may be empty.
        hint: &'static str,
    },
    /// A file holds no row at all.
    #[error("{} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A file holds column names and nothing else.
    #[error("{} holds only a header ({columns}) and no rows of data; if that line is data, say that there is no header", path.display())]
    OnlyHeader {
        /// The file.
        path: PathBuf,
        /// The names found.
        columns: String,
    },
    /// There are not enough rows to take a test part away.
    #[error("{} holds {rows} row of data; at least 2 are needed to keep some for the test", path.display())]
    TooFewRows {
        /// The file.
        path: PathBuf,
        /// Rows found.
        rows: usize,
    },
    /// A row has another number of fields than the rows before it.
    #[error("{place}: expected {expected} fields, got {got}{hint}")]
    FieldCount {
        /// The row.
        place: Place,
        /// Fields expected.
        expected: usize,
        /// Fields found.
        got: usize,
        /// What may help, with leading punctuation; may be empty.
        hint: &'static str,
    },
    /// A quoted field is opened and never closed.
    #[error("{place}: a field starts with a quote that is never closed, so it swallows the rest of the file")]
    UnclosedQuote {
        /// Where the row with the quote starts.
        place: Place,
    },
    /// Two columns have one name.
    #[error("{} has two columns called {name:?}: number {first} and number {second}; rename one", path.display())]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// The first, counted from 1.
        first: usize,
        /// The second, counted from 1.
        second: usize,
    },
    /// A file has target columns and nothing beside them.
    #[error("{} has no column beside {target:?}, which is to be predicted; nothing is left to predict it from (is the delimiter right?)", path.display())]
    NoFeatures {
        /// The file.
        path: PathBuf,
        /// The target.
        target: String,
    },
    /// The target names no column.
    #[error("{} has no column {target:?}{}; columns: {columns}", path.display(), did_you_mean(suggestion.as_deref()))]
    TargetNotFound {
        /// The file.
        path: PathBuf,
        /// The name or number asked for.
        target: String,
        /// The nearest name.
        suggestion: Option<String>,
        /// The columns there are.
        columns: String,
    },
    /// A column that the model was trained on is not in the input.
    #[error("{place}: no column {column:?}, which the model was trained on{}; columns here: {columns}", did_you_mean(suggestion.as_deref()))]
    ColumnNotFound {
        /// The input.
        place: Place,
        /// The column wanted.
        column: String,
        /// The nearest name there.
        suggestion: Option<String>,
        /// The columns there are.
        columns: String,
    },
    /// An option names no column.
    #[error("{option} names {name:?}, but {} has no such column{}; columns: {columns}", path.display(), did_you_mean(suggestion.as_deref()))]
    NamedColumn {
        /// The file.
        path: PathBuf,
        /// The field of [`DataOptions`](crate::data::DataOptions).
        option: &'static str,
        /// The name given.
        name: String,
        /// The nearest name there.
        suggestion: Option<String>,
        /// The columns there are.
        columns: String,
    },
    /// Every column beside the target is left out.
    #[error("{}: no column is left to predict from; left out: {}; {}", path.display(), with_reasons(left_out), Remedy::UseAny)]
    NothingLeft {
        /// The file.
        path: PathBuf,
        /// The columns, with the reason of each.
        left_out: Vec<Ignored>,
    },
    /// A row has no target.
    #[error(
        "{place}, column {column:?}: the target is missing, in {count} row{} in all; a row without a target can neither teach \
         nor test; {}", plural(*count), Remedy::DropRows
    )]
    MissingTarget {
        /// The first such row.
        place: Place,
        /// The target column.
        column: String,
        /// How many rows lack it.
        count: usize,
    },
    /// Text stands where a date should be.
    #[error("{place}, column {column:?}: expected a date as {format}, got {value:?}")]
    NotADate {
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// The text, cut to a readable length.
        value: String,
        /// The form that the other dates have.
        format: String,
    },
    /// Values are missing and the policy is to refuse that.
    #[error("{place}, column {column:?}: {count} missing value{} in all; fill them in, or let them be imputed (the default)", plural(*count))]
    MissingValues {
        /// The first of them.
        place: Place,
        /// Its column.
        column: String,
        /// How many there are.
        count: usize,
    },
    /// Text stands where a number should be.
    #[error("{place}, column {column:?}: expected a number, got {value:?}{hint}{}", Remedy::ending(missing_text(*may_be_missing, value).as_ref()))]
    NotANumber {
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// The text, cut to a readable length.
        value: String,
        /// What may help, with leading punctuation; may be empty.
        hint: &'static str,
        /// Whether the text may mean a missing value.
        may_be_missing: bool,
    },
    /// A number is infinite, not a number, or beyond f32.
    #[error("{place}, column {column:?}: {value:?} is not a finite 32-bit number (largest magnitude 3.4e38)")]
    NotFinite {
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// The text, cut to a readable length.
        value: String,
    },
    /// All rows have the same class.
    #[error("{}, column {column:?}: every row is of the class {class:?}; at least two classes are needed", path.display())]
    OneClass {
        /// The file.
        path: PathBuf,
        /// The target column.
        column: String,
        /// The one class.
        class: String,
    },
    /// A column of text has more distinct values than one-hot encoding is good for.
    #[error(
        "{}, column {column:?}: {count} distinct texts, at most {limit} are allowed (one is {example:?}); as a target, write \
         numbers plainly, with a point; else {}", path.display(), Remedy::FewerTexts { column: column.clone() }
    )]
    TooManyCategories {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Distinct values.
        count: usize,
        /// How many are allowed.
        limit: usize,
        /// The first of them.
        example: String,
    },
    /// A target is none of the classes of the model.
    #[error("{place}, column {column:?}: {value:?} is none of the model's classes: {classes}")]
    UnknownClass {
        /// The row.
        place: Place,
        /// The target column.
        column: String,
        /// The text, cut to a readable length.
        value: String,
        /// The classes there are.
        classes: String,
    },
}

impl DataError {
    /// What may help, where that is something to ask for.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            DataError::BadOption { remedy, .. } => remedy.clone(),
            DataError::NotANumber { value, may_be_missing, .. } => missing_text(*may_be_missing, value),
            DataError::NothingLeft { .. } => Some(Remedy::UseAny),
            DataError::MissingTarget { .. } => Some(Remedy::DropRows),
            DataError::TooManyCategories { column, .. } => Some(Remedy::FewerTexts { column: column.clone() }),
            _ => None,
        }
    }
}

/// What may help where a text may mean a missing value.
fn missing_text(may_be_missing: bool, text: &str) -> Option<Remedy> {
    may_be_missing.then(|| Remedy::MissingText { text: text.to_string() })
}

/// Columns that are left out, each with its reason.
fn with_reasons(left_out: &[Ignored]) -> String {
    listed(left_out.iter().map(|column| format!("{} ({})", column.name, column.why)))
}

/// `" (did you mean "x"?)"`, or nothing.
fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|text| format!(" (did you mean {text:?}?)")).unwrap_or_default()
}

/// The ending of a noun after this number.
fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Cuts a value from a file to a length that fits a message.
pub(crate) fn shown(value: &str) -> String {
    const LONGEST: usize = 40;
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_string(),
    }
}

/// Lists names for a message, cut to a readable number.
pub(crate) fn listed<S: AsRef<str>>(names: impl ExactSizeIterator<Item = S>) -> String {
    const MOST: usize = 20;
    let count = names.len();
    if count == 0 {
        return "nothing".to_string();
    }
    let mut text =
        names.take(MOST).map(|name| shown(name.as_ref()).escape_debug().to_string()).collect::<Vec<_>>().join(", ");
    if count > MOST {
        text.push_str(&format!(" and {} more", count - MOST));
    }
    text
}

/// The candidate nearest in spelling, if one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    // Edit distance is quadratic; a "word" this long is no misspelling of a name.
    if word.len() > 200 {
        return None;
    }
    let lower = word.to_lowercase();
    candidates
        .filter(|name| name.len() <= 200)
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.to_string())
}
