//! A layer at many sizes: three programs that stay alive and answer size by size, in turn.

use super::engines::{Engines, Measured, least, median};
use super::pairs::markdown;
use crate::error::TaskError;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Batch, inputs, outputs.
type Size = [usize; 3];

const BATCHES: &[usize] = &[1, 2, 3, 5, 8, 16, 32, 64, 128, 256, 1024];
const WIDTHS: &[usize] = &[10, 33, 128, 500, 784, 1000, 1024, 4096];
/// A few of them, to see that it runs.
const QUICK_BATCHES: &[usize] = &[1, 8, 64];
const QUICK_WIDTHS: &[usize] = &[10, 128, 1000];

/// No size should be slower than this, as a ratio of the best other engine's time and ours.
const BAR: f64 = 0.9;

/// Workers of an engine go on spinning for a moment after its last call; the next engine waits for them to sleep.
const PAUSE: Duration = Duration::from_millis(10);

/// No further round of slow sizes begins after this time.
const LIMIT: Duration = Duration::from_secs(12 * 60);

/// A program that answers a size with a line.
struct Server {
    name: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Server {
    fn start(name: &'static str, command: &mut Command) -> Result<Server, TaskError> {
        let failed = |source| TaskError::Start { program: name.to_string(), source };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("it was piped"));
        Ok(Server { name, child, input, output })
    }

