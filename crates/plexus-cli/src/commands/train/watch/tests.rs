use super::*;
use crate::args::{Args, Command};
use crate::commands::train::{open, start};
use crate::progress::tests::Memory;
use clap::Parser;
use plexus::Context;

/// A real run on the built-in digits, watched on a terminal in memory by a clock of which each epoch takes the same time.
struct Watched {
    _folder: tempfile::TempDir,
    run: Run,
    watch: Watch<Memory>,
    screen: Memory,
    step: Duration,
}

impl Watched {
    /// Seven steps an epoch.
    fn new(columns: u16, epochs: u64, epoch: Duration, patience: Option<u64>) -> Watched {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut words = vec!["plexus".to_string(), "train".to_string()];
        words.extend(["--network", "mlp:8", "--batch", "200", "--schedule", "constant"].map(String::from));
        words.extend(["--epochs".to_string(), epochs.to_string()]);
        words.extend(patience.into_iter().flat_map(|epochs| ["--patience".to_string(), epochs.to_string()]));
        let Command::Train(args) = Args::parse_from(words).command else { unreachable!("the second word is train") };
        let options = args.table.options();
        let source = open(&args, &options).expect("digits are built in");
        let run = start(&args, source, options, &folder.path().join("run"), Context::single()).expect("the run begins");
        assert_eq!(run.steps_per_epoch(), 7);
        let screen = Memory::new(columns);
        let watch = Watch::new(&run, false, screen.clone());
        Watched { _folder: folder, run, watch, screen, step: epoch / 7 }
    }

    /// Learns for so many steps, or to the end of the run.
    fn steps(&mut self, count: usize) {
        for _ in 0..count {
            if self.run.progress().finished {
                break;
            }
            let stepped = self.run.step().expect("the run learns");
            self.screen.pass(self.step);
            self.watch.stepped(&self.run, &stepped);
        }
    }

    /// The run to its end; returns the lines that stay.
    fn learnt(mut self) -> (Vec<String>, Memory) {
        self.steps(usize::MAX);
        self.watch.end();
        (self.screen.lines(), self.screen)
    }
}

/// The cells of a bar, the partly filled ones too.
fn filled(draw: &str) -> usize {
    draw.chars().filter(|character| ('█'..='▏').contains(character)).count() - 1
}

/// The epoch that a line or a bar names.
fn epoch_of(line: &str) -> u64 {
    let number = line.strip_prefix("epoch").and_then(|rest| rest.split('/').next());
    number.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("no epoch: {line}"))
}

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(5);

#[test]
fn with_short_epochs_the_bar_moves_and_lines_do_not_flood() {
    for columns in [60, 80, 120] {
        let (lines, screen) = Watched::new(columns, 800, SHORT, None).learnt();
        let draws = screen.draws();
        // Four seconds: about ten draws in each, and the bar moves from nothing to all of it.
        let bars: Vec<usize> = draws.iter().map(|draw| filled(draw)).collect();
        assert!(bars.is_sorted(), "it never goes back: {draws:#?}");
        let mut epochs: Vec<u64> = draws.iter().map(|draw| epoch_of(draw)).collect();
        assert!(epochs.is_sorted() && epochs[0] <= 2 && epochs[epochs.len() - 1] >= 780, "{epochs:?}");
        epochs.dedup();
        assert!(epochs.len() >= 35 && draws.len() <= 60, "{} {}", epochs.len(), draws.len());
        let (first, last) = (bars[0], bars[bars.len() - 1]);
        assert!(first <= 1 && last >= 8 && bars.windows(2).all(|pair| pair[1] - pair[0] <= 2), "{bars:?}");
        // Two lines a second, the last and the best.
        assert!(lines.len() <= 10, "{lines:#?}");
        assert!(lines.iter().all(|line| epoch_of(line) == 800 || line.ends_with("  best")), "{lines:#?}");
        let said: Vec<u64> = lines.iter().map(|line| epoch_of(line)).collect();
        assert!(said.is_sorted() && said[said.len() - 1] == 800, "{lines:#?}");
    }
}

#[test]
fn the_best_epoch_is_said_also_where_its_line_was_not_due() {
    let mut watched = Watched::new(120, 60, SHORT, None);
    watched.steps(usize::MAX);
    watched.watch.end();
    // Less than a second: the first epoch, perhaps one more, the best and the last.
    let lines = watched.screen.lines();
    let best = watched.run.progress().best_epoch;
    assert!(best > 1 && lines.len() <= 4, "{lines:#?}");
    let best_line = lines.iter().find(|line| epoch_of(line) == best).expect("the best has a line");
    assert!(best_line.ends_with("best") && best_line.contains("validation loss"), "{best_line}");
    assert_eq!(epoch_of(&lines[lines.len() - 1]), 60);

    // Also where the run stops in the middle.
    let mut watched = Watched::new(120, 60, SHORT, None);
    watched.steps(7 * 30 + 3);
    let best = watched.run.progress().best_epoch;
    watched.watch.end();
    let lines = watched.screen.lines();
    assert_eq!(epoch_of(&lines[lines.len() - 1]), best, "{lines:#?}");
}

