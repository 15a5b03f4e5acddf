//! `plexus bench`: how fast this machine computes, and how far each kernel is from what it can do.
//!
//! Without a task the report of [`machine`]; with one a single line, in the words of the script that measures other
//! engines, so that the two can be alternated. [`linear`] and [`network`] prepare what is timed, [`mod@measure`] takes the
//! time.

mod compressed;
pub mod floors;
mod integer;
mod linear;
mod machine;
mod measure;
mod network;

use crate::Failure;
use crate::args::{BenchArgs, BenchTask, OptimizerArg, PrecisionArg};
use crate::output::{grouped, say};
pub use linear::Size;
pub(crate) use measure::numbers;
use measure::{Times, measure};
use network::{SAMPLES, Which};
use plexus::{Context, Pool};
use plexus_kernels::gemm::{Kernel, Precision};
use plexus_kernels::{conv, gemm_i8, gemm_i16};
use serde::Serialize;
use std::io::BufRead;

/// The batches of `--sweep`.
const SWEEP_BATCHES: [usize; 11] = [1, 2, 3, 5, 8, 16, 32, 64, 128, 256, 1024];
/// Its widths, of input and of output: tiny, odd, not a multiple of anything, common, large.
const SWEEP_WIDTHS: [usize; 8] = [10, 33, 128, 500, 784, 1000, 1024, 4096];

/// More memory than this is a typing error rather than a layer.
const MOST_BYTES: f64 = 16.0 * GIB;
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// One result, as a line of JSON.
#[derive(Debug, Serialize)]
struct Line {
    engine: &'static str,
    task: &'static str,
    batch: usize,
    inputs: usize,
    outputs: usize,
    threads: usize,
    samples: usize,
    precision: &'static str,
    seconds: f64,
    median_us: f64,
    min_us: f64,
    runs: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    optimizer: Option<&'static str>,
    kernel: &'static str,
    isa: &'static str,
}

/// Measures, and prints as it goes.
pub fn run(args: BenchArgs) -> Result<(), Failure> {
    let context = Context::detect(Pool::new(args.threads)).with_precision(Precision::Highest);
    let task = match args.task {
        Some(task) => task,
        None if args.shapes.is_some() || args.sweep => BenchTask::Linear,
        None => return machine::run(&args, &context),
    };
    match task {
        BenchTask::Linear | BenchTask::LinearBackward => several(&args, task, &context),
        _ => {
            if args.shapes.is_some() || args.sweep {
                let what = format!("--shapes and --sweep are for one layer, not for {}", task.name());
                return Err(Failure::Input(format!("{what}; measure linear or linear-backward")));
            }
            whole(&args, task, Which::of(task), &context)
        }
    }
}

/// One layer at one size, at the sizes of a list, or at those of the sweep.
fn several(args: &BenchArgs, task: BenchTask, context: &Context) -> Result<(), Failure> {
    if args.sweep {
        for inputs in SWEEP_WIDTHS {
            for outputs in SWEEP_WIDTHS {
                for batch in SWEEP_BATCHES {
                    layer(args, task, Size { batch, inputs, outputs }, context)?;
                }
            }
        }
        return Ok(());
    }
    let Some(shapes) = &args.shapes else {
        return layer(args, task, args.size(), context);
    };
    let file: Box<dyn BufRead> = if shapes.as_os_str() == "-" {
        // Line by line: who writes them may wait for each answer.
        Box::new(std::io::stdin().lock())
    } else {
        let failed = |error| Failure::Input(format!("{}: {error}", shapes.display()));
        Box::new(std::io::BufReader::new(std::fs::File::open(shapes).map_err(failed)?))
    };
    let place = |number: usize| match shapes.to_str() {
        Some("-") => format!("standard input, line {number}"),
        _ => format!("{}, line {number}", shapes.display()),
    };
    for (index, text) in file.lines().enumerate() {
        let text = text.map_err(|error| Failure::Input(format!("{}: {error}", place(index + 1))))?;
        let text = text.split('#').next().unwrap_or_default().trim();
        if !text.is_empty() {
            let size = parse_size(text).ok_or_else(|| {
                let expected = "batch, inputs and outputs above 0, as 32x4096x4096 or 32 4096 4096";
                Failure::Input(format!("{}: expected {expected}, got \"{text}\"", place(index + 1)))
            })?;
            layer(args, task, size, context)?;
        }
    }
    Ok(())
}

/// `32x4096x4096`, or the same with blanks.
fn parse_size(text: &str) -> Option<Size> {
    let numbers: Option<Vec<usize>> = text
        .split(|c: char| c == 'x' || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().ok().filter(|&size| size > 0))
        .collect();
    match numbers?[..] {
        [batch, inputs, outputs] => Some(Size { batch, inputs, outputs }),
        _ => None,
    }
}

/// Refuses what no memory holds.
fn check(size: Size) -> Result<(), Failure> {
    if size.bytes() <= MOST_BYTES {
        return Ok(());
    }
    Err(Failure::Input(format!("{size} needs {:.0} GiB, but at most 16 are taken", size.bytes() / GIB)))
}

/// What to say of a precision without kernels.
fn not_available(precision: PrecisionArg, task: BenchTask) -> Failure {
    let available = PrecisionArg::all().filter(|&other| match task {
        BenchTask::Linear => !linear::rows(other).is_empty(),
        BenchTask::LinearBackward => other.of_floats().is_some(),
        _ => other.of_floats().is_some() || !Which::of(task).trains(task),
    });
    let available: Vec<&str> = available.map(PrecisionArg::name).collect();
    Failure::Input(format!(
        "--precision {} is not available in this build for {}; there is {}",
        precision.name(),
        task.name(),
        available.join(", ")
    ))
}