    fn measure(&mut self, size: Size) -> Result<Measured, TaskError> {
        let asked = shown(size);
        let mut line = String::new();
        let input = self.input.as_mut().expect("it is open until the server is dropped");
        // A program that ended says why on standard error, which is seen; here it only has no answer.
        let answered = writeln!(input, "{asked}").is_ok() && self.output.read_line(&mut line).is_ok();
        let measured = if answered { Measured::parse(&line) } else { None };
        measured.ok_or_else(|| TaskError::content(self.name, format!("a time for {asked}"), format!("\"{line}\"")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is the end of its work; one that hangs is ended.
        drop(self.input.take());
        std::thread::sleep(PAUSE);
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn shown([batch, inputs, outputs]: Size) -> String {
    format!("{batch}x{inputs}x{outputs}")
}

/// All times of one size: ours, then the other engines'.
#[derive(Clone, Debug)]
struct Point {
    size: Size,
    times: [Vec<Measured>; 3],
}

impl Point {
    /// The best other engine's time by ours: of the medians, of the shortest times.
    fn ratios(&self) -> (f64, f64) {
        let medians = self.times.each_ref().map(|all| median(&all.iter().map(|one| one.median_us).collect::<Vec<_>>()));
        let minima = self.times.each_ref().map(|all| least(&all.iter().map(|one| one.min_us).collect::<Vec<_>>()));
        (medians[1].min(medians[2]) / medians[0], minima[1].min(minima[2]) / minima[0])
    }

    fn is_slow(&self) -> bool {
        let (medians, minima) = self.ratios();
        medians < BAR || minima < BAR
    }
}

/// What the sweep found: a part of the record, a file of all numbers, and how many sizes are below the bar.
pub struct Sweep {
    /// Markdown.
    pub text: String,
    /// Comma-separated: one line a size and round.
    pub csv: String,
    /// One line.
    pub summary: String,
}

/// Measures every size twice, and those that are too slow three times more, to tell slow kernels from a busy machine.
pub fn run(engines: &Engines, quick: bool) -> Result<Sweep, TaskError> {
    let (batches, widths) = if quick { (QUICK_BATCHES, QUICK_WIDTHS) } else { (BATCHES, WIDTHS) };
    let seconds = if quick { "0.01" } else { "0.06" };
    let threads = engines.threads.to_string();
    let options = ["--threads", &threads, "--seconds", seconds];
    let peer = |engine| {
        let mut command = engines.venv.python();
        command.arg("bench/peers/sweep.py").arg(engine).args(options);
        command
    };
    let mut ours = Command::new(&engines.plexus);
    ours.args(["bench", "linear", "--shapes", "-", "--json"]).args(options);
    let mut servers = [
        Server::start("plexus", &mut ours)?,
        Server::start("torch", &mut peer("torch"))?,
        Server::start("ort", &mut peer("ort"))?,
    ];

    // Sizes with the same weights follow each other: the other engines then keep them.
    let mut points = Vec::new();
    for &inputs in widths {
        for &outputs in widths {
            let sizes = batches.iter().map(|&batch| [batch, inputs, outputs]);
            points.extend(sizes.map(|size| Point { size, times: Default::default() }));
        }
    }
    let begin = Instant::now();
    println!("sweep: {} sizes", points.len());
    for round in 1..=5 {
        let again = round > 2;
        if again && begin.elapsed() > LIMIT {
            println!("sweep: {:.0} s are over, no more rounds", LIMIT.as_secs_f64());
            break;
        }
        for point in points.iter_mut().filter(|point| !again || point.is_slow()) {
            for (server, times) in servers.iter_mut().zip(&mut point.times) {
                times.push(server.measure(point.size)?);
                std::thread::sleep(PAUSE);
            }
        }
        let slow = points.iter().filter(|point| point.is_slow()).count();
        println!("sweep: round {round}, {:.0} s, {slow} sizes under {BAR}", begin.elapsed().as_secs_f64());
    }
    Ok(report(&points, seconds))
}

fn report(points: &[Point], seconds: &str) -> Sweep {
    let mut medians: Vec<f64> = points.iter().map(|point| point.ratios().0).collect();
    medians.sort_by(f64::total_cmp);
    let quantile = |share: f64| medians[(share * (medians.len() - 1) as f64).round() as usize];
    let slow: Vec<&Point> = points.iter().filter(|point| point.is_slow()).collect();
    let slow_medians = points.iter().filter(|point| point.ratios().0 < BAR).count();
    let slow_minima = points.iter().filter(|point| point.ratios().1 < BAR).count();

    let mut text = format!(
        "## Sweep\n\nrelu(W x + b) in f32 at {} sizes, {seconds} s a measurement, size by size in turn (ours, PyTorch, ONNX \
         Runtime), two rounds;\nsizes under {BAR} by either ratio up to three more. The ratio is the best other engine's time \
         by ours.\n\n",
        points.len()
    );
    let shares = [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0].map(|share| format!("{:.2}", quantile(share)));
    text += &markdown(["slowest", "5 %", "25 %", "half", "75 %", "95 %", "fastest"], &[shares]);
    writeln!(
        text,
        "\nOf the medians, {slow_medians} sizes are under {BAR}; of the shortest times, {slow_minima}. By batch:\n"
    )
    .expect("a string takes all");
    text += &by_batch(points);
    if slow.is_empty() {
        writeln!(text, "\nNo size is under {BAR}.").expect("a string takes all");
    } else {
        let rows: Vec<[String; 6]> = slow.iter().map(|point| slow_cells(point)).collect();
        let header = ["size", "plexus, us", "torch, us", "ort, us", "ratio of medians", "of minima"];
        writeln!(text, "\nUnder {BAR} by either ratio (median / shortest):\n").expect("a string takes all");
        text += &markdown(header, &rows);
    }
    let mut csv = "batch,inputs,outputs,round,engine,median_us,min_us\n".to_string();
    for point in points {
        let [batch, inputs, outputs] = point.size;
        for (engine, times) in ["plexus", "torch", "ort"].iter().zip(&point.times) {
            for (round, one) in times.iter().enumerate() {
                let (round, Measured { median_us, min_us, .. }) = (round + 1, one);
                writeln!(csv, "{batch},{inputs},{outputs},{round},{engine},{median_us:.2},{min_us:.2}")
                    .expect("a string takes all");
            }
        }
    }
    let summary = format!(
        "sweep of {} sizes: ratio {:.2} to {:.2}, half above {:.2}; {slow_medians} under {BAR}",
        points.len(),
        quantile(0.0),
        quantile(1.0),
        quantile(0.5)
    );
    Sweep { text, csv, summary }
}

/// For each batch how many sizes, the least ratio with its size, and the geometric mean.
fn by_batch(points: &[Point]) -> String {
    let mut batches: Vec<usize> = points.iter().map(|point| point.size[0]).collect();
    batches.sort_unstable();
    batches.dedup();
    let rows: Vec<[String; 5]> = batches
        .iter()
        .map(|&batch| {
            let of_batch: Vec<&Point> = points.iter().filter(|point| point.size[0] == batch).collect();
            let ratio = |point: &&&Point| point.ratios().0;
            let worst = of_batch.iter().min_by(|a, b| ratio(a).total_cmp(&ratio(b))).expect("the batch has sizes");
            let mean = (of_batch.iter().map(|point| ratio(&point).ln()).sum::<f64>() / of_batch.len() as f64).exp();
            let under = of_batch.iter().filter(|point| ratio(point) < BAR).count();
            [
                batch.to_string(),
                format!("{mean:.2}"),
                format!("{:.2}", ratio(&worst)),
                shown(worst.size),
                under.to_string(),
            ]
        })
        .collect();
    markdown(["batch", "geometric mean", "least", "at", "under 0.9"], &rows)
}

fn slow_cells(point: &Point) -> [String; 6] {
    let [ours, torch, ort] = point.times.each_ref().map(|all| {
        let of = |field: fn(&Measured) -> f64| all.iter().map(field).collect::<Vec<_>>();
        format!("{:.1} / {:.1}", median(&of(|one| one.median_us)), least(&of(|one| one.min_us)))
    });
    let (medians, minima) = point.ratios();
    [shown(point.size), ours, torch, ort, format!("{medians:.2}"), format!("{minima:.2}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(size: Size, times: [f64; 3]) -> Point {
        let measured = |us| vec![Measured { median_us: us, min_us: us / 2.0, samples_per_second: None }];
        Point { size, times: times.map(measured) }
    }

    #[test]
    fn the_better_of_the_others_decides() {
        let slow = point([1, 10, 10], [10.0, 8.0, 20.0]);
        assert_eq!(slow.ratios(), (0.8, 0.8));
        assert!(slow.is_slow());
        assert!(!point([1, 10, 10], [10.0, 9.5, 20.0]).is_slow());
    }

    #[test]
    fn the_report_counts_and_names_slow_sizes() {
        let points = [point([1, 10, 33], [10.0, 8.0, 20.0]), point([8, 10, 33], [1.0, 4.0, 3.0])];
        let sweep = report(&points, "0.06");
        assert!(sweep.text.contains("1 sizes are under 0.9") && sweep.text.contains("| 1x10x33"), "{}", sweep.text);
        assert!(sweep.summary.contains("ratio 0.80 to 3.00"), "{}", sweep.summary);
        assert_eq!(sweep.csv.lines().count(), 7);
        assert!(sweep.csv.contains("8,10,33,1,ort,3.00,1.50"));
    }
}
