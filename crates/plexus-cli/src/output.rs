//! How things are said: numbers, tables, next steps.

pub use plexus_nn::formulas::grouped;

use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

/// Columns of the terminal that standard output shows on; none where it goes to a file or a program.
pub fn width() -> Option<usize> {
    static IS_TERMINAL: OnceLock<bool> = OnceLock::new();
    // Asked for at each line: the window may have another size by now.
    let shown = *IS_TERMINAL.get_or_init(|| std::io::stdout().is_terminal());
    shown.then(|| usize::from(console::Term::stdout().size().1))
}

/// Whether standard error shows colors.
fn colors() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Red and bold where colors are shown.
pub fn red(text: &str) -> String {
    if colors() { format!("\u{1b}[1;31m{text}\u{1b}[0m") } else { text.to_string() }
}

/// Yellow and bold where colors are shown.
pub fn yellow(text: &str) -> String {
    if colors() { format!("\u{1b}[1;33m{text}\u{1b}[0m") } else { text.to_string() }
}

/// Bytes with a unit a person can picture: `2.04 MiB`.
pub fn bytes(count: u64) -> String {
    let mut size = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 || unit == "GiB" {
            let decimals = if size < 100.0 { 2 } else { 1 };
            return if unit == "B" { format!("{count} B") } else { format!("{size:.decimals$} {unit}") };
        }
        size /= 1024.0;
    }
    unreachable!("the last unit returns")
}

/// A share as a percentage that never claims certainty that is not there: 0.99997 is `>99.9 %`, 1.0 is `100 %`.
pub fn percent(share: f32) -> String {
    let percent = 100.0 * f64::from(share);
    if share.is_nan() {
        "not a number".to_string()
    } else if share >= 1.0 {
        "100 %".to_string()
    } else if percent >= 99.95 {
        ">99.9 %".to_string()
    } else if share > 0.0 && percent < 0.05 {
        "<0.1 %".to_string()
    } else if share <= 0.0 {
        "0 %".to_string()
    } else {
        format!("{percent:.1} %")
    }
}

/// A share with some decimals that is 1 only where nothing is missing: 0.99997 with three is `0.999`.
pub fn share(share: f64, decimals: usize) -> String {
    let most = 1.0 - 10f64.powi(-(decimals as i32));
    format!("{:.decimals$}", if share < 1.0 { share.min(most) } else { share })
}

/// An accuracy with two digits: `98.61 %`.
pub fn accuracy(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// A loss or an error with four significant digits.
pub fn number(value: f64) -> String {
    if value == 0.0 || (1e-3..1e5).contains(&value.abs()) {
        let digits = (3 - value.abs().max(1e-3).log10().floor() as i64).clamp(0, 6) as usize;
        format!("{value:.digits$}")
    } else {
        format!("{value:.3e}")
    }
}

/// A number with some decimals, and no minus sign before a zero.
pub fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.chars().all(|letter| matches!(letter, '-' | '0' | '.'));
    if is_zero { text.trim_start_matches('-').to_string() } else { text }
}

/// Decimals that show some digits of the largest of several numbers.
pub fn decimals(digits: i32, values: impl Iterator<Item = f64>) -> usize {
    let largest = values.map(f64::abs).filter(|value| value.is_finite()).fold(0.0, f64::max);
    if largest > 0.0 { (digits - 1 - largest.log10().floor() as i32).clamp(0, 9) as usize } else { 1 }
}

