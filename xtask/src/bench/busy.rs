//! What another program on one core costs each engine.

use super::engines::{Answer, Engines, median};
use super::pairs::markdown;
use super::table::{Program, Side};
use crate::error::TaskError;
use std::process::{Child, Stdio};

/// Few rows and large weights: enough work for every thread.
const SIZE: &str = "--batch 32 --inputs 4096 --outputs 4096";
/// Our slowdown should be at most this.
const BAR: f64 = 2.2;

/// Spins on the last processor, where the system lets it choose, and ends by itself if it is forgotten.
const SPIN: &str = "\
import os, time
if hasattr(os, 'sched_setaffinity'):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
print('spinning', flush=True)
end = time.monotonic() + 120
while time.monotonic() < end:
    pass
";

/// The other program; it ends with this value.
struct Neighbor(Child);

impl Neighbor {
    fn start(engines: &Engines) -> Result<Neighbor, TaskError> {
        let failed = |source| TaskError::Start { program: "the busy neighbor".to_string(), source };
        let mut command = engines.venv.python();
        let child = command.args(["-c", SPIN]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut neighbor = Neighbor(child.map_err(failed)?);
        let output = neighbor.0.stdout.take().expect("it was piped");
        // Its first line comes when it is ready.
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).map_err(failed)?;
        Ok(neighbor)
    }
}

impl Drop for Neighbor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A part of the record, and one line.
pub struct Busy {
    /// Markdown.
    pub text: String,
    /// Our slowdown beside the others'.
    pub summary: String,
}

/// Measures each engine alone and beside the neighbor, in turn.
pub fn run(engines: &Engines, pairs: usize) -> Result<Busy, TaskError> {
    let side = |name, program, arguments: String| Side { name, program, arguments };
    let sides = [
        side("plexus", Program::Plexus, format!("linear {SIZE}")),
        side("torch", Program::Peers, format!("torch linear {SIZE}")),
        side("ort", Program::Peers, format!("ort linear {SIZE}")),
    ];
    let mut times: [[Vec<f64>; 2]; 3] = Default::default();
    let mut failures = Vec::new();
    for _ in 0..pairs {
        for (side, times) in sides.iter().zip(&mut times) {
            for (index, times) in times.iter_mut().enumerate() {
                let neighbor = if index == 1 { Some(Neighbor::start(engines)?) } else { None };
                match engines.measure(side, false)? {
                    Answer::Measured(measured) => times.push(measured.median_us),
                    Answer::NotBuilt(why) | Answer::Failed(why) => failures.push(format!("{}: {why}", side.name)),
                }
                drop(neighbor);
            }
        }
    }
    let slowdown = times.each_ref().map(|[alone, beside]| median(beside) / median(alone));
    let rows: Vec<[String; 4]> = sides
        .iter()
        .zip(&times)
        .zip(slowdown)
        .map(|((side, [alone, beside]), slowdown)| {
            let all = |times: &[f64]| {
                let each: Vec<String> = times.iter().map(|us| format!("{us:.0}")).collect();
                format!("{:.0} ({})", median(times), each.join(", "))
            };
            [side.name.to_string(), all(alone), all(beside), format!("{slowdown:.2}")]
        })
        .collect();
    let mut text = format!(
        "## Busy neighbor\n\nrelu(W x + b) in f32 with {SIZE}, alone and beside another process that spins on one core at\n\
         normal priority. Medians in microseconds, of all runs (each run). Ours should be at most {BAR} times slower.\n\n"
    );
    text += &markdown(["engine", "alone", "beside the neighbor", "slowdown"], &rows);
    for failure in &failures {
        text += &format!("\n- {failure}\n");
    }
    let [ours, torch, ort] = slowdown;
    let reached = if ours <= BAR { "reached" } else { "not reached" };
    let summary = format!("busy neighbor: ours {ours:.2} times slower ({reached}), torch {torch:.2}, ort {ort:.2}");
    Ok(Busy { text, summary })
}
