//! Running one side of a comparison, and what it said.

use super::table::{Program, Side};
use crate::error::TaskError;
use crate::process::{capture, last_lines, shown};
use crate::python::Venv;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// Everything that is needed to run any side.
pub struct Engines {
    /// The program `plexus`.
    pub plexus: PathBuf,
    /// Python with the other engines.
    pub venv: Venv,
    /// `peers.py`
    pub peers: PathBuf,
    /// Threads of each side.
    pub threads: usize,
    /// How long each measurement takes, where it does not follow from the work.
    pub seconds: f64,
    /// Rows of an epoch of training.
    pub samples: usize,
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The middle one of all calls, in microseconds.
    pub median_us: f64,
    /// The shortest.
    pub min_us: f64,
    /// For training.
    pub samples_per_second: Option<f64>,
}

impl Measured {
    /// Reads what both programs print.
    pub fn parse(line: &str) -> Option<Measured> {
        let value: Value = serde_json::from_str(line.trim()).ok()?;
        Some(Measured {
            median_us: value["median_us"].as_f64()?,
            min_us: value["min_us"].as_f64()?,
            samples_per_second: value["samples_per_second"].as_f64(),
        })
    }
}

/// What came of running one side.
pub enum Answer {
    /// A time.
    Measured(Measured),
    /// Our program has no kernels for this yet, and says so.
    NotBuilt(String),
    /// It failed; the end of what it said.
    Failed(String),
}

impl Engines {
    /// The command of one side.
    pub fn command(&self, side: &Side, trains: bool) -> Command {
        let mut command = match side.program {
            Program::Plexus => {
                let mut command = Command::new(&self.plexus);
                command.arg("bench");
                command
            }
            Program::Peers => {
                let mut command = self.venv.python();
                command.arg(&self.peers);
                command
            }
            Program::Adam => {
                let mut command = self.venv.python();
                command.arg("bench/peers/train_adam.py");
                command
            }
        };
        command.args(side.arguments.split(' ')).args(["--threads", &self.threads.to_string()]);
        if trains {
            command.args(["--samples", &self.samples.to_string()]);
        } else {
            command.args(["--seconds", &self.seconds.to_string()]);
        }
        if side.program == Program::Plexus {
            command.arg("--json");
        }
        command
    }

    /// Runs one side once.
    pub fn measure(&self, side: &Side, trains: bool) -> Result<Answer, TaskError> {
        let mut command = self.command(side, trains);
        let done = capture(&mut command)?;
        if done.success {
            let last = done.output.lines().last().unwrap_or_default();
            let measured = Measured::parse(last);
            return measured
                .map(Answer::Measured)
                .ok_or_else(|| TaskError::content(shown(&command), "a line of JSON with median_us and min_us", last));
        }
        let said = last_lines(done.errors.trim(), 2);
        let not_built = side.program == Program::Plexus && said.contains("not available in this build");
        Ok(if not_built { Answer::NotBuilt(said) } else { Answer::Failed(said) })
    }
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

/// The least one.
pub fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_line_of_either_side_is_read() {
        let line = r#"{"engine": "torch", "median_us": 2.5, "min_us": 2, "runs": 5}"#;
        let want = Measured { median_us: 2.5, min_us: 2.0, samples_per_second: None };
        assert_eq!(Measured::parse(line), Some(want));
        assert_eq!(Measured::parse("Traceback"), None);
        assert_eq!(Measured::parse("{}"), None);
    }
}
