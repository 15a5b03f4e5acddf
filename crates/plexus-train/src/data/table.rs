//! Delimited text as rows of fields, each with the line it came from.
//!
//! Knows nothing of numbers wanted or targets: that is `schema.rs`.

use super::file;
use super::text::MissingTokens;
use crate::error::{DataError, Place, listed, shown};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How to read delimited text; what is not said is found out (see [`Table::open`]).
#[derive(Clone, Debug, Default)]
pub struct TableOptions<'a> {
    /// Whether the first row holds names.
    pub header: Option<bool>,
    /// The byte between fields.
    pub delimiter: Option<u8>,
    /// Names that make the first row a header if it holds them all: the columns that a model knows.
    pub known_names: Vec<&'a str>,
    /// Names that make the first row a header if it holds one of them: those that a user gave.
    pub given_names: Vec<&'a str>,
}

/// Rows of text fields, all of one width.
///
/// # Examples
/// ```
/// use plexus_train::data::{Table, TableOptions};
/// let table = Table::parse("stdin", "size;color\n3;red\n", &TableOptions::default())?;
/// assert_eq!(table.columns(), ["size", "color"]);
/// assert_eq!((table.len(), table.cell(0, 1)), (1, "red"));
/// assert_eq!(table.place(0).to_string(), "stdin, line 2");
/// # Ok::<(), plexus_train::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    origin: Arc<str>,
    columns: Vec<String>,
    header: bool,
    /// All fields, one after another, without quotes or surrounding blanks.
    text: String,
    /// Where each row starts in `text`.
    starts: Vec<usize>,
    /// Where each field ends, counted from the start of its row: half the memory of positions in `text`.
    ends: Vec<u32>,
    /// The line on which each row starts.
    lines: Vec<u64>,
}

impl Table {
    /// Reads a file of delimited text: UTF-8, plain or gzip, fields with quotes as in RFC 4180, blanks around fields
    /// ignored. The path `-` stands for standard input.
    ///
    /// The delimiter, where not given, is the first of tab, semicolon and comma that cuts the first twenty rows into
    /// the same number of fields, two or more; failing that, the one that cuts the first row most often.
    ///
    /// The first row, where not said, is a header if it holds one of the names given or all the names known; or if none
    /// of its fields is a number while some field of the rows after it is; or, in a table of text alone, if its fields
    /// differ, none is missing, and none occurs again in its own column within the next thousand rows. Columns without
    /// a name are called `column 1`, `column 2` and so on. Empty lines are passed over.
    ///
    /// # Errors
    /// - [`DataError::Io`]: the file cannot be read
    /// - [`DataError::NotATable`]: it is another kind of file, such as Parquet or a spreadsheet
    /// - [`DataError::Gzip`], [`DataError::TooLarge`]: it is gzip, and damaged or grows beyond reason
    /// - [`DataError::NotText`]: it is not UTF-8
    /// - [`DataError::Empty`], [`DataError::OnlyHeader`]: it holds no row of data
    /// - [`DataError::FieldCount`]: a row is longer or shorter than the first
    /// - [`DataError::UnclosedQuote`]: a quote swallows the end of the file
    /// - [`DataError::DuplicateColumn`]: two columns have one name
    pub fn open(path: &Path, options: &TableOptions<'_>) -> Result<Table, DataError> {
        let bytes = file::read(path)?;
        Table::parse(&file::origin(path), bytes, options)
    }

    /// Reads delimited text from memory; `origin` stands for a file name in messages.
    ///
    /// # Errors
    /// As [`Table::open`], without `Io`.
    pub fn parse(origin: &str, bytes: impl AsRef<[u8]>, options: &TableOptions<'_>) -> Result<Table, DataError> {
        let content = text_of(origin, bytes.as_ref())?;
        if let Some(delimiter) = options.delimiter
            && (!delimiter.is_ascii() || b"\"\r\n".contains(&delimiter))
        {
            let got = format!("{:?}", char::from(delimiter));
            return Err(DataError::BadOption {
                option: "delimiter",
                expected: "one ASCII character, no quote or line end",
                got,
                remedy: None,
            });
        }
        let delimiter = options.delimiter.unwrap_or_else(|| find_delimiter(content));
        let mut table = Table {
            origin: origin.into(),
            columns: Vec::new(),
            header: false,
            text: String::with_capacity(content.len()),
            starts: Vec::new(),
            ends: Vec::new(),
            lines: Vec::new(),
        };
        table.read_rows(content, delimiter)?;
        table.take_header(options)?;
        Ok(table)
    }