/// Lines above, below and under the header; none between rows.
const HORIZONTAL: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// A table that lines up and keeps within the width of the terminal. Columns named in `right` are numbers.
pub fn table(header: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(HORIZONTAL).set_content_arrangement(ContentArrangement::Dynamic);
    if width().is_none() {
        // Files and pipes have no width; 100 columns fit a page.
        table.set_width(100);
    }
    table.set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    for &column in right {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A name from a file as a message can show it: at most 40 letters on one line.
pub fn shown(name: &str) -> String {
    const LONGEST: usize = 40;
    let clean = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    let mut text: String = name.chars().take(LONGEST).map(clean).collect();
    if name.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text
}

/// How the user would call this program again: through cargo where cargo started it.
pub fn program() -> &'static str {
    if std::env::var_os("CARGO_MANIFEST_DIR").is_some() { "cargo run --release --" } else { "plexus" }
}

/// A word as a shell takes it: in quotes where it has blanks or other characters that mean something there.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:,=+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Writes a line to standard output, as `println!` does, but without a panic where it cannot be written.
macro_rules! say {
    () => {
        $crate::output::print_line(format_args!(""))
    };
    ($($text:tt)+) => {
        $crate::output::print_line(format_args!($($text)+))
    };
}
pub(crate) use say;

/// What [`say!`] calls. On a terminal, lines that are too long for it are folded.
pub fn print_line(text: std::fmt::Arguments<'_>) {
    match width() {
        None => print_raw(format_args!("{text}\n")),
        Some(width) => {
            for line in text.to_string().split('\n') {
                print_raw(format_args!("{}\n", folded(line, width)));
            }
        }
    }
}

/// One JSON object on a line of its own.
pub fn print_json(value: &serde_json::Value) {
    print_raw(format_args!("{value}\n"));
}

/// Writes to standard output as it is.
pub fn print_raw(text: std::fmt::Arguments<'_>) {
    if let Err(error) = std::io::stdout().lock().write_fmt(text) {
        cannot_print(&error);
    }
}

/// Writes bytes to standard output as they are.
pub fn write_out(bytes: &[u8]) {
    if let Err(error) = std::io::stdout().lock().write_all(bytes) {
        cannot_print(&error);
    }
}

/// Ends the program where standard output takes no more: quietly where the reader went away, as in `plexus summary … |
/// head` and as other tools do; with a message where the disk is full.
pub fn cannot_print(error: &std::io::Error) -> ! {
    if error.kind() != std::io::ErrorKind::BrokenPipe {
        eprintln!("{}: cannot write to standard output: {error}", red("error"));
    }
    std::process::exit(1);
}

/// Columns of the longest label, the blanks behind it included: `Training  `.
const LABEL: usize = 10;

/// A line as a few, cut at blanks, where it is wider than a terminal; what follows stands below the text behind the
/// label. Lines that begin with fewer blanks than a label has stay whole: they are commands to copy, or numbers in columns.
pub fn folded(line: &str, width: usize) -> String {
    let columns = console::measure_text_width;
    let blanks = line.len() - line.trim_start_matches(' ').len();
    if columns(line) <= width || (blanks > 0 && blanks != LABEL) {
        return line.to_string();
    }
    // `Label     text`: two blanks or more behind the label.
    let text_at = line.find("  ").map_or(0, |gap| gap + line[gap..].len() - line[gap..].trim_start().len());
    let indent = if (1..=LABEL).contains(&text_at) { text_at } else { 2 };
    let (mut text, mut used) = (String::new(), 0);
    for (index, word) in line.split(' ').enumerate() {
        let wanted = columns(word) + usize::from(index > 0);
        if used + wanted > width && used > indent {
            text = format!("{}\n{}", text.trim_end(), " ".repeat(indent));
            used = indent;
        } else if index > 0 {
            text.push(' ');
            used += 1;
        }
        text += word;
        used += columns(word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_never_round_up_to_certainty() {
        assert_eq!(percent(0.999_97), ">99.9 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.95), "95.0 %");
        assert_eq!(percent(3e-5), "<0.1 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(f32::NAN), "not a number");
    }

    #[test]
    fn a_share_is_one_only_where_nothing_is_missing() {
        assert_eq!(
            [share(0.999_97, 3), share(1.0, 3), share(0.123_45, 3), share(0.0, 2)],
            ["0.999", "1.000", "0.123", "0.00"]
        );
        assert_eq!(share(f64::NAN, 2), "NaN");
    }

    #[test]
    fn numbers_of_a_column_have_the_same_decimals() {
        assert_eq!([fixed(-0.001, 2), fixed(-0.01, 2), fixed(2.0, 0)], ["0.00", "-0.01", "2"]);
        assert_eq!(decimals(4, [0.01, -2.373, f64::NAN].into_iter()), 3);
        assert_eq!((decimals(3, [7e-5].into_iter()), decimals(3, [12_345.0].into_iter())), (7, 0));
        assert_eq!(decimals(3, [0.0].into_iter()), 1);
    }

    #[test]
    fn names_are_shown_short_and_on_one_line() {
        assert_eq!(shown("price in k€"), "price in k€");
        assert_eq!(shown("a\n\u{1b}[31mb"), "a\u{fffd}\u{fffd}[31mb");
        assert_eq!(shown(&"é".repeat(41)), "é".repeat(40) + "…");
    }

    #[test]
    fn words_are_quoted_for_the_shell_where_they_must_be() {
        assert_eq!(quoted("runs/digits-1/model.safetensors"), "runs/digits-1/model.safetensors");
        assert_eq!(quoted("my runs/a"), "'my runs/a'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn lines_are_folded_at_blanks_below_their_text() {
        let line = "Data      digits: 1,294 rows to learn from, 144 for validation";
        assert_eq!(folded(line, 62), line);
        assert_eq!(folded(line, 61), "Data      digits: 1,294 rows to learn from, 144 for\n          validation");
        assert_eq!(
            folded(line, 30),
            "Data      digits: 1,294 rows\n          to learn from, 144\n          for validation"
        );
        assert_eq!(folded("one two three four", 9), "one two\n  three\n  four");
        // A word that is too long by itself is not cut.
        assert_eq!(folded("Model     a/very/long/path here", 12), "Model     a/very/long/path\n          here");
        // Two words are a label too, and what stands below the text has none.
        assert_eq!(folded("Look at   row: a number", 20), "Look at   row: a\n          number");
        assert_eq!(folded("          more of what stood above", 26), "          more of what\n          stood above");
        let command = "  plexus evaluate model.safetensors --data digits";
        assert_eq!(folded(command, 20), command);
        assert_eq!(folded("", 20), "");
        // Two columns a character.
        assert_eq!(folded("日本 日本", 8), "日本\n  日本");
    }

    #[test]
    fn numbers_are_grouped_and_sized() {
        assert_eq!(grouped(138_357_544), "138,357,544");
        assert_eq!(grouped(999), "999");
        assert_eq!(bytes(2_143_272), "2.04 MiB");
        assert_eq!(bytes(12), "12 B");
        assert_eq!(number(0.012_345), "0.01235");
        assert_eq!(number(12.345_6), "12.35");
        assert_eq!(number(0.0), "0.000000");
        assert_eq!(number(1.0e-7), "1.000e-7");
    }
}
