//! What is shown while something takes long: one line at the bottom of the terminal, which never wraps.
//!
//! [`Bar`] draws it, [`Part`] says what may be left out of a line where the terminal is narrow, and [`Screen`] is all that
//! both know of the world, so that tests bring a clock and a terminal of their own.

use crate::output;
use console::{Term, measure_text_width, truncate_str};
use std::cell::{Cell, RefCell};
use std::io::Write;
use std::time::{Duration, Instant};

/// A bar is drawn this often: more often nobody can read, and watching must cost nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// Who waits longer than this for something sees a bar.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// What a person looks at, and the time.
pub trait Screen {
    /// The time since the work began.
    fn now(&self) -> Duration;
    /// Columns of the terminal that the bar is drawn on; none where nobody watches.
    fn bar_width(&self) -> Option<usize>;
    /// Columns of the terminal that lines are printed on; none where they go to a file or a program.
    fn line_width(&self) -> Option<usize>;
    /// Puts a text in place of the bar.
    fn draw(&self, text: &str);
    /// Prints a line that stays.
    fn print(&self, line: &str);
}

/// The real one: the bar on standard error, lines on standard output.
pub struct Streams {
    started: Instant,
    terminal: Option<Term>,
}

impl Streams {
    /// Draws where somebody watches.
    pub fn new() -> Streams {
        let terminal = Term::buffered_stderr();
        let watched = terminal.is_term() && !console::is_dumb();
        Streams { started: Instant::now(), terminal: watched.then_some(terminal) }
    }
}

impl Screen for Streams {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn bar_width(&self) -> Option<usize> {
        self.terminal.as_ref().map(|terminal| usize::from(terminal.size().1))
    }

    fn line_width(&self) -> Option<usize> {
        output::width()
    }

    fn draw(&self, text: &str) {
        if let Some(mut terminal) = self.terminal.as_ref() {
            // A terminal that went away is no reason to stop working.
            let _ = terminal.clear_line();
            let _ = terminal.write_all(text.as_bytes());
            let _ = terminal.flush();
        }
    }

    fn print(&self, line: &str) {
        output::say!("{line}");
    }
}

/// A part of a line: its forms from the fullest to the shortest.
#[derive(Clone, Debug)]
pub struct Part {
    forms: Vec<String>,
    /// When each form gives way to the next, among all of the line: the lowest first.
    ranks: Vec<u32>,
}

impl Part {
    /// A part that is always said in full.
    pub fn fixed(text: impl Into<String>) -> Part {
        Part { forms: vec![text.into()], ranks: Vec::new() }
    }

    /// A part with shorter forms, each with the rank at which it takes the place of the one before.
    pub fn new<const N: usize>(full: impl Into<String>, shorter: [(u32, &str); N]) -> Part {
        let mut part = Part::fixed(full);
        for (rank, form) in shorter {
            part.ranks.push(rank);
            part.forms.push(form.to_string());
        }
        part
    }
}

/// Between two parts.
const GAP: usize = 2;

/// The form of each part with which all together, and the gaps between them, take at most `width` columns; the shortest
/// forms where even these are wider.
fn fitted(parts: &[Part], width: usize) -> Vec<&str> {
    let mut chosen = vec![0; parts.len()];
    loop {
        let forms: Vec<&str> = parts.iter().zip(&chosen).map(|(part, &form)| part.forms[form].as_str()).collect();
        let next = (0..parts.len()).filter(|&part| chosen[part] < parts[part].ranks.len());
        let next = next.min_by_key(|&part| parts[part].ranks[chosen[part]]);
        match next {
            Some(part) if joined_width(&forms) > width => chosen[part] += 1,
            _ => return forms,
        }
    }
}

fn joined_width(forms: &[&str]) -> usize {
    let shown = forms.iter().filter(|form| !form.is_empty());
    shown.map(|form| measure_text_width(form) + GAP).sum::<usize>().saturating_sub(GAP)
}

fn joined(forms: &[&str]) -> String {
    let shown: Vec<&str> = forms.iter().copied().filter(|form| !form.is_empty()).collect();
    shown.join(&" ".repeat(GAP))
}

/// A line of parts for a terminal of some width, or in full where there is none.
pub fn line(parts: &[Part], width: Option<usize>) -> String {
    // The last column stays free: some terminals go to the next line as soon as it is written.
    let most = width.map_or(usize::MAX, |width| width.saturating_sub(1));
    cut(&joined(&fitted(parts, most)), most)
}