    fn read_rows(&mut self, content: &str, delimiter: u8) -> Result<(), DataError> {
        let mut lines = LineCounter { content: content.as_bytes(), byte: 0, line: 1 };
        let mut reader = reader(content, delimiter);
        let mut record = csv::StringRecord::new();
        let mut width = 0;
        let mut last_start = 0;
        while reader.read_record(&mut record).expect("flexible records of checked UTF-8 in memory cannot fail") {
            let start = record.position().map_or(0, |position| position.byte() as usize);
            if record.len() == 1 && record[0].trim().is_empty() && width != 1 {
                continue; // a line of blanks
            }
            last_start = start;
            let line = lines.at(start);
            if width == 0 {
                width = record.len();
                // Placeholders, until it is known whether the first row holds names.
                self.columns = (1..=width).map(|number| format!("column {number}")).collect();
            } else if record.len() != width {
                let place = Place::line(self.origin.clone(), line);
                if swallows(&content[start..], delimiter) {
                    return Err(DataError::UnclosedQuote { place });
                }
                let hint =
                    if record.len() > width { "; a value that holds the delimiter must stand in quotes" } else { "" };
                return Err(DataError::FieldCount { place, expected: width, got: record.len(), hint });
            }
            let row_start = self.text.len();
            for field in &record {
                self.text.push_str(field.trim());
                let end = u32::try_from(self.text.len() - row_start).map_err(|_| DataError::TooLarge {
                    path: self.path(),
                    what: format!("the row at line {line} has more than 4 GiB of text"),
                })?;
                self.ends.push(end);
            }
            self.starts.push(row_start);
            self.lines.push(line);
        }
        // Only the last row can hold a quote that is never closed.
        if let Some(&line) = self.lines.last()
            && swallows(&content[last_start..], delimiter)
        {
            return Err(DataError::UnclosedQuote { place: Place::line(self.origin.clone(), line) });
        }
        if self.lines.is_empty() {
            return Err(DataError::Empty { path: self.path() });
        }
        Ok(())
    }

    fn take_header(&mut self, options: &TableOptions<'_>) -> Result<(), DataError> {
        let is_header = options.header.unwrap_or_else(|| self.starts_with_names(options));
        if !is_header {
            return Ok(());
        }
        for column in 0..self.width() {
            let name = self.cell(0, column).to_string();
            if !name.is_empty() {
                self.columns[column] = name;
            }
        }
        self.header = true;
        let mut seen = HashMap::new();
        for (index, name) in self.columns.iter().enumerate() {
            if let Some(first) = seen.insert(name, index) {
                return Err(DataError::DuplicateColumn {
                    path: self.path(),
                    name: shown(name),
                    first: first + 1,
                    second: index + 1,
                });
            }
        }
        if self.is_empty() {
            return Err(DataError::OnlyHeader { path: self.path(), columns: listed(self.columns.iter()) });
        }
        Ok(())
    }

    /// Whether the first row looks like names of columns (see [`Table::open`]); it still counts as a row of data here.
    fn starts_with_names(&self, options: &TableOptions<'_>) -> bool {
        let first: Vec<&str> = self.row(0);
        if options.given_names.iter().any(|name| first.contains(name)) {
            return true;
        }
        if !options.known_names.is_empty() && options.known_names.iter().all(|name| first.contains(name)) {
            return true;
        }
        let has_number = |row: usize| {
            (0..self.width()).any(|column| self.cell(row, column).parse::<f64>().is_ok_and(|value| !value.is_nan()))
        };
        if has_number(0) {
            return false;
        }
        if (1..self.len()).any(has_number) {
            return true;
        }
        // A table of text alone: a row of data would share a word with a later one, or lack one.
        let tokens = MissingTokens::default();
        let few = self.len().min(1000);
        let recurs = |column: usize| (1..few).any(|row| self.cell(row, column) == first[column]);
        let differ = (1..first.len()).all(|column| !first[..column].contains(&first[column]));
        differ && !first.iter().any(|field| tokens.is_missing(field)) && !(0..self.width()).any(recurs)
    }

    /// The number of rows of data.
    pub fn len(&self) -> usize {
        self.lines.len() - usize::from(self.header)
    }

    /// Whether there is no row of data; never so for a table that was read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether the names came from the first row.
    pub fn has_header(&self) -> bool {
        self.header
    }