/// One layer at one size.
fn layer(args: &BenchArgs, task: BenchTask, size: Size, context: &Context) -> Result<(), Failure> {
    check(size)?;
    let precision = args.precision.unwrap_or(PrecisionArg::Highest);
    let mut prepared = match task {
        BenchTask::LinearBackward => {
            let precision = precision.of_floats().ok_or_else(|| not_available(precision, task))?;
            linear::backward(size, precision, context)
        }
        _ => {
            let row = linear::rows(precision).into_iter().find(|row| row.picked);
            row.ok_or_else(|| not_available(precision, task))?.prepare(size, context)
        }
    };
    let times = measure(args.task_seconds(), &mut prepared.call);
    let speed = 2.0 * prepared.macs as f64 / times.median_us / 1e3;
    let line = line(args, task, size, times, prepared.kernel, context);
    print(args, &line, &format!("{speed:.1} GFLOP/s"))
}

/// A whole network.
fn whole(args: &BenchArgs, task: BenchTask, which: Which, context: &Context) -> Result<(), Failure> {
    let precision = args.precision.unwrap_or(PrecisionArg::Standard);
    let context = match (precision.of_floats(), precision.of_weights()) {
        (Some(floats), _) => context.clone().with_precision(floats),
        (None, None) if !which.trains(task) => context.clone(),
        // A step of training reads and changes the weights as they are.
        (None, weights @ Some(_)) if !which.trains(task) => {
            context.clone().with_precision(Precision::Standard).with_weights(weights)
        }
        _ => return Err(not_available(precision, task)),
    };
    let context = &context;
    let batch = args.batch.unwrap_or(1);
    let size = Size { batch, inputs: which.inputs(), outputs: which.outputs() };
    check(size)?;
    let kernel = match which {
        _ if precision == PrecisionArg::Int8 => gemm_i8::Kernel::for_isa(context.isa()).name,
        _ if precision == PrecisionArg::Int16 => gemm_i16::Kernel::for_isa(context.isa()).name,
        Which::Mlp => Kernel::for_isa(context.isa()).name,
        _ => conv::Kernel::for_isa(context.isa()).name,
    };
    if !which.trains(task) {
        let times = network::infer(which, batch, precision.scheme(), args.task_seconds(), context)?;
        let line = line(args, task, size, times, kernel, context);
        let speed = format!("{} rows/s", grouped((batch as f64 / times.median_us * 1e6) as u64));
        return print(args, &line, &speed);
    }
    let samples = args.samples.unwrap_or(which.samples());
    check(Size { batch: samples, ..size })?;
    let optimizer = args.optimizer.unwrap_or(OptimizerArg::Sgd);
    let times = network::train(which, batch, samples, optimizer, context)?;
    let rate = (samples / batch * batch) as f64 / times.median_us * 1e6;
    let line = Line {
        samples,
        samples_per_second: Some(rate),
        optimizer: Some(optimizer.name()),
        ..line(args, task, size, times, kernel, context)
    };
    print(args, &line, &format!("{} samples/s, {}", grouped(rate as u64), optimizer.name()))
}

fn line(args: &BenchArgs, task: BenchTask, size: Size, times: Times, kernel: &'static str, context: &Context) -> Line {
    Line {
        engine: "plexus",
        task: task.name(),
        batch: size.batch,
        inputs: size.inputs,
        outputs: size.outputs,
        threads: context.pool().threads(),
        samples: args.samples.unwrap_or(SAMPLES),
        precision: args.precision.map_or(context.precision().name(), PrecisionArg::name),
        seconds: args.task_seconds(),
        median_us: times.median_us,
        min_us: times.min_us,
        runs: times.runs,
        samples_per_second: None,
        optimizer: None,
        kernel,
        isa: context.isa().name(),
    }
}

fn print(args: &BenchArgs, line: &Line, speed: &str) -> Result<(), Failure> {
    if args.json {
        say!("{}", serde_json::to_string(line).expect("plain data has a JSON form"));
        return Ok(());
    }
    let Line { task, batch, inputs, outputs, precision, threads, kernel, .. } = line;
    let size = Size { batch: *batch, inputs: *inputs, outputs: *outputs };
    let threads = if *threads == 1 { "1 thread".to_string() } else { format!("{threads} threads") };
    say!(
        "{task} {size:<15} {precision}, {threads}: median {:>11} us, best {:>11} us, {:>6} {}; {speed}; {kernel}",
        microseconds(line.median_us),
        microseconds(line.min_us),
        line.runs,
        if line.runs == 1 { "run" } else { "runs" }
    );
    Ok(())
}

/// `12,345.6`
fn microseconds(us: f64) -> String {
    let tenths = (us * 10.0).round() as u64;
    format!("{}.{}", grouped(tenths / 10), tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_crosses_or_blanks() {
        let size = Some(Size { batch: 32, inputs: 784, outputs: 10 });
        assert_eq!(parse_size("32x784x10"), size);
        assert_eq!(parse_size("32  784\t10"), size);
        for bad in ["", "32x784", "32x784x10x1", "0x784x10", "32x784x-1", "a b c"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn microseconds_keep_one_digit() {
        assert_eq!(microseconds(12_345.66), "12,345.7");
        assert_eq!(microseconds(0.04), "0.0");
        assert_eq!(microseconds(9.96), "10.0");
    }

    #[test]
    fn layers_that_no_memory_holds_are_refused() {
        assert!(check(Size { batch: 1, inputs: 4096, outputs: 4096 }).is_ok());
        assert!(check(Size { batch: usize::MAX, inputs: usize::MAX, outputs: 1 }).is_err());
    }
}
