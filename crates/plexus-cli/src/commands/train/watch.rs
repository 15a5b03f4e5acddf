//! What a person sees while a network learns.

use crate::output::{accuracy, grouped, number, print_json};
use crate::progress::{Bar, Part, Screen, clock, line};
use plexus::{Run, Stepped};
use plexus_train::data::Targets;
use plexus_train::trainer::EpochRecord;
use std::time::Duration;

/// Lines about epochs come no more often than this: epochs of milliseconds would flood a screen and a log.
const LINE_PAUSE: Duration = Duration::from_millis(500);

/// An epoch is long where it takes more seconds than this; then the bar also says how far it is in it.
const LONG_EPOCH: f64 = 2.0;

/// What a person sees of a run: one bar over all of it on a terminal, lines in a file, objects for a program.
pub(super) struct Watch<S: Screen> {
    bar: Bar<S>,
    json: bool,
    metric: &'static str,
    started: Duration,
    steps_before: u64,
    rows: usize,
    epoch_started: Duration,
    epoch_rows: usize,
    /// Loss and metric of the present epoch so far, or of the last.
    standing: (f64, f64),
    /// When a line was last printed.
    last_line: Option<Duration>,
    /// The best epoch, where no line has said it yet.
    unsaid_best: Option<Vec<Part>>,
}

impl<S: Screen> Watch<S> {
    pub(super) fn new(run: &Run, json: bool, screen: S) -> Self {
        let metric = match run.source().train.target() {
            Targets::Classes { .. } => "accuracy",
            Targets::Values { .. } => "RMSE",
        };
        let started = screen.now();
        Watch {
            bar: Bar::after(Duration::ZERO, screen),
            json,
            metric,
            started,
            steps_before: run.trainer().steps_done(),
            rows: 0,
            epoch_started: started,
            epoch_rows: 0,
            standing: (f64::NAN, f64::NAN),
            last_line: None,
            unsaid_best: None,
        }
    }

    /// Shows one update, and the epoch that it ended.
    pub(super) fn stepped(&mut self, run: &Run, stepped: &Stepped) {
        self.rows += stepped.step.rows;
        self.epoch_rows += stepped.step.rows;
        match &stepped.epoch {
            None => {
                let first = run.progress().outputs.first();
                let score = first.map_or(f64::NAN, |first| first.metric(self.metric == "accuracy"));
                self.standing = (stepped.step.loss, score);
            }
            Some(record) => {
                self.standing = (record.train_loss, record.train_metric);
                self.epoch(run, record);
            }
        }
        if stepped.whole_numbers {
            self.whole_numbers(run);
        }
        if !self.json {
            self.bar.update(|| self.bar_parts(run));
        }
    }

    /// Takes the bar away and says the best epoch where no line has, before anything else is printed.
    pub(super) fn end(&mut self) {
        self.bar.clear();
        if let Some(best) = self.unsaid_best.take() {
            self.print(&best);
        }
    }

    /// How much of the run is done, and what stands before and after the bar.
    fn bar_parts(&self, run: &Run) -> (f64, Vec<Part>, Vec<Part>) {
        let settings = &run.spec().settings;
        let (done, per_epoch) = (run.trainer().steps_done(), run.steps_per_epoch());
        let all = per_epoch * settings.epochs;
        let seconds = (self.bar.screen().now() - self.started).as_secs_f64();
        let rate = (done - self.steps_before) as f64 / seconds;
        let samples = self.rows as f64 / seconds;
        let left = clock(all.saturating_sub(done) as f64 / rate);
        let epoch = (run.progress().epoch + 1).min(settings.epochs);
        let mut before = vec![epoch_part(epoch, settings.epochs)];
        if per_epoch as f64 / rate > LONG_EPOCH {
            let share = run.steps_in_epoch() as f64 / per_epoch as f64;
            before.push(Part::new(format!("{:>2.0} %", (100.0 * share).floor()), [(5, "")]));
        }
        let (loss, score) = (number(self.standing.0), self.metric(self.standing.1));
        // With patience the run may end sooner.
        let (full, short) = match settings.patience.filter(|patience| *patience < settings.epochs) {
            Some(_) => (format!("at most {left} left"), format!("≤ {left}")),
            None => (format!("{left} left"), left),
        };
        let after = vec![
            Part::new(format!("loss {loss}"), [(7, "")]),
            Part::new(format!("{} {score}", self.metric), [(3, score.as_str()), (6, "")]),
            Part::new(format!("{} samples/s", grouped(samples as u64)), [(1, rounded(samples).as_str()), (4, "")]),
            Part::new(full, [(2, short.as_str()), (8, "")]),
        ];
        (done as f64 / all as f64, before, after)
    }