    /// One field.
    ///
    /// # Panics
    /// Where there is no such row or column.
    pub fn cell(&self, row: usize, column: usize) -> &str {
        assert!(column < self.width(), "cell: column {column} of {}", self.width());
        let row = row + usize::from(self.header);
        let ends = &self.ends[row * self.width()..];
        let row_text = &self.text[self.starts[row]..];
        &row_text[if column == 0 { 0 } else { ends[column - 1] as usize }..ends[column] as usize]
    }

    /// The fields of one row.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn row(&self, row: usize) -> Vec<&str> {
        (0..self.width()).map(|column| self.cell(row, column)).collect()
    }

    /// Where a row came from.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn place(&self, row: usize) -> Place {
        Place::line(self.origin.clone(), self.lines[row + usize::from(self.header)])
    }

    /// Where the column names came from.
    pub(super) fn header_place(&self) -> Place {
        Place { file: Some(self.origin.clone()), line: self.header.then(|| self.lines[0]) }
    }

    /// The origin, for errors about the whole file.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(&*self.origin)
    }

    fn width(&self) -> usize {
        self.columns.len()
    }
}

/// Checks that bytes are UTF-8, and takes off the mark that some programs put in front.
fn text_of<'a>(origin: &str, bytes: &'a [u8]) -> Result<&'a str, DataError> {
    std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() as u64;
        let hint = match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "; it seems to be UTF-16: save it as UTF-8",
            _ => "; save it as UTF-8",
        };
        DataError::NotText { place: Place::line(origin, line), hint }
    })
}

fn reader(content: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(content.as_bytes())
}

/// Whether the record at the start of `rest` has a quote that is never closed.
///
/// Asked of the reader itself: a mark on a line of its own after the end is swallowed only by an open quote.
fn swallows(rest: &str, delimiter: u8) -> bool {
    let mut record = csv::StringRecord::new();
    let probe = format!("{rest}\n{MARK}");
    reader(&probe, delimiter)
        .read_record(&mut record)
        .expect("flexible records of checked UTF-8 in memory cannot fail");
    record.iter().next_back().is_some_and(|field| field.ends_with(MARK))
}

const MARK: &str = "\n\u{1}end";

fn find_delimiter(content: &str) -> u8 {
    let widths = |delimiter: u8| -> Vec<usize> {
        let mut reader = reader(content, delimiter);
        reader.records().take(20).map_while(Result::ok).map(|record| record.len()).collect()
    };
    // The comma comes last: it is also a decimal sign and common in prose, so its counts agree by chance most easily.
    const CANDIDATES: [u8; 3] = *b"\t;,";
    let counts = CANDIDATES.map(widths);
    let agreeing = counts.iter().position(|widths| {
        widths.first().is_some_and(|&first| first > 1 && widths.iter().all(|&width| width == first))
    });
    let widest = || (0..counts.len()).max_by_key(|&index| counts[index].first().copied().unwrap_or(0)).unwrap_or(2);
    CANDIDATES[agreeing.unwrap_or_else(widest)]
}