/// A text, or as much of it as there is room for.
fn cut(text: &str, most: usize) -> String {
    truncate_str(text, most, if most > 0 { "…" } else { "" }).into_owned()
}

/// Cells of a bar: the fewest that show anything, the most that are of use.
const CELLS: std::ops::RangeInclusive<usize> = 8..=32;

/// Columns of the frame around the cells.
const FRAME: usize = 2;

/// A line with a bar between two groups of parts.
fn line_with_bar(share: f64, before: &[Part], after: &[Part], width: usize) -> String {
    let most = width.saturating_sub(1);
    let parts = [before, after].concat();
    let forms = fitted(&parts, most.saturating_sub(CELLS.start() + FRAME + GAP));
    let free = most.saturating_sub(joined_width(&forms) + GAP + FRAME);
    // In steps of four cells, so that the bar keeps its length while numbers beside it gain and lose a digit.
    let cells = (free / 4 * 4).min(*CELLS.end());
    let bar = if free < *CELLS.start() { String::new() } else { bar(share, cells) };
    let (before, after) = forms.split_at(before.len());
    cut(&joined(&[before, &[bar.as_str()], after].concat()), most)
}

/// A bar in eighths of a cell.
fn bar(share: f64, cells: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * (8 * cells) as f64) as usize;
    let (full, rest) = (eighths / 8, EIGHTHS[eighths % 8]);
    let empty = cells - full - usize::from(!rest.is_empty());
    format!("▕{}{rest}{}▏", "█".repeat(full), " ".repeat(empty))
}

/// The line at the bottom of the terminal.
pub struct Bar<S> {
    screen: S,
    /// When it was last drawn; at first, from when it may be drawn.
    due: Cell<Duration>,
    /// What stands there; empty where nothing does.
    shown: RefCell<String>,
}

impl<S: Screen> Bar<S> {
    /// A bar that is drawn for the first time after a while: what is over sooner needs none.
    pub fn after(pause: Duration, screen: S) -> Self {
        let due = Cell::new(screen.now() + pause);
        Bar { screen, due, shown: RefCell::default() }
    }

    /// What it is drawn on.
    pub fn screen(&self) -> &S {
        &self.screen
    }

    /// Draws the bar where it is time to and somebody watches; `share` of all is done, and `parts` makes what stands
    /// before and after the bar.
    pub fn update(&self, parts: impl FnOnce() -> (f64, Vec<Part>, Vec<Part>)) {
        let now = self.screen.now();
        if now < self.due.get() {
            return;
        }
        self.due.set(now + PAUSE);
        if let Some(width) = self.screen.bar_width() {
            let (share, before, after) = parts();
            let text = line_with_bar(share, &before, &after, width);
            self.screen.draw(&text);
            self.shown.replace(text);
        }
    }

    /// Prints a line that stays, above the bar.
    pub fn print(&self, line: &str) {
        let bar = self.shown.borrow();
        if !bar.is_empty() {
            self.screen.draw("");
        }
        self.screen.print(line);
        if !bar.is_empty() {
            self.screen.draw(&bar);
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if !self.shown.take().is_empty() {
            self.screen.draw("");
        }
    }
}

/// What a bar says about rows, some of which are done.
pub fn rows_done(name: &str, done: usize, count: usize, elapsed: Duration) -> (f64, Vec<Part>, Vec<Part>) {
    let share = done as f64 / count as f64;
    let left = clock(elapsed.as_secs_f64() * (1.0 - share) / share);
    let rows = format!("{} of {} rows", output::grouped(done as u64), output::grouped(count as u64));
    let after = vec![Part::new(rows, [(2, "")]), Part::new(format!("{left} left"), [(3, "")])];
    (share, vec![Part::new(name, [(1, "")])], after)
}

/// Seconds as a person says them: `12 s`, `3:05 min`, `1:02:03 h`.
pub fn clock(seconds: f64) -> String {
    let whole = seconds as u64;
    match seconds {
        s if !s.is_finite() => "? s".to_string(),
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{}:{:02} min", whole / 60, whole % 60),
        _ => format!("{}:{:02}:{:02} h", whole / 3600, whole / 60 % 60, whole % 60),
    }
}

#[cfg(test)]
pub mod tests;