    /// One epoch: a line where it is time for one. On a terminal only better epochs and the last have lines, since the bar
    /// shows the others.
    fn epoch(&mut self, run: &Run, record: &EpochRecord) {
        let now = self.bar.screen().now();
        let samples = self.epoch_rows as f64 / (now - self.epoch_started).as_secs_f64();
        (self.epoch_rows, self.epoch_started) = (0, now);
        if self.json {
            let mut line = serde_json::to_value(record).expect("plain data has a JSON form");
            line["event"] = "epoch".into();
            line["samples_per_second"] = samples.round().into();
            print_json(&line);
            return;
        }
        let is_best = run.progress().best_epoch == record.epoch;
        let parts = self.epoch_parts(record, run.spec().settings.epochs, samples, is_best);
        if is_best {
            self.unsaid_best = Some(parts.clone());
        }
        let screen = self.bar.screen();
        let on_screen = screen.bar_width().is_some() && screen.line_width().is_some();
        let due = self.last_line.is_none_or(|last| now >= last + LINE_PAUSE);
        if run.progress().finished {
            if let Some(best) = self.unsaid_best.take_if(|_| !is_best) {
                self.print(&best);
            }
            self.print(&parts);
            self.unsaid_best = None;
        } else if due {
            match self.unsaid_best.take() {
                Some(best) => self.print(&best),
                None if !on_screen => self.print(&parts),
                None => {}
            }
        }
    }

    /// The run goes on with whole numbers.
    fn whole_numbers(&mut self, run: &Run) {
        let (Some(whole), epoch) = (run.spec().quantize, run.progress().epoch) else { return };
        if self.json {
            print_json(&serde_json::json!({
                "event": "whole_numbers", "epoch": epoch, "scheme": whole.scheme, "calibration_rows": run.calibration_rows(),
            }));
            return;
        }
        if let Some(best) = self.unsaid_best.take() {
            self.print(&best);
        }
        let rows = format!("ranges from {} rows", grouped(run.calibration_rows()));
        self.print(&[
            epoch_part(epoch, run.spec().settings.epochs),
            Part::fixed(format!("whole numbers from here on ({})", whole.scheme.name())),
            Part::new(rows, [(1, "")]),
        ]);
    }

    fn print(&mut self, parts: &[Part]) {
        let screen = self.bar.screen();
        self.last_line = Some(screen.now());
        self.bar.print(&line(parts, screen.line_width()));
    }

    fn epoch_parts(&self, record: &EpochRecord, epochs: u64, samples: f64, is_best: bool) -> Vec<Part> {
        let (loss, metric) = (number(record.train_loss), self.metric(record.train_metric));
        let mut parts = vec![epoch_part(record.epoch, epochs)];
        match (record.validation_loss, record.validation_metric) {
            (Some(validation_loss), Some(validation_metric)) => {
                let (validation_loss, validation) = (number(validation_loss), self.metric(validation_metric));
                parts.push(Part::new(format!("loss {loss}"), [(4, "")]));
                parts.push(Part::new(format!("{} {metric}", self.metric), [(2, metric.as_str()), (3, "")]));
                let short = format!("validation {validation_loss}");
                parts.push(Part::new(format!("validation loss {validation_loss}"), [(5, short.as_str()), (7, "")]));
                parts.push(Part::new(format!("{} {validation}", self.metric), [(6, validation.as_str())]));
            }
            _ => {
                parts.push(Part::new(format!("loss {loss}"), [(3, "")]));
                parts.push(Part::new(format!("{} {metric}", self.metric), [(2, metric.as_str())]));
            }
        }
        parts.push(Part::new(format!("{} samples/s", grouped(samples as u64)), [(1, "")]));
        if is_best {
            parts.push(Part::fixed("best"));
        }
        parts
    }

    fn metric(&self, value: f64) -> String {
        if self.metric == "accuracy" { accuracy(value) } else { number(value) }
    }
}

/// `epoch  3/30`, as wide at the first epoch as at the last.
fn epoch_part(epoch: u64, epochs: u64) -> Part {
    let digits = epochs.to_string().len().max(3);
    Part::fixed(format!("epoch {epoch:>digits$}/{epochs}"))
}

/// Samples a second in few characters: `950/s`, `105k/s`, `1.2M/s`.
fn rounded(samples: f64) -> String {
    match samples {
        s if s < 1e3 => format!("{s:.0}/s"),
        s if s < 1e6 => format!("{:.0}k/s", s / 1e3),
        s => format!("{:.1}M/s", s / 1e6),
    }
}

#[cfg(test)]
mod tests;