/// Turns growing byte positions into line numbers, reading each byte once.
struct LineCounter<'a> {
    content: &'a [u8],
    byte: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// The line of the first byte of a record that starts at `start` or, as the reader has it, at empty lines before it.
    fn at(&mut self, start: usize) -> u64 {
        let mut record = start;
        while matches!(self.content.get(record), Some(b'\r' | b'\n')) {
            record += 1;
        }
        self.line += self.content[self.byte..record].iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.byte = record;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Table, DataError> {
        Table::parse("t.csv", text, &TableOptions::default())
    }

    fn refusal(text: impl AsRef<[u8]>) -> String {
        Table::parse("t.csv", text, &TableOptions::default()).expect_err("is refused").to_string()
    }

    fn table(text: &str) -> Table {
        parse(text).expect("is read")
    }

    #[test]
    fn a_header_is_told_from_data() {
        assert!(table("a,b\n1,x\n").has_header());
        assert!(!table("1,b\n1,x\n").has_header());
        // Text only: names do not come again.
        assert!(table("a,b\nc,d\n").has_header());
        assert!(table("kind,color\ncat,red\ndog,red\ncat,blue\n").has_header());
        for data in ["cat,red\ndog,red\ncat,blue\n", "a,a\nc,d\n", "a,\nc,d\n"] {
            assert!(!table(data).has_header(), "{data}");
        }
        let given = TableOptions { given_names: vec!["2"], ..TableOptions::default() };
        assert!(Table::parse("t", "1,2\n3,4\n", &given).expect("is read").has_header());
        assert!(table("a,b\nc,d\ne,1e3\n").has_header());
        assert_eq!(table("1,b\n1,x\n").columns(), ["column 1", "column 2"]);
        assert_eq!(table(",b\n1,x\n").columns(), ["column 1", "b"]);
        let known = TableOptions { known_names: vec!["b"], ..TableOptions::default() };
        assert!(Table::parse("t", "a,b\nc,d\n", &known).expect("is read").has_header());
        let forced = TableOptions { header: Some(true), ..TableOptions::default() };
        assert_eq!(Table::parse("t", "1,2\n3,4\n", &forced).expect("is read").columns(), ["1", "2"]);
        let forced = TableOptions { header: Some(false), ..TableOptions::default() };
        assert_eq!(Table::parse("t", "a,b\n3,4\n", &forced).expect("is read").len(), 2);
    }

    #[test]
    fn the_delimiter_is_found() {
        for text in ["a,b,c\n1,2,3\n", "a;b;c\n1,5;2,5;3\n", "a\tb\tc\n1,5\t2\t3\n", "a,b,c\n1,\"x;y\",3\n"] {
            assert_eq!(table(text).columns(), ["a", "b", "c"], "{text}");
        }
        let options = TableOptions { delimiter: Some(b'|'), ..TableOptions::default() };
        assert_eq!(Table::parse("t", "a|b\n1|2\n", &options).expect("is read").row(0), ["1", "2"]);
        for bad in [b'\n', b'"', 200] {
            let options = TableOptions { delimiter: Some(bad), ..TableOptions::default() };
            assert!(matches!(Table::parse("t", "a|b\n1|2\n", &options), Err(DataError::BadOption { .. })));
        }
    }

    #[test]
    fn fields_lose_quotes_and_blanks_and_keep_their_lines() {
        let table = table("\u{feff}a, b\r\n\r\n 1 ,\"two\nlines, \"\"quoted\"\"\"\r\n\n   \n3,  5\" pipe \n");
        assert_eq!(table.columns(), ["a", "b"]);
        assert_eq!(table.row(0), ["1", "two\nlines, \"quoted\""]);
        assert_eq!(table.row(1), ["3", "5\" pipe"]);
        assert_eq!((table.place(0).line, table.place(1).line), (Some(3), Some(7)));
    }

    #[test]
    fn ragged_rows_are_refused_with_line_and_counts() {
        assert_eq!(refusal("a,b,c\n1,2,3\n\n1,2\n"), "t.csv, line 4: expected 3 fields, got 2");
        assert!(
            refusal("a,b\n1,2\n1,2,3\n").contains("line 3: expected 2 fields, got 3; a value that holds the delimiter")
        );
    }

    #[test]
    fn empty_files_and_lone_headers_are_refused() {
        for text in ["", "\n\n", "   \n", "\u{feff}"] {
            assert_eq!(refusal(text), "t.csv is empty", "{text:?}");
        }
        assert!(refusal("a,b\n").contains("holds only a header (a, b)"));
        assert_eq!(table("1,2").len(), 1);
    }

    #[test]
    fn a_quote_never_closed_is_refused_at_its_line() {
        assert!(
            refusal("a,b\n1,2\n3,\"x\n4,5\n6,7\n").contains("line 3: a field starts with a quote that is never closed")
        );
        assert!(refusal("a,b\n1,2\n\"3,x\n4,5\n6,7\n").contains("line 3: a field starts with a quote"));
        assert!(refusal("a,b\n1,2\n3,\"x").contains("line 3: a field starts with a quote"));
        assert!(parse("a,b\n1,2\n3,\"x\ny\"\n").is_ok());
    }

    #[test]
    fn other_encodings_are_refused_with_a_hint() {
        assert_eq!(refusal(b"a,b\n1,caf\xe9\n"), "t.csv, line 2: not UTF-8 text; save it as UTF-8");
        assert!(refusal(b"\xff\xfea\0").contains("UTF-16"));
    }

    #[test]
    fn two_columns_of_one_name_are_refused() {
        assert!(refusal("a,b,a\n1,2,3\n").contains("two columns called \"a\": number 1 and number 3"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let text = Table::open(Path::new("no/such.csv"), &TableOptions::default()).expect_err("is refused").to_string();
        assert!(text.starts_with("cannot read no/such.csv"));
    }
}