#[test]
fn with_long_epochs_the_bar_moves_within_them() {
    for columns in [60, 80, 120] {
        let mut watched = Watched::new(columns, 6, LONG, None);
        let mut shares = Vec::new();
        for _ in 0..7 * 6 {
            let before = watched.screen.draws().len();
            watched.steps(1);
            let draws = watched.screen.draws();
            assert!(draws.len() > before, "each step is seen");
            let last = &draws[draws.len() - 1];
            assert!(epoch_of(last) >= watched.run.progress().epoch, "{last}");
            let share = last.split(" %").next().and_then(|text| text.split_whitespace().last()?.parse::<u32>().ok());
            shares.push(share.unwrap_or_else(|| panic!("how far it is in the epoch: {last}")));
        }
        assert_eq!(shares[..8], [14, 28, 42, 57, 71, 85, 0, 14], "the share of the epoch");
        let draws = watched.screen.draws();
        // Within one epoch the bar grows by a sixth of its length.
        let in_first: std::collections::BTreeSet<&str> = draws[..6]
            .iter()
            .map(|draw| draw.split('▕').nth(1).expect("a bar").split("▏  ").next().expect("it ends"))
            .collect();
        assert!(in_first.len() == 6, "six steps, six bars: {in_first:?}");
        watched.watch.end();
        let lines = watched.screen.lines();
        assert!(lines.len() <= 6 && lines.iter().all(|line| line.starts_with("epoch ")), "{lines:#?}");
    }
}

/// A line with each number as `#`: which digits come is not the point, and the last ones differ between processors.
fn without_numbers(line: &str) -> String {
    let word = |word: &str| {
        let number = |text: &str| text.trim_end_matches('k').replace(',', "").parse::<f64>().is_ok();
        let (text, unit) = word.split_once('/').map_or((word, ""), |(text, unit)| (text, unit));
        match word.split_once(':') {
            Some((minutes, seconds)) if number(minutes) && number(seconds) => "#:#".to_string(),
            _ if number(text) && unit.is_empty() => "#".to_string(),
            _ if number(text) && unit == "s" => "#/s".to_string(),
            _ => word.to_string(),
        }
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_said_fits_the_terminal() {
    // The bar, without its cells and the number of the epoch, and the line of the first epoch.
    let shown = |columns: u16, epoch: Duration| {
        let mut watched = Watched::new(columns, 300, epoch, None);
        watched.steps(7 * 40 + 3);
        let lines = watched.screen.lines();
        let bar = without_numbers(&lines[lines.len() - 1]);
        let (before, rest) = bar.split_once('▕').expect("a bar");
        let (_, after) = rest.rsplit_once('▏').expect("a frame");
        let (_, before) = before.split_once("/300 ").expect("the epoch comes first");
        (format!("{before}|{after}"), without_numbers(&lines[0]))
    };
    let wide = "epoch 1/300 loss # accuracy # % validation loss # accuracy # % # samples/s best";
    assert_eq!(shown(120, LONG), ("# % | loss # accuracy # % # samples/s #:# min left".to_string(), wide.to_string()));
    assert_eq!(shown(120, SHORT), ("| loss # accuracy # % # samples/s # s left".to_string(), wide.to_string()));
    let medium = "epoch 1/300 loss # validation loss # accuracy # % best";
    assert_eq!(shown(80, LONG), ("# % | loss # # % #/s #:# min".to_string(), medium.to_string()));
    assert_eq!(shown(80, SHORT), ("| loss # accuracy # % #/s # s left".to_string(), medium.to_string()));
    let narrow = "epoch 1/300 validation # accuracy # % best";
    assert_eq!(shown(60, LONG), ("| loss # # % #:# min".to_string(), narrow.to_string()));
    assert_eq!(shown(60, SHORT), ("| loss # # % # s".to_string(), narrow.to_string()));
}

#[test]
fn with_patience_the_time_left_is_the_most_it_can_be() {
    for (columns, words) in [(120, "at most 70 s left"), (60, "≤ 70 s")] {
        let mut watched = Watched::new(columns, 15, LONG, Some(14));
        watched.steps(7);
        let draws = watched.screen.draws();
        assert!(draws[draws.len() - 1].ends_with(words), "{:?}", draws.last());
    }
    // Patience that lasts to the end changes nothing.
    let mut watched = Watched::new(120, 15, LONG, Some(15));
    watched.steps(7);
    assert!(watched.screen.draws().iter().all(|draw| !draw.contains("at most")), "{:?}", watched.screen.draws());
}
