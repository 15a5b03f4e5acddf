//! What a person sees while a network learns.

use crate::output::{accuracy, grouped, number, print_json, say};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use plexus::Run;
use plexus_train::data::Targets;
use plexus_train::trainer::EpochRecord;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// What a person sees of a run: a bar on a terminal, lines in a file, objects for a program.
pub(super) struct Watch {
    bar: ProgressBar,
    json: bool,
    live: bool,
    metric: &'static str,
    /// When the bar's text, or a line, was last written.
    last: std::cell::Cell<Option<Instant>>,
    started: Instant,
    steps_before: u64,
}

impl Watch {
    pub(super) fn new(run: &Run, json: bool) -> Watch {
        let live = std::io::stderr().is_terminal() && !json;
        let bar = ProgressBar::with_draw_target(Some(run.steps_per_epoch()), ProgressDrawTarget::hidden());
        if live {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len}  {msg}");
            bar.set_style(style.expect("the template is right").progress_chars("━╸─"));
        }
        let metric = match run.source().train.targets {
            Targets::Classes { .. } => "accuracy",
            Targets::Values { .. } => "RMSE",
        };
        let steps_before = run.trainer().steps_done();
        Watch { bar, json, live, metric, last: Default::default(), started: Instant::now(), steps_before }
    }

    /// Takes the bar away, before anything else is printed.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// One update. The text changes ten times a second, so that watching costs nothing.
    pub(super) fn step(&self, run: &Run, loss: f64) {
        if !self.live || self.last.get().is_some_and(|last| last.elapsed() < Duration::from_millis(100)) {
            return;
        }
        self.last.set(Some(Instant::now()));
        let progress = run.progress();
        let settings = &run.spec().settings;
        let done = run.trainer().steps_done();
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = (done - self.steps_before) as f64 / seconds;
        let left = (run.steps_per_epoch() * settings.epochs).saturating_sub(done) as f64 / rate;
        let rows = rate * (settings.batch * settings.accumulate) as f64;
        let score = progress.score / progress.scored;
        let score = if self.metric == "accuracy" { accuracy(score) } else { number(score.sqrt()) };
        self.bar.set_prefix(format!("epoch {:>3}/{}", progress.epoch + 1, settings.epochs));
        self.bar.set_position(run.steps_in_epoch());
        self.bar.set_message(format!(
            "loss {}  {} {score}  {} samples/s  {} left",
            number(loss),
            self.metric,
            grouped(rows as u64),
            clock(left)
        ));
    }

    /// One epoch.
    pub(super) fn epoch(&self, run: &Run, record: &EpochRecord, samples_per_second: f64) {
        if self.json {
            let mut line = serde_json::to_value(record).expect("plain data has a JSON form");
            line["event"] = "epoch".into();
            line["samples_per_second"] = samples_per_second.round().into();
            print_json(&line);
            return;
        }
        // Epochs of milliseconds would flood a log: a line every half second, and the last.
        let due = self.last.get().is_none_or(|last| last.elapsed() >= Duration::from_millis(500));
        if !self.live && !due && !run.progress().finished {
            return;
        }
        self.last.set(Some(Instant::now()));
        let metric = |value: f64| if self.metric == "accuracy" { accuracy(value) } else { number(value) };
        let mut line = format!(
            "epoch {:>3}/{}  loss {}  {} {}",
            record.epoch,
            run.spec().settings.epochs,
            number(record.train_loss),
            self.metric,
            metric(record.train_metric)
        );
        if let (Some(loss), Some(value)) = (record.validation_loss, record.validation_metric) {
            line += &format!("  validation loss {}  {} {}", number(loss), self.metric, metric(value));
        }
        line += &format!("  {} samples/s", grouped(samples_per_second as u64));
        if run.progress().best_epoch == record.epoch {
            line += "  best";
        }
        if self.live {
            self.bar.suspend(|| say!("{line}"));
        } else {
            say!("{line}");
        }
    }
}

/// Seconds as a person says them: `12 s`, `3:05 min`.
fn clock(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "? s".to_string(),
        s if s < 100.0 => format!("{s:.0} s"),
        s => format!("{}:{:02} min", s as u64 / 60, s as u64 % 60),
    }
}
